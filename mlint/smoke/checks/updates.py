"""MS104 and MS105: what a step of the optimizer does to parameters, bit by bit."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import nn

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.subject import SEED, Subject
from mlint.smoke.training import Training, bits


class UpdateVanishes(Check):
    """A parameter has a gradient and is in the optimizer, and its value does not change.

    ## Why

    A floating number can only take steps of one unit in its last place, ulp(w) = 2^(e-p) for a weight of exponent e
    and p bits of precision. An update below half of it is rounded away, in every step, however long the training is.
    In bfloat16 (p = 7 stored bits) a weight of 1 needs an update of 0.0039 (0.002 downwards), far above usual learning
    rates. In float32 it needs 6e-8.

    ## How

    Bits before and after each of three steps of the user's optimizer, from inside its own hooks. A parameter is a
    candidate when no element with a gradient changed in any step, or, in a dtype of 16 bits or less, when most of them
    did not. It is reported only if the same optimizer, given the same gradients, does change it in float64: a learning
    rate of zero, as at the start of a warm-up, is no fault. Most means more than half; nothing else is chosen.

    ## References

    Zamirai et al., Revisiting BFloat16 training, arXiv:2010.06192. Goldberg, What every computer scientist should know
    about floating-point arithmetic, ACM Computing Surveys 23(1), 1991.
    """

    code = "MS104"
    name = "update-vanishes"
    tier = "exact"
    cost = 3.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield one observation for each dtype, with the parameters that stand still."""
        if not subject.optimizer_declared:
            raise NotRun("no optimizer is configured")
        record = subject.trained(1)
        stuck = self._stuck(subject, record)
        # One step acquits what moves in it; the others are asked again, and those that had no gradient yet.
        if stuck or any(not updates[0].active for updates in record.updates.values()):
            record = subject.trained(3)
            stuck = self._stuck(subject, record)
        if not stuck:
            return
        intended = self._intended(subject)
        stuck = {name: share for name, share in stuck.items() if intended.get(name, 0.0) > 0.5}
        parameters = dict(record.model.named_parameters())
        by_kind: dict[torch.dtype, list[str]] = {}
        for name in stuck:
            by_kind.setdefault(parameters[name].dtype, []).append(name)
        for dtype, names in by_kind.items():
            name = max(names, key=lambda name: stuck[name])
            largest = float(parameters[name].detach().abs().max())
            half = 0.5 * _ulp(largest, dtype)
            yield self.observe(
                f"{stuck[name]:.0%} of {name} does not change in a step: the updates are below half a unit in the last "
                f"place of {str(dtype).removeprefix('torch.')}" + (f", as in {len(names) - 1} more" * (len(names) > 1)),
                "keep the weights in float32 and compute under autocast, or round stochastically",
                module=subject.module_of(name),
                parameter=name,
                evidence={
                    "unchanged": {name: round(stuck[name], 4) for name in names[:20]},
                    "largest weight": largest,
                    "half ulp there": half,
                    "learning rate": [float(group["lr"]) for group in record.optimizer.param_groups if "lr" in group],
                },
            )

    def _stuck(self, subject: Subject, record: Training) -> dict[str, float]:
        """Name -> the share of elements that did not change, of parameters that stand still or mostly do."""
        stuck: dict[str, float] = {}
        parameters = dict(record.model.named_parameters())  # Keras names those of a copy otherwise
        for name, updates in record.updates.items():
            active = sum(update.active for update in updates)
            moved = sum(update.moved for update in updates)
            coarse = torch.finfo(parameters[name].dtype).bits <= 16
            if active and (moved == 0 or (coarse and 2 * moved < active)):
                if not subject.is_exempt(self.code, name) and not subject.is_frozen(name):
                    stuck[name] = 1 - moved / active
        return stuck

    def _intended(self, subject: Subject) -> dict[str, float]:
        """Name -> the share of elements with a gradient that one more step changes when it is taken in float64."""
        trained = subject.trained(3).model
        gradients = subject.run(trained, subject.batch, SEED).gradients
        wide = subject.double()
        try:
            wide.load_state_dict(trained.state_dict())
            optimizer = subject.optimizer(wide)
            parameters = dict(wide.named_parameters())
            before = {name: value.detach().clone() for name, value in parameters.items()}
            for name, value in parameters.items():
                gradient = gradients.get(name)
                value.grad = None if gradient is None else gradient.detach().to(value.dtype)
            optimizer.step()
        except Exception as error:
            raise NotRun(f"the optimizer does not step in float64: {error}") from error
        shares = {}
        for name, value in parameters.items():
            gradient = gradients.get(name)
            if gradient is not None and not gradient.is_sparse:
                active = gradient != 0
                changed = (bits(before[name]) != bits(value)) & active
                shares[name] = float(changed.sum()) / max(1, int(active.sum()))
        return shares


def _ulp(value: float, dtype: torch.dtype) -> float:
    """The distance of a number from the next larger one of its dtype: epsilon times the power of two at or below it."""
    return float(torch.finfo(dtype).eps) * 2.0 ** (math.frexp(value)[1] - 1)


class FrozenParameterChanges(Check):
    """A step of the optimizer changes a parameter that is meant to stay.

    ## Why

    Weight decay and momentum move a parameter without a gradient of its own kind: an optimizer skips a parameter only
    if its `.grad` is None, and a zero gradient is not None. A teacher or a target network that stands in the groups of
    the optimizer, or whose gradients linger from before it was frozen, drifts.

    ## How

    Bits before and after each of three optimizer steps, of the parameters that do not require a gradient and those
    that are declared `frozen`. What the forward pass or a moving average writes is not looked at, since that is how a
    target network follows. For information: a BatchNorm of which every parameter is frozen and whose running
    statistics move, because it is in train mode.

    ## References

    Loshchilov and Hutter, Decoupled weight decay regularization, arXiv:1711.05101. PyTorch documentation,
    torch.optim.Optimizer.zero_grad, on gradients of zero and of None.
    """

    code = "MS105"
    name = "frozen-parameter-changes"
    tier = "exact"
    cost = 0.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield what changed, then the statistics that move."""
        parameters = subject.parameters
        frozen = [name for name in parameters if subject.is_frozen(name) or not parameters[name].requires_grad]
        if not frozen:
            raise NotRun("no parameter is frozen")
        yield from self._statistics(subject, set(frozen))
        if not subject.optimizer_declared:
            return
        record = subject.trained(3)
        changed = [name for name in record.frozen_changed if not subject.is_exempt(self.code, name)]
        if changed:
            step = record.frozen_changed[changed[0]]
            yield self.observe(
                f"{changed[0]} is frozen, and the optimizer changes it in step {step}"
                + (f", with {len(changed) - 1} more" if len(changed) > 1 else ""),
                "give the optimizer only what is trained, and clear gradients to None when something is frozen",
                module=subject.module_of(changed[0]),
                parameter=changed[0],
                evidence={"parameters": changed[:20]},
            )

    def _statistics(self, subject: Subject, frozen: set[str]) -> Iterator[Observation]:
        before = subject.model
        after = dict(subject.first.model.named_modules())
        moving = []
        for name, module in before.named_modules():
            own = [f"{name}.{key}" if name else key for key, _ in module.named_parameters(recurse=False)]
            if not isinstance(module, nn.modules.batchnorm._BatchNorm) or not own:
                continue
            if all(key in frozen for key in own if key in subject.parameters):
                mean, new = module.running_mean, getattr(after.get(name), "running_mean", None)
                if mean is not None and new is not None and not torch.equal(mean, new):
                    moving.append(name)
        if moving and not subject.is_exempt(self.code, *moving):
            yield self.observe(
                f"the running statistics of the frozen {moving[0]} move in train mode"
                + (f", as in {len(moving) - 1} more" if len(moving) > 1 else ""),
                "call eval() on frozen parts after train(), unless the statistics are meant to adapt",
                severity="info",
                module=moving[0],
                evidence={"modules": moving[:20]},
            )
