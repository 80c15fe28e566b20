"""NumPy, SciPy and h5py.

By hand: the elementwise functions, reductions, products and draws, whose results depend on their operands, and functions
that let their argument do the work, of which the stubs tell the results for arrays only.
"""

from __future__ import annotations

from mlint.model.libraries import returning

_UFUNCS = (
    "add subtract multiply divide true_divide floor_divide mod remainder fmod power float_power exp exp2 expm1 log log2 "
    "log10 log1p sqrt square cbrt reciprocal sin cos tan arcsin arccos arctan arctan2 hypot sinh cosh tanh arcsinh "
    "arccosh arctanh abs absolute fabs sign negative positive rint floor ceil trunc fix clip maximum minimum fmax fmin "
    "logaddexp logaddexp2 heaviside deg2rad rad2deg degrees radians isnan isinf isfinite signbit greater greater_equal "
    "less less_equal equal not_equal logical_and logical_or logical_not logical_xor bitwise_and bitwise_or bitwise_xor "
    "invert left_shift right_shift where nan_to_num real imag conj angle sinc i0 interp round around"
)
UFUNCS = frozenset(_UFUNCS.split())
"""Functions that act on each element by itself; given an array they return an array of its shape."""

FUNCTIONS: dict[str, str] = {
    **returning(
        "numpy.ndarray",
        "ones linspace fromfunction repeat reshape transpose swapaxes squeeze argsort cumsum cumprod diff "
        "intersect1d compress atleast_1d atleast_2d atleast_3d polyfit argpartition digitize",
        "numpy.",
    ),
    **returning("numpy.ufunc-result", _UFUNCS, "numpy."),
    **returning(
        "numpy.reduction",
        "sum prod mean std var min max amin amax median nansum nanmean nanstd nanvar nanmin nanmax "
        "nanmedian nanprod ptp argmin argmax nanargmin nanargmax all any count_nonzero average trapz",
        "numpy.",
    ),
    **returning("numpy.product", "dot matmul inner vdot tensordot einsum", "numpy."),
    **returning("list[numpy.ndarray]", "", "numpy."),
    **returning(
        "numpy.ndarray",
        "rand randn random_sample ranf sample permutation dirichlet multivariate_normal multinomial",
        "numpy.random.",
    ),
    **returning(
        "numpy.draw",
        "random normal uniform randint random_integers choice binomial poisson beta gamma exponential "
        "standard_normal lognormal laplace logistic gumbel geometric chisquare standard_cauchy "
        "standard_exponential standard_gamma triangular vonmises weibull zipf integers",
        "numpy.random.",
    ),
    "numpy.nonzero": "tuple[numpy.ndarray, ...]",
    "numpy.random.RandomState": "numpy.random.RandomState",
    "numpy.linalg.norm": "numpy.reduction",
    "numpy.lib.stride_tricks.sliding_window_view": "numpy.ndarray",
    "scipy.special.softmax": "numpy.ndarray",
    "scipy.special.log_softmax": "numpy.ndarray",
    "scipy.special.expit": "numpy.ufunc-result",
    "scipy.special.logsumexp": "numpy.reduction",
    "scipy.spatial.distance.cdist": "numpy.ndarray",
    "scipy.spatial.distance.pdist": "numpy.ndarray",
    "h5py.File": "h5py.File",
}

CLASSES: dict[str, tuple[str, ...]] = {"h5py.File": ("h5py.Group",)}

METHODS: dict[str, dict[str, str]] = {
    "numpy.ndarray": {
        **returning("numpy.ndarray", "reshape swapaxes"),
        **returning("same", "astype clip round cumsum cumprod view argpartition"),
        **returning("numpy.reduction", "sum prod mean std var min max argmin argmax all any ptp trace"),
        "dot": "numpy.product",
        "tolist": "list",
        "item": "scalar",
    },
    "numpy.random.Generator": {
        **returning("numpy.ndarray", ""),
        **returning(
            "numpy.draw",
            "random normal uniform integers choice binomial poisson beta gamma exponential standard_normal lognormal",
        ),
    },
    "numpy.random.RandomState": {
        **returning("numpy.ndarray", "rand randn random_sample"),
        **returning(
            "numpy.draw", "normal uniform randint choice binomial poisson beta gamma exponential standard_normal"
        ),
    },
}

ATTRIBUTES: dict[str, dict[str, str]] = {
    "numpy.ndarray": {
        "flat": "numpy.flatiter",
        "shape": "tuple[int, ...]",
    }
}
