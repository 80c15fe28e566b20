"""What becomes of files and archives."""

from __future__ import annotations

import ast

import pytest

from mlint.model.file import FileModel
from mlint.model.handles import ARRAYS, FILE, HDF5, Protocol
from mlint.model.tree import walk
from tests.model.reading import model_of

IMPORTS = "import csv, json, h5py, io, pandas as pd, numpy as np\nfrom PIL import Image\n"


def opening(model: FileModel, word: str = "open") -> ast.Call:
    """The first call of a function of that name."""
    for node in walk(model.module):
        if isinstance(node, ast.Call) and word == getattr(node.func, "id", getattr(node.func, "attr", "")):
            return node
    raise AssertionError(f"no call of {word}")


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("x = json.load(open(p))", "consumed"),
        ("x = json.load(fp=open(p))", "consumed"),
        ("x = open(p).read().strip()", "consumed"),
        ("x = [l for l in open(p)]", "consumed"),
        ("x = sum(len(l) for l in open(p))", "consumed"),
        ("x = ' '.join(l for l in open(p))", "consumed"),
        ("x = (l for l in open(p))", "bound"),
        ("x = list(csv.reader(open(p)))", "consumed"),
        ("x = next(csv.reader(open(p)))", "consumed"),
        ("x = map(int, open(p))", "bound"),
        ("x = list(map(int, open(p)))", "consumed"),
        ("a, b = open(p)", "consumed"),
        ("x = [*open(p)]", "consumed"),
        ("x = pd.read_csv(open(p))", "consumed"),
        ("x = pd.read_csv(open(p), chunksize=9)", "escapes"),
        ("x = Image.open(io.open(p)).convert('L')", "consumed"),
        ("for l in enumerate(open(p)): pass", "loop"),
        ("x = open(p)", "bound"),
        ("x.y = open(p)", "escapes"),
        ("open(p).close()", "closed"),
        ("f(open(p))", "escapes"),
        ("x = open(p).read", "escapes"),
        ("with open(p) as f: pass", "escapes"),
    ],
)
def test_use(code: str, how: str) -> None:
    model = model_of(IMPORTS + code + "\n")
    found = [n for n in walk(model.module) if isinstance(n, ast.Call) and model.names.dotted(n.func) == "open"]
    assert model.handles.use(found[0]).how == how


@pytest.mark.parametrize(
    ("code", "word", "protocol", "body"),
    [
        ("f = open(p)\nx = f.read()\ny = x\n", "open", FILE, 1),
        ("f = open(p)\ny = 1\nx = f.read()\nf.close()\n", "open", FILE, 2),
        ("f = open(p)\nr = csv.reader(f)\nx = 1\nfor row in r:\n    print(row)\n", "open", FILE, 3),
        ("f = open(p)\nif x:\n    f.close()\ny = f.read()\n", "open", FILE, None),
        ("f = open(p)\ntry:\n    f.read()\nfinally:\n    f.close()\n", "open", FILE, None),
        ("f = open(p)\ng(f)\n", "open", FILE, None),
        ("f = open(p)\nr = csv.reader(f)\ng(r)\n", "open", FILE, None),
        ("f = open(p)\nf.read()\ndel f\n", "open", FILE, None),
        ("def g():\n    return f.read()\nf = open(p)\nf.read()\n", "open", FILE, None),
        ("try:\n    f = open(p)\nexcept OSError:\n    pass\nf.read()\n", "open", FILE, 0),
        ("d = np.load(p)\nx = d['x']\ny = d['y']\n", "load", ARRAYS, 2),
        ("d = np.load(p)\nx = g(d)\n", "load", ARRAYS, None),
        ("f = h5py.File(p)\nx = f['x'][:]\n", "File", HDF5, 1),
        ("f = h5py.File(p)\nx = f['a']['x']\ny = x[()]\n", "File", HDF5, 2),
        ("f = h5py.File(p)\nx = f['x']\ny = g(x)\n", "File", HDF5, None),
        ("f = h5py.File(p, 'w')\nf['x'] = 1\nf.create_group('y')\n", "File", HDF5, 2),
    ],
)
def test_lifetime(code: str, word: str, protocol: Protocol, body: int | None) -> None:
    model = model_of(IMPORTS + code)
    life = model.handles.lifetime(opening(model, word), protocol)
    assert (None if life is None else len(life.body)) == body


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("x = open(p)", "f"),
        ("f = 3\nx = open(p)", "file"),
        ("with g() as f:\n    f.read()\nx = open(p)", "f"),
        ("with g() as f:\n    x = open(p)", "file"),
        ("with g() as f:\n    pass\nx = open(p)\nprint(f)", "file"),
        ("def h():\n    return f\nx = open(p)", "file"),
        ("def h(f):\n    return f\nx = open(p)", "f"),
        ("class C:\n    x = open(p)", None),
    ],
)
def test_a_name_that_nobody_uses(code: str, name: str | None) -> None:
    model = model_of(code + "\n")
    assert model.handles.name_for(model.tree.statement(opening(model))) == name


@pytest.mark.parametrize(
    ("code", "once"),
    [
        ("x = f(open(p))", True),
        ("x = open(p) if y else None", False),
        ("x = 1 if open(p) else 2", True),
        ("x = y or open(p)", False),
        ("x = lambda: open(p)", False),
        ("x = [open(q) for q in y]", False),
        ("x = [q for q in open(p)]", True),
        ("x = 1 < y < open(p)", False),
    ],
)
def test_unconditional(code: str, once: bool) -> None:
    model = model_of(code + "\n")
    assert model.handles.unconditional(opening(model)) is once


@pytest.mark.parametrize(
    ("code", "before"),
    [
        ("x = json.load(open(p))", False),
        ("x = f(g(), open(p))", True),
        ("x = f(len(y), open(p))", False),
        ("x[g()] = open(p)", False),
        ("x = [g(l) for l in open(p)]", False),
        ("x = f(open(p), g())", False),
        ("x = g().h(open(p))", True),
    ],
)
def test_calls_before(code: str, before: bool) -> None:
    model = model_of(IMPORTS + code + "\n")
    assert model.handles.calls_before(opening(model)) is before
