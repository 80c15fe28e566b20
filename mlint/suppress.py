"""Comments that silence findings, and the ones that silence nothing.

``# noqa`` and ``# noqa: ML101`` are read as flake8 reads them: the comment serves its own line, and all the lines
that a multi-line string or a backslash joins to it. ``# mlint: ignore[ML101] reason`` serves the line on which a
finding starts or ends, or, standing alone, the line below. ``# mlint: file-ignore[ML1]`` and ``# flake8: noqa`` serve
the file. Codes may be prefixes; the forms of mlint take names of rules too. Only comments count, not strings.

Reading comments means tokenizing, which takes longer than parsing; so nothing is tokenized until a comment could
decide something.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mlint.finding import Edit, Finding, Fix, Safety
from mlint.source import Source, SourceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class KnownRule(Protocol):
        """What must be known of a rule to say that a suppression is of no use."""

        @property
        def code(self) -> str: ...
        @property
        def name(self) -> str: ...
        @property
        def default(self) -> bool: ...


UNUSED_CODE = "ML001"
UNUSED_NAME = "unused-suppression"
_SYNTAX_ERROR = "ML000"

# flake8 wants exactly one space after the sign and stops at the first word that is not a code; without any code the
# comment is for all. Separators are optional between codes, as there.
_NOQA = re.compile(r"# noqa(?P<list>:\s?(?P<codes>[A-Z]+[0-9]+(?:[,\s]*[A-Z]+[0-9]+)*))?", re.IGNORECASE)
# flake8 skips the whole file for it, also when codes follow.
_NOQA_FILE = re.compile(r"# flake8[:=]\s*noqa", re.IGNORECASE)
_MLINT = re.compile(r"#\s*mlint\s*:\s*(?P<word>[a-z]+(?:-[a-z]+)*)(?P<list>\s*\[(?P<codes>[^\]\r\n]*)\])?", re.I)
_TRACE = re.compile(r"#[^\r\n]*(?:noqa|mlint)[^\r\n]*", re.I)
_CODE = re.compile(r"[^,\s]+")
_LOOKS_LIKE_CODE = re.compile(r"[A-Z]+[0-9]+", re.I)
_OWN = re.compile(r"ML[0-9]+\Z")
# Words that people take from other tools; anything else after `mlint:` is prose.
_WRONG_WORDS = re.compile(r"(?:disable|skip|suppress|off|noqa|ignores?)(?:-(?:file|line|next-line))?")
_LEAVE_ALONE = re.compile(r"[\s:;,.\-–—]*")


@dataclass(slots=True)
class _Selector:
    """One code, prefix or name in a comment, and where it stands in the text."""

    text: str
    start: int
    end: int
    used: bool = False


@dataclass(slots=True)
class _Directive:
    """One suppression. ``selectors`` is None where it is for everything."""

    kind: str
    """``noqa``, ``ignore``, or ``file``."""
    line: int
    start: int
    end: int
    comment_end: int
    alone: bool
    """Nothing but the comment stands on the line."""
    label: str
    selectors: list[_Selector] | None
    serves: int = 0
    """The line below the block of comments that this one stands in, if nothing else stands on its line."""
    own: bool = False
    """Written for mlint alone, so that leaving it empty-handed is mlint's business."""
    used: bool = False
    problem: str = ""

    def silences(self, finding: Finding) -> bool:
        """Say whether this is for findings of that rule, and remember that it was."""
        if self.problem:
            return False
        if self.selectors is None:
            self.used = True
            return True
        hit = False
        for selector in self.selectors:
            if finding.code.startswith(selector.text.upper()) or (self.own and finding.name == selector.text.lower()):
                selector.used = hit = True
        self.used |= hit
        return hit


class Suppressions:
    """The suppressions of one file. Nothing is read before the first question."""

    __slots__ = ("_directives", "_lines", "_rough", "_source")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._rough: list[_Directive] | None = None
        self._directives: list[_Directive] | None = None
        self._lines: dict[int, tuple[int, int]] = {}

    def covers(self, finding: Finding) -> bool:
        """Say whether a comment silences the finding, and remember that the comment is of use."""
        if finding.code == _SYNTAX_ERROR or not any(entry.silences(finding) for entry in self._might()):
            return False
        start, end = finding.start.line, finding.end.line
        if end > start and finding.end.column <= 1:  # the range ends with a line end
            end -= 1
        covered = False
        for entry in self._read():
            if entry.kind == "file":
                here = True
            elif entry.kind == "noqa":
                first, last = self._lines.get(start, (start, start))
                here = first <= entry.line <= last
            else:
                # A range ends on the line of its last character, also where that line is joined to others.
                first, last = self._lines.get(start, (start, start))
                also_first, also_last = self._lines.get(end, (end, end))
                here = first <= entry.line <= last or also_first <= entry.line <= also_last
                here = here or entry.serves == first
            # No early end: every comment that applies is of use.
            if here and entry.silences(finding):
                covered = True
        return covered

    def unused(self, active_codes: Iterable[str], rules: Iterable[KnownRule] = ()) -> list[Finding]:
        """Report the suppressions that silenced nothing in all the calls of :meth:`covers` before.

        Codes of other tools are never reported, nor is a bare ``# noqa``, which is also for them. A prefix is
        reported only when all default rules that it stands for were active, a name only when ``rules`` is given.

        Args:
            active_codes: the rules that looked at this file.
            rules: all rules that there are.
        """
        known = _Known(frozenset(active_codes), rules)
        if not any(self._reports(entry, known) for entry in self._might()):
            return []
        if any(
            selector.text.upper() == UNUSED_CODE or selector.text.lower() == UNUSED_NAME
            for entry in self._read()
            if entry.kind == "file"
            for selector in entry.selectors or ()
        ):
            return []
        findings: list[Finding] = []
        for entry in self._read():
            findings += self._findings(entry, known)
        return sorted(findings, key=lambda finding: finding.sort_key)

    def _might(self) -> list[_Directive]:
        """Everything in the text that looks like a suppression, in strings too; costs no tokenizing."""
        if self._rough is None:
            text = self._source.text
            lower = text.lower()
            self._rough = []
            if "noqa" in lower or "mlint" in lower:
                for hit in _TRACE.finditer(text):
                    sign = hit[0].find("#")
                    # Each sign could be the one that starts the comment.
                    while sign >= 0:
                        self._rough += _directives(hit[0][sign:], hit.start() + sign, 0, True)
                        sign = hit[0].find("#", sign + 1)
        return self._rough

    def _read(self) -> list[_Directive]:
        """The suppressions in comments."""
        if self._directives is None:
            source = self._source
            self._directives = []
            serves: dict[int, int] = {}
            layout = _layout(source)
            self._lines = layout.joined
            for line, column, _ in reversed(layout.comments):
                if not source.line(line)[:column].strip():
                    serves[line] = serves.get(line + 1, line + 1)
            for line, column, comment in layout.comments:
                start = source.line_starts[line - 1] + column
                for entry in _directives(comment, start, line, line in serves):
                    entry.serves = serves.get(line, 0)
                    self._directives.append(entry)
        return self._directives

    def _reports(self, entry: _Directive, known: _Known) -> bool:
        """Say, from a rough reading, whether the comment could be one to report."""
        if entry.problem or (entry.own and not entry.selectors):
            return True
        return any(entry.own or known.is_own(selector.text) for selector in entry.selectors or ())

    def _findings(self, entry: _Directive, known: _Known) -> Iterator[Finding]:
        if entry.problem:
            yield self._finding(entry.start, entry.end, entry.problem, f"write `# mlint: {_shape(entry)}`", None)
            return
        if entry.selectors is None:
            if entry.own and not entry.used and known.all_default_active(""):
                yield self._removal(entry, [])
            return
        if any(selector.text.upper() == UNUSED_CODE for selector in entry.selectors):
            return
        idle: list[_Selector] = []
        for selector in entry.selectors:
            if selector.used:
                continue
            if not known.is_code(selector.text):
                if not entry.own or not known.names:
                    continue
                near = known.nearest(selector.text)
                if near == selector.text.lower():
                    if known.names[near] in known.active:
                        idle.append(selector)
                else:
                    advice = f"did you mean `{near}`?" if near else "remove it, or name a rule"
                    message = f"there is no rule `{selector.text}`"
                    yield self._finding(selector.start, selector.end, message, advice, None)
            elif known.is_own(selector.text) and known.all_default_active(selector.text.upper()):
                idle.append(selector)
        if idle:
            yield self._removal(entry, idle)
        elif not entry.selectors:
            yield self._removal(entry, [])

    def _removal(self, entry: _Directive, idle: list[_Selector]) -> Finding:
        names = ", ".join(selector.text for selector in idle)
        if names:
            what = f"`{names}` in `{entry.label}` silence{'s' if len(idle) == 1 else ''} nothing"
        else:
            what = f"`{entry.label}` silences nothing"
        fix = Fix(Safety.SAFE, "Remove it" if len(idle) < 2 else "Remove them", (self._edit(entry, idle),))
        start, end = (idle[0].start, idle[-1].end) if idle else (entry.start, entry.end)
        return self._finding(start, end, what, "remove it" if len(idle) < 2 else "remove them", fix)

    def _finding(self, start: int, end: int, message: str, advice: str, fix: Fix | None) -> Finding:
        source = self._source
        return Finding(
            path=source.path,
            start=source.location(start),
            end=source.location(end),
            code=UNUSED_CODE,
            name=UNUSED_NAME,
            message=message,
            advice=advice,
            fix=fix,
        )

    def _edit(self, entry: _Directive, idle: list[_Selector]) -> Edit:
        """The edit that takes the idle codes out, and the comment with them where nothing else is in it."""
        text = self._source.text
        selectors = entry.selectors or []
        kept = [selector for selector in selectors if selector not in idle]
        if kept:
            # Each code goes with the separator behind it, the last ones with the separator before them.
            parts = []
            for selector, follower in zip(selectors, [*selectors[1:], None]):
                if selector in kept:
                    until = selector.end if follower is None or selector is kept[-1] else follower.start
                    parts.append(text[selector.start : until])
            return Edit(selectors[0].start, selectors[-1].end, "".join(parts))
        rest = text[entry.end : entry.comment_end]
        words = _LEAVE_ALONE.sub("", rest, count=1)
        if words.startswith("#"):
            return Edit(entry.start, entry.comment_end - len(words), "")
        if words.strip():
            return Edit(entry.start, entry.comment_end - len(words), "# ")
        start = entry.start
        line_start = self._source.line_starts[entry.line - 1]
        while start > line_start and text[start - 1] in " \t\f":
            start -= 1
        end = entry.comment_end
        if start == line_start:  # the whole line goes
            if text.startswith("\r\n", end):
                end += 2
            elif text[end : end + 1] in ("\r", "\n"):
                end += 1
        return Edit(start, end, "")


class _Known:
    """The rules that there are and those that were active."""

    def __init__(self, active: frozenset[str], rules: Iterable[KnownRule]) -> None:
        self.active = active
        entries = list(rules)
        self.names = {entry.name: entry.code for entry in entries}
        self._defaults = {entry.code: entry.default for entry in entries}

    def is_code(self, text: str) -> bool:
        """Say whether a word in a suppression is to be read as a code or a prefix of codes, not as a name."""
        if text.lower() in self.names:
            return False
        prefix = text.upper()
        return _LOOKS_LIKE_CODE.fullmatch(text) is not None or any(code.startswith(prefix) for code in self._defaults)

    def is_own(self, text: str) -> bool:
        """Say whether a code is one of mlint's or of a rule that was added to it."""
        text = text.upper()
        return _OWN.match(text) is not None or text in self._defaults

    def all_default_active(self, prefix: str) -> bool:
        """Say whether no rule with this prefix that is on by default was left out of the run."""
        if not self._defaults:
            return any(code.startswith(prefix) for code in self.active)
        if prefix in self._defaults:
            return prefix in self.active
        matching = [code for code in self._defaults if code.startswith(prefix)]
        wanted = [code for code in matching if self._defaults[code]] or matching
        return all(code in self.active for code in wanted)

    def nearest(self, name: str) -> str | None:
        """The rule name that was meant, which is ``name`` itself where there is such a rule."""
        name = name.lower()
        if name in self.names:
            return name
        import difflib

        close = difflib.get_close_matches(name, self.names, n=1)
        return close[0] if close else None


@dataclass(slots=True)
class NoqaOutcome:
    """What :func:`add_noqa` did. ``skipped`` are the findings whose line cannot take a comment."""

    source: Source
    added: list[Finding] = field(default_factory=list)
    skipped: list[Finding] = field(default_factory=list)


def joined_lines(source: Source) -> dict[int, tuple[int, int]]:
    """Return, for each line that a string or a backslash joins to others, the first and the last of them.

    A ``noqa`` comment for any of them serves all; there is room for one only at the end of the last.
    """
    return _layout(source).joined


def add_noqa(source: Source, findings: Sequence[Finding], reason: str | None = None) -> NoqaOutcome:
    """Silence findings by ``# noqa`` comments, merged into the ones that are there.

    The comment goes to the end of the line where a finding starts, or of the last line that a string or a backslash
    joins to it, which is where flake8 looks. The meaning of the program stays as it is; where a comment would change
    it, the finding is skipped.

    Args:
        source: the file.
        findings: its findings that no comment silences yet.
        reason: words to put behind the codes.
    """
    layout = _layout(source)
    at = {line: (column, comment) for line, column, comment in layout.comments}
    by_line: dict[int, list[Finding]] = {}
    outcome = NoqaOutcome(source)
    for finding in findings:
        line = finding.start.line
        last = layout.joined.get(line, (line, line))[1]
        if finding.code in (_SYNTAX_ERROR, UNUSED_CODE) or line > len(source.line_starts) or last in layout.in_string:
            outcome.skipped.append(finding)
        else:
            by_line.setdefault(last, []).append(finding)
    edits = {
        line: _noqa_edit(source, line, at.get(line), sorted({finding.code for finding in group}), reason)
        for line, group in sorted(by_line.items())
    }
    lines = sorted(edits)
    if not _same_program(source, source.apply(edits[line] for line in lines), by_line):
        # Rare, such as a file of which only a part can be tokenized: find out which lines cannot take a comment.
        lines = [line for line in lines if _same_program(source, source.apply([edits[line]]), {line: by_line[line]})]
    outcome.source = source.apply(edits[line] for line in lines)
    for line, group in sorted(by_line.items()):
        (outcome.added if line in lines else outcome.skipped).extend(group)
    return outcome


def _noqa_edit(
    source: Source, line: int, comment: tuple[int, str] | None, codes: list[str], reason: str | None
) -> Edit:
    words = " ".join((reason or "").split())
    if _LOOKS_LIKE_CODE.match(words):
        words = f"- {words}"  # or it would be read as one more code
    start = source.line_starts[line - 1]
    text = source.line(line)
    if comment is not None:
        match = _NOQA.search(comment[1])
        if match is not None and match["codes"]:
            there = {code.upper() for code in _CODE.findall(match["codes"])}
            new = "".join(f", {code}" for code in codes if code not in there)
            at = start + comment[0] + match.end()
            if words and not comment[1][match.end() :].strip():
                new += f" {words}"
            return Edit(at, at, new)
    kept = text.rstrip()
    gap = "" if not kept else "  "
    indent = text if not kept else ""
    return Edit(
        start + len(indent or kept), start + len(text), f"{gap}# noqa: {', '.join(codes)}{' ' if words else ''}{words}"
    )


def _same_program(before: Source, after: Source, by_line: dict[int, list[Finding]]) -> bool:
    """Say whether only comments differ, and the comments silence what they are for."""
    import ast

    try:
        if ast.dump(before.parse()) != ast.dump(after.parse()):
            return False
    except SourceError:
        return False
    suppressions = Suppressions(after)
    return all(suppressions.covers(finding) for group in by_line.values() for finding in group)


def _shape(entry: _Directive) -> str:
    word = "file-ignore" if "file" in entry.label else "ignore"
    return f"{word}[CODE] reason"


def _directives(comment: str, start: int, line: int, alone: bool) -> Iterator[_Directive]:
    """Yield the suppressions in one comment, which starts at offset ``start``."""
    end = start + len(comment)

    def directive(match: re.Match[str], kind: str, *, own: bool, label: str, problem: str = "") -> _Directive:
        codes = match["codes"] if "codes" in match.re.groupindex else None
        selectors = None
        if codes is not None:
            first = start + match.start("codes")
            selectors = [_Selector(m[0], first + m.start(), first + m.end()) for m in _CODE.finditer(codes)]
        return _Directive(
            kind,
            line,
            start + match.start(),
            start + match.end(),
            end,
            alone,
            label,
            selectors,
            own=own,
            problem=problem,
        )

    match = _NOQA.search(comment)
    if match is not None:
        yield directive(match, "noqa", own=False, label="# noqa")
    match = _NOQA_FILE.match(comment) if alone else None
    if match is not None:
        yield directive(match, "file", own=False, label="# flake8: noqa")
    for match in _MLINT.finditer(comment):
        word = match["word"].lower()
        label = f"# mlint: {word}"
        if word not in ("ignore", "file-ignore"):
            if not _WRONG_WORDS.fullmatch(word):
                continue
            problem = f"`{label}` is no suppression that mlint knows"
            yield directive(match, "ignore", own=True, label=label, problem=problem)
        else:
            rest = comment[match.end() :].lstrip(" \t:=(")
            problem = ""
            if match["codes"] is None and (rest.startswith("[") or _LOOKS_LIKE_CODE.match(rest)):
                # It says which rule it is for, but not so that it can be read; silencing all would be wrong.
                problem = f"the codes of `{label}` are not in brackets"
            kind = "ignore" if word == "ignore" else "file"
            yield directive(match, kind, own=True, label=label, problem=problem)


@dataclass(slots=True)
class _Layout:
    """What the tokenizer knows about the lines of a file."""

    comments: list[tuple[int, int, str]] = field(default_factory=list)
    """Line, column from 0, and text of each comment."""
    joined: dict[int, tuple[int, int]] = field(default_factory=dict)
    """For each line that is joined to others, the first and the last of them."""
    in_string: set[int] = field(default_factory=set)
    """Lines that end between the braces of an f-string, where a comment is an error before Python 3.12."""


def _layout(source: Source) -> _Layout:
    """Tokenize a file.

    What follows a place that cannot be tokenized is left out: such a file has no findings but that one.
    """
    import tokenize

    opening = {getattr(tokenize, name, -1) for name in ("FSTRING_START", "TSTRING_START")}
    closing = {getattr(tokenize, name, -1) for name in ("FSTRING_END", "TSTRING_END")}
    layout = _Layout()
    starts = source.line_starts
    # Every line with the same end: the tokenizer of CPython 3.10 takes no lone carriage return for a line end.
    lines = (source.line(number) + "\n" for number in range(1, len(starts) + 1))
    first = last = depth = 0
    try:
        for token in tokenize.generate_tokens(lambda: next(lines, "")):
            kind = token.type
            if kind in (tokenize.ENDMARKER, tokenize.DEDENT):
                continue
            if kind == tokenize.COMMENT:
                layout.comments.append((token.start[0], token.start[1], token.string))
            depth += (kind in opening) - (kind in closing)
            first = first or token.start[0]
            last = max(last, token.end[0])
            if kind in (tokenize.NL, tokenize.NEWLINE):
                if last > first:
                    layout.joined.update(dict.fromkeys(range(first, last + 1), (first, last)))
                if depth:
                    layout.in_string.add(last)
                first = last = 0
    except (tokenize.TokenError, SyntaxError):
        pass
    return layout
