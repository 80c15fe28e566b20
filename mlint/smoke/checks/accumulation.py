"""MS404: gradients that are accumulated over micro-batches and are not those of the batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.compare import TOLERANCE
from mlint.smoke.double import default_double, samples
from mlint.smoke.structure import batch_size, take, tensors
from mlint.smoke.subject import Subject

SOLVED = 1e-6
"""A residual of the least squares that is ten tolerances: both gradients are within one of theirs."""


class AccumulationDiffers(Check):
    """The sum of the gradients of micro-batches, weighted by their sizes, is not the gradient of the batch.

    ## Why

    Gradient accumulation and data-parallel training average the losses of parts. That is the loss of the whole only if
    every part counts by its number of samples. A mean over the tokens that are not ignored counts a short sequence's
    token more than a long one's as soon as the parts hold different numbers of them: the mean of means. Another batch
    size or number of devices then optimises another objective.

    ## How

    In fp64 and eval mode (no dropout, BatchNorm by its running statistics), the batch is ordered by how many targets
    count and cut in two halves. g, g1 and g2 are the gradients of the loss of the whole and of the halves.

    - g = n1/n g1 + n2/n g2 within ten times torch.testing's tolerance for fp64: right. Also g = g1 + g2, a sum.
    - Otherwise the weights that minimise |g - w1 g1 - w2 g2| are solved for. If they leave nothing, the loss is a mean
      over something else than samples, the weights say over what, and this is the finding.
    - If something is left, the loss compares the samples with each other (negatives in the batch, load balancing),
      which no accumulation can reproduce: not judged.

    With the project's own `step`, where it runs the model on several parts of the batch, the gradients that it hands to
    the optimizer are compared with g instead: as many times as there are parts means that the loss is not divided.

    ## References

    loss = sum_i l_i / sum_i m_i is not mean_k (sum_(i in k) l_i / sum_(i in k) m_i) unless all sum_(i in k) m_i agree.
    Hugging Face, "Fixing Gradient Accumulation", 2024. Ott et al., Scaling Neural Machine Translation, WMT 2018.
    """

    code = "MS404"
    name = "accumulation-differs"
    tier = "differential"
    cost = 8.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield at most one observation."""
        rows = samples(subject)
        if rows < 2:
            raise NotRun("the batch holds one sample")
        if not subject.has_targets and subject.loss_function is None:
            raise NotRun("there is no loss")
        half = rows // 2
        order = torch.tensor(sorted(range(rows), key=_counted(subject.batch, rows).__getitem__))[: 2 * half]
        model = subject.double().eval()
        for name, parameter in model.named_parameters():
            if subject.is_frozen(name):
                parameter.requires_grad_(False)
        whole = _gradient(subject, model, order, rows)
        if subject.step_function is not None:
            step = _own_step(subject, order, rows)
            if step is not None:
                yield from self._stepped(subject, model, whole, order, rows, *step)
                return
        one = _gradient(subject, model, order[:half], rows)
        other = _gradient(subject, model, order[half:], rows)
        scale = max(float(whole.norm()), float(one.norm()), float(other.norm()))
        if not scale:
            raise NotRun("all gradients are zero")
        near = 10 * TOLERANCE[torch.float64] * scale
        if float((whole - 0.5 * (one + other)).norm()) <= near or float((whole - one - other).norm()) <= near:
            return
        weights, left = _solved(whole, [one, other])
        if left > SOLVED or weights is None:
            raise NotRun("the loss compares the samples of a batch with each other")
        if abs(weights[0] - weights[1]) <= 10 * SOLVED:
            return  # a sum, or a sum over some constant
        counts = _counted(subject.batch, rows)
        first, second = ([counts[int(index)] for index in part] for part in (order[:half], order[half:]))
        yield self.observe(
            "gradients accumulated over micro-batches are not those of the batch: the loss is a mean of means",
            "sum the losses and divide by the number of targets in the whole batch, not in the micro-batch",
            evidence={
                "weight of each half in the batch": [round(weight, 6) for weight in weights],
                "weight in accumulation": [0.5, 0.5],
                "targets that count in each half": [sum(first), sum(second)],
                "relative difference of the gradients": float((whole - 0.5 * (one + other)).norm() / scale),
            },
        )

    def _stepped(
        self, subject: Subject, model: nn.Module, whole: Tensor, order: Tensor, rows: int, got: Tensor, sizes: list[int]
    ) -> Iterator[Observation]:
        if not float(got.norm()) or not float(whole.norm()):
            raise NotRun("all gradients are zero")
        factor = float(got @ whole / (whole @ whole))
        if float((got - factor * whole).norm() / got.norm()) <= SOLVED:
            if abs(factor - len(sizes)) <= SOLVED * len(sizes):
                yield self.observe(
                    f"the step accumulates {len(sizes)} parts, and its gradient is {len(sizes)} times the batch's",
                    "divide the loss of each part by the number of parts before backward",
                    evidence={"parts": sizes, "factor": factor},
                )
            return  # the batch's gradient, or one of the same direction: clipped, or scaled on purpose
        weights, left = _solved(got, [_gradient(subject, model, part, rows) for part in order.split(sizes)])
        if weights is None or left > SOLVED:
            raise NotRun("the step's gradient is made of more than the gradients of its parts")
        yield self.observe(
            "the gradient that the step accumulates is not that of the batch: the loss is a mean of means",
            "sum the losses and divide by the number of targets in the whole batch, not in the micro-batch",
            evidence={"parts": sizes, "weights of the parts": [round(weight, 6) for weight in weights]},
        )


def _gradient(subject: Subject, model: nn.Module, index: Tensor, rows: int) -> Tensor:
    """The flat gradient of the loss of some samples.

    Raises:
        NotRun: when the loss does not run on them in fp64 and eval mode, or is not finite there.
    """
    batch = subject.cast(take(subject.batch, index, rows))
    model.zero_grad(set_to_none=True)
    try:
        with default_double():
            loss = subject.run(model, batch, autocast=False).loss
            loss.backward()
    except Exception as error:
        raise NotRun(f"the loss does not run on a part of the batch in fp64: {str(error)[:200]}") from error
    if not bool(loss.isfinite()):
        raise NotRun("the loss of a part of the batch is not finite")
    return _flat(model)


def _flat(model: nn.Module) -> Tensor:
    parts = [
        (torch.zeros_like(value) if value.grad is None else value.grad).detach().reshape(-1)
        for value in model.parameters()
        if value.requires_grad and not value.is_complex()
    ]
    if not parts:
        raise NotRun("nothing is trainable")
    return torch.cat(parts)


def _solved(wanted: Tensor, parts: list[Tensor]) -> tuple[list[float] | None, float]:
    """(weights of some gradients that give another one, what is left relative to its size)."""
    matrix = torch.stack(parts)
    gram, right = matrix @ matrix.T, matrix @ wanted
    if not float(torch.linalg.det(gram)):
        return None, float("inf")
    weights = torch.linalg.solve(gram, right)
    return weights.tolist(), float((wanted - weights @ matrix).norm() / wanted.norm().clamp(min=1e-300))


def _counted(batch: object, rows: int) -> list[int]:
    """For each sample, how many elements of whole numbers are not ignored (-100) and, in masks, not zero."""
    counts = [0] * rows
    for tensor in tensors(batch):
        if tensor.dim() > 1 and tensor.shape[0] == rows and not tensor.is_floating_point() and not tensor.is_complex():
            flat = tensor.reshape(rows, -1)
            marks = (flat != 0) if set(flat.unique().tolist()[:3]) <= {0, 1} else (flat != -100)
            counts = [count + int(number) for count, number in zip(counts, marks.sum(1).tolist())]
    return counts


def _own_step(subject: Subject, order: Tensor, rows: int) -> tuple[Tensor, list[int]] | None:
    """(the gradient at the first optimizer step of the user's own step, the sizes of its parts).

    None where it has one part, or where BatchNorm runs in train mode and makes every part another function.
    """
    assert subject.step_function is not None
    model = subject.double().eval()
    batch = subject.cast(take(subject.batch, order, rows))
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
    sizes: list[int | None] = []
    found: list[Tensor] = []
    optimizer = subject.optimizer(model)

    def entering(module: nn.Module, given: tuple[object, ...], named: dict[str, object]) -> None:
        live = any(isinstance(part, nn.modules.batchnorm._BatchNorm) and part.training for part in module.modules())
        sizes.append(None if live else batch_size([*given, *named.values()]))

    def stepping(*_: object) -> None:
        if not found:
            found.append(_flat(model).clone())

    handles = [
        model.register_forward_pre_hook(entering, with_kwargs=True),
        optimizer.register_step_pre_hook(stepping),
    ]
    try:
        with default_double():
            subject.step_function(model, batch, optimizer)
    except Exception:
        return None
    finally:
        for handle in handles:
            handle.remove()
    known = [size for size in sizes if size is not None]
    if len(known) < 2 or len(known) != len(sizes) or sum(known) != len(order) or not found:
        return None
    return found[0], known
