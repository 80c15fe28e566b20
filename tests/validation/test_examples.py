"""Every rewrite of a loop that an example of a rule shows is executed beside the loop, on many generated inputs."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

import pytest

from mlint.engine import Engine, EngineOptions
from mlint.finding import Safety
from mlint.fixer import materialise
from mlint.registry import load_index, load_rule
from mlint.rule import Example
from mlint.source import Source
from mlint.validation import Pair, pair, trial
from mlint.validation.purity import NotExecuted
from tests import proof

INDEX = load_index()
MODULES = ("numpy", "pandas", "torch", "tensorflow", "jax", "scipy", "sklearn", "xgboost", "lightgbm", "keras")
CASES = 100
"""Inputs for each safe example; `test_shapes` searches the plainest one of each rule with twice as many."""
FEW = 12
"""Inputs for an example that exists to be timed: it is as large as that, and of a shape that another example has."""

DECLARED = {
    "ML101": "raises ValueError: zero-size array to reduction",  # what is computed in no round is computed once
    "ML102": "is True before, ",  # truth values add up to a truth value in the loop, to a number in the sum
    "ML103": "raises OverflowError: Python integer -1",  # the array is not proven to hold floats
    "ML105": "mismatch in its core dimension",  # of a nest that makes no rounds nobody knows whether lengths agree
    "ML107": "raises TypeError: numpy boolean subtract",  # the matrix is not proven to hold numbers
    "ML114": "window shape cannot be larger|raises ValueError: sliding_window",  # an array shorter than a window
    "ML118": "`relu` is <numpy.vectorize",  # a function takes the place of an object
    "ML120": "`df` is .*for {'df': .*",  # of labels that rows share the loop keeps the last row's value
    "ML121": "is a DataFrame before, a Series after, for .*Empty DataFrame",  # pandas gives a frame for no rows
    "ML122": r"\[None.*nan|None.*before, .*nan",  # a key that is missing
    "ML124": "is a DataFrame before, a Series after, for .*Empty DataFrame",
    "ML130": "bincount only supports",  # a negative index counts from the end in the loop
    "ML128": "has the shape \\(.*0\\) before",  # of lists of no rows nobody can tell how long the rows are
}
"""Rule → how a fix that it calls unsafe may differ by more than the order of its additions; its page says so."""


def examples(*, safe: bool) -> Iterator[tuple[str, Example]]:
    for entry in INDEX.entries:
        if entry.code.startswith("ML1") and entry.class_name:
            for number, example in enumerate(load_rule(entry).examples):
                wanted = example.bad is not None and example.good is not None
                if wanted and (safe or (example.safety != "safe" and not example.bench)):
                    yield f"{entry.code}-{number}", example


def rewrites(code: str, example: Example, safety: Safety) -> Iterator[Pair]:
    """Both versions of what each fix of a rule in an example replaces."""
    text = proof.text_of(example, example.bad or "")
    engine = Engine(INDEX, options=EngineOptions(target_versions=dict(example.targets), project=False))
    source = Source(text, "example.py")
    for finding in engine.check(source, frozenset({code})).findings:
        fix = materialise(finding).fix
        if fix is not None and fix.edits and fix.safety is safety:
            yield pair(source, source.apply(sorted(fix.edits)), exact=safety is Safety.SAFE)


def compared(versions: Pair, cases: int) -> tuple[int, str | None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return trial.compare({**versions._asdict(), "cases": cases, "seed": 0})


def needs(example: Example) -> None:
    for module in MODULES:
        if re.search(rf"\b(import|from) {module}\b", example.given):
            pytest.importorskip(module)
    pytest.importorskip("numpy").seterr(all="ignore")


@pytest.mark.parametrize(
    ("name", "example"), list(examples(safe=True)), ids=[name for name, _ in examples(safe=True)]
)
def test_no_safe_rewrite_differs(name: str, example: Example) -> None:
    needs(example)
    cases = FEW if example.bench else CASES
    try:
        pairs = list(rewrites(name.partition("-")[0], example, Safety.SAFE))
    except NotExecuted as error:
        pytest.xfail(f"not executed: {error.reason}")
    assert pairs or example.safety != "safe"
    for versions in pairs:
        ran, difference = compared(versions, cases)
        assert difference is None
        assert ran == cases or not versions.inputs


@pytest.mark.parametrize(
    ("name", "example"), list(examples(safe=False)), ids=[name for name, _ in examples(safe=False)]
)
def test_an_unsafe_rewrite_differs_as_declared(name: str, example: Example) -> None:
    """Sums in another order are as near as the number of terms lets them be; any other difference is in the table."""
    needs(example)
    code = name.partition("-")[0]
    try:
        pairs = list(rewrites(code, example, Safety.UNSAFE))
    except NotExecuted as error:
        pytest.xfail(f"not executed: {error.reason}")
    assert pairs or example.safety != "unsafe" or example.files
    for versions in pairs:
        _, difference = compared(versions, FEW)
        if difference is not None and difference.startswith("no inputs were found"):
            pytest.xfail(difference)
        if difference is not None:
            assert code in DECLARED, difference
            assert re.search(DECLARED[code], difference), difference
