"""What the datasets and loaders of PyTorch give."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.kinds import classes
from mlint.model.kinds.value import DATA_LOADER, NDARRAY, TENSOR, UNKNOWN, Kind, iterable, join

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds

_COLLATED = frozenset({"int", "float", "scalar", "bool"})
_TENSORS = Kind(TENSOR)


def constructed(kinds: Kinds, instance: Kind, node: ast.Call) -> Kind:
    """A loader or a dataset, with the kind of what it gives."""
    last = instance.name.rpartition(".")[2]
    if last == "TensorDataset":
        arguments = node.args
        if not arguments or any(isinstance(argument, ast.Starred) for argument in arguments):
            return instance
        return instance._replace(elements=(Kind("tuple", elements=(_TENSORS,) * len(arguments)),))
    if last == "Subset" and node.args:
        return instance._replace(elements=samples(kinds, kinds.of(node.args[0])))
    if instance.name == DATA_LOADER:
        keywords = {keyword.arg for keyword in node.keywords}
        given = node.args[0] if node.args else _keyword(node, "dataset")
        collate = _keyword(node, "collate_fn")
        if given is None or None in keywords or "batch_sampler" in keywords:
            return instance
        if collate is not None:
            function = kinds.local_function(collate)
            made = kinds.returned(function) if isinstance(function, ast.FunctionDef) else UNKNOWN
            return instance._replace(elements=(made,) if made.known else ())
        size = _keyword(node, "batch_size")
        if isinstance(size, ast.Constant) and size.value is None:
            return instance  # no batches
        given_samples = samples(kinds, kinds.of(given))
        batch = _collated(given_samples[0]) if given_samples else UNKNOWN
        return instance._replace(elements=(batch,) if batch.known else ())
    return instance


def _keyword(node: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in node.keywords if keyword.arg == name), None)


def samples(kinds: Kinds, dataset: Kind) -> tuple[Kind, ...]:
    """What a dataset gives for an index, in a tuple of one; empty if that is not known."""
    home = classes.home_of(kinds, dataset)
    if home is not None:
        for place, method in classes.methods(*home, "__getitem__"):
            if isinstance(method, ast.FunctionDef):
                kind = classes.imported(place.returned(method), place, kinds)
                return (kind,) if kind.known else ()
        return ()
    if dataset.name.startswith("torch.utils.data."):
        return dataset.elements
    return ()


def _collated(sample: Kind) -> Kind:
    """What the loader makes of a batch of samples, if it is not told otherwise."""
    if sample.alternatives:
        return join([_collated(one) for one in sample.alternatives])
    if sample.is_a(TENSOR, NDARRAY) or sample.name in _COLLATED:
        return _TENSORS
    if sample.name == "tuple" and sample.elements:
        parts = tuple(_collated(element) for element in sample.elements)
        return Kind("list", elements=parts) if len(parts) > 1 else iterable(parts[0], "list")
    if sample.name == "dict" and sample.elements:
        return iterable(_collated(sample.elements[0]), "dict")
    if sample.name == "str":
        return iterable(sample, "list")
    return UNKNOWN
