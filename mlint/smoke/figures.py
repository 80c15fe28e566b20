"""What a model costs: parameters, operations, memory and time of a training step."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from mlint.smoke.checks.base import NotRun
from mlint.smoke.seeds import seeded
from mlint.smoke.structure import clone, tensors
from mlint.smoke.subject import SEED, Subject

WARM = 2
TIMED = 5


def parameters(subject: Subject) -> float:
    """The number of parameters, tied ones once."""
    return float(sum(parameter.numel() for parameter in subject.parameters.values()))


def flops(subject: Subject) -> float:
    """Floating-point operations of matrix products and convolutions in forward and backward, two for a product and sum.

    Fused kernels, for which torch's counter has no formula, are replaced by what they are made of.
    """
    model = subject.fresh()
    counter = FlopCounterMode(display=False)
    with torch.backends.mkldnn.flags(enabled=False), _plain_attention(), counter:
        loss = subject.run(model, subject.batch).loss
        if loss.requires_grad:
            loss.backward()
    return float(counter.get_total_flops())


def _plain_attention() -> Any:
    attention = getattr(torch.nn, "attention", None)
    if attention is not None and hasattr(attention, "sdpa_kernel"):
        return attention.sdpa_kernel(attention.SDPBackend.MATH)
    return nullcontext()


def _stepper(subject: Subject) -> Callable[[], None]:
    model = subject.fresh()
    optimizer = subject.optimizer(model)

    def step() -> None:
        if subject.step_function is not None:
            with seeded(SEED):
                subject.step_function(model, clone(subject.batch), optimizer)
        else:
            subject.step(model, subject.batch, optimizer)

    return step


def step_time(subject: Subject) -> float:
    """Seconds of the fastest of five training steps after two: what disturbs a step only makes it longer."""
    step = _stepper(subject)
    times = []
    for index in range(WARM + TIMED):
        _wait(subject.device)
        started = time.perf_counter()
        step()
        _wait(subject.device)
        if index >= WARM:
            times.append(time.perf_counter() - started)
    return min(times)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(subject: Subject) -> float:
    """Bytes of tensors at the highest point of a training step: model, gradients, activations, optimizer state.

    On CUDA what the allocator reports; on the CPU the allocations and releases that torch's profiler records.
    """
    if subject.device.type == "cuda":
        step = _stepper(subject)
        step()
        torch.cuda.reset_peak_memory_stats(subject.device)
        step()
        return float(torch.cuda.max_memory_allocated(subject.device))
    from torch.profiler import ProfilerActivity, profile

    model = subject.fresh()
    optimizer = subject.optimizer(model)
    subject.step(model, subject.batch, optimizer)
    before = sum(value.numel() * value.element_size() for value in [*model.parameters(), *model.buffers()])
    before += sum(value.numel() * value.element_size() for value in tensors([subject.batch]))
    state = [value for entry in optimizer.state.values() for value in tensors(entry)]
    before += sum(value.numel() * value.element_size() for value in state)
    before += sum(value.grad.numel() * value.element_size() for value in model.parameters() if value.grad is not None)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        subject.step(model, subject.batch, optimizer)
    results = getattr(profiled.profiler, "kineto_results", None)
    if results is None:
        raise NotRun("torch's profiler keeps no record of allocations")
    changes = [
        (event.start_ns() if hasattr(event, "start_ns") else event.start_us(), event.nbytes())
        for event in results.events()
        if event.name() == "[memory]"
    ]
    if not changes:
        raise NotRun("torch's profiler recorded no allocation")
    highest = now = 0
    for _, change in sorted(changes, key=lambda each: each[0]):
        now += change
        highest = max(highest, now)
    return float(before + highest)


FIGURES: dict[str, Callable[[Subject], float]] = {
    "parameters": parameters,
    "flops": flops,
    "peak_memory": peak_memory,
    "step_time": step_time,
}
"""The limit's name -> what measures it."""

UNITS = {"parameters": "", "flops": " FLOP", "peak_memory": " bytes", "step_time": " s"}
