"""Which settings hold for a file, and the engines that work by them: for several workspace folders at once."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Mapping, Sequence

from mlint.baseline import Baseline, BaselineError
from mlint.finding import Finding
from mlint.linter import engine_options
from mlint.registry import Index, RegistryError, load_index
from mlint.server.following import FollowingEngine
from mlint.server.preferences import Preferences
from mlint.settings import Settings, SettingsError, SettingsResolver, active_codes, fixable_codes
from mlint.source import Source

WATCHED = (
    "**/pyproject.toml", "**/{.mlint,mlint}.toml", "**/setup.{cfg,py}", "**/*requirements*.{txt,in}",
    "**/{uv,poetry,pdm}.lock", "**/Pipfile*", "**/{environment,conda}*.{yml,yaml}", "**/.gitignore",
)  # fmt: skip
"""The files that decide what is reported in others, as patterns of the protocol."""
SOURCES = "**/*.{py,pyi,ipynb}"
"""The files that are checked or that others import."""

_DECIDING = (
    "pyproject.toml", ".mlint.toml", "mlint.toml", "setup.cfg", "setup.py", "*requirements*.txt", "*requirements*.in",
    "uv.lock", "poetry.lock", "pdm.lock", "pipfile*", "environment*.yml", "environment*.yaml", "conda*.yml",
    "conda*.yaml", ".gitignore",
)  # fmt: skip


def decides(path: str) -> bool:
    """Whether a file decides how others are checked: a configuration, or one that names versions."""
    name = os.path.basename(path).lower()
    # A file of requirements is often in a folder of that name.
    folder = os.path.basename(os.path.dirname(path)).lower()
    if folder == "requirements" and name.endswith((".txt", ".in")):
        return True
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in _DECIDING)


class Configuration:
    """The settings of every file, made again when a configuration file changes.

    A configuration that cannot be used does not end the work: what held before goes on to hold, or the defaults.

    Args:
        buffers: absolute path → text of the files that are open, for the engines.
        warn: told what is wrong with a configuration, each time once.
    """

    def __init__(self, buffers: Mapping[str, str], warn: Callable[[str], None]) -> None:
        self._buffers = buffers
        self._warn = warn
        self._folders: dict[str, Preferences] = {}
        self._default = Preferences()
        self._told: set[str] = set()
        self._last_good: dict[str, Settings] = {}
        self.generation = 0
        """Counts the changes after which everything has to be checked again."""
        self.reset()

    def reset(self) -> None:
        """Read everything again when it is next asked for."""
        self.generation += 1
        self._told.clear()
        self._resolvers: dict[str, SettingsResolver | None] = {}
        self._indexes: dict[tuple[str, ...], Index] = {}
        self._engines: dict[int, tuple[Settings, FollowingEngine]] = {}
        self._usable: dict[int, tuple[Settings, bool]] = {}
        self._baselines: dict[str, Baseline | None] = {}
        self._told_unreadable: dict[int, tuple[Settings, Settings]] = {}

    # What the client says

    def set_folders(self, folders: Sequence[str]) -> None:
        """Have these be the workspace folders."""
        self._folders = {folder: self._folders.get(folder, self._default) for folder in folders}
        self.reset()

    @property
    def folders(self) -> tuple[str, ...]:
        return tuple(self._folders)

    def prefer(self, preferences: Preferences, folder: str | None = None) -> None:
        """Have preferences hold in a workspace folder, or everywhere."""
        if folder is not None:
            self._folders[folder] = preferences
        else:
            self._default = preferences
            self._folders = dict.fromkeys(self._folders, preferences)
        self.reset()

    def folder_of(self, path: str) -> str | None:
        """The innermost workspace folder that a path lies in."""
        inside = [folder for folder in self._folders if path == folder or path.startswith(os.path.join(folder, ""))]
        return max(inside, key=len, default=None)

    def preferences(self, path: str) -> Preferences:
        """What the client prefers for a file."""
        folder = self.folder_of(path)
        return self._default if folder is None else self._folders[folder]

    # What the project says

    def settings(self, path: str) -> Settings:
        """The settings that hold for a file."""
        folder = self.folder_of(path)
        place = os.path.dirname(path)
        resolver = self._resolver(folder)
        if resolver is not None:
            try:
                settings = resolver.for_path(path)
                if self._is_usable(settings):
                    self._last_good[place] = settings
                    return settings
            except SettingsError as error:
                self._tell(str(error))
        known = self._last_good.get(place)
        if known is None:
            known = self._last_good[place] = SettingsResolver(isolated=True).for_path(path)
        return known

    def _resolver(self, folder: str | None) -> SettingsResolver | None:
        """The resolver of a workspace folder; None where the client's own settings cannot be used."""
        key = folder or ""
        if key not in self._resolvers:
            said = self._default if folder is None else self._folders[folder]
            config = [os.path.join(folder or os.getcwd(), os.path.expanduser(said.config))] if said.config else []
            try:
                if config and not os.path.isfile(config[0]):
                    self._tell(f"{config[0]}: there is no such file (the editor's setting mlint.config)")
                    config = []
                self._resolvers[key] = SettingsResolver(
                    config=config, overrides=_as_flags(said.configuration), folder=folder
                )
            except SettingsError as error:
                own = "--" in str(error) or "setting" in str(error)
                self._tell(f"{error} (in the editor's setting mlint.configuration)" if own else str(error))
                self._resolvers[key] = None
        return self._resolvers[key]

    def _is_usable(self, settings: Settings) -> bool:
        """Whether the rules that settings name are there; tells what is wrong if not."""
        known = self._usable.get(id(settings))
        if known is None:
            usable = True
            try:
                index = self.index(settings)
                active_codes(settings, index, "")
                fixable_codes(settings, index)
            except (SettingsError, RegistryError) as error:
                self._tell(str(error))
                usable = False
            known = self._usable[id(settings)] = (settings, usable)
        return known[1]

    def _tell(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self._warn(message)

    # What works by it

    def index(self, settings: Settings) -> Index:
        """The rules of a configuration."""
        key = tuple(settings.local_rules)
        if key not in self._indexes:
            self._indexes[key] = load_index(settings.local_rules)
        return self._indexes[key]

    def engine(self, settings: Settings) -> FollowingEngine:
        """The engine of a configuration."""
        known = self._engines.get(id(settings))
        if known is None:
            engine = FollowingEngine(self.index(settings), engine_options(settings), self._buffers)
            known = self._engines[id(settings)] = (settings, engine)
        return known[1]

    def codes(self, settings: Settings, path: str) -> frozenset[str]:
        """The rules that are on for a file; whether it can be read is told unless ML000 is ignored."""
        known = self._told_unreadable.get(id(settings))
        if known is None:
            told = settings.replaced(extend_select=(*settings.extend_select, "ML000"))
            known = self._told_unreadable[id(settings)] = (settings, told)
        return active_codes(known[1], self.index(settings), settings.relative(path))

    def unknown(self, settings: Settings, source: Source, findings: list[Finding]) -> list[Finding]:
        """Those of the findings of a text that the project's baseline does not know."""
        name = settings.baseline
        if name is None or not findings:
            return findings
        if name not in self._baselines:
            try:
                self._baselines[name] = Baseline.read(name)
            except BaselineError as error:
                self._tell(str(error))
                self._baselines[name] = None
        baseline = self._baselines[name]
        if baseline is None:
            return findings
        return baseline.unknown(findings, lambda finding: _line(source, finding))[0]

    def forget(self, path: str) -> None:
        """Have every engine read a file again."""
        for _, engine in self._engines.values():
            engine.forget(path)


def _line(source: Source, finding: Finding) -> str:
    try:
        return source.line(finding.start.line)
    except IndexError:
        return ""


def _as_flags(configuration: Mapping[str, object]) -> dict[str, object]:
    """Settings of the editor as the settings of flags, which win over the project's."""
    return {key.replace("-", "_"): value for key, value in configuration.items()}
