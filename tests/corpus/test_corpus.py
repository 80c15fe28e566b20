"""Complete training scripts: nothing is found in those that are right, and each planted defect, and only that."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpus.planted import PLANTED, PROGRAMS, Planted
from tests.traps.linting import found_in

SCRIPTS = sorted(PROGRAMS.glob("*.py"))


def _id(value: object) -> str | None:
    if isinstance(value, Path):
        return value.stem
    return f"{value.program}: {value.what}" if isinstance(value, Planted) else None


@pytest.mark.parametrize("script", SCRIPTS, ids=_id)
def test_nothing_is_found(script: Path) -> None:
    assert not found_in(script.read_text(encoding="utf-8"))


@pytest.mark.parametrize("planted", PLANTED, ids=_id)
def test_the_defect_is_found(planted: Planted) -> None:
    text = planted.text
    findings = found_in(text)
    assert [finding.code for finding in findings] == [planted.code], [f.text for f in findings]
    assert planted.at in text.splitlines()[findings[0].start.line - 1]


def test_there_are_many() -> None:
    assert len(SCRIPTS) + len(PLANTED) >= 60
    assert len({(planted.program, planted.old, planted.new) for planted in PLANTED}) == len(PLANTED)


@pytest.mark.slow
def test_the_right_ones_run() -> None:
    """All in one process, so that the libraries are imported once."""
    texts = [script.read_text(encoding="utf-8") for script in SCRIPTS]
    imported = set(re.findall(r"^(?:from|import) (\w+)", "\n".join(texts), re.MULTILINE))
    lacking = sorted(name for name in imported if importlib.util.find_spec(name) is None)
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}")
    program = (
        "import runpy, sys\n"
        "for path in sys.argv[1:]:\n"
        "    print('running', path, file=sys.stderr)\n"
        "    sys.argv = [path]\n"
        "    runpy.run_path(path, run_name='__main__')\n"
    )
    command = [sys.executable, "-c", program, *map(str, SCRIPTS)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, env={**os.environ, "MASTER_PORT": "0"})
    assert ran.returncode == 0, ran.stderr
