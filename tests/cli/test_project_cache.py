"""What is found in a file depends on files around it: when one of these changes, comes or goes, so does the result."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlint.cli import main
from mlint.linter import Job, Outcome

PADDING = "#" * 70_000 + "\n"
SCRIPT = """
import numpy as np
from sklearn.linear_model import SGDClassifier
from tools import prepare

def main():
    prepare()
    x = np.random.rand(3, 2)
    SGDClassifier(random_state=0).fit(x, [0, 1, 1])

if __name__ == "__main__":
    main()
"""
SEEDS = "import numpy as np\ndef prepare():\n    np.random.seed(0)\n"
DOES_NOT = "import numpy as np\ndef prepare():\n    pass\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.mlint]\n")
    (tmp_path / "train.py").write_text(SCRIPT + PADDING)
    monkeypatch.chdir(tmp_path)
    return tmp_path


EVALUATE = """
import torch

def evaluate(model: torch.nn.Module, loader):
    model.eval()
    total = 0
    for x, y in loader:
        total += (model(x).argmax(1) == y).sum().item()
    return total
"""
CALLER = """
import torch
from evaluation import evaluate

@torch.no_grad()
def report(model, loader):
    return evaluate(model, loader)
"""


def codes(capsys: pytest.CaptureFixture[str], rule: str = "script-without-seed") -> list[str]:
    main(["--output-format", "concise", "--select", rule, "-j", "1", "-q", "."])
    return [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.strip()]


def test_an_imported_file_changes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "tools.py").write_text(SEEDS)
    assert codes(capsys) == []
    assert (project / ".mlint_cache").is_dir()
    (project / "tools.py").write_text(DOES_NOT)
    assert len(codes(capsys)) == 1
    assert len(codes(capsys)) == 1
    (project / "tools.py").write_text(SEEDS)
    assert codes(capsys) == []


def test_a_file_behind_the_imported_one_changes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "tools").mkdir()
    (project / "tools" / "__init__.py").write_text("from .deep import prepare\n")
    (project / "tools" / "deep.py").write_text("from .more import prepare\n")
    (project / "tools" / "more.py").write_text(SEEDS)
    assert codes(capsys) == []
    (project / "tools" / "more.py").write_text(DOES_NOT)
    assert len(codes(capsys)) == 1
    (project / "tools" / "deep.py").write_text(SEEDS)
    assert codes(capsys) == []


def test_an_imported_file_goes_and_comes_back(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "tools.py").write_text(SEEDS)
    assert codes(capsys) == []
    (project / "tools.py").unlink()
    before = codes(capsys)
    (project / "tools.py").write_text(DOES_NOT)
    assert len(codes(capsys)) == 1
    (project / "tools.py").unlink()
    assert codes(capsys) == before


def test_a_caller_without_gradients_appears_and_changes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "evaluation.py").write_text(EVALUATE + PADDING)
    assert codes(capsys, "inference-without-no-grad") == ["ML201"]
    (project / "report.py").write_text(CALLER)
    assert codes(capsys, "inference-without-no-grad") == []
    (project / "report.py").write_text(CALLER.replace("@torch.no_grad()\n", ""))
    assert codes(capsys, "inference-without-no-grad") == ["ML201"]
    (project / "report.py").write_text(CALLER)
    assert codes(capsys, "inference-without-no-grad") == []
    (project / "report.py").unlink()
    assert codes(capsys, "inference-without-no-grad") == ["ML201"]
    (project / "app").mkdir()
    assert codes(capsys, "inference-without-no-grad") == ["ML201"]
    (project / "app" / "report.py").write_text("import sys\nsys.path.append('..')\n" + CALLER)
    assert codes(capsys, "inference-without-no-grad") == []


def test_a_file_appears_that_comes_first(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "src").mkdir()
    (project / "src" / "tools.py").write_text(DOES_NOT)
    assert len(codes(capsys)) == 1
    (project / "tools.py").write_text(SEEDS)
    assert codes(capsys) == []


def test_a_damaged_file_is_repaired(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "tools.py").write_text("def prepare(:\n")
    before = codes(capsys)
    (project / "tools.py").write_text(DOES_NOT)
    assert len(codes(capsys)) == 1
    (project / "tools.py").write_text("def prepare(:\n")
    assert codes(capsys) == before


def versions(project: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    main(["--output-format", "concise", "--select", "numpy-removed-name", "-j", "1", "-q", "."])
    return [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.strip()]


def test_a_dependency_file_appears_close_by(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "train.py").unlink()
    (project / "part" / "inner").mkdir(parents=True)
    (project / "part" / "inner" / "a.py").write_text("import numpy as np\nx = np.zeros(3, np.float)\n" + PADDING)
    assert len(versions(project, capsys)) == 1
    (project / "part" / "requirements.txt").write_text("numpy<1.20\n")
    assert versions(project, capsys) == []
    (project / "part" / "requirements.txt").write_text("numpy>=1.24\n")
    assert len(versions(project, capsys)) == 1
    (project / "part" / "requirements.txt").unlink()
    assert len(versions(project, capsys)) == 1


def test_a_small_file_is_remembered_for_the_others_behind_it(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less than what a cache is read for, but a lot had to be read to know it."""
    (project / "train.py").write_text(SCRIPT)
    (project / "tools.py").write_text(DOES_NOT + "#" * 30_000 + "\n")

    def lint() -> list[str]:
        main(["--output-format", "concise", "--select", "script-without-seed", "-q", "train.py"])
        return [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.strip()]

    from mlint.linter import Linter

    linted: list[str] = []
    lint_file = Linter.lint

    def counted(self: Linter, job: Job) -> Outcome:
        linted.append(job.path)
        return lint_file(self, job)

    monkeypatch.setattr(Linter, "lint", counted)
    assert len(lint()) == 1
    assert len(lint()) == 1
    assert len(linted) == 1, "the second run knows"
    (project / "tools.py").write_text(SEEDS + "#" * 30_000 + "\n")
    assert lint() == []
    assert lint() == []
    assert len(linted) == 2
    (project / "train.py").write_text(SCRIPT.replace("    prepare()\n", ""))
    assert len(lint()) == 1
    (project / "tools.py").unlink()
    assert len(lint()) == 1


def test_a_small_file_that_stands_alone_writes_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "train.py").write_text(SCRIPT)
    (project / "tools.py").write_text(DOES_NOT)
    main(["-q", "train.py"])
    assert not (project / ".mlint_cache").exists()
