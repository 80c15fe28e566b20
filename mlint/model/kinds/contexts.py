"""What the context managers of a project enter as: ``with Timer() as timer``, ``with opened(path) as table``."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.kinds import classes, functions
from mlint.model.kinds.iteration import element
from mlint.model.kinds.value import UNKNOWN, Kind

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds

_GIVING_ON = frozenset({"contextlib.nullcontext", "contextlib.closing"})
_MAKING = "contextlib.contextmanager"


def entered(kinds: Kinds, value: ast.expr | None, kind: Kind) -> Kind:
    """The kind of ``x`` in ``with value as x``, for a value of some kind."""
    if kind.is_first_party:
        home = classes.home_of(kinds, kind)
        return UNKNOWN if home is None else _method(kinds, home, kind)
    if not isinstance(value, ast.Call):
        return UNKNOWN
    dotted = kinds.names.dotted(value.func)
    if dotted in _GIVING_ON:
        return kinds.of(value.args[0]) if len(value.args) == 1 else UNKNOWN
    function = kinds.local_function(value.func)
    found = None if function is not None or dotted is None else kinds.foreign(dotted)
    place, definition = (kinds, function) if found is None else found
    if not isinstance(definition, ast.FunctionDef) or len(definition.decorator_list) != 1:
        return UNKNOWN
    if functions.decorator_name(place, definition.decorator_list[0]) != _MAKING:
        return UNKNOWN
    return classes.imported(element(functions.plain(place, definition)), place, kinds)


def _method(kinds: Kinds, home: tuple[Kinds, ast.ClassDef], kind: Kind) -> Kind:
    """What the `__enter__` of a class of the project returns: mostly the object itself."""
    for place, method in classes.methods(*home, "__enter__"):
        if not isinstance(method, ast.FunctionDef):
            return UNKNOWN
        returned = [node for node in ast.walk(method) if isinstance(node, ast.Return)]
        if returned and all(node.value is not None and place.is_self(node.value) for node in returned):
            return kind
        return classes.imported(functions.returned(place, method), place, kinds)
    return UNKNOWN
