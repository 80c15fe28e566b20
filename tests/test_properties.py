"""Any program in: never a crash, never a change that nobody asked for, never a text that does not parse."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import hypothesmith
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlint.codemod import callee, expression, imports, keyword, statement, wrap
from mlint.codemod.refused import Refused
from mlint.finding import Edit, Finding, Fix, Safety
from mlint.fixer import fix_source
from mlint.source import Source, SourceError

quick = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
many = settings(quick, max_examples=300)

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\r\n\t\f\v\x85\u2028 #'\"\\"))


@many
@given(ANY_TEXT, st.sampled_from(["utf-8", "latin-1", "cp1252", "shift_jis", "utf-7", "iso-2022-jp"]), st.booleans())
def test_bytes_round_trip(text: str, encoding: str, bom: bool) -> None:
    head = "" if encoding == "utf-8" else f"# coding: {encoding}\n"
    data = (head + text).encode(encoding, "ignore")
    if bom and not head:
        data = b"\xef\xbb\xbf" + data
    try:
        source = Source.from_bytes(data, "a.py")
    except SourceError:
        return
    assert source.encode() == data


@many
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        source = Source.from_bytes(data, "a.py")
        assert source.encode() == data
        source.parse()
    except SourceError as error:
        named = bool(error.message) and error.location is not None
    else:
        named = True
    assert named


@many
@given(ANY_TEXT)
def test_lines_and_locations_agree(text: str) -> None:
    source = Source(text, "a.py")
    # What CPython's parser makes of line ends.
    assert [source.line(number + 1) for number in range(len(source.line_starts))] == text.replace("\r\n", "\n").replace(
        "\r", "\n"
    ).split("\n")
    for offset in range(len(text) + 1):
        location = source.location(offset)
        assert source.line_starts[location.line - 1] + location.column - 1 == offset


@many
@given(ANY_TEXT, st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.text(max_size=3)), max_size=5))
def test_apply_is_replacement_from_the_end(text: str, raw: list[tuple[int, int, str]]) -> None:
    edits = [Edit(min(a, b), max(a, b), content) for a, b, content in raw]
    try:
        new = Source(text, "a.py").apply(edits).text
    except ValueError:
        assert any(edit.end > len(text) for edit in edits) or any(
            left.end > right.start for left, right in pairwise(edits)
        )
        return
    for edit in reversed(edits):
        text = text[: edit.start] + edit.content + text[edit.end :]
    assert new == text


PROGRAMS = [
    """\
import os
import torch

for x in y:
    # c
    a = f(x, k=1)[0] + g(*b, **c)  # d
    if a: b; c
    else:
        d
""",
    """\
class A(B, m=C):
\t'''doc'''

\t@p
\tdef f(self, a=1, *b):
\t\twith x as y, z:
\t\t\treturn f(
\t\t\t\ta,  # 1
\t\t\t\tb,
\t\t\t)
\t\t\tpass
""",
    """\
from a import (
    b,  # b
    c as d,
)
try: x = lambda y: -y ** 2
except (E, F): pass
finally:
  z = f'''{x!r:>{y}}
  {f(a)}'''
  # end
""".replace("\n", "\r\n"),
    """\
x = ('a'
     'é𝄞' % f(ü)); y = [i for i in z if i and j]; del x[0]
\x0cassert a < b < c, g(i for i in j)
""",
    """\
async def f():
    async with a:
        x = await b
        y = (z := f(1))
    match x:
        case [a, *b] if f(a): f(b)
""",
    """\
if a:
    x
elif b:
    # 1
    y
# 2
else:
    z = 1 if a else \\
        2


f(a) (b)
""",
]


TEMPLATES = ("-$x", "$x.y", "$x ** 2", "lambda: $x", "a if $x else b", "[$x, 1]")
CALLS = ("g($x, $*a)", "h($*a, zz=$x)", "$x.m($*a)")
BLOCK = "zz = 1\nif zz:\n    yy = '''\n q'''"


def substituted(source: Source, node: ast.expr, inner: ast.expr) -> Edit:
    # The text is for any place; whoever puts it into another expression encloses it.
    return Edit(*source.span(node), f"({expression.substitute(source, node, {inner: 'p + q'})})")


def rewrites(source: Source, tree: ast.Module, choose: random.Random) -> Iterator[Callable[[], object]]:
    """Rewrites of all kinds at places that chance picks."""
    nodes = list(ast.walk(tree))

    def pick(*types: type[ast.AST]) -> list[Any]:
        found = [node for node in nodes if isinstance(node, types)]
        return [choose.choice(found)] if found else []

    for node in pick(ast.Call):
        yield partial(keyword.add, source, node, "zz", "(a, b)")
        yield partial(callee.rename, source, node, "new.name")
        if node.args:
            yield partial(keyword.remove, source, node, choose.randrange(len(node.args)))
        for name in [argument.arg for argument in node.keywords if argument.arg][:1]:
            yield partial(keyword.remove, source, node, name)
            yield partial(keyword.set_value, source, node, name, "a or b")
        listed = expression.arguments(node)
        if listed and isinstance(listed[0], ast.expr) and not isinstance(listed[0], ast.Starred):
            for template in CALLS:
                yield partial(expression.replace, source, node, template, {"x": listed[0], "a": listed[1:]})
    for node in pick(ast.Name, ast.BinOp, ast.Compare, ast.IfExp, ast.Subscript, ast.Lambda, ast.Call):
        if not isinstance(getattr(node, "ctx", None), (ast.Load, type(None))):
            continue
        inner = choose.choice([child for child in ast.walk(node) if isinstance(child, ast.expr)])
        for template in TEMPLATES:
            yield partial(expression.replace, source, node, template, {"x": inner})
        yield partial(substituted, source, node, inner)
    for node in pick(ast.stmt):
        for text in ("zz = 1", BLOCK):
            yield partial(statement.insert_before, source, node, text)
            yield partial(statement.insert_after, source, node, text)
            yield partial(statement.replace, source, [node], text)
        yield partial(statement.delete, source, [node], take_comments=choose.random() < 0.5)
        yield partial(wrap.wrap, source, [node], "with a.b():")
    for node in pick(ast.With, ast.For, ast.If, ast.FunctionDef):
        yield partial(wrap.wrap, source, node.body[choose.randrange(len(node.body)) :], "with a.b():")
        yield partial(statement.delete, source, node.body)
        if isinstance(node, ast.With):
            yield partial(wrap.unwrap_tail, source, node, node.body[-1])
    for node in pick(ast.FunctionDef, ast.AsyncFunctionDef):
        yield partial(wrap.decorate, source, node, "@a.b()")
    for node in pick(ast.ImportFrom):
        name = choose.choice(node.names).name
        yield partial(imports.replace_name, source, node, name, "new.module", "n")
        yield partial(imports.remove_name, source, node, name)
    for text in ("import zz", "from math import zz", "import aa.b as c"):
        yield partial(imports.add, source, tree, text)


def edits_of(made: object) -> list[Edit]:
    if made is None:
        return []
    edits = [made] if isinstance(made, Edit) else list(made)  # type: ignore[call-overload]
    return sorted(edits, key=lambda edit: (edit.start, edit.end))


def line_ends(text: str) -> set[str]:
    return {line[-2:] if line.endswith("\r\n") else line[-1:] for line in re.findall(r"[^\r\n]*(?:\r\n|\r|\n)", text)}


def rewritten(text: str, seed: int) -> int:
    """Make rewrites of all kinds, check what comes out, and say how many were made."""
    source = Source(text, "a.py")
    try:
        tree = source.parse()
    except SourceError:
        return 0
    made = 0
    for build in rewrites(source, tree, random.Random(seed)):
        try:
            edits = edits_of(build())
        except Refused:
            continue
        new = source.apply(edits)
        new.parse()
        made += 1
        # No foreign line end comes in.
        assert len(source.line_starts) == 1 or line_ends(new.text) <= line_ends(text)
    return made


@quick
@given(st.sampled_from(PROGRAMS), st.integers(0, 10_000))
def test_rewrites_of_real_layouts_are_sound(text: str, seed: int) -> None:
    assert rewritten(text, seed)


@quick
@given(hypothesmith.from_grammar(), st.integers(0, 10_000))
def test_rewrites_of_any_program_are_sound(text: str, seed: int) -> None:
    rewritten(text, seed)


@quick
@given(st.sampled_from(PROGRAMS) | hypothesmith.from_grammar(), st.integers(0, 10_000))
def test_the_fixer_survives_any_fix(text: str, seed: int) -> None:
    choose = random.Random(seed)
    source = Source(text, "a.py")
    seen: set[str] = set()

    def check(current: Source) -> list[Finding]:
        """Findings with rewrites, wild replacements and nonsense as their fixes; the same text, the same findings."""
        try:
            tree = current.parse()
        except SourceError:
            return []
        seen.add(current.text)
        inner = random.Random(len(current.text) + seed)
        found = []
        for number, build in enumerate(rewrites(current, tree, inner)):
            kind = choose.random()
            start = inner.randrange(len(current.text) + 1)

            def make(build: Callable[[], object] = build, kind: float = kind, start: int = start) -> Fix | None:
                if kind < 0.6:
                    return Fix(Safety.SAFE, "", tuple(edits_of(build())))
                if kind < 0.9:
                    stop = min(len(current.text), start + 3)
                    return Fix(Safety.SAFE, "", (Edit(start, stop, choose.choice(["", "(", "x", "\n", "'''"])),))
                raise RuntimeError("a rule with a bug")

            place = current.location(start)
            fix = Fix(Safety.SAFE, "", None, make)
            found.append(Finding("a.py", place, place, f"X{number}", "x", "m", fix=fix))
        return found[: 12 - len(seen)]

    try:
        source.parse()
    except SourceError:
        return
    outcome = fix_source(source, check, lambda finding: finding.code != "X1")
    outcome.source.parse()
    assert (outcome.source.text == source.text) or outcome.applied
    assert (outcome.source is source) is not bool(outcome.applied)
    assert all(finding.code != "X1" for finding in outcome.applied)
