from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import DATA_LOADER, Call, Context, Example, Finding, Rule, Safety, walk

FRESH = frozenset(
    "torch.tensor torch.from_numpy torch.zeros torch.ones torch.empty torch.full torch.arange "
    "torch.linspace torch.eye torch.rand torch.randn torch.randint torch.randperm torch.FloatTensor torch.LongTensor "
    "torch.Tensor torch.DoubleTensor torch.IntTensor torch.ByteTensor torch.cuda.FloatTensor torch.cuda.LongTensor "
    "torch.zeros_like torch.ones_like torch.empty_like torch.full_like torch.rand_like torch.randn_like "
    "torch.randint_like".split()
)
"""Functions whose result has no history."""
KEEPING = frozenset(
    "cuda cpu to float double half long int byte bool view reshape unsqueeze squeeze contiguous type clone t transpose "
    "permute expand expand_as repeat type_as pin_memory detach normal_ uniform_ zero_ random_".split()
)
"""Methods whose result has a history only if the tensor has one."""
_DEPTH = 8


class AutogradVariable(Rule):
    """`Variable` is a tensor since PyTorch 0.4: the call only cuts the tensor off its graph.

    ## Why
    `Variable(x)` gives a tensor that shares the data of x and has no history, exactly as `x.detach()` does: whoever
    reads the old call does not see that the gradient ends there. `volatile=True`, which once switched gradients off, is
    ignored with a warning, so that code which relies on it records a graph.

    ## Fix safety
    Safe. `Variable(x)` becomes x where x is seen to have no history (it was just made, or comes from a loader) and is
    not read afterwards under its own name, else `x.detach()`, and `Variable(x, requires_grad=True)` becomes
    `x.detach().requires_grad_()`. Unsafe where it is not proven that x is a tensor. A call with `volatile` is only
    reported.

    ## References
    - PyTorch 0.4.0 migration guide, "Merging Tensor and Variable and classes".
    - PyTorch documentation, `torch.autograd`, "Variable (deprecated)".
    """

    code, name = "ML804", "autograd-variable"
    libraries = ("torch",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Call("torch.autograd.Variable"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if ctx.open_ended(node):
            yield ctx.finding(node, "`Variable` is a tensor since PyTorch 0.4", "use the tensor itself")
            return
        data = ctx.argument(node, "data", 0)
        flag = ctx.argument(node, "requires_grad", 1)
        if data is None:
            return
        if ctx.argument(node, "volatile", 2) is not None:
            yield ctx.finding(
                node,
                "`volatile` has no effect since PyTorch 0.4: the graph is recorded",
                "run the code under `torch.no_grad()`",
            )
            return
        proven, does = ctx.is_a(data, "torch.Tensor"), "detach"
        if isinstance(flag, ast.Constant) and flag.value is True:
            fresh = self._fresh(data, ctx)
            does = "detach and ask for a gradient"
            template = "$x.requires_grad_()" if fresh and isinstance(data, ast.Call) else "$x.detach().requires_grad_()"
        elif flag is None or (isinstance(flag, ast.Constant) and flag.value is False):
            template = "$x" if self._fresh(data, ctx) else "$x.detach()"
            proven = proven or template == "$x"
        else:
            does = "detach and set `requires_grad`"
            template = "$x.detach().requires_grad_($flag)"
        parts = {"x": data} if flag is None or "$flag" not in template else {"x": data, "flag": flag}
        written = template.replace("$x", ctx.short(data)).replace("$flag", "…")
        bare = self._is_bare_rebinding(node, data, ctx) if template == "$x" else None
        if template == "$x" and self._read_later(data, node, ctx):
            template = "$x.detach()"  # a tensor of its own, whose shape and flags can be changed
            written = template.replace("$x", ctx.short(data))
        fix = ctx.fix(
            lambda: ctx.edits.replace(node, template, **parts) if bare is None else ctx.edits.delete([bare]),
            Safety.SAFE if proven else Safety.UNSAFE,
            f"Use `{written}`",
        )
        yield ctx.finding(
            node,
            f"`{ctx.short(node)}` is a tensor since PyTorch 0.4: all it does is {does}",
            f"use `{written}`",
            fix,
        )

    def _fresh(self, node: ast.expr, ctx: Context, depth: int = 0) -> bool:
        """Whether a tensor certainly has no history."""
        if depth > _DEPTH:
            return False
        if isinstance(node, ast.Call):
            dotted = ctx.dotted(node.func)
            if dotted in FRESH:
                tensor = str(dotted).endswith("Tensor")
                if tensor and any(self._may_be_tensor(a, ctx) for a in node.args):
                    return False  # `torch.Tensor(w)` keeps the history of w
                grad = ctx.argument(node, "requires_grad")
                return grad is None or (isinstance(grad, ast.Constant) and grad.value is False)
            if dotted is None and isinstance(node.func, ast.Attribute) and node.func.attr == "detach":
                return ctx.is_a(node.func.value, "torch.Tensor") or not ctx.kinds.of(node.func.value).known
            if dotted is None and isinstance(node.func, ast.Attribute) and node.func.attr in KEEPING:
                return self._fresh(node.func.value, ctx, depth + 1)
            if dotted is None and isinstance(node.func, ast.Attribute) and node.func.attr != "requires_grad_":
                # `torch.rand(9).mul(10).floor()`: numbers have no history either.
                arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
                if all(isinstance(argument, ast.Constant) for argument in arguments):
                    return self._fresh(node.func.value, ctx, depth + 1)
            return False
        if isinstance(node, ast.Subscript):
            return self._fresh(node.value, ctx, depth + 1)
        if not isinstance(node, ast.Name):
            return False
        bindings = ctx.reaching.of(node)
        if not bindings or self._changed(node, ctx):
            return False
        for binding in bindings:
            if binding.how == "for" and isinstance(binding.node, (ast.For, ast.AsyncFor)):
                loader = ctx.flow.iterated(binding.node)
                if not ctx.is_a(loader, DATA_LOADER):
                    return False
            elif binding.how == "assign" and binding.value is not None:
                # A part of a fresh value is fresh as well: `x, y = batch`.
                if not self._fresh(binding.value, ctx, depth + 1):
                    return False
            else:
                return False
        return True

    def _may_be_tensor(self, node: ast.expr, ctx: Context) -> bool:
        kind = ctx.kinds.of(node)
        return not kind.known or kind.is_a("torch.Tensor")

    def _changed(self, name: ast.Name, ctx: Context) -> bool:
        """Whether the function may give the tensor a history in place: `x.requires_grad_()`, `x[0] = w`, `arm(x)`."""
        for node in walk(ctx.tree.function(name) or ctx.tree.module):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id == name.id:
                if any(isinstance(target, (ast.Name, ast.Attribute)) for target in node.targets):
                    return True  # another name for it
            if isinstance(node, ast.Call) and ctx.dotted(node.func) is None and node.lineno < name.lineno:
                if any(isinstance(given, ast.Name) and given.id == name.id for given in node.args):
                    return True
            if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.value, ast.Name):
                if node.value.id != name.id:
                    continue
                if not isinstance(node.ctx, ast.Load) or (isinstance(node, ast.Attribute) and node.attr.endswith("_")):
                    return True
        return False

    def _read_later(self, data: ast.expr, call: ast.Call, ctx: Context) -> bool:
        """Whether the tensor itself is read after the call: two names would stand for one tensor."""
        while isinstance(data, ast.Subscript):
            data = data.value
        if not isinstance(data, ast.Name):
            return False
        loop = ctx.flow.loop(call)
        inside = set() if loop is None else {id(inner) for inner in walk(loop)}
        own = {id(binding.node) for binding in ctx.reaching.of(data) or ()}
        return any(
            id(binding.node) in own and (use is not data or id(binding.node) not in inside)
            for use in ctx.flow.uses_after(data.id, ctx.tree.statement(call))
            for binding in ctx.reaching.of(use) or ()
        )

    def _is_bare_rebinding(self, node: ast.Call, data: ast.expr, ctx: Context) -> ast.Assign | None:
        """`x = Variable(x)`: what is left of it says nothing."""
        parent = ctx.tree.parent(node)
        if not isinstance(parent, ast.Assign) or len(parent.targets) != 1 or not isinstance(data, ast.Name):
            return None
        target = parent.targets[0]
        same = isinstance(target, ast.Name) and target.id == data.id
        return parent if same and len(ctx.tree.block(parent)) > 1 else None

    examples = (
        Example(
            given="import torch\nfrom torch.autograd import Variable\nx = torch.randn(3)\n",
            bad="y = Variable(x)\ny.unsqueeze_(0)\nz = x.shape",
            good="y = x.detach()\ny.unsqueeze_(0)\nz = x.shape",
            equal="y, z",
            safety="safe",
            note="y is another tensor with the same data",
        ),
        Example(
            given="import torch\nfrom torch.autograd import Variable\n",
            bad="x = Variable(torch.randn(3))",
            good="x = torch.randn(3)",
            equal="x, x.requires_grad",
            safety="safe",
        ),
        Example(
            given="import torch\nfrom torch.autograd import Variable\nw = torch.ones(3, requires_grad=True)\n",
            bad="x = Variable(torch.zeros_like(w).add(2.5).floor().long())\ny = Variable(torch.rand(3).gt(0).mul(w))",
            good="x = torch.zeros_like(w).add(2.5).floor().long()\ny = torch.rand(3).gt(0).mul(w).detach()",
            equal="x, x.requires_grad, y.requires_grad",
            count=2,
        ),
        Example(
            given="import torch\nimport torch.autograd as autograd\nw = torch.randn(3, requires_grad=True)\n",
            bad="x = autograd.Variable(w * 2)  # cut",
            good="x = (w * 2).detach()  # cut",
            equal="x, x.requires_grad",
            safety="safe",
        ),
        Example(
            given="import torch\n",
            bad="x = torch.autograd.Variable(torch.ones(3), requires_grad=True)",
            good="x = torch.ones(3).requires_grad_()",
            equal="x, x.requires_grad, x.is_leaf",
            safety="safe",
        ),
        Example(
            given=(
                "import torch\nfrom torch.autograd import Variable\nw = torch.randn(3, requires_grad=True)\ny = w * 2\n"
            ),
            bad="x = Variable(y, requires_grad=True)",
            good="x = y.detach().requires_grad_()",
            equal="x, x.requires_grad, x.is_leaf",
            safety="safe",
        ),
        Example(
            given=(
                "import torch\nfrom torch.autograd import Variable\nfrom torch.utils.data import DataLoader\n"
                "loader = DataLoader([(torch.ones(2), 1), (torch.zeros(2), 0)], batch_size=2)\n"
            ),
            bad=(
                "for step, (x, y) in enumerate(loader):\n    x, y = x.float(), y.long()\n    x = Variable(x)\n"
                "for data in loader:\n    images, labels = data\n    labels = Variable(labels)\n"
            ),
            good=(
                "for step, (x, y) in enumerate(loader):\n    x, y = x.float(), y.long()\n    x = x.detach()\n"
                "for data in loader:\n    images, labels = data\n"
            ),
            equal="x, labels",
            count=2,
        ),
        Example(
            given="from torch.autograd import Variable\n",
            bad="def f(x):\n    return Variable(x.detach().clone(), requires_grad=True)\n",
            good="def f(x):\n    return x.detach().clone().requires_grad_()\n",
        ),
        Example(
            given="from torch.autograd import Variable\n",
            bad="def f(x):\n    return Variable(x)\n",
            good="def f(x):\n    return x.detach()\n",
            safety="unsafe",
            note="x may be an array, which would have raised",
        ),
        Example(
            given="from torch.autograd import Variable\n", bad="def f(x):\n    return Variable(x, volatile=True)\n"
        ),
        Example(given="import tensorflow as tf\nimport torch\n", ok="x = tf.Variable([1.0])"),
        Example(given="import torch\nfrom keras import Variable\n", ok="x = Variable([1.0])"),
        Example(
            given="import torch\nfrom torch.autograd import Variable\n",
            ok="def f(x: Variable):\n    return isinstance(x, Variable)\n",
        ),
        Example(given="import torch\n", ok="class Variable:\n    pass\n\nx = Variable()"),
    )
