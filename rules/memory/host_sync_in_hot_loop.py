from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import LOOPS, Call, Context, Edit, Example, Finding, Fix, LoopNode, Method, Rule, Safety, walk

READS = frozenset({"item", "cpu", "numpy", "tolist"})
CASTS = frozenset({"float", "int", "bool"})

GIVEN = """\
import torch
from torch import nn, optim
from torch.utils.data import DataLoader

device = "cuda" if torch.cuda.is_available() else "cpu"
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).to(device)
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(model.parameters(), lr=0.1)
"""
DATA = """\
data = torch.utils.data.TensorDataset(torch.randn(20, 4), torch.randint(3, (20,)))
loader = DataLoader(data, batch_size=5)
"""


class HostSyncInHotLoop(Rule):
    """Reading a GPU value in every step of the training loop makes the CPU wait until the GPU has caught up.

    ## Why
    CUDA kernels are launched asynchronously: the CPU prepares the next step while the GPU still computes. `.item()`,
    `.cpu()`, `.numpy()`, `.tolist()`, `float(t)` and printing a tensor need the value itself, so that the CPU stops
    until everything launched before has run, and the GPU idles while the CPU launches again. Keep the value on the
    device, read it every n steps, or once after the loop.

    ## Fix safety
    Unsafe: `total += loss.item()` becomes `total += loss.detach()` with one `float(total)` behind the loop. The sum
    is then made in the dtype of the loss, float32 as a rule, and not in float64. There is a fix only where the sum is
    a local name that is not read in the loop.

    ## Known limits
    Only values that are proven to be computed by a model or a loss are reported, in files that put something on a
    CUDA device or on `torch.accelerator`. What decides whether to go on (`if not math.isfinite(loss.item()): raise`)
    is left alone, and so is what stands under any condition, and the loops of reinforcement learning that need the
    value for the environment.

    ## References
    - PyTorch performance tuning guide, "Avoid unnecessary CPU-GPU synchronization".
    - PyTorch notes, "CUDA semantics: Asynchronous execution".
    """

    code, name = "ML702", "host-sync-in-hot-loop"
    libraries = ("torch",)
    words = ("backward(",)
    safety = Safety.UNSAFE
    triggers = (Method(*sorted(READS)), Call(*sorted(CASTS), "print"), Call("torch.cuda.synchronize"))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        loop = ctx.flow.loop(node)
        if loop is None or not ctx.training.uses_cuda:
            return
        if self._interacts(loop, ctx) or self._seldom(node, loop, ctx):
            return
        if ctx.dotted(node.func) == "torch.cuda.synchronize":
            if not ctx.training.is_training(ctx.training.round_of(loop)):
                return
            yield ctx.finding(
                node,
                f"`{ctx.short(node)}` waits for the GPU in every pass of the training loop",
                "drop it; only timing and other processes need it",
            )
            return
        if self._schedules(node, ctx):
            return
        value = self._read(node, loop, ctx)
        if value is None or not ctx.training.on_device(value, ctx.training.direct(loop)):
            return
        if not ctx.training.is_training(ctx.training.round_of(loop)):
            return
        fix = self._fix(node, value, loop, ctx)
        advice = "read it every n steps, or collect it on the device and read it after the loop"
        if fix is not None:
            advice = "add up the detached tensor and read the sum once after the loop"
        yield ctx.finding(
            node, f"`{ctx.short(node)}` waits for the GPU in every pass of the training loop", advice, fix
        )

    def _read(self, call: ast.Call, loop: LoopNode, ctx: Context) -> ast.expr | None:
        """The tensor that a call reads back; None where another call around it is the one to report."""
        func = call.func
        if isinstance(func, ast.Attribute) and func.attr in READS:
            outer = ctx.tree.parent(call)
            while isinstance(outer, ast.Attribute):
                call_around = ctx.tree.parent(outer)
                if not isinstance(call_around, ast.Call) or call_around.func is not outer:
                    break
                if outer.attr in READS:
                    return None
                outer = ctx.tree.parent(call_around)
            value = func.value
            while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in READS:
                value = value.func.value
            return value
        if ctx.dotted(func) in CASTS:
            return call.args[0] if len(call.args) == 1 and not call.keywords else None
        made = ctx.training.direct(loop)
        for argument in call.args:
            parts = [argument]
            if isinstance(argument, ast.JoinedStr):
                parts = [part.value for part in argument.values if isinstance(part, ast.FormattedValue)]
            elif isinstance(argument, ast.Call) and isinstance(argument.func, ast.Attribute):
                if argument.func.attr == "format":
                    parts = list(argument.args)
            for part in parts:
                if ctx.training.on_device(part, made):
                    return part
        return None

    def _schedules(self, call: ast.Call, ctx: Context) -> bool:
        """Whether the value goes into a step: a scheduler that watches the loss needs it on the host in each pass."""
        outer = ctx.tree.parent(call)
        return (
            isinstance(outer, ast.Call)
            and call in outer.args
            and isinstance(outer.func, ast.Attribute)
            and outer.func.attr == "step"
        )

    def _interacts(self, loop: LoopNode, ctx: Context) -> bool:
        """Whether the loop steps an environment, which needs the values on the host."""
        for node in ctx.flow.own_body(loop):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "step":
                if (node.args or node.keywords) and ctx.training.action(node) is None:
                    if not isinstance(ctx.tree.parent(node), ast.Expr):
                        return True
        return False

    def _seldom(self, node: ast.Call, loop: LoopNode, ctx: Context) -> bool:
        """Whether a read happens in some passes only, or decides whether to go on."""
        if ctx.flow.is_conditional(node, loop):
            return True
        child: ast.AST = node
        for ancestor in ctx.tree.ancestors(node):
            if ancestor is loop:
                break
            if isinstance(ancestor, (ast.ExceptHandler, ast.Assert, ast.Lambda)):
                return True
            if isinstance(ancestor, ast.If) and child is ancestor.test and any(map(_leaves, ancestor.body)):
                return True
            child = ancestor
        if isinstance(loop, ast.While) and child is loop.test:
            return True
        return ctx.flow.guarded_every_n_steps(node, loop)

    def _fix(self, node: ast.Call, value: ast.expr, loop: LoopNode, ctx: Context) -> Fix | None:
        """The sum `total += loss.item()`, made on the device."""
        func = node.func
        statement = ctx.tree.statement(node)
        if not (isinstance(func, ast.Attribute) and func.attr == "item" and isinstance(statement, ast.AugAssign)):
            return None
        target = statement.target
        if not isinstance(statement.op, ast.Add) or not isinstance(target, ast.Name) or loop.orelse:
            return None
        child: ast.AST = node
        while child is not statement.value:
            parent = ctx.tree.parent(child)
            if not isinstance(parent, ast.BinOp) or not isinstance(parent.op, ast.Mult):
                return None
            child = parent
        if not self._only_summed(target, statement, loop, ctx):
            return None
        receiver = ctx.text(value)
        detached = isinstance(value, ast.Attribute) and value.attr == "data"
        if func.value is not value:
            return None
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
            detached = value.func.attr == "detach"

        def build() -> list[Edit]:
            if detached:
                made = ctx.edits.replace(node, "$value", value=value)
            else:
                made = ctx.edits.replace(node, "$value.detach()", value=value)
            return [made, ctx.edits.insert_after(loop, f"{target.id} = float({target.id})")]

        return ctx.fix(build, Safety.UNSAFE, f"Add up `{receiver}` on the device and read the sum after the loop")

    def _only_summed(self, target: ast.Name, statement: ast.AugAssign, loop: LoopNode, ctx: Context) -> bool:
        """Whether a sum starts at a number outside of the loop and nothing else in the loop reads or changes it."""
        found = ctx.names.lookup(target)
        if found is None or found[0] is not ctx.tree.scope(statement):
            return False
        inside = {id(inner) for inner in walk(loop)}
        starts = 0
        for binding in found[1]:
            if binding.node is statement:
                continue
            if id(binding.node) not in inside:
                starts += binding.how == "assign" and ctx.kinds.of(binding.value).name in ("int", "float")
                continue
            return False
        return starts > 0 and not ctx.flow.reads(target.id, [*loop.body])

    examples = (
        Example(
            given=GIVEN + DATA,
            bad="""
total = 0.0
for x, y in loader:
    x, y = x.to(device), y.to(device)
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    total += loss.item()
mean = total / len(loader)
""",
            good="""
total = 0.0
for x, y in loader:
    x, y = x.to(device), y.to(device)
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    total += loss.detach()
total = float(total)
mean = total / len(loader)
""",
            equal="round(mean, 4), type(mean).__name__",
        ),
        Example(
            given=GIVEN + DATA,
            bad="""
def train(model, criterion, optimizer, loader):
    running_loss = 0
    for step, (x, y) in enumerate(loader):
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        running_loss += loss.item() * x.size(0)  # a mean over the batch
    # the mean over all samples
    return running_loss / len(loader.dataset)

mean = train(model, criterion, optimizer, loader)
""",
            good="""
def train(model, criterion, optimizer, loader):
    running_loss = 0
    for step, (x, y) in enumerate(loader):
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        running_loss += loss.detach() * x.size(0)  # a mean over the batch
    running_loss = float(running_loss)
    # the mean over all samples
    return running_loss / len(loader.dataset)

mean = train(model, criterion, optimizer, loader)
""",
            equal="round(mean, 4), type(mean).__name__",
        ),
        Example(
            given=GIVEN,
            bad="""
losses = []
for x, y in loader:
    loss = nn.functional.cross_entropy(model(x.to(device)), y.to(device))
    loss.backward()
    optimizer.step()
    losses.append(loss.detach().cpu().numpy())
""",
            note="one finding for the chain; a list is not a sum",
        ),
        Example(
            given=GIVEN,
            bad="""
for step, (x, y) in enumerate(loader):
    loss = criterion(model(x.to(device)), y.to(device))
    loss.backward()
    optimizer.step()
    print(f"step {step}: {loss:.3f}")
""",
        ),
        Example(
            given=GIVEN,
            bad="""
for x, y in loader:
    out = model(x.to(device))
    loss = criterion(out, y.to(device))
    loss.backward()
    optimizer.step()
    bar.set_postfix(loss=float(loss))
    _, predicted = torch.max(out, 1)
    hits.append((predicted == y).sum().item())
""",
            count=2,
        ),
        Example(
            given="from accelerate import Accelerator\nimport torch\naccelerator = Accelerator()",
            bad="""
def train(model, optimizer, loader):
    for batch in loader:
        loss = model(**batch).loss
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        bar.set_postfix(loss=loss.item())
""",
            note="what goes backward is a tensor",
        ),
        Example(
            given=GIVEN,
            bad="""
for x, y in loader:
    loss = criterion(model(x.to(device)), y.to(device))
    loss.backward()
    optimizer.step()
    torch.cuda.synchronize()
""",
        ),
        Example(
            given=GIVEN,
            ok="""
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
for x, y in loader:
    loss = criterion(model(x.to(device)), y.to(device))
    loss.backward()
    optimizer.step()
    plateau.step(loss.item())
""",
            note="the scheduler compares it in each pass",
        ),
        Example(
            given=GIVEN,
            ok="""
for step, (x, y) in enumerate(loader):
    loss = criterion(model(x.to(device)), y.to(device))
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(loss.item())
    if is_main_process():
        log(loss.item())
    writer.add_scalar("loss", loss.item()) if step % 10 == 0 else None
""",
        ),
        Example(
            given=GIVEN,
            ok="""
for epoch in range(3):
    for x, y in loader:
        loss = criterion(model(x.to(device)), y.to(device))
        loss.backward()
        optimizer.step()
    print(loss.item())
""",
        ),
        Example(
            given="from torch import nn, optim\nmodel = nn.Linear(3, 2)\nopt = optim.SGD(model.parameters())",
            ok="""
for x, y in loader:
    loss = model(x).sum()
    loss.backward()
    opt.step()
    total += loss.item()
""",
            note="no CUDA in sight",
        ),
        Example(
            given=GIVEN,
            ok="""
for x, y in loader:
    loss = criterion(model(x.to(device)), y.to(device))
    if not math.isfinite(loss.item()):
        raise RuntimeError("diverged")
    loss.backward()
    optimizer.step()
    meter.update(value.item(), epoch.item())
    names = torch.tensor(labels).tolist()
""",
            note="a guard; values of unknown kind; a tensor that was made on the host",
        ),
        Example(
            given=GIVEN,
            ok="""
for t in range(100):
    out = model(state)
    action = out.argmax().item()
    state, reward, done = env.step(action)
    loss = criterion(out, target)
    loss.backward()
    optimizer.step()
""",
            note="the environment needs the value",
        ),
        Example(
            given=GIVEN,
            ok="for x, y in loader:\n    total += criterion(model(x.to(device)), y).item()\n",
            note="not a training loop",
        ),
        Example(
            given=GIVEN,
            ok="""
for step, (x, y) in enumerate(loader):
    loss = criterion(model(x.to(device)), y.to(device))
    loss.backward()
    optimizer.step()
    if step % 50:
        continue
    print(loss.item())
""",
        ),
    )


def _leaves(statement: ast.stmt) -> bool:
    """Whether a statement leaves the loop or the program."""
    if isinstance(statement, (ast.Raise, ast.Break, ast.Return, ast.Continue)):
        return True
    if isinstance(statement, LOOPS):
        return False
    return any(
        isinstance(inner, ast.Call)
        and isinstance(inner.func, (ast.Name, ast.Attribute))
        and (inner.func.id if isinstance(inner.func, ast.Name) else inner.func.attr) in ("exit", "_exit", "quit")
        for inner in walk(statement)
    )
