from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import (
    DATAFRAME,
    JAX_ARRAY,
    NDARRAY,
    SERIES,
    TENSOR,
    TF_TENSOR,
    Call,
    Context,
    Example,
    Finding,
    Reference,
    Rule,
    Safety,
    walk,
)

NANS = {
    "numpy.nan": "numpy.isnan",
    "numpy.NaN": "numpy.isnan",
    "numpy.NAN": "numpy.isnan",
    "math.nan": "math.isnan",
    "torch.nan": "torch.isnan",
    "jax.numpy.nan": "jax.numpy.isnan",
    "pandas.NA": "pandas.isna",
    "pandas.NaT": "pandas.isna",
    "tensorflow.experimental.numpy.nan": "tensorflow.math.is_nan",
}
"""Values that are equal to nothing, and the question that their library asks instead."""
_CONVERSIONS = ("float", "numpy.float64", "numpy.float32")
BY_KIND = {
    TENSOR: "torch.isnan",
    TF_TENSOR: "tensorflow.math.is_nan",
    JAX_ARRAY: "jax.numpy.isnan",
    DATAFRAME: "pandas.isna",
    SERIES: "pandas.isna",
}


class NanComparedWithEquality(Rule):
    """NaN is equal to nothing, not even to itself: the comparison has the same outcome for every value.

    ## Why
    By IEEE 754, `x == nan` is False and `x != nan` is True whatever x is; `pd.NaT` behaves the same, and
    `x == pd.NA` is `pd.NA`. A branch or a mask made this way never catches a missing value.

    ## Fix safety
    Unsafe: the outcome changes, from a constant to what was meant.

    ## References
    - IEEE Standard for Floating-Point Arithmetic, IEEE 754-2019, section 5.11.
    - NumPy documentation, `numpy.isnan`; pandas documentation, "Working with missing data".
    """

    code, name = "ML510", "nan-compared-with-equality"
    libraries = ("numpy", "pandas", "torch", "tensorflow", "jax")
    safety = Safety.UNSAFE
    triggers = (Reference(*NANS), Call(*_CONVERSIONS))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if isinstance(node, ast.ImportFrom) or (isinstance(node, ast.Call) and not _converts_nan(node)):
            return
        around = ctx.tree.parent(node)
        if isinstance(around, ast.UnaryOp):
            around = ctx.tree.parent(around)
        if isinstance(around, ast.Compare):
            yield from self._compared(around, ctx)

    def _compared(self, node: ast.Compare, ctx: Context) -> Iterator[Finding]:
        if len(node.ops) != 1:
            return
        op, left, right = node.ops[0], node.left, node.comparators[0]
        if not isinstance(op, (ast.Eq, ast.NotEq)):
            return  # `x is np.nan` may ask for just this object
        nan, other = right, left
        test = self._test(right, ctx)
        if test is None:
            nan, other = left, right
            test = self._test(left, ctx)
        if test is None or self._test(other, ctx) is not None:
            return
        test = self._for_value(other, test, ctx)
        negated = isinstance(op, ast.NotEq)
        written, imports = ctx.edits.name(test, node)
        template = self._negated(f"{written}($x)", other, test, ctx) if negated else f"{written}($x)"
        fix = None
        if not any(isinstance(part, (ast.Await, ast.Yield, ast.NamedExpr)) for part in walk(other)):
            fix = ctx.fix(
                lambda: [ctx.edits.replace(node, template, x=other), *imports],
                Safety.UNSAFE,
                f"Use `{template.replace('$x', ctx.short(other))}`",
            )
        if ctx.dotted(nan) == "pandas.NA":
            message = f"`{ctx.short(node)}` is `pd.NA` for every value"
        else:
            message = f"`{ctx.short(node)}` is {'True' if negated else 'False'} for every value"
        advice = f"use `{template.replace('$x', ctx.short(other, 20))}`"
        if fix is None and test == "numpy.isnan":
            advice += " where it is a number"
        yield ctx.finding(node, message, advice, fix)

    def _test(self, node: ast.expr, ctx: Context) -> str | None:
        """The question to ask instead, for an expression that is NaN."""
        if isinstance(node, ast.Call):
            dotted = ctx.dotted(node.func)
            if dotted not in _CONVERSIONS or not _converts_nan(node):
                return None
            return "math.isnan" if dotted == "float" else "numpy.isnan"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self._test(node.operand, ctx)
        if not isinstance(node, (ast.Name, ast.Attribute)):
            return None
        return NANS.get(ctx.dotted(node) or "")

    def _for_value(self, value: ast.expr, test: str, ctx: Context) -> str:
        """The question that fits what is asked about."""
        for kind, function in BY_KIND.items():
            if ctx.is_a(value, kind):
                return function
        if ctx.is_a(value, NDARRAY) and test == "math.isnan":
            return "numpy.isnan"
        if test == "numpy.isnan" and not ctx.is_a(value, NDARRAY) and not ctx.is_floating(value):
            # `np.isnan` raises for strings and None, and a value that was compared may be one: pandas takes all.
            if ctx.names.spell("pandas.isna", value)[1] is None:
                return "pandas.isna"
        return test

    def _negated(self, call: str, value: ast.expr, test: str, ctx: Context) -> str:
        if ctx.is_a(value, NDARRAY, TENSOR, JAX_ARRAY, TF_TENSOR, DATAFRAME, SERIES):
            return f"~{call}"
        return f"not {call}"

    examples = (
        Example(
            given="import numpy as np\n",
            ok="def filled(values, fill_value=np.nan):\n    return None if fill_value is np.nan else values\n",
            note="asked of what stands for a missing value, not of data",
        ),
        Example(given="import numpy as np\n", ok="def plain(dtype):\n    return dtype.na_value is np.nan\n"),
        Example(given="import numpy as np\nx = 3.0\n", bad="y = x == np.nan", good="y = np.isnan(x)"),
        Example(
            given="import numpy as np\nx = np.array([1.0, float('nan')])\n",
            bad="kept = x[x != np.nan]\nlost = x[np.nan == x]",
            good="kept = x[~np.isnan(x)]\nlost = x[np.isnan(x)]",
            count=2,
        ),
        Example(
            given="import math\nimport numpy\n",
            bad="def f(x):\n    if x == float('nan') or x is math.nan:\n        return 0\n    return x\n",
            good="def f(x):\n    if math.isnan(x) or x is math.nan:\n        return 0\n    return x\n",
        ),
        Example(
            given="import numpy as np\nimport pandas as pd\nframe = pd.DataFrame({'a': ['x', None]})\n",
            bad="rows = frame[frame['a'] != np.nan]",
            good="rows = frame[~pd.isna(frame['a'])]",
        ),
        Example(
            given="import numpy as np\nimport pandas as pd\n",
            ok="def clean(value):\n    return '' if value is np.nan else value\n",
        ),
        Example(
            given="import torch\nx = torch.zeros(3)\n",
            bad="ok = (x == torch.nan).any()\nbad = (x != float('nan')).all()",
            good="ok = torch.isnan(x).any()\nbad = (~torch.isnan(x)).all()",
            count=2,
        ),
        Example(
            given="import pandas as pd\nframe = pd.DataFrame({'a': [1, None]})\n",
            bad="n = (frame['a'] == pd.NA).sum()",
            good="n = pd.isna(frame['a']).sum()",
        ),
        Example(given="import numpy as np\n", ok="def is_nan(x):\n    return x != x\n"),
        Example(given="import numpy as np\n", ok="def f(x):\n    return np.isnan(x) or x == np.inf or x is None\n"),
        Example(given="import pandas as pd\n", ok="def f(x):\n    return x is pd.NaT or x is pd.NA\n"),
        Example(given="import numpy as np\n", ok="same = np.nan == np.nan"),
        Example(given="import numpy as np\nfrom mylib import nan\n", ok="def f(x):\n    return x == nan\n"),
        Example(
            given="import numpy as np\n", ok="def f(x, nan):\n    return x == nan or x == 'nan' or x == float(nan)\n"
        ),
    )


def _converts_nan(node: ast.Call) -> bool:
    """``float("nan")``."""
    value = node.args[0] if len(node.args) == 1 else None
    return (
        isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value.strip("+-").lower() == "nan"
    )
