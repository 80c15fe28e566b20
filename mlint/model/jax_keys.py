"""JAX's random keys: which calls use one up, by themselves or in functions of the project, and which do so again."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlint.model.jax_key_uses import KeyUses, Reuse
from mlint.model.seed_calls import by_parameter
from mlint.model.tree import FunctionNode, walk_scope

if TYPE_CHECKING:
    from mlint.model.file import FileModel

CONSUMERS = frozenset(
    f"jax.random.{name}"
    for name in (
        "ball bernoulli beta binomial bits categorical cauchy chisquare choice dirichlet double_sided_maxwell "
        "exponential f gamma generalized_normal geometric gumbel laplace loggamma logistic lognormal maxwell "
        "multinomial multivariate_normal normal orthogonal pareto permutation poisson rademacher randint rayleigh "
        "shuffle split t triangular truncated_normal uniform wald weibull_min"
    ).split()
)
"""The functions that use up their key; `fold_in` makes another key of it and leaves it as it is."""
SPLIT = "jax.random.split"


def _may_hold(node: ast.expr) -> bool:
    """Whether an argument is written as keys are: a cheap look, which proves nothing."""
    while isinstance(node, ast.Subscript):
        node = node.value
    word = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return any(part in word.lower() for part in ("key", "rng", "seed"))


class JaxKeys:
    """The reused keys of one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self._scopes: dict[ast.AST, dict[ast.Call, Reuse]] = {}
        self._used_up: dict[ast.AST, frozenset[str]] = {}

    def reuse(self, call: ast.Call) -> Reuse | None:
        """How a call uses up a key again; None if it does not."""
        scope = self.model.tree.function(call) or self.model.tree.module
        if scope not in self._scopes:
            self._scopes[scope] = KeyUses(self.model, scope).found
        return self._scopes[scope].get(call)

    def is_split(self, node: ast.AST) -> bool:
        """Whether an expression is a call of `jax.random.split`."""
        return isinstance(node, ast.Call) and self.model.names.dotted(node.func) == SPLIT

    def passed_on_again(self) -> Iterator[Reuse]:
        """The calls of functions of the project that use up a key again."""
        for call in self.model.tree.calls:
            if self.is_passed_on(call) and self.key(call) is not None:
                reuse = self.reuse(call)
                if reuse is not None:
                    yield reuse

    def key(self, call: ast.Call) -> ast.expr | None:
        """The key that a call uses up, by itself or in the function of the project that it runs; None if none."""
        if self.model.names.dotted(call.func) not in CONSUMERS:
            return self._passed_on(call)
        for keyword in call.keywords:
            if keyword.arg == "key":
                return keyword.value
        if call.args and not isinstance(call.args[0], ast.Starred):
            return call.args[0]
        return None

    def is_passed_on(self, call: ast.Call) -> bool:
        """Whether it is a function of the project that uses up the key of a call."""
        return self.model.names.dotted(call.func) not in CONSUMERS

    def _passed_on(self, call: ast.Call) -> ast.expr | None:
        if not any(_may_hold(value) for value in (*call.args, *(keyword.value for keyword in call.keywords))):
            return None  # no other file is read for calls that are not about keys
        callee = self.model.effects.callee(call)
        if callee is None or "init" in callee[1].name:  # models that start alike are compared
            return None
        used = callee[0].jax_keys.used_up(callee[1])
        if not used:
            return None
        self.model.depends_on(callee[0])
        return next((value for name, value in by_parameter(callee[1], call) if name in used), None)

    def used_up(self, function: FunctionNode) -> frozenset[str]:
        """The parameters of a function that it uses up as keys in every call, before anything binds them anew."""
        known = self._used_up.get(function)
        if known is None:
            self._used_up[function] = frozenset()  # recursion uses up nothing more
            found: set[str] = set()
            parameters = {a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)}
            for node in walk_scope(function):
                key = self.key(node) if isinstance(node, ast.Call) else None
                if not isinstance(key, ast.Name) or key.id not in parameters or self.model.flow.is_conditional(node):
                    continue
                bindings = self.model.reaching.of(key) or []
                if bindings and all(b.how == "parameter" for b in bindings) and self._owner(key) is function:
                    found.add(key.id)
            known = self._used_up[function] = frozenset(found)
        return known

    def _owner(self, name: ast.Name) -> ast.AST | None:
        found = self.model.names.lookup(name)
        return None if found is None else found[0]
