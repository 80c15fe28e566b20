"""What a child told and how it ended, as a verdict; what is remembered and until when. Nothing is started here."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from mlint.smoke import cache
from mlint.smoke.channel import Channel, plain
from mlint.smoke.configuration import (
    Configuration,
    Limits,
    TargetConfiguration,
    from_plain,
    from_section,
    seconds,
    size,
    to_plain,
)
from mlint.smoke.definition import definition
from mlint.smoke.launch import Hang, Outcome, parsed
from mlint.smoke.memory import available, of_group
from mlint.smoke.selection import selects
from mlint.smoke.verdict import Verdict, findings, judged, locate

TORCH = {"event": "torch", "version": "2.9.0", "device": "cpu", "device_name": "cpu"}
FILES: dict[str, Any] = {"event": "files", "digests": {}, "packages": {}, "written": []}
CHECKS = [["MS101", "one"], ["MS102", "two"], ["MS103", "three"]]
BUILD = {"event": "stage", "doing": "building the model", "code": "MS001"}
OPENED = [TORCH, BUILD, FILES, {"event": "planned", "checks": CHECKS, "left": 9.0}]
FIRST = {"event": "check", "code": "MS101", "name": "one"}
SECOND = {"event": "check", "code": "MS102", "name": "two"}
HANG = Hang([(os.__file__, 9, "inner"), ("/shop/models.py", 12, "forward"), ("/shop/train.py", 3, "main")])


def ended(end: str, *events: dict[str, Any], status: int = 0) -> Verdict:
    told = [dict(event) for event in (*OPENED, *events)]
    doing = next(event for event in reversed(told) if event["event"] in ("stage", "check"))
    outcome = Outcome(told, end, status, doing, "a\nlast words\n", HANG, peak=3 * 2**30, limit=2 * 2**30, seconds=4.0)
    return judged(outcome, Configuration(budget=9.0, timeout=5.0))


def test_all_went_well() -> None:
    skipped = {"event": "not run", "code": "MS103", "name": "three", "reason": "no optimizer"}
    verdict = ended("done", FIRST, SECOND, skipped, {"event": "done"})
    assert (verdict.complete, verdict.ran, verdict.facts) == (True, 2, [])
    assert verdict.not_run == [("MS103", "three", "no optimizer")]
    assert (verdict.torch, verdict.device) == ("2.9.0", "cpu")


@pytest.mark.parametrize(
    ("end", "status", "code", "message", "reason"),
    [
        (
            "timeout", 0, "MS003",
            "the check MS102 (two) did not end within 5 s; it hung in forward (models.py:12)",
            "the run was stopped in the check MS102 (two)",
        ),
        (
            "memory", 0, "MS004",
            "the check MS102 (two) took 3.0 GiB of memory; 2.0 GiB are allowed",
            "the process ended in the check MS102 (two)",
        ),
        (
            "exit", 3, "MS004",
            "the check MS102 (two) ended the process with exit code 3",
            "the process ended in the check MS102 (two)",
        ),
        (
            "signal", 11, "MS004",
            "the check MS102 (two) was killed by SIGSEGV in forward (models.py:12)",
            "the process ended in the check MS102 (two)",
        ),
        (
            "signal", 9, "MS004",
            (
                "the check MS102 (two) was killed by SIGKILL, as the system does when memory runs out; "
                "3.0 GiB were seen last"
            ),
            "the process ended in the check MS102 (two)",
        ),
    ],
)  # fmt: skip
def test_an_early_end_is_a_finding_and_what_came_after_is_not_run(
    end: str, status: int, code: str, message: str, reason: str
) -> None:
    verdict = ended(end, FIRST, SECOND, status=status)
    assert not verdict.complete
    (facts,) = verdict.facts
    assert (facts["code"], facts["message"], facts["severity"]) == (code, message, "error")
    if end != "exit":
        assert facts["place"] == ("/shop/models.py", 12)
        assert facts["text"].splitlines()[0] == '  File "/shop/train.py", line 3, in main'
    else:
        assert facts["text"] == "a\nlast words"
    assert verdict.not_run == [("MS103", "three", reason)]


def test_the_end_of_the_budget_is_no_finding() -> None:
    verdict = ended("budget", FIRST, SECOND)
    assert verdict.facts == []
    assert verdict.not_run == [
        ("MS102", "two", "stopped when the budget of 9 s was used up, in forward (models.py:12)"),
        ("MS103", "three", "the budget of 9 s is used up"),
    ]


def test_a_budget_that_no_check_fits_into_is_never_a_pass() -> None:
    cut = [
        {"event": "not run", "code": code, "name": name, "reason": "used up", "budget": True} for code, name in CHECKS
    ]
    verdict = ended("done", *cut, {"event": "done"})
    assert [facts["code"] for facts in verdict.facts] == ["MS003"]
    assert not verdict.complete


def test_places(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "models.py").write_text(
        "import torch\n\n\nclass Net:\n    def small():\n        pass\n\n\nbuild = Net\n"
    )
    roots = [str(tmp_path / "nowhere"), str(tmp_path)]
    file = str(tmp_path / "shop" / "models.py")
    for reference, place in (
        ("shop.models:Net", (file, 4)),
        ("shop.models:Net.small", (file, 5)),
        ("shop.models:build", (file, 9)),
        ("shop.models:other", (file, 1)),
        ("elsewhere:other", None),
    ):
        assert definition(reference, roots) == place
    target = TargetConfiguration(model="shop.models:build")
    observed = {"code": "MS101", "name": "n", "message": "m", "severity": "error", "place": None}
    verdict = Verdict(facts=[{**observed, "module": "a.b", "evidence": {"loss": 0.5}}, {**observed, "code": "MS005"}])
    locate(verdict, target, roots)
    first, second = findings(verdict, target, True, lambda: ("pyproject.toml", 7))
    assert (first.path, first.start.line, first.start.column, first.end.column) == (file, 9, 1, 12)
    assert first.details == (("target", "shop.models:build"), ("module", "a.b"), ("loss", 0.5))
    assert (second.path, second.start.line) == ("pyproject.toml", 7)


def test_what_is_remembered(tmp_path: Path) -> None:
    folder, source, package = str(tmp_path / "cache"), tmp_path / "m.py", tmp_path / "torch.py"
    source.write_text("x = 1\n")
    package.write_text("")
    files = {
        "digests": {str(source): _digest(source)},
        "packages": {str(package): [package.stat().st_mtime_ns, package.stat().st_size]},
    }
    verdict = Verdict(facts=[{"code": "MS101"}], not_run=[("MS102", "n", "r")], complete=True, printed="secret", ran=3)
    cache.save(folder, "k", verdict, files)
    kept = cache.load(folder, "k")
    assert kept is not None
    assert (kept.cached, kept.facts, kept.not_run, kept.ran, kept.printed) == (
        True, [{"code": "MS101"}], [("MS102", "n", "r")], 3, "",
    )  # fmt: skip
    assert cache.load(folder, "other") is None
    source.write_text("x = 2\n")
    assert cache.load(folder, "k") is None
    source.write_text("x = 1\n")
    assert cache.load(folder, "k") is not None
    os.utime(package, ns=(1, 1))
    assert cache.load(folder, "k") is None
    source.unlink()
    assert cache.load(folder, "k") is None
    Path(folder, "smoke", "k.json").write_text("{")
    assert cache.load(folder, "k") is None
    for unfinished in (Verdict(), Verdict(complete=True, internal=[("a", "b")]), Verdict(complete=True, unusable="x")):
        cache.save(folder, "never", unfinished, files)
        assert cache.load(folder, "never") is None


def _digest(path: Path) -> str:
    import hashlib

    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def test_the_key_follows_what_decides() -> None:
    target = TargetConfiguration(model="a:b")
    base = Configuration(target=(target,))
    keys = {
        cache.key(base, target, "/usr/bin/python3"),
        cache.key(base._replace(budget=3.0), target, "/usr/bin/python3"),
        cache.key(base._replace(device="cuda"), target, "/usr/bin/python3"),
        cache.key(base, target._replace(causal=True), "/usr/bin/python3"),
        cache.key(base, target._replace(limits=Limits(parameters=1.0)), "/usr/bin/python3"),
        cache.key(base, target, "/usr/bin/python2"),
    }
    assert len(keys) == 6
    assert cache.key(base._replace(fail_on="never"), target, "/usr/bin/python3") in keys


def test_the_configuration_travels_as_json() -> None:
    made = from_section(
        {
            "budget": "1.5 min", "timeout": 3, "memory": "6 GiB", "select": ["MS1"], "fail-on": "info",
            "target": [
                {
                    "model": "a:b", "batch": ["float32[2]"], "frozen": ["teacher.*"], "exempt": {"MS101": ["x"]},
                    "limits": {"peak-memory": "500 MB", "step-time": "40 ms", "flops": 2e12},
                },
            ],
        }
    )  # fmt: skip
    assert (made.budget, made.timeout, made.memory, made.fail_on) == (90.0, 3.0, 6 * 2**30, "info")
    (target,) = made.target
    assert target.limits == Limits(peak_memory=500e6, step_time=0.04, flops=2e12)
    assert from_plain(json.loads(json.dumps(to_plain(made)))) == made
    assert [made._replace(fail_on=least).fails("warning") for least in ("info", "warning", "error", "never")] == [
        True, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), [("20s", 20.0), ("500 ms", 0.5), ("2min", 120.0), ("1h", 3600.0), (7, 7.0)])
def test_times(text: str | int, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("1 kB", 1e3), ("1KiB", 1024), ("2.5 GB", 2.5e9), ("1 TiB", 2**40), ("12", 12), (5, 5), ("3B", 3)],
)
def test_sizes(text: str | int, value: float) -> None:
    assert size(text) == value


def test_selectors() -> None:
    assert selects("all", "MS101", "x")
    assert selects("ms1", "MS101", "x")
    assert selects("eval_has_side_effects", "MS302", "eval-not-deterministic, eval-has-side-effects")
    assert not selects("MS2", "MS101", "x")
    assert not selects("eval", "MS302", "eval-not-deterministic")


def test_what_is_told_is_json() -> None:
    class Scalar:
        def item(self) -> float:
            return float("nan")

    cases = {"a": float("inf"), "b": Scalar(), "c": {1: {2}}, "d": (True, None), "e": object, "f": -float("inf")}
    told = plain(cases)
    assert told == {"a": "inf", "b": "nan", "c": {"1": [2]}, "d": [True, None], "e": str(object), "f": "-inf"}
    endless: list[object] = []
    endless.append(endless)
    assert "..." in json.dumps(plain({"x": endless}))


def test_lines_are_whole_however_long_they_are() -> None:
    read, write = os.pipe()
    channel = Channel(write)
    channel.tell("a", text="x" * 1000)
    channel.tell("b", text="ä\n\u2028")
    rows = [json.loads(line) for line in os.read(read, 65536).split(b"\n") if line]
    assert [row["event"] for row in rows] == ["a", "b"]
    assert rows[1]["text"] == "ä\n\u2028"
    os.close(read)
    os.close(write)


def test_stacks_of_faulthandler_are_read() -> None:
    text = (
        "Fatal Python error: Segmentation fault\n\n"
        'Thread 0x00007f01 (most recent call first):\n  File "/a.py", line 3 in wait\n\n'
        'Current thread 0x00007f02 (most recent call first):\n  File "/b.py", line 4 in <module>\n'
        '  File "<string>", line 1 in <module>\n\nExtension modules: numpy\n'
    )
    assert parsed(text, "0x7f01").frames == [("/a.py", 3, "wait")]
    assert parsed(text, "").frames == [("/b.py", 4, "<module>"), ("<string>", 1, "<module>")]
    assert parsed("garbage\n", "0x1").frames == []


def test_memory_is_counted() -> None:
    if not os.path.exists("/proc/self/stat"):
        pytest.skip("resident sizes are read from /proc")
    ballast = random.randbytes(30_000_000)
    assert of_group(os.getpgrp(), 0.0) > len(ballast)
    assert of_group(2**22, 0.0) == 0
    free = available()
    assert free is None or free > 0
