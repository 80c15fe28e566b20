"""Batches and outputs as trees of tensors: tuples, named tuples, lists, mappings, dataclasses, packed sequences."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


def map_tensors(function: Callable[[Tensor], object], tree: object) -> object:
    """A copy of the tree with every tensor replaced by what the function makes of it; other leaves stay themselves."""
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, PackedSequence):
        return tree._replace(data=function(tree.data))
    return _rebuild(tree, lambda child: map_tensors(function, child))


def _rebuild(tree: object, function: Callable[[object], object]) -> object:
    """A container of the same type with every child replaced; anything else is returned as it is."""
    if isinstance(tree, Mapping):
        items = {key: function(value) for key, value in tree.items()}
        if type(tree) is dict:
            return items
        try:
            same = copy.copy(tree)
            for key, value in items.items():
                same[key] = value  # type: ignore[index]
            return same
        except Exception:
            return items
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        named: Callable[..., object] = type(tree)
        return named(*(function(value) for value in tree))
    if isinstance(tree, list | tuple):
        return type(tree)(function(value) for value in tree)
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        rebuilt = copy.copy(tree)
        for field in dataclasses.fields(tree):
            # Past frozen dataclasses and a __setattr__ of their own.
            object.__setattr__(rebuilt, field.name, function(getattr(tree, field.name)))
        return rebuilt
    return tree


def named_tensors(tree: object, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """(path, tensor) of every tensor, in order; the path is written as Python would: ``[0]``, ``["mask"]``, ``.x``."""
    if isinstance(tree, Tensor):
        yield name, tree
    elif isinstance(tree, PackedSequence):
        yield f"{name}.data", tree.data
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from named_tensors(value, f"{name}[{key!r}]")
    elif isinstance(tree, tuple) and hasattr(tree, "_fields"):
        for key, value in zip(tree._fields, tree):
            yield from named_tensors(value, f"{name}.{key}")
    elif isinstance(tree, list | tuple):
        for index, value in enumerate(tree):
            yield from named_tensors(value, f"{name}[{index}]")
    elif dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        for field in dataclasses.fields(tree):
            yield from named_tensors(getattr(tree, field.name), f"{name}.{field.name}")


def tensors(tree: object) -> list[Tensor]:
    """Every tensor of the tree, in order."""
    return [tensor for _, tensor in named_tensors(tree)]


def to_device(tree: object, device: torch.device) -> object:
    """The tree on a device."""
    return map_tensors(lambda tensor: tensor.to(device), tree)


def clone(tree: object) -> object:
    """The tree with tensors of its own: what a model writes into its input stays there."""
    return map_tensors(lambda tensor: tensor.detach().clone(), tree)


def cast(tree: object, dtype: torch.dtype) -> object:
    """The tree with real floating tensors in another precision."""
    return map_tensors(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor, tree)


def batch_size(tree: object) -> int | None:
    """The size that all tensors with dimensions have first (a ragged list: its length); None when there is no such."""
    if isinstance(tree, list) and tree and all(isinstance(item, Tensor) for item in tree):
        sizes = {len(item) for item in tree if item.dim()}
        if len(sizes) > 1 or not sizes:
            return len(tree)
    found = {size for size in _sizes(tree) if size is not None}
    return found.pop() if len(found) == 1 else None


def _sizes(tree: object) -> Iterator[int | None]:
    if isinstance(tree, Tensor):
        yield tree.shape[0] if tree.dim() else None
    elif isinstance(tree, PackedSequence):
        yield int(tree.batch_sizes[0])
    elif isinstance(tree, list) and tree and all(isinstance(item, Tensor) for item in tree):
        yield batch_size(tree) if len(tree) > 1 else (len(tree[0]) if tree[0].dim() else None)
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from _sizes(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from _sizes(value)
    elif dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        for field in dataclasses.fields(tree):
            yield from _sizes(getattr(tree, field.name))


def take(tree: object, index: Tensor, size: int) -> object:
    """The rows of a batch of `size` samples, in the order of the index; what has another first size is left alone."""
    if isinstance(tree, list) and len(tree) == size and all(isinstance(item, Tensor) for item in tree):
        if not all(item.dim() and len(item) == size for item in tree):
            return [tree[int(at)] for at in index]
    if isinstance(tree, Tensor):
        return tree[index.to(tree.device)] if tree.dim() and tree.shape[0] == size else tree
    if isinstance(tree, PackedSequence):
        raise TypeError("rows of a packed sequence are not taken")
    return _rebuild(tree, lambda child: take(child, index, size))
