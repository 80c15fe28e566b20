"""What ML316 says about the workers of a DataLoader, seen in real workers."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from mlint.registry import load_index, load_rule
from mlint.rule import Example
from tests import proof

pytest.importorskip("torch")

RULE = load_rule(load_index().by_code["ML316"])
RUN = [e for e in RULE.examples if e.bad is not None and e.good is not None and "\nloader = " in "\n" + e.bad]
RUN = [e for e in RUN if not e.targets and "args" not in e.given and "time.time" not in (e.bad or "")]


def drawn(text: str, folder: Path) -> list[tuple[bool, bool]]:
    """For NumPy's, Python's and PyTorch's generator: whether two workers draw the same, and the same in each epoch."""
    code = text + "epochs = [[tuple(map(int, x)) for x in loader] for _ in range(2)]\n"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ((first, second),) = proof.execute(code, ["epochs"], 0, folder, "example.py")
    return [(first[0][g] == first[1][g], first[0][g] == second[0][g]) for g in range(3)]


@pytest.mark.parametrize("example", RUN, ids=map(str, range(len(RUN))))
def test_workers_draw_alike_before_the_fix_and_not_after_it(example: Example, tmp_path: Path) -> None:
    assert example.bad is not None
    assert example.good is not None
    before = drawn(proof.text_of(example, example.bad), tmp_path)
    assert sum(same == (True, True) for same in before) == 1
    assert drawn(proof.text_of(example, example.good), tmp_path) == [(False, False)] * 3


def test_there_is_something_to_run() -> None:
    assert len(RUN) >= 5
