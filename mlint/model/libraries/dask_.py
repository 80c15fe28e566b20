"""Dask.

By hand: arrays and frames, whose functions have no annotations. What `compute` gives depends on what the parts are.
"""

from __future__ import annotations

from mlint.model.libraries import returning

FUNCTIONS: dict[str, str] = {
    **returning("dask.array.Array", "arange concatenate empty eye from_array full ones stack zeros", "dask.array."),
    **returning("dask.array.Array", "normal random uniform", "dask.array.random."),
    **returning("dask.dataframe.DataFrame", "read_csv read_fwf read_table", "dask.dataframe."),
}

METHODS: dict[str, dict[str, str]] = {
    "dask.array.Array": returning(
        "dask.array.Array",
        "all any astype cumsum flatten map_blocks max mean min prod ravel rechunk reshape std sum transpose var persist",
    ),
    "dask.dataframe.DataFrame": returning(
        "dask.dataframe.DataFrame", "assign astype drop drop_duplicates dropna fillna query rename repartition persist"
    ),
}

ATTRIBUTES: dict[str, dict[str, str]] = {"dask.array.Array": {"T": "dask.array.Array"}}
