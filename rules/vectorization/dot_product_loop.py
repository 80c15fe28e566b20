from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import (
    TOTAL,
    Call,
    Context,
    Dot,
    Example,
    Finding,
    Loop,
    NotElementwise,
    Rule,
    Safety,
    dot_product,
    dot_total,
    is_product,
)

NUMPY = "import numpy as np\n"
ARRAYS = NUMPY + "a = np.random.normal(size=100)\nb = np.random.normal(size=100)\n"
INTEGERS = NUMPY + "j = np.random.randint(-9, 9, size=100)\nk = np.random.randint(-9, 9, size=100)\n"


class DotProductLoop(Rule):
    """A loop that adds up the products of two arrays' elements is their dot product.

    ## Why
    Each round boxes two elements, multiplies and adds in the interpreter. `a @ b` calls BLAS, which multiplies and adds
    several elements with one instruction and makes no array of the products.

    ## Fix safety
    Safe for arrays of one integer dtype, of proven and equal length, and a total that starts at an int: integers wrap
    around in the same way in any order. Floats differ in the last digits, since BLAS adds in another order, and may
    fuse a product and a sum into one rounding: unsafe. Unsafe as well where dimensions or dtypes are not proven, or
    where there may be no elements: the total is then a NumPy zero, and no longer the Python int that it started at.

    ## References
    - NumPy documentation, `numpy.dot`.
    - G. H. Golub, C. F. Van Loan, "Matrix Computations", section 2.7, on the rounding of dot products.

    ## Known limits
    A sum of squares (`s += x * x`) belongs to sum-reduction-loop, and nests that fill a matrix or a vector with sums of
    products belong to matmul-loop-nest. There is no finding for `zip` of arrays whose lengths are not proven equal,
    since it stops at the shorter one.
    """

    code, name = "ML115", "dot-product-loop"
    libraries = ("numpy",)
    version_guards = False  # no version makes the loop any better
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Loop(TOTAL), Call("sum"))
    examples = (
        Example(
            given=INTEGERS,
            bad="s = 0\nfor i in range(len(j)):\n    s += j[i] * k[i]",
            good="s = 0\ns += j @ k",
            equal="s",
            safety="safe",
        ),
        Example(
            given=INTEGERS,
            bad="s = 5\nfor x, y in zip(j, k):\n    s = s - (x + 1) * y",
            good="s = 5\ns -= (j + 1) @ k",
            equal="s",
            safety="safe",
        ),
        Example(
            given=INTEGERS,
            bad="s = sum(x * y for x, y in zip(j, k))",
            good="s = j @ k",
            equal="s",
            safety="safe",
        ),
        Example(
            given=INTEGERS,
            bad="s = 2 * sum([j[i] * k[i] for i in range(100)])",
            good="s = 2 * (j @ k)",
            equal="s",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="s = 0.0\nfor i in range(len(a)):\n    s += a[i] * b[i]",
            good="s = 0.0\ns += a @ b",
            equal="s",
            close=True,
            safety="unsafe",
            note="sums in another order",
        ),
        Example(
            given=ARRAYS + "w = np.random.rand(100)\n",
            bad="s = 0\nfor i, x in enumerate(a):\n    s = w[i] * (x - 1) * b[i] + s",
            good="s = 0\ns += (w * (a - 1)) @ b",
            equal="s",
            close=True,
            safety="unsafe",
            note="the first two factors are multiplied as the loop does",
        ),
        Example(
            given=ARRAYS,
            bad="s = 0.0\nfor i in range(1, 100):\n    s += (a[i] - a[i - 1]) * b[i]",
            good="s = 0.0\ns += (a[1:] - a[:-1]) @ b[1:]",
            equal="s",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=NUMPY,
            bad=(
                "def dot(x: np.ndarray, y: np.ndarray):\n    s = 0\n    for i in range(len(x)):\n"
                "        s += x[i] * y[i]\n    return s\nr = dot(np.arange(4), np.arange(4))"
            ),
            good=(
                "def dot(x: np.ndarray, y: np.ndarray):\n    s = 0\n    s += x @ y[:len(x)]\n"
                "    return s\nr = dot(np.arange(4), np.arange(4))"
            ),
            equal="r",
            safety="unsafe",
            note="the annotations tell neither dimensions nor dtypes",
        ),
        Example(
            given=NUMPY,
            bad=(
                "def dot(n: int):\n    x = np.arange(n)\n    y = x + 1\n    return sum(x[i] * y[i] for i in range(n))\n"
                "r = dot(9)"
            ),
            good="def dot(n: int):\n    x = np.arange(n)\n    y = x + 1\n    return x[:n] @ y[:n]\nr = dot(9)",
            equal="r",
            safety="unsafe",
            note="the sum of nothing would be NumPy's zero",
        ),
        Example(
            given=INTEGERS,
            bad="s = 0\nfor i in range(100):\n    # weighted\n    s += j[i] * k[i]",
            note="the comment would be lost: no fix",
        ),
        Example(
            given=INTEGERS,
            bad="s = 0\nfor i in range(100):\n    s += j[i] * k[i]\nprint(i)",
            note="the counter is read later: no fix",
        ),
        Example(
            given=ARRAYS,
            bad="def f(c):\n    s = 0.0\n    for i in range(100):\n        s += c * a[i] * b[i]\n    return s",
            note="the factor may be anything: no fix",
        ),
        Example(given=NUMPY, ok="s = 0\nfor x, y in zip([1, 2], [3, 4]):\n    s += x * y", note="lists"),
        Example(
            given=NUMPY,
            ok="def f(x: np.ndarray, y: np.ndarray):\n    return sum(p * q for p, q in zip(x, y))",
            note="zip may stop before the end of one of them",
        ),
        Example(given=ARRAYS, ok="s = 0.0\nfor x in a:\n    s += x * x", note="for sum-reduction-loop to say"),
        Example(given=ARRAYS, ok="s = 0.0\nfor i in range(100):\n    s += a[i] * i", note="likewise"),
        Example(given=ARRAYS, ok="s = 0.0\nfor i in range(100):\n    s += a[i] * s * b[i]", note="reads the total"),
        Example(
            given=ARRAYS, ok="s = np.zeros(3)\nfor i in range(100):\n    s += a[i] * b[i]", note="adds to an array"
        ),
        Example(given=ARRAYS, ok="s = sum(x * y for x, y in zip(a, b) if x > 0)"),
        Example(given=ARRAYS, ok="s = sum((x * y for x, y in zip(a, b)), 3.0)", note="with a start of its own"),
        Example(given=ARRAYS, ok="s = sum(x * y for x in a for y in b)"),
        Example(given=ARRAYS, ok="s = 0.0\nfor i in range(99):\n    s += a[i] * b[98 - i]", note="a convolution"),
        Example(
            given=NUMPY + "p = np.random.rand(100) < 0.5\nq = np.random.rand(100) < 0.5\n",
            ok="n = 0\nfor i in range(100):\n    n += p[i] * q[i]",
            note="`p @ q` tells whether there is any",
        ),
        Example(
            given=NUMPY + "X = np.random.rand(20, 30)\nw = np.random.rand(20)\n",
            ok="s = 0.0\nfor i in range(20):\n    s += w[i] * X[i]",
            note="a sum of rows",
        ),
        Example(
            given="import torch\nimport numpy\na = torch.rand(50)\nb = torch.rand(50)\n",
            ok="s = 0.0\nfor i in range(50):\n    s += a[i] * b[i]",
        ),
        Example(
            given=ARRAYS,
            ok="def f(g):\n    s = 0.0\n    for i in range(100):\n        s += g(a[i]) * b[i]\n    return s",
        ),
        Example(
            given="import numpy as np\nn = 1000\na = np.random.normal(size=n)\nb = np.random.normal(size=n)\n",
            bad="s = 0.0\nfor x, y in zip(a, b):\n    s += x * y",
            good="s = 0.0\ns += a @ b",
            equal="s",
            close=True,
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if isinstance(node, ast.Call):
            yield from self._call(node, ctx)
        elif isinstance(node, ast.For):
            yield from self._loop(node, ctx)

    def _call(self, node: ast.Call, ctx: Context) -> Iterator[Finding]:
        if len(node.args) != 1 or node.keywords or not isinstance(node.args[0], (ast.GeneratorExp, ast.ListComp)):
            return
        product, clauses = node.args[0].elt, node.args[0].generators
        if not isinstance(product, ast.BinOp) or not is_product(product) or len(clauses) != 1:
            return
        if clauses[0].ifs or clauses[0].is_async or not ctx.elementwise.plausible(product):
            return
        axis = ctx.model.counted.axis(clauses[0].target, clauses[0].iter)
        if axis is None or axis.short or ctx.flow.compiled(node):
            return
        loop = next((ancestor for ancestor in ctx.tree.ancestors(node) if isinstance(ancestor, ast.For)), None)
        if loop is not None and ctx.contractions.around(loop) is not None:  # for matmul-loop-nest to say
            return
        try:
            dot = dot_product(ctx.elementwise, product, axis)
        except NotElementwise:
            return
        fix = None
        if not dot.obstacles:
            safety = Safety.UNSAFE if dot.doubts else Safety.SAFE
            fix = ctx.fix(lambda: ctx.edits.replace(node, dot.text), safety, f"Replace by `{dot.text}`")
        yield ctx.finding(node, self._message(dot, ctx), f"use `{dot.text}`", fix)

    def _loop(self, node: ast.For, ctx: Context) -> Iterator[Finding]:
        found = dot_total(ctx.elementwise, node)
        if found is None or ctx.contractions.around(node) is not None:
            return
        dot = found.dot
        text = f"{found.name} {found.op}= {dot.text}"
        fix = ctx.loop_fix(found.nest, text, dot.obstacles, safe=True, doubts=dot.doubts)
        yield ctx.finding(node, self._message(dot, ctx), f"use `{text}`", fix)

    def _message(self, dot: Dot, ctx: Context) -> str:
        arrays = [
            next(operand.array for operand in side.operands if operand.pattern != ("whole",))
            for side in (dot.left, dot.right)
        ]
        names = " and ".join(f"`{ctx.short(array)}`" for array in arrays)
        return f"the products of {names} are added up one by one in the interpreter"
