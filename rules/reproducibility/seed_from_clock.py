from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Call, Context, Example, Finding, Rule, Safety, walk

_GLOBAL = (
    "torch.manual_seed", "torch.cuda.manual_seed", "torch.cuda.manual_seed_all", "numpy.random.seed", "random.seed",
    "tensorflow.random.set_seed", "tensorflow.set_random_seed", "keras.utils.set_random_seed", "cupy.random.seed",
    "transformers.set_seed", "accelerate.utils.set_seed", "lightning.pytorch.seed_everything",
)  # fmt: skip
_OBJECTS = (
    "numpy.random.default_rng",
    "numpy.random.RandomState",
    "random.Random",
    "jax.random.key",
    "jax.random.PRNGKey",
)
_CLOCKS = frozenset(
    "time.time time.time_ns time.monotonic time.monotonic_ns time.perf_counter time.perf_counter_ns os.getpid "
    "os.urandom datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today uuid.uuid4 uuid.uuid1 "
    "secrets.randbits secrets.randbelow".split()
)


class SeedFromClock(Rule):
    """A seed is taken from the clock or from the process, and nobody can tell it afterwards.

    ## Why
    A seed is there so that a run can be repeated. One that is made of the time, the process's number or the operating
    system's randomness is gone when the run is over: the generators are seeded so anyway when nothing seeds them.

    A seed that is written down (printed, logged, kept in the settings, returned) makes the run repeatable and is left
    alone, as is one that only stands in for a number that was not given.

    ## Fix safety
    Unsafe: the stream is fixed.

    ## When to ignore
    The numbers must differ from run to run, for names and ports, say.

    ## References
    - PyTorch documentation, "Reproducibility".
    - NumPy documentation, `numpy.random.default_rng`.
    """

    code, name = "ML320", "seed-from-clock"
    libraries = ("torch", "tensorflow", "keras", "numpy", "jax", "sklearn")
    safety = Safety.UNSAFE
    words = ("time", "getpid", "urandom", "now", "uuid", "secrets")
    triggers = (Call(*_GLOBAL, *_OBJECTS),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        values = [*node.args, *(k.value for k in node.keywords if k.arg in ("seed", "a", "x"))]
        if not values or "worker_init_fn" in ctx.source.text:
            return
        if ctx.dotted(node.func) in _OBJECTS and not ctx.is_script:
            return
        if _told(node, values[0], ctx):
            return
        clock = _clock(values[0], ctx)
        if clock is None or any(True for _ in ctx.flow.guards(node)):
            return
        seed = str(ctx.options.seed)
        fix = ctx.fix(lambda: ctx.edits.replace(values[0], seed), Safety.UNSAFE, f"Seed with {seed}")
        yield ctx.finding(
            node,
            f"`{ctx.short(node)}` takes its seed from `{ctx.short(clock)}`, which nobody can tell after the run",
            "seed with a number that is written down",
            fix,
        )

    examples = (
        Example(
            given="import time\nimport numpy as np",
            bad="np.random.seed(int(time.time()))  # new\nx = np.random.rand(3)",
            good="np.random.seed(0)  # new\nx = np.random.rand(3)",
            equal="x.shape",
        ),
        Example(
            given="from time import time\nimport random\nimport torch",
            bad="random.seed(time())\ntorch.ones(random.randint(1, 3))",
            good="random.seed(0)\ntorch.ones(random.randint(1, 3))",
        ),
        Example(
            given="import os\nimport torch",
            bad="seed = (os.getpid() * 7) % 2**32\ntorch.manual_seed(seed)\nx = torch.rand(3)",
            good="seed = (os.getpid() * 7) % 2**32\ntorch.manual_seed(0)\nx = torch.rand(3)",
            equal="x.shape",
            note="under a name that is used for nothing else",
        ),
        Example(
            given="import datetime\nimport jax",
            bad="key = jax.random.PRNGKey(datetime.datetime.now().microsecond)\nprint(jax.random.normal(key))",
            good="key = jax.random.PRNGKey(0)\nprint(jax.random.normal(key))",
        ),
        Example(
            given="import time\nimport numpy as np",
            bad="rng = np.random.default_rng(seed=time.time_ns())\nprint(rng.normal())",
            good="rng = np.random.default_rng(seed=0)\nprint(rng.normal())",
        ),
        Example(
            given="import os\nimport numpy as np",
            bad="np.random.seed(int.from_bytes(os.urandom(4), 'little'))",
            good="np.random.seed(0)",
        ),
        Example(
            given="import time\nimport numpy as np",
            ok="seed = int(time.time())\nprint('seed', seed)\nnp.random.seed(seed)",
            note="written down",
        ),
        Example(
            given="import time\nimport numpy as np",
            ok="def start(log):\n    seed = int(time.time())\n    np.random.seed(seed)\n    return seed",
        ),
        Example(
            given="import time\nimport numpy as np",
            ok="np.random.seed(seed := int(time.time()))\nprint(seed)",
        ),
        Example(
            given="import time\nimport numpy as np\nimport argparse\nargs = argparse.ArgumentParser().parse_args()",
            ok=("if args.seed is None:\n    np.random.seed(int(time.time()))\nelse:\n    np.random.seed(args.seed)\n"),
            note="nobody has given a number",
        ),
        Example(
            given="import time\nimport numpy as np\nimport argparse\nargs = argparse.ArgumentParser().parse_args()",
            ok="seed = args.seed if args.seed is not None else int(time.time())\nnp.random.seed(seed)",
        ),
        Example(
            given="import time\nimport numpy as np",
            ok="def ids(n):\n    rng = np.random.default_rng(time.time_ns())\n    return rng.integers(0, 9, n)",
            note="a library's own generator",
        ),
        Example(
            given="import time\nimport numpy as np",
            ok="start = time.time()\nnp.random.seed(3)\nprint(time.time() - start)",
        ),
        Example(
            given="import time\nimport numpy as np\nfrom torch.utils.data import DataLoader",
            ok="def init(w):\n    np.random.seed(int(time.time()) + w)\n\nDataLoader([1], worker_init_fn=init)",
            note="a matter of the rule about workers",
        ),
        Example(
            given="import os\nimport numpy as np",
            ok="def start(seed):\n    np.random.seed(seed + os.getpid())",
            note="a number that was given, and another stream for each process",
        ),
        Example(given="import numpy as np", ok="np.random.seed()\nnp.random.seed(None)"),
    )


def _clock(node: ast.expr, ctx: Context, depth: int = 0) -> ast.expr | None:
    """The call in an expression that differs from run to run, where the expression is plainly made of it."""
    if isinstance(node, ast.Name) and depth < 3:
        bindings = ctx.reaching.of(node) or []
        if (
            len(bindings) == 1
            and bindings[0].how == "assign"
            and bindings[0].value is not None
            and not bindings[0].path
        ):
            return _clock(bindings[0].value, ctx, depth + 1)
        return None
    if any(isinstance(n, (ast.IfExp, ast.BoolOp, ast.NamedExpr, ast.Await)) for n in walk(node)):
        return None
    for name in walk(node):
        if isinstance(name, ast.Name) and not isinstance(name.ctx, ast.Store):
            found = ctx.names.lookup(name)
            if found is not None and any(binding.how != "import" for binding in found[1]):
                return None  # a number that was given, and something to tell processes apart
    return next((n for n in walk(node) if isinstance(n, ast.Call) and ctx.dotted(n.func) in _CLOCKS), None)


def _told(call: ast.Call, seed: ast.expr, ctx: Context) -> bool:
    """Whether a name that holds the seed is read by something else than a seeding function."""
    if not isinstance(seed, ast.Name):
        return False
    found = ctx.names.lookup(seed)
    if found is None:
        return True
    for node in walk(found[0]):
        if isinstance(node, ast.Name) and node.id == seed.id and isinstance(node.ctx, ast.Load):
            parent = ctx.tree.parent(node)
            if not isinstance(parent, ast.Call) or ctx.dotted(parent.func) not in (*_GLOBAL, *_OBJECTS):
                return True
    return False
