"""The generated tables, one text file per top-level package, and how they are looked up.

A file is read when its package is asked for, and a line is taken apart when its name is asked for. The names in the
table of ``torch`` stand there without ``torch``, and ``.Tensor`` is ``torch.Tensor`` where a kind, a base or the other
name of an object is meant.
"""

from __future__ import annotations

import functools
import os
import re

_FIELDS = 7
_SUFFIX = ".txt"
_FOLDER = os.path.dirname(__file__)
_OWN = re.compile(r"(?<![\w.])\.(?=\w)")


@functools.cache
def _lines(file: str) -> list[str]:
    return [line for line in _text(file).split("\n") if line and line[0] != "#"]


@functools.cache
def _text(file: str) -> str:
    try:
        with open(os.path.join(_FOLDER, file), encoding="utf-8") as text:
            return text.read()
    except FileNotFoundError:
        return ""


def _rest(dotted: str) -> str | None:
    """The rest of the line of a name: found by halving the text, whose lines are sorted, as a file wants few of them."""
    root, _, inner = dotted.partition(".")
    text = _text(f"{root}.txt")
    wanted = inner + "\t"
    low, high = 0, len(text)
    while low < high:
        middle = (low + high) // 2
        start = text.rfind("\n", low, middle) + 1 or low
        end = text.find("\n", middle)
        end = end if end != -1 else len(text)
        if text[start:end] < wanted:
            low = end + 1
        else:
            high = start
    if not text.startswith(wanted, low):
        return None
    end = text.find("\n", low)
    return text[low + len(wanted) : end if end != -1 else len(text)]


def names(root: str) -> dict[str, str]:
    """All names of a package, each with the rest of its line: for those who want every one."""
    return {f"{root}.{name}": rest for name, _, rest in (line.partition("\t") for line in _lines(f"{root}.txt"))}


def roots() -> list[str]:
    """The top-level packages that there is a table for."""
    return sorted(
        name[: -len(_SUFFIX)] for name in os.listdir(_FOLDER) if name.endswith(_SUFFIX) and name.count(".") == 1
    )


def row(dotted: str) -> list[str] | None:
    """The fields of a name, aliases followed: name, what, parameters, former ones, kind or bases, since, removed."""
    rest = _rest(dotted)
    if rest is None:
        owner, _, name = dotted.rpartition(".")
        other = _rest(owner) or ""
        if not other.startswith("=\t"):
            return None
        dotted = f"{_whole(dotted, other[2:])}.{name}"
        rest = _rest(dotted)
    elif rest.startswith("=\t"):
        dotted = _whole(dotted, rest[2:])
        rest = _rest(dotted)
    if rest is None:
        return None
    fields = [dotted, *rest.split("\t")]
    if len(fields) > 4:
        fields[4] = _whole(dotted, fields[4])
    return fields + [""] * (_FIELDS - len(fields))


def _whole(dotted: str, text: str) -> str:
    """A text of a table with the package written out."""
    return _OWN.sub(f"{dotted.partition('.')[0]}.", text) if "." in text else text


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
        whole = f"{root}.{line}"
        found.setdefault(whole.partition("\t")[0], []).append(whole)
    return found
