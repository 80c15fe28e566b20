"""The programs of examples/: something is found in each, and what the fixes leave still runs."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def mlint(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlint", "--no-cache", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the examples after all fixes."""
    folder = tmp_path_factory.mktemp("fixed") / "examples"
    shutil.copytree(ROOT / "examples", folder)
    done = mlint("--fix", "--unsafe-fixes", ".", folder=folder)
    assert done.returncode in (0, 1), done.stderr
    return folder


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_something_is_found(path: Path) -> None:
    done = mlint("--output-format", "json", path.name, folder=path.parent)
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)


def test_nothing_fixable_is_left(fixed: Path) -> None:
    done = mlint("--output-format", "json", "--unsafe-fixes", ".", folder=fixed)
    left = [row["code"] for row in json.loads(done.stdout) if row["fix"] is not None]
    assert left == []


@pytest.mark.parametrize("name", [path.name for path in EXAMPLES])
def test_it_runs_after_the_fixes(name: str, fixed: Path) -> None:
    text = (fixed / name).read_text(encoding="utf-8")
    assert text != (ROOT / "examples" / name).read_text(encoding="utf-8")
    roots = {
        (node.module or "").partition(".")[0]
        if isinstance(node, ast.ImportFrom)
        else node.names[0].name.partition(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    lacking = sorted(root for root in roots if importlib.util.find_spec(root) is None)
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}")
    done = subprocess.run(
        [sys.executable, name], cwd=fixed, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
