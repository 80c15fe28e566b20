from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import STORE, UPDATE, Context, Example, Finding, Loop, NotElementwise, Rule, Safety

LABELS = "import numpy as np\ny = np.random.randint(0, 5, size=60)\nout = np.zeros((60, 5))\n"


class OneHotLoop(Rule):
    """A loop that sets one column in each row by a label array is one subscript with two index arrays.

    ## Why
    Every row costs one trip through the interpreter and one tiny store. `out[np.arange(n), y] = 1` stores all of
    them in one compiled pass.

    ## Fix safety
    Safe where `out` is proven to be a matrix and the labels an array of integers: every row is stored to once, so the
    order does not matter. Unsafe where dimensions or dtypes are not proven.

    ## References
    - NumPy user guide, "Indexing on ndarrays", section on integer array indexing.
    """

    code, name = "ML112", "one-hot-loop"
    libraries = ("numpy",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Loop(STORE, UPDATE),)
    examples = (
        Example(
            given=LABELS,
            bad="for i in range(len(y)):\n    out[i, y[i]] = 1",
            good="out[np.arange(len(y)), y] = 1",
            equal="out",
            safety="safe",
        ),
        Example(
            given=LABELS,
            bad="for row, label in enumerate(y):\n    out[row][label] = 1.0",
            good="out[np.arange(len(y)), y] = 1.0",
            equal="out",
            safety="safe",
        ),
        Example(
            given=LABELS,
            bad="n = y.shape[0]\nfor i in range(n):\n    out[i, y[i]] -= 1",
            good="n = y.shape[0]\nout[np.arange(n), y] -= 1",
            equal="out",
            safety="safe",
            note="the gradient of the cross-entropy",
        ),
        Example(
            given="import numpy as np\n",
            bad=(
                "def one_hot(labels: np.ndarray, k: int):\n    out = np.zeros((len(labels), k))\n"
                "    for i in range(len(labels)):\n        out[i, labels[i]] = 1\n    return out\n"
                "y = one_hot(np.arange(4), 9)"
            ),
            good=(
                "def one_hot(labels: np.ndarray, k: int):\n    out = np.zeros((len(labels), k))\n"
                "    out[np.arange(len(labels)), labels] = 1\n    return out\n"
                "y = one_hot(np.arange(4), 9)"
            ),
            equal="y",
            safety="unsafe",
        ),
        Example(given=LABELS, ok="for i in range(60):\n    if y[i] >= 0:\n        out[i, y[i]] = 1"),
        Example(given=LABELS, ok="labels = [[0, 1], [2]] * 30\nfor i in range(60):\n    out[i, labels[i]] = 1"),
        Example(given=LABELS, ok="for i in range(60):\n    out[i, i % 5] = 1"),
        Example(given=LABELS, ok="counts = {}\nfor i in range(60):\n    counts[i, y[i]] = 1"),
        Example(given=LABELS, ok="def f(labels):\n    for i in range(60):\n        out[i, labels[i]] = 1"),
        Example(
            given="import numpy as np\nn = 1000\ny = np.random.randint(0, 10, size=n)\n",
            bad="out = np.zeros((n, 10))\nfor i in range(n):\n    out[i, y[i]] = 1",
            good="out = np.zeros((n, 10))\nout[np.arange(n), y] = 1",
            equal="out",
            close=True,
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.For)
        single = ctx.elementwise.single(node)
        if single is None:
            return
        nest, statement = single
        op: ast.operator | None = None
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            place = statement.targets[0]
        elif isinstance(statement, ast.AugAssign) and type(statement.op) in _OPERATORS:
            place, op = statement.target, statement.op
        else:
            return
        lift = ctx.elementwise
        try:
            scattered = lift.scattered(place, nest.axes)
            value = lift.lift(statement.value, nest.axes)
            doubts = lift.stored(value, scattered.target, op)
        except NotElementwise:
            return
        if not scattered.counted:
            return
        text, index = ctx.substituted(value.node, value.replacements), ctx.scattered_index(scattered)
        operator = "=" if op is None else f"{_OPERATORS[type(op)]}="
        new = None if text is None or index is None else f"{scattered.target.text}[{index}] {operator} {text}"
        obstacles = value.obstacles or [reason for part in scattered.indices for reason in part.obstacles]
        fix = ctx.loop_fix(nest, new, obstacles, safe=not doubts)
        array = ctx.short(scattered.target.array)
        yield ctx.finding(
            node,
            f"`{ctx.short(statement, 60)}` stores to one element of `{array}` after the other",
            f"use `{new}`" if new is not None else "index with whole arrays",
            fix,
        )


_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
