"""Whether what rounds read is certainly not what they store to."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.loops.described import NotElementwise

if TYPE_CHECKING:
    from mlint.model.loops.elementwise import Elementwise


def apart(elementwise: Elementwise, array: ast.expr, target: ast.expr) -> list[str]:
    """The doubts about an array that is read whole while rounds store to another one.

    Raises:
        NotElementwise: they are one array, or one is made from the other, or one of them is masked.
    """
    lengths, memory, segment = elementwise.model.lengths, elementwise.memory, elementwise.model.source.segment
    plain(elementwise, array)
    plain(elementwise, target)
    key = lengths.identity(array)
    if (key is not None and key == lengths.identity(target)) or segment(array) == segment(target):
        raise NotElementwise(f"a round reads what other rounds store to `{segment(target)}`")
    if memory.related(array, target):
        raise NotElementwise(f"`{segment(array)}` may be part of `{segment(target)}`")
    if memory.fresh(array) or memory.fresh(target):
        return []
    return [f"`{segment(array)}` may share memory with `{segment(target)}`"]


def plain(elementwise: Elementwise, array: ast.expr) -> None:
    """Whether an array has all its elements.

    Raises:
        NotElementwise: some of them may be masked, which views and products do not respect.
    """
    if elementwise.model.kinds.of(array).name.startswith("numpy.ma."):
        raise NotElementwise(f"`{elementwise.model.source.segment(array)}` is a masked array")
