"""The other files of the project: where a first-party import leads, and what stands there.

Files are read when somebody asks, once per run. Whatever was read is remembered as a dependency of the file on whose
behalf it was asked for, and so are the files that would be meant if they were there: a cached result can tell that the
files around it have changed.
"""

from __future__ import annotations

import ast
import os
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlint.model.exports import exported_names
from mlint.model.libraries import ROOTS
from mlint.model.modules import Modules
from mlint.model.tree import FUNCTIONS

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.model.names import Binding
    from mlint.source import Source

_KEPT = 128
_LARGEST = 200_000
_FARTHEST = 8
_MOST_FILES = 48
"""How many other files may be looked at for one file: in a big package everything leads everywhere in the end."""

Definition = tuple["FileModel", ast.AST]


class Project:
    """First-party modules, found from the importing file and from the roots.

    Args:
        roots: folders from which absolute imports of first-party modules start, besides the folders of the importing
            file itself and its packages.
    """

    def __init__(self, roots: tuple[str, ...] = ()) -> None:
        self.roots = roots
        self._modules = Modules(roots)
        self._models: dict[str, FileModel | None] = {}
        self._leads: dict[str, set[str]] = {}
        self._watched: dict[str, set[str]] = {}
        self._looked_at: set[str] = set()
        self._cut = False
        self._commands: dict[str, tuple[dict[str, str], str]] = {}
        self._texts: OrderedDict[str, str | None] = OrderedDict()

    def begin(self, model: FileModel) -> None:
        """Start with a file: what is looked at from now on is looked at for it."""
        # What was worked out without looking everywhere is not for the next file. The models refer to each other, so
        # they go together, and between two files, when nobody uses them.
        if self._cut or len(self._models) > _KEPT:
            for other in self._models.values():
                if other is not None:
                    other.release()
            self._models.clear()
            self._cut = False
        self._looked_at = set()
        self._register(model)

    def _register(self, model: FileModel) -> None:
        """Have the imports of a file start from the folders that it puts on `sys.path` as well."""
        if "sys.path" in model.source.text:
            from mlint.model.search_path import added_folders

            self._modules.add(model.source.path, added_folders(model.module, model.source.path))

    def is_first_party(self, dotted: str, importer: str) -> bool:
        """Whether a name may belong to the project of a file: no library's, unless the file is a part of the library.

        What is installed beside the file is left to `locate`.
        """
        root = dotted.partition(".")[0]
        return root not in ROOTS or root in os.path.abspath(importer).split(os.sep)

    def locate(self, module: str, importer: str) -> str | None:
        """The file of a module (``pkg.sub``, or ``.sub`` relative to the importer); None if it is not first-party."""
        found = self._modules.locate(module, importer)
        if found is not None:
            self._leads.setdefault(os.path.abspath(importer), set()).add(found)
        return found

    def leads_to(self, importer: str, path: str) -> None:
        """Remember that what is said about a file depends on another one that it does not import."""
        self._leads.setdefault(os.path.abspath(importer), set()).add(path)

    def watches(self, importer: str, paths: Iterable[str]) -> None:
        """Remember files and folders that a look was taken at on behalf of a file: should they change, in a folder the
        names of what lies in it, something else may be said.
        """
        self._watched.setdefault(os.path.abspath(importer), set()).update(paths)

    def consulted(self, path: str) -> set[str]:
        """The files that decide what is said about a file: those that it leads to, those that these lead to, and so on;
        and those that would be among them if they were there or said something else, or lay in these folders.
        """
        found = self._reached(os.path.abspath(path))
        for other in list(found):
            found |= self._modules.absent(other) | self._watched.get(other, set())
        return found - {path, os.path.abspath(path)}

    def _reached(self, path: str) -> set[str]:
        found = {path}
        pending = [path]
        while pending:
            for other in self._leads.get(pending.pop(), ()):
                if other not in found:
                    found.add(other)
                    pending.append(other)
        return found

    def mentions(self, path: str, word: str) -> bool:
        """Whether a file has a word in it, or cannot be read: a look at its text, without parsing it."""
        text = self.text(path)
        return text is None or word in text

    def text(self, path: str) -> str | None:
        """The text of a file, None if it cannot be read; for a look that spares its parsing."""
        if path in self._texts:
            self._texts.move_to_end(path)
            return self._texts[path]
        found: str | None = None
        try:
            with open(path, encoding="utf-8") as handle:
                found = handle.read()
        except (OSError, ValueError):
            pass
        self._texts[path] = found
        if len(self._texts) > _KEPT:
            self._texts.popitem(last=False)
        return found

    def model(self, path: str) -> FileModel | None:
        """The model of a file; None if it cannot be read or does not parse, or too much has been looked at already."""
        if path not in self._looked_at:
            if len(self._looked_at) >= _MOST_FILES:
                self._cut = True
                return None
            self._looked_at |= self._reached(path)
        if path not in self._models:
            self._models[path] = self._load(path)
        return self._models[path]

    def parsed(self, source: Source) -> ast.Module | None:
        """The tree of a file, if it has been parsed for the sake of another one."""
        model = self._models.get(os.path.abspath(source.path))
        return model.module if model is not None and model.source.text == source.text else None

    def _load(self, path: str) -> FileModel | None:
        from mlint.model.file import FileModel
        from mlint.source import Source, SourceError

        try:
            if os.path.getsize(path) > _LARGEST:
                return None
            source = Source.read(path)
            model = FileModel(source, source.parse(), self)
        except (OSError, SourceError, RecursionError, MemoryError):
            return None
        self._register(model)
        return model

    def console_script(self, path: str) -> str | None:
        """The command of a package that runs a file; None if there is none."""
        whole = os.path.abspath(path).removesuffix(".py")
        commands, folder = self._commanded(os.path.dirname(whole))
        if not commands:
            return None
        parts = os.path.relpath(whole, folder).split(os.sep)
        names = {".".join(parts), ".".join(parts[1:]) if parts[0] in ("src", "lib") else ""}
        return next((command for module, command in commands.items() if module in names), None)

    def _commanded(self, folder: str) -> tuple[dict[str, str], str]:
        """The commands that the package around a folder installs, with the folder of its packaging files."""
        found = self._commands.get(folder)
        if found is None:
            from mlint.model.commands import console_scripts

            found = (console_scripts(folder), folder)
            above = os.path.dirname(folder)
            if not found[0] and above != folder and not os.path.exists(os.path.join(folder, ".git")):
                found = self._commanded(above)
            self._commands[folder] = found
        return found

    # What a dotted name means

    def definition(self, dotted: str, importer: str, depth: int = 0) -> Definition | None:
        """The function or class that a first-party dotted name refers to, and the file in which it stands.

        None as well where it is one of several, by what is installed or configured.
        """
        module, _, name = dotted.rpartition(".")
        if dotted.startswith(".") and not module.strip("."):
            module = dotted[: len(dotted) - len(dotted.lstrip("."))]
            name = dotted.lstrip(".")
        if not module or not name or depth > _FARTHEST:
            return None
        path = self._file(module, importer, depth)
        if path is None:
            owner = self.definition(module, importer, depth + 1) if "." in module.lstrip(".") else None
            if owner is None or not isinstance(owner[1], ast.ClassDef):
                return None
            return self.method(owner[0], owner[1], name)
        if not self._may_define(path, name):
            return None
        model = self.model(path)
        return None if model is None else self.named(model, name, depth)

    def _may_define(self, path: str, name: str) -> bool:
        """Whether a name can be one of a module's: a look at its text, which spares the parsing of most."""
        text = self.text(path)
        return text is None or name in text or "import *" in text

    def _file(self, module: str, importer: str, depth: int) -> str | None:
        """The file of a module, also of one that a package has under another name (``from .deep import tools``)."""
        path = self.locate(module, importer)
        if path is not None or depth > _FARTHEST:
            return path
        package, _, name = module.rpartition(".")
        if not package.strip(".") or not name:
            return None
        above = self._file(package, importer, depth + 1)
        model = None if above is None else self.model(above)
        if model is None or above is None:
            return None
        for binding in model.names.bindings(model.tree.module).get(name, ()):
            if binding.how == "import" and binding.imported is not None:
                return self._file(binding.imported, above, depth + 1)
        return None

    def named(self, model: FileModel, name: str, depth: int = 0) -> Definition | None:
        """What a name at the top level of a file stands for, imports followed."""
        if depth > _FARTHEST:
            return None
        bindings = model.names.bindings(model.tree.module)
        found: list[Definition] = []
        for binding in _standing(bindings.get(name, ()), model):
            meant = self._bound(model, binding, depth)
            if meant is None:
                return None
            if meant not in found:
                found.append(meant)
        if found:
            return found[0] if len(found) == 1 else None
        if name in bindings:
            return None
        starred = bindings.get("*", ())
        if starred and self.locate(f".{name}", model.source.path) is not None:
            return None  # a module of the package: no need to look for it in all that the package imports
        for binding in starred:
            if binding.imported is not None:
                meant = self._starred(binding.imported, name, model, depth)
                if meant is not None:
                    return meant
        return self._lazy(model, name, depth)

    def _bound(self, model: FileModel, binding: Binding, depth: int) -> Definition | None:
        if binding.how in ("function", "class"):
            return model, binding.node
        if binding.how == "import" and binding.imported is not None:
            return self.definition(binding.imported, model.source.path, depth + 1)
        if binding.how == "assign" and not binding.path:
            if isinstance(binding.value, ast.Name):  # `train = _train`
                return self.named(model, binding.value.id, depth + 1) if binding.value.id != binding.name else None
            if isinstance(binding.value, ast.Attribute):
                dotted = model.names.dotted(binding.value)
                return None if dotted is None else self.definition(dotted, model.source.path, depth + 1)
        return None

    def _starred(self, module: str, name: str, importer: FileModel, depth: int) -> Definition | None:
        path = self.locate(module, importer.source.path)
        model = None if path is None or not self._may_define(path, name) else self.model(path)
        if model is None or model is importer:
            return None
        exported = exported_names(model.module, model.source.text)
        if name not in exported if exported is not None else name.startswith("_"):
            return None
        return self.named(model, name, depth + 1)

    def _lazy(self, model: FileModel, name: str, depth: int) -> Definition | None:
        """What a package imports when it is asked for the name."""
        if name not in model.source.text:
            return None
        module = model.lazy_imports.get(name)
        if module is None:
            return None
        start = "" if module.startswith(".") else "."
        found = self.definition(f"{start}{module}.{name}", model.source.path, depth + 1)
        if found is None and start:
            found = self.definition(f"{module}.{name}", model.source.path, depth + 1)
        return found

    # Classes

    def method(self, model: FileModel, owner: ast.ClassDef, name: str, depth: int = 0) -> Definition | None:
        """A method of a class, its own or inherited, from whatever file of the project."""
        if depth > _FARTHEST:
            return None
        for statement in owner.body:
            if isinstance(statement, FUNCTIONS) and statement.name == name:
                return model, statement
        for base in owner.bases:
            found = self.base(model, base)
            if found is not None and found[1] is not owner:
                inherited = self.method(found[0], found[1], name, depth + 1)
                if inherited is not None:
                    return inherited
        return None

    def base(self, model: FileModel, node: ast.expr) -> tuple[FileModel, ast.ClassDef] | None:
        """The project's class that an expression among the bases of a class names."""
        local = model.kinds.local_class(node)
        if local is not None:
            return model, local
        dotted = model.names.dotted(node)
        found = None if dotted is None else self.definition(dotted, model.source.path)
        if found is None or not isinstance(found[1], ast.ClassDef):
            return None
        model.depends_on(found[0])
        return found[0], found[1]


def _standing(bindings: object, model: FileModel) -> list[Binding]:
    """The bindings of a name of which any may stand: overloads, and definitions that another one in the same block
    replaces, do not.
    """
    found: list[Binding] = []
    for binding in bindings if isinstance(bindings, (list, tuple)) else ():
        node = binding.node
        if isinstance(node, FUNCTIONS) and any(_last_word(d) == "overload" for d in node.decorator_list):
            continue
        if isinstance(node, ast.stmt):
            block = model.tree.block(node)
            found = [other for other in found if not any(other.node is statement for statement in block)]
        found.append(binding)
    return found


def _last_word(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
