"""Path patterns with gitignore's meaning.

`pathspec` translates them. It takes 30 ms to import, so plain names and endings (``build/``, ``*.pyc``), which is what
most patterns are, are matched without it.

The same patterns serve ``exclude``, ``per-file-ignores``, ``test-paths`` and ``.gitignore`` files:

- a pattern without a slash, or with one at its end only, matches a name at any depth; any other is anchored at the root
- ``*`` and ``?`` stop at slashes, ``**`` does not; ``[a-z]`` and ``[!a-z]`` are character classes
- ``pattern/`` matches folders only; what matches a folder covers everything below it
- the last pattern that matches decides; ``!pattern`` takes back what an earlier one matched

A pattern that begins with ``//`` is anchored at the root of the file system (``anchored`` makes such ones).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

_SPECIAL = re.compile(r"[*?\[\\]")
_NAMED_GROUP = re.compile(r"\(\?P<\w+>")


def anchored(pattern: str, base: str, root: str) -> str:
    """A pattern written in folder `base`, as it has to be read from folder `root` (both absolute).

    Patterns that match names at any depth mean the same everywhere and stay as they are.
    """
    negation = "!" if pattern.startswith("!") else ""
    body = pattern[len(negation) :].replace(os.sep, "/") if os.sep != "/" else pattern[len(negation) :]
    if os.path.isabs(body) and body.startswith(slashed(base).rstrip("/") + "/"):
        body = body[len(slashed(base).rstrip("/")) :]
    if base == root or "/" not in body.rstrip("/"):
        return negation + body
    folder = re.sub(r"([*?\[\\])", r"\\\1", slashed(base)).strip("/")
    return f"{negation}//{folder}/{body.removeprefix('./').lstrip('/')}"


def slashed(path: str) -> str:
    """The path with forward slashes."""
    return path.replace(os.sep, "/") if os.sep != "/" else path


def relative(path: str, root: str) -> str:
    """The path as patterns read from `root` see it, with forward slashes.

    What lies outside the root is seen from the working directory, or by its absolute path if it is outside that too.
    """
    whole = os.path.abspath(path)
    for folder in (root, os.getcwd()):
        prefix = folder if folder.endswith(os.sep) else folder + os.sep
        if whole.startswith(prefix):
            return slashed(whole[len(prefix) :])
    return slashed(whole)


class Globs:
    """An ordered list of patterns, read from `root`."""

    __slots__ = ("_absolute", "_both", "_covered", "_folders", "_ordered", "_rules", "root")

    def __init__(self, patterns: Iterable[str], root: str = "") -> None:
        self.root = root
        self._rules = [rule for rule in map(_Rule.read, patterns) if rule is not None]
        self._absolute = any(rule.absolute for rule in self._rules)
        self._ordered = self._absolute or any(rule.negated for rule in self._rules)
        self._covered: dict[str, bool] = {}
        self._both: _Union | None = None
        self._folders: _Union | None = None
        if not self._ordered:  # the order is of no account then: all patterns are tried at once
            self._both = _Union(rule for rule in self._rules if not rule.folders)
            self._folders = _Union(rule for rule in self._rules if rule.folders)

    @classmethod
    def from_gitignore(cls, text: str, root: str = "") -> Globs:
        """The patterns of a ``.gitignore`` file."""
        lines = (line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n"))
        return cls((line for line in lines if not line.removeprefix("!").startswith(("//", "./"))), root)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def decide(self, path: str, folder: bool) -> bool | None:
        """Whether this very entry is matched.

        Args:
            path: Relative to the root, with forward slashes; the folders above the entry are not looked at.
            folder: Whether the entry is a folder.

        Returns:
            True if the last pattern that matches is a plain one, False if it is a negation, None if none matches.
        """
        if self._both is not None and self._folders is not None:
            return True if self._both.matches(path) or (folder and self._folders.matches(path)) else None
        whole = slashed(os.path.join(self.root, path)) if self._absolute else ""
        for rule in reversed(self._rules):
            if (folder or not rule.folders) and rule.matches(whole if rule.absolute else path):
                return not rule.negated
        return None

    def covers(self, path: str) -> bool:
        """Whether the file or one of the folders above it (up to the root) is matched, as git decides it: what lies
        in a matched folder cannot be taken back by a negation.
        """
        return bool(self._rules) and (self._covers_folder(path.rpartition("/")[0]) or bool(self.decide(path, False)))

    def _covers_folder(self, folder: str) -> bool:
        """Whether a folder or one above it is matched; most files lie where another one did."""
        if not folder:
            return False
        known = self._covered.get(folder)
        if known is None:
            above = self._covers_folder(folder.rpartition("/")[0])
            known = self._covered[folder] = above or bool(self.decide(folder, True))
        return known


class _Rule:
    """One pattern."""

    __slots__ = ("_compiled", "_pattern", "_regex", "absolute", "affixes", "folders", "name", "negated")

    def __init__(self, text: str, *, negated: bool, folders: bool, absolute: bool) -> None:
        self.negated, self.folders, self.absolute = negated, folders, absolute
        loose = "/" not in text
        self.name = text if loose and not _SPECIAL.search(text) else ""
        """The name that the pattern stands for, if it is a plain one at any depth."""
        before, star, after = text.partition("*")
        plain = loose and star and not _SPECIAL.search(before) and not _SPECIAL.search(after)
        self.affixes = (before, after) if plain else None
        """How the names begin and end that the pattern stands for, if it has one ``*``: ``test_*.py``, ``*.pyc``."""
        self._pattern = text + "/" if folders else text
        self._regex: str | None = None
        self._compiled: re.Pattern[str] | None = None

    @property
    def regex(self) -> str:
        """The regular expression, for paths in which folders end with a slash."""
        if self._regex is None:
            self._regex = _translate(self._pattern) or r"(?!)"
        return self._regex

    def matches(self, path: str) -> bool:
        """Whether the pattern matches this very path."""
        if self.name:
            return path == self.name or path.endswith("/" + self.name)
        if self.affixes is not None:
            return _has_affixes(path[path.rfind("/") + 1 :], self.affixes)
        if self._compiled is None:
            self._compiled = _compiled(self.regex)
        return self._compiled.search(path.lstrip("/") + "/" if self.folders else path.lstrip("/")) is not None

    @classmethod
    def read(cls, pattern: str) -> _Rule | None:
        """The rule of a line, None for blank lines and comments."""
        text = pattern
        while text.endswith(" ") and not text.endswith("\\ "):
            text = text[:-1]
        if text.startswith("#"):
            return None
        negated = text.startswith("!")
        text = text[negated:]
        absolute = text.startswith("//")
        text = text[1:] if absolute else text.removeprefix(".") if text.startswith("./") else text
        folders = text.endswith("/")
        text = text[:-1] if folders else text
        return cls(text, negated=negated, folders=folders, absolute=absolute) if text else None


class _Union:
    """Patterns of which it only counts whether one of them matches."""

    __slots__ = ("_affixes", "_names", "_others", "_regex")

    def __init__(self, rules: Iterable[_Rule]) -> None:
        rules = list(rules)
        self._names = frozenset(rule.name for rule in rules if rule.name)
        self._affixes = tuple(rule.affixes for rule in rules if rule.affixes is not None)
        self._others = [rule for rule in rules if not rule.name and rule.affixes is None]
        self._regex: re.Pattern[str] | None = None

    def matches(self, path: str) -> bool:
        """Whether one of the patterns matches this very path."""
        name = path[path.rfind("/") + 1 :]
        if name in self._names or any(_has_affixes(name, affixes) for affixes in self._affixes):
            return True
        if not self._others:
            return False
        if self._regex is None:
            self._regex = _compiled("|".join(f"(?:{rule.regex})" for rule in self._others))
        return self._regex.search(path + "/" if self._others[0].folders else path) is not None


def _has_affixes(name: str, affixes: tuple[str, str]) -> bool:
    before, after = affixes
    return len(name) >= len(before) + len(after) and name.startswith(before) and name.endswith(after)


def _translate(pattern: str) -> str | None:
    """The regular expression of a pattern without its negation; None if it is malformed and matches nothing."""
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    try:
        regex, _ = GitIgnoreSpecPattern.pattern_to_regex(pattern)
    except ValueError:
        return None
    if regex is None:
        return None
    expression = _NAMED_GROUP.sub("(?:", str(regex))
    # What `folder/**` matches lies in the folder; the folder itself is not matched.
    return expression + "." if pattern.endswith("/**") else expression


def _compiled(expression: str) -> re.Pattern[str]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # `[[` in a class, which `pathspec` passes on as it stands
        return re.compile(expression, re.DOTALL)
