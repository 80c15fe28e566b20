"""Where code stands: in which loops, behind which guards, with or without gradients.

The questions are about structure: nothing here knows what a rule is. Where the answer depends on what functions do
(a step in a helper, `no_grad` at the only caller), `mlint.model.effects` is asked.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING

from mlint.model.kinds import DATA_LOADER, TF_DATASET
from mlint.model.tree import (
    FUNCTIONS,
    LOOPS,
    FunctionNode,
    LoopNode,
    children,
    suites,
    walk,
    walk_statements,
)

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_COMPILERS = frozenset(
    "numba.jit numba.njit numba.vectorize numba.guvectorize numba.cuda.jit numba.stencil jax.jit jax.pmap jax.vmap "
    "torch.compile torch.jit.script torch.jit.trace torch.vmap torch.func.vmap tensorflow.function equinox.filter_jit "
    "triton.jit cython.compile taichi.kernel taichi.func flax.nnx.jit".split()
)
# A text: `re` compiles it when it is first searched for, which few runs do.
_EVERY_N = (
    r"(?i)log(?!it|_?prob|_?sum|_?soft)|print|verbose|debug|interval|freq|rank|main_process|master|sync_gradients|"
    r"wandb|writer|every"
)
_THROUGH = frozenset(
    "enumerate zip tqdm.tqdm tqdm.auto.tqdm tqdm.notebook.tqdm tqdm.std.tqdm tqdm.asyncio.tqdm_asyncio "
    "itertools.islice iter list reversed".split()
)


class Flow:
    """The places of one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self.tree = model.tree
        self.names = model.names
        self.kinds = model.kinds
        self._counted: dict[ast.AST, frozenset[str]] = {}
        self._compiled: dict[ast.AST, bool] = {}

    # Loops

    def loop(self, node: ast.AST) -> LoopNode | None:
        """The innermost loop of its function that runs ``node`` again and again."""
        return next(self.tree.loops(node), None)

    def iterated(self, loop: LoopNode) -> ast.expr | None:
        """What a `for` loop goes over, seen through `enumerate`, `tqdm`, `zip` and the like (its first argument)."""
        if isinstance(loop, ast.While):
            return None
        return self.unwrapped(loop.iter)

    def unwrapped(self, node: ast.expr) -> ast.expr:
        """An iterable without the `enumerate`, `tqdm`, … around it."""
        while isinstance(node, ast.Call) and node.args and self.names.dotted(node.func) in _THROUGH:
            if isinstance(node.args[0], ast.Starred):
                break
            node = node.args[0]
        return node

    def is_batch_loop(self, loop: LoopNode) -> bool:
        """Whether a loop goes over a data loader or a tf.data dataset."""
        iterated = self.iterated(loop)
        return iterated is not None and self.kinds.is_a(iterated, DATA_LOADER, TF_DATASET)

    def is_training_loop(self, loop: LoopNode) -> bool:
        """Whether the body of a loop itself, nested loops left out, goes backward and steps an optimizer."""
        backward = step = False
        for node in self.own_body(loop):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = node.func.attr
                backward = backward or name in ("backward", "manual_backward")
                step = step or (name == "step" and (bool(node.args) or self._may_be_optimizer(node.func.value)))
        return backward and step

    def _may_be_optimizer(self, node: ast.expr) -> bool:
        kind = self.kinds.of(node)
        return not kind.known or kind.is_a("torch.optim.Optimizer", "torch.amp.GradScaler")

    def training_loop(self, node: ast.AST) -> LoopNode | None:
        """The innermost loop around ``node`` if it is a training loop."""
        loop = self.loop(node)
        return loop if loop is not None and self.is_training_loop(loop) else None

    def own_body(self, loop: LoopNode) -> Iterator[ast.AST]:
        """The nodes of a loop's body without the insides of nested loops, functions and classes."""
        stack: list[ast.AST] = list(reversed(loop.body))
        while stack:
            node = stack.pop()
            yield node
            if isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
                continue
            if isinstance(node, LOOPS):
                continue
            stack.extend(reversed(children(node)))

    def guards(self, node: ast.AST, outermost: ast.AST | None = None) -> Iterator[tuple[ast.expr, bool]]:
        """The conditions under which ``node`` runs, innermost first, with the value that they must have.

        Looks up to ``outermost`` (a loop, say) or to the end of the function.
        """
        child = node
        for ancestor in self.tree.ancestors(node):
            if ancestor is outermost or isinstance(ancestor, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
                return
            if isinstance(ancestor, (ast.If, ast.IfExp)) and child is not ancestor.test:
                body = ancestor.body if isinstance(ancestor.body, list) else [ancestor.body]
                yield ancestor.test, any(child is part for part in body)
            elif isinstance(ancestor, ast.BoolOp) and child is not ancestor.values[0]:
                yield ancestor.values[0], isinstance(ancestor.op, ast.And)
            elif isinstance(ancestor, ast.Match) and child is not ancestor.subject:
                yield ancestor.subject, True
            child = ancestor

    def guarded_every_n_steps(self, node: ast.AST, loop: LoopNode) -> bool:
        """Whether ``node`` runs only in some rounds of a loop: under a modulo, a rank or a logging condition, or behind
        a statement that goes on with the next round on such a condition.
        """
        if any(self.is_about_rounds(test, loop) for test, _ in self.guards(node, loop)):
            return True
        child: ast.AST = node
        for ancestor in self.tree.ancestors(node):
            if isinstance(child, ast.stmt):
                for earlier in self.tree.block(child):
                    if earlier is child:
                        break
                    if isinstance(earlier, ast.If) and (_goes_on(earlier.body) or _goes_on(earlier.orelse)):
                        if self.is_about_rounds(earlier.test, loop):
                            return True
            if ancestor is loop or isinstance(ancestor, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
                return False
            child = ancestor
        return False

    def is_about_rounds(self, test: ast.expr, loop: LoopNode, depth: int = 0) -> bool:
        """Whether a condition holds in some rounds of a loop only: it counts them, or is about ranks or logging.

        ``step < start`` is none: from some round on it is always so.
        """
        for inner in walk(test):
            if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Mod):
                return True
            if isinstance(inner, ast.Call):
                if any(_word(argument) in self._counters(loop) for argument in inner.args):
                    return True
            elif isinstance(inner, ast.Compare):
                if any(_word(side) in self._counters(loop) for side in (inner.left, *inner.comparators)):
                    if all(isinstance(op, (ast.Eq, ast.NotEq, ast.In, ast.NotIn)) for op in inner.ops):
                        return True
            elif isinstance(inner, (ast.Name, ast.Attribute)):
                if re.search(_EVERY_N, _word(inner)):
                    return True
                if isinstance(inner, ast.Name) and depth < 3:
                    found = self.names.lookup(inner)
                    values = [] if found is None else [b.value for b in found[1] if b.how == "assign"]
                    # An answer, not a number that was computed with a modulo.
                    if len(values) == 1 and isinstance(values[0], (ast.Compare, ast.BoolOp, ast.UnaryOp)):
                        if self.is_about_rounds(values[0], loop, depth + 1):
                            return True
        return False

    def _counters(self, loop: LoopNode) -> frozenset[str]:
        """The names that count the rounds of a loop: those of `enumerate` and `range`, and what is added to in it."""
        known = self._counted.get(loop)
        if known is None:
            found: set[str] = set()
            if not isinstance(loop, ast.While) and isinstance(loop.iter, ast.Call):
                name = self.names.dotted(loop.iter.func)
                target = loop.target
                if name == "range" and isinstance(target, ast.Name):
                    found.add(target.id)
                elif name == "enumerate" and isinstance(target, ast.Tuple) and isinstance(target.elts[0], ast.Name):
                    found.add(target.elts[0].id)
            for node in self.own_body(loop):
                if isinstance(node, ast.AugAssign) and isinstance(node.value, ast.Constant):
                    if isinstance(node.target, (ast.Name, ast.Attribute)):
                        found.add(node.target.id if isinstance(node.target, ast.Name) else node.target.attr)
            known = self._counted[loop] = frozenset(found)
        return known

    def is_conditional(self, node: ast.AST, outermost: ast.AST | None = None) -> bool:
        """Whether anything decides at run time that ``node`` runs at all."""
        return next(self.guards(node, outermost), None) is not None

    # Guards

    def version_guarded(self, node: ast.AST) -> bool:
        """Whether ``node`` runs on one side of a choice by library version, attribute or import only."""
        return self.model.guards.chosen(node)

    def compiled(self, node: ast.AST) -> bool:
        """Whether a compiler (numba, jax.jit, torch.compile, …) runs the function in which ``node`` stands."""
        for function in self.tree.functions(node):
            if function not in self._compiled:
                self._compiled[function] = self._is_compiled(function)
            if self._compiled[function]:
                return True
        return False

    def _is_compiled(self, function: FunctionNode) -> bool:
        for decorator in function.decorator_list:
            call = decorator.func if isinstance(decorator, ast.Call) else decorator
            dotted = self.names.dotted(call)
            if dotted in _COMPILERS:
                return True
            if dotted == "functools.partial" and isinstance(decorator, ast.Call) and decorator.args:
                if self.names.dotted(decorator.args[0]) in _COMPILERS:
                    return True
        return self._compiled_by_call(function)

    def _compiled_by_call(self, function: FunctionNode) -> bool:
        """`step = jax.jit(step)`: the function is handed to a compiler in its own scope."""
        scope = self.tree.scope(function)
        for bindings in self.names.bindings(scope).values():
            for binding in bindings:
                value = binding.value
                if isinstance(value, ast.Call) and value.args and isinstance(value.args[0], ast.Name):
                    if value.args[0].id == function.name and self.names.dotted(value.func) in _COMPILERS:
                        return True
        return False

    # Gradients

    def grad_context(self, node: ast.AST) -> bool:
        """Whether a `with` around ``node``, a decorator of a function around it, or a framework that calls it, turns
        gradients off or decides about them.
        """
        return self.model.grad_mode.decided(node)

    # The file

    def is_main_guard(self, node: ast.AST) -> bool:
        """Whether a statement is `if __name__ == "__main__":`."""
        return (
            isinstance(node, ast.If)
            and isinstance(node.test, ast.Compare)
            and isinstance(node.test.left, ast.Name)
            and node.test.left.id == "__name__"
        )

    def main_guard(self) -> ast.If | None:
        """The `if __name__ == "__main__":` of the file."""
        for statement in self.tree.module.body:
            if self.is_main_guard(statement):
                assert isinstance(statement, ast.If)
                return statement
        return None

    def reads(self, name: str, statements: list[ast.stmt]) -> list[ast.Name]:
        """The reads of a name in statements, nested functions included."""
        return [
            node
            for statement in statements
            for node in walk(statement)
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
        ]

    def uses_after(self, name: str, statement: ast.stmt) -> list[ast.Name]:
        """Where a name is read, deleted or changed in place (`x += 1`) after a statement, or may be: in what follows
        it, in the handlers and the `finally` of a `try` around it, in the next round of a loop (the statement itself
        included), and in functions, which may be called later.
        """
        found: dict[ast.Name, None] = {}  # in order, each once
        scope = self.tree.scope(statement)
        current: ast.AST = statement
        while current is not scope:
            parent = self.tree.parent(current)
            if parent is None:
                break
            if isinstance(current, ast.ExceptHandler):
                self._note_uses(name, getattr(parent, "finalbody", []), found)
            for block in suites(parent):
                index = next((i for i, other in enumerate(block) if other is current), None)
                if index is not None:
                    self._note_uses(name, block[index + 1 :], found)
                    self._note_uses(name, self._comes_next(parent, block), found)
            current = parent
        bindings = self.names.bindings(scope).get(name, ())
        if any(binding.how in ("global", "nonlocal") for binding in bindings):
            inside = set(walk(scope))
            self._note_uses(name, [self.tree.module], found, but=inside)
            return list(found)
        for inner in walk_statements(list(getattr(scope, "body", []))):
            if isinstance(inner, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
                elsewhere: dict[ast.Name, None] = {}
                self._note_uses(name, [inner], elsewhere)
                for use in elsewhere:
                    meant = self.names.lookup(use)
                    if meant is not None and meant[0] is scope:
                        found[use] = None
        return list(found)

    def _comes_next(self, parent: ast.AST, block: list[ast.stmt]) -> list[ast.AST]:
        """What may run after a statement of a block and does not stand behind it in the block."""
        if isinstance(parent, LOOPS) and block is parent.body:
            test: list[ast.AST] = [parent.test] if isinstance(parent, ast.While) else []
            return [*block, *test, *parent.orelse]
        handlers = getattr(parent, "handlers", None)
        if handlers is None:
            return []
        final: list[ast.stmt] = getattr(parent, "finalbody", [])
        if block is getattr(parent, "body", None):
            return [*handlers, *getattr(parent, "orelse", []), *final]
        return [] if block is final else [*final]

    def _note_uses(
        self, name: str, parts: Sequence[ast.AST], found: dict[ast.Name, None], but: Container[ast.AST] = ()
    ) -> None:
        """Add where parts of the program read, delete or change a name."""
        for part in parts:
            for node in walk(part):
                if not isinstance(node, ast.Name) or node.id != name or node in but:
                    continue
                if isinstance(node.ctx, ast.Store):
                    owner = self.tree.parent(node)
                    if not isinstance(owner, ast.AugAssign) or owner.target is not node:
                        continue
                found[node] = None


def _word(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _goes_on(block: list[ast.stmt]) -> bool:
    return bool(block) and isinstance(block[-1], (ast.Continue, ast.Break, ast.Return))
