"""MS205: room in float16."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.structure import tensors
from mlint.smoke.subject import Subject
from mlint.smoke.trace.nonfinite import is_finite

LARGEST = 65504.0
SMALLEST = 2.0**-24
ROOM = 2
"""Bits below the largest number within which a batch with other contents is expected to overflow: a factor of four."""


class AmpHeadroom(Check):
    """Activations near the largest number of float16, or gradients below its smallest.

    ## Why

    float16 ends at 65504 and its subnormal numbers at 2^-24 = 6e-8. An activation beyond the one is inf, a gradient
    below half of the other is 0, and no loss scale helps against the first. A loss scale moves all gradients up by the
    same factor: the largest must stay below 65504, and the layers with the smallest must come up into range.
    bfloat16 has the range of float32 and needs no scale.

    ## How

    For targets that train under `autocast = "float16"`. From a float32 pass: the largest activation of every module,
    and for every parameter the share of its gradient that a scale must lift. The interval of loss scales is
    [2^-24 / q, 65504 / g]: g is the largest gradient, q that of which half of all non-zero elements of the weakest
    layer are larger. Reported are activations with fewer than two bits of room, and an empty interval; then a real
    autocast forward pass, whose loss must be finite.

    ## References

    Micikevicius et al., Mixed precision training, arXiv:1710.03740, section 3.2. Kalamkar et al., A study of BFLOAT16
    for deep learning training, arXiv:1905.12322.
    """

    code = "MS205"
    name = "amp-headroom"
    tier = "differential"
    cost = 3.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield layers without room, an impossible loss scale, and an overflow of the real step."""
        if subject.options.autocast != "float16":
            raise NotRun("training does not run under float16 autocast")
        model = subject.fresh()
        ranges = _Ranges(model)
        try:
            done = subject.run(model, subject.batch, autocast=False)
        finally:
            ranges.remove()
        if not is_finite(done.loss):
            raise NotRun("the loss is not finite in float32")
        yield from self._activations(subject, ranges.largest)
        gradients = {name: value for name, value in done.gradients.items() if value is not None}
        yield from self._scale(subject, gradients)
        yield from self._real(subject)

    def _activations(self, subject: Subject, largest: dict[str, float]) -> Iterator[Observation]:
        tight = {name: value for name, value in largest.items() if value > LARGEST / 2**ROOM}
        # The first that is tight in the order of the pass is the cause of those after it.
        for name, value in tight.items():
            if subject.is_exempt(self.code, name):
                continue
            bits = math.log2(LARGEST / value)
            beyond = value > LARGEST
            yield self.observe(
                f"{name or 'the output'} reaches {value:.4g} in float32: "
                + ("inf in float16" if beyond else f"{bits:.1f} bits below the end of float16"),
                "use bfloat16, or normalise before it and keep this module in float32 (autocast(enabled=False))",
                severity="error" if beyond else "warning",
                module=name,
                evidence={"largest": value, "bits of headroom": round(bits, 2), "modules": list(tight)[:20]},
            )
            return

    def _scale(self, subject: Subject, gradients: dict[str, Tensor]) -> Iterator[Observation]:
        sizes = {name: value.detach().abs().float() for name, value in gradients.items() if not value.is_sparse}
        sizes = {name: value[value > 0] for name, value in sizes.items()}
        sizes = {name: value for name, value in sizes.items() if value.numel()}
        if not sizes:
            return
        medians = {name: float(value.median()) for name, value in sizes.items()}
        weakest = min(medians, key=lambda name: medians[name])
        largest = max(float(value.max()) for value in sizes.values())
        low, high = SMALLEST / medians[weakest], LARGEST / largest
        lost = {name: float((value < SMALLEST / 2).float().mean()) for name, value in sizes.items()}
        evidence = {
            "loss scale from": 2.0 ** math.ceil(math.log2(low)),
            "loss scale to": 2.0 ** math.floor(math.log2(high)),
            "weakest": weakest,
            "lost without a scale": {name: round(share, 4) for name, share in lost.items() if share > 0.01},
        }
        if low > high:
            yield self.observe(
                f"no loss scale suits float16: {weakest} needs at least {low:.3g}, and the largest gradient allows "
                f"{high:.3g}",
                "use bfloat16",
                module=subject.module_of(weakest),
                parameter=weakest,
                evidence=evidence,
            )
        elif lost[weakest] > 0.5:
            yield self.observe(
                f"half of the gradient of {weakest} is 0 in float16 without a loss scale; "
                f"{evidence['loss scale from']:g} to {evidence['loss scale to']:g} keep it",
                "use torch.amp.GradScaler, or bfloat16",
                severity="info",
                module=subject.module_of(weakest),
                parameter=weakest,
                evidence=evidence,
            )

    def _real(self, subject: Subject) -> Iterator[Observation]:
        with contextlib.suppress(RuntimeError):  # no float16 autocast on this device in this version of torch
            loss = subject.run(subject.fresh(), subject.batch).loss
            if not is_finite(loss):
                yield self.observe(
                    "the loss is finite in float32 and not under float16 autocast",
                    "use bfloat16, or compute the loss in float32",
                    severity="error",
                    operation="loss",
                    evidence={"loss": float(loss.detach())},
                )


class _Ranges:
    """The largest magnitude that each module returned, in the order of the first call."""

    def __init__(self, model: nn.Module) -> None:
        self.largest: dict[str, float] = {}
        self._handles = []
        for name, module in model.named_modules():
            with contextlib.suppress(Exception):  # scripted modules take no hooks
                self._handles.append(module.register_forward_hook(self._hook(name)))

    def _hook(self, name: str):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, given: object, made: object) -> None:
            for tensor in tensors(made):
                if tensor.is_floating_point() and tensor.numel():
                    finite = tensor.detach()[torch.isfinite(tensor)]
                    value = float(finite.abs().max()) if finite.numel() else 0.0
                    self.largest[name] = max(self.largest.get(name, 0.0), value)

        return hook

    def remove(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()
