from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from mlint.rule import (
    CHOICE,
    STORE,
    Computed,
    Condition,
    Context,
    Example,
    Finding,
    Loop,
    Masked,
    MaskedStore,
    Nest,
    NotElementwise,
    Rule,
    Safety,
    at_mask,
    branches,
    chosen,
    computed,
    innermost,
    masked,
    value_at,
)

NUMPY = "import numpy as np\n"
ARRAYS = NUMPY + "a = np.random.normal(size=100)\nb = np.random.normal(size=100)\n"
OUT = ARRAYS + "out = np.zeros(100)\n"
_NAMES = ("first", "second", "third")


class _Loop(NamedTuple):
    nest: Nest
    round: Computed
    masked: Masked


class MaskedStoreLoop(Rule):
    """A loop that decides for each element what to store is a mask, or `np.where`.

    ## Why
    Each round boxes the elements, branches and stores in the interpreter. The comparison of the whole array makes a
    mask in one pass, and the stores under the mask run in compiled code, for the elements that it selects alone:
    `out[mask] = np.log(a[mask])` takes no logarithm of the others, as the loop does not.

    ## Fix safety
    Safe where arrays, dimensions and dtypes are proven, and all is made of comparisons, `and`, `or`, `not`, arithmetic
    and ufuncs. `np.where` is used only where both values can be computed for all elements without a warning and have
    the dtype of the array. Unsafe where a part of a condition that may warn is computed for elements for which the loop
    stops before it (`a[i] > 0 and 1 / a[i] < 5`), where a branch holds a part that may raise and that no round may
    reach, for functions of `math` and powers, and where dtypes, dimensions or the absence of shared memory are not
    proven.

    ## References
    - NumPy user guide, "Indexing on ndarrays", boolean array indexing.
    - NumPy documentation, `numpy.where`.

    ## Known limits
    Chains of more than three conditions and branches that do anything but store are left alone. A `continue` is
    followed where it is the whole of the first branch.
    """

    code, name = "ML108", "masked-store-loop"
    libraries = ("numpy",)
    version_guards = False  # no version makes the loop any better
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Loop(STORE, CHOICE),)
    examples = (
        Example(
            given=OUT,
            bad="for i in range(len(a)):\n    if a[i] < 0:\n        out[i] = 1",
            good="out[a < 0] = 1",
            equal="out",
            safety="safe",
        ),
        Example(
            given=OUT,
            bad="for i in range(100):\n    if a[i] > b[i]:\n        out[i] = a[i] * 2 - b[i]",
            good="mask = a > b\nout[mask] = a[mask] * 2 - b[mask]",
            equal="out",
            safety="safe",
        ),
        Example(
            given=OUT,
            bad=(
                "for i in range(100):\n    if a[i] > 0:\n        out[i] = np.log(a[i])\n    else:\n"
                "        out[i] = b[i] / 3"
            ),
            good="mask = a > 0\nout[mask] = np.log(a[mask])\nout[~mask] = b[~mask] / 3",
            equal="out",
            safety="safe",
            note="no logarithm of what is not positive",
        ),
        Example(
            given=OUT,
            bad="for i, x in enumerate(a):\n    out[i] = x if x > 0 else 0.0",
            good="out[:] = np.where(a > 0, a, 0.0)",
            equal="out",
            safety="safe",
        ),
        Example(
            given=OUT,
            bad=(
                "for i in range(100):\n    if 0 < a[i] <= 1:\n        out[i] = b[i]\n    else:\n        out[i] = -a[i]"
            ),
            good="out[:] = np.where((0 < a) & (a <= 1), b, -a)",
            equal="out",
            safety="safe",
        ),
        Example(
            given=OUT,
            bad=(
                "for i in range(100):\n    if a[i] < -1:\n        out[i] = -1\n    elif a[i] > 1:\n        out[i] = 1\n"
                "    else:\n        out[i] = a[i] * b[i]"
            ),
            good=(
                "first = a < -1\nsecond = ~first & (a > 1)\nout[first] = -1\nout[second] = 1\n"
                "rest = ~(first | second)\nout[rest] = a[rest] * b[rest]"
            ),
            equal="out",
            safety="safe",
        ),
        Example(
            given=OUT,
            bad="for i in range(100):\n    if not a[i] > 0:\n        continue\n    out[i] = np.sqrt(a[i])",
            good="mask = a > 0\nout[mask] = np.sqrt(a[mask])",
            equal="out",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="for i in range(100):\n    if a[i] > 2 or a[i] < -2:\n        a[i] = np.nan",
            good="a[(a > 2) | (a < -2)] = np.nan",
            equal="a",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="for i in range(100):\n    if a[i] < 0:\n        a[i] += b[i]",
            good="mask = a < 0\na[mask] += b[mask]",
            equal="a",
            safety="safe",
        ),
        Example(
            given=OUT,
            bad="for i in range(100):\n    d = a[i] - b[i]\n    if d > 0:\n        out[i] = d / 2",
            good="d = a - b\nmask = d > 0\nout[mask] = d[mask] / 2",
            equal="out",
            safety="safe",
            note="a variable of the round becomes an array",
        ),
        Example(
            given=OUT,
            bad="for i in range(100):\n    out[i] = -1\n    if a[i] > 0:\n        out[i] = a[i]",
            good="out[:] = -1\nmask = a > 0\nout[mask] = a[mask]",
            equal="out",
            safety="safe",
        ),
        Example(
            given=NUMPY + "X = np.random.normal(size=(20, 30))\nlabels = np.random.randint(0, 3, size=20)\n",
            bad="for i in range(len(X)):\n    if labels[i] == 2:\n        X[i, 0] = X[i, 1]",
            good="mask = labels == 2\nX[mask, 0] = X[mask, 1]",
            equal="X",
            safety="safe",
        ),
        Example(
            given=NUMPY + "X = np.random.normal(size=(20, 30))\n",
            bad=(
                "for i in range(X.shape[0]):\n    for j in range(X.shape[1]):\n        if X[i, j] < 0:\n"
                "            X[i, j] = 0"
            ),
            good="X[X < 0] = 0",
            equal="X",
            safety="safe",
        ),
        Example(
            given=OUT + "order = np.random.permutation(100)\n",
            bad="for i in range(100):\n    if a[i] > 0:\n        out[i] = 1 - b[order[i]]",
            good="mask = a > 0\nout[mask] = 1 - b[order[mask]]",
            equal="out",
            safety="safe",
        ),
        Example(
            given=OUT,
            bad="for i in range(1, 100):\n    if a[i] > a[i - 1]:\n        out[i] = 1",
            good="out[1:][a[1:] > a[:-1]] = 1",
            equal="out",
            safety="safe",
        ),
        Example(
            given=OUT,
            bad="for i in range(100):\n    if a[i] != 0 and 1 / a[i] > 2:\n        out[i] = 1",
            good="out[(a != 0) & (1 / a > 2)] = 1",
            equal="out",
            safety="unsafe",
            note="divides by zero, which warns",
        ),
        Example(
            given=OUT + "import math\n",
            bad="for i in range(100):\n    out[i] = math.sqrt(a[i]) if a[i] > 0 else 0.0",
            good="mask = a > 0\nout[mask] = np.sqrt(a[mask])\nout[~mask] = 0.0",
            equal="out",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=NUMPY,
            bad=(
                "def relu(x: np.ndarray) -> np.ndarray:\n    out = np.zeros(len(x))\n    for i in range(len(x)):\n"
                "        if x[i] > 0:\n            out[i] = x[i]\n    return out\ny = relu(np.arange(9.0) - 4)"
            ),
            good=(
                "def relu(x: np.ndarray) -> np.ndarray:\n    out = np.zeros(len(x))\n    mask = x > 0\n"
                "    out[mask] = x[mask]\n    return out\ny = relu(np.arange(9.0) - 4)"
            ),
            equal="y",
            safety="unsafe",
            note="the annotation does not tell dimensions and dtype",
        ),
        Example(
            given=OUT,
            bad="for i in range(100):\n    # only what is positive\n    if a[i] > 0:\n        out[i] = 1",
            note="the comment would be lost: no fix",
        ),
        Example(
            given=OUT + "mask = None\n",
            bad="for i in range(100):\n    if a[i] > 0:\n        out[i] = a[i]",
            note="the name is taken: no fix",
        ),
        Example(
            given=OUT,
            bad="for i in range(100):\n    if a[i] > 0:\n        out[i] = 1\nprint(i)",
            note="the counter is read later: no fix",
        ),
        Example(
            given=OUT, ok="for i in range(1, 100):\n    if a[i] > 0:\n        a[i] = a[i - 1]", note="fills forward"
        ),
        Example(given=OUT, ok="for i in range(1, 100):\n    if out[i - 1] > 0:\n        out[i] = 1"),
        Example(given=OUT, ok="for i in range(100):\n    if a[i] > 0:\n        out[i] = 1\n        break"),
        Example(given=OUT, ok="for i in range(100):\n    if a[i] > 0:\n        break\n    out[i] = 1"),
        Example(given=OUT, ok="flag = True\nfor i in range(100):\n    if flag:\n        out[i] = a[i]"),
        Example(
            given=OUT,
            ok="flag = True\nfor i in range(100):\n    if a[i] > 0 and flag:\n        out[i] = 1\n        flag = False",
        ),
        Example(given=OUT, ok="def f(g):\n    for i in range(100):\n        if g(a[i]):\n            out[i] = 1"),
        Example(given=OUT, ok="hits = []\nfor i in range(100):\n    if a[i] > 0:\n        hits.append(i)"),
        Example(given=OUT, ok="for i in range(100):\n    if a[i]:\n        out[i] = 1", note="the truth of a number"),
        Example(given=OUT, ok="n = 0\nfor i in range(100):\n    if a[i] > 0:\n        out[n] = a[i]\n        n += 1"),
        Example(given=OUT, ok="for i in range(100):\n    if a[i] > 0:\n        out[i] = np.random.rand()"),
        Example(given=OUT, ok="for i in range(100):\n    if out.sum() < 5 and a[i] > 0:\n        out[i] = a[i]"),
        Example(
            given=OUT, ok="v = out[::-1]\nfor i in range(100):\n    if v[i] == 0:\n        out[i] = 1", note="a view"
        ),
        Example(given=ARRAYS, ok="d = {}\nfor i in range(100):\n    if a[i] > 0:\n        d[i] = a[i]"),
        Example(given=ARRAYS, ok="d = [0] * 100\nfor i in range(100):\n    if a[i] > 0:\n        d[i] = a[i]"),
        Example(given=OUT, ok="for i in range(4):\n    if a[i] > 0:\n        out[i] = 1", note="four rounds"),
        Example(
            given=OUT,
            ok=("for i in range(100):\n    x = out[i]\n    out[i] = 0\n    if x > 0:\n        out[i] = x + 1"),
            note="the variable holds what is not there any more",
        ),
        Example(
            given=NUMPY + "X = np.random.normal(size=(20, 30))\nout = np.zeros(20)\n",
            ok="for i in range(20):\n    if (X[i] > 0).all():\n        out[i] = 1",
        ),
        Example(
            given="import torch\nimport numpy\na = torch.rand(50)\nout = torch.zeros(50)\n",
            ok="for i in range(50):\n    if a[i] > 0:\n        out[i] = 1",
        ),
        Example(
            given="import numpy as np\nn = 1000\na = np.random.normal(size=n)\n",
            bad="out = np.zeros(n)\nfor i in range(n):\n    if a[i] > 0:\n        out[i] = a[i] * 2",
            good="out = np.zeros(n)\nmask = a > 0\nout[mask] = a[mask] * 2",
            equal="out",
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.For)
        if not _decides(node):
            return
        found = self._read(node, ctx)
        if found is None:
            return
        outer = ctx.model.counted.outer(node)
        if outer is not None and self._read(outer, ctx) is not None:
            return
        obstacles = list(found.masked.obstacles)
        try:
            lines = [*found.round.hoisted, *self._lines(found, obstacles, ctx)]
        except NotElementwise:
            lines = []
        longest = max((len(line) for line in lines), default=0) + found.nest.loop.col_offset
        if longest > max(ctx.options.line_length, self._width(found.nest, ctx)):
            obstacles.append("the rewrite is too long for one line")
        new = "\n".join(lines) or None
        doubts = list(found.masked.doubts)
        if not all(store.value.scalar or store.target.rest for store in found.masked.stores):
            doubts.append("the number of dimensions is not proven")
        fix = ctx.loop_fix(found.nest, new, obstacles, safe=True, doubts=doubts, names=found.round.names)
        over = ctx.short(found.masked.stores[0].target.array)
        shown = "; ".join(lines)
        yield ctx.finding(
            node,
            f"the loop decides for each element of `{over}` in the interpreter what to store",
            f"use `{shown}`" if lines else "use a mask",
            fix,
        )

    def _read(self, node: ast.For, ctx: Context) -> _Loop | None:
        nest = ctx.elementwise.nest(node)
        if nest is None:
            return None
        try:
            round_ = computed(ctx.elementwise, nest)
            found = branches(round_.body)
            if found is None:
                return None
            return _Loop(nest, round_, masked(ctx.elementwise, found, round_.axes))
        except NotElementwise:
            return None

    def _lines(self, found: _Loop, obstacles: list[str], ctx: Context) -> list[str]:
        """The statements in place of the loop."""
        result = found.masked
        lines = [self._whole(store, ctx) for store in result.before]
        conditions = [condition for condition, _ in result.branches if condition is not None]
        stores = [stores for _, stores in result.branches]
        if len(conditions) == 1:
            return lines + self._one(conditions[0], stores, obstacles, found, ctx)
        names = list(_NAMES[: len(conditions)])
        for number, condition in enumerate(conditions):
            before = _union(names[:number])
            text = condition.bare if not number else f"~{before} & {condition.text}"
            lines.append(f"{names[number]} = {text}")
        for mask, own in zip(names, stores):
            lines += [self._at(store, mask, ctx) for store in own]
        if len(stores) > len(conditions):
            rest = f"~{_union(names)}"
            if sum(_uses(store) for store in stores[-1]) > 1:
                lines.append(f"rest = {rest}")
                names.append("rest")
                rest = "rest"
            lines += [self._at(store, rest, ctx) for store in stores[-1]]
        obstacles += [f"the name `{name}` is taken" for name in names if not ctx.names.is_free(name, found.nest.loop)]
        return lines

    def _one(
        self,
        condition: Condition,
        stores: list[tuple[MaskedStore, ...]],
        obstacles: list[str],
        found: _Loop,
        ctx: Context,
    ) -> list[str]:
        """One condition: ``np.where``, or a mask."""
        taken, others = stores[0], stores[1] if len(stores) > 1 else ()
        if len(taken) == len(others) == 1 and chosen(taken[0], others[0], ctx.elementwise):
            spelled, _ = ctx.names.spell("numpy.where", found.nest.loop)
            values = [self._value(store, ctx) for store in (taken[0], others[0])]
            return [f"{taken[0].target.text} = {spelled}({condition.bare}, {', '.join(values)})"]
        uses = sum(_uses(store) for store in (*taken, *others))
        if uses == 1 and taken:
            return [self._at(taken[0], condition.bare, ctx)]
        if not ctx.names.is_free("mask", found.nest.loop):
            obstacles.append("the name `mask` is taken")
        lines = [f"mask = {condition.bare}"]
        lines += [self._at(store, "mask", ctx) for store in taken]
        return lines + [self._at(store, "~mask", ctx) for store in others]

    def _whole(self, store: MaskedStore, ctx: Context) -> str:
        return f"{store.target.text} {store.op}= {self._value(store, ctx)}"

    def _value(self, store: MaskedStore, ctx: Context) -> str:
        text = ctx.substituted(store.value.node, store.value.replacements)
        if text is None:
            raise NotElementwise("a comment would be lost")
        return text

    def _at(self, store: MaskedStore, mask: str, ctx: Context) -> str:
        value = value_at(ctx.elementwise, store.value, mask)
        return f"{at_mask(store.target.text, mask)} {store.op}= {value}"

    def _width(self, nest: Nest, ctx: Context) -> int:
        """The width of the longest line of the loop."""
        lines = ctx.source.text.splitlines()[nest.loop.lineno - 1 : nest.loop.end_lineno]
        return max(map(len, lines), default=0)


def _decides(loop: ast.For) -> bool:
    """Whether the innermost of nested loops stores to elements under conditions: a look at the syntax."""
    body = innermost(loop)
    stores = conditions = False
    for statement in body:
        if isinstance(statement, ast.If):
            conditions = True
            stores = stores or any(isinstance(part, (ast.Assign, ast.AugAssign, ast.If)) for part in statement.body)
            stores = stores or bool(statement.orelse)
        elif isinstance(statement, (ast.Assign, ast.AugAssign)):
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            if isinstance(target, ast.Subscript):
                stores = True
                conditions = conditions or isinstance(statement.value, ast.IfExp)
    return stores and conditions


def _uses(store: MaskedStore) -> int:
    """How often a store mentions its mask."""
    functions = {inner.func for inner in ast.walk(store.value.node) if isinstance(inner, ast.Call)}
    return 1 + sum(node not in functions for node in store.value.replacements)


def _union(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"({' | '.join(names)})"
