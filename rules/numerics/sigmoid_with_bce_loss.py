from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Call, Context, Edit, Example, Finding, Pattern, Rule, Safety, Template, walk

SIGMOIDS = frozenset({"torch.sigmoid", "torch.nn.functional.sigmoid", "torch.special.expit"})
GIVEN = (
    "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
    "x, y = torch.randn(8), torch.randint(0, 2, (8,)).float()\n"
)


class SigmoidWithBceLoss(Rule):
    """A sigmoid in front of a binary cross entropy saturates; the loss with logits does not.

    ## Why
    In float32, `sigmoid(x)` is exactly 1 from x = 17 on. The logarithm of the difference to 1 is then -inf, which
    `binary_cross_entropy` clamps to -100: the loss is wrong, and the gradient through the sigmoid is 0, so that
    just the samples that are most wrong teach nothing. `binary_cross_entropy_with_logits` works on x itself.
    Under autocast `binary_cross_entropy` and `BCELoss` raise.

    ## Fix safety
    Unsafe: for saturated values the loss and its gradient differ (the new ones are right). Offered for the functional
    form; a `BCELoss` module is reported.

    ## References
    - PyTorch documentation, `torch.nn.BCEWithLogitsLoss` and `torch.nn.BCELoss`.
    - PyTorch documentation, "Automatic Mixed Precision", "Prefer binary_cross_entropy_with_logits over
      binary_cross_entropy".
    """

    code, name = "ML505", "sigmoid-with-bce-loss"
    libraries = ("torch",)
    safety = Safety.UNSAFE
    triggers = (
        Call("torch.nn.functional.binary_cross_entropy"),
        Call("torch.nn.BCELoss"),
    )

    def __init__(self) -> None:
        self._pattern = Pattern(
            "torch.nn.functional.binary_cross_entropy(torch.sigmoid($x), $*rest)", through_names=True
        )
        self._template = Template("torch.nn.functional.binary_cross_entropy_with_logits($x, $*rest)")

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if ctx.dotted(node.func) == "torch.nn.BCELoss":
            yield from self._module(node, ctx)
            return
        match = self._pattern.match(node, ctx.model)
        if match is None:
            return
        fix = None
        rendered = self._template.render(match, ctx.model)
        rest = match.variables["rest"]
        positional = 0 if isinstance(rest, ast.AST) else sum(isinstance(part, ast.expr) for part in rest)
        if rendered is not None and positional <= 2:  # (target, weight): what follows comes in another order
            text, imports = rendered

            def build() -> list[Edit]:
                gone = ctx.superseded(match)
                edits = [ctx.edits.replace(node, text, **match.variables), *ctx.edits.imports(imports)]
                return [*(edit for statement in gone for edit in ctx.edits.delete([statement])), *edits]

            fix = ctx.fix(build, Safety.UNSAFE, "Use `binary_cross_entropy_with_logits`")
        yield ctx.finding(
            node,
            f"binary cross entropy of a sigmoid: saturates where `{ctx.short(match['x'])}` is large",
            "use `F.binary_cross_entropy_with_logits`",
            fix,
        )

    def _module(self, made: ast.Call, ctx: Context) -> Iterator[Finding]:
        """A `BCELoss` that is called with a sigmoid, or with the output of a network that ends in one."""
        for call in self._calls(made, ctx):
            if not call.args or isinstance(call.args[0], ast.Starred):
                continue
            source = self._sigmoid(call.args[0], ctx)
            if source is not None:
                yield ctx.finding(
                    call,
                    f"`BCELoss` of a sigmoid: saturates where {source} is large",
                    "leave the sigmoid out and use `nn.BCEWithLogitsLoss`",
                )

    def _calls(self, made: ast.Call, ctx: Context) -> list[ast.Call]:
        """The calls of the loss that a constructor makes: itself, a local name, or an attribute of self."""
        parent = ctx.tree.parent(made)
        if isinstance(parent, ast.Call) and parent.func is made:
            return [parent]
        if not isinstance(parent, ast.Assign) or len(parent.targets) != 1:
            return []
        target = parent.targets[0]
        found: list[ast.Call] = []
        if isinstance(target, ast.Name):
            for use in ctx.flow.uses_after(target.id, parent):
                outer = ctx.tree.parent(use)
                bindings = ctx.reaching.of(use) or []
                if isinstance(outer, ast.Call) and outer.func is use and [b.node for b in bindings] == [parent]:
                    found.append(outer)
        elif isinstance(target, ast.Attribute) and ctx.kinds.is_self(target.value):
            owner = ctx.tree.class_of(target)
            if owner is not None and len(ctx.kinds.attribute_values(owner, target.attr)) == 1:
                for inner in walk(owner):
                    if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
                        if inner.func.attr == target.attr and ctx.kinds.is_self(inner.func.value):
                            found.append(inner)
        return found

    def _sigmoid(self, node: ast.expr, ctx: Context, depth: int = 0) -> str | None:
        """What goes into the sigmoid that an expression is the output of; None if it is none."""
        if depth > 6:
            return None
        if isinstance(node, ast.Name):
            bindings = ctx.reaching.of(node)
            if bindings is None or len(bindings) != 1 or bindings[0].how != "assign" or bindings[0].path:
                return None
            return None if bindings[0].value is None else self._sigmoid(bindings[0].value, ctx, depth + 1)
        if not isinstance(node, ast.Call):
            return None
        if ctx.dotted(node.func) in SIGMOIDS and node.args:
            return f"`{ctx.short(node.args[0])}`"
        if isinstance(node.func, ast.Attribute):
            if node.func.attr == "sigmoid" and ctx.is_a(node.func.value, "torch.Tensor"):
                return f"`{ctx.short(node.func.value)}`"
            if node.func.attr in ("squeeze", "view", "flatten", "reshape") and ctx.dotted(node.func) is None:
                return self._sigmoid(node.func.value, ctx, depth + 1)
        kind = ctx.kinds.of(node.func)
        if kind.name == "torch.nn.Sigmoid" and node.args:
            return f"`{ctx.short(node.args[0])}`"
        if kind.definition is not None and kind.is_a("torch.nn.Module"):
            forward = ctx.kinds.method(kind.definition, "forward")
            returns = [] if forward is None else [n for n in walk(forward) if isinstance(n, ast.Return) and n.value]
            if returns and all(r.value is not None and self._sigmoid(r.value, ctx, depth + 1) for r in returns):
                return f"what `{kind.definition.name}` puts into it"
        return None

    examples = (
        Example(
            given=GIVEN,
            bad="loss = F.binary_cross_entropy(torch.sigmoid(x), y)",
            good="loss = F.binary_cross_entropy_with_logits(x, y)",
            equal="loss",
            close=True,
        ),
        Example(
            given=GIVEN,
            bad="loss = F.binary_cross_entropy(x.sigmoid(), y, reduction='sum')",
            good="loss = F.binary_cross_entropy_with_logits(x, y, reduction='sum')",
            equal="loss",
            close=True,
        ),
        Example(
            given=GIVEN,
            bad=(
                "def step(net, x, y):\n    p = torch.sigmoid(x)\n    loss = F.binary_cross_entropy(p, y)\n"
                "    return loss\n\nloss = step(None, x, y)"
            ),
            good=(
                "def step(net, x, y):\n    loss = F.binary_cross_entropy_with_logits(x, y)\n"
                "    return loss\n\nloss = step(None, x, y)"
            ),
            equal="loss",
            close=True,
        ),
        Example(
            given=GIVEN,
            bad=(
                "def step(x, y):\n    p = torch.sigmoid(x)\n    loss = F.binary_cross_entropy(p, y)\n"
                "    return loss, p > 0.5\n\nloss = step(x, y)[0]"
            ),
            good=(
                "def step(x, y):\n    p = torch.sigmoid(x)\n    loss = F.binary_cross_entropy_with_logits(x, y)\n"
                "    return loss, p > 0.5\n\nloss = step(x, y)[0]"
            ),
            equal="loss",
            close=True,
            note="the probabilities are needed afterwards",
        ),
        Example(given=GIVEN, bad="criterion = nn.BCELoss()\nloss = criterion(torch.sigmoid(x), y)"),
        Example(given=GIVEN, bad="loss = nn.BCELoss(reduction='sum')(torch.sigmoid(x).squeeze(), y)"),
        Example(
            given=GIVEN,
            bad=(
                "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
                "        self.fc = nn.Linear(3, 1)\n\n    def forward(self, x):\n"
                "        return torch.sigmoid(self.fc(x))\n\n\n"
                "net = Net()\nbce = nn.BCELoss()\nloss = bce(net(torch.randn(8, 3)).squeeze(1), y)"
            ),
        ),
        Example(
            given=GIVEN,
            bad=(
                "class Trainer:\n    def __init__(self):\n        self.loss = nn.BCELoss()\n\n"
                "    def step(self, z, y):\n        p = torch.sigmoid(z)\n        return self.loss(p, y)\n"
            ),
        ),
        Example(given=GIVEN, ok="loss = F.binary_cross_entropy_with_logits(x, y)"),
        Example(given=GIVEN, ok="loss = F.binary_cross_entropy(torch.softmax(x, 0), y)"),
        Example(given=GIVEN, ok="criterion = nn.BCELoss()\nloss = criterion(y, y)"),
        Example(given=GIVEN, ok="criterion = nn.BCEWithLogitsLoss()\nloss = criterion(x, y)\np = torch.sigmoid(x)"),
        Example(
            given=GIVEN,
            ok="def f(p, y):\n    p = torch.sigmoid(p)\n    p = p.clamp(1e-6, 1 - 1e-6)\n"
            "    return F.binary_cross_entropy(p, y)\n",
        ),
        Example(given=GIVEN + "from mylib import sigmoid\n", ok="loss = F.binary_cross_entropy(sigmoid(x), y)"),
    )
