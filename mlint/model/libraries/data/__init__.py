"""The generated tables, one text file per top-level package, and how they are looked up.

A file is read when its package is asked for, and a line is taken apart when its name is asked for.
"""

from __future__ import annotations

import functools
import os

_FIELDS = 7
_SUFFIX = ".txt"
_FOLDER = os.path.dirname(__file__)


@functools.cache
def _lines(file: str) -> list[str]:
    try:
        with open(os.path.join(_FOLDER, file), encoding="utf-8") as text:
            return [line for line in text.read().split("\n") if line and line[0] != "#"]
    except FileNotFoundError:
        return []


@functools.cache
def _names(root: str) -> dict[str, str]:
    """Name → the rest of its line."""
    return {name: rest for name, _, rest in (line.partition("\t") for line in _lines(f"{root}.txt"))}


def roots() -> list[str]:
    """The top-level packages that there is a table for."""
    return sorted(name[: -len(_SUFFIX)] for name in os.listdir(_FOLDER) if name.endswith(_SUFFIX) and name.count(".") == 1)


def row(dotted: str) -> list[str] | None:
    """The fields of a name, aliases followed: name, what, parameters, former ones, kind or bases, since, removed."""
    names = _names(dotted.partition(".")[0])
    rest = names.get(dotted)
    if rest is None:
        owner, _, name = dotted.rpartition(".")
        other = names.get(owner, "")
        if not other.startswith("=\t"):
            return None
        dotted = f"{other[2:]}.{name}"
        rest = names.get(dotted)
    elif rest.startswith("=\t"):
        dotted = rest[2:]
        rest = names.get(dotted)
    if rest is None:
        return None
    fields = [dotted, *rest.split("\t")]
    return fields + [""] * (_FIELDS - len(fields))


@functools.cache
def bases(dotted: str) -> tuple[str, ...] | None:
    """A class and all its bases, nearest first; None for what is no class of the tables."""
    own = row(dotted)
    if own is None or own[1] != "c":
        return None
    order = [own[0]]
    for base in filter(None, own[4].split(",")):
        order += bases(base) or (base,)
    return tuple(dict.fromkeys(order))


@functools.cache
def deprecations(root: str) -> dict[str, list[str]]:
    """Name → its lines in the table of what a library gives up."""
    found: dict[str, list[str]] = {}
    for line in _lines(f"{root}.deprecations.txt"):
        found.setdefault(line.partition("\t")[0], []).append(line)
    return found
