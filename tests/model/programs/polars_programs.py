"""Polars as tutorials write it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
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


def _people() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "name": ["Ann", "Bob", "Cid", "Dee", "Eve"],
            "born": ["1990-01-02", "1985-05-06", "1990-07-08", "2001-09-10", "1985-11-12"],
            "city": ["x", "y", "x", None, "y"],
            "height": [1.6, 1.7, None, 1.8, 1.65],
        }
    )


def plans():
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "people.csv"
        _people().write_csv(path)
        plan = pl.scan_csv(path, try_parse_dates=True)
        by_city = (
            plan.filter(pl.col("city").is_not_null())
            .with_columns(year=pl.col("born").dt.year(), tall=pl.col("height") > 1.65)
            .group_by("city")
            .agg(
                pl.col("height").mean().alias("mean_height"),
                pl.col("name").sort_by("height", descending=True).first().alias("tallest"),
                pl.len(),
            )
            .sort("mean_height", descending=True)
        )
        names = by_city.collect_schema().names()
        wide = by_city.join(plan.group_by("city").agg(pl.max("born")), on="city", how="left")
        eager = wide.collect()
        streamed = wide.select("city", "len").collect(engine="streaming")
        both = pl.collect_all([by_city, wide])
        head = plan.head(2).collect()
        again = pl.read_csv(path)
        table = Path(place) / "people.parquet"
        again.write_parquet(table)
        columns = pl.read_parquet(table, columns=["name", "height"])
        counted = pl.scan_parquet(table).select(pl.len()).collect().item()
        both_plans = pl.concat([plan.select("name"), pl.scan_parquet(table).select("name")])
        total = both_plans.collect().height
        return names, eager.shape, streamed, both[0].columns, head, columns.to_dicts(), counted, total


def conditions():
    df = _people()
    out = df.with_columns(
        pl.when(pl.col("height") > 1.7)
        .then(pl.lit("tall"))
        .when(pl.col("height").is_null())
        .then(pl.lit("unknown"))
        .otherwise(pl.lit("short"))
        .alias("size"),
        pl.col("name").str.to_uppercase().alias("upper"),
        pl.col("name").str.contains("e").alias("has_e"),
        pl.col("born").str.to_date().alias("date"),
        pl.concat_str([pl.col("name"), pl.col("born")], separator=" ").alias("label"),
        pl.coalesce("city", pl.lit("?")).alias("place"),
        ~pl.col("height").is_null(),
    )
    rank = out.with_columns(
        (pl.col("height") - pl.col("height").mean().over("place")).round(2).alias("difference"),
        pl.col("height").rank("dense").alias("rank"),
        pl.col("height").fill_null(strategy="forward").cum_sum().alias("sums"),
        pl.col("date").dt.month().cast(pl.Int8),
        -pl.col("rank") if "rank" in out.columns else pl.lit(0).alias("zero"),
    )
    chosen = rank.filter((pl.col("height") > 1) | pl.col("has_e")).select(pl.exclude("label"))
    numbers = chosen.select(pl.col(pl.Float64), pl.selectors.integer())
    sums = numbers.select(pl.all().sum())
    return sums.row(0), chosen.describe().shape


def series():
    df = _people()
    heights = df["height"].fill_null(0.0)
    scaled = (heights - heights.mean()) / heights.std()
    mask = scaled > 0
    tall = df.filter(mask)
    some = heights.filter(mask)
    lengths = df["name"].str.len_chars()
    unique = df["city"].drop_nulls().unique().sort()
    squares = heights**2
    joined = pl.concat([heights, squares])
    array = joined.to_numpy()
    listed = unique.to_list()
    top = heights.sort(descending=True).head(2)
    counts = df["city"].value_counts()
    mapped = heights.map_elements(lambda value: value * 2, return_dtype=pl.Float64)
    renamed = mapped.alias("twice")
    frame = renamed.to_frame()
    made = pl.Series("numbers", [1, 2, 3])
    cast = made.cast(pl.Float32)
    both = cast + made
    first = both[0]
    rest = both[1:]
    return tall.height, some.sum(), lengths.max(), array.max(), listed, top.len(), counts.shape, frame.width, first, rest


def frames():
    df = _people()
    one = df.select("name", "height")
    part = df[["name", "city"]]
    rows = df[1:3]
    column = df[:, "name"]
    dropped = df.drop("born").drop_nulls()
    renamed = dropped.rename({"city": "place"})
    unique = renamed.unique(subset=["place"], keep="first", maintain_order=True)
    stacked = pl.concat([part, part], how="vertical")
    side = pl.concat([one, part.select("city")], how="horizontal")
    long = df.unpivot(index="name", on=["height"])
    wide = long.pivot(on="variable", index="name", values="value")
    exploded = df.group_by("city", maintain_order=True).agg(pl.col("name")).explode("name")
    groups = {name: group.height for name, group in df.group_by("city")}
    sizes = [part.height for part in df.partition_by("city")]
    sampled = df.sample(2, seed=0)
    sorted_ = df.sort("height", nulls_last=True)
    filled = sorted_.fill_null(0)
    casted = filled.select(pl.col("height").cast(pl.Float32))
    nulls = df.null_count()
    correlations = df.select(pl.corr("height", "height"))
    made = pl.from_dicts([{"a": 1, "b": 2}, {"a": 3, "b": 4}])
    other = pl.from_dict({"a": [1, 2]})
    matrix = pl.from_numpy(np.zeros((2, 2)), schema=["u", "v"])
    torn = matrix.to_numpy().sum()
    counted = len(df)
    mean = df.mean()
    names = df.columns
    schema = df.schema
    dtypes = df.dtypes
    last = df.tail(1).get_column("name").item()
    return rows, column, unique, stacked, side, wide, exploded, groups, sizes, sampled, casted, nulls, correlations, (
        made, other, torn, counted, mean, names, schema, dtypes, last,
    )  # fmt: skip


def windows():
    hours = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 2), "1h", eager=True).alias("time")
    df = pl.DataFrame({"time": hours, "value": np.arange(25.0)})
    daily = df.group_by_dynamic("time", every="6h").agg(pl.col("value").mean())
    rolling = df.rolling("time", period="3h").agg(pl.sum("value").alias("sum"))
    shifted = df.with_columns(pl.col("value").shift(1).alias("before"), pl.col("value").diff().alias("step"))
    moving = shifted.select(pl.col("value").rolling_mean(window_size=3), pl.col("step").clip(0, 1))
    joined = df.join_asof(rolling, on="time", strategy="backward")
    lazy = df.lazy()
    summed = lazy.select(pl.col("value").sum()).collect().item()
    cached = lazy.with_row_index().slice(2, 5).collect()
    piped = df.pipe(lambda frame: frame.head(3))
    ids = pl.int_range(0, 5, eager=True)
    number = pl.arange(0, pl.len())
    spans = df.select(number.alias("n"), pl.struct("time", "value").alias("both"))
    pair = spans["both"].struct.field("value")
    return daily, moving, joined, summed, cached, piped, ids.sum(), pair.mean()
