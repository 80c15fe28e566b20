"""Pointwise expressions of samples said of whole tensors, and repetitions that broadcasting does without."""

from __future__ import annotations

import ast

import pytest

from mlint.model.loops.described import NotElementwise
from mlint.model.loops.pointwise import filled, lift_pointwise
from mlint.model.loops.stretched import repetition, unit_dimensions
from mlint.model.samples.batch import Batches
from mlint.model.samples.loop import around
from tests.model.reading import marked, model_of

GIVEN = (
    "import torch\nimport numpy as np\nimport torch.nn.functional as F\n"
    "x = torch.randn(50, 6)\ny = torch.randn(50, 6)\nv = torch.randn(50)\nw = torch.randn(6)\nW = torch.randn(50, 6)\n"
    "X = np.random.rand(50, 6)\nc = np.random.rand(6)\n"
)


def _lifted(code: str) -> tuple[list[str], bool] | None:
    """The texts that take the place of the samples, and whether nothing is in doubt."""
    model = model_of(GIVEN + code)
    node = marked(model)
    loop = next(iter(around(model, node)))
    try:
        found = lift_pointwise(Batches(loop), node)
    except NotElementwise:
        return None
    return list(found.replacements.values()), not found.doubts


@pytest.mark.parametrize(
    ("code", "texts", "sure"),
    [
        ("[here(r * 2 - w) for r in x]", ["x"], True),
        ("[here(F.relu(x[i]) + y[i]) for i in range(len(x))]", ["x", "y[:len(x)]"], True),
        ("[here((a > b).float() * 2) for a, b in zip(x, y)]", ["x", "y"], True),
        ("[here(r ** 2) for r in x]", ["x"], True),
        ("[here(r ** 3) for r in x]", ["x"], False),
        ("[here(torch.exp(r)) for r in x]", ["x"], False),
        ("[here(s * 2) for s in v]", ["v"], True),
        ("[here(x[i] * 2) for i in range(10)]", ["x[:10]"], True),
    ],
)
def test_pointwise(code: str, texts: list[str], sure: bool) -> None:
    assert _lifted(code) == (texts, sure)


@pytest.mark.parametrize(
    "code",
    [
        "[here(r.sum()) for r in x]",
        "[here(r @ w) for r in x]",
        "[here(r * W) for r in x]",
        "[here(r * u) for r in x]",
        "[here(s * w) for s in v]",
        "[here(a * b) for a, b in zip(x, v)]",
        "[here(r * i) for i, r in enumerate(x)]",
        "[here(r + torch.rand(6)) for r in x]",
        "[here(F.dropout(r)) for r in x]",
        "[here(r.add_(1)) for r in x]",
        "[here(torch.add(r, 1, out=y)) for r in x]",
        "[here(x[i] - x[i - 1]) for i in range(len(x))]",
        "[here(r * 2) for r in X]",
        "[here(1.0) for r in x]",
    ],
)
def test_no_pointwise_expression(code: str) -> None:
    assert _lifted(code) is None


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ("torch.zeros(3, 4)", True),
        ("torch.randn((5, 2))", True),
        ("torch.randint(9, (5,))", True),
        ("torch.zeros(0, 4)", False),
        ("torch.zeros(n, 4)", False),
        ("torch.rand(3, 4).t()", False),
        ("torch.load('x')", False),
    ],
)
def test_filled(made: str, expected: bool) -> None:
    model = model_of(f"{GIVEN}t = {made}\n[here(r * 2) for r in t]")
    loop = next(iter(around(model, marked(model))))
    name = next(n for n in ast.walk(model.module) if isinstance(n, ast.Name) and n.id == "t" and n.lineno > 11)
    assert filled(Batches(loop), name) is expected


@pytest.mark.parametrize(
    ("code", "units"),
    [
        ("c[:, None]", (False, True)),
        ("c[None]", (True, False)),
        ("X[:, np.newaxis, :]", (False, True, False)),
        ("c.reshape(-1, 1)", (False, True)),
        ("np.expand_dims(X, -1)", (False, False, True)),
        ("w.unsqueeze(0)", (True, False)),
        ("X.mean(axis=1, keepdims=True)", (False, True)),
        ("X", (False, False)),
        ("unknown[:, None]", None),
    ],
)
def test_dimensions_of_size_one(code: str, units: tuple[bool, ...] | None) -> None:
    model = model_of(f"{GIVEN}here({code})")
    assert unit_dimensions(model, marked(model)) == units


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ("np.tile(c, (n, 1))", ["n", None]),
        ("np.tile(c[:, None], (1, 4))", [None, "4"]),
        ("np.repeat(c[None], n, axis=0)", ["n", None]),
        ("w.repeat(n, 1)", ["n", None]),
        ("w.unsqueeze(1).repeat_interleave(3, dim=1)", [None, "3"]),
        ("np.tile(c, 3)", None),
        ("np.tile(X, (2, 1))", None),
        ("np.repeat(c, 3)", None),
        ("X.repeat(2)", None),
        ("np.tile(u, (n, 1))", None),
        ("u.repeat(n, 1)", None),
    ],
)
def test_repetition(code: str, counts: list[str | None] | None) -> None:
    model = model_of(f"{GIVEN}here({code})")
    call = marked(model)
    assert isinstance(call, ast.Call)
    found = repetition(model, call)
    assert (None if found is None else [n if n is None else ast.unparse(n) for n in found.counts]) == counts
