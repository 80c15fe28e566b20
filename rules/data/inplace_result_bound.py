from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import DATAFRAME, SERIES, Context, Example, Finding, Method, Rule, Safety, walk_scope

_NONE = frozenset(
    "drop drop_duplicates dropna eval query rename rename_axis reset_index set_index sort_index sort_values".split()
)
_ITSELF_LATER = frozenset("bfill clip ffill fillna interpolate mask replace where".split())
_FRAMES_ONLY = frozenset("drop_duplicates dropna fillna reset_index set_index sort_index sort_values".split())
_FRAMES = (DATAFRAME, SERIES, "cudf.DataFrame", "cudf.Series")

FRAME = "import pandas as pd\ndf = pd.DataFrame({'a': [2.0, 1.0, None], 'b': [1, 2, 3]})\n"


class InplaceResultBound(Rule):
    """The result of a method called with `inplace=True` is used, but it is None.

    ## Why
    With `inplace=True` the methods of frames change the frame and return nothing. The name that is bound to the result
    holds None, and the next use of it fails far from here, or hands None on silently.

    `fillna`, `replace` and their like return the frame itself in newer versions of pandas (3.1 does); they are
    reported only where an older one is targeted.

    ## Fix safety
    Safe where the result replaces a frame that only this name holds: the name held None, and every later use of it
    failed. Unsafe elsewhere: the frame itself is no longer changed, which code that holds it may count on.

    ## References
    - pandas documentation, `DataFrame.drop`, parameter `inplace`.
    """

    code, name = "ML626", "inplace-result-bound"
    libraries = ("pandas", "rapids")
    safety = (Safety.SAFE, Safety.UNSAFE)
    in_tests = True
    triggers = (Method(*sorted(_NONE | _ITSELF_LATER)),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Attribute)
        inplace = ctx.argument(node, "inplace")
        if not (isinstance(inplace, ast.Constant) and inplace.value is True):
            return
        method, frame = node.func.attr, node.func.value
        kind = ctx.kinds.of(frame)
        if not kind.is_a(*_FRAMES):
            own = _before(node, frame, ctx)
            if not own and (kind.known or method not in _FRAMES_ONLY or "(" in ctx.text(frame)):
                return
        if method in _ITSELF_LATER and not ctx.targets("pandas", "<3"):
            return
        use = _use(node, ctx)
        if use is None:
            return
        safety = Safety.SAFE if _replaces_itself(node, frame, ctx) else Safety.UNSAFE
        fix = ctx.fix(lambda: ctx.edits.remove_keyword(node, "inplace"), safety, "Remove `inplace=True`")
        message = f"`{ctx.short(node.func)}(…, inplace=True)` returns None, and {use}"
        yield ctx.finding(node, message, "remove `inplace=True`, or do not use the result", fix)

    examples = (
        Example(
            given=FRAME,
            bad="df = df.dropna(inplace=True)\nn = len(df)",
            good="df = df.dropna()\nn = len(df)",
            equal="n == 2",
            raises="TypeError",
            safety="safe",
        ),
        Example(
            given=FRAME,
            bad="df = df.drop(\n    columns=['b'],  # the target\n    inplace=True,\n)\nm = df['a'].max()",
            good="df = df.drop(\n    columns=['b'],  # the target\n)\nm = df['a'].max()",
            equal="m == 2.0",
            raises="TypeError",
            safety="safe",
        ),
        Example(
            given=FRAME,
            bad="cheap = df.sort_values('a', inplace=True)\nfirst = cheap['b']",
            good="cheap = df.sort_values('a')\nfirst = cheap['b']",
            equal="first.iloc[0] == 2",
            raises="TypeError",
            safety="unsafe",
            note="df itself is no longer sorted",
        ),
        Example(
            given="import pandas as pd",
            bad="def clean(df):\n    return df.dropna(inplace=True)\n\nrows = clean(pd.read_csv('x.csv'))",
            good="def clean(df):\n    return df.dropna()\n\nrows = clean(pd.read_csv('x.csv'))",
            safety="unsafe",
        ),
        Example(
            given="import pandas as pd",
            bad="def clean(df: pd.DataFrame):\n    df = df.reset_index(drop=True, inplace=True)\n    return df",
            good="def clean(df: pd.DataFrame):\n    df = df.reset_index(drop=True)\n    return df",
            safety="unsafe",
            note="the caller's frame was changed",
        ),
        Example(
            given=FRAME,
            bad="top = df.sort_values('a', inplace=True).head(2)",
            good="top = df.sort_values('a').head(2)",
            equal="len(top) == 2",
            raises="AttributeError",
            safety="unsafe",
        ),
        Example(
            given=FRAME,
            bad="df['a'] = df['a'].fillna(0, inplace=True)",
            good="df['a'] = df['a'].fillna(0)",
            targets={"pandas": "2.2"},
            safety="unsafe",
        ),
        Example(given=FRAME, ok="df['a'] = df['a'].fillna(0, inplace=True)", targets={"pandas": "3.1"}),
        Example(given=FRAME, ok="result = df.dropna(inplace=True)\nassert result is None"),
        Example(given=FRAME, ok="df.dropna(inplace=True)\nn = len(df)"),
        Example(given=FRAME, ok="df = df.dropna(inplace=False)"),
        Example(given=FRAME, ok="def go(flag):\n    return df.dropna(inplace=flag)"),
        Example(
            given="import pandas as pd",
            ok="def clean(df):\n    return df.dropna(inplace=True)\n\nframe = pd.read_csv('x.csv')\nclean(frame)",
            note="nobody uses the result",
        ),
        Example(
            given=(
                "import pandas as pd\nclass Table:\n    def drop(self, key, inplace=False):\n        return self\n\n"
                "t = Table()"
            ),
            ok="t = t.drop('a', inplace=True)",
        ),
        Example(
            given="import torch.nn as nn\nimport pandas",
            ok="def build(net, x):\n    y = net.clip(x, inplace=True)\n    return y",
        ),
    )


def _use(node: ast.Call, ctx: Context) -> str | None:
    """What the result is used for, in words; None where it is left alone."""
    parent = ctx.tree.parent(node)
    if isinstance(parent, (ast.Assign, ast.AnnAssign)) and parent.value is node:
        target = parent.targets[0] if isinstance(parent, ast.Assign) else parent.target
        if isinstance(target, ast.Name) and (target.id == "_" or _compared(target.id, parent, ctx)):
            return None
        return f"`{ctx.short(target)}` is bound to it"
    if isinstance(parent, ast.Attribute):
        return f"`.{parent.attr}` is looked up on it"
    if isinstance(parent, ast.Subscript) and parent.value is node:
        return "it is subscripted"
    if isinstance(parent, ast.Return):
        function = ctx.tree.function(node)
        if function is None:
            return None
        calls = ctx.effects.callers(function)
        ignored = calls and all(isinstance(ctx.tree.parent(call), ast.Expr) for call in calls)
        return None if ignored else "it is what the function returns"
    return None


def _compared(name: str, statement: ast.stmt, ctx: Context) -> bool:
    """Whether the code knows that it is None: ``assert result is None``."""
    uses = (ctx.tree.parent(use) for use in ctx.flow.uses_after(name, statement))
    return any(isinstance(use, ast.Compare) and isinstance(use.ops[0], (ast.Is, ast.IsNot)) for use in uses)


def _before(node: ast.Call, frame: ast.expr, ctx: Context) -> bool:
    """Whether a name certainly held a frame before this very assignment, which makes it None in a loop."""
    if not isinstance(frame, ast.Name):
        return False
    others = [binding for binding in ctx.reaching.of(frame) or () if binding.value is not node]
    return bool(others) and all(ctx.kinds.binding(binding).is_a(*_FRAMES) for binding in others)


def _replaces_itself(node: ast.Call, frame: ast.expr, ctx: Context) -> bool:
    """Whether the result is bound to the name of the frame, and no other name can hold the same frame."""
    parent = ctx.tree.parent(node)
    if not isinstance(parent, ast.Assign) or len(parent.targets) != 1 or not isinstance(frame, ast.Name):
        return False
    target = parent.targets[0]
    if not isinstance(target, ast.Name) or target.id != frame.id:
        return False
    for binding in ctx.reaching.of(frame) or ():
        if binding.how != "assign" or binding.path or not isinstance(binding.value, ast.Call):
            return False
        dotted = ctx.dotted(binding.value.func)
        if binding.value is not node and (dotted is None or not dotted.startswith(("pandas.", "cudf."))):
            return False
    for use in walk_scope(ctx.tree.function(node) or ctx.tree.module):
        if isinstance(use, ast.Name) and use.id == frame.id and isinstance(use.ctx, ast.Load):
            holder = ctx.tree.parent(use)
            if not isinstance(holder, (ast.Attribute, ast.Subscript)) and use.lineno < node.lineno:
                return False
    return True
