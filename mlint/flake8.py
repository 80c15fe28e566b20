"""The flake8 plugin: mlint's findings among flake8's own, from the tree that flake8 has parsed already."""

from __future__ import annotations

import ast
import gc
import os
import re
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from mlint import __version__

if TYPE_CHECKING:
    from mlint.engine import Engine
    from mlint.finding import Finding
    from mlint.registry import Index, RuleEntry
    from mlint.settings import Settings, SettingsResolver
    from mlint.source import Source


class _Session:
    """What is kept from file to file: the configuration, the rules, the engines."""

    def __init__(self, extra: tuple[str, ...] = ()) -> None:
        from mlint.settings import SettingsResolver

        self.resolver: SettingsResolver = SettingsResolver()
        self.extra = extra
        """Selectors from flake8's own options that name rules more closely than ``ML`` does."""
        self._indexes: dict[tuple[str, ...], Index] = {}
        self._engines: dict[int, tuple[Settings, Engine]] = {}

    def index(self, settings: Settings) -> Index:
        """Return the rules of a configuration."""
        from mlint.registry import load_index

        key = tuple(settings.local_rules)
        if key not in self._indexes:
            self._indexes[key] = load_index(settings.local_rules)
        return self._indexes[key]

    def engine(self, settings: Settings) -> Engine:
        """Return the engine of a configuration."""
        known = self._engines.get(id(settings))
        if known is None:
            from mlint.engine import Engine
            from mlint.linter import engine_options

            engine = Engine(self.index(settings), options=engine_options(settings))
            known = self._engines[id(settings)] = (settings, engine)
        return known[1]

    def excluded(self, settings: Settings, path: str) -> bool:
        """Say whether the configuration excludes a file. flake8 does not tell which files were named by the user."""
        from mlint.discover import is_covered

        return is_covered(path, settings)

    def codes(self, settings: Settings, path: str) -> frozenset[str]:
        """Return the rules to run: those of the configuration, and opt-in ones that flake8 was told to select."""
        from mlint.settings import active_codes

        index = self.index(settings)
        codes = active_codes(settings, index, settings.relative(path))
        if self.extra:
            codes |= {entry.code for entry in index.entries if not entry.default and entry.code.startswith(self.extra)}
        return codes


class Plugin:
    """flake8's interface to mlint, entry point ``ML``."""

    name = "mlint"
    version = __version__
    _session: ClassVar[_Session | None] = None
    _noqa_disabled: ClassVar[bool] = False

    def __init__(self, tree: ast.Module, lines: Sequence[str], filename: str) -> None:
        self._tree = tree
        self._lines = lines
        self._filename = filename

    @classmethod
    def add_options(cls, manager: Any) -> None:
        """Leave rules out by default that are off by default and not turned on by ``[tool.mlint]``."""
        from mlint.registry import RegistryError
        from mlint.settings import SettingsError, active_codes

        try:
            session = _Session()
            settings = session.resolver.for_path(os.path.join(os.curdir, ""))
            index = session.index(settings)
            active = active_codes(settings, index, "")
        except (SettingsError, RegistryError):
            return  # told by parse_options, which can end flake8 with a message
        off = [entry.code for entry in index.entries if not entry.default and entry.code not in active]
        if off:
            manager.extend_default_ignore(off)

    @classmethod
    def parse_options(cls, options: Namespace) -> None:
        """Read the configuration, so that a mistake in it ends flake8 with one message before any work."""
        from flake8.exceptions import ExecutionError

        from mlint.registry import RegistryError
        from mlint.settings import SettingsError, active_codes

        chosen = [*(getattr(options, "select", None) or ()), *(getattr(options, "extend_select", None) or ())]
        session = _Session(tuple(code for code in chosen if code.startswith("ML") and len(code) > 2))
        try:
            settings = session.resolver.for_path(os.path.join(os.curdir, ""))
            active_codes(settings, session.index(settings), "")
        except (SettingsError, RegistryError) as error:
            raise ExecutionError(f"mlint: {error}") from None
        cls._session = session
        cls._noqa_disabled = bool(getattr(options, "disable_noqa", False))

    def run(self) -> Iterator[tuple[int, int, str, type[Plugin]]]:
        """Yield line, column from 0, text and origin of everything found."""
        from mlint.source import Source

        session = type(self)._session
        if session is None:
            session = type(self)._session = _Session()
        path = self._filename
        settings = session.resolver.for_path(path)
        if session.excluded(settings, path):
            return
        codes = session.codes(settings, path)
        # flake8 has decoded the file and made its line ends "\n"; lines and columns are the same.
        source = Source("".join(self._lines), path)
        engine = session.engine(settings)
        was_enabled = gc.isenabled()
        gc.disable()  # it would go through the trees of other files again and again, and find nothing
        try:
            report = engine.check(source, codes, tree=self._tree)
        finally:
            engine.close()  # flake8 shows no fixes
            if was_enabled:
                gc.enable()
        for error in report.errors:
            raise RuntimeError(f"internal error in {error.code}: {error.message}")
        for finding in self._kept(source, report.findings, codes, session.index(settings).entries):
            yield finding.start.line, finding.start.column - 1, f"{finding.code} {finding.text}", type(self)

    def _kept(
        self, source: Source, findings: Sequence[Finding], codes: frozenset[str], entries: Sequence[RuleEntry]
    ) -> list[Finding]:
        """Return what no comment hides; with ``--disable-noqa``, also what only ``noqa`` comments hide."""
        from mlint.linter import unsuppressed
        from mlint.source import Source
        from mlint.suppress import Suppressions

        kept = unsuppressed(source, findings, codes, entries)
        if self._noqa_disabled:
            hidden = [finding for finding in findings if finding not in kept]
            own = Suppressions(Source(re.sub("(?i)noqa", "----", source.text), source.path))
            kept += [finding for finding in hidden if not own.covers(finding)]
        return kept
