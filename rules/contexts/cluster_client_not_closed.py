from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from mlint.rule import (
    FUNCTIONS,
    LOOPS,
    Call,
    Context,
    Edit,
    Example,
    Finding,
    FunctionNode,
    Rule,
    Safety,
    walk,
    walk_statements,
)

CLIENTS = frozenset({"distributed.Client", "dask.distributed.Client", "distributed.client.Client"})
CLUSTERS = frozenset(
    "distributed.LocalCluster dask.distributed.LocalCluster distributed.deploy.local.LocalCluster "
    "distributed.deploy.LocalCluster dask_cuda.LocalCUDACluster dask_cuda.local_cuda_cluster.LocalCUDACluster".split()
)
RAY = frozenset({"ray.init"})
CLOSING = frozenset("close shutdown __exit__ retire_workers".split())
# Functions that start something for whoever calls them.
STARTING = re.compile(
    r"^_*(get|make|create|start|init|initialize|setup|set_up|connect|open|launch|build|main|run|cli|fixture)(_|$)|"
    r"client|cluster|dask|_setup$|^__",
    re.IGNORECASE,
)
# Calls that give plain values, whatever cluster computed them.
COMPUTED = frozenset("compute result gather item tolist sum mean len float int str round numpy".split())

TOTAL = """import dask.array as da
import numpy as np
from dask.distributed import Client, LocalCluster
x = da.from_array(np.random.rand(20), chunks=5)
"""


class ClusterClientNotClosed(Rule):
    """A cluster that is started in a function and never closed keeps its scheduler, workers and ports.

    ## Why
    `Client()` and `LocalCluster()` start a scheduler and worker processes that live until they are closed or the
    program ends. Each call of a function that starts them and does not close them adds another set, with its memory and
    ports, and later computations silently go to the newest one. At the top level of a script they fail: the workers are
    spawned by importing the script, which would start a cluster again. `ray.init()` raises when it is called a second
    time.

    ## Fix safety
    Safe where everything that leaves the function has been computed: the cluster is closed when the function ends.
    Unsafe where something that leaves it may be computed by the cluster later. There is no fix at the top level of a
    script, which needs an `if __name__ == "__main__":`, nor for `ray.init()`.

    ## Known limits
    Functions that are named after starting something, or that run the whole program, are left alone, and so are
    notebooks, clients that are connected to a scheduler by its address, and clients that are handed on.

    ## References
    - Dask documentation, "Client", `distributed.Client.close`, and "Python API (advanced)", `LocalCluster` as context.
    - Dask documentation, "Local Cluster": the program has to stand under `if __name__ == "__main__":`.
    - Ray documentation, `ray.init`: `ignore_reinit_error`, and `ray.shutdown`.
    """

    code, name = "ML212", "cluster-client-not-closed"
    libraries = ("dask", "ray")
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Call(*CLIENTS, *CLUSTERS, *RAY),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        dotted = ctx.dotted(node.func)
        if ctx.model.role.name == "notebook" or ctx.open_ended(node):
            return
        if dotted in RAY:
            yield from self._ray(node, ctx)
            return
        function = ctx.tree.function(node)
        local = dotted in CLUSTERS or self._starts_workers(node, ctx)
        if function is None:
            if local and self._runs_at_import(node, ctx):
                message = f"`{ctx.short(node)}` spawns workers that run this file from its top again"
                yield ctx.finding(node, message, 'put it under `if __name__ == "__main__":`')
            return
        if not (local or self._is_cluster(node, ctx)) or self._runs_once(function, ctx):
            return
        statement = ctx.tree.parent(node)
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return
        target = statement.targets[0]
        if not isinstance(target, ast.Name) or not self._stays(target, statement, function, ctx):
            return
        noun = "cluster" if dotted in CLUSTERS else "client"
        message = f"every call of `{function.name}` starts a {noun} that is never closed"
        advice = "open it in a `with` block"
        block = ctx.tree.block(statement)
        body = ctx.tree.following(statement)
        if (
            not self._ends_function(block, function, ctx)
            or not body
            or any(isinstance(part, (ast.Yield, ast.YieldFrom, ast.Await)) for part in walk_statements(function.body))
        ):
            yield ctx.finding(node, message, advice)
            return
        safe = self._all_computed(body, ctx)
        header = f"with {ctx.text(node)} as {target.id}:"

        def build() -> Iterable[Edit]:
            return ctx.edits.enclose(statement, body, header)

        fix = ctx.fix(build, Safety.SAFE if safe else Safety.UNSAFE, f"Use `{' '.join(header.split())}`")
        yield ctx.finding(node, message, advice, fix)

    def _ends_function(self, block: list[ast.stmt], function: FunctionNode, ctx: Context) -> bool:
        """Whether nothing of a function comes behind a block."""
        while block is not function.body:
            parent = ctx.tree.parent(block[0])
            if not isinstance(parent, ast.With) or ctx.tree.following(parent):
                return False
            block = ctx.tree.block(parent)
        return True

    def _starts_workers(self, node: ast.Call, ctx: Context) -> bool:
        """Whether a client starts a cluster of its own: it is given no address and no cluster."""
        if ctx.dotted(node.func) not in CLIENTS or node.args:
            return False
        return not any(k.arg in ("address", "scheduler_file", "asynchronous", "set_as_default") for k in node.keywords)

    def _is_cluster(self, node: ast.Call, ctx: Context) -> bool:
        """Whether a client is connected to a cluster that the same function makes."""
        given = ctx.argument(node, "address", 0)
        if not isinstance(given, ast.Name):
            return False
        made = [binding.value for binding in ctx.reaching.of(given) or ()]
        return bool(made) and all(isinstance(m, ast.Call) and ctx.dotted(m.func) in CLUSTERS for m in made)

    def _runs_at_import(self, node: ast.Call, ctx: Context) -> bool:
        """Whether the top level of a file starts worker processes whenever it is run, or imported by a worker."""
        processes = ctx.argument(node, "processes")
        if isinstance(processes, ast.Constant) and processes.value is False:
            return False
        if processes is not None and not isinstance(processes, ast.Constant):
            return False
        for ancestor in ctx.tree.ancestors(node):
            if isinstance(ancestor, (ast.If, ast.Try, ast.ClassDef, ast.Lambda)):
                return False
        return "cuda" not in (ctx.dotted(node.func) or "").lower()

    def _runs_once(self, function: FunctionNode, ctx: Context) -> bool:
        if function.decorator_list or STARTING.search(function.name) or not isinstance(function, ast.FunctionDef):
            return True
        calls = ctx.model.calls_by_definition().get(function, [])
        if any(ctx.flow.loop(call) is not None for call in calls):
            return False
        return ctx.is_script and (len(calls) < 2 or ctx.runs_program(function))

    def _stays(self, target: ast.Name, statement: ast.Assign, function: FunctionNode, ctx: Context) -> bool:
        """Whether nobody but the function holds the client, and nobody closes it."""
        if "atexit" in ctx.source.text:
            return False
        for node in walk(function):
            if isinstance(node, (ast.Global, ast.Nonlocal)) and target.id in node.names:
                return False
            if not isinstance(node, ast.Name) or node.id != target.id or node is target:
                continue
            if not isinstance(node.ctx, ast.Load) or ctx.tree.function(node) is not function:
                return False
            parent = ctx.tree.parent(node)
            if isinstance(parent, ast.Attribute):
                if parent.attr in CLOSING:
                    return False
            elif isinstance(parent, ast.Call) and node in parent.args:
                if ctx.dotted(parent.func) not in (*CLIENTS, "print", "display", "repr", "str"):
                    return False
            elif isinstance(parent, ast.keyword):
                call = ctx.tree.parent(parent)
                if not isinstance(call, ast.Call) or ctx.dotted(call.func) not in CLIENTS:
                    return False
            elif not isinstance(parent, (ast.Expr, ast.FormattedValue)):
                return False
        return True

    def _all_computed(self, body: list[ast.stmt], ctx: Context) -> bool:
        """Whether nothing leaves the statements but plain values."""
        for node in walk_statements(body):
            if isinstance(node, ast.Return):
                if node.value is not None and not self._is_plain(node.value, ctx, 0):
                    return False
            elif isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                stored = any(not isinstance(part, (ast.Name, ast.Tuple)) for part in targets)
                if stored and (node.value is None or not self._is_plain(node.value, ctx, 0)):
                    return False
            elif isinstance(node, (*FUNCTIONS, ast.Lambda, ast.Global, ast.Nonlocal)):
                return False
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr in ("append", "extend", "add", "put", "update", "setdefault"):
                    if not all(self._is_plain(argument, ctx, 0) for argument in node.args):
                        return False
        return True

    def _is_plain(self, node: ast.expr, ctx: Context, depth: int) -> bool:
        """Whether an expression gives a value that no cluster has to compute any more."""
        if isinstance(node, ast.Constant):
            return True
        if isinstance(node, (ast.Tuple, ast.List)):
            return all(self._is_plain(element, ctx, depth) for element in node.elts)
        if isinstance(node, ast.Call):
            word = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if word == "compute" and isinstance(node.func, ast.Attribute):
                # `client.compute(…)` promises, `x.compute()` and `dask.compute(…)` give
                return not node.args or ctx.dotted(node.func) == "dask.compute"
            if ctx.dotted(node.func) in ("float", "int", "len", "str", "round"):
                return True
            return word in ("result", "gather", "item", "tolist") or ctx.dotted(node.func) == "dask.compute"
        if isinstance(node, ast.BinOp):
            return self._is_plain(node.left, ctx, depth) and self._is_plain(node.right, ctx, depth)
        if isinstance(node, ast.Name) and depth < 4:
            found = ctx.reaching.of(node) or ()
            return bool(found) and all(
                binding.how == "assign" and binding.value is not None and self._is_plain(binding.value, ctx, depth + 1)
                for binding in found
            )
        return False

    def _ray(self, node: ast.Call, ctx: Context) -> Iterator[Finding]:
        """`ray.init()` that is reached a second time."""
        if any(keyword.arg == "ignore_reinit_error" for keyword in node.keywords):
            return
        text = ctx.source.text
        if "shutdown" in text or "is_initialized" in text or not isinstance(ctx.tree.parent(node), ast.Expr):
            return
        if next(ctx.flow.guards(node), None) is not None or any(
            isinstance(ancestor, ast.Try) for ancestor in ctx.tree.ancestors(node)
        ):
            return
        loop = ctx.flow.loop(node)
        if loop is not None and self._goes_round(loop):
            yield ctx.finding(node, "`ray.init` raises in the second round", "call it before the loop")
            return
        function = ctx.tree.function(node)
        if function is None or function.decorator_list or loop is not None:
            return
        for call in ctx.model.calls_by_definition().get(function, []):
            around = ctx.flow.loop(call)
            if around is not None and self._goes_round(around) and next(ctx.flow.guards(call, around), None) is None:
                message = f"`{function.name}` is called in a loop, and `ray.init` raises the second time"
                yield ctx.finding(node, message, "call it before the loop, or `ray.shutdown()` at the end")
                return

    def _goes_round(self, loop: ast.AST) -> bool:
        """Whether a loop has a second round."""
        body = getattr(loop, "body", [])
        return isinstance(loop, LOOPS) and not any(
            isinstance(part, (ast.Break, ast.Return, ast.Raise, ast.Try)) for part in walk_statements(body)
        )

    examples = (
        Example(
            given=TOTAL,
            ok="def total(x):\n    with Client(processes=False) as client:\n        return x.sum().compute()",
        ),
        Example(
            given=TOTAL,
            ok="def total(x):\n    client = Client(processes=False)\n    try:\n        return x.sum().compute()\n"
            "    finally:\n"
            "        client.close()",
        ),
        Example(
            given=TOTAL,
            ok="def total(x):\n    client = Client(processes=False)\n    value = x.sum().compute()\n"
            "    client.shutdown()\n"
            "    return value",
        ),
        Example(
            given=TOTAL, ok="def total(x, address):\n    client = Client(address)\n    return client.submit(sum, x)"
        ),
        Example(
            given=TOTAL, ok='def total(x):\n    client = Client("tcp://10.0.0.1:8786")\n    return x.sum().compute()'
        ),
        Example(given=TOTAL, ok="def get_client():\n    client = Client()\n    return client"),
        Example(given=TOTAL, ok="def total(x):\n    client = Client()\n    return client, x.sum()"),
        Example(
            given=TOTAL + "from mylib import fit\n",
            ok="def total(x):\n    client = Client()\n    fit(client, x)",
            note="handed on",
        ),
        Example(given=TOTAL, ok="class Engine:\n    def start(self):\n        self.client = Client()"),
        Example(
            given=TOTAL,
            ok="def main():\n    client = Client()\n    print(x.sum().compute())\n\n\nif __name__ == '__main__':\n"
            "    main()",
            note="for the whole program",
        ),
        Example(given=TOTAL, ok="if __name__ == '__main__':\n    client = Client()\n    print(x.sum().compute())"),
        Example(
            given=TOTAL,
            path="explore.ipynb.py",
            ok="# ---\n# jupyter:\n#   jupytext:\n# ---\nif True:\n    client = Client()",
        ),
        Example(given=TOTAL, ok="client = Client(processes=False)\nprint(x.sum().compute())"),
        Example(given="import dask\nfrom mylib import Client\n", ok="client = Client()\nprint(client)"),
        Example(given="import ray\n", ok="ray.init()\nfor i in range(3):\n    print(i)"),
        Example(given="import ray\n", ok="for i in range(3):\n    ray.init(ignore_reinit_error=True)\n    print(i)"),
        Example(given="import ray\n", ok="for i in range(3):\n    ray.init()\n    print(i)\n    ray.shutdown()"),
        Example(
            given="import ray\n",
            ok="for i in range(3):\n    if not ray.is_initialized():\n        ray.init()\n    print(i)",
        ),
        Example(given="import ray\n", ok="def train():\n    ray.init()\n    print(1)\n\n\ntrain()"),
        Example(given="import ray\n", ok="for i in range(3):\n    with ray.init():\n        print(i)"),
        # The defect
        Example(
            given=TOTAL,
            bad="def total(x):\n    client = Client(processes=False, dashboard_address=None)\n    # by threads\n"
            "    value = x.sum().compute()\n    return float(value)\n\n\nresult = total(x)",
            good="def total(x):\n    with Client(processes=False, dashboard_address=None) as client:\n"
            "        # by threads\n"
            "        value = x.sum().compute()\n        return float(value)\n\n\nresult = total(x)",
            equal="result",
            close=True,
            safety="safe",
        ),
        Example(
            given=TOTAL,
            bad="def double(x):\n    client = Client(n_workers=2)\n    print(client.dashboard_link)\n"
            "    return (2 * x).persist()",
            good="def double(x):\n    with Client(n_workers=2) as client:\n        print(client.dashboard_link)\n"
            "        return (2 * x).persist()",
            safety="unsafe",
        ),
        Example(
            given="import dask\nfrom dask import distributed as dd\n",
            bad="def total(x):\n    cluster = dd.LocalCluster(n_workers=2)\n    client = dd.Client(cluster)\n"
            "    return client.submit(sum, x).result()",
            good="def total(x):\n    with dd.LocalCluster(n_workers=2) as cluster:\n"
            "        with dd.Client(cluster) as client:\n"
            "            return client.submit(sum, x).result()",
            count=2,
            safety="safe",
        ),
        Example(
            given=TOTAL,
            bad="client = Client(n_workers=2)\nprint(x.sum().compute())",
            note="raises: its workers would start a cluster too",
        ),
        Example(
            given=TOTAL,
            bad="def total(x, parallel):\n    if parallel:\n        client = Client()\n"
            "        client.wait_for_workers(2)\n"
            "    return x.sum().compute()",
            note="no block holds both",
        ),
        Example(given="import ray\n", bad="for seed in range(3):\n    ray.init(num_cpus=2)\n    print(seed)"),
        Example(
            given="import ray\n",
            bad="def run(seed):\n    ray.init()\n    print(seed)\n\n\nfor seed in range(3):\n    run(seed)",
        ),
    )
