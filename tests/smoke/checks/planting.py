"""Faults that are planted into models of the clean zoo, and what the checks say about them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import nn

from mlint.smoke.checks.base import Check, NotRun, Observation, registry
from mlint.smoke.subject import Options, Subject
from tests.smoke.architectures import ZOO, Architecture

EXPENSIVE = {"MS603", "MS604"}
"""Compiling and starting processes: tested on their own."""


@dataclass(frozen=True)
class Fault:
    """One way of breaking models.

    Attributes:
        plant: makes the broken architecture.
        codes: what must be found, above "measured".
        also: what may be found besides, since it is true of the broken model, too.
        arguments: more arguments of the subject.
    """

    name: str
    plant: Callable[[Architecture], Architecture]
    architectures: tuple[str, ...]
    codes: frozenset[str]
    also: frozenset[str] = frozenset()
    arguments: dict[str, object] = field(default_factory=dict)


def subject_of(architecture: Architecture, **arguments: object) -> Subject:
    """The subject, with the optional library it needs."""
    for library in architecture.requires:
        if library == "keras":
            os.environ.setdefault("KERAS_BACKEND", "torch")
        pytest.importorskip(library)
    options = Options(**{**architecture.options, **arguments.pop("options", {})})
    return Subject(architecture.build, architecture.batch, architecture.loss, options=options, **arguments)


def observed(subject: Subject, checks: list[type[Check]] | None = None) -> list[Observation]:
    """What all checks, or some, say about a subject."""
    found: list[Observation] = []
    for check in checks or [check for code, check in registry().items() if code not in EXPENSIVE]:
        try:
            found += list(check().run(subject))
        except NotRun:
            continue
    return found


def loud(observations: list[Observation]) -> set[str]:
    """The codes that are reported above "measured"."""
    return {observation.code for observation in observations if observation.severity != "info"}


def cases(faults: list[Fault]) -> list[object]:
    """(fault, architecture) for pytest: one architecture for each fault, another one for the next fault.

    All of them with MLINT_SMOKE_MATRIX=all in the environment, which takes some minutes.
    """
    found = []
    for number, fault in enumerate(faults):
        names = fault.architectures
        if os.environ.get("MLINT_SMOKE_MATRIX") != "all":
            names = (names[number % len(names)],)
        found += [pytest.param(fault, ZOO[name], id=f"{fault.name}-{name}") for name in names]
    return found


def check_case(fault: Fault, architecture: Architecture) -> list[Observation]:
    """Assert that a planted fault is found, and nothing that is not there; the observations of its codes."""
    found = observed(subject_of(fault.plant(architecture), **fault.arguments))
    codes = loud(found)
    assert fault.codes <= codes, f"not found: {fault.codes - codes}; found: {found}"
    assert codes <= fault.codes | fault.also, [each for each in found if each.code in codes - fault.codes - fault.also]
    return [each for each in found if each.code in fault.codes]


class Around(nn.Module):
    """A model in a model, whose output, or input, goes through a function of this module."""

    def __init__(self, inner: nn.Module, function: Callable[..., object]) -> None:
        super().__init__()
        self.inner = inner
        self.function = function

    def forward(self, x: torch.Tensor) -> object:
        return self.function(self, x)


def around(function: Callable[..., object]) -> Callable[[Architecture], Architecture]:
    """Plants a function (module, input) -> output around models of one input."""

    def plant(architecture: Architecture) -> Architecture:
        return replace(architecture, build=lambda: Around(architecture.build(), function))

    return plant


def edited(change: Callable[[nn.Module], object]) -> Callable[[Architecture], Architecture]:
    """Plants by changing a model after it was built."""

    def plant(architecture: Architecture) -> Architecture:
        def build() -> nn.Module:
            model = architecture.build()
            return change(model) or model

        return replace(architecture, build=build)

    return plant


def with_loss(make: Callable[[Callable[..., object]], Callable[..., object]]) -> Callable[[Architecture], Architecture]:
    """Plants by changing the loss function."""
    return lambda architecture: replace(architecture, loss=make(architecture.loss))
