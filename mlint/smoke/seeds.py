"""Random state of Python, numpy and torch: seeded inside a block, as it was after it."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed every generator that the process has, and put the states back afterwards."""
    numpy: ModuleType | None = sys.modules.get("numpy")
    python_state = random.getstate()
    numpy_state = numpy.random.get_state() if numpy is not None else None
    torch_state = torch.get_rng_state()
    cuda = torch.cuda.is_available() and torch.cuda.is_initialized()
    cuda_states = torch.cuda.get_rng_state_all() if cuda else None
    try:
        random.seed(seed)
        if numpy is not None:
            numpy.random.seed(seed)
        if torch.cuda.is_available():
            torch.manual_seed(seed)
        else:
            # Without a device torch.manual_seed keeps the call for later, with a stack trace: 100 times as slow.
            torch.default_generator.manual_seed(seed)
        yield
    finally:
        random.setstate(python_state)
        if numpy is not None and numpy_state is not None:
            numpy.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
        if cuda_states is not None:
            torch.cuda.set_rng_state_all(cuda_states)
