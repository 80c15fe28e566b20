"""Files that change on the disk: told by the client, or looked at now and then where it does not tell."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence

from lsprotocol.types import FileChangeType, FileEvent

from mlint.server.configuration import decides
from mlint.server.documents import path_of
from mlint.server.session import Session
from mlint.watch import Snapshot, snapshot

_SECONDS = 2.0
_NAMES = (
    ".mlint.toml", "mlint.toml", "pyproject.toml", "setup.cfg", "setup.py", "requirements.txt", "uv.lock",
    "poetry.lock", "environment.yml",
)  # fmt: skip


class Watching:
    """Notices what has changed.

    Args:
        session: whose texts it is about.
        changed: called when a file has changed that decides about others.
    """

    def __init__(self, session: Session, changed: Callable[[], None]) -> None:
        self._session = session
        self._changed = changed
        self._folders: set[str] = set()
        self._before: Snapshot = {}
        self._task: asyncio.Task[None] | None = None

    # Told by the client

    def matters(self, events: Sequence[FileEvent]) -> bool:
        """Whether everything has to be checked again: a configuration changed, or files have come or gone."""
        for event in events:
            path = path_of(event.uri)
            if decides(path):
                return True
            if event.type != FileChangeType.Changed:
                return True  # which file an import means may be another question now
        return False

    def edited_elsewhere(self, events: Sequence[FileEvent]) -> list[str]:
        """The sources that somebody else has written to; of what is open, the text on the screen counts."""
        paths = [path_of(event.uri) for event in events]
        return [path for path in paths if path not in self._session.buffers]

    # Looked at

    def look_around(self, path: str) -> None:
        """Keep an eye on the configurations of a file: those in the folders that it lies in."""
        folder = os.path.dirname(path)
        top = self._session.configuration.folder_of(path)
        while folder not in self._folders:
            self._folders.add(folder)
            above = os.path.dirname(folder)
            if above == folder or folder == top or os.path.exists(os.path.join(folder, ".git")):
                break
            folder = above
        self._before = {**self._now(), **self._before}

    def start(self) -> None:
        """Begin to look: the client does not tell."""
        self._before = self._now()
        self._task = asyncio.get_running_loop().create_task(self._looking())

    def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def look(self) -> None:
        """Look now, where the client does not tell."""
        if self._task is None:
            return
        now = self._now()
        if now != self._before:
            self._before = now
            self._changed()

    async def _looking(self) -> None:
        while True:
            await asyncio.sleep(_SECONDS)
            self.look()

    def _now(self) -> Snapshot:
        return snapshot([os.path.join(folder, name) for folder in self._folders for name in _NAMES])
