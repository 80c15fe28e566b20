from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Action, Context, Edit, Example, Finding, Fix, Method, Rule, Safety

GIVEN = """\
import torch
from torch import nn, optim

model = nn.Linear(3, 1)
optimizer = optim.SGD(model.parameters(), lr=0.1)
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2)
"""


class SchedulerBeforeOptimizer(Rule):
    """The learning-rate scheduler steps before the optimizer: the first value of the schedule is skipped.

    ## Why
    Since PyTorch 1.1 `scheduler.step()` sets the learning rate for the next pass, so it belongs behind
    `optimizer.step()`. In front of it, the initial learning rate is never used, the schedule ends one pass early, and
    PyTorch warns about it at run time, once.

    ## Fix safety
    Unsafe: the schedule shifts by one pass. The scheduler's step is moved behind the statement with the optimizer's.

    ## Known limits
    Only schedulers of `torch.optim.lr_scheduler` that are built on the very optimizer, without an epoch or a metric as
    argument, and not under a condition.

    ## References
    - PyTorch documentation, `torch.optim`, section "How to adjust learning rate".
    """

    code, name = "ML404", "scheduler-before-optimizer"
    libraries = ("torch",)
    words = ("lr_scheduler",)
    in_tests = True
    safety = Safety.UNSAFE
    triggers = (Method("step"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        training = ctx.training
        action = training.action(node)
        if action is None or action.role != "schedule" or action.with_arguments:
            return
        made = training.round(node)
        if ctx.flow.is_conditional(node, made.node):
            return
        steps = [step for step in made.of("step") if self._is_of(action, step, ctx)]
        if not steps or any(step.node.lineno <= node.lineno for step in steps):
            return
        schedules = [other for other in made.of("schedule") if other.subject == action.subject]
        statement = ctx.tree.statement(node)
        later = ctx.tree.following(statement)
        holder = next((part for part in later if part.lineno <= steps[0].node.lineno <= (part.end_lineno or 0)), None)
        if len(schedules) != 1 or holder is None or not isinstance(statement, ast.Expr):
            return
        if isinstance(holder, (ast.If, ast.Try)):
            return  # the optimizer may not step at all
        yield ctx.finding(
            node,
            f"steps before `{ctx.short(steps[0].node)}`: the first learning rate of the schedule is skipped",
            "step the scheduler after the optimizer",
            self._fix(statement, holder, ctx),
        )

    def _is_of(self, schedule: Action, step: Action, ctx: Context) -> bool:
        """Whether a scheduler is built on the optimizer that a step steps."""
        if schedule.expression is None or step.with_arguments:
            return False
        for call in ctx.training.constructors(schedule.expression):
            optimizer = ctx.argument(call, "optimizer", 0)
            if optimizer is None:
                return False
            if ctx.tree.function(call) is ctx.tree.function(schedule.node) and ast.unparse(optimizer) == step.subject:
                return True
            built = set(ctx.training.constructors(optimizer))
            if step.expression is not None and built and built == set(ctx.training.constructors(step.expression)):
                return True
        return False

    def _fix(self, statement: ast.stmt, holder: ast.stmt, ctx: Context) -> Fix:
        def build() -> list[Edit]:
            return ctx.edits.move(statement, holder, behind=True)

        return ctx.fix(build, Safety.UNSAFE, "Move it behind the optimizer's step")

    examples = (
        Example(
            given=GIVEN,
            bad="""
for x, y in loader:
    optimizer.zero_grad()
    model(x).sub(y).square().mean().backward()
    scheduler.step()
    optimizer.step()
""",
            good="""
for x, y in loader:
    optimizer.zero_grad()
    model(x).sub(y).square().mean().backward()
    optimizer.step()
    scheduler.step()
""",
        ),
        Example(
            given=GIVEN,
            bad="""
for epoch in range(5):
    scheduler.step()
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        model(x).sub(y).square().mean().backward()
        optimizer.step()
    print(epoch)
""",
            good="""
for epoch in range(5):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        model(x).sub(y).square().mean().backward()
        optimizer.step()
    scheduler.step()
    print(epoch)
""",
            note="the way of PyTorch 1.0",
        ),
        Example(
            bad="""
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR

def train(net, opt, loader):
    for x in loader:
        opt.zero_grad()
        net(x).backward()
        opt.step()

def main(net, loader):
    sgd = SGD(net.parameters(), lr=0.1)
    cosine = CosineAnnealingLR(sgd, T_max=10)
    for epoch in range(10):
        cosine.step()
        train(net, sgd, loader)
""",
            good="""
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR

def train(net, opt, loader):
    for x in loader:
        opt.zero_grad()
        net(x).backward()
        opt.step()

def main(net, loader):
    sgd = SGD(net.parameters(), lr=0.1)
    cosine = CosineAnnealingLR(sgd, T_max=10)
    for epoch in range(10):
        train(net, sgd, loader)
        cosine.step()
""",
            note="the optimizer steps in a helper",
        ),
        Example(
            given=GIVEN, ok="for x in loader:\n    model(x).backward()\n    optimizer.step()\n    scheduler.step()\n"
        ),
        Example(
            given=GIVEN,
            ok="for i, x in enumerate(loader):\n    if i:\n        scheduler.step()\n    optimizer.step()\n",
            note="not in the first pass",
        ),
        Example(
            given=GIVEN,
            ok="for epoch in range(5):\n    scheduler.step(epoch)\n    for x in loader:\n        optimizer.step()\n",
            note="with the epoch given, the value is that of this epoch",
        ),
        Example(
            given=GIVEN + "other = optim.Adam(judge.parameters())\n",
            ok="for x in loader:\n    optimizer.step()\n    scheduler.step()\n    other.step()\n",
        ),
        Example(
            given="from timm.scheduler import CosineLRScheduler\nimport torch\n",
            ok="s = CosineLRScheduler(optimizer)\nfor x in loader:\n    s.step()\n    optimizer.step()\n",
        ),
        Example(
            given=GIVEN,
            ok="for x in loader:\n    optimizer.step()\n    scheduler.step()\n    optimizer.step()\n",
        ),
    )
