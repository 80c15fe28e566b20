"""What went wrong in the user's own code: one sentence, the line, and the traceback without mlint's part of it.

Imports the standard library only: it must speak when torch is the thing that cannot be imported.
"""

from __future__ import annotations

import os
import sysconfig
import traceback
from types import TracebackType
from typing import NamedTuple

MLINT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_INSTALLED = tuple(
    {os.path.realpath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)
_OFFLINE = "mlint smoke runs offline: download what is needed before, or build the model from its configuration"
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


class Refused(ConnectionRefusedError):  # noqa: N818 - what it says is what `socket` would say
    """A connection to another machine that the user's code wanted."""


class TargetError(Exception):
    """The target cannot be built as it is configured; the message is one line.

    Args:
        message: what is wrong.
        advice: what to do.
    """

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message, self.advice = message, advice


class Failure(NamedTuple):
    """An exception of the user's code, told.

    Attributes:
        code: MS001, MS002 or MS004.
        text: the traceback from the user's first line on, as Python prints it.
        place: file and line of the innermost line of the user's own code; None where there is none.
    """

    code: str
    message: str
    advice: str
    text: str
    place: tuple[str, int] | None


def is_users(file: str) -> bool:
    """Whether a file is part of neither Python, nor an installed package, nor mlint, nor made up."""
    if file.startswith("<") or not file:
        return False
    real = os.path.realpath(file)
    inside = real.startswith(MLINT + os.sep) or real.startswith(_INSTALLED)
    return not inside and f"{os.sep}site-packages{os.sep}" not in real and f"{os.sep}dist-packages{os.sep}" not in real


def innermost(trace: TracebackType | None) -> tuple[str, int] | None:
    """File and line of the innermost line of the user's code."""
    found = None
    for frame, line in traceback.walk_tb(trace):
        if is_users(frame.f_code.co_filename):
            found = (os.path.abspath(frame.f_code.co_filename), line)
    return found


def told(error: BaseException, doing: str, code: str) -> Failure:
    """What an exception means that the user's code raised while it did something.

    Args:
        error: the exception.
        doing: what was being done, "importing shop.models" or "the forward pass".
        code: what it is where it is an ordinary exception; running out of memory and leaving are MS004.
    """
    place = innermost(error.__traceback__)
    text = "".join(_lines(error))
    if isinstance(error, SystemExit):
        given = "" if error.code is None else repr(error.code)
        message = f"{doing} ends the process: sys.exit({given})"
        advice = 'guard what belongs to the script with `if __name__ == "__main__":`'
        return Failure("MS004", message, advice, text, place)
    if isinstance(error, KeyboardInterrupt):
        return Failure("MS004", f"{doing} raises KeyboardInterrupt", "", text, place)
    if is_out_of_memory(error):
        message = f"{doing} runs out of memory: {first_line(error)}"
        return Failure("MS004", message, "give mlint smoke a smaller model or batch of the same kind", text, place)
    if isinstance(error, TargetError):
        return Failure(code, error.message, error.advice, "", None)
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        place = (os.path.abspath(error.filename), error.lineno)
    advice = _OFFLINE if _was_refused(error) else ""
    return Failure(code, f"{doing} raises {first_line(error)}", advice, text, place)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory has run out, on the host or the accelerator."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in _OUT_OF_MEMORY)


def _was_refused(error: BaseException) -> bool:
    """Whether a connection that mlint refused is why an exception was raised."""
    seen: set[int] = set()
    part: BaseException | None = error
    while part is not None and id(part) not in seen:
        if isinstance(part, Refused):
            return True
        seen.add(id(part))
        reason = getattr(part, "reason", None)  # where urllib keeps it
        part = part.__cause__ or part.__context__ or (reason if isinstance(reason, BaseException) else None)
    return False


def first_line(error: BaseException) -> str:
    """``ValueError: the first line of the message``."""
    try:
        text = (error.msg if isinstance(error, SyntaxError) else str(error)).strip()
    except Exception:  # an exception whose __str__ raises is still one
        text = ""
    line = text.splitlines()[0][:300] if text else ""
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def _lines(error: BaseException) -> list[str]:
    """The traceback as Python prints it, from the first frame that is not mlint's or Python's import machinery."""
    told = traceback.TracebackException.from_exception(error, limit=200)
    seen: set[int] = set()
    part: traceback.TracebackException | None = told
    while part is not None and id(part) not in seen:
        seen.add(id(part))
        kept = [frame for frame in part.stack if not is_machinery(frame.filename)]
        users = [at for at, frame in enumerate(kept) if is_users(frame.filename)]
        kept = kept[users[0] :] if users else kept
        part.stack = traceback.StackSummary.from_list(kept)
        part = part.__cause__ or part.__context__
    return list(told.format())


def is_machinery(file: str) -> bool:
    """Whether a file is mlint's, or Python's own for importing."""
    if file.startswith("<frozen importlib") or file == "<string>":
        return True
    real = os.path.realpath(file)
    return real.startswith(MLINT + os.sep) or (
        os.path.basename(os.path.dirname(real)) == "importlib" and real.startswith(_INSTALLED)
    )
