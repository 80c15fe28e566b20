"""The runtime stage: builds the user's model, runs a few steps of it and checks what comes of them.

The command line runs it in a process of its own (`mlint.smoke.launch`); `check` runs it in this one. Nothing here is
imported when mlint starts, and torch only where the model is.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlint.smoke.public import Report as Report
    from mlint.smoke.public import SmokeError as SmokeError
    from mlint.smoke.public import check as check

__all__ = ["Report", "SmokeError", "check"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from mlint.smoke import public

        return getattr(public, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
