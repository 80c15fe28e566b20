"""MS403: outputs that do not follow their samples, and batch sizes that the model does not take."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mlint.smoke.binding import own_loss
from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.compare import close, distance
from mlint.smoke.double import Stage, samples, stage
from mlint.smoke.structure import take, tensors
from mlint.smoke.subject import Subject, named_outputs
from mlint.smoke.trace.raised import last_line


class OrderDependent(Check):
    """Permuting the batch does not permute the output, or a batch of one or of an odd size fails or changes shape.

    ## Why

    The samples of a batch have no order. Where an output depends on it, the same sample gets another prediction at
    another position. And the last batch of an epoch is smaller, a request holds one sample: a `squeeze()` without an
    axis drops the batch there, a batch size written into a `view` raises, a hidden state that is kept from one batch
    to the next has the wrong size.

    ## How

    In fp64 and eval mode. The batch is reversed and rotated, and every output with one row for each sample must be
    reversed and rotated within the tolerance of torch.testing (1e-7). Then the first sample alone, and three samples:
    no exception, and outputs with one row for each sample. A loss function is called on these smaller batches, too.

    Where a tensor of the batch has two axes of that size (an adjacency matrix), the batch cannot be cut: not run.

    ## References

    Zaheer et al., Deep Sets, 2017: equivariance, f(Px) = P f(x). PyTorch documentation of `torch.squeeze`: "if the
    tensor has a batch dimension of size 1, then squeeze(input) will also remove the batch dimension".
    """

    code = "MS403"
    name = "order-dependent"
    tier = "exact"
    cost = 4.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield an observation for the order and one for the sizes."""
        rows = samples(subject)
        if any(tensor.shape[:2].count(rows) == 2 for tensor in tensors(subject.batch) if tensor.dim() > 1):
            raise NotRun("a tensor of the batch has two axes of the batch's size")
        reason: NotRun | None = None
        try:
            here = stage(subject)
            yield from self._order(here)
        except NotRun as raised:
            reason = raised
        yield from self._sizes(subject, rows)
        if reason is not None and rows < 3:
            raise reason

    def _order(self, here: Stage) -> Iterator[Observation]:
        order = torch.arange(here.rows).flip(0).roll(1)
        after = dict(here.rowwise(here.forward(take(here.batch, order, here.rows)), here.rows))
        for name, before in here.outputs:
            if name in after and not close(before[order.to(before.device)], after[name]):
                yield self.observe(
                    "permuting the batch does not permute the output: a sample's output depends on its position",
                    "look for an index into axis 0, a position added along it, or a state kept between the samples",
                    evidence={
                        "output": name or "the output",
                        "relative change": distance(before[order.to(before.device)], after[name]),
                        "order": order.tolist(),
                    },
                )
                return

    def _sizes(self, subject: Subject, rows: int) -> Iterator[Observation]:
        found = subject.first.output
        expected = [name for name, tensor in named_outputs(found) if tensor.dim() and tensor.shape[0] == rows]
        for size in (1, 3):
            if size == rows:
                continue
            batch = take(subject.batch, torch.arange(size) % rows, rows)
            model = subject.fresh().eval()
            try:
                with torch.no_grad():
                    output = subject.forward(model, batch)
            except Exception as error:
                if not _runs(subject, subject.batch):
                    raise NotRun("the model does not run in eval mode") from error
                yield self._raised(f"a batch of {size} fails in the model", size, error)
                return
            after = dict(named_outputs(output))
            for name in expected:
                if name in after and (not after[name].dim() or after[name].shape[0] != size):
                    yield self.observe(
                        f"with a batch of {size} the output is {_shape(after[name])}: the axis of the samples is lost",
                        "give squeeze() the axis that it is to remove, and view() a -1 in place of the batch size",
                        name="batch-size-sensitive",
                        evidence={"output": name or "the output", "batch size": size, "shape": _shape(after[name])},
                    )
                    return
            if subject.loss_function is None and own_loss(output) is None:
                continue
            try:
                with torch.no_grad():
                    subject.loss(output, batch)
            except Exception as error:
                if not _runs(subject, subject.batch, loss=True):
                    continue
                yield self._raised(f"a batch of {size} fails in the loss", size, error)
                return

    def _raised(self, message: str, size: int, error: Exception) -> Observation:
        return self.observe(
            message,
            "do not write the batch size into the model: use -1, x.shape[0] or a state made for each batch",
            name="batch-size-sensitive",
            place=last_line(error),
            evidence={"batch size": size, "error": f"{type(error).__name__}: {str(error)[:300]}"},
        )


def _runs(subject: Subject, batch: object, loss: bool = False) -> bool:
    """Whether the whole batch goes through in eval mode."""
    try:
        with torch.no_grad():
            output = subject.forward(subject.fresh().eval(), batch)
            if loss:
                subject.loss(output, batch)
    except Exception:
        return False
    return True


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
