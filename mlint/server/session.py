"""What the server knows: the open texts, the configuration, and who may ask what of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from functools import partial

from lsprotocol.types import Diagnostic, TextDocumentContentChangeEvent

from mlint.server.analysis import Analysis, Analyzer, StoppedError, Unit
from mlint.server.configuration import Configuration
from mlint.server.diagnostics import diagnostics
from mlint.server.documents import Document, Documents, path_of
from mlint.server.notebooks import Notebooks, NotebookView
from mlint.server.positions import UTF16, Encoding
from mlint.server.views import FileView, View
from mlint.server.worker import Stop, Worker
from mlint.source import Source

_PYTHON = ("python", "jupyter")
"""What editors call the languages of the texts to check."""


class Session:
    """One client and its texts.

    Args:
        warn: told what is wrong with a configuration.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self.documents = Documents()
        self.notebooks = Notebooks()
        self.buffers: dict[str, str] = {}
        """Absolute path → text of the open files, which the files that import them see."""
        self.configuration = Configuration(self.buffers, warn)
        self.analyzer = Analyzer(self.configuration)
        self.worker = Worker()
        self.encoding: Encoding = UTF16
        self.described = False
        self.tagged = False
        self._dependencies: dict[str, frozenset[str]] = {}

    # The texts

    def open(self, uri: str, language: str, version: int, text: str) -> Document:
        """A text is on the screen."""
        path = path_of(uri, self.first_folder())
        document = Document(uri, path, language, version, Source(text, path))
        self.documents.put(document)
        self._edited(document)
        return document

    def change(self, uri: str, version: int, changes: Sequence[TextDocumentContentChangeEvent]) -> Document | None:
        """A text was edited; None if it is not open."""
        document = self.documents.change(uri, version, changes, self.encoding)
        if document is not None:
            self._edited(document)
        return document

    def close(self, uri: str) -> Document | None:
        """A text is off the screen: what is on the disk counts again."""
        document = self.documents.remove(uri)
        if document is not None:
            self.buffers.pop(document.path, None)
            self.worker.soon(lambda: self.analyzer.closed(uri, document.path))
        return document

    def _edited(self, document: Document) -> None:
        if document.saved_to_disk and self.is_python(document):
            self.buffers[document.path] = document.text
        self.worker.soon(lambda: self.analyzer.edited(document.path))

    def first_folder(self) -> str:
        """Where texts lie that have no file yet."""
        return next(iter(self.configuration.folders), os.getcwd())

    def is_python(self, document: Document) -> bool:
        """Whether a text is one to check."""
        if document.language:
            return document.language in _PYTHON
        return document.path.endswith((".py", ".pyi"))

    def checked_texts(self) -> list[str]:
        """The URIs of all that is open and to be checked."""
        files = [document.uri for document in self.documents if self.is_python(document)]
        return files + [notebook.uri for notebook in self.notebooks]

    def text(self, uri: str) -> Document | None:
        """The document as it is now, whatever it holds; None if it is not open."""
        return self.documents.get(uri) or self.notebooks.cell(uri)

    def view(self, uri: str) -> View | None:
        """The checked text that a document is, or is a part of, as it is now; None if it is not to be checked."""
        notebook = self.notebooks.get(uri)
        if notebook is not None:
            return NotebookView(notebook, self.encoding)
        document = self.documents.get(uri)
        if document is None or not self.is_python(document):
            return None
        return FileView(document, self.encoding)

    # What is to be said about them

    async def check(self, uri: str) -> tuple[View, Analysis] | None:
        """What is found in a text as it is now. If it is edited meanwhile, what is found in the newer one."""
        while True:
            view = self.view(uri)
            if view is None:
                return None
            unit = view.unit

            try:
                analysis = await self.worker.do(partial(self._check, unit))
            except StoppedError:
                continue
            self._dependencies[unit.key] = analysis.dependencies
            return view, analysis

    def _check(self, unit: Unit, stop: Stop) -> Analysis:
        return self.analyzer.check(unit, lambda: stop() or self.version(unit.key) != unit.version)

    def version(self, uri: str) -> int | None:
        """The version of a checked text as it is now; None if it is not open any more."""
        now = self.documents.get(uri) or self.notebooks.get(uri)
        return None if now is None else now.version

    def depends_on(self, uri: str, path: str) -> bool:
        """Whether what was last found in a text depends on a file."""
        return path in self._dependencies.get(uri, ())

    def reported(self, view: View, analysis: Analysis) -> dict[str, list[Diagnostic]]:
        """The diagnostics of a checked text, by document."""
        found: dict[str, list[Diagnostic]] = {uri: [] for uri in view.versions()}
        if not self.configuration.preferences(view.unit.path).enable:
            return found
        for uri, diagnostic in diagnostics(analysis.findings, view.place, described=self.described, tagged=self.tagged):
            found.setdefault(uri, []).append(diagnostic)
        return found


def fingerprint(found: Sequence[Diagnostic]) -> str:
    """What tells one list of diagnostics from another."""
    said = [
        (one.range.start.line, one.range.start.character, one.range.end.line, one.range.end.character, one.code,
         one.message, str(one.data))
        for one in found
    ]  # fmt: skip
    return hashlib.blake2b(repr(said).encode("utf-8", "backslashreplace"), digest_size=12).hexdigest()
