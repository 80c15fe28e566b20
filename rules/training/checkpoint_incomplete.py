from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import MODULE, OPTIMIZER, SCHEDULER, Call, Context, Example, Finding, LoopNode, Rule, walk

GIVEN = "import argparse\nimport torch\nfrom torch import nn, optim\n"
_RESUMING = ("resume", "start_epoch")


class CheckpointIncomplete(Rule):
    """A run resumes from a checkpoint that holds the model alone: the optimizer starts again from nothing.

    ## Why
    Adam keeps running means of the gradients and their squares, SGD its momentum, a scheduler the number of its steps.
    A resumed run without them takes its first steps with means of one batch and with the learning rate of the first
    epoch: the loss jumps, and the run is another one than the one that was interrupted. `torch.save(model)` on the
    other hand pickles a reference to the class: a checkpoint that breaks when a file is moved or renamed.

    ## References
    - PyTorch tutorial "Saving and Loading Models", sections "Saving & Loading a General Checkpoint for Inference and/or
      Resuming Training" and "Save/Load Entire Model".
    """

    code, name = "ML422", "checkpoint-incomplete"
    libraries = ("torch",)
    default = False
    words = ("torch.save", "save(")
    triggers = (Call("torch.save"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        saved = ctx.argument(node, "obj", 0)
        if saved is None:
            return
        if isinstance(saved, (ast.Name, ast.Attribute)) and ctx.is_a(saved, MODULE):
            yield ctx.finding(
                node,
                f"pickles `{ctx.short(saved)}` with a reference to its class, which must stay where it is",
                f"save `{ctx.short(saved)}.state_dict()`",
            )
            return
        if not self._is_model_state(saved, ctx) or not ctx.mentioned(*_RESUMING):
            return
        loop = self._training_loop(node, ctx)
        if loop is None or self._saved_elsewhere(ctx):
            return
        yield ctx.finding(
            node,
            "saves the model alone, and the run resumes from it: the state of the optimizer is lost",
            "save the `state_dict()` of the optimizer and the scheduler, and the epoch, as well",
        )

    def _is_model_state(self, node: ast.expr, ctx: Context) -> bool:
        """``model.state_dict()``, of something that is no optimizer or scheduler."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            return False
        owner = node.func.value
        return node.func.attr == "state_dict" and ctx.is_a(owner, MODULE)

    def _training_loop(self, node: ast.Call, ctx: Context) -> LoopNode | None:
        """The loop over epochs around a call, in which an optimizer that has a state steps."""
        for loop in ctx.tree.loops(node):
            for step in ctx.training.round_of(loop).of("step"):
                made = [] if step.expression is None else ctx.training.constructors(step.expression)
                if any(_has_state(call, ctx) for call in made) or (step.helper and step.certain):
                    return loop
        return None

    def _saved_elsewhere(self, ctx: Context) -> bool:
        """Whether somebody saves or restores the state of an optimizer, or it cannot be seen who does."""
        loads = False
        for call in ctx.tree.calls:
            func = call.func
            if not isinstance(func, ast.Attribute):
                continue
            if func.attr == "state_dict" and not ctx.is_a(func.value, MODULE):
                return True
            if func.attr == "load_state_dict":
                if ctx.is_a(func.value, OPTIMIZER, SCHEDULER) or not ctx.is_a(func.value, MODULE):
                    return True
                loads = True
        return not loads

    examples = (
        Example(
            given=GIVEN,
            ok="""
def main(args, loader):
    model = nn.Linear(3, 1)
    optimizer = optim.Adam(model.parameters())
    if args.resume:
        saved = torch.load(args.resume, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
    for epoch in range(10):
        for x, y in loader:
            optimizer.zero_grad()
            model(x).sub(y).square().mean().backward()
            optimizer.step()
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, "last.pt")
        torch.save(model.state_dict(), "weights.pt")
""",
        ),
        Example(
            given=GIVEN,
            ok="""
def main(loader):
    model = nn.Linear(3, 1)
    optimizer = optim.Adam(model.parameters())
    for epoch in range(10):
        for x, y in loader:
            optimizer.zero_grad()
            model(x).sub(y).square().mean().backward()
            optimizer.step()
        torch.save(model.state_dict(), "weights.pt")
""",
            note="nobody resumes from it",
        ),
        Example(
            given=GIVEN,
            bad="""
def main(args, loader):
    model = nn.Linear(3, 1)
    optimizer = optim.Adam(model.parameters())
    if args.resume:
        model.load_state_dict(torch.load(args.resume, weights_only=True))
    for epoch in range(10):
        for x, y in loader:
            optimizer.zero_grad()
            model(x).sub(y).square().mean().backward()
            optimizer.step()
        torch.save(model.state_dict(), "last.pt")
""",
        ),
        Example(given=GIVEN, bad='model = nn.Linear(3, 1)\ntorch.save(model, "model.pt")\n'),
    )


def _has_state(call: ast.Call, ctx: Context) -> bool:
    """Whether an optimizer keeps something from step to step: all but SGD without momentum."""
    if ctx.dotted(call.func) != "torch.optim.SGD":
        return True
    return any(keyword.arg in ("momentum", None) for keyword in call.keywords) or any(
        isinstance(part, ast.Starred) for part in walk(call)
    )
