"""Loops that go over the elements of arrays: which variable counts, from where to where, and which are elements."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.kinds import NDARRAY
from mlint.model.loop_actions import LONGEST, innermost
from mlint.model.loops.lengths import Length

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.model.loops.temporaries import Temporary

_SHORT = 8
"""Loops with a literal number of rounds up to this are left alone: an array expression costs as much."""


class Axis:
    """One loop over the elements of arrays.

    Attributes:
        index: the name of the counter, if there is one.
        start: the counter's first value.
        stop: what is known of its end.
        count: the expression of the end; None where the loop goes over the arrays themselves.
        elements: variable → the array whose elements it takes.
        uneven: whether the arrays may have different lengths (`zip` stops at the shortest).
        temporaries: variables that each round computes anew before it is done with them.
    """

    def __init__(
        self,
        index: str | None,
        start: int,
        stop: Length | None,
        count: ast.expr | None,
        elements: tuple[tuple[str, ast.expr], ...],
        uneven: bool = False,
    ) -> None:
        self.index = index
        self.start = start
        self.stop = stop
        self.count = count
        self.elements = elements
        self.uneven = uneven
        self.temporaries: tuple[Temporary, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The variables of the loop."""
        own = [*(name for name, _ in self.elements), *(temporary.name for temporary in self.temporaries)]
        return frozenset(own if self.index is None else [self.index, *own])

    def computing(self, temporaries: tuple[Temporary, ...]) -> Axis:
        """The same loop with variables that each of its rounds computes."""
        axis = Axis(self.index, self.start, self.stop, self.count, self.elements, self.uneven)
        axis.temporaries = temporaries
        return axis

    @property
    def short(self) -> bool:
        """Whether it makes so few rounds that it is not worth a word."""
        return self.stop is not None and self.stop.base is None and self.stop.offset - self.start <= _SHORT


class Nest(NamedTuple):
    """Loops of which each is the whole body of the one around it.

    Attributes:
        loop: the outermost.
        axes: outermost first.
        body: the statements of the innermost.
    """

    loop: ast.For
    axes: tuple[Axis, ...]
    body: list[ast.stmt]

    @property
    def names(self) -> frozenset[str]:
        """The variables of all its loops."""
        return frozenset[str]().union(*(axis.names for axis in self.axes))


_PLAIN = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.If, ast.Expr, ast.For)


def _is_plain(loop: ast.For) -> bool:
    """Whether the innermost body is short and made of simple statements: a look that costs nothing, at every loop."""
    body = innermost(loop)
    return len(body) <= LONGEST and all(isinstance(statement, _PLAIN) for statement in body)


class Counted:
    """The counted loops of one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self._nests: dict[ast.For, Nest | None] = {}

    def nest(self, loop: ast.For) -> Nest | None:
        """The nest that begins with a loop; None if it goes over something else, or is not plain code."""
        if loop not in self._nests:
            self._nests[loop] = self._nest(loop)
        return self._nests[loop]

    def _nest(self, loop: ast.For) -> Nest | None:
        if not _is_plain(loop):
            return None
        axes: list[Axis] = []
        current = loop
        while True:
            if current.orelse or current.type_comment:
                return None
            axis = self.axis(current.target, current.iter)
            if axis is None:
                break
            for other in axes:  # a triangle, or arrays that are the rows of the outer loop's
                if axis.names & other.names or _mentions(current.iter, other.names):
                    return Nest(loop, tuple(axes), [current])
            axes.append(axis)
            body = current.body
            if len(body) != 1 or not isinstance(body[0], ast.For):
                return Nest(loop, tuple(axes), body)
            current = body[0]
        return Nest(loop, tuple(axes), [current]) if axes else None

    def outer(self, loop: ast.For) -> ast.For | None:
        """The loop of which a loop is the whole body."""
        parent = self.model.tree.parent(loop)
        return parent if isinstance(parent, ast.For) and parent.body == [loop] and not parent.orelse else None

    def axis(self, target: ast.expr, iterated: ast.expr) -> Axis | None:
        """What a `for` clause goes over; None if these are not the elements of arrays or the numbers of a range."""
        if isinstance(iterated, ast.Call):
            dotted = self.model.names.dotted(iterated.func)
            if dotted in ("range", "enumerate", "zip"):
                if iterated.keywords or any(isinstance(argument, ast.Starred) for argument in iterated.args):
                    return None
                if dotted == "range":
                    return self._range(target, iterated)
                if dotted == "zip":
                    return self._zip(target, iterated, None)
                return self._enumerate(target, iterated)
        return self._elements(target, iterated, None)

    def _range(self, target: ast.expr, call: ast.Call) -> Axis | None:
        if not isinstance(target, ast.Name) or not 1 <= len(call.args) <= 2:
            return None
        start = 0
        if len(call.args) == 2:
            first = call.args[0]
            if not isinstance(first, ast.Constant) or type(first.value) is not int or first.value < 0:
                return None
            start = first.value
        stop = call.args[-1]
        return Axis(target.id, start, self.model.lengths.of(stop), stop, ())

    def _enumerate(self, target: ast.expr, call: ast.Call) -> Axis | None:
        if not isinstance(target, ast.Tuple) or len(target.elts) != 2 or len(call.args) != 1:
            return None
        index, inner = target.elts
        iterated = call.args[0]
        if not isinstance(index, ast.Name):
            return None
        if isinstance(iterated, ast.Call) and self.model.names.dotted(iterated.func) == "zip":
            if iterated.keywords or any(isinstance(argument, ast.Starred) for argument in iterated.args):
                return None
            return self._zip(inner, iterated, index.id)
        return self._elements(inner, iterated, index.id)

    def _elements(self, target: ast.expr, iterated: ast.expr, index: str | None) -> Axis | None:
        kinds = self.model.kinds
        if not isinstance(target, ast.Name) or kinds.written_out(iterated) or not kinds.is_a(iterated, NDARRAY):
            return None
        return Axis(index, 0, self.model.lengths.axis(iterated, 0), None, ((target.id, iterated),))

    def _zip(self, target: ast.expr, call: ast.Call, index: str | None) -> Axis | None:
        if not isinstance(target, (ast.Tuple, ast.List)) or len(target.elts) != len(call.args) or not call.args:
            return None
        elements: list[tuple[str, ast.expr]] = []
        lengths: set[Length | None] = set()
        for element, array in zip(target.elts, call.args):
            if not isinstance(element, ast.Name) or not self.model.kinds.is_a(array, NDARRAY):
                return None
            elements.append((element.id, array))
            lengths.add(self.model.lengths.axis(array, 0))
        if len({name for name, _ in elements}) != len(elements):
            return None
        uneven = len(lengths) != 1 or None in lengths
        return Axis(index, 0, None if uneven else lengths.pop(), None, tuple(elements), uneven)


def _mentions(node: ast.AST, names: frozenset[str]) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id in names for inner in ast.walk(node))
