"""The fix loop: what is applied, in which order, and what is taken back."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

import pytest

from mlint.codemod.refused import Refused
from mlint.finding import Edit, Finding, Fix, Safety
from mlint.fixer import FixOutcome, fix_source, materialise
from mlint.source import Source

Maker = Callable[[Source, int, int], "list[Edit] | None"]


class Rules:
    """A check made of regular expressions and of functions that make the edits of a match."""

    def __init__(self, **rules: tuple[str, Maker]) -> None:
        self.rules = rules
        self.safety = Safety.SAFE
        self.runs = 0

    def __call__(self, source: Source) -> list[Finding]:
        self.runs += 1
        found = []
        for code, (pattern, maker) in self.rules.items():
            for match in re.finditer(pattern, source.text):
                found.append(self.finding(source, code, match.start(), match.end(), maker))
        return sorted(found, key=lambda finding: finding.sort_key)

    def finding(self, source: Source, code: str, start: int, end: int, maker: Maker) -> Finding:
        safety = self.safety

        def build() -> Fix | None:
            edits = maker(source, start, end)
            return None if edits is None else Fix(safety, "fix it", tuple(edits))

        fix = Fix(safety, "fix it", None, build)
        return Finding(source.path, source.location(start), source.location(end), code, code.lower(), "bad", fix=fix)


def to(text: str) -> Maker:
    return lambda source, start, end: [Edit(start, end, text)]


def fix(text: str, rules: Rules, allowed: Callable[[Finding], bool] = lambda finding: True) -> FixOutcome:
    return fix_source(Source(text, "a.py"), rules, allowed)


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def test_a_clean_file_stays_the_very_object() -> None:
    source = Source("x = 1\n", "a.py")
    outcome = fix_source(source, Rules(A=("y", to("z"))), lambda finding: True)
    assert outcome == FixOutcome(source)
    assert outcome.source is source


def test_all_findings_are_fixed_in_one_pass() -> None:
    rules = Rules(A=("a", to("x")), B=("b", to("yy")))
    outcome = fix("a = b\nc = a + b\n", rules)
    assert outcome.source.text == "x = yy\nc = x + yy\n"
    assert codes(outcome.applied) == ["A", "B", "A", "B"]
    assert outcome.remaining == []
    assert outcome.failures == []
    assert rules.runs == 2


def test_touching_edits_wait_for_the_next_pass() -> None:
    rules = Rules(A=("a", to("x")))
    outcome = fix("aaa = 1\n", rules)
    assert outcome.source.text == "xxx = 1\n"
    assert rules.runs == 3  # a.a, then the one in the middle


def test_the_smaller_code_wins_at_one_place() -> None:
    rules = Rules(B=("old", to("b")), A=("old", to("a")))
    outcome = fix("x = old\n", rules)
    assert outcome.source.text == "x = a\n"
    assert codes(outcome.applied) == ["A"]


def test_what_is_not_allowed_stays() -> None:
    outcome = fix("a = b\n", Rules(A=("a", to("x")), B=("b", to("y"))), lambda finding: finding.code == "B")
    assert outcome.source.text == "a = y\n"
    assert codes(outcome.remaining) == ["A"]


def test_suggestions_are_never_applied() -> None:
    rules = Rules(A=("a", to("x")))
    rules.safety = Safety.SUGGESTION
    assert fix("a = 1\n", rules).source.text == "a = 1\n"


def test_a_fix_that_is_downgraded_when_it_is_built_is_asked_about_again() -> None:
    source = Source("a = 1\n", "a.py")

    def check(source: Source) -> list[Finding]:
        built = Fix(Safety.UNSAFE, "", (Edit(0, 1, "x"),))
        place = source.location(0)
        return [Finding("a.py", place, place, "A", "a", "bad", fix=Fix(Safety.SAFE, "", None, lambda: built))]

    outcome = fix_source(source, check, lambda finding: finding.fix is not None and finding.fix.safety is Safety.SAFE)
    assert outcome.source is source
    assert outcome.failures == []


def test_a_fix_of_several_edits_is_applied_whole_or_not_at_all() -> None:
    def both(source: Source, start: int, end: int) -> list[Edit]:
        return [Edit(end + 3, end + 4, "2"), Edit(start, end, "pair")]

    rules = Rules(A=("= 1", to("= 3")), B=("two", both))
    outcome = fix("two = 1\n", rules)
    # B starts first and takes the `1` as well, so A finds nothing left to do.
    assert outcome.source.text == "pair = 2\n"
    assert codes(outcome.applied) == ["B"]
    rules = Rules(A=("x = ", to("y = ")), B=("two", lambda s, a, b: [Edit(0, 1, "z"), Edit(a, b, "pair")]))
    rules.rules["B"] = ("two", lambda s, a, b: [Edit(2, 3, "="), Edit(a, b, "pair")] if "y" not in s.text else None)
    outcome = fix("x = two\n", rules)
    assert outcome.source.text == "y = two\n"
    assert codes(outcome.remaining) == ["B"]


def with_import(name: str) -> Maker:
    def make(source: Source, start: int, end: int) -> list[Edit]:
        text = f"import {name}\n"
        edits = [] if text in source.text else [Edit(0, 0, text)]
        return [*edits, Edit(start, end, f"{name}.x")]

    return make


def test_one_import_for_several_fixes() -> None:
    rules = Rules(A=("old", with_import("copy")))
    outcome = fix("a = old\nb = old\n", rules)
    assert outcome.source.text == "import copy\na = copy.x\nb = copy.x\n"
    assert len(outcome.applied) == 2
    assert rules.runs == 2


def test_different_imports_at_one_place_take_turns() -> None:
    outcome = fix("a = old\nb = new\n", Rules(A=("old", with_import("copy")), B=("new", with_import("math"))))
    assert outcome.source.text == "import math\nimport copy\na = copy.x\nb = math.x\n"


def test_one_remedy_for_two_findings() -> None:
    def decorate(source: Source, start: int, end: int) -> list[Edit] | None:
        return None if "@d" in source.text else [Edit(0, 0, "@d\n")]

    rules = Rules(A=(r"(?s)x(?!.*@d)(?=.)", decorate))
    base = rules.__call__

    def check(source: Source) -> list[Finding]:
        return [] if "@d" in source.text else base(source)

    outcome = fix_source(Source("def f():\n    x\n    x\n", "a.py"), check, lambda finding: True)
    assert outcome.source.text == "@d\ndef f():\n    x\n    x\n"
    assert len(outcome.applied) == 2


def test_equal_edits_that_are_no_imports_are_not_merged() -> None:
    def enclose(source: Source, start: int, end: int) -> list[Edit]:
        return [Edit(start, start, "("), Edit(start, start, "("), Edit(end, end, ")"), Edit(end, end, ")")]

    outcome = fix("y = a\n", Rules(A=("(?<!\\()a", enclose)))
    assert outcome.source.text == "y = ((a))\n"


def test_a_fix_that_breaks_the_file_is_taken_back_and_named() -> None:
    outcome = fix("a = 1\nbad = 2\nc = 3\n", Rules(A=("a(?= =)", to("x")), B=("bad", to("(")), C=("3", to("4"))))
    assert outcome.source.text == "x = 1\nbad = 2\nc = 4\n"
    assert codes(outcome.applied) == ["A", "C"]
    assert codes(outcome.remaining) == ["B"]
    (failure,) = outcome.failures
    assert failure.startswith("a.py:2:1: B b: its fix was taken back: the file would not parse in line")


def test_fixes_that_break_the_file_only_together_take_turns() -> None:
    # Each keyword alone is fine; both at once are one keyword twice.
    def name(source: Source, start: int, end: int) -> list[Edit] | None:
        return None if "k=" in source.text else [Edit(start, end, "k=1")]

    outcome = fix("f(a, 0, b)\n", Rules(A=("a", name), B=("b", name)))
    assert outcome.source.text == "f(a, 0, k=1)\n"
    assert codes(outcome.applied) == ["B"]
    assert codes(outcome.remaining) == ["A"]
    assert outcome.failures == ["a.py:1:3: A a: its fix was taken back: the file would not parse in line 1 " + PARSER]


PARSER = "(positional argument follows keyword argument)"


def test_an_edit_that_swallows_what_it_does_not_touch_is_taken_back() -> None:
    # It parses all the same, and what stood between the two is the inside of a string then.
    text = 'a = 1\n\nb = 2\n\nc = """ """\n'
    outcome = fix(text, Rules(A=("1", lambda s, a, b: [Edit(a, b, '"""'), Edit(18, 21, "")])))
    assert outcome.source.text == text
    assert outcome.failures == [
        "a.py:1:5: A a: its fix was taken back: line 3, which it does not touch, would mean something else"
    ]


@pytest.mark.parametrize(
    ("text", "new", "line"),
    [
        ("if x:\n    bad\n\n    b\n", "c\nif y:", 4),
        ("if x:\n    bad\n\n    b\n", "c\nelse:", 4),
        ("if x:\n    bad\n\n    if b:\n        c\n", "c\nelse:", 4),
    ],
)
def test_an_edit_that_moves_its_neighbours_into_another_suite_is_taken_back(text: str, new: str, line: int) -> None:
    Source(text.replace("bad", new), "a.py").parse()
    outcome = fix(text, Rules(A=("bad", to(new))))
    assert outcome.source.text == text
    assert outcome.failures[0].endswith(f"line {line}, which it does not touch, would mean something else")


def test_a_finding_that_is_still_there_after_its_fix_is_rolled_back() -> None:
    def beside(source: Source, start: int, end: int) -> list[Edit]:
        return [Edit(0, 0, "x = 0\n")]

    outcome = fix("bad = 1\nc = 2\n", Rules(A=("bad", beside), C=("2", to("3"))))
    assert outcome.source.text == "bad = 1\nc = 3\n"
    assert outcome.failures == ["a.py:1:1: A a: is still there after its fix"]
    assert codes(outcome.remaining) == ["A"]


def test_a_neighbour_that_takes_the_place_of_a_deleted_line_is_another_finding() -> None:
    outcome = fix("bad\nbad\nbad\nx\n", Rules(A=("bad\n", to(""))))
    assert outcome.source.text == "x\n"
    assert outcome.failures == []


def test_a_failed_fix_does_not_stop_one_of_the_same_rule_elsewhere() -> None:
    def first_fails(source: Source, start: int, end: int) -> list[Edit]:
        return [Edit(start, end, "(" if source.text[:start].endswith("y = ") else "2")]

    outcome = fix("bad = x\ny = bad\nz = bad\nbad2 = bad\n", Rules(A=(r"(?<== )bad", first_fails)))
    assert outcome.source.text == "bad = x\ny = bad\nz = 2\nbad2 = 2\n"
    assert len(outcome.failures) == 1


def test_fixes_that_undo_each_other_are_named_and_one_is_left_out() -> None:
    outcome = fix("a = 1\n", Rules(A=("a", to("b")), B=("b", to("a"))))
    assert outcome.source.text == "b = 1\n"
    assert codes(outcome.applied) == ["A"]
    (failure,) = outcome.failures
    assert "fixes of B do not come to an end" in failure


def test_a_fix_that_grows_without_end_leaves_the_file_alone() -> None:
    outcome = fix("x = a\ny = b\n", Rules(A=(r"(?m)\ba$", to("a + 1 + a")), B=("b", to("c"))))
    assert outcome.source.text == "x = a\ny = c\n"
    assert codes(outcome.applied) == ["B"]
    assert any("fixes of A do not come to an end" in failure for failure in outcome.failures)


def test_nesting_deeper_than_the_passes_is_no_failure() -> None:
    # Each pass can take off one level only: the inner ones touch the outer one.
    depth = 14
    text = "x = " + "f(" * depth + "a" + ")" * depth + "\n"

    def check(source: Source) -> list[Finding]:
        found = []
        for node in ast.walk(source.parse()):
            if isinstance(node, ast.Call):
                start, end = source.span(node)
                inner = source.segment(node.args[0])
                fix = Fix(Safety.SAFE, "", (Edit(start, end, inner),))
                places = source.location(start), source.location(end)
                found.append(Finding("a.py", *places, "A", "a", f"bad {len(inner)}", fix=fix))
        return found

    outcome = fix_source(Source(text, "a.py"), check, lambda finding: True)
    assert outcome.failures == []
    assert len(outcome.applied) == 10
    assert len(outcome.remaining) == depth - 10
    outcome = fix_source(outcome.source, check, lambda finding: True)
    assert outcome.source.text == "x = a\n"


def raises(source: Source, start: int, end: int) -> list[Edit]:
    raise RuntimeError("a bug")


FAULTY: dict[str, tuple[Maker, str]] = {
    "raises": (raises, "its fix raised RuntimeError: a bug"),
    "overlaps itself": (lambda s, a, b: [Edit(a, b, ""), Edit(a, b, "x")], "the edits of its fix overlap"),
    "outside": (lambda s, a, b: [Edit(a, 10_000, "")], "the edits of its fix overlap"),
    "does nothing": (lambda s, a, b: [Edit(a, b, "bad")], "its fix changes nothing"),
}


@pytest.mark.parametrize(("maker", "failure"), FAULTY.values(), ids=FAULTY)
def test_a_faulty_fix_costs_only_itself(maker: Maker, failure: str) -> None:
    outcome = fix("bad = 1\nc = 2\n", Rules(A=("bad", maker), C=("2", to("3"))))
    assert outcome.source.text == "bad = 1\nc = 3\n"
    assert outcome.failures == [f"a.py:1:1: A a: {failure}"]


def test_a_refused_fix_is_no_failure() -> None:
    def refuse(source: Source, start: int, end: int) -> list[Edit]:
        raise Refused("a comment would be lost")

    rules = Rules(A=("bad", refuse))
    outcome = fix("bad = 1\n", rules)
    assert outcome.failures == []
    assert codes(outcome.remaining) == ["A"]
    (finding,) = rules(outcome.source)
    assert materialise(finding).fix is None


def test_materialise_builds_the_edits_once() -> None:
    (finding,) = Rules(A=("bad", to("x")))(Source("bad\n", "a.py"))
    built = materialise(finding)
    assert built.fix is not None
    assert built.fix.edits == (Edit(0, 3, "x"),)
    assert materialise(built) is built


def test_lines_that_move_take_no_new_lines_of_another_fix() -> None:
    def wrap(source: Source, start: int, end: int) -> list[Edit] | None:
        if "with" in source.text:
            return None
        return [Edit(start, start, "with y:\n    "), Edit(6, 6, "    "), Edit(12, 12, "    ")]

    def after(source: Source, start: int, end: int) -> list[Edit] | None:
        if "new" in source.text:
            return None
        indent = source.text[source.text.rindex("\n", 0, start) + 1 : start]
        return [Edit(end, end, f"\n{indent}new")]

    rules = Rules(A=("(?<!    )if x", wrap), B=(r"bad(?!\s+new)", after))
    outcome = fix("if x:\n  bad\n  c\n", rules)
    assert outcome.failures == []
    tree = outcome.source.parse()
    (block,) = tree.body
    assert isinstance(block, ast.With)
    (branch,) = block.body
    assert isinstance(branch, ast.If)
    assert [ast.unparse(item) for item in branch.body] == ["bad", "new", "c"]


def test_a_character_that_the_encoding_lacks_is_not_inserted() -> None:
    source = Source.from_bytes(b"# coding: latin-1\nx = bad\n", "a.py")
    outcome = fix_source(source, Rules(A=("bad", to("'\u20ac'"))), lambda finding: True)
    assert outcome.source is source
    assert "cannot be written in" in outcome.failures[0]


def test_line_ends_and_mark_survive() -> None:
    source = Source.from_bytes(b"\xef\xbb\xbfa = 1\r\nb = 2\r\n", "a.py")
    outcome = fix_source(source, Rules(A=("a", to("x"))), lambda finding: True)
    assert outcome.source.encode() == b"\xef\xbb\xbfx = 1\r\nb = 2\r\n"
