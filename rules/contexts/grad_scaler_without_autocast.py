from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Call, Context, Example, Finding, Rule, walk

SCALERS = ("torch.amp.GradScaler", "torch.cuda.amp.GradScaler", "torch.amp.grad_scaler.GradScaler")
# A file, or a module of the project, in which one of these stands may compute in half precision.
HALF = ("autocast", "half(", ".half", "float16", "fp16", "FP16", "apex", "mixed_precision", "deepspeed", "HalfTensor")
# These choose the precision of what they run.
FRAMEWORKS = frozenset(
    "accelerate lightning pytorch_lightning lightning_fabric deepspeed apex fairscale colossalai composer mmengine "
    "mmcv ignite catalyst fastai detectron2 ultralytics sentence_transformers megatron monai".split()
)

STEPS = """import torch
from torch import nn
net = nn.Linear(4, 2)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
batches = [torch.randn(8, 4) for _ in range(3)]
"""
SCALED = "{0}scaler.scale(net(x).sum()).backward()\n{0}scaler.step(opt)\n{0}scaler.update()\n"


class GradScalerWithoutAutocast(Rule):
    """A `GradScaler` without `autocast` scales gradients that cannot underflow.

    ## Why
    The scaler multiplies the loss, divides all gradients, and checks each of them for infinities before every step, so
    that small gradients survive in half precision. In `float32` nothing underflows: the training pays for the scaling,
    for the checks and for the synchronization with the GPU, and for the steps that are skipped while the scale is
    found, and gains none of the speed of half precision, which comes from `torch.autocast`.

    ## References
    - PyTorch documentation, "Automatic Mixed Precision package": "Ordinarily, automatic mixed precision training means
      training with torch.autocast and torch.amp.GradScaler together".

    ## Known limits
    Only programs are judged, whose models are in sight. A file that mentions half precision anywhere, or that imports
    something of which nothing is known, is left alone, and so is one that leads to a module of the project that
    mentions it.
    """

    code, name = "ML206", "grad-scaler-without-autocast"
    libraries = ("torch",)
    triggers = (Call(*SCALERS),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        statement = ctx.tree.parent(node)
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1 or ctx.open_ended(node):
            return
        if not ctx.is_script:
            return  # the models of others may run under autocast by themselves
        target = statement.targets[0]
        if not isinstance(target, (ast.Name, ast.Attribute)):
            return
        enabled = ctx.argument(node, "enabled")
        if isinstance(enabled, ast.Constant) and not enabled.value:
            return
        text = ctx.text(target)
        if text not in ctx.training.scalers or not self._steps(text, ctx):
            return
        if any((binding.imported or "").partition(".")[0] in FRAMEWORKS for binding in ctx.names.imports()):
            return
        if ctx.imports_strangers() or ctx.mentioned(*HALF):
            return
        yield ctx.finding(
            node,
            f"`{text}` scales losses that nothing computes in half precision",
            "run the forward pass under `torch.autocast`, or drop the scaler",
        )

    def _steps(self, text: str, ctx: Context) -> bool:
        """Whether the scaler steps an optimizer in a loop, or in a function that may be called in one."""
        return any(
            isinstance(call.func, ast.Attribute)
            and call.func.attr == "step"
            and bool(call.args)
            and ctx.text(call.func.value) == text
            and (ctx.flow.loop(call) is not None or ctx.tree.function(call) is not None)
            for call in ctx.tree.calls
        ) and not any(isinstance(part, ast.Name) and part.id == "closure" for part in walk(ctx.tree.module))

    examples = (
        Example(
            given=STEPS,
            ok='scaler = torch.amp.GradScaler("cuda")\nfor x in batches:\n    with torch.autocast("cuda"):\n'
            "        loss = net(x).sum()\n    scaler.scale(loss).backward()\n    scaler.step(opt)\n    scaler.update()",
        ),
        Example(
            given=STEPS + "from torch.cuda.amp import GradScaler, autocast\n",
            ok="scaler = GradScaler()\n\n\n@autocast()\ndef loss_of(x):\n    return net(x).sum()\n\n\n"
            "for x in batches:\n"
            "    scaler.scale(loss_of(x)).backward()\n    scaler.step(opt)\n    scaler.update()",
        ),
        Example(
            given=STEPS + "net.half()\n",
            ok="scaler = torch.amp.GradScaler()\nfor x in batches:\n" + SCALED.format("    "),
        ),
        Example(
            given=STEPS.replace("nn.Linear(4, 2)", "nn.Linear(4, 2, dtype=torch.float16)"),
            ok="scaler = torch.amp.GradScaler()\nfor x in batches:\n" + SCALED.format("    "),
        ),
        Example(
            given=STEPS, ok="scaler = torch.amp.GradScaler(enabled=False)\nfor x in batches:\n" + SCALED.format("    ")
        ),
        Example(
            given=STEPS + "from accelerate import Accelerator\n",
            ok="scaler = torch.amp.GradScaler()\nfor x in batches:\n" + SCALED.format("    "),
        ),
        Example(
            given=STEPS + "from models import Net\n",
            files={
                "models.py": "import torch\n\n\nclass Net(torch.nn.Module):\n    @torch.autocast('cuda')\n"
                "    def forward(self, x):\n        return x\n"
            },
            ok="scaler = torch.amp.GradScaler()\nfor x in batches:\n" + SCALED.format("    "),
            note="in the model's own forward",
        ),
        Example(
            given=STEPS + "from models import Net\n",
            files={
                "models.py": "from blocks import Block as Net\n",
                "blocks.py": "import torch\n\n\nclass Block(torch.nn.Module):\n    @torch.autocast('cuda')\n"
                "    def forward(self, x):\n        return x\n",
            },
            ok="scaler = torch.amp.GradScaler()\nfor x in batches:\n" + SCALED.format("    "),
            note="two modules away",
        ),
        Example(
            given=STEPS + "from somewhere import Net\n",
            ok="scaler = torch.amp.GradScaler()\nfor x in batches:\n" + SCALED.format("    "),
            note="who knows what that does",
        ),
        Example(given=STEPS, ok="scaler = torch.amp.GradScaler()\nprint(scaler.get_scale())"),
        Example(
            given=STEPS + "from sklearn.preprocessing import StandardScaler\n",
            ok="scaler = StandardScaler()\nfor x in batches:\n" + SCALED.format("    "),
        ),
        Example(
            given="import torch\nimport torch.cuda.amp as amp\n",
            ok="class Trainer:\n    def __init__(self, net, opt):\n        self.net, self.opt = net, opt\n"
            "        self.scaler = amp.GradScaler()\n\n    def step(self, x):\n        loss = self.net(x).mean()\n"
            "        self.opt.zero_grad()\n        self.scaler.scale(loss).backward()\n"
            "        self.scaler.step(self.opt)\n"
            "        self.scaler.update()",
            note="somebody's model, which may run under autocast by itself",
        ),
        # The defect
        Example(given=STEPS, bad='scaler = torch.amp.GradScaler("cuda")\nfor x in batches:\n' + SCALED.format("    ")),
        Example(
            given=STEPS + "from torch.cuda.amp import GradScaler\n",
            bad="def train(batches, scaler):\n    for x in batches:\n"
            + SCALED.format("        ")
            + "\n\nscaler = GradScaler(init_scale=1024.0)\ntrain(batches, scaler)",
        ),
        Example(
            given="import torch\nimport torch.cuda.amp as amp\nfrom tqdm import tqdm\n",
            bad="class Trainer:\n    def __init__(self, net, opt):\n        self.net, self.opt = net, opt\n"
            "        self.scaler = amp.GradScaler()\n\n    def step(self, x):\n        loss = self.net(x).mean()\n"
            "        self.opt.zero_grad()\n        self.scaler.scale(loss).backward()\n"
            "        self.scaler.step(self.opt)\n"
            "        self.scaler.update()"
            "\n\n\nif __name__ == '__main__':\n    trainer = Trainer(torch.nn.Linear(4, 2), None)",
        ),
        Example(
            given=STEPS + "from models import Net\n",
            files={
                "models.py": "from torch import nn\n\n\nclass Net(nn.Module):\n    def forward(self, x):\n"
                "        return x\n"
            },
            bad="scaler = torch.amp.GradScaler()\nfor x in batches:\n" + SCALED.format("    "),
        ),
    )
