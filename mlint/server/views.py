"""Where a place of the checked text is for the editor: in the one document of a file, or in a cell of a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from lsprotocol.types import Range, TextEdit

from mlint.finding import Edit, Finding
from mlint.server.analysis import Unit
from mlint.server.documents import Document
from mlint.server.positions import Encoding, Places


class View(Protocol):
    """A checked text as the editor sees it."""

    unit: Unit

    def place(self, finding: Finding) -> tuple[str, Range] | None:
        """The document and the range of a finding; None if it has no place in the editor."""
        ...

    def edits(self, changes: Iterable[Edit]) -> dict[str, list[TextEdit]] | None:
        """Edits of the checked text, by document; None if one of them cannot be made there."""
        ...

    def versions(self) -> dict[str, int]:
        """The documents and the versions of them that were checked."""
        ...

    def top(self) -> int:
        """The line of the checked text below which a comment for the whole of it may stand."""
        ...


class FileView:
    """A file: offsets in the text are offsets in the document."""

    def __init__(self, document: Document, encoding: Encoding) -> None:
        self._document = document
        self._places = Places(document.source, encoding)
        self.unit = Unit(document.uri, document.path, document.version, document.source)

    def place(self, finding: Finding) -> tuple[str, Range] | None:
        places = self._places
        return self._document.uri, Range(places.of(*finding.start), places.of(*finding.end))

    def edits(self, changes: Iterable[Edit]) -> dict[str, list[TextEdit]] | None:
        found = [TextEdit(self._places.range(edit.start, edit.end), edit.content) for edit in changes]
        return {self._document.uri: found}

    def versions(self) -> dict[str, int]:
        return {self._document.uri: self._document.version}

    def top(self) -> int:
        return 1
