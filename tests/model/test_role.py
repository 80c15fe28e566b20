"""Entry point, library module, test or notebook."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlint.model.project import Project


def role(folder: Path, name: str, files: Mapping[str, str]) -> str:
    for place, text in files.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    model = Project((str(folder),)).model(str(folder / name))
    assert model is not None
    return model.role.name


ENTRY = [
    "if __name__ == '__main__':\n    main()\n",
    "if '__main__' == __name__:\n    main()\n",
    "import click\n@click.command()\n@click.option('--n')\ndef main(n): pass\n",
    "from click import group\n@group\ndef main(): pass\n",
    "import typer\napp = typer.Typer()\n@app.command()\ndef run(): pass\n",
    "import hydra\n@hydra.main(config_path='conf')\ndef main(cfg): pass\n",
    "import fire\nfire.Fire(run)\n",
    "from argparse import ArgumentParser\nparser = ArgumentParser()\nargs = parser.parse_args()\n",
    "#!/usr/bin/env python3\nfrom train import main\n",
    "model = build()\nfor epoch in range(3):\n    train(model)\n",
    "import numpy as np\nprint(np.random.rand(3))\n",
    "import tensorflow as tf\nwith tf.device('gpu'):\n    model.fit(x)\n",
    "with open('a') as f, open('b') as g:\n    with torch.no_grad():\n        for line in f:\n            run(line)\n",
]
LIBRARY = [
    "",
    "def train(): pass\n",
    "import warnings\nwarnings.filterwarnings('ignore')\ndef train(): pass\n",
    "import logging\nlogger = logging.getLogger(__name__)\nlogger.setLevel(10)\ndef train(): pass\n",
    "import os, sys\nsys.path.append('..')\nos.environ.setdefault('A', 'b')\nclass Model: pass\n",
    "import matplotlib\nmatplotlib.use('Agg')\ndef plot(): pass\n",
    "import warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    import torch\n",
    "import json\nwith open('names.json') as f:\n    NAMES = json.load(f)\ndef train(): pass\n",
    "import argparse\ndef arguments():\n    return argparse.ArgumentParser().parse_args()\n",
    "class App:\n    def command(self): return lambda f: f\napp = App()\n@app.command()\ndef run(): pass\n",
]


@pytest.mark.parametrize("text", ENTRY)
def test_entry_points(text: str, tmp_path: Path) -> None:
    assert role(tmp_path, "a.py", {"a.py": text}) == "entry point"


@pytest.mark.parametrize("text", LIBRARY)
def test_library_modules(text: str, tmp_path: Path) -> None:
    assert role(tmp_path, "a.py", {"a.py": text}) == "library module"


def test_modules_of_a_package(tmp_path: Path) -> None:
    files = {"pkg/__init__.py": "register()\n", "pkg/a.py": "#!/usr/bin/env python\nprint(1)\n", "pkg/__main__.py": ""}
    assert role(tmp_path, "pkg/a.py", files) == "library module"
    assert role(tmp_path, "pkg/__init__.py", files) == "library module"
    assert role(tmp_path, "pkg/__main__.py", files) == "entry point"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[project.scripts]\ntrain = "pkg.cli:main"\n'),
        ("pyproject.toml", '[tool.poetry.scripts]\ntrain = "pkg.cli:main"\n'),
        ("setup.cfg", "[options.entry_points]\nconsole_scripts =\n    train = pkg.cli:main\n"),
        ("setup.py", "setup(entry_points={'console_scripts': ['train=pkg.cli:main']})\n"),
    ],
)
def test_commands_of_a_package(name: str, text: str, tmp_path: Path) -> None:
    for place in ("pkg", "src/pkg"):
        files = {name: text, f"{place}/__init__.py": "", f"{place}/cli.py": "def main(): pass\n", f"{place}/a.py": ""}
        assert role(tmp_path, f"{place}/cli.py", files) == "entry point"
        assert role(tmp_path, f"{place}/a.py", files) == "library module"


@pytest.mark.parametrize("text", ["[project\n", "[project]\nscripts = 3\n", '[project.scripts]\na = 1\nb = "x y"\n'])
def test_a_damaged_packaging_file_names_no_command(text: str, tmp_path: Path) -> None:
    files = {"pyproject.toml": text, "pkg/__init__.py": "", "pkg/a.py": ""}
    assert role(tmp_path, "pkg/a.py", files) == "library module"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tests/a.py", "print(1)\n"),
        ("pkg/test_a.py", ""),
        ("pkg/a_test.py", ""),
        ("conftest.py", ""),
        ("checks.py", "import unittest\nclass A(unittest.TestCase): pass\nif __name__ == '__main__': main()\n"),
        ("checks.py", "from unittest import TestCase as T\nclass A(T):\n    pass\n"),
        ("checks.py", "import pytest\ndef test_a(): pass\n"),
        ("checks.py", "import pytest\nclass TestA:\n    def test_a(self): pass\n"),
    ],
)
def test_tests(name: str, text: str, tmp_path: Path) -> None:
    assert role(tmp_path, name, {name: text}) == "test"


def test_what_is_only_called_so_is_no_test(tmp_path: Path) -> None:
    assert role(tmp_path, "latest/a.py", {"latest/a.py": ""}) == "library module"
    text = "def test_step(model): pass\nclass TestTimeAugmentation: pass\n"
    assert role(tmp_path, "a.py", {"a.py": text}) == "library module"


def test_where_somebody_keeps_the_project_says_nothing(tmp_path: Path) -> None:
    project = tmp_path / "tests" / "project"
    assert role(project, "a.py", {"a.py": ""}) == "library module"
    assert role(project, "tests/a.py", {"tests/a.py": ""}) == "test"


def test_notebooks_as_text(tmp_path: Path) -> None:
    text = "# ---\n# jupyter:\n#   jupytext:\n#     text_representation:\n# ---\n\n# %%\nx = 1\n"
    assert role(tmp_path, "a.py", {"a.py": text}) == "notebook"
