"""The line of the user's code that an exception came from."""

from __future__ import annotations

import traceback

from mlint.smoke.trace.place import ENTRY, INSTALLED, MLINT, TORCH


def last_line(error: BaseException) -> tuple[str, int] | None:
    """File and line of the innermost frame outside torch, mlint and installed packages; None where there is none."""
    own = (TORCH, MLINT, ENTRY, "<frozen", *INSTALLED)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(own) and "site-packages" not in frame.filename and frame.lineno is not None:
            return frame.filename, frame.lineno
    return None
