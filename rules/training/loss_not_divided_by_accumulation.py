from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from mlint.rule import LOSS, Context, Edit, Example, Finding, LoopNode, Method, Round, Rule, Safety, walk

GIVEN = """\
import torch
from torch import nn, optim
import torch.nn.functional as F

model = nn.Linear(3, 1)
criterion = nn.MSELoss()
optimizer = optim.SGD(model.parameters(), lr=0.1)
"""
_DEEPEST = 6


class Guard(NamedTuple):
    """The condition of an accumulating step: after how many rounds it holds, as an expression."""

    every: ast.expr


class LossNotDividedByAccumulation(Rule):
    """Gradients are summed over several batches, and the loss of each is not divided by their number.

    ## Why
    `backward()` adds up. With a step after every K batches it applies the sum of K mean gradients, where one batch that
    is K times as large would give their mean: the effective learning rate is K times as large for SGD, gradients are
    clipped K times as soon, and with weight decay the balance shifts for every optimizer.

    ## Fix safety
    Unsafe: the steps become K times smaller. The loss is divided for `backward()` alone, what is logged stays.

    ## Known limits
    Only losses that are a mean over the batch, by their default. Silent where K occurs in the learning rate, where the
    gradients are divided by hand, and where an engine runs the loop.

    ## References
    - PyTorch documentation, "Automatic Mixed Precision examples", section "Gradient accumulation":
      `loss = loss / iters_to_accumulate`.
    """

    code, name = "ML408", "loss-not-divided-by-accumulation"
    libraries = ("torch",)
    words = ("%",)
    safety = Safety.UNSAFE
    triggers = (Method("backward"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        loop = ctx.flow.loop(node)
        action = ctx.training.action(node)
        if loop is None or action is None or action.engine or action.expression is None or action.helper:
            return
        if ctx.flow.is_conditional(node, loop):
            return
        made = ctx.training.round_of(loop)
        guard = self._guard(made, loop, ctx)
        if guard is None or made.of("backward") != [action] or ctx.training.is_engine(made) or ctx.training.hooks:
            return
        every = ctx.text(guard.every)
        words = {ast.unparse(part) for part in walk(guard.every) if isinstance(part, (ast.Name, ast.Attribute))}
        if any(ctx.training.unknown(made)) or not self._is_mean(action.expression, ctx, 0):
            return
        if self._shared(made, words, ctx):
            return
        loss = action.expression
        simple = isinstance(loss, (ast.Name, ast.Attribute, ast.Call, ast.Subscript))
        compound = not isinstance(guard.every, (ast.Name, ast.Attribute, ast.Constant, ast.Call, ast.Subscript))
        divisor = f"({every})" if compound else every

        def build() -> Edit:
            quotient = f"$x / {divisor}" if simple else f"($x) / {divisor}"
            return ctx.edits.replace(loss, quotient if action.scaler is not None else f"({quotient})", x=loss)

        yield ctx.finding(
            node,
            f"sums the gradients of `{every}` batches, each that of a mean: the steps are `{every}` times too long",
            f"divide the loss by `{every}`",
            ctx.fix(build, Safety.UNSAFE, f"Divide by `{every}`"),
        )

    def _guard(self, made: Round, loop: LoopNode, ctx: Context) -> Guard | None:
        """The condition under which a loop steps and zeroes: `if (i + 1) % K == 0:`."""
        steps, zeroes = made.of("step"), made.of("zero")
        if not steps or not zeroes or made.of("gradient"):
            return None
        found: list[ast.expr] = []
        for action in (*steps, *zeroes):
            if ctx.flow.loop(action.node) is not loop or (action.role == "step" and action.with_arguments):
                return None
            guards = [_every(test, ctx) for test, value in ctx.flow.guards(action.node, loop) if value]
            numbers = [number for number in guards if number is not None]
            if len(numbers) != 1:
                return None
            found.append(numbers[0])
        if len({ast.unparse(number) for number in found}) != 1:
            return None
        every = found[0]
        if isinstance(every, ast.Constant) and every.value in (0, 1):
            return None
        return Guard(every)

    def _is_mean(self, node: ast.expr, ctx: Context, depth: int) -> bool:
        """Whether an expression is a loss that is a mean over the batch, and nothing has been done to it."""
        if depth > _DEEPEST:
            return False
        if isinstance(node, ast.Name):
            bindings = ctx.reaching.of(node) or []
            return bool(bindings) and all(
                binding.how == "assign"
                and not binding.path
                and binding.value is not None
                and self._is_mean(binding.value, ctx, depth + 1)
                for binding in bindings
            )
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._is_mean(node.left, ctx, depth + 1) and self._is_mean(node.right, ctx, depth + 1)
        if isinstance(node, ast.Attribute):
            return node.attr == "loss" and self._of_transformers(node.value, ctx)
        if not isinstance(node, ast.Call):
            return False
        dotted = ctx.dotted(node.func)
        if dotted is not None:
            name = dotted.rpartition(".")[2]
            known = dotted.startswith("torch.nn.functional.") and (name.endswith("_loss") or "cross_entropy" in name)
            return known and not ctx.open_ended(node) and not _has_reduction(node) and len(node.args) < 4
        if ctx.is_a(node.func, LOSS):
            made = ctx.training.constructors(node.func)
            return bool(made) and all(
                (ctx.dotted(call.func) or "").startswith("torch.nn.")
                and not ctx.open_ended(call)
                and not _has_reduction(call)
                and len(call.args) < 2
                for call in made
            )
        if isinstance(node.func, ast.Attribute) and node.func.attr == "mean" and not node.args and not node.keywords:
            return not ctx.kinds.of(node.func.value).is_first_party
        return False

    def _of_transformers(self, node: ast.expr, ctx: Context) -> bool:
        """Whether an expression is what a model of Transformers gives."""
        if isinstance(node, ast.Name):
            bindings = ctx.reaching.of(node) or []
            return bool(bindings) and all(
                b.how == "assign" and b.value is not None and not b.path and self._of_transformers(b.value, ctx)
                for b in bindings
            )
        return isinstance(node, ast.Call) and ctx.is_a(node.func, "transformers.PreTrainedModel")

    def _shared(self, made: Round, words: set[str], ctx: Context) -> bool:
        """Whether the number of batches occurs where the learning rate is set."""
        for action in made.of("step"):
            if action.expression is None:
                return True
            for call in ctx.training.constructors(action.expression):
                if any(isinstance(p, (ast.Name, ast.Attribute)) and ast.unparse(p) in words for p in walk(call)):
                    return True
                rates = [keyword.value for keyword in call.keywords if keyword.arg == "lr"] or call.args[1:2]
                for rate in rates:
                    if isinstance(rate, ast.Name):
                        for binding in ctx.reaching.of(rate) or ():
                            if binding.value is not None and any(
                                isinstance(p, (ast.Name, ast.Attribute)) and ast.unparse(p) in words
                                for p in walk(binding.value)
                            ):
                                return True
        return False

    examples = (
        Example(
            given=GIVEN,
            ok="""
for i, (x, y) in enumerate(loader):
    loss = criterion(model(x), y) / 4
    loss.backward()
    if (i + 1) % 4 == 0:
        optimizer.step()
        optimizer.zero_grad()
for i, (x, y) in enumerate(loader):
    loss = criterion(model(x), y)
    loss /= 4
    loss.backward()
    if (i + 1) % 4 == 0:
        optimizer.step()
        optimizer.zero_grad()
for i, (x, y) in enumerate(loader):
    criterion(model(x), y).mul(0.25).backward()
    if (i + 1) % 4 == 0:
        optimizer.step()
        optimizer.zero_grad()
""",
        ),
        Example(
            given=GIVEN,
            ok="""
for i, (x, y) in enumerate(loader):
    loss = F.mse_loss(model(x), y, reduction="sum")
    loss.backward()
    if (i + 1) % 4 == 0:
        optimizer.step()
        optimizer.zero_grad()
for i, (x, y) in enumerate(loader):
    criterion(model(x), y).backward()
    if i % 100 == 0:
        print(i)
    optimizer.step()
    optimizer.zero_grad()
""",
            note="a sum; and a condition about something else",
        ),
        Example(
            given=GIVEN,
            ok="""
for i, (x, y) in enumerate(loader):
    criterion(model(x), y).backward()
    if (i + 1) % 4 == 0:
        for p in model.parameters():
            p.grad /= 4
        optimizer.step()
        optimizer.zero_grad()
""",
            note="the gradients are divided",
        ),
        Example(
            given="import torch\nfrom torch import nn, optim\nmodel = nn.Linear(3, 1)\nK = 4\n",
            ok="""
optimizer = optim.SGD(model.parameters(), lr=0.1 / K)
for i, (x, y) in enumerate(loader):
    nn.functional.mse_loss(model(x), y).backward()
    if (i + 1) % K == 0:
        optimizer.step()
        optimizer.zero_grad()
""",
            note="the learning rate is",
        ),
        Example(
            given=GIVEN,
            ok="""
for i, (x, y) in enumerate(loader):
    optimizer.zero_grad()
    criterion(model(x), y).backward()
    if i % 2 == 0:
        optimizer.step()
""",
            note="no accumulation",
        ),
        Example(
            given=GIVEN + "torch.manual_seed(0)\nloader = [(torch.randn(2, 3), torch.randn(2, 1)) for _ in range(8)]\n",
            bad="""
for i, (x, y) in enumerate(loader):
    loss = criterion(model(x), y)
    loss.backward()
    if (i + 1) % 4 == 0:
        optimizer.step()
        optimizer.zero_grad()
""",
            good="""
for i, (x, y) in enumerate(loader):
    loss = criterion(model(x), y)
    (loss / 4).backward()
    if (i + 1) % 4 == 0:
        optimizer.step()
        optimizer.zero_grad()
""",
            equal="loss.shape",
        ),
        Example(
            given=GIVEN + "scaler = torch.amp.GradScaler('cuda')\n",
            bad="""
def train(loader, args):
    for step, (x, y) in enumerate(loader):
        with torch.autocast("cuda"):
            loss = F.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        if (step + 1) % args.accumulate == 0 or step + 1 == len(loader):
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
""",
            good="""
def train(loader, args):
    for step, (x, y) in enumerate(loader):
        with torch.autocast("cuda"):
            loss = F.cross_entropy(model(x), y)
        scaler.scale(loss / args.accumulate).backward()
        if (step + 1) % args.accumulate == 0 or step + 1 == len(loader):
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
""",
        ),
    )


def _every(test: ast.expr, ctx: Context) -> ast.expr | None:
    """K in ``(i + 1) % K == 0``, alone, or beside what flushes the rest at the end."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        found = [every for value in test.values if (every := _every(value, ctx)) is not None]
        return found[0] if len(found) == 1 else None
    if isinstance(test, ast.Name):
        bindings = ctx.reaching.of(test) or []
        one = bindings[0] if len(bindings) == 1 else None
        return None if one is None or one.how != "assign" or one.value is None else _every(one.value, ctx)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = test.operand
        return inner.right if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Mod) else None
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.ops[0], ast.Eq):
        return None
    left = test.left
    return left.right if isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mod) else None


def _has_reduction(call: ast.Call) -> bool:
    return any(keyword.arg in ("reduction", "size_average", "reduce") for keyword in call.keywords)
