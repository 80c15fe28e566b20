"""MS302: evaluation that is not deterministic, or that changes something."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.compare import close, distance, first_unequal, same_bits
from mlint.smoke.seeds import seeded
from mlint.smoke.structure import clone
from mlint.smoke.subject import SEED, Subject, named_outputs
from mlint.smoke.trace.difference import first_difference


class Evaluation(Check):
    """In eval mode, two runs under different seeds differ, or a run changes buffers, inputs, gradients or a generator.

    ## Why

    `model.eval()` promises that a prediction is a function of the model and the sample. `F.dropout(x)` without
    `training=self.training` keeps dropping, noise that is added without asking keeps being added, running statistics
    that are updated in eval mode learn from the test set. And a validation that draws from the global generator changes
    the training that follows it.

    ## How

    Eval mode, no gradients, the same batch. After one run that may fill caches: two runs under different seeds give
    the same bits, and where they do not, both are recorded and the first operation that differs is named. Then
    parameters, all buffers, the tensors of the batch, `.grad` of every parameter, the training flag of every module
    and the states of the generators of torch, NumPy and Python are to the bit what they were before. On CUDA a
    difference within the tolerance of torch.testing is info, unless deterministic algorithms were asked for.

    ## References

    PyTorch documentation, "Reproducibility", and of `torch.nn.Module.eval`. Srivastava et al., Dropout, JMLR 2014,
    section 4: at test time no unit is dropped.
    """

    code = "MS302"
    name = "eval-not-deterministic"
    tier = "exact"
    cost = 3.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield an observation for the first output that differs, and one for each kind of side effect."""
        model = subject.fresh().eval()
        batch = subject.batch
        try:
            _evaluated(subject, model, clone(batch), SEED)
        except Exception as error:
            raise NotRun(f"the model does not run in eval mode: {str(error)[:200]}") from error
        before = _state(model)
        mine = clone(batch)
        with seeded(SEED):
            generators = _generators()
            one = _forward(subject, model, mine)
            moved = [name for name, state in generators.items() if not _equal(state, _generators()[name])]
        one = clone(one)
        changed = _changes(before, _state(model))
        written = first_unequal(batch, mine)
        other = clone(_evaluated(subject, model, clone(batch), SEED + 1))
        random_output = False
        for (name, a), (_, b) in zip(named_outputs(one), named_outputs(other)):
            if same_bits(a, b):
                continue
            random_output = True
            yield self._different(subject, model, name, a, b)
            break
        yield from self._effects(changed, written, [] if random_output else moved)

    def _different(self, subject: Subject, model: nn.Module, name: str, one: Tensor, other: Tensor) -> Observation:
        event = first_difference(
            (model, lambda: _evaluated(subject, model, clone(subject.batch), SEED)),
            (model, lambda: _evaluated(subject, model, clone(subject.batch), SEED + 1)),
        )
        lenient = (
            subject.device.type == "cuda" and close(one, other) and not torch.are_deterministic_algorithms_enabled()
        )
        return self.observe(
            "two evaluations of one batch under different seeds differ",
            "make what is random depend on self.training",
            severity="info" if lenient else "error",
            module=event.module if event else "",
            operation=event.operation if event else "",
            place=event.place if event else None,
            evidence={"output": name or "the output", "largest relative difference": distance(one, other)},
        )

    def _effects(self, changed: list[str], written: str | None, moved: list[str]) -> Iterator[Observation]:
        effects: list[tuple[str, str, str]] = []
        for name in changed[:1]:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            effects.append((name, f"evaluation changes {name}{more}", "update state in train mode only"))
        if written is not None:
            text = f"evaluation writes into its input {written}"
            effects.append(("", text, "work on a copy, without in-place methods"))
        if moved:
            text = f"evaluation draws from the generator of {', '.join(moved)}"
            effects.append(("", text, "draw only in train mode, or from a generator of its own"))
        for name, message, advice in effects:
            yield self.observe(
                message,
                advice,
                name="eval-has-side-effects",
                module=name.rpartition(".")[0],
                parameter=name,
                evidence={"changed": changed, "written": written or "", "generators": moved},
            )


def _evaluated(subject: Subject, model: nn.Module, batch: object, seed: int) -> object:
    with seeded(seed):
        return _forward(subject, model, batch)


def _state(model: nn.Module) -> dict[str, object]:
    """What an evaluation must leave alone."""
    found: dict[str, object] = {}
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        found[name] = value.detach().clone()
    for name, parameter in model.named_parameters():
        found[f"{name}.grad"] = None if parameter.grad is None else parameter.grad.clone()
    for name, module in model.named_modules():
        found[f"{name}.training" if name else "training"] = module.training
    return found


def _changes(before: dict[str, object], after: dict[str, object]) -> list[str]:
    return [name for name, value in after.items() if name not in before or not _equal(before[name], value)]


def _equal(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return same_bits(one, other)
    return one == other


def _generators() -> dict[str, object]:
    """Library -> state of its global generator."""
    states: dict[str, object] = {"torch": torch.get_rng_state(), "Python": random.getstate()}
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        kind, keys, *rest = numpy.random.get_state()
        states["NumPy"] = (kind, keys.tobytes(), *rest)
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["CUDA"] = torch.cuda.get_rng_state()
    return states


def _forward(subject: Subject, model: nn.Module, batch: object) -> object:
    with torch.no_grad():
        return subject.forward(model, batch)
