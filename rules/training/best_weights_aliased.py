from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import OPTIMIZER, Context, Edit, Example, Finding, Fix, LoopNode, Method, Rule, Safety, walk

_GIVEN = """\
import torch
from torch import nn, optim

model = nn.Linear(3, 1)
optimizer = optim.SGD(model.parameters(), lr=0.1)
"""
_SHALLOW = frozenset({"dict", "collections.OrderedDict", "copy.copy"})
_KEEPING = frozenset({"load_state_dict", "save", "dump"})


class BestWeightsAliased(Rule):
    """`best = model.state_dict()` keeps references to the weights: training goes on and changes "best" with them.

    ## Why
    The tensors of a `state_dict()` share their memory with the parameters, which the optimizer updates in place. What
    was put aside as the best epoch is the last epoch when it is loaded or saved after the loop. `.copy()` and `dict()`
    copy the dictionary, not the tensors.

    ## Fix safety
    Unsafe: what is loaded or saved in the end changes, as intended. The weights are copied with `copy.deepcopy`.

    ## References
    - PyTorch tutorial "Saving and Loading Models", the note on `best_model_state = model.state_dict()`.
    """

    code, name = "ML421", "best-weights-aliased"
    libraries = ("torch",)
    words = ("state_dict",)
    safety = Safety.UNSAFE
    triggers = (Method("state_dict"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Attribute)
        if node.args or ctx.kinds.local_function(node.func) is not None:
            return
        loop = self._training_loop(node, node.func.value, ctx)
        kept = self._kept(node, ctx)
        if loop is None or kept is None:
            return
        target, value = kept
        if not self._used_after(target, node, loop, ctx):
            return
        yield ctx.finding(
            value,
            f"`{ctx.short(target)}` shares its tensors with `{ctx.short(node.func.value)}`, which trains on",
            "copy them: `copy.deepcopy(…)`",
            self._fix(node, value, ctx),
        )

    def _kept(self, node: ast.Call, ctx: Context) -> tuple[ast.expr, ast.expr] | None:
        """What the weights are assigned to, and the expression that does not copy them."""
        value: ast.expr = node
        parent = ctx.tree.parent(value)
        if isinstance(parent, ast.Attribute) and parent.attr == "copy":
            call = ctx.tree.parent(parent)
            if isinstance(call, ast.Call) and call.func is parent and not call.args:
                value = call
        elif isinstance(parent, ast.Call) and ctx.dotted(parent.func) in _SHALLOW and parent.args == [value]:
            value = parent
        outer = ctx.tree.parent(value)
        if isinstance(outer, ast.Dict):
            outer = ctx.tree.parent(outer)
        if isinstance(outer, ast.Assign) and len(outer.targets) == 1:
            target = outer.targets[0]
            if isinstance(target, ast.Name) or (isinstance(target, ast.Attribute) and ctx.kinds.is_self(target.value)):
                return target, value
        return None

    def _training_loop(self, node: ast.Call, model: ast.expr, ctx: Context) -> LoopNode | None:
        """The outermost loop around a call in which one and the same model trains."""
        found: LoopNode | None = None
        name = ast.unparse(model)
        for loop in ctx.tree.loops(node):
            for statement in loop.body:
                for inner in walk(statement):
                    if isinstance(inner, (ast.Name, ast.Attribute)) and isinstance(inner.ctx, ast.Store):
                        if ast.unparse(inner) == name:
                            return found
            if isinstance(loop, (ast.For, ast.AsyncFor)) and name.partition(".")[0] in _names(loop.target):
                return found
            if self._trains(loop, name, ctx):
                found = loop
        return found

    def _trains(self, loop: LoopNode, model: str, ctx: Context) -> bool:
        if any(action.role == "step" for action in ctx.training.round_of(loop).actions):
            return True
        for statement in loop.body:
            for inner in walk(statement):
                if isinstance(inner, ast.Call):  # `train_epoch(model, loader, optimizer)` of who knows where
                    given = [*inner.args, *(keyword.value for keyword in inner.keywords)]
                    if any(ctx.is_a(value, OPTIMIZER) for value in given) and model in map(ast.unparse, given):
                        return True
        return False

    def _used_after(self, target: ast.expr, node: ast.Call, loop: LoopNode, ctx: Context) -> bool:
        """Whether what was kept is loaded, saved or returned after the loop."""
        name = ast.unparse(target)
        scope: ast.AST = ctx.tree.function(node) or ctx.model.module
        everywhere = scope
        if isinstance(target, ast.Attribute):
            everywhere = ctx.tree.class_of(node) or scope
        inside = {id(inner) for inner in walk(loop)}
        end = loop.end_lineno or loop.lineno
        for inner in walk(everywhere):
            if not isinstance(inner, (ast.Name, ast.Attribute)) or not isinstance(inner.ctx, ast.Load):
                continue
            if id(inner) in inside or ast.unparse(inner) != name:
                continue
            if ctx.tree.function(inner) is ctx.tree.function(node) and inner.lineno < end:
                continue
            if self._is_use(inner, ctx):
                return True
        return False

    def _is_use(self, node: ast.expr, ctx: Context) -> bool:
        current: ast.AST | None = node
        for _ in range(4):
            parent = None if current is None else ctx.tree.parent(current)
            if isinstance(parent, ast.Return):
                return True
            if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute) and parent.func is not current:
                if parent.func.attr in _KEEPING:
                    return True
            if not isinstance(parent, (ast.Dict, ast.Tuple, ast.Subscript, ast.Call, ast.keyword)):
                return False
            current = parent
        return False

    def _fix(self, node: ast.Call, value: ast.expr, ctx: Context) -> Fix:
        def build() -> list[Edit]:
            text, imports = ctx.edits.name("copy.deepcopy", node)
            return [ctx.edits.replace(value, f"{text}($x)", x=node), *imports]

        return ctx.fix(build, Safety.UNSAFE, "Copy the weights with `copy.deepcopy`")

    examples = (
        Example(
            given=_GIVEN + "import copy\n",
            bad="""
best = float("inf")
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        loss = model(x).sub(y).square().mean()
        loss.backward()
        optimizer.step()
    if loss < best:
        best = loss
        weights = model.state_dict()  # the best so far
model.load_state_dict(weights)
""",
            good="""
best = float("inf")
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        loss = model(x).sub(y).square().mean()
        loss.backward()
        optimizer.step()
    if loss < best:
        best = loss
        weights = copy.deepcopy(model.state_dict())  # the best so far
model.load_state_dict(weights)
""",
        ),
        Example(
            bad="""
import torch

def fit(model, optimizer: torch.optim.Optimizer, loader):
    for epoch in range(3):
        train_epoch(model, optimizer, loader)
        best = {"epoch": epoch, "model": model.state_dict().copy()}
    torch.save(best, "best.pt")
""",
            good="""
import copy

import torch

def fit(model, optimizer: torch.optim.Optimizer, loader):
    for epoch in range(3):
        train_epoch(model, optimizer, loader)
        best = {"epoch": epoch, "model": copy.deepcopy(model.state_dict())}
    torch.save(best, "best.pt")
""",
        ),
        Example(
            bad="""
from copy import deepcopy
import torch

class Trainer:
    def fit(self, loader):
        for x in loader:
            self.net(x).backward()
            self.optimizer.step()
            if self.better():
                self.best = dict(self.net.state_dict())

    def restore(self):
        self.net.load_state_dict(self.best)
""",
            good="""
from copy import deepcopy
import torch

class Trainer:
    def fit(self, loader):
        for x in loader:
            self.net(x).backward()
            self.optimizer.step()
            if self.better():
                self.best = deepcopy(self.net.state_dict())

    def restore(self):
        self.net.load_state_dict(self.best)
""",
        ),
        Example(
            given=_GIVEN + "import copy\n",
            ok="""
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        loss = model(x).sub(y).square().mean()
        loss.backward()
        optimizer.step()
    weights = copy.deepcopy(model.state_dict())
    clones = {k: v.detach().clone() for k, v in model.state_dict().items()}
    torch.save(model.state_dict(), "last.pt")
    now = model.state_dict()
    torch.save(now, "now.pt")
model.load_state_dict(weights)
""",
            note="copied, or saved at once",
        ),
        Example(
            given=_GIVEN,
            ok="""
for fold in range(3):
    model = nn.Linear(3, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for x, y in loader:
        optimizer.zero_grad()
        loss = model(x).sub(y).square().mean()
        loss.backward()
        optimizer.step()
    weights = model.state_dict()
torch.save(weights, "last.pt")
""",
            note="a new model in each round",
        ),
        Example(
            given=_GIVEN,
            ok="""
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        loss = model(x).sub(y).square().mean()
        loss.backward()
        optimizer.step()
weights = model.state_dict()
torch.save(weights, "last.pt")
""",
        ),
        Example(
            given=_GIVEN,
            ok="""
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        loss = model(x).sub(y).square().mean()
        loss.backward()
        optimizer.step()
    weights = model.state_dict()
    print(len(weights))
""",
        ),
    )


def _names(target: ast.expr) -> set[str]:
    return {node.id for node in walk(target) if isinstance(node, ast.Name)}
