"""What an expression is: a tensor, a module, an optimizer, a frame, an array of so many dimensions, or not known.

A kind is proven or it is not there: nothing is guessed from the name of a variable. It comes from a constructor, a
known return, an annotation, the base of a class, an attribute that the class sets, an iteration, an unpacking, or the
return values of a function of the project. Where definitions of different kinds reach a place, the kind is one of them.
"""

from __future__ import annotations

from mlint.model.kinds.inference import Kinds
from mlint.model.kinds.value import (
    BOOL,
    DATA_LOADER,
    DATAFRAME,
    DATASET,
    ESTIMATOR,
    FLOAT,
    GRAD_SCALER,
    GROUPBY,
    INDEX,
    INT,
    JAX_ARRAY,
    JAX_KEY,
    KERAS_MODEL,
    LIGHTNING_MODULE,
    LOSS,
    MODULE,
    NDARRAY,
    NEVER,
    OPTIMIZER,
    SCALAR,
    SCHEDULER,
    SERIES,
    SPLITTER,
    STR,
    TENSOR,
    TF_DATASET,
    TF_TENSOR,
    TRANSFORMER,
    UNKNOWN,
    Kind,
    join,
)

__all__ = [
    "BOOL",
    "DATAFRAME",
    "DATASET",
    "DATA_LOADER",
    "ESTIMATOR",
    "FLOAT",
    "GRAD_SCALER",
    "GROUPBY",
    "INDEX",
    "INT",
    "JAX_ARRAY",
    "JAX_KEY",
    "KERAS_MODEL",
    "LIGHTNING_MODULE",
    "LOSS",
    "MODULE",
    "NDARRAY",
    "NEVER",
    "OPTIMIZER",
    "SCALAR",
    "SCHEDULER",
    "SERIES",
    "SPLITTER",
    "STR",
    "TENSOR",
    "TF_DATASET",
    "TF_TENSOR",
    "TRANSFORMER",
    "UNKNOWN",
    "Kind",
    "Kinds",
    "join",
]
