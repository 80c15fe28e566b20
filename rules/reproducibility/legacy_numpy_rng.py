from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlint.rule import FUNCTIONS, Call, Context, Edit, Example, Finding, Fix, Rule, Safety, walk

_SEED = "numpy.random.seed"
_SAME = frozenset(
    "beta binomial bytes chisquare choice dirichlet exponential f gamma geometric gumbel hypergeometric laplace "
    "logistic lognormal logseries multinomial multivariate_normal negative_binomial noncentral_chisquare noncentral_f "
    "normal pareto permutation poisson power random rayleigh shuffle standard_cauchy standard_exponential "
    "standard_gamma standard_normal standard_t triangular uniform vonmises wald weibull zipf".split()
)
_RENAMED = {"random_sample": "random", "ranf": "random", "sample": "random", "randint": "integers"}
_BY_SHAPE = {"rand": "random", "randn": "standard_normal"}
_DRAWS = frozenset({*_SAME, *_RENAMED, *_BY_SHAPE})
_MAKER = "numpy.random.default_rng"
# Libraries that draw from NumPy's global generator by themselves.
_OTHERS = re.compile(
    r"^\s*(?:import|from)\s+(?:sklearn|scipy|pandas|imblearn|albumentations|imgaug|gym|gymnasium|networkx|skimage|hyperopt"
    r"|deap|gensim|umap|dask|cudf|seaborn|statsmodels|torchvision|tensorflow|keras)\b",
    re.MULTILINE,
)


class LegacyNumpyRng(Rule):
    """Random numbers come from NumPy's global generator instead of a `Generator` object.

    ## Why
    The functions of `np.random` share one generator: any library that draws from it or seeds it changes what everybody
    else draws, and so does a call more or less. A `Generator` belongs to who made it, can be handed on, and gives
    independent streams to processes by `spawn`. NumPy has frozen the old functions; their streams stay as they are.

    Off by default: nothing is wrong with results that were made with them.

    ## Fix safety
    Unsafe: other numbers are drawn. `np.random.seed(n)` becomes `rng = np.random.default_rng(n)` where all draws of
    the file can see it and no library is imported that draws from the global generator; draws that can see such a
    generator become methods of it.

    ## Known limits
    A seed is not reported in a file that draws nothing itself: it is meant for others.

    ## When to ignore
    The stream must not change, or a library is to draw from the generator that is seeded here.

    ## References
    - NumPy Enhancement Proposal 19, "Random number generator policy".
    - NumPy documentation, "Legacy random generation".
    """

    code, name = "ML306", "legacy-numpy-rng"
    libraries = ("numpy",)
    default = False
    safety = Safety.UNSAFE
    triggers = (Call(_SEED, *(f"numpy.random.{name}" for name in sorted(_DRAWS))),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if ctx.dotted(node.func) == _SEED:
            draws = [call for call in ctx.tree.calls if _drawing(call, ctx) is not None]
            if draws:
                message = f"`{ctx.short(node)}` seeds the generator that all libraries share"
                yield ctx.finding(
                    node, message, "make a generator with `np.random.default_rng`", _made(node, draws, ctx)
                )
            return
        message = f"`{ctx.short(node)}` draws from the generator that all libraries share"
        yield ctx.finding(node, message, "draw from a `np.random.Generator`", _drawn(node, ctx))

    examples = (
        Example(
            given="import numpy as np",
            bad="np.random.seed(42)\nx = np.random.rand(2, 3)  # inputs\ny = np.random.randint(0, 9, size=4)",
            good=("rng = np.random.default_rng(42)\nx = rng.random((2, 3))  # inputs\ny = rng.integers(0, 9, size=4)"),
            equal="x.shape, y.dtype",
            count=3,
        ),
        Example(
            given="import numpy as np\nrng = np.random.default_rng(0)\n",
            bad=(
                "a = np.random.randn()\nb = np.random.randn(3)\nc = np.random.normal(0, 1, (2, 2))\n"
                "np.random.shuffle(b)"
            ),
            good="a = rng.standard_normal()\nb = rng.standard_normal(3)\nc = rng.normal(0, 1, (2, 2))\nrng.shuffle(b)",
            equal="type(a).__name__, b.shape, c.shape",
            count=4,
        ),
        Example(
            given="import numpy as np\n",
            bad=(
                "def data(n):\n    np.random.seed(0)\n    x = np.random.random_sample(n)\n"
                "    return x[np.random.permutation(n)]"
            ),
            good=(
                "def data(n):\n    rng = np.random.default_rng(0)\n    x = rng.random(n)\n"
                "    return x[rng.permutation(n)]"
            ),
            equal="data(4).shape",
            count=3,
        ),
        Example(
            given="import numpy as np\n\nrng = np.random.default_rng(1)\n\n",
            bad="def noise(shape):\n    return np.random.uniform(-1, 1, shape)",
            good="def noise(shape):\n    return rng.uniform(-1, 1, shape)",
            equal="noise((2, 2)).shape",
            note="a generator of the module",
        ),
        Example(
            given="from numpy.random import choice, default_rng\n\ngenerator = default_rng(0)\n",
            bad="picked = choice([1, 2, 3], 2, replace=False)",
            good="picked = generator.choice([1, 2, 3], 2, replace=False)",
            equal="picked.shape",
        ),
        Example(
            given="import numpy as np\n",
            bad="def noise(n):\n    return np.random.normal(size=n)",
            note="no generator to draw from: the caller should hand one in",
        ),
        Example(
            given="import numpy as np\nfrom sklearn.linear_model import SGDClassifier\n",
            bad="np.random.seed(0)\nx = np.random.normal(size=9)",
            count=2,
            note="the seed is scikit-learn's as well",
        ),
        Example(
            given="import numpy as np\n",
            bad=(
                "def a():\n    np.random.seed(0)\n    return np.random.normal()\n\n"
                "def b():\n    return np.random.normal()"
            ),
            count=3,
            note="what b draws is seeded by a",
        ),
        Example(
            given="import numpy as np\n\ndef shape():\n    return (3,)\n\nrng = np.random.default_rng(0)\n",
            bad="x = np.random.rand(*shape())",
            note="what the shape becomes is not written out",
        ),
        Example(given="import numpy as np", ok="rng = np.random.default_rng(0)\nx = rng.normal(size=3)"),
        Example(given="import numpy as np", ok="state = np.random.RandomState(0)\nx = state.rand(3)"),
        Example(given="import numpy as np", ok="np.random.seed(0)\nrun()", note="for whoever draws from it"),
        Example(given="import numpy as np\nimport random", ok="random.seed(0)\nx = random.random()"),
        Example(given="import numpy as np\nfrom mine import random as r", ok="r.rand(3)"),
        Example(given="import numpy as np", ok="state = np.random.get_state()\nnp.random.set_state(state)"),
    )


def _drawing(call: ast.Call, ctx: Context) -> str | None:
    """The function of `numpy.random` that a call draws with."""
    dotted = ctx.dotted(call.func) or ""
    last = dotted.rpartition(".")[2]
    return last if dotted == f"numpy.random.{last}" and last in _DRAWS else None


def _generator(node: ast.AST, ctx: Context) -> str | None:
    """The name of a `Generator` that is certainly bound where a call stands."""
    scope: ast.AST | None = ctx.tree.scope(node)
    own = scope
    line = getattr(node, "lineno", 0)
    while scope is not None:
        for name, bindings in ctx.names.bindings(scope).items() if isinstance(scope, (ast.Module, *FUNCTIONS)) else ():
            value = bindings[0].value if len(bindings) == 1 and not bindings[0].path else None
            if not isinstance(value, ast.Call) or ctx.dotted(value.func) != _MAKER or value.lineno >= line:
                continue
            if ctx.flow.is_conditional(value) or next(ctx.tree.loops(value), None) is not None:
                continue
            shadowed = own is not scope and ctx.names.lookup_from(own, name) != (scope, bindings)
            if bindings[0].how == "assign" and not shadowed:
                return name
        scope = ctx.tree.outer_scope(scope)
    return None


def _drawn(node: ast.Call, ctx: Context) -> Fix | None:
    generator, word = _generator(node, ctx), _drawing(node, ctx)
    if generator is None or word is None:
        return None
    method = _BY_SHAPE.get(word) or _RENAMED.get(word, word)
    message = f"Draw with `{generator}.{method}`"
    if word in _BY_SHAPE and len(node.args) > 1:
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            return None
        sizes = [f"$a{i}" for i in range(len(node.args))]
        parts = {f"a{i}": argument for i, argument in enumerate(node.args)}
        template = f"{generator}.{method}(({', '.join(sizes)}))"
        return ctx.fix(lambda: ctx.edits.replace(node, template, **parts), Safety.UNSAFE, message)
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        return None
    return ctx.fix(lambda: ctx.edits.replace(node.func, f"{generator}.{method}"), Safety.UNSAFE, message)


def _made(node: ast.Call, draws: list[ast.Call], ctx: Context) -> Fix | None:
    """`np.random.seed(n)` → `rng = np.random.default_rng(n)`, where all draws of the file can go on with it."""
    statement = ctx.tree.parent(node)
    scope = ctx.tree.scope(node)
    if (
        not isinstance(statement, ast.Expr)
        or len(node.args) + len(node.keywords) != 1
        or _OTHERS.search(ctx.source.text)
    ):
        return None
    if not isinstance(scope, (ast.Module, *FUNCTIONS)) or not ctx.names.is_free("rng", node):
        return None
    if ctx.flow.is_conditional(node) or next(ctx.tree.loops(node), None) is not None:
        return None
    inside = {n for n in walk(scope) if isinstance(n, ast.Call)}
    seeds = [call for call in ctx.tree.calls if ctx.dotted(call.func) == _SEED]
    if len(seeds) != 1 or any(call not in inside or call.lineno <= node.lineno for call in draws):
        return None
    if any(isinstance(argument, ast.Starred) for call in draws for argument in call.args):
        return None

    def build() -> list[Edit]:
        text, imports = ctx.edits.name(_MAKER, node)
        seed = (node.args or [keyword.value for keyword in node.keywords])[0]
        made = f"rng = {text}({ctx.text(seed)})"
        return [*imports, ctx.edits.replace_statements([statement], made)]

    return ctx.fix(build, Safety.UNSAFE, "Make a generator of its own")
