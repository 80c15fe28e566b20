"""The node of a backward pass that turns a gradient into zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from mlint.smoke.subject import Pass, Subject
from mlint.smoke.trace.graph import Node, nodes, operation
from mlint.smoke.trace.places import event_of
from mlint.smoke.trace.recorder import Event


def blocking(subject: Subject, done: Pass, parameter: Tensor) -> Event | None:
    """The last operation of the backward pass that gets a gradient, returns zeros only, and leads to a parameter.

    None when there is no such operation, as when the zeros come from several sides.
    """
    ways = _ways(done, parameter)
    found: list[Node] = []

    def watching(node: Node) -> Any:
        def hook(inputs: Sequence[Tensor | None], outputs: Sequence[Tensor | None]) -> None:
            toward = [
                tensor
                for tensor, (before, _) in zip(inputs, node.next_functions)
                if before in ways and tensor is not None
            ]
            if toward and not any(_some(tensor) for tensor in toward):
                if any(_some(tensor) for tensor in outputs if tensor is not None):
                    found.append(node)

        return node.register_hook(hook)

    handles = [watching(node) for node in ways if node.next_functions]
    try:
        done.model.zero_grad(set_to_none=True)
        done.loss.backward(retain_graph=True)
    except RuntimeError:
        return None
    finally:
        for handle in handles:
            handle.remove()
        done.model.zero_grad(set_to_none=True)
    if not found:
        return None
    event = event_of(subject, done, found[-1])
    return Event(event.operation or operation(found[-1]), event.module, event.place)


def _some(tensor: Tensor) -> bool:
    dense = tensor.coalesce().values() if tensor.is_sparse else tensor
    return bool((dense != 0).any())


def _ways(done: Pass, parameter: Tensor) -> set[Node]:
    """The nodes between the loss and a parameter."""
    everything = list(nodes(done.loss))
    after: dict[Node, list[Node]] = {}
    ends = []
    for node in everything:
        if getattr(node, "variable", None) is parameter:
            ends.append(node)
        for before, _ in node.next_functions:
            if before is not None:
                after.setdefault(before, []).append(node)
    ways: set[Node] = set()
    while ends:
        node = ends.pop()
        if node not in ways:
            ways.add(node)
            ends.extend(after.get(node, ()))
    return ways
