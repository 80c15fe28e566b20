"""Keys of JAX that are made from one number in every training step, so that each step draws the same.

A step is what updates parameters: the body of the loop that does, or a function that does and that is compiled, or
called in a loop. What is folded into a key, or drawn to initialise a model, makes no step the same as another.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlint.model.tree import LOOPS, FunctionNode, walk, walk_scope

if TYPE_CHECKING:
    from mlint.model.file import FileModel

KEY_MAKERS = frozenset({"jax.random.key", "jax.random.PRNGKey"})
_UPDATES = frozenset({"optax.apply_updates"})
_SEEDED_BY_NAME = frozenset({"rngs", "rng", "key"})


class JaxSteps:
    """The constant keys in the training steps of one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self._updating: dict[ast.AST, bool] = {}

    def repeats(self, maker: ast.Call) -> ast.Call | None:
        """The draw that comes out the same in every training step, because its key is made there by ``maker``."""
        if len(maker.args) != 1 or maker.keywords or not self._constant(maker.args[0]):
            return None
        if not self._in_step(maker):
            return None
        return next(self._draws(maker), None)

    def _constant(self, node: ast.expr) -> bool:
        """Whether a seed is one number: written down, or a constant of the module."""
        if isinstance(node, ast.Constant):
            return isinstance(node.value, int)
        if not isinstance(node, ast.Name):
            return False
        found = self.model.names.lookup(node)
        return (
            found is not None
            and found[0] is self.model.tree.module
            and all(b.how == "assign" and isinstance(b.value, ast.Constant) and not b.path for b in found[1])
        )

    def _in_step(self, maker: ast.Call) -> bool:
        loop = next(self.model.tree.loops(maker), None)
        if loop is not None:
            return self._updates(loop)
        for function in self.model.tree.functions(maker):
            if self._updates(function):
                return self._repeated(function)
            if next(self.model.tree.loops(function), None) is not None:
                return self._updates(next(self.model.tree.loops(function)))
        return False

    def _updates(self, step: ast.AST) -> bool:
        """Whether a loop or function itself, the loops in it left out, updates parameters."""
        known = self._updating.get(step)
        if known is None:
            self._updating[step] = False  # recursion updates nothing more
            inside = (n for n in walk_scope(step) if isinstance(n, ast.Call) and self._updating_call(n))
            known = any(self._innermost(call, step) for call in inside)
            self._updating[step] = known
        return known

    def _innermost(self, node: ast.AST, step: ast.AST) -> bool:
        loop = next(self.model.tree.loops(node), None)
        return loop is step if isinstance(step, LOOPS) else loop is None

    def _updating_call(self, call: ast.Call) -> bool:
        if self.model.names.dotted(call.func) in _UPDATES:
            return True
        if isinstance(call.func, ast.Attribute) and call.func.attr == "apply_gradients":
            return True
        callee = self.model.kinds.local_function(call.func)
        return callee is not None and self._updates(callee)

    def _repeated(self, function: FunctionNode) -> bool:
        """Whether a function is run again and again: it is compiled, or called in a loop."""
        if self.model.flow.compiled(function.body[0]):
            return True
        calls = self.model.calls_by_definition().get(function, [])
        return any(next(self.model.tree.loops(call), None) is not None for call in calls)

    def _draws(self, maker: ast.Call) -> Iterator[ast.Call]:
        """The calls that draw with a key: samplers, and models that are given it by the name of their randomness."""
        scope = self.model.tree.function(maker) or self.model.tree.module
        held = self._holder(maker)
        uses: list[ast.AST] = [maker]
        for node in walk(scope) if held is not None else ():
            if isinstance(node, ast.Name) and node.id == held and isinstance(node.ctx, ast.Load):
                bindings = self.model.reaching.of(node) or []
                if bindings and all(binding.value is maker for binding in bindings):
                    uses.append(node)
        for use in uses:
            drawing = self._drawing(use)
            if drawing is not None:
                yield drawing

    def _holder(self, maker: ast.Call) -> str | None:
        parent = self.model.tree.parent(maker)
        if isinstance(parent, ast.Assign) and len(parent.targets) == 1 and isinstance(parent.targets[0], ast.Name):
            return parent.targets[0].id
        return None

    def _drawing(self, use: ast.AST) -> ast.Call | None:
        parent = self.model.tree.parent(use)
        if isinstance(parent, ast.Dict):  # `rngs={"dropout": key}`
            parent = self.model.tree.parent(parent)
            return self._given_by_name(parent)
        if isinstance(parent, ast.keyword):
            return self._given_by_name(parent)
        if isinstance(parent, ast.Call) and self.model.jax_keys.key(parent) is use:
            return parent
        return None

    def _given_by_name(self, keyword: ast.AST | None) -> ast.Call | None:
        if not isinstance(keyword, ast.keyword) or keyword.arg not in _SEEDED_BY_NAME:
            return None
        call = self.model.tree.parent(keyword)
        if not isinstance(call, ast.Call):
            return None
        word = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        drawing = self.model.jax_keys.key(call) is not None or word in ("apply", "apply_fn", "__call__")
        return call if drawing else None
