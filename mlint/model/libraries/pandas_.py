"""pandas, and cuDF where it is the same.

By hand: methods whose overloads differ in the results that people ask for, and what stands for groups and indexers.
"""

from __future__ import annotations

from mlint.model.libraries import returning

FUNCTIONS: dict[str, str] = {
    **returning(
        "pandas.DataFrame",
        "DataFrame read_csv read_table read_fwf read_excel_ read_pickle read_sql read_sql_query "
        "read_sql_table read_stata read_sas read_clipboard",
        "pandas.",
    ),
    "pandas.concat": "pandas.concat-result",
    "pandas.Series": "pandas.Series",
    "pandas.date_range": "pandas.Index",
    "pandas.Index": "pandas.Index",
    "pandas.DataFrame.from_dict": "pandas.DataFrame",
    "pandas.DataFrame.from_records": "pandas.DataFrame",
    **returning("cudf.DataFrame", "DataFrame read_csv read_parquet read_json read_orc merge from_pandas", "cudf."),
    "cudf.Series": "cudf.Series",
}

CLASSES: dict[str, tuple[str, ...]] = {
    "pandas.DataFrame": ("pandas.DataFrame",),
    "pandas.Series": ("pandas.Series",),
}

_FRAME_SAME = (
    "copy head tail sample sort_values sort_index reset_index set_index rename drop dropna fillna ffill bfill replace "
    "astype assign query clip round abs cumsum cumprod cummax cummin diff shift where mask isna isnull notna notnull "
    "reindex drop_duplicates nlargest nsmallest infer_objects convert_dtypes interpolate rank add sub mul div mod pow "
    "truediv floordiv eq ne lt le gt ge pct_change applymap add_prefix add_suffix filter truncate tz_localize tz_convert "
    "between_time at_time"
)

METHODS: dict[str, dict[str, str]] = {
    "pandas.DataFrame": {
        **returning("pandas.DataFrame", _FRAME_SAME),
        **returning(
            "pandas.DataFrame",
            "merge join corr cov melt pivot pivot_table select_dtypes explode transpose isin round stack_ "
            "from_dict combine_first update_ unstack_",
        ),
        **returning(
            "pandas.Series",
            "mean median min max any all",
        ),
        **returning("pandas.GroupBy", "groupby resample"),
        **returning("pandas.Rolling", "rolling expanding ewm"),
        "to_dict": "dict",
        "iterrows": "list[tuple[object, pandas.Series]]",
        "squeeze": "object",
        "eval": "object",
        **returning("unknown", "asof xs"),
    },
    "pandas.Series": {
        **returning("unknown", "asof divmod rdivmod"),
        **returning("scalar", "argmax argmin"),
        **returning("pandas.Series", _FRAME_SAME),
        **returning("pandas.Series", "str_"),
        **returning("scalar", "sum mean median std var count nunique corr"),
        **returning("pandas.GroupBy", "groupby resample"),
        **returning("pandas.Rolling", "rolling expanding ewm"),
        "unique": "numpy.ndarray",
        "to_list": "list",
    },
    "pandas.Index": {
        **returning("scalar", "argmax argmin"),
        "to_list": "list",
    },
}

ATTRIBUTES: dict[str, dict[str, str]] = {
    "pandas.DataFrame": {
        "T": "pandas.DataFrame",
        "index": "pandas.Index",
        "columns": "pandas.Index",
        "loc": "pandas.indexer",
        "iloc": "pandas.indexer",
        "at": "pandas.indexer",
        "iat": "pandas.indexer",
    },
    "pandas.Series": {
        "values": "numpy.ndarray",
        "index": "pandas.Index",
        "shape": "tuple[int]",
        "str": "pandas.accessor",
        "dt": "pandas.accessor",
        "cat": "pandas.accessor",
    },
    "pandas.Index": {"values": "unknown"},  # of texts: an extension array since pandas 3
}
