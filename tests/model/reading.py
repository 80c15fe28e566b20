"""Models of small programs, and the nodes in them that tests ask about."""

from __future__ import annotations

import ast
import textwrap

from mlint.model.file import FileModel
from mlint.model.tree import walk
from mlint.source import Source


def model_of(code: str, path: str = "example.py") -> FileModel:
    """The model of a program."""
    source = Source.from_bytes(textwrap.dedent(code).encode(), path)
    return FileModel(source, source.parse())


def marked(model: FileModel, mark: str = "here") -> ast.expr:
    """The argument of the call ``here(...)`` in a program."""
    for node in walk(model.module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == mark:
            return node.args[0]
    raise AssertionError(f"no call of {mark}")
