"""Attributes that a file sets on the instances of its classes from outside: ``model.head = nn.Identity()``."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.kinds import classes
from mlint.model.kinds.value import UNKNOWN, Kind, join
from mlint.model.tree import walk_blocks

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds

Setting = tuple[ast.expr, ast.stmt, bool]
"""The object, the statement that sets its attribute, and whether the whole value of the statement goes there."""


def settings(kinds: Kinds) -> dict[str, list[Setting]]:
    """Attribute → where the file sets it on something that is not the `self` of a method."""
    found: dict[str, list[Setting]] = {}
    for statement in walk_blocks(kinds.tree.module.body):
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, (ast.AugAssign, ast.AnnAssign)):
            targets = [statement.target]
        else:
            continue
        for target in targets:
            parts = target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]
            for part in parts:
                if isinstance(part, ast.Attribute) and not kinds.is_self(part.value):
                    found.setdefault(part.attr, []).append((part.value, statement, part is target))
    return found


def joined(kinds: Kinds, owner: ast.ClassDef, name: str, kind: Kind) -> Kind:
    """The kind of an attribute of a class of a file, with what the file sets it to from outside."""
    text = kinds.names.text
    if not kind.known or (text is not None and text.count(f".{name}") <= text.count(f"self.{name}")):
        return kind
    if kinds.outside is None:
        kinds.outside = settings(kinds)
    for receiver, statement, whole in kinds.outside.get(name, ()):
        if not _is_instance(kinds, receiver, owner):
            continue
        if isinstance(statement, ast.AugAssign):
            from mlint.model.kinds.arithmetic import arithmetic

            value = arithmetic(kind, kinds.of(statement.value), statement.op)
        elif whole and isinstance(statement, ast.Assign):
            value = classes.value_kind(kinds, statement.value, name)
        elif whole and isinstance(statement, ast.AnnAssign) and statement.value is not None:
            value = kinds.of(statement.value)
        else:
            value = UNKNOWN
        kind = join([kind, value])
    return kind


def _is_instance(kinds: Kinds, node: ast.expr, owner: ast.ClassDef) -> bool:
    """Whether an expression is an instance of a class, of a class above or below it, or such a class itself."""
    named = kinds.local_class(node) if isinstance(node, ast.Name) else None
    if named is not None:
        return _are_related(kinds, named, owner)
    kind = kinds.of(node)
    return any(
        one.definition is not None and _are_related(kinds, one.definition, owner)
        for one in kind.alternatives or (kind,)
    )


def _are_related(kinds: Kinds, first: ast.ClassDef, other: ast.ClassDef) -> bool:
    return first is other or any(
        definition is wanted
        for begin, wanted in ((first, other), (other, first))
        for _, definition in classes.lineage(kinds, begin)
    )
