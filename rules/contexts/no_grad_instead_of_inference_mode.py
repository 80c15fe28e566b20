from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from mlint.rule import (
    FUNCTIONS,
    LOSS,
    MODULE,
    Call,
    Context,
    Edit,
    Example,
    Finding,
    Rule,
    Safety,
    walk,
    walk_statements,
)

# Where these are at work, inference tensors have failed: sharded parameters, compiled graphs, traced modules.
FRAGILE = (
    "torch.compile", "FullyShardedDataParallel", "FSDP", "fully_shard", "torch.jit", "torch.export", "torch.onnx",
    "torch.fx", "distributed.rpc", "deepspeed", "functorch", "cuda.graph", "DTensor",
)  # fmt: skip
EVALUATING = re.compile(r"(^|_)(test|val|valid\w*|eval\w*|predict\w*|infer\w*|score)(_|$)", re.IGNORECASE)

EVALUATION = """import torch
import torch.nn.functional as F
from torch import nn
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
model.eval()
loader = [(torch.randn(8, 4), torch.randint(0, 3, (8,))) for _ in range(3)]
"""
TOTAL = (
    "total = 0.0\nwith torch.no_grad():\n    for x, y in loader:\n        out = model(x)\n"
    "        total += F.cross_entropy(out, y).item()\nresult = total"
)


class NoGradInsteadOfInferenceMode(Rule):
    """Inference that leaves no tensors behind can run in `torch.inference_mode()` instead of `torch.no_grad()`.

    ## Why
    Both record no graph. Inference mode also skips the version counters and the bookkeeping of views of every tensor
    that is made in it, which saves a few percent where many small operations run. The price is that its tensors can
    never take part in autograd again, so the rule asks only where numbers, strings and NumPy arrays are all that comes
    out of the block.

    ## Fix safety
    Unsafe: what a model keeps for itself while it runs (a cache of positions, a buffer that is made on the first call)
    becomes an inference tensor too, and a later training step that saves it for its backward pass raises.

    ## Known limits
    Off by default. Files that shard, compile, trace or export models are left alone, and so are models that assign to
    their attributes in `forward`, first tries before a training, and blocks in which a tensor is handed to code that is
    not known.

    ## References
    - PyTorch documentation, "Autograd mechanics", section "Inference Mode".
    - PyTorch documentation, `torch.inference_mode`.
    """

    code, name = "ML202", "no-grad-instead-of-inference-mode"
    libraries = ("torch",)
    default = False
    safety = Safety.UNSAFE
    triggers = (Call("torch.no_grad"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        parent = ctx.tree.parent(node)
        outer: ast.stmt | None = None
        if isinstance(parent, ast.withitem):
            block = ctx.tree.parent(parent)
            if not isinstance(block, ast.With) or parent.optional_vars is not None:
                return
            outer, body = block, block.body
        elif isinstance(parent, FUNCTIONS) and node in parent.decorator_list:
            if len(parent.decorator_list) > 1 or isinstance(ctx.tree.parent(parent), ast.ClassDef):
                return
            body = parent.body
        else:
            return
        if any(word in ctx.source.text for word in FRAGILE) or ctx.targets("torch", "<1.9"):
            return
        forwards = [
            call for call in walk_statements(body) if isinstance(call, ast.Call) and self._is_forward(call, ctx)
        ]
        if not forwards or any(self._keeps_tensors(call, ctx) for call in forwards):
            return
        if self._trains_on(forwards, node, ctx) or not ctx.leaves_only_plain(body, outer):
            return
        text, imports = ctx.edits.name("torch.inference_mode", node)

        def build() -> Iterable[Edit]:
            return [ctx.edits.rename_callee(node, text), *imports]

        yield ctx.finding(
            node,
            f"nothing but numbers leaves `{ctx.short(node)}`",
            f"`{text}()` also skips version counters and views",
            ctx.fix(build, Safety.UNSAFE, f"Use `{text}()`"),
        )

    def _is_forward(self, call: ast.Call, ctx: Context) -> bool:
        if not (call.args or call.keywords) or ctx.is_a(call.func, LOSS):
            return False
        return ctx.is_a(call.func, MODULE) or ctx.is_put_into_eval_mode(call.func)

    def _trains_on(self, forwards: list[ast.Call], node: ast.Call, ctx: Context) -> bool:
        """Whether the file trains, and nothing says that the block is an evaluation: the first call of a model may make
        what it keeps.
        """
        if not (ctx.model.trains or "Trainer(" in ctx.source.text):
            return False
        if any(ctx.kinds.of(call.func).name.startswith(("transformers.", "peft.")) for call in forwards):
            return True
        named = any(EVALUATING.search(function.name) for function in ctx.tree.functions(node))
        around = ctx.tree.function(node) or ctx.tree.module
        models = {ctx.text(call.func) for call in forwards}
        in_eval_mode = any(
            isinstance(part, ast.Call)
            and isinstance(part.func, ast.Attribute)
            and part.func.attr == "eval"
            and ctx.text(part.func.value) in models
            for part in walk(around)
        )
        return not (named or in_eval_mode)

    def _keeps_tensors(self, call: ast.Call, ctx: Context) -> bool:
        """Whether the class of a model assigns to its attributes outside of its constructor."""
        definition = ctx.kinds.of(call.func).definition
        return definition is not None and any(
            isinstance(method, FUNCTIONS)
            and method.name != "__init__"
            and any(isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store) for part in walk(method))
            for method in definition.body
        )

    examples = (
        Example(given=EVALUATION, ok=TOTAL.replace("no_grad", "inference_mode")),
        Example(
            given=EVALUATION,
            ok="outs = []\nwith torch.no_grad():\n    for x, y in loader:\n        outs.append(model(x))",
            note="tensors, for whatever",
        ),
        Example(
            given=EVALUATION,
            ok="outs = []\nwith torch.no_grad():\n    for x, y in loader:\n"
            "        outs.append(model(x).argmax(1).detach().cpu())",
        ),
        Example(given=EVALUATION, ok="@torch.no_grad()\ndef predict(x):\n    model.eval()\n    return model(x)"),
        Example(
            given=EVALUATION,
            ok="with torch.no_grad():\n    target = model(loader[0][0])\n"
            "loss = (model(loader[0][0]) - target).pow(2).mean()",
            note="a teacher's output",
        ),
        Example(
            given=EVALUATION + "ema = [p.clone() for p in model.parameters()]\n",
            ok="with torch.no_grad():\n    model(loader[0][0])\n    for a, b in zip(ema, model.parameters()):\n"
            "        a.mul_(0.9).add_(b)",
        ),
        Example(
            given=EVALUATION,
            ok="with torch.no_grad():\n    for p in model.parameters():\n        p.copy_(torch.zeros_like(p))",
        ),
        Example(
            given=EVALUATION + "from mylib import Accuracy\nmetric = Accuracy()\n",
            ok="with torch.no_grad():\n    for x, y in loader:\n        metric.update(model(x), y)\n"
            "print(metric.compute())",
            note="keeps what it is given",
        ),
        Example(given=EVALUATION + "fast = torch.compile(model)\n", ok=TOTAL),
        Example(
            given=EVALUATION,
            ok="class Net(nn.Module):\n    def forward(self, x):\n        self.last = x\n        return x\n\n\n"
            "net = Net()\n"
            "with torch.no_grad():\n    print(net(loader[0][0]).sum().item())",
            note="keeps a tensor",
        ),
        Example(given=EVALUATION, ok="with torch.no_grad():\n    total = sum(float(x.sum()) for x, y in loader)"),
        Example(
            given=EVALUATION.replace("model.eval()\n", "") + "opt = torch.optim.SGD(model.parameters(), lr=0.1)\n",
            ok="with torch.no_grad():\n    print(model(loader[0][0]).sum().item())\nfor x, y in loader:\n"
            "    opt.zero_grad()\n"
            "    F.cross_entropy(model(x), y).backward()\n    opt.step()",
            note="a first try, before the training",
        ),
        # What it asks for
        Example(given=EVALUATION, bad=TOTAL, good=TOTAL.replace("no_grad", "inference_mode"), equal="result"),
        Example(
            given=EVALUATION,
            bad="@torch.no_grad()\ndef evaluate(net, loader):\n    net.eval()\n    right = seen = 0\n"
            "    for x, y in loader:\n"
            "        x = x.to('cpu')\n        guess = net(x).argmax(dim=1)\n"
            "        right += (guess == y).sum().item()\n"
            "        seen += len(y)\n    return right / seen\n\n\nresult = evaluate(model, loader)",
            good="@torch.inference_mode()\ndef evaluate(net, loader):\n    net.eval()\n    right = seen = 0\n"
            "    for x, y in loader:\n"
            "        x = x.to('cpu')\n        guess = net(x).argmax(dim=1)\n"
            "        right += (guess == y).sum().item()\n"
            "        seen += len(y)\n    return right / seen\n\n\nresult = evaluate(model, loader)",
            equal="result",
        ),
        Example(
            given=EVALUATION + "import numpy as np\nfrom torch import no_grad\n",
            bad="scores = []\nwith no_grad():\n    for x, _ in loader:\n"
            "        scores.append(model(x).softmax(1).cpu().numpy())\n"
            "result = np.concatenate(scores)",
            good="scores = []\nwith torch.inference_mode():\n    for x, _ in loader:\n"
            "        scores.append(model(x).softmax(1).cpu().numpy())\nresult = np.concatenate(scores)",
            equal="result",
        ),
    )
