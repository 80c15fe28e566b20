"""An engine that sees other files as they are on the screen, and that can be told to stop.

The command line needs neither and does not pay for it: this is all there is to them.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from mlint.engine import Engine, EngineOptions, Report
from mlint.finding import Finding
from mlint.model.project import Project
from mlint.registry import Index, RuleEntry
from mlint.source import Source, SourceError

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.rule.context import Context

_LARGEST = 200_000
"""What a file may have at most to be read for the sake of another one, as on the disk."""


class StoppedError(BaseException):
    """A check was given up because nobody wants its result any more. No failure of a rule, so no rule can keep it."""


class FollowingProject(Project):
    """The other files of the project, with the texts of those that somebody is editing.

    Args:
        roots: see :class:`Project`.
        buffers: absolute path → text; comes before what is on the disk.
    """

    def __init__(self, roots: tuple[str, ...], buffers: Mapping[str, str]) -> None:
        super().__init__(roots)
        self._buffers = buffers

    def text(self, path: str) -> str | None:
        edited = self._buffers.get(path)
        return super().text(path) if edited is None else edited

    def _load(self, path: str) -> FileModel | None:
        edited = self._buffers.get(path)
        if edited is None:
            return super()._load(path)
        from mlint.model.file import FileModel

        if len(edited) > _LARGEST:
            return None
        source = Source(edited, path)
        try:
            model = FileModel(source, source.parse(), self)
        except (SourceError, RecursionError, MemoryError):
            return None
        self._register(model)
        return model

    def forget(self, path: str) -> None:
        """Let go of a file whose text is another one now, and of all files that were understood with its help."""
        for other in [other for other in self._models if path in self._reached(other)]:
            model = self._models.pop(other)
            if model is not None:
                model.release()
        self._texts.pop(path, None)


class FollowingEngine(Engine):
    """An engine for texts that are being edited."""

    def __init__(self, index: Index, options: EngineOptions, buffers: Mapping[str, str]) -> None:
        super().__init__(index, options=options)
        self._project = FollowingProject(options.roots, buffers)
        self._stopped: Callable[[], bool] | None = None

    def check_unless(
        self, stopped: Callable[[], bool] | None, source: Source, codes: frozenset[str], *, explicit: bool
    ) -> Report:
        """All findings in a text.

        Raises:
            StoppedError: ``stopped``, which is asked now and then, says that they are not wanted any more.
        """
        self._stopped = stopped
        try:
            return self.check(source, codes, explicit=explicit)
        finally:
            self._stopped = None

    def forget(self, path: str) -> None:
        """Read a file again when it is next asked for: it has changed."""
        self._project.forget(os.path.abspath(path))

    def _context(self, source: Source, tree: ast.Module, seen: object) -> Context:
        if self._surroundings is None:
            from mlint.rule.context import Options

            made = self.options
            options = Options(made.target_versions, made.root, made.seed, made.line_length)
            self._surroundings = (self._project, cache(options.versions), options)
        return super()._context(source, tree, seen)  # type: ignore[arg-type]

    def _findings(self, entry: RuleEntry, node: ast.AST, context: Context) -> list[Finding]:
        if self._stopped is not None and self._stopped():
            raise StoppedError
        return super()._findings(entry, node, context)
