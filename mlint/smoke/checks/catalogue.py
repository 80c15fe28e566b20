"""What the checks declare, read from their source, so that an interpreter without torch can list and explain them."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """The declaration of one check."""

    code: str
    name: str
    tier: str
    cost: float
    rules: tuple[str, ...]
    page: str
    """The docstring."""


def catalogue() -> dict[str, Entry]:
    """Code -> declaration of every check of this package."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "code = " not in text:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef):
                values = _literals(node)
                if values.get("code"):
                    entry = Entry(
                        str(values["code"]),
                        str(values.get("name", "")),
                        str(values.get("tier", "exact")),
                        float(str(values.get("cost", 0.0))),
                        tuple(str(rule) for rule in _sequence(values.get("rules"))),
                        inspect.cleandoc(ast.get_docstring(node, clean=False) or ""),
                    )
                    found[entry.code] = entry
    return dict(sorted(found.items()))


def _literals(node: ast.ClassDef) -> dict[str, object]:
    """Name -> value of the class attributes that are literals."""
    values: dict[str, object] = {}
    for statement in node.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target, value = statement.target, statement.value
        else:
            continue
        if isinstance(target, ast.Name):
            try:
                values[target.id] = ast.literal_eval(value)
            except ValueError:
                continue
    return values


def _sequence(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, tuple | list) else ()
