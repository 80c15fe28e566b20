from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Call, Context, Edit, Example, Finding, Fix, Rule, Safety, walk

_RANKING = {
    "roc_auc_score": "y_score",
    "average_precision_score": "y_score",
    "precision_recall_curve": "y_score",
    "roc_curve": "y_score",
}
_PROBABILITY = {"log_loss": "y_pred", "brier_score_loss": "y_proba"}
_METRICS = {**_RANKING, **_PROBABILITY}
_ALIASES = ("y_score", "y_prob", "y_pred", "y_proba", "probas_pred")

_WITHOUT_PROBABILITIES = frozenset(
    "LinearSVC RidgeClassifier RidgeClassifierCV Perceptron PassiveAggressiveClassifier SGDClassifier SVC NuSVC "
    "OutputCodeClassifier OneVsOneClassifier".split()
)
_OTHER_CLASSIFIERS = frozenset(
    "LogisticRegression LogisticRegressionCV SVC NuSVC LinearSVC GaussianNB MultinomialNB BernoulliNB ComplementNB "
    "CategoricalNB LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis Perceptron RidgeClassifierCV "
    "CalibratedClassifierCV LabelPropagation LabelSpreading".split()
)
_SEARCHES = frozenset("GridSearchCV RandomizedSearchCV HalvingGridSearchCV HalvingRandomSearchCV".split())

FITTED = (
    "import numpy as np\nfrom sklearn.ensemble import RandomForestClassifier\n"
    "from sklearn.linear_model import LogisticRegression, Ridge\n"
    "from sklearn.metrics import accuracy_score, average_precision_score, log_loss, roc_auc_score, roc_curve\n"
    "from sklearn.svm import LinearSVC\n"
    "X = np.random.randn(80, 3)\ny = (X[:, 0] + np.random.randn(80) > 0).astype(int)\n"
    "clf = LogisticRegression().fit(X, y)\n"
)


class HardLabelsScored(Rule):
    """A metric of scores or probabilities is given the labels that a classifier predicts.

    ## Why
    The area under a curve judges how well samples are ranked. Labels are a ranking with two places: the curve has one
    point between its ends, and the area says no more than the balanced accuracy at one threshold, which is usually far
    lower than the area that the scores reach. `log_loss` takes a label for a probability of exactly 0 or 1: each wrong
    one costs as much as the clipping allows.

    ## Fix safety
    Unsafe: the metric changes, as it should. Classifiers without probabilities are asked for their decision function.

    ## References
    - scikit-learn documentation, `sklearn.metrics.roc_auc_score`, parameter `y_score`.
    - scikit-learn user guide, "Metrics and scoring", section "Receiver operating characteristic".
    """

    code, name = "ML916", "hard-labels-scored"
    libraries = ("sklearn", "xgboost", "lightgbm", "rapids")
    safety = Safety.UNSAFE
    triggers = (
        Call(
            *(f"sklearn.metrics.{name}" for name in sorted(_METRICS)),
            *(f"cuml.metrics.{name}" for name in ("roc_auc_score", "precision_recall_curve", "log_loss")),
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        metric = (ctx.dotted(node.func) or "").rpartition(".")[2]
        given = next((found for name in _ALIASES if (found := ctx.argument(node, name, 1)) is not None), None)
        if given is None:
            return
        call, assignment = _predicted(given, ctx)
        if call is None:
            return
        assert isinstance(call.func, ast.Attribute)
        model = call.func.value
        classifier = _classifier(model, ctx, 0)
        if classifier is None:
            return
        wanted = _wanted(metric, node, classifier, model, ctx)
        fix = None if wanted is None else self._fix(given, call, assignment, wanted, ctx)
        what = "scores" if metric in _RANKING else "probabilities"
        message = f"`{metric}` needs {what}, and `{ctx.short(call)}` gives labels"
        better = "pass what `predict_proba` or `decision_function` gives"
        advice = better if wanted is None else f"use `{ctx.short(model)}.{wanted}`"
        yield ctx.finding(given, message, advice.replace("($x)", "(…)"), fix)

    def _fix(
        self, given: ast.expr, call: ast.Call, assignment: ast.Assign | None, wanted: str, ctx: Context
    ) -> Fix | None:
        assert isinstance(call.func, ast.Attribute)
        model, data = call.func.value, call.args[0]
        place: ast.expr = given
        if assignment is not None:
            assert isinstance(given, ast.Name)
            others = [use for use in ctx.flow.uses_after(given.id, assignment) if use is not given]
            if not others:
                place = call
            elif not _unchanged(call, assignment, given, ctx):
                return None

        def build() -> list[Edit]:
            return [ctx.edits.replace(place, f"$model.{wanted}", model=model, x=data)]

        return ctx.fix(build, Safety.UNSAFE, "Score what the classifier is sure of, not its labels")

    examples = (
        Example(
            given=FITTED,
            bad="auc = roc_auc_score(y, clf.predict(X))",
            good="auc = roc_auc_score(y, clf.predict_proba(X)[:, 1])",
            equal="type(auc)",
        ),
        Example(
            given=FITTED,
            bad="y_pred = clf.predict(X)\nfpr, tpr, _ = roc_curve(y, y_score=y_pred)",
            good="y_pred = clf.predict_proba(X)[:, 1]\nfpr, tpr, _ = roc_curve(y, y_score=y_pred)",
        ),
        Example(
            given=FITTED,
            bad="y_pred = clf.predict(X)\nacc = accuracy_score(y, y_pred)\nauc = roc_auc_score(y, y_pred)  # of ROC",
            good=(
                "y_pred = clf.predict(X)\nacc = accuracy_score(y, y_pred)\n"
                "auc = roc_auc_score(y, clf.predict_proba(X)[:, 1])  # of ROC"
            ),
            equal="acc",
        ),
        Example(
            given=FITTED,
            bad="loss = log_loss(y, RandomForestClassifier(random_state=0).fit(X, y).predict(X))",
            good="loss = log_loss(y, RandomForestClassifier(random_state=0).fit(X, y).predict_proba(X))",
        ),
        Example(
            given=FITTED,
            bad="svc = LinearSVC().fit(X, y)\nap = average_precision_score(y, svc.predict(X))",
            good="svc = LinearSVC().fit(X, y)\nap = average_precision_score(y, svc.decision_function(X))",
        ),
        Example(
            given=FITTED + "from sklearn.model_selection import GridSearchCV\n"
            "from sklearn.pipeline import make_pipeline\n"
            "from sklearn.preprocessing import StandardScaler\n",
            bad=(
                "pipe = make_pipeline(StandardScaler(), LogisticRegression())\n"
                "search = GridSearchCV(pipe, {})\nsearch.fit(X, y)\nauc = roc_auc_score(y, search.predict(X))"
            ),
            good=(
                "pipe = make_pipeline(StandardScaler(), LogisticRegression())\n"
                "search = GridSearchCV(pipe, {})\nsearch.fit(X, y)\n"
                "auc = roc_auc_score(y, search.predict_proba(X)[:, 1])"
            ),
        ),
        Example(
            given=FITTED + "from sklearn.model_selection import GridSearchCV\n",
            bad=(
                "search = GridSearchCV(estimator=RandomForestClassifier(), param_grid={}).fit(X, y)\n"
                "best = search.best_estimator_\nlabels = best.predict(X)\nauc = roc_auc_score(y, labels)"
            ),
            good=(
                "search = GridSearchCV(estimator=RandomForestClassifier(), param_grid={}).fit(X, y)\n"
                "best = search.best_estimator_\nlabels = best.predict_proba(X)[:, 1]\nauc = roc_auc_score(y, labels)"
            ),
        ),
        Example(
            given="import xgboost as xgb\nfrom sklearn import metrics",
            bad=(
                "class Trainer:\n    def __init__(self):\n        self.model = xgb.XGBClassifier()\n\n"
                "    def score(self, X, y):\n        return metrics.roc_auc_score(y, self.model.predict(X))\n"
            ),
            good=(
                "class Trainer:\n    def __init__(self):\n        self.model = xgb.XGBClassifier()\n\n"
                "    def score(self, X, y):\n"
                "        return metrics.roc_auc_score(y, self.model.predict_proba(X)[:, 1])\n"
            ),
        ),
        Example(
            given=FITTED,
            bad="auc = roc_auc_score(y, clf.predict(X), multi_class='ovr')",
            good="auc = roc_auc_score(y, clf.predict_proba(X), multi_class='ovr')",
        ),
        Example(given=FITTED, ok="auc = roc_auc_score(y, clf.predict_proba(X)[:, 1])"),
        Example(given=FITTED, ok="auc = roc_auc_score(y, clf.decision_function(X))"),
        Example(given=FITTED, ok="acc = accuracy_score(y, clf.predict(X))"),
        Example(given=FITTED, ok="auc = roc_auc_score(y, Ridge().fit(X, y).predict(X))", note="already a score"),
        Example(
            given="import xgboost as xgb\nfrom sklearn.metrics import roc_auc_score",
            ok="def f(params, d, y):\n    booster = xgb.train(params, d)\n"
            "    return roc_auc_score(y, booster.predict(d))",
        ),
        Example(
            given="import lightgbm as lgb\nfrom sklearn.metrics import log_loss",
            ok=(
                "def f(X, y):\n    m = lgb.LGBMClassifier().fit(X, y)\n"
                "    return log_loss(y, m.predict(X, raw_score=True))"
            ),
        ),
        Example(
            given="import keras\nfrom sklearn.metrics import roc_auc_score",
            ok="def f(X, y):\n    m = keras.Sequential([keras.layers.Dense(1)])\n"
            "    return roc_auc_score(y, m.predict(X))",
        ),
        Example(
            given="from sklearn.metrics import roc_auc_score",
            ok="def f(m, X, y):\n    return roc_auc_score(y, m.predict(X))",
        ),
        Example(
            given=FITTED,
            ok="def f(flag):\n    p = clf.predict(X)\n    if flag:\n        p = clf.predict_proba(X)[:, 1]\n"
            "    return roc_auc_score(y, p)",
        ),
    )


def _predicted(given: ast.expr, ctx: Context) -> tuple[ast.Call | None, ast.Assign | None]:
    """The `predict` call that an argument is, or was assigned from."""
    assignment = None
    value: ast.AST | None = given
    if isinstance(given, ast.Name):
        bindings = ctx.reaching.of(given) or []
        if len(bindings) != 1 or bindings[0].how != "assign" or bindings[0].path:
            return None, None
        value = bindings[0].value
        if not isinstance(bindings[0].node, ast.Assign) or len(bindings[0].node.targets) != 1:
            return None, None
        assignment = bindings[0].node
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "predict"):
        return None, None
    if len(value.args) != 1 or value.keywords or isinstance(value.args[0], ast.Starred):
        return None, None
    return value, assignment


def _classifier(model: ast.expr, ctx: Context, depth: int) -> str | None:
    """The class of a classifier that an expression surely is, also inside a pipeline or a search."""
    if isinstance(model, ast.Name) and not ctx.kinds.of(model).known:
        bindings = ctx.reaching.of(model) or []
        if len(bindings) == 1 and bindings[0].how == "assign" and isinstance(bindings[0].value, ast.Attribute):
            model = bindings[0].value  # best = search.best_estimator_
    if isinstance(model, ast.Attribute) and model.attr == "best_estimator_":
        model = model.value
    name = ctx.kinds.of(model).name
    root, last = name.partition(".")[0], name.rpartition(".")[2]
    if root not in ("sklearn", "xgboost", "lightgbm", "catboost", "cuml", "imblearn", "dask_ml") or depth > 4:
        return None
    if last.endswith("Classifier") or last in _OTHER_CLASSIFIERS:
        return last
    made = _constructor(model, ctx)
    if made is None:
        return None
    inner: ast.expr | None = None
    if last in _SEARCHES:
        inner = ctx.argument(made, "estimator", 0)
    elif last == "Pipeline" and (ctx.dotted(made.func) or "").endswith(".make_pipeline"):
        inner = made.args[-1] if made.args and not isinstance(made.args[-1], ast.Starred) else None
    elif last == "Pipeline":
        steps = ctx.argument(made, "steps", 0)
        if isinstance(steps, (ast.List, ast.Tuple)) and steps.elts:
            step = steps.elts[-1]
            if isinstance(step, ast.Tuple) and len(step.elts) == 2:
                inner = step.elts[1]
    return None if inner is None else _classifier(inner, ctx, depth + 1)


def _constructor(model: ast.expr, ctx: Context) -> ast.Call | None:
    """The call that made an object: looked for behind a name and behind `fit`."""
    node: ast.AST | None = model
    for _ in range(4):
        if isinstance(node, ast.Name):
            bindings = ctx.reaching.of(node) or []
            if len(bindings) != 1 or bindings[0].how != "assign" or bindings[0].path:
                return None
            node = bindings[0].value
        elif isinstance(node, ast.Call) and ctx.dotted(node.func) is None and isinstance(node.func, ast.Attribute):
            node = node.func.value if node.func.attr in ("fit", "set_params") else None
        else:
            break
    return node if isinstance(node, ast.Call) else None


def _wanted(metric: str, node: ast.Call, classifier: str, model: ast.expr, ctx: Context) -> str | None:
    """The method and the column that a metric needs; None where the classifier has nothing of the kind."""
    if classifier in _WITHOUT_PROBABILITIES:
        made = _constructor(model, ctx)
        chance = None if made is None else ctx.argument(made, "probability")
        if not (isinstance(chance, ast.Constant) and chance.value is True):
            return "decision_function($x)" if metric in _RANKING else None
    if metric == "log_loss" or (metric == "roc_auc_score" and ctx.argument(node, "multi_class") is not None):
        return "predict_proba($x)"
    return "predict_proba($x)[:, 1]"


def _unchanged(call: ast.Call, assignment: ast.Assign, use: ast.Name, ctx: Context) -> bool:
    """Whether the model and the data are the same where the labels are used as where they were predicted."""
    block = ctx.tree.block(assignment)
    statement = ctx.tree.statement(use)
    if statement not in block:
        return False
    between = block[block.index(assignment) + 1 : block.index(statement)]
    names = {inner.id for inner in walk(call) if isinstance(inner, ast.Name)}
    for other in between:
        for inner in walk(other):
            if isinstance(inner, ast.Name) and inner.id in names and not isinstance(inner.ctx, ast.Load):
                return False
            if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
                if inner.func.attr in ("fit", "partial_fit", "set_params"):
                    return False
    return True
