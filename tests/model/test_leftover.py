"""What a loop leaves behind: who reads its variable once it is gone, and who may."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from mlint.model import leftover
from mlint.model.file import FileModel
from mlint.source import Source

LOOP = "for i in range(9):\n    out[i] = 1\n"


def _said(text: str, path: str = "m.py") -> tuple[str | None, str | None]:
    source = Source.from_bytes(text.encode(), path)
    module = source.parse()
    loop = next(node for node in ast.walk(module) if isinstance(node, ast.For) and ast.unparse(node.target) == "i")
    model = FileModel(source, module, None)
    return leftover.needed(model, loop, ["i"]), leftover.doubt(model, loop, ["i"])


def _in_function(*lines: str) -> str:
    text = "\n".join(lines).replace("LOOP", LOOP)
    return "def f(out, df):\n" + "".join(f"    {line}\n" for line in text.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        LOOP + "print(i)",
        LOOP + "print(f'{i}')",
        LOOP + "del i",
        LOOP + "i += 1",
        LOOP + "def g():\n    return i",
        LOOP + "g = lambda: i",
        LOOP + "print([i for _ in range(3)])",
        LOOP + "__all__ = ['i']",
        "__all__ = ['f']\n__all__ += ('i',)\n" + LOOP,
        "def g():\n    global i\n    i += 1\n" + LOOP,
        _in_function("global i", "LOOP"),
        _in_function("try:", "    for i in out:", "        pass", "    g()", "except KeyError:", "    print(i)"),
        _in_function("try:", "    g()", "except KeyError:", "    for i in out:", "        pass", "finally:", "    i()"),
        _in_function("while df:", "    print(i)", "    for i in out:", "        pass"),
        _in_function("i = 9", "while df:", "    for i in range(i):", "        pass"),
        "class C:\n    for i in range(9):\n        pass",
    ],
)
def test_needed(text: str) -> None:
    assert _said(text)[0] is not None


@pytest.mark.parametrize(
    "text",
    [
        LOOP,
        "i = 3\nprint(i)\n" + LOOP + "i = 4\nprint(i)",
        LOOP + "for i in range(4):\n    print(i)",
        LOOP + "print([i for i in range(3)])",
        LOOP + "def g(i):\n    return i",
        LOOP + "__all__ = ['out']",
        LOOP + "model.eval()\ndf.query('i > 3')",
        _in_function("LOOP", "return vars(out)"),
        _in_function("LOOP") + "print(locals())",
        LOOP + "def g():\n    return locals()",
    ],
)
def test_nobody_misses_it(text: str) -> None:
    assert _said(text) == (None, None)


@pytest.mark.parametrize(
    "text",
    [
        LOOP + "print(globals()['i'])",
        LOOP + "print(vars())",
        LOOP + "def g():\n    return globals()",
        LOOP + "def g():\n    return eval('i')",
        LOOP + "df.query('x > @i')",
        LOOP + "df.eval(text)",
        _in_function("LOOP", "return '%(i)s' % locals()"),
        _in_function("LOOP", "exec(out)"),
        _in_function("LOOP", "return df.query('x > @i')"),
    ],
)
def test_doubt(text: str) -> None:
    needed, doubt = _said(text)
    assert needed is None
    assert doubt is not None


def test_a_module_of_a_package(tmp_path: Path) -> None:
    path = str(tmp_path / "m.py")
    assert _said(LOOP, path)[1] is None
    (tmp_path / "__init__.py").touch()
    assert _said(LOOP, path)[1] is not None
    assert _said(_in_function("LOOP"), path)[1] is None
