"""Gradient tapes, and what is done with them."""

from __future__ import annotations

import ast

import pytest

from mlint.model.tapes import Tape, nested, tape_of, unwatched
from mlint.model.tree import walk
from tests.model.reading import marked, model_of


def tape(code: str) -> Tape | None:
    """The first tape of a program."""
    model = model_of(f"import tensorflow as tf\n{code}\n")
    call = next(
        node
        for node in walk(model.module)
        if isinstance(node, ast.Call) and model.names.dotted(node.func) == "tensorflow.GradientTape"
    )
    return tape_of(model, call)


WITH = "with tf.GradientTape(persistent=True) as t:\n    y = f(x)\n"


def test_what_is_asked() -> None:
    found = tape(WITH + "    t.watch(x)\na = t.gradient(y, x)\nb = t.jacobian(y, x)\ndel t")
    assert found is not None
    assert found.persistent
    assert [call.func.attr for call in found.asked if isinstance(call.func, ast.Attribute)] == ["gradient", "jacobian"]
    assert len(found.others) == 1
    assert isinstance(found.deletion, ast.Delete)


@pytest.mark.parametrize(
    "code",
    [
        WITH + "use(t)",
        WITH + "keep = t",
        WITH + "box.tape = t",
        WITH + "later(lambda: t)",
        WITH + "def late():\n    return t.gradient(y, x)",
        "with tf.GradientTape(**options) as t:\n    y = f(x)\nt.gradient(y, x)",
        "with tf.GradientTape(persistent=many) as t:\n    y = f(x)\nt.gradient(y, x)",
        "t = tf.GradientTape()\nwith t:\n    y = f(x)\nt.gradient(y, x)",
        "if c:\n    with tf.GradientTape() as t:\n        y = f(x)\nelse:\n    t = other\nt.gradient(y, x)",
    ],
)
def test_tapes_that_others_may_use(code: str) -> None:
    assert tape(code) is None


@pytest.mark.parametrize(
    ("code", "missed"),
    [
        ("x = tf.constant(1.0)\nwith tf.GradientTape() as t:\n    y = f(x)\nt.gradient(y, here(x))", True),
        ("a, x = 1, tf.constant(1.0)\nwith tf.GradientTape() as t:\n    y = f(x)\nt.gradient(y, here(x))", True),
        ("x = tf.Variable(1.0)\nwith tf.GradientTape() as t:\n    y = f(x)\nt.gradient(y, here(x))", False),
        (
            "x = tf.constant(1.0)\nwith tf.GradientTape() as t:\n    t.watch(x)\n    y = f(x)\nt.gradient(y, here(x))",
            False,
        ),
        ("with tf.GradientTape() as t:\n    x = tf.constant(v)\n    y = f(x)\nt.gradient(y, here(x))", False),
        (
            "x = tf.ones(3)\nif c:\n    x = v\nwith tf.GradientTape() as t:\n    y = f(x)\nt.gradient(y, here(x))",
            False,
        ),
    ],
)
def test_what_no_tape_watches(code: str, missed: bool) -> None:
    model = model_of(f"import tensorflow as tf\n{code}\n")
    call = next(
        node
        for node in walk(model.module)
        if isinstance(node, ast.Call) and model.names.dotted(node.func) == "tensorflow.GradientTape"
    )
    found = tape_of(model, call)
    assert found is not None
    assert unwatched(model, found, marked(model)) is missed


def test_nested_tapes() -> None:
    code = (
        "with tf.GradientTape() as a:\n    with tf.GradientTape() as b:\n        y = f(x)\n    g = b.gradient(y, x)\n"
    )
    model = model_of(f"import tensorflow as tf\n{code}")
    calls = [
        node
        for node in walk(model.module)
        if isinstance(node, ast.Call) and model.names.dotted(node.func) == "tensorflow.GradientTape"
    ]
    for call in calls:
        found = tape_of(model, call)
        assert found is not None
        assert nested(model, found)
