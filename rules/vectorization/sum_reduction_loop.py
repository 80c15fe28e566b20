from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import (
    TOTAL,
    Context,
    Example,
    Finding,
    Lifted,
    Loop,
    Nest,
    NotElementwise,
    Place,
    Rule,
    Safety,
    dot_total,
    innermost,
)

NUMPY = "import numpy as np\n"
ARRAYS = NUMPY + "a = np.random.normal(size=100)\nb = np.random.normal(size=100)\n"
INTEGERS = NUMPY + "k = np.random.randint(0, 50, size=100)\nflags = np.random.rand(100) < 0.3\n"


class SumReductionLoop(Rule):
    """A loop that adds up the elements of an array does in the interpreter what `np.sum` does in one pass.

    ## Why
    Each round boxes one element, looks up `+` and makes a new number. `np.sum` adds in compiled code, and for floats it
    adds pairwise: the rounding error grows with the logarithm of the number of elements, that of the loop with the
    number itself.

    ## Fix safety
    Safe for arrays of a proven integer or bool dtype that are proven not to be empty, and a total that starts at a
    Python int: the sum, its wrap-around and its type are the same. Unsafe for floats, whose sum depends on the order of
    the additions (about 1e-15 relative in float64), where dimensions or dtypes are not proven, and where there may be
    no elements: the total is then a NumPy zero, and no longer the Python int that it started at.

    ## Known limits
    A total that is stored into a matrix or a vector of products (`C[i, j] = s`) belongs to matmul-loop-nest, that of
    the products of two arrays to dot-product-loop.

    ## References
    - N. J. Higham, "The accuracy of floating point summation", SIAM Journal on Scientific Computing 14(4), 1993.
    - NumPy documentation, `numpy.sum`, notes on pairwise summation.
    """

    code, name = "ML102", "sum-reduction-loop"
    libraries = ("numpy",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Loop(TOTAL),)
    examples = (
        Example(
            given=ARRAYS,
            bad="s = 0.0\nfor i in range(len(a)):\n    s += a[i]",
            good="s = 0.0\ns += np.sum(a)",
            equal="s",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=INTEGERS,
            bad="s = 0\nfor x in k:\n    s += x",
            good="s = 0\ns += np.sum(k)",
            equal="s",
            safety="safe",
        ),
        Example(
            given=INTEGERS,
            bad="s = 0\nfor f in flags:\n    s = s + f",
            good="s = 0\ns += np.sum(flags)",
            equal="s",
            safety="safe",
        ),
        Example(
            given=INTEGERS + "small = k.astype(np.uint8)\n",
            targets={"numpy": "2.2"},
            bad="s = 0\nfor x in small:\n    s += x",
            good="s = 0\ns += np.sum(small, dtype=small.dtype)",
            equal="s",
            safety="safe",
            note="wraps around at 256, as the loop does",
        ),
        Example(
            given=INTEGERS,
            bad="s = 5\nfor x in k:\n    s -= x * 2",
            good="s = 5\ns -= np.sum(k * 2)",
            equal="s",
            safety="safe",
        ),
        Example(
            given=INTEGERS,
            bad="p = 1\nfor x in k:\n    p = x * p",
            good="p = 1\np *= np.prod(k)",
            equal="p",
            safety="safe",
            note="wraps around at 2**63, as the loop does",
        ),
        Example(
            given=ARRAYS,
            bad="loss = 0\nfor x, y in zip(a, b):\n    loss += np.abs(x - y)\nloss = loss / len(a)",
            good="loss = 0\nloss += np.sum(np.abs(a - b))\nloss = loss / len(a)",
            equal="loss",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=ARRAYS,
            bad="p = 1.0\nfor i, x in enumerate(a):\n    p *= 1 + x / (i + 5)",
            good="p = 1.0\np *= np.prod(1 + a / (np.arange(len(a)) + 5))",
            equal="p",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=NUMPY + "X = np.random.normal(size=(20, 30))\n",
            bad=(
                "def energy(X):\n    n, m = X.shape\n    return n * m\n"
                "total = 0.0\nfor i in range(20):\n    for j in range(30):\n        total += X[i, j] ** 2"
            ),
            good="def energy(X):\n    n, m = X.shape\n    return n * m\ntotal = 0.0\ntotal += np.sum(X ** 2)",
            equal="total",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=NUMPY,
            bad=(
                "def norm(x: np.ndarray):\n    s = 0\n    for v in x:\n        s += v * v\n    return s\n"
                "y = norm(np.random.normal(size=30))"
            ),
            good=(
                "def norm(x: np.ndarray):\n    s = 0\n    s += np.sum(x * x, axis=0)\n    return s\n"
                "y = norm(np.random.normal(size=30))"
            ),
            equal="y",
            close=True,
            safety="unsafe",
            note="rows of a matrix add up along the first axis as well",
        ),
        Example(
            given=INTEGERS,
            bad="s = True\nfor f in flags:\n    s += f",
            good="s = True\ns += np.sum(flags)",
            equal="bool(s)",
            safety="unsafe",
            note="truth values add up to a truth value",
        ),
        Example(
            given=NUMPY,
            bad=(
                "def total(n: int):\n    k = np.arange(n)\n    s = 0\n    for x in k:\n        s += x\n    return s\n"
                "y = total(9)"
            ),
            good="def total(n: int):\n    k = np.arange(n)\n    s = 0\n    s += np.sum(k)\n    return s\ny = total(9)",
            equal="y",
            safety="unsafe",
            note="total(0) would be a NumPy zero",
        ),
        Example(
            given=INTEGERS,
            bad="class Counted:\n    s = 0\n    for x in k:\n        s += x",
            note="`x` is an attribute of the class: no fix",
        ),
        Example(
            given=INTEGERS,
            bad="def f():\n    global x\n    s = 0\n    for x in k:\n        s += x\n    return s",
            note="`x` is read by others: no fix",
        ),
        Example(
            given=ARRAYS,
            bad="s = 0.0\nfor x in a:\n    s += x\nprint(x)",
            note="the element is read later: no fix",
        ),
        Example(
            given=NUMPY,
            bad="def f(a: np.ndarray, w):\n    s = 0.0\n    for x in a:\n        s += x * w\n    return s",
            note="`w` may be an array: no fix",
        ),
        Example(given=ARRAYS, ok="s = 0.0\nfor x in a:\n    s += x * b", note="a sum of arrays"),
        Example(given=ARRAYS, ok="s = 0.0\nfor x in [1.0, 2.0]:\n    s += x"),
        Example(given=ARRAYS, ok="s = 0.0\nfor x in a:\n    s += s * x", note="compound interest"),
        Example(given=ARRAYS, ok="s = ''\nfor x in a:\n    s += str(x)"),
        Example(given=ARRAYS, ok="s = []\nfor x in a:\n    s += [x]"),
        Example(given=ARRAYS, ok="def f(model):\n    s = 0.0\n    for x in a:\n        s += model(x)\n    return s"),
        Example(given=ARRAYS, ok="s = 0.0\nfor x in a:\n    s += x\n    if s > 3:\n        break"),
        Example(given=ARRAYS, ok="s = 0.0\nfor x in (a, b):\n    s += x.sum()", note="a list of arrays"),
        Example(given="import torch\nimport numpy as np\nt = torch.rand(50)\n", ok="s = 0.0\nfor x in t:\n    s += x"),
        Example(given=ARRAYS, ok="s = np.zeros(3)\nfor x in a:\n    s += x", note="the total is an array"),
        Example(given=ARRAYS, ok="s = 0\nfor i in range(20):\n    for j in range(20):\n        s += a[i]"),
        Example(
            given="import numpy as np\nn = 1000\na = np.random.normal(size=n)\nb = np.random.normal(size=n)\n",
            bad="total = 0.0\nfor x in a:\n    total += x * x",
            good="total = 0.0\ntotal += np.sum(a * a)",
            equal="total",
            close=True,
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.For)
        found = self._read(node, ctx)
        if found is None:
            return
        outer = ctx.model.counted.outer(node)
        if outer is not None and self._read(outer, ctx) is not None:
            return
        if ctx.contractions.around(node) is not None:  # that is for matmul-loop-nest to say
            return
        if dot_total(ctx.elementwise, node) is not None:  # that is for dot-product-loop to say
            return
        nest, statement, name, op, start, lifted = found
        value = ctx.substituted(lifted.node, lifted.replacements)
        called = "prod" if op == "*" else "sum"
        spelled, _ = ctx.names.spell(f"numpy.{called}", node)
        doubtful = bool(lifted.doubts) or not lifted.scalar or type(start) is not int
        doubtful = doubtful or not ctx.elementwise.runs(nest.axes)  # the total would stay a Python int
        arguments = value
        if not lifted.scalar:
            arguments = f"{value}, axis=0"
        elif lifted.dtype in ("uint8", "int8", "int16", "int32"):
            if lifted.operations or lifted.counters:
                doubtful = True
            else:
                arguments = f"{value}, dtype={value}.dtype"
        elif lifted.dtype not in ("int64", "bool"):
            doubtful = True
        text = f"{name} {op}= {spelled}({arguments})"
        new = text if value is not None else None
        fix = ctx.loop_fix(nest, new, [*lifted.obstacles, *lifted.unproven], safe=not doubtful)
        over = ctx.short(next(o for o in lifted.operands if o.pattern != ("whole",)).array)
        verb = "multiplies" if op == "*" else "adds up"
        yield ctx.finding(
            node,
            f"`{ctx.short(statement, 60)}` {verb} the elements of `{over}` one by one in the interpreter",
            f"use `{text}`" if value is not None else f"use `{spelled}`",
            fix,
        )

    def _read(self, node: ast.For, ctx: Context) -> tuple[Nest, ast.stmt, str, str, int | float, Lifted] | None:
        inner = innermost(node)
        if len(inner) != 1 or _updated(inner[0]) is None:
            return None
        nest = ctx.elementwise.nest(node)
        if nest is None or len(nest.body) != 1:
            return None
        statement = nest.body[0]
        updated = _updated(statement)
        if updated is None:
            return None
        name, op, value = updated
        start = self._start(node, name, statement, ctx)
        if start is None or name in nest.names or ctx.elementwise.mentions(value, ast.Name(name, ast.Load())):
            return None
        try:
            lifted = ctx.elementwise.lift(value, nest.axes)
        except NotElementwise:
            return None
        places = {p.axis for o in lifted.operands for p in o.pattern if isinstance(p, Place)}
        if lifted.wholes or (not lifted.scalar and len(set(lifted.rests)) > 1):
            return None
        if not places or places | lifted.counters != set(range(len(nest.axes))):
            return None
        if not lifted.scalar and len(nest.axes) > 1:
            return None
        return nest, statement, name, op, start, lifted

    def _start(self, loop: ast.For, name: str, statement: ast.stmt, ctx: Context) -> int | float | None:
        """The number that the total starts at."""
        start: int | float | None = None
        for binding in ctx.reaching.at(loop, name):
            if binding.node is statement:
                continue  # an outer loop goes on adding
            value = binding.value
            if binding.how != "assign" or binding.path or not isinstance(value, ast.Constant):
                return None
            if not isinstance(value.value, (int, float)):
                return None
            if start is None or type(value.value) is not int:
                start = value.value
        return start


def _updated(statement: ast.stmt) -> tuple[str, str, ast.expr] | None:
    """`s += E`, `s = s + E` and the like: the name, the operator and E."""
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        op = _OPERATORS.get(type(statement.op))
        return None if op is None else (statement.target.id, op, statement.value)
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.value, ast.BinOp):
        target, value = statement.targets[0], statement.value
        op = _OPERATORS.get(type(value.op))
        if isinstance(target, ast.Name) and op is not None:
            if isinstance(value.left, ast.Name) and value.left.id == target.id:
                return target.id, op, value.right
            if isinstance(value.right, ast.Name) and value.right.id == target.id and op != "-":
                return target.id, op, value.left
    return None


_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
