"""What the fixes for keys of JAX are for, seen in what is drawn: the same numbers before, others after."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlint.fixer import fix_source
from mlint.registry import load_index
from mlint.rule import Example
from tests import proof

pytest.importorskip("jax")

DRAWN = {
    "two samplers": (
        "ML312",
        ("def drawn(key):\n    a = jax.random.normal(key)\n    b = jax.random.normal(key)\n    return [a, b]\n"),
    ),
    "a sampler in a loop": (
        "ML312",
        ("def drawn(key):\n    return [jax.random.normal(key) for i in range(3)]\n"),
    ),
    "a sampler over a list": (
        "ML312",
        (
            "def drawn(key):\n    out = []\n    for x in 'ab':\n        out += [jax.random.normal(key)]\n"
            "    return out\n"
        ),
    ),
    "passed on and used again": (
        "ML312",
        (
            "def one(k):\n    return jax.random.normal(k)\n\n\n"
            "def drawn(key):\n    a = one(key)\n    b = jax.random.normal(key)\n    return [a, b]\n"
        ),
    ),
    "the other part is dropped": (
        "ML313",
        (
            "def drawn(key):\n    out = []\n    for i in range(3):\n        _, sub = jax.random.split(key)\n"
            "        out.append(jax.random.normal(sub))\n    return out\n"
        ),
    ),
    "one part is taken": (
        "ML313",
        (
            "def drawn(key):\n    out = []\n    for i in range(3):\n        sub = jax.random.split(key)[1]\n"
            "        out.append(jax.random.normal(sub))\n    return out\n"
        ),
    ),
    "both parts are taken": (
        "ML313",
        (
            "def drawn(key):\n    out = []\n    for i in range(3):\n        a, b = jax.random.split(key)\n"
            "        out += [jax.random.normal(a), jax.random.normal(b)]\n    return out\n"
        ),
    ),
    "many parts are taken": (
        "ML313",
        (
            "def drawn(key):\n    out = []\n    for i in range(3):\n        keys = jax.random.split(key, 4)\n"
            "        out += [jax.random.normal(k) for k in keys]\n    return out\n"
        ),
    ),
    "the split is dropped": (
        "ML313",
        (
            "def drawn(key):\n    out = [jax.random.normal(jax.random.fold_in(key, 0))]\n    jax.random.split(key)\n"
            "    return [*out, jax.random.normal(jax.random.fold_in(key, 0))]\n"
        ),
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_what_was_drawn_twice_is_drawn_once(name: str, tmp_path: Path) -> None:
    code, body = DRAWN[name]
    example = Example(given="import jax\n", bad=body, good=body)
    index = load_index()
    check = proof.checker(index, index.by_code[code], example, tmp_path)
    outcome = fix_source(proof.source_of(example, body, tmp_path), check, lambda _: True)
    assert not outcome.failures
    wanted = ["[float(x) for x in drawn(jax.random.key(mlint_seed))]"]
    for seed in proof.SEEDS:
        (before,) = proof.execute(proof.text_of(example, body), wanted, seed, tmp_path, "example.py")
        (after,) = proof.execute(outcome.source.text, wanted, seed, tmp_path, "example.py")
        assert len(set(before)) < len(before)
        assert len(set(after)) == len(after) == len(before)
