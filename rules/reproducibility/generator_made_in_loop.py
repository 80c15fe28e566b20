from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Call, Context, Example, Finding, Fix, LoopNode, Rule, Safety, walk

_MAKERS = ("numpy.random.default_rng", "numpy.random.RandomState", "random.Random", "torch.Generator.manual_seed")
_TIMING = frozenset("time.time time.perf_counter time.monotonic time.process_time timeit.timeit".split())


class GeneratorMadeInLoop(Rule):
    """A generator is made from the same seed in every round of a loop, so that each round draws the same numbers.

    ## Why
    A generator that starts from one number gives one sequence. Made anew in each round, it starts again each time:
    every step of a training sees the same noise, every repetition of an experiment the same sample. The generator
    belongs in front of the loop, or the number of the round into its seed.

    Reported are loops in which every round is meant to differ: those that train by batches, and those that repeat
    something a number of times without looking at the number.

    ## Fix safety
    Unsafe: other numbers are drawn. The statement that makes the generator moves in front of the loop.

    ## Known limits
    Loops over models, folds or settings are left alone, since there the same numbers are often wanted, and so are
    loops that measure time.

    ## When to ignore
    Every round shall see the same numbers.

    ## References
    - NumPy documentation, `numpy.random.default_rng`.
    - scikit-learn user guide, "Controlling randomness".
    """

    code, name = "ML321", "generator-made-in-loop"
    libraries = ("numpy", "torch")
    safety = Safety.UNSAFE
    triggers = (Call(*_MAKERS[:3], "torch.Generator"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        made: ast.AST = node
        if ctx.dotted(node.func) == "torch.Generator":
            method = ctx.tree.parent(node)
            seeding = ctx.tree.parent(method) if method is not None else None
            if (
                not isinstance(method, ast.Attribute)
                or method.attr != "manual_seed"
                or not isinstance(seeding, ast.Call)
            ):
                return
            made = seeding
        assert isinstance(made, ast.Call)
        loop = next(ctx.tree.loops(made), None)
        values = [*made.args, *(keyword.value for keyword in made.keywords)]
        if loop is None or len(values) != 1 or not _fixed(values[0], loop, ctx) or not _repeats(loop, ctx):
            return
        statement = ctx.tree.parent(made)
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return
        target = statement.targets[0]
        if not isinstance(target, ast.Name) or statement not in loop.body:
            return
        bindings = [b for b in ctx.names.bindings(ctx.tree.scope(made)).get(target.id, ()) if b.how != "annotate"]
        if len(bindings) != 1:
            return
        yield ctx.finding(
            made,
            f"`{ctx.short(made)}` starts again in every round of the loop: each draws the same numbers",
            "make it in front of the loop",
            _fix(statement, loop, ctx),
        )

    examples = (
        Example(
            given="import numpy as np\ndata = np.random.rand(20)\n",
            bad=(
                "means = []\nfor _ in range(5):\n    rng = np.random.default_rng(0)\n"
                "    means.append(rng.choice(data, 20).mean())\n"
            ),
            good=(
                "means = []\nrng = np.random.default_rng(0)\nfor _ in range(5):\n"
                "    means.append(rng.choice(data, 20).mean())\n"
            ),
            equal="len(means)",
        ),
        Example(
            given="import torch\n\nSEED = 3\n",
            bad=(
                "def train(model, opt, loader):\n    for x, y in loader:\n"
                "        g = torch.Generator().manual_seed(SEED)\n"
                "        noise = torch.randn(x.shape, generator=g)\n        opt.zero_grad()\n"
                "        (model(x + noise) - y).square().mean().backward()\n        opt.step()\n"
            ),
            good=(
                "def train(model, opt, loader):\n    g = torch.Generator().manual_seed(SEED)\n    for x, y in loader:\n"
                "        noise = torch.randn(x.shape, generator=g)\n        opt.zero_grad()\n"
                "        (model(x + noise) - y).square().mean().backward()\n        opt.step()\n"
            ),
        ),
        Example(
            given="from numpy.random import RandomState\n",
            bad=(
                "def bootstrap(x, n, seed):\n    found = []\n    for i in range(n):\n"
                "        state = RandomState(seed)\n"
                "        found.append(x[state.randint(0, len(x), len(x))].mean())\n    return found\n"
            ),
            good=(
                "def bootstrap(x, n, seed):\n    found = []\n    state = RandomState(seed)\n    for i in range(n):\n"
                "        found.append(x[state.randint(0, len(x), len(x))].mean())\n    return found\n"
            ),
        ),
        Example(
            given="import numpy as np\n",
            ok="rng = np.random.default_rng(0)\nfor _ in range(5):\n    print(rng.normal())",
        ),
        Example(
            given="import numpy as np\n",
            ok="for i in range(5):\n    rng = np.random.default_rng(i)\n    print(rng.normal())",
            note="another seed in each round",
        ),
        Example(
            given="import numpy as np\n",
            ok="for i in range(5):\n    rng = np.random.default_rng(0)\n    print(i, rng.normal(i))",
            note="the rounds are told apart: the same noise may be wanted",
        ),
        Example(
            given="import numpy as np\n",
            ok="def compare(models, x):\n    for model in models:\n        rng = np.random.default_rng(0)\n"
            "        model.fit(x + rng.normal(size=x.shape))",
            note="every model sees the same noise",
        ),
        Example(
            given="import time\nimport numpy as np\n",
            ok=(
                "for _ in range(5):\n    rng = np.random.default_rng(0)\n    start = time.perf_counter()\n"
                "    run(rng)\n    print(time.perf_counter() - start)"
            ),
            note="the same work is measured",
        ),
        Example(
            given="import numpy as np\n",
            ok="for _ in range(5):\n    rng = np.random.default_rng()\n    print(rng.normal())",
            note="not seeded",
        ),
        Example(
            given="import numpy as np\n",
            ok=(
                "seed = 0\nfor _ in range(5):\n    seed += 1\n    rng = np.random.default_rng(seed)\n"
                "    print(rng.normal())"
            ),
        ),
        Example(
            given="import numpy as np\n",
            ok=(
                "def f(n):\n    for _ in range(n):\n        rng = np.random.default_rng(draw())\n"
                "        yield rng.normal()"
            ),
        ),
        Example(
            given="import torch\n",
            ok=(
                "for _ in range(3):\n    g = torch.Generator()\n    g.manual_seed(0)\n"
                "    print(torch.rand(1, generator=g))"
            ),
            note="seeded by a call of its own: not followed",
        ),
        Example(
            given="import numpy as np\n",
            ok=(
                "rng = None\nfor _ in range(3):\n    if rng is None:\n        rng = np.random.default_rng(0)\n"
                "    print(rng.normal())"
            ),
            note="made once",
        ),
    )


def _fixed(seed: ast.expr, loop: LoopNode, ctx: Context) -> bool:
    """Whether a seed is the same in every round: a number, or a name that nothing in the loop binds."""
    if isinstance(seed, ast.Constant):
        return isinstance(seed.value, int)
    if not isinstance(seed, ast.Name):
        return False
    return not any(isinstance(n, ast.Name) and n.id == seed.id and not isinstance(n.ctx, ast.Load) for n in walk(loop))


def _repeats(loop: LoopNode, ctx: Context) -> bool:
    """Whether every round of a loop is meant to be another one of the same: a training step, or a repetition."""
    if any(isinstance(n, ast.Call) and ctx.dotted(n.func) in _TIMING for n in walk(loop)):
        return False
    if ctx.flow.is_training_loop(loop):
        return True
    if not isinstance(loop, ast.For) or not isinstance(loop.target, ast.Name) or not isinstance(loop.iter, ast.Call):
        return False
    if ctx.dotted(loop.iter.func) != "range":
        return False
    counter = loop.target.id
    return not any(isinstance(n, ast.Name) and n.id == counter for part in loop.body for n in walk(part))


def _fix(statement: ast.Assign, loop: LoopNode, ctx: Context) -> Fix | None:
    if loop.orelse or not isinstance(loop, (ast.For, ast.While)):
        return None
    return ctx.fix(
        lambda: ctx.edits.move(statement, loop, behind=False), Safety.UNSAFE, "Make the generator before the loop"
    )
