"""``mlint [check]`` on files: findings, fixes, diffs, reports, exit codes."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import BROKEN, CLEAN, FIXED, SAFE, Run, write


def test_exit_codes(project: Path, mlint: Run) -> None:
    write(project / "clean.py", CLEAN)
    assert mlint().code == 0
    write(project / "bad.py", SAFE)
    done = mlint()
    assert done.code == 1
    assert "bad.py:4:5: ML501 [*]" in done.out
    assert "Found 1 finding (1 fixable with --fix)." in done.out
    assert mlint("--exit-zero").code == 0
    assert mlint("clean.py").code == 0
    assert mlint("check", "bad.py").code == 1
    assert mlint("-q", "clean.py").out == ""


def test_missing_paths_do_not_stop_the_others(project: Path, mlint: Run) -> None:
    write(project / "bad.py", SAFE)
    done = mlint("nothing.py", "bad.py", "--exit-zero")
    assert done.code == 2
    assert done.err.splitlines()[0] == "mlint: nothing.py: no such file or folder"
    assert "bad.py:4:5: ML501" in done.out


def test_no_files_is_said(mlint: Run) -> None:
    done = mlint()
    assert done.code == 0
    assert "no Python files" in done.err


def test_a_file_that_does_not_parse_is_a_finding(project: Path, mlint: Run) -> None:
    write(project / "bad.py", SAFE)
    write(project / "broken.py", BROKEN)
    done = mlint("--output-format", "concise", "--select", "ML501")
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[0].startswith("bad.py:4:5: ML501")
    assert lines[1].startswith("broken.py:3:")
    assert "ML000" in lines[1]
    assert mlint("--ignore", "ML000", "broken.py").code == 0
    assert mlint("--per-file-ignores", "broken.py:syntax-error", "--select", "ML501", "broken.py").code == 0


def test_unreadable_file(project: Path, mlint: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlint import linter

    write(project / "secret.py", SAFE)
    write(project / "bad.py", SAFE)

    def forbid(path: str, *arguments: Any) -> Any:
        if path == "secret.py":
            raise PermissionError(13, "Permission denied", path)
        return open(path, *arguments)

    monkeypatch.setattr(linter, "open", forbid, raising=False)  # root may read everything
    done = mlint("--exit-zero")
    assert done.code == 2
    assert done.err.splitlines()[0] == "mlint: secret.py: cannot read: permission denied"
    assert "bad.py:4:5" in done.out


def test_dangling_link(project: Path, mlint: Run) -> None:
    (project / "gone.py").symlink_to("nowhere.py")
    write(project / "bad.py", SAFE)
    done = mlint("gone.py", "bad.py")
    assert done.code == 2
    assert "gone.py" in done.err
    assert "Traceback" not in done.err
    assert "bad.py:4:5" in done.out


def test_fix_writes_and_exits_zero_when_nothing_is_left(project: Path, mlint: Run) -> None:
    path = write(project / "bad.py", SAFE)
    path.chmod(0o755)
    done = mlint("--fix")
    assert (done.code, path.read_text()) == (0, FIXED)
    assert "Fixed 1 finding; nothing remains." in done.out
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    path.write_text(SAFE)
    assert mlint("--fix", "--exit-non-zero-on-fix").code == 1
    assert mlint("--fix", "--exit-non-zero-on-fix").code == 0


def test_fix_keeps_bytes(project: Path, mlint: Run) -> None:
    before = b"\xef\xbb\xbf" + SAFE.replace("\n", "\r\n").encode() + b"# \xc3\xa9\r\n"
    path = project / "bad.py"
    path.write_bytes(before)
    assert mlint("--fix").code == 0
    assert path.read_bytes() == b"\xef\xbb\xbf" + FIXED.replace("\n", "\r\n").encode() + b"# \xc3\xa9\r\n"


def test_fix_reports_what_is_left(project: Path, mlint: Run) -> None:
    write(project / "bad.py", SAFE)
    write(project / "broken.py", BROKEN)
    done = mlint("--fix", "--output-format", "concise")
    assert done.code == 1
    assert len(done.out.splitlines()) == 1
    assert "broken.py" in done.out
    assert "1 fixed, 1 remaining" in done.err


def test_fix_only_is_silent_about_the_rest(project: Path, mlint: Run) -> None:
    path = write(project / "bad.py", SAFE)
    write(project / "broken.py", BROKEN)
    done = mlint("--fix-only")
    assert (done.code, done.out, path.read_text()) == (0, "", FIXED)


def test_unfixable_rules_are_left_alone(project: Path, mlint: Run) -> None:
    path = write(project / "bad.py", SAFE)
    assert mlint("--fix", "--unfixable", "ML501").code == 1
    assert mlint("--fix", "--fixable", "ML00").code == 1
    assert path.read_text() == SAFE
    assert mlint("--fix", "--fixable", "ML501").code == 0


def test_show_fixes(project: Path, mlint: Run) -> None:
    write(project / "bad.py", SAFE)
    assert "1 × ML501 (log-of-softmax)" in mlint("--fix", "--show-fixes").err


def test_diff_writes_nothing(project: Path, mlint: Run) -> None:
    path = write(project / "sub" / "bad.py", SAFE)
    done = mlint("--diff")
    assert done.code == 1
    assert done.out == (
        "--- sub/bad.py\n+++ sub/bad.py\n@@ -1,4 +1,4 @@\n import torch\n \n x = torch.randn(3)\n"
        "-y = torch.log(torch.softmax(x, dim=-1))\n+y = torch.log_softmax(x, dim=-1)\n"
    )
    assert path.read_text() == SAFE
    path.write_text(FIXED)
    done = mlint("--diff")
    assert (done.code, done.out) == (0, "")


def test_diff_of_a_file_without_a_last_line_end_applies(project: Path, mlint: Run) -> None:
    path = write(project / "bad.py", SAFE.rstrip("\n"))
    done = mlint("--diff")
    assert done.out.count("\\ No newline at end of file\n") == 2
    patch = pytest.importorskip("shutil").which("patch")
    if patch:
        import subprocess

        subprocess.run([patch, "-p0"], input=done.out.encode(), check=True, capture_output=True)
        assert path.read_text() == FIXED.rstrip("\n")


def test_diff_exits_zero_iff_empty_even_with_findings(project: Path, mlint: Run) -> None:
    write(project / "bad.py", SAFE)
    assert mlint("--diff", "--unfixable", "ML501").code == 0


def test_select_ignore_and_extend(project: Path, mlint: Run) -> None:
    write(project / "bad.py", SAFE)
    assert mlint("--select", "ML5").code == 1
    assert mlint("--select", "log-of-softmax").code == 1
    assert mlint("--select", "ML00").code == 0
    assert mlint("--select", "ML00", "--extend-select", "ML501").code == 1
    assert mlint("--ignore", "ML501").code == 0
    assert mlint("--per-file-ignores", "bad.py:ML501").code == 0
    assert mlint("--per-file-ignores", "other.py:ML501").code == 1
    done = mlint("--select", "log-of-softmx")
    assert done.code == 2
    assert "log-of-softmax" in done.err


def test_suppressed_findings_are_silent_and_idle_comments_are_told(project: Path, mlint: Run) -> None:
    line = "y = torch.log(torch.softmax(x, dim=-1))"
    write(project / "bad.py", SAFE.replace(line, f"{line}  # noqa: ML501"))
    assert mlint().code == 0
    write(project / "bad.py", SAFE.replace(line, f"{line}  # mlint: ignore[ML501] known"))
    assert mlint().code == 0
    path = write(project / "bad.py", CLEAN + "x = 1  # noqa: ML501\n")
    assert "ML001" in mlint("--output-format", "concise").out
    assert mlint("--fix").code == 0
    assert path.read_text() == CLEAN + "x = 1\n"


@pytest.mark.parametrize("name", ["full", "concise", "json", "json-lines", "github", "gitlab", "sarif", "junit"])
def test_every_format_goes_to_a_file_too(project: Path, mlint: Run, name: str) -> None:
    write(project / "bad.py", SAFE)
    done = mlint("--output-format", name, "--no-cache", "-q")
    assert done.code == 1
    assert "ML501" in done.out
    again = mlint("--output-format", name, "--no-cache", "-o", "report.txt")
    assert (again.code, again.out) == (1, "")
    assert (project / "report.txt").read_bytes().decode() == done.out


def test_json_has_the_edits(project: Path, mlint: Run) -> None:
    write(project / "bad.py", SAFE)
    for _ in range(2):
        (finding,) = json.loads(mlint("--output-format", "json").out)
        assert finding["code"] == "ML501"
        assert finding["location"] == {"row": 4, "column": 5}
        assert finding["fix"]["applicability"] == "safe"
        assert finding["fix"]["edits"]


def test_the_environment_names_the_format(project: Path, process: Run) -> None:
    write(project / "bad.py", SAFE)
    assert json.loads(process(env={"MLINT_OUTPUT_FORMAT": "json"}).out)[0]["code"] == "ML501"


def test_statistics(project: Path, mlint: Run) -> None:
    write(project / "bad.py", SAFE + "z = torch.log(torch.softmax(x, dim=-1))\n")
    done = mlint("--statistics", "-q")
    assert (done.code, done.out) == (1, "2  ML501  [*] log-of-softmax\n")
    assert json.loads(mlint("--statistics", "--output-format", "json").out)[0]["count"] == 2
    assert mlint("--statistics", "--output-format", "sarif").code == 2


def test_show_files_and_excludes(project: Path, mlint: Run) -> None:
    for name in ("a.py", "sub/b.py", "skip/c.py", "d.txt"):
        write(project / name, CLEAN)
    assert mlint("--show-files").out.split() == ["a.py", "skip/c.py", "sub/b.py"]
    assert mlint("--show-files", "--exclude", "skip").out.split() == ["a.py", "sub/b.py"]
    assert mlint("--show-files", "--extend-exclude", "skip,sub").out.split() == ["a.py"]
    assert mlint("--show-files", "--extend-exclude", "skip", "skip/c.py").out.split() == ["skip/c.py"]
    assert mlint("--show-files", "--extend-exclude", "skip", "--force-exclude", "skip/c.py").out == ""
    assert mlint("--show-files", "--extension", "txt:python").out.split() == [
        "a.py", "d.txt", "skip/c.py", "sub/b.py",
    ]  # fmt: skip


def test_gitignore(project: Path, mlint: Run) -> None:
    (project / ".git").mkdir()
    write(project / ".gitignore", "made/\n")
    write(project / "made" / "a.py", CLEAN)
    write(project / "b.py", CLEAN)
    assert mlint("--show-files").out.split() == ["b.py"]
    assert mlint("--show-files", "--no-respect-gitignore").out.split() == ["b.py", "made/a.py"]


def test_show_settings(project: Path, mlint: Run) -> None:
    write(project / "pyproject.toml", '[tool.mlint]\nseed = 7\nignore = ["ML501"]\n')
    done = mlint("--show-settings", "--select", "ML5")
    assert done.code == 0
    assert "seed = 7  # " in done.out
    assert 'select = ["ML5"]' in done.out
    assert 'ignore = ["ML501"]' in done.out
    if sys.version_info >= (3, 11):
        import tomllib

        assert tomllib.loads(done.out)["seed"] == 7


def test_configuration_flags(project: Path, mlint: Run) -> None:
    write(project / "bad.py", SAFE)
    write(project / "pyproject.toml", '[tool.mlint]\nignore = ["ML501"]\n')
    assert mlint().code == 0
    assert mlint("--isolated").code == 1
    write(project / "other.toml", 'select = ["ML501"]\n')
    assert mlint("--config", "other.toml").code == 1
    assert mlint("--isolated", "--config", 'ignore = ["ML501"]').code == 0
    done = mlint("--config", "ingore = []")
    assert done.code == 2
    assert "ignore" in done.err
    assert done.err.count("\n") == 1


def test_wrong_configuration_is_one_line(project: Path, mlint: Run) -> None:
    write(project / "pyproject.toml", "[tool.mlint]\nfixx = true\n")
    done = mlint()
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "pyproject.toml" in done.err
    assert "fix" in done.err
    assert mlint("--exit-zero").code == 2


def test_timing(project: Path, mlint: Run) -> None:
    write(project / "bad.py", SAFE)
    assert "ML501" in mlint("--timing", "--output-format", "json").err


def test_verbosity(project: Path, mlint: Run) -> None:
    write(project / "bad.py", SAFE)
    assert "pyproject.toml" in mlint("-v").err
    quiet = mlint("-q", "--output-format", "concise")
    assert quiet.err == ""
    assert len(quiet.out.splitlines()) == 1
    silent = mlint("-qq")
    assert (silent.code, silent.out, silent.err) == (1, "", "")


def test_color(project: Path, mlint: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project / "bad.py", SAFE)
    assert "\x1b[" not in mlint().out
    assert "\x1b[" in mlint("--color", "always").out
    assert "\x1b[32m+" in mlint("--diff", "--color", "always").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in mlint().out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in mlint().out


def test_add_noqa(project: Path, mlint: Run) -> None:
    path = write(project / "bad.py", SAFE)
    done = mlint("--add-noqa=old code", "bad.py")
    assert done.code == 0
    assert "suppressed 1 finding in 1 file" in done.err
    assert path.read_text().splitlines()[3].endswith("  # noqa: ML501 old code")
    assert mlint().code == 0
    before = path.read_text()
    assert mlint("--add-noqa").code == 0
    assert path.read_text() == before


def test_baseline(project: Path, mlint: Run) -> None:
    path = write(project / "bad.py", SAFE)
    assert mlint("--baseline", "known.json").code == 2
    assert mlint("--write-baseline", "known.json").code == 0
    assert mlint().code == 1
    assert mlint("--baseline", "known.json").code == 0
    path.write_text("\n\n" + SAFE)
    assert mlint("--baseline", "known.json").code == 0
    path.write_text(SAFE + "z = torch.log(torch.softmax(x, dim=0))\n")
    done = mlint("--baseline", "known.json", "--output-format", "concise")
    assert done.code == 1
    assert [line.split(" ")[0] for line in done.out.splitlines()] == ["bad.py:5:5:"]
    path.write_text(CLEAN)
    assert "no longer found: bad.py: ML501" in mlint("--baseline", "known.json", "-v").err
    assert "no longer found" not in mlint("--baseline", "known.json").err


def test_the_baseline_of_the_configuration(project: Path, mlint: Run) -> None:
    write(project / "pyproject.toml", '[tool.mlint]\nbaseline = "known.json"\n')
    write(project / "bad.py", SAFE)
    assert mlint("--write-baseline", "known.json").code == 0
    assert mlint().code == 0


def test_explain(mlint: Run) -> None:
    done = mlint("explain", "ML501")
    assert done.code == 0
    assert done.out.startswith("# log-of-softmax (ML501)\n")
    assert "## Why" in done.out
    for way in (("explain", "log-of-softmax"), ("explain", "ml501"), ("--explain", "ML501")):
        assert mlint(*way).out == done.out
    typo = mlint("explain", "log-of-sftmax")
    assert (typo.code, typo.out) == (2, "")
    assert "did you mean log-of-softmax?" in typo.err
    assert mlint("explain").code == 2
    assert "does not parse" in mlint("explain", "ML000").out
    assert "noqa" in mlint("explain", "ML001").out


@pytest.mark.parametrize("word", ["profile"])
def test_words_that_are_not_built_say_so(mlint: Run, word: str) -> None:
    done = mlint(word)
    assert done.code == 2
    assert "not built yet" in done.err
    assert done.err.count("\n") == 1


def test_version_and_help(mlint: Run) -> None:
    from mlint import __version__

    assert mlint("--version").out == f"mlint {__version__}\n"
    done = mlint("--help")
    assert done.code == 0
    assert "--unsafe-fixes" in done.out


def test_wrong_usage(mlint: Run) -> None:
    done = mlint("--fxi")
    assert (done.code, done.out, done.err) == (2, "", "mlint: unknown option --fxi; did you mean --fix?\n")


def test_a_file_changed_during_the_run_is_left_alone(
    project: Path, mlint: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlint import check

    path = write(project / "bad.py", SAFE)
    lint_files = check.lint_files

    def meddle(*arguments: object, **keywords: object) -> object:
        outcomes = lint_files(*arguments, **keywords)  # type: ignore[arg-type]
        path.write_text("# new\n" + SAFE)
        return outcomes

    monkeypatch.setattr(check, "lint_files", meddle)
    done = mlint("--fix")
    assert done.code == 2
    assert "changed while mlint was running" in done.err
    assert path.read_text() == "# new\n" + SAFE


def test_a_file_that_cannot_be_written(project: Path, mlint: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlint.source import Source

    write(project / "bad.py", SAFE)
    good = write(project / "other.py", SAFE)
    to_disk = Source.write

    def forbid(self: Source, path: str | None = None) -> None:
        if self.path == "bad.py":
            raise PermissionError(13, "Permission denied", self.path)
        to_disk(self, path)

    monkeypatch.setattr(Source, "write", forbid)
    done = mlint("--fix")
    assert done.code == 2
    assert "mlint: bad.py: cannot write the fixed file: Permission denied" in done.err
    assert good.read_text() == FIXED


def test_broken_pipe(project: Path) -> None:
    import subprocess

    from tests.cli.command_line import ROOT

    write(project / "bad.py", SAFE + "y = torch.log(torch.softmax(x, dim=-1))\n" * 3000)
    command = f"{sys.executable} -m mlint | head -n 1"
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    assert done.stdout.startswith("bad.py:4:5")
    assert "Broken" not in done.stderr
    assert "Traceback" not in done.stderr
