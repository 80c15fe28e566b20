"""scikit-learn, imbalanced-learn, cuML and dask-ml: their classes tell what they are by where they live."""

from __future__ import annotations

from mlint.model.libraries import returning

ESTIMATOR = "sklearn.base.BaseEstimator"
TRANSFORMER = "sklearn.base.TransformerMixin"
SPLITTER = "sklearn.model_selection.BaseCrossValidator"

_TRANSFORMING = (
    ".preprocessing.", ".impute.", ".decomposition.", ".feature_extraction.", ".feature_selection.", ".random_projection.",
    ".manifold.", ".kernel_approximation.",
)  # fmt: skip
_SPLITTERS = frozenset(
    "KFold StratifiedKFold GroupKFold StratifiedGroupKFold RepeatedKFold RepeatedStratifiedKFold ShuffleSplit "
    "StratifiedShuffleSplit GroupShuffleSplit TimeSeriesSplit LeaveOneOut LeavePOut LeaveOneGroupOut LeavePGroupsOut "
    "PredefinedSplit".split()
)


def FAMILIES(dotted: str) -> tuple[str, ...] | None:
    """The families of a class of scikit-learn and of the libraries that follow its interface, by its name."""
    root, _, _ = dotted.partition(".")
    name = dotted.rpartition(".")[2]
    if root not in ("sklearn", "imblearn", "cuml", "dask_ml") or not name[:1].isupper():
        return None
    if name in _SPLITTERS:
        return (SPLITTER,)
    if name.endswith(("Warning", "Error", "Mixin", "Display")):
        return None
    if any(part in dotted for part in _TRANSFORMING) or name in ("ColumnTransformer", "FeatureUnion"):
        return (TRANSFORMER, ESTIMATOR)
    return (ESTIMATOR,)


FUNCTIONS: dict[str, str] = {
    "sklearn.model_selection.train_test_split": "list[same-as-arguments]",
    **returning("sklearn.pipeline.Pipeline", "make_pipeline", "sklearn.pipeline."),
    **returning(
        "tuple[numpy.ndarray, numpy.ndarray]",
        "make_classification make_regression make_blobs make_moons make_circles make_friedman1",
        "sklearn.datasets.",
    ),
    "sklearn.base.clone": "same-as-argument",
    "sklearn.metrics.confusion_matrix": "numpy.ndarray",
    "sklearn.model_selection.cross_val_score": "numpy.ndarray",
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
