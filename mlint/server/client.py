"""What the client can do, what its user prefers, and what it is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from lsprotocol import types as lsp

from mlint.server.configuration import SOURCES, WATCHED
from mlint.server.documents import path_of
from mlint.server.preferences import read_preferences
from mlint.server.session import Session

_log = logging.getLogger(__name__)
_PATIENCE = 5
"""Seconds that a client has for an answer before the server goes on without it."""


class Client:
    """The other end."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._told: set[str] = set()
        self.ready = asyncio.Event()
        """Set once it is known what the user prefers; nothing is reported before."""
        self.wrong_preferences: list[str] = []
        self.pulls = self.shows_links = self.knows_tags = self.resolves_edits = self.knows_versions = False
        self.watches = self._has_settings = self._refreshes = False
        self._tells_settings = False

    def met(self, params: lsp.InitializeParams) -> None:
        """Read what the client can do."""
        capabilities = params.capabilities
        text = capabilities.text_document or lsp.TextDocumentClientCapabilities()
        workspace = capabilities.workspace or lsp.WorkspaceClientCapabilities()
        self.pulls = text.diagnostic is not None
        shown = text.diagnostic if text.diagnostic is not None else text.publish_diagnostics
        # The pull capability knows these since 3.18 only; a client that pulls shows what one that is pushed to shows.
        pushed = text.publish_diagnostics
        self.shows_links = any(each is not None and bool(each.code_description_support) for each in (shown, pushed))
        tags = [each.tag_support for each in (shown, pushed) if each is not None and each.tag_support is not None]
        self.knows_tags = any(lsp.DiagnosticTag.Unnecessary in tag.value_set for tag in tags)
        action = text.code_action
        if action is not None and action.resolve_support is not None:
            self.resolves_edits = "edit" in action.resolve_support.properties and bool(action.data_support)
        edit = workspace.workspace_edit
        self.knows_versions = edit is not None and bool(edit.document_changes)
        self._has_settings = bool(workspace.configuration)
        watched = workspace.did_change_watched_files
        self.watches = watched is not None and bool(watched.dynamic_registration)
        told = workspace.did_change_configuration
        self._tells_settings = told is not None and bool(told.dynamic_registration)
        again = workspace.diagnostics
        self._refreshes = again is not None and bool(again.refresh_support)

    def folders(self, params: lsp.InitializeParams) -> list[str]:
        """The workspace folders as paths."""
        if params.workspace_folders:
            return [path_of(folder.uri) for folder in params.workspace_folders]
        if params.root_uri:
            return [path_of(params.root_uri)]
        return [params.root_path] if params.root_path else []

    def changed_folders(self, now: Sequence[str], params: lsp.DidChangeWorkspaceFoldersParams) -> list[str]:
        """The workspace folders after some have come or gone."""
        gone = {path_of(folder.uri) for folder in params.event.removed}
        added = [path_of(folder.uri) for folder in params.event.added]
        return list(dict.fromkeys([*(folder for folder in now if folder not in gone), *added]))

    # What is asked of the client

    async def register_watchers(self) -> None:
        """Have the client tell about files that change on the disk, and about settings."""
        wanted: list[lsp.Registration] = []
        if self.watches:
            watchers = [lsp.FileSystemWatcher(pattern) for pattern in (*WATCHED, SOURCES)]
            options = lsp.DidChangeWatchedFilesRegistrationOptions(watchers)
            wanted.append(lsp.Registration("mlint-files", lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, options))
        if self._tells_settings:
            section = lsp.DidChangeConfigurationRegistrationOptions(section="mlint")
            wanted.append(lsp.Registration("mlint-settings", lsp.WORKSPACE_DID_CHANGE_CONFIGURATION, section))
        if wanted:
            request = self._server.client_register_capability_async(lsp.RegistrationParams(wanted))
            try:
                await asyncio.wait_for(request, _PATIENCE)
            except Exception as error:  # a client that refuses has to be restarted after a change, and no more
                _log.warning("not registered: %s", error)

    async def read_preferences(self, session: Session) -> bool:
        """Ask what the user prefers, for each workspace folder; whether there was an answer."""
        if not self._has_settings:
            return False
        folders = session.configuration.folders
        items = [lsp.ConfigurationItem(scope_uri=_uri(folder), section="mlint") for folder in folders]
        items = items or [lsp.ConfigurationItem(section="mlint")]
        try:
            request = self._server.workspace_configuration_async(lsp.ConfigurationParams(items))
            answers = await asyncio.wait_for(request, _PATIENCE)
        except Exception as error:  # the preferences of the start go on to hold
            _log.warning("no settings: %s", error)
            return False
        said = [(folder, answer) for folder, answer in zip(folders or [None], answers) if answer]
        read = [(folder, read_preferences(answer)) for folder, answer in said]
        for line in dict.fromkeys(line for _, (_, wrong) in read for line in wrong):
            self.warn(line)

        def apply(_stop: object) -> None:
            for folder, (preferences, _) in read:
                session.configuration.prefer(preferences, folder)

        await session.worker.do(apply)
        return bool(said)

    def refresh(self) -> None:
        """Have a client that pulls ask again."""
        if self._refreshes:
            self._server.workspace_diagnostic_refresh(None)

    # What it is told

    def warn(self, message: str) -> None:
        """Show a warning that the user can do something about."""
        self._send(message, lsp.MessageType.Warning)

    def inform(self, message: str) -> None:
        """Show why nothing happened."""
        self._send(message, lsp.MessageType.Info)

    def complain(self, message: str) -> None:
        """Show, once, that mlint itself failed somewhere; it goes on."""
        if message not in self._told:
            self._told.add(message)
            self._send(f"{message}; please report it", lsp.MessageType.Warning)

    def _send(self, message: str, kind: lsp.MessageType) -> None:
        def send() -> None:
            self._server.window_log_message(lsp.LogMessageParams(kind, message))
            self._server.window_show_message(lsp.ShowMessageParams(kind, f"mlint: {message}"))

        try:
            running = asyncio.get_running_loop()
        except RuntimeError:  # told by the thread that works; the connection belongs to the other one
            if self._loop is not None:
                self._loop.call_soon_threadsafe(send)
        else:
            self._loop = running
            send()

    _loop: asyncio.AbstractEventLoop | None = None

    def attend(self) -> None:
        """Remember the loop that the connection belongs to."""
        self._loop = asyncio.get_running_loop()


def _uri(folder: str) -> str:
    from pathlib import Path

    return Path(folder).as_uri()
