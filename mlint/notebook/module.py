"""The cells of a notebook as one module, in order, with the way back from the module to the cells.

The module is a :class:`mlint.source.Source` like any other. Each cell of Python stands in it with every character in
the line and the column of the cell; between two cells lies an empty line that belongs to neither, and sometimes a line
that stands for what is not known. An edit of the module is one of cells, and only if every cell still reads as before.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from mlint.finding import Edit, Finding, Location
from mlint.notebook.cell import Cell
from mlint.notebook.document import Document
from mlint.notebook.magics import UNKNOWN, Masked, blank, masked, without_automagic
from mlint.source import Source, SourceError

_BETWEEN = "\n\n"
_REST = re.compile(r"(?:\s|#[^\r\n]*)*")
_INDENTED = "if 1:\n"
"""What stands above a cell that is indented as a whole, which IPython allows."""


class Prepared(NamedTuple):
    """A cell as it stands in the module.

    Attributes:
        raw: its source.
        text: its source as Python reads it, equally long.
        header: what stands above it in the module and is no part of it.
        hidden: the parts of the source that are hidden, starts and ends.
        shown: whether the cell stands in the module at all.
        error: why it does not parse, in its own lines; its text is blank then.
    """

    raw: str
    text: str
    header: str
    hidden: tuple[tuple[int, int], ...]
    shown: bool
    error: SourceError | None = None


class Placed(NamedTuple):
    """Where a cell stands in the module: ``text[start:end]``, from the line ``line``."""

    number: int
    start: int
    end: int
    line: int
    prepared: Prepared


def module_of(
    cells: Sequence[Cell], path: str, *, document: Document | None = None, known: Mapping[int, Prepared] | None = None
) -> NotebookSource:
    """The module of some cells, which are counted from 1 whatever they are.

    Args:
        cells: all cells of the notebook, in order.
        path: the path to show.
        document: the file that they come from, if they come from one.
        known: cells, by number, that have been prepared before.
    """
    ready: dict[int, Prepared] = {}
    for number, cell in enumerate(cells, 1):
        if cell.is_python:
            found = None if known is None else known.get(number)
            ready[number] = found if found is not None and found.raw == cell.text else prepared(cell.text)
    return NotebookSource(ready, path, document)


def prepared(text: str) -> Prepared:
    """Make a cell readable, or blank where it cannot be."""
    reading = masked(text)
    if reading.opaque:
        return Prepared(text, reading.text, reading.stands_for, reading.spans, False)
    error = _error(reading.text)
    if error is None:
        return Prepared(text, reading.text, "", reading.spans, True)
    other: Masked = without_automagic(text)
    if other.text != reading.text and _error(other.text) is None:
        return Prepared(text, other.text, "", other.spans, True)
    if other.text[:1] in (" ", "\t") and _error(_INDENTED + other.text) is None:
        return Prepared(text, other.text, _INDENTED, other.spans, True)
    return Prepared(text, blank(text), UNKNOWN, ((0, len(text)),), True, error)


def _error(text: str) -> SourceError | None:
    try:
        Source(text, "").parse()
    except SourceError as error:
        return error
    return None


class NotebookSource(Source):
    """A notebook as one module.

    Attributes:
        document: the file, or None for cells that an editor has.
        placed: the cells that stand in the module, in order.
    """

    __slots__ = ("_errors", "_prepared", "_starts", "document", "placed")

    is_notebook = True

    def __init__(self, cells: Mapping[int, Prepared], path: str, document: Document | None) -> None:
        parts: list[str] = []
        self.placed: list[Placed] = []
        self._errors: list[SourceError] = []
        position, line = 0, 1
        for number, cell in cells.items():
            parts.append(cell.header)
            position += len(cell.header)
            line += cell.header.count("\n")
            if not cell.shown:
                continue
            # A line end of its own after a carriage return, of which the two would make one.
            between = f" {_BETWEEN}" if cell.text.endswith("\r") else _BETWEEN
            parts += [cell.text, between]
            self.placed.append(Placed(number, position, position + len(cell.text), line, cell))
            if cell.error is not None:
                at = cell.error.location or Location(1, 1)
                self._errors.append(SourceError(cell.error.message, Location(line + at.line - 1, at.column)))
            position += len(cell.text) + len(between)
            line += len(Source(cell.text, path).line_starts) - 1 + len(_BETWEEN)
        super().__init__("".join(parts), path, bom=document is not None and document.bom)
        self.document = document
        self._prepared = dict(cells)
        self._starts = [place.start for place in self.placed]

    @property
    def errors(self) -> Sequence[SourceError]:
        """The cells that do not parse, with places in the module."""
        return self._errors

    # --- from the module to the cells and back -----------------------------------------------------------------------

    def cell_at(self, offset: int) -> Placed | None:
        """The cell in which a character of the module stands, its end included; None between cells."""
        index = bisect_right(self._starts, offset) - 1
        if index < 0 or offset > self.placed[index].end:
            return None
        return self.placed[index]

    def cell(self, number: int) -> Placed:
        """A cell by its number.

        Raises:
            KeyError: there is no such cell in the module.
        """
        for place in self.placed:
            if place.number == number:
                return place
        raise KeyError(number)

    def in_cell(self, location: Location) -> tuple[int, Location] | None:
        """The cell of a place in the module, and the place in that cell; None between cells."""
        index = bisect_right(self.placed, location.line, key=lambda place: place.line) - 1
        if index < 0:
            return None
        place = self.placed[index]
        start = self.line_starts[location.line - 1] if location.line <= len(self.line_starts) else len(self.text)
        if start > place.end:
            return None
        return place.number, Location(location.line - place.line + 1, location.column)

    def in_module(self, number: int, location: Location) -> Location:
        """The place in the module of a place in a cell.

        Raises:
            KeyError: there is no such cell in the module.
        """
        return Location(self.cell(number).line + location.line - 1, location.column)

    def cell_edits(self, edits: Iterable[Edit]) -> dict[int, list[Edit]] | None:
        """Edits of the module as edits of cells, offsets counted in each cell's source; None where there is no way."""
        fitted = self.fitted(edits)
        if fitted is None:
            return None
        found: dict[int, list[Edit]] = {}
        for edit in fitted:
            place = self.cell_at(edit.start)
            assert place is not None, "fitted edits lie in cells"
            found.setdefault(place.number, []).append(
                Edit(edit.start - place.start, edit.end - place.start, edit.content)
            )
        return found

    def is_hidden(self, offset: int) -> bool:
        """Whether a character of the module stands for something else in its cell, or for no cell."""
        place = self.cell_at(offset)
        if place is None:
            return True
        return any(start <= offset - place.start < end for start, end in place.prepared.hidden)

    def part(self, offset: int) -> int:
        """The number of the cell in which a character stands; 0 between cells."""
        place = self.cell_at(offset)
        return 0 if place is None else place.number

    def ends_part(self, offset: int) -> bool:
        """Whether nothing but blanks and comments follows in the cell: IPython shows the value of what ends there."""
        place = self.cell_at(offset)
        return place is not None and _REST.fullmatch(self.text, offset, place.end) is not None

    def shown_at(self, location: Location) -> str:
        """A place for people: ``cell 3:2:6``."""
        found = self.in_cell(location)
        if found is None:
            return f"{location.line}:{location.column}"
        return f"cell {found[0]}:{found[1].line}:{found[1].column}"

    def named_line(self, line: int) -> str:
        """A line for people: ``line 2 of cell 3``."""
        found = self.in_cell(Location(line, 1))
        return f"line {line}" if found is None else f"line {found[1].line} of cell {found[0]}"

    # --- edits -------------------------------------------------------------------------------------------------------

    def fitted(self, edits: Iterable[Edit]) -> tuple[Edit, ...] | None:
        """The edits, each within one cell, if every cell reads afterwards as the edited module says.

        What an edit does to the lines between two cells is left out.
        """
        found: list[Edit] = []
        for edit in edits:
            inside = self._inside(edit)
            if inside is None:
                return None
            found.append(inside)
        found.sort(key=lambda edit: (edit.start, edit.end))
        return None if self._edited(found) is None else tuple(found)

    def apply(self, edits: Iterable[Edit]) -> Source:
        """The notebook after ``edits``; a text that cannot be written where they do not fit into the cells."""
        given = list(edits)
        fitted: list[Edit] = []
        for edit in given:
            inside = self._inside(edit)
            if inside is None:
                return _Unplaced(super().apply(given).text, self.path)
            fitted.append(inside)
        changed = self._edited(fitted)
        if changed is None:
            return _Unplaced(super().apply(given).text, self.path)
        return NotebookSource(changed, self.path, self.document)

    def _inside(self, edit: Edit) -> Edit | None:
        """An edit as one of a single cell."""
        start, end, content = edit
        index = bisect_right(self._starts, start) - 1
        if index < 0:
            return None
        place = self.placed[index]
        if start > place.end:
            # A line that is put below the last one of the cell.
            if start == end == place.end + 1 and self.text[place.end] == "\n" and content.endswith("\n"):
                return Edit(place.end, place.end, f"\n{content[:-1]}")
            return None
        if end <= place.end:
            return edit
        following = self.placed[index + 1].start if index + 1 < len(self.placed) else len(self.text)
        if end > following:
            return None
        if content.endswith("\n"):
            content = content[:-1]
        elif not content and start > place.start and self.text[start - 1] == "\n":
            start -= 1
            if start > place.start and self.text[start - 1] == "\r":  # and the other half of the line end
                start -= 1
        return Edit(start, place.end, content)

    def _edited(self, edits: Sequence[Edit]) -> dict[int, Prepared] | None:
        """The cells after edits that are fitted; None where a cell would not read as the edited module."""
        by_cell: dict[int, list[Edit]] = {}
        for edit in edits:
            place = self.cell_at(edit.start)
            if place is None:
                return None
            shifted = Edit(edit.start - place.start, edit.end - place.start, edit.content)
            for start, end in place.prepared.hidden:
                if shifted.start < end and shifted.end > start:
                    return None
            by_cell.setdefault(place.number, []).append(shifted)
        changed = dict(self._prepared)
        for number, group in by_cell.items():
            before = changed[number]
            raw = Source(before.raw, self.path).apply(group).text
            text = Source(before.text, self.path).apply(group).text
            after = prepared(raw)
            if after.text != text or after.header != before.header or (after.error is None) != (before.error is None):
                return None
            changed[number] = after
        return changed

    # --- findings ----------------------------------------------------------------------------------------------------

    def in_cells(self, finding: Finding) -> Finding:
        """A finding with places in its cell; the edits of its fix count from the start of the cell, and are left out
        where they are in other cells too.
        """
        found = self.in_cell(finding.start)
        if found is None:
            return finding
        number, start = found
        last = self.in_cell(finding.end)
        place = self.cell(number)
        if last is not None and last[0] == number:
            end = last[1]
        else:
            end = Source(place.prepared.text, self.path).location(len(place.prepared.text))
        fix = finding.fix
        if fix is not None and fix.edits is not None:
            by_cell = self.cell_edits(fix.edits)
            own = tuple(by_cell[number]) if by_cell is not None and list(by_cell) == [number] else ()
            fix = fix._replace(edits=own)
        return finding._replace(cell=number, start=start, end=max(start, end), fix=fix)

    def out_of_cells(self, finding: Finding) -> Finding:
        """A finding of a cell with places in the module, without its fix."""
        if finding.cell is None:
            return finding
        return finding._replace(
            cell=None,
            start=self.in_module(finding.cell, finding.start),
            end=self.in_module(finding.cell, finding.end),
            fix=None,
        )

    # --- the file ----------------------------------------------------------------------------------------------------

    @property
    def file_text(self) -> str:
        """The JSON of the file with the cells as they are now.

        Raises:
            ValueError: the cells come from no file.
        """
        if self.document is None:
            raise ValueError(f"the cells of {self.path} come from no file")
        return self.document.written({number: cell.raw for number, cell in self._prepared.items()})

    def encode(self) -> bytes:
        """The bytes of the file with the cells as they are now."""
        if self.document is None:
            return super().encode()
        return self.document.encoded(self.file_text)


class _Unplaced(Source):
    """A text that looks like the module of a notebook and has no cells: to be read, not to be written."""

    __slots__ = ()

    def encode(self) -> bytes:
        raise SourceError("the notebook's cells have no place for it", Location(1, 1))
