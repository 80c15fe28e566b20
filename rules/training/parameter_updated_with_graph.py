from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import TENSOR, Context, Edit, Example, Finding, Read, Rule, Safety

GIVEN = "import torch\n\nx = torch.randn(8, 3)\nlr = 0.1\n"
_IN_PLACE = frozenset("add_ sub_ mul_ div_ copy_ addcmul_ addcdiv_".split())
_LEAVES = frozenset(
    "torch.tensor torch.zeros torch.ones torch.randn torch.rand torch.full torch.empty torch.eye torch.randint "
    "torch.arange torch.linspace torch.normal".split()
)


class ParameterUpdatedWithGraph(Rule):
    """A parameter is updated by hand with the graph switched on: it raises, or the parameter is one no more.

    ## Why
    `w -= lr * w.grad` on a leaf that requires gradients raises "a leaf Variable that requires grad is being used in an
    in-place operation". `w = w - lr * w.grad` does not raise: it makes a new tensor that has been computed from the old
    one. The next `backward()` fills the `.grad` of the old one, that of the new one is None, and the update of the next
    step raises or stands still.

    ## Fix safety
    Safe for updates in place: the original raises. They are put under `torch.no_grad()`. A rebinding is reported only.

    ## Known limits
    Only tensors that are seen to be made with `requires_grad=True`, or given by a loop over `parameters()`.

    ## References
    - PyTorch documentation, "Autograd mechanics", section "In-place operations with autograd".
    - PyTorch tutorial "Learning PyTorch with Examples", section "PyTorch: Tensors and autograd".
    """

    code, name = "ML416", "parameter-updated-with-graph"
    libraries = ("torch",)
    words = (".grad",)
    safety = Safety.SAFE
    triggers = (Read("grad", of=TENSOR),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Attribute)
        statement = ctx.tree.statement(node)
        name = node.value
        if not isinstance(name, ast.Name) or ctx.flow.grad_context(node):
            return
        if isinstance(statement, ast.Assign):
            yield from self._rebound(statement, name, ctx)
        elif _updated(statement) == name.id and self._is_leaf(name, ctx) and not self._expected(statement, ctx):

            def build() -> list[Edit]:
                text, imports = ctx.edits.name("torch.no_grad", statement)
                return [*ctx.edits.wrap(run, f"with {text}():"), *imports]

            run = [statement]
            block = ctx.tree.block(statement)
            position = block.index(statement)
            if position and _updates(block[position - 1]):
                return  # said at the first of them
            for later in block[position + 1 :]:
                if not _updates(later):
                    break
                run.append(later)
            yield ctx.finding(
                statement,
                f"changes `{name.id}` in place while its graph is recorded: this raises RuntimeError",
                "do it under `torch.no_grad()`",
                ctx.fix(build, Safety.SAFE, "Put it under `torch.no_grad()`"),
            )

    def _expected(self, statement: ast.stmt, ctx: Context) -> bool:
        """Whether somebody waits for the error."""
        return any(isinstance(outer, (ast.Try, ast.With)) for outer in ctx.tree.ancestors(statement))

    def _is_leaf(self, name: ast.Name, ctx: Context) -> bool:
        """Whether every value of a name is a leaf that requires gradients."""
        bindings = [binding for binding in ctx.reaching.of(name) or () if binding.how != "augment"]
        return bool(bindings) and all(
            binding.value is not None
            and (
                (binding.how == "assign" and not binding.path and _requires_grad(binding.value, ctx))
                or (binding.how == "for" and not binding.path and _gives_parameters(ctx.flow.unwrapped(binding.value)))
            )
            for binding in bindings
        )

    def _rebound(self, statement: ast.Assign, name: ast.Name, ctx: Context) -> Iterator[Finding]:
        """``w = w - lr * w.grad`` in a loop that goes backward."""
        target, value = statement.targets[0], statement.value
        if len(statement.targets) != 1 or not isinstance(target, ast.Name) or target.id != name.id:
            return
        if not isinstance(value, ast.BinOp) or not isinstance(value.op, (ast.Add, ast.Sub)):
            return
        left = value.left
        if not isinstance(left, ast.Name) or left.id != name.id:
            return
        loop = ctx.flow.loop(statement)
        if loop is None or not ctx.training.round_of(loop).of("backward"):
            return
        bindings = ctx.reaching.of(left) or []
        others = [binding for binding in bindings if binding.node is not statement]
        if len(others) == len(bindings) or not others:
            return  # something makes it a leaf again in between
        if all(b.how == "assign" and b.value is not None and _requires_grad(b.value, ctx) for b in others):
            yield ctx.finding(
                statement,
                f"makes a new `{name.id}` that is no leaf: its `.grad` is None from the next round on",
                f"change `{name.id}` in place, under `torch.no_grad()`",
            )

    examples = (
        Example(
            given=GIVEN,
            ok="""
w = torch.zeros(3, requires_grad=True)
for _ in range(3):
    (x @ w - 1).square().mean().backward()
    with torch.no_grad():
        w -= lr * w.grad
        w.grad.zero_()

@torch.no_grad()
def step(params):
    for p in params:
        p -= lr * p.grad
""",
        ),
        Example(
            given=GIVEN,
            ok="""
w = torch.zeros(3, requires_grad=True)
(x @ w - 1).square().mean().backward()
w.data -= lr * w.grad
v = w - lr * w.grad
norm = w.grad.norm()
""",
            note="past autograd, and into another name",
        ),
        Example(
            given=GIVEN,
            ok="""
w = torch.zeros(3, requires_grad=True)
for _ in range(3):
    (x @ w - 1).square().mean().backward()
    w = w - lr * w.grad
    w = w.detach().requires_grad_()
""",
            note="made a leaf again",
        ),
        Example(
            given=GIVEN,
            ok="""
def update(w):
    w -= lr * w.grad
    total = torch.zeros(3)
    total += w.grad
    return total
""",
            note="who knows what w is; and a sum of gradients",
        ),
        Example(
            given=GIVEN,
            bad="""
w = torch.zeros(3, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
loss = (x @ w + b - 1).square().mean()
loss.backward()
w -= lr * w.grad  # one step
b -= lr * b.grad
done = w.sum().isfinite()
""",
            good="""
w = torch.zeros(3, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
loss = (x @ w + b - 1).square().mean()
loss.backward()
with torch.no_grad():
    w -= lr * w.grad  # one step
    b -= lr * b.grad
done = w.sum().isfinite()
""",
            equal="done",
            raises="RuntimeError",
        ),
        Example(
            given=GIVEN + "from torch import nn\n\nnet = nn.Linear(3, 1)\n",
            bad="""
net(x).square().mean().backward()
for p in net.parameters():
    p.sub_(lr * p.grad)
done = net.weight.sum().isfinite()
""",
            good="""
net(x).square().mean().backward()
for p in net.parameters():
    with torch.no_grad():
        p.sub_(lr * p.grad)
done = net.weight.sum().isfinite()
""",
            equal="done",
            raises="RuntimeError",
        ),
        Example(
            given=GIVEN,
            bad="""
w = torch.randn(3).requires_grad_()
for _ in range(3):
    (x @ w - 1).square().mean().backward()
    w = w - lr * w.grad
""",
        ),
    )


def _updated(statement: ast.stmt) -> str | None:
    """The name that a statement changes in place."""
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        return statement.target.id
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        func = statement.value.func
        if isinstance(func, ast.Attribute) and func.attr in _IN_PLACE and isinstance(func.value, ast.Name):
            return func.value.id
    return None


def _updates(statement: ast.stmt) -> bool:
    """Whether a statement updates a name with its own gradient."""
    name = _updated(statement)
    return name is not None and f"{name}.grad" in ast.unparse(statement)


def _requires_grad(value: ast.expr, ctx: Context) -> bool:
    """``torch.zeros(3, requires_grad=True)``, ``torch.randn(3).requires_grad_()``, ``nn.Parameter(t)``."""
    if not isinstance(value, ast.Call):
        return False
    dotted = ctx.dotted(value.func)
    if dotted == "torch.nn.Parameter":
        return not any(keyword.arg == "requires_grad" for keyword in value.keywords) and len(value.args) == 1
    if dotted in _LEAVES:
        given = next((keyword.value for keyword in value.keywords if keyword.arg == "requires_grad"), None)
        return isinstance(given, ast.Constant) and given.value is True
    func = value.func
    if isinstance(func, ast.Attribute) and func.attr == "requires_grad_" and not value.args and not value.keywords:
        return isinstance(func.value, ast.Call) and ctx.dotted(func.value.func) in _LEAVES
    return False


def _gives_parameters(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "parameters"
