"""What a fix replaces: the statements that differ between two versions of a file, and the imports that are new."""

from __future__ import annotations

import ast

from mlint.validation.purity import NotExecuted

_IMPORTS = (ast.Import, ast.ImportFrom)


def changed(old: ast.Module, new: ast.Module) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """The smallest run of statements of one block of the old tree that differs, and what stands there in the new one.

    Imports that only the new version has are left out.

    Raises:
        NotExecuted: nothing differs, or more than one place does.
    """
    had = {ast.dump(statement) for statement in old.body if isinstance(statement, _IMPORTS)}
    kept = [part for part in new.body if not isinstance(part, _IMPORTS) or ast.dump(part) in had]
    before, after = _differing(old.body, kept)
    if not before:
        raise NotExecuted("nothing is replaced")
    return before, after


def _differing(old: list[ast.stmt], new: list[ast.stmt]) -> tuple[list[ast.stmt], list[ast.stmt]]:
    first = 0
    while first < min(len(old), len(new)) and ast.dump(old[first]) == ast.dump(new[first]):
        first += 1
    behind = 0
    while behind < min(len(old), len(new)) - first and ast.dump(old[-1 - behind]) == ast.dump(new[-1 - behind]):
        behind += 1
    before, after = old[first : len(old) - behind], new[first : len(new) - behind]
    if len(before) == 1 and len(after) == 1 and type(before[0]) is type(after[0]):
        inner = _inner(before[0], after[0])
        if inner is not None:
            return _differing(*inner)
    return before, after


def _inner(old: ast.stmt, new: ast.stmt) -> tuple[list[ast.stmt], list[ast.stmt]] | None:
    """The one block of a compound statement that differs; None where its head or a second block differs as well."""
    found: list[tuple[list[ast.stmt], list[ast.stmt]]] = []
    for name, value in ast.iter_fields(old):
        other = getattr(new, name)
        if isinstance(value, list) and value and all(isinstance(part, ast.stmt) for part in value):
            if _dumped(value) != _dumped(other):
                found.append((value, other))
        elif isinstance(value, list) and value and all(hasattr(part, "body") for part in value):  # handlers, cases
            if len(value) != len(other):
                return None
            found += [(one.body, two.body) for one, two in zip(value, other) if _dumped(one.body) != _dumped(two.body)]
        elif _dumped(value) != _dumped(other):
            return None
    return found[0] if len(found) == 1 and found[0][0] and found[0][1] else None


def _dumped(value: object) -> object:
    if isinstance(value, ast.AST):
        return ast.dump(value)
    return [_dumped(part) for part in value] if isinstance(value, list) else value
