"""What the tests of the command line share: a few programs, and what a run leaves behind."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SAFE = "import torch\n\nx = torch.randn(3)\ny = torch.log(torch.softmax(x, dim=-1))\n"
"""A finding of ML501 on line 4, with a safe fix."""
FIXED = "import torch\n\nx = torch.randn(3)\ny = torch.log_softmax(x, dim=-1)\n"
CLEAN = "import torch\n\nprint(torch.__version__)\n"
BROKEN = "import torch\n\ndef f(:\n    pass\n"


@dataclass(frozen=True)
class Done:
    """What a run has left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


def write(path: Path, text: str) -> Path:
    """Write a file, folders included, with its line ends as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8"))
    return path


def heed_ctrl_c() -> None:
    """For `preexec_fn`: a shell starts background jobs with SIGINT ignored, and their children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
