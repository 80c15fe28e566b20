"""Flags: what they mean, and what a wrong one says."""

from __future__ import annotations

import pytest

from mlint.arguments import UsageError, build_parser, colored, first_word, parse


def test_flags_become_overrides_only_when_given() -> None:
    assert parse(["a.py"]).overrides == {}
    options = parse(["--fix", "--no-unsafe-fixes", "--select", "ML1", "--select", "ML5", "--cache-dir", "x", "-j", "3"])
    assert options.overrides == {
        "fix": True,
        "unsafe_fixes": False,
        "select": ["ML1", "ML5"],
        "cache_dir": "x",
        "jobs": 3,
    }


def test_every_switch_has_an_opposite() -> None:
    flags = build_parser().flags()
    for name in ("fix", "unsafe-fixes", "fix-only", "show-fixes", "force-exclude", "respect-gitignore"):
        assert f"--{name}" in flags
        assert f"--no-{name}" in flags


def test_the_environment_names_a_format_and_the_flag_wins() -> None:
    assert parse([], {"MLINT_OUTPUT_FORMAT": "json"}).overrides == {"output_format": "json"}
    assert parse(["--output-format", "concise"], {"MLINT_OUTPUT_FORMAT": "json"}).overrides == {
        "output_format": "concise"
    }
    with pytest.raises(UsageError, match="MLINT_OUTPUT_FORMAT jsn: no such format; did you mean json"):
        parse([], {"MLINT_OUTPUT_FORMAT": "jsn"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fxi"], "unknown option --fxi; did you mean --fix?"),
        (["--unsafe-fix=1"], "unknown option --unsafe-fix; did you mean --unsafe-fixes?"),
        (["--output-format", "sarff"], "did you mean sarif"),
        (["--color", "pink"], "say auto, always or never"),
        (["-j", "many"], "--jobs many: say a number"),
        (["-", "a.py"], "standard input"),
        (["--diff", "--watch"], "--diff and --watch cannot be used together"),
        (["--watch", "-"], "--watch needs files"),
        (["--add-noqa", "--fix"], "--add-noqa records what is found"),
        (["--select"], "expected one argument"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(arguments)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_reason_for_noqa_needs_an_equals_sign() -> None:
    options = parse(["--add-noqa", "a.py"])
    assert (options.add_noqa, options.paths) == ("", ["a.py"])
    assert parse(["--add-noqa=old code", "a.py"]).add_noqa == "old code"
    assert parse(["a.py"]).add_noqa is None


def test_paths_and_flags_mix() -> None:
    options = parse(["a.py", "--fix", "b.py", "-q", "c.py"])
    assert options.paths == ["a.py", "b.py", "c.py"]


def test_words() -> None:
    assert first_word(["check", "a.py"]) == ("check", ["a.py"])
    assert first_word(["explain", "ML501"]) == ("explain", ["ML501"])
    assert first_word(["./check"]) == ("check", ["./check"])
    assert first_word(["rules"]) == ("check", ["rules"])
    assert first_word([]) == ("check", [])


@pytest.mark.parametrize(
    ("when", "environment", "terminal", "expected"),
    [
        (None, {}, True, True),
        (None, {}, False, False),
        (None, {"NO_COLOR": "1"}, True, False),
        (None, {"NO_COLOR": ""}, True, True),
        (None, {"FORCE_COLOR": "1"}, False, True),
        (None, {"FORCE_COLOR": "0"}, False, False),
        (None, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        (None, {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
        ("auto", {}, True, True),
    ],
)
def test_color(when: str | None, environment: dict[str, str], terminal: bool, expected: bool) -> None:
    assert colored(when, environment, terminal) is expected
