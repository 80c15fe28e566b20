"""GitLab's Code Quality report."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from mlint.finding import Finding
from mlint.report import ReportContext
from mlint.report.fingerprint import fingerprints
from mlint.report.json import readable

_SEVERITY = {"error": "critical", "warning": "major", "info": "info"}


def render(findings: list[Finding], context: ReportContext) -> Iterator[str]:
    """Yield the report; paths count from the checkout when a GitLab job says where it is, else from the root."""
    root = os.environ.get("CI_PROJECT_DIR") or context.root
    issues = [
        {
            "description": readable(f"{finding.code}: {_cell(finding)}{finding.text}"),
            "check_name": finding.code,
            "fingerprint": name,
            "severity": _SEVERITY.get(finding.severity, "major"),
            "location": {
                "path": readable(context.relative(finding.path, root)),
                "positions": {
                    "begin": {"line": finding.start.line, "column": finding.start.column},
                    "end": {"line": finding.end.line, "column": finding.end.column},
                },
            },
        }
        for finding, name in zip(findings, fingerprints(findings, context, root))
    ]
    yield json.dumps(issues, indent=2) + "\n"


def _cell(finding: Finding) -> str:
    """Return where in a notebook the positions count from, for which GitLab has no field."""
    return "" if finding.cell is None else f"cell {finding.cell}, line {finding.start.line}: "
