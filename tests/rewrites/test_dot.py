"""Dot products: what is called safe is the same, whatever the dtypes, sizes and values are."""

from __future__ import annotations

import pytest

from mlint.finding import Safety
from tests.rewrites.executed import DTYPES, filled, outcome, rewritten, same

HEAD = """
import numpy as np
def run(fill, seed):
    a = np.zeros(({size},), dtype={dtype})
    b = np.zeros(({size},), dtype={other})
    a[:] = fill(({size},), "{name}", seed)
    b[:] = fill(({size},), "{second}", seed + 1)
    s = {start}
"""
BODIES = {
    "loop": "for i in range(len(a)):\n    s += a[i] * b[i]",
    "minus": "for i in range(len(a)):\n    s -= a[i] * b[i]",
    "plain": "for x, y in zip(a, b):\n    s = x * y + s",
    "shifted": "for i in range(1, len(a)):\n    s += a[i] * b[i - 1]",
    "sums": "for i, x in enumerate(a):\n    s += (x + 1) * (b[i] - x)",
    "three": "for i in range(len(a)):\n    s += a[i] * b[i] * a[i]",
    "call": "s = sum(x * y for x, y in zip(a, b))",
    "list": "s = sum([a[i] * b[i] for i in range(len(a))])",
    "repeated": "for r in range(3):\n    for i in range(len(a)):\n        s += a[i] * b[i]",
    "own place": "for i in range(len(a)):\n    a[0] += a[i] * b[i]\ns = a",
}
PAIRS = [(name, name) for name in (*DTYPES, "int8", "int16")]
PAIRS += [("int32", "int64"), ("uint8", "bool"), ("bool", "int64"), ("int64", "float64")]


def program(body: str, pair: tuple[str, str], start: str = "0", size: int = 30) -> str:
    """A function with one of the loops."""
    code = HEAD + "".join(f"    {line}\n" for line in BODIES[body].splitlines()) + "    return s\n"
    for hole, name in (("dtype", pair[0]), ("other", pair[1])):
        code = code.replace(f"{{{hole}}}", "bool" if name == "bool" else f"np.{name}")
    code = code.replace("{name}", pair[0]).replace("{second}", pair[1])
    return code.replace("{start}", start).replace("{size}", str(size))


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("body", BODIES)
def test_safe_is_the_same(body: str, pair: tuple[str, str]) -> None:
    for start in ("0", "100", "200", "-1", "0.0", "a[0]"):
        for size in (0, 1, 9, 30):
            code = program(body, pair, start, size)
            fixed, _ = rewritten(code, "ML115")
            if fixed == code:
                continue
            for seed in range(6):
                old, new = (outcome(text, fill=filled, seed=seed) for text in (code, fixed))
                if isinstance(old, type) and isinstance(new, type):
                    continue  # both raise
                assert same(old, new), f"{fixed}\n{seed}: {old!r} before, {new!r} after"


@pytest.mark.parametrize("body", ["loop", "minus", "sums", "call", "list"])
def test_where_there_may_be_nothing(body: str) -> None:
    code = program(body, ("int64", "int64")).replace("(30,)", "(n,)").replace("def run(fill", "def run(n, fill")
    fixed, safeties = rewritten(code, "ML115")
    assert len(safeties) <= 1
    for n in (0, 1, 9):
        old, new = (outcome(text, fill=filled, seed=1, n=n) for text in (code, fixed))
        assert same(old, new), f"{fixed}\n{n}: {old!r} before, {new!r} after"


@pytest.mark.parametrize(
    ("body", "pair", "start", "safety"),
    [
        ("loop", ("int64", "int64"), "0", Safety.SAFE),
        ("loop", ("uint8", "uint8"), "200", Safety.SAFE),
        ("loop", ("int8", "int8"), "200", Safety.UNSAFE),
        ("loop", ("int64", "int64"), "0.0", Safety.UNSAFE),
        ("loop", ("int64", "int64"), "a[0]", None),
        ("loop", ("float64", "float64"), "0", Safety.UNSAFE),
        ("loop", ("int32", "int64"), "0", Safety.UNSAFE),
        ("loop", ("bool", "bool"), "0", None),
        ("minus", ("int64", "int64"), "0", Safety.SAFE),
        ("plain", ("int64", "int64"), "0", Safety.SAFE),
        ("shifted", ("int64", "int64"), "0", Safety.SAFE),
        ("sums", ("int64", "int64"), "0", Safety.SAFE),
        ("three", ("uint8", "uint8"), "0", Safety.SAFE),
        ("call", ("int64", "int64"), "0", Safety.SAFE),
        ("list", ("int64", "int64"), "0", Safety.SAFE),
        ("repeated", ("int64", "int64"), "0", Safety.SAFE),
        ("own place", ("int64", "int64"), "0", None),
    ],
)
def test_which_are_safe(body: str, pair: tuple[str, str], start: str, safety: Safety | None) -> None:
    _, safeties = rewritten(program(body, pair, start), "ML115")
    assert safeties == ([] if safety is None else [safety])
