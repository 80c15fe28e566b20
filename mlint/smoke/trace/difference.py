"""Where two runs of one model part: the first operation whose results differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from mlint.smoke.compare import same_bits
from mlint.smoke.structure import tensors
from mlint.smoke.trace.recorder import Event, recorded_operations

Recorded = list[tuple[Event, list[Tensor]]]


def _record(model: nn.Module, run: Callable[[], object]) -> Recorded:
    found: Recorded = []

    def seen(event: Event, function: Any, arguments: Sequence[Any], result: Any) -> None:
        if event.operation not in _EMPTY:
            found.append((event, [tensor.detach().clone() for tensor in tensors(result)]))

    with recorded_operations(model, seen):
        run()
    return found


_EMPTY = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "resize_"}
"""Operations whose result holds whatever the memory held."""


def first_difference(
    one: tuple[nn.Module, Callable[[], object]],
    other: tuple[nn.Module, Callable[[], object]],
    same: Callable[[Tensor, Tensor], bool] = same_bits,
) -> Event | None:
    """The first operation after which two runs are not the same; None when none is found.

    Args:
        one: a model and a function that runs it.
        other: the same for the other run.
        same: compares two results of one operation.
    """
    mine, theirs = _record(*one), _record(*other)
    for (event, results), (twin, others) in zip(mine, theirs):
        if event.operation != twin.operation or len(results) != len(others):
            return event
        if not all(same(a, b) for a, b in zip(results, others)):
            return event
    return mine[len(theirs)][0] if len(mine) > len(theirs) else None
