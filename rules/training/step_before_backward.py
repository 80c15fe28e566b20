from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Action, Call, Context, Edit, Example, Finding, Fix, Method, Rule, Safety

GIVEN = """\
import torch
from torch import nn, optim

model = nn.Linear(3, 1)
optimizer = optim.SGD(model.parameters(), lr=0.1)
"""


class StepBeforeBackward(Rule):
    """The optimizer steps, or gradients are clipped, before the backward pass that computes them.

    ## Why
    `optimizer.step()` in front of the only `backward()` of a pass applies what the pass before has left: nothing, where
    gradients are zeroed in between, else gradients of other data and older weights. Clipping before `backward()` or
    after `step()` has no effect on what is applied.

    ## Fix safety
    Unsafe: the model trains differently. The statement is moved to where it belongs.

    ## Known limits
    Only one backward and one step in a pass, one after the other, with nothing between them that could compute
    gradients by itself.

    ## References
    - PyTorch documentation, `torch.optim`, section "Taking an optimization step".
    """

    code, name = "ML403", "step-before-backward"
    libraries = ("torch",)
    words = ("backward(",)
    in_tests = True
    safety = Safety.UNSAFE
    triggers = (Method("step"), Call("torch.nn.utils.clip_grad_norm_", "torch.nn.utils.clip_grad_value_"))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        training = ctx.training
        action = training.action(node)
        if action is None or action.role not in ("step", "clip") or action.engine or action.with_arguments:
            return
        direct = training.direct(ctx.flow.loop(node) or ctx.tree.function(node) or ctx.tree.module)
        if len(direct.of("backward")) != 1 or len(direct.of("step")) != 1:
            return
        made = training.round(node)
        if training.is_engine(made) or training.hooks or made.of("gradient"):
            return
        backwards, steps = made.of("backward"), made.of("step")
        if len(backwards) != 1 or len(steps) != 1:
            return
        backward, step = backwards[0], steps[0]
        if backward.helper or step.helper or not (step.certain or step.scaler) or step.with_arguments:
            return
        if not training.same_line(node, backward.node) or not training.same_line(step.node, backward.node):
            return
        order = {id(item): number for number, item in enumerate(made.actions)}
        if order[id(step)] < order[id(backward)]:
            forward = training.feeding(backward.expression)
            if action.role == "step" and not training.may_go_backward(None, node, forward):
                computed = f"`{ctx.short(backward.node)}` computes them"
                yield self._move(node, backward, f"applies gradients before {computed}", ctx)
            return
        if action.role != "clip" or len(made.of("clip")) != 1:
            return
        statement = ctx.tree.statement(node)
        place = next(number for number, item in enumerate(made.actions) if item.node is node)
        if place < order[id(backward)]:
            yield self._move(node, backward, f"clips before `{ctx.short(backward.node)}` computes gradients", ctx)
        elif place > order[id(step)] and isinstance(statement, ast.Expr):
            yield ctx.finding(
                node,
                f"clips after `{ctx.short(step.node)}` has applied the gradients",
                "clip between `backward()` and `step()`",
                self._moved(statement, ctx.tree.statement(step.node), False, ctx),
            )

    def _move(self, node: ast.Call, backward: Action, message: str, ctx: Context) -> Finding:
        statement = ctx.tree.statement(node)
        fix = None
        if isinstance(statement, ast.Expr):
            fix = self._moved(statement, ctx.tree.statement(backward.node), True, ctx)
        return ctx.finding(node, message, "move it behind `backward()`", fix)

    def _moved(self, statement: ast.stmt, target: ast.stmt, behind: bool, ctx: Context) -> Fix | None:
        if ctx.tree.parent(statement) is not ctx.tree.parent(target):
            return None

        def build() -> list[Edit]:
            return ctx.edits.move(statement, target, behind=behind)

        where = "behind" if behind else "in front of"
        return ctx.fix(build, Safety.UNSAFE, f"Move it {where} `{ctx.short(target)}`")

    examples = (
        Example(
            given=GIVEN,
            bad="""
for x, y in loader:
    optimizer.zero_grad()
    loss = model(x).sub(y).square().mean()
    optimizer.step()
    loss.backward()
""",
            good="""
for x, y in loader:
    optimizer.zero_grad()
    loss = model(x).sub(y).square().mean()
    loss.backward()
    optimizer.step()
""",
        ),
        Example(
            bad="""
from torch.optim import Optimizer

def train(model, criterion, optimizer: Optimizer, loader):
    for x, y in loader:
        optimizer.zero_grad()
        output = model(x)
        loss = criterion(output, y)
        optimizer.step()
        loss.backward()
""",
            good="""
from torch.optim import Optimizer

def train(model, criterion, optimizer: Optimizer, loader):
    for x, y in loader:
        optimizer.zero_grad()
        output = model(x)
        loss = criterion(output, y)
        loss.backward()
        optimizer.step()
""",
            note="what the loss is made from is a forward pass, whatever it calls",
        ),
        Example(
            given=GIVEN,
            bad="""
def train_step(x, y):
    loss = model(x).sub(y).square().mean()
    optimizer.step()  # apply
    loss.backward()
    return loss
""",
            note="a comment would have to move along",
        ),
        Example(
            given=GIVEN,
            bad="""
for x, y in loader:
    optimizer.zero_grad()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    model(x).sub(y).square().mean().backward()
    optimizer.step()
""",
            good="""
for x, y in loader:
    optimizer.zero_grad()
    model(x).sub(y).square().mean().backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
""",
        ),
        Example(
            given=GIVEN,
            bad="""
for x, y in loader:
    optimizer.zero_grad()
    model(x).sub(y).square().mean().backward()
    optimizer.step()
    nn.utils.clip_grad_value_(model.parameters(), 1.0)
""",
            good="""
for x, y in loader:
    optimizer.zero_grad()
    model(x).sub(y).square().mean().backward()
    nn.utils.clip_grad_value_(model.parameters(), 1.0)
    optimizer.step()
""",
        ),
        Example(
            given=GIVEN,
            ok="""
for i, (x, y) in enumerate(loader):
    if i > 0:
        optimizer.step()
        optimizer.zero_grad()
    model(x).sub(y).square().mean().backward()
""",
            note="a pipeline: the step is for the batch before",
        ),
        Example(
            given=GIVEN,
            ok="""
for x, y in loader:
    loss(x).backward()
    optimizer.step()
    loss(y).backward()
    optimizer.step()
""",
        ),
        Example(
            given=GIVEN,
            ok="""
for x, y in loader:
    optimizer.zero_grad()
    model(x).sub(y).square().mean().backward()
    optimizer.step()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), float("inf"))
""",
            note="measures only",
        ),
        Example(
            given=GIVEN,
            ok="""
optimizer = optim.LBFGS(model.parameters())
for x, y in loader:
    def closure():
        optimizer.zero_grad()
        loss = model(x).sub(y).square().mean()
        loss.backward()
        return loss
    optimizer.step(closure)
""",
        ),
        Example(
            given="import torch\n",
            ok="def play(env, agent):\n    for t in range(9):\n        env.step()\n        agent.loss(t).backward()\n",
        ),
        Example(
            given=GIVEN,
            ok="for x, y in loader:\n    compute_gradients(x)\n    optimizer.step()\n    model(y).mean().backward()\n",
        ),
    )
