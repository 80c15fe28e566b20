"""The reports for people: full and concise, the closing line, the statistics."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from mlint.finding import Finding, Fix, Location, Safety
from mlint.report import FORMATS, emit, write
from mlint.report.statistics import write_statistics
from mlint.report.summary import diff_summary, summary
from tests.report.report_context import context, written

SAFE = Fix(Safety.SAFE, "Use `log_softmax`")
UNSAFE = Fix(Safety.UNSAFE, "Vectorise the loop")
SHOWN = Fix(Safety.SUGGESTION, "Rewrite it")


def softmax(path: str = "a.py", line: int = 1, column: int = 1, end: int = 4, **more: object) -> Finding:
    place = {"start": Location(line, column), "end": Location(line, end)}
    words = {"message": "log of softmax of `x`", "advice": "use `log_softmax`"}
    return Finding(**{"path": path, "code": "ML501", "name": "log-of-softmax", **place, **words, **more})


def loop(start: Location, end: Location, **more: object) -> Finding:
    words = {"message": "`out` is filled one by one", "advice": "call `f` once"}
    return Finding("a.py", start, end, "ML101", "store-loop", **{**words, **more})


def test_full_shows_place_code_reason_advice_and_fix() -> None:
    text = "import torch\ny = torch.log(p)\nz = 1\n"
    assert written("full", [softmax(line=2, column=5, end=17, fix=SAFE)], context({"a.py": text})) == (
        "a.py:2:5: ML501 [*] log of softmax of `x`\n"
        "  |\n"
        "1 | import torch\n"
        "2 | y = torch.log(p)\n"
        "  |     ^^^^^^^^^^^^\n"
        "3 | z = 1\n"
        "  |\n"
        "  = why: `log(softmax(x))` underflows to -inf.\n"
        "  = help: use `log_softmax`\n"
        "  = fix: Use `log_softmax` (`--fix` does this)\n"
        "\n"
    )


@pytest.mark.parametrize(
    ("fix", "changes", "line"),
    [
        (SAFE, {}, "  = fix: Use `log_softmax` (`--fix` does this)"),
        (UNSAFE, {}, "  = fix: Vectorise the loop (`--fix --unsafe-fixes` does this; it may change behaviour)"),
        (SHOWN, {}, "  = fix: Rewrite it (suggestion, not applied)"),
        (
            SAFE,
            {"fixable": frozenset({"ML101"})},
            "  = fix: Use `log_softmax` (not applied: the configuration says that ML501 is not to be fixed)",
        ),
    ],
)
def test_full_says_what_it_takes_to_have_the_fix(fix: Fix, changes: dict[str, object], line: str) -> None:
    assert line in written("full", [softmax(fix=fix)], context({"a.py": "log\n"}, **changes)).splitlines()


def test_full_shows_the_address_when_asked() -> None:
    shown = written("full", [softmax()], context({"a.py": "log\n"}, show_url=True))
    assert shown.endswith("  = see: https://docs.example/log-of-softmax\n\n")


def test_full_does_without_the_text() -> None:
    assert written("full", [softmax()], context({})) == (
        "a.py:1:1: ML501 log of softmax of `x`\n"
        "  = why: `log(softmax(x))` underflows to -inf.\n"
        "  = help: use `log_softmax`\n"
        "\n"
    )


def carets(text: str, finding: Finding, **changes: object) -> list[str]:
    """The lines of the excerpt alone."""
    lines = written("full", [finding], context({"a.py": text}, **changes)).splitlines()
    return [line for line in lines[1:] if not line.lstrip().startswith("= ") and line.strip() not in ("", "|")]


def test_a_loop_is_underlined_up_to_its_colon() -> None:
    text = "n = 1\nfor i, x in enumerate(\n    a[1:]\n):  # all\n    out[i] = x\n\ny = out\n"
    assert carets(text, loop(Location(2, 1), Location(5, 15))) == [
        "1 | n = 1",
        "2 | for i, x in enumerate(",
        "  | ^^^^^^^^^^^^^^^^^^^^^^",
        "3 |     a[1:]",
        "  |     ^^^^^",
        "4 | ):  # all",
        "  | ^^ to line 5",
        "5 |     out[i] = x",
    ]


def test_the_colon_of_a_lambda_is_not_the_end_of_the_header() -> None:
    text = "for f in lambda x: x, {1: 2}:  # words\n    f(1)\n"
    assert carets(text, loop(Location(1, 1), Location(2, 9)))[1] == "  | " + "^" * 29 + " to line 2"


@pytest.mark.parametrize("text", ["for x in (\n    y\n", "with a\nb\n", 'if """x\n\n', "match = (\n    1,\n)\n"])
def test_a_header_without_a_colon_is_its_first_line(text: str) -> None:
    first = text.splitlines()[0]
    assert carets(text, loop(Location(1, 1), Location(2, 2)))[1] == f"  | {'^' * len(first)} to line 2"


def test_a_long_range_is_cut_in_the_middle() -> None:
    text = "for i in x:\n" + "".join(f"    a{number}\n" for number in range(2, 12))
    assert carets(text, loop(Location(1, 1), Location(11, 8))) == [
        " 1 | for i in x:",
        "   | ^^^^^^^^^^^ to line 11",
        " 2 |     a2",
        " 3 |     a3",
        " 4 |     a4",
        "...",
        "11 |     a11",
    ]


def test_an_expression_over_lines_is_marked_on_its_first() -> None:
    assert carets("y = log(\n    x,\n)\n", loop(Location(1, 5), Location(3, 2))) == [
        "1 | y = log(",
        "  |     ^^^^ to line 3",
        "2 |     x,",
        "3 | )",
    ]


def test_a_range_that_ends_with_the_line_end_is_one_line() -> None:
    assert carets("abc\ndef\n", loop(Location(1, 2), Location(2, 1))) == ["1 | abc", "  |  ^^", "2 | def"]


@pytest.mark.parametrize(
    ("line", "column", "end", "shown", "marks"),
    [
        ("\tx = log(y)", 6, 12, "    x = log(y)", "        ^^^^^^"),
        ("ab\tlog", 4, 7, "ab  log", "    ^^^"),
        ("名前 = log", 6, 9, "名前 = log", "       ^^^"),
        ("名前 = log", 1, 3, "名前 = log", "^^^^"),
        ("e\u0301 = log", 6, 9, "e\u0301 = log", "    ^^^"),
        ("a\x0c\x1b = 1", 5, 6, "a␌␛ = 1", "    ^"),
        ("a\u202e = 1", 4, 5, "a\ufffd = 1", "   ^"),
        ("x = ", 5, 5, "x =", "    ^"),
    ],
)
def test_carets_stand_below_the_range(line: str, column: int, end: int, shown: str, marks: str) -> None:
    found = carets(line + "\r\n", softmax(column=column, end=end))
    assert found == [f"1 | {shown}", f"  | {marks}"]


def test_an_endless_line_is_cut_around_the_range() -> None:
    text = " ".join(f"w{number:02}" for number in range(30))  # w20 starts in column 81 of 119
    assert carets(text, softmax(column=81, end=84), width=20) == [
        "1 | … w19 w20 w21 w22 w…",
        "  | " + "      ^^^",
    ]


def test_line_ends_of_the_old_mac_count() -> None:
    assert carets("a = 1\rlog(x)\r", softmax(line=2, end=7)) == ["1 | a = 1", "2 | log(x)", "  | ^^^^^^"]


def test_a_place_outside_of_the_text_shows_no_code() -> None:
    assert carets("a\n", softmax(line=9)) == []
    assert carets("", softmax()) == []


def test_colours_add_nothing_but_colours() -> None:
    import re

    findings = [softmax(fix=SAFE), softmax(line=2, severity="error")]
    texts = {"a.py": "log\nlog\n"}
    for format in ("full", "concise"):
        painted = written(format, findings, context(texts, color=True))
        assert painted != written(format, findings, context(texts))
        assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == written(format, findings, context(texts))


def test_concise() -> None:
    findings = [
        softmax("b.py", fix=UNSAFE),
        softmax("a.py", fix=SAFE),
        softmax("a.py", line=1, column=2, advice=""),
        softmax("n.ipynb", line=2, column=6, cell=3),
    ]
    assert written("concise", findings, context({})) == (
        "a.py:1:1: ML501 [*] log of softmax of `x`; use `log_softmax`\n"
        "a.py:1:2: ML501 log of softmax of `x`\n"
        "b.py:1:1: ML501 log of softmax of `x`; use `log_softmax`\n"
        "n.ipynb:cell 3:2:6: ML501 log of softmax of `x`; use `log_softmax`\n"
    )


def test_unsafe_fixes_are_marked_when_they_are_on() -> None:
    assert "ML501 [*]" in written("concise", [softmax(fix=UNSAFE)], context({}, unsafe_fixes=True))


def test_a_message_cannot_break_the_line_or_move_the_cursor() -> None:
    shown = written("concise", [softmax("a\nb.py", message="x\x1b[2Jy", advice="")], context({}))
    assert shown == "a\\nb.py:1:1: ML501 x\\x1b[2Jy\n"


@pytest.mark.parametrize("format", FORMATS)
def test_a_narrow_stream_gets_escapes(format: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    write(format, [softmax("名.py", message="é")], stream, context=context({"名.py": "é\n"}))
    stream.flush()
    assert b"ML501" in stream.buffer.getvalue()  # type: ignore[attr-defined]


def test_emit_keeps_what_the_stream_can_write() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    emit(["é 名"], stream)
    stream.flush()
    assert stream.buffer.getvalue() == b"\xe9 \\u540d"  # type: ignore[attr-defined]


def test_an_unknown_format_is_an_error_with_the_choices() -> None:
    with pytest.raises(ValueError, match="no output format `xml`; choose one of full, concise,"):
        written("xml", [], context({}))


def test_the_order_on_the_way_in_does_not_matter() -> None:
    findings = [softmax("b.py"), softmax("a.py", line=2), softmax("a.py")]
    texts = {"a.py": "log\nlog\n", "b.py": "log\n"}
    for format in FORMATS:
        assert written(format, findings, context(texts)) == written(format, findings[::-1], context(texts))


def test_the_reports_for_people_import_nothing_heavy() -> None:
    code = (
        "import sys, mlint.report.full, mlint.report.concise, mlint.report.summary;"
        "print([name for name in ('json', 'hashlib', 'difflib', 'libcst', 'urllib', 'unicodedata',"
        " 'mlint.report.json', 'mlint.source') if name in sys.modules])"
    )
    # -S: what site-packages load at start-up is not ours.
    ran = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


@pytest.mark.parametrize(
    ("findings", "options", "line"),
    [
        ([], {}, "All checks passed."),
        ([], {"fix": True, "fixed": 1}, "Fixed 1 finding; nothing remains."),
        ([None], {}, "Found 1 finding."),
        ([SAFE, UNSAFE, UNSAFE, None], {}, "Found 4 findings (1 fixable with --fix, 2 more with --unsafe-fixes)."),
        ([SAFE, None], {}, "Found 2 findings (1 fixable with --fix)."),
        ([UNSAFE, None], {}, "Found 2 findings (1 fixable with --fix --unsafe-fixes)."),
        ([SAFE, UNSAFE], {"unsafe_fixes": True}, "Found 2 findings (2 fixable with --fix --unsafe-fixes)."),
        ([SAFE], {"unsafe_fixes": True}, "Found 1 finding (1 fixable with --fix)."),
        ([SAFE, SHOWN], {"fixable": frozenset()}, "Found 2 findings."),
        ([SHOWN], {}, "Found 1 finding."),
        (
            [UNSAFE, None],
            {"fix": True, "fixed": 3},
            "Found 5 findings (3 fixed, 2 remaining; 1 more fixable with --unsafe-fixes).",
        ),
        ([UNSAFE], {"fix": True}, "Found 1 finding (1 fixable with --unsafe-fixes)."),
        ([UNSAFE], {"fix": True, "unsafe_fixes": True}, "Found 1 finding."),
        ([None], {"fix": True, "fixed": 1, "unsafe_fixes": True}, "Found 2 findings (1 fixed, 1 remaining)."),
    ],
)
def test_summary(findings: list[Fix | None], options: dict[str, object], line: str) -> None:
    assert summary([softmax(fix=fix) for fix in findings], **options) == line


def test_diff_summary() -> None:
    assert diff_summary(1) == "Would fix 1 finding."
    assert diff_summary(2, 1) == "Would fix 2 findings (1 more with --unsafe-fixes)."
    assert diff_summary(0, 3) == "Nothing to fix (3 more with --unsafe-fixes)."


def statistics(findings: list[Finding], format: str = "full", **changes: object) -> str:
    stream = io.StringIO()
    write_statistics(findings, stream, context=context({}, **changes), format=format)
    return stream.getvalue()


MANY = [
    *(softmax(line=line, fix=SAFE) for line in range(1, 11)),
    *(loop(Location(line, 1), Location(line, 2), fix=fix) for line, fix in ((1, SAFE), (2, UNSAFE), (3, None))),
    *(softmax(line=line, code="ML001", name="unused-suppression") for line in (1, 2, 3)),
]


def test_statistics() -> None:
    assert statistics(MANY) == (
        "10  ML501  [*] log-of-softmax\n 3  ML001  [ ] unused-suppression\n 3  ML101  [-] store-loop\n"
    )
    assert statistics([]) == ""


def test_statistics_as_json() -> None:
    rows = [
        {"code": "ML501", "name": "log-of-softmax", "count": 10, "fixable": True, "fixable_count": 10},
        {"code": "ML001", "name": "unused-suppression", "count": 3, "fixable": False, "fixable_count": 0},
        {"code": "ML101", "name": "store-loop", "count": 3, "fixable": True, "fixable_count": 1},
    ]
    assert json.loads(statistics(MANY, "json")) == rows
    assert [json.loads(line) for line in statistics(MANY, "json-lines").splitlines()] == rows
    assert json.loads(statistics([], "json")) == []


def test_edits_are_not_needed_to_say_that_there_is_a_fix() -> None:
    def fail() -> Fix | None:
        raise AssertionError("built for a report that shows no edits")

    fix = Fix(Safety.SAFE, "Use it", build=fail)
    for format in ("full", "concise", "github", "gitlab", "junit"):
        assert written(format, [softmax(fix=fix)], context({"a.py": "log\n"}))
