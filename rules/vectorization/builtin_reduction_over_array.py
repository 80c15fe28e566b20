from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import NDARRAY, SERIES, TENSOR, Call, Context, Example, Finding, Rule, Safety, walk

NUMPY = "import numpy as np\n"
ARRAYS = NUMPY + "a = np.random.normal(size=100)\nk = np.random.randint(0, 9, size=100)\n"
TORCH = "import torch\nt = torch.rand(100)\n"
_SHORT = 8
_MAKERS = frozenset(
    "zeros ones empty full arange linspace logspace geomspace eye identity tri asarray ascontiguousarray frombuffer "
    "fromiter fromfile loadtxt rand randn randint randperm tensor from_numpy".split()
)
"""Functions that give a plain array whatever they are given."""
_OF_ARRAYS = frozenset(
    "abs absolute sqrt exp log sign square negative isnan isfinite isinf logical_not logical_and logical_or equal "
    "not_equal less less_equal greater greater_equal minimum maximum add subtract multiply sort where diff".split()
)
"""Functions that hand on the class of their arguments."""
_SAME_CLASS = frozenset("astype copy clip round abs float int bool long clone".split())

# Expressions that are no arrays whatever they are made of: most arguments of `sum` and `any` are generators.
_NO_ARRAYS = (ast.Starred, ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp, ast.List, ast.Tuple, ast.Constant)


class BuiltinReductionOverArray(Rule):
    """Python's `sum`, `max`, `min`, `any` and `all` take an array apart element by element.

    ## Why
    The builtins iterate: each element becomes a Python-level scalar, and each addition or comparison is an operator
    call. The method of the array does the same in one compiled pass; for a CUDA tensor, each element that is compared
    in the interpreter is also a synchronisation with the device.

    ## Fix safety
    Safe for `any` and `all` of one-dimensional arrays and tensors, and for `sum`, `max` and `min` of one-dimensional
    arrays of a proven integer or bool dtype, where the code shows that a plain array was made: the results are the same
    values of the same type. Unsafe for an array from elsewhere (the method of a masked array leaves out what is masked;
    where there is no dimension, or several, the builtin raises and the method does not), for floats (`sum` adds in
    another order; the builtins `max` and `min` let NaN win or lose by its position, the methods always return it), for
    small integers (the builtin wraps around, the method widens), for pandas (its methods skip NaN) and for the sum of
    what may be empty (the builtin gives the Python int 0).

    ## Known limits
    A builtin that is called for each window of an array (`sum(a[i:i + k])`) belongs to moving-window-loop.

    ## References
    - NumPy documentation, `numpy.sum`, `numpy.any`.
    - PyTorch documentation, `torch.Tensor.max`.
    """

    code, name = "ML117", "builtin-reduction-over-array"
    libraries = ("numpy", "torch", "pandas")
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Call("sum", "max", "min", "any", "all"),)
    examples = (
        Example(given=ARRAYS, ok="w = [sum(a[i:i + 5]) for i in range(len(a) - 4)]", note="moving-window-loop"),
        Example(given=ARRAYS, bad="s = sum(a)", good="s = a.sum()", equal="s", close=True, safety="unsafe"),
        Example(given=ARRAYS, bad="s = sum(k)", good="s = k.sum()", equal="s", safety="safe"),
        Example(given=ARRAYS, bad="s = sum(k == 3)", good="s = (k == 3).sum()", equal="s", safety="safe"),
        Example(
            given=NUMPY,
            bad="def f(n: int):\n    k = np.arange(n)\n    return sum(k)\ny = f(9)",
            good="def f(n: int):\n    k = np.arange(n)\n    return k.sum()\ny = f(9)",
            equal="y",
            safety="unsafe",
            note="f(0) would be a NumPy zero",
        ),
        Example(given=ARRAYS, bad="m = max(k)", good="m = k.max()", equal="m", safety="safe"),
        Example(given=ARRAYS, bad="m = min(a) * 2", good="m = a.min() * 2", equal="m", safety="unsafe"),
        Example(given=ARRAYS, bad="b = any(a > 3)", good="b = bool((a > 3).any())", equal="b", safety="safe"),
        Example(
            given=ARRAYS,
            bad="while all(k > 0):\n    k -= 1",
            good="while (k > 0).all():\n    k -= 1",
            equal="k",
            safety="safe",
        ),
        Example(
            given=NUMPY,
            bad="def total(x: np.ndarray):\n    return sum(x)\ny = total(np.ones((4, 3)))",
            good="def total(x: np.ndarray):\n    return x.sum(axis=0)\ny = total(np.ones((4, 3)))",
            equal="y",
            safety="unsafe",
            note="of a matrix, the builtin adds up the rows",
        ),
        Example(
            given=NUMPY,
            bad="def largest(x: np.ndarray):\n    return max(x)\ny = largest(np.arange(9.0))",
            good="def largest(x: np.ndarray):\n    return x.max()\ny = largest(np.arange(9.0))",
            equal="y",
            safety="unsafe",
            note="of a matrix, the builtin raises",
        ),
        Example(given=TORCH, bad="b = any(t > 0.99)", good="b = bool((t > 0.99).any())", equal="b", safety="safe"),
        Example(
            given=NUMPY,
            bad="def every(x: np.ndarray):\n    return all(x)\ny = every(np.arange(9))",
            good="def every(x: np.ndarray):\n    return bool(x.all())\ny = every(np.arange(9))",
            equal="y",
            safety="unsafe",
            note="of a masked array, the method leaves out what is masked",
        ),
        Example(
            given=NUMPY,
            bad="def some(x: np.ndarray):\n    flat = x.ravel()\n    return any(flat > 3)\ny = some(np.arange(9))",
            good="def some(x: np.ndarray):\n    flat = x.ravel()\n    return bool((flat > 3).any())\n"
            "y = some(np.arange(9))",
            equal="y",
            safety="unsafe",
            note="of a matrix, or of a masked array, it is one as well",
        ),
        Example(
            given=NUMPY,
            bad="k = np.arange(20)\nk = k % 3\nb = all(np.isfinite(k[1:]).astype(int) > 0)",
            good="k = np.arange(20)\nk = k % 3\nb = bool((np.isfinite(k[1:]).astype(int) > 0).all())",
            equal="b",
            safety="safe",
        ),
        Example(
            given=NUMPY,
            bad="def some(x: np.ndarray):\n    x = x.ravel()\n    x -= 3\n    return any(x)\ny = some(np.ones(9))",
            good="def some(x: np.ndarray):\n    x = x.ravel()\n    x -= 3\n    return bool(x.any())\n"
            "y = some(np.ones(9))",
            equal="y",
            safety="unsafe",
            note="what k was before is not known",
        ),
        Example(given=TORCH, bad="m = max(t)", good="m = t.max()", equal="m", safety="unsafe"),
        Example(
            given="import pandas as pd\ndf = pd.DataFrame({'x': range(50)})\n",
            bad="m = max(df['x'])",
            good="m = df['x'].max()",
            equal="m",
            close=True,
            safety="unsafe",
        ),
        Example(given=ARRAYS, ok="m = max(np.sum(a), 1)"),
        Example(given=ARRAYS, ok="s = sum(a, 10)"),
        Example(given=ARRAYS, ok="m = max(a) if isinstance(a, list) else a.max()"),
        Example(given=ARRAYS, ok="m = max(a, key=abs)"),
        Example(given=ARRAYS, ok="m = min(a, default=0)"),
        Example(given=ARRAYS, ok="X = np.ones((4, 3))\ns = sum(X)", note="the rows of a matrix"),
        Example(given=ARRAYS, ok="s = sum([a, a])"),
        Example(given=ARRAYS, ok="s = sum(x for x in a)"),
        Example(given=ARRAYS, ok="m = max(a.shape)"),
        Example(given=ARRAYS, ok="m = max(a.tolist())"),
        Example(given=ARRAYS, ok="m = max(np.array([1.0, 2.0, 3.0]))", note="three elements"),
        Example(given=ARRAYS, ok="def max(x):\n    return x\nm = max(a)"),
        Example(given=NUMPY, ok="def total(x):\n    return sum(x)"),
        Example(given=TORCH, ok="def f(losses: list[torch.Tensor]):\n    return sum(losses)"),
        Example(
            given="import numpy as np\nn = 1000\na = np.random.normal(size=n)\nb = np.random.normal(size=n)\n",
            bad="total = sum(a)",
            good="total = a.sum()",
            equal="total",
            close=True,
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if len(node.args) != 1 or node.keywords or isinstance(node.args[0], _NO_ARRAYS):
            return
        array, name = node.args[0], ctx.dotted(node.func)
        if ctx.kinds.written_out(array):
            return
        kind = ctx.kinds.of(array)
        if not kind.is_a(NDARRAY, TENSOR, SERIES) or kind.dtype == "object" or ctx.flow.compiled(node):
            return
        if _may_be_something_else(node, array, ctx):
            return
        if isinstance(array, ast.Subscript) and ctx.windows.around(node) is not None:
            return  # that is for moving-window-loop to say
        ndim = 1 if kind.is_a(SERIES) else ctx.model.lengths.dimensions(array)
        length = ctx.model.lengths.axis(array, 0)
        if ndim not in (1, None) or (length is not None and length.base is None and length.offset <= _SHORT):
            return
        axis = ""
        if ndim is None and name == "sum":
            axis = "axis=0" if kind.is_a(NDARRAY) else "dim=0"
        call = f"$array.{name}({axis})"
        # The builtins raise for more than one dimension: what runs has one.
        truth = name in ("any", "all")
        template = f"bool({call})" if truth and not _is_condition(node, ctx) else call
        plain = ndim == 1 and _is_plain(array, ctx)
        exact = plain and kind.is_a(NDARRAY) and self._exact(str(name), kind.dtype)
        if name == "sum" and (length is None or length.base is not None):
            exact = False  # of an empty array, the builtin gives a Python int
        safe = exact or (truth and plain and not kind.is_a(SERIES))
        text = template.replace("$array", ctx.short(array) if isinstance(array, _PLAIN) else f"({ctx.short(array)})")
        fix = ctx.fix(
            lambda: ctx.edits.replace(node, template, array=array),
            Safety.SAFE if safe else Safety.UNSAFE,
            f"Replace by `{text}`",
        )
        yield ctx.finding(
            node,
            f"builtin `{name}` goes through `{ctx.short(array)}` element by element in the interpreter",
            f"use `{text}`",
            fix,
        )

    def _exact(self, name: str, dtype: str | None) -> bool:
        """Whether the method gives the same value of the same type."""
        if name == "sum":
            return dtype in ("int64", "bool")
        return dtype in ("bool", "int8", "uint8", "int16", "int32", "int64")


def _is_plain(node: ast.expr, ctx: Context, seen: frozenset[object] = frozenset()) -> bool:
    """Whether the code shows that an array is of no subclass: functions of NumPy and PyTorch made it of numbers, and
    operators of such arrays. Arrays of a subclass, masked ones say, hand their class on.
    """
    if isinstance(node, ast.Name):
        bindings = ctx.reaching.of(node)
        if not bindings:
            return False
        more = seen.union(bindings)
        for binding in bindings:
            if binding in seen:
                continue  # another round of a loop
            if binding.value is None or binding.path or binding.how not in ("assign", "augment"):
                return False
            if not _is_plain(binding.value, ctx, more):
                return False
            old = getattr(binding.node, "target", None) if binding.how == "augment" else None
            if binding.how == "augment" and not (isinstance(old, ast.Name) and _is_plain(old, ctx, more)):
                return False
        return True
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (int, float, complex))
    if isinstance(node, ast.UnaryOp):
        return _is_plain(node.operand, ctx, seen)
    if isinstance(node, ast.BinOp):
        return _is_plain(node.left, ctx, seen) and _is_plain(node.right, ctx, seen)
    if isinstance(node, ast.Compare):
        return all(_is_plain(part, ctx, seen) for part in (node.left, *node.comparators))
    if isinstance(node, ast.Subscript):
        return _is_plain(node.value, ctx, seen)
    if not isinstance(node, ast.Call):
        return False
    dotted = ctx.dotted(node.func)
    if dotted is None:
        if not isinstance(node.func, ast.Attribute):
            return False
        owner = node.func.value
        if ctx.is_a(owner, "numpy.random.Generator", "numpy.random.RandomState"):
            return True
        return node.func.attr in _SAME_CLASS and _is_plain(owner, ctx, seen)
    module, _, name = dotted.rpartition(".")
    if module == "numpy.random" or (module in ("numpy", "torch") and name in _MAKERS):
        return all(keyword.arg not in (None, "like") for keyword in node.keywords)
    if dotted == "numpy.array":
        return all(keyword.arg in ("dtype", "copy", "order", "ndmin") for keyword in node.keywords)
    of_arrays = module in ("numpy", "torch") and name in _OF_ARRAYS and not node.keywords
    return of_arrays and all(_is_plain(argument, ctx, seen) for argument in node.args)


def _is_condition(node: ast.Call, ctx: Context) -> bool:
    """Whether only the truth of a value is asked for."""
    parent = ctx.tree.parent(node)
    if isinstance(parent, (ast.If, ast.While, ast.IfExp, ast.Assert)):
        return parent.test is node
    return isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not)


def _may_be_something_else(node: ast.Call, array: ast.expr, ctx: Context) -> bool:
    """Whether the program itself asks around here what the array is: `max(x) if isinstance(x, list) else x.max()`."""
    name = ctx.text(array)
    for test, _ in ctx.flow.guards(node):
        for inner in walk(test):
            if not isinstance(inner, ast.Call) or ctx.dotted(inner.func) not in ("isinstance", "hasattr", "type"):
                continue
            if inner.args and ctx.text(inner.args[0]) == name:
                return True
    return False


_PLAIN = (ast.Name, ast.Attribute, ast.Subscript, ast.Call)
