from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import NDARRAY, Call, Context, Edit, Example, Finding, Rule, Safety

_SIMPLE = (ast.Name, ast.Attribute)
ARRAYS = "import math\nimport numpy as np\na = np.random.rand(50) + 0.1\nk = np.arange(50)\n"


class RedundantPowerCall(Rule):
    """A general power where a square or a square root is meant.

    ## Why
    `np.power` computes any power of any number; for the exponents 2 and 0.5 there are functions that need a
    multiplication or one instruction. Measured with NumPy 2.4 on 100,000 numbers: `np.power(x, 2)` 54 µs in float64,
    49 µs in float32 and 238 µs in int64, `np.square(x)` 33, 13 and 38 µs; `np.power(x, 0.5)` 246 µs and 128 µs,
    `np.sqrt(x)` 123 and 31 µs. `np.float_power(x, 2)` takes 4 ms, `math.pow(v, 2)` three times as long as `v * v`.

    ## Fix safety
    Unsafe: the last digit may differ, and a square root of minus zero or minus infinity is another number.

    ## Known limits
    `x ** 2`, `x ** 0.5` and `torch.pow(x, 2)` are left alone: NumPy's operator and PyTorch choose the fast way
    themselves, and measure alike.

    ## References
    - NumPy documentation, `numpy.power`, `numpy.square`, `numpy.sqrt`.
    """

    code, name = "ML132", "redundant-power-call"
    libraries = ("numpy",)
    default = False
    safety = Safety.UNSAFE
    triggers = (Call("numpy.power", "numpy.float_power", "math.pow"),)
    examples = (
        Example(given=ARRAYS, bad="y = np.power(a, 2)", good="y = np.square(a)", equal="y", close=True),
        Example(given=ARRAYS, bad="y = 1 + np.power(a - 1, 2).sum()", good="y = 1 + np.square(a - 1).sum()", equal="y",
                close=True),
        Example(given=ARRAYS, bad="y = np.power(k, 2)", good="y = np.square(k)", equal="y"),
        Example(given=ARRAYS, bad="y = np.power(a, 2.0)", good="y = np.square(a)", equal="y", close=True),
        Example(given=ARRAYS, bad="y = np.power(a, 0.5)", good="y = np.sqrt(a)", equal="y", close=True),
        Example(given=ARRAYS, bad="y = np.power(a, 1 / 2)", good="y = np.sqrt(a)", equal="y", close=True),
        Example(given=ARRAYS, bad="y = np.float_power(a, 2)", good="y = np.square(a)", equal="y", close=True),
        Example(
            given=ARRAYS,
            bad="def f(v: float):\n    return math.pow(v, 2) + 1\n\n\ny = f(2.5)",
            good="def f(v: float):\n    return v * v + 1\n\n\ny = f(2.5)",
            equal="y",
        ),
        Example(
            given=ARRAYS,
            bad="def f(v: float):\n    return -math.pow(v - 1, 2)",
            note="the difference would be computed twice: no fix",
        ),
        Example(given=ARRAYS, ok="y = a ** 2"),
        Example(given=ARRAYS, ok="y = a ** 0.5"),
        Example(given=ARRAYS, ok="y = np.power(a, 3)"),
        Example(given=ARRAYS, ok="def f(n):\n    return np.power(a, n)"),
        Example(given=ARRAYS, ok="y = np.power(2, a)", note="two to the power of each"),
        Example(given=ARRAYS, ok="y = np.power(k, 2.0)", note="whole numbers become floating-point ones"),
        Example(given=ARRAYS, ok="y = np.power(a, 2, out=a)"),
        Example(given=ARRAYS, ok="y = np.power(a, 2, dtype=np.float32)"),
        Example(given=ARRAYS, ok="y = np.power(a, True)"),
        Example(given=ARRAYS, ok="def f(v):\n    return np.power(v, 2)", note="it may be symbolic, or a list"),
        Example(given=ARRAYS, ok="def f(v: int):\n    return math.pow(v, 2)", note="it would be a whole number"),
        Example(given="import torch\nx = torch.rand(4)\n", ok="y = torch.pow(x, 2)"),
        Example(given="import sympy\nimport numpy as np\nx = sympy.Symbol('x')\n", ok="y = np.power(x, 2)"),
        Example(given="import math\nimport numpy as np\n", ok="y = math.pow(2.0, 0.5)"),
        Example(
            given="import numpy as np\nn = 1000\na = np.random.rand(n)\n",
            bad="y = np.power(a, 2)",
            good="y = np.square(a)",
            equal="y",
            close=True,
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if len(node.args) != 2 or node.keywords or any(isinstance(part, ast.Starred) for part in node.args):
            return
        base, exponent = node.args
        power = _number(exponent)
        if power not in (2, 0.5):
            return
        dotted = ctx.dotted(node.func)
        if dotted == "math.pow":
            if power == 2 and ctx.kinds.of(base).name == "float":
                yield self._multiplied(node, base, ctx)
            return
        kind = ctx.kinds.of(base)
        if not kind.is_a(NDARRAY) or kind.dtype == "object":
            return
        floating = ctx.is_floating(base)
        if power == 2 and isinstance(power, float) and not floating:
            return  # whole numbers would stay whole
        if dotted == "numpy.float_power" and kind.dtype != "float64":
            return
        name, _ = ctx.names.spell("numpy.square" if power == 2 else "numpy.sqrt", node)
        root = ctx.text(node.func).rpartition(".")[0]
        word = "square" if power == 2 else "sqrt"
        name = f"{root}.{word}" if root else name

        def build() -> list[Edit]:
            imports = [] if root else ctx.edits.name(f"numpy.{word}", node)[1]
            return [ctx.edits.replace(node, f"{name}($x)", x=base), *imports]

        fix = ctx.fix(build, Safety.UNSAFE, f"Replace by `{name}`")
        yield ctx.finding(node, f"`{ctx.short(node)}` computes a general power", f"use `{name}`", fix)

    def _multiplied(self, call: ast.Call, base: ast.expr, ctx: Context) -> Finding:
        message = f"`{ctx.short(call)}` computes a general power"
        if not isinstance(base, _SIMPLE):
            return ctx.finding(call, message, "multiply it by itself")
        text = f"{ctx.text(base)} * {ctx.text(base)}"

        def build() -> list[Edit]:
            return [ctx.edits.replace(call, text)]

        return ctx.finding(
            call, message, f"use `{text}`", ctx.fix(build, Safety.UNSAFE, f"Replace by `{text}`")
        )


def _number(node: ast.expr) -> int | float | None:
    """A written exponent; ``1 / 2`` is one."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        parts = (_number(node.left), _number(node.right))
        return 0.5 if parts in ((1, 2), (1.0, 2.0)) else None
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        assert isinstance(node.value, (int, float))
        return node.value
    return None
