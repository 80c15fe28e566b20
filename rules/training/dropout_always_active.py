from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlint.rule import MODULE, Call, Context, Edit, Example, Finding, Fix, Rule, Safety, walk

GIVEN = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"
_NAMES = "dropout dropout1d dropout2d dropout3d alpha_dropout"
_FUNCTIONS = tuple(f"torch.nn.functional.{name}" for name in _NAMES.split())
_ATTENTION = "torch.nn.functional.scaled_dot_product_attention"
_LAYERS = {
    "torch.nn.Dropout": "dropout",
    "torch.nn.Dropout1d": "dropout1d",
    "torch.nn.Dropout2d": "dropout2d",
    "torch.nn.Dropout3d": "dropout3d",
    "torch.nn.AlphaDropout": "alpha_dropout",
}
_MEANT = re.compile(r"(?i)mc_?drop|monte|bayes|uncertain|stochastic|augment|corrupt|nois|simcse")


class DropoutAlwaysActive(Rule):
    """Functional dropout in a module without `training=self.training` drops in evaluation as well.

    ## Why
    `F.dropout` does not know in which mode the module is that calls it, and its default is `training=True`. So do not
    `scaled_dot_product_attention`, which drops whenever `dropout_p` is above zero, and `nn.Dropout(p)(x)` made on the
    spot, which is a new layer and as such in training mode. `model.eval()` has no effect on any of them: predictions
    are noisy and worse than the model.

    ## Fix safety
    Unsafe: what the model computes in evaluation changes, as intended.

    ## Known limits
    Classes and functions that are named after Monte Carlo dropout, noise or augmentation are left alone.

    ## References
    - PyTorch documentation, `torch.nn.functional.dropout` (`training`: "apply dropout if True. Default: True") and
      `torch.nn.functional.scaled_dot_product_attention`, the warning about `dropout_p`.
    """

    code, name = "ML418", "dropout-always-active"
    libraries = ("torch",)
    words = ("dropout", "Dropout")
    safety = Safety.UNSAFE
    triggers = (Call(*_FUNCTIONS, _ATTENTION, *_LAYERS),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if ctx.dotted(node.func) in _FUNCTIONS and ctx.argument(node, "training", 2) is not None:
            return
        function, owner = ctx.tree.function(node), ctx.tree.class_of(node)
        if function is None or owner is None or ctx.tree.parent(function) is not owner or ctx.open_ended(node):
            return
        if function.name == "__init__" or not function.args.args or _MEANT.search(owner.name + " " + function.name):
            return
        if MODULE not in ctx.kinds.bases(owner) or self._by_mode(node, ctx):
            return
        own = function.args.args[0].arg
        dotted = ctx.dotted(node.func) or ""
        if dotted in _LAYERS:
            yield from self._layer(node, _LAYERS[dotted], own, ctx)
        elif dotted == _ATTENTION:
            yield from self._attention(node, own, ctx)
        elif ctx.argument(node, "training", 2) is None:
            p = ctx.argument(node, "p", 1)
            if p is None or self._is_positive(p, ctx) is not False:

                def build() -> Edit:
                    return ctx.edits.add_keyword(node, "training", f"{own}.training")

                yield ctx.finding(
                    node,
                    f"`{ctx.short(node.func)}` drops in evaluation as well: its `training` is True by default",
                    f"give it `training={own}.training`",
                    ctx.fix(build, Safety.UNSAFE, f"Add `training={own}.training`"),
                )

    def _by_mode(self, node: ast.AST, ctx: Context) -> bool:
        """Whether a condition about the mode, or any that is not known, decides that it drops."""
        return any(
            isinstance(inner, (ast.Attribute, ast.Name))
            and re.search(r"train|eval|deterministic|sampl|dropout", getattr(inner, "attr", getattr(inner, "id", "")))
            for test, _ in ctx.flow.guards(node)
            for inner in walk(test)
        )

    def _is_positive(self, node: ast.expr, ctx: Context) -> bool | None:
        """Whether a rate is above zero; None where that is not seen."""
        values: list[ast.expr | None] = [node]
        if isinstance(node, ast.Attribute) and ctx.kinds.is_self(node.value):
            owner = ctx.tree.class_of(node)
            assigned = [] if owner is None else ctx.kinds.attribute_values(owner, node.attr)
            values = [value if isinstance(value, ast.expr) else None for value in assigned]
        answers: set[bool | None] = set()
        for value in values:
            if isinstance(value, ast.Name):
                found = ctx.names.lookup(value)
                bound = found[1][0] if found is not None and len(found[1]) == 1 else None
                value = bound.value if bound is not None and bound.how in ("parameter", "assign") else None
            number = isinstance(value, ast.Constant) and isinstance(value.value, (int, float))
            answers.add(value.value > 0 if number else None)  # type: ignore[union-attr]
        return answers.pop() if len(answers) == 1 else None

    def _attention(self, node: ast.Call, own: str, ctx: Context) -> Iterator[Finding]:
        rate = ctx.argument(node, "dropout_p", 4)
        if rate is None or not self._is_positive(rate, ctx):
            return

        def build() -> Edit:
            return ctx.edits.replace(rate, f"$x if {own}.training else 0.0", x=rate)

        yield ctx.finding(
            rate,
            "attention drops in evaluation as well: `dropout_p` is applied whatever the mode",
            f"give it `{ctx.short(rate)} if {own}.training else 0.0`",
            ctx.fix(build, Safety.UNSAFE, "Drop in training only"),
        )

    def _layer(self, node: ast.Call, function: str, own: str, ctx: Context) -> Iterator[Finding]:
        call = ctx.tree.parent(node)
        if not isinstance(call, ast.Call) or call.func is not node or len(call.args) != 1 or call.keywords:
            return
        rate = ctx.argument(node, "p", 0)
        if rate is not None and self._is_positive(rate, ctx) is False:
            return
        fix: Fix | None = None
        if len(node.args) + len(node.keywords) <= 1:
            outer = call

            def build() -> list[Edit]:
                name, imports = ctx.edits.name(f"torch.nn.functional.{function}", node)
                if rate is None:
                    return [ctx.edits.replace(outer, f"{name}($x, training={own}.training)", x=outer.args[0]), *imports]
                text = f"{name}($x, $p, training={own}.training)"
                return [ctx.edits.replace(outer, text, x=outer.args[0], p=rate), *imports]

            fix = ctx.fix(build, Safety.UNSAFE, f"Use `{function}` with `training={own}.training`")
        yield ctx.finding(
            call,
            f"`{ctx.short(node)}` is a new layer, and as such in training mode: it drops in evaluation as well",
            "make it in `__init__`, or use the function with `training`",
            fix,
        )

    examples = (
        Example(
            given=GIVEN,
            ok="""
class Net(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p
        self.drop = nn.Dropout(p)

    def forward(self, x, q, k, v):
        x = F.dropout(x, self.p, self.training)
        x = F.dropout(x, p=0.1, training=self.training)
        x = F.dropout(x, 0.0)
        a = F.scaled_dot_product_attention(q, k, v, dropout_p=self.p if self.training else 0.0)
        b = F.scaled_dot_product_attention(q, k, v, dropout_p=0.0)
        if self.training:
            x = F.dropout(x)
        return self.drop(x), a, b
""",
        ),
        Example(
            given=GIVEN,
            ok="""
class MCDropoutNet(nn.Module):
    def forward(self, x):
        return F.dropout(x, 0.5)

class Net(nn.Module):
    def sample_mc_dropout(self, x):
        return F.dropout(self(x), 0.5)

def noisy(x):
    return F.dropout(x, 0.5)
""",
            note="meant, and no module",
        ),
        Example(
            given=GIVEN,
            bad="""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(F.dropout(x, 0.3))  # regularize

net = Net().train()
out = net(torch.ones(5, 3))
""",
            good="""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(F.dropout(x, 0.3, training=self.training))  # regularize

net = Net().train()
out = net(torch.ones(5, 3))
""",
            equal="out",
            note="the same in training mode",
        ),
        Example(
            given=GIVEN,
            bad="""
class Attention(nn.Module):
    def __init__(self, dropout=0.1):
        super().__init__()
        self.dropout = dropout

    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout, is_causal=True)
""",
            good="""
class Attention(nn.Module):
    def __init__(self, dropout=0.1):
        super().__init__()
        self.dropout = dropout

    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0, is_causal=True)
""",
        ),
        Example(
            given=GIVEN,
            bad="""
class Net(nn.Module):
    def forward(self, x):
        return nn.Dropout(0.2)(x.relu())

net = Net().train()
out = net(torch.ones(5, 3))
""",
            good="""
class Net(nn.Module):
    def forward(self, x):
        return F.dropout(x.relu(), 0.2, training=self.training)

net = Net().train()
out = net(torch.ones(5, 3))
""",
            equal="out",
        ),
    )
