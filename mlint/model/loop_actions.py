"""What the rounds of a `for` loop do, by a look at the syntax of its body.

Most loops of most files call something in each round, and no rule about loops over array elements has anything to say
about them. The walk over a file sorts loops with this look, so that such rules are asked about few of them.
"""

from __future__ import annotations

import ast

STORE = "store"
"""Stores to an element: ``out[i] = x``."""
UPDATE = "update"
"""Changes an element: ``out[i] += x``."""
TOTAL = "total"
"""Carries a value from round to round: ``s += x``, ``s = max(s, x)``."""
APPEND = "append"
"""Appends to a list: ``out.append(x)``."""
CHOICE = "choice"
"""Assigns under a condition: ``if x > best: best = x``."""
GRAPH = "graph"
"""Goes over a range of a library, which may become a loop of its graph: ``for i in tf.range(n)``."""

LONGEST = 3
"""Loops of more statements are no array expressions: nobody would want to read those."""
_ASSIGNMENTS = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Break, ast.Continue, ast.Pass)


def innermost(loop: ast.For) -> list[ast.stmt]:
    """The body of the innermost of loops of which each is the whole body of the one around it."""
    body = loop.body
    while len(body) == 1 and isinstance(body[0], ast.For):
        body = body[0].body
    return body


def actions(loop: ast.For) -> tuple[str, ...]:
    """What the rounds of a loop do, of the constants above, in a fixed order; empty for a loop that does more."""
    found: set[str] = set()
    if isinstance(loop.iter, ast.Call) and isinstance(loop.iter.func, ast.Attribute) and loop.iter.func.attr == "range":
        found.add(GRAPH)
    body = innermost(loop)
    if len(body) <= LONGEST:
        for statement in body:
            action = _action(statement)
            if action is None:
                break
            found |= action
        else:
            return tuple(sorted(found))
    return (GRAPH,) if GRAPH in found else ()


_NOTHING: frozenset[str] = frozenset()


def _action(statement: ast.stmt) -> frozenset[str] | set[str] | None:
    """What one statement does; None where that is more than array code."""
    if isinstance(statement, ast.Assign):
        target = statement.targets[0]
        if isinstance(target, ast.Subscript):
            return {STORE}
        if isinstance(target, ast.Name) and not isinstance(statement.value, (ast.Name, ast.Constant)):
            name = target.id
            if any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(statement.value)):
                return {TOTAL}
        elif isinstance(target, ast.Tuple) and any(isinstance(part, ast.Subscript) for part in target.elts):
            return {STORE}
        return _NOTHING
    if isinstance(statement, ast.AugAssign):
        return {UPDATE if isinstance(statement.target, ast.Subscript) else TOTAL}
    if isinstance(statement, ast.AnnAssign):
        return {STORE} if isinstance(statement.target, ast.Subscript) else _NOTHING
    if isinstance(statement, ast.Expr):
        call = statement.value
        appends = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "append"
        return {APPEND} if appends else _NOTHING
    if isinstance(statement, ast.If):
        return {CHOICE} if _chooses(statement) else _NOTHING
    if isinstance(statement, ast.For):
        return set(actions(statement)) - {GRAPH}
    return None


def _chooses(statement: ast.If) -> bool:
    """Whether the branches of a condition only assign."""
    for part in (*statement.body, *statement.orelse):
        if isinstance(part, ast.If):
            if not _chooses(part):
                return False
        elif not isinstance(part, _ASSIGNMENTS):
            return False
    return True
