"""scikit-learn, imbalanced-learn, cuML and dask-ml.

By hand: what a splitter is (scikit-learn has no common base for them), cuML's compiled classes, what an estimator's
methods give (its classes promise it in prose only), and functions whose results follow their arguments.
"""

from __future__ import annotations

from mlint.model.libraries import returning

ESTIMATOR = "sklearn.base.BaseEstimator"
TRANSFORMER = "sklearn.base.TransformerMixin"
SPLITTER = "sklearn.model_selection.BaseCrossValidator"

_SPLITTERS = (
    "KFold StratifiedKFold GroupKFold StratifiedGroupKFold RepeatedKFold RepeatedStratifiedKFold ShuffleSplit "
    "StratifiedShuffleSplit GroupShuffleSplit TimeSeriesSplit LeaveOneOut LeavePOut LeaveOneGroupOut LeavePGroupsOut "
    "PredefinedSplit"
)
CLASSES: dict[str, tuple[str, ...]] = {
    **{f"sklearn.model_selection.{name}": (SPLITTER,) for name in _SPLITTERS.split()},
    # They transform without being a TransformerMixin.
    "sklearn.feature_extraction.text.CountVectorizer": (TRANSFORMER, ESTIMATOR),
    "sklearn.feature_extraction.text.TfidfVectorizer": (TRANSFORMER, ESTIMATOR),
}

_TRANSFORMING = (".preprocessing.", ".decomposition.", ".feature_extraction.", ".random_projection.", ".manifold.")


def FAMILIES(dotted: str) -> tuple[str, ...] | None:
    """The families of a class of cuML, which is compiled and has no bases to read, by its name."""
    root, _, _ = dotted.partition(".")
    name = dotted.rpartition(".")[2]
    if root != "cuml" or not name[:1].isupper():
        return None
    if name == "KFold" or name == "StratifiedKFold":
        return (SPLITTER,)
    if name.endswith(("Warning", "Error", "Mixin", "Display")):
        return None
    return (TRANSFORMER, ESTIMATOR) if any(part in dotted for part in _TRANSFORMING) else (ESTIMATOR,)


FUNCTIONS: dict[str, str] = {
    "sklearn.model_selection.train_test_split": "list[same-as-arguments]",
    **returning("sklearn.pipeline.Pipeline", "make_pipeline", "sklearn.pipeline."),
    **returning(
        "tuple[numpy.ndarray, numpy.ndarray]",
        "make_classification make_regression make_blobs",
        "sklearn.datasets.",
    ),
    "sklearn.base.clone": "same-as-argument",
    "sklearn.model_selection.cross_val_predict": "numpy.ndarray",
}

METHODS: dict[str, dict[str, str]] = {
    ESTIMATOR: {
        "fit": "same",
        "set_params": "same",
        "predict": "numpy.ndarray",
        "predict_proba": "numpy.ndarray",
        "predict_log_proba": "numpy.ndarray",
        "decision_function": "numpy.ndarray",
        "fit_predict": "numpy.ndarray",
        "score": "scalar",
    },
}
