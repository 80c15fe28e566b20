from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Call, Context, Edit, Example, Finding, Rule, Safety

GIVEN = """\
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

torch.manual_seed(0)
block = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))
x = torch.randn(2, 3, requires_grad=True)
"""
_FUNCTIONS = ("torch.utils.checkpoint.checkpoint", "torch.utils.checkpoint.checkpoint_sequential")


class CheckpointReentrantUnset(Rule):
    """`checkpoint` without `use_reentrant` leaves open which of two implementations runs, and warns.

    ## Why
    PyTorch has two implementations of activation checkpointing, and the default is being changed from one to the other;
    since 2.4 the argument is asked for, with a warning at every use. The reentrant one needs an input that requires
    gradients, or no parameter of the block gets any, supports neither `torch.autograd.grad` nor keyword arguments, and
    runs the whole block again even where only a part of it is needed.

    ## Fix safety
    Unsafe: hooks, nested checkpoints and the order of operations in the backward pass differ, which only code that
    relies on one of them sees. `use_reentrant=False` is added, as PyTorch recommends.

    ## References
    - PyTorch documentation, `torch.utils.checkpoint`, the argument `use_reentrant` and the note on the two variants.
    """

    code, name = "ML805", "checkpoint-reentrant-unset"
    libraries = ("torch",)
    words = ("checkpoint",)
    safety = Safety.UNSAFE
    triggers = (Call(*_FUNCTIONS),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if any(keyword.arg in ("use_reentrant", None) for keyword in node.keywords) or not node.args:
            return

        def build() -> Edit:
            return ctx.edits.add_keyword(node, "use_reentrant", "False")

        yield ctx.finding(
            node,
            f"`{ctx.short(node.func)}` does not say `use_reentrant`, whose default changes",
            "say `use_reentrant=False`",
            ctx.fix(build, Safety.UNSAFE, "Add `use_reentrant=False`"),
        )

    examples = (
        Example(
            given=GIVEN,
            ok="y = checkpoint(block, x, use_reentrant=False)\nz = checkpoint(block, x, **options)\n",
        ),
        Example(
            given="import torch\nfrom mine import checkpoint\n",
            ok="y = checkpoint(block, x)\ntorch.save(checkpoint, 'x.pt')\n",
        ),
        Example(
            given=GIVEN,
            bad="y = checkpoint(block, x)  # memory\ny.sum().backward()\ngradient = x.grad\n",
            good="y = checkpoint(block, x, use_reentrant=False)  # memory\ny.sum().backward()\ngradient = x.grad\n",
            equal="y, gradient",
        ),
        Example(
            given=GIVEN + "import torch.utils.checkpoint as cp\n",
            bad="y = cp.checkpoint_sequential(block, 2, x)\n",
            good="y = cp.checkpoint_sequential(block, 2, x, use_reentrant=False)\n",
            equal="y",
        ),
    )
