"""Stores under conditions: what is called safe is the same to the bit, whatever the dtypes, sizes and values are."""

from __future__ import annotations

import pytest

from mlint.finding import Safety
from tests.rewrites.executed import DTYPES, filled, outcome, rewritten, same

HEAD = """
import numpy as np
def run(fill, n, seed):
    a = np.zeros((n,), dtype={dtype})
    b = np.zeros((n,), dtype={dtype})
    out = np.zeros((n,), dtype={stored})
    a[:] = fill((n,), "{name}", seed)
    b[:] = fill((n,), "{name}", seed + 1)
    out[:] = fill((n,), "{kept}", seed + 2)
    k = np.zeros((n,), dtype=np.int64)
    k[:] = np.arange(n)[::-1] * 5 % 7  # out of bounds for short arrays
    for i in range(len(a)):
"""
BODIES = {
    "constant": "if a[i] > b[i]:\n    out[i] = 1",
    "zero": "if a[i] == 0:\n    out[i] = 0.0",
    "nan": "if a[i] < b[i]:\n    out[i] = np.nan",
    "negative": "if a[i] < b[i]:\n    out[i] = -1",
    "large": "if a[i] < b[i]:\n    out[i] = 300",
    "element": "if a[i] != 0:\n    out[i] = b[i]",
    "own": "if a[i] > 0:\n    out[i] = out[i] + a[i]",
    "own condition": "if out[i] > a[i]:\n    out[i] = a[i]",
    "updated": "if a[i] > 0:\n    out[i] += b[i]",
    "quotient": "if b[i] != 0:\n    out[i] = a[i] / b[i]",
    "floor": "if b[i] != 0:\n    out[i] = a[i] // b[i]",
    "else": "if a[i] > 0:\n    out[i] = a[i] * 2\nelse:\n    out[i] = b[i] - 1",
    "where": "if a[i] >= 0:\n    out[i] = a[i]\nelse:\n    out[i] = b[i]",
    "relu": "out[i] = a[i] if a[i] > 0 else 0",
    "relu float": "out[i] = a[i] if a[i] > 0 else 0.5",
    "numbers": "out[i] = 1 if a[i] > b[i] else -1",
    "float numbers": "out[i] = 0.1 if a[i] > b[i] else 2",
    "absolute": "out[i] = -a[i] if a[i] < 0 else a[i]",
    "three": "if a[i] < b[i]:\n    out[i] = a[i]\nelif a[i] == b[i]:\n    out[i] = 7\nelse:\n    out[i] = a[i] - b[i]",
    "four": (
        "if a[i] < 0:\n    out[i] = a[i]\nelif a[i] < 1:\n    out[i] = 7\nelif a[i] > 4:\n    out[i] = b[i]\n"
        "else:\n    out[i] += 1"
    ),
    "nested ternary": "out[i] = 1 if a[i] > 0 else b[i] if b[i] > 0 else 0",
    "and": "if a[i] > 0 and b[i] > 0:\n    out[i] = a[i]",
    "or": "if a[i] > 0 or not b[i] > 0:\n    out[i] = a[i]",
    "chain": "if 0 < a[i] <= b[i]:\n    out[i] = a[i]",
    "chain of sums": "if 0 < a[i] + b[i] < 4:\n    out[i] = 1",
    "is nan": "if np.isnan(a[i]):\n    out[i] = 0",
    "truth": "if a[i]:\n    out[i] = 1",
    "continue": "if a[i] < 0:\n    continue\nout[i] = a[i] + 1",
    "not continue": "if not a[i] < 0:\n    continue\nout[i] = a[i] + 1",
    "temporary": "d = a[i] - b[i]\nif d > 0:\n    out[i] = d",
    "temporary once": "d = a[i] - b[i]\nif d > 0:\n    out[i] = 3",
    "element temporary": "x = out[i]\nif x > 0:\n    out[i] = x * 2",
    "stale": "x = out[i]\nout[i] = 0\nif x > 0:\n    out[i] = x",
    "default": "out[i] = 0\nif a[i] > 0:\n    out[i] = a[i]",
    "default of itself": "out[i] = a[i]\nif out[i] < b[i]:\n    out[i] = out[i] - b[i]",
    "two stores": "if a[i] > 0:\n    out[i] = a[i]\n    b[i] = out[i]",
    "clipped in place": "if a[i] > 4:\n    a[i] = 4\nelif a[i] < 1:\n    a[i] = 1",
    "counter": "if a[i] > 0:\n    out[i] = i",
    "forward": "if a[i] > 0:\n    out[i] = out[i - 1]",
    "invariant": "if a[i] > 0:\n    out[i] = b[0]",
    "gather": "if a[i] > 0:\n    out[i] = b[k[i]]",
    "gather else": "if a[i] > b[i]:\n    out[i] = a[k[i]]\nelse:\n    out[i] = b[i]",
    "gather by temporary": "j = k[i]\nif a[i] > 0:\n    out[i] += b[j]",
    "gather of what is stored": "if a[i] > 0:\n    out[i] = out[k[i]]",
    "condition that warns": "if b[i] != 0 and a[i] / b[i] > 2:\n    out[i] = 1",
}
PAIRS = [(name, name) for name in DTYPES]
PAIRS += [("float64", "float32"), ("float32", "float64"), ("int64", "float64"), ("float64", "int64"), ("int32", "bool")]


def program(body: str, dtype: str, stored: str) -> str:
    """A function with one of the loops."""
    lines = "".join(f"        {line}\n" for line in BODIES[body].splitlines())
    code = HEAD + lines + "    return a, b, out\n"
    for hole, name in (("dtype", dtype), ("stored", stored)):
        code = code.replace(f"{{{hole}}}", "bool" if name == "bool" else f"np.{name}")
    return code.replace("{name}", dtype).replace("{kept}", stored)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("body", BODIES)
def test_safe_is_the_same(body: str, pair: tuple[str, str]) -> None:
    code = program(body, *pair)
    fixed, _ = rewritten(code, "ML108")
    if fixed == code:
        return
    for n in (0, 1, 2, 5, 40):
        for seed in range(6 if n > 1 else 2):
            old, new = (outcome(text, fill=filled, n=n, seed=seed) for text in (code, fixed))
            if isinstance(old, type) and isinstance(new, type):
                continue  # both raise
            assert same(old, new), f"{fixed}\n{(n, seed)}: {old!r} before, {new!r} after"


VIEWS = (
    "out = a",
    "out = a[::-1]",
    "out = a[:]",
    "out = np.asarray(a)",
    "out = a.reshape(-1)",
    "a = out[::-1]",
    "b = out.T",
)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("body", ["else", "own condition", "default", "two stores", "three", "where"])
def test_shared_memory(body: str, view: str) -> None:
    code = program(body, "int64", "int64").replace("    for i", f"    {view}\n    for i", 1)
    fixed, _ = rewritten(code, "ML108")
    for n in (0, 1, 2, 9):
        for seed in range(6):
            old, new = (outcome(text, fill=filled, n=n, seed=seed) for text in (code, fixed))
            assert same(old, new), f"{fixed}\n{(n, seed)}: {old!r} before, {new!r} after"


ELEMENTS = {
    "own": "for i, x in enumerate(out):\n    if x > 0:\n        out[i] = x * 2",
    "stale": "for i, x in enumerate(out):\n    out[i] = 0\n    if x > 0:\n        out[i] = x",
    "stale by another name": "v = out\nfor i, x in enumerate(v):\n    out[i] = 0\n    if x > 0:\n        out[i] = x",
    "two stores": "for i, x in enumerate(out):\n    if x > 0:\n        out[i] = 0\n        b[i] = x",
    "mask": "p = a > 0\nfor i in range(n):\n    if p[i]:\n        p[i] = False\n        out[i] = 1",
    "mask and else": "p = a > 0\nfor i in range(n):\n    if p[i]:\n        p[i] = False\n    else:\n        out[i] = 1",
    "other mask": "p = a > 0\nfor i in range(n):\n    if not p[i]:\n        out[i] = a[i]",
    "pairs": "for i, (x, y) in enumerate(zip(a, b)):\n    out[i] = x if x > y else y",
    "bound": "m = len(a)\nfor i in range(m):\n    if a[i] > m:\n        out[i] = m",
}


@pytest.mark.parametrize("loop", ELEMENTS)
def test_elements_and_masks_that_are_stored_to(loop: str) -> None:
    head = HEAD.rpartition("    for i")[0].replace("{dtype}", "np.int64").replace("{stored}", "np.int64")
    head = head.replace("{name}", "int64").replace("{kept}", "int64")
    code = head + "".join(f"    {line}\n" for line in ELEMENTS[loop].splitlines()) + "    return a, b, out\n"
    fixed, safeties = rewritten(code, "ML108")
    assert len(safeties) == (loop not in ("stale", "stale by another name", "two stores", "mask", "mask and else"))
    for n in (0, 1, 2, 9):
        for seed in range(6):
            old, new = (outcome(text, fill=filled, n=n, seed=seed) for text in (code, fixed))
            assert same(old, new), f"{fixed}\n{(n, seed)}: {old!r} before, {new!r} after"


@pytest.mark.parametrize("later", ["i", "d"])
def test_variables_that_are_read_later(later: str) -> None:
    code = program("temporary", "float64", "float64").replace("b, out\n", f"b, out, {later}\n")
    assert rewritten(code, "ML108") == (code, [])


UNSAFE = {
    "quotient": "int64",
    "chain of sums": "float64",
    "condition that warns": "float64",
    "invariant": "float64",
    "nan": "int64",
}
REFUSED = {"truth": "float64", "stale": "float64", "forward": "float64", "gather of what is stored": "float64"}


@pytest.mark.parametrize("body", BODIES)
def test_which_are_safe(body: str) -> None:
    dtype = UNSAFE.get(body) or REFUSED.get(body) or ("float64" if body not in ("large", "negative") else "int64")
    _, safeties = rewritten(program(body, dtype, dtype), "ML108")
    assert safeties == ([] if body in REFUSED else [Safety.UNSAFE if body in UNSAFE else Safety.SAFE])
