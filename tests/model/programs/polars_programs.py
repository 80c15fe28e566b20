"""Polars as tutorials write it."""

from __future__ import annotations

import polars as pl


def _frame() -> pl.DataFrame:
    return pl.DataFrame({"name": ["a", "b", "a", "c"], "x": [1.0, 2.0, 3.0, None], "n": [1, 2, 3, 4]})


def expressions():
    df = _frame()
    out = df.with_columns(
        (pl.col("x") * 2).alias("double"), pl.when(pl.col("n") > 2).then(1).otherwise(0).alias("flag")
    )
    filtered = out.filter(pl.col("double").is_not_null() & (pl.col("n") < 4))
    means = filtered.group_by("name").agg(pl.col("x").mean(), pl.len().alias("count")).sort("name")
    series = means["x"]
    total = series.sum()
    array = filtered.select("x", "n").to_numpy()
    return total, array.mean(axis=0), means.shape


def lazily():
    lazy = _frame().lazy().filter(pl.col("x") > 1).select(pl.all().exclude("name"))
    result = lazy.collect()
    joined = result.join(_frame(), on="n", how="left")
    rows = [row for row in joined.iter_rows(named=True)]
    filled = joined.fill_null(0).with_row_index()
    top = filled.head(1)
    pandas_like = top.get_column("x").to_list()
    return rows, pandas_like
