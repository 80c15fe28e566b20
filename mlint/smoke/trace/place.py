"""The line of the user's code that is running."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from types import FrameType

import torch

TORCH = str(Path(torch.__file__).parent)
MLINT = str(Path(__file__).resolve().parent.parent.parent)
INSTALLED = tuple(
    {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), sysconfig.get_path("purelib")}
)  # site-packages lie under lib in some layouts and beside it in others
ENTRY = str(Path(__file__).resolve().parent.parent / "subject.py")
"""The file that calls into the user's code; what called it is no longer the model."""


def user_place(frame: FrameType | None = None) -> tuple[str, int] | None:
    """File and line of the innermost frame outside torch, mlint and installed packages.

    Where there is none, as in a model from a library, that of the innermost frame outside torch and mlint.
    """
    if frame is None:
        frame = sys._getframe(1)
    library: tuple[str, int] | None = None
    while frame is not None:
        name = frame.f_code.co_filename
        if name == ENTRY:
            break
        if not name.startswith((TORCH, MLINT, "<frozen")):
            if not name.startswith(INSTALLED) and "site-packages" not in name:
                return name, frame.f_lineno
            if library is None:
                library = (name, frame.f_lineno)
        frame = frame.f_back
    return library
