"""Where gradients are off, or where something decides about them: contexts, decorators, callers, frameworks."""

from __future__ import annotations

import ast
import os
from itertools import islice
from typing import TYPE_CHECKING

from mlint.model.effects import GRAD_OFF
from mlint.model.kinds import LIGHTNING_MODULE
from mlint.model.tree import FUNCTIONS, FunctionNode, walk, walk_statements

if TYPE_CHECKING:
    from mlint.model.file import FileModel

MODES = frozenset({"torch.no_grad", "torch.inference_mode", "torch.set_grad_enabled"})
_HOOKS = frozenset(
    "validation_step test_step predict_step on_validation_epoch_end on_test_epoch_end on_validation_batch_end "
    "on_test_batch_end validation_epoch_end test_epoch_end on_validation_epoch_start on_predict_batch_end "
    "on_validation_batch_start on_validation_start on_validation_end on_test_start on_test_end on_test_epoch_start "
    "on_test_batch_start on_predict_start on_predict_end on_predict_epoch_start on_predict_epoch_end "
    "on_predict_batch_start validation_step_end test_step_end predict_step_end".split()
)
"""Lightning runs these without gradients."""
_TRAINER = "transformers.Trainer"
_TRAINER_HOOKS = frozenset("prediction_step evaluation_loop prediction_loop compute_metrics".split())
_HARMLESS_DECORATORS = frozenset(
    "staticmethod classmethod property abc.abstractmethod functools.wraps functools.lru_cache functools.cache "
    "functools.cached_property contextlib.contextmanager typing.override typing_extensions.override".split()
)
_DEEPEST = 4
_CROWDED = 1000
"""More entries has no folder of a project: a temporary folder, say, or data."""
_NEIGHBOURS = 200
"""As many files beside a file, and a folder up and down, are searched for callers."""


class GradMode:
    """What is known of gradients in one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self._off: dict[ast.AST, bool] = {}
        self._modes: dict[ast.AST, bool] = {}

    def decided(self, node: ast.AST) -> bool:
        """Whether a `with` around ``node``, a decorator of a function around it, or a framework that calls it, turns
        gradients off or decides about them.

        A `set_grad_enabled(flag)` and a project's own context whose name says no_grad count: who wrote it has thought
        about gradients.
        """
        child: ast.AST = node
        for ancestor in self.model.tree.ancestors(node):
            if isinstance(ancestor, (ast.With, ast.AsyncWith)):
                if not isinstance(child, ast.withitem) and self._decides(ancestor):
                    return True
            elif isinstance(ancestor, FUNCTIONS):
                if self._is_off(ancestor):
                    return True
            child = ancestor
        return False

    def _decides(self, block: ast.With | ast.AsyncWith) -> bool:
        known = self._off.get(block)
        if known is None:
            contexts = [item.context_expr for item in block.items]
            known = self._off[block] = (
                any(map(self.is_mode, contexts))
                or any(self._is_stack(item) and self._entered(item, block) for item in block.items)
                or GRAD_OFF in self.model.effects.run_by(block)
            )
        return known

    def _is_stack(self, item: ast.withitem) -> bool:
        context = item.context_expr
        dotted = self.model.names.dotted(context.func if isinstance(context, ast.Call) else context) or ""
        return dotted in ("contextlib.ExitStack", "contextlib.AsyncExitStack") or isinstance(context, ast.Name)

    def _entered(self, item: ast.withitem, block: ast.AST) -> bool:
        """Whether a stack of contexts is given one that decides about gradients, in the block or before it."""
        stack = item.optional_vars if item.optional_vars is not None else item.context_expr
        if not isinstance(stack, ast.Name):
            return False
        owner = self.model.tree.function(block) or self.model.module
        for node in walk_statements(owner.body):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                if node.func.attr in ("enter_context", "enter_async_context"):
                    if isinstance(node.func.value, ast.Name) and node.func.value.id == stack.id:
                        if self.is_mode(node.args[0]):
                            return True
        return False

    def _is_off(self, function: FunctionNode) -> bool:
        """Whether a function runs without gradients by its decorators, its class or its framework."""
        known = self._off.get(function)
        if known is None:
            self._off[function] = False
            known = self._off[function] = self._turned_off(function)
        return known

    def _turned_off(self, function: FunctionNode) -> bool:
        if any(map(self.is_mode, function.decorator_list)):
            return True
        if function.decorator_list and GRAD_OFF in self.model.effects.run_by(function):
            return True
        owner = self.model.tree.parent(function)
        if isinstance(owner, ast.ClassDef):
            if any(map(self.is_mode, owner.decorator_list)):
                return True
            if function.name in _HOOKS or function.name in _TRAINER_HOOKS:
                families = self.families(owner)
                if function.name in _HOOKS and LIGHTNING_MODULE in families:
                    return True
                if function.name in _TRAINER_HOOKS and any(name.startswith(_TRAINER) for name in families):
                    return True
        return False

    def families(self, owner: ast.ClassDef) -> frozenset[str]:
        """What a class is by its bases, those in other files of the project included."""
        found: set[str] = set()
        for model, definition in self.model.callees.lineage(owner):
            found |= model.kinds.bases(definition)
        return frozenset(found)

    def is_mode(self, node: ast.expr) -> bool:
        """Whether a context or a decorator decides about gradients."""
        known = self._modes.get(node)
        if known is None:
            self._modes[node] = False
            known = self._modes[node] = self._is_mode(node)
        return known

    def _is_mode(self, node: ast.expr) -> bool:
        if isinstance(node, ast.IfExp):  # `with torch.no_grad() if frozen else nullcontext():`
            return self.is_mode(node.body) or self.is_mode(node.orelse)
        if isinstance(node, ast.BoolOp):
            return any(map(self.is_mode, node.values))
        callee = node.func if isinstance(node, ast.Call) else node
        if isinstance(callee, ast.IfExp):  # `with (torch.no_grad if frozen else nullcontext)():`
            return self.is_mode(callee)
        dotted = self.model.names.dotted(callee)
        if dotted in MODES:
            return True
        if dotted is not None and dotted.startswith("torch."):
            return False
        word = callee.attr if isinstance(callee, ast.Attribute) else callee.id if isinstance(callee, ast.Name) else ""
        word = word.lower()
        if "no_grad" in word or "inference_mode" in word or "nograd" in word:
            return True
        return any(self._mentions(value) for value in self._values(callee))

    def _values(self, node: ast.expr) -> list[ast.expr]:
        """What a name or an attribute of self may hold."""
        model = self.model
        if isinstance(node, ast.Name):
            found = model.names.lookup(node)
            bindings = found[1] if found is not None else ()
            return [b.value for b in bindings if b.how in ("assign", "annotate", "walrus") and b.value is not None]
        if isinstance(node, ast.Attribute) and model.kinds.is_self(node.value):
            owner = model.tree.class_of(node)
            values = [] if owner is None else model.kinds.attribute_values(owner, node.attr)
            return [value for value in values if isinstance(value, ast.expr)]
        return []

    def _mentions(self, value: ast.expr) -> bool:
        return any(
            isinstance(node, (ast.Name, ast.Attribute)) and self.model.names.dotted(node) in MODES
            for node in walk(value)
        )

    # Callers

    def possibly_off(self, node: ast.AST) -> bool:
        """Whether ``node`` may run without gradients: something around it decides, or somebody who calls it does, in
        this file or beside it, or a decorator that cannot be followed.
        """
        if self.decided(node) or self._switched():
            return True
        function = self.model.tree.function(node)
        return function is not None and self._called_off(function, 0)

    def _switched(self) -> bool:
        """Whether the file turns gradients off for the whole process."""
        return any(
            isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Call)
            and self.model.names.dotted(statement.value.func) == "torch.set_grad_enabled"
            for statement in self.model.module.body
        )

    def _called_off(self, function: FunctionNode, depth: int) -> bool:
        model = self.model
        for decorator in function.decorator_list:
            callee = decorator.func if isinstance(decorator, ast.Call) else decorator
            word = model.names.dotted(callee) or (callee.id if isinstance(callee, ast.Name) else "")
            if word in _HARMLESS_DECORATORS or (isinstance(callee, ast.Attribute) and callee.attr == "setter"):
                continue
            if not model.callees.named_by(callee):
                return True  # whatever it does, it cannot be followed
        for caller in model.calls_by_definition().get(function, ()):
            if self.decided(caller):
                return True
            outer = model.tree.function(caller)
            if outer is not None and outer is not function and depth < _DEEPEST and self._called_off(outer, depth + 1):
                return True
        return self._called_off_elsewhere(function, depth)

    def _called_off_elsewhere(self, function: FunctionNode, depth: int) -> bool:
        project = self.model.project
        if project is None or function.name.startswith("_") or depth >= _DEEPEST:
            return False
        here = os.path.abspath(self.model.source.path)
        stem = os.path.splitext(os.path.basename(here))[0]
        if stem == "__init__":
            stem = os.path.basename(os.path.dirname(here))
        found, folders = _neighbours(here)
        project.watches(here, [*found, *folders])
        for path in found:
            text = project.text(path)
            if text is None or function.name not in text or stem not in text or not _says_off(text):
                continue
            other = project.model(path)
            if other is None:
                continue
            project.leads_to(here, path)
            for call in other.tree.calls:
                word = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                if word != function.name:
                    continue
                callee = other.callees.certain(call)
                if callee is None or os.path.abspath(callee[0].source.path) != here:
                    continue
                if callee[1].lineno == function.lineno and other.grad_mode.decided(call):
                    return True
        return False


def _says_off(text: str) -> bool:
    return "no_grad" in text or "inference_mode" in text or "set_grad_enabled" in text


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What lies in a folder; nothing where that is so much that it is no folder of a project."""
    try:
        with os.scandir(folder) as entries:
            found = list(islice(entries, _CROWDED + 1))
    except OSError:
        return []
    return found if len(found) <= _CROWDED else []


def _neighbours(path: str) -> tuple[list[str], list[str]]:
    """The Python files beside a file, in the folder above, and in the folders below; and these folders."""
    folder = os.path.dirname(path)
    inner = sorted(entry.path for entry in _entries(folder) if entry.name[0] not in "._" and entry.is_dir())
    found: list[str] = []
    places = (folder, *inner, os.path.dirname(folder))
    for place in places:
        names = sorted(entry.path for entry in _entries(place) if entry.name.endswith(".py"))
        found += (name for name in names if name != path)
        if len(found) > _NEIGHBOURS:
            break
    return found[:_NEIGHBOURS], list(places)
