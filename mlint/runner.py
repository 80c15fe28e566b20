"""Many files: which of them need work, and the results in the order of the files.

Nothing is written here. A run in fix mode returns the new content of the files that it would change; the caller writes
it when all files are done, so that what one file is found to do never depends on how far the others have come.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from mlint.linter import Job, Linter, Outcome, Task
from mlint.processes import run_jobs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlint.cache import Cache, Stamps
    from mlint.registry import Index
    from mlint.settings import Settings, SettingsResolver

_CACHE_BYTES = 60_000
"""Less source than this is linted faster than a cache is read."""

_FOLLOWED_BYTES = 4_000
"""Unless other files were read on its behalf that together have at least this much source."""

_NOT_RESULTS = frozenset({
    "output_format", "fix", "unsafe_fixes", "fix_only", "show_fixes", "cache_dir", "jobs", "baseline", "exclude",
    "extend_exclude", "force_exclude", "respect_gitignore", "smoke",
})  # fmt: skip
"""Settings that change which files are linted or how results are shown, not what is found in a file."""


class _Group:
    """The files that share one Settings object, and the cache that holds their results."""

    __slots__ = ("cache", "number", "settings")

    def __init__(self, number: int, settings: Settings) -> None:
        self.number = number
        self.settings = settings
        self.cache: Cache | None = None


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
    told how many files of how many are done. Raises SettingsError, also for rules that there are not, before any file
    is linted, and KeyboardInterrupt with all processes ended.
    """
    sizes = [_size(path) for path, _ in files]
    stamps: Stamps | None = None
    if cache and not task.timing and sum(sizes) >= _CACHE_BYTES:
        from mlint.cache import Stamps

        stamps = Stamps()
    task.digest = stamps is not None
    small = cache and stamps is None and not task.timing and not task.fix
    groups: dict[int, _Group] = {}
    outcomes: list[Outcome | None] = []
    jobs_to_do: list[tuple[int, Job]] = []
    by_number: list[_Group] = []
    for (path, explicit), size in zip(files, sizes):
        settings = resolver.for_path(path)
        group = groups.get(id(settings))
        if group is None:
            group = groups[id(settings)] = _Group(len(groups), settings)
            by_number.append(group)
            _verify(settings, index)
            if stamps is not None:
                group.cache = open_cache(settings, stamps, index)
        if small and group.cache is None and os.path.exists(_mark(settings, path)):
            from mlint.cache import Stamps

            group.cache = open_cache(settings, Stamps(), index, "small")
            task.digest = True
        if group.cache is not None:
            known = group.cache.lookup(path, explicit=explicit, edits=task.edits)
            if known is not None and not (task.fix and any(f.fix is not None for f in known)):
                outcomes.append(Outcome(path, known))
                continue
        jobs_to_do.append((len(outcomes), Job(path, explicit, group.number, size)))
        outcomes.append(None)
    if jobs_to_do:
        linter = Linter([group.settings for group in by_number], task, index)
        done = len(files) - len(jobs_to_do)

        def advance(count: int) -> None:
            if progress is not None:
                progress(done + count, len(files))

        results = run_jobs(linter, [job for _, job in jobs_to_do], jobs, advance)
        for (position, job), outcome in zip(jobs_to_do, results):
            outcomes[position] = outcome
            group = by_number[job.group]
            if small and group.cache is None:
                _remember(group.settings, job, outcome, index)
            store = group.cache
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


def _verify(settings: Settings, index: Index | None) -> None:
    """Raise SettingsError if the settings name rules that there are not: once, and before any file is linted."""
    from mlint.registry import load_index
    from mlint.settings import active_codes, fixable_codes

    if index is None or settings.local_rules:
        index = load_index(settings.local_rules)
    active_codes(settings, index, "")
    fixable_codes(settings, index)


def _mark(settings: Settings, path: str) -> str:
    """The file whose presence says that a small file was worth remembering, because of the others behind it."""
    name = os.path.abspath(path).encode("utf-8", "surrogateescape").hex()
    return os.path.join(_cache_folder(settings), "small", name[-200:])


def _remember(settings: Settings, job: Job, outcome: Outcome, index: Index | None) -> None:
    """Keep the result of a small file for the next run, if many others had to be read for it."""
    if outcome.status is None or outcome.problems or not outcome.dependencies:
        return
    if sum(map(_size, outcome.dependencies)) < _FOLLOWED_BYTES:
        return
    from mlint.cache import Stamps, digest

    try:
        with open(job.path, "rb") as file:
            content = digest(file.read())
        found = os.stat(job.path)
        if (found.st_mtime_ns, found.st_size) != outcome.status:
            return  # not what was linted
        store = open_cache(settings, Stamps(), index, "small")
        store.store(
            job.path, explicit=job.explicit, status=outcome.status, content=content, findings=outcome.findings,
            dependencies=outcome.dependencies,
        )  # fmt: skip
        store.save()
        mark = _mark(settings, job.path)
        os.makedirs(os.path.dirname(mark), exist_ok=True)
        with open(mark, "wb"):
            pass
    except OSError:
        pass  # a cache never makes a run fail


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return 0  # told when it is read


def _cache_folder(settings: Settings) -> str:
    return os.path.join(settings.root, settings.cache_dir or ".mlint_cache")


def open_cache(settings: Settings, stamps: Stamps, index: Index | None, part: str = "") -> Cache:
    """Return the cache for files under ``settings``; ``part`` names one that is kept apart."""
    import sys

    from mlint import __version__
    from mlint.cache import Cache, package_stamp

    folder = _cache_folder(settings)
    parts = [part, __version__, sys.version, package_stamp(), str(getattr(index, "stamp", ""))]
    parts.extend(_local_rule_stamps(settings, stamps))
    parts.append(repr(sorted(_result_settings(settings).items())))
    versions = _versions_stamp(settings)
    if versions:
        parts.append(versions)
    return Cache(folder, settings.root, "|".join(parts), stamps)


def _result_settings(settings: Settings) -> Mapping[str, object]:
    options = {name: value for name, value in settings.values() if name not in _NOT_RESULTS}
    return {**options, "root": settings.root, "config_path": settings.config_path, "earlier": settings.earlier}


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
    for name in (
        "pyproject.toml", "setup.cfg", "setup.py", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile",
        "Pipfile.lock",
    ):  # fmt: skip
        _add_status(parts, os.path.join(settings.root, name))
    try:
        with os.scandir(settings.root) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = entry.name.lower()
                if any(word in name for word in ("requirement", "reqs", "environment", "conda", "constraint")):
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
