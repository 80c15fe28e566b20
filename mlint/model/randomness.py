"""Chance in functions and programs: what they draw from global random number generators, seed, and train.

`Randomness` asks this of functions and of the file as a program: what a function does is what it does itself plus what
the functions that it calls, or hands to a launcher, do, in the file and in first-party modules.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlint.model.draws import ALL_GENERATORS, CUDA, GENERATORS, NOTHING, PYTHON, SEEDING, TORCH, Draws, Use
from mlint.model.libraries import ROOTS
from mlint.model.tree import FUNCTIONS, FunctionNode, walk_scope

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_DEEPEST = 8

# Calls that run a function they are given.
_LAUNCHERS = frozenset(
    "torch.multiprocessing.spawn torch.multiprocessing.start_processes multiprocessing.Process absl.app.run "
    "tensorflow.compat.v1.app.run tensorflow.app.run fire.Fire accelerate.notebook_launcher accelerate.debug_launcher "
    "torch.multiprocessing.Process asyncio.run ray.tune.run ray.tune.Tuner wandb.agent typer.run "
    "tune.run detectron2.engine.launch".split()
)

_LIBRARY = (
    r"(?m)^\s*(?:import|from)\s+(?:torch|numpy|pandas|tensorflow|keras|jax|sklearn|datasets|transformers|lightning)\b"
)


class Randomness:
    """Draws and seeds of one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self._draws = Draws(model)
        self._known: dict[ast.AST, Use] = {}

    # The questions that rules ask

    def of(self, function: FunctionNode | ast.Module) -> Use:
        """What a function does, or the file when it is run as a program."""
        if function in self._known:
            return self._known[function]
        self._known[function] = NOTHING  # recursion adds nothing
        use = NOTHING
        backward = step = False
        calls = [node for node in walk_scope(function) if isinstance(node, ast.Call)]
        for call in calls:
            use |= self.direct(call)
            if isinstance(call.func, ast.Attribute):
                backward = backward or call.func.attr in ("backward", "manual_backward")
                step = step or call.func.attr == "step"
        for call in calls:
            if use.unknown or use.seeds >= ALL_GENERATORS:
                break  # whatever the functions that it calls draw is seeded
            use |= self.of_call(call)
        if backward and step:
            use |= Use(trains=True)
        if isinstance(function, ast.Module):
            use |= Use(seeds=self.imported_seeds())
        self._known[function] = use
        return use

    def imported_seeds(self) -> frozenset[str]:
        """What the top level of the first-party modules that the file imports seeds (`import config`)."""
        model = self.model
        found: set[str] = set()
        if model.project is None:
            return frozenset()
        seen: set[str] = set()
        for bindings in model.names.bindings(model.tree.module).values():
            for binding in bindings:
                if binding.how not in ("import", "star") or binding.imported is None:
                    continue
                if binding.imported.partition(".")[0] in (*ROOTS, "random", "logging"):
                    continue
                for name in (binding.imported, binding.imported.rpartition(".")[0]):
                    path = model.project.locate(name, model.source.path) if name.strip(".") else None
                    if path is not None and path not in seen:
                        seen.add(path)
                        if not model.project.mentions(path, "seed"):
                            continue
                        other = model.project.model(path)
                        if other is not None:
                            model.depends_on(other)
                            found |= other.randomness.at_import()
        return frozenset(found)

    def at_import(self) -> frozenset[str]:
        """The generators that the plain statements at the top level of the file seed."""
        found: set[str] = set()
        for statement in self.model.module.body:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                found |= SEEDING.get(self.model.names.dotted(statement.value.func) or "", frozenset())
        return frozenset(found)

    def of_call(self, call: ast.Call) -> Use:
        """What one call does, the functions that it runs included."""
        use = self.direct(call)
        for model, function in self.run_by(call):
            use |= self._told_by(model, function)
        return use

    def _told_by(self, model: FileModel, function: FunctionNode) -> Use:
        """What a function does. Python's `random` in a file without any such library picks ports and waits at random:
        no result depends on it.
        """
        use = model.randomness.of(function)
        if model is self.model or PYTHON not in use.draws or re.search(_LIBRARY, model.source.text) is not None:
            return use
        return Use(use.seeds, use.draws - {PYTHON}, use.trains, use.unknown)

    def run_by(self, call: ast.Call) -> list[tuple[FileModel, FunctionNode]]:
        """The known functions that a call runs: its callee, and what it hands to a launcher."""
        callee = self.model.effects.callee(call)
        found = [] if callee is None else [callee]
        if self.model.names.dotted(call.func) in _LAUNCHERS:
            values = [*call.args, *(keyword.value for keyword in call.keywords)]
            for value in values:
                function = self.model.kinds.local_function(value)
                if function is not None:
                    found.append((self.model, function))
        return found

    def seeded(self, generator: str, node: ast.AST) -> bool:
        """Whether the program, or a function around ``node``, seeds a generator, as far as can be seen (or may do)."""
        tree = self.model.tree
        for scope in (tree.module, *tree.functions(node)):
            use = self.of(scope)
            if use.unknown or generator in use.seeds:
                return True
        owner = tree.class_of(node)
        if owner is not None:
            for statement in owner.body:
                if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    use = self.of(statement)
                    if use.unknown or generator in use.seeds:
                        return True
        return False

    def first_draws(self, generators: frozenset[str]) -> list[tuple[str, ast.Call]]:
        """For each generator, the first call in this file that draws from it when the file is run as a program."""
        found: dict[str, ast.Call] = {}
        self._collect(self.model.tree.module, generators, found, set())
        return [(generator, found[generator]) for generator in GENERATORS if generator in found]

    def origin(self, generator: str, call: ast.Call, depth: int = 0) -> tuple[FileModel, ast.Call]:
        """Where a call draws from a generator: the call itself, or one in the functions that it runs."""
        if generator not in self.direct(call).draws and depth < _DEEPEST:
            for model, function in self.run_by(call):
                for inner in _calls(function):
                    if generator in model.randomness.of_call(inner).draws:
                        self.model.depends_on(model)
                        return model.randomness.origin(generator, inner, depth + 1)
        return self.model, call

    def seeders(self, generators: frozenset[str]) -> Iterator[tuple[str, FunctionNode]]:
        """The project's own functions that seed some generators, as (dotted name, function).

        A function of this file has a name without a dot. Looked for are those that are named after a seed, here and in
        the files of the project that this one imports, and that take one number at most.
        """
        for statement in self.model.module.body:
            if isinstance(statement, FUNCTIONS) and self._is_seeder(statement, generators):
                yield statement.name, statement
        project = self.model.project
        if project is None:
            return
        for binding in list(self.model.names.imports()):
            name = binding.imported or ""
            if not self.model.callees.is_first_party(name):
                continue
            for module in (name, name.rpartition(".")[0]):
                path = project.locate(module, self.model.source.path) if module.strip(".") else None
                if path is None or not project.mentions(path, "seed"):
                    continue
                other = project.model(path)
                if other is None:
                    continue
                self.model.depends_on(other)
                for statement in other.module.body:
                    if isinstance(statement, FUNCTIONS) and other.randomness._is_seeder(statement, generators):
                        yield f"{module}.{statement.name}", statement
                break

    def _is_seeder(self, function: FunctionNode, generators: frozenset[str]) -> bool:
        arguments = function.args
        required = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
        if "seed" not in function.name.lower() or required > 1 or function.decorator_list:
            return False
        if any(default is None for default in arguments.kw_defaults) or isinstance(function, ast.AsyncFunctionDef):
            return False
        use = self.of(function)
        seeds = use.seeds | {CUDA} if TORCH in use.seeds else use.seeds
        return not use.unknown and not use.draws and not use.trains and generators <= seeds

    def _collect(
        self, scope: ast.AST, generators: frozenset[str], found: dict[str, ast.Call], seen: set[ast.AST]
    ) -> None:
        if scope in seen:
            return
        seen.add(scope)
        for call in _calls(scope):
            for generator in self.direct(call).draws & generators:
                found.setdefault(generator, call)
            for model, function in self.run_by(call):
                if model is self.model:
                    self._collect(function, generators, found, seen)
                else:
                    for generator in self._told_by(model, function).draws & generators:
                        found.setdefault(generator, call)
            if len(found) == len(generators):
                return

    def direct(self, call: ast.Call) -> Use:
        """What a call does by itself."""
        return self._draws.of(call)


def _calls(scope: ast.AST) -> Iterator[ast.Call]:
    """The calls of a scope in the order in which they run, roughly: arguments before the call itself."""
    found = [node for node in walk_scope(scope) if isinstance(node, ast.Call)]
    yield from sorted(found, key=lambda call: (call.end_lineno or 0, call.end_col_offset or 0))
