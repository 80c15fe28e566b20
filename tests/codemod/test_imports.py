"""Imports: added in their place, and changed."""

from __future__ import annotations

import ast
from collections.abc import Callable

import pytest

from mlint.codemod import imports
from mlint.finding import Edit
from mlint.source import Source

Rewrite = Callable[[str, Callable[[Source, ast.Module], object]], str]
COPY, NUMPY, LOG, RANDOM = "import copy", "import numpy as np", "from math import log", "from jax import random"

ADDED = {
    "empty": ("", COPY, "import copy\n"),
    "code only": ("x = 1\n", COPY, "import copy\n\nx = 1\n"),
    "comment only": ("# c\n", COPY, "# c\n\nimport copy\n"),
    "comment only, no line end": ("# c", COPY, "# c\n\nimport copy\n"),
    "header": (
        "#!/x\n# coding: utf-8\n# (c)\n\nx = 1\n",
        COPY,
        "#!/x\n# coding: utf-8\n# (c)\n\nimport copy\n\nx = 1\n",
    ),
    "header and code": ("#!/x\nx = 1\n", COPY, "#!/x\n\nimport copy\n\nx = 1\n"),
    "cell marker": ("# %%\nx = 1\n", COPY, "import copy\n\n# %%\nx = 1\n"),
    "docstring": ('"""doc"""\n', COPY, '"""doc"""\n\nimport copy\n'),
    "docstring and code": ('"""doc"""\nx = 1\n', COPY, '"""doc"""\n\nimport copy\n\nx = 1\n'),
    "docstring, comment, code": ('"""doc"""  # c\n\nx = 1\n', COPY, '"""doc"""  # c\n\nimport copy\n\nx = 1\n'),
    "docstring on a line": ('"""d"""; x\n', COPY, "refused: the statement at the top shares its line with others"),
    "future": (
        "from __future__ import annotations\nx = 1\n",
        COPY,
        "from __future__ import annotations\n\nimport copy\n\nx = 1\n",
    ),
    "future and imports": (
        "from __future__ import annotations\n\nimport os\n",
        COPY,
        "from __future__ import annotations\n\nimport copy\nimport os\n",
    ),
    "sorted": ("import abc\nimport os\n", COPY, "import abc\nimport copy\nimport os\n"),
    "sorted last": ("import abc\nimport bz2\n", COPY, "import abc\nimport bz2\nimport copy\n"),
    "above a comment of the next": ("import abc\n# c\nimport os\n", COPY, "import abc\nimport copy\n# c\nimport os\n"),
    "new section above": ("import torch\n", COPY, "import copy\n\nimport torch\n"),
    "new section below": ("import os  # c\nx = 1\n", NUMPY, "import os  # c\n\nimport numpy as np\nx = 1\n"),
    "among others": (
        "import os\n\nimport torch\nfrom torch import nn\n\nfrom . import a\n",
        NUMPY,
        "import os\n\nimport numpy as np\nimport torch\nfrom torch import nn\n\nfrom . import a\n",
    ),
    "from below import": ("import torch\n\nx = 1\n", RANDOM, "import torch\nfrom jax import random\n\nx = 1\n"),
    "from among from": (
        "import torch\nfrom einops import a\nfrom zarr import b\n",
        RANDOM,
        "import torch\nfrom einops import a\nfrom jax import random\nfrom zarr import b\n",
    ),
    "standard library": ("import os\n\nimport torch\n", LOG, "import os\nfrom math import log\n\nimport torch\n"),
    "relative only": ("from . import x\n", NUMPY, "import numpy as np\n\nfrom . import x\n"),
    "lines of several": ("import os; import abc\n", COPY, "import copy\nimport os; import abc\n"),
    "parentheses": ("from abc import (\n    a,\n)\n", COPY, "import copy\nfrom abc import (\n    a,\n)\n"),
    "never into a try": (
        "try:\n    import a\nexcept ImportError:\n    pass\nimport b\n",
        COPY,
        "import copy\n\ntry:\n    import a\nexcept ImportError:\n    pass\nimport b\n",
    ),
    "above code that runs before imports": ("x()\nimport torch\n", COPY, "import copy\n\nx()\nimport torch\n"),
    "below dunder names": ("__all__ = []\nimport torch\n", COPY, "__all__ = []\nimport copy\n\nimport torch\n"),
    "crlf": ("import os\r\nimport sys\r\n", COPY, "import copy\r\nimport os\r\nimport sys\r\n"),
    "there": ("import os, copy\n", COPY, "nothing"),
    "there with its alias": ("import numpy as np\n", NUMPY, "nothing"),
    "there under another name": ("import numpy\n", NUMPY, "import numpy\nimport numpy as np\n"),
    "name there": ("from math import exp, log\n", LOG, "nothing"),
    "only in a function": ("def f():\n    import copy\n", COPY, "import copy\n\ndef f():\n    import copy\n"),
}


@pytest.mark.parametrize(("text", "new", "outcome"), ADDED.values(), ids=ADDED)
def test_add(rewrite: Rewrite, text: str, new: str, outcome: str) -> None:
    assert rewrite(text, lambda source, tree: imports.add(source, tree, new)) == outcome


def test_what_is_no_import_is_an_error_of_the_rule() -> None:
    source = Source("a\n", "a.py")
    for text in ("x = 1", "import a, b", "import a\nimport b", "import"):
        with pytest.raises(ValueError, match=r"."):
            imports.add(source, source.parse(), text)


def first_import(tree: ast.AST) -> ast.ImportFrom:
    return next(node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))


MOVED = {
    "alone": ("from m import a\n", "from n.o import z\n", ""),
    "alias and comment": (
        "from m import a as q  # c\n",
        "from n.o import z as q  # c\n",
        "refused: a comment would be lost",
    ),
    "one of two": ("from m import a, b  # c\n", "from n.o import z\nfrom m import b  # c\n", "from m import b  # c\n"),
    "last": ("from m import b, a\n", "from n.o import z\nfrom m import b\n", "from m import b\n"),
    "parentheses": (
        "from m import (\r\n    b,  # x\r\n    a,\r\n    c,\r\n)\r\n",
        "from n.o import z\r\nfrom m import (\r\n    b,  # x\r\n    c,\r\n)\r\n",
        "from m import (\r\n    b,  # x\r\n    c,\r\n)\r\n",
    ),
    "last in parentheses": (
        "from m import (\n    b,  # x\n    a\n)\n",
        "from n.o import z\nfrom m import (\n    b,  # x\n)\n",
        "from m import (\n    b,  # x\n)\n",
    ),
    "last with a comma": (
        "from m import (\n    b,\n    a,\n)\n",
        "from n.o import z\nfrom m import (\n    b,\n)\n",
        "from m import (\n    b,\n)\n",
    ),
    "own comment": (
        "from m import (\n    b,\n    a,  # x\n)\n",
        "refused: a comment would be lost",
        "refused: a comment would be lost",
    ),
    "own comment, first": (
        "from m import (\n    a,  # x\n    b,\n)\n",
        "refused: a comment would be lost",
        "refused: a comment would be lost",
    ),
    "suppression": (
        "from m import (\n    a,\n    b,  # noqa\n)\n",
        "refused: a suppression comment stands inside",
        "refused: a suppression comment stands inside",
    ),
    "continuation": ("from m import b, \\\n  a\n", "from n.o import z\nfrom m import b\n", "from m import b\n"),
    "on a line": ("from m import a, b; x\n", "from n.o import z; from m import b; x\n", "from m import b; x\n"),
    "behind a colon": (
        "if x: from m import a, b\n",
        "if x: from n.o import z; from m import b\n",
        "if x: from m import b\n",
    ),
    "in a suite": (
        "def f():\n\tfrom m import a, b\n",
        "def f():\n\tfrom n.o import z\n\tfrom m import b\n",
        "def f():\n\tfrom m import b\n",
    ),
    "alone in a suite": (
        "try:\n  from m import a\nexcept E: x\n",
        "try:\n  from n.o import z\nexcept E: x\n",
        "try:\n  pass\nexcept E: x\n",
    ),
    "relative": ("from ..m import a\n", "from n.o import z\n", ""),
    "star": (
        "from m import *\n",
        "refused: the statement does not import a",
        "refused: the statement does not import a",
    ),
}


@pytest.mark.parametrize(("text", "moved", "removed"), MOVED.values(), ids=MOVED)
def test_replace_and_remove_name(rewrite: Rewrite, text: str, moved: str, removed: str) -> None:
    def move(source: Source, tree: ast.Module) -> Edit:
        return imports.replace_name(source, first_import(tree), "a", "n.o", "z")

    def remove(source: Source, tree: ast.Module) -> Edit:
        return imports.remove_name(source, first_import(tree), "a")

    assert rewrite(text, move) == moved
    assert rewrite(text, remove) == removed


def test_a_name_of_the_same_module_stays_in_its_import(rewrite: Rewrite) -> None:
    outcome = rewrite("from m import a, b\n", lambda s, t: imports.replace_name(s, first_import(t), "a", "m", "z"))
    assert outcome == "from m import z, b\n"


def test_a_relative_module(rewrite: Rewrite) -> None:
    outcome = rewrite("from m import a, b\n", lambda s, t: imports.replace_name(s, first_import(t), "a", "..p.q", "a"))
    assert outcome == "from ..p.q import a\nfrom m import b\n"


def test_remove_from_a_plain_import(rewrite: Rewrite) -> None:
    def change(source: Source, tree: ast.Module) -> Edit:
        node = tree.body[0]
        assert isinstance(node, ast.Import)
        return imports.remove_name(source, node, "b.c")

    assert rewrite("import a, b.c as d, e\n", change) == "import a, e\n"
    assert rewrite("import a, b.c\n", change) == "import a\n"
    assert rewrite("import b.c\nx\n", change) == "x\n"
