"""What a round computes of a sample of a tensor, said of the whole tensor: pointwise operations of torch, TensorFlow
and JAX.

`lift_pointwise` takes the expression of one round of a loop over samples. An operation that treats each number for
itself gives the same for the whole tensor as for its samples put together, as long as what is the same in all rounds
lines up with the dimensions of a sample. What is not pointwise (a reduction, a product of matrices, an unknown call,
random numbers, a use of the counter), or not proven to line up, raises `NotElementwise`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.kinds import JAX_ARRAY, TENSOR, TF_TENSOR
from mlint.model.loops.described import EITHER_ZERO, NotElementwise
from mlint.model.samples.batch import Batches
from mlint.model.tree import walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel

TENSORS = (TENSOR, TF_TENSOR, JAX_ARRAY)

EXACT = frozenset(
    "abs absolute neg negative relu relu6 clamp clip clamp_min clamp_max clip_by_value minimum maximum sign floor ceil "
    "trunc square add sub subtract mul multiply div divide true_divide eq ne lt le gt ge equal not_equal less greater "
    "less_equal greater_equal logical_and logical_or logical_not logical_xor isnan isfinite isinf nan_to_num "
    "bitwise_and bitwise_or bitwise_xor".split()
)
"""Operations whose result for a number does not depend on how many numbers there are."""
INEXACT = frozenset(
    "exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal sin cos tan asin acos atan arcsin arccos arctan sinh "
    "cosh tanh arctanh atanh sigmoid logsigmoid log_sigmoid softplus softsign gelu elu selu celu silu swish mish "
    "leaky_relu hardtanh hardswish hardsigmoid hard_tanh erf pow power floor_divide remainder fmod mod round rint lerp "
    "atan2 arctan2".split()
)
"""Operations whose last digit may depend on where a number stands in a vector register."""
CASTS = frozenset("float double half long int bool bfloat16 to type astype cast cpu cuda".split())
_ROOTS = frozenset(
    "torch torch.nn.functional torch.special tensorflow tensorflow.math tensorflow.nn jax.numpy jax.nn jax.lax "
    "keras.ops keras.activations tensorflow.keras.activations".split()
)
_OPERATORS: dict[type[ast.operator], bool] = {
    ast.Add: True,
    ast.Sub: True,
    ast.Mult: True,
    ast.Div: True,
    ast.BitAnd: True,
    ast.BitOr: True,
    ast.BitXor: True,
    ast.FloorDiv: False,
    ast.Mod: False,
    ast.Pow: False,
}
"""Operators → whether they are as exact as `EXACT`."""
_EXTREMES = frozenset(
    "relu relu6 maximum minimum clamp clip clamp_min clamp_max clip_by_value hardtanh hard_tanh".split()
)
_KEYWORDS = frozenset("min max a_min a_max dtype device negative_slope approximate".split())
_NUMBERS = frozenset({"int", "float", "bool"})
_INERT = (ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.BinOp, ast.UnaryOp, ast.Tuple, ast.Slice)


class Pointwise:
    """The tensor expression of one round.

    Attributes:
        node: the expression of the round.
        replacements: what to put in place of which part of it.
        data: the tensors whose samples it reads.
        operations: how many operators and functions are applied to samples.
        doubts: why the result may differ.
    """

    def __init__(self, node: ast.expr) -> None:
        self.node = node
        self.replacements: dict[ast.AST, str] = {}
        self.data: list[ast.expr] = []
        self.operations = 0
        self.doubts: list[str] = []


def lift_pointwise(
    batches: Batches, node: ast.expr, *, target: ast.expr | None = None, numbers: str | None = None
) -> Pointwise:
    """An expression of one round as an expression of whole tensors.

    Args:
        batches: the samples of the loop.
        node: the expression.
        target: the tensor that the round stores its own sample of, and may read that sample of.
        numbers: what the counter of the loop is for all samples: ``torch.arange(n)``.

    Raises:
        NotElementwise: it is none, with the reason.
    """
    found = Pointwise(node)
    lifter = _Lifter(batches, found, target, numbers)
    lifter.visit(node)
    lifter.line_up()
    return found


class _Lifter:
    def __init__(self, batches: Batches, found: Pointwise, target: ast.expr | None, numbers: str | None) -> None:
        self.batches = batches
        self.target = target
        self.numbers = numbers
        self.model = batches.model
        self.found = found
        self.ranks: set[int | None] = set()
        self.texts: set[str] = set()
        self.invariants: list[int | None] = []

    def visit(self, node: ast.expr) -> None:
        """Note one part of the expression."""
        if not self.batches.loop.varies(node):
            self.invariant(node)
            return
        sample = self.batches.sample(node)
        if sample is not None:
            self.read(node, sample.data, sample.text)
        elif isinstance(node, ast.Name) and node.id == self.batches.loop.index and self.numbers is not None:
            self.found.replacements[node] = self.numbers
            self.texts.add(self.numbers)
            self.ranks.add(0)
        elif isinstance(node, ast.BinOp):
            if type(node.op) not in _OPERATORS:
                raise NotElementwise(f"`{ast.unparse(node)}` is no pointwise operation")
            exact = _OPERATORS[type(node.op)] or (isinstance(node.op, ast.Pow) and _is_two(node.right))
            self.operation(exact, ast.unparse(node), [node.left, node.right])
        elif isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Not):
            self.operation(True, "", [node.operand])
        elif isinstance(node, ast.Compare) and len(node.ops) == 1 and not isinstance(node.ops[0], _IDENTITY):
            self.operation(True, "", [node.left, node.comparators[0]])
        elif isinstance(node, ast.Call):
            self.call(node)
        else:
            raise NotElementwise(f"`{ast.unparse(node)}` is no pointwise operation")

    def read(self, node: ast.expr, data: ast.expr, text: str | None) -> None:
        """A sample of a tensor."""
        if not self.model.kinds.is_a(data, *TENSORS):
            raise NotElementwise(f"`{ast.unparse(data)}` is not proven to be a tensor")
        own = self.target is not None and ast.dump(data) == ast.dump(self.target).replace("Store()", "Load()")
        if self.batches.loop.varies(data) or (self.batches.loop.changes(data) and not own):
            raise NotElementwise(f"`{ast.unparse(data)}` is another one in each round")
        if text is None:
            raise NotElementwise(f"`{ast.unparse(data)}` would be computed more than once")
        self.found.data.append(data)
        self.found.replacements[node] = text
        self.texts.add(text)
        ndim = self.model.kinds.of(data).ndim
        inside = node.slice if isinstance(node, ast.Subscript) else None
        plain = not isinstance(inside, ast.Tuple)
        self.ranks.add(ndim - 1 if ndim is not None and plain else None)

    def operation(self, exact: bool, text: str, operands: list[ast.expr]) -> None:
        self.found.operations += 1
        if not exact:
            self.found.doubts.append(f"`{text}` may differ in the last digit")
        for operand in operands:
            self.visit(operand)

    def call(self, node: ast.Call) -> None:
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            raise NotElementwise(f"`{ast.unparse(node)}` is given more than can be seen")
        dotted = self.model.names.dotted(node.func)
        operands = list(node.args)
        root = ""
        if dotted is None:
            if not isinstance(node.func, ast.Attribute):
                raise NotElementwise(f"nothing is known of what `{ast.unparse(node.func)}` does")
            name = node.func.attr
            operands.insert(0, node.func.value)
        else:
            root, _, name = dotted.rpartition(".")
            if dotted == "abs":
                root = "torch"
            if root not in _ROOTS:
                raise NotElementwise(f"nothing is known of what `{ast.unparse(node.func)}` does")
        for keyword in node.keywords:
            if keyword.arg not in _KEYWORDS:
                raise NotElementwise(f"`{ast.unparse(node)}` is given `{keyword.arg}`")
            if self.batches.loop.varies(keyword.value):
                raise NotElementwise(f"`{ast.unparse(node)}` is given another `{keyword.arg}` in each round")
            if keyword.arg not in ("dtype", "device"):
                self.invariant(keyword.value)
        if name in CASTS:
            if any(self.batches.loop.varies(argument) for argument in operands[1:]):
                raise NotElementwise(f"`{ast.unparse(node)}` is no pointwise operation")
            self.visit(operands[0])
            return
        if name not in EXACT and name not in INEXACT:
            raise NotElementwise(f"`{ast.unparse(node.func)}` is no pointwise operation")
        if name in _EXTREMES:
            self.extreme(name, root, operands[1:] + [keyword.value for keyword in node.keywords])
        self.operation(name in EXACT, ast.unparse(node.func), operands)

    def extreme(self, name: str, root: str, bounds: list[ast.expr]) -> None:
        """Which of 0.0 and -0.0 the larger one is may depend on where in a vector register a number stands."""
        if root.startswith("jax"):
            return
        numbers = all(isinstance(one, ast.Constant) or self.model.kinds.of(one).name in _NUMBERS for one in bounds)
        if root.startswith("tensorflow") or name in ("maximum", "minimum") or not numbers:
            self.found.doubts.append(EITHER_ZERO)

    def invariant(self, node: ast.expr) -> None:
        """What is the same in all rounds: a number, or a tensor that lines up with the dimensions of a sample."""
        for inner in walk(node):
            if isinstance(inner, ast.expr) and not isinstance(inner, _INERT):
                raise NotElementwise(f"`{ast.unparse(node)}` may give something else each time")
        kind = self.model.kinds.of(node)
        if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, (int, float))):
            return
        if kind.name in _NUMBERS:
            return
        self.invariants.append(kind.ndim if kind.is_a(*TENSORS) else None)

    def line_up(self) -> None:
        """Whether the dimensions of all operands line up for all samples as they do for one."""
        if not self.texts:
            raise NotElementwise("nothing of it is a sample of a tensor")
        rank = next(iter(self.ranks)) if len(self.ranks) == 1 else None
        if len(self.texts) > 1 and rank is None:
            raise NotElementwise("the dimensions of the tensors are not proven")
        for ndim in self.invariants:
            if rank is None or ndim is None or ndim > rank:
                raise NotElementwise("it is not proven that the dimensions line up")
            elif rank == 0:
                self.found.doubts.append("numbers in tensors without dimensions are promoted in another way")


_IDENTITY = (ast.Is, ast.IsNot, ast.In, ast.NotIn)


def _is_two(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value == 2


def filled(batches: Batches, data: ast.expr) -> bool:
    """Whether a tensor was newly made with a written number of samples: it is not empty, and its memory is in order."""
    return bool(samples_written(batches.model, data))


def samples_written(model: FileModel, data: ast.expr) -> int | None:
    """How many samples a tensor was newly made with, where that is a number in the code."""
    value: ast.expr | None = data
    if isinstance(data, ast.Name):
        binding = model.lengths.binding(data)
        value = binding.value if binding is not None and binding.how == "assign" and not binding.path else None
    if not isinstance(value, ast.Call):
        return None
    dotted = model.names.dotted(value.func) or ""
    root, _, name = dotted.rpartition(".")
    if root not in _MAKING or name not in _MAKING[root]:
        return None
    sizes = value.args[1:] if root == "jax.random" else value.args
    if name == "randint" and root == "torch":
        sizes = [argument for argument in value.args if isinstance(argument, (ast.Tuple, ast.List))]
    first: ast.expr | None = sizes[0] if sizes else None
    if isinstance(first, (ast.Tuple, ast.List)):
        first = first.elts[0] if first.elts else None
    return first.value if isinstance(first, ast.Constant) and type(first.value) is int else None


_MAKING = {
    "torch": frozenset("zeros ones rand randn full randint arange eye".split()),
    "jax.numpy": frozenset("zeros ones full arange eye".split()),
    "jax.random": frozenset("normal uniform".split()),
    "tensorflow": frozenset("zeros ones fill".split()),
    "tensorflow.random": frozenset("normal uniform".split()),
}
"""Module → makers of tensors whose first argument says how many samples there are."""
