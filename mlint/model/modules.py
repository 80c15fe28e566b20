"""Which file an import means, as far as it is one of the project's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from mlint.model.libraries import ROOTS

_PACKAGING = ("pyproject.toml", "setup.py", "setup.cfg")
_INSTALLED = ("site-packages", "dist-packages")


class Modules:
    """Finds the files of first-party modules.

    A module is looked for where the interpreter would: beside a script, above the outermost package, in what the file
    puts on `sys.path`, in the configured roots, and in the projects around the file with their ``src``.

    Args:
        roots: folders from which absolute imports of first-party modules start.
    """

    def __init__(self, roots: Iterable[str] = ()) -> None:
        self._roots = tuple(os.path.abspath(root) for root in roots)
        self._places: dict[tuple[str, str], tuple[str | None, tuple[str, ...]]] = {}
        self._starts: dict[str, tuple[str, ...]] = {}
        self._added: dict[str, tuple[str, ...]] = {}
        self._absent: dict[str, set[str]] = {}

    def add(self, importer: str, folders: Iterable[str]) -> None:
        """Have a file import from these folders as well: it puts them on `sys.path`."""
        self._added[os.path.abspath(importer)] = tuple(folders)

    def absent(self, importer: str) -> set[str]:
        """The files that were looked for on behalf of a file and are not there: if one appears, it is meant."""
        return self._absent.get(os.path.abspath(importer), set())

    def locate(self, module: str, importer: str) -> str | None:
        """The file of a module (``pkg.sub``, or ``.sub`` relative to the importer); None if it is not first-party."""
        whole = importer if os.path.isabs(importer) else os.path.abspath(importer)
        key = (module, whole if whole in self._added else os.path.dirname(whole))
        known = self._places.get(key)
        if known is None:
            known = self._places[key] = self._find(module, whole)
        if known[1]:
            self._absent.setdefault(whole, set()).update(known[1])
        return known[0]

    def _find(self, module: str, importer: str) -> tuple[str | None, tuple[str, ...]]:
        folder = os.path.dirname(importer)
        if module.startswith("."):
            bare = module.lstrip(".")
            for _ in range(len(module) - len(bare) - 1):
                folder = os.path.dirname(folder)
            return _first([folder], bare)
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names:
            # Only a file beside a script comes before the standard library, and nothing before what is built in.
            if top in sys.builtin_module_names or _is_package(folder):
                return None, ()
            return _file_of(folder, module), ()
        package = _installed_package(folder)
        if package is not None and package != top:
            return None, ()  # what lies beside an installed package is no part of it
        starts = self._begin(folder, importer)
        if top in ROOTS:  # a name on the package index: the file would have to lie exactly there
            found, _ = _first(starts, module)
            return found, ()
        found, before = _first(starts, module)
        if found is None:
            found, _ = _first(self._around(folder), module)
        if found is None and "." in module and not any(os.path.isdir(os.path.join(start, top)) for start in starts):
            before = _first(starts, top)[1]  # nothing of it is there: it would begin to be there with its top
        return found, before

    def _begin(self, folder: str, importer: str) -> tuple[str, ...]:
        added = self._added.get(importer, ())
        if not _is_package(folder):
            return (folder, *added, *self._roots)
        outer = folder
        while _is_package(outer):
            above = os.path.dirname(outer)
            if above == outer:
                break
            outer = above
        # A module of a package may be run as a script as well.
        return (outer, *added, *self._roots, folder)

    def _around(self, folder: str) -> tuple[str, ...]:
        """The projects around a folder, up to the repository's top."""
        known = self._starts.get(folder)
        if known is None:
            found: list[str] = []
            if any(os.path.exists(os.path.join(folder, name)) for name in _PACKAGING):
                found += [folder, os.path.join(folder, "src")]
            above = os.path.dirname(folder)
            if above != folder and not os.path.exists(os.path.join(folder, ".git")):
                if os.path.basename(folder) not in _INSTALLED:
                    found += self._around(above)
            known = self._starts[folder] = tuple(found)
        return known


def _installed_package(folder: str) -> str | None:
    """The installed package to which a folder belongs, if it does."""
    parts = folder.split(os.sep)
    for installed in _INSTALLED:
        if installed in parts:
            return "".join(parts[len(parts) - parts[::-1].index(installed) :][:1])
    return None


def _is_package(folder: str) -> bool:
    return os.path.exists(os.path.join(folder, "__init__.py"))


def _first(starts: Iterable[str], module: str) -> tuple[str | None, tuple[str, ...]]:
    """The file of a module in the first folder that has it, and the files that would have come before it."""
    before: list[str] = []
    for start in dict.fromkeys(starts):
        found = _file_of(start, module, before)
        if found is not None:
            return found, tuple(before)
    return None, tuple(before)


def _file_of(folder: str, module: str, absent: list[str] | None = None) -> str | None:
    base = os.path.join(folder, *module.split(".")) if module else folder
    # A package comes before a module of the same name; a folder without `__init__.py` comes last, and has no file.
    for candidate in (os.path.join(base, "__init__.py"), base + ".py" if module else ""):
        if candidate and os.path.isfile(candidate):
            return candidate
        if candidate and absent is not None:
            absent.append(candidate)
    return None
