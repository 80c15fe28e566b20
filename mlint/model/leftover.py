"""What a statement leaves behind for others: whether a name that it binds can be read once it is gone.

A fix that puts an array expression in place of a loop drops the variables of the loop. `needed` says what stands in the
way of that for certain, `doubt` where somebody may look the name up by its text or from another module.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from mlint.model.tree import FUNCTIONS, walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_OF_MODULE = frozenset({"globals"})
_OF_SCOPE = frozenset({"locals", "vars", "dir", "eval", "exec"})
_SUPPRESSING = frozenset({"suppress", "raises", "assertRaises", "assertRaisesRegex"})
"""Contexts that end an error of their block."""
_QUERIES = frozenset({"query", "eval"})
"""Methods of frames that read local variables: ``df.query("x > @limit")``."""


def needed(model: FileModel, statement: ast.stmt, names: Iterable[str]) -> str | None:
    """Why names that a statement binds cannot simply disappear with it; None if nothing in the file reads them."""
    scope = model.tree.scope(statement)
    wanted = sorted(names)
    if isinstance(scope, ast.ClassDef):
        return "what is bound in a class is an attribute of the class"
    bindings = model.names.bindings(scope)
    for name in wanted:
        if any(binding.how in ("global", "nonlocal") for binding in bindings.get(name, ())):
            return f"`{name}` belongs to another scope"
    if isinstance(scope, ast.Module):
        for binding in bindings.get("__all__", ()):
            for inner in walk(binding.node):
                if isinstance(inner, ast.Constant) and inner.value in wanted:
                    return f"`{inner.value}` is exported"
    for inner in readers(model, statement, wanted):
        return f"`{inner.id}` is read after the loop"
    return None


def readers(model: FileModel, statement: ast.stmt, names: Collection[str]) -> Iterator[ast.Name]:
    """Where what a statement binds is read, changed or deleted, outside of it."""
    for inner in walk(model.tree.scope(statement)):
        if isinstance(inner, ast.Name) and inner.id in names and _is_read(model, inner, statement):
            yield inner


def _is_read(model: FileModel, name: ast.Name, statement: ast.stmt) -> bool:
    """Whether a name reads, changes or deletes what a statement has bound, from outside of it."""
    if isinstance(name.ctx, ast.Store):
        owner = model.tree.parent(name)
        if not isinstance(owner, ast.AugAssign) or owner.target is not name:
            return False
    if _within(model, name, statement):
        # What a loop goes over is computed before its first round.
        iterated = getattr(statement, "iter", None)
        if iterated is None or not _within(model, name, iterated):
            return False
    return any(
        binding.node is statement or _within(model, binding.node, statement)
        for binding in model.reaching.of(name) or ()
    )


def _within(model: FileModel, node: ast.AST, outer: ast.AST) -> bool:
    return node is outer or any(ancestor is outer for ancestor in model.tree.ancestors(node))


def doubt(model: FileModel, statement: ast.stmt, names: Iterable[str]) -> str | None:
    """Why somebody may miss the names that a statement binds, although nothing reads them by name."""
    scope = model.tree.scope(statement)
    wanted = tuple(names)
    if not wanted:
        return None
    if isinstance(scope, ast.Module):
        folder = os.path.dirname(model.source.path)
        if os.path.exists(os.path.join(folder, "__init__.py")):
            return "another module of the package may import the variable of the loop"
    for call in model.tree.calls:
        word = _looks_up(model, call, wanted)
        if word is None:
            continue
        home = model.tree.scope(call)
        reads_module = word in _OF_MODULE and isinstance(scope, ast.Module)
        if reads_module or home is scope or (isinstance(scope, ast.Module) and word in ("eval", "exec")):
            return f"`{word}` may read the variable of the loop"
        if isinstance(scope, FUNCTIONS) and _within(model, call, scope):
            return f"`{word}` may read the variable of the loop"
    return None


def _looks_up(model: FileModel, call: ast.Call, wanted: tuple[str, ...]) -> str | None:
    """The word of a call that reads variables by their names."""
    func = call.func
    if isinstance(func, ast.Name):
        known = func.id in _OF_MODULE or func.id in _OF_SCOPE
        if not known or (func.id in ("vars", "dir") and call.args):
            return None
        return func.id if model.names.lookup(func) is None else None
    if isinstance(func, ast.Attribute) and func.attr in _QUERIES and call.args:
        first = call.args[0]
        text = first.value if isinstance(first, ast.Constant) else None
        if not isinstance(text, str) or any(f"@{name}" in text for name in wanted):
            return func.attr
    return None


def read_elsewhere(model: FileModel, statement: ast.stmt, name: str) -> bool:
    """Whether functions of the file, or what looks up variables by their names, may read a variable of the scope of a
    statement while that runs.
    """
    scope = model.tree.scope(statement)
    for inner in walk(scope):
        if isinstance(inner, ast.Name) and inner.id == name and not _own(model, inner, scope):
            return True
    return doubt(model, statement, [name]) is not None


def _own(model: FileModel, name: ast.Name, scope: ast.AST) -> bool:
    """Whether a name stands in a scope itself, or means a variable of another one."""
    found = model.names.lookup(name)
    return model.tree.scope(name) is scope or found is None or found[0] is not scope


def errors_handled(model: FileModel, statement: ast.stmt) -> bool:
    """Whether the code goes on in the same function, or in a `finally`, when a statement raises: somebody sees what it
    has done up to then.
    """
    child: ast.AST = statement
    for ancestor in model.tree.ancestors(statement):
        if isinstance(ancestor, (*FUNCTIONS, ast.ClassDef)):
            return False
        body = getattr(ancestor, "body", [])
        within = isinstance(body, list) and any(child is part for part in body)
        if within and (getattr(ancestor, "handlers", None) or getattr(ancestor, "finalbody", None)):
            return True
        if within and isinstance(ancestor, (ast.With, ast.AsyncWith)):
            for item in ancestor.items:
                func = getattr(item.context_expr, "func", None)
                if getattr(func, "attr", getattr(func, "id", "")) in _SUPPRESSING:
                    return True
        child = ancestor
    return False
