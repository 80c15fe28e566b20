"""Lint and fix real packages, and say what went wrong: the test that no example can replace.

    python scripts/ecosystem.py                               the packages of PACKAGES, from the package index
    python scripts/ecosystem.py trl timm==1.0.9 ../checkout   these packages, and a folder
    python scripts/ecosystem.py --select ML5 --json out.json  only some rules; the results as JSON too
    python scripts/ecosystem.py --hits ML701 --sample 20      print findings with their context, to be read by hand

Every file is linted, then fixed with ``--fix --unsafe-fixes`` in memory and written to a scratch folder; the original
is never touched. A defect is a crash or an internal error, a fix that fails, a fixed file that does not compile where
the original did, a fixed file that a second run changes, and a written file that does not read back as it was. The exit
code is 1 when there is one, 2 when a package could not be had, else 0.

The sample of ``--hits`` is drawn by a hash of each hit's own text: the same hits are shown while a rule is being worked
on, and another ``--seed`` shows others.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import functools
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from mlint.engine import Engine
    from mlint.finding import Finding
    from mlint.registry import Index
    from mlint.source import Source

PACKAGES = (
    "accelerate",
    "dask-ml",
    "diffusers",
    "flax",
    "keras",
    "optax",
    "peft",
    "pytorch-lightning",
    "scikit-learn",
    "sentence-transformers",
    "stable-baselines3",
    "tianshou",
    "timm",
    "torch",
    "transformers",
    "trl",
)
SUFFIXES = (".py",)
SKIPPED_FOLDERS = frozenset({".git", "__pycache__", "node_modules", ".venv", "venv"})
SLOW_SECONDS = 5.0


@dataclass(frozen=True)
class Target:
    """A folder of Python files: an unpacked package or a checkout."""

    name: str
    version: str
    folder: str


@dataclass(frozen=True)
class Task:
    """One file of a target."""

    target: str
    folder: str
    path: str
    """Relative to the folder."""


@dataclass(frozen=True)
class Hit:
    """A finding as it is printed for reading."""

    target: str
    path: str
    line: int
    column: int
    end_line: int
    code: str
    text: str
    fix: str
    """``safe``, ``unsafe``, ``display`` or ``none``."""
    context: tuple[str, ...] = ()
    diff: tuple[str, ...] = ()
    key: str = ""
    """What the sample is drawn by."""


@dataclass(frozen=True)
class Defect:
    """Something that must not happen."""

    kind: str
    target: str
    path: str
    codes: tuple[str, ...]
    message: str


@dataclass
class Outcome:
    """What became of one file."""

    task: Task
    seconds: float = 0.0
    lines: int = 0
    hits: list[Hit] = field(default_factory=list)
    applied: Counter[str] = field(default_factory=Counter)
    defects: list[Defect] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """What every process does with every file."""

    select: tuple[str, ...]
    fix: bool
    shown: tuple[str, ...]
    """The codes whose hits are wanted with their context."""
    context: int
    scratch: str
    seed: int


# ------------------------------------------------------------------------------------------------- getting packages


def targets_of(arguments: Sequence[str], cache: Path) -> tuple[list[Target], list[str]]:
    """The folders that the arguments name, and a message for each that cannot be had.

    Args:
        arguments: package requirements (``trl``, ``timm==1.0.9``), and paths, which contain a separator.
        cache: where packages are downloaded to and unpacked.
    """
    targets: list[Target] = []
    failures: list[str] = []
    for argument in arguments:
        if os.sep in argument or argument in (".", "..") or os.path.isabs(argument):
            folder = Path(argument).resolve()
            if folder.is_dir():
                targets.append(Target(folder.name, "", str(folder)))
            else:
                failures.append(f"{argument}: no such folder")
            continue
        try:
            targets.append(package(argument, cache))
        except RuntimeError as error:
            installed = installed_package(argument)
            if installed is None:
                failures.append(f"{argument}: {error}")
            else:
                targets.append(installed)
    return targets, failures


def package(requirement: str, cache: Path) -> Target:
    """Download a package, without what it depends on, and unpack its Python files.

    Raises:
        RuntimeError: the package index has no such package, or it cannot be reached.
    """
    name = re.split(r"[=<>!~\[;]", requirement)[0].strip()
    folder = cache / re.sub(r"[^A-Za-z0-9._=-]", "_", requirement)
    ready = folder / ".complete"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with tempfile.TemporaryDirectory(dir=cache) as downloads:
            archive = download(requirement, Path(downloads))
            unpack(archive, folder)
            ready.write_text(version_of(archive.name), encoding="utf-8")
    return Target(name, ready.read_text(encoding="utf-8"), str(folder))


def download(requirement: str, folder: Path) -> Path:
    """One wheel, or a source archive where there is no wheel for this Python."""
    for choice in (["--only-binary", ":all:"], []):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *choice, "-d", str(folder)]
        done = subprocess.run([*command, requirement], capture_output=True, text=True, check=False)
        archives = sorted(folder.iterdir())
        if done.returncode == 0 and archives:
            return archives[0]
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip download failed"]
    raise RuntimeError(lines[-1])


def unpack(archive: Path, folder: Path) -> None:
    """Write the archive's Python files under the folder; names that lead out of it are left out."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as wheel:
            for member in wheel.namelist():
                _write_member(folder, member, functools.partial(wheel.read, member))
        return
    with tarfile.open(archive) as source:
        for entry in source:
            if entry.isfile():
                content = source.extractfile(entry)
                if content is not None:
                    _write_member(folder, entry.name, content.read)


def _write_member(folder: Path, name: str, read: Callable[[], bytes]) -> None:
    path = (folder / name).resolve()
    if name.endswith(SUFFIXES) and path.is_relative_to(folder.resolve()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(read())


def version_of(archive: str) -> str:
    """The version in an archive's name."""
    stem = re.sub(r"\.(whl|zip|tar\.gz|tar\.bz2)$", "", archive)
    return stem.split("-")[1] if archive.endswith(".whl") else stem.rpartition("-")[2]


def installed_package(requirement: str) -> Target | None:
    """The package as this Python has it installed."""
    from importlib import metadata

    name = re.split(r"[=<>!~\[;]", requirement)[0].strip()
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    for top in (distribution.read_text("top_level.txt") or name.replace("-", "_")).split():
        folder = Path(str(distribution.locate_file(top)))
        if folder.is_dir() and not top.startswith("_"):
            return Target(name, distribution.version, str(folder))
    return None


def files_of(target: Target) -> Iterator[Task]:
    """The target's Python files, in order."""
    for folder, folders, names in os.walk(target.folder):
        folders[:] = sorted(set(folders) - SKIPPED_FOLDERS)
        for name in sorted(names):
            if name.endswith(SUFFIXES):
                yield Task(target.name, target.folder, os.path.relpath(os.path.join(folder, name), target.folder))


# ------------------------------------------------------------------------------------------------------ in a process


class Worker:
    """Lints and fixes one file after another; one per process."""

    def __init__(self, plan: Plan) -> None:
        from mlint.registry import load_index
        from mlint.settings import Settings

        self.plan = plan
        self.index: Index = load_index()
        self.settings = Settings(select=plan.select) if plan.select else Settings()
        self._engines: dict[str, Engine] = {}

    def engine(self, folder: str) -> Engine:
        """The engine for a target: first-party imports are looked up in its folder."""
        from mlint.engine import Engine, EngineOptions

        if folder not in self._engines:
            source = os.path.join(folder, "src")
            roots = (source, folder) if os.path.isdir(source) else (folder,)
            self._engines[folder] = Engine(self.index, options=EngineOptions(root=folder, roots=roots))
        return self._engines[folder]

    def work(self, task: Task) -> Outcome:
        """Lint and fix one file; whatever is raised on the way is a defect."""
        outcome = Outcome(task)
        started = time.perf_counter()
        try:
            self._work(task, outcome)
        except Exception as error:  # the very thing that this script looks for
            outcome.defects.append(
                Defect("crash", task.target, task.path, (), f"{error!r}\n{traceback.format_exc(limit=-8)}")
            )
        outcome.seconds = time.perf_counter() - started
        return outcome

    def _work(self, task: Task, outcome: Outcome) -> None:
        from mlint.settings import active_codes
        from mlint.source import Source, SourceError

        full = os.path.join(task.folder, task.path)
        codes = active_codes(self.settings, self.index, task.path)
        engine = self.engine(task.folder)

        def check(source: Source) -> list[Finding]:
            report = engine.check(source, codes)
            for error in report.errors:
                outcome.defects.append(
                    Defect("internal error", task.target, task.path, (error.code,), f"{error.message}\n{error.details}")
                )
            return report.findings

        try:
            source = Source.read(full)
        except SourceError as error:
            outcome.hits.append(Hit(task.target, task.path, 1, 1, 1, "ML000", error.message, "none"))
            return
        outcome.lines = source.text.count("\n") + 1
        findings = check(source)
        outcome.hits = [self._hit(task, source, finding) for finding in findings]
        if self.plan.fix and any(finding.fix is not None for finding in findings):
            self._fix(task, outcome, source, check)

    def _fix(self, task: Task, outcome: Outcome, source: Source, check: Callable[[Source], list[Finding]]) -> None:
        from mlint.finding import Safety
        from mlint.fixer import fix_source
        from mlint.source import Source

        def allowed(finding: Finding) -> bool:
            return finding.fix is not None and finding.fix.safety is not Safety.SUGGESTION

        fixed = fix_source(source, check, allowed)
        codes = tuple(sorted({finding.code for finding in fixed.applied}))
        outcome.applied.update(finding.code for finding in fixed.applied)
        for failure in fixed.failures:
            outcome.defects.append(Defect("failed fix", task.target, task.path, codes, failure))
        if fixed.source.text == source.text:
            return
        compiled = compile_error(source.text, task.path)
        broken = compile_error(fixed.source.text, task.path)
        if compiled is None and broken is not None:
            outcome.defects.append(Defect("does not compile", task.target, task.path, codes, broken))
            return
        again = fix_source(fixed.source, check, allowed)
        if again.source.text != fixed.source.text:
            codes = tuple(sorted({finding.code for finding in again.applied}))
            diff = "".join(
                difflib.unified_diff(
                    fixed.source.text.splitlines(True), again.source.text.splitlines(True), "first", "second", n=1
                )
            )
            outcome.defects.append(Defect("unstable fix", task.target, task.path, codes, diff))
        copy = os.path.join(self.plan.scratch, f"{os.getpid()}-{os.path.basename(task.path)}")
        shutil.copyfile(os.path.join(task.folder, task.path), copy)
        try:
            fixed.source.write(copy)
            if Source.read(copy).text != fixed.source.text or Source.read(copy).newline != source.newline:
                outcome.defects.append(Defect("written otherwise", task.target, task.path, codes, "reads back changed"))
        finally:
            with contextlib.suppress(OSError):
                os.unlink(copy)

    def _hit(self, task: Task, source: Source, finding: Finding) -> Hit:
        from mlint.finding import Safety

        fix = "none" if finding.fix is None else finding.fix.safety.value
        start, end = finding.start, finding.end
        context: tuple[str, ...] = ()
        diff: tuple[str, ...] = ()
        key = ""
        if any(finding.code.startswith(code) or finding.name == code for code in self.plan.shown):
            lines = source.text.splitlines()
            first = max(1, start.line - self.plan.context)
            last = min(len(lines), min(end.line, start.line + 12) + self.plan.context)
            context = tuple(
                f"{'>' if start.line <= number <= end.line else ' '}{number:6d} {lines[number - 1]}"
                for number in range(first, last + 1)
            )
            if fix != "none" and finding.fix is not None and finding.fix.safety in Safety:
                diff = fix_diff(source, finding)
            words = f"{self.plan.seed}:{task.target}:{task.path}:{finding.code}:{lines[start.line - 1].strip()}"
            key = hashlib.sha256(words.encode()).hexdigest()
        return Hit(
            task.target,
            task.path,
            start.line,
            start.column,
            end.line,
            finding.code,
            finding.text,
            fix,
            context,
            diff,
            key,
        )


def fix_diff(source: Source, finding: Finding) -> tuple[str, ...]:
    """What the fix of one finding changes, as the lines of a diff."""
    from mlint.fixer import materialise

    try:
        fix = materialise(finding).fix
        if fix is None or not fix.edits:
            return ("(the fix turned out not to be possible)",)
        changed = source.apply(fix.edits).text
    except Exception as error:  # reported as a defect by the fixing stage; here it must not hide the finding
        return (f"(building the fix failed: {error!r})",)
    lines = difflib.unified_diff(source.text.splitlines(), changed.splitlines(), lineterm="", n=0)
    return tuple(line for line in lines if not line.startswith(("---", "+++")))


def compile_error(text: str, path: str) -> str | None:
    """Why a text does not compile; None when it does."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return str(error)
    return None


_WORKER: Worker | None = None


def _start(plan: Plan) -> None:
    global _WORKER  # one per process, made once
    _WORKER = Worker(plan)


def _work(task: Task) -> Outcome:
    assert _WORKER is not None
    return _WORKER.work(task)


def run(tasks: Sequence[Task], plan: Plan, jobs: int) -> Iterator[Outcome]:
    """Work on all files, in this process or in several."""
    if jobs <= 1:
        worker = Worker(plan)
        yield from map(worker.work, tasks)
        return
    Worker(plan)  # what goes wrong here would go wrong in every process, and a pool starts them again and again
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with context.Pool(jobs, _start, (plan,)) as pool:
        yield from pool.imap(_work, tasks, chunksize=8)


# ------------------------------------------------------------------------------------------------------------ report


def print_hits(hits: Iterable[Hit], sample: int, per_file: int) -> None:
    """Print a sample of the hits with their context and what their fix would do."""
    wanted = sorted((hit for hit in hits if hit.key), key=lambda hit: (hit.key, hit.path, hit.line, hit.column))
    taken: Counter[tuple[str, str]] = Counter()
    chosen: list[Hit] = []
    for hit in wanted:
        if len(chosen) < sample and taken[hit.target, hit.path] < per_file:
            taken[hit.target, hit.path] += 1
            chosen.append(hit)
    for number, hit in enumerate(chosen, 1):
        print(f"\n[{number}/{len(chosen)} of {len(wanted)}] {hit.target}: {hit.path}:{hit.line}:{hit.column}")
        print(f"  {hit.code} {hit.text}")
        print("\n".join(hit.context))
        if hit.diff:
            print(f"  fix ({hit.fix}):")
            print("\n".join(f"    {line}" for line in hit.diff))
    if not wanted:
        print("no hits")


def print_rules(hits: Iterable[Hit], applied: Counter[str]) -> None:
    """Print the table of findings by rule."""
    by_code: dict[str, list[Hit]] = defaultdict(list)
    for hit in hits:
        by_code[hit.code].append(hit)
    print(
        f"\n{'code':8}{'findings':>10}{'files':>8}{'packages':>10}{'safe':>8}{'unsafe':>8}{'no fix':>8}{'applied':>9}"
    )
    for code, found in sorted(by_code.items()):
        fixes = Counter(hit.fix for hit in found)
        files = len({(hit.target, hit.path) for hit in found})
        packages = len({hit.target for hit in found})
        rest = fixes["none"] + fixes["display"]
        print(
            f"{code:8}{len(found):10}{files:8}{packages:10}{fixes['safe']:8}{fixes['unsafe']:8}{rest:8}{applied[code]:9}"
        )


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("targets", nargs="*", metavar="PACKAGE|PATH", help="package requirements, and folders (with a slash)")
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlint-ecosystem"
    add("--cache", type=Path, default=default, help="where packages are unpacked (default: %(default)s)")
    add("--select", default="", help="only these rules: codes, prefixes or names, comma-separated; ALL for every rule")
    add("--no-fix", action="store_true", help="lint only")
    add("--jobs", "-j", type=int, default=os.cpu_count() or 1)
    add("--json", type=Path, metavar="OUT", help="write the results as JSON")
    add("--hits", default="", metavar="CODE", help="print findings of these rules with their source; implies --no-fix")
    add("--sample", type=int, default=20, help="how many findings --hits prints (default: %(default)s)")
    add("--context", type=int, default=6, help="lines before and after (default: %(default)s)")
    add("--per-file", type=int, default=2, help="at most this many findings of one file (default: %(default)s)")
    add("--seed", type=int, default=0, help="another number draws another sample")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; the exit code is described at the top."""
    options = arguments().parse_args(argv)
    options.cache.mkdir(parents=True, exist_ok=True)
    targets, failures = targets_of(options.targets or PACKAGES, options.cache)
    for failure in failures:
        print(f"not had: {failure}", file=sys.stderr)
    shown = tuple(filter(None, options.hits.split(",")))
    select = tuple(filter(None, options.select.split(","))) or shown
    tasks = [task for target in targets for task in files_of(target)]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mlint-ecosystem-") as scratch:
        plan = Plan(select, not (options.no_fix or shown), shown, options.context, scratch, options.seed)
        outcomes = list(run(tasks, plan, options.jobs))
    seconds = time.perf_counter() - started

    hits = [hit for outcome in outcomes for hit in outcome.hits]
    defects = [defect for outcome in outcomes for defect in outcome.defects]
    applied: Counter[str] = Counter()
    for outcome in outcomes:
        applied.update(outcome.applied)
    if shown:
        print_hits(hits, options.sample, options.per_file)
    print_rules(hits, applied)
    print(f"\n{'package':28}{'version':14}{'files':>8}{'lines':>10}{'findings':>10}{'applied':>9}{'defects':>9}")
    rows = []
    for target in targets:
        mine = [outcome for outcome in outcomes if outcome.task.folder == target.folder]
        row = {
            "name": target.name,
            "version": target.version,
            "files": len(mine),
            "lines": sum(outcome.lines for outcome in mine),
            "findings": sum(len(outcome.hits) for outcome in mine),
            "applied": sum(outcome.applied.total() for outcome in mine),
            "defects": sum(len(outcome.defects) for outcome in mine),
        }
        rows.append(row)
        print("{name:28}{version:14}{files:8}{lines:10}{findings:10}{applied:9}{defects:9}".format(**row))
    for outcome in sorted(outcomes, key=lambda outcome: -outcome.seconds)[:5]:
        if outcome.seconds > SLOW_SECONDS:
            print(f"slow: {outcome.seconds:.1f} s for {outcome.task.target}: {outcome.task.path}")
    for defect in defects:
        print(f"\nDEFECT {defect.kind}: {defect.target}: {defect.path} {' '.join(defect.codes)}")
        print(defect.message.rstrip())
    kinds = Counter(defect.kind for defect in defects)
    summary = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "no defect"
    print(f"\n{len(tasks)} files of {len(targets)} packages in {seconds:.1f} s: {len(hits)} findings, {summary}")
    if options.json:
        codes = sorted({hit.code for hit in hits})
        content = {
            "targets": rows,
            "rules": {
                code: {
                    "findings": sum(hit.code == code for hit in hits),
                    "fixes": dict(Counter(hit.fix for hit in hits if hit.code == code)),
                    "applied": applied[code],
                }
                for code in codes
            },
            "defects": [asdict(defect) for defect in defects],
            "hits": [{key: value for key, value in asdict(hit).items() if key != "key"} for hit in hits],
            "not_had": failures,
        }
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 1 if defects else 2 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
