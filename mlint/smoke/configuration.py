"""What a run of the smoke stage is asked to do: the section [tool.mlint.smoke] with its defaults.

The command line makes it from the settings, hands it to the child as JSON, and the child makes it again from that; this
module therefore imports nothing but the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

BUDGET = 20.0
TIMEOUT = 60.0
THREADS = 2
SEVERITIES = ("info", "warning", "error")

_SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_POWERS = "kMGT"


class Limits(NamedTuple):
    """Figures that must not be exceeded; None is no limit."""

    parameters: float | None = None
    peak_memory: float | None = None
    graph_breaks: float | None = None
    syncs_per_step: float | None = None
    step_time: float | None = None
    flops: float | None = None


class TargetConfiguration(NamedTuple):
    """One [[tool.mlint.smoke.target]].

    Attributes:
        batch: a reference, one shape, a list of shapes, a table of shapes, or None.
    """

    model: str = ""
    name: str = ""
    batch: str | list[str] | dict[str, str] | None = None
    loss: str | None = None
    optimizer: str | None = None
    autocast: str | None = None
    causal: bool = False
    padding: str | None = None
    step: str | None = None
    loader: str | None = None
    frozen: tuple[str, ...] = ()
    reduction: str = "mean"
    ddp: bool = False
    exempt: Mapping[str, list[str]] = {}
    limits: Limits = Limits()

    @property
    def title(self) -> str:
        """What reports call the target."""
        return self.name or self.model


class Configuration(NamedTuple):
    """The whole section, with its defaults.

    Attributes:
        root: the folder that the target runs in and that its modules are imported from.
        roots: the folders that modules are imported from.
        memory: bytes that all processes may take; None for nine tenths of what is free.
    """

    budget: float = BUDGET
    timeout: float = TIMEOUT
    device: str = "auto"
    python: str | None = None
    memory: float | None = None
    threads: int = THREADS
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_on: str = "warning"
    root: str = ""
    roots: tuple[str, ...] = ()
    target: tuple[TargetConfiguration, ...] = ()

    def fails(self, severity: str) -> bool:
        """Whether a finding of this severity makes the run fail."""
        return self.fail_on != "never" and SEVERITIES.index(severity) >= SEVERITIES.index(self.fail_on)


def seconds(value: float | str) -> float:
    """``"500 ms"``, ``"20s"`` or a number of seconds, in seconds."""
    if isinstance(value, (int, float)):
        return float(value)
    match = re.fullmatch(r" *([0-9.]+) *(\w*) *", value)
    if match is None or match.group(2) not in ("", *_SECONDS):
        raise ValueError(f"not a time: {value!r}")
    return float(match.group(1)) * _SECONDS[match.group(2) or "s"]


def size(value: float | str) -> float:
    """``"6 GiB"``, ``"500 MB"`` or a number of bytes, in bytes."""
    if isinstance(value, (int, float)):
        return float(value)
    match = re.fullmatch(r" *([0-9.]+) *([kKMGT]?)(i?)B? *", value)
    if match is None:
        raise ValueError(f"not a size: {value!r}")
    power = _POWERS.index(match.group(2).replace("K", "k")) + 1 if match.group(2) else 0
    return float(match.group(1)) * float((1024 if match.group(3) else 1000) ** power)


def from_section(section: Mapping[str, Any]) -> Configuration:
    """The configuration that a checked section stands for, without its places and paths."""
    values = {key.replace("-", "_"): value for key, value in section.items()}
    for key, read in (("budget", seconds), ("timeout", seconds), ("memory", size)):
        if key in values:
            values[key] = read(values[key])
    for key in ("select", "ignore"):
        if key in values:
            values[key] = tuple(values[key])
    values["target"] = tuple(target_from(item) for item in values.get("target", ()))
    return Configuration(**values)


def target_from(section: Mapping[str, Any]) -> TargetConfiguration:
    """The target that a checked table stands for."""
    values = dict(section)
    values["frozen"] = tuple(values.get("frozen", ()))
    values["limits"] = limits_from(values.get("limits", {}))
    return TargetConfiguration(**values)


def limits_from(section: Mapping[str, Any]) -> Limits:
    """The limits that a checked table stands for."""
    limits = {key.replace("-", "_"): value for key, value in section.items()}
    if "peak_memory" in limits:
        limits["peak_memory"] = size(limits["peak_memory"])
    if "step_time" in limits:
        limits["step_time"] = seconds(limits["step_time"])
    return Limits(**limits)


def to_plain(configuration: Configuration | TargetConfiguration) -> dict[str, Any]:
    """The configuration as plain data for JSON."""
    values = configuration._asdict()
    if isinstance(configuration, Configuration):
        return {**values, "target": [to_plain(target) for target in configuration.target]}
    return {**values, "limits": configuration.limits._asdict()}


def target_from_plain(data: Mapping[str, Any]) -> TargetConfiguration:
    """The target that `to_plain` wrote."""
    values = dict(data)
    values["frozen"] = tuple(values["frozen"])
    values["limits"] = Limits(**values["limits"])
    return TargetConfiguration(**values)


def from_plain(data: Mapping[str, Any]) -> Configuration:
    """The configuration that `to_plain` wrote."""
    values = dict(data)
    for key in ("select", "ignore", "roots"):
        values[key] = tuple(values[key])
    values["target"] = tuple(target_from_plain(item) for item in values["target"])
    return Configuration(**values)
