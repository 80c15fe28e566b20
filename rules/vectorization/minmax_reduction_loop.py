from __future__ import annotations

import ast
import math
import struct
from collections.abc import Iterator
from typing import NamedTuple

from mlint.rule import (
    CHOICE,
    NDARRAY,
    TOTAL,
    Axis,
    Computed,
    Context,
    Example,
    Extreme,
    Finding,
    Lifted,
    Loop,
    Nest,
    NotElementwise,
    Place,
    Rule,
    Safety,
    Starts,
    computed,
    extreme,
    innermost,
    starts,
    undisturbed,
)

NUMPY = "import numpy as np\n"
ARRAYS = NUMPY + "a = np.random.normal(size=100)\nb = np.random.normal(size=100)\n"
INTEGERS = NUMPY + "k = np.random.randint(-50, 50, size=100)\n"

_NEVER_NEGATIVE = frozenset({"numpy.abs", "numpy.absolute", "numpy.fabs", "numpy.exp", "numpy.square", "abs"})
_RANGES = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}
_FLOATS = ("float32", "float64")


class _Loop(NamedTuple):
    nest: Nest
    round: Computed
    kept: Extreme
    starts: Starts
    lifted: Lifted


class MinmaxReductionLoop(Rule):
    """A loop that keeps the largest or smallest element so far is one reduction of the array.

    ## Why
    Each round boxes an element, compares it and branches in the interpreter. `max`, `min`, `np.fmax.reduce` and
    `np.fmin.reduce` compare many elements with one instruction.

    ## Fix safety
    Safe for arrays of integers, and for floats where the value that the loop starts at rules zeros out (`m = 0` for the
    largest) or no element can be -0.0 (`np.abs(x)`): `np.fmax.reduce` skips NaN as the comparisons of the loop do, and
    the builtin `max` around it keeps the start, with its type, where no element is larger. Unsafe for other floats,
    since `fmax` may return 0.0 where the loop keeps an earlier -0.0, or the other way round; for a start of `a[0]`,
    which the loop keeps where it is NaN; for `max(x, m)`, which gives way to NaN; where dimensions or dtypes are not
    proven; and where there may be no elements to take a maximum of and the start is none that NumPy takes as `initial`.

    ## References
    - NumPy documentation, `numpy.fmax`, `numpy.ufunc.reduce`.
    - NumPy documentation, `numpy.amax`, notes on NaN.

    ## Known limits
    A loop that also keeps where the largest element stands belongs to argmax-loop.
    """

    code, name = "ML103", "minmax-reduction-loop"
    libraries = ("numpy",)
    version_guards = False  # no version makes the loop any better
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Loop(TOTAL, CHOICE),)
    examples = (
        Example(
            given=INTEGERS,
            bad="m = k[0]\nfor i in range(len(k)):\n    if k[i] > m:\n        m = k[i]",
            good="m = k[0]\nm = k.max()",
            equal="m",
            safety="safe",
        ),
        Example(
            given=INTEGERS,
            bad="m = k[0]\nfor i in range(1, len(k)):\n    if k[i] < m:\n        m = k[i]",
            good="m = k[0]\nm = k.min()",
            equal="m",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="top = 0\nfor x in a:\n    if x > top:\n        top = x",
            good="top = 0\ntop = max(top, np.fmax.reduce(a))",
            equal="top",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="worst = 0.0\nfor i in range(100):\n    worst = max(worst, abs(a[i] - b[i]))",
            good="worst = 0.0\nworst = max(worst, np.fmax.reduce(abs(a - b)))",
            equal="worst",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad=(
                "worst = -np.inf\nfor x, y in zip(a, b):\n    gap = np.abs(x - y)\n    if gap > worst:\n"
                "        worst = gap"
            ),
            good="worst = -np.inf\nworst = max(worst, np.fmax.reduce(np.abs(a - b)))",
            equal="worst",
            safety="safe",
            note="a variable of the round",
        ),
        Example(
            given=ARRAYS,
            bad="low = np.inf\nfor i in range(len(a)):\n    low = a[i] if a[i] < low else low",
            good="low = np.inf\nlow = min(low, np.fmin.reduce(a))",
            equal="low",
            safety="unsafe",
            note="of 0.0 and -0.0 the loop keeps the first",
        ),
        Example(
            given=ARRAYS,
            bad="m = a[0]\nfor v in a:\n    m = max(m, v)",
            good="m = a[0]\nm = np.fmax.reduce(a)",
            equal="m",
            safety="unsafe",
            note="where `a` begins with NaN, the loop keeps it",
        ),
        Example(
            given=NUMPY + "X = np.random.normal(size=(20, 30))\n",
            bad=(
                "best, steps = float('-inf'), 0\nfor i in range(X.shape[0]):\n    for j in range(X.shape[1]):\n"
                "        if best < X[i, j]:\n            best = X[i, j]"
            ),
            good="best, steps = float('-inf'), 0\nbest = max(best, np.fmax.reduce(X, axis=None))",
            equal="best",
            safety="unsafe",
        ),
        Example(
            given=NUMPY,
            bad=(
                "def top(n: int):\n    k = np.arange(n) % 7\n    m = 0\n    for x in k:\n        if x > m:\n"
                "            m = x\n    return m\ny = top(9), top(1), top(0)"
            ),
            good=(
                "def top(n: int):\n    k = np.arange(n) % 7\n    m = 0\n    m = max(m, k.max(initial=m))\n"
                "    return m\ny = top(9), top(1), top(0)"
            ),
            equal="y",
            safety="safe",
            note="there may be no elements",
        ),
        Example(
            given=NUMPY,
            bad=(
                "def top(x: np.ndarray):\n    m = -1.0\n    for v in x:\n        if v > m:\n            m = v\n"
                "    return m\ny = top(np.arange(4) / 3)"
            ),
            good=(
                "def top(x: np.ndarray):\n    m = -1.0\n    m = max(m, np.fmax.reduce(x, initial=m))\n"
                "    return m\ny = top(np.arange(4) / 3)"
            ),
            equal="y",
            safety="unsafe",
            note="the annotation does not tell dimensions and dtype",
        ),
        Example(
            given=INTEGERS,
            bad="m = 0\nfor x in k:\n    # the highest so far\n    if x > m:\n        m = x",
            note="the comment would be lost: no fix",
        ),
        Example(
            given=INTEGERS,
            bad="m = 0\nfor x in k:\n    if x > m:\n        m = x\nprint(x)",
            note="the element is read later: no fix",
        ),
        Example(
            given=INTEGERS,
            bad="m = 0\nfor x in k:\n    if x >= m:\n        m = x",
            good="m = 0\nm = max(m, k.max())",
            equal="m",
            safety="unsafe",
            note="the loop replaces the Python 0 by NumPy's",
        ),
        Example(
            given=INTEGERS,
            ok="m, at = k[0], 0\nfor i in range(len(k)):\n    if k[i] > m:\n        m = k[i]\n        at = i",
            note="for argmax-loop to say",
        ),
        Example(
            given=INTEGERS,
            bad="m = k[0]\nk[0] = 0\nfor x in k:\n    if x > m:\n        m = x",
            good="m = k[0]\nk[0] = 0\nm = max(m, k.max())",
            equal="m",
            safety="safe",
            note="what the loop starts at is no element any more",
        ),
        Example(given=INTEGERS, ok="m = 0\nfor x in k:\n    if x > m:\n        m = x\n    else:\n        m -= 1"),
        Example(given=INTEGERS, ok="m = 0\nfor x in k:\n    if x > m:\n        m = x + 1"),
        Example(
            given=INTEGERS, ok="m = 0\nfor x in k:\n    if x - m > m:\n        m = x - m", note="reads what is kept"
        ),
        Example(given=INTEGERS, ok="m = 0\nfor x in k:\n    if x > m:\n        m = x\n        break"),
        Example(given=INTEGERS, ok="m = 0\nt = 3\nfor x in k:\n    if x > t:\n        m = x", note="the last one"),
        Example(given=INTEGERS, ok="m = 0\nfor x in [3, 4]:\n    if x > m:\n        m = x"),
        Example(given=INTEGERS, ok="def f(xs):\n    m = 0\n    for x in xs:\n        if x > m:\n            m = x"),
        Example(
            given=INTEGERS, ok="def f(m):\n    for x in k:\n        if x > m:\n            m = x", note="m is anything"
        ),
        Example(
            given=INTEGERS,
            ok="def f(g):\n    m = 0\n    for x in k:\n        s = g(x)\n        if s > m:\n            m = s",
        ),
        Example(given=INTEGERS, ok="m = 0\nfor x in k:\n    for y in k:\n        if x > m:\n            m = x"),
        Example(
            given=NUMPY + "X = np.random.normal(size=(20, 30))\n",
            ok="m = 0\nfor row in X:\n    if row > m:\n        m = row",
            note="rows have no truth value",
        ),
        Example(
            given=INTEGERS,
            ok="m = 0\nlast = 0\nfor x in k:\n    d = x - last\n    last = x\n    if d > m:\n        m = d",
            note="a round reads what the one before has left",
        ),
        Example(
            given="import numpy as np\nn = 1000\na = np.random.normal(size=n)\n",
            bad="m = 0.0\nfor x in a:\n    if x > m:\n        m = x",
            good="m = 0.0\nm = max(m, np.fmax.reduce(a))",
            equal="m",
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.For)
        if not _keeps(node, ctx):
            return
        found = self._read(node, ctx)
        if found is None:
            return
        outer = ctx.model.counted.outer(node)
        if outer is not None and self._read(outer, ctx) is not None:
            return
        kept, lifted = found.kept, found.lifted
        text = ctx.substituted(kept.value, lifted.replacements)
        doubts = list(lifted.doubts)
        new = None
        if text is not None:
            new = "\n".join([*found.round.hoisted, self._statement(found, text, doubts, ctx)])
        if not lifted.scalar:
            doubts.append("the number of dimensions is not proven")
        obstacles = [*lifted.obstacles, *lifted.unproven]
        fix = ctx.loop_fix(found.nest, new, obstacles, safe=True, doubts=doubts, names=found.round.names)
        over = ctx.short(next(o for o in lifted.operands if o.pattern != ("whole",)).array)
        extent, word = ("largest", "max") if kept.largest else ("smallest", "min")
        yield ctx.finding(
            node,
            f"the loop looks for the {extent} element of `{over}` one by one in the interpreter",
            f"use `{new.splitlines()[-1] if new is not None else f'{over}.{word}()'}`",
            fix,
        )

    def _read(self, node: ast.For, ctx: Context) -> _Loop | None:
        nest = ctx.elementwise.nest(node)
        if nest is None:
            return None
        kept = extreme(ctx.names, nest.body[-1])
        if kept is None or kept.others or kept.name in nest.names:
            return None
        begin = starts(ctx.model, node, kept.name, [kept.statement])
        if begin is None:
            return None
        try:
            round_ = computed(ctx.elementwise, nest, kept.mentions)
            if len(round_.body) != 1 or kept.name in round_.names or _reads(nest.body, kept):
                return None
            lifted = ctx.elementwise.lift(kept.value, round_.axes)
            places = {p.axis for o in lifted.operands for p in o.pattern if isinstance(p, Place)}
            if not places or places | lifted.counters != set(range(len(nest.axes))):
                raise NotElementwise("a round does not compare an element of its own")
            if lifted.wholes or any(rest not in (0, None) for rest in lifted.rests):
                raise NotElementwise("a round compares whole rows")
            known = all(_element(other, ctx) is not None for other in begin.others)
            if not known or any(math.isnan(number) for number in begin.numbers):
                raise NotElementwise("what the loop starts at is not proven to be a number")
        except NotElementwise:
            return None
        return _Loop(nest, round_, kept, begin, lifted)

    def _statement(self, found: _Loop, text: str, doubts: list[str], ctx: Context) -> str:
        """The reduction; what may make it differ is added to the doubts."""
        kept, lifted, begin = found.kept, found.lifted, found.starts
        word = "max" if kept.largest else "min"
        floating = not lifted.dtype or not lifted.dtype.startswith(("int", "uint", "bool"))
        if lifted.dtype not in (*_FLOATS, *_RANGES, "bool"):
            doubts.append("the dtypes are not proven")
        for other in begin.others:
            if ctx.kinds.of(_element(other, ctx)).dtype != lifted.dtype:
                doubts.append("the dtype of what the loop starts at is not proven to be that of the elements")
        own = self._own_start(found, ctx)
        if own is not None:
            text = own
        elif kept.loose and not self._starts_replaced(begin, lifted):
            doubts.append("a value that is equal takes the place of the number that the loop starts at")
        if floating:
            self._check_floats(found, own is not None, doubts, ctx)
        initial = own is None and not ctx.elementwise.runs(found.nest.axes)
        if initial and not self._takes_initial(begin, lifted.dtype):
            doubts.append("there is no maximum of nothing")
            initial = floating
        arguments = [
            *(["axis=None"] if len(found.nest.axes) > 1 else []),
            *([f"initial={kept.name}"] if initial else []),
        ]
        if floating:
            spelled, _ = ctx.names.spell(f"numpy.f{word}", kept.statement)
            reduced = f"{spelled}.reduce({', '.join([text, *arguments])})"
        else:
            arguments = [a for a in arguments if a != "axis=None"]
            if text.isidentifier():
                reduced = f"{text}.{word}({', '.join(arguments)})"
            else:
                spelled, _ = ctx.names.spell(f"numpy.{word}", kept.statement)
                reduced = f"{spelled}({', '.join([text, *arguments])})"
        return f"{kept.name} = {reduced if own is not None else f'{word}({kept.name}, {reduced})'}"

    def _own_start(self, found: _Loop, ctx: Context) -> str | None:
        """The array, where the loop starts at one of its elements and goes over all the others: it is not empty."""
        begin, axes, lifted = found.starts, found.round.axes, found.lifted
        if begin.numbers or begin.repeated or len(axes) != 1 or len(begin.others) != 1 or found.round.temporaries:
            return None
        axis, other = axes[0], begin.others[0]
        array = _element(other, ctx)
        if array is None or len(lifted.operands) != 1 or lifted.operations or not isinstance(other, ast.Subscript):
            return None
        key = ctx.model.lengths.identity(array)
        if key is None or key != lifted.operands[0].key or not isinstance(array, (ast.Name, ast.Attribute)):
            return None
        if not undisturbed(ctx.model, begin, found.nest.loop, other):
            return None
        if axis.start == 1 and isinstance(other.slice, ast.Constant) and other.slice.value == 0:
            axis = Axis(axis.index, 0, axis.stop, axis.count, ())
        try:
            whole = ctx.elementwise.lift(found.kept.value, (axis,))
        except NotElementwise:
            return None
        text = ctx.substituted(found.kept.value, whole.replacements)
        return text if text == ctx.text(array) and not whole.doubts else None

    def _check_floats(self, found: _Loop, own: bool, doubts: list[str], ctx: Context) -> None:
        kept, begin = found.kept, found.starts
        if own:
            doubts.append("the loop keeps a NaN that it starts at")
        if kept.sticks:
            doubts.append("what is kept gives way to NaN in the loop")
        value = next((t.lifted.node for t in found.round.temporaries if _is_name(kept.value, t.name)), kept.value)
        never_negative = isinstance(value, ast.Call) and ctx.dotted(value.func) in _NEVER_NEGATIVE
        past_zero = bool(begin.numbers) and all(n >= 0 if kept.largest else n <= 0 for n in begin.numbers)
        if not never_negative and (not past_zero or kept.loose):
            doubts.append("of zeros of either sign the loop keeps the first")

    def _starts_replaced(self, begin: Starts, lifted: Lifted) -> bool:
        """Whether a value that is equal to the start has its type."""
        dtype = lifted.dtype or ""
        return not begin.numbers or (all(math.isinf(n) for n in begin.numbers) and dtype in _RANGES)

    def _takes_initial(self, begin: Starts, dtype: str | None) -> bool:
        """Whether a reduction to a dtype takes the number that the loop starts at for what it is."""
        if begin.others or begin.repeated:
            return False
        if dtype == "float64":
            return all(type(n) is float or abs(n) <= 2**53 for n in begin.numbers)
        if dtype == "float32":
            return all(math.isinf(n) or (abs(n) < 3e38 and _single(n) == n) for n in begin.numbers)
        low, high = _RANGES.get(dtype or "", (0, 1))
        return all(type(n) is int and low <= n <= high for n in begin.numbers)


def _keeps(loop: ast.For, ctx: Context) -> bool:
    """Whether what the innermost of nested loops does last is to keep an extreme: a look at the syntax."""
    body = innermost(loop)
    kept = extreme(ctx.names, body[-1])
    return kept is not None and not kept.others


def _reads(body: list[ast.stmt], kept: Extreme) -> bool:
    """Whether the body reads what is kept anywhere but where it compares and keeps it."""
    reads = [
        node
        for statement in body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and node.id == kept.name and isinstance(node.ctx, ast.Load)
    ]
    inside = any(isinstance(node, ast.Name) and node.id == kept.name for node in ast.walk(kept.value))
    allowed = 2 if isinstance(kept.statement.value, ast.IfExp) else 1
    return inside or len(reads) > allowed


def _element(node: ast.expr, ctx: Context) -> ast.expr | None:
    """The one-dimensional array of which a node is an element at a literal place."""
    if not isinstance(node, ast.Subscript):
        return None
    index = node.slice.operand if isinstance(node.slice, ast.UnaryOp) else node.slice
    if not isinstance(index, ast.Constant) or type(index.value) is not int:
        return None
    return node.value if ctx.is_a(node.value, NDARRAY) and ctx.model.lengths.dimensions(node.value) == 1 else None


def _single(number: float) -> float:
    value: float = struct.unpack("f", struct.pack("f", number))[0]
    return value


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
