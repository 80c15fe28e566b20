from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from mlint.rule import Context, Example, Finding, Lifted, Nest, Node, NotElementwise, Rule, Safety, Target

NUMPY = "import numpy as np\n"
ARRAYS = NUMPY + "rng = np.random.default_rng()\na = np.random.normal(size=100)\nb = np.random.normal(size=100)\n"
FLOAT32 = NUMPY + "a = np.zeros(40, dtype=np.float32)\na[:] = np.random.normal(size=40)\n"


@dataclass
class _Loop:
    nest: Nest
    statement: ast.Assign | ast.AugAssign
    target: Target
    value: Lifted
    doubts: list[str]


class ElementwiseStoreLoop(Rule):
    """A loop that computes an array element by element runs the interpreter once for each of them.

    ## Why
    Each round of such a loop makes NumPy scalars for what it reads, looks up their operators and stores the result
    through `__setitem__`: tens to hundreds of nanoseconds an element. The array expression runs the same arithmetic in
    one compiled loop over the memory.

    ## Fix safety
    Safe where the arrays, their dimensions and their dtypes are proven and the functions give the same bits for an
    array as for its elements: `+ - * / // %`, comparisons and NumPy's ufuncs. Dtypes other than float64, int64 and bool
    also need NumPy 2 as the target, since NumPy 1 promotes scalars in another way than arrays. The fix is unsafe for
    `**` (NumPy computes the power of an array and of a scalar in different ways, and the last digit may differ), for
    functions of `math` (they raise where the ufunc gives NaN), for `min` and `max` (they treat NaN in another way),
    and where dimensions, dtypes or the absence of shared memory are not proven. It is unsafe as well where a part that
    is the same in all rounds raises for an empty array (`a.max()`, `a[0]`), and where products of counters, which are
    Python's integers in the loop, may not fit into int64.

    The variables of the loop go with it. There is no fix where they are read, changed, deleted or exported afterwards,
    and an unsafe one where `locals()`, `eval`, `df.query("@i")` and the like may read them, or another module of the
    package may import them.

    ## References
    - NumPy user guide, "Universal functions (ufunc) basics".
    - NumPy user guide, "Broadcasting".
    - NEP 50, "Promotion rules for Python scalars".

    ## Known limits
    Loops of at most eight literal rounds are left alone. A loop that would raise an IndexError in the middle may raise
    a ValueError at once, or none, as an array expression.
    """

    code, name = "ML101", "elementwise-store-loop"
    libraries = ("numpy",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Node(ast.For),)
    examples = (
        Example(
            given=ARRAYS,
            bad="out = np.zeros(len(a))\nfor i in range(len(a)):\n    out[i] = a[i] * 2 + b[i]",
            good="out = np.zeros(len(a))\nout[:] = a * 2 + b",
            equal="out",
            safety="safe",
            note="100 elements each: all lengths are proven",
        ),
        Example(
            given=ARRAYS,
            bad="n = a.shape[0]\nout = np.empty_like(a)\nfor i in range(n):\n    out[i] = np.sqrt(np.abs(a[i])) / 3",
            good="n = a.shape[0]\nout = np.empty_like(a)\nout[:] = np.sqrt(np.abs(a)) / 3",
            equal="out",
            safety="safe",
        ),
        Example(
            given="import numpy as xp\na = xp.random.normal(size=100)\nb = a[::-1].copy()\n",
            bad="n = len(a)\nout = xp.zeros(2 * n)\nfor i in range(n):\n    out[i] = a[i] - b[i]",
            good="n = len(a)\nout = xp.zeros(2 * n)\nout[:n] = a - b[:n]",
            equal="out",
            safety="safe",
            note="what is not proven to be as long as the loop is sliced",
        ),
        Example(
            given=ARRAYS,
            bad="out = np.zeros(a.shape)\nfor i, v in enumerate(a):\n    out[i] = -v * i",
            good="out = np.zeros(a.shape)\nout[:] = -a * np.arange(len(a))",
            equal="out",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="for i in range(1, len(a)):\n    b[i] = a[i] - a[i - 1]",
            good="b[1:] = a[1:] - a[:-1]",
            equal="b",
            safety="safe",
            note="differences: reads another array at another index",
        ),
        Example(
            given=ARRAYS,
            bad="for i in range(a.size):\n    a[i] = (a[i] - 2) / 5",
            good="a[:] = (a - 2) / 5",
            equal="a",
            safety="safe",
            note="in place",
        ),
        Example(
            given=ARRAYS,
            bad="for i in range(a.size):\n    a[i] += b[i]",
            good="a[:] += b",
            equal="a",
            safety="safe",
        ),
        Example(
            given=NUMPY + "X = np.random.normal(size=(20, 30))\nw = np.random.normal(size=30)\n",
            bad=(
                "n, m = X.shape\nout = np.zeros((n, m))\n"
                "for i in range(n):\n    for j in range(m):\n        out[i, j] = X[i, j] * w[j] + i"
            ),
            good=("n, m = X.shape\nout = np.zeros((n, m))\nout[:, :] = X * w + np.arange(n)[:, None]"),
            equal="out",
            safety="safe",
        ),
        Example(
            given=NUMPY + "X = np.random.normal(size=(20, 30))\nc = np.random.normal(size=20)\n",
            bad=(
                "out = np.zeros((30, 20))\n"
                "for i in range(X.shape[1]):\n    for j in range(X.shape[0]):\n        out[i][j] = X[j][i] / c[j]"
            ),
            good="out = np.zeros((30, 20))\nout[:, :] = X.T / c",
            equal="out",
            safety="safe",
        ),
        Example(
            given=NUMPY + "X = np.random.normal(size=(20, 30))\n",
            bad="for row in range(len(X)):\n    X[row, 0] = X[row, 1] - X[row, 2] * 3",
            good="X[:, 0] = X[:, 1] - X[:, 2] * 3",
            equal="X",
            safety="safe",
            note="columns of one array",
        ),
        Example(
            given=FLOAT32,
            targets={"numpy": ">=2.0"},
            bad="out = np.zeros(40, dtype=np.float32)\nfor i in range(40):\n    out[i] = np.exp(a[i]) * 1.5",
            good="out = np.zeros(40, dtype=np.float32)\nout[:] = np.exp(a) * 1.5",
            equal="out",
            safety="safe",
        ),
        Example(
            given=FLOAT32,
            bad="out = np.zeros(40, dtype=np.float32)\nfor i in range(40):\n    out[i] = np.exp(a[i]) * 1.5",
            good="out = np.zeros(40, dtype=np.float32)\nout[:] = np.exp(a) * 1.5",
            equal="out",
            safety="unsafe",
            note="NumPy 1 would promote the scalars to float64",
        ),
        Example(
            given=ARRAYS + "import math\n",
            bad="out = np.zeros(len(a))\nfor i in range(len(a)):\n    out[i] = math.exp(a[i]) ** 2",
            good="out = np.zeros(len(a))\nout[:] = np.exp(a) ** 2",
            equal="out",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=ARRAYS,
            bad="m = np.mean(a)\nout = np.zeros(100)\nfor i in range(100):\n    out[i] = (a[i] - m) / a.std()",
            good="m = np.mean(a)\nout = np.zeros(100)\nout[:] = (a - m) / a.std()",
            equal="out",
            safety="safe",
        ),
        Example(
            given=NUMPY,
            bad=(
                "def scale(x: np.ndarray, factor: float) -> np.ndarray:\n"
                "    out = np.zeros(len(x))\n    for i in range(len(x)):\n        out[i] = x[i] * factor\n"
                "    return out\ny = scale(np.random.normal(size=30), 2.5)"
            ),
            good=(
                "def scale(x: np.ndarray, factor: float) -> np.ndarray:\n"
                "    out = np.zeros(len(x))\n    out[:] = x * factor\n"
                "    return out\ny = scale(np.random.normal(size=30), 2.5)"
            ),
            equal="y",
            safety="unsafe",
            note="the annotation does not tell dimensions and dtype",
        ),
        Example(
            given=ARRAYS,
            bad=(
                "class Model:\n    def __init__(self):\n        self.w = np.zeros(100)\n"
                "    def step(self, lr: float):\n        for i in range(100):\n            self.w[i] -= lr * a[i]\n"
                "model = Model()\nmodel.step(0.1)"
            ),
            good=(
                "class Model:\n    def __init__(self):\n        self.w = np.zeros(100)\n"
                "    def step(self, lr: float):\n        self.w[:100] -= lr * a\n"
                "model = Model()\nmodel.step(0.1)"
            ),
            equal="model.w",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad=("out = np.zeros(100)\nfor i in range(100):\n    # twice as large\n    out[i] = a[i] * 2"),
            note="the comment would be lost: no fix",
        ),
        Example(
            given=ARRAYS,
            bad="out = np.zeros(100)\nfor i in range(100):\n    out[i] = a[i] * 2\nprint(i)",
            note="the counter is read later: no fix",
        ),
        Example(
            given=NUMPY,
            bad=(
                "def f(n: int):\n    a = np.arange(n) / 7\n    out = np.zeros(n)\n    for i in range(n):\n"
                "        out[i] = a[i] / a.max()\n    return out\ny = f(9)"
            ),
            good=(
                "def f(n: int):\n    a = np.arange(n) / 7\n    out = np.zeros(n)\n    out[:] = a[:n] / a.max()\n"
                "    return out\ny = f(9)"
            ),
            equal="y",
            safety="unsafe",
            note="f(0) raises: there is no maximum of nothing",
        ),
        Example(
            given=NUMPY,
            bad=(
                "def f(n: int):\n    out = np.zeros(n)\n    for i in range(n):\n        out[i] = i * i * i\n"
                "    return out\ny = f(9)"
            ),
            good=(
                "def f(n: int):\n    out = np.zeros(n)\n    out[:] = np.arange(n) * np.arange(n) * np.arange(n)\n"
                "    return out\ny = f(9)"
            ),
            equal="y",
            safety="unsafe",
            note="beyond two million the cube does not fit into int64",
        ),
        Example(given=ARRAYS, ok="c = a\nv = c[::-1]\nfor i in range(100):\n    a[i] = v[i] + 1", note="a view"),
        Example(given=ARRAYS, ok="for i in range(1, 100):\n    a[i] = a[i - 1] * 0.5 + b[i]", note="a recurrence"),
        Example(given=ARRAYS, ok="c = a[1:]\nfor i in range(99):\n    a[i] = c[i] * 0.5", note="a view of itself"),
        Example(given=ARRAYS, ok="for i in range(100):\n    a[i] = a[i] / a.sum()", note="the sum changes on the way"),
        Example(given=ARRAYS, ok="out = {}\nfor i in range(len(a)):\n    out[i] = a[i] * 2"),
        Example(given=ARRAYS, ok="out = [0] * len(a)\nfor i in range(len(a)):\n    out[i] = a[i] * 2"),
        Example(
            given=NUMPY + "import torch\n",
            ok="a = torch.zeros(100)\nout = torch.zeros(100)\nfor i in range(len(a)):\n    out[i] = a[i] * 2",
        ),
        Example(
            given=ARRAYS,
            ok="out = np.zeros(100)\nfor i in range(100):\n    if a[i] < 0:\n        break\n    out[i] = a[i] * 2",
        ),
        Example(
            given=ARRAYS,
            bad="out = np.zeros(100)\nfor i in range(100):\n    out[i] = a[i] * 2\ni += 1",
            note="the counter goes on counting: no fix",
        ),
        Example(
            given=ARRAYS,
            bad="__all__ = ['i', 'out']\nout = np.zeros(100)\nfor i in range(100):\n    out[i] = a[i] * 2",
            note="`from … import *` brings the counter: no fix",
        ),
        Example(
            given=ARRAYS,
            bad="out = np.zeros(100)\nfor i in range(100):\n    out[i] = a[i] * 2\nprint('i' in globals())",
            good="out = np.zeros(100)\nout[:] = a * 2\nprint('i' in globals())",
            equal="out",
            safety="unsafe",
        ),
        Example(
            given=ARRAYS,
            files={"pkg/__init__.py": ""},
            path="pkg/table.py",
            bad="out = np.zeros(100)\nfor i in range(100):\n    out[i] = a[i] * 2",
            good="out = np.zeros(100)\nout[:] = a * 2",
            equal="out",
            safety="unsafe",
            note="another module may import the counter",
        ),
        Example(
            given=ARRAYS,
            bad="out = np.zeros(100)\nfor i in range(100):\n    out[i] = a[i] \\\n        * 2",
            good="out = np.zeros(100)\nout[:] = a * 2",
            equal="out",
            safety="safe",
        ),
        Example(given=ARRAYS, ok="out = np.zeros(100)\nfor i in range(100):\n    out[i] = rng.normal()"),
        Example(given=ARRAYS, ok="out = np.zeros(100)\nfor i in range(100):\n    out[i] = np.random.rand() * a[i]"),
        Example(
            given=ARRAYS,
            ok="def run(env):\n    out = np.zeros(100)\n    for i in range(100):\n        out[i] = env.step(a[i])",
        ),
        Example(given=ARRAYS, ok="out = np.empty(100, dtype=object)\nfor i in range(100):\n    out[i] = a[i] * 2"),
        Example(
            given=ARRAYS,
            ok=(
                "out = np.zeros(100)\ntry:\n    for i in range(100):\n        out[i] = 1 / a[i]\n"
                "except ZeroDivisionError:\n    pass"
            ),
        ),
        Example(
            given=ARRAYS + "import numba\n",
            ok="@numba.njit\ndef f(a):\n    out = np.zeros(100)\n    for i in range(100):\n        out[i] = 2.0 * i",
        ),
        Example(given=ARRAYS, ok="out = np.zeros(100)\nfor i in range(100):\n    out[i] = a[99 - i]"),
        Example(given=ARRAYS, ok="out = np.zeros(3)\nfor i in range(3):\n    out[i] = a[i] * 2", note="three rounds"),
        Example(
            given=NUMPY,
            ok=(
                "def double(values):\n    out = np.zeros(len(values))\n    for i in range(len(values)):\n"
                "        out[i] = values[i] * 2\n    return out"
            ),
            note="nothing is known of the values",
        ),
        Example(
            given=NUMPY + "dp = np.zeros((20, 20))\ncost = np.random.rand(20, 20)\n",
            ok=(
                "for i in range(1, 20):\n    for j in range(1, 20):\n"
                "        dp[i, j] = cost[i, j] + min(dp[i - 1, j], dp[i, j - 1])"
            ),
            note="dynamic programming",
        ),
        Example(
            given=NUMPY + "C = np.zeros((20, 20))\nA = np.random.rand(20, 20)\nB = np.random.rand(20, 20)\n",
            ok=(
                "for i in range(20):\n    for j in range(20):\n        for k in range(20):\n"
                "            C[i, j] += A[i, k] * B[k, j]"
            ),
            note="a matrix product",
        ),
        Example(given=ARRAYS, ok="out = np.zeros(100)\nfor i in range(100):\n    out[i] = a[i] if a[i] > 0 else 0.0"),
        Example(
            given="import numpy as np\nn = 1000\na = np.random.normal(size=n)\nb = np.random.normal(size=n)\n",
            bad="out = np.empty(n)\nfor i in range(n):\n    out[i] = a[i] * 2 + np.sin(b[i])",
            good="out = np.empty(n)\nout[:] = a * 2 + np.sin(b)",
            equal="out",
            close=True,
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.For)
        found = self._read(node, ctx)
        if found is None:
            return
        outer = ctx.model.counted.outer(node)
        if outer is not None and self._read(outer, ctx) is not None:
            return
        value = ctx.substituted(found.value.node, found.value.replacements)
        operator = "=" if isinstance(found.statement, ast.Assign) else f"{_OPERATORS[type(found.statement.op)]}="
        text = f"{found.target.text} {operator} {value}"
        arrays = [ctx.short(operand.array) for operand in found.value.operands if operand.pattern != ("whole",)]
        over = next((name for name in arrays if name != ctx.short(found.target.array)), ctx.short(found.target.array))
        new = text if value is not None else None
        fix = ctx.loop_fix(found.nest, new, found.value.obstacles, safe=not found.doubts)
        yield ctx.finding(
            node,
            f"`{ctx.short(found.statement, 60)}` runs the interpreter once for each element of `{over}`",
            f"use `{text}`" if value is not None else "write it as one expression of whole arrays",
            fix,
        )

    def _read(self, node: ast.For, ctx: Context) -> _Loop | None:
        nest = ctx.elementwise.nest(node)
        if nest is None or len(nest.body) != 1:
            return None
        statement = nest.body[0]
        if isinstance(statement, ast.Assign):
            if len(statement.targets) != 1:
                return None
            place = statement.targets[0]
        elif isinstance(statement, ast.AugAssign) and type(statement.op) in _OPERATORS:
            place = statement.target
        else:
            return None
        if not isinstance(place, ast.Subscript):
            return None
        lift = ctx.elementwise
        try:
            target = lift.target(place, nest.axes)
            value = lift.lift(statement.value, nest.axes)
            op = statement.op if isinstance(statement, ast.AugAssign) else None
            doubts = lift.stored(value, target, op)
        except NotElementwise:
            return None
        if _is_outer_product(value, nest, target):
            return None
        return _Loop(nest, statement, target, value, doubts)


def _is_outer_product(value: Lifted, nest: Nest, target: Target) -> bool:
    """`out[i, j] = a[i] * b[j]`: that is for outer-product-loop to say."""
    node = value.node
    return (
        len(nest.axes) == 2
        and isinstance(node, (ast.BinOp, ast.Compare))
        and value.operations == 1
        and len(value.operands) == 2
        and {len(operand.pattern) for operand in value.operands} == {1}
        and value.operands[0].pattern != value.operands[1].pattern
        and not value.counters
    )


_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
