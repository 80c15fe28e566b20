"""MS206: a loss that is a sum over the batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mlint.smoke.binding import own_loss
from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.structure import batch_size, take
from mlint.smoke.subject import Subject
from mlint.smoke.trace.noiseless import Noiseless


class ReductionDependsOnBatch(Check):
    """The loss of a batch that is put together with itself is twice the loss of the batch.

    ## Why

    With a sum over samples the gradient grows with the batch size: the learning rate means something else at every
    batch size, the last, smaller batch counts less per step, gradient accumulation and several devices change the
    step, and clipping at a fixed norm becomes harsher. Weight decay and other terms lose against it.

    ## How

    In eval mode, in float64 where the model can be converted, with random draws replaced by a constant: L(batch, batch)
    against 2 L(batch), within torch.testing's own tolerance for the dtype (1e-7 relative in float64). A mean gives
    L(batch), a contrastive loss something between. A loss that is meant to be summed is declared by
    `reduction = "sum"`.

    ## References

    Goyal et al., Accurate, large minibatch SGD, arXiv:1706.02677, section 2: the linear scaling rule is for means.
    """

    code = "MS206"
    name = "reduction-depends-on-batch"
    tier = "exact"
    cost = 2.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield one observation for the loss."""
        if subject.options.reduction == "sum":
            raise NotRun("the loss is declared to be a sum")
        if subject.loss_function is None and own_loss(subject.first.output) is None:
            raise NotRun("no loss is configured")
        size = batch_size(subject.sample)
        if size is None:
            raise NotRun("the batch has no size that all of its tensors share")
        try:
            single, double = self._losses(subject, size)
        except NotRun:
            raise
        except Exception as error:
            raise NotRun(f"the model does not take the batch twice: {error}") from error
        if not bool(torch.isfinite(single)) or float(single) == 0:
            raise NotRun(f"the loss is {float(single)}")
        if _close(double, 2 * single):
            yield self.observe(
                f"the loss is a sum over the batch: {float(single):.6g} for {size} samples, {float(double):.6g} for "
                "the same twice",
                'use reduction="mean", or divide by the number of samples; declare `reduction = "sum"` if it is meant',
                operation="loss",
                evidence={"loss": float(single), "loss of the batch twice": float(double), "samples": size},
            )

    def _losses(self, subject: Subject, size: int) -> tuple[Tensor, Tensor]:
        twice = torch.cat([torch.arange(size), torch.arange(size)])
        try:
            return self._measured(subject, subject.double(), subject.cast(subject.sample), twice, size)
        except Exception:  # an operation without float64, or a dtype that the model itself chooses
            return self._measured(subject, subject.fresh(), subject.sample, twice, size)

    def _measured(
        self, subject: Subject, model: nn.Module, batch: object, twice: Tensor, size: int
    ) -> tuple[Tensor, Tensor]:
        model.eval()
        with Noiseless():
            single = subject.run(model, batch, autocast=False).loss.detach()
            double = subject.run(model, take(batch, twice, size), autocast=False).loss.detach()
        return single, double


def _close(one: Tensor, other: Tensor) -> bool:
    try:
        torch.testing.assert_close(one, other)
    except AssertionError:
        return False
    return True
