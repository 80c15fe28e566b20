"""Rules as LibCST codemod commands, run by LibCST's own tool."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BAD = "import torch\n\nx = torch.randn(3)\ny = torch.log(torch.softmax(x, dim=-1))  # keep\n"
GOOD = "import torch\n\nx = torch.randn(3)\ny = torch.log_softmax(x, dim=-1)  # keep\n"
SILENT = "import torch\n\nx = torch.randn(3)\ny = torch.log(torch.softmax(x, dim=-1))  # noqa: ML501\n"


def tool(*arguments: str, cwd: Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "libcst.tool", "codemod", "--no-format", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        input=stdin,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_a_command_fixes_files(tmp_path: Path) -> None:
    for name in ("a.py", "b.py", "c.py"):
        (tmp_path / name).write_text(BAD)
    (tmp_path / "silent.py").write_text(SILENT)
    (tmp_path / "other.py").write_text("x = 1\n")
    done = tool("-x", "mlint.codemods.LogOfSoftmax", ".", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / name).read_text() for name in ("a.py", "b.py", "c.py")] == [GOOD] * 3
    assert (tmp_path / "silent.py").read_text() == SILENT
    assert "0 warnings" in done.stderr


def test_the_short_name_with_a_configuration(tmp_path: Path) -> None:
    (tmp_path / ".libcst.codemod.yaml").write_text("modules: [mlint]\nformatter: []\n")
    (tmp_path / "a.py").write_text(BAD)
    done = tool("codemods.LogOfSoftmax", "a.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.py").read_text() == GOOD


def test_line_ends_and_the_last_line_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(BAD.replace("\n", "\r\n").rstrip().encode())
    assert tool("-x", "mlint.codemods.LogOfSoftmax", "a.py", cwd=tmp_path).returncode == 0
    assert path.read_bytes() == GOOD.replace("\n", "\r\n").rstrip().encode()


def test_help_says_what_it_does(tmp_path: Path) -> None:
    done = tool("-x", "mlint.codemods.LogOfSoftmax", "--help", cwd=tmp_path)
    assert "ML501" in done.stdout
    assert "--unsafe-fixes" in done.stdout


def test_every_rule_with_a_fix_is_a_command() -> None:
    from libcst.codemod import CodemodCommand

    from mlint import codemods
    from mlint.registry import load_index

    entries = [entry for entry in load_index().entries if entry.fix != "none" and entry.class_name]
    assert entries
    for entry in entries:
        command = getattr(codemods, entry.class_name)
        assert issubclass(command, CodemodCommand)
        assert command is getattr(codemods, entry.class_name), "one class, or it cannot be sent to other processes"
        assert command.DESCRIPTION.startswith(entry.code)
        assert entry.class_name in dir(codemods)


def test_a_wrong_name_says_the_nearest() -> None:
    from mlint import codemods

    with pytest.raises(AttributeError, match="did you mean LogOfSoftmax"):
        _ = codemods.LogOfSoftMax
