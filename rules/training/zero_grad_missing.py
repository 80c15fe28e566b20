from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import (
    OPTIMIZER,
    Action,
    Call,
    Context,
    Edit,
    Example,
    Finding,
    Fix,
    FunctionNode,
    LoopNode,
    Method,
    Round,
    Rule,
    Safety,
    walk,
    walk_statements,
)

GIVEN = """\
import torch
from torch import nn, optim
from torch.utils.data import DataLoader

model = nn.Linear(3, 1)
criterion = nn.MSELoss()
optimizer = optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(dataset)
"""


class ZeroGradMissing(Rule):
    """A training loop that never zeroes gradients applies the sum of all gradients so far in every step.

    ## Why
    `backward()` adds to `.grad`, it does not replace it. Without `optimizer.zero_grad()` the second step applies the
    gradients of two batches, the hundredth those of a hundred batches, most of them of weights that are long gone.
    Training then oscillates or diverges, as if the learning rate grew with every step.

    ## Fix safety
    Unsafe: it changes how the model trains, which is its purpose. `optimizer.zero_grad()` is inserted as the first
    statement of the loop.

    ## Known limits
    Silent where somebody else may zero: an engine (`accelerator.backward`, Lightning, DeepSpeed), a function that
    cannot be followed and is given the optimizer, gradients written by hand, a step under a condition that its
    `backward()` does not share (accumulation), several optimizers, an optimizer that is built anew in the loop.

    ## References
    - PyTorch documentation, `torch.optim.Optimizer.zero_grad` and `torch.Tensor.backward`.
    - PyTorch recipe "Zeroing out gradients in PyTorch".
    """

    code, name = "ML401", "zero-grad-missing"
    libraries = ("torch",)
    words = ("backward(",)
    safety = Safety.UNSAFE
    triggers = (Method("backward"), Call("torch.autograd.backward"))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        action = ctx.training.action(node)
        if action is None or action.role != "backward" or action.engine or ctx.training.hooks:
            return
        loop = ctx.flow.loop(node)
        function = ctx.tree.function(node)
        if loop is not None:
            step = self._lacking(ctx.training.round_of(loop), loop, ctx)
            owner: LoopNode | FunctionNode = loop
        elif function is not None:
            step = self._lacking_in_callers(function, ctx)
            owner = function
        else:
            return
        if step is None or self._backwards(ctx.training.round_of(owner))[0].node is not node:
            return
        optimizer = step.subject
        yield ctx.finding(
            node,
            f"no pass zeroes gradients: each `{ctx.short(step.node)}` applies those of all passes before as well",
            f"call `{optimizer}.zero_grad()` at the start of each pass" if optimizer else "zero them in each pass",
            self._fix(owner, optimizer, ctx),
        )

    def _lacking(self, made: Round, loop: LoopNode, ctx: Context) -> Action | None:
        """The step of a loop in which nothing can zero gradients."""
        training = ctx.training
        if training.is_engine(made) or made.of("zero", "gradient"):
            return None
        backwards, steps = self._backwards(made), made.of("step")
        if not backwards or not steps or {*backwards, *steps} - {*training.own(made)}:
            return None
        for actions in (backwards, steps):
            if len({action.subject for action in actions if action.role == "step"}) > 1:
                return None
            for number, one in enumerate(actions):
                if not all(training.exclusive(one.node, other.node) for other in actions[number + 1 :]):
                    return None
        if not all(step.certain and not step.with_arguments for step in steps):
            return None
        step = steps[0]
        if len(steps) == 1 and ctx.flow.is_conditional(step.node, loop):
            # Under one condition with its backward it applies the gradients of one pass.
            if len(backwards) != 1 or not training.same_line(backwards[0].node, step.node):
                return None
        if self._leaves(loop, step, ctx) or self._rebuilt(loop, step, ctx) or any(training.unknown(made)):
            return None
        return step

    def _lacking_in_callers(self, function: FunctionNode, ctx: Context) -> Action | None:
        """The step of a function that goes backward and steps, where no loop that calls it zeroes gradients."""
        made = ctx.training.round_of(function)
        if made.of("zero", "gradient") or ctx.training.is_engine(made):
            return None
        own = [action for action in ctx.training.own(made) if action.role in ("backward", "step")]
        if sorted(action.role for action in own) != ["backward", "step"] or len(made.of("backward", "step")) != 2:
            return None
        step = own[0] if own[0].role == "step" else own[1]
        if ctx.flow.is_conditional(step.node, function) or not step.certain or step.with_arguments:
            return None
        if self._leaves(function, step, ctx) or self._rebuilt(function, step, ctx) or any(ctx.training.unknown(made)):
            return None
        calls = ctx.kinds.callers.of(function)
        for call in calls or ():
            loop = ctx.flow.loop(call)
            if loop is None or self._lacking(ctx.training.round_of(loop), loop, ctx) is None:
                return None
        return step if calls else None

    def _backwards(self, made: Round) -> list[Action]:
        return made.of("backward")

    def _leaves(self, owner: LoopNode | FunctionNode, step: Action, ctx: Context) -> bool:
        """Whether a pass may end before the step, or the loop ends with its first pass."""
        last = owner.body[-1]
        if isinstance(owner, (ast.For, ast.AsyncFor, ast.While)) and isinstance(
            last, (ast.Break, ast.Return, ast.Raise)
        ):
            return True
        jumps = (ast.Continue, ast.Break) if not isinstance(owner, ast.FunctionDef) else (ast.Return,)
        return any(
            isinstance(node, jumps)
            and node.lineno < step.node.lineno
            and (isinstance(node, ast.Return) or ctx.flow.loop(node) is owner)  # not of a loop inside
            for node in walk_statements(owner.body)
        )

    def _rebuilt(self, owner: LoopNode | FunctionNode, step: Action, ctx: Context) -> bool:
        """Whether the optimizer is made, or may be made, in each pass, or is of a class of the project."""
        if step.expression is not None and ctx.kinds.of(step.expression).is_first_party:
            return True
        for statement in owner.body:
            for node in walk(statement):
                if isinstance(node, ast.Call) and ctx.is_a(node, OPTIMIZER):
                    return True
                if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
                    if ast.unparse(node) == step.subject:
                        return True
        return False

    def _fix(self, owner: LoopNode | FunctionNode, optimizer: str | None, ctx: Context) -> Fix | None:
        if optimizer is None:
            return None
        body = owner.body
        documented = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and len(body) > 1
        first = body[1] if documented else body[0]

        def build() -> Edit:
            return ctx.edits.insert_before(first, f"{optimizer}.zero_grad()")

        return ctx.fix(build, Safety.UNSAFE, f"Call `{optimizer}.zero_grad()` first")

    examples = (
        Example(
            given=GIVEN,
            bad="""
for x, y in loader:
    output = model(x)
    loss = criterion(output, y)
    loss.backward()
    optimizer.step()
""",
            good="""
for x, y in loader:
    optimizer.zero_grad()
    output = model(x)
    loss = criterion(output, y)
    loss.backward()
    optimizer.step()
""",
        ),
        Example(
            given=GIVEN,
            bad="""
for epoch in range(3):
    optimizer.zero_grad()
    for i, (x, y) in enumerate(loader):
        # the forward pass
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
""",
            good="""
for epoch in range(3):
    optimizer.zero_grad()
    for i, (x, y) in enumerate(loader):
        optimizer.zero_grad()
        # the forward pass
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
""",
            note="zeroed once an epoch only",
        ),
        Example(
            bad="""
import torch
import torch.optim as opt

class Trainer:
    def __init__(self, net):
        self.net = net
        self.opt = opt.AdamW(net.parameters())
        self.scaler = torch.amp.GradScaler("cuda")

    def fit(self, loader):
        for x, y in loader:
            with torch.autocast("cuda"):
                loss = self.net(x).sub(y).square().mean()
            self.scaler.scale(loss).backward()
            self.scaler.step(self.opt)
            self.scaler.update()
""",
            good="""
import torch
import torch.optim as opt

class Trainer:
    def __init__(self, net):
        self.net = net
        self.opt = opt.AdamW(net.parameters())
        self.scaler = torch.amp.GradScaler("cuda")

    def fit(self, loader):
        for x, y in loader:
            self.opt.zero_grad()
            with torch.autocast("cuda"):
                loss = self.net(x).sub(y).square().mean()
            self.scaler.scale(loss).backward()
            self.scaler.step(self.opt)
            self.scaler.update()
""",
        ),
        Example(
            bad="""
from torch import nn
from torch.optim import Adam

def train(net, optim, loader):
    for x, y in loader:
        loss = nn.functional.mse_loss(net(x), y)
        loss.backward()
        optim.step()

def main(loader):
    net = nn.Linear(3, 1)
    train(net, Adam(net.parameters()), loader)
""",
            good="""
from torch import nn
from torch.optim import Adam

def train(net, optim, loader):
    for x, y in loader:
        optim.zero_grad()
        loss = nn.functional.mse_loss(net(x), y)
        loss.backward()
        optim.step()

def main(loader):
    net = nn.Linear(3, 1)
    train(net, Adam(net.parameters()), loader)
""",
            note="the optimizer is a parameter",
        ),
        Example(
            given=GIVEN,
            bad="""
def train_step(x, y):
    \"\"\"One step.\"\"\"
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    return loss

for x, y in loader:
    train_step(x, y)
""",
            good="""
def train_step(x, y):
    \"\"\"One step.\"\"\"
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    return loss

for x, y in loader:
    train_step(x, y)
""",
            note="backward and step in a function of its own",
        ),
        Example(
            given=GIVEN + "from tools import update\n",
            bad="""
for x, y in loader:
    loss = criterion(model(x), y)
    loss.backward()
    update(optimizer)
""",
            good="""
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    update(optimizer)
""",
            files={
                "tools.py": "from torch.optim import Optimizer\n\ndef update(opt: Optimizer):\n    opt.step()\n",
            },
            note="the step is in a helper of another file",
        ),
        Example(
            given=GIVEN + "scaler = torch.amp.GradScaler('cuda')\n",
            bad="""
for x, y in loader:
    loss = criterion(model(x), y)
    if amp:
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    else:
        loss.backward()
        optimizer.step()
""",
            good="""
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    if amp:
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    else:
        loss.backward()
        optimizer.step()
""",
        ),
        Example(
            given=GIVEN,
            bad="""
for phase in ("train", "val"):
    for x, y in loader:
        loss = criterion(model(x), y)
        if phase == "train":
            loss.backward()
            optimizer.step()
""",
            good="""
for phase in ("train", "val"):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        if phase == "train":
            loss.backward()
            optimizer.step()
""",
            note="one condition for both",
        ),
        Example(
            given=GIVEN,
            bad="""
def update(log_probs):
    torch.stack(log_probs).sum().backward()
    optimizer.step()

for episode in range(10):
    log_probs = []
    for x in loader:
        log_probs.append(model(x).mean())
        if len(log_probs) > 5:
            break
    update(log_probs)
""",
            good="""
def update(log_probs):
    optimizer.zero_grad()
    torch.stack(log_probs).sum().backward()
    optimizer.step()

for episode in range(10):
    log_probs = []
    for x in loader:
        log_probs.append(model(x).mean())
        if len(log_probs) > 5:
            break
    update(log_probs)
""",
            note="the break is of a loop inside",
        ),
        Example(
            given=GIVEN,
            ok="""
for x, y in loader:
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
""",
        ),
        Example(
            given=GIVEN,
            ok="for x, y in loader:\n    model.zero_grad()\n    model(x).sum().backward()\n    optimizer.step()\n",
        ),
        Example(
            given=GIVEN,
            ok="""
for x, y in loader:
    for p in model.parameters():
        p.grad = None
    criterion(model(x), y).backward()
    optimizer.step()
""",
        ),
        Example(
            given=GIVEN,
            ok="""
for x, y in loader:
    criterion(model(x), y).backward()
    optimizer.step()
    for p in model.parameters():
        p.grad.data.zero_()
""",
        ),
        Example(
            given=GIVEN,
            ok="""
def update():
    optimizer.step()
    optimizer.zero_grad()

for x, y in loader:
    criterion(model(x), y).backward()
    update()
""",
        ),
        Example(
            given=GIVEN + "from tools import fresh\n",
            ok="""
for x, y in loader:
    fresh(optimizer)
    criterion(model(x), y).backward()
    optimizer.step()
""",
            files={"tools.py": "def fresh(opt):\n    opt.zero_grad()\n"},
        ),
        Example(
            given=GIVEN + "from somewhere import fresh\n",
            ok="""
for x, y in loader:
    fresh(optimizer)
    criterion(model(x), y).backward()
    optimizer.step()
""",
            note="who knows what it does",
        ),
        Example(
            given="from torch.optim import Adam\nfrom network import Net\nnet = Net()\nadam = Adam(net.parameters())\n",
            ok="""
for x in batches:
    loss = net(x)
    loss.backward()
    adam.step()
""",
            files={
                "network.py": """
from torch import nn

class Net(nn.Module):
    def forward(self, x):
        self.zero_grad()
        return self.layer(x).mean()
"""
            },
            note="the model zeroes its own gradients",
        ),
        Example(
            given=GIVEN,
            ok="""
for i, (x, y) in enumerate(loader):
    criterion(model(x), y).backward()
    if (i + 1) % 4 == 0:
        optimizer.step()
        model.zero_grad()
""",
        ),
        Example(
            given=GIVEN,
            ok="""
for i, (x, y) in enumerate(loader):
    criterion(model(x), y).backward()
    if (i + 1) % 4:
        continue
    optimizer.step()
""",
        ),
        Example(
            given=GIVEN + "from accelerate import Accelerator\naccelerator = Accelerator()\n",
            ok="""
for x, y in loader:
    with accelerator.accumulate(model):
        accelerator.backward(criterion(model(x), y))
        optimizer.step()
""",
        ),
        Example(
            given="import deepspeed\nimport torch",
            ok="for x, y in loader:\n    loss = engine(x, y)\n    engine.backward(loss)\n    engine.step()\n",
        ),
        Example(
            given=GIVEN,
            ok="""
for x, y in loader:
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    criterion(model(x), y).backward()
    optimizer.step()
""",
        ),
        Example(
            given=GIVEN,
            ok="""
import torch.distributed.autograd as dist_autograd
from torch.distributed.optim import DistributedOptimizer

for x, y in loader:
    with dist_autograd.context() as context:
        dist_autograd.backward(context, [criterion(model(x), y)])
        optimizer.step(context)
""",
        ),
        Example(
            given=GIVEN,
            ok="""
for x, y in loader:
    def closure():
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        return loss
    optimizer.step(closure)
""",
        ),
        Example(
            given=GIVEN + "other = optim.SGD(judge.parameters(), lr=0.1)\n",
            ok="""
for x, y in loader:
    optimizer_loss = criterion(model(x), y)
    optimizer_loss.backward()
    optimizer.step()
    judge(x).mean().backward()
    other.step()
""",
            note="several optimizers: which gradients are whose cannot be seen",
        ),
        Example(
            given=GIVEN,
            ok="""
for x, y in loader:
    criterion(model(x), y).backward()
    for p in model.parameters():
        p.grad.mul_(0.5)
    optimizer.step()
""",
            note="gradients are written by hand",
        ),
        Example(
            given="import torch",
            ok="def step(net, loss, opt):\n    for x in net:\n        loss(x).backward()\n        opt.step()\n",
            note="nobody knows what `opt` is",
        ),
        Example(
            given="from lightning.pytorch import LightningModule\nimport torch",
            ok="""
class Net(LightningModule):
    def training_step(self, batch, index):
        opt = self.optimizers()
        for x in batch:
            self.manual_backward(self(x))
            opt.step()
""",
        ),
        Example(
            given=GIVEN,
            ok="loss = criterion(model(x), y)\nloss.backward()\noptimizer.step()\n",
            note="one step",
        ),
        Example(
            given=GIVEN,
            ok="""
def train_step(x, y):
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()

for x, y in loader:
    optimizer.zero_grad()
    train_step(x, y)
""",
        ),
        Example(
            given=GIVEN,
            ok="""
for hook in hooks:
    hook.after(optimizer.zero_grad)
for x, y in loader:
    criterion(model(x), y).backward()
    optimizer.step()
""",
            note="handed to somebody else",
        ),
    )
