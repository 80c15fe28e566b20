"""What looping over a value gives."""

from __future__ import annotations

from mlint.model.kinds.value import (
    ARRAYS,
    DATA_LOADER,
    GROUPBY,
    INT,
    JAX_KEY,
    MODULE,
    NDARRAY,
    SCALAR,
    STR,
    TF_DATASET,
    UNKNOWN,
    Kind,
    join,
)


def element(kind: Kind) -> Kind:
    """The kind of the elements that iterating over a value of some kind gives."""
    if kind.alternatives:
        return join([element(alternative) for alternative in kind.alternatives])
    name = kind.name
    if name in ("list", "tuple", "iterable", "set", DATA_LOADER, TF_DATASET):
        return join(kind.elements) if kind.elements else UNKNOWN
    if name == "range" or name == "torch.Size":
        return INT
    if name == "str":
        return STR
    if kind.is_a(*ARRAYS):
        if kind.is_a(NDARRAY):
            if kind.ndim is None:
                # A scalar, or a row.
                return join([SCALAR, Kind(NDARRAY, dtype=kind.dtype)])
            return SCALAR if kind.ndim == 1 else kind._replace(ndim=kind.ndim - 1)
        return kind._replace(ndim=None if kind.ndim is None else kind.ndim - 1)
    if name == "jax.random.keys":
        return Kind(JAX_KEY)
    if name == GROUPBY and kind.elements:
        return Kind("tuple", elements=(UNKNOWN, kind.elements[0]))
    if name in ("torch.nn.Sequential", "torch.nn.ModuleList"):
        return kind.elements[0] if kind.elements else Kind(MODULE)
    if name == "sklearn.folds":
        return Kind("tuple", elements=(Kind(NDARRAY, ndim=1, dtype="int64"), Kind(NDARRAY, ndim=1, dtype="int64")))
    if name.startswith("polars."):
        from mlint.model.kinds import polars_frames

        return polars_frames.element(kind)
    return UNKNOWN
