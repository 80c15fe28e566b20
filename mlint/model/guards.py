"""Where a program chooses by what is installed: the version of a library, an attribute it may lack, an import that may
fail.

What stands on one side of such a choice is written for one version only, so nobody who has another one in mind should
judge it. A choice is seen through the names it goes by: constants, attributes of self, functions, other files.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from mlint.model.libraries import ROOTS
from mlint.model.names import Binding
from mlint.model.tree import FUNCTIONS, FunctionNode, walk, walk_scope, walk_statements

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_WORDS = re.compile(
    r"(?<!in)(?<!con)(?<!di)(?<!re)version|hasattr|is_\w+_available|compat|(?:greater|less)_(?:equal|than)|_(?:ge|gt|le|lt|gte|lte)_?v?\d|"
    r"(?:torch|tensorflow|tf|keras|numpy|np|pandas|pd|sklearn|jax|xgboost|xgb|lightgbm|lgb)_?v?\d",
    re.IGNORECASE,
)
_ASKS = frozenset(
    "hasattr importlib.util.find_spec importlib.metadata.version importlib.metadata.distribution "
    "importlib_metadata.version pkg_resources.get_distribution pkg_resources.parse_version pkgutil.find_loader".split()
)
_PARTS = frozenset("major minor micro release base_version".split())
"""Attributes of a parsed version."""
_PLAIN_VERSION = re.compile(
    r"(?!torch|tensorflow|tf|keras|numpy|np|pandas|pd|sklearn|jax|xgboost|xgb|lightgbm|lgb|cuda|py)(?:[a-z]+_)?version"
)
"""Names of versions that need not be those of a library."""
_PARSING = frozenset({"parse_args", "parse_known_args", "parse_args_into_dataclasses"})
_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "AttributeError"})
_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_ENDING = frozenset("sys.exit exit quit os._exit os.abort pytest.skip pytest.exit".split())
_PYTHON = frozenset("sys.version_info sys.version sys.hexversion platform.python_version".split())
_CONVERSIONS = frozenset("int float str bool tuple list map any all".split())
_DEEPEST = 6

_Node = TypeVar("_Node", bound=ast.AST)


class Guards:
    """The choices by version of one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self._statements: dict[ast.AST, bool] = {}
        self._about: dict[object, bool] = {}

    def chosen(self, node: ast.AST, depth: int = 0) -> bool:
        """Whether ``node`` runs on one side of a choice by version only.

        That is: under a condition about versions, in a `try` that catches ImportError or AttributeError, in the handler
        of such an error, behind a statement that leaves where the version is another, or in a function that is only
        called in such places.
        """
        tree = self.model.tree
        child: ast.AST = node
        for ancestor in tree.ancestors(node):
            if isinstance(child, ast.stmt):
                break
            if isinstance(ancestor, ast.IfExp):
                if child is not ancestor.test and self.about(ancestor.test):
                    return True
            elif isinstance(ancestor, ast.BoolOp):
                if any(self.about(value) for value in _before(ancestor.values, child)):
                    return True
            elif isinstance(ancestor, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
                if not isinstance(child, ast.comprehension):
                    if any(self.about(test) for part in ancestor.generators for test in part.ifs):
                        return True
            child = ancestor
        statement = node if isinstance(node, ast.stmt) else tree.statement(node)
        known = self._statements.get(statement)
        if known is None:
            self._statements[statement] = False  # recursion proves nothing
            known = self._statements[statement] = self._is_chosen(statement, depth)
        return known

    def _is_chosen(self, statement: ast.stmt, depth: int) -> bool:
        tree = self.model.tree
        child: ast.AST = statement
        if self._others_left(child):
            return True
        for ancestor in tree.ancestors(statement):
            if isinstance(ancestor, (ast.If, ast.While)):
                if child is not ancestor.test and self.about(ancestor.test):
                    return True
            elif isinstance(ancestor, ast.match_case):
                match = tree.parent(ancestor)
                if isinstance(match, ast.Match) and self.about(match.subject):
                    return True
            elif isinstance(ancestor, ast.ExceptHandler):
                if self._catches(ancestor):
                    return True
            elif isinstance(ancestor, ast.Try):
                if any(child is part for part in ancestor.body) and any(map(self._catches, ancestor.handlers)):
                    return True
            elif isinstance(ancestor, (ast.With, ast.AsyncWith)):
                if any(self._suppresses(item.context_expr) for item in ancestor.items):
                    return True
            elif isinstance(ancestor, (*FUNCTIONS, ast.ClassDef)):
                if any(isinstance(mark, ast.Call) and self._skips(mark) for mark in ancestor.decorator_list):
                    return True
                if isinstance(ancestor, FUNCTIONS) and depth < _DEEPEST:
                    calls = self.model.kinds.callers.of(ancestor)
                    if calls and all(self.chosen(call, depth + 1) for call in calls):
                        return True
            if isinstance(ancestor, ast.stmt) and self._others_left(ancestor):
                return True
            child = ancestor
        return False

    def _others_left(self, statement: ast.AST) -> bool:
        """Whether a statement before it in its block leaves where the version is another: `if old: return`."""
        if not isinstance(statement, ast.stmt):
            return False
        for earlier in _before(self.model.tree.block(statement), statement):
            if isinstance(earlier, ast.If) and (self._leaves(earlier.body) or self._leaves(earlier.orelse)):
                if self.about(earlier.test) and not self._is_of_python(earlier.test):
                    return True
        return False

    def _leaves(self, block: list[ast.stmt]) -> bool:
        if not block:
            return False
        last = block[-1]
        if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
            return self.model.names.dotted(last.value.func) in _ENDING
        if isinstance(last, ast.Raise) and last.exc is not None:
            # `if not is_x_available(): raise ImportError(…)` asks for a library; it chooses nothing.
            raised = last.exc.func if isinstance(last.exc, ast.Call) else last.exc
            return not (isinstance(raised, ast.Name) and raised.id in _ERRORS)
        return isinstance(last, _LEAVES)

    def _is_of_python(self, test: ast.expr) -> bool:
        """Whether only the version of Python is asked for: every program leaves where that is too old."""
        dotted = {self.model.names.dotted(n) for n in walk(test) if isinstance(n, (ast.Name, ast.Attribute))}
        return not dotted.isdisjoint(_PYTHON)

    def _skips(self, mark: ast.Call) -> bool:
        """``@pytest.mark.skipif(torch.__version__ < "2")``."""
        name = mark.func.attr if isinstance(mark.func, ast.Attribute) else ""
        return name.lower() in ("skipif", "skipunless", "xfail") and any(map(self.about, mark.args))

    def _catches(self, handler: ast.ExceptHandler) -> bool:
        if handler.type is None:
            return False
        return any(isinstance(node, ast.Name) and node.id in _ERRORS for node in walk_scope(handler.type))

    def _suppresses(self, context: ast.expr) -> bool:
        if not isinstance(context, ast.Call) or self.model.names.dotted(context.func) != "contextlib.suppress":
            return False
        return any(isinstance(node, ast.Name) and node.id in _ERRORS for node in context.args)

    # What conditions are about

    def about(self, test: ast.expr, depth: int = 0) -> bool:
        """Whether an expression tells versions of libraries, or what they have, apart."""
        known = self._about.get(test)
        if known is None:
            self._about[test] = False  # recursion tells nothing
            known = self._about[test] = depth <= _DEEPEST and self._is_about(test, depth)
        return known

    def _is_about(self, test: ast.expr, depth: int) -> bool:
        pending: list[ast.AST] = [test]
        while pending:
            node = pending.pop()
            if isinstance(node, ast.Name):
                if _WORDS.search(node.id) is not None or self._is_flag(node, depth):
                    return True
            elif isinstance(node, ast.Attribute):
                if _PLAIN_VERSION.fullmatch(node.attr) is not None and self._is_parsed(node.value, 0):
                    continue  # `args.version`: the program's own
                if _WORDS.search(node.attr) is not None or self._is_flag_attribute(node, depth):
                    return True
                # What else is read from an object says nothing of how the object was chosen.
                if node.attr in _PARTS or not isinstance(node.value, ast.Name):
                    pending.append(node.value)
                elif _WORDS.search(node.value.id) is not None:
                    return True
            elif isinstance(node, ast.Call):
                if self._asks(node, depth):
                    return True
                pending.append(node.func)
                if depth == 0 or self._converts(node):
                    pending.extend(node.args)
            else:
                pending.extend(ast.iter_child_nodes(node))
        return False

    def _asks(self, call: ast.Call, depth: int) -> bool:
        names = self.model.names
        dotted = names.dotted(call.func)
        if dotted in _ASKS:
            return True
        if dotted == "getattr" and len(call.args) == 3 and isinstance(call.args[1], ast.Constant):
            return (names.dotted(call.args[0]) or "").partition(".")[0] in ROOTS
        if dotted is not None and dotted.startswith("packaging.version."):
            return True
        method = self.model.kinds.local_function(call.func) if isinstance(call.func, ast.Attribute) else None
        return method is not None and self._answers(method, depth)

    def _converts(self, call: ast.Call) -> bool:
        """Whether a call gives what it is given in another form: ``tuple(map(int, …))``, ``".".join(…)``."""
        dotted = self.model.names.dotted(call.func)
        return dotted in _CONVERSIONS or (isinstance(call.func, ast.Attribute) and dotted is None)

    def _is_flag(self, name: ast.Name, depth: int) -> bool:
        """Whether a name holds an answer about versions."""
        found = self.model.names.lookup(name)
        return found is not None and any(self._tells(binding, depth) for binding in found[1])

    def _is_parsed(self, node: ast.expr | None, depth: int) -> bool:
        """Whether an expression gives what the command line says, if need be at all callers."""
        if isinstance(node, ast.Call):
            return isinstance(node.func, ast.Attribute) and node.func.attr in _PARSING
        found = self.model.names.lookup(node) if isinstance(node, ast.Name) else None
        if found is None or not found[1] or depth > _DEEPEST:
            return False
        for binding in found[1]:
            if binding.how == "parameter":
                given = self.model.kinds.callers.arguments(binding)
                if not given or not all(self._is_parsed(value, depth + 1) for value in given):
                    return False
            elif binding.how not in ("assign", "annotate") or not self._is_parsed(binding.value, depth + 1):
                return False
        return True

    def _tells(self, binding: Binding, depth: int) -> bool:
        if binding.how == "function":
            return isinstance(binding.node, FUNCTIONS) and self._answers(binding.node, depth)
        if binding.how == "import":
            return self._may_fail(binding.node) or self._tells_elsewhere(binding.imported or "", depth)
        if binding.how not in ("assign", "annotate", "walrus") or binding.value is None:
            return False
        if isinstance(binding.value, ast.Constant):
            return self._may_fail(binding.node)
        return self.about(binding.value, depth + 1)

    def _may_fail(self, node: ast.AST) -> bool:
        """Whether a statement stands in a `try` that catches an ImportError or AttributeError, in its handler, or in
        what follows if there was none.
        """
        for ancestor in self.model.tree.ancestors(node):
            if isinstance(ancestor, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
                return False
            if isinstance(ancestor, ast.Try) and any(map(self._catches, ancestor.handlers)):
                return True
        return False

    def _answers(self, function: FunctionNode, depth: int) -> bool:
        """Whether a function returns an answer about versions."""
        known = self._about.get(function)
        if known is None:
            self._about[function] = False
            returned = [n for n in walk_statements(function.body) if isinstance(n, ast.Return)]
            known = self._about[function] = depth < _DEEPEST and any(
                (node.value is not None and self.about(node.value, depth + 1)) or self._may_fail(node)
                for node in returned
            )
        return known

    def _is_flag_attribute(self, node: ast.Attribute, depth: int) -> bool:
        model = self.model
        if model.kinds.is_self(node.value):
            owner = model.tree.class_of(node)
            values: Iterable[ast.AST] = () if owner is None else model.kinds.attribute_values(owner, node.attr)
            return any(isinstance(value, ast.expr) and self.about(value, depth + 1) for value in values)
        dotted = model.names.dotted(node)
        return dotted is not None and self._tells_elsewhere(dotted, depth)

    def _tells_elsewhere(self, dotted: str, depth: int) -> bool:
        """Whether a name of another file of the project holds, or a function of it returns, such an answer."""
        project = self.model.project
        module, _, name = dotted.rpartition(".")
        if dotted.startswith(".") and not module.strip("."):
            module = dotted[: len(dotted) - len(name)]
        if project is None or not module or not name or depth >= _DEEPEST or dotted.partition(".")[0] in ROOTS:
            return False
        path = project.locate(module, self.model.source.path)
        other = None if path is None else project.model(path)
        if other is None or other is self.model:
            return False
        self.model.depends_on(other)
        guards = other.guards
        bindings = other.names.bindings(other.tree.module)
        return any(guards._tells(binding, depth + 1) for binding in bindings.get(name, ()))


def _before(items: Sequence[_Node], item: ast.AST) -> Sequence[_Node]:
    """The items in front of one of them."""
    return items[: next((number for number, other in enumerate(items) if other is item), 0)]
