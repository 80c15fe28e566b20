"""The fix loop: apply what does not collide, read again, verify, repeat, and give up safely."""

from __future__ import annotations

import ast
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mlint.finding import Edit, Finding, Safety
from mlint.source import Source, SourceError

MAX_PASSES = 10

Check = Callable[[Source], list[Finding]]
Validate = Callable[[Source, Source, Finding], "str | None"]
_Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class FixOutcome:
    """What became of a file.

    Attributes:
        source: the file with the fixes; the very object that came in where nothing was applied.
        applied: the findings that were fixed, in the order of the passes and of the text.
        remaining: the findings of the file as it is now.
        failures: one line for each fix that was not applied because it would have done harm, with its rule and place.
        unvalidated: likewise for each that was not applied because it was not validated.
    """

    source: Source
    applied: list[Finding] = field(default_factory=list)
    remaining: list[Finding] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    unvalidated: list[str] = field(default_factory=list)


def materialise(finding: Finding) -> Finding:
    """The finding with the edits of its fix; without a fix where its rule finds that it cannot be made after all."""
    from mlint.codemod.refused import Refused

    fix = finding.fix
    if fix is None or fix.edits is not None:
        return finding
    if fix.build is None:
        return finding._replace(fix=None)
    try:
        built = fix.build()
    except Refused:
        built = None
    if built is not None and built.edits is None:
        built = None
    return finding._replace(fix=built)


def fix_source(
    source: Source, check: Check, allowed: Callable[[Finding], bool], validate: Validate | None = None
) -> FixOutcome:
    """Fix the findings of a file until none is left that can be fixed, in at most ten passes.

    A pass applies the fixes whose edits neither overlap nor touch, in the order of the text; the others wait for the
    next one. A fix is applied whole or not at all. After each pass the text parses, what no edit touched is still the
    same statement at the same place, and no fixed finding is reported again; a fix that breaks one of these is taken
    back and named. Rules whose fixes undo each other, or never come to an end, are named and leave the file alone.

    Args:
        source: the file.
        check: finds what is wrong with a source.
        allowed: whether the fix of a finding may be applied; asked again once the fix is built, since building it may
            downgrade it. Suggestions are never applied.
        validate: says of the source, the source with one fix, and its finding why the fix is not to be applied.
    """
    failures: list[str] = []
    banned: set[str] = set()
    while True:
        attempt = _Attempt(source, check, allowed, banned, validate)
        codes = attempt.run()
        failures += [failure for failure in attempt.failures if failure not in failures]
        if not codes:
            return FixOutcome(attempt.source, attempt.applied, attempt.remaining, failures, attempt.unvalidated)
        failures.append(
            f"{source.path}: the fixes of {', '.join(sorted(codes))} do not come to an end and were left out;"
            " please report this"
        )
        banned |= codes


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A finding whose fix can be applied, with its edits in order."""

    finding: Finding
    edits: tuple[Edit, ...]
    key: _Key
    moved: tuple[int, int] | None

    @property
    def order(self) -> tuple[int, str, tuple[str, int, object, str, object, str]]:
        return (self.edits[0].start, self.finding.code, self.finding.sort_key)


class _Attempt:
    """One run of the loop with some rules left out."""

    def __init__(
        self,
        source: Source,
        check: Check,
        allowed: Callable[[Finding], bool],
        banned: set[str],
        validate: Validate | None,
    ) -> None:
        self.source = source
        self.check = check
        self.allowed = allowed
        self.banned = banned
        self.validate = validate
        self.unvalidated: list[str] = []
        self.failed: set[_Key] = set()
        self.failures: list[str] = []
        self.tree: tuple[Source, ast.Module] | None = None
        self.applied: list[Finding] = []
        self.remaining: list[Finding] = []

    def run(self) -> set[str]:
        """Fix what can be fixed.

        Returns:
            The rules whose fixes do not come to an end; what was done is then not to be used.
        """
        seen = {self.source.text}
        self.remaining = self.check(self.source)
        waiting = len(self.remaining) + 1
        for _ in range(MAX_PASSES):
            candidates = self._candidates()
            if not candidates:
                return set()
            done = self._pass(candidates)
            if not done:
                return set()
            if self.source.text in seen:
                return {finding.code for finding in done}
            seen.add(self.source.text)
            previous, waiting = waiting, len(candidates)
        left = self._candidates()
        if left and not len(left) < waiting < previous:
            return {candidate.finding.code for candidate in left}
        # Deeply nested findings: fewer with every pass; the next run goes on.
        return set()

    def _candidates(self) -> list[_Candidate]:
        """The fixes that may be applied, in the order in which they are."""
        found = []
        for finding in self.remaining:
            if finding.fix is None or finding.code in self.banned or not self._allowed(finding):
                continue
            key = self._key(finding)
            if key in self.failed:
                continue
            try:
                built = materialise(finding)
            except Exception as error:  # whatever a rule raises, one fix must not cost the others
                self._fail(finding, key, f"its fix raised {type(error).__name__}: {error}")
                continue
            if built.fix is None or not built.fix.edits or not self._allowed(built):
                continue
            edits = tuple(sorted(built.fix.edits, key=lambda edit: (edit.start, edit.end)))
            try:
                changed = self.source.apply(edits)
            except ValueError:
                self._fail(finding, key, "the edits of its fix overlap")
                continue
            if changed.text == self.source.text:
                self._fail(finding, key, "its fix changes nothing")
                continue
            doubt = None if self.validate is None else self.validate(self.source, changed, built)
            if doubt is not None:
                self.failed.add(key)
                self.unvalidated.append(f"{_place(self.source, finding)}: not fixed, {doubt}")
                continue
            found.append(_Candidate(built, edits, key, _moved(self.source, edits)))
        found.sort(key=lambda candidate: candidate.order)
        return found

    def _allowed(self, finding: Finding) -> bool:
        return finding.fix is not None and finding.fix.safety is not Safety.SUGGESTION and self.allowed(finding)

    def _pass(self, candidates: Sequence[_Candidate]) -> list[Finding]:
        """Apply what fits together and does what it says; the findings that were fixed."""
        while True:
            open_ = [candidate for candidate in candidates if candidate.key not in self.failed]
            chosen = self._sound(_disjoint(self.source, open_))
            if not chosen:
                return []
            edits = _merged(chosen)
            new = self.source.apply(edits)
            remaining = self.check(new)
            stubborn = self._stubborn(chosen, new, edits, remaining)
            if not stubborn:
                shift = _Shift(edits)
                self.failed = {(code, message, shift(place)) for code, message, place in self.failed}
                self.source = new
                self.remaining = remaining
                done = [candidate.finding for candidate in chosen]
                self.applied += done
                return done
            for candidate in stubborn:
                self._fail(candidate.finding, candidate.key, "is still there after its fix")

    def _sound(self, chosen: list[_Candidate]) -> list[_Candidate]:
        """The fixes that give a sound text together; those that do not even alone are named.

        Args:
            chosen: fixes whose edits do not collide.
        """
        if not chosen or self._problem(_merged(chosen)) is None:
            return chosen
        together: list[_Candidate] = []
        for candidate in chosen:
            problem = self._problem(candidate.edits)
            if problem is not None:
                self._fail(candidate.finding, candidate.key, f"its fix was taken back: {problem}")
            # One that breaks only in company waits for the next pass.
            elif self._problem(_merged([*together, candidate])) is None:
                together.append(candidate)
        return together

    def _problem(self, edits: Sequence[Edit]) -> str | None:
        """Why the text after some edits is not acceptable, None if it is."""
        new = self.source.apply(edits)
        try:
            tree = new.parse()
        except SourceError as error:
            where = f" in line {error.location.line}" if error.location else ""
            return f"the file would not parse{where} ({error.message})"
        try:
            new.encode()
        except SourceError as error:
            return error.message
        if self.tree is None or self.tree[0] is not self.source:
            try:
                self.tree = (self.source, self.source.parse())
            except SourceError:
                return None
        old = self.tree[1]
        shift = _Shift(edits)
        stands = {new.span(node): (type(node), above) for node, above in _statements(new, tree)}
        for node, (parent, suite) in _statements(self.source, old, shift):
            start, end = self.source.span(node)
            # The same characters as a statement of the same extent in the same suite are the same statement.
            kind, above = stands.get((shift(start), shift(end)), (None, (-1, "")))
            if kind is not type(node) or above not in ((shift(parent), suite), (shift(parent, after=False), suite)):
                line = self.source.named_line(self.source.location(start).line)
                return f"{line}, which it does not touch, would mean something else"
        return None

    def _stubborn(
        self, chosen: Sequence[_Candidate], new: Source, edits: Sequence[Edit], remaining: Sequence[Finding]
    ) -> list[_Candidate]:
        """The fixes whose finding is still reported, at the same place and for the same text."""
        shift = _Shift(edits)
        reported = {(finding.code, finding.message, *_span(new, finding)) for finding in remaining}
        # What was next to a deleted line stands in its place now: another finding, not this one again.
        fixed = {candidate.key for candidate in chosen}
        others = {key for key in map(self._key, self.remaining) if key not in fixed}
        moved = {(code, message, shift(place)) for code, message, place in others}
        found = []
        for candidate in chosen:
            finding = candidate.finding
            start, end = _span(self.source, finding)
            for place in {shift(start), shift(start, after=True)}:
                stop = place + end - start
                if (finding.code, finding.message, place) in moved:
                    continue
                if (finding.code, finding.message, place, stop) in reported:
                    if new.text[place:stop] == self.source.text[start:end]:
                        found.append(candidate)
                        break
        return found

    def _key(self, finding: Finding) -> _Key:
        """What makes a finding the same one in the next pass: its rule, its words, its place."""
        return (finding.code, finding.message, _span(self.source, finding)[0])

    def _fail(self, finding: Finding, key: _Key, reason: str) -> None:
        self.failed.add(key)
        self.failures.append(f"{_place(self.source, finding)}: {reason}")


def _place(source: Source, finding: Finding) -> str:
    return f"{finding.path}:{source.shown_at(finding.start)}: {finding.code} {finding.name}"


class _Shift:
    """Where a character of the old text stands in the new one."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self.starts = [edit.start for edit in edits]
        self.ends = [edit.end for edit in edits]
        self.moved = [0]
        for edit in edits:
            self.moved.append(self.moved[-1] + len(edit.content) - (edit.end - edit.start))

    def __call__(self, offset: int, *, after: bool = True) -> int:
        """The new offset of one that no edit replaces; ``after`` puts it behind what is inserted right there."""
        index = bisect_right(self.ends, offset) if after else bisect_left(self.ends, offset)
        return offset + self.moved[index]

    def touches(self, start: int, end: int) -> bool:
        """Whether an edit overlaps or touches a span."""
        return bisect_right(self.starts, end) > bisect_left(self.ends, start)


def _span(source: Source, finding: Finding) -> tuple[int, int]:
    """The offsets of a finding, within the text whatever it says."""
    starts, size = source.line_starts, len(source.text)

    def offset(line: int, column: int) -> int:
        if not 1 <= line <= len(starts):
            return size
        return min(starts[line - 1] + column - 1, size)

    start = offset(finding.start.line, finding.start.column)
    return start, max(start, offset(finding.end.line, finding.end.column))


def _statements(
    source: Source, tree: ast.Module, shift: _Shift | None = None
) -> Iterator[tuple[ast.stmt, tuple[int, str]]]:
    """The statements of a module with the suite that each belongs to: where its parent starts, and which field.

    Args:
        source: the source of the tree.
        tree: the tree.
        shift: leave out statements that its edits touch, and what is inside of those that they do not touch.
    """
    pending: list[tuple[ast.AST, int]] = [(tree, 0)]
    while pending:
        parent, start = pending.pop()
        for name in ("body", "handlers", "cases", "orelse", "finalbody"):
            items = getattr(parent, name, ())
            # The body of a lambda or of a conditional expression is no suite.
            for item in items if isinstance(items, list) else ():
                if not isinstance(item, ast.stmt):
                    pending.append((item, start))
                    continue
                first, last = source.span(item)
                if shift is None or shift.touches(first, last):
                    pending.append((item, first))
                if shift is None or not shift.touches(first, last):
                    yield item, (start, name)


def _is_import(edit: Edit) -> bool:
    """Whether an edit inserts imports and nothing else."""
    lines = edit.content.split()
    return edit.start == edit.end and bool(lines) and lines[0] in ("import", "from")


def _breaks_line(source: Source, edit: Edit) -> bool:
    """Whether an edit adds or takes away a line break."""
    old = source.text[edit.start : edit.end]
    return any(end in text for end in "\r\n" for text in (old, edit.content))


def _moved(source: Source, edits: Sequence[Edit]) -> tuple[int, int] | None:
    """The span of the lines that a fix moves to the right or to the left.

    No other fix may put line breaks there in the same pass: its lines would stand at the old depth.
    """
    moved: list[Edit] = []
    for edit in edits:
        old = source.text[edit.start : edit.end]
        if (edit.content + old).strip(" \t") or edit.content == old:
            continue
        line = source.line_starts[source.location(edit.start).line - 1]
        if not source.text[line : edit.start].strip(" \t\f"):
            moved.append(edit)
    if not moved:
        return None
    last = source.location(moved[-1].end).line
    return moved[0].start, source.line_starts[last - 1] + len(source.line(last))


def _disjoint(source: Source, candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """The fixes, first come first served, whose edits neither overlap nor touch those of another."""
    chosen: list[_Candidate] = []
    taken: list[tuple[int, int]] = []
    exact: set[Edit] = set()
    whole: set[tuple[Edit, ...]] = set()
    breaks: list[int] = []
    moved: list[tuple[int, int]] = []
    for candidate in candidates:
        if candidate.edits in whole:
            # Two findings with one remedy.
            chosen.append(candidate)
            continue
        own = [edit for edit in candidate.edits if not (edit in exact and _is_import(edit))]
        if any(_collides(taken, edit) for edit in own):
            continue
        own_breaks = [place for edit in own if _breaks_line(source, edit) for place in (edit.start, edit.end)]
        if any(first <= place <= last for first, last in moved for place in own_breaks):
            continue
        if candidate.moved is not None and any(candidate.moved[0] <= place <= candidate.moved[1] for place in breaks):
            continue
        chosen.append(candidate)
        whole.add(candidate.edits)
        exact.update(own)
        breaks += own_breaks
        if candidate.moved is not None:
            moved.append(candidate.moved)
        for edit in own:
            taken.insert(bisect_left(taken, (edit.start, edit.end)), (edit.start, edit.end))
    return chosen


def _collides(taken: Sequence[tuple[int, int]], edit: Edit) -> bool:
    """Whether an edit overlaps or touches one of some disjoint spans."""
    index = bisect_left(taken, (edit.start, edit.end))
    if index < len(taken) and taken[index][0] <= edit.end:
        return True
    return index > 0 and taken[index - 1][1] >= edit.start


def _merged(chosen: Sequence[_Candidate]) -> list[Edit]:
    """The edits of some fixes in order; imports and whole fixes that several share come once."""
    edits: list[Edit] = []
    imports: set[Edit] = set()
    for fix in dict.fromkeys(candidate.edits for candidate in chosen):
        edits += [edit for edit in fix if edit not in imports]
        imports.update(edit for edit in fix if _is_import(edit))
    return sorted(edits, key=lambda edit: (edit.start, edit.end))
