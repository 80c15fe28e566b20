"""All that a rule file imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlint.finding import Edit, Finding, Fix, Location, Safety
from mlint.model.kinds import (
    DATA_LOADER,
    DATAFRAME,
    DATASET,
    ESTIMATOR,
    GRAD_SCALER,
    GROUPBY,
    JAX_ARRAY,
    JAX_KEY,
    KERAS_MODEL,
    LIGHTNING_MODULE,
    LOSS,
    MODULE,
    NDARRAY,
    OPTIMIZER,
    SCHEDULER,
    SERIES,
    SPLITTER,
    TENSOR,
    TF_DATASET,
    TF_TENSOR,
    TRANSFORMER,
    Kind,
)
from mlint.model.loop_actions import APPEND, CHOICE, GRAPH, STORE, TOTAL, UPDATE, innermost
from mlint.model.tree import (
    COMPREHENSIONS,
    FUNCTIONS,
    LOOPS,
    FunctionNode,
    LoopNode,
    walk,
    walk_blocks,
    walk_scope,
    walk_statements,
)
from mlint.pattern import Match, Pattern, Template
from mlint.rule.base import PatternRule, Rule
from mlint.rule.context import Context, Options
from mlint.rule.example import Example
from mlint.rule.triggers import Call, Import, Loop, Method, Module, Node, Read, Reference, Statement, Store, Trigger

if TYPE_CHECKING:
    from mlint.model.columns import Column, Columns, NotColumnar, arms, column_name, reader
    from mlint.model.handles import ARRAYS, FILE, HDF5, Protocol, Use
    from mlint.model.loops.branches import branches
    from mlint.model.loops.contraction import Contraction, Factor
    from mlint.model.loops.counted import Axis, Nest
    from mlint.model.loops.described import Lifted, NotElementwise, Place, Scattered, Target
    from mlint.model.loops.dots import Dot, dot_product, dot_total, is_product
    from mlint.model.loops.elementwise import MATH
    from mlint.model.loops.extremes import Extreme, Placed, extreme, placed
    from mlint.model.loops.masks import Condition, Masked, MaskedStore, at_mask, chosen, masked, value_at
    from mlint.model.loops.pairwise import Pairwise, Rows
    from mlint.model.loops.pointwise import Pointwise, filled, lift_pointwise
    from mlint.model.loops.starts import Starts, starts, undisturbed
    from mlint.model.loops.stretched import repetition
    from mlint.model.loops.temporaries import Computed, computed
    from mlint.model.loops.windows import Windows
    from mlint.model.modes import Birth
    from mlint.model.parameters import Parameters, of_dictionary, of_keywords
    from mlint.model.pools import POOL
    from mlint.model.rowloop import RowLoop, find_row_loop, takes_only_columns
    from mlint.model.samples.batch import Batch, Batches
    from mlint.model.samples.loop import SampleLoop, around
    from mlint.model.samples.outcome import Kept, Reading, kept, reading
    from mlint.model.tapes import Tape
    from mlint.model.training import Action, Round

_LAZY = {
    "columns": "Column Columns NotColumnar arms column_name reader",
    "loops.contraction": "Contraction Factor",
    "loops.counted": "Axis Nest",
    "loops.described": "Lifted NotElementwise Place Scattered Target",
    "loops.elementwise": "MATH",
    "loops.pairwise": "Pairwise Rows",
    "loops.stretched": "repetition",
    "loops.pointwise": "Pointwise filled lift_pointwise",
    "loops.dots": "Dot dot_product dot_total is_product",
    "loops.extremes": "Extreme Placed extreme placed",
    "loops.branches": "branches",
    "loops.masks": "Condition Masked MaskedStore at_mask chosen masked value_at",
    "loops.starts": "Starts starts undisturbed",
    "loops.temporaries": "Computed computed",
    "loops.windows": "Windows",
    "handles": "ARRAYS FILE HDF5 Protocol Use",
    "modes": "Birth",
    "pools": "POOL",
    "parameters": "Parameters of_dictionary of_keywords",
    "rowloop": "RowLoop find_row_loop takes_only_columns",
    "tapes": "Tape",
    "samples.batch": "Batch Batches",
    "samples.loop": "SampleLoop around",
    "samples.outcome": "Kept Reading kept reading",
    "training": "Action Round",
}
"""Module of the model → what of it rules use: imported when the first rule asks, as most files need none of it."""
_HOMES = {name: module for module, names in _LAZY.items() for name in names.split()}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value: object = getattr(importlib.import_module(f"mlint.model.{home}"), name)
    globals()[name] = value
    return value


__all__ = [
    "APPEND",
    "ARRAYS",
    "CHOICE",
    "COMPREHENSIONS",
    "DATAFRAME",
    "DATASET",
    "DATA_LOADER",
    "ESTIMATOR",
    "FILE",
    "FUNCTIONS",
    "GRAD_SCALER",
    "GRAPH",
    "GROUPBY",
    "HDF5",
    "JAX_ARRAY",
    "JAX_KEY",
    "KERAS_MODEL",
    "LIGHTNING_MODULE",
    "LOOPS",
    "LOSS",
    "MATH",
    "MODULE",
    "NDARRAY",
    "OPTIMIZER",
    "POOL",
    "SCHEDULER",
    "SERIES",
    "SPLITTER",
    "STORE",
    "TENSOR",
    "TF_DATASET",
    "TF_TENSOR",
    "TOTAL",
    "TRANSFORMER",
    "UPDATE",
    "Action",
    "Axis",
    "Batch",
    "Batches",
    "Birth",
    "Call",
    "Column",
    "Columns",
    "Computed",
    "Condition",
    "Context",
    "Contraction",
    "Dot",
    "Edit",
    "Example",
    "Extreme",
    "Factor",
    "Finding",
    "Fix",
    "FunctionNode",
    "Import",
    "Kept",
    "Kind",
    "Lifted",
    "Location",
    "Loop",
    "LoopNode",
    "Masked",
    "MaskedStore",
    "Match",
    "Method",
    "Module",
    "Nest",
    "Node",
    "NotColumnar",
    "NotElementwise",
    "Options",
    "Pairwise",
    "Parameters",
    "Pattern",
    "PatternRule",
    "Place",
    "Placed",
    "Pointwise",
    "Protocol",
    "Read",
    "Reading",
    "Reference",
    "Round",
    "RowLoop",
    "Rows",
    "Rule",
    "Safety",
    "SampleLoop",
    "Scattered",
    "Starts",
    "Statement",
    "Store",
    "Tape",
    "Target",
    "Template",
    "Trigger",
    "Use",
    "Windows",
    "arms",
    "around",
    "at_mask",
    "branches",
    "chosen",
    "column_name",
    "computed",
    "dot_product",
    "dot_total",
    "extreme",
    "filled",
    "find_row_loop",
    "innermost",
    "is_product",
    "kept",
    "lift_pointwise",
    "masked",
    "of_dictionary",
    "of_keywords",
    "placed",
    "reader",
    "reading",
    "repetition",
    "starts",
    "takes_only_columns",
    "undisturbed",
    "value_at",
    "walk",
    "walk_blocks",
    "walk_scope",
    "walk_statements",
]
