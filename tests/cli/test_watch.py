"""``--watch``: again after every change, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlint import watch
from tests.cli.command_line import CLEAN, ROOT, SAFE, write


def test_polling_sees_new_changed_and_removed_files(tmp_path: Path) -> None:
    steps: list[Callable[[], object]] = [
        lambda: (tmp_path / "a.py").write_text("1"),
        lambda: None,
        lambda: (tmp_path / "a.py").write_text("22"),
        lambda: (tmp_path / "a.py").unlink(),
    ]
    done: list[int] = []

    def wait(_: float) -> None:
        if len(done) == len(steps):
            raise KeyboardInterrupt
        steps[len(done)]()
        done.append(len(done))

    changes = watch.polled(lambda: [str(path) for path in tmp_path.glob("*.py")], wait)
    seen = []
    with pytest.raises(KeyboardInterrupt):
        for _ in changes:
            seen.append(len(done))
    assert seen == [1, 3, 4]


def test_it_runs_first_and_after_each_change(monkeypatch: pytest.MonkeyPatch) -> None:
    def two(*_: object) -> object:
        yield
        yield
        raise KeyboardInterrupt

    monkeypatch.setattr(watch, "changes", two)
    for clear in (True, False):
        results = iter([1, 1, 0])
        said: list[str] = []
        assert watch.watch(["."], list, lambda: next(results), said.append, clear=clear) == 0
        assert sum("watching" in text for text in said) == 3
        assert any("\x1b[2J" in text for text in said) is clear


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_as_a_process(project: Path) -> None:
    path = write(project / "bad.py", CLEAN)
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "mlint", "--watch", "--output-format", "concise", "-q"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    try:
        assert process.stdout is not None
        time.sleep(1.5)  # the first run; what it prints is nothing
        path.write_text(SAFE)
        line = process.stdout.readline()
        assert line.startswith("bad.py:4:5: ML501")
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Traceback" not in errors
