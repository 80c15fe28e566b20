"""Dask as tutorials write it."""

from __future__ import annotations

import dask
import dask.array as da
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
