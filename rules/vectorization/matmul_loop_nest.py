"""Matrix products written as nests of loops."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import STORE, UPDATE, Context, Contraction, Example, Factor, Finding, Loop, Rule, Safety

SETUP = (
    "import numpy as np\nrng = np.random.default_rng()\n"
    "A = np.random.normal(size=(20, 30))\nB = np.random.normal(size=(30, 10))\nx = np.random.normal(size=30)\n"
)
WHOLE = (
    "import numpy as np\nA = np.zeros((20, 30), dtype=np.int64)\nB = np.zeros((30, 10), dtype=np.int64)\n"
    "A[:] = np.random.randint(-50, 50, size=A.shape)\nB[:] = np.random.randint(-2**62, 2**62, size=B.shape)\n"
)
TRIPLE = "for i in range(20):\n    for j in range(10):\n        for k in range(30):\n            "


class MatmulLoopNest(Rule):
    """A nest of loops that multiplies matrices runs the interpreter once for each product of two numbers.

    ## Why
    The product of two 500 x 500 matrices takes 125 million rounds of such a nest, each with three index operations and
    two boxed numbers: half a minute and more. `A @ B` calls the BLAS that NumPy was built with, which works on blocks
    that stay in the cache, in milliseconds.

    ## Fix safety
    Safe where both factors and the place that is stored to have one proven integer dtype (or all are bool) and the
    dimensions are proven: sums of integers are the same in any order, and they wrap around as they do in the loop.
    Dtypes other than int64 also need NumPy 2 as the target. Unsafe for floats: `@` makes the sums in another order and
    with fused operations (about 1e-14 relative in float64), as well as where dimensions, dtypes or the absence of
    shared memory are not proven. No fix where products of floats are added to an array of integers, and where the
    product of truth values is counted.

    The variables of the loops go with it: no fix where they are read afterwards.

    ## Known limits
    Sees two or three loops over ranges (or over a vector) in any order around `C[i, j] += A[i, k] * B[k, j]`, also
    with a total of its own in front of the innermost loop, with a factor that was given a name there, and with
    `sum(... for k in range(n))`. A factor may be an elementwise expression: `(A[i, k] - m[k]) * B[k, j]`. Triangles and
    bands, batches of matrices, lists of lists and tensors are left alone.

    ## References
    - NumPy documentation, `numpy.matmul`.
    - K. Goto and R. A. van de Geijn, "Anatomy of high-performance matrix multiplication", ACM Transactions on
      Mathematical Software 34(3), 2008.
    """

    code, name = "ML105", "matmul-loop-nest"
    libraries = ("numpy",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Loop(STORE, UPDATE),)
    examples = (
        Example(
            given=SETUP,
            bad=f"C = np.zeros((20, 10))\n{TRIPLE}C[i, j] += A[i, k] * B[k, j]",
            good="C = np.zeros((20, 10))\nC += A @ B",
            equal="C",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=WHOLE,
            bad=f"C = np.zeros((20, 10), dtype=np.int64)\n{TRIPLE}C[i, j] += A[i, k] * B[k, j]",
            good="C = np.zeros((20, 10), dtype=np.int64)\nC += A @ B",
            equal="C",
            safety="safe",
            note="sums of integers wrap around alike in any order",
        ),
        Example(
            given=SETUP,
            bad=(
                "C = np.empty((20, 10))\nfor i in range(len(A)):\n    for j in range(B.shape[1]):\n        total = 0\n"
                "        for k in range(len(B)):\n            total += A[i][k] * B[k][j]\n        C[i][j] = total"
            ),
            good="C = np.empty((20, 10))\nC[:] = A @ B",
            equal="C",
            close=True,
            safety="unsafe",
            note="a total of its own",
        ),
        Example(
            given=SETUP,
            bad=(
                "C = np.empty((20, 10))\nfor i in range(20):\n    for j in range(10):\n        C[i, j] = 0.0\n"
                "        for k in range(30):\n            C[i, j] = C[i, j] + A[i, k] * B[k, j]"
            ),
            good="C = np.empty((20, 10))\nC[:] = A @ B",
            equal="C",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=SETUP,
            bad=(
                "C = np.zeros((20, 10))\nfor i in range(20):\n    for k in range(30):\n        a = A[i, k]\n"
                "        for j in range(10):\n            C[i, j] -= a * B[k, j]"
            ),
            good="C = np.zeros((20, 10))\nC -= A @ B",
            equal="C",
            close=True,
            safety="unsafe",
            note="the order that goes through the memory in a row, with a factor that has a name",
        ),
        Example(
            given=SETUP,
            bad=(
                "C = np.empty((20, 10))\nfor i in range(20):\n    for j in range(10):\n"
                "        C[i, j] = sum(A[i, k] * B[k, j] for k in range(30))"
            ),
            good="C = np.empty((20, 10))\nC[:] = A @ B",
            equal="C",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=SETUP,
            bad="y = np.ones(20)\nfor i in range(20):\n    for j, v in enumerate(x):\n        y[i] += A[i, j] * v",
            good="y = np.ones(20)\ny += A @ x",
            equal="y",
            close=True,
            safety="unsafe",
            note="a matrix and a vector",
        ),
        Example(
            given=SETUP,
            bad=(
                "u = np.random.normal(size=20)\ny = np.zeros(30)\nfor j in range(30):\n    for i in range(20):\n"
                "        y[j] += A[i, j] * u[i]"
            ),
            good="u = np.random.normal(size=20)\ny = np.zeros(30)\ny += u @ A",
            equal="y",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=SETUP,
            bad=f"D = np.zeros((10, 20))\n{TRIPLE}D[j, i] += 2 * A[i, k] * B[k, j]",
            good="D = np.zeros((10, 20))\nD += 2 * (A @ B).T",
            equal="D",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=SETUP,
            bad=(
                "m = A.mean(axis=0)\nC = np.zeros((30, 30))\nfor i in range(30):\n    for j in range(30):\n"
                "        for k in range(20):\n            C[i, j] += (A[k, i] - m[i]) * (A[k, j] - m[j])"
            ),
            good="m = A.mean(axis=0)\nC = np.zeros((30, 30))\nC += (A.T - m[:30, None]) @ (A - m[:30])",
            equal="C",
            close=True,
            safety="unsafe",
            note="a covariance",
        ),
        Example(
            given=SETUP,
            bad=(
                "def product(A: np.ndarray, B: np.ndarray):\n    n, p = A.shape\n    m = B.shape[1]\n"
                "    C = np.zeros((n, m))\n    for i in range(n):\n        for j in range(m):\n"
                "            for k in range(p):\n                C[i, j] += A[i, k] * B[k, j]\n    return C\n"
                "C = product(A, B)"
            ),
            good=(
                "def product(A: np.ndarray, B: np.ndarray):\n    n, p = A.shape\n    m = B.shape[1]\n"
                "    C = np.zeros((n, m))\n    C += A @ B[:p]\n    return C\n"
                "C = product(A, B)"
            ),
            equal="C",
            close=True,
            safety="unsafe",
            note="more rows of B than A has columns are not read, as in the loop",
        ),
        Example(
            given=SETUP,
            bad=(
                "class Layer:\n    def __init__(self):\n        self.W = np.ones((20, 30))\n"
                "        self.out = np.zeros(20)\n    def forward(self):\n        for i in range(20):\n"
                "            for j in range(30):\n                self.out[i] += self.W[i, j] * x[j]\n"
                "layer = Layer()\nlayer.forward()"
            ),
            good=(
                "class Layer:\n    def __init__(self):\n        self.W = np.ones((20, 30))\n"
                "        self.out = np.zeros(20)\n    def forward(self):\n"
                "        self.out[:20] += self.W[:20, :30] @ x\n"
                "layer = Layer()\nlayer.forward()"
            ),
            equal="layer.out",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=SETUP,
            bad=(
                "C = np.zeros((20, 10))\ndef add():\n    for i in range(20):\n        for j in range(10):\n"
                "            for k in range(30):\n                C[i, j] += A[i, k] * B[k, j]\nadd()"
            ),
            good="C = np.zeros((20, 10))\ndef add():\n    C[:] += A @ B\nadd()",
            equal="C",
            close=True,
            safety="unsafe",
            note="`C += ...` would make a local variable of `C`",
        ),
        Example(
            given=WHOLE,
            bad=f"C = np.zeros((20, 10), dtype=np.int64)\n{TRIPLE}C[i, j] += 0.5 * A[i, k] * B[k, j]",
            note="an array of integers takes no floats at once: no fix",
        ),
        Example(
            given=WHOLE + "flags = A > 0\nothers = B > 0\n",
            bad=(
                "C = np.zeros((20, 10), dtype=np.int64)\n"
                f"{TRIPLE}C[i, j] += flags[i, k] * others[k, j]"
            ),
            note="`@` does not count truth values: no fix",
        ),
        Example(
            given=SETUP,
            bad=f"C = np.zeros((20, 10))\n{TRIPLE}C[i, j] += A[i, k] * B[k, j]\nprint(k)",
            note="the counter is read later: no fix",
        ),
        Example(
            given=SETUP,
            bad=(
                "y = np.zeros(20)\nfor i in range(20):\n    s = 0\n    for j in range(30):\n"
                "        s += A[i, j] * x[j]\n    y[i] = s\nprint(s)"
            ),
            note="the total is read later: no fix",
        ),
        Example(
            given=SETUP,
            bad=f"C = np.zeros((20, 10))\n{TRIPLE}# row by column\n            C[i, j] += A[i, k] * B[k, j]",
            note="the comment would be lost: no fix",
        ),
        Example(
            given="import numpy as np\nA = np.ma.zeros((20, 30))\nB = np.zeros((30, 10))\n",
            ok=f"C = np.zeros((20, 10))\n{TRIPLE}C[i, j] += A[i, k] * B[k, j]",
            note="a masked array",
        ),
        Example(given=SETUP, ok="C = A @ B"),
        Example(given=SETUP, ok=f"C = [[0] * 10 for _ in range(20)]\n{TRIPLE}C[i][j] += A[i, k] * B[k, j]"),
        Example(
            given="import numpy as np\nA = [[1, 2], [3, 4]]\nB = [[1, 2], [3, 4]]\n",
            ok=f"C = np.zeros((20, 10))\n{TRIPLE}C[i, j] += A[i][k] * B[k][j]",
            note="lists of lists",
        ),
        Example(
            given="import numpy as np\nimport torch\nA = torch.rand(20, 30)\nB = torch.rand(30, 10)\n",
            ok=f"C = torch.zeros(20, 10)\n{TRIPLE}C[i, j] += A[i, k] * B[k, j]",
        ),
        Example(given=SETUP, ok=f"C = np.zeros((20, 10))\n{TRIPLE}C[i, j] += A[i, k] + B[k, j]"),
        Example(
            given=SETUP,
            ok=f"C = np.zeros((20, 10))\n{TRIPLE}C[i, j] = max(C[i, j], A[i, k] * B[k, j])",
            note="another semiring",
        ),
        Example(
            given=SETUP,
            ok=(
                "C = np.zeros((20, 10))\nfor i in range(20):\n    for j in range(10):\n"
                "        for k in range(i, 30):\n            C[i, j] += A[i, k] * B[k, j]"
            ),
            note="a triangle",
        ),
        Example(
            given=SETUP,
            ok=(
                "C = np.zeros((20, 10))\nfor i in range(20):\n    for j in range(10):\n        for k in range(30):\n"
                "            if k != i:\n                C[i, j] += A[i, k] * B[k, j]"
            ),
        ),
        Example(
            given="import numpy as np\nW = np.random.rand(20, 20)\nB = np.random.rand(20, 20)\n",
            ok=(
                "for i in range(20):\n    for j in range(20):\n        for k in range(20):\n"
                "            W[i, j] += W[i, k] * B[k, j]"
            ),
            note="reads what other rounds have stored",
        ),
        Example(
            given=SETUP,
            ok=(
                "C = np.zeros((20, 10))\nD = C[:, ::-1]\nfor i in range(20):\n    for j in range(10):\n"
                "        for k in range(10):\n            C[i, j] += D[i, k] * B[k, j]"
            ),
            note="a view of what is stored to",
        ),
        Example(
            given=SETUP,
            ok=(
                "y = np.zeros(20)\nfor i in range(20):\n    for j in range(30):\n"
                "        y[i] += A[i, j] * A[i, j]"
            ),
            note="sums of squares of rows are no matrix product",
        ),
        Example(
            given=SETUP,
            ok=(
                "C = np.zeros((20, 10))\nfor i in range(20):\n    for j in range(10):\n        s = 0\n"
                "        for k in range(30):\n            s += A[i, k] * B[k, j] * s\n        C[i, j] = s"
            ),
            note="compound interest",
        ),
        Example(
            given=SETUP + "import numba\n",
            ok=(
                "@numba.njit\ndef f(A, B):\n    C = np.zeros((20, 10))\n    for i in range(20):\n"
                "        for j in range(10):\n            for k in range(30):\n"
                "                C[i, j] += A[i, k] * B[k, j]\n    return C"
            ),
        ),
        Example(
            given=(
                "import numpy as np\nn = 1000\nA = np.random.normal(size=(n, 10))\n"
                "B = np.random.normal(size=(10, 10))\n"
            ),
            bad=(
                "C = np.zeros((n, 10))\nfor i in range(n):\n    for j in range(10):\n        for k in range(10):\n"
                "            C[i, j] += A[i, k] * B[k, j]"
            ),
            good="C = np.zeros((n, 10))\nC += A @ B",
            equal="C",
            close=True,
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.For)
        found = ctx.contractions.of(node)
        if found is None or ctx.contractions.around(node) is not found:
            return
        left, right = (_written(factor, ctx) for factor in (found.left, found.right))
        text: str | None = None
        place = ctx.stored_at(found.target, update=found.op != "=")
        if left is not None and right is not None:
            text = f"{place} {found.op} {_scaled(_product(left, right), found, ctx)}"
        fix = ctx.loop_fix(found.nest, text, found.obstacles, safe=not found.doubts, names=found.names)
        factors = " and ".join(f"`{_array(factor, ctx)}`" for factor in (found.left, found.right))
        yield ctx.finding(
            node,
            f"this nest of loops is a matrix product: it multiplies {factors} number by number in the interpreter",
            f"use `{text}`" if text is not None else "use `@`",
            fix,
        )


def _written(factor: Factor, ctx: Context) -> str | None:
    text = ctx.substituted(factor.lifted.node, factor.lifted.replacements)
    atom = isinstance(factor.lifted.node, (ast.Subscript, ast.Name, ast.Attribute, ast.Call))
    return text if text is None or atom else f"({text})"


def _product(left: str, right: str) -> str:
    """`left @ right`; of two transposed matrices the product of the matrices, transposed."""
    if left.endswith(".T") and right.endswith(".T"):
        return f"({right.removesuffix('.T')} @ {left.removesuffix('.T')}).T"
    return f"{left} @ {right}"


def _scaled(product: str, found: Contraction, ctx: Context) -> str:
    if not found.scales:
        return product
    product = product if product.endswith(".T") else f"({product})"
    return " * ".join([*(ctx.text(scale) for scale in found.scales), product])


def _array(factor: Factor, ctx: Context) -> str:
    return ctx.short(factor.lifted.operands[0].array)
