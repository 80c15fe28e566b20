"""Classes of the project: what their instances are, and what stands in them and in their bases."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlint.model.kinds.value import ARRAYS, UNKNOWN, Kind, join
from mlint.model.tree import FUNCTIONS, walk_blocks

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds


def instance(kinds: Kinds, definition: ast.ClassDef) -> Kind:
    """The kind of an instance of a class of a file: what its bases make of it."""
    found = kinds.instances.get(definition)
    if found is None:
        families: set[str] = set()
        for home, base in lineage(kinds, definition):
            for dotted in _library_bases(home, base):
                families.add(dotted)
                kind = home.instance(dotted)
                if kind is not None:
                    families |= kind.families
        found = kinds.instances[definition] = Kind("instance", frozenset(families), definition=definition)
    return found


def _library_bases(kinds: Kinds, definition: ast.ClassDef) -> Iterator[str]:
    for base in definition.bases:
        dotted = kinds.names.dotted(base.value if isinstance(base, ast.Subscript) else base)
        if dotted is not None:
            yield dotted


def lineage(
    kinds: Kinds, definition: ast.ClassDef, *, abroad: bool = True
) -> Iterator[tuple[Kinds, ast.ClassDef]]:
    """A class and its bases in the project, nearest first, each with the kinds of its file.

    Without ``abroad``, those of the file alone.
    """
    seen: set[ast.ClassDef] = set()
    pending = [(kinds, definition)]
    while pending:
        home, current = pending.pop(0)
        if current in seen:
            continue
        seen.add(current)
        yield home, current
        for base in current.bases:
            node = base.value if isinstance(base, ast.Subscript) else base
            other = home.local_class(node) if isinstance(node, ast.Name) else None
            if other is not None:
                pending.append((home, other))
                continue
            if not abroad:
                continue
            dotted = home.names.dotted(node)
            found = None if dotted is None else home.foreign(dotted)
            if found is not None and isinstance(found[1], ast.ClassDef):
                pending.append((found[0], found[1]))


def methods(
    kinds: Kinds, owner: ast.ClassDef, name: str, *, abroad: bool = True
) -> Iterator[tuple[Kinds, ast.AST]]:
    """The methods of a name in a class and in its bases, without ``abroad`` those of its file alone, nearest first."""
    for home, definition in lineage(kinds, owner, abroad=abroad):
        for statement in definition.body:
            if isinstance(statement, FUNCTIONS) and statement.name == name:
                yield home, statement


def attribute_values(
    kinds: Kinds, owner: ast.ClassDef, name: str, *, abroad: bool = True
) -> list[tuple[Kinds, ast.expr | ast.AnnAssign]]:
    """Everything that a class and its bases, without ``abroad`` those of its file alone, assign to an attribute."""
    return [
        (home, value)
        for home, definition in lineage(kinds, owner, abroad=abroad)
        for value in _own_attributes(home, definition).get(name, ())
    ]


def _own_attributes(kinds: Kinds, definition: ast.ClassDef) -> dict[str, list[ast.expr | ast.AnnAssign]]:
    found = kinds.attributes.get(definition)
    if found is not None:
        return found
    found = kinds.attributes[definition] = {}
    for statement in definition.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            found.setdefault(statement.target.id, []).append(statement)
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(statement.value)
        if not isinstance(statement, FUNCTIONS):
            continue
        arguments = [*statement.args.posonlyargs, *statement.args.args]
        if arguments:
            for name, value in _assigned(statement, arguments[0].arg):
                found.setdefault(name, []).append(value)
    return found


def _assigned(function: ast.FunctionDef | ast.AsyncFunctionDef, receiver: str) -> Iterator[
    tuple[str, ast.expr | ast.AnnAssign]
]:
    """What a method assigns to attributes of its first parameter."""
    for inner in walk_blocks(function.body, own=True):
        if isinstance(inner, ast.Assign):
            for target in inner.targets:
                yield from _parts(target, inner.value, receiver)
        elif isinstance(inner, ast.AnnAssign):
            if _is_attribute_of(inner.target, receiver):
                yield inner.target.attr, inner  # type: ignore[union-attr]
        elif isinstance(inner, ast.AugAssign):
            if _is_attribute_of(inner.target, receiver):
                yield inner.target.attr, _Augmented(inner)  # type: ignore[union-attr]
        elif isinstance(inner, ast.Expr):
            yield from _registered(inner.value, receiver)
        elif isinstance(inner, (ast.For, ast.AsyncFor)):
            for name, _ in _parts(inner.target, inner.iter, receiver):
                yield name, _NOT_FOLLOWED


def _registered(node: ast.expr, receiver: str) -> Iterator[tuple[str, ast.expr]]:
    """``self.register_buffer("mask", tensor)``."""
    if not isinstance(node, ast.Call) or not _is_attribute_of(node.func, receiver) or len(node.args) < 2:
        return
    name = node.args[0]
    if node.func.attr in ("register_buffer", "register_parameter", "add_module") and isinstance(  # type: ignore[attr-defined]
        name, ast.Constant
    ):
        if isinstance(name.value, str):
            yield name.value, node.args[1]


_NOT_FOLLOWED = ast.Constant(...)
"""Stands for a value of which nothing is known."""


class _Augmented(ast.expr):
    """``self.x += value``: what is left behind depends on what was there."""

    _fields = ()

    def __init__(self, statement: ast.AugAssign) -> None:
        super().__init__()
        self.statement = statement


def _parts(target: ast.expr, value: ast.expr, receiver: str) -> Iterator[tuple[str, ast.expr]]:
    if _is_attribute_of(target, receiver):
        yield target.attr, value  # type: ignore[attr-defined]
    elif isinstance(target, (ast.Tuple, ast.List)):
        values = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
        if len(values) != len(target.elts) or any(isinstance(v, ast.Starred) for v in (*values, *target.elts)):
            values = [_Part(value, index) for index in range(len(target.elts))]
        for element, part in zip(target.elts, values):
            yield from _parts(element.value if isinstance(element, ast.Starred) else element, part, receiver)


class _Part(ast.expr):
    """One part of a value that is unpacked into attributes: as an expression of its own."""

    _fields = ()

    def __init__(self, whole: ast.expr, index: int) -> None:
        super().__init__()
        self.whole = whole
        self.index = index


def attribute_kind(kinds: Kinds, owner: ast.ClassDef, name: str) -> Kind | None:
    """The kind of an attribute that a class or its bases assign; None if they do not."""
    values = attribute_values(kinds, owner, name)
    if not values:
        return None
    plain = [
        imported(value_kind(home, value, name), home, kinds)
        for home, value in values
        if not isinstance(value, _Augmented)
    ]
    kind = join(plain) if plain else UNKNOWN
    for home, value in values:
        if isinstance(value, _Augmented) and not kind.is_a(*ARRAYS):  # arrays are changed in place
            from mlint.model.kinds.arithmetic import arithmetic

            kind = join([kind, arithmetic(kind, home.of(value.statement.value), value.statement.op)])
    from mlint.model.kinds import outside

    return outside.joined(kinds, owner, name, kind)


def hopeless(kinds: Kinds, owner: ast.ClassDef, name: str) -> bool:
    """Whether the class's own file assigns something unknown to an attribute: its bases cannot make that known."""
    return any(
        not isinstance(value, _Augmented) and value_kind(home, value, name).name == "unknown"
        for home, value in attribute_values(kinds, owner, name, abroad=False)
    )


def value_kind(kinds: Kinds, value: ast.expr | ast.AnnAssign, name: str) -> Kind:
    """The kind of something that is assigned to an attribute."""
    if isinstance(value, _Part):
        from mlint.model.kinds.inference import unpacked

        path: list[int] = []
        whole: ast.expr = value
        while isinstance(whole, _Part):
            path.insert(0, whole.index)
            whole = whole.whole
        return unpacked(kinds.of(whole), path)
    if isinstance(value, ast.AnnAssign):
        kind = kinds.annotation(value.annotation)
        return kind if kind.known or value.value is None else kinds.of(value.value)
    kind = kinds.of(value)
    if kind.name in ("list", "dict", "set"):
        return kinds.containers.grown_attribute(kind, name)
    return kind


def imported(kind: Kind, origin: Kinds, here: Kinds) -> Kind:
    """A kind that another file's kinds gave, as seen from this file."""
    if origin is here:
        return kind
    if kind.definition is not None:
        return kind._replace(definition=None, elsewhere=(origin, kind.definition))
    if kind.elsewhere is not None and kind.elsewhere[0] is here:
        return kind._replace(definition=kind.elsewhere[1], elsewhere=None)
    if kind.elements or kind.alternatives:
        return kind._replace(
            elements=tuple(imported(element, origin, here) for element in kind.elements),
            alternatives=tuple(imported(one, origin, here) for one in kind.alternatives),
        )
    return kind


def home_of(kinds: Kinds, kind: Kind) -> tuple[Kinds, ast.ClassDef] | None:
    """The class of the project that a value is an instance of, with the kinds of its file."""
    if kind.definition is not None:
        return kinds, kind.definition
    return kind.elsewhere


def is_class_method(kinds: Kinds, node: ast.AST) -> bool:
    """Whether the method around a node is a class method: its first parameter is the class."""
    function = next((f for f in kinds.tree.functions(node) if isinstance(kinds.tree.parent(f), ast.ClassDef)), None)
    return function is not None and (
        function.name in ("__new__", "__init_subclass__", "__class_getitem__")
        or any(isinstance(d, ast.Name) and d.id == "classmethod" for d in function.decorator_list)
    )


def _is_attribute_of(node: ast.AST, receiver: str) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == receiver


