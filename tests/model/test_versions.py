"""Targeted versions: from the settings, else from every kind of dependency file."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
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
        ("2", "<2.1", False),
        (">=1.24,<2", ">=1.24,<2", True),
        ("!=2.0", "<2", False),
    ],
)
def test_satisfies(target: str, condition: str, holds: bool) -> None:
    assert Versions({"torch": target}).satisfies("torch", condition) is holds


def test_unknown_is_no() -> None:
    versions = Versions({})
    assert not versions.satisfies("torch", ">=1.0")
    assert not versions.satisfies("torch", "<99")


def test_a_library_has_the_name_that_it_is_imported_by_and_that_of_its_distribution() -> None:
    for written in ("sklearn", "scikit-learn", "Scikit_Learn"):
        versions = Versions({written: "1.3"})
        assert versions.satisfies("sklearn", "<1.4")
        assert versions.satisfies("scikit-learn", "<1.4")


def made(folder: Path, files: Mapping[str, str]) -> Versions:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return Versions({}, str(folder))


LOCK = """
version = 1

[[package]]
name = "torch"
version = "2.5.1"

[[package]]
name = "scikit-learn"
version = "1.5.0"
"""

KINDS: list[tuple[str, str, str, str]] = [
    (
        "pyproject.toml",
        """
        [project]
        dependencies = ["torch[extra]>=2.4", "scikit-learn==1.3 ; os_name == 'nt'"]
        """,
        ">=2.4",
        "<1.4",
    ),
    (
        "pyproject.toml",
        """
        [project.optional-dependencies]
        gpu = ["torch>=2.4"]
        dev = ["scikit_learn<1.4"]
        """,
        ">=2.4",
        "<1.4",
    ),
    (
        "pyproject.toml",
        """
        [dependency-groups]
        dev = ["torch~=2.4", "scikit-learn<1.4", {include-group = "x"}]
        """,
        ">=2.4,<3",
        "<1.4",
    ),
    (
        "pyproject.toml",
        """
        [tool.poetry.dependencies]
        python = "^3.10"
        torch = "^2.4"
        scikit-learn = {version = "~1.3", optional = true}
        """,
        ">=2.4,<3",
        ">=1.3,<1.4",
    ),
    (
        "pyproject.toml",
        """
        [tool.poetry.group.dev.dependencies]
        torch = "2.4.*"
        scikit-learn = [{version = "<1.2", python = "<3.9"}, {version = "~1.3", python = ">=3.9"}]
        """,
        ">=2.4.dev0,<2.5",
        "<1.4",
    ),
    (
        "pyproject.toml",
        """
        [tool.pdm.dev-dependencies]
        test = ["torch==2.4.1", "scikit-learn<1.4"]
        """,
        ">=2.4",
        "<1.4",
    ),
    (
        "pyproject.toml",
        """
        [tool.hatch.envs.default]
        dependencies = ["torch==2.4.1", "scikit-learn<1.4"]
        """,
        ">=2.4",
        "<1.4",
    ),
    (
        "requirements.txt",
        """
        # pinned
        --extra-index-url https://host/whl
        torch==2.4.1+cu118  # gpu
        scikit-learn<1.4 ; python_version > '3.9'
        """,
        ">=2.4",
        "<1.4",
    ),
    (
        "requirements.txt",
        """
        torch==2.4.1 \\
            --hash=sha256:abc \\
            --hash=sha256:def
        scikit-learn==1.3.0 \\
          --hash=sha256:123
        """,
        ">=2.4",
        "<1.4",
    ),
    (
        "requirements/base.txt",
        """
        torch>=2.4,<3
        scikit-learn<1.4
        """,
        ">=2.4,<3",
        "<1.4",
    ),
    (
        "requirements-dev.txt",
        """
        torch>=2.4
        scikit-learn<1.4
        """,
        ">=2.4",
        "<1.4",
    ),
    (
        "requirements.txt",
        """
        torch @ https://host/whl/cu118/torch-2.4.0%2Bcu118-cp310-cp310-linux_x86_64.whl
        scikit-learn<1.4
        """,
        "==2.4",
        "<1.4",
    ),
    (
        "setup.cfg",
        """
        [metadata]
        name = x
        [options]
        install_requires =
            torch>=2.4
        [options.extras_require]
        ml =
            scikit-learn<1.4
        """,
        ">=2.4",
        "<1.4",
    ),
    (
        "setup.py",
        """
        from setuptools import setup
        NEEDS = ['torch>=2.4']
        setup(name='x', install_requires=NEEDS, extras_require={'ml': ['scikit-learn<1.4']})
        """,
        ">=2.4",
        "<1.4",
    ),
    ("uv.lock", LOCK, "==2.5.1", "==1.5.0"),
    ("poetry.lock", LOCK, "==2.5.1", "==1.5.0"),
    ("pdm.lock", LOCK, "==2.5.1", "==1.5.0"),
    (
        "Pipfile",
        """
        [packages]
        torch = ">=2.4"
        [dev-packages]
        scikit-learn = {version = "<1.4"}
        """,
        ">=2.4",
        "<1.4",
    ),
    (
        "Pipfile.lock",
        """
        {"default": {"torch": {"version": "==2.4.1"}}, "develop": {"scikit-learn": {"version": "==1.3.2"}}}
        """,
        "==2.4.1",
        "<1.4",
    ),
    (
        "environment.yml",
        """
        name: x
        channels:
          - pytorch
        dependencies:
          - python=3.10
          - pytorch::pytorch=2.4.1=py310_cuda  # gpu
          - pip:
            - scikit-learn<1.4
          - pandas
        """,
        ">=2.4,<2.5",
        "<1.4",
    ),
    (
        "environment.yaml",
        """
        dependencies:
        - pytorch>=2.4
        - scikit-learn=1.3
        name: x
        """,
        ">=2.4",
        ">=1.3,<1.4",
    ),
]


@pytest.mark.parametrize(("name", "text", "torch", "sklearn"), KINDS)
def test_every_kind_of_file(name: str, text: str, torch: str, sklearn: str, tmp_path: Path) -> None:
    versions = made(tmp_path, {name: text})
    assert versions.satisfies("torch", torch)
    assert versions.satisfies("sklearn", sklearn)
    assert not versions.satisfies("torch", "<2.4")
    assert versions.target("numpy") is None


def test_includes_and_constraints(tmp_path: Path) -> None:
    versions = made(
        tmp_path,
        {
            "requirements.txt": "-r deps/more.txt\n-c deps/pins.txt\ntorch\n-r absent.txt\n",
            "deps/more.txt": "-r ../requirements.txt\nnumpy>=1.20\n",
            "deps/pins.txt": "torch==2.3.0\nnumpy<2\n",
        },
    )
    assert versions.satisfies("torch", "==2.3.0")
    assert versions.satisfies("numpy", ">=1.20,<2")


def test_the_settings_come_first(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("pandas>=2\n")
    assert Versions({"pandas": "1.5"}, str(tmp_path)).satisfies("pandas", "<2")


def test_a_lock_wins_over_the_range_of_an_application(tmp_path: Path) -> None:
    versions = made(tmp_path, {"pyproject.toml": '[project]\ndependencies = ["torch>=1.8"]\n', "uv.lock": LOCK})
    assert versions.satisfies("torch", "==2.5.1")


def test_the_range_of_a_package_wins_over_its_lock(tmp_path: Path) -> None:
    """Who installs the package gets any version in its range."""
    versions = made(
        tmp_path,
        {
            "pyproject.toml": '[build-system]\nrequires = ["hatchling"]\n[project]\ndependencies = ["torch>=1.8"]\n',
            "uv.lock": LOCK,
        },
    )
    assert not versions.satisfies("torch", ">=2.0")
    assert versions.satisfies("torch", ">=1.8")
    assert versions.satisfies("sklearn", "==1.5.0"), "where the ranges are silent the lock tells"


def test_what_is_required_counts_before_extras_and_groups(tmp_path: Path) -> None:
    versions = made(
        tmp_path,
        {
            "pyproject.toml": """
                [project]
                dependencies = ["numpy>=1.20"]
                optional-dependencies = { old = ["numpy<1.22", "torch<2"], new = ["torch>=2.2,<3"] }
                [dependency-groups]
                dev = ["numpy==1.26.4"]
            """
        },
    )
    assert not versions.satisfies("numpy", "<2")
    assert not versions.satisfies("torch", "<2")
    assert not versions.satisfies("torch", ">=2.2")
    assert versions.satisfies("torch", "<3")


def test_lines_for_different_environments_are_alternatives(tmp_path: Path) -> None:
    versions = made(
        tmp_path,
        {"requirements.txt": "numpy<2 ; python_version < '3.9'\nnumpy>=2 ; python_version >= '3.9'\nnumpy<3\n"},
    )
    assert not versions.satisfies("numpy", "<2")
    assert not versions.satisfies("numpy", ">=2")
    assert versions.satisfies("numpy", "<3")


def test_the_closest_folder_that_names_the_library(tmp_path: Path) -> None:
    versions = made(
        tmp_path,
        {
            "pyproject.toml": '[project]\ndependencies = ["torch>=2.2", "numpy>=1.26"]\n',
            "examples/old/requirements.txt": "torch==1.13.1\nnumpy\n",
            "examples/old/src/train.py": "",
        },
    )
    inside = versions.near(str(tmp_path / "examples/old/src/train.py"))
    assert inside.satisfies("torch", "<2")
    assert inside.satisfies("numpy", ">=1.26"), "a line without a version says nothing"
    assert versions.near(str(tmp_path / "main.py")).satisfies("torch", ">=2.2")
    assert versions.near(str(tmp_path / "examples/new.py")).satisfies("torch", ">=2.2")
    assert str(tmp_path / "examples/old/requirements.txt") in inside.consulted()
    assert str(tmp_path / "examples/old/src/pyproject.toml") in inside.consulted(), "it may appear"


def test_nothing_above_the_root_is_read(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("torch==1.0\n")
    inner = tmp_path / "project"
    inner.mkdir()
    assert Versions({}, str(inner)).near(str(inner / "a.py")).target("torch") is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pyproject.toml", b"[project\n"),
        ("pyproject.toml", b'project = 3\n[tool]\npoetry = "x"\n'),
        ("pyproject.toml", b'[project]\ndependencies = "torch"\noptional-dependencies = [1]\n'),
        ("uv.lock", b"package = 3\n"),
        ("Pipfile.lock", b"[1, 2"),
        ("Pipfile.lock", b"[1, 2]"),
        ("setup.py", b"def (\n"),
        ("setup.py", b"x = 1\x00\n"),
        ("setup.cfg", b"install_requires = torch\n"),
        ("environment.yml", b"\xff\xfe\x00dependencies:\n"),
        ("requirements.txt", b"torch=>=2\n\xff\xff==1\ntorch ~= x\n"),
    ],
)
def test_damaged_files_say_nothing(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert Versions({}, str(tmp_path)).target("torch") is None


def test_a_setup_script_that_computes_its_requirements_says_nothing(tmp_path: Path) -> None:
    versions = made(
        tmp_path,
        {
            "setup.py": "from setuptools import setup\nneeds = ['torch>=2']\nif gpu:\n    needs = ['torch<2']\n"
            "setup(install_requires=needs)\n"
        },
    )
    assert versions.target("torch") is None


def test_python(tmp_path: Path) -> None:
    versions = made(tmp_path, {"pyproject.toml": '[project]\nrequires-python = ">=3.10"\n'})
    assert versions.satisfies("python", ">=3.9")
