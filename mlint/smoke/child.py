"""The child: one target in the project's interpreter. Started by `mlint.smoke.launch`, never imported by it.

mlint itself may not be installed where this runs; the bootstrap makes the package known by its folder, so that neither
mlint's dependencies nor its neighbours come onto the project's path.
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from typing import Any, NoReturn

from mlint.smoke.channel import Channel
from mlint.smoke.configuration import Configuration, TargetConfiguration, from_plain
from mlint.smoke.failures import first_line, is_users, told
from mlint.smoke.isolation import Watch

OLDEST_TORCH = (2, 1)
_leave = os._exit


def main(request: str) -> NoReturn:
    """Do what a request file asks for, tell about it, and end the process, whatever else is still running in it."""
    with open(request, encoding="utf-8") as stream:
        asked = json.load(stream)
    configuration = from_plain(asked["configuration"])
    channel = Channel(asked["channel"])
    _report_crashes(asked["faults"], asked["signal"], channel)
    _report_leaving(channel)
    sys.argv = ["mlint-smoke"]  # a module that parses the command line when it is imported finds an empty one
    sys.path[:0] = [root for root in configuration.roots if root not in sys.path[:1]]
    watch = Watch(configuration.root)
    watch.start()
    try:
        _work(configuration, configuration.target[0], channel, watch, asked)
    except BaseException as error:  # no fault of the target: those are told where they happen
        channel.tell("internal", code="", message=first_line(error), text=traceback.format_exc())
    watch.stop()
    channel.tell("done")
    for printing in (sys.stdout, sys.stderr):
        try:
            printing.flush()
        except Exception:  # the user's code may have closed or replaced it
            pass
    _leave(0)


def _work(
    configuration: Configuration, target: TargetConfiguration, channel: Channel, watch: Watch, asked: dict[str, Any]
) -> None:
    channel.tell("stage", doing="importing torch", code="MS001")
    started = time.perf_counter()
    version = _torch(channel)
    channel.tell("timing", what="importing torch", seconds=time.perf_counter() - started)
    if version is None:
        return
    device = _device(configuration, channel)
    if device is None:
        return
    channel.tell("torch", version=version, device=device, device_name=_device_name(device))

    from mlint.smoke.session import Session

    _seed()
    session = Session(configuration, target, channel.tell, time.monotonic(), device)

    def loaded() -> Any:
        from mlint.smoke.target import load

        return load(target)

    session.run(loaded, lambda: channel.tell("files", **_files(watch)))
    channel.tell("files", **_files(watch))


def _torch(channel: Channel) -> str | None:
    """The version of torch, once it is imported; None where it cannot be, which is told."""
    try:
        import torch
    except BaseException as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "torch":
            message = f"there is no torch in {sys.executable}"
            advice = "install torch there, or name the project's interpreter with `python = ...` or --python"
            channel.tell("failure", code="MS005", message=message, advice=advice, text="", place=None)
        else:
            failure = told(error, f"importing torch in {sys.executable}", "MS005")
            channel.tell("failure", **failure._asdict())
        return None
    version = str(torch.__version__)
    numbers = tuple(int(part) for part in version.split("+", maxsplit=1)[0].split(".")[:2] if part.isdigit())
    if numbers < OLDEST_TORCH:
        message = f"torch {version} in {sys.executable} is too old: mlint smoke needs 2.1"
        channel.tell("failure", code="MS005", message=message, advice="update torch", text="", place=None)
        return None
    return version


def _device(configuration: Configuration, channel: Channel) -> str | None:
    """The device to run on; None where the one that is asked for is not there, which is told."""
    import torch

    torch.set_num_threads(configuration.threads)
    wanted = configuration.device
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda"):
        number = int(wanted.partition(":")[2] or 0)
        if not torch.cuda.is_available() or number >= torch.cuda.device_count():
            channel.tell("unusable", message=f"device {wanted}: torch in {sys.executable} sees no such device")
            return None
    return wanted


def _device_name(device: str) -> str:
    if device == "cpu":
        return "cpu"
    import torch

    return str(torch.cuda.get_device_name(device))


def _seed() -> None:
    """Begin with known random numbers; what the user's code does to them afterwards is its own."""
    import random

    import torch

    random.seed(0)
    torch.manual_seed(0)


def _report_crashes(descriptor: int, number: int, channel: Channel) -> None:
    """Have the stacks written on a crash, and when the parent asks where it hangs."""
    faulthandler.enable(file=descriptor, all_threads=True)
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.Signals(number) if number < 32 else number, file=descriptor, all_threads=True)
    channel.tell("started", main_thread=hex(threading.main_thread().ident or 0), python=sys.version.split()[0])


def _report_leaving(channel: Channel) -> None:
    """`os._exit` runs no handler: tell the line before it happens."""
    owner = os.getpid()

    def leave(status: int) -> NoReturn:
        if os.getpid() == owner:
            frame = sys._getframe(1)
            stack = traceback.extract_stack(frame)
            users = [entry for entry in stack if is_users(entry.filename)]
            place = (os.path.abspath(users[-1].filename), users[-1].lineno) if users else None
            text = "".join(traceback.format_list(users))
            channel.tell("leaving", status=status, text=text, place=place)
        _leave(status)

    os._exit = leave


def _files(watch: Watch) -> dict[str, object]:
    """Digests of every file of the project that was imported or read, and stamps of the packages that were imported.

    A file that was written is none that the result depends on.
    """
    root = os.path.realpath(watch.root) + os.sep
    names: set[str] = set()
    packages: dict[str, list[float]] = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name == "__main__" or name.partition(".")[0] == "mlint":
            continue
        real = os.path.realpath(file)
        if is_users(file) or (real.startswith(root) and f"{os.sep}site-packages{os.sep}" not in real):
            names.add(os.path.abspath(file))
        elif "." not in name:
            try:
                facts = os.stat(file)
            except OSError:
                continue
            packages[file] = [facts.st_mtime_ns, facts.st_size]
    skipped = (os.sep + "site-packages" + os.sep, os.sep + "__pycache__" + os.sep, os.sep + ".git" + os.sep)
    for name in watch.read - watch.written:
        if not any(part in name for part in skipped):
            names.add(name)
    digests = {}
    for name in sorted(names):
        try:
            with open(name, "rb") as stream:
                digests[name] = hashlib.blake2b(stream.read(), digest_size=16).hexdigest()
        except OSError:
            continue
    return {"digests": digests, "packages": packages, "written": sorted(watch.written)}
