from __future__ import annotations

import ast
import textwrap

import pytest

from mlint.model.tree import walk
from tests.model.reading import model_of

HEAD = "import jax\nfrom jax import random as jr\n"


def reused(body: str) -> list[str]:
    code = HEAD + "def f(key, xs, flag, other):\n" + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    model = model_of(code)
    calls = [node for node in walk(model.module) if isinstance(node, ast.Call)]
    found = [model.jax_keys.reuse(call) for call in calls]
    return [ast.unparse(reuse.call) for reuse in found if reuse is not None]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("a = jr.normal(key)\nb = jr.uniform(key)", ["jr.uniform(key)"]),
        ("a = jax.random.normal(key)\nk1, k2 = jax.random.split(key)", ["jax.random.split(key)"]),
        ("k, _ = jr.split(key)\nk, s = jr.split(key)", ["jr.split(key)"]),
        ("for x in xs:\n    jr.normal(key)", ["jr.normal(key)"]),
        ("while flag:\n    jr.normal(key)", ["jr.normal(key)"]),
        ("return [jr.normal(key) for x in xs]", ["jr.normal(key)"]),
        ("k = key\njr.normal(k)\njr.uniform(key)", ["jr.uniform(key)"]),
        ("ks = jr.split(key)\njr.normal(ks[0])\njr.bits(ks[0])", ["jr.bits(ks[0])"]),
        ("if flag:\n    jr.normal(key)\njr.bits(key)", ["jr.bits(key)"]),
        ("if flag:\n    key = jr.fold_in(key, 1)\njr.normal(key)\njr.bits(key)", ["jr.bits(key)"]),
        ("for x in xs:\n    jr.normal(key)\n    if x:\n        break", ["jr.normal(key)"]),
        ("return jr.normal(key=key) + jr.uniform(key)", ["jr.uniform(key)"]),
        ("with other:\n    jr.normal(key)\ntry:\n    jr.bits(key)\nfinally:\n    pass", ["jr.bits(key)"]),
        ("for key in xs:\n    jr.normal(key)\njr.bits(key)", ["jr.bits(key)"]),
    ],
)
def test_reused(body: str, expected: list[str]) -> None:
    assert reused(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        "key, s = jr.split(key)\njr.normal(s)\njr.bits(key)",
        "if flag:\n    jr.normal(key)\nelse:\n    jr.uniform(key)",
        "return jr.normal(key) if flag else jr.bits(key)",
        "if flag:\n    return jr.normal(key)\nreturn jr.bits(key)",
        "if flag:\n    jr.normal(key)\nif not flag:\n    jr.bits(key)",
        "for x in xs:\n    key, s = jr.split(key)\n    jr.normal(s)",
        "for i in range(3):\n    k = jr.fold_in(key, i)\n    jr.normal(k)",
        "for k in jr.split(key, 4):\n    jr.normal(k)",
        "return [jr.normal(k) for k in jr.split(key, 4)]",
        "for x in xs:\n    if x:\n        jr.normal(key)\n        break",
        "for x in xs:\n    if x:\n        return jr.normal(key)",
        "while True:\n    jr.normal(key)\n    break",
        "ks = jr.split(key, 3)\njr.normal(ks[0])\njr.bits(ks[1])",
        "ks = jr.split(key, 3)\nfor i in range(3):\n    jr.normal(ks[i])",
        "def g(key):\n    return jr.normal(key)\nreturn jr.normal(key)",
        "g = lambda key: jr.normal(key)\nreturn jr.normal(key)",
        "jr.normal(key)\nkey = other()\njr.normal(key)",
        "jr.normal(key)\n(key, a), b = other()\njr.normal(key)",
        "a = jr.fold_in(key, 0)\nb = jr.fold_in(key, 1)\njr.normal(a)\njr.normal(b)",
        "try:\n    return jr.normal(key)\nexcept ValueError:\n    raise\n",
        "for x in xs:\n    if x == 3:\n        jr.normal(key)",
        "match flag:\n    case 1:\n        jr.normal(key)\n    case 2:\n        jr.bits(key)",
    ],
)
def test_used_once(body: str) -> None:
    assert reused(body) == []


def test_attribute_of_self() -> None:
    code = HEAD + textwrap.dedent(
        """
        class A:
            def __init__(self, key):
                self.key = key
            def draw(self):
                return jr.normal(self.key), jr.bits(self.key)
            def fresh(self):
                a = jr.normal(self.key)
                self.advance()
                return a, jr.bits(self.key)
            def split(self):
                self.key, s = jr.split(self.key)
                return jr.normal(s), jr.split(self.key)
        """
    )
    model = model_of(code)
    found = [model.jax_keys.reuse(node) for node in walk(model.module) if isinstance(node, ast.Call)]
    assert [reuse.call.lineno for reuse in found if reuse is not None] == [8]
