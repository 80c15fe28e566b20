from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import STORE, Context, Example, Finding, Lifted, Loop, Nest, NotElementwise, Rule, Safety

ARRAYS = (
    "import numpy as np\n"
    "a = np.random.normal(size=100)\nout = np.zeros(100)\norder = np.random.randint(-100, 100, size=100)\n"
)


class GatherScatterLoop(Rule):
    """A loop that picks or places elements by an index array is one subscript with that array.

    ## Why
    Each round reads an index, makes it a number, and reads or stores one element through the interpreter. Indexing with
    the whole array does the same in one compiled pass.

    ## Fix safety
    Safe where the arrays, their dtypes and the integer dtype of the index are proven. Picking reads the same elements;
    placing stores in the order of the index, so that where an index occurs twice the last value stays, as in the loop.
    An index out of bounds raises the same IndexError, but before anything is stored. Unsafe where dimensions, dtypes or
    the absence of shared memory are not proven, and where the function handles an error itself.

    ## References
    - NumPy user guide, "Indexing on ndarrays", sections on advanced indexing and on assigning values.
    """

    code, name = "ML113", "gather-scatter-loop"
    libraries = ("numpy",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Loop(STORE),)
    examples = (
        Example(
            given=ARRAYS,
            bad="for i in range(100):\n    out[i] = a[order[i]]",
            good="out[:] = a[order]",
            equal="out",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="for i, j in enumerate(order):\n    out[i] = a[j] * 2",
            good="out[:] = a[order] * 2",
            equal="out",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="for i in range(len(order)):\n    out[order[i]] = a[i]",
            good="out[order] = a",
            equal="out",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="for j in order:\n    out[j] = 1",
            good="out[order] = 1",
            equal="out",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad=(
                "def pick(a: np.ndarray, index: np.ndarray):\n    out = np.zeros(len(index))\n"
                "    for i in range(len(index)):\n        out[i] = a[index[i]]\n    return out\ny = pick(a, order)"
            ),
            good=(
                "def pick(a: np.ndarray, index: np.ndarray):\n    out = np.zeros(len(index))\n"
                "    out[:] = a[index]\n    return out\ny = pick(a, order)"
            ),
            equal="y",
            safety="unsafe",
        ),
        Example(given=ARRAYS, ok="for i in range(100):\n    a[i] = a[order[i]]", note="reads what it has overwritten"),
        Example(given=ARRAYS, ok="for i in range(100):\n    a[order[i]] = a[i]"),
        Example(given=ARRAYS, ok="b = a[10:]\nfor i in range(90):\n    a[order[i]] = b[i]"),
        Example(given=ARRAYS, ok="d = {}\nfor i in range(100):\n    d[order[i]] = a[i]"),
        Example(given=ARRAYS, ok="index = [3, 1, 2] * 30\nfor i in range(90):\n    out[i] = a[index[i]]"),
        Example(given=ARRAYS, ok="def f(data):\n    for i in range(100):\n        out[i] = data[order[i]]"),
        Example(given=ARRAYS, ok="for i in range(100):\n    if order[i] >= 0:\n        out[i] = a[order[i]]"),
        Example(given=ARRAYS, ok="parent = np.arange(100)\nfor i in order:\n    parent[i] = parent[parent[i]]"),
        Example(
            given="import numpy as np\nn = 1000\na = np.random.normal(size=n)\nk = np.random.randint(0, n, size=n)\n",
            bad="out = np.empty(n)\nfor i in range(n):\n    out[i] = a[k[i]]",
            good="out = np.empty(n)\nout[:] = a[k]",
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
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return
        try:
            place, value, doubts, verb = self._read(statement, nest, ctx)
        except NotElementwise:
            return
        text = ctx.substituted(value.node, value.replacements)
        new = f"{place} = {text}" if text is not None and place is not None else None
        fix = ctx.loop_fix(nest, new, value.obstacles, safe=not doubts)
        yield ctx.finding(
            node,
            f"`{ctx.short(statement, 60)}` {verb} one element after the other in the interpreter",
            f"use `{new}`" if new is not None else "index with the whole array",
            fix,
        )

    def _read(self, statement: ast.Assign, nest: Nest, ctx: Context) -> tuple[str | None, Lifted, list[str], str]:
        lift, place = ctx.elementwise, statement.targets[0]
        try:
            target = lift.target(place, nest.axes)
        except NotElementwise:
            scattered = lift.scattered(place, nest.axes)
            if scattered.counted:
                raise
            value = lift.lift(statement.value, nest.axes)
            value.obstacles += [reason for index in scattered.indices for reason in index.obstacles]
            doubts = lift.stored(value, scattered.target)
            for index in scattered.indices:
                lift.stored(index, scattered.target)  # refuses an index that the loop itself changes
            return f"{scattered.target.text}[{ctx.scattered_index(scattered)}]", value, doubts, "places"
        value = lift.lift(statement.value, nest.axes, gather=True)
        if not any(operand.gathered for operand in value.operands):
            raise NotElementwise("nothing is picked by an index")
        return target.text, value, lift.stored(value, target), "picks"
