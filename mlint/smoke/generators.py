"""Random generators of the user's own, which no global seed reaches: found, and put back to where they were."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from mlint.smoke.trace.place import INSTALLED, MLINT, TORCH


def _own(objects: tuple[object, ...]) -> Iterator[object]:
    """What the user's modules and some objects (a model: all its modules) hold by name."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and not file.startswith((TORCH, MLINT, *INSTALLED)) and "site-packages" not in file:
            yield from list(vars(module).values())
    for value in objects:
        for part in value.modules() if isinstance(value, nn.Module) else (value,):
            yield from list(getattr(part, "__dict__", {}).values())


def _restore(value: object) -> Callable[[], object] | None:
    """What puts a generator back to its present state; None for anything else."""
    generator: Any = value
    if isinstance(value, torch.Generator):
        state = generator.get_state()
        return lambda: generator.set_state(state)
    if isinstance(value, random.Random):
        python = generator.getstate()
        return lambda: generator.setstate(python)
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.random.RandomState):
        legacy = generator.get_state()
        return lambda: generator.set_state(legacy)
    if numpy is not None and isinstance(value, numpy.random.Generator):
        bits = generator.bit_generator
        inner = bits.state
        return lambda: setattr(bits, "state", inner)
    return None


@contextmanager
def unmoved(*objects: object) -> Iterator[None]:
    """Generators that the user's modules or some objects hold are afterwards where they were.

    One that was seeded when its module was imported gives other numbers in a second run in the same process, and the
    same numbers in every process: that is no lack of reproducibility.
    """
    found = [restore for restore in map(_restore, _own(objects)) if restore is not None]
    try:
        yield
    finally:
        for restore in found:
            restore()
