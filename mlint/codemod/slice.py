"""LibCST for the slice of an expression: parse it, and write it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlint.codemod.refused import Refused
from mlint.codemod.tree import MAX_DEPTH

if TYPE_CHECKING:
    import libcst as cst


def line_end(text: str) -> str | None:
    """The one line end that a text uses, None if it has a single line.

    Raises:
        Refused: it mixes several.
    """
    pairs = text.count("\r\n")
    counts = {"\r\n": pairs, "\n": text.count("\n") - pairs, "\r": text.count("\r") - pairs}
    used = [end for end, count in counts.items() if count]
    if len(used) > 1:
        raise Refused("the code mixes line ends")
    return used[0] if used else None


def unify(text: str) -> str:
    """The text with ``\\n`` as its line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse(text: str) -> cst.BaseExpression:
    """Parse the text of one expression, with ``\\n`` line ends; it may span lines without parentheses of its own.

    Raises:
        Refused: LibCST cannot parse it, would not write it back as it is, or might run out of stack.
    """
    level = deepest = 0
    for character in text:
        if character in "([{":
            level += 1
            deepest = max(deepest, level)
        elif character in ")]}":
            level -= 1
    if deepest > MAX_DEPTH:
        raise Refused("the code is nested too deeply")
    import libcst as cst

    enclosed = f"({text})"
    try:
        node = cst.parse_expression(enclosed)
        if code(node) != enclosed:
            raise Refused("the layout cannot be kept")
    except (cst.ParserSyntaxError, cst.CSTValidationError, RecursionError, ValueError):
        raise Refused("LibCST cannot parse the code") from None
    return node.with_changes(lpar=node.lpar[1:], rpar=node.rpar[:-1])


def code(node: cst.CSTNode) -> str:
    """The text of a node, with ``\\n`` line ends."""
    import libcst as cst

    return cst.Module(body=[]).code_for_node(node)
