"""The diff, and that the tools which apply diffs take it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlint.report.diff import unified_diff


def test_a_change_in_the_middle() -> None:
    before = "".join(f"{number}\n" for number in range(1, 12))
    assert unified_diff(before, before.replace("6\n", "six\n"), "a.py") == (
        "--- a.py\n+++ a.py\n@@ -3,7 +3,7 @@\n 3\n 4\n 5\n-6\n+six\n 7\n 8\n 9\n"
    )


def test_two_hunks() -> None:
    before = "".join(f"{number}\n" for number in range(1, 21))
    after = before.replace("2\n3\n", "2\n2b\n3\n", 1).replace("18\n", "")
    assert unified_diff(before, after, "a.py") == (
        "--- a.py\n+++ a.py\n"
        "@@ -1,5 +1,6 @@\n 1\n 2\n+2b\n 3\n 4\n 5\n"
        "@@ -15,6 +16,5 @@\n 15\n 16\n 17\n-18\n 19\n 20\n"
    )


def test_nothing_changed() -> None:
    assert unified_diff("a\n", "a\n", "a.py") == ""


@pytest.mark.parametrize(
    ("before", "after", "hunk"),
    [
        ("a", "b", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n"),
        ("a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"),
        ("a\nb", "c\nb", "@@ -1,2 +1,2 @@\n-a\n+c\n b\n\\ No newline at end of file\n"),
        ("", "a\n", "@@ -0,0 +1 @@\n+a\n"),
        ("a\n", "", "@@ -1 +0,0 @@\n-a\n"),
        ("a\r\nb\r\n", "a\r\nc\r\n", "@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n"),
        ("a\x0cb\u2028c\n", "a\x0cb\u2028d\n", "@@ -1 +1 @@\n-a\x0cb\u2028c\n+a\x0cb\u2028d\n"),
    ],
)
def test_line_ends(before: str, after: str, hunk: str) -> None:
    assert unified_diff(before, after, "a.py") == "--- a.py\n+++ a.py\n" + hunk


def test_colours() -> None:
    assert unified_diff("a\n", "b\n", "a.py", color=True) == (
        "\x1b[1m--- a.py\x1b[0m\n\x1b[1m+++ a.py\x1b[0m\n\x1b[36m@@ -1 +1 @@\x1b[0m\n"
        "\x1b[31m-a\x1b[0m\n\x1b[32m+b\x1b[0m\n"
    )


LINES = st.lists(st.sampled_from(["a", "b", "", "x\r", "é", "a\rb", " c", "-d", "+e", "\\ f"]), max_size=25)


def texts() -> st.SearchStrategy[str]:
    return st.builds(lambda lines, end: "\n".join(lines) + end, LINES, st.sampled_from(["", "\n"]))


def applied(tool: list[str], folder: Path, name: str, before: str, after: str) -> bytes:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(before.encode())
    diff = unified_diff(before, after, name).encode()
    ran = subprocess.run(tool, cwd=folder, input=diff, capture_output=True)
    assert ran.returncode == 0, ran.stderr.decode() + diff.decode()
    return (folder / name).read_bytes()


TOOLS = [["git", "apply", "-p0", "--whitespace=nowarn"], ["patch", "-p0", "--binary"]]


@pytest.mark.parametrize("tool", TOOLS, ids=["git", "patch"])
@pytest.mark.parametrize("name", ["a.py", "sub/b c.py", "é 名.py"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\r\nb\r\nc", "a\r\nB\r\nc"),
        ("a\nb", "a\nb\n"),
        ("a\nb\n", "a\nb"),
        ("x = 1\n" * 50, "x = 1\n" * 10 + "y = 2\n" + "x = 1\n" * 41),
    ],
)
def test_tools_apply_it(tool: list[str], name: str, before: str, after: str, tmp_path: Path) -> None:
    if shutil.which(tool[0]) is None:
        pytest.skip(f"{tool[0]} is not installed")
    assert applied(tool, tmp_path, name, before, after) == after.encode()


@settings(max_examples=60, deadline=None)
@given(texts().filter(bool), texts().filter(bool))
def test_git_applies_any_diff(tmp_path_factory: pytest.TempPathFactory, before: str, after: str) -> None:
    if before == after:
        return
    folder = tmp_path_factory.mktemp("diff")
    assert applied(TOOLS[0], folder, "a.py", before, after) == after.encode()
