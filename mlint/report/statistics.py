"""How often each rule was broken: what ``--statistics`` prints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlint.finding import Finding
from mlint.report import ReportContext, emit
from mlint.report.ansi import BOLD_YELLOW, CYAN, paint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


@dataclass(frozen=True, slots=True)
class RuleCount:
    """One rule's findings, and how many of them a run with ``--fix`` would fix."""

    code: str
    name: str
    count: int
    fixable_count: int


def rule_counts(findings: Iterable[Finding], context: ReportContext) -> list[RuleCount]:
    """Count the findings by rule: the most frequent first, equal ones by code."""
    counts: dict[str, list[int]] = {}
    names: dict[str, str] = {}
    for finding in findings:
        names.setdefault(finding.code, finding.name)
        pair = counts.setdefault(finding.code, [0, 0])
        pair[0] += 1
        pair[1] += context.applies(finding)
    rows = [RuleCount(code, names[code], count, fixable) for code, (count, fixable) in counts.items()]
    return sorted(rows, key=lambda row: (-row.count, row.code))


def write_statistics(
    findings: Iterable[Finding], stream: TextIO, *, context: ReportContext, format: str = "full"
) -> None:
    """Write the counts: as JSON for the json formats, as a table of text for the others.

    The table marks a rule ``[*]`` when all of its findings would be fixed, ``[-]`` when some would, ``[ ]`` when none.
    """
    rows = rule_counts(findings, context)
    if format in ("json", "json-lines"):
        emit([_as_json(rows, lines=format == "json-lines")], stream)
        return
    digits = max((len(str(row.count)) for row in rows), default=0)
    width = max((len(row.code) for row in rows), default=0)
    for row in rows:
        marker = "[*]" if row.fixable_count == row.count else "[-]" if row.fixable_count else "[ ]"
        code = paint(row.code, BOLD_YELLOW, context.color) + " " * (width - len(row.code))
        marker = paint(marker, CYAN, context.color and row.fixable_count > 0)
        emit([f"{row.count:>{digits}}  {code}  {marker} {row.name}\n"], stream)


def _as_json(rows: list[RuleCount], *, lines: bool) -> str:
    import json

    items = [
        {
            "code": row.code,
            "name": row.name,
            "count": row.count,
            "fixable": row.fixable_count > 0,
            "fixable_count": row.fixable_count,
        }
        for row in rows
    ]
    if lines:
        return "".join(json.dumps(item, separators=(",", ":")) + "\n" for item in items)
    return json.dumps(items, indent=2) + "\n"
