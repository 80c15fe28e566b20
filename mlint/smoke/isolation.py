"""What is taken from the user's code while it is checked: the network, and what it would leave behind.

Not a sandbox: code that wants out gets out. It keeps code that was written for a training run from downloading a model,
opening a run of an experiment tracker, or filling caches, when all that is wanted is three steps. Imports the standard
library only.
"""

from __future__ import annotations

import os
import sys

from mlint.smoke.failures import Refused

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "WANDB_MODE": "disabled",
    "COMET_MODE": "disabled",
    "NEPTUNE_MODE": "debug",
    "CLEARML_OFFLINE_MODE": "1",
    "DO_NOT_TRACK": "1",
    "MPLBACKEND": "Agg",
    "SDL_VIDEODRIVER": "dummy",
    "TQDM_DISABLE": "1",
    "KERAS_BACKEND": "torch",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",  # what was printed last is known when the process dies
}
_CACHES = {
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "TRITON_CACHE_DIR": "triton",
    "TORCH_EXTENSIONS_DIR": "extensions",
    "MPLCONFIGDIR": "matplotlib",
    "NUMBA_CACHE_DIR": "numba",
    "WANDB_DIR": "wandb",
}
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
MARK = "MLINT_SMOKE"
"""Set to 1 while a target is checked, so that a project's code may ask."""


def environment(given: dict[str, str], folder: str, threads: int) -> dict[str, str]:
    """The environment of the child.

    Caches of compilers go to a folder that is thrown away; those of models and data sets stay readable, since what has
    been downloaded before may be used.

    Args:
        given: the environment of this process.
        folder: a temporary folder.
        threads: how many threads numerical libraries may start.
    """
    made = {**given, **OFFLINE}
    made.pop("PYTHONFAULTHANDLER", None)  # set up by the child, on a file of its own
    made.update({name: os.path.join(folder, part) for name, part in _CACHES.items()})
    made.update({name: str(threads) for name in _THREADS})
    made["MLFLOW_TRACKING_URI"] = "file://" + os.path.join(folder, "mlflow")
    made["TMPDIR"] = folder
    made[MARK] = "1"
    if given.get("KERAS_BACKEND"):
        made["KERAS_BACKEND"] = given["KERAS_BACKEND"]
    return made


class Watch:
    """Sees the files that the process opens and the connections that it wants; those to other machines are refused."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self._root = self.root + os.sep
        self.read: set[str] = set()
        self.written: set[str] = set()
        self._on = False

    def start(self) -> None:
        """Begin; an audit hook cannot be taken away again, only be told to do nothing."""
        self._on = True
        sys.addaudithook(self._hook)

    def stop(self) -> None:
        """See nothing any more."""
        self._on = False

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            if self._on:
                self._opened(arguments)
        elif event == "socket.connect" or event == "socket.getaddrinfo":
            if self._on:
                self._connecting(event, arguments)

    def _opened(self, arguments: tuple[object, ...]) -> None:
        path, mode, flags = arguments[0], arguments[1], arguments[2]
        # Compiled modules are most of what is opened while torch is imported; their sources are known from sys.modules.
        if not isinstance(path, str) or path.endswith(".pyc") or len(self.read) > 5000:
            return
        try:
            file = os.path.join(os.getcwd(), path)
        except OSError:  # the folder is gone: that is for the user's code to find
            return
        if not file.startswith(self._root):
            file = os.path.realpath(file)
            if not file.startswith(self._root):
                return
        writing = (isinstance(mode, str) and any(letter in mode for letter in "wax+")) or (
            mode is None and isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
        )
        (self.written if writing else self.read).add(os.path.normpath(file))

    @staticmethod
    def _connecting(event: str, arguments: tuple[object, ...]) -> None:
        if event == "socket.getaddrinfo":
            host = arguments[0]
        else:
            address = arguments[1]
            if not isinstance(address, tuple):  # a Unix socket: multiprocessing uses them
                return
            host = address[0]
        if isinstance(host, bytes):
            host = host.decode("ascii", "replace")
        if host in (None, "", "localhost", "0.0.0.0", "::1", "::") or str(host).startswith("127."):
            return
        if host == _own_name():
            return
        raise Refused(f"mlint smoke runs without network: a connection to {host} was refused")


def _own_name() -> str:
    import socket

    return socket.gethostname()
