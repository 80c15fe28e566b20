"""How the tables of the libraries are made, tried on small libraries written here."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from scripts.library_tables import notices, sources
from scripts.library_tables.entries import Entry, Scope
from scripts.library_tables.merging import Merge, Row
from scripts.library_tables.reader import Reader
from scripts.library_tables.reading import Library

Files = dict[str, str]
BROKEN = "def ways(a, b:\n"


def written(folder: Path, files: Files) -> Library:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return Library([folder])


def entries(folder: Path, files: Files) -> dict[str, Entry]:
    return Reader(written(folder, files), Scope("made")).read()


def merged(folder: Path, *versions: Files) -> Merge:
    """The tables of a library ``made``, whose versions are 1.0, 2.0 and so on."""
    merge = Merge([(f"{n}.0", entries(folder / str(n), files)) for n, files in enumerate(versions, 1)])
    merge.merge()
    return merge


def row(merge: Merge, path: str) -> Row:
    return next(row for row in merge.rows if row.path == path)


def gone(merge: Merge) -> set[str]:
    return {one.name for one in merge.deprecations if one.removed is not None}


def test_what_is_gone_is_said_to_be_removed(tmp_path: Path) -> None:
    merge = merged(
        tmp_path,
        {"made/__init__.py": "def old(a): ...\ndef stays(a): ...\n"},
        {"made/__init__.py": "def stays(a, b=1): ...\ndef new(): ...\n"},
    )
    assert gone(merge) == {"made.old"}
    assert row(merge, "made.old").removed == ("1.0", "2.0")
    assert row(merge, "made.new").since == "2.0"
    parameters = row(merge, "made.stays").parameters
    assert parameters is not None
    assert [(p.argument.name, p.since) for p in parameters] == [("a", None), ("b", "2.0")]


WHOLE = {
    "made/__init__.py": "from made.inner import ways, Base\nfrom made import inner\nfrom made.starred import *\n",
    "made/inner.py": "def ways(a, b): ...\nclass Base:\n    def method(self): ...\n",
    "made/starred.py": "def twinkle(a): ...\n",
    "made/derived.py": "from made.inner import Base\nclass Derived(Base):\n    def own(self): ...\n",
}


@pytest.mark.parametrize("broken", ["made/inner.py", "made/starred.py", "made/__init__.py", "made/derived.py"])
def test_a_file_that_does_not_parse_removes_nothing(tmp_path: Path, broken: str) -> None:
    merge = merged(tmp_path, WHOLE, {**WHOLE, broken: BROKEN})
    assert gone(merge) == set()
    assert row(merge, "made.inner.Base").removed is None
    parameters = row(merge, "made.ways").parameters
    assert parameters is not None
    assert [p.argument.name for p in parameters] == ["a", "b"], "what an earlier version takes is still known"


def test_what_is_first_seen_after_a_broken_file_is_not_said_to_be_new(tmp_path: Path) -> None:
    merge = merged(tmp_path, {**WHOLE, "made/inner.py": BROKEN}, WHOLE)
    assert row(merge, "made.inner.ways").since is None


def test_a_base_in_a_broken_file_may_bring_any_method(tmp_path: Path) -> None:
    before = {**WHOLE, "made/derived.py": WHOLE["made/derived.py"] + "    def method(self): ...\n"}
    assert "made.derived.Derived.method" not in gone(merged(tmp_path, before, {**WHOLE, "made/inner.py": BROKEN}))
    assert "made.derived.Derived.method" in gone(
        merged(tmp_path / "again", before, {**WHOLE, "made/inner.py": "class Base: ...\ndef ways(a, b): ...\n"})
    )


@pytest.mark.parametrize(
    "files",
    [
        {"made/sub.py": "from made._parts import *\n", "made/_parts.py": "def way(): ...\n"},
        {"made/sub.py": "from made._compiled import *\n"},
        {"made/sub.py": "def __getattr__(name):\n    if name in ('way',):\n        return 1\n"},
        {"made/sub.py": "from made._parts import way\n__all__ = []\n", "made/_parts.py": "def way(): ...\n"},
    ],
)
def test_what_a_module_may_still_offer_is_not_removed(tmp_path: Path, files: Files) -> None:
    before = {"made/__init__.py": "", "made/sub.py": "def way(): ...\ndef gone(): ...\n"}
    found = gone(merged(tmp_path, before, {"made/__init__.py": "", **files}))
    assert "made.sub.way" not in found
    assert ("made.sub.gone" in found) == ("_compiled" not in files["made/sub.py"])


def test_a_computed_list_may_add_values_only(tmp_path: Path) -> None:
    before = {"made/__init__.py": "normal = object()\ndef way(): ...\n__all__ = ['normal', 'way']\n"}
    after = {"made/__init__.py": "__all__ = ['other']\n__all__ += worked_out()\nother = 1\n"}
    assert gone(merged(tmp_path, before, after)) == {"made.way"}


def test_a_list_of_all_names_leaves_out_none(tmp_path: Path) -> None:
    text = "def way(a): ...\n__all__ = [s for s in dir() if not s.startswith('_')]\n__all__ += ['more']\n"
    assert "made.way" in entries(tmp_path, {"made/__init__.py": text})


def test_what_a_class_imports_is_a_member(tmp_path: Path) -> None:
    before = {"made/__init__.py": "class Trainer:\n    def way(self): ...\n    def old(self): ...\n"}
    after = {"made/__init__.py": "class Trainer:\n    from made.parts import way\n"}
    assert gone(merged(tmp_path, before, after)) == {"made.Trainer.old"}


def test_a_function_may_hide_a_module(tmp_path: Path) -> None:
    before = {"made/__init__.py": "", "made/check.py": "LIMIT = 1\n"}
    after = {"made/__init__.py": "from made.check import check as check\n", "made/check.py": "def check(): ...\n"}
    assert gone(merged(tmp_path, before, after)) == set()


def test_what_a_stub_imports_is_not_offered(tmp_path: Path) -> None:
    files = {"made/__init__.py": "from made._c import *\n"}
    files["made/_c.pyi"] = "from typing import Any\ndef way() -> Any: ...\n"
    assert set(entries(tmp_path, files)) == {"made", "made.way"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@_axis_nan_policy_factory(Result)\ndef way(x, y=1): ...\n", "x y axis nan_policy keepdims"),
        ("@_transition_to_rng('seed')\ndef way(x, rng=None): ...\n", "x rng seed"),
        ("@dataclass\nclass way:\n    a: int\n    b: int = field(default=1)\n    c: str = field(init=False)\n", "a b"),
        ("def way(__a, __b=1): ...\n", "a b"),
    ],
)
def test_parameters(tmp_path: Path, text: str, names: str) -> None:
    found = entries(tmp_path, {"made/__init__.py": text})["made.way"].arguments
    assert found is not None
    assert [argument.name for argument in found] == names.split()


def test_models_that_are_not_read_are_known_by_name(tmp_path: Path) -> None:
    scope = Scope("made", skipped=("made.models",), unread="made.models", read=("made.models.auto",))
    root = {"made/__init__.py": "from made.models import *\n"}
    root["made/models/__init__.py"] = "from made.models.bert import *\n"
    versions = []
    for version, names in (("1.0", "['Bert', 'TFBert']"), ("2.0", "['Bert']")):
        written(tmp_path / version, {**root, "made/models/bert/code.py": f"__all__ = {names}\nclass Bert: ...\n"})
        versions.append((version, Reader(Library([tmp_path / version], scope.is_unread), scope).read()))
    merge = Merge(versions)
    merge.merge()
    assert gone(merge) == {"made.TFBert"}


def test_a_file_below_data_lands_where_pip_puts_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "made.whl", "w") as wheel:
        for name in ("made-1.0.data/purelib/made/__init__.py", "made/tests/test_it.py", "made/part.pyi", "made/x.so"):
            wheel.writestr(name, "")
    sources._unpack(tmp_path / "made.whl", tmp_path / "out")
    files = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert files == {"made/__init__.py", "made/part.pyi"}


@pytest.mark.parametrize(
    ("doc", "replacement"),
    [
        (".. warning::\n\n    :func:`torch.qr` is deprecated in favor of\n    :func:`linalg.qr`\n", "linalg.qr"),
        ("Text.\n\n.. warning:: This function is deprecated. Use :func:`torch.outer` instead.\n\nMore.", "torch.outer"),
        (".. warning::\n    torch.qr is deprecated and may go.\n", None),
        (".. deprecated:: 1.9\n    Use :func:`torch.linalg.qr` instead.\n", "torch.linalg.qr"),
    ],
)
def test_a_docstring_that_warns_of_its_function(doc: str, replacement: str | None) -> None:
    found = notices.of_docstring(doc, "qr")
    assert [(one.argument, one.replacement) for one in found] == [(None, replacement)]


@pytest.mark.parametrize(
    "doc",
    [
        ".. warning::\n    :attr:`some` is deprecated.\n",
        ".. warning::\n    :func:`torch.lu` is deprecated.\n",
        ".. note::\n    :func:`torch.qr` is deprecated.\n",
        ".. warning::\n    This may be slow.\n\ntorch.qr is deprecated\n",
        ".. warning::\n    Passing None to torch.qr is deprecated.\n",
    ],
)
def test_a_docstring_that_warns_of_something_else(doc: str) -> None:
    assert notices.of_docstring(doc, "qr") == []
