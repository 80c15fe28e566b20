"""One operation, many spellings: which functions, functionals and methods do the same.

A line gives the spellings of one operation with their parameters; the first is its canonical name, the first parameter
of a function is the receiver of the method. ``axis`` and ``keepdims`` are accepted for ``dim`` and ``keepdim`` by
torch, as the table of aliases says.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

_TABLE = """
torch.softmax(input, dim, dtype) = torch.nn.functional.softmax(input, dim, _stacklevel, dtype) = torch.special.softmax(input, dim, dtype) = torch.Tensor.softmax(dim, dtype)
torch.log_softmax(input, dim, dtype) = torch.nn.functional.log_softmax(input, dim, _stacklevel, dtype) = torch.special.log_softmax(input, dim, dtype) = torch.Tensor.log_softmax(dim, dtype)
torch.sigmoid(input) = torch.nn.functional.sigmoid(input) = torch.special.expit(input) = torch.Tensor.sigmoid()
torch.nn.functional.logsigmoid(input)
torch.exp(input) = torch.Tensor.exp()
torch.expm1(input) = torch.special.expm1(input) = torch.Tensor.expm1()
torch.log(input) = torch.Tensor.log()
torch.log1p(input) = torch.special.log1p(input) = torch.Tensor.log1p()
torch.sqrt(input) = torch.Tensor.sqrt()
torch.abs(input) = torch.absolute(input) = torch.Tensor.abs() = torch.Tensor.absolute()
torch.log2(input) = torch.Tensor.log2()
torch.sum(input, dim, keepdim, dtype) = torch.Tensor.sum(dim, keepdim, dtype)
torch.mean(input, dim, keepdim, dtype) = torch.Tensor.mean(dim, keepdim, dtype)
torch.logsumexp(input, dim, keepdim) = torch.special.logsumexp(input, dim, keepdim) = torch.Tensor.logsumexp(dim, keepdim)
torch.square(input) = torch.Tensor.square()
torch.isnan(input) = torch.Tensor.isnan()
torch.inverse(input) = torch.linalg.inv(input) = torch.Tensor.inverse()
torch.matmul(input, other) = torch.Tensor.matmul(other)
torch.relu(input) = torch.nn.functional.relu(input, inplace) = torch.Tensor.relu()
torch.tanh(input) = torch.nn.functional.tanh(input) = torch.Tensor.tanh()
torch.nn.functional.softplus(input, beta, threshold)
numpy.sum(a, axis, dtype, out, keepdims) = numpy.ndarray.sum(axis, dtype, out, keepdims)
numpy.mean(a, axis, dtype, out, keepdims) = numpy.ndarray.mean(axis, dtype, out, keepdims)
tensorflow.math.log(x) = tensorflow.log(x) = keras.ops.log(x)
tensorflow.math.exp(x) = tensorflow.exp(x) = keras.ops.exp(x)
tensorflow.math.log1p(x) = keras.ops.log1p(x)
tensorflow.math.expm1(x) = keras.ops.expm1(x)
tensorflow.math.softplus(features) = tensorflow.nn.softplus(features) = keras.ops.softplus(features)
tensorflow.nn.softmax(logits, axis) = tensorflow.math.softmax(logits, axis) = keras.ops.softmax(logits, axis)
tensorflow.nn.log_softmax(logits, axis) = tensorflow.math.log_softmax(logits, axis) = keras.ops.log_softmax(logits, axis)
tensorflow.nn.sigmoid(x) = tensorflow.math.sigmoid(x) = tensorflow.sigmoid(x) = keras.ops.sigmoid(x)
tensorflow.math.log_sigmoid(x) = keras.ops.log_sigmoid(x)
tensorflow.reduce_sum(input_tensor, axis, keepdims) = tensorflow.math.reduce_sum(input_tensor, axis, keepdims) = keras.ops.sum(input_tensor, axis, keepdims)
tensorflow.reduce_mean(input_tensor, axis, keepdims) = tensorflow.math.reduce_mean(input_tensor, axis, keepdims)
tensorflow.reduce_logsumexp(input_tensor, axis, keepdims) = tensorflow.math.reduce_logsumexp(input_tensor, axis, keepdims) = keras.ops.logsumexp(input_tensor, axis, keepdims)
jax.numpy.sum(a, axis, dtype, out, keepdims) = jax.Array.sum(axis, dtype, out, keepdims)
jax.numpy.mean(a, axis, dtype, out, keepdims) = jax.Array.mean(axis, dtype, out, keepdims)
jax.nn.softmax(x, axis, where)
jax.nn.log_softmax(x, axis, where)
jax.nn.logsumexp(a, axis, b, keepdims) = jax.scipy.special.logsumexp(a, axis, b, keepdims)
scipy.special.softmax(x, axis)
scipy.special.log_softmax(x, axis)
scipy.special.logsumexp(a, axis, b, keepdims)
"""

_METHOD_OWNERS = ("torch.Tensor", "numpy.ndarray", "jax.Array")
_ALIASES = {"torch": {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input"}}


class Form(NamedTuple):
    """One spelling of an operation.

    Attributes:
        dotted: the function's dotted name, or the method's with its class in front.
        owner: the kind of the receiver of a method; None for a function.
        parameters: names in order; for a method the operation's first parameter stands in front.
    """

    dotted: str
    owner: str | None
    parameters: tuple[str, ...]

    @property
    def name(self) -> str:
        """The last word: what stands before the parenthesis."""
        return self.dotted.rpartition(".")[2]

    @property
    def module(self) -> str:
        """What stands before the last word."""
        return self.dotted.rpartition(".")[0]


class Operation(NamedTuple):
    """An operation with all its spellings."""

    name: str
    forms: tuple[Form, ...]

    def parameter(self, keyword: str) -> str:
        """The canonical name of a keyword."""
        return _ALIASES.get(self.name.partition(".")[0], {}).get(keyword, keyword)


@functools.lru_cache(maxsize=1)
def _operations() -> tuple[dict[str, Operation], dict[tuple[str, str], Operation]]:
    functions: dict[str, Operation] = {}
    methods: dict[tuple[str, str], Operation] = {}
    for line in _TABLE.strip().splitlines():
        forms: list[Form] = []
        for spelling in line.split(" = "):
            dotted, _, rest = spelling.strip().partition("(")
            parameters = tuple(part.strip() for part in rest.rstrip(")").split(",") if part.strip())
            owner = next((o for o in _METHOD_OWNERS if dotted.startswith(o + ".")), None)
            if owner is not None:
                parameters = (forms[0].parameters[0], *parameters)
            form = Form(dotted, owner, parameters)
            if form not in forms:
                forms.append(form)
        operation = Operation(forms[0].dotted, tuple(forms))
        for form in forms:
            if form.owner is None:
                functions[form.dotted] = operation
            else:
                methods[(form.owner, form.name)] = operation
    return functions, methods


def by_function(dotted: str) -> Operation | None:
    """The operation that a function performs."""
    return _operations()[0].get(dotted)


def by_method(owner: str, name: str) -> Operation | None:
    """The operation that a method performs."""
    return _operations()[1].get((owner, name))
