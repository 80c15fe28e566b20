from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlint.rule import Call, Context, Edit, Example, Finding, Fix, Method, Rule, Safety, walk

_PIPELINE = "sklearn.pipeline.make_pipeline"

DATA = (
    "import numpy as np\nfrom sklearn.model_selection import train_test_split\n"
    "from sklearn.preprocessing import MinMaxScaler, StandardScaler\n"
    "X, y = np.random.randn(60, 3), np.random.randint(0, 2, 60)\n"
)
SCORE = (
    "import numpy as np\nfrom sklearn.linear_model import LogisticRegression\n"
    "from sklearn.model_selection import KFold, cross_val_score\n"
    "from sklearn.preprocessing import StandardScaler\n"
    "X, y = np.random.randn(60, 3), np.random.randint(0, 2, 60)\n"
)
FRAME = (
    "import pandas as pd\nfrom sklearn.model_selection import train_test_split\n"
    "from sklearn.preprocessing import StandardScaler\ndf = pd.read_csv('data.csv')\n"
)


class FitBeforeSplit(Rule):
    """A transformer learns from all samples before the test part is split off, so the score is too good.

    ## Why
    Scales, imputed values, selected features and vocabularies that were computed with the test samples carry what is to
    be predicted into training. Feature selection before the split finds structure in pure noise; oversampling before
    the split puts copies and synthetic neighbours of test samples into the training part.

    Reported are transformers that learn from the data (scalers, imputers, decompositions, feature selection,
    vectorizers, target encoders), resampling, a standardisation by hand and missing values filled with a mean or a
    median, where the result flows into `train_test_split`, a cross-validation, a search or a splitter.

    ## Fix safety
    Unsafe: the scores change, as they should. The split moves up where the two statements stand next to each other and
    nothing else reads what is in between; for `cross_val_score` and its like the transformer moves into a pipeline.

    ## Known limits
    What is learned inside a function and split outside of it is not seen.

    ## When to ignore
    The transformer was fitted for a final model on all samples, and the split is only there to report a rough score.

    ## References
    - scikit-learn user guide, "Common pitfalls and recommended practices", section "Data leakage".
    - imbalanced-learn user guide, "Common pitfalls and recommended practices", section "Data leakage".
    """

    code, name = "ML616", "fit-before-split"
    libraries = ("sklearn", "rapids", "dask")
    safety = Safety.UNSAFE
    triggers = (
        Method("fit", "fit_transform", "fit_resample", "fit_sample", "fillna", "mean"),
        Call("sklearn.utils.resample", "numpy.mean"),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        leak = ctx.splits.leaks.get(node)
        if leak is None:
            return
        scored = isinstance(leak.split.func, ast.Attribute) and leak.split.func.attr == "fit"
        splitter = f"`{ctx.short(leak.split.func)}`"
        fix = None
        place: ast.AST = node
        last = node.func.attr if isinstance(node.func, ast.Attribute) else "resample"
        advice = "split first, fit on the training part, and only `transform` the rest"
        if last in ("fit", "fit_transform"):
            assert isinstance(node.func, ast.Attribute)
            data = f"`{ctx.short(node.args[0])}`" if node.args else "all samples"
            message = f"`{ctx.short(node.func.value)}` is fitted on all of {data}, before {splitter} takes parts of it"
            if (ctx.dotted(leak.split.func) or "").startswith("sklearn.model_selection.cross_val") or scored:
                advice = "put the transformer and the estimator into a pipeline, which fits both on each training part"
            fix = _moved(node, leak.split, leak.array, ctx) or _piped(node, leak.split, leak.array, ctx)
        elif last == "fillna":
            message = f"`{ctx.short(node)}` fills with a statistic of all samples, before {splitter}"
            advice = "split first, and fill both parts with the statistic of the training part"
        elif last == "mean":
            place = next(a for a in ctx.tree.ancestors(node) if isinstance(a, ast.BinOp) and isinstance(a.op, ast.Div))
            message = f"`{ctx.short(place)}` scales with the mean and deviation of all samples, before {splitter}"
            advice = "split first, and scale both parts with the mean and deviation of the training part"
        else:
            message = (
                f"`{ctx.short(node)}` resamples before {splitter}: test samples have copies or neighbours in training"
            )
            advice = "split first, and resample the training part only"
            fix = _resampled(node, leak.split, ctx)
        yield ctx.finding(place, message, advice, fix)

    examples = (
        Example(
            given=DATA,
            bad=(
                "scaler = StandardScaler()\nX = scaler.fit_transform(X)\n"
                "X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)\n"
            ),
            good=(
                "scaler = StandardScaler()\n"
                "X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)\n"
                "X_train = scaler.fit_transform(X_train)\nX_test = scaler.transform(X_test)\n"
            ),
            equal="X_train.shape, y_test, X_test.shape",
        ),
        Example(
            given=DATA,
            bad=(
                "def parts(X, y):\n    # scale\n    Z = MinMaxScaler().fit_transform(X)\n\n"
                "    # and split\n    a, b, c, d = train_test_split(\n        Z,  # features\n        y,\n"
                "        random_state=0,\n    )\n    return a, b, c, d\n\nout = parts(X, y)\n"
            ),
            good=(
                "def parts(X, y):\n    # scale\n\n"
                "    # and split\n    a, b, c, d = train_test_split(\n        X,  # features\n        y,\n"
                "        random_state=0,\n    )\n    scaler = MinMaxScaler()\n    a = scaler.fit_transform(a)\n"
                "    b = scaler.transform(b)\n    return a, b, c, d\n\nout = parts(X, y)\n"
            ),
            equal="out[2], out[3]",
        ),
        Example(
            given=DATA + "import pandas as pd\nX = pd.DataFrame(X, columns=list('abc'))\n",
            bad=(
                "scaler = StandardScaler()\n"
                "scaled = pd.DataFrame(scaler.fit_transform(X), columns=X.columns, index=X.index)\n"
                "X_train, X_test = train_test_split(scaled, random_state=0)\n"
            ),
            good=(
                "scaler = StandardScaler()\n"
                "X_train, X_test = train_test_split(X, random_state=0)\n"
                "X_train = pd.DataFrame(scaler.fit_transform(X_train), columns=X_train.columns, index=X_train.index)\n"
                "X_test = pd.DataFrame(scaler.transform(X_test), columns=X_test.columns, index=X_test.index)\n"
            ),
            equal="X_train.index, X_test.index, X_test.columns",
        ),
        Example(
            given=DATA + "from sklearn.feature_selection import SelectKBest\n",
            bad=(
                "select = SelectKBest(k=2)\nX_new = select.fit_transform(X, y)\n"
                "a, b, c, d = train_test_split(X_new, y, stratify=y, random_state=0)\n"
            ),
            good=(
                "select = SelectKBest(k=2)\n"
                "a, b, c, d = train_test_split(X, y, stratify=y, random_state=0)\n"
                "a = select.fit_transform(a, c)\nb = select.transform(b)\n"
            ),
            equal="a.shape, b.shape, d",
        ),
        Example(
            given=DATA,
            bad=(
                "sc = StandardScaler()\nsc.fit(X)\nX = sc.transform(X)\n"
                "X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)\n"
            ),
            good=(
                "sc = StandardScaler()\n"
                "X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)\n"
                "sc.fit(X_train)\nX_train = sc.transform(X_train)\nX_test = sc.transform(X_test)\n"
            ),
            equal="X_train.shape, y_test",
        ),
        Example(
            given=FRAME,
            bad=(
                "num = ['a', 'b']\ndf[num] = StandardScaler().fit_transform(df[num])\nX = df.drop('y', axis=1)\n"
                "y = df['y']\nX_train, X_test, y_train, y_test = train_test_split(X, y)\n"
            ),
        ),
        Example(
            given=FRAME,
            bad=(
                "df['age'] = df['age'].fillna(df['age'].mean())\ndf['fare'].fillna(df.fare.median(), inplace=True)\n"
                "train, test = train_test_split(df)\n"
            ),
            count=2,
        ),
        Example(given=FRAME, bad="df = (df - df.mean()) / df.std()\ntrain, test = train_test_split(df)\n"),
        Example(
            given=DATA,
            bad="Z = (X - np.mean(X, axis=0)) / np.std(X, axis=0)\na, b, c, d = train_test_split(Z, y)\n",
        ),
        Example(
            given=DATA + "from imblearn.over_sampling import SMOTE\n",
            bad=(
                "smote = SMOTE(random_state=0)\nX_res, y_res = smote.fit_resample(X, y)\n"
                "X_train, X_test, y_train, y_test = train_test_split(X_res, y_res, stratify=y_res, random_state=0)\n"
            ),
            good=(
                "smote = SMOTE(random_state=0)\n"
                "X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)\n"
                "X_train, y_train = smote.fit_resample(X_train, y_train)\n"
            ),
        ),
        Example(
            given=FRAME + "from sklearn.utils import resample\n",
            bad=(
                "few = df[df['y'] == 1]\nmany = df[df['y'] == 0]\nmore = resample(few, n_samples=len(many))\n"
                "df = pd.concat([many, more])\na, b, c, d = train_test_split(df.drop('y', axis=1), df['y'])\n"
            ),
        ),
        Example(
            bad=(
                "from sklearn.linear_model import LogisticRegression\n"
                "from sklearn.model_selection import cross_val_score\n"
                "from sklearn.preprocessing import StandardScaler\n\n\n"
                "def score(X, y):\n    Z = StandardScaler().fit_transform(X)\n    model = LogisticRegression()\n"
                "    return cross_val_score(model, Z, y, cv=3)\n"
            ),
            good=(
                "from sklearn.linear_model import LogisticRegression\n"
                "from sklearn.model_selection import cross_val_score\n"
                "from sklearn.pipeline import make_pipeline\n"
                "from sklearn.preprocessing import StandardScaler\n\n\n"
                "def score(X, y):\n    model = LogisticRegression()\n"
                "    return cross_val_score(make_pipeline(StandardScaler(), model), X, y, cv=3)\n"
            ),
        ),
        Example(
            given=SCORE,
            bad=(
                "Z = StandardScaler().fit_transform(X)\nfor tr, te in KFold(3).split(Z):\n"
                "    LogisticRegression().fit(Z[tr], y[tr]).score(Z[te], y[te])\n"
            ),
        ),
        Example(
            given=SCORE + "from sklearn.model_selection import GridSearchCV\n",
            bad=(
                "search = GridSearchCV(LogisticRegression(), {'C': [0.1, 1]})\nX = StandardScaler().fit_transform(X)\n"
                "search.fit(X, y)\n"
            ),
        ),
        Example(
            given=DATA,
            bad=(
                "sc = StandardScaler()\nZ = sc.fit_transform(X)\na, b, c, d = train_test_split(Z, y)\n"
                "print(Z.mean(axis=0))\n"
            ),
            note="read elsewhere: no fix",
        ),
        Example(
            given=DATA,
            ok=(
                "sc = StandardScaler()\nX_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)\n"
                "X_train = sc.fit_transform(X_train)\nX_test = sc.transform(X_test)\n"
            ),
        ),
        Example(
            given=DATA + "from sklearn.preprocessing import LabelEncoder\n",
            ok="y = LabelEncoder().fit_transform(y)\na, b, c, d = train_test_split(X, y, random_state=0)\n",
        ),
        Example(
            given=FRAME + "from sklearn.preprocessing import LabelEncoder, OneHotEncoder\n",
            ok="df['c'] = LabelEncoder().fit_transform(df['c'])\na, b = train_test_split(df)\n",
            note="codes of categories tell nothing about other samples",
        ),
        Example(
            given=DATA + "from sklearn.preprocessing import Normalizer\n",
            ok="X = Normalizer().fit_transform(X)\na, b, c, d = train_test_split(X, y)\n",
        ),
        Example(
            given=DATA,
            ok=(
                "a, b, c, d = train_test_split(X, y)\nfinal = StandardScaler()\nX = final.fit_transform(X)\n"
                "print(X.shape)\n"
            ),
            note="a refit on everything after the evaluation",
        ),
        Example(
            given=DATA,
            ok="shown = StandardScaler().fit_transform(X)\na, b, c, d = train_test_split(X, y)\nprint(shown[:3])\n",
        ),
        Example(
            given=SCORE,
            ok=(
                "from sklearn.pipeline import make_pipeline\n"
                "model = make_pipeline(StandardScaler(), LogisticRegression())\nscores = cross_val_score(model, X, y)\n"
            ),
        ),
        Example(given=FRAME, ok="df['age'] = df['age'].fillna(0)\nX = df / 255\ntrain, test = train_test_split(X)\n"),
        Example(
            given=DATA,
            ok=(
                "a, b, c, d = train_test_split(X, y)\na = StandardScaler().fit_transform(a)\n"
                "e, f = train_test_split(a)\n"
            ),
            note="the test part is out already",
        ),
        Example(
            given="from mylib import StandardScaler, train_test_split\nimport sklearn",
            ok="def f(X):\n    X = StandardScaler().fit_transform(X)\n    return train_test_split(X)\n",
        ),
    )


def _moved(node: ast.Call, split: ast.Call, array: ast.expr, ctx: Context) -> Fix | None:
    """Fit after `train_test_split`, on its first part."""
    assert isinstance(node.func, ast.Attribute)
    parts = _targets(split, ctx)
    made = _assignment(array, ctx)
    if parts is None or made is None or array not in split.args or not isinstance(array, ast.Name):
        return None
    index = next(number for number, argument in enumerate(split.args) if argument is array)
    train, test = parts[2 * index], parts[2 * index + 1]
    value = made.value
    fitting: list[ast.stmt] = []
    if node.func.attr == "fit_transform":
        call = node
    else:
        statement = ctx.tree.statement(node)
        calls = [n for n in walk(value) if isinstance(n, ast.Call) and _method(n) == "transform"]
        if len(calls) != 1 or not isinstance(statement, ast.Expr) or statement.value is not node:
            return None
        call, fitting = calls[0], [statement]
    if not any(inner is call for inner in walk(value)) or not _plain(call) or not _plain(node):
        return None
    source = call.args[0]
    labels = _labels(node, split, parts)
    if labels is None or not isinstance(node.func.value, (ast.Name, ast.Call)):
        return None
    others = [] if value is call else _names(value, source)
    if value is not call and others is None:
        return None
    transformer = node.func.value
    first = fitting[0] if fitting else made
    if not _movable(first, [*fitting, made], split, [array.id, *_used(source), *_used(transformer)], ctx):
        return None
    if isinstance(transformer, ast.Name):
        if len(ctx.splits.fits(transformer, node)) != 1:
            return None
    elif fitting or not ctx.names.is_free(_name_for(transformer), split):
        return None
    reads = ctx.flow.uses_after(array.id, made)
    inside = [n for n in walk(split) if isinstance(n, ast.Name) and n.id == array.id]
    if any(read not in inside for read in reads) or (len(inside) > 1 and not isinstance(source, ast.Name)):
        return None

    def build() -> list[Edit]:
        lines: list[str] = []
        name = ctx.text(transformer)
        if isinstance(transformer, ast.Call):
            name = _name_for(transformer)
            lines.append(f"{name} = {ctx.text(transformer)}")
        fit_arguments = ", ".join([train, *labels])
        if fitting:
            lines.append(f"{name}.fit({fit_arguments})")
        learn = f"{name}.transform({train})" if fitting else f"{name}.fit_transform({fit_arguments})"
        for part, text in ((train, learn), (test, f"{name}.transform({test})")):
            new = (
                text
                if value is call
                else ctx.edits.substitute(value, {call: text, **dict.fromkeys(others or (), part)})
            )
            lines.append(f"{part} = {new}")
        edits = [
            *ctx.edits.delete([*fitting, made], moved=True),
            ctx.edits.insert_after(ctx.tree.statement(split), "\n".join(lines)),
        ]
        if ctx.text(source) != array.id:
            edits += [ctx.edits.replace(use, "$x", x=source) for use in inside]
        return edits

    return ctx.fix(build, Safety.UNSAFE, "Split first and fit on the training part")


def _piped(node: ast.Call, split: ast.Call, array: ast.expr, ctx: Context) -> Fix | None:
    """Put the transformer into a pipeline with the estimator that a cross-validation is given."""
    dotted = ctx.dotted(split.func) or ""
    made = _assignment(array, ctx)
    if not dotted.startswith("sklearn.model_selection.cross_val") or made is None or made.value is not node:
        return None
    assert isinstance(node.func, ast.Attribute)
    if not isinstance(array, ast.Name) or not node.args or node.keywords or ctx.open_ended(split) or not split.args:
        return None
    transformer, source = node.func.value, node.args[0]
    if ctx.flow.uses_after(array.id, made) != [array] or not isinstance(transformer, (ast.Name, ast.Call)):
        return None
    if not _movable(made, [made], split, [array.id, *_used(source), *_used(transformer)], ctx):
        return None
    if isinstance(transformer, ast.Name) and len(ctx.splits.fits(transformer, node)) != 1:
        return None
    if any(isinstance(inner, ast.Call) for inner in walk(source)):
        return None

    def build() -> list[Edit]:
        text, imports = ctx.edits.name(_PIPELINE, split)
        edits = [
            *ctx.edits.delete([made], moved=True),
            ctx.edits.replace(split.args[0], f"{text}($first, $second)", first=transformer, second=split.args[0]),
        ]
        if ctx.text(source) != array.id:
            edits.append(ctx.edits.replace(array, "$x", x=source))
        return [*edits, *imports]

    return ctx.fix(build, Safety.UNSAFE, "Put the transformer into a pipeline with the estimator")


def _resampled(node: ast.Call, split: ast.Call, ctx: Context) -> Fix | None:
    """Resample after `train_test_split`, its training part only."""
    parts = _targets(split, ctx)
    statement = ctx.tree.statement(node)
    if parts is None or not isinstance(statement, ast.Assign) or statement.value is not node or len(node.args) != 2:
        return None
    target = statement.targets[0]
    if not (isinstance(target, ast.Tuple) and len(statement.targets) == 1 and len(target.elts) == 2) or node.keywords:
        return None
    names = [element.id for element in target.elts if isinstance(element, ast.Name)]
    given = [argument.id for argument in node.args if isinstance(argument, ast.Name)]
    split_names = [argument.id if isinstance(argument, ast.Name) else None for argument in split.args]
    if len(names) != 2 or len(given) != 2 or any(split_names.count(name) != 1 for name in names):
        return None
    receiver = node.func.value if isinstance(node.func, ast.Attribute) else node.func
    if not _movable(statement, [statement], split, [*names, *given, *_used(receiver)], ctx):
        return None
    inside = [n for n in walk(split) if isinstance(n, ast.Name) and n.id in names]
    if any(read not in inside for name in names for read in ctx.flow.uses_after(name, statement)):
        return None

    def build() -> list[Edit]:
        trained = [parts[2 * split_names.index(name)] for name in names]
        text = f"{', '.join(trained)} = {ctx.text(node.func)}({', '.join(trained)})"
        edits = [*ctx.edits.delete([statement], moved=True), ctx.edits.insert_after(ctx.tree.statement(split), text)]
        renamed = dict(zip(names, given, strict=True))
        return [*edits, *(ctx.edits.replace(n, renamed[n.id]) for n in inside if renamed[n.id] != n.id)]

    return ctx.fix(build, Safety.UNSAFE, "Split first and resample the training part")


def _targets(split: ast.Call, ctx: Context) -> list[str] | None:
    """The names that the parts of a `train_test_split` are assigned to."""
    statement = ctx.tree.statement(split)
    if not isinstance(statement, ast.Assign) or statement.value is not split or len(statement.targets) != 1:
        return None
    target = statement.targets[0]
    if not isinstance(target, (ast.Tuple, ast.List)) or len(target.elts) != 2 * len(split.args):
        return None
    names = [element.id for element in target.elts if isinstance(element, ast.Name)]
    usable = len(names) == len(target.elts) and len(set(names)) == len(names) and not ctx.open_ended(split)
    return names if usable else None


def _assignment(array: ast.expr, ctx: Context) -> ast.Assign | None:
    """The one plain assignment that gives the name of an array its value."""
    bindings = ctx.reaching.of(array) if isinstance(array, ast.Name) else None
    if bindings is None or len(bindings) != 1:
        return None
    made = bindings[0].node
    plain = isinstance(made, ast.Assign) and len(made.targets) == 1 and isinstance(made.targets[0], ast.Name)
    return made if plain and isinstance(made, ast.Assign) else None


def _movable(first: ast.stmt, moved: list[ast.stmt], split: ast.Call, names: list[str], ctx: Context) -> bool:
    """Whether statements may move below a split: what stands between mentions none of the names."""
    block = ctx.tree.block(first)
    statement = ctx.tree.statement(split)
    places = {id(other): number for number, other in enumerate(block)}
    if id(statement) not in places or any(id(other) not in places for other in moved):
        return False
    between = block[places[id(first)] + 1 : places[id(statement)]]
    return places[id(first)] < places[id(statement)] and not any(
        isinstance(inner, ast.Name) and inner.id in names
        for other in between
        if other not in moved
        for inner in walk(other)
    )


def _labels(node: ast.Call, split: ast.Call, parts: list[str]) -> list[str] | None:
    """The labels that a fit is given, as they are called after the split; None where that cannot be said."""
    if len(node.args) == 1:
        return []
    text = ast.dump(node.args[1])
    for number, argument in enumerate(split.args):
        if ast.dump(argument) == text:
            return [parts[2 * number]]
    return None


def _names(value: ast.expr, source: ast.expr) -> list[ast.expr] | None:
    """The other mentions of the data in an expression around the fit; None where they cannot be renamed."""
    if not isinstance(source, ast.Name):
        return None
    return [n for n in walk(value) if isinstance(n, ast.Name) and n.id == source.id and n is not source]


def _used(node: ast.AST) -> list[str]:
    return [inner.id for inner in walk(node) if isinstance(inner, ast.Name)]


def _plain(call: ast.Call) -> bool:
    return 0 < len(call.args) < 3 and not call.keywords and not any(isinstance(a, ast.Starred) for a in call.args)


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _name_for(transformer: ast.Call) -> str:
    """What to call a transformer: by the last word of its class."""
    func = transformer.func
    last = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else "transformer"
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+", last)
    return words[-1].lower() if words else "transformer"
