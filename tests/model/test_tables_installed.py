"""The tables agree with the libraries that are installed: what is gone, what is there, and what it takes.

Where the installed version lies between two versions of the tables, a name may have gone in between, and parameters may
have come and gone: the first is left out, and signatures are compared for versions that the tables were made from.
"""

from __future__ import annotations

import inspect
import os

import pytest

from mlint.model import libraries
from mlint.model.libraries import Deprecation, data
from tests.model import installed
from tests.model.installed import NotKnown, NotThere

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SAMPLE = 300
WRONG = 50
"""One in so many may differ: stubs and decorators do not tell all. Nothing may be there that is said to be removed."""
LARGE = frozenset({"torch", "tensorflow", "keras", "jax", "flax", "optax", "transformers", "trl", "peft", "ray"})
"""Libraries that take seconds to import."""
NOT_IMPORTED = frozenset({"ray", "distributed"})
"""Libraries whose modules start processes or threads, or do not get on with others in one process."""
ROOTS = [
    pytest.param(root, marks=pytest.mark.slow) if root in LARGE else root
    for root in data.roots()
    if root not in NOT_IMPORTED
]


def there(root: str) -> str:
    """The installed version of a library; skips where there is none, or one that the tables do not know."""
    pytest.importorskip(root, exc_type=ImportError)
    version = installed.version(root)
    if version is None or installed.number(version) > installed.number(installed.versions_of(root)[-1]):
        pytest.skip(f"the tables do not know {root} {version}")
    return version


@pytest.mark.parametrize("root", ROOTS)
def test_what_is_removed_is_not_there(root: str) -> None:
    version = there(root)
    said = list(installed.said_removed(root, version))
    found = [(one, installed.still_there(one)) for one in said]
    assert [f"{one.name} {one.argument or ''} {one.removed}" for one, there in found if there] == []
    told = sum(there is not None for _, there in found)
    assert told * 10 >= len(said) * 9, f"of {told} of {len(said)} only it can be told"


@pytest.mark.parametrize("root", ROOTS)
def test_what_is_not_removed_is_there(root: str) -> None:
    version = there(root)
    rows = [row for row in installed.said_present(root, version) if row[1] in ("f", "c", "m", "=")]
    absent, told = [], 0
    for row in installed.sampled(rows, SAMPLE):
        try:
            installed.reached(row[0])
            told += 1
        except NotThere:
            if not installed.is_conditional(row[0]):
                absent.append("\t".join(row))
        except NotKnown:
            pass
    assert len(absent) * WRONG <= max(told, WRONG), absent
    assert told * 10 >= min(len(rows), SAMPLE) * 8, f"{told} only could be reached"


@pytest.mark.parametrize("root", ROOTS)
def test_signatures(root: str) -> None:
    version = there(root)
    if installed.number(version) not in map(installed.number, installed.versions_of(root)):
        pytest.skip(f"the tables are not made from {root} {version}")
    rows = [row for row in installed.said_present(root, version) if row[1] in ("f", "c", "m") and row[2] != "?"]
    wrong, compared = [], 0
    for row in installed.sampled(rows, SAMPLE):
        try:
            thing = installed.reached(row[0])
        except (NotThere, NotKnown):
            continue
        compared += installed.parameters(thing) is not None
        difference = installed.differs(row[0], thing, version)
        if difference is not None:
            wrong.append(difference)
    assert len(wrong) * WRONG <= max(compared, WRONG), wrong
    assert compared * 2 >= min(len(rows), SAMPLE), f"{compared} only have a signature"


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
