from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import (
    FUNCTIONS,
    SERIES,
    Column,
    Columns,
    Context,
    Edit,
    Example,
    Finding,
    Method,
    NotColumnar,
    Rule,
    Safety,
    arms,
    walk,
)

_SERIES = (SERIES, "cudf.Series")
_CASTS = {"len": "{}.str.len()", "str": "{}.astype(str)", "int": "{}.astype(int)", "float": "{}.astype(float)"}
_VALUES = frozenset({"list", "set", "tuple", "frozenset", SERIES})

FRAME = (
    "import numpy as np\nimport pandas as pd\n"
    "df = pd.DataFrame({'a': np.random.randn(50), 'n': range(50), 's': ['x', 'Yy'] * 25})\n"
)


class ElementwiseSeriesApply(Rule):
    """A column goes through a Python function value by value, where the column can be computed as a whole.

    ## Why
    `Series.map` and `Series.apply` call the function once for each value. Arithmetic, comparisons, casts, `isin` and a
    mapping by a dictionary run over the whole column in compiled code; the methods of `.str` at least skip the call.

    ## Fix safety
    Unsafe: missing values stay missing where the function raised or took them for text, a column of objects has no
    arithmetic of its own, and a dictionary gives a missing value where it has none, instead of raising.

    ## When to ignore
    The column is short and the function reads better.

    ## References
    - pandas user guide, "Essential basic functionality", function application; "Working with text data".
    """

    code, name = "ML122", "elementwise-series-apply"
    libraries = ("pandas", "rapids")
    default = False
    safety = Safety.UNSAFE
    triggers = (Method("map", "apply"),)
    examples = (
        Example(
            given=FRAME,
            bad="y = df['a'].apply(lambda x: x * 2 + 1)",
            good="y = df['a'] * 2 + 1",
            equal="y",
        ),
        Example(
            given=FRAME,
            bad="df['big'] = df['a'].map(lambda x: 1 if x > 0 else 0)",
            good="df['big'] = np.where(df['a'] > 0, 1, 0)",
            equal="df",
        ),
        Example(
            given=FRAME,
            bad="y = df['s'].apply(lambda s: s.lower().strip())",
            good="y = df['s'].str.lower().str.strip()",
            equal="y",
        ),
        Example(given=FRAME, bad="y = df['s'].apply(len)", good="y = df['s'].str.len()", equal="y"),
        Example(given=FRAME, bad="y = df['n'].map(lambda v: str(v))", good="y = df['n'].astype(str)", equal="y"),
        Example(
            given=FRAME,
            bad="y = df['s'].map(lambda v: v in ('x', 'z'))",
            good="y = df['s'].isin(['x', 'z'])",
            equal="y",
        ),
        Example(
            given=FRAME,
            bad="known = {'x', 'z'}\ny = df['s'].map(lambda v: v not in known)",
            good="known = {'x', 'z'}\ny = ~df['s'].isin(known)",
            equal="y",
        ),
        Example(
            given=FRAME,
            bad="codes = {'x': 1, 'Yy': 2}\ny = df['s'].apply(lambda v: codes[v])",
            good="codes = {'x': 1, 'Yy': 2}\ny = df['s'].map(codes)",
            equal="y",
        ),
        Example(
            given=FRAME,
            bad="codes = {'x': 1.0}\ny = df['s'].map(lambda v: codes.get(v))",
            good="codes = {'x': 1.0}\ny = df['s'].map(codes)",
            equal="y",
        ),
        Example(
            given=FRAME,
            bad=(
                "def sign(v):\n    if v > 0:\n        return 1\n    return -1\n\n\ndf['sign'] = df['a'].apply(sign)"
            ),
            good=(
                "def sign(v):\n    if v > 0:\n        return 1\n    return -1\n\n\n"
                "df['sign'] = np.where(df['a'] > 0, 1, -1)"
            ),
            equal="df",
        ),
        Example(
            given=FRAME,
            bad="y = df['a'].apply(lambda x: 1 if x > 0 else 0).sum()",
            note="np.where has no index: a report",
        ),
        Example(given=FRAME, bad="y = pd.read_csv('d.csv')['a'].map(lambda x: x * x)", note="it would be read twice"),
        Example(given=FRAME, ok="y = df['a'] * 2 + 1"),
        Example(given=FRAME, ok="def f(g):\n    return df['a'].map(lambda x: g(x))"),
        Example(given=FRAME, ok="y = df['a'].map(lambda x: f'{x:.2f}')"),
        Example(given=FRAME, ok="y = df['a'].map(lambda x: x)"),
        Example(given=FRAME, ok="y = df['a'].map(lambda x: x + np.random.normal())", note="noise of its own for each"),
        Example(given=FRAME, ok="y = df['s'].map(lambda s: s.split('-')[0])"),
        Example(given=FRAME, ok="y = df.groupby('s')['a'].apply(lambda x: x + 1)"),
        Example(given=FRAME, ok="y = df.apply(lambda c: c + 1)", note="whole columns"),
        Example(given=FRAME, ok="y = list(map(lambda x: x + 1, df['a']))"),
        Example(given=FRAME, ok="y = df['s'].map({'x': 1})"),
        Example(given=FRAME, ok="y = df['a'].apply(lambda x, k: x * k, k=2)"),
        Example(given=FRAME, ok="y = df['a'].map(lambda x: x + 1, na_action='ignore')"),
        Example(given=FRAME, ok="def f(s):\n    return s.map(lambda x: x + 1)", note="nothing is known of s"),
        Example(
            given="import pandas as pd\nimport torch\nnet = torch.nn.Linear(2, 2)\n",
            ok="net.apply(lambda m: m.weight * 2)",
        ),
        Example(
            given=FRAME,
            ok="def show(v):\n    print(v)\n    return v * 2\n\n\ny = df['a'].apply(show)",
        ),
        Example(
            given=FRAME,
            ok="class Codes(dict):\n    def __missing__(self, key):\n        return len(self)\n\n\ncodes = Codes()\n"
            "y = df['s'].map(lambda v: codes[v])",
            note="it makes what it has not",
        ),
        Example(
            given="import numpy as np\nimport pandas as pd\nn = 1000\ndf = pd.DataFrame({'a': np.random.rand(n)})\n",
            bad="y = df['a'].apply(lambda x: x * 2 + 1)",
            good="y = df['a'] * 2 + 1",
            equal="y",
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Attribute)
        if len(node.args) != 1 or node.keywords or not ctx.is_a(node.func.value, *_SERIES):
            return
        series = node.func.value
        found = _whole(node, series, ctx)
        if found is None:
            return
        whole, imports, reads = found
        fix = None
        computed = any(isinstance(inner, (ast.Call, ast.NamedExpr)) for inner in walk(series))
        fits = (reads == 1 or not computed) and "\n" not in whole.text
        if fits and (not whole.bare or _is_stored(node, series, ctx)):

            def build() -> list[Edit]:
                return [ctx.edits.replace(node, whole.text), *ctx.edits.imports(imports)]

            fix = ctx.fix(build, Safety.UNSAFE, "Compute the whole column")
        what = "a lambda" if isinstance(node.args[0], ast.Lambda) else f"`{ctx.short(node.args[0])}`"
        text = whole.text if len(whole.text) <= 60 else whole.text[:59].rstrip() + "…"
        message = f"`{ctx.short(node.func)}` calls {what} once for every value"
        yield ctx.finding(node, message, f"compute the column as a whole: `{text}`", fix)


def _whole(call: ast.Call, series: ast.expr, ctx: Context) -> tuple[Column, list[str], int] | None:
    """The expression of the whole column, the imports that it needs, and how often it mentions the column."""
    function = call.args[0]
    text = ctx.text(series)
    atom = text if isinstance(series, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)) else f"({text})"
    dotted = ctx.dotted(function)
    if dotted in _CASTS:
        return Column(_CASTS[dotted].format(atom)), [], 1
    found = _function(function, ctx)
    if found is None:
        return None
    name, branches, last = found
    if not branches:
        looked_up = _looked_up(last, name, atom, ctx)
        if looked_up is not None:
            return looked_up, [], 1

    def read(node: ast.AST) -> str | None:
        return atom if isinstance(node, ast.Name) and node.id == name else None

    columns = Columns(ctx.model, call, read, frozenset({name}))
    try:
        whole = columns.lift(last)
        for test, value in reversed(branches):
            whole = columns.choose(columns.condition(test), columns.lift(value), whole)
    except NotColumnar:
        return None
    if not whole.varies or whole.read:
        return None
    parts = [last, *(part for branch in branches for part in branch)]
    reads = sum(isinstance(inner, ast.Name) and inner.id == name for part in parts for inner in walk(part))
    return whole, columns.imports, reads


def _function(
    node: ast.expr, ctx: Context
) -> tuple[str, list[tuple[ast.expr, ast.expr]], ast.expr] | None:
    """What is applied: the name of the value, the conditions with their values, and the last value."""
    function = node if isinstance(node, ast.Lambda) else ctx.kinds.local_function(node)
    if not isinstance(function, (ast.Lambda, *FUNCTIONS)) or isinstance(function, ast.AsyncFunctionDef):
        return None
    arguments = function.args
    others = (arguments.posonlyargs, arguments.kwonlyargs, arguments.vararg, arguments.kwarg, arguments.defaults)
    if len(arguments.args) != 1 or any(others):
        return None
    name = arguments.args[0].arg
    if isinstance(function, ast.Lambda):
        return name, [], function.body
    if function.decorator_list or not isinstance(node, ast.Name):
        return None
    found = arms(function.body)
    return None if found is None else (name, *found)


def _looked_up(node: ast.expr, name: str, series: str, ctx: Context) -> Column | None:
    """``d[x]``, ``d.get(x)``, ``x in values``."""
    if isinstance(node, ast.Subscript) and _is(node.slice, name) and ctx.kinds.of(node.value).name == "dict":
        return None if _mentions(node.value, name) else Column(f"{series}.map({ctx.text(node.value)})")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        table = node.func.value
        if len(node.args) == 1 and not node.keywords and _is(node.args[0], name) and not _mentions(table, name):
            if ctx.kinds.of(table).name == "dict":
                return Column(f"{series}.map({ctx.text(table)})")
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and _is(node.left, name):
        values = node.comparators[0]
        plain = isinstance(values, (ast.Name, ast.Attribute)) and ctx.kinds.of(values).name in _VALUES
        if plain and isinstance(node.ops[0], (ast.In, ast.NotIn)) and not ctx.is_a(values, SERIES):
            text = f"{series}.isin({ctx.text(values)})"
            return Column(text if isinstance(node.ops[0], ast.In) else f"~{text}")
    return None


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _mentions(node: ast.expr, name: str) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id == name for inner in walk(node))


def _is_stored(call: ast.Call, series: ast.expr, ctx: Context) -> bool:
    """Whether the outcome becomes a column of the same frame, so that it needs no index."""
    parent = ctx.tree.parent(call)
    if not isinstance(parent, ast.Assign) or len(parent.targets) != 1 or parent.value is not call:
        return False
    target = parent.targets[0]
    frame = series.value if isinstance(series, (ast.Subscript, ast.Attribute)) else None
    return frame is not None and isinstance(target, ast.Subscript) and ctx.text(target.value) == ctx.text(frame)
