"""The tokens of a source with their offsets: comments, brackets, line breaks and indentation."""

from __future__ import annotations

import token
import tokenize
from bisect import bisect_left, bisect_right
from collections import Counter

from mlint.codemod.refused import Refused
from mlint.source import Source

_SKIPPED = frozenset((token.INDENT, token.DEDENT, token.ENDMARKER))
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")
# f-strings (3.12) and t-strings (3.14) come in pieces there, and as one STRING before.
_STRING_STARTS = {getattr(token, name) for name in ("FSTRING_START", "TSTRING_START") if hasattr(token, name)}
_STRING_ENDS = {getattr(token, name) for name in ("FSTRING_END", "TSTRING_END") if hasattr(token, name)}
_SPACE = frozenset((token.COMMENT, token.NL, token.NEWLINE))

_last: tuple[Source, Tokens] | None = None


class Tokens:
    """The tokens of one source, in parallel lists.

    Attributes:
        starts: offset of each token's first character.
        ends: offset behind its last.
        kinds: its type, of module ``token``.
        texts: its text.
        depths: how many brackets are open before it.
        strings: the spans of all string literals, f-strings as one.
        unit: what one level of indentation is in this file.
    """

    __slots__ = ("depths", "ends", "kinds", "source", "starts", "strings", "texts", "unit")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.kinds: list[int] = []
        self.texts: list[str] = []
        self.depths: list[int] = []
        self.strings: list[tuple[int, int]] = []
        self.unit = "    "
        self._read()

    def _read(self) -> None:
        source = self.source
        rows = [*source.line_starts, len(source.text)]
        numbers = iter(range(1, len(rows)))

        def readline() -> str:
            for number in numbers:
                line = source.text[rows[number - 1] : rows[number]]
                # A lone carriage return ends a line for Python's parser but not for this module.
                return line[:-1] + "\n" if line.endswith("\r") else line
            return ""

        depth = 0
        nested: list[int] = []
        indents = [""]
        units: Counter[str] = Counter()
        try:
            for kind, text, (row, column), (end_row, end_column), _ in tokenize.generate_tokens(readline):
                if kind == token.INDENT:
                    if text.startswith(indents[-1]):
                        units[text[len(indents[-1]) :].replace("\f", "")] += 1
                    indents.append(text)
                if kind == token.DEDENT:
                    indents.pop()
                if kind in _SKIPPED:
                    continue
                start, end = rows[row - 1] + column, rows[end_row - 1] + end_column
                if kind == token.OP and text in _CLOSE:
                    depth -= 1
                self.starts.append(start)
                self.ends.append(end)
                self.kinds.append(kind)
                self.texts.append(text)
                self.depths.append(depth)
                if kind == token.OP and text in _OPEN:
                    depth += 1
                elif kind == token.STRING:
                    if not nested:
                        self.strings.append((start, end))
                elif kind in _STRING_STARTS:
                    nested.append(start)
                elif kind in _STRING_ENDS:
                    first = nested.pop()
                    if not nested:
                        self.strings.append((first, end))
        except (tokenize.TokenError, SyntaxError, IndexError) as error:
            raise Refused(f"the file cannot be split into tokens: {error}") from None
        if units:
            self.unit = units.most_common(1)[0][0]

    def at(self, offset: int) -> int:
        """The index of the first token that starts at ``offset`` or behind it."""
        return bisect_left(self.starts, offset)

    def depth(self, offset: int) -> int:
        """How many brackets are open at an offset at which a token starts."""
        index = self.at(offset)
        return self.depths[index] if index < len(self.depths) else 0

    def comments(self, start: int, end: int) -> list[tuple[int, str]]:
        """The comments that start in a span, with their offsets."""
        found = []
        for index in range(self.at(start), len(self.starts)):
            if self.starts[index] >= end:
                break
            if self.kinds[index] == token.COMMENT:
                found.append((self.starts[index], self.texts[index]))
        return found

    def before(self, offset: int, *, comments: bool = False) -> int | None:
        """The index of the last token that ends at ``offset`` or before it; line breaks and comments are skipped.

        Args:
            offset: where to look.
            comments: do not skip anything.
        """
        index = bisect_right(self.ends, offset) - 1
        while index >= 0 and not comments and self.kinds[index] in _SPACE:
            index -= 1
        return index if index >= 0 else None

    def after(self, offset: int, *, breaks: bool = False) -> int | None:
        """The index of the first token that starts at ``offset`` or behind it; line breaks and comments are skipped.

        Args:
            offset: where to look.
            breaks: do not skip the end of a statement's line, nor the comment before it.
        """
        index = self.at(offset)
        while index < len(self.kinds) and self.kinds[index] in _SPACE and not breaks:
            index += 1
        return index if index < len(self.kinds) else None

    def inside_string(self, offset: int) -> bool:
        """Whether a character at an offset belongs to a string literal and is not its first."""
        index = bisect_left(self.strings, (offset, -1)) - 1
        return index >= 0 and self.strings[index][0] < offset < self.strings[index][1]

    def outer(self, start: int, end: int, limit: int = 0) -> tuple[int, int]:
        """A span extended over the redundant parentheses around it.

        Args:
            start: where an expression starts.
            end: where it ends.
            limit: how many brackets are open where the expression's own redundant ones start.
        """
        while True:
            left, right = self.before(start), self.after(end)
            if left is None or right is None or self.texts[left] != "(" or self.texts[right] != ")":
                return start, end
            if self.depths[left] < limit:
                return start, end
            start, end = self.starts[left], self.ends[right]


def of(source: Source) -> Tokens:
    """The tokens of a source; those of the source asked for last are remembered, since fixes come file by file.

    Raises:
        Refused: the source cannot be split into tokens.
    """
    global _last  # noqa: PLW0603
    last = _last
    if last is not None and last[0] is source:
        return last[1]
    tokens = Tokens(source)
    _last = (source, tokens)
    return tokens


def is_suppression(comment: str) -> bool:
    """Whether a comment silences a linter at the place where it stands."""
    lowered = comment.lower()
    return "noqa" in lowered or "mlint:" in lowered


def refuse_lost(source: Source, start: int, end: int, kept: list[tuple[int, int]]) -> None:
    """Refuse a rewrite of a span that loses one of its comments or moves a suppression.

    Args:
        source: the source.
        start: where the span starts.
        end: where it ends.
        kept: the spans in it whose text comes back.
    """
    if "#" not in source.text[start:end]:
        return
    for offset, comment in of(source).comments(start, end):
        if is_suppression(comment):
            raise Refused("a suppression comment stands inside")
        if not any(first <= offset < last for first, last in kept):
            raise Refused("a comment would be lost")
