"""What pandas gives: columns, rows, groups and joined frames."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.kinds.value import (
    DATAFRAME,
    GROUPBY,
    INDEX,
    NDARRAY,
    SERIES,
    UNKNOWN,
    Kind,
)

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds

ROLLING = "pandas.Rolling"

_AGGREGATING = frozenset("mean sum median min max std var count first last nunique prod sem any all quantile".split())
_REDUCING = frozenset(
    "all any kurt kurtosis max mean median min nunique prod product sem skew std sum var count".split()
)
_KEEPING = frozenset("transform cumsum cumprod cummax cummin shift diff rank ffill bfill pct_change fillna".split())
_OTHER_RESULTS = frozenset(
    "cat get_dummies partition rpartition extract extractall split rsplit to_pydatetime to_pytimedelta".split()
)
"""Methods behind `.str` and `.dt` that need not give a series."""
_DATES = frozenset(
    "year month day hour minute second microsecond dayofweek weekday day_of_week dayofyear day_of_year quarter "
    "days_in_month is_month_start is_month_end is_year_start is_year_end is_leap_year date time days seconds".split()
)


def subscript(kinds: Kinds, receiver: Kind, node: ast.Subscript) -> Kind:
    """The kind of a subscript of something of pandas."""
    index = node.slice
    if receiver.is_a(DATAFRAME):
        return _of_frame(kinds, index)
    if receiver.name == "cudf.DataFrame":
        return Kind("cudf.Series") if isinstance(index, ast.Constant) else UNKNOWN
    if receiver.is_a(SERIES):
        selected = kinds.of(index)
        if isinstance(index, (ast.Slice, ast.List)) or selected.is_a(SERIES, NDARRAY, INDEX, "list"):
            return Kind(SERIES)
        return UNKNOWN
    if receiver.name == INDEX:
        selected = kinds.of(index)
        return Kind(INDEX) if isinstance(index, ast.Slice) or selected.is_a(SERIES, NDARRAY, "list") else UNKNOWN
    if receiver.name == GROUPBY:
        return _of_groups(kinds, receiver, index)
    if receiver.name == ROLLING and receiver.elements and receiver.elements[0].is_a(DATAFRAME):
        one = kinds.of(index).name == "str"
        return Kind(ROLLING, elements=(Kind(SERIES if one else DATAFRAME),))
    if receiver.name == "pandas.indexer":
        return _indexed(kinds, receiver, node)
    if receiver.name == "pandas.accessor":
        return Kind(SERIES) if receiver.elements and receiver.elements[0].is_a(SERIES) else UNKNOWN
    return UNKNOWN


def _of_frame(kinds: Kinds, index: ast.expr) -> Kind:
    if isinstance(index, (ast.List, ast.ListComp, ast.Slice)):
        return Kind(DATAFRAME)
    if isinstance(index, (ast.Constant, ast.JoinedStr)):
        return Kind(SERIES) if isinstance(index, ast.JoinedStr) or isinstance(index.value, str) else UNKNOWN
    if isinstance(index, ast.Compare):
        return Kind(DATAFRAME)
    if isinstance(index, ast.BinOp) and isinstance(index.op, (ast.BitAnd, ast.BitOr)):
        return Kind(DATAFRAME)  # masks combined
    if isinstance(index, ast.UnaryOp) and isinstance(index.op, ast.Invert):
        return Kind(DATAFRAME)
    kind = kinds.of(index)
    if kind.is_a(SERIES, DATAFRAME, INDEX, "list") or (kind.is_a(NDARRAY) and kind.dtype == "bool"):
        return Kind(DATAFRAME)
    return Kind(SERIES) if kind.name == "str" else UNKNOWN


def _of_groups(kinds: Kinds, groups: Kind, index: ast.expr) -> Kind:
    """Some columns of grouped rows. The first element of a kind of groups is what a group is, the second what
    aggregating one column gives (``as_index=False`` makes it a frame).
    """
    if len(groups.elements) != 2:
        return Kind(GROUPBY)
    kind = kinds.of(index)
    if kind.name == "str":
        return Kind(GROUPBY, elements=(Kind(SERIES), groups.elements[1]))
    if isinstance(index, ast.List) or kind.name == "list":
        return groups
    return Kind(GROUPBY)


def _indexed(kinds: Kinds, indexer: Kind, node: ast.Subscript) -> Kind:
    """``df.loc[...]`` and ``df.iloc[...]``."""
    frame = indexer.elements[0] if indexer.elements else UNKNOWN
    name = node.value.attr if isinstance(node.value, ast.Attribute) else ""
    if name in ("at", "iat"):
        return UNKNOWN
    index = node.slice
    if frame.is_a(SERIES):
        return Kind(SERIES) if _is_many(kinds, index) else UNKNOWN
    if not frame.is_a(DATAFRAME):
        return UNKNOWN
    if isinstance(index, ast.Tuple) and len(index.elts) == 2:
        rows, columns = index.elts
        many_rows, many_columns = _is_many(kinds, rows), _is_many(kinds, columns)
        if many_rows and many_columns:
            return Kind(DATAFRAME)
        if many_rows and (isinstance(columns, ast.Constant) or kinds.of(columns).name in ("str", "int")):
            return Kind(SERIES)
        if many_columns and name == "iloc" and kinds.of(rows).name == "int":
            return Kind(SERIES)
        return UNKNOWN
    if _is_many(kinds, index):
        return Kind(DATAFRAME)
    return Kind(SERIES) if name == "iloc" and kinds.of(index).name == "int" else UNKNOWN


def _is_many(kinds: Kinds, index: ast.expr) -> bool:
    """Whether an index picks any number of rows or columns."""
    if isinstance(index, (ast.Slice, ast.List, ast.Compare)):
        return True
    if isinstance(index, ast.BinOp) and isinstance(index.op, (ast.BitAnd, ast.BitOr)):
        return True
    return kinds.of(index).is_a(SERIES, NDARRAY, INDEX, "list")


def method(kinds: Kinds, receiver: Kind, name: str, node: ast.Call) -> Kind | None:
    """The kind of a method call on something of pandas that the tables alone cannot tell; None if they can."""
    if name in ("groupby", "resample") and receiver.is_a(DATAFRAME, SERIES):
        return _grouped(receiver, node)
    if name in ("rolling", "expanding", "ewm") and receiver.is_a(DATAFRAME, SERIES):
        return Kind(ROLLING, elements=(Kind(receiver.name),))
    if receiver.name == GROUPBY:
        return _aggregated(receiver, name, node)
    if receiver.name == ROLLING:
        if name in _AGGREGATING and receiver.elements:
            return receiver.elements[0]
        return UNKNOWN
    if receiver.name == "pandas.accessor":
        return _accessed(receiver, name)
    if name == "to_dict" and (node.args or node.keywords):
        return UNKNOWN  # a list of rows, for one
    if receiver.is_a(DATAFRAME) and name in _REDUCING and not _is_one_axis(node):
        return UNKNOWN
    if receiver.is_a(SERIES) and name == "reset_index":
        drop = argument(node, "drop")
        return Kind(SERIES) if _is_true(drop) else Kind(DATAFRAME) if drop is None else UNKNOWN
    return None


def _is_one_axis(node: ast.Call) -> bool:
    """Whether a frame is reduced along one axis: ``axis=None`` gives a number, in newer versions at least."""
    axis = node.args[0] if node.args else argument(node, "axis")
    if axis is None:
        return all(keyword.arg is not None for keyword in node.keywords)
    return isinstance(axis, ast.Constant) and axis.value is not None


def _grouped(receiver: Kind, node: ast.Call) -> Kind:
    if receiver.is_a(SERIES):
        return Kind(GROUPBY, elements=(Kind(SERIES), Kind(SERIES)))
    as_index = argument(node, "as_index")
    if as_index is None or _is_true(as_index):
        return Kind(GROUPBY, elements=(Kind(DATAFRAME), Kind(SERIES)))
    if isinstance(as_index, ast.Constant) and as_index.value is False:
        return Kind(GROUPBY, elements=(Kind(DATAFRAME), Kind(DATAFRAME)))
    return Kind(GROUPBY)


def _aggregated(groups: Kind, name: str, node: ast.Call) -> Kind:
    if len(groups.elements) != 2:
        return UNKNOWN
    group, column = groups.elements
    if name in _KEEPING:
        return group
    if name == "size":
        return column
    if name in _AGGREGATING:
        return group if group.is_a(DATAFRAME) else column
    if name in ("agg", "aggregate"):
        if group.is_a(DATAFRAME):
            return group
        one = len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and not node.keywords
        return column if one else UNKNOWN
    return group if name in ("head", "tail", "nth", "get_group", "filter", "sample") else UNKNOWN


def _accessed(accessor: Kind, name: str) -> Kind:
    """``series.str.lower()``, ``series.dt.floor("D")``."""
    series = bool(accessor.elements) and accessor.elements[0].is_a(SERIES)
    return UNKNOWN if not series or name in _OTHER_RESULTS else Kind(SERIES)


def accessed_attribute(accessor: Kind, name: str) -> Kind:
    """``series.dt.month``."""
    series = bool(accessor.elements) and accessor.elements[0].is_a(SERIES)
    return Kind(SERIES) if series and name in _DATES else UNKNOWN


def concatenated(kinds: Kinds, node: ast.Call) -> Kind:
    """The kind of ``pd.concat(...)``."""
    if not node.args:
        return UNKNOWN
    given = node.args[0]
    if isinstance(given, (ast.List, ast.Tuple)):
        parts = [kinds.of(part) for part in given.elts]
    else:
        parts = [kinds.elements(given)]
    if any(part.is_a(DATAFRAME) for part in parts):
        return Kind(DATAFRAME)
    if parts and all(part.is_a(SERIES) for part in parts):
        axis = argument(node, "axis")
        if axis is None:
            return Kind(SERIES)
        if isinstance(axis, ast.Constant):
            return Kind(DATAFRAME) if axis.value in (1, "columns") else Kind(SERIES)
    return UNKNOWN


def argument(node: ast.Call, name: str) -> ast.expr | None:
    """What a call gives for a keyword."""
    return next((keyword.value for keyword in node.keywords if keyword.arg == name), None)


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True

