"""When two results are the same: to the bit, or within the tolerance that torch's own tests grant the dtype."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from mlint.smoke.structure import named_tensors

TOLERANCE = {torch.float64: 1e-7, torch.float32: 1.3e-6, torch.bfloat16: 1.6e-2, torch.float16: 1e-3}
"""The relative tolerances of `torch.testing.assert_close`."""


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same values, a NaN being equal to a NaN."""
    if one.shape != other.shape or one.dtype != other.dtype or one.layout != other.layout:
        return False
    if one.layout != torch.strided:
        one, other = one.to_dense(), other.to_dense()
    return bool(torch.equal(one, other)) or bool(((one == other) | ((one != one) & (other != other))).all())


def distance(one: Tensor, other: Tensor) -> float:
    """The largest difference in units of the largest value; infinite where only one of the two is finite.

    Places where both are infinite or NaN count as equal. Relative to the largest value and not to each value, since
    what cancels to nearly zero carries the rounding errors of its summands.
    """
    if one.shape != other.shape:
        return float("inf")
    one, other = one.detach(), other.detach()
    if one.is_complex():
        one, other = torch.view_as_real(one), torch.view_as_real(other)
    if not one.is_floating_point():
        return 0.0 if torch.equal(one, other) else float("inf")
    one, other = one.double(), other.double()
    finite = one.isfinite()
    if not torch.equal(finite, other.isfinite()):
        return float("inf")
    one, other = one[finite], other[finite]
    if not one.numel():
        return 0.0
    largest = max(float(one.abs().max()), float(other.abs().max()))
    return float((one - other).abs().max()) / largest if largest else 0.0


def close(one: Tensor, other: Tensor, dtype: torch.dtype | None = None) -> bool:
    """Whether two tensors are equal within the tolerance of the dtype (that of the first, if none is given)."""
    return distance(one, other) <= TOLERANCE.get(dtype or one.dtype, 0.0)


def first_unequal(one: object, other: object) -> str | None:
    """The path of the first tensor that differs to the bit between two trees, None when none does."""
    mine, theirs = list(named_tensors(one)), list(named_tensors(other))
    if [name for name, _ in mine] != [name for name, _ in theirs]:
        return "its structure"
    for (name, a), (_, b) in zip(mine, theirs):
        if not same_bits(a, b):
            return name or "the tensor"
    return None


def finite(values: Iterable[Tensor]) -> bool:
    """Whether floating tensors hold finite numbers only."""
    return all(bool(value.isfinite().all()) for value in values if value.is_floating_point() or value.is_complex())
