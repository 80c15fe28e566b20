from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import JAX_ARRAY, Call, Context, Edit, Example, Finding, Fix, Node, Rule, Safety

GIVEN = """\
import jax
import jax.numpy as jnp
import numpy as np

x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)))
"""
_METHODS: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "power",
}
_REMOVED = {
    "jax.ops.index_update": "set",
    "jax.ops.index_add": "add",
    "jax.ops.index_mul": "multiply",
    "jax.ops.index_min": "min",
    "jax.ops.index_max": "max",
}


class JaxArrayAssignedInPlace(Rule):
    """JAX arrays cannot be changed: `x[i] = v` raises TypeError, `x = x.at[i].set(v)` makes a new one.

    ## Why
    Arrays of JAX are immutable, so that traced functions stay pure. An assignment to an element raises TypeError at
    run time. The functions `jax.ops.index_update` and its kin, once the way to do it, have been removed.

    ## Fix safety
    Safe: the original raises. There is a fix where the array is a plain local name and no other name stands for it.

    ## References
    - JAX documentation, "The Sharp Bits", section "In-place updates", and `jax.numpy.ndarray.at`.
    """

    code, name = "ML426", "jax-array-assigned-in-place"
    libraries = ("jax",)
    safety = Safety.SAFE
    triggers = (Node(ast.Assign, ast.AugAssign), Call(*_REMOVED))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if isinstance(node, ast.Call):
            yield from self._removed(node, ctx)
            return
        assert isinstance(node, (ast.Assign, ast.AugAssign))
        targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
        for target in targets:
            if isinstance(target, ast.Subscript) and ctx.is_a(target.value, JAX_ARRAY):
                whole = targets == [target]
                yield ctx.finding(
                    target,
                    f"`{ctx.short(target.value)}` is a JAX array and cannot be changed in place: this raises TypeError",
                    f"make a new one with `{ctx.short(target.value)}.at[…]`",
                    self._fix(node, target, ctx) if whole else None,
                )

    def _fix(self, node: ast.Assign | ast.AugAssign, target: ast.Subscript, ctx: Context) -> Fix | None:
        array = target.value
        if not isinstance(array, ast.Name):
            return None
        if any(isinstance(ancestor, ast.Try) for ancestor in ctx.tree.ancestors(node)):
            return None  # the TypeError may be expected
        found = ctx.names.lookup(array)
        if found is None or found[0] is not ctx.tree.scope(node) or self._shared(array.id, found[0], ctx):
            return None
        if any(binding.how in ("parameter", "global", "nonlocal") for binding in found[1]):
            return None  # the caller would not see the new array
        if isinstance(node, ast.Assign):
            method, sign = "set", ""
        elif isinstance(node.op, ast.Sub):
            method, sign = "add", "-"
        elif type(node.op) in _METHODS:
            method, sign = _METHODS[type(node.op)], ""
        else:
            return None
        index, value = ctx.text(target.slice), ctx.text(node.value)
        if isinstance(node.value, ast.Tuple) and not value.startswith("("):
            value = f"({value})"
        if sign and not isinstance(node.value, (ast.Name, ast.Constant, ast.Attribute, ast.Call, ast.Subscript)):
            value = f"({value})"
        text = f"{array.id} = {array.id}.at[{index}].{method}({sign}{value})"

        def build() -> Edit:
            return ctx.edits.replace_statements([node], text)

        return ctx.fix(build, Safety.SAFE, f"Use `{array.id}.at[…].{method}(…)`")

    def _shared(self, name: str, scope: ast.AST, ctx: Context) -> bool:
        """Whether another name stands for the same array."""
        return any(
            isinstance(binding.value, ast.Name) and binding.value.id == name
            for bindings in ctx.names.bindings(scope).values()
            for binding in bindings
        )

    def _removed(self, call: ast.Call, ctx: Context) -> Iterator[Finding]:
        name = ctx.dotted(call.func) or ""
        method = _REMOVED[name]
        fix = None
        if len(call.args) == 3 and not call.keywords and not any(isinstance(a, ast.Starred) for a in call.args):
            array, index, value = call.args
            simple = isinstance(array, (ast.Name, ast.Attribute, ast.Subscript, ast.Call))
            if isinstance(index, ast.Subscript) and ctx.dotted(index.value) in ("jax.ops.index", "jax.numpy.index_exp"):
                index = index.slice
            if simple:

                def build() -> Edit:
                    return ctx.edits.replace(call, f"$x.at[{ctx.text(index)}].{method}($v)", x=array, v=value)

                fix = ctx.fix(build, Safety.SAFE, f"Use `.at[…].{method}(…)`")
        yield ctx.finding(call, f"`{name}` has been removed from JAX", f"use `.at[…].{method}(…)`", fix)

    examples = (
        *(
            Example(
                given=GIVEN,
                bad=f"x[0, 1:] {sign} x[1, 1:] + 2",
                good=f"x = x.at[0, 1:].{call}",
                equal="x.sum() != 0",
                raises="TypeError",
                safety="safe",
            )
            for sign, call in (
                ("*=", "multiply(x[1, 1:] + 2)"),
                ("-=", "add(-(x[1, 1:] + 2))"),
                ("/=", "divide(x[1, 1:] + 2)"),
                ("**=", "power(x[1, 1:] + 2)"),
            )
        ),
        Example(
            given=GIVEN,
            bad="x[0] = 1.0\n",
            good="x = x.at[0].set(1.0)\n",
            equal="np.asarray(x)[0, 0]",
            raises="TypeError",
        ),
        Example(
            given=GIVEN,
            bad="x[1:, 0] += jnp.ones(3)  # all but the first\n",
            good="x = x.at[1:, 0].add(jnp.ones(3))  # all but the first\n",
            equal="x.shape",
            raises="TypeError",
        ),
        Example(
            given=GIVEN,
            bad="def f():\n    y = jnp.zeros((3, 3))\n    y[0, ...] -= a + b\n    return y\n",
            good="def f():\n    y = jnp.zeros((3, 3))\n    y = y.at[0, ...].add(-(a + b))\n    return y\n",
        ),
        Example(
            given=GIVEN,
            bad="for i in range(3):\n    x[i] *= 2\n",
            good="for i in range(3):\n    x = x.at[i].multiply(2)\n",
            equal="x.shape",
            raises="TypeError",
        ),
        Example(
            given="import jax\n",
            bad="y = jax.ops.index_update(x, jax.ops.index[0, :], v)\n",
            good="y = x.at[0, :].set(v)\n",
        ),
        Example(
            given="from jax import ops\n",
            bad="y = ops.index_add(x, i, v)\n",
            good="y = x.at[i].add(v)\n",
        ),
        Example(
            given=GIVEN,
            bad="""
class State:
    def __init__(self):
        self.w = jnp.zeros(3)

    def set(self, i):
        self.w[i] = 1
""",
            note="an attribute may be shared",
        ),
        Example(given=GIVEN, bad="y = x\nx[0] = 1\n", note="another name for the same array"),
        Example(given=GIVEN, ok="y = np.zeros(3)\ny[0] = 1\n"),
        Example(given=GIVEN, ok="y = np.array(x)\ny[0] = 1\ntable = {}\ntable[x] = 2\nx = x.at[0].set(1)\n"),
        Example(given=GIVEN, ok="def f(y, ref):\n    y[0] = 1\n    ref[...] = y\n"),
        Example(given=GIVEN, ok="rows = [jnp.zeros(3)]\nrows[0] = jnp.ones(3)\n"),
    )
