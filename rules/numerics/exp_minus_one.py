from __future__ import annotations

import ast

from mlint.rule import Context, Example, Match, PatternRule, Safety, walk

TORCH = "import torch\nx = torch.randn(100) * 10.0 ** torch.randint(-9, 1, (100,))\n"
NUMPY = "import numpy as np\nx = np.random.randn(100) * 10.0 ** np.random.randint(-6, 1, 100)\n"


class ExpMinusOne(PatternRule):
    """`exp(x) - 1` cancels near zero; `expm1(x)` keeps its digits.

    ## Why
    For a small x, `exp(x)` is a number next to 1 that has lost the digits of x, and the subtraction leaves what is
    lost at the front: in float32, `torch.exp(x) - 1` is 0 for x = 1e-8 and wrong by 19 % for x = 1e-7. `expm1`
    computes the difference itself. The same holds for `1 - exp(x)`, which is `-expm1(x)`.

    ## Fix safety
    Safe: equal up to rounding, and closer to the exact value near zero, in the same dtype. Of complex numbers, an
    infinite real part gives an imaginary part of NaN where the original gives 0.

    ## References
    - N. J. Higham, "Accuracy and Stability of Numerical Algorithms", SIAM, 2nd edition 2002, section 1.14.1.
    - NumPy documentation, `numpy.expm1`; PyTorch documentation, `torch.special.expm1`.
    """

    code, name = "ML504", "exp-minus-one"
    libraries = ("torch", "numpy", "tensorflow", "keras", "jax")
    patterns = {
        "torch.exp($x) - 1": "torch.expm1($x)",
        "1 - torch.exp($x)": "-torch.expm1($x)",
        "np.exp($x, $*rest) - 1": "np.expm1($x, $*rest)",
        "1 - np.exp($x, $*rest)": "-np.expm1($x, $*rest)",
        "jnp.exp($x) - 1": "jnp.expm1($x)",
        "1 - jnp.exp($x)": "-jnp.expm1($x)",
        "tf.math.exp($x) - 1": "tf.math.expm1($x)",
        "1 - tf.math.exp($x)": "-tf.math.expm1($x)",
        "math.exp($x) - 1": "math.expm1($x)",
        "1 - math.exp($x)": "-math.expm1($x)",
    }
    in_tests = False
    safety = Safety.SAFE
    message = "`{code}` cancels where `{x}` is small"

    def accept(self, match: Match, ctx: Context) -> bool:
        x = match["x"]
        number = x.operand if isinstance(x, ast.UnaryOp) else x
        if isinstance(number, ast.Constant) or ctx.is_whole(x):
            return False
        rest = match.variables.get("rest", ())
        for argument in rest if not isinstance(rest, ast.AST) else ():
            if not isinstance(argument, ast.keyword) or argument.arg in ("out", None):
                return False  # the exponential itself is stored as well
        return not any(isinstance(part, ast.Constant) and isinstance(part.value, complex) for part in walk(x))

    examples = (
        Example(given=TORCH, bad="y = torch.exp(x) - 1", good="y = torch.expm1(x)", equal="y", close=True),
        Example(
            given=TORCH,
            bad="y = x.exp() - 1.0",
            good="y = x.expm1()",
            equal="y",
            close=True,
        ),
        Example(
            given=TORCH,
            bad="y = 2 * (1 - torch.exp(-x))",
            good="y = 2 * (-torch.expm1(-x))",
            equal="y",
            close=True,
        ),
        Example(
            given="import torch\n",
            bad="def kl(logratio):\n    return ((torch.exp(logratio) - 1) - logratio).mean()\n",
            good="def kl(logratio):\n    return (torch.expm1(logratio) - logratio).mean()\n",
        ),
        Example(given=NUMPY + "o = np.zeros(100)\n", ok="y = np.exp(x, o) - 1", note="`o` is read later"),
        Example(given=NUMPY, bad="y = np.exp(x) - 1", good="y = np.expm1(x)", equal="y", close=True),
        Example(
            given="from numpy import exp\nimport numpy as np\nx = np.random.randn(9)\n",
            bad="y = 1 - exp(-x * 2)",
            good="y = -np.expm1(-x * 2)",
            equal="y",
            close=True,
        ),
        Example(
            given="import numpy as np\nimport tensorflow as tf\nx = tf.constant(np.random.randn(9))\n",
            bad="y = tf.exp(x) - 1.0",
            good="y = tf.math.expm1(x)",
            equal="y.numpy()",
            close=True,
        ),
        Example(
            given="import jax.numpy as jnp\nimport numpy as np\nx = jnp.asarray(np.random.randn(9))\n",
            bad="y = jnp.exp(x) - 1",
            good="y = jnp.expm1(x)",
            equal="np.asarray(y)",
            close=True,
        ),
        Example(
            given="import math\nimport numpy as np\nx = np.random.rand() / 3\n",
            bad="y = math.exp(x) - 1",
            good="y = math.expm1(x)",
            equal="y",
            close=True,
        ),
        Example(given="import numpy as np\n", ok="y = np.exp(np.random.rand(3)) - 1.5\nz = np.exp(2) - 1"),
        Example(given="import numpy as np\n", ok="bound = 1.0 - np.exp(-2.0)", note="one number, and not a small one"),
        Example(
            given="import torch\n",
            bad="def f(x: torch.Tensor):\n    return 1 - (x * 2).exp()\n",
            good="def f(x: torch.Tensor):\n    return -(x * 2).expm1()\n",
        ),
        Example(given="import numpy as np\n", ok="y = np.exp(2j * np.random.rand(3)) - 1"),
        Example(given="import torch\n", ok="def kl(mu, logvar):\n    return 1 + logvar - mu**2 - logvar.exp()\n"),
        Example(given="import torch\nfrom mylib import exp\n", ok="y = exp(torch.rand(3)) - 1"),
        Example(given="import torch\n", ok="y = torch.exp(torch.rand(3) - 1)"),
    )
