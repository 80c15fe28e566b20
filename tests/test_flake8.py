"""The flake8 plugin: the same findings, lines and columns as the command line, without a second parse."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("flake8")

ROOT = Path(__file__).resolve().parent.parent
SAFE = "import torch\n\nx = torch.randn(3)\ny = torch.log(torch.softmax(x, dim=-1))\n"
CALL = "torch.log(torch.softmax(x, dim=-1))"

FILES = {
    "plain.py": SAFE,
    "sub/unicode.py": f'import torch\nx = torch.randn(3)\ns = "äöü€𝔘", {CALL}; t = "𝔘𝔘", {CALL}\n',
    "tabs.py": f"import torch\n\n\ndef f(x):\n\tif x:\n\t\treturn {CALL}\n",
    "formfeed.py": f"import torch\n\x0c\nx = torch.randn(3)\n\x0cy = {CALL}\n",
    "crlf.py": SAFE.replace("\n", "\r\n"),
    "bom.py": "\ufeff" + SAFE,
    "noqa.py": f"import torch\nx = torch.randn(3)\ny = {CALL}  # noqa: ML501\nz = {CALL}  # noqa\n",
    "own.py": f"import torch\nx = torch.randn(3)\ny = {CALL}  # mlint: ignore[ML501] known\n",
    "file.py": f"# mlint: file-ignore[ML501]\nimport torch\nx = torch.randn(3)\ny = {CALL}\n",
    "idle.py": "import torch\nx = 1  # noqa: ML501\ny = 2  # mlint: ignore[ML501]\n",
    "lines.py": "import torch\nx = torch.randn(3)\ny = torch.log(\n    torch.softmax(\n        x, dim=-1)\n)\n",
    "joined.py": f'import torch\nx = torch.randn(3)\ny = {CALL}, """\n\n"""  # noqa: ML501\n',
    "clean.py": "import torch\n",
    "empty.py": "",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.mlint]\n")
    # As the entry point of an installed mlint says it; the marker keeps flake8 from seeing two of them.
    (tmp_path / ".flake8").write_text("[flake8]\n" + local_plugin())
    return tmp_path


def local_plugin() -> str:
    """The configuration that registers the plugin, unless mlint is installed and has registered itself."""
    from importlib.metadata import entry_points

    if any(point.value == "mlint.flake8:Plugin" for point in entry_points(group="flake8.extension")):
        return ""
    return f"[flake8:local-plugins]\nextension =\n    ML = mlint.flake8:Plugin\npaths = {ROOT}\n"


def write(project: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        encoding="utf-8",
        input=stdin,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
    )


def places(output: str) -> list[tuple[str, int, int, str, str]]:
    """Path, line, column, code and text of each line of a report; the mark of what can be fixed is left out."""
    found = re.findall(r"^(?:\./)?(.+?):(\d+):(\d+): (\w+) (?:\[\*\] )?(.*)$", output, re.MULTILINE)
    return sorted((path, int(line), int(column), code, text) for path, line, column, code, text in found)


def test_the_same_as_the_command_line(project: Path) -> None:
    write(project, FILES)
    flake8 = run("flake8", "--select", "ML", ".")
    mlint = run("mlint", "--output-format", "concise", "-q", ".")
    assert places(flake8.stdout) == places(mlint.stdout)
    assert flake8.stderr == ""
    found = places(flake8.stdout)
    assert {path for path, *_ in found} >= {
        "plain.py", "sub/unicode.py", "tabs.py", "formfeed.py", "crlf.py", "bom.py", "idle.py", "lines.py",
    }  # fmt: skip
    assert not {path for path, *_ in found} & {"noqa.py", "own.py", "file.py", "joined.py", "clean.py", "empty.py"}
    assert [(line, column) for path, line, column, *_ in found if path == "sub/unicode.py"] == [(3, 14), (3, 61)]
    assert {code for path, _, _, code, _ in found if path == "idle.py"} == {"ML001"}


def test_processes_of_flake8(project: Path) -> None:
    write(project, {f"m{number}.py": SAFE for number in range(20)})
    one, many = run("flake8", "--select", "ML", "-j", "1", "."), run("flake8", "--select", "ML", "-j", "3", ".")
    assert places(one.stdout) == places(many.stdout)
    assert len(places(one.stdout)) == 20


def test_standard_input(project: Path) -> None:
    done = run("flake8", "--select", "ML", "--stdin-display-name", "a.py", "-", stdin=SAFE)
    assert [place[:4] for place in places(done.stdout)] == [("a.py", 4, 5, "ML501")]


def test_the_configuration_of_mlint_is_read(project: Path) -> None:
    write(project, {"a.py": SAFE, "tests/a.py": SAFE})
    (project / "pyproject.toml").write_text('[tool.mlint.per-file-ignores]\n"tests/*" = ["ML501"]\n')
    assert [place[0] for place in places(run("flake8", "--select", "ML", ".").stdout)] == ["a.py"]
    (project / "pyproject.toml").write_text('[tool.mlint]\nignore = ["ML501"]\n')
    assert run("flake8", "--select", "ML", ".").stdout == ""
    (project / "pyproject.toml").write_text("[tool.mlint]\nignroe = []\n")
    done = run("flake8", "--select", "ML", ".")
    assert done.returncode == 1
    assert 'did you mean "ignore"' in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_noqa_can_be_disabled(project: Path) -> None:
    write(project, {"noqa.py": FILES["noqa.py"], "own.py": FILES["own.py"]})
    done = run("flake8", "--select", "ML", "--disable-noqa", ".")
    assert [place[:4] for place in places(done.stdout)] == [("noqa.py", 3, 5, "ML501"), ("noqa.py", 4, 5, "ML501")]


def test_opt_in_rules_come_when_they_are_asked_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    from mlint import registry
    from mlint.flake8 import Plugin, _Session
    from mlint.settings import SettingsResolver

    real = registry.load_index()
    extra = real.by_code["ML501"]._replace(code="ML999", name="an-opt-in-rule", default=False)
    index = registry.Index((*(entry for entry in real.entries if entry.default), extra))
    monkeypatch.setattr(registry, "load_index", lambda _: index)

    class Manager:
        ignored: list[str] = []

        def extend_default_ignore(self, codes: list[str]) -> None:
            self.ignored.extend(codes)

    manager = Manager()
    Plugin.add_options(manager)
    assert manager.ignored == ["ML999"]
    settings = SettingsResolver().for_path("a.py")
    assert "ML999" not in _Session().codes(settings, "a.py")
    assert "ML999" in _Session(("ML9",)).codes(settings, "a.py")
    (project / "pyproject.toml").write_text('[tool.mlint]\nextend-select = ["ML999"]\n')
    manager.ignored.clear()
    Plugin.add_options(manager)
    assert manager.ignored == []


def test_nothing_is_parsed_again_and_libcst_is_not_imported(project: Path) -> None:
    program = (
        "import ast, sys\n"
        "from mlint.flake8 import Plugin\n"
        "text = open('plain.py').read()\n"
        "tree = ast.parse(text)\n"
        "parse = ast.parse\n"
        "def watched(source, *rest, **named):\n"
        "    assert 'import torch' not in str(source), 'parsed again'\n"  # patterns of rules are parsed, files are not
        "    return parse(source, *rest, **named)\n"
        "ast.parse = watched\n"
        "print(len(list(Plugin(tree, text.splitlines(True), 'plain.py').run())))\n"
        "print('libcst' in sys.modules)\n"
    )
    write(project, {"plain.py": SAFE})
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.split() == ["1", "False"], done.stderr


def test_rules_of_the_project_that_are_not_there(project: Path) -> None:
    write(project, {"plain.py": SAFE})
    (project / "pyproject.toml").write_text('[tool.mlint]\nlocal-rules = ["nowhere"]\n')
    done = run("flake8", "--select", "ML", "plain.py")
    assert "Traceback" not in done.stdout + done.stderr
    assert "mlint: local-rules: there is no file or folder" in done.stdout + done.stderr


def test_what_mlint_excludes_is_silent(project: Path) -> None:
    write(project, {"plain.py": SAFE, "generated/plain.py": SAFE})
    (project / "pyproject.toml").write_text('[tool.mlint]\nextend-exclude = ["generated/"]\n')
    done = run("flake8", "--select", "ML", ".")
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [os.path.join(".", "plain.py")]
