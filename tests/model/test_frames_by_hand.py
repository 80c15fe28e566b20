"""The kinds that are written by hand for Dask and Polars are what their methods give."""

from __future__ import annotations

from typing import Any

import pytest

from mlint.model.libraries import dask_, polars_


def test_dask_arrays() -> None:
    da = pytest.importorskip("dask.array")
    array = da.ones((4, 4))
    arguments: dict[str, tuple[Any, ...]] = {
        "astype": ("f4",), "reshape": ((2, 8),), "cumsum": (0,), "rechunk": (2,), "map_blocks": (lambda b: b * 2,),
    }  # fmt: skip
    for name in dask_.METHODS["dask.array.Array"]:
        assert isinstance(getattr(array, name)(*arguments.get(name, ())), da.Array), name


def test_polars() -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"a": [1, 2]})
    arguments: dict[str, tuple[Any, ...]] = {
        "filter": (pl.col("a") > 0,), "rename": ({"a": "b"},), "fill_null": (0,), "select": ("a",), "sort": ("a",),
        "vstack": (frame,), "drop": ("a",), "with_columns": (pl.lit(1),), "join": (frame, "a"),
    }  # fmt: skip
    for owner, value in {"polars.DataFrame": frame, "polars.LazyFrame": frame.lazy()}.items():
        for name in polars_.METHODS[owner]:
            assert type(getattr(value, name)(*arguments.get(name, ()))) is type(value), f"{owner}.{name}"
