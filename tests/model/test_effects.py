"""What functions do, certainly and possibly."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from mlint.model.file import FileModel
from mlint.model.project import Project
from mlint.model.tree import walk
from mlint.source import Source
from tests.model.reading import model_of


def function(model: FileModel, name: str = "f") -> ast.FunctionDef:
    return next(node for node in walk(model.module) if isinstance(node, ast.FunctionDef) and node.name == name)


@pytest.mark.parametrize(
    ("body", "certain", "possible"),
    [
        ("o.zero_grad()", "zero", "zero"),
        ("if c:\n    o.zero_grad()", "", "zero"),
        ("if o.zero_grad():\n    pass", "zero", "zero"),
        ("for x in y:\n    o.zero_grad()", "", "zero"),
        ("for x in o.zero_grad():\n    pass", "zero", "zero"),
        ("with c:\n    o.zero_grad()", "zero", "zero"),
        ("try:\n    o.zero_grad()\nexcept ValueError:\n    pass", "", "zero"),
        ("try:\n    pass\nfinally:\n    o.zero_grad()", "zero", "zero"),
        ("if c:\n    return\no.zero_grad()", "", "zero"),
        ("if c:\n    raise ValueError\no.zero_grad()", "", "zero"),
        ("c and o.zero_grad()", "", "zero"),
        ("o.zero_grad() or c", "zero", "zero"),
        ("o.zero_grad() if c else None", "", "zero"),
        ("[o.zero_grad() for o in os]", "", "zero"),
        ("p.grad = None", "zero", "zero"),
        ("p.grad = g", "gradient", "gradient"),
        ("del p.grad", "zero", "zero"),
        ("lambda: o.zero_grad()", "", "zero"),
        ("g(o)", "zero", "zero"),
        ("maybe(o)", "", "zero"),
        ("marked(o)", "", "zero backward"),
        ("for x in batches(o):\n    pass", "zero", "zero"),
        ("h = functools.partial(g, o)\nh()", "", "zero"),
        ("h = o.zero_grad\nh()", "", "zero"),
        ("h = g if c else maybe\nh(o)", "", "zero"),
        ("apply(g)", "", "zero"),
        ("C(o).m()", "zero", "zero"),
        ("D(o).m()", "zero", "zero"),
        ("with C(o):\n    pass", "", "backward"),
        ("for x in C(o):\n    pass", "", "step"),
        ("ping(o)", "", "zero"),
        ("torch.manual_seed(0)", "seeds", "seeds"),
        ("print(o)", "", ""),
    ],
)
def test_effects(body: str, certain: str, possible: str) -> None:
    given = """
import functools
import torch

def g(o):
    o.zero_grad()

def maybe(o):
    if o:
        g(o)

def mark(f):
    def inner(o):
        o.backward()
        return f(o)
    return inner

@mark
def marked(o):
    g(o)

def batches(o):
    o.zero_grad()
    yield 1

class C:
    def __init__(self, o):
        self.o = o

    def __enter__(self):
        self.o.backward()

    def __exit__(self, *error):
        pass

    def __iter__(self):
        self.o.step()
        yield 1

    def m(self):
        self.o.zero_grad()

class D(C):
    pass

def ping(o):
    if o:
        pong(o)

def pong(o):
    ping(o)
    g(o)

def f(o, c, os, y, p, apply):
"""
    model = model_of(given + "\n".join("    " + line for line in body.splitlines()))
    effects = model.effects
    assert effects.certainly(function(model)) == frozenset(certain.split())
    assert effects.possibly(function(model)) == frozenset(possible.split())


def test_effects_of_other_files(tmp_path: Path) -> None:
    (tmp_path / "base.py").write_text("class Base:\n    def clear(self):\n        self.o.zero_grad()\n")
    (tmp_path / "more.py").write_text("from base import Base\n\nclass More(Base):\n    pass\n")
    (tmp_path / "a.py").write_text("import b\n\ndef x(o):\n    b.y(o)\n")
    (tmp_path / "b.py").write_text("import a\n\ndef y(o):\n    a.x(o)\n    o.backward()\n")
    text = (
        "from more import More\nimport a\n\nclass C(More):\n    def f(self):\n        self.clear()\n\n"
        "def g(o):\n    a.x(o)\n"
    )
    source = Source.from_bytes(text.encode(), str(tmp_path / "main.py"))
    model = FileModel(source, source.parse(), Project())
    assert model.effects.certainly(function(model)) == {"zero"}
    assert model.effects.possibly(function(model)) == {"zero"}
    assert model.effects.possibly(function(model, "g")) == {"backward"}, "a circle of imports ends"
    assert model.effects.certainly(function(model, "g")) == {"backward"}
    assert {Path(path).name for path in model.dependencies} == {"base.py", "more.py", "a.py", "b.py"}
