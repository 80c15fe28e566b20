"""Parts of the data, and what is learned before the split."""

from __future__ import annotations

import pytest

from mlint.model.tree import walk
from tests.model.reading import marked, model_of

SPLIT = "from sklearn.model_selection import train_test_split, KFold\n"


@pytest.mark.parametrize(
    ("code", "role"),
    [
        ("a, b = train_test_split(x)\nhere(a)", "train"),
        ("a, b = train_test_split(x)\nhere(b)", "test"),
        ("a, b, c, d = train_test_split(x, y)\nhere(d)", "test"),
        ("a, b = train_test_split(x)\nb = b.fillna(0).values\nhere(b)", "test"),
        ("a, b = train_test_split(x)\nhere(b[cols] / 255)", "test"),
        ("a, b = train_test_split(x)\nif flag:\n    a = b\nhere(a)", None),
        ("import pandas as pd\na, b = train_test_split(x)\nhere(pd.concat([a, b]))", None),
        ("import pandas as pd\nd = pd.read_csv('../input/test.csv')\nhere(d['x'])", "test"),
        ("import pandas as pd\nd = pd.read_csv(folder / 'train_data.csv')\nhere(d.drop('y', axis=1))", "train"),
        ("import pandas as pd\nd = pd.read_csv(f'{folder}/latest.csv')\nhere(d)", None),
        ("import pandas as pd\nd = pd.read_csv('train_test.csv')\nhere(d)", None),
        ("for i, j in KFold(3).split(x):\n    here(x[j])", "test"),
        ("for n, (i, j) in enumerate(KFold(3).split(x)):\n    here(x.iloc[i])", "train"),
        ("def f(p):\n    here(p)\na, b = train_test_split(x)\nf(b)", "test"),
        ("import keras\n(a, b), (c, d) = keras.datasets.mnist.load_data()\nhere(c)", "test"),
        ("X_test = load()\nhere(X_test)", None),
    ],
)
def test_part(code: str, role: str | None) -> None:
    model = model_of(SPLIT + code)
    part = model.splits.part(marked(model))
    assert (None if part is None else part.role) == role


def test_labels_are_told_apart() -> None:
    model = model_of(SPLIT + "a, b, c, d = train_test_split(x, y)\nhere(d)")
    part = model.splits.part(marked(model))
    assert part is not None
    assert part.labels


@pytest.mark.parametrize(
    ("code", "leaks"),
    [
        ("x = sc.fit_transform(x)\na, b = train_test_split(x)", ["sc.fit_transform(x)"]),
        ("sc.fit(x)\nx = sc.transform(x)\na, b = train_test_split(x)", ["sc.fit(x)"]),
        ("df[c] = sc.fit_transform(df[c])\na, b = train_test_split(df.drop('y', axis=1))", ["sc.fit_transform(df[c])"]),
        ("a, b = train_test_split(x)\na = sc.fit_transform(a)", []),
        ("a, b = train_test_split(x)\na = sc.fit_transform(a)\nc, d = train_test_split(a)", []),
        ("z = sc.fit_transform(x)\na, b = train_test_split(x)", []),
        ("x = StandardScaler(with_mean=False).fit(x).transform(x)\na, b = train_test_split(x)", [
            "StandardScaler(with_mean=False).fit(x)"]),
    ],
)  # fmt: skip
def test_leaks(code: str, leaks: list[str]) -> None:
    head = SPLIT + "from sklearn.preprocessing import StandardScaler\nsc = StandardScaler()\nx = load()\ndf = load()\n"
    model = model_of(head + code)
    assert [model.source.segment(call) for call in model.splits.leaks] == leaks
    assert all(leak.split in set(walk(model.module)) for leak in model.splits.leaks.values())
