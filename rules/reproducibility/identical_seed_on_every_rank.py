from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Context, Example, Finding, Module, Rule

HEAD = (
    "import argparse\n\nimport numpy as np\nimport torch\nimport torch.distributed as dist\n"
    "from torch.nn.parallel import DistributedDataParallel as DDP\n\n"
)
TRAIN = (
    "def main(args, model, loader):\n    dist.init_process_group('nccl')\n    torch.manual_seed(args.seed)\n"
    "    model = DDP(model)\n    opt = torch.optim.SGD(model.parameters(), lr=0.1)\n"
    "    for x in loader:\n        opt.zero_grad()\n        noise = torch.randn_like(x)\n"
    "        (model(x + noise) - noise).square().mean().backward()\n        opt.step()\n\n\n"
    "if __name__ == '__main__':\n    args = argparse.ArgumentParser().parse_args()\n    main(args, build(), data())\n"
)


class IdenticalSeedOnEveryRank(Rule):
    """All ranks of a distributed job draw the same noise, because all of them are seeded with the same number.

    ## Why
    Each rank has a random number generator of its own, and works on other samples than the others. Seeded alike, all of
    them draw the same noise, the same time steps, the same masks in each step: what was meant to be independent for
    each sample of the global batch is drawn once and used by every rank, and the gradient is noisier than the batch
    size says. Where the model is built before it is wrapped, the same seed on all ranks is right; what is drawn while
    training needs another one for each rank.

    The rule reports a draw in the training loop of a file that works on several ranks (`init_process_group`,
    `DistributedDataParallel`, FSDP, an `Accelerator`, DeepSpeed), where every seed of its generator in the file is
    the same on all ranks: a number, or an argument of the command line.

    ## Known limits
    The seed of a `DistributedSampler` has to be the same, and is not looked at; nor are draws in data sets, dropout,
    and jobs in which ranks share layers of a model.

    ## When to ignore
    The ranks shall draw the same numbers.

    ## References
    - PyTorch documentation, "Reproducibility".
    - Accelerate documentation, `set_seed`, argument `device_specific`.
    """

    code, name = "ML315", "identical-seed-on-every-rank"
    libraries = ("torch",)
    triggers = (
        Module(
            "torch.distributed.init_process_group",
            "torch.nn.parallel.DistributedDataParallel",
            "torch.distributed.fsdp.FullyShardedDataParallel",
            "torch.distributed.fsdp.fully_shard",
            "accelerate.Accelerator",
            "deepspeed.initialize",
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        for draw, seed in ctx.model.rank_seeds.repeated():
            yield ctx.finding(
                draw,
                f"`{ctx.short(draw)}` draws the same numbers on every rank: `{ctx.short(seed)}` in {ctx.lines(seed)} "
                "seeds all of them alike",
                "add the rank to the seed once the model is built",
            )

    examples = (
        Example(given=HEAD, bad=TRAIN),
        Example(given=HEAD, bad=TRAIN.replace("args.seed", "42")),
        Example(
            given=HEAD,
            bad=TRAIN.replace("    torch.manual_seed(args.seed)\n", "").replace(
                "def main", "torch.manual_seed(0)\n\n\ndef main"
            ),
        ),
        Example(
            given=(
                "import argparse\nimport torch\nfrom accelerate import Accelerator\n"
                "from accelerate.utils import set_seed\n\n"
            ),
            bad=(
                "def main(args):\n    accelerator = Accelerator()\n    if args.seed is not None:\n"
                "        set_seed(args.seed)\n    model, opt, loader = accelerator.prepare(*build())\n"
                "    for batch in loader:\n        with accelerator.accumulate(model):\n"
                "            steps = torch.randint(0, 1000, (8,), device=batch.device)\n"
                "            accelerator.backward(model(batch, steps).mean())\n            opt.step()\n"
                "            opt.zero_grad()\n\n\nmain(argparse.ArgumentParser().parse_args())\n"
            ),
        ),
        Example(
            given=HEAD,
            bad=TRAIN.replace("torch.manual_seed(args.seed)", "g = torch.Generator().manual_seed(7)").replace(
                "torch.randn_like(x)", "torch.randn(x.shape, generator=g)"
            ),
            note="a generator object",
        ),
        Example(
            given=HEAD,
            bad=TRAIN.replace("torch.manual_seed(args.seed)", "rng = np.random.default_rng(args.seed)").replace(
                "torch.randn_like(x)", "torch.from_numpy(rng.normal(size=x.shape))"
            ),
        ),
        Example(
            given=HEAD + "from tools import fix_seeds\n\n",
            bad=TRAIN.replace("torch.manual_seed(args.seed)", "fix_seeds(args.seed)"),
            files={
                "tools.py": "import torch\n\n\ndef fix_seeds(seed=31):\n    torch.manual_seed(seed)\n"
                "    torch.cuda.manual_seed_all(seed)\n"
            },
        ),
        Example(given=HEAD, ok=TRAIN.replace("(args.seed)", "(args.seed + dist.get_rank())")),
        Example(given=HEAD, ok=TRAIN.replace("(args.seed)", "(args.seed * 8 + args.local_rank)")),
        Example(
            given=HEAD,
            ok=TRAIN.replace("    torch.manual_seed", "    args.seed += dist.get_rank()\n    torch.manual_seed"),
            note="the rank was added before",
        ),
        Example(
            given=HEAD,
            ok=TRAIN.replace(
                "    model = DDP(model)\n", "    model = DDP(model)\n    torch.manual_seed(dist.get_rank())\n"
            ),
            note="the same for the model, another one for what follows",
        ),
        Example(given=HEAD, ok=TRAIN.replace("    torch.manual_seed(args.seed)\n", ""), note="not seeded at all"),
        Example(
            given=HEAD,
            ok=TRAIN.replace("        noise = torch.randn_like(x)\n", "        noise = 0\n"),
            note="nothing drawn in the loop",
        ),
        Example(
            given=HEAD,
            ok=TRAIN.replace(
                "        noise = torch.randn_like(x)\n",
                "        noise = 0\n        if dist.get_rank() == 0:\n            show(torch.randn(3))\n",
            ),
            note="one rank draws",
        ),
        Example(
            given="import argparse\nimport torch\n\n",
            ok=TRAIN.replace("    dist.init_process_group('nccl')\n", "").replace("DDP(model)", "model"),
            note="one process",
        ),
        Example(
            given=HEAD + "from torch.distributed.tensor.parallel import parallelize_module\n",
            ok=TRAIN.replace("DDP(model)", "parallelize_module(model)"),
            note="ranks that share layers draw the same on purpose",
        ),
        Example(
            given="import torch\nfrom accelerate import Accelerator\nfrom accelerate.utils import set_seed\n\n",
            ok=(
                "accelerator = Accelerator()\nset_seed(3, device_specific=True)\n"
                "model, opt, loader = accelerator.prepare(*build())\nfor batch in loader:\n"
                "    noise = torch.randn_like(batch)\n    accelerator.backward(model(batch + noise).mean())\n"
                "    opt.step()\n"
            ),
        ),
        Example(
            given=HEAD + "from tools import fix_seeds\n\n",
            ok=TRAIN.replace("torch.manual_seed(args.seed)", "fix_seeds(args.seed)"),
            files={
                "tools.py": "import torch\nimport torch.distributed as dist\n\n\ndef fix_seeds(seed):\n"
                "    torch.manual_seed(seed + dist.get_rank())\n"
            },
            note="the helper adds the rank",
        ),
        Example(
            given=HEAD + "from elsewhere import seed_everything\n\n",
            ok=TRAIN.replace("    model = DDP", "    seed_everything(args)\n    model = DDP"),
            note="a helper that cannot be read may add the rank",
        ),
        Example(
            given=HEAD,
            ok=(
                "def worker(rank, args):\n    dist.init_process_group('nccl', rank=rank)\n"
                "    torch.manual_seed(args.seed)\n    model = DDP(build())\n"
                "    opt = torch.optim.SGD(model.parameters(), lr=0.1)\n    for x in data():\n"
                "        model(x + torch.randn_like(x)).mean().backward()\n        opt.step()\n"
            ),
            note="who calls it with what is not known",
        ),
        Example(
            given=HEAD,
            ok=TRAIN.replace(
                "torch.manual_seed(args.seed)", "g = torch.Generator()\n    g.manual_seed(dist.get_rank())"
            ).replace("torch.randn_like(x)", "torch.randn(x.shape, generator=g)"),
        ),
    )
