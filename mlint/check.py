"""One run of ``mlint [check]``: files or standard input in; a report, a diff or fixed files out."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence

from mlint import summary
from mlint.arguments import WORDS, UsageError, colored, nearest
from mlint.console import Console
from mlint.finding import Finding
from mlint.linter import Job, Linter, Outcome, Task, is_notebook
from mlint.report import position
from mlint.report.summary import counted, diff_summary, fixable_counts
from mlint.report.summary import summary as closing_line
from mlint.runner import lint_files
from mlint.settings import SettingsError, SettingsResolver, active_codes, fixable_codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from mlint.notebook import NotebookSource
    from mlint.registry import Index
    from mlint.source import Source

STANDARD_INPUT = "-"
_NEED_EDITS = frozenset({"json", "json-lines", "sarif"})
"""Formats that show the edits of a fix, not only that there is one."""


class Check:
    """What one command line asks for, ready to be done, once or again and again.

    ``options`` come from ``mlint.arguments.parse``; raises SettingsError when the configuration is unusable.
    """

    def __init__(self, options: Namespace, console: Console, environment: Mapping[str, str]) -> None:
        self._options = options
        self._console = console
        self._environment = dict(environment)
        self._sources: dict[str, Source | None] = {}
        self._notebook: tuple[str, NotebookSource | None] | None = None
        self._failed = False
        self._nothing = False
        self._load()
        console.detail(f"configuration: {self._settings.config_path or 'none'}")

    def _load(self) -> None:
        """Read the configuration. Raises SettingsError, for unknown rules too, before any work is done."""
        from mlint.registry import load_index

        options = self._options
        self._resolver = SettingsResolver(config=options.config, isolated=options.isolated, overrides=options.overrides)
        self._settings = settings = self._resolver.for_path(self._anchor())
        self._index: Index = load_index(settings.local_rules)
        self._fixable = fixable_codes(settings, self._index)
        active_codes(settings, self._index, "")
        self._fixing = bool(
            (settings.fix or settings.fix_only or options.diff)
            and options.add_noqa is None
            and options.write_baseline is None
        )

    def _anchor(self) -> str:
        """Return the path whose settings hold for the run as a whole: its format, its baseline, its processes."""
        options = self._options
        if options.paths == [STANDARD_INPUT]:
            return options.stdin_filename or os.path.join(os.curdir, STANDARD_INPUT)
        first = options.debug_model or (options.paths[0] if options.paths else os.curdir)
        return os.path.join(first, "") if os.path.isdir(first) else first

    # --- what there is to do -----------------------------------------------------------------------------------------

    def run(self) -> int:
        """Do what the options ask for and return the exit code."""
        options = self._options
        self._probe_output_file()
        if options.show_settings:
            path = self._anchor()
            codes = active_codes(self._settings, self._index, self._settings.relative(path))
            self._console.result("\n".join(summary.settings_lines(self._settings, path, codes)) + "\n")
            return 0
        if options.debug_model is not None:
            return self._debug_model(options.debug_model)
        if options.show_files:
            for path, _ in self._files():
                self._console.result(f"{path}\n")
            return self._exit(0)
        if options.paths == [STANDARD_INPUT]:
            if sys.stdin is None:
                raise UsageError("standard input is closed; nothing can be read from it")
            return self._piped(sys.stdin.buffer.read())
        if options.watch:
            return self._watch()
        return self._once()

    def _debug_model(self, path: str) -> int:
        """Print what is known about one file."""
        from mlint.debug_model import described
        from mlint.linter import engine_options, read_source
        from mlint.model.file import FileModel
        from mlint.model.project import Project
        from mlint.model.versions import Versions
        from mlint.source import SourceError

        try:
            source = read_source(path, self._settings)
            module = source.parse()
        except SourceError as error:
            raise UsageError(f"{path}: cannot be read as Python: {error}") from error
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
        choices = engine_options(self._settings)
        project = Project(choices.roots)
        model = FileModel(source, module, project)
        project.begin(model)
        versions = Versions(choices.target_versions, choices.root).near(path)
        self._console.result("\n".join(described(model, versions)) + "\n")
        return 0

    def _probe_output_file(self) -> None:
        """Raise UsageError if the report could not be written, before any work is done and any file is fixed."""
        name = self._options.output_file
        if name is None:
            return
        folder = os.path.dirname(name) or os.curdir
        if os.path.isdir(name):
            raise UsageError(f"{name}: cannot write: it is a folder; name a file")
        if not os.path.isdir(folder):
            raise UsageError(f"{name}: cannot write: there is no folder {folder}")
        if not os.access(name if os.path.exists(name) else folder, os.W_OK):
            raise UsageError(f"{name}: cannot write: permission denied")

    def _once(self) -> int:
        self._failed = False
        self._sources.clear()
        self._notebook = None
        options, settings = self._options, self._settings
        files = self._files()
        self._nothing = not files
        if not files and not self._failed:
            self._console.note("no Python files to check")
        outcomes = lint_files(
            files,
            self._resolver,
            self._task(),
            index=self._index,
            cache=not options.no_cache,
            jobs=settings.jobs or None,
            progress=self._console.progress,
        )
        self._console.end_progress()
        self._tell_problems(outcomes)
        if options.add_noqa is not None:
            return self._add_noqa(outcomes)
        if options.write_baseline is not None:
            return self._write_baseline(outcomes)
        if options.diff:
            return self._show_diff(outcomes)
        if self._fixing:
            self._write_fixed(outcomes)
        return self._report(outcomes)

    def _task(self) -> Task:
        return Task(
            fix=self._fixing,
            diff=self._options.diff,
            color=self._options.output_file is None and self._colored(self._console.output),
            edits=self._settings.output_format in _NEED_EDITS and not self._options.statistics,
            timing=self._options.timing,
            validate=self._options.validate,
        )

    def _files(self, tell: Callable[[str], None] | None = None) -> list[tuple[str, bool]]:
        """Return the files to lint; ``tell`` hears what is wrong with the paths that were given."""
        from mlint.discover import discover

        tell = tell or self._fail
        paths = self._options.paths or [os.curdir]
        found: list[tuple[str, bool]] = []
        present: list[str] = []
        for path in paths:
            if os.path.exists(path):
                present.append(path)
            elif os.path.lexists(path):
                tell(f"{path}: the link leads nowhere")
            else:
                word = nearest(path, WORDS) if path == paths[0] else ""
                tell(f"{path or repr(path)}: no such file or folder{word}")
        if present:
            walk = discover(
                present,
                settings_for=self._resolver.for_path,
                on_error=lambda error: tell(error.message),
            )
            found.extend((item.path, item.explicit) for item in walk)
        return found

    def _watch(self) -> int:
        from mlint.registry import RegistryError
        from mlint.settings import FILE_NAMES
        from mlint.watch import watch

        known: list[str] = []
        folders = [path if os.path.isdir(path) else os.path.dirname(path) for path in self._options.paths or [""]]
        configurations = [os.path.join(folder, name) for folder in folders for name in FILE_NAMES]

        def files() -> Sequence[str]:
            try:
                known[:] = [path for path, _ in self._files(lambda _: None)]
            except SettingsError:
                pass  # told by the check; what was there before is looked at until it is mended
            found = self._settings.config_path
            return [*known, *configurations, *([found] if found else [])]

        def check() -> int:
            try:
                self._load()  # the configuration may be what has changed
                code = self._once()
                self._console.output.flush()
                return code
            except (SettingsError, UsageError, RegistryError) as error:
                self._console.warn(str(error))
                return 2

        return watch(
            self._options.paths or [os.curdir],
            files,
            check,
            lambda text: self._console.clear(text) if text.startswith("\x1b") else self._console.note(text),
            clear=self._console.output.isatty(),
        )

    # --- standard input ----------------------------------------------------------------------------------------------

    def _piped(self, data: bytes) -> int:
        from mlint.discover import is_excluded

        options, settings, console = self._options, self._settings, self._console
        name = options.stdin_filename
        path = name or STANDARD_INPUT
        explicit = True
        echo = self._fixing and not options.diff
        if name and is_excluded(name, settings):
            if echo:
                console.result_bytes(data)
            return 0
        linter = Linter([settings], self._task(), self._index)
        outcome = linter.lint_bytes(data, path, explicit=explicit)
        self._tell_problems([outcome])
        if options.diff:
            return self._show_diff([outcome])
        current = outcome.fixed if outcome.fixed is not None else data
        self._sources[path] = _source(current, path)
        if not echo:
            return self._report([outcome])
        console.result_bytes(current)
        return self._report([outcome], to_errors=True)

    # --- what comes of it --------------------------------------------------------------------------------------------

    def _report(self, outcomes: Sequence[Outcome], *, to_errors: bool = False) -> int:
        options, settings, console = self._options, self._settings, self._console
        fixed = sum(len(outcome.applied) for outcome in outcomes)
        findings = self._new(outcomes)
        if settings.show_fixes and fixed:
            console.note(summary.fixes(outcomes, "Fixed"))
        if options.timing:
            console.note(summary.timings(outcomes))
        if not settings.fix_only:
            self._print(findings, fixed, to_errors)
        if options.exit_non_zero_on_fix and fixed and not options.exit_zero:
            return self._exit(1)
        return self._exit(1 if findings and not settings.fix_only and not options.exit_zero else 0)

    def _print(self, findings: list[Finding], fixed: int, to_errors: bool) -> None:
        options, console = self._options, self._console
        format = self._settings.output_format
        if options.output_file is not None:
            try:
                # newline="" keeps the report's own line ends on every system
                with open(options.output_file, "w", encoding="utf-8", newline="") as stream:
                    self._write_report(findings, stream)
            except OSError as error:
                raise UsageError(f"{options.output_file}: cannot write: {error.strerror or error}") from None
        elif console.level > -2:
            self._write_report(findings, console.errors if to_errors else console.output)
        if format in ("full", "concise"):
            text = closing_line(
                findings,
                fixed=fixed,
                fix=self._fixing,
                unsafe_fixes=self._settings.unsafe_fixes,
                fixable=self._fixable,
            )
            if self._failed and not findings:  # not all was checked, or not all was written
                text = f"Fixed {counted(fixed, 'finding')}." if fixed else ""
            elif self._nothing:
                text = ""
            if text and format == "full" and not to_errors and console.level >= 0 and options.output_file is None:
                console.result(text + "\n")
            else:
                console.note(text)

    def _write_report(self, findings: list[Finding], stream: TextIO) -> None:
        from mlint import report
        from mlint.registry import rule_url

        settings, format = self._settings, self._settings.output_format
        context = report.ReportContext(
            index=self._index,
            sources=self._source_of,
            cell_sources=self._cell_of,
            rule_url=rule_url,
            explanation=self._explanation,
            root=settings.root or os.curdir,
            color=self._colored(stream),
            fixable=self._fixable,
            unsafe_fixes=settings.unsafe_fixes,
            show_url=self._console.level > 0,
        )
        if self._options.statistics:
            from mlint.report.statistics import write_statistics

            if format not in ("full", "concise", "json", "json-lines"):
                raise UsageError(f"--statistics can be printed as full, concise, json or json-lines, not as {format}")
            write_statistics(findings, stream, context=context, format=format)
            return
        report.write(format, findings, stream, context=context)

    def _explanation(self, code: str) -> str | None:
        from mlint.registry import load_rule

        entry = self._index.by_code.get(code)
        try:
            return None if entry is None else load_rule(entry).explanation()
        except Exception:  # a rule that cannot be loaded, or a code of the engine without a file
            return None

    def _new(self, outcomes: Sequence[Outcome]) -> list[Finding]:
        """Return the findings that the baseline does not know."""
        findings = [finding for outcome in outcomes for finding in outcome.findings]
        name = self._settings.baseline
        if name is None:
            return findings
        from mlint.baseline import Baseline, BaselineError

        findings.sort(key=lambda finding: finding.sort_key)
        try:
            baseline = Baseline.read(name)
        except BaselineError as error:
            raise UsageError(str(error)) from None
        new, known, stale = baseline.split(findings, self._line_of, [outcome.path for outcome in outcomes])
        self._console.detail(f"{counted(known, 'finding')} known from {name}")
        for entry in stale:
            times = f" ({entry.count} times)" if entry.count > 1 else ""
            self._console.detail(f"{name}: no longer found: {entry.path}: {entry.code}: {entry.text}{times}")
        if stale:
            self._console.detail(f"write the baseline anew with `mlint --write-baseline {name}`")
        return new

    def _write_baseline(self, outcomes: Sequence[Outcome]) -> int:
        from mlint.baseline import Baseline, BaselineError

        name: str = self._options.write_baseline
        findings = sorted(
            (finding for outcome in outcomes for finding in outcome.findings), key=lambda finding: finding.sort_key
        )
        kept = [finding for finding in findings if finding.code != "ML000"]
        try:
            Baseline.of(os.path.dirname(os.path.abspath(name)), kept, self._line_of).write(name)
        except BaselineError as error:
            raise UsageError(str(error)) from None
        self._console.note(f"wrote {counted(len(kept), 'finding')} to {name}; use it with --baseline {name}")
        for finding in findings:
            if finding.code == "ML000":
                self._fail(f"{position(finding).rpartition(':')[0]}: {finding.message}; not put into the baseline")
        return self._exit(0)

    def _show_diff(self, outcomes: Sequence[Outcome]) -> int:
        console = self._console
        changed = [outcome for outcome in outcomes if outcome.diff]
        data = b"".join(outcome.diff for outcome in changed)
        if self._options.output_file is not None:
            try:
                with open(self._options.output_file, "wb") as stream:
                    stream.write(data)
            except OSError as error:
                raise UsageError(f"{self._options.output_file}: cannot write: {error.strerror or error}") from None
        elif console.level > -2:
            console.result_bytes(data)
        for outcome in outcomes:
            for finding in outcome.findings:
                if finding.code == "ML000":
                    console.note(f"{position(finding)}: {finding.message}")
        if self._settings.show_fixes:
            console.note(summary.fixes(changed, "Would fix"))
        total = sum(len(outcome.applied) for outcome in changed)
        left = [finding for outcome in outcomes for finding in outcome.findings]
        hidden = 0 if self._settings.unsafe_fixes else fixable_counts(left, self._fixable)[1]
        console.note(diff_summary(total, hidden))
        return self._exit(1 if data and not self._options.exit_zero else 0)

    def _write_fixed(self, outcomes: Iterable[Outcome]) -> None:
        """Write the new content of all files, each only if it is still what was read."""
        for outcome in outcomes:
            if outcome.fixed is None:
                continue
            path = outcome.path
            try:
                status = os.stat(path)
                if (status.st_mtime_ns, status.st_size) != outcome.status:
                    self._fail(f"{path}: changed while mlint was running; left alone, run mlint again")
                    self._not_fixed(outcome)
                    continue
                source = _source(outcome.fixed, path)
                assert source is not None, "what was fixed can be read"
                source.write()
            except OSError as error:
                self._fail(f"{path}: cannot write the fixed file: {error.strerror or error}")
                self._not_fixed(outcome)

    def _not_fixed(self, outcome: Outcome) -> None:
        """Make ``outcome`` that of a file which stays as it is: what would have been fixed is still there."""
        task = self._task()
        task.fix = False
        found = Linter([self._resolver.for_path(outcome.path)], task).lint(Job(outcome.path, True, 0, 0))
        outcome.findings, outcome.applied, outcome.fixed = found.findings, [], None

    def _add_noqa(self, outcomes: Sequence[Outcome]) -> int:
        from mlint.suppress import add_noqa

        added = files = 0
        for outcome in outcomes:
            source, findings = self._module_of(outcome.path, outcome.findings) if outcome.findings else (None, [])
            if source is None:
                continue
            made = add_noqa(source, findings, self._options.add_noqa or None)
            for finding in made.skipped:
                place = f"{finding.path}:{_shown_line(source, finding)}"
                if finding.code == "ML000":
                    self._fail(f"{place}: {finding.message}")
                elif finding.code != "ML001":
                    use = f"use `# mlint: file-ignore[{finding.code}]`"
                    self._fail(f"{place}: no comment can stand here to suppress {finding.code}; {use}")
            if not made.added:
                continue
            try:
                made.source.write()
            except OSError as error:
                self._fail(f"{outcome.path}: cannot write: {error.strerror or error}")
                continue
            files += 1
            added += len(made.added)
        self._console.note(f"suppressed {counted(added, 'finding')} in {counted(files, 'file')}")
        return self._exit(0)

    def _colored(self, stream: TextIO) -> bool:
        return colored(self._options.color, self._environment, stream.isatty())

    # --- small things ------------------------------------------------------------------------------------------------

    def _source_of(self, path: str) -> Source | None:
        """Return the text of a file that was linted; None when it cannot be had any more."""
        if path not in self._sources:
            from mlint.source import Source, SourceError

            kept = self._sources.get(self._options.stdin_filename or STANDARD_INPUT)
            self._sources.clear()  # reports go file by file: the last one is enough
            if kept is not None:
                self._sources[kept.path] = kept
            try:
                self._sources[path] = Source.read(path)
            except (OSError, SourceError):
                self._sources[path] = None
        return self._sources[path]

    def _cell_of(self, path: str, number: int) -> Source | None:
        """Return the source of one cell of a notebook that was linted."""
        from mlint.source import Source

        notebook = self._notebook_of(path)
        try:
            return None if notebook is None else Source(notebook.cell(number).prepared.raw, path)
        except KeyError:  # the file has been changed meanwhile
            return None

    def _notebook_of(self, path: str) -> NotebookSource | None:
        """Return a notebook that was linted as one module; None when it cannot be had any more."""
        from mlint.notebook import read
        from mlint.source import SourceError

        if self._notebook is not None and self._notebook[0] == path:
            return self._notebook[1]
        file = self._source_of(path)
        try:
            notebook = None if file is None else read(file.encode(), path)
        except SourceError:
            notebook = None
        self._notebook = (path, notebook)
        return notebook

    def _module_of(self, path: str, findings: list[Finding]) -> tuple[Source | None, list[Finding]]:
        """Return the text that rules have seen, and the findings with places in it."""
        if not is_notebook(path, self._resolver.for_path(path)):
            return self._source_of(path), findings
        notebook = self._notebook_of(path)
        if notebook is None:
            return None, []
        try:
            return notebook, [notebook.out_of_cells(finding) for finding in findings]
        except KeyError:
            return None, []

    def _line_of(self, finding: Finding) -> str:
        source = self._source_of(finding.path) if finding.cell is None else self._cell_of(finding.path, finding.cell)
        try:
            return "" if source is None else source.line(finding.start.line)
        except IndexError:
            return ""

    def _tell_problems(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            for problem in outcome.problems:
                self._fail(str(problem))
                self._console.detail(problem.details)
            for note in outcome.notes:
                self._console.warn(note)

    def _fail(self, text: str) -> None:
        self._failed = True
        self._console.warn(text)

    def _exit(self, code: int) -> int:
        return 2 if self._failed else code


def _shown_line(source: Source, finding: Finding) -> str:
    """Return the line of a finding for people, with its cell."""
    return source.shown_at(finding.start).rpartition(":")[0]


def _source(data: bytes, path: str) -> Source | None:
    from mlint.source import Source, SourceError

    try:
        return Source.from_bytes(data, path)
    except SourceError:
        return None
