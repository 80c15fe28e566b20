"""Suppressions: what they cover, which are of no use, and how they are written."""

from __future__ import annotations

import ast
import subprocess
import sys
import tokenize
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlint.finding import Finding, Location, Safety
from mlint.source import Source
from mlint.suppress import Suppressions, add_noqa, joined_lines


@dataclass(frozen=True)
class Rule:
    code: str
    name: str
    default: bool = True


RULES = (
    Rule("ML101", "store-loop"),
    Rule("ML102", "sum-loop"),
    Rule("ML501", "log-of-softmax"),
    Rule("ML502", "off-by-default", False),
    Rule("ML601", "all-off", False),
)
ALL = frozenset(rule.code for rule in RULES)
DEFAULT = frozenset(rule.code for rule in RULES if rule.default)


def at(line: int, code: str = "ML101", end: int | None = None, name: str = "store-loop") -> Finding:
    return Finding("a.py", Location(line, 1), Location(end or line, 2), code, name, "message")


def covered(text: str, finding: Finding) -> bool:
    return Suppressions(Source(text, "a.py")).covers(finding)


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# noqa", True),
        ("# NoQA", True),
        ("# noqa: ML101", True),
        ("# noqa:ML101", True),
        ("# noqa: ml101", True),
        ("# noqa: ML1", True),
        ("# noqa: E501,ML101", True),
        ("# noqa:ML501,E501 ML101", True),
        ("# noqa: ML101 - it is fine", True),
        ("# type: ignore  # noqa: ML101", True),
        ("# noqa : F401", True),  # flake8 reads no codes here, so the comment is for all
        ("# noqa: because", True),
        ("# noqa: ML501", False),
        ("# noqa: ML1011", False),
        ("# noqa: E501", False),
        ("# noqa: E501 and not ML101", False),
        ("#noqa", False),
        ("#  noqa", False),
        ("# no qa", False),
        ("# noqa: store-loop", True),  # no code to flake8, so this too is for all
        ("# mlint: ignore[ML101]", True),
        ("# mlint: ignore[ML101] the array has three elements", True),
        ("#mlint:ignore[ml1]", True),
        ("# mlint: ignore[E501, store-loop]", True),
        ("# mlint: ignore", True),
        ("# mlint: ignore not worth it", True),
        ("# mlint: file-ignore[ML1]", True),
        ("# pylint: disable=all  # mlint: ignore[ML101]", True),
        ("# mlint: ignore[ML501]", False),
        ("# mlint: ignore[sum-loop]", False),
        ("# mlint: ignore[]", False),
        ("# mlint: ignore(ML501)", False),
        ("# mlint: ignore ML501", False),
        ("# mlint: disable", False),
        ("# mlint is nice", False),
    ],
)
def test_what_a_comment_covers(comment: str, expected: bool) -> None:
    assert covered(f"x = 1  {comment}\n", at(1)) is expected
    assert not covered(f"x = 1  {comment}\ny = 2\n", at(2)) or "file" in comment
    assert not covered(f"s = '''{comment}'''\n", at(1)), "text in a string is no comment"


@pytest.mark.parametrize(
    ("comment", "ignored"),
    [("# flake8: noqa", True), ("# flake8:noqa: E501", True), ("# FLAKE8=NOQA", True), ("# mlint: file-ignore", True)],
)
def test_the_whole_file(comment: str, ignored: bool) -> None:
    assert covered(f"x = 1\n\n{comment}\n", at(1)) is ignored
    if "flake8" in comment.lower():
        assert not covered(f"x = 1  {comment}\ny = 1\n", at(2)), "flake8 wants a line of its own"


def test_a_noqa_serves_the_lines_that_are_joined_to_its_own() -> None:
    text = (
        'x = 1 + \\\n    2  # noqa: ML101\ny = f("""\n\n""")  # noqa: ML101\nz = (\n    1,\n    2,  # noqa: ML101\n)\n'
    )
    assert [line for line in range(1, 10) if covered(text, at(line))] == [1, 2, 3, 4, 5, 8]


def test_a_noqa_serves_the_line_where_a_finding_starts() -> None:
    assert covered("for x in y:  # noqa: ML101\n    z\n", at(1, end=2))
    assert not covered("for x in y:\n    z  # noqa: ML101\n", at(1, end=2))


def test_an_ignore_serves_start_end_and_the_line_below() -> None:
    ignore = "# mlint: ignore[ML101]"
    assert covered(f"f(\n  1\n)  {ignore}\n", at(1, end=3))
    assert not covered(f"f(\n  1  {ignore}\n)\n", at(1, end=3))
    assert covered(f"if x:\n    {ignore}\n    f()\n", at(3))
    assert not covered(f"{ignore}\n\nf()\n", at(3))
    assert not covered(f"g()  {ignore}\nf()\n", at(2))
    assert covered(f"{ignore}\n# and why\nf()\n", at(3))
    assert covered(f"{ignore}\n# mlint: ignore[ML102]\nf()\n", at(3))
    assert not covered("# noqa: ML101\nf()\n", at(2))


def test_other_line_ends() -> None:
    for end in ("\r\n", "\r"):
        assert covered(f"a{end}s = '''{end}'''; f()  # noqa: ML101{end}", at(3))
        assert not covered(f"a{end}s = 2  # noqa: ML101{end}b{end}", at(1))


def test_a_syntax_error_cannot_be_silenced() -> None:
    assert not covered("x = (  # noqa\n", at(1, "ML000", name="syntax-error"))


def test_the_rest_of_a_file_that_cannot_be_tokenized_is_left_out() -> None:
    assert covered("x = 1  # noqa\n'''\n", at(1))


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\n",
        "import os  # noqa: F401\n" * 50,
        "'''# noqa: E501'''\nx = 1  # NOQA: E501\n",
        "import mlint\n# mlint\n",
    ],
)
def test_nothing_is_tokenized_where_no_comment_could_matter(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("tokenized")

    monkeypatch.setattr(tokenize, "generate_tokens", fail)
    suppressions = Suppressions(Source(text, "a.py"))
    assert not suppressions.covers(at(1))
    assert suppressions.unused(ALL, RULES) == []


def test_flake8_agrees(tmp_path: Path) -> None:
    lines = [
        "# noqa", "# NOQA:F401", "#noqa", "#  noqa", "# noqa : E501", "# noqa: E501", "# noqa:E501,F401", "# noqa: F4",
        "# noqa: E501 F401", "# noqa: E501F401", "# noqa:  F401", "# noqa: F401 reason", "# noqa:F401reason", "# noqa:",
        "# x # noqa: F401", "# noqa: E1 # noqa: F401", "# noqa, F401", "# noqa: E501,, F401", "# noqa: reason F401",
    ]  # fmt: skip
    text = "".join(f"import m{number}  {comment}\n" for number, comment in enumerate(lines))
    text += 'import \\\n    b  # noqa: F401\nimport c; s = """\n\n"""  # noqa: F401\nfrom d import (  # noqa: F401\n'
    text += "    e,\n)\nfrom f import (\n    g,  # noqa: F401\n)\n"
    path = tmp_path / "a.py"
    path.write_text(text)
    command = [sys.executable, "-m", "flake8", "--isolated", "--select", "F401", "--format", "%(row)d", "a.py"]

    def rows(*more: str) -> list[int]:
        return [int(row) for row in subprocess.run([*command, *more], cwd=tmp_path, capture_output=True).stdout.split()]

    shown = rows()
    everything = rows("--disable-noqa")
    assert len(everything) > len(shown) > 0
    suppressions = Suppressions(Source(text, "a.py"))
    assert [row for row in everything if not suppressions.covers(at(row, "F401", name="unused"))] == shown


def unused(text: str, *used: Finding, active: frozenset[str] = ALL) -> tuple[list[str], str]:
    """The messages, and the text after all the fixes."""
    source = Source(text, "a.py")
    suppressions = Suppressions(source)
    for finding in used:
        assert suppressions.covers(finding)
    found = suppressions.unused(active, RULES)
    assert all((finding.code, finding.name) == ("ML001", "unused-suppression") for finding in found)
    edits = []
    for finding in found:
        if finding.fix is not None:
            assert finding.fix.safety is Safety.SAFE
            edits += finding.fix.edits or ()
    return [finding.message for finding in found], source.apply(sorted(edits)).text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1  # noqa: ML102\n", "x = 1\n"),
        ("x = 1  # noqa: ML102", "x = 1"),
        ("x = 1\t# noqa:ml102 \r\ny\r\n", "x = 1\r\ny\r\n"),
        ("x = 1  # noqa: ML102,\n", "x = 1\n"),
        ("x = 1  # noqa: E501, ML102\n", "x = 1  # noqa: E501\n"),
        ("x = 1  # noqa: ML102, E501\n", "x = 1  # noqa: E501\n"),
        ("x = 1  # noqa:E501,ML102,W291 reason\n", "x = 1  # noqa:E501,W291 reason\n"),
        ("x = 1  # noqa: ML102,ML501 E501 ML5\n", "x = 1  # noqa: E501\n"),
        ("x = 1  # noqa: ML102 - it is fine\n", "x = 1  # it is fine\n"),
        ("x = 1  # type: ignore  # noqa: ML102\n", "x = 1  # type: ignore\n"),
        ("x = 1  # noqa: ML102  # type: ignore\n", "x = 1  # type: ignore\n"),
        ("x = 1  # words # noqa: ML102\n", "x = 1  # words\n"),
        ("    # mlint: ignore[ML102]\nx = 1\n", "x = 1\n"),
        ("# mlint: ignore[ML102]\r\nx = 1\r\n", "x = 1\r\n"),
        ("# mlint: ignore[ML102] small\nx = 1\n", "# small\nx = 1\n"),
        ("x = 1  # mlint: ignore[ML102, sum-loop]\n", "x = 1\n"),
        ("x = 1  # mlint: ignore[]\n", "x = 1\n"),
        ("x = 1  # mlint: ignore[E501] why\n", "x = 1  # mlint: ignore[E501] why\n"),
        ("x = 1\n# mlint: file-ignore[ML5]\n", "x = 1\n"),
        ("x = 1  # mlint: ignore\n", "x = 1\n"),
        ("x = 1  # noqa: ML999\n", "x = 1\n"),
    ],
)
def test_what_is_of_no_use_is_taken_out_and_nothing_else(before: str, after: str) -> None:
    messages, text = unused(before)
    assert text == after
    assert len(messages) == (before != after)
    assert unused(text) == ([], text) or "E501" not in text


@pytest.mark.parametrize(
    "text",
    [
        "x = 1  # noqa\n",
        "x = 1  # noqa: E501, F401\n",
        "x = 1  # noqa: ABC123\n",
        "s = '# noqa: ML101'\n",
        "x = 1  # noqa: ML102, ML001\n",
        "x = 1  # mlint: ignore[ML102, unused-suppression]\n".replace("unused-suppression", "ML001"),
        "# mlint: file-ignore[ML001]\nx = 1  # noqa: ML102\n",
        "# mlint: file-ignore[unused-suppression]\nx = 1  # noqa: ML102\n",
        "# flake8: noqa\n",
        "x = 1  # mlint: ignore[ML]\n# mlint: file-ignore[ABC1]\n",
        "# mlint: a linter\n",
    ],
)
def test_what_is_not_reported(text: str) -> None:
    assert unused(text) == ([], text)


def test_used_codes_stay() -> None:
    text = "x = 1  # noqa: ML102, ML101, E501 why\n"
    assert unused(text, at(1)) == (["`ML102` in `# noqa` silences nothing"], "x = 1  # noqa: ML101, E501 why\n")
    assert unused("x = 1  # mlint: ignore[store-loop]\n", at(1))[0] == []
    assert unused("x = 1  # noqa: ML1\n", at(1))[0] == []
    assert unused("x = 1  # mlint: ignore\n", at(1))[0] == []
    text = "# mlint: file-ignore[ML101]\nx = 1  # noqa: ML101\n"
    assert unused(text, at(2))[0] == [], "both are of use"


def test_what_did_not_run_cannot_be_of_no_use() -> None:
    some = frozenset({"ML101"})
    for codes in ("[ML102]", "[sum-loop]", "[ML1]", "", "[ML6]"):
        text = f"x = 1  # mlint: ignore{codes}\n"
        assert unused(text, active=some) == ([], text)
    assert unused("x = 1  # mlint: ignore[ML5]\n", active=DEFAULT)[1] == "x = 1\n", "rules that are off do not count"


def test_several_are_one_finding() -> None:
    messages, _ = unused("x = 1  # noqa: ML101, ML102\n")
    assert messages == ["`ML101, ML102` in `# noqa` silence nothing"]


def test_where_the_finding_stands() -> None:
    [finding] = Suppressions(Source("x\ny = 1  # noqa: E501, ML102\n", "a.py")).unused(ALL, RULES)
    assert (finding.start, finding.end) == (Location(2, 22), Location(2, 27))


@pytest.mark.parametrize(
    ("comment", "message", "advice"),
    [
        ("# mlint: ignore[sum-lop]", "there is no rule `sum-lop`", "did you mean `sum-loop`?"),
        ("# mlint: ignore[wxyz]", "there is no rule `wxyz`", "remove it, or name a rule"),
        (
            "# mlint: ignore(ML101)",
            "the codes of `# mlint: ignore` are not in brackets",
            "write `# mlint: ignore[CODE] reason`",
        ),
        (
            "# mlint: file-ignore ML1",
            "the codes of `# mlint: file-ignore` are not in brackets",
            "write `# mlint: file-ignore[CODE] reason`",
        ),
        (
            "# mlint: disable=ML101",
            "`# mlint: disable` is no suppression that mlint knows",
            "write `# mlint: ignore[CODE] reason`",
        ),
        (
            "# mlint: skip-file",
            "`# mlint: skip-file` is no suppression that mlint knows",
            "write `# mlint: file-ignore[CODE] reason`",
        ),
    ],
)
def test_what_cannot_be_read_is_said_and_left(comment: str, message: str, advice: str) -> None:
    [finding] = Suppressions(Source(f"x = 1  {comment}\n", "a.py")).unused(ALL, RULES)
    assert (finding.message, finding.advice, finding.fix) == (message, advice, None)


def test_without_the_rules_names_are_let_be() -> None:
    suppressions = Suppressions(Source("x = 1  # mlint: ignore[sum-loop]\ny  # noqa: ML1\n", "a.py"))
    assert [finding.start.line for finding in suppressions.unused(ALL)] == [2]


@pytest.mark.parametrize(
    ("before", "findings", "reason", "after"),
    [
        ("x = 1\n", [at(1)], None, "x = 1  # noqa: ML101\n"),
        ("x = 1", [at(1), at(1, "ML102"), at(1)], "old code", "x = 1  # noqa: ML101, ML102 old code"),
        ("x = 1  \r\ny\r\n", [at(1)], None, "x = 1  # noqa: ML101\r\ny\r\n"),
        ("x = 1  # type: ignore\n", [at(1)], None, "x = 1  # type: ignore  # noqa: ML101\n"),
        ("x = 1  # noqa: E501\n", [at(1)], None, "x = 1  # noqa: E501, ML101\n"),
        ("x = 1  # noqa:E501 why\n", [at(1)], "old", "x = 1  # noqa:E501, ML101 why\n"),
        ("x = 1  # noqa: E501\n", [at(1)], "old", "x = 1  # noqa: E501, ML101 old\n"),
        ("x = 1\n", [at(1)], "H5 files\n only", "x = 1  # noqa: ML101 - H5 files only\n"),
        ("x = 1 + \\\n    2\n", [at(1)], None, "x = 1 + \\\n    2  # noqa: ML101\n"),
        ('f("""\n# noqa\n""")\n', [at(1), at(2, "ML102")], None, 'f("""\n# noqa\n""")  # noqa: ML101, ML102\n'),
        ("f(\n    a,\n)\n", [at(1), at(2)], None, "f(  # noqa: ML101\n    a,  # noqa: ML101\n)\n"),
        ("# words\nx\n", [at(1)], None, "# words  # noqa: ML101\nx\n"),
    ],
)
def test_add_noqa(before: str, findings: list[Finding], reason: str | None, after: str) -> None:
    outcome = add_noqa(Source(before, "a.py"), findings, reason)
    assert outcome.source.text == after
    assert outcome.skipped == []
    assert sorted(map(id, outcome.added)) == sorted(map(id, findings))
    suppressions = Suppressions(outcome.source)
    assert all(suppressions.covers(finding) for finding in findings)
    assert suppressions.unused(ALL, RULES) == []


def test_add_noqa_skips_what_it_must_not_silence() -> None:
    broken = at(1, "ML000", name="syntax-error")
    idle = at(1, "ML001", name="unused-suppression")
    outcome = add_noqa(Source("x = 1\n", "a.py"), [broken, idle, at(7)])
    assert (outcome.source.text, outcome.skipped) == ("x = 1\n", [broken, idle, at(7)])


def test_add_noqa_skips_lines_that_cannot_take_a_comment() -> None:
    # Python 3.12 has tokens within f-strings and takes comments there; older ones do neither.
    text = 'a = f"""{\nx}\n"""\nb = 1\n'
    outcome = add_noqa(Source(text, "a.py"), [at(1), at(4)])
    if sys.version_info >= (3, 12):
        assert outcome.source.text == 'a = f"""{\nx}\n"""\nb = 1  # noqa: ML101\n'
        assert outcome.skipped == [at(1)]
    else:
        assert outcome.source.text == 'a = f"""{\nx}\n"""  # noqa: ML101\nb = 1  # noqa: ML101\n'
        assert outcome.skipped == []


PIECES = st.lists(
    st.sampled_from(
        [
            "x = 1", "f(", ")", '"""', "# noqa", "# noqa: E501", "  # noqa: ML101, E5 why", "\\", "if x:", "    y",
            "\t", "# mlint: ignore[ML101, sum-loop] z", "# mlint: ignore", "é = 'ü'  # noqa:ML102", "\x0c", "#",
            "f'{", "}'",
        ]
    ),
    max_size=8,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(PIECES, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_no_text_is_too_odd(pieces: list[str], end: str, final: bool) -> None:
    source = Source(end.join(pieces) + (end if final else ""), "a.py")
    suppressions = Suppressions(source)
    count = len(source.line_starts)
    findings = [at(line) for line in range(1, count + 1)]
    open_ones = [finding for finding in findings if not suppressions.covers(finding)]
    for finding in suppressions.unused(ALL, RULES):
        if finding.fix is not None:
            after = source.apply(finding.fix.edits or ())
            assert len(after.text) < len(source.text)
            try:
                tree = source.parse()
            except Exception:
                continue
            assert ast.dump(after.parse()) == ast.dump(tree)
    outcome = add_noqa(source, open_ones)
    assert len(outcome.added) + len(outcome.skipped) == len(open_ones)
    after_all = Suppressions(outcome.source)
    assert all(after_all.covers(finding) for finding in outcome.added)
    if outcome.added:
        assert ast.dump(outcome.source.parse()) == ast.dump(source.parse())
    for first, last in joined_lines(source).values():
        assert 1 <= first <= last
