"""One file: read, checked, fixed; everything that goes wrong with it is in the outcome."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from mlint.finding import Finding, Fix, Location, Safety

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlint.engine import Engine
    from mlint.registry import Index, RuleEntry
    from mlint.settings import Settings
    from mlint.source import Source

_REWRITES_OF_LOOPS = "ML1"
ISSUES = "https://github.com/mlint/mlint/issues"


# Plain classes: making a data class takes about as long as linting a small file.


class Problem:
    """Something that kept mlint from doing its work on a file; never the file's own fault.

    ``code`` is the rule that failed, if it was one; ``details`` a traceback, for whoever repairs it.
    """

    __slots__ = ("code", "details", "message", "path")

    def __init__(self, path: str, message: str, code: str | None = None, details: str = "") -> None:
        self.path = path
        self.message = message
        self.code = code
        self.details = details

    def __str__(self) -> str:
        if self.code is None:
            return f"{self.path}: {self.message}"
        return f"{self.path}: internal error in {self.code}: {self.message}; please report it at {ISSUES}"


class Task:
    """What is wanted of every file of a run.

    Args:
        fix: Apply the allowed fixes and return the new content.
        diff: With ``fix``: return a unified diff as well.
        color: Paint the diff.
        edits: Build the fixes of what is reported, because the report shows their edits.
        timing: Measure what each rule costs.
        digest: Return the fingerprint of what was read, for the cache.
        validate: Write the rewrite of a loop only after both versions have been executed and compared.
    """

    __slots__ = ("color", "diff", "digest", "edits", "fix", "timing", "validate")

    def __init__(
        self,
        *,
        fix: bool = False,
        diff: bool = False,
        color: bool = False,
        edits: bool = False,
        timing: bool = False,
        digest: bool = False,
        validate: bool = False,
    ) -> None:
        self.fix = fix
        self.diff = diff
        self.color = color
        self.edits = edits
        self.timing = timing
        self.digest = digest
        self.validate = validate


class Outcome:
    """What came of one file.

    Attributes:
        findings: sorted; in fix mode, what remains.
        problems: what kept mlint from its work.
        applied: what was fixed, as it was found.
        fixed: the new content, where it differs.
        diff: from the old content to the new one.
        status: time and size of the file from before it was read.
        timings: seconds by rule.
        dependencies: other files whose content mattered.
        digest: the fingerprint of what was read.
        notes: lines about what was not done, for the user to know.
    """

    __slots__ = (
        "applied", "dependencies", "diff", "digest", "findings", "fixed", "notes", "path", "problems", "status",
        "timings",
    )  # fmt: skip

    def __init__(
        self, path: str, findings: Iterable[Finding] = (), problems: Iterable[Problem] = ()
    ) -> None:
        self.path = path
        self.findings: list[Finding] = list(findings)
        self.problems: list[Problem] = list(problems)
        self.applied: list[Finding] = []
        self.fixed: bytes | None = None
        self.diff = b""
        self.status: tuple[int, int] | None = None
        self.timings: dict[str, float] = {}
        self.dependencies: tuple[str, ...] = ()
        self.digest = ""
        self.notes: list[str] = []


class Job:
    """One file to lint: its path, whether the user named it, the number of its settings, its size."""

    __slots__ = ("explicit", "group", "path", "size")

    def __init__(self, path: str, explicit: bool, group: int, size: int) -> None:
        self.path = path
        self.explicit = explicit
        self.group = group
        self.size = size


class Linter:
    """Lints one file after the other. It is sent to other processes, so it holds plain data until it is used."""

    def __init__(self, settings: Sequence[Settings], task: Task, index: Index | None = None) -> None:
        self._settings = list(settings)
        self._task = task
        self._indexes: dict[tuple[str, ...], Index] = {}
        if index is not None and settings:
            self._indexes[tuple(settings[0].local_rules)] = index
        self._engines: dict[int, Engine] = {}
        self._fixable: dict[int, frozenset[str]] = {}
        self._selecting: dict[int, Settings] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {
            "_settings": self._settings,
            "_task": self._task,
            "_indexes": {},
            "_engines": {},
            "_fixable": {},
            "_selecting": {},
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def lint(self, job: Job) -> Outcome:
        """Read and lint the file of ``job``. Everything that goes wrong is in the outcome."""
        outcome = Outcome(job.path)
        try:
            found = os.stat(job.path)
            with open(job.path, "rb") as file:
                data = file.read()
        except (OSError, ValueError) as error:
            outcome.problems.append(Problem(job.path, _reading_failed(error)))
            return outcome
        outcome.status = (found.st_mtime_ns, found.st_size)
        return self.lint_bytes(data, job.path, explicit=job.explicit, group=job.group, outcome=outcome)

    def lint_bytes(
        self, data: bytes, path: str, *, explicit: bool = True, group: int = 0, outcome: Outcome | None = None
    ) -> Outcome:
        """Lint ``data`` as the content of ``path``."""
        outcome = outcome if outcome is not None else Outcome(path)
        try:
            self._lint(data, outcome, explicit, group)
        except Exception as error:
            import traceback

            outcome.fixed, outcome.diff, outcome.applied = None, b"", []
            outcome.problems.append(
                Problem(
                    path,
                    f"internal error: {type(error).__name__}: {error}; please report it at {ISSUES}",
                    details=traceback.format_exc(),
                )
            )
        if group in self._engines:
            self._engines[group].close()
        return outcome

    def _lint(self, data: bytes, outcome: Outcome, explicit: bool, group: int) -> None:
        from mlint.source import Source, SourceError

        task = self._task
        if task.digest:
            from mlint.cache import digest

            outcome.digest = digest(data)
        notebook = is_notebook(outcome.path, self._settings[group])
        try:
            source = _notebook(data, outcome.path) if notebook else Source.from_bytes(data, outcome.path)
        except SourceError as error:
            if "ML000" in self._codes(outcome.path, group):
                outcome.findings = [unreadable(outcome.path, error)]
            return
        codes = self._codes(outcome.path, group)
        problems: dict[tuple[str | None, str], Problem] = {}

        def check(version: Source) -> list[Finding]:
            return self._check(version, codes, explicit, group, outcome, problems)

        findings = check(source)
        if task.fix and any(self.allows(finding, group) for finding in findings):
            from mlint.fixer import fix_source

            validate = _validated if task.validate else None
            fixed = fix_source(source, check, lambda finding: self.allows(finding, group), validate)
            outcome.notes = list(fixed.unvalidated)
            for failure in fixed.failures:
                problems[(None, failure)] = Problem(outcome.path, failure)
            outcome.applied = [stripped(finding) for finding in fixed.applied]
            findings = list(fixed.remaining)
            before, source = source, fixed.source
            content = source.encode()
            if content != data:
                outcome.fixed = content
                if task.diff:
                    from mlint.report.diff import unified_diff

                    text = unified_diff(_file_text(before), _file_text(source), source.path, color=task.color)
                    # In the file's own encoding, as `patch` needs it.
                    outcome.diff = text.encode(source.encoding, "backslashreplace")
        if task.edits:
            from mlint.fixer import materialise

            findings = [materialise(finding) if finding.fix is not None else finding for finding in findings]
        if notebook:
            findings = _in_cells(source, findings)
        outcome.findings = [stripped(finding) for finding in findings]
        outcome.problems.extend(problems.values())

    def _check(
        self,
        source: Source,
        codes: frozenset[str],
        explicit: bool,
        group: int,
        outcome: Outcome,
        problems: dict[tuple[str | None, str], Problem],
    ) -> list[Finding]:
        report = self._engine(group).check(source, codes, explicit=explicit)
        for error in report.errors:
            problems[(error.code, error.message)] = Problem(outcome.path, error.message, error.code, error.details)
        for code, seconds in report.timings.items():
            outcome.timings[code] = outcome.timings.get(code, 0.0) + seconds
        dependencies = getattr(report, "dependencies", ())
        if dependencies:
            outcome.dependencies = tuple(sorted({*outcome.dependencies, *dependencies}))
        entries = self._index(group).entries
        if is_notebook(source.path, self._settings[group]):
            return _unsuppressed_in_cells(source, report.findings, codes, entries)
        return unsuppressed(source, report.findings, codes, entries)

    def allows(self, finding: Finding, group: int = 0) -> bool:
        """Say whether the settings allow to apply the fix of ``finding``."""
        return finding.code in self._fixable_codes(group) and may_apply(finding, self._settings[group].unsafe_fixes)

    def _index(self, group: int) -> Index:
        local_rules = tuple(self._settings[group].local_rules)
        index = self._indexes.get(local_rules)
        if index is None:
            from mlint.registry import load_index

            index = self._indexes[local_rules] = load_index(local_rules)
        return index

    def _engine(self, group: int) -> Engine:
        engine = self._engines.get(group)
        if engine is None:
            from mlint.engine import Engine

            engine = Engine(self._index(group), options=engine_options(self._settings[group], self._task.timing))
            self._engines[group] = engine
        return engine

    def _codes(self, path: str, group: int) -> frozenset[str]:
        from mlint.settings import active_codes

        settings = self._selecting.get(group)
        if settings is None:
            # Whatever is selected, a file that nobody could read is told, unless it is ignored by name.
            chosen = self._settings[group]
            settings = chosen.replaced(extend_select=(*chosen.extend_select, "ML000"))
            self._selecting[group] = settings
        return active_codes(settings, self._index(group), settings.relative(path))

    def _fixable_codes(self, group: int) -> frozenset[str]:
        codes = self._fixable.get(group)
        if codes is None:
            from mlint.settings import fixable_codes

            codes = self._fixable[group] = fixable_codes(self._settings[group], self._index(group))
        return codes


def read_source(path: str, settings: Settings) -> Source:
    """Read a file as rules see it: a notebook as one module.

    Raises OSError, and SourceError for bytes that are no text or no notebook.
    """
    from mlint.source import Source

    if not is_notebook(path, settings):
        return Source.read(path)
    with open(path, "rb") as file:
        return _notebook(file.read(), path)


def is_notebook(path: str, settings: Settings) -> bool:
    """Say whether a file is a Jupyter notebook, by its ending."""
    ending = os.path.splitext(path)[1][1:]
    return (settings.extension.get(ending) or ending) == "ipynb"


def _notebook(data: bytes, path: str) -> Source:
    from mlint.notebook import read

    return read(data, path)


def _unsuppressed_in_cells(
    source: Source, findings: Iterable[Finding], codes: frozenset[str], entries: Sequence[RuleEntry]
) -> list[Finding]:
    """Return what :func:`unsuppressed` does, of what stands in cells, with the cells that do not parse and with fixes
    that stay in their cells.
    """
    from mlint.notebook import NotebookSource
    from mlint.notebook.fitting import fitting, unparsed

    if not isinstance(source, NotebookSource):
        return unsuppressed(source, findings, codes, entries)
    found = [*findings, *(unparsed(source) if "ML000" in codes else ())]
    found.sort(key=lambda finding: finding.sort_key)
    kept = unsuppressed(source, found, codes, entries)
    # Whether a fix stays in its cells is known when it is made, and no sooner may it be promised.
    made = [_made(finding) for finding in kept]
    return [fitted for finding in made if (fitted := fitting(finding, source)) is not None]


def _made(finding: Finding) -> Finding:
    """Return ``finding`` with the edits of its fix."""
    if finding.fix is None or finding.fix.edits is not None:
        return finding
    from mlint.fixer import materialise

    try:
        return materialise(finding)
    except Exception:  # told by name when the fix is to be applied; here it must not cost the finding
        return finding


def _in_cells(source: Source, findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings with places in cells instead of the module."""
    from mlint.notebook import NotebookSource

    assert isinstance(source, NotebookSource), "what is not placed in cells is never what a file becomes"
    return [source.in_cells(finding) for finding in findings]


def _file_text(source: Source) -> str:
    """Return the text that stands in the file."""
    text: str = getattr(source, "file_text", source.text)
    return text


def engine_options(settings: Settings, timing: bool = False) -> Any:
    """Return the engine's options that ``settings`` stand for."""
    from mlint.engine import EngineOptions

    return EngineOptions(
        target_versions=settings.target_versions,
        root=settings.root,
        roots=settings.source_roots,
        seed=settings.seed,
        line_length=settings.line_length,
        timing=timing,
    )


def unsuppressed(
    source: Source, findings: Iterable[Finding], codes: frozenset[str], entries: Sequence[RuleEntry]
) -> list[Finding]:
    """Return those of ``findings`` that no comment suppresses, and those about comments that suppress nothing.

    ``codes`` are the rules that looked at ``source``, ``entries`` all rules that there are.
    """
    found = list(findings)
    lower = source.text.encode("utf-8", "surrogatepass").lower()  # bytes: several times as fast as text
    if b"noqa" not in lower and b"mlint" not in lower:
        return found
    if any(finding.code == "ML000" for finding in found) and not source.errors:
        return found  # comments of a text that does not parse are not to be trusted
    from mlint.suppress import Suppressions

    suppressions = Suppressions(source)
    kept = [finding for finding in found if not suppressions.covers(finding)]
    if "ML001" in codes:
        kept.extend(finding for finding in suppressions.unused(codes, entries) if not suppressions.covers(finding))
    kept.sort(key=lambda finding: finding.sort_key)
    return kept


def unreadable(path: str, error: Any) -> Finding:
    """Return the finding for a file whose bytes are no Python text."""
    start = error.location or Location(1, 1)
    return Finding(path, start, start, "ML000", "syntax-error", error.message, severity="error")


def may_apply(finding: Finding, unsafe: bool) -> bool:
    """Say whether the fix of ``finding`` may be applied by a user who does or does not allow unsafe ones."""
    fix = finding.fix
    return fix is not None and (fix.safety is Safety.SAFE or (unsafe and fix.safety is Safety.UNSAFE))


def _validated(old: Source, new: Source, finding: Finding) -> str | None:
    """Say why a rewrite of a loop is not to be applied."""
    if not finding.code.startswith(_REWRITES_OF_LOOPS) or finding.fix is None:
        return None
    from mlint.validation import validated

    return validated(old, new, exact=finding.fix.safety is Safety.SAFE)


def stripped(finding: Finding) -> Finding:
    """Return ``finding`` as plain data: with its edits if they are built, without the function that builds them."""
    fix = finding.fix
    if fix is None or fix.build is None:
        return finding
    return finding._replace(fix=Fix(fix.safety, fix.message, fix.edits))


def _reading_failed(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "cannot read: the file is no longer there"
    if isinstance(error, PermissionError):
        return "cannot read: permission denied"
    if isinstance(error, OSError):
        return f"cannot read: {error.strerror or error}"
    return f"cannot read: {error}"
