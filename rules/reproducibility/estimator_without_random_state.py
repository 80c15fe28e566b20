from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import COMPREHENSIONS, FUNCTIONS, Call, Context, Example, Finding, Fix, Rule, Safety, walk


def _names(prefix: str, names: str) -> tuple[str, ...]:
    return tuple(f"{prefix}.{name}" for name in names.split())


# Determined by fitting every estimator of scikit-learn 1.9 that has a `random_state` several times, each time with
# another state of NumPy's global generator, and comparing what it predicts, transforms and learns.
_ALWAYS = (
    *_names(
        "sklearn.ensemble",
        "RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor RandomTreesEmbedding "
        "GradientBoostingClassifier GradientBoostingRegressor BaggingClassifier BaggingRegressor AdaBoostRegressor "
        "IsolationForest",
    ),
    *_names("sklearn.tree", "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor"),
    *_names("sklearn.neural_network", "MLPClassifier MLPRegressor BernoulliRBM"),
    *_names("sklearn.cluster", "BisectingKMeans SpectralBiclustering SpectralCoclustering"),
    *_names("sklearn.mixture", "GaussianMixture BayesianGaussianMixture"),
    *_names("sklearn.decomposition", "LatentDirichletAllocation MiniBatchNMF"),
    *_names("sklearn.random_projection", "GaussianRandomProjection SparseRandomProjection"),
    *_names("sklearn.kernel_approximation", "Nystroem RBFSampler SkewedChi2Sampler PolynomialCountSketch"),
    *_names("sklearn.covariance", "EllipticEnvelope MinCovDet"),
    *_names("sklearn.linear_model", "RANSACRegressor TheilSenRegressor"),
    *_names("sklearn.model_selection", "RandomizedSearchCV HalvingRandomSearchCV ParameterSampler"),
    "sklearn.grid_search.RandomizedSearchCV",
    "sklearn.multiclass.OutputCodeClassifier",
    "sklearn.inspection.permutation_importance",
    *_names(
        "imblearn.over_sampling",
        "SMOTE SMOTEN SMOTENC SVMSMOTE BorderlineSMOTE KMeansSMOTE ADASYN RandomOverSampler",
    ),
    *_names(
        "imblearn.under_sampling", "RandomUnderSampler ClusterCentroids CondensedNearestNeighbour OneSidedSelection"
    ),
    *_names("imblearn.combine", "SMOTEENN SMOTETomek"),
    *_names(
        "imblearn.ensemble",
        "BalancedRandomForestClassifier BalancedBaggingClassifier EasyEnsembleClassifier RUSBoostClassifier",
    ),
    *_names("cuml.ensemble", "RandomForestClassifier RandomForestRegressor"),
    *_names("cuml.manifold", "UMAP TSNE"),
    *_names("cuml.random_projection", "GaussianRandomProjection SparseRandomProjection"),
    *_names("dask_ml.cluster", "KMeans SpectralClustering"),
    *_names(
        "dask_ml.model_selection",
        "RandomizedSearchCV HyperbandSearchCV SuccessiveHalvingSearchCV IncrementalSearchCV InverseDecaySearchCV",
    ),
)

_ANY = "any"
"""Stands for every value but None."""

_WHEN: dict[str, tuple[tuple[str, frozenset[object]], ...]] = {
    **dict.fromkeys(_names("sklearn.linear_model", "Ridge RidgeClassifier"), (("solver", frozenset({"sag", "saga"})),)),
    **dict.fromkeys(
        _names("sklearn.linear_model", "LogisticRegression LogisticRegressionCV"),
        (("solver", frozenset({"sag", "saga"})),),
    ),
    **dict.fromkeys(
        _names(
            "sklearn.linear_model",
            "Lasso LassoCV ElasticNet ElasticNetCV MultiTaskLasso MultiTaskLassoCV MultiTaskElasticNet "
            "MultiTaskElasticNetCV",
        ),
        (("selection", frozenset({"random"})),),
    ),
    **dict.fromkeys(_names("sklearn.linear_model", "Lars LassoLars"), (("jitter", frozenset({_ANY})),)),
    **dict.fromkeys(_names("sklearn.svm", "SVC NuSVC"), (("probability", frozenset({True})),)),
    "sklearn.svm.LinearSVC": (
        ("dual", frozenset({True})),
        ("penalty", frozenset({"l1"})),
        ("loss", frozenset({"hinge"})),
    ),
    "sklearn.decomposition.PCA": (("svd_solver", frozenset({"randomized"})),),
    "sklearn.decomposition.KernelPCA": (("eigen_solver", frozenset({"randomized"})),),
    "sklearn.dummy.DummyClassifier": (("strategy", frozenset({"stratified", "uniform"})),),
    **dict.fromkeys(
        _names("sklearn.gaussian_process", "GaussianProcessClassifier GaussianProcessRegressor"),
        (("n_restarts_optimizer", frozenset({_ANY})),),
    ),
    "sklearn.impute.IterativeImputer": (
        ("sample_posterior", frozenset({True})),
        ("imputation_order", frozenset({"random"})),
        ("n_nearest_features", frozenset({_ANY})),
    ),
    "sklearn.neighbors.NeighborhoodComponentsAnalysis": (("init", frozenset({"random"})),),
    **dict.fromkeys(
        _names("sklearn.multioutput", "ClassifierChain RegressorChain"), (("order", frozenset({"random"})),)
    ),
    "sklearn.feature_extraction.image.PatchExtractor": (("max_patches", frozenset({_ANY})),),
    "sklearn.preprocessing.KBinsDiscretizer": (("subsample", frozenset({_ANY})),),
    "sklearn.metrics.silhouette_score": (("sample_size", frozenset({_ANY})),),
    "sklearn.model_selection.learning_curve": (("shuffle", frozenset({True})),),
}
"""Draws only with one of these values, none of which is the default."""

_UNLESS: dict[str, tuple[tuple[str, frozenset[object]], ...]] = {
    **dict.fromkeys(
        _names(
            "sklearn.linear_model",
            "SGDClassifier SGDRegressor SGDOneClassSVM PassiveAggressiveClassifier PassiveAggressiveRegressor",
        ),
        (("shuffle", frozenset({True})),),
    ),
    **dict.fromkeys(
        _names("sklearn.ensemble", "HistGradientBoostingClassifier HistGradientBoostingRegressor"),
        (("early_stopping", frozenset({True, "auto"})),),
    ),
    **dict.fromkeys(
        _names("sklearn.decomposition", "MiniBatchDictionaryLearning MiniBatchSparsePCA"),
        (("shuffle", frozenset({True})),),
    ),
    **dict.fromkeys(
        (*_names("sklearn.cluster", "KMeans MiniBatchKMeans"), "cuml.cluster.KMeans"),
        (("init", frozenset({"k-means++", "random", "scalable-k-means++", "k-means||"})),),
    ),
    "sklearn.decomposition.FastICA": (("w_init", frozenset({None})),),
    "sklearn.decomposition.NMF": (("init", frozenset({None, "random", "nndsvd", "nndsvda", "nndsvdar"})),),
    "sklearn.decomposition.TruncatedSVD": (("algorithm", frozenset({"randomized"})),),
    "sklearn.manifold.MDS": (("init", frozenset({"random", "warn"})),),
    "sklearn.manifold.TSNE": (("init", frozenset({"random", "pca"})),),
    "sklearn.cluster.SpectralClustering": (("assign_labels", frozenset({"kmeans", "discretize"})),),
    "sklearn.preprocessing.QuantileTransformer": (("subsample", frozenset({_ANY})),),
    "sklearn.svm.LinearSVR": (
        ("dual", frozenset({True, "auto"})),
        ("loss", frozenset({"epsilon_insensitive"})),
    ),
    **dict.fromkeys(
        ("sklearn.ensemble.AdaBoostClassifier",),
        (("estimator", frozenset({None})), ("base_estimator", frozenset({None}))),
    ),
}
"""Draws by default, and where a parameter is given, only with one of these values."""

_NAMES = (*_ALWAYS, *_WHEN, *_UNLESS)

# Sets the random_state of the estimators that it is given from its own.
_SETTING = frozenset(
    {
        *_names("sklearn.ensemble", "BaggingClassifier BaggingRegressor AdaBoostClassifier AdaBoostRegressor"),
        *_names("imblearn.ensemble", "BalancedBaggingClassifier EasyEnsembleClassifier RUSBoostClassifier"),
        *_names("sklearn.multioutput", "ClassifierChain RegressorChain"),
        "sklearn.linear_model.RANSACRegressor",
        "sklearn.impute.IterativeImputer",
    }
)
_INSPECTING = frozenset({"get_params", "__class__", "__doc__", "__module__", "_get_param_names", "load_model"})

SPLIT = "from sklearn.datasets import load_iris\nX, y = load_iris(return_X_y=True)\n"


class EstimatorWithoutRandomState(Rule):
    """A scikit-learn estimator that draws random numbers has no `random_state`, so every fit gives another model.

    ## Why
    With `random_state=None` an estimator draws from NumPy's global generator, which is seeded from the operating
    system when the process starts: scores move from run to run, and a change of the code cannot be told from a change
    of the seed. An integer makes each fit repeatable.

    Only estimators whose result was seen to change with the seed are named, and those whose result depends on a
    parameter only with that parameter: `PCA` with `svd_solver="randomized"`, `LogisticRegression` with `sag`, `saga`,
    or `liblinear` where that shuffles (`dual=True` or an L1 penalty), `SVC` with `probability=True`, `Ridge` with
    `sag` or `saga`, `Lasso` and `ElasticNet` with `selection="random"`, and so on. Decision trees and gradient
    boosting break ties between equally good splits at random.

    Nothing is said where the program seeds NumPy's global generator, since then the draws repeat.

    ## Fix safety
    Unsafe: the result is one fixed sample of what the estimator could return before.

    ## Known limits
    An estimator whose parameters come from `**kwargs`, or to which a search, `set_params` or an ensemble around it
    gives a `random_state`, is left alone. So is `HistGradientBoosting*` with `early_stopping=False`, which draws only
    to bin more than 200,000 rows or with `max_features` below 1.

    ## When to ignore
    The variance between runs is what is being measured.

    ## References
    - scikit-learn user guide, "Common pitfalls and recommended practices", section "Controlling randomness".
    - scikit-learn glossary, `random_state`.
    """

    code, name = "ML302", "estimator-without-random-state"
    libraries = ("sklearn", "rapids")
    safety = Safety.UNSAFE
    triggers = (Call(*_NAMES),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        dotted = ctx.dotted(node.func)
        if dotted is None or ctx.open_ended(node):
            return
        state = ctx.argument(node, "random_state")
        if state is not None and not _is_none(state):
            return
        if not _draws(dotted, node, ctx) or _set_elsewhere(node, ctx) or _in_estimator(node, ctx):
            return
        if ctx.randomness.seeded("cupy" if dotted.startswith("cuml.") else "numpy", node):
            return
        value = str(ctx.options.seed)
        fix: Fix | None = None
        if not _repeated(node, ctx):
            fix = ctx.fix(
                lambda: ctx.edits.put_keyword(node, "random_state", value),
                Safety.UNSAFE,
                f"Pass `random_state={value}`",
            )
        name = dotted.rpartition(".")[2]
        what = "every call gives another result" if name.islower() else "every fit gives another result"
        if name.startswith("DecisionTree") and _breaks_ties(node, ctx):
            what = "which of two equally good splits it takes is chance"
        yield ctx.finding(node, f"`{name}` draws random numbers without a seed: {what}", "pass `random_state`", fix)

    examples = (
        Example(
            given="from sklearn.ensemble import RandomForestClassifier",
            bad="clf = RandomForestClassifier(n_estimators=100)",
            good="clf = RandomForestClassifier(n_estimators=100, random_state=0)",
        ),
        Example(
            given=SPLIT,
            bad=(
                "from sklearn.ensemble import RandomForestClassifier\n\n"
                "def fitted():\n"
                "    return RandomForestClassifier(n_estimators=20).fit(X, y).predict_proba(X)\n"
            ),
            good=(
                "from sklearn.ensemble import RandomForestClassifier\n\n"
                "def fitted():\n"
                "    return RandomForestClassifier(n_estimators=20, random_state=0).fit(X, y).predict_proba(X)\n"
            ),
            equal="abs(fitted() - fitted()).shape",
        ),
        Example(
            given="from sklearn.base import BaseEstimator\nfrom sklearn.tree import DecisionTreeClassifier",
            ok=(
                "class Committee(BaseEstimator):\n"
                "    def __init__(self, member=None, *, random_state=None):\n"
                "        self.member = member\n        self.random_state = random_state\n\n"
                "    def default(self):\n        return DecisionTreeClassifier(max_depth=1)\n"
            ),
            note="fit seeds the members",
        ),
        Example(
            given="from sklearn import ensemble as e",
            bad="clf = e.GradientBoostingRegressor()",
            good="clf = e.GradientBoostingRegressor(random_state=0)",
        ),
        Example(
            given="import sklearn.cluster",
            bad=(
                "model = sklearn.cluster.KMeans(\n"
                "    n_clusters=8,  # as in the paper\n"
                "    n_init=10,\n"
                "    random_state=None,\n"
                ")"
            ),
            good=(
                "model = sklearn.cluster.KMeans(\n"
                "    n_clusters=8,  # as in the paper\n"
                "    n_init=10,\n"
                "    random_state=0,\n"
                ")"
            ),
        ),
        Example(
            given="from sklearn.linear_model import LogisticRegression, Ridge",
            bad="models = [LogisticRegression(solver='saga'), Ridge(alpha=1.0)]",
            good="models = [LogisticRegression(solver='saga', random_state=0), Ridge(alpha=1.0)]",
        ),
        Example(
            given="from sklearn.decomposition import PCA",
            bad="pca = PCA(50, svd_solver='randomized')",
            good="pca = PCA(50, svd_solver='randomized', random_state=0)",
        ),
        Example(
            given="from sklearn.ensemble import AdaBoostClassifier\nfrom sklearn.tree import DecisionTreeClassifier",
            bad="clf = AdaBoostClassifier(estimator=DecisionTreeClassifier(max_depth=2), n_estimators=10)",
            good=(
                "clf = AdaBoostClassifier("
                "estimator=DecisionTreeClassifier(max_depth=2), n_estimators=10, random_state=0)"
            ),
            note="the ensemble hands its seed on to the trees",
        ),
        Example(
            given="from sklearn.model_selection import RandomizedSearchCV\nfrom sklearn.svm import SVC",
            bad="search = RandomizedSearchCV(SVC(), {'C': [1, 10, 100]}, n_iter=2)",
            good="search = RandomizedSearchCV(SVC(), {'C': [1, 10, 100]}, n_iter=2, random_state=0)",
        ),
        Example(
            given="from sklearn.tree import DecisionTreeRegressor",
            bad="class Forest:\n    def build(self):\n        self.trees = [DecisionTreeRegressor() for _ in range(9)]",
            note="one seed for all trees would make them alike: no fix",
        ),
        Example(
            given="import torch\nfrom sklearn.cluster import KMeans",
            bad="torch.manual_seed(0)\nkm = KMeans(8)",
            good="torch.manual_seed(0)\nkm = KMeans(8, random_state=0)",
            note="torch's seed is not NumPy's",
        ),
        Example(
            given="from imblearn.over_sampling import SMOTE",
            bad="sampler = SMOTE(k_neighbors=3)",
            good="sampler = SMOTE(k_neighbors=3, random_state=0)",
        ),
        Example(ok="from sklearn.ensemble import RandomForestClassifier\nclf = RandomForestClassifier(random_state=3)"),
        Example(
            ok=(
                "from sklearn.ensemble import RandomForestClassifier\n"
                "def build(params):\n    return RandomForestClassifier(**params)"
            )
        ),
        Example(
            ok=(
                "from sklearn.ensemble import RandomForestClassifier\n"
                "clf = RandomForestClassifier()\nclf.set_params(random_state=1)"
            )
        ),
        Example(
            ok=(
                "from sklearn.ensemble import RandomForestClassifier\n"
                "from sklearn.model_selection import GridSearchCV\n"
                "grid = {'n_estimators': [10, 20], 'random_state': [0]}\n"
                "search = GridSearchCV(RandomForestClassifier(), grid)"
            )
        ),
        Example(
            ok=(
                "from sklearn.ensemble import RandomForestClassifier\nfrom sklearn.pipeline import Pipeline\n"
                "pipe = Pipeline([('clf', RandomForestClassifier())])\npipe.set_params(clf__random_state=1)"
            )
        ),
        Example(
            ok=(
                "from sklearn.decomposition import PCA, TruncatedSVD\nfrom sklearn.svm import SVC, LinearSVC\n"
                "from sklearn.linear_model import Lasso, LogisticRegression, Ridge\n"
                "from sklearn.preprocessing import KBinsDiscretizer, QuantileTransformer\n"
                "models = [PCA(2), PCA(2, svd_solver='full'), SVC(), LinearSVC(), LinearSVC(dual=False), Lasso(),\n"
                "          LogisticRegression(), LogisticRegression(solver='liblinear'), Ridge(solver='svd'),\n"
                "          KBinsDiscretizer(5), QuantileTransformer(subsample=None),\n"
                "          TruncatedSVD(2, algorithm='arpack')]"
            )
        ),
        Example(
            ok=(
                "from sklearn.cluster import KMeans\nfrom sklearn.linear_model import SGDClassifier\n"
                "def fit(X, centers, solver):\n"
                "    KMeans(3, init=centers, n_init=1).fit(X)\n"
                "    return SGDClassifier(shuffle=False)"
            )
        ),
        Example(
            ok=(
                "import numpy as np\nfrom sklearn.ensemble import RandomForestClassifier\n"
                "np.random.seed(42)\nclf = RandomForestClassifier()"
            ),
            note="drawn from the generator that the program seeds",
        ),
        Example(
            ok=(
                "from common import setup_seed\nfrom sklearn.ensemble import RandomForestClassifier\n\n"
                "def main():\n    setup_seed(1)\n    return RandomForestClassifier()\n\n"
                "if __name__ == '__main__':\n    main()"
            ),
            files={"common.py": "import numpy as np\n\ndef setup_seed(s):\n    np.random.seed(s)\n"},
        ),
        Example(ok="from forests import RandomForestClassifier\nimport sklearn\nclf = RandomForestClassifier()"),
        Example(ok=("import sklearn\nclass RandomForestClassifier:\n    pass\n\nclf = RandomForestClassifier()")),
        Example(ok="from sklearn.ensemble import IsolationForest\nnames = sorted(IsolationForest().get_params())"),
        Example(
            path="tests/test_model.py",
            ok="from sklearn.cluster import KMeans\nkm = KMeans(random_state=2)",
        ),
    )


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _breaks_ties(call: ast.Call, ctx: Context) -> bool:
    """Whether a tree looks at all features for the best split, so that chance only decides between equals."""
    splitter, features = ctx.argument(call, "splitter"), ctx.argument(call, "max_features")
    best = splitter is None or (isinstance(splitter, ast.Constant) and splitter.value == "best")
    return best and (features is None or _is_none(features)) and all(k.arg is not None for k in call.keywords)


def _draws(dotted: str, call: ast.Call, ctx: Context) -> bool:
    """Whether the estimator draws random numbers with the parameters it is given."""
    if dotted in _WHEN:
        for name, values in _WHEN[dotted]:
            given = ctx.argument(call, name)
            if isinstance(given, ast.Constant) and _among(given.value, values):
                return True
        if dotted.startswith("sklearn.linear_model.LogisticRegression"):
            return _liblinear_shuffles(call, ctx)
        if dotted == "sklearn.svm.LinearSVC":  # `dual` was True by default before it became "auto"
            return ctx.argument(call, "dual") is None and ctx.targets("scikit-learn", "<1.5")
        return False
    for name, values in _UNLESS.get(dotted, ()):
        given = ctx.argument(call, name)
        if given is None or (isinstance(given, ast.Constant) and _among(given.value, values)):
            continue
        # A parameter that is no literal may be anything; a tree in AdaBoost draws.
        return dotted == "sklearn.ensemble.AdaBoostClassifier" and _is_tree(given, ctx)
    return True


def _among(value: object, values: frozenset[object]) -> bool:
    if _ANY in values:
        return value is not None and value != 0
    return any(value == other and type(value) is type(other) for other in values)


def _liblinear_shuffles(call: ast.Call, ctx: Context) -> bool:
    """Liblinear shuffles in the dual and for an L1 penalty; its solver of the L2 primal does not."""
    solver, dual, penalty = (ctx.argument(call, name) for name in ("solver", "dual", "penalty"))
    if not (isinstance(solver, ast.Constant) and solver.value == "liblinear"):
        return False
    if isinstance(dual, ast.Constant) and dual.value is True:
        return True
    return isinstance(penalty, ast.Constant) and penalty.value == "l1"


def _is_tree(node: ast.expr, ctx: Context) -> bool:
    return isinstance(node, ast.Call) and str(ctx.dotted(node.func)).startswith("sklearn.tree.")


def _set_elsewhere(call: ast.Call, ctx: Context) -> bool:
    """Whether something else gives the estimator its seed, or only looks at it."""
    for ancestor in ctx.tree.ancestors(call):
        if isinstance(ancestor, ast.stmt):
            break
        if isinstance(ancestor, ast.Attribute) and ancestor.attr in _INSPECTING:
            return True
        if isinstance(ancestor, ast.Call):
            if ancestor is not call and ctx.dotted(ancestor.func) in _SETTING:
                return True
            if isinstance(ancestor.func, ast.Attribute) and ancestor.func.attr == "set_params":
                if _gives_state(ancestor):
                    return True
    if "random_state" not in ctx.source.text:
        return False
    scope: ast.AST = ctx.tree.function(call) or ctx.tree.module
    held = _held(call, ctx)
    for node in walk(scope):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith("random_state"):
            return True  # a search's grid, `setattr`, a dictionary for `set_params`
        if isinstance(node, ast.Attribute) and node.attr == "random_state" and isinstance(node.ctx, ast.Store):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "set_params":
            if _gives_state(node):
                return True
        if held is not None and isinstance(node, ast.Call) and ctx.dotted(node.func) in _SETTING:
            arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            if any(isinstance(argument, ast.Name) and argument.id == held for argument in arguments):
                return True
    return False


def _in_estimator(call: ast.Call, ctx: Context) -> bool:
    """Whether it is a part of an estimator with a `random_state` of its own: that seeds its parts when it is fitted."""
    owner = ctx.tree.class_of(call)
    for statement in owner.body if owner is not None else ():
        if isinstance(statement, FUNCTIONS) and statement.name == "__init__":
            arguments = [*statement.args.posonlyargs, *statement.args.args, *statement.args.kwonlyargs]
            return any(argument.arg == "random_state" for argument in arguments)
    return False


def _held(call: ast.Call, ctx: Context) -> str | None:
    """The name to which the estimator is bound."""
    parent = ctx.tree.parent(call)
    if isinstance(parent, ast.Assign) and len(parent.targets) == 1 and isinstance(parent.targets[0], ast.Name):
        return parent.targets[0].id
    return None


def _gives_state(call: ast.Call) -> bool:
    return any(keyword.arg is None or keyword.arg.endswith("random_state") for keyword in call.keywords)


def _repeated(call: ast.Call, ctx: Context) -> bool:
    """Whether several estimators are made at this place, to differ from each other by chance alone."""
    for ancestor in ctx.tree.ancestors(call):
        if isinstance(ancestor, COMPREHENSIONS):
            if any(_counts(generator.iter, ctx) for generator in ancestor.generators):
                return True
        elif isinstance(ancestor, ast.For) and _counts(ancestor.iter, ctx):
            return True
        elif isinstance(ancestor, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return False
    return False


def _counts(node: ast.expr, ctx: Context) -> bool:
    return isinstance(node, ast.Call) and ctx.dotted(node.func) == "range"
