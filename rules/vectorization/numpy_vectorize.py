from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping

from mlint.rule import (
    FUNCTIONS,
    MATH,
    NDARRAY,
    Columns,
    Context,
    Edit,
    Example,
    Finding,
    Fix,
    NotColumnar,
    Reference,
    Rule,
    Safety,
    arms,
    walk,
)

_OBJECTS = frozenset("object numpy.object_ str numpy.str_ bytes numpy.bytes_".split())
_REFUSED = frozenset("len str round bool".split())
"""Functions of one value for which arrays have nothing alike, or that speak of texts."""
_ATOMS = (ast.Name, ast.Attribute, ast.Constant, ast.Subscript)

ARRAYS = "import math\nimport numpy as np\na = np.random.normal(size=50)\nb = np.random.normal(size=50)\n"


class NumpyVectorize(Rule):
    """`np.vectorize` of a function that could take the array itself.

    ## Why
    `np.vectorize` calls the Python function once for each element. NumPy's documentation: it "is provided primarily for
    convenience, not for performance. The implementation is essentially a for loop."

    Reported are lambdas and functions of the file that only choose and return, made of arithmetic, comparisons,
    conditions, NumPy's elementwise functions and those of `math`, and functions of `math` themselves.

    ## Fix safety
    Unsafe: `np.vectorize` takes the dtype of its result from the first element, and raises for an empty array; both
    arms of a condition are computed for every element; functions of `math` raise where NumPy's give NaN.

    ## When to ignore
    The arrays are small and the function reads better.

    ## References
    - NumPy documentation, `numpy.vectorize`.
    """

    code, name = "ML118", "numpy-vectorize"
    libraries = ("numpy",)
    safety = Safety.UNSAFE
    triggers = (Reference("numpy.vectorize", "numpy.frompyfunc"),)
    examples = (
        Example(
            given=ARRAYS,
            bad="y = np.vectorize(lambda v: v * 2 + 1)(a)",
            good="y = a * 2 + 1",
            equal="y",
        ),
        Example(
            given=ARRAYS,
            bad="relu = np.vectorize(lambda v: v if v > 0 else 0.0)\ny = relu(a)\nz = relu(b)",
            good="relu = lambda v: np.where(v > 0, v, 0.0)\ny = relu(a)\nz = relu(b)",
            equal="y, z",
        ),
        Example(
            given=ARRAYS,
            bad="y = np.vectorize(lambda p, q: max(p, q) - math.exp(-abs(p)))(a, b)",
            good="y = np.maximum(a, b) - np.exp(-abs(a))",
            equal="y",
            close=True,
        ),
        Example(
            given=ARRAYS,
            bad="def scaled(v):\n    return v / (1 + np.abs(v))\n\n\ny = np.vectorize(scaled)(a)",
            good="def scaled(v):\n    return v / (1 + np.abs(v))\n\n\ny = scaled(a)",
            equal="y",
        ),
        Example(
            given=ARRAYS,
            bad="y = np.vectorize(math.tanh)(a)",
            good="y = np.tanh(a)",
            equal="y",
            close=True,
        ),
        Example(
            bad=(
                "import math\nfrom numpy import vectorize\n\n\n@vectorize\ndef act(v):\n"
                "    if v < 0:\n        return 0.0\n    return math.sqrt(v)\n"
            ),
            note="a decorator: who calls it may give it a list",
        ),
        Example(
            bad="import numpy as np\n\n\n@np.vectorize(otypes=[float])\ndef half(v):\n    return v / 2\n",
        ),
        Example(
            bad="import numpy as np\n\n\ndef f(values):\n    return np.vectorize(lambda v: v + 1)(values)\n",
            note="a list has no `+ 1`: no fix",
        ),
        Example(
            given=ARRAYS,
            bad="y = np.vectorize(lambda v: v ** 2, otypes=[np.float32])(a)",
            note="the dtype is asked for: no fix",
        ),
        Example(
            given=ARRAYS,
            bad="double = np.frompyfunc(lambda v: v * 2, 1, 1)\ny = double(a)",
            note="an array of objects: no fix",
        ),
        Example(given=ARRAYS, ok="table = {0: 'a', 1: 'b'}\ny = np.vectorize(lambda v: table[v])(np.arange(2))"),
        Example(given=ARRAYS, ok="table = {0: 'a', 1: 'b'}\ny = np.vectorize(table.get)(np.arange(2))"),
        Example(given=ARRAYS, ok="y = np.vectorize(lambda s: s.upper())(np.array(['a']))"),
        Example(given=ARRAYS, ok="y = np.vectorize(len)(np.array(['a']))"),
        Example(given=ARRAYS, ok="y = np.vectorize(lambda s: len(s) + 1)(np.array(['a']))"),
        Example(given=ARRAYS, ok="y = np.vectorize(lambda v: 'high' if v > 1 else 'low')(a)", note="labels"),
        Example(given=ARRAYS, ok="f = np.vectorize(lambda v, w: v @ w, signature='(n),(n)->()')"),
        Example(given=ARRAYS, ok="f = np.vectorize(lambda v: v + 1, otypes=[object])"),
        Example(given=ARRAYS, ok="f = np.vectorize(lambda v: v + 1, otypes='O')"),
        Example(given=ARRAYS, ok="f = np.vectorize(lambda v, k: v * k[0], excluded=['k'])"),
        Example(given=ARRAYS, ok="def f(g):\n    return np.vectorize(g)(a)"),
        Example(given=ARRAYS, ok="def f(g):\n    return np.vectorize(lambda v: g(v) + 1)(a)"),
        Example(
            given=ARRAYS,
            ok="def draw(v):\n    return v + np.random.normal()\n\n\ny = np.vectorize(draw)(a)",
            note="a number of its own for each",
        ),
        Example(
            given=ARRAYS,
            ok="def show(v):\n    print(v)\n    return v * 2\n\n\ny = np.vectorize(show)(a)",
        ),
        Example(
            given=ARRAYS,
            ok="def collatz(n):\n    k = 0\n    while n != 1:\n        n = n // 2 if n % 2 == 0 else 3 * n + 1\n"
            "        k += 1\n    return k\n\n\ny = np.vectorize(collatz)(np.arange(1, 9))",
        ),
        Example(given=ARRAYS, ok="y = np.vectorize(lambda v: round(v, 2))(a)"),
        Example(given=ARRAYS, ok="y = np.vectorize(lambda v: 1.0)(a)", note="nothing is computed"),
        Example(
            given="import numpy as np\nn = 1000\na = np.random.normal(size=n)\n",
            bad="y = np.vectorize(lambda v: v * v if v > 0 else 0.0)(a)",
            good="y = np.where(a > 0, a * a, 0.0)",
            equal="y",
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if not isinstance(node, (ast.Attribute, ast.Name)) or ctx.flow.compiled(node):
            return
        made = ctx.tree.parent(node)
        if isinstance(made, FUNCTIONS) and node in made.decorator_list:
            yield from self._decorated(made, node, ctx)
        elif isinstance(made, ast.Call) and made.func is node and _is_plain(made, ctx):
            function = ctx.tree.parent(made)
            if isinstance(function, FUNCTIONS) and made in function.decorator_list:
                if not made.args:
                    yield from self._decorated(function, made, ctx)
            elif made.args:
                yield from self._called(made, ctx)

    def _decorated(self, function: ast.AST, node: ast.expr, ctx: Context) -> Iterator[Finding]:
        assert isinstance(function, FUNCTIONS)
        if len(function.decorator_list) == 1 and (whole := _lifted(function, {}, ctx)) is not None:
            message = f"`{function.name}` is called once for each element of an array"
            yield ctx.finding(node, message, f"let it take the array: `{whole.text}`")

    def _called(self, made: ast.Call, ctx: Context) -> Iterator[Finding]:
        function = _function(made.args[0], ctx)
        if function is None:
            return
        whole = _lifted(function, {}, ctx)
        if whole is None:
            return
        message = f"`{ctx.short(made.args[0])}` is called once for each element of an array"
        plain = not made.keywords and ctx.dotted(made.func) == "numpy.vectorize"
        fix = _fix(made, function, whole, ctx) if plain else None
        yield ctx.finding(made, message, f"let it take the array: `{whole.text}`", fix)


class _Whole:
    """A function of one element as an expression of arrays: its text, and the imports that it needs."""

    def __init__(self, text: str, imports: list[str], chooses: bool) -> None:
        self.text = text
        self.imports = imports
        self.chooses = chooses


def _is_plain(made: ast.Call, ctx: Context) -> bool:
    """Whether a call of `np.vectorize` asks for nothing but a dtype of numbers."""
    if any(isinstance(argument, ast.Starred) for argument in made.args):
        return False
    for keyword in made.keywords:
        if keyword.arg != "otypes":
            return False
        types = keyword.value.elts if isinstance(keyword.value, (ast.List, ast.Tuple)) else [keyword.value]
        for kind in types:
            if isinstance(kind, ast.Constant):
                if not isinstance(kind.value, str) or set(kind.value) & set("OSU"):
                    return False
            elif ctx.dotted(kind) in _OBJECTS or ctx.dotted(kind) is None:
                return False
    return True


def _function(node: ast.expr, ctx: Context) -> ast.AST | None:
    """What is called for each element: a lambda, a function of the file, or the name of a function of `math`."""
    if isinstance(node, ast.Lambda):
        return node
    if (ctx.dotted(node) or "").startswith("math."):
        return node
    function = ctx.kinds.local_function(node) if isinstance(node, ast.Name) else None
    return function if isinstance(function, FUNCTIONS) and not function.decorator_list else None


def _lifted(function: ast.AST, given: Mapping[str, str], ctx: Context) -> _Whole | None:
    """A function as an expression of arrays, with the given texts for its parameters."""
    if isinstance(function, (ast.Attribute, ast.Name)):
        name = (ctx.dotted(function) or "").rpartition(".")[2]
        if name not in MATH or name in ("floor", "ceil", "trunc"):
            return None
        text, statement = ctx.names.spell(MATH[name], function)
        return _Whole(f"{text}({given.get('x', 'x')})", [] if statement is None else [statement], chooses=False)
    if not isinstance(function, (ast.Lambda, *FUNCTIONS)):
        return None
    arguments = function.args
    others = (arguments.kwonlyargs, arguments.vararg, arguments.kwarg, arguments.defaults)
    if any(others) or not arguments.args or isinstance(function, ast.AsyncFunctionDef):
        return None
    parameters = {argument.arg: given.get(argument.arg, argument.arg) for argument in arguments.args}
    found = ([], function.body) if isinstance(function, ast.Lambda) else arms(function.body)
    return None if found is None else _expression(found[0], found[1], parameters, ctx)


def _expression(
    branches: list[tuple[ast.expr, ast.expr]], last: ast.expr, parameters: Mapping[str, str], ctx: Context
) -> _Whole | None:
    for part in [part for branch in branches for part in branch] + [last]:
        if not _is_numeric(part, ctx):
            return None

    columns = Columns(ctx.model, last, _reader(parameters), frozenset(parameters))
    try:
        final = columns.lift(last)
        for test, value in reversed(branches):
            final = columns.choose(columns.condition(test), columns.lift(value), final)
    except NotColumnar:
        return None
    computes = final.varies and not final.read
    return _Whole(final.text, columns.imports, final.bare) if computes else None


def _reader(parameters: Mapping[str, str]) -> Callable[[ast.AST], str | None]:
    def read(node: ast.AST) -> str | None:
        return parameters.get(node.id) if isinstance(node, ast.Name) else None

    return read


def _is_numeric(node: ast.expr, ctx: Context) -> bool:
    """Whether an expression has nothing of texts, of objects with methods, or of what an array has no word for."""
    for inner in walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, (str, bytes)):
            return False
        if isinstance(inner, ast.Compare) and any(isinstance(op, (ast.In, ast.NotIn)) for op in inner.ops):
            return False
        if isinstance(inner, ast.Call):
            dotted = ctx.dotted(inner.func)
            if dotted is None or dotted in _REFUSED:
                return False
    return True


def _fix(made: ast.Call, function: ast.AST, whole: _Whole, ctx: Context) -> Fix | None:
    """The fix for a function that is only called with arrays."""
    parent = ctx.tree.parent(made)
    if isinstance(parent, ast.Call) and parent.func is made:
        return _inlined(parent, made, function, whole, ctx)
    if not isinstance(function, ast.Lambda) or not isinstance(parent, ast.Assign) or len(parent.targets) != 1:
        return None
    target = parent.targets[0]
    if not isinstance(target, ast.Name) or ctx.looked_up(parent, target.id):
        return None
    for inner in walk(ctx.tree.module):
        if isinstance(inner, ast.Name) and inner.id == target.id and inner is not target:
            call = ctx.tree.parent(inner)
            if not isinstance(call, ast.Call) or call.func is not inner or not _takes_arrays(call, ctx):
                return None
    new = f"lambda {ctx.text(function).partition(':')[0].removeprefix('lambda').strip()}: {whole.text}"

    def build() -> list[Edit]:
        return [ctx.edits.replace(made, new), *ctx.edits.imports(whole.imports)]

    return ctx.fix(build, Safety.UNSAFE, f"Replace by `{new}`")


def _takes_arrays(call: ast.Call, ctx: Context) -> bool:
    """Whether a call is given arrays of numbers, and nothing else."""
    return bool(call.args) and not call.keywords and all(ctx.is_a(argument, NDARRAY) for argument in call.args)


def _inlined(call: ast.Call, made: ast.Call, function: ast.AST, whole: _Whole, ctx: Context) -> Fix | None:
    if not _takes_arrays(call, ctx):
        return None
    if isinstance(function, FUNCTIONS):
        body = arms(function.body)
        if whole.chooses or whole.imports or body is None or whole.text != " ".join(ctx.text(body[1]).split()):
            return None  # the function itself cannot take an array
        new = f"{ctx.text(made.args[0])}({', '.join(ctx.text(argument) for argument in call.args)})"
        imports: list[str] = []
    else:
        names = [argument.arg for argument in function.args.args] if isinstance(function, ast.Lambda) else ["x"]
        if len(names) != len(call.args) or not all(isinstance(argument, _ATOMS) for argument in call.args):
            return None
        given = {name: ctx.text(argument) for name, argument in zip(names, call.args)}
        inside = _lifted(function, given, ctx)
        if inside is None:
            return None
        new, imports = inside.text, inside.imports

    def build() -> list[Edit]:
        return [ctx.edits.replace(call, new), *ctx.edits.imports(imports)]

    return ctx.fix(build, Safety.UNSAFE, f"Replace by `{new}`")
