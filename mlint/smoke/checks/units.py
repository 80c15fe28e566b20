"""MS502: units that are never on, or always at the end of their range."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.double import samples
from mlint.smoke.seeds import seeded
from mlint.smoke.structure import clone
from mlint.smoke.subject import SEED, Subject

SAMPLES = 256
BATCHES = 64
DEAD = (nn.ReLU, nn.ReLU6, nn.Threshold, nn.Hardtanh)
SATURATING = (nn.Sigmoid, nn.Tanh, nn.Hardsigmoid)


class Units(Check):
    """Units of a ReLU that are zero, or units of a sigmoid or tanh that are at an end, for every sample.

    ## Why

    A unit that is zero for all inputs passes no gradient on and cannot come back: capacity that was paid for. One that
    sits where sigmoid or tanh is flat in this precision learns as little. Both come from a learning rate that was too
    large, a bias far off, or inputs that were not scaled.

    ## How

    At least 256 samples from the batch function, in train mode without dropout's being changed, through the model as it
    was initialised. Dead: the output of a ReLU is exactly zero at every position of every sample. Saturated: the output
    is exactly 0 or 1 (sigmoid), -1 or 1 (tanh), that is, rounding left no slope. Units are the second axis of
    activations with more than two axes of which convolutions have made one, else the last. Measured: a few dead units
    are normal.

    ## References

    Glorot et al., Deep Sparse Rectifier Neural Networks, AISTATS 2011. Lu et al., Dying ReLU and Initialization, 2019.
    Glorot and Bengio, Understanding the Difficulty of Training Deep Feedforward Neural Networks, AISTATS 2010.
    """

    code = "MS502"
    name = "dead-units"
    tier = "measured"
    cost = 10.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield one observation for each module with such units."""
        rows = samples(subject)
        model = subject.fresh()
        named = {name: module for name, module in model.named_modules() if isinstance(module, DEAD + SATURATING)}
        if not named:
            raise NotRun("no ReLU, sigmoid or tanh is a module of its own")
        needed = -(-SAMPLES // rows)
        if needed > BATCHES:
            raise NotRun(f"{needed} batches of {rows} would be needed for {SAMPLES} samples")
        stuck: dict[str, Tensor] = {}
        handles = [module.register_forward_hook(_watch(name, module, stuck)) for name, module in named.items()]
        batches = subject.batches(needed)
        if needed > 1 and all(_same(batches[0], other) for other in batches[1:]):
            batches = [batches[0], *(subject.varied(batches[0], seed) for seed in range(1, needed))]
        try:
            with torch.no_grad():
                for index, batch in enumerate(batches):
                    with seeded(SEED + index):
                        subject.forward(model, clone(batch))
        finally:
            for handle in handles:
                handle.remove()
        for name, flags in stuck.items():
            count = int(flags.sum())
            if count:
                dead = isinstance(named[name], DEAD)
                yield self.observe(
                    f"{count} of {flags.numel()} units of {name} are {'zero' if dead else 'at an end of their range'} "
                    f"for all of {needed * rows} samples",
                    "scale the inputs, initialise for this activation, or lower the learning rate",
                    name="dead-units" if dead else "saturated-units",
                    severity="info",
                    module=name,
                    evidence={"units": flags.nonzero().flatten().tolist()[:50], "samples": needed * rows},
                )


def _same(one: object, other: object) -> bool:
    from mlint.smoke.compare import first_unequal

    return first_unequal(one, other) is None


def _watch(name: str, module: nn.Module, stuck: dict[str, Tensor]) -> Callable[[nn.Module, object, object], None]:
    """A hook that keeps, for each unit, whether it has never been anywhere else."""
    dead = isinstance(module, DEAD)

    def hook(_: nn.Module, given: object, result: object) -> None:
        if not isinstance(result, Tensor) or result.dim() < 2:
            return
        units = result.movedim(1 if result.dim() > 3 else -1, 0).flatten(1)
        if dead:
            at_end = (units == (module.value if isinstance(module, nn.Threshold) else 0)).all(1)
        else:
            at_end = (units == 1).all(1) | (units == (-1 if isinstance(module, nn.Tanh) else 0)).all(1)
        stuck[name] = at_end if name not in stuck or stuck[name].shape != at_end.shape else stuck[name] & at_end

    return hook
