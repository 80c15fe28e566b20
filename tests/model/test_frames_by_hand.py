"""The kinds that are written by hand for Polars are what their methods give."""

from __future__ import annotations

from typing import Any

import pytest

from mlint.model.libraries import polars_


def test_polars() -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"a": [1, 2]})
    arguments: dict[str, tuple[Any, ...]] = {
        "filter": (pl.col("a") > 0,), "rename": ({"a": "b"},), "fill_null": (0,), "select": ("a",), "sort": ("a",),
        "vstack": (frame,), "drop": ("a",), "with_columns": (pl.lit(1),),
    }  # fmt: skip
    for owner, value in {"polars.DataFrame": frame, "polars.LazyFrame": frame.lazy()}.items():
        for name, kind in polars_.METHODS[owner].items():
            if name == "join":
                assert type(value.join(value, "a")) is type(value)
            elif name in arguments and hasattr(value, name):
                assert kind in ("self", owner), f"{owner}.{name}"
                assert type(getattr(value, name)(*arguments[name])) is type(value), f"{owner}.{name}"
