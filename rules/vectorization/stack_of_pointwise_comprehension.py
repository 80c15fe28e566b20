from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import (
    Batches,
    Call,
    Context,
    Edit,
    Example,
    Finding,
    NotElementwise,
    Rule,
    Safety,
    around,
    filled,
    lift_pointwise,
    walk,
)

TORCH = "import torch\nimport torch.nn.functional as F\nx = torch.randn(24, 6)\nw = torch.randn(6)\n"


class StackOfPointwiseComprehension(Rule):
    """A tensor is taken apart, each part goes through pointwise operations, and the results are stacked again.

    ## Why
    An operation that treats each number for itself gives the same for the tensor as for its parts put together. The
    comprehension launches it once for each part, makes that many small tensors, and copies them all into one.

    ## Fix safety
    Safe for arithmetic, comparisons, absolute values, `relu`, `clamp` and the like, on a tensor that is made with a
    written number of samples: the numbers are the same to the bit. Unsafe where the tensor might be empty (`stack`
    raises) or lie in memory in another order, and for exponentials, logarithms and other functions whose last digit may
    depend on where in a register a number stands. Of 0.0 and -0.0 `torch.maximum`, and `relu` of TensorFlow, take one
    or the other for the same reason.

    ## Known limits
    Reductions and products of matrices in each part are left alone: they need another axis, and sum in another order.

    ## References
    - PyTorch documentation, "Broadcasting semantics"; "Performance Tuning Guide", fuse operations.
    """

    code, name = "ML127", "stack-of-pointwise-comprehension"
    libraries = ("torch", "tensorflow", "jax")
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Call("torch.stack", "tensorflow.stack", "jax.numpy.stack", "jax.numpy.array", "jax.numpy.asarray"),)
    examples = (
        Example(
            given=TORCH,
            bad="y = torch.stack([r * 2 + 1 for r in x])",
            good="y = x * 2 + 1",
            equal="y",
            safety="safe",
        ),
        Example(
            given=TORCH,
            bad="y = torch.stack([F.relu(x[i] - w) for i in range(len(x))], dim=0)",
            good="y = F.relu(x - w)",
            equal="y",
            safety="safe",
        ),
        Example(
            given=TORCH + "z = torch.randn(24, 6)\n",
            bad="y = torch.stack([(a - b).abs().clamp(max=1.5) for a, b in zip(x, z)], 0)",
            good="y = (x - z).abs().clamp(max=1.5)",
            equal="y",
            safety="safe",
        ),
        Example(
            given=TORCH,
            bad="y = torch.stack(tuple(x[i] ** 2 / 3 > 0.5 for i in range(x.size(0))))",
            good="y = x ** 2 / 3 > 0.5",
            equal="y",
            safety="safe",
        ),
        Example(
            given=TORCH,
            bad="y = torch.stack([torch.sigmoid(r) for r in x])",
            good="y = torch.sigmoid(x)",
            equal="y",
            close=True,
            safety="unsafe",
        ),
        Example(
            given="import torch\n",
            bad=(
                "def scale(x: torch.Tensor, k: float):\n    return torch.stack([r * k for r in x])\n\n\n"
                "y = scale(torch.rand(5, 3), 2.0)"
            ),
            good="def scale(x: torch.Tensor, k: float):\n    return x * k\n\n\ny = scale(torch.rand(5, 3), 2.0)",
            equal="y",
            safety="unsafe",
            note="there may be no samples",
        ),
        Example(
            given=TORCH,
            bad="n = 20\ny = torch.stack([-x[i] for i in range(n)])",
            good="n = 20\ny = -x[:n]",
            equal="y",
            safety="safe",
        ),
        Example(
            given="import tensorflow as tf\nx = tf.random.normal((8, 4))\n",
            bad="y = tf.stack([tf.abs(r) * 2.0 for r in x])",
            good="y = tf.abs(x) * 2.0",
            equal="y",
            safety="safe",
        ),
        Example(
            given="import tensorflow as tf\nx = tf.random.normal((8, 4))\n",
            bad="y = tf.stack([tf.nn.relu(r) * 2.0 for r in x])",
            good="y = tf.nn.relu(x) * 2.0",
            equal="y",
            safety="unsafe",
            note="the larger one of 0.0 and -0.0 is another one in a vector register",
        ),
        Example(
            given=TORCH,
            bad="y = torch.stack([torch.maximum(r, w) for r in x])",
            good="y = torch.maximum(x, w)",
            equal="y",
            safety="unsafe",
            note="the larger one of 0.0 and -0.0 is another one in a vector register",
        ),
        Example(
            given="import jax\nimport jax.numpy as jnp\nx = jax.random.normal(jax.random.PRNGKey(0), (8, 4))\n",
            bad="y = jnp.stack([jnp.maximum(x[i], 0.0) - 1.0 for i in range(x.shape[0])])",
            good="y = jnp.maximum(x, 0.0) - 1.0",
            equal="y",
            safety="safe",
        ),
        Example(
            given="import torch\n",
            ok="def f(x: torch.Tensor, w):\n    return torch.stack([r * w for r in x])",
            note="nothing is known of `w`: it may not line up",
        ),
        Example(
            given="import torch\n",
            ok=(
                "def f(a: torch.Tensor, b: torch.Tensor):\n    if not b.is_sparse:\n        b = b.to_sparse()\n"
                "    return torch.stack([r * 2.0 for r in b])"
            ),
            note="sparse tensors do not broadcast, and have few operations",
        ),
        Example(given=TORCH, ok="y = torch.stack([r for r in x])", note="a copy"),
        Example(given=TORCH, ok="y = torch.stack([r.sum() for r in x])"),
        Example(given=TORCH, ok="y = torch.stack([r @ w for r in x])"),
        Example(given=TORCH, ok="y = torch.stack([r.softmax(0) for r in x])"),
        Example(given=TORCH, ok="y = torch.stack([F.dropout(r) for r in x])"),
        Example(given=TORCH, ok="y = torch.stack([r + torch.randn(6) for r in x])", note="noise of its own for each"),
        Example(given=TORCH, ok="y = torch.stack([r.mul_(2) for r in x])", note="it changes x"),
        Example(given=TORCH, ok="y = torch.stack([r * 2 for r in x], dim=1)"),
        Example(given=TORCH, ok="y = torch.stack([r * 2 for r in x], -1)"),
        Example(given=TORCH, ok="y = torch.stack([r * i for i, r in enumerate(x)])", note="the number of the sample"),
        Example(given=TORCH, ok="y = torch.stack([r * 2 for r in x if r.sum() > 0])"),
        Example(given=TORCH, ok="y = torch.stack([r * 2 for r in (x[0], w)])"),
        Example(given=TORCH, ok="xs = [torch.rand(3), torch.rand(3)]\ny = torch.stack([r * 2 for r in xs])"),
        Example(given=TORCH, ok="def f(xs):\n    return torch.stack([r * 2 for r in xs])"),
        Example(given=TORCH, ok="def f(g):\n    return torch.stack([g(r) for r in x])"),
        Example(given=TORCH, ok="y = torch.stack([x * k for k in (1.0, 2.0, 3.0)])", note="whole tensors"),
        Example(given=TORCH, ok="y = torch.stack([a * b for a in x for b in x])"),
        Example(given=TORCH, ok="y = torch.stack([x[i] - x[i - 1] for i in range(len(x))])"),
        Example(
            given="import numpy as np\nimport torch\nx = np.random.rand(9, 3)\n",
            ok="y = np.stack([r * 2 for r in x])",
        ),
        Example(given=TORCH, ok="@torch.compile\ndef f(x: torch.Tensor):\n    return torch.stack([r * 2 for r in x])"),
        Example(
            given="import torch\nn = 1000\nx = torch.randn(n, 16)\n",
            bad="y = torch.stack([torch.relu(r - 1) for r in x])",
            good="y = torch.relu(x - 1)",
            equal="y",
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        made = _comprehension(node, ctx)
        if made is None or not _along_zero(node) or ctx.flow.compiled(node):
            return
        loop = next(iter(around(ctx.model, made.elt)), None)
        if loop is None or (not loop.elements and loop.index is None):
            return
        batches = Batches(loop)
        try:
            lifted = lift_pointwise(batches, made.elt)
        except NotElementwise:
            return
        if not lifted.operations or loop.few(lifted.data[0]) or _may_be_sparse(node, ctx):
            return
        data = ctx.short(lifted.data[0])
        message = f"`{ctx.short(made.elt)}` is computed for each sample of `{data}` by itself"
        text = ctx.substituted(made.elt, lifted.replacements)
        if text is None:
            yield ctx.finding(node, message, f"compute it for all of `{data}` at once")
            return
        exact = not lifted.doubts and all(filled(batches, one) for one in lifted.data)

        def build() -> list[Edit]:
            return [ctx.edits.replace(node, text)]

        fix = ctx.fix(build, Safety.SAFE if exact else Safety.UNSAFE, f"Replace by `{text}`")
        yield ctx.finding(node, message, f"use `{text}`", fix)


def _comprehension(call: ast.Call, ctx: Context) -> ast.ListComp | ast.GeneratorExp | None:
    """The comprehension whose elements a call stacks."""
    made = call.args[0] if call.args else None
    if isinstance(made, ast.Call) and len(made.args) == 1 and ctx.dotted(made.func) in ("list", "tuple"):
        made = made.args[0]
    if not isinstance(made, (ast.ListComp, ast.GeneratorExp)) or len(made.generators) != 1:
        return None
    return None if made.generators[0].ifs or made.generators[0].is_async else made


def _may_be_sparse(node: ast.AST, ctx: Context) -> bool:
    """Whether the function around a node speaks of sparse tensors."""
    function = ctx.tree.function(node) or ctx.tree.module
    return any(isinstance(inner, ast.Attribute) and "sparse" in inner.attr for inner in walk(function))


def _along_zero(call: ast.Call) -> bool:
    """Whether the results are stacked along a new first dimension, and nothing else is asked for."""
    others = [*call.args[1:], *(keyword.value for keyword in call.keywords)]
    if any(keyword.arg not in ("dim", "axis") for keyword in call.keywords):
        return False
    return all(isinstance(other, ast.Constant) and type(other.value) is int and other.value == 0 for other in others)
