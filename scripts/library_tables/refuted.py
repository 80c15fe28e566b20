"""Kinds that annotations and docstrings promise and that calls do not keep: the tables leave them out.

Found by calling everything that can be called with a few samples (tests/model/test_tables_reality.py does it again).
"""

from __future__ import annotations

_NAMES = {
    "numpy": """bmat linalg.matmul lib.recfunctions.merge_arrays ma.allclose ma.allequal ma.core.allclose
        ma.core.allequal ma.hsplit ma.extras.hsplit polyval unstack""",
    "pandas": "Index.round",
    "sklearn": "covariance.fast_mcd",
    "tensorflow": "function",
    "torch": "split_copy unbind_copy utils.checkpoint.detach_variable utils.data.DataLoader.dataset",
}

REFUTED: frozenset[str] = frozenset(f"{root}.{name}" for root, names in _NAMES.items() for name in names.split())
"""Functions, methods and attributes whose kind depends on more than the table can say."""
