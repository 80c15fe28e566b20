from __future__ import annotations

import ast

from mlint.rule import Context, Example, Match, PatternRule, Safety, walk

TORCH = "import torch\nimport torch.nn.functional as F\nx = torch.rand(100) * 10 ** torch.randint(-9, 3, (100,))\n"
NUMPY = "import numpy as np\nx = np.random.rand(100) * 10.0 ** np.random.randint(-15, 3, 100)\n"
TENSORFLOW = "import numpy as np\nimport tensorflow as tf\nx = tf.constant(np.random.rand(100) * 1e-3)\n"
JAX = "import jax\nimport jax.numpy as jnp\nimport numpy as np\nx = jnp.asarray(np.random.rand(100))\n"
_DEPTH = 12
_KEEPING_WHOLE = frozenset(
    "abs float double half to type astype clone contiguous copy flatten ravel reshape view permute transpose unsqueeze "
    "squeeze expand repeat tile stack cat concatenate meshgrid ndgrid cpu cuda".split()
)


class LogOnePlus(PatternRule):
    """`log(1 + x)` rounds x away before it takes the logarithm; `log1p(x)` does not.

    ## Why
    `1 + x` keeps only those digits of a small x that fit next to the 1. With x = 1e-10 the result of
    `np.log(1 + x)` is right in 7 digits of 16, and in float32 it is 0; `np.log1p(x)` has all of them.
    `log(1 + exp(x))` overflows as well, in float32 from x = 88.8 on: that is a softplus, which the libraries compute
    without forming the large number.

    ## Fix safety
    Safe: equal up to rounding, and closer to the exact value for small x. Unsafe where the dtype of the result could
    change: NumPy takes the logarithm of truth values and small integers in float16, so `np.log(1 + x)` of an array of
    bool and `np.log1p(x)` differ, unless x is seen to be of floating point. `softplus` and `logaddexp` take no complex
    numbers, and those of PyTorch and TensorFlow no integers: unsafe where x could be such. PyTorch's `softplus` returns
    x itself above 20, which is off by up to 2.1e-9: safe for float32 and shorter, where that is less than a digit.

    ## References
    - D. Goldberg, "What Every Computer Scientist Should Know About Floating-Point Arithmetic", ACM Computing Surveys
      23(1), 1991, theorem 4.
    - NumPy documentation, `numpy.log1p`; PyTorch documentation, `torch.log1p` and `torch.nn.Softplus`.

    ## When to ignore
    Where x counts things (and is a whole number), both forms give the same.
    """

    code, name = "ML503", "log-one-plus"
    libraries = ("torch", "numpy", "tensorflow", "keras", "jax")
    patterns = {
        "torch.log(1 + torch.exp($x))": "torch.nn.functional.softplus($x)",
        "torch.log1p(torch.exp($x))": "torch.nn.functional.softplus($x)",
        "torch.log(1 + $x)": "torch.log1p($x)",
        "np.log(1 + np.exp($x))": "np.logaddexp(0, $x)",
        "np.log1p(np.exp($x))": "np.logaddexp(0, $x)",
        "np.log(1 + $x, $*rest)": "np.log1p($x, $*rest)",
        "jnp.log(1 + jnp.exp($x))": "jax.nn.softplus($x)",
        "jnp.log1p(jnp.exp($x))": "jax.nn.softplus($x)",
        "jnp.log(1 + $x)": "jnp.log1p($x)",
        "tf.math.log(1 + tf.math.exp($x))": "tf.math.softplus($x)",
        "tf.math.log1p(tf.math.exp($x))": "tf.math.softplus($x)",
        "tf.math.log(1 + $x)": "tf.math.log1p($x)",
        "math.log(1 + $x)": "math.log1p($x)",
    }
    in_tests = False
    safety = (Safety.SAFE, Safety.UNSAFE)
    message = "`{code}` loses the digits of a small `{x}`"

    def describe(self, match: Match) -> str:
        if "exp($x)" in match.pattern:
            return "`{code}` overflows where `{x}` is large"
        return self.message

    def accept(self, match: Match, ctx: Context) -> bool:
        x = match["x"]
        if isinstance(x, ast.Constant) or ctx.is_whole(x) or _rounded(x) or _is_grid(x, ctx):
            return False
        if isinstance(x, ast.Call) and _word(x) == "exp" and _selected(match.node, x, ctx):
            return False  # the whole of `log(1 + exp(x))`, matched as `log(1 + x)`
        if "exp($x)" in match.pattern:
            if _selected(match.node, x, ctx):
                return False
            return not ctx.is_never_positive(x)  # `log1p(exp(-abs(x)))` is the form that cannot overflow
        if match.pattern.startswith("math."):
            return ctx.is_floating(x)  # of a count, as likely as not
        return not _is_smoothed(x) and not _is_of_column(x, ctx)

    def fix_safety(self, match: Match, ctx: Context) -> Safety | None:
        x = match["x"]
        if "exp($x)" in match.pattern:
            if match.pattern.startswith("torch."):
                proven = ctx.kinds.of(x).dtype in ("float16", "bfloat16", "float32")
            else:
                proven = match.pattern.startswith("jnp.") or (ctx.is_floating(x) and ctx.is_real(x))
        else:
            proven = not match.pattern.startswith("np.") or ctx.is_floating(x)
        return super().fix_safety(match, ctx) if proven else Safety.UNSAFE

    examples = (
        Example(
            given=TORCH,
            bad="y = torch.log(1 + x)",
            good="y = torch.log1p(x)",
            equal="y",
            close=True,
        ),
        Example(given=TORCH, ok="y = torch.log(1 + torch.floor(x / 3))", note="whole numbers"),
        Example(
            given="import numpy as np\n",
            bad="def f(z):\n    return np.log(1 + np.exp(z / 2))\ny = f(0.3)",
            good="def f(z):\n    return np.logaddexp(0, z / 2)\ny = f(0.3)",
            equal="y",
            close=True,
            safety="unsafe",
            note="`z / 2` may be complex",
        ),
        Example(
            given=NUMPY,
            bad="y = np.log(1 + np.exp(x / 2))",
            good="y = np.logaddexp(0, x / 2)",
            equal="y",
            close=True,
            safety="safe",
        ),
        Example(given=TORCH, bad="y = (x * 2 + 1.0).log()", good="y = (x * 2).log1p()", equal="y", close=True),
        Example(given=TORCH, bad="y = (1 + x).log()", good="y = x.log1p()", equal="y", close=True),
        Example(
            given=TORCH + "z = x * torch.randn(100)\n",
            bad="y = torch.log(1 + torch.exp(-z))",
            good="y = F.softplus(-z)",
            equal="y",
            close=True,
            better=True,
        ),
        Example(
            given=TORCH + "z = x * torch.randn(100)\n",
            bad="y = torch.log1p(z.exp())",
            good="y = F.softplus(z)",
            equal="y",
            close=True,
            better=True,
        ),
        Example(
            given=NUMPY,
            bad="y = np.log(1 + x, where=x < 9, out=np.zeros(100))  # nats",
            good="y = np.log1p(x, where=x < 9, out=np.zeros(100))  # nats",
            equal="y",
            close=True,
        ),
        Example(
            given=NUMPY,
            bad="y = np.log(x + 1.)",
            good="y = np.log1p(x)",
            equal="y",
            close=True,
            safety="safe",
        ),
        Example(
            given="import numpy as np\n",
            bad="def scale(image):\n    return np.log(1.0 + image)\n",
            good="def scale(image):\n    return np.log1p(image)\n",
            safety="unsafe",
            note="an image may be of uint8",
        ),
        Example(
            given="import numpy as np\n",
            bad="def scale(x):\n    return np.log(1 + x)\n",
            good="def scale(x):\n    return np.log1p(x)\n",
            safety="unsafe",
            note="of truth values, the one gives float64 and the other float16",
        ),
        Example(
            given="import numpy as np\n",
            bad="def scale(x):\n    return np.log(1 + np.sqrt(x))\n",
            good="def scale(x):\n    return np.log1p(np.sqrt(x))\n",
            safety="safe",
        ),
        Example(
            given="import torch\nimport torch.nn.functional as F\n",
            bad="def soft(x: torch.Tensor):\n    return torch.log(1 + torch.exp(x))\n",
            good="def soft(x: torch.Tensor):\n    return F.softplus(x)\n",
            safety="unsafe",
            note="`softplus` takes no integers, and gives float64 above 20 with fewer digits",
        ),
        Example(
            given="from numpy import log, exp\nimport numpy as np\nx = np.random.randn(100) * 900\n",
            bad="y = log(1 + exp(x))",
            good="y = np.logaddexp(0, x)",
            equal="y",
            close=True,
            better=True,
        ),
        Example(
            given="import numpy as np\nimport pandas as pd\nframe = pd.DataFrame({'price': np.random.rand(9) * 100})\n",
            bad="y = np.log(frame['price'] + 1)",
            good="y = np.log1p(frame['price'])",
            equal="y",
            close=True,
        ),
        Example(
            given=TENSORFLOW,
            bad="y = tf.math.log(1.0 + x)",
            good="y = tf.math.log1p(x)",
            equal="y.numpy()",
            close=True,
        ),
        Example(
            given=TENSORFLOW,
            bad="y = tf.math.log(1 + tf.exp(x * 1e6))",
            good="y = tf.math.softplus(x * 1e6)",
            equal="y.numpy()",
            close=True,
            better=True,
        ),
        Example(
            given=JAX,
            bad="y = jnp.log(1 + x)",
            good="y = jnp.log1p(x)",
            equal="np.asarray(y)",
            close=True,
        ),
        Example(
            given=JAX,
            bad="y = jnp.log1p(jnp.exp(x * 100))",
            good="y = jax.nn.softplus(x * 100)",
            equal="np.asarray(y)",
            close=True,
            better=True,
        ),
        Example(
            given="import math\nimport random\nimport numpy as np\n",
            bad="y = [math.log(1 + random.random() * 1e-9 / 3) * 0 for _ in range(3)]",
            good="y = [math.log1p(random.random() * 1e-9 / 3) * 0 for _ in range(3)]",
            equal="y",
        ),
        Example(given="import numpy as np\n", ok="y = [np.log(1 + i) for i in range(9)]"),
        Example(given="import numpy as np\n", ok="def idf(docs):\n    return np.log(len(docs) + 1)\n"),
        Example(given="import math\nimport numpy as np\n", ok="def bits(n):\n    return math.log(1 + n)\n"),
        Example(given="import numpy as np\n", ok="y = np.log(2 + np.random.rand(3))\nz = np.log(1 + 2)"),
        Example(given="import torch\n", ok="def nll(p, y):\n    return -(y * p.log() + (1 - y) * torch.log(1 - p))\n"),
        Example(given="import numpy as np\n", ok="y = np.log10(1 + np.random.rand(3))"),
        Example(
            given="import numpy as np\n",
            ok="def softplus(x):\n    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)\n",
        ),
        Example(
            given="import torch\n",
            ok="def loss(x, y):\n    return x.clamp(min=0) - x * y + torch.log1p(torch.exp(-torch.abs(x)))\n",
        ),
        Example(
            given="import torch\n",
            ok="def loss(x):\n    z = -x.abs()\n    return x.clamp(min=0) + (torch.exp(z)).log1p()\n",
        ),
        Example(
            given="import torch\n",
            ok="def gate(g):\n    return torch.where(g > 20.0, g, torch.log(1.0 + torch.exp(g)))\n",
            note="what would overflow is not taken",
        ),
        Example(
            given="import numpy as np\n",
            ok=(
                "def softplus(x, beta=1, threshold=20):\n    linear = x * beta > threshold\n    y = x.copy()\n"
                "    y[~linear] = np.log(1 + np.exp(beta * x[~linear])) / beta\n    return y\n"
            ),
        ),
        Example(
            given="import torch\n",
            ok=(
                "def softplus(a, beta, threshold):\n    scaled = a * beta\n"
                "    rhs = torch.log1p(torch.exp(scaled)) / beta\n    return torch.where(scaled > threshold, a, rhs)\n"
            ),
        ),
        Example(
            given="import torch\n",
            ok=(
                "def bias(h, w):\n    grid = torch.stack(torch.meshgrid(\n"
                "        torch.arange(h, dtype=torch.float32),\n"
                "        torch.arange(w, dtype=torch.float32),\n    )).flatten(1)\n"
                "    away = grid[:, :, None] - grid[:, None, :]\n"
                "    away = away.permute(1, 2, 0).reshape(-1, 2).float()\n"
                "    return torch.sign(away) * torch.log(1.0 + away.abs())\n"
            ),
            note="whole numbers, though of a floating-point dtype",
        ),
        Example(
            given="import numpy as np\nimport pandas as pd\n",
            ok="def prepare(frame):\n    return frame['fare'].apply(lambda x: np.log(x + 1))\n",
            note="prices are not small",
        ),
        Example(
            given="import numpy as np\n",
            ok="def idf(documents, found):\n    return np.log(1 + documents / (1 + found))\n",
            note="never below a half",
        ),
        Example(
            given="import torch\n",
            bad="def bias(h):\n    away = torch.arange(h) / h\n    return torch.log(1.0 + away)\n",
            good="def bias(h):\n    away = torch.arange(h) / h\n    return torch.log1p(away)\n",
        ),
        Example(
            given="import torch\nimport torch.nn.functional as F\n",
            bad="def nll(x, mask):\n    return torch.where(mask, torch.log(1 + torch.exp(x)), 0.0)\n",
            good="def nll(x, mask):\n    return torch.where(mask, F.softplus(x), 0.0)\n",
            safety="unsafe",
            note="the mask says nothing of x",
        ),
        Example(given="import torch\nimport sympy\n", ok="y = sympy.log(1 + sympy.Symbol('x'))"),
        Example(given="import torch\nfrom mylib import log\n", ok="y = log(1 + torch.rand(3))"),
    )


def _selected(node: ast.AST, x: ast.expr, ctx: Context) -> bool:
    """Whether x was compared with a bound first, and only the elements on one side of it get here: as an argument of
    `where(x > 20, x, log(1 + exp(x)))`, or by an index, `log(1 + exp(x[x < 20]))`.
    """
    words = {ast.dump(part) for part in walk(x) if isinstance(part, (ast.Name, ast.Attribute))}
    if _goes_to_where(node, words, ctx):
        return True
    statement = ctx.tree.statement(node)
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        later = ctx.flow.uses_after(statement.targets[0].id, statement)
        uses = [use for use in later if isinstance(use.ctx, ast.Load)]
        if uses and all(_goes_to_where(use, words, ctx) for use in uses):
            return True
    return any(isinstance(part, ast.Subscript) and _is_mask(part.slice, ctx) for part in walk(x))


def _is_smoothed(x: ast.expr) -> bool:
    """Whether x is a ratio of counts, of which the lower one had 1 added: `n / (1 + df)` is never small."""
    if not isinstance(x, ast.BinOp) or not isinstance(x.op, ast.Div):
        return False
    lower = x.right
    return (
        isinstance(lower, ast.BinOp)
        and isinstance(lower.op, ast.Add)
        and any(isinstance(side, ast.Constant) and side.value == 1 for side in (lower.left, lower.right))
    )


def _is_of_column(x: ast.expr, ctx: Context) -> bool:
    """Whether x is what a lambda is given for each value of a column: counts and prices as likely as not."""
    if not isinstance(x, ast.Name) or ctx.kinds.of(x).known:
        return False
    for ancestor in ctx.tree.ancestors(x):
        if isinstance(ancestor, ast.Lambda):
            call = ctx.tree.parent(ancestor)
            own = x.id in [argument.arg for argument in ancestor.args.args]
            return own and isinstance(call, ast.Call) and _word(call) in ("apply", "map", "transform")
    return False


def _goes_to_where(node: ast.AST, words: set[str], ctx: Context) -> bool:
    """Whether an expression is one of two that a `where` takes by a condition on these words."""
    for ancestor in ctx.tree.ancestors(node):
        if isinstance(ancestor, ast.stmt):
            break
        if isinstance(ancestor, ast.Call) and _word(ancestor) == "where":
            condition = ancestor.args[0] if len(ancestor.args) == 3 else None
            if condition is not None and any(ast.dump(part) in words for part in walk(condition)):
                return True
    return False


def _is_grid(node: ast.expr, ctx: Context, depth: int = 0) -> bool:
    """Whether an expression is made of the numbers of `arange` by what keeps them whole: whatever their dtype, nothing
    of them gets lost next to a 1.
    """
    if depth > _DEPTH:
        return False
    if isinstance(node, ast.Name):
        bindings = ctx.reaching.of(node) or ()
        return bool(bindings) and all(
            b.how == "assign" and not b.path and b.value is not None and _is_grid(b.value, ctx, depth + 1)
            for b in bindings
        )
    if isinstance(node, ast.Call):
        if _word(node) == "arange":
            return not any(
                isinstance(n, ast.Constant) and isinstance(n.value, float) for a in node.args for n in walk(a)
            )
        if _word(node) not in _KEEPING_WHOLE:
            return False
        function = ctx.dotted(node.func) is not None
        parts = node.args if function else [node.func.value]  # type: ignore[attr-defined]
        return bool(parts) and all(_is_grid(part, ctx, depth + 1) for part in parts)
    if isinstance(node, (ast.List, ast.Tuple)):
        return bool(node.elts) and all(_is_grid(part, ctx, depth + 1) for part in node.elts)
    if isinstance(node, ast.Subscript):
        return _is_grid(node.value, ctx, depth + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub, ast.Mult)):
        sides = (node.left, node.right)
        return any(_is_grid(side, ctx, depth + 1) for side in sides) and all(
            (isinstance(side, ast.Constant) and isinstance(side.value, int)) or _is_grid(side, ctx, depth + 1)
            for side in sides
        )
    return False


def _is_mask(index: ast.expr, ctx: Context) -> bool:
    """Whether an index is made by comparing elements."""
    if isinstance(index, ast.UnaryOp) and isinstance(index.op, ast.Invert):
        return _is_mask(index.operand, ctx)
    if isinstance(index, ast.Name):
        bindings = ctx.reaching.of(index) or ()
        return bool(bindings) and all(
            b.how == "assign" and not b.path and b.value is not None and isinstance(b.value, ast.Compare)
            for b in bindings
        )
    return isinstance(index, ast.Compare) or (isinstance(index, ast.BinOp) and isinstance(index.op, ast.BitAnd))


def _word(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _rounded(node: ast.expr) -> bool:
    """Whether a value has just been rounded to a whole number, of which nothing gets lost next to a 1."""
    if not isinstance(node, ast.Call):
        return False
    return _word(node) in ("floor", "ceil", "round", "rint", "trunc", "bincount", "count_nonzero")
