"""Statements under a header, out of one, and decorators."""

from __future__ import annotations

import ast
from collections.abc import Callable

import pytest

from mlint.codemod import wrap
from mlint.finding import Edit
from mlint.source import Source

Rewrite = Callable[[str, Callable[[Source, ast.Module], object]], str]
HEADER = "with g():"


def named(tree: ast.AST, name: str) -> ast.stmt:
    """The statement that is just a name."""
    return next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Name) and node.value.id == name
    )


WRAPPED = {
    "one": ("a\nb\nc\n", "b", "a\nwith g():\n    b\nc\n"),
    "two, no final line end": ("a\nb\nc", "bc", "a\nwith g():\n    b\n    c"),
    "all": ("if x:\n  b\n", "b", "if x:\n  with g():\n    b\n"),
    "tabs": ("def f():\n\tb\n\tc\n", "bc", "def f():\n\twith g():\n\t\tb\n\t\tc\n"),
    "crlf": ("if x:\r\n  b\r\n\r\n  c\r\n", "bc", "if x:\r\n  with g():\r\n    b\r\n\r\n    c\r\n"),
    "cr": ("if x:\r  b\r  c\r", "bc", "if x:\r  with g():\r    b\r    c\r"),
    "comments": (
        "if x:\n  # 1\n  b  # 2\n  # 3\n\n  # 4\n  c  # 5\n  # 6\n",
        "bc",
        "if x:\n  # 1\n  with g():\n    b  # 2\n    # 3\n\n    # 4\n    c  # 5\n    # 6\n",
    ),
    "comment of the next one": ("b\n# c\nc\n", "b", "with g():\n    b\n# c\nc\n"),
    "comment of the next suite": ("if x:\n  b\n# c\nelse:\n  c\n", "b", "if x:\n  with g():\n    b\n# c\nelse:\n  c\n"),
    "in a line": ("a; b; c  # x\n", "b", "a\nwith g():\n    b\nc  # x\n"),
    "end of a line": ("a; b; c  # x\n", "bc", "a\nwith g():\n    b; c  # x\n"),
    "begin of a line": ("b; c\n", "b", "with g():\n    b\nc\n"),
    "a semicolon at the end": ("b;\n", "b", "with g():\n    b;\n"),
    "behind a colon": ("if x: b  # c\nd\n", "b", "if x:\n    with g():\n        b  # c\nd\n"),
    "all behind a colon": ("if x:\n\tif y: b; c\n", "bc", "if x:\n\tif y:\n\t\twith g():\n\t\t\tb; c\n"),
    "some behind a colon": ("if x: b; c\n", "b", "refused: the statements share their line with others"),
    "not consecutive": ("b\na\nc\n", "bc", "refused: the statements do not follow each other"),
    "form feed": ("a\n\x0cb\n\x0c\nc\n", "bc", "a\n\x0cwith g():\n    b\n\x0c\n    c\n"),
    "unicode": ("'é'; b\n", "b", "'é'\nwith g():\n    b\n"),
    "noqa stays on its line": ("b  # noqa\n", "b", "with g():\n    b  # noqa\n"),
}


@pytest.mark.parametrize(("text", "names", "outcome"), WRAPPED.values(), ids=WRAPPED)
def test_wrap(rewrite: Rewrite, text: str, names: str, outcome: str) -> None:
    assert rewrite(text, lambda s, t: wrap.wrap(s, [named(t, name) for name in names], HEADER)) == outcome


FIRST = {
    "strings, brackets, continuations": (
        "if x:\n  a = '''\n  q\n'''\n  b = (1,\n2)\n  c = 1 + \\\n 2\n  # end\nd\n",
        "with g():\n  if x:\n    a = '''\n  q\n'''\n    b = (1,\n  2)\n    c = 1 + \\\n   2\n    # end\nd\n",
    ),
    "f-string": ("a = f'''\n{b}\n  {c:\n>3}'''\n", "with g():\n    a = f'''\n{b}\n  {c:\n>3}'''\n"),
    "continued string": ("a = 'b\\\n c'\n", "with g():\n    a = 'b\\\n c'\n"),
    "decorators and comments": (
        "# 0\n@d  # 1\n@e\ndef f():\n    pass\n    # 2\n\n\n    # 3\n# 4\nx\n",
        "# 0\nwith g():\n    @d  # 1\n    @e\n    def f():\n        pass\n        # 2\n\n\n        # 3\n# 4\nx\n",
    ),
    "nested": (
        "for i in j:\n\tif k:\n\t\ta\n\telse:\n\t\tb\n",
        "with g():\n\tfor i in j:\n\t\tif k:\n\t\t\ta\n\t\telse:\n\t\t\tb\n",
    ),
}


@pytest.mark.parametrize(("text", "outcome"), FIRST.values(), ids=FIRST)
def test_wrap_of_larger_statements(rewrite: Rewrite, text: str, outcome: str) -> None:
    assert rewrite(text, lambda s, t: wrap.wrap(s, t.body[:1], HEADER)) == outcome


def test_an_elif_cannot_be_wrapped(rewrite: Rewrite) -> None:
    def change(source: Source, tree: ast.Module) -> list[Edit]:
        return wrap.wrap(source, tree.body[0].orelse, HEADER)  # type: ignore[attr-defined]

    assert rewrite("if a: b\nelif c: d\n", change) == "refused: the statement is an `elif`"
    assert rewrite("if a: b\nelse:\n if c: d\n", change) == "if a: b\nelse:\n with g():\n  if c: d\n"


def test_wrap_inserts_and_replaces_nothing() -> None:
    source = Source("a\nb\nc\n", "a.py")
    edits = wrap.wrap(source, source.parse().body, HEADER)
    assert all(edit.start == edit.end for edit in edits)
    assert edits == sorted(edits, key=lambda edit: edit.start)


def test_what_is_no_header_is_an_error_of_the_rule() -> None:
    source = Source("a\n", "a.py")
    for header in ("x = 1", "with g()", "try:"):
        with pytest.raises(ValueError, match=r"."):
            wrap.wrap(source, source.parse().body, header)


UNWRAPPED = {
    "tail": ("with a:\n    b\n    c\n    d\ne\n", "with a:\n    b\nc\nd\ne\n"),
    "comments": (
        "with a:\n    b\n    # 1\n    c  # 2\n    # 3\n\n# 4\ne\n",
        "with a:\n    b\n# 1\nc  # 2\n# 3\n\n# 4\ne\n",
    ),
    "strings and brackets": (
        "if x:\n\twith a:\n\t\tb\n\t\tc = '''\n\t\t\td'''\n\t\te = [\n\t\t\t1,\n\t\t]\n",
        "if x:\n\twith a:\n\t\tb\n\tc = '''\n\t\t\td'''\n\te = [\n\t\t1,\n\t]\n",
    ),
    "crlf": ("with a:\r\n  b\r\n  if c:\r\n    d\r\n", "with a:\r\n  b\r\nif c:\r\n  d\r\n"),
    "on a line": ("with a: b; c\n", "refused: the statements share their line with others"),
    "line of several": ("with a:\n    b; c\n", "refused: the statements share their line with others"),
    "no final line end": ("with a:\n    b\n    c", "with a:\n    b\nc"),
}


@pytest.mark.parametrize(("text", "outcome"), UNWRAPPED.values(), ids=UNWRAPPED)
def test_unwrap_tail(rewrite: Rewrite, text: str, outcome: str) -> None:
    def change(source: Source, tree: ast.Module) -> list[Edit]:
        block = next(node for node in ast.walk(tree) if isinstance(node, ast.With))
        return wrap.unwrap_tail(source, block, block.body[1])

    assert rewrite(text, change) == outcome


def test_a_with_keeps_a_statement(rewrite: Rewrite) -> None:
    def change(source: Source, tree: ast.Module) -> list[Edit]:
        block = tree.body[0]
        assert isinstance(block, ast.With)
        return wrap.unwrap_tail(source, block, block.body[0])

    assert rewrite("with a:\n    b\n    c\n", change) == "refused: nothing would stay in the suite"


DECORATED = {
    "plain": ("def f(): pass\n", "@g()\ndef f(): pass\n"),
    "async, in a class": (
        "class A:\r\n\tasync def f(self): pass\r\n",
        "class A:\r\n\t@g()\r\n\tasync def f(self): pass\r\n",
    ),
    "below the others": (
        "class A:\n  # 1\n  @property  # 2\n  def f(self): pass\n",
        "class A:\n  # 1\n  @property  # 2\n  @g()\n  def f(self): pass\n",
    ),
    "form feed": ("\x0cdef f(): pass\n", "\x0c@g()\ndef f(): pass\n"),
    "below a comment": ("# c\ndef f(): pass\n", "# c\n@g()\ndef f(): pass\n"),
}


@pytest.mark.parametrize(("text", "outcome"), DECORATED.values(), ids=DECORATED)
def test_decorate(rewrite: Rewrite, text: str, outcome: str) -> None:
    def change(source: Source, tree: ast.Module) -> Edit:
        function = next(node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
        return wrap.decorate(source, function, "@g()")

    assert rewrite(text, change) == outcome


def test_what_is_no_decorator_is_an_error_of_the_rule() -> None:
    source = Source("def f(): pass\n", "a.py")
    (function,) = source.parse().body
    assert isinstance(function, ast.FunctionDef)
    for decorator in ("g()", "@", "x = 1"):
        with pytest.raises(ValueError, match=r"."):
            wrap.decorate(source, function, decorator)


ENCLOSED = {
    "closed": ("f = g()\na\nf.close()\nb\n", "with g() as f:\n    a\nb\n"),
    "comment behind": ("f = g()  # 1\na  # 2\nf.close()\n", "with g() as f:  # 1\n    a  # 2\n"),
    "blank lines": (
        "def h():\n\tf = g()\n\n\ta\n\n\tf.close()\n\n\treturn\n",
        "def h():\n\twith g() as f:\n\t\ta\n\n\treturn\n",
    ),
    "crlf": ("if x:\r\n  f = g()\r\n  a\r\n  f.close()\r\n", "if x:\r\n  with g() as f:\r\n    a\r\n"),
    "strings": ('f = g()\na = """\n1\n"""\nf.close()\n', 'with g() as f:\n    a = """\n1\n"""\n'),
    "comment of the closing": ("f = g()\na\n# bye\nf.close()\n", "refused: a comment would be lost"),
    "comment at the closing": ("f = g()\na\nf.close()  # bye\n", "refused: a comment would be lost"),
    "one line": ("f = g(); a; f.close()\n", "refused: the statements share their line with others"),
}


@pytest.mark.parametrize("case", ENCLOSED, ids=str)
def test_enclose(rewrite: Rewrite, case: str) -> None:
    before, after = ENCLOSED[case]

    def change(source: Source, module: ast.Module) -> list[Edit]:
        suite = next(
            block
            for node in ast.walk(module)
            if isinstance(block := getattr(node, "body", None), list) and isinstance(block[0], ast.Assign)
        )
        return wrap.enclose(source, suite[0], [suite[1]], "with g() as f:", suite[2])

    assert rewrite(before, change) == after


REPLACED = {
    "one": ("a = h(g(1))\n", "with g(1) as f:\n    a = h(f)\n"),
    "lines": (
        "if x:\n  a = h(\n    g(  # 1\n      1\n    ),  # 2\n    b\n  )\n",
        "if x:\n  with g(  # 1\n      1\n    ) as f:\n    a = h(\n      f,  # 2\n      b\n    )\n",
    ),
}


@pytest.mark.parametrize("case", REPLACED, ids=str)
def test_wrap_with_a_replacement(rewrite: Rewrite, case: str) -> None:
    before, after = REPLACED[case]

    def change(source: Source, module: ast.Module) -> list[Edit]:
        statement = next(node for node in ast.walk(module) if isinstance(node, ast.Assign))
        call = next(
            node
            for node in ast.walk(module)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "g"
        )
        return wrap.wrap(source, [statement], f"with {source.segment(call)} as f:", {call: "f"})

    assert rewrite(before, change) == after
