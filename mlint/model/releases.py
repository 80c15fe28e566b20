"""Versions and sets of versions, as Python's packaging standard, Poetry and conda write them.

A set of versions is a sorted list of spans between two cuts; a cut lies just before or just after a version. So every
question (is this version in, are all of these in) becomes a comparison, and `!=`, `||` and wildcards are nothing
special.
"""

from __future__ import annotations

import re
from typing import Any

Key = tuple[Any, ...]
"""A version in a form in which later ones are greater."""
Cut = tuple[Key, int]
"""Just before (0) or just after (1) a version."""
Span = tuple[Cut, Cut]

_VERSION = re.compile(
    r"\s*v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>alpha|beta|preview|pre|a|b|c|rc)[-_.]?(?P<pre_number>\d*))?"
    r"(?:-(?P<post_short>\d+)|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<post_number>\d*))?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_number>\d*))?"
    r"(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?\s*",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"\s*(===|==|~=|!=|<=|>=|<|>|\^|~|=)?\s*([^\s,;|<>=!~^]+(?:![^\s,;|<>=!~^]+)?)\s*")
_PRE = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "c": 2, "rc": 2, "pre": 2, "preview": 2}
_FINAL_PRE, _NO_PRE = (9, 0), (-1, 0)
_NO_POST, _NO_DEV, _LAST = -1, 1 << 40, 1 << 40
_START: Cut = ((-1,), 0)
_END: Cut = ((_LAST,), 1)


class Version:
    """One version: epoch, numbers, and whether it is a pre-, post- or development release. Local parts do not count."""

    __slots__ = ("dev", "epoch", "post", "pre", "release")

    def __init__(
        self,
        epoch: int,
        release: tuple[int, ...],
        pre: tuple[int, int] | None = None,
        post: int | None = None,
        dev: int | None = None,
    ) -> None:
        self.epoch = epoch
        self.release = release
        self.pre = pre
        self.post = post
        self.dev = dev

    @staticmethod
    def parse(text: str) -> Version | None:
        """A version from its text; None if it is not one."""
        match = _VERSION.fullmatch(text)
        if match is None:
            return None
        pre = post = dev = None
        if match["pre"]:
            pre = (_PRE[match["pre"].lower()], int(match["pre_number"] or 0))
        if match["post"] or match["post_short"]:
            post = int(match["post_short"] or match["post_number"] or 0)
        if match["dev"]:
            dev = int(match["dev_number"] or 0)
        release = tuple(int(part) for part in match["release"].split("."))
        return Version(int(match["epoch"] or 0), release, pre, post, dev)

    @property
    def is_pre(self) -> bool:
        """Whether it comes before a release: an alpha, a beta, a candidate, a development version."""
        return self.pre is not None or self.dev is not None

    def key(self) -> Key:
        """Its place among all versions."""
        release = list(self.release)
        while len(release) > 1 and release[-1] == 0:
            release.pop()
        if self.pre is not None:
            pre = self.pre
        else:
            pre = _NO_PRE if self.post is None and self.dev is not None else _FINAL_PRE
        post = _NO_POST if self.post is None else self.post
        return (self.epoch, tuple(release), pre, post, _NO_DEV if self.dev is None else self.dev)

    def before(self) -> Cut:
        """The cut just before it."""
        return (self.key(), 0)

    def after(self) -> Cut:
        """The cut just after it."""
        return (self.key(), 1)


def _first(epoch: int, release: tuple[int, ...]) -> Cut:
    """Before everything that is called by a release, its development versions included."""
    return Version(epoch, release, dev=0).before()


def _bumped(version: Version, position: int) -> Cut:
    """Before the release that follows when the number at a position is raised."""
    release = (*version.release, *([0] * (position + 1 - len(version.release))))
    return _first(version.epoch, (*release[:position], release[position] + 1))


class Versions:
    """A set of versions."""

    __slots__ = ("spans",)

    def __init__(self, spans: tuple[Span, ...]) -> None:
        self.spans = spans

    def __or__(self, other: Versions) -> Versions:
        merged: list[Span] = []
        for start, end in sorted((*self.spans, *other.spans)):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((start, end))
        return Versions(tuple(merged))

    def __and__(self, other: Versions) -> Versions:
        common = (
            (max(one[0], two[0]), min(one[1], two[1])) for one in self.spans for two in other.spans
        )  # a handful of spans at most
        return Versions(tuple(sorted(span for span in common if span[0] < span[1])))

    def __invert__(self) -> Versions:
        spans: list[Span] = []
        last = _START
        for start, end in self.spans:
            if last < start:
                spans.append((last, start))
            last = end
        if last < _END:
            spans.append((last, _END))
        return Versions(tuple(spans))

    def __le__(self, other: Versions) -> bool:
        """Whether all of these are among the others."""
        return all(any(start >= low and end <= high for low, high in other.spans) for start, end in self.spans)

    def __contains__(self, version: Version) -> bool:
        cut = version.before()
        return any(start <= cut < end for start, end in self.spans)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Versions) and self.spans == other.spans

    def __hash__(self) -> int:
        return hash(self.spans)

    def __str__(self) -> str:
        return " or ".join(_written(*span) for span in self.spans) or "none"

    @property
    def empty(self) -> bool:
        """Whether no version is in it."""
        return not self.spans

    @property
    def unbounded(self) -> bool:
        """Whether every version is in it, which says nothing."""
        return self == ALL


def _written(start: Cut, end: Cut) -> str:
    if start == _START and end == _END:
        return "any"
    if start[0] == end[0]:
        return f"=={_named(start[0])}"
    parts = []
    if start != _START:
        parts.append(f"{'>' if start[1] else '>='}{_named(start[0])}")
    if end != _END:
        parts.append(f"{'<=' if end[1] else '<'}{_named(end[0])}")
    return ",".join(parts)


def _named(key: Key) -> str:
    epoch, release, pre, post, dev = key
    text = f"{epoch}!" if epoch else ""
    text += ".".join(map(str, release if len(release) > 1 else (*release, 0)))
    if pre not in (_NO_PRE, _FINAL_PRE):
        text += f"{'ab'[pre[0]] if pre[0] < 2 else 'rc'}{pre[1]}"
    if post not in (_NO_POST, _LAST):
        text += f".post{post}"
    # Before all that is called by a release, its development versions included: below the release, people say.
    return text + (f".dev{dev}" if dev not in (_NO_DEV, _LAST) and (dev or pre != _NO_PRE) else "")


ALL = Versions(((_START, _END),))
NONE = Versions(())


def specified(text: str, *, conda: bool = False) -> Versions | None:
    """The versions that a specifier allows: ``>=2.1,<3``, ``~=1.4``, ``!=2.0.*``, ``^1.2 || ^2.0``; None where it is
    not understood.

    A version without an operator is the exact one and, as ``2.6`` or ``2.*``, all that begin so. ``=1.2`` and
    ``1.2.*|2.*`` are read as conda means them with ``conda``.
    """
    text = text.strip().strip("()").strip()
    if text in ("", "*", "any"):
        return ALL
    found = NONE
    for part in re.split(r"\|\|?", text):
        allowed = _conjunction(part, conda)
        if allowed is None:
            return None
        found |= allowed
    return found


def _conjunction(text: str, conda: bool) -> Versions | None:
    allowed = ALL
    position = 0
    stripped = text.strip().strip(",")
    if not stripped:
        return None
    while position < len(stripped):
        if stripped[position] in ", ":
            position += 1
            continue
        match = _CLAUSE.match(stripped, position)
        if match is None:
            return None
        clause = _clause(match.group(1) or "", match.group(2), conda)
        if clause is None:
            return None
        allowed &= clause
        position = match.end()
    return allowed


def _clause(operator: str, text: str, conda: bool) -> Versions | None:
    wildcard = text.endswith(".*") or (conda and text.endswith("*") and text != "*")
    if text == "*":
        return ALL if operator in ("", "=", "==") else None
    version = Version.parse(text.rstrip("*").rstrip(".") if wildcard else text)
    if version is None:
        return None
    last = len(version.release) - 1
    family = Versions(((_first(version.epoch, version.release), _bumped(version, last)),))
    exact = Versions(((version.before(), version.after()),))
    if wildcard:
        if operator in ("", "=", "=="):
            return family
        if operator == "!=":
            return ~family
        if operator == "~":
            return family
    if operator in ("==", "==="):
        return exact
    if operator == "" or operator == "=":
        from_it = Versions(((version.before(), family.spans[0][1]),))
        return exact if version.is_pre or version.post is not None else from_it
    if operator == "!=":
        return ~exact
    if operator == ">=":
        return Versions(((version.before(), _END),))
    if operator == "<=":
        return Versions(((_START, family.spans[0][1] if wildcard else version.after()),))
    if operator == "<":
        # The candidates of a release are not below it, unless a candidate is named.
        end = version.before() if version.is_pre or version.post is not None else _first(version.epoch, version.release)
        return Versions(((_START, end),))
    if operator == ">":
        # Nor are its post-releases above it, unless a post-release is named.
        if version.post is None and version.dev is None:
            behind: Key = (*version.key()[:3], _LAST, _LAST)
            return Versions((((behind, 1), _END),))
        return Versions(((version.after(), _END),))
    if operator == "~=":
        if last < 1:
            return None
        return Versions(((version.before(), _bumped(version, last - 1)),))
    if operator == "~":
        return Versions(((version.before(), _bumped(version, min(last, 1))),))
    if operator == "^":
        leading = next((i for i, number in enumerate(version.release) if number), last)
        return Versions(((version.before(), _bumped(version, leading)),))
    return None
