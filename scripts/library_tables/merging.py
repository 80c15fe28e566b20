"""Several versions of a library as one table: what the newest has, and since when, and what earlier ones had."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mlint.model.libraries import Deprecation
from scripts.library_tables.entries import Argument, Entry
from scripts.library_tables.notices import Notice, notice
from scripts.library_tables.refuted import REFUTED

Version = tuple[str, dict[str, Entry]]


@dataclass(slots=True)
class Parameter:
    """A parameter with its history.

    Attributes:
        argument: as the newest version that has it has it.
        since: the first version with it, where an earlier one is known not to have it.
        removed: the last version with it and the first without.
        earlier: other defaults: the last version that had one, and the default.
    """

    argument: Argument
    since: str | None = None
    removed: tuple[str, str] | None = None
    earlier: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Row:
    """A public name with its history.

    Attributes:
        unsure: whether the newest version has files that all parse and do not show it, but may have it.
    """

    path: str
    what: str
    parameters: list[Parameter] | None = None
    kind: str | None = None
    bases: list[str] = field(default_factory=list)
    alias: str | None = None
    since: str | None = None
    removed: tuple[str, str] | None = None
    unsure: bool = False


class Merge:
    """Merges the versions of one library, oldest first.

    Args:
        versions: the names of each version.
        worked_out: a pattern of names that a module may make when they are asked for.
    """

    def __init__(self, versions: list[Version], worked_out: str | None = None) -> None:
        self.names = [name for name, _ in versions]
        self.raw = [entries.keys() for _, entries in versions]
        self.versions = [_under_newest_names(entries, versions[-1][1]) for _, entries in versions]
        self.worked_out = None if worked_out is None else re.compile(worked_out)
        self.rows: list[Row] = []
        self.deprecations: list[Deprecation] = []

    def merge(self) -> None:
        """Fill `rows` and `deprecations`."""
        paths = sorted({path for entries in self.versions for path in entries})
        removed: dict[str, tuple[str, str] | None] = {}
        for path in paths:
            there = [n for n, entries in enumerate(self.versions) if path in entries and entries[path].what != "?"]
            if not there:
                continue
            row = self._row(path, there)
            removed[path] = row.removed
            self.rows.append(row)
            self._deprecated(row, there, removed.get(path.rpartition(".")[0]))
            if row.what in ("f", "c", "v", "="):
                self._gap(path)
        self._gone()
        self.deprecations.sort(key=lambda d: (d.name, d.argument or ""))

    def _row(self, path: str, there: list[int]) -> Row:
        last = there[-1]
        entry = self.versions[last][path]
        row = Row(path, entry.what, alias=entry.path, bases=entry.bases)
        without = next((n for n in range(last + 1, len(self.versions)) if not self._maybe(path, n)), None)
        if without is not None and not self._maybe(path, len(self.versions) - 1):
            row.removed = (self.names[last], self.names[without])
        row.unsure = row.removed is None and last < len(self.versions) - 1 and not self._unreadable(path)
        raw = [number for number, keys in enumerate(self.raw) if path in keys] or there
        if raw[0] > 0 and self._lacks(path, raw[0] - 1):
            row.since = self.names[raw[0]]
        if entry.what in ("f", "m", "c") and entry.path is None:
            self._parameters(row, there)
        if entry.what in ("f", "m", "p") and path not in REFUTED:
            row.kind = _kind([self.versions[number][path] for number in there])
        return row

    def _parameters(self, row: Row, there: list[int]) -> None:
        history = [(number, self.versions[number][row.path]) for number in there]
        known = [(number, entry) for number, entry in history if entry.arguments is not None]
        if not known or known[-1][0] != there[-1]:
            return
        newest = known[-1][1]
        row.parameters = [Parameter(argument) for argument in newest.arguments or ()]
        read = [(number, entry) for number, entry in known if not entry.stubbed]
        if newest.stubbed or len(read) < 2:
            return
        for parameter in row.parameters:
            self._parameter(parameter, read)
        self._former(row, read, newest)

    def _parameter(self, parameter: Parameter, read: list[tuple[int, Entry]]) -> None:
        name = parameter.argument.name
        if parameter.argument.how in ("*", "**"):
            return
        have = [index for index, (_, entry) in enumerate(read) if name in _names(entry)]
        if have[0] > 0 and not _swallows(read[have[0] - 1][1]):
            parameter.since = self.names[read[have[0]][0]]
        default = parameter.argument.default
        for index in reversed(have[:-1]):
            number, entry = read[index]
            before = next(a.default for a in entry.arguments or () if a.name == name)
            if before != default and before is not None and "..." not in (before, default):
                parameter.earlier.append((self.names[number], before))
            default = before

    def _former(self, row: Row, read: list[tuple[int, Entry]], newest: Entry) -> None:
        assert row.parameters is not None
        current = {p.argument.name for p in row.parameters}
        former: dict[str, Parameter] = {}
        for index, (number, entry) in enumerate(read[:-1]):
            for argument in entry.arguments or ():
                if argument.how in ("*", "**") or argument.name in current or argument.name.startswith("_"):
                    continue
                following = read[index + 1][1]
                removed = (self.names[number], self.names[read[index + 1][0]])
                former[argument.name] = Parameter(argument, removed=removed)
                if argument.name in _names(following):
                    former[argument.name].removed = None
        for name, parameter in former.items():
            if parameter.removed is None:
                continue
            later = [entry for number, entry in read if self.names.index(parameter.removed[1]) <= number]
            accepted = [i for i, entry in enumerate(later) if _accepts(entry, name)]
            if accepted:  # a decorator still takes it
                if accepted[-1] == len(later) - 1:
                    continue
                numbers = [n for n, _ in read if self.names.index(parameter.removed[1]) <= n]
                parameter.removed = (self.names[numbers[accepted[-1]]], self.names[numbers[accepted[-1] + 1]])
            if not any(_swallows(entry) for entry in later):
                row.parameters.append(parameter)

    # Presence

    def _maybe(self, path: str, number: int) -> bool:
        """Whether a version may have a name that its table does not show."""
        entries = self.versions[number]
        if path in entries:
            return True
        parent, _, name = path.rpartition(".")
        owner = entries.get(parent)
        if owner is None:
            return False if not parent else self._maybe(parent, number) and self._hidden(parent, number)
        if owner.what == "=" and owner.path is not None:
            return self._maybe(f"{owner.path}.{name}", number)
        if owner.what == "d":
            made = owner.tables.get(name)
            if made is not None:
                return not made.gone
            if self.worked_out is not None and self.worked_out.fullmatch(path):
                return True
            return owner.open or name in owner.quoted or (owner.computed and self._is_value(path))
        if owner.what == "c":
            return self._inherits(parent, name, entries, set())
        return True  # of what is in a value, nothing is known; a function may hide a module of its name

    def _unreadable(self, path: str) -> bool:
        """Whether a name is in something of the newest version whose file does not parse."""
        newest = self.versions[-1]
        parts = path.split(".")
        above = (newest.get(".".join(parts[:count])) for count in range(1, len(parts) + 1))
        return any(entry is not None and entry.what == "?" for entry in above)

    def _is_value(self, path: str) -> bool:
        """Whether a name never stands for something that a ``def`` or ``class`` makes."""
        return all(entries[path].what in ("v", "?") for entries in self.versions if path in entries)

    def _hidden(self, path: str, number: int) -> bool:
        """Whether nothing is known of what is in something that a version may have."""
        owner = self.versions[number].get(path)
        return owner is None or owner.what in ("v", "?")

    def _inherits(self, owner: str, name: str, entries: dict[str, Entry], seen: set[str]) -> bool:
        entry = entries.get(owner)
        if entry is None or owner in seen:
            return entry is None
        seen.add(owner)
        if entry.open or f"{owner}.{name}" in entries or name in entry.quoted:
            return True
        return any(self._inherits(base, name, entries, seen) for base in entry.bases)

    def _lacks(self, path: str, number: int) -> bool:
        """Whether a version is known not to have a name."""
        parent = path.rpartition(".")[0]
        owner = self.versions[number].get(parent)
        if owner is None:
            return parent != "" and self._lacks(parent, number) if "." in parent else False
        return owner.what in ("d", "c", "=") and not self._maybe(path, number)

    # Deprecations

    def _deprecated(self, row: Row, there: list[int], parent: tuple[str, str] | None) -> None:
        path = row.path
        last = there[-1]
        said: dict[str | None, list[tuple[int, Notice]]] = {}
        for number in there:
            for made in self.versions[number][path].notices:
                said.setdefault(made.argument, []).append((number, made))
            owner = self.versions[number].get(path.rpartition(".")[0])
            listed = owner.tables.get(path.rpartition(".")[2]) if owner is not None else None
            if listed is not None and not listed.gone:
                said.setdefault(None, []).append((number, listed))
        removed_arguments = {p.argument.name: p.removed for p in row.parameters or () if p.removed}
        for argument in dict.fromkeys([*said, *removed_arguments]):
            if argument is None:
                continue
            removed = removed_arguments.get(argument)
            self._add(path, argument, said.get(argument, []), there, removed, last)
        if row.removed == parent and parent is not None:
            return  # went with its class or module
        if None in said or row.removed is not None:
            self._add(path, None, said.get(None, []), there, row.removed, last, row.alias)

    def _add(
        self,
        path: str,
        argument: str | None,
        said: list[tuple[int, Notice]],
        there: list[int],
        removed: tuple[str, str] | None,
        last: int,
        alias: str | None = None,
    ) -> None:
        if removed is None and (not said or said[-1][0] != last):
            return  # taken back
        newest = said[-1][1] if said else notice(argument, "")
        since = newest.since or next((made.since for _, made in reversed(said) if made.since), None)
        if since is None and said and said[0][0] > 0 and said[0][0] - 1 in there:
            since = self.names[said[0][0]]
        message = newest.message
        replacement = newest.replacement or alias
        if removed is not None:
            gone = self._table(path, self.names.index(removed[1])) if argument is None else None
            if gone is not None:
                message, replacement = gone.message or message, gone.replacement or replacement
                since = since or gone.since
        self.deprecations.append(Deprecation(path, argument, since, removed, replacement, message))

    def _gap(self, path: str) -> None:
        """A name that a module took back after versions that only had a message for it."""
        gone = [n for n in range(len(self.versions)) if (made := self._table(path, n)) is not None and made.gone]
        raw = [n for n, keys in enumerate(self.raw) if path in keys]
        if not gone or not raw or not raw[0] < gone[0] or not gone[-1] < raw[-1]:
            return
        made = self._table(path, gone[0])
        last = max(n for n in raw if n < gone[0])
        back = min(n for n in raw if n > gone[-1])
        assert made is not None
        removed = (self.names[last], self.names[gone[0]])
        self.deprecations.append(
            Deprecation(path, None, made.since, removed, made.replacement, made.message, self.names[back])
        )

    def _table(self, path: str, number: int) -> Notice | None:
        owner = self.versions[number].get(path.rpartition(".")[0])
        return None if owner is None else owner.tables.get(path.rpartition(".")[2])

    def _gone(self) -> None:
        """Names that even the oldest version only has a message for."""
        known = {(d.name, d.argument) for d in self.deprecations}
        present = {row.path for row in self.rows}
        for number, entries in enumerate(self.versions):
            for path, entry in entries.items():
                for name, made in entry.tables.items():
                    whole = f"{path}.{name}"
                    if made.gone and whole not in present and (whole, None) not in known:
                        known.add((whole, None))
                        removed = ("", self.names[number])
                        self.deprecations.append(
                            Deprecation(whole, None, made.since, removed, made.replacement, made.message)
                        )


def _under_newest_names(entries: dict[str, Entry], newest: dict[str, Entry]) -> dict[str, Entry]:
    """The entries with each class and function under the name by which the newest version knows it best."""
    moved = {
        path: newest[path].path or path
        for path, entry in entries.items()
        if entry.what in ("c", "f", "v") and path in newest and newest[path].what == "="
    }
    moved = {
        path: target
        for path, target in moved.items()
        if target not in entries or (entries[target].what == "=" and entries[target].path == path)
    }
    if not moved:
        return entries
    renamed: dict[str, Entry] = {}
    for path, entry in entries.items():
        parent, _, name = path.rpartition(".")
        if path in moved:
            renamed[moved[path]] = entry
            renamed[path] = Entry("=", path=moved[path])
        elif parent in moved:
            renamed[f"{moved[parent]}.{name}"] = entry
        elif entry.what == "=" and entry.path in moved:
            if path != moved[entry.path]:
                renamed[path] = Entry("=", path=moved[entry.path])
        else:
            renamed.setdefault(path, entry)
    return renamed


def _names(entry: Entry) -> set[str]:
    return {a.name for a in entry.arguments or () if a.how not in ("*", "**")}


def _swallows(entry: Entry) -> bool:
    return any(a.how == "**" for a in entry.arguments or ())


def _accepts(entry: Entry, name: str) -> bool:
    return name in entry.accepts or any(made.accepted and made.argument == name for made in entry.notices)


def _kind(history: list[Entry]) -> str | None:
    """What the newest version gives, where no other version is known to give something else."""
    kind = history[-1].kind
    if kind is None:
        return None
    for entry in history:
        other = entry.kind
        if other is not None and other != kind and other != kind.partition("[")[0]:
            if {other, kind} <= {"int", "float", "bool", "scalar"}:
                kind = "scalar"
            elif kind != other.partition("[")[0]:
                return None
    return kind
