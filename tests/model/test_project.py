"""First-party imports: where they lead, in every layout of a project."""

from __future__ import annotations

import ast
import os
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlint.model.file import FileModel
from mlint.model.project import Project
from mlint.model.search_path import added_folders


def written(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


def opened(folder: Path, name: str, roots: tuple[str, ...] = (".", "src")) -> FileModel:
    """The model of a file as the engine makes it."""
    project = Project(tuple(str(folder / root) for root in roots))
    model = project.model(str(folder / name))
    assert model is not None
    project.begin(model)
    return model


def leads(folder: Path, importer: str, dotted: str, roots: tuple[str, ...] = (".", "src")) -> str | None:
    """``file:name`` of what a dotted name means in a file."""
    project = opened(folder, importer, roots).project
    assert project is not None
    found = project.definition(dotted, str(folder / importer))
    if found is None:
        return None
    model, node = found
    assert isinstance(node, (ast.FunctionDef, ast.ClassDef))
    return f"{Path(model.source.path).relative_to(folder).as_posix()}:{node.name}"


A = {"a.py": ""}
F = "def f(): pass\n"


@pytest.mark.parametrize(
    ("files", "importer", "dotted", "expected"),
    [
        ({**A, "b.py": F}, "a.py", "b.f", "b.py:f"),
        ({"scripts/a.py": "", "scripts/b.py": F}, "scripts/a.py", "b.f", "scripts/b.py:f"),
        ({"scripts/a.py": "", "src/pkg/__init__.py": "", "src/pkg/b.py": F},
         "scripts/a.py", "pkg.b.f", "src/pkg/b.py:f"),
        ({"scripts/a.py": "", "pkg/__init__.py": "", "pkg/b.py": F}, "scripts/a.py", "pkg.b.f", "pkg/b.py:f"),
        ({"pkg/__init__.py": "", "pkg/a.py": "", "pkg/b.py": F}, "pkg/a.py", ".b.f", "pkg/b.py:f"),
        ({"pkg/__init__.py": F, "pkg/a.py": ""}, "pkg/a.py", ".f", "pkg/__init__.py:f"),
        ({"pkg/__init__.py": "", "pkg/x/__init__.py": "", "pkg/x/a.py": "", "pkg/y/b.py": F}, "pkg/x/a.py", "..y.b.f",
         "pkg/y/b.py:f"),
        ({"pkg/__init__.py": "", "pkg/a.py": "", "pkg/b.py": F}, "pkg/a.py", "pkg.b.f", "pkg/b.py:f"),
        ({"space/part/b.py": F, "a.py": ""}, "a.py", "space.part.b.f", "space/part/b.py:f"),
        # A package comes before a module of its name.
        ({**A, "b.py": F, "b/__init__.py": F}, "a.py", "b.f", "b/__init__.py:f"),
        # Inside a package an absolute import means the module outside.
        ({"pkg/__init__.py": "", "pkg/a.py": "", "pkg/b.py": F, "b.py": F}, "pkg/a.py", "b.f", "b.py:f"),
        ({"pkg/__init__.py": "", "pkg/a.py": "", "pkg/b.py": F}, "pkg/a.py", "b.f", "pkg/b.py:f"),
        # A project inside the repository.
        ({"libs/one/pyproject.toml": "", "libs/one/src/one/m.py": F, "libs/one/checks/a.py": ""},
         "libs/one/checks/a.py",
         "one.m.f", "libs/one/src/one/m.py:f"),
        # Re-exports.
        ({**A, "pkg/__init__.py": "from .b import f\n", "pkg/b.py": F}, "a.py", "pkg.f", "pkg/b.py:f"),
        ({**A, "pkg/__init__.py": "from .b import *\n", "pkg/b.py": F}, "a.py", "pkg.f", "pkg/b.py:f"),
        ({**A, "pkg/__init__.py": "from pkg.b import g as f\n", "pkg/b.py": "def g(): pass\n"}, "a.py", "pkg.f",
         "pkg/b.py:g"),
        ({**A, "pkg/__init__.py": "from . import b\n", "pkg/b.py": F}, "a.py", "pkg.b.f", "pkg/b.py:f"),
        ({**A, "pkg/__init__.py": "from .deep import b\n", "pkg/deep/b.py": F}, "a.py", "pkg.b.f",
         "pkg/deep/b.py:f"),
        ({**A, "pkg/__init__.py": "from .b import *\n", "pkg/b.py": "__all__ = ['f']\nfrom .c import f\n",
          "pkg/c.py": F}, "a.py", "pkg.f", "pkg/c.py:f"),
        ({**A, "pkg/__init__.py": "from .b import *\n", "pkg/b.py": "__all__ = ['g']\n" + F}, "a.py", "pkg.f",
         None),
        ({**A, "pkg/__init__.py": "from .b import *\n", "pkg/b.py": "def _f(): pass\n"}, "a.py", "pkg._f", None),
        ({**A, "pkg/__init__.py": "f = _f\nfrom .b import _f\n", "pkg/b.py": "def _f(): pass\n"}, "a.py", "pkg.f",
         "pkg/b.py:_f"),
        # Packages that import when asked.
        ({**A, "pkg/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .b import f\n"
          "def __getattr__(name): ...\n", "pkg/b.py": F}, "a.py", "pkg.f", "pkg/b.py:f"),
        ({**A, "pkg/__init__.py": "_NAMES = {'b': ['f']}\ndef __getattr__(name): ...\n", "pkg/b.py": F}, "a.py",
         "pkg.f", "pkg/b.py:f"),
        ({**A, "pkg/__init__.py": "_NAMES = {'f': 'pkg.b'}\ndef __getattr__(name): ...\n", "pkg/b.py": F}, "a.py",
         "pkg.f", "pkg/b.py:f"),
        ({**A, "pkg/__init__.py": "_NAMES = {'f': ('.b', 'f')}\ndef __getattr__(name): ...\n", "pkg/b.py": F},
         "a.py", "pkg.f", "pkg/b.py:f"),
        ({**A, "pkg/__init__.py": "NAMES = {'b': ['f']}\n", "pkg/b.py": F}, "a.py", "pkg.f", None),
        # Methods, also inherited ones.
        ({**A, "b.py": "class C:\n    def f(self): pass\n"}, "a.py", "b.C.f", "b.py:f"),
        ({**A, "b.py": "from c import Base\nclass C(Base): pass\n", "c.py": "class Base:\n    def f(self): pass\n"},
         "a.py", "b.C.f", "c.py:f"),
        # One of several: nobody knows which.
        ({**A, "b.py": "try:\n    from fast import f\nexcept ImportError:\n    def f(): pass\n"}, "a.py", "b.f",
         None),
        ({**A, "b.py": "if fast:\n    def f(): pass\nelse:\n    def f(x): pass\n"}, "a.py", "b.f", None),
        ({**A, "b.py": "from typing import overload\n@overload\ndef f(x: int): ...\n@overload\n"
          "def f(x: str): ...\ndef f(x): pass\n"}, "a.py", "b.f", "b.py:f"),
        # Not the project's.
        ({"pkg/__init__.py": "", "pkg/a.py": "", "pkg/random.py": F}, "pkg/a.py", "random.f", None),
        ({**A, "sys.py": F}, "a.py", "sys.f", None),
        ({**A, "profile.py": F}, "a.py", "profile.f", "profile.py:f"),
        ({**A, "b.py": "f = 3\n"}, "a.py", "b.f", None),
        ({**A, "b.py": "from b import f\n"}, "a.py", "b.f", None),
        ({**A, "b.py": "from c import f\n", "c.py": "from b import f\n"}, "a.py", "b.f", None),
        ({**A, "b.py": "from c import *\n", "c.py": "from b import *\n"}, "a.py", "b.f", None),
        ({**A, "b.py": "def (\n"}, "a.py", "b.f", None),
        ({"a.py": ""}, "a.py", "...........b.f", None),
    ],
)  # fmt: skip
def test_where_a_name_leads(
    files: dict[str, str], importer: str, dotted: str, expected: str | None, tmp_path: Path
) -> None:
    written(tmp_path, files)
    assert leads(tmp_path, importer, dotted) == expected


@pytest.mark.parametrize(
    "statement",
    [
        "sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))",
        "sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + '/lib')",
        "sys.path.append(str(Path(__file__).parent.parent / 'lib'))",
        "sys.path.insert(0, str(Path(__file__).resolve().parents[1].joinpath('lib')))",
        "sys.path += [os.path.realpath(os.path.join(os.path.dirname(__file__), os.pardir, 'lib'))]",
        "sys.path.extend(['../lib'])",
        "HERE = Path(__file__).parent\nROOT = HERE.parent\nsys.path.append(str(ROOT / 'lib'))",
        "def setup():\n    here = os.path.dirname(__file__)\n    sys.path.insert(1, os.path.join(here, '../lib'))",
    ],
)
def test_folders_put_on_the_search_path(statement: str, tmp_path: Path) -> None:
    text = f"import sys, os\nfrom pathlib import Path\n{statement}\n"
    written(tmp_path, {"tools/a.py": text, "lib/b.py": F})
    assert str(tmp_path / "lib") in added_folders(ast.parse(text), str(tmp_path / "tools/a.py"))
    assert leads(tmp_path, "tools/a.py", "b.f", roots=()) == "lib/b.py:f"


@pytest.mark.parametrize(
    "value", ["os.getcwd()", "ROOT", "os.environ['LIB']", "args.path", "__file__.x()", "3", "None"]
)
def test_folders_that_nobody_can_know(value: str, tmp_path: Path) -> None:
    code = f"import sys, os\nsys.path.append({value})\n"
    assert added_folders(ast.parse(code), str(tmp_path / "a.py")) == ()


def test_a_circle_of_folders_ends(tmp_path: Path) -> None:
    written(tmp_path, {"pkg/__init__.py": "", "pkg/a.py": ""})
    try:
        os.symlink(tmp_path / "pkg", tmp_path / "pkg" / "loop", target_is_directory=True)
    except OSError:
        pytest.skip("no symbolic links here")
    assert leads(tmp_path, "pkg/a.py", "pkg.loop.loop.loop.b.f") is None


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    written(tmp_path, {**A, "big.py": F + "#" * 1_100_000})
    (tmp_path / "latin.py").write_bytes(b"def f(): return '\xe9'\n")
    (tmp_path / "nul.py").write_bytes(b"def f(): pass\n\x00")
    (tmp_path / "deep.py").write_text("x = " + "(" * 3000 + ")" * 3000 + "\n" + F)
    for name in ("big", "latin", "nul", "deep", "absent"):
        assert leads(tmp_path, "a.py", f"{name}.f") is None, name


def test_deleted_between_two_questions(tmp_path: Path) -> None:
    written(tmp_path, {**A, "b.py": "from c import f\n", "c.py": F})
    project = Project((str(tmp_path),))
    place = project.locate("c", str(tmp_path / "b.py"))
    assert place is not None
    (tmp_path / "c.py").unlink()
    assert project.definition("b.f", str(tmp_path / "a.py")) is None


def test_what_is_consulted(tmp_path: Path) -> None:
    """All files on the way count, and so do those that would come first if they were there."""
    written(
        tmp_path,
        {
            "a.py": "import pkg\npkg.f()\n",
            "pkg/__init__.py": "from .b import f\n",
            "pkg/b.py": "from .c import g\ndef f(): g()\n",
            "pkg/c.py": "def g(): pass\n",
        },
    )
    model = opened(tmp_path, "a.py")
    assert model.project is not None
    call = next(call for call in model.tree.calls)
    assert model.effects.callee(call) is not None
    model.effects.run_by(call)
    consulted = model.project.consulted(str(tmp_path / "a.py"))
    assert {str(tmp_path / name) for name in ("pkg/__init__.py", "pkg/b.py", "pkg/c.py")} <= consulted
    assert str(tmp_path / "a.py") not in consulted
    assert model.project.definition("other.f", str(tmp_path / "a.py")) is None
    consulted = model.project.consulted(str(tmp_path / "a.py"))
    assert str(tmp_path / "other.py") in consulted
    assert str(tmp_path / "other" / "__init__.py") in consulted
    assert str(tmp_path / "src" / "other.py") in consulted


def test_methods_that_a_class_in_another_file_has(tmp_path: Path) -> None:
    written(
        tmp_path,
        {
            "base.py": "class Base:\n    def __init__(self): pass\n    def seed(self): pass\n",
            "a.py": """
                from base import Base

                class Run(Base):
                    def go(self):
                        self.seed()

                run = Run()
                run.seed()
            """,
        },
    )
    model = opened(tmp_path, "a.py")
    found = [model.effects.callee(call) for call in model.tree.calls]
    names = [None if callee is None else (Path(callee[0].source.path).name, callee[1].name) for callee in found]
    assert names.count(("base.py", "seed")) >= 1
    assert ("base.py", "__init__") in names


def test_a_big_project_is_not_read_from_end_to_end(tmp_path: Path) -> None:
    """From a file that leads to hundreds of others a bounded number is read, and the next file starts afresh."""
    count = 120
    files = {f"m{i}.py": f"from m{i + 1} import f{i + 1}\ndef f{i}(): f{i + 1}()\n" for i in range(count)}
    files["a.py"] = "\n".join(f"from m{i} import f{i}\nf{i}()" for i in range(0, count, 2))
    files["b.py"] = "from m70 import f70\nf70()\n"
    written(tmp_path, files)
    project = Project((str(tmp_path),))
    first = project._load(str(tmp_path / "a.py"))
    assert first is not None
    project.begin(first)
    for call in first.tree.calls:
        first.effects.run_by(call)
    assert len([path for path, model in project._models.items() if model is not None]) <= 48
    second = project._load(str(tmp_path / "b.py"))
    assert second is not None
    project.begin(second)
    assert second.effects.callee(second.tree.calls[0]) is not None


@pytest.mark.skipif(sys.platform == "win32", reason="paths with a drive")
def test_nothing_lies_above_the_top_of_the_disk() -> None:
    assert Project(()).locate("no_such_module_anywhere", "/no_such_file.py") is None
