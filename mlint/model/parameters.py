"""Parameters that a call is given by keyword, or in a dictionary that is written out in the file."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.tree import walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel


class Parameter(NamedTuple):
    """One parameter.

    Attributes:
        name: what it is called there.
        place: the keyword, or the key in the dictionary.
        value: its value.
    """

    name: str
    place: ast.expr | ast.keyword
    value: ast.expr


class Parameters:
    """The parameters of one call that are plain to see.

    Attributes:
        given: name → parameter.
        complete: whether these are all.
        source: the dictionary or call in which they are written out, if that is one.
    """

    __slots__ = ("complete", "given", "source")

    def __init__(self, given: dict[str, Parameter], complete: bool, source: ast.expr | None) -> None:
        self.given = given
        self.complete = complete
        self.source = source

    def first(self, *names: str) -> Parameter | None:
        """The parameter under the first of several names that it has."""
        return next((self.given[name] for name in names if name in self.given), None)


def of_keywords(model: FileModel, call: ast.Call) -> Parameters:
    """The keyword arguments of a call, those of ``**params`` included."""
    given: dict[str, Parameter] = {}
    complete = not any(isinstance(argument, ast.Starred) for argument in call.args)
    for keyword in call.keywords:
        if keyword.arg is None:
            inner = of_dictionary(model, keyword.value)
            given.update(inner.given)
            complete = complete and inner.complete
        else:
            given[keyword.arg] = Parameter(keyword.arg, keyword, keyword.value)
    return Parameters(given, complete, call)


def of_dictionary(model: FileModel, node: ast.expr | None) -> Parameters:
    """The entries of a dictionary that is written out, directly or under a name that nothing changes."""
    if isinstance(node, ast.Name):
        found = model.names.lookup(node)
        bindings = model.reaching.of(node) or []
        if found is None or len(bindings) != 1 or len(found[1]) != 1 or bindings[0].value is None:
            return Parameters({}, False, None)
        if bindings[0].how != "assign" or bindings[0].path or _changed(model, node.id):
            return Parameters({}, False, None)
        node = bindings[0].value
    given: dict[str, Parameter] = {}
    complete = True
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                given[key.value] = Parameter(key.value, key, value)
            else:
                complete = False
        return Parameters(given, complete, node)
    if isinstance(node, ast.Call) and model.names.dotted(node.func) == "dict" and not node.args:
        for keyword in node.keywords:
            if keyword.arg is None:
                complete = False
            else:
                given[keyword.arg] = Parameter(keyword.arg, keyword, keyword.value)
        return Parameters(given, complete, node)
    return Parameters({}, False, None)


def _changed(model: FileModel, name: str) -> bool:
    """Whether something in the file may change a dictionary of this name."""
    for node in walk(model.module):
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            if isinstance(node.value, ast.Name) and node.value.id == name:
                return True
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name:
            if node.attr not in ("get", "items", "keys", "values", "copy"):
                return True
    return False
