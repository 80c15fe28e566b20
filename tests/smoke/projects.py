"""Projects for the tests of `mlint smoke`, in files of a temporary folder, and the command itself.

What the target does while it is imported needs no torch. For these tests a stand-in of the name is put into the
project: the runs take a tenth of a second instead of several, and they run where torch is not installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
STAND_IN = """\
__version__ = "2.9.0"


class Tensor:
    pass


class Device:
    type = "cpu"


class cuda:
    is_available = staticmethod(lambda: False)


class utils:
    class data:
        class DataLoader:
            pass


def set_num_threads(number):
    pass


def manual_seed(number):
    pass


from . import nn
"""


@dataclass
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def findings(self) -> list[dict[str, Any]]:
        """The findings of `--output-format json`."""
        rows: list[dict[str, Any]] = json.loads(self.out)
        return rows

    @property
    def only(self) -> dict[str, Any]:
        """The one finding."""
        rows = self.findings
        assert len(rows) == 1, (rows, self.err)
        return rows[0]


@dataclass
class Project:
    """A project in a folder."""

    folder: Path

    def put(self, name: str, text: str) -> Path:
        """Write a file, without the indentation of the test."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    def without_torch(self) -> None:
        """Put the stand-in there."""
        self.put("torch/__init__.py", STAND_IN)
        self.put("torch/nn.py", "class Module:\n    pass\n")

    def smoke(self, *arguments: str, env: dict[str, str] | None = None) -> Done:
        """Run ``mlint smoke``."""
        return self.run("smoke", *arguments, env=env)

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> Done:
        """Run ``mlint``."""
        left_out = ("VIRTUAL_ENV", "CONDA_PREFIX", "MLINT_OUTPUT_FORMAT", "PYTHONPATH", "FORCE_COLOR")
        given = {name: value for name, value in os.environ.items() if name not in left_out}
        # By its path and not by PYTHONPATH, which the child would have as well: it must do without.
        start = (
            "import sys; sys.path.insert(0, sys.argv.pop(1)); from mlint.cli import main; sys.exit(main(sys.argv[1:]))"
        )
        done = subprocess.run(
            [sys.executable, "-c", start, str(ROOT), *arguments],
            cwd=self.folder,
            env={**given, "NO_COLOR": "1", **(env or {})},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)
