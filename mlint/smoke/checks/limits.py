"""MS901 to MS905: limits that the user set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.figures import FIGURES, UNITS
from mlint.smoke.subject import Subject


class Limit(Check):
    """A figure of the model and the limit that the configuration sets for it."""

    figure: ClassVar[str] = ""

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield one observation when the limit is exceeded."""
        limit = subject.options.limits.get(self.figure)
        if limit is None:
            raise NotRun("no limit is set")
        value = FIGURES[self.figure](subject)
        if value > float(str(limit)):
            name = self.figure.replace("_", " ")
            yield self.observe(
                f"{name}: {value:,.6g}{UNITS[self.figure]}, and the limit is {float(str(limit)):,.6g}",
                f"make the model cheaper, or raise the limit {self.figure.replace('_', '-')}",
                evidence={self.figure: value, "limit": float(str(limit))},
            )


class ParameterLimit(Limit):
    """More parameters than the limit allows.

    ## Why

    The size of a model decides what it runs on; it grows by accident, with a dimension that was read from the data or
    a second head. `limits = { parameters = 50e6 }` says what was agreed.

    ## How

    The elements of all parameters, those that share a tensor once, trainable or not.

    ## References

    PyTorch documentation of `torch.nn.Module.parameters`.
    """

    code = "MS901"
    name = "parameters"
    tier = "exact"
    cost = 0.0
    figure = "parameters"


class PeakMemoryLimit(Limit):
    """A training step needs more memory than the limit allows.

    ## Why

    The peak lies at the end of the forward pass or in the optimizer's step, not where one looks; it decides on the
    batch size and the card.

    ## How

    In the second training step. On CUDA `torch.cuda.max_memory_allocated`. On the CPU the bytes of parameters, buffers,
    gradients, optimizer state and batch, and on top the highest sum of the allocations and releases that torch's
    profiler records.

    ## References

    PyTorch documentation, "Understanding CUDA Memory Usage", and `torch.profiler.profile(profile_memory=True)`.
    """

    code = "MS902"
    name = "peak-memory"
    tier = "exact"
    cost = 4.0
    figure = "peak_memory"


class StepTimeLimit(Limit):
    """A training step takes longer than the limit allows.

    ## Why

    A step that became slower is noticed when the bill comes.

    ## How

    The fastest of five steps after two to warm up, since whatever else the machine does only makes a step longer: a
    limit that this one exceeds is exceeded.

    ## References

    Chen and Revels, Robust Benchmarking in Noisy Environments, HPEC 2016: the minimum as an estimator.
    """

    code = "MS903"
    name = "step-time"
    tier = "exact"
    cost = 9.0
    figure = "step_time"


class FlopLimit(Limit):
    """A training step needs more floating-point operations than the limit allows.

    ## Why

    Operations are what a step costs on every device, and they grow with the square of a width or a length.

    ## How

    torch's counter over forward and backward: two operations for each multiplication and addition of matrix products
    and convolutions. Fused attention and recurrent kernels, for which it has no formula, are replaced by their parts.

    ## References

    PyTorch documentation of `torch.utils.flop_counter.FlopCounterMode`. Kaplan et al., Scaling Laws for Neural Language
    Models, 2020: about 6 N operations for each token.
    """

    code = "MS904"
    name = "flops"
    tier = "exact"
    cost = 4.0
    figure = "flops"


class Growth(Check):
    """A figure grew against the stored baseline.

    ## Why

    A limit leaves room, and the room is used up bit by bit. Against a baseline every step of it is seen.

    ## How

    The limit `baseline` holds figures by name (parameters, flops, peak-memory, step-time), as a report of an earlier
    run states them. Parameters and operations are counted and may not grow at all; peak memory and step time vary from
    run to run, and may not grow by more than a tenth.

    ## Known limits

    Neither the configuration nor `mlint.smoke.check` has a key for the baseline yet: so far the check is listed as not
    run, with that reason.

    ## References

    See MS901 to MS904.
    """

    code = "MS905"
    name = "growth"
    tier = "exact"
    cost = 12.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield one observation for each figure that grew."""
        baseline = subject.options.limits.get("baseline")
        if not isinstance(baseline, dict):
            raise NotRun("no baseline is stored")
        for name, before in baseline.items():
            figure = str(name).replace("-", "_")
            if figure not in FIGURES:
                continue
            value = FIGURES[figure](subject)
            slack = 1.1 if figure in ("peak_memory", "step_time") else 1.0
            if value > slack * float(str(before)):
                yield self.observe(
                    f"{figure.replace('_', ' ')} grew from {float(str(before)):,.6g} to {value:,.6g}{UNITS[figure]}",
                    "find what was added, or store a new baseline",
                    evidence={figure: value, "baseline": float(str(before))},
                )
