from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Context, Edit, Example, Finding, Fix, LoopNode, Method, Node, Rule, Safety, walk

GIVEN = """\
import torch
from torch import nn, optim

torch.manual_seed(0)
model = nn.Linear(4, 1)
criterion = nn.MSELoss()
optimizer = optim.SGD(model.parameters(), lr=0.1)
loader = [(torch.randn(5, 4), torch.randn(5, 1)) for _ in range(4)]
"""
_READING = frozenset("len float print str round int".split())
_OF_GRAPH = frozenset("requires_grad grad_fn grad is_leaf retain_grad register_hook".split())
"""What of a tensor tells whether it has a graph."""


class GraphKeptByAccumulator(Rule):
    """Losses are summed up or collected with their autograd graphs: memory grows with every training step.

    ## Why
    A loss refers to the graph that computed it. `total += loss` makes `total` refer to the graphs of all steps, and a
    list of losses keeps them one by one, until the sum or the list is dropped. Memory grows linearly with the number
    of steps, and an epoch that starts well ends out of memory.

    ## Fix safety
    Safe where the sum or list is local and only its numbers are read, so that nothing could go backward through it;
    what is printed of a tensor no longer names its `grad_fn`. Unsafe where it is returned or kept on an object.

    ## Known limits
    Only values that are proven to be losses or scored outputs, in loops that go backward and step. A sum that itself
    goes backward, or is handed to a function that cannot be followed, is left alone.

    ## References
    - PyTorch documentation, "Frequently Asked Questions", section "My model reports cuda runtime error(2): out of
      memory": "Don't accumulate history across your training loop".
    """

    code, name = "ML701", "graph-kept-by-accumulator"
    libraries = ("torch",)
    words = ("backward(",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Method("append"), Node(ast.AugAssign))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        loop = ctx.flow.loop(node)
        if loop is None:
            return
        target: ast.expr
        if isinstance(node, ast.AugAssign):
            target, value = node.target, node.value
            if not isinstance(node.op, (ast.Add, ast.Sub)):
                return
        else:
            assert isinstance(node, ast.Call)
            assert isinstance(node.func, ast.Attribute)
            if len(node.args) != 1 or node.keywords:
                return
            target, value = node.func.value, node.args[0]
        if not isinstance(target, (ast.Name, ast.Attribute)) or isinstance(value, ast.Constant):
            return
        statement = ctx.tree.statement(node)
        if not self._lives_on(target, statement, loop, ctx):
            return
        training = ctx.training
        if not training.on_graph(value, training.direct(loop)) or ctx.flow.grad_context(node):
            return
        if not training.is_training(training.round_of(loop)):
            return
        safety = self._reads(target, statement, ctx)
        if safety is None:
            return

        def build() -> Edit:
            return ctx.edits.replace(value, "$x.detach()", x=value)

        fix: Fix = ctx.fix(build, safety, f"Detach `{ctx.short(value)}`")
        yield ctx.finding(
            node,
            f"`{ctx.short(target)}` keeps the graph of every `{ctx.short(value)}`: memory grows with each pass",
            f"add `{ctx.short(value)}.detach()`",
            fix,
        )

    def _lives_on(self, target: ast.expr, statement: ast.stmt, loop: LoopNode, ctx: Context) -> bool:
        """Whether a sum or list is made before the loop, from a number, a tensor or a list."""
        inside = {id(inner) for inner in walk(loop)}
        if isinstance(target, ast.Attribute):
            if not ctx.kinds.is_self(target.value):
                return False
            name = ast.unparse(target)
            owner = ctx.tree.class_of(target)
            values = [] if owner is None else ctx.kinds.attribute_values(owner, target.attr)
            return bool(values) and not any(
                isinstance(inner, ast.Attribute)
                and isinstance(inner.ctx, (ast.Store, ast.Del))
                and inner is not getattr(statement, "target", None)
                and ast.unparse(inner) == name
                for part in loop.body
                for inner in walk(part)
            )
        assert isinstance(target, ast.Name)
        found = ctx.names.lookup(target)
        if found is None or found[0] is not ctx.tree.scope(statement):
            return False
        started = False
        for binding in found[1]:
            if binding.node is statement:
                continue
            if id(binding.node) in inside or binding.how != "assign" or binding.path:
                return False
            kind = ctx.kinds.of(binding.value)
            if kind.name not in ("int", "float", "list", "torch.Tensor"):
                return False
            started = True
        return started

    def _reads(self, target: ast.expr, statement: ast.stmt, ctx: Context) -> Safety | None:
        """How safe it is to detach: None where something could go backward through the sum."""
        name = ast.unparse(target)
        scope: ast.AST = ctx.tree.function(statement) or ctx.model.module
        safety = Safety.SAFE
        if isinstance(target, ast.Attribute):
            scope = ctx.tree.class_of(target) or scope
            safety = Safety.UNSAFE
        own = {id(inner) for inner in walk(statement)}
        for inner in walk(scope):
            if not isinstance(inner, (ast.Name, ast.Attribute)) or not isinstance(inner.ctx, ast.Load):
                continue
            if id(inner) in own or ast.unparse(inner) != name:
                continue
            use = self._use(inner, ctx)
            if use is None:
                return None
            if use is Safety.UNSAFE:
                safety = use
        return safety

    def _use(self, node: ast.expr, ctx: Context) -> Safety | None:
        """What a read of the sum means for detaching: SAFE, UNSAFE where it leaves the function, None if unknown."""
        child: ast.AST = node
        for ancestor in ctx.tree.ancestors(node):
            if isinstance(ancestor, ast.Attribute) and ancestor.attr in _OF_GRAPH:
                return None
            if isinstance(ancestor, ast.NamedExpr):
                return None
            if isinstance(ancestor, (ast.For, ast.comprehension)):
                return self._gone_over(ancestor, ctx)
            if isinstance(ancestor, ast.Call):
                if child is ancestor.func:
                    assert isinstance(child, ast.Attribute)
                    if child.attr == "backward":
                        return None
                    if child.attr in ("item", "detach", "tolist", "append", "clear", "extend"):
                        return Safety.SAFE
                elif ctx.kinds.is_a(ancestor, "torch.Tensor") or ctx.dotted(ancestor.func) in ("sum", "max", "min"):
                    pass  # a tensor made from it: where does that one go?
                elif not self._only_reads(ancestor, ctx):
                    return None
                else:
                    return Safety.SAFE
            elif isinstance(ancestor, (ast.FormattedValue, ast.JoinedStr, ast.Compare)):
                return Safety.SAFE
            elif isinstance(ancestor, (ast.Return, ast.Yield)):
                return Safety.UNSAFE
            elif isinstance(ancestor, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
                return self._assigned(ancestor, ctx)
            elif isinstance(ancestor, ast.stmt):
                return Safety.SAFE
            child = ancestor
        return None

    def _gone_over(self, loop: ast.For | ast.comprehension, ctx: Context) -> Safety | None:
        """What going over a list means: SAFE where of each element only the number is taken."""
        body: list[ast.AST] = [ctx.tree.parent(loop) or loop] if isinstance(loop, ast.comprehension) else [*loop.body]
        if not isinstance(loop.target, ast.Name):
            return None
        for part in body:
            for inner in walk(part):
                if isinstance(inner, ast.Name) and inner.id == loop.target.id and isinstance(inner.ctx, ast.Load):
                    if self._element(inner, ctx) is None:
                        return None
        return Safety.SAFE

    def _element(self, name: ast.Name, ctx: Context) -> Safety | None:
        """What the use of one element of a list means."""
        parent = ctx.tree.parent(name)
        if isinstance(parent, ast.FormattedValue):
            return Safety.SAFE
        if isinstance(parent, ast.Call) and ctx.dotted(parent.func) in ("float", "int", "print"):
            return Safety.SAFE
        if isinstance(parent, ast.Attribute) and parent.attr in ("item", "detach", "tolist"):
            return Safety.SAFE
        return None

    def _only_reads(self, call: ast.Call, ctx: Context) -> bool:
        dotted = ctx.dotted(call.func)
        if dotted is not None:
            return dotted in _READING or dotted.startswith(("numpy.", "matplotlib.", "statistics.", "math."))
        if isinstance(call.func, ast.Attribute):
            return call.func.attr in ("format", "info", "debug", "add_scalar", "set_postfix", "set_description", "plot")
        return False

    def _assigned(self, statement: ast.Assign | ast.AugAssign | ast.AnnAssign, ctx: Context) -> Safety | None:
        """The sum goes into another name: follow that one."""
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        worst = Safety.SAFE
        for target in targets:
            if not isinstance(target, ast.Name):
                return None
            scope = ctx.tree.function(statement) or ctx.model.module
            own = {id(inner) for inner in walk(statement)}
            for inner in walk(scope):
                if isinstance(inner, ast.Name) and inner.id == target.id and isinstance(inner.ctx, ast.Load):
                    if id(inner) in own:
                        continue
                    parent = ctx.tree.statement(inner)
                    if isinstance(parent, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
                        return None  # too far to follow
                    use = self._use(inner, ctx)
                    if use is None:
                        return None
                    worst = use if use is Safety.UNSAFE else worst
        return worst

    examples = (
        Example(
            given=GIVEN,
            bad="""
total = 0
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    total += loss
print(f"mean {total / len(loader)}")
mean = float(total) / len(loader)
""",
            good="""
total = 0
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    total += loss.detach()
print(f"mean {total / len(loader)}")
mean = float(total) / len(loader)
""",
            equal="mean",
            safety="safe",
        ),
        Example(
            given=GIVEN,
            bad="""
losses = []
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    losses.append(loss * 2)  # twice
mean = torch.stack(losses).mean().item()
""",
            good="""
losses = []
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    losses.append((loss * 2).detach())  # twice
mean = torch.stack(losses).mean().item()
""",
            equal="mean",
            safety="safe",
        ),
        Example(
            bad="""
import torch

def train(model, optimizer, loader):
    running_loss = 0.0
    for batch in loader:
        loss = model(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running_loss += loss
    return running_loss / len(loader)
""",
            good="""
import torch

def train(model, optimizer, loader):
    running_loss = 0.0
    for batch in loader:
        loss = model(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running_loss += loss.detach()
    return running_loss / len(loader)
""",
            safety="unsafe",
        ),
        Example(
            bad="""
import torch
from torch import nn

class Trainer:
    def __init__(self, net, opt):
        self.net, self.opt = net, opt
        self.history = []
        self.loss = nn.MSELoss()

    def fit(self, loader):
        for x, y in loader:
            loss = self.loss(self.net(x), y)
            loss.backward()
            self.opt.step()
            self.history.append(loss)
""",
            good="""
import torch
from torch import nn

class Trainer:
    def __init__(self, net, opt):
        self.net, self.opt = net, opt
        self.history = []
        self.loss = nn.MSELoss()

    def fit(self, loader):
        for x, y in loader:
            loss = self.loss(self.net(x), y)
            loss.backward()
            self.opt.step()
            self.history.append(loss.detach())
""",
            safety="unsafe",
        ),
        Example(
            given=GIVEN,
            ok="""
losses = []
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward(retain_graph=True)
    losses.append(loss)
for loss in losses:
    loss.backward()
optimizer.step()
""",
            note="each of them goes backward",
        ),
        Example(
            given=GIVEN,
            ok="""
total = 0
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    total += loss
kept = total.requires_grad
""",
            note="asks for the graph",
        ),
        Example(
            given=GIVEN,
            ok="""
total, seen, logged = 0.0, [], []
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    total += loss.item()
    seen.append(loss.detach())
    logged.append(float(loss))
""",
        ),
        Example(
            given=GIVEN,
            ok="""
losses = []
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    loss = loss.item()
    losses.append(loss)
""",
            note="a float by then",
        ),
        Example(
            given=GIVEN,
            ok="""
for batch in loader:
    total = 0
    parts = []
    for x, y in batch:
        total += criterion(model(x), y)
        parts.append(criterion(model(x), y))
    (total + sum(parts)).backward()
    optimizer.step()
""",
            note="the sum is what goes backward",
        ),
        Example(
            given=GIVEN,
            ok="""
total = 0
for i, (x, y) in enumerate(loader):
    loss = criterion(model(x), y)
    loss.backward(retain_graph=True)
    optimizer.step()
    total += loss
penalty = total * 2
penalty.backward()
""",
        ),
        Example(
            given=GIVEN,
            ok="""
losses = []
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    losses.append(loss)
finish(losses)
""",
            note="who knows what becomes of it",
        ),
        Example(
            given=GIVEN,
            ok="""
losses = []
for x, y in loader:
    model(x).mean().backward()
    optimizer.step()
    with torch.no_grad():
        losses.append(criterion(model(x), y))
""",
        ),
        Example(
            given=GIVEN,
            ok="""
losses = []
for x, y in loader:
    model(x).mean().backward()
    optimizer.step()
    with torch.no_grad():
        value = criterion(model(x), y)
    losses.append(value)
    meter.append(value)
""",
        ),
        Example(given=GIVEN, ok="losses = []\nfor x, y in loader:\n    losses.append(criterion(model(x), y))\n"),
    )
