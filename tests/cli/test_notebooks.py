"""Notebooks on every surface of the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from mlint.check import Check
from tests.cli.command_line import ROOT, SAFE, Run, write

LOG = "torch.log(torch.softmax(x, dim=-1))"
GOOD = "torch.log_softmax(x, dim=-1)"


def code(source: str, number: int = 0) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": number or None,
        "id": f"cell-{number}",
        "metadata": {"tags": []},
        "outputs": [{"name": "stdout", "output_type": "stream", "text": ["torch.log(…)\n"]}] if number else [],
        "source": source.splitlines(keepends=True),
    }


def markdown(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": "text", "metadata": {}, "source": source.splitlines(keepends=True)}


def notebook(*cells: dict[str, Any] | str, language: str = "python", **layout: Any) -> str:
    """The text of a notebook's file; strings are code cells."""
    data = {
        "cells": [code(each, number) if isinstance(each, str) else each for number, each in enumerate(cells, 1)],
        "metadata": {"kernelspec": {"display_name": "K", "language": language, "name": "k"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(data, ensure_ascii=False, **({"indent": 1} | layout)) + "\n"


EXPLORE = (
    markdown("# T\n\n`torch.log(torch.softmax(x, dim=-1))`"),
    "%matplotlib inline\n!pip install torch\nimport torch",
    f"%%time\nx = torch.randn(3)\ny = {LOG}  # é",
    "def f(:",
    f"if True:\n    %ls\n    z = {LOG}",
)


@pytest.fixture
def explore(project: Path) -> Path:
    """A notebook with a finding in cells 3 and 5, and a cell 4 that does not parse."""
    return write(project / "explore.ipynb", notebook(*EXPLORE))


def test_places_are_those_of_cells(explore: Path, mlint: Run) -> None:
    done = mlint(".")
    assert done.code == 1
    lines = done.out.splitlines()
    assert [line for line in lines if line.startswith("explore")] == [
        f"explore.ipynb:cell 3:3:5: ML501 [*] `{LOG}` is -inf where the probability underflows",
        "explore.ipynb:cell 4:1:7: ML000 cell not read: invalid syntax",
        f"explore.ipynb:cell 5:3:9: ML501 [*] `{LOG}` is -inf where the probability underflows",
    ]
    assert f"3 | y = {LOG}  # é\n  |     {'^' * len(LOG)}\n" in done.out
    assert "2 |     %ls\n" in done.out, "a cell is shown as it is, not as Python reads it"
    assert "Found 3 findings (2 fixable with --fix)." in done.out


def test_every_machine_readable_report_has_the_cell(explore: Path, mlint: Run) -> None:
    def told(form: str) -> str:
        return mlint("--output-format", form, ".").out

    assert told("concise").startswith("explore.ipynb:cell 3:3:5: ML501 [*] ")
    rows = json.loads(told("json"))
    assert [(row["cell"], row["location"], row["end_location"]["column"], row["noqa_row"]) for row in rows] == [
        (3, {"row": 3, "column": 5}, 40, 3),
        (4, {"row": 1, "column": 7}, 7, 1),
        (5, {"row": 3, "column": 9}, 44, 3),
    ]
    assert rows[2]["fix"]["edits"] == [
        {"content": GOOD, "location": {"row": 3, "column": 9}, "end_location": {"row": 3, "column": 44}}
    ]
    assert [json.loads(line) for line in told("json-lines").splitlines()] == rows
    assert told("github").splitlines()[0].startswith(
        f"::warning file={explore},title=mlint (ML501)::explore.ipynb:cell 3:3:5: ML501 "
    )
    issue = json.loads(told("gitlab"))[2]
    assert issue["description"].startswith("ML501: cell 5, line 3: ")
    assert issue["location"]["positions"]["begin"] == {"line": 3, "column": 9}
    result = json.loads(told("sarif"))["runs"][0]["results"][2]
    [location] = result["locations"]
    assert location["logicalLocations"][0]["name"] == "cell 5"
    assert location["properties"] == {
        "cell": 5,
        "region": {"startLine": 3, "startColumn": 9, "endLine": 3, "endColumn": 44},
    }
    case = ElementTree.fromstring(told("junit")).findall(".//testcase")[2]
    assert (case.get("line"), case.get("column")) == ("3", "9")
    failure = case.find("failure")
    assert failure is not None
    assert (failure.text or "").startswith("explore.ipynb:cell 5:3:9: ML501 ")


def test_cell_10_comes_after_cell_9(project: Path, mlint: Run) -> None:
    write(project / "a.ipynb", notebook("import torch\nx = torch.ones(3)", *[LOG] * 10))
    out = mlint("--output-format", "concise").out
    assert [line.split(":")[1] for line in out.splitlines()] == [f"cell {number}" for number in range(2, 12)]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("layout", [{}, {"indent": 4}, {"indent": None, "separators": (",", ":")}])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_a_fix_changes_nothing_but_its_line(
    project: Path, mlint: Run, newline: str, layout: dict[str, Any], bom: str
) -> None:
    before = bom + notebook(*EXPLORE, **layout).replace("\n", newline)
    path = write(project / "a.ipynb", before)
    done = mlint("--fix")
    assert done.code == 1
    assert "(2 fixed, 1 remaining)" in done.out
    head, title, rest = before.partition("# T")
    title += rest[: rest.index("import torch")]
    after = rest[rest.index("import torch") :].replace(LOG, GOOD)
    assert path.read_bytes().decode() == head + title + after
    again = path.stat().st_mtime_ns
    mlint("--fix", "--unsafe-fixes")
    assert path.stat().st_mtime_ns == again
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(json.loads(path.read_text("utf-8-sig")))


def test_a_diff_is_one_of_the_file(explore: Path, mlint: Run) -> None:
    before = explore.read_bytes()
    done = mlint("--diff")
    assert done.code == 1
    assert explore.read_bytes() == before
    assert done.out.startswith("--- explore.ipynb\n+++ explore.ipynb\n@@ ")
    assert f'-    "y = {LOG}  # é"\n+    "y = {GOOD}  # é"\n' in done.out
    patched = subprocess.run(["git", "apply", "-p0"], input=done.out.encode(), capture_output=True, check=False)
    assert patched.returncode == 0, patched.stderr
    with_git = explore.read_bytes()
    explore.write_bytes(before)
    mlint("--fix")
    assert explore.read_bytes() == with_git


def test_standard_input(explore: Path, mlint: Run) -> None:
    data = explore.read_bytes()
    done = mlint("--fix", "--stdin-filename", "new.ipynb", "-", stdin=data)
    assert done.code == 1
    assert done.out.encode() == data.replace(b"y = " + LOG.encode(), b"y = " + GOOD.encode()).replace(
        b"z = " + LOG.encode(), b"z = " + GOOD.encode()
    )
    assert "new.ipynb:cell 4:1:7: ML000" in done.err
    rows = json.loads(mlint("--stdin-filename", "new.ipynb", "--output-format", "json", "-", stdin=data).out)
    assert [row["cell"] for row in rows] == [3, 4, 5]
    assert mlint("--diff", "--stdin-filename", "new.ipynb", "-", stdin=data).out.startswith("--- new.ipynb\n")


def test_what_is_no_notebook_is_one_finding_and_comes_back_as_it_is(project: Path, mlint: Run) -> None:
    write(project / "a.ipynb", '{"cells": [\n')
    write(project / "b.py", SAFE)
    done = mlint("--output-format", "concise", "--fix", ".")
    assert done.code == 1
    assert done.out == (
        "a.ipynb:2:1: ML000 cannot be read as a notebook: its JSON is broken: expecting value\n"
    )
    assert "log_softmax" in (project / "b.py").read_text()
    assert mlint("--fix", "--stdin-filename", "a.ipynb", "-", stdin=b'{"cells": [').out == '{"cells": ['
    assert mlint("--ignore", "ML000", "a.ipynb").code == 0


def test_notebooks_are_found_in_folders(project: Path, mlint: Run) -> None:
    for name in ("a.ipynb", "sub/b.ipynb", ".ipynb_checkpoints/a.ipynb", "venv/c.ipynb", "d.nb"):
        write(project / name, notebook("x = 1"))
    assert mlint("--show-files").out.split() == ["a.ipynb", "sub/b.ipynb"]
    assert mlint("--show-files", "--extend-exclude", "sub").out.split() == ["a.ipynb"]
    assert mlint("--show-files", "--extension", "nb:ipynb").out.split() == ["a.ipynb", "d.nb", "sub/b.ipynb"]
    write(project / "d.nb", notebook("import torch\nx = torch.ones(3)", LOG))
    assert mlint("--extension", "nb:ipynb", "d.nb").out.startswith("d.nb:cell 2:1:1: ML501")
    assert mlint("--debug-model", "d.nb", "--extension", "nb:ipynb").out.splitlines()[1] == "role: notebook (its cells)"


@pytest.mark.parametrize("language", ["R", "julia", "scala"])
def test_notebooks_of_other_languages_are_passed_over(project: Path, mlint: Run, language: str) -> None:
    write(project / "a.ipynb", notebook("x <- 1\nimport torch", language=language))
    assert mlint("a.ipynb").code == 0


def test_comments_silence_findings_in_cells(project: Path, mlint: Run) -> None:
    start = "import torch\nx = torch.ones(3)"
    write(project / "a.ipynb", notebook(
        start,
        f"{LOG}  # noqa: ML501",
        f"# mlint: ignore[ML501] why\n{LOG}",
        "y = 1  # mlint: ignore[ML501]",  # says nothing of the next cell
        LOG,
        "%ls  # noqa: ML501",
    ))  # fmt: skip
    done = mlint("--output-format", "concise")
    places = [line.partition(": ML")[0] for line in done.out.splitlines()]
    assert places == ["a.ipynb:cell 4:1:24", "a.ipynb:cell 5:1:1"]
    assert "ML001" in done.out.splitlines()[0]
    mlint("--fix")
    cells = json.loads((project / "a.ipynb").read_text())["cells"]
    assert ["".join(cell["source"]) for cell in cells[3:]] == ["y = 1", GOOD, "%ls  # noqa: ML501"]
    write(project / "b.ipynb", notebook(start, LOG, "# mlint: file-ignore[ML5]"))
    assert mlint("b.ipynb").code == 0


def test_a_comment_that_is_the_last_line_of_a_cell_goes_without_a_trace(project: Path, mlint: Run) -> None:
    path = write(project / "a.ipynb", notebook("import torch\n# mlint: ignore[ML501]", "%%time\nx = 1"))
    mlint("--fix")
    assert path.read_text() == notebook("import torch", "%%time\nx = 1")


def test_add_noqa(explore: Path, mlint: Run) -> None:
    done = mlint("--add-noqa=reason")
    assert "suppressed 2 findings in 1 file" in done.err
    assert "explore.ipynb:cell 4:1: cell not read: invalid syntax" in done.err
    sources = ["".join(cell["source"]) for cell in json.loads(explore.read_text())["cells"]]
    assert sources[2] == f"%%time\nx = torch.randn(3)\ny = {LOG}  # é  # noqa: ML501 reason"
    assert sources[4] == f"if True:\n    %ls\n    z = {LOG}  # noqa: ML501 reason"
    assert mlint("--output-format", "concise").out.count("\n") == 1


def test_baseline(explore: Path, mlint: Run) -> None:
    assert "cell 4:1: cell not read" in mlint("--write-baseline", "known.json").err
    moved = (EXPLORE[0], EXPLORE[1], "w = 1", *EXPLORE[2:3], f"v = {LOG}", EXPLORE[4])
    write(explore, notebook(*moved))
    out = mlint("--baseline", "known.json", "--output-format", "concise").out
    assert [line.partition(": ML")[0] for line in out.splitlines()] == ["explore.ipynb:cell 5:1:5"]


def test_results_are_kept(project: Path, mlint: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project / "a.ipynb", notebook(*EXPLORE, markdown("x" * 70_000)))
    first = mlint("--output-format", "json")
    assert (project / ".mlint_cache").is_dir()
    monkeypatch.setattr("mlint.linter.Linter._lint", None)
    assert mlint("--output-format", "json") == first


FIT = (
    "def fit(model, optimizer: torch.optim.Optimizer, loader):\n"
    "    for epoch in range(3):\n"
    "        train_epoch(model, optimizer, loader)\n"
    '        best = {"epoch": epoch, "model": model.state_dict().copy()}\n'
    '    torch.save(best, "best.pt")'
)


@pytest.mark.parametrize(
    ("cells", "imported"),
    [
        (("!pip install torch", "%ls\nimport os\nimport torch", "import json", FIT),
         "%ls\nimport copy\nimport os\nimport torch"),
        (("x = 1", "%%time\nimport torch", FIT), "%%time\nimport copy\n\nimport torch"),
        (("from __future__ import annotations", "import torch\n!ls", FIT), "import copy\n\nimport torch\n!ls"),
        (("if True:\n    import torch", FIT), None),
        (("!pip install torch", f"import torch\n{FIT}"), f"import copy\n\nimport torch\n{FIT}"),
    ],
)  # fmt: skip
def test_an_import_goes_to_the_cell_that_imports(
    project: Path, mlint: Run, cells: tuple[str, ...], imported: str | None
) -> None:
    path = write(project / "a.ipynb", notebook(*cells))
    rows = json.loads(mlint("--select", "ML421", "--output-format", "json").out)
    if imported is not None and len(cells) > 2:  # an offset in another cell would be applied to this one
        assert [row["fix"]["edits"] for row in rows] == [[]]
    done = mlint("--select", "ML421", "--fix", "--unsafe-fixes")
    sources = ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"]]
    fixed = FIT.replace("model.state_dict().copy()", "copy.deepcopy(model.state_dict())")
    if imported is None:
        assert path.read_text() == notebook(*cells)
        assert "fixable" not in done.out
        return
    assert sources[-1].endswith(fixed), done.out
    changed = [source for source, cell in zip(sources, cells) if source != cell and not cell.startswith("def")]
    assert changed == [imported.replace(FIT, fixed)]


def test_a_fix_that_takes_the_shown_value_away_is_unsafe(project: Path, mlint: Run) -> None:
    load = "import json\nimport torch\njson.load(open('a'))"
    closed = "g = open('a')\ny = json.load(g)\ng.close()"
    write(project / "a.ipynb", notebook(load, "json.load(open('a'));", "x = json.load(open('a'))", closed))
    out = mlint("--select", "ML208", "--fix").out
    sources = ["".join(cell["source"]) for cell in json.loads((project / "a.ipynb").read_text())["cells"]]
    assert sources[0] == load, out
    assert sources[2] == "with open('a') as f:\n    x = json.load(f)"
    assert sources[3] == "with open('a') as g:\n    y = json.load(g)"
    assert "fixable with --unsafe-fixes" in out


def test_what_magics_may_do_is_not_guessed(project: Path, mlint: Run) -> None:
    training = (
        "model = torch.nn.Linear(3, 1)\nopt = torch.optim.SGD(model.parameters())\nfor _ in range(9):\n"
        "    opt.zero_grad()\n    model(torch.ones(3)).sum().backward()\n    opt.step()"
    )
    write(project / "a.ipynb", notebook("import torch", training))
    out = mlint("--select", "ML301", "--output-format", "concise").out
    assert "this notebook trains a model and never seeds torch (first drawn from in line 1 of cell 2: " in out
    write(project / "a.ipynb", notebook("import torch\n%run setup.py", training))
    assert mlint("--select", "ML301").code == 0


def test_what_a_cell_shows_is_not_dropped(project: Path, mlint: Run) -> None:
    split = "jax.random.split(key)"
    write(project / "a.ipynb", notebook(
        "import jax\nkey = jax.random.key(0)", f"{split}  # two keys\n# shown", f"{split};", f"{split}\nx = 1", split,
        f"if True:\n    {split}",
    ))  # fmt: skip
    out = mlint("--select", "ML313", "--output-format", "concise").out
    assert [line.split(":")[1] for line in out.splitlines()] == ["cell 3", "cell 4", "cell 6"]
    frame = "import pandas as pd\ndf = pd.DataFrame({'a': [1]})"
    drop = "df.dropna()"
    write(project / "a.ipynb", notebook(frame, drop, f"{drop}\ndf.head()", f"def f():\n    {drop}"))
    out = mlint("--select", "ML423", "--output-format", "concise").out
    assert [line.split(":")[1] for line in out.splitlines()] == ["cell 3", "cell 4"]
    every = "InteractiveShell.ast_node_interactivity = 'all'"
    write(project / "a.ipynb", notebook(frame, f"{every}\n{drop}\ndf.head()", f"def f():\n    {drop}"))
    out = mlint("--select", "ML423", "--output-format", "concise").out
    assert [line.split(":")[1] for line in out.splitlines()] == ["cell 3"]


def test_explain_why_of_a_cell(project: Path, mlint: Run) -> None:
    write(project / "a.ipynb", notebook(
        "import numpy as np\na = np.ones(9)\nb = np.empty(9)", "%ls\nfor i in range(9):\n    b[i] = a[i] * 2"
    ))  # fmt: skip
    out = mlint("explain", "--why", "a.ipynb:cell 2:3").out
    assert out.startswith("a.ipynb:cell 2:2: for i in range(9):")
    assert "line 2 of cell 2: " in out
    assert "there is no code in line 9 of cell 2" in mlint("explain", "--why", "a.ipynb:cell 2:9").err
    assert "there is no code in line 1 of cell 7" in mlint("explain", "--why", "a.ipynb:cell 7:1").err
    write(project / "a.py", SAFE)
    assert "only notebooks have cells" in mlint("explain", "--why", "a.py:cell 2:9").err


def test_validate(project: Path, mlint: Run) -> None:
    pytest.importorskip("numpy")
    path = write(project / "a.ipynb", notebook(
        "import numpy as np\na = np.ones(9)\nb = np.empty(9)", "%ls\nfor i in range(9):\n    b[i] = a[i] * 2"
    ))  # fmt: skip
    done = mlint("--fix", "--unsafe-fixes", "--validate")
    assert "b[:] = a * 2" in path.read_text() or "not fixed" in done.err
    assert "Fixed 1 finding" in done.out, done.err


def test_a_file_that_changes_in_between_is_left_alone(
    explore: Path, mlint: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_fixed = Check._write_fixed

    def late(self: Check, outcomes: Any) -> None:
        explore.write_text(notebook("x = 1", "y = 2"))
        write_fixed(self, outcomes)

    monkeypatch.setattr(Check, "_write_fixed", late)
    assert mlint("--fix").code == 2
    assert explore.read_text() == notebook("x = 1", "y = 2")


def test_a_run_without_notebooks_knows_nothing_of_them(project: Path) -> None:
    write(project / "a.py", SAFE)
    script = (
        "import sys\nfrom mlint.cli import main\nmain(['--fix', '--no-cache', '.'])\n"
        "print([name for name in sys.modules if name.startswith('mlint.notebook')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.endswith("[]\n")
