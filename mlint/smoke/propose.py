"""``mlint smoke --init``: a section for the project, from what the static stage sees in its source. Nothing is run."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from mlint.arguments import UsageError
from mlint.model.file import FileModel
from mlint.model.kinds import DATA_LOADER, LIGHTNING_MODULE, LOSS, MODULE, OPTIMIZER
from mlint.model.project import Project
from mlint.model.tree import walk
from mlint.settings import Settings
from mlint.smoke.shapes import batch_of

_MOST_TARGETS = 8
_WORDS = ("torch", "lightning", "keras", "transformers", "def forward", ".backward(")


@dataclass
class Candidate:
    """Something of the project that a target may be made of.

    Attributes:
        reference: ``package.module:name``.
        place: ``file:line``.
        owner: the class of the model, None where it is not known.
        needs: the arguments without a default, which somebody must give.
        used: places in training code where an instance is made.
    """

    reference: str
    place: str
    owner: ast.ClassDef | None = None
    needs: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)


@dataclass
class Findings:
    """What the source holds."""

    models: list[Candidate] = field(default_factory=list)
    loaders: list[Candidate] = field(default_factory=list)
    optimizers: list[Candidate] = field(default_factory=list)
    losses: list[Candidate] = field(default_factory=list)
    trains: list[str] = field(default_factory=list)
    files: dict[ast.AST, FileModel] = field(default_factory=dict)


def propose(settings: Settings) -> str:
    """The section as TOML, with what it was taken from in comments. Raises UsageError where there is no model."""
    found = Findings()
    for model, module in _files(settings):
        _read(model, module, found)
    _use(found)
    if not found.models:
        raise UsageError(
            f"no torch model is defined in {settings.root or os.curdir}; write [[tool.mlint.smoke.target]] by hand"
        )
    return "\n".join(_section(found, settings)) + "\n"


# Reading


def _files(settings: Settings) -> Iterator[tuple[FileModel, str]]:
    """The project's files that may hold models, tests left out, each with the name that it is imported by."""
    from mlint.discover import discover
    from mlint.globs import Globs
    from mlint.source import Source, SourceError

    tests = Globs(settings.test_paths)
    project = Project(settings.source_roots)
    for item in discover([settings.root or os.curdir], settings_for=lambda _: settings, on_error=lambda _: None):
        if not item.path.endswith(".py") or tests.covers(settings.relative(item.path)):
            continue
        module = _module(item.path, settings)
        try:
            source = Source.read(item.path)
            if module is None or not any(word in source.text for word in _WORDS):
                continue
            model = FileModel(source, source.parse(), project)
        except (OSError, SourceError, RecursionError):
            continue
        project.begin(model)
        yield model, module


def _module(path: str, settings: Settings) -> str | None:
    """The name by which a file is imported from the innermost root above it; None where it has none."""
    path = os.path.abspath(path)
    roots = sorted({*settings.source_roots, settings.root or os.getcwd()}, key=len, reverse=True)
    for root in roots:
        below = os.path.relpath(path, root)
        if not below.startswith(os.pardir):
            parts = below.removesuffix(".py").split(os.sep)
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else None
    return None


def _read(model: FileModel, module: str, found: Findings) -> None:
    """What the top level of one file defines."""
    if model.trains:
        found.trains.append(model.source.path)
    for node in model.module.body:
        if isinstance(node, ast.ClassDef):
            found.files[node] = model
            kind = model.kinds.class_instance(node)
            if (kind.is_a(MODULE, LIGHTNING_MODULE) and not kind.is_a(LOSS)) or _is_called_module(node):
                if _method(node, "forward") is None:
                    continue
                needs = _needed(_method(node, "__init__"), skip=1)
                found.models.append(Candidate(f"{module}:{node.name}", _place(model, node), node, needs))
        elif isinstance(node, ast.FunctionDef):
            _function(model, module, node, found)


def _function(model: FileModel, module: str, node: ast.FunctionDef, found: Findings) -> None:
    """A function at the top level, by what it returns."""
    kind = model.kinds.returned(node)
    candidate = Candidate(f"{module}:{node.name}", _place(model, node), needs=_needed(node, skip=0))
    if kind.is_a(DATA_LOADER):
        found.loaders.append(candidate)
    elif kind.is_a(OPTIMIZER):
        if len(candidate.needs) == 1:
            found.optimizers.append(candidate)
    elif kind.is_a(MODULE) and not kind.is_a(LOSS):
        candidate.owner = kind.definition or (kind.elsewhere[1] if kind.elsewhere else None)
        found.models.append(candidate)


def _use(found: Findings) -> None:
    """Which models are made where something is trained."""
    project = next((model.project for model in found.files.values() if model.project is not None), None)
    for path in found.trains:
        model = None if project is None else project.model(os.path.abspath(path))
        if model is None:
            continue
        for call in model.tree.calls:
            kind = model.kinds.of(call)
            owner = kind.definition or (kind.elsewhere[1] if kind.elsewhere else None)
            if owner is None or not kind.is_a(MODULE) or _in_module(model, call):
                continue
            for candidate in found.models:
                if candidate.owner is not None and _same(candidate.owner, owner):
                    candidate.used.append(_place(model, call))


def _in_module(model: FileModel, call: ast.Call) -> bool:
    """Whether a call stands in a module, which then is what is trained."""
    owner = model.tree.class_of(call)
    return owner is not None and model.kinds.class_instance(owner).is_a(MODULE)


def _is_called_module(node: ast.ClassDef) -> bool:
    """Whether a base is called `Module`: what a star import brings in is not known, and a proposal may be wrong."""
    return any(ast.unparse(base) in ("nn.Module", "Module") for base in node.bases)


def _same(one: ast.ClassDef, other: ast.ClassDef) -> bool:
    """Whether two trees, perhaps of two readings, are one class."""
    return one is other or (one.name == other.name and one.lineno == other.lineno)


def _method(owner: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    return next((node for node in owner.body if isinstance(node, ast.FunctionDef) and node.name == name), None)


def _needed(function: ast.FunctionDef | None, skip: int) -> list[str]:
    """Names of the arguments that have no default."""
    if function is None:
        return []
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    without = positional[: len(positional) - len(arguments.defaults)]
    named = [argument for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults) if default is None]
    return [argument.arg for argument in (*without[skip:], *named)]


def _place(model: FileModel, node: ast.stmt | ast.expr) -> str:
    return f"{os.path.relpath(model.source.path)}:{node.lineno}"


# Writing


def _section(found: Findings, settings: Settings) -> Iterator[str]:
    in_pyproject = not settings.config_path or os.path.basename(settings.config_path) == "pyproject.toml"
    header = "[[tool.mlint.smoke.target]]" if in_pyproject else "[[smoke.target]]"
    yield f"# Proposed by `mlint smoke --init` for {'pyproject.toml' if in_pyproject else settings.config_path}."
    yield "# Nothing was run: look through it, mend what is a guess, then try `mlint smoke`."
    contained = _contained(found)
    inner = [one for one in found.models if one.owner in contained and not one.used]
    tops = [one for one in found.models if one not in inner]
    built = {one.owner for one in tops if not one.needs and isinstance(one.owner, ast.ClassDef) and _builds(one)}
    tops = [one for one in tops if _builds(one) or one.owner not in built]
    tops.sort(key=lambda one: (not one.used, bool(one.needs), one.reference))
    for candidate in tops[:_MOST_TARGETS]:
        yield ""
        yield from _target(candidate, found, header)
    rest = [*tops[_MOST_TARGETS:], *inner]
    if rest:
        yield ""
        yield f"# Not proposed, since others hold them or there are many: {', '.join(one.reference for one in rest)}"


def _builds(candidate: Candidate) -> bool:
    """Whether a candidate is a function that builds its model, not the class."""
    return candidate.owner is None or candidate.reference.rpartition(":")[2] != candidate.owner.name


def _contained(found: Findings) -> set[ast.ClassDef]:
    """The classes of the project that another model of the project makes an instance of."""
    classes = {one.owner for one in found.models if one.owner is not None}
    inside: set[ast.ClassDef] = set()
    for owner in classes:
        model = found.files.get(owner)
        if model is None:
            continue
        for node in walk(owner):
            if isinstance(node, ast.Call):
                kind = model.kinds.of(node)
                made = kind.definition or (kind.elsewhere[1] if kind.elsewhere else None)
                if made is not None:
                    inside |= {one for one in classes if one is not owner and _same(one, made)}
    return inside


def _target(candidate: Candidate, found: Findings, header: str) -> Iterator[str]:
    used = f", made for training at {candidate.used[0]}" if candidate.used else ""
    yield f"# {candidate.place}{used}"
    comment = ""
    if candidate.needs:
        needs = ", ".join(candidate.needs)
        yield f"# It needs {needs}: write a function without arguments that builds it, and name that."
        comment = "# "
    yield comment + header
    yield f'{comment}model = "{candidate.reference}"'
    ready = [one for one in found.loaders if not one.needs]
    model = found.files.get(candidate.owner) if candidate.owner is not None else None
    shapes = None if model is None or candidate.owner is None else batch_of(model, candidate.owner)
    if ready:
        yield f'{comment}batch = "{ready[0].reference}"  # {ready[0].place}: the first batch of this loader'
    elif shapes is not None:
        yield f"{comment}batch = {shapes}  # a guess from the first and last layers: batch size and lengths are made up"
    else:
        yield f'{comment}batch = ["float32[8,3,32,32]", "int64[8]<10"]  # made up: give shapes, or a function'
    workers = [one for one in found.loaders if one.needs == ["num_workers"]]
    if workers:
        yield f'{comment}loader = "{workers[0].reference}"  # {workers[0].place}'
    yield f'{comment}# loss = "package.module:function"  # (output, batch) to a scalar; without it a random projection'
    if found.optimizers:
        yield f'{comment}optimizer = "{found.optimizers[0].reference}"  # {found.optimizers[0].place}'
