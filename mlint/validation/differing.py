"""How the results of two versions of a piece of code differ."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any


def tolerance(inputs: dict[str, Any]) -> float:
    """By how many units in the last place of 1.0 sums of products of some numbers may differ, taken in two orders.

    Two orders of adding n numbers give sums that are at most (n - 1)·eps·Σ|x| apart (Higham, "Accuracy and Stability of
    Numerical Algorithms", 2nd edition, section 4.2), and n numbers no larger than m have a Σ|x| of at most n·m. The
    numbers that are added may be products of two of the inputs.

    Args:
        inputs: the values that the sums are made from.
    """
    numpy = import_module("numpy")

    terms, largest = 1, 1.0
    for value in inputs.values():
        array = numpy.asarray(value) if hasattr(value, "dtype") or isinstance(value, (list, float)) else None
        if array is None or array.dtype.kind not in "fiu" or not array.size:
            continue
        terms = max(terms, array.size)
        finite = array[numpy.isfinite(array)]
        largest = max(largest, float(numpy.abs(finite.astype("float64")).max())) if finite.size else largest
    return float(terms**2 * largest**2)


def differs(first: Any, second: Any, *, exact: bool, tolerance: float = 1e3) -> str | None:
    """How two values differ, None if they do not.

    Args:
        first: one value.
        second: another.
        exact: whether types and last digits must be the same.
        tolerance: by how many units in the last place of 1.0 numbers may differ otherwise (see `tolerance`).
    """
    if isinstance(first, SimpleNamespace):
        pairs = ((name, getattr(second, name)) for name in vars(first))
        found = (differs(getattr(first, name), other, exact=exact, tolerance=tolerance) for name, other in pairs)
        return next((text for text in found if text is not None), None)
    if isinstance(first, list) and type(second).__module__ == "numpy":
        # A list that is only made into an array later may be that array at once.
        first = import_module("numpy").array(first, dtype=second.dtype if not first else None)
    if exact and type(first) is not type(second):
        return f"is a {type(first).__name__} before, a {type(second).__name__} after"
    if isinstance(first, dict):
        if first.keys() != second.keys():
            return "has other keys"
        found = (differs(first[key], second[key], exact=exact, tolerance=tolerance) for key in first)
        return next((text for text in found if text is not None), None)
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        if len(first) != len(second):
            return f"has {len(first)} elements before, {len(second)} after"
        found = (differs(one, two, exact=exact, tolerance=tolerance) for one, two in zip(first, second))
        return next((text for text in found if text is not None), None)
    return _arrays_differ(first, second, exact=exact, tolerance=tolerance)


def _arrays_differ(first: Any, second: Any, *, exact: bool, tolerance: float) -> str | None:
    numpy = import_module("numpy")

    if hasattr(first, "to_numpy") != hasattr(second, "to_numpy") or hasattr(first, "columns") != hasattr(
        second, "columns"
    ):
        return f"is a {type(first).__name__} before, a {type(second).__name__} after"
    if hasattr(first, "index") and hasattr(first, "to_numpy"):
        if not first.index.equals(second.index):
            return "has another index"
        if hasattr(first, "columns"):
            if list(first.columns) != list(second.columns):
                return "has other columns"
            pairs = ((first[name], second[name]) for name in first.columns)
            found = (_arrays_differ(one, two, exact=exact, tolerance=tolerance) for one, two in pairs)
            return next((text for text in found if text is not None), None)
    if hasattr(first, "detach"):
        first, second = first.detach().numpy(), second.detach().numpy()
    one, two = numpy.asarray(first), numpy.asarray(second)
    if one.shape != two.shape:
        return f"has the shape {one.shape} before, {two.shape} after"
    if exact and one.dtype != two.dtype:
        return f"is {one.dtype} before, {two.dtype} after"
    if one.dtype.kind not in "fciub" or two.dtype.kind not in "fciub":
        return None if (one == two).all() else f"is {one.tolist()} before, {two.tolist()} after"
    if exact:
        same = ((one == two) & (numpy.signbit(one) == numpy.signbit(two))) | ((one != one) & (two != two))
    else:
        floats = [array.dtype for array in (one, two) if array.dtype.kind == "f"]
        allowed = tolerance * max((float(numpy.finfo(dtype).eps) for dtype in floats), default=0.0)
        same = numpy.isclose(one, two, rtol=allowed, atol=allowed, equal_nan=True)
    if numpy.all(same):
        return None
    return f"is {short(repr(one.tolist()))} before, {short(repr(two.tolist()))} after"


def short(text: str, limit: int = 200) -> str:
    """A text in one line, cut where it is long."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
