"""Tables of two vectors: what is called safe is the same to the bit, whatever the dtypes, sizes and values are."""

from __future__ import annotations

import pytest

from mlint.finding import Safety
from tests.rewrites.executed import DTYPES, filled, outcome, rewritten, same

HEAD = """
import numpy as np
def run(fill, n, m):
    a = np.zeros((n,), dtype=np.{dtype})
    b = np.zeros((m,), dtype=np.{other})
    out = np.zeros((n, m), dtype=np.{stored})
    a[:] = fill((n,), "{dtype}", 1)
    b[:] = fill((m,), "{other}", 2)
    out[:] = fill((n, m), "{stored}", 3)
"""
TABLE = """
    for i in range(n):
        for j in range(m):
            {statement}
    return out
"""
STATEMENTS = {
    **{op: f"out[i, j] = a[i] {op} b[j]" for op in ("+", "-", "*", "/", "//", "%", "<", ">=", "==", "!=", "&")},
    **{f"turned {op}": f"out[i, j] = b[j] {op} a[i]" for op in ("+", "-", "*", "/", "//", "%", "<")},
    "maximum": "out[i, j] = np.maximum(a[i], b[j])",
    "fmin": "out[i, j] = np.fmin(b[j], a[i])",
    "logical": "out[i, j] = np.logical_and(a[i], b[j])",
    "copysign": "out[i, j] = np.copysign(a[i], b[j])",
    "+=": "out[i][j] += a[i] * b[j]",
    "-=": "out[i, j] -= a[i] * b[j]",
}
WHOLE = {name: TABLE.replace("{statement}", statement) for name, statement in STATEMENTS.items()}
WHOLE["columns"] = """
    for j in range(m):
        for i in range(n):
            out[i, j] = a[i] - b[j]
    return out
"""
WHOLE["elements"] = """
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            out[i, j] = y - x
    return out
"""
WHOLE["rows"] = """
    for i in range(n):
        out[i] = a[i] - b
    return out
"""
WHOLE["whole rows"] = """
    for i in range(n):
        out[i, :] = b - a[i]
    return out
"""
WHOLE["updated rows"] = """
    for i in range(n):
        out[i] += a[i] * b
    return out
"""
WHOLE["shifted"] = """
    for i in range(1, n):
        for j in range(m - 1):
            out[i, j] = a[i - 1] * b[j + 1]
    return out
"""
WHOLE["read later"] = """
    i = j = -1
    for i in range(n):
        for j in range(m):
            out[i, j] = a[i] * b[j]
    return out, i, j
"""
WHOLE["a view of the table"] = """
    a = out[:, 0]
    for i in range(n):
        for j in range(m):
            out[i, j] = a[i] * b[j]
    return out
"""
WHOLE["a row of the table"] = """
    for i in range(n):
        for j in range(m):
            out[i, j] = a[i] * out[0, j]
    return out
"""
MIXED = (("uint8", "int64", "int64"), ("float32", "float64", "float64"), ("int64", "float64", "float32"))
MIXED += (("bool", "bool", "int64"), ("float64", "float64", "int64"), ("uint8", "uint8", "float32"))
TRIPLES = [(name, name, name) for name in DTYPES] + [(name, name, "bool") for name in ("float32", "uint8")] + [*MIXED]
SIZES = [(0, 0), (0, 3), (3, 0), (1, 1), (3, 1), (4, 9)]


@pytest.mark.parametrize("dtypes", TRIPLES, ids="-".join)
@pytest.mark.parametrize("shape", WHOLE)
def test_safe_is_the_same(shape: str, dtypes: tuple[str, str, str]) -> None:
    code = HEAD + WHOLE[shape]
    for name, dtype in zip(("{dtype}", "{other}", "{stored}"), dtypes):
        code = code.replace(f"np.{name}", "bool" if dtype == "bool" else f"np.{name}").replace(name, dtype)
    fixed, _ = rewritten(code, "ML106")
    for n, m in SIZES:
        old, new = (outcome(text, fill=filled, n=n, m=m) for text in (code, fixed))
        if isinstance(old, type) and isinstance(new, type):
            continue  # both raise
        assert same(old, new), f"{fixed}\n{(n, m)}: {old} before, {new} after"


@pytest.mark.parametrize("shape", WHOLE)
def test_which_are_safe(shape: str) -> None:
    code = (HEAD + WHOLE[shape]).replace("{dtype}", "int64").replace("{other}", "int64").replace("{stored}", "int64")
    _, safeties = rewritten(code, "ML106")
    refused = ("read later", "a view of the table", "a row of the table")
    unsafe = shape in ("/", "turned /", "copysign")  # floats into integers
    assert safeties == ([] if shape in refused else [Safety.UNSAFE if unsafe else Safety.SAFE])
