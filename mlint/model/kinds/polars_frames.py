"""What Polars gives where it depends on the arguments: frames or plans, series or expressions."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from mlint.model.kinds.value import NUMBERS, UNKNOWN, Kind, iterable

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds

FRAME = "polars.DataFrame"
PLAN = "polars.LazyFrame"
SERIES = "polars.Series"
EXPR = "polars.Expr"
GROUPS = frozenset(
    {"polars.dataframe.group_by.GroupBy", "polars.dataframe.group_by.DynamicGroupBy",
     "polars.dataframe.group_by.RollingGroupBy"}
)  # fmt: skip

_FRAME = Kind(FRAME)
_PICKING = frozenset({"list", "range"})


def operated(left: Kind, right: Kind) -> Kind:
    """The kind of what an operator or a comparison gives, one side of which is of Polars."""
    names = (left.name, right.name)
    for family in (EXPR, SERIES, FRAME):  # what is further left takes the others in
        if family in names:
            other = right.name if left.name == family else left.name
            plain = other in NUMBERS or other in ("str", family)
            return Kind(family) if plain or (other == SERIES and family in (EXPR, FRAME)) else UNKNOWN
    return UNKNOWN


def method(kinds: Kinds, receiver: Kind, name: str, node: ast.Call) -> Kind | None:
    """The kind of a method call that the tables alone cannot tell; None if they can."""
    keywords = {keyword.arg for keyword in node.keywords}
    if receiver.name == PLAN and name == "collect":
        return UNKNOWN if keywords & {"background", None} else _FRAME
    if receiver.name == FRAME:
        if "axis" in keywords:
            return UNKNOWN  # a series, as long as there was such an argument
        if name == "partition_by":
            return UNKNOWN if keywords & {"as_dict", None} else iterable(_FRAME, "list")
        if name == "get_column":
            return Kind(SERIES) if len(node.args) == 1 and not node.keywords else UNKNOWN
        if name == "get_columns":
            return iterable(Kind(SERIES), "list")
    return None


def subscript(kinds: Kinds, receiver: Kind, index: ast.expr) -> Kind:
    """The kind of a subscript of a frame or a series."""
    if receiver.name == SERIES:
        return receiver if isinstance(index, ast.Slice) or kinds.of(index).name in _PICKING else UNKNOWN
    if receiver.name != FRAME:
        return UNKNOWN
    if isinstance(index, ast.Tuple):
        if len(index.elts) != 2:
            return UNKNOWN
        rows, columns = index.elts
        many = isinstance(rows, ast.Slice) or kinds.of(rows).name in _PICKING
        if isinstance(columns, ast.Slice) or kinds.of(columns).name in _PICKING:
            return _FRAME
        return Kind(SERIES) if many and kinds.of(columns).name in ("str", "int") else UNKNOWN
    if isinstance(index, ast.Slice) or kinds.of(index).name in ("int", *_PICKING):
        return _FRAME
    return Kind(SERIES) if kinds.of(index).name == "str" else UNKNOWN


def _first(kinds: Kinds, node: ast.Call) -> Kind:
    return kinds.of(node.args[0]) if node.args else UNKNOWN


def _concatenated(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    """Frames for frames, plans for plans, one series for several."""
    if not node.args:
        return UNKNOWN
    given = node.args[0]
    listed = isinstance(given, (ast.List, ast.Tuple)) and not any(isinstance(p, ast.Starred) for p in given.elts)
    parts = [kinds.of(part) for part in given.elts] if listed else [kinds.elements(given)]  # type: ignore[attr-defined]
    return parts[0] if parts and parts[0].name in (FRAME, PLAN, SERIES) and len(set(parts)) == 1 else UNKNOWN


def _eager(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    """An expression, or with ``eager=True`` a series."""
    eager = next((keyword.value for keyword in node.keywords if keyword.arg == "eager"), None)
    if any(keyword.arg is None for keyword in node.keywords):
        return UNKNOWN
    if eager is None:
        return Kind(EXPR)
    if not isinstance(eager, ast.Constant):
        return UNKNOWN
    return Kind(SERIES if eager.value is True else EXPR)


def _from_pandas(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    given = _first(kinds, node)
    return _FRAME if given.is_a("pandas.DataFrame") else Kind(SERIES) if given.is_a("pandas.Series") else UNKNOWN


def _selected(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    return UNKNOWN if any(keyword.arg in ("eager", None) for keyword in node.keywords) else _FRAME


def _read_sheets(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    """A frame for one sheet, a dict for several."""
    asked = [keyword.value for keyword in node.keywords if keyword.arg in ("sheet_id", "sheet_name", None)]
    one = all(
        isinstance(value, ast.Constant) and (isinstance(value.value, str) or value.value not in (0, None))
        for value in asked
    )
    return _FRAME if one and len(node.args) <= 1 else UNKNOWN


def _read_database(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    return UNKNOWN if any(keyword.arg in ("iter_batches", None) for keyword in node.keywords) else _FRAME


def _collected(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    return UNKNOWN if any(keyword.arg in ("lazy", None) for keyword in node.keywords) else iterable(_FRAME, "list")


BY_NAME: dict[str, Callable[[Kinds, ast.Call, str], Kind]] = {
    "polars.concat": _concatenated,
    "polars.collect_all": _collected,
    "polars.from_pandas": _from_pandas,
    "polars.select": _selected,
    "polars.read_excel": _read_sheets,
    "polars.read_ods": _read_sheets,
    "polars.read_database": _read_database,
    **{
        f"polars.{name}": _eager
        for name in "arange arg_where coalesce corr cov date_range date_ranges datetime_range datetime_ranges "
        "int_range int_ranges linear_space ones repeat struct time_range time_ranges zeros".split()
    },
}  # fmt: skip
"""Functions of Polars that give different kinds for different arguments."""


def element(kind: Kind) -> Kind:
    """What looping over something of Polars gives: the columns of a frame, the groups of grouped rows."""
    if kind.name == FRAME:
        return Kind(SERIES)
    return Kind("tuple", elements=(UNKNOWN, _FRAME)) if kind.name in GROUPS else UNKNOWN
