"""Variables that a round of a loop computes for itself: ``d = a[i] - b[i]`` in front of what is done with ``d``.

A round's temporary is the array of them all: it is either put in where it is read, or computed once under its own name
in front of the array expression, where it is read more than once.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.loops.counted import Axis, Nest
from mlint.model.loops.described import Lifted, NotElementwise
from mlint.model.tree import walk

if TYPE_CHECKING:
    from mlint.model.loops.elementwise import Elementwise
    from mlint.source import Source

_ATOMS = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.Constant)


class Temporary:
    """A variable of one round.

    Attributes:
        name: the variable.
        lifted: what it is computed from.
        text: the array expression that stands for it; its name where that is computed in front.
        hoisted: the statement that computes it in front; None where it is put in.
    """

    def __init__(self, name: str, lifted: Lifted, text: str, *, once: bool) -> None:
        self.name = name
        self.lifted = lifted
        self.text = text if once else name
        self.hoisted = None if once else f"{name} = {bare(text)}"

    def into(self, lifted: Lifted, node: ast.Name) -> str | None:
        """Read it in an expression that is being lifted, and tell its dtype."""
        own = self.lifted
        lifted.replacements[node] = self.text
        lifted.operands += own.operands
        lifted.counters |= own.counters
        lifted.obstacles += own.obstacles
        lifted.doubts += own.doubts
        lifted.rests += own.rests
        lifted.operations += own.operations
        lifted.wholes += own.wholes
        lifted.unproven += own.unproven
        return own.dtype


class Computed(NamedTuple):
    """A nest whose rounds begin with variables of their own.

    Attributes:
        axes: the loops, with these variables.
        body: the other statements.
        temporaries: the variables, in their order.
    """

    axes: tuple[Axis, ...]
    body: list[ast.stmt]
    temporaries: tuple[Temporary, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The variables."""
        return tuple(temporary.name for temporary in self.temporaries)

    @property
    def hoisted(self) -> list[str]:
        """The statements that go in front."""
        return [temporary.hoisted for temporary in self.temporaries if temporary.hoisted is not None]


def computed(elementwise: Elementwise, nest: Nest, alike: Sequence[ast.expr] = ()) -> Computed:
    """Take the variables of a round from the front of a nest's body.

    Args:
        elementwise: lifts their values.
        nest: the nest.
        alike: expressions of the body that do not count as reads, as the rewrite mentions them no more.

    Raises:
        NotElementwise: a value is no array expression, or is left over from another round.
    """
    body = list(nest.body)
    axes = nest.axes
    found: list[Temporary] = []
    stored = [
        node.id
        for statement in body
        for node in walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    while len(body) > 1:
        first = body[0]
        if not isinstance(first, ast.Assign) or len(first.targets) != 1 or not isinstance(first.targets[0], ast.Name):
            break
        name = first.targets[0].id
        if stored.count(name) != 1 or name in nest.names:
            break
        earlier = {temporary.name for temporary in found}
        for node in walk(first.value):
            if isinstance(node, ast.Name) and node.id in stored and node.id not in earlier:
                raise NotElementwise(f"`{node.id}` is left over from another round")
        lifted = elementwise.lift(first.value, axes)
        if any(rest not in (0, None) for rest in lifted.rests):
            raise NotElementwise(f"`{name}` is no number")
        body = body[1:]
        skipped = {node for other in alike for node in walk(other)}
        reads = sum(
            isinstance(node, ast.Name) and node.id == name and node not in skipped
            for statement in body
            for node in walk(statement)
        )
        text = spliced(elementwise.model.source, first.value, lifted.replacements)
        found.append(Temporary(name, lifted, text, once=reads < 2 or not lifted.operations))
        axes = (*nest.axes[:-1], nest.axes[-1].computing(tuple(found)))
    return Computed(axes, body, tuple(found))


def spliced(source: Source, node: ast.expr, replacements: Mapping[ast.AST, str]) -> str:
    """The text of an expression on one line with parts of it replaced, in parentheses unless it needs none.

    Raises:
        NotElementwise: it holds a comment.
    """
    begin, end = source.span(node)
    pieces: list[str] = []
    at = begin
    for start, stop, text in sorted((*source.span(part), new) for part, new in replacements.items()):
        pieces += [source.text[at:start], text]
        at = stop
    text = "".join([*pieces, source.text[at:end]])
    if "#" in text:
        raise NotElementwise("a comment would be lost")
    text = " ".join(text.replace("\\\n", " ").split())
    return text if isinstance(node, _ATOMS) else f"({text})"


def bare(text: str) -> str:
    """The text of an expression without the parentheses around it."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if not depth:
            return text[1:-1] if at == len(text) - 1 and text[0] == "(" else text
    return text
