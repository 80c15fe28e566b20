"""What may be executed to try it out: code that computes, and touches nothing outside its own variables."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.kinds import DATAFRAME, GROUPBY, JAX_ARRAY, NDARRAY, SERIES, TENSOR, TF_TENSOR
from mlint.model.libraries.numpy_ import UFUNCS
from mlint.model.loops.pointwise import EXACT, INEXACT
from mlint.model.tree import FUNCTIONS

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_BUILTINS = frozenset(
    "len range enumerate zip abs min max sum round int float bool complex list tuple dict set sorted reversed any all "
    "isinstance str".split()
)
_NUMPY = UFUNCS | frozenset(
    "sum prod mean std var min max amin amax argmax argmin median ptp any all count_nonzero cumsum cumprod dot matmul "
    "outer inner array asarray zeros ones empty full zeros_like ones_like empty_like full_like arange linspace eye "
    "identity concatenate append stack hstack vstack where clip bincount unique diff sort argsort flip ravel reshape "
    "squeeze transpose tile repeat broadcast_to nan_to_num nansum nanmax nanmin searchsorted digitize einsum isclose "
    "vectorize float64 float32 "
    "int64 int32 uint8 bool_".split()
)
_POINTWISE = EXACT | INEXACT
_DRAWS = frozenset(
    "rand randn random random_sample normal uniform standard_normal randint integers binomial poisson beta gamma "
    "exponential laplace permutation choice".split()
)
_METHODS = _POINTWISE | frozenset(
    "append extend sum prod mean std var min max argmax argmin any all cumsum cumprod dot copy astype tolist item "
    "reshape ravel flatten transpose iterrows itertuples apply map lower upper strip len startswith endswith replace "
    "repeat expand groupby agg transform fillna isna notna abs round clip get items values keys detach clone to "
    "size numel unsqueeze squeeze view "
    "exp log sqrt relu sigmoid tanh pow float int bool long double half iloc loc shape rolling "
    "head tail reset_index sort_values".split()
)
_TORCH = UFUNCS | _POINTWISE | frozenset(
    "tensor as_tensor zeros ones empty full arange linspace zeros_like ones_like full_like cat stack concat vstack "
    "hstack sum mean max min prod any all where softmax log_softmax matmul dot mm bmm outer cumsum cumprod argmax "
    "argmin norm unsqueeze squeeze flatten reshape nonzero float32 float64 int64".split()
)
_TENSORFLOW = _POINTWISE | frozenset(
    "constant convert_to_tensor zeros ones fill range zeros_like ones_like concat stack reduce_sum reduce_mean "
    "reduce_max reduce_min reduce_prod where softmax log_softmax matmul cumsum cumprod argmax argmin expand_dims "
    "squeeze reshape shape cast transpose tile gather".split()
)
_JAX = _NUMPY | _POINTWISE | frozenset({"softmax", "log_softmax", "expand_dims", "tile", "take"})
_ROOTS = {
    "numpy": _NUMPY,
    "numpy.linalg": frozenset({"norm"}),
    "torch": _TORCH,
    "torch.nn.functional": _POINTWISE | frozenset({"softmax", "log_softmax"}),
    "torch.special": _POINTWISE,
    "tensorflow": _TENSORFLOW,
    "tensorflow.math": _TENSORFLOW,
    "tensorflow.nn": _TENSORFLOW,
    "jax.numpy": _JAX,
    "jax.nn": _JAX,
    "jax.lax": _POINTWISE,
    "pandas": frozenset("concat DataFrame Series isna notna to_numeric".split()),
    "random": frozenset("random uniform gauss normalvariate randint randrange choice sample".split()),
    "numpy.random": _DRAWS,
    "jax.random": frozenset("normal uniform bernoulli randint permutation PRNGKey key split fold_in".split()),
}
"""Module → those of its functions that compute, or draw from a generator whose state both versions find alike."""
_REFUSED = (
    ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.Await, ast.Yield, ast.YieldFrom, ast.With, ast.AsyncWith,
    ast.AsyncFor, ast.Raise, ast.Delete, ast.While, ast.Try, ast.ClassDef, *FUNCTIONS,
)  # fmt: skip
_OBJECTS = (NDARRAY, TENSOR, TF_TENSOR, JAX_ARRAY, DATAFRAME, SERIES, GROUPBY, "pandas.Rolling", "list", "str", "dict")
GENERATORS = ("numpy.random.Generator", "numpy.random.RandomState")


class NotExecuted(Exception):  # noqa: N818
    """Code that is not executed to try it out.

    Attributes:
        reason: why, one line, for people.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_pure(statement: ast.stmt, model: FileModel) -> None:
    """See that a statement does nothing but compute.

    Raises:
        NotExecuted: it may do something else, or nothing is known of what it does.
    """
    for node in ast.walk(statement):
        if isinstance(node, _REFUSED) or (isinstance(node, ast.Return) and node is not statement):
            raise NotExecuted(f"line {getattr(node, 'lineno', statement.lineno)} does more than compute")
        if isinstance(node, ast.Call) and not _is_pure(node, model):
            raise NotExecuted(f"nothing is known of what `{ast.unparse(node.func)}` does")


def check_function(function: ast.FunctionDef, model: FileModel) -> None:
    """See that a function does nothing but compute what it returns.

    Raises:
        NotExecuted: it may do something else, or nothing is known of what it does.
    """
    if function.decorator_list:
        raise NotExecuted(f"`{function.name}` is decorated")
    for statement in function.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Return):
                continue
            if isinstance(node, _REFUSED):
                raise NotExecuted(f"`{function.name}` does more than compute")
            if isinstance(node, ast.Call) and not _is_pure(node, model):
                raise NotExecuted(f"nothing is known of what `{ast.unparse(node.func)}` does")


def _is_pure(call: ast.Call, model: FileModel) -> bool:
    dotted = model.names.dotted(call.func)
    if dotted is not None:
        root, _, last = dotted.rpartition(".")
        if not root:
            return last in _BUILTINS
        return root == "math" or last in _ROOTS.get(root, ())
    if not isinstance(call.func, ast.Attribute):
        inner = call.func.func if isinstance(call.func, ast.Call) else None
        return inner is not None and model.names.dotted(inner) == "numpy.vectorize"
    if call.func.attr in _DRAWS and model.kinds.is_a(call.func.value, *GENERATORS):
        return True
    if call.func.attr not in _METHODS:
        return False
    kind = model.kinds.of(call.func.value)
    return not kind.known or kind.name in ("scalar", "int", "float", "iterable") or kind.is_a(*_OBJECTS)
