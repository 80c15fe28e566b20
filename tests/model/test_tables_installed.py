"""The tables agree with the libraries that are installed: what is gone, what is there, and what it takes.

Where the installed version lies between two versions of the tables, a name may have gone in between, and parameters may
have come and gone: the first is left out, and signatures are compared for versions that the tables were made from.
"""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlint.model import libraries
from mlint.model.libraries import Deprecation, data
from tests.model import installed
from tests.model.installed import NotThere

ROOT = Path(__file__).resolve().parents[2]

WRONG = 25
"""One in so many may differ: a build without CUDA lacks some, decorators hide some. Nothing removed may be there."""
LARGE = frozenset({"torch", "tensorflow", "keras", "jax", "flax", "optax", "transformers", "trl", "peft"})
"""Libraries that take seconds to import."""
NOT_IMPORTED = frozenset({"ray", "distributed"})
"""Libraries whose modules start processes or threads."""
ROOTS = [
    pytest.param(root, marks=pytest.mark.slow) if root in LARGE else root
    for root in data.roots()
    if root not in NOT_IMPORTED and installed.is_known(root)
]


@pytest.mark.parametrize("root", ROOTS)
def test_installed_library(root: str) -> None:
    # In a process of its own: some libraries crash when others have been imported before them.
    command = [sys.executable, "-W", "ignore", "-m", "tests.model.installed", root]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.rpartition("\n@@")[2])
    assert found["removed and there"] == []
    assert found["removals told"] * 10 >= found["removals"] * 9
    assert len(found["absent"]) * WRONG <= max(found["reached"], WRONG), found["absent"]
    assert found["reached"] * 10 >= found["sampled"] * 8
    assert len(found["signatures"]) * WRONG <= max(found["compared"], WRONG), found["signatures"]


# What the comparison sees


def test_a_removal_that_did_not_happen_is_seen() -> None:
    pytest.importorskip("numpy")
    assert installed.still_there(Deprecation("numpy.zeros", removed=("1.0", "2.0")))
    assert installed.still_there(Deprecation("numpy.zeros_like", "dtype", removed=("1.0", "2.0")))
    assert installed.still_there(Deprecation("numpy.no_such_name", removed=("1.0", "2.0"))) is False
    assert installed.still_there(Deprecation("numpy.zeros_like", "no_such", removed=("1.0", "2.0"))) is False


def test_a_name_that_is_not_there_is_seen() -> None:
    pytest.importorskip("numpy")
    for dotted in ("numpy.no_such_name", "numpy.linalg.no_such_name", "numpy.ndarray.no_such_name"):
        with pytest.raises(NotThere):
            installed.reached(dotted)
        assert not installed.is_conditional(dotted)
    assert inspect.isfunction(installed.reached("numpy.linalg.inv")) or callable(installed.reached("numpy.linalg.inv"))


@pytest.mark.parametrize(
    "other",
    [
        lambda a, axis=None, dtype=None: 0,  # fewer
        lambda a, ddof, axis=None, keepdims=False: 0,  # one must be given
        lambda a, axis=0, ddof=0, keepdims=False: 0,  # another default
        lambda axis=None, a=None, ddof=0, keepdims=False: 0,  # another order
    ],
)
def test_another_signature_is_seen(monkeypatch: pytest.MonkeyPatch, other: object) -> None:
    told = (
        libraries.Parameter("a"),
        *(
            libraries.Parameter(name, default=default)
            for name, default in (("axis", "None"), ("ddof", "0"), ("keepdims", "False"))
        ),
    )
    monkeypatch.setattr(libraries, "signature", lambda dotted: libraries.Signature(told))
    newest = installed.versions_of("numpy")[-1]
    assert installed.differs("numpy.std", lambda a, axis=None, ddof=0, keepdims=False: 0, newest) is None
    assert installed.differs("numpy.std", other, newest) is not None
