"""Programs of one file or several, linted with all rules that are on by default."""

from __future__ import annotations

import re
import tempfile
import textwrap
from functools import cache
from pathlib import Path

from mlint.engine import Engine, EngineOptions
from mlint.finding import Finding
from mlint.registry import Index, load_index
from mlint.settings import Settings, active_codes
from mlint.source import Source

_FILE = re.compile(r"^--- (\S+)\n", re.MULTILINE)


@cache
def _rules() -> tuple[Index, Settings]:
    return load_index(), Settings()


def files_of(program: str) -> dict[str, str]:
    """The files of a program. A line ``--- name.py`` begins one; what stands before the first is ``train.py``."""
    parts = _FILE.split(textwrap.dedent(program).lstrip("\n"))
    files = {"train.py": parts[0]} if parts[0].strip() else {}
    files.update(zip(parts[1::2], parts[2::2], strict=True))
    return files


def found(program: str) -> list[tuple[str, str, str]]:
    """File, code and text of every finding in a program."""
    return [(name, finding.code, finding.text) for name, finding in _found(files_of(program))]


def found_in(script: str) -> list[Finding]:
    """The findings in a program of one file."""
    return [finding for _, finding in _found({"train.py": script})]


def _found(files: dict[str, str]) -> list[tuple[str, Finding]]:
    index, settings = _rules()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in files.items():
            compile(text, name, "exec")
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        engine = Engine(index, options=EngineOptions(roots=(folder,)))
        findings: list[tuple[str, Finding]] = []
        for name in files:
            report = engine.check(Source.read(str(root / name)), active_codes(settings, index, name))
            assert not report.errors, report.errors[0].details
            findings.extend((name, finding) for finding in report.findings)
    return findings


def codes(program: str) -> list[str]:
    """The codes of what is found in a program."""
    return sorted(code for _, code, _ in found(program))
