"""One target from import to the last check, in the process that has the model; says what happens as it happens."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from mlint.smoke.configuration import Configuration, TargetConfiguration
from mlint.smoke.failures import Failure, TargetError, first_line, innermost, told
from mlint.smoke.selection import selects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlint.smoke.checks.base import Check, Observation
    from mlint.smoke.subject import Subject
    from mlint.smoke.target import Target

KEPT = 0.25
"""The part of the budget that the checks have even if building the target took all of it."""
COLD = 4.0
"""How much longer the first pass takes than the next ones, whose caches are warm; mended as checks run."""
FINITE = "MS201"
"""The check that runs first: a step that is not finite makes most comparisons meaningless."""
_VALUE = {"exact": 4.0, "differential": 2.0, "measured": 1.0}
"""What an answer of a tier is worth beside what it costs, for the order of the checks."""


class Tell(Protocol):
    """Who hears of what happens: the channel to the parent, or a list."""

    def __call__(self, event: str, **facts: object) -> None: ...


class StoppedError(Exception):
    """The target failed; it has been told, and nothing more can be done with it."""


class Session:
    """One target, and the time that it has.

    Args:
        configuration: the whole configuration.
        target: the one target.
        tell: hears of stages, observations, timings and of what did not run.
        began: when the target's own part began, on `time.monotonic`; the budget counts from there.
        device: cpu, cuda or cuda:N.
    """

    def __init__(
        self, configuration: Configuration, target: TargetConfiguration, tell: Tell, began: float, device: str
    ) -> None:
        self._configuration = configuration
        self._target = target
        self._tell = tell
        self._began = began
        self._device = device
        self.unit = 0.0
        """Seconds of a forward and a backward pass."""
        self._not_finite = False

    def run(self, loaded: Callable[[], Target], stepped: Callable[[], None] = lambda: None) -> None:
        """Everything: load the target, take one step, call `stepped`, run the checks."""
        from mlint.smoke.checks.base import NotRun

        try:
            subject = self._step(loaded)
        except StoppedError:
            return
        except NotRun as reason:
            self.fail(Failure("MS001", f"the target cannot be checked: {reason}", "", "", None))
            return
        stepped()
        self._check(subject)

    # The target itself

    def _step(self, loaded: Callable[[], Target]) -> Subject:
        with self._stage(_importing(self._target), "MS001"):
            target = loaded()
        subject = self._subject(target)
        with self._stage("making the batch", "MS001"):
            subject.batches(1)
        with self._stage("building the model", "MS001"):
            subject.model  # noqa: B018 - built when it is first asked for
        started = time.perf_counter()
        with self._stage("the forward pass", "MS002", "the loss is computed there, too, where none was given"):
            first = subject.first
        if first.loss.requires_grad:
            with self._stage("the backward pass", "MS002"):
                subject.gradients  # noqa: B018
        self.unit = (time.perf_counter() - started) / COLD
        if first.loss.requires_grad and subject.optimizer_declared:
            self._optimize(subject)
        return subject

    def _subject(self, target: Target) -> Subject:
        from pathlib import Path

        from mlint.smoke.subject import Options, Subject

        given = self._target
        options = Options(
            device=self._device,
            autocast=given.autocast,
            causal=given.causal,
            padding=given.padding,
            frozen=given.frozen,
            reduction=given.reduction,
            ddp=given.ddp,
            exempt={code: tuple(patterns) for code, patterns in given.exempt.items()},
            limits={name: value for name, value in given.limits._asdict().items() if value is not None},
            project=Path(self._configuration.root or os.curdir),
        )
        loss = target.loss
        return Subject(
            target.build,
            target.batch,
            None if loss is None else self._named(loss),
            target.optimizer,
            options=options,
            step=target.step,
            loader=target.loader,
        )

    def _named(self, loss: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """The loss function as it is called: a torch criterion takes the target, not the batch."""
        from torch import nn

        if not (isinstance(loss, nn.Module) and type(loss).__module__.startswith("torch.nn.")):
            return loss

        def criterion(output: Any, batch: Any) -> Any:
            if not isinstance(batch, (tuple, list)) or len(batch) < 2:
                raise TargetError(
                    f"{type(loss).__name__} needs an output and a target, and the batch has no target",
                    "let the batch be a tuple whose last element is the target, or give a function (output, batch)",
                )
            return loss(output, batch[-1])

        return criterion

    def _optimize(self, subject: Subject) -> None:
        """The optimizer's step, with the gradients that there are, and the user's own step."""
        import torch

        from mlint.smoke.checks.base import NotRun

        try:
            with self._stage("building the optimizer", "MS001"):
                model = subject.fresh()
                optimizer = subject.optimizer(model)
            if not isinstance(optimizer, torch.optim.Optimizer):
                raise NotRun("the optimizer is none of torch")
            with self._stage("the optimizer's step", "MS002"):
                for name, parameter in model.named_parameters():
                    gradient = subject.gradients.get(name)
                    # The optimizer's function may have replaced a layer: that is for a check to say.
                    if gradient is not None and gradient.shape == parameter.shape:
                        parameter.grad = gradient.clone()
                if isinstance(optimizer, torch.optim.LBFGS):
                    optimizer.step(lambda: 0.0)
                else:
                    optimizer.step()
        except NotRun:
            return
        if subject.step_function is not None:
            with self._stage("the project's own step", "MS002"):
                model = subject.fresh()
                subject.step_function(model, subject.batch, subject.optimizer(model))

    @contextmanager
    def _stage(self, doing: str, code: str, advice: str = "") -> Iterator[None]:
        """One thing that is done with the user's code; what it raises is told, and ends the target."""
        from mlint.smoke.checks.base import NotRun

        self._tell("stage", doing=doing, code=code)
        started = time.perf_counter()
        try:
            yield
        except (NotRun, StoppedError):
            raise
        except BaseException as error:
            self.fail(told(error, doing, code))
            raise StoppedError from None
        finally:
            self._tell("timing", what=doing, seconds=time.perf_counter() - started)

    def fail(self, failure: Failure) -> None:
        """Tell of a failure of the target itself."""
        self._tell("failure", **failure._asdict())

    # The checks

    def _check(self, subject: Subject) -> None:
        from mlint.smoke.checks.base import registry

        chosen = [check for check in registry().values() if self._chosen(check)]
        budget = self._configuration.budget
        # A slow import or a busy machine is no reason to look at nothing.
        left = max(budget - (time.monotonic() - self._began), budget * KEPT)
        end = time.monotonic() + left
        self._tell("planned", checks=[(check.code, check.name) for check in chosen], left=left)
        for check in sorted(chosen, key=lambda check: (check.code != FINITE, -self._worth(check), check.code)):
            left = end - time.monotonic()
            needed = check.cost * self.unit
            if left <= 0 or needed > 2 * left:  # an estimate; what takes longer is stopped when the budget is over
                reason = f"the budget of {budget:g} s is used up"
                if left > 0:
                    reason = f"it needs about {needed:.1f} s, and {left:.1f} s of the budget are left"
                self._tell("not run", code=check.code, name=check.name, reason=reason, budget=True)
            elif self._not_finite and not check.code.startswith(("MS1", "MS2")):
                reason = f"the first step is not finite ({FINITE}), and comparing it with others says nothing"
                self._tell("not run", code=check.code, name=check.name, reason=reason)
            else:
                self._one(check, subject)

    def _chosen(self, check: type[Check]) -> bool:
        given = self._configuration
        if given.select and not any(selects(text, check.code, check.name) for text in given.select):
            return False
        return not any(selects(text, check.code, check.name) for text in given.ignore)

    def _worth(self, check: type[Check]) -> float:
        return _VALUE[check.tier] / (check.cost * self.unit + 0.01)

    def _one(self, check: type[Check], subject: Subject) -> None:
        from mlint.smoke.checks.base import NotRun

        self._tell("check", code=check.code, name=check.name)
        started = time.perf_counter()
        try:
            for observation in check().run(subject):
                self._observed(observation, check)
        except NotRun as reason:
            self._tell("not run", code=check.code, name=check.name, reason=str(reason))
        except BaseException as error:
            self._raised(error, check)
        finally:
            took = time.perf_counter() - started
            if check.cost:
                self.unit = (self.unit + took / check.cost) / 2
            self._tell("timing", what=check.code, seconds=took)

    def _raised(self, error: BaseException, check: type[Check]) -> None:
        """A check ended with an exception: of the user's code where a line of it was running, else a fault of mlint."""
        failure = told(error, f"under {check.code}, the target", "MS002")
        place = innermost(error.__traceback__)
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            self.fail(failure)
        elif place is not None:
            where = f"{os.path.relpath(place[0], self._configuration.root or os.curdir)}:{place[1]}"
            self._tell("not run", code=check.code, name=check.name, reason=f"{where} raises {first_line(error)}")
        else:
            self._tell("not run", code=check.code, name=check.name, reason=f"it failed with {first_line(error)}")
            self._tell("internal", code=check.code, message=first_line(error), text=failure.text)

    def _observed(self, observation: Observation, check: type[Check]) -> None:
        self._not_finite = self._not_finite or check.code == FINITE
        facts = {name: getattr(observation, name) for name in observation.__dataclass_fields__}
        facts["name"] = observation.name or check.name
        facts["summary"] = " ".join((check.__doc__ or "").strip().split("\n\n")[0].split())
        facts["severity"] = observation.severity or {"exact": "error", "differential": "warning"}.get(
            check.tier, "info"
        )
        self._tell("observation", **facts)


def _importing(target: TargetConfiguration) -> str:
    """What is imported; nothing where the target is at hand already."""
    from mlint.smoke.target import modules_of

    names = modules_of(target)
    return f"importing {', '.join(names)}" if names else "finding the target"
