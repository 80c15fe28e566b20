"""The other files of the project: where a first-party import leads, and what stands there.

Files are read when somebody asks, once per run. Whatever was read is remembered as a dependency of the file on whose
behalf it was asked for, so that a cached result can tell that the file around it has changed.
"""

from __future__ import annotations

import ast
import os
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_KEPT = 256
_LARGEST = 2_000_000


class Project:
    """First-party modules, found from the importing file and from the roots.

    Args:
        roots: folders from which absolute imports of first-party modules start, besides the folders of the importing
            file itself and its packages.
    """

    def __init__(self, roots: tuple[str, ...] = ()) -> None:
        self.roots = roots
        self._models: OrderedDict[str, FileModel | None] = OrderedDict()
        self._places: dict[tuple[str, str], str | None] = {}

    def locate(self, module: str, importer: str) -> str | None:
        """The file of a module (``pkg.sub``, or ``.sub`` relative to the importer); None if it is not first-party."""
        folder = os.path.dirname(os.path.abspath(importer))
        key = (module, folder)
        if key not in self._places:
            self._places[key] = self._locate(module, folder)
        return self._places[key]

    def _locate(self, module: str, folder: str) -> str | None:
        if module.startswith("."):
            level = len(module) - len(module.lstrip("."))
            for _ in range(level - 1):
                folder = os.path.dirname(folder)
            return _file_of(folder, module.lstrip("."))
        # The folder of a script is on the path; so is the folder above the outermost package around the importer.
        starts = [folder]
        outer = folder
        while os.path.exists(os.path.join(outer, "__init__.py")):
            outer = os.path.dirname(outer)
        starts.append(outer)
        starts.extend(os.path.abspath(root) for root in self.roots)
        for start in dict.fromkeys(starts):
            found = _file_of(start, module)
            if found is not None:
                return found
        return None

    def model(self, path: str) -> FileModel | None:
        """The model of a file; None if it cannot be read or does not parse."""
        if path in self._models:
            self._models.move_to_end(path)
            return self._models[path]
        self._models[path] = None  # a cycle of imports ends here
        loaded = self._load(path)
        self._models[path] = loaded
        if len(self._models) > _KEPT:
            self._models.popitem(last=False)
        return loaded

    def _load(self, path: str) -> FileModel | None:
        from mlint.model.file import FileModel
        from mlint.source import Source, SourceError

        try:
            if os.path.getsize(path) > _LARGEST:
                return None
            source = Source.read(path)
            return FileModel(source, source.parse(), self)
        except (OSError, SourceError):
            return None

    def definition(self, dotted: str, importer: str, depth: int = 0) -> tuple[FileModel, ast.AST] | None:
        """The function or class that a first-party dotted name refers to, and the file in which it stands."""
        module, _, name = dotted.rpartition(".")
        if dotted.startswith(".") and not module.strip("."):
            module = dotted[: len(dotted) - len(dotted.lstrip("."))]
            name = dotted.lstrip(".")
        if not module or not name or depth > 8:
            return None
        path = self.locate(module, importer)
        if path is None:
            return None
        model = self.model(path)
        if model is None:
            return None
        model_bindings = model.names.bindings(model.tree.module)
        for binding in model_bindings.get(name, ()):
            if binding.how in ("function", "class"):
                return model, binding.node
            if binding.how == "import" and binding.imported is not None:
                found = self.definition(binding.imported, path, depth + 1)
                if found is not None:
                    return found
        for binding in model_bindings.get("*", ()):
            if binding.imported is not None:
                found = self.definition(f"{binding.imported}.{name}", path, depth + 1)
                if found is not None:
                    return found
        return None


def _file_of(folder: str, module: str) -> str | None:
    base = os.path.join(folder, *module.split(".")) if module else folder
    for candidate in (base + ".py", os.path.join(base, "__init__.py")):
        if (module or candidate.endswith("__init__.py")) and os.path.isfile(candidate):
            return candidate
    return None
