"""Diagnostics of a whole workspace: of files that are not open, read from the disk and remembered until they change."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from functools import partial
from typing import NamedTuple

from lsprotocol.types import Diagnostic

from mlint.discover import DiscoverError, discover
from mlint.linter import is_notebook, unreadable
from mlint.server.analysis import Analysis, StoppedError, Unit
from mlint.server.documents import Document
from mlint.server.session import Session, fingerprint
from mlint.server.views import FileView
from mlint.server.worker import Stop
from mlint.source import Source, SourceError

_Stamp = tuple[object, ...]


class FileReport(NamedTuple):
    """What is to be said about one file of the workspace."""

    uri: str
    version: int | None
    diagnostics: list[Diagnostic]
    fingerprint: str


class _Known(NamedTuple):
    stamp: _Stamp
    dependencies: dict[str, _Stamp]
    report: FileReport


class WorkspaceFiles:
    """Checks the files of all workspace folders, each again only when it or what it depends on has changed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, _Known] = {}

    async def reports(self) -> AsyncIterator[FileReport]:
        """The report of every file, one after the other; what else the server has to do comes in between."""
        session = self._session
        seen: set[str] = set()
        for folder in session.configuration.folders:
            for path in await session.worker.do(partial(self._files, folder)):
                if path not in seen:
                    seen.add(path)
                    report = await session.worker.do(partial(self._report, path))
                    if report is not None:
                        yield report
        for gone in self._known.keys() - seen:
            del self._known[gone]

    def _files(self, folder: str, _stop: Stop) -> list[str]:
        configuration = self._session.configuration
        if not os.path.isdir(folder) or not configuration.preferences(os.path.join(folder, "")).workspace_diagnostics:
            return []

        def passed_over(error: DiscoverError) -> None:
            """Nobody can be told in the editor about a folder that cannot be read."""

        try:
            found = discover([folder], settings_for=configuration.settings, on_error=passed_over)
            paths = [os.path.abspath(each.path) for each in found]
            # The cells of a notebook have no URI before an editor opens it.
            return [path for path in paths if not is_notebook(path, configuration.settings(path))]
        except DiscoverError:
            return []

    def _report(self, path: str, stop: Stop) -> FileReport | None:
        session = self._session
        stamp = self._stamp(path)
        known = self._known.get(path)
        if known is not None and known.stamp == stamp:
            changed = [other for other, before in known.dependencies.items() if self._stamp(other) != before]
            if not changed:
                return known.report
            for other in changed:
                session.analyzer.edited(other)
        elif known is not None:
            session.analyzer.edited(path)
        document = next((each for each in session.documents if each.path == path), None)
        try:
            report, analysis = self._checked(path, document, stop)
        except (StoppedError, OSError):
            return None
        dependencies = {} if analysis is None else {other: self._stamp(other) for other in analysis.dependencies}
        self._known[path] = _Known(stamp, dependencies, report)
        return report

    def _checked(self, path: str, document: Document | None, stop: Stop) -> tuple[FileReport, Analysis | None]:
        session = self._session
        version: int | None = None
        if document is not None:
            view = FileView(document, session.encoding)
            version = document.version
            analysis = session.analyzer.check(view.unit, stop)
        else:
            with open(path, "rb") as file:
                data = file.read()
            uri = uri_of(path)
            try:
                source = Source.from_bytes(data, path)
            except SourceError as error:
                source = Source(data.decode("utf-8", "replace"), path)
                view = FileView(Document(uri, path, "python", 0, source), session.encoding)
                settings = session.configuration.settings(path)
                analysis = Analysis(view.unit, settings, session.configuration.generation)
                if "ML000" in session.configuration.codes(settings, path):
                    analysis.findings = [unreadable(path, error)]
            else:
                view = FileView(Document(uri, path, "python", 0, source), session.encoding)
                unit = Unit(uri, path, 0, source, explicit=False)
                analysis = session.analyzer.check_file(unit, stop)
        [(uri, found)] = session.reported(view, analysis).items()
        return FileReport(uri, version, found, fingerprint(found)), analysis

    def _stamp(self, path: str) -> _Stamp:
        generation = self._session.configuration.generation
        text = self._session.buffers.get(path)
        if text is not None:
            return (generation, hash(text))
        try:
            status = os.stat(path)
        except OSError:
            return (generation,)
        return (generation, status.st_mtime_ns, status.st_size)


def uri_of(path: str) -> str:
    """The URI of a file."""
    from pathlib import Path

    return Path(path).as_uri()
