"""What the names are that a piece of code reads from outside: for making up values that they could have."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mlint.model import numeric
from mlint.model.kinds import DATAFRAME, JAX_ARRAY, JAX_KEY, NDARRAY, SERIES, TENSOR, TF_TENSOR
from mlint.model.kinds.value import NUMBERS, join
from mlint.model.loops.described import peeled
from mlint.model.loops.memory import Memory
from mlint.model.loops.pointwise import samples_written
from mlint.model.loops.scalars import CONSTANTS
from mlint.validation.purity import GENERATORS, NotExecuted

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.model.kinds import Kind
    from mlint.model.loops.lengths import Length
    from mlint.model.names import Binding
    from mlint.source import Source
    from mlint.validation.values import Case

_EXECUTED = frozenset({"numpy", "math", "pandas", "torch", "scipy", "tensorflow", "jax", "random"})
_ARRAYS = {NDARRAY: "ndarray", TENSOR: "tensor", TF_TENSOR: "tf", JAX_ARRAY: "jax", SERIES: "series"}


def imports(before: Sequence[ast.AST], after: Sequence[ast.AST], old: Source, new: Source) -> dict[str, str]:
    """Name → the import statement that binds it, for the names in two versions of some code."""
    used = {node.id for part in (*before, *after) for node in ast.walk(part) if isinstance(node, ast.Name)}
    found: dict[str, str] = {}
    for source in (old, new):
        for node in ast.walk(source.parse()):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    bound = alias.asname or alias.name.partition(".")[0]
                    if bound in used and alias.name.partition(".")[0] in _EXECUTED:
                        found.setdefault(bound, ast.unparse(ast.Import([alias])))
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    if (alias.asname or alias.name) in used and node.module.partition(".")[0] in _EXECUTED:
                        statement = ast.ImportFrom(node.module, [alias], 0)
                        found.setdefault(alias.asname or alias.name, ast.unparse(statement))
    return found


def described(
    statements: Sequence[ast.stmt], functions: Sequence[ast.FunctionDef], model: FileModel, names: Iterable[str]
) -> dict[str, Case]:
    """What each of some names is where some statements begin; names that these bind themselves are left out.

    Args:
        statements: the code.
        functions: the functions that it hands to others.
        model: the file.
        names: the names.

    Raises:
        NotExecuted: no values can be made up for a name.
    """
    inside = {node for statement in statements for node in ast.walk(statement)}
    reads = [node for node in inside if isinstance(node, ast.Name)]
    reads.sort(key=lambda node: (node.lineno, node.col_offset))
    inside.update(node for function in functions for node in ast.walk(function))
    describer = _Describer(model, inside)
    found: dict[str, Case] = {}
    for name in sorted(names):
        if hasattr(builtins, name):
            continue
        first = next((node for node in reads if node.id == name and describer.comes_from_outside(node)), None)
        if first is not None:
            found[name] = describer.case(first)
    return found


class _Describer:
    def __init__(self, model: FileModel, inside: set[ast.AST]) -> None:
        self.model = model
        self.inside = inside
        self.memory = Memory(model)

    def comes_from_outside(self, node: ast.Name) -> bool:
        """Whether a name is read here with a value that it may have had before the code begins."""
        bindings = self._before(node)
        if isinstance(node.ctx, ast.Load):
            return not bindings or any(binding.node not in self.inside for binding in bindings)
        return any(binding.node not in self.inside for binding in bindings)

    def _before(self, node: ast.Name) -> Sequence[Binding]:
        """What may have given a name the value that it has here; for a name that is only set here, nothing."""
        if isinstance(node.ctx, ast.Load):
            return self.model.reaching.of(node) or ()
        if not isinstance(self.model.tree.parent(node), ast.AugAssign):
            return ()
        found = self.model.names.lookup(node)
        before = [] if found is None else [b for b in found[1] if getattr(b.node, "lineno", 0) < node.lineno]
        return () if any(b.node in self.inside and b.how != "augment" for b in before) else before

    def case(self, node: ast.Name) -> Case:
        if self.model.kinds.is_self(node):
            attributes: dict[str, Case] = {}
            for inner in self.inside:
                if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id == node.id:
                    attributes.setdefault(inner.attr, self._of(inner))
            return {"kind": "object", "attributes": attributes}
        return self._of(node)

    def _of(self, node: ast.expr) -> Case:
        kind = self.model.kinds.of(node)
        if isinstance(node, ast.Name):
            before = [binding for binding in self._before(node) if binding.node not in self.inside]
            value = _assigned(before[0]) if len(before) == 1 else None
            if value is not None and _is_literal(value):
                return {"kind": "literal", "value": ast.unparse(value)}
            if value is not None and kind.name in _NUMBERS_AND_UNKNOWN and self._is_element(value):
                return {"kind": "expression", "value": ast.unparse(value)}
            if value is not None and self._is_filled_array(value):
                return {"kind": "expression", "value": ast.unparse(value)}
            rebound = not isinstance(node.ctx, ast.Load) or len(before) < len(self._before(node))
            if rebound and value is not None and not isinstance(value, ast.Name):
                return self._described(value, self.model.kinds.of(value), node)
            if rebound:
                kind = join([self.model.kinds.binding(binding) for binding in before])
        return self._described(node, kind, node)

    def _is_element(self, node: ast.expr) -> bool:
        """Whether a start is an element of what the code reads, or a constant: ``x[0]``, ``float("inf")``."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            node = node.operand
        if isinstance(node, ast.Call):
            infinite = len(node.args) == 1 and _is_literal(node.args[0]) and not node.keywords
            return infinite and self.model.names.dotted(node.func) in ("float", "int")
        if isinstance(node, ast.Attribute):
            return self.model.names.dotted(node) in CONSTANTS
        if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name) or not _is_literal(node.slice):
            return False
        name = node.value.id
        return any(isinstance(inner, ast.Name) and inner.id == name for inner in self.inside)

    def _is_filled_array(self, node: ast.expr) -> bool:
        """Whether an array begins as so many zeros, of a number that is computed: ``np.zeros(len(x) - k + 1)``."""
        if not isinstance(node, ast.Call) or self.model.names.dotted(node.func) not in _FILLED or len(node.args) != 1:
            return False
        parts = node.args[0].elts if isinstance(node.args[0], ast.Tuple) else node.args
        if node.keywords or all(self.model.lengths.of(part) is not None for part in parts):
            return False
        names = {inner.id for part in parts for inner in ast.walk(part) if isinstance(inner, ast.Name)}
        read = {inner.id for inner in self.inside if isinstance(inner, ast.Name)}
        return names <= read | {"len"} and not any(
            isinstance(inner, ast.Call) and not (isinstance(inner.func, ast.Name) and inner.func.id == "len")
            for part in parts
            for inner in ast.walk(part)
        )

    def _described(self, node: ast.expr, kind: Kind, name: ast.expr) -> Case:
        """What a value is.

        Args:
            node: an expression of it.
            kind: its kind.
            name: how the code calls it.
        """
        if kind.is_a(DATAFRAME) or (not kind.known and self._is_frame(name)):
            return {"kind": "frame", "columns": self._columns()}
        for family, word in _ARRAYS.items():
            if kind.is_a(family):
                ndim = self._dimensions(node, kind)
                dims = [self._length(self.model.lengths.axis(node, axis)) for axis in range(ndim)]
                samples = samples_written(self.model, node)
                if samples is not None and (not dims or dims[0] is None or dims[0][0] is None):
                    dims, samples = [[None, samples], *dims[1:]], None
                return {
                    "kind": word,
                    "dims": dims,
                    "dtype": kind.dtype,
                    "fresh": self.memory.fresh(node),
                    "index": self._counts(name),
                    "floating": numeric.is_floating(self.model, node),
                    **({} if samples is None else {"samples": samples}),
                    "whole": numeric.is_whole(self.model, node),
                }
        if kind.is_a(JAX_KEY) or kind.is_a(*GENERATORS):
            return {"kind": "key" if kind.is_a(JAX_KEY) else kind.name.rpartition(".")[2]}
        if kind.name in NUMBERS:
            length = self._length(self.model.lengths.of(node)) if kind.name == "int" else None
            return {"kind": kind.name, "length": length}
        if kind.name in ("str", "list", "dict"):
            return {"kind": kind.name, "empty": self._is_filled(name)}
        if kind.known:
            raise NotExecuted(f"no values can be made up for `{ast.unparse(node)}`")
        if self._counts(name):
            return {"kind": "int", "length": self._length(self.model.lengths.of(node))}
        return {"kind": "float"}

    def _length(self, length: Length | None) -> list[object] | None:
        if length is None:
            return None
        base = length.base
        shown = None if base is None else "/".join(ast.dump(p) if isinstance(p, ast.AST) else repr(p) for p in base)
        return [shown, length.offset]

    def _dimensions(self, node: ast.expr, kind: Kind) -> int:
        known = self.model.lengths.dimensions(node)
        if known is None:
            known = kind.ndim
        if known is not None:
            return known
        text = ast.dump(node)
        indices = [
            len(peeled(inner)[1])
            for inner in self.inside
            if isinstance(inner, ast.Subscript) and ast.dump(peeled(inner)[0]) == text
        ]
        return max(indices, default=1) or 1

    def _columns(self) -> dict[str, str]:
        """All texts by which something is picked, the columns among them, and whether they hold texts or numbers."""
        found = dict.fromkeys(self._picked(), "number")
        for node in self.inside:
            if isinstance(node, ast.Attribute) and node.attr in _OF_TEXTS:
                parts: list[ast.expr] = [node.value]
            elif isinstance(node, ast.Compare):
                parts = [node.left, *node.comparators]
            elif isinstance(node, ast.BinOp):
                parts = [node.left, node.right]
            elif isinstance(node, ast.Call) and _takes_texts(node):
                parts = [node.func.value] if isinstance(node.func, ast.Attribute) else []
            else:
                continue
            names = [_column(part) for part in parts]
            texts = any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in parts)
            for name in names:
                if name in found and (texts or isinstance(node, (ast.Attribute, ast.Call))):
                    found[name] = "text"
        return found

    def _picked(self) -> list[str]:
        found: dict[str, None] = {}
        for node in sorted(self.inside, key=lambda n: (getattr(n, "lineno", 0), getattr(n, "col_offset", 0))):
            if isinstance(node, ast.Subscript):
                for part in ast.walk(node.slice):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        found[part.value] = None
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "groupby":
                parts = [inner for argument in node.args for inner in ast.walk(argument)]
                found.update((p.value, None) for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str))
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and self._is_row(node.value):
                if not self._is_called(node):
                    found[node.attr] = None
        return list(found)

    def _is_row(self, node: ast.Name) -> bool:
        kind = self.model.kinds.of(node)
        return kind.is_a(SERIES) or (not kind.known and self.model.names.dotted(node) is None)

    def _is_called(self, node: ast.Attribute) -> bool:
        around = self.model.tree.parent(node)
        return isinstance(around, ast.Call) and around.func is node

    def _is_frame(self, node: ast.expr) -> bool:
        """Whether the code goes through the rows of something."""
        name = ast.dump(node)
        return any(
            isinstance(inner, ast.Attribute) and inner.attr in _OF_ROWS and ast.dump(inner.value) == name
            for inner in self.inside
        )

    def _is_filled(self, node: ast.expr) -> bool:
        """Whether the code appends to a list, which then begins empty as often as not."""
        name = ast.dump(node)
        return any(
            isinstance(inner, ast.Attribute) and inner.attr == "append" and ast.dump(inner.value) == name
            for inner in self.inside
        )

    def _counts(self, node: ast.expr) -> bool:
        """Whether something is used as a number of rounds or as an index."""
        name = ast.dump(node)
        for inner in self.inside:
            within: ast.AST | None = None
            if isinstance(inner, ast.Call) and self.model.names.dotted(inner.func) == "range":
                within = ast.Tuple(inner.args, ast.Load())
            elif isinstance(inner, ast.Subscript):
                within = inner.slice
            if within is not None and any(ast.dump(part) == name for part in ast.walk(within)):
                return True
        return False


_FILLED = ("numpy.zeros", "numpy.ones")
_NUMBERS_AND_UNKNOWN = NUMBERS | {"unknown", "scalar"}
_OF_ROWS = frozenset({"iterrows", "itertuples", "apply", "iloc", "loc"})
_OF_TEXTS = frozenset("lower upper strip lstrip rstrip title capitalize startswith endswith replace split".split())


def _takes_texts(call: ast.Call) -> bool:
    """Whether ``column.apply(f)`` hands its values to a function of texts: ``len``, ``lambda s: s.lower()``."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in ("apply", "map") or not call.args:
        return False
    function = call.args[0]
    if isinstance(function, ast.Lambda):
        names = {argument.arg for argument in function.args.args}
        return any(
            isinstance(inner, ast.Attribute)
            and inner.attr in _OF_TEXTS
            and isinstance(inner.value, ast.Name)
            and inner.value.id in names
            for inner in ast.walk(function.body)
        )
    return ast.unparse(function) in ("len", *(f"str.{name}" for name in _OF_TEXTS))


def _column(node: ast.expr) -> str:
    """The column in ``row["a"]`` or ``row.a``."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return node.attr if isinstance(node, ast.Attribute) else ""


def _assigned(binding: Binding) -> ast.expr | None:
    """The expression that a binding gives its name: also the part of ``best, arg = x[0], 0`` that it takes."""
    value = binding.value if binding.how == "assign" else None
    for index in binding.path:
        if not isinstance(value, ast.Tuple) or not 0 <= index < len(value.elts):
            return None
        value = value.elts[index]
    return value


def _is_literal(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        node = node.operand
    if isinstance(node, (ast.List, ast.Tuple)):
        return all(_is_literal(part) for part in node.elts)
    if isinstance(node, ast.Dict):
        return all(part is not None and _is_literal(part) for part in (*node.keys, *node.values))
    return isinstance(node, ast.Constant)
