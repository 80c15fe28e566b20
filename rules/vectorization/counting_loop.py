from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import STORE, UPDATE, Context, Example, Finding, Loop, NotElementwise, Rule, Safety

COUNTS = (
    "import numpy as np\nk = np.random.randint(-7, 7, size=100)\nw = np.random.normal(size=100)\n"
    "counts = np.zeros(7, dtype=np.int64)\nacc = np.zeros(7)\n"
)


class CountingLoop(Rule):
    """A loop that counts or adds up by an index array is one call of `np.add.at`.

    ## Why
    Each round reads an index, reads a count, adds and stores, all as Python objects. `np.add.at` does it in compiled
    code, and counts an index that occurs several times as often as it occurs, which `counts[k] += 1` would not.

    ## Fix safety
    Safe where the arrays, their dtypes and the integer dtype of the index are proven: the additions are made one after
    the other in the same order. Unsafe where dimensions or dtypes are not proven, and where the function handles an
    error itself, since an index out of bounds raises before anything is counted.

    ## Alternatives
    `np.bincount(k, weights=w, minlength=n)` is faster still, needs indices that are not negative and makes a new array.

    ## References
    - NumPy documentation, `numpy.ufunc.at`.
    - NumPy documentation, `numpy.bincount`.
    """

    code, name = "ML110", "counting-loop"
    libraries = ("numpy",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Loop(STORE, UPDATE),)
    examples = (
        Example(
            given=COUNTS,
            bad="for i in range(len(k)):\n    counts[k[i]] += 1",
            good="np.add.at(counts, k, 1)",
            equal="counts",
            safety="safe",
        ),
        Example(
            given=COUNTS,
            bad="for j in k:\n    counts[j] += 1",
            good="np.add.at(counts, k, 1)",
            equal="counts",
            safety="safe",
        ),
        Example(
            given=COUNTS,
            bad="for i in range(100):\n    acc[k[i]] += w[i] * 2",
            good="np.add.at(acc, k, w * 2)",
            equal="acc",
            safety="safe",
        ),
        Example(
            given=COUNTS + "M = np.zeros((7, 7))\nj = np.random.randint(0, 7, size=100)\n",
            bad="for i in range(100):\n    M[k[i], j[i]] -= w[i]",
            good="np.subtract.at(M, (k, j), w)",
            equal="M",
            safety="safe",
            note="a confusion matrix",
        ),
        Example(
            given=COUNTS,
            bad="for j in k:\n    acc[j] = acc[j] + 1",
            good="np.add.at(acc, k, 1)",
            equal="acc",
            safety="safe",
        ),
        Example(
            given=COUNTS + "half = np.zeros(7, dtype=np.float16)\n",
            targets={"numpy": "2.1"},
            bad="for j in k:\n    half[j] += 0.1",
            good="np.add.at(half, k, 0.1)",
            equal="half.shape",
            safety="unsafe",
            note="the number is float64 in the call and float16 in the loop",
        ),
        Example(
            given=COUNTS,
            bad=(
                "few = np.zeros(3)\ntry:\n    for j in k:\n        few[j] += 1\n"
                "except Exception:\n    print('out of range')"
            ),
            good="few = np.zeros(3)\ntry:\n    np.add.at(few, k, 1)\nexcept Exception:\n    print('out of range')",
            equal="few.shape",
            safety="unsafe",
            note="the loop has counted up to the error",
        ),
        Example(
            given=COUNTS + "import contextlib\n",
            bad="few = np.zeros(3)\nwith contextlib.suppress(IndexError):\n    for j in k:\n        few[j] += 1",
            good="few = np.zeros(3)\nwith contextlib.suppress(IndexError):\n    np.add.at(few, k, 1)",
            equal="few.shape",
            safety="unsafe",
        ),
        Example(given=COUNTS, ok="bins = [0] * 7\nfor i in range(100):\n    bins[k[i]] += 1"),
        Example(given=COUNTS, ok="bins = {}\nfor i in range(100):\n    bins[k[i]] += 1"),
        Example(given=COUNTS, ok="for i in range(100):\n    acc[k[i]] += acc[0] * w[i]", note="reads what it changes"),
        Example(given=COUNTS, ok="for i in range(100):\n    if w[i] > 0:\n        counts[k[i]] += 1"),
        Example(given=COUNTS, ok="def f(h):\n    for i in range(100):\n        counts[h(i)] += 1"),
        Example(given=COUNTS, ok="for i in range(100):\n    counts[i % 7] += 1", note="no index array"),
        Example(
            given="import torch\nk = torch.randint(7, (9,))\nc = torch.zeros(7)\n", ok="for j in k:\n    c[j] += 1"
        ),
        Example(
            given="import numpy as np\nn = 1000\nk = np.random.randint(0, 50, size=n)\n",
            bad="counts = np.zeros(50)\nfor i in range(n):\n    counts[k[i]] += 1",
            good="counts = np.zeros(50)\nnp.add.at(counts, k, 1)",
            equal="counts",
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
        updated = _updated(statement)
        if updated is None:
            return
        place, op, given = updated
        lift = ctx.elementwise
        try:
            scattered = lift.scattered(place, nest.axes)
            value = lift.lift(given, nest.axes)
            doubts = lift.stored(value, scattered.target, op)
        except NotElementwise:
            return
        if scattered.counted:
            return
        if (value.dtype or "~").startswith("~") and scattered.target.dtype not in ("int64", "float64"):
            doubts.append("`ufunc.at` makes an array of a Python number, which then takes part in the promotion")
        text, index = ctx.substituted(value.node, value.replacements), ctx.scattered_index(scattered)
        at = ctx.names.spell(f"numpy.{_UFUNCS[type(op)]}", node)[0] + ".at"
        new = None
        if text is not None and index is not None:
            index = f"({index})" if len(scattered.parts) > 1 else index
            new = f"{at}({scattered.target.text}, {index}, {text})"
        obstacles = value.obstacles or [reason for part in scattered.indices for reason in part.obstacles]
        fix = ctx.loop_fix(nest, new, obstacles, safe=not doubts)
        yield ctx.finding(
            node,
            f"`{ctx.short(statement, 60)}` counts element by element in the interpreter",
            f"use `{new}`" if new is not None else f"use `{at}`",
            fix,
        )


def _updated(statement: ast.stmt) -> tuple[ast.expr, ast.operator, ast.expr] | None:
    """`c[k] += v` and `c[k] = c[k] + v`: the place, the operator and the value."""
    if isinstance(statement, ast.AugAssign) and type(statement.op) in _UFUNCS:
        return statement.target, statement.op, statement.value
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.value, ast.BinOp):
        place, value = statement.targets[0], statement.value
        if type(value.op) in _UFUNCS and ast.unparse(place) == ast.unparse(value.left):
            return place, value.op, value.right
    return None


_UFUNCS: dict[type[ast.operator], str] = {ast.Add: "add", ast.Sub: "subtract"}
