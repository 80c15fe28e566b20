from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Context, Edit, Example, Finding, Fix, Module, Rule, Safety

_SHOWN = {"numpy": "NumPy's", "random": "Python's", "torch": "PyTorch's", "cuda": "the GPU's"}

GIVEN = (
    "import random\nimport time\n\nimport numpy as np\nimport torch\n"
    "from torch.utils.data import DataLoader, Dataset\n\n"
    "class Drawn(Dataset):\n    def __len__(self):\n        return 4\n\n"
    "    def __getitem__(self, i):\n"
    "        return np.random.randint(10**9), random.randrange(10**9), int(torch.randint(10**9, ()))\n\n"
)


class WorkerSeedFromForkedState(Rule):
    """A `worker_init_fn` gives all workers of a DataLoader the same seed.

    ## Why
    The workers are copies of the process that starts them. A seed that was there before they started (a constant, an
    argument of the command line, the state of a generator, the second of the clock) is the same in each of them, so
    that all workers draw the same augmentations; and since they start again from the same parent, they draw them again
    in every epoch. PyTorch has already seeded each worker differently, by `torch.initial_seed()`; since 1.9 that goes
    for NumPy's generator as well, and such a function takes it back.

    `np.random.get_state()[1][0]` is no seed of a worker either: it is the first word of the state, which has one fixed
    value where the generator was seeded with several words, as PyTorch does it in workers.

    ## Fix safety
    Unsafe: other numbers are drawn, on purpose. The seed becomes `torch.initial_seed() % 2**32`, which is another one
    in each worker and each epoch, and follows `torch.manual_seed`.

    ## Known limits
    A seed that depends on the worker's number (`get_state()[1][0] + worker_id`, `seed + worker_id`) is left alone,
    though it gives each worker the same numbers in every epoch. Draws from `np.random` inside the function are reported
    where the targeted PyTorch is below 1.9. Only functions that are passed as `worker_init_fn` in their own file are
    looked at, not those of loaders with one worker or none.

    ## References
    - PyTorch documentation, "Randomness in multi-process data loading" (`torch.utils.data`), and "Reproducibility",
      section "DataLoader".
    """

    code, name = "ML316", "worker-seed-from-forked-state"
    libraries = ("torch",)
    safety = Safety.UNSAFE
    words = ("worker_init_fn",)
    triggers = (Module(),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        for seed in ctx.model.worker_seeds.same(reseeded=not ctx.targets("torch", "<1.9")):
            names = [_SHOWN[generator] for generator in _SHOWN if generator in seed.generators]
            which = f"{names[0]} generator" if len(names) == 1 else "the generators"
            yield ctx.finding(
                seed.call,
                f"`{ctx.short(seed.call)}` seeds {which} alike in every worker and every epoch",
                "use `torch.initial_seed()`, which differs from worker to worker",
                _fix(seed.value, seed.generators, ctx),
            )

    examples = (
        Example(
            given=GIVEN,
            bad=(
                "def seed_worker(worker_id):\n    np.random.seed(42)  # augmentation\n\n"
                "loader = DataLoader(Drawn(), num_workers=2, worker_init_fn=seed_worker)"
            ),
            good=(
                "def seed_worker(worker_id):\n    np.random.seed(torch.initial_seed() % 2**32)  # augmentation\n\n"
                "loader = DataLoader(Drawn(), num_workers=2, worker_init_fn=seed_worker)"
            ),
            equal="loader.num_workers",
        ),
        Example(
            given=GIVEN,
            bad="loader = DataLoader(Drawn(), num_workers=2, worker_init_fn=lambda i: random.seed(3))",
            good=(
                "loader = DataLoader(Drawn(), num_workers=2, "
                "worker_init_fn=lambda i: random.seed(torch.initial_seed() % 2**32))"
            ),
        ),
        Example(
            given=GIVEN + "args = parser.parse_args()\n",
            bad=(
                "def init(_):\n    seed = args.seed + 1\n    np.random.seed(seed)\n\n"
                "options = dict(num_workers=args.workers, worker_init_fn=init)\nloader = DataLoader(Drawn(), **options)"
            ),
            good=(
                "def init(_):\n    seed = args.seed + 1\n    np.random.seed(torch.initial_seed() % 2**32)\n\n"
                "options = dict(num_workers=args.workers, worker_init_fn=init)\nloader = DataLoader(Drawn(), **options)"
            ),
        ),
        Example(
            given=GIVEN,
            bad=(
                "def init(worker_id):\n    np.random.seed(np.random.get_state()[1][0])\n\n"
                "loader = DataLoader(Drawn(), num_workers=4, worker_init_fn=init)"
            ),
            good=(
                "def init(worker_id):\n    np.random.seed(torch.initial_seed() % 2**32)\n\n"
                "loader = DataLoader(Drawn(), num_workers=4, worker_init_fn=init)"
            ),
        ),
        Example(
            given=GIVEN,
            bad=(
                "def init(worker_id):\n    np.random.seed(int(time.time()) % 1000)\n\n"
                "loader = DataLoader(Drawn(), num_workers=4, worker_init_fn=init)"
            ),
            good=(
                "def init(worker_id):\n    np.random.seed(torch.initial_seed() % 2**32)\n\n"
                "loader = DataLoader(Drawn(), num_workers=4, worker_init_fn=init)"
            ),
        ),
        Example(
            given=GIVEN,
            bad=(
                "def init(worker_id):\n    np.random.seed(np.random.randint(0, 1000))\n\n"
                "loader = DataLoader(Drawn(), num_workers=4, worker_init_fn=init)"
            ),
            good=(
                "def init(worker_id):\n    np.random.seed(torch.initial_seed() % 2**32)\n\n"
                "loader = DataLoader(Drawn(), num_workers=4, worker_init_fn=init)"
            ),
            targets={"torch": "1.8"},
            note="before 1.9 NumPy's generator was not seeded in workers",
        ),
        Example(
            given=GIVEN + "from tools import fix_all\n",
            bad=(
                "class Data:\n    def init(self, worker_id):\n        fix_all(self.seed)\n\n"
                "    def loader(self):\n"
                "        return DataLoader(Drawn(), num_workers=4, worker_init_fn=self.init)"
            ),
            good=(
                "class Data:\n    def init(self, worker_id):\n        fix_all(torch.initial_seed() % 2**32)\n\n"
                "    def loader(self):\n"
                "        return DataLoader(Drawn(), num_workers=4, worker_init_fn=self.init)"
            ),
            files={
                "tools.py": "import random\nimport numpy as np\n\n\ndef fix_all(s):\n    random.seed(s)\n"
                "    np.random.seed(s)\n"
            },
            note="a helper of the project, given the same number in each worker",
        ),
        Example(
            given=GIVEN + "from functools import partial\n",
            bad=(
                "def init(worker_id, seed):\n    random.seed(seed)\n\n"
                "loader = DataLoader(Drawn(), num_workers=4, worker_init_fn=partial(init, seed=5))"
            ),
            good=(
                "def init(worker_id, seed):\n    random.seed(torch.initial_seed() % 2**32)\n\n"
                "loader = DataLoader(Drawn(), num_workers=4, worker_init_fn=partial(init, seed=5))"
            ),
        ),
        Example(
            given=GIVEN,
            bad=(
                "def init(worker_id):\n    torch.manual_seed(0)\n\n"
                "loader = DataLoader(Drawn(), num_workers=4, worker_init_fn=init)"
            ),
            good=(
                "def init(worker_id):\n    torch.manual_seed(torch.initial_seed())\n\n"
                "loader = DataLoader(Drawn(), num_workers=4, worker_init_fn=init)"
            ),
        ),
        Example(
            given=(
                "import numpy as np\nimport torch\nimport torch.distributed as dist\n"
                "from torch.utils.data import DataLoader\n"
            ),
            bad=(
                "def make(data, seed):\n    def init(worker_id):\n        np.random.seed(seed + dist.get_rank())\n\n"
                "    return DataLoader(data, num_workers=4, worker_init_fn=init)"
            ),
            good=(
                "def make(data, seed):\n    def init(worker_id):\n"
                "        np.random.seed(torch.initial_seed() % 2**32)\n\n"
                "    return DataLoader(data, num_workers=4, worker_init_fn=init)"
            ),
            note="differs from rank to rank, not from worker to worker",
        ),
        Example(
            given=GIVEN,
            ok=(
                "def seed_worker(worker_id):\n    worker_seed = torch.initial_seed() % 2**32\n"
                "    np.random.seed(worker_seed)\n    random.seed(worker_seed)\n\n"
                "loader = DataLoader(Drawn(), num_workers=2, worker_init_fn=seed_worker)"
            ),
        ),
        Example(
            given=GIVEN,
            ok=(
                "def init(worker_id):\n    np.random.seed(np.random.get_state()[1][0] + worker_id)\n\n"
                "loader = DataLoader(Drawn(), num_workers=2, worker_init_fn=init)"
            ),
            note="unique for each worker, though equal in each epoch",
        ),
        Example(given=GIVEN, ok="DataLoader(Drawn(), num_workers=2, worker_init_fn=lambda w: np.random.seed(w))"),
        Example(given=GIVEN, ok="DataLoader(Drawn(), num_workers=2, worker_init_fn=np.random.seed)"),
        Example(
            given=GIVEN,
            ok=(
                "def init(w):\n    info = torch.utils.data.get_worker_info()\n    np.random.seed(info.seed % 2**32)\n\n"
                "DataLoader(Drawn(), num_workers=2, worker_init_fn=init)"
            ),
        ),
        Example(
            given=GIVEN + "import os\n",
            ok=(
                "def init(w):\n    np.random.seed(os.getpid())\n    random.seed(time.time_ns())\n    np.random.seed()\n"
                "    random.seed(None)\n\nDataLoader(Drawn(), num_workers=2, worker_init_fn=init)"
            ),
        ),
        Example(
            given=GIVEN,
            ok=(
                "def init(w):\n    np.random.seed(np.random.randint(0, 1000))\n\n"
                "DataLoader(Drawn(), num_workers=2, worker_init_fn=init)"
            ),
            note="since PyTorch 1.9 the draw itself differs in each worker",
        ),
        Example(
            given=GIVEN,
            ok="def init(w):\n    np.random.seed(0)\n\nDataLoader(Drawn(), num_workers=0, worker_init_fn=init)",
            note="no worker runs it",
        ),
        Example(given=GIVEN, ok="def init(w):\n    np.random.seed(0)\n\ninit(3)", note="nobody runs it in a worker"),
        Example(
            given=GIVEN,
            ok=(
                "def init(w):\n    np.random.seed(7)\n    np.random.seed(np.random.randint(99) + w)\n\n"
                "DataLoader(Drawn(), num_workers=2, worker_init_fn=init)"
            ),
            note="a second seed, which differs",
        ),
        Example(
            given=GIVEN + "from functools import partial\n",
            ok=(
                "def init(worker_id, seed, rank):\n    random.seed(seed + rank * 8 + worker_id)\n\n"
                "DataLoader(Drawn(), num_workers=2, worker_init_fn=partial(init, seed=5, rank=1))"
            ),
        ),
        Example(
            given=GIVEN + "from tools import fix_all\n",
            ok="def init(w):\n    fix_all(3)\n\nDataLoader(Drawn(), num_workers=2, worker_init_fn=init)",
            files={
                "tools.py": "import numpy as np\nfrom torch.utils.data import get_worker_info\n\n\n"
                "def fix_all(s):\n    np.random.seed(s + get_worker_info().id)\n"
            },
            note="the helper adds the worker's number",
        ),
        Example(
            given=GIVEN + "from elsewhere import seed_everything\n",
            ok="def init(w):\n    seed_everything(3)\n\nDataLoader(Drawn(), num_workers=2, worker_init_fn=init)",
            note="a helper that cannot be read",
        ),
    )


def _fix(value: ast.expr | None, generators: frozenset[str], ctx: Context) -> Fix | None:
    if value is None:
        return None

    def build() -> list[Edit]:
        text, imports = ctx.edits.name("torch.initial_seed", value)
        seed = f"{text}()" if generators == {"torch"} else f"{text}() % 2**32"
        return [*imports, ctx.edits.replace(value, seed)]

    return ctx.fix(build, Safety.UNSAFE, "Seed it with `torch.initial_seed()`")
