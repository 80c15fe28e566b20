"""What mlint has to say about one text: findings, the edits that would mend them, and the comments that silence them.

Everything here runs in one thread of its own, one text after the other: engines are not made for two.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mlint.discover import is_covered
from mlint.finding import Finding, Fix, Safety
from mlint.fixer import fix_source, materialise
from mlint.linter import unsuppressed
from mlint.notebook import NotebookSource
from mlint.notebook.fitting import fitting, unparsed
from mlint.server.configuration import Configuration
from mlint.server.following import StoppedError
from mlint.settings import Settings, fixable_codes
from mlint.source import Source
from mlint.suppress import add_noqa

_BOM = "\ufeff"
_KEPT = 64

__all__ = ["Analysis", "Analyzer", "StoppedError", "Unit"]


class Unit:
    """One module to check: the text of a file, or the cells of a notebook together.

    Attributes:
        key: what tells it from others: the URI.
        path: its file, or what stands for it.
        version: grows with every change.
        source: the text. Offsets in it are offsets in what the editor shows.
        explicit: it is open, so it is read even where no rule can have anything to say about it.
    """

    __slots__ = ("explicit", "key", "path", "source", "version")

    def __init__(self, key: str, path: str, version: int, source: Source, *, explicit: bool = True) -> None:
        self.key, self.path, self.version, self.explicit = key, path, version, explicit
        text = source.text
        # Python takes a byte order mark for a character that it does not know; a form feed is as long, and blank.
        self.source = Source(f"\f{text[1:]}", path) if text.startswith(_BOM) else source


class Analysis:
    """What was found in one version of a text.

    Attributes:
        findings: sorted. Their fixes can be built as long as no other text has been checked.
        problems: what kept mlint from its work, one line each.
        dependencies: other files that the findings depend on.
        excluded: the configuration has mlint leave the file alone.
    """

    __slots__ = ("dependencies", "excluded", "findings", "generation", "problems", "settings", "unit")

    def __init__(self, unit: Unit, settings: Settings, generation: int) -> None:
        self.unit = unit
        self.settings = settings
        self.generation = generation
        self.findings: list[Finding] = []
        self.problems: list[str] = []
        self.dependencies: frozenset[str] = frozenset()
        self.excluded = False


class Analyzer:
    """Checks texts by the configuration that holds for them."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._known: dict[str, Analysis] = {}
        self._live: Analysis | None = None
        """The one whose fixes can still be built."""

    def known(self, unit: Unit) -> Analysis | None:
        """What was found in exactly this text before, if it still holds."""
        analysis = self._known.get(unit.key)
        if (
            analysis is not None
            and analysis.unit.version == unit.version
            and analysis.unit.source.text == unit.source.text
            and analysis.generation == self._configuration.generation
        ):
            return analysis
        return None

    def edited(self, path: str) -> list[str]:
        """Have a file be another than it was; the texts that now have to be checked again because of it."""
        self._release()
        self._configuration.forget(path)
        stale = [key for key, analysis in self._known.items() if path in analysis.dependencies]
        for key in stale:
            del self._known[key]
        return stale

    def closed(self, key: str, path: str) -> None:
        """Let go of what is known about a text: its file counts again."""
        self._known.pop(key, None)
        self.edited(path)

    def reset(self) -> None:
        """Let go of everything: files have come or gone, or a configuration has changed."""
        self._release()
        self._known.clear()
        self._configuration.reset()

    def check(self, unit: Unit, stopped: Callable[[], bool] | None = None) -> Analysis:
        """What is to be said about a text.

        Raises:
            StoppedError: nobody wants to know any more.
        """
        known = self.known(unit)
        return known if known is not None else self._check(unit, stopped)

    def check_file(self, unit: Unit, stopped: Callable[[], bool] | None = None) -> Analysis:
        """What is to be said about a file that is not open; it is not remembered.

        Raises:
            StoppedError: nobody wants to know any more.
        """
        analysis = self._check(unit, stopped)
        self._known.pop(unit.key, None)
        return analysis

    def _check(self, unit: Unit, stopped: Callable[[], bool] | None = None) -> Analysis:
        if stopped is not None and stopped():
            raise StoppedError
        settings = self._configuration.settings(unit.path)
        analysis = Analysis(unit, settings, self._configuration.generation)
        analysis.excluded = is_covered(unit.path, settings)
        self._release()
        if not analysis.excluded:
            try:
                found = self._findings(analysis, unit.source, stopped)
                analysis.findings = self._configuration.unknown(settings, unit.source, found)
            except StoppedError:
                raise
            except Exception as error:  # a text that mlint cannot cope with costs that text alone
                analysis.problems.append(f"{unit.path}: internal error: {type(error).__name__}: {error}")
        self._known.pop(unit.key, None)
        self._known[unit.key] = analysis
        while len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        self._live = analysis
        return analysis

    def _findings(self, analysis: Analysis, source: Source, stopped: Callable[[], bool] | None = None) -> list[Finding]:
        configuration, settings, unit = self._configuration, analysis.settings, analysis.unit
        codes = configuration.codes(settings, unit.path)
        engine = configuration.engine(settings)
        with _uncollected():
            report = engine.check_unless(stopped, source, codes, explicit=unit.explicit)
        for error in report.errors:
            problem = f"{unit.path}: internal error in {error.code}: {error.message}"
            if problem not in analysis.problems:
                analysis.problems.append(problem)
        analysis.dependencies |= frozenset(report.dependencies)
        found = report.findings
        if isinstance(source, NotebookSource) and "ML000" in codes:
            found = sorted([*found, *unparsed(source)], key=lambda finding: finding.sort_key)
        kept = unsuppressed(source, found, codes, configuration.index(settings).entries)
        if isinstance(source, NotebookSource):
            return [fitted for finding in kept if (fitted := fitting(finding, source)) is not None]
        return kept

    def _release(self) -> None:
        if self._live is not None:
            self._configuration.engine(self._live.settings).close()
            self._live = None

    def _alive(self, unit: Unit) -> Analysis:
        """What was found in a text, with fixes that can be built."""
        known = self.known(unit)
        return known if known is not None and known is self._live else self._check(unit)

    # What can be done about it

    def fix(self, unit: Unit, number: int) -> Fix | None:
        """The fix of the finding with this number among those of a text, built; None if it cannot be made after all."""
        findings = self._alive(unit).findings
        if not 0 <= number < len(findings):
            return None
        with _uncollected():
            built = materialise(findings[number]).fix
        if built is None or built.edits is None or built.safety is Safety.SUGGESTION:
            return None
        return built

    def fix_all(self, unit: Unit) -> tuple[str, list[str]]:
        """The text after all safe fixes that the settings allow, and a line about each that would have done harm."""
        analysis = self._alive(unit)
        allowed = fixable_codes(analysis.settings, self._configuration.index(analysis.settings))

        def check(source: Source) -> list[Finding]:
            return self._findings(analysis, source)  # those of a baseline too, as the command line does

        def may(finding: Finding) -> bool:
            return finding.fix is not None and finding.fix.safety is Safety.SAFE and finding.code in allowed

        try:
            with _uncollected():
                outcome = fix_source(unit.source, check, may)
        finally:
            self._release()
        return outcome.source.text, outcome.failures

    def ignore_line(self, unit: Unit, number: int) -> Source | None:
        """The text with a comment that silences a finding in its line; None if there can be none."""
        findings = self.check(unit).findings
        if not 0 <= number < len(findings):
            return None
        outcome = add_noqa(unit.source, [findings[number]])
        return outcome.source if outcome.added else None


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pause the garbage collector: it would go through whole trees again and again, and find nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
