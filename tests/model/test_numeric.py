"""What is plain to see about the numbers that an expression gives."""

from __future__ import annotations

import ast

import pytest

from mlint.model import numeric
from mlint.model.file import FileModel
from mlint.source import Source

HEADER = "import math\nimport numpy as np\nimport torch\n\ndef f(x, y):\n"


def last(body: str) -> tuple[FileModel, ast.expr]:
    """The model of a function, and the value that its last line returns."""
    source = Source.from_bytes((HEADER + "".join(f"    {line}\n" for line in body.split("; "))).encode(), "example.py")
    module = source.parse()
    function = module.body[-1]
    assert isinstance(function, ast.FunctionDef)
    statement = function.body[-1]
    assert isinstance(statement, ast.Return)
    assert statement.value is not None
    return FileModel(source, module), statement.value


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return x / y", True),
        ("return x * 0.5", True),
        ("return np.exp(x)", True),
        ("return np.abs(np.random.rand(3))", True),
        ("z = x / 2; return z", True),
        ("return np.asarray(x).astype(np.float32)", True),
        ("return x", False),
        ("return x + 1", False),
        ("return np.arange(3)", False),
        ("return np.zeros(3, dtype=np.uint8)", False),
        ("return len(x)", False),
        ("return np.asarray(x).astype(np.int8)", False),
    ],
)
def test_floating(body: str, expected: bool) -> None:
    assert numeric.is_floating(*last(body)) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return len(x)", True),
        ("return x > 0", True),
        ("return ~x", True),
        ("return x", False),
        ("return x / 2", False),
    ],
)
def test_whole(body: str, expected: bool) -> None:
    assert numeric.is_whole(*last(body)) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return -np.abs(x)", True),
        ("return -x.abs()", True),
        ("return -(x ** 2) / y", True),
        ("z = -torch.abs(x); return z", True),
        ("return np.minimum(x, 0)", True),
        ("return x - x.max()", True),
        ("return -x", False),
        ("return -(x ** 3)", False),
        ("return np.abs(x)", False),
    ],
)
def test_never_positive(body: str, expected: bool) -> None:
    assert numeric.is_never_positive(*last(body)) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return x - x.max(axis=1)", True),
        ("m = np.max(x); return x - m", True),
        ("m, _ = torch.max(x, 1); return x - m", True),
        ("x = x - x.max(); return x", True),
        ("x -= np.max(x); return x", True),
        ("return y * (x - x.max())", True),
        ("return x - x.mean()", False),
        ("return x", False),
        ("return x - y", False),
    ],
)
def test_shifted(body: str, expected: bool) -> None:
    assert numeric.is_shifted(*last(body)) is expected
