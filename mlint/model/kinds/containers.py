"""What a file puts into its lists and dicts after it has made them."""

from __future__ import annotations

import ast
from functools import cached_property
from typing import TYPE_CHECKING

from mlint.model.kinds.value import UNKNOWN, Kind, join
from mlint.model.names import Binding
from mlint.model.tree import walk_blocks

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds

_ONE = frozenset({"append", "appendleft", "add"})
_MANY = frozenset({"extend"})
_OTHER = frozenset({"update", "setdefault", "insert"})


class Containers:
    """The changes that a file makes to lists, dicts and sets, by the name or the attribute that holds them."""

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds

    @cached_property
    def _changes(self) -> dict[str, list[tuple[ast.expr, ast.expr | None, bool]]]:
        """Name or attribute → (the container, what is put in or None if that is not followed, whether it is many)."""
        found: dict[str, list[tuple[ast.expr, ast.expr | None, bool]]] = {}
        for call in self.kinds.tree.calls:
            func = call.func
            if not isinstance(func, ast.Attribute):
                continue
            if func.attr in _ONE or func.attr in _MANY or func.attr in _OTHER:
                held = func.value
                position = 1 if func.attr in ("insert", "setdefault") else 0
                value = call.args[position] if len(call.args) > position and func.attr != "update" else None
                while isinstance(held, ast.Subscript):  # `groups[key].append(x)` changes what groups holds
                    held, value = held.value, None
                name = _name(held)
                if name is not None:
                    found.setdefault(name, []).append((held, value, func.attr in _MANY))
        for statement in walk_blocks(self.kinds.tree.module.body):
            if isinstance(statement, ast.Assign):
                targets, stored = statement.targets, statement.value
            elif isinstance(statement, ast.AugAssign):
                targets, stored = [statement.target], None
            else:
                continue
            for target in targets:
                if isinstance(target, ast.Subscript):
                    name = _name(target.value)
                    if name is not None:
                        plain = stored if not isinstance(target.slice, ast.Slice) else None
                        found.setdefault(name, []).append((target.value, plain, False))
        return found

    def grown(self, kind: Kind, binding: Binding) -> Kind:
        """The kind of a container that a name was bound to, with what is put into it by that name."""
        changes = self._changes.get(binding.name)
        if not changes:
            return kind
        scope = self.kinds.tree.scope(binding.node)
        mine = []
        for held, value, many in changes:
            if isinstance(held, ast.Name):
                found = self.kinds.names.lookup(held)
                if found is not None and found[0] is scope:
                    mine.append((value, many))
        return self._with(kind, mine, binding.value)

    def grown_attribute(self, kind: Kind, name: str) -> Kind:
        """The kind of a container that an attribute holds, with what is put into it by that attribute."""
        found = self._changes.get(name, ())
        changes = [(value, many) for held, value, many in found if isinstance(held, ast.Attribute)]
        return self._with(kind, changes, None)

    def _with(self, kind: Kind, changes: list[tuple[ast.expr | None, bool]], made: ast.expr | None) -> Kind:
        if not changes or len(kind.elements) > 1:
            return kind if not changes else kind._replace(elements=())
        if not kind.elements and not _is_empty(made):
            return kind
        parts = list(kind.elements)
        for value, many in changes:
            if value is None:
                parts.append(UNKNOWN)
            else:
                parts.append(self.kinds.elements(value) if many else self.kinds.of(value))
        element = join(parts)
        # `never`: a list that is filled from itself.
        return kind._replace(elements=(element,) if element.known else ())


def _is_empty(made: ast.expr | None) -> bool:
    if isinstance(made, (ast.List, ast.Set)):
        return not made.elts
    if isinstance(made, ast.Dict):
        return not made.keys
    return isinstance(made, ast.Call) and not made.args and not made.keywords


def _name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None
