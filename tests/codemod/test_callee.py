"""What a call calls."""

from __future__ import annotations

import ast
from collections.abc import Callable

import pytest

from mlint.codemod import callee
from mlint.finding import Edit
from mlint.source import Source

Rewrite = Callable[[str, Callable[[Source, ast.Module], object]], str]


def first_call(tree: ast.AST) -> ast.Call:
    return next(node for node in ast.walk(tree) if isinstance(node, ast.Call))


RENAMED = {
    "dotted": ("t.cuda.amp.autocast(1)", "t.amp.autocast(1)"),
    "name": ("'é', autocast(1)", "'é', t.amp.autocast(1)"),
    "parentheses": ("(t.cuda.autocast)(1)", "(t.amp.autocast)(1)"),
    "continuation": ("t.cuda \\\n .autocast(1)", "t.amp.autocast(1)"),
    "arguments stay": ("a(\r\n  b,  # c\r\n)", "t.amp.autocast(\r\n  b,  # c\r\n)"),
    "decorator": ("@a(1)\ndef f(): pass", "@t.amp.autocast(1)\ndef f(): pass"),
    "with": ("with a(1), b: pass", "with t.amp.autocast(1), b: pass"),
    "comment inside": ("(a\n # c\n .b)(1)", "refused: a comment would be lost"),
    "any object": ("f(x)[0].old(1)", "t.amp.autocast(1)"),
    "f-string": ("f'{a(1)}'", "f'{t.amp.autocast(1)}'"),
    "keyword in front": ("def f(): return(a)(1)", "def f(): return(t.amp.autocast)(1)"),
}


@pytest.mark.parametrize(("text", "outcome"), RENAMED.values(), ids=RENAMED)
def test_rename(rewrite: Rewrite, text: str, outcome: str) -> None:
    assert rewrite(text, lambda source, tree: callee.rename(source, first_call(tree), "t.amp.autocast")) == outcome


def test_only_what_differs_is_replaced() -> None:
    source = Source("t.cuda.amp.autocast(1)", "a.py")
    assert callee.rename(source, first_call(source.parse()), "t.cuda.sync") == Edit(7, 19, "sync")


def test_a_name_that_is_not_called(rewrite: Rewrite) -> None:
    def change(source: Source, tree: ast.Module) -> Edit:
        return callee.rename(source, tree.body[0].value, "np.float64")  # type: ignore[attr-defined]

    assert rewrite("x = np.float", change) == "x = np.float64"
    assert rewrite("x = Float", change) == "x = np.float64"


METHODS = {
    "plain": ("x.old(1)", "x.new(1)"),
    "any object": ("f(a)[0].old(1)", "f(a)[0].new(1)"),
    "comments": ("(a\n # c\n . old(1))", "(a\n # c\n . new(1))"),
    "the same name before": ("old.old.old()", "old.old.new()"),
    "unicode": ("ü['é'].old()", "ü['é'].new()"),
    "no attribute": ("old(1)", "refused: it is no attribute"),
    "normalised": ("x.ﬁle()", "refused: the name is not written as Python reads it"),
    "f-string": ("f'{x.old(1)}'", "f'{x.new(1)}'"),
}


@pytest.mark.parametrize(("text", "outcome"), METHODS.values(), ids=METHODS)
def test_rename_method(rewrite: Rewrite, text: str, outcome: str) -> None:
    assert rewrite(text, lambda source, tree: callee.rename_method(source, first_call(tree), "new")) == outcome


def test_what_is_no_name_is_an_error_of_the_rule() -> None:
    source = Source("f()", "a.py")
    call = first_call(source.parse())
    with pytest.raises(ValueError, match=r"a\.\.b"):
        callee.rename(source, call, "a..b")
    with pytest.raises(ValueError, match=r"a\.b"):
        callee.rename_method(source, call, "a.b")
