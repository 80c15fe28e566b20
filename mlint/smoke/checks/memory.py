"""MS601: memory that grows with every step."""

from __future__ import annotations

import gc
import weakref
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.seeds import seeded
from mlint.smoke.structure import clone
from mlint.smoke.subject import SEED, Subject
from mlint.smoke.trace.graph import nodes

WARM = 3
STEPS = 5


@dataclass(frozen=True)
class Census:
    """What is alive between two steps."""

    size: int
    """Bytes of all storages that Python knows, each once."""
    count: int
    """Tensors."""
    graph: int
    """Nodes of autograd that living tensors keep."""
    device: int
    """Bytes that the CUDA allocator has given out."""


class MemoryGrows(Check):
    """The number of living tensors, or the graph that they keep, grows with every step.

    ## Why

    A list of losses that were not detached keeps every step's graph with all its activations; a running sum of losses
    is one tensor with a graph that grows; a module that appends its outputs for a plot keeps them for ever. Training
    runs for an hour and ends out of memory.

    ## How

    Three training steps to warm up (the optimizer makes its state, caches fill), then after each of five more, with the
    garbage collected, a census: the bytes of all storages that living tensors have, the tensors, and the nodes of
    autograd that they keep. Memory grows if one of these is larger after every single step. On CUDA the allocator's
    count must grow as well, and is evidence by itself for what Python does not see. The project's own `step` runs where
    there is one. What holds the newest tensors is looked for among what refers to them. A deque with a `maxlen` is
    bounded and does not count.

    ## References

    PyTorch documentation, "Frequently Asked Questions": "Don't accumulate history across your training loop".
    """

    code = "MS601"
    name = "memory-grows"
    tier = "exact"
    cost = 9.0
    rules = ("ML701",)

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield at most one observation."""
        if not subject.first.loss.requires_grad:
            raise NotRun("the loss depends on no parameter")
        gc.collect()
        gc.freeze()  # a census is of what comes after this, and takes no longer for what was imported
        try:
            model = subject.fresh()
            seen, fresh = _counted(subject, model)
        finally:
            gc.unfreeze()
        grown = [name for name in ("size", "count", "graph", "device") if _rises([getattr(c, name) for c in seen])]
        if not grown:
            return
        holder, bounded = _holder(fresh, model)
        if bounded and "graph" not in grown:
            return
        first, last = seen[0], seen[-1]
        yield self.observe(
            f"{_what(grown)} every step" + (f": {holder}" if holder else ""),
            "keep numbers, not tensors: loss.item() or loss.detach(), and let go of what is no longer used",
            module=holder.split(" ")[0].rpartition(".")[0] if holder and "." in holder.split(" ")[0] else "",
            evidence={
                "bytes a step": (last.size - first.size) // STEPS,
                "tensors a step": (last.count - first.count) / STEPS,
                "graph nodes a step": (last.graph - first.graph) / STEPS,
                "bytes after each step": [census.size for census in seen],
                "held by": holder,
            },
        )


def _counted(subject: Subject, model: nn.Module) -> tuple[list[Census], list[Tensor]]:
    """(the census after each step, the living tensors that the last one made)."""
    optimizer = subject.optimizer(model)
    known: dict[int, weakref.ref[Tensor]] = {}
    seen: list[Census] = []
    for step in range(WARM + STEPS):
        if step == WARM + STEPS - 1:
            known = {id(tensor): weakref.ref(tensor) for tensor in _living()}  # identities are used again
        _step(subject, model, optimizer, step)
        if step >= WARM - 1:
            seen.append(_census(subject.device))
    return seen, [value for value in _living() if id(value) not in known or known[id(value)]() is not value]


def _what(grown: list[str]) -> str:
    if "size" in grown or "count" in grown:
        return "more tensors stay alive after"
    return "the graph that is kept grows with" if "graph" in grown else "the device's memory grows with"


def _rises(values: list[int]) -> bool:
    return all(one < other for one, other in pairwise(values))


def _step(subject: Subject, model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """One step that leaves nothing behind on our side."""
    if subject.step_function is None:
        subject.step(model, subject.batch, optimizer, SEED + step)
        return
    with seeded(SEED + step):
        subject.step_function(model, clone(subject.batch), optimizer)


def _living() -> list[Tensor]:
    gc.collect()
    # type(), since isinstance asks proxies for their class, and some import a library to answer.
    return [found for found in gc.get_objects() if issubclass(type(found), Tensor)]


def _census(device: torch.device) -> Census:
    living = _living()
    storages: dict[int, int] = {}
    for tensor in living:
        try:
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        except Exception:  # meta, sparse and functorch's tensors have none
            continue
    kept = [tensor for tensor in living if not tensor.is_leaf]
    graph = sum(1 for _ in nodes(*kept))
    used = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
    return Census(sum(storages.values()), len(living), graph, used)


def _holder(fresh: list[Tensor], model: nn.Module) -> tuple[str, bool]:
    """(what keeps the newest tensors, as text; whether it is bounded)."""
    paths = {id(vars(module)): name for name, module in model.named_modules()}
    few = fresh[:20]
    for tensor in few:
        for container in gc.get_referrers(tensor):
            if container is fresh or container is few or type(container) not in (list, dict, deque, set, tuple):
                continue
            if id(container) in paths:
                continue
            bounded = isinstance(container, deque) and container.maxlen is not None
            for owner in gc.get_referrers(container):
                if type(owner) is not dict:
                    continue
                name = next((str(key) for key, value in owner.items() if value is container), None)
                if name is None:
                    continue
                kind = f"a {type(container).__name__} of {len(container)}"
                if id(owner) in paths:
                    return f"{(paths[id(owner)] + '.').lstrip('.')}{name} ({kind})", bounded
                if "__name__" in owner and "__file__" in owner:
                    return f"{owner['__name__']}.{name} ({kind})", bounded
            if isinstance(container, list | deque | set) and len(container) > STEPS:
                return f"a {type(container).__name__} of {len(container)}", bounded
    return "", False
