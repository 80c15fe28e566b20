"""What annotations promise."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.kinds import classes
from mlint.model.kinds.value import JAX_ARRAY, MODULE, NDARRAY, NONE, TENSOR, UNKNOWN, Kind, iterable, join
from mlint.model.names import canonical

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds

_PLAIN = frozenset(
    "int float bool str complex bytes list dict tuple set range numpy.ndarray jax.Array pandas.DataFrame pandas.Series "
    "pandas.Index tensorflow.Tensor tensorflow.Variable tensorflow.data.Dataset torch.device torch.dtype torch.Size "
    "torch.Generator torch.optim.Optimizer torch.nn.Module numpy.random.Generator numpy.random.RandomState".split()
)
_ALIASES = {
    "torch.FloatTensor": TENSOR,
    "torch.LongTensor": TENSOR,
    "torch.BoolTensor": TENSOR,
    "torch.IntTensor": TENSOR,
    "torch.Tensor": TENSOR,
    "torch.nn.Parameter": TENSOR,
    "torch.nn.parameter.Parameter": TENSOR,
    "jax.numpy.ndarray": JAX_ARRAY,
    "jaxtyping.Array": JAX_ARRAY,
    "jaxlib.xla_extension.ArrayImpl": JAX_ARRAY,
    "chex.Array": JAX_ARRAY,
    "torch.optim.lr_scheduler._LRScheduler": "torch.optim.lr_scheduler.LRScheduler",
    "typing.List": "list",
    "typing.Dict": "dict",
    "typing.Tuple": "tuple",
    "typing.Set": "set",
}
_LOOSE = frozenset({"chex.Array"})
"""Names that also stand for arrays of NumPy: nothing is promised by them."""

_SAME = frozenset({"Optional", "Annotated", "Final", "ClassVar", "Required", "NotRequired", "InitVar", "ReadOnly"})
_LISTS = {"List": "list", "list": "list", "Set": "set", "set": "set"}
_ITERABLES = frozenset({"Sequence", "Iterable", "Iterator", "Generator", "Collection", "MutableSequence"})
_MAPPINGS = frozenset({"Dict", "dict", "Mapping", "MutableMapping", "OrderedDict", "defaultdict", "DefaultDict"})
_JAXTYPING = frozenset(
    "Float Float16 Float32 Float64 BFloat16 Int Int8 Int16 Int32 Int64 UInt UInt8 UInt16 UInt32 UInt64 Bool Complex "
    "Num Real Inexact Integer Shaped Key PRNGKeyArray".split()
)
_DTYPES = {"Float16": "float16", "Float32": "float32", "Float64": "float64", "Int32": "int32", "Int64": "int64",
           "Int8": "int8", "Int16": "int16", "UInt8": "uint8", "Bool": "bool"}  # fmt: skip


def promised(kinds: Kinds, node: ast.expr, at: ast.AST | None = None) -> Kind:
    """The kind that an annotation promises.

    Args:
        kinds: the kinds of its file.
        node: the annotation.
        at: for the parts of a string annotation, the string: their names are looked up where it stands.
    """
    if isinstance(node, ast.Constant):
        if node.value is None:
            return NONE
        if not isinstance(node.value, str):
            return UNKNOWN
        try:
            parsed = ast.parse(node.value.strip(), mode="eval").body
        except (SyntaxError, ValueError):
            return UNKNOWN
        return promised(kinds, parsed, at or node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return join([promised(kinds, node.left, at), promised(kinds, node.right, at)])
    if isinstance(node, ast.Subscript):
        return _generic(kinds, node, at)
    if isinstance(node, (ast.Name, ast.Attribute)):
        return _from_name(kinds, node, at)
    return UNKNOWN


def _meaning(kinds: Kinds, node: ast.expr, at: ast.AST | None) -> str | None:
    """The dotted name that a name in an annotation stands for."""
    if at is None:
        return kinds.names.dotted(node)
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    found = kinds.names.lookup_from(kinds.tree.scope(at), node.id)
    if found is None:
        return node.id if not parts and node.id in _PLAIN else None
    meaning = kinds.names.meaning(found[0], node.id, found[1])
    return None if meaning is None else canonical(".".join([meaning, *parts]))


def _local_class(kinds: Kinds, node: ast.expr, at: ast.AST | None) -> ast.ClassDef | None:
    if at is None:
        return kinds.local_class(node)
    if not isinstance(node, ast.Name):
        return None
    found = kinds.names.lookup_from(kinds.tree.scope(at), node.id)
    if found is not None and len(found[1]) == 1 and isinstance(found[1][0].node, ast.ClassDef):
        return found[1][0].node
    return None


def _from_name(kinds: Kinds, node: ast.expr, at: ast.AST | None) -> Kind:
    dotted = _meaning(kinds, node, at)
    if dotted is None:
        definition = _local_class(kinds, node, at)
        if definition is not None:
            return kinds.class_instance(definition)
        alias = _alias(kinds, node, at)
        if alias is not None:
            # Once for each alias: one that stands for itself, `JSON = dict[str, "JSON"]`, says nothing inside.
            return kinds.settle(alias, promised)
        return Kind(node.id) if isinstance(node, ast.Name) and node.id in _PLAIN and at is None and (
            kinds.names.lookup(node) is None
        ) else UNKNOWN
    if dotted in _LOOSE:
        return UNKNOWN
    if dotted in ("typing.Self", "typing_extensions.Self"):
        owner = kinds.tree.class_of(at or node)
        return UNKNOWN if owner is None else kinds.class_instance(owner)
    dotted = _ALIASES.get(dotted, dotted)
    if dotted in _PLAIN or dotted in (TENSOR, JAX_ARRAY, MODULE, "torch.optim.lr_scheduler.LRScheduler"):
        return Kind(dotted)
    instance = kinds.instance(dotted)
    if instance is not None:
        return instance
    found = kinds.foreign(dotted)
    if found is not None and isinstance(found[1], ast.ClassDef):
        return classes.imported(found[0].class_instance(found[1]), found[0], kinds)
    return UNKNOWN


def _alias(kinds: Kinds, node: ast.expr, at: ast.AST | None) -> ast.expr | None:
    """``Batch = tuple[Tensor, Tensor]``: what a name for a type stands for."""
    if not isinstance(node, ast.Name):
        return None
    found = kinds.names.lookup_from(kinds.tree.scope(at or node), node.id)
    if found is None or len(found[1]) != 1:
        return None
    binding = found[1][0]
    value = binding.value
    if binding.how != "assign" or binding.path or not isinstance(value, (ast.Subscript, ast.BinOp)):
        return None
    return None if any(isinstance(part, ast.Name) and part.id == node.id for part in ast.walk(value)) else value


def _generic(kinds: Kinds, node: ast.Subscript, at: ast.AST | None) -> Kind:
    base = _meaning(kinds, node.value, at) or _last(node.value)
    last = base.rpartition(".")[2]
    parts = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    if base.startswith("jaxtyping.") and last in _JAXTYPING:
        return _jaxtyping(promised(kinds, parts[0], at), last, parts[1:])
    if last in _SAME:
        return promised(kinds, parts[0], at)
    if last == "Union":
        return join([promised(kinds, part, at) for part in parts])
    if last in _LISTS:
        return iterable(promised(kinds, parts[0], at), _LISTS[last])
    if last in _ITERABLES:
        return iterable(promised(kinds, parts[0], at))
    if last in _MAPPINGS:
        return iterable(promised(kinds, parts[1], at), "dict") if len(parts) == 2 else Kind("dict")
    if last in ("Tuple", "tuple"):
        if len(parts) == 2 and isinstance(parts[1], ast.Constant) and parts[1].value is ...:
            return iterable(promised(kinds, parts[0], at))
        return Kind("tuple", elements=tuple(promised(kinds, part, at) for part in parts))
    if last == "NDArray":
        return Kind(NDARRAY, dtype=_scalar_type(_meaning(kinds, parts[0], at)))
    if last in ("Literal", "Type", "type", "Callable"):
        return _literal(parts) if last == "Literal" else UNKNOWN
    return _from_name(kinds, node.value, at)


def _jaxtyping(array: Kind, name: str, shape: list[ast.expr]) -> Kind:
    """``Float[Tensor, "batch dim"]``: an array with named axes."""
    if array.alternatives:
        return join([_jaxtyping(one, name, shape) for one in array.alternatives])
    if not array.is_a(TENSOR, NDARRAY, JAX_ARRAY) or not shape:
        return array
    text = shape[0].value if isinstance(shape[0], ast.Constant) else None
    ndim: int | None = None
    if isinstance(text, str) and "..." not in text and "*" not in text:
        ndim = len(text.split())
    return Kind(array.name, array.families, ndim=ndim, dtype=_DTYPES.get(name))


def _scalar_type(dotted: str | None) -> str | None:
    if dotted is None or not dotted.startswith("numpy."):
        return None
    from mlint.model.kinds.arrays import named_dtype

    return named_dtype(dotted)


def _literal(parts: list[ast.expr]) -> Kind:
    return join(
        [Kind(type(part.value).__name__) if isinstance(part, ast.Constant) else UNKNOWN for part in parts]
    )


def _last(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
