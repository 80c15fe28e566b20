"""What is known of one public name in one version of a library, and how it is read off a definition."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from scripts.library_tables.notices import Notice
from scripts.library_tables.reading import FUNCTIONS, Found, Function, constant_text, last_of


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter as one version has it."""

    name: str
    how: str
    default: str | None


@dataclass(slots=True)
class Entry:
    """One public name as one version has it.

    Attributes:
        what: ``f`` function, ``c`` class, ``m`` method, ``p`` property or attribute, ``v`` constant, ``d`` module,
            ``=`` another name of an object, ``?`` something of which nothing is known, as its file does not parse.
        arguments: the parameters, in order; None where they are not known.
        kind: what calling it (or reading it) gives.
        bases: for a class, its bases by public name.
        open: whether a class or module can have members that are not seen here.
        notices: what is deprecated about it.
        path: for another name of an object, the name that it is best known by.
        stubbed: whether the parameters are those of a stub.
        quoted: for a module that makes names when they are asked for, the strings in it; for a class, the names that
            its methods set on an object.
        tables: for a module, what it says about its names.
        computed: whether a module works out some names of values that it offers.
        accepts: names of arguments that a decorator silently takes as well.
    """

    what: str
    arguments: list[Argument] | None = None
    kind: str | None = None
    bases: list[str] = field(default_factory=list)
    open: bool = False
    notices: list[Notice] = field(default_factory=list)
    path: str | None = None
    stubbed: bool = False
    quoted: frozenset[str] = frozenset()
    tables: dict[str, Notice] = field(default_factory=dict)
    computed: bool = False
    accepts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of a library the tables cover.

    Attributes:
        root: the top-level name that the library is known by.
        starts: the modules that may hold its public names; the first that there is does.
        skipped: dotted prefixes that are left out.
        endings: endings of names that are left out.
        unread: a package of which only the names are read, as its modules are too many.
        read: modules in it that are read all the same.
        worked_out: a pattern of names that a module may make when they are asked for.
        by_attribute: whether only what a module offers is public, not every file that lies in its folder.
        lean: whether methods and attributes are kept only where they give something to go on with.
    """

    root: str
    starts: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    unread: str | None = None
    read: tuple[str, ...] = ()
    worked_out: str | None = None
    by_attribute: bool = False
    lean: bool = False

    def is_unread(self, module: str) -> bool:
        """Whether only the names of a module are read."""
        if self.unread is None or not module.startswith(f"{self.unread}."):
            return False
        return not any(module == name or module.startswith(f"{name}.") for name in self.read)


def arguments_of(node: Function, drop_first: bool = False) -> list[Argument]:
    """The parameters of a definition."""
    given = node.args
    positional = [*((a, "positional") for a in given.posonlyargs), *((a, "either") for a in given.args)]
    defaults: list[ast.expr | None] = [*[None] * (len(positional) - len(given.defaults)), *given.defaults]
    found = [_argument(a.arg, how, shown(d)) for (a, how), d in zip(positional, defaults)]
    if drop_first and found:
        found = found[1:]
    if given.vararg is not None:
        found.append(Argument(given.vararg.arg, "*", None))
    found += [Argument(a.arg, "keyword", shown(d)) for a, d in zip(given.kwonlyargs, given.kw_defaults)]
    if given.kwarg is not None:
        found.append(Argument(given.kwarg.arg, "**", None))
    return found


def _argument(name: str, how: str, default: str | None) -> Argument:
    """A parameter; two underscores in front of its name are how old stubs say that it is given by position only."""
    if name.startswith("__") and not name.endswith("__"):
        return Argument(name[2:], "positional", default)
    return Argument(name, how, default)


def decorated_arguments(node: Function, arguments: list[Argument]) -> list[Argument]:
    """The parameters of a definition with those that SciPy's decorators add to its signature."""
    added: list[Argument] = []
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and last_of(decorator.func) == "_axis_nan_policy_factory":
            axis = next((shown(k.value) for k in decorator.keywords if k.arg == "default_axis"), "0")
            added.append(Argument("axis", "keyword", axis))
            added.append(Argument("nan_policy", "keyword", "'propagate'"))
            added.append(Argument("keepdims", "keyword", "False"))
        elif isinstance(decorator, ast.Call) and last_of(decorator.func) == "_transition_to_rng" and decorator.args:
            added.append(Argument(constant_text(decorator.args[0]), "keyword", "None"))
    known = {argument.name for argument in arguments}
    added = [argument for argument in added if argument.name not in known]
    rest = [argument for argument in arguments if argument.how == "**"]
    return [*(argument for argument in arguments if argument.how != "**"), *added, *rest] if added else arguments


def silently_accepted(node: Function) -> frozenset[str]:
    """The former names of arguments that decorators translate without a word."""
    calls = [d for d in node.decorator_list if isinstance(d, ast.Call) and last_of(d.func) == "_rename_parameter"]
    return frozenset(constant_text(call.args[0]) for call in calls if len(call.args) == 2 and not call.keywords)


def shown(default: ast.expr | None) -> str | None:
    """A default as text, shortened where it is long."""
    if default is None:
        return None
    text = ast.unparse(default)
    return text if len(text) <= 40 and "\n" not in text and "\t" not in text else "..."


def agreed(versions: list[list[Argument]]) -> list[Argument] | None:
    """The parameters of overloads, where each takes the first of those that the longest one takes."""
    longest = max(versions, key=len)
    names = {a.name for a in longest}
    positional = [a.name for a in longest if a.how in ("either", "positional")]
    always = set(names)
    for other in versions:
        own = {a.name for a in other}
        first = [a.name for a in other if a.how in ("either", "positional")]
        if not own <= names or first != positional[: len(first)]:
            return None
        always &= own
    merged: list[Argument] = []
    for argument in longest:
        default = argument.default
        if argument.how not in ("*", "**"):
            same = [a for other in versions for a in other if a.name == argument.name]
            written = {a.default for a in same if a.default not in (None, "...")}
            optional = argument.name not in always or any(a.default is not None for a in same)
            default = (written.pop() if len(written) == 1 else "...") if optional else None
        merged.append(Argument(argument.name, argument.how, default))
    return merged


_DEFAULTS = frozenset({"default", "default_factory"})


def fields(found: Found) -> list[Argument] | None:
    """The parameters of a dataclass without bases."""
    for node in found.definitions:
        decorated = [last_of(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list]
        if isinstance(node, ast.ClassDef) and "dataclass" in decorated and not node.bases:
            arguments = []
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    default = shown(statement.value)
                    if isinstance(statement.value, ast.Call):
                        said = {k.arg: k.value for k in statement.value.keywords}
                        init = said.get("init")
                        if isinstance(init, ast.Constant) and not init.value:
                            continue
                        has_default = last_of(statement.value.func) != "field" or said.keys() & _DEFAULTS
                        default = "..." if has_default else None
                    if last_of(getattr(statement.annotation, "value", statement.annotation)) != "ClassVar":
                        arguments.append(Argument(statement.target.id, "either", default))
            return arguments
    return None


def signature_line(text: str, name: str) -> ast.FunctionDef | None:
    """The signature that the first lines of a docstring give: ``inv(A, *, out=None) -> Tensor``."""
    for line in text.strip().splitlines()[:3]:
        given = re.match(rf"^\s*(?:[\w.]+\.)?{re.escape(name)}(\(.*\))(?:\s*->\s*(.+?))?\s*$", line)
        if given is not None:
            returned = f" -> {given.group(2)}" if given.group(2) else ""
            for ending in (returned, ""):
                try:
                    return parsed(f"def f{given.group(1)}{ending}: 0")
                except SyntaxError:
                    continue
    return None


def parsed(text: str) -> ast.FunctionDef:
    """The definition in a text."""
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.FunctionDef)
    return node


def ufunc_arguments(annotation: ast.expr | None) -> list[Argument] | None:
    """The parameters of a ufunc, whose stub tells how many operands it has."""
    head = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    given = None if head is None else re.match(r"_(?:PyFunc|UFunc)_Nin(\d)_Nout(\d)", last_of(head))
    if given is None:
        return None
    count = int(given.group(1))
    operands = ", ".join(["x"] if count == 1 else [f"x{number + 1}" for number in range(count)])
    rest = "out=None, *, where=True, casting='same_kind', order='K', dtype=None, subok=True, signature=None"
    return arguments_of(parsed(f"def f({operands}, /, {rest}): 0"))


def members_of(body: list[ast.stmt], members: dict[str, list[ast.AST]]) -> None:
    """Collect what a class body defines, by name."""
    for statement in body:
        if isinstance(statement, FUNCTIONS):
            members.setdefault(statement.name, []).append(statement)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            members.setdefault(statement.target.id, []).append(statement)
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    members.setdefault(target.id, []).append(statement)
        elif isinstance(statement, ast.If):
            members_of(statement.body, members)
            members_of(statement.orelse, members)


def imported_in(body: list[ast.stmt]) -> frozenset[str]:
    """The names that a class body imports: members that are defined elsewhere."""
    imports = [statement for statement in body if isinstance(statement, (ast.Import, ast.ImportFrom))]
    return frozenset(alias.asname or alias.name for statement in imports for alias in statement.names)


def is_overload(node: Function) -> bool:
    """Whether a definition is one of several signatures."""
    return any(last_of(d) == "overload" for d in node.decorator_list)


def returns_otherwise(node: Function) -> bool:
    """Whether calling a function does not give what its body returns."""
    if isinstance(node, ast.AsyncFunctionDef) or any("contextmanager" in last_of(d) for d in node.decorator_list):
        return True
    return any(isinstance(inner, (ast.Yield, ast.YieldFrom)) for inner in ast.walk(node))


def in_place(node: Function) -> bool:
    """Whether an overload is the one for ``inplace=True``: whoever asks for a result does not call that one."""
    for argument in (*node.args.args, *node.args.kwonlyargs):
        if argument.arg == "inplace" and argument.annotation is not None and is_overload(node):
            text = ast.unparse(argument.annotation)
            either = "bool" in text and node.returns is not None and "None" in ast.unparse(node.returns)
            return "Literal[True]" in text or either
    return False


def returns_self(node: Function) -> bool:
    """Whether every return of a method gives the receiver back."""
    if not node.args.args or any(last_of(d) in ("staticmethod", "classmethod") for d in node.decorator_list):
        return False
    receiver = node.args.args[0].arg
    returned = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return)]
    return bool(returned) and all(isinstance(value, ast.Name) and value.id == receiver for value in returned)


def asks_the_argument(node: Function) -> bool:
    """Whether a function of NumPy lets its argument do the work: a frame gives a frame then."""
    calls = (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))
    return any(last_of(call.func) in ("_wrapfunc", "_wrapreduction", "_wrapit") for call in calls)


def delegates(node: ast.AST) -> bool:
    """Whether a ``__getattr__`` hands out what another object has."""
    for inner in ast.walk(node):
        if (
            isinstance(inner, ast.Call)
            and isinstance(inner.func, ast.Name)
            and inner.func.id == "getattr"
            and inner.args
        ):
            if not (isinstance(inner.args[0], ast.Name) and inner.args[0].id == "self"):
                return True
    return False


def mentioned(nodes: list[ast.AST]) -> frozenset[str]:
    """The names that methods set on an object, or give to functions in themselves."""
    found: set[str] = set()
    for node in nodes:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
                found.add(inner.attr)
            elif isinstance(inner, FUNCTIONS) and inner is not node:
                found.add(inner.name)
            elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == "setattr":
                found |= {a.value for a in inner.args if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return frozenset(found)


def only_raises(node: Function) -> str | None:
    """The message of a function that does nothing but raise: it is there for the message."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if len(body) != 1 or not isinstance(body[0], ast.Raise) or not isinstance(body[0].exc, ast.Call):
        return None
    message = constant_text(body[0].exc.args[0]) if body[0].exc.args else ""
    return message if re.search(r"removed|deprecated|no longer", message) else None
