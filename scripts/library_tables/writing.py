"""The tables as lines of text: one name a line, sorted, so that a change of a library can be read in a diff."""

from __future__ import annotations

import re

from mlint.model.libraries import Deprecation
from scripts.library_tables.merging import Parameter, Row

NAMES_HEADER = """\
# Made by scripts/build_tables.py; not to be edited.
# {root}: {versions}
# name, what it is, parameters, former parameters, kind or bases, first version, last version..first without
# The package's own name is left out: `.Tensor` for `torch.Tensor`.
"""
DEPRECATIONS_HEADER = """\
# Made by scripts/build_tables.py; not to be edited.
# {root}: {versions}
# name, argument, deprecated since, last version..first without(..first with it again), replacement, message
"""


_WHOLE = frozenset(
    "keras.Model keras.Sequential tensorflow.data.Dataset lightning.Trainer lightning.pytorch.Trainer "
    "accelerate.Accelerator transformers.Trainer transformers.TrainingArguments datasets.Dataset "
    "datasets.DatasetDict".split()
)
"""Classes of which all methods are kept, also in libraries of which only the kinds of methods are."""
_KEPT = frozenset({"keras", "tensorflow", "transformers"})
"""Lean tables that keep what old programs call."""
_PLAIN = frozenset({"", "None", "bool", "int", "float", "str", "dict", "list", "tuple", "set", "bytes"})


def names(root: str, versions: str, rows: list[Row], lean: bool) -> str:
    """The table of the names of a library; a lean one leaves out what members of plain kinds are called."""
    gone = {row.path for row in rows if row.removed is not None and row.what == "c"}
    kept = {row.path: row for row in rows if _says_something(row) and not (lean and _is_plain(row))}
    kept = {path: row for path, row in kept.items() if path.rpartition(".")[0] not in gone}
    if lean and root not in _KEPT:
        kept = {path: row for path, row in kept.items() if row.removed is None}
    lines = [
        _line(row, root)
        for path, row in sorted(kept.items())
        if row.alias is None or (row.alias in kept and _is_worth_it(row, kept, lean))
    ]
    return NAMES_HEADER.format(root=root, versions=versions) + "".join(f"{line}\n" for line in lines)


def _is_plain(row: Row) -> bool:
    if row.what not in ("m", "p") or row.path.rpartition(".")[0] in _WHOLE:
        return False
    return (row.kind or "").partition("[")[0] in _PLAIN


def _says_something(row: Row) -> bool:
    if row.unsure or row.what in ("v", "d") or (row.removed is not None and row.alias is not None):
        return False
    return row.what != "p" or row.kind is not None


def _is_worth_it(row: Row, kept: dict[str, Row], lean: bool) -> bool:
    """Whether another name of an object is one that people use: not that of the module that happens to define it."""
    assert row.alias is not None
    parent = kept.get(row.path.rpartition(".")[0])
    if row.path == row.alias or (parent is not None and parent.alias is not None):
        return False  # found through the module
    return not lean or row.path.count(".") <= row.alias.count(".")


def _relative(text: str, root: str) -> str:
    return re.sub(rf"(?<![\w.]){root}\.(?=\w)", ".", text)


def _line(row: Row, root: str) -> str:
    name = row.path.partition(".")[2]
    if row.alias is not None:
        return f"{name}\t=\t{_relative(row.alias, root)}"
    current, former = "?", ""
    if row.parameters is not None:
        current = _signature([p for p in row.parameters if p.removed is None])
        former = _signature([p for p in row.parameters if p.removed is not None], loose=True)
    if row.what in ("p", "v"):
        current = ""
    kind = _relative(",".join(row.bases) if row.what == "c" else row.kind or "", root)
    removed = "" if row.removed is None else "..".join(row.removed)
    return "\t".join([name, row.what, current, former, kind, row.since or "", removed]).rstrip("\t")


def _signature(parameters: list[Parameter], loose: bool = False) -> str:
    """Parameters as they stand in a ``def``, their history in place of the annotation."""
    if loose:
        parameters = sorted(parameters, key=lambda p: ("positional", "either", "keyword").index(p.argument.how))
    parts: list[str] = []
    previous = ""
    starred = False
    for parameter in parameters:
        argument = parameter.argument
        how = argument.how
        if previous == "positional" and how != "positional":
            parts.append("/")
        if how == "keyword" and not starred and (not loose or previous != "keyword"):
            parts.append("*")
            starred = True
        history = []
        if parameter.since is not None:
            history.append(f"+{parameter.since}")
        if parameter.removed is not None:
            history.append(f"-{'..'.join(parameter.removed)}")
        history += [f"~{version} {default}" for version, default in parameter.earlier]
        text = argument.name if how in ("either", "keyword", "positional") else how + argument.name
        default = argument.default
        if loose and default is None and how not in ("*", "**"):
            default = "..."
        if history:
            noted = "; ".join(history)
            text += f": {noted!r}" + (f" = {default}" if default is not None else "")
        elif default is not None:
            text += f"={default}"
        parts.append(text)
        starred = starred or how == "*"
        previous = how
    if previous == "positional":
        parts.append("/")
    return ", ".join(parts)


def deprecations(root: str, versions: str, entries: list[Deprecation], lean: bool) -> str:
    """The table of what a library gives up; a lean one without what was in modules within modules and just went."""
    lines = []
    for one in entries:
        says_nothing = one.argument is None and one.since is None and not one.message
        if lean and root not in _KEPT and says_nothing and one.name.count(".") > 2:
            continue
        removed = "" if one.removed is None else "..".join((*one.removed, *filter(None, [one.back])))
        name = one.name.partition(".")[2]
        parts = [name, one.argument or "", one.since or "", removed, one.replacement or "", one.message]
        lines.append("\t".join(part.replace("\t", " ") for part in parts).rstrip("\t"))
    return DEPRECATIONS_HEADER.format(root=root, versions=versions) + "".join(f"{line}\n" for line in lines)
