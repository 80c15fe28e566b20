from __future__ import annotations

import ast

import pytest

from mlint.model.tree import walk
from tests.model.reading import marked, model_of


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("a = here(f())[1:]", None),
        ("a = list(x)\nhere(a)\nb = a[3:]", None),
    ],
)
def test_only_the_expression_itself(code: str, expected: str | None) -> None:
    model = model_of(code)
    assert model.order.use(marked(model)) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import os\ndef f(d):\n    return os.listdir(d)[:3]", "cut"),
        ("import os\ndef f(d):\n    return os.listdir(d)[0]", None),
        ("import os\ndef f(d):\n    x = list(os.listdir(d))\n    return x[3:]", "cut"),
        ("import os\ndef f(d):\n    x = os.listdir(d)\n    x.sort()\n    return x[3:]", None),
        ("import os\ndef f(d):\n    x = os.listdir(d)\n    x = sorted(x)\n    return x[3:]", None),
        ("import os\ndef f(d):\n    x = os.listdir(d)\n    x = other(d)\n    return x[3:]", None),
        ("import os\nd = {n: i for i, n in enumerate(os.listdir())}", "numbered"),
        ("import os\nd = {n: 1 for _, n in enumerate(os.listdir())}", None),
        ("import os, random\nrandom.seed(0)\nx = os.listdir()\nrandom.shuffle(x)", "drawn"),
        ("import os, random\nx = os.listdir()\nrandom.shuffle(x)", None),
        ("import os, random\ndef f():\n    x = os.listdir()\n    random.shuffle(x)\n    return x", "drawn"),
        (
            "import os\nfrom sklearn.utils import shuffle\nx = os.listdir()\ny = shuffle(x, random_state=0)",
            "drawn",
        ),
        ("import os\nx = os.listdir()\ny = zip(x, os.listdir('b'))", "paired"),
        ("import os\nx = os.listdir()\ny = zip(x, map(len, x))", None),
        ("import os\nn = len(os.listdir())", None),
    ],
)
def test_use(code: str, expected: str | None) -> None:
    model = model_of(code)
    call = next(n for n in walk(model.module) if isinstance(n, ast.Call) and ast.unparse(n.func) == "os.listdir")
    assert model.order.use(call) == expected
