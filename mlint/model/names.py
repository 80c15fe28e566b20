"""Imports and scopes: which object a name stands for.

`dotted` turns an expression into the canonical dotted name of what it refers to, whatever the spelling of the import:
``F.softmax`` after ``import torch.nn.functional as F`` is ``torch.nn.functional.softmax``. `bindings` lists everything
that gives a name its value in a scope.
"""

from __future__ import annotations

import ast
import re
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from mlint.model.tree import (
    COMPREHENSIONS,
    FUNCTIONS,
    LOOPS,
    FunctionNode,
    Seen,
    Tree,
    children,
    first_line,
    outer_parts,
    suites,
    walk,
)

_LINE_END = re.compile(r"\r\n?|\n")

# Where a library keeps an object is not always the name that people know it by.
_PREFIXES = (
    ("tensorflow.compat.v2.", "tensorflow."),
    ("tensorflow.python.keras.", "keras."),
    ("tensorflow.keras.", "keras."),
    ("tf_keras.", "keras."),
    ("pytorch_lightning.", "lightning.pytorch."),
    ("torch.nn.modules.", "torch.nn."),
    ("torch.utils.data.dataloader.", "torch.utils.data."),
    ("torch.utils.data.dataset.", "torch.utils.data."),
    ("torch.autograd.grad_mode.", "torch.autograd."),
    ("pandas.core.api.", "pandas."),
    ("pandas.core.frame.", "pandas."),
    ("pandas.core.series.", "pandas."),
    ("pandas.core.reshape.concat.", "pandas."),
    ("jax._src.random.", "jax.random."),
    ("xgboost.sklearn.", "xgboost."),
    ("lightgbm.sklearn.", "lightgbm."),
    ("dask.distributed.", "distributed."),
)
_EXACT = {
    "tensorflow.keras": "keras",
    "tf_keras": "keras",
    "pytorch_lightning": "lightning.pytorch",
    "torch.autograd.no_grad": "torch.no_grad",
    "torch.autograd.inference_mode": "torch.inference_mode",
    "torch.autograd.enable_grad": "torch.enable_grad",
    "torch.autograd.set_grad_enabled": "torch.set_grad_enabled",
    "torch.autograd.variable.Variable": "torch.autograd.Variable",
    "torch.serialization.load": "torch.load",
    "torch.functional.F": "torch.nn.functional",
    "torch.nn.F": "torch.nn.functional",
    "torch.nn.utils.clip_grad.clip_grad_norm_": "torch.nn.utils.clip_grad_norm_",
    "torch.nn.utils.clip_grad.clip_grad_value_": "torch.nn.utils.clip_grad_value_",
    "torch.nn.utils.clip_grad_norm": "torch.nn.utils.clip_grad_norm_",
    "builtins.open": "open",
    "io.open": "open",
    "codecs.open": "codecs.open",
    "sklearn.model_selection._split.train_test_split": "sklearn.model_selection.train_test_split",
}
_SKLEARN_PRIVATE = "._"

CONVENTIONS = {
    "np": "numpy",
    "pd": "pandas",
    "tf": "tensorflow",
    "jnp": "jax.numpy",
    "F": "torch.nn.functional",
    "nn": "torch.nn",
    "keras": "keras",
    "xgb": "xgboost",
    "lgb": "lightgbm",
    "sp": "scipy",
}
"""The abbreviations that rule files may use in patterns and triggers."""

BUILTINS = frozenset(
    "open sum min max any all len range enumerate zip map filter sorted reversed list tuple set dict float int bool "
    "str print abs round isinstance getattr setattr hasattr type iter next super object complex".split()
)


_STARRED = frozenset("sum min max any all abs round".split())
"""Builtins that array libraries have under the same name."""


@lru_cache(maxsize=8192)
def canonical(dotted: str) -> str:
    """The public name of an object for a name by which it can also be reached."""
    known = _EXACT.get(dotted)
    if known is not None:
        return known
    for prefix, replacement in _PREFIXES:
        if dotted.startswith(prefix):
            dotted = replacement + dotted[len(prefix) :]
            break
    if dotted.startswith("torch."):
        dotted = _without_defining_module(dotted)
    elif dotted.startswith("sklearn.") and _SKLEARN_PRIVATE in dotted:
        dotted = ".".join(part for part in dotted.split(".") if not part.startswith("_"))
    return _EXACT.get(dotted, dotted)


def _without_defining_module(dotted: str) -> str:
    """``torch.optim.adam.Adam`` is ``torch.optim.Adam``, ``torch.nn.loss.L1Loss`` is ``torch.nn.L1Loss``."""
    parts = dotted.split(".")
    if len(parts) == 4 and parts[1] in ("optim", "nn") and parts[2].islower() and parts[3][:1].isupper():
        if parts[2] not in (
            "utils",
            "functional",
            "init",
            "parallel",
            "quantized",
            "intrinsic",
            "lr_scheduler",
            "attention",
        ):
            return f"torch.{parts[1]}.{parts[3]}"
    return dotted


def expand(dotted: str) -> str:
    """A name as rule files write it, with the usual abbreviations, in canonical form."""
    head, dot, rest = dotted.partition(".")
    return canonical(CONVENTIONS.get(head, head) + dot + rest)


class Binding:
    """One place that gives a name a value.

    Attributes:
        name: the name.
        node: the statement, parameter, comprehension, handler or expression that binds it.
        how: assign, augment, annotate, for, with, parameter, import, function, class, except, delete, walrus, global,
            star, or match.
        value: the expression that the value comes from (the right side, the iterable, the context manager, the
            default), if there is one.
        path: where in an unpacked value the name stands: ``a, (b, c) = v`` gives c the path (1, 1); -1 marks a
            place behind a starred target.
        annotation: the annotation, if there is one.
        imported: for imports, the dotted name as written, with leading dots if relative.
    """

    __slots__ = ("annotation", "how", "imported", "name", "node", "path", "value")

    def __init__(
        self,
        name: str,
        node: ast.AST,
        how: str,
        value: ast.expr | None = None,
        path: tuple[int, ...] = (),
        annotation: ast.expr | None = None,
        imported: str | None = None,
    ) -> None:
        self.name = name
        self.node = node
        self.how = how
        self.value = value
        self.path = path
        self.annotation = annotation
        self.imported = imported


class Names:
    """The names of one file."""

    def __init__(self, tree: Tree, text: str | None = None, seen: Seen | None = None) -> None:
        self.tree = tree
        self.text = text
        self._seen = seen if seen is None or "*" not in seen.bound else None
        self._walruses = _walrus_lines(tree, text)
        self._bindings: dict[ast.AST, dict[str, list[Binding]]] = {}
        self._dotted: dict[ast.AST, str | None] = {}
        self._resolving: set[tuple[ast.AST, str]] = set()

    # What binds a name

    def bindings(self, scope: ast.AST) -> dict[str, list[Binding]]:
        """All bindings made directly in a scope, by name, in source order."""
        found = self._bindings.get(scope)
        if found is None:
            found = self._bindings[scope] = {}
            for binding in _collect(scope, self._walruses):
                found.setdefault(binding.name, []).append(binding)
        return found

    def lookup(self, name: ast.Name) -> tuple[ast.AST, list[Binding]] | None:
        """The scope in which a name is bound and its bindings there; None for builtins and unknown names."""
        return self.lookup_from(self.tree.scope(name), name.id)

    def lookup_from(self, scope: ast.AST | None, name: str) -> tuple[ast.AST, list[Binding]] | None:
        """As `lookup`, for a name read in ``scope``."""
        while scope is not None:
            found = self.bindings(scope).get(name)
            if found:
                if any(binding.how == "global" for binding in found):
                    module_bindings = self.bindings(self.tree.module).get(name, [])
                    return self.tree.module, [*module_bindings, *(b for b in found if b.how != "global")]
                return scope, found
            scope = self.tree.outer_scope(scope)
        return None

    # What a name means

    def dotted(self, node: ast.AST) -> str | None:
        """The canonical dotted name of what an expression refers to.

        Follows imports (in any scope), attributes, and names that are bound once to such an expression. A name that
        a scope binds in two ways refers to nothing. Builtins have their plain name.
        """
        if isinstance(node, ast.Attribute):
            if node in self._dotted:
                return self._dotted[node]
            base = self.dotted(node.value)
            result = None if base is None else canonical(f"{base}.{node.attr}")
            self._dotted[node] = result
            return result
        if isinstance(node, ast.Name):
            if node in self._dotted:
                return self._dotted[node]
            result = self._dotted[node] = self._name(node)
            return result
        return None

    def _name(self, node: ast.Name) -> str | None:
        if self._seen is not None:
            if node.id not in self._seen.bound:
                return node.id if node.id in BUILTINS else None
            if node.id not in self._seen.referring and node.id not in BUILTINS:
                return None
            if node.id not in self._seen.again:
                bindings = self.bindings(self.tree.module).get(node.id)
                if bindings is not None:  # the only binding in the file: no scope can come in between
                    return self.meaning(self.tree.module, node.id, bindings)
        found = self.lookup(node)
        if found is None:
            if node.id in _STARRED and "*" in self.bindings(self.tree.module):
                return None  # `from numpy import *` brings its own
            return node.id if node.id in BUILTINS else None
        scope, bindings = found
        return self.meaning(scope, node.id, bindings)

    def meaning(self, scope: ast.AST, name: str, bindings: list[Binding]) -> str | None:
        """The one dotted name that all bindings of a name agree on."""
        key = (scope, name)
        if key in self._resolving:
            return None
        self._resolving.add(key)
        try:
            meanings: set[str | None] = set()
            for binding in bindings:
                if binding.how == "import" and binding.imported is not None:
                    meanings.add(canonical(binding.imported))
                elif binding.how == "assign" and _is_none(binding.value):
                    continue  # `except ImportError: torch = None`
                elif (
                    binding.how == "assign"
                    and not binding.path
                    and isinstance(binding.value, (ast.Name, ast.Attribute))
                ):
                    meanings.add(self.dotted(binding.value))
                else:
                    return None
                if len(meanings) > 1:
                    return None
            return next(iter(meanings), None)
        finally:
            self._resolving.discard(key)

    # How to say a name

    def spell(self, dotted: str, node: ast.AST) -> tuple[str, str | None]:
        """How to write a dotted name at ``node`` with the imports at hand.

        Returns:
            The text, and the import statement to add for it (None when the file has one that serves).
        """
        scope: ast.AST | None = self.tree.scope(node)
        seen: set[str] = set()
        best: str | None = None
        while scope is not None:
            for name, bindings in self.bindings(scope).items():
                if name in seen:
                    continue
                seen.add(name)
                if not any(binding.how == "import" for binding in bindings):
                    continue
                meaning = self.meaning(scope, name, bindings)
                if meaning is None:
                    continue
                text = None
                if meaning == dotted:
                    text = name
                elif dotted.startswith(meaning + ".") and _reachable(meaning, dotted, bindings):
                    text = name + dotted[len(meaning) :]
                if text is not None and (best is None or len(text) < len(best)):
                    best = text
            scope = self.tree.outer_scope(scope)
        if best is not None:
            return best, None
        module, _, last = dotted.rpartition(".")
        if not module:
            return dotted, f"import {dotted}"
        if dotted.count(".") == 1:
            conventional = {"numpy": "np", "pandas": "pd", "tensorflow": "tf"}.get(module)
            if conventional is not None:
                return f"{conventional}.{last}", f"import {module} as {conventional}"
            return f"{module}.{last}", f"import {module}"
        return last, f"from {module} import {last}"

    def is_free(self, name: str, node: ast.AST) -> bool:
        """Whether no scope around ``node``, and no scope inside its own, binds or reads ``name``."""
        if name in BUILTINS:
            return False
        scope: ast.AST | None = self.tree.scope(node)
        while scope is not None:
            if name in self.bindings(scope):
                return False
            scope = self.tree.outer_scope(scope)
        return True

    def imports(self) -> Iterator[Binding]:
        """The imports at module level."""
        for bindings in self.bindings(self.tree.module).values():
            for binding in bindings:
                if binding.how == "import":
                    yield binding


def _reachable(meaning: str, dotted: str, bindings: list[Binding]) -> bool:
    """Whether ``import torch`` is enough to reach ``torch.nn.functional.x``: not every library imports its parts."""
    root = meaning.partition(".")[0]
    if root in ("torch", "numpy", "pandas", "tensorflow", "keras", "jax", "lightning"):
        if root == "jax" and meaning == "jax":
            return not dotted.startswith(("jax.scipy", "jax.experimental"))
        return True
    inner = dotted[len(meaning) + 1 :]
    module = dotted.rpartition(".")[0]
    for binding in bindings:  # `import scipy.special` binds scipy and loads the submodule
        if isinstance(binding.node, ast.Import) and any(alias.name == module for alias in binding.node.names):
            return True
    if "." not in inner:
        # One step below an imported module is an attribute of it, unless the module is only a package.
        return meaning not in ("scipy", "sklearn", "dask", "xgboost.dask")
    return False


def _is_none(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _collect(scope: ast.AST, walruses: Sequence[int]) -> Iterator[Binding]:
    """The bindings made directly in a scope, in source order.

    Only a walrus binds inside an expression: expressions are looked into on the lines where one stands.
    """
    if isinstance(scope, (*FUNCTIONS, ast.Lambda)):
        yield from _parameters(scope.args)
    if isinstance(scope, COMPREHENSIONS):
        for generator in scope.generators:
            yield from _targets(generator.target, generator, "for", generator.iter)
        return
    if isinstance(scope, ast.Lambda):
        if walruses:
            yield from _walrus_in(scope.body)
        return
    stack: list[ast.stmt] = getattr(scope, "body", [])[::-1]
    while stack:
        statement = stack.pop()
        collect = _COLLECTORS.get(statement.__class__)
        if collect is not None:
            yield from collect(statement)
        if walruses and _holds(statement, walruses):
            for part in _expressions(statement):
                yield from _walrus_in(part)
        if statement.__class__ in _COMPOUND:
            blocks = [inner for block in suites(statement) for inner in block]
            blocks.reverse()
            stack += blocks


def _walrus_lines(tree: Tree, text: str | None) -> list[int]:
    """The lines on which a walrus may stand."""
    if text is None:
        return sorted({node.lineno for node in walk(tree.module) if isinstance(node, ast.NamedExpr)})
    if ":=" not in text:
        return []
    lines = _LINE_END.split(text) if "\r" in text else text.split("\n")
    return [number for number, line in enumerate(lines, 1) if ":=" in line]


def _holds(statement: ast.stmt, lines: Sequence[int]) -> bool:
    """Whether one of some sorted lines belongs to a statement."""
    index = bisect_left(lines, first_line(statement))
    return index < len(lines) and lines[index] <= (statement.end_lineno or statement.lineno)


def _expressions(statement: ast.stmt) -> list[ast.AST]:
    """The parts of a statement that are evaluated in its own scope, its blocks left out."""
    if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
        return outer_parts(statement)
    if isinstance(statement, ast.Match):
        guards = [case.guard for case in statement.cases if case.guard is not None]
        return [statement.subject, *guards]
    blocks = (ast.stmt, ast.ExceptHandler)
    return [child for child in children(statement) if not isinstance(child, blocks)]


def _of_assign(node: ast.Assign) -> Iterator[Binding]:
    for target in node.targets:
        if target.__class__ is ast.Name:
            yield Binding(target.id, node, "assign", node.value)
        else:
            yield from _targets(target, node, "assign", node.value)


def _of_annotation(node: ast.AnnAssign) -> Iterator[Binding]:
    if isinstance(node.target, ast.Name):
        how = "assign" if node.value is not None else "annotate"
        yield Binding(node.target.id, node, how, node.value, annotation=node.annotation)


def _of_augmented(node: ast.AugAssign) -> Iterator[Binding]:
    if isinstance(node.target, ast.Name):
        yield Binding(node.target.id, node, "augment", node.value)


def _of_loop(node: ast.For | ast.AsyncFor) -> Iterator[Binding]:
    return _targets(node.target, node, "for", node.iter)


def _of_with(node: ast.With | ast.AsyncWith) -> Iterator[Binding]:
    for item in node.items:
        if item.optional_vars is not None:
            yield from _targets(item.optional_vars, node, "with", item.context_expr)


def _of_import(node: ast.Import) -> Iterator[Binding]:
    for alias in node.names:
        if alias.asname is not None:
            yield Binding(alias.asname, node, "import", imported=alias.name)
        else:
            root = alias.name.partition(".")[0]
            yield Binding(root, node, "import", imported=root)


def _of_import_from(node: ast.ImportFrom) -> Iterator[Binding]:
    module = "." * node.level + (node.module or "")
    for alias in node.names:
        if alias.name == "*":
            yield Binding("*", node, "star", imported=module)
        else:
            dot = "" if module.endswith(".") and node.module is None else "."
            yield Binding(alias.asname or alias.name, node, "import", imported=f"{module}{dot}{alias.name}")


def _of_function(node: FunctionNode) -> Iterator[Binding]:
    yield Binding(node.name, node, "function")


def _of_class(node: ast.ClassDef) -> Iterator[Binding]:
    yield Binding(node.name, node, "class")


def _of_try(node: ast.Try) -> Iterator[Binding]:
    for handler in node.handlers:
        if handler.name is not None:
            yield Binding(handler.name, handler, "except", handler.type)


def _of_delete(node: ast.Delete) -> Iterator[Binding]:
    for target in node.targets:
        if isinstance(target, ast.Name):
            yield Binding(target.id, node, "delete")


def _of_global(node: ast.Global | ast.Nonlocal) -> Iterator[Binding]:
    for name in node.names:
        yield Binding(name, node, "global" if isinstance(node, ast.Global) else "nonlocal")


def _of_match(node: ast.Match) -> Iterator[Binding]:
    for case in node.cases:
        for part in walk(case.pattern):
            if isinstance(part, (ast.MatchAs, ast.MatchStar)):
                if part.name is not None:
                    yield Binding(part.name, part, "match")
            elif isinstance(part, ast.MatchMapping) and part.rest is not None:
                yield Binding(part.rest, part, "match")


_COLLECTORS: dict[type, Callable[[Any], Iterator[Binding]]] = {
    ast.Assign: _of_assign,
    ast.AnnAssign: _of_annotation,
    ast.AugAssign: _of_augmented,
    ast.For: _of_loop,
    ast.AsyncFor: _of_loop,
    ast.With: _of_with,
    ast.AsyncWith: _of_with,
    ast.Import: _of_import,
    ast.ImportFrom: _of_import_from,
    ast.FunctionDef: _of_function,
    ast.AsyncFunctionDef: _of_function,
    ast.ClassDef: _of_class,
    ast.Try: _of_try,
    ast.Delete: _of_delete,
    ast.Global: _of_global,
    ast.Nonlocal: _of_global,
    ast.Match: _of_match,
}
"""Statement type → the bindings that a statement makes by itself, the blocks in it left out."""
_COMPOUND = {ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match}
"""Statements with blocks that run in the scope of the statement."""
if sys.version_info >= (3, 11):
    _COLLECTORS[ast.TryStar] = _of_try
    _COMPOUND.add(ast.TryStar)


def _walrus_in(part: ast.AST) -> Iterator[Binding]:
    """What walruses in an expression bind around it; one in a comprehension binds in the scope around that."""
    stack = [part]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.NamedExpr):
            yield Binding(node.target.id, node, "walrus", node.value)
        inner = outer_parts(node) if isinstance(node, ast.Lambda) else children(node)
        inner.reverse()
        stack += inner


def _parameters(arguments: ast.arguments) -> Iterator[Binding]:
    positional = [*arguments.posonlyargs, *arguments.args]
    padding: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    for parameter, default in zip(positional, [*padding, *arguments.defaults]):
        yield Binding(parameter.arg, parameter, "parameter", default, annotation=parameter.annotation)
    for parameter, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        yield Binding(parameter.arg, parameter, "parameter", default, annotation=parameter.annotation)
    for variadic in (arguments.vararg, arguments.kwarg):
        if variadic is not None:
            yield Binding(variadic.arg, variadic, "variadic")


def _targets(
    target: ast.expr, node: ast.AST, how: str, value: ast.expr, path: tuple[int, ...] = ()
) -> Iterator[Binding]:
    if isinstance(target, ast.Name):
        yield Binding(target.id, node, how, value, path)
    elif isinstance(target, (ast.Tuple, ast.List)):
        starred = False
        for index, element in enumerate(target.elts):
            if isinstance(element, ast.Starred):
                starred = True
                yield from _targets(element.value, node, how, value, (*path, -1))
            else:
                yield from _targets(element, node, how, value, (*path, -1 if starred else index))


def in_loop(tree: Tree, node: ast.AST) -> bool:
    """Whether a loop of its function runs ``node`` more than once."""
    return any(isinstance(loop, LOOPS) for loop in tree.loops(node))
