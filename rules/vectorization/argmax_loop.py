from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from mlint.rule import (
    CHOICE,
    Axis,
    Computed,
    Context,
    Example,
    Finding,
    Lifted,
    Loop,
    Nest,
    NotElementwise,
    Placed,
    Rule,
    Safety,
    Starts,
    computed,
    placed,
    starts,
    undisturbed,
    walk_scope,
)

NUMPY = "import numpy as np\n"
ARRAYS = NUMPY + "a = np.random.normal(size=100)\nb = np.random.normal(size=100)\n"
INTEGERS = NUMPY + "k = np.random.randint(-50, 50, size=100)\n"

_RANGES = {
    "bool": (0, 1),
    "uint8": (0, 255),
    "int8": (-128, 127),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}


class _Loop(NamedTuple):
    nest: Nest
    round: Computed
    kept: Placed
    lifted: Lifted
    doubts: list[str]


class ArgmaxLoop(Rule):
    """A loop that keeps where the largest or smallest element stands is `np.argmax` or `np.argmin`.

    ## Why
    Each round boxes an element, compares it and branches in the interpreter. `np.argmax` finds the place in one
    compiled pass, and returns the first of equal elements, as the loop with `>` does.

    ## Fix safety
    Safe for arrays of integers or truth values that are proven not to be empty. Unsafe for floats: `np.argmax` returns
    the place of the first NaN, which the loop passes over, and the first place where all are -inf, where the loop
    keeps its start. Unsafe as well where dimensions or dtypes are not proven, or there may be no elements.

    ## References
    - NumPy documentation, `numpy.argmax`, notes.

    ## Known limits
    There is no finding for `>=`, which keeps the last of equal elements; for a start other than an infinity, the first
    element, or a number that no element can reach; and where the place is compared with its start later, to see
    whether anything was found.
    """

    code, name = "ML111", "argmax-loop"
    libraries = ("numpy",)
    version_guards = False  # no version makes the loop any better
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Loop(CHOICE),)
    examples = (
        Example(
            given=INTEGERS,
            bad=(
                "best, at = k[0], 0\nfor i in range(len(k)):\n    if k[i] > best:\n        best = k[i]\n        at = i"
            ),
            good="best, at = k[0], 0\nat = int(np.argmax(k))\nbest = k[at]",
            equal="at, best",
            safety="safe",
        ),
        Example(
            given=INTEGERS,
            bad="best = k[0]\nat = 0\nfor i in range(1, 100):\n    if k[i] < best:\n        at, best = i, k[i]",
            good="best = k[0]\nat = 0\nat = int(np.argmin(k))\nbest = k[at]",
            equal="at, best",
            safety="safe",
        ),
        Example(
            given=INTEGERS,
            bad="at = 0\nfor i in range(1, len(k)):\n    if k[i] > k[at]:\n        at = i",
            good="at = 0\nat = int(np.argmax(k))",
            equal="at",
            safety="safe",
            note="the value is looked up at its place",
        ),
        Example(
            given=INTEGERS,
            bad=(
                "low = float('inf')\nwhere = None\nfor i, x in enumerate(k):\n    if x < low:\n        low = x\n"
                "        where = i"
            ),
            good="low = float('inf')\nwhere = None\nwhere = int(np.argmin(k))\nlow = k[where]",
            equal="where, low",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad=(
                "best, at = -np.inf, 0\nfor i in range(len(a)):\n    if a[i] > best:\n        best = a[i]\n"
                "        at = i"
            ),
            good="best, at = -np.inf, 0\nat = int(np.argmax(a))\nbest = a[at]",
            equal="at, best",
            safety="unsafe",
            note="argmax stops at the first NaN",
        ),
        Example(
            given=ARRAYS,
            bad=(
                "best, at = np.inf, 0\nfor i in range(len(a)):\n    d = abs(a[i] - b[i])\n    if d < best:\n"
                "        best = d\n        at = i"
            ),
            good="best, at = np.inf, 0\nd = abs(a - b)\nat = int(np.argmin(d))\nbest = d[at]",
            equal="at, best",
            safety="unsafe",
            note="a variable of the round becomes an array",
        ),
        Example(
            given=ARRAYS,
            bad=(
                "best, at = np.inf, 0\nfor i in range(len(a)):\n    if abs(a[i] - 3) < best:\n"
                "        best = abs(a[i] - 3)\n        at = i"
            ),
            good="best, at = np.inf, 0\nvalues = abs(a - 3)\nat = int(np.argmin(values))\nbest = values[at]",
            equal="at, best",
            safety="unsafe",
        ),
        Example(
            given=NUMPY,
            bad=(
                "def first(x: np.ndarray):\n    best, at = x[0], 0\n    for i in range(len(x)):\n"
                "        if x[i] > best:\n            best, at = x[i], i\n    return at\ny = first(np.arange(5) % 3)"
            ),
            good=(
                "def first(x: np.ndarray):\n    best, at = x[0], 0\n    at = int(np.argmax(x))\n    best = x[at]\n"
                "    return at\ny = first(np.arange(5) % 3)"
            ),
            equal="y",
            safety="unsafe",
            note="the annotation does not tell dimensions and dtype",
        ),
        Example(
            given=INTEGERS,
            bad="at = 0\nfor i in range(100):\n    if k[i] > k[at]:\n        at = i\nprint(i)",
            note="the counter is read later: no fix",
        ),
        Example(
            given=INTEGERS,
            bad="at = 0\nfor i in range(100):\n    # the first of them\n    if k[i] > k[at]:\n        at = i",
            note="the comment would be lost: no fix",
        ),
        Example(
            given=INTEGERS,
            ok="best, at = k[0], 0\nfor i in range(len(k)):\n    if k[i] >= best:\n        best, at = k[i], i",
            note="the last of equal elements",
        ),
        Example(
            given=INTEGERS,
            ok="best, at = 0, -1\nfor i in range(len(k)):\n    if k[i] > best:\n        best, at = k[i], i",
            note="there may be no element above zero",
        ),
        Example(
            given=ARRAYS,
            ok=(
                "best, at = -np.inf, None\nfor i in range(len(a)):\n    if a[i] > best:\n        best, at = a[i], i\n"
                "if at is None:\n    raise ValueError('nothing but NaN')"
            ),
            note="asks whether there was any",
        ),
        Example(
            given=ARRAYS,
            ok=(
                "def f():\n    best, at = -np.inf, -1\n    for i in range(len(a)):\n        if a[i] > best:\n"
                "            best, at = a[i], i\n    return at if at >= 0 else None"
            ),
        ),
        Example(
            given=INTEGERS,
            ok=(
                "best, at, n = k[0], 0, 0\nfor i in range(len(k)):\n    if k[i] > best:\n        best, at = k[i], i\n"
                "        n += 1"
            ),
            note="counts as well",
        ),
        Example(
            given=INTEGERS,
            ok="best, at = k[0], 3\nfor i in range(len(k)):\n    if k[i] > best:\n        best, at = k[i], i",
            note="the place is not that of the start",
        ),
        Example(
            given=INTEGERS,
            ok="best, at = k[0], 0\nfor i in range(len(k)):\n    if k[i] > best:\n        best, at = k[i] + 1, i",
        ),
        Example(
            given=INTEGERS,
            ok="best, at = k[0], 0\nfor i in range(len(k)):\n    if k[i] > best:\n        best, at = k[i], best",
        ),
        Example(
            given=INTEGERS,
            ok=(
                "best, at = k[0], 0\nfor r in range(20):\n    for i in range(len(k)):\n        if k[i] + r > best:\n"
                "            best, at = k[i] + r, i"
            ),
            note="the best of all rounds of the outer loop",
        ),
        Example(
            given=INTEGERS,
            ok=(
                "best, at = k[0], 0\nk[0] = -9\nfor i in range(len(k)):\n    if k[i] > best:\n"
                "        best, at = k[i], i"
            ),
            note="the loop starts at an element that is gone",
        ),
        Example(
            given=INTEGERS,
            ok="at = 0\nfor i in range(2, 100):\n    if k[i] > k[at]:\n        at = i",
            note="the element between is left out",
        ),
        Example(
            ok="def f(xs):\n    best, at = xs[0], 0\n    for i in range(len(xs)):\n"
            "        if xs[i] > best:\n            best, at = xs[i], i\n    return at",
            given=NUMPY,
            note="nothing is known of the values",
        ),
        Example(
            given="import numpy as np\nn = 1000\nk = np.random.randint(0, 10**6, size=n)\n",
            bad="at = 0\nfor i in range(n):\n    if k[i] > k[at]:\n        at = i",
            good="at = 0\nat = int(np.argmax(k))",
            equal="at",
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.For)
        if placed(node.body[-1]) is None:
            return
        found = self._read(node, ctx)
        if found is None:
            return
        kept, lifted = found.kept, found.lifted
        word = "argmax" if kept.largest else "argmin"
        spelled, _ = ctx.names.spell(f"numpy.{word}", node)
        text = ctx.substituted(kept.value, lifted.replacements)
        obstacles = [*lifted.obstacles, *lifted.unproven]
        lines = found.round.hoisted
        if text is not None and kept.name is not None and lifted.operations and not text.isidentifier():
            if not ctx.names.is_free("values", node):
                obstacles.append("the name `values` is taken")
            lines.append(f"values = {text}")
            text = "values"
        lines.append(f"{kept.place} = int({spelled}({text}))")
        if kept.name is not None:
            lines.append(f"{kept.name} = {text}[{kept.place}]")
        new = "\n".join(lines) if text is not None else None
        fix = ctx.loop_fix(found.nest, new, obstacles, safe=True, doubts=found.doubts, names=found.round.names)
        over = ctx.short(next(o for o in lifted.operands if o.pattern != ("whole",)).array)
        extent = "largest" if kept.largest else "smallest"
        yield ctx.finding(
            node,
            f"the loop looks for the place of the {extent} element of `{over}` one by one in the interpreter",
            f"use `{kept.place} = int({spelled}({text or over}))`",
            fix,
        )

    def _read(self, node: ast.For, ctx: Context) -> _Loop | None:
        nest = ctx.elementwise.nest(node)
        if nest is None or len(nest.axes) != 1:
            return None
        kept = placed(nest.body[-1])
        axis = nest.axes[0]
        if kept is None or kept.counter != axis.index or kept.place in nest.names or kept.name in nest.names:
            return None
        try:
            if kept.loose:
                raise NotElementwise("of equal elements the loop keeps the last, argmax the first")
            place = starts(ctx.model, node, kept.place, kept.statements)
            value = None if kept.name is None else starts(ctx.model, node, kept.name, kept.statements)
            if place is None or (value is None and kept.name is not None):
                raise NotElementwise("what the loop starts at is not known")
            first = self._starts_at_first(kept, place, value, nest, ctx)
            if first and axis.start == 1:
                axis = Axis(axis.index, 0, axis.stop, axis.count, ())
                nest = Nest(nest.loop, (axis,), nest.body)
            if axis.start:
                raise NotElementwise("the loop leaves the first elements out")
            round_ = computed(ctx.elementwise, nest)
            own = {kept.place, kept.name}
            if len(round_.body) != 1 or own & {*round_.names} or _mentioned(nest.body[:-1], own):
                raise NotElementwise("a round does more than to compare")
            lifted = ctx.elementwise.lift(kept.value, round_.axes)
            if lifted.wholes or any(rest not in (0, None) for rest in lifted.rests) or lifted.counters:
                raise NotElementwise("a round does not compare elements alone")
            if all(operand.pattern == ("whole",) for operand in lifted.operands):
                raise NotElementwise("a round does not compare an element of its own")
            doubts = self._doubts(kept, place, value, first, lifted, nest, ctx)
        except NotElementwise:
            return None
        return _Loop(nest, round_, kept, lifted, doubts)

    def _starts_at_first(self, kept: Placed, place: Starts, value: Starts | None, nest: Nest, ctx: Context) -> bool:
        """Whether the loop starts with the first element as what is kept."""
        if (
            place.others
            or set(place.numbers) != {0}
            or place.repeated
            or any(type(n) is not int for n in place.numbers)
        ):
            return False
        if value is None:
            return True
        if value.numbers or value.repeated or len(value.others) != 1:
            return False
        axis = nest.axes[0]
        if not undisturbed(ctx.model, value, nest.loop, value.others[0]):
            return False
        first = ast.dump(value.others[0])
        if ast.dump(kept.value).replace(f"Name(id={axis.index!r}, ctx=Load())", "Constant(value=0)") == first:
            return True
        for name, array in axis.elements:
            if isinstance(kept.value, ast.Name) and kept.value.id == name:
                return first == ast.dump(ast.Subscript(array, ast.Constant(0), ast.Load()))
        return False

    def _doubts(
        self,
        kept: Placed,
        place: Starts,
        value: Starts | None,
        first: bool,
        lifted: Lifted,
        nest: Nest,
        ctx: Context,
    ) -> list[str]:
        """Why the place may be another one than that of argmax.

        Raises:
            NotElementwise: it is another one for ordinary values.
        """
        doubts = list(lifted.doubts)
        if not lifted.scalar:
            doubts.append("the number of dimensions is not proven")
        exact = lifted.dtype in _RANGES
        low, high = _RANGES.get(lifted.dtype or "", (float("-inf"), float("inf")))
        if not first:
            if value is None or value.others or value.repeated or not value.numbers:
                raise NotElementwise("the loop does not start at the first element")
            reached = [n for n in value.numbers if not (n < low if kept.largest else n > high)]
            if exact and reached:
                raise NotElementwise("there may be no element beyond what the loop starts at")
            if not exact and any(n != (low if kept.largest else high) for n in reached):
                raise NotElementwise("there may be no element beyond what the loop starts at")
        sure = ctx.elementwise.runs(nest.axes)
        if not sure and not (first and self._is_whole(kept, lifted, ctx)):
            doubts.append("there may be no elements")
        if not exact:
            doubts.append("argmax stops at the first NaN" if lifted.dtype else "the dtypes are not proven")
        if doubts and self._asked_later(kept, place, nest, ctx):
            raise NotElementwise("the place is compared with its start")
        return doubts

    def _is_whole(self, kept: Placed, lifted: Lifted, ctx: Context) -> bool:
        """Whether the loop goes over the array whose first element it starts at: that raises where there is none."""
        text = ctx.substituted(kept.value, lifted.replacements)
        return kept.name is not None and text is not None and text.isidentifier() and not lifted.operations

    def _asked_later(self, kept: Placed, place: Starts, nest: Nest, ctx: Context) -> bool:
        """Whether code asks whether the loop has found any place."""
        scope = ctx.tree.scope(nest.loop)
        for node in walk_scope(scope):
            if isinstance(node, ast.Compare) and ctx.tree.parent(node) is not nest.body[-1]:
                if any(_is_name(side, kept.place) for side in (node.left, *node.comparators)):
                    return True
            if isinstance(node, (ast.If, ast.IfExp, ast.While, ast.Assert)) and _is_name(node.test, kept.place):
                return True
            if isinstance(node, ast.BoolOp) and any(_is_name(value, kept.place) for value in node.values):
                return True
            if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) and _is_name(node.operand, kept.place):
                return True
        return False


def _mentioned(statements: list[ast.stmt], names: set[str | None]) -> bool:
    return any(isinstance(node, ast.Name) and node.id in names for part in statements for node in ast.walk(part))


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
