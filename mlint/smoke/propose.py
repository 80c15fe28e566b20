"""``mlint smoke --init``: a section for the project, from what its source shows."""

from __future__ import annotations

from mlint.arguments import UsageError
from mlint.settings import Settings


def propose(settings: Settings) -> str:
    """The section as TOML."""
    raise UsageError("`mlint smoke --init` is not built yet")
