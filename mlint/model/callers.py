"""What the functions of a file are called with in that file.

Only calls that are plain to see count: ``f(...)`` of a function by its name, and ``self.f(...)`` in its own class. A
function that is also handed around as a value has callers that are not known.
"""

from __future__ import annotations

import ast
from functools import cached_property

from mlint.model.names import Binding, Names
from mlint.model.tree import FunctionNode, Tree, walk


class Callers:
    """The calls of one file, by what they call."""

    def __init__(self, tree: Tree, names: Names) -> None:
        self.tree = tree
        self.names = names
        self._read: dict[str, list[ast.Name | ast.Attribute]] = {}

    @cached_property
    def _calls(self) -> tuple[dict[str, list[ast.Call]], dict[str, list[ast.Call]]]:
        """Calls by plain name, and by the last attribute."""
        plain: dict[str, list[ast.Call]] = {}
        methods: dict[str, list[ast.Call]] = {}
        wanted = self.tree.function_names
        for call in self.tree.calls:
            func = call.func
            if isinstance(func, ast.Name):
                if func.id in wanted:
                    plain.setdefault(func.id, []).append(call)
            elif isinstance(func, ast.Attribute) and func.attr in wanted:
                methods.setdefault(func.attr, []).append(call)
        return plain, methods

    def _values(self, name: str) -> list[ast.Name | ast.Attribute]:
        """Where a name or an attribute is read, but not called. Only where the text has the word is looked for it."""
        found = self._read.get(name)
        if found is None:
            called = {call.func for call in self.tree.calls}
            found = self._read[name] = [
                node
                for part in self._parts_with(name)
                for node in walk(part)
                if isinstance(node, (ast.Name, ast.Attribute))
                and (node.id if isinstance(node, ast.Name) else node.attr) == name
                and isinstance(node.ctx, ast.Load)
                and node not in called
            ]
        return found

    def _parts_with(self, word: str) -> list[ast.AST]:
        text = self.names.text
        if text is None or text.count("\r") != text.count("\r\n"):
            return [self.tree.module]
        parts: dict[ast.AST, None] = {}
        line, counted, start = 1, 0, text.find(word)
        while start != -1:
            line += text.count("\n", counted, start)
            counted = start
            for part in self.tree.parts(line):
                parts[part] = None
            start = text.find(word, start + len(word))
        return list(parts)

    def _only_called(self, name: str) -> bool:
        """Whether the text has a word only where a function is defined and where it is called by that name."""
        if self.names.text is None:
            return False
        plain, methods = self._calls
        return self.names.text.count(name) == 1 + len(plain.get(name, ())) + len(methods.get(name, ()))

    def of(self, function: FunctionNode) -> list[ast.Call] | None:
        """The calls of a function in its file; None where it may be called in ways that cannot be seen."""
        if function.name == "forward" or function.name.startswith("__"):
            return None  # called by the framework
        if self.names.text is not None and self.names.text.count(function.name) == 1:
            return []  # its own definition
        plain, methods = self._calls
        only_called = self._only_called(function.name)
        owner = self.tree.parent(function)
        if isinstance(owner, ast.ClassDef):
            if not only_called and any(isinstance(node, ast.Attribute) for node in self._values(function.name)):
                return None
            calls = methods.get(function.name, [])
            return calls if all(self._is_own(call, owner) for call in calls) else None
        if not only_called and any(self._means(node, function) for node in self._values(function.name)):
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

    def _means(self, name: ast.expr, function: FunctionNode) -> bool:
        if not isinstance(name, ast.Name):
            return False
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
        plain, methods = self._calls
        if scope.name not in plain and scope.name not in methods:
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
