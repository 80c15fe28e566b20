"""What a module offers besides what it binds: the names in `__all__`, and those that it imports when asked."""

from __future__ import annotations

import ast

from mlint.model.tree import walk

_LAZY = ("__getattr__", "_LazyModule", "attach")


def exported_names(module: ast.Module, text: str) -> set[str] | None:
    """The names in `__all__`; None where there is none, or not all of it is plain to see."""
    if "__all__" not in text:
        return None
    found: set[str] = set()
    for statement in module.body:
        if isinstance(statement, ast.Assign):
            targets: list[ast.expr] = statement.targets
        elif isinstance(statement, (ast.AugAssign, ast.AnnAssign)):
            targets = [statement.target]
        else:
            continue
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            if not isinstance(statement.value, (ast.List, ast.Tuple)):
                return None
            for part in statement.value.elts:
                if not isinstance(part, ast.Constant) or not isinstance(part.value, str):
                    return None
                found.add(part.value)
    return found or None


def lazy_imports(module: ast.Module, text: str) -> dict[str, str]:
    """What the table of a package that imports when asked says, as name → module: from ``{"trainer": ["Trainer"]}``,
    or the other way round, ``{"Trainer": "pkg.trainer:Trainer"}``.
    """
    found: dict[str, str] = {}
    if not any(word in text for word in _LAZY):
        return found
    for node in walk(module):
        if not isinstance(node, ast.Dict):
            continue
        for key, value in zip(node.keys, node.values):
            if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                continue
            if isinstance(value, (ast.List, ast.Tuple, ast.Set)):
                for part in value.elts:
                    if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value != key.value:
                        found.setdefault(part.value, key.value)
            first = value.elts[0] if isinstance(value, (ast.Tuple, ast.List)) and value.elts else value
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.setdefault(key.value, first.value.partition(":")[0].removesuffix(f".{key.value}"))
    return found
