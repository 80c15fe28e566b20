from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import (
    DATA_LOADER,
    FUNCTIONS,
    LOSS,
    MODULE,
    OPTIMIZER,
    Action,
    Context,
    Edit,
    Example,
    Finding,
    LoopNode,
    Method,
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
_PLAIN = frozenset({"int", "float", "bool", "str", "scalar", "None"})


class RetainGraphInLoop(Rule):
    """`backward(retain_graph=True)` keeps a graph that nobody goes through a second time.

    ## Why
    `backward()` frees what the forward pass has kept for it as it goes along. With `retain_graph=True` everything stays
    until the loss itself goes, in the next round of the loop after the next forward pass: two sets of activations lie
    in memory at the peak in place of one.

    ## Fix safety
    Unsafe: if something that is not seen goes through the graph again, it raises then. The argument is dropped.

    ## Known limits
    Only where all that the loss is computed from is seen to be made in the same round. States that are carried over,
    models of the project that keep some, a second `backward` or `autograd.grad` silence the rule.

    ## References
    - PyTorch documentation, `torch.Tensor.backward`: "Note that in nearly all cases setting this option to True is not
      needed".
    """

    code, name = "ML409", "retain-graph-in-loop"
    libraries = ("torch",)
    words = ("retain_graph",)
    safety = Safety.UNSAFE
    triggers = (Method("backward"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        retain = next((keyword for keyword in node.keywords if keyword.arg == "retain_graph"), None)
        if retain is None or not isinstance(retain.value, ast.Constant) or retain.value.value is not True:
            return
        if any(keyword.arg == "create_graph" for keyword in node.keywords):
            return
        loop = ctx.flow.loop(node)
        action = ctx.training.action(node)
        if loop is None or action is None or action.engine or action.expression is None:
            return
        made = ctx.training.round_of(loop)
        if made.of("backward") != [action] or not ctx.training.is_training(made):
            return
        if self._differentiates(loop, ctx) or not self._made_here(action, loop, ctx):
            return

        def build() -> Edit:
            return ctx.edits.remove_keyword(node, "retain_graph")

        yield ctx.finding(
            retain.value,
            f"keeps the graph of `{ctx.short(action.expression)}` through the next forward pass, and nobody needs it",
            "drop `retain_graph=True`",
            ctx.fix(build, Safety.UNSAFE, "Drop `retain_graph=True`"),
        )

    def _differentiates(self, loop: LoopNode, ctx: Context) -> bool:
        """Whether something else may go through a graph in a round, or code that is not seen may."""
        for inner in walk_statements(loop.body):
            if isinstance(inner, ast.Attribute) and inner.attr in ("grad_fn", "retain_grad", "autograd"):
                return True
            if isinstance(inner, ast.Call) and (ctx.dotted(inner.func) or "").startswith("torch.autograd."):
                return True
        return any(ctx.training.unknown(ctx.training.round_of(loop)))

    def _made_here(self, action: Action, loop: LoopNode, ctx: Context) -> bool:
        """Whether all that a loss is computed from is made in the same round, or has no graph."""
        assert action.expression is not None
        inside = set(walk(loop))
        pending: list[ast.AST] = [action.expression]
        seen: set[ast.AST] = set()
        while pending:
            current = pending.pop()
            for inner in walk(current):
                if isinstance(inner, ast.Call) and not self._is_known(inner, ctx):
                    return False
                if isinstance(inner, ast.Attribute) and ctx.kinds.is_self(inner.value):
                    called = isinstance(ctx.tree.parent(inner), ast.Call)
                    if not called and not ctx.is_a(inner, MODULE, LOSS, OPTIMIZER):
                        return False
                if not isinstance(inner, ast.Name) or not isinstance(inner.ctx, ast.Load):
                    continue
                if ctx.dotted(inner) is not None or ctx.is_a(inner, MODULE, LOSS, OPTIMIZER, DATA_LOADER):
                    continue
                if ctx.kinds.of(inner).name in _PLAIN or ctx.kinds.is_self(inner):
                    continue
                bindings = ctx.reaching.of(inner)
                if not bindings:
                    return False
                for binding in bindings:
                    place = binding.node
                    if place is loop or (binding.how == "for" and place in inside):
                        continue  # data
                    if place not in inside or binding.how != "assign" or binding.value is None:
                        return False
                    if getattr(place, "lineno", 0) > inner.lineno:
                        return False  # of the round before
                    if binding.value not in seen:
                        seen.add(binding.value)
                        pending.append(binding.value)
        return True

    def _is_known(self, call: ast.Call, ctx: Context) -> bool:
        """Whether a call is seen to keep no tensor with a graph: of the library, or a model that stores none."""
        func = call.func
        dotted = ctx.dotted(func)
        if dotted is not None:
            return dotted.startswith("torch.") or "." not in dotted
        kind = ctx.kinds.of(func)
        if kind.is_a(MODULE, LOSS):
            if kind.definition is None:
                return not kind.is_first_party and not kind.alternatives
            return not _keeps(kind.definition)
        if isinstance(func, ast.Attribute):
            return not ctx.kinds.of(func.value).is_first_party and not ctx.kinds.is_self(func.value)
        return False

    examples = (
        Example(
            given=GIVEN + "other = optim.SGD(model.parameters(), lr=0.1)\n",
            ok="""
for x, y in loader:
    optimizer.zero_grad()
    out = model(x)
    criterion(out, y).backward(retain_graph=True)
    out.mean().backward()
    optimizer.step()
""",
            note="a second pass through the graph",
        ),
        Example(
            given=GIVEN + "rnn = nn.GRU(3, 1)\nh = None\n",
            ok="""
for x, y in loader:
    optimizer.zero_grad()
    out, h = rnn(x, h)
    loss = criterion(out, y)
    loss.backward(retain_graph=True)
    optimizer.step()
""",
            note="the state is carried over",
        ),
        Example(
            given=GIVEN + "z = model(torch.ones(3))\n",
            ok="""
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(z * x, y)
    loss.backward(retain_graph=True)
    optimizer.step()
""",
            note="computed once, before the loop",
        ),
        Example(
            given=GIVEN,
            ok="""
class Memory(nn.Module):
    def forward(self, x):
        self.state = self.state + x
        return self.state

memory = Memory()
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(memory(x), y)
    loss.backward(retain_graph=True)
    optimizer.step()
""",
        ),
        Example(
            given=GIVEN + "from somewhere import penalty\n",
            ok="""
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y) + penalty(model)
    loss.backward(retain_graph=True)
    optimizer.step()
""",
        ),
        Example(
            given=GIVEN,
            bad="""
for x, y in loader:
    optimizer.zero_grad()
    output = model(x)
    loss = criterion(output, y)
    loss.backward(retain_graph=True)
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
            given="""
import torch
from torch import nn, optim

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
optimizer = optim.Adam(model.parameters())
batches = [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(3)]
""",
            bad="""
for x, y in batches:
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward(retain_graph=True)
    optimizer.step()
weights = model[0].weight.detach()
""",
            good="""
for x, y in batches:
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
weights = model[0].weight.detach()
""",
            equal="weights",
        ),
    )


def _keeps(definition: ast.ClassDef) -> bool:
    """Whether a module stores something on itself outside of `__init__`."""
    for part in definition.body:
        if isinstance(part, FUNCTIONS) and part.name != "__init__":
            for inner in walk(part):
                if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
                    return True
                if isinstance(inner, ast.Attribute) and inner.attr in ("append", "extend", "update", "insert"):
                    return True
    return False
