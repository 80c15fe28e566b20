"""The file of a notebook: where the source of each cell stands in its JSON, and the same file with other sources.

What is not the source of a changed cell stays byte for byte: layout, order of keys, escapes, outputs, line ends. In a
changed cell, the lines that stay keep their spelling too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from mlint.finding import Location
from mlint.notebook.cell import Cell
from mlint.source import Source, SourceError

_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()
_OLDEST = 3
_ESCAPED_LETTER = re.compile(r"(?<!\\)(?:\\\\)*\\u(?!00[01])[0-9a-fA-F]{4}")
_SPELLED = re.compile(r'(?:[^"\\]|\\(?!n|u000[aA])(?:u[0-9a-fA-F]{4}|.))*(?:\\n|\\u000[aA])?', re.S)
_SURROGATE = re.compile("[\ud800-\udfff]")
# Kernels whose name does not say which language they are for, where nothing else in the file says it.
_OTHER_KERNELS = re.compile(
    r"(?:ir|irkernel|julia|bash|scala|almond|spylon|apache_toree_scala|javascript|typescript|deno|tslab|\.net|csharp|"
    r"fsharp|powershell|ruby|iruby|java|ijava|kotlin|gophernotes|rust|evcxr|octave|matlab|sas|stata|sagemath|xcpp|cling|"
    r"haskell|ihaskell|perl|lua|php|swift|clojure|sql|xsqlite|postgres|ansible|maxima|wolfram)"
)


class _Spelled(NamedTuple):
    """The source of a cell as it stands in the file: ``text[start:end]``; ``items`` are the strings of a list, with
    their quotes, or None where it is one string.
    """

    start: int
    end: int
    items: list[tuple[int, int]] | None


class Document:
    """A notebook's file.

    Attributes:
        text: the JSON as it stands in the file.
        cells: all cells, of every kind, in order.
        language: what its kernel speaks, in lower case; empty where nothing says it.
    """

    def __init__(self, text: str, bom: bool = False) -> None:
        self.text = text
        self.bom = bom
        self.cells: list[Cell] = []
        self._places: list[_Spelled | None] = []
        self._top: dict[str, Any] = {}
        self._escaped: bool | None = None
        self._read()
        self.language = self._language()

    @classmethod
    def from_bytes(cls, data: bytes, path: str) -> Document:
        """Read a notebook.

        Raises:
            SourceError: it is none; the message says why, the location where in the file.
        """
        bom = data.startswith(_BOM)
        try:
            text = data[3:].decode("utf-8") if bom else data.decode("utf-8")
        except UnicodeDecodeError as error:
            where = Source(data[: error.start].decode("utf-8", "replace"), path)
            raise NotebookError("is not UTF-8, as notebooks are", where.location(len(where.text))) from None
        try:
            return cls(text, bom)
        except json.JSONDecodeError as error:
            location = Source(text, path).location(min(error.pos, len(text)))
            raise NotebookError(f"its JSON is broken: {error.msg[0].lower()}{error.msg[1:]}", location) from None
        except RecursionError:
            raise NotebookError("its JSON is nested too deeply", Location(1, 1)) from None

    @property
    def is_python(self) -> bool:
        """Whether the cells are Python, as far as the file says."""
        return self.language in ("", "python", "python2", "python3", "ipython", "ipython3")

    def written(self, texts: Mapping[int, str]) -> str:
        """The JSON with other sources for some cells, by their number from 1."""
        parts: list[str] = []
        position = 0
        for number, text in sorted(texts.items()):
            place = self._places[number - 1]
            if place is None or text == self.cells[number - 1].text:
                continue
            parts += [self.text[position : place.start], self._spelled(place, text)]
            position = place.end
        parts.append(self.text[position:])
        return "".join(parts)

    def encoded(self, text: str) -> bytes:
        """The bytes of the file with this JSON."""
        data = text.encode("utf-8")
        return _BOM + data if self.bom else data

    # --- reading -----------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        text = self.text
        position = self._skip(0)
        if text[position : position + 1] != "{":
            _DECODER.raw_decode(text, position)  # broken JSON, if it is that, is what to be told first
            raise NotebookError("holds no JSON object", Location(1, 1))
        found: list[tuple[Any, dict[str, Any], _Spelled | None]] = []
        has_cells = False

        def worksheet(start: int) -> int:
            return self._object(start, {"cells": lambda at: self._cells(at, found)})

        def cells(start: int) -> int:
            nonlocal has_cells
            has_cells = True
            found.clear()
            return self._cells(start, found)

        def worksheets(start: int) -> int:
            nonlocal has_cells
            has_cells = True
            found.clear()
            return self._array(start, worksheet)

        position = self._object(position, {"cells": cells, "worksheets": worksheets}, self._top)
        position = self._skip(position)
        if position != len(text):
            raise json.JSONDecodeError("extra data", text, position)
        if not has_cells:
            raise NotebookError("it has no `cells`", Location(1, 1))
        version = self._top.get("nbformat")
        if isinstance(version, int) and version < _OLDEST:
            raise NotebookError(
                f"its format {version} is too old to be read; open it in Jupyter and save it", Location(1, 1)
            )
        for kind, values, place in found:
            self.cells.append(_cell(kind, values, self._decoded(place)))
            self._places.append(place)

    def _cells(self, start: int, found: list[tuple[Any, dict[str, Any], _Spelled | None]]) -> int:
        def cell(at: int) -> int:
            places: dict[str, _Spelled] = {}
            values: dict[str, Any] = {}

            def source(key: str) -> Any:
                def read(where: int) -> int:
                    places[key] = self._source(where)
                    return places[key].end

                return read

            end = self._object(at, {"source": source("source"), "input": source("input")}, values)
            found.append((values.get("cell_type"), values, places.get("source", places.get("input"))))
            return end

        return self._array(start, cell)

    def _source(self, start: int) -> _Spelled:
        text = self.text
        if text[start : start + 1] == '"':
            _, end = scanstring(text, start + 1)
            return _Spelled(start, end, None)
        if text[start : start + 1] == "[":
            items: list[tuple[int, int]] = []

            def item(at: int) -> int:
                if text[at : at + 1] != '"':
                    _DECODER.raw_decode(text, at)
                    raise NotebookError("the source of a cell is no list of strings", Source(text, "").location(at))
                _, end = scanstring(text, at + 1)
                items.append((at, end))
                return int(end)

            return _Spelled(start, self._array(start, item), items)
        _DECODER.raw_decode(text, start)
        raise NotebookError("the source of a cell is no text", Source(text, "").location(start))

    def _object(self, start: int, readers: Mapping[str, Any], values: dict[str, Any] | None = None) -> int:
        """Read an object; some keys by readers of their own, which return where their value ends."""
        text = self.text
        if text[start : start + 1] != "{":
            _DECODER.raw_decode(text, start)
            raise NotebookError("a cell or worksheet is no JSON object", Source(text, "").location(start))
        position = self._skip(start + 1)
        if text[position : position + 1] == "}":
            return position + 1
        while True:
            if text[position : position + 1] != '"':
                raise json.JSONDecodeError("expecting property name enclosed in double quotes", text, position)
            key, position = scanstring(text, position + 1)
            position = self._skip(position)
            if text[position : position + 1] != ":":
                raise json.JSONDecodeError("expecting ':' delimiter", text, position)
            position = self._skip(position + 1)
            reader = readers.get(key)
            if reader is not None:
                position = reader(position)
            else:
                value, position = _DECODER.raw_decode(text, position)
                if values is not None:
                    values[key] = value
            position = self._skip(position)
            sign = text[position : position + 1]
            if sign == "}":
                return position + 1
            if sign != ",":
                raise json.JSONDecodeError("expecting ',' delimiter", text, position)
            position = self._skip(position + 1)

    def _array(self, start: int, item: Any) -> int:
        text = self.text
        if text[start : start + 1] != "[":
            _DECODER.raw_decode(text, start)
            raise NotebookError("its cells are no list", Source(text, "").location(start))
        position = self._skip(start + 1)
        if text[position : position + 1] == "]":
            return position + 1
        while True:
            position = self._skip(item(position))
            sign = text[position : position + 1]
            if sign == "]":
                return position + 1
            if sign != ",":
                raise json.JSONDecodeError("expecting ',' delimiter", text, position)
            position = self._skip(position + 1)

    def _skip(self, position: int) -> int:
        match = _SPACE.match(self.text, position)
        return position if match is None else match.end()

    def _decoded(self, place: _Spelled | None) -> str:
        if place is None:
            return ""
        if place.items is None:
            return str(scanstring(self.text, place.start + 1)[0])
        return "".join(scanstring(self.text, start + 1)[0] for start, _ in place.items)

    def _language(self) -> str:
        metadata = self._top.get("metadata")
        if not isinstance(metadata, dict):
            return ""
        for table, key in (("language_info", "name"), ("kernelspec", "language"), ("kernel_info", "language")):
            inner = metadata.get(table)
            if isinstance(inner, dict) and isinstance(inner.get(key), str) and inner[key]:
                return str(inner[key]).lower()
        inner = metadata.get("kernelspec")
        name = inner.get("name") if isinstance(inner, dict) else None
        if isinstance(name, str):
            match = _OTHER_KERNELS.match(name.lower())
            if match is not None and not name[match.end() : match.end() + 1].isalpha():
                return match[0]
        return ""

    # --- writing -----------------------------------------------------------------------------------------------------

    def _spelled(self, place: _Spelled, text: str) -> str:
        """A new source in the way in which the old one is written."""
        raw = self.text[place.start : place.end]
        known: dict[str, str] = {}
        for start, end in [(place.start, place.end)] if place.items is None else place.items:
            for spelled in _SPELLED.findall(self.text[start + 1 : end - 1]):
                if spelled:
                    known.setdefault(scanstring(f'"{spelled}"', 1)[0], spelled)
        escape = self._escapes(raw)
        lines = [known.get(line) or _quoted(line, escape) for line in _split(text)]
        if place.items is None:
            return f'"{"".join(lines)}"'
        if not place.items:
            return "[" + ", ".join(f'"{line}"' for line in lines) + "]"
        first, last = place.items[0], place.items[-1]
        if first != last and first[1] < last[0] and self.text[last[0] : last[1]] == '""' and text.endswith("\n"):
            lines.append("")
        if not lines:
            return "[]"
        lead, tail = self.text[place.start + 1 : first[0]], self.text[last[1] : place.end - 1]
        if len(place.items) > 1:
            between = self.text[first[1] : place.items[1][0]]
        else:
            between = f",{lead}" if lead else ", "
        return "[" + lead + between.join(f'"{line}"' for line in lines) + tail + "]"

    def _escapes(self, raw: str) -> bool:
        """Whether letters beyond ASCII are written as escapes: in this cell, else in the file."""
        own = _escapes(raw)
        if own is not None:
            return own
        if self._escaped is None:
            self._escaped = bool(_escapes(self.text))
        return self._escaped


class NotebookError(SourceError):
    """A file that is no notebook."""

    def __init__(self, reason: str, location: Location) -> None:
        super().__init__(f"cannot be read as a notebook: {reason}", location)


def _cell(kind: Any, values: Mapping[str, Any], text: str) -> Cell:
    language = values.get("language")  # of format 3
    metadata = values.get("metadata")
    if isinstance(metadata, dict):
        vscode = metadata.get("vscode")
        if isinstance(vscode, dict) and isinstance(vscode.get("languageId"), str):
            language = vscode["languageId"]
    return Cell(text, str(kind), language.lower() if isinstance(language, str) else "python")


def _escapes(text: str) -> bool | None:
    """Whether letters beyond ASCII are escaped in a text; None where it has none."""
    if not text.isascii():
        return False
    return True if _ESCAPED_LETTER.search(text) is not None else None


def _split(text: str) -> list[str]:
    """The lines with their ends, as a notebook's list holds them."""
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _quoted(line: str, escape: bool) -> str:
    quoted = json.dumps(line, ensure_ascii=escape)[1:-1]
    if not escape:
        quoted = _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)
    return quoted
