"""For people at a terminal: what is wrong, where it stands in the code, why it matters, what to do."""

from __future__ import annotations

from collections.abc import Iterator

from mlint.finding import Finding, Fix, Safety
from mlint.report import ReportContext, one_line
from mlint.report.ansi import BLUE, BOLD, paint, severity_style
from mlint.report.concise import heading
from mlint.report.excerpt import Excerpt, excerpt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlint.source import Source


def render(findings: list[Finding], context: ReportContext) -> Iterator[str]:
    """Yield one block for each finding, each followed by an empty line."""
    place: tuple[str, int | None] | None = None
    source: Source | None = None
    for finding in findings:
        if place != (finding.path, finding.cell):
            place, source = (finding.path, finding.cell), context.source_of(finding)
        yield "\n".join(_block(finding, source, context)) + "\n\n"


def _block(finding: Finding, source: Source | None, context: ReportContext) -> Iterator[str]:
    yield heading(finding, finding.message, context)
    shown = None if source is None else excerpt(source, finding.start, finding.end, context.width)
    gutter = 1
    if shown is not None:
        gutter = len(str(shown.lines[-1].number))
        yield from _code(shown, gutter, severity_style(finding.severity), context.color)
    for label, text in _notes(finding, context):
        equals = paint("=", BLUE, context.color)
        yield f"{'':{gutter}} {equals} {paint(label + ':', BOLD, context.color)} {one_line(text)}"
    for label, value in finding.details:
        yield from _detail(label, value, gutter, context)


def _code(shown: Excerpt, gutter: int, style: str, color: bool) -> Iterator[str]:
    bar = paint("|", BLUE, color)
    empty = f"{'':{gutter}} {bar}"
    yield empty
    previous = shown.lines[0].number - 1
    for line in shown.lines:
        if line.number != previous + 1:
            yield paint("...", BLUE, color)
        previous = line.number
        yield f"{paint(f'{line.number:>{gutter}}', BLUE, color)} {bar} {line.text}".rstrip()
        if line.marked:
            marks = paint("^" * line.marked[1] + line.note, style, color)
            yield f"{empty} {' ' * line.marked[0]}{marks}"
    yield empty


def _detail(label: str, value: object, gutter: int, context: ReportContext) -> Iterator[str]:
    """A value on one line; a text of several lines below its label."""
    head = f"{'':{gutter}} {paint('=', BLUE, context.color)} {paint(label + ':', BOLD, context.color)}"
    if isinstance(value, str) and "\n" in value:
        yield head
        yield from (f"{'':{gutter}}     {one_line(line)}".rstrip() for line in value.strip("\n").splitlines())
    else:
        yield f"{head} {one_line(in_words(value))}"


def in_words(value: object) -> str:
    """A measured value for people: short numbers, lists with commas."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(in_words(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {in_words(item)}" for key, item in value.items())
    return str(value)


def _notes(finding: Finding, context: ReportContext) -> Iterator[tuple[str, str]]:
    rule = context.index.by_code.get(finding.code)
    if rule is not None and rule.summary and rule.summary != finding.message:
        yield "why", rule.summary
    fix = finding.fix
    if finding.advice and (fix is None or fix.message != finding.advice):
        yield "help", finding.advice
    if fix is not None:
        yield "fix", _promise(finding, fix, context)
    if context.show_url and (url := context.rule_url(finding.name)):
        yield "see", url


def _promise(finding: Finding, fix: Fix, context: ReportContext) -> str:
    """Say what the fix is and what it takes to have it applied."""
    if fix.safety is Safety.SUGGESTION:
        how = "suggestion, not applied"
    elif not context.may_fix(finding.code):
        how = f"not applied: the configuration says that {finding.code} is not to be fixed"
    elif fix.safety is Safety.UNSAFE:
        how = "`--fix --unsafe-fixes` does this; it may change behaviour"
    else:
        how = "`--fix` does this"
    return f"{fix.message} ({how})" if fix.message else how
