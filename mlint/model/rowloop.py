"""Loops over the rows of a frame: what a round reads, computes and stores, said of whole columns where it can be."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlint.model.columns import Column, Columns, NotColumnar, column_name, reader
from mlint.model.kinds import DATAFRAME
from mlint.model.tree import FUNCTIONS, walk, walk_statements

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_LOOKUPS = frozenset({"loc", "at", "iloc", "iat"})
_PURE = frozenset(
    "int float str bool len abs min max round sum sorted isinstance range tuple list dict set zip enumerate any all "
    "type repr ord chr divmod pow".split()
)
_PURE_ROOTS = ("numpy.", "math.", "datetime.", "re.", "statistics.", "itertools.", "collections.")
_PURE_METHODS = frozenset(
    "append extend add lower upper strip lstrip rstrip split replace startswith endswith join format title zfill "
    "capitalize get items keys values isna isnull notna notnull date strftime total_seconds any all sum mean max min "
    "std tolist astype copy isin item count index find".split()
)
_FEW = frozenset("head tail sample nlargest nsmallest describe".split())


_LEAVING = (
    *(ast.Break, ast.Return, ast.Raise, ast.Yield, ast.YieldFrom, ast.Await, ast.With, ast.Try, ast.Delete, ast.Assert),
)


@dataclass(frozen=True, slots=True)
class RowLoop:
    """A loop, or a comprehension, that takes the rows of a frame one by one.

    Attributes:
        node: the `for` statement or the comprehension.
        frame: the frame.
        how: ``iterrows``, ``itertuples`` or ``range``.
        label: the variable that is the row's label or number, if it has a name.
        row: the variable that is the row.
        wrapped: whether `tqdm`, `enumerate` or the like stands around it.
    """

    node: ast.For | ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp
    frame: ast.expr
    how: str
    label: str | None
    row: str | None
    wrapped: bool


def find_row_loop(call: ast.Call, model: FileModel) -> RowLoop | None:
    """The loop that a call of `iterrows`, `itertuples` or `range` makes."""
    how, frame = _source(call, model)
    if frame is None:
        return None
    node, iterable = _loop(call, model)
    if node is None or iterable is None:
        return None
    target = node.target if isinstance(node, ast.For) else node.generators[0].target
    if isinstance(node, ast.For) and node.orelse:
        return None
    wrapped = iterable is not call
    if how == "iterrows":
        if (
            wrapped
            and isinstance(target, ast.Tuple)
            and len(target.elts) == 2
            and isinstance(target.elts[1], ast.Tuple)
        ):
            target = target.elts[1]  # enumerate(df.iterrows())
        if not isinstance(target, ast.Tuple) or len(target.elts) != 2:
            return None
        names = [element.id if isinstance(element, ast.Name) else None for element in target.elts]
        return None if names[1] is None else RowLoop(node, frame, how, names[0], names[1], wrapped)
    if not isinstance(target, ast.Name):
        return None
    if how == "itertuples":
        return RowLoop(node, frame, how, None, target.id, wrapped)
    return RowLoop(node, frame, how, target.id, None, wrapped)


def _source(call: ast.Call, model: FileModel) -> tuple[str, ast.expr | None]:
    func = call.func
    if isinstance(func, ast.Attribute):
        kind = model.kinds.of(func.value)
        if kind.known and not kind.is_a(DATAFRAME, "cudf.DataFrame"):
            return "", None
        return (func.attr, func.value) if func.attr in ("iterrows", "itertuples") else ("", None)
    counted = call.args[1:] if len(call.args) == 2 and _is_zero(call.args[0]) else call.args
    if len(counted) != 1 or call.keywords:
        return "", None
    size = counted[0]
    if isinstance(size, ast.Call) and model.names.dotted(size.func) == "len" and len(size.args) == 1:
        frame: ast.expr | None = size.args[0]
        if isinstance(frame, ast.Attribute) and frame.attr == "index":
            frame = frame.value
    elif isinstance(size, ast.Subscript) and isinstance(size.value, ast.Attribute) and size.value.attr == "shape":
        first = isinstance(size.slice, ast.Constant) and size.slice.value == 0
        frame = size.value.value if first else None
    else:
        return "", None
    return ("range", frame) if frame is not None and model.kinds.is_a(frame, DATAFRAME) else ("", None)


def _loop(call: ast.Call, model: FileModel) -> tuple[ast.For | ast.ListComp | None, ast.expr | None]:
    child: ast.AST = call
    for ancestor in model.tree.ancestors(call):
        if isinstance(ancestor, ast.For):
            if child is ancestor.iter and model.flow.unwrapped(ancestor.iter) is call:
                return ancestor, ancestor.iter
            return None, None
        if isinstance(ancestor, ast.comprehension):
            owner = model.tree.parent(ancestor)
            if isinstance(owner, (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)):
                if len(owner.generators) == 1 and model.flow.unwrapped(ancestor.iter) is call:
                    return owner, ancestor.iter  # type: ignore[return-value]
            return None, None
        if isinstance(ancestor, ast.stmt):
            return None, None
        child = ancestor
    return None, None


class RowLoops:
    """What the rounds of loops over rows do."""

    def __init__(self, model: FileModel) -> None:
        self.model = model

    def is_short(self, loop: RowLoop) -> bool:
        """Whether the frame certainly has a handful of rows."""
        frame: ast.AST = loop.frame
        if isinstance(frame, ast.Name):
            bindings = self.model.reaching.of(frame) or []
            if len(bindings) == 1 and bindings[0].how == "assign" and bindings[0].value is not None:
                frame = bindings[0].value
        if not isinstance(frame, ast.Call):
            return False
        if isinstance(frame.func, ast.Attribute) and frame.func.attr in _FEW:
            return True
        if self.model.names.dotted(frame.func) != "pandas.DataFrame" or not frame.args:
            return False
        data = frame.args[0]
        rows = data.elts if isinstance(data, (ast.List, ast.Tuple)) else None
        if isinstance(data, ast.Dict):
            columns = [value for value in data.values if isinstance(value, (ast.List, ast.Tuple))]
            rows = columns[0].elts if columns and len(columns) == len(data.values) else None
        return rows is not None and len(rows) <= 20

    def is_plain(self, statements: list[ast.stmt] | list[ast.expr], frame: ast.expr) -> bool:
        """Whether code only computes: no input or output, no unknown call, no dictionary filled, no way out."""
        text = ast.dump(frame)
        for statement in statements:
            for node in walk(statement):
                if isinstance(node, _LEAVING):
                    return False
                if isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef, ast.Global, ast.Nonlocal, ast.While)):
                    return False
                if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
                    if not _is_cell(node) and ast.dump(_bottom(node)) != text:
                        return False
                if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
                    return False
                if isinstance(node, ast.Call) and not self._is_pure(node, 0):
                    return False
        return True

    def _is_pure(self, call: ast.Call, depth: int) -> bool:
        dotted = self.model.names.dotted(call.func)
        if dotted is not None:
            if dotted in _PURE or (dotted.startswith(_PURE_ROOTS) and not dotted.startswith("numpy.random")):
                return True
            return dotted.startswith("pandas.") and not dotted.startswith(("pandas.read_", "pandas.plotting"))
        if isinstance(call.func, ast.Attribute):
            fills = call.func.attr in ("append", "extend", "add") and isinstance(call.func.value, ast.Subscript)
            return call.func.attr in _PURE_METHODS and not fills
        function = self.model.kinds.local_function(call.func)
        if function is None or depth:
            return False
        inner = (node for node in walk_statements(function.body) if isinstance(node, ast.Call))
        return all(self._is_pure(other, depth + 1) for other in inner)

    def reads(self, loop: RowLoop) -> Callable[[ast.AST], str | None]:
        """How reads of the current row are written for the whole frame."""
        source = self.model.source
        frame = source.segment(loop.frame)
        tree = ast.dump(loop.frame)
        of_row = reader(source, loop.row, frame) if loop.row is not None else None

        def read(node: ast.AST) -> str | None:
            if of_row is not None and (text := of_row(node)) is not None:
                return text
            column = None if loop.label is None else cell(node, loop.label, tree)
            return None if column is None else f"{frame}[{source.segment(column)}]"

        return read

    def rewritten(self, loop: RowLoop) -> Rewritten | None:
        """The statements, or the expression, that do for whole columns what a loop does; None where there are none."""
        if not isinstance(loop.frame, (ast.Name, ast.Attribute)) or loop.wrapped:
            return None
        names = {node.id for node in walk(loop.node) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        columns = Columns(self.model, loop.node, self.reads(loop), frozenset(names))
        writer = _Writer(self, loop, columns)
        try:
            return writer.write()
        except NotColumnar:
            return None


@dataclass(slots=True)
class Rewritten:
    """What stands in place of a loop.

    Attributes:
        lines: the statements; for a comprehension, the one expression.
        imports: import statements that they need.
        replaced: what goes: the loop, and what is initialised directly above it.
    """

    lines: list[str]
    imports: list[str]
    replaced: list[ast.stmt]


@dataclass
class _Writer:
    loops: RowLoops
    loop: RowLoop
    columns: Columns
    stored: set[str] = field(default_factory=set)
    replaced: list[ast.stmt] = field(default_factory=list)

    def write(self) -> Rewritten:
        node = self.loop.node
        if isinstance(node, ast.ListComp):
            mask = [self.columns.condition(test) for test in node.generators[0].ifs]
            return Rewritten([self.listed(self.columns.lift(node.elt), self.all_of(mask))], self.columns.imports, [])
        if not isinstance(node, ast.For):
            raise NotColumnar("it is neither a loop nor a list")
        model = self.loops.model
        for name in {n.id for n in walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}:
            if name in (self.loop.label, self.loop.row) and model.flow.uses_after(name, node):
                raise NotColumnar(f"`{name}` is used after the loop")
        self.replaced = [node]
        lines = list(self.statements(node.body, None))
        if not lines:
            raise NotColumnar("the loop does nothing that columns could do")
        return Rewritten(lines, self.columns.imports, self.replaced)

    def statements(self, body: list[ast.stmt], mask: Column | None) -> Iterator[str]:
        for number, statement in enumerate(body):
            if isinstance(statement, ast.If) and len(statement.body) == 1 and not statement.orelse:
                if isinstance(statement.body[0], ast.Continue):
                    test = self.columns.condition(statement.test)
                    kept = Column(f"~{test.within(7)}", 7, truth=True)
                    yield from self.statements(body[number + 1 :], self.all_of([*([mask] if mask else []), kept]))
                    return
            yield from self.statement(statement, mask)

    def statement(self, statement: ast.stmt, mask: Column | None) -> Iterator[str]:
        columns = self.columns
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if isinstance(target, ast.Name):
                best = self.best(target.id, statement.value, mask)
                if best is not None:
                    yield best
                    return
                self.remember(target, statement.value, mask)
                return
            yield self.store(target, columns.lift(statement.value), mask, statement)
            return
        if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            if isinstance(statement.op, ast.Add):
                yield self.added(statement.target, statement.value, mask)
                return
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            yield self.appended(statement.value, mask)
            return
        if isinstance(statement, ast.If):
            if statement.orelse:
                if mask is not None:
                    raise NotColumnar("conditions are nested with an `else`")
                yield self.chosen(statement)
                return
            test = columns.condition(statement.test)
            combined = self.all_of([*([mask] if mask is not None else []), test])
            yield from self.statements(statement.body, combined)
            return
        raise NotColumnar(f"`{ast.unparse(statement)}` has no form for whole columns")

    def all_of(self, masks: list[Column]) -> Column | None:
        if len(masks) < 2:
            return masks[0] if masks else None
        return Column(" & ".join(mask.within(5) for mask in masks), 4, truth=True)

    def remember(self, target: ast.Name, value: ast.expr, mask: Column | None) -> None:
        """A name for a value of the row: put in where it is read."""
        node = self.loop.node
        assert isinstance(node, ast.For)
        stores = [
            n for n in walk(node) if isinstance(n, ast.Name) and n.id == target.id and not isinstance(n.ctx, ast.Load)
        ]
        if mask is not None or len(stores) != 1 or self.loops.model.flow.uses_after(target.id, node):
            raise NotColumnar(f"`{target.id}` is bound more than once, under a condition, or used after the loop")
        lifted = self.columns.lift(value)
        if any(isinstance(inner, ast.Call) for inner in walk(value)) and self.count(target.id) > 1:
            raise NotColumnar(f"`{target.id}` would be computed more than once")
        self.columns.known[target.id] = lifted

    def count(self, name: str) -> int:
        return sum(
            isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load) for n in walk(self.loop.node)
        )

    def only_here(self, name: str, uses: int) -> None:
        """Refuse an accumulator that the loop reads elsewhere."""
        if self.count(name) > uses:
            raise NotColumnar(f"`{name}` is read in the loop that changes it")

    def best(self, name: str, value: ast.expr, mask: Column | None) -> str | None:
        """``best = max(best, row["a"])``."""
        if not isinstance(value, ast.Call) or self.loops.model.names.dotted(value.func) not in ("max", "min"):
            return None
        others = [a for a in value.args if not (isinstance(a, ast.Name) and a.id == name)]
        if len(value.args) != 2 or len(others) != 1 or value.keywords or mask is not None:
            return None
        self.only_here(name, 1)
        lifted = self.columns.lift(others[0])
        if not lifted.varies or lifted.bare:
            raise NotColumnar("the value is the same for all rows")
        function = self.loops.model.source.segment(value.func)
        return f"{name} = {function}({name}, {lifted.atom}.{function}())"

    def added(self, target: ast.Name, value: ast.expr, mask: Column | None) -> str:
        """``total += row["a"]``, ``n += 1`` under a condition."""
        self.only_here(target.id, 0)
        lifted = self.columns.lift(value)
        if not lifted.varies:
            if mask is None or lifted.text != "1":
                raise NotColumnar("the same is added for all rows")
            return self.begun(target.id, "+=", f"int({mask.atom}.sum())", ("0",))
        if lifted.bare or lifted.truth:
            raise NotColumnar("truth values are added")
        return self.begun(target.id, "+=", f"{self.where(lifted, mask)}.sum(skipna=False)", ("0", "0.0", "0."))

    def where(self, lifted: Column, mask: Column | None) -> str:
        if mask is None:
            return lifted.atom
        if lifted.read:
            frame, _, column = lifted.text.partition("[")
            if frame == self.loops.model.source.segment(self.loop.frame):
                return f"{frame}.loc[{mask.text}, {column[:-1]}]"
        return f"{lifted.atom}[{mask.text}]"

    def listed(self, lifted: Column, mask: Column | None) -> str:
        if not lifted.varies or (lifted.bare and mask is not None):
            raise NotColumnar("the same value is collected for all rows")
        return f"{self.where(lifted, mask)}.tolist()"

    def appended(self, call: ast.Call, mask: Column | None) -> str:
        func = call.func
        if not (isinstance(func, ast.Attribute) and func.attr == "append" and isinstance(func.value, ast.Name)):
            raise NotColumnar(f"`{ast.unparse(call)}` has no form for whole columns")
        if len(call.args) != 1 or call.keywords or not self.loops.model.kinds.is_a(func.value, "list"):
            raise NotColumnar(f"`{ast.unparse(func.value)}` is not proven to be a list")
        self.only_here(func.value.id, 1)
        text = self.listed(self.columns.lift(call.args[0]), mask)
        begun = self.begun(func.value.id, "+=", text, ("[]", "list()"))
        return begun if begun.startswith(f"{func.value.id} = ") else f"{func.value.id}.extend({text})"

    def begun(self, name: str, operator: str, text: str, starts: tuple[str, ...]) -> str:
        """``name += text``, or ``name = text`` where the name gets its start value directly above the loop."""
        model = self.loops.model
        above = self.replaced[0]
        block = model.tree.block(above)
        place = next(number for number, other in enumerate(block) if other is above)
        first = block[place - 1] if place else None
        if isinstance(first, ast.Assign) and len(first.targets) == 1 and isinstance(first.targets[0], ast.Name):
            if first.targets[0].id == name and model.source.segment(first.value) in starts:
                self.replaced.insert(0, first)
                return f"{name} = {text}"
        return f"{name} {operator} {text}"

    def column(self, target: ast.expr) -> ast.expr:
        """The column of the frame that a cell of the current row belongs to."""
        found = None if self.loop.label is None else cell(target, self.loop.label, ast.dump(self.loop.frame))
        if found is None:
            raise NotColumnar(f"`{ast.unparse(target)}` is no cell of the row")
        return found

    def store(self, target: ast.expr, lifted: Column, mask: Column | None, statement: ast.stmt) -> str:
        source = self.loops.model.source
        column = source.segment(self.column(target))
        frame = source.segment(self.loop.frame)
        self.unread(column, statement)
        if lifted.bare and mask is not None:
            raise NotColumnar("an array without an index would be stored to some rows")
        if mask is not None:
            return f"{frame}.loc[{mask.text}, {column}] = {lifted.text}"
        return f"{frame}[{column}] = {lifted.text}"

    def unread(self, column: str, statement: ast.stmt) -> None:
        """Refuse a column that another statement of the loop reads or stores."""
        frame = self.loops.model.source.segment(self.loop.frame)
        if column in self.stored:
            raise NotColumnar(f"`{column}` is stored twice")
        self.stored.add(column)
        node = self.loop.node
        assert isinstance(node, ast.For)
        inside = set(walk(statement))
        for inner in walk(node):
            if inner not in inside and self.columns.read(inner) == f"{frame}[{column}]":
                if not (isinstance(inner, ast.Subscript) and not isinstance(inner.ctx, ast.Load)):
                    raise NotColumnar(f"`{column}` is read while it is stored")

    def chosen(self, statement: ast.If) -> str:
        """``if c: df.loc[i, "y"] = a else: df.loc[i, "y"] = b``."""
        tests: list[Column] = []
        values: list[Column] = []
        columns: set[str] = set()
        current: list[ast.stmt] = [statement]
        target: ast.expr | None = None
        source = self.loops.model.source
        while True:
            if len(current) != 1:
                raise NotColumnar("the branches do more than store a value")
            only = current[0]
            branch = only.body if isinstance(only, ast.If) else current
            if len(branch) != 1 or not isinstance(branch[0], ast.Assign) or len(branch[0].targets) != 1:
                raise NotColumnar("the branches do more than store a value")
            target = branch[0].targets[0]
            columns.add(source.segment(self.column(target)))
            values.append(self.columns.lift(branch[0].value))
            if not isinstance(only, ast.If):
                break
            tests.append(self.columns.condition(only.test))
            current = only.orelse
        if len(columns) != 1 or len(values) != len(tests) + 1:
            raise NotColumnar("the branches store to different columns, or one of them stores nothing")
        chosen = self.columns.choose(tests[0], values[0], values[-1])
        for value in values[1:-1]:
            self.columns.choose(tests[0], value, values[-1])
        if len(tests) > 1:
            conditions = ", ".join(test.text for test in tests)
            given = ", ".join(value.text for value in values[:-1])
            text = f"{self.columns.spell('numpy.select')}([{conditions}], [{given}], default={values[-1].text})"
            chosen = Column(text, bare=True)
        return self.store(target, chosen, None, statement)


def cell(node: ast.AST, label: str, frame: str) -> ast.expr | None:
    """The column in ``df.loc[i, "a"]``, ``df["a"][i]``, ``df["a"].iloc[i]``, ``df.iloc[i]["a"]``.

    Args:
        node: an expression.
        label: the variable that stands for the row.
        frame: the frame, as `ast.dump` writes it.
    """
    if not isinstance(node, ast.Subscript):
        return None
    value, index = node.value, node.slice
    if isinstance(index, ast.Tuple) and len(index.elts) == 2:
        if isinstance(value, ast.Attribute) and value.attr in ("loc", "at") and ast.dump(value.value) == frame:
            return index.elts[1] if _is(index.elts[0], label) and _is_label(index.elts[1]) else None
        return None
    if _is(index, label):
        if isinstance(value, ast.Attribute) and value.attr in (*_LOOKUPS, "values"):
            value = value.value
        if isinstance(value, ast.Subscript) and ast.dump(value.value) == frame and _is_label(value.slice):
            return value.slice
        return None
    if _is_label(index) and isinstance(value, ast.Subscript) and _is(value.slice, label):
        inner = value.value
        if isinstance(inner, ast.Attribute) and inner.attr in ("loc", "iloc") and ast.dump(inner.value) == frame:
            return index
    return None


def takes_only_columns(loop: RowLoop, model: FileModel) -> bool:
    """Whether the row, and what counts the rows of a range, serve for nothing but to read columns."""
    frame = ast.dump(loop.frame)
    parts: list[ast.AST] = []
    if isinstance(loop.node, ast.For):
        parts.extend(loop.node.body)
    else:
        parts.extend([*loop.node.generators[0].ifs])
        parts.extend([loop.node.key, loop.node.value] if isinstance(loop.node, ast.DictComp) else [loop.node.elt])
    looked = 0
    for part in parts:
        for node in walk(part):
            if isinstance(node, ast.Name) and node.id == loop.row:
                parent = model.tree.parent(node)
                if parent is None or not (column_name(parent, node.id) or _is_any_column(parent, node)):
                    return False
            elif loop.how == "range" and isinstance(node, ast.Name) and node.id == loop.label:
                if not any(cell(ancestor, node.id, frame) is not None for ancestor in _three(node, model)):
                    return False
                looked += 1
    return loop.how != "range" or looked > 0


def _three(node: ast.AST, model: FileModel) -> Iterator[ast.AST]:
    for number, ancestor in enumerate(model.tree.ancestors(node)):
        if number > 2:
            return
        yield ancestor


def _is_any_column(parent: ast.AST, node: ast.Name) -> bool:
    return (
        isinstance(parent, ast.Subscript)
        and parent.value is node
        and isinstance(parent.slice, (ast.Constant, ast.Name))
    )


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_zero(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value == 0


def _is_label(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_cell(node: ast.Subscript) -> bool:
    return isinstance(node.value, ast.Attribute) and node.value.attr in _LOOKUPS


def _bottom(node: ast.expr) -> ast.expr:
    while isinstance(node, ast.Subscript):
        node = node.value
        if isinstance(node, ast.Attribute) and node.attr in (*_LOOKUPS, "values"):
            node = node.value
    return node
