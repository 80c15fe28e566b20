"""What code does to gradients and to chance, certainly and possibly.

A rule that wants to be silent on doubt asks what code *possibly* does; one that reports asks what it *certainly* does.
Both are closed over the calls: what a function does itself, and what the functions that it runs do, in other files as
well, through methods, inheritance, partials and decorators.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlint.model.draws import SEEDING
from mlint.model.tree import FUNCTIONS, LOOPS, FunctionNode, walk, walk_statements

if TYPE_CHECKING:
    from mlint.model.callees import Code
    from mlint.model.file import FileModel

SEEDS = "seeds"
BACKWARD = "backward"
STEP = "step"
ZERO = "zero"
GRADIENT = "gradient"
GRAD_OFF = "turns gradients off"
UNKNOWN = "cannot be followed"
"""Too much code to look at all of it."""

_WORDS = {
    "backward": BACKWARD,
    "manual_backward": BACKWARD,
    "zero_grad": ZERO,
    "step": STEP,
    "no_grad": GRAD_OFF,
    "inference_mode": GRAD_OFF,
    "set_grad_enabled": GRAD_OFF,
}
_LEAVES = (ast.Return, ast.Raise, ast.Break, ast.Continue, ast.Yield, ast.YieldFrom)
_MOST = 400
"""As many functions are looked at on behalf of one question."""


class Effects:
    """The effects of the functions of one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self._own: dict[ast.AST, frozenset[str]] = {}
        self._run: dict[ast.AST, frozenset[str]] = {}
        self._possible: dict[ast.AST, frozenset[str]] = {}
        self._certain: dict[ast.AST, frozenset[str]] = {}

    def callee(self, call: ast.Call) -> tuple[FileModel, FunctionNode] | None:
        """The function that a call certainly runs, in this file or in a first-party one; for a class, `__init__`."""
        return self.model.callees.certain(call)

    def callers(self, function: FunctionNode) -> list[ast.Call]:
        """The calls of a function in its own file."""
        return self.model.calls_by_definition().get(function, [])

    # Possibly

    def possibly(self, code: Code) -> frozenset[str]:
        """Everything that a function or lambda may do: what stands in it, and what that runs."""
        found = self._possible.get(code)
        if found is None:
            found = self._possible[code] = self._reached([(self.model, code)])
        return found

    def run_by(self, node: ast.AST) -> frozenset[str]:
        """Everything that the functions may do which a call, a loop's header, the contexts of a `with` or the
        decorators of a function run.
        """
        found = self._run.get(node)
        if found is None:
            found = self._run[node] = self._reached([*self.model.callees.possible(node)])
        return found

    def _reached(self, pending: list[tuple[FileModel, Code]]) -> frozenset[str]:
        found: set[str] = set()
        seen: set[ast.AST] = set()
        while pending:
            other, code = pending.pop()
            if code in seen:
                continue
            seen.add(code)
            if len(seen) > _MOST:
                found.add(UNKNOWN)
                break
            self.model.depends_on(other)
            found |= other.effects.own(code)
            pending.extend(other.effects.run_in(code))
        return frozenset(found)

    def own(self, code: Code) -> frozenset[str]:
        """What stands in a function itself, functions in it included."""
        known = self._own.get(code)
        if known is None:
            found: set[str] = set()
            for node in walk(code):
                if isinstance(node, ast.Call):
                    found |= self._direct(node)
                elif isinstance(node, (ast.Assign, ast.AugAssign, ast.Delete)):
                    found |= _of_statement(node)
                elif isinstance(node, (ast.Attribute, ast.Name)):
                    word = node.attr if isinstance(node, ast.Attribute) else node.id
                    effect = _WORDS.get(word)
                    if effect is not None and effect is not STEP:
                        found.add(effect)
            known = self._own[code] = frozenset(found)
        return known

    def run_in(self, code: Code) -> Iterator[tuple[FileModel, Code]]:
        """The functions that the calls, loops and contexts in a function may run."""
        callees = self.model.callees
        for node in walk(code):
            if isinstance(node, (ast.Call, ast.For, ast.AsyncFor, ast.comprehension, ast.With, ast.AsyncWith)):
                yield from callees.possible(node)

    def _direct(self, call: ast.Call) -> set[str]:
        """What a call does by itself."""
        func = call.func
        found: set[str] = set()
        if self.model.names.dotted(func) in SEEDING:
            found.add(SEEDS)
        if isinstance(func, ast.Attribute):
            effect = _WORDS.get(func.attr)
            if effect is not None:
                found.add(effect)
        return found

    # Certainly

    def certainly(self, node: ast.AST) -> frozenset[str]:
        """What a function does in every call, or a call in every case: nothing decides whether it happens."""
        if isinstance(node, ast.Call):
            found = self._direct(node)
            callee = self.callee(node)
            if callee is not None and not callee[1].decorator_list:
                found |= callee[0].effects.certainly(callee[1])
            return frozenset(found)
        known = self._certain.get(node)
        if known is None:
            self._certain[node] = frozenset()  # recursion makes nothing certain
            done: set[str] = set()
            if isinstance(node, FUNCTIONS):
                for part in _straight(node.body):
                    if isinstance(part, ast.Call):
                        done |= self.certainly(part)
                    elif isinstance(part, (ast.Assign, ast.AugAssign, ast.Delete)):
                        done |= _of_statement(part)
            known = self._certain[node] = frozenset(done)
        return known


def _straight(block: list[ast.stmt]) -> Iterator[ast.AST]:
    """The nodes of a block that are run whenever the block is: no branch, no loop, nothing behind a way out."""
    for statement in block:
        if isinstance(statement, (ast.With, ast.AsyncWith)):
            for item in statement.items:
                yield from _plain(item.context_expr)
            yield from _straight(statement.body)
        elif isinstance(statement, ast.Try):
            yield from _straight(statement.finalbody)
        elif isinstance(statement, (ast.If, *LOOPS)):
            yield from _plain(statement.iter if isinstance(statement, (ast.For, ast.AsyncFor)) else statement.test)
        elif not isinstance(statement, (*FUNCTIONS, ast.ClassDef, ast.Match)):
            yield statement
            for part in ast.iter_child_nodes(statement):
                yield from _plain(part)
        if any(isinstance(node, _LEAVES) for node in walk_statements([statement])):
            return


def _plain(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of an expression that are computed whenever the expression is."""
    if isinstance(node, ast.IfExp):
        yield from _plain(node.test)
    elif isinstance(node, ast.BoolOp):
        yield from _plain(node.values[0])
    elif not isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        yield node
        for part in ast.iter_child_nodes(node):
            yield from _plain(part)


def _of_statement(node: ast.Assign | ast.AugAssign | ast.Delete) -> set[str]:
    targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
    for target in targets:
        if isinstance(target, ast.Attribute) and target.attr == "grad":
            none = isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is None
            return {ZERO if none or isinstance(node, ast.Delete) else GRADIENT}
    return set()
