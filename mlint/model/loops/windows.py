"""Windows that move over an array: ``out[i] = a[i:i + k].mean()``, one reduction of a slice in each round.

The windows of all rounds are the rows of a view of the array, if each of them has the same width and lies inside the
array. Slices beyond its end are cut short without an error, so that this has to be proven.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.kinds import NDARRAY
from mlint.model.loops import dtypes
from mlint.model.loops.apart import apart, plain
from mlint.model.loops.contraction import ORDER
from mlint.model.loops.counted import Axis, Nest
from mlint.model.loops.described import NotElementwise
from mlint.model.loops.linear import Linear, Sum
from mlint.model.refusals import UNSAFE, note
from mlint.model.tree import walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.model.loops.elementwise import Elementwise

_METHODS = frozenset("sum mean max min prod std var any all".split())
_FUNCTIONS = frozenset("median ptp amax amin nanmean nansum nanmax nanmin nanstd nanvar nanmedian".split())
_BUILTIN = frozenset({"sum", "max", "min"})
_AVERAGES = frozenset("mean std var median nanmean nanstd nanvar nanmedian".split())
_EXTREMES = frozenset("max min ptp amax amin nanmax nanmin".split())


class Reduction(NamedTuple):
    """What is made of a window.

    Attributes:
        node: the call.
        name: the reduction.
        method: whether arrays have it as a method.
        builtin: whether it is Python's own.
        window: the slice.
        options: its keyword arguments, as text.
    """

    node: ast.Call
    name: str
    method: bool
    builtin: bool
    window: ast.Subscript
    options: str


class Windows(NamedTuple):
    """The windows of all rounds.

    Attributes:
        reduction: what is made of each.
        array: what they move over.
        width: how wide they are, as text.
        number: the same as a number, where it is known.
        rows: the rows of the view that are windows of the loop, as a subscript; empty if all are.
        place: the slice of the place stored to, as a subscript; None where nothing is stored.
        value: what is computed of each window.
        nest: the loop, for a fix; None for a comprehension.
        doubts: why the rewrite may give other results.
        obstacles: why there can be no rewrite.
    """

    reduction: Reduction
    array: ast.expr
    width: str
    number: int | None
    rows: str
    place: str | None
    value: ast.expr
    nest: Nest | None
    doubts: list[str]
    obstacles: list[str]


class _Rounds(NamedTuple):
    """The numbers that the counter goes through: its name, the first one and the one behind the last."""

    counter: str
    start: ast.expr | None
    stop: ast.expr
    node: ast.AST


class MovingWindows:
    """The moving windows of one file."""

    def __init__(self, elementwise: Elementwise) -> None:
        self.elementwise = elementwise
        self.model: FileModel = elementwise.model
        self.linear = Linear(self.model)

    def stored(self, loop: ast.For) -> Windows | None:
        """``for i in range(n): out[i] = a[i:i + k].mean()``."""
        if len(loop.body) != 1 or not isinstance(loop.body[0], ast.Assign) or len(loop.body[0].targets) != 1:
            return None
        place, value = loop.body[0].targets[0], loop.body[0].value
        if not isinstance(place, ast.Subscript) or not isinstance(place.value, (ast.Name, ast.Attribute)):
            return None
        return self._attempt(loop, value, place)

    def appended(self, loop: ast.For) -> Windows | None:
        """``for i in range(n): out.append(a[i:i + k].mean())``; whether ``out`` is a list is not looked at."""
        if len(loop.body) != 1 or not isinstance(loop.body[0], ast.Expr):
            return None
        call = loop.body[0].value
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr != "append":
            return None
        if len(call.args) != 1 or call.keywords:
            return None
        return self._attempt(loop, call.args[0], None)

    def collected(self, node: ast.ListComp) -> Windows | None:
        """``[a[i:i + k].mean() for i in range(n)]``."""
        if len(node.generators) != 1 or node.generators[0].ifs or node.generators[0].is_async:
            return None
        return self._attempt(node, node.elt, None)

    def around(self, call: ast.Call) -> Windows | None:
        """The windows of which a call reduces one: other rules have nothing to say about that call."""
        for ancestor in self.model.tree.ancestors(call):
            if isinstance(ancestor, ast.ListComp):
                found = self.collected(ancestor)
            elif isinstance(ancestor, ast.For):
                found = self.stored(ancestor) or self.appended(ancestor)
            else:
                continue
            return found if found is not None and found.reduction.node is call else None
        return None

    def _attempt(self, node: ast.For | ast.ListComp, value: ast.expr, place: ast.Subscript | None) -> Windows | None:
        try:
            found = self._windows(node, value, place)
        except NotElementwise:
            return None
        for doubt in found.doubts if found is not None else ():
            note(UNSAFE, doubt)
        return found

    def _windows(self, node: ast.For | ast.ListComp, value: ast.expr, place: ast.Subscript | None) -> Windows | None:
        reduction = self._reduction(value)
        if reduction is None:
            return None
        rounds = self._rounds(node)
        array = reduction.window.value
        kind = self.model.kinds.of(array)
        if rounds is None or not kind.is_a(NDARRAY) or kind.dtype == "object" or not self.elementwise.interpreted(node):
            return None
        plain(self.elementwise, array)
        doubts: list[str] = []
        obstacles: list[str] = []
        dimensions = self.model.lengths.dimensions(array)
        if dimensions is None:
            doubts.append("the number of dimensions is not proven")
        elif dimensions != 1:
            raise NotElementwise("a window is a part of a matrix")
        assert isinstance(reduction.window.slice, ast.Slice)
        lower, upper = (self.linear.of(bound) for bound in (reduction.window.slice.lower, reduction.window.slice.upper))
        counter, texts = self._parts(rounds, [reduction.window, *([place] if place is not None else [])])
        start = Sum() if rounds.start is None else self.linear.of(rounds.start)
        stop, length = self.linear.of(rounds.stop), self.linear.axis(array)
        if lower is None or upper is None or counter is None or start is None or stop is None or length is None:
            raise NotElementwise("the bounds of a window are not known")
        width, offset = upper.plus(lower, -1), lower.plus(counter, -1)
        if any(base in dict(counter.terms) for base, _ in (*width.terms, *offset.terms)):
            raise NotElementwise("the windows are not of one width")
        first = start.plus(offset).number
        behind = stop.plus(Sum(constant=-1)).plus(offset).plus(width).less(length)
        if first is None or behind is None:
            raise NotElementwise("where the first and the last window lie is not known")
        if first < 0 or behind > 0:
            raise NotElementwise("a window reaches beyond the array, where it is cut short")
        rows = f"[{first or ''}:{behind or ''}]" if first or behind else ""
        if width.number is not None and width.number < 1:
            raise NotElementwise("the windows are empty")
        fits = length.plus(width, -1).number
        if fits is None or fits < 0:
            doubts.append("an array shorter than a window has no windows, and no view")
        text = _text(width, texts)
        if text is None:
            obstacles.append("the width is not known")
        slot: str | None = None
        dtype = self._dtype(reduction, value, rounds, doubts, obstacles)
        if place is not None:
            slot = self._place(place, array, start, stop, counter, texts, doubts)
            if not dtypes.stores_alike(dtype, self.model.kinds.of(place.value).dtype):
                doubts.append("the dtypes are not proven")
        nest = None
        if isinstance(node, ast.For):
            nest = Nest(node, (Axis(rounds.counter, 0, None, rounds.stop, ()),), node.body)
        return Windows(
            reduction, array, text or "", width.number, rows, slot, value, nest, list(dict.fromkeys(doubts)), obstacles
        )

    def _rounds(self, node: ast.For | ast.ListComp) -> _Rounds | None:
        clause = node if isinstance(node, ast.For) else node.generators[0]
        if isinstance(node, ast.For) and (node.orelse or node.type_comment):
            return None
        iterated = clause.iter
        if not isinstance(clause.target, ast.Name) or not isinstance(iterated, ast.Call) or iterated.keywords:
            return None
        if self.model.names.dotted(iterated.func) != "range" or not 1 <= len(iterated.args) <= 2:
            return None
        if any(isinstance(argument, ast.Starred) for argument in iterated.args):
            return None
        start = iterated.args[0] if len(iterated.args) == 2 else None
        return _Rounds(clause.target.id, start, iterated.args[-1], node)

    def _reduction(self, value: ast.expr) -> Reduction | None:
        """The reduction of a slice in an expression, if there is exactly one slice."""
        slices = [part for part in walk(value) if isinstance(part, ast.Slice)]
        if len(slices) != 1 or slices[0].step is not None or slices[0].lower is None or slices[0].upper is None:
            return None
        window = self.model.tree.parent(slices[0])
        call = self.model.tree.parent(window) if isinstance(window, ast.Subscript) else None
        if not isinstance(window, ast.Subscript) or not isinstance(window.value, (ast.Name, ast.Attribute)):
            return None
        if isinstance(call, ast.Attribute):  # a[i:j].mean()
            outer = self.model.tree.parent(call)
            if not isinstance(outer, ast.Call) or outer.func is not call or outer.args or call.attr not in _METHODS:
                return None
            options = self._options(outer)
            return None if options is None else Reduction(outer, call.attr, True, False, window, options)
        if not isinstance(call, ast.Call) or call.args != [window]:
            return None
        dotted = self.model.names.dotted(call.func) or ""
        name = dotted.removeprefix("numpy.")
        options = self._options(call)
        if options is None or name not in (_METHODS | _FUNCTIONS if dotted != name else _BUILTIN):
            return None
        name = {"amax": "max", "amin": "min"}.get(name, name)
        if dotted in _BUILTIN and options:
            return None
        return Reduction(call, name, name in _METHODS, dotted in _BUILTIN, window, options)

    def _options(self, call: ast.Call) -> str | None:
        """The keywords of a reduction; None if there are others than the degrees of freedom."""
        texts: list[str] = []
        for keyword in call.keywords:
            if keyword.arg == "axis" and isinstance(keyword.value, ast.Constant) and keyword.value.value == 0:
                continue
            if keyword.arg != "ddof" or not isinstance(keyword.value, ast.Constant):
                return None
            texts.append(f", ddof={keyword.value.value!r}")
        return "".join(texts)

    def _parts(self, rounds: _Rounds, nodes: list[ast.Subscript]) -> tuple[Sum | None, dict[object, str]]:
        """The counter as a sum, and how the other parts of sums are written."""
        counter: Sum | None = None
        texts: dict[object, str] = {}
        given = [rounds.stop, *([rounds.start] if rounds.start is not None else [])]
        for node in [*given, *(node.slice for node in nodes)]:
            for part in walk(node):
                if not isinstance(part, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)):
                    continue
                found = self.linear.of(part)
                if found is None or found.constant or len(found.terms) != 1:
                    continue
                ((base, count),) = found.terms
                if isinstance(part, ast.Name) and part.id == rounds.counter and node not in given:
                    counter = found
                elif count == 1:
                    texts.setdefault(base, self.model.source.segment(part))
        return counter, texts

    def _dtype(
        self, reduction: Reduction, value: ast.expr, rounds: _Rounds, doubts: list[str], obstacles: list[str]
    ) -> str | None:
        """The dtype of what each round computes."""
        dtype = _reduced(reduction.name, self.model.kinds.of(reduction.window.value).dtype)
        if reduction.builtin:
            own = self.model.kinds.of(reduction.window.value).dtype
            if reduction.name == "sum" and own not in (*dtypes.FLOATS, "int64", None):
                obstacles.append("Python's sum is of another kind than NumPy's")
            elif own != "int64":
                doubts.append(ORDER if reduction.name == "sum" else f"`{reduction.name}` treats NaN in another way")
        if reduction.name.startswith("nan"):
            doubts.append("what is left out may change the order of the sums")
        node: ast.expr = reduction.node
        while node is not value:
            outer = self.model.tree.parent(node)
            if isinstance(outer, ast.UnaryOp) and isinstance(outer.op, ast.USub):
                dtype = None if dtype == "bool" else dtype
            elif isinstance(outer, ast.BinOp) and not isinstance(outer.op, (ast.MatMult, ast.Pow)):
                other = outer.right if outer.left is node else outer.left
                if any(isinstance(part, ast.Name) and part.id == rounds.counter for part in walk(other)):
                    raise NotElementwise("the counter is used outside the window")
                if not self.model.lengths.is_scalar(other) and not self._counts(other, reduction.window):
                    raise NotElementwise(f"`{ast.unparse(other)}` is not proven to be a number")
                number = self.elementwise.scalars.dtype(other)
                if number is None and self._counts(other, reduction.window):
                    number = "~int"
                sides = (dtype, number) if outer.left is node else (number, dtype)
                dtype = dtypes.combined(*sides, outer.op)
                if not (self.elementwise.scalars_as_arrays or set(sides) <= dtypes.ALIKE_IN_ALL_VERSIONS):
                    dtype = None
                if isinstance(outer.op, (ast.Div, ast.FloorDiv, ast.Mod)) and dtype is None:
                    doubts.append("the dtypes are not proven")
            else:
                raise NotElementwise("what is made of a window is no arithmetic")
            node = outer
        if dtype is None:
            doubts.append("the dtypes are not proven")
        return dtype

    def _counts(self, node: ast.expr, window: ast.Subscript) -> bool:
        """Whether an expression is a number because it is a bound of the window as well."""
        key = self.model.lengths.identity(node)
        return key is not None and any(
            isinstance(part, (ast.Name, ast.Attribute)) and self.model.lengths.identity(part) == key
            for part in walk(window.slice)
        )

    def _place(
        self,
        place: ast.Subscript,
        array: ast.expr,
        start: Sum,
        stop: Sum,
        counter: Sum,
        texts: dict[object, str],
        doubts: list[str],
    ) -> str:
        """The slice that all rounds store to."""
        target = place.value
        kind = self.model.kinds.of(target)
        if not kind.is_a(NDARRAY) or kind.dtype == "object":
            raise NotElementwise("what it stores to is not proven to be an array")
        index = self.linear.of(place.slice)
        offset = None if index is None else index.plus(counter, -1)
        if offset is None or any(base in dict(counter.terms) for base, _ in offset.terms):
            raise NotElementwise("a round does not store to an element of its own")
        dimensions = self.model.lengths.dimensions(target)
        if dimensions is None:
            doubts.append("the number of dimensions is not proven")
        elif dimensions != 1:
            raise NotElementwise("a round stores to a row")
        doubts += apart(self.elementwise, array, target)
        begin, end = start.plus(offset), stop.plus(offset)
        if begin.number is not None and begin.number < 0:
            raise NotElementwise("an index below zero wraps around")
        if begin.number is None:
            doubts.append("an index may be below zero")
        first = "" if begin.number == 0 else _text(begin, texts)
        length = self.linear.axis(target)
        behind = None if length is None else end.less(length)
        if behind is not None and behind > 0:
            raise NotElementwise("the loop runs beyond the end of an array")
        last = _text(end, texts) if behind is None else str(behind or "")
        if first is None or last is None:
            raise NotElementwise("the places stored to are not known")
        if behind is None and (end.number is None or end.number < 0):
            doubts.append("the number of rounds is not proven to be positive")
        return f"[{first}:{last}]"


def _reduced(name: str, dtype: str | None) -> str | None:
    """The dtype of the reduction of an array."""
    if dtype is None:
        return None
    if name in _AVERAGES:
        return dtype if dtype in dtypes.FLOATS else "float64" if dtype in (*dtypes.INTEGERS, "bool") else None
    if name in _EXTREMES:
        return dtype
    if name in ("any", "all"):
        return "bool"
    if dtype in dtypes.FLOATS:
        return dtype
    return "int64" if dtype in ("int64", "int32", "int16", "int8", "bool") else None


def _text(number: Sum, texts: dict[object, str]) -> str | None:
    """How a sum is written; None where a part of it has no name."""
    added: list[str] = []
    for base, count in sorted(number.terms, key=lambda term: (term[1] < 0, str(texts.get(term[0])))):
        text = texts.get(base)
        if text is None:
            return None
        text = text if abs(count) == 1 else f"{abs(count)} * {text}"
        added.append(f"{'-' if count < 0 else '+'} {text}")
    if number.constant or not added:
        added.append(f"{'-' if number.constant < 0 else '+'} {abs(number.constant)}")
    joined = " ".join(added)
    return joined.removeprefix("+ ") if joined.startswith("+") else joined.replace("- ", "-", 1)
