"""Call something else with the same arguments, or name something else."""

from __future__ import annotations

import ast

from mlint.codemod import expression, tokens, tree
from mlint.codemod.refused import Refused
from mlint.finding import Edit
from mlint.source import Source


def rename(source: Source, node: ast.Call | ast.Attribute | ast.Name, dotted: str) -> Edit:
    """Replace a dotted name, or that of the function that a call calls.

    Args:
        source: the source.
        node: a call, or the name itself. What stands in front of the last dot may be any expression.
        dotted: the new name as it reads in this file, such as ``torch.amp.autocast``.

    Raises:
        Refused: a comment stands in the old name, or the name cannot stand there.
        ValueError: ``dotted`` is no dotted name.
    """
    if not all(part.isidentifier() for part in dotted.split(".")):
        raise ValueError(f"{dotted!r} is no dotted name")
    name = node.func if isinstance(node, ast.Call) else node
    edit = expression.replace(source, name, dotted, {})
    old = source.text[edit.start : edit.end]
    # Where only the end of the name changes, the edit is the end only.
    same = 0
    while True:
        dot = dotted.find(".", same)
        if dot < 0 or old[same : dot + 1] != dotted[same : dot + 1] or edit.content != dotted:
            break
        same = dot + 1
    return Edit(edit.start + same, edit.end, edit.content[same:])


def rename_method(source: Source, node: ast.Call | ast.Attribute, name: str) -> Edit:
    """Replace what stands behind the last dot of a name, or of the function that a call calls.

    Args:
        source: the source.
        node: a call of a method, or the attribute itself; the object in front may be any expression.
        name: the new name of the attribute.

    Raises:
        Refused: the node is no attribute.
        ValueError: ``name`` is no identifier.
    """
    if not name.isidentifier():
        raise ValueError(f"{name!r} is no name")
    where = tree.place(source, node.func if isinstance(node, ast.Call) else node)
    attribute = where.node
    if not isinstance(attribute, ast.Attribute):
        raise Refused("it is no attribute")
    start, end = source.span(attribute)[1] - len(attribute.attr), source.span(attribute)[1]
    if source.text[start:end] != attribute.attr:
        # Written with characters that Python normalises, such as ﬁ, or inside an f-string.
        raise Refused("the name is not written as Python reads it")
    if tokens.of(source).inside_string(start) and not where.in_f_string:
        raise Refused("the name stands in a string")
    return Edit(start, end, name)
