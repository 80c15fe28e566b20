"""`mlint explain --why FILE:LINE`."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlint.cli import main

CODE = """\
import math
import numpy as np
import pandas as pd


def scaled(n: int, a: list):
    x = np.zeros(n)
    out = np.zeros(n)
    {}
    return out


def text(df: pd.DataFrame):
    return df.apply(lambda row: row["a"] + anything(row["b"]), axis=1)
"""


def asked(body: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: int = 9) -> str:
    path = tmp_path / "a.py"
    path.write_text(CODE.format(body.replace("\n", "\n    ")), encoding="utf-8")
    assert main(["explain", "--why", f"{path}:{line}"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("body", "line", "expected"),
    [
        ("for i in range(n):\n    out[i] = x[i] * 2.0", 9, "the fix is safe"),
        ("for i in range(n):\n    out[i] = x[i] * 2.0", 10, "ML101 elementwise-store-loop, line 9: "),
        ("for i in range(n):\n    out[i] = x[i] ** 2", 9, "the fix is unsafe: `**` of an array and of a number may"),
        ("for i in range(n):\n    out[i] = x[i] * 2.0\nprint(i)", 9, "no fix: a variable of the loop is used after it"),
        ("for i in range(1, n):\n    out[i] = out[i - 1] * 2.0", 9,
         "refused: a round reads another element of `out` (ML101"),
        ("for i in range(n):\n    out[i] = anything(x[i])", 9, "refused: a statement of the loop calls what is no"),
        ("for i in range(n):\n    out[i] = a[i] * 2.0", 9, "refused: `a` is not proven to be an array"),
        ("for i in range(n):\n    out[i - 1] = x[i] * 2.0", 9, "refused: an index below zero wraps around"),
        ("for i in range(4):\n    out[i] = x[i] * 2.0", 9, "refused: it makes a few rounds only"),
        ("try:\n    for i in range(n):\n        out[i] = 1 / x[i]\nexcept ZeroDivisionError:\n    pass", 10,
         "refused: an error of a round is caught around it"),
        ("print(n)", 9, "no rule about loops or frames takes it for one of its cases"),
        ("pass", 14, "refused: nothing is known of what `anything` does to a column (ML121)"),
    ],
)  # fmt: skip
def test_reasons(body: str, line: int, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert expected in asked(body, tmp_path, capsys, line)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("a.py:4", "a.py: there is no code in line 4"),
        ("missing.py:1", "missing.py: cannot be read: No such file or directory"),
        ("broken.py:1", "broken.py: cannot be read as Python: "),
        ("a.py", "a.py: name a file and a line of it, as in train.py:12"),
        ("a.py:x", "a.py:x: name a file and a line of it, as in train.py:12"),
    ],
)
def test_bad_places(
    place: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.py").write_text(CODE.format("pass"), encoding="utf-8")
    Path("broken.py").write_text("def (\n", encoding="utf-8")
    assert main(["explain", "--why", place]) == 2
    assert told in capsys.readouterr().err


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--help"]) == 0
    assert "--why FILE:LINE" in capsys.readouterr().out
    assert main(["explain", "--why"]) == 2
    assert main(["explain"]) == 2
    assert main(["explain", "ML101", "ML102"]) == 2
