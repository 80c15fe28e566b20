"""Whole statements: inserted, deleted, replaced."""

from __future__ import annotations

import ast
from collections.abc import Callable

import pytest

from mlint.codemod import statement
from mlint.finding import Edit
from mlint.source import Source

Rewrite = Callable[[str, Callable[[Source, ast.Module], object]], str]


def named(tree: ast.AST, name: str) -> ast.stmt:
    """The statement that is just a name."""
    return next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Name) and node.value.id == name
    )


BEFORE = {
    "alone": ("b\n", "n = 1\nb\n"),
    "no final line end": ("b", "n = 1\nb"),
    "above its comment": ("a\n# c\nb  # d\n", "a\nn = 1\n# c\nb  # d\n"),
    "not above a marker": ("a\n# %% cell\n# d\nb\n", "a\n# %% cell\nn = 1\n# d\nb\n"),
    "below the header of the file": ("#!/x\n# coding: utf-8\nb\n", "#!/x\n# coding: utf-8\nn = 1\nb\n"),
    "on a line with others": ("a; b; c", "a; n = 1; b; c"),
    "behind a colon": ("if x: b", "if x: n = 1; b"),
    "in a suite": ("if x:\r\n\tb\r\n", "if x:\r\n\tn = 1\r\n\tb\r\n"),
    "comment at another depth": ("if x:\n  a\n# c\n  b\n", "if x:\n  a\n# c\n  n = 1\n  b\n"),
    "string in front": ("a = '''\n# c\n'''\nb\n", "a = '''\n# c\n'''\nn = 1\nb\n"),
    "form feed": ("a\n\x0cb\n", "a\n\x0cn = 1\nb\n"),
    "unicode": ("'é'; b", "'é'; n = 1; b"),
    "continuation": ("if x: \\\n  b\n", "if x: \\\n  n = 1; b\n"),
}


@pytest.mark.parametrize(("text", "outcome"), BEFORE.values(), ids=BEFORE)
def test_insert_before(rewrite: Rewrite, text: str, outcome: str) -> None:
    assert rewrite(text, lambda source, tree: statement.insert_before(source, named(tree, "b"), "n = 1")) == outcome


AFTER = {
    "alone": ("b\n", "b\nn = 1\n"),
    "no final line end": ("b", "b\nn = 1"),
    "below its comment": ("b  # d\nc", "b  # d\nn = 1\nc"),
    "on a line with others": ("a; b; c", "a; b; n = 1; c"),
    "last on a line": ("a; b  # c\n", "a; b  # c\nn = 1\n"),
    "a semicolon at the end": ("b;\nc\n", "b;\nn = 1\nc\n"),
    "behind a colon": ("if x: b", "if x: b; n = 1"),
    "in a suite": ("if x:\r\n\tb\r\n", "if x:\r\n\tb\r\n\tn = 1\r\n"),
    "form feed": ("\x0cb\n", "\x0cb\nn = 1\n"),
}


@pytest.mark.parametrize(("text", "outcome"), AFTER.values(), ids=AFTER)
def test_insert_after(rewrite: Rewrite, text: str, outcome: str) -> None:
    assert rewrite(text, lambda source, tree: statement.insert_after(source, named(tree, "b"), "n = 1")) == outcome


COMPOUND = "for i in y:\n    f('''\n  z''')  # c"


def test_inserted_statements_get_the_indentation_of_the_file(rewrite: Rewrite) -> None:
    outcome = "if x:\n\tfor i in y:\n\t\tf('''\n  z''')  # c\n\tb\n"
    assert rewrite("if x:\n\tb\n", lambda s, t: statement.insert_before(s, named(t, "b"), COMPOUND)) == outcome
    outcome = "if x:\r\n  b\r\n  for i in y:\r\n    f('''\r\n  z''')  # c\r\n"
    assert rewrite("if x:\r\n  b\r\n", lambda s, t: statement.insert_after(s, named(t, "b"), COMPOUND)) == outcome


def test_a_compound_statement_needs_its_own_line(rewrite: Rewrite) -> None:
    refused = "refused: the statement shares its line with others"
    for text in ("if x: b", "a; b", "b; c"):
        for insert in (statement.insert_before, statement.insert_after):
            outcome = rewrite(text, lambda s, t, insert=insert: insert(s, named(t, "b"), COMPOUND))  # type: ignore[misc]
            free = (text, insert) in (("b; c", statement.insert_before), ("a; b", statement.insert_after))
            assert (outcome == refused) is not free, (text, insert, outcome)


def test_around_compound_statements(rewrite: Rewrite) -> None:
    text = "for x in y:\n    a\n    # of the loop\n\n# of b\nb"
    outcome = "for x in y:\n    a\n    # of the loop\nn = 1\n\n# of b\nb"
    assert rewrite(text, lambda s, t: statement.insert_after(s, t.body[0], "n = 1")) == outcome
    text = "a\n# c\n@d\n@e(1)\nclass A:\n  pass\n"
    outcome = "a\nn = 1\n# c\n@d\n@e(1)\nclass A:\n  pass\n"
    assert rewrite(text, lambda s, t: statement.insert_before(s, t.body[1], "n = 1")) == outcome


def test_an_elif_is_refused(rewrite: Rewrite) -> None:
    def branch(tree: ast.Module) -> ast.stmt:
        return tree.body[0].orelse[0]  # type: ignore[attr-defined,no-any-return]

    text = "if a:\n    b\nelif c:\n    d\n"
    refused = "refused: the statement is an `elif`"
    assert rewrite(text, lambda s, t: statement.insert_before(s, branch(t), "n = 1")) == refused
    assert rewrite(text, lambda s, t: statement.delete(s, [branch(t)])) == refused
    assert rewrite(text, lambda s, t: statement.replace(s, [branch(t)], "n = 1")) == refused


DELETED = {
    "all": ("b\n", ["b"], ""),
    "a line": ("a\nb\nc\n", ["b"], "a\nc\n"),
    "a line with crlf": ("a\r\nb\r\nc\r\n", ["b"], "a\r\nc\r\n"),
    "the last line": ("a\nb", ["b"], "a\n"),
    "first on a line": ("b; c # x", ["b"], "c # x"),
    "in a line": ("a; b; c\n", ["b"], "a; c\n"),
    "last on a line": ("a;b  # c\n", ["b"], "a  # c\n"),
    "two on a line": ("a; b; c\n", ["a", "b"], "c\n"),
    "around one": ("a; b; c\n", ["a", "c"], "b\n"),
    "a whole line of several": ("a; b\nc\n", ["a", "b"], "c\n"),
    "behind a colon": ("if x: b", ["b"], "if x: pass"),
    "a whole suite": ("if x:\n    # q\n    b\n    # c\n", ["b"], "if x:\n    # q\n    pass\n    # c\n"),
    "a suite of two": ("if x:\n    a\n    b\n", ["a", "b"], "if x:\n    pass\n"),
    "a suite of two on a line": ("if x: a; b\n", ["a", "b"], "if x: pass\n"),
    "of two suites": ("if x:\n    a\nelse:\n    b\n", ["a", "b"], "if x:\n    pass\nelse:\n    pass\n"),
    "not neighbours": ("a\n# c\nb\nc\n", ["a", "b"], "# c\nc\n"),
    "comment above stays": ("a\n# c\nb\nd\n", ["b"], "a\n# c\nd\n"),
    "comment above it alone": ("a\n# c\n# d\nb\n\nd\n", ["b"], "a\n\nd\n"),
    "comment above the last of a suite": ("if x:\n    a\n    # c\n    b\nd\n", ["b"], "if x:\n    a\nd\n"),
    "comment of a cell": ("a\n# %%\nb\n\nd\n", ["b"], "a\n# %%\n\nd\n"),
    "comment above an empty line": ("a\n# c\n\nb\n\nd\n", ["b"], "a\n# c\n\n\nd\n"),
    "suppression above": ("a\n# mlint: ignore\nb\n\nd\n", ["b"], "refused: a suppression comment would be lost"),
    "comment behind": ("a\nb  # c\n", ["b"], "refused: a comment would be lost"),
    "form feed": ("a\n\x0cb\nc\n", ["b"], "a\n\x0cc\n"),
    "match": ("match x:\n    case 1:\n        b\n", ["b"], "match x:\n    case 1:\n        pass\n"),
    "except": ("try:\n    a\nexcept E:\n    b\n", ["b"], "try:\n    a\nexcept E:\n    pass\n"),
}


@pytest.mark.parametrize(("text", "names", "outcome"), DELETED.values(), ids=DELETED)
def test_delete(rewrite: Rewrite, text: str, names: list[str], outcome: str) -> None:
    assert rewrite(text, lambda s, t: statement.delete(s, [named(t, name) for name in names])) == outcome


def test_delete_takes_comments_when_told_but_no_suppression(rewrite: Rewrite) -> None:
    def change(source: Source, tree: ast.Module) -> list[Edit]:
        return statement.delete(source, [named(tree, "b")], take_comments=True)

    assert rewrite("a\nb  # c\nd\n", change) == "a\nd\n"
    assert rewrite("a\nb  # noqa\nd\n", change) == "refused: a suppression comment would be lost"


def test_delete_refuses_a_statement_inside_another(rewrite: Rewrite) -> None:
    outcome = rewrite("if x:\n    b\n    c\nd\n", lambda s, t: statement.delete(s, [t.body[0], named(t, "b")]))
    assert outcome == "refused: the statements hold one another"


SIMPLE, LOOP = "z = 1", "for i in j:\n    z"
REPLACED = {
    "one": ("a\nb\n", ["a"], SIMPLE, "z = 1\nb\n"),
    "two": ("a\nb\nc\n", ["a", "b"], SIMPLE, "z = 1\nc\n"),
    "by a loop": ("if x:\r\n\ta\r\n\tb\r\n", ["a", "b"], LOOP, "if x:\r\n\tfor i in j:\r\n\t\tz\r\n"),
    "in a line": ("a; b; c\n", ["b"], SIMPLE, "a; z = 1; c\n"),
    "in a line, by a loop": ("a; b; c\n", ["b"], LOOP, "refused: the statements share their line with others"),
    "behind a colon": ("if x: a; b\n", ["a", "b"], SIMPLE, "if x: z = 1\n"),
    "behind a colon, by a loop": ("if x: a; b\n", ["a", "b"], LOOP, "if x:\n    for i in j:\n        z\n"),
    "comment line between": ("if x:\n  a\n  # c\n  b  # d\n", ["a", "b"], SIMPLE, "if x:\n  # c\n  z = 1  # d\n"),
    "comment behind one": ("a  # c\nb\n", ["a", "b"], SIMPLE, "refused: a comment would be lost"),
    "suppression behind": ("a  # noqa\n", ["a"], SIMPLE, "refused: a suppression comment stands behind"),
    "not consecutive": ("a\nb\nc\n", ["a", "c"], SIMPLE, "refused: the statements do not follow each other"),
    "form feed": ("\x0ca\n", ["a"], LOOP, "\x0cfor i in j:\n    z\n"),
}


@pytest.mark.parametrize(("text", "names", "new", "outcome"), REPLACED.values(), ids=REPLACED)
def test_replace(rewrite: Rewrite, text: str, names: list[str], new: str, outcome: str) -> None:
    assert rewrite(text, lambda s, t: statement.replace(s, [named(t, name) for name in names], new)) == outcome


def test_a_comment_in_a_replaced_statement_is_refused(rewrite: Rewrite) -> None:
    for text in ("a = [  # c\n  1]\n", "for i in j:\n    a\n    # c\n", "for i in j:\n    # c\n    a\n"):
        outcome = rewrite(text, lambda s, t: statement.replace(s, [t.body[0]], SIMPLE))
        assert outcome == "refused: a comment would be lost"


def test_a_comment_behind_the_last_line_of_a_loop_stays(rewrite: Rewrite) -> None:
    text = "for i in j:\n    a[i] = 1  # c\nb\n"
    assert rewrite(text, lambda s, t: statement.replace(s, [t.body[0]], SIMPLE)) == "z = 1  # c\nb\n"


def test_the_last_comment_of_a_deleted_loop_goes_with_it(rewrite: Rewrite) -> None:
    text = "for i in j:\n    a\n    # c\n# d\nb\n"
    assert rewrite(text, lambda s, t: statement.delete(s, t.body[:1])) == "refused: a comment would be lost"
    assert rewrite(text, lambda s, t: statement.delete(s, t.body[:1], take_comments=True)) == "# d\nb\n"


def test_what_is_no_python_is_an_error_of_the_rule() -> None:
    source = Source("a\n", "a.py")
    first = source.parse().body[0]
    for text in ("x =", "", "  x"):
        with pytest.raises(ValueError, match=r"."):
            statement.replace(source, [first], text)
    with pytest.raises(ValueError, match="not Python"):
        statement.insert_after(source, first, "x = (")
