"""Ray.

By hand: data sets, whose functions give one of several classes or have no annotations. What remote functions and actors
give is worked out in `mlint.model.kinds.ray_tasks`.
"""

from __future__ import annotations

from mlint.model.libraries import returning

_DATASET = "ray.data.Dataset"
_BATCHES = {
    "iter_rows": "iterable[dict]",
    "iter_torch_batches": "iterable[dict[torch.Tensor]]",
    "materialize": _DATASET,
    "schema": "ray.data.Schema",
    "stats": "str",
}

FUNCTIONS: dict[str, str] = {
    **returning(
        _DATASET,
        "from_arrow from_arrow_refs from_blocks from_dask from_huggingface from_items from_mars from_modin from_numpy "
        "from_numpy_refs from_pandas from_pandas_refs from_spark from_tf read_audio read_videos",
        "ray.data.",
    ),
    "ray.train.get_dataset_shard": "ray.data.DataIterator",
}

METHODS: dict[str, dict[str, str]] = {
    _DATASET: {
        **_BATCHES,
        "columns": "list[str]",
        "count": "int",
        "groupby": "ray.data.grouped_data.GroupedData",
        "iterator": "ray.data.DataIterator",
        "num_blocks": "int",
        "size_bytes": "int",
        "split": f"list[{_DATASET}]",
        "streaming_split": "list[ray.data.DataIterator]",
        "take": "list[dict]",
        "take_all": "list[dict]",
        "to_pandas": "pandas.DataFrame",
        "train_test_split": f"list[{_DATASET}]",
    },
    "ray.data.DataIterator": _BATCHES,
    "ray.data.grouped_data.GroupedData": returning(_DATASET, "aggregate count map_groups max mean min std sum"),
}
