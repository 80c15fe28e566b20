"""Finds, reads and joins configurations: files, ``extend``, inline TOML, flags."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from mlint.globs import anchored
from mlint.settings.model import Option, Selection, Settings, SettingsError, options
from mlint.settings.values import FilePath, FilePaths, Patterns, PatternTable, WrongValueError, nearest, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILE_NAMES = (".mlint.toml", "mlint.toml", "pyproject.toml")
"""The files that are looked for in a folder, the first that has a configuration wins."""

_PROJECT_MARKERS = ("pyproject.toml", "setup.py", "setup.cfg", ".git")

_ADVICE = {
    "lint": "mlint has no such table: its keys stand in [tool.mlint] itself",
    "extend-ignore": 'use "ignore", which adds to what an extended file ignores',
    "extend-per-file-ignores": 'use "per-file-ignores"',
    "src": 'use "source-roots"',
    "include": 'give the paths on the command line, or other file name endings with "extension"',
}
"""Keys that other tools have, and what to do here."""

_SELECTION = ("select", "extend_select", "ignore", "fixable", "unfixable")


class _Layer:
    """What one file, one inline text or the flags say.

    ``base`` is the folder that its paths and patterns are relative to, ``origins`` names the file or the flag of each
    value.
    """

    __slots__ = ("base", "origins", "values")

    def __init__(self, values: Mapping[str, Any], base: str, origins: Mapping[str, str]) -> None:
        self.values, self.base, self.origins = values, base, origins


class SettingsResolver:
    """The settings for every file of a run; each configuration file is read once.

    Args:
        config: What ``--config`` was given: at most one path of a file, which then holds for every file in place of
            those that would be found, and any number of inline ``KEY=VALUE`` texts in TOML.
        isolated: Look for no configuration file.
        overrides: Values of flags by the name of the field or key; they win over everything else. Lists may be given
            in the form of the command line ("a,b", "pattern:CODE"); None is as if it were not there.
        folder: What paths in ``config`` and ``overrides`` are relative to; the working directory by default.

    Raises:
        SettingsError: If the inline texts, the flags or the file of ``--config`` cannot be used.
    """

    def __init__(
        self,
        *,
        config: Sequence[str] = (),
        isolated: bool = False,
        overrides: Mapping[str, object] | None = None,
        folder: str | None = None,
    ) -> None:
        self._options = {option.key: option for option in options()}
        self._folders: dict[str, Settings] = {}
        self._files: dict[str, Settings] = {}
        self._projects: dict[str, str | None] = {}
        self._given = os.path.abspath(folder or "")
        self._isolated = isolated
        self._config_file: str | None = None
        self._last: list[_Layer] = []
        for text in config:
            inline = None if os.path.isfile(text) else _inline(text)
            if inline is not None:
                label = f"--config '{text}'"
                self._last.append(self._layer(inline, self._given, label, where=lambda _path, label=label: label))
            elif isolated:
                raise SettingsError(f"--isolated reads no configuration file: leave out one of it and --config {text}")
            elif self._config_file is not None:
                raise SettingsError("--config was given two files: a run has one, which may extend another")
            else:
                self._config_file = os.path.abspath(text)
        flags = self._flags(overrides or {})
        if flags.values:
            self._last.append(flags)
        if self._config_file is not None:
            self._from_file(self._config_file)

    def for_path(self, path: str) -> Settings:
        """The settings that hold for a file, which need not exist; those of a folder are those of ``folder/``.

        Raises:
            SettingsError: If the configuration that holds there cannot be used.
        """
        if self._config_file is not None:
            return self._from_file(self._config_file)
        return self._for_folder(os.path.dirname(path))

    def _for_folder(self, folder: str) -> Settings:
        known = self._folders.get(folder)
        if known is not None:
            return known
        whole = os.path.abspath(folder)
        if whole != folder:
            settings = self._for_folder(whole)
        elif self._isolated:
            settings = self._without_file(whole)
        else:
            settings = self._found(whole)
        self._folders[folder] = settings
        return settings

    def _found(self, folder: str) -> Settings:
        """The settings of the closest file, which is in this folder or above it."""
        for name in FILE_NAMES:
            file = os.path.join(folder, name)
            if file in self._files:
                return self._files[file]
            if _has_section(file):
                return self._from_file(file)
        parent = os.path.dirname(folder)
        if parent == folder:
            return self._without_file(folder)
        above = self._for_folder(parent)
        return above if above.config_path is not None else self._without_file(folder)

    def _without_file(self, folder: str) -> Settings:
        """The defaults, with the project's folder as the root."""
        root = self._project(folder)
        if root is None:
            below = os.path.join(folder, "").startswith(os.path.join(self._given, ""))
            root = self._given if below else folder
        key = os.path.join(root, "")  # never the key of a file
        if key not in self._files:
            self._files[key] = self._join(self._last, root, None)
        return self._files[key]

    def _project(self, folder: str) -> str | None:
        """The closest folder that looks like the top of a project."""
        if folder not in self._projects:
            parent = os.path.dirname(folder)
            if any(os.path.exists(os.path.join(folder, marker)) for marker in _PROJECT_MARKERS):
                self._projects[folder] = folder
            else:
                self._projects[folder] = self._project(parent) if parent != folder else None
        return self._projects[folder]

    def _from_file(self, file: str) -> Settings:
        if file not in self._files:
            layers = self._read_chain(file)
            self._files[file] = self._join([*layers, *self._last], os.path.dirname(file), file)
        return self._files[file]

    # reading

    def _read_chain(self, file: str) -> list[_Layer]:
        """The layers of a file and of those that it extends, the farthest first."""
        layers: list[_Layer] = []
        chain = [file]
        while True:
            section, keys = read_section(chain[-1])
            extend = section.pop("extend", None)
            current = chain[-1]

            def where(path: tuple[str | int, ...], current: str = current, keys: tuple[str, ...] = keys) -> str:
                return place(current, (*keys, *path))

            layers.append(
                self._layer(section, os.path.dirname(current), current, where=where, table=".".join(keys), file=current)
            )
            if extend is None:
                return layers[::-1]
            if not isinstance(extend, str) or not extend:
                wrong = "an empty string" if extend == "" else type_name(extend)
                raise SettingsError(f'{where(("extend",))}: "extend" must be the path of a file, not {wrong}')
            target = os.path.normpath(os.path.join(os.path.dirname(current), os.path.expanduser(extend)))
            if not os.path.isfile(target):
                raise SettingsError(f'{where(("extend",))}: "extend" names a file that does not exist: {shown(target)}')
            if target in chain:
                circle = " -> ".join(shown(each) for each in (*chain[chain.index(target) :], target))
                raise SettingsError(f'{where(("extend",))}: "extend" goes round in a circle: {circle}')
            if os.path.basename(target) == "pyproject.toml" and not _has_section(target):
                at = where(("extend",))
                raise SettingsError(f'{at}: "extend" names a file without [tool.mlint]: {shown(target)}')
            chain.append(target)

    def _layer(
        self,
        section: Mapping[str, object],
        base: str,
        origin: str,
        *,
        where: Any,
        table: str = "",
        file: str | None = None,
    ) -> _Layer:
        """A table of TOML as a layer; raises SettingsError at the first thing that is wrong."""
        values: dict[str, Any] = {}
        for key, value in section.items():
            option = self._options.get(key)
            if option is None:
                place_name = f" in [{table}]" if table else ""
                advice = _ADVICE.get(key)
                if key == "extend":
                    advice = "it belongs in a file; give the file itself to --config"
                elif key == "tool" and file is not None:
                    advice = "in this file the keys stand at the top, without [tool.mlint]"
                hint = f"; {advice}" if advice else nearest(key, [*self._options, *(["extend"] if file else [])])
                raise SettingsError(f'{where((key,))}: unknown key "{key}"{place_name}{hint}')
            values[option.field] = _checked(option, value, key, where)
        return _Layer(values, base, dict.fromkeys(values, origin))

    def _flags(self, overrides: Mapping[str, object]) -> _Layer:
        """The flags as a layer."""
        values: dict[str, Any] = {}
        origins: dict[str, str] = {}
        for name, value in overrides.items():
            key = name.replace("_", "-")
            option = self._options.get(key)
            if option is None:
                raise SettingsError(f'unknown setting "{name}"{nearest(key, self._options)}')
            if value is None:
                continue
            flag = f"--{key}"
            try:
                value = option.kind.flag(value)
            except WrongValueError as error:
                raise SettingsError(f"{flag} {error.message}") from None
            values[option.field] = _checked(option, value, flag, lambda _path: "")
            origins[option.field] = flag
        return _Layer(values, self._given, origins)

    # joining

    def _join(self, layers: Sequence[_Layer], root: str, file: str | None) -> Settings:
        """One object of all layers, the last one on top."""
        values: dict[str, Any] = {}
        origins: dict[str, str] = {}
        selections: list[Selection] = []
        for layer in layers:
            for name, value in layer.values.items():
                option = self._options[name.replace("_", "-")]
                value = _placed(option, value, layer.base, root)
                if option.inherited == "joined":
                    value = values.get(name, ()) + value
                if option.inherited != "layered":
                    values[name] = value
                origins[name] = layer.origins[name]
            said = {name: layer.values[name] for name in _SELECTION if name in layer.values}
            if said:
                where = tuple((name, layer.origins[name]) for name in said)
                selections.append(Selection(**said, origins=where))
        if selections:
            top = selections.pop()
            for name in _SELECTION:
                if top.origin(name):
                    values[name] = getattr(top, name)
                    origins[name] = top.origin(name)
                else:
                    origins.pop(name, None)
        for option in self._options.values():
            if option.field not in values and option.default and isinstance(option.kind, (FilePath, FilePaths)):
                values[option.field] = _placed(option, option.default, root, root)
        return Settings(**values, root=root, config_path=file, origins=origins, earlier=tuple(selections))


def _checked(option: Option, value: object, name: str, where: Any) -> Any:
    """The value as the field holds it; `name` is what an error calls it, `where` tells the place of a path in it."""
    try:
        return option.kind.read(value)
    except WrongValueError as error:
        full = ".".join([name, *(part for part in error.path if isinstance(part, str))])
        at = where((option.key, *error.path))
        subject = full if name.startswith("--") else f'"{full}"'
        raise SettingsError(f"{at}: {subject} {error.message}" if at else f"{subject} {error.message}") from None


def _placed(option: Option, value: Any, base: str, root: str) -> Any:
    """A value with its paths made absolute and its patterns made relative to `root`."""
    if isinstance(option.kind, FilePath):
        return os.path.normpath(os.path.join(base, os.path.expanduser(value)))
    if isinstance(option.kind, FilePaths):
        return tuple(os.path.normpath(os.path.join(base, os.path.expanduser(path))) for path in value)
    if isinstance(option.kind, Patterns):
        return tuple(anchored(pattern, base, root) for pattern in value)
    if isinstance(option.kind, PatternTable):
        return tuple((anchored(pattern, base, root), selectors) for pattern, selectors in value)
    return value


def _has_section(file: str) -> bool:
    """Whether a file is there and is a configuration of mlint."""
    if os.path.basename(file) != "pyproject.toml":
        return os.path.isfile(file)
    try:
        with open(file, "rb") as stream:
            if b"mlint" not in stream.read():  # most of them; spares the TOML reader
                return False
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    except OSError as error:
        if not os.access(os.path.dirname(file), os.X_OK):
            return False  # the folder is closed: what lies in it cannot be checked either, and that is told
        raise SettingsError(f"{shown(file)}: cannot be read: {error.strerror}") from None
    tool = _load(file).get("tool")
    return isinstance(tool, dict) and "mlint" in tool


def read_section(file: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The table of a configuration file and the keys that lead to it.

    Raises:
        SettingsError: If the file cannot be read, is not TOML, or holds something else there.
    """
    data = _load(file)
    if os.path.basename(file) != "pyproject.toml":
        return data, ()
    tool = data.get("tool")
    section = tool.get("mlint") if isinstance(tool, dict) else None
    if section is None:
        raise SettingsError(f"{shown(file)}: has no [tool.mlint]")
    if not isinstance(section, dict):
        at = place(file, ("tool", "mlint"))
        raise SettingsError(f"{at}: [tool.mlint] must be a table, not {type_name(section)}")
    return section, ("tool", "mlint")


def _load(file: str) -> dict[str, Any]:
    """The file's TOML."""
    try:
        with open(file, "rb") as stream:
            data = stream.read()
    except FileNotFoundError:
        raise SettingsError(f"{shown(file)}: no such configuration file") from None
    except OSError as error:
        raise SettingsError(f"{shown(file)}: cannot be read: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{shown(file)}:{line}: is not UTF-8, as TOML must be") from None
    toml = _toml()
    try:
        loaded: dict[str, Any] = toml.loads(text.replace("\r\n", "\n"))
    except toml.TOMLDecodeError as error:
        message, line, column = _syntax(str(error), text)
        raise SettingsError(f"{shown(file)}:{line}:{column}: is not valid TOML: {message}") from None
    except RecursionError:
        raise SettingsError(f"{shown(file)}: is nested too deeply") from None
    return loaded


def _syntax(message: str, text: str) -> tuple[str, int, int]:
    """The message of the TOML reader, with the line and column that it names."""
    import re

    match = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if match:
        return message[: match.start()], int(match.group(1)), int(match.group(2))
    lines = text.splitlines() or [""]
    return message.removesuffix(" (at end of document)") + " at the end of the file", len(lines), len(lines[-1]) + 1


def _inline(text: str) -> dict[str, Any] | None:
    """The table of ``KEY=VALUE``; raises SettingsError if it is neither that nor, by its form, a path."""
    key, equals, value = text.partition("=")
    if not equals:
        return None
    toml = _toml()
    try:
        loaded: dict[str, Any] = toml.loads(text)
        return loaded
    except toml.TOMLDecodeError as error:
        message = _syntax(str(error), text)[0]
    hint = ""
    quoted = '{}="{}"'.format(key.strip(), value.strip().strip("\"'"))
    try:
        toml.loads(quoted)
        hint = f"; strings take quotes: --config '{quoted}'"
    except toml.TOMLDecodeError:
        pass
    raise SettingsError(f"--config '{text}': neither a file nor valid TOML: {message}{hint}")


def _toml() -> Any:
    """The TOML reader; only here because most runs do not need it."""
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib  # type: ignore[no-redef, import-not-found, unused-ignore]
    return tomllib


def place(file: str, path: tuple[str | int, ...]) -> str:
    """``file:line`` of a key in a configuration file."""
    from mlint.settings.lines import line_of

    try:
        with open(file, encoding="utf-8-sig") as stream:
            line = line_of(stream.read(), path)
    except OSError:
        line = None
    return shown(file) if line is None else f"{shown(file)}:{line}"


def shown(file: str) -> str:
    """A path for people: relative if it lies below the working directory."""
    here = os.path.join(os.getcwd(), "")
    return file[len(here) :] if file.startswith(here) else file
