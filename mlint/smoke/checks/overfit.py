"""MS501: a model that does not learn which target belongs to which sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor, nn

from mlint.smoke.binding import arguments, own_loss
from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.compare import TOLERANCE
from mlint.smoke.seeds import seeded
from mlint.smoke.structure import clone, map_tensors, named_tensors, tensors
from mlint.smoke.subject import SEED, Subject

ORDERS = 19
INNER_ORDERS = 9
"""Other orders in each question; each costs a forward pass where the loss is computed inside of the model. One that
knows nothing of the pairing comes first in two questions in a row once in 400 times, or in 100."""
ROUNDS = (4, 8, 16, 32)
LONG = (*ROUNDS, 64, 128)
"""Steps before each question; the long ones only for a model that is about to be reported."""
TRIES = 20
"""Random orders of which the one that moves most targets is taken."""
RATES = (1e-3, 1e-2)
TARGETS = ("label", "labels", "target", "targets", "y")


class CannotOverfit(Check):
    """The model does not fit one fixed batch better than the same model whose targets are shuffled at every step.

    ## Why

    A model that cannot even memorise a handful of samples has lost the way from its inputs to its loss: inputs that are
    overwritten, a layer that saturates at once, targets that are shuffled against the samples, an optimizer that
    diverges. Its loss falls nevertheless, down to that of the best constant answer, which is why a falling loss proves
    nothing.

    ## How

    The model trains on one batch. Then the loss is taken for the true targets and for 19 other orders of the targets
    (of all that the loss reads, against an output that stays). A model that has learnt which target belongs to which
    sample has lowered the loss of the true order more than that of every other order: the permutation test of Fisher,
    exact for any loss and with no threshold on its level. It has to pass twice in a row, with different orders; most
    models do after eight steps.

    One that does not pass after 32 steps with the user's optimizer trains again with AdamW at 1e-3, and for 128 steps
    at 1e-2. If it never passes, the control decides: the same model, trained as long with targets newly shuffled at
    every step, so that memorising them cannot look like learning. The finding needs a final loss not below all of the
    control's last losses by more than these differ among themselves.
    Where AdamW passes and the user's optimizer has raised the loss, the optimizer is the finding.

    ## References

    Fisher, The Design of Experiments, 1935, section 21; Ojala and Garriga, Permutation Tests for Studying Classifier
    Performance, JMLR 2010. Karpathy, A Recipe for Training Neural Networks, 2019: "overfit one batch". Zhang et al.,
    Understanding Deep Learning Requires Rethinking Generalization, ICLR 2017: networks fit even random labels.
    """

    code = "MS501"
    name = "cannot-overfit"
    tier = "differential"
    cost = 10.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield at most one observation."""
        orders = _orders(subject)
        first = _training(subject, subject.optimizer, orders)
        if first.learnt:
            return
        rates = RATES if subject.optimizer_declared else RATES[1:]
        others = []
        for rate in rates:
            others.append(_training(subject, _adamw(rate), orders, LONG if rate == rates[-1] else ROUNDS))
            if others[-1].learnt:
                break
        if others[-1].learnt:
            if subject.optimizer_declared and first.worse:
                yield self.observe(
                    "the model fits the batch with AdamW, and its own optimizer raises the loss",
                    "lower the learning rate, or warm it up",
                    evidence={"losses": first.losses, "losses with AdamW": others[-1].losses},
                )
            return
        best = others[-1]
        control = _training(subject, best.optimizer, orders, LONG, shuffled=True)
        last = control.losses[-3:]
        if best.losses[-1] < min(last) - (max(last) - min(last)) and not best.same_for_all:
            return
        yield self.observe(
            "the model does not fit one batch any better than when its targets are shuffled at every step",
            "feed one sample and follow it: where does the output stop to depend on the input?",
            evidence={
                "losses": best.losses,
                "losses with shuffled targets": control.losses,
                "orders of the targets that fit as well": best.as_good,
            },
        )


@dataclass
class Training:
    """What came of training on one batch."""

    optimizer: Callable[[nn.Module], torch.optim.Optimizer]
    losses: list[float]
    learnt: bool = False
    as_good: int = 0
    same_for_all: bool = False
    """Whether every order of the targets gives the same loss: the output does not tell the samples apart."""

    @property
    def worse(self) -> bool:
        """Whether the loss was never below its start again, or left the numbers."""
        return not min(self.losses[1:]) <= self.losses[0] or not isfinite(self.losses[-1])


def _adamw(rate: float) -> Callable[[nn.Module], torch.optim.Optimizer]:
    def make(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW([value for value in model.parameters() if value.requires_grad], lr=rate)

    return make


def _orders(subject: Subject) -> list[object]:
    """The batch, then batches whose targets are in another order.

    Raises:
        NotRun: when there is nothing to pair: no targets, one sample, equal targets, a loss that does not read them.
    """
    if subject.loss_function is None and own_loss(subject.first.output) is None:
        raise NotRun("there is no loss")
    if not bool(subject.first.loss.isfinite()):
        raise NotRun("the loss is not finite")
    found = [subject.batch]
    for number in range(2 * (INNER_ORDERS if _inside(subject) else ORDERS)):
        other = reordered(subject, SEED + number)
        if other is None:
            raise NotRun("the batch has no targets that can be told from its inputs")
        found.append(other)
    losses = {round(loss, 12) for loss in _losses(subject, subject.fresh(), found, SEED)}
    if len(losses) == 1 and _targets_equal(subject):
        raise NotRun("all targets of the batch are equal")
    if len(losses) == 1 and subject.loss_function is not None and not _reads_batch(subject):
        raise NotRun("the loss does not read the batch")
    return found


def reordered(subject: Subject, seed: int) -> object | None:
    """The batch as the loss is to see it: the rows of its targets in another order; None where there are none.

    Targets are what `forward` does not take; without such, labels that it takes by name; without such either, all of
    the batch where a loss function compares the output with it.
    """
    taken = subject.input_names()
    named = list(named_tensors(subject.batch))
    targets = {id(tensor) for _, tensor in named if id(tensor) not in taken and tensor.dim() and len(tensor) > 1}
    if not targets:
        targets = {id(tensor) for name, tensor in named if name.strip("[].'\"") in TARGETS and tensor.dim()}
    if not targets and subject.loss_function is not None:
        targets = {id(tensor) for _, tensor in named if tensor.dim() and len(tensor) > 1}
    if not targets:
        return None
    generator = torch.Generator().manual_seed(seed)
    moved = {tensor for _, tensor in named if id(tensor) in targets and len(tensor) > 1}
    drawn = {size: _moving([tensor for tensor in moved if len(tensor) == size], generator) for size in map(len, moved)}

    def change(tensor: Tensor) -> Tensor:
        return tensor[drawn[len(tensor)].to(tensor.device)] if tensor in moved else tensor

    return map_tensors(change, subject.batch)


def _moving(targets: list[Tensor], generator: torch.Generator) -> Tensor:
    """An order that gives as many samples as possible another target: equal targets may stay where they are."""
    orders = [torch.randperm(len(targets[0]), generator=generator) for _ in range(TRIES)]

    def stay(order: Tensor) -> int:
        kept = [
            (target[order.to(target.device)] == target).flatten(1).all(1)
            if target.dim() > 1
            else target[order.to(target.device)] == target
            for target in targets
        ]
        return int(torch.stack(kept).all(0).sum())

    return min(orders, key=stay)


def _inside(subject: Subject) -> bool:
    """Whether the loss is computed in `forward`, so that reordered targets have to go through it."""
    return subject.loss_function is None


def _losses(subject: Subject, model: nn.Module, batches: list[object], seed: int) -> list[float]:
    """The loss of the model for each order, in train mode under one seed, with buffers as they were."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    found = []
    with torch.no_grad():
        with seeded(seed):
            output = subject.forward(model, clone(subject.batch))
        for batch in batches:
            with seeded(seed):
                if _inside(subject):
                    output = subject.forward(model, clone(batch))
                found.append(float(subject.loss(output, batch)))
        for buffer, value in buffers:
            buffer.copy_(value)
    return found


def _training(
    subject: Subject,
    make: Callable[[nn.Module], torch.optim.Optimizer],
    orders: list[object],
    steps: tuple[int, ...] = ROUNDS,
    shuffled: bool = False,
) -> Training:
    model = subject.fresh()
    optimizer = make(model)
    # Two questions in a row share neither the orders nor the random numbers of model and loss.
    questions = [(SEED + which, [orders[0], *orders[1 + which :: 2]]) for which in (0, 1)]
    asked = [_losses(subject, model, batches, seed) for seed, batches in questions]
    done = Training(make, [asked[0][0]])
    step, passed = 0, False
    for question, rounds in enumerate(steps):
        while step < rounds:
            step += 1
            loss = _loss(subject, model, reordered(subject, 1000 + step) if shuffled else subject.batch, step)
            if not bool(loss.isfinite()):
                done.losses.append(float("inf"))
                return done
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        seed, batches = questions[question % 2]
        before, after = asked[question % 2], _losses(subject, model, batches, seed)
        done.losses.append(after[0])
        gains = [one - other for one, other in zip(before, after)]
        rounding = TOLERANCE[torch.float32] * max(abs(value) for value in [*after, *before])
        done.as_good = sum(gain >= gains[0] - rounding for gain in gains[1:])
        done.same_for_all = max(after) - min(after) <= rounding
        passed, passed_before = done.as_good == 0 and gains[0] > rounding, passed
        done.learnt = passed and passed_before
        if done.learnt and not shuffled:
            break
    return done


def _loss(subject: Subject, model: nn.Module, target: object, step: int) -> Tensor:
    with seeded(SEED + step):
        if _inside(subject):
            given = clone(target)
            return subject.loss(subject.forward(model, given), given)
        output = subject.forward(model, clone(subject.batch))
        return subject.loss(output, clone(target))


def _targets_equal(subject: Subject) -> bool:
    taken = {id(tensor) for tensor in tensors(arguments(subject.model, subject.batch))}
    targets = [tensor for tensor in tensors(subject.batch) if id(tensor) not in taken and tensor.dim()]
    return bool(targets) and all(bool((tensor == tensor[:1]).all()) for tensor in targets)


def _reads_batch(subject: Subject) -> bool:
    """Whether the loss changes when the contents of the batch that it is given do."""
    with torch.no_grad():
        output = subject.first.output
        try:
            with seeded(SEED):
                one = subject.loss(output, subject.batch)
            with seeded(SEED):
                other = subject.loss(output, subject.varied(subject.batch, 5))
        except Exception:
            return True
    return not torch.equal(one, other)
