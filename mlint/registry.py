"""Finds the rules.

Rules are files under `mlint.rules`, entry points of the group ``mlint.rules``, and the files that a project's setting
``local-rules`` names. A run does not import them: it reads an index of what each of them is called and wants to be
shown, and imports those whose words occur in what it lints. A wheel brings the index along; in a checkout it is made
anew when a rule file has changed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from mlint import __version__

if TYPE_CHECKING:
    from mlint.rule import Rule

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_INSTALLED = os.path.join(_PACKAGE, "rules", "_index.json")
_CHECKOUT = os.path.join(os.path.dirname(_PACKAGE), "rules")
_GROUP = "mlint.rules"
_FORMAT = 2
_DOCUMENTATION = "https://github.com/mlint/mlint/blob/main/docs/rules/"


class RegistryError(Exception):
    """A rule that cannot be loaded: which file, and why."""


class RuleEntry(NamedTuple):
    """What is known of a rule without importing it.

    Attributes:
        fix: ``safe``, ``unsafe``, ``safe/unsafe`` or ``none``.
        summary: the first line of its page.
        module: where its class is; empty for the findings of the engine itself.
        channels: what it wants to be shown, see `mlint.rule.triggers`.
        path: the file of a project's own rule.
        words: a file in which none of these stands is not looked at; empty for any file.
    """

    code: str
    name: str
    libraries: tuple[str, ...]
    default: bool
    fix: str
    summary: str
    module: str
    class_name: str
    in_tests: bool
    channels: tuple[tuple[str, str], ...] = ()
    path: str = ""
    words: tuple[str, ...] = ()


ENGINE_ENTRIES = (
    RuleEntry("ML000", "syntax-error", (), True, "none", "The file cannot be read as Python.", "", "", True),
    RuleEntry(
        "ML001", "unused-suppression", (), True, "safe", "A suppression comment suppresses nothing.", "", "", True
    ),
)  # fmt: skip


class Index:
    """All rules.

    Attributes:
        entries: sorted by code.
        stamp: changes when any rule does: part of the key of cached results.
        prepared: set of codes → what the engine has made of the triggers of these rules.
        loaded: code → rule, for the rules that were needed so far.
    """

    def __init__(self, entries: tuple[RuleEntry, ...], stamp: str = "") -> None:
        self.entries = entries
        self.stamp = stamp
        self.prepared: dict[Any, Any] = {}
        self.loaded: dict[str, Rule] = {}

    @cached_property
    def by_code(self) -> dict[str, RuleEntry]:
        """Code → entry."""
        return {entry.code: entry for entry in self.entries}

    @cached_property
    def by_name(self) -> dict[str, RuleEntry]:
        """Name → entry."""
        return {entry.name: entry for entry in self.entries}


def rule_url(name: str) -> str:
    """The page of a rule."""
    return f"{_DOCUMENTATION}{name}.md"


# Reading the index


def load_index(local_rules: Sequence[str] = ()) -> Index:
    """The index of all rules; imports none of mlint's own.

    Args:
        local_rules: files or folders with a project's own rules; these are imported.

    Raises:
        RegistryError: a rule file of the project or of an installed package cannot be imported or is not valid.
    """
    entries, stamp = _own_entries()
    plugins, plugin_stamp = _plugin_entries()
    local, local_stamp = _local_entries(local_rules)
    every = _unique([*ENGINE_ENTRIES, *entries, *plugins, *local])
    return Index(every, f"{__version__}:{stamp}:{plugin_stamp}:{local_stamp}")


def load_rule(entry: RuleEntry) -> Rule:
    """The rule of an entry.

    Raises:
        RegistryError: its file cannot be imported.
        ValueError: the entry is one of the engine's own, which have no rule.
    """
    if not entry.class_name:
        raise ValueError(f"{entry.code} is reported by mlint itself; there is no rule to load")
    if entry.path:
        module = _import_file(entry.path, entry.module)
    else:
        import importlib

        module = importlib.import_module(entry.module)
    rule: Rule = getattr(module, entry.class_name)()
    return rule


def _own_entries() -> tuple[list[RuleEntry], str]:
    if os.path.isfile(os.path.join(_CHECKOUT, ".mlint-rules")):
        return _checkout_entries()
    with open(_INSTALLED, encoding="utf-8") as file:
        data = json.load(file)
    return [_from_json(item) for item in data["rules"]], data["stamp"]


def _checkout_entries() -> tuple[list[RuleEntry], str]:
    """The index of a checkout: kept beside the rules, made anew when one has changed."""
    stamp = _stamp([*_python_files(_CHECKOUT), *_sources_of_triggers()])
    place = os.path.join(_CHECKOUT, "_index.json")
    try:
        with open(place, encoding="utf-8") as file:
            data = json.load(file)
        if data["stamp"] == stamp and data["format"] == _FORMAT:
            return [_from_json(item) for item in data["rules"]], stamp
    except (OSError, ValueError, KeyError, TypeError):
        pass
    entries = build_index()
    try:
        _write(place, entries, stamp)
    except OSError:
        pass  # a read-only checkout: made anew each time
    return entries, stamp


def _plugin_entries() -> tuple[list[RuleEntry], str]:
    """Rules of other installed packages.

    Looking through all installed distributions takes longer than linting a file, so only those are opened whose entry
    points name the group; the folder listings are all that an ordinary run pays for.
    """
    found: list[str] = []
    for folder in dict.fromkeys(sys.path):
        try:
            names = os.listdir(folder) if folder else []
        except OSError:
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")) and "mlint" in name.lower():
                points = os.path.join(folder, name, "entry_points.txt")
                try:
                    with open(points, encoding="utf-8") as file:
                        if f"[{_GROUP}]" in file.read():
                            found.append(points)
                except OSError:
                    continue
    if not found:
        return [], ""
    from importlib.metadata import entry_points

    entries: list[RuleEntry] = []
    for point in entry_points(group=_GROUP):
        try:
            loaded = point.load()
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}"
            raise RegistryError(f"rules of {point.value} cannot be loaded: {reason}") from error
        classes = [loaded] if isinstance(loaded, type) else list(_rule_classes(loaded))
        entries.extend(_described(rule, rule.__module__) for rule in classes)
    return entries, _stamp(found)


def _local_entries(paths: Sequence[str]) -> tuple[list[RuleEntry], str]:
    entries: list[RuleEntry] = []
    files: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            files.extend(_python_files(path))
        elif os.path.isfile(path):
            files.append(path)
        else:
            raise RegistryError(f"local-rules: there is no file or folder {path}")
    for file in files:
        if os.path.basename(file) == "__init__.py":
            continue
        name = "mlint_local_" + "".join(c if c.isalnum() else "_" for c in os.path.abspath(file))
        module = _import_file(file, name)
        entries.extend(_described(rule, name, os.path.abspath(file)) for rule in _rule_classes(module))
    return entries, _stamp(files) if files else ""


def _import_file(path: str, name: str) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    import importlib.util

    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RegistryError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a script that was put among the rules may end the process
        del sys.modules[name]
        raise RegistryError(f"{path}: the rule cannot be imported: {type(error).__name__}: {error}") from error
    return module


# Making the index


def build_index() -> list[RuleEntry]:
    """Import every rule of mlint and describe it."""
    import importlib
    import pkgutil

    package = importlib.import_module("mlint.rules")
    entries: list[RuleEntry] = []
    for info in pkgutil.walk_packages(package.__path__, "mlint.rules."):
        if not info.ispkg:
            module = importlib.import_module(info.name)
            entries.extend(_entry(rule, info.name) for rule in _rule_classes(module))
    return list(_unique(entries))


def write_index(path: str) -> None:
    """Write the index of mlint's own rules to a file, for a wheel."""
    _write(path, build_index(), __version__)


def _write(path: str, entries: Sequence[RuleEntry], stamp: str) -> None:
    data = {"format": _FORMAT, "stamp": stamp, "rules": [_to_json(entry) for entry in entries]}
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(data, file, separators=(",", ":"))
    os.replace(temporary, path)


def _rule_classes(module: Any) -> Iterator[type[Rule]]:
    """The rules that a module defines."""
    from mlint.rule import PatternRule, Rule

    for value in list(vars(module).values()):
        if isinstance(value, type) and issubclass(value, Rule) and value not in (Rule, PatternRule):
            if value.__module__ == module.__name__ and value.code:
                yield value


def _entry(rule: type[Rule], module: str, path: str = "") -> RuleEntry:
    return RuleEntry(
        code=rule.code,
        name=rule.name,
        libraries=tuple(rule.libraries),
        default=rule.default,
        fix=rule.fix_summary(),
        summary=rule.summary(),
        module=module,
        class_name=rule.__name__,
        in_tests=rule.speaks_in_tests(),
        channels=tuple(rule().channels()),
        path=path,
        words=tuple(rule.words),
    )


def _described(rule: type[Rule], module: str, path: str = "") -> RuleEntry:
    """The entry of a rule that is not mlint's own. Raises RegistryError if it cannot be made."""
    try:
        return _entry(rule, module, path)
    except Exception as error:
        place = path or module
        raise RegistryError(
            f"{place}: the rule {rule.__name__} cannot be used: {type(error).__name__}: {error}"
        ) from error


def _unique(entries: Iterable[RuleEntry]) -> tuple[RuleEntry, ...]:
    by_code: dict[str, RuleEntry] = {}
    names: dict[str, RuleEntry] = {}
    for entry in entries:
        for other in (by_code.get(entry.code), names.get(entry.name)):
            if other is not None:
                raise RegistryError(
                    f"{entry.path or entry.module} calls its rule {entry.code} {entry.name}, but "
                    f"{other.path or other.module or 'mlint itself'} "
                    f"already has {other.code} {other.name}"
                )
        by_code[entry.code] = names[entry.name] = entry
    return tuple(sorted(by_code.values(), key=lambda entry: entry.code))


def _to_json(entry: RuleEntry) -> list[Any]:
    return [
        entry.code, entry.name, entry.libraries, entry.default, entry.fix, entry.summary, entry.module,
        entry.class_name, entry.in_tests, entry.channels, entry.words,
    ]  # fmt: skip


def _from_json(item: list[Any]) -> RuleEntry:
    code, name, libraries, default, fix, summary, module, class_name, in_tests, channels, words = item
    pairs = tuple((table, word) for table, word in channels)
    return RuleEntry(
        code, name, tuple(libraries), default, fix, summary, module, class_name, in_tests, pairs, words=tuple(words)
    )


def _python_files(folder: str) -> list[str]:
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        found.extend(os.path.join(place, name) for name in sorted(files) if name.endswith(".py"))
    return found


def _sources_of_triggers() -> list[str]:
    """What, besides the rule files, decides what stands in the index."""
    parts = ("registry.py", "pattern.py", "rule", os.path.join("model", "names.py"), os.path.join("model", "libraries"))
    found: list[str] = []
    for part in parts:
        path = os.path.join(_PACKAGE, part)
        found.extend(_python_files(path) if os.path.isdir(path) else [path])
    return found


def _stamp(paths: Sequence[str]) -> str:
    """Sizes and times of change of some files, as one short text."""
    from zlib import crc32

    total = 0
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            continue
        total = crc32(f"{os.path.basename(path)} {status.st_size} {status.st_mtime_ns}".encode(), total)
    return f"{len(paths)}-{total:08x}"
