from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from mlint.rule import (
    FUNCTIONS,
    LOOPS,
    OPTIMIZER,
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

SETUP = """import torch
import torch.nn.functional as F
from torch import nn
net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3))
opt = torch.optim.SGD(net.parameters(), lr=0.1)
train = [(torch.randn(8, 4), torch.randint(0, 3, (8,))) for _ in range(3)]
"""
STEP = "opt.zero_grad()\n{0}F.cross_entropy(net(x), y).backward()\n{0}opt.step()\n"
INNER = "    for x, y in train:\n        " + STEP.format("        ")
EVALUATE = "    net.eval()\n    with torch.no_grad():\n        print(sum(net(x).sum().item() for x, _ in train))\n"


class EvalModeNotRestored(Rule):
    """A model that is put into eval mode in the epoch loop and never back trains without dropout from then on.

    ## Why
    `model.eval()` stays in force until `model.train()`. When the validation at the end of an epoch calls it and the
    next epoch does not call `model.train()`, every epoch but the first trains with dropout off and with the running
    statistics of batch normalization frozen. Nothing fails; the model regularizes less than its author believes.

    ## Fix safety
    Unsafe: inserts `model.train()` at the start of each epoch, which changes the training as it was meant to be.

    ## References
    - PyTorch documentation, "Autograd mechanics", section "Evaluation Mode (nn.Module.eval())".
    - PyTorch documentation, `torch.nn.Module.train`.
    """

    code, name = "ML204", "eval-mode-not-restored"
    libraries = ("torch",)
    safety = Safety.UNSAFE
    triggers = (Method("eval"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Attribute)
        receiver = node.func.value
        statement = ctx.tree.statement(node)
        if node.args or node.keywords or not isinstance(statement, ast.Expr) or statement.value is not node:
            return
        if not isinstance(receiver, (ast.Name, ast.Attribute)):
            return
        text = ctx.text(receiver)
        for epoch in ctx.tree.loops(node):
            if self._trains(text, epoch, node, ctx):
                if self._restores(text, epoch, ctx) or not self._is_optimized(text, ctx):
                    return
                yield self._report(node, text, epoch, ctx)
                return
        yield from self._in_callers(node, text, ctx)

    def _in_callers(self, node: ast.Call, text: str, ctx: Context) -> Iterator[Finding]:
        """The epoch loops that train a model and call a function that leaves it in eval mode."""
        function = ctx.tree.function(node)
        if function is None or any(isinstance(n, ast.Attribute) and n.attr == "train" for n in walk(function)):
            return
        names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
        if text in names:
            position = names.index(text)
        elif ctx.tree.class_of(node) is not None or text.partition(".")[0] in names:
            return
        else:
            position = -1  # a global
        for call in ctx.model.calls_by_definition().get(function, []):
            given = text if position < 0 else self._argument(call, text, position, ctx)
            if given is None:
                continue
            for epoch in ctx.tree.loops(call):
                if self._trains(given, epoch, call, ctx):
                    if not self._restores(given, epoch, ctx) and self._is_optimized(given, ctx):
                        yield self._report(call, given, epoch, ctx)
                    break

    def _argument(self, call: ast.Call, name: str, position: int, ctx: Context) -> str | None:
        if ctx.open_ended(call) or isinstance(call.func, ast.Attribute):
            return None
        found = ctx.argument(call, name, position)
        return ctx.text(found) if isinstance(found, (ast.Name, ast.Attribute)) else None

    def _trains(self, text: str, epoch: LoopNode, call: ast.Call, ctx: Context) -> bool:
        """Whether a loop has a training step of the model in front of the call, which the next round reaches again."""
        forward = backward = step = False
        for inner in walk_statements(epoch.body):
            if not isinstance(inner, ast.Call) or inner.lineno >= call.lineno:
                continue
            if isinstance(inner.func, ast.Attribute):
                backward = backward or inner.func.attr == "backward"
                step = step or inner.func.attr == "step"
            if isinstance(inner.func, (ast.Name, ast.Attribute)) and ctx.text(inner.func) == text:
                forward = forward or not ctx.flow.grad_context(inner)
        return forward and backward and step

    def _restores(self, text: str, epoch: LoopNode, ctx: Context) -> bool:
        """Whether anything in the loop may set training mode: `train`, or a function that is given the model."""
        owner = text.partition(".")[0]
        if any(isinstance(statement, (ast.Break, ast.Return)) for statement in epoch.body):
            return True  # there is no next round
        for inner in walk_statements(epoch.body):
            if isinstance(inner, FUNCTIONS):
                return True
            if not isinstance(inner, ast.Call):
                continue
            if isinstance(inner.func, ast.Attribute) and inner.func.attr in ("train", "requires_grad_", "deepcopy"):
                return True
            if any(keyword.arg == "training" or keyword.arg == "mode" for keyword in inner.keywords):
                return True
            callee = ctx.effects.callee(inner)
            if callee is not None and any(isinstance(n, ast.Attribute) and n.attr == "train" for n in walk(callee[1])):
                return True
            given = any(isinstance(a, ast.Name) and a.id == owner and text == owner for a in inner.args)
            if given and callee is None and not (ctx.dotted(inner.func) or "").startswith("torch."):
                return True
        return False

    def _is_optimized(self, text: str, ctx: Context) -> bool:
        """Whether an optimizer in the file is given the parameters of the model."""
        for inner in walk(ctx.tree.module):
            if (
                isinstance(inner, ast.Call)
                and isinstance(inner.func, ast.Attribute)
                and inner.func.attr == "parameters"
            ):
                if ctx.text(inner.func.value) != text:
                    continue
                for ancestor in ctx.tree.ancestors(inner):
                    if isinstance(ancestor, ast.stmt):
                        break
                    if isinstance(ancestor, ast.Call) and ctx.is_a(ancestor, OPTIMIZER):
                        return True
        return False

    def _report(self, node: ast.Call, text: str, epoch: LoopNode, ctx: Context) -> Finding:
        message = f"`{text}` stays in eval mode: from the next round on it trains without dropout"
        batches = next(
            (s for s in epoch.body if isinstance(s, LOOPS) and s.lineno < node.lineno and _goes_backward(s)), None
        )
        place: ast.stmt = batches if batches is not None else epoch.body[0]

        def build() -> Iterable[Edit]:
            return [ctx.edits.insert_before(place, f"{text}.train()")]

        fix = ctx.fix(build, Safety.UNSAFE, f"Insert `{text}.train()`")
        return ctx.finding(node, message, f"call `{text}.train()` before the training step", fix)

    examples = (
        Example(given=SETUP, ok="for epoch in range(2):\n    net.train()\n" + INNER + EVALUATE),
        Example(given=SETUP, ok="for epoch in range(2):\n" + INNER + EVALUATE + "    net.train()\n"),
        Example(given=SETUP, ok="for epoch in range(2):\n" + INNER + "net.eval()", note="after the last epoch"),
        Example(
            given=SETUP,
            ok="ema = nn.Linear(4, 3)\nfor epoch in range(2):\n" + INNER + EVALUATE.replace("net", "ema"),
            note="not trained",
        ),
        Example(
            given=SETUP + "def start(net):\n    net.train()\n",
            ok="for epoch in range(2):\n    start(net)\n" + INNER + EVALUATE,
        ),
        Example(
            given=SETUP + "from mylib import prepare\n",
            ok="for epoch in range(2):\n    prepare(net)\n" + INNER + EVALUATE,
        ),
        Example(
            given=SETUP,
            ok="for epoch in range(2):\n" + INNER + "    was = net.training\n" + EVALUATE + "    net.train(was)\n",
        ),
        Example(
            given=SETUP + "def evaluate(model):\n    model.eval()\n    print(model(train[0][0]))\n    model.train()\n",
            ok="for epoch in range(2):\n" + INNER + "    evaluate(net)\n",
        ),
        Example(
            given=SETUP + "def evaluate(model):\n    model.eval()\n    print(model(train[0][0]))\n",
            ok="for epoch in range(2):\n" + INNER + "evaluate(net)\n",
        ),
        Example(
            given=SETUP + "def evaluate(model):\n    model.eval()\n    print(model(train[0][0]))\n",
            bad="net.train()\nfor epoch in range(2):\n" + INNER + "    evaluate(net)",
            good="net.train()\nfor epoch in range(2):\n    net.train()\n" + INNER + "    evaluate(net)",
        ),
        Example(
            given=SETUP,
            bad="net.train()\nfor epoch in range(2):\n" + INNER + EVALUATE,
            good="net.train()\nfor epoch in range(2):\n    net.train()\n" + INNER + EVALUATE,
        ),
        Example(
            given=SETUP,
            bad="def fit(epochs):\n    for epoch in range(epochs):\n        print(epoch)\n        # one epoch\n"
            "        for x, y in train:\n            " + STEP.format("            ") + "        net.eval()\n"
            "        with torch.no_grad():\n            print(net(x))",
            good="def fit(epochs):\n    for epoch in range(epochs):\n        print(epoch)\n"
            "        net.train()\n        # one epoch\n"
            "        for x, y in train:\n            " + STEP.format("            ") + "        net.eval()\n"
            "        with torch.no_grad():\n            print(net(x))",
        ),
    )


def _goes_backward(loop: ast.stmt) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "backward"
        for node in walk(loop)
    )
