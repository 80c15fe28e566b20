"""One file: its bytes as text and back, its lines, its offsets, its edits and how it is written.

Everything that counts characters counts them in :attr:`Source.text`, where newlines stand exactly as in the file and
the byte order mark is left out. Lines end where CPython's tokenizer ends them: at ``\\n``, ``\\r\\n`` and a lone
``\\r``, not at form feeds or at U+2028.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

from mlint.finding import Edit, Location

_BOM = b"\xef\xbb\xbf"
_FIRST_TWO_LINES = re.compile(rb"([^\r\n]*)(?:\r\n?|\n)?([^\r\n]*)")
# PEP 263: the comment that names the encoding, and the lines that may stand above it.
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK = re.compile(rb"^[ \t\f]*(?:#.*)?$")
_LINE_END = re.compile(r"\r\n?|\n")
_NOT_UTF8 = "save it as UTF-8, or name its encoding in a comment on line 1 such as `# coding: latin-1`"


class SourceError(Exception):
    """A file that cannot be read as Python: unreadable bytes, or text that does not parse.

    Attributes:
        message: what is wrong, one line, for people.
        location: where, or None where no place can be named.
    """

    def __init__(self, message: str, location: Location | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.location = location


class Source:
    """The text of one file.

    Attributes:
        path: the file's path as shown to the user.
        text: the decoded text, newlines as in the file, no byte order mark.
        encoding: the encoding that the text was decoded with and is written in.
        bom: whether the file starts with a UTF-8 byte order mark.
    """

    __slots__ = ("_ascii", "_bytes", "_exact", "_held", "_line_starts", "_newline", "bom", "encoding", "path", "text")

    is_notebook = False
    """Whether the text is that of the cells of a notebook."""

    def __init__(self, text: str, path: str, *, encoding: str = "utf-8", bom: bool = False) -> None:
        self.path = path
        self.text = text
        self.encoding = encoding
        self.bom = bom
        self._ascii = text.isascii()
        self._line_starts: list[int] | None = None
        self._held: dict[tuple[str, ...], bool] = {}
        self._newline: str | None = None
        # For encodings in which one text has several spellings in bytes (utf-7, iso-2022-jp): the bytes as read, and
        # the fact that writing an edited text could change bytes far from the edit.
        self._exact = True
        self._bytes: bytes | None = None

    def __repr__(self) -> str:
        return f"Source({self.path!r}, {len(self.text)} characters)"

    @classmethod
    def read(cls, path: str) -> Source:
        """Read a file.

        Raises:
            OSError: the file cannot be opened or read.
            SourceError: its bytes are not text in the encoding that it names.
        """
        with open(path, "rb") as file:
            return cls.from_bytes(file.read(), path)

    @classmethod
    def from_bytes(cls, data: bytes, path: str) -> Source:
        """Decode ``data`` as Python does: the byte order mark, the encoding comment of PEP 263, else UTF-8.

        Raises:
            SourceError: an unknown encoding, or bytes that are not text in it.
        """
        bom = data.startswith(_BOM)
        if bom:
            data = data[3:]
        cookie, line = _cookie(data)
        encoding = cookie or "utf-8"
        if bom and encoding != "utf-8":
            raise SourceError(
                f"starts with a UTF-8 byte order mark but says that its encoding is {encoding}; remove one of the two",
                Location(line, 1),
            )
        try:
            text = data.decode(encoding)
        except LookupError:
            raise SourceError(f"unknown encoding {encoding!r}; name one that Python knows", Location(line, 1)) from None
        except UnicodeError as error:
            raise _undecodable(data, encoding, error, path) from None
        source = cls(text, path, encoding=encoding, bom=bom)
        if encoding != "utf-8":
            try:
                source._exact = text.encode(encoding) == data
            except UnicodeError:
                source._exact = False
            if not source._exact:
                source._bytes = data
        return source

    @property
    def newline(self) -> str:
        """The line end that most lines have: ``\\n``, ``\\r\\n`` or ``\\r``; ``\\n`` for a text of one line."""
        if self._newline is None:
            text = self.text
            if "\r" not in text:
                self._newline = "\n"
            else:
                pairs = text.count("\r\n")
                counts = {"\n": text.count("\n") - pairs, "\r\n": pairs, "\r": text.count("\r") - pairs}
                self._newline = max(counts, key=lambda end: counts[end])
        return self._newline

    @property
    def line_starts(self) -> list[int]:
        """The offset of the first character of each line; there is always a first line."""
        if self._line_starts is None:
            text = self.text
            if "\r" in text:
                self._line_starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
            else:
                lengths = [0, *(len(line) + 1 for line in text.split("\n"))]
                lengths.pop()
                self._line_starts = list(accumulate(lengths))
        return self._line_starts

    def holds(self, texts: tuple[str, ...]) -> bool:
        """Whether one of some texts stands in the file; it is searched once for all who ask."""
        found = self._held.get(texts)
        if found is None:
            found = self._held[texts] = any(text in self.text for text in texts)
        return found

    def part(self, offset: int) -> int:
        """The number of the part in which a character stands: the cell of a notebook; else there is one only."""
        return 0

    def ends_part(self, offset: int) -> bool:
        """Whether nothing but blanks and comments follows in the cell of a notebook; never elsewhere."""
        return False

    @property
    def errors(self) -> Sequence[SourceError]:
        """Parts that do not parse, where the others can be read without them: cells of a notebook."""
        return ()

    def shown_at(self, location: Location) -> str:
        """A place for people, to be put behind the path; in a notebook with the cell that it counts from."""
        return f"{location.line}:{location.column}"

    def named_line(self, line: int) -> str:
        """A line for people; in a notebook with its cell."""
        return f"line {line}"

    def line(self, number: int) -> str:
        """The text of a line, counted from 1, without its line end.

        Raises:
            IndexError: there is no such line.
        """
        starts = self.line_starts
        if not 1 <= number <= len(starts):
            raise IndexError(f"{self.path} has {len(starts)} lines, no line {number}")
        if number == len(starts):
            return self.text[starts[number - 1] :]
        line = self.text[starts[number - 1] : starts[number]]
        if line.endswith("\r\n"):
            return line[:-2]
        return line[:-1]

    def offset(self, line: int, utf8_column: int) -> int:
        """The offset of a position of an ``ast`` node: line from 1, column in bytes of UTF-8 from 0."""
        starts = self.line_starts
        start = starts[line - 1]
        if self._ascii:
            return start + utf8_column
        end = start + utf8_column
        if self.text[start:end].isascii():
            return end
        # A column of n bytes lies within the first n characters.
        return start + len(
            self.text[start:end].encode("utf-8", "surrogatepass")[:utf8_column].decode("utf-8", "replace")
        )

    def location(self, offset: int) -> Location:
        """The line and the column, both from 1, columns in characters, of an offset."""
        starts = self.line_starts
        line = bisect_right(starts, offset)
        return Location(line, offset - starts[line - 1] + 1)

    def parse(self) -> ast.Module:
        """The syntax tree of the text.

        Raises:
            SourceError: the text is not Python that this interpreter can parse.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(self.text, self.path)
        except SyntaxError as error:
            if "\0" in self.text:
                raise self._null_byte() from None
            raise SourceError(error.msg, self._error_location(error)) from None
        except ValueError as error:
            if "\0" in self.text:
                raise self._null_byte() from None
            raise SourceError(f"cannot be parsed: {error}", Location(1, 1)) from None
        except (RecursionError, MemoryError):
            raise SourceError(
                "is nested too deeply for Python's parser; split the expression", Location(1, 1)
            ) from None

    def span(self, node: ast.AST) -> tuple[int, int]:
        """The offsets of the first character of a node and of the one after its last.

        Decorators do not belong to the span of a function or class, as in ``ast``.

        Raises:
            ValueError: a node without a position (``ast.arguments``, operators, contexts).
        """
        try:
            return (
                self.offset(node.lineno, node.col_offset),  # type: ignore[attr-defined]
                self.offset(node.end_lineno, node.end_col_offset),  # type: ignore[attr-defined]
            )
        except AttributeError:
            raise ValueError(f"a node of type {type(node).__name__} has no position") from None

    def segment(self, node: ast.AST) -> str:
        """The text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def apply(self, edits: Iterable[Edit]) -> Source:
        """The source after ``edits``, which are sorted and disjoint; they may touch.

        Raises:
            ValueError: edits out of order, overlapping, or outside of the text.
        """
        text = self.text
        parts: list[str] = []
        position = 0
        for edit in edits:
            if not position <= edit.start <= edit.end <= len(text):
                raise ValueError(f"edits of {self.path} overlap or are out of order at offset {edit.start}")
            parts.append(text[position : edit.start])
            parts.append(edit.content)
            position = edit.end
        parts.append(text[position:])
        changed = "".join(parts)
        source = Source(changed, self.path, encoding=self.encoding, bom=self.bom)
        source._exact = self._exact
        if changed == text:
            source._bytes = self._bytes
        return source

    def encode(self) -> bytes:
        """The bytes of the file.

        Raises:
            SourceError: the text has a character that the encoding lacks, or the encoding cannot be written back
                without changing bytes that nobody asked to change.
        """
        if self._bytes is not None:
            return self._bytes
        if not self._exact:
            raise SourceError(
                f"is in {self.encoding}, which cannot be written back byte for byte; save it as UTF-8 to have it fixed",
                Location(1, 1),
            )
        try:
            data = self.text.encode(self.encoding)
        except UnicodeEncodeError as error:
            raise SourceError(
                f"{self.text[error.start]!r} cannot be written in {self.encoding}; save the file as UTF-8",
                self.location(error.start),
            ) from None
        return _BOM + data if self.bom else data

    def write(self, path: str | None = None) -> None:
        """Write the file in one step, so that a reader sees the old bytes or the new ones and nothing between.

        A symbolic link stays and its target is replaced; mode bits are kept.

        Args:
            path: where to; :attr:`path` by default.

        Raises:
            OSError: the file or its folder cannot be written; the file is then as it was.
            SourceError: see :meth:`encode`.
        """
        data = self.encode()
        target = os.path.realpath(self.path if path is None else path)
        try:
            mode: int | None = os.stat(target).st_mode & 0o7777
        except FileNotFoundError:
            mode = None
        # Replacing needs write access to the folder only; a file that is marked read-only is not ours to change.
        if mode is not None and not os.access(target, os.W_OK):
            raise PermissionError(13, "the file is read-only", target)
        folder, name = os.path.split(target)
        temporary = os.path.join(folder, f".{name[:100]}.{os.getpid()}.mlint")
        descriptor = os.open(
            temporary,
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0),
            0o666 if mode is None else 0o600,
        )
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
            if mode is not None:
                os.chmod(temporary, mode)
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise

    def _null_byte(self) -> SourceError:
        return SourceError(
            "contains a null byte, so it is no Python source; is it a binary file?",
            self.location(self.text.index("\0")),
        )

    def _error_location(self, error: SyntaxError) -> Location:
        """The place of a syntax error, moved into the text where Python names one behind its end."""
        starts = self.line_starts
        line = min(max(error.lineno or 1, 1), len(starts))
        column = min(max(error.offset or 1, 1), len(self.line(line)) + 1)
        return Location(line, column)


def _cookie(data: bytes) -> tuple[str | None, int]:
    """The encoding that a comment on one of the first two lines names, normalised, and the line it stands on."""
    match = _FIRST_TWO_LINES.match(data)
    if match is None or b"coding" not in match[0]:
        return None, 1
    found = _COOKIE.match(match[1])
    line = 1
    if found is None and _BLANK.match(match[1]):
        found = _COOKIE.match(match[2])
        line = 2
    if found is None:
        return None, 1
    name = found[1].decode("ascii", "replace")
    # As CPython does: the many spellings of the two common ones, with the editor's suffixes (utf-8-unix).
    short = name[:12].lower().replace("_", "-")
    if short == "utf8" or short == "utf-8" or short.startswith("utf-8-"):
        return "utf-8", line
    if short in ("latin-1", "iso-8859-1", "iso-latin-1") or short.startswith(
        ("latin-1-", "iso-8859-1-", "iso-latin-1-")
    ):
        return "iso-8859-1", line
    return name, line


def _undecodable(data: bytes, encoding: str, error: UnicodeError, path: str) -> SourceError:
    """The error for bytes that are not text in ``encoding``, at the first such byte."""
    if encoding == "utf-8" and data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return SourceError("is UTF-16, which Python cannot read; save it as UTF-8", Location(1, 1))
    start = getattr(error, "start", 0)
    where = Source(data[:start].decode(encoding, "replace"), path)
    place = where.location(len(where.text))
    name = "UTF-8" if encoding == "utf-8" else encoding
    byte = f"byte 0x{data[start]:02x}" if start < len(data) else "a byte"
    return SourceError(f"{byte} is not {name}; {_NOT_UTF8}", place)
