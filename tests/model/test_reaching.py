"""Which definitions reach a use."""

from __future__ import annotations

import ast

import pytest

from tests.model.reading import marked, model_of


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("x = 1\nhere(x)", "1"),
        ("x = 1\nx = 2\nhere(x)", "2"),
        ("x = 1\nif c:\n    x = 2\nhere(x)", "1 2"),
        ("x = 1\nif c:\n    x = 2\nelse:\n    x = 3\nhere(x)", "2 3"),
        ("x = 1\nif c:\n    x = 2\n    here(x)", "2"),
        ("x = 1\nif c:\n    x = 2\nelse:\n    here(x)", "1"),
        ("x = 1\nif c:\n    x = 2\n    raise E\nhere(x)", "1"),
        ("x = 1\nfor i in y:\n    here(x)\n    x = 2", "1 2"),
        ("x = 1\nfor i in y:\n    x = 3\n    here(x)\n    x = 2", "3"),
        ("x = 1\nfor i in y:\n    x = 2\nhere(x)", "1 2"),
        ("x = 1\nwhile c:\n    x = 2\n    break\nhere(x)", "1 2"),
        ("for a in y:\n    for b in z:\n        here(x)\n    x = 5", "5"),
        ("try:\n    x = 1\nexcept E:\n    x = 2\nhere(x)", "1 2"),
        ("try:\n    x = 1\nexcept E:\n    raise\nhere(x)", "1"),
        ("x = 0\ntry:\n    x = 1\nfinally:\n    here(x)", "0 1"),
        ("x = 1\nwith c:\n    x = 2\nhere(x)", "2"),
        ("x = 1\ndef f():\n    here(x)\nx = 2", "1 2"),
        ("x = 1\ny = [here(x) for _ in z]", "1"),
        ("if (x := 1):\n    here(x)", "1"),
        ("def f(x):\n    x = 2\n    here(x)", "2"),
        ("while (x := 3):\n    here(x)", "3"),
        ("x = 1\nif c:\n    if d:\n        x = 2\n    else:\n        x = 3\n        return_ = 0\nhere(x)", "1 2 3"),
    ],
)
def test_reaching(code: str, values: str) -> None:
    model = model_of(code)
    name = marked(model)
    assert isinstance(name, ast.Name)
    found = model.reaching.of(name)
    assert found is not None
    assert sorted(ast.unparse(b.value) for b in found if b.value is not None) == sorted(values.split())


def test_a_parameter_reaches_until_it_is_bound_again() -> None:
    model = model_of("def f(x):\n    if c:\n        x = 2\n    here(x)")
    found = model.reaching.of(marked(model))  # type: ignore[arg-type]
    assert found is not None
    assert sorted(b.how for b in found) == ["assign", "parameter"]


def test_a_loop_target_reaches_its_body() -> None:
    model = model_of("x = 1\nfor x in y:\n    here(x)")
    found = model.reaching.of(marked(model))  # type: ignore[arg-type]
    assert found is not None
    assert [b.how for b in found] == ["for"]
