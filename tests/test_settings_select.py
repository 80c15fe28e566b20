"""Which rules are on for a file, and which may be fixed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlint.settings import Settings, SettingsError, SettingsResolver, active_codes, fixable_codes


@dataclass(frozen=True)
class Entry:
    code: str
    name: str
    libraries: tuple[str, ...] = ("torch",)
    default: bool = True
    in_tests: bool = True


@dataclass
class Index:
    entries: tuple[Entry, ...]
    by_code: dict[str, Entry] = field(default_factory=dict)
    by_name: dict[str, Entry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_code = {entry.code: entry for entry in self.entries}
        self.by_name = {entry.name: entry for entry in self.entries}


INDEX = Index(
    (
        Entry("ML000", "syntax-error", ()),
        Entry("ML001", "unused-suppression", ()),
        Entry("ML101", "elementwise-loop", ("torch", "numpy")),
        Entry("ML102", "iterrows", ("pandas",), in_tests=False),
        Entry("ML150", "opt-in", ("pandas",), default=False),
        Entry("ML501", "log-of-softmax", ("torch", "jax")),
        Entry("ML502", "log-of-one-plus", ("numpy",)),
        Entry("XY101", "of-a-project", ("fastai",)),
    )
)
DEFAULT = {"ML000", "ML001", "ML101", "ML102", "ML501", "ML502", "XY101"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def on(settings: Settings, path: str = "src/x.py") -> set[str]:
    return set(active_codes(settings, INDEX, path))


def make(**fields: object) -> Settings:
    return Settings(root="/p").replaced(**fields)


def test_default_set() -> None:
    assert on(make()) == DEFAULT


@pytest.mark.parametrize(
    ("selectors", "codes"),
    [
        ((), set()),
        (("ML1",), {"ML101", "ML102", "ML150"}),
        (("ML10",), {"ML101", "ML102"}),
        (("ML101", "log-of-softmax"), {"ML101", "ML501"}),
        (("ML",), {"ML001", "ML101", "ML102", "ML150", "ML501", "ML502"}),
        (("pandas",), {"ML102", "ML150"}),
        (("fastai",), {"XY101"}),
        (("ray",), set()),
        (("XY",), {"XY101"}),
        (("ALL",), DEFAULT | {"ML150"}),
    ],
)
def test_select(selectors: tuple[str, ...], codes: set[str]) -> None:
    assert on(make(select=selectors)) == codes | {"ML000"}


@pytest.mark.parametrize(
    ("select", "ignore", "codes"),
    [
        (("ML1",), ("ML101",), {"ML102", "ML150"}),
        (("ML101",), ("ML1",), {"ML101"}),
        (("ML10",), ("ML1",), {"ML101", "ML102"}),
        (("ML1",), ("ML10",), {"ML150"}),
        (("ML101",), ("elementwise-loop",), set()),
        (("ALL",), ("pandas", "ML0", "XY"), {"ML101", "ML501", "ML502"}),
        (("pandas",), ("ALL",), {"ML102", "ML150"}),
        (("pandas",), ("ML",), {"ML102", "ML150"}),
        (("iterrows",), ("pandas",), {"ML102"}),
        (("pandas",), ("iterrows",), {"ML150"}),
        (("torch",), ("ML5",), {"ML101"}),
        (("ML5",), ("torch",), {"ML502"}),
    ],
)
def test_the_more_specific_wins_and_ignore_between_equals(
    select: tuple[str, ...], ignore: tuple[str, ...], codes: set[str]
) -> None:
    assert on(make(select=select, ignore=ignore)) == codes | {"ML000"}


def test_extend_select_adds() -> None:
    assert on(make(extend_select=("ML150",))) == DEFAULT | {"ML150"}
    assert on(make(select=("ML5",), extend_select=("iterrows",))) == {"ML000", "ML501", "ML502", "ML102"}
    assert on(make(extend_select=("ML1",), ignore=("ML102",))) == (DEFAULT | {"ML150"}) - {"ML102"}


def test_syntax_errors_stay_unless_named() -> None:
    assert "ML000" in on(make(select=("ML5",), ignore=("ALL",)))
    assert "ML000" in on(make(ignore=("ML0", "ML")))
    assert "ML000" not in on(make(ignore=("ML000",)))
    assert "ML000" not in on(make(ignore=("syntax-error",)))
    ignores = make(per_file_ignores=(("a.py", ("ALL",)), ("b.py", ("syntax-error", "ALL"))))
    assert on(ignores, "a.py") == {"ML000"}
    assert on(ignores, "b.py") == set()


def test_per_file_ignores() -> None:
    settings = make(
        per_file_ignores=(("scripts/*.py", ("ML1",)), ("*_gen.py", ("torch",)), ("!src/", ("log-of-softmax",)))
    )
    assert on(settings, "src/x.py") == DEFAULT
    assert on(settings, "scripts/x.py") == DEFAULT - {"ML101", "ML102", "ML501"}
    assert on(settings, "src/a/x_gen.py") == DEFAULT - {"ML101", "ML501"}
    assert on(settings, "scripts/deep/x_gen.py") == DEFAULT - {"ML101", "ML501"}
    assert on(settings, "x.py") == DEFAULT - {"ML501"}


def test_rules_that_are_silent_in_tests() -> None:
    for path in ("tests/x.py", "a/test/x.py", "test_x.py", "a/x_test.py", "conftest.py", "benchmarks/deep/x.py"):
        assert on(make(), path) == DEFAULT - {"ML102"}, path
        assert on(make(all_rules_in_tests=True), path) == DEFAULT
    for path in ("src/contests/x.py", "testing.py", "latest.py"):
        assert on(make(), path) == DEFAULT, path
    mine = make(test_paths=("/checks/",))
    assert on(mine, "tests/x.py") == DEFAULT
    assert on(mine, "checks/x.py") == DEFAULT - {"ML102"}


def test_results_are_kept() -> None:
    settings = make(per_file_ignores=(("a.py", ("ML1",)),))
    assert active_codes(settings, INDEX, "x.py") is active_codes(settings, INDEX, "y.py")
    assert active_codes(settings, INDEX, "a.py") is active_codes(settings, INDEX, "b/a.py")
    other = Index((Entry("ML101", "other"),))
    assert active_codes(settings, other, "x.py") == {"ML101"}


def test_fixable() -> None:
    every = {entry.code for entry in INDEX.entries}
    assert fixable_codes(make(), INDEX) == every
    assert fixable_codes(make(unfixable=("ML5",)), INDEX) == every - {"ML501", "ML502"}
    assert fixable_codes(make(fixable=("ML5", "iterrows"), unfixable=("ML502",)), INDEX) == {"ML501", "ML102"}
    assert fixable_codes(make(fixable=()), INDEX) == set()


def test_layers() -> None:
    Path("base.toml").write_text('select = ["ML1"]\nignore = ["ML101"]\nfixable = ["ML1"]\nunfixable = ["ML102"]\n')
    Path("mlint.toml").write_text('extend = "base.toml"\nextend-select = ["ML10"]\nignore = ["ML150"]\n')

    def found(**overrides: object) -> Settings:
        return SettingsResolver(overrides=overrides).for_path("x.py")

    assert on(found()) == {"ML000", "ML101", "ML102"}  # the extending file has the last word
    assert on(found(ignore=["ML1"])) == {"ML000"}
    assert on(found(select=["ML1"])) == {"ML000", "ML101", "ML102", "ML150"}  # flags start afresh
    assert on(found(extend_select=["ML501"])) == {"ML000", "ML101", "ML102", "ML501"}
    assert fixable_codes(found(), INDEX) == {"ML101", "ML150"}
    assert fixable_codes(found(unfixable=["ML150"]), INDEX) == {"ML101"}
    assert fixable_codes(found(fixable=["ALL"]), INDEX) == {entry.code for entry in INDEX.entries}
    assert on(found().replaced(select=("ML5",))) == {"ML000", "ML501", "ML502"} | {"ML101", "ML102"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('select = [\n "ML1",\n "ML999"]', 'mlint.toml:3: "select" names a code that does not exist, "ML999"'),
        (
            'ignore = ["log-of-sofmax"]',
            ('mlint.toml:1: "ignore" names a rule or library that does not exist, "log-of-sofmax"; '
            'did you mean "log-of-softmax"?'),
        ),
        ('select = ["ml501"]', ('mlint.toml:1: "select" names a code that does not exist, "ml501"; '
         'did you mean "ML501"?')),
        ('select = ["all"]', ('mlint.toml:1: "select" names a rule or library that does not exist, "all"; '
         'did you mean "ALL"?')),
        ('select = ["iter_rows"]', ('mlint.toml:1: "select" names a rule or library that does not exist, "iter_rows"; '
         'did you mean "iterrows"?')),
        ('unfixable = ["torhc"]', ('mlint.toml:1: "unfixable" names a rule or library that does not exist, "torhc"; '
         'did you mean "torch"?')),
        (
            '[per-file-ignores]\n"a.py" = ["ML1"]\n"b/*.py" = [\n"ML5", "M"]',
            'mlint.toml:4: "per-file-ignores" names a rule or library that does not exist, "M"',
        ),
    ],
)  # fmt: skip
def test_unknown_selectors(text: str, message: str) -> None:
    Path("mlint.toml").write_text(text + "\n")
    settings = SettingsResolver().for_path("x.py")
    with pytest.raises(SettingsError) as caught:
        active_codes(settings, INDEX, "x.py")
    assert caught.value.message.startswith(message)
    with pytest.raises(SettingsError) as again:
        fixable_codes(settings, INDEX)
    assert again.value.message == caught.value.message


def test_unknown_selectors_of_flags_pyproject_and_extended_files() -> None:
    Path("pyproject.toml").write_text('[tool.mlint]\n\nignore = ["ML888"]\n')
    Path("sub").mkdir()
    Path("sub/mlint.toml").write_text('extend = "../pyproject.toml"\nselect = ["ML1"]\n')

    def message(**arguments: object) -> str:
        resolver = SettingsResolver(**arguments)  # type: ignore[arg-type]
        with pytest.raises(SettingsError) as caught:
            active_codes(resolver.for_path("sub/x.py"), INDEX, "x.py")
        return caught.value.message

    assert message().startswith('pyproject.toml:3: "ignore" names a code that does not exist, "ML888"')
    Path("pyproject.toml").write_text("[tool.mlint]\n")
    assert message(overrides={"select": "zzzzzz"}) == '--select names a rule or library that does not exist, "zzzzzz"'
    assert message(config=['select=["ML777"]']).startswith(
        '--config \'select=["ML777"]\': "select" names a code that does not exist'
    )
