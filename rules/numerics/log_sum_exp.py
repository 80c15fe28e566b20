from __future__ import annotations

import ast

from mlint.rule import Context, Example, Finding, Match, PatternRule, Safety, Template

TORCH = "import torch\nx = torch.randn(8, 100) * 60\n"
NUMPY = "import numpy as np\nx = np.random.randn(8, 100) * 500\n"
SCIPY = Template("scipy.special.logsumexp($x, $*rest)")
SCIPY_ALL = Template("scipy.special.logsumexp($x)")


class LogSumExp(PatternRule):
    """`log(sum(exp(x)))` overflows for large x and is -inf for small ones; `logsumexp(x)` is neither.

    ## Why
    In float32, `exp(x)` is inf from x = 88.8 on and 0 below -104, in float16 inf from 11.1 on: the logarithm of the sum
    is then inf or -inf and its gradient NaN, although the result itself lies close to the largest x. `logsumexp`
    subtracts the maximum first.

    ## Fix safety
    Safe: equal up to rounding where the original is finite, finite where it overflows. Unsafe for
    `np.logaddexp.reduce`, which rounds once an element (the sum of a million float32 is off by 0.4 %), for SciPy's
    `logsumexp` where x is not proven to be an array of float32 or float64 (it makes float64 of shorter dtypes) or has
    several dimensions and no axis is given (it raises for an empty matrix), for PyTorch's where the dimension is not
    written down (it takes no None), and for TensorFlow's where x could be complex.

    ## References
    - P. Blanchard, D. J. Higham, N. J. Higham, "Accurately computing the log-sum-exp and softmax functions", IMA
      Journal of Numerical Analysis 41(4), 2021.
    - PyTorch documentation, `torch.logsumexp`; SciPy documentation, `scipy.special.logsumexp`.

    ## When to ignore
    Where x is known to be small: log-probabilities that are not too negative, say.
    """

    code, name = "ML502", "log-sum-exp"
    libraries = ("torch", "numpy", "tensorflow", "keras", "jax")
    patterns = {
        "torch.log(torch.sum(torch.exp($x)))": "torch.logsumexp($x.flatten(), 0)",
        "torch.log(torch.sum(torch.exp($x), $*rest))": "torch.logsumexp($x, $*rest)",
        "torch.log(torch.mean(torch.exp($x), $*rest))": None,
        "tf.math.log(tf.reduce_sum(tf.math.exp($x), $*rest))": "tf.reduce_logsumexp($x, $*rest)",
        "tf.math.log(tf.reduce_mean(tf.math.exp($x), $*rest))": None,
        "jnp.log(jnp.sum(jnp.exp($x), $*rest))": "jax.nn.logsumexp($x, $*rest)",
        "jnp.log(jnp.mean(jnp.exp($x), $*rest))": None,
        "np.log(np.sum(np.exp($x)))": "np.logaddexp.reduce($x, axis=None)",
        "np.log(np.sum(np.exp($x), $*rest))": "np.logaddexp.reduce($x, $*rest)",
        "np.log(np.mean(np.exp($x), $*rest))": None,
    }
    through_names = True
    in_tests = False
    safety = (Safety.SAFE, Safety.UNSAFE)
    message = "`{code}` overflows where `{x}` is large"
    advice = ""

    def accept(self, match: Match, ctx: Context) -> bool:
        if any(argument in ("where", "dtype", "out", "initial", "b") for argument in _keywords(match)):
            return False
        function = ctx.tree.function(match.node)
        if function is not None and "logsumexp" in function.name.replace("_", ""):
            return False  # an implementation of it, which looks after the range somewhere near
        x = match["x"]
        return not ctx.is_shifted(x) and not ctx.is_never_positive(x)

    def report(self, match: Match, template: Template | None, ctx: Context) -> Finding:
        if template is not None and match.pattern.startswith("np."):
            if ctx.names.spell("scipy.special.logsumexp", match.node)[1] is None:  # the file has it at hand
                template = SCIPY if "rest" in match.variables else SCIPY_ALL
        return super().report(match, template, ctx)

    def fix_safety(self, match: Match, ctx: Context) -> Safety | None:
        rest = match.variables.get("rest")
        doubtful = False
        if rest is not None and not isinstance(rest, ast.AST):
            if len([item for item in rest if not isinstance(item, ast.keyword)]) > 2:
                return None
            dimension = _dimension(rest)
            if match.pattern.startswith("torch."):
                if dimension is None or _is_none(dimension):
                    return None
                doubtful = not _is_numbers(dimension)
        x = match["x"]
        if match.pattern.startswith("np."):
            kind = ctx.kinds.of(x)
            scipy = ctx.names.spell("scipy.special.logsumexp", match.node)[1] is None
            whole = kind.ndim == 1 or (rest is not None and _dimension(rest) is not None)
            if not scipy or kind.dtype not in ("float32", "float64") or not kind.ndim or not whole:
                return Safety.UNSAFE
        if match.pattern.startswith("tf.") and not (ctx.is_floating(x) and ctx.is_real(x)):
            return Safety.UNSAFE
        if doubtful:
            return Safety.UNSAFE
        return super().fix_safety(match, ctx)

    examples = (
        Example(
            given=TORCH,
            bad="def f(x, dim=None):\n    return torch.log(torch.sum(torch.exp(x), dim))\ny = f(x, 1)",
            good="def f(x, dim=None):\n    return torch.logsumexp(x, dim)\ny = f(x, 1)",
            equal="y",
            close=True,
            better=True,
            safety="unsafe",
            note="`logsumexp` takes no None",
        ),
        Example(
            given=NUMPY + "from scipy import special\nm = np.zeros((3, 4))\n",
            bad="y = np.log(np.sum(np.exp(m)))",
            good="y = special.logsumexp(m)",
            equal="y",
            close=True,
            safety="unsafe",
            note="an empty matrix makes SciPy's raise",
        ),
        Example(
            given=TORCH,
            ok=(
                "def logsumexp(x, dim):\n    if x.numel() == 0:\n        return torch.exp(x).sum(dim).log()\n"
                "    top = x.amax(dim, keepdim=True)\n    return (x - top).exp().sum(dim).log() + top.squeeze(dim)\n"
            ),
            note="this is how it is written",
        ),
        Example(
            given=TORCH,
            bad="y = torch.log(torch.sum(torch.exp(x), dim=1))",
            good="y = torch.logsumexp(x, dim=1)",
            equal="y",
            close=True,
            better=True,
        ),
        Example(
            given=TORCH,
            bad="y = x.exp().sum(-1, keepdim=True).log()",
            good="y = x.logsumexp(-1, keepdim=True)",
            equal="y",
            close=True,
            better=True,
        ),
        Example(
            given=TORCH,
            bad="y = torch.log(torch.exp(x).sum())",
            good="y = torch.logsumexp(x.flatten(), 0)",
            equal="y",
            close=True,
            better=True,
        ),
        Example(
            given=TORCH,
            bad=(
                "def partition(x):\n    total = torch.exp(x).sum(dim=1)\n"
                "    return torch.log(total)\n\ny = partition(x)"
            ),
            good="def partition(x):\n    return torch.logsumexp(x, dim=1)\n\ny = partition(x)",
            equal="y",
            close=True,
            better=True,
        ),
        Example(given=TORCH, bad="y = torch.log(torch.mean(torch.exp(x), dim=1))"),
        Example(
            given=NUMPY,
            bad="y = np.log(np.sum(np.exp(x), axis=1, keepdims=True))",
            good="y = np.logaddexp.reduce(x, axis=1, keepdims=True)",
            equal="y",
            close=True,
            better=True,
        ),
        Example(
            given=NUMPY,
            bad="y = np.log(np.exp(x).sum())",
            good="y = np.logaddexp.reduce(x, axis=None)",
            safety="unsafe",
            equal="y",
            close=True,
            better=True,
        ),
        Example(
            given="import numpy as np\nfrom scipy.special import logsumexp\nx = np.random.randn(8, 9) * 500\n",
            bad="y = np.log(np.sum(np.exp(x), axis=1))",
            good="y = logsumexp(x, axis=1)",
            equal="y",
            close=True,
            better=True,
        ),
        Example(
            given="import numpy as np\n",
            bad="def partition(x):\n    return np.log(np.exp(x).sum(axis=1))\n",
            good="def partition(x):\n    return np.logaddexp.reduce(x, axis=1)\n",
            safety="unsafe",
            note="of a frame, the original gives a series",
        ),
        Example(
            given="import numpy as np\nimport tensorflow as tf\nx = tf.constant(np.random.randn(8, 100) * 500)\n",
            bad="y = tf.math.log(tf.reduce_sum(tf.exp(x), axis=-1))",
            good="y = tf.reduce_logsumexp(x, axis=-1)",
            equal="y.numpy()",
            close=True,
            better=True,
        ),
        Example(
            given=(
                "import jax\nimport jax.numpy as jnp\nimport numpy as np\n"
                "x = jnp.asarray(np.random.randn(8, 100) * 60)\n"
            ),
            bad="y = jnp.log(jnp.sum(jnp.exp(x), axis=-1))",
            good="y = jax.nn.logsumexp(x, axis=-1)",
            equal="np.asarray(y)",
            close=True,
            better=True,
        ),
        Example(
            given=TORCH,
            ok=(
                "m = x.max(dim=1, keepdim=True).values\n"
                "y = m.squeeze(1) + torch.log(torch.sum(torch.exp(x - m), dim=1))"
            ),
        ),
        Example(
            given="import numpy as np\n",
            ok=(
                "def logsumexp(x, axis):\n    x_max = np.max(x, axis=axis, keepdims=True)\n    z = x - x_max\n"
                "    return x_max + np.log(np.sum(np.exp(z), axis=axis, keepdims=True))\n"
            ),
        ),
        Example(
            given="import numpy as np\n",
            ok="def f(x):\n    x -= x.max()\n    return np.log(np.exp(x).sum())\n",
        ),
        Example(given=TORCH + "w = torch.rand(100)\n", ok="y = torch.log((w * torch.exp(x)).sum(dim=1))"),
        Example(given=NUMPY, ok="y = np.log(np.sum(np.exp(x), axis=1, where=x > 0))"),
        Example(given=TORCH, ok="y = torch.log(torch.exp(x).sum(dim=1) + 1e-8)"),
        Example(
            given="import torch\n",
            ok="def f(x):\n    z = torch.exp(x)\n    z = z * 2\n    return torch.log(z.sum(dim=1))\n",
        ),
    )


def _keywords(match: Match) -> list[str | None]:
    rest = match.variables.get("rest", ())
    return [] if isinstance(rest, ast.AST) else [item.arg for item in rest if isinstance(item, ast.keyword)]


def _dimension(rest: object) -> ast.expr | None:
    """What says along which dimensions to sum."""
    for item in rest if isinstance(rest, (list, tuple)) else ():
        if not isinstance(item, ast.keyword):
            assert isinstance(item, ast.expr)
            return item
        if item.arg in ("dim", "axis"):
            return item.value
    return None


def _is_numbers(node: ast.expr) -> bool:
    """Whether dimensions are written down as numbers: PyTorch's `sum` takes None and `[]` as well, `logsumexp` not."""
    if isinstance(node, (ast.Tuple, ast.List)):
        return bool(node.elts) and all(_is_numbers(element) for element in node.elts)
    if isinstance(node, ast.UnaryOp):
        return _is_numbers(node.operand)
    return isinstance(node, ast.Constant) and type(node.value) is int


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
