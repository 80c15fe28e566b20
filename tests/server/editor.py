"""An editor without a screen: the client of pytest-lsp, with a text that is kept as the server should have it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, Union

from lsprotocol import types as lsp
from pytest_lsp import LanguageClient
from pytest_lsp.client import make_test_lsp_client

PATIENCE = 60
"""Seconds after which a test fails that waits for the server."""


def capabilities(
    *,
    pull: bool = False,
    encodings: Iterable[str] = ("utf-16",),
    lazy: bool = True,
    watches: bool = True,
    settings: bool = False,
    notebooks: bool = False,
    links: bool = True,
) -> lsp.ClientCapabilities:
    tags = lsp.ClientDiagnosticsTagOptions(value_set=[lsp.DiagnosticTag.Unnecessary, lsp.DiagnosticTag.Deprecated])
    kinds = lsp.ClientCodeActionKindOptions(value_set=["quickfix", "source", "source.fixAll"])
    resolve = lsp.ClientCodeActionResolveOptions(properties=["edit"]) if lazy else None
    return lsp.ClientCapabilities(
        general=lsp.GeneralClientCapabilities(position_encodings=list(encodings)),
        text_document=lsp.TextDocumentClientCapabilities(
            publish_diagnostics=lsp.PublishDiagnosticsClientCapabilities(
                version_support=True, code_description_support=links, tag_support=tags if links else None
            ),
            diagnostic=lsp.DiagnosticClientCapabilities(related_document_support=True) if pull else None,
            code_action=lsp.CodeActionClientCapabilities(
                code_action_literal_support=lsp.ClientCodeActionLiteralOptions(kinds),
                data_support=True,
                resolve_support=resolve,
            ),
        ),
        workspace=lsp.WorkspaceClientCapabilities(
            configuration=settings,
            workspace_folders=True,
            workspace_edit=lsp.WorkspaceEditClientCapabilities(document_changes=True),
            did_change_watched_files=lsp.DidChangeWatchedFilesClientCapabilities(dynamic_registration=watches),
            diagnostics=lsp.DiagnosticWorkspaceClientCapabilities(refresh_support=pull),
        ),
        notebook_document=lsp.NotebookDocumentClientCapabilities(lsp.NotebookDocumentSyncClientCapabilities())
        if notebooks
        else None,
    )


class Editor:
    """A client, its open texts, and what it was told."""

    def __init__(self, client: LanguageClient, encoding: str) -> None:
        self.client = client
        self.encoding = encoding
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.published: list[lsp.PublishDiagnosticsParams] = []
        self.registered: list[lsp.Registration] = []
        self._news = asyncio.Event()
        # lsprotocol 2025.0.0 cannot read what servers say about notebooks.
        filters = lsp.NotebookDocumentFilterNotebookType, lsp.NotebookDocumentFilterScheme
        unread = Union[(str, *filters, lsp.NotebookDocumentFilterPattern, None)]
        client.protocol._converter.register_structure_hook(unread, lambda value, _: value)

        del client.protocol.fm.features[lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS]  # it keeps the last ones only

        @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def published(params: lsp.PublishDiagnosticsParams) -> None:
            self.published.append(params)
            self._news.set()

        del client.protocol.fm.features[lsp.PROGRESS]  # it knows no partial results
        self.partial: list[Any] = []

        @client.feature(lsp.PROGRESS)
        def partial(params: lsp.ProgressParams) -> None:
            self.partial.append(params)

        @client.feature(lsp.CLIENT_REGISTER_CAPABILITY)
        def registered(params: lsp.RegistrationParams) -> None:
            self.registered += params.registrations

    # Texts

    def open(self, path: Path | str, text: str, *, language: str = "python") -> str:
        uri = path if isinstance(path, str) else path.as_uri()
        self.texts[uri], self.versions[uri] = text, 1
        item = lsp.TextDocumentItem(uri, language, 1, text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
        return uri

    def edit(self, uri: str, *changes: tuple[lsp.Range | None, str]) -> None:
        self.versions[uri] += 1
        events: list[Any] = []
        for where, new in changes:
            if where is None:
                self.texts[uri] = new
                events.append(lsp.TextDocumentContentChangeWholeDocument(new))
            else:
                self.texts[uri] = self.applied(self.texts[uri], [lsp.TextEdit(where, new)])
                events.append(lsp.TextDocumentContentChangePartial(where, new))
        about = lsp.VersionedTextDocumentIdentifier(self.versions[uri], uri)
        self.client.text_document_did_change(lsp.DidChangeTextDocumentParams(about, events))

    def replace(self, uri: str, old: str, new: str) -> None:
        """Edit a text where some words stand, as typing does."""
        start = self.texts[uri].index(old)
        self.edit(uri, (self.range(self.texts[uri], start, start + len(old)), new))

    def close(self, uri: str) -> None:
        self.client.text_document_did_close(lsp.DidCloseTextDocumentParams(lsp.TextDocumentIdentifier(uri)))

    # Places, counted without the code under test

    def position(self, text: str, offset: int) -> lsp.Position:
        before = text[:offset]
        line = before.count("\n")
        return lsp.Position(line, self.units(before.rpartition("\n")[2]))

    def units(self, text: str) -> int:
        return (
            len(text.encode(f"{self.encoding}-le" if self.encoding != "utf-8" else "utf-8"))
            // {
                "utf-8": 1,
                "utf-16": 2,
                "utf-32": 4,
            }[self.encoding]
        )

    def range(self, text: str, start: int, end: int) -> lsp.Range:
        return lsp.Range(self.position(text, start), self.position(text, end))

    def under(self, uri: str, diagnostic: lsp.Diagnostic) -> str:
        """The text that a diagnostic underlines."""
        text = self.texts[uri]
        return text[self.offset(text, diagnostic.range.start) : self.offset(text, diagnostic.range.end)]

    def offset(self, text: str, position: lsp.Position) -> int:
        lines = text.split("\n")
        line = lines[position.line]
        for column in range(len(line) + 1):
            if self.units(line[:column]) == position.character:
                return sum(len(each) + 1 for each in lines[: position.line]) + column
        raise AssertionError(f"{position} is no place of {line!r} in {self.encoding}")

    def applied(self, text: str, edits: Iterable[lsp.TextEdit]) -> str:
        places = sorted((self.offset(text, e.range.start), self.offset(text, e.range.end), e.new_text) for e in edits)
        for (_, end, _), (start, _, _) in itertools.pairwise(places):
            assert end <= start, "edits overlap"
        for start, end, new in reversed(places):
            text = text[:start] + new + text[end:]
        return text

    # What the server says

    async def pushed(self, uri: str, version: int | None = None) -> list[lsp.Diagnostic]:
        """The diagnostics of a version of a text, by default of the newest, once they come."""
        version = self.versions.get(uri) if version is None else version

        async def wait() -> list[lsp.Diagnostic]:
            while True:
                for said in reversed(self.published):
                    if said.uri == uri and said.version == version:
                        return list(said.diagnostics)
                self._news.clear()
                await self._news.wait()

        return await asyncio.wait_for(wait(), PATIENCE)

    async def until(self, uri: str, codes: list[str]) -> list[lsp.Diagnostic]:
        """The diagnostics of a text, once these are the ones that were pushed last."""
        seen: list[Any] = []

        async def wait() -> list[lsp.Diagnostic]:
            while True:
                found = next((list(said.diagnostics) for said in reversed(self.published) if said.uri == uri), None)
                seen.append(None if found is None else [one.code for one in found])
                if found is not None and seen[-1] == codes:
                    return found
                self._news.clear()
                await self._news.wait()

        try:
            return await asyncio.wait_for(wait(), PATIENCE)
        except asyncio.TimeoutError:
            raise AssertionError(f"{codes} never came, but {seen}") from None

    async def pulled(self, uri: str, known: str | None = None) -> Any:
        params = lsp.DocumentDiagnosticParams(lsp.TextDocumentIdentifier(uri), previous_result_id=known)
        return await asyncio.wait_for(self.client.text_document_diagnostic_async(params), PATIENCE)

    async def actions(
        self, uri: str, where: lsp.Range | None = None, only: list[str] | None = None
    ) -> list[lsp.CodeAction]:
        text = self.texts[uri]
        where = where if where is not None else self.range(text, 0, len(text))
        context = lsp.CodeActionContext(diagnostics=[], only=only)
        params = lsp.CodeActionParams(lsp.TextDocumentIdentifier(uri), where, context)
        found = await asyncio.wait_for(self.client.text_document_code_action_async(params), PATIENCE)
        return [action for action in found or [] if isinstance(action, lsp.CodeAction)]

    async def resolve(self, action: lsp.CodeAction) -> lsp.CodeAction:
        return await asyncio.wait_for(self.client.code_action_resolve_async(action), PATIENCE)

    def done(self, uri: str, action: lsp.CodeAction) -> str:
        """The text after an action."""
        assert action.edit is not None, action.title
        [change] = action.edit.document_changes or ()
        assert isinstance(change, lsp.TextDocumentEdit)
        assert (change.text_document.uri, change.text_document.version) == (uri, self.versions[uri])
        return self.applied(self.texts[uri], change.edits)

    async def hover(self, uri: str, word: str) -> str | None:
        """What is shown when the pointer is in the middle of a word."""
        text = self.texts[uri]
        place = self.position(text, text.index(word) + len(word) // 2)
        params = lsp.HoverParams(lsp.TextDocumentIdentifier(uri), place)
        found = await asyncio.wait_for(self.client.text_document_hover_async(params), PATIENCE)
        if found is None:
            return None
        assert isinstance(found.contents, lsp.MarkupContent)
        assert found.contents.kind == lsp.MarkupKind.Markdown
        return found.contents.value

    def changed_on_disk(self, *paths: Path, kind: lsp.FileChangeType = lsp.FileChangeType.Changed) -> None:
        events = [lsp.FileEvent(path.as_uri(), kind) for path in paths]
        self.client.workspace_did_change_watched_files(lsp.DidChangeWatchedFilesParams(events))


@contextlib.asynccontextmanager
async def editor(
    *folders: Path,
    options: dict[str, Any] | None = None,
    can: lsp.ClientCapabilities | None = None,
    settings: dict[str, Any] | None = None,
) -> AsyncIterator[Editor]:
    """An editor with a server of its own; both have ended afterwards."""
    can = can if can is not None else capabilities()
    client = make_test_lsp_client()
    offered = can.general.position_encodings if can.general else None
    made = Editor(client, str(getattr(offered[0], "value", offered[0])) if offered else "utf-16")
    if settings is not None:
        client.set_configuration({"mlint": settings})
    await client.start_io(sys.executable, "-m", "mlint", "server")
    await client.initialize_session(
        lsp.InitializeParams(
            capabilities=can,
            initialization_options=options,
            workspace_folders=[lsp.WorkspaceFolder(folder.as_uri(), folder.name) for folder in folders],
        )
    )
    try:
        yield made
    finally:
        await asyncio.wait_for(client.shutdown_session(), PATIENCE)
    assert client._server is not None
    assert client._server.returncode == 0
