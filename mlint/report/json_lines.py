"""One JSON object per line, with the keys of the json format."""

from __future__ import annotations

import json
from collections.abc import Iterator

from mlint.finding import Finding
from mlint.report import ReportContext
from mlint.report.json import objects


def render(findings: list[Finding], context: ReportContext) -> Iterator[str]:
    """Yield one line for each finding."""
    for item in objects(findings, context):
        yield json.dumps(item, sort_keys=True, separators=(",", ":")) + "\n"
