"""The property that a rewrite computes what its loop computes, searched for a counterexample by Hypothesis.

Per rule the first safe example, which is its plainest; ``MLINT_EXHAUSTIVE=1`` searches all, and the unsafe ones. What
is planted in right rewrites is found, and made small enough to read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

pytest.importorskip("numpy")
pytest.importorskip("hypothesis")

from hypothesis.errors import Unsatisfiable

from mlint.finding import Safety
from mlint.rule import Example
from mlint.validation.purity import NotExecuted
from tests.validation.drawn import search
from tests.validation.test_examples import DECLARED, examples, needs, rewrites
from tests.validation.test_trial import MUTANTS, SHAPES, request_of

CASES = 200
EXHAUSTIVE = bool(os.environ.get("MLINT_EXHAUSTIVE"))
EACH = 1_000 if EXHAUSTIVE else 1
"""How many examples of a rule are searched, of either safety."""
SAFETIES = [Safety.SAFE, Safety.UNSAFE] if EXHAUSTIVE else [Safety.SAFE]
FRAMEWORKS = ("tensorflow", "jax")
"""Slow to execute one by one: their examples are run with the inputs of the validator only."""


def plainest(safety: Safety) -> Iterator[tuple[str, Example]]:
    """The first examples of each rule, of a safety, that no optional framework is needed for."""
    seen: dict[str, int] = {}
    for name, example in examples(safe=safety is Safety.SAFE):
        code = name.partition("-")[0]
        unfit = example.safety not in (None, safety.value) or any(root in example.given for root in FRAMEWORKS)
        if not unfit and not example.bench and seen.get(code, 0) < EACH:
            seen[code] = seen.get(code, 0) + 1
            yield name, example


@pytest.mark.parametrize("shape", SHAPES)
def test_right_rewrites_pass(shape: str) -> None:
    assert search(request_of(shape), cases=CASES) >= CASES


@pytest.mark.parametrize(("shape", "part", "planted"), MUTANTS)
def test_planted_errors_are_found(shape: str, part: str, planted: str) -> None:
    right = SHAPES[shape][1]
    with pytest.raises(AssertionError):
        search(request_of(shape, right.replace(part, planted)), cases=CASES, shrink=False)


@pytest.mark.parametrize(
    ("shape", "part", "planted", "told"),
    [
        ("counter", "np.arange(n)", "np.arange(1, n + 1)",
         "`out` is [0.0] before, [1.0] after, for {'n': 1, 'x': array([0.]), 'out': array([0.])}"),
        ("sum of integers", "np.sum(k)", "np.sum(np.unique(k))",
         "`s` is 2 before, 1 after, for {'n': 2, 'k': array([1, 1]), 's': 0}"),
        ("histogram", "np.add.at(counts, k, 1)", "counts[k] += 1",
         "`counts` is [2, 0] before, [1, 0] after, for {'n': 2, 'counts': array([0, 0]), 'k': array([0, 0])}"),
    ],
)  # fmt: skip
def test_a_counterexample_is_small(shape: str, part: str, planted: str, told: str) -> None:
    with pytest.raises(AssertionError) as caught:
        search(request_of(shape, SHAPES[shape][1].replace(part, planted)), cases=CASES)
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize("safety", SAFETIES, ids=lambda safety: safety.value)
@pytest.mark.parametrize("code", sorted({name.partition("-")[0] for name, _ in examples(safe=True)}))
def test_no_counterexample_is_found(code: str, safety: Safety) -> None:
    for name, example in plainest(safety):
        if name.partition("-")[0] != code:
            continue
        needs(example)
        try:
            pairs = list(rewrites(code, example, safety))
        except NotExecuted:
            continue  # tests/validation/test_examples.py says which
        for versions in pairs:
            if safety is Safety.SAFE:
                search(versions._asdict(), cases=CASES)
                continue
            try:
                search(versions._asdict(), cases=CASES)
            except Unsatisfiable:
                continue  # no inputs were found that it takes: named there as well
            except AssertionError as error:
                if not re.search(DECLARED.get(code, "nothing is declared"), str(error)):
                    raise
