"""Which part of the data a value is: the one to learn from, or the one that is kept back to judge by.

A part is told by where it comes from: an output of `train_test_split`, rows that a splitter's folds select, a file that
is named after it, one half of a data set that Keras hands out in two. The name of a variable proves nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mlint.model.kinds import ESTIMATOR, SPLITTER, TRANSFORMER
from mlint.model.tree import position, walk, walk_scope

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.model.names import Binding

TRAIN, TEST = "train", "test"

SPLIT_FUNCTIONS = frozenset(
    "sklearn.model_selection.train_test_split sklearn.cross_validation.train_test_split "
    "cuml.model_selection.train_test_split cuml.preprocessing.model_selection.train_test_split "
    "cuml.train_test_split dask_ml.model_selection.train_test_split".split()
)
SCORERS = frozenset(
    f"sklearn.model_selection.{name}"
    for name in "cross_val_score cross_validate cross_val_predict learning_curve validation_curve".split()
)
_SEARCHES = frozenset("GridSearchCV RandomizedSearchCV HalvingGridSearchCV HalvingRandomSearchCV".split())
_READERS = re.compile(r"pandas\.read_\w+|cudf\.read_\w+|dask\.dataframe\.read_\w+|numpy\.(load|loadtxt|genfromtxt)")
_TEST_FILE = re.compile(r"(?:^|[_\-. ])tests?(?=$|[_\-. \d])", re.IGNORECASE)
_TRAIN_FILE = re.compile(r"(?:^|[_\-. ])train(?:ing)?(?=$|[_\-. \d])", re.IGNORECASE)

# Methods and functions whose result holds the same rows, or fewer of them.
_ROWS_KEPT = frozenset(
    "copy drop dropna fillna ffill bfill replace astype reset_index set_index rename select_dtypes head filter query "
    "assign apply applymap map sort_values sort_index to_numpy toarray todense to_frame reshape ravel flatten squeeze "
    "tolist to_list get clip round drop_duplicates sample tocsr values view interpolate infer_objects pop "
    "to_dict persist compute to_pandas from_pandas".split()
)
_WRAPPERS = frozenset(
    "pandas.DataFrame pandas.Series pandas.get_dummies numpy.array numpy.asarray numpy.ravel numpy.reshape numpy.log "
    "numpy.log1p numpy.nan_to_num numpy.expand_dims numpy.float32 scipy.sparse.csr_matrix scipy.sparse.csc_matrix "
    "cudf.DataFrame cudf.from_pandas copy.copy copy.deepcopy list tensorflow.cast torch.tensor torch.from_numpy".split()
)
_JOINERS = frozenset(
    "pandas.concat numpy.hstack numpy.vstack numpy.concatenate numpy.column_stack scipy.sparse.hstack "
    "scipy.sparse.vstack".split()
)

# Transformers whose outcome for one sample depends on the other samples that they were fitted on.
LEARNING = frozenset(
    "StandardScaler MinMaxScaler MaxAbsScaler RobustScaler QuantileTransformer PowerTransformer KBinsDiscretizer "
    "SimpleImputer Imputer KNNImputer IterativeImputer PCA IncrementalPCA KernelPCA SparsePCA TruncatedSVD NMF FastICA "
    "FactorAnalysis LatentDirichletAllocation SelectKBest SelectPercentile SelectFpr SelectFdr SelectFwe "
    "GenericUnivariateSelect SelectFromModel RFE RFECV SequentialFeatureSelector VarianceThreshold TfidfVectorizer "
    "CountVectorizer TfidfTransformer TargetEncoder LinearDiscriminantAnalysis".split()
)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the data.

    Attributes:
        role: ``train`` or ``test``; what is kept back for validation counts as ``test``.
        split: what made the parts; None for files.
        labels: whether it is a part of the second or a later array that was split: the labels.
    """

    role: str
    split: ast.AST | None = None
    labels: bool = False


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that looks at all samples before they are split.

    Attributes:
        learner: the call that looks: ``fit_transform``, ``fit``, ``fit_resample``, ``resample``, ``fillna``.
        split: the call that splits, or scores by splitting, afterwards.
        array: the argument of the split that carries what was learned.
    """

    learner: ast.Call
    split: ast.Call
    array: ast.expr


class Splits:
    """The parts of the data in one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self._parts: dict[ast.AST, Part | None] = {}
        self._pending: set[object] = set()

    # Parts

    def part(self, node: ast.AST | None) -> Part | None:
        """The part of the data that an expression is; None where it is none, or not known."""
        if node is None or node in self._pending:
            return None
        if node not in self._parts:
            self._pending.add(node)
            try:
                self._parts[node] = self._part(node)
            finally:
                self._pending.discard(node)
        return self._parts[node]

    def _part(self, node: ast.AST) -> Part | None:
        if isinstance(node, ast.Name):
            return self._agreed([self._bound(binding) for binding in self.model.reaching.of(node) or ()])
        if isinstance(node, (ast.Attribute, ast.Starred)):
            return self.part(node.value)
        if isinstance(node, ast.Subscript):
            chosen = self._rows(node.slice.elts[0] if isinstance(node.slice, ast.Tuple) else node.slice)
            return chosen if chosen is not None else self.part(node.value)
        if isinstance(node, ast.BinOp):
            sides = [part for part in (self.part(node.left), self.part(node.right)) if part is not None]
            return self._agreed(list(sides))
        if isinstance(node, ast.Call):
            return self._called(node)
        return None

    def _agreed(self, parts: list[Part | None]) -> Part | None:
        first = parts[0] if parts else None
        if first is None or any(part is None or part.role != first.role for part in parts):
            return None
        return first

    def _bound(self, binding: Binding) -> Part | None:
        value, path = binding.value, binding.path
        if binding.how == "parameter":
            values = self.model.kinds.callers.arguments(binding)
            return self._agreed([self.part(value) for value in values or ()])
        if binding.how != "assign" or value is None:
            return None
        if not path:
            return self.part(value)
        if isinstance(value, ast.Call):
            dotted = self.model.names.dotted(value.func)
            if dotted in SPLIT_FUNCTIONS and len(path) == 1 and path[0] >= 0:
                return Part(TEST if path[0] % 2 else TRAIN, value, labels=path[0] > 1)
            if dotted is not None and len(path) == 2 and re.fullmatch(r"keras\.datasets\.\w+\.load_data", dotted):
                return Part(TEST if path[0] == 1 else TRAIN, value, labels=path[1] == 1)
            if isinstance(value.func, ast.Attribute) and value.func.attr in ("fit_resample", "fit_sample"):
                return self.part(value.args[path[0]]) if 0 <= path[0] < len(value.args) else None
        if isinstance(value, (ast.Tuple, ast.List)) and len(path) == 1 and 0 <= path[0] < len(value.elts):
            return self.part(value.elts[path[0]])
        return None

    def _called(self, node: ast.Call) -> Part | None:
        dotted = self.model.names.dotted(node.func)
        first = node.args[0] if node.args else None
        if dotted is not None:
            if _READERS.fullmatch(dotted):
                return _file_part(first)
            if dotted in _WRAPPERS:
                return self.part(first)
            if dotted in _JOINERS and isinstance(first, (ast.List, ast.Tuple)):
                return self._agreed([self.part(element) for element in first.elts])
            return None
        if isinstance(node.func, ast.Attribute):
            name = node.func.attr
            if name in ("transform", "fit_transform"):
                return self.part(first)
            if name in _ROWS_KEPT:
                return self.part(node.func.value)
        return None

    def _rows(self, node: ast.AST) -> Part | None:
        """The part that rows belong to which a splitter's indices select."""
        if not isinstance(node, ast.Name):
            return None
        return self._agreed([self._indices(binding) for binding in self.model.reaching.of(node) or ()])

    def _indices(self, binding: Binding) -> Part | None:
        value, path = binding.value, binding.path
        if value is None or not path:
            return None
        if binding.how == "assign" and isinstance(value, ast.Call) and self.model.names.dotted(value.func) == "next":
            value = value.args[0] if value.args else value
        elif binding.how != "for":
            if isinstance(value, ast.Call) and self.model.names.dotted(value.func) in SPLIT_FUNCTIONS:
                return self._bound(binding)  # the indices themselves were split
            return None
        numbered = isinstance(value, ast.Call) and self.model.names.dotted(value.func) == "enumerate"
        made = self.model.flow.unwrapped(value)
        if not (isinstance(made, ast.Call) and isinstance(made.func, ast.Attribute) and made.func.attr == "split"):
            return None
        if not self.model.kinds.is_a(made.func.value, SPLITTER):
            return None
        if len(path) != 2 if numbered else len(path) != 1:
            return None
        return Part(TEST if path[-1] == 1 else TRAIN, made) if path[-1] in (0, 1) else None

    # What is learned before the split

    @cached_property
    def leaks(self) -> dict[ast.Call, Leak]:
        """The calls that look at all samples before a split: call → what it leaks into."""
        found: dict[ast.Call, Leak] = {}
        for node in walk(self.model.module):
            if not isinstance(node, ast.Call):
                continue
            for array in self._split_arrays(node):
                for learner in self.learners(array, set()):
                    if learner not in found and learner is not node and not self._outside(learner, node):
                        found[learner] = Leak(learner, node, array)
        return found

    def _split_arrays(self, node: ast.Call) -> list[ast.expr]:
        """The arrays of samples that a call splits."""
        dotted = self.model.names.dotted(node.func)
        given = [argument for argument in node.args if not isinstance(argument, ast.Starred)]
        if dotted in SPLIT_FUNCTIONS:
            return given
        if dotted in SCORERS:
            named = [keyword.value for keyword in node.keywords if keyword.arg == "X"]
            return given[1:2] or named
        if isinstance(node.func, ast.Attribute) and node.func.attr == "split" and given:
            return given[:1] if self.model.kinds.is_a(node.func.value, SPLITTER) else []
        if isinstance(node.func, ast.Attribute) and node.func.attr == "fit" and given:
            if self.model.kinds.of(node.func.value).name.rpartition(".")[2] in _SEARCHES:
                return given[:1]
        return []

    def _outside(self, learner: ast.Call, split: ast.Call) -> bool:
        """Whether what is fitted is a part of another split already, or the two cannot follow one another."""
        data = learner.args[0] if learner.args else None
        part = self.part(data)
        return part is not None and part.split is not None and part.split is not split

    def learners(self, node: ast.AST, seen: set[ast.AST]) -> Iterator[ast.Call]:
        """The calls that learn from all samples of which an expression is made."""
        if node in seen or len(seen) > 200:
            return
        seen.add(node)
        model = self.model
        if isinstance(node, ast.Name):
            bindings = model.reaching.of(node) or []
            for binding in bindings:
                if binding.how == "assign" and binding.value is not None:
                    yield from self._through(binding, seen)
            yield from self._stored(node, bindings, seen)
        elif isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
            yield from self.learners(node.value, seen)
        elif isinstance(node, ast.BinOp):
            centre = self._centre(node)
            if centre is not None:
                yield centre
            yield from self.learners(node.left, seen)
            yield from self.learners(node.right, seen)
        elif isinstance(node, (ast.List, ast.Tuple)):
            for element in node.elts:
                yield from self.learners(element, seen)
        elif isinstance(node, ast.Call):
            yield from self._learned_by(node, seen)

    def _centre(self, node: ast.BinOp) -> ast.Call | None:
        """The mean in ``(x - x.mean()) / x.std()``."""
        inner = node.left
        if not (isinstance(node.op, ast.Div) and isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Sub)):
            return None
        centre, spread = self._statistic(inner.right), self._statistic(node.right)
        if centre is None or spread is None or centre[1] != "mean" or spread[1] != "std":
            return None
        data = ast.dump(inner.left)
        return centre[0] if data == ast.dump(centre[2]) and data == ast.dump(spread[2]) else None

    def _statistic(self, node: ast.expr) -> tuple[ast.Call, str, ast.expr] | None:
        """The call, the name and the data of ``x.mean()``, ``np.mean(x, axis=0)``, ``x.mode()[0]``; of columns only."""
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Call):
            found = self._statistic(node.value)
            return found if found is not None and found[1] == "mode" else None
        if isinstance(node, ast.Attribute) and node.attr == "iloc":
            return self._statistic(node.value)
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            return None
        name = node.func.attr
        if name not in ("mean", "median", "mode", "std") or any(not _is_first_axis(k) for k in node.keywords):
            return None
        if self.model.names.dotted(node.func) is not None:
            numpy = self.model.names.dotted(node.func) == f"numpy.{name}"
            return (node, name, node.args[0]) if numpy and len(node.args) == 1 and node.keywords else None
        return (node, name, node.func.value) if not node.args else None

    def _fills(self, node: ast.Call) -> bool:
        """Whether a call fills what is missing with a statistic of the same data."""
        if not (isinstance(node.func, ast.Attribute) and node.func.attr == "fillna" and node.args):
            return False
        found = self._statistic(node.args[0])
        return found is not None and _root(found[2]) is not None and _root(found[2]) == _root(node.func.value)

    def _through(self, binding: Binding, seen: set[ast.AST]) -> Iterator[ast.Call]:
        value, path = binding.value, binding.path
        if isinstance(value, (ast.Tuple, ast.List)) and len(path) == 1 and 0 <= path[0] < len(value.elts):
            yield from self.learners(value.elts[path[0]], seen)
        elif value is not None and (not path or (path == (0,) and _resamples(value))):
            yield from self.learners(value, seen)

    def _stored(self, node: ast.Name, bindings: list[Binding], seen: set[ast.AST]) -> Iterator[ast.Call]:
        """What columns of a frame are set to between its definition and a use: ``df[c] = scaler.transform(…)``."""
        for statement, root in self._column_stores.get(node.id, ()):
            if position(statement) >= position(node) or self.model.tree.scope(root) is not self.model.tree.scope(node):
                continue
            reaching = self.model.reaching.of(root) or []
            if any(binding in bindings for binding in reaching):
                if isinstance(statement, ast.Assign):
                    yield from self.learners(statement.value, seen)
                elif isinstance(statement.value, ast.Call) and self._fills(statement.value):
                    yield statement.value

    @cached_property
    def _column_stores(self) -> dict[str, list[tuple[ast.Assign | ast.Expr, ast.Name]]]:
        """Name → statements that set columns of what it stands for, by assignment or in place."""
        found: dict[str, list[tuple[ast.Assign | ast.Expr, ast.Name]]] = {}
        for node in walk(self.model.module):
            targets: list[ast.expr] = []
            if isinstance(node, ast.Assign):
                targets = [target for target in node.targets if isinstance(target, (ast.Subscript, ast.Attribute))]
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                if any(keyword.arg == "inplace" for keyword in node.value.keywords):
                    targets = [node.value.func]
            for target in targets:
                root = _root(target)
                name = target
                while isinstance(name, (ast.Subscript, ast.Attribute)):
                    name = name.value
                if root is not None and isinstance(name, ast.Name):
                    assert isinstance(node, (ast.Assign, ast.Expr))
                    found.setdefault(root, []).append((node, name))
        return found

    def _learned_by(self, node: ast.Call, seen: set[ast.AST]) -> Iterator[ast.Call]:
        model = self.model
        dotted = model.names.dotted(node.func)
        first = node.args[0] if node.args else None
        if dotted in _WRAPPERS or dotted in _JOINERS:
            if first is not None:
                yield from self.learners(first, seen)
            return
        if dotted == "sklearn.utils.resample" or _resamples(node):
            if dotted is not None or model.kinds.of(_receiver(node)).name.startswith("imblearn."):
                yield node
            return
        if not isinstance(node.func, ast.Attribute) or dotted is not None:
            return
        name, receiver = node.func.attr, node.func.value
        if name == "fit_transform":
            if self.learns(receiver):
                yield node
            if first is not None:
                yield from self.learners(first, seen)
        elif name == "transform":
            fitted = self._fitted(receiver, node)
            if fitted is not None:
                yield fitted
            if first is not None:
                yield from self.learners(first, seen)
        elif name in _ROWS_KEPT:
            if self._fills(node):
                yield node
            yield from self.learners(receiver, seen)

    def learns(self, transformer: ast.expr) -> bool:
        """Whether an expression is a transformer whose outcome depends on the samples it was fitted on."""
        kind = self.model.kinds.of(transformer)
        last = kind.name.rpartition(".")[2]
        return kind.is_a(TRANSFORMER, ESTIMATOR) and last in LEARNING

    def _fitted(self, transformer: ast.expr, use: ast.Call) -> ast.Call | None:
        """The call that fitted a transformer on the same data that it then transforms."""
        if isinstance(transformer, ast.Call) and isinstance(transformer.func, ast.Attribute):
            if transformer.func.attr == "fit" and self.learns(transformer.func.value):
                return transformer if _same(transformer.args[:1], use.args[:1]) else None
        if not isinstance(transformer, ast.Name) or not self.learns(transformer):
            return None
        last = None
        for call in self.fits(transformer, use):
            if position(call) < position(use):
                last = call
        return last if last is not None and _same(last.args[:1], use.args[:1]) else None

    def fits(self, transformer: ast.expr, near: ast.AST) -> list[ast.Call]:
        """The calls of `fit` and `fit_transform` of one transformer in a scope, in source order."""
        scope = self.model.tree.function(near) or self.model.module
        found: list[ast.Call] = []
        for node in walk_scope(scope):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr in ("fit", "fit_transform", "partial_fit"):
                    if self.same_object(node.func.value, transformer):
                        found.append(node)
        return sorted(found, key=position)

    def same_object(self, left: ast.expr, right: ast.expr) -> bool:
        """Whether two expressions surely are the same object: a name with one definition, an attribute of self."""
        if isinstance(left, ast.Name) and isinstance(right, ast.Name) and left.id == right.id:
            first, second = self.model.reaching.of(left) or [], self.model.reaching.of(right) or []
            return len(first) == 1 and len(second) == 1 and first[0] is second[0]
        if isinstance(left, ast.Attribute) and isinstance(right, ast.Attribute):
            return left.attr == right.attr and self.same_object(left.value, right.value)
        return False


def _same(left: list[ast.expr], right: list[ast.expr]) -> bool:
    return [ast.dump(node) for node in left] == [ast.dump(node) for node in right]


def _root(node: ast.expr) -> str | None:
    """The name at the bottom of a chain of attributes and subscripts."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _is_first_axis(keyword: ast.keyword) -> bool:
    if keyword.arg != "axis":
        return keyword.arg in ("skipna", "numeric_only", "keepdims", "ddof")
    return isinstance(keyword.value, ast.Constant) and keyword.value.value == 0


def _receiver(node: ast.Call) -> ast.expr | None:
    return node.func.value if isinstance(node.func, ast.Attribute) else None


def _resamples(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("fit_resample", "fit_sample")
    )


def _file_part(node: ast.AST | None) -> Part | None:
    """The part that a file holds, by its name."""
    if node is None:
        return None
    texts = [n.value for n in walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    if not texts:
        return None
    last = re.split(r"[/\\]", texts[-1])[-1]
    test, train = _TEST_FILE.search(last), _TRAIN_FILE.search(last)
    if bool(test) == bool(train):
        return None
    return Part(TEST if test else TRAIN)
