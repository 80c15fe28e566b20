from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import LOOPS, Action, Context, Example, Finding, LoopNode, Method, Round, Rule, walk

GIVEN = """\
import torch
from torch import nn, optim
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader

model = nn.Linear(3, 1)
optimizer = optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(dataset, batch_size=4)
"""
_SCHEDULES = "torch.optim.lr_scheduler."
_PLATEAU = _SCHEDULES + "ReduceLROnPlateau"
# Fewer rounds than this are epochs: a loader gives more batches in most trainings, and in a few epochs in all.
_EPOCHS = 100
_FASTEST = 0.98


class SchedulerStepGranularity(Rule):
    """A schedule that counts batches is stepped once an epoch, or one that counts epochs after every batch.

    ## Why
    A scheduler does not know what a step is: it counts its own calls. `OneCycleLR(epochs=…, steps_per_epoch=…)` that is
    stepped once an epoch never leaves its warm-up; `StepLR(step_size=30)` that is stepped after every batch divides the
    learning rate by ten every thirty batches, and it is zero before the first epoch ends. `ReduceLROnPlateau` wants the
    metric: `step()` without one raises TypeError, and with the loss of a single batch it takes noise for a plateau.

    ## Known limits
    A schedule counts epochs where its constructor is given a literal that cannot be meant in batches: a step size or a
    milestone of at most 100, a decay by more than two percent. It counts batches where it is told the number of steps
    of an epoch, or a number computed from the length of a loader.

    ## References
    - PyTorch documentation, `torch.optim.lr_scheduler.OneCycleLR`: "step should be called after a batch has been used
      for training"; `ReduceLROnPlateau`, `StepLR`.
    """

    code, name = "ML405", "scheduler-step-granularity"
    libraries = ("torch", "transformers")
    words = ("lr_scheduler", "get_scheduler", "_schedule_with_warmup")
    triggers = (Method("step"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        action = ctx.training.action(node)
        if action is None or action.role != "schedule" or action.expression is None:
            return
        made = ctx.training.constructors(action.expression)
        if not made or len({ctx.dotted(call.func) for call in made}) != 1:
            return
        dotted = ctx.dotted(made[0].func) or ""
        loop = ctx.flow.loop(node)
        name = dotted.rpartition(".")[2]
        if dotted == _PLATEAU and not action.with_arguments:
            message = "`ReduceLROnPlateau.step()` needs the metric: this raises TypeError"
            yield ctx.finding(node, message, "give it the validation loss")
            return
        if loop is None or ctx.flow.is_conditional(node, loop):
            return
        round_ = ctx.training.round_of(loop)
        if ctx.training.is_engine(round_):
            return
        if dotted == _PLATEAU:
            given = node.args[0] if node.args else ctx.argument(node, "metrics")
            if given is not None and self._per_batch(round_, loop, ctx) and _is_batch_loss(given, round_, ctx):
                yield ctx.finding(
                    node,
                    f"`{ctx.short(node)}` sees the loss of one batch at a time, and takes its noise for a plateau",
                    "step once an epoch, with the validation loss",
                )
        elif all(self._counts_batches(call, name, ctx) for call in made):
            if self._per_epoch(round_, loop, ctx):
                yield ctx.finding(
                    node,
                    f"`{name}` counts batches and is stepped once an epoch: it hardly leaves its beginning",
                    "step it after each step of the optimizer",
                )
        elif all(self._counts_epochs(call, name, ctx) for call in made):
            if self._per_batch(round_, loop, ctx):
                yield ctx.finding(
                    node,
                    f"`{name}` counts epochs and is stepped after every batch: the learning rate decays at once",
                    "step it once an epoch",
                )

    def _per_batch(self, made: Round, loop: LoopNode, ctx: Context) -> bool:
        """Whether a loop goes over the batches of an epoch, and trains on each."""
        own = ctx.training.own(made)
        steps = [action for action in own if action.role == "step"]
        if not steps or steps != made.of("step") or not ctx.flow.is_batch_loop(loop):
            return False
        if any(self._loops_inside(action, ctx) for action in steps):
            return False
        if any(isinstance(outer, LOOPS) for outer in ctx.tree.loops(loop)):
            return True
        function = ctx.tree.function(loop)
        calls = [] if function is None else ctx.kinds.callers.of(function) or []
        return any(ctx.flow.loop(call) is not None for call in calls)

    def _per_epoch(self, made: Round, loop: LoopNode, ctx: Context) -> bool:
        """Whether the optimizer steps in a loop inside of this one, or in that of a helper, and nowhere else."""
        steps = made.of("step")
        return bool(steps) and all(
            ctx.flow.loop(action.node) is not loop or self._loops_inside(action, ctx) for action in steps
        )

    def _loops_inside(self, action: Action, ctx: Context) -> bool:
        """Whether a helper steps in a loop of its own."""
        if not action.helper or not isinstance(action.node, ast.Call):
            return False
        callee = ctx.effects.callee(action.node)
        if callee is None:
            return True
        owner, function = callee
        return any(
            inner.role == "step" and (owner.flow.loop(inner.node) is not None)
            for inner in owner.training.of_function(function)
        )

    def _counts_batches(self, call: ast.Call, name: str, ctx: Context) -> bool:
        if name == "OneCycleLR":
            if ctx.argument(call, "steps_per_epoch", 4) is not None:
                return True
            total = ctx.argument(call, "total_steps", 2)
            return total is not None and self._of_loader(total, ctx)
        if name == "CyclicLR":
            size = ctx.argument(call, "step_size_up", 3)
            number = size.value if isinstance(size, ast.Constant) else None
            return size is None or (isinstance(number, int) and number >= 500)
        if name.startswith("get_"):
            positions = {"get_scheduler": 3, "get_linear_schedule_with_warmup": 2, "get_cosine_schedule_with_warmup": 2}
            total = ctx.argument(call, "num_training_steps", positions.get(name))
            return total is not None and self._of_loader(total, ctx)
        return False

    def _of_loader(self, node: ast.expr, ctx: Context, depth: int = 0) -> bool:
        """Whether a number is the length of something times something: batches times epochs."""
        if depth > 4:
            return False
        if isinstance(node, ast.Name):
            bindings = ctx.reaching.of(node) or []
            return bool(bindings) and all(
                b.how == "assign" and b.value is not None and not b.path and self._of_loader(b.value, ctx, depth + 1)
                for b in bindings
            )
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            return any(
                isinstance(part, ast.Call)
                and ctx.dotted(part.func) == "len"
                and ctx.flow.kinds.is_a(part.args[0] if part.args else None, "torch.utils.data.DataLoader")
                for part in walk(node)
            )
        return False

    def _counts_epochs(self, call: ast.Call, name: str, ctx: Context) -> bool:
        if name == "StepLR":
            size = ctx.argument(call, "step_size", 1)
            return isinstance(size, ast.Constant) and isinstance(size.value, int) and size.value <= _EPOCHS
        if name == "MultiStepLR":
            milestones = ctx.argument(call, "milestones", 1)
            return (
                isinstance(milestones, (ast.List, ast.Tuple))
                and bool(milestones.elts)
                and all(
                    isinstance(one, ast.Constant) and isinstance(one.value, int) and one.value <= 3 * _EPOCHS
                    for one in milestones.elts
                )
            )
        if name == "ExponentialLR":
            gamma = ctx.argument(call, "gamma", 1)
            return isinstance(gamma, ast.Constant) and isinstance(gamma.value, float) and gamma.value <= _FASTEST
        return False

    examples = (
        Example(
            given=GIVEN,
            ok="""
one = lr_scheduler.OneCycleLR(optimizer, 0.1, epochs=3, steps_per_epoch=len(loader))
step = lr_scheduler.StepLR(optimizer, step_size=30)
plateau = lr_scheduler.ReduceLROnPlateau(optimizer)
for epoch in range(3):
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = model(x).sub(y).square().mean()
        loss.backward()
        optimizer.step()
        one.step()
        total += loss.item()
    step.step()
    plateau.step(total)
""",
        ),
        Example(
            given=GIVEN,
            ok="""
slow = lr_scheduler.StepLR(optimizer, step_size=10_000)
late = lr_scheduler.MultiStepLR(optimizer, [20_000, 40_000])
decay = lr_scheduler.ExponentialLR(optimizer, 0.9999)
cosine = lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        model(x).sub(y).square().mean().backward()
        optimizer.step()
        slow.step()
        late.step()
        decay.step()
        cosine.step()
""",
            note="in batches; and a period that may be meant in anything",
        ),
        Example(
            given=GIVEN,
            ok="""
one = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=30)
per_epoch = lr_scheduler.CyclicLR(optimizer, 0.01, 0.1, step_size_up=5)
for epoch in range(30):
    for x, y in loader:
        optimizer.zero_grad()
        model(x).sub(y).square().mean().backward()
        optimizer.step()
    one.step()
    per_epoch.step()
""",
            note="told to count epochs",
        ),
        Example(
            given=GIVEN,
            ok="""
step = lr_scheduler.StepLR(optimizer, 10)
for iteration in range(100):
    optimizer.zero_grad()
    model(x).sub(y).square().mean().backward()
    optimizer.step()
    step.step()
for x, y in loader:
    optimizer.zero_grad()
    model(x).sub(y).square().mean().backward()
    optimizer.step()
    step.step()
""",
            note="full batches, and one pass over the data",
        ),
        Example(
            given=GIVEN,
            bad="""
scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, epochs=3, steps_per_epoch=len(loader))
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        model(x).sub(y).square().mean().backward()
        optimizer.step()
    scheduler.step()
""",
        ),
        Example(
            bad="""
import torch
from torch.utils.data import DataLoader
from transformers import BertModel, get_linear_schedule_with_warmup

def train_epoch(model, loader, optimizer):
    for batch in loader:
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()

def main(dataset, epochs):
    model = BertModel.from_pretrained("bert-base-uncased")
    loader = DataLoader(dataset)
    optimizer = torch.optim.AdamW(model.parameters())
    total = len(loader) * epochs
    scheduler = get_linear_schedule_with_warmup(optimizer, 100, total)
    for epoch in range(epochs):
        train_epoch(model, loader, optimizer)
        scheduler.step()
""",
            note="the batches are in a helper",
        ),
        Example(
            given=GIVEN,
            bad="""
scheduler = lr_scheduler.StepLR(optimizer, step_size=30, gamma=0.1)
for epoch in range(90):
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
plateau = lr_scheduler.ReduceLROnPlateau(optimizer)
for epoch in range(90):
    for x, y in loader:
        optimizer.zero_grad()
        loss = model(x).sub(y).square().mean()
        loss.backward()
        optimizer.step()
        plateau.step(loss)
""",
        ),
        Example(
            given=GIVEN,
            bad="""
plateau = lr_scheduler.ReduceLROnPlateau(optimizer, patience=3)
for epoch in range(90):
    for x, y in loader:
        optimizer.zero_grad()
        model(x).sub(y).square().mean().backward()
        optimizer.step()
    plateau.step()
""",
        ),
    )


def _is_batch_loss(node: ast.expr, made: Round, ctx: Context) -> bool:
    """Whether an expression is the loss of a round itself, as a tensor or as a number."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("item", "detach"):
        node = node.func.value
    return ctx.training.is_loss(node, made)
