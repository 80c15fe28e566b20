"""Expressions of a row, said of whole columns."""

from __future__ import annotations

import pytest

from mlint.model.columns import Columns, NotColumnar, column_name, reader
from tests.model.reading import marked, model_of

HEAD = "import math\nimport numpy as np\nimport pandas as pd\n"


def _lifted(code: str) -> str | None:
    model = model_of(f"{HEAD}here({code})")
    node = marked(model)
    columns = Columns(model, node, reader(model.source, "r", "df"), frozenset({"r", "i"}))
    try:
        return columns.lift(node).text
    except NotColumnar:
        return None


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ('r["a"] * (r["b"] + k)', 'df["a"] * (df["b"] + k)'),
        ("r['a'] - (r['b'] - 1)", "df['a'] - (df['b'] - 1)"),
        ("-r['a'] ** 2", "-df['a'] ** 2"),
        ("(-r['a']) ** 2", "(-df['a']) ** 2"),
        ("r['a'] > 1 or r['b'] in ('x', 'y')", "(df['a'] > 1) | df['b'].isin(['x', 'y'])"),
        ("r['a'] not in [1]", "~df['a'].isin([1])"),
        ("not (r['a'] == 1 and r['b'] == 2)", "~((df['a'] == 1) & (df['b'] == 2))"),
        ("1 if r['a'] > 0 else 2", "np.where(df['a'] > 0, 1, 2)"),
        ("math.log(r['a']) + np.exp(r['b'])", "np.log(df['a']) + np.exp(df['b'])"),
        ("math.floor(r['a'])", "np.floor(df['a']).astype(int)"),
        ("int(r['a'] / 10) * 10", "(df['a'] / 10).astype(int) * 10"),
        ("len(r['s'].strip())", "df['s'].str.strip().str.len()"),
        ("r['s'].replace('.', '')", "df['s'].str.replace('.', '', regex=False)"),
        ("pd.isnull(r['a'])", "pd.isnull(df['a'])"),
        ("r['a'] if r['b'] else 0", None),
        ("f\"{r['a']}\"", None),
        ("'%s' % r['a']", None),
        ("table[r['a']]", None),
        ("compute(r['a'])", None),
        ("r['a'] is None", None),
        ("r['a'] + i", None),
        ("1 if r['a'] > 0 else 'none'", None),
        ("r['a'] in r['b']", None),
    ],
)
def test_lift(row: str, column: str | None) -> None:
    assert _lifted(row) == column


@pytest.mark.parametrize(
    ("code", "reads"),
    [("r['a']", True), ("r.price", True), ("r.index", False), ("r.sum", False), ("r[0]", False), ("q['a']", False)],
)
def test_column_name(code: str, reads: bool) -> None:
    assert column_name(marked(model_of(f"here({code})")), "r") is reads
