"""Where the way from a parameter to the loss is cut: found by one pass in which every function is watched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from mlint.smoke.structure import tensors
from mlint.smoke.subject import Subject
from mlint.smoke.trace.graph import nodes
from mlint.smoke.trace.place import user_place
from mlint.smoke.trace.recorder import Event, Path

READS = {"item", "tolist", "numpy", "__array__", "__float__", "__int__", "__bool__", "__index__"}
"""Functions that make Python or NumPy values of a tensor."""
LOOKS = {"__get__", "size", "dim", "is_floating_point", "__len__", "stride", "__repr__", "__format__", "__hash__"}
"""Functions of which the result says something about a tensor without going on with it."""


@dataclass(frozen=True)
class Break:
    """The end of the way of a parameter."""

    event: Event
    """The last operation that depended on it, or the one that cut."""
    kind: str
    """unused: no operation took it; cut: the event returned what has no history; dropped: nobody used the event."""
    grad_enabled: bool = True


class _Watch(TorchFunctionMode):  # type: ignore[misc]
    """Keeps every tensor with a history, and every function that takes one and returns something without."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.made: list[tuple[Event, Tensor]] = []
        self.cuts: list[tuple[Event, Tensor, bool]] = []

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: object,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call the function and remember what became of the history of its arguments."""
        result = function(*args, **(kwargs or {}))
        name = getattr(function, "__name__", str(function))
        if name == "__get__":
            name = getattr(getattr(function, "__self__", None), "__name__", name)
            if name != "data":
                return result
        if name in LOOKS:
            return result
        outcome = tensors(result)
        kept = [tensor for tensor in outcome if tensor.requires_grad]
        if not kept and not outcome and name not in READS:
            return result
        event = Event(name, self.path.current, user_place())
        if kept:
            self.made.extend((event, tensor) for tensor in kept)
            return result
        for tensor in tensors([args, kwargs or {}]):
            if tensor.requires_grad:
                self.cuts.append((event, tensor, torch.is_grad_enabled()))
        return result


def breaks(subject: Subject, names: list[str]) -> dict[str, Break]:
    """Name of a parameter that the loss does not reach -> where its way ends; empty when the pass cannot be watched."""
    try:
        model = subject.rebuilt()
        with Path(model) as path, _Watch(path) as watch:
            subject.run(model, subject.batch)
    except Exception:
        return {}
    parameters = dict(model.named_parameters())
    wanted = {id(parameters[name]): name for name in names if name in parameters}
    last: dict[str, Break] = {}
    # Later operations overwrite earlier ones: what stays is the last that depended on the parameter.
    for event, tensor in watch.made:
        for name in _reached(tensor, wanted):
            last[name] = Break(event, "dropped")
    cut: dict[str, Break] = {}
    for event, tensor, enabled in watch.cuts:
        for name in _reached(tensor, wanted):
            cut[name] = Break(event, "cut", enabled)
    return {name: cut.get(name) or last.get(name) or Break(Event("", "", None), "unused") for name in wanted.values()}


def _reached(tensor: Tensor, wanted: dict[int, str]) -> set[str]:
    if tensor.grad_fn is None:
        return {wanted[id(tensor)]} if id(tensor) in wanted else set()
    found = set()
    for node in nodes(tensor):
        variable = getattr(node, "variable", None)
        if variable is not None and id(variable) in wanted:
            found.add(wanted[id(variable)])
    return found
