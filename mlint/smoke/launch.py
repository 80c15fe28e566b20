"""The parent: starts the child, hears what it tells, watches time and memory, and ends the whole group of processes."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mlint.smoke.configuration import TIMEOUT, Configuration, TargetConfiguration, to_plain
from mlint.smoke.failures import is_machinery, is_users
from mlint.smoke.isolation import environment
from mlint.smoke.memory import SHARE, available, of_group

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_KEPT = 64_000
"""Bytes of what the target printed last that are kept."""
_OLD = "OLD"
BOOTSTRAP = f"""\
import sys
if sys.version_info < (3, 10):
    sys.stderr.write("{_OLD}%d.%d" % sys.version_info[:2])
    sys.exit(99)
import importlib.util
package = sys.argv[1]
spec = importlib.util.spec_from_file_location(
    "mlint", package + "/__init__.py", submodule_search_locations=[package])
sys.modules["mlint"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from mlint.smoke.child import main
main(sys.argv[2])
"""
"""Makes mlint known to an interpreter that need not have it, by its folder and with nothing else of that folder's."""


class LaunchError(Exception):
    """The child cannot be started; the message is one line."""


@dataclass
class Hang:
    """Where the child was when it was stopped: the stack of its main thread, the innermost first."""

    frames: list[tuple[str, int, str]] = field(default_factory=list)

    def text(self) -> str:
        """The stack as Python prints one, the innermost last, from the first line of the user's code on."""
        frames = [frame for frame in reversed(self.frames) if not is_machinery(frame[0])]
        users = [at for at, frame in enumerate(frames) if is_users(frame[0])]
        frames = frames[users[0] :] if users else frames[-8:]
        return "".join(f'  File "{file}", line {line}, in {name}\n' for file, line, name in frames)


@dataclass
class Outcome:
    """What one child told, and how it ended.

    Attributes:
        events: what it told, in order.
        end: "done", "exit", "signal", "timeout", "budget" or "memory".
        status: exit code or number of the signal.
        doing: the last stage or check that had begun.
        printed: what the target printed last.
        hang: the stack when it was stopped or crashed.
        peak: the most memory that was seen, in bytes.
        limit: bytes that it might have taken.
        seconds: how long it ran.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    end: str = "done"
    status: int = 0
    doing: dict[str, Any] = field(default_factory=dict)
    printed: str = ""
    hang: Hang = field(default_factory=Hang)
    peak: int = 0
    limit: float = 0.0
    seconds: float = 0.0


def run(
    configuration: Configuration,
    target: TargetConfiguration,
    python: str,
    given: dict[str, str],
    heard: Callable[[dict[str, Any]], None] = lambda event: None,
) -> Outcome:
    """Run one target in a process of its own, to the end of it or of its time.

    Args:
        configuration: the section; its budget is what this target has.
        target: the target.
        python: the interpreter.
        given: the environment to start from.
        heard: is called with each event as it comes.

    Raises:
        LaunchError: the interpreter cannot be started, or is too old.
    """
    if os.name != "posix":
        raise LaunchError("mlint smoke needs a POSIX system: it runs the target in a process group of its own")
    folder = tempfile.mkdtemp(prefix="mlint-smoke-")
    try:
        return _Child(configuration._replace(target=(target,)), python, given, folder, heard).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Child:
    """One running child."""

    def __init__(
        self,
        configuration: Configuration,
        python: str,
        given: dict[str, str],
        folder: str,
        heard: Callable[[dict[str, Any]], None],
    ) -> None:
        self._configuration = configuration
        self._python = python
        self._environment = environment(given, folder, configuration.threads)
        self._folder = folder
        self._heard = heard
        self._outcome = Outcome()
        self._signal = int(getattr(signal, "SIGRTMIN", signal.SIGUSR2 - 7)) + 7
        self._faults = os.path.join(folder, "faults")
        free = available()
        self._outcome.limit = configuration.memory or (free * SHARE if free else float("inf"))
        self._began = time.monotonic()
        self._since = self._began
        self._end = float("inf")
        self._rest = b""
        self._main_thread = ""

    def run(self) -> Outcome:
        listen, tell = os.pipe()
        faults = os.open(self._faults, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600)
        try:
            process = self._start(tell, faults)
        finally:
            os.close(tell)
            os.close(faults)
        try:
            self._listen(process, listen)
        finally:
            _end(process)
            os.close(listen)
            assert process.stdout is not None
            process.stdout.close()
        self._outcome.seconds = time.monotonic() - self._began
        self._outcome.hang = self._stack()
        return self._outcome

    def _start(self, tell: int, faults: int) -> subprocess.Popen[bytes]:
        request = os.path.join(self._folder, "request.json")
        asked = {
            "configuration": to_plain(self._configuration),
            "channel": tell,
            "faults": faults,
            "signal": self._signal,
        }
        with open(request, "w", encoding="utf-8") as stream:
            json.dump(asked, stream)
        try:
            return subprocess.Popen(
                [self._python, "-c", BOOTSTRAP, _PACKAGE, request],
                cwd=self._configuration.root or None,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(tell, faults),
                start_new_session=True,
            )
        except OSError as error:
            raise LaunchError(f"{self._python} cannot be started: {error.strerror or error}") from None

    def _listen(self, process: subprocess.Popen[bytes], listen: int) -> None:
        """Hear everything until the child has ended or must be."""
        outcome = self._outcome
        assert process.stdout is not None
        printed = process.stdout.fileno()
        os.set_blocking(listen, False)
        os.set_blocking(printed, False)
        with selectors.DefaultSelector() as selector:
            selector.register(listen, selectors.EVENT_READ)
            selector.register(printed, selectors.EVENT_READ)
            looked = 0.0
            while True:
                for key, _ in selector.select(0.05):
                    if self._read(key.fd, listen) is None:
                        selector.unregister(key.fd)
                if any(event["event"] == "done" for event in outcome.events[-1:]):
                    return
                status = process.poll()
                if status is not None:
                    self._drain(listen, printed)
                    if any(event["event"] == "done" for event in outcome.events[-1:]):
                        return
                    if status == 99 and outcome.printed.startswith(_OLD):
                        version = outcome.printed.removeprefix(_OLD)
                        raise LaunchError(f"{self._python} is Python {version}; mlint smoke needs 3.10 or newer")
                    outcome.end, outcome.status = ("signal", -status) if status < 0 else ("exit", status)
                    return
                now = time.monotonic()
                if now - looked > 0.1:
                    looked = now
                    outcome.peak = max(outcome.peak, of_group(process.pid, outcome.limit))
                    if outcome.peak > outcome.limit:
                        outcome.end = "memory"
                        self._stop(process)
                        return
                if now - self._since > self._allowed():
                    outcome.end = "timeout"
                    self._stop(process)
                    return
                if outcome.doing.get("event") == "check" and now > self._end:
                    outcome.end = "budget"
                    self._stop(process)
                    return

    def _allowed(self) -> float:
        """Seconds that the stage may take; nobody's configuration is about how long torch takes to import."""
        given = self._configuration.timeout
        return given if self._outcome.doing.get("event") == "check" or self._target_runs() else max(given, TIMEOUT)

    def _target_runs(self) -> bool:
        return any(event["event"] == "torch" for event in self._outcome.events)

    def _drain(self, listen: int, printed: int) -> None:
        """Hear what is left in the pipes of a child that has ended; what it started may hold them open."""
        for descriptor in (listen, printed):
            for _ in range(1000):
                if not self._read(descriptor, listen):
                    break

    def _read(self, descriptor: int, listen: int) -> bool | None:
        """Read what there is; False when there is none now, None when no more will come."""
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return False
        if not data:
            return None
        if descriptor != listen:
            text = data.decode("utf-8", "replace")
            self._outcome.printed = (self._outcome.printed + text)[-_KEPT:]
            return True
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._hear(json.loads(line))
        return True

    def _hear(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind in ("stage", "check"):
            self._outcome.doing = event
            self._since = time.monotonic()
        elif kind == "planned":
            self._end = time.monotonic() + event["left"]
        elif kind == "torch":
            self._since = time.monotonic()
        elif kind == "started":
            self._main_thread = event["main_thread"]
        self._outcome.events.append(event)
        self._heard(event)

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        """Have the child write where it is, then end it."""
        if not self._main_thread:
            return
        try:
            os.kill(process.pid, self._signal)
        except OSError:
            return
        size, since = -1, time.monotonic()
        while time.monotonic() - since < 1.0:
            time.sleep(0.05)
            written = os.path.getsize(self._faults)
            if written and written == size:
                return
            size = written

    def _stack(self) -> Hang:
        try:
            with open(self._faults, encoding="utf-8", errors="replace") as stream:
                return parsed(stream.read(), self._main_thread)
        except OSError:
            return Hang()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the child and everything that it started and that is still of its group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def parsed(text: str, main_thread: str) -> Hang:
    """The main thread's stack from what `faulthandler` writes; of the current thread where that one is not there."""
    import re

    stacks: dict[int, list[tuple[str, int, str]]] = {}
    current = number = -1
    for line in text.splitlines():
        head = re.match(r"(Current thread|Thread) 0x([0-9a-f]+)", line)
        if head:
            number = int(head.group(2), 16)
            current = number if head.group(1) == "Current thread" else current
            stacks.setdefault(number, [])
            continue
        if line.startswith("Stack (most recent call first)"):
            number = current = 0
            stacks.setdefault(number, [])
            continue
        frame = re.match(r'  File "(.*)", line (\d+) in (.*)', line)
        if frame and number in stacks:
            stacks[number].append((frame.group(1), int(frame.group(2)), frame.group(3)))
    wanted = int(main_thread, 16) if main_thread else current
    return Hang(stacks.get(wanted) or stacks.get(current) or [])
