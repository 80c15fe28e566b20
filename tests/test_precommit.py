"""The hooks: the manifest is valid, and pre-commit runs them in a real repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BAD = "import torch\n\nx = torch.randn(3)\ny = torch.log(torch.softmax(x, dim=-1))\n"
NOTEBOOK = (
    '{"cells": [{"cell_type": "code", "execution_count": null, "metadata": {}, "outputs": [], "source": ['
    '"%ls\\n", "import torch\\n", "x = torch.randn(3)\\n", "y = torch.log(torch.softmax(x, dim=-1))"]}],'
    ' "metadata": {}, "nbformat": 4, "nbformat_minor": 4}\n'
)
GOOD = "import torch\n\nx = torch.randn(3)\ny = torch.log_softmax(x, dim=-1)\n"


def run(*command: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})}
    )


def git(*arguments: str, cwd: Path) -> None:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    done = run("git", *identity, *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr


def pre_commit(*arguments: str, cwd: Path, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = {"PRE_COMMIT_COLOR": "never"}
    if home is not None:
        env["PRE_COMMIT_HOME"] = str(home)
    return run(sys.executable, "-m", "pre_commit", *arguments, cwd=cwd, env=env)


def test_the_manifest_is_valid() -> None:
    pytest.importorskip("pre_commit")
    done = pre_commit("validate-manifest", ".pre-commit-hooks.yaml", cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_hooks_are_as_documented() -> None:
    yaml = pytest.importorskip("yaml")
    hooks = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    assert set(hooks) == {"mlint", "mlint-fix", "mlint-smoke"}
    smoke = hooks.pop("mlint-smoke")
    assert smoke["language"] == "system"  # the project's own environment: that is where its torch is
    assert smoke["stages"] == ["pre-push", "manual"]
    assert (smoke["pass_filenames"], smoke["require_serial"], smoke["verbose"]) == (False, True, True)
    for hook in hooks.values():
        assert hook["language"] == "python"
        assert hook["types_or"] == ["python", "pyi", "jupyter"]
        assert hook["require_serial"] is True
        assert "--force-exclude" in hook["entry"]
    assert "--fix" not in hooks["mlint"]["entry"].split()
    assert "--fix" in hooks["mlint-fix"]["entry"].split()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository with mlint's files as they are now, committed or not."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=ROOT)
    if listed.returncode != 0:
        pytest.skip("needs mlint's own git repository")
    folder = tmp_path_factory.mktemp("mlint")
    for name in listed.stdout.split("\0"):
        source = ROOT / name
        if name and source.is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    git("init", "-q", cwd=folder)
    git("add", "-A", cwd=folder)
    git("commit", "-q", "-m", "mlint", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pre-commit installs mlint: once for all tests here."""
    return tmp_path_factory.mktemp("pre-commit-home")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A user's repository: a module and a notebook with a finding each, one without, and one that is excluded."""
    folder = tmp_path / "user"
    (folder / "made").mkdir(parents=True)
    (folder / "bad.py").write_text(BAD)
    (folder / "made" / "bad.py").write_text(BAD)
    (folder / "explore.ipynb").write_text(NOTEBOOK)
    (folder / "good.py").write_text(GOOD)
    (folder / "notes.txt").write_text("torch.log(torch.softmax(x))\n")
    (folder / "pyproject.toml").write_text('[tool.mlint]\nextend-exclude = ["made"]\n')
    git("init", "-q", cwd=folder)
    git("add", "-A", cwd=folder)
    git("commit", "-q", "-m", "start", cwd=folder)
    return folder


@pytest.mark.slow
def test_the_hook_finds(checkout: Path, home: Path, repository: Path) -> None:
    pytest.importorskip("pre_commit")
    done = pre_commit("try-repo", str(checkout), "mlint", "--all-files", "--verbose", cwd=repository, home=home)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "bad.py:4:5: ML501" in done.stdout
    assert "explore.ipynb:cell 1:4:5: ML501" in done.stdout
    assert "made" not in done.stdout
    assert "files were modified" not in done.stdout
    assert (repository / "bad.py").read_text() == BAD


@pytest.mark.slow
def test_the_fixing_hook_fixes_and_fails_once(checkout: Path, home: Path, repository: Path) -> None:
    pytest.importorskip("pre_commit")
    arguments = ("try-repo", str(checkout), "mlint-fix", "--all-files", "--verbose")
    done = pre_commit(*arguments, cwd=repository, home=home)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "files were modified by this hook" in done.stdout
    assert (repository / "bad.py").read_text() == GOOD
    assert (repository / "made" / "bad.py").read_text() == BAD
    fixed = NOTEBOOK.replace("torch.log(torch.softmax(x, dim=-1))", "torch.log_softmax(x, dim=-1)")
    assert (repository / "explore.ipynb").read_text() == fixed
    done = pre_commit(*arguments, cwd=repository, home=home)
    assert done.returncode == 0, done.stdout + done.stderr


STAND_IN = """
__version__ = "2.9.0"
Tensor = set_num_threads = manual_seed = lambda *_: None
class cuda:
    is_available = staticmethod(lambda: False)
class utils:
    class data:
        DataLoader = object
from . import nn
"""


@pytest.fixture
def pushing(tmp_path: Path, checkout: Path) -> tuple[Path, dict[str, str]]:
    """A user's repository with the hook at pre-push, a remote, and `mlint` on the path as in an active environment.

    Torch is a stand-in, since what the hook is to show happens when the model is imported.
    """
    folder, remote = tmp_path / "user", tmp_path / "remote.git"
    (folder / "torch").mkdir(parents=True)
    (folder / "torch" / "__init__.py").write_text(STAND_IN)
    (folder / "torch" / "nn.py").write_text("class Module: pass\n")
    (folder / "model.py").write_text("def build():\n    return 1\n")
    (folder / "pyproject.toml").write_text(
        '[[tool.mlint.smoke.target]]\nmodel = "model:build"\nbatch = "float32[2]"\n[tool.mlint.smoke]\ntimeout = "2s"\n'
    )
    commit = run("git", "rev-parse", "HEAD", cwd=checkout).stdout.strip()
    (folder / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {checkout}\n  rev: {commit}\n  hooks:\n  - id: mlint-smoke\n"
    )
    scripts = tmp_path / "bin"
    scripts.mkdir()
    command = scripts / "mlint"
    command.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(checkout)!r})\n"
        "from mlint.cli import main\nsys.exit(main())\n"
    )
    command.chmod(0o755)
    git("init", "-q", "-b", "main", cwd=folder)
    git("init", "-q", "--bare", str(remote), cwd=folder)
    git("remote", "add", "origin", str(remote), cwd=folder)
    env = {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "PRE_COMMIT_HOME": str(tmp_path / "home")}
    env["PRE_COMMIT_COLOR"] = "never"
    return folder, env


def commit_and_push(folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    git("add", "-A", cwd=folder)
    git("commit", "-q", "-m", "a change", cwd=folder)
    return run("git", "push", "origin", "main", cwd=folder, env=env)


@pytest.mark.slow
def test_the_smoke_hook_stops_a_push(pushing: tuple[Path, dict[str, str]]) -> None:
    pytest.importorskip("pre_commit")
    folder, env = pushing
    done = run(sys.executable, "-m", "pre_commit", "install", "--hook-type", "pre-push", cwd=folder, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    for code, expected in (
        ("import sys\nsys.exit(0)\n", "MS004 importing model ends the process: sys.exit(0)"),
        ("import os\nos._exit(0)\n", "MS004 importing model ends the process: os._exit(0)"),
        ("import ctypes\nctypes.string_at(0)\n", "MS004 importing model was killed by SIGSEGV"),
        ("raise MemoryError\n", "MS004 importing model runs out of memory"),
        ("while True:\n    pass\n", "MS003 importing model did not end within 2 s"),
        ("import nothing_there\n", "MS001 importing model raises ModuleNotFoundError"),
    ):
        (folder / "model.py").write_text(code)
        done = commit_and_push(folder, env)
        assert done.returncode == 1, done.stdout + done.stderr
        assert expected in done.stdout + done.stderr
        assert "exit code: 1" in done.stdout + done.stderr
    (folder / "torch" / "__init__.py").write_text("raise ModuleNotFoundError(name='torch')\n")
    (folder / "model.py").write_text("x = 1\n")
    done = commit_and_push(folder, env)
    assert "MS005 there is no torch in " in done.stdout + done.stderr
    (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    done = commit_and_push(folder, env)
    assert "nothing to check: there is no [[tool.mlint.smoke.target]]" in done.stdout + done.stderr
    assert "exit code: 2" in done.stdout + done.stderr
    by_hand = run(
        sys.executable, "-m", "pre_commit", "run", "mlint-smoke", "--hook-stage", "manual", "--all-files",
        cwd=folder, env=env,
    )  # fmt: skip
    assert "exit code: 2" in by_hand.stdout + by_hand.stderr
    skipped = run(sys.executable, "-m", "pre_commit", "run", "--all-files", cwd=folder, env=env)
    assert (skipped.returncode, skipped.stdout) == (0, "")
