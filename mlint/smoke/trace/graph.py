"""The graph that autograd kept: its nodes, the parameters that it reaches, and the place of each node in user code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

Node = Any  # torch.autograd.graph.Node, which torch does not declare for every kind of node


def nodes(*tensors: Tensor) -> Iterator[Node]:
    """Every node that is reached from some tensors, those without a gradient function left out; breadth first."""
    queue = [tensor.grad_fn for tensor in tensors if tensor.grad_fn is not None]
    seen = set(queue)
    at = 0
    while at < len(queue):
        node = queue[at]
        at += 1
        yield node
        for before, _ in node.next_functions:
            if before is not None and before not in seen:
                seen.add(before)
                queue.append(before)


def leaves(*tensors: Tensor) -> set[int]:
    """Identities of the leaf tensors that are reached, which are the variables of the AccumulateGrad nodes."""
    found = {id(tensor) for tensor in tensors if tensor.grad_fn is None and tensor.requires_grad}
    for node in nodes(*tensors):
        variable = getattr(node, "variable", None)
        if isinstance(variable, Tensor):
            found.add(id(variable))
    return found


def operation(node: Node) -> str:
    """The name of a node as users know the operation: `NllLossBackward0` is nll_loss."""
    name = str(node.name()).rpartition("::")[2]
    name = name.rstrip("0123456789").removesuffix("Backward")
    words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return words.strip("_")


def number(node: Node) -> int:
    """When the node was made, counted in its thread; torch counts an AccumulateGrad as later than everything."""
    return int(node._sequence_nr())


def is_leaf(node: Node) -> bool:
    """Whether the node accumulates into a leaf."""
    return isinstance(getattr(node, "variable", None), torch.Tensor) and not node.next_functions
