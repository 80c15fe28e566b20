"""Workflow commands that GitHub Actions turns into annotations of a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from mlint.finding import Finding
from mlint.report import ReportContext, position


def render(findings: list[Finding], context: ReportContext) -> Iterator[str]:
    """Yield one command for each finding.

    GitHub rejects columns on a range over several lines, and shows nothing of a command but its message in the log,
    which is why the message starts with the place.
    """
    for finding in findings:
        command = "error" if finding.severity == "error" else "notice" if finding.severity == "info" else "warning"
        properties = [f"file={_property(context.absolute(finding.path))}"]
        if finding.cell is None:
            properties += _lines(finding)
        properties.append(f"title={_property(f'mlint ({finding.code})')}")
        message = f"{position(finding)}: {finding.code} {finding.text}"
        if finding.fix is not None and finding.fix.message and finding.fix.message != finding.advice:
            message += f"\n  fix: {finding.fix.message}"
        yield f"::{command} {','.join(properties)}::{_data(message)}\n"


def _lines(finding: Finding) -> list[str]:
    start, end = finding.start, finding.end
    if start.line != end.line:
        return [f"line={start.line}", f"endLine={end.line}"]
    return [f"line={start.line}", f"col={start.column}", f"endLine={end.line}", f"endColumn={end.column}"]


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
