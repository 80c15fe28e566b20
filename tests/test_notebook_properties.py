"""Any notebook: read without a crash, fixed without touching anything but sources, and the same in a second run."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlint.finding import Edit
from mlint.notebook import Cell, NotebookSource, module_of, read
from mlint.notebook.magics import masked, without_automagic
from mlint.settings import Settings
from mlint.source import SourceError
from scripts.notebooks import defects

QUICK = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

LINES = st.sampled_from([
    "import torch", "import json", "from copy import deepcopy", "x = torch.ones(3)", "%matplotlib inline",
    "!pip install a",
    "y = torch.log(torch.softmax(x, dim=-1))", "torch.log(torch.softmax(x, dim=-1))", "json.load(open('a'))", "help?",
    "z = json.load(open('a'))  # é 😀", "%time w = torch.log(torch.softmax(x, dim=-1))", "n = !ls", "def f(:",
    "x = (", ")",
    "for i in range(3):", "    x = torch.log(torch.softmax(x, dim=-1))", "    !ls", "    %time y = x", "", "  ",
    "#", "x;",
    "# noqa", "y = 1  # noqa: ML501", "# mlint: ignore[ML501]", "s = '''", "%time", "%run a.py", "pip install b", "\\",
    "!ls \\", "x = 1 \\", "await g()", "%%time", "%%bash", "%%capture out", "'\\u2028\\x0c'", "\tx = 1", "x = 'a\\",
    "f = open('a')", "f.read()", "f.close()", "@torch.no_grad()", "def g(): return torch.load('a')",
])  # fmt: skip
SOURCES = st.lists(LINES, max_size=7).map("\n".join)
MAGICS = st.sampled_from(
    ["%", "%%", "!", "?", "??", "=", "= !", "\n", "\r\n", "\r", '"""', "'", "\\", "#", "(", "]", " ", "x"]
)
ANYTHING = st.one_of(MAGICS, st.text(string.printable, max_size=5), st.text(max_size=3))
NOISE = st.lists(ANYTHING, max_size=12).map("".join)


@st.composite
def notebook_files(draw: st.DrawFn) -> bytes:
    """The bytes of a notebook in some layout."""
    version = draw(st.sampled_from([3, 4, 4, 4]))
    cells: list[dict[str, Any]] = []
    for number, source in enumerate(draw(st.lists(SOURCES, max_size=6))):
        whole: Any = source
        if draw(st.booleans()):
            whole = [line + "\n" for line in source.split("\n")]
            whole[-1] = whole[-1][:-1]
        kind = draw(st.sampled_from(["code", "code", "code", "code", "markdown", "raw"]))
        key = "input" if version == 3 and kind == "code" else "source"
        cell: dict[str, Any] = {"metadata": {"α": [1e5, None]}, key: whole, "cell_type": kind}
        if kind == "code":
            cell |= {"outputs": []} | ({"language": "python"} if version == 3 else {"execution_count": None})
        if version == 4:
            cell["id"] = f"c{number}"
        cells.append(cell)
    data: dict[str, Any] = {"nbformat": version, "nbformat_minor": 5 if version == 4 else 0}
    data["metadata"] = {"b": {}, "a": "é"}
    data |= {"worksheets": [{"cells": cells}]} if version == 3 else {"cells": cells}
    indent: Any = draw(st.sampled_from([1, 2, None, "\t"]))
    text = json.dumps(data, indent=indent, ensure_ascii=draw(st.booleans()))
    text += draw(st.sampled_from(["", "\n", " \n\n"]))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.encode()


@given(notebook_files())
@settings(QUICK, max_examples=60)
def test_a_notebook_is_fixed_in_its_sources_alone(data: bytes) -> None:
    wrong, _, _ = defects(data, "n.ipynb", Settings(unsafe_fixes=True))
    assert wrong == []


@pytest.mark.slow
@given(notebook_files())
@settings(QUICK, max_examples=120)
def test_a_notebook_is_fixed_in_its_sources_alone_by_every_rule(data: bytes) -> None:
    wrong, _, _ = defects(data, "n.ipynb", Settings(unsafe_fixes=True, select=("ALL",)))
    assert wrong == []


@given(NOISE)
@example("%time f(\n)")
@example("x = !ls \\")
@example("%\r%%\r\n!")
@example("x = '\\\r\n%ls'\n%ls")
@settings(QUICK, max_examples=300)
def test_hiding_moves_nothing(text: str) -> None:
    for reading in (masked(text), without_automagic(text)):
        assert len(reading.text) == len(text)
        position = 0
        for start, end in reading.spans:
            assert position <= start <= end <= len(text)
            assert reading.text[position:start] == text[position:start]
            position = end
        assert reading.text[position:] == text[position:]
        for old, new in zip(text, reading.text):
            assert (old in "\r\n") == (new in "\r\n")
            assert old == new or old not in "\r\n"


@given(st.lists(st.one_of(NOISE, SOURCES), max_size=5))
@example(["\r", ""])
@settings(QUICK, max_examples=200)
def test_any_cells_make_a_module_that_parses(texts: list[str]) -> None:
    source = module_of([Cell(text) for text in texts], "n.ipynb")
    source.parse()
    for place in source.placed:
        assert source.text[place.start : place.end] == place.prepared.text
        assert len(place.prepared.text) == len(texts[place.number - 1])
        location = source.location(place.end)
        found = source.in_cell(location)
        assert found is not None
        assert found[0] == place.number
        assert source.in_module(*found) == location
    for error in source.errors:
        assert error.location is not None
        assert source.in_cell(error.location) is not None


@given(st.lists(SOURCES, min_size=1, max_size=4), st.data())
@settings(QUICK, max_examples=200)
def test_edits_that_fit_give_the_cells_that_the_module_says(texts: list[str], data: st.DataObject) -> None:
    source = module_of([Cell(text) for text in texts], "n.ipynb")
    size = len(source.text)
    start = data.draw(st.integers(0, size))
    edit = Edit(start, data.draw(st.integers(start, min(size, start + 12))), data.draw(LINES | st.just("")))
    by_cell = source.cell_edits([edit])
    if by_cell is None:
        with pytest.raises(SourceError):
            source.apply([edit]).encode()
        return
    changed = source.apply([edit])
    assert isinstance(changed, NotebookSource)
    for number, edits in by_cell.items():
        text = texts[number - 1]
        for each in reversed(edits):
            text = text[: each.start] + each.content + text[each.end :]
        texts[number - 1] = text
    assert module_of([Cell(text) for text in texts], "n.ipynb").text == changed.text


@given(notebook_files())
@settings(QUICK, max_examples=100)
def test_what_is_read_is_written_as_it_was(data: bytes) -> None:
    assert read(data, "n.ipynb").encode() == data


@given(st.one_of(st.binary(max_size=60), notebook_files().flatmap(lambda data: st.just(data[: len(data) // 2]))))
@example(b'{"cells": [{"source": "\\ud83d"}]}')
@example(b'{"cells": null}')
@example(b'{"cells": [], "cells": [{}]}')
@settings(QUICK, max_examples=200)
def test_what_is_no_notebook_is_told(data: bytes) -> None:
    try:
        read(data, "n.ipynb").parse()
    except SourceError as error:
        named = bool(error.message) and "\n" not in error.message and error.location is not None
    else:
        named = True
    assert named
