"""Global random number generators that are started anew: by which call, with what, and whether that is undone."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from mlint.model.draws import NUMPY, PYTHON, TENSORFLOW, TORCH
from mlint.model.tree import FUNCTIONS, LoopNode, walk, walk_statements

if TYPE_CHECKING:
    from mlint.model.file import FileModel

RESETS: dict[str, str] = {
    **dict.fromkeys(
        "torch.manual_seed torch.random.manual_seed torch.cuda.manual_seed torch.cuda.manual_seed_all "
        "torch.cuda.random.manual_seed torch.cuda.random.manual_seed_all torch.mps.manual_seed".split(),
        TORCH,
    ),
    "numpy.random.seed": NUMPY,
    "random.seed": PYTHON,
    "tensorflow.random.set_seed": TENSORFLOW,
}
"""Function that starts a global generator anew → whose generator it is."""
_STATES = frozenset(
    "torch.get_rng_state torch.random.get_rng_state torch.cuda.get_rng_state torch.cuda.get_rng_state_all "
    "torch.cuda.random.get_rng_state torch.set_rng_state torch.random.set_rng_state torch.cuda.set_rng_state "
    "torch.cuda.set_rng_state_all torch.random.fork_rng numpy.random.get_state numpy.random.set_state "
    "random.getstate random.setstate torch.initial_seed torch.seed torch.random.seed".split()
)
_STATE_WORDS = re.compile(r"rng|random|seed|determin|reproduc|isolat|getstate|setstate", re.IGNORECASE)


def constant_seed(model: FileModel, call: ast.Call) -> bool:
    """Whether a call starts a global generator at a place that is the same each time: a number, or a name of the
    module that is bound once, to a number.
    """
    if model.names.dotted(call.func) not in RESETS or len(call.args) + len(call.keywords) != 1:
        return False
    return _is_constant(model, call.args[0] if call.args else call.keywords[0].value)


def _is_constant(model: FileModel, value: ast.expr) -> bool:
    if isinstance(value, ast.Constant):
        return isinstance(value.value, (int, float, str)) and not isinstance(value.value, bool)
    if not isinstance(value, ast.Name):
        return False
    found = model.names.lookup(value)
    if found is None or found[0] is not model.module or len(found[1]) != 1:
        return False
    binding = found[1][0]
    return binding.how in ("assign", "annotate") and isinstance(binding.value, ast.Constant) and not binding.path


def is_undone(model: FileModel, node: ast.AST) -> bool:
    """Whether somebody around ``node`` keeps the state of the generators: a `fork_rng`, a context or a decorator that
    is named after that, or a function that reads or writes states.
    """
    for ancestor in model.tree.ancestors(node):
        if isinstance(ancestor, (ast.With, ast.AsyncWith)):
            if any(_STATE_WORDS.search(model.source.segment(item.context_expr)) for item in ancestor.items):
                return True
        elif isinstance(ancestor, FUNCTIONS):
            if any(_STATE_WORDS.search(model.source.segment(decorator)) for decorator in ancestor.decorator_list):
                return True
            for part in walk(ancestor):
                if isinstance(part, ast.Call):
                    if model.names.dotted(part.func) in _STATES:
                        return True
                    word = part.func.attr if isinstance(part.func, ast.Attribute) else getattr(part.func, "id", "")
                    if "rng_state" in word or "random_state" in word or word in ("fork_rng", "set_state", "get_state"):
                        return True
    return False


def repeated_draw(model: FileModel, call: ast.Call, loop: LoopNode) -> ast.Call | None:
    """The draw that gives the same numbers in each round of a loop which collects them, because ``call`` starts their
    generator anew in each round.

    None where the rounds differ in something else: then they may be compared with each other under the same chance.
    """
    generator = RESETS.get(model.names.dotted(call.func) or "")
    statement = model.tree.parent(call)
    if not any(statement is part for part in loop.body) or isinstance(loop, ast.While) or generator is None:
        return None
    counters = {node.id for node in walk(loop.target) if isinstance(node, ast.Name)}
    draws: list[ast.Call] = []
    for node in walk_statements(loop.body):
        if isinstance(node, (*FUNCTIONS, ast.Lambda)):
            return None
        if isinstance(node, ast.Name) and node.id in counters and not _is_place(model, node):
            return None
        if isinstance(node, ast.Call) and (node.lineno, node.col_offset) > (call.lineno, call.col_offset):
            if generator in model.randomness.direct(node).draws and _is_stored(model, node, loop):
                draws.append(node)
    return draws[0] if draws else None


def _is_place(model: FileModel, name: ast.Name) -> bool:
    """Whether a counter only says where a result goes, or is printed."""
    child: ast.AST = name
    for ancestor in model.tree.ancestors(name):
        if isinstance(ancestor, ast.Subscript) and child is ancestor.slice:
            return isinstance(ancestor.ctx, ast.Store)
        if isinstance(ancestor, ast.Call):
            return isinstance(ancestor.func, ast.Name) and ancestor.func.id == "print"
        if isinstance(ancestor, ast.stmt):
            return isinstance(ancestor, (ast.For, ast.AsyncFor)) and child is ancestor.target
        child = ancestor
    return False


def _is_stored(model: FileModel, draw: ast.Call, loop: LoopNode) -> bool:
    """Whether what a draw gives is kept in a list or an array that outlives the round, directly or by its name."""
    statement = model.tree.statement(draw)
    if isinstance(statement, ast.Expr):
        return _appends(statement.value)
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return False
    target = statement.targets[0]
    if isinstance(target, ast.Subscript):
        return True
    if not isinstance(target, ast.Name):
        return False
    return any(
        isinstance(node, ast.Expr)
        and _appends(node.value)
        and any(isinstance(part, ast.Name) and part.id == target.id for part in walk(node.value))
        for node in model.flow.own_body(loop)
    )


def _appends(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("append", "extend")
    )
