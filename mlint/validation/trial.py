"""Runs two versions of a piece of code on made-up inputs: ``python -m mlint.validation.trial``, a process of its own.

Reads a request as JSON from standard input and writes ``[number of inputs, difference or null]`` to standard output.
"""

from __future__ import annotations

import ast
import copy
import json
import math
import random
import sys
from importlib import import_module
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

Case = dict[str, Any]
"""What a name is: its ``kind``, and by kind ``dims``, ``dtype``, ``fresh``, ``length``, ``columns``, ``attributes``."""

_SIZES = (0, 1, 2, 3, 5)
_DTYPES = ("float64", "float64", "float32", "int64", "uint8", "bool", "int32")
_SPECIAL = (float("nan"), float("inf"), float("-inf"), -0.0, 0.0)
_FEWEST = 10
"""Fewer inputs on which the code runs prove nothing."""
_LONGEST = 100
_TRIES = 20
"""How many inputs are made up for each that is wanted: code refuses some, as a matrix of another shape."""


class Inputs:
    """Makes up values for names.

    Args:
        cases: what the names are.
        exact: whether special values (NaN, infinity, numbers at the limits of their type, shared memory) are wanted.
        constants: whole numbers in the code, which are likely to be lengths.
        seed: decides everything.
    """

    def __init__(self, cases: dict[str, Case], *, exact: bool, constants: list[int], seed: int) -> None:
        self.cases = cases
        self.exact = exact
        self.random = random.Random(seed)
        self.sizes: dict[str, int] = {}
        choices = [*_SIZES, *constants]
        self.axes = [self.random.choice(choices) for _ in range(4)]
        if self.random.random() < 0.3:
            self.axes = [self.axes[0]] * 4
        self.special = exact and self.random.random() < 0.5
        self.limits = exact and self.random.random() < 0.3
        self.indices = self.random.random() < 0.6
        self.dtype = self.random.choice(_DTYPES)

    def values(self) -> dict[str, Any]:
        """A value for each name."""
        found = {name: self.value(case) for name, case in self.cases.items() if case["kind"] != "expression"}
        if self.exact and self.random.random() < 0.2:
            self._share(found)
        return found

    def value(self, case: Case) -> Any:
        """A value of a kind."""
        kind = case["kind"]
        if kind == "object":
            return SimpleNamespace(**{name: self.value(inner) for name, inner in case["attributes"].items()})
        if kind == "literal":
            return ast.literal_eval(case["value"])
        if kind in ("ndarray", "tensor", "series"):
            return self._array(case)
        if kind == "frame":
            return self._frame(case["columns"])
        if kind == "int":
            return self._int(case)
        if kind == "bool":
            return self.random.random() < 0.5
        if kind == "str":
            return self.random.choice(["", "a", "b"])
        if kind == "list":
            count = 0 if case.get("empty") and self.random.random() < 0.7 else self.axes[0]
            return [self._float() for _ in range(count)]
        if kind == "dict":
            return {}
        return self._float()

    def _size(self, length: list[Any] | None, axis: int) -> int:
        if length is None:
            return self.axes[axis] if self.random.random() < 0.8 else self.random.choice(_SIZES)
        base, offset = length
        if base is None:
            return int(offset)
        if base not in self.sizes:
            self.sizes[base] = self.axes[axis] if self.random.random() < 0.8 else self.random.choice(_SIZES)
        return max(0, self.sizes[base] + int(offset))

    def _int(self, case: Case) -> int:
        if case.get("length") is not None:
            return self._size(case["length"], 0)
        return self.random.choice([*self.axes[:2], self.axes[0], self.random.randint(-3, 6)])

    def _float(self) -> float:
        if self.special and self.random.random() < 0.3:
            return self.random.choice(_SPECIAL)
        return self.random.choice([self.random.uniform(-3, 3), float(self.random.randint(-3, 3))])

    def _number(self, dtype: str) -> Any:
        if dtype == "bool":
            return self.random.random() < 0.5
        if dtype.startswith("float"):
            return self._float()
        if self.indices:
            return self.random.randrange(max(1, min(self.axes)))
        unsigned = dtype.startswith("u")
        if self.limits:
            bits = int(dtype.lstrip("uint")) - (0 if unsigned else 1)
            return self.random.choice([0 if unsigned else -(2**bits), 2**bits - 1, 1, 2])
        return self.random.randint(0 if unsigned else -3, 5)

    def _array(self, case: Case) -> Any:
        numpy = import_module("numpy")

        dtype = case.get("dtype") or self._dtype(case)
        shape = tuple(self._size(length, min(axis, 3)) for axis, length in enumerate(case["dims"]))
        flat = [self._number(dtype) for _ in range(math.prod(shape))]
        array = numpy.array(flat, dtype=dtype).reshape(shape)
        if case["kind"] == "tensor":
            torch = import_module("torch")

            return torch.from_numpy(array)
        if case["kind"] == "series":
            pandas = import_module("pandas")

            return pandas.Series(array.ravel(), index=self._labels(array.size))
        return array

    def _dtype(self, case: Case) -> str:
        if case.get("floating"):
            return "float32" if self.dtype == "float32" else "float64"
        # An index of another type raises, or picks by truth: whether it is one is what an unsafe fix leaves open.
        if case.get("whole") or (case.get("index") and not self.exact):
            return "int32" if self.dtype == "int32" else "int64"
        return self.dtype

    def _labels(self, count: int) -> list[int]:
        """The labels of rows: in order, shuffled, or more than once."""
        labels = list(range(count))
        how = self.random.random()
        if how < 0.3:
            self.random.shuffle(labels)
        elif how < 0.5:
            labels = [self.random.randrange(3) for _ in labels]
        return labels

    def _frame(self, columns: dict[str, str]) -> Any:
        pandas = import_module("pandas")

        count = self.axes[0]
        dtypes = ("float64", "int64") if self.exact else ("float64",)
        data = {}
        for name, holds in (columns or {"a": "number"}).items():
            if holds == "text":
                texts = [self.random.choice(["", "a", "B", "ab "]) for _ in range(count)]
                data[name] = pandas.Series(texts, dtype=object).to_numpy()
                continue
            dtype = self.random.choice(dtypes)
            data[name] = pandas.array([self._number(dtype) for _ in range(count)], dtype=dtype).to_numpy()
        return pandas.DataFrame(data, index=self._labels(count))

    def _share(self, found: dict[str, Any]) -> None:
        """Have two arrays of a shape be one array, or overlap, where nothing says that they are newly made."""
        names = [name for name, case in self.cases.items() if case["kind"] == "ndarray" and not case.get("fresh")]
        self.random.shuffle(names)
        for first, second in pairwise(names):
            one, two = found[first], found[second]
            if one.shape == two.shape and one.dtype == two.dtype:
                if one.ndim == 1 and len(one) > 1 and self.random.random() < 0.5:
                    numpy = import_module("numpy")

                    buffer = numpy.concatenate([one, two[-1:]])
                    found[first], found[second] = buffer[:-1], buffer[1:]
                else:
                    found[second] = one
                return


def compare(request: dict[str, Any]) -> tuple[int, str | None]:
    """Run both versions on made-up inputs.

    Returns:
        On how many inputs both ran, and where they differed, or why nothing is proven; None if they never did.
    """
    modules: dict[str, Any] = {}
    for statement in request["imports"]:
        exec(statement, modules)
    before = compile(request["before"], "<before>", "exec")
    after = compile(request["after"], "<after>", "exec")
    constants = sorted(_whole_numbers(request["before"], request["inputs"]))
    wanted, compared = request["cases"], 0
    refused = ""
    for attempt in range(wanted * _TRIES):
        if compared >= wanted:
            break
        seed = request["seed"] * 1_000_003 + attempt
        inputs = Inputs(request["inputs"], exact=request["exact"], constants=constants, seed=seed).values()
        try:
            for name, case in request["inputs"].items():
                if case["kind"] == "expression":
                    inputs[name] = eval(case["value"], modules, dict(inputs))
        except Exception as error:  # there is no first element
            refused = f"{type(error).__name__}: {error}"
            continue
        shown = repr(inputs)
        first, second = {**modules, **copy.deepcopy(inputs)}, {**modules, **copy.deepcopy(inputs)}
        try:
            exec(before, first)
        except Exception as error:  # what the code does not take proves nothing
            refused = f"{type(error).__name__}: {error}"
            continue
        try:
            exec(after, second)
        except Exception as error:
            return compared, f"only the rewrite raises {type(error).__name__}: {error}, for {_short(shown)}"
        compared += 1
        for name in request["outputs"]:
            if name not in first or name not in second:
                continue
            difference = differs(first[name], second[name], exact=request["exact"])
            if difference is not None:
                return compared, f"`{name}` {difference}, for {_short(shown)}"
    if compared < min(_FEWEST, wanted):
        return compared, f"no inputs were found that it takes ({refused or 'none was made up'})"
    return compared, None


def _whole_numbers(code: str, cases: dict[str, Case]) -> set[int]:
    """The whole numbers that are likely to be lengths: those in the code, and the proven lengths."""
    found = {node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)}
    for case in cases.values():
        for length in (case.get("length"), *case.get("dims", ())):
            if length is not None and length[0] is None:
                found.add(length[1])
    return {value for value in found if type(value) is int and 1 < value <= _LONGEST}


def differs(first: Any, second: Any, *, exact: bool) -> str | None:
    """How two values differ, None if they do not; without ``exact``, types and last digits may."""
    if isinstance(first, SimpleNamespace):
        pairs = ((name, getattr(second, name)) for name in vars(first))
        found = (differs(getattr(first, name), other, exact=exact) for name, other in pairs)
        return next((text for text in found if text is not None), None)
    if isinstance(first, list) and type(second).__module__ == "numpy":
        # A list that is only made into an array later may be that array at once.
        first = import_module("numpy").array(first, dtype=second.dtype if not first else None)
    if exact and type(first) is not type(second):
        return f"is a {type(first).__name__} before, a {type(second).__name__} after"
    if isinstance(first, dict):
        if first.keys() != second.keys():
            return "has other keys"
        found = (differs(first[key], second[key], exact=exact) for key in first)
        return next((text for text in found if text is not None), None)
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        if len(first) != len(second):
            return f"has {len(first)} elements before, {len(second)} after"
        found = (differs(one, two, exact=exact) for one, two in zip(first, second))
        return next((text for text in found if text is not None), None)
    return _arrays_differ(first, second, exact=exact)


def _arrays_differ(first: Any, second: Any, *, exact: bool) -> str | None:
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
            found = (_arrays_differ(first[name], second[name], exact=exact) for name in first.columns)
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
        tolerance = 1e3 * max((float(numpy.finfo(dtype).eps) for dtype in floats), default=0.0)
        same = numpy.isclose(one, two, rtol=tolerance, atol=tolerance, equal_nan=True)
    if numpy.all(same):
        return None
    return f"is {_short(repr(one.tolist()))} before, {_short(repr(two.tolist()))} after"


def _short(text: str, limit: int = 200) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    try:
        numpy = import_module("numpy")
        numpy.seterr(all="ignore")
    except ImportError:
        json.dump([0, "NumPy is not installed where mlint runs"], sys.stdout)
        return
    json.dump(compare(request), sys.stdout)


if __name__ == "__main__":
    main()
