"""Many files: processes, order, accidents."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mlint import processes, runner
from mlint.linter import Job, Linter, Outcome, Task
from mlint.processes import run_jobs
from tests.cli.command_line import BROKEN, CLEAN, ROOT, SAFE, Run, heed_ctrl_c, write


class Echo:
    """A linter that finds nothing and dies, raises or answers as the name of the file says."""

    def lint(self, job: Job) -> Outcome:
        if "exit" in job.path:
            os._exit(7)
        if "kill" in job.path:
            os.kill(os.getpid(), signal.SIGKILL)
        outcome = Outcome(job.path)
        outcome.dependencies = (str(os.getpid()),)
        return outcome


def run(names: list[str], count: int | None, linter: Any = None) -> tuple[list[Outcome], list[int]]:
    seen: list[int] = []
    jobs = [Job(name, False, 0, 1000 + number) for number, name in enumerate(names)]
    return run_jobs(linter or Echo(), jobs, count, seen.append), seen


@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_order_is_that_of_the_files(count: int) -> None:
    names = [f"{number}.py" for number in range(40)]
    outcomes, seen = run(names, count)
    assert [outcome.path for outcome in outcomes] == names
    assert seen == list(range(1, 41))
    workers = {outcome.dependencies[0] for outcome in outcomes}
    assert (workers == {str(os.getpid())}) is (count == 1)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_both_ways_to_start_processes(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "start_method", lambda: method)
    names = [f"{number}.py" for number in range(6)]
    assert [outcome.path for outcome in run(names, 2)[0]] == names


def test_small_runs_stay_in_this_process() -> None:
    outcomes, _ = run(["a.py", "b.py"], None)
    assert {outcome.dependencies[0] for outcome in outcomes} == {str(os.getpid())}


@pytest.mark.parametrize(("how", "said"), [("exit", "exit code 7"), ("kill", "killed by signal 9")])
def test_a_process_that_dies_costs_one_file(how: str, said: str) -> None:
    names = [f"{number}.py" for number in range(30)]
    names[3], names[17] = f"{how}1.py", f"{how}2.py"
    outcomes, seen = run(names, 2)
    assert [outcome.path for outcome in outcomes] == names
    failed = [outcome for outcome in outcomes if outcome.problems]
    assert [outcome.path for outcome in failed] == [f"{how}1.py", f"{how}2.py"]
    assert said in str(failed[0].problems[0])
    assert seen[-1] == 30


def test_every_process_dying_is_no_hang() -> None:
    outcomes, _ = run([f"exit{number}.py" for number in range(8)], 3)
    assert all(outcome.problems for outcome in outcomes)


def test_an_error_of_the_parent_ends_the_processes() -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    jobs = [Job(f"{number}.py", False, 0, 10) for number in range(20)]
    with pytest.raises(KeyboardInterrupt):
        run_jobs(Echo(), jobs, 2, interrupt)  # type: ignore[arg-type]
    import multiprocessing

    assert not multiprocessing.active_children()


def test_chunks_hold_every_file_once_and_are_balanced() -> None:
    jobs = [Job(f"{number}.py", False, 0, size) for number, size in enumerate([10, 900_000, 500, 0, 70_000] * 20)]
    chunks = processes.chunks(jobs, 8)
    assert sorted(number for chunk in chunks for number in chunk) == list(range(100))
    totals = [sum(jobs[number].size for number in chunk) for chunk in chunks]
    assert max(totals) <= 4 * sum(totals) / 8


def test_the_garbage_collector_is_left_as_it_was() -> None:
    class Look:
        def lint(self, job: Job) -> Outcome:
            assert not gc.isenabled()
            return Outcome(job.path)

    assert gc.isenabled()
    run(["a.py"], 1, Look())
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_the_same_bytes_for_any_number_of_processes(project: Path, mlint: Run) -> None:
    for number in range(12):
        text = (SAFE, CLEAN, BROKEN)[number % 3] + f"# {'x' * 997 * number}\n"
        write(project / f"{number % 4}" / f"m{number}.py", text)
    one = mlint("--no-cache", "-j", "1", "--output-format", "json")
    assert one.out.count("ML501") > 3
    assert mlint("--no-cache", "-j", "2", "--output-format", "json") == one
    assert mlint("--no-cache", "-j", "5", "--output-format", "json") == one
    assert mlint("--no-cache", "-j", "3", "--diff") == mlint("--no-cache", "-j", "1", "--diff")
    assert mlint("--no-cache", "-j", "3", "--fix").code == 1
    assert "ML501" not in mlint("--no-cache").out


def test_the_cache_changes_nothing_but_the_work(
    project: Path, mlint: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        write(project / f"m{number}.py", SAFE + "# " + "x" * 20_000 + "\n")
    cold = mlint("--output-format", "concise")
    assert (project / ".mlint_cache").is_dir()
    monkeypatch.setattr(runner, "run_jobs", lambda *_: pytest.fail("everything is known"))
    assert mlint("--output-format", "concise") == cold
    with pytest.raises(pytest.fail.Exception):
        mlint("--output-format", "concise", "--no-cache")
    with pytest.raises(pytest.fail.Exception):
        mlint("--output-format", "concise", "--ignore", "ML501")
    with pytest.raises(pytest.fail.Exception):
        mlint("--output-format", "json")  # shows edits, which nobody has built yet
    monkeypatch.undo()
    monkeypatch.chdir(project)
    assert "Found" not in mlint("--ignore", "ML501").out
    assert mlint("--fix").code == 0
    assert mlint().code == 0


def test_another_cache_folder(project: Path, mlint: Run) -> None:
    write(project / "m.py", SAFE + "# " + "x" * 100_000 + "\n")
    assert mlint("--cache-dir", "kept/here").code == 1
    assert list((project / "kept" / "here").glob("*.json"))
    assert not (project / ".mlint_cache").exists()
    assert mlint("--no-cache").code == 1
    assert not (project / ".mlint_cache").exists()


def test_progress_is_for_terminals_only() -> None:
    import io

    from mlint.console import Console

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, shown in ((io.StringIO(), False), (Terminal(), True)):
        console = Console(0, io.StringIO(), stream)
        console.progress(1, 10)
        console._next = min(console._next, 0.001) if shown else console._next
        console.progress(2, 10)
        assert ("2/10" in stream.getvalue()) is shown
        console.end_progress()
        console.note("done")
        assert stream.getvalue().endswith("done\n")
    quiet = Console(-1, io.StringIO(), Terminal())
    quiet.progress(1, 10)
    quiet.progress(2, 10)
    assert quiet.errors.getvalue() == ""  # type: ignore[attr-defined]


def test_a_rule_that_fails_costs_itself_only(project: Path, mlint: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlint.engine import Engine

    write(project / "bad.py", SAFE)
    check = Engine.check

    class Failure:
        code, path, message, details = "ML999", "bad.py", "ZeroDivisionError: division by zero", "Traceback of ML999"

    def failing(self: Engine, *arguments: Any, **keywords: Any) -> Any:
        report = check(self, *arguments, **keywords)
        report.errors.append(Failure())  # type: ignore[arg-type]
        return report

    monkeypatch.setattr(Engine, "check", failing)
    done = mlint("--exit-zero")
    assert done.code == 2
    assert "bad.py:4:5: ML501" in done.out
    assert "mlint: bad.py: internal error in ML999: ZeroDivisionError" in done.err
    assert "Traceback" not in done.err
    assert "Traceback of ML999" in mlint("-v").err


def test_an_engine_that_fails_costs_one_file(project: Path, mlint: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlint.engine import Engine

    write(project / "a.py", SAFE)
    write(project / "b.py", SAFE)
    check = Engine.check

    def failing(self: Engine, source: Any, *arguments: Any, **keywords: Any) -> Any:
        if source.path == "a.py":
            raise RuntimeError("boom")
        return check(self, source, *arguments, **keywords)

    monkeypatch.setattr(Engine, "check", failing)
    done = mlint("--fix")
    assert done.code == 2
    assert "mlint: a.py: internal error: RuntimeError: boom" in done.err
    assert ((project / "a.py").read_text(), "log_softmax" in (project / "b.py").read_text()) == (SAFE, True)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_is_one_line_and_leaves_no_process(project: Path) -> None:
    program = (
        "import sys, time\n"
        "from mlint import cli, linter\n"
        "def slow(self, job):\n    print('at', flush=True)\n    time.sleep(60)\n"
        "linter.Linter.lint = slow\n"
        "sys.exit(cli.main(['-j', '2', '--no-cache']))\n"
    )
    for name in "ab":
        write(project / f"{name}.py", SAFE)
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
    )
    assert process.stdout is not None
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == b"mlint: interrupted\n"
    for _ in range(200):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("a worker has survived")


def test_task_is_what_workers_get(project: Path) -> None:
    import pickle

    from mlint.settings import SettingsResolver

    linter = Linter([SettingsResolver(isolated=True).for_path("a.py")], Task(fix=True))
    again = pickle.loads(pickle.dumps(linter))
    outcome = again.lint_bytes(SAFE.encode(), "a.py")
    assert outcome.fixed is not None
    copy = pickle.loads(pickle.dumps(outcome))
    assert (copy.applied, copy.fixed, copy.path) == (outcome.applied, outcome.fixed, "a.py")
