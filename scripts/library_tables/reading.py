"""Modules of a library as files: what they define, and what a dotted name stands for. Nothing is imported."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

_DOCUMENTING = frozenset({"_add_docstr", "add_docstr", "_copy_docstring", "copy_func", "set_module"})
"""Calls that give their first argument back with a docstring."""

_LIST = re.compile(r"^__all__\s*\+?=\s*[\[(]([^\])]*)", re.MULTILINE)
_NAME = re.compile(r"[\"'](\w+)[\"']")


@dataclass(slots=True)
class Bound:
    """What one statement of a module makes of a name.

    Attributes:
        how: ``def`` (function or class), ``from`` (an imported name), ``module`` (an imported module), ``value``.
        node: the definition, or the value; None for imports and for a stub's bare annotation.
        module: for imports, the module.
        name: for ``from``, the name in that module.
        annotation: the annotation of a value.
        text: a docstring that the value is given in a call.
        explicit: whether an import repeats the name (``import x as x``), which makes it public.
    """

    how: str
    node: ast.AST | None = None
    module: str = ""
    name: str = ""
    annotation: ast.expr | None = None
    text: str = ""
    explicit: bool = False


class Module:
    """One file; one that does not parse may define anything."""

    def __init__(self, name: str, path: Path, tree: ast.Module, readable: bool = True) -> None:
        self.name = name
        self.readable = readable
        self.path = path
        self.tree = tree
        self.package = name if path.name.startswith("__init__.") else name.rpartition(".")[0]
        self.names: dict[str, list[Bound]] = {}
        self.stars: list[str] = []
        self.listed: list[str] | None = None
        self.borrowed: list[str] = []  # expressions `m.__all__` in the list of public names
        self.partial = False  # whether a computation adds to the list
        self.lists_all = False  # whether it is `__all__ = [s for s in dir() if ...]`
        self._read(tree.body)
        if self.lists_all:
            self.listed = None

    @property
    def is_package(self) -> bool:
        """Whether other modules may lie in it."""
        return self.path.name.startswith("__init__.")

    def absolute(self, dotted: str) -> str | None:
        """A dotted name of this module with its import followed by one step."""
        head, _, rest = dotted.partition(".")
        for bound in self.names.get(head, ()):
            if bound.how in ("from", "module"):
                base = f"{bound.module}.{bound.name}" if bound.how == "from" else bound.module
                return f"{base}.{rest}" if rest else base
        return None

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.package.split(".")
        return ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])

    def _read(self, body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                self.names.setdefault(node.name, []).append(Bound("def", node))
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    target = alias.name if alias.asname else alias.name.partition(".")[0]
                    self.names.setdefault(alias.asname or target, []).append(Bound("module", module=target))
            elif isinstance(node, ast.ImportFrom):
                module = self._absolute(node)
                for alias in node.names:
                    if alias.name == "*":
                        self.stars.append(module)
                    else:
                        bound = Bound("from", module=module, name=alias.name, explicit=alias.name == alias.asname)
                        self.names.setdefault(alias.asname or alias.name, []).append(bound)
            elif isinstance(node, ast.Assign):
                for target_node in node.targets:
                    self._assign(target_node, node.value)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                self._value(node.target.id, node.value, node.annotation)
                if node.target.id == "__all__" and node.value is not None:
                    self._public(node.value)
            elif isinstance(node, ast.AugAssign):
                if isinstance(node.target, ast.Name) and node.target.id == "__all__":
                    self._public(node.value)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                func = node.value.func
                if isinstance(func, ast.Attribute) and ast.unparse(func.value) == "__all__" and node.value.args:
                    if func.attr in ("append", "extend"):
                        self._public(ast.List([node.value.args[0]]) if func.attr == "append" else node.value.args[0])
                elif isinstance(func, ast.Name) and func.id == "extend_all" and node.value.args:
                    self.borrowed.append(ast.unparse(node.value.args[0]))
            elif isinstance(node, (ast.If, ast.Try, ast.With, ast.For)):
                self._read(node.body)
                if not isinstance(node, ast.With):
                    self._read(node.orelse)
                if isinstance(node, ast.Try):
                    for handler in node.handlers:
                        self._read(handler.body)
                    self._read(node.finalbody)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            if target.id == "__all__":
                self.borrowed = []
                self.listed = self._listed(value)
            self._value(target.id, value, None)
        elif isinstance(target, (ast.Tuple, ast.List)):
            values = value.elts if isinstance(value, (ast.Tuple, ast.List)) else [None] * len(target.elts)
            for element, part in zip(target.elts, values):
                if isinstance(element, ast.Name):
                    self._value(element.id, part, None)

    def _value(self, name: str, value: ast.expr | None, annotation: ast.expr | None) -> None:
        text = ""
        if isinstance(value, ast.Call) and value.args and _last(value.func) in _DOCUMENTING:
            if len(value.args) > 1:
                text = constant_text(value.args[1])
            value = value.args[0]
        self.names.setdefault(name, []).append(Bound("value", value, annotation=annotation, text=text))

    def _listed(self, value: ast.expr) -> list[str] | None:
        """The names in a new list; None for one that a computation makes."""
        self.listed = []
        self._public(value)
        return self.listed if self.listed or self.borrowed else None

    def _public(self, value: ast.expr) -> None:
        if isinstance(value, (ast.ListComp, ast.GeneratorExp)):
            over = value.generators[0].iter
            if isinstance(over, ast.Call) and _last(over.func) in ("dir", "globals"):
                self.lists_all = True
            else:
                self.partial = True
            return
        if self.listed is None:
            self.listed = []
        if isinstance(value, (ast.List, ast.Tuple, ast.Set)):
            for element in value.elts:
                if isinstance(element, ast.Constant) and isinstance(element.value, str):
                    self.listed.append(element.value)
                elif isinstance(element, ast.Starred):
                    self._public(element.value)
        elif isinstance(value, ast.BinOp):
            self._public(value.left)
            self._public(value.right)
        elif isinstance(value, ast.Call) and value.args and _last(value.func) in ("list", "sorted", "tuple", "set"):
            self._public(value.args[0])
        elif isinstance(value, ast.Attribute) and value.attr == "__all__":
            self.borrowed.append(ast.unparse(value.value))
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "copy":
            self._public(value.func.value)
        elif isinstance(value, ast.Name) and (written := self._written(value.id)) is not None:
            self._public(written)
        else:
            self.partial = True

    def _written(self, name: str) -> ast.List | ast.Tuple | ast.Set | None:
        """The list that a name of this module stands for."""
        for bound in self.names.get(name, ()):
            if isinstance(bound.node, (ast.List, ast.Tuple, ast.Set)) and name != "__all__":
                return bound.node
        return None


@dataclass(slots=True)
class Found:
    """What a dotted name stands for.

    Attributes:
        module: the file that defines it.
        name: its name there.
        bound: its definitions there; empty for a module.
        package: the name of the module that it is, if it is one.
        text: a docstring given to it on the way.
    """

    module: Module | None
    name: str
    bound: list[Bound] = field(default_factory=list)
    package: str | None = None
    text: str = ""

    @property
    def definitions(self) -> list[Definition]:
        """The functions and classes among the definitions."""
        return [b.node for b in self.bound if isinstance(b.node, (*FUNCTIONS, ast.ClassDef))]

    @property
    def is_unknown(self) -> bool:
        """Whether it lies in a file that does not parse."""
        return self.module is not None and not self.module.readable

    @property
    def identity(self) -> str:
        """The same for the same object."""
        return self.package or f"{self.module.name if self.module else ''}:{self.name}"


class Library:
    """The files of one version of a library, and of what its files refer to."""

    def __init__(self, folders: list[Path], is_unread: Callable[[str], bool] = lambda module: False) -> None:
        self.folders = folders
        self.broken: list[str] = []
        self.is_unread = is_unread
        self._files = {str(path) for folder in folders for path in folder.rglob("*.py*")}
        self._members: dict[tuple[str, str, bool], Found | None] = {}
        self._modules: dict[tuple[str, bool], Module | None] = {}
        self._listed: dict[str, frozenset[str]] = {}
        self._resolving: set[tuple[str, str, bool]] = set()

    def module(self, dotted: str, stub: bool = False) -> Module | None:
        """A module by name: its source, or its stub; the other one where there is but one."""
        return self.alone(dotted, stub) or self.alone(dotted, not stub)

    def alone(self, dotted: str, stub: bool) -> Module | None:
        """The source of a module, or its stub, and nothing else."""
        key = (dotted, stub)
        if key not in self._modules:
            self._modules[key] = None if self.is_unread(dotted) else self._parse(dotted, ".pyi" if stub else ".py")
        return self._modules[key]

    def _parse(self, dotted: str, suffix: str) -> Module | None:
        first, _, rest = dotted.partition(".")
        below = f"/{rest.replace('.', '/')}" if rest else ""
        for folder in self.folders:
            places = [f"{folder}/{first}{below}"]
            if suffix == ".pyi":
                places.append(f"{folder}/{first}-stubs{below}")  # stubs that are a distribution of their own
            for path in (p for place in places for p in (f"{place}/__init__{suffix}", place + suffix)):
                if path in self._files:
                    try:
                        with warnings.catch_warnings():
                            warnings.simplefilter("ignore")
                            tree = ast.parse(Path(path).read_bytes())
                    except (SyntaxError, ValueError):
                        self.broken.append(path)
                        return Module(dotted, Path(path), ast.Module([], []), readable=False)
                    return Module(dotted, Path(path), tree)
        return None

    def unread_names(self, module: Module, seen: frozenset[str] = frozenset()) -> frozenset[str]:
        """The names that come to a module by stars out of modules that are not read."""
        found: frozenset[str] = frozenset()
        for star in module.stars:
            if self.is_unread(star):
                found |= self._listed_below(star)
            elif star not in seen and (other := self.module(star)) is not None:
                found |= self.unread_names(other, seen | {module.name, star})
        return found

    def _listed_below(self, dotted: str) -> frozenset[str]:
        """The names in the lists of public names of all modules below a package, by their text."""
        if dotted not in self._listed:
            found: set[str] = set()
            for folder in self.folders:
                for path in (folder / dotted.replace(".", "/")).rglob("*.py"):
                    for names in _LIST.findall(path.read_text(encoding="utf-8", errors="replace")):
                        found |= set(_NAME.findall(names))
            self._listed[dotted] = frozenset(found)
        return self._listed[dotted]

    def is_module(self, dotted: str) -> bool:
        """Whether there is a file for a name."""
        return self.module(dotted) is not None

    def submodules(self, dotted: str) -> Iterator[str]:
        """The names of the modules that lie in a package."""
        seen = set()
        for folder in self.folders:
            place = folder / dotted.replace(".", "/")
            if place.is_dir():
                for path in sorted(place.iterdir()):
                    name = path.name.partition(".")[0]
                    is_code = path.suffix in (".py", ".pyi") and name != "__init__"
                    is_package = path.is_dir() and any((path / f"__init__{s}").is_file() for s in (".py", ".pyi"))
                    if name not in seen and name.isidentifier() and (is_code or is_package):
                        seen.add(name)
                        yield name

    def public(self, module: Module, stub: bool = False) -> list[str]:
        """The names that a module offers to others."""
        for bound in module.names.get("__all__", ()):
            other = self.module(bound.module, stub) if bound.how == "from" and bound.name == "__all__" else None
            if other is not None and other is not module:
                return self.public(other, stub)
        if module.listed is not None:
            names = list(module.listed)
            for expression in module.borrowed:
                found = self.resolve(f"{module.name}.{expression}", stub)
                inner = self.module(found.package, stub) if found is not None and found.package else None
                if inner is not None and inner is not module:
                    names += self.public(inner, stub)
            return names
        names = [name for name in module.names if not name.startswith("_")]
        if module.path.suffix == ".pyi":  # a stub offers what it imports only where it says so
            imports = ("from", "module")
            names = [n for n in names if any(b.how not in imports or b.explicit for b in module.names[n])]
        for star in module.stars:
            other_module = self.module(star, stub)
            if other_module is not None and other_module is not module:
                names += [n for n in self.public(other_module, stub) if n not in module.names]
        return names

    def resolve(self, dotted: str, stub: bool = False) -> Found | None:
        """What a dotted name stands for; attributes of classes are not looked up here."""
        if not dotted:
            return None
        head, _, name = dotted.rpartition(".")
        if not head:
            return Found(None, dotted, package=dotted) if self.is_module(dotted) else None
        owner = self.resolve(head, stub)
        if owner is None or owner.package is None:
            return None
        return self.member(owner.package, name, stub)

    def member(self, package: str, name: str, stub: bool = False) -> Found | None:
        """What a name of a module stands for."""
        key = (package, name, stub)
        if key in self._members:
            return self._members[key]
        if key in self._resolving:
            return None
        self._resolving.add(key)
        try:
            found = self._member(package, name, stub)
        finally:
            self._resolving.discard(key)
        if found is not None or not self._resolving:  # inside of a circle, nothing may only mean: not this way
            self._members[key] = found
        return found

    def _member(self, package: str, name: str, stub: bool) -> Found | None:
        for module in (self.alone(package, stub), self.alone(package, not stub)):
            found = None if module is None else self._in_module(module, name, stub)
            if found is not None:
                return found
        if self.is_module(f"{package}.{name}"):
            return Found(None, name, package=f"{package}.{name}")
        module = self.alone(package, stub) or self.alone(package, not stub)
        return Found(module, name) if module is not None and not module.readable else None

    def _in_module(self, module: Module, name: str, stub: bool) -> Found | None:
        bound = module.names.get(name)
        if bound:
            own = [b for b in bound if b.how == "def"]
            if own:
                return Found(module, name, own)
            for one in bound:
                found = self._follow(module, name, one, stub)
                if found is not None:
                    return found
        for star in module.stars:
            other = self.module(star, stub)
            if other is not None and other is not module and not name.startswith("_"):
                found = self.member(star, name, stub)
                if found is not None and (other.listed is None or name in self.public(other, stub)):
                    return found
        return None

    def _follow(self, module: Module, name: str, bound: Bound, stub: bool) -> Found | None:
        if bound.how == "from":
            if bound.module == "builtins":
                return Found(module, name, [bound])
            if bound.module == module.name and bound.name == name:
                whole = f"{bound.module}.{bound.name}"
                return Found(None, name, package=whole) if self.is_module(whole) else None
            return self.member(bound.module, bound.name, stub)
        if bound.how == "module":
            return Found(None, name, package=bound.module) if self.is_module(bound.module) else None
        target = bound.node
        if isinstance(target, (ast.Name, ast.Attribute)):
            dotted = _dotted(target)
            found = None if dotted is None or dotted == name else self.within(module, dotted, stub)
            if found is not None:
                return Found(found.module, found.name, found.bound, found.package, bound.text or found.text)
        return Found(module, name, [bound], text=bound.text)

    def within(self, module: Module, dotted: str, stub: bool = False) -> Found | None:
        """What a dotted name stands for in the code of a module."""
        head, _, rest = dotted.partition(".")
        found = self._in_module(module, head, stub)
        for part in rest.split(".") if rest else ():
            if found is None or found.package is None:
                return None
            found = self.member(found.package, part, stub)
        return found


def _dotted(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value)
        return None if base is None else f"{base}.{node.attr}"
    return None


def _last(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


dotted_of = _dotted
last_of = _last


def constant_text(node: ast.AST | None) -> str:
    """The text of a string expression; what it takes from variables stands there as ``…``."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(constant_text(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return constant_text(node.left) + constant_text(node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return constant_text(node.left)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "strip", "dedent", "replace"):
            inside = constant_text(node.func.value)
            return inside or (constant_text(node.args[0]) if node.args else "")
        return constant_text(node.args[0]) if node.args else ""
    return ""
