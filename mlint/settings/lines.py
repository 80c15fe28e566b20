"""Where a key stands in a TOML file; the standard library's reader does not say. Read only when there is an error."""

from __future__ import annotations

import re

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRINGS = (
    re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:\\.|[^"\\\n])*"'),
    re.compile(r"'[^'\n]*'"),
)
_SCALAR = re.compile(r"[^,\]}#\r\n]*")


def line_of(text: str, path: tuple[str | int, ...]) -> int | None:
    """The line (from 1) of the key or list item at `path` in a valid TOML text.

    Falls back to the closest enclosing key that has a line of its own; None if there is none.
    """
    found = _Lines(text).positions()
    for size in range(len(path), 0, -1):
        if path[:size] in found:
            return text.count("\n", 0, found[path[:size]]) + 1
    return None


class _Lines:
    """One pass over a TOML text that is known to be valid."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.found: dict[tuple[str | int, ...], int] = {}

    def positions(self) -> dict[tuple[str | int, ...], int]:
        """The offset of every key and list item, by its path."""
        table: tuple[str | int, ...] = ()
        arrays: dict[tuple[str | int, ...], int] = {}
        self._skip(_BLANK)
        while self.at < len(self.text):
            start = self.at
            if self.text[start] == "[":
                double = self.text.startswith("[[", start)
                self.at += 2 if double else 1
                table = self._array_items(self._key(), arrays, new=double)
                self._mark(table, start)
                self.at += 2 if double else 1
            else:
                self._pair(table)
            if self.at == start:  # not valid TOML after all: better no line than no end
                break
            self._skip(_BLANK)
        return self.found

    @staticmethod
    def _array_items(
        key: tuple[str | int, ...], arrays: dict[tuple[str | int, ...], int], *, new: bool
    ) -> tuple[str | int, ...]:
        """A header's path with the indices of the arrays of tables that it goes through."""
        path: tuple[str | int, ...] = ()
        for position, part in enumerate(key):
            path = (*path, part)
            if new and position == len(key) - 1:
                arrays[path] = arrays.get(path, -1) + 1
            if path in arrays:
                path = (*path, arrays[path])
        return path

    def _mark(self, path: tuple[str | int, ...], offset: int) -> None:
        for size in range(1, len(path) + 1):
            self.found.setdefault(path[:size], offset)

    def _skip(self, expression: re.Pattern[str]) -> None:
        match = expression.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def _key(self) -> tuple[str | int, ...]:
        parts: list[str | int] = []
        while True:
            self._skip(_SPACE)
            string = self._string()
            if string is not None:
                parts.append(string)
            else:
                match = _BARE_KEY.match(self.text, self.at)
                if match is None:
                    return tuple(parts)
                parts.append(match.group())
                self.at = match.end()
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return tuple(parts)
            self.at += 1

    def _string(self) -> str | None:
        """The string that begins here, without its quotes; escapes are resolved only in keys that matter."""
        for expression in _STRINGS:
            match = expression.match(self.text, self.at)
            if match is not None:
                self.at = match.end()
                body = match.group()
                quotes = 3 if body.startswith(('"""', "'''")) and len(body) >= 6 else 1
                inner = body[quotes:-quotes]
                return re.sub(r'\\(["\\])', r"\1", inner) if body.startswith('"') else inner
        return None

    def _pair(self, table: tuple[str | int, ...]) -> None:
        start = self.at
        path = table + self._key()
        self._mark(path, start)
        self._skip(_SPACE)
        self.at += self.text.startswith("=", self.at)
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: tuple[str | int, ...]) -> None:
        opening = self.text[self.at : self.at + 1]
        if opening in ("[", "{"):
            self.at += 1
            index = 0
            while True:
                self._skip(_BLANK)
                start = self.at
                if self.text[start : start + 1] in ("]", "}", ""):
                    self.at += 1
                    return
                if opening == "[":
                    self._mark((*path, index), start)
                    self._value((*path, index))
                    index += 1
                else:
                    self._pair(path)
                self._skip(_BLANK)
                self.at += self.text.startswith(",", self.at)
                if self.at == start:
                    return
        elif self._string() is None:
            self._skip(_SCALAR)
