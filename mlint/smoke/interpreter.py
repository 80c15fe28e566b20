"""Which Python runs the target: the project's, since that is where its torch is."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

_PLACES = ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe")


class NoInterpreterError(Exception):
    """There is no interpreter where one was named; the message is one line."""


def interpreter(configured: str | None, root: str, environment: Mapping[str, str]) -> str:
    """The interpreter: what is configured, that of $VIRTUAL_ENV, this one if it has torch, else that of $CONDA_PREFIX
    or of the project's `.venv`, else this one, which will say that it has none.

    Args:
        configured: a path of an interpreter or of an environment; relative ones count from `root`.
        root: the folder of the configuration.
        environment: the variables of the process.

    Raises:
        NoInterpreterError: the one that is named is not there.
    """
    if configured:
        path = os.path.normpath(os.path.join(root, os.path.expanduser(configured)))
        found = _in(path) if os.path.isdir(path) else path
        if found is None or not os.access(found, os.X_OK):
            raise NoInterpreterError(f"python = {configured}: there is no interpreter at {path}")
        return found
    active = environment.get("VIRTUAL_ENV")
    if active:
        found = _in(active)
        if found is None:
            raise NoInterpreterError(f"$VIRTUAL_ENV is {active}, and there is no interpreter in it")
        return found
    if not _has_torch(sys.path):
        for folder in (environment.get("CONDA_PREFIX"), os.path.join(root, ".venv")):
            found = _in(folder) if folder else None
            if found is not None:
                return found
    return sys.executable


def _in(folder: str) -> str | None:
    """The interpreter of an environment."""
    for place in _PLACES:
        path = os.path.join(folder, *place.split("/"))
        if os.access(path, os.X_OK):
            return path
    return None


def _has_torch(path: list[str]) -> bool:
    return any(os.path.isfile(os.path.join(folder, "torch", "__init__.py")) for folder in path)
