"""What ML305 says about shared RandomState objects, seen in real fits: the order of the fits decides, or does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlint.fixer import fix_source
from mlint.registry import load_index
from mlint.rule import Example
from tests import proof

pytest.importorskip("sklearn")

GIVEN = (
    "import numpy as np\nfrom sklearn.cluster import KMeans\nfrom sklearn.ensemble import RandomForestClassifier\n"
    "from sklearn.model_selection import KFold\n\n"
    "X = np.random.RandomState(0).rand(60, 3)\ny = (X[:, 0] + X[:, 1] > 1).astype(int)\n\n"
)
SHARED = (
    "def run(order):\n    rng = np.random.RandomState(0)\n"
    "    models = [\n        RandomForestClassifier(5, random_state=rng),\n"
    "        KMeans(5, n_init=1, random_state=rng),\n    ]\n    for i in order:\n        models[i].fit(X, y)\n"
    "    return models[0].predict_proba(X).tolist(), models[1].cluster_centers_.tolist()\n"
)
FOLDS = (
    "def run():\n    folds = KFold(3, shuffle=True, random_state=np.random.RandomState(0))\n"
    "    a = [test.tolist() for _, test in folds.split(X)]\n"
    "    b = [test.tolist() for _, test in folds.split(X)]\n    return a == b\n"
)


def fixed(body: str, folder: Path) -> tuple[str, str]:
    example = Example(given=GIVEN, bad=body, good=body)
    index = load_index()
    check = proof.checker(index, index.by_code["ML305"], example, folder)
    outcome = fix_source(proof.source_of(example, body, folder), check, lambda _: True)
    assert not outcome.failures
    return proof.text_of(example, body), outcome.source.text


def test_models_no_longer_depend_on_the_order_of_the_fits(tmp_path: Path) -> None:
    before, after = fixed(SHARED, tmp_path)
    question = ["run([0, 1]) == run([1, 0])"]
    assert proof.execute(before, question, 0, tmp_path, "example.py") == [False]
    assert proof.execute(after, question, 0, tmp_path, "example.py") == [True]


def test_folds_are_the_same_in_each_use(tmp_path: Path) -> None:
    before, after = fixed(FOLDS, tmp_path)
    assert proof.execute(before, ["run()"], 0, tmp_path, "example.py") == [False]
    assert proof.execute(after, ["run()"], 0, tmp_path, "example.py") == [True]
