"""What calls give."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model import libraries
from mlint.model.kinds import classes, functions
from mlint.model.kinds.value import (
    JAX_ARRAY,
    LOSS,
    MODULE,
    TENSOR,
    TF_TENSOR,
    UNKNOWN,
    Kind,
    join,
)
from mlint.model.tree import FUNCTIONS

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds

_TRANSFORMED = frozenset(
    {"jax.jit", "jax.checkpoint", "jax.remat", "torch.compile", "functools.partial", "tensorflow.function"}
)
"""Functions that return a function which returns the same as the one they are given."""

_CONSTRUCTORS = frozenset(
    {"from_pretrained", "from_config", "load_from_checkpoint", "from_state_dict", "create", "from_params"}
)
"""Class methods of libraries that make an instance of the class."""


def called(kinds: Kinds, node: ast.Call) -> Kind:
    """The kind of what a call gives."""
    return result_of(kinds, node.func, node)


def result_of(kinds: Kinds, func: ast.expr, node: ast.Call) -> Kind:
    """The kind of what a call gives, if what it calls is ``func``."""
    dotted = kinds.names.dotted(func)
    if dotted is not None:
        return _by_name(kinds, dotted, node)
    definition = kinds._definition(func)
    if definition is not None:
        return _of_definition(kinds, kinds, definition)
    if isinstance(func, ast.Call):
        made = _transformed(kinds, func, node)
        if made is not None:
            return made
    if isinstance(func, ast.Name):
        made = _bound(kinds, func, node)
        if made is not None:
            return made
    if isinstance(func, ast.Attribute):
        receiver = kinds.of(func.value)
        if not receiver.known:
            return _constructed(kinds, func) or _called_attribute(kinds, func, node)
        if receiver.alternatives:
            return join([_method(kinds, alternative, func, node) for alternative in receiver.alternatives])
        return _method(kinds, receiver, func, node)
    return instance_called(kinds, kinds.of(func), node)


def _of_definition(kinds: Kinds, home: Kinds, definition: ast.AST) -> Kind:
    if isinstance(definition, ast.ClassDef):
        return classes.imported(home.class_instance(definition), home, kinds)
    if isinstance(definition, ast.FunctionDef):
        return classes.imported(functions.returned(home, definition), home, kinds)
    return UNKNOWN


def _by_name(kinds: Kinds, dotted: str, node: ast.Call) -> Kind:
    if "." not in dotted:
        from mlint.model.kinds import builtin

        return builtin.result(kinds, dotted, node)
    if dotted in ("copy.deepcopy", "copy.copy"):
        return kinds.of(node.args[0]) if node.args else UNKNOWN
    if dotted.partition(".")[0] not in libraries.ROOTS:
        found = kinds.foreign(dotted)
        if found is not None:
            return _of_definition(kinds, *found)
        owner = kinds.foreign(dotted.rpartition(".")[0])  # a class method of another file's class
        if owner is not None:
            name = dotted.rpartition(".")[2]
            if name in ("remote", "options"):
                from mlint.model.kinds import ray_tasks

                remote = classes.imported(ray_tasks.decorated(*owner), owner[0], kinds)
                if remote.known:
                    return ray_tasks.method(kinds, remote, name, node) or UNKNOWN
            if isinstance(owner[1], ast.ClassDef):
                return _class_call(kinds, owner[0], owner[1], name)
        return UNKNOWN
    from mlint.model.kinds import by_arguments, specs

    special = by_arguments.special(dotted)
    if special is not None:
        return special(kinds, node, dotted)
    spec = libraries.returns(dotted)
    if spec is not None:
        return specs.result(kinds, spec, node, None, dotted)
    instance = kinds.instance(dotted)
    if instance is not None:
        return specs.constructed(kinds, instance, node)
    owner_name, _, name = dotted.rpartition(".")
    if name in _CONSTRUCTORS:
        return kinds.instance(owner_name) or UNKNOWN
    return UNKNOWN


def _transformed(kinds: Kinds, maker: ast.Call, node: ast.Call) -> Kind | None:
    """``jax.grad(f)(x)``, ``jax.jit(f)(x)``, ``vmap(f)(x)``: a call of what a function makes of another function."""
    dotted = kinds.names.dotted(maker.func)
    if dotted == "ray.remote" and not maker.args and node.args:  # ray.remote(num_cpus=1)(f)
        from mlint.model.kinds import ray_tasks

        return ray_tasks.with_options(ray_tasks.function_named(kinds, node.args[0]), maker.keywords)
    if dotted is None or not maker.args:
        return None
    if dotted == "dask.delayed":
        made = _value_called(kinds, maker.args[0], node)
        return Kind("dask.delayed.Delayed", elements=(made,) if _is_eager(made) else ())
    if dotted in _TRANSFORMED:
        return _value_called(kinds, maker.args[0], node)
    if dotted == "jax.vmap" or dotted == "jax.pmap":
        kind = _value_called(kinds, maker.args[0], node)
        return Kind(JAX_ARRAY) if kind.is_a(JAX_ARRAY) else UNKNOWN
    if dotted in ("jax.grad", "jax.value_and_grad") and node.args:
        extra = any(keyword.arg != "has_aux" for keyword in maker.keywords) or len(maker.args) > 1
        has_aux = any(keyword.arg == "has_aux" for keyword in maker.keywords)
        gradient = UNKNOWN if extra else kinds.of(node.args[0])
        if dotted == "jax.grad":
            return UNKNOWN if has_aux else gradient
        value = Kind("tuple", elements=(Kind(JAX_ARRAY), UNKNOWN)) if has_aux else Kind(JAX_ARRAY)
        return Kind("tuple", elements=(value, gradient))
    return None


def _is_eager(kind: Kind) -> bool:
    """Whether a kind that was worked out for arguments that are put off is none that was taken from them."""
    return kind.known and not kind.name.startswith("dask.") and all(_is_eager(one) for one in kind.elements)


def _value_called(kinds: Kinds, func: ast.expr, node: ast.Call) -> Kind:
    if isinstance(func, ast.Lambda):
        return kinds.of(func.body)
    return result_of(kinds, func, node)


def _bound(kinds: Kinds, func: ast.Name, node: ast.Call) -> Kind | None:
    """A call of a name that was bound to a lambda, or to what is made of a function (``f = partial(g, 1)``)."""
    bindings = kinds.reaching.of(func)
    if bindings is None or len(bindings) != 1 or bindings[0].how != "assign" or bindings[0].path:
        return None
    value = bindings[0].value
    if isinstance(value, ast.Lambda):
        return kinds.of(value.body)
    return _transformed(kinds, value, node) if isinstance(value, ast.Call) else None


def _constructed(kinds: Kinds, func: ast.Attribute) -> Kind | None:
    """``Model.build()``: a class method of a class of the project, and ``cls.build()``."""
    node = func.value
    if isinstance(node, ast.Name) and kinds.is_self(node) and classes.is_class_method(kinds, node):
        owner = kinds.tree.class_of(node)
    else:
        owner = kinds.local_class(node)
    return None if owner is None else _class_call(kinds, kinds, owner, func.attr)


def _class_call(kinds: Kinds, home: Kinds, owner: ast.ClassDef, name: str) -> Kind:
    for place, method in classes.methods(home, owner, name):
        return _of_definition(kinds, place, method)
    return UNKNOWN


def _called_attribute(kinds: Kinds, func: ast.Attribute, node: ast.Call) -> Kind:
    kind = kinds.of(func)
    return instance_called(kinds, kind, node) if kind.known else UNKNOWN


def _method(kinds: Kinds, receiver: Kind, func: ast.Attribute, node: ast.Call) -> Kind:
    """The kind of ``receiver.name(...)``."""
    home = classes.home_of(kinds, receiver)
    if home is not None:
        for place, method in classes.methods(*home, func.attr):
            if functions.is_property(place, method):
                break
            return _of_definition(kinds, place, method)
        else:
            kind = kinds.of(func)
            if kind.known:
                return instance_called(kinds, kind, node)
    from mlint.model.kinds import specs

    return specs.method_result(kinds, receiver, func.attr, node)


_CALLING = {"flax.linen.Module": "__call__", "flax.nnx.Module": "__call__", MODULE: "forward"}


def instance_called(kinds: Kinds, kind: Kind, node: ast.Call) -> Kind:
    """The kind of what calling an instance gives."""
    if kind.alternatives:
        return join([instance_called(kinds, alternative, node) for alternative in kind.alternatives])
    home = classes.home_of(kinds, kind)
    if home is not None:
        names = [name for family, name in _CALLING.items() if kind.is_a(family)]
        for name in (*names, "__call__"):
            for place, method in classes.methods(*home, name):
                return _of_definition(kinds, place, method)
        if any(family.startswith(("keras.", "tensorflow.")) for family in kind.families):
            return _keras_called(kinds, home, node)
    if kind.is_a(LOSS) or kind.is_a("torch.nn.Layer"):
        return Kind(TENSOR)
    if kind.name in _RECURRENT:
        state = Kind("tuple", elements=(Kind(TENSOR), Kind(TENSOR))) if kind.name == "torch.nn.LSTM" else Kind(TENSOR)
        output = UNKNOWN  # packed for a packed sequence
        given = kinds.of(node.args[0]) if node.args else UNKNOWN
        return Kind("tuple", elements=(Kind(TENSOR) if given.is_a(TENSOR) else output, state))
    if kind.is_a("keras.layers.Layer", "keras.Model"):
        return _keras_called(kinds, None, node)
    if kind.is_a("keras.losses.Loss"):
        return Kind(TF_TENSOR)
    if home is None and kind.is_a("flax.linen.Module", "flax.nnx.Module"):
        return Kind(JAX_ARRAY) if kind.name.rpartition(".")[2] in _FLAX_LAYERS else UNKNOWN
    return UNKNOWN


_RECURRENT = frozenset({"torch.nn.LSTM", "torch.nn.GRU", "torch.nn.RNN"})
_FLAX_LAYERS = frozenset(
    "Dense DenseGeneral Conv ConvTranspose Embed LayerNorm BatchNorm GroupNorm RMSNorm Dropout Linear".split()
)


def _keras_called(kinds: Kinds, home: tuple[Kinds, ast.ClassDef] | None, node: ast.Call) -> Kind:
    """A layer gives tensors for tensors, and symbolic ones for symbolic ones."""
    given = kinds.of(node.args[0]) if len(node.args) == 1 else UNKNOWN
    if home is not None:
        for _, method in classes.methods(*home, "call"):
            assert isinstance(method, FUNCTIONS)
            result = classes.imported(home[0].returned(method), home[0], kinds) if isinstance(
                method, ast.FunctionDef
            ) else UNKNOWN
            return result if result.is_a(TF_TENSOR) and given.is_a(TF_TENSOR) else UNKNOWN
    if given.is_a("keras.KerasTensor"):
        return Kind("keras.KerasTensor")
    return Kind(TF_TENSOR) if given.is_a(TF_TENSOR) else UNKNOWN


