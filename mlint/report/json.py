"""One JSON array with the keys that Ruff writes, so that what reads Ruff's reports reads these."""

from __future__ import annotations

import json
from collections.abc import Iterator

from mlint.finding import Finding, Location
from mlint.report import ReportContext, built

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlint.source import Source


def render(findings: list[Finding], context: ReportContext) -> Iterator[str]:
    """Yield the array, one indented object per finding."""
    if not findings:
        yield "[]\n"
        return
    separator = "[\n"
    for item in objects(findings, context):
        text = json.dumps(item, indent=2, sort_keys=True)
        yield separator + "\n".join("  " + line for line in text.splitlines())
        separator = ",\n"
    yield "\n]\n"


def objects(findings: list[Finding], context: ReportContext) -> Iterator[dict[str, object]]:
    """Yield one object per finding; fixes that are not built yet are built here."""
    place: tuple[str, int | None] | None = None
    source: Source | None = None
    rows: dict[int, int] = {}
    for finding in findings:
        if place != (finding.path, finding.cell):
            place, source = (finding.path, finding.cell), context.source_of(finding)
            rows = _noqa_rows(source if finding.cell is None else _as_python(source))
        finding = built(finding)
        row: dict[str, object] = {
            "filename": readable(context.absolute(finding.path)),
            "code": finding.code,
            "name": finding.name,
            "message": readable(finding.text),
            "severity": finding.severity,
            "url": context.rule_url(finding.name),
            "cell": finding.cell,
            "noqa_row": rows.get(finding.start.line, finding.start.line),
            "location": _location(finding.start),
            "end_location": _location(finding.end),
            "fix": _fix(finding, source),
        }
        if finding.details:
            row["evidence"] = dict(finding.details)
        yield row


def readable(text: str) -> str:
    """Return ``text`` with the undecodable bytes of a file name, which no JSON reader takes, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _fix(finding: Finding, source: Source | None) -> dict[str, object] | None:
    fix = finding.fix
    if fix is None:
        return None
    edits: list[dict[str, object]] = []
    # Without the text an offset has no line: no edits then rather than wrong ones.
    if source is not None and fix.edits is not None:
        edits += (
            {
                "content": readable(edit.content),
                "location": _location(source.location(edit.start)),
                "end_location": _location(source.location(edit.end)),
            }
            for edit in fix.edits
        )
    return {"applicability": fix.safety.value, "message": readable(fix.message), "edits": edits}


def _location(location: Location) -> dict[str, int]:
    return {"row": location.line, "column": location.column}


def _as_python(source: Source | None) -> Source | None:
    """Return the source of a notebook's cell as Python's tokenizer can read it."""
    if source is None:
        return None
    from mlint.notebook.magics import masked

    return type(source)(masked(source.text).text, source.path)


def _noqa_rows(source: Source | None) -> dict[int, int]:
    """Return, for lines inside strings or before a backslash, the line where their ``noqa`` comment goes."""
    if source is None or not ('"""' in source.text or "'''" in source.text or "\\" in source.text):
        return {}
    from mlint.suppress import joined_lines

    return {line: last for line, (_, last) in joined_lines(source).items()}
