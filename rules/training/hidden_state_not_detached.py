from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from mlint.rule import FUNCTIONS, MODULE, Context, Edit, Example, Finding, Fix, LoopNode, Method, Rule, Safety, walk

GIVEN = """\
import torch
from torch import nn, optim
import torch.nn.functional as F

torch.manual_seed(0)
rnn = nn.GRU(3, 4)
lstm = nn.LSTM(3, 4)
optimizer = optim.SGD([*rnn.parameters(), *lstm.parameters()], lr=0.1)
loader = [(torch.randn(5, 2, 3), torch.randn(5, 2, 4)) for _ in range(3)]
"""
_RECURRENT = ("torch.nn.RNN", "torch.nn.LSTM", "torch.nn.GRU", "torch.nn.RNNCell", "torch.nn.GRUCell")


class Carried(NamedTuple):
    """A state that goes from round to round: its name, and the statement that computes the next one."""

    name: str
    statement: ast.Assign
    call: ast.Call


class HiddenStateNotDetached(Rule):
    """The hidden state is carried over to the next batch together with the graph of all batches so far.

    ## Why
    The state that comes out of a batch has been computed from it. When it goes into the next one as it is, the next
    `backward()` passes through the graph of the batch before, whose buffers have been freed: it raises "Trying to
    backward through the graph a second time". With `retain_graph=True` it runs, and each step is slower and needs more
    memory than the one before. Truncated backpropagation keeps the values of the state and drops their history.

    ## Fix safety
    Unsafe: gradients end at the boundary of the batch, as intended. The state is detached in front of the call.

    ## References
    - PyTorch examples, "word_language_model", `repackage_hidden`.
    - Williams & Peng (1990), "An efficient gradient-based algorithm for on-line training of recurrent network
      trajectories".
    """

    code, name = "ML420", "hidden-state-not-detached"
    libraries = ("torch",)
    words = ("backward(",)
    safety = Safety.UNSAFE
    triggers = (Method("backward"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        loop = ctx.flow.loop(node)
        action = ctx.training.action(node)
        if loop is None or action is None or action.role != "backward" or ctx.flow.is_conditional(node, loop):
            return
        made = ctx.training.round_of(loop)
        if made.of("backward") != [action] or ctx.model.grad_mode.decided(node):
            return
        for carried in self._carried(loop, ctx):
            name = carried.name
            if carried.statement.lineno >= node.lineno or carried.call not in ctx.training.feeding(action.expression):
                continue
            yield ctx.finding(
                carried.call,
                f"`{name}` brings the graphs of all batches before into this one: `backward()` goes through them again",
                f"detach `{name}` first",
                self._fix(carried, ctx),
            )

    def _carried(self, loop: LoopNode, ctx: Context) -> Iterator[Carried]:
        """The states that a module is given and gives back, and that nothing else in the loop touches."""
        for statement in loop.body:
            block = statement.body if isinstance(statement, ast.With) else [statement]
            for inner in block:
                if not isinstance(inner, ast.Assign) or not isinstance(inner.value, ast.Call):
                    continue
                if len(inner.targets) != 1:
                    continue
                target, call = inner.targets[0], inner.value
                names = [part.id for part in getattr(target, "elts", [target]) if isinstance(part, ast.Name)]
                given = {part.id for part in call.args if isinstance(part, ast.Name)}
                for name in names:
                    if name in given and self._keeps_graph(call, ctx) and self._only(name, inner, loop, ctx):
                        yield Carried(name, inner, call)

    def _keeps_graph(self, call: ast.Call, ctx: Context) -> bool:
        """Whether a call is of a module that gives a state with its graph."""
        kind = ctx.kinds.of(call.func)
        if kind.name in _RECURRENT:
            return True
        if kind.definition is None or not kind.is_a(MODULE):
            return False
        forward = ctx.kinds.method(kind.definition, "forward")
        if not isinstance(forward, FUNCTIONS) or ctx.model.grad_mode.decided(forward.body[0]):
            return False
        if any(isinstance(n, ast.Attribute) and n.attr in ("detach", "detach_", "data") for n in walk(kind.definition)):
            return False
        return any(
            isinstance(n, ast.Call) and ctx.kinds.of(n.func).name in _RECURRENT and ctx.tree.function(n) is forward
            for n in walk(forward)
        )

    def _only(self, name: str, statement: ast.Assign, loop: LoopNode, ctx: Context) -> bool:
        """Whether a name is bound in a loop by one statement, and handed to nobody who may detach it in place."""
        for inner in walk(loop):
            if isinstance(inner, ast.Name) and inner.id == name:
                if isinstance(inner.ctx, ast.Store) and ctx.tree.statement(inner) is not statement:
                    return False
                if isinstance(inner.ctx, ast.Load) and ctx.tree.statement(inner) is not statement:
                    parent = ctx.tree.parent(inner)
                    if isinstance(parent, (ast.Attribute, ast.comprehension, ast.For, ast.keyword)):
                        return False
                    if isinstance(parent, ast.Call):
                        return False
        return True

    def _fix(self, carried: Carried, ctx: Context) -> Fix | None:
        kind = ctx.kinds.of(carried.call.func)
        before = [b for b in ctx.reaching.at(carried.statement, carried.name) if b.node is not carried.statement]
        if kind.name not in _RECURRENT or not before:
            return None
        if any(b.value is None or (isinstance(b.value, ast.Constant) and b.value.value is None) for b in before):
            return None  # None has nothing to be detached from
        name = carried.name
        pair = kind.name == "torch.nn.LSTM"
        text = f"{name} = tuple(part.detach() for part in {name})" if pair else f"{name} = {name}.detach()"

        def build() -> Edit:
            return ctx.edits.insert_before(carried.statement, text)

        return ctx.fix(build, Safety.UNSAFE, f"Detach `{name}`")

    examples = (
        Example(
            given=GIVEN,
            ok="""
h = torch.zeros(1, 2, 4)
for x, y in loader:
    h = h.detach()
    optimizer.zero_grad()
    out, h = rnn(x, h)
    F.mse_loss(out, y).backward()
    optimizer.step()
for x, y in loader:
    h = torch.zeros(1, 2, 4)
    optimizer.zero_grad()
    out, h = rnn(x, h)
    F.mse_loss(out, y).backward()
    optimizer.step()
""",
        ),
        Example(
            given=GIVEN,
            ok="""
h = torch.zeros(1, 2, 4)
total = 0
for x, y in loader:
    out, h = rnn(x, h)
    total = total + F.mse_loss(out, y)
optimizer.zero_grad()
total.backward()
optimizer.step()
""",
            note="one backward, after the loop",
        ),
        Example(
            given=GIVEN + "from somewhere import repackage\n",
            ok="""
state = None
for x, y in loader:
    optimizer.zero_grad()
    out, state = lstm(x, state)
    F.mse_loss(out, y).backward()
    optimizer.step()
    state = repackage(state)
h = torch.zeros(1, 2, 4)
for x, y in loader:
    optimizer.zero_grad()
    out, h = rnn(x, h)
    F.mse_loss(out, y).backward()
    optimizer.step()
    h.detach_()
""",
        ),
        Example(
            given=GIVEN,
            ok="""
for x, y in loader:
    h = torch.zeros(1, 2, 4)
    optimizer.zero_grad()
    for t in range(5):
        out, h = rnn(x[t : t + 1], h)
    F.mse_loss(out, y).backward()
    optimizer.step()
""",
            note="through time, within a batch",
        ),
        Example(
            given=GIVEN,
            bad="""
h = torch.zeros(1, 2, 4)
for x, y in loader:
    optimizer.zero_grad()
    out, h = rnn(x, h)
    loss = F.mse_loss(out, y)
    loss.backward()
    optimizer.step()
done = bool(loss.isfinite())
""",
            good="""
h = torch.zeros(1, 2, 4)
for x, y in loader:
    optimizer.zero_grad()
    h = h.detach()
    out, h = rnn(x, h)
    loss = F.mse_loss(out, y)
    loss.backward()
    optimizer.step()
done = bool(loss.isfinite())
""",
            equal="done",
            raises="RuntimeError",
        ),
        Example(
            given=GIVEN,
            bad="""
state = (torch.zeros(1, 2, 4), torch.zeros(1, 2, 4))
for x, y in loader:
    optimizer.zero_grad()
    out, state = lstm(x, state)
    loss = F.mse_loss(out, y)
    loss.backward(retain_graph=True)
    optimizer.step()
""",
            good="""
state = (torch.zeros(1, 2, 4), torch.zeros(1, 2, 4))
for x, y in loader:
    optimizer.zero_grad()
    state = tuple(part.detach() for part in state)
    out, state = lstm(x, state)
    loss = F.mse_loss(out, y)
    loss.backward(retain_graph=True)
    optimizer.step()
""",
        ),
        Example(
            bad="""
import torch
from torch import nn

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 4)
        self.out = nn.Linear(4, 2)

    def forward(self, x, hidden):
        output, hidden = self.rnn(x, hidden)
        return self.out(output), hidden

def train(loader, optimizer, criterion):
    model = Model()
    hidden = None
    for x, y in loader:
        optimizer.zero_grad()
        output, hidden = model(x, hidden)
        loss = criterion(output, y)
        loss.backward()
        optimizer.step()
""",
        ),
    )
