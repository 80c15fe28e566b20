from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlint.rule import Call, Context, Example, Finding, Rule, Safety, walk

_MAKERS = ("numpy.random.default_rng", "numpy.random.RandomState", "random.Random", "cupy.random.default_rng")
_BIT_GENERATORS = tuple(f"numpy.random.{name}" for name in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"))
_SECRET = re.compile(r"^\s*(import|from) (secrets|cryptography|flask|fastapi|starlette|uvicorn)\b", re.MULTILINE)


class UnseededGenerator(Rule):
    """A script makes a random number generator without a seed, so its draws differ in every run.

    ## Why
    `np.random.default_rng()`, `np.random.RandomState()` and `random.Random()` are seeded from the operating system.
    Seeding NumPy's or Python's global generator does not reach them. An entry point is where a seed belongs; in a
    library the caller decides, and nothing is said there.

    `torch.Generator()` is not of this kind: it starts from a fixed default seed in every process.

    ## Fix safety
    Unsafe: the stream is fixed.

    ## When to ignore
    Samples must differ from run to run: a service that answers with random samples, or keys and tokens (which should
    come from `secrets`).

    ## References
    - NumPy documentation, `numpy.random.default_rng`.
    - NEP 19, "Random number generator policy".
    """

    code, name = "ML307", "unseeded-generator"
    libraries = ("numpy", "torch")
    safety = Safety.UNSAFE
    triggers = (Call(*_MAKERS, *_BIT_GENERATORS),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if not ctx.is_script or ctx.open_ended(node):
            return
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        if any(not (isinstance(value, ast.Constant) and value.value is None) for value in given):
            return
        if _is_fallback(node, ctx) or _seeded_later(node, ctx) or _SECRET.search(ctx.source.text):
            return
        seed = str(ctx.options.seed)
        fix = ctx.fix(
            lambda: ctx.edits.replace(node, f"$maker({seed})", maker=node.func),
            Safety.UNSAFE,
            f"Seed it with {seed}",
        )
        yield ctx.finding(node, f"`{ctx.short(node)}` is seeded anew in every run", "pass a seed", fix)

    examples = (
        Example(
            bad=(
                "import numpy as np\n\nif __name__ == '__main__':\n"
                "    rng = np.random.default_rng()\n    print(rng.random(3))"
            ),
            good=(
                "import numpy as np\n\nif __name__ == '__main__':\n"
                "    rng = np.random.default_rng(0)\n    print(rng.random(3))"
            ),
        ),
        Example(
            given="from numpy.random import RandomState",
            bad="rng = RandomState(seed=None)\nx = rng.rand(3)\nprint(x)",
            good="rng = RandomState(0)\nx = rng.rand(3)\nprint(x)",
            equal="x.shape",
        ),
        Example(
            given="import random\nimport numpy as np\nrandom.seed(0)\nnp.random.seed(0)",
            bad="def main():\n    order = random.Random()\n    return order.random()\n\nmain()",
            good="def main():\n    order = random.Random(0)\n    return order.random()\n\nmain()",
            note="the seed of the global generator is not that of this one",
        ),
        Example(
            given="from numpy.random import PCG64, Generator",
            bad="rng = Generator(PCG64())\nprint(rng.random())",
            good="rng = Generator(PCG64(0))\nprint(rng.random())",
        ),
        Example(ok="import numpy as np\nrng = np.random.default_rng(3)\nprint(rng.random())"),
        Example(
            ok="import numpy as np\n\ndef noise(n):\n    rng = np.random.default_rng()\n    return rng.random(n)",
            note="a library module",
        ),
        Example(
            ok="import random\nimport torch\nrng = random.Random()\nrng.seed(CONFIG.seed)\n"
            "print(rng.random(), torch.ones(1))"
        ),
        Example(
            ok=(
                "import numpy as np\n\ndef noise(n, rng=None):\n    if rng is None:\n"
                "        rng = np.random.default_rng()\n"
                "    return rng.random(n)\n\nprint(noise(3))"
            )
        ),
        Example(
            ok="import numpy as np\n\ndef noise(n, rng=None):\n    rng = rng or np.random.default_rng()\n"
            "    return rng.random(n)\n\nprint(noise(3))"
        ),
        Example(
            ok="import random\nimport torch\n\nrng = random.Random()\nregister(rng)\n",
            path="tools/noise.py",
            files={"tools/__init__.py": ""},
            note="a module of a package, though it calls something when it is imported",
        ),
        Example(ok="import torch\ng = torch.Generator()\nprint(torch.rand(3, generator=g))"),
        Example(
            ok="import argparse\nimport numpy as np\nargs = argparse.ArgumentParser().parse_args()\n"
            "rng = np.random.default_rng(args.seed)\nprint(rng.random())"
        ),
    )


def _is_fallback(call: ast.Call, ctx: Context) -> bool:
    """Whether the generator only stands in for one that the caller did not give."""
    for test, _ in ctx.flow.guards(call):
        for node in walk(test):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Is, ast.IsNot)):
                return True
    parent = ctx.tree.parent(call)
    return isinstance(parent, (ast.BoolOp, ast.IfExp, ast.arguments))


def _seeded_later(call: ast.Call, ctx: Context) -> bool:
    """Whether the object is given a seed or a state after it was made."""
    parent = ctx.tree.parent(call)
    if isinstance(parent, ast.Attribute):  # `Random().seed(…)`
        return True
    if not isinstance(parent, ast.Assign):
        return False
    held = {ast.unparse(target) for target in parent.targets}
    scope: ast.AST = ctx.tree.class_of(call) or ctx.tree.function(call) or ctx.tree.module
    for node in walk(scope):
        if isinstance(node, ast.Attribute) and node.attr in ("seed", "setstate", "set_state", "bit_generator", "state"):
            if ast.unparse(node.value) in held:
                return True
    return False
