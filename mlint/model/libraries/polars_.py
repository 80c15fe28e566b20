"""Polars.

By hand: methods that are decorated in the library's source, or that return ``Self`` in some versions, so that the
tables cannot tell what they give. What depends on the arguments is worked out in `mlint.model.kinds.polars_frames`.
"""

from __future__ import annotations

from mlint.model.libraries import returning

_ROWS_AND_COLUMNS = """
    approx_n_unique bottom_k cast clear clone count drop drop_nans drop_nulls explode fill_nan fill_null filter
    gather_every head interpolate join join_asof limit max mean median merge_sorted min null_count quantile rename
    reverse select set_sorted shift slice sort sql std sum tail top_k unique unnest unpivot update var with_columns
    with_columns_seq select_seq with_row_index
"""
_OF_FRAMES = """
    corr describe extend hstack insert_column pivot product rechunk replace_column sample shrink_to_fit to_dummies
    transpose unstack upsample vstack
"""
_OF_PLANS = "cache first inspect last lazy map_batches"
_OF_EXPRESSIONS = """
    abs add alias all and_ any append approx_n_unique arccos arccosh arcsin arcsinh arctan arctanh arg_max arg_min
    arg_sort arg_true arg_unique backward_fill bottom_k bottom_k_by cast cbrt ceil clip cos cosh cot count cum_count
    cum_max cum_min cum_prod cum_sum cumulative_eval cut degrees diff dot drop_nans drop_nulls entropy eq eq_missing
    ewm_mean ewm_mean_by ewm_std ewm_var exclude exp explode extend_constant fill_nan fill_null filter first floor
    floordiv forward_fill gather gather_every ge get gt hash head hist implode inspect interpolate interpolate_by
    is_between is_duplicated is_finite is_first_distinct is_in is_infinite is_last_distinct is_nan is_not_nan
    is_not_null is_null is_unique kurtosis last le len limit log log10 log1p lower_bound lt map_batches map_elements
    max mean median min mod mode mul n_unique nan_max nan_min ne ne_missing neg not_ null_count or_ over pct_change
    peak_max peak_min pow product qcut quantile radians rank reinterpret repeat_by replace replace_strict reshape
    reverse rle rle_id rolling rolling_map rolling_max rolling_max_by rolling_mean rolling_mean_by rolling_median
    rolling_median_by rolling_min rolling_min_by rolling_quantile rolling_quantile_by rolling_skew rolling_std
    rolling_std_by rolling_sum rolling_sum_by rolling_var rolling_var_by round round_sig_figs sample search_sorted
    set_sorted shift shuffle sign sin sinh skew slice sort sort_by sqrt std sub sum tail tan tanh to_physical top_k
    top_k_by truediv unique unique_counts upper_bound value_counts var xor
"""

FUNCTIONS: dict[str, str] = {
    "polars.when": "polars.expr.whenthen.When",
}

METHODS: dict[str, dict[str, str]] = {
    "polars.DataFrame": {
        **returning("polars.DataFrame", f"{_ROWS_AND_COLUMNS} {_OF_FRAMES}"),
        **returning("iterable[polars.DataFrame]", "iter_slices"),
        **returning("iterable[polars.Series]", "iter_columns"),
        "lazy": "polars.LazyFrame",
        "to_numpy": "numpy.ndarray",
        "to_pandas": "pandas.DataFrame",
    },
    "polars.LazyFrame": returning("polars.LazyFrame", f"{_ROWS_AND_COLUMNS} {_OF_PLANS}"),
    "polars.Series": {
        "to_numpy": "numpy.ndarray",
        "to_pandas": "pandas.Series",
        "to_torch": "torch.Tensor",
        "append": "polars.Series",
        **returning("scalar", "skew kurtosis entropy"),
    },
    "polars.Expr": returning("polars.Expr", _OF_EXPRESSIONS),
}
