"""Distances and dot products of all pairs of rows, pair by pair."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import STORE, Call, Context, Edit, Example, Finding, Loop, Pairwise, Rows, Rule, Safety

SETUP = "import numpy as np\nX = np.random.normal(size=(20, 5))\nY = np.random.normal(size=(30, 5))\n"
SCIPY = SETUP + "from scipy.spatial.distance import cdist\n"
TABLE = "for i in range(20):\n    for j in range(30):\n        "
_LARGE = 1 << 28
"""A quarter of a GiB: temporaries beyond that are no rewrite to offer."""


class PairwiseDistanceLoop(Rule):
    """Two loops that measure every pair of rows call NumPy once for each pair.

    ## Why
    A call of `np.linalg.norm` on a short vector takes some microseconds, nearly all of it overhead. `cdist` of SciPy
    makes all n * m distances in compiled code without temporaries; a matrix product does it for dot products, in the
    BLAS. Without SciPy, broadcasting makes all differences at once, which needs n * m * d numbers of memory.

    ## Fix safety
    Unsafe: the sums are made in another order, so the last digits may differ, and `cdist` computes in float64 whatever
    the arrays are. Safe for dot products (`np.dot`, `@`) of rows of one proven integer dtype that go into a table of
    that dtype. The variables of the loops go with them: no fix where they are read afterwards.

    The fix uses `cdist` in a file that imports SciPy, and broadcasting in others; there is none where the differences
    are known to take more than 256 MiB.

    ## Known limits
    Sees two loops over the rows (or columns) of two matrices of two proven dimensions that store Euclidean, squared,
    city-block or Chebyshev distances, dot products, or a function of `scipy.spatial.distance`; also
    `np.array([[... for y in Y] for x in X])`. Loops over half of the table are left alone. Sums of products number by
    number belong to matmul-loop-nest.

    ## References
    - SciPy documentation, `scipy.spatial.distance.cdist`.
    - NumPy user guide, "Broadcasting".
    """

    code, name = "ML107", "pairwise-distance-loop"
    libraries = ("numpy",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Loop(STORE), Call("numpy.array", "numpy.asarray"))
    examples = (
        Example(
            given=SETUP,
            bad=f"D = np.zeros((20, 30))\n{TABLE}D[i, j] = np.linalg.norm(X[i] - Y[j])",
            good="D = np.zeros((20, 30))\nD[:] = np.linalg.norm(X[:, None] - Y[None], axis=-1)",
            equal="D",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=SCIPY,
            bad=f"D = np.zeros((20, 30))\n{TABLE}D[i, j] = np.linalg.norm(X[i] - Y[j])",
            good="D = np.zeros((20, 30))\nD[:] = cdist(X, Y)",
            equal="D",
            close=True,
            safety="unsafe",
            note="the file has SciPy",
        ),
        Example(
            bad=(
                f"{SETUP}from scipy import stats\nD = np.zeros((20, 30))\n"
                f"{TABLE}D[i, j] = np.sqrt(np.sum((X[i, :] - Y[j, :]) ** 2))"
            ),
            good=(
                "import numpy as np\nfrom scipy.spatial.distance import cdist\n"
                "X = np.random.normal(size=(20, 5))\nY = np.random.normal(size=(30, 5))\nfrom scipy import stats\n"
                "D = np.zeros((20, 30))\nD[:] = cdist(X, Y)"
            ),
            equal="D",
            close=True,
            safety="unsafe",
            note="with an import more",
        ),
        Example(
            given=SETUP,
            bad=(
                "D = np.zeros((20, 30))\nfor i, x in enumerate(X):\n    for j, y in enumerate(Y):\n"
                "        diff = x - y\n        D[i, j] = np.sqrt(np.dot(diff, diff))"
            ),
            good="D = np.zeros((20, 30))\nD[:] = np.linalg.norm(X[:, None] - Y[None], axis=-1)",
            equal="D",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=SETUP,
            bad=f"D = np.zeros((20, 30))\n{TABLE}D[i][j] = ((X[i] - Y[j]) ** 2).sum()",
            good="D = np.zeros((20, 30))\nD[:] = ((X[:, None] - Y[None]) ** 2).sum(axis=-1)",
            equal="D",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=SETUP,
            bad=f"D = np.zeros((20, 30))\n{TABLE}D[i, j] = np.abs(X[i] - Y[j]).sum()",
            good="D = np.zeros((20, 30))\nD[:] = np.abs(X[:, None] - Y[None]).sum(axis=-1)",
            equal="D",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=SCIPY,
            bad=f"D = np.zeros((20, 30))\n{TABLE}D[i, j] = np.max(np.abs(X[i] - Y[j]))",
            good='D = np.zeros((20, 30))\nD[:] = cdist(X, Y, "chebyshev")',
            equal="D",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=SETUP + "from scipy.spatial import distance\n",
            bad=f"D = np.zeros((20, 30))\n{TABLE}D[i, j] = distance.cosine(X[i], Y[j])",
            good='D = np.zeros((20, 30))\nD[:] = distance.cdist(X, Y, "cosine")',
            equal="D",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=SETUP,
            bad=f"K = np.zeros((20, 30))\n{TABLE}K[i, j] = np.dot(X[i], Y[j])",
            good="K = np.zeros((20, 30))\nK[:] = X @ Y.T",
            equal="K",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=(
                "import numpy as np\nX = np.zeros((20, 5), dtype=np.int64)\n"
                "X[:] = np.random.randint(-2**62, 2**62, size=X.shape)\n"
            ),
            bad=(
                "K = np.zeros((20, 20), dtype=np.int64)\nfor i in range(20):\n    for j in range(20):\n"
                "        K[i, j] = X[i] @ X[j]"
            ),
            good="K = np.zeros((20, 20), dtype=np.int64)\nK[:] = X @ X.T",
            equal="K",
            safety="safe",
            note="sums of integers wrap around alike in any order",
        ),
        Example(
            given="import numpy as np\nA = np.random.normal(size=(5, 40))\n",
            bad=(
                "G = np.zeros((40, 40))\nfor i in range(40):\n    for j in range(40):\n"
                "        G[i, j] = np.dot(A[:, i], A[:, j])"
            ),
            good="G = np.zeros((40, 40))\nG[:] = A.T @ A",
            equal="G",
            close=True,
            safety="unsafe",
            note="columns",
        ),
        Example(
            given=SETUP,
            bad="D = np.zeros((20, 30))\nfor i in range(10):\n    for j in range(30):\n"
            "        D[i, j] = np.linalg.norm(X[i] - Y[j])",
            good="D = np.zeros((20, 30))\nD[:-10] = np.linalg.norm(X[:-10, None] - Y[None], axis=-1)",
            equal="D",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=SETUP,
            bad="D = np.array([[np.linalg.norm(x - y) for y in Y] for x in X])",
            good="D = np.linalg.norm(X[:, None] - Y[None], axis=-1)",
            equal="D",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=SETUP,
            bad=(
                "def distances(X: np.ndarray, Z: np.ndarray):\n    n, d = X.shape\n    m, _ = Z.shape\n"
                "    D = np.zeros((n, m))\n    for i in range(n):\n        for j in range(m):\n"
                "            D[i, j] = np.linalg.norm(X[i] - Z[j])\n    return D\nD = distances(X, Y)"
            ),
            good=(
                "def distances(X: np.ndarray, Z: np.ndarray):\n    n, d = X.shape\n    m, _ = Z.shape\n"
                "    D = np.zeros((n, m))\n    D[:] = np.linalg.norm(X[:, None] - Z[None], axis=-1)\n"
                "    return D\nD = distances(X, Y)"
            ),
            equal="D",
            close=True,
            safety="unsafe",
        ),
        Example(
            given="import numpy as np\nX = np.zeros((9000, 64))\n",
            bad=(
                "D = np.zeros((9000, 9000))\nfor i in range(9000):\n    for j in range(9000):\n"
                "        D[i, j] = np.linalg.norm(X[i] - X[j])"
            ),
            note="all differences take 41 GB: no fix",
        ),
        Example(
            given=SETUP,
            bad=f"D = np.zeros((20, 30))\n{TABLE}D[i, j] = np.linalg.norm(X[i] - Y[j])\nprint(i)",
            note="the counter is read later: no fix",
        ),
        Example(
            given=SETUP,
            bad=f"D = np.zeros((20, 30))\n{TABLE}d = X[i] - Y[j]\n        D[i, j] = np.linalg.norm(d)\nprint(d)",
            note="the last difference is read later: no fix",
        ),
        Example(given=SCIPY, ok="D = cdist(X, Y)"),
        Example(
            given=SETUP,
            ok=(
                "D = np.zeros((20, 20))\nfor i in range(20):\n    for j in range(i + 1, 20):\n"
                "        D[i, j] = D[j, i] = np.linalg.norm(X[i] - X[j])"
            ),
            note="half of the table",
        ),
        Example(
            given=SETUP,
            ok="def f(metric):\n    D = np.zeros((20, 30))\n    for i in range(20):\n        for j in range(30):\n"
            "            D[i, j] = metric(X[i], Y[j])\n    return D",
        ),
        Example(
            given=SETUP,
            ok=(
                "D = np.zeros((20, 30))\nfor i in range(20):\n    for j in range(30):\n"
                "        D[i, j] = np.linalg.norm(X[i] - Y[j])\n        if D[i, j] < 1:\n            break"
            ),
        ),
        Example(given=SETUP, ok=f"D = {{}}\n{TABLE}D[i, j] = np.linalg.norm(X[i] - Y[j])", note="a dict"),
        Example(
            given="import numpy as np\nX = [np.zeros(3), np.ones(3)]\n",
            ok=(
                "D = np.zeros((20, 20))\nfor i in range(20):\n    for j in range(20):\n"
                "        D[i, j] = np.linalg.norm(X[i] - X[j])"
            ),
            note="a list of arrays",
        ),
        Example(
            given="import numpy as np\nx = np.random.rand(20)\n",
            ok=(
                "D = np.zeros((20, 20))\nfor i in range(20):\n    for j in range(20):\n"
                "        D[i, j] = np.linalg.norm(x[i] - x[j])"
            ),
            note="numbers, not rows",
        ),
        Example(
            given="import numpy as np\nimages = np.random.rand(20, 8, 8)\n",
            ok=(
                "D = np.zeros((20, 20))\nfor i in range(20):\n    for j in range(20):\n"
                "        D[i, j] = np.linalg.norm(images[i] - images[j])"
            ),
        ),
        Example(
            given=SETUP,
            ok=f"D = np.zeros((20, 30))\n{TABLE}D[i, j] = np.linalg.norm(X[i] - Y[i])",
            note="not all pairs",
        ),
        Example(
            given=SETUP,
            ok=(
                "W = np.random.rand(20, 20)\nfor i in range(20):\n    for j in range(20):\n"
                "        W[i, j] = np.dot(W[i], W[j])"
            ),
            note="the rows change on the way",
        ),
        Example(
            given="import numpy as np\nimport torch\nX = torch.rand(20, 5)\n",
            ok=(
                "D = torch.zeros(20, 20)\nfor i in range(20):\n    for j in range(20):\n"
                "        D[i, j] = torch.dot(X[i], X[j])"
            ),
        ),
        Example(
            given=(
                "import numpy as np\nn = 1000\nX = np.random.normal(size=(n, 8))\n"
                "Y = np.random.normal(size=(20, 8))\n"
            ),
            bad=(
                "D = np.empty((n, 20))\nfor i in range(n):\n    for j in range(20):\n"
                "        D[i, j] = np.linalg.norm(X[i] - Y[j])"
            ),
            good="D = np.empty((n, 20))\nD[:] = np.linalg.norm(X[:, None] - Y[None], axis=-1)",
            equal="D",
            close=True,
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if isinstance(node, ast.For):
            found = ctx.pairwise.stored(node)
            if found is not None:
                yield self._loop(node, found, ctx)
        elif isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
            inner = node.args[0]
            if isinstance(inner, ast.ListComp) and isinstance(inner.elt, ast.ListComp):
                found = ctx.pairwise.collected(inner)
                if found is not None:
                    yield self._comprehension(node, found, ctx)

    def _loop(self, loop: ast.For, found: Pairwise, ctx: Context) -> Finding:
        assert found.nest is not None
        assert found.target is not None
        value, imports = _value(found, loop, ctx)
        text = f"{ctx.stored_at(found.target, update=False)} = {value}"

        def build() -> list[Edit]:
            return [ctx.edits.replace_statements([loop], text), *ctx.edits.imports(imports)]

        new = text if _offered(found, ctx) else None
        made = build if imports else None
        fix = ctx.loop_fix(found.nest, new, [], safe=_exact(found, ctx), names=found.names, build=made)
        return ctx.finding(loop, self._message(found, ctx), _advice(text, found, ctx), fix)

    def _comprehension(self, call: ast.Call, found: Pairwise, ctx: Context) -> Finding:
        value, imports = _value(found, call, ctx)

        def build() -> list[Edit]:
            return [ctx.edits.replace(call, value), *ctx.edits.imports(imports)]

        fix = ctx.fix(build, Safety.UNSAFE, f"Replace it by `{value}`") if _offered(found, ctx) else None
        return ctx.finding(call, self._message(found, ctx), _advice(value, found, ctx), fix)

    def _message(self, found: Pairwise, ctx: Context) -> str:
        arrays = " and ".join(dict.fromkeys(f"`{ctx.short(rows.array)}`" for rows in (found.first, found.second)))
        kind = "columns" if found.first.columns else "rows"
        what = "the dot product" if found.metric == "dot" else "the distance"
        return f"{what} of each pair of {kind} of {arrays} is a call of its own"


def _value(found: Pairwise, node: ast.AST, ctx: Context) -> tuple[str, list[str]]:
    """All pairs at once, and the imports that it needs."""
    first, second = found.first, found.second
    if found.metric == "dot":
        right = _written(second, ctx)
        right = right.removesuffix(".T") if second.columns else f"{right}.T"
        return f"{_written(first, ctx)} @ {right}", []
    if _with_scipy(found, ctx):
        spelled, statement = ctx.names.spell("scipy.spatial.distance.cdist", node)
        metric = "" if found.metric == "euclidean" else f', "{found.metric}"'
        imports = [] if statement is None else [statement]
        return f"{spelled}({_written(first, ctx)}, {_written(second, ctx)}{metric})", imports
    difference = f"{_raised(first, ctx, 1)} - {_raised(second, ctx, 0)}"
    if found.metric == "euclidean":
        return f"{ctx.names.spell('numpy.linalg.norm', node)[0]}({difference}, axis=-1)", []
    if found.metric == "sqeuclidean":
        return f"(({difference}) ** 2).sum(axis=-1)", []
    reduction = "max" if found.metric == "chebyshev" else "sum"
    return f"{ctx.names.spell('numpy.abs', node)[0]}({difference}).{reduction}(axis=-1)", []


def _written(rows: Rows, ctx: Context) -> str:
    text = ctx.text(rows.array)
    if rows.slice != ":":
        text += f"[:, {rows.slice}]" if rows.columns else f"[{rows.slice}]"
    return f"{text}.T" if rows.columns else text


def _raised(rows: Rows, ctx: Context, position: int) -> str:
    """A matrix with an axis more, at a position."""
    if rows.columns:
        return f"{_written(rows, ctx)}[{':, None' if position else 'None'}]"
    if position:
        return f"{ctx.text(rows.array)}[{rows.slice}, None]"
    return f"{ctx.text(rows.array)}[None]" if rows.slice == ":" else f"{ctx.text(rows.array)}[None, {rows.slice}]"


def _with_scipy(found: Pairwise, ctx: Context) -> bool:
    """Whether `cdist` can take the place: the file has SciPy, and NumPy's differences would not wrap around."""
    if found.metric not in _BROADCAST:
        return True
    if any(ctx.kinds.of(rows.array).dtype in ("uint8", "bool") for rows in (found.first, found.second)):
        return False
    return any(
        binding.imported is not None and binding.imported.partition(".")[0] == "scipy"
        for bindings in ctx.names.bindings(ctx.tree.module).values()
        for binding in bindings
    )


_BROADCAST = frozenset({"euclidean", "sqeuclidean", "cityblock", "chebyshev"})


def _temporaries(found: Pairwise, ctx: Context) -> int | None:
    """The bytes of all differences, where they are known."""
    size = 8
    for rows in (found.first, found.second):
        length = ctx.model.lengths.axis(rows.array, 1 if rows.columns else 0)
        if length is None or length.base is not None:
            return None
        size *= length.offset
    width = ctx.model.lengths.axis(found.first.array, 0 if found.first.columns else 1)
    return None if width is None or width.base is not None else size * width.offset


def _offered(found: Pairwise, ctx: Context) -> bool:
    """Whether the rewrite does not need too much memory."""
    size = _temporaries(found, ctx)
    return found.metric == "dot" or _with_scipy(found, ctx) or size is None or size <= _LARGE


def _advice(text: str, found: Pairwise, ctx: Context) -> str:
    if found.metric == "dot" or _with_scipy(found, ctx):
        return f"use `{text}`"
    size = _temporaries(found, ctx)
    if size is not None and size > _LARGE:
        return f"use `scipy.spatial.distance.cdist`; the differences of all pairs take {size >> 20} MiB"
    return f"use `{text}`" + (f" ({size >> 20} MiB of temporaries)" if size is not None and size >> 20 else "")


def _exact(found: Pairwise, ctx: Context) -> bool:
    """Whether a dot product of integers is the same number."""
    if found.metric != "dot" or found.summed or found.doubts or found.target is None or found.target.rest != 0:
        return False
    kinds = {ctx.kinds.of(rows.array).dtype for rows in (found.first, found.second)}
    kinds.add(found.target.dtype)
    alike = kinds == {"int64"} or (len(kinds) == 1 and kinds <= _INTEGERS and ctx.targets("numpy", ">=2"))
    return alike and found.first.columns == found.second.columns


_INTEGERS = frozenset({"int8", "int16", "int32", "uint8"})
