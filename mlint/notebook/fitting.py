"""What a rule wants to rewrite, as what can be rewritten in the cells of a notebook."""

from __future__ import annotations

import ast
import re

from mlint.finding import Edit, Finding, Fix, Location, Safety
from mlint.notebook.module import NotebookSource
from mlint.source import Source

_NOTHING_SHOWN = frozenset({"print", "close", "extractall"})
"""Functions and methods that return None, of which nothing is shown."""


def fitting(finding: Finding, source: NotebookSource) -> Finding | None:
    """A finding of the module whose fix stays within cells; None where it speaks of what no cell says.

    A fix that would change how a cell is read, or use an import in a cell above it, is none. It becomes unsafe where a
    cell would no longer show the value of its last expression. Only a fix whose edits are made can be judged; one that
    could not be made is left as it is.
    """
    if finding.code != "ML000" and _of_no_cell(finding, source):
        return None
    fix = finding.fix
    if fix is None or fix.edits is None:
        return finding
    return finding._replace(fix=_fitted(fix, source))


def unparsed(source: NotebookSource) -> list[Finding]:
    """A finding for each cell that does not parse."""
    found: list[Finding] = []
    for error in source.errors:
        place = error.location or Location(1, 1)
        message = f"cell not read: {error.message}"
        found.append(Finding(source.path, place, place, "ML000", "syntax-error", message, severity="error"))
    return found


def _of_no_cell(finding: Finding, source: NotebookSource) -> bool:
    starts = source.line_starts
    if not 1 <= finding.start.line <= len(starts):
        return True
    return source.is_hidden(min(starts[finding.start.line - 1] + finding.start.column - 1, len(source.text)))


def _fitted(fix: Fix, source: NotebookSource) -> Fix | None:
    edits = source.fitted(fix.edits or ())
    if edits is None or _used_above(edits, source):
        return None
    changed = source.apply(edits)
    if not isinstance(changed, NotebookSource):
        return None
    safety = fix.safety
    if safety is Safety.SAFE and _shows_less(source, changed, edits):
        safety = Safety.UNSAFE
    return Fix(safety, fix.message, edits)


def _used_above(edits: tuple[Edit, ...], source: NotebookSource) -> bool:
    """Whether an import comes in a later cell than what is rewritten, which may be what uses it."""
    imports = [edit for edit in edits if is_import(edit)]
    others = [edit for edit in edits if not is_import(edit)]
    return bool(imports and others) and max(_cell(edit, source) for edit in imports) > min(
        _cell(edit, source) for edit in others
    )


def is_import(edit: Edit) -> bool:
    """Whether an edit inserts imports and nothing else."""
    words = edit.content.split()
    return edit.start == edit.end and bool(words) and words[0] in ("import", "from")


def _cell(edit: Edit, source: NotebookSource) -> int:
    place = source.cell_at(edit.start)
    assert place is not None, "fitted edits lie in cells"
    return place.number


def _shows_less(before: NotebookSource, after: NotebookSource, edits: tuple[Edit, ...]) -> bool:
    """Whether a changed cell would no longer show a value: it ended with an expression, and does not now."""
    for number in {_cell(edit, source=before) for edit in edits}:
        if _shows(before.cell(number).prepared.text) and not _shows(after.cell(number).prepared.text):
            return True
    return False


def _shows(text: str) -> bool:
    """Whether a cell ends with an expression whose value IPython shows, as it does unless a semicolon follows."""
    try:
        body = Source(text, "").parse().body
    except Exception:  # an indented cell, which is rare: nothing is known
        return False
    if not body or not isinstance(body[-1], ast.Expr):
        return False
    value = body[-1].value
    if isinstance(value, ast.Call):
        name = value.func
        if (name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")) in _NOTHING_SHOWN:
            return False
    return re.fullmatch(r"(?:\s|#[^\r\n]*)*", text[Source(text, "").span(body[-1])[1] :]) is not None
