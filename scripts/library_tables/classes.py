"""Bases and members of classes: private bases are seen through, public ones are named."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from mlint.model.libraries import ROOTS
from mlint.model.names import canonical
from scripts.library_tables.entries import Argument, arguments_of, is_overload, members_of
from scripts.library_tables.reading import FUNCTIONS, Found, Library, Module, dotted_of, last_of

_SILENT = frozenset(
    "object ABC Generic Protocol NamedTuple TypedDict Enum IntEnum str int float dict list tuple set Exception "
    "RuntimeError ValueError TypeError Warning UserWarning ABCMeta type BackendLayer AutoTrackable Trackable "
    "ModelVersionSelector LayerVersionSelector".split()
)
"""Bases that bring no member of interest."""
_METACLASSES = frozenset({"ABCMeta", "DatasetInitialization", "SimpleEmbedMeta", "EnumMeta", "_DataPipeMeta"})


class Classes:
    """Reads classes of one version of a library.

    Args:
        library: its files.
        paths: the public name of each object, by its identity.
    """

    def __init__(self, library: Library, paths: Mapping[str, str]) -> None:
        self.library = library
        self.paths = paths

    def bases(self, found: Found, seen: frozenset[str] = frozenset()) -> tuple[list[str], bool]:
        """The public bases of a class, those of private bases included, and whether there are unknown ones."""
        bases: list[str] = []
        unknown = False
        for other, name in self._direct(found):
            if other is None:
                if name is None:
                    unknown = True
                elif name.rpartition(".")[2] not in _SILENT:
                    unknown = unknown or name.partition(".")[0] not in ROOTS
                    if "." in name:
                        bases.append(canonical(name))
                continue
            if other.identity in seen:
                continue
            public = self.paths.get(other.identity)
            if public is not None:
                bases.append(public)
                continue
            more, hidden = self.bases(other, seen | {found.identity})
            bases += more
            unknown = unknown or hidden
        return list(dict.fromkeys(bases)), unknown

    def _direct(self, found: Found) -> Iterator[tuple[Found | None, str | None]]:
        """The bases of a class: the class, or the name of one that lies outside, or neither."""
        module = found.module
        assert module is not None
        for node in found.definitions:
            if not isinstance(node, ast.ClassDef):
                continue
            for base in node.bases:
                head = base.value if isinstance(base, ast.Subscript) else base
                dotted = dotted_of(head)
                if dotted is None:
                    yield None, None
                    continue
                other = self.library.within(module, dotted) or self.library.within(module, dotted, stub=True)
                if other is not None and other.definitions and isinstance(other.definitions[0], ast.ClassDef):
                    yield other, None
                elif other is not None and other.is_unknown:
                    yield None, None
                else:
                    yield None, module.absolute(dotted) or dotted
            for keyword in node.keywords:
                if keyword.arg == "metaclass" and last_of(keyword.value) not in _METACLASSES:
                    yield None, None

    def members(self, found: Found) -> Iterator[tuple[str, list[ast.AST], Module]]:
        """The members of a class, with those of its private bases, nearest first."""
        done: set[str] = set()
        for owner in self._with_private_bases(found, set()):
            module = owner.module
            assert module is not None
            for node in owner.definitions:
                if isinstance(node, ast.ClassDef):
                    members: dict[str, list[ast.AST]] = {}
                    members_of(node.body, members)
                    for name, nodes in members.items():
                        if name not in done:
                            yield name, nodes, module
                    done |= members.keys()

    def _with_private_bases(self, found: Found, seen: set[str]) -> Iterator[Found]:
        if found.identity in seen:
            return
        seen.add(found.identity)
        yield found
        for other, _ in self._direct(found):
            if other is not None and other.identity not in self.paths:
                yield from self._with_private_bases(other, seen)

    def inherited_constructor(self, found: Found) -> list[Argument] | None:
        """The parameters of the constructor that a class takes over."""
        seen: set[str] = set()
        pending = [found]
        while pending:
            owner = pending.pop(0)
            if owner.identity in seen:
                continue
            seen.add(owner.identity)
            for node in owner.definitions:
                for inner in node.body if isinstance(node, ast.ClassDef) else ():
                    if isinstance(inner, FUNCTIONS) and inner.name == "__init__" and not is_overload(inner):
                        return arguments_of(inner, True)
            for other, name in self._direct(owner):
                if other is not None:
                    pending.append(other)
                elif name is None or name.rpartition(".")[2] not in _SILENT:
                    return None
        return None
