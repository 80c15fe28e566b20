"""Which versions of the libraries a project targets.

A target is a version or a range, from the settings or from the project's dependency files. Rules ask whether every
version in the target satisfies a condition; where the target is not known, the answer is no.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from mlint.model import releases
from mlint.model.releases import specified
from mlint.model.requirements import DECLARED, EXTRA, GROUP, LOCKED, USUAL, Folder, Requirement, library


class Versions:
    """The targets of a project, as they hold for the files of one folder.

    The settings come first. After them come the dependency files of the closest folder that names the library, from
    the file's own up to the root; and there:

    1. a lock file, unless the folder is built as a package: those who install it get what its ranges allow, whatever
       its developers have locked;
    2. what is declared: all of it has to hold, and of what is declared for different environments, one of them;
    3. extras, then groups of dependencies: what any of them allows;
    4. a lock file, also of a package.

    Args:
        targets: library → version or range, as written in the settings.
        root: folder up to which dependency files are looked for when the settings are silent; None for nowhere.
        folder: where the file lies; None for the root.
    """

    def __init__(self, targets: Mapping[str, str], root: str | None = None, folder: str | None = None) -> None:
        self._settings = targets
        self._targets = {library(name): text for name, text in targets.items()}
        self._root = None if root is None else os.path.abspath(root)
        self._folder = self._root if folder is None or self._root is None else os.path.abspath(folder)
        self._known: dict[str, releases.Versions | None] = {}
        self._read: dict[str, Folder] = {}
        self._near: dict[str, Versions] = {}

    def near(self, path: str) -> Versions:
        """The targets as they hold for a file."""
        if self._root is None:
            return self
        folder = os.path.dirname(os.path.abspath(path))
        if folder == self._root or not folder.startswith(os.path.join(self._root, "")):
            return self  # beside the project: only its root tells
        found = self._near.get(folder)
        if found is None:
            found = self._near[folder] = Versions(self._settings, self._root, folder)
            found._read, found._near = self._read, self._near
        return found

    def target(self, name: str) -> releases.Versions | None:
        """The targeted versions of a library, by its import name or that of its distribution; None where nothing is
        known about them.
        """
        asked = library(name)
        if asked not in self._known:
            self._known[asked] = self._target(asked)
        return self._known[asked]

    def satisfies(self, name: str, condition: str) -> bool:
        """Whether every targeted version of a library satisfies a condition such as ``>=2.6`` or ``>=1.24,<2``."""
        target = self.target(name)
        wanted = specified(condition)
        return target is not None and wanted is not None and target <= wanted

    def consulted(self) -> list[str]:
        """The files that decide what is targeted in the folder, and below the root those that would if they were
        there.
        """
        found: list[str] = []
        for folder in self._folders():
            found.extend(self._at(folder).files)
            if folder != self._root:
                found.extend(os.path.join(folder, name) for name in USUAL)
        return sorted(set(found))

    def _folders(self) -> Iterator[str]:
        """The folder, those above it, and at last the root."""
        folder = self._folder
        while folder is not None:
            yield folder
            folder = None if folder == self._root else os.path.dirname(folder)

    def _at(self, folder: str) -> Folder:
        here = self._read.get(folder)
        if here is None:
            here = self._read[folder] = Folder(folder)
        return here

    def _target(self, asked: str) -> releases.Versions | None:
        if asked in self._targets:
            return _telling(specified(self._targets[asked]))
        for folder in self._folders():
            here = self._at(folder)
            said = [requirement for requirement in here.requirements if requirement.library == asked]
            found = _telling(_combined(said, here.packaged))
            if found is not None:
                return found
        return None


def _telling(versions: releases.Versions | None) -> releases.Versions | None:
    """The versions, unless they are all versions there are, or none."""
    return None if versions is None or versions.unbounded or versions.empty else versions


def _combined(said: list[Requirement], packaged: bool) -> releases.Versions | None:
    order = (DECLARED, EXTRA, GROUP, LOCKED) if packaged else (LOCKED, DECLARED, EXTRA, GROUP)
    for place in order:
        here = [requirement for requirement in said if requirement.place == place]
        if not here:
            continue
        found = _any(here) if place in (EXTRA, GROUP, LOCKED) else _holding(here)
        if not found.unbounded:
            return found
    return None


def _holding(requirements: list[Requirement]) -> releases.Versions:
    """What is declared for everybody, together with one of the lines for different environments."""
    found = releases.ALL
    for requirement in requirements:
        if not requirement.marked:
            found &= requirement.versions
    marked = [requirement for requirement in requirements if requirement.marked]
    return found & _any(marked) if marked else found


def _any(requirements: Iterable[Requirement]) -> releases.Versions:
    found = releases.NONE
    for requirement in requirements:
        found |= requirement.versions
    return found
