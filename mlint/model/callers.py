"""What the functions of a file are called with in that file.

Only calls that are plain to see count: ``f(...)`` of a function by its name, and ``self.f(...)`` in its own class. A
function that is also handed around as a value has callers that are not known.
"""

from __future__ import annotations

import ast
from functools import cached_property

from mlint.model.names import Binding, Names
from mlint.model.tree import CHILD_FIELDS, FUNCTIONS, FunctionNode, Tree, position, walk_blocks


class Callers:
    """The calls of one file, by what they call."""

    def __init__(self, tree: Tree, names: Names) -> None:
        self.tree = tree
        self.names = names

    @cached_property
    def _calls(
        self,
    ) -> tuple[dict[str, list[ast.Call]], dict[str, list[ast.Call]], dict[str, list[ast.Name]], set[str]]:
        """Calls by plain name, calls by the last attribute, and names and attributes that are read but not called."""
        plain: dict[str, list[ast.Call]] = {}
        methods: dict[str, list[ast.Call]] = {}
        names: dict[str, list[ast.Name]] = {}
        attributes: set[str] = set()
        wanted = {node.name for node in walk_blocks(self.tree.module.body) if isinstance(node, FUNCTIONS)}
        # Written out, as the whole file is gone through: a call is met before its callee, which is then passed over.
        stack: list[ast.AST] = [self.tree.module]
        while stack:
            node = stack.pop()
            node_type = node.__class__
            if node_type is ast.Call:
                assert isinstance(node, ast.Call)
                func = node.func
                stack += node.args
                stack += [keyword.value for keyword in node.keywords]
                if isinstance(func, ast.Name):
                    if func.id in wanted:
                        plain.setdefault(func.id, []).append(node)
                elif isinstance(func, ast.Attribute):
                    if func.attr in wanted:
                        methods.setdefault(func.attr, []).append(node)
                    stack.append(func.value)
                else:
                    stack.append(func)
                continue
            if node_type is ast.Name:
                assert isinstance(node, ast.Name)
                if node.id in wanted and isinstance(node.ctx, ast.Load):
                    names.setdefault(node.id, []).append(node)
                continue
            if node_type is ast.Attribute:
                assert isinstance(node, ast.Attribute)
                if node.attr in wanted and isinstance(node.ctx, ast.Load):
                    attributes.add(node.attr)
            single, many = CHILD_FIELDS[node_type]
            for name in single:
                child = getattr(node, name)
                if child is not None:
                    stack.append(child)
            for name in many:
                stack += getattr(node, name)
        for calls in (*plain.values(), *methods.values()):
            calls.sort(key=position)
        return plain, methods, names, attributes

    def of(self, function: FunctionNode) -> list[ast.Call] | None:
        """The calls of a function in its file; None where it may be called in ways that cannot be seen."""
        if function.name == "forward" or function.name.startswith("__"):
            return None  # called by the framework
        if self.names.text is not None and self.names.text.count(function.name) == 1:
            return []  # its own definition
        plain, methods, names, attributes = self._calls
        owner = self.tree.parent(function)
        if isinstance(owner, ast.ClassDef):
            if function.name in attributes:
                return None
            calls = methods.get(function.name, [])
            return calls if all(self._is_own(call, owner) for call in calls) else None
        if any(self._means(name, function) for name in names.get(function.name, ())):
            return None
        found: list[ast.Call] = []
        for call in plain.get(function.name, ()):
            assert isinstance(call.func, ast.Name)
            meant = self.names.lookup(call.func)
            if meant is not None and any(binding.node is function for binding in meant[1]):
                if len(meant[1]) > 1:
                    return None
                found.append(call)
        return found

    def _means(self, name: ast.Name, function: FunctionNode) -> bool:
        meant = self.names.lookup(name)
        return meant is not None and any(binding.node is function for binding in meant[1])

    def _is_own(self, call: ast.Call, owner: ast.ClassDef) -> bool:
        assert isinstance(call.func, ast.Attribute)
        receiver = call.func.value
        if not isinstance(receiver, ast.Name) or self.tree.class_of(call) is not owner:
            return False
        function = self.tree.function(call)
        arguments = [] if function is None else [*function.args.posonlyargs, *function.args.args]
        return bool(arguments) and arguments[0].arg == receiver.id

    def arguments(self, parameter: Binding) -> list[ast.expr] | None:
        """What a parameter is given by the callers of its function; None where that is not known.

        A caller that leaves the parameter out gives its default value.
        """
        node = parameter.node
        scope = self.tree.parent(node)
        while scope is not None and not isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            scope = self.tree.parent(scope)
        if scope is None or isinstance(scope, ast.Lambda):
            return None
        calls = self.of(scope)
        if not calls:
            return None
        positional = [argument.arg for argument in (*scope.args.posonlyargs, *scope.args.args)]
        shift = 1 if isinstance(self.tree.parent(scope), ast.ClassDef) else 0
        position = positional.index(parameter.name) - shift if parameter.name in positional else None
        given: list[ast.expr] = []
        for call in calls:
            if any(isinstance(argument, ast.Starred) for argument in call.args):
                return None
            if any(keyword.arg is None for keyword in call.keywords):
                return None
            value = next((keyword.value for keyword in call.keywords if keyword.arg == parameter.name), None)
            if value is None and position is not None and 0 <= position < len(call.args):
                value = call.args[position]
            if value is None:
                value = parameter.value
            if value is None:
                return None
            given.append(value)
        return given
