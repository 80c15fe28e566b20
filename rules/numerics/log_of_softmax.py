from __future__ import annotations

from mlint.rule import Context, Example, Match, PatternRule, Safety

TORCH = "import torch\nimport torch.nn.functional as F\nx = torch.randn(8, 100)\nx[:4, 0] += 300\n"
TENSORFLOW = "import tensorflow as tf\nx = tf.random.normal((8, 100)) + 300 * tf.one_hot([0] * 8, 100)\n"
JAX = (
    "import jax\nimport jax.numpy as jnp\nimport numpy as np\n"
    "x = jnp.asarray(np.random.normal(size=(8, 100))).at[:4, 0].add(300)\n"
)


class LogOfSoftmax(PatternRule):
    """The logarithm of a softmax or sigmoid is -inf where `log_softmax` or `logsigmoid` stays finite.

    ## Why
    In float32, softmax is exactly 0 once a logit lies about 104 below the maximum, so its logarithm is -inf and the
    gradient is NaN. `log_softmax` subtracts the log-sum-exp and never forms the small number; `logsigmoid(x)` is
    `-softplus(-x)` and keeps its digits for very negative x. They also make one pass over the data instead of two.

    ## Fix safety
    Safe: equal up to rounding where the original is finite, finite where it is not. Where the probability was assigned
    to a name of its own, the assignment goes if nothing else in the function reads it, and stays otherwise. Unsafe for
    the sigmoid of PyTorch and TensorFlow where x is not seen to be of floating point: theirs takes integers or complex
    numbers, and the logarithm of it does not.

    ## References
    - P. Blanchard, D. J. Higham, N. J. Higham, "Accurately computing the log-sum-exp and softmax functions", IMA
      Journal of Numerical Analysis 41(4), 2021.
    - PyTorch documentation, `torch.nn.functional.log_softmax`.
    """

    code, name = "ML501", "log-of-softmax"
    libraries = ("torch", "tensorflow", "jax", "scipy")
    patterns = {
        "torch.log(torch.softmax($x, $*args))": "torch.log_softmax($x, $*args)",
        "torch.log(torch.sigmoid($x))": "torch.nn.functional.logsigmoid($x)",
        "torch.log(1 - torch.sigmoid($x))": "torch.nn.functional.logsigmoid(-$x)",
        "tf.math.log(tf.nn.softmax($x, $*args))": "tf.nn.log_softmax($x, $*args)",
        "tf.math.log(tf.nn.sigmoid($x))": "tf.math.log_sigmoid($x)",
        "tf.math.log(1 - tf.nn.sigmoid($x))": "tf.math.log_sigmoid(-$x)",
        "jnp.log(jax.nn.softmax($x, $*args))": "jax.nn.log_softmax($x, $*args)",
        "jnp.log(jax.nn.sigmoid($x))": "jax.nn.log_sigmoid($x)",
        "jnp.log(1 - jax.nn.sigmoid($x))": "jax.nn.log_sigmoid(-$x)",
        "np.log(scipy.special.softmax($x, $*args))": "scipy.special.log_softmax($x, $*args)",
        "np.log(scipy.special.expit($x))": "scipy.special.log_expit($x)",
    }
    through_names = True
    in_tests = False
    safety = (Safety.SAFE, Safety.UNSAFE)
    message = "`{code}` is -inf where the probability underflows"

    def fix_safety(self, match: Match, ctx: Context) -> Safety | None:
        sigmoid = match.pattern.startswith(("torch.", "tf.")) and "sigmoid" in match.pattern
        if sigmoid and not (ctx.is_floating(match["x"]) and ctx.is_real(match["x"])):
            return Safety.UNSAFE
        return super().fix_safety(match, ctx)

    examples = (
        Example(
            given="import torch\nimport torch.nn.functional as F\n",
            bad="def score(x: torch.Tensor):\n    return torch.log(torch.sigmoid(x))\n",
            good="def score(x: torch.Tensor):\n    return F.logsigmoid(x)\n",
            safety="unsafe",
            note="`logsigmoid` takes no integers",
        ),
        Example(
            given=TORCH,
            bad="y = torch.log(torch.softmax(x, dim=-1))",
            good="y = torch.log_softmax(x, dim=-1)",
            equal="y",
            close=True,
            better=True,
        ),
        Example(
            given="import torch\nimport torch.nn.functional as F\n",
            bad="def score(z: torch.Tensor):\n    return torch.log(torch.sigmoid(z / 2))\ny = score(torch.rand(3))",
            good="def score(z: torch.Tensor):\n    return F.logsigmoid(z / 2)\ny = score(torch.rand(3))",
            equal="y",
            close=True,
            safety="unsafe",
            note="`z / 2` may be complex",
        ),
        Example(
            given=TORCH,
            bad="y = torch.log(torch.sigmoid(x / 2))",
            good="y = F.logsigmoid(x / 2)",
            equal="y",
            close=True,
            better=True,
            safety="safe",
        ),
        Example(
            given=TORCH,
            bad=(
                "def f(x):\n    p = torch.softmax(x, -1)\n    q = p\n    q.mul_(3)\n    return torch.log(p)\ny = f(x)"
            ),
            note="changed under another name: no fix",
        ),
        Example(
            given=TORCH,
            bad="y = torch.log(F.softmax(x, 1))",
            good="y = F.log_softmax(x, 1)",
            equal="y",
            close=True,
            better=True,
        ),
        Example(
            given=TORCH,
            bad="y = x.softmax(-1).log()",
            good="y = x.log_softmax(-1)",
            equal="y",
            close=True,
            better=True,
        ),
        Example(
            given=TORCH,
            bad="y = torch.log(torch.sigmoid(x + 1))",
            good="y = F.logsigmoid(x + 1)",
            equal="y",
            close=True,
            better=True,
        ),
        Example(
            given=TORCH,
            bad="y = torch.log(1 - torch.sigmoid(x - 1))",
            good="y = F.logsigmoid(-(x - 1))",
            equal="y",
            close=True,
            better=True,
        ),
        Example(
            given=TENSORFLOW,
            bad="y = tf.math.log(tf.nn.softmax(x, axis=-1))",
            good="y = tf.nn.log_softmax(x, axis=-1)",
            equal="y.numpy()",
            close=True,
            better=True,
        ),
        Example(
            given=JAX,
            bad="y = jnp.log(jax.nn.softmax(x, axis=-1))",
            good="y = jax.nn.log_softmax(x, axis=-1)",
            equal="np.asarray(y)",
            close=True,
            better=True,
        ),
        Example(
            given=TORCH,
            bad="def score(x):\n    p = F.softmax(x, dim=-1)\n    return torch.log(p)\n\ny = score(x)",
            good="def score(x):\n    return F.log_softmax(x, dim=-1)\n\ny = score(x)",
            equal="y",
            close=True,
            better=True,
        ),
        Example(
            given=TORCH,
            bad=(
                "def entropy(x):\n    p = x.softmax(dim=-1)\n    logp = torch.log(p)  # nats\n"
                "    return -(p * logp).sum(-1)\n"
            ),
            good=(
                "def entropy(x):\n    p = x.softmax(dim=-1)\n    logp = x.log_softmax(dim=-1)  # nats\n"
                "    return -(p * logp).sum(-1)\n"
            ),
            note="the receiver of softmax is a tensor, as torch.log takes nothing else",
        ),
        Example(
            given="import torch",
            bad=(
                "def score(net, x):\n    p = torch.softmax(net(x), dim=-1)\n    logp = torch.log(p)\n"
                "    return p, logp\n"
            ),
            note="the network would run twice",
        ),
        Example(
            given="import numpy as np\nimport scipy.special\nx = np.random.randn(100) * 9",
            bad="y = np.log(scipy.special.expit(x))",
            good="y = scipy.special.log_expit(x)",
            equal="y",
            close=True,
            better=True,
        ),
        Example(
            given="import torch\nx = torch.rand(3)",
            ok="p = torch.softmax(x, 0)\np = p + 1e-8\ny = torch.log(p)",
        ),
        Example(
            given="import torch",
            ok=(
                "def f(x, hard):\n    p = torch.softmax(x, 0)\n    if hard:\n        p = p.round()\n"
                "    return torch.log(p)\n"
            ),
        ),
        Example(
            given="import torch",
            ok="def f(x):\n    p = torch.softmax(x, 0)\n    p.clamp_(min=1e-6)\n    return torch.log(p)\n",
        ),
        Example(given="import torch\np = torch.rand(3)", ok="y = torch.log(p)"),
        Example(given="import torch\np = torch.rand(3)", ok="y = torch.log(torch.softmax(p, 0) + 1e-8)"),
        Example(given="import math\nimport torch", ok="def softmax(x):\n    return x\n\ny = math.log(softmax(2.0))"),
        Example(given="from mylib import softmax\nimport torch", ok="y = torch.log(softmax(torch.rand(3), 0))"),
    )
