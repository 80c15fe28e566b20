"""mlint as a plugin of python-lsp-server: its findings among those of the others, and its safe fixes.

Entry point ``mlint`` of the group ``pylsp``. That server asks in several threads, and counts columns in UTF-16.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

import pluggy
from lsprotocol.types import Range

from mlint.finding import Finding, Safety
from mlint.registry import rule_url
from mlint.server.actions import FIX_ALL, NotPossibleError, edits_of
from mlint.server.analysis import Analysis, Analyzer
from mlint.server.configuration import Configuration
from mlint.server.documents import Document
from mlint.server.positions import UTF16
from mlint.server.views import FileView
from mlint.source import Source

hookimpl = pluggy.HookimplMarker("pylsp")

_SEVERITIES = {"error": 1}
_WARNING = 2


class _Session:
    """What is kept from call to call."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.problems: list[str] = []
        self.buffers: dict[str, str] = {}
        self.analyzer = Analyzer(Configuration(self.buffers, self.problems.append))

    def check(self, document: Any, workspace: Any) -> tuple[FileView, Analysis]:
        """What is found in a document as it is now, and in which text."""
        now = {str(other.path): str(other.source) for other in getattr(workspace, "documents", {}).values()}
        for path in [path for path in {*now, *self.buffers} if now.get(path) != self.buffers.get(path)]:
            if path in now:
                self.buffers[path] = now[path]
            else:
                del self.buffers[path]
            self.analyzer.edited(path)
        source = Source(str(document.source), str(document.path))
        view = FileView(Document(str(document.uri), source.path, "python", 0, source), UTF16)
        return view, self.analyzer.check(view.unit)


_SESSION: list[_Session] = []


def _session() -> _Session:
    if not _SESSION:
        _SESSION.append(_Session())
    return _SESSION[0]


@hookimpl  # type: ignore[untyped-decorator, unused-ignore]
def pylsp_settings() -> dict[str, Any]:
    """On, unless the user says otherwise."""
    return {"plugins": {"mlint": {"enabled": True}}}


@hookimpl  # type: ignore[untyped-decorator, unused-ignore]
def pylsp_lint(config: Any, workspace: Any, document: Any) -> list[dict[str, Any]]:
    """The findings of a document."""
    session = _session()
    with session.lock:
        view, analysis = session.check(document, workspace)
        return [one for finding in analysis.findings if (one := _diagnostic(view, finding)) is not None]


@hookimpl  # type: ignore[untyped-decorator, unused-ignore]
def pylsp_code_actions(
    config: Any, workspace: Any, document: Any, range: dict[str, Any], context: dict[str, Any]
) -> list[dict[str, Any]]:
    """The safe fixes of the findings in a range, each by itself, and all of the document."""
    session = _session()
    with session.lock:
        view, analysis = session.check(document, workspace)
        actions: list[dict[str, Any]] = []
        safe = False
        for number, finding in enumerate(analysis.findings):
            if finding.fix is None or finding.fix.safety is not Safety.SAFE:
                continue
            safe = True
            shown = _diagnostic(view, finding)
            if shown is not None and _overlap(shown["range"], range):
                edit = _edit(session.analyzer, view, "fix", number)
                if edit is not None:
                    title = f"{finding.fix.message} ({finding.code})"
                    actions.append({"title": title, "kind": "quickfix", "diagnostics": [shown], "edit": edit})
        if safe:
            edit = _edit(session.analyzer, view, "all", -1)
            if edit is not None:
                actions.append({"title": "Apply all safe fixes of mlint", "kind": FIX_ALL, "edit": edit})
        return actions


def _diagnostic(view: FileView, finding: Finding) -> dict[str, Any] | None:
    placed = view.place(finding)
    if placed is None:
        return None
    where = placed[1]
    return {
        "source": "mlint",
        "code": finding.code,
        "codeDescription": {"href": rule_url(finding.name)},
        "message": finding.text,
        "severity": _SEVERITIES.get(finding.severity, _WARNING),
        "range": _range(where),
    }


def _edit(analyzer: Analyzer, view: FileView, what: str, number: int) -> dict[str, Any] | None:
    try:
        by_uri = edits_of(analyzer, view, what, number)
    except NotPossibleError:
        return None
    return {
        "changes": {
            uri: [{"range": _range(edit.range), "newText": edit.new_text} for edit in edits]
            for uri, edits in by_uri.items()
        }
    }


def _range(where: Range) -> dict[str, Any]:
    return {
        name: {"line": place.line, "character": place.character}
        for name, place in (("start", where.start), ("end", where.end))
    }


def _overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    def place(at: dict[str, Any]) -> tuple[int, int]:
        return at["line"], at["character"]

    return max(place(one["start"]), place(other["start"])) <= min(place(one["end"]), place(other["end"]))
