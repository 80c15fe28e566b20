from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlint.rule import FUNCTIONS, Call, Context, Edit, Example, Finding, Fix, Rule, Safety, walk

_LOADER = "torch.utils.data.DataLoader"
_FRAMEWORK = re.compile(r"\b(lightning|pytorch_lightning|accelerate|Accelerator|Fabric|ignite|fastai|composer)\b")

IMPORTS = "import random\n\nimport numpy as np\nimport torch\nfrom torch.utils.data import DataLoader\n"
HELPER = (
    "\n\ndef seed_worker(worker_id):\n    worker_seed = torch.initial_seed() % 2**32\n"
    "    np.random.seed(worker_seed)\n    random.seed(worker_seed)\n"
)
ASKED = "\ntorch.manual_seed(0)\ntorch.use_deterministic_algorithms(True)\ndata = list(range(8))\n"
LOADER = "loader = DataLoader(data, batch_size=2, shuffle=True, num_workers=1"


class WorkerSeedingMissing(Rule):
    """A file that asks for reproducible results leaves the order and the workers of a DataLoader to the global state.

    ## Why
    The order of a shuffled loader and the seeds of its workers are drawn from PyTorch's global generator when an epoch
    starts. Whatever else draws from it before then (another layer, an evaluation, a library) changes the batches of the
    whole epoch. The reproducibility note gives the loader a generator of its own, and seeds the other libraries in the
    workers from it.

    Off by default: with the same code and versions a run repeats itself without it, and since PyTorch 1.9 the workers'
    NumPy generators are seeded as well. Only files that seed PyTorch and ask for deterministic kernels are looked at.

    ## Fix safety
    Unsafe: the batches come in another order.

    ## Known limits
    Loaders that a framework prepares (Lightning, Accelerate, Ignite), and those with a sampler of their own, are left
    alone, as are those of which it is not known that they have workers.

    ## References
    - PyTorch documentation, "Reproducibility", section "DataLoader".
    """

    code, name = "ML309", "worker-seeding-missing"
    libraries = ("torch",)
    default = False
    safety = Safety.UNSAFE
    words = ("num_workers",)
    triggers = (Call(_LOADER),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if ctx.open_ended(node) or _FRAMEWORK.search(ctx.source.text):
            return
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        if any(name in given for name in ("generator", "worker_init_fn", "sampler", "batch_sampler")):
            return
        shuffled = ctx.argument(node, "shuffle", 2)
        workers = ctx.argument(node, "num_workers", 5)
        if not (isinstance(shuffled, ast.Constant) and shuffled.value is True) or not _some(workers, ctx):
            return
        wanted = ctx.model.determinism
        if wanted.switch("torch") is None or wanted.seed("torch") is None:
            return
        yield ctx.finding(
            node,
            f"`{ctx.short(node)}` draws its order and the seeds of its workers from the global generator",
            "pass `generator` and `worker_init_fn`",
            _fix(node, ctx),
        )

    examples = (
        Example(
            bad=IMPORTS + ASKED + LOADER + ")\nseen = [x.shape for x in loader]\n",
            good=(
                IMPORTS + HELPER + ASKED + LOADER + ", generator=torch.Generator().manual_seed(0), "
                "worker_init_fn=seed_worker)\nseen = [x.shape for x in loader]\n"
            ),
            equal="seen",
        ),
        Example(
            given="import torch\nfrom torch.utils import data\n" + ASKED.replace("data =", "samples ="),
            bad="loader = data.DataLoader(samples, shuffle=True, num_workers=2)\nseen = sorted(int(x) for x in loader)",
            good=(
                "loader = data.DataLoader(samples, shuffle=True, num_workers=2, "
                "generator=torch.Generator().manual_seed(0))\nseen = sorted(int(x) for x in loader)"
            ),
            equal="seen",
            note="nothing else draws in the workers",
        ),
        Example(
            given=IMPORTS
            + HELPER.replace("seed_worker", "init")
            + ASKED.replace("torch.use_deterministic_algorithms(True)", "torch.backends.cudnn.deterministic = True"),
            bad=LOADER + ")",
            good=LOADER + ", generator=torch.Generator().manual_seed(0), worker_init_fn=init)",
            note="the file has a function that seeds workers",
        ),
        Example(
            given=IMPORTS + ASKED + "import os\n",
            bad="def seed_worker():\n    pass\n\nn = os.cpu_count()\nloader = DataLoader(data, 2, True, num_workers=n)",
            note="the name is taken",
        ),
        Example(given=IMPORTS + ASKED, ok=LOADER + ", generator=torch.Generator())"),
        Example(given=IMPORTS + ASKED, ok=LOADER + ", worker_init_fn=print)"),
        Example(given=IMPORTS + ASKED, ok="DataLoader(data, batch_size=2, shuffle=True)", note="no workers"),
        Example(given=IMPORTS + ASKED, ok="DataLoader(data, batch_size=2, shuffle=True, num_workers=0)"),
        Example(given=IMPORTS + ASKED, ok="DataLoader(data, batch_size=2, num_workers=4)", note="nothing is shuffled"),
        Example(given=IMPORTS + ASKED, ok="def f(n):\n    return DataLoader(data, shuffle=True, num_workers=n)"),
        Example(
            given=IMPORTS + ASKED, ok="def f(**more):\n    return DataLoader(data, shuffle=True, num_workers=2, **more)"
        ),
        Example(
            given=IMPORTS + "torch.manual_seed(0)\ndata = [1]\n", ok=LOADER + ")", note="seeded, and no more asked"
        ),
        Example(
            given=IMPORTS + "torch.backends.cudnn.deterministic = True\ndata = [1]\n",
            ok=LOADER + ")",
            note="not seeded",
        ),
        Example(
            given=IMPORTS + "torch.manual_seed(0)\ntorch.use_deterministic_algorithms(False)\ndata = [1]\n",
            ok=LOADER + ")",
        ),
        Example(
            given=IMPORTS + ASKED + "from accelerate import Accelerator\n",
            ok=LOADER + ")\nloader = Accelerator().prepare(loader)",
            note="the framework makes another loader",
        ),
        Example(given="from mine import DataLoader\nimport torch\n" + ASKED, ok=LOADER + ")"),
    )


def _some(workers: ast.expr | None, ctx: Context) -> bool:
    """Whether a number of workers is certainly above zero."""
    if isinstance(workers, ast.Constant):
        return isinstance(workers.value, int) and workers.value > 0
    if isinstance(workers, ast.Call):
        return ctx.dotted(workers.func) in ("os.cpu_count", "multiprocessing.cpu_count", "torch.get_num_threads")
    if isinstance(workers, ast.Name):
        bindings = ctx.reaching.of(workers) or []
        return bool(bindings) and all(
            b.how == "assign" and not b.path and b.value is not None and _some(b.value, ctx) for b in bindings
        )
    return False


def _fix(node: ast.Call, ctx: Context) -> Fix | None:
    """The recipe of the reproducibility note; what seeds the workers is written above, or is there already."""
    anchor = next((s for s in reversed(ctx.tree.module.body) if isinstance(s, (ast.Import, ast.ImportFrom))), None)
    if anchor is None or anchor.lineno > node.lineno:
        return None
    roots = {binding.imported for binding in ctx.names.imports()}
    others = [name for name in ("numpy", "random") if name in roots]
    known = _known(ctx)

    def build() -> list[Edit]:
        maker, edits = ctx.edits.name("torch.Generator", node)
        seed = ctx.options.seed
        values = {"generator": f"{maker}().manual_seed({seed})"}
        if known is not None:
            values["worker_init_fn"] = known
        elif others:
            initial, more = ctx.edits.name("torch.initial_seed", node)
            lines = ["def seed_worker(worker_id):", f"    worker_seed = {initial}() % 2**32"]
            for library in others:
                text, _ = ctx.edits.name("numpy.random.seed" if library == "numpy" else "random.seed", node)
                lines.append(f"    {text}(worker_seed)")
            values["worker_init_fn"] = "seed_worker"
            edits = [*edits, *more, ctx.edits.insert_after(anchor, "\n\n" + "\n".join(lines))]
        return [*edits, ctx.edits.add_keywords(node, values)]

    if known is None and others and not ctx.names.is_free("seed_worker", node):
        return None
    return ctx.fix(build, Safety.UNSAFE, "Give it a generator, and seed its workers from it")


def _known(ctx: Context) -> str | None:
    """A function of the module that seeds a worker by PyTorch's seed."""
    for function in ctx.tree.module.body:
        if isinstance(function, FUNCTIONS) and len(function.args.args) == 1 and not function.decorator_list:
            if any(isinstance(n, ast.Call) and ctx.dotted(n.func) == "torch.initial_seed" for n in walk(function)):
                return function.name
    return None
