from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import CHOICE, Axis, Call, Context, Example, Finding, Lifted, Loop, NotElementwise, Place, Rule, Safety

ARRAYS = "import numpy as np\na = np.random.normal(size=100)\nb = np.random.normal(size=100)\n"


class BooleanReductionLoop(Rule):
    """Counting or testing a condition element by element is a comparison of the array and one reduction.

    ## Why
    Each element is boxed, compared and branched on in the interpreter. The comparison of the whole array makes a bool
    array in one pass, and `any`, `all`, `sum` and `count_nonzero` reduce it in another.

    ## Fix safety
    Safe for arrays of proven dtype and conditions made of comparisons and ufuncs: the result is the same value of the
    same type. The array form has no early exit, so that a hit at the front is no longer cheaper. Unsafe for conditions
    with functions of `math`, which may raise, where dimensions or dtypes are not proven, and for `sum` of what may be
    empty: the builtin then gives the Python int 0 and the method NumPy's.

    ## References
    - NumPy documentation, `numpy.count_nonzero`, `numpy.any`, `numpy.all`.
    """

    code, name = "ML116", "boolean-reduction-loop"
    libraries = ("numpy",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Loop(CHOICE), Call("any", "all", "sum"))
    examples = (
        Example(
            given=ARRAYS,
            bad="c = 0\nfor i in range(len(a)):\n    if a[i] > b[i]:\n        c += 1",
            good="c = 0\nc += int(np.count_nonzero(a > b))",
            equal="c",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="found = False\nfor x in a:\n    if x > 2:\n        found = True\n        break",
            good="found = False\nfound = bool((a > 2).any())",
            equal="found",
            safety="safe",
        ),
        Example(given=ARRAYS, bad="n = sum(x > 0 for x in a)", good="n = (a > 0).sum()", equal="n", safety="safe"),
        Example(
            given=ARRAYS,
            bad="n = sum(1 for x, y in zip(a, b) if x > y)",
            good="n = int(np.count_nonzero(a > b))",
            equal="n",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="ok = any(np.isnan(x) for x in a)",
            good="ok = bool(np.isnan(a).any())",
            equal="ok",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="ok = all(a[i] < 4 for i in range(len(a)))",
            good="ok = bool((a < 4).all())",
            equal="ok",
            safety="safe",
        ),
        Example(
            given="import numpy as np\n",
            bad="def f(x: np.ndarray):\n    return any(v < 0 for v in x)\ny = f(np.arange(4))",
            good="def f(x: np.ndarray):\n    return bool((x < 0).any())\ny = f(np.arange(4))",
            equal="y",
            safety="unsafe",
        ),
        Example(
            given="import numpy as np\n",
            bad="def f(n: int):\n    k = np.arange(n)\n    return sum(x > 3 for x in k)\ny = f(9)",
            good="def f(n: int):\n    k = np.arange(n)\n    return (k > 3).sum()\ny = f(9)",
            equal="y",
            safety="unsafe",
            note="f(0) would be a NumPy zero",
        ),
        Example(given=ARRAYS, ok="n = sum(x > 0 for x in a if x < 3)"),
        Example(given=ARRAYS, ok="n = sum(x for x in a)", note="no condition"),
        Example(given=ARRAYS, ok="def f(g):\n    return any(g(x) for x in a)"),
        Example(given=ARRAYS, ok="c = 0\nfor x in a:\n    if x > 0:\n        c += 1\n    else:\n        c -= 1"),
        Example(
            given=ARRAYS, ok="c = 0\nfor x in a:\n    if x > c:\n        c += 1", note="the condition reads the count"
        ),
        Example(given=ARRAYS, ok="hits = []\nfor x in a:\n    if x > 0:\n        hits.append(x)"),
        Example(given=ARRAYS, ok="n = any(x > 0 for x in [1, 2])"),
        Example(given="import torch\nimport numpy\nt = torch.rand(9)\n", ok="n = sum(x > 0 for x in t)"),
        Example(
            given=ARRAYS,
            ok="found = False\nfor x in a:\n    if x > 2:\n        found = True\n    else:\n        print(x)",
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if isinstance(node, ast.Call):
            yield from self._call(node, ctx)
        elif isinstance(node, ast.For):
            yield from self._loop(node, ctx)

    def _call(self, node: ast.Call, ctx: Context) -> Iterator[Finding]:
        if len(node.args) != 1 or node.keywords or not isinstance(node.args[0], ast.GeneratorExp):
            return
        generators = node.args[0].generators
        if len(generators) != 1 or generators[0].is_async:
            return
        name, condition = ctx.dotted(node.func), node.args[0].elt
        counted = name == "sum" and _is_one(condition) and len(generators[0].ifs) == 1
        if counted:
            condition = generators[0].ifs[0]
        elif generators[0].ifs:
            return
        if not ctx.elementwise.plausible(condition):
            return
        axis = ctx.model.counted.axis(generators[0].target, generators[0].iter)
        if axis is None or axis.short or ctx.flow.compiled(node):
            return
        lifted = self._condition(condition, axis, ctx)
        if lifted is None:
            return
        text = ctx.substituted(condition, lifted.replacements)
        if counted:
            new = f"int({ctx.names.spell('numpy.count_nonzero', node)[0]}({text}))"
        else:
            array = text if isinstance(condition, ast.Call) else f"({text})"
            new = f"{array}.{name}()" if name == "sum" else f"bool({array}.{name}())"
        fix = None
        if text is not None and not lifted.obstacles and (lifted.scalar or name != "sum"):
            safety = _safety(lifted)
            if name == "sum" and not counted and not ctx.elementwise.runs((axis,)):
                safety = Safety.UNSAFE  # the sum of nothing is a Python int, and then NumPy's
            fix = ctx.fix(lambda: ctx.edits.replace(node, new), safety, f"Replace by `{new}`")
        yield ctx.finding(node, self._message(condition, lifted, ctx), f"use `{new}`" if text is not None else "", fix)

    def _loop(self, node: ast.For, ctx: Context) -> Iterator[Finding]:
        single = ctx.elementwise.single(node)
        if single is None:
            return
        nest, test = single
        if not isinstance(test, ast.If) or test.orelse or not test.body:
            return
        first, rest = test.body[0], test.body[1:]
        count = isinstance(first, ast.AugAssign) and isinstance(first.op, ast.Add) and _is_one(first.value)
        if isinstance(first, ast.AugAssign):
            target: ast.expr = first.target
            if not count or rest:
                return
        elif isinstance(first, ast.Assign) and len(first.targets) == 1:
            target = first.targets[0]
            sets = isinstance(first.value, ast.Constant) and first.value.value is True
            if not sets or any(not isinstance(other, ast.Break) for other in rest):
                return
        else:
            return
        if not isinstance(target, ast.Name) or ctx.elementwise.mentions(test.test, target):
            return
        starts = [b for b in ctx.reaching.at(node, target.id) if b.node is not first]
        for binding in starts:
            value = binding.value
            if binding.how != "assign" or binding.path or not isinstance(value, ast.Constant):
                return
            if (value.value is not False) if not count else type(value.value) is not int:
                return
        lifted = self._condition(test.test, nest.axes[0], ctx)
        if lifted is None or not starts:
            return
        text = ctx.substituted(test.test, lifted.replacements)
        if count:
            new = f"{target.id} += int({ctx.names.spell('numpy.count_nonzero', node)[0]}({text}))"
        else:
            repeated = any(b.node is first for b in ctx.reaching.at(node, target.id))
            new = f"{target.id} = {f'{target.id} or ' if repeated else ''}bool(({text}).any())"
        fix = None
        if text is not None and lifted.scalar:
            fix = ctx.loop_fix(nest, new, lifted.obstacles, safe=_safety(lifted) is Safety.SAFE)
        yield ctx.finding(node, self._message(test.test, lifted, ctx), f"use `{new}`" if text is not None else "", fix)

    def _condition(self, node: ast.expr, axis: Axis, ctx: Context) -> Lifted | None:
        """The condition as an array of truth values; None if it is none."""
        try:
            lifted = ctx.elementwise.lift(node, (axis,))
        except NotElementwise:
            return None
        places = any(isinstance(part, Place) for operand in lifted.operands for part in operand.pattern)
        truths = isinstance(node, ast.Compare) or lifted.dtype == "bool"
        if not places or not truths or not lifted.operations or lifted.wholes or lifted.unproven:
            return None
        return lifted

    def _message(self, condition: ast.expr, lifted: Lifted, ctx: Context) -> str:
        array = next(operand.array for operand in lifted.operands if operand.pattern != ("whole",))
        return f"`{ctx.short(condition)}` is asked of each element of `{ctx.short(array)}` in the interpreter"


def _is_one(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value == 1


def _safety(lifted: Lifted) -> Safety:
    return Safety.UNSAFE if lifted.doubts or not lifted.scalar else Safety.SAFE
