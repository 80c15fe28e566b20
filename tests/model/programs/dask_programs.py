"""Dask as tutorials write it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
from dask import delayed


def arrays():
    x = da.random.random((40, 20), chunks=(10, 10))
    y = x + x.T[:1, :1]
    centered = y - y.mean(axis=0)
    variance = (centered**2).mean(axis=0)
    result = variance.compute(scheduler="synchronous")
    ones = da.ones((4, 4), chunks=2)
    total = ones.sum().compute(scheduler="synchronous")
    blocks = da.from_array(np.arange(12).reshape(3, 4), chunks=(3, 2))
    doubled = blocks.map_blocks(lambda block: block * 2)
    return result.max(), total, doubled.compute(scheduler="synchronous")


def frames():
    pdf = pd.DataFrame({"key": list("abab"), "value": np.arange(4.0)})
    df = dd.from_pandas(pdf, npartitions=2)
    df["twice"] = df["value"] * 2
    big = df[df["value"] > 0]
    means = big.groupby("key")["twice"].mean()
    computed = means.compute(scheduler="synchronous")
    back = df.compute(scheduler="synchronous")
    return computed, back.shape


@delayed
def _square(x):
    return x * x


def tasks():
    parts = [_square(i) for i in range(4)]
    total = delayed(sum)(parts)
    (value,) = dask.compute(total, scheduler="synchronous")
    return value


def _sales() -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=24)
    return pd.DataFrame(
        {
            "day": days,
            "shop": list("abc") * 8,
            "amount": np.arange(24.0),
            "count": np.arange(24) % 5,
            "note": ["x y", None, "z"] * 8,
        }
    )


def tables():
    with tempfile.TemporaryDirectory() as place:
        _sales().to_csv(Path(place) / "sales-0.csv", index=False)
        _sales().to_csv(Path(place) / "sales-1.csv", index=False)
        df = dd.read_csv(f"{place}/sales-*.csv", parse_dates=["day"])
        first = df.head(3)
        size = len(df)
        by_shop = df.groupby("shop")["amount"].sum()
        wide = df.groupby("shop").agg({"amount": ["mean", "max"], "count": "sum"})
        means = df.groupby(["shop", "count"]).amount.mean()
        sizes = df.groupby("shop").size()
        both = df[["shop", "amount"]]
        big = df[(df["amount"] > 3) & (df["count"] != 0)]
        fresh = big.assign(price=big["amount"] / big["count"])
        fresh["month"] = fresh["day"].dt.month
        fresh["label"] = fresh["shop"].str.upper()
        filled = fresh.dropna(subset=["note"]).fillna({"note": "none"})
        renamed = filled.rename(columns={"note": "remark"}).drop(columns=["day"])
        unique = renamed["shop"].unique()
        counts = renamed["shop"].value_counts()
        total = renamed["amount"].sum()
        mean = renamed["amount"].mean().compute(scheduler="synchronous")
        described = renamed[["amount", "price"]].describe()
        sums = both[["amount"]].sum()
        missing = df.isnull().sum()
        results = dask.compute(by_shop, wide, total, scheduler="synchronous")
        one, other = dask.compute(sizes, counts, scheduler="synchronous")
        means_now = means.compute(scheduler="synchronous")
        unique_now = unique.compute(scheduler="synchronous")
        described_now = described.compute(scheduler="synchronous")
        return (
            first, size, results[0], one.sum(), other.index, mean, means_now, unique_now, described_now.shape,
            sums.compute(scheduler="synchronous"), missing.compute(scheduler="synchronous"), total,
        )  # fmt: skip


def joins():
    left = dd.from_pandas(_sales(), npartitions=3)
    shops = pd.DataFrame({"shop": ["a", "b"], "city": ["u", "v"]})
    right = dd.from_pandas(shops, npartitions=1)
    merged = left.merge(right, on="shop", how="left")
    same = dd.merge(left, right, on="shop")
    stacked = dd.concat([merged, merged])
    distinct = stacked.drop_duplicates(subset=["shop"])
    typed = distinct.astype({"count": "float32"})
    indexed = typed.set_index("shop")
    flat = indexed.reset_index()
    kept = flat.persist(scheduler="synchronous")
    parts = kept.repartition(npartitions=2)
    number = parts.npartitions
    columns = parts.columns
    dtypes = parts.dtypes
    index = left.index
    largest = left.nlargest(2, "amount")
    sampled = left.sample(frac=0.5, random_state=0)
    within = left[left["shop"].isin(["a", "b"])]
    outside = left[~left["shop"].isin(["a"])]
    amounts = left["amount"]
    clipped = amounts.clip(lower=1, upper=5)
    shifted = (amounts - amounts.mean()) / amounts.std()
    rounded = shifted.round(2).abs()
    mapped = left["count"].map({0: "zero"}, meta=("count", "object"))
    array = left[["amount", "count"]].to_dask_array(lengths=True)
    values = left["amount"].values
    part = left.partitions[0]
    other = left.get_partition(1)
    rows = left.loc[0:5]
    queried = left.query("amount > 3")
    delayed_parts = left.to_delayed()
    made = dd.from_dict({"a": [1, 2, 3]}, npartitions=1)
    again = dd.from_dask_array(array, columns=["amount", "count"])
    computed = again.compute(scheduler="synchronous")
    bag = left.to_bag()
    maximum = left["amount"].max()
    rolled = left["amount"].cumsum()
    for piece in delayed_parts:
        value = piece.compute(scheduler="synchronous")
    return (
        same, number, columns, dtypes, index, largest, sampled, within, outside, clipped, rounded, mapped, array.shape,
        values, part, other, rows, queried, made, computed.mean(), bag, maximum, rolled, value, parts,
    )  # fmt: skip


def blocks():
    x = da.zeros((6, 4), chunks=(3, 2))
    y = da.arange(12, chunks=4).reshape((3, 4))
    z = da.concatenate([x, y])
    stacked = da.stack([x, x])
    exponents = da.exp(z) + np.sqrt(z)
    rows = exponents.sum(axis=1)
    total = exponents.sum()
    number = total.compute(scheduler="synchronous")
    now = rows.compute(scheduler="synchronous")
    transposed = z.T
    product = da.dot(z, transposed)
    dotted = z @ transposed
    part = z[:2]
    entry = z[0, 1]
    masked = z[z > 0]
    chosen = da.where(z > 0, z, 0)
    mean, deviation = da.compute(z.mean(), z.std(), scheduler="synchronous")
    flat = z.ravel()
    typed = z.astype("float32")
    rechunked = typed.rechunk((3, 4))
    kept = rechunked.persist(scheduler="synchronous")
    state = da.random.default_rng(0)
    noise = state.normal(0, 1, size=(8, 2), chunks=(4, 2))
    old = da.random.RandomState(0).uniform(size=(4,), chunks=2)
    u, s, v = da.linalg.svd(noise)
    q, r = da.linalg.qr(noise)
    line = da.linspace(0, 1, 5, chunks=5)
    ones = da.ones_like(noise)
    highest = noise.argmax(axis=0)
    shape = noise.shape
    dimensions = noise.ndim
    kind = noise.dtype
    chunks = noise.chunks
    overlapping = noise.map_overlap(lambda block: block, depth=1, boundary=0)
    small = da.from_array(np.eye(3), chunks=2)
    small_now = small.compute(scheduler="synchronous")
    column = da.nanmean(small, axis=0)
    unique = da.unique(y)
    clipped = da.clip(small, 0, 1)
    any_ = (small > 2).any()
    truth = any_.compute(scheduler="synchronous")
    ready = now.mean() + number
    return (
        ready, stacked, product, dotted, part, entry, masked, chosen, mean, deviation, flat, kept, old, u, s, v, q, r,
        line, ones, highest, shape, dimensions, kind, chunks, overlapping, small_now[0], column, unique, clipped, truth,
    )  # fmt: skip


@dask.delayed
def _load(number: int) -> pd.DataFrame:
    return pd.DataFrame({"n": [number]})


@dask.delayed(pure=True)
def _count(frame):
    return len(frame)


def graphs():
    parts = [_load(number) for number in range(3)]
    whole = dask.delayed(pd.concat)(parts)
    counted = _count(whole)
    doubled = counted * 2 + 1
    column = whole["n"]
    mean = whole["n"].mean()
    frame = parts[0].compute(scheduler="synchronous")
    answer = doubled.compute(scheduler="synchronous")
    frames = dask.compute(*parts, scheduler="synchronous")
    several = dask.compute(parts, scheduler="synchronous")[0]
    zeros = dask.delayed(np.zeros)(3)
    array = zeros.compute(scheduler="synchronous")
    lifted = da.from_delayed(zeros, shape=(3,), dtype=float)
    table = dd.from_delayed(parts)
    increase = dask.delayed(lambda x: x + 1)
    increased = increase(1)
    kept = dask.persist(zeros, scheduler="synchronous")
    return frame["n"], answer, frames, several, array.sum(), lifted, table, column, mean, increased, kept[0]


def bags():
    numbers = db.from_sequence(range(10), npartitions=2)
    even = numbers.filter(lambda n: n % 2 == 0)
    squares = even.map(lambda n: n * n)
    total = squares.sum()
    mean = squares.mean().compute(scheduler="synchronous")
    listed = squares.compute(scheduler="synchronous")
    first = squares.take(2)
    counts = numbers.map(lambda n: n % 3).frequencies(sort=True)
    records = db.from_sequence([{"name": "a", "n": 1}, {"name": "b", "n": 2}], npartitions=1)
    names = records.pluck("name")
    frame = records.to_dataframe()
    text = db.from_sequence(["a b", "c"], npartitions=1).map(str.split).flatten()
    folded = numbers.fold(lambda x, y: x + y)
    top = numbers.topk(2)
    joined = db.concat([numbers, even])
    zipped = db.zip(numbers, numbers)
    size = numbers.count()
    delayed_parts = numbers.to_delayed()
    return (
        total, mean, sum(listed), first, counts, names, frame, text, folded, top, joined, zipped, size, delayed_parts[0],
    )  # fmt: skip
