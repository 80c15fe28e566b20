"""Names that functions bind anew outside their own scope: ``global`` and ``nonlocal``."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.names import Binding
from mlint.model.tree import walk_blocks

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds


def declared(kinds: Kinds) -> dict[str, list[ast.Global | ast.Nonlocal]]:
    """Name → the statements of the file that declare it to be one of an outer scope."""
    text = kinds.names.text
    found: dict[str, list[ast.Global | ast.Nonlocal]] = {}
    if text is not None and "global " not in text and "nonlocal " not in text:
        return found
    for node in walk_blocks(kinds.tree.module.body):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            for name in node.names:
                found.setdefault(name, []).append(node)
    return found


def bindings(kinds: Kinds, name: ast.Name) -> list[Binding]:
    """What other functions bind a name to, at a time that nobody knows."""
    found: list[Binding] = []
    declarations = kinds.declared.get(name.id, ())
    scope = kinds.names.lookup(name) if declarations else None
    if scope is None:
        return found
    for declaration in declarations:
        inner = kinds.tree.scope(declaration)
        if isinstance(declaration, ast.Global):
            meant = scope[0] is kinds.tree.module
        else:
            outer = kinds.names.lookup_from(kinds.tree.outer_scope(inner), name.id)
            meant = outer is not None and scope[0] in (outer[0], inner)
        if meant:
            found += [b for b in kinds.names.bindings(inner).get(name.id, ()) if b.how not in ("global", "nonlocal")]
    return found
