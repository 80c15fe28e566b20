from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import (
    DATAFRAME,
    ESTIMATOR,
    NDARRAY,
    SERIES,
    Batch,
    Batches,
    Context,
    Edit,
    Example,
    Finding,
    Fix,
    Kept,
    Method,
    Reading,
    Rule,
    Safety,
    SampleLoop,
    around,
    kept,
    reading,
    walk,
)

_METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "transform")
_BOOSTERS = ("xgboost.Booster", "lightgbm.Booster")
_DATA = (NDARRAY, DATAFRAME, SERIES, "list", "tuple", "cudf.DataFrame", "cupy.ndarray", "polars.DataFrame")
_JOINING = frozenset({"numpy.concatenate", "numpy.vstack"})
_ARRAYS = frozenset({"numpy.array", "numpy.asarray"})
_NUMBERS = {"": "", "item": ".tolist()", "float": ".astype(float).tolist()", "int": ".astype(int).tolist()"}

FITTED = (
    "import numpy as np\nimport pandas as pd\nfrom sklearn.linear_model import LinearRegression, LogisticRegression\n"
    "X = np.random.normal(size=(60, 3))\ny = X @ [1.0, -2.0, 0.5] + 0.1 * np.random.normal(size=60)\n"
    "reg = LinearRegression().fit(X, y)\nclf = LogisticRegression().fit(X, y > 0)\n"
)
FRAME = (
    "import numpy as np\nimport pandas as pd\nfrom sklearn.linear_model import LinearRegression\n"
    "df = pd.DataFrame(np.random.normal(size=(40, 2)), columns=['a', 'b'])\n"
    "reg = LinearRegression().fit(df[['a', 'b']].to_numpy(), df['a'] - df['b'])\n"
)
MODEL = "import numpy as np\nfrom sklearn.linear_model import LogisticRegression\nmodel = LogisticRegression()\n"


class PerRowPredict(Rule):
    """An estimator is asked once for every row, where one call takes all rows.

    ## Why
    Each call checks its input, looks up what was fitted and makes a result array before it computes anything: tens to
    hundreds of microseconds for one row, while a batch pays that once and computes all rows in compiled code.
    scikit-learn's documentation calls the two ways atomic and bulk mode and measures one to two orders of magnitude
    between them.

    Reported are the predicting and transforming methods of estimators and boosters that are known to be such, on a
    batch of one sample (`x.reshape(1, -1)`, `[x]`, `X[i:i + 1]`, `X.iloc[[i]]`, `xgb.DMatrix(X[[i]])`) of data in
    memory.

    ## Fix safety
    Unsafe: sums may come out in another order, an empty batch raises where no round did, and all results are in memory
    at once. Where a round kept the array for its one row, the arrays are views of one.

    ## Known limits
    Silent where the rows may come one by one for a reason: the loop may end early, hands results out, reads the clock,
    or changes the data or the model.

    ## References
    - scikit-learn user guide, "Computational performance", prediction latency, bulk versus atomic mode.
    """

    code, name = "ML125", "per-row-predict"
    libraries = ("sklearn", "xgboost", "lightgbm", "rapids")
    safety = Safety.UNSAFE
    triggers = (Method(*_METHODS),)
    examples = (
        Example(
            given=FITTED,
            bad="preds = [reg.predict(x.reshape(1, -1))[0] for x in X]",
            good="preds = list(reg.predict(X))",
            equal="np.array(preds)",
            close=True,
        ),
        Example(
            given=FITTED,
            bad="preds = []\nfor i in range(len(X)):\n    preds.append(reg.predict(X[i:i + 1])[0])",
            good="preds = []\npreds.extend(reg.predict(X))",
            equal="np.array(preds)",
            close=True,
        ),
        Example(
            given=FITTED,
            bad=(
                "out = np.zeros(len(X))\nfor i, row in enumerate(X):\n    row = row.reshape((1, -1))\n"
                "    p = clf.predict_proba(row)\n    out[i] = p[0, 1]"
            ),
            good="out = np.zeros(len(X))\nout[:len(X)] = clf.predict_proba(X)[:, 1]",
            equal="out",
            close=True,
        ),
        Example(
            given=FITTED,
            bad="proba = np.array([clf.predict_proba([x])[0] for x in X])",
            good="proba = clf.predict_proba(X)",
            equal="proba",
            close=True,
        ),
        Example(
            given=FITTED,
            bad="proba = np.concatenate([clf.predict_proba(x[None, :]) for x in X])",
            good="proba = clf.predict_proba(X)",
            equal="proba",
            close=True,
        ),
        Example(
            given=FITTED,
            bad="preds = [reg.predict(np.expand_dims(X[i], axis=0)) for i in range(X.shape[0])]",
            good="preds = list(reg.predict(X)[:, None])",
            equal="np.array(preds)",
            close=True,
            note="arrays of one number, as they were",
        ),
        Example(
            given=FITTED,
            bad="preds = [float(reg.predict([x])[0]) for x in X]",
            good="preds = reg.predict(X).astype(float).tolist()",
            equal="preds",
            close=True,
        ),
        Example(
            given=FITTED,
            bad="n = 20\npreds = [reg.predict([X[i]]).item() for i in range(n)]",
            good="n = 20\npreds = reg.predict(X[:n]).tolist()",
            equal="preds",
            close=True,
        ),
        Example(
            given=FITTED,
            bad="preds = list(map(lambda x: reg.predict([x])[0], X))",
            note="what stands around `map` is left to the reader",
        ),
        Example(
            given=FRAME,
            bad="df['p'] = df.apply(lambda r: reg.predict([[r['a'], r['b']]])[0], axis=1)",
            good="df['p'] = reg.predict(df[['a', 'b']].to_numpy())",
            equal="df",
            close=True,
        ),
        Example(
            given=FRAME,
            bad="for i, row in df.iterrows():\n    df.loc[i, 'p'] = reg.predict([[row['a'], row['b']]])[0]",
            good="df['p'] = reg.predict(df[['a', 'b']].to_numpy())",
            equal="df",
            close=True,
        ),
        Example(
            given=FRAME,
            bad="preds = [reg.predict(df.iloc[[i]])[0] for i in range(len(df))]",
            good="preds = list(reg.predict(df))",
            equal="np.array(preds)",
            close=True,
        ),
        Example(
            given=(
                "import pandas as pd\nfrom sklearn.feature_extraction.text import TfidfVectorizer\n"
                "from sklearn.pipeline import make_pipeline\nfrom sklearn.naive_bayes import MultinomialNB\n"
                "df = pd.DataFrame({'text': ['a fine day', 'no good at all', 'fine and good', 'a bad day'] * 5})\n"
                "pipe = make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(df['text'], [1, 0, 1, 0] * 5)\n"
            ),
            bad="df['label'] = df['text'].apply(lambda t: pipe.predict([t])[0])",
            good="df['label'] = pipe.predict(df['text'])",
            equal="df",
        ),
        Example(
            given=(
                "import numpy as np\nimport xgboost as xgb\nX = np.random.normal(size=(40, 3))\n"
                "booster = xgb.train({'max_depth': 2}, xgb.DMatrix(X, label=X[:, 0]), 3)\n"
            ),
            bad="preds = [booster.predict(xgb.DMatrix(X[i:i + 1]))[0] for i in range(len(X))]",
            good="preds = list(booster.predict(xgb.DMatrix(X)))",
            equal="np.array(preds)",
            close=True,
        ),
        Example(
            given=MODEL,
            bad="def run(pairs: np.ndarray):\n    for a, b in zip(pairs[:, 0], pairs[:, 1]):\n"
            "        print(model.predict([[a, b]])[0])",
            note="a report: the pairs have to be put together first",
        ),
        Example(
            given=MODEL,
            bad="def run(X):\n    for i in range(len(X)):\n        label = model.predict(X[i].reshape(1, -1))\n"
            "        print(i, label)",
            note="something is done with each: no fix",
        ),
        Example(given=MODEL, ok="def f(X):\n    return model.predict(X)"),
        Example(given=MODEL, ok="def f(models, x):\n    return [m.predict(x.reshape(1, -1)) for m in models]"),
        Example(
            given=MODEL,
            ok="def f(x: np.ndarray):\n    return [m.predict(x[None]) for m in (model, LogisticRegression())]",
            note="one row, several models",
        ),
        Example(
            given=MODEL,
            ok="def f(X: np.ndarray, bs):\n    return [model.predict(X[i:i + bs]) for i in range(0, len(X), bs)]",
            note="batches",
        ),
        Example(
            given=MODEL + "from sklearn.model_selection import KFold\n",
            ok="def f(X, y):\n    for train, test in KFold().split(X):\n        print(model.predict(X[test]))",
        ),
        Example(
            given=MODEL + "import time\n",
            ok="def f(X: np.ndarray):\n    for x in X:\n        t = time.perf_counter()\n        model.predict([x])\n"
            "        print(time.perf_counter() - t)",
            note="a measurement of latency",
        ),
        Example(given=MODEL, ok="def f(stream):\n    for x in stream:\n        print(model.predict([x]))"),
        Example(
            given=MODEL,
            ok="def f(X: np.ndarray):\n    for x in X:\n        yield model.predict([x])[0]",
            note="the caller takes one at a time",
        ),
        Example(
            given=MODEL,
            ok="def f(X: np.ndarray):\n    for x in X:\n        if model.predict([x])[0] == 1:\n            return x",
            note="it stops at the first",
        ),
        Example(
            given="import numpy as np\nfrom sklearn.linear_model import SGDClassifier\nmodel = SGDClassifier()\n",
            ok=(
                "def f(X: np.ndarray, y):\n    for i in range(len(X)):\n        print(model.predict(X[i:i + 1]))\n"
                "        model.partial_fit(X[i:i + 1], y[i:i + 1])"
            ),
            note="it learns from each before it sees the next",
        ),
        Example(
            given=MODEL,
            ok=(
                "def f(window: np.ndarray, n):\n    for i in range(n):\n"
                "        window[i + 1, 0] = model.predict(window[i:i + 1])[0]"
            ),
            note="each prediction is the input of the next",
        ),
        Example(
            given=MODEL,
            ok=(
                "def f(x: np.ndarray, n):\n    for i in range(n):\n        p = model.predict(x.reshape(1, -1))\n"
                "        x = np.append(x[1:], p)"
            ),
        ),
        Example(given=MODEL, ok="for x in ([0.0, 1.0], [1.0, 1.0]):\n    print(model.predict([x]))", note="two rows"),
        Example(given=MODEL, ok="X = np.random.rand(3, 2)\nfor x in X:\n    print(model.predict([x]))"),
        Example(given=MODEL, ok="def f(df):\n    for i, row in df.head().iterrows():\n        model.predict([row])"),
        Example(
            given="import numpy as np\nimport sklearn\n",
            ok="def f(model, X: np.ndarray):\n    return [model.predict(x[None]) for x in X]",
            note="nothing is known of the model",
        ),
        Example(
            given="import numpy as np\nfrom sklearn.base import BaseEstimator\n",
            ok=(
                "class Tracker(BaseEstimator):\n    def predict(self, X):\n        self.seen = X\n        return X\n\n"
                "tracker = Tracker()\nout = [tracker.predict([x]) for x in np.eye(50)]"
            ),
            note="the project's own: it may keep a state",
        ),
        Example(
            given="import numpy as np\nfrom sklearn.linear_model import LinearRegression\n",
            ok=(
                "def f(X: np.ndarray, Y):\n    out = []\n    for x, y in zip(X, Y):\n"
                "        reg = LinearRegression().fit(X, y)\n        out.append(reg.predict([x])[0])\n    return out"
            ),
            note="another model in each round",
        ),
        Example(
            given=MODEL + "import pandas as pd\n",
            ok="def f(df: pd.DataFrame):\n    return [model.predict(df[[c]]) for c in df]",
            note="columns",
        ),
        Example(
            given=FITTED.replace("60", "n").replace("X = ", "n = 1000\nX = "),
            bad="preds = [reg.predict(x.reshape(1, -1))[0] for x in X]",
            good="preds = list(reg.predict(X))",
            equal="np.array(preds)",
            close=True,
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Attribute)
        if not node.args or isinstance(node.args[0], ast.Starred):
            return
        model = node.func.value
        for loop in around(ctx.model, node):
            if not loop.elements and loop.index is None:
                continue
            batches = Batches(loop)
            batch = batches.batch(node.args[0])
            if batch is None:
                continue
            if self._predicts(model, ctx) and self._may_batch(node, model, batch, loop, ctx):
                yield self._finding(node, batches, batch, ctx)
            return

    def _predicts(self, model: ast.expr, ctx: Context) -> bool:
        kind = ctx.kinds.of(model)
        if kind.is_first_party:
            return False
        return kind.is_a(ESTIMATOR, *_BOOSTERS) or kind.name.startswith(("cuml.", "xgboost.XGB", "lightgbm.LGBM"))

    def _may_batch(self, call: ast.Call, model: ast.expr, batch: Batch, loop: SampleLoop, ctx: Context) -> bool:
        """Whether all rows are there before the first round, and no round changes what the next one gives."""
        others = [*call.args[1:], *(keyword.value for keyword in call.keywords)]
        if any(loop.varies(part) for part in (model, batch.data, *others)):
            return False
        kind = ctx.kinds.of(batch.data)
        taken = any(batch.data is data for data in loop.elements.values())
        if not kind.is_a(*_DATA) and (kind.known or taken):
            return False
        if loop.few(batch.data) or loop.leaves() or loop.changes(batch.data):
            return False
        return not _touched(model, loop, ctx)

    def _finding(self, call: ast.Call, batches: Batches, batch: Batch, ctx: Context) -> Finding:
        assert isinstance(call.func, ast.Attribute)
        message = f"`{ctx.short(call.func)}` is called once for each row of `{ctx.short(batch.data)}`"
        if batch.text is None:
            return ctx.finding(call, message, "call it once with all rows")
        text = f"{ctx.text(call.func)}({batch.text}{_rest(call, ctx)})"
        found = reading(batches, call)
        where = kept(batches, call, found)
        fix = None if where is None or "\n" in text else _fix(text, found, where, call.func.attr, ctx)
        return ctx.finding(call, message, f"call it once: `{text}`", fix)


def _touched(model: ast.expr, loop: SampleLoop, ctx: Context) -> bool:
    """Whether a round fits the model, or hands it to somebody."""
    name = ast.dump(model)
    for inner in walk(loop.node):
        if type(inner) is not type(model) or ast.dump(inner) != name:
            continue
        parent = ctx.tree.parent(inner)
        if not isinstance(parent, ast.Attribute) or (parent.attr not in _METHODS and not parent.attr.endswith("_")):
            return True
    return False


def _rest(call: ast.Call, ctx: Context) -> str:
    """The other arguments."""
    parts = [*call.args[1:], *call.keywords]
    return "".join(f", {ctx.text(part)}" for part in parts)


def _fix(text: str, found: Reading, where: Kept, method: str, ctx: Context) -> Fix | None:
    if not found.first and method == "transform" and where.how != "list":
        return None  # a matrix of one row, often a sparse one
    column = "" if found.column is None else f"[:, {found.column}]"
    values = f"{text}{column}"
    number = _NUMBERS[found.cast]
    single = not found.first and not found.cast
    place = where.place
    if isinstance(place, ast.ListComp):
        outer = ctx.tree.parent(place)
        dotted = ctx.dotted(outer.func) if isinstance(outer, ast.Call) and outer.args == [place] else None
        plain = isinstance(outer, ast.Call) and not outer.keywords
        replaced: ast.expr = place
        if isinstance(outer, ast.Call) and plain and dotted in _ARRAYS and found.first:
            replaced, new = outer, values + number.removesuffix(".tolist()")
        elif isinstance(outer, ast.Call) and plain and dotted in _JOINING and single and column == "":
            if dotted == "numpy.vstack" and method not in ("predict_proba", "predict_log_proba", "transform"):
                return None
            if method == "transform":
                return None
            replaced, new = outer, values
        elif number:
            new = values + number
        elif single:
            if method == "transform":
                return None
            new = f"list({values}[:, None])"
        else:
            new = f"list({values})"

        def build() -> list[Edit]:
            return [ctx.edits.replace(replaced, new)]

        return ctx.fix(build, Safety.UNSAFE, f"Replace by `{new}`")
    if isinstance(place, ast.Lambda):
        return _applied(place, values + number.removesuffix(".tolist()"), found, ctx)
    if not isinstance(place, ast.For) or where.target is None:
        return None
    return _loop_fix(place, values, number, found, where, ctx)


def _applied(place: ast.Lambda, values: str, found: Reading, ctx: Context) -> Fix | None:
    """``df["p"] = df.apply(lambda …)``: a column takes an array, whatever the frame's index."""
    call = ctx.tree.parent(place)
    statement = ctx.tree.parent(call) if call is not None else None
    if not isinstance(call, ast.Call) or not isinstance(statement, ast.Assign) or not (found.first or found.cast):
        return None
    target = statement.targets[0]
    if len(statement.targets) != 1 or not isinstance(target, ast.Subscript) or not isinstance(call.func, ast.Attribute):
        return None
    frame = call.func.value
    if not ctx.is_a(target.value, DATAFRAME) or ctx.text(target.value) not in (ctx.text(frame), _parent(frame, ctx)):
        return None

    def build() -> list[Edit]:
        return [ctx.edits.replace(call, values)]

    return ctx.fix(build, Safety.UNSAFE, f"Replace by `{values}`")


def _parent(frame: ast.expr, ctx: Context) -> str:
    """The frame that a column belongs to."""
    return ctx.text(frame.value) if isinstance(frame, ast.Subscript) else ""


def _loop_fix(loop: ast.For, values: str, number: str, found: Reading, where: Kept, ctx: Context) -> Fix | None:
    assert where.target is not None
    target = ctx.text(where.target)
    single = not found.first and not found.cast
    if where.how == "append":
        new = f"{target}.extend({values}{'[:, None]' if single else number})"
    elif where.how == "store":
        if not ctx.is_a(where.target, NDARRAY):
            return None
        clause = loop.iter if isinstance(loop.iter, ast.Call) and len(loop.iter.args) == 1 else None
        dotted = None if clause is None else ctx.dotted(clause.func)
        if clause is None or dotted not in ("range", "enumerate"):
            return None
        end = ctx.text(clause.args[0]) if dotted == "range" else f"len({ctx.text(clause.args[0])})"
        new = f"{target}[:{end}] = {values}"
    elif where.how == "column" and not single:
        assert isinstance(where.target, ast.Subscript)
        assert isinstance(where.target.value, ast.Attribute)
        assert isinstance(where.target.slice, ast.Tuple)
        frame, column = where.target.value.value, where.target.slice.elts[1]
        new = f"{ctx.text(frame)}[{ctx.text(column)}] = {values}"
    else:
        return None
    names = [inner.id for inner in walk(loop) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)]
    safety = ctx.without(loop, names, Safety.UNSAFE)
    if safety is None:
        return None

    def build() -> list[Edit]:
        return [ctx.edits.replace_statements([loop], new)]

    return ctx.fix(build, safety, f"Replace the loop by `{new}`")
