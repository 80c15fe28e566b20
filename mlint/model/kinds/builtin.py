"""What Python's own functions give."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from mlint.model.kinds.inference import element
from mlint.model.kinds.value import ARRAYS, BOOL, FLOAT, INT, NUMBERS, SERIES, UNKNOWN, Kind, iterable, join

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds


def result(kinds: Kinds, name: str, node: ast.Call) -> Kind:
    """The kind of a call of a builtin function."""
    found = _RESULTS.get(name)
    return UNKNOWN if found is None else found(kinds, node)


def _constructor(name: str) -> Callable[[Kinds, ast.Call], Kind]:
    kind = Kind(name)
    return lambda kinds, node: kind


def _round(kinds: Kinds, node: ast.Call) -> Kind:
    given = _first(kinds, node)
    if given.is_a(*ARRAYS) or given.is_a(SERIES, "pandas.DataFrame"):
        return given
    if given.name not in ("int", "float", "bool"):
        return UNKNOWN
    return INT if len(node.args) < 2 else FLOAT if given.name == "float" else INT


def _abs(kinds: Kinds, node: ast.Call) -> Kind:
    given = _first(kinds, node)
    return INT if given.name == "bool" else given


def _enumerate(kinds: Kinds, node: ast.Call) -> Kind:
    inner = kinds.elements(node.args[0]) if node.args else UNKNOWN
    return Kind("iterable", elements=(Kind("tuple", elements=(INT, inner)),))


def _zip(kinds: Kinds, node: ast.Call) -> Kind:
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        return Kind("iterable")
    parts = tuple(kinds.elements(argument) for argument in node.args)
    return Kind("iterable", elements=(Kind("tuple", elements=parts),))


def _same_elements(name: str) -> Callable[[Kinds, ast.Call], Kind]:
    def of(kinds: Kinds, node: ast.Call) -> Kind:
        return iterable(kinds.elements(node.args[0]), name) if len(node.args) == 1 else Kind(name)

    return of


def _tuple(kinds: Kinds, node: ast.Call) -> Kind:
    if len(node.args) != 1:
        return Kind("tuple")
    given = kinds.of(node.args[0])
    if given.name == "tuple":
        return given
    inner = element(given)
    return iterable(inner) if inner.known else Kind("tuple")


def _dict(kinds: Kinds, node: ast.Call) -> Kind:
    if node.args or not node.keywords or any(keyword.arg is None for keyword in node.keywords):
        return Kind("dict")
    return iterable(join([kinds.of(keyword.value) for keyword in node.keywords]), "dict")


def _next(kinds: Kinds, node: ast.Call) -> Kind:
    return kinds.elements(node.args[0]) if node.args else UNKNOWN


def _map(kinds: Kinds, node: ast.Call) -> Kind:
    return Kind("iterable")


def _filter(kinds: Kinds, node: ast.Call) -> Kind:
    return iterable(kinds.elements(node.args[1])) if len(node.args) == 2 else UNKNOWN


def _sum(kinds: Kinds, node: ast.Call) -> Kind:
    """Adding up: 0, or the start, plus elements. An empty sequence gives the start."""
    inner = kinds.elements(node.args[0]) if len(node.args) == 1 else UNKNOWN
    if inner.name in ("int", "bool"):
        return INT
    if inner.name in NUMBERS:
        return Kind("scalar")
    return inner._replace(dtype=None) if inner.is_a(*ARRAYS) else UNKNOWN


def _extreme(kinds: Kinds, node: ast.Call) -> Kind:
    if len(node.args) == 1:
        return kinds.elements(node.args[0])
    return UNKNOWN if any(isinstance(a, ast.Starred) for a in node.args) else join([kinds.of(a) for a in node.args])


def _first(kinds: Kinds, node: ast.Call) -> Kind:
    return kinds.of(node.args[0]) if node.args else UNKNOWN


def _super(kinds: Kinds, node: ast.Call) -> Kind:
    return UNKNOWN


_RESULTS: dict[str, Callable[[Kinds, ast.Call], Kind]] = {
    "len": _constructor("int"),
    "int": _constructor("int"),
    "float": _constructor("float"),
    "bool": _constructor("bool"),
    "str": _constructor("str"),
    "complex": _constructor("complex"),
    "range": _constructor("range"),
    "isinstance": lambda kinds, node: BOOL,
    "hasattr": lambda kinds, node: BOOL,
    "any": lambda kinds, node: BOOL,
    "all": lambda kinds, node: BOOL,
    "round": _round,
    "abs": _abs,
    "enumerate": _enumerate,
    "zip": _zip,
    "list": _same_elements("list"),
    "sorted": _same_elements("list"),
    "set": _same_elements("set"),
    "reversed": _same_elements("iterable"),
    "iter": _same_elements("iterable"),
    "tuple": _tuple,
    "dict": _dict,
    "next": _next,
    "map": _map,
    "filter": _filter,
    "sum": _sum,
    "min": _extreme,
    "max": _extreme,
}
