from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlint.rule import TRANSFORMER, Call, Context, Edit, Example, Finding, Fix, Method, Rule, Safety, walk, walk_scope

_STATELESS = frozenset(
    "Normalizer FunctionTransformer HashingVectorizer FeatureHasher PolynomialFeatures Binarizer AdditiveChi2Sampler "
    "TSNE MDS SpectralEmbedding DictVectorizer".split()
)
_LABEL_ENCODERS = frozenset("LabelEncoder LabelBinarizer MultiLabelBinarizer OneHotEncoder OrdinalEncoder".split())
_TEST_WORD = re.compile(r"(?<![a-z])(test|tst|te|valid|validation|val|holdout)(?![a-z])", re.IGNORECASE)
_LABEL_WORD = re.compile(r"(?<![a-z])(y|labels?|targets?)(?![a-z])", re.IGNORECASE)
_DUMMIES = ("pandas.get_dummies", "cudf.get_dummies")

SPLIT = (
    "import numpy as np\nfrom sklearn.model_selection import train_test_split\n"
    "from sklearn.preprocessing import LabelEncoder, MinMaxScaler, StandardScaler\n"
    "X, y = np.random.randn(60, 3), np.random.randint(0, 2, 60)\n"
    "X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)\n"
)
FILES = (
    "import pandas as pd\nfrom sklearn.preprocessing import LabelEncoder, StandardScaler\n"
    "train = pd.read_csv('../input/train.csv')\ntest = pd.read_csv('../input/test.csv')\n"
)


class TransformerFitOnTest(Rule):
    """A transformer is fitted again on the test part, so train and test live in different feature spaces.

    ## Why
    What a scaler, an encoder or a decomposition learns is part of the model. Fitted on the test part, it maps the same
    raw value to another number than it did for the training part: codes of categories are permuted, scales and
    components differ, and the score says little about the model. In production there is often no batch to fit on at
    all.

    The same holds for `pandas.get_dummies` on each part by itself: a category that one part lacks has no column there.

    ## Fix safety
    Unsafe: the numbers change, as they should. A category that the training part lacks raises an error in `transform`
    where the encoder has not been told what to do with it. There is a fix where the same transformer was last fitted
    on the same columns of the training part.

    ## Known limits
    Parts are known by where they come from: `train_test_split`, the indices of a splitter, files named after them,
    Keras data sets. Names such as `X_test` count only where the same object was just fitted on the name's counterpart.

    ## When to ignore
    Train and test data are normalised separately on purpose, to take out a shift between two measuring devices.

    ## References
    - scikit-learn user guide, "Common pitfalls and recommended practices", sections "Inconsistent preprocessing" and
      "Data leakage".
    """

    code, name = "ML617", "transformer-fit-on-test"
    libraries = ("sklearn", "rapids", "dask")
    safety = Safety.UNSAFE
    triggers = (Method("fit", "fit_transform"), Call(*_DUMMIES))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if ctx.dotted(node.func) in _DUMMIES:
            yield from self._dummies(node, ctx)
            return
        func = node.func
        if not isinstance(func, ast.Attribute) or not node.args or isinstance(node.args[0], ast.Starred):
            return
        kind = ctx.kinds.of(func.value)
        last = kind.name.rpartition(".")[2]
        pipeline = last == "Pipeline" and func.attr == "fit_transform"
        if not (kind.is_a(TRANSFORMER) or pipeline) or last in _STATELESS:
            return
        data = node.args[0]
        part = ctx.splits.part(data)
        if part is not None and part.role != "test":
            return
        if part is None and not _TEST_WORD.search(_words(_root(data))):
            return
        if last in _LABEL_ENCODERS and ((part is not None and part.labels) or _LABEL_WORD.search(_words(_root(data)))):
            return
        before = [call for call in ctx.splits.fits(func.value, node) if _position(call) < _position(node)]
        own = [call for call in before if self._counterpart(call, data, ctx, same_object=True)]
        if own:
            fix = None
            if own[-1] is before[-1] and not ctx.open_ended(node):
                fix = self._fix(node, func, ctx)
            message = (
                f"`{ctx.short(func.value)}` is fitted again, on `{ctx.short(data)}`, and forgets the training data"
            )
            yield ctx.finding(node, message, f"use `{ctx.short(func.value)}.transform({ctx.short(data)})`", fix)
        elif part is not None and self._elsewhere(node, kind.name, data, ctx):
            message = f"a `{last}` of its own is fitted on `{ctx.short(data)}`: train and test are mapped differently"
            yield ctx.finding(node, message, "fit one on the training data, and use its `transform` here")

    def _counterpart(self, call: ast.Call, data: ast.expr, ctx: Context, *, same_object: bool) -> bool:
        """Whether a call fits on the same columns of the training part."""
        if not call.args:
            return False
        other, part, tested = call.args[0], ctx.splits.part(call.args[0]), ctx.splits.part(data)
        if part is not None and tested is not None:
            if part.role != "train" or part.labels != tested.labels:
                return False
            if not same_object and part.split is not tested.split:
                return False
        elif not same_object or not _paired(_words(_root(other)), _words(_root(data))):
            return False
        left, right = _columns(other), _columns(data)
        return left == right or left is None or right is None

    def _elsewhere(self, node: ast.Call, kind: str, data: ast.expr, ctx: Context) -> bool:
        """Whether another transformer of the same class is fitted on the training part."""
        for call in walk_scope(ctx.tree.function(node) or ctx.tree.module):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr in ("fit", "fit_transform")
                and call is not node
                and ctx.kinds.of(call.func.value).name == kind
                and self._counterpart(call, data, ctx, same_object=False)
            ):
                return True
        return False

    def _fix(self, node: ast.Call, func: ast.Attribute, ctx: Context) -> Fix | None:
        if func.attr == "fit_transform":
            return ctx.fix(
                lambda: ctx.edits.replace(
                    node, "$transformer.transform($data)", transformer=func.value, data=node.args[0]
                ),
                Safety.UNSAFE,
                "Replace `fit_transform` by `transform`",
            )
        statement = ctx.tree.statement(node)
        if not (isinstance(statement, ast.Expr) and statement.value is node):
            return None

        def build() -> list[Edit]:
            return ctx.edits.delete([statement])

        return ctx.fix(build, Safety.UNSAFE, "Delete the second `fit`")

    def _dummies(self, node: ast.Call, ctx: Context) -> Iterator[Finding]:
        """`get_dummies` on the test part, where the training part has dummies of its own and nobody aligns the two."""
        data = node.args[0] if node.args else ctx.argument(node, "data")
        part = ctx.splits.part(data)
        if part is None or part.role != "test":
            return
        trained = False
        for other in walk_scope(ctx.tree.function(node) or ctx.tree.module):
            if isinstance(other, ast.Call):
                if isinstance(other.func, ast.Attribute) and other.func.attr in (
                    *("align", "reindex", "difference", "intersection", "symmetric_difference", "set_categories"),
                    *("union", "CategoricalDtype", "isin", "reindex_like", "insert"),
                ):
                    return
                if ctx.dotted(other.func) in _DUMMIES and other.args:
                    counterpart = ctx.splits.part(other.args[0])
                    if counterpart is not None and counterpart.role == "train" and counterpart.split is part.split:
                        trained = True
                if ctx.dotted(other.func) in ("set", "pandas.Categorical", "pandas.api.types.CategoricalDtype"):
                    return
        if trained:
            message = f"`{ctx.short(node)}` makes columns for the categories of the test part only"
            yield ctx.finding(node, message, "use a `OneHotEncoder` fitted on the training part, or align the columns")

    examples = (
        Example(
            given=SPLIT,
            bad="sc = StandardScaler()\nX_train = sc.fit_transform(X_train)\nX_test = sc.fit_transform(X_test)\n",
            good="sc = StandardScaler()\nX_train = sc.fit_transform(X_train)\nX_test = sc.transform(X_test)\n",
            equal="X_train",
        ),
        Example(
            given=SPLIT,
            bad=(
                "scaler = MinMaxScaler()\nscaler.fit(X_train)\nX_train = scaler.transform(X_train)\n"
                "scaler.fit(X_test)\nX_test = scaler.transform(X_test)\n"
            ),
            good=(
                "scaler = MinMaxScaler()\nscaler.fit(X_train)\nX_train = scaler.transform(X_train)\n"
                "X_test = scaler.transform(X_test)\n"
            ),
            equal="X_train",
        ),
        Example(
            given=SPLIT,
            bad=(
                "sc_train, sc_test = StandardScaler(), StandardScaler()\n"
                "X_train = sc_train.fit_transform(X_train)\nX_test = sc_test.fit_transform(X_test)\n"
            ),
        ),
        Example(
            given=SPLIT,
            bad="a = StandardScaler().fit_transform(X_train)\nb = StandardScaler().fit_transform(X_test)\n",
        ),
        Example(
            given=FILES,
            bad=(
                "for c in ['sex', 'embarked']:\n    le = LabelEncoder()\n    train[c] = le.fit_transform(train[c])\n"
                "    test[c] = le.fit_transform(test[c])  # the same codes?\n"
            ),
            good=(
                "for c in ['sex', 'embarked']:\n    le = LabelEncoder()\n    train[c] = le.fit_transform(train[c])\n"
                "    test[c] = le.transform(test[c])  # the same codes?\n"
            ),
        ),
        Example(
            given=FILES,
            bad=(
                "le = LabelEncoder()\ntrain['a'] = le.fit_transform(train['a'])\n"
                "train['b'] = le.fit_transform(train['b'])\ntest['a'] = le.fit_transform(test['a'])\n"
                "test['b'] = le.fit_transform(test['b'])\n"
            ),
            count=2,
            note="no fix: the encoder has seen another column since",
        ),
        Example(
            given=FILES,
            bad="num = ['age', 'fare']\nsc = StandardScaler()\nA = sc.fit_transform(train[num].fillna(0).values)\n"
            "B = sc.fit_transform(test[num].fillna(0).values)\n",
            good="num = ['age', 'fare']\nsc = StandardScaler()\nA = sc.fit_transform(train[num].fillna(0).values)\n"
            "B = sc.transform(test[num].fillna(0).values)\n",
        ),
        Example(
            given="from sklearn.decomposition import PCA",
            bad=(
                "def reduce(X_train, X_test):\n    pca = PCA(2)\n    return (\n        pca.fit_transform(X_train),\n"
                "        pca.fit_transform(X_test),\n    )\n"
            ),
            good=(
                "def reduce(X_train, X_test):\n    pca = PCA(2)\n    return (\n        pca.fit_transform(X_train),\n"
                "        pca.transform(X_test),\n    )\n"
            ),
            note="the same object, fitted on the counterpart just before",
        ),
        Example(
            given="from sklearn.feature_extraction.text import TfidfVectorizer\n"
            "from sklearn.model_selection import train_test_split as split",
            bad=(
                "class Texts:\n    def __init__(self):\n        self.vec = TfidfVectorizer()\n\n"
                "    def prepare(self, texts, y):\n        first, second, _, _ = split(texts, y)\n"
                "        first = self.vec.fit_transform(first)\n        second = self.vec.fit_transform(second)\n"
                "        return first, second\n"
            ),
            good=(
                "class Texts:\n    def __init__(self):\n        self.vec = TfidfVectorizer()\n\n"
                "    def prepare(self, texts, y):\n        first, second, _, _ = split(texts, y)\n"
                "        first = self.vec.fit_transform(first)\n        second = self.vec.transform(second)\n"
                "        return first, second\n"
            ),
        ),
        Example(
            given="import numpy as np\nfrom sklearn.model_selection import KFold\n"
            "from sklearn.preprocessing import StandardScaler\nX = np.random.randn(30, 2)",
            bad=(
                "for tr, te in KFold(3).split(X):\n    s = StandardScaler()\n    a = s.fit_transform(X[tr])\n"
                "    b = s.fit_transform(X[te])\n"
            ),
            good=(
                "for tr, te in KFold(3).split(X):\n    s = StandardScaler()\n    a = s.fit_transform(X[tr])\n"
                "    b = s.transform(X[te])\n"
            ),
            equal="a",
        ),
        Example(given=FILES, bad="X = pd.get_dummies(train)\nT = pd.get_dummies(test)\n"),
        Example(given=FILES, ok="X = pd.get_dummies(train)\nT = pd.get_dummies(test)\nX, T = X.align(T, axis=1)\n"),
        Example(given=FILES, ok="both = pd.get_dummies(pd.concat([train, test]))\n"),
        Example(
            given=SPLIT, ok="sc = StandardScaler()\nX_train = sc.fit_transform(X_train)\nX_test = sc.transform(X_test)"
        ),
        Example(
            given=SPLIT,
            ok="le = LabelEncoder()\ny_train = le.fit_transform(y_train)\ny_test = le.fit_transform(y_test)",
        ),
        Example(given=SPLIT, ok="pca = StandardScaler()\nshown = pca.fit_transform(X_test)", note="only looked at"),
        Example(
            given=SPLIT,
            ok="a = StandardScaler().fit_transform(X_train)\nb = MinMaxScaler().fit_transform(X_test)",
            note="not the same kind of transformer: perhaps another purpose",
        ),
        Example(
            given="from sklearn.preprocessing import Normalizer, StandardScaler",
            ok="def f(X_train, X_test):\n    n = Normalizer()\n"
            "    return n.fit_transform(X_train), n.fit_transform(X_test)",
        ),
        Example(
            given="from sklearn.preprocessing import StandardScaler",
            ok="def f(news, test_scores):\n    s = StandardScaler()\n    a = s.fit_transform(news)\n"
            "    return a, s.fit_transform(test_scores)",
            note="two data sets; the name alone proves nothing",
        ),
        Example(
            given=FILES,
            ok="both = pd.concat([train, test])\nle = LabelEncoder()\nle.fit(both['a'])\n"
            "train['a'] = le.transform(train['a'])\n"
            "test['a'] = le.transform(test['a'])\n",
        ),
        Example(
            given=SPLIT,
            ok="from sklearn.ensemble import RandomForestClassifier\nm = RandomForestClassifier(random_state=0)\n"
            "m.fit(X_train, y_train)\nm.fit(X_test, y_test)",
            note="a model, and perhaps adversarial validation",
        ),
        Example(
            given="from mylib import Scaler\nimport sklearn",
            ok="def f(X_train, X_test):\n    s = Scaler()\n"
            "    return s.fit_transform(X_train), s.fit_transform(X_test)",
        ),
    )


def _position(node: ast.AST) -> tuple[int, int]:
    return (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))


def _root(node: ast.expr) -> str:
    """The name, or the attribute of self, at the bottom of an expression of data."""
    current: ast.AST = node
    while True:
        if isinstance(current, ast.Attribute) and isinstance(current.value, ast.Name) and current.value.id == "self":
            return current.attr
        if isinstance(current, (ast.Subscript, ast.Attribute)):
            current = current.value
        elif isinstance(current, ast.Call) and isinstance(current.func, ast.Attribute):
            current = current.func.value
        else:
            return current.id if isinstance(current, ast.Name) else ""


def _words(name: str) -> str:
    """A name with its words apart: ``XTest`` → ``X Test``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_|\d", " ", name)


def _paired(train: str, test: str) -> bool:
    """Whether two names are the same but for the part that they name: ``X_train`` and ``X_test``."""
    if not re.search(r"(?<![a-z])(train|training|tr|trn)(?![a-z])", train, re.IGNORECASE):
        return False
    return re.sub(r"(?i)(?<![a-z])(train|training|tr|trn)(?![a-z])", "#", train) == _TEST_WORD.sub("#", test)


def _columns(node: ast.expr) -> str | None:
    """Which columns of a frame an expression takes, as a text to compare; None where it does not take some."""
    for inner in walk(node):
        if isinstance(inner, ast.Subscript) and not isinstance(inner.slice, ast.Tuple):
            if not (isinstance(inner.value, ast.Attribute) and inner.value.attr in ("iloc", "loc")):
                return ast.dump(inner.slice) if not isinstance(inner.slice, ast.Name) else None
    return None
