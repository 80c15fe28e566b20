"""Cells as one module: positions, what IPython adds to Python, edits, and the file that stays as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlint.finding import Edit, Finding, Location
from mlint.notebook import Cell, NotebookSource, module_of, read
from mlint.notebook.magics import masked, without_automagic
from mlint.source import SourceError


def code(*texts: str) -> NotebookSource:
    """The module of some code cells."""
    return module_of([Cell(text) for text in texts], "n.ipynb")


def notebook(cells: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more}


def cell(source: str | list[str], kind: str = "code", **more: Any) -> dict[str, Any]:
    rest: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, **rest, "source": source, **more}


HIDDEN = [
    ("%matplotlib inline", "0                 "),
    ("x = !ls -l {path}", "x = _(path)      "),
    ("a.b, c[0] = %env HOME", "a.b, c[0] = _(HOME)  "),
    ("if a:\n    !ls\n", "if a:\n    0  \n"),
    ("print('a'\n   % x)", "print('a'\n   % x)"),
    ("%time y = f(x)", "0;    y = f(x)"),
    ("%timeit -n 10 -r3 f(y)", "0;                f(y)"),
    ("%time for i in x: pass", "_(i,x)                "),
    ("help?\nobj.x??\n?foo\nf.*ar?", "0    \n0      \n0   \n0     "),
    ("'''\n%foo\n'''\n%run x.py", "'''\n%foo\n'''\nseed()   "),
    ("!pip install x \\\n   y\nz", "0               \n    \nz"),
    ("!pip install {name} $version", "name,version                "),
    ("x %= 3\nx = y != 2\nf(a=%x)", "x %= 3\nx = y != 2\nf(a=%x)"),
    ("s = '=!'  # = !ls", "s = '=!'  # = !ls"),
    ("/f a\n,g b\n;h c", "_(f)\n_(g)\n_(h)"),
    ("%%time\nx = 1", "0     \nx = 1"),
    ("\n\n%%time\nx", "\n\n0     \nx"),
    ("%%capture out\n%%time\nx = 1", "out=_()      \n0     \nx = 1"),
    ("%%timeit x = 1\nf(x)", "_(x)          \nf(x)"),
    ("x = 1\r\n%ls\r\ny", "x = 1\r\n0  \r\ny"),
    ("d = {\n 'a': 1\n}\n!x", "d = {\n 'a': 1\n}\n0 "),
    ('f"{x["a"]}"\n!x', 'f"{x["a"]}"\n0 '),
    ("x = 1  \\\n  + 2\n%ls", "x = 1  \\\n  + 2\n0  "),
    ("assert x == 1, 'what?'\n%ls", "assert x == 1, 'what?'\n0  "),
    ("# is it right?\n%ls", "# is it right?\n0  "),
]


@pytest.mark.parametrize(("text", "shown"), HIDDEN)
def test_what_ipython_adds_gives_way_to_as_much_python(text: str, shown: str) -> None:
    reading = masked(text)
    assert reading.text == shown
    assert len(reading.text) == len(text)
    for start, end in reading.spans:
        assert 0 <= start < end <= len(text)


@pytest.mark.parametrize(
    ("text", "stands_for"),
    [
        ("%%bash\nls", ""),
        ("%%bash -s {path}\necho $name", "path, name\n"),
        ("%%writefile a.py\nimport torch", ""),
        ("%%bash --out listing\nls", "out = listing = _(out, listing)\n"),
        ("%%sql\nselect", "_()\n"),
        ("%%R -o x\nx <- 1", "o = x = _(o, x)\n"),
        ("%%time?", "_()\n"),
        (">>> x = 1", "_()\n"),
        ("In [3]: x = 1", "_()\n"),
    ],
)
def test_cells_of_other_languages_are_no_part_of_the_module(text: str, stands_for: str) -> None:
    reading = masked(text)
    assert (reading.opaque, reading.stands_for) == (True, stands_for)
    source = code("x = 1", text, "y = 2")
    assert source.text == f"x = 1\n\n{stands_for}y = 2\n\n"
    assert source.in_cell(source.location(source.text.index("y = 2"))) == (3, Location(1, 1))
    source.parse()


def test_magics_without_their_sign() -> None:
    assert without_automagic("pip install torch\nrm -r x\nimport torch").text == (
        "0                \n0      \nimport torch"
    )
    assert without_automagic("time = 3\nls\ncat - dog").text == "time = 3\nls\ncat - dog"
    assert code("pip install torch\nimport torch").errors == []


def test_a_cell_keeps_its_lines_and_columns() -> None:
    source = module_of([Cell("# T", "markdown"), Cell("x = 1\n%ls\ny"), Cell("SELECT", language="sql"), Cell("z")], "n")
    assert [place.number for place in source.placed] == [2, 4]
    where = source.location(source.text.index("y"))
    assert source.in_cell(where) == (2, Location(3, 1))
    assert source.in_module(2, Location(3, 1)) == where
    assert source.in_cell(source.location(source.text.index("z"))) == (4, Location(1, 1))
    assert source.in_cell(Location(4, 1)) is None
    assert source.shown_at(where) == "cell 2:3:1"
    assert source.is_hidden(source.text.index("0"))
    assert not source.is_hidden(source.text.index("y"))


def test_a_cell_that_does_not_parse_costs_that_cell_alone() -> None:
    source = code("import torch", "x = (", "y = torch.ones(3)", "def f(:", "await g()\nreturn")
    assert [(source.in_cell(error.location), error.message) for error in source.errors if error.location] == [
        ((2, Location(1, 5)), "'(' was never closed"),
        ((4, Location(1, 7)), "invalid syntax"),
    ]
    assert len(source.parse().body) == 6  # two of them stand for what the broken cells may have done


def test_what_only_parses_together_with_the_next_cell_does_not_parse() -> None:
    assert len(code("x = (", "1)").errors) == 2
    assert len(code("if x:", "    y = 1").errors) == 1
    assert code("    y = 1\n    z = 2").errors == []


def test_edits_stay_in_their_cell() -> None:
    source = code("x = 1\ny = 2", "%%time\nz = 3", "!ls")
    text = source.text
    assert source.cell_edits([Edit(text.index("2"), text.index("2") + 1, "5")]) == {1: [Edit(10, 11, "5")]}
    # A last line goes with the line end above it, and the empty line between the cells stays.
    last = text.index("y")
    assert source.cell_edits([Edit(last, last + 6, "")]) == {1: [Edit(5, 11, "")]}
    assert source.apply([Edit(last, last + 6, "")]).text == text.replace("\ny = 2", "")
    assert source.cell_edits([Edit(last, last + 6, "y = 3\n")]) == {1: [Edit(6, 11, "y = 3")]}
    # Below the last line.
    assert source.cell_edits([Edit(last + 6, last + 6, "w = 1\n")]) == {1: [Edit(11, 11, "\nw = 1")]}


@pytest.mark.parametrize(
    ("start", "end", "content"),
    [
        ("0     ", "", "import x\n"),  # `%%time` must stay the first line
        ("0     ", "0", "1"),
        ("y", "y = 2\n\n0", ""),
        ("y", "y", "("),
        ("y", "y", "%ls; y"),
        ("x", "x", "    x"),
    ],
)
def test_edits_that_change_how_a_cell_is_read_are_refused(start: str, end: str, content: str) -> None:
    source = code("x = 1\ny = 2", "%%time\nz = 3")
    at = source.text.index(start)
    edit = Edit(at, at + len(end), content)
    assert source.fitted([edit]) is None
    assert source.cell_edits([edit]) is None
    changed = source.apply([edit])
    assert not isinstance(changed, NotebookSource)
    with pytest.raises(SourceError):
        changed.encode()


def test_findings_go_to_cells_and_back() -> None:
    source = code("import torch", "%ls\nx = 1")
    found = Finding("n.ipynb", Location(4, 1), Location(4, 6), "ML1", "n", "m")
    inside = source.in_cells(found)
    assert (inside.cell, inside.start, inside.end) == (2, Location(2, 1), Location(2, 6))
    assert source.out_of_cells(inside) == found


def written(data: dict[str, Any], old: str, new: str, **layout: Any) -> tuple[str, str]:
    """A notebook's file before and after one replacement in its module."""
    before = json.dumps(data, **layout) + "\n"
    source = read(before.encode(), "n.ipynb")
    at = source.text.index(old)
    return before, source.apply([Edit(at, at + len(old), new)]).encode().decode()


@pytest.mark.parametrize("layout", [{"indent": 1}, {"indent": 4}, {}, {"separators": (",", ":")}, {"indent": "\t"}])
@pytest.mark.parametrize("lines", [["a = 1\n", "b = 2\n", "c = 3"], "a = 1\nb = 2\nc = 3"])
def test_only_the_changed_line_of_the_file_changes(layout: dict[str, Any], lines: Any) -> None:
    data = notebook([cell("# b = 2", "markdown"), cell(lines), cell("b = 3")])
    before, after = written(data, "b = 2", "b = 'ü\\n'", ensure_ascii=False, **layout)
    assert after == before.replace("b = 2\\n", "b = 'ü\\\\n'\\n")


def test_escapes_key_order_numbers_and_outputs_stay() -> None:
    before = (
        '\ufeff{"nbformat": 4, "cells": [\r\n {"source": ["s = \'\\u00e9\\/\'\\n",\r\n"x = 1"], "outputs": [1.0e5, 1E3,'
        ' "\\u2028"],\r\n  "cell_type": "code"}],  "nbformat_minor": 5, "metadata": {"\\u0061": 0}} '
    )
    source = read(before.encode(), "n.ipynb")
    at = source.text.index("x = 1")
    after = source.apply([Edit(at, at + 5, "x = 'é'\ny = 2")]).encode().decode()
    assert after == before.replace('"x = 1"', '"x = \'\\u00e9\'\\n",\r\n"y = 2"')


def test_format_3() -> None:
    data = {
        "metadata": {"name": ""},
        "nbformat": 3,
        "nbformat_minor": 0,
        "worksheets": [
            {"cells": [
                {"cell_type": "heading", "level": 1, "metadata": {}, "source": ["T"]},
                {"cell_type": "code", "collapsed": False, "input": ["x = 1"], "language": "python", "outputs": []},
                {"cell_type": "code", "collapsed": False, "input": ["x <- 1"], "language": "r", "outputs": []},
            ]},
            {"cells": [{"cell_type": "code", "collapsed": False, "input": "y = 2", "language": "python"}]},
        ],
    }  # fmt: skip
    before, after = written(data, "y = 2", "y = 3", indent=1)
    assert after == before.replace("y = 2", "y = 3")
    assert [place.number for place in read(before.encode(), "n").placed] == [2, 4]


def test_an_emptied_cell_and_a_list_that_ends_with_nothing() -> None:
    before, after = written(notebook([cell(["x = 1"])]), "x = 1", "", indent=1)
    assert json.loads(after)["cells"][0]["source"] == []
    before, after = written(notebook([cell(["x = 1\n", "y\n", ""])]), "x = 1", "x = 2", indent=1)
    assert after == before.replace("x = 1", "x = 2")


@pytest.mark.parametrize(
    ("metadata", "is_python"),
    [
        ({}, True),
        ({"kernelspec": {"name": "conda-env-ml-py", "language": "python"}}, True),
        ({"kernelspec": {"name": "irisenv"}}, True),
        ({"kernelspec": {"name": "ir"}}, False),
        ({"kernelspec": {"name": "julia-1.10"}}, False),
        ({"kernelspec": {"name": ".net-csharp"}}, False),
        ({"language_info": {"name": "R"}}, False),
        ({"kernelspec": {"name": "x", "language": "Julia"}}, False),
        ({"kernelspec": None, "language_info": []}, True),
        ([], True),
    ],
)
def test_notebooks_of_other_languages_are_empty(metadata: Any, is_python: bool) -> None:
    data = json.dumps(notebook([cell("x = 1")], metadata=metadata)).encode()
    source = read(data, "n.ipynb")
    assert bool(source.text) is is_python
    assert source.encode() == data


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("", "its JSON is broken: expecting value", (1, 1)),
        ('{"cells": [\n  {"source": ["a"\n}]}', "its JSON is broken: expecting ',' delimiter", (3, 1)),
        ('{"cells": [], }', "its JSON is broken: expecting property name enclosed in double quotes", (1, 15)),
        ('{"cells": []} x', "its JSON is broken: extra data", (1, 15)),
        ('{"cells": [{"source": "a}]}', "its JSON is broken: unterminated string starting at", (1, 23)),
        ('{"cells": [{"source": 3}]}', "the source of a cell is no text", (1, 23)),
        ('{"cells": [{"source": ["a", 3]}]}', "the source of a cell is no list of strings", (1, 29)),
        ('{"cells": {}}', "its cells are no list", (1, 11)),
        ('{"cells": [3]}', "a cell or worksheet is no JSON object", (1, 12)),
        ("[]", "holds no JSON object", (1, 1)),
        ("{}", "it has no `cells`", (1, 1)),
        ('{"nbformat": 2, "worksheets": []}', "its format 2 is too old to be read; open it in Jupyter and save it",
         (1, 1)),
    ],
)  # fmt: skip
def test_what_is_no_notebook_is_said_in_one_line(text: str, message: str, place: tuple[int, int]) -> None:
    with pytest.raises(SourceError) as told:
        read(text.encode(), "n.ipynb")
    assert told.value.message == f"cannot be read as a notebook: {message}"
    assert told.value.location == Location(*place)


def test_bytes_that_are_no_text_and_json_without_end() -> None:
    with pytest.raises(SourceError, match="is not UTF-8"):
        read(b'{"cells": "\xff"}', "n.ipynb")
    with pytest.raises(SourceError, match="nested too deeply"):
        read(b'{"a": ' + b"[" * 100_000, "n.ipynb")


def test_half_a_surrogate_pair_costs_its_cell_alone() -> None:
    data = json.dumps(notebook([cell("x = '\ud83d'"), cell("y = 1")])).encode()
    source = read(data, "n.ipynb")
    assert len(source.errors) == 1
    at = source.text.index("y = 1")
    assert b"\\ud83d" in source.apply([Edit(at, at + 1, "z")]).encode()
