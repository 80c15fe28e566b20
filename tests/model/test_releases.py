"""Versions, and sets of them."""

from __future__ import annotations

import random

import pytest

from mlint.model.releases import ALL, NONE, Version, Versions, specified


def read(text: str) -> Version:
    version = Version.parse(text)
    assert version is not None, text
    return version


def allowed_by(text: str) -> Versions:
    allowed = specified(text)
    assert allowed is not None, text
    return allowed


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">=2.1,<3", ["2.1", "2.9.9", "2.1.post1"], ["2.0", "2.1rc1", "3.0", "3.0rc1", "1!2.2"]),
        ("==2.6.*", ["2.6", "2.6.3", "2.6.0rc1"], ["2.7", "2.5.9", "2.60"]),
        ("2.6", ["2.6", "2.6.1", "2.6.0+cu118"], ["2.7", "2.6rc1", "2.5"]),
        ("2.*", ["2.0", "2.11"], ["3.0", "1.9"]),
        ("==1.26.4", ["1.26.4", "1.26.4.0"], ["1.26.5", "1.26.4.post1", "1.26.4rc1"]),
        ("!=2.0.*,>=1.5", ["1.5", "2.1", "1.99"], ["2.0", "2.0.1", "1.4"]),
        ("~=1.4", ["1.4", "1.9"], ["2.0", "1.3"]),
        ("~=1.4.2", ["1.4.2", "1.4.9"], ["1.5", "1.4.1"]),
        ("^2.1", ["2.1", "2.9"], ["3.0", "3.0a1", "2.0"]),
        ("^0.3.1", ["0.3.1", "0.3.9"], ["0.4", "1.0"]),
        ("^0.0.3", ["0.0.3"], ["0.0.4"]),
        ("^0", ["0.0.1", "0.9"], ["1.0"]),
        ("~1", ["1.0", "1.9"], ["2.0"]),
        ("~1.2.3", ["1.2.3", "1.2.9"], ["1.3", "1.2.2"]),
        ("^1.2 || ^3.0", ["1.5", "3.4"], ["2.0", "4.0"]),
        (">=1.2 <1.5", ["1.2", "1.4"], ["1.5", "1.1"]),
        (">=1.0rc1", ["1.0rc1", "1.0"], ["1.0b3"]),
        ("<2.0rc1", ["2.0b1", "1.9"], ["2.0rc1", "2.0"]),
        ("<=1.0", ["1.0", "0.9"], ["1.0.post1", "1.1"]),
        (">1.0", ["1.0.1", "1.1rc1"], ["1.0", "1.0.post1"]),
        ("1!2.0", ["1!2.0"], ["2.0"]),
        (">=1!1.0", ["1!1.0", "2!0.1"], ["5.0"]),
        ("===2.0", ["2.0"], ["2.0.1"]),
        ("(>=1,<2)", ["1.5"], ["2.0"]),
    ],
)
def test_specifiers(text: str, inside: list[str], outside: list[str]) -> None:
    allowed = allowed_by(text)
    for word in inside:
        assert read(word) in allowed, word
    for word in outside:
        assert read(word) not in allowed, word


@pytest.mark.parametrize("text", ["==x.y", ">=", "latest", "@ git+https://host/a", ">=1 !", "~=2", "1..2"])
def test_not_understood(text: str) -> None:
    assert specified(text) is None


@pytest.mark.parametrize("text", ["", "*", "any", "==*"])
def test_any_version(text: str) -> None:
    assert specified(text) == ALL


def test_conda() -> None:
    for text in ("=1.26", "1.26.*", "1.26*"):
        allowed = specified(text, conda=True)
        assert allowed is not None
        assert allowed <= (specified("==1.26.*") or NONE), text
    either = specified("1.2.*|2.0.*", conda=True)
    assert either == (specified("1.2.*") or NONE) | (specified("2.0.*") or NONE)


def test_subsets() -> None:
    def within(one: str, two: str) -> bool:
        return allowed_by(one) <= allowed_by(two)

    assert within("<=1.26.4", "<2")
    assert within(">=1.24,<2", ">=1.20")
    assert not within(">=1.20", ">=1.24")
    assert within("==2.0", ">=2")
    assert within("^1.2 || ^1.5", "<2")
    assert not within("^1.2 || ^2.5", "<2")
    assert within("<2,<3", "<2.0")
    assert not within("!=2.0", "<2")


def _random_version(chance: random.Random) -> str:
    text = ".".join(str(chance.randrange(4)) for _ in range(chance.randint(1, 3)))
    if chance.random() < 0.1:
        text = f"1!{text}"
    if chance.random() < 0.3:
        text += f"{chance.choice(['a', 'b', 'rc'])}{chance.randrange(3)}"
    if chance.random() < 0.2:
        text += f".post{chance.randrange(3)}"
    if chance.random() < 0.2:
        text += f".dev{chance.randrange(3)}"
    return text


def test_agrees_with_packaging() -> None:
    """The order, and what each operator lets through, is that of the reference implementation."""
    packaging = pytest.importorskip("packaging.version")
    specifiers = pytest.importorskip("packaging.specifiers")
    chance = random.Random(7)
    versions = [_random_version(chance) for _ in range(300)]
    for one, two in zip(versions, reversed(versions), strict=True):
        assert (read(one).key() < read(two).key()) == (packaging.Version(one) < packaging.Version(two)), (one, two)
    for _ in range(400):
        clauses = []
        for _ in range(chance.randint(1, 2)):
            operator = chance.choice(["==", "!=", "<=", ">=", "<", ">", "~=", "=="])
            bound = _random_version(chance)
            if operator == "~=" and "." not in bound.partition("!")[2 if "!" in bound else 0]:
                operator = ">="
            if operator in ("==", "!=") and chance.random() < 0.4:
                bound = ".".join(str(chance.randrange(4)) for _ in range(chance.randint(1, 2))) + ".*"
            clauses.append(operator + bound)
        text = ",".join(clauses)
        try:
            reference = specifiers.SpecifierSet(text)
        except specifiers.InvalidSpecifier:
            continue
        allowed = allowed_by(text)
        for word in chance.sample(versions, 12):
            assert (read(word) in allowed) == reference.contains(word, prereleases=True), (text, word)


def test_set_algebra() -> None:
    chance = random.Random(11)
    texts = ["<2", ">=1.5,<3", "!=2.0", "==1.*", "~=1.4", ">3", "^0.3", "<1||>2"]
    points = [read(_random_version(chance)) for _ in range(200)]
    for one in texts:
        for two in texts:
            first, second = allowed_by(one), allowed_by(two)
            for point in points:
                assert (point in (first | second)) == (point in first or point in second)
                assert (point in (first & second)) == (point in first and point in second)
                assert (point in ~first) == (point not in first)
            assert (first & second) <= first
            assert first <= (first | second)
