"""MS405: inputs and targets that make no difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from mlint.smoke.binding import arguments, own_loss
from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.compare import first_unequal
from mlint.smoke.double import unsettle
from mlint.smoke.seeds import seeded
from mlint.smoke.structure import clone, map_tensors, named_tensors, tensors
from mlint.smoke.subject import SEED, Subject


class Ignored(Check):
    """An input of `forward` changes neither the output nor the loss, or the targets do not change the loss.

    ## Why

    An argument that is taken and never used, a mask that is overwritten, a feature that is multiplied with zero, a
    loss that compares the output with itself: training runs, and the information is not there.

    ## How

    In train mode under one seed, at parameters moved by a tenth of their size (at its very start a branch that is
    initialised with zeros ignores everything). The contents of one input are replaced in five ways: its elements in
    other orders, all of them equal to one of them, a mask all true and all false. Ignored means: not one bit of any
    output or of the loss differs for any of them. An input with only one value is not judged unless it is a mask. The
    targets are all tensors of the batch that `forward` does not take, replaced together, since a batch may carry
    numbers for the log besides.

    ## References

    Karpathy, A Recipe for Training Neural Networks, 2019: "input-independent baseline".
    """

    code = "MS405"
    name = "input-ignored"
    tier = "exact"
    cost = 4.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield one observation for each input that is ignored, and one for the targets."""
        model = unsettle(subject.fresh())
        state = {name: value.clone() for name, value in model.state_dict().items() if isinstance(value, Tensor)}

        def result(batch: object) -> tuple[object, Tensor | None]:
            with torch.no_grad(), seeded(SEED):
                mine = clone(batch)
                output = subject.forward(model, mine)
                loss = subject.loss(output, mine)
                model.load_state_dict(state, strict=False)  # running statistics
            return clone(output), loss.clone()

        batch = subject.batch
        base = result(batch)
        if first_unequal(base, result(batch)) is not None:
            raise NotRun("the model gives another output under the same seed")
        if not bool(torch.as_tensor(base[1]).isfinite().all()):
            raise NotRun("the loss is not finite")
        inputs = {id(tensor) for tensor in tensors(arguments(model, batch))}
        for name, tensor in named_tensors(batch):
            if id(tensor) in inputs and not subject.is_exempt(self.code, name.strip("[].'\"")):
                if _ignored(batch, {id(tensor)}, lambda other: first_unequal(base, result(other)) is None):
                    label = name.strip("[].'\"") or "the batch"
                    yield self.observe(
                        f"the input {label} changes neither an output nor the loss",
                        "use it, or take it out of the batch and the arguments of forward",
                        evidence={"input": label, "shape": list(tensor.shape)},
                    )
        targets = {id(tensor) for tensor in tensors(batch)} - inputs
        if not targets or subject.loss_function is None or (own_loss(base[0]) is not None and not targets):
            return

        def same_loss(other: object) -> bool:
            return first_unequal(base[1], result(other)[1]) is None

        if _ignored(batch, targets, same_loss):
            yield self.observe(
                "the targets do not change the loss",
                "compute the loss from the output and the targets of the batch that it is given",
                name="target-ignored",
                evidence={"targets": [name or "the batch" for name, t in named_tensors(batch) if id(t) in targets]},
            )


def _ignored(batch: object, taken: set[int], unchanged: Callable[[object], bool]) -> bool:
    """Whether no replacement of some tensors makes a difference; False where nothing could be replaced."""
    asked = False
    for variant in range(5):
        changed = False

        def change(tensor: Tensor, variant: int = variant) -> Tensor:
            nonlocal changed
            if id(tensor) not in taken:
                return tensor
            other = _variant(tensor, variant)
            changed = changed or not torch.equal(other, tensor)
            return other

        other = map_tensors(change, batch)
        if not changed:
            continue
        try:
            if not unchanged(other):
                return False
        except Exception:
            return False  # what raises is looked at
        asked = True
    return asked


def _variant(tensor: Tensor, variant: int) -> Tensor:
    if not tensor.numel():
        return tensor
    flat = tensor.reshape(-1)
    if variant < 3:
        order = torch.randperm(len(flat), generator=torch.Generator().manual_seed(variant))
        return flat[order.to(tensor.device)].reshape(tensor.shape)
    if tensor.dtype == torch.bool or set(flat.unique().tolist()[:3]) <= {0, 1}:
        return torch.full_like(tensor, variant == 3)
    return flat[-1 if variant == 3 else 0].expand(tensor.shape).clone()
