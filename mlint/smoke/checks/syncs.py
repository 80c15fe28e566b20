"""MS602: reads by the host, which wait for the device."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.seeds import seeded
from mlint.smoke.structure import clone
from mlint.smoke.subject import SEED, Subject
from mlint.smoke.trace.recorder import Event, recorded_operations

READS = {
    "_local_scalar_dense": "item",
    "is_nonzero": "bool",
    "nonzero": "nonzero",
    "masked_select": "masked_select",
    "_unique2": "unique",
    "unique_dim": "unique",
    "unique_consecutive": "unique",
    "equal": "equal",
}
"""Operations whose result the host needs before it can go on."""


class SyncsPerStep(Check):
    """The host reads from the device in a step, and waits for all that was queued before.

    ## Why

    A GPU works behind the host. `.item()`, a condition on a tensor, `nonzero` and indexing with a mask need the result
    at once: the queue runs empty, and starting the next operations is paid in full. Once per step is little, once per
    layer or per sample is most of the time.

    ## How

    One training step with every operation recorded. Counted are those whose result the host needs: reading a scalar,
    `nonzero`, indexing with a mask, `unique`, `equal`; not those inside of the optimizer's step, whose counters lie on
    the host. On CUDA the count is that of torch's sync debug mode. Without a limit this is information; above the limit
    `syncs-per-step` it is an error.

    ## References

    PyTorch documentation, "Performance Tuning Guide": "Avoid unnecessary CPU-GPU synchronization", and
    `torch.cuda.set_sync_debug_mode`.
    """

    code = "MS602"
    name = "syncs-per-step"
    tier = "exact"
    cost = 4.0
    rules = ("ML702",)

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield at most one observation, with the places."""
        if not subject.first.loss.requires_grad:
            raise NotRun("the loss depends on no parameter")
        found = recorded_reads(subject)
        count = sum(found.values())
        if subject.device.type == "cuda":
            count = cuda_syncs(subject)
        limit = subject.options.limits.get("syncs_per_step")
        exceeded = limit is not None and count > float(str(limit))
        if not count and not exceeded:
            return
        (event, _), *_ = found.most_common(1) or [(Event("", "", None), 0)]
        yield self.observe(
            f"a step makes {count} host read{'s' if count > 1 else ''}"
            + (f", and the limit is {float(str(limit)):g}" if exceeded else ""),
            "keep it on the device: torch.where for a condition, a mask for a selection, .item() only when logging",
            severity="error" if exceeded else "info",
            module=event.module,
            operation=READS.get(event.operation, event.operation),
            place=event.place,
            evidence={"reads": [_line(each, times) for each, times in found.most_common(20)], "count": count},
        )


def _line(event: Event, times: int) -> str:
    where = f" at {event.place[0]}:{event.place[1]}" if event.place else ""
    return f"{times} × {READS.get(event.operation, event.operation)} in {event.module or 'the model'}{where}"


@contextmanager
def _outside_of_optimizer(optimizer: torch.optim.Optimizer) -> Iterator[list[bool]]:
    """A list that holds True while the optimizer steps."""
    inside = [False]
    before = optimizer.register_step_pre_hook(lambda *_: inside.__setitem__(0, True))
    after = optimizer.register_step_post_hook(lambda *_: inside.__setitem__(0, False))
    try:
        yield inside
    finally:
        before.remove()
        after.remove()


def _step(subject: Subject, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    if subject.step_function is None:
        subject.step(model, subject.batch, optimizer)
        return
    with seeded(SEED):
        subject.step_function(model, clone(subject.batch), optimizer)


def recorded_reads(subject: Subject) -> Counter[Event]:
    """Operation and place of every read by the host in one step, with how often."""
    model = subject.fresh()
    optimizer = subject.optimizer(model)
    found: Counter[Event] = Counter()
    with _outside_of_optimizer(optimizer) as inside:

        def seen(event: Event, function: Any, arguments: Sequence[Any], result: Any) -> None:
            masks = event.operation in ("index", "index_put_") and _masked(arguments)
            if not inside[0] and (event.operation in READS or masks):
                found[event] += 1

        with recorded_operations(model, seen):
            _step(subject, model, optimizer)
    return found


def _masked(arguments: Sequence[Any]) -> bool:
    indices = arguments[1] if len(arguments) > 1 else ()
    return any(isinstance(index, torch.Tensor) and index.dtype in (torch.bool, torch.uint8) for index in indices)


def cuda_syncs(subject: Subject) -> int:
    """What torch's sync debug mode counts in one step, after one to warm up."""
    model = subject.fresh()
    optimizer = subject.optimizer(model)
    _step(subject, model, optimizer)
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            _step(subject, model, optimizer)
        finally:
            torch.cuda.set_sync_debug_mode(before)
    return sum("synchronizing CUDA operation" in str(warning.message) for warning in caught)
