from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Call, Context, Example, Finding, Module, Rule

_SWITCH = "torch.use_deterministic_algorithms"
_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"

TORCH = (
    "import torch\nfrom torch import nn\n\ntorch.manual_seed(0)\ndevice = 'cuda'\n"
    "model = nn.Conv2d(3, 8, 3).to(device)\nopt = torch.optim.SGD(model.parameters(), lr=0.1)\n"
    "for x in data():\n    model(x.to(device)).mean().backward()\n    opt.step()\n"
)
KERAS = (
    "import tensorflow as tf\n\ntf.random.set_seed(0)\nmodel = tf.keras.Sequential([tf.keras.layers.Dense(1)])\n"
    "model.compile(loss='mse')\nmodel.fit(*data())\n"
)


class DeterminismNotRequested(Rule):
    """A script seeds its generators, but leaves it to the GPU libraries whether two runs give the same result.

    ## Why
    A seed fixes the random numbers. Kernels that add with atomic operations (convolution gradients, `index_add_`,
    `scatter_add_`, upsampling) add in another order in each run, and cuDNN chooses among algorithms. PyTorch uses
    only kernels that repeat themselves after `torch.use_deterministic_algorithms(True)`, TensorFlow after
    `tf.config.experimental.enable_op_determinism()`. On CUDA the first needs `CUBLAS_WORKSPACE_CONFIG` in the
    environment before CUDA starts, or matrix products raise an error.

    Off by default: it costs speed, and results that are equal to the last bit are seldom needed.

    ## Known limits
    Only scripts that train are looked at; for PyTorch, those that name a CUDA device. Nothing is said where a file of
    the project that the script calls speaks of determinism. The variable may be set outside the program.

    ## References
    - PyTorch documentation, "Reproducibility", and `torch.use_deterministic_algorithms`.
    - TensorFlow documentation, `tf.config.experimental.enable_op_determinism`.
    """

    code, name = "ML311", "determinism-not-requested"
    libraries = ("torch", "tensorflow", "keras")
    default = False
    words = ("seed", "deterministic")
    triggers = (Module(), Call(_SWITCH))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if not ctx.is_script:
            return
        wanted = ctx.model.determinism
        if isinstance(node, ast.Call):
            on = bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value is True
            if on and wanted.on_gpu() and _WORKSPACE not in ctx.source.text:
                message = f"`{ctx.short(node)}` makes matrix products on CUDA fail without `{_WORKSPACE}`"
                yield ctx.finding(node, message, f'set `os.environ["{_WORKSPACE}"] = ":4096:8"` before CUDA starts')
            return
        if not ctx.randomness.of(ctx.tree.module).trains or wanted.may_be_asked():
            return
        seed = wanted.seed("torch")
        if seed is not None and wanted.on_gpu() and not _everything(seed, ctx):
            message = f"`{ctx.short(seed)}` fixes the random numbers, not the results of kernels on the GPU"
            yield ctx.finding(seed, message, "ask for determinism with `torch.use_deterministic_algorithms(True)`")
            return
        seed = wanted.seed("tensorflow")
        if seed is not None and _runs_tensorflow(seed, ctx):
            message = f"`{ctx.short(seed)}` fixes the random numbers, not the order in which operations add"
            yield ctx.finding(
                seed, message, "ask for determinism with `tf.config.experimental.enable_op_determinism()`"
            )

    examples = (
        Example(bad=TORCH),
        Example(
            bad=TORCH.replace(
                "device = 'cuda'", "device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')"
            )
        ),
        Example(bad=TORCH.replace("device = 'cuda'\n", "").replace(".to(device)", ".cuda()")),
        Example(
            given="import torch\n",
            bad=("torch.use_deterministic_algorithms(True)\nx = torch.rand(3, 3, device='cuda')\nprint(x @ x)\n"),
            note="raises on CUDA",
        ),
        Example(bad=KERAS),
        Example(bad=KERAS.replace("tf.random.set_seed", "tf.keras.utils.set_random_seed")),
        Example(ok=TORCH.replace("device = 'cuda'", "device = 'cpu'"), note="no GPU"),
        Example(ok=TORCH.replace("torch.manual_seed(0)\n", ""), note="no seed: nothing is to repeat itself"),
        Example(ok=TORCH.replace("device =", "torch.backends.cudnn.deterministic = True\ndevice =")),
        Example(ok=TORCH.replace("device =", "torch.use_deterministic_algorithms(strict)\nCUBLAS = 1\ndevice =")),
        Example(
            ok=(
                "import os\nimport torch\n\nos.environ['CUBLAS_WORKSPACE_CONFIG'] = ':4096:8'\n"
                "torch.use_deterministic_algorithms(True)\nx = torch.rand(3, 3, device='cuda')\nprint(x @ x)\n"
            )
        ),
        Example(
            ok="import torch\n\ntorch.use_deterministic_algorithms(True)\nx = torch.rand(3, 3)\nprint(x @ x)\n",
            note="on the CPU",
        ),
        Example(
            ok="import torch\n\ntorch.use_deterministic_algorithms(False)\nx = torch.rand(3, device='cuda')\nprint(x)\n"
        ),
        Example(
            ok=TORCH.replace("torch.manual_seed(0)", "prepare(0)").replace(
                "import nn\n", "import nn\nfrom tools import prepare\n"
            ),
            files={
                "tools.py": "import torch\n\n\ndef prepare(seed):\n    torch.manual_seed(seed)\n"
                "    torch.backends.cudnn.deterministic = True\n"
            },
            note="asked for in another file",
        ),
        Example(ok=KERAS.replace("model =", "tf.config.experimental.enable_op_determinism()\nmodel =", 1)),
        Example(ok=KERAS.replace("model.fit(*data())\n", "print(model)\n"), note="trains nothing"),
        Example(
            ok="import torch\n\n\ndef train(model, opt, data):\n    torch.manual_seed(0)\n    for x in data:\n"
            "        model(x.to('cuda')).mean().backward()\n        opt.step()\n",
            note="a library module",
        ),
    )


def _everything(seed: ast.Call, ctx: Context) -> bool:
    """Whether a seeding function of a framework asks for determinism by an argument."""
    return any("determin" in (keyword.arg or "determin") for keyword in seed.keywords)


def _runs_tensorflow(seed: ast.Call, ctx: Context) -> bool:
    dotted = ctx.dotted(seed.func) or ""
    return dotted.startswith(("tensorflow.", "keras.")) and "tensorflow" in ctx.source.text
