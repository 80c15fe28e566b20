"""Targeted versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlint.model.versions import Versions


@pytest.mark.parametrize(
    ("target", "condition", "holds"),
    [
        ("2.6", ">=2.4", True),
        ("2.6", ">=2.6", True),
        ("2.3", ">=2.4", False),
        (">=2.4", ">=2.4", True),
        (">=2.1,<3", ">=2.4", False),
        (">=2.1,<3", "<3", True),
        ("~=1.4", "<2", True),
        ("~=1.4.2", "<1.5", True),
        ("==1.26.4", "<2", True),
        ("<2", "<2", True),
        (">=1.20", "<2", False),
        ("2.10", ">=2.9", True),
    ],
)
def test_satisfies(target: str, condition: str, holds: bool) -> None:
    assert Versions({"torch": target}).satisfies("torch", condition) is holds


def test_unknown_is_no() -> None:
    versions = Versions({})
    assert not versions.satisfies("torch", ">=1.0")
    assert not versions.satisfies("torch", "<99")


def test_dependency_files(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["torch>=2.4", "scikit-learn==1.3"]\n')
    (tmp_path / "requirements.txt").write_text(
        "# pinned\nnumpy==1.26.4  # old\npandas>=2 ; python_version > '3.9'\n-r other\n"
    )
    versions = Versions({"pandas": "1.5"}, str(tmp_path))
    assert versions.satisfies("torch", ">=2.4")
    assert versions.satisfies("sklearn", "<1.4")
    assert versions.satisfies("numpy", "<2")
    assert versions.satisfies("pandas", "<2"), "the settings come first"
