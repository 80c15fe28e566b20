from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import LOSS, MODULE, Context, Edit, Example, Finding, Fix, Method, Rule, Safety

GIVEN = """\
import torch
from torch import nn, optim
import torch.nn.functional as F

model = nn.Linear(3, 4)
optimizer = optim.SGD(model.parameters(), lr=0.1)
"""
_WRAPPERS = frozenset({"torch.tensor", "torch.as_tensor", "torch.autograd.Variable", "torch.nn.Parameter"})
_ENDING = {
    "argmax": "`argmax` gives indices",
    "argmin": "`argmin` gives indices",
    "detach": "`detach` cuts the graph",
    "item": "`item` gives a number",
    "numpy": "`numpy` leaves autograd",
    "round": "the gradient of `round` is zero",
    "floor": "the gradient of `floor` is zero",
    "ceil": "the gradient of `ceil` is zero",
    "sign": "the gradient of `sign` is zero",
}
_PASSING = frozenset("float double half to cuda cpu view reshape squeeze unsqueeze flatten clone".split())


class LossRewrapped(Rule):
    """The loss is cut off from the model before `backward()`: no parameter gets a gradient.

    ## Why
    `torch.tensor(loss, requires_grad=True)` copies the value into a new leaf. `backward()` runs without complaint, and
    fills the gradient of that leaf alone. It is mostly written to silence "element 0 of tensors does not require grad",
    whose reason it hides: an `argmax`, a `round`, a `detach` or a way through NumPy between the model and the loss,
    through which no gradient passes.

    ## Fix safety
    Unsafe: the model begins to train. The loss itself goes backward. An operation without gradient is reported only.

    ## Known limits
    Only in loops and functions that step an optimizer as well.

    ## References
    - PyTorch documentation, `torch.tensor`: "copies data"; "Autograd mechanics".
    """

    code, name = "ML417", "loss-rewrapped"
    libraries = ("torch",)
    words = ("backward(",)
    safety = Safety.UNSAFE
    triggers = (Method("backward"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        action = ctx.training.action(node)
        if action is None or action.role != "backward" or action.expression is None:
            return
        loss = action.expression
        source = self._source(loss, ctx)
        if source is None:
            return
        made = ctx.training.round(node)
        if not made.of("step"):
            return
        inner = self._wrapped(source, ctx)
        if inner is not None:
            yield ctx.finding(
                source,
                f"`{ctx.short(source)}` is a new leaf: `backward()` reaches no parameter of a model",
                f"let `{ctx.short(inner)}` itself go backward",
                self._fix(source, inner, ctx),
            )
            return
        ended = self._ended(source, ctx)
        if ended is not None:
            place, name = ended
            yield ctx.finding(
                place,
                f"no gradient passes from the loss to the model: {_ENDING[name]}",
                "compute the loss from the output itself",
            )

    def _source(self, node: ast.expr, ctx: Context) -> ast.Call | None:
        """The call that made what goes backward, if there is one only."""
        if isinstance(node, ast.Name):
            bindings = ctx.reaching.of(node) or []
            one = bindings[0] if len(bindings) == 1 else None
            if one is None or one.how != "assign" or one.path or one.value is None:
                return None
            node = one.value
        return node if isinstance(node, ast.Call) else None

    def _wrapped(self, call: ast.Call, ctx: Context) -> ast.expr | None:
        """What a call copies or detaches into a new leaf."""
        dotted = ctx.dotted(call.func)
        if dotted in _WRAPPERS:
            if not call.args or isinstance(call.args[0], (ast.Constant, ast.List, ast.Tuple)):
                return None
            given = ctx.argument(call, "requires_grad", 1 if dotted != "torch.tensor" else None)
            if dotted != "torch.nn.Parameter" and not (isinstance(given, ast.Constant) and given.value is True):
                return None
            inner = call.args[0]
            return inner.value if isinstance(inner, ast.Attribute) and inner.attr == "data" else _undetached(inner)
        func = call.func
        if isinstance(func, ast.Attribute) and func.attr == "requires_grad_" and not call.args:
            detached = func.value
            if isinstance(detached, ast.Attribute) and detached.attr == "data":
                return detached.value
            return None if _undetached(detached) is detached else _undetached(detached)
        return None

    def _ended(self, call: ast.Call, ctx: Context) -> tuple[ast.Call, str] | None:
        """What takes the output of a model off the graph before it is given to a loss."""
        dotted = ctx.dotted(call.func)
        if dotted is not None:
            name = dotted.rpartition(".")[2]
            if not dotted.startswith("torch.nn.functional.") or not (name.endswith("_loss") or "cross_entropy" in name):
                return None
        elif not ctx.is_a(call.func, LOSS):
            return None
        if len(call.args) < 2 or isinstance(call.args[0], ast.Starred):
            return None
        given, target = call.args[0], call.args[1]
        if any(ctx.is_a(inner.func, MODULE) for inner in ctx.training.feeding(target) if isinstance(inner, ast.Call)):
            return None  # the gradient goes through the other argument
        for _ in range(8):
            if isinstance(given, ast.Name):
                bindings = ctx.reaching.of(given) or []
                one = bindings[0] if len(bindings) == 1 else None
                if one is None or one.how != "assign" or one.path or one.value is None:
                    return None
                given = one.value
                continue
            if not isinstance(given, ast.Call):
                return None
            function = ctx.dotted(given.func)
            if function is not None and function.startswith("torch.") and given.args:
                name, operand = function.rpartition(".")[2], given.args[0]
            elif isinstance(given.func, ast.Attribute) and function is None:
                name, operand = given.func.attr, given.func.value
            else:
                return None
            if name in _ENDING:
                fed = ctx.training.feeding(operand)
                through = any(isinstance(inner, ast.Call) and ctx.is_a(inner.func, MODULE) for inner in fed)
                return (given, name) if through else None
            if name not in _PASSING and function not in ("torch.tensor", "torch.from_numpy", "torch.as_tensor"):
                return None
            given = operand
        return None

    def _fix(self, source: ast.Call, inner: ast.expr, ctx: Context) -> Fix | None:
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr in _ENDING:
            return None
        if not ctx.is_a(inner, "torch.Tensor"):
            return None

        statement = ctx.tree.statement(source)
        target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
        if isinstance(target, ast.Name) and isinstance(inner, ast.Name) and target.id == inner.id:

            def drop() -> list[Edit]:
                return ctx.edits.delete([statement])

            return ctx.fix(drop, Safety.UNSAFE, "Drop the copy")

        def build() -> Edit:
            return ctx.edits.replace(source, "$x", x=inner)

        return ctx.fix(build, Safety.UNSAFE, f"Use `{ctx.short(inner)}` itself")

    examples = (
        Example(
            given=GIVEN,
            ok="""
for x, y in loader:
    optimizer.zero_grad()
    out = model(x)
    loss = F.cross_entropy(out, y)
    accuracy = (out.argmax(1) == y).float().mean()
    loss.backward()
    optimizer.step()
""",
        ),
        Example(
            given=GIVEN + "teacher = nn.Linear(3, 4)\n",
            ok="""
for x, y in loader:
    optimizer.zero_grad()
    loss = F.mse_loss(teacher(x).detach(), model(x))
    loss.backward()
    optimizer.step()
    advantage = torch.tensor(0.5)
    policy_loss = -(model(x).log_softmax(1)[:, 0] * advantage).mean()
    policy_loss.backward()
    hard = model(x).round().detach() - model(x).detach() + model(x)
    F.mse_loss(hard, y).backward()
    optimizer.step()
""",
            note="a teacher, a weight, a straight-through estimator",
        ),
        Example(
            given="import torch\n",
            ok="x = torch.tensor(2.0, requires_grad=True)\nx.backward()\ny = torch.tensor([1.0], requires_grad=True)\n",
            note="to see what autograd does",
        ),
        Example(
            given=GIVEN,
            bad="""
for x, y in loader:
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss = torch.tensor(loss, requires_grad=True)
    loss.backward()
    optimizer.step()
""",
            good="""
for x, y in loader:
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
""",
        ),
        Example(
            given=GIVEN,
            bad="""
def train(loader):
    for x, y in loader:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.detach().requires_grad_().backward()
        optimizer.step()
""",
            good="""
def train(loader):
    for x, y in loader:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
""",
        ),
        Example(
            given=GIVEN,
            bad="""
criterion = nn.MSELoss()
for x, y in loader:
    optimizer.zero_grad()
    prediction = model(x).argmax(dim=1).float()
    loss = criterion(prediction, y)
    loss.backward()
    optimizer.step()
""",
        ),
        Example(
            given=GIVEN,
            bad="""
for x, y in loader:
    optimizer.zero_grad()
    F.mse_loss(torch.round(model(x)), y).backward()
    optimizer.step()
""",
        ),
    )


def _undetached(node: ast.expr) -> ast.expr:
    """The tensor in ``loss.detach()``, ``loss.detach().clone()``."""
    while (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("detach", "clone")
        and not node.args
    ):
        node = node.func.value
    return node
