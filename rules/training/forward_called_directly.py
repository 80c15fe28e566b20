from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import LOSS, MODULE, Context, Edit, Example, Finding, Method, Rule, Safety

GIVEN = """\
import torch
from torch import nn

model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
x = torch.randn(4, 3)
"""


class ForwardCalledDirectly(Rule):
    """`model.forward(x)` goes past the hooks that `model(x)` runs.

    ## Why
    Hooks run in `__call__`: those of the user, and those that PyTorch itself relies on. Weight and spectral
    normalization compute the weight in one, pruning applies its masks in one, FSDP gathers the parameters and
    DistributedDataParallel prepares its reducer there. `forward()` called directly computes without all of them.

    ## Fix safety
    Unsafe: the same values without hooks; hooks that there are begin to run, as intended.

    ## Known limits
    A module that calls its own `self.forward(…)` or that of its base is left alone, and so is one whose class defines
    `__call__`.

    ## References
    - PyTorch documentation, `torch.nn.Module.forward`: "one should call the Module instance afterwards instead of this
      since the former takes care of running the registered hooks while the latter silently ignores them".
    """

    code, name = "ML410", "forward-called-directly"
    libraries = ("torch",)
    words = (".forward(",)
    safety = Safety.UNSAFE
    triggers = (Method("forward"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        func = node.func
        assert isinstance(func, ast.Attribute)
        receiver = func.value
        if not isinstance(receiver, (ast.Name, ast.Attribute, ast.Subscript)) or ctx.kinds.is_self(receiver):
            return
        kind = ctx.kinds.of(receiver)
        if not kind.is_a(MODULE) or kind.is_a(LOSS) or ctx.flow.compiled(node):
            return
        if kind.alternatives or (kind.name.startswith("torch.jit.") or "jit.script" in ctx.source.text):
            return
        definition = kind.definition
        if definition is not None and ctx.kinds.method(definition, "__call__") is not None:
            return
        if kind.elsewhere is not None and kind.elsewhere[0].method(kind.elsewhere[1], "__call__") is not None:
            return
        owner = ctx.tree.function(node)
        if owner is not None and owner.name == "__call__":
            return

        def build() -> Edit:
            return ctx.edits.replace(func, "$x", x=receiver)

        name = ctx.short(receiver)
        yield ctx.finding(
            node,
            f"`{name}.forward(…)` goes past the hooks of `{name}`",
            f"call `{name}(…)`",
            ctx.fix(build, Safety.UNSAFE, f"Call `{name}(…)`"),
        )

    examples = (
        Example(given=GIVEN, ok="y = model(x)\n"),
        Example(
            given=GIVEN,
            ok="""
class Net(nn.Linear):
    def forward(self, x):
        return super().forward(x) + nn.Linear.forward(self, x)

    def predict(self, x):
        return self.forward(x).argmax(1)
""",
        ),
        Example(
            given=GIVEN + "from mine import player\n",
            ok="""
class Robot:
    def forward(self, steps):
        return steps

y = Robot().forward(x)
robot = Robot()
z = robot.forward(x), player.forward(10)
""",
            note="no modules",
        ),
        Example(
            given=GIVEN,
            ok="""
class Net(nn.Module):
    def __call__(self, x):
        return self.forward(x + 1)

    def forward(self, x):
        return x

net = Net()
y = net.forward(x)
""",
            note="the class has a call of its own",
        ),
        Example(given=GIVEN, bad="y = model.forward(x)  # logits\n", good="y = model(x)  # logits\n", equal="y"),
        Example(
            given=GIVEN,
            bad="""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.heads = nn.ModuleList([nn.Linear(2, 1)])

    def forward(self, x):
        return self.fc.forward(x).relu()

net = Net()
y = net(x)
""",
            good="""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.heads = nn.ModuleList([nn.Linear(2, 1)])

    def forward(self, x):
        return self.fc(x).relu()

net = Net()
y = net(x)
""",
            equal="y",
        ),
        Example(
            given="from networks import Net\nimport torch\nnet = Net()\n",
            files={
                "networks.py": "from torch import nn\n\n\nclass Net(nn.Module):\n    def forward(self, x, scale=1):\n"
                "        return x * scale\n"
            },
            bad="y = net.forward(x, scale=2)\n",
            good="y = net(x, scale=2)\n",
        ),
    )
