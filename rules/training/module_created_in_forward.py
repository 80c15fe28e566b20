from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import FUNCTIONS, MODULE, OPTIMIZER, Call, Context, Example, Finding, FunctionNode, LoopNode, Rule, walk

GIVEN = "import torch\nfrom torch import nn, optim\nimport torch.nn.functional as F\n"
_LAYERS = (
    "Linear Bilinear Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d Embedding EmbeddingBag RNN "
    "LSTM GRU RNNCell LSTMCell GRUCell MultiheadAttention BatchNorm1d BatchNorm2d BatchNorm3d LayerNorm GroupNorm "
    "TransformerEncoderLayer TransformerDecoderLayer PReLU"
).split()
_STATEFUL = "Adam AdamW Adamax NAdam RAdam Adagrad Adadelta RMSprop".split()
_STEPS = frozenset({"forward", "training_step"})
_SETTING = frozenset("weight bias weight_g weight_v load_state_dict requires_grad_ parameters".split())


class ModuleCreatedInForward(Rule):
    """A layer with weights that is made in `forward` is a new random one in every call, and never trains.

    ## Why
    The optimizer holds the parameters that the model had when it was built. A layer that `forward` makes comes after
    that, with fresh random weights each time: its gradients go to tensors that nobody keeps. The same holds for an
    optimizer such as Adam that is made anew for each batch: its running means start from zero in every step, and what
    is left is close to the sign of the gradient.

    ## Known limits
    Layers that are made under a condition (a lazy build), or whose weights are set by hand (a fixed filter), are left
    alone.

    ## References
    - PyTorch documentation, `torch.nn.Module`, and Kingma & Ba (2015), "Adam: A Method for Stochastic Optimization",
      section 3, for the bias correction.
    """

    code, name = "ML414", "module-created-in-forward"
    libraries = ("torch",)
    words = ("def forward", "def training_step", "backward(")
    triggers = (
        Call(*(f"torch.nn.{name}" for name in _LAYERS)),
        Call(*(f"torch.optim.{name}" for name in _STATEFUL)),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if (ctx.dotted(node.func) or "").startswith("torch.optim."):
            yield from self._optimizer(node, ctx)
            return
        if not any(isinstance(part, FUNCTIONS) and part.name in _STEPS for part in ctx.tree.parts(node.lineno)):
            return
        function = ctx.tree.function(node)
        owner = None if function is None else ctx.tree.parent(function)
        if function is None or not isinstance(owner, ast.ClassDef) or function.name not in _STEPS:
            return
        if MODULE not in ctx.kinds.bases(owner) or ctx.flow.is_conditional(node, function):
            return
        if any(isinstance(outer, (ast.Try, ast.ExceptHandler)) for outer in ctx.tree.ancestors(node)):
            return
        if ctx.model.grad_mode.decided(node) or self._is_set(node, function, ctx):
            return
        name = (ctx.dotted(node.func) or "").rpartition(".")[2]
        yield ctx.finding(
            node,
            f"each call of `{function.name}` makes a new `{name}` with random weights, which never trains",
            "make it in `__init__`",
        )

    def _is_set(self, node: ast.Call, function: FunctionNode, ctx: Context) -> bool:
        """Whether the weights of a layer are given, or what becomes of the layer is not seen."""
        statement = ctx.tree.statement(node)
        parent = ctx.tree.parent(node)
        if isinstance(parent, ast.Call) and parent.func is node:
            return False  # `nn.Linear(3, 2)(x)`
        while isinstance(parent, (ast.Attribute, ast.Call)) and not isinstance(parent, ast.stmt):
            if isinstance(parent, ast.Attribute) and parent.attr not in ("to", "cuda", "train", "float", "half"):
                return True
            if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Call):
                return False  # `nn.Linear(3, 2).to(device)(x)`
            parent = ctx.tree.parent(parent)
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1 or parent is not statement:
            return True
        target = ast.unparse(statement.targets[0])
        called = False
        for inner in walk(function):
            if isinstance(inner, ast.Attribute) and inner.attr in _SETTING and ast.unparse(inner.value) == target:
                return True
            if isinstance(inner, ast.Call) and ast.unparse(inner.func) == target:
                called = True
            elif isinstance(inner, ast.Call):
                given = [*inner.args, *(keyword.value for keyword in inner.keywords)]
                if any(ast.unparse(part) == target for part in given if isinstance(part, (ast.Name, ast.Attribute))):
                    return True
        return not called

    def _optimizer(self, node: ast.Call, ctx: Context) -> Iterator[Finding]:
        loop = ctx.flow.loop(node)
        if loop is None or ctx.flow.is_conditional(node, loop):
            return
        statement = ctx.tree.statement(node)
        if not isinstance(statement, ast.Assign) or statement.value is not node or len(statement.targets) != 1:
            return
        optimizer = ast.unparse(statement.targets[0])
        made = ctx.training.round_of(loop)
        own = ctx.training.own(made)
        if made.of("step") != [action for action in own if action.role == "step"] or ctx.training.is_engine(made):
            return
        if len(made.of("backward")) != 1 or made.of("backward")[0] not in own or made.of("backward")[0].helper:
            return
        if [action.subject for action in made.of("step") if not action.helper] != [optimizer]:
            return
        if not ctx.flow.is_batch_loop(loop) or self._rebuilt(node, loop, ctx):
            return
        yield ctx.finding(
            node,
            f"`{optimizer}` is made anew for each batch: what it has learnt about the gradients is thrown away",
            "make it once, before the loop",
        )

    def _rebuilt(self, node: ast.Call, loop: LoopNode, ctx: Context) -> bool:
        """Whether what is optimized may be a new one in each round."""
        names = {inner.id for part in node.args for inner in walk(part) if isinstance(inner, ast.Name)}
        for statement in loop.body:
            for inner in walk(statement):
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store) and inner.id in names:
                    return True
                if isinstance(inner, ast.Attribute) and inner.attr in ("load_state_dict", "reset_parameters", "apply"):
                    return True
                if isinstance(inner, ast.Call) and inner is not node and ctx.is_a(inner, OPTIMIZER):
                    return True
        return False

    examples = (
        Example(
            given=GIVEN,
            ok="""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.proj = None

    def forward(self, x):
        if self.proj is None:
            self.proj = nn.Linear(2, 2).to(x.device)
        return nn.ReLU()(self.proj(self.fc(x)))
""",
            note="a lazy build, and a layer without weights",
        ),
        Example(
            given=GIVEN,
            ok="""
class Blur(nn.Module):
    def forward(self, x):
        conv = nn.Conv2d(1, 1, 3, padding=1, bias=False)
        conv.weight.data = self.kernel
        return conv(x)

    def build(self):
        return nn.Linear(3, 2)
""",
            note="a fixed filter; and a method that is meant to build",
        ),
        Example(
            given=GIVEN,
            ok="""
class Net(nn.Module):
    @torch.no_grad()
    def forward(self, x):
        return nn.Linear(3, 2)(x)

def forward(x):
    return nn.Linear(3, 2)(x)
""",
            note="a random projection without gradients, and a function",
        ),
        Example(
            given=GIVEN + "from torch.utils.data import DataLoader\nloader = DataLoader(data)\n",
            ok="""
opt = optim.Adam(net.parameters())
for x in loader:
    opt.zero_grad()
    net(x).mean().backward()
    opt.step()
for x in loader:
    learner = nn.Linear(3, 1)
    inner = optim.Adam(learner.parameters())
    inner.zero_grad()
    learner(x).mean().backward()
    inner.step()
for epoch in range(3):
    once = optim.Adam(net.parameters(), lr=1e-3 / (epoch + 1))
    for x in loader:
        once.zero_grad()
        net(x).mean().backward()
        once.step()
""",
        ),
        Example(
            given=GIVEN,
            bad="""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        x = self.conv(x).flatten(1)
        fc = nn.Linear(x.shape[1], 10).to(x.device)
        return fc(x)
""",
        ),
        Example(
            given=GIVEN,
            bad="""
class Net(nn.Module):
    def forward(self, x):
        return F.relu(nn.BatchNorm1d(x.shape[1])(x))
""",
        ),
        Example(
            given=GIVEN,
            bad="""
class Net(nn.Module):
    def forward(self, x):
        self.rnn = nn.GRU(x.shape[-1], 8)
        out, _ = self.rnn(x)
        return out
""",
        ),
        Example(
            given=GIVEN + "from torch.utils.data import DataLoader\nloader = DataLoader(data)\n",
            bad="""
for x in loader:
    opt = optim.Adam(net.parameters(), lr=1e-3)
    opt.zero_grad()
    net(x).mean().backward()
    opt.step()
""",
        ),
    )
