"""One version of a library: its public names, with parameters, kinds of results, bases and notices."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterator

from mlint.model.names import canonical
from scripts.library_tables import notices
from scripts.library_tables.annotations import Annotations, one, returned_by_docstring, returned_by_tensorflow
from scripts.library_tables.classes import Classes
from scripts.library_tables.entries import (
    Entry,
    Scope,
    agreed,
    arguments_of,
    asks_the_argument,
    decorated_arguments,
    delegates,
    fields,
    imported_in,
    in_place,
    is_overload,
    mentioned,
    only_raises,
    returns_otherwise,
    returns_self,
    signature_line,
    silently_accepted,
    ufunc_arguments,
)
from scripts.library_tables.notices import Notice
from scripts.library_tables.reading import FUNCTIONS, Found, Function, Library, Module, last_of

_NEVER = frozenset(
    "conftest tests test testing setup externals version typing third_party annotations logger PytestTester".split()
)
_PROPERTIES = frozenset({"property", "cached_property", "cache_readonly", "lazy_property", "setter"})
_TORCH_C = "torch._C._VariableFunctions"

Stubbed = tuple[list[Function], Module]


class Reader:
    """Reads one version of a library.

    Args:
        library: its files.
        scope: which part of it.
        preferred: the names by which earlier versions know their objects best.
    """

    def __init__(self, library: Library, scope: Scope, preferred: frozenset[str] = frozenset()) -> None:
        self.library = library
        self.scope = scope
        self.preferred = preferred
        self.root = scope.root
        self.start = next((s for s in (*scope.starts, scope.root) if library.is_module(s)), scope.root)
        self.package = self.start.partition(".")[0]
        self.paths: dict[str, str] = {}  # identity → public name
        self.annotations = Annotations(library, self.paths.get, self.root)
        self.classes = Classes(library, self.paths)
        self.entries: dict[str, Entry] = {}

    def read(self) -> dict[str, Entry]:
        """All public names."""
        order: list[tuple[str, Found]] = []
        modules: dict[str, str] = {}
        for path, found in self._names():
            if found.package is not None:
                modules.setdefault(found.package, path)
            else:
                known = self.paths.get(found.identity)
                if known is None or self._rank(path) < self._rank(known):
                    self.paths[found.identity] = path
            order.append((path, found))
        for path, found in order:
            if path in self.entries:
                continue
            if found.package is not None:
                known = modules[found.package]
                self.entries[path] = self._module(found.package) if known == path else Entry("=", path=known)
                continue
            primary = self.paths[found.identity]
            if primary != path:
                self.entries[path] = Entry("=", path=primary)
            else:
                self._describe(path, found)
        return self.entries

    # Which names there are

    def _rank(self, path: str) -> tuple[bool, bool, int, int, str]:
        """The better a name is known, the smaller."""
        return (canonical(path) != path, path not in self.preferred, path.count("."), len(path), path)

    def _names(self) -> Iterator[tuple[str, Found]]:
        """Public names with what they stand for, those near the top first."""
        pending: deque[tuple[str, str]] = deque([(self.root, self.start)])
        seen: set[str] = set()
        while pending:
            path, package = pending.popleft()
            if not self.library.is_module(package):
                continue
            yield canonical(path), Found(None, package, package=package)
            if package in seen:
                continue
            seen.add(package)
            for name, found in self._members(package):
                inner = f"{path}.{name}"
                if self._left_out(inner):
                    continue
                if found.package is None:
                    yield canonical(inner), found
                elif found.package.partition(".")[0] == self.package:
                    pending.append((inner, found.package))
            for name in () if self.scope.by_attribute else self.library.submodules(package):
                inner = f"{path}.{name}"
                if not name.startswith("_") and not self._left_out(inner):
                    pending.append((inner, f"{package}.{name}"))

    def _left_out(self, path: str) -> bool:
        name = path.rpartition(".")[2]
        if name in _NEVER or name.endswith(self.scope.endings):
            return True
        return any(path == prefix or path.startswith(prefix + ".") for prefix in self.scope.skipped)

    def _members(self, package: str) -> Iterator[tuple[str, Found]]:
        source, stub = self.library.alone(package, False), self.library.alone(package, True)
        first = source or stub
        assert first is not None
        names = dict.fromkeys(self.library.public(first))
        has_list = first.listed is not None or ("__all__" in first.names and not first.lists_all)
        listed = frozenset(names) if has_list else frozenset()
        for name, bound in first.names.items():
            if any(b.how == "from" and b.module == "builtins" for b in bound):
                names[name] = None  # numpy.float of old
        if stub is not None and source is not None and (source.listed is None or source.is_package):
            names.update(dict.fromkeys(self.library.public(stub, stub=True)))
        tables = notices.of_module(first, self._listings(first))
        gone = {name for name, made in tables.items() if made.gone}
        names.update(dict.fromkeys(name for name in tables if name not in gone))
        if package == "torch":
            c_functions = self.library.module(_TORCH_C, stub=True)
            names.update(dict.fromkeys(n for n in (c_functions.names if c_functions else ()) if n.islower()))
        for name in self.library.unread_names(first):
            yield name, Found(first, name, [])
        for name in names:
            if name.startswith("_") or name in gone:
                continue
            found = self.library.member(package, name)
            if found is None and package == "torch":
                found = self.library.member(_TORCH_C, name, stub=True)
            imported = [b for b in first.names.get(name, ()) if b.how == "from"]
            if any(self.scope.is_unread(b.module) for b in imported):
                yield name, Found(first, name, [])
                continue
            offered = any(b.explicit or self.scope.by_attribute for b in imported)
            if found is None and (name in tables or name in listed or offered):
                found = Found(first, name, [])
            if found is not None and (name in listed or self._own(first, name, found)):
                yield name, found

    def _own(self, module: Module, name: str, found: Found) -> bool:
        """Whether a module that does not list a name means it to be public."""
        if found.package is not None:
            return module.is_package
        if found.module is None:
            return False
        if any(bound.explicit or bound.module == "builtins" for bound in module.names.get(name, ())):
            return True
        if found.module.name.partition(".")[0] != self.package:
            return False
        if self.scope.by_attribute or found.module.name == module.name or found.module.name == _TORCH_C:
            return True
        # What a package imports from beside itself is for its own use; what it imports from within is what it offers.
        return module.is_package and found.module.name.startswith((f"{module.name}.", f"{self.package}._"))

    def _listings(self, module: Module) -> dict[str, ast.expr]:
        """The tables of deprecated names of a module, also where they stand in a module of their own."""
        found = notices.listings(module)
        for name in notices.TABLES:
            for bound in module.names.get(name, ()):
                other = self.library.member(bound.module, bound.name) if bound.how == "from" else None
                for value in other.bound if other is not None else ():
                    if isinstance(value.node, ast.Dict):
                        found[name] = value.node
        return found

    def _refused(self, module: Module) -> dict[str, Notice]:
        """Names that a module imports under another name from where a function does nothing but raise."""
        found: dict[str, Notice] = {}
        for name, bound in module.names.items():
            for one_bound in bound:
                if one_bound.how == "from" and one_bound.name == f"_{name}":
                    other = self.library.member(one_bound.module, one_bound.name)
                    for node in other.definitions if other is not None else ():
                        message = only_raises(node) if isinstance(node, FUNCTIONS) else None
                        if message is not None:
                            made = notices.notice(None, message)
                            found[name] = Notice(None, made.message, made.since, made.replacement, gone=True)
        return found

    @staticmethod
    def _builtins(module: Module) -> set[str]:
        """The names that stand in a module's code for what is not its own affair."""
        return {name for name, bound in module.names.items() if all(b.module == "builtins" for b in bound)}

    def _module(self, package: str) -> Entry:
        module = self.library.module(package)
        entry = Entry("d")
        if module is not None and not module.readable:
            return Entry("?")
        if module is not None:
            inner = [star for star in module.stars if star.partition(".")[0] == self.package]
            inner = [star for star in inner if not self.scope.is_unread(star)]
            stars = [self.library.module(star) for star in inner]
            entry.open = any(star is None or not star.readable for star in stars)
            computed = [module.partial and not module.lists_all, *(star is not None and star.partial for star in stars)]
            entry.computed = any(computed)
            entry.tables = {**notices.of_module(module, self._listings(module)), **self._refused(module)}
            text = module.path.read_text(encoding="utf-8", errors="replace")
            if "__getattr__" in text or "lazy" in text.lower():
                strings = (n.value for n in ast.walk(module.tree) if isinstance(n, ast.Constant))
                entry.quoted = frozenset(v for v in strings if isinstance(v, str) and v.isidentifier())
            entry.quoted |= module.names.keys() - self._builtins(module)
            entry.quoted |= frozenset(self.library.public(module)) if module.stars else frozenset()
        return entry

    # One name

    def _describe(self, path: str, found: Found) -> None:
        module = found.module
        if module is None:
            return
        if found.is_unknown:
            self.entries[path] = Entry("?")
            return
        functions = [d for d in found.definitions if isinstance(d, FUNCTIONS)]
        if found.definitions and isinstance(found.definitions[0], ast.ClassDef):
            self._class(path, found)
        elif functions and (message := only_raises(functions[-1])) is not None:
            parent, _, name = path.rpartition(".")
            if parent in self.entries:  # as good as removed
                made = notices.notice(None, message)
                self.entries[parent].tables[name] = Notice(None, made.message, made.since, made.replacement, gone=True)
        elif functions:
            self.entries[path] = self._function(functions, module, self._stub(path, found), path)
        else:
            self.entries[path] = self._value(path, found, module)

    def _stub(self, path: str, found: Found) -> Stubbed | None:
        """The definitions of a function in a stub."""
        module = found.module
        if module is None or module.path.suffix == ".pyi":
            return None
        stub = self.library.alone(module.name, True)
        bound = [] if stub is None else stub.names.get(found.name, [])
        nodes = [b.node for b in bound if isinstance(b.node, FUNCTIONS)]
        if stub is not None and nodes:
            return nodes, stub
        other = self.library.resolve(path, stub=True)
        if other is None or other.module is None or other.module.path.suffix != ".pyi":
            return None
        nodes = [d for d in other.definitions if isinstance(d, FUNCTIONS)]
        return (nodes, other.module) if nodes else None

    def _function(
        self, functions: list[Function], module: Module, stubbed: Stubbed | None, path: str, owner: str | None = None
    ) -> Entry:
        plain = [f for f in functions if not is_overload(f)] or functions
        main = plain[-1] if owner is None else plain[0]
        drop = owner is not None and not any(last_of(d) == "staticmethod" for d in main.decorator_list)
        entry = Entry("f" if owner is None else "m", stubbed=module.path.suffix == ".pyi")
        if any(last_of(d) in _PROPERTIES for f in functions for d in f.decorator_list):
            entry.what = "p"
        elif entry.stubbed and len(plain) > 1:
            entry.arguments = agreed([arguments_of(f, drop) for f in plain])
        else:
            entry.arguments = decorated_arguments(main, arguments_of(main, drop))
            entry.accepts = silently_accepted(main)
        nodes, where = stubbed if stubbed is not None else (functions, module)
        entry.kind = self._returned(nodes, where, owner)
        if entry.kind is None and stubbed is not None and not any(is_overload(node) for node in nodes):
            entry.kind = self._returned(functions, module, owner)
        if entry.kind is None and len(functions) == 1 and functions[0].returns is None and stubbed is None:
            entry.kind = self._documented(functions[0], owner)
        if returns_otherwise(main) or (self.root == "numpy" and asks_the_argument(main)):
            entry.kind = None
        for function in functions:
            entry.notices += notices.of_function(function, path)
        return entry

    def _returned(self, nodes: list[Function], module: Module, owner: str | None) -> str | None:
        kinds: list[str | None] = []
        overloads = [node for node in nodes if is_overload(node)]
        for node in overloads or nodes:
            if "setter" in {last_of(d) for d in node.decorator_list} or in_place(node):
                continue
            kinds.append(self.annotations.kind(node.returns, module, owner))
        return one(kinds) if kinds else None

    def _documented(self, node: Function, owner: str | None) -> str | None:
        doc = ast.get_docstring(node) or ""
        if owner is not None and returns_self(node):
            return "same"
        if self.root == "tensorflow":
            return returned_by_tensorflow(doc)
        return None if self.root in ("numpy", "scipy") else returned_by_docstring(doc, self.root)

    def _value(self, path: str, found: Found, module: Module) -> Entry:
        for bound in found.bound:
            text = bound.text or found.text
            signature = signature_line(text, path.rpartition(".")[2])
            if signature is not None:
                entry = Entry("f", arguments=arguments_of(signature), stubbed=True)
                entry.kind = self.annotations.kind(signature.returns, module, None)
                if signature.returns is not None and ast.unparse(signature.returns) == "Tensor":
                    entry.kind = "torch.Tensor"
                entry.notices += notices.of_docstring(text, path.rpartition(".")[2])
                return entry
        stubbed = self._stub(path, found)
        if stubbed is not None:
            return self._function(stubbed[0], stubbed[1], stubbed, path)
        for bound in found.bound:
            called = self._called(bound.annotation, module)
            if called is not None:
                entry = self._function(called[0], called[1], None, path, owner=path)
                entry.what = "f"
                return entry
            arguments = ufunc_arguments(bound.annotation)
            if arguments is not None:
                return Entry("f", arguments=arguments)
        return Entry("v")

    def _called(self, annotation: ast.expr | None, module: Module) -> Stubbed | None:
        """What calling a value does whose stub says that it is of a class with ``__call__``."""
        if isinstance(annotation, ast.Subscript) and last_of(annotation.value) == "Final":
            annotation = annotation.slice
        found = (
            self.library.within(module, last_of(annotation), stub=True) if isinstance(annotation, ast.Name) else None
        )
        for definition in found.definitions if found is not None else ():
            if isinstance(definition, ast.ClassDef) and found is not None and found.module is not None:
                nodes = [n for n in definition.body if isinstance(n, FUNCTIONS) and n.name == "__call__"]
                if nodes:
                    return nodes, found.module
        return None

    # Classes

    def _class(self, path: str, found: Found) -> None:
        entry = self.entries[path] = Entry("c")
        entry.bases, entry.open = self.classes.bases(found)
        entry.open = entry.open or (found.module is not None and found.module.path.suffix == ".pyi")
        for node in found.definitions:
            entry.quoted |= imported_in(node.body)
            for made in notices.of_class(node) if isinstance(node, ast.ClassDef) else ():
                if made.argument and made.argument.startswith("."):  # an attribute that the docstring tells of
                    about = Notice(None, made.message, made.since, made.replacement)
                    self.entries[path + made.argument] = Entry("p", notices=[about])
                else:
                    entry.notices.append(made)
        for name, nodes, where in self.classes.members(found):
            if name in ("__init__", "__new__"):
                constructors = [n for n in nodes if isinstance(n, FUNCTIONS) and not is_overload(n)]
                if constructors and (entry.arguments is None or name == "__init__"):
                    entry.arguments = decorated_arguments(constructors[-1], arguments_of(constructors[-1], True))
                    entry.accepts = silently_accepted(constructors[-1])
            entry.open = entry.open or (name == "__getattr__" and any(map(delegates, nodes)))
            entry.quoted |= mentioned(nodes)
            if not name.startswith("_") and not name.endswith(self.scope.endings):
                self._member_entry(path, name, nodes, where)
        stub = self.library.resolve(path, stub=True)
        if stub is not None and stub.module is not None and stub.module.path.suffix == ".pyi":
            for name, nodes, where in self.classes.members(stub):  # what only the stub tells of
                if not name.startswith("_") and f"{path}.{name}" not in self.entries:
                    self._member_entry(path, name, nodes, where)
        if entry.arguments is None:
            entry.arguments = self.classes.inherited_constructor(found)
        if entry.arguments is None:
            entry.arguments = fields(found)

    def _member_entry(self, path: str, name: str, nodes: list[ast.AST], where: Module) -> None:
        key = f"{path}.{name}"
        functions = [n for n in nodes if isinstance(n, FUNCTIONS)]
        if functions:
            made = self._function(functions, where, self._stubbed_method(path, name), key, owner=path)
        else:
            made = Entry("p")
            for node in nodes:
                if isinstance(node, ast.AnnAssign):
                    made.kind = self.annotations.kind(node.annotation, where, path)
                elif isinstance(node, ast.Assign) and isinstance(node.value, (ast.Name, ast.Lambda)):
                    made.what = "m"
        before = self.entries.get(key)
        if before is not None:
            made.notices += before.notices
        self.entries[key] = made

    def _stubbed_method(self, path: str, name: str) -> Stubbed | None:
        """The overloads of a method in a stub of the class."""
        found = self.library.resolve(path, stub=True)
        if found is None or found.module is None or found.module.path.suffix != ".pyi":
            return None
        for definition in found.definitions:
            if isinstance(definition, ast.ClassDef):
                nodes = [n for n in definition.body if isinstance(n, FUNCTIONS) and n.name == name]
                if nodes:
                    return nodes, found.module
        return None
