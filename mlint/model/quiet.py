"""Code that is seen as a whole: it runs nothing but what stands there, and changes no object that there was before."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.kinds import NDARRAY
from mlint.model.libraries.numpy_ import UFUNCS
from mlint.model.tree import walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_BUILTINS = frozenset("len range enumerate zip reversed int float bool complex abs min max round sum sorted".split())
_OVER = frozenset("enumerate zip reversed sorted".split())
"""Builtins that go over what they are given."""
_MAKERS = frozenset(
    "array asarray copy zeros ones empty full eye identity arange linspace logspace zeros_like ones_like empty_like "
    "full_like concatenate append stack hstack vstack dstack column_stack where tile repeat outer dot matmul inner "
    "sum prod mean std var min max amin amax median ptp any all argmin argmax cumsum cumprod diff clip ravel reshape "
    "transpose squeeze expand_dims atleast_1d atleast_2d atleast_3d sort argsort unique flip roll round around".split()
)
_METHODS = frozenset(
    "copy astype sum prod mean std var min max any all argmin argmax cumsum cumprod clip ravel reshape flatten "
    "squeeze dot conj round repeat take item tolist nonzero argsort trace".split()
)
_DRAWS = frozenset("rand randn random normal uniform randint integers standard_normal choice permutation".split())
_CONTAINERS = frozenset({"list", "tuple", "range", "str", "dict", "set", "bytes"})
_NUMBERS = frozenset({"int", "float", "bool", "complex", "scalar"})
_LOUD = (
    ast.Yield,
    ast.YieldFrom,
    ast.Await,
    ast.AsyncFor,
    ast.AsyncWith,
    ast.With,
    ast.Import,
    ast.ImportFrom,
    ast.Delete,
    ast.ClassDef,
    ast.Global,
    ast.Nonlocal,
)


def quiet(model: FileModel, node: ast.AST) -> bool:
    """Whether a statement or an expression changes no object that existed before it, and runs no code but its own.

    The state of NumPy's global generator does not count: nobody holds it as an array.
    """
    return all(_is_quiet(model, inner) for inner in walk(node))


def _is_quiet(model: FileModel, node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return _quiet_call(model, node)
    if isinstance(node, ast.AugAssign):
        return isinstance(node.target, ast.Name) and model.kinds.of(node.target).name in _NUMBERS
    if isinstance(node, (ast.Subscript, ast.Attribute)):
        return isinstance(node.ctx, ast.Load)
    if isinstance(node, (ast.For, ast.comprehension)):
        return _seen(model, node.iter)
    return not isinstance(node, _LOUD)


def _quiet_call(model: FileModel, call: ast.Call) -> bool:
    func = call.func
    if any(keyword.arg in ("out", None, "key", "where") for keyword in call.keywords):
        return False
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return False
    if isinstance(func, ast.Name) and func.id in _BUILTINS and model.names.lookup(func) is None:
        return True
    dotted = model.names.dotted(func)
    if dotted is not None:
        root, _, last = dotted.rpartition(".")
        if root == "numpy":
            return (last in UFUNCS and len(call.args) <= 2) or (last in _MAKERS and len(call.args) <= 3)
        return root == "math" or (root == "numpy.random" and last in _DRAWS)
    if not isinstance(func, ast.Attribute) or func.attr not in _METHODS or len(call.args) > 2:
        return False
    return model.kinds.is_a(func.value, NDARRAY)


def _seen(model: FileModel, iterated: ast.expr) -> bool:
    """Whether going over something runs no code of its own, as a generator would."""
    if isinstance(iterated, (ast.List, ast.Tuple)):
        return True
    if isinstance(iterated, ast.Call) and isinstance(iterated.func, ast.Name) and iterated.func.id in _OVER:
        return all(_seen(model, argument) for argument in iterated.args)
    kind = model.kinds.of(iterated)
    return kind.name in _CONTAINERS or kind.is_a(NDARRAY)
