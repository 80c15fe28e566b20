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


class Globs:
    """An ordered list of patterns, read from `root`."""

    __slots__ = ("_absolute", "_below", "_exact", "_names", "_negations", "_rules", "_text", "root")

    def __init__(self, patterns: Iterable[str], root: str = "") -> None:
        self.root = root
        self._text = tuple(patterns)
        self._rules: list[_Rule] = []
        names: set[str] = set()
        for pattern in self._text:
            rule = _Rule.read(pattern)
            if rule is not None:
                self._rules.append(rule)
        self._negations = any(rule.negated for rule in self._rules)
        self._absolute = any(rule.absolute for rule in self._rules)
        simple = not self._negations and not self._absolute
        if simple:  # order is of no account then: plain names in a set, everything else in one expression
            names = {rule.name for rule in self._rules if rule.name}
        self._names = frozenset(names)
        self._exact: dict[bool, re.Pattern[str] | None] | None = {} if simple else None
        self._below: re.Pattern[str] | None = None

    def __bool__(self) -> bool:
        return bool(self._rules)

    def decide(self, path: str, folder: bool) -> bool | None:
        """True if the last pattern that matches this very entry is a plain one, False if it is a negation, None if
        no pattern matches. `path` is relative to the root, with forward slashes; the folders above are not looked at.
        """
        if self._exact is not None:
            if self._names and path[path.rfind("/") + 1 :] in self._names:
                return True
            if folder not in self._exact:
                self._exact[folder] = _union(r.regex for r in self._rules if not r.name and (folder or not r.folders))
            expression = self._exact[folder]
            return True if expression is not None and expression.match(path) else None
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

    __slots__ = ("_compiled", "absolute", "folders", "name", "negated", "regex")

    def __init__(self, regex: str, *, name: str, negated: bool, folders: bool, absolute: bool) -> None:
        self.regex, self.name, self.negated, self.folders, self.absolute = regex, name, negated, folders, absolute
        self._compiled: re.Pattern[str] | None = None

    def matches(self, path: str) -> bool:
        """Whether the pattern matches this very path."""
        if self._compiled is None:
            self._compiled = re.compile(self.regex + r"\Z", re.DOTALL)
        return self._compiled.match(path) is not None

    @classmethod
    def read(cls, pattern: str) -> _Rule | None:
        """The rule of a line, None for blank lines, comments and patterns that can match nothing."""
        text = pattern.rstrip("\n\r")
        while text.endswith(" ") and not text.endswith("\\ "):
            text = text[:-1]
        if not text or text.startswith("#"):
            return None
        negated = text.startswith("!")
        text = text[negated:]
        absolute = text.startswith("//")
        text = text[1:] if absolute else text
        text = text.removeprefix("./")
        folders = text.endswith("/")
        text = text[:-1] if folders else text
        loose = "/" not in text
        text = text.removeprefix("/") if not absolute else text
        if not text:
            return None
        regex = _translate(text)
        if regex is None:
            return None
        plain = loose and not folders and not re.search(r"[*?\[\\]", text)
        regex = "(?:.*/)?" + regex if loose else regex
        return cls(regex, name=text if plain else "", negated=negated, folders=folders, absolute=absolute)


def _union(expressions: Iterable[str]) -> re.Pattern[str] | None:
    """One expression for all, None for none."""
    parts = list(expressions)
    return re.compile("(?:" + "|".join(parts) + r")\Z", re.DOTALL) if parts else None


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
            if stop - position == 2 and starts and ends:
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
            stop = text.find(":]", position)
            name = text[position + 2 : stop] if stop != -1 else ""
            if name not in _CLASSES:
                return None
            parts.append(_CLASSES[name])
            position = stop + 2
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
