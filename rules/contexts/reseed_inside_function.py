from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator

from mlint.rule import MODULE, Call, Context, Example, Finding, FunctionNode, LoopNode, Rule, walk, walk_statements

SEEDING = re.compile(
    r"seed|reproduc|determin|worker_init|init_worker|init_fn|rng|same_random|set_random", re.IGNORECASE
)
# Who measures or compares starts each run at the same place, and who shows or checks something wants it repeated.
MEASURING = re.compile(
    r"bench|profil|timing|timeit|speed|perf|compar|ablat|sweep|tune|tuning|optimi[sz]e_|(?<!train_)test|check|verify|validat|assert|"
    r"demo|example|dummy|fake|mock|tutorial|experiment|trial|self_?test|repro|plot|visuali|bias_correct",
    re.IGNORECASE,
)
RUNNING = re.compile(
    r"^_*(main|run|cli|launch|entry|train(?!_test)|fit|worker|spawn|setup|set_up|init|initialize|configure|convert|generate)(_|$)|"
    r"_main$|main_|_worker$|^on_[a-z_]+_(start|begin)$|^__(enter|exit|post_init)__$",
    re.IGNORECASE,
)
ELSEWHERE = re.compile(r"bench|profil|timing|test|verif|seed|reproduc|determin", re.IGNORECASE)
FLAGS = re.compile(r"seed|rng|random_state|reproduc|determin|debug|test|fix|same|repeat|bench|profil", re.IGNORECASE)
CLOCKS = ("time.", "timeit.", "torch.utils.benchmark", "torch.cuda.Event", "triton.testing")
SAMPLES = ("torch.utils.data.Dataset", "keras.utils.Sequence", "keras.utils.PyDataset")
INSTEAD = {
    "torch": "draw from a `torch.Generator().manual_seed(…)`, or wrap it in `with torch.random.fork_rng():`",
    "numpy": "draw from a `numpy.random.default_rng(…)` of its own",
    "random": "draw from a `random.Random(…)` of its own",
}

DATASET = """import random
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
"""


class ReseedInsideFunction(Rule):
    """A global random number generator that is started anew in a function gives the same "random" numbers every call.

    ## Why
    `torch.manual_seed(0)`, `np.random.seed(0)` and `random.seed(0)` do not make the next lines reproducible, they
    restart the one generator that the whole program draws from. In `forward`, `__getitem__` or a `collate_fn` each
    sample gets the same augmentation and each step the same dropout mask; in the loop over batches or epochs each round
    shuffles and drops alike; in a library function the random numbers of the caller start over whenever it is called,
    whatever seed the caller has set.

    ## References
    - PyTorch documentation, "Reproducibility", and `torch.random.fork_rng`, `torch.Generator`.
    - NumPy documentation, `numpy.random.seed`: the best practice is a dedicated `Generator` instance, rather than the
      methods of the module.

    ## Known limits
    Functions named after seeding, measuring, comparing or running a program are taken to mean it, and so are seeds that
    are arguments or stand under a condition about seeds. Functions of a file that is run as a program are looked at
    only for what they do per sample, per round of a training loop, or per draw of a list.
    """

    code, name = "ML217", "reseed-inside-function"
    libraries = ("torch", "numpy")
    triggers = (
        Call(
            "torch.manual_seed",
            "torch.random.manual_seed",
            "torch.cuda.manual_seed",
            "torch.cuda.manual_seed_all",
            "numpy.random.seed",
            "random.seed",
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if not ctx.seeds_alike(node) or not isinstance(ctx.tree.scope(node), (ast.Module, ast.FunctionDef)):
            return
        functions = list(ctx.tree.functions(node))
        if any(SEEDING.search(function.name) or MEASURING.search(function.name) for function in functions):
            return
        consequence = self._consequence(node, functions, ctx)
        if consequence is None or self._is_chosen(node, ctx) or ctx.seed_is_undone(node):
            return
        root = (ctx.dotted(node.func) or "").partition(".")[0]
        yield ctx.finding(node, f"`{ctx.short(node)}` {consequence}", INSTEAD[root])

    def _consequence(self, node: ast.Call, functions: list[FunctionNode], ctx: Context) -> str | None:
        """What starting anew here leads to; None where it may be meant."""
        loop = ctx.flow.loop(node)
        if loop is not None:
            return self._in_loop(node, loop, functions, ctx)
        if not functions:
            return None
        function = functions[0]
        if self._is_called_per_sample(function, ctx):
            return f"starts the global random numbers anew in every call of `{function.name}`: they are all the same"
        if len(functions) == 1 and self._is_public(function, ctx) and not self._measures(function.body, ctx):
            return f"starts the random numbers of whoever calls `{function.name}` anew"
        return None

    def _in_loop(self, node: ast.Call, loop: LoopNode, functions: list[FunctionNode], ctx: Context) -> str | None:
        around: list[ast.stmt] = functions[0].body if functions else [loop]
        if self._measures(around, ctx):
            return None
        if self._trains(loop, ctx):
            return "starts the global random numbers anew in every round of the training loop"
        draw = ctx.draws_repeated(node, loop)
        if draw is not None:
            return f"makes `{ctx.short(draw)}` give the same numbers in every round"
        return None

    def _trains(self, loop: LoopNode, ctx: Context) -> bool:
        """Whether a loop goes over the steps or the epochs of one training: what it steps was made before it."""
        backward = False
        stepped: list[ast.expr] = []
        for inner in walk_statements(loop.body):
            if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
                backward = backward or inner.func.attr in ("backward", "manual_backward")
                if inner.func.attr == "step":
                    stepped.append(inner.func.value)
        if not backward or not stepped:
            return False
        for receiver in stepped:
            if not isinstance(receiver, ast.Name):
                return False
            found = ctx.names.lookup(receiver)
            if found is None or any(self._is_below(binding.node, loop, ctx) for binding in found[1]):
                return False
        return True

    def _is_below(self, node: ast.AST, loop: LoopNode, ctx: Context) -> bool:
        return any(ancestor is loop for ancestor in ctx.tree.ancestors(node))

    def _is_called_per_sample(self, function: FunctionNode, ctx: Context) -> bool:
        owner = ctx.tree.parent(function)
        if isinstance(owner, ast.ClassDef):
            if function.name == "__getitem__":
                return bool(ctx.model.grad_mode.families(owner) & set(SAMPLES))
            return function.name == "forward" and MODULE in ctx.model.grad_mode.families(owner)
        if function.name not in ctx.source.text.replace(f"def {function.name}", "", 1):
            return False
        return any(
            keyword.arg == "collate_fn" and ctx.kinds.local_function(keyword.value) is function
            for call in ctx.tree.calls
            for keyword in call.keywords
        )

    def _is_public(self, function: FunctionNode, ctx: Context) -> bool:
        """Whether somebody else's program may call a function, and does not expect it to set up anything."""
        owner = ctx.tree.parent(function)
        stem = os.path.basename(ctx.source.path)
        if ctx.model.role.name != "library module" or ELSEWHERE.search(stem):
            return False
        if isinstance(owner, ast.ClassDef):
            if owner.name.startswith("_") or SEEDING.search(owner.name) or MEASURING.search(owner.name):
                return False
            if ctx.tree.parent(owner) is not ctx.tree.module:
                return False
        elif owner is not ctx.tree.module:
            return False
        if function.name.startswith("_") and function.name not in ("__init__", "__call__"):
            return False
        if self._only_sets_up(function):
            return False
        return not (function.decorator_list or RUNNING.search(function.name) or ctx.runs_program(function))

    def _only_sets_up(self, function: FunctionNode) -> bool:
        """Whether a function makes nothing and returns nothing: it is there for what it sets."""
        for inner in walk_statements(function.body):
            if isinstance(inner, (ast.For, ast.While, ast.Yield, ast.YieldFrom)):
                return False
            if isinstance(inner, ast.Return) and inner.value is not None:
                return False
            if isinstance(inner, ast.Assign) and any(isinstance(target, ast.Name) for target in inner.targets):
                return False
        return True

    def _measures(self, body: list[ast.stmt], ctx: Context) -> bool:
        """Whether code takes the time, or compares results with each other."""
        for inner in walk_statements(body):
            if isinstance(inner, ast.Assert):
                return True
            if isinstance(inner, ast.Call):
                dotted = ctx.dotted(inner.func) or ""
                word = inner.func.attr if isinstance(inner.func, ast.Attribute) else getattr(inner.func, "id", "")
                if (
                    dotted.startswith(CLOCKS)
                    or "allclose" in word
                    or "assert" in word
                    or word in ("equal", "array_equal")
                ):
                    return True
        return False

    def _is_chosen(self, node: ast.Call, ctx: Context) -> bool:
        """Whether a flag of somebody's decides: `if self.deterministic: torch.manual_seed(0)`."""
        return any(
            FLAGS.search(part.attr if isinstance(part, ast.Attribute) else part.id)
            for test, _ in ctx.flow.guards(node)
            for part in walk(test)
            if isinstance(part, (ast.Name, ast.Attribute))
        )

    examples = (
        Example(given=DATASET, ok="torch.manual_seed(0)\nnp.random.seed(0)\nrandom.seed(0)", note="the whole program"),
        Example(given=DATASET, ok="def set_seed():\n    torch.manual_seed(0)\n    np.random.seed(0)"),
        Example(given=DATASET, ok="def seed_everything(seed):\n    torch.manual_seed(seed)\n    np.random.seed(seed)"),
        Example(given=DATASET, ok="def make_deterministic():\n    random.seed(0)"),
        Example(
            given=DATASET,
            ok="def prepare():\n    torch.manual_seed(0)\n    torch.set_num_threads(1)",
            note="it is there for what it sets",
        ),
        Example(given=DATASET, ok="def main():\n    torch.manual_seed(0)\n\n\nmain()"),
        Example(
            given=DATASET,
            ok="def work(x):\n    np.random.seed(0)\n    return np.random.rand(x)\n\n\n"
            "if __name__ == '__main__':\n    print(work(3))",
            note="an entry point, whose functions are its own business",
        ),
        Example(
            given=DATASET,
            ok="def worker_init_fn(i):\n    np.random.seed(0)\n\n\n"
            "def loader(data):\n    return DataLoader(data, worker_init_fn=worker_init_fn)",
        ),
        Example(given=DATASET, ok="def test_net():\n    torch.manual_seed(0)\n    assert torch.rand(1) < 1"),
        Example(given=DATASET, path="tests/test_net.py", ok="def noise():\n    np.random.seed(0)"),
        Example(
            given=DATASET,
            ok="class Cases:\n    def check(self):\n        torch.manual_seed(0)\n        a = torch.rand(3)\n"
            "        torch.manual_seed(0)\n        assert torch.equal(a, torch.rand(3))",
        ),
        # Somebody keeps the state
        Example(
            given=DATASET,
            ok="def noise(n):\n    with torch.random.fork_rng():\n        torch.manual_seed(0)\n"
            "        return torch.randn(n)",
        ),
        Example(
            given=DATASET + "from torch.random import fork_rng\n",
            ok="def noise(n):\n    with fork_rng(devices=[]):\n        torch.manual_seed(0)\n"
            "        return torch.randn(n)",
        ),
        Example(
            given=DATASET,
            ok="def split(n):\n    state = np.random.get_state()\n    np.random.seed(0)\n"
            "    order = np.random.permutation(n)\n    np.random.set_state(state)\n    return order",
        ),
        Example(
            given=DATASET,
            ok="def split(n):\n    before = torch.get_rng_state()\n    torch.manual_seed(0)\n"
            "    order = torch.randperm(n)\n    torch.set_rng_state(before)\n    return order",
        ),
        Example(
            given=DATASET + "from mylib import temporary_seed\n",
            ok="def noise(n):\n    with temporary_seed(0):\n        torch.manual_seed(0)\n"
            "        return torch.randn(n)",
        ),
        Example(
            given=DATASET,
            ok="def shuffled(xs):\n    state = random.getstate()\n    random.seed(0)\n    random.shuffle(xs)\n"
            "    random.setstate(state)\n    return xs",
        ),
        # Generators of their own
        Example(
            given=DATASET,
            ok="def noise(n):\n    g = torch.Generator().manual_seed(0)\n    return torch.randn(n, generator=g)",
        ),
        Example(given=DATASET, ok="def noise(n):\n    return np.random.default_rng(0).normal(size=n)"),
        Example(given=DATASET, ok="def noise(n):\n    rng = random.Random()\n    rng.seed(0)\n    return rng.random()"),
        # Not the same each time, or chosen by somebody
        Example(given=DATASET, ok="def noise(n, seed=0):\n    torch.manual_seed(seed)\n    return torch.randn(n)"),
        Example(
            given=DATASET,
            ok="class Data(Dataset):\n    def __getitem__(self, i):\n        random.seed(i)\n"
            "        return random.random()",
        ),
        Example(
            given=DATASET,
            ok="class Net(nn.Module):\n    def forward(self, x):\n        if self.deterministic:\n"
            "            torch.manual_seed(0)\n        return torch.randn_like(x)",
        ),
        Example(
            given=DATASET,
            ok="def split(n, seed=None):\n    if seed is None:\n        np.random.seed(0)\n"
            "    return np.random.permutation(n)",
        ),
        Example(
            given=DATASET + "SEED = 0\n",
            ok="def train(loader, net, opt):\n    for epoch in range(3):\n        torch.manual_seed(SEED + epoch)\n"
            "        for x in loader:\n            net(x).sum().backward()\n            opt.step()",
        ),
        # Runs that are compared with each other
        Example(
            given=DATASET,
            ok="def compare(models, x):\n    for net in models:\n        torch.manual_seed(0)\n        print(net(x))",
        ),
        Example(
            given=DATASET + "import time\n",
            ok="for _ in range(5):\n    np.random.seed(0)\n    start = time.perf_counter()\n"
            "    x = np.random.rand(100, 100)\n    x @ x\n    print(time.perf_counter() - start)",
        ),
        Example(
            given=DATASET,
            ok="scores = []\nfor rate in (0.1, 0.01):\n    torch.manual_seed(0)\n    net = nn.Linear(4, 1)\n"
            "    opt = torch.optim.SGD(net.parameters(), lr=rate)\n    for _ in range(3):\n"
            "        loss = net(torch.randn(8, 4)).pow(2).mean()\n        opt.zero_grad()\n        loss.backward()\n"
            "        opt.step()\n    scores.append(loss.item())",
            note="the same start for each rate",
        ),
        Example(
            given=DATASET,
            ok="xs = []\nfor scale in range(3):\n    np.random.seed(0)\n    xs.append(np.random.normal(0, scale, 5))",
            note="the same numbers, at several scales",
        ),
        # The defect
        Example(
            given=DATASET,
            bad="class Net(nn.Module):\n    def forward(self, x):\n        torch.manual_seed(0)\n"
            "        return x + torch.randn_like(x)",
        ),
        Example(
            given="import torch as th\nimport torch.nn as nn\n",
            bad="class Base(nn.Module):\n    pass\n\n\nclass Net(Base):\n    def forward(self, x):\n"
            "        if self.training:\n            th.random.manual_seed(42)\n        return nn.functional.dropout(x)",
        ),
        Example(
            given=DATASET,
            bad="class Images(Dataset):\n    def __getitem__(self, i):\n        random.seed(0)\n"
            "        return self.images[i] + random.random()",
        ),
        Example(
            given=DATASET,
            bad="def collate(batch):\n    np.random.seed(0)\n    return [x + np.random.rand() for x in batch]\n\n\n"
            "if __name__ == '__main__':\n    loader = DataLoader([1, 2], collate_fn=collate)",
        ),
        Example(
            given=DATASET,
            bad="def train(net, opt, data, epochs):\n    for epoch in range(epochs):\n        torch.manual_seed(0)\n"
            "        for x in DataLoader(data, shuffle=True):\n            opt.zero_grad()\n"
            "            net(x).sum().backward()\n            opt.step()",
        ),
        Example(
            given=DATASET + "SEED = 7\n",
            bad="def run(net, opt, loader):\n    for x in loader:\n        torch.manual_seed(SEED)\n"
            "        opt.zero_grad()\n        net(x).sum().backward()\n        opt.step()",
        ),
        Example(
            given=DATASET,
            bad="samples = []\nfor _ in range(10):\n    np.random.seed(0)\n    samples.append(np.random.rand(3))",
        ),
        Example(
            given="import numpy\nfrom numpy.random import seed, rand\n",
            bad="noise = numpy.empty((5, 3))\nfor i in range(5):\n    seed(1)\n    noise[i] = rand(3)",
        ),
        Example(
            given=DATASET,
            bad="def load(n):\n    np.random.seed(0)\n    order = np.random.permutation(n)\n    return order[: n // 2]",
        ),
        Example(
            given=DATASET,
            bad="def split(data, shuffle):\n    order = np.arange(len(data))\n    if shuffle:\n"
            "        np.random.seed(1234)\n        np.random.shuffle(order)\n    return data[order]",
        ),
        Example(
            given=DATASET,
            bad="class Sampler:\n    def sample(self, n):\n        generator = torch.manual_seed(0)\n"
            "        return torch.randn(n, generator=generator)",
            note="it returns the generator that everybody uses",
        ),
    )
