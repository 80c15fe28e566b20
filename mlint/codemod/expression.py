"""Rewrite one expression: by a template, or by replacing parts of it."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mlint.codemod import slice as slices
from mlint.codemod import tokens, tree
from mlint.codemod.refused import Refused
from mlint.finding import Edit
from mlint.source import Source

if TYPE_CHECKING:
    import libcst as cst

Part = ast.expr | str | Sequence[ast.expr | ast.keyword]
"""What a metavariable stands for: an expression of the source, a text, or for ``$*args`` a list of arguments."""

_HOLE = re.compile(r"\$(\*?)([A-Za-z_]\w*)")
_PREFIX = "__mlint_hole_"
_ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp)

_HARMLESS = (
    *(ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.Slice, ast.Tuple, ast.UnaryOp, ast.BinOp),
    *(ast.expr_context, ast.unaryop, ast.operator),
)


def replace(source: Source, node: ast.expr, template: str, parts: Mapping[str, Part]) -> Edit:
    """Replace an expression by a template, such as ``"torch.log_softmax($x, $*args)"``.

    The parts keep their text, comments and layout; the arguments of a call that stay together keep the commas, line
    breaks and comments between them. Parentheses are added where precedence demands them and only there.

    Args:
        source: the source.
        node: the expression to replace.
        template: Python code with ``$name`` for an expression and ``$*name`` for any number of arguments.
        parts: what the metavariables stand for, by name without ``$``.

    Raises:
        Refused: a comment would be lost, the expression assigns, awaits or yields, a part with calls would run twice,
            or the outcome is not the program that the template says.
        ValueError: the template is no expression, or names a metavariable without a part.
    """
    where = tree.place(source, node)
    if isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)):
        raise Refused("the expression is assigned to")
    tree.refuse_moved(node)
    if tree.depth(node) > tree.MAX_DEPTH:
        raise Refused("the expression is nested too deeply")
    rewrite = _Rewrite(source, node, template, parts)
    start, end = source.span(node)
    newline = slices.line_end(source.text[start:end]) or source.newline
    expected = rewrite.expected()
    texts: list[str] = []

    def fits(text: str) -> bool:
        texts[:] = [text]
        return _fits(source, where, text, expected)

    for enclose in (False, True):
        text = _fewest_parentheses(
            rewrite.occurrences,
            lambda flags, enclose=enclose: _enclosed(rewrite.render(flags), enclose),  # type: ignore[misc]
            fits,
        )
        if text is not None:
            tokens.refuse_lost(source, start, end, rewrite.kept)
            if isinstance(_expression(text), _ATOMS) and not where.in_f_string and _stands_alone(text):
                start, end = _without_parentheses(source, start, end)
            return Edit(start, end, text.replace("\n", newline))
    raise Refused("the rewritten expression would mean something else")


def substitute(source: Source, node: ast.expr | ast.stmt, replacements: Mapping[ast.AST, str]) -> str:
    """The text of an expression, or of a simple statement, with some of its sub-expressions replaced.

    Args:
        source: the source.
        node: the expression or the statement.
        replacements: what to put in place of which expression inside; none of them holds another. Parentheses are
            added where they are needed.

    Raises:
        Refused: a replaced expression holds a comment, assigns, awaits or yields, or the outcome is not the program
            that was asked for.
    """
    if tree.place(source, node).in_f_string:
        raise Refused("the expression stands in an f-string")
    begin, end = source.span(node)
    by_place: dict[tuple[type[ast.AST], tree.Position | None], str] = {
        (type(old), tree.position(old)): text for old, text in replacements.items()
    }
    found: list[tuple[int, int, str, ast.expr]] = []
    instead: dict[int, ast.AST] = {}
    for inner in ast.walk(node):
        text = by_place.get((type(inner), tree.position(inner))) if isinstance(inner, ast.expr) else None
        if text is None or not isinstance(inner, ast.expr):
            continue
        tree.refuse_moved(inner)
        start, stop = source.span(inner)
        tokens.refuse_lost(source, start, stop, [])
        value = _expression(text)
        instead[id(inner)] = value
        found.append((start, stop, text, value))
    if len(found) != len(replacements):
        raise Refused("an expression to be replaced is not part of the code")
    found.sort(key=lambda item: item[0])
    if any(left[1] > right[0] for left, right in pairwise(found)):
        raise Refused("expressions to be replaced overlap")

    def render(flags: Sequence[bool]) -> str:
        pieces = []
        position = begin
        for (start, stop, text, _), flag in zip(found, flags):
            pieces += [source.text[position:start], f"({text})" if flag else text]
            position = stop
        return "".join([*pieces, source.text[position:end]])

    def fits(text: str) -> bool:
        try:
            if isinstance(node, ast.expr):
                return tree.same(_expression(text), node, instead)
            body = tree.quiet(slices.unify(text)).body
        except SyntaxError:
            return False
        return len(body) == 1 and tree.same(body[0], node, instead)

    text = _fewest_parentheses([value for *_, value in found], render, fits)
    if text is None:
        raise Refused("the rewritten code would mean something else")
    return text


def _enclosed(text: str, enclose: bool) -> str:
    return f"({text})" if enclose else text


def _expression(text: str) -> ast.expr:
    """Parse an expression that may span lines without parentheses of its own."""
    return tree.expression(slices.unify(text))


def _fewest_parentheses(
    values: Sequence[ast.expr], render: Callable[[Sequence[bool]], str], fits: Callable[[str], bool]
) -> str | None:
    """The first text that fits: no parentheses, else those that are needed, None if nothing does.

    Args:
        values: the expressions that parentheses may be put around.
        render: makes the text from which of them get some.
        fits: whether a text is the program that was asked for.
    """
    flags = [False] * len(values)
    text = render(flags)
    if fits(text):
        return text
    # A name or a call needs parentheses nowhere.
    optional = [index for index, value in enumerate(values) if not isinstance(value, _ATOMS)]
    if not optional:
        return None
    for index in optional:
        flags[index] = True
    if not fits(render(flags)):
        return None
    for index in optional:
        flags[index] = False
        if not fits(render(flags)):
            flags[index] = True
    return render(flags)


def _fits(source: Source, where: tree.Place, text: str, expected: ast.expr) -> bool:
    """Whether the text can stand where the node stood, and means what it shall there."""
    assert isinstance(where.node, ast.expr)
    start, end = source.span(where.node)
    if where.in_f_string and re.search("[\"'\\\\\n#]", text):
        raise Refused("the expression stands in an f-string")
    first, last = source.span(where.top)
    rest = slices.unify(source.text[first:start]), slices.unify(source.text[end:last])
    try:
        parsed = tree.expression(f"{rest[0]}{text}{rest[1]}")
    except SyntaxError:
        return False
    if not _stands_alone(text) and tokens.of(source).depth(start) == 0:
        return False
    # What stands next to the outermost expression, such as the `return` in `return(x)`.
    before, after = source.text[first - 1 : first], source.text[last : last + 1]
    if start == first and _joins(before, text[:1]):
        return False
    if end == last and _joins(text[-1:], after):
        return False
    return tree.same(parsed, where.top, {id(where.node): expected})


def _stands_alone(text: str) -> bool:
    """Whether a text needs no brackets around it for the sake of its line breaks."""
    if "\n" not in text:
        return True
    try:
        return len(tree.quiet(text).body) == 1
    except SyntaxError:
        return False


def _without_parentheses(source: Source, start: int, end: int) -> tuple[int, int]:
    """The span with the parentheses right around it, where what replaces it needs them no longer."""
    text = source.text
    if start < 2 or text[start - 1] != "(" or text[end : end + 1] != ")":
        return start, end
    before, after = text[start - 2], text[end + 1 : end + 2]
    if before not in " ([{,=+-*/%&|^~<>:" or after.isalnum() or after in ("_", '"', "'"):
        return start, end
    previous = tokens.of(source).before(start - 1)
    if previous is not None:
        word = tokens.of(source).texts[previous]
        if word in (")", "]", "}") or (word.isidentifier() and not keyword.iskeyword(word)):
            return start, end  # the parentheses of a call
    return start - 1, end + 1


def _joins(left: str, right: str) -> bool:
    """Whether two characters that meet would become one name, number or string prefix."""
    return bool(left and right) and (left.isalnum() or left == "_") and (right.isalnum() or right in "_\"'")


class _Rewrite:
    """A template with its parts, on both sides: the ``ast`` that shall come out, and the LibCST tree with the layout.

    Attributes:
        occurrences: the expressions that single metavariables stand for, in the order of the text.
        kept: the spans of the source whose text comes back.
    """

    def __init__(self, source: Source, node: ast.expr, template: str, parts: Mapping[str, Part]) -> None:
        self.source = source
        self.node = node
        self.parts = parts
        self.singles: dict[str, ast.expr] = {}
        self.lists: dict[str, Sequence[ast.expr | ast.keyword]] = {}
        self.kept: list[tuple[int, int]] = []
        self.anchors: list[tuple[int, int, str]] = []
        used: list[str] = []
        for star, name in _HOLE.findall(template):
            if name not in parts:
                raise ValueError(f"template {template!r} names ${name}, which has no part")
            part = parts[name]
            if star:
                if isinstance(part, (str, ast.expr)):
                    raise ValueError(f"${star}{name} in {template!r} needs a list of arguments")
                self.lists[name] = part
            else:
                if not isinstance(part, (str, ast.expr)):
                    raise ValueError(f"${name} in {template!r} needs one expression")
                self.singles[name] = part if isinstance(part, ast.expr) else _expression(part)
            used.append(name)
        for name in set(used):
            values = [self.singles[name]] if name in self.singles else self.lists[name]
            if used.count(name) > 1 and any(_has_effect(value) for value in values):
                raise Refused(f"${name} holds a call, which would run more than once")
        self.text = _HOLE.sub(lambda match: f"{match[1]}{_PREFIX}{match[2]}", template)
        try:
            self.template = _expression(self.text)
        except SyntaxError as error:
            raise ValueError(f"template {template!r} is no expression: {error.msg}") from None
        # In the order in which LibCST leaves them, which is that of the text.
        self.occurrences = [self.singles[name] for star, name in _HOLE.findall(template) if not star]
        self._tree = slices.parse(self.text)
        self._parsed: dict[int, Any] = {}

    def expected(self) -> ast.expr:
        """The tree that shall come out."""
        return _Filler(self).visit(tree.expression(self.text))  # type: ignore[no-any-return]

    def render(self, flags: Sequence[bool]) -> str:
        """The text with parentheses around the occurrences whose flag is set, with ``\\n`` line ends."""
        import libcst as cst

        self.kept = []
        self.anchors = []
        try:
            node = self._tree.visit(_template_filler(self, flags))
            text = slices.code(node)  # type: ignore[arg-type]
        except (cst.CSTValidationError, RecursionError):
            return ""
        return self._dedented(text)

    def parsed(self, node: ast.AST) -> Any:
        """The LibCST tree of an expression of the source."""
        if id(node) not in self._parsed:
            self._parsed[id(node)] = slices.parse(slices.unify(self.source.segment(node)))
        return self._parsed[id(node)]

    def single(self, name: str, parenthesised: bool) -> Any:
        """The LibCST tree of a part."""
        import libcst as cst

        part = self.parts[name]
        if isinstance(part, str):
            node = slices.parse(part)
        else:
            assert isinstance(part, ast.expr)
            node = self.parsed(part)
            self.kept.append(self.source.span(part))
            self._anchor(part)
        if parenthesised:
            return node.with_changes(lpar=[cst.LeftParen(), *node.lpar], rpar=[*node.rpar, cst.RightParen()])
        return node

    def origin(self, part: ast.AST) -> tuple[ast.Call, int] | None:
        """The call of the source that a part is an argument of, and the number of the argument."""
        try:
            where = tree.place(self.source, part)
        except Refused:
            return None
        parents = list(where.parents)
        argument = where.node
        if isinstance(parents[-1], ast.keyword):
            argument = parents.pop()
        call = parents[-1]
        if not isinstance(call, ast.Call) or argument is call.func:
            return None
        start, end = self.source.span(self.node)
        first, last = self.source.span(call)
        if not start <= first <= last <= end or tree.depth(call) > tree.MAX_DEPTH:
            return None
        for index, candidate in enumerate(arguments(call)):
            if candidate is argument:
                return call, index
        return None

    def keep_arguments(self, call: ast.Call, first: int, last: int, *, head: bool, tail: bool) -> None:
        """Remember that the text of some arguments of a call, and what stands between them, comes back."""
        listed = arguments(call)
        start, end = self.source.span(listed[first])[0], self.source.span(listed[last])[1]
        tokens_of = tokens.of(self.source)
        opening = self.source.span(call.func)[1]
        if head:
            start = opening
        elif first:
            # Redundant parentheses around the argument, and comments in them, belong to it.
            separator = tokens_of.before(start)
            while separator is not None and tokens_of.texts[separator] == "(":
                start = tokens_of.starts[separator]
                separator = tokens_of.before(start)
        if tail:
            end = self.source.span(call)[1]
        self.kept.append((start, end))
        self._anchor(call)

    def _anchor(self, node: ast.AST) -> None:
        """Remember how far the line of a part that starts its line is indented, if the part spans lines."""
        start, end = self.source.span(node)
        text = self.source.text
        if not ("\n" in text[start:end] or "\r" in text[start:end]):
            return
        begin = self.source.line_starts[self.source.location(start).line - 1]
        self.anchors.append((start, end, "" if text[begin:start].strip() else text[begin:start]))

    def _dedented(self, text: str) -> str:
        """Move the lines of a part to the left by as much as the part stood deeper than the expression."""
        outermost = {
            anchor
            for start, end, anchor in self.anchors
            if not any(
                first <= start and end <= last and (first, last) != (start, end) for first, last, _ in self.anchors
            )
        }
        if "\n" not in text or len(outermost) != 1:
            return text
        (anchor,) = outermost
        start = self.source.span(self.node)[0]
        line = self.source.line(self.source.location(start).line)
        indent = line[: len(line) - len(line.lstrip())]
        if not anchor or anchor == indent or not anchor.startswith(indent):
            return text
        inner = Source(f"({text})", "")
        try:
            read = tokens.Tokens(inner)
        except Refused:
            return text
        first, *others = text.split("\n")
        lines = [first]
        for offset, old in zip(inner.line_starts[1:], others):
            if read.inside_string(offset) or not old.strip():
                lines.append(old)
            elif old.startswith(anchor):
                lines.append(indent + old[len(anchor) :])
            else:
                return text
        return "\n".join(lines)


def arguments(call: ast.Call) -> list[ast.expr | ast.keyword]:
    """The arguments of a call in the order of the text, which is that of LibCST."""
    return sorted([*call.args, *call.keywords], key=lambda node: (node.lineno, node.col_offset))


def _has_effect(node: ast.AST) -> bool:
    """Whether an expression must not be evaluated twice: it may do something, or cost something."""
    return not all(isinstance(inner, _HARMLESS) for inner in ast.walk(node))


class _Filler(ast.NodeTransformer):
    """Puts the parts into the ``ast`` of the template."""

    def __init__(self, rewrite: _Rewrite) -> None:
        self.rewrite = rewrite

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id.startswith(_PREFIX):
            return self.rewrite.singles[node.id[len(_PREFIX) :]]
        return node

    def visit_Starred(self, node: ast.Starred) -> Any:
        name = _hole(node.value)
        if name is None:
            return self.generic_visit(node)
        return [item for item in self.rewrite.lists[name] if isinstance(item, ast.expr)]

    def visit_Call(self, node: ast.Call) -> ast.expr:
        keywords: list[ast.keyword] = []
        for argument in arguments(node):
            if isinstance(argument, ast.keyword):
                keywords.append(self.generic_visit(argument))  # type: ignore[arg-type]
            elif isinstance(argument, ast.Starred) and (name := _hole(argument.value)) is not None:
                keywords += [item for item in self.rewrite.lists[name] if isinstance(item, ast.keyword)]
        node.keywords = []
        self.generic_visit(node)
        node.keywords = keywords
        return node


def _hole(node: ast.AST) -> str | None:
    """The name of the list of arguments that a starred name of the template stands for."""
    if isinstance(node, ast.Name) and node.id.startswith(_PREFIX):
        return node.id[len(_PREFIX) :]
    return None


def _template_filler(rewrite: _Rewrite, flags: Sequence[bool]) -> cst.CSTTransformer:
    """A LibCST transformer that puts the parts into the template."""
    import libcst as cst

    space = cst.SimpleWhitespace(" ")
    nothing = cst.SimpleWhitespace("")

    def name_of(node: cst.CSTNode) -> str | None:
        if isinstance(node, cst.Name) and node.value.startswith(_PREFIX):
            return node.value[len(_PREFIX) :]
        return None

    class Filler(cst.CSTTransformer):
        def __init__(self) -> None:
            super().__init__()
            self.count = 0

        def visit_Arg(self, node: cst.Arg) -> bool:
            # A list of arguments is filled in by the call that holds it.
            return not (node.star == "*" and name_of(node.value) is not None)

        def visit_StarredElement(self, node: cst.StarredElement) -> bool:
            return name_of(node.value) is None

        def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
            name = name_of(original_node)
            if name is None:
                return updated_node
            self.count += 1
            filled = rewrite.single(name, flags[self.count - 1])
            assert isinstance(filled, cst.BaseExpression)
            return filled

        def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
            # For each argument to come: its tree, and the call and the number that it had in the source.
            filled: list[tuple[cst.Arg, tuple[ast.Call, int] | None]] = []
            for before, after in zip(original_node.args, updated_node.args):
                name = name_of(before.value)
                if name is None:
                    filled.append((after, None))
                elif before.star:
                    filled += [self.argument(part, None, None) for part in rewrite.lists[name]]
                else:
                    part = rewrite.parts[name]
                    if isinstance(part, str):
                        filled.append((after, None))
                    else:
                        assert isinstance(part, ast.expr)
                        filled.append(self.argument(part, before, after))
            if not filled:
                return updated_node.with_changes(args=[])
            return self.joined(updated_node, filled)

        def argument(
            self, part: ast.AST, before: cst.Arg | None, after: cst.Arg | None
        ) -> tuple[cst.Arg, tuple[ast.Call, int] | None]:
            """The tree of an argument: as in the source where it was one there."""
            origin = rewrite.origin(part)
            if origin is None:
                if after is not None:
                    return after, None
                rewrite.kept.append(rewrite.source.span(part))
                if isinstance(part, ast.keyword):
                    value = rewrite.parsed(part.value)
                    if part.arg is None:
                        return cst.Arg(value, star="**"), None
                    return cst.Arg(value, keyword=cst.Name(part.arg), equal=_EQUAL()), None
                if isinstance(part, ast.Starred):
                    return cst.Arg(rewrite.parsed(part.value), star="*"), None
                return cst.Arg(rewrite.parsed(part)), None
            call, index = origin
            found = rewrite.parsed(call)
            assert isinstance(found, cst.Call)
            argument = found.args[index]
            if before is not None and after is not None:
                # One expression: it may have been a keyword there, and be a positional argument or another one here.
                if before.keyword is None:
                    argument = argument.with_changes(keyword=None, equal=cst.MaybeSentinel.DEFAULT)
                elif argument.keyword is None or argument.keyword.value != before.keyword.value:
                    argument = argument.with_changes(keyword=before.keyword, equal=before.equal)
                if argument.star:
                    return after, None
            return argument, origin

        def joined(
            self, node: cst.Call, filled: list[tuple[cst.Arg, tuple[ast.Call, int] | None]]
        ) -> cst.BaseExpression:
            """The call with its arguments, which keep what stood between them if they stay neighbours."""
            arguments_: list[cst.Arg] = []
            opening = node.whitespace_before_args
            run: tuple[ast.Call, int, bool] | None = None  # the call, its first argument, whether its head is kept
            for position, (argument, origin) in enumerate(filled):
                following = filled[position + 1][1] if position + 1 < len(filled) else None
                last = position + 1 == len(filled)
                tail = False
                if origin is None:
                    comma = cst.MaybeSentinel.DEFAULT if last else cst.Comma(whitespace_after=space)
                    arguments_.append(argument.with_changes(comma=comma, whitespace_after_arg=nothing))
                    continue
                call, index = origin
                found = rewrite.parsed(call)
                if run is None:
                    head = position == 0 and index == 0
                    run = (call, index, head)
                    if head:
                        opening = found.whitespace_before_args
                neighbours = following is not None and following[0] is call and following[1] == index + 1
                if not neighbours:
                    tail = last and index + 1 == len(found.args)
                    if not tail:
                        comma = cst.MaybeSentinel.DEFAULT if last else cst.Comma(whitespace_after=space)
                        argument = argument.with_changes(comma=comma, whitespace_after_arg=nothing)
                    rewrite.keep_arguments(call, run[1], index, head=run[2], tail=tail)
                    run = None
                arguments_.append(argument)
            for position, argument in enumerate(arguments_):
                value = argument.value
                bare = isinstance(value, cst.GeneratorExp) and not value.lpar
                if bare and (len(arguments_) > 1 or argument.keyword is not None):
                    # In the source the parentheses of its call were its own.
                    value = value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
                    arguments_[position] = argument.with_changes(value=value)
            return node.with_changes(args=arguments_, whitespace_before_args=opening)

        def elements(self, original_node: Any, updated_node: Any) -> Any:
            """A list, tuple or set with the lists of arguments in it."""
            found: list[cst.BaseElement] = []
            for before, after in zip(original_node.elements, updated_node.elements):
                name = name_of(before.value) if isinstance(before, cst.StarredElement) else None
                if name is None:
                    found.append(after)
                    continue
                for part in rewrite.lists[name]:
                    if isinstance(part, ast.keyword):
                        raise Refused("a keyword argument cannot be an element")
                    rewrite.kept.append(rewrite.source.span(part))
                    if isinstance(part, ast.Starred):
                        found.append(cst.StarredElement(rewrite.parsed(part.value)))
                    else:
                        found.append(cst.Element(rewrite.parsed(part)))
            commas = [cst.Comma(whitespace_after=space)] * (len(found) - 1)
            end = cst.Comma() if isinstance(updated_node, cst.Tuple) and len(found) == 1 else cst.MaybeSentinel.DEFAULT
            return updated_node.with_changes(
                elements=[item.with_changes(comma=comma) for item, comma in zip(found, [*commas, end])]
            )

        def leave_List(self, original_node: cst.List, updated_node: cst.List) -> cst.BaseExpression:
            return self.elements(original_node, updated_node)  # type: ignore[no-any-return]

        def leave_Tuple(self, original_node: cst.Tuple, updated_node: cst.Tuple) -> cst.BaseExpression:
            return self.elements(original_node, updated_node)  # type: ignore[no-any-return]

        def leave_Set(self, original_node: cst.Set, updated_node: cst.Set) -> cst.BaseExpression:
            return self.elements(original_node, updated_node)  # type: ignore[no-any-return]

    def _EQUAL() -> cst.AssignEqual:
        return cst.AssignEqual(whitespace_before=nothing, whitespace_after=nothing)

    return Filler()
