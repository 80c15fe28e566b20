"""``--watch``: again after every change, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from mlint import watch
from tests.cli.command_line import CLEAN, ROOT, SAFE, heed_ctrl_c, write


def test_polling_sees_new_changed_and_removed_files(tmp_path: Path) -> None:
    steps: list[Callable[[], object]] = [
        lambda: (tmp_path / "a.py").write_text("1"),
        lambda: None,
        lambda: (tmp_path / "a.py").write_text("22"),
        lambda: (tmp_path / "a.py").unlink(),
    ]
    done: list[int] = []

    def wait(_: float) -> None:
        steps[len(done)]()
        done.append(len(done))

    changes = watch.polled(lambda: [str(path) for path in tmp_path.glob("*.py")], wait)
    seen = [len(done) for _ in iter(lambda: next(changes, None) if len(done) < 4 else "end", "end")]
    assert seen == [0, 1, 3, 4]


def test_what_the_system_reports_matters_for_files_that_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    told = ["a.py", "a.pyi", "a.ipynb", "mlint.toml", "b.nb", "a.txt", "a.json", "Makefile"]
    found: list[str] = []

    def reported(*_: str, watch_filter: Callable[[int, str], bool], **__: object) -> list[set[str]]:
        found.extend(path for path in told if watch_filter(1, path))
        return []

    stub = types.ModuleType("watchfiles")
    monkeypatch.setattr(stub, "watch", reported, raising=False)
    monkeypatch.setitem(sys.modules, "watchfiles", stub)
    assert list(watch.changes(["."], lambda: ["a.py", "sub/old.nb", "Makefile"])) == []
    assert found == ["a.py", "a.pyi", "a.ipynb", "mlint.toml", "b.nb"]


def test_it_runs_first_and_after_each_change(monkeypatch: pytest.MonkeyPatch) -> None:
    def two(*_: object) -> object:
        yield
        yield
        yield
        raise KeyboardInterrupt

    monkeypatch.setattr(watch, "changes", two)
    said: list[str] = []
    assert watch.watch(["."], list, iter([1, 1, 0]).__next__, said.append, clear=True) == 0
    assert sum("watching" in text for text in said) == 3
    assert sum("\x1b[2J" in text for text in said) == 3
    said.clear()
    assert watch.watch(["."], list, iter([0, 0, 1]).__next__, said.append, clear=False) == 1
    assert "\x1b" not in "".join(said)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_as_a_process(project: Path) -> None:
    path = write(project / "bad.py", CLEAN)
    process = subprocess.Popen(
        [sys.executable, "-m", "mlint", "--watch", "--output-format", "concise"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        preexec_fn=heed_ctrl_c,
    )
    assert process.stdout is not None
    assert process.stderr is not None

    def until_it_waits() -> None:
        for line in process.stderr or ():
            if line.startswith("watching"):
                return

    try:
        until_it_waits()
        path.write_text(SAFE)
        until_it_waits()
    finally:
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=30)
    assert out.startswith("bad.py:4:5: ML501")
    assert process.returncode == 1
    assert "Traceback" not in errors
