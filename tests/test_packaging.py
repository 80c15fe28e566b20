"""mlint works as a wheel, as an editable install and in a clone that is not installed.

Nothing is downloaded: the wheel is built with the hatchling that the tests run with, and what mlint depends on is lent
to the fresh environments by a path file. `.ci/run` installs the same wheel with its dependencies from the index.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

import mlint

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("mlint", "rules", "pyproject.toml", "hatch_build.py", "README.md", "LICENSE")
LENT = ("libcst", "pathspec", "tomli", "yaml", "hatchling", "packaging", "pluggy", "trove_classifiers", "editables")

CODE = "import torch\n\n\ndef f(x):\n    return torch.log(torch.softmax(x, dim=-1))\n"
QUESTION = """
import json, mlint.registry
index = mlint.registry.load_index()
rules = [entry for entry in index.entries if entry.module.startswith("mlint.rules.")]
for entry in rules:
    assert mlint.registry.load_rule(entry).code == entry.code
print(json.dumps({"package": mlint.__file__, "rules": [entry.code for entry in rules]}))
"""


def rule_files() -> int:
    """How many rules the checkout has: every file of a family is one."""
    return sum(path.name != "__init__.py" for path in (ROOT / "rules").glob("*/*.py"))


def run(*command: str | Path, cwd: Path, expect: int = 0, variables: Mapping[str, str] = MappingProxyType({})) -> str:
    """The output of a command that must end with a given exit code."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MLINT_"))}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**clean, **variables}, capture_output=True, text=True
    )
    assert done.returncode == expect, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def copy_of_checkout(folder: Path) -> Path:
    """The checkout without what git ignores, in a folder of its own."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(
                source, folder / part, ignore=shutil.ignore_patterns("__pycache__", "_index.json", ".*cache")
            )
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(source, folder / part)
    return folder


def environment(folder: Path) -> Path:
    """A fresh virtual environment that can import what mlint depends on; its Python."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    lent = folder / "lent"
    lent.mkdir()
    for name in LENT:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            path = Path(spec.origin)
            target = path.parent if path.name == "__init__.py" else path
            os.symlink(target, lent / target.name)
            for native in target.parent.glob(f"_{name}*.so"):  # the compiled half of yaml
                os.symlink(native, lent / native.name)
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    (Path(site) / "lent.pth").write_text(f"{lent}\n", encoding="utf-8")
    return python


def pip_install(python: Path, *arguments: str | Path) -> None:
    """Install into the environment of a Python, with this environment's pip and without the network."""
    options = ["install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    run(sys.executable, "-m", "pip", "--python", python, *options, *arguments, cwd=python.parent)


def answer(python: Path, cwd: Path, **variables: str) -> dict[str, Any]:
    """Where the package is imported from, and the rules that it finds."""
    return dict(json.loads(run(python, "-c", QUESTION, cwd=cwd, variables=variables)))


def lint(command: list[str | Path], folder: Path, **variables: str) -> None:
    """The command finds the planted mistake, and fixes it."""
    path = folder / "train.py"
    path.write_text(CODE, encoding="utf-8")
    arguments: list[str | Path] = ["--isolated", "--no-cache", "--output-format", "concise", path.name]
    output = run(*command, *arguments, cwd=folder, expect=1, variables=variables)
    assert "train.py:5:12: ML501" in output
    run(*command, *arguments, "--fix", cwd=folder, variables=variables)
    assert "torch.log_softmax(x, dim=-1)" in path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_of_checkout(folder / "source")
    (source / "rules" / "_index.json").write_text("made by a run in the checkout", encoding="utf-8")
    before = {path for path in source.rglob("*") if path.is_file()}
    code = f"import hatchling.build; hatchling.build.build_wheel({str(folder)!r})"
    run(sys.executable, "-c", code, cwd=source)
    left = {path for path in source.rglob("*") if path.is_file()} - before
    assert {path.name.split(".")[0] for path in left} <= {"hatch_build"}, "the build left something in the checkout"
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_contents(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        index = json.loads(archive.read("mlint/rules/_index.json"))
    assert len(names) == len(set(names))
    rules = [name for name in names if name.startswith("mlint/rules/") and name.endswith(".py")]
    assert "mlint/rules/__init__.py" in rules
    assert sum(not name.endswith("__init__.py") for name in rules) == rule_files()
    assert "mlint/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert index
    tops = {name.split("/")[0] for name in names}
    assert tops == {"mlint", f"mlint-{mlint.__version__}.dist-info"}, "a wheel adds nothing beside the package"


def test_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "environment")
    pip_install(python, wheel)
    found = answer(python, tmp_path)
    assert Path(found["package"]).is_relative_to(tmp_path / "environment")
    assert len(found["rules"]) == rule_files() > 0
    lint([python.parent / "mlint"], tmp_path)
    lint([python, "-m", "mlint"], tmp_path)


def test_rules_folder_beside_an_installed_package_is_not_taken(wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "environment")
    pip_install(python, wheel)
    site = Path(answer(python, tmp_path)["package"]).parent.parent
    (site / "rules").mkdir()
    (site / "rules" / "__init__.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    assert len(answer(python, tmp_path)["rules"]) == rule_files()


def test_wheel_that_cannot_write_into_its_folder(wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "environment")
    pip_install(python, wheel)
    package = Path(answer(python, tmp_path)["package"]).parent
    index = package / "rules" / "_index.json"
    content, changed = index.read_bytes(), index.stat().st_mtime_ns
    lint([python, "-m", "mlint"], tmp_path)
    assert index.read_bytes() == content
    assert index.stat().st_mtime_ns == changed


def test_editable_install(tmp_path: Path) -> None:
    source = copy_of_checkout(tmp_path / "checkout")
    python = environment(tmp_path / "environment")
    pip_install(python, "--editable", source)
    found = answer(python, tmp_path)
    assert Path(found["package"]).is_relative_to(source)
    assert len(found["rules"]) == rule_files()
    lint([python.parent / "mlint"], tmp_path)


def test_editable_install_sees_new_and_removed_rules(tmp_path: Path) -> None:
    source = copy_of_checkout(tmp_path / "checkout")
    python = environment(tmp_path / "environment")
    pip_install(python, "--editable", source)
    before = answer(python, tmp_path)["rules"]
    (rule,) = (path for path in (source / "rules" / "numerics").glob("*.py") if '"ML501"' in path.read_text("utf-8"))
    content = rule.read_text("utf-8")
    added = rule.with_name("packaging_probe.py")
    added.write_text(content.replace('"ML501"', '"ML599"').replace('"log-of-softmax"', '"packaging-probe"'), "utf-8")
    assert answer(python, tmp_path)["rules"] == sorted([*before, "ML599"])
    added.unlink()
    assert answer(python, tmp_path)["rules"] == before


def test_uninstalled_clone(tmp_path: Path) -> None:
    source = copy_of_checkout(tmp_path / "checkout")
    python = environment(tmp_path / "environment")
    found = answer(python, tmp_path, PYTHONPATH=str(source))
    assert Path(found["package"]).is_relative_to(source)
    assert len(found["rules"]) == rule_files()
    lint([python, "-m", "mlint"], tmp_path, PYTHONPATH=str(source))
