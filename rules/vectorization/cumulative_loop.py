from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from mlint.rule import STORE, UPDATE, Context, Example, Finding, Lifted, Loop, Nest, NotElementwise, Place, Rule, Safety

ARRAYS = "import numpy as np\na = np.random.normal(size=50)\nk = np.random.randint(0, 9, size=50)\nout = np.zeros(50)\n"

_NEVER_NEGATIVE = frozenset({"numpy.abs", "numpy.absolute", "numpy.fabs", "numpy.exp", "numpy.square"})


class _Running(NamedTuple):
    nest: Nest
    statements: list[ast.stmt]
    place: str
    value: Lifted
    op: str
    start: int | float
    obstacles: list[str]
    doubts: list[str]
    names: tuple[str, ...] = ()


class CumulativeLoop(Rule):
    """A running sum or product that is stored element by element is `np.cumsum` or `np.cumprod`.

    ## Why
    Each element depends on the one before, but that needs no interpreter: `np.cumsum` makes the same additions in the
    same order in one compiled pass.

    ## Fix safety
    Safe for float64 and int64 and a sum that starts at 0 (a product at 1): NumPy accumulates one element after the
    other, so the results are the same bits. Unsafe where the first elements of a sum of floats may be -0.0, which stays
    -0.0 while `0 + -0.0` is 0.0; for other dtypes and starts; and where dimensions or the absence of shared memory are
    not proven.

    ## References
    - NumPy documentation, `numpy.cumsum`.
    - NumPy documentation, `numpy.ufunc.accumulate`.
    """

    code, name = "ML109", "cumulative-loop"
    libraries = ("numpy",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Loop(STORE, UPDATE),)
    examples = (
        Example(
            given=ARRAYS,
            bad="s = 0\nfor i in range(len(a)):\n    s += a[i]\n    out[i] = s",
            good="s = 0\nout[:] = np.cumsum(a)",
            equal="out",
            safety="unsafe",
            note="where a begins with -0.0, so does its cumsum; the loop's sums begin with 0.0",
        ),
        Example(
            given=ARRAYS,
            bad="total = 0.0\nfor i, x in enumerate(a):\n    total = total + np.abs(x)\n    out[i] = total",
            good="total = 0.0\nout[:] = np.cumsum(np.abs(a))",
            equal="out",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="p = 1.0\nfor i in range(50):\n    p *= 1 + a[i] / 9\n    out[i] = p",
            good="p = 1.0\nout[:] = np.cumprod(1 + a / 9)",
            equal="out",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="s = 2.5\nfor i in range(50):\n    s += a[i]\n    out[i] = s",
            good="s = 2.5\nout[:] = s + np.cumsum(a)",
            equal="out",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=ARRAYS,
            bad="out[0] = a[0]\nfor i in range(1, len(a)):\n    out[i] = out[i - 1] + a[i]",
            good="out[:] = np.cumsum(a)",
            equal="out",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="for i in range(1, 50):\n    a[i] += a[i - 1]",
            good="a[:] = np.cumsum(a)",
            equal="a",
            safety="safe",
            note="in place",
        ),
        Example(
            given=ARRAYS,
            bad="s = 0\nfor i in range(len(a)):\n    s += a[i]\n    out[i] = s\nprint(s)",
            note="the total is read later: no fix",
        ),
        Example(given=ARRAYS, ok="for i in range(1, 50):\n    out[i] = 0.9 * out[i - 1] + a[i]", note="a decay"),
        Example(given=ARRAYS, ok="for i in range(2, 50):\n    out[i] = out[i - 1] + out[i - 2]", note="Fibonacci"),
        Example(given=ARRAYS, ok="for i in range(1, 50):\n    out[i] = out[i - 1] + np.random.rand()"),
        Example(given=ARRAYS, ok="s = 0\nout = [0] * 50\nfor i in range(50):\n    s += a[i]\n    out[i] = s"),
        Example(given=ARRAYS, ok="s = 0\nfor i in range(50):\n    s += a[i]\n    out[i] = s / (i + 1)", note="a mean"),
        Example(given=ARRAYS, ok="s = 0\nfor i in range(50):\n    out[i] = s\n    s += a[i]", note="shifted by one"),
        Example(given=ARRAYS, ok="s = 0\nfor i in range(50):\n    s += a[i]\n    a[i] = s\n    print(s)"),
        Example(
            given=ARRAYS, ok="s = np.zeros(3)\nM = np.zeros((50, 3))\nfor i in range(50):\n    s += a[i]\n    M[i] = s"
        ),
        Example(
            given="import numpy as np\nn = 1000\na = np.random.normal(size=n)\nb = np.random.normal(size=n)\n",
            bad="out = np.zeros(n)\ntotal = 0.0\nfor i in range(n):\n    total += a[i]\n    out[i] = total",
            good="out = np.zeros(n)\ntotal = 0.0\nout[:] = np.cumsum(a)",
            equal="out",
            close=True,
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.For)
        nest = ctx.elementwise.nest(node)
        if nest is None or len(nest.axes) != 1 or len(nest.body) not in (1, 2):
            return
        try:
            found = self._total(nest, ctx) if len(nest.body) == 2 else self._before(nest, ctx)
        except NotElementwise:
            return
        if found is None:
            return
        value = found.value
        text = ctx.substituted(value.node, value.replacements)
        called = "cumprod" if found.op == "*" else "cumsum"
        spelled = ctx.names.spell(f"numpy.{called}", node)[0]
        new = None if text is None else f"{found.place} = {spelled}({text})"
        doubts = [*found.doubts]
        neutral = 1 if found.op == "*" else 0
        if found.names and found.op == "+" and value.dtype != "int64" and not self._never_negative(value.node, ctx):
            doubts.append("a sum that starts at zero has no leading -0.0")
        if type(found.start) is not int:
            doubts += [] if value.dtype == "float64" else ["the total starts at a number of another kind"]
        if found.start != neutral and new is not None:
            total = ast.unparse(_updated(nest.body[0])[0])  # type: ignore[index]
            new = f"{found.place} = {total} {found.op} {spelled}({text})"
            doubts.append("the numbers are added in another order")
        if value.dtype not in ("float64", "int64") or not value.scalar:
            doubts.append("the dtypes are not proven")
        obstacles = [*found.obstacles, *value.obstacles]
        fix = ctx.loop_fix(nest, new, obstacles, safe=not doubts, statements=found.statements, names=found.names)
        yield ctx.finding(
            node,
            f"`{ctx.short(nest.body[0], 60)}` accumulates element by element in the interpreter",
            f"use `{new}`" if new is not None else f"use `{spelled}`",
            fix,
        )

    def _never_negative(self, node: ast.expr, ctx: Context) -> bool:
        """Whether an element cannot be -0.0."""
        return isinstance(node, ast.Call) and ctx.dotted(node.func) in _NEVER_NEGATIVE

    def _total(self, nest: Nest, ctx: Context) -> _Running | None:
        """`s += a[i]; out[i] = s`."""
        updated, stored = _updated(nest.body[0]), nest.body[1]
        if updated is None or not isinstance(stored, ast.Assign) or len(stored.targets) != 1:
            return None
        name, op, added = updated
        if not isinstance(name, ast.Name) or not isinstance(stored.value, ast.Name) or stored.value.id != name.id:
            return None
        start: int | float | None = None
        for binding in ctx.reaching.at(nest.loop, name.id):
            number = binding.value
            if binding.how != "assign" or binding.path or not isinstance(number, ast.Constant) or start is not None:
                return None
            if not isinstance(number.value, (int, float)):
                return None
            start = number.value
        if start is None or ctx.elementwise.mentions(added, name):
            return None
        target = ctx.elementwise.target(stored.targets[0], nest.axes)
        value = ctx.elementwise.lift(added, nest.axes)
        if not _reads(value) or value.wholes:
            return None
        doubts = ctx.elementwise.stored(value, target)
        return _Running(nest, [nest.loop], target.text, value, op, start, value.unproven, doubts, (name.id,))

    def _before(self, nest: Nest, ctx: Context) -> _Running | None:
        """`out[i] = out[i - 1] + a[i]` from 1 on."""
        statement, axis = nest.body[0], nest.axes[0]
        if axis.start != 1 or axis.index is None:
            return None
        place: ast.expr
        op: ast.operator
        if isinstance(statement, ast.AugAssign):
            place, parts, op = statement.target, [statement.value], statement.op
            in_place = True
        elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.BinOp):
            place, op = statement.targets[0], statement.value.op
            parts, in_place = [statement.value.left, statement.value.right], False
        else:
            return None
        if not isinstance(op, (ast.Add, ast.Mult)) or not isinstance(place, ast.Subscript):
            return None
        target = ctx.elementwise.target(place, nest.axes)
        before = [p for p in parts if self._is_previous(p, place, axis.index)]
        if len(before) != 1:
            return None
        others = [p for p in parts if p is not before[0]]
        element = others[0] if others else ast.copy_location(ast.Subscript(place.value, place.slice, ast.Load()), place)
        if not isinstance(element, ast.Subscript) or ast.unparse(element.slice) != axis.index:
            return None
        array = element.value
        if not others:
            array = place.value
        elif ast.unparse(array) == ast.unparse(place.value):
            in_place = True
        kind = ctx.kinds.of(array)
        length = ctx.model.lengths.axis(array, 0)
        if ctx.model.lengths.dimensions(array) != 1 or target.rest != 0:
            return None
        obstacles: list[str] = []
        statements: list[ast.stmt] = [nest.loop]
        whole = length is not None and length == axis.stop == ctx.model.lengths.axis(place.value, 0)
        if not in_place:
            block = ctx.tree.block(nest.loop)
            index = block.index(nest.loop)
            first = block[index - 1] if index else None
            wanted = f"{ast.unparse(place.value)}[0] = {ast.unparse(array)}[0]"
            if first is None or ast.unparse(first) != wanted:
                obstacles.append("the first element is not that of the array")
            else:
                statements.insert(0, first)
        if not whole:
            obstacles.append("the lengths are not proven")
        doubts = list(target.doubts)
        if kind.dtype != target.dtype:
            doubts.append("the dtypes are not proven")
        if not in_place and not (target.fresh or ctx.elementwise.memory.fresh(array)):
            doubts.append("the arrays may share memory")
        value = Lifted(array)
        value.dtype = kind.dtype
        value.rests.append(0)
        symbol = "*" if isinstance(op, ast.Mult) else "+"
        neutral = 1 if symbol == "*" else 0
        place_text = f"{ctx.text(place.value)}[:]"
        return _Running(nest, statements, place_text, value, symbol, neutral, obstacles, doubts)

    def _is_previous(self, node: ast.expr, place: ast.Subscript, index: str) -> bool:
        return (
            isinstance(node, ast.Subscript)
            and ast.unparse(node.value) == ast.unparse(place.value)
            and ast.unparse(place.slice) == index
            and ast.unparse(node.slice) == f"{index} - 1"
        )


def _reads(value: Lifted) -> bool:
    return any(isinstance(part, Place) for operand in value.operands for part in operand.pattern)


def _updated(statement: ast.stmt) -> tuple[ast.expr, str, ast.expr] | None:
    """`s += E` and `s = s + E`: the total, the operator and E."""
    if isinstance(statement, ast.AugAssign) and type(statement.op) in _OPERATORS:
        return statement.target, _OPERATORS[type(statement.op)], statement.value
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.value, ast.BinOp):
        target, value = statement.targets[0], statement.value
        if type(value.op) in _OPERATORS and ast.unparse(value.left) == ast.unparse(target):
            return target, _OPERATORS[type(value.op)], value.right
    return None


_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Mult: "*"}
