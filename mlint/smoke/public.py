"""``mlint.smoke.check``: the checks on a model that is at hand, in this process, as from a test."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlint.arguments import UsageError
from mlint.finding import Finding
from mlint.smoke.configuration import BUDGET, SEVERITIES, Configuration, TargetConfiguration, limits_from, seconds
from mlint.smoke.launch import Outcome
from mlint.smoke.verdict import Verdict, findings, judged


class SmokeError(Exception):
    """The checks themselves cannot be run: wrong arguments, a device that is not there, or a fault of mlint."""


@dataclass
class Report:
    """What was found.

    Attributes:
        findings: in the order of a report.
        not_run: (code, name, reason) of every check that did not run.
        timings: (stage or code, seconds), in order.
        device: what the model ran on.
        summaries: code to name and one line about it, of what was found.
    """

    findings: list[Finding]
    not_run: list[tuple[str, str, str]] = field(default_factory=list)
    timings: list[tuple[str, float]] = field(default_factory=list)
    device: str = ""
    summaries: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def codes(self) -> list[str]:
        """The codes that were found, each once."""
        return sorted({finding.code for finding in self.findings})

    def at_least(self, severity: str) -> list[Finding]:
        """The findings of a severity or above: info, warning or error."""
        least = SEVERITIES.index(severity)
        return [finding for finding in self.findings if SEVERITIES.index(finding.severity) >= least]

    def text(self) -> str:
        """The findings as the command line prints them."""
        import io

        from mlint import report
        from mlint.smoke.pages import SmokeIndex, source_of

        stream = io.StringIO()
        context = report.ReportContext(index=SmokeIndex(self.summaries), sources=source_of)
        report.write("full", self.findings, stream, context=context)
        return stream.getvalue()

    def __str__(self) -> str:
        return self.text()


def check(
    model: Any,
    batch: Any,
    loss: Callable[[Any, Any], Any] | None = None,
    optimizer: Callable[[Any], Any] | None = None,
    *,
    step: Callable[[Any, Any, Any], Any] | None = None,
    loader: Callable[[int], Any] | None = None,
    autocast: str | None = None,
    causal: bool = False,
    padding: str | None = None,
    frozen: Iterable[str] = (),
    reduction: str = "mean",
    ddp: bool = False,
    exempt: Mapping[str, Iterable[str]] | None = None,
    limits: Mapping[str, float | str] | None = None,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    device: str = "cpu",
    budget: float | str = BUDGET,
) -> Report:
    """Check a model in this process.

    What is called is called here: a hang hangs and a crash crashes, and the state of random generators is the caller's
    again afterwards. The model is copied, or built by the function that is given, and itself left as it is.

    Args:
        model: a torch module, or a function that builds one.
        batch: one batch, or a function that makes one.
        loss: ``(output, batch)`` to a scalar; without it ``output.loss``, else a fixed random projection.
        optimizer: ``(model)`` to an optimizer; without it AdamW.
        step: ``(model, batch, optimizer)`` to the loss, the project's own training step.
        loader: ``(num_workers)`` to an iterable of batches.
        autocast: "bfloat16" or "float16", if the training uses it.
        causal: the output at a position must not depend on later ones.
        padding: the entry of the batch that marks valid positions.
        frozen: patterns of parameters that are meant to get no gradient.
        reduction: "sum" for a loss that is declared to be a sum.
        ddp: without effect so far: two processes are not compared with one yet.
        exempt: code to patterns of modules, functions or parameters.
        limits: figures that must not be exceeded, as in the configuration.
        select: codes, beginnings of codes or names of the checks to run.
        ignore: those to leave out.
        device: "cpu", "cuda", or "auto".
        budget: seconds, or a text such as "20s".

    Raises:
        SmokeError: an argument makes no sense, or mlint itself failed.
    """
    try:
        target = TargetConfiguration(
            model=_name(model),
            autocast=autocast,
            causal=causal,
            padding=padding,
            frozen=tuple(frozen),
            reduction=reduction,
            ddp=ddp,
            exempt={code: list(patterns) for code, patterns in (exempt or {}).items()},
            limits=limits_from(limits or {}),
        )
        configuration = Configuration(
            budget=seconds(budget), select=tuple(select), ignore=tuple(ignore), device=device, target=(target,)
        )
    except (TypeError, ValueError) as error:
        raise SmokeError(str(error)) from None
    _known(configuration)
    verdict = in_process(configuration, target, _target(target, model, batch, loss, optimizer, step, loader))
    if verdict.internal:
        message, text = verdict.internal[0]
        raise SmokeError(f"internal error: {message}\n{text}")
    found = findings(verdict, target, False, lambda: _place(model))
    found.sort(key=lambda finding: finding.sort_key)
    return Report(found, verdict.not_run, verdict.timings, verdict.device, verdict.summaries)


def _known(configuration: Configuration) -> None:
    from mlint.smoke.pages import check_selectors

    try:
        check_selectors((*configuration.select, *configuration.ignore))
    except UsageError as error:
        raise SmokeError(str(error)) from None


def _target(
    configuration: TargetConfiguration,
    model: Any,
    batch: Any,
    loss: Callable[[Any, Any], Any] | None,
    optimizer: Callable[[Any], Any] | None,
    step: Callable[[Any, Any, Any], Any] | None,
    loader: Callable[[int], Any] | None,
) -> Any:
    import torch

    from mlint.smoke.target import Target, first_of

    if isinstance(model, torch.nn.Module):
        build = lambda: copy.deepcopy(model)  # noqa: E731
    elif callable(model):
        build = model
    else:
        raise SmokeError(f"model is {type(model).__name__}, neither a torch module nor a function that builds one")
    making = callable(batch) and not isinstance(batch, torch.Tensor)
    return Target(configuration, build, lambda: first_of(batch() if making else batch), loss, optimizer, step, loader)


def in_process(configuration: Configuration, target: TargetConfiguration, built: Any) -> Verdict:
    """The verdict on a target that is built here, with the state of the random generators as it was afterwards."""
    import torch

    from mlint.smoke.seeds import seeded
    from mlint.smoke.session import Session

    device = configuration.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device != "cpu" and not torch.cuda.is_available():
        raise SmokeError(f"device {device}: torch sees no such device")
    outcome = Outcome()
    outcome.events.append({"event": "torch", "version": torch.__version__, "device_name": device})
    began = time.monotonic()

    def tell(event: str, **facts: object) -> None:
        outcome.events.append({"event": event, **facts})

    with seeded(0):
        Session(configuration, target, tell, began, device).run(lambda: built)
    outcome.seconds = time.monotonic() - began
    return judged(outcome, configuration)


def _name(model: Any) -> str:
    """What reports call a model: its class, or the function that builds it."""
    return str(getattr(model, "__qualname__", type(model).__qualname__))


def _place(model: Any) -> tuple[str, int]:
    """Where the class of a model, or the function that builds it, is defined."""
    import inspect

    thing = model if (callable(model) and hasattr(model, "__code__")) or isinstance(model, type) else type(model)
    try:
        return inspect.getsourcefile(thing) or "<model>", inspect.getsourcelines(thing)[1]
    except (OSError, TypeError):
        return "<model>", 1
