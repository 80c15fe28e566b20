"""The tables as lines of text: one name a line, sorted, so that a change of a library can be read in a diff."""

from __future__ import annotations

from mlint.model.libraries import Deprecation
from scripts.library_tables.merging import Parameter, Row

NAMES_HEADER = """\
# Made by scripts/build_tables.py; not to be edited.
# {root}: {versions}
# name, what it is, parameters, former parameters, kind or bases, first version, last version..first without
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
_PLAIN = frozenset({"", "None", "bool", "int", "float", "str", "dict", "list", "tuple", "set", "bytes"})


def names(root: str, versions: str, rows: list[Row], lean: bool) -> str:
    """The table of the names of a library; a lean one leaves out what members of plain kinds are called."""
    kept = {row.path: row for row in rows if _says_something(row) and not (lean and _is_plain(row))}
    lines = [
        _line(row)
        for path, row in sorted(kept.items())
        if row.alias is None or (row.alias in kept and path != row.alias)
    ]
    return NAMES_HEADER.format(root=root, versions=versions) + "".join(f"{line}\n" for line in lines)


def _is_plain(row: Row) -> bool:
    if row.what not in ("m", "p") or row.path.rpartition(".")[0] in _WHOLE:
        return False
    return (row.kind or "").partition("[")[0] in _PLAIN


def _says_something(row: Row) -> bool:
    if row.what in ("v", "d") or (row.removed is not None and row.alias is not None):
        return False
    return row.what != "p" or row.kind is not None


def _line(row: Row) -> str:
    if row.alias is not None:
        return f"{row.path}\t=\t{row.alias}"
    current, former = "?", ""
    if row.parameters is not None:
        current = _signature([p for p in row.parameters if p.removed is None])
        former = _signature([p for p in row.parameters if p.removed is not None], loose=True)
    if row.what in ("p", "v"):
        current = ""
    kind = ",".join(row.bases) if row.what == "c" else row.kind or ""
    removed = "" if row.removed is None else "..".join(row.removed)
    return "\t".join([row.path, row.what, current, former, kind, row.since or "", removed]).rstrip("\t")


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


def deprecations(root: str, versions: str, entries: list[Deprecation]) -> str:
    """The table of what a library gives up."""
    lines = []
    for one in entries:
        removed = "" if one.removed is None else "..".join((*one.removed, *filter(None, [one.back])))
        parts = [one.name, one.argument or "", one.since or "", removed, one.replacement or "", one.message]
        lines.append("\t".join(part.replace("\t", " ") for part in parts).rstrip("\t"))
    return DEPRECATIONS_HEADER.format(root=root, versions=versions) + "".join(f"{line}\n" for line in lines)
