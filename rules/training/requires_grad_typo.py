from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import MODULE, TENSOR, Context, Edit, Example, Finding, Fix, Rule, Safety, Store

_ITERATING = frozenset({"parameters", "named_parameters", "buffers", "named_buffers"})
_MODULES = frozenset({"modules", "children", "named_modules", "named_children"})
_LEAVES = frozenset({"weight", "bias", "data"})


class RequiresGradTypo(Rule):
    """An attribute is set that PyTorch does not know: parameters meant to be frozen keep training, or the reverse.

    ## Why
    Python lets any attribute be set. `param.require_grad = False` makes a new one that nobody reads, and so does
    `module.requires_grad = False`: only tensors have `requires_grad`, a module has the method `requires_grad_()`.

    ## Fix safety
    Unsafe: the parameters are frozen from then on, as intended. The attribute is renamed; for a module the assignment
    becomes a call of `requires_grad_`.

    ## References
    - PyTorch documentation, `torch.Tensor.requires_grad` and `torch.nn.Module.requires_grad_`.
    """

    code, name = "ML415", "requires-grad-typo"
    libraries = ("torch",)
    safety = Safety.UNSAFE
    triggers = (Store("require_grad", "require_grads", "requires_grads", "requires_grad"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Attribute)
        owner = self._owner(node.value, ctx)
        if node.attr == "requires_grad":
            if owner == "module":
                yield ctx.finding(
                    node,
                    f"a module has no attribute `requires_grad`: `{ctx.short(node.value)}` trains on as before",
                    f"call `{ctx.short(node.value)}.requires_grad_(…)`",
                    self._call(node, ctx),
                )
        elif owner == "module":
            yield ctx.finding(
                node,
                f"nobody reads `{node.attr}`: `{ctx.short(node.value)}` trains on as before",
                f"call `{ctx.short(node.value)}.requires_grad_(…)`",
                self._call(node, ctx),
            )
        elif owner == "tensor":

            def build() -> Edit:
                return ctx.edits.rename_attribute(node, "requires_grad")

            yield ctx.finding(
                node,
                f"nobody reads `{node.attr}`: `{ctx.short(node.value)}` trains on as before",
                "write `requires_grad`",
                ctx.fix(build, Safety.UNSAFE, "Rename to `requires_grad`"),
            )

    def _owner(self, node: ast.expr, ctx: Context) -> str:
        """Whether an expression is a tensor or a module."""
        kind = ctx.kinds.of(node)
        if kind.definition is not None and ctx.kinds.is_self(node):
            return ""
        if kind.is_a(TENSOR):
            return "tensor"
        if kind.is_a(MODULE):
            return "module" if not self._defines(node, ctx) else ""
        if kind.known:
            return ""
        if isinstance(node, ast.Attribute) and node.attr in _LEAVES:
            return "tensor"
        return self._iterated(node, ctx) if isinstance(node, ast.Name) else ""

    def _defines(self, node: ast.expr, ctx: Context) -> bool:
        """Whether a class of the project has such an attribute of its own."""
        definition = ctx.kinds.of(node).definition
        if definition is None:
            return False
        return any(
            ctx.kinds.attribute_values(definition, name) or ctx.kinds.method(definition, name) is not None
            for name in ("require_grad", "require_grads", "requires_grads", "requires_grad")
        )

    def _iterated(self, node: ast.Name, ctx: Context) -> str:
        """What a loop over parameters or modules gives: `for p in net.parameters()`."""
        found: set[str] = set()
        for binding in ctx.reaching.of(node) or ():
            value = None if binding.value is None else ctx.flow.unwrapped(binding.value)
            call = value if binding.how == "for" and isinstance(value, ast.Call) else None
            name = call.func.attr if call is not None and isinstance(call.func, ast.Attribute) else ""
            pair = name.startswith("named_")
            if pair is not (binding.path[-1:] == (1,)):
                return ""
            found.add("tensor" if name in _ITERATING else "module" if name in _MODULES else "")
        return found.pop() if len(found) == 1 else ""

    def _call(self, node: ast.Attribute, ctx: Context) -> Fix | None:
        statement = ctx.tree.statement(node)
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1 or statement.targets[0] is not node:
            return None

        def build() -> Edit:
            value = ctx.text(statement.value)
            return ctx.edits.replace_statements([statement], f"{ctx.text(node.value)}.requires_grad_({value})")

        return ctx.fix(build, Safety.UNSAFE, f"Call `{ctx.short(node.value)}.requires_grad_`")

    examples = (
        Example(
            bad="""
import torch

def freeze(net):
    for param in net.parameters():
        param.require_grad = False
""",
            good="""
import torch

def freeze(net):
    for param in net.parameters():
        param.requires_grad = False
""",
        ),
        Example(
            bad="""
import torch

for i, (name, p) in enumerate(net.named_parameters()):
    p.requires_grads = name.startswith("fc")  # the head only
""",
            good="""
import torch

for i, (name, p) in enumerate(net.named_parameters()):
    p.requires_grad = name.startswith("fc")  # the head only
""",
        ),
        Example(
            given="import torch\nfrom torch import nn\nnet = nn.Linear(3, 2)\n",
            bad="net.requires_grad = False\n",
            good="net.requires_grad_(False)\n",
        ),
        Example(
            given="import torch\n",
            bad="net.fc.weight.require_grad = x = False\n",
            good="net.fc.weight.requires_grad = x = False\n",
        ),
        Example(
            given="import torch\nw = torch.zeros(3)\n",
            bad="w.require_grad = True\n",
            good="w.requires_grad = True\n",
        ),
        Example(
            bad="""
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.stem.requires_grad = False
""",
            good="""
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.stem.requires_grad_(False)
""",
        ),
        Example(given="import torch\n", ok="for p in net.parameters():\n    p.requires_grad = False\n"),
        Example(
            given="import torch\n",
            ok="class C:\n    def __init__(s):\n        s.require_grad = True\n\nc = C()\nc.require_grad = False\n",
        ),
        Example(
            ok="""
from torch import nn

class Net(nn.Module):
    def __init__(self, requires_grad):
        super().__init__()
        self.requires_grad = requires_grad

net = Net(True)
net.requires_grad = False
""",
            note="an attribute of the class's own",
        ),
        Example(given="import torch\n", ok="options.require_grad = True\nitem.requires_grad = False\n"),
    )
