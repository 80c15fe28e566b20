from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import (
    DATAFRAME,
    SERIES,
    Call,
    Context,
    Edit,
    Example,
    Finding,
    Fix,
    Method,
    Read,
    Reference,
    Rule,
    Safety,
)

RENAMED = {"iteritems": ("items", "2.0", ""), "applymap": ("map", "3.0", "2.1")}
"""Method → new name, release that removed it, release from which on the new one exists."""
GONE = {
    "lookup": "index with `.to_numpy()` and integer positions",
    "mad": "use `(x - x.mean()).abs().mean()`",
    "slice_shift": "use `shift`",
    "tshift": "use `shift` with `freq`",
}
KEYWORDS = {
    "error_bad_lines": "use `on_bad_lines`",
    "warn_bad_lines": "use `on_bad_lines`",
    "squeeze": 'use `.squeeze("columns")` on the result',
    "mangle_dupe_cols": "remove it",
    "prefix": "name the columns afterwards",
}
INDEXES = ("Int64Index", "UInt64Index", "Float64Index")
CONCAT = ("ignore_index", "verify_integrity", "sort")
_FILLING = ("axis", "inplace", "limit")
"""What `ffill` takes as `fillna` did, in all versions of pandas."""
GIVEN = "import numpy as np\nimport pandas as pd\ndf = pd.DataFrame({'a': np.random.rand(5), 'b': range(5)})\n"


class PandasRemovedApi(Rule):
    """pandas has removed this method or argument: the line raises when it runs.

    ## Why
    pandas 2.0 removed `append`, `iteritems`, `lookup`, `mad`, `is_monotonic`, `line_terminator`, `error_bad_lines` and
    the integer index classes, pandas 1.0 `.ix`, pandas 3.0 `applymap` and `fillna(method=…)`, deprecated since 2.1.
    The code runs until the line is reached.

    ## Fix safety
    Safe for renamed methods, and for `append` where both parts are proven to be frames, or both series. Unsafe for
    `append` of anything else: a dict or a series, which was a row, must be made a frame first.

    ## References
    - pandas 2.0.0 release notes, "Removal of prior version deprecations/changes"; likewise 1.0.0 and 3.0.0.
    """

    code, name = "ML816", "pandas-removed-api"
    libraries = ("pandas",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (
        Method(*RENAMED, *GONE, "append", "fillna", "to_csv", of=(DATAFRAME, SERIES)),
        Read("ix", "is_monotonic", of=(DATAFRAME, SERIES, "pandas.Index")),
        Call("pandas.read_csv", "pandas.read_table", "pandas.to_datetime"),
        Reference("pandas.np", *(f"pandas.{name}" for name in INDEXES)),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if ctx.targets("pandas", "<2.0"):
            return
        if isinstance(node, ast.Attribute):
            yield from self._attribute(node, ctx)
        elif isinstance(node, ast.Call):
            if (ctx.dotted(node.func) or "").startswith("pandas."):
                yield from self._function(node, ctx)
            elif isinstance(node.func, ast.Attribute):
                yield from self._method(node, node.func, ctx)

    def _attribute(self, node: ast.Attribute, ctx: Context) -> Iterator[Finding]:
        said = ctx.short(node)
        dotted = ctx.dotted(node)
        if dotted == "pandas.np":
            written, imports = ctx.edits.name("numpy.nan", node)
            module = written.rpartition(".")[0]
            fix = None
            if module:
                fix = ctx.fix(lambda: [ctx.edits.replace(node, module), *imports], Safety.SAFE, f"Use `{module}`")
            yield ctx.finding(node, f"`{said}` was removed in pandas 2.0", "use NumPy itself", fix)
        elif dotted is not None:
            yield ctx.finding(node, f"`{said}` was removed in pandas 2.0", "use `pd.Index` with a dtype")
        elif node.attr == "ix":
            yield ctx.finding(
                node, f"`{said}` was removed in pandas 1.0", "use `.loc` for labels, `.iloc` for positions"
            )
        elif node.attr == "is_monotonic":
            yield ctx.finding(
                node,
                f"`{said}` was removed in pandas 2.0",
                "use `is_monotonic_increasing`",
                ctx.fix(
                    lambda: ctx.edits.replace(node, "$x.is_monotonic_increasing", x=node.value),
                    Safety.SAFE,
                    "Use `is_monotonic_increasing`",
                ),
            )

    def _function(self, call: ast.Call, ctx: Context) -> Iterator[Finding]:
        if ctx.dotted(call.func) == "pandas.to_datetime":
            found = [k for k in call.keywords if k.arg == "infer_datetime_format"]
            for keyword in found:
                fix = ctx.fix(
                    lambda: ctx.edits.remove_keyword(call, "infer_datetime_format"), Safety.SAFE, "Remove the argument"
                )
                yield ctx.finding(
                    keyword,
                    "`infer_datetime_format` has no effect since pandas 2.0 and raises in 3.0",
                    "remove it",
                    fix,
                )
            return
        for keyword in call.keywords:
            if keyword.arg in KEYWORDS:
                yield ctx.finding(keyword, f"pandas 2.0 knows no `{keyword.arg}`: TypeError", KEYWORDS[keyword.arg])

    def _method(self, call: ast.Call, func: ast.Attribute, ctx: Context) -> Iterator[Finding]:
        name = func.attr
        kind = ctx.kinds.of(func.value)
        if kind.name not in (DATAFRAME, SERIES):
            return
        said = f"`{ctx.short(func.value, 20)}.{name}`"
        fix: Fix | None = None
        if name in RENAMED:
            new, gone, since = RENAMED[name]
            if name == "applymap" and (kind.name != DATAFRAME or ctx.targets("pandas", "<2.1")):
                return
            if not since or ctx.targets("pandas", f">={since}"):
                fix = ctx.fix(lambda: ctx.edits.replace(func, f"$x.{new}", x=func.value), Safety.SAFE, f"Use `{new}`")
            yield ctx.finding(call, f"{said} was removed in pandas {gone}", f"use `{new}`", fix)
        elif name in GONE:
            yield ctx.finding(call, f"{said} was removed in pandas 2.0", GONE[name])
        elif name == "append":
            yield from self._append(call, func, said, ctx)
        elif name == "to_csv":
            if ctx.argument(call, "line_terminator") is not None:
                keyword = next(k for k in call.keywords if k.arg == "line_terminator")
                fix = ctx.fix(
                    lambda: ctx.edits.rename_keyword(call, "line_terminator", "lineterminator"),
                    Safety.SAFE,
                    "Use `lineterminator`",
                )
                yield ctx.finding(
                    keyword, "pandas 2.0 knows no `line_terminator`: TypeError", "use `lineterminator`", fix
                )
        elif name == "fillna" and not ctx.targets("pandas", "<2.1"):
            yield from self._fillna(call, func, ctx)

    def _fillna(self, call: ast.Call, func: ast.Attribute, ctx: Context) -> Iterator[Finding]:
        method = ctx.argument(call, "method")
        if method is None or (isinstance(method, ast.Constant) and method.value is None):
            return
        keyword = next(k for k in call.keywords if k.arg == "method")
        new = None
        if isinstance(method, ast.Constant):
            new = {"ffill": "ffill", "pad": "ffill", "bfill": "bfill", "backfill": "bfill"}.get(str(method.value))
        rest: list[ast.expr | ast.keyword] = [k for k in call.keywords if k.arg in _FILLING]
        others = {k.arg for k in call.keywords if not (k.arg == "value" and _is_none(k.value))}
        if not others <= {*_FILLING, "method"}:
            new = None  # `ffill` knows no `downcast` in pandas 3
        fix = None
        if new is not None and not call.args:
            fix = ctx.fix(
                lambda: ctx.edits.replace(call, f"$x.{new}($*rest)", x=func.value, rest=rest),
                Safety.SAFE,
                f"Use `{new}()`",
            )
        yield ctx.finding(
            keyword, "`fillna` knows no `method` since pandas 3.0: TypeError", f"use `{new or 'ffill'}()`", fix
        )

    def _append(self, call: ast.Call, func: ast.Attribute, said: str, ctx: Context) -> Iterator[Finding]:
        other = ctx.argument(call, "other", 0)
        if other is None:
            other = ctx.argument(call, "to_append", 0)
        fix = None
        kept: list[ast.expr | ast.keyword] = [k for k in call.keywords if k.arg in CONCAT]
        if other is not None and len(call.args) <= 1 and not ctx.open_ended(call):
            receiver = ctx.kinds.of(func.value).name
            part = other
            written, imports = ctx.edits.name("pandas.concat", call)
            tail = ", $*rest)" if kept else ")"
            parts = list(other.elts) if isinstance(other, ast.List) else [part]
            values = {f"y{number}": value for number, value in enumerate(parts)}
            template = f"{written}([{', '.join(['$x', *(f'${key}' for key in values)])}]{tail}"
            proven = ctx.kinds.of(other).name == receiver
            if isinstance(other, ast.List):
                proven = bool(other.elts) and all(ctx.kinds.of(element).name == receiver for element in other.elts)

            def build() -> list[Edit]:
                return [ctx.edits.replace(call, template, x=func.value, rest=kept, **values), *imports]

            rows = receiver == DATAFRAME and any(ctx.is_a(value, SERIES) for value in parts)  # a series was a row
            if not rows and not any(isinstance(value, (ast.Dict, ast.Starred)) for value in parts):
                fix = ctx.fix(build, Safety.SAFE if proven else Safety.UNSAFE, f"Use `{written}`")
        yield ctx.finding(call, f"{said} was removed in pandas 2.0", "use `pd.concat`", fix)

    examples = (
        Example(
            given=GIVEN,
            bad="full = df.fillna(value=None, method='ffill', axis=0)",
            good="full = df.ffill(axis=0)",
            equal="len(full)",
            raises="TypeError",
        ),
        Example(
            given=GIVEN,
            bad="full = df.fillna(method='ffill', downcast='infer')",
            note="`ffill` knows no `downcast` in pandas 3: no fix",
        ),
        Example(
            given=GIVEN,
            bad="names = [n for n, _ in df.iteritems()]",
            good="names = [n for n, _ in df.items()]",
            equal="len(names)",
            raises="AttributeError",
        ),
        Example(
            given=GIVEN + "more = df.copy()\n",
            bad="both = df.append(more, ignore_index=True)",
            good="both = pd.concat([df, more], ignore_index=True)",
            equal="len(both)",
            raises="AttributeError",
            safety="safe",
        ),
        Example(
            given="import pandas as pd\n",
            bad="def f(df: pd.DataFrame, row):\n    return df.append(row)\n",
            good="def f(df: pd.DataFrame, row):\n    return pd.concat([df, row])\n",
            safety="unsafe",
        ),
        Example(
            given=GIVEN + "more = df.copy()\n",
            bad="both = df.append([more, df])",
            good="both = pd.concat([df, more, df])",
            equal="len(both)",
            raises="AttributeError",
        ),
        Example(given=GIVEN, bad="df = df.append({'a': 1, 'b': 2}, ignore_index=True)"),
        Example(
            given=GIVEN,
            bad="x = df.fillna(method='ffill', limit=2)\nup = df['b'].is_monotonic",
            good="x = df.ffill(limit=2)\nup = df['b'].is_monotonic_increasing",
            equal="len(x), up",
            raises="TypeError",
            count=2,
        ),
        Example(
            given=GIVEN,
            bad="x = df.applymap(lambda v: v + 1)",
            good="x = df.map(lambda v: v + 1)",
            equal="len(x)",
            raises="AttributeError",
            targets={"pandas": ">=2.1"},
        ),
        Example(given=GIVEN, bad="x = df.applymap(lambda v: v + 1)", note="`map` is as new as 2.1"),
        Example(
            given=GIVEN,
            bad="text = df.to_csv(index=False, line_terminator='\\n')",
            good="text = df.to_csv(index=False, lineterminator='\\n')",
            equal="len(text)",
            raises="TypeError",
        ),
        Example(given=GIVEN, bad="first = df.ix[0]\nspread = df.mad()", count=2),
        Example(given="import pandas as pd\n", bad="df = pd.read_csv('x.csv', error_bad_lines=False)"),
        Example(
            given="import numpy as np\nimport pandas as pd\n",
            bad="x = pd.np.zeros(3)",
            good="x = np.zeros(3)",
            equal="len(x)",
            raises="AttributeError",
        ),
        Example(
            given=GIVEN + "days = pd.Series(['2024-01-01'])\n",
            bad="when = pd.to_datetime(days, infer_datetime_format=True)",
            good="when = pd.to_datetime(days)",
        ),
        Example(given=GIVEN, ok="rows = []\nrows.append(df)\nd = {}\nx = [*d.items()]"),
        Example(given=GIVEN, ok="x = df.ffill()\ny = df.fillna(0)\nz = df['a'].map(str)"),
        Example(given=GIVEN, ok="x = df.append(df)", targets={"pandas": "1.5"}),
        Example(given="import pandas as pd\nimport polars as pl\n", ok="x = pl.DataFrame().applymap(str)"),
        Example(given="import pandas as pd\n", ok="def f(frame):\n    return frame.iteritems(), frame.append(3)\n"),
        Example(given=GIVEN, ok="x = df.applymap(str) if not hasattr(df, 'map') else df.map(str)"),
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
