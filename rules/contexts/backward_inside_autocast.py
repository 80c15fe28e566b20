from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from mlint.rule import (
    FUNCTIONS,
    GRAD_SCALER,
    Context,
    Edit,
    Example,
    Finding,
    Method,
    Rule,
    Safety,
    walk,
    walk_statements,
)

AUTOCAST = frozenset({"torch.autocast", "torch.amp.autocast", "torch.cuda.amp.autocast", "torch.cpu.amp.autocast"})
# After `backward` these may follow in the tail that moves out: they run no forward.
STEPS = frozenset(
    "backward step update unscale_ zero_grad clip_grad_norm_ clip_grad_value_ scale item detach append set_postfix "
    "get_last_lr add_scalar log update_average cpu synchronize empty_cache parameters size get_scale no_sync".split()
)
BUILTINS = frozenset("print float int len str round min max range".split())

LOOP = """import torch
from torch import nn
torch.manual_seed(mlint_seed if "mlint_seed" in globals() else 0)
model = nn.Linear(4, 2)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
batches = [(torch.randn(8, 4), torch.randn(8, 2)) for _ in range(3)]
"""


class BackwardInsideAutocast(Rule):
    """The backward pass and the optimizer step do not belong under `autocast`.

    ## Why
    Autocast chooses a dtype for each forward operation; the backward operations run in the dtype of their forward
    anyway. What else runs under it does change: a gradient penalty or a hook computes in half precision, an optimizer
    that multiplies matrices does too. The documentation says of backward passes under autocast: "not recommended".

    ## Fix safety
    Safe where the statements from the first `backward()` on are the last of the block and run nothing but the backward
    pass, the step and logging. Unsafe where something else is computed among them: it would then run in full precision.

    ## References
    - PyTorch documentation, `torch.autocast`: "Backward passes under autocast are not recommended. Backward ops run in
      the same type that autocast used for corresponding forward ops."
    - PyTorch documentation, "Automatic Mixed Precision examples", "Typical Mixed Precision Training".
    """

    code, name = "ML207", "backward-inside-autocast"
    libraries = ("torch",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Method("backward"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        found = self._autocast(node, ctx)
        if found is None:
            return
        block, item = found
        backwards = [
            inner
            for inner in walk_statements(block.body)
            if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr == "backward"
        ]
        if not backwards or backwards[0] is not node:
            return  # told once for a block
        double = any(keyword.arg == "create_graph" for inner in backwards for keyword in inner.keywords)
        if double:
            return
        message = f"`{ctx.short(node)}` runs under `{ctx.short(item)}`"
        advice = "end the block after the loss"
        first = self._first(node, block, ctx)
        if first is None or isinstance(block, ast.AsyncWith):
            yield ctx.finding(node, message, advice)
            return
        start = next(number for number, statement in enumerate(block.body) if statement is first)
        if start == 0 or len(block.items) > 1:
            yield ctx.finding(node, message, advice)
            return
        tail = block.body[start:]
        safe = all(self._harmless(statement, ctx) for statement in tail)
        if not safe and self._runs_forward(tail, ctx):
            yield ctx.finding(node, message, advice)
            return

        def build() -> Iterable[Edit]:
            assert isinstance(block, ast.With)
            return ctx.edits.unwrap_tail(block, first)

        fix = ctx.fix(build, Safety.SAFE if safe else Safety.UNSAFE, "Move the backward pass out of the block")
        yield ctx.finding(node, message, advice, fix)

    def _autocast(self, node: ast.AST, ctx: Context) -> tuple[ast.With | ast.AsyncWith, ast.expr] | None:
        for ancestor in ctx.tree.ancestors(node):
            if isinstance(ancestor, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
                return None
            if isinstance(ancestor, (ast.With, ast.AsyncWith)):
                for item in ancestor.items:
                    call = item.context_expr
                    if isinstance(call, ast.Call) and ctx.dotted(call.func) in AUTOCAST:
                        return None if _disabled(call, ctx) else (ancestor, call)
        return None

    def _first(self, node: ast.AST, block: ast.With | ast.AsyncWith, ctx: Context) -> ast.stmt | None:
        """The statement of the block with the backward call; None where it stands in a loop of the block."""
        statement = ctx.tree.statement(node)
        if any(statement is other for other in block.body):
            return statement
        parent = ctx.tree.parent(statement)
        if isinstance(parent, (ast.If, ast.With)) and any(parent is other for other in block.body):
            return parent
        return None

    def _harmless(self, statement: ast.stmt, ctx: Context) -> bool:
        """Whether a statement runs nothing that autocast would treat differently."""
        for inner in walk(statement):
            if isinstance(inner, (ast.BinOp, ast.AugAssign)) and isinstance(inner.op, ast.MatMult):
                return False
            if isinstance(inner, ast.Call):
                if isinstance(inner.func, ast.Attribute):
                    if inner.func.attr not in STEPS:
                        return False
                    if inner.func.attr == "step" and not ctx.is_a(inner.func.value, GRAD_SCALER):
                        if inner.args or inner.keywords:
                            return False  # a closure, which runs the forward pass
                elif ctx.dotted(inner.func) not in BUILTINS:
                    dotted = ctx.dotted(inner.func) or ""
                    if not dotted.startswith("torch.nn.utils.clip_grad"):
                        return False
        return True

    def _runs_forward(self, tail: list[ast.stmt], ctx: Context) -> bool:
        """Whether a model seems to run in the statements: they hold loops, or call instances."""
        for inner in walk_statements(tail):
            if isinstance(inner, (ast.For, ast.While, ast.With)):
                return True
            if isinstance(inner, ast.Call) and ctx.is_a(inner.func, "torch.nn.Module"):
                return True
        return False

    examples = (
        Example(
            given=LOOP,
            ok='for x, y in batches:\n    with torch.autocast("cpu", dtype=torch.bfloat16):\n'
            "        loss = (model(x) - y).square().mean()\n    loss.backward()\n    opt.step()",
        ),
        Example(given=LOOP, ok="for x, y in batches:\n    with torch.no_grad():\n        model(x).sum().backward()"),
        Example(
            given=LOOP,
            ok='for x, y in batches:\n    with torch.autocast("cpu", enabled=False):\n        loss = model(x).sum()\n'
            "        loss.backward()",
        ),
        Example(
            given=LOOP,
            ok='with torch.autocast("cpu"):\n    def closure(x):\n        loss = model(x).sum()\n'
            "        loss.backward()\n"
            "        return loss",
            note="runs when it is called",
        ),
        Example(
            given=LOOP,
            ok='for x, y in batches:\n    with torch.autocast("cpu"):\n        loss = model(x).sum()\n'
            "        loss.backward(create_graph=True)\n        penalty = model.weight.grad.norm()",
        ),
        Example(
            given=LOOP + "from mylib import autocast\n",
            ok="for x, y in batches:\n    with autocast():\n        loss = model(x).sum()\n        loss.backward()",
        ),
        Example(
            given=LOOP,
            bad='for x, y in batches:\n    opt.zero_grad()\n    with torch.autocast("cpu", dtype=torch.bfloat16):\n'
            "        loss = (model(x) - y).square().mean()\n        loss.backward()\n"
            "        # and on\n        opt.step()\n"
            "result = model.weight.detach()",
            good='for x, y in batches:\n    opt.zero_grad()\n    with torch.autocast("cpu", dtype=torch.bfloat16):\n'
            "        loss = (model(x) - y).square().mean()\n    loss.backward()\n    # and on\n    opt.step()\n"
            "result = model.weight.detach()",
            equal="result",
            safety="safe",
        ),
        Example(
            given=LOOP + "scaler = torch.amp.GradScaler('cpu')\n",
            bad='for x, y in batches:\n    opt.zero_grad()\n    with torch.autocast("cpu", dtype=torch.bfloat16):\n'
            "        loss = (model(x) - y).square().mean()\n        scaler.scale(loss).backward()\n"
            "        scaler.step(opt)\n        scaler.update()\nresult = model.weight.detach()",
            good='for x, y in batches:\n    opt.zero_grad()\n    with torch.autocast("cpu", dtype=torch.bfloat16):\n'
            "        loss = (model(x) - y).square().mean()\n    scaler.scale(loss).backward()\n"
            "    scaler.step(opt)\n    scaler.update()\nresult = model.weight.detach()",
            equal="result",
            safety="safe",
        ),
        Example(
            given=LOOP + "from torch.cuda.amp import GradScaler, autocast\nscaler = GradScaler()\n",
            bad="def train(model, batches):\n    for x, y in batches:\n        opt.zero_grad()\n"
            "        with autocast():\n"
            "            loss = (model(x) - y).square().mean()\n            scaler.scale(loss).backward()\n"
            "            scaler.step(opt)\n            scaler.update()\n        print(loss.item())",
            good="def train(model, batches):\n    for x, y in batches:\n        opt.zero_grad()\n"
            "        with autocast():\n"
            "            loss = (model(x) - y).square().mean()\n        scaler.scale(loss).backward()\n"
            "        scaler.step(opt)\n        scaler.update()\n        print(loss.item())",
            safety="safe",
        ),
        Example(
            given=LOOP,
            bad='for x, y in batches:\n    with torch.autocast("cpu"):\n'
            "        loss = (model(x) - y).square().mean()\n"
            "        loss.backward()\n        error = torch.nn.functional.l1_loss(x, x)",
            good='for x, y in batches:\n    with torch.autocast("cpu"):\n'
            "        loss = (model(x) - y).square().mean()\n"
            "    loss.backward()\n    error = torch.nn.functional.l1_loss(x, x)",
            safety="unsafe",
        ),
        Example(
            given=LOOP,
            bad='with torch.autocast("cpu"):\n    for x, y in batches:\n'
            "        loss = (model(x) - y).square().mean()\n"
            "        loss.backward()",
            note="the block would have to move into the loop",
        ),
        Example(
            given=LOOP,
            bad='for x, y in batches:\n    with torch.autocast("cpu"):\n'
            "        model(x).sum().backward()\n        opt.step()",
            note="nothing would stay in the block",
        ),
    )


def _disabled(call: ast.Call, ctx: Context) -> bool:
    enabled = ctx.argument(call, "enabled")
    return isinstance(enabled, ast.Constant) and enabled.value is False
