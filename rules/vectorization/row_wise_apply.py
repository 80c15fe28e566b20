from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import (
    DATAFRAME,
    FUNCTIONS,
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
    column_name,
    reader,
    walk,
)

_FRAMES = (DATAFRAME, "cudf.DataFrame", "dask.dataframe.DataFrame")
_GROUPING = frozenset("groupby resample rolling expanding ewm".split())

FRAME = (
    "import numpy as np\nimport pandas as pd\n"
    "df = pd.DataFrame({'a': np.random.randn(50), 'b': np.random.randn(50), 'n': range(50), 's': ['x', 'Y'] * 25})\n"
)


class RowWiseApply(Rule):
    """A frame's rows go through a Python function one at a time, where columns can be computed as a whole.

    ## Why
    `DataFrame.apply(…, axis=1)` makes a Series of each row and calls the function on it; arithmetic on the columns
    themselves runs in compiled code. Measured with pandas 3.1 on 100,000 rows of two columns: 1.5 s for
    `df.apply(lambda r: r["a"] * r["b"], axis=1)`, 0.1 ms for `df["a"] * df["b"]`.

    Reported are lambdas, and functions of the file that only choose and return, made of column reads, arithmetic,
    comparisons, conditions, NumPy's elementwise functions and string methods.

    ## Fix safety
    Unsafe: a row has one dtype for all of its columns, so numbers may come out with another dtype than before; both
    arms of a condition are computed for every row; an empty frame gives an empty column instead of a frame; missing
    strings stay missing where the function raised.

    ## When to ignore
    The frame has a handful of rows and the function reads better.

    ## References
    - pandas user guide, "Enhancing performance".
    - pandas documentation, `DataFrame.apply`.
    """

    code, name = "ML121", "row-wise-apply"
    libraries = ("pandas", "dask", "rapids")
    safety = Safety.UNSAFE
    triggers = (Method("apply"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Attribute)
        if len(node.args) != 1 or [k.arg for k in node.keywords] != ["axis"] or not _is_rows(node.keywords[0].value):
            return
        frame = node.func.value
        kind = ctx.kinds.of(frame)
        if not kind.is_a(*_FRAMES) and (kind.known or _grouped(frame)):
            return
        function, row, branches, last = _function(node.args[0], ctx)
        if function is None or last is None:
            return
        if not any(column_name(inner, row) for inner in walk(function)):
            return
        if any(isinstance(n, ast.Name) and n.id == row and not _is_read(n, ctx) for n in walk(function)):
            return
        selected = _selected(frame)
        source = frame if selected is None else selected
        columns = Columns(ctx.model, node, reader(ctx.source, row, ctx.text(source)), frozenset({row}))
        try:
            lifted = _chosen(columns, branches, last)
        except NotColumnar:
            return
        if not lifted.varies:
            return
        fix = None
        simple = not any(isinstance(inner, (ast.Call, ast.NamedExpr)) for inner in walk(source))
        if simple and (not lifted.bare or _is_stored(node, source, ctx)):

            def build() -> list[Edit]:
                return [ctx.edits.replace(node, lifted.text), *ctx.edits.imports(columns.imports)]

            fix = ctx.fix(build, Safety.UNSAFE, "Compute whole columns")
        what = "a lambda" if isinstance(node.args[0], ast.Lambda) else f"`{ctx.short(node.args[0])}`"
        message = f"`{ctx.short(node.func)}` calls {what} once for every row"
        text = lifted.text if len(lifted.text) <= 60 else lifted.text[:59].rstrip() + "…"
        yield ctx.finding(node, message, f"compute the columns as a whole: `{text}`", fix)

    examples = (
        Example(
            given=FRAME,
            bad="df['c'] = df.apply(lambda row: row['a'] * row['b'], axis=1)",
            good="df['c'] = df['a'] * df['b']",
            equal="df",
        ),
        Example(
            given=FRAME,
            bad="df['c'] = df.apply(lambda r: (r.a + 1) / (r.b ** 2 + 1) - np.sqrt(abs(r['n'])), axis='columns')",
            good="df['c'] = (df['a'] + 1) / (df['b'] ** 2 + 1) - np.sqrt(abs(df['n']))",
            equal="df",
            close=True,
        ),
        Example(
            given=FRAME,
            bad="df['c'] = df.apply(lambda x: 1 if x['a'] > 0 and not x['b'] < -1 else 0, axis = 1)",
            good="df['c'] = np.where((df['a'] > 0) & ~(df['b'] < -1), 1, 0)",
            equal="df",
        ),
        Example(
            given=FRAME,
            bad="df['c'] = df.apply(\n    lambda x: x['a'] if -1 < x['a'] < 1 else x['b'],\n    axis=1,\n)",
            good="df['c'] = np.where((-1 < df['a']) & (df['a'] < 1), df['a'], df['b'])",
            equal="df",
        ),
        Example(
            given=FRAME,
            bad=(
                'def grade(row):\n    """How good."""\n    if row[\'a\'] > 1:\n        return \'high\'\n'
                "    elif row['a'] > 0:\n        return 'middle'\n    return 'low'\n\n"
                "df['grade'] = df.apply(grade, axis=1)\n"
            ),
            good=(
                'def grade(row):\n    """How good."""\n    if row[\'a\'] > 1:\n        return \'high\'\n'
                "    elif row['a'] > 0:\n        return 'middle'\n    return 'low'\n\n"
                "df['grade'] = np.select([df['a'] > 1, df['a'] > 0], ['high', 'middle'], default='low')\n"
            ),
            equal="list(df['grade'])",
        ),
        Example(
            given=FRAME,
            bad="full = df.apply(lambda r: r['s'].upper() + '-' + str(r['n']), axis=1)",
            good="full = df['s'].str.upper() + '-' + df['n'].astype(str)",
            equal="full",
        ),
        Example(
            given=FRAME,
            bad="out = df[['a', 'b']].apply(lambda r: max(r['a'], r['b']) - r['b'], axis=1)",
            good="out = np.maximum(df['a'], df['b']) - df['b']",
            equal="out",
        ),
        Example(
            given="import math\nimport pandas as pd",
            bad=(
                "def add(frame, k):\n"
                "    return frame.apply(lambda r: math.exp(r.x) * k if r.kind in ('a', 'b') else 0.0, axis=1)"
            ),
            note="np.where has no index: report only",
        ),
        Example(
            bad=(
                "import math\nimport pandas as pd\n\n\ndef area(frame):\n"
                "    return frame.apply(lambda r: math.sqrt(r.width) * r.height, axis=1)\n"
            ),
            good=(
                "import math\nimport numpy as np\nimport pandas as pd\n\n\ndef area(frame):\n"
                '    return np.sqrt(frame["width"]) * frame["height"]\n'
            ),
            note="the receiver is not known, but only a frame's apply has an axis and rows with columns",
        ),
        Example(
            bad="import pandas as pd\n\nd = pd.read_csv('d.csv').apply(lambda r: r['a'] + r['b'], axis=1)\n",
            note="the file would be read twice",
        ),
        Example(given=FRAME, ok="df['c'] = df.apply(lambda r: lookup[r['s']], axis=1)\nlookup = {}"),
        Example(given=FRAME, ok="df['c'] = df.apply(lambda r: compute(r['a'], r['b']), axis=1)"),
        Example(given=FRAME, ok="df['c'] = df.apply(lambda r: f\"{r['a']}\", axis=1)"),
        Example(
            given=FRAME,
            ok="df['c'] = df.apply(lambda r: r['a'] + np.random.normal(), axis=1)",
            note="noise of its own for each row",
        ),
        Example(given=FRAME, ok="df['c'] = df.apply(lambda c: c - c.mean())", note="goes over columns"),
        Example(given=FRAME, ok="df['c'] = df.apply(lambda r: r.sum(), axis=1)"),
        Example(given=FRAME, ok="def go(axis):\n    return df.apply(lambda r: r['a'] + 1, axis=axis)"),
        Example(given=FRAME, ok="m = df.apply(lambda r: (r['a'], r['b']), axis=1, result_type='expand')"),
        Example(given=FRAME, ok="g = df.groupby('s').apply(lambda g: g['a'] - g['b'])"),
        Example(given=FRAME, ok="x = df['a'].apply(lambda v: v + 1)"),
        Example(given=FRAME, ok="names = df.apply(lambda r: r.name + 1, axis=1)", note="the label of the row"),
        Example(
            given="import torch\nimport pandas",
            ok="net = torch.nn.Linear(2, 2)\nnet.apply(lambda m: m['weight'] * 2)",
        ),
        Example(
            given=FRAME,
            ok="def show(row):\n    print(row['a'])\n    return row['a']\n\ndf['c'] = df.apply(show, axis=1)",
        ),
        Example(
            given=(
                "import numpy as np\n"
                "import pandas as pd\n"
                "n = 1000\n"
                "df = pd.DataFrame({'price': np.random.rand(n), 'quantity': np.random.rand(n)})\n"
                ""
            ),
            bad="df['revenue'] = df.apply(lambda row: row['price'] * row['quantity'], axis=1)",
            good="df['revenue'] = df['price'] * df['quantity']",
            equal="df",
            close=True,
            bench=True,
        ),
    )


def _is_rows(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in (1, "columns") and node.value is not True


def _grouped(node: ast.expr) -> bool:
    return any(isinstance(inner, ast.Attribute) and inner.attr in _GROUPING for inner in walk(node))


def _function(
    node: ast.expr, ctx: Context
) -> tuple[ast.AST | None, str, list[tuple[ast.expr, ast.expr]], ast.expr | None]:
    """What is applied: the function, the name of the row, the conditions with their values and the last value."""
    nothing: tuple[None, str, list[tuple[ast.expr, ast.expr]], None] = (None, "", [], None)
    if isinstance(node, ast.Lambda):
        return (node.body, node.args.args[0].arg, [], node.body) if _takes_one(node.args) else nothing
    function = ctx.kinds.local_function(node)
    if not isinstance(node, ast.Name) or not isinstance(function, FUNCTIONS) or function.decorator_list:
        return nothing
    found = arms(function.body)
    if found is None or not _takes_one(function.args):
        return nothing
    row = function.args.args[0].arg
    for branch in ast.walk(function):
        if isinstance(branch, ast.Name) and branch.id != row and branch.id in ctx.names.bindings(function):
            return nothing
    return ast.Module(body=list(function.body), type_ignores=[]), row, *found


def _takes_one(arguments: ast.arguments) -> bool:
    others = (arguments.posonlyargs, arguments.kwonlyargs, arguments.vararg, arguments.kwarg, arguments.defaults)
    return len(arguments.args) == 1 and not any(others)


def _is_read(name: ast.Name, ctx: Context) -> bool:
    parent = ctx.tree.parent(name)
    return parent is not None and column_name(parent, name.id)


def _chosen(columns: Columns, branches: list[tuple[ast.expr, ast.expr]], last: ast.expr) -> Column:
    """The value of a row for all rows, with `np.select` where there is more than one condition."""
    final = columns.lift(last)
    if not branches:
        return final
    tests = [columns.condition(test) for test, _ in branches]
    values = [columns.lift(value) for _, value in branches]
    chosen = columns.choose(tests[0], values[0], final)
    for test, value in zip(tests, values, strict=True):
        columns.choose(test, value, final)
    if len(branches) == 1:
        return chosen
    text = ", ".join(test.text for test in tests)
    given = ", ".join(value.text for value in values)
    return Column(f"{columns.spell('numpy.select')}([{text}], [{given}], default={final.text})", bare=True)


def _selected(frame: ast.expr) -> ast.expr | None:
    """The frame of which ``frame`` is a list of columns: ``df`` for ``df[["a", "b"]]``."""
    if isinstance(frame, ast.Subscript) and isinstance(frame.slice, ast.List):
        return frame.value
    return None


def _is_stored(node: ast.Call, frame: ast.expr, ctx: Context) -> bool:
    """Whether the outcome becomes a column of the same frame, so that it needs no index."""
    parent = ctx.tree.parent(node)
    if not isinstance(parent, ast.Assign) or len(parent.targets) != 1:
        return False
    target = parent.targets[0]
    return isinstance(target, ast.Subscript) and ctx.text(target.value) == ctx.text(frame)
