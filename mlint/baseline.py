"""A baseline: the findings that a project has agreed to live with, so that only new ones show.

A finding is recognised by its file, its code and the text of its line without the white space, and by how often that
combination occurs: moving code up or down or indenting it differently keeps it known, changing the line does not.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mlint.finding import Finding

_VERSION = 1

Key = tuple[str, str, str]
"""Path relative to the baseline's folder, code, line text."""


class BaselineError(Exception):
    """The baseline cannot be read or written; the message says which file, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Stale:
    """An entry of the baseline that nothing matches any more."""

    path: str
    code: str
    text: str
    count: int


def _normalise(line: str) -> str:
    """Return ``line`` without the white space that a formatter may change."""
    return " ".join(line.split())


class Baseline:
    """The agreed findings of one baseline file.

    ``line_of`` gives the text of the line on which a finding starts; paths are kept relative to ``folder``, with
    forward slashes, so that a baseline works on every machine.
    """

    def __init__(self, folder: str, counts: Counter[Key] | None = None) -> None:
        self._folder = os.path.abspath(folder)
        self._counts: Counter[Key] = counts if counts is not None else Counter()

    @classmethod
    def read(cls, path: str) -> Baseline:
        """Read a baseline. Raises BaselineError when it is missing or is not one."""
        try:
            with open(path, encoding="utf-8") as file:
                data = json.load(file)
        except FileNotFoundError:
            raise BaselineError(f"{path}: no such baseline; write one with `mlint --write-baseline {path}`") from None
        except OSError as error:
            raise BaselineError(f"{path}: cannot read the baseline: {error.strerror or error}") from None
        except ValueError as error:
            raise BaselineError(
                f"{path}: not a baseline (invalid JSON: {error}); write it anew with `mlint --write-baseline {path}`"
            ) from None
        counts: Counter[Key] = Counter()
        try:
            if data["version"] != _VERSION:
                raise BaselineError(
                    f"{path}: a baseline of version {data['version']}, this mlint reads version {_VERSION}; "
                    f"write it anew with `mlint --write-baseline {path}`"
                )
            for file_name, entries in data["findings"].items():
                for entry in entries:
                    counts[(file_name, str(entry["code"]), _normalise(entry["line"]))] += int(entry.get("count", 1))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BaselineError(f"{path}: not a baseline; write it anew with `mlint --write-baseline {path}`") from None
        return cls(os.path.dirname(os.path.abspath(path)), counts)

    @classmethod
    def of(cls, folder: str, findings: Iterable[Finding], line_of: Callable[[Finding], str]) -> Baseline:
        """Return the baseline, to lie in ``folder``, that accepts ``findings``."""
        baseline = cls(folder)
        for finding in findings:
            baseline._counts[baseline._key(finding, line_of(finding))] += 1
        return baseline

    def write(self, path: str) -> None:
        """Write the baseline to ``path``, sorted, so that its history reads well. Raises BaselineError."""
        by_file: dict[str, list[dict[str, object]]] = {}
        for (file_name, code, text), count in sorted(self._counts.items()):
            entry: dict[str, object] = {"code": code, "line": text}
            if count > 1:
                entry["count"] = count
            by_file.setdefault(file_name, []).append(entry)
        temporary = f"{path}.{os.getpid()}.tmp"
        try:
            with open(temporary, "w", encoding="utf-8", newline="\n") as file:
                json.dump({"version": _VERSION, "findings": by_file}, file, indent=1, ensure_ascii=False)
                file.write("\n")
            os.replace(temporary, path)
        except OSError as error:
            raise BaselineError(f"{path}: cannot write the baseline: {error.strerror or error}") from None

    def __len__(self) -> int:
        return self._counts.total()

    def split(
        self, findings: Iterable[Finding], line_of: Callable[[Finding], str], checked: Iterable[str] = ()
    ) -> tuple[list[Finding], int, list[Stale]]:
        """Return the findings that the baseline does not know, how many it does, and its stale entries.

        ``findings`` come in order of their place, so that of three equal ones, two known, the last is the new one.
        Only entries of the files in ``checked`` can be stale: nothing is known about the others.
        """
        found = list(findings)
        new, left = self.unknown(found, line_of)
        known = len(found) - len(new)
        looked_at = {self._relative(path) for path in checked}
        stale = [
            Stale(file_name, code, text, count)
            for (file_name, code, text), count in sorted(left.items())
            if count > 0 and (file_name in looked_at or not os.path.exists(os.path.join(self._folder, file_name)))
        ]
        return new, known, stale

    def unknown(
        self, findings: Iterable[Finding], line_of: Callable[[Finding], str]
    ) -> tuple[list[Finding], Counter[Key]]:
        """Return the findings that the baseline does not know, and its entries that none of them matches."""
        left = Counter(self._counts)
        new: list[Finding] = []
        for finding in findings:
            key = self._key(finding, line_of(finding))
            if left[key] > 0:
                left[key] -= 1
            else:
                new.append(finding)
        return new, left

    def _key(self, finding: Finding, line: str) -> Key:
        return (self._relative(finding.path), finding.code, _normalise(line))

    def _relative(self, path: str) -> str:
        absolute = os.path.abspath(path)
        try:
            relative = os.path.relpath(absolute, self._folder)
        except ValueError:  # another drive
            relative = absolute
        return relative.replace(os.sep, "/")
