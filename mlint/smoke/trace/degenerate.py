"""Passes over inputs that real data holds now and then: other scales, zeros, constants, repeated and masked samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mlint.smoke.binding import arguments
from mlint.smoke.structure import batch_size, map_tensors, tensors
from mlint.smoke.subject import Subject
from mlint.smoke.trace.nonfinite import Origin, backward_origin, forward_origin, is_finite

MASKS = ("attention_mask", "mask", "padding_mask", "src_mask")
INVERTED = ("key_padding_mask", "src_key_padding_mask")


@dataclass(frozen=True)
class Failure:
    """An input for which the loss or a gradient is not finite."""

    variant: str
    """What was done to the inputs, as a report says it."""
    what: str
    """loss, or the gradient of a parameter."""
    origin: Origin | None
    likely: bool
    """Whether data like this is in the domain of the model beyond doubt."""


EMPTY = {"all zero", "constant", "one token everywhere", "the first sample repeated"}
"""Variants under which a norm, a variance or a distance becomes 0."""


def failures(subject: Subject, wanted: set[str] | None = None) -> list[Failure]:
    """The variants of the first batch (all, or those that are wanted) for which the loss or a gradient is not finite.

    Each is tried once for all checks; none where the batch itself is not finite.
    """
    done: dict[str, list[Failure]] = subject.memo.setdefault("degenerate", {})
    if not is_finite(subject.first.loss) or not is_finite([v for v in subject.gradients.values() if v is not None]):
        return []
    found = []
    for name, batch, likely in _variants(subject):
        if wanted is None or name in wanted:
            if name not in done:
                done[name] = list(_tried(subject, name, batch, likely))
            found.extend(done[name])
    return found


def _tried(subject: Subject, name: str, batch: object, likely: bool) -> Iterator[Failure]:
    try:
        done = subject.run(subject.fresh(), batch, autocast=False)
        bad_loss = not is_finite(done.loss)
        broken = [] if bad_loss else [key for key, value in done.gradients.items() if not is_finite(value)]
    except Exception:
        return  # what the model or its loss refuses is refused in time
    if bad_loss:
        yield Failure(name, "the loss", forward_origin(subject, subject.fresh(), batch), likely)
    elif broken:
        yield Failure(name, f"the gradient of {broken[0]}", backward_origin(subject, done), likely)


def _variants(subject: Subject) -> Iterator[tuple[str, object, bool]]:
    batch = subject.sample
    taken = {id(tensor) for tensor in tensors(arguments(subject.model, batch))}
    inputs = [tensor for tensor in tensors(batch) if id(tensor) in taken]
    data = {id(tensor): tensor for tensor in inputs if _is_data(tensor)}
    if data:
        unit = any(float(tensor.min()) >= 0 and float(tensor.max()) <= 1 for tensor in data.values())
        positive = any(float(tensor.min()) > 0 for tensor in data.values())
        for factor, likely in ((0.01, True), (10.0, not unit), (100.0, False)):
            yield f"scaled by {factor:g}", _changed(batch, data, _scaled(factor)), likely
        if not positive:
            yield "all zero", _changed(batch, data, torch.zeros_like), True
        yield "constant", _changed(batch, data, lambda tensor: torch.full_like(tensor, float(tensor.mean()))), True
    tokens = {id(tensor): tensor for tensor in inputs if _is_tokens(tensor)}
    if tokens:
        yield "one token everywhere", _changed(batch, tokens, lambda tensor: tensor[:1, :1].expand_as(tensor)), True
    size = batch_size(batch)
    if size is not None and size > 1:
        rows = {
            id(tensor): tensor for tensor in inputs if tensor.dim() and len(tensor) == size and not _is_flags(tensor)
        }
        yield "the first sample repeated", _changed(batch, rows, lambda tensor: tensor[:1].expand_as(tensor)), True
    yield from _masked(subject)


def _masked(subject: Subject) -> Iterator[tuple[str, object, bool]]:
    batch = subject.sample
    if not isinstance(batch, Mapping):
        return
    for name, tensor in batch.items():
        wanted = name in MASKS + INVERTED or name == subject.options.padding
        if wanted and isinstance(tensor, Tensor) and tensor.dim() == 2 and len(tensor) > 1 and _is_flags(tensor):
            masked = tensor.clone()
            masked[0] = 1 if name in INVERTED else 0
            yield "a fully masked sample", {**batch, name: masked}, False


def _changed(batch: object, which: dict[int, Tensor], change: Callable[[Tensor], Tensor]) -> object:
    return map_tensors(lambda tensor: change(tensor).clone() if id(tensor) in which else tensor, batch)


def _scaled(factor: float) -> Callable[[Tensor], Tensor]:
    return lambda tensor: tensor * factor


def _is_data(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.dim() > 1 and tensor.numel() > 1 and not _is_flags(tensor)


def _is_tokens(tensor: Tensor) -> bool:
    whole = not tensor.is_floating_point() and not tensor.is_complex() and tensor.dtype != torch.bool
    return whole and tensor.dim() == 2 and not _is_flags(tensor)


def _is_flags(tensor: Tensor) -> bool:
    """Whether a tensor holds zeros and ones only: a mask, not data."""
    return tensor.dtype == torch.bool or bool(((tensor == 0) | (tensor == 1)).all())
