from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import GROUPBY, Context, Edit, Example, Finding, Fix, Method, Rule, Safety, walk

_REDUCTIONS = frozenset("sum mean min max std var median count nunique prod".split())
_BY_NUMPY = frozenset("numpy.sum numpy.mean numpy.min numpy.max numpy.median numpy.prod".split())

FRAME = (
    "import numpy as np\nimport pandas as pd\n"
    "df = pd.DataFrame({'k': list('abcde') * 10, 'a': np.random.randn(50), 'b': np.random.randn(50)})\n"
)


class GroupbyApplyReduction(Rule):
    """Each group goes through a Python function that does what a method of the groups does.

    ## Why
    The methods of groups, and the names given to `agg` and `transform`, run one compiled loop over all rows. A lambda
    is called once for each group, on a frame or a Series that is made for it: some hundred microseconds for each.

    ## Fix safety
    Unsafe: the result may have another name or dtype, and `apply` treats missing groups and empty frames in its own
    way.

    ## Known limits
    A reduction with arguments, or of all columns of a group, is left alone.

    ## References
    - pandas user guide, "Group by: split-apply-combine", built-in aggregation methods and transformation.
    """

    code, name = "ML124", "groupby-apply-reduction"
    libraries = ("pandas", "dask")
    default = False
    safety = Safety.UNSAFE
    triggers = (Method("apply", "agg", "aggregate", "transform"),)
    examples = (
        Example(
            given=FRAME,
            bad="y = df.groupby('k').apply(lambda d: d['a'].mean())",
            good="y = df.groupby('k')['a'].mean()",
            equal="list(y), list(y.index)",
            close=True,
        ),
        Example(
            given=FRAME,
            bad="y = df.groupby('k')['a'].apply(lambda s: s.max())",
            good="y = df.groupby('k')['a'].max()",
            equal="y",
        ),
        Example(
            given=FRAME,
            bad="y = df.groupby('k')[['a', 'b']].agg(lambda s: s.std())",
            good="y = df.groupby('k')[['a', 'b']].agg('std')",
            equal="y",
            close=True,
        ),
        Example(
            given=FRAME,
            bad="y = df.groupby('k').agg({'a': lambda s: np.mean(s), 'b': 'max'})",
            good="y = df.groupby('k').agg({'a': 'mean', 'b': 'max'})",
            equal="y",
            close=True,
        ),
        Example(
            given=FRAME,
            bad="y = df.groupby('k').agg(n=('a', lambda v: v.nunique()))",
            good="y = df.groupby('k').agg(n=('a', 'nunique'))",
            equal="y",
        ),
        Example(
            given=FRAME,
            bad="y = df.groupby('k')['a'].transform(lambda s: s - s.mean())",
            good="y = df['a'] - df.groupby('k')['a'].transform('mean')",
            equal="y",
            close=True,
        ),
        Example(
            given=FRAME,
            bad="y = df.groupby('k')['a'].transform(lambda s: (s - s.mean()) / s.std())",
            good=(
                "y = (df['a'] - df.groupby('k')['a'].transform('mean')) / df.groupby('k')['a'].transform('std')"
            ),
            equal="y",
            close=True,
        ),
        Example(
            given=FRAME,
            bad="y = df.groupby('k')['a'].transform(lambda s: s.sum())",
            good="y = df.groupby('k')['a'].transform('sum')",
            equal="y",
            close=True,
        ),
        Example(
            given=FRAME,
            bad="df['a'] = df.groupby('k')['a'].transform(lambda s: s.fillna(s.median()))",
            good="df['a'] = df['a'].fillna(df.groupby('k')['a'].transform('median'))",
            equal="df",
        ),
        Example(
            given=FRAME,
            bad="y = df.groupby('k').apply(lambda d: len(d))",
            good="y = df.groupby('k').size()",
            equal="list(y)",
        ),
        Example(given=FRAME, ok="y = df.groupby('k')['a'].mean()"),
        Example(given=FRAME, ok="y = df.groupby('k')['a'].agg('mean')"),
        Example(given=FRAME, ok="y = df.groupby('k').apply(lambda d: d.nlargest(2, 'a'))", note="frames"),
        Example(given=FRAME, ok="y = df.groupby('k').apply(lambda d: d.mean())", note="all columns, the key's too"),
        Example(given=FRAME, ok="y = df.groupby('k')['a'].agg(lambda s: s.std(ddof=0))"),
        Example(given=FRAME, ok="y = df.groupby('k')['a'].agg(lambda s: s.quantile(0.9))"),
        Example(given=FRAME, ok="y = df.groupby('k')['a'].agg(lambda s: s.max() - s.min())"),
        Example(given=FRAME, ok="y = df.groupby('k')['a'].transform(lambda s: s.rolling(3).mean())"),
        Example(given=FRAME, ok="y = df.groupby('k')['a'].transform(lambda s: s.shift(1) - s)"),
        Example(given=FRAME, ok="y = df['a'].apply(lambda s: s.mean())"),
        Example(given=FRAME, ok="y = df[['a', 'b']].apply(lambda s: s.mean())", note="no groups"),
        Example(given=FRAME, ok="y = df[['a', 'b']].agg(lambda s: s.mean())"),
        Example(given=FRAME, ok="def f(g):\n    return g.apply(lambda d: d['a'].mean())", note="nothing is known of g"),
        Example(given=FRAME, ok="def f(h):\n    return df.groupby('k')['a'].apply(lambda s: h(s))"),
        Example(given=FRAME, ok="y = df.groupby('k')['a'].agg(lambda s: s.iloc[0])"),
        Example(given=FRAME, ok="y = df.groupby('k').apply(lambda d: (d['a'] * d['b']).sum())"),
        Example(
            given="import pandas as pd\nimport numpy as np\nn = 1000\n"
            "df = pd.DataFrame({'k': np.arange(n) // 4, 'a': np.random.rand(n)})\n",
            bad="y = df.groupby('k')['a'].agg(lambda s: s.sum())",
            good="y = df.groupby('k')['a'].agg('sum')",
            equal="y",
            close=True,
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Attribute)
        lambdas = _lambdas(node)
        if not lambdas or ctx.kinds.of(node.func.value).name != GROUPBY:
            return
        for function in lambdas:
            new = self._instead(node, function, ctx)
            if new is None:
                continue
            replaced, text = new
            message = f"`{ctx.short(function)}` is called once for each group"
            yield ctx.finding(function, message, f"use `{text}`", _fix(replaced, text, ctx))

    def _instead(self, call: ast.Call, function: ast.Lambda, ctx: Context) -> tuple[ast.expr, str] | None:
        """What takes the place of which expression."""
        assert isinstance(call.func, ast.Attribute)
        name, how = function.args.args[0].arg, call.func.attr
        groups = ctx.text(call.func.value)
        quote = '"' if ctx.source.text.count('"') > ctx.source.text.count("'") else "'"
        whole = call.args == [function] and not call.keywords
        word = _reduction(function.body, name, ctx)
        columns = _columns(call.func.value)
        if how in ("agg", "aggregate"):
            return None if word is None else (function, f"{quote}{word}{quote}")
        if not whole or "\n" in groups:
            return None
        if how == "apply":
            if word is not None:
                return (call, f"{groups}.{word}()") if columns == 1 else None
            if _is_len(function.body, name, ctx):
                return call, f"{groups}.size()"
            column = _of_column(function.body, name, ctx)
            return None if column is None or columns else (call, f"{groups}[{column[0]}].{column[1]}()")
        if word is not None:
            return function, f"{quote}{word}{quote}"
        return self._transformed(call, function, name, quote, ctx) if columns == 1 else None

    def _transformed(
        self, call: ast.Call, function: ast.Lambda, name: str, quote: str, ctx: Context
    ) -> tuple[ast.expr, str] | None:
        """``s - s.mean()`` of each group, of the whole column."""
        assert isinstance(call.func, ast.Attribute)
        source = _source(call.func.value, ctx)
        if source is None or not _is_arithmetic(function.body, name, ctx):
            return None
        replacements: dict[ast.AST, str] = {}
        groups = ctx.text(call.func.value)
        reduced: set[ast.AST] = set()
        for inner in walk(function.body):
            word = _reduction(inner, name, ctx) if isinstance(inner, ast.Call) else None
            if word is not None:
                replacements[inner] = f"{groups}.transform({quote}{word}{quote})"
                reduced.update(walk(inner))
        for inner in walk(function.body):
            if isinstance(inner, ast.Name) and inner.id == name and inner not in reduced:
                replacements[inner] = source
        if not reduced or len(replacements) == len([n for n in replacements if isinstance(n, ast.Call)]):
            return None
        text = ctx.substituted(function.body, replacements)
        return None if text is None else (call, text)


def _fix(replaced: ast.expr, text: str, ctx: Context) -> Fix:
    def build() -> list[Edit]:
        return [ctx.edits.replace(replaced, text)]

    return ctx.fix(build, Safety.UNSAFE, f"Replace by `{text}`")


def _lambdas(call: ast.Call) -> list[ast.Lambda]:
    """The lambdas of one argument that a call is given, directly, in a list, a dictionary or a named aggregation."""
    found: list[ast.Lambda] = []
    pending: list[ast.expr] = [*call.args, *(keyword.value for keyword in call.keywords)]
    while pending:
        node = pending.pop(0)
        if isinstance(node, ast.Dict):
            pending += node.values
        elif isinstance(node, (ast.List, ast.Tuple)):
            pending += node.elts
        elif isinstance(node, ast.Lambda) and len(node.args.args) == 1 and not node.args.defaults:
            if not (node.args.kwonlyargs or node.args.vararg or node.args.kwarg or node.args.posonlyargs):
                found.append(node)
    return found


def _reduction(node: ast.expr, name: str, ctx: Context) -> str | None:
    """``s.mean()`` or ``np.mean(s)``: the word for it."""
    if not isinstance(node, ast.Call) or node.keywords:
        return None
    if isinstance(node.func, ast.Attribute) and not node.args and node.func.attr in _REDUCTIONS:
        return node.func.attr if _is(node.func.value, name) else None
    dotted = ctx.dotted(node.func)
    if dotted in _BY_NUMPY and len(node.args) == 1 and _is(node.args[0], name):
        return dotted.rpartition(".")[2]
    return None


def _of_column(node: ast.expr, name: str, ctx: Context) -> tuple[str, str] | None:
    """``d["a"].mean()``: the text of the column and the word."""
    if not isinstance(node, ast.Call) or node.args or node.keywords or not isinstance(node.func, ast.Attribute):
        return None
    column = node.func.value
    if node.func.attr not in _REDUCTIONS or not isinstance(column, ast.Subscript) or not _is(column.value, name):
        return None
    constant = isinstance(column.slice, ast.Constant) and isinstance(column.slice.value, str)
    return (ctx.text(column.slice), node.func.attr) if constant else None


def _is_len(node: ast.expr, name: str, ctx: Context) -> bool:
    if not isinstance(node, ast.Call) or ctx.dotted(node.func) != "len":
        return False
    return len(node.args) == 1 and _is(node.args[0], name)


def _is_arithmetic(node: ast.expr, name: str, ctx: Context) -> bool:
    """Whether an expression is arithmetic of a group's values and of its reductions, perhaps in `fillna`."""
    if _is(node, name) or isinstance(node, ast.Constant) or _reduction(node, name, ctx) is not None:
        return True
    if isinstance(node, ast.BinOp):
        return _is_arithmetic(node.left, name, ctx) and _is_arithmetic(node.right, name, ctx)
    if isinstance(node, ast.UnaryOp):
        return _is_arithmetic(node.operand, name, ctx)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fillna":
        one = len(node.args) == 1 and not node.keywords
        return one and _is(node.func.value, name) and _is_arithmetic(node.args[0], name, ctx)
    return False


def _columns(groups: ast.expr) -> int:
    """1 for groups of one column that is written there, 2 for those of a list of columns, 0 for anything else."""
    if not isinstance(groups, ast.Subscript):
        return 0
    return 2 if isinstance(groups.slice, (ast.List, ast.Tuple)) else 1


def _source(groups: ast.expr, ctx: Context) -> str | None:
    """The column that groups are made of: ``df["a"]`` of ``df.groupby("k")["a"]``."""
    if not isinstance(groups, ast.Subscript) or not isinstance(groups.value, ast.Call):
        return None
    call = groups.value
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "groupby":
        return None
    frame = call.func.value
    if not isinstance(frame, (ast.Name, ast.Attribute)):
        return None
    return f"{ctx.text(frame)}[{ctx.text(groups.slice)}]"


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
