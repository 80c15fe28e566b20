"""The validator itself: right rewrites pass on many generated inputs, and every planted error is found."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mlint.validation import trial
from mlint.validation.differing import differs, tolerance
from mlint.validation.values import Case

numpy = pytest.importorskip("numpy")
numpy.seterr(all="ignore")

N = ["n", 0]
"""A length that several names share."""


def array(dtype: str | None = "float64", dims: list[Any] | None = None, *, fresh: bool = True) -> Case:
    return {"kind": "ndarray", "dims": [N] if dims is None else dims, "dtype": dtype, "fresh": fresh}


def literal(value: object) -> Case:
    return {"kind": "literal", "value": repr(value)}


COUNT: Case = {"kind": "int", "length": N}

SHAPES: dict[str, tuple[str, str, dict[str, Case], bool]] = {
    "store": ("for i in range(n):\n    out[i] = x[i] * 2.0 + y[i]", "out[:] = x * 2.0 + y",
              {"n": COUNT, "x": array(), "y": array(), "out": array()}, True),
    "shifted": ("for i in range(n - 1):\n    out[i] = x[i + 1] - x[i]", "out[:-1] = x[1:] - x[:-1]",
                {"n": COUNT, "x": array(), "out": array()}, True),
    "offset": ("for i in range(2, n):\n    out[i] = x[i - 2]", "out[2:] = x[:max(n - 2, 0)]",
               {"n": COUNT, "x": array(), "out": array()}, True),
    "counter": ("for i in range(n):\n    out[i] = x[i] + i", "out[:] = x + np.arange(n)",
                {"n": COUNT, "x": array(), "out": array()}, True),
    "integers": ("for i in range(n):\n    out[i] = k[i] // 3", "out[:] = k // 3",
                 {"n": COUNT, "k": array("uint8"), "out": array("uint8")}, True),
    "sum of integers": ("for i in range(n):\n    s += k[i]", "s += np.sum(k)",
                        {"n": COUNT, "k": array("int64"), "s": literal(0)}, False),
    "sum": ("for v in x:\n    s += v", "s += np.sum(x)", {"x": array(), "s": literal(0.0)}, False),
    "product": ("for v in x:\n    p *= v", "p *= np.prod(x)", {"x": array(), "p": literal(1.0)}, False),
    "running sum": ("s = 1\nfor i in range(n):\n    s *= k[i]\n    out[i] = s", "out[:] = np.cumprod(k)",
                    {"n": COUNT, "k": array("int64"), "out": array("int64")}, True),
    "maximum": ("for v in x:\n    if v > best:\n        best = v", "best = np.fmax.reduce(x, initial=best)",
                {"x": array(), "best": literal(0.0)}, False),
    "masked": ("for i in range(n):\n    if x[i] > 0:\n        out[i] = x[i]", "mask = x > 0\nout[mask] = x[mask]",
               {"n": COUNT, "x": array(), "out": array()}, True),
    "gather": ("for i in range(n):\n    out[i] = x[order[i]]", "out[:] = x[order]",
               {"n": COUNT, "x": array(), "out": array(), "order": {**array("int64"), "index": True}}, True),
    "scatter": ("for i in range(n):\n    out[order[i]] = x[i]", "out[order] = x",
                {"n": COUNT, "x": array(), "out": array(), "order": {**array("int64"), "index": True}}, True),
    "histogram": ("for i in range(n):\n    counts[k[i]] += 1", "np.add.at(counts, k, 1)",
                  {"n": COUNT, "counts": array("int64"), "k": array("int64")}, True),
    "outer": ("for i in range(n):\n    for j in range(m):\n        out[i, j] = x[i] * y[j]",
              "out[:] = x[:, None] * y",
              {"n": COUNT, "m": {"kind": "int", "length": ["m", 0]}, "x": array(), "y": array(dims=[["m", 0]]),
               "out": array(dims=[N, ["m", 0]])}, True),
    "product of matrices": (
        "for i in range(n):\n  for j in range(m):\n    for k in range(q):\n      c[i, j] += a[i, k] * b[k, j]",
        "c += a @ b",
        {"n": COUNT, "m": {"kind": "int", "length": ["m", 0]}, "q": {"kind": "int", "length": ["q", 0]},
         "a": array(dims=[N, ["q", 0]]), "b": array(dims=[["q", 0], ["m", 0]]), "c": array(dims=[N, ["m", 0]])}, False),
    "append": ("out = []\nfor v in x:\n    out.append(np.sqrt(v))", "out = list(np.sqrt(x))", {"x": array()}, True),
    "count": ("for v in k:\n    if v > 2:\n        c += 1", "c += int(np.count_nonzero(k > 2))",
              {"k": array("int64"), "c": literal(0)}, True),
    "window": ("for i in range(n - 2):\n    out[i] = x[i] + x[i + 1] + x[i + 2]",
               "out[:max(n - 2, 0)] = x[:-2] + x[1:-1] + x[2:]", {"n": COUNT, "x": array(), "out": array()}, True),
    "attribute": ("for i in range(n):\n    self.w[i] -= g[i]", "self.w[:] -= g",
                  {"n": COUNT, "g": array(), "self": {"kind": "object", "attributes": {"w": array()}}}, True),
}  # fmt: skip

MUTANTS: list[tuple[str, str, str]] = [
    ("store", "+ y", "- y"),
    ("store", "* 2.0", "* 2.0000000000000004"),
    ("store", "out[:] = x * 2.0 + y", "out = x * 2.0 + y\nout = out.astype('float32')"),
    ("store", "out[:] = x * 2.0 + y", "out[1:] = (x * 2.0 + y)[1:]"),
    ("store", "out[:] = x * 2.0 + y", "out = np.append(x * 2.0 + y, 0.0)"),
    ("shifted", "x[1:] - x[:-1]", "x[:-1] - x[1:]"),
    ("shifted", "out[:-1]", "out[1:]"),
    ("shifted", "x[1:]", "x[:-1]"),
    ("offset", "out[2:]", "out[:max(n - 2, 0)]"),
    ("offset", "x[:max(n - 2, 0)]", "x[2:]"),
    ("counter", "np.arange(n)", "np.arange(1, n + 1)"),
    ("counter", "np.arange(n)", "np.arange(n)[::-1]"),
    ("integers", "k // 3", "(k + 1) // 3"),
    ("integers", "k // 3", "(k.astype(int) - 1) // 3"),
    ("sum of integers", "s += np.sum(k)", "s += np.sum(k[1:])"),
    ("sum of integers", "np.sum(k)", "np.sum(np.unique(k))"),
    ("sum", "np.sum(x)", "np.sum(np.abs(x))"),
    ("sum", "s += np.sum(x)", "s = np.sum(x) + 1e-9"),
    ("product", "np.prod(x)", "np.sum(x)"),
    ("running sum", "np.cumprod(k)", "np.cumsum(k)"),
    ("running sum", "np.cumprod(k)", "np.cumprod(k)[::-1]"),
    ("maximum", "np.fmax", "np.fmin"),
    ("maximum", ", initial=best", ", initial=-np.inf"),
    ("masked", "x > 0", "x >= 0"),
    ("masked", "out[mask] = x[mask]", "out[:] = np.where(mask, x, 0)"),
    ("gather", "x[order]", "x[np.sort(order)]"),
    ("scatter", "out[order] = x", "out[order[::-1]] = x[::-1]"),
    ("histogram", "np.add.at(counts, k, 1)", "counts[k] += 1"),
    ("outer", "x[:, None] * y", "x[:, None] + y"),
    ("outer", "x[:, None] * y", "np.sort(x)[:, None] * y"),
    ("product of matrices", "c += a @ b", "c[:] = a @ b"),
    ("product of matrices", "a @ b", "(a @ b) * 1.000001"),
    ("append", "list(np.sqrt(x))", "list(np.sqrt(x))[:-1]"),
    ("append", "list(np.sqrt(x))", "np.sqrt(x).tolist()"),
    ("count", "k > 2", "k >= 2"),
    ("count", "int(np.count_nonzero(k > 2))", "np.count_nonzero(k > 2) + (len(k) == 0)"),
    ("window", "x[:-2] + x[1:-1] + x[2:]", "x[2:] + x[1:-1] + x[:-2]"),
    ("attribute", "-= g", "+= g"),
    ("attribute", "self.w[:] -= g", "self.w = self.w - np.abs(g)"),
]  # fmt: skip


def request_of(shape: str, after: str | None = None) -> dict[str, Any]:
    """What is asked about a shape, or about another rewrite of it."""
    before, right, inputs, exact = SHAPES[shape]
    outputs = sorted({*inputs, "out"} - {"n", "m", "q"})
    return {"before": before, "after": right if after is None else after, "imports": ["import numpy as np"],
            "inputs": inputs, "outputs": outputs, "exact": exact}  # fmt: skip


def compared(shape: str, after: str | None = None, *, seed: int = 0, cases: int = 200) -> tuple[int, str | None]:
    return trial.compare({**request_of(shape, after), "cases": cases, "seed": seed})


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [0, 1])
def test_right_rewrites_pass(shape: str, seed: int) -> None:
    ran, difference = compared(shape, seed=seed)
    assert difference is None
    assert ran == 200


@pytest.mark.parametrize(("shape", "part", "planted"), MUTANTS)
def test_planted_errors_are_found(shape: str, part: str, planted: str) -> None:
    right = SHAPES[shape][1]
    assert part in right
    _, difference = compared(shape, right.replace(part, planted))
    assert difference is not None
    assert "no inputs" not in difference


def test_shared_memory_is_tried() -> None:
    request = {
        "before": "for i in range(n - 1):\n    out[i] = x[i - 1] + 1",
        "after": "out[:-1] = x[np.arange(n) - 1][:-1] + 1",
        "imports": ["import numpy as np"],
        "inputs": {"n": COUNT, "x": array(fresh=False), "out": array(fresh=False)},
        "outputs": ["out"],
        "cases": 300,
        "seed": 0,
    }
    assert trial.compare({**request, "exact": False})[1] is None
    assert trial.compare({**request, "exact": True})[1] is not None


def test_code_that_takes_no_input_proves_nothing() -> None:
    ran, difference = compared("store", "out[:] = 0")
    assert difference is not None
    before, after, inputs, exact = SHAPES["store"]
    request = {"before": f"undefined\n{before}", "after": after, "imports": ["import numpy as np"], "inputs": inputs,
               "outputs": ["out"], "exact": exact, "cases": 200, "seed": 0}  # fmt: skip
    ran, difference = trial.compare(request)
    assert ran == 0
    assert difference is not None
    assert difference.startswith("no inputs were found that it takes (NameError")


@pytest.mark.parametrize(
    ("first", "second", "exact", "told"),
    [
        (1.0, 1.0, True, None),
        (1, 1.0, True, "is a int before, a float after"),
        (1, 1.0, False, None),
        (0.0, -0.0, True, "is 0.0 before, -0.0 after"),
        (0.0, -0.0, False, None),
        (float("nan"), float("nan"), True, None),
        (float("nan"), 0.0, False, "is nan before, 0.0 after"),
        ([1, 2], [1], True, "has 2 elements before, 1 after"),
        ([1, 2], [1, 3], True, "is 2 before, 3 after"),
        ({"a": 1}, {"b": 1}, True, "has other keys"),
        ({"a": 1}, {"a": 2}, True, "is 1 before, 2 after"),
        (numpy.zeros(2), numpy.zeros(3), True, "has the shape (2,) before, (3,) after"),
        (numpy.zeros(2), numpy.zeros(2, "float32"), True, "is float64 before, float32 after"),
        (numpy.ones(2) / 3, numpy.ones(2) / 3 + 1e-15, False, None),
        (numpy.ones(2) / 3, numpy.ones(2) / 3 + 1e-10, False, "is [0.333"),
        ([1.0, 2.0], numpy.array([1.0, 2.0]), True, None),
        ([1.0, 2.0], numpy.array([1.0, 3.0]), True, "is [1.0, 2.0] before, [1.0, 3.0] after"),
        ("a", "a", True, None),
        (SimpleNamespace(w=1), SimpleNamespace(w=2), True, "is 1 before, 2 after"),
    ],
)  # fmt: skip
def test_values(first: object, second: object, exact: bool, told: str | None) -> None:
    found = differs(first, second, exact=exact)
    assert (found is None) == (told is None)
    assert told is None or (found or "").startswith(told)


def test_frames() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2.0], "b": [1, 2]})
    assert differs(frame, frame.copy(), exact=True) is None
    assert differs(frame, frame[["b", "a"]], exact=True) == "has other columns"
    assert differs(frame, frame.iloc[::-1], exact=True) == "has another index"
    assert differs(frame, frame.astype("float64"), exact=True) == "is int64 before, float64 after"
    assert differs(frame, frame + 1e-9, exact=False) is not None
    assert differs(frame["a"], frame, exact=True) == "is a Series before, a DataFrame after"


def test_generators_are_seeded_alike() -> None:
    request = {"imports": ["import numpy as np", "import random"], "inputs": {"rng": {"kind": "Generator"}},
               "outputs": ["x", "y", "z"], "exact": True, "cases": 20, "seed": 0}  # fmt: skip
    draws = "x = np.random.normal(size=3)\ny = random.random()\nz = rng.normal(size=2)"
    assert trial.compare({**request, "before": draws, "after": draws}) == (20, None)
    for other in (f"np.random.rand()\n{draws}", f"random.random()\n{draws}", f"rng.random()\n{draws}"):
        assert trial.compare({**request, "before": draws, "after": other})[1] is not None


def test_the_tolerance_grows_with_the_number_of_terms() -> None:
    assert tolerance({"x": numpy.ones(10), "n": 3}) == 100.0
    assert tolerance({"x": numpy.full(100, -2.0), "y": numpy.array([]), "s": "a"}) == 40_000.0
    assert tolerance({}) == 1.0
