"""How statements lie on lines: where they begin, how they are indented, what shares their line."""

from __future__ import annotations

import ast
import token
from collections.abc import Mapping, Sequence

from mlint.codemod import tokens, tree
from mlint.codemod.refused import Refused
from mlint.source import Source

_BREAKS = frozenset((token.NEWLINE, token.NL, token.COMMENT))


def begin(source: Source, statement: ast.stmt) -> int:
    """The offset of a statement's first character, the ``@`` of its first decorator included."""
    decorators = getattr(statement, "decorator_list", [])
    if not decorators:
        return source.span(statement)[0]
    read = tokens.of(source)
    index = read.before(source.span(decorators[0])[0])
    while index is not None and read.texts[index] == "(":
        index = read.before(read.starts[index])
    if index is None or read.texts[index] != "@":
        raise Refused("the decorator cannot be found again")
    return read.starts[index]


def line_start(source: Source, offset: int) -> int:
    """The offset at which the line of an offset starts."""
    return source.line_starts[source.location(offset).line - 1]


def line_end(source: Source, offset: int) -> int:
    """The offset at which the text of the line of an offset ends, in front of the line break."""
    line = source.location(offset).line
    return source.line_starts[line - 1] + len(source.line(line))


def next_line(source: Source, offset: int) -> int:
    """The offset at which the line below that of an offset starts; the end of the text below the last."""
    line = source.location(offset).line
    return source.line_starts[line] if line < len(source.line_starts) else len(source.text)


def starts_line(source: Source, offset: int) -> bool:
    """Whether a statement that starts at an offset is the first thing on its line."""
    read = tokens.of(source)
    index = read.before(offset, comments=True)
    return index is None or read.kinds[index] in _BREAKS


def ends_line(source: Source, offset: int) -> bool:
    """Whether a statement that ends at an offset is the last one on its line."""
    read = tokens.of(source)
    index = read.after(offset, breaks=True)
    if index is not None and read.texts[index] == ";":
        index = index + 1 if index + 1 < len(read.texts) else None
    return index is None or read.kinds[index] in _BREAKS


def indentation(source: Source, offset: int) -> str:
    """The white space in front of the line of an offset; a form feed in it starts it anew, as for Python."""
    line = source.line(source.location(offset).line)
    return line[: len(line) - len(line.lstrip(" \t\f"))].rpartition("\f")[2]


def unit(source: Source, indent: str) -> str:
    """What one more level of indentation is, below a line that is indented by ``indent``."""
    if indent and not indent.strip("\t"):
        return "\t"
    found = tokens.of(source).unit
    # A file may mix them: tabs below spaces would be an error for Python.
    return "    " if indent and "\t" in found else found


def block(source: Source, text: str, indent: str) -> list[str]:
    """The lines of new statements, indented to stand in a suite.

    Args:
        source: the source that they go to.
        text: the statements as Python code: ``\\n`` line ends, four spaces for each level, not indented as a whole.
        indent: what to indent them by.
    """
    inner = Source(text.rstrip("\n"), "")
    try:
        read = tokens.Tokens(inner)
    except Refused as refused:
        raise ValueError(f"not Python: {text!r}: {refused.reason}") from None
    level = unit(source, indent)
    lines = []
    for offset, line in zip(inner.line_starts, inner.text.split("\n")):
        if read.inside_string(offset) or not line.strip():
            lines.append(line)
            continue
        stripped = line.lstrip(" ")
        levels, rest = divmod(len(line) - len(stripped), 4)
        lines.append(indent + level * levels + " " * rest + stripped)
    return lines


def parsed(text: str) -> list[ast.stmt]:
    """New statements as trees.

    Raises:
        ValueError: the text is no Python.
    """
    try:
        return tree.quiet(text).body
    except SyntaxError as error:
        raise ValueError(f"not Python: {text!r}: {error.msg}") from None


def is_simple(text: str, statements: Sequence[ast.stmt]) -> bool:
    """Whether new statements can stand on a line with others."""
    return len(statements) == 1 and "\n" not in text.strip() and not hasattr(statements[0], "body") and "#" not in text


class Run:
    """Consecutive statements of one suite.

    Attributes:
        parent: the node that holds the suite.
        field: the field of the parent.
        suite: all statements of the suite.
        first: the number of the first of the run.
        last: the number of the last.
        start: the offset at which the run begins.
        end: the offset at which it ends, without a comment behind it.
    """

    __slots__ = ("end", "field", "first", "last", "parent", "source", "start", "suite")

    def __init__(self, source: Source, statements: Sequence[ast.stmt]) -> None:
        """Find the statements again.

        Raises:
            Refused: they are not consecutive statements of one suite.
        """
        if not statements:
            raise ValueError("no statements")
        places = [tree.place(source, statement) for statement in statements]
        self.source = source
        self.parent = places[0].parent
        self.field, self.suite = tree.suite(places[0])
        self.first = next(number for number, item in enumerate(self.suite) if item is places[0].node)
        self.last = self.first + len(places) - 1
        if [id(item) for item in self.suite[self.first : self.last + 1]] != [id(item.node) for item in places]:
            raise Refused("the statements do not follow each other")
        self.start = begin(source, self.suite[self.first])
        self.end = source.span(self.suite[self.last])[1]
        if isinstance(self.suite[self.first], ast.If) and source.text.startswith("elif", self.start):
            raise Refused("the statement is an `elif`")

    @property
    def is_suite(self) -> bool:
        """Whether the run is its whole suite."""
        return self.first == 0 and self.last == len(self.suite) - 1

    @property
    def starts_line(self) -> bool:
        """Whether nothing stands in front of the run on its first line."""
        return starts_line(self.source, self.start)

    @property
    def ends_line(self) -> bool:
        """Whether nothing but a comment stands behind the run on its last line."""
        return ends_line(self.source, self.end)

    @property
    def inline(self) -> bool:
        """Whether the suite stands on the line of its header, as in ``if x: y``."""
        if isinstance(self.parent, ast.Module):
            return False
        return not starts_line(self.source, begin(self.source, self.suite[0]))

    def check(self, new: Source, statements: Sequence[ast.stmt], instead: Mapping[int, ast.AST] | None = None) -> None:
        """Check that an edited source has ``statements`` where the run was, and is the same program otherwise.

        Args:
            new: the edited source.
            statements: what shall stand where the run was.
            instead: for nodes in ``statements``, by id, what shall stand in their place.

        Raises:
            Refused: it is not.
        """
        suite = [*self.suite[: self.first], *statements, *self.suite[self.last + 1 :]]
        changed = tree.with_list(self.parent, self.field, suite)
        if isinstance(changed, ast.Module):
            tree.verify(self.source, new, instead or {}, changed)
        else:
            tree.verify(self.source, new, {**(instead or {}), id(self.parent): changed})
