"""The kinds agree with reality: real programs are run, and what the model said of their expressions is looked at."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDS = {
    "ray": ("ray", "pandas"),  # first, as it waits most of its time
    "boosting": ("xgboost", "lightgbm", "sklearn", "pandas"),
    "dask": ("dask", "pandas"),
    "jax": ("jax", "flax", "optax"),
    "keras": ("tensorflow", "keras"),
    "numpy": ("numpy", "scipy"),
    "pandas": ("pandas",),
    "polars": ("polars", "numpy"),
    "sklearn": ("sklearn", "pandas"),
    "torch": ("torch", "numpy"),
    "transformers": ("transformers", "torch"),
}
"""Program -> the libraries that it imports."""
LEAST_KNOWN = 0.8

Comparison = dict[str, Any]


def compared(program: str) -> Comparison:
    path = Path(__file__).parent / "programs" / f"{program}_programs.py"
    quiet = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    quiet |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.model.reality", str(path)],
        cwd=ROOT, env={**os.environ, **quiet}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: Comparison = json.loads(done.stdout.rpartition("@@")[2])
    return found


@pytest.fixture(scope="module")
def comparisons() -> dict[str, Comparison]:
    """Program -> how the model did, for the programs whose libraries are here."""
    possible = [name for name, needed in NEEDS.items() if all(map(importlib.util.find_spec, needed))]
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(possible, pool.map(compared, possible), strict=True))


@pytest.mark.parametrize("program", NEEDS)
def test_no_kind_is_wrong(program: str, comparisons: dict[str, Comparison]) -> None:
    if program not in comparisons:
        pytest.skip(f"needs {', '.join(NEEDS[program])}")
    comparison = comparisons[program]
    assert comparison["functions"] >= 2
    assert comparison["total"] > 20
    assert comparison["wrong"] == [], "\n".join(comparison["wrong"])


def test_most_kinds_are_known(comparisons: dict[str, Comparison]) -> None:
    if not comparisons:
        pytest.skip("needs a library")
    lines = [
        f"{program}: {found['known']} of {found['total']} known, {found['functions']} functions"
        for program, found in comparisons.items()
    ]
    known = sum(found["known"] for found in comparisons.values())
    total = sum(found["total"] for found in comparisons.values())
    lines.append(f"all: {known} of {total} known ({known / total:.1%})")
    print("\n".join(lines))
    assert known / total >= LEAST_KNOWN, "\n".join(lines)
    if len(comparisons) == len(NEEDS):
        assert sum(found["functions"] for found in comparisons.values()) >= 40
