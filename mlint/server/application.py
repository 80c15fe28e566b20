"""The server: what it answers, and what it tells the client on its own."""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcContentModified
from pygls.lsp.server import LanguageServer

from mlint import __version__
from mlint.server.actions import FIX_ALL, QUICK_FIX, NotPossibleError, edits_of, fix_all, overlaps, quick_fixes, wanted
from mlint.server.actions import workspace_edit as edit_for_client
from mlint.server.analysis import Analysis
from mlint.server.client import Client
from mlint.server.documents import path_of
from mlint.server.hover import rule_at, rule_page
from mlint.server.notebooks import SYNC as NOTEBOOKS
from mlint.server.positions import Places, encoding_named
from mlint.server.preferences import read_preferences
from mlint.server.protocol import Protocol
from mlint.server.pushing import Pushing
from mlint.server.session import Session, fingerprint
from mlint.server.views import View
from mlint.server.watching import Watching
from mlint.server.workspace import WorkspaceFiles

_log = logging.getLogger(__name__)
_BATCH = 50
"""Files of the workspace that are reported at once to a client that takes them bit by bit."""


class Server(LanguageServer):
    """mlint as a language server."""

    def __init__(self) -> None:
        super().__init__(
            "mlint",
            __version__,
            text_document_sync_kind=lsp.TextDocumentSyncKind.Incremental,
            notebook_document_sync=NOTEBOOKS,
            protocol_cls=Protocol,
        )
        self.client = Client(self)
        self.session = Session(self.client.warn)
        self.pushing = Pushing(self.publish)
        self.files = WorkspaceFiles(self.session)
        self.watching = Watching(self.session, self.configuration_changed)
        self.ended = False

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what went wrong: the user cannot do anything about it, and the server goes on."""
        _log.error("%s: %s", type(error).__name__, error)

    # Diagnostics

    async def publish(self, key: str) -> None:
        """Send what is found in a text to a client that does not ask for it."""
        await self.client.ready.wait()
        checked = await self.session.check(key)
        if checked is None:
            return
        view, analysis = checked
        self.tell(analysis)
        versions = view.versions()
        for uri, found in self.session.reported(view, analysis).items():
            self.text_document_publish_diagnostics(
                lsp.PublishDiagnosticsParams(uri=uri, diagnostics=found, version=versions.get(uri))
            )

    def tell(self, analysis: Analysis) -> None:
        """Say what kept mlint from its work."""
        for problem in analysis.problems:
            self.client.complain(problem)

    def edited(self, key: str, path: str) -> None:
        """A text was opened or edited: it is reported again, and so are those that depend on it."""
        if self.client.pulls:
            return  # it asks, for the other files too
        delay = self.session.configuration.preferences(path).debounce
        self.pushing.schedule(key, delay)
        self.reconsider(path, delay)

    def reconsider(self, path: str, delay: int = 0) -> None:
        """A file is another than it was: the texts that depend on it are reported again."""
        for key in self.session.checked_texts():
            if self.session.depends_on(key, path):
                self.pushing.schedule(key, delay)

    def configuration_changed(self) -> None:
        """Everything is to be checked again."""
        self.session.worker.soon(self.session.analyzer.reset)
        self.refresh()

    def refresh(self) -> None:
        """Have the client show what is found now."""
        if self.client.pulls:
            self.client.refresh()
        else:
            for key in self.session.checked_texts():
                self.pushing.schedule(key)


def serve() -> bool:
    """Serve one client over standard input and output; whether it said goodbye before it left."""
    server = make_server()
    # The connection is for the protocol alone: what a rule of the project prints goes to standard error.
    connection = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        server.start_io(stdout=connection)
    finally:
        server.session.worker.close()
    return server.ended


def make_server() -> Server:
    """The server with all that it can do."""
    server = Server()
    _lifetime(server)
    _texts(server)
    _notebooks(server)
    _diagnostics(server)
    _actions(server)
    _hover(server)
    return server


def _lifetime(server: Server) -> None:
    session, client = server.session, server.client

    @server.feature(lsp.INITIALIZE)
    def initialize(params: lsp.InitializeParams) -> None:
        client.attend()
        client.met(params)
        session.encoding = encoding_named(server.workspace.position_encoding)
        session.described, session.tagged = client.shows_links, client.knows_tags
        session.configuration.set_folders(client.folders(params))
        preferences, wrong = read_preferences(params.initialization_options)
        client.wrong_preferences = wrong
        session.configuration.prefer(preferences)

        # The client learns of it only if the user wants it: some ask for the whole workspace all the time.
        if preferences.workspace_diagnostics:
            _workspace_diagnostics(server)

    @server.feature(lsp.INITIALIZED)
    async def initialized(params: lsp.InitializedParams) -> None:
        for line in client.wrong_preferences:
            client.warn(line)
        try:
            await client.register_watchers()
            await client.read_preferences(session)
        finally:
            client.ready.set()
        if not client.watches:
            server.watching.start()

    @server.feature(lsp.SHUTDOWN)
    def shutdown(params: Any = None) -> None:
        server.ended = True
        server.watching.stop()
        session.worker.close()

    @server.feature(lsp.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def did_change_configuration(params: lsp.DidChangeConfigurationParams) -> None:
        if not await client.read_preferences(session) and params.settings:
            preferences, wrong = read_preferences(params.settings)
            for line in wrong:
                client.warn(line)
            session.worker.soon(lambda: session.configuration.prefer(preferences))
        server.configuration_changed()

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    async def did_change_folders(params: lsp.DidChangeWorkspaceFoldersParams) -> None:
        folders = client.changed_folders(session.configuration.folders, params)
        session.worker.soon(lambda: session.configuration.set_folders(folders))
        await session.worker.do(lambda _stop: None)
        await client.read_preferences(session)
        server.configuration_changed()

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def did_change_watched_files(params: lsp.DidChangeWatchedFilesParams) -> None:
        if server.watching.matters(params.changes):
            server.configuration_changed()
            return
        for path in server.watching.edited_elsewhere(params.changes):
            session.worker.soon(partial(session.analyzer.edited, path))
            if client.pulls:
                client.refresh()
            else:
                server.reconsider(path)


def _texts(server: Server) -> None:
    session = server.session

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: lsp.DidOpenTextDocumentParams) -> None:
        item = params.text_document
        document = session.open(item.uri, item.language_id, item.version, item.text)
        server.watching.look_around(document.path)
        server.edited(item.uri, document.path)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: lsp.DidChangeTextDocumentParams) -> None:
        about = params.text_document
        document = session.change(about.uri, about.version, params.content_changes)
        if document is not None:
            server.edited(about.uri, document.path)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    def did_save(params: lsp.DidSaveTextDocumentParams) -> None:
        server.watching.look()

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: lsp.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        document = session.close(uri)
        server.pushing.cancel(uri)
        if document is not None and not server.client.pulls:
            server.reconsider(document.path)
            server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri=uri, diagnostics=[]))


def _notebooks(server: Server) -> None:
    session = server.session

    def clear(cells: list[str]) -> None:
        for uri in cells if not server.client.pulls else ():
            server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri=uri, diagnostics=[]))

    @server.feature(lsp.NOTEBOOK_DOCUMENT_DID_OPEN)
    def did_open(params: lsp.DidOpenNotebookDocumentParams) -> None:
        uri = params.notebook_document.uri
        notebook = session.notebooks.open(params, path_of(uri, session.first_folder()))
        server.watching.look_around(notebook.path)
        server.edited(uri, notebook.path)

    @server.feature(lsp.NOTEBOOK_DOCUMENT_DID_CHANGE)
    def did_change(params: lsp.DidChangeNotebookDocumentParams) -> None:
        now = session.notebooks.change(params, session.encoding)
        if now is not None:
            notebook, gone = now
            clear(gone)
            server.edited(notebook.uri, notebook.path)

    @server.feature(lsp.NOTEBOOK_DOCUMENT_DID_CLOSE)
    def did_close(params: lsp.DidCloseNotebookDocumentParams) -> None:
        notebook = session.notebooks.close(params.notebook_document.uri)
        if notebook is not None:
            server.pushing.cancel(notebook.uri)
            session.worker.soon(partial(session.analyzer.closed, notebook.uri, notebook.path))
            clear(notebook.uris)


def _diagnostics(server: Server) -> None:
    session = server.session

    @server.feature(
        lsp.TEXT_DOCUMENT_DIAGNOSTIC,
        lsp.DiagnosticOptions(identifier="mlint", inter_file_dependencies=True, workspace_diagnostics=True),
    )
    async def diagnostic(params: lsp.DocumentDiagnosticParams) -> Any:
        await server.client.ready.wait()
        checked = await session.check(params.text_document.uri)
        found: list[lsp.Diagnostic] = []
        if checked is not None:
            view, analysis = checked
            server.tell(analysis)
            found = session.reported(view, analysis).get(params.text_document.uri, [])
        known = fingerprint(found)
        if params.previous_result_id == known:
            return lsp.RelatedUnchangedDocumentDiagnosticReport(result_id=known)
        return lsp.RelatedFullDocumentDiagnosticReport(items=found, result_id=known)


def _workspace_diagnostics(server: Server) -> None:
    @server.feature(lsp.WORKSPACE_DIAGNOSTIC)
    async def workspace_diagnostic(params: lsp.WorkspaceDiagnosticParams) -> Any:
        await server.client.ready.wait()
        before = {each.uri: each.value for each in params.previous_result_ids}
        items: list[Any] = []
        async for report in server.files.reports():
            kind: Any
            if before.pop(report.uri, None) == report.fingerprint:
                kind = lsp.WorkspaceUnchangedDocumentDiagnosticReport(
                    uri=report.uri, result_id=report.fingerprint, version=report.version
                )
            else:
                kind = lsp.WorkspaceFullDocumentDiagnosticReport(
                    uri=report.uri, items=report.diagnostics, result_id=report.fingerprint, version=report.version
                )
            items.append(kind)
            if params.partial_result_token is not None and len(items) >= _BATCH:
                server.progress(
                    lsp.ProgressParams(params.partial_result_token, lsp.WorkspaceDiagnosticReport(items=items))
                )
                items = []
        # What the client has from before and is not there any more.
        items += [lsp.WorkspaceFullDocumentDiagnosticReport(uri=uri, items=[]) for uri in before]
        return lsp.WorkspaceDiagnosticReport(items=items)


def _actions(server: Server) -> None:
    session, client = server.session, server.client

    async def resolved(action: lsp.CodeAction, view: View) -> lsp.CodeAction:
        data: Any = action.data
        edits = await session.worker.do(
            lambda _stop: edits_of(session.analyzer, view, data["what"], data.get("number", -1))
        )
        action.edit = edit_for_client(edits, view.versions(), versioned=client.knows_versions)
        return action

    @server.feature(
        lsp.TEXT_DOCUMENT_CODE_ACTION,
        lsp.CodeActionOptions(code_action_kinds=[QUICK_FIX, FIX_ALL], resolve_provider=True),
    )
    async def code_action(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        uri, only = params.text_document.uri, params.context.only
        checked = await session.check(uri)
        if checked is None:
            return []
        view, analysis = checked
        preferences = session.configuration.preferences(view.unit.path)
        if not preferences.enable:
            return []
        data = {"uri": uri, "version": view.unit.version}
        actions: list[lsp.CodeAction] = []
        if wanted(QUICK_FIX, only):
            for shown in session.reported(view, analysis).get(uri, []):
                if overlaps(shown.range, params.range):
                    number = _number(shown)
                    actions += quick_fixes(analysis.findings[number], number, shown, data, preferences)
        if wanted(FIX_ALL, only) and preferences.fix_all:
            everything = fix_all(analysis, data)
            actions += [everything] if everything is not None else []
        if client.resolves_edits:
            return actions
        eager: list[lsp.CodeAction] = []
        for action in actions:
            try:
                eager.append(await resolved(action, view))
            except NotPossibleError:
                continue  # this client never learns of it
        return eager

    @server.feature(lsp.CODE_ACTION_RESOLVE)
    async def code_action_resolve(action: lsp.CodeAction) -> lsp.CodeAction:
        data = action.data
        if not isinstance(data, dict) or "uri" not in data:
            return action
        view = session.view(data["uri"])
        if view is None or view.unit.version != data.get("version"):
            raise JsonRpcContentModified("the text has been edited since this action was offered")
        try:
            return await resolved(action, view)
        except NotPossibleError as error:
            client.inform(f"{action.title}: {error}")
            return action


def _hover(server: Server) -> None:
    session = server.session

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    async def hover(params: lsp.HoverParams) -> lsp.Hover | None:
        document = session.text(params.text_document.uri)
        if document is None:
            return None
        source, position = document.source, params.position
        places = Places(source, session.encoding)
        place = source.location(places.offset(position))
        found = rule_at(source, place.line, place.column - 1, comments_only=not document.path.endswith(".toml"))
        if found is None:
            return None
        start, end, word = found

        def page(_stop: Any) -> str | None:
            settings = session.configuration.settings(document.path)
            return rule_page(session.configuration.index(settings), word)

        text = await session.worker.do(page)
        if text is None:
            return None
        first = source.line_starts[place.line - 1]
        return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, text), places.range(first + start, first + end))


def _number(shown: lsp.Diagnostic) -> int:
    data = shown.data
    return int(data["number"]) if isinstance(data, dict) else -1
