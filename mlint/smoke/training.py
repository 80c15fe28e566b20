"""A few real training steps, watched from inside the optimizer: gradients, and values before and after each update."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


class Several:
    """Several optimizers that step together, as one: a factory may return a tuple, a list or a mapping of them."""

    def __init__(self, optimizers: list[torch.optim.Optimizer]) -> None:
        self.optimizers = optimizers

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of all."""
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of all."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=set_to_none)

    def step(self) -> None:
        """Step all."""
        for optimizer in self.optimizers:
            optimizer.step()


def each(optimizer: object) -> list[torch.optim.Optimizer]:
    """The torch optimizers inside of what a factory returned; wrappers that keep one in `optimizer` are opened."""
    if isinstance(optimizer, Several):
        return optimizer.optimizers
    if isinstance(optimizer, torch.optim.Optimizer):
        return [optimizer]
    if isinstance(optimizer, dict):
        return [inner for value in optimizer.values() for inner in each(value)]
    if isinstance(optimizer, list | tuple):
        return [inner for value in optimizer for inner in each(value)]
    inner = getattr(optimizer, "optimizer", None)
    return each(inner) if inner is not None and not isinstance(optimizer, torch.optim.lr_scheduler.LRScheduler) else []


def joined(made: object) -> Any:
    """One optimizer of what a factory returned.

    Raises:
        TypeError: when there is no torch optimizer in it.
    """
    if isinstance(made, torch.optim.Optimizer):
        return made
    found = each(made)
    if not found:
        raise TypeError(f"the optimizer is {type(made).__name__}, not a torch.optim.Optimizer")
    return found[0] if len(found) == 1 else Several(found)


@dataclass(frozen=True)
class Update:
    """What one optimizer step did to one parameter, as counts of elements."""

    active: int
    """Elements with a gradient that is not zero."""
    moved: int
    """Those of them of which a bit changed."""
    norm: float
    """The norm of the gradient."""


@dataclass
class Training:
    """The record of a few steps."""

    model: nn.Module
    optimizer: Any
    losses: list[Tensor] = field(default_factory=list)
    updates: dict[str, list[Update]] = field(default_factory=dict)
    """Name -> what each step did; parameters without a gradient in a step have no entry for it."""
    frozen_changed: dict[str, int] = field(default_factory=dict)
    """Name -> the first step in which the optimizer changed a parameter that it should have left alone."""


def bits(tensor: Tensor) -> Tensor:
    """The tensor as whole numbers of the same width, so that equality is equality of bits."""
    kinds = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    dense = tensor.detach()
    kind = kinds.get(dense.element_size())
    return dense.contiguous().view(kind) if kind is not None and dense.dim() else dense


def train(
    model: nn.Module,
    optimizer: Any,
    steps: Iterator[Callable[[], Tensor]],
    is_frozen: Callable[[str], bool],
    record: Training | None = None,
) -> Training:
    """Run steps, each of which returns its loss, and record what the optimizer does to every parameter.

    A record of steps before is continued.

    The record is made in the optimizer's own hooks, so that what a forward pass or a moving average writes into a
    parameter is not taken for an update.
    """
    record = Training(model, optimizer) if record is None else record
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    before: dict[int, Tensor] = {}

    def entering(inner: torch.optim.Optimizer, *_: object) -> None:
        before.clear()
        before.update({id(parameter): parameter.detach().clone() for parameter in _parameters(inner)})

    def leaving(inner: torch.optim.Optimizer, *_: object) -> None:
        for parameter in _parameters(inner):
            name, old = names.get(id(parameter)), before.pop(id(parameter), None)
            if name is None or old is None:
                continue
            changed = bits(old) != bits(parameter)
            if (is_frozen(name) or not parameter.requires_grad) and bool(changed.any()):
                record.frozen_changed.setdefault(name, len(record.losses))
            if parameter.grad is not None:
                gradient = parameter.grad.detach()
                active = (gradient.to_dense() if gradient.is_sparse else gradient) != 0
                moved = int((active & changed).sum())
                norm = float(gradient.float().norm()) if not gradient.is_complex() else float(gradient.abs().norm())
                record.updates.setdefault(name, []).append(Update(int(active.sum()), moved, norm))

    handles = []
    for inner in each(optimizer):
        handles.append(inner.register_step_pre_hook(entering))
        handles.append(inner.register_step_post_hook(leaving))
    try:
        for step in steps:
            record.losses.append(step().detach())
    finally:
        for handle in handles:
            handle.remove()
    return record


def _parameters(optimizer: torch.optim.Optimizer) -> Iterator[nn.Parameter]:
    for group in optimizer.param_groups:
        yield from group["params"]
