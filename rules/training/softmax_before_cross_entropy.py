from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from mlint.rule import Call, Context, Edit, Example, Finding, Fix, Rule, Safety, walk, walk_scope

_FUNCTIONS = {
    "torch.nn.functional.cross_entropy": "cross_entropy",
    "torch.nn.functional.nll_loss": "nll_loss",
    "torch.nn.functional.binary_cross_entropy_with_logits": "bce",
    "torch.nn.functional.kl_div": "kl_div",
}
_CLASSES = {
    "torch.nn.CrossEntropyLoss": "cross_entropy",
    "torch.nn.NLLLoss": "nll_loss",
    "torch.nn.BCEWithLogitsLoss": "bce",
    "torch.nn.KLDivLoss": "kl_div",
}
_ACTIVATIONS = {
    "torch.softmax": "softmax",
    "torch.nn.functional.softmax": "softmax",
    "torch.special.softmax": "softmax",
    "torch.nn.Softmax": "softmax",
    "torch.log_softmax": "log_softmax",
    "torch.nn.functional.log_softmax": "log_softmax",
    "torch.special.log_softmax": "log_softmax",
    "torch.nn.LogSoftmax": "log_softmax",
    "torch.sigmoid": "sigmoid",
    "torch.nn.functional.sigmoid": "sigmoid",
    "torch.special.expit": "sigmoid",
    "torch.nn.Sigmoid": "sigmoid",
    "torch.nn.Linear": "linear",
}
_RESHAPING = frozenset("view reshape float double to contiguous squeeze unsqueeze flatten transpose permute".split())
_WRONG = {
    ("cross_entropy", "softmax"): "applies softmax itself, and is given probabilities",
    ("cross_entropy", "log_softmax"): "applies log_softmax itself, and is given log-probabilities",
    ("bce", "sigmoid"): "applies the sigmoid itself, and is given probabilities",
    ("nll_loss", "softmax"): "wants log-probabilities, and is given probabilities",
    ("nll_loss", "linear"): "wants log-probabilities, and is given logits",
    ("kl_div", "softmax"): "wants log-probabilities, and is given probabilities",
}
_ADVICE = {
    "cross_entropy": "give it the logits",
    "bce": "give it the logits",
    "nll_loss": "give it the log_softmax, or use cross_entropy on the logits",
    "kl_div": "give it the log_softmax",
}


class Made(NamedTuple):
    """What makes the input of a loss: the activation, its call, and the layer or class if it lies in a module."""

    activation: str
    call: ast.Call
    module: str = ""


def _uses(made: ast.Call, ctx: Context) -> Iterator[ast.Call]:
    """The calls of an object that is made here, by the name or the attribute that it is bound to."""
    around = ctx.tree.parent(made)
    if isinstance(around, ast.Call) and around.func is made:
        yield around
        return
    statement = ctx.tree.statement(made)
    targets = statement.targets if isinstance(statement, ast.Assign) and statement.value is made else []
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    attributes = {target.attr for target in targets if isinstance(target, ast.Attribute)}
    # A local name is called in its function, an attribute anywhere in the file.
    reach = None if attributes else ctx.tree.function(made)
    calls = ctx.tree.calls if reach is None else [node for node in walk(reach) if isinstance(node, ast.Call)]
    if isinstance(around, (ast.Call, ast.keyword)) or any(_hands_over(call, names) for call in calls):
        # Handed to a function, it may be called there by another name.
        for call in ctx.tree.calls:
            if isinstance(call.func, (ast.Name, ast.Attribute)) and ctx.dotted(call.func) is None:
                yield call
        return
    for call in calls:
        func = call.func
        if (isinstance(func, ast.Name) and func.id in names) or (
            isinstance(func, ast.Attribute) and func.attr in attributes
        ):
            yield call


def _is_plainly_none(func: ast.expr, ctx: Context) -> bool:
    """Whether a function is no activation, and ends with none, by a look that costs nothing: most logits are what a
    linear layer returns, brought into another shape.
    """
    if not isinstance(func, ast.Attribute):
        return False
    if func.attr in _RESHAPING:
        return True
    owner = ctx.tree.class_of(func) if isinstance(func.value, ast.Name) and func.value.id == "self" else None
    for value in () if owner is None else ctx.kinds.attribute_values(owner, func.attr):
        if isinstance(value, ast.Call):
            dotted = ctx.dotted(value.func) or ""
            if dotted.startswith("torch.nn.") and dotted not in _ACTIVATIONS and dotted != "torch.nn.Sequential":
                return True
    return False


def _hands_over(node: ast.Call, names: set[str]) -> bool:
    """Whether a call is given one of some names."""
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    return any(isinstance(argument, ast.Name) and argument.id in names for argument in given)


class SoftmaxBeforeCrossEntropy(Rule):
    """The loss applies softmax, log-softmax or sigmoid itself, and is given what has been through one already.

    ## Why
    `cross_entropy` is log-softmax and negative log-likelihood in one. A softmax in front squeezes the logits into
    [0, 1], and the second softmax can never be certain: with three classes the loss of a perfect prediction stays at
    0.55, and its gradients are small where the model is most wrong. `binary_cross_entropy_with_logits` with a sigmoid
    in front is the same for two classes. `nll_loss` and `kl_div` on the other hand expect log-probabilities and take
    whatever they get.

    ## Fix safety
    Unsafe: the model trains differently. The activation is dropped from the input of the loss, or for `nll_loss` and
    `kl_div` turned into `log_softmax`. What a module computes in its own layers is reported only.

    ## Known limits
    A softmax of a quotient is taken for a temperature, and left alone.

    ## References
    - PyTorch documentation, `torch.nn.CrossEntropyLoss`, `torch.nn.BCEWithLogitsLoss`, `torch.nn.NLLLoss`,
      `torch.nn.KLDivLoss`.
    """

    code, name = "ML406", "softmax-before-cross-entropy"
    libraries = ("torch",)
    words = ("softmax", "Softmax", "sigmoid", "Sigmoid", "expit", "NLLLoss", "nll_loss")
    safety = Safety.UNSAFE
    triggers = (Call(*_FUNCTIONS, *_CLASSES),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        dotted = ctx.dotted(node.func) or ""
        if dotted in _FUNCTIONS:
            yield from self._loss(node, _FUNCTIONS[dotted], ctx)
            return
        for call in _uses(node, ctx):
            if call.args and ctx.kinds.of(call.func).name == dotted:
                yield from self._loss(call, _CLASSES[dotted], ctx)

    def _loss(self, call: ast.Call, loss: str, ctx: Context) -> Iterator[Finding]:
        given = ctx.argument(call, "input", 0)
        made = None if given is None else self._made(given, ctx, 0)
        if given is None or made is None or (loss, made.activation) not in _WRONG:
            return
        if not made.module and self._tempered(made.call, ctx):
            return
        where = f" by {made.module}" if made.module else ""
        name = call.func if not isinstance(call.func, ast.Call) else call.func.func
        yield ctx.finding(
            call,
            f"`{ctx.short(name)}` {_WRONG[loss, made.activation]}{where}",
            _ADVICE[loss],
            None if made.module else self._fix(call, given, made, loss, ctx),
        )

    def _made(self, node: ast.expr, ctx: Context, depth: int) -> Made | None:
        if depth > 6:
            return None
        if isinstance(node, ast.Name):
            bindings = ctx.reaching.of(node) or []
            found = [
                self._made(binding.value, ctx, depth + 1)
                for binding in bindings
                if binding.how == "assign" and not binding.path and binding.value is not None
            ]
            first = found[0] if found else None
            if first is None or len(found) != len(bindings):
                return None
            return first if all(one is not None and one.activation == first.activation for one in found) else None
        if not isinstance(node, ast.Call):
            return None
        dotted = ctx.dotted(node.func)
        if dotted is not None:
            return Made(_ACTIVATIONS[dotted], node) if _is_function(dotted) else None
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("softmax", "log_softmax", "sigmoid"):
            if not ctx.kinds.of(node.func).known and ctx.kinds.local_function(node.func) is None:
                if not ctx.kinds.is_self(node.func.value):
                    return Made(node.func.attr, node)
        return self._of_module(node, ctx, depth)

    def _of_module(self, node: ast.Call, ctx: Context, depth: int) -> Made | None:
        """What a call of a layer, a Sequential or a class of the file ends with."""
        if _is_plainly_none(node.func, ctx):
            return None
        kind = ctx.kinds.of(node.func)
        if kind.name in _ACTIVATIONS:
            return Made(_ACTIVATIONS[kind.name], node, f"`{ctx.short(node.func)}`" if depth else "")
        if kind.name == "torch.nn.Sequential":
            ends: set[str | None] = set()
            for built in ctx.training.constructors(node.func):
                last = built.args[-1] if built.args else None
                dotted = ctx.dotted(last.func) if isinstance(last, ast.Call) else None
                ends.add(_ACTIVATIONS.get(dotted or ""))
            end = ends.pop() if len(ends) == 1 else None
            return None if end is None else Made(end, node, f"the last layer of `{ctx.short(node.func)}`")
        if kind.definition is None:
            return None
        forward = ctx.kinds.method(kind.definition, "forward")
        if not isinstance(forward, ast.FunctionDef):
            return None
        values = [inner.value for inner in walk_scope(forward) if isinstance(inner, ast.Return)]
        results = [None if value is None else self._made(value, ctx, depth + 1) for value in values]
        first = results[0] if results else None
        if first is None or any(one is None or one.activation != first.activation for one in results):
            return None
        return Made(first.activation, node, f"`{kind.definition.name}.forward`")

    def _tempered(self, call: ast.Call, ctx: Context) -> bool:
        operand = _operand(call, ctx)
        return isinstance(operand, ast.BinOp) and isinstance(operand.op, ast.Div)

    def _fix(self, call: ast.Call, given: ast.expr, made: Made, loss: str, ctx: Context) -> Fix | None:
        operand = _operand(made.call, ctx)
        if operand is None:
            return None
        drop = loss in ("cross_entropy", "bce")
        if given is made.call:
            target = made.call
        elif drop and isinstance(operand, ast.Name) and isinstance(given, ast.Name) and operand.id != given.id:
            # The name may be needed as a probability elsewhere: give the loss what it was made from.
            before = ctx.reaching.of(operand)
            after = ctx.reaching.at(ctx.tree.statement(call), operand.id)
            if ctx.tree.scope(call) is not ctx.tree.scope(made.call) or before is None or set(before) != set(after):
                return None
            name = operand.id

            def renamed() -> Edit:
                return ctx.edits.replace(given, name)

            return ctx.fix(renamed, Safety.UNSAFE, f"Give the loss `{name}`")
        else:
            return None
        if drop:

            def dropped() -> Edit:
                return ctx.edits.replace(target, "$x", x=operand)

            return ctx.fix(dropped, Safety.UNSAFE, f"Drop the {made.activation}")
        func = target.func
        if not isinstance(func, ast.Attribute):
            return None

        def logged() -> Edit:
            return ctx.edits.replace(func, "$x.log_softmax", x=func.value)

        return ctx.fix(logged, Safety.UNSAFE, "Use log_softmax")

    examples = (
        Example(
            given="import torch\nimport torch.nn.functional as F\n",
            bad="loss = F.cross_entropy(F.softmax(logits, dim=1), y)\n",
            good="loss = F.cross_entropy(logits, y)\n",
        ),
        Example(
            given="import torch\nimport torch.nn.functional as F\nx, y = torch.randn(5, 4), torch.randint(4, (5,))\n",
            bad="loss = F.cross_entropy(F.log_softmax(x, 1), y)\n",
            good="loss = F.cross_entropy(x, y)\n",
            equal="loss",
            close=True,
            note="log_softmax of log_softmax is log_softmax: only wasted work",
        ),
        Example(
            bad="""
from torch import nn

criterion = nn.CrossEntropyLoss()

def step(net, x, y):
    logits = net(x)
    probs = logits.softmax(-1)
    loss = criterion(probs, y)
    return loss, probs
""",
            good="""
from torch import nn

criterion = nn.CrossEntropyLoss()

def step(net, x, y):
    logits = net(x)
    probs = logits.softmax(-1)
    loss = criterion(logits, y)
    return loss, probs
""",
        ),
        Example(
            bad="""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x):
        x = self.fc(x)
        return self.softmax(x)

def train(model, criterion, loader):
    for x, y in loader:
        out = model(x)
        loss = criterion(out, y)

train(Net(), nn.CrossEntropyLoss(), loader)
""",
            note="the softmax is in the model, the loss is a parameter",
        ),
        Example(
            bad="""
from torch import nn

def step(net, criterion, x, y):
    return criterion(net(x).softmax(1), y)

def main(net, loader):
    criterion = nn.CrossEntropyLoss()
    for x, y in loader:
        step(net, criterion, x, y)
""",
            good="""
from torch import nn

def step(net, criterion, x, y):
    return criterion(net(x), y)

def main(net, loader):
    criterion = nn.CrossEntropyLoss()
    for x, y in loader:
        step(net, criterion, x, y)
""",
        ),
        Example(
            bad="""
from torch import nn

model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1), nn.Sigmoid())
loss_fn = nn.BCEWithLogitsLoss()
loss = loss_fn(model(x), y)
""",
        ),
        Example(
            given="import torch.nn.functional as F\n",
            bad="loss = F.nll_loss(F.softmax(x, 1), y)\n",
            good="loss = F.nll_loss(F.log_softmax(x, 1), y)\n",
        ),
        Example(
            given="import torch.nn.functional as F\n",
            bad='loss = F.kl_div(x.softmax(-1), q, reduction="batchmean")\n',
            good='loss = F.kl_div(x.log_softmax(-1), q, reduction="batchmean")\n',
        ),
        Example(
            bad="from torch import nn\n\nmodel = nn.Sequential(nn.Linear(3, 2))\nloss = nn.NLLLoss()(model(x), y)\n",
        ),
        Example(
            given="import torch.nn.functional as F\n",
            ok="loss = F.cross_entropy(logits, F.softmax(target, 1))\nother = F.nll_loss(F.log_softmax(x, 1), y)\n",
        ),
        Example(
            given="import torch.nn.functional as F\n",
            ok="""
soft = F.kl_div(F.log_softmax(a / T, 1), F.softmax(b / T, 1))
hard = F.cross_entropy(F.softmax(a / T, 1), y)
""",
        ),
        Example(
            ok="""
import torch
from torch import nn

class Net(nn.Module):
    def forward(self, x):
        if self.training:
            return self.fc(x)
        return torch.softmax(self.fc(x), 1)

loss = nn.CrossEntropyLoss()(Net()(x), y)
""",
            note="probabilities in evaluation only",
        ),
        Example(
            ok="""
from torch import nn

criterion = nn.CrossEntropyLoss()
logits = net(x)
probs = logits.softmax(1)
loss = criterion(logits, y)
entropy = nn.BCELoss()(logits.sigmoid(), y)
""",
        ),
        Example(
            given="from mine import cross_entropy\nimport torch\n",
            ok="loss = cross_entropy(torch.softmax(x, 1), y)\n",
        ),
        Example(
            given="from torch import nn\n",
            ok="model = nn.Sequential(nn.Linear(3, 2), nn.LogSoftmax(1))\nloss = nn.NLLLoss()(model(x), y)\n",
        ),
    )


def _is_function(dotted: str) -> bool:
    """Whether a name is a function and not the class of a layer."""
    return dotted in _ACTIVATIONS and not dotted.rpartition(".")[2][:1].isupper()


def _operand(call: ast.Call, ctx: Context) -> ast.expr | None:
    """What an activation is applied to."""
    func = call.func
    if isinstance(func, ast.Attribute) and ctx.dotted(func) is None and not ctx.kinds.of(func).known:
        return func.value  # a method
    return call.args[0] if call.args and not isinstance(call.args[0], ast.Starred) else None
