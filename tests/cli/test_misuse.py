"""What is wrong with a command line, its files or its streams is one line that says what to do, never a traceback."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.cli.command_line import BROKEN, CLEAN, FIXED, SAFE, Run, write


def test_nothing_is_said_to_have_passed_when_something_failed(project: Path, mlint: Run) -> None:
    assert mlint("nothing.py").out == ""
    assert mlint().out == ""
    write(project / "clean.py", CLEAN)
    assert mlint().out == "All checks passed.\n"


def test_what_could_not_be_written_is_still_found(project: Path, mlint: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlint.source import Source

    write(project / "bad.py", SAFE)
    write(project / "good.py", SAFE)
    written = Source.write

    def full(source: Source, path: str | None = None) -> None:
        if source.path == "bad.py":
            raise OSError(28, "No space left on device")
        written(source, path)

    monkeypatch.setattr(Source, "write", full)
    done = mlint("--fix", "--output-format", "concise")
    assert done.code == 2
    assert "bad.py: cannot write the fixed file: No space left on device" in done.err
    assert done.out.startswith("bad.py:4:5: ML501")
    assert "1 fixed, 1 remaining" in done.err
    assert (project / "bad.py").read_text() == SAFE
    assert (project / "good.py").read_text() == FIXED


def test_a_rule_that_does_not_exist_in_a_folder_further_down(project: Path, mlint: Run) -> None:
    write(project / "bad.py", SAFE)
    write(project / "sub" / "bad.py", SAFE)
    write(project / "sub" / "mlint.toml", '\nselect = ["ML5", "log-of-sofmax"]\n')
    done = mlint("--fix")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert done.err.startswith(f"mlint: {os.path.join('sub', 'mlint.toml')}:2: ")
    assert "log-of-softmax" in done.err
    assert "internal" not in done.err
    assert (project / "bad.py").read_text() == SAFE  # nothing was done


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--select", ""], "--select is given no rule"),
        (["--fixable", " , "], "--fixable is given no rule"),
        (["--stdin-filename", "a.py", "bad.py"], "bad.py is read from its file"),
        (["--show-files", "-"], "--show-files lists files"),
        (["explian", "ML501"], "explian: no such file or folder; did you mean explain?"),
        ([""], "'': no such file or folder"),
        (["--fix", "-o", "nowhere/report.txt", "bad.py"], "there is no folder nowhere"),
        (["--fix", "-o", ".", "bad.py"], ".: cannot write: it is a folder"),
    ],
)
def test_misuse(project: Path, mlint: Run, arguments: list[str], text: str) -> None:
    write(project / "bad.py", SAFE)
    done = mlint(*arguments)
    assert done.code == 2
    assert text in done.err.splitlines()[0]
    assert (project / "bad.py").read_text() == SAFE  # not fixed either, when the report has no place to go


def test_a_name_for_standard_input_means_standard_input(project: Path, mlint: Run) -> None:
    write(project / "other.py", BROKEN)
    done = mlint("--fix", "--stdin-filename", "x.py", stdin=SAFE.encode())
    assert (done.code, done.out) == (0, FIXED)


def test_explain_a_family(mlint: Run) -> None:
    done = mlint("explain", "ml50")
    assert done.code == 0
    assert done.out.splitlines()[0].startswith("ML501  log-of-softmax: ")
    assert all(line.startswith("ML50") for line in done.out.splitlines())
    assert "ML501  " in mlint("explain", "torch").out
    assert mlint("explain", "ALL").out.startswith("ML000  syntax-error: ")


def test_an_unexpected_error_is_one_line(project: Path, mlint: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlint import check

    def broken(*_: object, **__: object) -> object:
        raise ZeroDivisionError("oops")

    write(project / "bad.py", SAFE)
    monkeypatch.setattr(check, "lint_files", broken)
    done = mlint()
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "internal error: ZeroDivisionError: oops; please report it" in done.err
    assert "Traceback" in mlint("-v").err


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors and folders as POSIX has them")
@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("{} bad.py > /dev/full", "mlint: cannot write what was found: "),
        ("{} --fix - < bad.py > /dev/full", "mlint: cannot write what was found: "),
        ("{} - <&-", "mlint: standard input is closed"),
        ("mkdir gone && cd gone && rmdir ../gone && {}", "mlint: the current folder is gone"),
        ("{} bad.py >&-", ""),
    ],
)
def test_streams_and_folders_that_are_not_there(project: Path, line: str, text: str) -> None:
    import subprocess

    from tests.cli.command_line import ROOT

    if "/dev/full" in line and not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    write(project / "bad.py", SAFE)
    command = f"'{sys.executable}' -m mlint"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", line.format(command)], stderr=subprocess.PIPE, env=environment, check=False)
    error = done.stderr.decode()
    assert "Traceback" not in error
    assert error.startswith(text)
    assert error.count("\n") == bool(text)
    assert done.returncode == (2 if text else 1)


def test_a_closed_folder_does_not_stop_the_others(project: Path, mlint: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project / "bad.py", SAFE)
    (project / "closed").mkdir()
    scan = os.scandir

    def scandir(path: str) -> object:  # root enters every folder, whatever its mode
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    done = mlint("closed", "bad.py")
    assert done.code == 2
    assert "closed" in done.err
    assert "ML501" in done.out


def test_watching_survives_a_broken_configuration(project: Path, mlint: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlint import watch

    path = write(project / "bad.py", CLEAN)
    steps = [
        lambda: write(project / "pyproject.toml", "[tool.mlint]\nselct = 1\n"),
        lambda: write(project / "pyproject.toml", "[tool.mlint]\nselect = ['ML501']\n"),
        lambda: write(path, SAFE),
        lambda: path.unlink(),
        lambda: None,
    ]

    def wait(_: float) -> None:
        if not steps:
            raise KeyboardInterrupt
        steps.pop(0)()

    monkeypatch.setattr(watch, "changes", lambda _, files: watch.polled(files, wait))
    done = mlint("--watch", "bad.py")
    assert done.err.count("unknown key") == 1
    assert "ML501" in done.out
    assert done.err.count("no such file") == 1
    assert done.err.count("watching for changes") == 5


_RULE = '''
from mlint.rule import PatternRule, Safety


class Mine(PatternRule):
    """A rule of the project."""

    code, name = "MY001", "my-rule"
    libraries = ("torch",)
    patterns = {"torch.sqrt($x * $x)": "torch.abs($x)"}
    safety = Safety.SAFE
    message = "`{code}` is slow"
    examples = ()
'''


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise SystemExit(0)\n", "the rule cannot be imported: SystemExit: 0"),
        ("def (\n", "the rule cannot be imported: SyntaxError: "),
        (_RULE.replace('$x)"}', '$x"}'), "the rule Mine cannot be used: "),
        (_RULE.replace("MY001", "ML501"), "calls its rule ML501 my-rule, but mlint.rules."),
    ],
)
def test_a_rule_of_the_project_that_is_broken(project: Path, mlint: Run, text: str, said: str) -> None:
    write(project / "tools" / "mine.py", text)
    write(project / "pyproject.toml", '[tool.mlint]\nlocal-rules = ["tools"]\n')
    write(project / "clean.py", CLEAN)
    done = mlint("clean.py")
    assert done.code == 2
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert done.err.startswith(f"mlint: {project / 'tools' / 'mine.py'}")
    assert said in done.err
