"""MS401: a sample whose output depends on another sample of the batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mlint.smoke.binding import arguments
from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.compare import TOLERANCE, close, distance
from mlint.smoke.double import Stage, stage
from mlint.smoke.structure import map_tensors, tensors
from mlint.smoke.subject import Subject
from mlint.smoke.trace.difference import first_difference
from mlint.smoke.trace.recorder import Event


class BatchLeak(Check):
    """The output for one sample depends on another sample of the batch, in eval mode.

    ## Why

    In eval mode a prediction must be a function of its own sample. A softmax, a normalisation or a mean over the batch
    axis, a `view` that takes the batch for another axis, an attention or recurrent layer that was built without
    `batch_first=True` and is fed with the batch first: all train without an error, and all give another prediction for
    the same sample in another batch.

    ## How

    In fp64, at parameters moved by a tenth of their size, with a batch whose size is no other size of the model. First
    the gradient of a fixed random projection of one sample's output with respect to the inputs, at the embeddings for
    whole numbers: it is exactly zero for every other sample. (The plain sum of an output that ends in a softmax or a
    LayerNorm is constant, and its gradient is rounding noise; a random projection has no such symmetry.) Second, that
    sample's contents are replaced, and no other output may change by more than fp64's tolerance in torch.testing
    (1e-7 of the largest value). The second finds what goes through a `detach` or an `argmax`, too. The report says
    whether poisoning the sample with NaN reaches the others, which an operation that multiplies with zero also does
    without any harm, so that NaN alone is no evidence.

    Outputs without one row for each sample, and those with a second axis of samples (a matrix of similarities), are not
    judged. Neither is a batch whose tensors all have the same first two sizes if the model holds layers with time
    first: which of the two axes is the batch cannot be known there.

    ## References

    Karpathy, A Recipe for Training Neural Networks, 2019: "use backprop to chart dependencies". PyTorch documentation
    of `torch.nn.MultiheadAttention`: `batch_first` is False by default.
    """

    code = "MS401"
    name = "batch-leak"
    tier = "exact"
    cost = 4.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield at most one observation: where the first leak is."""
        here = stage(subject)
        if not here.outputs:
            raise NotRun("no output has one row for each sample")
        gradients = leak_by_gradient(here)
        row, changed = leak_by_value(here)
        worst = max([*gradients.values(), *changed.values()], default=0.0)
        if worst <= TOLERANCE[torch.float64]:
            return
        if _maybe_time_first(here):
            raise NotRun("layers with time first, and a batch whose first two sizes are the same in every tensor")
        event = _where(here, row)
        output = max(changed, key=lambda name: changed[name])
        yield self.observe(
            "the output for a sample depends on another sample of the batch in eval mode",
            "look for an operation over axis 0: a softmax, norm, mean or view, or a layer without batch_first=True",
            module=event.module if event else "",
            operation=event.operation if event else "",
            place=event.place if event else None,
            evidence={
                "changed sample": row,
                "output": output or "the output",
                "relative change of the others": changed[output],
                "gradient of another sample relative to its own": max(gradients.values(), default=0.0),
                "NaN in the sample reaches the others": _poisoned(here, row),
            },
        )


def leak_by_gradient(here: Stage, axis: int = 0) -> dict[str, float]:
    """Output -> largest gradient of a sample's projection at another sample, relative to the largest at its own."""
    found: dict[str, float] = {}
    row = here.rows - 2
    for name, sources, output in _attached(here):
        generator = torch.Generator().manual_seed(7)
        weight = torch.randn(output.select(axis, row).shape, generator=generator, dtype=torch.float64).to(output)
        gradients = torch.autograd.grad(
            (output.select(axis, row) * weight).sum(), sources, retain_graph=True, allow_unused=True
        )
        own, others = 0.0, 0.0
        for gradient in gradients:
            if gradient is None or not gradient.numel() or gradient.dim() <= axis:
                continue
            size = gradient.abs().nan_to_num().movedim(axis, 0).flatten(1)
            if gradient.shape[axis] != output.shape[axis] or not size.shape[1]:
                continue
            rows = size.amax(1)
            own = max(own, float(rows[row]))
            rows[row] = 0.0
            others = max(others, float(rows.max()))
        if own or others:
            found[name] = others / max(own, others)
    return found


def _attached(here: Stage) -> Iterator[tuple[str, list[Tensor], Tensor]]:
    """(path, inputs or embeddings, output) of one run that keeps its graph."""
    sources: list[Tensor] = []

    def hook(module: nn.Module, given: object, result: object) -> object:
        if isinstance(result, Tensor) and result.is_floating_point():
            source = result.detach().requires_grad_()
            sources.append(source)
            return source.clone()  # what the model writes in place is not written into a leaf
        return None

    def leaf(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        source = tensor.detach().clone().requires_grad_()
        sources.append(source)
        return source.clone()

    handles = [
        module.register_forward_hook(hook) for module in here.model.modules() if isinstance(module, nn.Embedding)
    ]
    try:
        with torch.enable_grad():
            output = here.run(map_tensors(leaf, here.batch))
    except Exception:
        return  # a model that cannot be differentiated in eval mode is judged by values alone
    finally:
        for handle in handles:
            handle.remove()
    for name, tensor in here.rowwise(output, here.rows):
        if tensor.requires_grad and sources:
            yield name, sources, tensor


def replaced(batch: object, taken: set[int], row: int, rows: int) -> object:
    """The batch with other contents in one sample of what `forward` takes: those of other samples, in another order."""
    generator = torch.Generator().manual_seed(11)

    def change(tensor: Tensor) -> Tensor:
        if id(tensor) not in taken or not tensor.dim() or tensor.shape[0] != rows:
            return tensor
        changed = tensor.clone()
        donor = tensor[(row + 1) % rows]
        if tensor.is_floating_point():
            order = torch.randperm(donor.numel(), generator=generator).to(tensor.device)
            donor = 1.5 * donor.reshape(-1)[order].reshape(donor.shape)
        changed[row] = donor
        return changed

    return map_tensors(change, batch)


def leak_by_value(here: Stage) -> tuple[int, dict[str, float]]:
    """(the sample that was replaced, output -> largest relative change in the other samples)."""
    row = 1
    keep = [index for index in range(here.rows) if index != row]
    taken = {id(tensor) for tensor in tensors(arguments(here.model, here.batch))}
    output = here.forward(replaced(here.batch, taken, row, here.rows))
    after = dict(here.rowwise(output, here.rows))
    return row, {name: distance(before[keep], after[name][keep]) for name, before in here.outputs if name in after}


def _poisoned(here: Stage, row: int) -> bool:
    """Whether NaN in one sample's floating inputs makes another sample's output NaN."""

    def poison(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point() or not tensor.dim() or tensor.shape[0] != here.rows:
            return tensor
        changed = tensor.clone()
        changed[row] = float("nan")
        return changed

    keep = [index for index in range(here.rows) if index != row]
    try:
        output = here.forward(map_tensors(poison, here.batch))
    except Exception:
        return False
    return any(bool(tensor[keep].isnan().any()) for _, tensor in here.rowwise(output, here.rows))


def _where(here: Stage, row: int) -> Event | None:
    keep = [index for index in range(here.rows) if index != row]
    taken = {id(tensor) for tensor in tensors(arguments(here.model, here.batch))}
    other = replaced(here.batch, taken, row, here.rows)

    def same(a: Tensor, b: Tensor) -> bool:
        if not a.is_floating_point() or not a.dim() or a.shape != b.shape or a.shape[0] != here.rows:
            return True
        return close(a[keep], b[keep])

    return first_difference(
        (here.model, lambda: here.forward(here.batch)), (here.model, lambda: here.forward(other)), same
    )


def _maybe_time_first(here: Stage) -> bool:
    found = tensors(here.batch)
    if any(tensor.dim() < 2 for tensor in found) or len({tensor.shape[:2] for tensor in found}) != 1:
        return False
    layers = [module for module in here.model.modules() if getattr(module, "batch_first", None) is False]
    if not layers:
        return False
    across = leak_by_gradient(here, axis=1)
    return not across or max(across.values()) <= TOLERANCE[torch.float64]
