"""What a function does: seeds, draws, goes backward, steps, zeroes gradients, turns gradients off.

The effect of a function is what it does itself plus what the functions that it calls do, as far as these are known:
functions and methods of the file, and of first-party modules.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.libraries import ROOTS
from mlint.model.randomness import SEEDING
from mlint.model.tree import FUNCTIONS, FunctionNode, walk_scope

if TYPE_CHECKING:
    from mlint.model.file import FileModel

SEEDS = "seeds"
BACKWARD = "backward"
STEP = "step"
ZERO_GRAD = "zero_grad"
UNKNOWN_SEED = "calls something named seed"


class Effects:
    """The effects of the functions of one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self._known: dict[ast.AST, frozenset[str]] = {}

    def of(self, function: FunctionNode | ast.Module) -> frozenset[str]:
        """What a function (or the top level of the file) does, helpers included."""
        if function in self._known:
            return self._known[function]
        self._known[function] = frozenset()  # recursion adds nothing
        found: set[str] = set()
        body = walk_scope(function)
        for node in body:
            if isinstance(node, ast.Call):
                found |= self.of_call(node)
            elif isinstance(node, ast.Assign):
                found |= self._of_assignment(node)
        result = self._known[function] = frozenset(found)
        return result

    def of_call(self, call: ast.Call) -> frozenset[str]:
        """What one call does."""
        model = self.model
        found: set[str] = set()
        func = call.func
        dotted = model.names.dotted(func)
        if dotted in SEEDING:
            found.add(SEEDS)
        if isinstance(func, ast.Attribute):
            name = func.attr
            if name in ("backward", "manual_backward"):
                found.add(BACKWARD)
            elif name == "zero_grad":
                found.add(ZERO_GRAD)
            elif name == "step" and not model.kinds.is_a(func.value, "torch.optim.lr_scheduler.LRScheduler"):
                found.add(STEP)
        callee = self.callee(call)
        if callee is not None:
            other, definition = callee
            found |= other.effects.of(definition)
        else:
            word = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
            if "seed" in word.lower() and dotted not in SEEDING:
                found.add(UNKNOWN_SEED)
        return frozenset(found)

    def _of_assignment(self, node: ast.Assign) -> set[str]:
        for target in node.targets:
            if isinstance(target, ast.Attribute) and target.attr == "grad" and isinstance(node.value, ast.Constant):
                return {ZERO_GRAD}
        return set()

    def callee(self, call: ast.Call) -> tuple[FileModel, FunctionNode] | None:
        """The function that a call runs, in this file or in a first-party one; for a class, its `__init__`."""
        model = self.model
        definition = model.kinds._definition(call.func)
        owner: FileModel = model
        if definition is None:
            found = self._foreign(call.func)
            if found is None:
                return None
            owner, definition = found
            model.depends_on(owner)
        if isinstance(definition, ast.ClassDef):
            definition = owner.kinds.method(definition, "__init__")
        return (owner, definition) if isinstance(definition, FUNCTIONS) else None

    def _foreign(self, func: ast.expr) -> tuple[FileModel, ast.AST] | None:
        """The function or class of a first-party module that an expression names: also a method of an instance that
        a name, or an attribute of self, holds (`trainer = Trainer(…); trainer.run()`).
        """
        model = self.model
        if model.project is None:
            return None
        dotted = model.names.dotted(func)
        if dotted is not None:
            return model.project.definition(dotted, model.source.path)
        if not isinstance(func, ast.Attribute):
            return None
        values: list[ast.AST | None] = []
        receiver = func.value
        if isinstance(receiver, ast.Call):
            values.append(receiver)
        elif isinstance(receiver, ast.Name):
            values.extend(
                b.value if b.how == "assign" and not b.path else None for b in model.reaching.of(receiver) or ()
            )
        elif isinstance(receiver, ast.Attribute) and model.kinds.is_self(receiver.value):
            owner = model.tree.class_of(receiver)
            if owner is not None:
                values.extend(model.kinds.attribute_values(owner, receiver.attr))
        if len(values) != 1 or not isinstance(values[0], ast.Call):
            return None
        dotted = model.names.dotted(values[0].func)
        if dotted is None or dotted.partition(".")[0] in ROOTS:
            return None
        found = model.project.definition(dotted, model.source.path)
        if found is None or not isinstance(found[1], ast.ClassDef):
            return None
        method = found[0].kinds.method(found[1], func.attr)
        return None if method is None else (found[0], method)

    def callers(self, function: FunctionNode) -> list[ast.Call]:
        """The calls of a function in its own file."""
        return self.model.calls_by_definition().get(function, [])
