"""The models of examples/smoke: the right finding on each broken one, at its line, and none on the good one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlint.settings import SettingsResolver
from mlint.smoke.checks.catalogue import catalogue
from mlint.smoke.configuration import Configuration, TargetConfiguration, from_section

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "examples" / "smoke"
EXPECTED: dict[str, dict[str, str]] = {
    "good": {},
    "detached": {"MS101": "detached.py"},
    "unregistered": {"MS103": "unregistered.py"},
    "replaced-head": {"MS103": "replaced_head.py"},
    "zero-adapter": {"MS102": "zero_adapter.py"},
    "stale-gradients": {"MS106": ""},
    "rounded-away": {"MS104": "rounded_away.py"},
    "attends-to-batch": {"MS401": "attends_to_batch.py"},
    "sees-the-future": {"MS402": "sees_the_future.py"},
    "norm-at-zero": {"MS201": "norm_at_zero.py"},
}
ALSO = {"norm-at-zero": {"MS202"}, "attends-to-batch": {"MS403"}, "replaced-head": {"MS101"}}
"""What another check may say about the same fault."""


def targets() -> dict[str, TargetConfiguration]:
    """The targets of examples/smoke/mlint.toml by name."""
    section = from_section(SettingsResolver().for_path(str(FOLDER / "x.py")).smoke)
    return {target.name: target for target in section.target}


@pytest.fixture(scope="module", autouse=True)
def importable() -> Iterator[None]:
    """The modules of the examples, under the short names that they have there, for these tests only."""
    names = {path.stem for path in FOLDER.glob("*.py")}
    kept = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(kept)


def test_every_target_is_expected() -> None:
    assert set(targets()) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_found(name: str) -> None:
    pytest.importorskip("torch")
    from mlint.smoke.public import in_process
    from mlint.smoke.target import load
    from mlint.smoke.verdict import findings, locate

    target = targets()[name]
    configuration = Configuration(budget=200.0, device="cpu", root=str(FOLDER), roots=(str(FOLDER),), target=(target,))
    verdict = in_process(configuration, target, load(target))
    assert verdict.internal == []
    locate(verdict, target, configuration.roots)
    every = findings(verdict, target, False, lambda: ("mlint.toml", 1))
    known = catalogue()
    expected = {code: file for code, file in EXPECTED[name].items() if code in known}
    found = {finding.code: finding for finding in every if finding.severity != "info"}
    assert set(expected) <= set(found) <= set(expected) | ALSO.get(name, set()), every
    for code, file in expected.items():
        assert Path(found[code].path).name == (file or Path(found[code].path).name)
        assert found[code].details, "a finding shows its evidence"


def test_the_static_stage_sees_two_of_them() -> None:
    def codes(*arguments: str) -> list[str]:
        command = [sys.executable, "-m", "mlint", "--no-cache", "--output-format", "json", *arguments, str(FOLDER)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return sorted(row["code"] for row in json.loads(done.stdout))

    assert codes() == []
    assert codes("--isolated") == ["ML412", "ML413"]
