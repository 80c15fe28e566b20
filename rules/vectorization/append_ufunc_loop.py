from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import (
    APPEND,
    FUNCTIONS,
    Context,
    Edit,
    Example,
    Finding,
    Lifted,
    Loop,
    Node,
    NotElementwise,
    Place,
    Rule,
    Safety,
    walk,
)

NUMPY = "import numpy as np\n"
ARRAYS = NUMPY + "a = np.random.normal(size=100)\nb = np.random.normal(size=100)\n"
_ARRAYS = frozenset({"numpy.array", "numpy.asarray"})


class AppendUfuncLoop(Rule):
    """A list of results of one expression for each array element is one array expression.

    ## Why
    The loop or comprehension boxes each element, calls the operator or ufunc for one number and keeps a Python object
    of some 30 bytes for each result. The array expression computes all of them in one pass and keeps 8 bytes each.

    ## Fix safety
    Safe for one-dimensional arrays of proven dtype whose operators and ufuncs give the same bits for an array as for
    its elements; `list(…)` of an array has the same NumPy numbers as elements. Unsafe for `**` and functions of `math`,
    where `np.array` of an empty list would have been float64 and the array expression is of another dtype, where
    `np.array` is told a `dtype` that is no floating point, and where a list of the module or a class becomes an array.

    ## References
    - NumPy user guide, "Universal functions (ufunc) basics".
    """

    code, name = "ML104", "append-ufunc-loop"
    libraries = ("numpy",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Loop(APPEND), Node(ast.ListComp),)
    examples = (
        Example(
            given=ARRAYS,
            bad="out = []\nfor x in a:\n    out.append(np.sqrt(np.abs(x)) * 2)",
            good="out = list(np.sqrt(np.abs(a)) * 2)",
            equal="out",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="out = []\nfor i in range(len(a)):\n    out.append(a[i] - b[i])\nout = np.array(out)\nprint(out.sum())",
            good="out = a - b\nprint(out.sum())",
            equal="out",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad=(
                "def f():\n    rows = []\n    for x in np.linspace(0, 1, 50):\n        rows.append(np.exp(x))\n"
                "    return np.asarray(rows)\nresult = f()"
            ),
            good="def f():\n    rows = np.exp(np.linspace(0, 1, 50))\n    return np.asarray(rows)\nresult = f()",
            equal="result",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="rows = []\nfor x in a:\n    rows.append(np.exp(x))\nprint(1)\nresult = np.asarray(rows).sum()",
            good="rows = np.exp(a)\nprint(1)\nresult = np.asarray(rows).sum()",
            equal="result",
            safety="unsafe",
        ),
        Example(
            given=ARRAYS,
            bad="y = np.array([np.exp(-x) for x in a])",
            good="y = np.exp(-a)",
            equal="y",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="y = np.asarray([1 / (1 + np.exp(-x)) for x in a])",
            good="y = 1 / (1 + np.exp(-a))",
            equal="y",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="y = np.array([x * i for i, x in enumerate(a)], dtype=np.float32)",
            good="y = np.array(a * np.arange(len(a)), dtype=np.float32)",
            equal="y",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="values = [a[i] + b[i] for i in range(len(a))]",
            good="values = list(a + b)",
            equal="values",
            safety="safe",
        ),
        Example(
            given=ARRAYS + "import math\n",
            bad="y = [math.tanh(x) for x in a]",
            good="y = list(np.tanh(a))",
            equal="y",
            close=True,
            safety="unsafe",
        ),
        Example(
            given=NUMPY + "k = np.random.randint(1, 9, size=50)\n",
            bad="y = np.array([x * 2 for x in k if True or x]) if False else np.array([x * 2 for x in k])",
            good="y = np.array([x * 2 for x in k if True or x]) if False else k * 2",
            equal="y",
            safety="safe",
            note="fifty elements: it cannot be empty",
        ),
        Example(
            given=NUMPY,
            bad="def double(k: np.ndarray):\n    return np.array([x * 2 for x in k])\ny = double(np.arange(5))",
            good="def double(k: np.ndarray):\n    return k * 2\ny = double(np.arange(5))",
            equal="y",
            safety="unsafe",
        ),
        Example(
            given=ARRAYS,
            bad="out = []\nfor x in a:\n    out.append(x * 2)\ny = np.array(out)",
            good="y = a * 2",
            equal="y",
            safety="unsafe",
            note="`out` of the module is no list any more",
        ),
        Example(
            given=ARRAYS,
            bad="y = np.array([x > 0 for x in a], dtype=object)",
            good="y = np.array(a > 0, dtype=object)",
            equal="y.shape",
            safety="unsafe",
            note="the elements would be Python's truth values, and not NumPy's",
        ),
        Example(given=ARRAYS, ok="y = [x * 2 for x in a if x > 0]"),
        Example(given=ARRAYS, ok="y = [x * 2 for x in list(a)]"),
        Example(given=ARRAYS, ok="y = [x * 2 for x in range(100)]", note="no array in sight"),
        Example(given=ARRAYS, ok="y = [float(x) for x in a]"),
        Example(given=ARRAYS, ok="def f(x):\n    return [x == k for k in a]", note="x may be an array"),
        Example(given=ARRAYS, ok="y = [x * b for x in a]", note="an array for each element"),
        Example(given=ARRAYS, ok="y = [x for x in a]", note="nothing is computed"),
        Example(given=ARRAYS, ok="y = [str(x) + '!' for x in a]"),
        Example(given=ARRAYS, ok="y = []\nfor x in a:\n    y.append(x * 2)\n    print(y)"),
        Example(given=ARRAYS, ok="y = [1.0]\nfor x in a:\n    y.append(x + y[-1])", note="a recurrence"),
        Example(
            given=ARRAYS, ok="y = [0.0]\nfor x in a:\n    y.append(x * 2)", note="there is something in it already"
        ),
        Example(given=ARRAYS, ok="def f(g):\n    return [g(x) for x in a]"),
        Example(given=ARRAYS, ok="y = [a * s for s in (1, 2, 3)]", note="whole arrays"),
        Example(given="import numpy as np\nimport torch\nt = torch.rand(9)\n", ok="y = [x * 2 for x in t]"),
        Example(given=ARRAYS, ok="y = [(x, x * 2) for x in a]"),
        Example(
            given="import numpy as np\nn = 1000\na = np.random.normal(size=n)\nb = np.random.normal(size=n)\n",
            bad="out = []\nfor x in a:\n    out.append(np.exp(-x))\nout = np.array(out)",
            good="out = np.exp(-a)",
            equal="out",
            close=True,
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if isinstance(node, ast.ListComp):
            yield from self._comprehension(node, ctx)
        elif isinstance(node, ast.For):
            yield from self._loop(node, ctx)

    def _comprehension(self, node: ast.ListComp, ctx: Context) -> Iterator[Finding]:
        generator = node.generators[0]
        if len(node.generators) != 1 or generator.ifs or generator.is_async or isinstance(node.elt, ast.Name):
            return
        if not _may_compute(node.elt, generator.iter) or not ctx.elementwise.plausible(node.elt):
            return
        axis = ctx.model.counted.axis(generator.target, generator.iter)
        if axis is None or axis.short or ctx.flow.compiled(node):
            return
        try:
            lifted = ctx.elementwise.lift(node.elt, (axis,))
        except NotElementwise:
            return
        if not _computes(lifted):
            return
        value = ctx.substituted(node.elt, lifted.replacements)
        call = ctx.tree.parent(node)
        safety = _safety(lifted)
        fix = None
        replaced: ast.expr = node
        text = f"list({value})"
        if isinstance(call, ast.Call) and ctx.dotted(call.func) in _ARRAYS and call.args[:1] == [node]:
            text = str(value)
            if any(k.arg == "dtype" and ctx.dotted(k.value) not in _FLOATS for k in call.keywords):
                safety = Safety.UNSAFE  # objects and texts are made of NumPy's numbers in another way than of an array
            if len(call.args) == 1 and not call.keywords:
                replaced = call
                never_empty = axis.stop is not None and axis.stop.base is None
                if lifted.dtype != "float64" and not never_empty:
                    safety = Safety.UNSAFE
        if value is not None and not lifted.obstacles:
            new = text

            def build() -> list[Edit]:
                return [ctx.edits.replace(replaced, "$value", value=new)]

            fix = ctx.fix(build, safety, f"Replace by `{text}`")
        yield ctx.finding(node, self._message(lifted, ctx), f"use `{text}`" if value is not None else "", fix)

    def _loop(self, node: ast.For, ctx: Context) -> Iterator[Finding]:
        appended = _appended(node.body[0]) if len(node.body) == 1 else None
        if appended is None or not _may_compute(appended[1], node.iter):
            return
        single = ctx.elementwise.single(node)
        if single is None:
            return
        nest, _ = single
        name, value = appended
        start = self._start(node, name, ctx)
        if start is None or ctx.elementwise.mentions(value, name):
            return
        try:
            lifted = ctx.elementwise.lift(value, nest.axes)
        except NotElementwise:
            return
        if not _computes(lifted):
            return
        text = ctx.substituted(value, lifted.replacements)
        uses = [
            use
            for use in ctx.flow.uses_after(name.id, node)
            if any(binding.node is start for binding in ctx.reaching.of(use) or ())
        ]
        safety = _safety(lifted)
        as_array = len(uses) == 1 and self._made_array(uses[0], ctx)
        if as_array and not (_rebound(uses[0], ctx) or self._is_local(name, ctx)):
            safety = Safety.UNSAFE  # whoever else reads the name would find an array and no list
        if as_array:
            length = nest.axes[0].stop
            if lifted.dtype != "float64" and not (length is not None and length.base is None):
                safety = Safety.UNSAFE
        new = f"{name.id} = {text}" if as_array else f"{name.id} = list({text})"
        replaced: list[ast.stmt] = [node]
        made = ctx.tree.statement(uses[0]) if as_array else None
        if (
            isinstance(made, ast.Assign)
            and made.value is ctx.tree.parent(uses[0])
            and made in ctx.tree.following(node)[:1]
        ):
            new = " = ".join([*(ctx.text(target) for target in made.targets), str(text)])
            replaced.append(made)

        def build() -> list[Edit]:
            block = ctx.tree.block(node)
            if block[block.index(node) - 1] is start:
                return [ctx.edits.replace_statements([start, *replaced], new)]
            return [*ctx.edits.delete([start]), ctx.edits.replace_statements(replaced, new)]

        written = new if text is not None else None
        fix = ctx.loop_fix(nest, written, lifted.obstacles, safe=safety is Safety.SAFE, build=build)
        yield ctx.finding(node, self._message(lifted, ctx), f"use `{new}`" if text is not None else "", fix)

    def _message(self, lifted: Lifted, ctx: Context) -> str:
        array = next(operand.array for operand in lifted.operands if operand.pattern != ("whole",))
        return f"`{ctx.short(lifted.node)}` is computed for each element of `{ctx.short(array)}` in the interpreter"

    def _start(self, loop: ast.For, name: ast.Name, ctx: Context) -> ast.Assign | None:
        """The statement that made the empty list, if nothing has used the list since."""
        bindings = ctx.reaching.at(loop, name.id)
        if len(bindings) != 1 or bindings[0].how != "assign" or bindings[0].path:
            return None
        start = bindings[0].node
        if not isinstance(start, ast.Assign) or len(start.targets) != 1:
            return None
        empty = isinstance(start.value, ast.List) and not start.value.elts
        block = ctx.tree.block(loop)
        if not empty or start not in block:
            return None
        between = block[block.index(start) + 1 : block.index(loop)]
        if ctx.flow.reads(name.id, between) or any(isinstance(s, FUNCTIONS) for s in between):
            return None
        return start

    def _is_local(self, name: ast.Name, ctx: Context) -> bool:
        """Whether nobody outside the function can read a name."""
        found = ctx.names.lookup(name)
        return (
            found is not None
            and isinstance(found[0], FUNCTIONS)
            and not any(binding.how in ("global", "nonlocal") for binding in found[1])
        )

    def _made_array(self, use: ast.Name, ctx: Context) -> bool:
        call = ctx.tree.parent(use)
        return (
            isinstance(call, ast.Call) and call.args == [use] and not call.keywords and ctx.dotted(call.func) in _ARRAYS
        )


_FLOATS = frozenset({"float", "numpy.float64", "numpy.float32", "numpy.double", "numpy.float16"})


def _may_compute(node: ast.expr, iterated: ast.expr) -> bool:
    """Whether an expression has an operation or a call of a function in a module, and, where the loop goes over a
    range, an element of something: a look that infers nothing.
    """
    counts = isinstance(iterated, ast.Call) and isinstance(iterated.func, ast.Name) and iterated.func.id == "range"
    if counts and not any(isinstance(part, ast.Subscript) for part in walk(node)):
        return False
    return any(
        isinstance(part, (ast.BinOp, ast.UnaryOp, ast.Compare))
        or (isinstance(part, ast.Call) and not (isinstance(part.func, ast.Name) and part.func.id in _MAKING))
        for part in walk(node)
    )


_MAKING = frozenset({"int", "float", "bool", "str", "len", "tuple", "list"})


def _computes(lifted: Lifted) -> bool:
    """Whether something is computed from elements of arrays."""
    places = any(isinstance(part, Place) for operand in lifted.operands for part in operand.pattern)
    if lifted.wholes or lifted.unproven or (not lifted.scalar and len(set(lifted.rests)) > 1):
        return False
    return places and lifted.operations > 0


def _safety(lifted: Lifted) -> Safety:
    return Safety.UNSAFE if lifted.doubts or not lifted.scalar or lifted.dtype is None else Safety.SAFE


def _rebound(use: ast.Name, ctx: Context) -> bool:
    """Whether the array takes the name of the list: `out = np.array(out)`."""
    statement = ctx.tree.statement(use)
    return isinstance(statement, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == use.id for target in statement.targets
    )


def _appended(statement: ast.stmt) -> tuple[ast.Name, ast.expr] | None:
    """`out.append(E)`: the list and E."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return None
    call = statement.value
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "append" or call.keywords or len(call.args) != 1:
        return None
    name = call.func.value
    return (name, call.args[0]) if isinstance(name, ast.Name) else None
