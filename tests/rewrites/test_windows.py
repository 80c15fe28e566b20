"""Moving windows: what is called safe is the same to the bit, and windows that are cut short are left alone."""

from __future__ import annotations

import pytest

from mlint.finding import Safety
from tests.rewrites.executed import DTYPES, filled, outcome, rewritten, same

REDUCTIONS = (
    "{w}.sum()",
    "{w}.mean()",
    "np.max({w})",
    "{w}.min()",
    "np.prod({w})",
    "{w}.std(ddof=1)",
    "np.var({w})",
    "np.median({w})",
    "np.ptp({w})",
    "{w}.any()",
    "{w}.sum() / {k}",
    "sum({w})",
    "max({w})",
)
LOOPS = {
    "ahead": "for i in range(len(a) - {k} + 1):\n        out[i] = {r}",
    "behind": "for i in range({k}, {n} + 1):\n        out[i - {k}] = {r}",
    "fewer": "for i in range({n} - {k}):\n        out[i + 1] = {r}",
    "appended": "out = [0.5]\n    for i in range({n} - {k} + 1):\n        out.append({r})",
    "collected": "out = np.array([{r} for i in range({n} - {k} + 1)])",
    "listed": "out = [{r} for i in range({n} - {k} + 1)]",
    "cut short": "for i in range({n}):\n        out[i] = {r}",
    "cut short by one": "for i in range({n} - {k} + 2):\n        out[i] = {r}",
    "growing": "for i in range(1, {n}):\n        out[i] = a[:i].sum()",
    "in place": "for i in range({n} - {k} + 1):\n        a[i] = {r}\n    out = a",
    "a view": "b = out[::-1]\n    for i in range({n} - {k} + 1):\n        b[i] = {r}",
    "read later": "for i in range({n} - {k} + 1):\n        out[i] = {r}\n    print(i)",
}
REFUSED = ("cut short", "cut short by one", "growing", "in place")
SIZES = [(1, 1), (9, 9), (9, 1), (20, 3), (300, 130)]


def program(loop: str, reduction: str, n: int, k: int, dtype: str, stored: str) -> str:
    window = f"a[i - {k}:i]" if loop == "behind" else f"a[i:i + {k}]"
    made = reduction.replace("{w}", window).replace("{k}", str(k))
    body = LOOPS[loop].replace("{r}", made).replace("{n}", str(n)).replace("{k}", str(k))
    names = {name: "bool" if name == "bool" else f"np.{name}" for name in (dtype, stored)}
    return (
        f"import numpy as np\ndef run(fill):\n    a = np.zeros({n}, dtype={names[dtype]})\n"
        f"    out = np.zeros({n}, dtype={names[stored]})\n    a[:] = fill(({n},), '{dtype}', 1)\n"
        f"    {body}\n    return out\n"
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_safe_is_the_same(reduction: str, dtype: str) -> None:
    if dtype == "bool" and ("ptp" in reduction or "sum({w}) " in reduction):
        return
    for n, k in SIZES:
        for stored in {dtype, "float64"}:
            code = program("ahead", reduction, n, k, dtype, stored)
            fixed, _ = rewritten(code, "ML114")
            old, new = (outcome(text, fill=filled) for text in (code, fixed))
            if not (isinstance(old, type) and isinstance(new, type)):
                assert same(old, new), f"{fixed}\n{old} before, {new} after"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loop", ["behind", "fewer", "appended", "collected", "listed", "a view"])
def test_every_form_is_the_same(loop: str, dtype: str) -> None:
    for n, k in ((9, 9), (20, 3)):
        code = program(loop, "{w}.mean() - 1", n, k, dtype, "float64")
        fixed, safeties = rewritten(code, "ML114")
        assert safeties == [Safety.SAFE]
        assert same(outcome(code, fill=filled), outcome(fixed, fill=filled)), fixed


@pytest.mark.parametrize("loop", LOOPS)
def test_which_are_safe(loop: str) -> None:
    _, safeties = rewritten(program(loop, "{w}.mean()", 20, 3, "float64", "float64"), "ML114")
    none = loop in REFUSED or loop == "read later"
    assert safeties == ([] if none else [Safety.SAFE])


@pytest.mark.parametrize("loop", LOOPS)
def test_an_array_of_unknown_length(loop: str) -> None:
    code = program(loop, "{w}.mean()", 20, 3, "float64", "float64")
    code = code.replace("def run(fill):", "def run(fill, n):").replace("20", "n")
    _, safeties = rewritten(code, "ML114")
    none = loop in REFUSED or loop == "read later"
    assert safeties == ([] if none else [Safety.UNSAFE]), code
