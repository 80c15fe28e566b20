from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Action, Context, Edit, Example, Finding, Fix, Method, Round, Rule, Safety

GIVEN = """\
import torch
from torch import nn, optim

model = nn.Linear(3, 1)
optimizer = optim.SGD(model.parameters(), lr=0.1)
"""


class ZeroGradBetweenBackwardAndStep(Rule):
    """Gradients are zeroed after `backward()` and before `step()`: the step has nothing to apply.

    ## Why
    `zero_grad()` throws away what `backward()` has just computed, so that `step()` sees no gradients. Plain optimizers
    then change nothing, those with momentum or weight decay drift. Nothing is reported: the loss just does not fall.

    ## Fix safety
    Unsafe: the model starts to train. `zero_grad()` is moved in front of `backward()`.

    ## References
    - PyTorch documentation, `torch.optim`, section "Taking an optimization step".
    """

    code, name = "ML402", "zero-grad-between-backward-and-step"
    libraries = ("torch",)
    words = ("backward(",)
    in_tests = True
    safety = Safety.UNSAFE
    triggers = (Method("zero_grad"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        training = ctx.training
        zero = training.action(node)
        if zero is None or zero.role != "zero" or training.hooks:
            return
        made = training.round(node)
        found = self._around(made, zero, ctx)
        if found is None:
            return
        backward, step = found
        fix = self._fix(backward, zero, ctx)
        yield ctx.finding(
            node,
            f"throws away the gradients of `{ctx.short(backward.node)}` before `{ctx.short(step.node)}` applies them",
            "zero them before `backward()` or after `step()`",
            fix,
        )

    def _around(self, made: Round, zero: Action, ctx: Context) -> tuple[Action, Action] | None:
        """The backward before and the step after, if all three run one after the other and nothing else intervenes."""
        training = ctx.training
        position = next((i for i, action in enumerate(made.actions) if action.node is zero.node), None)
        if position is None:
            return None
        before = [action for action in made.actions[:position] if action.role in ("backward", "step")]
        after = [a for a in made.actions[position + 1 :] if a.role in ("backward", "step", "gradient", "zero")]
        if not before or not after:
            return None
        backward, step = before[-1], after[0]
        if backward.role != "backward" or step.role != "step" or step.with_arguments:
            return None
        if not training.same_line(backward.node, zero.node) or not training.same_line(zero.node, step.node):
            return None
        if not self._same(zero, step, ctx) or training.may_go_backward(zero.node, step.node):
            return None
        return backward, step

    def _same(self, zero: Action, step: Action, ctx: Context) -> bool:
        """Whether what is zeroed is what the step would apply."""
        if zero.subject is None or zero.subject == step.subject:
            return zero.subject is not None
        return step.expression is not None and ctx.training.optimized(step.expression) == {zero.subject}

    def _fix(self, backward: Action, zero: Action, ctx: Context) -> Fix | None:
        statement = ctx.tree.statement(zero.node)
        if not isinstance(statement, ast.Expr):
            return None
        target = ctx.tree.statement(backward.node)

        def build() -> list[Edit]:
            return ctx.edits.move(statement, target, behind=False)

        return ctx.fix(build, Safety.UNSAFE, f"Move `{ctx.short(zero.node)}` in front of `{ctx.short(backward.node)}`")

    examples = (
        Example(
            given=GIVEN,
            bad="""
for x, y in loader:
    loss = model(x).sub(y).square().mean()
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
""",
            good="""
for x, y in loader:
    loss = model(x).sub(y).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
""",
        ),
        Example(
            given=GIVEN,
            bad="""
def step(loss, scaler):
    with torch.autocast("cuda"):
        loss = loss / 2
    scaler.scale(loss).backward()
    model.zero_grad()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
""",
            good="""
def step(loss, scaler):
    with torch.autocast("cuda"):
        loss = loss / 2
    model.zero_grad()
    scaler.scale(loss).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
""",
            note="of the model instead of the optimizer",
        ),
        Example(
            given="import torch\n",
            bad="""
def step(self, loss):
    loss.backward()
    self.optimizer.zero_grad()
    self.optimizer.step()
""",
            good="""
def step(self, loss):
    self.optimizer.zero_grad()
    loss.backward()
    self.optimizer.step()
""",
        ),
        Example(
            given=GIVEN,
            ok="loss.backward()\noptimizer.step()\noptimizer.zero_grad()\n",
        ),
        Example(
            given=GIVEN,
            ok="optimizer.zero_grad()\noptimizer.step()\n",
            note="the known way to silence the scheduler's warning",
        ),
        Example(
            given=GIVEN + "other = optim.SGD(judge.parameters(), lr=0.1)\n",
            ok="loss.backward()\nother.zero_grad()\noptimizer.step()\n",
        ),
        Example(
            given=GIVEN,
            ok="first.backward()\noptimizer.zero_grad()\nsecond.backward()\noptimizer.step()\n",
        ),
        Example(
            given=GIVEN,
            ok="first.backward()\noptimizer.zero_grad()\nsecond(model)\noptimizer.step()\n",
            note="who knows what `second` does",
        ),
        Example(
            given=GIVEN,
            ok="loss.backward()\nif i % 4 == 0:\n    optimizer.zero_grad()\noptimizer.step()\n",
        ),
        Example(
            given=GIVEN,
            ok="""
loss.backward()
kept = gradients()
model.zero_grad()
for p in model.parameters():
    p.grad = kept
optimizer.step()
""",
        ),
    )
