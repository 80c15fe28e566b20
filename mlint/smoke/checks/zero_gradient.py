"""MS102: parameters whose gradient is exactly zero."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.subject import SEED, Pass, Subject
from mlint.smoke.trace.blocked import blocking
from mlint.smoke.trace.graph import leaves

STEPS = 4
"""A chain of two zero-initialised layers, as in ControlNet, opens at the third step."""
FLAT = {"round", "floor", "ceil", "trunc", "sign", "clamp", "relu", "hardtanh", "threshold", "clip", "heaviside"}
"""Operations that pass no gradient on by themselves, whoever was chosen."""


class ZeroGradient(Check):
    """The loss reaches a parameter, and every element of its gradient is zero, over several batches and steps.

    ## Why

    A gradient that is exactly zero comes from an operation that is flat almost everywhere (round, sign, floor, a
    comparison), from units that are all off (a ReLU whose inputs are all negative, a clamp that is always at its end),
    or from a product with zero. The parameter stays as it was initialised.

    ## How

    Equality with zero, in every element, in the shared first pass. For what is left the model is trained for a few
    steps with Adam, other batches, other seeds and shuffled contents, and its gradient taken in eval mode too: the
    first factor of LoRA, a residual branch scaled by zero or a zero-initialised last BatchNorm has no gradient at step
    0 and one after it, and a layer that was left out at random comes back. A bias whose weight does get a gradient is
    left out, since a normalisation after it makes it redundant, and so is a module that saw no sample. Parts of a list
    of alike modules of which others do get a gradient may be experts that were not chosen: for information. A backward
    pass with hooks on its nodes then names the operation where the gradient becomes zero.

    ## References

    Bengio, Leonard and Courville, Estimating or propagating gradients through stochastic neurons, arXiv:1308.3432.
    Lu et al., Dying ReLU and initialization, arXiv:1903.06733. Hu et al., LoRA, arXiv:2106.09685, section 4.1.
    """

    code = "MS102"
    name = "zero-gradient"
    tier = "exact"
    cost = 2.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield one observation for each module with such parameters."""
        first = subject.first
        gradients = subject.gradients
        names = [
            name
            for name in subject.trainable()
            if not subject.is_exempt(self.code, name) and gradients[name] is not None and _zero(gradients[name])
        ]
        if not names:
            if all(value is None for value in gradients.values()):
                raise NotRun("no parameter gets a gradient")
            return
        alive = {name for name, value in gradients.items() if value is not None and not _zero(value)}
        names, last = self._dead(subject, names, alive)
        names = [name for name in names if not _redundant_bias(name, alive)]
        if not names:
            return
        yield from self._observations(subject, last or first, names, alive)

    def _dead(self, subject: Subject, names: list[str], alive: set[str]) -> tuple[list[str], Pass | None]:
        """What keeps a zero gradient, and the last pass in train mode; `alive` takes in what gets another gradient."""
        model = subject.fresh()
        fed = _Fed(model)
        optimizer = torch.optim.Adam([value for value in model.parameters() if value.requires_grad], lr=1e-3)
        batches = subject.batches(STEPS)
        left = list(names)
        for count in range(STEPS * 2):
            batch = batches[count % STEPS] if count < STEPS else subject.varied(batches[count % STEPS], count)
            if count == STEPS * 2 - 1:
                model.eval()
            try:
                done = subject.run(model, batch, SEED + 1 + count)
                gradients = done.gradients
            except Exception:
                continue  # shuffled contents that the model does not take are no evidence
            alive.update(name for name, value in gradients.items() if value is not None and not _zero(value))
            left = [name for name in left if name not in alive]
            if not left:
                break
            for name, value in done.parameters.items():
                value.grad = gradients[name]
            optimizer.step()
            model.zero_grad(set_to_none=True)
        fed.remove()
        # Once more: a step of the optimizer changes what the graphs before it keep.
        last = subject.run(model.train(), batches[0]) if left else None
        return [name for name in left if subject.module_of(name) not in fed.starved], last

    def _observations(self, subject: Subject, done: Pass, names: list[str], alive: set[str]) -> Iterator[Observation]:
        reached = leaves(done.loss)
        told: set[str] = set()
        for name in names:
            module = subject.module_of(name)
            if module in told:
                continue
            told.add(module)
            parameters = [other for other in names if subject.module_of(other) == module]
            event = blocking(subject, done, done.parameters[name]) if id(done.parameters[name]) in reached else None
            flat = event is not None and event.operation.removesuffix("_") in FLAT
            spare = not flat and _has_living_sibling(subject.model, name, alive)
            yield self.observe(
                f"the gradient of {name} is exactly zero in every step"
                + (f": {event.operation} passes none on" if event else ""),
                "an expert that no sample chose, or a dead part of the list; a longer run tells"
                if spare
                else "look for a flat operation (round, sign, clamp at an end), units that are never on, a factor 0",
                severity="info" if spare else "error",
                module=module,
                parameter=name,
                operation=event.operation if event else "",
                place=event.place if event else None,
                evidence={"parameters": parameters, "passes": 1 + STEPS * 2},
            )


def _zero(gradient: Tensor | None) -> bool:
    if gradient is None:
        return False
    dense = gradient.coalesce().values() if gradient.is_sparse else gradient
    return not bool((dense != 0).any())


def _redundant_bias(name: str, alive: set[str]) -> bool:
    """Whether the weight beside a bias lives: `0.bias` and `0.weight`, `bias_hh_l0` and `weight_hh_l0`."""
    module, _, own = name.rpartition(".")
    prefix = f"{module}." if module else ""
    return "bias" in own and any(other in alive for other in (prefix + own.replace("bias", "weight"),))


def _has_living_sibling(model: nn.Module, name: str, alive: set[str]) -> bool:
    """Whether an alike module in the same ModuleList or ModuleDict has the same parameter with a gradient."""
    parts = name.split(".")
    for depth in range(1, len(parts)):
        holder = model.get_submodule(".".join(parts[: depth - 1]))
        if isinstance(holder, nn.ModuleList | nn.ModuleDict):
            inside = holder._modules
            mine = type(inside.get(parts[depth - 1]))
            for key, other in inside.items():
                twin = ".".join([*parts[: depth - 1], key, *parts[depth:]])
                if key != parts[depth - 1] and type(other) is mine and twin in alive:
                    return True
    return False


class _Fed:
    """Which modules ran on an empty input only: `expert(x[chosen])` where nothing was chosen."""

    def __init__(self, model: nn.Module) -> None:
        self._empty: set[str] = set()
        self._full: set[str] = set()
        self._handles = []
        for name, module in model.named_modules():
            try:
                self._handles.append(module.register_forward_pre_hook(self._hook(name)))
            except Exception:
                continue  # scripted modules take no hooks

    def _hook(self, name: str):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, arguments: tuple[object, ...]) -> None:
            given = [value for value in arguments if isinstance(value, Tensor)]
            if given:
                (self._empty if any(not value.numel() for value in given) else self._full).add(name)

        return hook

    @property
    def starved(self) -> set[str]:
        """Their paths."""
        return self._empty - self._full

    def remove(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()
