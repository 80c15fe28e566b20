"""Findings to bytes: one module per output format, imported only when that format is asked for.

Every format is a function ``render(findings, context) -> Iterator[str]``. The same findings give the same text,
whatever their order on the way in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from mlint.finding import Finding, Fix, Safety

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol, TextIO

    from mlint.source import Source

    class RuleSummary(Protocol):
        """What a report says about a rule; the entries of the rule index are of this shape."""

        @property
        def code(self) -> str: ...
        @property
        def name(self) -> str: ...
        @property
        def summary(self) -> str: ...
        @property
        def libraries(self) -> tuple[str, ...]: ...

    class RuleIndex(Protocol):
        """The rules by code."""

        @property
        def by_code(self) -> Mapping[str, RuleSummary]: ...


FORMATS: tuple[str, ...] = ("full", "concise", "json", "json-lines", "github", "gitlab", "sarif", "junit")


def _no_page(name_or_code: str) -> str | None:
    """There is no page to point to."""
    return None


class ReportContext:
    """What a report needs besides the findings.

    Args:
        index: the rules by code.
        sources: the text that the positions of a file refer to, or None where it cannot be had; called only by the
            formats that show or measure text, once per file in a row, and should remember what it reads.
        cell_sources: the same for a notebook's cell, by path and cell number; edits of a finding in a cell count from
            its start.
        rule_url: address of a rule's page, by rule name.
        explanation: a rule's whole page, by code; only SARIF asks for it.
        root: folder that the paths of gitlab and sarif are relative to: the root of the checkout.
        color: whether to write ANSI colours.
        fixable: codes whose fixes may be applied; None stands for all.
        unsafe_fixes: whether unsafe fixes may be applied.
        show_url: whether to name a rule's page.
        width: columns of an excerpt; what is longer is cut around the range.
    """

    def __init__(
        self,
        index: RuleIndex,
        sources: Callable[[str], Source | None],
        cell_sources: Callable[[str, int], Source | None] | None = None,
        rule_url: Callable[[str], str | None] = _no_page,
        explanation: Callable[[str], str | None] = _no_page,
        root: str = ".",
        color: bool = False,
        fixable: frozenset[str] | None = None,
        unsafe_fixes: bool = False,
        show_url: bool = False,
        width: int = 140,
    ) -> None:
        self.index = index
        self.sources = sources
        self.cell_sources = cell_sources
        self.rule_url = rule_url
        self.explanation = explanation
        self.root = root
        self.color = color
        self.fixable = fixable
        self.unsafe_fixes = unsafe_fixes
        self.show_url = show_url
        self.width = width

    def source_of(self, finding: Finding) -> Source | None:
        """Return the text that ``finding``'s positions refer to, or None."""
        if finding.cell is None:
            return self.sources(finding.path)
        return None if self.cell_sources is None else self.cell_sources(finding.path, finding.cell)

    def applies(self, finding: Finding) -> bool:
        """Say whether a run with ``--fix`` and these settings would apply the finding's fix."""
        return finding.fix is not None and self.safety_applies(finding.fix.safety) and self.may_fix(finding.code)

    def safety_applies(self, safety: Safety) -> bool:
        """Say whether fixes of this safety are applied under these settings."""
        return safety is Safety.SAFE or (safety is Safety.UNSAFE and self.unsafe_fixes)

    def may_fix(self, code: str) -> bool:
        """Say whether the configuration lets the fixes of this rule be applied at all."""
        return self.fixable is None or code in self.fixable

    def absolute(self, path: str) -> str:
        """Return the absolute path, or ``path`` itself where it stands for standard input."""
        return path if _is_stream(path) else os.path.abspath(path)

    def relative(self, path: str, start: str | None = None) -> str:
        """Return ``path`` relative to ``start`` (default: the root), with forward slashes."""
        if _is_stream(path):
            return path
        try:
            path = os.path.relpath(path, start or self.root)
        except ValueError:  # another drive
            path = os.path.abspath(path)
        return path.replace(os.sep, "/")


def write(
    format: str,
    findings: Sequence[Finding],
    stream: TextIO,
    *,
    context: ReportContext,
) -> None:
    """Write ``findings`` to ``stream`` in one of ``FORMATS``.

    Characters that the stream's encoding lacks are written as backslash escapes instead of ending the run.

    Raises:
        ValueError: there is no such format.
    """
    emit(_renderer(format)(ordered(findings), context), stream)


def emit(parts: Iterable[str], stream: TextIO) -> None:
    """Write text to a stream that may not be able to encode all of it."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    for part in parts:
        try:
            stream.write(part)
        except UnicodeEncodeError:
            stream.write(part.encode(encoding, "backslashreplace").decode(encoding))


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings in report order: path, place, code."""
    return sorted(findings, key=lambda finding: finding.sort_key)


def position(finding: Finding) -> str:
    """Return ``path:line:column``, with the cell in between for a notebook."""
    cell = "" if finding.cell is None else f"cell {finding.cell}:"
    return f"{one_line(finding.path)}:{cell}{finding.start.line}:{finding.start.column}"


def one_line(text: str) -> str:
    """Return ``text`` with everything that could move the cursor or the line written as an escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def built(finding: Finding) -> Finding:
    """Return the finding with the edits of its fix made, without a fix where the rewrite proves impossible.

    Building imports LibCST, so the formats that only say that there is a fix do not call this.
    """
    fix = finding.fix
    if fix is None or fix.edits is not None or fix.build is None:
        return finding
    made: Fix | None = fix.build()
    return finding._replace(fix=made)


def _is_stream(path: str) -> bool:
    return path == "-" or path.startswith("<")


def _renderer(format: str) -> Callable[[list[Finding], ReportContext], Iterator[str]]:
    # Spelt out, one import per format: cheaper than importlib and followed by type checkers and freezers.
    if format == "full":
        from mlint.report.full import render
    elif format == "concise":
        from mlint.report.concise import render
    elif format == "json":
        from mlint.report.json import render
    elif format == "json-lines":
        from mlint.report.json_lines import render
    elif format == "github":
        from mlint.report.github import render
    elif format == "gitlab":
        from mlint.report.gitlab import render
    elif format == "sarif":
        from mlint.report.sarif import render
    elif format == "junit":
        from mlint.report.junit import render
    else:
        raise ValueError(f"there is no output format `{format}`; choose one of {', '.join(FORMATS)}")
    return render
