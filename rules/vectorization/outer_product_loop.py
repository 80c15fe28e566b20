"""Tables of one operation on the elements of two vectors."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import STORE, UPDATE, Context, Example, Finding, Loop, Rule, Safety

SETUP = (
    "import numpy as np\na = np.random.normal(size=20)\nb = np.random.normal(size=30)\n"
    "a[3] = np.nan\nb[4] = -0.0\nb[5] = np.inf\n"
)
TABLE = "for i in range(20):\n    for j in range(30):\n        "


class OuterProductLoop(Rule):
    """A nest of loops that fills a table from two vectors does in the interpreter what one ufunc does at once.

    ## Why
    Every ufunc of two operands has a method `outer` that applies it to all pairs of elements: one call in place of
    n * m rounds of the interpreter, and the table is written in the order in which it lies in memory. `np.outer` is the
    one of the multiplication.

    ## Fix safety
    Safe where the dimensions and dtypes are proven: each place of the table is the same operation on the same two
    numbers, so the results are the same bits. Dtypes other than float64, int64 and bool also need NumPy 2 as the
    target. Unsafe where dimensions, dtypes or the absence of shared memory are not proven. The variables of the loops
    go with them: no fix where they are read afterwards.

    ## Known limits
    Sees `out[i, j] = a[i] OP b[j]` and `out[i] = a[i] OP b` (a row in each round), also updates such as
    `out[i, j] += a[i] * b[j]`. Tables of more than one operation belong to elementwise-store-loop, and so do powers,
    whose last digit may differ.

    ## References
    - NumPy documentation, `numpy.ufunc.outer`.
    - NumPy documentation, `numpy.outer`.
    """

    code, name = "ML106", "outer-product-loop"
    libraries = ("numpy",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Loop(STORE, UPDATE),)
    examples = (
        Example(
            given=SETUP,
            bad=f"out = np.zeros((20, 30))\n{TABLE}out[i, j] = a[i] * b[j]",
            good="out = np.zeros((20, 30))\nout[:] = np.outer(a, b)",
            equal="out",
            safety="safe",
        ),
        Example(
            given=SETUP,
            bad=(
                "out = np.zeros((20, 30))\nfor i in range(len(a)):\n    for j in range(len(b)):\n"
                "        out[i][j] = b[j] - a[i]"
            ),
            good="out = np.zeros((20, 30))\nout[:] = np.subtract.outer(b, a).T",
            equal="out",
            safety="safe",
        ),
        Example(
            given=SETUP,
            bad="closer = np.zeros((20, 30), dtype=bool)\n" + TABLE + "closer[i, j] = a[i] < b[j]",
            good="closer = np.zeros((20, 30), dtype=bool)\ncloser[:] = np.less.outer(a, b)",
            equal="closer",
            safety="safe",
        ),
        Example(
            given=SETUP,
            bad="out = np.zeros((20, 30))\n" + TABLE + "out[i, j] = np.maximum(a[i], b[j])",
            good="out = np.zeros((20, 30))\nout[:] = np.maximum.outer(a, b)",
            equal="out",
            safety="safe",
        ),
        Example(
            given=SETUP,
            bad=(
                "out = np.ones((20, 30))\nfor i, x in enumerate(a):\n    for j, y in enumerate(b):\n"
                "        out[i, j] += x * y"
            ),
            good="out = np.ones((20, 30))\nout += np.outer(a, b)",
            equal="out",
            safety="safe",
            note="an update",
        ),
        Example(
            given=SETUP,
            bad="out = np.zeros((20, 30))\nfor i in range(20):\n    out[i] = a[i] + b",
            good="out = np.zeros((20, 30))\nout[:] = np.add.outer(a, b)",
            equal="out",
            safety="safe",
            note="a row in each round",
        ),
        Example(
            given=SETUP,
            bad="out = np.zeros((20, 30))\nfor i in range(20):\n    out[i, :] = b % a[i]",
            good="out = np.zeros((20, 30))\nout[:] = np.remainder.outer(b, a).T",
            equal="out",
            safety="safe",
        ),
        Example(
            given=SETUP,
            bad=(
                "out = np.zeros((20, 30))\nfor j in range(30):\n    for i in range(20):\n"
                "        out[i, j] = a[i] / b[j]"
            ),
            good="out = np.zeros((20, 30))\nout[:] = np.divide.outer(a, b)",
            equal="out",
            safety="safe",
            note="column by column",
        ),
        Example(
            given=SETUP + "X = np.random.normal(size=(30, 4))\n",
            bad=(
                "out = np.zeros((50, 50))\nfor i in range(10):\n    for j in range(30):\n"
                "        out[i, j + 1] = a[i] * X[j, 0]"
            ),
            good="out = np.zeros((50, 50))\nout[:-40, 1:-19] = np.outer(a[:-10], X[:, 0])",
            equal="out",
            safety="safe",
            note="parts of the table and of the vectors",
        ),
        Example(
            given=SETUP,
            bad=(
                "def table(x: np.ndarray, y: np.ndarray):\n    out = np.zeros((len(x), len(y)))\n"
                "    for i in range(len(x)):\n        for j in range(len(y)):\n            out[i, j] = x[i] - y[j]\n"
                "    return out\nout = table(a, b)"
            ),
            good=(
                "def table(x: np.ndarray, y: np.ndarray):\n    out = np.zeros((len(x), len(y)))\n"
                "    out[:] = np.subtract.outer(x, y)\n    return out\nout = table(a, b)"
            ),
            equal="out",
            safety="unsafe",
            note="an element of the table takes no row, so both are vectors; their dtypes are not known",
        ),
        Example(
            given=SETUP,
            ok="def table(out: np.ndarray):\n    for i in range(20):\n        for j in range(30):\n"
            "            out[i, j] = a[i] * b[j]\n"
            "table(np.zeros((20, 30)))",
            note="an element of `out` may be a row",
        ),
        Example(
            given=SETUP,
            bad="out = np.zeros((20, 30))\n" + TABLE + "out[i, j] = a[i] * b[j]\nprint(j)",
            note="the counter is read later: no fix",
        ),
        Example(
            given=SETUP + "k = np.arange(20)\n",
            bad="out = np.zeros((20, 30), dtype=int)\n" + TABLE + "out[i, j] += k[i] * b[j]",
            note="an array of integers takes no floats at once: no fix",
        ),
        Example(
            given="import numpy as np\na = np.ma.zeros(20)\nb = np.zeros(30)\n",
            ok="out = np.zeros((20, 30))\n" + TABLE + "out[i, j] = a[i] * b[j]",
            note="a masked array",
        ),
        Example(given=SETUP, ok="out = np.outer(a, b)"),
        Example(given=SETUP, ok="out = np.zeros((20, 30))\n" + TABLE + "out[i, j] = a[i] ** b[j]", note="ML101"),
        Example(given=SETUP, ok="out = np.zeros((20, 30))\n" + TABLE + "out[i, j] = a[i] * b[j] + 1", note="ML101"),
        Example(given=SETUP, ok="out = np.zeros((20, 30))\n" + TABLE + "out[i, j] = a[i] * j", note="ML101"),
        Example(given=SETUP, ok="out = np.zeros((20, 20))\nfor i in range(20):\n    out[i, i] = a[i] * b[i]"),
        Example(given=SETUP, ok="out = [[0] * 30 for _ in a]\n" + TABLE + "out[i][j] = a[i] * b[j]"),
        Example(given=SETUP, ok="out = {}\n" + TABLE + "out[i, j] = a[i] * b[j]", note="a dict"),
        Example(
            given="import numpy as np\na = [1, 2]\nb = [3, 4]\n",
            ok="out = np.zeros((20, 30))\n" + TABLE + "out[i, j] = a[i] * b[j]",
        ),
        Example(
            given="import numpy as np\nimport torch\na = torch.rand(20)\nb = torch.rand(30)\n",
            ok="out = torch.zeros(20, 30)\n" + TABLE + "out[i, j] = a[i] * b[j]",
        ),
        Example(
            given=SETUP,
            ok="out = np.random.rand(20, 30)\n" + TABLE + "out[i, j] = a[i] * out[0, j]",
            note="reads what other rounds have stored",
        ),
        Example(
            given=SETUP,
            ok="out = np.random.rand(20, 30)\nr = out[0]\nfor i in range(20):\n    out[i] = a[i] * r",
            note="a view of the table",
        ),
        Example(
            given=SETUP,
            ok="out = np.zeros((20, 20))\nfor i in range(20):\n    for j in range(i):\n        out[i, j] = a[i] * b[j]",
            note="a triangle",
        ),
        Example(
            given=SETUP,
            ok=(
                "out = np.zeros((20, 30))\nfor i in range(20):\n    for j in range(30):\n        if i != j:\n"
                "            out[i, j] = a[i] * b[j]"
            ),
        ),
        Example(
            given=SETUP,
            ok="def f(kernel):\n    out = np.zeros((20, 30))\n    for i in range(20):\n        for j in range(30):\n"
            "            out[i, j] = kernel(a[i], b[j])\n    return out",
        ),
        Example(
            given=SETUP + "X = np.random.rand(20, 7)\n",
            ok="out = np.zeros((20, 7))\nc = np.random.rand(7)\nfor i in range(20):\n    out[i] = X[i] * c",
            note="rows of a matrix",
        ),
        Example(
            given="import numpy as np\nn = 1000\na = np.random.normal(size=n)\nb = np.random.normal(size=20)\n",
            bad=(
                "out = np.empty((n, 20))\nfor i in range(n):\n    for j in range(20):\n"
                "        out[i, j] = a[i] * b[j]"
            ),
            good="out = np.empty((n, 20))\nout[:] = np.outer(a, b)",
            equal="out",
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.For)
        found = ctx.outers.of(node)
        if found is None or ctx.outers.around(node) is not found or ctx.contractions.around(node) is not None:
            return
        name = "outer" if found.ufunc == "multiply" else f"{found.ufunc}.outer"
        spelled = ctx.names.spell(f"numpy.{name}", node)[0]
        first, second = (found.columns, found.rows) if found.turned else (found.rows, found.columns)
        value = f"{spelled}({first}, {second}){'.T' if found.turned else ''}"
        operator = f"{_UPDATES[type(found.op)]}=" if found.op is not None else "="
        text = f"{ctx.stored_at(found.target, update=found.op is not None)} {operator} {value}"
        written = text if found.op is None or type(found.op) in _UPDATES else None
        fix = ctx.loop_fix(found.nest, written, found.obstacles, safe=not found.doubts)
        arrays = " and ".join(dict.fromkeys(f"`{ctx.short(array)}`" for array in found.arrays))
        yield ctx.finding(
            node,
            f"this loop applies one operation to each pair of elements of {arrays} in the interpreter",
            f"use `{text}`",
            fix,
        )


_UPDATES: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
}
