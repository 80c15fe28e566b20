from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import (
    DATAFRAME,
    JAX_ARRAY,
    MODULE,
    NDARRAY,
    SERIES,
    TENSOR,
    TF_DATASET,
    Context,
    Example,
    Finding,
    Rule,
    Statement,
)

_TENSOR = "to cuda cpu detach float double half bfloat16 long clone contiguous reshape permute unsqueeze".split()
_ARRAY = "astype reshape transpose flatten ravel copy squeeze".split()
_FRAME = "drop dropna fillna rename sort_values sort_index reset_index set_index drop_duplicates replace astype".split()
_DATASET = "shuffle batch map prefetch repeat cache filter take skip".split()
_UPDATES = frozenset("set add multiply mul divide power min max apply".split())
_FUNCTIONS = (
    "numpy.sort numpy.append numpy.concatenate numpy.reshape numpy.transpose numpy.delete numpy.insert numpy.unique "
    "numpy.clip numpy.flip numpy.roll numpy.squeeze numpy.expand_dims torch.cat torch.stack torch.squeeze "
    "torch.unsqueeze torch.flatten torch.reshape torch.permute torch.transpose optax.apply_updates "
    "jax.numpy.append jax.numpy.concatenate jax.numpy.sort"
).split()
_METHODS: tuple[tuple[list[str], tuple[str, ...]], ...] = (
    (_TENSOR, (TENSOR,)),
    (_ARRAY, (NDARRAY,)),
    (_FRAME, (DATAFRAME, SERIES)),
    (_DATASET, (TF_DATASET,)),
)
# Number of arguments of which the last is where the result goes.
_OUT = {"numpy.clip": 4, "numpy.concatenate": 3}
_MODES = frozenset(
    "torch.no_grad torch.enable_grad torch.inference_mode torch.set_grad_enabled torch.autocast torch.amp.autocast "
    "torch.device torch.cuda.device tensorflow.device".split()
)


def _is_pure(call: ast.Call, ctx: Context) -> bool:
    """Whether a call only makes something new."""
    dotted, func = ctx.dotted(call.func), call.func
    if dotted is not None or not isinstance(func, ast.Attribute):
        return dotted in _FUNCTIONS
    place = func.value.value if isinstance(func.value, ast.Subscript) else None
    if isinstance(place, ast.Attribute) and place.attr == "at" and func.attr in _UPDATES:
        return ctx.is_a(place.value, JAX_ARRAY)
    return any(func.attr in names and ctx.is_a(func.value, *kinds) for names, kinds in _METHODS)


class DiscardedPureResult(Rule):
    """The result of a method that changes nothing in place is thrown away: the statement has no effect.

    ## Why
    `tensor.to(device)` gives a tensor on the device and leaves the one that it is called on where it was; only a
    module moves itself. The same holds for `df.dropna()` without `inplace`, `np.append`, `x.at[i].set(v)`,
    `optax.apply_updates` and every transformation of a `tf.data.Dataset`. Without an assignment, the transfer or the
    transformation never happens, and the program goes on with what it had before.

    ## Known limits
    Only receivers whose kind is known. What stands in a `try` or in a `with` that may await an error or measure time,
    and the last expression of a notebook's cell, which is shown, are left alone.

    ## References
    - PyTorch documentation, `torch.Tensor.to`: "Returns a Tensor"; `torch.nn.Module.to`: "This method modifies the
      module in-place".
    - pandas documentation, `DataFrame.dropna`; JAX documentation, `jax.numpy.ndarray.at`.
    """

    code, name = "ML423", "discarded-pure-result"
    libraries = ("torch", "jax", "tensorflow", "numpy", "pandas")
    triggers = (Statement(*_TENSOR, *_ARRAY, *_FRAME, *_DATASET, *_UPDATES, *_FUNCTIONS),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if not _is_pure(node, ctx):
            return
        statement = ctx.tree.parent(node)
        if not isinstance(statement, ast.Expr):
            return
        dotted = ctx.dotted(node.func)
        if self._inplace(node, ctx) if dotted is None else len(node.args) >= _OUT.get(dotted, 9):
            return
        if any(keyword.arg in ("inplace", "out", None) for keyword in node.keywords) or self._shown(statement, ctx):
            return
        yield ctx.finding(
            node,
            f"the result of `{ctx.short(node)}` is thrown away: it changes nothing in place",
            "assign it",
        )

    def _inplace(self, node: ast.Call, ctx: Context) -> bool:
        """Whether a method may change its receiver after all."""
        func = node.func
        assert isinstance(func, ast.Attribute)
        kind = ctx.kinds.of(func.value)
        if kind.is_first_party or kind.is_a(MODULE):
            return True
        positional = {"drop": 5, "dropna": 4, "fillna": 3, "sort_values": 3, "reset_index": 3, "rename": 4}
        return len(node.args) >= positional.get(func.attr, 4)

    def _shown(self, statement: ast.Expr, ctx: Context) -> bool:
        """Whether a value is displayed, or code waits for an error: the end of a cell, a `try`, a `with`."""
        for outer in ctx.tree.ancestors(statement):
            if isinstance(outer, (ast.Try, ast.ExceptHandler, ast.AsyncWith)):
                return True
            if isinstance(outer, ast.With) and not all(_is_mode(item.context_expr, ctx) for item in outer.items):
                return True
        return ctx.shows_value(statement.value)

    examples = (
        Example(
            given="import torch\nfrom torch import nn\nmodel = nn.Linear(3, 2)\nx = torch.ones(3)\n",
            ok="model.to('cuda')\nmodel.cuda()\nx = x.to('cuda')\nx.mul_(2)\nx.requires_grad_()\nmodel.float()\n",
        ),
        Example(
            given="import pandas as pd\ndf = pd.DataFrame({'a': [1]})\n",
            ok="df.dropna(inplace=True)\ndf = df.rename(columns={'a': 'b'})\ndf.drop(columns='b', inplace=True)\n",
        ),
        Example(
            given="import numpy as np\na = np.ones(3)\n",
            ok="a.sort()\nb = np.sort(a)\nnp.clip(a, 0, 1, out=a)\nnp.clip(a, 0, 1, a)\nprint(np.append(a, 1))\n",
        ),
        Example(
            given="import torch\n",
            ok="""
class Result:
    def detach(self):
        self.kept = True

Result().detach()
Result().to("cpu")
try:
    torch.ones(3).reshape(2, 2)
except RuntimeError:
    print("no")
""",
        ),
        Example(
            given="import tensorflow as tf\nds = tf.data.Dataset.range(3)\n",
            ok="ds = ds.shuffle(3).batch(2)\nfor x in ds.take(1):\n    print(x)\n",
        ),
        Example(
            given="import torch\nx = torch.ones(3)\n",
            bad='x.to("cuda")\n',
        ),
        Example(
            given="import torch\nx = torch.ones(3)\n",
            bad="y = x.sum()\nwith torch.no_grad():\n    y.detach()\n",
        ),
        Example(
            given="import pandas as pd\ndf = pd.DataFrame({'a': [1]})\n",
            bad='df.rename(columns={"a": "b"})\n',
        ),
        Example(
            given="import numpy as np\nvalues = np.ones(3)\n",
            bad="np.append(values, 4)\n",
        ),
        Example(
            given="import jax.numpy as jnp\nx = jnp.zeros(3)\n",
            bad="x.at[0].set(1.0)\n",
        ),
        Example(
            given="import tensorflow as tf\nds = tf.data.Dataset.range(3)\n",
            bad="ds.shuffle(3)\n",
        ),
        Example(
            given="import optax\nimport jax\n",
            bad="def step(params, updates):\n    optax.apply_updates(params, updates)\n    return params\n",
        ),
    )


def _is_mode(node: ast.expr, ctx: Context) -> bool:
    """``torch.no_grad()``, ``torch.autocast("cuda")``: a context that only sets how tensors are computed."""
    dotted = ctx.dotted(node.func) if isinstance(node, ast.Call) else None
    return dotted in _MODES
