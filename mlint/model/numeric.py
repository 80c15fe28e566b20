"""What is plain to see about the numbers that an expression gives: floating point, whole, never positive, shifted.

Questions of numerical stability depend on it: `log(1 + x)` with an `x` of a small integer dtype is computed in another
precision than `log1p(x)`, `exp(x - x.max())` cannot overflow. Nothing is guessed: False means not known.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.tree import walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_FLOATS = frozenset({"float16", "float32", "float64", "bfloat16"})
_FLOATING = frozenset(
    "exp exp2 expm1 log log2 log10 log1p sqrt cbrt sin cos tan arcsin arccos arctan asin acos atan sinh cosh tanh "
    "sigmoid expit softmax log_softmax logsigmoid log_sigmoid softplus mean std var average norm logsumexp rand randn "
    "normal uniform standard_normal random_sample random float32 float64 double half float linspace "
    "true_divide divide reduce_mean reduce_std reciprocal erf gelu".split()
)
_KEEPING = frozenset(
    "abs absolute fabs negative clip clamp maximum minimum sum reduce_sum max min amax amin cumsum reshape squeeze "
    "ravel flatten transpose array asarray square power pow multiply where concatenate stack to detach clone "
    "copy".split()
)
_REAL = frozenset(
    "rand randn normal uniform standard_normal random_sample random float32 float64 double half float abs absolute "
    "fabs norm std var randint arange".split()
)
"""Functions that give no complex numbers whatever they are given."""
_LIBRARIES = frozenset({"numpy", "torch", "jax", "tensorflow", "scipy", "math"})
_DEPTH = 6


def is_floating(model: FileModel, node: ast.AST, depth: int = 0) -> bool:
    """Whether an expression certainly gives floating-point numbers, real or complex ones: see `is_real`."""
    kind = model.kinds.of(node)
    if kind.name == "float" or kind.dtype in _FLOATS:
        return True
    if kind.name in ("int", "bool") or kind.dtype is not None or depth > _DEPTH:
        return False
    if isinstance(node, ast.UnaryOp):
        return is_floating(model, node.operand, depth + 1)
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Div):
            return True
        if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Pow)):
            return is_floating(model, node.left, depth + 1) or is_floating(model, node.right, depth + 1)
        return False
    if isinstance(node, ast.IfExp):
        return is_floating(model, node.body, depth + 1) and is_floating(model, node.orelse, depth + 1)
    if isinstance(node, ast.Subscript):
        return is_floating(model, node.value, depth + 1)
    if isinstance(node, ast.Attribute):
        return node.attr == "T" and is_floating(model, node.value, depth + 1)
    if isinstance(node, ast.Name):
        values = _values(model, node)
        return bool(values) and all(is_floating(model, value, depth + 1) for value in values)
    if isinstance(node, ast.Call):
        return _gives_floats(model, node, depth)
    return False


def _gives_floats(model: FileModel, node: ast.Call, depth: int) -> bool:
    dotted = model.names.dotted(node.func)
    word = _word(node)
    if dotted is None and not isinstance(node.func, ast.Attribute):
        return False
    library = dotted is not None and dotted.partition(".")[0] in _LIBRARIES
    if word == "astype" and node.args:
        from mlint.model.kinds.arrays import dtype_of

        return dtype_of(model.kinds, node.args[0]) in _FLOATS
    if library and word in _FLOATING:
        return True
    if dotted is None and word in ("mean", "std", "var", "exp", "log", "sqrt", "sigmoid", "softmax", "float"):
        receiver = node.func.value  # type: ignore[attr-defined]
        return model.kinds.is_a(receiver, "numpy.ndarray", "torch.Tensor", "jax.Array", "tensorflow.Tensor")
    if word in _KEEPING:
        operands = list(node.args) if library else [node.func.value]  # type: ignore[attr-defined]
        return bool(operands) and is_floating(model, operands[0], depth + 1)
    return False


def is_real(model: FileModel, node: ast.AST, depth: int = 0) -> bool:
    """Whether an expression certainly gives no complex numbers."""
    kind = model.kinds.of(node)
    if kind.name in ("float", "int", "bool"):
        return True
    if kind.dtype is not None:
        return kind.dtype in _FLOATS or kind.dtype.startswith(("int", "uint", "bool"))
    if depth > _DEPTH:
        return False
    if isinstance(node, ast.UnaryOp):
        return is_real(model, node.operand, depth + 1)
    if isinstance(node, ast.BinOp):
        return is_real(model, node.left, depth + 1) and is_real(model, node.right, depth + 1)
    if isinstance(node, ast.IfExp):
        return is_real(model, node.body, depth + 1) and is_real(model, node.orelse, depth + 1)
    if isinstance(node, ast.Subscript) or (isinstance(node, ast.Attribute) and node.attr == "T"):
        return is_real(model, node.value, depth + 1)
    if isinstance(node, ast.Name):
        values = _values(model, node)
        return bool(values) and all(is_real(model, value, depth + 1) for value in values)
    if not isinstance(node, ast.Call):
        return False
    dotted, word = model.names.dotted(node.func), _word(node)
    if dotted is not None and dotted.partition(".")[0] in _LIBRARIES:
        if word in _REAL:
            return True
        return word in (_FLOATING | _KEEPING) and all(is_real(model, part, depth + 1) for part in node.args)
    if dotted is None and isinstance(node.func, ast.Attribute):
        if word in ("normal", "uniform", "random", "standard_normal"):
            return model.kinds.of(node.func.value).name.startswith("numpy.random")
        return word in (_FLOATING | _KEEPING) and is_real(model, node.func.value, depth + 1)
    return False


def is_whole(model: FileModel, node: ast.AST) -> bool:
    """Whether an expression certainly gives whole numbers or truth values."""
    kind = model.kinds.of(node)
    if kind.name in ("int", "bool") or (kind.dtype is not None and kind.dtype.startswith(("int", "uint", "bool"))):
        return True
    if isinstance(node, ast.Call):
        return model.names.dotted(node.func) in ("len", "int", "bool", "numpy.arange_") or _word(node) in (
            "bit_length",
            "numel",
        )
    return isinstance(node, (ast.Compare, ast.BoolOp)) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.Invert))
    )


def is_never_positive(model: FileModel, node: ast.AST, depth: int = 0) -> bool:
    """Whether an expression is a negated absolute value, square or the like: its exponential cannot overflow."""
    if depth > _DEPTH:
        return False
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _is_never_negative(model, node.operand, depth + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.Mult)):
        return is_never_positive(model, node.left, depth + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        return is_shifted(model, node)
    if isinstance(node, ast.Call) and _word(node) in ("minimum", "min", "clamp_max", "clamp", "neg"):
        if _word(node) == "neg":
            operand = node.args[0] if node.args else getattr(node.func, "value", node)
            return _is_never_negative(model, operand, depth + 1)
        return any(isinstance(part, ast.Constant) and part.value in (0, 0.0) for part in ast.walk(node))
    if isinstance(node, ast.Name):
        values = _values(model, node)
        return bool(values) and all(is_never_positive(model, value, depth + 1) for value in values)
    return False


def _is_never_negative(model: FileModel, node: ast.AST, depth: int) -> bool:
    if isinstance(node, ast.Call):
        return _word(node) in ("abs", "absolute", "fabs", "square", "norm", "sqrt", "exp", "softplus", "relu")
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Pow):
            return isinstance(node.right, ast.Constant) and node.right.value in (2, 4)
        if isinstance(node.op, (ast.Div, ast.Mult)):
            return _is_never_negative(model, node.left, depth + 1)
    if isinstance(node, ast.Name) and depth <= _DEPTH:
        values = _values(model, node)
        return bool(values) and all(_is_never_negative(model, value, depth + 1) for value in values)
    return False


def is_shifted(model: FileModel, node: ast.AST, depth: int = 0) -> bool:
    """Whether a maximum has been subtracted already: ``x - x.max()``, also a line above."""
    if depth > _DEPTH:
        return False
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        return _is_maximum(model, node.right, depth) or is_shifted(model, node.left, depth + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div)):
        return any(is_shifted(model, part, depth + 1) for part in (node.left, node.right))
    if isinstance(node, ast.Name):
        for binding in model.reaching.of(node) or ():
            if binding.how == "augment" and isinstance(binding.node, ast.AugAssign):
                if isinstance(binding.node.op, ast.Sub) and _is_maximum(model, binding.node.value, depth):
                    return True
        return any(is_shifted(model, value, depth + 1) for value in _values(model, node, every=False))
    return False


def _is_maximum(model: FileModel, node: ast.AST, depth: int) -> bool:
    if any(isinstance(part, ast.Call) and "max" in _word(part) for part in walk(node)):
        return True
    names = [part for part in walk(node) if isinstance(part, ast.Name)]
    for name in names if depth <= _DEPTH else ():
        if "max" in name.id.lower():  # who calls it so has thought of it
            return True
        if any(_is_maximum(model, value, depth + 1) for value in _values(model, name, every=False)):
            return True
    return False


def _values(model: FileModel, name: ast.Name, *, every: bool = True) -> list[ast.expr]:
    """The expressions that a name can stand for; with ``every``, none at all unless all are known."""
    found: list[ast.expr] = []
    for binding in model.reaching.of(name) or ():
        if binding.how in ("assign", "walrus") and binding.value is not None and (not binding.path or not every):
            found.append(binding.value)
        elif every:
            return []
    return found


def _word(node: ast.Call) -> str:
    """The last word of what a call calls."""
    func = node.func
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
