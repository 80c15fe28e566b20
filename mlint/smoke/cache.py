"""What a run found, kept until something changes that it was found with.

That is: every file of the project that the target imported or read, the configuration, mlint itself, the interpreter,
the packages that were imported (by the size and time of their first file), the device. Torch is not imported to find
out. What cannot be told by that (the weather of a machine: a hang, a crash, too little memory) is never kept.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from mlint import __version__
from mlint.smoke.configuration import Configuration, TargetConfiguration, to_plain
from mlint.smoke.verdict import Verdict

_FORMAT = 1
_OWN = os.path.dirname(os.path.abspath(__file__))


def key(configuration: Configuration, target: TargetConfiguration, python: str) -> str:
    """The name under which the verdict on a target is kept: the configuration, the interpreter, mlint's own code."""
    plain = to_plain(configuration)
    del plain["target"], plain["fail_on"]
    facts = [_FORMAT, __version__, _own_stamp(), plain, to_plain(target), os.path.abspath(python), _python(python)]
    text = json.dumps([*facts, _devices()], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def load(folder: str, name: str) -> Verdict | None:
    """The verdict of an earlier run, if nothing has changed since."""
    try:
        with open(_place(folder, name), encoding="utf-8") as stream:
            kept = json.load(stream)
        if not _unchanged(kept["files"]):
            return None
        verdict = Verdict(**kept["verdict"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    verdict.cached = True
    return verdict


def save(folder: str, name: str, verdict: Verdict, files: dict[str, Any] | None) -> None:
    """Keep a verdict, if it is one that would be the same again; a folder that cannot be written to keeps nothing."""
    if not verdict.complete or verdict.internal or verdict.unusable or files is None:
        return
    kept = {**vars(verdict), "printed": ""}
    place = _place(folder, name)
    temporary = f"{place}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        _ignored(folder)
        with open(temporary, "w", encoding="utf-8") as stream:
            json.dump({"files": files, "verdict": kept}, stream)
        os.replace(temporary, place)
    except OSError:
        pass


def _place(folder: str, name: str) -> str:
    return os.path.join(folder, "smoke", f"{name}.json")


def _ignored(folder: str) -> None:
    """Have git leave the folder out, as the cache of the static stage does."""
    path = os.path.join(folder, ".gitignore")
    if not os.path.exists(path):
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("*\n")


def _unchanged(files: dict[str, Any]) -> bool:
    for path, (time, size) in files["packages"].items():
        facts = os.stat(path)
        if (facts.st_mtime_ns, facts.st_size) != (time, size):
            return False
    for path, digest in files["digests"].items():
        with open(path, "rb") as stream:
            if hashlib.blake2b(stream.read(), digest_size=16).hexdigest() != digest:
                return False
    return bool(files["packages"])


def _own_stamp() -> list[tuple[str, int, int]]:
    """Changes when the code of this stage does, as in a checkout."""
    found = []
    for folder, _, names in os.walk(_OWN):
        for name in names:
            if name.endswith(".py"):
                facts = os.stat(os.path.join(folder, name))
                found.append((os.path.join(folder, name), facts.st_mtime_ns, facts.st_size))
    return sorted(found)


def _python(python: str) -> list[object]:
    """What tells one interpreter of a path from a later one."""
    try:
        facts = os.stat(python)
        return [os.path.realpath(python), facts.st_mtime_ns, facts.st_size]
    except OSError:
        return [python]


def _devices() -> list[str]:
    """The accelerators that the system shows, and what the process may see of them."""
    try:
        names = sorted(name for name in os.listdir("/proc/driver/nvidia/gpus"))
    except OSError:
        names = []
    return [*names, os.environ.get("CUDA_VISIBLE_DEVICES", "")]
