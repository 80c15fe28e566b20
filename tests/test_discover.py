"""Which files are found; held against git itself wherever git has an opinion."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mlint.discover import Discovered, DiscoverError, discover, is_excluded
from mlint.globs import Globs, anchored, relative

TREE = (
    "a.py", "b.pyi", "c.txt", "build/a.py", "src/a.py", "src/build/b.py", "src/pkg/a.py", "src/pkg/deep/b.py",
    "src/pkg/deep/.hidden.py", "[x].py", "doc/a b.py", "doc/!x.py", "doc/#x.py", ".github/ab.py", "docs/x-y.py",
    "src/pkg/tests/test_a.py",
)  # fmt: skip

PIECES = (
    "a", "b", "*", "**", "?", "/", "/", "!", "[ab]", "[!a]", "[^b]", "[a-c]", "[]x]", "[a",
    "\\", "\\ ", " ", "#", ".py", "src", "pkg", "build", "deep", "doc", "x", "-", ".", "[x-]", "tests", "[", "]",
)  # fmt: skip


@dataclass(frozen=True)
class Fake:
    root: str = ""
    exclude: tuple[str, ...] = ()
    extend_exclude: tuple[str, ...] = ()
    force_exclude: bool = False
    respect_gitignore: bool = True
    extension: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()


def git(*arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(["git", *arguments], check=True, capture_output=True, env=environment)
    return done.stdout.decode("utf-8", "surrogateescape")


def found(*paths: str, settings: Fake | None = None) -> list[str]:
    used = settings or Fake(root=os.getcwd())
    return [each.path.replace(os.sep, "/") for each in discover(paths or ["."], settings_for=lambda _path: used)]


def kept_by_git() -> list[str]:
    listed = git("ls-files", "--others", "--exclude-standard", "-z").split("\0")
    return sorted(path for path in listed if path.endswith((".py", ".pyi", ".ipynb")))


# paths


def test_python_files_sorted_and_relative(here: Path) -> None:
    touch("b.py", "a.pyi", "z/a.py", "c.txt", "a-b/x.py", "a/x.py", "nb.ipynb", "ipynb")
    assert found() == ["a-b/x.py", "a.pyi", "a/x.py", "b.py", "nb.ipynb", "z/a.py"]


def test_paths_look_like_what_was_given(here: Path) -> None:
    touch("src/a.py")
    assert found("src") == found("src/") == found("./src") == ["src/a.py"]
    assert found(str(here / "src")) == [f"{here}/src/a.py"]
    os.chdir("src")
    assert found("..") == ["../src/a.py"]


def test_every_file_once(here: Path) -> None:
    touch("src/a.py", "src/b.py")
    assert list(discover(["src", "src/a.py", ".", "./src/a.py"], settings_for=lambda _path: Fake(root=str(here)))) == [
        Discovered("src/a.py", True),
        Discovered("src/b.py", False),
    ]


def test_missing_paths_are_named_before_anything_else(here: Path) -> None:
    touch("a.py")
    with pytest.raises(DiscoverError, match=r"^no such file or folder: nowhere\.py, gone$"):
        found("a.py", "nowhere.py", "gone")


def test_explicit_files_of_any_name(here: Path) -> None:
    touch("train", "x.txt")
    assert found("train", "x.txt") == ["train", "x.txt"]


def test_extension(here: Path) -> None:
    touch("a.ipy", "b.py", "c.nb", "d.stub", "aipy")
    assert found(settings=Fake(root=str(here), extension={"ipy": "python", "nb": "ipynb", "stub": "pyi"})) == [
        "a.ipy", "b.py", "c.nb", "d.stub",
    ]  # fmt: skip
    assert found(settings=Fake(root=str(here), extension={"py": "other"})) == []


def test_settings_are_asked_for_each_folder(here: Path) -> None:
    touch("a/x.py", "a/y.py", "b/x.py", "b/y.py")

    def settings_for(path: str) -> Fake:
        assert path.endswith(os.sep)
        inner = os.path.relpath(path).startswith("a")
        return Fake(root=str(here / "a") if inner else str(here), exclude=("/x.py",) if inner else ("b/y.py",))

    assert [each.path for each in discover(["."], settings_for=settings_for)] == ["a/y.py", "b/x.py"]


# excludes


def test_excluded_folders_are_not_entered(here: Path) -> None:
    touch("venv/a.py", "src/venv/b.py", "src/a.py", "venv.py", "gen/deep/a.py", "src/gen/a.py")
    asked: list[str] = []
    settings = Fake(root=str(here), exclude=("venv",), extend_exclude=("/gen/",))

    def settings_for(path: str) -> Fake:
        asked.append(os.path.relpath(path))
        return settings

    files = discover(["."], settings_for=settings_for)
    assert [each.path for each in files] == ["src/a.py", "src/gen/a.py", "venv.py"]
    assert not [path for path in asked if "venv" in path or path.startswith("gen")]


def test_what_is_given_passes_excludes_unless_they_are_forced(here: Path) -> None:
    touch("gen/deep/a.py", "b.py")
    settings = Fake(root=str(here), exclude=("gen",))
    assert found("gen/deep/a.py", "b.py", settings=settings) == ["b.py", "gen/deep/a.py"]
    assert found("gen", settings=settings) == ["gen/deep/a.py"]
    forced = replace(settings, force_exclude=True)
    assert found("gen/deep/a.py", "b.py", settings=forced) == ["b.py"]
    assert found("gen", "gen/deep", ".", settings=forced) == ["b.py"]
    assert is_excluded("gen/stdin.py", forced)
    assert not is_excluded("gen/stdin.py", settings)
    assert not is_excluded("b.py", forced)


def test_exclude_takes_back(here: Path) -> None:
    touch("gen/a.py", "gen/keep.py", "a.py")
    assert found(settings=Fake(root=str(here), exclude=("gen/*", "!gen/keep.py"))) == ["a.py", "gen/keep.py"]


# links


@pytest.mark.skipif(sys.platform == "win32", reason="making links takes a privilege on Windows")
def test_links(here: Path) -> None:
    touch("real/a.py", "outside/b.py")
    os.symlink("..", "real/loop")
    os.symlink("a.py", "real/A_link.py")
    os.symlink("self.py", "real/self.py")
    os.symlink("nowhere.py", "real/dangling.py")
    os.symlink("../outside/b.py", "real/b.py")
    os.symlink("real", "linked")
    assert found("real") == ["real/a.py", "real/b.py"]
    assert found("linked") == ["linked/a.py", "linked/b.py"]
    assert found(".") == ["outside/b.py", "real/a.py"]
    assert found("real", "linked") == ["real/a.py", "real/b.py"]
    with pytest.raises(DiscoverError, match=r"^the link leads nowhere: real/dangling\.py$"):
        found("real/dangling.py")


def test_folders_that_cannot_be_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch("shut/a.py", "b.py")
    scan = os.scandir

    def scandir(path: str) -> object:  # root reads every folder, whatever its mode
        if path.endswith("shut"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DiscoverError, match=r"^shut/: cannot be read: Permission denied"):
        found()


def test_folder_errors_can_be_collected(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch("shut/a.py", "b.py")
    scan = os.scandir

    def scandir(path: str) -> object:
        if path.endswith("shut"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    errors: list[str] = []
    files = discover(["."], settings_for=lambda _p: Fake(root=str(here)), on_error=lambda e: errors.append(e.message))
    assert [each.path for each in files] == ["b.py"]
    assert errors == ["shut/: cannot be read: Permission denied"]


# git


@pytest.fixture
def repository(here: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    git("init", "-q")
    return here


def test_nested_gitignore_and_negation(repository: Path) -> None:
    touch("a.py", "gen/a.py", "src/gen/a.py", "src/keep.py", "src/x.py", "src/y/keep.py", "src/y/x.py", "local.py")
    Path(".gitignore").write_text("/gen/\nkeep.py\n*.log\n")
    Path("src/.gitignore").write_bytes(b"\xef\xbb\xbf!keep.py\r\nx.py\r\n")
    Path(".git/info/exclude").write_text("local.py\n")
    assert found() == ["a.py", "src/gen/a.py", "src/keep.py", "src/y/keep.py"] == kept_by_git()
    assert found("src") == ["src/gen/a.py", "src/keep.py", "src/y/keep.py"]
    assert found("src/y") == ["src/y/keep.py"]
    os.chdir("src/y")
    assert found() == ["keep.py"]
    assert found("../..") == ["../../a.py", "../../src/gen/a.py", "../../src/keep.py", "../../src/y/keep.py"]


def test_ignored_folders_that_are_given_are_walked(repository: Path) -> None:
    touch("gen/a.py", "gen/b_local.py")
    Path(".gitignore").write_text("gen/\n*_local.py\n")
    assert found() == []
    assert found("gen") == ["gen/a.py"]
    assert found("gen/b_local.py") == ["gen/b_local.py"]
    assert found(settings=Fake(root=str(repository), respect_gitignore=False, exclude=(".git",))) == [
        "gen/a.py", "gen/b_local.py",
    ]  # fmt: skip


def test_a_repository_within_has_rules_of_its_own(repository: Path) -> None:
    touch("x.py", "inner/x.py", "inner/y.py")
    Path(".gitignore").write_text("x.py\n")
    Path("inner/.gitignore").write_text("y.py\n")
    git("init", "-q", "inner")
    assert found(settings=Fake(root=str(repository), exclude=(".git",))) == ["inner/x.py"]
    assert found("inner") == ["inner/x.py"]


def test_linked_work_trees_share_the_excludes(repository: Path) -> None:
    Path("main").mkdir()
    git("init", "-q", "main")
    git("-C", "main", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "--allow-empty", "-m", "x")
    git("-C", "main", "worktree", "add", "-q", "../linked")
    Path("main/.git/info/exclude").write_text("local.py\n")
    touch("linked/local.py", "linked/a.py")
    assert found("linked") == ["linked/a.py"]


def test_without_a_repository_the_settings_root_is_the_top(here: Path) -> None:
    touch("project/src/gen/a.py", "project/src/a.py")
    Path(".gitignore").write_text("a.py\n")
    Path("project/.gitignore").write_text("src/gen\n")
    assert found("project/src", settings=Fake(root=str(here / "project"))) == ["project/src/a.py"]


@hypothesis_settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    top=st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join), max_size=5),
    nested=st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join), max_size=3),
)
@example(top=["src/**/b.py"], nested=["**"])
@example(top=["*", "!*/", "!a.py"], nested=["/a.py ", "deep/\\.hidden.py"])
def test_any_gitignore_means_what_git_says(repository: Path, top: list[str], nested: list[str]) -> None:
    touch(*TREE)
    Path(".gitignore").write_text("".join(line + "\n" for line in top))
    Path("src/pkg/.gitignore").write_text("".join(line + "\n" for line in nested))
    assert found(settings=Fake(root=str(repository), exclude=(".git",))) == kept_by_git()


# patterns


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("tests", ["tests", "a/tests", "tests/a.py", "a/tests/b/c.py"], ["atests", "tests.py"]),
        ("tests/", ["tests/a.py", "a/tests/b/c.py"], ["tests", "a/tests"]),
        ("/gen", ["gen", "gen/a.py"], ["src/gen"]),
        ("./gen", ["gen", "gen/a.py"], ["src/gen"]),
        ("src/*.py", ["src/a.py"], ["src/a/b.py", "x/src/a.py"]),
        ("src/**/*.py", ["src/a.py", "src/a/b.py"], ["x/src/a.py"]),
        ("*_test.py", ["a_test.py", "x/_test.py"], ["a_test.pyi", "test.py"]),
        ("test_*.py", ["test_a.py", "x/test_.py"], ["atest_a.py", "test_x/a.py"]),
        ("a?c.py", ["abc.py"], ["a/c.py", "ac.py"]),
        ("\\#a.py", ["#a.py"], ["a.py"]),
        ("# comment", [], ["# comment"]),
    ],
)
def test_patterns(pattern: str, yes: list[str], no: list[str]) -> None:
    globs = Globs([pattern])
    ordered = Globs(["!nothing", pattern])  # the slower way, one after the other, must agree
    for path in yes:
        assert globs.covers(path), path
        assert ordered.covers(path), path
    for path in no:
        assert not globs.covers(path), path
        assert not ordered.covers(path), path


def test_a_matched_folder_cannot_be_taken_back() -> None:
    globs = Globs(["gen/", "!gen/keep.py", "*.pyi", "!keep.pyi"])
    assert globs.covers("gen/keep.py")
    assert globs.covers("x.pyi")
    assert not globs.covers("keep.pyi")


def test_patterns_of_another_folder() -> None:
    assert anchored("src/*.py", "/p", "/p") == "src/*.py"
    assert anchored("*.py", "/p", "/p/sub") == "*.py"
    assert anchored("/p/src/a.py", "/p", "/p") == "/src/a.py"
    moved = anchored("./sub/*.py", "/p[1]", "/p[1]/sub")
    assert Globs([moved], "/p[1]/sub").covers("a.py")
    assert not Globs([moved], "/p[1]/sub").covers("a/a.py")
    assert not Globs([moved], "/p1/sub").covers("a.py")
    assert anchored("!x/y", "/p", "/p/s").startswith("!//p/")


def test_paths_as_patterns_see_them(here: Path) -> None:
    assert relative("a/b.py", str(here)) == "a/b.py"
    assert relative(str(here / "a" / "b.py"), str(here / "a")) == "b.py"
    assert relative("b.py", str(here / "a")) == "b.py"
    assert relative("/nowhere/b.py", str(here)) == "/nowhere/b.py"
