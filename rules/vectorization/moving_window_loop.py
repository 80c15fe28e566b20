"""Reductions of moving windows, one window after the other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from mlint.rule import APPEND, STORE, Context, Example, Finding, Fix, Loop, Method, Node, Rule, Safety, Windows, walk

SETUP = (
    "import numpy as np\na = np.random.normal(size=60)\nout = np.zeros(60)\na[7] = np.nan\na[40] = np.inf\n"
    "a[50:56] = -0.0\n"
)
VIEW = "np.lib.stride_tricks.sliding_window_view"
FRAMES = "import numpy as np\nimport pandas as pd\ns = pd.Series(np.random.normal(size=60))\ns[7] = np.nan\n"
_WIDE = 10_000
"""Windows wider than this are better computed from a cumulative sum or a filter than one by one."""


class MovingWindowLoop(Rule):
    """A loop over windows of an array calls a reduction for each of them, and pandas makes a Series of each.

    ## Why
    `sliding_window_view` is a view of the array whose rows are the windows: it copies nothing, and one reduction over
    its last axis computes all of them in compiled code, where the loop pays for a slice, a view object and a call of
    several microseconds for each. `Series.rolling(k).apply(f)` makes a Series of each window and calls `f` with it;
    the methods of the rolling object update one result from window to window.

    ## Fix safety
    Safe where an array of one dimension, its length and the width of the windows are literal and the dtypes are proven:
    NumPy makes the same operations in the same order for a row of the view as for the slice (measured bit for bit for
    widths from 1 to 10,000, contiguous, strided and reversed arrays and all dtypes). Unsafe where the array may be
    shorter than a window: the loop then makes no round, while the view raises a ValueError. Unsafe for Python's `sum`,
    `max` and `min`, which add in another order and treat NaN in another way. Unsafe for pandas: `rolling(k).mean()`
    updates a running sum and rounds in another way.

    ## Known limits
    Each window must be proven to lie inside the array: `range(len(a))` cuts the last ones short, and negative bounds
    wrap around. Windows wider than 10,000 elements are reported without a fix. For other functions than the usual
    reductions pandas is told to pass arrays (`raw=True`) where the function only hands the window to NumPy.

    ## References
    - NumPy documentation, `numpy.lib.stride_tricks.sliding_window_view`.
    - pandas user guide, "Windowing operations", rolling apply.
    - pandas user guide, "Enhancing performance".
    """

    code, name = "ML114", "moving-window-loop"
    libraries = ("numpy", "pandas")
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Loop(STORE, APPEND), Node(ast.ListComp), Method("apply", of="pandas.Rolling"))
    examples = (
        Example(
            given=SETUP,
            bad="for i in range(len(a) - 4):\n    out[i] = a[i:i + 5].mean()",
            good=f"out[:-4] = {VIEW}(a, 5).mean(axis=-1)",
            equal="out",
            safety="safe",
        ),
        Example(
            given=SETUP,
            bad="for i in range(60 - 5 + 1):\n    out[i + 2] = np.sum(a[i:i + 5]) / 5",
            good=f"out[2:-2] = {VIEW}(a, 5).sum(axis=-1) / 5",
            equal="out",
            safety="safe",
            note="a moving average, centred",
        ),
        Example(
            given=SETUP,
            bad="for i in range(5, len(a) + 1):\n    out[i - 1] = a[i - 5:i].max()",
            good=f"out[4:] = {VIEW}(a, 5).max(axis=-1)",
            equal="out",
            safety="safe",
            note="windows that end at the counter",
        ),
        Example(
            given=SETUP,
            bad="for i in range(2, 58):\n    out[i] = np.median(a[i - 2:i + 3])",
            good=f"out[2:-2] = np.median({VIEW}(a, 5), axis=-1)",
            equal="out",
            safety="safe",
        ),
        Example(
            given=(
                "import numpy as np\nfrom numpy.lib.stride_tricks import sliding_window_view\n"
                "a = np.random.rand(60)\n"
            ),
            bad="spread = np.array([a[i:i + 8].std(ddof=1) for i in range(len(a) - 7)])",
            good="spread = sliding_window_view(a, 8).std(axis=-1, ddof=1)",
            equal="spread",
            safety="safe",
        ),
        Example(
            given=SETUP,
            bad="lows = [a[i:i + 8].min() for i in range(50)]",
            good=f"lows = list({VIEW}(a, 8)[:-3].min(axis=-1))",
            equal="lows",
            safety="safe",
            note="not all windows",
        ),
        Example(
            given=SETUP,
            bad="highs = [0.0]\nfor i in range(len(a) - 7):\n    highs.append(np.max(a[i:i + 8]))",
            good=f"highs = [0.0]\nhighs.extend({VIEW}(a, 8).max(axis=-1))",
            equal="highs",
            safety="safe",
        ),
        Example(
            given=SETUP,
            bad=(
                "def average(x: np.ndarray, k: int):\n    y = np.zeros(len(x) - k + 1)\n"
                "    for i in range(len(x) - k + 1):\n        y[i] = np.mean(x[i:i + k])\n    return y\n"
                "y = average(a, 4)"
            ),
            good=(
                "def average(x: np.ndarray, k: int):\n    y = np.zeros(len(x) - k + 1)\n"
                f"    y[:] = {VIEW}(x, k).mean(axis=-1)\n    return y\n"
                "y = average(a, 4)"
            ),
            equal="y",
            safety="unsafe",
            note="the array may be shorter than a window",
        ),
        Example(
            given=SETUP,
            bad=(
                "def smooth(x: np.ndarray, h: int):\n    n = len(x)\n    y = np.zeros(n)\n"
                "    for i in range(h, n - h):\n        y[i] = x[i - h:i + h + 1].mean()\n    return y\n"
                "y = smooth(a, 3)"
            ),
            good=(
                "def smooth(x: np.ndarray, h: int):\n    n = len(x)\n    y = np.zeros(n)\n"
                f"    y[h:n - h] = {VIEW}(x, 2 * h + 1).mean(axis=-1)\n    return y\ny = smooth(a, 3)"
            ),
            equal="y",
            safety="unsafe",
        ),
        Example(
            given=SETUP,
            bad=(
                "def smooth(measured: np.ndarray, half_width: int):\n    n = len(measured)\n"
                "    smoothed = np.zeros(n)\n    for i in range(half_width, n - half_width):\n"
                "        smoothed[i] = measured[i - half_width:i + half_width + 1].mean()\n    return smoothed\n"
                "y = smooth(a, 3)"
            ),
            good=(
                "def smooth(measured: np.ndarray, half_width: int):\n    n = len(measured)\n"
                f"    smoothed = np.zeros(n)\n    smoothed[half_width:n - half_width] = {VIEW}(\n"
                "        measured, 2 * half_width + 1\n    ).mean(axis=-1)\n    return smoothed\n"
                "y = smooth(a, 3)"
            ),
            equal="y",
            safety="unsafe",
            note="the width of the lines is kept",
        ),
        Example(
            given="import numpy as np\na = np.random.rand(60)\n",
            bad="mean = [sum(a[i:i + 5]) / 5 for i in range(56)]",
            good=f"mean = list({VIEW}(a, 5).sum(axis=-1) / 5)",
            equal="mean",
            close=True,
            safety="unsafe",
            note="Python's sum adds in another order",
        ),
        Example(
            given=SETUP,
            bad="for i in range(len(a) - 4):\n    out[i] = a[i:i + 5].mean()\nprint(i)",
            note="the counter is read later: no fix",
        ),
        Example(
            given="import numpy as np\nbig = np.random.rand(60_000)\n",
            bad="level = [big[i:i + 20_000].mean() for i in range(40_001)]",
            note="too wide a window: no fix",
        ),
        Example(
            given=FRAMES,
            bad="m = s.rolling(5).apply(lambda w: w.mean())",
            good="m = s.rolling(5).mean()",
            equal="m",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=FRAMES,
            bad="m = s.rolling(5).apply(np.std)",
            good="m = s.rolling(5).std(ddof=0)",
            equal="m",
            close=True,
            safety="unsafe",
            note="NumPy divides by n, pandas by n - 1",
        ),
        Example(
            given=FRAMES,
            bad="m = s.rolling(5).apply(lambda w: w.std())",
            good="m = s.rolling(5).std()",
            equal="m",
            close=True,
            safety="unsafe",
            note="the window is a Series",
        ),
        Example(
            given=FRAMES,
            bad="m = s.rolling(5).apply(lambda w: w.std(), raw=True)",
            good="m = s.rolling(5).std(ddof=0)",
            equal="m",
            close=True,
            safety="unsafe",
            note="the window is an array",
        ),
        Example(
            given=FRAMES,
            bad="m = s.rolling(5).apply(max)",
            good="m = s.rolling(5).max()",
            equal="m",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=FRAMES,
            bad="m = s.rolling(5, min_periods=1).apply(np.sum, raw=True)",
            note="a window with a missing value is NaN for NumPy and not for pandas: no fix",
        ),
        Example(given=FRAMES, bad="m = s.rolling(5).apply(lambda w: np.percentile(w, 10))", note="reported only"),
        Example(given=FRAMES, ok="m = s.rolling(5).apply(lambda w: np.percentile(w, 10), raw=True)"),
        Example(given=FRAMES, ok="m = s.rolling(5).apply(lambda w: w.iloc[-1] - w.iloc[0])", note="needs a Series"),
        Example(given=FRAMES, ok="def f(w):\n    return w.index[0]\nm = s.rolling(5).apply(f)"),
        Example(given=FRAMES, ok="m = s.rolling(5).apply(np.mean, engine='numba', raw=True)"),
        Example(given=FRAMES, ok="m = s.rolling(5).mean()"),
        Example(given=FRAMES, ok="m = s.apply(lambda w: w.mean())", note="no window"),
        Example(given=SETUP, ok="for i in range(60):\n    out[i] = a[i:i + 5].mean()", note="cut short"),
        Example(given=SETUP, ok="for i in range(58):\n    out[i] = a[i - 2:i + 3].mean()", note="wraps around"),
        Example(given=SETUP, ok="for i in range(1, 60):\n    out[i] = a[:i].mean()", note="grows"),
        Example(given=SETUP, ok="for i in range(1, 30):\n    out[i] = a[i:2 * i].mean()", note="widens"),
        Example(given=SETUP, ok="for i in range(0, 60, 5):\n    out[i] = a[i:i + 5].mean()", note="blocks"),
        Example(given=SETUP, ok="for i in range(50):\n    a[i + 5] = a[i:i + 5].mean()", note="a recurrence"),
        Example(given=SETUP, ok="b = a[1:]\nfor i in range(50):\n    a[i] = b[i:i + 5].mean()", note="a view"),
        Example(
            given=SETUP,
            ok="def f(x: np.ndarray, ks):\n    return [x[i:i + ks[i]].mean() for i in range(len(x))]",
            note="the width depends on the data",
        ),
        Example(given=SETUP, ok="def f(x, k):\n    return [x[i:i + k].mean() for i in range(len(x) - k + 1)]"),
        Example(given="x = list(range(60))\n", ok="y = [sum(x[i:i + 5]) for i in range(56)]", note="a list"),
        Example(
            given="import numpy as np\nimport torch\nx = torch.rand(60)\n",
            ok="y = [x[i:i + 5].mean() for i in range(56)]",
        ),
        Example(
            given="import numpy as np\nX = np.random.rand(60, 3)\n",
            ok="y = [X[i:i + 5].mean() for i in range(56)]",
            note="windows of rows",
        ),
        Example(
            given="import numpy as np\na = np.ma.zeros(60)\n",
            ok="y = [a[i:i + 5].mean() for i in range(56)]",
            note="a masked array",
        ),
        Example(given=SETUP, ok="parts = [a[i:i + 5] for i in range(56)]", note="nothing is reduced"),
        Example(
            given="import numpy as np\nn = 1000\na = np.random.normal(size=n)\n",
            bad="out = np.zeros(n - 9)\nfor i in range(n - 9):\n    out[i] = a[i:i + 10].mean()",
            good=f"out = np.zeros(n - 9)\nout[:] = {VIEW}(a, 10).mean(axis=-1)",
            equal="out",
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if isinstance(node, ast.Call):
            yield from _Applied.check(node, ctx)
        elif isinstance(node, ast.For) and len(node.body) == 1 and _has_window(getattr(node.body[0], "value", None)):
            stored = ctx.windows.stored(node)
            found = stored or ctx.windows.appended(node)
            if found is not None:
                yield from self._loop(node, found, ctx)
        elif isinstance(node, ast.ListComp) and _has_window(node.elt):
            found = ctx.windows.collected(node)
            if found is not None:
                yield self._comprehension(node, found, ctx)

    def _loop(self, loop: ast.For, found: Windows, ctx: Context) -> Iterator[Finding]:
        value = _written(found, ctx)
        statement = loop.body[0]
        if isinstance(statement, ast.Assign):
            place = statement.targets[0]
            assert isinstance(place, ast.Subscript)
            text = f"{ctx.text(place.value)}{found.place} = {value}"
        else:
            assert isinstance(statement, ast.Expr)
            assert isinstance(statement.value, ast.Call)
            func = statement.value.func
            assert isinstance(func, ast.Attribute)
            if not ctx.is_a(func.value, "list"):
                return
            text = f"{ctx.text(func.value)}.extend({value})"
        assert found.nest is not None
        new = text if value is not None and _offered(found, ctx) else None
        fix = ctx.loop_fix(found.nest, new, found.obstacles, safe=not found.doubts)
        yield self._finding(loop, found, text, fix, ctx)

    def _comprehension(self, node: ast.ListComp, found: Windows, ctx: Context) -> Finding:
        value = _written(found, ctx)
        parent = ctx.tree.parent(node)
        replaced: ast.expr = node
        text = f"list({value})"
        if isinstance(parent, ast.Call) and parent.args == [node] and not parent.keywords:
            if ctx.dotted(parent.func) in ("numpy.array", "numpy.asarray"):
                replaced, text = parent, str(value)
        fix = None
        if value is not None and not found.obstacles and _offered(found, ctx):
            safety = Safety.UNSAFE if found.doubts else Safety.SAFE
            fix = ctx.fix(lambda: ctx.edits.replace(replaced, text), safety, f"Replace it by `{text}`")
        return self._finding(node, found, text, fix, ctx)

    def _finding(self, node: ast.AST, found: Windows, text: str, fix: Fix | None, ctx: Context) -> Finding:
        wide = found.number is not None and found.number > _WIDE
        called = ctx.short(found.reduction.node)
        return ctx.finding(
            node,
            f"`{called}` is called for each window of `{ctx.short(found.array)}`, one after the other",
            "compute it from `np.cumsum` or with a filter of scipy.ndimage" if wide else f"use `{text}`",
            fix,
        )


def _offered(found: Windows, ctx: Context) -> bool:
    """Whether a view is of use: windows of a moderate width, and a NumPy that has it."""
    return not (found.number is not None and found.number > _WIDE) and not ctx.targets("numpy", "<1.20")


def _has_window(value: ast.expr | None) -> bool:
    """Whether an expression takes a slice from here to there: a look at the syntax."""
    slices = (part for part in walk(value) if isinstance(part, ast.Slice)) if value is not None else ()
    return any(part.lower is not None and part.upper is not None for part in slices)


def _written(found: Windows, ctx: Context) -> str | None:
    """What is computed of all windows."""
    reduction, node = found.reduction, found.reduction.node
    view = ctx.names.spell("numpy.lib.stride_tricks.sliding_window_view", node)[0]
    view = f"{view}({ctx.text(found.array)}, {found.width}){found.rows}"
    if reduction.method:
        text = f"{view}.{reduction.name}(axis=-1{reduction.options})"
    else:
        text = f"{ctx.names.spell(f'numpy.{reduction.name}', node)[0]}({view}, axis=-1{reduction.options})"
    return ctx.substituted(found.value, {node: text})


class _Applied(NamedTuple):
    """`s.rolling(k).apply(f)`."""

    call: ast.Call
    rolling: ast.Call
    function: ast.expr
    raw: bool

    @classmethod
    def check(cls, call: ast.Call, ctx: Context) -> Iterator[Finding]:
        found = cls.read(call, ctx)
        if found is None:
            return
        method = found.method(ctx)
        receiver = ctx.short(found.rolling, 60)
        if method is not None:
            text = f"{ctx.text(found.rolling)}.{method}"
            fix = None
            if not found.partial:
                fix = ctx.fix(lambda: ctx.edits.replace(call, text), Safety.UNSAFE, f"Replace it by `{text}`")
            yield ctx.finding(
                call, f"`apply` calls a Python function for each window of `{receiver}`", f"use `.{method}`", fix
            )
        elif not found.raw and found.takes_arrays(ctx):
            yield ctx.finding(
                call,
                f"`apply` makes a Series of each window of `{receiver}`, of which `{ctx.short(found.function)}` only "
                "needs the values",
                "pass `raw=True`",
            )

    @classmethod
    def read(cls, call: ast.Call, ctx: Context) -> _Applied | None:
        func = call.func
        if not isinstance(func, ast.Attribute) or not isinstance(func.value, ast.Call) or len(call.args) != 1:
            return None
        rolling = func.value
        if not isinstance(rolling.func, ast.Attribute) or rolling.func.attr != "rolling":
            return None
        raw = False
        for keyword in call.keywords:
            if keyword.arg != "raw" or not isinstance(keyword.value, ast.Constant):
                return None
            raw = bool(keyword.value.value)
        function = call.args[0]
        return None if isinstance(function, ast.Starred) else cls(call, rolling, function, raw)

    @property
    def partial(self) -> bool:
        """Whether windows with missing values may reach the function: there it may do something else than pandas."""
        return len(self.rolling.args) > 1 or any(k.arg not in ("window", "center") for k in self.rolling.keywords)

    def method(self, ctx: Context) -> str | None:
        """The method of the rolling object that does what the function does."""
        function = self.function
        if not isinstance(function, ast.Lambda):
            dotted = ctx.dotted(function) or ""
            return self._called(dotted.removeprefix("numpy."), "numpy." in dotted, ()) if dotted else None
        body, parameters = function.body, function.args
        if len(parameters.args) != 1 or parameters.vararg or parameters.kwonlyargs or parameters.kwarg:
            return None
        window = parameters.args[0].arg
        if not isinstance(body, ast.Call):
            return None
        options = tuple(body.keywords)
        if isinstance(body.func, ast.Attribute) and isinstance(body.func.value, ast.Name):
            if body.func.value.id == window and not body.args:
                return self._called(body.func.attr, self.raw, options, own=True)
        if len(body.args) == 1 and isinstance(body.args[0], ast.Name) and body.args[0].id == window:
            dotted = ctx.dotted(body.func) or ""
            return self._called(dotted.removeprefix("numpy."), "numpy." in dotted, options)
        return None

    def _called(self, name: str, numpy: bool, options: tuple[ast.keyword, ...], own: bool = False) -> str | None:
        if name not in _ROLLING or (name == "median" and own and numpy):
            return None
        if not numpy and not own and name not in ("sum", "max", "min"):
            return None
        ddof: object = 0 if numpy else 1
        for option in options:
            if option.arg != "ddof" or not isinstance(option.value, ast.Constant):
                return None
            ddof = option.value.value
        if name not in ("std", "var"):
            return None if options else f"{name}()"
        return f"{name}()" if ddof == 1 else f"{name}(ddof={ddof!r})"

    def takes_arrays(self, ctx: Context) -> bool:
        """Whether the function hands the window to NumPy and does nothing else with it."""
        function = self.function
        if not isinstance(function, ast.Lambda):
            return (ctx.dotted(function) or "").startswith(("numpy.", "scipy."))
        if len(function.args.args) != 1:
            return False
        window = function.args.args[0].arg
        uses = [part for part in walk(function.body) if isinstance(part, ast.Name) and part.id == window]
        parents = [ctx.tree.parent(use) for use in uses]
        return bool(uses) and all(
            isinstance(call, ast.Call)
            and use in call.args
            and (ctx.dotted(call.func) or "").startswith(("numpy.", "scipy."))
            for use, call in zip(uses, parents)
        )


_ROLLING = frozenset({"sum", "mean", "max", "min", "std", "var", "median"})
