"""What mlint knows about a file, for contributors and for bug reports: ``mlint --debug-model FILE``."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlint.finding import Location
from mlint.model.tree import FUNCTIONS, LOOPS, LoopNode, walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.model.names import Binding
    from mlint.model.versions import Versions

_UNSAID = "-"


def described(model: FileModel, versions: Versions) -> Iterator[str]:
    """The lines that tell all about a file, the same in every run."""
    yield f"file: {model.source.path}"
    yield f"role: {model.role.name} ({model.role.reason})"
    yield from _section("imports: name, what it stands for, where that lies", _imports(model))
    yield from _section("targeted versions", _targets(model, versions))
    yield from _section("names: line, name, how it gets its value, kind", _names(model))
    yield from _section("loops: line, what it goes over, what it is, when it runs", _loops(model))
    yield from _section("functions: line, what each certainly and possibly does", _functions(model))
    yield from _section("program: what it does with chance when it is run", _program(model))
    consulted = set(model.dependencies)
    if model.project is not None:
        consulted |= model.project.consulted(model.source.path)
    yield from _section("other files that decided this", sorted(_shown(path) for path in consulted if _there(path)))


def _section(title: str, lines: Iterator[str] | list[str]) -> Iterator[str]:
    yield ""
    yield title
    written = False
    for line in lines:
        written = True
        yield f"  {line}"
    if not written:
        yield "  none"


def _there(path: str) -> bool:
    return os.path.isfile(path)


def _shown(path: str) -> str:
    """A path from the working folder where it lies in that."""
    start = os.path.join(os.getcwd(), "")
    return path[len(start) :] if path.startswith(start) else path


def _line(node: ast.AST) -> int:
    return getattr(node, "lineno", 0)


def _at(model: FileModel, line: int) -> str:
    """A line as it is shown: in a notebook with its cell."""
    return model.source.shown_at(Location(line, 1)).rpartition(":")[0] if model.source.is_notebook else str(line)


def _short(node: ast.AST, limit: int = 60) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _scopes(model: FileModel) -> Iterator[tuple[str, ast.AST]]:
    yield "", model.module
    for node in walk(model.module):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield _qualified(model, node), node


def _qualified(model: FileModel, node: ast.AST) -> str:
    parts = [getattr(node, "name", "")]
    for ancestor in model.tree.ancestors(node):
        if isinstance(ancestor, (*FUNCTIONS, ast.ClassDef)):
            parts.insert(0, ancestor.name)
    return ".".join(parts)


def _bound(model: FileModel) -> list[tuple[int, str, Binding]]:
    found: list[tuple[int, str, Binding]] = []
    for scope, node in _scopes(model):
        for bindings in model.names.bindings(node).values():
            for binding in bindings:
                found.append((_line(binding.node), f"{scope}.{binding.name}" if scope else binding.name, binding))
    return sorted(found, key=lambda item: (item[0], item[1], item[2].how, item[2].path))


def _imports(model: FileModel) -> Iterator[str]:
    for line, name, binding in _bound(model):
        if binding.imported is None:
            continue
        meant = binding.imported + (".*" if binding.how == "star" else "")
        yield f"{_at(model, line)}: {name} = {meant} -> {_place(model, binding.imported)}"


def _place(model: FileModel, dotted: str) -> str:
    project = model.project
    if project is None:
        return "not looked for"
    path = project.locate(dotted, model.source.path)
    if path is not None:
        return _shown(path)
    found = project.definition(dotted, model.source.path)
    if found is not None:
        return f"{_shown(found[0].source.path)}, line {_line(found[1])}"
    head = dotted.rpartition(".")[0] or "." * (len(dotted) - len(dotted.lstrip(".")))
    path = project.locate(head, model.source.path) if head else None
    if path is not None:
        return f"{_shown(path)}, no one function or class"
    return "not found" if dotted.startswith(".") else "not the project's"


def _targets(model: FileModel, versions: Versions) -> Iterator[str]:
    libraries = {"python"}
    for _, _, binding in _bound(model):
        if binding.imported is not None and not binding.imported.startswith("."):
            libraries.add(binding.imported.partition(".")[0])
    for library in sorted(libraries):
        target = versions.target(library)
        if target is not None:
            yield f"{library} {target}"


def _names(model: FileModel) -> Iterator[str]:
    for line, name, binding in _bound(model):
        if binding.imported is not None:
            continue
        if binding.how in ("function", "class"):
            yield f"{_at(model, line)}: {name}  {binding.how}"
        else:
            yield f"{_at(model, line)}: {name}  {binding.how}  {model.kinds.binding(binding)}"
    for scope, owner in _scopes(model):
        if isinstance(owner, ast.ClassDef):
            for node in _own_stores(model, owner):
                yield f"{_at(model, _line(node))}: {scope}.self.{node.attr}  attribute  {model.kinds.of(node)}"


def _own_stores(model: FileModel, owner: ast.ClassDef) -> list[ast.Attribute]:
    """The first place where a class sets each attribute of self, by name."""
    found: dict[str, ast.Attribute] = {}
    for node in walk(owner):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and model.kinds.is_self(node.value):
            if model.tree.class_of(node) is owner:
                earlier = found.get(node.attr)
                if earlier is None or node.lineno < earlier.lineno:
                    found[node.attr] = node
    return [found[name] for name in sorted(found)]


def _loops(model: FileModel) -> Iterator[str]:
    loops = [node for node in walk(model.module) if isinstance(node, LOOPS)]
    for loop in sorted(loops, key=lambda node: (node.lineno, node.col_offset)):
        iterated = model.flow.iterated(loop)
        if iterated is None:
            over = f"while {_short(loop.test)}" if isinstance(loop, ast.While) else _UNSAID
        else:
            over = f"over {_short(iterated)} ({model.kinds.of(iterated)})"
        yield f"{_at(model, loop.lineno)}: {over}  {_kind_of_loop(model, loop)}{_guarded(model, loop)}"


def _kind_of_loop(model: FileModel, loop: LoopNode) -> str:
    words = ["training loop"] if model.training.is_training(model.training.round_of(loop)) else []
    if model.flow.is_batch_loop(loop):
        words.append("over batches")
    if model.flow.grad_context(loop):
        words.append("without gradients, or somebody decides")
    actions = sorted({action.role for action in model.training.round_of(loop).actions})
    if actions:
        words.append(f"does {', '.join(actions)}")
    return "; ".join(words) or _UNSAID


def _guarded(model: FileModel, node: ast.AST) -> str:
    guards = [_short(test) if wanted else f"not ({_short(test)})" for test, wanted in model.flow.guards(node)]
    if model.flow.version_guarded(node):
        guards.append("a choice by version")
    return f"  if {' and '.join(guards)}" if guards else ""


def _functions(model: FileModel) -> Iterator[str]:
    functions = [(scope, node) for scope, node in _scopes(model) if isinstance(node, FUNCTIONS)]
    for scope, node in sorted(functions, key=lambda item: item[1].lineno):
        certain, possible = model.effects.certainly(node), model.effects.possibly(node)
        words = [f"certainly {', '.join(sorted(certain)) or 'nothing of note'}"]
        if possible - certain:
            words.append(f"possibly {', '.join(sorted(possible - certain))}")
        words.extend(_chance(model, node))
        if isinstance(node, ast.FunctionDef) and model.kinds.returned(node).known:
            words.append(f"returns {model.kinds.returned(node)}")
        if model.flow.compiled(node):
            words.append("compiled")
        yield f"{_at(model, node.lineno)}: {scope}  {'; '.join(words)}"


def _chance(model: FileModel, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Module) -> list[str]:
    use = model.randomness.of(node)
    words = []
    if use.seeds:
        words.append(f"seeds {', '.join(sorted(use.seeds))}")
    if use.draws:
        words.append(f"draws from {', '.join(sorted(use.draws))}")
    if use.trains:
        words.append("trains")
    if use.unknown:
        words.append("may seed, nobody knows")
    return words


def _program(model: FileModel) -> Iterator[str]:
    yield from _chance(model, model.module)
