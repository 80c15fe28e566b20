from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Context, Example, Finding, Module, Rule

_SHOWN = {"torch": "PyTorch's", "numpy": "NumPy's", "random": "Python's", "tensorflow": "TensorFlow's"}

LOOP = (
    "opt = torch.optim.SGD(model.parameters(), lr=0.1)\n"
    "for x, y in batches():\n    nn.functional.mse_loss(model(x), y).backward()\n    opt.step()\n"
)


class SeedSetAfterUse(Rule):
    """A script seeds a generator after it has drawn from it what the seed was meant to fix.

    ## Why
    A seed controls the draws that come after it. Weights that were initialised, data that was split or shuffled before
    it come from a generator that the operating system has seeded, so every run starts from another model or another
    split while the rest of the run looks reproducible.

    The rule follows the script as it runs, into those of its functions that are called once, and reports a seed where
    something drawn before it (weights, an array, a split, an order) is still used after it. That a generator is drawn
    from and not seeded at all is told by `script-without-seed`.

    ## Known limits
    Draws in branches and loops are not followed out of them. Nothing is said after a call that may seed and cannot be
    read, where a generator is seeded in several places, where the weights are loaded over, and for single random
    numbers (a port, a name, a seed).

    ## When to ignore
    What comes before shall differ from run to run, and only what follows shall not.

    ## References
    - PyTorch documentation, "Reproducibility".
    - scikit-learn user guide, "Controlling randomness".
    """

    code, name = "ML317", "seed-set-after-use"
    libraries = ("torch", "tensorflow", "keras", "numpy", "sklearn")
    triggers = (Module(),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if not ctx.is_script or not ctx.source.holds(("seed", "determinis")):
            return
        for late in ctx.model.late_seeds.found:
            message = (
                f"`{ctx.short(late.seed)}` comes too late for `{late.name}`: `{ctx.short(late.draw)}` in "
                f"{ctx.lines(late.draw)} has drawn from {_SHOWN[late.generator]} generator before it"
            )
            yield ctx.finding(late.seed, message, "seed before anything is drawn")

    examples = (
        Example(
            given="import torch\nfrom torch import nn\n",
            bad="model = nn.Linear(4, 1)\ntorch.manual_seed(0)\n" + LOOP,
        ),
        Example(
            given="import torch as th\nfrom torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n"
            "        super().__init__()\n        self.head = nn.Linear(3, 1)\n",
            bad=(
                "def main():\n    net = Net()\n    net = net.to('cpu')\n    th.manual_seed(7)\n"
                "    train(net)\n\n\nif __name__ == '__main__':\n    main()\n"
            ),
            note="drawn in the initialiser of the file's own class",
        ),
        Example(
            given="import numpy as np\nfrom sklearn.model_selection import train_test_split\n",
            bad=(
                "a, b = train_test_split(read('x.csv'))\nnp.random.seed(42)\nnoise = np.random.rand(3)\n"
                "fit(a, b, noise)\n"
            ),
            note="without random_state, the split is drawn from NumPy's generator",
        ),
        Example(
            given="import random\nimport torch\n",
            bad="files = sorted(find())\nrandom.shuffle(files)\nrandom.seed(1)\ntrain(files[:80], files[80:])\n",
        ),
        Example(
            given="from numpy import random as npr\n",
            bad="x = npr.normal(0, 1, (100, 3))\ny = x @ [1, 2, 3]\nnpr.seed(0)\nfit(y)\n",
            note="what is made of drawn numbers is as random as they are",
        ),
        Example(
            given="import torch\nfrom torch import nn\n",
            bad=(
                "def build():\n    return nn.Sequential(nn.Linear(2, 2), nn.ReLU())\n\n\n"
                "def fix(s):\n    torch.manual_seed(s)\n\n\nmodel = build()\nfix(3)\nrun(model)\n"
            ),
            note="drawn and seeded in functions of the file",
        ),
        Example(
            given="import torch\nfrom torch import nn\nfrom tools import seed_all\n",
            bad="model = nn.Linear(3, 1)\nseed_all(3)\nrun(model)\n",
            files={"tools.py": "import torch\n\n\ndef seed_all(s):\n    torch.manual_seed(s)\n"},
        ),
        Example(
            given="import argparse\nimport torch\nfrom torch import nn\n",
            bad=(
                "args = argparse.ArgumentParser().parse_args()\nmodel = nn.LSTM(3, 4)\n"
                "if args.seed is not None:\n    torch.manual_seed(args.seed)\n"
                "    torch.cuda.manual_seed_all(args.seed)\n"
                "run(model)\n"
            ),
            note="asked for, and still too late",
        ),
        Example(
            given="import torch\nfrom torch import nn\n",
            ok="torch.manual_seed(0)\nmodel = nn.Linear(4, 1)\ntorch.manual_seed(1)\n" + LOOP,
            note="seeded a second time on purpose",
        ),
        Example(
            given="import torch\nfrom torch import nn\nfrom helpers import set_all_seeds\n",
            ok="set_all_seeds(0)\nmodel = nn.Linear(4, 1)\ntorch.manual_seed(1)\n" + LOOP,
            note="a helper that cannot be read, named after a seed",
        ),
        Example(
            given="import torch\nfrom torch import nn\nimport settings\n",
            ok="model = nn.Linear(4, 1)\ntorch.manual_seed(1)\n" + LOOP,
            files={"settings.py": "import torch\ntorch.manual_seed(3)\n"},
            note="an import has seeded",
        ),
        Example(
            given="import random\nimport numpy as np\n",
            ok="seed = np.random.randint(0, 1000, 1)\nnp.random.seed(seed)\nprint(seed, np.random.rand(3))\n",
            note="the seed itself was drawn",
        ),
        Example(
            given="import random\nimport numpy as np\nimport torch\n",
            ok="port = random.randint(2000, 3000)\nrandom.seed(0)\nserve(port)\n",
        ),
        Example(
            given="import torch\nfrom torch import nn\n",
            ok=(
                "model = nn.Linear(4, 1)\nmodel.load_state_dict(torch.load('w.pt'))\ntorch.manual_seed(0)\n"
                "sample(model)\n"
            ),
            note="the drawn weights are loaded over",
        ),
        Example(
            given="import torch\nfrom torch.utils.data import DataLoader\n",
            ok="loader = DataLoader(data(), shuffle=True)\ntorch.manual_seed(0)\nfor x in loader:\n    print(x)\n",
            note="the order is drawn when the loader is iterated",
        ),
        Example(
            given="import torch\n",
            ok="x = torch.rand(3)\nprint(x)\ntorch.manual_seed(0)\nprint(torch.rand(3))\n",
            note="what was drawn before is not used after",
        ),
        Example(
            given="import torch\nfrom torch import nn\n",
            ok="def build(seed):\n    model = nn.Linear(4, 1)\n    torch.manual_seed(seed)\n    return model\n",
            note="a library module: the caller may have seeded",
        ),
        Example(
            given="import torch\n",
            ok="x = torch.randn(3)\ntorch.manual_seed(0)\na = f(x)\ntorch.manual_seed(0)\nb = g(x)\nprint(a - b)\n"
            "\n\n\n\n\n\n\ntorch.manual_seed(0)\nprint(h(x))\n",
            note="seeded again and again to compare",
        ),
        Example(
            given="import sys\nimport torch\nfrom torch import nn\n",
            ok=(
                "if 'a' in sys.argv:\n    model = nn.Linear(3, 1)\nelse:\n    torch.manual_seed(0)\n"
                "    model = nn.Linear(3, 1)\nrun(model)\n"
            ),
        ),
        Example(
            given="import numpy as np\nimport torch\nfrom torch import nn\n",
            ok="model = nn.Linear(3, 1)\nnp.random.seed(0)\nrun(model, np.random.rand(3))\n",
            note="another generator; that PyTorch is never seeded is another rule's",
        ),
        Example(
            given="import numpy as np\nfrom sklearn.model_selection import train_test_split\n",
            ok="a, b = train_test_split(read(), random_state=0)\nnp.random.seed(42)\nfit(a, b)\n",
        ),
        Example(
            given="import torch\nfrom torch import nn\n",
            ok="with torch.random.fork_rng():\n    torch.manual_seed(1)\n    model = nn.Linear(3, 1)\nrun(model)\n",
        ),
        Example(
            given="import torch\nfrom torch import nn\n",
            ok="model = nn.Linear(3, 1)\nstate = torch.get_rng_state()\ntorch.set_rng_state(state)\nrun(model)\n",
            note="a state is put back, nothing is seeded",
        ),
        Example(
            given="import random\nimport torch\n",
            ok="random.seed()\nfiles = find()\nrandom.shuffle(files)\nrandom.seed(0)\nrun(files)\n",
            note="on purpose from the operating system",
        ),
    )
