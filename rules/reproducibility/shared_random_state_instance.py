from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import SPLITTER, Call, Context, Edit, Example, Finding, Fix, Rule, Safety, walk

_MAKER = "numpy.random.RandomState"
_SELDOM = frozenset(
    "PCA KernelPCA Ridge RidgeClassifier Lasso ElasticNet LogisticRegression LinearSVC SVC NuSVC".split()
)
_DRAWING = frozenset({"sag", "saga", "liblinear", "randomized", "arpack"})
"""Estimators that draw with one of these solvers only."""
_LIBRARIES = ("sklearn.", "imblearn.", "cuml.", "dask_ml.", "sklearnex.")

GIVEN = (
    "import numpy as np\nfrom sklearn.ensemble import RandomForestClassifier\n"
    "from sklearn.linear_model import SGDClassifier\nfrom sklearn.model_selection import KFold, cross_val_score\n\n"
    "X = np.random.rand(40, 3)\ny = (X[:, 0] > 0.5).astype(int)\n"
)


class SharedRandomStateInstance(Rule):
    """One RandomState object is shared by several estimators, or decides about folds that are made several times.

    ## Why
    An estimator that is given an integer starts from it in every `fit`. One that is given a `RandomState` object goes
    on drawing from the object, wherever that stands by then: what a model becomes depends on which others have been
    fitted before it and how often, so that leaving one of them out changes all that follow, and fitting the same
    estimator again gives another model. A splitter with such an object makes other folds in every call of `split`: two
    models that are compared with it are scored on different folds.

    ## Fix safety
    Unsafe: other numbers are drawn, on purpose. The object is replaced by the seed that it was made with, where that is
    a number in the code.

    ## Known limits
    Only objects that are bound to one name (or to an attribute of the object itself) are followed, within their scope.
    Calls that draw at once (`train_test_split`, `make_blobs`, …) are not counted: they run in the order of the code.
    Nor is one estimator that is made again and again in a loop: there another stream for each is often the point.

    ## When to ignore
    The variation between fits is what shall be measured.

    ## References
    - scikit-learn user guide, "Common pitfalls and recommended practices", section "Controlling randomness".
    """

    code, name = "ML305", "shared-random-state-instance"
    libraries = ("sklearn", "rapids", "dask")
    safety = Safety.UNSAFE
    words = ("random_state",)
    triggers = (Call(_MAKER),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if not node.args and not node.keywords:
            return
        parent = ctx.tree.parent(node)
        if isinstance(parent, ast.keyword):
            splitter = ctx.tree.parent(parent)
            if parent.arg == "random_state" and isinstance(splitter, ast.Call):
                yield from self._folds(node, splitter, "a RandomState object", ctx)
            return
        if not isinstance(parent, ast.Assign) or len(parent.targets) != 1:
            return
        reads = _reads(parent, parent.targets[0], ctx)
        given = [(use, call) for use in reads for call in _given(use, ctx)]
        held = ctx.text(parent.targets[0])
        if len({id(call) for _, call in given}) > 1:
            lines = ctx.lines(*(call for _, call in given))
            fix = _fix(node, parent, [use for use, _ in given], reads, ctx)
            yield ctx.finding(
                node,
                f"`{held}` is shared by {len(given)} estimators ({lines}): what each draws depends on the fits "
                "before it",
                "give each the number instead of the object",
                fix,
            )
            return
        for _, call in given:
            yield from self._folds(node, call, f"`{held}`", ctx)

    def _folds(self, node: ast.Call, splitter: ast.Call, held: str, ctx: Context) -> Iterator[Finding]:
        """The finding for a splitter that makes its folds more than once."""
        if not ctx.is_a(splitter, SPLITTER):
            return
        assignment = ctx.tree.parent(splitter)
        if not isinstance(assignment, ast.Assign) or len(assignment.targets) != 1:
            return
        uses = [use for use in _reads(assignment, assignment.targets[0], ctx) if _splits(use, ctx)]
        inner = ctx.tree.loops(assignment)
        around = set(inner)
        again = [use for use in uses if set(ctx.tree.loops(use)) - around]
        if len(uses) < 2 and not again:
            return
        name = ctx.text(assignment.targets[0])
        keyword = next(k for k in splitter.keywords if k.arg == "random_state")
        fix = None
        if len(node.args) == 1 and not node.keywords and _number(node.args[0]):
            seed = ctx.text(node.args[0])
            fix = ctx.fix(lambda: ctx.edits.replace(keyword.value, seed), Safety.UNSAFE, f"Pass `random_state={seed}`")
        yield ctx.finding(
            splitter,
            f"`{name}` makes other folds each time it is used, because it draws them from {held}",
            "give it a number",
            fix,
        )

    examples = (
        Example(
            given=GIVEN,
            bad=(
                "rng = np.random.RandomState(0)\n"
                "forest = RandomForestClassifier(5, random_state=rng)\nlinear = SGDClassifier(random_state=rng)\n"
                "a = forest.fit(X, y).predict(X).shape\nb = linear.fit(X, y).predict(X).shape"
            ),
            good=(
                "forest = RandomForestClassifier(5, random_state=0)\nlinear = SGDClassifier(random_state=0)\n"
                "a = forest.fit(X, y).predict(X).shape\nb = linear.fit(X, y).predict(X).shape"
            ),
            equal="a, b",
        ),
        Example(
            given=GIVEN,
            bad=(
                "rng = np.random.RandomState(seed=7)\nX = X + rng.normal(size=X.shape)\n"
                "models = {\n    'forest': RandomForestClassifier(5, random_state=rng),\n"
                "    'linear': SGDClassifier(random_state=rng),\n}\n"
            ),
            good=(
                "rng = np.random.RandomState(seed=7)\nX = X + rng.normal(size=X.shape)\n"
                "models = {\n    'forest': RandomForestClassifier(5, random_state=7),\n"
                "    'linear': SGDClassifier(random_state=7),\n}\n"
            ),
            note="the object is used for more, and stays",
        ),
        Example(
            given=GIVEN + "import argparse\nargs = argparse.ArgumentParser().parse_args()\n",
            bad=(
                "rng = np.random.RandomState(args.seed)\nfolds = KFold(3, shuffle=True, random_state=rng)\n"
                "forest = RandomForestClassifier(5, random_state=rng)\n"
            ),
            note="no number to put in its place",
        ),
        Example(
            given=GIVEN,
            bad=(
                "rng = np.random.RandomState(0)\nfolds = KFold(3, shuffle=True, random_state=rng)\n"
                "a = cross_val_score(SGDClassifier(random_state=0), X, y, cv=folds).shape\n"
                "b = cross_val_score(RandomForestClassifier(5, random_state=0), X, y, cv=folds).shape"
            ),
            good=(
                "rng = np.random.RandomState(0)\nfolds = KFold(3, shuffle=True, random_state=0)\n"
                "a = cross_val_score(SGDClassifier(random_state=0), X, y, cv=folds).shape\n"
                "b = cross_val_score(RandomForestClassifier(5, random_state=0), X, y, cv=folds).shape"
            ),
            equal="a, b",
            note="two models, compared on different folds",
        ),
        Example(
            given=GIVEN + "models = [SGDClassifier(random_state=0), RandomForestClassifier(5, random_state=0)]\n",
            bad=(
                "folds = KFold(3, shuffle=True, random_state=np.random.RandomState(4))\nfor model in models:\n"
                "    for train, test in folds.split(X):\n        model.fit(X[train], y[train])\n"
            ),
            good=(
                "folds = KFold(3, shuffle=True, random_state=4)\nfor model in models:\n"
                "    for train, test in folds.split(X):\n        model.fit(X[train], y[train])\n"
            ),
            equal="len(test)",
        ),
        Example(
            given=GIVEN,
            bad=(
                "class Models:\n    def __init__(self):\n        self.state = np.random.RandomState(1)\n"
                "        self.a = RandomForestClassifier(random_state=self.state)\n\n"
                "    def other(self):\n        return SGDClassifier(random_state=self.state)\n"
            ),
            good=(
                "class Models:\n    def __init__(self):\n        self.state = np.random.RandomState(1)\n"
                "        self.a = RandomForestClassifier(random_state=1)\n\n"
                "    def other(self):\n        return SGDClassifier(random_state=1)\n"
            ),
        ),
        Example(
            given=GIVEN,
            ok="rng = np.random.RandomState(0)\nmodel = SGDClassifier(random_state=rng).fit(X, y)",
            note="one estimator",
        ),
        Example(
            given=GIVEN,
            ok="a = SGDClassifier(random_state=0).fit(X, y)\nb = RandomForestClassifier(random_state=0).fit(X, y)",
        ),
        Example(
            given=GIVEN + "from sklearn.model_selection import train_test_split\n",
            ok=(
                "rng = np.random.RandomState(0)\na, b = train_test_split(X, random_state=rng)\n"
                "c, d = train_test_split(a, random_state=rng)\nmodel = SGDClassifier(random_state=rng).fit(X, y)"
            ),
            note="splits that are made at once, in the order of the code",
        ),
        Example(
            given=GIVEN,
            ok=(
                "rng = np.random.RandomState(0)\nscores = []\nfor _ in range(20):\n"
                "    scores.append(SGDClassifier(random_state=rng).fit(X, y).score(X, y))\nprint(np.std(scores))"
            ),
            note="the variation between fits is measured",
        ),
        Example(
            given=GIVEN,
            ok=(
                "rng = np.random.RandomState(0)\nfolds = KFold(3, shuffle=True, random_state=rng)\n"
                "for train, test in folds.split(X):\n    print(len(train))"
            ),
            note="split once",
        ),
        Example(
            given=GIVEN,
            ok=(
                "def a():\n    rng = np.random.RandomState(0)\n    return SGDClassifier(random_state=rng)\n\n"
                "def b():\n    rng = np.random.RandomState(0)\n    return RandomForestClassifier(random_state=rng)"
            ),
            note="an object each",
        ),
        Example(
            given=GIVEN,
            ok=(
                "rng = np.random.RandomState(0)\na = SGDClassifier(random_state=rng)\n"
                "rng = np.random.RandomState(0)\nb = RandomForestClassifier(random_state=rng)"
            ),
            note="made anew",
        ),
        Example(
            given=GIVEN,
            ok=(
                "rng = np.random.RandomState(0)\na = SGDClassifier(random_state=rng.randint(99))\n"
                "b = RandomForestClassifier(random_state=rng.randint(99))"
            ),
            note="numbers drawn from it",
        ),
        Example(
            given=GIVEN + "from sklearn.decomposition import PCA\n",
            ok="rng = np.random.RandomState(0)\na = PCA(random_state=rng)\nb = SGDClassifier(random_state=rng)",
            note="the full decomposition draws nothing",
        ),
        Example(
            given="import numpy as np\nfrom mine import Tree, Forest\nimport sklearn\n",
            ok="rng = np.random.RandomState(0)\na = Tree(random_state=rng)\nb = Forest(random_state=rng)",
            note="classes of which nothing is known",
        ),
        Example(
            given=GIVEN + "import sys\n",
            ok=(
                "rng = np.random.RandomState(0)\nif len(sys.argv) > 1:\n    m = SGDClassifier(random_state=rng)\n"
                "else:\n    m = RandomForestClassifier(random_state=rng)\n"
            ),
            note="one of the two",
        ),
    )


def _reads(assignment: ast.Assign, target: ast.expr, ctx: Context) -> list[ast.expr]:
    """The reads of what an assignment binds, where nothing else can have bound it."""
    if isinstance(target, ast.Name):
        scope = ctx.tree.scope(assignment)
        return [
            node
            for node in walk(scope)
            if isinstance(node, ast.Name)
            and node.id == target.id
            and isinstance(node.ctx, ast.Load)
            and [binding.node for binding in ctx.reaching.of(node) or ()] == [assignment]
        ]
    owner = ctx.tree.class_of(assignment)
    if owner is None or not isinstance(target, ast.Attribute) or not ctx.kinds.is_self(target.value):
        return []
    if len(ctx.kinds.attribute_values(owner, target.attr)) != 1:
        return []
    return [
        node
        for node in walk(owner)
        if isinstance(node, ast.Attribute)
        and node.attr == target.attr
        and isinstance(node.ctx, ast.Load)
        and ctx.kinds.is_self(node.value)
    ]


def _given(use: ast.expr, ctx: Context) -> Iterator[ast.Call]:
    """The constructor of an estimator or splitter that a use hands the object to, made once and in any case."""
    keyword = ctx.tree.parent(use)
    if not isinstance(keyword, ast.keyword) or keyword.arg != "random_state":
        return
    call = ctx.tree.parent(keyword)
    if not isinstance(call, ast.Call):
        return
    dotted = ctx.dotted(call.func) or ""
    last = dotted.rpartition(".")[2]
    if not dotted.startswith(_LIBRARIES) or not last[:1].isupper():
        return
    solver = next((k.value for k in call.keywords if k.arg in ("solver", "svd_solver", "eigen_solver")), None)
    if last in _SELDOM and not (isinstance(solver, ast.Constant) and solver.value in _DRAWING):
        return
    if next(ctx.tree.loops(call), None) is None and not ctx.flow.is_conditional(call):
        yield call


def _splits(use: ast.expr, ctx: Context) -> bool:
    """Whether a use of a splitter makes folds."""
    parent = ctx.tree.parent(use)
    if isinstance(parent, ast.Attribute) and parent.attr == "split":
        return isinstance(ctx.tree.parent(parent), ast.Call)
    if not isinstance(parent, ast.keyword) or parent.arg != "cv":
        return False
    call = ctx.tree.parent(parent)
    dotted = ctx.dotted(call.func) if isinstance(call, ast.Call) else None
    return (dotted or "").startswith("sklearn.model_selection.")


def _number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def _fix(
    maker: ast.Call, assignment: ast.Assign, given: list[ast.expr], reads: list[ast.expr], ctx: Context
) -> Fix | None:
    values = [*maker.args, *(keyword.value for keyword in maker.keywords)]
    if len(values) != 1 or not _number(values[0]):
        return None
    seed = ctx.text(values[0])
    name = assignment.targets[0]
    alone = len(given) == len(reads) and isinstance(name, ast.Name) and not ctx.looked_up(assignment, name.id)

    def build() -> list[Edit]:
        edits = [ctx.edits.replace(use, seed) for use in given]
        return sorted([*(ctx.edits.delete([assignment]) if alone else ()), *edits], key=lambda edit: edit.start)

    return ctx.fix(build, Safety.UNSAFE, f"Pass `random_state={seed}` to each")
