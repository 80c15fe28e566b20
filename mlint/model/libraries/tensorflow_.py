"""TensorFlow and Keras.

By hand: operations whose docstrings do not say what they give, and the roles of Keras classes.
"""

from __future__ import annotations

from mlint.model.libraries import returning

_MATH = (
    "abs acos acosh add asin asinh atan atanh ceil cos cosh divide erf exp expm1 floor log log1p log_sigmoid log_softmax "
    "logsumexp maximum minimum multiply negative pow reciprocal round rsqrt sigmoid sign sin sinh softmax softplus sqrt "
    "square subtract tan tanh reduce_sum reduce_mean reduce_max reduce_min reduce_prod reduce_logsumexp reduce_std "
    "reduce_variance argmax argmin cumsum cumprod is_nan is_inf is_finite equal greater less"
)

FUNCTIONS: dict[str, str] = {
    **returning("tensorflow.Tensor", _MATH, "tensorflow.math."),
    **returning("tensorflow.Tensor", _MATH, "tensorflow."),
    **returning(
        "tensorflow.Tensor",
        "constant range concat stack expand_dims tile gather cast einsum where one_hot clip_by_value identity",
        "tensorflow.",
    ),
    **returning("tensorflow.Tensor", "relu sigmoid elu selu dropout", "tensorflow.nn."),
    **returning("tensorflow.Tensor", "normal uniform truncated_normal gamma poisson categorical", "tensorflow.random."),
    **returning(
        "tensorflow.data.Dataset",
        "",
        "tensorflow.data.Dataset.",
    ),
    "tensorflow.data.TFRecordDataset": "tensorflow.data.Dataset",
    "tensorflow.data.TextLineDataset": "tensorflow.data.Dataset",
    "keras.Sequential": "keras.Model",
    "keras.Model": "keras.Model",
    "keras.models.Sequential": "keras.Model",
    "keras.models.Model": "keras.Model",
    "keras.models.load_model": "keras.Model",
    "keras.preprocessing.image_dataset_from_directory": "tensorflow.data.Dataset",
    "keras.utils.image_dataset_from_directory": "tensorflow.data.Dataset",
    "tensorflow.GradientTape": "tensorflow.GradientTape",
}


def FAMILIES(dotted: str) -> tuple[str, ...] | None:
    """The families of a class of Keras, by its name."""
    module, _, name = dotted.rpartition(".")
    if not name[:1].isupper():
        return None
    if module.startswith("keras.optimizers"):
        return ("keras.optimizers.Optimizer",)
    if module == "keras.layers":
        return ("keras.layers.Layer",)
    if module == "keras.losses":
        return ("keras.losses.Loss",)
    if module == "keras.callbacks":
        return ("keras.callbacks.Callback",)
    if dotted in ("keras.Model", "keras.Sequential", "keras.models.Model", "keras.models.Sequential"):
        return ("keras.Model",)
    return None


METHODS: dict[str, dict[str, str]] = {
    "tensorflow.data.Dataset": returning(
        "tensorflow.data.Dataset",
        "",
    ),
    "tensorflow.Tensor": {
        "numpy": "numpy.ndarray",
    },
    "keras.Model": {"predict": "numpy.ndarray"},
}

ATTRIBUTES: dict[str, dict[str, str]] = {"tensorflow.Tensor": {}}
