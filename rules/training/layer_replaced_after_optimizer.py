from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import OPTIMIZER, Context, Example, Finding, Method, Rule, walk

GIVEN = "import torch\nfrom torch import nn, optim\nfrom network import Net\n\nmodel = Net()\n"
FILES = {
    "network.py": "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n"
    "        super().__init__()\n"
    "        self.fc = nn.Linear(3, 2)\n"
}


class LayerReplacedAfterOptimizer(Rule):
    """A layer is replaced or added after the optimizer was built: its parameters are never updated.

    ## Why
    An optimizer keeps the parameters that it was given. A new head that is put into the model afterwards has new ones,
    which get gradients and are never stepped, while the optimizer goes on holding those of the old head. In transfer
    learning with a frozen backbone nothing trains at all then. The adapters that `peft.get_peft_model` adds are such
    parameters as well.

    ## References
    - PyTorch documentation, `torch.optim`, section "Constructing it".
    - PyTorch tutorial "Transfer Learning for Computer Vision", which builds the optimizer after the new head.
    """

    code, name = "ML413", "layer-replaced-after-optimizer"
    libraries = ("torch", "transformers")
    words = ("optim", "Adam", "SGD")
    triggers = (Method("parameters"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Attribute)
        statement = ctx.tree.statement(node)
        if node.args or not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return
        made = statement.value
        if not isinstance(made, ast.Call) or made.args[:1] != [node] or not ctx.is_a(made, OPTIMIZER):
            return
        model, optimizer = ast.unparse(node.func.value), ast.unparse(statement.targets[0])
        following = ctx.tree.following(statement)
        for position, later in enumerate(following):
            change = self._change(later, model, ctx)
            if change is not None:
                if self._steps(following[position + 1 :], optimizer, ctx):
                    yield ctx.finding(
                        later,
                        f"`{optimizer}` was built in line {statement.lineno} and does not know {change}",
                        f"build `{optimizer}` afterwards",
                    )
                return
            if self._settles(later, model, optimizer):
                return

    def _change(self, statement: ast.stmt, model: str, ctx: Context) -> str | None:
        """What new parameters a statement gives a model."""
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return None
        target, value = statement.targets[0], statement.value
        if not isinstance(value, ast.Call):
            return None
        if isinstance(target, (ast.Attribute, ast.Subscript)) and _below(target, model):
            learnt = ctx.has_parameters(value) or ctx.dotted(value.func) == "torch.nn.Parameter"
            return f"the parameters of the new `{ctx.short(target)}`" if learnt else None
        if ctx.dotted(value.func) == "peft.get_peft_model" and value.args and ast.unparse(value.args[0]) == model:
            return "the parameters of the adapters"
        return None

    def _settles(self, statement: ast.stmt, model: str, optimizer: str) -> bool:
        """Whether a statement makes the model or the optimizer anew, or tells the optimizer of more parameters."""
        for inner in walk(statement):
            if isinstance(inner, (ast.Name, ast.Attribute)) and isinstance(inner.ctx, ast.Store):
                if ast.unparse(inner) in (model, optimizer):
                    return True
            if isinstance(inner, ast.Attribute) and inner.attr in ("add_param_group", "param_groups"):
                return True
        return False

    def _steps(self, statements: list[ast.stmt], optimizer: str, ctx: Context) -> bool:
        """Whether the optimizer is used afterwards as it is."""
        if any(self._settles(statement, "", optimizer) for statement in statements):
            return False
        return any(
            isinstance(inner, (ast.Name, ast.Attribute))
            and isinstance(inner.ctx, ast.Load)
            and ast.unparse(inner) == optimizer
            for statement in statements
            for inner in walk(statement)
        )

    examples = (
        Example(
            given=GIVEN,
            files=FILES,
            ok="""
model.fc = nn.Linear(3, 5)
optimizer = optim.SGD(model.parameters(), lr=0.1)
for x, y in loader:
    optimizer.step()
""",
        ),
        Example(
            given=GIVEN,
            files=FILES,
            ok="""
optimizer = optim.SGD(model.parameters(), lr=0.1)
model.fc = nn.Linear(3, 5)
optimizer.add_param_group({"params": model.fc.parameters()})
for x, y in loader:
    optimizer.step()
""",
        ),
        Example(
            given=GIVEN,
            files=FILES,
            ok="""
optimizer = optim.SGD(model.parameters(), lr=0.1)
for x, y in loader:
    optimizer.step()
model.fc = nn.Linear(3, 5)
optimizer = optim.SGD(model.parameters(), lr=0.1)
for x, y in loader:
    optimizer.step()
""",
            note="built again",
        ),
        Example(
            given=GIVEN,
            files=FILES,
            ok="""
optimizer = optim.SGD(model.parameters(), lr=0.1)
model.act = nn.ReLU()
model.name = str(3)
other.fc = nn.Linear(3, 5)
for x, y in loader:
    optimizer.step()
""",
            note="nothing to be learnt, and another model",
        ),
        Example(
            given=GIVEN,
            files=FILES,
            bad="""
optimizer = optim.SGD(model.parameters(), lr=0.1)
criterion = nn.CrossEntropyLoss()
model.fc = nn.Linear(3, 5)  # a new head
for x, y in loader:
    optimizer.step()
""",
        ),
        Example(
            bad="""
import torch
from peft import LoraConfig, get_peft_model
from transformers import GPT2LMHeadModel

def main(loader):
    model = GPT2LMHeadModel.from_pretrained("gpt2")
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5)
    config = LoraConfig(task_type="CAUSAL_LM")
    model = get_peft_model(model, config)
    train(model, optimizer, loader)
""",
        ),
        Example(
            bad="""
import torch
from torch import nn

class Learner:
    def __init__(self, net: nn.Module):
        self.net = net
        self.opt = torch.optim.Adam(self.net.parameters())
        self.net.classifier[1] = nn.Sequential(nn.Linear(3, 2))
        self.fit(self.opt)
""",
        ),
    )


def _below(target: ast.expr, model: str) -> bool:
    """Whether an attribute or an element lies in a model: ``model.fc``, ``model.classifier[1]``."""
    current: ast.expr = target
    while isinstance(current, (ast.Attribute, ast.Subscript)):
        current = current.value
        if ast.unparse(current) == model:
            return True
    return False
