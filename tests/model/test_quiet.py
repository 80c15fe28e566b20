"""Code that changes nothing and runs nothing but itself."""

from __future__ import annotations

import pytest

from mlint.model.quiet import quiet
from tests.model.reading import model_of

GIVEN = "import math\nimport numpy as np\na = np.zeros(9)\nb = a\nrng = np.random.default_rng(0)\nn = 0\n"


def _is_quiet(code: str) -> bool:
    model = model_of(GIVEN + code)
    return quiet(model, model.module.body[-1])


@pytest.mark.parametrize(
    "code",
    [
        "for i in range(9):\n    x = np.sin(a[i]) + math.exp(2) + len(a)",
        "for i, v in enumerate(zip(a, [1, 2])):\n    n += 1",
        "y = np.concatenate([a, b])",
        "y = a.reshape(3, 3).sum(axis=0)",
        "y = np.random.normal(size=3)",
        "y = [v for v in a]",
    ],
)
def test_quiet(code: str) -> None:
    assert _is_quiet(code)


@pytest.mark.parametrize(
    "code",
    [
        "a += 1",
        "a[0] = 1",
        "a.flags.writeable = False",
        "np.copyto(a, 1)",
        "np.add(a, 1, a)",
        "np.add(a, 1, out=a)",
        "np.random.shuffle(a)",
        "rng.random(out=a)",
        "a.fill(3)",
        "f()",
        "for v in f():\n    pass",
        "for v in unknown:\n    pass",
        "for v in enumerate(unknown):\n    pass",
        "y = [v for v in unknown]",
        "y = max(*unknown)",
        "y = sorted(a, key=f)",
        "with unknown:\n    pass",
        "import m",
        "eval('f()')",
    ],
)
def test_loud(code: str) -> None:
    assert not _is_quiet(code)


def test_a_builtin_that_is_something_else() -> None:
    assert not _is_quiet("def len(x):\n    x.clear()\ny = len(a)")
