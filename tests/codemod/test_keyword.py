"""Arguments of calls: added, removed, renamed, changed."""

from __future__ import annotations

import ast
from collections.abc import Callable

import pytest

from mlint.codemod import keyword
from mlint.codemod.refused import Refused
from mlint.finding import Edit
from mlint.source import Source

Rewrite = Callable[[str, Callable[[Source, ast.Module], object]], str]


def call_of(tree: ast.AST, name: str = "f") -> ast.Call:
    """The call of ``f``."""
    return next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    )


ADDED = {
    "empty": ("f()", "f(k=0)"),
    "empty with a space": ("f( )", "f(k=0)"),
    "one": ("f(a)", "f(a, k=0)"),
    "spaces": ("f( a )", "f( a, k=0 )"),
    "no spaces": ("f(a,b)", "f(a,b,k=0)"),
    "trailing comma": ("f(a,)", "f(a, k=0,)"),
    "in front of **": ("f(a, **k)", "f(a, k=0, **k)"),
    "only **": ("f(**k)", "f(k=0, **k)"),
    "behind *": ("f(*a)", "f(*a, k=0)"),
    "lines": ("f(\n    a,\n    b,\n)", "f(\n    a,\n    b,\n    k=0,\n)"),
    "lines, no trailing comma": ("f(\n    a,\n    b\n)", "f(\n    a,\n    b,\n    k=0\n)"),
    "lines, comments": ("f(\n    a,  # c\n    b,  # d\n)", "f(\n    a,  # c\n    b,  # d\n    k=0,\n)"),
    "lines, comment and no comma": ("f(\n    a,\n    b  # d\n)", "f(\n    a,\n    b,  # d\n    k=0\n)"),
    "lines, comment below": ("f(\n    a,\n    # d\n)", "f(\n    a,\n    # d\n    k=0,\n)"),
    "lines, **": ("f(\n    a,  # c\n    **k,  # d\n)", "f(\n    a,  # c\n    k=0,\n    **k,  # d\n)"),
    "hanging": ("f(a,\n  b)", "f(a,\n  b,\n  k=0)"),
    "all on the second line": ("f(\n    a, b\n)", "f(\n    a, b, k=0\n)"),
    "one on its line": ("f(\n    a\n)", "f(\n    a,\n    k=0\n)"),
    "comment in an empty call": ("f(\n    # c\n)", "f(\n    # c\n    k=0,\n)"),
    "comment at the end": ("f(a  # c\n)", "f(a,  # c\n    k=0\n)"),
    "tabs": ("if x:\n\tf(\n\t\ta,\n\t)", "if x:\n\tf(\n\t\ta,\n\t\tk=0,\n\t)"),
    "crlf": ("f(\r\n    a,\r\n    b,\r\n)\r\n", "f(\r\n    a,\r\n    b,\r\n    k=0,\r\n)\r\n"),
    "cr": ("f(\r    a, # c\r    b,\r)\r", "f(\r    a, # c\r    b,\r    k=0,\r)\r"),
    "unicode": ("s = 'é𝄞'; f('ü', ä)", "s = 'é𝄞'; f('ü', ä, k=0)"),
    "bare generator": ("f(x for x in y)", "f((x for x in y), k=0)"),
    "generator": ("f((x for x in y))", "f((x for x in y), k=0)"),
    "nested parentheses": ("g((f)((a)), b)".replace("(f)", "f"), "g(f((a), k=0), b)"),
    "f-string argument": ("f(f'{a!r:>{b}}')", "f(f'{a!r:>{b}}', k=0)"),
    "multi-line string": ("f('''\n  a\n''')", "f('''\n  a\n''', k=0)"),
    "decorator": ("@f\n@f(a)\nclass A: pass", "@f\n@f(a, k=0)\nclass A: pass"),
    "continuation": ("x = \\\n    f(a, \\\n      b)", "x = \\\n    f(a, \\\n      b, \\\n      k=0)"),
    "there already": ("f(k=1)", "refused: the call has an argument k already"),
    "form feed": ("\x0cf(a)", "\x0cf(a, k=0)"),
}


@pytest.mark.parametrize(("text", "outcome"), ADDED.values(), ids=ADDED)
def test_add(rewrite: Rewrite, text: str, outcome: str) -> None:
    assert rewrite(text, lambda source, tree: keyword.add(source, call_of(tree), "k", "0")) == outcome


def test_an_added_keyword_is_a_small_edit() -> None:
    source = Source("f(\n    a,\n    b=g(c),\n)", "a.py")
    edit = keyword.add(source, call_of(source.parse()), "k", "0")
    assert edit.start == edit.end


@pytest.mark.parametrize("value", ["a if b else c", "lambda: 0", "(a, b)", "'é'", "f'{x}'"])
def test_add_takes_any_value(rewrite: Rewrite, value: str) -> None:
    outcome = rewrite("f(a)", lambda source, tree: keyword.add(source, call_of(tree), "k", value))
    assert outcome == f"f(a, k={value})"


@pytest.mark.parametrize(
    ("name", "value"), [("k", "a, b"), ("k", "a, c=1"), ("k", ""), ("k", "x for x in y"), ("1", "a")]
)
def test_what_is_no_keyword_is_an_error_of_the_rule(name: str, value: str) -> None:
    source = Source("f()", "a.py")
    with pytest.raises(ValueError, match=r"."):
        keyword.add(source, call_of(source.parse()), name, value)


REMOVED: dict[str, tuple[str, str | int, str]] = {
    "only": ("f(k=1)", "k", "f()"),
    "last": ("f(a, k=1)", "k", "f(a)"),
    "first": ("f(k=1, b=2)", "k", "f(b=2)"),
    "middle": ("f(a, k=1, *b)", "k", "f(a, *b)"),
    "trailing comma": ("f(a, k=1,)", "k", "f(a,)"),
    "lines": ("f(\n    a,\n    k=1,\n)", "k", "f(\n    a,\n)"),
    "lines, first": ("f(\n    k=1,\n    a=2,\n)", "k", "f(\n    a=2,\n)"),
    "lines, no trailing comma": ("f(\n    a,\n    k=1\n)", "k", "f(\n    a\n)"),
    "lines, only": ("f(\n    k=1,\n)", "k", "f()"),
    "comment of the one in front": ("f(\n    a,  # c\n    k=1,\n)", "k", "f(\n    a,  # c\n)"),
    "own comment": ("f(\n    a,\n    k=1,  # c\n)", "k", "refused: a comment would be lost"),
    "own comment, middle": ("f(\n    k=1,  # c\n    a=2,\n)", "k", "refused: a comment would be lost"),
    "comment in its value": ("f(a, k=[  # c\n    1])", "k", "refused: a comment would be lost"),
    "hash in a string": ("f(a, k='# 1')", "k", "f(a)"),
    "comment above": ("f(\n    # c\n    k=1,\n)", "k", "refused: a comment would be lost"),
    "crlf": ("f(\r\n    a,\r\n    k=1,\r\n)", "k", "f(\r\n    a,\r\n)"),
    "parentheses": ("f(a, k=(1))", "k", "f(a)"),
    "positional": ("f(a, b, k=1)", 1, "f(a, k=1)"),
    "first positional": ("f(a, b)", 0, "f(b)"),
    "no such keyword": ("f(a)", "k", "refused: the call has no argument k"),
    "no such positional": ("f(a)", 1, "refused: the call has no positional argument 1"),
    "walrus": ("f(k=(a := 1))", "k", "refused: the expression assigns a name with `:=`"),
    "hanging": ("f(a,\n  k=1)", "k", "f(a)"),
}


@pytest.mark.parametrize(("text", "name", "outcome"), REMOVED.values(), ids=REMOVED)
def test_remove(rewrite: Rewrite, text: str, name: str | int, outcome: str) -> None:
    assert rewrite(text, lambda source, tree: keyword.remove(source, call_of(tree), name)) == outcome


RENAMED = {
    "plain": ("f(a, k=1)", "f(a, n=1)"),
    "spaces and lines": ("f(\n  a,\n  k = 1,  # c\n)", "f(\n  a,\n  n = 1,  # c\n)"),
    "unicode": ("'é', f('ü', k='é')", "'é', f('ü', n='é')"),
    "there already": ("f(k=1, n=2)", "refused: the call has an argument n already"),
    "no such": ("f(j=1)", "refused: the call has no argument k"),
}


@pytest.mark.parametrize(("text", "outcome"), RENAMED.values(), ids=RENAMED)
def test_rename(rewrite: Rewrite, text: str, outcome: str) -> None:
    assert rewrite(text, lambda source, tree: keyword.rename(source, call_of(tree), "k", "n")) == outcome


CHANGED = {
    "plain": ("f(a, k=1)", "f(a, k=b or c)"),
    "parentheses": ("f(a, k=(1))", "f(a, k=(b or c))"),
    "comment behind": ("f(\n  k=1,  # c\n)", "f(\n  k=b or c,  # c\n)"),
    "comment inside": ("f(k=[1,  # c\n])", "refused: a comment would be lost"),
    "no such": ("f(j=1)", "refused: the call has no argument k"),
}


@pytest.mark.parametrize(("text", "outcome"), CHANGED.values(), ids=CHANGED)
def test_set_value(rewrite: Rewrite, text: str, outcome: str) -> None:
    assert rewrite(text, lambda source, tree: keyword.set_value(source, call_of(tree), "k", "b or c")) == outcome


def test_in_an_f_string_a_quote_is_refused() -> None:
    source = Source("y = f'{f(a)}'", "a.py")
    with pytest.raises(Refused, match="f-string"):
        keyword.add(source, call_of(source.parse()), "k", "'x'")
    edit = keyword.add(source, call_of(source.parse()), "k", "0")
    assert source.apply([edit]).text == "y = f'{f(a, k=0)}'"


def test_deep_nesting_is_refused() -> None:
    source = Source("f(" + "g(" * 150 + "x" + ")" * 150 + ")", "a.py")
    with pytest.raises(Refused, match="deep"):
        keyword.add(source, call_of(source.parse()), "k", "0")


@pytest.mark.parametrize(
    ("old", "new", "edit"),
    [
        ("abc", "aXc", Edit(11, 12, "X")),
        ("aa", "aaa", Edit(12, 12, "a")),
        ("a\r\nb", "a\r\nX\r\nb", Edit(13, 13, "X\r\n")),
        ("a\r\n", "aX\r\n", Edit(11, 11, "X")),
        ("", "x", Edit(10, 10, "x")),
        ("x", "", Edit(10, 11, "")),
    ],
)
def test_the_shortest_edit(old: str, new: str, edit: Edit) -> None:
    assert keyword.shortest(10, old, new) == edit


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f()", "f(k=0, m=1)"),
        ("f(a, **b)", "f(a, k=0, m=1, **b)"),
        ("f(\n    a,  # c\n)", "f(\n    a,  # c\n    k=0,\n    m=1,\n)"),
    ],
)
def test_several_are_added(rewrite: Rewrite, before: str, after: str) -> None:
    assert rewrite(before, lambda s, t: keyword.add_all(s, call_of(t), {"k": "0", "m": "1"})) == after
