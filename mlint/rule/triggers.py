"""Triggers: what a rule asks to be shown.

The engine walks a file once and looks each node up in tables made from the triggers of all active rules. A trigger
says under which words it wants to be looked up (its channels), and decides for a node found there whether it is meant.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, TypeAlias

from mlint.model.names import expand

if TYPE_CHECKING:
    from mlint.model.file import FileModel

Channel: TypeAlias = tuple[str, str]
"""(table, word): `call` by the last word of the callee, `attribute` by attribute, `import` by imported name, `store` by
the attribute assigned to, `statement` by the last word of a call that is one, `node` by the class of the node, `loop`
by what its rounds do, `module` for the file."""


class Trigger:
    """Base of the triggers."""

    def channels(self) -> list[Channel]:
        """Under which words the engine should look this trigger up."""
        raise NotImplementedError

    def matches(self, node: ast.AST, model: FileModel) -> bool:
        """Whether a node found under one of the channels is meant."""
        raise NotImplementedError


class Call(Trigger):
    """A call of a function or class, by dotted name: ``Call("torch.load")``. The usual abbreviations are understood."""

    def __init__(self, *names: str) -> None:
        self.names = frozenset(expand(name) for name in names)

    def channels(self) -> list[Channel]:
        return [("call", name.rpartition(".")[2]) for name in sorted(self.names)]

    def matches(self, node: ast.AST, model: FileModel) -> bool:
        return isinstance(node, ast.Call) and model.names.dotted(node.func) in self.names


class Method(Trigger):
    """A call of a method on a receiver of a proven kind: ``Method("item", of=TENSOR)``.

    Without ``of``, of any receiver: the rule then proves by itself what it is.
    """

    def __init__(self, *names: str, of: str | tuple[str, ...] | None = None) -> None:
        self.names = frozenset(names)
        self.kinds = (of,) if isinstance(of, str) else of

    def channels(self) -> list[Channel]:
        return [("call", name) for name in sorted(self.names)]

    def matches(self, node: ast.AST, model: FileModel) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in self.names
            and (self.kinds is None or self._has_kind(node.func.value, model))
        )


    def _has_kind(self, receiver: ast.expr, model: FileModel) -> bool:
        assert self.kinds is not None
        kinds = model.kinds
        if kinds.written_out(receiver) and all("." in name for name in self.kinds):
            return False  # a list: no library's
        return kinds.is_a(receiver, *self.kinds)


class Reference(Trigger):
    """A mention of an object by dotted name, called or not: ``Reference("numpy.float")``.

    The rule is shown the attribute or name expression, and the import statement of a from-import.
    """

    def __init__(self, *names: str) -> None:
        self.names = frozenset(expand(name) for name in names)

    def channels(self) -> list[Channel]:
        words = sorted({name.rpartition(".")[2] for name in self.names})
        return [(table, word) for word in words for table in ("attribute", "import")]

    def matches(self, node: ast.AST, model: FileModel) -> bool:
        if isinstance(node, ast.ImportFrom):
            return not node.level and any(expand_import(node, alias) in self.names for alias in node.names)
        return isinstance(node, (ast.Attribute, ast.Name)) and model.names.dotted(node) in self.names


class Import(Trigger):
    """A from-import of an object, by dotted name."""

    def __init__(self, *names: str) -> None:
        self.names = frozenset(expand(name) for name in names)

    def channels(self) -> list[Channel]:
        return [("import", word) for word in sorted({name.rpartition(".")[2] for name in self.names})]

    def matches(self, node: ast.AST, model: FileModel) -> bool:
        return (
            isinstance(node, ast.ImportFrom)
            and not node.level
            and any(expand_import(node, alias) in self.names for alias in node.names)
        )


class Store(Trigger):
    """An assignment to an attribute, by its name: ``Store("requires_grad")``. The rule is shown the attribute."""

    def __init__(self, *attributes: str) -> None:
        self.attributes = frozenset(attributes)

    def channels(self) -> list[Channel]:
        return [("attribute", name) for name in sorted(self.attributes)]

    def matches(self, node: ast.AST, model: FileModel) -> bool:
        return isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr in self.attributes


class Read(Trigger):
    """A read of an attribute of a receiver of a proven kind: ``Read("ix", of=DATAFRAME)``."""

    def __init__(self, *attributes: str, of: str | tuple[str, ...]) -> None:
        self.attributes = frozenset(attributes)
        self.kinds = (of,) if isinstance(of, str) else of

    def channels(self) -> list[Channel]:
        return [("attribute", name) for name in sorted(self.attributes)]

    def matches(self, node: ast.AST, model: FileModel) -> bool:
        return (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Load)
            and node.attr in self.attributes
            and model.kinds.is_a(node.value, *self.kinds)
        )


class Statement(Trigger):
    """A call that is a statement of its own, whose result is thrown away, by the last word of what is called."""

    def __init__(self, *names: str) -> None:
        self.names = frozenset(name.rpartition(".")[2] for name in names)

    def channels(self) -> list[Channel]:
        return [("statement", name) for name in sorted(self.names)]

    def matches(self, node: ast.AST, model: FileModel) -> bool:
        return isinstance(node, ast.Call)


class Node(Trigger):
    """Every node of some types: ``Node(ast.For)``. The most expensive trigger; name a word where one will do."""

    def __init__(self, *types: type[ast.AST]) -> None:
        self.types = types

    def channels(self) -> list[Channel]:
        return [("node", node_type.__name__) for node_type in self.types]

    def matches(self, node: ast.AST, model: FileModel) -> bool:
        return isinstance(node, self.types)


class Loop(Trigger):
    """A `for` loop by what its rounds do (`mlint.model.loop_actions`), besides more: ``Loop(STORE, UPDATE)``."""

    def __init__(self, *actions: str) -> None:
        self.actions = actions

    def channels(self) -> list[Channel]:
        return [("loop", action) for action in self.actions]

    def matches(self, node: ast.AST, model: FileModel) -> bool:
        return isinstance(node, ast.For)


class Module(Trigger):
    """The file as a whole, once; with names of functions only a file that may call one of them."""

    def __init__(self, *called: str) -> None:
        self.called = tuple(sorted({name.rpartition(".")[2] for name in called}))

    def channels(self) -> list[Channel]:
        return [("module", name) for name in self.called or ("",)]

    def matches(self, node: ast.AST, model: FileModel) -> bool:
        return isinstance(node, ast.Module)


def expand_import(node: ast.ImportFrom, alias: ast.alias) -> str:
    """The canonical dotted name of what an alias of a from-import imports."""
    from mlint.model.names import canonical

    return canonical(f"{node.module}.{alias.name}")
