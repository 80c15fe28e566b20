"""Definitions and uses: which of the bindings of a name can have given it the value that is read at a place.

The answer goes by the structure of the program (blocks, branches, loops), not by a control-flow graph: walk from the
read outwards and backwards; a statement that surely binds the name ends the walk, what may bind it on the way is
collected, and inside a loop what comes later in its body is collected too.
"""

from __future__ import annotations

import ast

from mlint.model.names import Binding, Names
from mlint.model.tree import COMPREHENSIONS, FUNCTIONS, LOOPS, Tree, suites, walk, walk_scope


class Reaching:
    """Reaching definitions within the scopes of one file."""

    def __init__(self, tree: Tree, names: Names) -> None:
        self.tree = tree
        self.names = names
        self._cache: dict[ast.AST, list[Binding] | None] = {}
        self._jumps: dict[ast.AST, bool] = {}

    def of(self, name: ast.Name) -> list[Binding] | None:
        """The bindings that can reach a read of a name; None where the name is not bound in the file.

        A read from inside a nested function or lambda happens at an unknown time: every binding can reach it.
        """
        if name not in self._cache:
            self._cache[name] = self._find(name)
        return self._cache[name]

    def _find(self, name: ast.Name) -> list[Binding] | None:
        found = self.names.lookup(name)
        if found is None:
            return None
        scope, bindings = found
        if len(bindings) == 1 and bindings[0].how in ("import", "function", "class"):
            return bindings
        current = self.tree.scope(name)
        while current is not scope:
            if not isinstance(current, COMPREHENSIONS):
                return bindings
            current = self.tree.scope(current)
        if isinstance(scope, (ast.Lambda, ast.ClassDef, *COMPREHENSIONS)):
            return bindings
        return _Walk(self.tree, scope, name.id, bindings, self._jumps).before(name)

    def at(self, statement: ast.stmt, name: str) -> list[Binding]:
        """The bindings of ``name`` that can reach the beginning of a statement of its scope."""
        found = self.names.lookup_from(self.tree.scope(statement), name)
        if found is None:
            return []
        scope, bindings = found
        if scope is not self.tree.scope(statement):
            return bindings
        return _Walk(self.tree, scope, name, bindings, self._jumps).before(statement)


class _Walk:
    """One search.

    Args:
        tree: the tree.
        scope: where the name is bound.
        name: the name.
        bindings: its bindings in that scope.
        jumps: first statement of a loop's body → whether a `break` or `continue` stands in it; shared by all searches.
    """

    def __init__(
        self, tree: Tree, scope: ast.AST, name: str, bindings: list[Binding], jumps: dict[ast.AST, bool]
    ) -> None:
        self.tree = tree
        self.scope = scope
        self.name = name
        self.by_node: dict[ast.AST, list[Binding]] = {}
        for binding in bindings:
            self.by_node.setdefault(binding.node, []).append(binding)
        self.parameters = [b for b in bindings if b.how in ("parameter", "variadic")]
        self.elsewhere = [b for b in bindings if b.how in ("nonlocal", "global")]
        self.result: list[Binding] = []
        self.jumps = jumps
        self.walruses = any(isinstance(node, ast.NamedExpr) for node in self.by_node)
        self.holding: set[ast.AST] = set()
        """The bindings and everything around them: no other statement has anything to give."""
        for node in self.by_node:
            self.holding.add(node)
            for ancestor in tree.ancestors(node):
                if ancestor in self.holding:
                    break
                self.holding.add(ancestor)

    def before(self, node: ast.AST) -> list[Binding]:
        child: ast.AST = self.tree.statement(node) if not isinstance(node, ast.stmt) else node
        # `if (n := f()) and n > 2`: a walrus in the same statement, before the read.
        for inner in walk_scope(child) if self.walruses and not isinstance(node, ast.stmt) else ():
            if isinstance(inner, ast.NamedExpr) and inner in self.by_node and _before(inner, node):
                self._add(inner)
                return self.result
        if (
            isinstance(child, (ast.For, ast.AsyncFor))
            and child in self.by_node
            and _is_below(self.tree, node, child.target)
        ):
            self._add(child)
            return self.result
        if isinstance(child, ast.Match):  # the guard of a case
            for ancestor in self.tree.ancestors(node):
                if isinstance(ancestor, ast.match_case) and self._captured(ancestor):
                    return self.result
                if ancestor is child:
                    break
        if not self._outwards(child, node):
            self.result.extend(self.parameters)
        self.result.extend(self.elsewhere)
        return self.result

    def _outwards(self, child: ast.AST, read: ast.AST) -> bool:
        """Collect what reaches ``child`` from before it; True when something surely bound the name."""
        tree = self.tree
        while True:
            parent = tree.parent(child)
            if parent is None:
                return False
            for block in suites(parent):
                index = next((i for i, statement in enumerate(block) if statement is child), None)
                if index is None:
                    continue
                for statement in reversed(block[:index]):
                    if self._collect(statement):
                        return True
                if self._through(parent, block, child):
                    return True
                break
            else:  # `child` is an expression, a handler or a case of its parent
                if isinstance(parent, LOOPS) and child is getattr(parent, "test", None):
                    self._body_of_loop(parent.body)
                if isinstance(parent, ast.Try) or parent.__class__.__name__ == "TryStar":
                    self._partly(getattr(parent, "body", []))
            if parent is self.scope:
                return False
            child = parent

    def _through(self, parent: ast.AST, block: list[ast.stmt], child: ast.AST) -> bool:
        """Step out of a block of ``parent``; True when the parent itself binds the name for that block."""
        if isinstance(parent, (ast.For, ast.AsyncFor)):
            if block is parent.body:
                if parent in self.by_node:
                    self._add(parent)
                    return True
                self._body_of_loop(parent.body)
            else:
                self._partly(parent.body)
                self._add_if_bound(parent)
        elif isinstance(parent, ast.While):
            if self._walrus(parent.test):
                return True
            if block is parent.body:
                self._body_of_loop(parent.body)
            else:
                self._partly(parent.body)
        elif isinstance(parent, (ast.With, ast.AsyncWith)) or isinstance(parent, ast.ExceptHandler):
            if parent in self.by_node:
                self._add(parent)
                return True
        elif isinstance(parent, ast.Try) or parent.__class__.__name__ == "TryStar":
            if block is not parent.body:  # type: ignore[attr-defined]
                self._partly(parent.body)  # type: ignore[attr-defined]
                if block is getattr(parent, "finalbody", None):
                    for handler in getattr(parent, "handlers", ()):
                        self._partly(handler.body)
        elif isinstance(parent, ast.If):
            return self._walrus(parent.test)
        elif isinstance(parent, ast.match_case):
            return self._captured(parent)
        return False

    def _captured(self, case: ast.match_case) -> bool:
        """Whether the pattern of a case binds the name."""
        captures = [part for part in walk(case.pattern) if part in self.by_node] if case in self.holding else []
        for part in captures:
            self._add(part)
        return bool(captures)

    def _walrus(self, test: ast.expr) -> bool:
        for inner in walk_scope(test) if self.walruses else ():
            if isinstance(inner, ast.NamedExpr) and inner in self.by_node:
                self._add(inner)
                return True
        return False

    def _partly(self, body: list[ast.stmt]) -> None:
        """A block of which any part may have run."""
        for statement in body:
            self._collect(statement)

    def _add(self, node: ast.AST) -> None:
        for binding in self.by_node[node]:
            if binding not in self.result:
                self.result.append(binding)

    def _add_if_bound(self, node: ast.AST) -> None:
        if node in self.by_node:
            self._add(node)

    def _collect(self, statement: ast.AST) -> bool:
        """Add the bindings in a statement that reach its end; True if it surely binds the name.

        A statement that leaves the function is said to bind surely: nothing that stands before it reaches beyond it.
        So is one that leaves the loop, as seen from inside the loop; what it leaves behind for after the loop is
        collected by `_body_of_loop`.
        """
        if isinstance(statement, (ast.Return, ast.Raise, ast.Break, ast.Continue)):
            return True
        if isinstance(statement, (*FUNCTIONS, ast.ClassDef, ast.Import, ast.ImportFrom)):
            if statement in self.by_node:
                self._add(statement)
                return True
            return False
        if isinstance(statement, (ast.If, ast.Match)):
            arms = (
                [statement.body, statement.orelse]
                if isinstance(statement, ast.If)
                else [c.body for c in statement.cases]
            )
            if isinstance(statement, ast.If) and self._inside(statement.test):
                return True
            surely = [self._block(arm) for arm in arms]
            if isinstance(statement, ast.Match):
                for case, done in zip(statement.cases, surely):
                    if not done:
                        self._captured(case)
            return isinstance(statement, ast.If) and all(surely)
        if isinstance(statement, (ast.For, ast.AsyncFor, ast.While)):
            if statement not in self.holding:
                return False
            self._body_of_loop(statement.body)
            self._block(statement.orelse)
            self._add_if_bound(statement)
            return isinstance(statement, ast.While) and self._inside(statement.test)
        if isinstance(statement, (ast.With, ast.AsyncWith)):
            done = self._block(statement.body)
            if not done and statement in self.by_node:
                self._add(statement)
                return True
            return done
        if isinstance(statement, ast.Try) or statement.__class__.__name__ == "TryStar":
            if self._block(statement.finalbody):  # type: ignore[attr-defined]
                return True
            body = self._block([*statement.body, *statement.orelse])  # type: ignore[attr-defined]
            handlers = [self._block(handler.body) for handler in statement.handlers]  # type: ignore[attr-defined]
            return body and all(handlers)
        return self._inside(statement)

    def _body_of_loop(self, body: list[ast.stmt]) -> None:
        """What any round of a loop can leave behind for after it: `break` and `continue` let everything through."""
        self._block(body)
        if not any(statement in self.holding for statement in body):
            return
        jumps = self.jumps.get(body[0])
        if jumps is None:
            jumps = self.jumps[body[0]] = any(
                isinstance(node, (ast.Break, ast.Continue)) for statement in body for node in walk_scope(statement)
            )
        if jumps:
            parts = set(body)
            for node, bindings in self.by_node.items():
                if node in parts or any(ancestor in parts for ancestor in self.tree.ancestors(node)):
                    self.result.extend(binding for binding in bindings if binding not in self.result)

    def _block(self, block: list[ast.stmt]) -> bool:
        # From the end backwards, as what stands later hides what stands earlier. A block that ends in a jump gives
        # nothing to what follows the statement it belongs to.
        for statement in reversed(block):
            if self._collect(statement):
                return True
        return False

    def _inside(self, node: ast.AST) -> bool:
        """Whether a simple statement or an expression binds the name."""
        if node in self.by_node:
            self._add(node)
            return True
        if self.walruses and isinstance(
            node, (ast.Assign, ast.Expr, ast.expr, ast.AugAssign, ast.AnnAssign, ast.Assert)
        ):
            for inner in walk_scope(node):
                if isinstance(inner, ast.NamedExpr) and inner in self.by_node:
                    self._add(inner)
                    return True
        return False


def _before(first: ast.AST, second: ast.AST) -> bool:
    return (first.lineno, first.col_offset) < (second.lineno, second.col_offset)  # type: ignore[attr-defined]


def _is_below(tree: Tree, node: ast.AST, ancestor: ast.AST) -> bool:
    return node is ancestor or any(other is ancestor for other in tree.ancestors(node))
