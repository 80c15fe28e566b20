"""The tables of the libraries: looking things up, histories, and facts that the libraries' own files state."""

from __future__ import annotations

import pytest

from mlint.model import libraries
from mlint.model.libraries import Deprecation, Parameter, data

FILES = sorted({root.partition(".")[0] for root in data.roots()})


def parameter(dotted: str, name: str) -> Parameter:
    found = libraries.signature(dotted)
    assert found is not None, f"no signature of {dotted}"
    return next(p for p in found.parameters if p.name == name)


def given_up(dotted: str, argument: str | None = None) -> Deprecation:
    return next(d for d in libraries.deprecated(dotted) if d.argument == argument)


@pytest.mark.parametrize("root", FILES)
def test_every_line_can_be_read(root: str) -> None:
    names = data.names(root)
    assert list(names) == sorted(names), "sorted, so that a diff can be read"
    assert len(names) > 20
    for name in names:
        row = data.row(name)
        assert row is not None, f"{name} is another name of something that is not there"
        assert row[1] in ("f", "c", "m", "p"), row
        if row[1] in ("f", "c", "m"):
            libraries.signature(name)
        assert not any(part.startswith("_") for part in name.split(".")), f"{name} is private"


@pytest.mark.parametrize("root", FILES)
def test_deprecations_can_be_read(root: str) -> None:
    for one in libraries.deprecations(root):
        assert one.name.partition(".")[0] == root
        assert one.removed is None or one.removed[1]
        assert one.argument is None or one.argument.partition("=")[0].isidentifier()


@pytest.mark.parametrize(
    ("dotted", "removed"),
    [
        ("numpy.float", ("1.23.5", "1.24.4")),
        ("numpy.int", ("1.23.5", "1.24.4")),
        ("numpy.product", ("1.26.4", "2.0.2")),
        ("numpy.NaN", ("1.26.4", "2.0.2")),
        ("numpy.asscalar", ("1.22.4", "1.23.5")),
        ("pandas.DataFrame.append", ("1.5.3", "2.0.3")),
        ("pandas.Series.append", ("1.5.3", "2.0.3")),
        ("pandas.DataFrame.iteritems", ("1.5.3", "2.0.3")),
        ("pandas.DataFrame.mad", ("1.5.3", "2.0.3")),
        ("pandas.DataFrame.lookup", ("1.5.3", "2.0.3")),
        ("pandas.DataFrame.applymap", ("2.3.3", "3.0.6")),
        ("sklearn.datasets.load_boston", ("1.1.3", "1.2.2")),
        ("sklearn.metrics.plot_confusion_matrix", ("1.1.3", "1.2.2")),
        ("sklearn.metrics.jaccard_similarity_score", ("0.22.1", "0.23.2")),
        ("torch.symeig", ("1.13.1", "2.0.1")),
        ("jax.tree_map", ("0.5.3", "0.6.2")),
        ("keras.Model.fit_generator", ("2.15.0", "3.0.5")),
        ("keras.preprocessing.image.ImageDataGenerator", ("2.15.0", "3.0.5")),
        ("keras.layers.experimental.preprocessing.CategoryCrossing", ("2.6.0", "2.9.0")),
    ],
)
def test_removed(dotted: str, removed: tuple[str, str]) -> None:
    assert given_up(dotted).removed == removed


@pytest.mark.parametrize(
    ("dotted", "argument", "since", "removed", "replacement"),
    [
        ("sklearn.preprocessing.OneHotEncoder", "sparse", "1.2", ("1.3.2", "1.4.2"), "sparse_output"),
        ("sklearn.ensemble.AdaBoostClassifier", "base_estimator", "1.2", ("1.3.2", "1.4.2"), "estimator"),
        ("sklearn.linear_model.Lasso", "normalize", "1.0", ("1.1.3", "1.2.2"), None),
        ("sklearn.cluster.KMeans", "n_jobs", "0.23", ("0.24.2", "1.0.2"), None),
        ("sklearn.metrics.log_loss", "eps", "1.3", ("1.4.2", "1.5.2"), None),
        ("pandas.DataFrame.groupby", "squeeze", "1.1.5", ("1.5.3", "2.0.3"), None),
        ("pandas.DataFrame.fillna", "downcast", "2.2.0", ("2.3.3", "3.0.6"), None),
        ("pandas.read_csv", "error_bad_lines", None, ("1.5.3", "2.0.3"), None),
        ("torch.cuda.amp.autocast", None, "2.4.1", None, "torch.amp.autocast('cuda', args...)"),
        ("torch.cuda.amp.GradScaler", None, "2.4.1", None, "torch.amp.GradScaler('cuda', args...)"),
        ("numpy.trapz", None, "2.0.2", ("2.3.5", "2.4.6"), "trapezoid"),
        ("numpy.in1d", None, "2.0", ("2.3.5", "2.4.6"), "np.isin"),
    ],
)
def test_deprecated(
    dotted: str, argument: str | None, since: str | None, removed: tuple[str, str] | None, replacement: str | None
) -> None:
    found = given_up(dotted, argument)
    assert (found.since, found.removed, found.replacement) == (since, removed, replacement)


def test_a_name_that_came_back() -> None:
    found = given_up("numpy.bool")
    assert (found.removed, found.back) == (("1.23.5", "1.24.4"), "2.0.2")


def test_what_is_there_is_not_given_up() -> None:
    for dotted in ("numpy.emath.sqrt", "pandas.DataFrame.head", "torch.load", "sklearn.pipeline.Pipeline"):
        assert all(one.argument is not None for one in libraries.deprecated(dotted)), dotted


def test_a_parameter_has_a_history() -> None:
    flag = parameter("torch.load", "weights_only")
    assert (flag.how, flag.default, flag.earlier) == ("keyword", "None", (("2.2.2", "False"),))
    assert parameter("numpy.percentile", "method").since == "1.22.4"
    assert parameter("numpy.percentile", "interpolation").removed == ("2.3.5", "2.4.6")
    assert parameter("pandas.DataFrame.groupby", "observed").earlier[-1] == ("2.0.3", "False")
    assert parameter("torch.nn.Linear", "device").since == "1.10.2"


@pytest.mark.parametrize(
    ("dotted", "names"),
    [
        ("numpy.zeros", "shape dtype order device like"),
        ("numpy.add", "x1 x2 out where casting order dtype subok signature"),
        ("torch.nn.Linear", "in_features out_features bias device dtype"),
        ("torch.cat", "tensors dim out"),
        ("torch.linalg.inv", "A out"),
        ("pandas.DataFrame.head", "n"),
        ("sklearn.metrics.accuracy_score", "y_true y_pred normalize sample_weight"),
        ("sklearn.linear_model.LogisticRegression.fit", "X y sample_weight"),
        ("tensorflow.reduce_sum", "input_tensor axis keepdims name"),
    ],
)
def test_parameters_stand_in_order(dotted: str, names: str) -> None:
    found = libraries.signature(dotted)
    assert found is not None
    assert [p.name for p in found.parameters if p.removed is None] == names.split()


def test_methods_of_bases_are_found() -> None:
    found = libraries.signature("torch.optim.Adam.zero_grad")
    assert found is not None
    assert found.parameters[0].name == "set_to_none"
    assert found.parameters[0].earlier == (("1.13.1", "False"),)


@pytest.mark.parametrize(
    ("dotted", "kind"),
    [
        ("numpy.linalg.inv", "numpy.ndarray"),
        ("numpy.random.default_rng", "numpy.random.Generator"),
        ("numpy.linalg.matmul", None),  # two vectors give a number
        ("numpy.mean", "numpy.reduction"),
        ("torch.linalg.inv", "torch.Tensor"),
        ("torch.max", None),  # a tensor, or a pair of them
        ("torch.nn.functional.silu", "torch.Tensor"),
        ("torch.nn.Linear", None),  # a class: see its families
        ("torch.linalg.inv_of_nothing", None),
        ("pandas.DataFrame.from_dict", "pandas.DataFrame"),
        ("jax.numpy.sort", "jax.Array"),
        ("unknown.library", None),
    ],
)
def test_returns(dotted: str, kind: str | None) -> None:
    assert libraries.returns(dotted) == kind


@pytest.mark.parametrize(
    ("owner", "name", "kind"),
    [
        ("pandas.DataFrame", "dropna", "pandas.DataFrame"),
        ("pandas.DatetimeIndex", "normalize", "same"),
        ("torch.Tensor", "sum", "torch.Tensor"),
        ("torch.Tensor", "max", "unknown"),
        ("torch.Tensor", "no_such_method", None),
        ("sklearn.linear_model.LogisticRegression", "fit", "same"),
        ("sklearn.linear_model.LogisticRegression", "densify", "same"),
        ("torch.nn.Linear", "cuda", "same"),
    ],
)
def test_methods(owner: str, name: str, kind: str | None) -> None:
    assert libraries.method(owner, name) == kind


def test_attributes() -> None:
    assert libraries.attribute("torch.Tensor", "is_leaf") == "bool"
    assert libraries.attribute("pandas.DataFrame", "columns") == "pandas.Index"
    assert libraries.attribute("numpy.ndarray", "no_such_attribute") is None


@pytest.mark.parametrize(
    ("dotted", "family"),
    [
        ("torch.nn.Conv2d", "torch.nn.Module"),
        ("torch.optim.AdamW", "torch.optim.Optimizer"),
        ("torch.optim.lr_scheduler.CosineAnnealingLR", "torch.optim.lr_scheduler.LRScheduler"),
        ("sklearn.ensemble.RandomForestClassifier", "sklearn.base.BaseEstimator"),
        ("sklearn.preprocessing.StandardScaler", "sklearn.base.TransformerMixin"),
        ("sklearn.model_selection.ShuffleSplit", "sklearn.model_selection.BaseCrossValidator"),
        ("sklearn.feature_extraction.text.TfidfVectorizer", "sklearn.base.TransformerMixin"),
        ("keras.layers.Dense", "keras.layers.Layer"),
        ("keras.optimizers.Adam", "keras.optimizers.Optimizer"),
        ("lightning.pytorch.LightningModule", "torch.nn.Module"),
        ("imblearn.over_sampling.SMOTE", "sklearn.base.BaseEstimator"),
    ],
)
def test_families(dotted: str, family: str) -> None:
    assert family in (libraries.families(dotted) or ())


def test_a_private_spelling_leads_to_the_public_name() -> None:
    row = data.row("torch.amp.GradScaler")
    assert row is not None
    assert row[0] in ("torch.GradScaler", "torch.amp.GradScaler")
    assert libraries.signature("torch.amp.GradScaler") is not None
    assert libraries.families("torch.amp.GradScaler") == ("torch.amp.GradScaler",)


def test_tables_are_read_when_they_are_needed_only() -> None:
    data._text.cache_clear()
    data._lines.cache_clear()
    data.bases.cache_clear()
    libraries.returns.cache_clear()
    libraries.returns("torch.linalg.inv")
    assert data._text.cache_info().currsize == 1
