"""What NumPy makes of dtypes, in a loop of scalars and in an array expression at once.

A dtype here is the name of one (``float64``), ``~int``, ``~float`` or ``~bool`` for a Python number that takes the
dtype of its partner, ``index`` for a loop's counter (a Python int in the loop, int64 in the array expression),
``index/`` for what became a Python float by arithmetic on a counter, or None where nothing is known. The functions
answer with a dtype only where both ways compute the same in the same precision.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
COUNTED = frozenset({"index", "index/"})
ALIKE_IN_ALL_VERSIONS = frozenset({"float64", "int64", "bool", "~int", "~float", "~bool", "index", "index/"})
"""Dtypes for which NumPy 1 promotes scalars as it promotes arrays."""

_WIDTH = {"uint8": 8, "int8": 8, "int16": 16, "int32": 32, "int64": 64}
_KEEPING = frozenset(
    "abs absolute fabs negative positive square sign conj maximum minimum fmax fmin add subtract multiply mod "
    "remainder fmod floor_divide bitwise_and bitwise_or bitwise_xor left_shift right_shift invert".split()
)
_ROUNDING = frozenset("floor ceil rint trunc fix".split())
_TRUTHS = frozenset(
    "isnan isinf isfinite signbit greater greater_equal less less_equal equal not_equal logical_and logical_or "
    "logical_not logical_xor".split()
)


def combined(first: str | None, second: str | None, op: ast.operator | None) -> str | None:
    """The dtype of ``first op second``; None for ``op`` stands for a comparison."""
    if first is None or second is None:
        return None
    division = isinstance(op, ast.Div)
    weak = {"~int", "~bool"}
    if first.startswith("~") and second.startswith("~"):
        return "~float" if division or "~float" in (first, second) else "~int"
    if first in COUNTED or second in COUNTED:
        return _counted(first, second, division)
    if first.startswith("~") or second.startswith("~"):
        strong, number = (second, first) if first.startswith("~") else (first, second)
        if strong in FLOATS or strong == "complex128":
            return strong
        if strong == "bool":
            return "float64" if division or number == "~float" else ("int64" if number in weak else None)
        if strong in INTEGERS:
            return "float64" if division or number == "~float" else strong
        return None
    if first == second:
        if first in INTEGERS:
            return "float64" if division else first
        if first == "bool":
            return (
                "bool" if op is None or isinstance(op, (ast.BitAnd, ast.BitOr, ast.BitXor, ast.Add, ast.Mult)) else None
            )
        return first
    return _promoted(first, second, division)


def _counted(first: str, second: str, division: bool) -> str | None:
    """Arithmetic with a loop's counter."""
    other = second if first in COUNTED else first
    counter = first if first in COUNTED else second
    if other.startswith("~") or other in COUNTED:
        floating = division or "index/" in (first, second) or other == "~float"
        return "index/" if floating else "index"
    if other == "float64":
        return "float64"
    if other in ("int64", "bool"):
        return "float64" if division or counter == "index/" else "int64"
    return None  # the counter is a Python number there and int64 here


def _promoted(first: str, second: str, division: bool) -> str | None:
    pair = {first, second}
    if "complex128" in pair:
        return "complex128"
    if "float64" in pair:
        return "float64"
    if pair == {"float32", "float16"} or (
        "float32" in pair and pair & {"bool", "int8", "uint8", "int16"}
    ):  # fmt: skip
        return "float32"
    if "float32" in pair and pair & {"int32", "int64"}:
        return "float64"
    if "bool" in pair:
        other = (pair - {"bool"}).pop()
        return "float64" if division and other in INTEGERS else other
    if pair <= set(INTEGERS) and "uint8" not in pair:
        return "float64" if division else max(pair, key=lambda name: _WIDTH[name])
    return None


def called(function: str, given: Sequence[str | None]) -> str | None:
    """The dtype that a ufunc gives for operands."""
    if not given or None in given:
        return None
    dtype: str | None = given[0]
    for other in given[1:]:
        dtype = combined(dtype, other, None)
    if dtype is None:
        return None
    if function in _TRUTHS:
        return "bool"
    if dtype in ("index/", "~float"):
        return "float64"
    if function in _KEEPING:
        return {"index": "int64", "~int": "int64"}.get(dtype, dtype if dtype != "bool" else None)
    if function in _ROUNDING:
        return dtype if dtype in FLOATS else None
    if dtype in (*FLOATS, "complex128"):
        return dtype
    return "float64" if dtype in ("int32", "int64", "index", "~int") else None


def stores_alike(value: str | None, target: str | None) -> bool:
    """Whether storing one scalar after the other gives what storing the array at once gives."""
    if value is None or target is None:
        return False
    if value.startswith("~"):
        return True  # one and the same Python number
    if value == "index":
        return target in ("int64", "float64")
    if value == "index/":
        return target in FLOATS
    if value == target or value == "bool":
        return True
    if value in FLOATS:
        return target in FLOATS or target == "complex128"
    return value in INTEGERS and target in FLOATS
