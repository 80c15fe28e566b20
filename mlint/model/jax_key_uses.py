"""JAX's random keys: which calls use up a key that another call, or the same one in an earlier round, has used up.

One pass over a scope in the order in which it runs, with what each name can stand for (tokens, one for each binding)
and the call that has consumed each token. The arms of a branch run from the same state and are joined; the body of a
loop runs twice; what follows a jump is not reached.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from mlint.model.tree import COMPREHENSIONS, FUNCTIONS, LOOPS, children, walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel

Token: TypeAlias = tuple[object, ...]


class Reuse:
    """A key that is used up again.

    Attributes:
        call: the later use.
        key: the key as it is written there.
        earlier: the use before it; the call itself if an earlier round of a loop made it.
        name: the name, attribute or element that holds the key.
    """

    __slots__ = ("call", "earlier", "key", "name")

    def __init__(self, call: ast.Call, key: ast.expr, earlier: ast.Call, name: str) -> None:
        self.call = call
        self.key = key
        self.earlier = earlier
        self.name = name


class _State:
    def __init__(self, names: dict[str, frozenset[Token]], used: dict[Token, ast.Call]) -> None:
        self.names = names
        self.used = used

    def copy(self) -> _State:
        return _State(dict(self.names), dict(self.used))


def _join(states: Iterable[_State | None]) -> _State | None:
    """What holds after one of several paths; None if none of them goes on."""
    real = [state for state in states if state is not None]
    if not real:
        return None
    if len(real) == 1:
        return real[0]
    result = _State({}, {})
    result.names = dict(real[0].names)
    for other in real[1:]:
        for name in {*result.names, *other.names}:
            free = frozenset({("free", name)})
            result.names[name] = result.names.get(name, free) | other.names.get(name, free)
    for state in real:
        # A key that was used on a path where no name holds it any more is not used for those who come by another path.
        held = {token for tokens in state.names.values() for token in tokens}
        for token, call in state.used.items():
            root = _root(token)
            if root in held or (root[0] == "free" and root[1] not in state.names):
                result.used.setdefault(token, call)
    return result


def _root(token: Token) -> Token:
    """The key or array of keys of which a token is an element."""
    while token[0] == "item":
        token = token[1]  # type: ignore[assignment]
    return token


def _of_attribute(token: Token) -> bool:
    return "." in str(_root(token)[1])


class KeyUses:
    """The keys that a scope uses up again."""

    def __init__(self, model: FileModel, scope: ast.AST) -> None:
        self.model = model
        self.found: dict[ast.Call, Reuse] = {}
        self.fresh = 0
        self.leaving: list[tuple[list[_State], list[_State]]] = []
        """For each loop around the current statement: the states at its breaks and at its continues."""
        body: list[ast.stmt] = scope.body  # type: ignore[attr-defined]
        self.block(body, _State({}, {}))

    # Statements

    def block(self, body: list[ast.stmt], state: _State | None) -> _State | None:
        for statement in body:
            if state is None:
                return None
            state = self.statement(statement, state)
        return state

    def statement(self, node: ast.stmt, state: _State) -> _State | None:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            self.bind(node.name, state)
            return state
        if isinstance(node, (ast.Return, ast.Raise)):
            self.expressions(node, state)
            return None
        if isinstance(node, (ast.Break, ast.Continue)):
            if self.leaving:
                self.leaving[-1][isinstance(node, ast.Continue)].append(state)
            return None
        if isinstance(node, ast.If):
            self.expression(node.test, state)
            return _join([self.block(node.body, state.copy()), self.block(node.orelse, state.copy())])
        if isinstance(node, ast.Match):
            self.expression(node.subject, state)
            return _join([state, *(self.block(case.body, state.copy()) for case in node.cases)])
        if isinstance(node, LOOPS):
            return self.loop(node, state)
        if isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                self.expression(item.context_expr, state)
                if item.optional_vars is not None:
                    self.target(item.optional_vars, None, state)
            return self.block(node.body, state)
        if isinstance(node, ast.Try) or node.__class__.__name__ == "TryStar":
            return self.attempt(node, state)  # type: ignore[arg-type]
        return self.simple(node, state)

    def simple(self, node: ast.stmt, state: _State) -> _State:
        if isinstance(node, ast.Expr) and self.model.jax_keys.is_split(node.value):
            self.expressions(node.value, state)  # nobody has the parts, so nothing is used up
            return state
        self.expressions(node, state)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self.target(target, node.value, state)
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
            if node.value is not None:
                self.target(node.target, node.value if isinstance(node, ast.AnnAssign) else None, state)
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                self.target(target, None, state)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                self.bind((alias.asname or alias.name).partition(".")[0], state)
        return state

    def loop(self, node: ast.For | ast.AsyncFor | ast.While, state: _State) -> _State | None:
        if not isinstance(node, ast.While):
            self.expression(node.iter, state)
        after: list[_State | None] = []
        current: _State | None = state
        endless = isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and bool(node.test.value)
        for _ in range(2):
            if current is None:
                break
            if isinstance(node, ast.While):
                self.expression(node.test, current)
            if not endless:
                after.append(current.copy())
            if not isinstance(node, ast.While):
                self.target(node.target, None, current)
            self.leaving.append(([], []))
            ended = self.block(node.body, current)
            breaks, continues = self.leaving.pop()
            after.extend(breaks)
            current = _join([ended, *continues])
        if not endless:
            after.append(current)
        done = _join(after)
        return None if done is None else self.block(node.orelse, done)

    def attempt(self, node: ast.Try, state: _State) -> _State | None:
        before = state.copy()
        ended = self.block([*node.body], state.copy())
        handlers = []
        for handler in node.handlers:
            caught = _join([before, ended])
            assert caught is not None
            if handler.name is not None:
                self.bind(handler.name, caught)
            handlers.append(self.block(handler.body, caught))
        if ended is not None:
            ended = self.block(node.orelse, ended)
        joined = _join([ended, *handlers])
        return None if joined is None else self.block(node.finalbody, joined)

    # Expressions, in the order in which they are evaluated

    def expressions(self, node: ast.AST, state: _State) -> None:
        for child in children(node):
            self.expression(child, state)

    def expression(self, node: ast.AST, state: _State) -> None:
        if isinstance(node, ast.Lambda):
            return
        if isinstance(node, ast.IfExp):
            self.expression(node.test, state)
            arms = [state.copy(), state.copy()]
            self.expression(node.body, arms[0])
            self.expression(node.orelse, arms[1])
            joined = _join(arms)
            assert joined is not None
            state.names, state.used = joined.names, joined.used
            return
        if isinstance(node, COMPREHENSIONS):
            self.comprehension(node, state)
            return
        self.expressions(node, state)
        if isinstance(node, ast.NamedExpr):
            self.target(node.target, node.value, state)
        elif isinstance(node, ast.Call):
            self.call(node, state)

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, state: _State) -> None:
        self.expression(node.generators[0].iter, state)
        inner = state.copy()
        for _ in range(2):
            for index, generator in enumerate(node.generators):
                if index:
                    self.expression(generator.iter, inner)
                self.target(generator.target, None, inner)
                for test in generator.ifs:
                    self.expression(test, inner)
            elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
            for element in elements:
                self.expression(element, inner)
        state.used.update(inner.used)

    def call(self, node: ast.Call, state: _State) -> None:
        key = self.model.jax_keys.key(node)
        if key is None or self.model.jax_keys.is_passed_on(node):
            if self.model.names.dotted(node.func) is None:
                # It may give an attribute another key.
                state.used = {token: call for token, call in state.used.items() if not _of_attribute(token)}
        if key is None:
            return
        name = self.name(key)
        if name is None:
            return
        for token in self.tokens(key, state):
            earlier = state.used.get(token)
            if earlier is not None and not self.exclusive(earlier, node) and not self.wanted(earlier, node):
                self.found.setdefault(node, Reuse(node, key, earlier, name))
            state.used[token] = node

    def wanted(self, earlier: ast.Call, later: ast.Call) -> bool:
        """Whether the same numbers may be wanted: one function of the project is called with one key twice.

        Not in a loop that hands the outcome of a round to the next one, `state = step(state, key)`.
        """
        keys = self.model.jax_keys
        if not keys.is_passed_on(earlier) or not keys.is_passed_on(later):
            return False
        if earlier is not later:
            return ast.dump(earlier.func) == ast.dump(later.func)
        statement = self.model.tree.statement(later)
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        made = {n.id for target in targets for n in walk(target) if isinstance(n, ast.Name)}
        given = {n.id for value in (*later.args, *later.keywords) for n in walk(value) if isinstance(n, ast.Name)}
        return not made & given

    def name(self, node: ast.expr) -> str | None:
        """How a key is named; None for what is not followed."""
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            base = self.name(node.value)
            return None if base is None else f"{base}[{node.slice.value!r}]"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if self.model.kinds.is_self(node.value):
                owner = self.model.tree.class_of(node)
                if owner is not None and self.model.kinds.attribute_values(owner, node.attr):
                    return f"{node.value.id}.{node.attr}"
        return None

    def tokens(self, node: ast.expr, state: _State) -> frozenset[Token]:
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            return frozenset(("item", token, node.slice.value) for token in self.tokens(node.value, state))
        held = self.name(node) or ""
        return state.names.get(held) or frozenset({("free", held)})

    # Bindings

    def bind(self, name: str, state: _State) -> None:
        self.fresh += 1
        state.names[name] = frozenset({("bound", name, self.fresh)})

    def target(self, node: ast.expr, value: ast.expr | None, state: _State) -> None:
        if isinstance(node, ast.Name):
            alias = self.name(value) if isinstance(value, (ast.Name, ast.Subscript)) else None
            if alias is not None and value is not None:
                state.names[node.id] = self.tokens(value, state)
            else:
                self.bind(node.id, state)
        elif isinstance(node, (ast.Tuple, ast.List)):
            for element in node.elts:
                self.target(element, None, state)
        elif isinstance(node, ast.Starred):
            self.target(node.value, None, state)
        elif isinstance(node, ast.Subscript):
            self.target(node.value, None, state)  # an element is replaced: nothing more is known of the rest
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            self.bind(f"{node.value.id}.{node.attr}", state)

    # Paths that cannot be told apart

    def exclusive(self, first: ast.Call, second: ast.Call) -> bool:
        """Whether two uses may exclude each other: both stand under conditions of their own.

        For one use in two rounds of a loop: whether it stands under a comparison with a constant there.
        """
        if first is second:
            return any(
                isinstance(test, ast.Compare) and isinstance(test.ops[0], (ast.Eq, ast.Is))
                for test in self.conditions(first)
                if any(isinstance(ancestor, LOOPS) for ancestor in self.model.tree.ancestors(test))
            )
        own, other = set(self.conditions(first)), set(self.conditions(second))
        return bool(own - other) and bool(other - own)

    def conditions(self, node: ast.AST) -> Iterator[ast.expr]:
        for test, _ in self.model.flow.guards(node):
            yield test
