"""The calls in a function that seed, and whether they give each of several processes the same seed.

Through the functions of the project: what a helper does with the number that it is given is followed into it.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.alike import RANKS, Alike
from mlint.model.draws import SEEDING
from mlint.model.tree import FunctionNode, walk_scope

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_DEEPEST = 3


class SeedCall(NamedTuple):
    """A call that seeds.

    Attributes:
        call: the call.
        value: its one argument, if it has exactly one.
        generators: the libraries whose generators it seeds.
        own: whether it is a seeding function of a library, and not one of the project.
    """

    call: ast.Call
    value: ast.expr | None
    generators: frozenset[str]
    own: bool


def seed_calls(
    model: FileModel,
    function: FunctionNode | ast.Lambda | ast.Module,
    given: Collection[str],
    processes: str,
    *,
    reseeded: bool = True,
    depth: int = 0,
) -> Iterator[tuple[SeedCall, bool]]:
    """The calls in a function that seed, and whether each certainly gives every process the same seed.

    Args:
        model: the file.
        function: the function, or the file as a program.
        given: the parameters that have the same value in each process.
        processes: `WORKERS` or `RANKS`.
        reseeded: whether NumPy's generator has a seed of its own in each worker.
        depth: how many functions were entered on the way.
    """
    alike = Alike(model, processes, reseeded=reseeded)
    for call in walk_scope(function.body if isinstance(function, ast.Lambda) else function):
        if not isinstance(call, ast.Call):
            continue
        values = [*call.args, *(keyword.value for keyword in call.keywords)]
        one = values[0] if len(values) == 1 else None
        generators = SEEDING.get(model.names.dotted(call.func) or "")
        if generators is not None:
            seed = _seed(call)
            same = seed is not None and alike.number(seed, given) and not (processes == RANKS and _spread(call))
            yield SeedCall(call, one, generators, True), same
            continue
        callee = model.effects.callee(call)
        if callee is None or depth >= _DEEPEST:
            if model.randomness.direct(call).unknown:
                yield SeedCall(call, one, SEEDING["keras.utils.set_random_seed"], False), False
            continue
        if not model.randomness.of_call(call).seeds:
            continue
        told = by_parameter(callee[1], call)
        passed = {name for name, value in told if alike.number(value, given)}
        passed |= {name for name in _defaults(callee[1]) if name not in {other for other, _ in told}}
        inner = list(seed_calls(callee[0], callee[1], passed, processes, reseeded=reseeded, depth=depth + 1))
        model.depends_on(callee[0])
        if inner:
            found = frozenset().union(*(seed.generators for seed, _ in inner))
            yield SeedCall(call, one, found, False), all(same for _, same in inner)


def _seed(call: ast.Call) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == "seed":
            return keyword.value
    return call.args[0] if call.args and not isinstance(call.args[0], ast.Starred) else None


def _spread(call: ast.Call) -> bool:
    """Whether a call is told to give each rank another seed: `set_seed(s, device_specific=True)`."""
    return any(
        k.arg is None or ("specific" in k.arg and not (isinstance(k.value, ast.Constant) and not k.value.value))
        for k in call.keywords
    )


def by_parameter(function: FunctionNode, call: ast.Call) -> list[tuple[str, ast.expr]]:
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
