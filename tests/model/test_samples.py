"""Loops over samples: which batch a batch of one is taken from."""

from __future__ import annotations

import ast

import pytest

from mlint.model.samples.batch import Batches
from mlint.model.samples.loop import around
from tests.model.reading import model_of

GIVEN = (
    "import numpy as np, pandas as pd, torch\n"
    "X = np.random.rand(50, 3)\nY = np.random.rand(50, 3)\nV = np.random.rand(50, 3, 4)\nt = torch.rand(50, 3)\n"
    "df = pd.DataFrame(X, columns=['a', 'b', 'c'])\nrows = df.to_dict('records')\nd = 'cpu'\n"
)


def batch(code: str) -> tuple[str, str | None] | None:
    """What the one argument of ``f`` in a program comes from, and the text of all samples."""
    model = model_of(GIVEN + code)
    call = next(n for n in ast.walk(model.module) if isinstance(n, ast.Call) and ast.unparse(n.func) == "f")
    for loop in around(model, call):
        found = Batches(loop).batch(call.args[0])
        if found is not None:
            return model.source.segment(found.data), found.text
    return None


@pytest.mark.parametrize(
    ("code", "data", "text"),
    [
        ("[f(x[None]) for x in X]", "X", "X"),
        ("[f(x[np.newaxis, :]) for x in X]", "X", "X"),
        ("[f(x.reshape(1, -1)) for x in X]", "X", "X"),
        ("[f(x.reshape((1, 12))) for x in V]", "V", "V.reshape(len(V), 12)"),
        ("[f(np.reshape(x, (1, -1))) for x in V]", "V", "V.reshape(len(V), -1)"),
        ("[f(np.atleast_2d(x)) for x in X]", "X", "X"),
        ("[f(np.array([x])) for x in X]", "X", "X"),
        ("[f([x[:2]]) for x in X]", "X", "X[:, :2]"),
        ("[f([X[i, 1:]]) for i in range(len(X))]", "X", "X[:, 1:]"),
        ("[f(X[i:i + 1]) for i in range(len(X))]", "X", "X"),
        ("[f(X[i:1 + i, :]) for i in range(X.shape[0])]", "X", "X"),
        ("[f(X[[i]]) for i in range(10)]", "X", "X[:10]"),
        ("[f(X[[i]]) for i in range(2, 40)]", "X", "X[2:40]"),
        ("[f(df.iloc[[i]]) for i in range(10)]", "df", "df.iloc[:10]"),
        ("[f(df.iloc[i].values.reshape(1, -1)) for i in range(len(df))]", "df", "df.to_numpy()"),
        ("[f([r[['a', 'b']]]) for _, r in df.iterrows()]", "df", "df[['a', 'b']]"),
        ("[f([[r.a, r['b']]]) for _, r in df.iterrows()]", "df", "df[[\"a\", 'b']].to_numpy()"),
        ("[f([[r.a, r.b]]) for r in df.itertuples()]", "df", 'df[["a", "b"]].to_numpy()'),
        ("[f([x]) for i, x in enumerate(X)]", "X", "X"),
        ("[f([Y[i]]) for i, x in enumerate(X)]", "Y", "Y[:len(X)]"),
        ("[f([y]) for x, y in zip(X, Y)]", "Y", "Y"),
        ("[f(t[i].unsqueeze(0).to(d)) for i in range(t.size(0))]", "t", "t.to(d)"),
        ("[f(torch.unsqueeze(v, dim=0)) for v in t]", "t", "t"),
        ("[f([r]) for r in rows]", "rows", "rows"),
        ("[f(pd.DataFrame([r])) for r in rows]", "rows", "pd.DataFrame(rows)"),
        ("[f([[x[0], y[1]]]) for x, y in zip(X, Y)]", "X", None),
        ("for i in range(len(X)):\n    x = X[i]\n    b = x.reshape(1, -1)\n    f(b)", "X", "X"),
        ("for x in X:\n    x = x[None]\n    f(x)", "X", "X"),
    ],
)
def test_batches_of_one(code: str, data: str, text: str | None) -> None:
    assert batch(code) == (data, text)


@pytest.mark.parametrize(
    "code",
    [
        "[f(x) for x in X]",
        "[f(X[i:i + 2]) for i in range(len(X))]",
        "[f(X[i:i + 1]) for i in range(0, len(X), 4)]",
        "[f(X[i - 1:i]) for i in range(len(X))]",
        "[f(x[None]) for x, m in pairs]",
        "[f(df[[c]]) for c in df]",
        "[f(df[[i]]) for i in range(3)]",
        "[f(x.reshape(2, -1)) for x in X]",
        "[f(x.unsqueeze(1)) for x in t]",
        "[f([x, y]) for x, y in zip(X, Y)]",
        "[f([x * k]) for k, x in enumerate(X)]",
        "for x in X:\n    x = g(x)\n    f([x])",
        "for x in X:\n    if k:\n        x = Y[0]\n    f([x])",
        "x = X[0]\nfor i in range(len(X)):\n    f([x])\n    x = g(x)",
        "[f(v[None]) for m in models for k in m]",
    ],
)
def test_others(code: str) -> None:
    assert batch(code) is None
