"""Findings as the protocol's diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lsprotocol.types import CodeDescription, Diagnostic, DiagnosticSeverity, DiagnosticTag, Range

from mlint.finding import Finding, Safety
from mlint.registry import rule_url

SOURCE = "mlint"
_UNUSED = "ML001"


def diagnostic(finding: Finding, where: Range, *, described: bool, tagged: bool, number: int) -> Diagnostic:
    """One finding.

    Args:
        finding: what was found.
        where: its range in the document.
        described: the client shows links to the pages of rules.
        tagged: the client knows tags such as "unnecessary".
        number: its place among the findings of the text, by which an action finds it again.
    """
    unused = finding.code == _UNUSED
    severity = DiagnosticSeverity.Error if finding.severity == "error" else DiagnosticSeverity.Warning
    fix = finding.fix
    return Diagnostic(
        range=where,
        message=finding.text,
        severity=DiagnosticSeverity.Hint if unused and finding.severity != "error" else severity,
        code=finding.code,
        code_description=CodeDescription(rule_url(finding.name)) if described else None,
        source=SOURCE,
        tags=[DiagnosticTag.Unnecessary] if unused and tagged else None,
        data={
            "number": number,
            "name": finding.name,
            "fix": None if fix is None or fix.safety is Safety.SUGGESTION else fix.safety.value,
        },
    )


def diagnostics(
    findings: list[Finding], place: Callable[[Finding], tuple[str, Range] | None], *, described: bool, tagged: bool
) -> Iterator[tuple[str, Diagnostic]]:
    """All findings that have a place, in their order, each with the document that it is in."""
    for number, finding in enumerate(findings):
        found = place(finding)
        if found is not None:
            yield found[0], diagnostic(finding, found[1], described=described, tagged=tagged, number=number)
