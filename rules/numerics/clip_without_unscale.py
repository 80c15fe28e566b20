from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Action, Call, Context, Edit, Example, Finding, Fix, Round, Rule, Safety

GIVEN = """\
import torch
from torch import nn, optim

model = nn.Linear(3, 1)
optimizer = optim.SGD(model.parameters(), lr=0.1)
scaler = torch.amp.GradScaler("cuda")
"""


class ClipWithoutUnscale(Rule):
    """Gradients are clipped while they still carry the factor of the `GradScaler`.

    ## Why
    `scaler.scale(loss).backward()` leaves gradients that are larger by the loss scale, 65536 at first. Held against a
    threshold that is meant for real gradients they are all clipped, and `scaler.step` divides by the scale afterwards:
    what is applied is smaller than the threshold by that factor, and training all but stands still.

    ## Fix safety
    Unsafe: the model trains differently, as intended. `scaler.unscale_(optimizer)` is inserted before the clipping
    where the scaler steps exactly one optimizer.

    ## References
    - PyTorch documentation, "Automatic Mixed Precision examples", section "Gradient clipping".
    """

    code, name = "ML512", "clip-without-unscale"
    libraries = ("torch",)
    words = ("scale(",)
    safety = Safety.UNSAFE
    triggers = (Call("torch.nn.utils.clip_grad_norm_", "torch.nn.utils.clip_grad_value_"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        training = ctx.training
        made = training.round(node)
        if made.of("unscale") or training.is_engine(made):
            return
        scaled = self._scaled(made, node, ctx)
        if scaled is None or self._disabled(scaled, ctx):
            return
        optimizer = self._optimizer(made, scaled) or "optimizer"
        yield ctx.finding(
            node,
            f"clips gradients that `{scaled.scaler}` has scaled up",
            f"call `{scaled.scaler}.unscale_({optimizer})` before",
            self._fix(made, scaled, node, ctx),
        )

    def _scaled(self, made: Round, clip: ast.Call, ctx: Context) -> Action | None:
        """The scaled backward whose gradients are clipped."""
        found: Action | None = None
        for action in made.actions:
            if action.node is clip:
                return found
            if action.role == "step":
                found = None
            elif action.role == "backward" and action.scaler is not None and action.scaler != "?":
                if not ctx.training.exclusive(action.node, clip):
                    found = action
        return None

    def _disabled(self, scaled: Action, ctx: Context) -> bool:
        """Whether the scaler is made with `enabled=False`."""
        call = scaled.node
        scale = call.func.value if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) else None
        if not isinstance(scale, ast.Call) or not isinstance(scale.func, ast.Attribute):
            return False
        for made in ctx.training.constructors(scale.func.value):
            enabled = ctx.argument(made, "enabled")
            if isinstance(enabled, ast.Constant) and not enabled.value:
                return True
        return False

    def _optimizer(self, made: Round, scaled: Action) -> str | None:
        """The one optimizer that the scaler steps."""
        steps = {action.subject for action in made.of("step") if action.scaler == scaled.scaler}
        return next(iter(steps)) if len(steps) == 1 else None

    def _fix(self, made: Round, scaled: Action, clip: ast.Call, ctx: Context) -> Fix | None:
        optimizer = self._optimizer(made, scaled)
        under = {ast.unparse(test) for test, _ in ctx.flow.guards(clip, made.node)}
        conditions = {ast.unparse(test) for test, _ in ctx.flow.guards(scaled.node, made.node)}
        if optimizer is None or len(made.of("clip")) != 1 or not conditions <= under:
            return None
        statement = ctx.tree.statement(clip)

        def build() -> Edit:
            return ctx.edits.insert_before(statement, f"{scaled.scaler}.unscale_({optimizer})")

        return ctx.fix(build, Safety.UNSAFE, f"Unscale the gradients of `{optimizer}` first")

    examples = (
        Example(
            given=GIVEN,
            bad="""
for x, y in loader:
    optimizer.zero_grad()
    loss = model(x).sub(y).square().mean()
    scaler.scale(loss).backward()
    # keep it stable
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
""",
            good="""
for x, y in loader:
    optimizer.zero_grad()
    loss = model(x).sub(y).square().mean()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    # keep it stable
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
""",
        ),
        Example(
            given="from torch.nn.utils import clip_grad_norm_\n",
            bad="""
def train(net, optimizer, scaler, loader, limit=None):
    for i, (x, y) in enumerate(loader):
        scaler.scale(net(x, y)).backward()
        if (i + 1) % 4 == 0:
            if limit:
                norm = clip_grad_norm_(net.parameters(), limit)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
""",
            good="""
def train(net, optimizer, scaler, loader, limit=None):
    for i, (x, y) in enumerate(loader):
        scaler.scale(net(x, y)).backward()
        if (i + 1) % 4 == 0:
            if limit:
                scaler.unscale_(optimizer)
                norm = clip_grad_norm_(net.parameters(), limit)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
""",
        ),
        Example(
            given=GIVEN,
            bad="""
def step(loss):
    if amp:
        scaler.scale(loss).backward()
    else:
        loss.backward()
    nn.utils.clip_grad_value_(model.parameters(), 0.5)
    if amp:
        scaler.step(optimizer)
        scaler.update()
    else:
        optimizer.step()
""",
            note="wrong in one of two modes; an unscale_ here would be wrong in the other",
        ),
        Example(
            given=GIVEN,
            ok="""
for x, y in loader:
    scaler.scale(model(x).mean()).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
""",
        ),
        Example(
            given=GIVEN,
            ok="""
for x, y in loader:
    loss = model(x).mean()
    if amp:
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    else:
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
""",
        ),
        Example(
            given=GIVEN,
            ok="""
for x, y in loader:
    loss = model(x).mean()
    if amp:
        scaler.scale(loss).backward()
    if not amp:
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
""",
        ),
        Example(
            given=GIVEN + "def unscale(scaler, o):\n    scaler.unscale_(o)\n",
            ok="""
for x, y in loader:
    scaler.scale(model(x).mean()).backward()
    unscale(scaler, optimizer)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
""",
        ),
        Example(
            given=GIVEN,
            ok="""
for x, y in loader:
    model(x).mean().backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
""",
        ),
        Example(
            given="import torch\nfrom torch.nn.utils import clip_grad_norm_\n",
            ok="""
scaler = torch.amp.GradScaler("cuda", enabled=False)
scaler.scale(loss).backward()
clip_grad_norm_(parameters, 1)
scaler.step(optimizer)
""",
        ),
        Example(
            given="from accelerate import Accelerator\naccelerator = Accelerator()\n",
            ok="""
for x in loader:
    accelerator.backward(f(x))
    accelerator.clip_grad_norm_(parameters, 1)
    optimizer.step()
""",
        ),
    )
