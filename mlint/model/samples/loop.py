"""Loops that take samples one at a time: what their rounds take, and from what."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from mlint.model.kinds import DATAFRAME, NDARRAY, SERIES
from mlint.model.tree import COMPREHENSIONS, FUNCTIONS, walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel

Owner: TypeAlias = "ast.For | ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp | ast.Lambda"

_THROUGH = frozenset("tqdm.tqdm tqdm.auto.tqdm tqdm.notebook.tqdm tqdm.std.tqdm list tuple iter".split())
_FEW = 8
_CHANGING = frozenset(
    "append extend insert pop remove clear sort reverse update add setdefault fill resize put push appendleft popleft "
    "itemset partition setflags drop".split()
)


class SampleLoop:
    """A loop that takes samples one at a time.

    Attributes:
        model: the file.
        node: the `for` statement, the comprehension, or the lambda that is called for each sample.
        index: the counter, if there is one.
        first: the counter's first value.
        count: the expression of the counter's end, for `range`.
        counted: what `enumerate` counts.
        elements: variable → what its samples are taken from.
        rows: the variables that are rows of a frame.
        label: the variable that is the label of a row of a frame, with `iterrows`.
        names: every name that the rounds bind.
    """

    def __init__(self, model: FileModel, node: Owner) -> None:
        self.model = model
        self.node = node
        self.index: str | None = None
        self.first = 0
        self.count: ast.expr | None = None
        self.counted: ast.expr | None = None
        self.elements: dict[str, ast.expr] = {}
        self.rows: set[str] = set()
        self.label: str | None = None
        self.names: set[str] = set()

    # Names

    def varies(self, node: ast.AST) -> bool:
        """Whether an expression mentions what the rounds bind."""
        return any(isinstance(inner, ast.Name) and inner.id in self.names for inner in walk(node))

    def changes(self, node: ast.expr) -> bool:
        """Whether a round may change an object: it stores into it, or calls a method that changes it."""
        root = _root(node)
        if root is None or isinstance(self.node, ast.Lambda):
            return False
        for inner in walk(self.node):
            if isinstance(inner, (ast.Subscript, ast.Attribute)) and not isinstance(inner.ctx, ast.Load):
                if _root(inner) == root and not self._is_new_column(inner):
                    return True
            elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
                word = inner.func.attr
                if (word in _CHANGING or (word.endswith("_") and not word.endswith("__"))) and (
                    _root(inner.func.value) == root
                ):
                    return True
        return False

    def _is_new_column(self, node: ast.AST) -> bool:
        """Whether a round stores into a column of the frame that no round reads: ``df.loc[label, "p"]``."""
        if self.label is None or not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Tuple):
            return False
        column = node.slice.elts[-1]
        if not isinstance(column, ast.Constant) or not isinstance(node.value, ast.Attribute):
            return False
        same = [i for i in walk(self.node) if isinstance(i, ast.Constant) and i.value == column.value]
        return node.value.attr in ("loc", "at") and same == [column]

    def few(self, data: ast.expr) -> bool:
        """Whether the loop makes so few rounds that a batch gains nothing: a written list, a literal range, `head`."""
        if self.count is not None:
            stop = self.model.lengths.of(self.count)
            if stop is not None and stop.base is None and stop.offset - self.first <= _FEW:
                return True
        return _is_few(self.model, data)

    def leaves(self) -> bool:
        """Whether a round may end the loop, hands its result out at once, or stops for the world outside."""
        if isinstance(self.node, (ast.Lambda, ast.GeneratorExp)):
            return isinstance(self.node, ast.GeneratorExp)
        for inner in walk(self.node):
            if isinstance(inner, (ast.Break, ast.Return, ast.Yield, ast.YieldFrom, ast.Await)):
                return True
            if isinstance(inner, ast.Call):
                dotted = self.model.names.dotted(inner.func) or ""
                if dotted == "input" or dotted.partition(".")[0] in ("time", "timeit", "socket", "requests", "queue"):
                    return True
        return False

    def assigned(self, name: ast.Name) -> ast.expr | None:
        """What a name was assigned in the same round."""
        if not isinstance(self.node, ast.For):
            return None
        bindings = self.model.reaching.of(name) or ()
        if len(bindings) != 1 or bindings[0].how != "assign" or bindings[0].path:
            return None
        inside = any(ancestor is self.node for ancestor in self.model.tree.ancestors(bindings[0].node))
        return bindings[0].value if inside else None

    def is_own(self, name: ast.Name) -> bool:
        """Whether a name is still the variable of the loop."""
        bindings = self.model.reaching.of(name) or ()
        return all(binding.how in ("for", "parameter") for binding in bindings)

    def text(self, data: ast.expr) -> str | None:
        """All samples: the data, or as much of it as the counter goes through."""
        text = self.model.source.segment(data)
        if "\n" in text or any(isinstance(inner, (ast.Call, ast.NamedExpr)) for inner in walk(data)):
            return None
        if not isinstance(data, (ast.Name, ast.Attribute, ast.Subscript)):
            text = f"({text})"
        behind = f"{text}.iloc" if self.model.kinds.is_a(data, DATAFRAME, SERIES) else text
        if self.count is None:
            if self.counted is None or any(data is taken for taken in self.elements.values()):
                return text
            key = self.model.lengths.identity(self.counted)
            if key is not None and key == self.model.lengths.identity(data):
                return text
            return f"{behind}[:len({self.model.source.segment(self.counted)})]"
        stop = self.model.lengths.of(self.count)
        if self.first == 0 and self._is_length(self.count, data):
            return text
        if self.first == 0 and stop is not None and stop == self.model.lengths.axis(data, 0):
            return text
        start = str(self.first) if self.first else ""
        return f"{behind}[{start}:{self.model.source.segment(self.count)}]"

    def _is_length(self, node: ast.expr, data: ast.expr) -> bool:
        """Whether an expression is the length of the data: ``x.size(0)``, ``len(x)``, ``x.shape[0]``."""
        measured: ast.expr | None = None
        if isinstance(node, ast.Call) and not node.keywords and len(node.args) == 1:
            if self.model.names.dotted(node.func) == "len":
                measured = node.args[0]
            elif isinstance(node.func, ast.Attribute) and node.func.attr == "size":
                measured = node.func.value if _is_zero(node.args[0]) else None
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and _is_zero(node.slice):
            measured = node.value.value if node.value.attr == "shape" else None
        elif isinstance(node, ast.Name):
            bindings = self.model.reaching.of(node) or ()
            if len(bindings) != 1 or bindings[0].how != "assign" or bindings[0].value is None:
                return False
            value = bindings[0].value
            if bindings[0].path == (0,):  # b, c = x.shape
                shaped = isinstance(value, ast.Attribute) and value.attr == "shape"
                called = isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and not value.args
                if isinstance(value, ast.Attribute) and shaped:
                    measured = value.value
                elif isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and called:
                    measured = value.func.value if value.func.attr == "size" else None
            elif not bindings[0].path:
                return self._is_length(value, data)
        if not isinstance(measured, (ast.Name, ast.Attribute)):
            return False
        key = self.model.lengths.identity(measured)
        return key is not None and key == self.model.lengths.identity(data)


def _is_few(model: FileModel, data: ast.expr) -> bool:
    if isinstance(data, (ast.List, ast.Tuple, ast.Set)):
        return len(data.elts) <= _FEW
    if isinstance(data, ast.Name):
        bindings = model.reaching.of(data) or []
        value = bindings[0].value if len(bindings) == 1 and not bindings[0].path else None
        if value is not None and bindings[0].how == "assign" and not isinstance(value, ast.Name):
            return _is_few(model, value)
    if isinstance(data, ast.Subscript):
        piece = data.slice.elts[0] if isinstance(data.slice, ast.Tuple) else data.slice
        upper = piece.upper if isinstance(piece, ast.Slice) else None
        return isinstance(upper, ast.Constant) and type(upper.value) is int and 0 < upper.value <= _FEW
    if isinstance(data, ast.Call):
        if isinstance(data.func, ast.Attribute) and data.func.attr in ("head", "tail", "sample", "nlargest"):
            return True
        if data.args and isinstance(data.args[0], (ast.List, ast.Tuple, ast.Subscript)):
            if (model.names.dotted(data.func) or "").startswith(("numpy.a", "torch.", "pandas.", "jax.")):
                return _is_few(model, data.args[0])
    length = model.lengths.axis(data, 0) if model.kinds.is_a(data, NDARRAY) else None
    return length is not None and length.base is None and length.offset <= _FEW


def around(model: FileModel, node: ast.AST) -> Iterator[SampleLoop]:
    """The loops over samples in whose rounds a node stands, innermost first."""
    child = node
    for ancestor in model.tree.ancestors(node):
        if isinstance(ancestor, (*FUNCTIONS, ast.ClassDef)):
            return
        if isinstance(ancestor, ast.For) and any(child is statement for statement in ancestor.body):
            yield _of_loop(model, ancestor)
        elif isinstance(ancestor, COMPREHENSIONS) and not isinstance(child, ast.comprehension):
            yield from _of_comprehension(model, ancestor)
        elif isinstance(ancestor, ast.Lambda):
            found = _of_lambda(model, ancestor)
            if found is not None:
                yield found
            return
        child = ancestor


def _of_loop(model: FileModel, loop: ast.For) -> SampleLoop:
    found = SampleLoop(model, loop)
    for inner in walk(loop):
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
            found.names.add(inner.id)
    _take(found, loop.target, loop.iter)
    return found


def _of_comprehension(model: FileModel, node: ast.AST) -> Iterator[SampleLoop]:
    assert isinstance(node, COMPREHENSIONS)
    for generator in reversed(node.generators):
        found = SampleLoop(model, node)
        for inner in walk(node):
            if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
                found.names.add(inner.id)
        if not generator.is_async:
            _take(found, generator.target, generator.iter)
        yield found


def _of_lambda(model: FileModel, node: ast.Lambda) -> SampleLoop | None:
    """A lambda that is called for each sample: ``df.apply(lambda row: …, axis=1)``, ``map(lambda x: …, X)``."""
    call = model.tree.parent(node)
    if not isinstance(call, ast.Call) or not call.args or call.args[0] is not node or len(node.args.args) != 1:
        return None
    found = SampleLoop(model, node)
    name = node.args.args[0].arg
    found.names.add(name)
    if isinstance(call.func, ast.Attribute) and call.func.attr in ("apply", "map"):
        data = call.func.value
        by_rows = [k.arg for k in call.keywords] == ["axis"] and len(call.args) == 1
        if by_rows and call.func.attr == "apply" and model.kinds.is_a(data, DATAFRAME):
            axis = call.keywords[0].value
            if isinstance(axis, ast.Constant) and axis.value in (1, "columns") and axis.value is not True:
                found.elements[name] = data
                found.rows.add(name)
                return found
        if model.kinds.is_a(data, SERIES) and not call.keywords and len(call.args) == 1:
            found.elements[name] = data
            return found
    elif model.names.dotted(call.func) == "map" and len(call.args) == 2:
        found.elements[name] = call.args[1]
        return found
    return None


def _take(found: SampleLoop, target: ast.expr, iterated: ast.expr) -> None:
    """Note what the variables of a `for` clause are."""
    model = found.model
    if isinstance(iterated, ast.Call):
        dotted = model.names.dotted(iterated.func)
        arguments = iterated.args
        if any(isinstance(argument, ast.Starred) for argument in arguments):
            return
        pair = target.elts if isinstance(target, ast.Tuple) else []
        if dotted == "enumerate" and len(arguments) == 1 and len(pair) == 2:
            if isinstance(pair[0], ast.Name):
                found.index = pair[0].id
            _take(found, pair[1], arguments[0])
            found.counted = model.flow.unwrapped(arguments[0])
        elif dotted == "zip" and len(arguments) == len(pair):
            for element, data in zip(pair, arguments):
                _take(found, element, data)
        elif dotted in ("range", "tqdm.trange") and 1 <= len(arguments) <= 2 and isinstance(target, ast.Name):
            if len(arguments) == 2:
                start = arguments[0].value if isinstance(arguments[0], ast.Constant) else None
                if not isinstance(start, int) or start < 0:
                    return
                found.first = start
            found.index, found.count = target.id, arguments[-1]
        elif dotted in _THROUGH and arguments:
            _take(found, target, arguments[0])
        elif isinstance(iterated.func, ast.Attribute) and iterated.func.attr in ("iterrows", "itertuples"):
            if model.kinds.is_a(iterated.func.value, DATAFRAME):
                _take_rows(found, target, iterated.func)
        elif isinstance(target, ast.Name):
            found.elements[target.id] = iterated
    elif isinstance(target, ast.Name):
        found.elements[target.id] = iterated


def _take_rows(found: SampleLoop, target: ast.expr, method: ast.Attribute) -> None:
    if method.attr == "iterrows" and isinstance(target, ast.Tuple) and len(target.elts) == 2:
        label, target = target.elts
        found.label = label.id if isinstance(label, ast.Name) else None
    if isinstance(target, ast.Name):
        found.elements[target.id] = method.value
        found.rows.add(target.id)


def _is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 0 and type(node.value) is int


def _root(node: ast.AST) -> str | None:
    """The name at the beginning of an expression: ``df`` of ``df.loc[i]``; with ``self`` the attribute as well."""
    parts: list[str] = []
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return f"self.{parts[-1]}" if node.id == "self" and parts else node.id
