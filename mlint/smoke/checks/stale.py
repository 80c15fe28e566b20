"""MS106: gradients that stay from the step before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.seeds import seeded
from mlint.smoke.structure import clone
from mlint.smoke.subject import SEED, Subject
from mlint.smoke.training import each

CALLS = 64
"""How often the user's step is called until the optimizer has stepped three times: accumulation takes several calls."""


class StaleGradient(Check):
    """The optimizer steps on gradients of which a part is from before its last step: zero_grad is missing.

    ## Why

    `backward` adds to `.grad`. Without zero_grad the update at step t uses g_1 + ... + g_t: momentum without decay, of
    which the size grows with t. Training often still goes down for a while, which is why it stays unnoticed.

    ## How

    The project's own step is called on one batch until the optimizer has stepped three times. A hook on every parameter
    sees its `.grad` at the moment a new gradient arrives, before it is added. If that is not zero at the first arrival
    after a step of the optimizer, what the next step uses is a sum over steps. Micro-batches between two steps are
    accumulation, and a discriminator that is polluted by the generator's pass is clean again when it is zeroed before
    its own. Exact: no threshold.

    ## References

    PyTorch documentation, torch.optim, "Taking an optimization step". Goodfellow et al., Deep Learning, MIT Press 2016,
    algorithm 8.1.
    """

    code = "MS106"
    name = "stale-gradient"
    tier = "exact"
    cost = 6.0
    rules = ()

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield one observation for the step."""
        if subject.step_function is None:
            raise NotRun("no step of the project is configured")
        model = subject.fresh()
        optimizer = subject.optimizer(model)
        watch = _Watch(model, each(optimizer))
        try:
            for call in range(CALLS):
                with seeded(SEED):
                    subject.step_function(model, clone(subject.batch), optimizer)
                if watch.steps >= 3 or (call >= 16 and not watch.steps):
                    break
        finally:
            watch.remove()
        if watch.steps < 2:
            raise NotRun("the step of the project did not step the optimizer twice")
        stale = [name for name in watch.stale if not subject.is_exempt(self.code, name)]
        if stale:
            name = stale[0]
            left, total = watch.stale[name]
            yield self.observe(
                f"the optimizer steps on gradients of earlier steps: {name} still has one of norm {left:.4g} when the "
                "next arrives",
                "call optimizer.zero_grad() once in each step, before backward or after step",
                module=subject.module_of(name),
                parameter=name,
                operation="backward",
                evidence={
                    "parameters": stale[:20],
                    "norm before backward": left,
                    "norm in the step": total,
                    "optimizer steps": watch.steps,
                },
            )


class _Watch:
    """Hooks on parameters and optimizers that tell when an old gradient goes into a step."""

    def __init__(self, model: nn.Module, optimizers: list[torch.optim.Optimizer]) -> None:
        self.steps = 0
        self.stale: dict[str, tuple[float, float]] = {}
        self._stepped: set[int] = set()
        self._carried: dict[int, float] = {}
        self._names = {id(value): name for name, value in model.named_parameters()}
        self._handles: list[Any] = []
        for parameter in model.parameters():
            if parameter.requires_grad:
                self._handles.append(parameter.register_hook(self._arriving(parameter)))
        for optimizer in optimizers:
            self._handles.append(optimizer.register_step_pre_hook(self._stepping))
            self._handles.append(optimizer.register_step_post_hook(self._done))

    def _arriving(self, parameter: nn.Parameter) -> Any:
        def hook(gradient: Tensor) -> None:
            if parameter.grad is None or not bool((_dense(parameter.grad) != 0).any()):
                # Nothing is there: what arrives is of this step.
                self._carried.pop(id(parameter), None)
                self._stepped.discard(id(parameter))
            elif id(parameter) in self._stepped:
                self._carried[id(parameter)] = float(_dense(parameter.grad).float().norm())
                self._stepped.discard(id(parameter))

        return hook

    def _stepping(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                name = self._names.get(id(parameter))
                if name is not None and id(parameter) in self._carried and parameter.grad is not None:
                    total = float(_dense(parameter.grad).float().norm())
                    self.stale.setdefault(name, (self._carried[id(parameter)], total))

    def _done(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        self.steps += 1
        for group in optimizer.param_groups:
            self._stepped.update(id(parameter) for parameter in group["params"])

    def remove(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()


def _dense(gradient: Tensor) -> Tensor:
    return gradient.detach().coalesce().values() if gradient.is_sparse else gradient.detach()
