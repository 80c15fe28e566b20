"""What can be done about a finding: quick fixes, comments that silence it, and all safe fixes at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lsprotocol.types import (
    CodeAction,
    CodeActionKind,
    Diagnostic,
    OptionalVersionedTextDocumentIdentifier,
    Range,
    TextDocumentEdit,
    TextEdit,
    WorkspaceEdit,
)

from mlint.finding import Finding, Safety
from mlint.linter import may_apply
from mlint.server.analysis import Analysis, Analyzer
from mlint.server.edits import edits_between, ignore_in_file
from mlint.server.preferences import Preferences
from mlint.server.views import View

FIX_ALL = "source.fixAll.mlint"
QUICK_FIX: str = CodeActionKind.QuickFix.value
_NOT_SILENCED = frozenset({"ML000", "ML001"})


class NotPossibleError(Exception):
    """What an action stands for cannot be done after all; the message says why."""


def wanted(kind: str, only: Sequence[str | CodeActionKind] | None) -> bool:
    """Whether a client asks for actions of a kind: kinds with dots belong to the kinds before the dots."""
    if only is None:
        return True
    names = [one.value if isinstance(one, CodeActionKind) else one for one in only]
    return any(name == "" or kind == name or kind.startswith(f"{name}.") for name in names)


def quick_fixes(
    finding: Finding, number: int, shown: Diagnostic, data: dict[str, Any], preferences: Preferences
) -> Iterator[CodeAction]:
    """The actions for one finding, without their edits."""
    fix = finding.fix
    rule = f"{finding.code} {finding.name}"

    def action(title: str, what: str, preferred: bool = False) -> CodeAction:
        return CodeAction(
            title=title,
            kind=QUICK_FIX,
            diagnostics=[shown],
            is_preferred=True if preferred else None,
            data={**data, "what": what, "number": number},
        )

    if fix is not None and fix.safety is Safety.SAFE:
        yield action(f"{fix.message} ({finding.code})", "fix", preferred=True)
    elif fix is not None and fix.safety is Safety.UNSAFE and preferences.unsafe_fixes:
        yield action(f"Unsafe fix, it may change what the program does: {fix.message} ({finding.code})", "fix")
    if finding.code not in _NOT_SILENCED:
        yield action(f"Ignore {rule} on this line", "line")
        yield action(f"Ignore {rule} in this file", "file")


def fix_all(analysis: Analysis, data: dict[str, Any]) -> CodeAction | None:
    """The action that applies all safe fixes; None if there is nothing to fix."""
    if not any(may_apply(finding, unsafe=False) for finding in analysis.findings):
        return None
    return CodeAction(title="Apply all safe fixes of mlint", kind=FIX_ALL, data={**data, "what": "all"})


def overlaps(one: Range, other: Range) -> bool:
    """Whether two ranges share a place; touching is enough, so that a cursor at the end of a word is on the word."""
    starts, ends = (one.start, other.start), (one.end, other.end)
    return max((p.line, p.character) for p in starts) <= min((p.line, p.character) for p in ends)


def edits_of(analyzer: Analyzer, view: View, what: str, number: int) -> dict[str, list[TextEdit]]:
    """The edits of an action, by document.

    Raises:
        NotPossibleError: there are none.
    """
    unit = view.unit
    if what == "fix":
        fix = analyzer.fix(unit, number)
        if fix is None:
            raise NotPossibleError("this code cannot be rewritten safely after all")
        edits = sorted(fix.edits or (), key=lambda edit: (edit.start, edit.end))
    elif what == "line":
        silenced = analyzer.ignore_line(unit, number)
        if silenced is None:
            raise NotPossibleError("there is no room for a comment in this line")
        edits = edits_between(unit.source.text, silenced.text)
    elif what == "file":
        findings = analyzer.check(unit).findings
        if not 0 <= number < len(findings):
            raise NotPossibleError("the finding is not there any more")
        edits = [ignore_in_file(unit.source, findings[number].code, view.top())]
    else:
        edits = edits_between(unit.source.text, analyzer.fix_all(unit)[0])
    placed = view.edits(edits)
    if placed is None:
        raise NotPossibleError("the edit would not stay within the cells of the notebook")
    return placed


def workspace_edit(edits: dict[str, list[TextEdit]], versions: dict[str, int], *, versioned: bool) -> WorkspaceEdit:
    """Edits as the client wants them: with the versions that they are for, if it understands these."""
    if not versioned:
        return WorkspaceEdit(changes=edits)
    return WorkspaceEdit(
        document_changes=[
            TextDocumentEdit(OptionalVersionedTextDocumentIdentifier(uri=uri, version=versions.get(uri)), list(found))
            for uri, found in edits.items()
        ]
    )
