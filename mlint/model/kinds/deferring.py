"""Functions of NumPy that leave the work to their argument, and what they give then.

A function of NumPy makes an array of what it is given, but not of everything. It calls the method of its own name if
the argument has one (`_wrapfunc` in NumPy's ``fromnumeric.py``), it hands the result to ``__array_wrap__`` of the
argument, and the arrays of Dask, CuPy and others answer in its place (``__array_function__``, NEP 18). So what it gives
is known only where the kind of what it is given is.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.kinds.value import (
    DATAFRAME,
    INDEX,
    NDARRAY,
    NUMBERS,
    SERIES,
    TENSOR,
    UNKNOWN,
    Kind,
)

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds

_MAKING = frozenset(
    "array asarray asanyarray ascontiguousarray asfortranarray asarray_chkfinite asfarray require "
    "arange empty eye frombuffer fromfile fromfunction fromiter fromregex fromstring full genfromtxt identity indices "
    "loadtxt ones tri zeros bartlett blackman hamming hanning kaiser diag_indices mask_indices tril_indices "
    "triu_indices fftfreq rfftfreq default_rng base_repr binary_repr".split()
)
"""Functions that make an array of anything."""

_WRAPPING = frozenset(
    "argpartition argsort argwhere array_split compress cumprod cumsum diagflat dsplit ediff1d flip geomspace hsplit "
    "insert linspace logspace repeat reshape rollaxis size split squeeze swapaxes transpose vsplit "
    "inv pinv solve lstsq tensorinv tensorsolve".split()
)
"""Functions that need not give an array for an object of pandas or a tensor; all others do."""

_TWO = frozenset(
    "allclose append array_equal array_equiv compress convolve correlate cross ediff1d extract geomspace histogram2d "
    "in1d intersect1d isin kron linspace logspace lstsq outer polyfit searchsorted setdiff1d setxor1d solve "
    "take_along_axis tensordot tensorsolve union1d".split()
)
"""Functions of two arrays."""

_NO_NUMBERS = frozenset({"digitize", "flip", "kron", "lexsort"})
"""Functions that give a number for a number."""

_SAME_OBJECT = {SERIES: frozenset({"argsort", "cumprod", "cumsum", "repeat", "transpose"}),
                DATAFRAME: frozenset({"cumprod", "cumsum", "transpose"})}  # fmt: skip
"""Functions that give an object of pandas for one of its kind."""


def answered(kinds: Kinds, node: ast.Call, name: str) -> Kind | None:
    """What a function of NumPy gives that may leave the work to its argument; None where it gives what tables say."""
    module, _, last = name.rpartition(".")
    if module not in ("numpy", "numpy.linalg", "numpy.fft") or last in _MAKING:
        return None
    given = node.args[: 2 if last in _TWO else 1] or [keyword.value for keyword in node.keywords]
    for argument in given:
        kind = kinds.of(argument)
        if kind.name in (SERIES, DATAFRAME) and last in _WRAPPING and argument is node.args[0]:
            return Kind(kind.name) if last in _SAME_OBJECT[kind.name] else UNKNOWN
        if not is_converted(kind, last):
            return UNKNOWN
    several = last.startswith("atleast_") and len(node.args) > 1
    return UNKNOWN if several or (last == "diff" and not _differs(node)) else None


def _differs(node: ast.Call) -> bool:
    """Whether `numpy.diff` takes differences: none at all, if so told, gives back what it was given."""
    times = node.args[1] if len(node.args) > 1 else next((k.value for k in node.keywords if k.arg == "n"), None)
    return times is None or (isinstance(times, ast.Constant) and times.value != 0)


def is_converted(kind: Kind, last: str) -> bool:
    """Whether NumPy makes an array of a value."""
    if kind.alternatives:
        return all(is_converted(alternative, last) for alternative in kind.alternatives)
    if kind.is_a(NDARRAY):
        return last != "lexsort" or (kind.ndim or 0) > 1
    if kind.name in NUMBERS:
        return last not in _NO_NUMBERS
    if last == "lexsort" and not (kind.elements and NUMBERS.isdisjoint(element.name for element in kind.elements)):
        return False
    if kind.name in ("list", "tuple", "iterable"):
        return all(_is_listed(element) for element in kind.elements)
    return kind.name in _PLAIN or (last not in _WRAPPING and kind.name in (SERIES, DATAFRAME, INDEX, TENSOR))


def _is_listed(kind: Kind) -> bool:
    """Whether NumPy makes an array of a list of such values."""
    if kind.alternatives:
        return all(_is_listed(alternative) for alternative in kind.alternatives)
    return not kind.known or kind.is_a(NDARRAY) or kind.name in _OF_LISTS


_PLAIN = frozenset({"str", "bytes", "complex", "None", "range", "torch.Size"})
_OF_LISTS = _PLAIN | NUMBERS | {"list", "tuple", "iterable", SERIES, DATAFRAME, INDEX, TENSOR}
