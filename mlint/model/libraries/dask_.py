"""Dask.

By hand: collections, whose functions have no annotations. Methods that Dask takes over from pandas and NumPy, and what
`compute` gives, are worked out in `mlint.model.kinds.dask_collections`.
"""

from __future__ import annotations

from mlint.model.libraries import returning

_ELEMENTWISE = """
    abs absolute add angle arccos arccosh arcsin arcsinh arctan arctan2 arctanh around bitwise_and bitwise_not
    bitwise_or bitwise_xor cbrt ceil clip conj copysign cos cosh deg2rad degrees divide equal exp exp2 expm1 fabs fix
    float_power floor floor_divide fmax fmin fmod greater greater_equal hypot i0 imag invert isclose isfinite isinf
    isnan isneginf isposinf isreal iscomplex isnull left_shift less less_equal log log10 log1p log2 logaddexp logaddexp2
    logical_and logical_not logical_or logical_xor maximum minimum mod multiply nan_to_num negative nextafter not_equal
    notnull positive power rad2deg radians real reciprocal remainder right_shift rint sign signbit sin sinc sinh
    sqrt square subtract tan tanh true_divide trunc
"""
_JOINING = """
    append argwhere atleast_2d block broadcast_to choose coarsen compress concatenate corrcoef cov cumprod cumsum
    delete diag diagonal diff dstack ediff1d expand_dims extract flatnonzero flip fliplr flipud hstack insert isin
    moveaxis nancumprod nancumsum outer pad piecewise ravel rechunk repeat reshape roll rollaxis rot90 searchsorted
    select squeeze stack swapaxes take tensordot tile topk transpose tril triu union1d vstack
"""
_REDUCING = """
    all any argmax argmin average count_nonzero max mean median min moment nanargmax nanargmin nanmax nanmean nanmedian
    nanmin nanpercentile nanprod nanquantile nanstd nansum nanvar prod ptp std sum trace var
"""
_MAKING = """
    apply_along_axis apply_over_axes arange array asanyarray asarray bincount blockwise digitize dot einsum empty
    empty_like eye from_array from_delayed from_npy_stack from_zarr fromfunction full full_like indices linspace
    map_blocks map_overlap matmul ones ones_like percentile quantile reduction tri vdot zeros zeros_like
"""
_DRAWN = """
    beta binomial chisquare choice exponential f gamma geometric gumbel hypergeometric laplace logistic lognormal
    logseries multinomial negative_binomial noncentral_chisquare noncentral_f normal pareto permutation poisson power
    randint random random_integers random_sample rayleigh standard_cauchy standard_exponential standard_gamma
    standard_normal standard_t triangular uniform vonmises wald weibull zipf
"""
_BAG_TO_BAG = """
    accumulate distinct filter flatten foldby frequencies groupby join map map_partitions persist pluck product
    random_sample remove repartition starmap topk
"""

JOINING = frozenset(_JOINING.split())
"""Functions of dask.array that give an array of at least one dimension; those that are `REDUCING` may give a number."""
ELEMENTWISE = frozenset(_ELEMENTWISE.split())
REDUCING = frozenset(_REDUCING.split())

FUNCTIONS: dict[str, str] = {
    **returning("dask.array.Array", f"{_ELEMENTWISE} {_JOINING} {_REDUCING} {_MAKING}", "dask.array."),
    **returning("dask.array.Array", _DRAWN, "dask.array.random."),
    "dask.array.random.default_rng": "dask.array.random.Generator",
    "dask.array.meshgrid": "list[dask.array.Array]",
    "dask.array.broadcast_arrays": "list[dask.array.Array]",
    "dask.array.linalg.cholesky": "dask.array.Array",
    "dask.array.linalg.inv": "dask.array.Array",
    "dask.array.linalg.norm": "dask.array.Array",
    "dask.array.linalg.solve": "dask.array.Array",
    "dask.array.linalg.qr": "tuple[dask.array.Array, dask.array.Array]",
    **returning("tuple[dask.array.Array, dask.array.Array, dask.array.Array]", "lu svd svd_compressed",
                "dask.array.linalg."),
    **returning("dask.array.Array", "fft ifft fft2 ifft2 rfft irfft fftshift ifftshift", "dask.array.fft."),
    **returning(
        "dask.dataframe.DataFrame",
        "from_dict get_dummies melt merge merge_asof pivot_table read_csv read_fwf read_json read_orc read_parquet "
        "read_sql_query read_sql_table read_table",
        "dask.dataframe.",
    ),
    "dask.dataframe.to_datetime": "dask.dataframe.Series",
    "dask.dataframe.to_numeric": "dask.dataframe.Series",
    **returning("dask.bag.Bag", "concat from_delayed from_sequence from_url map map_partitions range read_avro zip",
                "dask.bag."),
}  # fmt: skip

METHODS: dict[str, dict[str, str]] = {
    "dask.array.random.Generator": returning("dask.array.Array", f"{_DRAWN} integers"),
    "dask.array.random.RandomState": returning("dask.array.Array", _DRAWN),
    "dask.bag.Bag": {
        **returning("dask.bag.Bag", _BAG_TO_BAG),
        **returning("dask.bag.Item", "all any count fold max mean min reduction std sum var"),
        "compute": "list",
        "to_dataframe": "dask.dataframe.DataFrame",
        "to_delayed": "list[dask.delayed.Delayed]",
    },
    "dask.bag.Item": {"persist": "dask.bag.Item", "apply": "dask.bag.Item", "to_delayed": "dask.delayed.Delayed"},
    "distributed.Client": {"submit": "distributed.Future", "map": "list[distributed.Future]"},
}

ATTRIBUTES: dict[str, dict[str, str]] = {
    "dask.array.Array": {
        **returning("tuple", "shape chunks chunksize numblocks"),
        **returning("int", "ndim npartitions"),
        "dtype": "numpy.dtype",
        "name": "str",
    },
    "dask.dataframe.DataFrame": {
        **returning("int", "ndim npartitions"),
        "columns": "pandas.Index",
        "divisions": "tuple",
        "dtypes": "pandas.Series",
        "index": "dask.dataframe.Index",
    },
    "dask.dataframe.Series": {
        **returning("int", "ndim npartitions"),
        "divisions": "tuple",
        "index": "dask.dataframe.Index",
    },
    "dask.bag.Bag": {"npartitions": "int"},
}
