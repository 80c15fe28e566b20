"""Whether the results of a pool of workers are waited for."""

from __future__ import annotations

import ast

import pytest

from mlint.model.file import FileModel
from mlint.model.pools import waited_for
from mlint.model.tree import walk
from tests.model.reading import model_of

IMPORTS = "from concurrent.futures import as_completed, wait\nfrom tqdm import tqdm\nimport numpy as np\n"


def asking(model: FileModel) -> ast.Call:
    """The first call of a method of ``pool``."""
    for node in walk(model.module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if isinstance(node.func.value, ast.Name) and node.func.value.id == "pool":
                return node
    raise AssertionError("no call of a method of the pool")


@pytest.mark.parametrize(
    ("code", "executor", "waits"),
    [
        ("ys = pool.map(f, xs)", False, True),
        ("ys = pool.map(f, xs)", True, False),
        ("ys = list(pool.map(f, xs))", True, True),
        ("ys = np.array(list(tqdm(pool.imap(f, xs))))", False, True),
        ("for y in pool.imap(f, xs):\n    print(y)", False, True),
        ("for y in pool.imap(f, xs):\n    if y:\n        break", False, False),
        ("for y in pool.imap(f, xs):\n    for z in y:\n        break", False, True),
        ("ys = [g(y) for y in pool.map(f, xs)]", True, True),
        ("ys = [y for y in pool.map(f, xs) if y]", True, False),
        ("a, b = zip(*pool.map(f, xs))", True, True),
        ("pool.submit(f, 1)", True, False),
        ("y = pool.submit(f, 1).result()", True, True),
        ("r = pool.apply_async(f)\ny = r.get()", False, True),
        ("r = pool.apply_async(f)\nif late:\n    y = r.get()", False, False),
        ("fs = [pool.submit(f, x) for x in xs]\nys = [g.result() for g in fs]", True, True),
        ("fs = [pool.submit(f, x) for x in xs]\nys = list(fs)", True, False),
        ("fs = [pool.submit(f, x) for x in xs]\nys = [g for g in fs]", True, False),
        ("fs = [pool.submit(f, x) for x in xs]\nwait(fs)", True, True),
        ("fs = [pool.submit(f, x) for x in xs]\nwait(fs, timeout=1)", True, False),
        ("fs = [pool.submit(f, x) for x in xs]\nfor g in as_completed(fs):\n    pass", True, True),
        ("fs = [pool.submit(f, x) for x in xs]\nfs[0].result()", True, False),
        ("fs = {pool.submit(f, x): x for x in xs}\nfor g in tqdm(as_completed(fs)):\n    print(g)", True, True),
        ("fs = []\nfor x in xs:\n    fs.append(pool.submit(f, x))\nfor g in fs:\n    print(g.result())", True, True),
        ("its = [pool.map(f, x) for x in xs]\nfor it in its:\n    print(it)", True, False),
    ],
)
def test_waiting(code: str, executor: bool, waits: bool) -> None:
    model = model_of(IMPORTS + code + "\n")
    assert (waited_for(model, asking(model), executor=executor) is not None) is waits
