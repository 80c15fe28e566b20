"""Values made up for the names that a piece of code reads: sizes from nothing on, several dtypes, the special numbers.

`Inputs` says what is made; where there is a choice it asks `Choices`, so that the same values come from a seeded
generator here and from Hypothesis in the tests.
"""

from __future__ import annotations

import ast
import math
import random
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, Protocol, TypeVar

Case = dict[str, Any]
"""What a name is: its ``kind``, and by kind ``dims``, ``samples`` (how many there are, if
the code says it), ``dtype``, ``fresh``, ``length``, ``columns``, ``attributes``."""

_SIZES = (0, 1, 2, 3, 5)
_DTYPES = ("float64", "float64", "float32", "int64", "uint8", "bool", "int32")
_ARRAYS = ("ndarray", "tensor", "tf", "jax", "series")
_TEXTS = ("", "a", "B", "ab ")
SPECIAL = (0.0, -0.0, float("inf"), float("-inf"), float("nan"))
_LONGEST = 100

T = TypeVar("T")


class Choices(Protocol):
    """What decides where there is a choice; the first option is the simplest."""

    def of(self, options: Sequence[T]) -> T:
        """One of several options."""

    def chance(self, share: float) -> bool:
        """Yes, in a share of all cases."""

    def integer(self, least: int, most: int) -> int:
        """A whole number, both limits included."""

    def number(self, special: bool) -> float:
        """A number of small size, or one of `SPECIAL` too."""

    def order(self, count: int) -> list[int]:
        """The numbers below another in some order."""

    def among(self, count: int) -> Choices:
        """What decides about each of so many numbers."""


class Seeded:
    """Choices by a generator of its own.

    Args:
        seed: decides everything.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def of(self, options: Sequence[T]) -> T:
        return self.random.choice(options)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def integer(self, least: int, most: int) -> int:
        return self.random.randint(least, most)

    def number(self, special: bool) -> float:
        if special and self.random.random() < 0.3:
            return self.random.choice(SPECIAL)
        return self.random.uniform(-3, 3) if self.random.random() < 0.5 else float(self.random.randint(-3, 3))

    def order(self, count: int) -> list[int]:
        return self.random.sample(range(count), count)

    def among(self, count: int) -> Choices:
        return self


class Inputs:
    """Makes up values for names.

    Args:
        cases: what the names are.
        choices: decides where there is a choice.
        exact: whether special values (NaN, infinity, numbers at the limits of their type, shared memory) are wanted.
        constants: whole numbers in the code, which are likely to be lengths.
    """

    def __init__(self, cases: dict[str, Case], choices: Choices, *, exact: bool, constants: Sequence[int]) -> None:
        self.cases = cases
        self.exact = exact
        self.choices = choices
        self.sizes: dict[str, int] = {}
        for case in cases.values():
            if "samples" in case and case["dims"][0] is not None:
                base, offset = case["dims"][0]
                self.sizes[base] = case["samples"] - offset
        sizes = (*_SIZES, *constants)
        self.axes = [choices.of(sizes)] * 4 if choices.chance(0.3) else [choices.of(sizes) for _ in range(4)]
        self.special = exact and choices.chance(0.5)
        self.limits = exact and choices.chance(0.3)
        self.indices = choices.chance(0.6)
        self.dtype = choices.of(_DTYPES)

    def values(self) -> dict[str, Any]:
        """A value for each name."""
        found = {name: self.value(case) for name, case in self.cases.items() if case["kind"] != "expression"}
        if self.exact and self.choices.chance(0.2):
            self._share(found)
        return found

    def value(self, case: Case) -> Any:
        """A value of a kind."""
        kind = case["kind"]
        if kind == "object":
            return SimpleNamespace(**{name: self.value(inner) for name, inner in case["attributes"].items()})
        if kind == "literal":
            return ast.literal_eval(case["value"])
        if kind in _ARRAYS:
            return self._array(case)
        if kind == "frame":
            return self._frame(case["columns"])
        if kind == "int":
            return self._int(case)
        if kind == "bool":
            return self.choices.chance(0.5)
        if kind == "str":
            return self.choices.of(("", "a", "b"))
        if kind == "list":
            count = 0 if case.get("empty") and self.choices.chance(0.7) else self.axes[0]
            return [self.choices.number(self.special) for _ in range(count)]
        if kind == "dict":
            return {}
        if kind in ("Generator", "RandomState"):
            numbers = import_module("numpy").random
            make = numbers.default_rng if kind == "Generator" else numbers.RandomState
            return make(self.choices.integer(0, 2**31 - 1))
        if kind == "key":
            return import_module("jax").random.PRNGKey(self.choices.integer(0, 2**31 - 1))
        return self.choices.number(self.special)

    def _size(self, length: list[Any] | None, axis: int) -> int:
        if length is None:
            return self._like(axis)
        base, offset = length
        if base is None:
            return int(offset)
        if base not in self.sizes:
            self.sizes[base] = self._like(axis)
        return max(0, self.sizes[base] + int(offset))

    def _like(self, axis: int) -> int:
        """Mostly as long as others along an axis."""
        return self.axes[axis] if self.choices.chance(0.8) else self.choices.of(_SIZES)

    def _int(self, case: Case) -> int:
        if case.get("length") is not None:
            return self._size(case["length"], 0)
        return self.choices.integer(-3, 6) if self.choices.chance(0.25) else self.axes[self.choices.of((0, 0, 1))]

    def _numbers(self, dtype: str, count: int) -> list[Any]:
        choices = self.choices.among(count)
        return [self._number(dtype, choices) for _ in range(count)]

    def _number(self, dtype: str, choices: Choices) -> Any:
        if dtype == "bool":
            return choices.chance(0.5)
        if dtype.startswith("float"):
            return choices.number(self.special)
        if self.indices:
            return choices.integer(0, max(0, min(self.axes) - 1))
        unsigned = dtype.startswith("u")
        if self.limits:
            bits = int(dtype.lstrip("uint")) - (0 if unsigned else 1)
            return choices.of((1, 2, 2**bits - 1, 0 if unsigned else -(2**bits)))
        return choices.integer(0 if unsigned else -3, 5)

    def _array(self, case: Case) -> Any:
        numpy = import_module("numpy")

        dtype = case.get("dtype") or self._dtype(case)
        shape = tuple(self._size(length, min(axis, 3)) for axis, length in enumerate(case["dims"]))
        array = numpy.array(self._numbers(dtype, math.prod(shape)), dtype=dtype).reshape(shape)
        if case["kind"] == "tensor":
            return import_module("torch").from_numpy(array)
        if case["kind"] == "tf":
            return import_module("tensorflow").constant(array)
        if case["kind"] == "jax":
            return import_module("jax.numpy").asarray(array)
        if case["kind"] == "series":
            return import_module("pandas").Series(array.ravel(), index=self._labels(array.size))
        return array

    def _dtype(self, case: Case) -> str:
        if case.get("floating"):
            return "float32" if self.dtype == "float32" else "float64"
        # An index of another type raises, or picks by truth: whether it is one is what an unsafe fix leaves open.
        if case.get("whole") or (case.get("index") and not self.exact):
            return "int32" if self.dtype == "int32" else "int64"
        return self.dtype

    def _labels(self, count: int) -> list[int]:
        """The labels of rows: in order, in another order, or more than once."""
        how = self.choices.of(("sorted", "sorted", "unordered", "repeated"))
        if how == "unordered":
            return self.choices.order(count)
        if how == "repeated":
            return [self.choices.integer(0, 2) for _ in range(count)]
        return list(range(count))

    def _frame(self, columns: dict[str, str]) -> Any:
        pandas = import_module("pandas")

        count = self.axes[0]
        dtypes = ("float64", "int64") if self.exact else ("float64",)
        data = {}
        for name, holds in (columns or {"a": "number"}).items():
            if holds == "text":
                texts = [self.choices.of(_TEXTS) for _ in range(count)]
                data[name] = pandas.Series(texts, dtype=object).to_numpy()
                continue
            dtype = self.choices.of(dtypes)
            data[name] = pandas.array(self._numbers(dtype, count), dtype=dtype).to_numpy()
        return pandas.DataFrame(data, index=self._labels(count))

    def _share(self, found: dict[str, Any]) -> None:
        """Have two arrays of a shape be one array, or overlap, where nothing says that they are newly made."""
        names = [name for name, case in self.cases.items() if case["kind"] == "ndarray" and not case.get("fresh")]
        names = [names[place] for place in self.choices.order(len(names))]
        for first, second in pairwise(names):
            one, two = found[first], found[second]
            if one.shape == two.shape and one.dtype == two.dtype:
                if one.ndim == 1 and len(one) > 1 and self.choices.chance(0.5):
                    buffer = import_module("numpy").concatenate([one, two[-1:]])
                    found[first], found[second] = buffer[:-1], buffer[1:]
                else:
                    found[second] = one
                return


def lengths(code: str, cases: dict[str, Case]) -> list[int]:
    """The whole numbers that are likely to be lengths: those in the code, and the proven lengths."""
    found = {node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)}
    for case in cases.values():
        if case["kind"] == "literal":
            found.update(node.value for node in ast.walk(ast.parse(case["value"])) if isinstance(node, ast.Constant))
        for length in (case.get("length"), *case.get("dims", ())):
            if length is not None and length[0] is None:
                found.add(length[1])
    return sorted(value for value in found if type(value) is int and 1 < value <= _LONGEST)
