from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from mlint.rule import (
    NDARRAY,
    STORE,
    TENSOR,
    UPDATE,
    Context,
    Example,
    Finding,
    Lifted,
    Loop,
    Nest,
    NotElementwise,
    Rule,
    Safety,
    Target,
    innermost,
    walk,
)

NUMPY = "import numpy as np\n"
ARRAYS = NUMPY + "rng = np.random.default_rng()\na = np.random.normal(size=100)\nb = np.random.normal(size=100)\n"
_FEW = 8
"""Loops over slices with a literal number of rounds up to this are left alone."""

FLOAT32 = NUMPY + "a = np.zeros(40, dtype=np.float32)\na[:] = np.random.normal(size=40)\n"


class _Loop(NamedTuple):
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
    one compiled loop over the memory. A loop over the slices of a tensor (`b[:, y] = a[:, y] * (1 - y / n)`) launches
    each operator once for each slice, where the counter as an array (`torch.arange(n)`) needs one launch for all.

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
    Loops that add up products into a matrix (`C[i, j] += A[i, k] * B[k, j]`) belong to matmul-loop-nest, tables of
    one operation on the elements of two vectors (`out[i, j] = a[i] * b[j]`) to outer-product-loop. Loops over slices
    are reported without a fix: a counter that is a tensor promotes dtypes, which a number does not. Loops of at most
    eight literal rounds are left alone. A loop that would raise an IndexError in the middle may raise a ValueError at
    once, or none, as an array expression.
    """

    code, name = "ML101", "elementwise-store-loop"
    libraries = ("numpy", "torch")
    version_guards = False  # no version makes the loop any better
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Loop(STORE, UPDATE),)
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
        Example(
            given=ARRAYS,
            ok="c = d = np.ones(100)\nfor i in range(99):\n    c[i + 1] = d[i] * 0.5",
            note="a recurrence of one array under two names",
        ),
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
        Example(
            given="import torch\n",
            bad=(
                "def blend(a: torch.Tensor, b: torch.Tensor, extent: int):\n    for y in range(extent):\n"
                "        b[:, :, y, :] = a[:, :, -extent + y, :] * (1 - y / extent) + b[:, :, y, :] * (y / extent)\n"
                "    return b\n"
            ),
            note="reported only",
        ),
        Example(
            given="import torch\n",
            bad=(
                "def shift(a: torch.Tensor, n: int):\n    b = torch.zeros_like(a)\n    for t in range(n):\n"
                "        b[:, t] = a[:, t + 1] - a[:, t]\n    return b\n"
            ),
        ),
        Example(
            given=NUMPY,
            bad=(
                "def fade(x: np.ndarray, n: int):\n    for t in range(n):\n"
                "        x[:, t] = x[:, t] * (t / n)\n    return x\n"
            ),
        ),
        Example(
            given="import torch\n",
            ok="def f(b: torch.Tensor, n: int):\n    for t in range(n):\n        b[:, t] = b[:, t - 1] * 0.9\n",
            note="each slice is made of the one before",
        ),
        Example(
            given="import torch\n",
            ok="def f(b: torch.Tensor, net, n: int):\n    for t in range(n):\n        b[:, t] = net(b[:, t])\n",
            note="what a function does with a slice is not known of all",
        ),
        Example(
            given="import torch\n",
            ok=(
                "def f(a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor, n: int):\n    for t in range(n):\n"
                "        b[:, t] = a[:, t] + bias\n"
            ),
            note="a tensor of the shape of one slice does not fit all of them",
        ),
        Example(
            given="import torch\n",
            ok="def f(a, b, n):\n    for t in range(n):\n        b[:, t] = a[:, t] * 2\n",
            note="these may be anything",
        ),
        Example(
            given="import torch\n",
            ok=(
                "def f(a: torch.Tensor, b: torch.Tensor):\n    for c in range(3):\n"
                "        b[:, c] = a[:, c] * (1 - c / 3)\n"
            ),
            note="three rounds",
        ),
        Example(
            given="import torch\n",
            ok=(
                "def f(a: torch.Tensor, b: torch.Tensor, order: torch.Tensor, n: int):\n    for t in range(n):\n"
                "        b[:, order[t]] = a[:, t]\n"
            ),
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.For)
        slices = _Slices.read(node, ctx)
        if slices is not None:
            yield slices.finding(ctx)
            return
        found = self._read(node, ctx)
        if found is None:
            return
        outer = ctx.model.counted.outer(node)
        if outer is not None and self._read(outer, ctx) is not None:
            return
        if ctx.contractions.around(node) is not None or ctx.outers.around(node) is not None:
            return  # that is for matmul-loop-nest and outer-product-loop to say
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
        if not _stores(node):
            return None
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
        return _Loop(nest, statement, target, value, doubts)


def _stores(loop: ast.For) -> bool:
    """Whether all that the innermost of nested loops does is to store to an element: a look at the syntax."""
    body = innermost(loop)
    if len(body) != 1:
        return False
    statement = body[0]
    if isinstance(statement, ast.Assign):
        return isinstance(statement.targets[0], ast.Subscript)
    return isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Subscript)


_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}


class _Slices(NamedTuple):
    """`for y in range(n): b[:, y] = a[:, y + k] * f(y)`: one slice after the other, each from slices of that number."""

    statement: ast.Assign | ast.AugAssign
    place: ast.Subscript
    counter: str
    stop: ast.expr
    axis: int

    @classmethod
    def read(cls, loop: ast.For, ctx: Context) -> _Slices | None:
        if len(loop.body) != 1 or loop.orelse or not isinstance(loop.target, ast.Name):
            return None
        statement, iterated = loop.body[0], loop.iter
        if isinstance(statement, ast.Assign):
            place = statement.targets[0]
            if len(statement.targets) != 1:
                return None
        elif isinstance(statement, ast.AugAssign) and type(statement.op) in _OPERATORS:
            place = statement.target
        else:
            return None
        if not isinstance(place, ast.Subscript) or not isinstance(place.slice, ast.Tuple):
            return None
        counter = loop.target.id
        axes = [at for at, index in enumerate(place.slice.elts) if not _is_whole(index)]
        if len(axes) != 1 or len(place.slice.elts) == 1 or not _is_name(place.slice.elts[axes[0]], counter):
            return None
        if not isinstance(iterated, ast.Call) or len(iterated.args) != 1 or ctx.dotted(iterated.func) != "range":
            return None
        stop = iterated.args[0]
        few = isinstance(stop, ast.Constant) and isinstance(stop.value, int) and stop.value <= _FEW
        if few or isinstance(stop, ast.Starred) or not isinstance(place.value, (ast.Name, ast.Attribute)):
            return None
        found = cls(statement, place, counter, stop, axes[0])
        if not ctx.kinds.of(place.value).is_a(NDARRAY, TENSOR) or not found._lifts(statement.value, ctx):
            return None
        reads = any(isinstance(part, ast.Subscript) for part in walk(statement.value))
        return found if reads and not ctx.flow.compiled(loop) else None

    def finding(self, ctx: Context) -> Finding:
        tensor = ctx.kinds.of(self.place.value).is_a(TENSOR)
        array, stop = ctx.short(self.place.value), ctx.short(self.stop)
        behind = len(self.place.slice.elts) - 1 - self.axis  # type: ignore[attr-defined]
        shape = ", ".join(["-1", *["1"] * behind])
        if tensor:
            number = f"torch.arange({stop}, device={array}.device)" + (f".view({shape})" if behind else "")
        else:
            number = f"np.arange({stop})" + (f".reshape({shape})" if behind else "")
        reads = [part for part in walk(self.statement.value) if isinstance(part, ast.Subscript)]
        texts = [f"`{ctx.short(read.value)}[{self._sliced(read, ctx)}]`" for read in reversed(reads)]
        others = [text for text in dict.fromkeys(texts) if text != f"`{array}[{self._sliced(self.place, ctx)}]`"]
        source = f" from {' and '.join(others)}" if others else ""
        work = "launches its operators" if tensor else "runs the interpreter"
        counted = any(_is_name(part, self.counter) for part in self._outside_indices(self.statement.value))
        return ctx.finding(
            ctx.tree.parent(self.statement) or self.statement,
            f"`{ctx.short(self.statement, 60)}` {work} once for each slice of `{array}`",
            f"store to `{array}[{self._sliced(self.place, ctx)}]`{source} at once"
            + (f", with `{self.counter} = {number}`" if counted else ""),
        )

    def _sliced(self, read: ast.Subscript, ctx: Context) -> str:
        """The index that takes all slices which `read` takes one after the other."""
        stop = ctx.short(self.stop)
        indices = [":" for _ in read.slice.elts]  # type: ignore[attr-defined]
        number = read.slice.elts[self.axis]  # type: ignore[attr-defined]
        if _is_name(number, self.counter):
            indices[self.axis] = f":{stop}"
            return ", ".join(indices)
        assert isinstance(number, ast.BinOp)
        shift = ctx.text(number.right if _is_name(number.left, self.counter) else number.left)
        if isinstance(number.op, ast.Sub):
            shift = f"-{shift}"
        end = "" if shift == f"-{stop}" else stop if shift == "0" else f"{shift} + {stop}"
        indices[self.axis] = f"{shift}:{end}"
        return ", ".join(indices)

    def _lifts(self, node: ast.expr, ctx: Context) -> bool:
        """Whether an expression for one slice says the same of all slices when the counter is an array."""
        if isinstance(node, ast.Constant):
            return isinstance(node.value, (int, float))
        if _is_name(node, self.counter) or self._is_number(node, ctx):
            return True
        if isinstance(node, ast.BinOp):
            return type(node.op) in _OPERATORS and self._lifts(node.left, ctx) and self._lifts(node.right, ctx)
        if isinstance(node, ast.UnaryOp):
            return isinstance(node.op, ast.USub) and self._lifts(node.operand, ctx)
        if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Tuple):
            return False
        own = self.place.slice.elts  # type: ignore[attr-defined]
        indices = node.slice.elts
        if len(indices) != len(own) or not all(_is_whole(i) for at, i in enumerate(indices) if at != self.axis):
            return False
        number = indices[self.axis]
        if ast.dump(node.value) == ast.dump(self.place.value):
            return _is_name(number, self.counter)  # no slice that another round has stored to
        plain = isinstance(node.value, (ast.Name, ast.Attribute))
        return plain and ctx.kinds.of(node.value).is_a(NDARRAY, TENSOR) and self._is_shifted(number, ctx)

    def _is_shifted(self, index: ast.expr, ctx: Context) -> bool:
        """Whether an index is the counter, plus or minus a number."""
        if _is_name(index, self.counter):
            return True
        if not isinstance(index, ast.BinOp) or not isinstance(index.op, (ast.Add, ast.Sub)):
            return False
        if _is_name(index.left, self.counter):
            return self._is_number(index.right, ctx)
        return (
            isinstance(index.op, ast.Add) and _is_name(index.right, self.counter) and self._is_number(index.left, ctx)
        )

    def _is_number(self, node: ast.expr, ctx: Context) -> bool:
        """Whether an expression is one number, the same in all rounds: what `range` was given is one."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self._is_number(node.operand, ctx)
        if isinstance(node, ast.Constant):
            return isinstance(node.value, (int, float))
        if any(_is_name(part, self.counter) for part in walk(node)):
            return False
        return ast.dump(node) == ast.dump(self.stop) or ctx.kinds.of(node).name in ("int", "float")

    def _outside_indices(self, node: ast.AST) -> Iterator[ast.AST]:
        """The parts of an expression, without what arrays are indexed by."""
        if isinstance(node, ast.Subscript):
            return
        yield node
        for child in ast.iter_child_nodes(node):
            yield from self._outside_indices(child)


def _is_whole(index: ast.expr) -> bool:
    return isinstance(index, ast.Slice) and index.lower is None and index.upper is None and index.step is None


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
