"""Every example of every rule: found, fixed, stable, and executed before and after."""

from __future__ import annotations

import re

import pytest

from mlint.finding import Safety
from mlint.fixer import fix_source
from mlint.registry import RuleEntry, load_index, load_rule
from mlint.rule import Example
from tests import proof

INDEX = load_index()
ENTRIES = [entry for entry in INDEX.entries if entry.class_name]
EXAMPLES = [
    pytest.param(entry, example, id=f"{entry.code}-{number}")
    for entry in ENTRIES
    for number, example in enumerate(load_rule(entry).examples)
]
BAD = [parameter for parameter in EXAMPLES if parameter.values[1].bad is not None]  # type: ignore[union-attr]
OK = [parameter for parameter in EXAMPLES if parameter.values[1].ok is not None]  # type: ignore[union-attr]
EXECUTED = [parameter for parameter in BAD if parameter.values[1].equal is not None]  # type: ignore[union-attr]


@pytest.mark.parametrize(("entry", "example"), BAD)
def test_bad(entry: RuleEntry, example: Example) -> None:
    assert example.bad is not None
    with proof.project(example) as root:
        check = proof.checker(INDEX, entry, example, root)
        source = proof.source_of(example, example.bad, root)
        findings = check(source)
        assert len(findings) == example.count, [f"{f.start} {f.text}" for f in findings]
        given_lines = len(proof.text_of(example, "").splitlines())
        for finding in findings:
            assert finding.start.line > given_lines, f"found in `given`: {finding.start} {finding.text}"
            assert "\n" not in finding.text
        allowed = {safety.value for safety in load_rule(entry).safeties()}
        for finding in findings:
            if finding.fix is not None:
                assert finding.fix.safety.value in allowed
                if example.safety is not None:
                    assert finding.fix.safety.value == example.safety
        outcome = fix_source(source, check, lambda _: True)
        assert not outcome.failures, outcome.failures
        if example.good is None:
            assert outcome.source.text == source.text, f"fixed, but the example has no `good`:\n{outcome.source.text}"
            return
        assert outcome.source.text == proof.text_of(example, example.good)
        again = fix_source(outcome.source, check, lambda _: True)
        assert again.source.text == outcome.source.text
        assert not check(outcome.source), "the fixed code is found again"


@pytest.mark.parametrize(("entry", "example"), OK)
def test_ok(entry: RuleEntry, example: Example) -> None:
    assert example.ok is not None
    with proof.project(example) as root:
        source = proof.source_of(example, example.ok, root)
        findings = proof.checker(INDEX, entry, example, root)(source)
        assert not findings, [f"{f.start} {f.text}" for f in findings]


@pytest.mark.parametrize(("entry", "example"), EXECUTED)
def test_executed(entry: RuleEntry, example: Example) -> None:
    lacking = proof.missing(example)
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}")
    assert example.bad is not None
    with proof.project(example) as root:
        check = proof.checker(INDEX, entry, example, root)
        outcome = fix_source(proof.source_of(example, example.bad, root), check, lambda _: True)
        proof.prove(example, outcome.source.text, root)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.code)
def test_rule(entry: RuleEntry) -> None:
    rule = load_rule(entry)
    assert re.fullmatch(r"ML[1-9]\d\d", entry.code)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", entry.name)
    assert rule.libraries
    page = rule.explanation()
    assert page.splitlines()[0]
    assert "## Why" in page
    assert "## References" in page
    assert ("## Fix safety" in page) == bool(rule.safeties()), "a rule with a fix says how safe it is"
    examples = rule.examples
    assert any(example.bad is not None for example in examples)
    assert sum(example.ok is not None for example in examples) >= 2, "what the rule must not say"
    if rule.safeties():
        assert any(example.good is not None for example in examples)
    if Safety.SAFE in rule.safeties():
        assert any(_proves_a_safe_fix(entry, example) for example in examples), "a safe fix without an executed example"


def _proves_a_safe_fix(entry: RuleEntry, example: Example) -> bool:
    """Whether an example is executed and all its fixes are in fact offered as safe ones."""
    if example.bad is None or example.equal is None:
        return False
    with proof.project(example) as root:
        findings = proof.checker(INDEX, entry, example, root)(proof.source_of(example, example.bad, root))
    return all(finding.fix is not None and finding.fix.safety is Safety.SAFE for finding in findings)


def test_there_are_rules_of_every_family() -> None:
    assert {entry.code[2] for entry in ENTRIES} == set("123456789")
