"""Polars.

By hand: methods that are decorated in the library's source, so that the tables cannot tell what they give.
"""

from __future__ import annotations

from mlint.model.libraries import returning

_ROWS_AND_COLUMNS = "drop drop_nulls fill_null filter head limit rename select sort tail with_columns"

METHODS: dict[str, dict[str, str]] = {
    "polars.DataFrame": {
        **returning("polars.DataFrame", _ROWS_AND_COLUMNS),
        **returning("polars.DataFrame", "clone join unique vstack with_row_index"),
    },
    "polars.LazyFrame": {**returning("polars.LazyFrame", _ROWS_AND_COLUMNS), "unique": "polars.LazyFrame"},
    "polars.Expr": returning(
        "polars.Expr",
        "abs alias cast count fill_null filter first is_in is_not_null is_null last len max mean median min n_unique "
        "over round shift sort std sum var",
    ),
}
