"""What Ray gives: references to what remote functions and the methods of actors return, and the batches of data sets.

The kind of what has a method ``remote`` (a remote function, a class of actors, a method of an actor) holds the kind of
what that method gives; the kind of a reference holds the kind of what it refers to, and that of an actor the kind of
the object in it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from mlint.model.kinds import classes, functions
from mlint.model.kinds.value import DATAFRAME, NDARRAY, UNKNOWN, Kind, iterable
from mlint.model.tree import FUNCTIONS, walk_scope

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds

REFERENCE = "ray.ObjectRef"
ACTOR = "ray.actor.ActorHandle"
REMOTE = "ray.remote"

_MAKING = frozenset({"ray.remote"})
_FORMATS = {"numpy": iterable(Kind(NDARRAY), "dict"), "default": iterable(Kind(NDARRAY), "dict"),
            "pandas": Kind(DATAFRAME)}  # fmt: skip


def _reference(kind: Kind) -> Kind:
    return Kind(REFERENCE, elements=(kind,) if kind.known else ())


def _remote(given: Kind) -> Kind:
    return Kind(REMOTE, elements=(given,) if given.known else ())


def decorated(kinds: Kinds, definition: ast.AST) -> Kind:
    """The kind of a function or class of this file as its name stands for it, if `ray.remote` has replaced it."""
    if isinstance(definition, (*FUNCTIONS, ast.ClassDef)):
        for decorator in definition.decorator_list:
            if functions.decorator_name(kinds, decorator) in _MAKING:
                options = decorator.keywords if isinstance(decorator, ast.Call) else []
                return with_options(remote_of(kinds, kinds, definition), options)
    return UNKNOWN


def remote_of(kinds: Kinds, home: Kinds, definition: ast.AST) -> Kind:
    """What `ray.remote` makes of a function or class of the file that ``home`` knows."""
    if isinstance(definition, ast.ClassDef):
        return _remote(Kind(ACTOR, elements=(classes.imported(home.class_instance(definition), home, kinds),)))
    if not isinstance(definition, FUNCTIONS) or _yields(definition):
        return Kind(REMOTE)
    made = UNKNOWN
    if isinstance(definition, ast.FunctionDef):
        made = classes.imported(functions.put_off(home, definition), home, kinds)
    return _remote(_reference(made))


def _yields(function: ast.AST) -> bool:
    """Whether a function is a generator: a call of it gives a stream of references."""
    return any(isinstance(inner, (ast.Yield, ast.YieldFrom)) for inner in walk_scope(function))


def with_options(remote: Kind, options: list[ast.keyword]) -> Kind:
    """What a remote function becomes with options: with ``num_returns=2`` it gives two references."""
    if any(option.arg is None for option in options):
        return Kind(REMOTE)
    count = next((option.value for option in options if option.arg == "num_returns"), None)
    if count is None or not remote.elements or remote.elements[0].name == ACTOR:
        return remote
    given = remote.elements[0]
    number = count.value if isinstance(count, ast.Constant) else None
    if given.name != REFERENCE or type(number) is not int or number < 1:
        return Kind(REMOTE)
    if number == 1:
        return remote
    whole = given.elements[0] if given.elements else UNKNOWN
    parts = whole.elements if whole.name == "tuple" and len(whole.elements) == number else (UNKNOWN,) * number
    return _remote(Kind("list", elements=tuple(_reference(part) for part in parts)))


def method(kinds: Kinds, receiver: Kind, name: str, node: ast.Call) -> Kind | None:
    """The kind of a method call on something of Ray that the tables alone cannot tell; None if they can."""
    if receiver.name == REMOTE:
        if name == "remote":
            return receiver.elements[0] if receiver.elements else UNKNOWN
        return with_options(receiver, node.keywords) if name == "options" else UNKNOWN
    if name in ("iter_batches", "take_batch") and receiver.is_a("ray.data.Dataset", "ray.data.DataIterator"):
        batch = _batch(node)
        return batch if name == "take_batch" else iterable(batch)
    return None


def _batch(node: ast.Call) -> Kind:
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    form = keywords.get("batch_format", ast.Constant("default"))
    if None in keywords or "_collate_fn" in keywords or not isinstance(form, ast.Constant):
        return UNKNOWN
    return _FORMATS.get(form.value, UNKNOWN) if isinstance(form.value, str) else UNKNOWN


def attribute(kinds: Kinds, receiver: Kind, name: str) -> Kind | None:
    """The kind of a method of an actor; None for what the tables tell."""
    if receiver.name != ACTOR:
        return None
    home = classes.home_of(kinds, receiver.elements[0]) if receiver.elements else None
    if home is None:
        return Kind(REMOTE)
    for place, function in classes.methods(*home, name):
        if isinstance(function, FUNCTIONS) and any(
            functions.decorator_name(place, decorator) == "ray.method" for decorator in function.decorator_list
        ):
            return Kind(REMOTE)
        return remote_of(kinds, place, function)
    return Kind(REMOTE)


def function_named(kinds: Kinds, node: ast.expr) -> Kind:
    """What `ray.remote` makes of the function or class that an expression names."""
    definition = kinds.local_function(node) or kinds.local_class(node)
    if definition is not None:
        return remote_of(kinds, kinds, definition)
    dotted = kinds.names.dotted(node)
    found = None if dotted is None else kinds.foreign(dotted)
    return Kind(REMOTE) if found is None else remote_of(kinds, *found)


def _made(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    return function_named(kinds, node.args[0]) if len(node.args) == 1 and not node.keywords else UNKNOWN


def _put(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    return _reference(kinds.of(node.args[0]) if node.args else UNKNOWN)


def _got(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    given = kinds.of(node.args[0]) if node.args else UNKNOWN
    if given.name == "list" and given.elements:
        return Kind("list", elements=tuple(map(_referred, given.elements)))
    return _referred(given)


def _referred(kind: Kind) -> Kind:
    """What is got for a reference."""
    return kind.elements[0] if kind.name == REFERENCE and kind.elements else UNKNOWN


def _waited(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    """``ready, waiting = ray.wait(references)``."""
    one = kinds.elements(node.args[0]) if node.args else UNKNOWN
    references = iterable(one if one.name == REFERENCE else Kind(REFERENCE), "list")
    return Kind("tuple", elements=(references, references))


BY_NAME: dict[str, Callable[[Kinds, ast.Call, str], Kind]] = {
    "ray.get": _got,
    "ray.put": _put,
    "ray.remote": _made,
    "ray.wait": _waited,
}
"""Functions of Ray that give different kinds for different arguments."""
