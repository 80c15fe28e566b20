"""One line per finding: ``path:line:col: CODE [*] text``."""

from __future__ import annotations

from collections.abc import Iterator

from mlint.finding import Finding
from mlint.report import ReportContext, one_line
from mlint.report.ansi import BOLD, CYAN, DIM, paint, severity_style


def render(findings: list[Finding], context: ReportContext) -> Iterator[str]:
    """Yield one line for each finding."""
    for finding in findings:
        yield heading(finding, finding.text, context) + "\n"


def heading(finding: Finding, text: str, context: ReportContext) -> str:
    """Return ``path:line:col: CODE [*] text``; ``[*]`` stands on what a run with ``--fix`` would fix."""
    color = context.color
    colon = paint(":", DIM, color)
    parts = [paint(one_line(finding.path), BOLD, color)]
    if finding.cell is not None:
        parts.append(f"cell {finding.cell}")
    parts += [str(finding.start.line), str(finding.start.column)]
    marker = paint("[*]", CYAN, color) + " " if context.applies(finding) else ""
    code = paint(finding.code, severity_style(finding.severity), color)
    return f"{colon.join(parts)}{colon} {code} {marker}{one_line(text)}"
