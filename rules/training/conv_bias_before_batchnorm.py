from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Call, Context, Edit, Example, Finding, Rule, Safety, walk

GIVEN = "import torch\nfrom torch import nn\n"
_TORCH_LAYERS = frozenset(
    f"torch.nn.{name}" for name in "Linear Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d".split()
)
_TORCH_NORMS = tuple(f"torch.nn.{name}" for name in "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm".split())
_KERAS_LAYERS = frozenset(f"keras.layers.{name}" for name in "Dense Conv1D Conv2D Conv3D".split())
_KERAS_NORM = "keras.layers.BatchNormalization"
_BIAS_POSITION = {"torch.nn.Linear": 2, "torch.nn.Conv1d": 7, "torch.nn.Conv2d": 7, "torch.nn.Conv3d": 7}


class ConvBiasBeforeBatchnorm(Rule):
    """The bias of a layer that batch normalization follows has no effect.

    ## Why
    Batch normalization subtracts the mean of each channel, and the bias with it, so that its gradient is zero up to
    rounding. It costs memory for the parameter, its gradient and the state of the optimizer, and an addition over the
    whole output.

    ## Fix safety
    Unsafe: the `state_dict` has one key less, so that checkpoints from before no longer load with `strict=True`, and
    what initializes the layers draws other random numbers.

    ## Known limits
    Layers that stand next to each other in a `Sequential`, or are called as `self.bn(self.conv(x))` and not otherwise.

    ## References
    - Ioffe & Szegedy (2015), "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
      Shift", section 3.2: "the bias b can be ignored since its effect will be canceled by the subsequent mean
      subtraction".
    - PyTorch tutorial "Performance Tuning Guide", "Disable bias for convolutions directly followed by a batch norm".
    """

    code, name = "ML419", "conv-bias-before-batchnorm"
    libraries = ("torch", "tensorflow", "keras")
    default = False
    words = ("BatchNorm",)
    safety = Safety.UNSAFE
    triggers = (Call(*_TORCH_NORMS, _KERAS_NORM),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        dotted = ctx.dotted(node.func) or ""
        keras = dotted == _KERAS_NORM
        before = self._in_sequence(node, ctx, keras) or (None if keras else self._in_forward(node, ctx))
        if before is None or ctx.open_ended(before):
            return
        name = ctx.dotted(before.func) or ""
        if name not in (_KERAS_LAYERS if keras else _TORCH_LAYERS):
            return
        flag = "use_bias" if keras else "bias"
        if ctx.argument(before, flag, _BIAS_POSITION.get(name)) is not None:
            return
        if keras and ctx.argument(before, "activation", 1 if name == "keras.layers.Dense" else None) is not None:
            return
        layer = before

        def build() -> Edit:
            return ctx.edits.add_keyword(layer, flag, "False")

        yield ctx.finding(
            before,
            f"batch normalization subtracts the bias of this `{name.rpartition('.')[2]}` again",
            f"give it `{flag}=False`",
            ctx.fix(build, Safety.UNSAFE, f"Add `{flag}=False`"),
        )

    def _in_sequence(self, node: ast.Call, ctx: Context, keras: bool) -> ast.Call | None:
        """The layer in front of a normalization in a `Sequential`."""
        parent = ctx.tree.parent(node)
        sequence: list[ast.expr] = []
        if isinstance(parent, ast.List) and keras:
            outer = ctx.tree.parent(parent)
            if isinstance(outer, ast.Call) and (ctx.dotted(outer.func) or "").endswith(".Sequential"):
                sequence = parent.elts
        elif isinstance(parent, ast.Call) and ctx.dotted(parent.func) == "torch.nn.Sequential":
            sequence = parent.args
        position = next((i for i, part in enumerate(sequence) if part is node), 0)
        before = sequence[position - 1] if position else None
        return before if isinstance(before, ast.Call) else None

    def _in_forward(self, node: ast.Call, ctx: Context) -> ast.Call | None:
        """The layer whose output alone an attribute of self normalizes, and which is called nowhere else."""
        statement = ctx.tree.statement(node)
        owner = ctx.tree.class_of(node)
        if owner is None or not isinstance(statement, ast.Assign) or statement.value is not node:
            return None
        target = statement.targets[0]
        if len(statement.targets) != 1 or not isinstance(target, ast.Attribute) or not ctx.kinds.is_self(target.value):
            return None
        fed: set[str] = set()
        reads: dict[str, int] = {}
        for inner in walk(owner):
            if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Load) and ctx.kinds.is_self(inner.value):
                reads[inner.attr] = reads.get(inner.attr, 0) + 1
            if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
                if inner.func.attr == target.attr and ctx.kinds.is_self(inner.func.value):
                    given = inner.args[0] if len(inner.args) == 1 else None
                    called = given.func if isinstance(given, ast.Call) else None
                    if not isinstance(called, ast.Attribute) or not ctx.kinds.is_self(called.value):
                        return None
                    fed.add(called.attr)
        layer = fed.pop() if len(fed) == 1 else None
        if layer is None or reads.get(layer) != 1 or reads.get(target.attr) != 1:
            return None
        values = ctx.kinds.attribute_values(owner, layer)
        return values[0] if len(values) == 1 and isinstance(values[0], ast.Call) else None

    examples = (
        Example(
            given=GIVEN,
            ok="""
net = nn.Sequential(
    nn.Conv2d(3, 8, 3, bias=False),
    nn.BatchNorm2d(8),
    nn.Conv2d(8, 8, 3),
    nn.ReLU(),
    nn.BatchNorm2d(8),
    nn.Conv2d(8, 8, 3),
    nn.GroupNorm(2, 8),
)
""",
        ),
        Example(
            given=GIVEN,
            ok="""
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.bn = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.bn(self.conv(x)) + self.conv(x)
""",
            note="used without the normalization as well",
        ),
        Example(
            given="import torch\nfrom torch import nn\n",
            bad="""
net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
torch.manual_seed(0)
for p in net.parameters():
    nn.init.normal_(p) if p.dim() == 4 else nn.init.ones_(p)
out = net(torch.ones(2, 3, 4, 4).cumsum(2))
""",
            good="""
net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
torch.manual_seed(0)
for p in net.parameters():
    nn.init.normal_(p) if p.dim() == 4 else nn.init.ones_(p)
out = net(torch.ones(2, 3, 4, 4).cumsum(2))
""",
            equal="out",
            close=True,
        ),
        Example(
            given=GIVEN,
            bad="""
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)  # 3 x 3
        self.bn = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.bn(self.conv(x)).relu()
""",
            good="""
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3, bias=False)  # 3 x 3
        self.bn = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.bn(self.conv(x)).relu()
""",
        ),
        Example(
            given="import keras\nfrom keras import layers\n",
            bad="m = keras.Sequential([layers.Conv2D(8, 3), layers.BatchNormalization()])\n",
            good="m = keras.Sequential([layers.Conv2D(8, 3, use_bias=False), layers.BatchNormalization()])\n",
        ),
        Example(
            given="import keras\nfrom keras import layers\n",
            ok='m = keras.Sequential([layers.Conv2D(8, 3, activation="relu"), layers.BatchNormalization()])\n',
        ),
    )
