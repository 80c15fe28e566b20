"""Pools of workers: what becomes of the results that they promise, and how long a pool is needed for them."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlint.model.handles import Lifetime, Protocol
from mlint.model.tree import LOOPS, walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel

POOL = Protocol(
    "map starmap apply imap imap_unordered map_async starmap_async apply_async submit",
    attributes="_processes _max_workers",
    closing="close terminate shutdown join",
    functions=False,
)
"""A pool of `multiprocessing` or an executor of `concurrent.futures`."""
BLOCKING = frozenset({"map", "starmap", "apply"})
"""Methods of a pool that give results; those of an executor only promise them."""
_ITERATORS = frozenset({"map", "imap", "imap_unordered"})
"""Methods whose result waits when it is gone over."""
_ASKING = frozenset({"get", "result", "wait", "exception"})
_ALL = frozenset(
    "list tuple set sorted dict sum max min collections.deque numpy.array collections.Counter "
    "numpy.concatenate numpy.stack numpy.vstack numpy.hstack pandas.concat torch.stack torch.cat".split()
)
"""Callables that go over all that they are given before they return."""
_THROUGH = frozenset(
    "enumerate zip iter reversed tqdm.tqdm tqdm.auto.tqdm tqdm.notebook.tqdm tqdm.std.tqdm "
    "concurrent.futures.as_completed itertools.chain itertools.chain.from_iterable".split()
)
_DEEPEST = 4


class Needed:
    """How long a pool is needed.

    Attributes:
        body: the statements behind its assignment that must stand under a `with`; empty where none fits.
        awaited: whether all results that it promises are waited for in them.
    """

    __slots__ = ("awaited", "body")

    def __init__(self, body: list[ast.stmt], awaited: bool) -> None:
        self.body = body
        self.awaited = awaited


def needed(model: FileModel, life: Lifetime, *, executor: bool) -> Needed:
    """How long a pool is needed whose name has a lifetime: until the last result has been waited for."""
    if not life.body:
        return Needed([], False)
    following = model.tree.following(life.statement)
    last = len(life.body) - 1
    awaited = True
    for statement in life.body:
        for node in walk(statement):
            if not isinstance(node, ast.Call) or not _is_method(node, life.name):
                continue
            end = waited_for(model, node, executor=executor)
            if end is None:
                awaited = False
                continue
            place = next((i for i, s in enumerate(following) if any(part is end for part in walk(s))), None)
            if place is None:
                awaited = False
            else:
                last = max(last, place)
    return Needed(following[: last + 1], awaited)


def _is_method(call: ast.Call, name: str) -> bool:
    func = call.func
    return isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == name


def waited_for(model: FileModel, call: ast.Call, *, executor: bool) -> ast.AST | None:
    """The node after which all that a method of a pool promises is there; None where that cannot be seen."""
    assert isinstance(call.func, ast.Attribute)
    if call.func.attr in BLOCKING and not executor:
        return call
    return _used_up(model, call, 0, single=call.func.attr not in _ITERATORS)


def _used_up(model: FileModel, node: ast.expr, depth: int, *, single: bool) -> ast.AST | None:
    """The node after which a promise, or a collection of promises, has been asked for everything.

    With ``single``, each promise must be asked by itself; else going over the results waits for them.
    """
    current: ast.AST = node
    while depth <= _DEEPEST:
        parent = model.tree.parent(current)
        if isinstance(parent, ast.Attribute):
            call = model.tree.parent(parent)
            return call if isinstance(call, ast.Call) and call.func is parent and parent.attr in _ASKING else None
        if isinstance(parent, ast.Starred):
            outer = model.tree.parent(parent)
            if isinstance(outer, (ast.List, ast.Tuple, ast.Set)):
                return outer
            if isinstance(outer, ast.Call) and model.names.dotted(outer.func) == "zip":
                current = outer  # `a, b = zip(*pool.imap(…))`
                continue
            return None
        if isinstance(parent, ast.Call) and current is not parent.func:
            dotted = model.names.dotted(parent.func)
            if dotted == "concurrent.futures.wait":
                return parent if len(parent.args) == 1 and not parent.keywords else None
            if dotted in _ALL and not single:
                return parent
            if dotted == "concurrent.futures.as_completed":
                single = False
            if isinstance(parent.func, ast.Attribute) and parent.func.attr in ("append", "add"):
                holder = parent.func.value
                if not isinstance(holder, ast.Name):
                    return None
                return _asked_by_name(model, holder, parent, depth, single=single)
            if isinstance(parent.func, ast.Attribute) and parent.func.attr in ("extend", "join") and not single:
                return parent
            if dotted not in _THROUGH:
                return None
            current = parent
            continue
        if isinstance(parent, (ast.For, ast.AsyncFor)) and parent.iter is current:
            asked = not single or _asks(parent.target, parent.body)
            return parent if asked and not _stops(parent) else None
        if isinstance(parent, ast.comprehension) and parent.iter is current:
            outer = model.tree.parent(parent)
            assert isinstance(outer, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp))
            parts = [outer.key, outer.value] if isinstance(outer, ast.DictComp) else [outer.elt]
            if outer.generators[0] is not parent or parent.ifs or (single and not _asks(parent.target, parts)):
                return None
            if not isinstance(outer, ast.GeneratorExp):
                return outer
            current, single = outer, False
            continue
        if isinstance(parent, (ast.ListComp, ast.SetComp, ast.DictComp, ast.List, ast.Tuple)):
            if not single:
                return None  # iterators in a collection, each of which would have to be gone over
            current = parent
            continue
        if isinstance(parent, ast.Assign) and parent.value is current and len(parent.targets) == 1:
            target = parent.targets[0]
            if isinstance(target, (ast.Tuple, ast.List)) and isinstance(current, ast.Call) and not single:
                return parent  # unpacked
            return _asked_by_name(model, target, parent, depth, single=single) if isinstance(target, ast.Name) else None
        return None
    return None


def _asks(target: ast.expr, parts: Sequence[ast.AST]) -> bool:
    """Whether code asks for the result of what a target holds."""
    names = {part.id for part in walk(target) if isinstance(part, ast.Name)}
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _ASKING
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in names
        for part in parts
        for node in walk(part)
    )


def _asked_by_name(model: FileModel, name: ast.Name, after: ast.AST, depth: int, *, single: bool) -> ast.AST | None:
    """The first read of a name behind a node by which all promises that it holds are asked for."""
    scope = model.tree.scope(name)
    for node in walk(scope):
        if not isinstance(node, ast.Name) or node.id != name.id or not isinstance(node.ctx, ast.Load):
            continue
        if (node.lineno, node.col_offset) <= (getattr(after, "end_lineno", 0), getattr(after, "end_col_offset", 0)):
            continue
        found = _used_up(model, node, depth + 1, single=single)
        if found is not None and next(model.flow.guards(found), None) is None:
            return found
    return None


def _stops(loop: ast.For | ast.AsyncFor) -> bool:
    """Whether a loop may end before everything has been gone over."""
    pending: list[ast.AST] = list(loop.body)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.Break, ast.Return)):
            return True
        if not isinstance(node, LOOPS):
            pending.extend(ast.iter_child_nodes(node))
        elif any(isinstance(part, ast.Return) for part in walk(node)):
            return True
    return False
