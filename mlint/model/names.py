"""Imports and scopes: which object a name stands for.

`dotted` turns an expression into the canonical dotted name of what it refers to, whatever the spelling of the import:
``F.softmax`` after ``import torch.nn.functional as F`` is ``torch.nn.functional.softmax``. `bindings` lists everything
that gives a name its value in a scope.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from mlint.model.tree import COMPREHENSIONS, FUNCTIONS, LOOPS, Bound, Tree, children, suites, walk

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


@dataclass(frozen=True, slots=True, eq=False)
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

    name: str
    node: ast.AST
    how: str
    value: ast.expr | None = None
    path: tuple[int, ...] = ()
    annotation: ast.expr | None = None
    imported: str | None = None


class Names:
    """The names of one file."""

    def __init__(self, tree: Tree, text: str | None = None, bound: Bound | None = None) -> None:
        self.tree = tree
        self.text = text
        self._bound = bound if bound is None or "*" not in bound.names else None
        # Only a walrus binds inside an expression; most files have none, and their expressions are not looked into.
        self._walrus = text is None or ":=" in text
        self._bindings: dict[ast.AST, dict[str, list[Binding]]] = {}
        self._dotted: dict[ast.AST, str | None] = {}
        self._resolving: set[tuple[ast.AST, str]] = set()

    # What binds a name

    def bindings(self, scope: ast.AST) -> dict[str, list[Binding]]:
        """All bindings made directly in a scope, by name, in source order."""
        found = self._bindings.get(scope)
        if found is None:
            found = self._bindings[scope] = {}
            for binding in _collect(scope, self._walrus):
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
        if self._bound is not None:
            if node.id not in self._bound.names:
                return node.id if node.id in BUILTINS else None
            if node.id not in self._bound.again:
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


def _collect(scope: ast.AST, walrus: bool) -> Iterator[Binding]:
    """The bindings made directly in a scope, in source order."""
    if isinstance(scope, (*FUNCTIONS, ast.Lambda)):
        yield from _parameters(scope.args)
    if isinstance(scope, COMPREHENSIONS):
        for generator in scope.generators:
            yield from _targets(generator.target, generator, "for", generator.iter)
        return
    stack: list[ast.AST] = list(reversed(_own_parts(scope)))
    while stack:
        node = stack.pop()
        node_type = node.__class__
        if node_type in _PLAIN or (not walrus and node_type in _BINDLESS):
            continue
        if node_type is ast.Assign:
            assert isinstance(node, ast.Assign)
            for target in node.targets:
                yield from _targets(target, node, "assign", node.value)
        elif node_type is ast.AnnAssign:
            assert isinstance(node, ast.AnnAssign)
            if isinstance(node.target, ast.Name):
                how = "assign" if node.value is not None else "annotate"
                yield Binding(node.target.id, node, how, node.value, annotation=node.annotation)
        elif node_type is ast.AugAssign:
            assert isinstance(node, ast.AugAssign)
            if isinstance(node.target, ast.Name):
                yield Binding(node.target.id, node, "augment", node.value)
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            yield from _targets(node.target, node, "for", node.iter)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                if item.optional_vars is not None:
                    yield from _targets(item.optional_vars, node, "with", item.context_expr)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname is not None:
                    yield Binding(alias.asname, node, "import", imported=alias.name)
                else:
                    root = alias.name.partition(".")[0]
                    yield Binding(root, node, "import", imported=root)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                if alias.name == "*":
                    yield Binding("*", node, "star", imported=module)
                else:
                    dot = "" if module.endswith(".") and node.module is None else "."
                    yield Binding(alias.asname or alias.name, node, "import", imported=f"{module}{dot}{alias.name}")
        elif isinstance(node, FUNCTIONS):
            yield Binding(node.name, node, "function")
            stack.extend(reversed([*node.decorator_list, *_defaults(node.args)]))
            continue
        elif isinstance(node, ast.ClassDef):
            yield Binding(node.name, node, "class")
            stack.extend(reversed([*node.decorator_list, *node.bases, *node.keywords]))
            continue
        elif isinstance(node, ast.Lambda):
            stack.extend(reversed(_defaults(node.args)))
            continue
        elif isinstance(node, COMPREHENSIONS):
            yield from _walrus_in(node)
            continue
        elif isinstance(node, ast.NamedExpr):
            yield Binding(node.target.id, node, "walrus", node.value)
        elif isinstance(node, ast.ExceptHandler):
            if node.name is not None:
                yield Binding(node.name, node, "except", node.type)
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield Binding(target.id, node, "delete")
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            for name in node.names:
                yield Binding(name, node, "global" if isinstance(node, ast.Global) else "nonlocal")
        elif isinstance(node, (ast.MatchAs, ast.MatchStar)):
            if node.name is not None:
                yield Binding(node.name, node, "match")
        elif isinstance(node, ast.MatchMapping):
            if node.rest is not None:
                yield Binding(node.rest, node, "match")
        if walrus:
            stack.extend(reversed(children(node)))
        elif node_type is not ast.ExceptHandler:  # its block is one of those of its `try`
            blocks = [statement for block in suites(node) for statement in block]
            blocks.reverse()
            stack += [*blocks, *reversed(_patterns(node))]


def _patterns(node: ast.AST) -> list[ast.AST]:
    """The parts of a statement, besides the blocks in it, that bind names by themselves."""
    if isinstance(node, ast.Try) or node.__class__.__name__ == "TryStar":
        return [handler for handler in node.handlers if handler.name is not None]  # type: ignore[attr-defined]
    if isinstance(node, ast.Match):
        return [part for case in node.cases for part in walk(case.pattern)]
    return []


_BINDLESS = frozenset({ast.Expr, ast.Return, ast.Raise, ast.Assert})
"""Statements that bind nothing but by a walrus."""
_PLAIN = frozenset({ast.Constant, ast.Name, ast.Pass, ast.Break, ast.Continue})


def _walrus_in(comprehension: ast.AST) -> Iterator[Binding]:
    """A walrus in a comprehension binds in the scope around it."""
    stack = children(comprehension)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, ast.NamedExpr):
            yield Binding(node.target.id, node, "walrus", node.value)
        stack.extend(children(node))


def _own_parts(scope: ast.AST) -> list[ast.AST]:
    if isinstance(scope, ast.Lambda):
        return [scope.body]
    body: list[ast.AST] = list(getattr(scope, "body", ()))
    return body


def _defaults(arguments: ast.arguments) -> list[ast.AST]:
    return [*arguments.defaults, *(default for default in arguments.kw_defaults if default is not None)]


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
