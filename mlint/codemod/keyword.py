"""Add, remove, rename and change arguments of a call."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mlint.codemod import slice as slices
from mlint.codemod import tokens, tree
from mlint.codemod.expression import arguments
from mlint.codemod.refused import Refused
from mlint.finding import Edit
from mlint.source import Source

if TYPE_CHECKING:
    import libcst as cst

Argument = ast.expr | ast.keyword


def add(source: Source, call: ast.Call, name: str, value: str) -> Edit:
    """Add a keyword argument behind the others, in front of ``**kwargs``, in the layout of the others.

    Args:
        source: the source.
        call: the call.
        name: the keyword.
        value: the text of its value.

    Raises:
        Refused: the call has such a keyword, or its layout cannot be kept.
        ValueError: ``name`` or ``value`` are no Python.
    """
    return add_all(source, call, {name: value})


def add_all(source: Source, call: ast.Call, values: Mapping[str, str]) -> Edit:
    """As `add`, for several keyword arguments."""
    new: list[ast.keyword] = []
    for name, value in values.items():
        new.append(_keyword(name, value))
        if _find(call, name) is not None:
            raise Refused(f"the call has an argument {name} already")
    existing = arguments(call)
    first = next(
        (number for number, item in enumerate(existing) if isinstance(item, ast.keyword) and item.arg is None),
        len(existing),
    )

    def change(node: cst.Call) -> cst.Call:
        for index, (name, value) in enumerate(values.items(), first):
            node = _added(node, name, value, index)
        return node

    return _edited(source, call, [*existing[:first], *new, *existing[first:]], change)


def _added(node: cst.Call, name: str, value: str, index: int) -> cst.Call:
    import libcst as cst

    plain = cst.SimpleWhitespace("")
    new = cst.Arg(
        slices.parse(value),
        keyword=cst.Name(name),
        equal=cst.AssignEqual(whitespace_before=plain, whitespace_after=plain),
    )
    args = list(node.args)
    if len(args) == 1 and isinstance(args[0].value, cst.GeneratorExp) and not args[0].value.lpar:
        # The parentheses of the call were those of the generator too.
        generator = args[0].value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        args = [args[0].with_changes(value=generator)]
    if not args:
        return _first(node, new)
    between = _between(node)
    if index < len(args):
        args.insert(index, new.with_changes(comma=cst.Comma(whitespace_after=between)))
        return node.with_changes(args=args)
    last = args[-1]
    if isinstance(last.comma, cst.Comma):
        closing = last.comma.whitespace_after
        before, after = _split(closing, between)
        args[-1] = last.with_changes(comma=last.comma.with_changes(whitespace_after=before))
        args.append(new.with_changes(comma=last.comma.with_changes(whitespace_after=after)))
    else:
        before, after = _split(last.whitespace_after_arg, between)
        args[-1] = last.with_changes(comma=cst.Comma(whitespace_after=before), whitespace_after_arg=plain)
        args.append(new.with_changes(whitespace_after_arg=after))
    return node.with_changes(args=args)


def remove(source: Source, call: ast.Call, name: str | int) -> Edit:
    """Remove an argument with the comma that goes with it.

    Args:
        source: the source.
        call: the call.
        name: the keyword, or the number of a positional argument, from 0.

    Raises:
        Refused: there is no such argument, a comment belongs to it, or its value assigns, awaits or yields.
    """
    existing = arguments(call)
    if isinstance(name, int):
        if not 0 <= name < len(call.args):
            raise Refused(f"the call has no positional argument {name}")
        target: Argument = call.args[name]
    else:
        target = _required(call, name)
    tree.refuse_moved(target)
    index = next(number for number, item in enumerate(existing) if item is target)

    def change(node: cst.Call) -> cst.Call:
        import libcst as cst

        args = list(node.args)
        gone = args.pop(index)
        if not args:
            if _comments(node.whitespace_before_args, gone):
                raise Refused("a comment would be lost")
            return node.with_changes(args=[], whitespace_before_args=cst.SimpleWhitespace(""))
        if index < len(args):
            if _comments(gone):
                raise Refused("a comment would be lost")
            return node.with_changes(args=args)
        # The last one: what stood behind it closes the call now, whether it had a comma or not.
        previous = args[-1]
        assert isinstance(previous.comma, cst.Comma)
        between = previous.comma.whitespace_after
        closing = gone.comma.whitespace_after if isinstance(gone.comma, cst.Comma) else gone.whitespace_after_arg
        if _comments(gone.with_changes(comma=cst.MaybeSentinel.DEFAULT, whitespace_after_arg=cst.SimpleWhitespace(""))):
            raise Refused("a comment would be lost")
        if _comments(closing) or (_comments(between) and not isinstance(closing, cst.ParenthesizedWhitespace)):
            raise Refused("a comment would be lost")
        if _comments(between):
            assert isinstance(between, cst.ParenthesizedWhitespace)
            assert isinstance(closing, cst.ParenthesizedWhitespace)
            closing = between.with_changes(last_line=closing.last_line, indent=closing.indent)
        if isinstance(gone.comma, cst.Comma):
            args[-1] = previous.with_changes(comma=previous.comma.with_changes(whitespace_after=closing))
        else:
            args[-1] = previous.with_changes(comma=cst.MaybeSentinel.DEFAULT, whitespace_after_arg=closing)
        return node.with_changes(args=args)

    return _edited(source, call, [item for item in existing if item is not target], change)


def rename(source: Source, call: ast.Call, old: str, new: str) -> Edit:
    """Give a keyword another name.

    Raises:
        Refused: there is no keyword ``old``, or there is one ``new``.
        ValueError: ``new`` is no identifier.
    """
    if not new.isidentifier():
        raise ValueError(f"{new!r} is no name")
    target = _required(call, old)
    if _find(call, new) is not None:
        raise Refused(f"the call has an argument {new} already")
    tree.place(source, target)
    start = source.span(target)[0]
    if source.text[start : start + len(old)] != old:
        raise Refused("the name is not written as Python reads it")
    return Edit(start, start + len(old), new)


def set_value(source: Source, call: ast.Call, name: str, value: str) -> Edit:
    """Give a keyword another value.

    Raises:
        Refused: there is no such keyword, a comment stands in its value, or the value assigns, awaits or yields.
        ValueError: ``value`` is no expression.
    """
    from mlint.codemod import expression

    _keyword(name, value)
    return expression.replace(source, _required(call, name).value, "$value", {"value": value})


def _keyword(name: str, value: str) -> ast.keyword:
    """The keyword argument as a tree."""
    if not name.isidentifier():
        raise ValueError(f"{name!r} is no name")
    try:
        node = tree.expression(f"_({name}={value}\n)")
    except SyntaxError as error:
        raise ValueError(f"{value!r} is no value of a keyword: {error.msg}") from None
    if not isinstance(node, ast.Call) or len(node.keywords) != 1 or node.args:
        raise ValueError(f"{value!r} is no value of a keyword")
    return node.keywords[0]


def _find(call: ast.Call, name: str) -> ast.keyword | None:
    return next((keyword for keyword in call.keywords if keyword.arg == name), None)


def _required(call: ast.Call, name: str) -> ast.keyword:
    found = _find(call, name)
    if found is None:
        raise Refused(f"the call has no argument {name}")
    return found


def _comments(*nodes: cst.CSTNode) -> bool:
    """Whether there is a comment in any of these nodes."""
    import libcst as cst

    pending: list[cst.CSTNode] = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, cst.Comment):
            return True
        pending.extend(node.children)
    return False


def _bare(space: cst.BaseParenthesizableWhitespace) -> cst.BaseParenthesizableWhitespace:
    """White space without the comments and blank lines in it."""
    import libcst as cst

    if isinstance(space, cst.ParenthesizedWhitespace):
        return cst.ParenthesizedWhitespace(indent=space.indent, last_line=space.last_line)
    return space


def _between(node: cst.Call) -> cst.BaseParenthesizableWhitespace:
    """What stands in front of an argument of this call: a space, or a line break and the indentation."""
    import libcst as cst

    if len(node.args) > 1:
        comma = node.args[-2].comma
        if isinstance(comma, cst.Comma):
            return _bare(comma.whitespace_after)
    if isinstance(node.whitespace_before_args, cst.ParenthesizedWhitespace):
        return _bare(node.whitespace_before_args)
    return cst.SimpleWhitespace(" ")


def _split(
    closing: cst.BaseParenthesizableWhitespace, between: cst.BaseParenthesizableWhitespace
) -> tuple[cst.BaseParenthesizableWhitespace, cst.BaseParenthesizableWhitespace]:
    """What stands in front of a new last argument and behind it.

    A comment in front of the closing parenthesis belongs to the argument that was the last one.
    """
    import libcst as cst

    if not isinstance(closing, cst.ParenthesizedWhitespace) or not _comments(closing):
        return between, closing
    # The first line of it ends the line of the argument that was last; what follows moves with it.
    line = between.last_line if isinstance(between, cst.ParenthesizedWhitespace) else None
    line = line or cst.SimpleWhitespace(closing.last_line.value + "    ")
    before = closing.with_changes(last_line=line, indent=True)
    return before, cst.ParenthesizedWhitespace(indent=closing.indent, last_line=closing.last_line)


def _first(node: cst.Call, new: cst.Arg) -> cst.Call:
    """A call without arguments with its first one; comments between its parentheses stay in front of it."""
    import libcst as cst

    inside = node.whitespace_before_args
    if not _comments(inside):
        return node.with_changes(args=[new], whitespace_before_args=cst.SimpleWhitespace(""))
    assert isinstance(inside, cst.ParenthesizedWhitespace)
    closing = cst.ParenthesizedWhitespace(indent=inside.indent, last_line=inside.last_line)
    deeper = cst.SimpleWhitespace(inside.last_line.value + "    ")
    args = [new.with_changes(comma=cst.Comma(whitespace_after=closing))]
    return node.with_changes(args=args, whitespace_before_args=inside.with_changes(last_line=deeper))


def _edited(
    source: Source, call: ast.Call, expected: Sequence[Argument], change: Callable[[cst.Call], cst.Call]
) -> Edit:
    """Rewrite the argument list of a call with LibCST, check it, and cut the edit down to what changed."""
    import libcst as cst

    where = tree.place(source, call)
    assert isinstance(where.node, ast.Call)
    if tree.depth(call) > tree.MAX_DEPTH:
        raise Refused("the call is nested too deeply")
    start, end = source.span(call)
    text = source.text[start:end]
    newline = slices.line_end(text) or source.newline
    node = slices.parse(slices.unify(text))
    if not isinstance(node, cst.Call) or node.lpar:
        raise Refused("the call cannot be found again")
    try:
        content = slices.code(change(node)).replace("\n", newline)
    except (cst.CSTValidationError, RecursionError):
        raise Refused("the layout cannot be kept") from None
    wanted = ast.Call(
        call.func,
        [item for item in expected if isinstance(item, ast.expr)],
        [item for item in expected if isinstance(item, ast.keyword)],
    )
    if where.in_f_string and any(character in content for character in "\"'\\\n\r#"):
        raise Refused("the call stands in an f-string")
    try:
        parsed = tree.expression(slices.unify(content))
    except SyntaxError:
        raise Refused("the rewritten call would not parse") from None
    if not tree.same(parsed, wanted):
        raise Refused("the rewritten call would mean something else")
    if sorted(_comment_texts(content)) != sorted(_comment_texts(text)):
        raise Refused("a comment would be lost")
    return shortest(start, text, content)


def _comment_texts(text: str) -> list[str]:
    """The comments in the text of an expression."""
    if "#" not in text:
        return []
    read = tokens.Tokens(Source(f"({slices.unify(text)})", ""))
    return [comment for _, comment in read.comments(0, len(read.source.text))]


def shortest(start: int, old: str, new: str) -> Edit:
    """The edit that turns one text into the other, without what they share at their ends."""
    limit = min(len(old), len(new))
    prefix = 0
    while prefix < limit and old[prefix] == new[prefix]:
        prefix += 1
    # A line break of two characters stays whole.
    if prefix and old[prefix - 1] == "\r":
        prefix -= 1
    limit -= prefix
    suffix = 0
    while suffix < limit and old[-1 - suffix] == new[-1 - suffix]:
        suffix += 1
    if suffix and suffix < len(old) and old[len(old) - suffix] == "\n" and old[len(old) - suffix - 1] == "\r":
        suffix -= 1
    return Edit(start + prefix, start + len(old) - suffix, new[prefix : len(new) - suffix])
