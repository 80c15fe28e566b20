"""Path patterns with gitignore's meaning, without an import that the start-up path would feel.

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

_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "digit": "0-9",
    "lower": "a-z",
    "space": "\\s",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
    "punct": r"!-/:-@\[-`{-~",
}


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

    __slots__ = ("_absolute", "_both", "_folders", "_ordered", "_rules", "root")

    def __init__(self, patterns: Iterable[str], root: str = "") -> None:
        self.root = root
        self._rules = [rule for rule in map(_Rule.read, patterns) if rule is not None]
        self._absolute = any(rule.absolute for rule in self._rules)
        self._ordered = self._absolute or any(rule.negated for rule in self._rules)
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
        if not self._rules:
            return False
        start = path.find("/", 1)
        while start != -1:
            if self.decide(path[:start], True):
                return True
            start = path.find("/", start + 1)
        return bool(self.decide(path, False))


class _Rule:
    """One pattern."""

    __slots__ = ("_compiled", "absolute", "folders", "name", "negated", "regex", "suffix")

    def __init__(self, body: str, *, loose: bool, negated: bool, folders: bool, absolute: bool, regex: str) -> None:
        self.negated, self.folders, self.absolute = negated, folders, absolute
        self.name = body if loose and not _SPECIAL.search(body) else ""
        """The name that the pattern stands for, if it is a plain one at any depth."""
        self.suffix = body[1:] if loose and body[0] == "*" and not _SPECIAL.search(body, 1) else ""
        """The end of the names that the pattern stands for, if it is ``*`` and an end; so is most of a .gitignore."""
        self.regex = ("(?:.*/)?" if loose else "") + regex
        self._compiled: re.Pattern[str] | None = None

    def matches(self, path: str) -> bool:
        """Whether the pattern matches this very path."""
        if self.name:
            return path == self.name or path.endswith("/" + self.name)
        if self.suffix:
            return path.endswith(self.suffix)
        if self._compiled is None:
            self._compiled = re.compile(self.regex + r"\Z", re.DOTALL)
        return self._compiled.match(path) is not None

    @classmethod
    def read(cls, pattern: str) -> _Rule | None:
        """The rule of a line, None for blank lines, comments and patterns that can match nothing."""
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
        loose = "/" not in text
        text = text if absolute else text.removeprefix("/")
        regex = _translate(text)
        if not text or regex is None:
            return None
        return cls(text, loose=loose, negated=negated, folders=folders, absolute=absolute, regex=regex)


class _Union:
    """Patterns of which it only counts whether one of them matches."""

    __slots__ = ("_expressions", "_names", "_regex", "_suffixes")

    def __init__(self, rules: Iterable[_Rule]) -> None:
        rules = list(rules)
        self._names = frozenset(rule.name for rule in rules if rule.name)
        self._suffixes = tuple(rule.suffix for rule in rules if rule.suffix)
        self._expressions = [rule.regex for rule in rules if not rule.name and not rule.suffix]
        self._regex: re.Pattern[str] | None = None

    def matches(self, path: str) -> bool:
        """Whether one of the patterns matches this very path."""
        if self._names and path[path.rfind("/") + 1 :] in self._names:
            return True
        if self._suffixes and path.endswith(self._suffixes):
            return True
        if not self._expressions:
            return False
        if self._regex is None:
            self._regex = re.compile("(?:" + "|".join(self._expressions) + r")\Z", re.DOTALL)
        return self._regex.match(path) is not None


def _translate(text: str) -> str | None:
    """The regular expression of a pattern's body; None if the pattern is malformed and matches nothing, as for git."""
    parts: list[str] = []
    position, size = 0, len(text)
    while position < size:
        character = text[position]
        if character == "*":
            stop = position
            while stop < size and text[stop] == "*":
                stop += 1
            starts, ends = position == 0 or text[position - 1] == "/", stop == size or text[stop] == "/"
            if stop - position >= 2 and starts and ends:
                if stop == size:
                    parts.append(".+")
                else:
                    parts.append("(?:.*/)?")
                    stop += 1
            else:
                parts.append("[^/]*")
            position = stop
        elif character == "?":
            parts.append("[^/]")
            position += 1
        elif character == "[":
            found = _character_class(text, position)
            if found is None:
                return None
            parts.append(found[0])
            position = found[1]
        elif character == "\\":
            if position + 1 == size:
                return None
            parts.append(re.escape(text[position + 1]))
            position += 2
        else:
            parts.append(re.escape(character))
            position += 1
    return "".join(parts)


def _character_class(text: str, start: int) -> tuple[str, int] | None:
    """The class that opens at `start` and the position after it; None if it does not close or names no class."""
    position = start + 1
    negated = text[position : position + 1] in ("!", "^")
    position += negated
    parts: list[str] = []
    first = True
    while position < len(text):
        character = text[position]
        if character == "]" and not first:
            body = "".join(parts) or None
            if body is None:
                return ("[^/]" if negated else "(?!)"), position + 1
            return (f"(?!/)[^{body}]" if negated else f"(?!/)[{body}]"), position + 1
        first = False
        if text.startswith("[:", position):
            stop = text.find("]", position + 2)
            if stop == -1:
                return None
            if stop > position + 2 and text[stop - 1] == ":":
                name = text[position + 2 : stop - 1]
                if name not in _CLASSES:
                    return None
                parts.append(_CLASSES[name])
                position = stop + 1
                continue
        if character == "\\":
            position += 1
            if position == len(text):
                return None
            character = text[position]
        position += 1
        if text[position : position + 1] == "-" and text[position + 1 : position + 2] not in ("]", ""):
            last = text[position + 1]
            position += 2
            if last == "\\":
                if position == len(text):
                    return None
                last = text[position]
                position += 1
            if character <= last:
                parts.append(f"{re.escape(character)}-{re.escape(last)}")
        else:
            parts.append(re.escape(character))
    return None
