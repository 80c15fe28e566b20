"""Where in the project's source something is defined, without importing it."""

from __future__ import annotations

import ast
import os
from collections.abc import Sequence


def module_file(module: str, roots: Sequence[str]) -> str | None:
    """The file of a module of the project."""
    parts = module.split(".")
    for root in roots:
        base = os.path.join(root, *parts)
        for path in (f"{base}.py", os.path.join(base, "__init__.py")):
            if os.path.isfile(path):
                return path
    return None


def definition(reference: str, roots: Sequence[str]) -> tuple[str, int] | None:
    """File and line where ``package.module:name`` is defined; the module's first line where the name is not seen there.

    None where the module is none of the project's files.
    """
    module, _, path = reference.partition(":")
    file = module_file(module, roots)
    if file is None:
        return None
    try:
        with open(file, "rb") as stream:
            body = ast.parse(stream.read()).body
    except (OSError, SyntaxError, ValueError, RecursionError):
        return file, 1
    line = 1
    for name in path.split("."):
        found = _named(body, name)
        if found is None:
            break
        line = found.lineno
        body = found.body if isinstance(found, ast.ClassDef) else []
    return file, line


def _named(body: list[ast.stmt], name: str) -> ast.stmt | None:
    found: ast.stmt | None = None
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if statement.name == name:
                found = statement
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                found = statement
    return found
