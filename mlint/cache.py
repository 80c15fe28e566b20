"""Results by content: what an earlier run found in a file that has not changed since.

One JSON file ("shard") for each set of settings holds the results of all files, because opening one file is cheaper
than opening five hundred. A shard is named after everything else that a result depends on (settings, mlint's version
and code, the rules, the Python that parses), so a change of those simply misses.

A cache never makes a run fail: what cannot be read or written is as if it were not there.
"""

from __future__ import annotations

import json
import os
import stat
import time
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlint.finding import Edit, Finding, Fix, Location, Safety

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 1
"""Part of every shard's name; raised when the layout of a record changes."""

_RACY_NS = 2_000_000_000
"""A file this young may change again without a new time stamp; its content is compared instead."""

_KEEP_SECONDS = 30 * 24 * 3600
"""Shards of settings that nobody has used for this long are removed."""

_ABSENT = ""
"""The digest of a file that is not there: a result may depend on a module that does not exist yet."""


def digest(data: bytes) -> str:
    """Return a short fingerprint of ``data``."""
    try:
        from _blake2 import blake2b  # hashlib's own implementation, without loading OpenSSL for it
    except ImportError:  # pragma: no cover - an interpreter without the accelerator
        from hashlib import blake2b
    result: str = blake2b(data, digest_size=16).hexdigest()
    return result


def package_stamp() -> str:
    """Return a fingerprint of mlint's own code, rules included: names, sizes and times of its Python files."""
    import mlint

    parts: list[str] = []
    pending = [os.path.dirname(os.path.abspath(mlint.__file__))]
    checkout_rules = os.path.join(os.path.dirname(pending[0]), "rules")
    if os.path.exists(os.path.join(checkout_rules, ".mlint-rules")):
        pending.append(checkout_rules)
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.endswith((".py", ".json")):
                        status = entry.stat()
                        parts.append(f"{entry.path}:{status.st_size}:{status.st_mtime_ns}")
                    elif entry.name != "__pycache__" and entry.is_dir():
                        pending.append(entry.path)
        except OSError:
            continue
    return digest("\n".join(sorted(parts)).encode("utf-8", "surrogateescape"))


@dataclass(slots=True)
class Stamp:
    """What a file looked like: time, size, and the fingerprint of its content."""

    mtime_ns: int
    size: int
    digest: str


def _listing(path: str) -> str:
    """Return the fingerprint of what lies in a folder; that of what is no folder is empty."""
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(".py") or _is_visible_folder(entry)]
    except (OSError, ValueError):
        return _ABSENT
    return digest("\n".join(sorted(names)).encode("utf-8", "surrogateescape"))


def _is_visible_folder(entry: os.DirEntry[str]) -> bool:
    return entry.name[0] not in "._" and entry.is_dir()


class Stamps:
    """The files of this run as they are now; each is looked at once, however many results depend on it."""

    def __init__(self) -> None:
        self._status: dict[str, tuple[int, int] | None] = {}
        self._digests: dict[str, str] = {}

    def status(self, path: str) -> tuple[int, int] | None:
        """Return the time and size of ``path``, or None where there is no such file."""
        try:
            return self._status[path]
        except KeyError:
            pass
        try:
            found = os.stat(path)
        except (OSError, ValueError):
            status = None
        else:
            status = (found.st_mtime_ns, 0 if stat.S_ISDIR(found.st_mode) else found.st_size)
        self._status[path] = status
        return status

    def digest(self, path: str) -> str:
        """Return the fingerprint of the content of ``path``; that of an absent file is empty.

        The content of a folder is the names of the Python files and of the folders in it.
        """
        known = self._digests.get(path)
        if known is None:
            try:
                with open(path, "rb") as file:
                    known = digest(file.read())
            except (OSError, ValueError):
                known = _listing(path)
            self._digests[path] = known
        return known

    def take(self, path: str) -> Stamp:
        """Return the stamp of ``path`` to be stored beside a result."""
        status = self.status(path)
        if status is None:
            return Stamp(0, 0, _ABSENT)
        return _settled(status[0], status[1], self.digest(path))

    def holds(self, path: str, stamp: Sequence[Any]) -> bool:
        """Say whether ``path`` has the content that ``stamp`` (time, size, digest) was taken of."""
        mtime_ns, size, fingerprint = stamp
        status = self.status(path)
        if status is None:
            return bool(fingerprint == _ABSENT)
        if fingerprint == _ABSENT or status[1] != size:
            return False
        if status[0] == mtime_ns:
            return True
        return bool(self.digest(path) == fingerprint)


def _settled(mtime_ns: int, size: int, fingerprint: str) -> Stamp:
    """Return a stamp whose time only counts when the file is old enough for a later change to show in it."""
    racy = time.time_ns() - mtime_ns < _RACY_NS
    return Stamp(-1 if racy else mtime_ns, size, fingerprint)


class Cache:
    """The results of all files under one root and one key.

    ``folder`` is where shards lie (created when something is stored), ``root`` the folder that stored paths are
    relative to, ``key`` a text that changes with everything but the files' content, ``stamps`` this run's files.
    """

    def __init__(self, folder: str, root: str, key: str, stamps: Stamps | None = None) -> None:
        self._folder = folder
        self._prefix = os.path.join(os.path.abspath(root), "")
        self._file = os.path.join(folder, f"{digest(f'{FORMAT}|{key}'.encode('utf-8', 'surrogateescape'))}.json")
        self._stamps = stamps if stamps is not None else Stamps()
        self._records: dict[str, Any] = _read(self._file)
        self._seen: set[str] = set()
        self._changed = False
        self._started = time.time_ns()

    def lookup(self, path: str, *, explicit: bool, edits: bool) -> list[Finding] | None:
        """Return what was found in ``path`` when it had the content that it has now; None when that is unknown.

        ``explicit`` says that the user named the file, ``edits`` that a result is only of use with its fixes built.
        """
        key = self._key(path)
        record = self._records.get(key)
        if record is None:
            return None
        try:
            stamp, was_explicit, rows, dependencies = record
            if was_explicit != explicit or not self._stamps.holds(path, stamp):
                return None
            for dependency, dependency_stamp in dependencies:
                if not self._stamps.holds(self._path(dependency), dependency_stamp):
                    return None
            if edits and any(row[8] is not None and row[8][2] is None for row in rows):
                return None
            findings = [_finding(path, row) for row in rows]
            if stamp[0] == -1:
                self._refresh(path, stamp)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError):
            return None  # not a record of ours: as if it were not there
        self._seen.add(key)
        return findings

    def store(
        self,
        path: str,
        *,
        explicit: bool,
        status: tuple[int, int],
        content: str,
        findings: Iterable[Finding],
        dependencies: Iterable[str] = (),
    ) -> None:
        """Remember ``findings`` for ``path``.

        ``status`` is its time and size from before it was read, ``content`` the digest of the bytes that were read,
        ``dependencies`` the other files whose content mattered, absent ones included.
        """
        stamp = _settled(status[0], status[1], content)
        others = []
        for dependency in sorted(set(dependencies)):
            absolute = os.path.abspath(dependency)
            now = self._stamps.status(absolute)
            if now is not None and now[0] > self._started:
                return  # changed during the run: nobody knows which content the result is about
            taken = self._stamps.take(absolute)
            others.append([self._key(dependency), [taken.mtime_ns, taken.size, taken.digest]])
        key = self._key(path)
        self._records[key] = [
            [stamp.mtime_ns, stamp.size, stamp.digest],
            explicit,
            [_row(finding) for finding in findings],
            others,
        ]
        self._seen.add(key)
        self._changed = True

    def save(self) -> None:
        """Write the shard if anything in it is new; two runs at once are safe, the later one wins."""
        if not self._changed:
            return
        for key in [key for key in self._records if key not in self._seen]:
            if not os.path.exists(self._path(key)):
                del self._records[key]
        payload = json.dumps(self._records, separators=(",", ":")).encode("ascii")
        temporary = f"{self._file}.{os.getpid()}.tmp"
        try:
            _prepare(self._folder)
            with open(temporary, "wb") as file:
                file.write(b"%08x" % zlib.crc32(payload) + payload)
            os.replace(temporary, self._file)
        except OSError:
            try:
                os.unlink(temporary)
            except OSError:
                pass
            return
        self._changed = False
        _prune(self._folder)

    def _refresh(self, path: str, stamp: list[Any]) -> None:
        status = self._stamps.status(path)
        if status is not None:
            settled = _settled(status[0], status[1], stamp[2])
            if settled.mtime_ns != -1:
                stamp[0] = settled.mtime_ns
                self._changed = True

    def _key(self, path: str) -> str:
        absolute = path if os.path.isabs(path) else os.path.abspath(path)
        return absolute[len(self._prefix) :] if absolute.startswith(self._prefix) else absolute

    def _path(self, key: str) -> str:
        return key if os.path.isabs(key) else self._prefix + key


def _read(file_name: str) -> dict[str, Any]:
    """Return the records of a shard; none when it is missing, damaged, or not ours."""
    try:
        with open(file_name, "rb") as file:
            data = file.read()
        if b"%08x" % zlib.crc32(data[8:]) != data[:8]:
            return {}
        records = json.loads(data[8:])
    except (OSError, ValueError, RecursionError):
        return {}
    return records if isinstance(records, dict) else {}


def _prepare(folder: str) -> None:
    """Make the cache folder, and tell git and backup programs to leave it alone."""
    if os.path.exists(os.path.join(folder, "CACHEDIR.TAG")):
        return
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, ".gitignore"), "w", encoding="ascii") as file:
        file.write("# Made by mlint; everything here can be deleted.\n*\n")
    with open(os.path.join(folder, "CACHEDIR.TAG"), "w", encoding="ascii") as file:
        file.write("Signature: 8a477f597d28d172789f06886806bc55\n# Made by mlint; see https://bford.info/cachedir/\n")


def _prune(folder: str) -> None:
    """Remove shards and left-over temporary files that have not been written for a month."""
    oldest = time.time() - _KEEP_SECONDS
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith((".json", ".tmp")) and entry.stat().st_mtime < oldest:
                    os.unlink(entry.path)
    except OSError:
        pass


def _row(finding: Finding) -> list[Any]:
    """Return a finding as plain data, without its path (the record's key) and the function that builds its fix."""
    fix = finding.fix
    return [
        finding.start.line,
        finding.start.column,
        finding.end.line,
        finding.end.column,
        finding.code,
        finding.name,
        finding.message,
        finding.advice,
        None if fix is None else [fix.safety.value, fix.message, _edit_rows(fix.edits)],
        finding.cell,
        finding.severity,
    ]


def _edit_rows(edits: tuple[Edit, ...] | None) -> list[list[Any]] | None:
    return None if edits is None else [[edit.start, edit.end, edit.content] for edit in edits]


def _finding(path: str, row: Sequence[Any]) -> Finding:
    """Return the finding that ``row`` was made from, as one of ``path``."""
    line, column, end_line, end_column, code, name, message, advice, fix_row, cell, severity = row
    fix = None
    if fix_row is not None:
        safety, text, edits = fix_row
        fix = Fix(Safety(safety), text, None if edits is None else tuple(Edit(*edit) for edit in edits))
    return Finding(
        path=path,
        start=Location(line, column),
        end=Location(end_line, end_column),
        code=code,
        name=name,
        message=message,
        advice=advice,
        fix=fix,
        cell=cell,
        severity=severity,
    )
