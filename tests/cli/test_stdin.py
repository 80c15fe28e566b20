"""Standard input, as editors use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command_line import BROKEN, FIXED, SAFE, Run, write

EDITOR = ("--fix", "--force-exclude", "--exit-zero", "--no-cache", "--stdin-filename")


def test_findings(project: Path, process: Run) -> None:
    done = process("-", "--output-format", "concise", stdin=SAFE.encode())
    assert done.code == 1
    assert done.out.startswith("-:4:5: ML501 [*]")


def test_the_name_is_shown_and_drives_the_configuration(project: Path, mlint: Run) -> None:
    write(project / "sub" / "mlint.toml", 'ignore = ["ML501"]\n')
    write(project / "mlint.toml", '[per-file-ignores]\n"tests/*" = ["ML501"]\n')
    done = mlint("--output-format", "concise", "--stdin-filename", "new.py", "-", stdin=SAFE.encode())
    assert done.out.startswith("new.py:4:5")
    assert mlint("--stdin-filename", "sub/new.py", "-", stdin=SAFE.encode()).code == 0
    assert mlint("--stdin-filename", "tests/new.py", "-", stdin=SAFE.encode()).code == 0


def test_fix_prints_the_source_and_nothing_else(project: Path, process: Run) -> None:
    done = process(*EDITOR, "a.py", "-", stdin=SAFE.encode())
    assert (done.code, done.out) == (0, FIXED)
    assert "Fixed 1 finding" in done.err


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (SAFE.replace("\n", "\r\n").encode(), FIXED.replace("\n", "\r\n").encode()),
        (b"\xef\xbb\xbf" + SAFE.encode(), b"\xef\xbb\xbf" + FIXED.encode()),
        (b"# coding: latin-1\n# \xe9\n" + SAFE.encode(), b"# coding: latin-1\n# \xe9\n" + FIXED.encode()),
        (SAFE.rstrip("\n").encode(), FIXED.rstrip("\n").encode()),
        (b"", b""),
    ],
)
def test_bytes_in_bytes_out(project: Path, before: bytes, after: bytes) -> None:
    import os
    import subprocess
    import sys

    from tests.cli.command_line import ROOT

    done = subprocess.run(
        [sys.executable, "-m", "mlint", *EDITOR, "a.py", "-"],
        input=before,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout) == (0, after)


def test_a_syntax_error_comes_back_unchanged(project: Path, process: Run) -> None:
    done = process("--fix", "-", stdin=BROKEN.encode())
    assert (done.code, done.out) == (1, BROKEN)
    assert "ML000" in done.err
    assert process(*EDITOR, "a.py", "-", stdin=BROKEN.encode()).code == 0


def test_bytes_that_are_no_text_come_back_unchanged(project: Path) -> None:
    import os
    import subprocess
    import sys

    from tests.cli.command_line import ROOT

    data = b"x = '\xff'\n" + SAFE.encode()
    done = subprocess.run(
        [sys.executable, "-m", "mlint", "--fix", "-"],
        input=data,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout) == (1, data)
    assert b"ML000" in done.stderr


def test_excluded_input_comes_back_unchanged(project: Path, mlint: Run) -> None:
    write(project / "pyproject.toml", '[tool.mlint]\nextend-exclude = ["made"]\n')
    done = mlint(*EDITOR, "made/a.py", "-", stdin=SAFE.encode())
    assert (done.code, done.out, done.err) == (0, SAFE, "")
    assert mlint("--force-exclude", "--stdin-filename", "made/a.py", "-", stdin=SAFE.encode()).out == ""
    # Without --force-exclude, a name that is given counts as named by the user.
    assert mlint("--fix", "--stdin-filename", "made/a.py", "-", stdin=SAFE.encode()).out == FIXED


def test_json_for_editors(project: Path, mlint: Run) -> None:
    done = mlint("--output-format", "json", "--stdin-filename", "a.py", "-", stdin=SAFE.encode())
    (finding,) = json.loads(done.out)
    assert finding["filename"].endswith("a.py")
    assert finding["location"] == {"row": 4, "column": 5}
    assert finding["end_location"] == {"row": 4, "column": 40}
    assert finding["fix"]["edits"]
    assert not (project / "a.py").exists()


def test_diff_of_standard_input(project: Path, mlint: Run) -> None:
    done = mlint("--diff", "--stdin-filename", "a.py", "-", stdin=SAFE.encode())
    assert done.code == 1
    assert done.out.startswith("--- a.py\n+++ a.py\n")
    assert mlint("--diff", "-", stdin=FIXED.encode()).code == 0
