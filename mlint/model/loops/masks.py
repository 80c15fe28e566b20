"""Conditions and stores of rounds as masks: ``if a[i] > 0: out[i] = a[i]`` is ``out[a > 0] = a[a > 0]``."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.loops import dtypes
from mlint.model.loops.branches import Branches, Store
from mlint.model.loops.counted import Axis
from mlint.model.loops.described import Lifted, NotElementwise, Operand, Place, Target, same_or_apart
from mlint.model.loops.temporaries import bare, spliced
from mlint.model.tree import walk

if TYPE_CHECKING:
    from mlint.model.loops.elementwise import Elementwise

_SIGNS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
}
_QUIET_CALLS = frozenset({"abs", "numpy.abs", "numpy.isnan", "numpy.isinf", "numpy.isfinite", "numpy.signbit"})
_FITS = {"uint8": 256, "int8": 128, "int16": 1 << 15, "int32": 1 << 31, "int64": 1 << 63}
_EVERY = re.compile(r"(.*)\[:(?:, :)*\]", re.DOTALL)
_WHOLE = re.compile(r"(.*)\[:((?:, [^\[\]:]+)*)\]", re.DOTALL)


class Condition(NamedTuple):
    """A condition of all rounds.

    Attributes:
        text: the array of truth values; in parentheses unless it needs none.
        lifted: what it is made of.
        doubts: why it may be another one.
    """

    text: str
    lifted: tuple[Lifted, ...]
    doubts: tuple[str, ...]

    @property
    def bare(self) -> str:
        """The text without the parentheses around it."""
        return bare(self.text)


class MaskedStore(NamedTuple):
    """A store.

    Attributes:
        target: where to.
        value: what.
        op: the operator of an augmented assignment, as it is written; "" for a plain one.
    """

    target: Target
    value: Lifted
    op: str


class Masked(NamedTuple):
    """All that the rounds of a loop store.

    Attributes:
        before: what every round stores first.
        branches: condition (None for `else`) → the stores.
        doubts: why masks may give something else.
        obstacles: why there can be no rewrite.
    """

    before: tuple[MaskedStore, ...]
    branches: tuple[tuple[Condition | None, tuple[MaskedStore, ...]], ...]
    doubts: list[str]
    obstacles: list[str]

    @property
    def stores(self) -> list[MaskedStore]:
        """All of them."""
        return [*self.before, *(store for _, stores in self.branches for store in stores)]


def masked(elementwise: Elementwise, found: Branches, axes: tuple[Axis, ...]) -> Masked:
    """The conditions and stores of a round, of all rounds at once.

    Raises:
        NotElementwise: a round depends on another one, or a condition is none of elements.
    """
    doubts: list[str] = []
    before = tuple(_store(elementwise, store, axes, doubts) for store in found.before)
    branches: list[tuple[Condition | None, tuple[MaskedStore, ...]]] = []
    for number, branch in enumerate(found.branches):
        condition: Condition | None = None
        if branch.test is not None:
            condition = lift_condition(elementwise, branch.test, axes)
            if found.inverted:
                condition = _negated(condition)
            doubts += condition.doubts
            if number and not all(is_quiet(elementwise, lifted.node) for lifted in condition.lifted):
                doubts.append("a condition is computed where one before it holds")
        stores = tuple(_store(elementwise, store, axes, doubts) for store in branch.stores)
        for store in stores:
            _check_taken(elementwise, store, axes, doubts)
        branches.append((condition, stores))
    result = Masked(before, tuple(branches), doubts, [])
    if len(axes) > 1:
        _check_full(result, len(axes))
    _check_stale(elementwise, result, axes)
    _check_apart(elementwise, result)
    for lifted in (store.value for store in result.stores):
        result.obstacles.extend([*lifted.obstacles, *lifted.unproven])
    for condition, _ in branches:
        for lifted in condition.lifted if condition is not None else ():
            result.obstacles.extend([*lifted.obstacles, *lifted.unproven])
    return result


def _check_full(result: Masked, dimensions: int) -> None:
    """Whether all that a nest of loops reads has the dimensions of a mask."""
    lifted = [store.value for store in result.stores]
    for condition, _ in result.branches:
        lifted += condition.lifted if condition is not None else ()
    for one in lifted:
        for operand in one.operands:
            if sum(isinstance(part, Place) for part in operand.pattern) not in (0, dimensions):
                raise NotElementwise("an element is that of several rounds")
        if one.counters:
            raise NotElementwise("a counter of a nest of loops is used as a number")


def _check_stale(elementwise: Elementwise, result: Masked, axes: tuple[Axis, ...]) -> None:
    """Whether a mask or a variable of the round may be an element from before one of several stores."""
    targets = [store.target for store in result.stores]
    for condition, _ in result.branches:
        for lifted in condition.lifted if condition is not None else ():
            if not lifted.operations and any(_is_one_of(elementwise, o.array, targets) for o in lifted.operands):
                raise NotElementwise("the mask itself is stored to")
    if not result.before and all(len(stores) < 2 for _, stores in result.branches):
        return
    taken = [(temporary.name, o.array) for temporary in axes[-1].temporaries for o in temporary.lifted.operands]
    taken += [(name, array) for axis in axes for name, array in axis.elements]
    for name, array in taken:
        if _is_one_of(elementwise, array, targets):
            raise NotElementwise(f"`{name}` may be read after the store that changes where it is from")


def _is_one_of(elementwise: Elementwise, array: ast.expr, targets: list[Target]) -> bool:
    """Whether an array is one that is stored to."""
    key, text = elementwise.model.lengths.identity(array), elementwise.model.source.segment(array)
    return any(
        (key is not None and key == target.key) or text == elementwise.model.source.segment(target.array)
        for target in targets
    )


def lift_condition(elementwise: Elementwise, test: ast.expr, axes: tuple[Axis, ...]) -> Condition:
    """A condition of one round as an array of truth values.

    Raises:
        NotElementwise: it is none of elements.
    """
    source = elementwise.model.source
    if isinstance(test, ast.BoolOp):
        parts = [lift_condition(elementwise, value, axes) for value in test.values]
        sign = " & " if isinstance(test.op, ast.And) else " | "
        lifted = tuple(one for part in parts for one in part.lifted)
        doubts = [doubt for part in parts for doubt in part.doubts]
        if not all(is_quiet(elementwise, one.node) for part in parts[1:] for one in part.lifted):
            doubts.append("a part of the condition is computed where the loop stops before it")
        return Condition(f"({sign.join(part.text for part in parts)})", lifted, tuple(doubts))
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _negated(lift_condition(elementwise, test.operand, axes))
    if isinstance(test, ast.Compare) and len(test.ops) > 1:
        return _chained(elementwise, test, axes)
    one = elementwise.lift(test, axes)
    _check_truth(one, isinstance(test, ast.Compare))
    return Condition(spliced(source, test, one.replacements), (one,), tuple(one.doubts))


def _negated(condition: Condition) -> Condition:
    text = condition.text
    return condition._replace(text=text[1:] if text.startswith("~") else f"~{text}")


def _chained(elementwise: Elementwise, test: ast.Compare, axes: tuple[Axis, ...]) -> Condition:
    """``low < x <= high``: both comparisons."""
    parts: list[str] = []
    lifted: list[Lifted] = []
    doubts: list[str] = []
    sides = [test.left, *test.comparators]
    for left, op, right in zip(sides, test.ops, sides[1:]):
        if type(op) not in _SIGNS:
            raise NotElementwise("the comparison asks for the truth of one value")
        pair = ast.copy_location(ast.Compare(left, [op], [right]), test)
        one = elementwise.lift(pair, axes)
        _check_truth(one, True)
        if not is_quiet(elementwise, pair):
            doubts.append("a part of the condition is computed where the loop stops before it")
        texts = [_side(elementwise, side, one) for side in (left, right)]
        parts.append(f"({texts[0]} {_SIGNS[type(op)]} {texts[1]})")
        lifted.append(one)
        doubts += one.doubts
    return Condition(f"({' & '.join(parts)})", tuple(lifted), tuple(doubts))


def _side(elementwise: Elementwise, node: ast.expr, lifted: Lifted) -> str:
    inside = set(ast.walk(node))
    own = {part: text for part, text in lifted.replacements.items() if part in inside}
    text = spliced(elementwise.model.source, node, own)
    return bare(text) if isinstance(node, (ast.BinOp, ast.UnaryOp)) else text


def _check_truth(lifted: Lifted, compared: bool) -> None:
    if not compared and lifted.dtype != "bool":
        raise NotElementwise("the condition is not proven to be a truth value")
    if not any(isinstance(part, Place) for operand in lifted.operands for part in operand.pattern):
        raise NotElementwise("a part of the condition asks for no element")
    if lifted.wholes or any(rest not in (0, None) for rest in lifted.rests):
        raise NotElementwise("a row has no truth value")
    if None in lifted.rests:
        lifted.doubts.append("the number of dimensions is not proven")


def _store(elementwise: Elementwise, store: Store, axes: tuple[Axis, ...], doubts: list[str]) -> MaskedStore:
    if store.op is not None and type(store.op) not in _OPERATORS:
        raise NotElementwise("the operator is none of elements")
    target = elementwise.target(store.place, axes)
    value = elementwise.lift(store.value, axes, gather=len(axes) == 1)
    doubts += elementwise.stored(value, target, store.op)
    return MaskedStore(target, value, "" if store.op is None else _OPERATORS[type(store.op)])


def _check_taken(elementwise: Elementwise, store: MaskedStore, axes: tuple[Axis, ...], doubts: list[str]) -> None:
    """What a branch does that no round takes: parts that may raise are computed once, and numbers converted."""
    names = frozenset[str]().union(*(axis.names for axis in axes))
    if any(_may_raise(elementwise, part) for part in _invariants(store.value.node, names)):
        doubts.append("a part of the branch is computed where no round takes it")
    dtype, target = store.value.dtype, store.target.dtype
    if dtype == "~float" and target not in dtypes.FLOATS and target != "complex128":
        doubts.append("a float is stored as an integer")
    if dtype == "~int" and target in _FITS:
        node = store.value.node
        number = node.operand if isinstance(node, ast.UnaryOp) else node
        limit = _FITS[target]
        fits = isinstance(number, ast.Constant) and isinstance(number.value, int) and number.value < limit
        if not fits or (number is not node and target == "uint8"):
            doubts.append("an integer may not fit")


def _invariants(node: ast.AST, names: frozenset[str]) -> list[ast.AST]:
    """The largest parts of an expression that are the same in all rounds."""
    if not any(isinstance(inner, ast.Name) and inner.id in names for inner in walk(node)):
        return [node]
    return [part for child in ast.iter_child_nodes(node) for part in _invariants(child, names)]


def _may_raise(elementwise: Elementwise, node: ast.AST) -> bool:
    if not isinstance(node, ast.expr) or elementwise.model.names.dotted(node) is not None:
        return False
    harmless = (ast.Constant, ast.Name, ast.Attribute, ast.UnaryOp, ast.unaryop, ast.expr_context)
    return any(not isinstance(inner, harmless) for inner in walk(node))


def _check_apart(elementwise: Elementwise, result: Masked) -> None:
    """Whether no round reads or stores to what another one stores to."""
    targets = [store.target for store in result.stores]
    read: list[Operand] = [operand for store in result.stores for operand in store.value.operands]
    for condition, _ in result.branches:
        for lifted in condition.lifted if condition is not None else ():
            read += lifted.operands
    for target in targets:
        name = elementwise.model.source.segment(target.array)
        others = [Operand(other.array, other.key, other.pattern) for other in targets]
        for operand in (*read, *others):
            text = elementwise.model.source.segment(operand.array)
            if (operand.key is not None and operand.key == target.key) or text == name:
                if operand.gathered or not same_or_apart(operand.pattern, target.pattern):
                    raise NotElementwise(f"a round uses another element of `{name}`")
            elif elementwise.memory.related(operand.array, target.array):
                raise NotElementwise(f"`{text}` may be part of `{name}`")
            elif not target.fresh and not elementwise.memory.fresh(operand.array):
                result.doubts.append(f"`{text}` may share memory with `{name}`")


def is_quiet(elementwise: Elementwise, node: ast.AST) -> bool:
    """Whether computing an expression of an element neither raises nor warns, whatever the element is."""
    for inner in walk(node):
        if isinstance(inner, ast.BinOp) and not isinstance(inner.op, (ast.BitAnd, ast.BitOr, ast.BitXor)):
            return False
        if isinstance(inner, ast.Call) and elementwise.model.names.dotted(inner.func) not in _QUIET_CALLS:
            return False
    return True


def at_mask(text: str, mask: str) -> str:
    """The part of an array that a mask selects."""
    every = _EVERY.fullmatch(text)
    if every is not None:
        return f"{every[1]}[{mask}]"
    whole = _WHOLE.fullmatch(text)
    return f"{whole[1]}[{mask}{whole[2]}]" if whole is not None else f"{text}[{mask}]"


def value_at(elementwise: Elementwise, value: Lifted, mask: str) -> str:
    """What is stored where a mask holds, computed there alone."""
    functions = {inner.func for inner in walk(value.node) if isinstance(inner, ast.Call)}
    own = {
        node: text if node in functions else at_mask(text, mask) for node, text in value.replacements.items()
    }  # fmt: skip
    return bare(spliced(elementwise.model.source, value.node, own))


def chosen(store: MaskedStore, other: MaskedStore, elementwise: Elementwise) -> bool:
    """Whether ``np.where`` of two values stores what either store does: neither can warn, none is converted."""
    if store.op or other.op or store.target.text != other.target.text or store.target.rest != 0:
        return False
    target = store.target.dtype
    for value in (store.value, other.value):
        node, dtype = value.node, value.dtype
        simple = not value.operations or isinstance(node, ast.UnaryOp) or isinstance(node, ast.Call)
        simple = simple and not any(operand.gathered for operand in value.operands)  # an index may be out of bounds
        if not simple or not is_quiet(elementwise, node) or not value.scalar:
            return False
        if dtype is None or (dtype != target and not dtype.startswith("~")):
            return False
        if dtype == "~float" and target not in dtypes.FLOATS:
            return False
        if dtype == "~bool" and target != "bool":
            return False
        if dtype == "~int" and target == "bool":
            return False
    return True
