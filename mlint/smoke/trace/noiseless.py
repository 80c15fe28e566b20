"""A model without its dice: every random operation of a block draws a constant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

NORMAL = {"randn", "randn_like", "normal", "normal_", "normal_functional"}
UNIFORM = {"rand", "rand_like", "uniform", "uniform_"}
WHOLE = {"randint", "randint_like", "random", "random_"}
FLAGS = {"bernoulli", "bernoulli_"}


class Noiseless(TorchDispatchMode):  # type: ignore[misc]
    """Replaces what random operations draw: normal by 0.5, uniform by 0.5, whole numbers by the lowest, flags by 1.

    Every sample of a batch gets the same, and a batch of another size does too, so that losses can be compared. Dropout
    and random permutations are left alone: the first is off in eval mode, and the second has no constant.
    """

    def __torch_dispatch__(
        self, function: Any, types: object, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation, and overwrite what it drew."""
        result = function(*args, **(kwargs or {}))
        name = str(getattr(getattr(function, "overloadpacket", function), "__name__", ""))
        if isinstance(result, torch.Tensor) and name in NORMAL | UNIFORM | WHOLE | FLAGS:
            # Below this mode, so that filling is not watched.
            if name in WHOLE:
                return result.fill_(result.min())
            return result.fill_(1.0 if name in FLAGS else 0.5)
        return result
