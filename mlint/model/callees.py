"""Which functions of the project a call runs: the one that it certainly does, and all that it may.

Certain is what a name or a method means by itself: a function of this file or of a first-party module, an inherited
method, the `__init__` of a class. Possible is, besides, what a name was bound to on some path (a lambda, a `partial`,
a bound method), what is handed over as an argument, what a decorator puts around a function, and what an iteration or a
`with` calls behind the scenes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlint.model.tree import FUNCTIONS, FunctionNode

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.model.names import Binding

Code = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
"""What can be run."""

_MAKING = ("__init__", "__post_init__", "__new__")
_ITERATION = ("__iter__", "__next__", "__getitem__")
_CONTEXT = ("__enter__", "__exit__", "__aenter__", "__aexit__")
_DEEPEST = 5
_MOST_BASES = 40


class Callees:
    """The callees of one file's calls."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self._certain: dict[ast.Call, tuple[FileModel, FunctionNode] | None] = {}
        self._possible: dict[ast.AST, tuple[tuple[FileModel, Code], ...]] = {}

    # Certainly

    def certain(self, call: ast.Call) -> tuple[FileModel, FunctionNode] | None:
        """The function that a call runs, in this file or in a first-party one; for a class, its `__init__`."""
        if call not in self._certain:
            self._certain[call] = None
            self._certain[call] = self._callee(call)
        return self._certain[call]

    def _callee(self, call: ast.Call) -> tuple[FileModel, FunctionNode] | None:
        found = self._definition(call.func)
        if found is None:
            return None
        owner, definition = found
        if isinstance(definition, ast.ClassDef):
            return self.method(owner, definition, "__init__")
        return (owner, definition) if isinstance(definition, FUNCTIONS) else None

    def _definition(self, func: ast.expr) -> tuple[FileModel, ast.AST] | None:
        """The function or class that an expression names."""
        model = self.model
        definition = model.kinds._definition(func)
        if definition is not None:
            return model, definition
        if isinstance(func, ast.Attribute) and model.kinds.is_self(func.value):
            owner = model.tree.class_of(func)
            inherited = None if owner is None else self.method(model, owner, func.attr)
            if inherited is not None:
                return inherited
        return self._foreign(func)

    def method(self, model: FileModel, owner: ast.ClassDef, name: str) -> tuple[FileModel, FunctionNode] | None:
        """The method of a class, or of its bases wherever in the project these are."""
        for place, definition in model.callees.lineage(owner):
            self.model.depends_on(place)
            for statement in definition.body:
                if isinstance(statement, FUNCTIONS) and statement.name == name:
                    return place, statement
        return None

    def lineage(self, owner: ast.ClassDef) -> Iterator[tuple[FileModel, ast.ClassDef]]:
        """A class of this file and its bases, wherever in the project these are."""
        pending = [(self.model, owner)]
        seen: set[ast.AST] = set()
        while pending and len(seen) < _MOST_BASES:
            place, definition = pending.pop(0)
            if definition in seen:
                continue
            seen.add(definition)
            self.model.depends_on(place)
            yield place, definition
            for base in definition.bases:
                node = base.value if isinstance(base, ast.Subscript) else base
                local = place.kinds.local_class(node)
                if local is not None:
                    pending.append((place, local))
                    continue
                other = place.callees.named(node)
                if other is not None and isinstance(other[1], ast.ClassDef):
                    pending.append((other[0], other[1]))

    def named(self, node: ast.expr) -> tuple[FileModel, ast.AST] | None:
        """The function or class of another file of the project that an expression names."""
        model = self.model
        if model.project is None:
            return None
        dotted = model.names.dotted(node)
        if dotted is None or not self.is_first_party(dotted):
            return None
        found = model.project.definition(dotted, model.source.path)
        if found is not None:
            model.depends_on(found[0])
        return found

    def is_first_party(self, dotted: str) -> bool:
        """Whether a name may belong to the project of this file."""
        project = self.model.project
        return project is not None and project.is_first_party(dotted, self.model.source.path)

    def _foreign(self, func: ast.expr) -> tuple[FileModel, ast.AST] | None:
        """The function or class of a first-party module that an expression names: also a method of an instance that
        a name, or an attribute of self, holds (`trainer = Trainer(…); trainer.run()`).
        """
        model = self.model
        if model.project is None:
            return None
        if model.names.dotted(func) is not None:
            return self.named(func)
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
        if dotted is None or not self.is_first_party(dotted):
            return None
        made = self.named(values[0].func)
        if made is None or not isinstance(made[1], ast.ClassDef):
            return None
        return self.method(made[0], made[1], func.attr)

    # Possibly

    def possible(self, node: ast.AST) -> tuple[tuple[FileModel, Code], ...]:
        """All functions that a call, a loop's header, a `with` or a decorated function may run by itself."""
        found = self._possible.get(node)
        if found is None:
            self._possible[node] = ()
            found = self._possible[node] = tuple(dict.fromkeys(self._run_by(node)))
        return found

    def named_by(self, node: ast.expr) -> tuple[tuple[FileModel, Code], ...]:
        """The functions of the project that calling an expression may run."""
        return tuple(self._functions(node, 0, ("__call__", *_MAKING)))

    def _run_by(self, node: ast.AST) -> Iterator[tuple[FileModel, Code]]:
        if isinstance(node, ast.Call):
            yield from self._functions(node.func, 0, _MAKING)
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                yield from self._handed(argument, 0)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            yield from self._of_instance(node.iter, _ITERATION)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                yield from self._of_instance(item.context_expr, _CONTEXT)
        elif isinstance(node, FUNCTIONS):
            for mark in node.decorator_list:
                yield from self._functions(mark.func if isinstance(mark, ast.Call) else mark, 0, ("__call__", *_MAKING))

    def _handed(self, node: ast.expr, depth: int) -> Iterator[tuple[FileModel, Code]]:
        """A function that is handed over may be called."""
        if isinstance(node, (ast.Name, ast.Attribute, ast.Lambda)):
            yield from self._functions(node, depth, ())
        elif isinstance(node, ast.Call) and self.model.names.dotted(node.func) == "functools.partial":
            for argument in node.args:
                yield from self._handed(argument, depth)

    def _functions(self, node: ast.expr, depth: int, methods: tuple[str, ...]) -> Iterator[tuple[FileModel, Code]]:
        """What calling an expression may run; of a class, these methods."""
        if depth > _DEEPEST:
            return
        if isinstance(node, ast.Lambda):
            yield self.model, node
        elif isinstance(node, ast.IfExp):
            yield from self._functions(node.body, depth + 1, methods)
            yield from self._functions(node.orelse, depth + 1, methods)
        elif isinstance(node, ast.BoolOp):
            for value in node.values:
                yield from self._functions(value, depth + 1, methods)
        elif isinstance(node, ast.Call):
            if self.model.names.dotted(node.func) == "functools.partial":
                for argument in node.args[:1]:
                    yield from self._functions(argument, depth + 1, methods)
            else:  # `make(…)(…)`: what made it may have put it together from functions in itself
                yield from self._functions(node.func, depth + 1, ("__call__",))
                for argument in node.args:
                    yield from self._handed(argument, depth + 1)
        elif isinstance(node, ast.Name):
            yield from self._of_name(node, depth, methods)
        elif isinstance(node, ast.Attribute):
            yield from self._of_attribute(node, depth, methods)

    def _of_name(self, node: ast.Name, depth: int, methods: tuple[str, ...]) -> Iterator[tuple[FileModel, Code]]:
        found = self.model.names.lookup(node)
        for binding in found[1] if found is not None else ():
            if binding.how in ("function", "class"):
                yield from self._code(self.model, binding.node, methods)
            elif binding.how == "import":
                other = self.named(node)
                if other is not None:
                    yield from self._code(*other, methods)
            elif binding.how == "parameter":
                for value in self._given(binding):
                    yield from self._functions(value, depth + 1, methods)
            elif binding.how in ("assign", "annotate", "walrus") and binding.value is not None and not binding.path:
                yield from self._functions(binding.value, depth + 1, methods)

    def _given(self, parameter: Binding) -> list[ast.expr]:
        return self.model.kinds.callers.arguments(parameter) or []

    def _of_attribute(
        self, node: ast.Attribute, depth: int, methods: tuple[str, ...]
    ) -> Iterator[tuple[FileModel, Code]]:
        found = self._definition(node)
        if found is not None:
            yield from self._code(*found, methods)
            return
        if self.model.kinds.is_self(node.value):
            owner = self.model.tree.class_of(node)
            for value in () if owner is None else self.model.kinds.attribute_values(owner, node.attr):
                if isinstance(value, ast.expr):
                    yield from self._functions(value, depth + 1, methods)

    def _code(self, model: FileModel, node: ast.AST, methods: tuple[str, ...]) -> Iterator[tuple[FileModel, Code]]:
        if isinstance(node, FUNCTIONS):
            yield model, node
            if node.decorator_list:
                yield from model.callees.possible(node)
        elif isinstance(node, ast.ClassDef):
            for name in methods:
                found = self.method(model, node, name)
                if found is not None:
                    yield found

    def _of_instance(self, node: ast.expr, methods: tuple[str, ...]) -> Iterator[tuple[FileModel, Code]]:
        """The methods that the language calls on the value of an expression: an instance of the project's class, or of
        one that a call in it makes.
        """
        kinds = self.model.kinds
        owner = kinds.of(node).definition
        if isinstance(owner, ast.ClassDef):
            yield from self._code(self.model, owner, methods)
        if isinstance(node, ast.Call):
            yield from self._functions(node.func, 0, methods)
            for argument in node.args:
                yield from self._of_instance(argument, methods)
        elif isinstance(node, ast.Name):
            for binding in self.model.reaching.of(node) or ():
                if binding.how == "assign" and isinstance(binding.value, ast.Call):
                    yield from self._functions(binding.value.func, 0, methods)
        elif isinstance(node, ast.IfExp):
            yield from self._of_instance(node.body, methods)
            yield from self._of_instance(node.orelse, methods)
