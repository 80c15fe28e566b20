"""The language server: what `mlint server` runs.

Nothing here is imported by the other commands, and pygls only when the server starts.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from mlint import __version__

_USAGE = """\
usage: mlint server [--log-file FILE] [-v]

Speaks the language server protocol over standard input and output; an editor starts it. docs/editors.md tells how to
set up yours.

  --log-file FILE  write what goes wrong to a file as well
  -v               also write what is sent and received"""


def main(arguments: Sequence[str]) -> tuple[int, str]:
    """Run the server until the client ends it; the exit code, and a text for the user."""
    words = [word for word in arguments if word != "--stdio"]  # clients add it on their own
    log: str | None = None
    verbose = False
    while words:
        word = words.pop(0)
        if word in ("-h", "--help"):
            return 0, _USAGE
        if word in ("-V", "--version"):
            return 0, f"mlint {__version__}"
        if word in ("-v", "--verbose"):
            verbose = True
        elif word == "--log-file" and words:
            log = words.pop(0)
        elif word.startswith("--log-file="):
            log = word.partition("=")[2]
        else:
            return 2, f"mlint server: unknown option {word}\n{_USAGE.partition(chr(10))[0]}"
    try:
        import lsprotocol  # noqa: F401
        import pygls  # noqa: F401
    except ImportError:
        return 2, "mlint server needs pygls: python -m pip install 'mlint[lsp]'"
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log is not None:
        try:
            handlers.append(logging.FileHandler(log, encoding="utf-8"))
        except OSError as error:
            return 2, f"mlint server: --log-file {log}: {error.strerror or error}"
    logging.basicConfig(
        level=logging.INFO if verbose else logging.ERROR, handlers=handlers, format="%(asctime)s %(name)s %(message)s"
    )
    if not verbose:
        logging.getLogger("pygls").setLevel(logging.CRITICAL)

    from mlint.server.application import serve

    return (0 if serve() else 1), ""
