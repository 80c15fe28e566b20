"""What is open in the editor: the texts, as they are on the screen and not as they are on the disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from lsprotocol.types import TextDocumentContentChangeEvent, TextDocumentContentChangePartial

from mlint.server.positions import Encoding, Places
from mlint.source import Source

_SCHEMES_OF_FILES = ("file",)


class Document(NamedTuple):
    """One text at one moment. A change makes a new one, so that whoever works on it is not disturbed."""

    uri: str
    path: str
    """The file, or where a file of this name would lie."""
    language: str
    version: int
    source: Source

    @property
    def text(self) -> str:
        return self.source.text

    @property
    def saved_to_disk(self) -> bool:
        """Whether the document is a file, so that other files can import it."""
        return urlsplit(self.uri).scheme in _SCHEMES_OF_FILES


def path_of(uri: str, folder: str = "") -> str:
    """The path that a URI stands for; for one that is no file, a path of that name in a folder."""
    parts = urlsplit(uri)
    path = unquote(parts.path)
    if parts.scheme not in _SCHEMES_OF_FILES:
        name = path.rpartition("/")[2] or "untitled"
        return os.path.join(folder or os.getcwd(), name)
    if parts.netloc and sys.platform == "win32":
        return os.path.normpath(f"//{parts.netloc}{path}")
    if sys.platform == "win32" and path[:1] == "/" and path[2:3] == ":":
        path = path[1:]
    return os.path.normpath(path)


def changed(source: Source, changes: Sequence[TextDocumentContentChangeEvent], encoding: Encoding) -> Source:
    """The text after the changes of one notification, each of which starts from what the one before it left."""
    for change in changes:
        if isinstance(change, TextDocumentContentChangePartial):
            places = Places(source, encoding)
            start, end = places.offset(change.range.start), places.offset(change.range.end)
            if end < start:
                start, end = end, start
            text = source.text
            source = Source(f"{text[:start]}{change.text}{text[end:]}", source.path)
        else:
            source = Source(change.text, source.path)
    return source


class Documents:
    """The open texts by URI; cells of notebooks are not among them."""

    def __init__(self) -> None:
        self._open: dict[str, Document] = {}

    def __iter__(self) -> Iterator[Document]:
        return iter(tuple(self._open.values()))

    def get(self, uri: str) -> Document | None:
        """The document as it is now; None if it is not open."""
        return self._open.get(uri)

    def put(self, document: Document) -> None:
        """Open a document, or replace what it was."""
        self._open[document.uri] = document

    def remove(self, uri: str) -> Document | None:
        """Close a document."""
        return self._open.pop(uri, None)

    def change(
        self, uri: str, version: int, changes: Sequence[TextDocumentContentChangeEvent], encoding: Encoding
    ) -> Document | None:
        """Edit a document; None if it is not open."""
        old = self._open.get(uri)
        if old is None:
            return None
        new = old._replace(version=version, source=changed(old.source, changes, encoding))
        self._open[uri] = new
        return new
