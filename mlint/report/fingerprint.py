"""Names for findings that survive edits elsewhere in the file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from mlint.finding import Finding
from mlint.report import ReportContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlint.source import Source


def fingerprints(findings: Sequence[Finding], context: ReportContext, root: str | None = None) -> list[str]:
    """Return one name per finding, stable while lines move.

    A name is made of the path relative to ``root``, the code, the text of the line without its layout, and how many
    equal ones came before; so it changes when the line itself changes, and no two findings share one.

    Args:
        findings: in report order.
        context: where the source texts come from.
        root: the folder that paths count from; the context's by default.
    """
    seen: dict[tuple[str, str, str], int] = {}
    names = []
    place: tuple[str, int | None] | None = None
    source: Source | None = None
    for finding in findings:
        if place != (finding.path, finding.cell):
            place, source = (finding.path, finding.cell), context.source_of(finding)
        key = (context.relative(finding.path, root), finding.code, _line(source, finding.start.line))
        count = seen[key] = seen.get(key, -1) + 1
        material = "\0".join((*key, str(count))).encode("utf-8", "surrogateescape")
        names.append(hashlib.sha256(material).hexdigest()[:32])
    return names


def _line(source: Source | None, number: int) -> str:
    if source is None or not 1 <= number <= len(source.line_starts):
        return ""
    return " ".join(source.line(number).split())
