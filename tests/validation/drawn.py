"""The values of the validator drawn by Hypothesis: the same inputs, found by search, and made smaller if they fail."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from mlint.validation.trial import RefusedError, Trial
from mlint.validation.values import SPECIAL, Choices, Inputs, Seeded

T = TypeVar("T")
_FEW = 12

_SMALL = st.one_of(st.integers(-3, 3).map(float), st.floats(-3, 3))
_ANY = st.one_of(st.sampled_from(SPECIAL), _SMALL)
_YES_OR_NO = st.booleans()


class Drawn:
    """Choices that Hypothesis makes."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw

    def of(self, options: Sequence[T]) -> T:
        return self.draw(st.sampled_from(options))

    def chance(self, share: float) -> bool:
        """Whatever the share: Hypothesis tries both, and the likelier one is the simpler one."""
        return self.draw(_YES_OR_NO) is (share < 0.5)

    def integer(self, least: int, most: int) -> int:
        return self.draw(st.integers(least, most))

    def number(self, special: bool) -> float:
        return self.draw(_ANY if special else _SMALL)

    def order(self, count: int) -> list[int]:
        return self.draw(st.permutations(range(count)))

    def among(self, count: int) -> Choices:
        """Many numbers come from a generator whose seed is drawn: Hypothesis would be slow, and make none smaller."""
        return self if count <= _FEW else Seeded(self.integer(0, 2**16))


@st.composite
def inputs(draw: st.DrawFn, trial: Trial) -> dict[str, Any]:
    """Values for the names that two versions of some code read."""
    return Inputs(trial.cases, Drawn(draw), exact=trial.exact, constants=trial.constants).values()


def search(request: dict[str, Any], *, cases: int, shrink: bool = True) -> int:
    """Look for inputs on which two versions differ; the smallest that is found fails the test.

    Args:
        request: the fields of a `Pair`.
        cases: how many inputs to try.
        shrink: whether to make a counterexample smaller.

    Returns:
        On how many inputs both versions ran.
    """
    trial = Trial(request)
    ran = 0

    @settings(
        max_examples=cases,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(trial))
    def agree(values: dict[str, Any]) -> None:
        nonlocal ran
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                difference = trial.difference(values)
        except RefusedError:
            assume(False)
        assert difference is None, difference
        ran += 1

    agree()
    return ran
