"""Many files: which of them need work, in how many processes, and the results in the order of the files.

Nothing is written here. A run in fix mode returns the new content of the files that it would change; the caller writes
it when all files are done, so that what one file is found to do never depends on how far the others have come.
"""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlint.finding import Finding, Fix, Location, Safety

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from mlint.cache import Cache, Stamps
    from mlint.engine import Engine
    from mlint.registry import Index, RuleEntry
    from mlint.settings import Settings, SettingsResolver
    from mlint.source import Source

ISSUES = "https://github.com/mlint/mlint/issues"

_IN_PROCESS_BYTES = 600_000
"""Less source than this is done before other processes have started."""

_CACHE_BYTES = 60_000
"""Less source than this is linted faster than a cache is read."""

_CHUNKS_PER_PROCESS = 8
_COLLECT_BYTES = 1_500_000
"""How much source is read between two collections of cyclic garbage: often enough to keep memory low."""

_NOT_RESULTS = frozenset({
    "output_format", "fix", "unsafe_fixes", "fix_only", "show_fixes", "cache_dir", "jobs", "baseline", "exclude",
    "extend_exclude", "force_exclude", "respect_gitignore", "smoke", "origins", "remembered",
})  # fmt: skip
"""Settings that change which files are linted or how results are shown, not what is found in a file."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that kept mlint from doing its work on a file; never the file's own fault."""

    path: str
    message: str
    code: str | None = None
    """The rule that failed, if it was one."""
    details: str = ""
    """A traceback, for whoever repairs it."""

    def __str__(self) -> str:
        if self.code is None:
            return f"{self.path}: {self.message}"
        return f"{self.path}: internal error in {self.code}: {self.message}; please report it at {ISSUES}"


@dataclass(frozen=True, slots=True)
class Task:
    """What is wanted of every file of a run."""

    fix: bool = False
    """Apply the allowed fixes and return the new content."""
    diff: bool = False
    """With ``fix``: return a unified diff as well."""
    color: bool = False
    """Paint the diff."""
    edits: bool = False
    """Build the fixes of what is reported, because the report shows their edits."""
    timing: bool = False
    """Measure what each rule costs."""
    digest: bool = False
    """Return the fingerprint of what was read, for the cache."""


@dataclass(slots=True)
class Outcome:
    """What came of one file."""

    path: str
    findings: list[Finding] = field(default_factory=list)
    """Sorted; in fix mode, what remains."""
    problems: list[Problem] = field(default_factory=list)
    applied: list[Finding] = field(default_factory=list)
    """What was fixed, as it was found."""
    fixed: bytes | None = None
    """The new content, where it differs."""
    status: tuple[int, int] | None = None
    """Time and size of the file from before it was read."""
    diff: bytes = b""
    timings: dict[str, float] = field(default_factory=dict)
    dependencies: tuple[str, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One file to lint, by number of its settings."""

    path: str
    explicit: bool
    group: int
    size: int


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

    def __getstate__(self) -> dict[str, Any]:
        return {
            "_settings": self._settings,
            "_task": self._task,
            "_indexes": {},
            "_engines": {},
            "_fixable": {},
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
        return outcome

    def _lint(self, data: bytes, outcome: Outcome, explicit: bool, group: int) -> None:
        from mlint.source import Source, SourceError

        task = self._task
        if task.digest:
            from mlint.cache import digest

            outcome.digest = digest(data)
        try:
            source = Source.from_bytes(data, outcome.path)
        except SourceError as error:
            outcome.findings = [unreadable(outcome.path, error)]
            return
        codes = self._codes(outcome.path, group)
        problems: dict[tuple[str | None, str], Problem] = {}

        def check(version: Source) -> list[Finding]:
            return self._check(version, codes, explicit, group, outcome, problems)

        findings = check(source)
        if task.fix and any(self.allows(finding, group) for finding in findings):
            from mlint.fixer import fix_source

            fixed = fix_source(source, check, lambda finding: self.allows(finding, group))
            for failure in fixed.failures:
                problems[(None, failure)] = Problem(outcome.path, failure)
            outcome.applied = [stripped(finding) for finding in fixed.applied]
            findings = list(fixed.remaining)
            content = fixed.source.encode()
            if content != data:
                outcome.fixed = content
                if task.diff:
                    from mlint.report.diff import unified_diff

                    text = unified_diff(source.text, fixed.source.text, source.path, color=task.color)
                    # In the file's own encoding, as `patch` needs it.
                    outcome.diff = text.encode(source.encoding, "backslashreplace")
        if task.edits:
            from mlint.fixer import materialise

            findings = [materialise(finding) if finding.fix is not None else finding for finding in findings]
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
        return unsuppressed(source, report.findings, codes, self._index(group).entries)

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

        settings = self._settings[group]
        return active_codes(settings, self._index(group), settings.relative(path))

    def _fixable_codes(self, group: int) -> frozenset[str]:
        codes = self._fixable.get(group)
        if codes is None:
            from mlint.settings import fixable_codes

            codes = self._fixable[group] = fixable_codes(self._settings[group], self._index(group))
        return codes


def engine_options(settings: Settings, timing: bool = False) -> Any:
    """Return the engine's options that ``settings`` stand for."""
    from mlint.engine import EngineOptions

    return EngineOptions(
        target_versions=settings.target_versions,
        seed=settings.seed,
        line_length=settings.line_length,
        roots=settings.source_roots,
        local_rules=settings.local_rules,
        timing=timing,
    )


def unsuppressed(
    source: Source, findings: Iterable[Finding], codes: frozenset[str], entries: Sequence[RuleEntry]
) -> list[Finding]:
    """Return those of ``findings`` that no comment suppresses, and those about comments that suppress nothing.

    ``codes`` are the rules that looked at ``source``, ``entries`` all rules that there are.
    """
    found = list(findings)
    lower = source.text.lower()
    if ("noqa" not in lower and "mlint" not in lower) or any(finding.code == "ML000" for finding in found):
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


def stripped(finding: Finding) -> Finding:
    """Return ``finding`` as plain data: with its edits if they are built, without the function that builds them."""
    fix = finding.fix
    if fix is None or fix.build is None:
        return finding
    from dataclasses import replace

    return replace(finding, fix=Fix(fix.safety, fix.message, fix.edits))


def _reading_failed(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "cannot read: the file is no longer there"
    if isinstance(error, PermissionError):
        return "cannot read: permission denied"
    if isinstance(error, OSError):
        return f"cannot read: {error.strerror or error}"
    return f"cannot read: {error}"


# ---------------------------------------------------------------------------------------------------------------------
# Which files need work


@dataclass(slots=True)
class _Group:
    """The files that share one Settings object, and the cache that holds their results."""

    number: int
    settings: Settings
    cache: Cache | None = None


def lint_files(
    files: Sequence[tuple[str, bool]],
    resolver: SettingsResolver,
    task: Task,
    *,
    index: Index | None = None,
    cache: bool = True,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Outcome]:
    """Lint ``files`` (path, named by the user) and return their outcomes in the same order.

    ``cache`` allows to use and to keep results of other runs, ``jobs`` fixes the number of processes, ``progress`` is
    told how many files of how many are done. Raises SettingsError, and KeyboardInterrupt with all processes ended.
    """
    from mlint.cache import Stamps

    stamps = Stamps()
    groups: dict[int, _Group] = {}
    cache = cache and not task.timing and _worth_caching(files, stamps)
    outcomes: list[Outcome | None] = []
    jobs_to_do: list[tuple[int, Job]] = []
    by_number: list[_Group] = []
    for path, explicit in files:
        settings = resolver.for_path(path)
        group = groups.get(id(settings))
        if group is None:
            group = groups[id(settings)] = _Group(len(groups), settings)
            by_number.append(group)
            if cache:
                group.cache = open_cache(settings, stamps, index)
        if group.cache is not None:
            known = group.cache.lookup(path, explicit=explicit, edits=task.edits)
            if known is not None and not (task.fix and any(f.fix is not None for f in known)):
                outcomes.append(Outcome(path, known))
                continue
        status = stamps.status(path)
        jobs_to_do.append((len(outcomes), Job(path, explicit, group.number, status[1] if status else 0)))
        outcomes.append(None)
    if jobs_to_do:
        from dataclasses import replace

        linter = Linter([group.settings for group in by_number], replace(task, digest=cache), index)
        done = len(files) - len(jobs_to_do)

        def advance(count: int) -> None:
            if progress is not None:
                progress(done + count, len(files))

        results = run_jobs(linter, [job for _, job in jobs_to_do], jobs, advance)
        for (position, job), outcome in zip(jobs_to_do, results):
            outcomes[position] = outcome
            store = by_number[job.group].cache
            if store is not None and outcome.fixed is None and not outcome.problems and outcome.status is not None:
                store.store(
                    job.path,
                    explicit=job.explicit,
                    status=outcome.status,
                    content=outcome.digest,
                    findings=outcome.findings,
                    dependencies=outcome.dependencies,
                )
    for group in by_number:
        if group.cache is not None:
            group.cache.save()
    return [outcome for outcome in outcomes if outcome is not None]


def _worth_caching(files: Sequence[tuple[str, bool]], stamps: Stamps) -> bool:
    total = 0
    for path, _ in files:
        status = stamps.status(path)
        total += status[1] if status else 0
        if total >= _CACHE_BYTES:
            return True
    return False


def open_cache(settings: Settings, stamps: Stamps, index: Index | None) -> Cache:
    """Return the cache for files under ``settings``."""
    import sys

    from mlint import __version__
    from mlint.cache import Cache, package_stamp

    folder = os.path.join(settings.root, settings.cache_dir or ".mlint_cache")
    parts = [__version__, sys.version, package_stamp(), str(getattr(index, "stamp", ""))]
    parts.extend(_local_rule_stamps(settings, stamps))
    parts.append(repr(sorted(_result_settings(settings).items())))
    versions = _versions_stamp(settings)
    if versions:
        parts.append(versions)
    return Cache(folder, settings.root, "|".join(parts), stamps)


def _result_settings(settings: Settings) -> Mapping[str, object]:
    from dataclasses import fields

    return {item.name: getattr(settings, item.name) for item in fields(settings) if item.name not in _NOT_RESULTS}


def _local_rule_stamps(settings: Settings, stamps: Stamps) -> Iterator[str]:
    """Yield what identifies the code of a project's own rules."""
    for place in settings.local_rules:
        start = os.path.join(settings.root, place)
        if os.path.isfile(start):
            yield f"{start}:{stamps.status(start)}"
        for folder, folders, names in os.walk(start):
            folders.sort()
            for name in sorted(names):
                if name.endswith(".py"):
                    path = os.path.join(folder, name)
                    yield f"{path}:{stamps.status(path)}"


def _versions_stamp(settings: Settings) -> str:
    """Return what identifies the library versions that the project asks for in its dependency files."""
    parts: list[str] = []
    for name in ("pyproject.toml", "setup.cfg", "setup.py", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock"):
        _add_status(parts, os.path.join(settings.root, name))
    try:
        with os.scandir(settings.root) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = entry.name.lower()
                if "requirement" in name or name in ("environment.yml", "environment.yaml", "constraints.txt"):
                    if entry.is_dir():
                        for inner in sorted(os.listdir(entry.path)):
                            _add_status(parts, os.path.join(entry.path, inner))
                    else:
                        _add_status(parts, entry.path)
    except OSError:
        pass
    return ";".join(parts)


def _add_status(parts: list[str], path: str) -> None:
    try:
        status = os.stat(path)
    except OSError:
        return
    parts.append(f"{path}:{status.st_mtime_ns}:{status.st_size}")


# ---------------------------------------------------------------------------------------------------------------------
# In how many processes


def available_processors() -> int:
    """Return how many processes can run at once here; containers and task sets may allow fewer than there are."""
    try:
        return len(os.sched_getaffinity(0)) or 1
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def run_jobs(
    linter: Linter, jobs: Sequence[Job], processes: int | None, advance: Callable[[int], None]
) -> list[Outcome]:
    """Lint ``jobs`` and return their outcomes in order, with ``processes`` processes or as many as pay."""
    wanted = processes if processes else available_processors()
    if not processes and sum(job.size for job in jobs) < _IN_PROCESS_BYTES:
        wanted = 1
    if min(wanted, len(jobs)) <= 1:
        return _in_process(linter, jobs, advance)
    return _Workers(linter, jobs, min(wanted, len(jobs)), advance).run()


@contextmanager
def _garbage_collector_paused() -> Iterator[None]:
    """Keep the collector from walking the trees that are being built: it would find nothing and take a third longer."""
    was_enabled = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()


class _Collector:
    """Collects cyclic garbage from time to time while the automatic collector is paused."""

    def __init__(self) -> None:
        self._since = 0

    def after(self, size: int) -> None:
        self._since += size
        if self._since >= _COLLECT_BYTES:
            self._since = 0
            gc.collect()


def _in_process(linter: Linter, jobs: Sequence[Job], advance: Callable[[int], None]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    collector = _Collector()
    with _garbage_collector_paused():
        for job in jobs:
            outcomes.append(linter.lint(job))
            advance(len(outcomes))
            collector.after(job.size)
    return outcomes


def _work(linter: Linter, jobs: Sequence[Job], connection: Connection, inherited: Connection | None) -> None:
    """Be a worker: receive lists of job numbers, send back (number, outcome), stop at an empty list."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C too, and ends its workers
    if inherited is not None:
        inherited.close()  # the parent's end, copied by fork: while it is open here, the parent's death goes unnoticed
    collector = _Collector()
    with _garbage_collector_paused():
        try:
            while numbers := connection.recv():
                for number in numbers:
                    connection.send((number, linter.lint(jobs[number])))
                    collector.after(jobs[number].size)
        except (EOFError, OSError):
            return  # the parent is gone


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    connection: Connection
    assigned: deque[int] = field(default_factory=deque)


class _Workers:
    """A pool that knows which file each process is on, so that a process that dies costs that file and no other."""

    def __init__(self, linter: Linter, jobs: Sequence[Job], count: int, advance: Callable[[int], None]) -> None:
        import multiprocessing

        self._context: Any = multiprocessing.get_context(_start_method())
        self._linter = linter
        self._jobs = jobs
        self._count = count
        self._advance = advance
        self._chunks = deque(_chunks(jobs, count * _CHUNKS_PER_PROCESS))
        self._workers: list[_Worker] = []
        self._outcomes: dict[int, Outcome] = {}

    def run(self) -> list[Outcome]:
        from multiprocessing.connection import wait

        try:
            for _ in range(min(self._count, len(self._chunks))):
                self._start()
            while self._workers:
                ready = wait([worker.connection for worker in self._workers])
                for worker in [worker for worker in self._workers if worker.connection in ready]:
                    self._receive(worker)
        finally:
            for worker in self._workers:
                worker.process.terminate()
            for worker in self._workers:
                worker.process.join(5)
        return [self._outcomes[number] for number in range(len(self._jobs))]

    def _start(self) -> None:
        ours, theirs = self._context.Pipe()
        inherited = ours if self._context.get_start_method() == "fork" else None
        process = self._context.Process(
            target=_work, args=(self._linter, self._jobs, theirs, inherited), daemon=True, name="mlint"
        )
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        self._assign(worker)

    def _assign(self, worker: _Worker) -> None:
        numbers = self._chunks.popleft() if self._chunks else []
        worker.assigned.extend(numbers)
        try:
            worker.connection.send(numbers)
        except OSError:
            pass  # it has died; the next receive says so
        if not numbers:
            self._workers.remove(worker)
            worker.connection.close()
            worker.process.join()

    def _receive(self, worker: _Worker) -> None:
        try:
            number, outcome = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        worker.assigned.popleft()
        self._outcomes[number] = outcome
        self._advance(len(self._outcomes))
        if not worker.assigned:
            self._assign(worker)

    def _bury(self, worker: _Worker) -> None:
        """Blame the file that the dead ``worker`` was on, and give the rest of its files to a new one."""
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join()
        exit_code = worker.process.exitcode
        if worker.assigned:
            number = worker.assigned.popleft()
            path = self._jobs[number].path
            how = f"killed by signal {-exit_code}" if exit_code and exit_code < 0 else f"exit code {exit_code}"
            self._outcomes[number] = Outcome(
                path, problems=[Problem(path, f"the process that checked this file died ({how}); file left alone")]
            )
            self._advance(len(self._outcomes))
            if worker.assigned:
                self._chunks.append(list(worker.assigned))
        if self._chunks:
            self._start()


def _start_method() -> str:
    """Return how processes are started: by fork where that is safe, since it costs a tenth of a fresh interpreter."""
    import sys
    import threading

    return "fork" if sys.platform.startswith("linux") and threading.active_count() == 1 else "spawn"


def _chunks(jobs: Sequence[Job], count: int) -> list[list[int]]:
    """Return the numbers of ``jobs`` in about ``count`` lists of about the same size of source, the big ones first."""
    order = sorted(range(len(jobs)), key=lambda number: (-jobs[number].size, jobs[number].path))
    # Every file costs something even when it is empty.
    limit = sum(job.size + 500 for job in jobs) / count
    chunks: list[list[int]] = []
    current: list[int] = []
    size = 0.0
    for number in order:
        current.append(number)
        size += jobs[number].size + 500
        if size >= limit:
            chunks.append(current)
            current, size = [], 0.0
    if current:
        chunks.append(current)
    return chunks
