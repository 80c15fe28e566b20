"""Loops over the rows of frames."""

from __future__ import annotations

import ast

import pytest

from mlint.model import rowloop
from mlint.model.tree import walk
from tests.model.reading import model_of

HEAD = "import pandas as pd\ndf = pd.read_csv('d.csv')\n"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("for i, r in df.iterrows():\n    pass", ("iterrows", "i", "r", False)),
        ("for n, (i, r) in enumerate(df.iterrows()):\n    pass", ("iterrows", "i", "r", True)),
        ("for t in df.itertuples():\n    pass", ("itertuples", None, "t", False)),
        ("for i in range(len(df)):\n    pass", ("range", "i", None, False)),
        ("for i in range(df.shape[0]):\n    pass", ("range", "i", None, False)),
        ("for i in range(0, len(df)):\n    pass", ("range", "i", None, False)),
        ("for i in range(1, len(df)):\n    pass", None),
        ("x = [r['a'] for _, r in df.iterrows()]", ("iterrows", "_", "r", False)),
        ("for i in range(len(names)):\n    pass", None),
        ("rows = df.iterrows()", None),
        ("for r in df.iterrows():\n    pass", None),
    ],
)
def test_find(code: str, found: tuple[str, str | None, str | None, bool] | None) -> None:
    model = model_of(HEAD + code)
    calls = [node for node in walk(model.module) if isinstance(node, ast.Call)]
    loops = [loop for loop in (rowloop.find_row_loop(call, model) for call in calls) if loop is not None]
    assert [(loop.how, loop.label, loop.row, loop.wrapped) for loop in loops] == ([] if found is None else [found])


@pytest.mark.parametrize(
    ("code", "column"),
    [
        ("df.loc[i, 'a']", "a"),
        ("df.at[i, 'a']", "a"),
        ("df['a'][i]", "a"),
        ("df['a'].iloc[i]", "a"),
        ("df['a'].values[i]", "a"),
        ("df.iloc[i]['a']", "a"),
        ("df.loc[i + 1, 'a']", None),
        ("df['a'][j]", None),
        ("other['a'][i]", None),
        ("df.loc[i, k]", None),
    ],
)
def test_cell(code: str, column: str | None) -> None:
    node = ast.parse(code, mode="eval").body
    found = rowloop.cell(node, "i", ast.dump(ast.parse("df", mode="eval").body))
    assert (None if found is None else ast.literal_eval(found)) == column
