"""Open notebooks: their cells as the editor has them, and the module that they are together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from lsprotocol import types as lsp

from mlint.finding import Edit, Finding
from mlint.notebook import Cell, NotebookSource, module_of
from mlint.server.analysis import Unit
from mlint.server.documents import Document, changed
from mlint.server.positions import Encoding, Places
from mlint.source import Source

SYNC = lsp.NotebookDocumentSyncOptions(
    notebook_selector=[lsp.NotebookDocumentFilterWithCells(cells=[lsp.NotebookCellLanguage("python")])], save=False
)
"""Any kind of notebook, and of it the cells in Python."""


class Notebook(NamedTuple):
    """A notebook at one moment.

    ``version`` counts the changes of whatever cell; ``cells`` are all that the editor tells of, in order.
    """

    uri: str
    path: str
    version: int
    cells: tuple[tuple[Document, bool], ...]
    """Each cell, and whether it is one of code."""

    @property
    def uris(self) -> list[str]:
        return [cell.uri for cell, _ in self.cells]


class NotebookView:
    """The cells of a notebook as one module: what is said of it is said of a cell."""

    def __init__(self, notebook: Notebook, encoding: Encoding) -> None:
        self._notebook = notebook
        self._encoding = encoding
        cells = [Cell(cell.text, "code" if code else "markdown") for cell, code in notebook.cells]
        self._source: NotebookSource = module_of(cells, notebook.path)
        self.unit = Unit(notebook.uri, notebook.path, notebook.version, self._source)

    def _cell(self, number: int) -> tuple[Document, Places]:
        document = self._notebook.cells[number - 1][0]
        return document, Places(document.source, self._encoding)

    def place(self, finding: Finding) -> tuple[str, lsp.Range] | None:
        placed = self._source.in_cells(finding)
        if placed.cell is None:
            return None
        document, places = self._cell(placed.cell)
        return document.uri, lsp.Range(places.of(*placed.start), places.of(*placed.end))

    def edits(self, changes: Iterable[Edit]) -> dict[str, list[lsp.TextEdit]] | None:
        by_cell = self._source.cell_edits(changes)
        if by_cell is None:
            return None
        found: dict[str, list[lsp.TextEdit]] = {}
        for number, edits in by_cell.items():
            document, places = self._cell(number)
            found[document.uri] = [lsp.TextEdit(places.range(edit.start, edit.end), edit.content) for edit in edits]
        return found

    def versions(self) -> dict[str, int]:
        return {cell.uri: cell.version for cell, _ in self._notebook.cells}

    def top(self) -> int:
        for placed in self._source.placed:
            hidden = placed.prepared.hidden
            # A cell magic has to stay on the first line of its cell.
            return placed.line + 1 if hidden and hidden[0][0] == 0 else placed.line
        return 1


class Notebooks:
    """The open notebooks, by the URIs of themselves and of their cells."""

    def __init__(self) -> None:
        self._open: dict[str, Notebook] = {}
        self._of_cell: dict[str, str] = {}

    def __iter__(self) -> Iterator[Notebook]:
        return iter(tuple(self._open.values()))

    def get(self, uri: str) -> Notebook | None:
        """The notebook with this URI, or with a cell that has it."""
        return self._open.get(self._of_cell.get(uri, uri))

    def cell(self, uri: str) -> Document | None:
        """The cell with this URI as it is now."""
        notebook = self.get(uri)
        if notebook is None:
            return None
        return next((cell for cell, _ in notebook.cells if cell.uri == uri), None)

    def open(self, params: lsp.DidOpenNotebookDocumentParams, path: str) -> Notebook:
        """A notebook is on the screen."""
        about = params.notebook_document
        items = {item.uri: item for item in params.cell_text_documents}
        cells = tuple(_cell(cell, items, path) for cell in about.cells)
        return self._put(Notebook(about.uri, path, 1, cells))

    def change(
        self, params: lsp.DidChangeNotebookDocumentParams, encoding: Encoding
    ) -> tuple[Notebook, list[str]] | None:
        """A notebook was edited: what it is now, and the cells that it has no more; None if it is not open."""
        old = self._open.get(params.notebook_document.uri)
        if old is None:
            return None
        change = params.change.cells
        cells = list(old.cells)
        gone: list[str] = []
        if change is not None and change.structure is not None:
            array = change.structure.array
            items = {item.uri: item for item in change.structure.did_open or ()}
            known = {cell.uri: (cell, code) for cell, code in cells}
            put = [_cell(cell, items, old.path, known) for cell in array.cells or ()]
            cells[array.start : array.start + array.delete_count] = put
            gone = [uri for uri in old.uris if uri not in {cell.uri for cell, _ in cells}]
        if change is not None:
            kinds = {cell.document: cell.kind == lsp.NotebookCellKind.Code for cell in change.data or ()}
            cells = [(cell, kinds.get(cell.uri, code)) for cell, code in cells]
            texts = {each.document.uri: each for each in change.text_content or ()}
            cells = [(_edited(cell, texts.get(cell.uri), encoding), code) for cell, code in cells]
        return self._put(old._replace(version=old.version + 1, cells=tuple(cells)), gone), gone

    def close(self, uri: str) -> Notebook | None:
        """A notebook is off the screen."""
        notebook = self._open.pop(uri, None)
        for cell in notebook.uris if notebook is not None else ():
            self._of_cell.pop(cell, None)
        return notebook

    def _put(self, notebook: Notebook, gone: Sequence[str] = ()) -> Notebook:
        self._open[notebook.uri] = notebook
        for uri in gone:
            self._of_cell.pop(uri, None)
        self._of_cell.update(dict.fromkeys(notebook.uris, notebook.uri))
        return notebook


def _cell(
    cell: lsp.NotebookCell,
    items: dict[str, lsp.TextDocumentItem],
    path: str,
    known: dict[str, tuple[Document, bool]] | None = None,
) -> tuple[Document, bool]:
    code = cell.kind == lsp.NotebookCellKind.Code
    item = items.get(cell.document)
    if item is None:  # one that has only moved
        moved = (known or {}).get(cell.document)
        return (moved[0] if moved else Document(cell.document, path, "", 0, Source("", path))), code
    return Document(item.uri, path, item.language_id, item.version, Source(item.text, path)), code


def _edited(cell: Document, change: lsp.NotebookDocumentCellContentChanges | None, encoding: Encoding) -> Document:
    if change is None:
        return cell
    return cell._replace(version=change.document.version, source=changed(cell.source, change.changes, encoding))
