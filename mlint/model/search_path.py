"""Which folders a file puts on `sys.path`: ``sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))``."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping

from mlint.model.tree import walk_blocks

_PATHS = frozenset({"Path", "pathlib.Path", "PurePath", "pathlib.PurePath", "str", "os.fspath", "os.fsdecode"})
_SAME = frozenset({"abspath", "realpath", "normpath", "expanduser", "resolve", "absolute", "as_posix"})
_DEEPEST = 20


def added_folders(module: ast.Module, path: str) -> tuple[str, ...]:
    """The folders that statements of a file put on `sys.path`, as far as they are spelled out."""
    reader = _Reader(module, os.path.abspath(path))
    found: dict[str, None] = {}
    for statement in walk_blocks(module.body):
        for value in _added(statement.value if isinstance(statement, ast.Expr) else statement):
            folder = reader.folder(value)
            if folder is not None:
                found[folder] = None
    return tuple(found)


def _added(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_search_path(node.func.value):
        if node.func.attr == "insert" and len(node.args) == 2:
            return [node.args[1]]
        if node.func.attr == "append" and len(node.args) == 1:
            return [node.args[0]]
        if node.func.attr == "extend" and len(node.args) == 1:
            return _parts(node.args[0])
    if isinstance(node, ast.AugAssign) and _is_search_path(node.target):
        return _parts(node.value)
    return []


def _parts(node: ast.expr) -> list[ast.expr]:
    return list(node.elts) if isinstance(node, (ast.List, ast.Tuple)) else []


def _is_search_path(node: ast.AST) -> bool:
    if not isinstance(node, ast.Attribute) or node.attr != "path":
        return False
    return isinstance(node.value, ast.Name) and node.value.id in ("sys", "_sys")


class _Reader:
    """Works out paths that are built from `__file__` and literals."""

    def __init__(self, module: ast.Module, path: str) -> None:
        self.path = path
        self.here = os.path.dirname(path)
        self.values = _assigned(module)

    def folder(self, node: ast.expr) -> str | None:
        """The folder that an expression names; relative ones are taken from where the file lies."""
        text = self.text(node, 0)
        return None if text is None else os.path.normpath(os.path.join(self.here, text))

    def text(self, node: ast.expr, depth: int) -> str | None:
        if depth > _DEEPEST:
            return None
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            if node.id == "__file__":
                return self.path
            value = self.values.get(node.id)
            return None if value is None else self.text(value, depth + 1)
        if isinstance(node, ast.Attribute):
            if node.attr == "parent":
                inner = self.text(node.value, depth + 1)
                return None if inner is None else os.path.dirname(inner)
            return {"pardir": "..", "curdir": "."}.get(node.attr)
        if isinstance(node, ast.Subscript):
            return self._parent(node, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.Add)):
            return self._joined(node, depth)
        return self._call(node, depth) if isinstance(node, ast.Call) else None

    def _parent(self, node: ast.Subscript, depth: int) -> str | None:
        """``Path(__file__).parents[1]``"""
        if not isinstance(node.value, ast.Attribute) or node.value.attr != "parents":
            return None
        inner = self.text(node.value.value, depth + 1)
        if inner is None or not isinstance(node.slice, ast.Constant) or not isinstance(node.slice.value, int):
            return None
        for _ in range(min(node.slice.value + 1, 50)):
            inner = os.path.dirname(inner)
        return inner

    def _joined(self, node: ast.BinOp, depth: int) -> str | None:
        left, right = self.text(node.left, depth + 1), self.text(node.right, depth + 1)
        if left is None or right is None:
            return None
        return left + right if isinstance(node.op, ast.Add) else os.path.join(left, right)

    def _call(self, node: ast.Call, depth: int) -> str | None:
        func = node.func
        name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
        if ast.unparse(func) in ("os.getcwd", "Path.cwd", "pathlib.Path.cwd"):
            return None  # nobody knows where it will be started
        texts = [self.text(argument, depth + 1) for argument in node.args]
        if name in ("join", "joinpath"):
            if name == "joinpath" and isinstance(func, ast.Attribute):
                texts.insert(0, self.text(func.value, depth + 1))
            known = [text for text in texts if text is not None]
            return os.path.join(*known) if known and len(known) == len(texts) else None
        if name == "dirname" and len(texts) == 1:
            return None if texts[0] is None else os.path.dirname(texts[0])
        if (name in _SAME or ast.unparse(func) in _PATHS) and len(texts) == 1:
            return texts[0]
        if name in _SAME and not texts and isinstance(func, ast.Attribute):
            return self._settled(self.text(func.value, depth + 1))
        return None

    def _settled(self, text: str | None) -> str | None:
        return None if text is None else os.path.normpath(os.path.join(self.here, text))


def _assigned(module: ast.Module) -> Mapping[str, ast.expr]:
    """The names that the file assigns once, whatever its scope."""
    found: dict[str, ast.expr | None] = {}
    for node in walk_blocks(module.body):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = None if target.id in found else node.value
    return {name: value for name, value in found.items() if value is not None}
