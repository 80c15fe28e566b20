"""The closing lines of a run: how many findings, and what would fix them."""

from __future__ import annotations

from collections.abc import Iterable

from mlint.finding import Finding, Safety


def summary(
    findings: Iterable[Finding],
    *,
    fixed: int = 0,
    fix: bool = False,
    unsafe_fixes: bool = False,
    fixable: frozenset[str] | None = None,
) -> str:
    """Return the one line that closes a report.

    Args:
        findings: what remains.
        fixed: how many the run has fixed.
        fix: the run was with ``--fix``, so what is left of the safe fixes could not be applied and is not promised.
        unsafe_fixes: unsafe fixes are on.
        fixable: codes whose fixes may be applied; None stands for all.
    """
    remaining = list(findings)
    safe, unsafe = fixable_counts(remaining, fixable)
    if not remaining:
        return f"Fixed {counted(fixed, 'finding')}; nothing remains." if fixed else "All checks passed."
    if fix:
        notes = [f"{fixed} fixed, {len(remaining)} remaining"] if fixed else []
        if unsafe and not unsafe_fixes:
            notes.append(f"{unsafe} {'more ' if fixed else ''}fixable with --unsafe-fixes")
        found = counted(fixed + len(remaining), "finding")
        return f"Found {found} ({'; '.join(notes)})." if notes else f"Found {found}."
    if unsafe_fixes:
        now, flags, more = safe + unsafe, "--fix --unsafe-fixes" if unsafe else "--fix", 0
    elif safe:
        now, flags, more = safe, "--fix", unsafe
    else:
        now, flags, more = unsafe, "--fix --unsafe-fixes", 0
    found = f"Found {counted(len(remaining), 'finding')}"
    if not now:
        return f"{found}."
    tail = f", {more} more with --unsafe-fixes" if more else ""
    return f"{found} ({now} fixable with {flags}{tail})."


def diff_summary(fixed: int, unsafe_hidden: int = 0) -> str:
    """Return the one line that closes a run with ``--diff``, on standard error.

    Args:
        fixed: how many findings the diff would fix.
        unsafe_hidden: how many more have a fix that only ``--unsafe-fixes`` would show.
    """
    would = f"Would fix {counted(fixed, 'finding')}" if fixed else "Nothing to fix"
    return f"{would} ({unsafe_hidden} more with --unsafe-fixes)." if unsafe_hidden else f"{would}."


def fixable_counts(findings: Iterable[Finding], fixable: frozenset[str] | None = None) -> tuple[int, int]:
    """Return how many of the findings have a safe and how many an unsafe fix that may be applied."""
    safe = unsafe = 0
    for finding in findings:
        if finding.fix is None or not (fixable is None or finding.code in fixable):
            continue
        safe += finding.fix.safety is Safety.SAFE
        unsafe += finding.fix.safety is Safety.UNSAFE
    return safe, unsafe


def counted(number: int, noun: str) -> str:
    """Return the number and the noun, which gets an s unless there is exactly one."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
