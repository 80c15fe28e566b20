"""Lengths, dtypes and loops as array expressions: what is proven, and what is refused for which reason."""

from __future__ import annotations

import ast

import pytest

from mlint.model.file import FileModel
from mlint.model.loops import dtypes
from mlint.model.loops.elementwise import Elementwise, NotElementwise
from mlint.model.loops.lengths import Length
from mlint.source import Source

ARRAYS = "import numpy as np\na = np.random.normal(size=50)\nb = np.zeros_like(a)\nX = np.zeros((20, 30))\n"


def read(code: str) -> FileModel:
    source = Source.from_bytes((ARRAYS + code).encode(), "example.py")
    return FileModel(source, source.parse())


def last(model: FileModel) -> ast.expr:
    statement = model.module.body[-1]
    assert isinstance(statement, ast.Expr)
    return statement.value


@pytest.mark.parametrize(
    ("code", "length"),
    [
        ("len(a)", 50),
        ("a.shape[0]", 50),
        ("a.size", 50),
        ("n = len(b)\nn", 50),
        ("n, m = X.shape\nm", 30),
        ("n, m = X.shape\nn - 1", 19),
        ("len(X.T)", 30),
        ("len(X[:, 3])", 20),
        ("len(X[3])", 30),
        ("len(np.sqrt(a) + 1)", 50),
        ("len(a.copy())", 50),
        ("len(np.arange(7))", 7),
        ("len(np.linspace(0, 1, 12))", 12),
        ("len(np.random.rand(9, 2))", 9),
        ("shape = (4, 5)\nlen(np.ones(shape))", 4),
    ],
)
def test_length(code: str, length: int) -> None:
    model = read(code)
    assert model.lengths.of(last(model)) == Length(None, length)


@pytest.mark.parametrize(
    "code",
    [
        "def f(x, y):\n    return len(x), len(y)",
        "def f(x):\n    n = len(x)\n    x = x[1:]\n    return n, len(x)",
        "def f(x, xs):\n    for x in xs:\n        n = len(x)\n    return n, len(x)",
        "def f(self):\n    n = len(self.x)\n    self.x = self.x[1:]\n    return n, len(self.x)",
    ],
)
def test_lengths_that_may_differ(code: str) -> None:
    model = read(code)
    returned = next(node for node in ast.walk(model.module) if isinstance(node, ast.Return)).value
    assert isinstance(returned, ast.Tuple)
    first, second = (model.lengths.of(element) for element in returned.elts)
    assert first is None or first != second


def test_what_range_was_given_is_no_shape() -> None:
    model = read("def f(n, m):\n    x = np.zeros(n)\n    y = np.zeros(m)\n    for i in range(n):\n        x[i] = y[i]")
    loop = next(node for node in ast.walk(model.module) if isinstance(node, ast.For))
    arrays = {node.id: node for node in ast.walk(loop) if isinstance(node, ast.Name)}
    assert model.lengths.dimensions(arrays["x"]) == 1
    assert model.lengths.dimensions(arrays["y"]) is None


def test_the_same_length() -> None:
    model = read("def f(x):\n    n = len(x)\n    y = np.empty_like(x)\n    return n, y.shape[0]")
    returned = next(node for node in ast.walk(model.module) if isinstance(node, ast.Return)).value
    assert isinstance(returned, ast.Tuple)
    first, second = (model.lengths.of(element) for element in returned.elts)
    assert first is not None
    assert first == second
    assert first.at_least_zero


REFUSED = {
    "for i in range(50):\n    a[i] = a[i - 1]": "wraps around",
    "for i in range(1, 50):\n    a[i] = a[i - 1]": "reads another element",
    "for i in range(50):\n    b[i] = a[i + 1]": "beyond the end",
    "for i in range(50):\n    b[i] = a[i] @ a[i]": "no elementwise operation",
    "for i in range(50):\n    b[i] = not a[i]": "truth of one value",
    "for i in range(50):\n    b[i] = 0 < a[i] < 1": "truth of one value",
    "for i in range(50):\n    b[i] = f(a[i])": "nothing is known",
    "for i in range(20):\n    b[i] = X[i]": "another number of dimensions",
    "for i in range(20):\n    X[i, i] = a[i]": "element of its own",
    "for i in range(50):\n    b[i] = X[i, i]": "diagonal",
    "for i in range(50):\n    b[0] = a[i]": "element of its own",
    "for i in range(50):\n    b[i] = a[49 - i]": "not the counter",
    "for i in range(50):\n    b[i] = a[i] / b.sum()": "reads another element",
    "c = a[1:]\nfor i in range(49):\n    a[i] = c[i]": "may be part of",
    "c = [1.0] * 50\nfor i in range(50):\n    b[i] = c[i]": "not proven to be an array",
    "for i in range(50):\n    b[i] = a[i] + 'x'": "no number",
    "for i in range(50):\n    b[i] = a[i] if a[i] > 0 else 1.0": "not arithmetic",
}


@pytest.mark.parametrize("code", REFUSED)
def test_refused(code: str) -> None:
    model = read(code)
    lift = Elementwise(model, scalars_as_arrays=True)
    loop = model.module.body[-1]
    assert isinstance(loop, ast.For)
    nest = model.counted.nest(loop)  # what `lift.nest` looks at after its own quick look
    assert nest is not None
    statement = nest.body[0]
    assert isinstance(statement, ast.Assign)
    with pytest.raises(NotElementwise, match=REFUSED[code]):
        lift.stored(lift.lift(statement.value, nest.axes), lift.target(statement.targets[0], nest.axes))


@pytest.mark.parametrize(
    "iterable", ["[1, 2, 3]", "range(50, 0, -1)", "reversed(a)", "tqdm(a)", "range(k, 50)", "range(3)"]
)
def test_no_nest(iterable: str) -> None:
    model = read(f"for i in {iterable}:\n    b[i] = 1")
    loop = model.module.body[-1]
    assert isinstance(loop, ast.For)
    assert Elementwise(model, scalars_as_arrays=True).nest(loop) is None


OPERATORS = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div, "//": ast.FloorDiv, "%": ast.Mod}
WEAK = {"~int": 3, "~float": 2.5}
NAMES = ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "bool")


@pytest.mark.parametrize("symbol", OPERATORS)
@pytest.mark.parametrize("second", (*NAMES, *WEAK))
@pytest.mark.parametrize("first", NAMES)
def test_dtypes_are_those_of_numpy(first: str, second: str, symbol: str) -> None:
    np = pytest.importorskip("numpy")
    """What is said to be known is what NumPy does, for scalars and for arrays."""
    expected = dtypes.combined(first, second, OPERATORS[symbol]())
    if expected is None or expected.startswith("~"):
        return
    scalar = np.ones(1, first)[0]
    other = WEAK.get(second, np.ones(1, second)[0] if second not in WEAK else None)
    array_other = WEAK[second] if second in WEAK else np.ones(1, second)
    operate = eval(f"lambda x, y: x {symbol} y")
    if symbol in ("-", "//", "%") and "bool" in (first, second):
        return  # NumPy has no such operator for some of these
    assert operate(scalar, other).dtype == expected
    assert operate(np.ones(1, first), array_other).dtype == expected
