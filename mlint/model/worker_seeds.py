"""The functions that run when a worker of a data loader starts (`worker_init_fn`), and what they seed it with."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.alike import WORKERS, Alike
from mlint.model.randomness import SEEDING
from mlint.model.tree import FunctionNode, walk_scope

if TYPE_CHECKING:
    from mlint.model.file import FileModel

KEYWORD = "worker_init_fn"
_DEEPEST = 3


class WorkerSeed(NamedTuple):
    """A call that seeds every worker alike.

    Attributes:
        call: the call, in the function that runs in the workers.
        value: its one argument, if it has exactly one.
        generators: the libraries whose generators it seeds.
        own: whether it is a seeding function of a library, and not one of the project.
    """

    call: ast.Call
    value: ast.expr | None
    generators: frozenset[str]
    own: bool


class WorkerSeeds:
    """The seeds of the workers in one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self.reseeded = True

    def same(self, *, reseeded: bool = True) -> Iterator[WorkerSeed]:
        """The calls that give every worker the same seed.

        Args:
            reseeded: whether the library gives NumPy's generator another seed in each worker (PyTorch from 1.9 on).
        """
        self.reseeded = reseeded
        seen: set[ast.AST] = set()
        for value in self._passed():
            for function, given in self._run(value):
                if function not in seen:
                    seen.add(function)
                    yield from self._alike(function, given)

    def _passed(self) -> Iterator[ast.expr]:
        """What the file hands to loaders with workers."""
        for call in self.model.tree.calls:
            keywords = {keyword.arg: keyword.value for keyword in call.keywords}
            workers = keywords.get("num_workers")
            if KEYWORD in keywords and not (isinstance(workers, ast.Constant) and workers.value in (0, 1)):
                yield keywords[KEYWORD]

    def _run(self, value: ast.expr, depth: int = 0) -> Iterator[tuple[FunctionNode | ast.Lambda, frozenset[str]]]:
        """The functions that a value may be, with the parameters that are given a value before the workers start."""
        if depth > _DEEPEST:
            return
        if isinstance(value, ast.Lambda):
            defaults = value.args.args[len(value.args.args) - len(value.args.defaults) :]
            yield value, frozenset(parameter.arg for parameter in defaults)
        elif isinstance(value, ast.IfExp):
            yield from self._run(value.body, depth + 1)
            yield from self._run(value.orelse, depth + 1)
        elif isinstance(value, ast.Call):
            if self.model.names.dotted(value.func) == "functools.partial" and value.args:
                for function, given in self._run(value.args[0], depth + 1):
                    positional = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
                    taken = positional[: len(value.args) - 1]
                    yield function, given | {*taken, *(k.arg for k in value.keywords if k.arg is not None)}
        else:
            found = self.model.kinds.local_function(value)
            if found is not None:
                yield found, frozenset()
            elif isinstance(value, ast.Name):
                for binding in self.model.reaching.of(value) or ():
                    if binding.how == "assign" and binding.value is not None and not binding.path:
                        yield from self._run(binding.value, depth + 1)

    def _alike(self, function: FunctionNode | ast.Lambda, given: Collection[str]) -> Iterator[WorkerSeed]:
        seeds = list(self._seeds(self.model, function, given, 0))
        varied = frozenset().union(*(seed.generators for seed, same in seeds if not same))
        for seed, same in seeds:
            if same and not seed.generators & varied:
                yield seed

    def _seeds(
        self, model: FileModel, function: FunctionNode | ast.Lambda, given: Collection[str], depth: int
    ) -> Iterator[tuple[WorkerSeed, bool]]:
        """The calls in a function that seed, and whether they seed every worker alike."""
        alike = Alike(model, WORKERS, reseeded=self.reseeded)
        for call in walk_scope(function.body if isinstance(function, ast.Lambda) else function):
            if not isinstance(call, ast.Call):
                continue
            values = [*call.args, *(keyword.value for keyword in call.keywords)]
            one = values[0] if len(values) == 1 else None
            generators = SEEDING.get(model.names.dotted(call.func) or "")
            if generators is not None:
                same = one is not None and alike.number(one, given)
                yield WorkerSeed(call, one, generators, True), same
                continue
            callee = model.effects.callee(call)
            if callee is None or depth >= _DEEPEST:
                if model.randomness.direct(call).unknown:
                    yield WorkerSeed(call, one, frozenset(SEEDING["keras.utils.set_random_seed"]), False), False
                continue
            if not model.randomness.of_call(call).seeds:
                continue
            passed = {n for n, value in _by_parameter(callee[1], call) if alike.number(value, given)}
            passed |= {n for n in _defaults(callee[1]) if n not in {k for k, _ in _by_parameter(callee[1], call)}}
            inner = list(self._seeds(callee[0], callee[1], passed, depth + 1))
            model.depends_on(callee[0])
            if inner:
                found = frozenset().union(*(seed.generators for seed, _ in inner))
                yield WorkerSeed(call, one, found, False), all(same for _, same in inner)


def _by_parameter(function: FunctionNode, call: ast.Call) -> list[tuple[str, ast.expr]]:
    """The arguments of a call by the names of the function's parameters; open-ended ones left out."""
    positional = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    if positional and positional[0] in ("self", "cls"):
        positional = positional[1:]
    found = [(name, value) for name, value in zip(positional, call.args) if not isinstance(value, ast.Starred)]
    return found + [(keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg is not None]


def _defaults(function: FunctionNode) -> Iterator[str]:
    arguments = function.args
    padded = arguments.args[len(arguments.args) - len(arguments.defaults) :]
    for parameter, default in [*zip(padded, arguments.defaults), *zip(arguments.kwonlyargs, arguments.kw_defaults)]:
        if isinstance(default, ast.Constant) and default.value is not None:
            yield parameter.arg


