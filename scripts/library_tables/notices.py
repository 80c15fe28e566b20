"""What a library says it gives up: decorators, warnings in bodies, directives in docstrings, tables of modules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from scripts.library_tables.reading import FUNCTIONS, Definition, Module, constant_text, last_of

_CATEGORY = re.compile(r"Deprecat|FutureWarning")
_SAYS = re.compile(r"deprecat|renamed|will be removed|no longer|has been removed|was removed", re.IGNORECASE)
_VERSION = re.compile(
    r"(?:deprecated|renamed|removed|introduced|replaced)[^.;]{0,60}?(?:in|since|from|as of)(?: version| release)?"
    r"(?: [A-Za-z-]+)? v?(\d+\.\d+(?:\.\d+)*)",
    re.IGNORECASE,
)
_SINCE = re.compile(r"\bsince(?: version)? v?(\d+\.\d+(?:\.\d+)*)", re.IGNORECASE)
_QUOTED = re.compile(
    r"(?:[Uu]se|[Uu]sing|in favou?r of|replaced (?:by|with)|renamed (?:to|as)|[Ss]witch(?:ing)? to|[Mm]igrate to|"
    r"moved to|[Ii]nstead,? (?:use|of this, use)|replacement is|[Cc]all|rely on|available (?:as|in)|pass(?:ing)?|set|"
    r"specify):?\s+(?:the\s+|a\s+|an\s+|either\s+|new\s+|explicitly\s+)*(?::\w+:)?"
    r"(?:`+~?\.?([A-Za-z_][^`]*)`|'([A-Za-z_][^']*)'|\"([A-Za-z_][^\"]*)\")"
)
_BARE = re.compile(
    r"(?:[Uu]se|in favou?r of|replaced (?:by|with)|renamed to|moved to|instead use)\s+(?:the\s+)?"
    r"([A-Za-z_]\w*(?:\.\w+)+(?:\([^)]*\))?|[A-Za-z]\w*_\w+(?:\([^)]*\))?|[A-Za-z_]\w+(?=\s+instead))"
)
_CONDITIONAL = re.compile(
    r"(?:If|When|Passing|Setting|Using|Calling|Specifying|Values?|Not|Allowing|Support for|Providing|Omitting|"
    r"Accepting|The default|`+(?:None|True|False))\b|`+[\"']"
)
_WARNING = re.compile(r"^( *)\.\. warning::[ ]*((?:.*\n?)(?:(?:\1 +.*)?\n)*(?:\1 +.*)?)", re.MULTILINE)
_DIRECTIVE = re.compile(r"^(\s*)\.\. deprecated::?\s*(?:version\s+)?v?(\d+\.\d+(?:\.\d+)*)?")


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that one version of a library gives up.

    Attributes:
        argument: the argument of a function; ``name='value'`` for one value of it; None for the whole thing.
        message: what the library says.
        since: the version that the text names.
        replacement: what the text names instead.
        gone: whether using it already fails.
        accepted: whether the function takes the argument though its signature does not show it.
    """

    argument: str | None
    message: str
    since: str | None = None
    replacement: str | None = None
    gone: bool = False
    accepted: bool = False


def notice(argument: str | None, message: str, since: str | None = None, replacement: str | None = None) -> Notice:
    """A notice with what its message says about versions and replacements."""
    text = " ".join(message.replace("\n", " ").replace("\t", " ").split())
    if since is None:
        found = _VERSION.search(text) or _SINCE.search(text)
        if found is not None and "removed" not in text[max(0, found.start() - 2) : found.end()].lower():
            since = found.group(1)
    if replacement is None:
        replacement = replaced_by(text)
    if argument is not None and replacement == argument:
        replacement = None
    if len(text) > 160:
        text = text[:157].rstrip() + "..."
    return Notice(argument, text, since, replacement)


def replaced_by(text: str) -> str | None:
    """The replacement that a message names."""
    for pattern in (_QUOTED, _BARE):
        for found in pattern.finditer(text):
            name = next(group for group in found.groups() if group).strip().rstrip(".,;")
            if len(name) <= 80 and name.lower() not in ("instead", "this", "it", "one", "none", "false", "true"):
                return name
    return None


def of_function(node: ast.FunctionDef | ast.AsyncFunctionDef, qualified: str) -> list[Notice]:
    """What a function says about itself and its arguments."""
    arguments = {a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)} - {"self", "cls"}
    found = list(_decorators(node))
    found += _warnings(node.body, arguments, qualified.rpartition(".")[2], receiver=None)
    found += of_docstring(ast.get_docstring(node) or "", qualified.rpartition(".")[2])
    return _distinct(found)


def of_class(node: ast.ClassDef) -> list[Notice]:
    """What a class says about itself and the arguments of its constructor."""
    found = list(_decorators(node)) + of_docstring(ast.get_docstring(node) or "", node.name)
    constructor = next((n for n in node.body if isinstance(n, FUNCTIONS) and n.name in ("__init__", "__new__")), None)
    if constructor is not None:
        found += of_function(constructor, node.name)
        arguments = {a.arg for a in (*constructor.args.args, *constructor.args.kwonlyargs)} - {"self"}
        for method in node.body:
            if isinstance(method, FUNCTIONS) and method is not constructor and method.args.args:
                receiver = method.args.args[0].arg
                found += [n for n in _warnings(method.body, arguments, "", receiver=receiver) if n.argument]
    return _distinct(found)


def _distinct(notices: list[Notice]) -> list[Notice]:
    """One for each argument; what one leaves open, another of the same may say."""
    by_argument: dict[str | None, Notice] = {}
    for one in notices:
        known = by_argument.get(one.argument)
        by_argument[one.argument] = (
            one
            if known is None
            else Notice(
                one.argument,
                known.message or one.message,
                known.since or one.since,
                known.replacement or one.replacement,
                known.gone,
                known.accepted or one.accepted,
            )
        )
    return list(by_argument.values())


def _decorators(node: Definition) -> Iterator[Notice]:
    for decorator in node.decorator_list:
        name = last_of(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if name == "_rename_parameter" and isinstance(decorator, ast.Call):
            yield from _renamed(decorator)
        if "deprecat" not in name.lower():
            continue
        call = decorator if isinstance(decorator, ast.Call) else ast.Call(decorator, [], [])
        keywords = {k.arg: k.value for k in call.keywords if k.arg}
        texts = [constant_text(argument) for argument in call.args]
        values = {key: constant_text(value) for key, value in keywords.items()}
        lower = name.lower()
        if "positional" in lower or "nonkeyword" in lower or "endpoints" in lower:
            continue
        if lower in ("deprecated_args", "deprecated_arg_values"):  # TensorFlow: date, instructions, names
            names = (
                texts[2:]
                if lower == "deprecated_args"
                else [f"{key}={ast.unparse(value)}" for key, value in keywords.items() if key != "warn_once"]
            )
            for argument in names:
                if argument:
                    yield notice(argument, texts[1] if len(texts) > 1 else "")
        elif "kwarg" in lower or "param" in lower or "argument" in lower:
            old = values.get("old_arg_name") or values.get("old_name") or (texts[0] if texts else "")
            new = values.get("new_arg_name") or values.get("new_name") or (texts[1] if len(texts) > 1 else "")
            if not old.isidentifier():
                continue
            message = values.get("additional_message") or values.get("message") or values.get("comment") or ""
            message = message or (f"`{old}` is deprecated, use `{new}`" if new else f"`{old}` is deprecated")
            since = values.get("version") if "renamed" in lower else None
            made = notice(old, message, since or None, new or None)
            yield Notice(old, made.message, made.since, made.replacement, accepted=True)
        else:
            message = values.get("message") or values.get("reason") or values.get("extra") or values.get("help") or ""
            if not message:
                message = next((t for t in texts if " " in t), "") or (texts[0] if len(texts) == 1 else "")
            since = values.get("version") or values.get("deprecated_in") or None
            if since is not None and not re.match(r"\d+\.\d+", since):
                since = None
            yield notice(None, message, since, values.get("new") or values.get("alternative") or None)


def _renamed(call: ast.Call) -> Iterator[Notice]:
    """SciPy's ``_rename_parameter("old", "new", dep_version="1.11.0")``; without a version nothing is said."""
    version = [keyword.value for keyword in call.keywords if keyword.arg == "dep_version"]
    texts = [constant_text(value) for value in (*call.args, *version)]
    if len(texts) == 3:
        old, new, since = texts
        yield Notice(old, f"`{old}` is deprecated, use `{new}`", since, new, accepted=True)


def _warnings(body: list[ast.stmt], arguments: set[str], name: str, receiver: str | None) -> list[Notice]:
    found: list[Notice] = []
    texts: dict[str, str] = {}

    def visit(statements: list[ast.stmt], given: list[str], nested: bool) -> None:
        for statement in statements:
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                text = constant_text(statement.value)
                if text and isinstance(statement.targets[0], ast.Name):
                    texts[statement.targets[0].id] = text
            elif isinstance(statement, ast.If):
                inner = _tested(statement.test, arguments, receiver)
                visit(statement.body, [*given, *inner], True)
                visit(statement.orelse, given, True)
            elif isinstance(statement, (ast.With, ast.Try)):
                visit(statement.body, given, nested or isinstance(statement, ast.Try))
            elif isinstance(statement, (ast.For, ast.While)):
                visit(statement.body, given, True)
            elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                message = _warned(statement.value, texts)
                if message is None:
                    continue
                about = [a for a in given if re.search(rf"\b{re.escape(a.partition('=')[0])}\b", message)]
                about = about or (given if len(given) == 1 else [])
                if about:
                    found.extend(notice(argument, message) for argument in about[-1:])
                elif not nested and not given and receiver is None and _about_itself(message, name):
                    found.append(notice(None, message))

    visit(body, [], False)
    return found


def _about_itself(message: str, name: str) -> bool:
    if re.search(r"\b[Tt]his (?:function|method|class|module|operator|API)\b[^.]*deprecat", message):
        return True
    return bool(name) and bool(
        re.search(rf"\b{re.escape(name)}\b(?:\([^)]*\))?[`'\"]*\s[^.]*?(?:deprecat|renamed|removed)", message)
    )


def _warned(call: ast.Call, texts: dict[str, str]) -> str | None:
    """The message of a call that warns of a deprecation."""
    function = last_of(call.func).lower()
    if "warn" not in function and "deprecat" not in function:
        return None
    parts = [*call.args, *(k.value for k in call.keywords)]
    message = ""
    for part in parts:
        message = texts.get(part.id, "") if isinstance(part, ast.Name) else constant_text(part)
        if message:
            break
    category = any(_CATEGORY.search(ast.unparse(part)) for part in parts if isinstance(part, (ast.Name, ast.Attribute)))
    if not category and "deprecat" not in function and "deprecat" not in message.lower():
        return None
    return message if _SAYS.search(message) else None


def _tested(test: ast.expr, arguments: set[str], receiver: str | None) -> list[str]:
    """The arguments of which a condition says that the caller gave them; ``name='value'`` for one value."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return [name for value in test.values for name in _tested(value, arguments, receiver)]
    name = _argument(test, arguments, receiver)
    if name is not None:
        return [name]
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return []
    name = _argument(test.left, arguments, receiver)
    if name is None:
        return []
    other = test.comparators[0]
    text = ast.unparse(other)
    empty = (
        text in ("None", "'deprecated'", "'warn'", "''")
        or "default" in text.lower()
        or "sentinel" in text.lower()
        or "deprecated" in text.lower()
    )
    if isinstance(test.ops[0], (ast.IsNot, ast.NotEq)) and (empty or "missing" in text.lower()):
        return [name]
    if isinstance(test.ops[0], ast.Eq) and isinstance(other, ast.Constant) and isinstance(other.value, (str, int)):
        if empty:
            return []
        return [f"{name}={text}"]
    return []


def _argument(node: ast.expr, arguments: set[str], receiver: str | None) -> str | None:
    if receiver is None:
        return node.id if isinstance(node, ast.Name) and node.id in arguments else None
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == receiver:
        return node.attr if node.attr in arguments else None
    return None


def of_docstring(doc: str, name: str) -> list[Notice]:
    """What a docstring says of ``name``: its ``deprecated`` directives, and warnings that begin with it."""
    return [*(_directives(doc) if ".. deprecated" in doc else ()), *_warned_of(doc, name)]


def _warned_of(doc: str, name: str) -> Iterator[Notice]:
    """PyTorch's ``.. warning:: :func:`torch.qr` is deprecated in favor of :func:`torch.linalg.qr```."""
    for found in _WARNING.finditer(doc.expandtabs()):
        text = " ".join(found.group(2).split())
        if re.match(rf"(?:This \w+|(?::\w+:)?`*[\w.]*\b{re.escape(name)}`*(?:\(\))?) is deprecated\b", text):
            yield notice(None, ". ".join(re.split(r"\.\s+", text)[:2]).rstrip(".") + ".")


def _directives(doc: str) -> list[Notice]:
    """The ``deprecated`` directives of a docstring: before its sections about the whole, in Parameters about one."""
    lines = doc.expandtabs().splitlines()
    section, header, outer = "", None, 0
    found: list[Notice] = []
    for number, line in enumerate(lines):
        following = lines[number + 1].strip() if number + 1 < len(lines) else ""
        if line.strip() and len(following) > 2 and set(following) == {"-"}:
            section, header = line.strip(), None
            outer = len(line) - len(line.lstrip())
            continue
        indent = len(line) - len(line.lstrip())
        if section and line.strip() and indent == outer and not line.strip().startswith(".."):
            header = line.strip().partition(":")[0].strip()
        directive = _DIRECTIVE.match(line)
        if directive is None:
            continue
        text = [line.strip().partition("::")[2].strip()]
        for more in lines[number + 1 :]:
            if more.strip() and len(more) - len(more.lstrip()) <= indent:
                break
            text.append(more.strip())
        said = " ".join(part for part in text if part)
        said = re.sub(r"^(?:version\s+)?v?\d+(?:\.\d+)*\s*", "", said)
        if not section:
            found.append(notice(None, said, directive.group(2)))
        elif _CONDITIONAL.match(said):
            continue  # one way to use it, not the thing
        elif section in ("Parameters", "Other Parameters") and header is not None:
            for name in header.split(","):
                if name.strip().lstrip("*").isidentifier():
                    found.append(notice(name.strip().lstrip("*"), said, directive.group(2)))
        elif section == "Attributes" and header is not None and header.isidentifier():
            found.append(notice(f".{header}", said, directive.group(2)))
    return found


_GONE = ("__former_attrs__", "__expired_attributes__", "_removed", "_REMOVED")
_GOING = ("__deprecated_attrs__", "_deprecations", "_deprecated_attrs", "_DEPRECATED")
TABLES = (*_GONE, *_GOING)
"""How libraries call their tables of deprecated names."""


def of_module(module: Module, listings: dict[str, ast.expr]) -> dict[str, Notice]:
    """What a module says about its names in a table that its ``__getattr__`` reads, or in ``__getattr__`` itself."""
    found: dict[str, Notice] = {}
    for table, value in listings.items():
        if isinstance(value, ast.Dict):
            for key, entry in zip(value.keys, value.values):
                name = constant_text(key)
                if not name.isidentifier():
                    continue
                if isinstance(entry, ast.Tuple) and entry.elts:
                    message = constant_text(entry.elts[0])
                    last = entry.elts[-1]
                    gone = isinstance(last, ast.Constant) and last.value is None
                else:
                    message, gone = constant_text(entry), table in _GONE
                made = notice(None, message)
                found[name] = Notice(None, made.message, made.since, made.replacement, gone=gone)
    for function in module.tree.body:
        if isinstance(function, ast.FunctionDef) and function.name == "__getattr__" and function.args.args:
            _shim(function, found)
    return found


def _shim(function: ast.FunctionDef, found: dict[str, Notice]) -> None:
    """``if name == "load_boston": raise ImportError(message)``, or a warning in its place."""
    parameter = function.args.args[0].arg
    for node in ast.walk(function):
        if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare):
            continue
        left, right = node.test.left, node.test.comparators[0]
        if not isinstance(left, ast.Name) or left.id != parameter or not isinstance(node.test.ops[0], ast.Eq):
            continue
        name = constant_text(right)
        texts: dict[str, str] = {}
        for statement in node.body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                texts[statement.targets[0].id] = constant_text(statement.value)
            if isinstance(statement, ast.Raise) and isinstance(statement.exc, ast.Call) and statement.exc.args:
                first = statement.exc.args[0]
                message = texts.get(first.id, "") if isinstance(first, ast.Name) else constant_text(first)
                made = notice(None, message)
                found[name] = Notice(None, made.message, made.since, made.replacement, gone=True)
            elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                warned = _warned(statement.value, texts)
                if warned is not None and name not in found:
                    found[name] = notice(None, warned)


def listings(module: Module) -> dict[str, ast.expr]:
    """The tables of deprecated names in a module, by the name of the table."""
    found: dict[str, ast.expr] = {}
    types: list[tuple[str, str]] = []
    texts: dict[str, str] = {}

    def visit(body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    if not isinstance(target, ast.Name) or node.value is None:
                        continue
                    texts[target.id] = constant_text(node.value)
                    if target.id == "_type_info":
                        types[:] = _pairs(node.value)
                    elif target.id in TABLES:
                        found[target.id] = _expanded(node.value, types, texts.get("_msg", ""))
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                func = node.value.func
                if isinstance(func, ast.Attribute) and func.attr == "update" and isinstance(func.value, ast.Name):
                    if func.value.id in TABLES and node.value.args:
                        merged = _expanded(node.value.args[0], types, texts.get("_msg", ""))
                        before = found.get(func.value.id)
                        if isinstance(before, ast.Dict) and isinstance(merged, ast.Dict):
                            merged = ast.Dict([*before.keys, *merged.keys], [*before.values, *merged.values])
                        found[func.value.id] = merged
            elif isinstance(node, (ast.If, ast.Try, ast.With)):
                visit(node.body)
                visit(getattr(node, "orelse", []))

    visit(module.tree.body)
    return found


def _pairs(value: ast.expr) -> list[tuple[str, str]]:
    if not isinstance(value, ast.List):
        return []
    rows = [row.elts for row in value.elts if isinstance(row, ast.Tuple) and row.elts]
    return [(constant_text(row[0]), constant_text(row[-1])) for row in rows]


def _expanded(value: ast.expr, types: list[tuple[str, str]], template: str) -> ast.expr:
    """A comprehension over ``_type_info`` written out, each message made from the template."""
    if isinstance(value, ast.DictComp):
        kept = isinstance(value.value, ast.Tuple)
        entries: list[ast.expr] = []
        for name, more in types:
            message = template.replace("{n}", name).replace("{an}", more).replace("{extended_msg}", "")
            text = ast.Constant(message)
            entries.append(ast.Tuple([text, ast.Name("value")]) if kept else text)
        return ast.Dict([ast.Constant(name) for name, _ in types], entries)
    return value
