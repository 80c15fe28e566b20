from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Call, Context, Example, Finding, Method, Rule, Safety

_FUNCTIONS = ("os.listdir", "glob.glob", "glob.iglob")
_METHODS = ("glob", "rglob", "iterdir")
_PATHS = frozenset({"pathlib.Path", "pathlib.PosixPath", "pathlib.Path.cwd", "pathlib.Path.home"})
_WHAT = {
    "cut": "is cut into parts",
    "numbered": "gives out numbers",
    "paired": "is paired with another listing",
    "drawn": "is shuffled or split",
    "indexed": "numbers the samples of a data set",
}


class UnorderedFileListing(Rule):
    """The order of a folder's listing decides about splits, pairs or numbers, and depends on the file system.

    ## Why
    `os.listdir`, `glob.glob` and the methods of `Path` return entries in the order of the file system, which differs
    between machines and changes when files are copied. A split by slicing, or a shuffle with a fixed seed, then has
    other files in its parts; images and masks that are listed separately are paired wrongly; class numbers differ from
    those that a saved model was trained with.

    ## Fix safety
    Unsafe: the order changes once, and then stays.

    ## Known limits
    Only uses within the function, or of an attribute within its class, are followed. A single element (`listing[0]`) is
    not reported: most often it is the only one.

    ## References
    - Python documentation, `os.listdir` ("The list is in arbitrary order") and `glob.glob`.
    """

    code, name = "ML318", "unordered-file-listing"
    libraries = ("torch", "tensorflow", "keras", "pandas", "numpy")
    safety = Safety.UNSAFE
    triggers = (Call(*_FUNCTIONS), Method(*_METHODS))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if ctx.dotted(node.func) not in _FUNCTIONS:
            if not isinstance(node.func, ast.Attribute) or not _is_path(node.func.value, ctx):
                return
        use = ctx.model.order.use(node)
        if use is None:
            return
        fix = ctx.fix(lambda: ctx.edits.replace(node, "sorted($listing)", listing=node), Safety.UNSAFE, "Sort it")
        yield ctx.finding(
            node, f"`{ctx.short(node)}` {_WHAT[use]} in the order of the file system", "use `sorted`", fix
        )  # fmt: skip

    examples = (
        Example(
            given="import os\nimport numpy as np",
            bad="def split(root):\n    files = os.listdir(root)\n    return files[:800], files[800:]",
            good="def split(root):\n    files = sorted(os.listdir(root))\n    return files[:800], files[800:]",
        ),
        Example(
            given="import os\nfrom glob import glob\nimport torch",
            bad="def pairs(a, masks):\n    return list(zip(sorted(os.listdir(a)), glob(masks)))",
            good="def pairs(a, masks):\n    return list(zip(sorted(os.listdir(a)), sorted(glob(masks))))",
        ),
        Example(
            given="from pathlib import Path\nimport torch",
            bad="def ids(root):\n    return {p.name: i for i, p in enumerate(Path(root).iterdir())}",
            good="def ids(root):\n    return {p.name: i for i, p in enumerate(sorted(Path(root).iterdir()))}",
        ),
        Example(
            given="import os\nfrom torch.utils.data import Dataset",
            bad=(
                "class Images(Dataset):\n    def __init__(self, root):\n"
                "        self.files = [os.path.join(root, f) for f in os.listdir(root)]  # all\n\n"
                "    def __getitem__(self, index):\n        return self.files[index]"
            ),
            good=(
                "class Images(Dataset):\n    def __init__(self, root):\n"
                "        self.files = [os.path.join(root, f) for f in sorted(os.listdir(root))]  # all\n\n"
                "    def __getitem__(self, index):\n        return self.files[index]"
            ),
        ),
        Example(
            given="import glob\nimport random\nimport numpy as np",
            bad="random.seed(0)\nfiles = glob.glob('*.png')\nrandom.shuffle(files)",
            good="random.seed(0)\nfiles = sorted(glob.glob('*.png'))\nrandom.shuffle(files)",
        ),
        Example(
            given="import os\nimport random\nimport torch",
            ok="def main(root):\n    files = os.listdir(root)\n    random.shuffle(files)\n    for name in files:\n"
            "        print(name)\n\nif __name__ == '__main__':\n    main('.')",
            note="never seeded: another order each time anyway",
        ),
        Example(
            given="import os\nimport torch",
            ok="def split(root):\n    files = os.listdir(root)\n    files.sort()\n    return files[:800], files[800:]",
        ),
        Example(given="import os\nimport torch", ok="n = len(os.listdir('.'))\nnames = set(os.listdir('.'))"),
        Example(
            given="import os\nimport pandas as pd",
            ok="frames = {name: pd.read_csv(name) for name in os.listdir('.')}\n"
            "for name in os.listdir('.'):\n    print(name)",
        ),
        Example(
            given="import glob\nimport torch",
            ok="def newest(d):\n    files = sorted(glob.glob(d), key=len)\n    return files[-5:]",
        ),
        Example(
            given="import torch",
            ok="def parts(archive):\n    names = archive.glob('*')\n    return names[:3], names[3:]",
            note="not known to be a path",
        ),
        Example(
            given="import glob\nimport numpy as np",
            ok="def read(pattern):\n    files = glob.glob(pattern)\n    arrays = [np.load(f) for f in files]\n"
            "    return dict(zip(files, arrays))",
        ),
        Example(
            given="import glob\nimport torch",
            ok="def tidy(d, keep):\n    files = glob.glob(d)\n    for i, f in enumerate(files):\n        print(i, f)",
        ),
    )


def _is_path(node: ast.expr, ctx: Context) -> bool:
    """Whether an expression is certainly a `pathlib.Path`."""
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        node = node.left
    if isinstance(node, ast.Call):
        return ctx.dotted(node.func) in _PATHS
    if isinstance(node, ast.Name):
        bindings = ctx.reaching.of(node) or []
        return bool(bindings) and all(
            (b.how == "assign" and not b.path and isinstance(b.value, (ast.Call, ast.BinOp)) and _made(b.value, ctx))
            or (b.annotation is not None and ctx.dotted(b.annotation) == "pathlib.Path")
            for b in bindings
        )
    return False


def _made(node: ast.expr, ctx: Context) -> bool:
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        node = node.left
    return isinstance(node, ast.Call) and ctx.dotted(node.func) in _PATHS
