from __future__ import annotations

import ast
import os
from collections.abc import Iterator

from mlint.rule import Context, Edit, Example, Finding, Fix, Module, Rule, Safety, walk_scope

_CALLS = {
    "torch": "torch.manual_seed",
    "cuda": "torch.manual_seed",
    "numpy": "numpy.random.seed",
    "random": "random.seed",
    "cupy": "cupy.random.seed",
}
_TOGETHER = (
    ("lightning", "lightning.pytorch.seed_everything"),
    ("transformers", "transformers.set_seed"),
    ("accelerate", "accelerate.utils.set_seed"),
)
"""What seeds Python, NumPy and PyTorch in one call, for files that import the library."""
_SHOWN = {"random": "Python's random", "cuda": "torch on the GPU"}

TRAINING = """
import torch
from torch import nn

def main():
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in batches():
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()

if __name__ == "__main__":
    main()
"""


class ScriptWithoutSeed(Rule):
    """A script trains a model with random numbers from a generator that it never seeds.

    ## Why
    Initial weights, the order of the batches, dropout and augmentation come from global generators that are seeded
    from the operating system when the process starts. Without a seed no run can be repeated, a failure cannot be
    reproduced, and two settings differ by luck as well as by the setting.

    The rule follows the script through its own functions, the files it imports from the project, and functions handed
    to a launcher (`mp.spawn`, `app.run`). It names each generator that is drawn from and never seeded, with the first
    draw: a script that seeds PyTorch and shuffles with `random` is only half seeded. Estimators and splits of
    scikit-learn without `random_state` have rules of their own.

    ## Fix safety
    Unsafe: the run becomes one fixed sample. Seeding alone does not make GPU kernels deterministic.

    ## Known limits
    Nothing is said where a function that cannot be read is called by a name with "seed" in it or is given a seed, for
    frameworks that seed by themselves (the trainers of transformers and trl), and for scripts that train nothing.

    ## When to ignore
    Every run shall differ.

    ## References
    - PyTorch documentation, "Reproducibility".
    - Keras documentation, `keras.utils.set_random_seed`.
    """

    code, name = "ML301", "script-without-seed"
    libraries = ("torch", "tensorflow", "keras", "numpy", "jax", "sklearn")
    safety = Safety.UNSAFE
    triggers = (Module(),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if not ctx.is_script:
            return
        use = ctx.randomness.of(ctx.tree.module)
        unseeded = use.unseeded()
        if not use.trains or not unseeded:
            return
        draws = ctx.randomness.first_draws(unseeded)
        if not draws:
            return
        first = min((call for _, call in draws), key=lambda call: (call.lineno, call.col_offset))
        listed = ", ".join(_listed(generator, call, ctx) for generator, call in draws)
        what = "notebook" if ctx.model.role.name == "notebook" else "script"
        message = f"this {what} trains a model and never seeds {listed}"
        yield ctx.finding(first, message, "seed once, before anything is drawn", _fix([g for g, _ in draws], ctx))

    examples = (
        Example(
            bad=TRAINING,
            good=TRAINING.replace("import nn\n", "import nn\n\ntorch.manual_seed(0)\n"),
        ),
        Example(
            bad=(
                "import random\n\nimport numpy as np\nimport torch\nfrom torch import nn\n\n"
                "torch.manual_seed(1)\n"
                "files = [1, 2, 3]\n"
                "random.shuffle(files)\n"
                "noise = np.random.randn(3)\n"
                "model = nn.Linear(3, 1)\n"
                "opt = torch.optim.SGD(model.parameters(), lr=0.1)\n"
                "for _ in range(3):\n"
                "    model(torch.ones(3)).sum().backward()\n"
                "    opt.step()\n"
            ),
            good=(
                "import random\n\nimport numpy as np\nimport torch\nfrom torch import nn\n\n"
                "np.random.seed(0)\n"
                "random.seed(0)\n"
                "torch.manual_seed(1)\n"
                "files = [1, 2, 3]\n"
                "random.shuffle(files)\n"
                "noise = np.random.randn(3)\n"
                "model = nn.Linear(3, 1)\n"
                "opt = torch.optim.SGD(model.parameters(), lr=0.1)\n"
                "for _ in range(3):\n"
                "    model(torch.ones(3)).sum().backward()\n"
                "    opt.step()\n"
            ),
            note="PyTorch is seeded, the others are not",
        ),
        Example(
            bad=(
                "import numpy as np\nimport tensorflow as tf\nfrom tensorflow.keras import layers\n\n"
                "x = np.random.rand(10, 4)\n"
                "model = tf.keras.Sequential([layers.Dense(1)])\n"
                "model.compile(loss='mse')\n"
                "model.fit(x, x[:, :1])\n"
            ),
            good=(
                "import numpy as np\nimport tensorflow as tf\nfrom tensorflow.keras import layers\n\n"
                "tf.keras.utils.set_random_seed(0)\n\n"
                "x = np.random.rand(10, 4)\n"
                "model = tf.keras.Sequential([layers.Dense(1)])\n"
                "model.compile(loss='mse')\n"
                "model.fit(x, x[:, :1])\n"
            ),
            note="the one call seeds Python, NumPy and the backend",
        ),
        Example(
            bad=(
                "from sklearn.datasets import make_blobs\nfrom sklearn.linear_model import LogisticRegression\n\n"
                "X, y = make_blobs(100)\nLogisticRegression().fit(X, y)\n"
            ),
            good=(
                "import numpy as np\n"
                "from sklearn.datasets import make_blobs\nfrom sklearn.linear_model import LogisticRegression\n\n"
                "np.random.seed(0)\n\n"
                "X, y = make_blobs(100)\nLogisticRegression().fit(X, y)\n"
            ),
        ),
        Example(
            bad="from torch.nn import Linear\n\nnet = Linear(3, 3)\nnet(x).sum().backward()\nopt.step()\n",
            good=(
                "import torch\nfrom torch.nn import Linear\n\ntorch.manual_seed(0)\n\n"
                "net = Linear(3, 3)\nnet(x).sum().backward()\nopt.step()\n"
            ),
        ),
        Example(
            bad="import numpy as np\nfrom model import Net\n\nnet = Net()\nnet.fit([0.0])\n",
            good="import numpy as np\nfrom model import Net\n\nnp.random.seed(0)\n\nnet = Net()\nnet.fit([0.0])\n",
            files={
                "model.py": "import numpy as np\nclass Net:\n    def __init__(self):\n"
                "        self.w = np.random.randn(3)\n    def fit(self, x):\n        return self\n"
            },
            note="drawn in another file",
        ),
        Example(
            bad=TRAINING.replace("import nn\n", "import nn\nfrom tools import seed_all\n"),
            good=TRAINING.replace("import nn\n", "import nn\nfrom tools import seed_all\n\nseed_all(0)\n"),
            files={"tools.py": "import torch\n\n\ndef seed_all(number):\n    torch.manual_seed(number)\n"},
            note="imported, and never called",
        ),
        Example(
            bad=TRAINING.replace("import nn\n", "import nn\nfrom tools import batches\n"),
            good=TRAINING.replace("import nn\n", "import nn\nfrom tools import batches, set_seed\n\nset_seed(0)\n"),
            files={
                "tools.py": "import torch\n\n\ndef set_seed(s=1):\n    torch.manual_seed(s)\n\n\n"
                "def batches():\n    return []\n"
            },
            note="the project's own function, from a file that is imported anyway",
        ),
        Example(
            bad=TRAINING.replace("def main()", "def fix_seeds():\n    torch.manual_seed(3)\n\n\ndef main()"),
            good=TRAINING.replace("def main()", "def fix_seeds():\n    torch.manual_seed(3)\n\n\ndef main()").replace(
                "    main()\n", "    fix_seeds()\n    main()\n"
            ),
            note="defined here, and never called",
        ),
        Example(
            bad=TRAINING.replace("import nn\n", "import nn\nfrom tools import batches\n"),
            good=TRAINING.replace("import nn\n", "import nn\nfrom tools import batches\n\ntorch.manual_seed(0)\n"),
            files={
                "tools.py": "import numpy as np\n\n\ndef set_seed(s=1):\n    np.random.seed(s)\n\n\n"
                "def batches():\n    return []\n"
            },
            note="its function seeds something else",
        ),
        Example(
            bad=TRAINING.replace("import nn\n", "import nn\n\ntorch.cuda.manual_seed_all(0)\n"),
            good=TRAINING.replace("import nn\n", "import nn\n\ntorch.manual_seed(0)\ntorch.cuda.manual_seed_all(0)\n"),
            note="the weights are drawn on the CPU",
        ),
        Example(
            ok=(
                "import torch\n\ntorch.cuda.manual_seed(0)\nw = torch.randn(3, device='cuda', requires_grad=True)\n"
                "opt = torch.optim.SGD([w], lr=0.1)\nfor _ in range(3):\n    w.square().sum().backward()\n"
                "    opt.step()\n"
            ),
            note="drawn on the GPU",
        ),
        Example(ok=TRAINING.replace("def main():\n", "def main():\n    torch.manual_seed(0)\n")),
        Example(
            ok=TRAINING.replace("import nn\n", "import nn\nfrom tools import prepare\n").replace(
                "def main():\n", "def main():\n    prepare(0)\n"
            ),
            files={"tools.py": "import torch\n\ndef prepare(s):\n    torch.manual_seed(s)\n"},
        ),
        Example(
            ok=TRAINING.replace("import nn\n", "import nn\nfrom elsewhere import fix_random_seed\n").replace(
                "def main():\n", "def main():\n    fix_random_seed(0)\n"
            ),
            note="not readable, but named after a seed",
        ),
        Example(ok=TRAINING.partition("if __name__")[0], note="a library module is never told to seed"),
        Example(
            ok=(
                "import torch\nfrom torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n"
                "        super().__init__()\n        self.f = nn.Linear(3, 1)\n\n\n"
                "if __name__ == '__main__':\n    net = Net()\n    print(net(torch.randn(2, 3)).shape)\n"
            ),
            note="a smoke test trains nothing",
        ),
        Example(
            ok=(
                "import torch\nfrom transformers import AutoModel, Trainer\n\n"
                "model = AutoModel.from_pretrained('m')\nhead = torch.nn.Linear(3, 1)\n"
                "trainer = Trainer(model)\ntrainer.train()\n"
            )
        ),
        Example(
            ok=(
                "import numpy as np\nfrom sklearn.linear_model import SGDClassifier\n\n"
                "rng = np.random.default_rng(0)\nx = rng.normal(size=(10, 3))\n"
                "SGDClassifier(random_state=0).fit(x, x[:, 0] > 0)\n"
            )
        ),
        Example(
            ok=(
                "import numpy as np\nimport torch\nfrom ray import tune\n\n\ndef trainable(config):\n"
                "    tune.report({'loss': np.random.rand()})\n\n\n"
                "tuner = tune.Tuner(trainable)\nresults = tuner.fit()\nprint(np.random.choice(list(results)))\n"
            ),
            note="trained in worker processes, which no seed of the script reaches",
        ),
        Example(ok="import torch\nprint(torch.ones(3))"),
    )


def _listed(generator: str, call: ast.Call, ctx: Context) -> str:
    """A generator with the place of its first draw: in this file, and where that is another one, in that."""
    place = f"first drawn from in {ctx.lines(call)}: `{ctx.short(call, 30)}`"
    model, inner = ctx.randomness.origin(generator, call)
    if model is not ctx.model:
        place += f", which draws in {os.path.basename(model.source.path)}:{inner.lineno}"
    return f"{_SHOWN.get(generator, generator)} ({place})"


def _fix(missing: list[str], ctx: Context) -> Fix | None:
    anchor = _last_import(ctx)
    if anchor is None:
        return None
    own = _by_helper(missing, anchor, ctx)
    if own is not None:
        return own

    def build() -> list[Edit]:
        lines: list[str] = []
        edits: list[Edit] = []
        for name in _seeders(missing, anchor, ctx):
            text, imports = _spelled(name, anchor, ctx)
            lines.append(f"{text}({ctx.options.seed})")
            edits += imports
        following = ctx.tree.following(anchor)
        code = "\n".join(lines)
        if following and _is_call(following[0]):
            return _in_order([*edits, ctx.edits.insert_before(following[0], code)])
        return _in_order([*edits, ctx.edits.insert_after(anchor, f"\n{code}")])

    return ctx.fix(build, Safety.UNSAFE, f"Seed with {ctx.options.seed} after the imports")


def _by_helper(missing: list[str], anchor: ast.stmt, ctx: Context) -> Fix | None:
    """Seed with the project's own function, if it has one that seeds all that is missing."""
    for dotted, function in ctx.randomness.seeders(frozenset(missing)):
        module, _, name = dotted.rpartition(".")
        if module.startswith("."):
            continue
        argument = str(ctx.options.seed) if function.args.args or function.args.posonlyargs else ""
        text = f"{name}({argument})"
        message = f"Seed with `{text}`, the project's own function"
        if not module:
            start = _first_step(function, ctx)
            if start is None:
                continue
            step = start

            def call(step: ast.stmt = step, text: str = text) -> Edit:
                return ctx.edits.insert_before(step, text)

            return ctx.fix(call, Safety.UNSAFE, message)
        found = ctx.names.lookup_from(ctx.tree.module, name)
        if found is not None and not any(b.how == "import" and b.imported == dotted for b in found[1]):
            continue

        def build(dotted: str = dotted, argument: str = argument, known: bool = found is not None) -> list[Edit]:
            callee, edits = (dotted.rpartition(".")[2], []) if known else _imported(dotted, anchor, ctx)
            text = f"{callee}({argument})"
            following = ctx.tree.following(anchor)
            if following and _is_call(following[0]):
                return _in_order([*edits, ctx.edits.insert_before(following[0], text)])
            return _in_order([*edits, ctx.edits.insert_after(anchor, f"\n{text}")])

        return ctx.fix(build, Safety.UNSAFE, message)
    return None


def _imported(dotted: str, anchor: ast.stmt, ctx: Context) -> tuple[str, list[Edit]]:
    """How to write a function of another file, as one more name of an import from there if there is one."""
    module, _, name = dotted.rpartition(".")
    for statement in ctx.tree.module.body:
        if isinstance(statement, ast.ImportFrom) and statement.module == module and not statement.level:
            end = ctx.source.span(statement.names[-1])[1]
            if statement.names[-1].name != "*":
                return name, [Edit(end, end, f", {name}")]
    return ctx.edits.name(dotted, anchor)


def _first_step(function: ast.stmt, ctx: Context) -> ast.stmt | None:
    """The first statement of the program behind a function, nothing being drawn before."""
    for statement in ctx.tree.module.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
            continue
        if statement.lineno > function.lineno:
            return (
                statement.body[0] if isinstance(statement, ast.If) and ctx.flow.is_main_guard(statement) else statement
            )
        if any(isinstance(n, ast.Call) and ctx.randomness.of_call(n).draws for n in walk_scope(statement)):
            return None
    return None


def _in_order(edits: list[Edit]) -> list[Edit]:
    """The edits sorted, with insertions at one place made into one: the import first, then the seed."""
    found: list[Edit] = []
    for edit in sorted(edits, key=lambda edit: edit.start):
        if found and found[-1].start == found[-1].end == edit.start == edit.end:
            edit = Edit(edit.start, edit.end, found.pop().content + edit.content)
        found.append(edit)
    return found


def _seeders(missing: list[str], anchor: ast.stmt, ctx: Context) -> list[str]:
    """The functions that seed the missing generators, as few as the imported libraries allow."""
    left = list(missing)
    found: list[str] = []
    if "tensorflow" in left:
        found.append("keras.utils.set_random_seed")
        left = [generator for generator in left if generator not in ("tensorflow", "numpy", "random")]
    if len(left) > 1 and "cupy" not in left:
        roots = {str(ctx.names.meaning(ctx.tree.module, b.name, [b])).partition(".")[0] for b in ctx.names.imports()}
        for library, name in _TOGETHER:
            if library in roots:
                return [*found, name]
    return [*found, *dict.fromkeys(_CALLS[generator] for generator in left)]


def _spelled(name: str, anchor: ast.stmt, ctx: Context) -> tuple[str, list[Edit]]:
    if name.startswith("keras."):
        text, statement = ctx.names.spell("tensorflow.random.set_seed", anchor)
        if statement is None and text.endswith(".random.set_seed"):
            return f"{text.removesuffix('random.set_seed')}{name}", []
    if name.startswith(("transformers.", "accelerate.")):  # `from transformers import …, set_seed`
        return ctx.edits.name(name, anchor)
    module, _, last = name.rpartition(".")
    text, imports = ctx.edits.name(module, anchor)
    return f"{text}.{last}", imports


def _last_import(ctx: Context) -> ast.stmt | None:
    """The last import at the top of the file, before anything is drawn."""
    found: ast.stmt | None = None
    for statement in ctx.tree.module.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            found = statement
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        elif any(isinstance(n, ast.Call) and ctx.randomness.of_call(n).draws for n in walk_scope(statement)):
            break
    return found


def _is_call(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
