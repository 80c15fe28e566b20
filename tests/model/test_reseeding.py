"""Global random number generators that are started anew."""

from __future__ import annotations

import ast

import pytest

from mlint.model.reseeding import constant_seed, is_undone, repeated_draw
from mlint.model.tree import walk
from tests.model.reading import marked, model_of

IMPORTS = "import random\nimport numpy as np\nimport torch\nfrom settings import RATE\nSEED = 7\nLATE = 1\nLATE = 2\n"


@pytest.mark.parametrize(
    ("call", "constant"),
    [
        ("torch.manual_seed(0)", True),
        ("torch.manual_seed(seed=0)", True),
        ("np.random.seed(SEED)", True),
        ("random.seed('abc')", True),
        ("random.seed()", False),
        ("random.seed(None)", False),
        ("np.random.seed(LATE)", False),
        ("np.random.seed(RATE)", False),
        ("torch.manual_seed(SEED + rank)", False),
        ("torch.Generator().manual_seed(0)", False),
        ("np.random.default_rng(0)", False),
    ],
)
def test_constant_seeds(call: str, constant: bool) -> None:
    model = model_of(f"{IMPORTS}here({call})\n")
    node = marked(model)
    assert isinstance(node, ast.Call)
    assert constant_seed(model, node) is constant


@pytest.mark.parametrize(
    ("code", "undone"),
    [
        ("def f():\n    here(0)", False),
        ("def f():\n    with torch.random.fork_rng():\n        here(0)", True),
        ("def f():\n    with open('a') as g:\n        here(0)", False),
        ("@keeps_rng_state\ndef f():\n    here(0)", True),
        ("@cache\ndef f():\n    here(0)", False),
        ("def f():\n    s = np.random.get_state()\n    here(0)\n    np.random.set_state(s)", True),
        ("def f():\n    s = tool.get_rng_state()\n    here(0)", True),
    ],
)
def test_states_that_are_kept(code: str, undone: bool) -> None:
    model = model_of(f"{IMPORTS}{code}\n")
    assert is_undone(model, marked(model)) is undone


@pytest.mark.parametrize(
    ("body", "repeated"),
    [
        ("np.random.seed(0)\n    xs.append(np.random.rand(3))", True),
        ("np.random.seed(0)\n    x = np.random.rand(3)\n    xs.append(x)", True),
        ("np.random.seed(0)\n    out[i] = np.random.rand(3)", True),
        ("np.random.seed(0)\n    print(i)\n    xs.append(np.random.rand(3))", True),
        ("np.random.seed(0)\n    xs.append(np.random.rand(i))", False),
        ("np.random.seed(0)\n    y = i * 2\n    xs.append(np.random.rand(3) + y)", False),
        ("np.random.seed(0)\n    xs.append(torch.rand(3))", False),
        ("xs.append(np.random.rand(3))\n    np.random.seed(0)", False),
        ("if i == 0:\n        np.random.seed(0)\n    xs.append(np.random.rand(3))", False),
        ("np.random.seed(0)\n    x = np.random.rand(3)\n    print(x)", False),
    ],
)
def test_draws_that_are_the_same_in_every_round(body: str, repeated: bool) -> None:
    model = model_of(f"{IMPORTS}xs = []\nfor i in range(3):\n    {body}\n")
    call = next(
        node
        for node in walk(model.module)
        if isinstance(node, ast.Call) and model.names.dotted(node.func) == "numpy.random.seed"
    )
    loop = next(node for node in walk(model.module) if isinstance(node, ast.For))
    assert (repeated_draw(model, call, loop) is not None) is repeated
