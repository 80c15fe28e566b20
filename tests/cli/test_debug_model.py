"""``mlint --debug-model FILE``."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mlint.cli import main

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
    import numpy as np
    import torch
    from torch import nn
    from tools import seed_all, Absent
    import missing

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 2)

    def train(steps):
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(steps):
            loss = model(torch.rand(2, 2)).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 10 == 0:
                for name in ["a"]:
                    print(name)

    if __name__ == "__main__":
        seed_all()
        train(3)
"""
TOOLS = "import torch\ndef seed_all():\n    torch.manual_seed(0)\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["torch>=2.1,<3", "numpy"]\n')
    (tmp_path / "tools.py").write_text(TOOLS)
    (tmp_path / "train.py").write_text(textwrap.dedent(PROGRAM))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["--debug-model", *arguments]) == 0
    return capsys.readouterr().out


def test_all_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [" ".join(line.split()) for line in shown(capsys, "train.py").splitlines()]
    for line in (
        "file: train.py",
        "role: entry point (a main guard)",
        "2: np = numpy -> not the project's",
        "5: seed_all = tools.seed_all -> tools.py, line 2",
        "5: Absent = tools.Absent -> tools.py, no one function or class",
        "6: missing = missing -> not the project's",
        "torch >=2.1,<3.0",
        "8: Net class",
        "11: Net.self.fc attribute torch.nn.Linear",
        "14: train.model assign Net",
        "15: train.optimizer assign torch.optim.SGD",
        "tools.py",
    ):
        assert line in lines, line
    loops = [line for line in lines if line.startswith(("16: over", "22: over"))]
    assert "over range(steps)" in loops[0]
    assert "training loop" in loops[0]
    assert "step % 10 == 0" in loops[1]
    function = next(line for line in lines if line.startswith(("13: train certainly", "13: train possibly")))
    assert "backward" in function
    assert "draws from torch" in function
    assert any(line.startswith("seeds ") and "torch" in line for line in lines), "in the helper"


def test_it_is_the_same_in_every_process(project: Path) -> None:
    texts = set()
    for seed in ("0", "1", "77"):
        done = subprocess.run(
            [sys.executable, "-m", "mlint", "--debug-model", "train.py"],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        texts.add(done.stdout)
    assert len(texts) == 1
    assert texts.pop().startswith("file: train.py\n")


def test_an_empty_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "empty.py").write_text("")
    assert "role: library module" in shown(capsys, "empty.py")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.py", None, "absent.py: cannot be read: No such file or directory"),
        ("broken.py", b"def (:\n", "broken.py: cannot be read as Python: "),
        ("nul.py", b"x = 1\x00\n", "nul.py: cannot be read as Python: "),
        ("latin.py", b"x = '\xe9'\n", "latin.py: cannot be read as Python: "),
    ],
)
def test_what_cannot_be_read(
    name: str, content: bytes | None, message: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (project / name).write_bytes(content)
    assert main(["--debug-model", name]) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert message in written.err
    assert len(written.err.splitlines()) == 1


def test_a_folder_and_a_second_file_are_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--debug-model", "."]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["--debug-model", "train.py", "tools.py"]) == 2
    assert "leave tools.py out" in capsys.readouterr().err
