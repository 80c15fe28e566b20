"""Expressions by template, and with parts replaced."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable

import pytest

from mlint.codemod import expression
from mlint.codemod.refused import Refused
from mlint.finding import Edit
from mlint.source import Source

Rewrite = Callable[[str, Callable[[Source, ast.Module], object]], str]


def outer_call(tree: ast.AST, name: str = "log") -> ast.Call:
    return next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and (node.func.attr if isinstance(node.func, ast.Attribute) else "") == name
    )


def fused(template: str) -> Callable[[Source, ast.Module], Edit]:
    """Replace ``t.log(inner(x, *args))`` by a template of ``$x`` and ``$*args``."""

    def change(source: Source, tree: ast.Module) -> Edit:
        call = outer_call(tree)
        inner = call.args[0]
        assert isinstance(inner, ast.Call)
        first, *others = expression.arguments(inner)
        return expression.replace(source, call, template, {"x": first, "args": others})  # type: ignore[dict-item]

    return change


LOG_SOFTMAX = "t.log_softmax($x, $*args)"

REPLACED = {
    "arguments": ("y = t.log(t.softmax(x, dim=-1))", LOG_SOFTMAX, "y = t.log_softmax(x, dim=-1)"),
    "no further argument": ("y = t.log(t.softmax(x))", LOG_SOFTMAX, "y = t.log_softmax(x)"),
    "spacing of the author": ("y = t.log( t.softmax(x,dim = -1) )", LOG_SOFTMAX, "y = t.log_softmax(x,dim = -1)"),
    "trailing comma": ("y = t.log(t.softmax(x, 1,),)", LOG_SOFTMAX, "y = t.log_softmax(x, 1,)"),
    "stars": ("y = t.log(t.softmax(x, *a, **k))", LOG_SOFTMAX, "y = t.log_softmax(x, *a, **k)"),
    "comments between": (
        "y = t.log(t.softmax(\n    x,  # raw\n    dim=-1,  # last\n))",
        LOG_SOFTMAX,
        "y = t.log_softmax(\n    x,  # raw\n    dim=-1,  # last\n)",
    ),
    "moves to the left": (
        "def f():\n    return t.log(\n        t.softmax(\n            x,  # raw\n            k=-1,\n        )\n    )\n",
        LOG_SOFTMAX,
        "def f():\n    return t.log_softmax(\n        x,  # raw\n        k=-1,\n    )\n",
    ),
    "strings do not move": (
        "y = t.log(\n    t.softmax(\n        '''a\n        b''',\n        1,\n    )\n)",
        LOG_SOFTMAX,
        "y = t.log_softmax(\n    '''a\n        b''',\n    1,\n)",
    ),
    "tabs": (
        "if a:\n\ty = t.log(\n\t\tt.softmax(\n\t\t\tx,\n\t\t)\n\t)\n",
        LOG_SOFTMAX,
        "if a:\n\ty = t.log_softmax(\n\t\tx,\n\t)\n",
    ),
    "crlf": (
        "y = t.log(t.softmax(\r\n    x,\r\n    1,\r\n))\r\n",
        LOG_SOFTMAX,
        "y = t.log_softmax(\r\n    x,\r\n    1,\r\n)\r\n",
    ),
    "cr": ("y = t.log(t.softmax(\r    x,\r    1,\r))\r", LOG_SOFTMAX, "y = t.log_softmax(\r    x,\r    1,\r)\r"),
    "unicode in front": ("s = 'é𝄞'; y = t.log(t.softmax(ü, 1))", LOG_SOFTMAX, "s = 'é𝄞'; y = t.log_softmax(ü, 1)"),
    "comment in front": (
        "y = t.log(  # stable?\n    t.softmax(x, 1)\n)",
        LOG_SOFTMAX,
        "refused: a comment would be lost",
    ),
    "suppression": (
        "y = t.log(t.softmax(\n    x,  # noqa: E501\n))",
        LOG_SOFTMAX,
        "refused: a suppression comment stands inside",
    ),
    "lower precedence": ("y = t.log(f(a + b)) ** 2", "-$x.f", "y = (-(a + b).f) ** 2"),
    "power of a power": ("y = t.log(f(a)) ** 2", "$x ** 3", "y = (a ** 3) ** 2"),
    "operand on the right": ("y = 2 ** t.log(f(a))", "$x ** 3", "y = 2 ** a ** 3"),
    "same precedence, other side": ("y = a - t.log(f(b))", "$x - 1", "y = a - (b - 1)"),
    "attribute of the result": ("y = t.log(f(a)).mean()", "$x + 1", "y = (a + 1).mean()"),
    "argument needs none": ("g(t.log(f(a + b)))", "$x * 1", "g((a + b) * 1)"),
    "inside brackets needs none": ("y = t.log(f(a if b else c))", "h[$x]", "y = h[a if b else c]"),
    "redundant parentheses stay": ("y = t.log(f((a + b), 1))", "h($x, $*args)", "y = h((a + b), 1)"),
    "redundant parentheses around it": ("y = (t.log(f(a)))", "$x + 1", "y = (a + 1)"),
    "number and attribute": ("y = t.log(f(1))", "$x.real", "y = (1).real"),
    "lambda": ("y = t.log(f(lambda: 0))", "$x or z", "y = (lambda: 0) or z"),
    "ternary": ("y = t.log(f(a if b else c)) if d else e", "$x", "y = (a if b else c) if d else e"),
    "comparison": ("y = a < t.log(f(b))", "$x == 1", "y = a < (b == 1)"),
    "keyword next to it": ("def f(): return(t.log(f(x)))", "$x.y", "def f(): return(x.y)"),
    "not": ("y = not t.log(f(a))", "$x and b", "y = not (a and b)"),
    "line break outside of brackets": ("y = t.log(f(a +\n      b))", "$x", "y = (a +\n      b)"),
    "line break in parentheses that are needed": ("y = (t.log(f('a'\n     'b')))", "$x.z", "y = ('a'\n     'b'.z)"),
    "line break inside of brackets": ("y = [t.log(f(a +\n      b))]", "$x", "y = [a +\n      b]"),
    "arguments in another order": ("y = t.log(f(a, b, c))", "g($*args, $x)", "y = g(b, c, a)"),
    "nothing in front": ("y = t.log(f(a))", "g($*args, $x)", "y = g(a)"),
    "nothing at all": ("y = t.log(f(a))", "g($*args)", "y = g()"),
    "elements": ("y = t.log(f(a, b))", "[$*args, $x]", "y = [b, a]"),
    "a tuple of one": ("y = t.log(f(a, b))", "($*args,)", "y = (b,)"),
    "keyword is no element": ("y = t.log(f(a, k=b))", "[$*args]", "refused: a keyword argument cannot be an element"),
    "more arguments": ("y = t.log(f(a, b,))", "g($x, $*args, k=1)", "y = g(a, b, k=1)"),
    "as a keyword": ("y = t.log(f(a))", "g(k=$x)", "y = g(k=a)"),
    "method": ("y = t.log(f(a + b, c))", "$x.m($*args)", "y = (a + b).m(c)"),
    "bare generator": ("y = t.log(f(i for i in j))", "g($x)", "y = g(i for i in j)"),
    "bare generator and more": ("y = t.log(f(i for i in j))", "g($x, 1)", "y = g((i for i in j), 1)"),
    "walrus": ("y = t.log(f(a := 1))", "g($x)", "refused: the expression assigns a name with `:=`"),
    "await": ("async def f(): y = t.log(f(await a))", "g($x)", "refused: the expression awaits or yields"),
    "yield": ("def f(): y = t.log(f((yield)))", "g($x)", "refused: the expression awaits or yields"),
    "name twice": ("y = t.log(f(a.b[0]))", "$x * $x", "y = a.b[0] * a.b[0]"),
    "call twice": ("y = t.log(f(a()))", "$x * $x", "refused: $x holds a call, which would run more than once"),
    "decorator": ("@t.log(f(a))\ndef f(): pass", "g($x)", "@g(a)\ndef f(): pass"),
    "base class": ("class A(B, k=t.log(f(a))): pass", "g($x)", "class A(B, k=g(a)): pass"),
    "starred": ("g(*t.log(f(a)))", "$x or b", "g(*a or b)"),
    "default": ("def f(a=t.log(f(b)), *, c: t.log = 1): pass", "g($x)", "def f(a=g(b), *, c: t.log = 1): pass"),
    "with": ("with t.log(f(a)) as b, c: pass", "g($x)", "with g(a) as b, c: pass"),
    "except": ("try: pass\nexcept t.log(f(a)): pass", "g($x)", "try: pass\nexcept g(a): pass"),
    "match": ("match a:\n    case 1 if t.log(f(b)): pass", "$x", "match a:\n    case 1 if b: pass"),
    "comprehension": ("y = [i for i in t.log(f(a)) if i]", "$x or b", "y = [i for i in a or b if i]"),
    "comprehension, ternary": ("y = [i for i in t.log(f(a if b else c))]", "$x", "y = [i for i in (a if b else c)]"),
    "subscript": ("y[t.log(f(a)):1] = 2", "$x + 1", "y[a + 1:1] = 2"),
    "form feed": ("\x0cy = t.log(f(a))", "g($x)", "\x0cy = g(a)"),
    "continuation": ("y = t.log(f(a)) + \\\n    b", "$x * 2", "y = a * 2 + \\\n    b"),
    "f-string around": ("y = f'{a}' + t.log(f(f'{b}'))", "g($x)", "y = f'{a}' + g(f'{b}')"),
    "quotes in an f-string": ("y = f'{t.log(f(a))}'", "g['a']", "refused: the expression stands in an f-string"),
}


@pytest.mark.parametrize(("text", "template", "outcome"), REPLACED.values(), ids=REPLACED)
def test_replace(rewrite: Rewrite, text: str, template: str, outcome: str) -> None:
    assert rewrite(text, fused(template)) == outcome


def test_in_an_f_string_the_outcome_is_right_or_refused(rewrite: Rewrite) -> None:
    # Python 3.12 knows all positions in f-strings, older ones some of them.
    assert rewrite("y = f'{t.log(f(a))}'", fused("g($x)")) == "y = f'{g(a)}'"
    outcome = rewrite("y = f'''\n{t.log(f(a))!r:>{b}}''' f'{c}'", fused("g($x)"))
    right = "y = f'''\n{g(a)!r:>{b}}''' f'{c}'"
    if sys.version_info >= (3, 12):
        assert outcome == right
    else:
        assert outcome == right or outcome.startswith("refused")


def test_a_text_as_part() -> None:
    source = Source("y = f(x) ** 2", "a.py")
    node = source.parse().body[0].value.left  # type: ignore[attr-defined]
    edit = expression.replace(source, node, "$a.b[$c]", {"a": "x or y", "c": "1, 2"})
    assert source.apply([edit]).text == "y = (x or y).b[1, 2] ** 2"


def test_an_assigned_name_is_refused(rewrite: Rewrite) -> None:
    def change(source: Source, tree: ast.Module) -> Edit:
        return expression.replace(source, tree.body[0].targets[0], "b", {})  # type: ignore[attr-defined]

    assert rewrite("a = 1", change) == "refused: the expression is assigned to"


@pytest.mark.parametrize(
    ("template", "parts"),
    [("$x +", {"x": "a"}), ("f($y)", {"x": "a"}), ("f($*x)", {"x": "a"}), ("f($x)", {"x": []}), ("a = 1", {})],
)
def test_a_wrong_template_is_an_error_of_the_rule(template: str, parts: dict[str, expression.Part]) -> None:
    source = Source("y", "a.py")
    with pytest.raises(ValueError, match=r"."):
        expression.replace(source, source.parse().body[0].value, template, parts)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text",
    ["f(" * 150 + "x" + ")" * 150, "x" + ".b()" * 600, "-" * 600 + "x", "[" * 150 + "x" + "]" * 150],
    ids=["calls", "chain", "signs", "lists"],
)
def test_deep_nesting_is_refused(text: str) -> None:
    source = Source(f"y = {text}", "a.py")
    node = source.parse().body[0].value  # type: ignore[attr-defined]
    with pytest.raises(Refused, match="deep"):
        expression.replace(source, node, "g($x)", {"x": node})


def test_many_redundant_parentheses_are_refused() -> None:
    text = "(" * 150 + "x" + ")" * 150
    source = Source(f"y = g({text}, z)", "a.py")
    call = source.parse().body[0].value  # type: ignore[attr-defined]
    with pytest.raises(Refused, match="deep"):
        expression.replace(source, call, "h($*args)", {"args": call.args})


def test_nodes_of_another_tree_of_the_same_text_will_do() -> None:
    source = Source("y = g(x)", "a.py")
    call = ast.parse(source.text).body[0].value  # type: ignore[attr-defined]
    assert expression.replace(source, call, "h($*a)", {"a": call.args}).content == "h(x)"
    with pytest.raises(Refused):
        expression.replace(source, ast.parse("f(a)+b").body[0].value, "c", {})  # type: ignore[attr-defined]


def indexed(tree: ast.AST) -> dict[ast.AST, str]:
    """``a[i]`` becomes ``a``, for all names."""
    return {
        node: ast.unparse(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name) and node.slice.id == "i"
    }


SUBSTITUTED = {
    "operands": ("y = a[i] * b[i] + 1", "y = a * b + 1"),
    "all in one": ("y = a[i]", "y = a"),
    "layout": ("y = (a [ i ]\n     + b[i])  # c", "y = (a\n     + b)  # c"),
    "calls": ("y = f(a[i], k=b[i]).g", "y = f(a, k=b).g"),
    "target": ("o[i] = a[i]", "o = a"),
    "comment elsewhere": ("y = f(a[i],  # c\n  b[i])", "y = f(a,  # c\n  b)"),
    "comment inside": ("y = f(a[  # c\n  i])", "refused: a comment would be lost"),
    "crlf": ("y = f(a[i],\r\n  b[i])", "y = f(a,\r\n  b)"),
    "unicode": ("ü = 'é', ä[i]", "ü = 'é', ä"),
}


@pytest.mark.parametrize(("text", "outcome"), SUBSTITUTED.values(), ids=SUBSTITUTED)
def test_substitute_in_a_statement(rewrite: Rewrite, text: str, outcome: str) -> None:
    def change(source: Source, tree: ast.Module) -> Edit:
        statement = tree.body[0]
        return Edit(*source.span(statement), expression.substitute(source, statement, indexed(statement)))

    assert rewrite(text, change) == outcome


def test_substitute_adds_parentheses_only_where_they_are_needed() -> None:
    source = Source("y = a * b + f(a)[a]", "a.py")
    value = source.parse().body[0].value  # type: ignore[attr-defined]
    names: dict[ast.AST, str] = {
        node: "p + q" for node in ast.walk(value) if isinstance(node, ast.Name) and node.id == "a"
    }
    assert expression.substitute(source, value, names) == "(p + q) * b + f(p + q)[p + q]"
    value = source.parse().body[0].value.right  # type: ignore[attr-defined]
    assert expression.substitute(source, value, {value: "p + q"}) == "p + q"


def test_substitute_refuses_what_it_cannot_find() -> None:
    source = Source("y = a[b]; z = a", "a.py")
    first, second = source.parse().body
    with pytest.raises(Refused, match="not part"):
        expression.substitute(source, first, {second.value: "c"})  # type: ignore[attr-defined]
    subscript = first.value  # type: ignore[attr-defined]
    with pytest.raises(Refused, match="overlap"):
        expression.substitute(source, first, {subscript: "c", subscript.slice: "d"})
