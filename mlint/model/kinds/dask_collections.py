"""What Dask gives: collections that do on their parts what pandas and NumPy do, and what computing them gives.

The first element of the kind of a collection is the kind of what `compute` gives. So a method that Dask has taken over
is looked up for that, and the answer is made a collection again. A collection of which only the class is known (from
an annotation) has no element: its parts may be of cuDF or CuPy.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.kinds.value import DATAFRAME, GROUPBY, INDEX, NDARRAY, NUMBERS, SCALAR, SERIES, UNKNOWN, Kind, join

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds

ARRAY = "dask.array.Array"
FRAME = "dask.dataframe.DataFrame"
COLUMN = "dask.dataframe.Series"
LABELS = "dask.dataframe.Index"
GROUPS = "dask.dataframe.GroupBy"
ACCESSOR = "dask.dataframe.accessor"
INDEXER = "dask.dataframe.indexer"
VALUE = "dask.dataframe.Scalar"
DELAYED = "dask.delayed.Delayed"
BAG = "dask.bag.Bag"

_OF_PANDAS = {FRAME: DATAFRAME, COLUMN: SERIES, LABELS: INDEX}
_LAZY = {
    DATAFRAME: FRAME, SERIES: COLUMN, INDEX: LABELS, GROUPBY: GROUPS, "pandas.accessor": ACCESSOR,
    "pandas.indexer": INDEXER, **dict.fromkeys(NUMBERS, VALUE),
}  # fmt: skip
_SAME = frozenset(
    "persist repartition get_partition copy optimize clear_divisions enforce_runtime_divisions shuffle rechunk "
    "compute_chunk_sizes".split()
)
"""Methods that change no more than how a collection is divided."""
_BOTH = """
    abs add add_prefix add_suffix all any astype bfill clip combine_first count cummax cummin cumprod cumsum describe
    diff div divide drop_duplicates dropna eq explode ffill fillna floordiv ge groupby gt isin isna isnull le lt mask
    max mean min mod mul ne nlargest notnull notna nsmallest pow prod product rename replace reset_index round sample
    sem shift std sub sum truediv var where
"""
_OF_FRAMES = """
    assign corr cov drop join melt memory_usage merge nunique query select_dtypes set_index sort_values idxmax idxmin
"""
_OF_COLUMNS = "apply between nunique to_frame value_counts"
_TO_ONE = frozenset("all any count max mean min nunique prod sem std sum var".split())
"""Methods of a series that give one value, whatever that is."""
_TAKEN_OVER = {
    FRAME: frozenset((_BOTH + _OF_FRAMES).split()),
    COLUMN: frozenset((_BOTH + _OF_COLUMNS).split()),
    LABELS: frozenset(["max", "min", "count", "nunique"]),
    GROUPS: frozenset(
        "agg aggregate bfill count cumcount cumprod cumsum ffill first last max mean median min nunique prod size std "
        "sum var".split()
    ),
    ARRAY: frozenset(
        "all any argmax argmin astype clip cumprod cumsum flatten max mean min prod ravel repeat reshape round squeeze "
        "std sum swapaxes trace transpose var".split()
    ),
}
"""Methods that give the collection of what those of pandas or NumPy give."""


def lifted(eager: Kind) -> Kind:
    """The collection that gives a value of a kind when it is computed; the value may be of pandas or a number."""
    lazy = _LAZY.get(eager.name)
    return UNKNOWN if lazy is None else Kind(lazy, elements=(eager,))


def array_of(eager: Kind) -> Kind:
    """The array of Dask that gives an array or a number when it is computed."""
    plain = eager.is_a(NDARRAY, *NUMBERS)
    return Kind(ARRAY, elements=(eager,)) if plain else Kind(ARRAY)


def computed(kind: Kind) -> Kind:
    """What computing a value gives, as `dask.compute` does it: also what stands in lists and dicts."""
    if kind.alternatives:
        return join([computed(one) for one in kind.alternatives])
    if kind.name == BAG:
        return Kind("list")
    if kind.name.startswith("dask."):
        return kind.elements[0] if kind.elements else UNKNOWN
    if kind.name in ("list", "tuple", "dict"):
        return kind._replace(elements=tuple(computed(element) for element in kind.elements))
    return kind


def _eager(receiver: Kind) -> tuple[Kind, bool]:
    """What a collection gives when it is computed, and whether that is known of more than its class."""
    if receiver.elements:
        return receiver.elements[0], True
    if receiver.name == ARRAY:
        return Kind(NDARRAY), False
    return Kind(_OF_PANDAS.get(receiver.name, "unknown")), False


def _again(receiver: Kind, eager: Kind, certain: bool) -> Kind:
    """The collection of a value that was worked out for the value of another one."""
    kind = array_of(eager) if receiver.name == ARRAY else lifted(eager)
    return kind if certain else kind._replace(elements=())


def method(kinds: Kinds, receiver: Kind, name: str, node: ast.Call) -> Kind | None:
    """The kind of a method call on something of Dask that the tables alone cannot tell; None if they can."""
    family = receiver.name
    if family == DELAYED:
        return computed(receiver) if name == "compute" else receiver if name == "persist" else Kind(DELAYED)
    if family not in _TAKEN_OVER and family not in (ACCESSOR, VALUE):
        return None
    eager, certain = _eager(receiver)
    if name == "compute":
        return eager if certain else UNKNOWN
    if name in _SAME:
        return receiver
    if name in ("head", "tail") and family in (FRAME, COLUMN):
        return eager if certain and not any(keyword.arg in ("compute", None) for keyword in node.keywords) else UNKNOWN
    if name == "to_delayed":
        return UNKNOWN if family == ARRAY else Kind("list", elements=(Kind(DELAYED, elements=receiver.elements),))
    if name == "to_dask_array":
        return Kind(ARRAY, elements=(Kind(NDARRAY, ndim=2 if family == FRAME else 1),) if certain else ())
    if name == "unique" and family == COLUMN:
        return receiver  # pandas gives an array
    if name in ("map", "map_overlap", "map_blocks"):
        return receiver._replace(elements=()) if family == ARRAY else receiver if family == COLUMN else UNKNOWN
    if name == "dot" and family == ARRAY:
        return operated(receiver, kinds.of(node.args[0]), ast.MatMult()) if len(node.args) == 1 else UNKNOWN
    if name == "to_bag":
        return Kind(BAG)
    taken_over = _TAKEN_OVER.get(family)
    if taken_over is not None and name not in taken_over:
        return None
    from mlint.model.kinds import specs

    if name == "reshape" and any(keyword.arg is not None for keyword in node.keywords):
        return Kind(ARRAY)
    if name == "apply":
        return receiver if family == COLUMN else UNKNOWN
    made = _again(receiver, specs.method_result(kinds, eager, name, node), certain)
    return Kind(VALUE) if family == COLUMN and name in _TO_ONE and not made.known and not node.args else made


def elementwise(operands: list[Kind]) -> Kind:
    """What an elementwise function of NumPy gives, one of whose operands is of Dask."""
    first = next(operand for operand in operands if operand.name.startswith("dask."))
    if first.name not in (ARRAY, FRAME, COLUMN):
        return UNKNOWN
    if not all(operand.name == first.name or operand.name in NUMBERS for operand in operands):
        return UNKNOWN
    certain = all(operand.elements for operand in operands if operand.name == first.name)
    if not certain:
        return Kind(first.name)
    eager = first.elements[0]
    ndim = eager.ndim if len(operands) == 1 else None
    return Kind(first.name, elements=(Kind(eager.name, ndim=ndim),)) if eager.is_a(*_OF_PANDAS.values(), NDARRAY) else (
        Kind(first.name)
    )


def attribute(kinds: Kinds, receiver: Kind, name: str) -> Kind | None:
    """The kind of an attribute of something of Dask; None if the tables tell it."""
    family = receiver.name
    if family == DELAYED:
        return Kind("str") if name == "key" else UNKNOWN if name in ("dask", "divisions") else Kind(DELAYED)
    eager, certain = _eager(receiver)
    if (
        (family == ARRAY and name in ("T", "real", "imag"))
        or (family == COLUMN and name in ("str", "dt"))
        or (family in (FRAME, COLUMN) and name == "loc")
        or (family == FRAME and name == "iloc")
        or family == ACCESSOR
    ):
        from mlint.model.kinds import members

        if family == ARRAY and name != "T":
            return _again(receiver, Kind(NDARRAY, ndim=eager.ndim) if eager.is_a(NDARRAY) else UNKNOWN, certain)
        return _again(receiver, members.of_kind(kinds, eager, name), certain or family == ACCESSOR)
    if name == "values" and family in (FRAME, COLUMN):
        return Kind(ARRAY, elements=(Kind(NDARRAY, ndim=2 if family == FRAME else 1),) if certain else ())
    if name == "partitions" and family in (FRAME, COLUMN):
        return Kind("dask.dataframe.partitions", elements=(receiver,))
    return None


def subscript(kinds: Kinds, receiver: Kind, node: ast.Subscript) -> Kind:
    """The kind of a subscript of something of Dask."""
    from mlint.model.kinds import frames, subscripts

    family = receiver.name
    index = kinds.of(node.slice)
    if family == "dask.dataframe.partitions":
        return receiver.elements[0]
    if family == DELAYED:
        return Kind(DELAYED)
    eager, certain = _eager(receiver)
    if family == ARRAY:
        if any(part.name == ARRAY for part in (index, *index.elements)):
            return _again(receiver, Kind(NDARRAY, dtype=eager.dtype), certain and eager.is_a(NDARRAY))
        picked = subscripts.of_array(kinds, eager, node.slice) if eager.is_a(NDARRAY) else UNKNOWN
        return _again(receiver, picked, certain)
    if family in (FRAME, COLUMN) and index.name == COLUMN:
        return receiver
    if family in (FRAME, COLUMN, GROUPS, INDEXER):
        return _again(receiver, frames.subscript(kinds, eager, node), certain or family in (GROUPS, INDEXER))
    return UNKNOWN


def operated(left: Kind, right: Kind, op: ast.operator) -> Kind:
    """The kind of what an operator gives, one side of which is of Dask."""
    from mlint.model.kinds import arithmetic

    families = {left.name, right.name}
    if DELAYED in families:
        return Kind(DELAYED)
    for family in (FRAME, COLUMN, ARRAY, VALUE):
        if family in families:
            break
    else:
        return UNKNOWN
    values, certain = [], True
    for side in (left, right):
        if side.name.startswith("dask."):
            if side.name not in (FRAME, COLUMN, ARRAY, VALUE):
                return UNKNOWN
            eager, known = _eager(side)
            certain = certain and known
            values.append(eager if side.name != VALUE or known else SCALAR)
        elif side.name in NUMBERS or (side.name == "str" and family != ARRAY) or (
            side.is_a(NDARRAY) and family == ARRAY
        ):
            values.append(side)
        else:
            return UNKNOWN
    return _again(Kind(family), arithmetic.arithmetic(values[0], values[1], op), certain)


def compared(left: Kind, right: Kind) -> Kind:
    """The kind of ``left < right`` and the like, one side of which is of Dask."""
    kind = operated(left, right, ast.Add())
    if kind.name == DELAYED or not kind.elements:
        return kind
    eager = kind.elements[0]
    if eager.is_a(DATAFRAME, SERIES, NDARRAY):
        dtype = None if eager.is_a(DATAFRAME) else "bool"
        return kind._replace(elements=(Kind(eager.name, ndim=eager.ndim, dtype=dtype),))
    return kind._replace(elements=(SCALAR,)) if eager.is_a(*NUMBERS) else kind._replace(elements=())
