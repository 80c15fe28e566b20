from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import (
    NDARRAY,
    TENSOR,
    TF_TENSOR,
    Call,
    Context,
    Edit,
    Example,
    Finding,
    Method,
    Rule,
    Safety,
    repetition,
    walk,
)

_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.FloorDiv, ast.Mod)
NUMPY = "import numpy as np\nX = np.random.rand(20, 3)\nv = np.random.rand(3)\nw = np.random.rand(20)\n"
TORCH = "import torch\nX = torch.rand(20, 3)\nv = torch.rand(3)\nw = torch.rand(20)\n"


class TileBeforeBroadcast(Rule):
    """An array is repeated to the shape of another one before an operation that would broadcast it.

    ## Why
    `tile` and `repeat` write all copies into memory, where broadcasting reads the one row or column again and again.
    The copies take as much memory as the other operand.

    Reported is a repetition that is itself an operand of arithmetic or of a comparison, along dimensions that are known
    to be of size one, as often as the other operand is known to be long.

    ## Fix safety
    Unsafe: where the other operand has size one along such a dimension after all, the result is smaller.

    ## Known limits
    A repeated array that is kept in a variable, stored, joined or changed is left alone.

    ## References
    - NumPy user guide, "Broadcasting".
    """

    code, name = "ML131", "tile-before-broadcast"
    libraries = ("numpy", "torch", "tensorflow")
    default = False
    safety = Safety.UNSAFE
    triggers = (
        Call("numpy.tile", "numpy.repeat", "torch.tile", "torch.repeat_interleave", "tensorflow.tile"),
        Method("repeat", "tile", "repeat_interleave"),
    )
    examples = (
        Example(
            given=NUMPY,
            bad="Y = X - np.tile(v, (len(X), 1))",
            good="Y = X - v",
            equal="Y",
        ),
        Example(
            given=NUMPY,
            bad="Y = np.tile(v, [X.shape[0], 1]) * X + 1",
            good="Y = v * X + 1",
            equal="Y",
        ),
        Example(
            given=NUMPY,
            bad="Y = X / np.tile(w[:, None], (1, X.shape[1]))",
            good="Y = X / w[:, None]",
            equal="Y",
        ),
        Example(
            given=NUMPY,
            bad="Y = X - np.repeat(X.mean(axis=0, keepdims=True), len(X), axis=0)",
            good="Y = X - X.mean(axis=0, keepdims=True)",
            equal="Y",
        ),
        Example(
            given=NUMPY,
            bad="Y = X > np.repeat(w.reshape(-1, 1), 3, axis=1)",
            good="Y = X > w.reshape(-1, 1)",
            equal="Y",
        ),
        Example(
            given=TORCH,
            bad="Y = X - v.repeat(X.size(0), 1)",
            good="Y = X - v",
            equal="Y",
        ),
        Example(
            given=TORCH,
            bad="Y = X * w.unsqueeze(1).repeat(1, X.shape[1])",
            good="Y = X * w.unsqueeze(1)",
            equal="Y",
        ),
        Example(given=NUMPY, ok="Y = X - v"),
        Example(given=NUMPY, ok="T = np.tile(v, (20, 1))\nT[0] = 0\nY = X - T", note="it is changed"),
        Example(given=NUMPY, ok="Y = np.concatenate([X, np.tile(v, (20, 1))])"),
        Example(given=NUMPY, ok="Y = np.tile(v, (20, 1)) - v", note="the result would be one row"),
        Example(given=NUMPY, ok="Y = X - np.tile(v, (20, 1)).cumsum(0)"),
        Example(given=NUMPY, ok="def f(n):\n    return X - np.tile(v, (n, 1))", note="n may not be the number of rows"),
        Example(given=NUMPY, ok="Y = np.tile(X, (2, 1)) + np.random.rand(40, 3)", note="rows that are there twice"),
        Example(given=NUMPY, ok="Y = w - np.repeat(np.random.rand(10), 2)"),
        Example(given=NUMPY, ok="Y = X @ np.tile(w[:3, None], (1, 3))", note="a product of matrices"),
        Example(given=NUMPY, ok="def f(a, b):\n    return a - np.tile(b, (len(a), 1))", note="nothing is known of b"),
        Example(given=TORCH, ok="Y = X.repeat(1, 2) + torch.rand(20, 6)"),
        Example(given=TORCH, ok="Y = v.repeat(20) + torch.rand(60)"),
        Example(given="import numpy as np\n", ok="s = 'ab' * 3\nt = np.repeat(['a'], 3)"),
        Example(
            given="import numpy as np\nn = 1000\nX = np.random.rand(n, 64)\nv = np.random.rand(64)\n",
            bad="Y = X - np.tile(v, (len(X), 1))",
            good="Y = X - v",
            equal="Y",
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        operation = ctx.tree.parent(node)
        if isinstance(operation, ast.BinOp) and isinstance(operation.op, _OPERATORS):
            other = operation.left if operation.right is node else operation.right
        elif isinstance(operation, ast.Compare) and len(operation.ops) == 1:
            other = operation.left if operation.left is not node else operation.comparators[0]
        else:
            return
        found = repetition(ctx.model, node)
        if found is None or not ctx.is_a(other, NDARRAY, TENSOR, TF_TENSOR):
            return
        ndim = ctx.kinds.of(other).ndim
        if ndim is None or ndim < len(found.counts):
            return
        first = ndim - len(found.counts)
        for number, count in enumerate(found.counts):
            if count is not None and not _is_length(count, other, first + number, ctx):
                return
        if any(isinstance(inner, ast.NamedExpr) for inner in walk(node)):
            return
        source = ctx.text(found.source)
        message = f"`{ctx.short(node)}` writes copies that broadcasting does without"

        def build() -> list[Edit]:
            return [ctx.edits.replace(node, "$x", x=found.source)]

        fix = ctx.fix(build, Safety.UNSAFE, f"Replace by `{source}`")
        yield ctx.finding(node, message, f"use `{ctx.short(found.source)}`", fix)


def _is_length(count: ast.expr, array: ast.expr, axis: int, ctx: Context) -> bool:
    """Whether a number of repetitions is the size of an array along a dimension."""
    text = ctx.text(array)
    words = {f"{text}.shape[{axis}]", f"{text}.size({axis})", *([f"len({text})"] if axis == 0 else [])}
    if isinstance(array, (ast.Name, ast.Attribute)) and ctx.text(count) in words:
        return True
    known = ctx.model.lengths.of(count)
    return known is not None and known == ctx.model.lengths.axis(array, axis)
