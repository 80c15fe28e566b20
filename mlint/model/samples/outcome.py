"""What becomes of the result that each round gets for its batch of one: what is read of it, and where that is kept."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.samples.batch import Batches
from mlint.model.samples.loop import Owner
from mlint.model.tree import walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel


class Reading(NamedTuple):
    """What is read of the result for a batch of one.

    Attributes:
        node: the whole expression.
        first: whether the one sample is taken out of the batch: ``[0]``.
        column: the text of an index into that sample's result: ``1`` of ``[0, 1]``.
        cast: ``item``, ``float`` or ``int`` where it is made a Python number; empty otherwise.
    """

    node: ast.expr
    first: bool = False
    column: str | None = None
    cast: str = ""


class Kept(NamedTuple):
    """Where the results of all rounds go.

    Attributes:
        how: ``list`` for the elements of a comprehension, ``append`` for a list that the rounds append to, ``store``
            for an array with a place for each round, ``column`` for the column of a frame whose rows are gone through,
            ``returned`` for the results of a lambda that is called for each sample.
        place: what the batch takes the place of.
        target: the list, the array, or the subscript of the frame's column.
    """

    how: str
    place: Owner
    target: ast.expr | None = None


def reading(batches: Batches, call: ast.expr) -> Reading:
    """What the rounds of a loop read of the result of a call."""
    model, loop = batches.model, batches.loop
    found = Reading(call)
    while not found.cast:
        node = found.node
        parent = model.tree.parent(node)
        if isinstance(parent, ast.Subscript) and parent.value is node:
            step = _subscript(parent, found, model)
            if step is None or loop.varies(parent.slice):
                return found
            found = step
        elif isinstance(parent, ast.Call) and parent.args == [node] and not parent.keywords:
            dotted = model.names.dotted(parent.func)
            if dotted not in ("float", "int"):
                return found
            found = found._replace(node=parent, cast=dotted)
        elif isinstance(parent, ast.Attribute) and parent.value is node:
            outer = model.tree.parent(parent)
            if not isinstance(outer, ast.Call) or outer.func is not parent or outer.keywords:
                return found
            if parent.attr == "item" and not outer.args:
                found = found._replace(node=outer, cast="item")
            elif parent.attr == "squeeze" and not found.first and [_zero(a) for a in outer.args] == [True]:
                found = found._replace(node=outer, first=True)
            else:
                return found
        elif isinstance(parent, ast.Assign) and parent.value is node:
            use = _only_use(model, parent, loop.node)
            if use is None:
                return found
            found = found._replace(node=use)
        else:
            return found
    return found


def _subscript(node: ast.Subscript, found: Reading, model: FileModel) -> Reading | None:
    parts = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    if any(isinstance(part, ast.Slice) and (part.lower or part.upper or part.step) for part in parts):
        return None
    if found.column is not None:
        return found._replace(node=node, first=True) if not found.first and _zero(node.slice) else None
    if not found.first and len(parts) <= 2 and (_zero(parts[0]) or (len(parts) == 2 and _whole(parts[0]))):
        column = model.source.segment(parts[1]) if len(parts) == 2 and not _whole(parts[1]) else None
        return found._replace(node=node, first=_zero(parts[0]), column=column)
    if found.first and len(parts) == 1 and not _whole(parts[0]):
        return found._replace(node=node, column=model.source.segment(parts[0]))
    return None


def _zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 0 and type(node.value) is int


def _whole(node: ast.expr) -> bool:
    return isinstance(node, ast.Slice)


def _only_use(model: FileModel, assign: ast.Assign, owner: ast.AST) -> ast.Name | None:
    """The one read of a name that a round assigns, if it is in the same block."""
    target = assign.targets[0]
    if len(assign.targets) != 1 or not isinstance(target, ast.Name) or not isinstance(owner, ast.For):
        return None
    uses = [
        inner
        for inner in walk(model.tree.scope(assign))
        if isinstance(inner, ast.Name) and inner.id == target.id and isinstance(inner.ctx, ast.Load)
        and any(binding.node is assign for binding in model.reaching.of(inner) or ())
    ]  # fmt: skip
    if len(uses) != 1 or model.tree.statement(uses[0]) not in owner.body:
        return None
    return uses[0] if model.tree.statement(uses[0]) in model.tree.following(assign) else None


def kept(batches: Batches, call: ast.expr, found: Reading) -> Kept | None:
    """Where the results go, if keeping them is all that the rounds do besides."""
    model, loop = batches.model, batches.loop
    node, owner = found.node, loop.node
    if isinstance(owner, ast.ListComp):
        generator = owner.generators[0]
        plain = len(owner.generators) == 1 and not generator.ifs and owner.elt is node
        return Kept("list", owner) if plain else None
    if isinstance(owner, ast.Lambda):
        return Kept("returned", owner) if owner.body is node else None
    if not isinstance(owner, ast.For) or owner.orelse:
        return None
    last = owner.body[-1]
    for statement in owner.body[:-1]:
        if not isinstance(statement, ast.Assign) or not _understood(batches, statement.value, call):
            return None
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        call = last.value
        func = call.func
        if isinstance(func, ast.Attribute) and func.attr == "append" and call.args == [node] and not call.keywords:
            if model.kinds.is_a(func.value, "list") and not loop.varies(func.value):
                return Kept("append", owner, func.value)
        return None
    if not isinstance(last, ast.Assign) or last.value is not node or len(last.targets) != 1:
        return None
    target = last.targets[0]
    if not isinstance(target, ast.Subscript) or loop.varies(target.value):
        return None
    if isinstance(target.slice, ast.Name) and target.slice.id == loop.index:
        return Kept("store", owner, target.value)
    parts = target.slice.elts if isinstance(target.slice, ast.Tuple) else []
    if loop.label is not None and len(parts) == 2 and isinstance(parts[0], ast.Name) and parts[0].id == loop.label:
        accessor = target.value
        if isinstance(accessor, ast.Attribute) and accessor.attr in ("loc", "at") and not loop.varies(parts[1]):
            if {ast.dump(accessor.value)} == {ast.dump(frame) for frame in loop.elements.values()}:
                return Kept("column", owner, target)
    return None


def _understood(batches: Batches, value: ast.expr, call: ast.expr) -> bool:
    """Whether what a round assigns is a sample, a batch of one, or the result for it."""
    if batches.sample(value) is not None or batches.batch(value) is not None:
        return True
    return any(inner is call for inner in walk(value))
