"""The operation that made the first NaN or Inf, forward or backward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mlint.smoke.structure import tensors
from mlint.smoke.subject import SEED, Pass, Subject
from mlint.smoke.trace.graph import Node, nodes, operation
from mlint.smoke.trace.places import event_of
from mlint.smoke.trace.recorder import Event, recorded_operations

DELIBERATE = {
    "empty", "empty_like", "empty_strided", "fill", "fill_", "full", "full_like", "masked_fill", "masked_fill_",
    "new_empty", "new_full", "scalar_tensor", "where", "copy_", "_to_copy", "detach", "lift_fresh", "index_put_",
}  # fmt: skip
"""Operations whose Inf was written there by somebody, as the -inf of an attention mask, or moved."""


@dataclass(frozen=True)
class Origin:
    """Where a non-finite value came from."""

    event: Event
    kind: str
    """nan or inf."""
    phase: str
    """forward or backward."""
    arguments: tuple[str, ...] = ()
    """The ranges of what the operation was given."""


def is_finite(value: object) -> bool:
    """Whether all floating tensors of a tree are finite; sparse ones by their values."""
    return all(_all_finite(tensor) for tensor in tensors(value))


def _all_finite(tensor: Tensor) -> bool:
    dense = tensor.detach()
    dense = dense.coalesce().values() if dense.is_sparse else dense
    if not (dense.is_floating_point() or dense.is_complex()) or not dense.numel() or dense.is_meta:
        return True
    return bool(torch.isfinite(dense).all())


def kind_of(tensor: Tensor) -> str:
    """nan, inf or "" for a tensor."""
    if _all_finite(tensor):
        return ""
    dense = tensor.detach()
    dense = dense.coalesce().values() if dense.is_sparse else dense
    return "nan" if bool(torch.isnan(dense).any()) else "inf"


def forward_origin(subject: Subject, model: nn.Module, batch: object, seed: int = SEED) -> Origin | None:
    """The operation behind the first non-finite value of a forward pass and its loss, found by running it watched.

    It is the first operation that returns NaN and was given none; where it was given an Inf that an operation before it
    computed, that one. Without a NaN it is the first operation that computed an Inf. What was filled in is left out.
    """
    infinite: list[Origin] = []
    undefined: list[tuple[Origin, bool]] = []

    def seen(event: Event, function: Any, arguments: Sequence[Any], result: Any) -> None:
        if undefined or event.operation in {"empty", "empty_like", "empty_strided", "new_empty"}:
            return
        kinds = {kind_of(tensor) for tensor in tensors(result)} - {""}
        if not kinds:
            return
        given = [tensor for tensor in tensors(arguments) if tensor.is_floating_point()]
        before = {kind_of(tensor) for tensor in given} - {""}
        if "nan" in kinds and "nan" not in before:
            undefined.append((Origin(event, "nan", "forward", _ranges(given)), "inf" in before))
        elif "inf" in kinds and not before and event.operation not in DELIBERATE:
            infinite.append(Origin(event, "inf", "forward", _ranges(given)))

    try:
        with recorded_operations(model, seen):
            subject.run(model, batch, seed)
    except Exception:
        if not undefined and not infinite:
            return None
    if undefined:
        origin, from_infinite = undefined[0]
        return infinite[0] if from_infinite and infinite else origin
    return infinite[0] if infinite else None


def backward_origin(subject: Subject, done: Pass) -> Origin | None:
    """The node whose backward makes the first non-finite gradient out of finite ones; runs the backward pass again."""
    found: list[tuple[Node, str]] = []

    def watching(node: Node) -> Any:
        def hook(inputs: Sequence[Tensor | None], outputs: Sequence[Tensor | None]) -> None:
            if not found:
                made = {kind_of(tensor) for tensor in inputs if tensor is not None} - {""}
                if made and all(_all_finite(tensor) for tensor in outputs if tensor is not None):
                    found.append((node, "nan" if "nan" in made else "inf"))

        return node.register_hook(hook)

    handles = [watching(node) for node in nodes(done.loss)]
    try:
        done.model.zero_grad(set_to_none=True)
        done.loss.backward(retain_graph=True)
    except RuntimeError:
        pass
    finally:
        for handle in handles:
            handle.remove()
        done.model.zero_grad(set_to_none=True)
    if not found:
        return None
    node, kind = found[0]
    event = event_of(subject, done, node)
    return Origin(Event(operation(node), event.module, event.place), kind, "backward")


def _ranges(given: Sequence[Tensor]) -> tuple[str, ...]:
    return tuple(
        f"{'x'.join(map(str, tensor.shape)) or 'scalar'} in [{_low(tensor):.4g}, {_high(tensor):.4g}]"
        for tensor in given
        if tensor.numel() and not tensor.is_sparse
    )


def _low(tensor: Tensor) -> float:
    return float(tensor.detach().float().min())


def _high(tensor: Tensor) -> float:
    return float(tensor.detach().float().max())
