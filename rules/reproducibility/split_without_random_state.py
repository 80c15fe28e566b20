from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import DATAFRAME, SERIES, Call, Context, Edit, Example, Finding, Method, Rule, Safety, walk_scope

_FUNCTIONS = frozenset(
    "sklearn.model_selection.train_test_split sklearn.cross_validation.train_test_split "
    "cuml.model_selection.train_test_split cuml.preprocessing.model_selection.train_test_split "
    "cuml.train_test_split dask_ml.model_selection.train_test_split".split()
)
_SPLITTERS = frozenset(
    "sklearn.model_selection.ShuffleSplit sklearn.model_selection.StratifiedShuffleSplit "
    "sklearn.model_selection.GroupShuffleSplit sklearn.cross_validation.ShuffleSplit "
    "sklearn.cross_validation.StratifiedShuffleSplit dask_ml.model_selection.ShuffleSplit".split()
)
_TORCH = "torch.utils.data.random_split"
_FRAMES = (DATAFRAME, SERIES)
_HUB = frozenset(
    "datasets.load_dataset datasets.load_from_disk datasets.concatenate_datasets datasets.Dataset.from_dict "
    "datasets.Dataset.from_list datasets.Dataset.from_pandas datasets.Dataset.from_csv datasets.Dataset.from_json "
    "datasets.Dataset.from_generator datasets.Dataset.from_parquet".split()
)
"""What makes a data set of Hugging Face's `datasets`."""
_KEEPING = frozenset(
    "map filter select shuffle sort flatten remove_columns rename_column rename_columns select_columns cast "
    "cast_column add_column with_format with_transform".split()
)
_DEEPEST = 12

FRAME = "import pandas as pd\ndf = pd.DataFrame({'a': range(50)})\n"


class SplitWithoutRandomState(Rule):
    """Data is split at random without a seed, so the test set changes from run to run.

    ## Why
    Each run is scored on other samples: differences between two runs mix the effect of a change with the luck of the
    split. When training is restarted from a checkpoint, samples of the new test set have been trained on.

    `DataFrame.sample` counts where the sample is one side of a split: the rest is made by dropping its index, or the
    shuffled frame is cut in two.

    Nothing is said where the program seeds the generator that the split draws from.

    ## Fix safety
    Unsafe: one split is chosen for good, and results that were computed with other splits are not comparable.

    ## When to ignore
    The split is repeated on purpose to measure how much the score depends on it.

    ## References
    - scikit-learn user guide, "Common pitfalls and recommended practices", section "Controlling randomness".
    - PyTorch documentation, `torch.utils.data.random_split`.
    - Hugging Face Datasets documentation, `Dataset.train_test_split`.
    """

    code, name = "ML303", "split-without-random-state"
    libraries = ("sklearn", "torch", "pandas", "rapids", "dask", "transformers")
    safety = Safety.UNSAFE
    triggers = (
        Call(*sorted(_FUNCTIONS | _SPLITTERS), _TORCH),
        Method("sample", of=_FRAMES),
        Method("train_test_split"),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        dotted = ctx.dotted(node.func)
        if dotted == _TORCH:
            yield from self._torch(node, ctx)
            return
        if any(keyword.arg is None for keyword in node.keywords):
            return
        if dotted is None and isinstance(node.func, ast.Attribute) and node.func.attr == "train_test_split":
            yield from self._hub(node, node.func.value, ctx)
            return
        if dotted in _FUNCTIONS:
            if _is(ctx.argument(node, "shuffle"), False):
                return
            message = f"`{ctx.short(node.func)}` splits at random without a seed: every run has another test set"
        elif dotted in _SPLITTERS:
            message = f"`{ctx.short(node.func)}` splits at random without a seed: every run has other folds"
        elif isinstance(node.func, ast.Attribute) and _is_split(node, ctx):
            message = f"`{ctx.short(node)}` splits the data at random without a seed"
        else:
            return
        state = ctx.argument(node, "random_state", 4 if isinstance(node.func, ast.Attribute) and not dotted else None)
        if state is not None and not _is(state, None):
            return
        generator = "cupy" if dotted is not None and dotted.startswith("cuml.") else "numpy"
        if ctx.randomness.seeded(generator, node):
            return
        value = str(ctx.options.seed)
        fix = ctx.fix(
            lambda: ctx.edits.put_keyword(node, "random_state", value),
            Safety.UNSAFE,
            f"Pass `random_state={value}`",
        )
        yield ctx.finding(node, message, "pass `random_state`", fix)

    def _hub(self, node: ast.Call, receiver: ast.expr, ctx: Context) -> Iterator[Finding]:
        """`Dataset.train_test_split` of `datasets`, which without a seed takes one from NumPy's global generator."""
        if _is(ctx.argument(node, "shuffle"), False) or ctx.argument(node, "generator") is not None:
            return
        seed = ctx.argument(node, "seed")
        if (seed is not None and not _is(seed, None)) or len(node.args) > 2:
            return
        if not _is_hub(receiver, ctx) or ctx.randomness.seeded("numpy", node):
            return
        value = str(ctx.options.seed)
        fix = ctx.fix(lambda: ctx.edits.put_keyword(node, "seed", value), Safety.UNSAFE, f"Pass `seed={value}`")
        message = f"`{ctx.short(node.func)}` splits at random without a seed: every run has another test set"
        yield ctx.finding(node, message, "pass `seed`", fix)

    def _torch(self, node: ast.Call, ctx: Context) -> Iterator[Finding]:
        generator = ctx.argument(node, "generator", 2)
        if ctx.open_ended(node) or (generator is not None and not _is(generator, None)):
            return
        if len(node.args) > 2 or ctx.randomness.seeded("torch", node):
            return
        value = str(ctx.options.seed)

        def build() -> list[Edit]:
            text, imports = ctx.edits.name("torch.Generator", node)
            return [ctx.edits.put_keyword(node, "generator", f"{text}().manual_seed({value})"), *imports]

        fix = ctx.fix(build, Safety.UNSAFE, f"Pass a generator seeded with {value}")
        message = f"`{ctx.short(node.func)}` splits at random without a seed: every run has another test set"
        yield ctx.finding(node, message, "pass a seeded `generator`", fix)

    examples = (
        Example(
            given="from datasets import load_dataset",
            bad=(
                'dataset = load_dataset("imdb", split="train").map(str.lower)\n'
                "parts = dataset.train_test_split(test_size=0.1)"
            ),
            good=(
                'dataset = load_dataset("imdb", split="train").map(str.lower)\n'
                "parts = dataset.train_test_split(test_size=0.1, seed=0)"
            ),
        ),
        Example(
            given="import datasets",
            bad=(
                "def parts(name):\n    try:\n        data = datasets.load_from_disk(name)\n"
                "    except FileNotFoundError:\n        data = datasets.load_dataset(name)\n"
                '        data = data["train"].select(range(100))\n'
                "    return data.train_test_split(0.1, seed=None)\n"
            ),
            good=(
                "def parts(name):\n    try:\n        data = datasets.load_from_disk(name)\n"
                "    except FileNotFoundError:\n        data = datasets.load_dataset(name)\n"
                '        data = data["train"].select(range(100))\n'
                "    return data.train_test_split(0.1, seed=0)\n"
            ),
        ),
        Example(
            given="from datasets import load_dataset\nimport numpy as np",
            ok='np.random.seed(3)\nparts = load_dataset("imdb", split="train").train_test_split(0.1)',
        ),
        Example(
            given="from datasets import load_dataset",
            ok='parts = load_dataset("imdb", split="train").train_test_split(0.1, shuffle=False)',
        ),
        Example(
            given="from datasets import load_dataset",
            ok='parts = load_dataset("a").train_test_split(0.1)',
            files={"datasets.py": "def load_dataset(name):\n    return name\n"},
            note="a module of the project",
        ),
        Example(
            given="import ray\nimport torch",
            ok="def parts(data):\n    return data.train_test_split(0.1)",
            note="ray's splits do not shuffle",
        ),
        Example(
            given="from sklearn.model_selection import train_test_split\nX, y = list(range(50)), list(range(50))",
            bad="X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2)",
            good="X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)",
            equal="sorted(X_train + X_test)",
        ),
        Example(
            given="import sklearn.model_selection as ms",
            bad=(
                "def load(X, y):\n"
                "    return ms.train_test_split(\n"
                "        X, y,\n"
                "        stratify=y,  # rare classes\n"
                "    )"
            ),
            good=(
                "def load(X, y):\n"
                "    return ms.train_test_split(\n"
                "        X, y,\n"
                "        stratify=y,  # rare classes\n"
                "        random_state=0,\n"
                "    )"
            ),
        ),
        Example(
            given="from sklearn.model_selection import GroupShuffleSplit",
            bad="cv = GroupShuffleSplit(n_splits=1, test_size=0.2, random_state=None)",
            good="cv = GroupShuffleSplit(n_splits=1, test_size=0.2, random_state=0)",
        ),
        Example(
            given="import torch\nfrom torch.utils.data import TensorDataset, random_split\n"
            "ds = TensorDataset(torch.arange(50))",
            bad="train, val = random_split(ds, [40, 10])",
            good="train, val = random_split(ds, [40, 10], generator=torch.Generator().manual_seed(0))",
            equal="sorted(list(train.indices) + list(val.indices))",
        ),
        Example(
            bad="from torch.utils.data import random_split\n\n"
            "def split(ds, n):\n    return random_split(ds, [len(ds) - n, n])",
            good=(
                "import torch\nfrom torch.utils.data import random_split\n\n"
                "def split(ds, n):\n    return random_split(ds, [len(ds) - n, n], "
                "generator=torch.Generator().manual_seed(0))"
            ),
        ),
        Example(
            given=FRAME,
            bad="train = df.sample(frac=0.8)\ntest = df.drop(train.index)",
            good="train = df.sample(frac=0.8, random_state=0)\ntest = df.drop(train.index)",
            equal="sorted([*train['a'], *test['a']])",
        ),
        Example(
            given=FRAME,
            bad="df = df.sample(frac=1).reset_index(drop=True)\ntrain, test = df[:40], df[40:]",
            good="df = df.sample(frac=1, random_state=0).reset_index(drop=True)\ntrain, test = df[:40], df[40:]",
            equal="sorted([*train['a'], *test['a']])",
        ),
        Example(
            given=FRAME + "import numpy as np",
            bad="train, val, test = np.split(df.sample(frac=1), [30, 40])",
            good="train, val, test = np.split(df.sample(frac=1, random_state=0), [30, 40])",
        ),
        Example(
            given="import torch\nfrom sklearn.model_selection import train_test_split",
            bad="torch.manual_seed(0)\na, b = train_test_split([1, 2, 3])",
            good="torch.manual_seed(0)\na, b = train_test_split([1, 2, 3], random_state=0)",
            note="scikit-learn does not draw from torch's generator",
        ),
        Example(
            ok="from sklearn.model_selection import train_test_split\na, b = train_test_split([1, 2], shuffle=False)"
        ),
        Example(
            ok="from sklearn.model_selection import train_test_split\na, b = train_test_split([1, 2], random_state=7)"
        ),
        Example(
            ok="from sklearn.model_selection import train_test_split\n"
            "def split(x, **kwargs):\n    return train_test_split(x, **kwargs)"
        ),
        Example(
            ok="from splits import train_test_split\nimport sklearn\na, b = train_test_split([1, 2, 3])",
            files={"splits.py": "def train_test_split(x):\n    return x[:1], x[1:]\n"},
        ),
        Example(ok="import sklearn\ndef train_test_split(x):\n    return x, x\n\na, b = train_test_split([1])"),
        Example(
            ok="import torch\nfrom torch.utils.data import random_split\n"
            "def split(ds, g):\n    return random_split(ds, [40, 10], g)"
        ),
        Example(
            ok="import torch\nfrom torch.utils.data import random_split\n"
            "def split(ds):\n    return random_split(ds, [40, 10], generator=torch.Generator().manual_seed(42))"
        ),
        Example(
            ok="import numpy as np\nfrom sklearn.model_selection import train_test_split\n"
            "np.random.seed(0)\na, b = train_test_split([1, 2, 3])"
        ),
        Example(
            ok="import lightning as L\nfrom torch.utils.data import random_split\n"
            "def main(ds):\n    L.seed_everything(1)\n    return random_split(ds, [40, 10])"
        ),
        Example(ok=FRAME + "print(df.sample(5))\nhead = df.sample(frac=0.1)"),
        Example(ok=FRAME + "train = df.sample(frac=0.8, random_state=1)\ntest = df.drop(train.index)"),
        Example(
            ok="from mylib import load_dataset\nimport torch\nparts = load_dataset('imdb').train_test_split(0.1)",
            note="a method of another library's data set",
        ),
    )


def _is(node: ast.AST | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _is_split(call: ast.Call, ctx: Context) -> bool:
    """Whether a sample of a frame is one side of a split, or a shuffle before one."""
    outer: ast.expr = call
    parent = ctx.tree.parent(outer)
    while isinstance(parent, ast.Attribute) or (isinstance(parent, ast.Call) and parent.func is outer):
        outer = parent  # `df.sample(frac=1).reset_index(drop=True)`
        parent = ctx.tree.parent(outer)
    if isinstance(parent, ast.Call) and ctx.dotted(parent.func) in ("numpy.split", "numpy.array_split"):
        return True
    if not isinstance(parent, ast.Assign) or len(parent.targets) != 1 or not isinstance(parent.targets[0], ast.Name):
        return False
    name = parent.targets[0].id
    whole = isinstance(fraction := ctx.argument(call, "frac"), ast.Constant) and fraction.value == 1
    cuts = 0
    for node in walk_scope(ctx.tree.function(call) or ctx.tree.module):
        if _after(node, call) and isinstance(node, ast.Call):
            if not whole and _drops(node, name):
                return True
            if ctx.dotted(node.func) in ("numpy.split", "numpy.array_split") and _is_name(node.args[:1], name):
                return True
        elif whole and _after(node, call) and isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            value = node.value
            if isinstance(value, ast.Attribute) and value.attr in ("iloc", "loc"):
                value = value.value
            if isinstance(value, ast.Name) and value.id == name:
                cuts += 1
    return cuts >= 2


def _drops(call: ast.Call, name: str) -> bool:
    """Whether a call takes the rows of a sample out of something: `df.drop(train.index)`, `index.isin(train.index)`."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in ("drop", "isin", "difference"):
        return False
    arguments = [*call.args[:1], *(k.value for k in call.keywords if k.arg in ("index", "labels"))]
    return any(
        isinstance(argument, ast.Attribute) and argument.attr == "index" and _is_name([argument.value], name)
        for argument in arguments
    )


def _is_name(nodes: list[ast.expr], name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in nodes)


def _after(node: ast.AST, call: ast.Call) -> bool:
    return (getattr(node, "lineno", 0), getattr(node, "col_offset", 0)) > (call.lineno, call.col_offset)


def _is_hub(node: ast.expr, ctx: Context, depth: int = 0) -> bool:
    """Whether a value certainly is a data set of Hugging Face's `datasets`."""
    if depth > _DEEPEST:
        return False
    if isinstance(node, ast.Subscript):
        return _is_hub(node.value, ctx, depth + 1)
    if isinstance(node, ast.Name):
        bindings = ctx.reaching.of(node)
        return bool(bindings) and all(
            binding.how == "assign"
            and not binding.path
            and isinstance(binding.value, ast.expr)
            and _is_hub(binding.value, ctx, depth + 1)
            for binding in bindings or ()
        )
    if not isinstance(node, ast.Call):
        return False
    if ctx.dotted(node.func) in _HUB:
        project = ctx.model.project
        return project is None or project.locate("datasets", ctx.source.path) is None
    if isinstance(node.func, ast.Attribute) and node.func.attr in _KEEPING:
        return _is_hub(node.func.value, ctx, depth + 1)
    return False
