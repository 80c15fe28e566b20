"""Matrix products written as loops: what is called safe is the same to the bit, and floats are never called safe."""

from __future__ import annotations

import pytest

from mlint.finding import Safety
from tests.rewrites.executed import DTYPES, filled, outcome, rewritten, same

HEAD = """
import numpy as np
def run(fill, n, p, m):
    A = np.zeros((n, p), dtype=np.{dtype})
    B = np.zeros((p, m), dtype=np.{dtype})
    x = np.zeros(p, dtype=np.{dtype})
    C = np.zeros((n, m), dtype=np.{stored})
    y = np.zeros(n, dtype=np.{stored})
    A[:] = fill((n, p), "{dtype}", 1)
    B[:] = fill((p, m), "{dtype}", 2)
    x[:] = fill((p,), "{dtype}", 3)
    C[:] = fill((n, m), "{stored}", 4)
    y[:] = fill((n,), "{stored}", 5)
"""
SHAPES = {
    "ijk": """
    for i in range(n):
        for j in range(m):
            for k in range(p):
                C[i, j] += A[i, k] * B[k, j]
    return C
""",
    "kji": """
    for k in range(p):
        for j in range(m):
            for i in range(n):
                C[i][j] = B[k][j] * A[i][k] + C[i][j]
    return C
""",
    "subtracted": """
    for i in range(n):
        for j in range(m):
            for k in range(p):
                C[i, j] -= A[i, k] * B[k, j]
    return C
""",
    "total": """
    for i in range(n):
        for j in range(m):
            s = 0
            for k in range(p):
                s += A[i, k] * B[k, j]
            C[i, j] = s
    return C
""",
    "cleared": """
    for i in range(n):
        for j in range(m):
            C[i, j] = 0
            for k in range(p):
                C[i, j] += A[i, k] * B[k, j]
    return C
""",
    "hoisted": """
    for i in range(n):
        for k in range(p):
            a = A[i, k]
            for j in range(m):
                C[i, j] += a * B[k, j]
    return C
""",
    "summed": """
    for i in range(n):
        for j in range(m):
            C[i, j] = sum(A[i, k] * B[k, j] for k in range(p))
    return C
""",
    "vector": """
    for i in range(n):
        for j in range(p):
            y[i] += A[i, j] * x[j]
    return y
""",
    "vector-total": """
    for i in range(n):
        s = 0
        for j in range(p):
            s += A[i, j] * x[j]
        y[i] = s
    return y
""",
    "transposed": """
    z = np.zeros(p, dtype=np.{stored})
    for j in range(p):
        for i in range(n):
            z[j] += A[i, j] * y[i]
    return z
""",
    "shifted": """
    for i in range(n - 1):
        for j in range(m):
            for k in range(p):
                C[i, j] += (A[i + 1, k] - x[k]) * B[k, j]
    return C
""",
    "read later": """
    i = j = k = -1
    for i in range(n):
        for j in range(m):
            for k in range(p):
                C[i, j] += A[i, k] * B[k, j]
    return C, i, j, k
""",
    "the place is a factor": """
    A = np.zeros((n, n), dtype=np.{dtype})
    A[:] = fill((n, n), "{dtype}", 7)
    for i in range(n):
        for j in range(n):
            for k in range(n):
                A[i, j] += A[i, k] * A[k, j]
    return A
""",
    "a view of the place": """
    D = C.T
    A = np.zeros((n, m), dtype=np.{dtype})
    A[:] = fill((n, m), "{dtype}", 7)
    for i in range(n):
        for j in range(m):
            for k in range(n):
                C[i, j] += D[k, i] * A[k, j]
    return C
""",
}
MIXED = "uint8 int64, int64 uint8, bool int64, int32 int64, float32 float64, int64 float64, float64 int64"
PAIRS = [(name, name) for name in DTYPES] + [tuple(pair.split()) for pair in MIXED.split(", ")]
SIZES = [(0, 3, 2), (3, 0, 2), (2, 3, 0), (1, 1, 1), (3, 4, 2), (9, 9, 9)]


@pytest.mark.parametrize(("dtype", "stored"), PAIRS)
@pytest.mark.parametrize("shape", SHAPES)
def test_safe_is_the_same(shape: str, dtype: str, stored: str) -> None:
    code = (HEAD + SHAPES[shape]).replace("{dtype}", dtype).replace("{stored}", stored)
    code = code.replace("np.bool", "bool")
    fixed, safeties = rewritten(code, "ML105")
    if "float" in dtype + stored:
        assert Safety.SAFE not in safeties
    for n, p, m in SIZES:
        given = {"fill": filled, "n": n, "p": p, "m": m}
        old, new = outcome(code, **given), outcome(fixed, **given)
        assert same(old, new), f"{fixed}\n{(n, p, m)}: {old} before, {new} after"


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
@pytest.mark.parametrize("shape", [s for s in SHAPES if s not in ("shifted", "read later", "the place is a factor")])
def test_integers_are_safe(shape: str, dtype: str) -> None:
    code = (HEAD + SHAPES[shape]).replace("{dtype}", dtype).replace("{stored}", dtype)
    fixed, safeties = rewritten(code, "ML105")
    wanted = [] if shape == "a view of the place" else [Safety.SAFE]
    assert safeties == wanted, fixed
    assert ("@" in fixed) == bool(wanted)


@pytest.mark.parametrize("shape", ["read later", "the place is a factor", "a view of the place"])
def test_no_rewrite(shape: str) -> None:
    code = (HEAD + SHAPES[shape]).replace("{dtype}", "int64").replace("{stored}", "int64")
    assert rewritten(code, "ML105")[1] == []
