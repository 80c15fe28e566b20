"""Where a run speaks: results on standard output, everything else on standard error."""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, TextIO


class Console:
    """The two streams of a process, and how much the user wants to hear on them.

    ``level`` is 0 normally, above it with ``-v``, -1 with ``-q``, -2 with ``-qq``.
    """

    def __init__(self, level: int = 0, output: TextIO | None = None, errors: TextIO | None = None) -> None:
        self.level = level
        # A process may be started with its streams closed; Python has None for them then.
        self.output: TextIO = output or sys.stdout or _nowhere()
        self._errors: TextIO = errors or sys.stderr or _nowhere()
        self._shown = ""
        self._next = 0.0

    def result(self, text: str) -> None:
        """Write a result; with ``-qq`` there are none."""
        if self.level > -2 and text:
            _write(self.output, text)

    def result_bytes(self, data: bytes) -> None:
        """Write bytes that are the result themselves, unchanged, whatever the verbosity."""
        self.output.flush()
        buffer: BinaryIO | None = getattr(self.output, "buffer", None)
        if buffer is None:
            self.output.write(data.decode("utf-8", "replace"))
        else:
            buffer.write(data)
            buffer.flush()

    def note(self, text: str) -> None:
        """Say something that helps but is not needed."""
        if self.level >= 0:
            self._say(text)

    def detail(self, text: str) -> None:
        """Say something that only ``-v`` asks for."""
        if self.level > 0:
            self._say(text)

    def warn(self, text: str) -> None:
        """Say what went wrong, one line; never silenced."""
        self._say(f"mlint: {text}")

    def clear(self, sequence: str) -> None:
        """Write control characters to the terminal."""
        if sequence:
            _write(self.output, sequence)
            self.output.flush()

    @property
    def errors(self) -> TextIO:
        """Standard error."""
        return self._errors

    def progress(self, done: int, total: int) -> None:
        """Show how far a long run is: on a terminal only, and only once it has taken a moment."""
        if self.level < 0:
            return
        now = time.monotonic()
        if not self._next:
            self._next = now + 0.5
            if not self._errors.isatty():
                self._next = float("inf")
        if now < self._next:
            return
        self._next = now + 0.1
        self._shown = f"checking {done}/{total} files"
        self._errors.write(f"\r\x1b[K{self._shown}")
        self._errors.flush()

    def end_progress(self) -> None:
        """Take the progress line away."""
        if self._shown:
            self._errors.write("\r\x1b[K")
            self._errors.flush()
            self._shown = ""
        self._next = 0.0

    def _say(self, text: str) -> None:
        if not text:
            return
        self.end_progress()
        self.output.flush()
        _write(self._errors, text if text.endswith("\n") else text + "\n")
        self._errors.flush()


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def _write(stream: TextIO, text: str) -> None:
    """Write text; what the stream's encoding lacks (a file name, say) comes out escaped."""
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = getattr(stream, "encoding", None) or "utf-8"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def silence_broken_pipe() -> None:
    """Keep the interpreter from complaining at its end that what is still to be written cannot be."""
    if sys.stdout is None:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
