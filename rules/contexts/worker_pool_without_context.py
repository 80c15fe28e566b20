from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from mlint.rule import POOL, Call, Context, Edit, Example, Finding, LoopNode, Rule, Safety, walk, walk_statements

PROCESSES = frozenset(
    "multiprocessing.Pool multiprocessing.pool.Pool multiprocessing.pool.ThreadPool multiprocessing.dummy.Pool "
    "torch.multiprocessing.Pool torch.multiprocessing.pool.Pool multiprocess.Pool".split()
)
EXECUTORS = frozenset(
    "concurrent.futures.ThreadPoolExecutor concurrent.futures.ProcessPoolExecutor "
    "concurrent.futures.thread.ThreadPoolExecutor concurrent.futures.process.ProcessPoolExecutor".split()
)
PARALLEL = frozenset({"joblib.Parallel", "joblib.parallel.Parallel"})
LONGEST_BLOCK = 60

POOLS = """import random
from multiprocessing.pool import ThreadPool
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
import numpy as np
xs = [random.random() for _ in range(5)]


def f(x):
    return x * x


"""
JOBS = """import random
import numpy as np
from joblib import Parallel, delayed
batches = [[random.random() for _ in range(4)] for _ in range(3)]


def f(x):
    return x * x


"""


class WorkerPoolWithoutContext(Rule):
    """A pool of workers that nobody shuts down keeps its processes or threads.

    ## Why
    The workers of a `multiprocessing.Pool` are processes with a copy of the parent's memory, or threads. The
    documentation says that it is not correct to rely on the garbage collector to end them: the program may hang when it
    exits. An executor waits for its tasks only when it is shut down, and an exception in between leaves its workers
    running. In a loop or a service they add up. `joblib.Parallel` with threads, or with `backend="multiprocessing"`,
    starts new workers in each round of a loop unless it is entered once around it.

    ## Fix safety
    Safe where everything that the pool was asked for is waited for inside the new `with` block: the end of the block
    finds the workers idle. Unsafe for an executor that is not waited for, since the block waits for it, and where
    another module or `globals()` may look for the pool. A pool of `multiprocessing` whose results are waited for
    elsewhere, or nowhere, is reported without a fix: the end of its block would terminate them.

    ## Known limits
    A pool that is handed on, returned, kept on an object or closed anywhere is left alone, and so is `joblib.Parallel`
    with its default backend, which keeps its workers from call to call.

    ## References
    - Python documentation, `multiprocessing.pool.Pool`, Warning: internal resources "need to be properly managed".
    - Python documentation, `concurrent.futures.Executor.shutdown`.
    - joblib documentation, "Embarrassingly parallel for loops", section "Reusing a pool of workers".
    """

    code, name = "ML211", "worker-pool-without-context"
    libraries = ("sklearn", "numpy", "pandas", "torch", "dask")
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Call(*PROCESSES, *EXECUTORS, *PARALLEL),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        dotted = ctx.dotted(node.func) or ""
        if dotted in PARALLEL:
            yield from self._parallel(node, ctx)
            return
        executor = dotted in EXECUTORS
        if "atexit" in ctx.source.text:
            return
        use = ctx.handles.use(node, POOL)
        if use.how == "consumed" and isinstance(use.node, ast.Call):
            yield self._temporary(node, use.node, executor, ctx)
            return
        life = ctx.handles.lifetime(node, POOL)
        if life is None or life.closing is not None:
            return
        message = f"`{life.name}` is never shut down: its workers stay"
        advice = "open it in a `with` block"
        needed = ctx.pool_needed(life, executor=executor)
        body, name = needed.body, life.name
        if (
            not body
            or not (needed.awaited or executor)
            or not isinstance(life.statement, ast.Assign)
            or (body[-1].end_lineno or 0) - body[0].lineno > LONGEST_BLOCK
            or any(
                isinstance(part, (ast.Yield, ast.YieldFrom, ast.Await))
                or (isinstance(part, ast.Name) and part.id == name and not isinstance(part.ctx, ast.Load))
                for part in walk_statements(body)
            )
        ):
            yield ctx.finding(node, message, advice)
            return
        safe = needed.awaited and not ctx.looked_up(life.statement, name)
        header = f"with {ctx.text(node)} as {name}:"

        def build() -> Iterable[Edit]:
            return ctx.edits.enclose(life.statement, body, header)

        fix = ctx.fix(build, Safety.SAFE if safe else Safety.UNSAFE, f"Use `{' '.join(header.split())}`")
        yield ctx.finding(node, message, advice, fix)

    def _temporary(self, node: ast.Call, used: ast.Call, executor: bool, ctx: Context) -> Finding:
        """`Pool(4).map(f, xs)`."""
        message = f"`{ctx.short(node)}` is never shut down: its workers stay"
        advice = "open it in a `with` block"
        statement = ctx.tree.statement(node)
        end = ctx.pool_waits(used, executor=executor)
        if (
            end is None
            or not isinstance(statement, (ast.Assign, ast.Expr, ast.Return, ast.For))
            or all(part is not end for part in walk(statement))
            or not ctx.handles.unconditional(node)
            or ctx.handles.calls_before(node)
            or any(isinstance(n, (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await)) for n in walk(statement))
        ):
            return ctx.finding(node, message, advice)
        name = ctx.handles.name_for(statement, ("pool", "workers", "executor"))
        if name is None:
            return ctx.finding(node, message, advice)
        header = f"with {ctx.text(node)} as {name}:"

        def build() -> Iterable[Edit]:
            return ctx.edits.wrap([statement], header, {node: name})

        safety = Safety.SAFE if ctx.tree.function(node) is not None or ctx.is_script else Safety.UNSAFE
        return ctx.finding(node, message, advice, ctx.fix(build, safety, f"Use `{' '.join(header.split())}`"))

    def _parallel(self, node: ast.Call, ctx: Context) -> Iterator[Finding]:
        loop = ctx.flow.loop(node)
        call = ctx.tree.parent(node)
        if (
            loop is None
            or not isinstance(call, ast.Call)
            or call.func is not node
            or not self._starts_workers(node, ctx)
        ):
            return
        if self._is_header(node, loop, ctx):
            return
        message = f"`{ctx.short(node)}` starts its workers anew in every round"
        advice = "enter it once around the loop: `with Parallel(…) as parallel:`"
        if self._changes(node, loop, ctx) or any(
            isinstance(part, (ast.Yield, ast.YieldFrom, ast.Await)) for part in walk(loop)
        ):
            yield ctx.finding(node, message, advice)
            return
        name = ctx.handles.name_for(loop, ("parallel", "workers", "jobs"))
        others = [part for part in walk(loop) if isinstance(part, ast.Call) and ctx.dotted(part.func) in PARALLEL]
        if name is None or len(others) > 1:
            yield ctx.finding(node, message, advice)
            return
        header = f"with {ctx.text(node)} as {name}:"

        def build() -> Iterable[Edit]:
            return ctx.edits.wrap([loop], header, {node: name})

        safety = Safety.SAFE if ctx.tree.function(node) is not None or ctx.is_script else Safety.UNSAFE
        yield ctx.finding(node, message, advice, ctx.fix(build, safety, f"Use `{' '.join(header.split())}`"))

    def _starts_workers(self, node: ast.Call, ctx: Context) -> bool:
        """Whether a call of `Parallel` starts workers that it does not keep: by threads or by `multiprocessing`."""
        if ctx.open_ended(node):
            return False
        jobs = ctx.argument(node, "n_jobs", 0)
        if jobs is None or (isinstance(jobs, ast.Constant) and jobs.value in (None, 1)):
            return False
        for keyword, names in (("backend", ("threading", "multiprocessing")), ("prefer", ("threads",))):
            given = ctx.argument(node, keyword)
            if isinstance(given, ast.Constant) and given.value in names:
                return True
        required = ctx.argument(node, "require")
        return isinstance(required, ast.Constant) and required.value == "sharedmem"

    def _is_header(self, node: ast.AST, loop: LoopNode, ctx: Context) -> bool:
        header = loop.test if isinstance(loop, ast.While) else loop.iter
        return any(part is node for part in walk(header))

    def _changes(self, node: ast.Call, loop: LoopNode, ctx: Context) -> bool:
        """Whether what `Parallel` is given may be another thing in each round."""
        bound = {part.id for part in walk(loop) if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load)}
        return any(
            isinstance(part, (ast.Call, ast.Attribute, ast.Subscript))
            or (isinstance(part, ast.Name) and part.id in bound)
            for value in (*node.args, *(keyword.value for keyword in node.keywords))
            for part in walk(value)
        )

    examples = (
        Example(given=POOLS, ok="with ThreadPool(2) as pool:\n    result = pool.map(f, xs)"),
        Example(given=POOLS, ok="pool = ThreadPool(2)\nresult = pool.map(f, xs)\npool.close()\npool.join()"),
        Example(
            given=POOLS,
            ok="pool = ThreadPool(2)\ntry:\n    result = pool.map(f, xs)\nfinally:\n    pool.terminate()\n"
            "    pool.join()",
        ),
        Example(given=POOLS, ok="ex = ThreadPoolExecutor()\nresult = list(ex.map(f, xs))\nex.shutdown()"),
        Example(given=POOLS, ok="class Runner:\n    def __init__(self):\n        self.pool = ThreadPool(2)"),
        Example(given=POOLS, ok="def make():\n    pool = ThreadPool(2)\n    pool.map(f, xs)\n    return pool"),
        Example(
            given=POOLS + "from mylib import run\n",
            ok="def work():\n    pool = ThreadPoolExecutor(2)\n    pool.submit(f, 1)\n    run(pool)",
            note="handed on",
        ),
        Example(
            given=POOLS + "import contextlib\n",
            ok="with contextlib.ExitStack() as stack:\n    ex = ThreadPoolExecutor()\n    stack.enter_context(ex)\n"
            "    result = list(ex.map(f, xs))",
        ),
        Example(
            given=POOLS + "import atexit\n",
            ok="pool = ThreadPool(2)\natexit.register(pool.terminate)\nresult = pool.map(f, xs)",
        ),
        Example(
            given=POOLS,
            ok="pool = ThreadPool(2)\n\n\ndef square(values):\n    return pool.map(f, values)",
            note="one for the whole program",
        ),
        Example(given=POOLS + "from mylib import Pool\n", ok="pool = Pool(2)\nresult = pool.map(f, xs)"),
        Example(
            given="from torch import nn\n",
            ok="pool = nn.MaxPool2d(2)\nresult = pool(1)",
        ),
        Example(
            given=JOBS,
            ok="for batch in batches:\n    print(Parallel(n_jobs=2)(delayed(f)(x) for x in batch))",
            note="the default backend keeps its workers",
        ),
        Example(
            given=JOBS,
            ok='with Parallel(n_jobs=2, prefer="threads") as parallel:\n    for batch in batches:\n'
            "        print(parallel(delayed(f)(x) for x in batch))",
        ),
        Example(
            given=JOBS,
            ok='for y in Parallel(n_jobs=2, prefer="threads")(delayed(f)(x) for x in batches[0]):\n    print(y)',
        ),
        Example(
            given=JOBS,
            ok='for batch in batches:\n    print(Parallel(n_jobs=1, prefer="threads")(delayed(f)(x) for x in batch))',
        ),
        # The defect
        Example(
            given=POOLS,
            bad="def squares(xs):\n    pool = ThreadPool(2)\n    return pool.map(f, xs)\n\n\nresult = squares(xs)",
            good="def squares(xs):\n    with ThreadPool(2) as pool:\n        return pool.map(f, xs)\n\n\n"
            "result = squares(xs)",
            equal="result",
            safety="safe",
        ),
        Example(
            given=POOLS,
            bad="def squares(xs):\n    # two at a time\n    pool = ThreadPool(2)\n    found = []\n"
            "    for y in pool.imap(f, xs):\n        found.append(y)  # in order\n    return found\n\n\n"
            "result = squares(xs)",
            good="def squares(xs):\n    # two at a time\n    with ThreadPool(2) as pool:\n        found = []\n"
            "        for y in pool.imap(f, xs):\n            found.append(y)  # in order\n    return found\n\n\n"
            "result = squares(xs)",
            equal="result",
            safety="safe",
        ),
        Example(
            given=POOLS,
            bad="def squares(xs):\n    ex = ThreadPoolExecutor(max_workers=2)\n"
            "    futures = [ex.submit(f, x) for x in xs]\n"
            "    total = len(futures)\n    return total, [future.result() for future in futures]\n\n\n"
            "result = squares(xs)",
            good="def squares(xs):\n    with ThreadPoolExecutor(max_workers=2) as ex:\n"
            "        futures = [ex.submit(f, x) for x in xs]\n"
            "        total = len(futures)\n        return total, [future.result() for future in futures]\n\n\n"
            "result = squares(xs)",
            equal="result",
            safety="safe",
        ),
        Example(
            given=POOLS,
            bad="def total(xs):\n    ex = ThreadPoolExecutor()\n    waiting = {ex.submit(f, x): x for x in xs}\n"
            "    found = 0\n"
            "    for future in as_completed(waiting):\n        found += round(future.result() * 1000)\n"
            "    return found\n\n\n"
            "result = total(xs)",
            good="def total(xs):\n    with ThreadPoolExecutor() as ex:\n"
            "        waiting = {ex.submit(f, x): x for x in xs}\n"
            "        found = 0\n"
            "        for future in as_completed(waiting):\n            found += round(future.result() * 1000)\n"
            "    return found\n\n\nresult = total(xs)",
            equal="result",
            safety="safe",
        ),
        Example(
            given=POOLS,
            bad="def later(xs):\n    ex = ThreadPoolExecutor()\n    return [ex.submit(f, x) for x in xs]\n\n\n"
            "result = [future.result() for future in later(xs)]",
            good="def later(xs):\n    with ThreadPoolExecutor() as ex:\n"
            "        return [ex.submit(f, x) for x in xs]\n\n\n"
            "result = [future.result() for future in later(xs)]",
            equal="result",
            safety="unsafe",
            note="the block waits for all of them",
        ),
        Example(
            given=POOLS,
            bad="def later(xs):\n    pool = ThreadPool(2)\n    return [pool.apply_async(f, (x,)) for x in xs]",
            note="the end of a block would terminate them",
        ),
        Example(
            given=POOLS,
            bad="def first(xs):\n    pool = ThreadPool(2)\n    for y in pool.imap_unordered(f, xs):\n        if y:\n"
            "            return y",
            note="who knows what the others do meanwhile",
        ),
        Example(
            given=POOLS,
            bad="def squares(xs):\n    return np.array(ThreadPool(2).map(f, xs))\n\n\nresult = squares(xs)",
            good="def squares(xs):\n    with ThreadPool(2) as pool:\n        return np.array(pool.map(f, xs))\n\n\n"
            "result = squares(xs)",
            equal="result",
            safety="safe",
        ),
        Example(
            given="import torch\nimport torch.multiprocessing as mp\n",
            bad="def run(f, xs):\n    pool = mp.Pool(processes=4)\n    results = pool.starmap(f, xs)\n"
            "    print(results)",
            good="def run(f, xs):\n    with mp.Pool(processes=4) as pool:\n        results = pool.starmap(f, xs)\n"
            "    print(results)",
            safety="safe",
        ),
        Example(
            given=JOBS,
            bad="def run(batches):\n    found = []\n    for batch in batches:\n"
            '        found.append(Parallel(n_jobs=2, backend="threading")(delayed(f)(x) for x in batch))\n'
            "    return found\n\n\nresult = run(batches)",
            good='def run(batches):\n    found = []\n    with Parallel(n_jobs=2, backend="threading") as parallel:\n'
            "        for batch in batches:\n"
            "            found.append(parallel(delayed(f)(x) for x in batch))\n"
            "    return found\n\n\nresult = run(batches)",
            equal="result",
            safety="safe",
        ),
        Example(
            given=JOBS,
            bad='for n in (2, 3):\n    print(Parallel(n_jobs=n, prefer="threads")(delayed(f)(x) for x in batches[0]))',
        ),
    )
