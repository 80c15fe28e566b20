"""Baselines: old findings are silent however the code moves, new ones are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlint.baseline import Baseline, BaselineError
from mlint.finding import Finding, Location


def finding(line: int, code: str = "ML501", path: str = "a.py") -> Finding:
    return Finding(path, Location(line, 1), Location(line, 5), code, "name", "message")


def lines(*texts: str) -> object:
    return lambda found: texts[found.start.line - 1]


def test_round_trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line_of = lines("a", "  b  c", "a")
    found = [finding(1), finding(2), finding(3), finding(3, "ML1")]
    Baseline.of(str(tmp_path), found, line_of).write("base.json")  # type: ignore[arg-type]
    again = Baseline.read("base.json")
    assert len(again) == 4
    assert again.split(found, line_of) == ([], 4, [])  # type: ignore[arg-type]
    assert json.loads(Path("base.json").read_text())["findings"]["a.py"] == [
        {"code": "ML1", "line": "a"},
        {"code": "ML501", "line": "a", "count": 2},
        {"code": "ML501", "line": "b c"},
    ]


def test_moves_and_indents_are_known_changes_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    baseline = Baseline.of(str(tmp_path), [finding(1)], lines("y = f(x)"))  # type: ignore[arg-type]
    assert baseline.split([finding(3)], lines("", "", "    y =  f(x)"))[:2] == ([], 1)  # type: ignore[arg-type]
    new, known, stale = baseline.split([finding(1)], lines("y = f(z)"), ["a.py"])  # type: ignore[arg-type]
    assert (new, known, [entry.text for entry in stale]) == ([finding(1)], 0, ["y = f(x)"])
    # A second one like it is new, and the later one is the one that is told.
    new, known, _ = baseline.split([finding(1), finding(2)], lines("y = f(x)", "y = f(x)"))  # type: ignore[arg-type]
    assert (new, known) == ([finding(2)], 1)
    assert baseline.split([finding(1, "ML502")], lines("y = f(x)"))[0] == [finding(1, "ML502")]  # type: ignore[arg-type]
    assert baseline.split([finding(1, path="b.py")], lines("y = f(x)"))[1] == 0  # type: ignore[arg-type]


def test_what_was_not_checked_is_not_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text("")
    baseline = Baseline.of(str(tmp_path), [finding(1)], lines("x"))  # type: ignore[arg-type]
    assert baseline.split([], lines("x"), ["b.py"])[2] == []  # type: ignore[arg-type]
    assert len(baseline.split([], lines("x"), ["a.py"])[2]) == 1  # type: ignore[arg-type]
    (tmp_path / "a.py").unlink()
    assert len(baseline.split([], lines("x"), ["b.py"])[2]) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such baseline"),
        ("{", "invalid JSON"),
        ("[]", "not a baseline"),
        ("{}", "not a baseline"),
        ('{"version": 99}', "version 99"),
        ('{"version": 1, "findings": {"a.py": [{}]}}', "not a baseline"),
    ],
)
def test_what_is_no_baseline_says_what_to_do(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "base.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BaselineError, match=message) as raised:
        Baseline.read(str(path))
    assert "--write-baseline" in str(raised.value)
    with pytest.raises(BaselineError, match="cannot write"):
        Baseline(".").write(str(tmp_path / "no" / "base.json"))
