from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import DATASET, FUNCTIONS, Context, Example, Finding, FunctionNode, Node, Rule, walk

_MAKERS = frozenset("numpy.random.default_rng numpy.random.RandomState numpy.random.Generator random.Random".split())
_GLOBAL = frozenset(
    "rand randn randint random random_sample uniform normal choice shuffle permutation beta binomial exponential "
    "poisson standard_normal".split()
)
_READING = frozenset({"__getitem__", "__getitems__", "__iter__", "__next__"})
_BASES = (DATASET, "torch.utils.data.IterableDataset", "torchvision.datasets.VisionDataset")

DATA = "import numpy as np\nfrom torch.utils.data import DataLoader, Dataset\n\n"


class NumpyRngInDataset(Rule):
    """A dataset draws from its own NumPy or Python generator, of which every loader worker gets the same copy.

    ## Why
    The workers of a DataLoader copy the dataset with the state of the generator in it. PyTorch gives each worker
    another seed for its own, Python's and (since 1.9) NumPy's global generator, but it knows nothing of an object. All
    workers therefore draw the same augmentations, and since they are started again from the unchanged parent, draw
    them again in every epoch.

    ## Known limits
    A dataset that asks `get_worker_info`, makes the generator anew where it draws, or stands in a file that passes a
    `worker_init_fn` is left alone; so is one that is only used there by loaders without workers.

    With a targeted PyTorch below 1.9, draws from `np.random` itself are reported as well.

    ## References
    - PyTorch documentation, "Randomness in multi-process data loading" (`torch.utils.data`).
    - PyTorch FAQ, "My data loader workers return identical random numbers".
    """

    code, name = "ML308", "numpy-rng-in-dataset"
    libraries = ("torch",)
    words = ("Dataset",)
    triggers = (Node(ast.ClassDef),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.ClassDef)
        if not any(isinstance(s, FUNCTIONS) and s.name in _READING for s in node.body):
            return
        if not ctx.kinds.class_instance(node).is_a(*_BASES):
            return
        text = ctx.source.text
        if "worker_init_fn" in text or "get_worker_info" in ctx.text(node) or _without_workers(node, ctx):
            return
        methods = _reading_methods(node, ctx)
        reported: set[str] = set()
        for function in methods:
            for call in walk(function):
                if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                    continue
                receiver = call.func.value
                held = ast.unparse(receiver)
                if held not in reported and _is_generator(receiver, node, methods, ctx):
                    reported.add(held)
                    yield ctx.finding(
                        call,
                        f"`{ctx.short(call)}` draws the same numbers in every worker of a DataLoader: "
                        f"each has a copy of `{held}`",
                        "draw with torch, or make the generator in the worker from `torch.initial_seed()`",
                    )
                elif held not in reported and call.func.attr in _GLOBAL and ctx.dotted(receiver) == "numpy.random":
                    if ctx.targets("torch", "<1.9"):
                        reported.add(held)
                        yield ctx.finding(
                            call,
                            f"`{ctx.short(call)}` draws the same numbers in every worker: PyTorch before 1.9 does not "
                            "seed NumPy in workers",
                            "draw with torch, or seed NumPy in a `worker_init_fn`",
                        )

    examples = (
        Example(
            given=DATA,
            bad=(
                "class Noisy(Dataset):\n    def __init__(self, x):\n        self.x = x\n"
                "        self.rng = np.random.default_rng(0)\n\n"
                "    def __getitem__(self, i):\n        return self.x[i] + self.rng.normal()\n"
            ),
        ),
        Example(
            given=DATA + "import random\nimport torch\n",
            bad=(
                "class Crops(torch.utils.data.IterableDataset):\n    def __init__(self, files):\n"
                "        self.files = files\n        self._random = random.Random(1)\n\n"
                "    def _crop(self, f):\n        return f[self._random.randrange(10) :]\n\n"
                "    def __iter__(self):\n        for f in self.files:\n            yield self._crop(f)\n"
            ),
            note="drawn in a method that __iter__ calls",
        ),
        Example(
            given=DATA,
            bad=(
                "rng = np.random.RandomState(0)\n\nclass Noisy(Dataset):\n"
                "    def __getitem__(self, i):\n        return rng.rand(3) * i\n"
            ),
            note="a generator of the module is copied as well",
        ),
        Example(
            given=DATA,
            bad="class Noisy(Dataset):\n    def __getitem__(self, i):\n        return i + np.random.rand()\n",
            targets={"torch": "1.8"},
        ),
        Example(
            given=DATA,
            ok="class Noisy(Dataset):\n    def __getitem__(self, i):\n        return i + np.random.rand()\n",
            note="seeded in each worker since PyTorch 1.9",
        ),
        Example(
            given=DATA,
            ok=(
                "class Noisy(Dataset):\n    def __getitem__(self, i):\n"
                "        rng = np.random.default_rng(i)\n        return rng.normal()\n"
            ),
        ),
        Example(
            given=DATA,
            ok=(
                "class Noisy(Dataset):\n    def __init__(self):\n        self.rng = np.random.default_rng(0)\n"
                "        self.noise = self.rng.normal(size=100)\n\n"
                "    def __getitem__(self, i):\n        return self.noise[i]\n"
            ),
            note="drawn once, before there are workers",
        ),
        Example(
            given=DATA,
            ok=(
                "class Noisy(Dataset):\n    def __init__(self):\n        self.rng = np.random.default_rng(0)\n\n"
                "    def __getitem__(self, i):\n        return self.rng.normal()\n\n"
                "loader = DataLoader(Noisy(), batch_size=4, num_workers=0)\n"
            ),
        ),
        Example(
            given=DATA,
            ok=(
                "class Noisy(Dataset):\n    def __init__(self):\n        self.rng = np.random.default_rng(0)\n\n"
                "    def __getitem__(self, i):\n        return self.rng.normal()\n\n"
                "loader = DataLoader(Noisy(), num_workers=4, worker_init_fn=reseed)\n"
            ),
        ),
        Example(
            given=DATA,
            ok=(
                "class Noisy(Dataset):\n    def __init__(self):\n        self.rng = None\n\n"
                "    def __getitem__(self, i):\n        if self.rng is None:\n"
                "            self.rng = np.random.default_rng()\n        return self.rng.normal()\n"
            ),
            note="made in the worker",
        ),
        Example(
            given=DATA,
            ok=(
                "class Bag:\n    def __init__(self):\n        self.rng = np.random.default_rng(0)\n\n"
                "    def __getitem__(self, i):\n        return self.rng.normal()\n"
            ),
            note="no dataset of PyTorch",
        ),
    )


def _reading_methods(owner: ast.ClassDef, ctx: Context) -> list[FunctionNode]:
    """The methods that run in a worker: those that read samples, and what they call on self."""
    pending = [s for s in owner.body if isinstance(s, FUNCTIONS) and s.name in _READING]
    found: list[FunctionNode] = []
    while pending:
        function = pending.pop(0)
        if function in found:
            continue
        found.append(function)
        for node in walk(function):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and ctx.kinds.is_self(node.func.value)
            ):
                method = ctx.kinds.method(owner, node.func.attr)
                if isinstance(method, FUNCTIONS):
                    pending.append(method)
    return found


def _is_generator(node: ast.expr, owner: ast.ClassDef, methods: list[FunctionNode], ctx: Context) -> bool:
    """Whether an expression is a generator that was made before the workers were."""
    if isinstance(node, ast.Attribute) and ctx.kinds.is_self(node.value):
        values = ctx.kinds.attribute_values(owner, node.attr)
        made = [value for value in values if isinstance(value, ast.Call) and ctx.dotted(value.func) in _MAKERS]
        return bool(made) and not any(ctx.tree.function(value) in methods for value in values)
    if isinstance(node, ast.Name):
        found = ctx.names.lookup(node)
        if found is None or found[0] is not ctx.tree.module:
            return False
        return all(isinstance(b.value, ast.Call) and ctx.dotted(b.value.func) in _MAKERS for b in found[1])
    return False


def _without_workers(owner: ast.ClassDef, ctx: Context) -> bool:
    """Whether the class is used in this file, and all loaders of the file work in the main process."""
    used = False
    loaders: list[ast.Call] = []
    for call in ctx.tree.calls:
        if ctx.dotted(call.func) == "torch.utils.data.DataLoader":
            loaders.append(call)
        elif isinstance(call.func, ast.Name) and call.func.id == owner.name:
            used = True
    return used and bool(loaders) and all(_in_main_process(loader, ctx) for loader in loaders)


def _in_main_process(loader: ast.Call, ctx: Context) -> bool:
    if ctx.open_ended(loader):
        return False
    workers = ctx.argument(loader, "num_workers", 5)
    return workers is None or (isinstance(workers, ast.Constant) and workers.value == 0)
