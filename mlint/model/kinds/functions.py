"""What functions of the project return."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.kinds.value import NEVER, UNKNOWN, Kind, iterable, join
from mlint.model.tree import walk_scope

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds

TRANSPARENT = frozenset(
    {
        "torch.no_grad",
        "torch.inference_mode",
        "torch.enable_grad",
        "torch.set_grad_enabled",
        "torch.autocast",
        "torch.jit.script",
        "torch.jit.ignore",
        "torch.jit.export",
        "torch.jit.unused",
        "torch.compile",
        "torch.compiler.disable",
        "jax.jit",
        "jax.checkpoint",
        "jax.remat",
        "jax.named_scope",
        "flax.linen.compact",
        "flax.linen.nowrap",
        "flax.nnx.jit",
        "functools.lru_cache",
        "functools.cache",
        "functools.wraps",
        "staticmethod",
        "classmethod",
        "property",
        "functools.cached_property",
        "abc.abstractmethod",
        "typing.override",
        "typing_extensions.override",
        "typing.no_type_check",
        "typing.final",
        "numba.njit",
        "numba.jit",
        "tensorflow.function",
        "tensorflow.autograph.experimental.do_not_convert",
    }
)
"""Decorators that leave what a function returns as it is."""

_BUILTIN = frozenset({"staticmethod", "classmethod", "property"})
_PROPERTIES = frozenset({"property", "functools.cached_property", "cached_property"})


def returned(kinds: Kinds, function: ast.FunctionDef) -> Kind:
    """The kind of what a function of a file returns when it is called."""
    cached = kinds.returns.get(function)
    if cached is not None:
        return cached
    kinds.returns[function] = NEVER  # a recursive call adds nothing
    kind = _decorated(kinds, function)
    if kind is None:
        kind = plain(kinds, function)
    if kind.name == "never":
        kind = UNKNOWN
    kinds.returns[function] = kind
    return kind


def plain(kinds: Kinds, function: ast.FunctionDef) -> Kind:
    """What a function returns without its decorators."""
    kind = UNKNOWN if function.returns is None else kinds.annotation(function.returns)
    if not kind.known or (kind.name in ("tuple", "list", "dict") and not kind.elements):
        inferred = _inferred(kinds, function)
        if not kind.known or inferred.name == kind.name:
            kind = inferred
    return kind


def put_off(kinds: Kinds, function: ast.FunctionDef) -> Kind:
    """What a function returns in the end that `dask.delayed` or `ray.remote` has made run later."""
    for decorator in function.decorator_list:
        name = decorator_name(kinds, decorator)
        if name not in TRANSPARENT and name not in ("dask.delayed", "ray.remote"):
            return UNKNOWN
    return plain(kinds, function)


def handed(kinds: Kinds, parameter: ast.AST, given: Kind) -> Kind:
    """What a function gets for a parameter where its callers give something: what is put off comes computed."""
    function = kinds.tree.parent(parameter)
    if isinstance(function, ast.arguments):
        function = kinds.tree.parent(function)
    if isinstance(function, ast.FunctionDef) and function.decorator_list:
        names = [decorator_name(kinds, decorator) for decorator in function.decorator_list]
        if "dask.delayed" in names:
            from mlint.model.kinds import dask_collections

            return dask_collections.computed(given)
    return given


def _decorated(kinds: Kinds, function: ast.FunctionDef) -> Kind | None:
    """What decorators make of a function's result; None where they leave it as it is."""
    for decorator in function.decorator_list:
        name = decorator_name(kinds, decorator)
        if name == "dask.delayed":
            made = put_off(kinds, function)
            return Kind("dask.delayed.Delayed", elements=(made,) if made.known else ())
        if name not in TRANSPARENT:
            return UNKNOWN
    return None


def replaced(kinds: Kinds, definition: ast.AST) -> Kind:
    """The kind of what a name stands for whose function or class a decorator has replaced."""
    names = [decorator_name(kinds, decorator) for decorator in definition.decorator_list]  # type: ignore[attr-defined]
    if names and names[0] == "ray.remote":
        from mlint.model.kinds import ray_tasks

        return ray_tasks.decorated(kinds, definition)
    return UNKNOWN


def decorator_name(kinds: Kinds, decorator: ast.expr) -> str | None:
    """The dotted name of a decorator, looking through its arguments and through `functools.partial`."""
    callee = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = kinds.names.dotted(callee)
    if name is None and isinstance(callee, ast.Name) and callee.id in _BUILTIN:
        return callee.id if kinds.names.lookup(callee) is None else None
    if name == "functools.partial" and isinstance(decorator, ast.Call) and decorator.args:
        return kinds.names.dotted(decorator.args[0])
    return name


def is_property(kinds: Kinds, function: ast.AST) -> bool:
    """Whether a method is read as an attribute."""
    return isinstance(function, ast.FunctionDef) and any(
        decorator_name(kinds, decorator) in _PROPERTIES for decorator in function.decorator_list
    )


def _inferred(kinds: Kinds, function: ast.FunctionDef) -> Kind:
    values: list[Kind] = []
    produced: list[Kind] = []
    for inner in walk_scope(function):
        if isinstance(inner, ast.Return):
            values.append(kinds.of(inner.value) if inner.value is not None else Kind("None"))
        elif isinstance(inner, ast.Yield):
            produced.append(kinds.of(inner.value))
        elif isinstance(inner, ast.YieldFrom):
            produced.append(kinds.elements(inner.value))
    if produced:
        return iterable(join(produced))
    return join(values) if values else UNKNOWN
