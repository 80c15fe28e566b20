from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import (
    CHOICE,
    COMPREHENSIONS,
    GRAPH,
    JAX_ARRAY,
    STORE,
    TENSOR,
    TOTAL,
    UPDATE,
    Batches,
    Context,
    Edit,
    Example,
    Finding,
    Fix,
    Loop,
    NotElementwise,
    Pointwise,
    Rule,
    Safety,
    SampleLoop,
    around,
    lift_pointwise,
    walk,
    walk_statements,
)

_NEVER = (ast.Lambda, ast.JoinedStr, ast.Dict, ast.List, *COMPREHENSIONS)
"""What no pointwise expression is made of."""
_UPDATES = frozenset("set add multiply mul min max".split())

TORCH = (
    "import torch\na = torch.randn(50)\nb = torch.randn(50)\nout = torch.zeros(50)\n"
    "k = torch.arange(50) % 6\ncounts = torch.zeros(6)\n"
)
JAX = "import jax\nimport jax.numpy as jnp\na = jax.random.normal(jax.random.PRNGKey(0), (50,))\nx = jnp.zeros(50)\n"


class TensorElementLoop(Rule):
    """A Python loop computes the elements of a tensor one by one.

    ## Why
    Each element is a kernel launch of its own, some microseconds for one number, and a node of its own in the graph of
    gradients. In JAX, `x.at[i].set(…)` outside `jit` copies the whole array in each round. A tensor that is grown by
    `tf.concat` in a loop of a `tf.function` is copied in each round too, and changes its shape.

    Reported are loops whose one statement stores a pointwise expression of the elements of tensors, adds it up, counts
    indices, or updates a JAX array.

    ## Fix safety
    Unsafe: sums come out in another order, the graph of gradients has other nodes, and numbers in tensors without
    dimensions are promoted in another way. `bincount` raises for a negative index, which the loop counts from the end.

    ## Known limits
    Silent for loops of a few written rounds, in functions that a compiler unrolls, and where a round reads what another
    one stored.

    ## References
    - PyTorch documentation, "Performance Tuning Guide".
    - JAX documentation, `jax.numpy.ndarray.at`.
    - TensorFlow guide, "Better performance with tf.function", accumulating values in a loop.
    """

    code, name = "ML130", "tensor-element-loop"
    libraries = ("torch", "tensorflow", "jax")
    safety = Safety.UNSAFE
    triggers = (Loop(STORE, UPDATE, TOTAL, CHOICE, GRAPH),)
    examples = (
        Example(
            given=TORCH,
            bad="for i in range(len(a)):\n    out[i] = a[i] * b[i] + 1",
            good="out[:len(a)] = a * b[:len(a)] + 1",
            equal="out",
            close=True,
        ),
        Example(
            given=TORCH,
            bad="for i in range(50):\n    out[i] = torch.exp(-a[i])",
            good="out[:50] = torch.exp(-a[:50])",
            equal="out",
            close=True,
        ),
        Example(
            given=TORCH,
            bad="for i, v in enumerate(a):\n    out[i] = v.clamp(min=0)",
            good="out[:len(a)] = a.clamp(min=0)",
            equal="out",
            close=True,
        ),
        Example(
            given=TORCH,
            bad="for i in range(a.size(0)):\n    a[i] = a[i] / 2",
            good="a[:] = a / 2",
            equal="a",
            close=True,
        ),
        Example(
            given=TORCH,
            bad="for i in range(len(out)):\n    out[i] = i * 0.5",
            good="out[:] = torch.arange(len(out), device=out.device) * 0.5",
            equal="out",
            close=True,
        ),
        Example(
            given=TORCH,
            bad="total = 0.0\nfor v in a:\n    total += v ** 2",
            good="total = 0.0\ntotal += (a ** 2).sum(0)",
            equal="total",
            close=True,
        ),
        Example(
            given=TORCH,
            bad="for i in range(len(a)):\n    if a[i] > 0:\n        out[i] = a[i] * 2",
            good="out[:len(a)] = torch.where(a > 0, a * 2, out[:len(a)])",
            equal="out",
            close=True,
        ),
        Example(
            given=TORCH,
            bad="for i in range(len(k)):\n    counts[k[i]] += 1",
            good="counts += torch.bincount(k, minlength=len(counts))",
            equal="counts",
            close=True,
        ),
        Example(
            given=JAX,
            bad="for i in range(len(x)):\n    x = x.at[i].set(a[i] * 2.0)",
            good="x = x.at[:len(x)].set(a[:len(x)] * 2.0)",
            equal="x",
            close=True,
        ),
        Example(
            given=JAX,
            bad="for i, v in enumerate(a):\n    x = x.at[i].add(jnp.tanh(v))",
            good="x = x.at[:len(a)].add(jnp.tanh(a))",
            equal="x",
            close=True,
        ),
        Example(
            bad=(
                "import tensorflow as tf\n\n\n@tf.function\ndef f(n):\n    c = tf.zeros((0, 3))\n"
                "    for i in tf.range(n):\n        e = tf.ones((1, 3)) * tf.cast(i, tf.float32)\n"
                "        c = tf.concat([c, e], 0)\n    return c\n"
            ),
        ),
        Example(given=TORCH, ok="out[:] = a * b + 1"),
        Example(
            given=TORCH,
            ok="for i in range(1, len(a)):\n    out[i] = out[i - 1] * 0.9 + a[i]",
            note="a recurrence",
        ),
        Example(given=TORCH, ok="for i in range(1, len(a)):\n    a[i] = a[i - 1] + b[i]"),
        Example(
            given=TORCH,
            ok="tail = out[1:]\nfor i in range(len(tail)):\n    out[i] = tail[i] + 1",
            note="one memory",
        ),
        Example(given=TORCH, ok="for i in range(4):\n    out[i] = a[i] * 2", note="a few rounds"),
        Example(given=TORCH, ok="d = {}\nfor i in range(len(a)):\n    d[i] = a[i] * 2", note="a dictionary"),
        Example(given=TORCH, ok="rows = [None] * 50\nfor i in range(len(a)):\n    rows[i] = a[i] * 2", note="a list"),
        Example(
            given=TORCH,
            ok="layers = [torch.nn.Linear(2, 2) for _ in range(20)]\nfor i, layer in enumerate(layers):\n"
            "    out[i] = layer.weight.sum()",
        ),
        Example(
            given=TORCH,
            ok="def rollout(env, policy):\n    obs = env.reset()\n    for i in range(50):\n"
            "        out[i], obs = env.step(policy(obs))",
        ),
        Example(given=TORCH, ok="def f(g):\n    for i in range(len(a)):\n        out[i] = g(a[i])"),
        Example(given=TORCH, ok="for i in range(len(a)):\n    out[i] = torch.rand(())", note="drawn one by one"),
        Example(
            given=TORCH,
            ok="@torch.compile\ndef f(a: torch.Tensor, out: torch.Tensor):\n    for i in range(len(a)):\n"
            "        out[i] = a[i] * 2",
        ),
        Example(given=TORCH, ok="total = 0\nfor v in [a, b]:\n    total += v", note="a list of tensors"),
        Example(given=TORCH, ok="def f(losses):\n    total = 0\n    for loss in losses:\n        total += loss"),
        Example(given=TORCH, ok="total = 0\nfor v in a:\n    total += v * total", note="it reads the sum"),
        Example(given=TORCH, ok="for i in range(len(a)):\n    if a[i] > 0:\n        break\n    out[i] = a[i]"),
        Example(given=TORCH, ok="for i in range(len(k)):\n    counts[k[i]] += counts.sum()"),
        Example(
            given=JAX,
            ok="@jax.jit\ndef f(x, a):\n    for i in range(50):\n        x = x.at[i].set(a[i] * 2.0)\n    return x",
            note="the compiler sees all of it",
        ),
        Example(given=JAX, ok="for i in range(1, 50):\n    x = x.at[i].set(x[i - 1] + a[i])"),
        Example(
            given="import tensorflow as tf\n",
            ok=(
                "@tf.function\ndef decode(ids, n, model):\n    for i in tf.range(n):\n        e = model(ids)\n"
                "        ids = tf.concat([ids, e], 1)\n    return ids"
            ),
            note="each round reads what there is so far",
        ),
        Example(
            given="import torch\nn = 1000\na = torch.randn(n)\nout = torch.zeros(n)\n",
            bad="for i in range(len(a)):\n    out[i] = a[i] * 2",
            good="out[:len(a)] = a * 2",
            equal="out",
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.For)
        if node.orelse:
            return
        yield from _grown(node, ctx)
        if len(node.body) != 1:
            return
        statement = node.body[0]
        if not _may_store(statement) or not _is_indexed(node, statement) or ctx.flow.compiled(node):
            return
        loop = next(iter(around(ctx.model, statement)), None)
        if loop is None or (not loop.elements and loop.index is None) or loop.leaves():
            return
        try:
            found = _whole(statement, Batches(loop), ctx)
        except NotElementwise:
            return
        if found is None:
            return
        array, new = found
        message = f"`{ctx.short(statement)}` goes through a tensor one element at a time"
        fix = None if new is None else _fix(node, new, ctx)
        advice = "compute it for the whole tensor" if new is None else f"use `{new}`"
        yield ctx.finding(node, message, advice, fix, end=array)


def _may_store(statement: ast.stmt) -> bool:
    """Whether a statement looks like one of those that are known here: a look that costs nothing."""
    if isinstance(statement, ast.If):
        return len(statement.body) == 1 and not statement.orelse and isinstance(statement.body[0], ast.Assign)
    if isinstance(statement, ast.AugAssign):
        return isinstance(statement.op, ast.Add)
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return False
    value = statement.value
    updates = isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in _UPDATES
    return isinstance(statement.targets[0], ast.Subscript) or updates


def _is_indexed(loop: ast.For, statement: ast.stmt) -> bool:
    """Whether a statement takes the variables of its loop, and nothing that is not arithmetic: a look at the text."""
    names = {inner.id for inner in walk(loop.target) if isinstance(inner, ast.Name)}
    own = False
    for inner in walk(statement):
        if isinstance(inner, ast.Name):
            own = own or inner.id in names
        elif isinstance(inner, _NEVER):
            return False
    return own


def _whole(statement: ast.stmt, batches: Batches, ctx: Context) -> tuple[ast.AST, str | None] | None:
    """What a round's statement is about, and the statement for the whole tensor.

    Raises:
        NotElementwise: there is none.
    """
    if isinstance(statement, ast.If):
        inner = statement.body[0]
        assert isinstance(inner, ast.Assign)
        return _stored(inner, batches, ctx, statement.test)
    if isinstance(statement, ast.AugAssign):
        if isinstance(statement.target, ast.Subscript):
            return _counted(statement, statement.target, batches, ctx)
        return _added(statement, batches, ctx)
    assert isinstance(statement, ast.Assign)
    if isinstance(statement.targets[0], ast.Name):
        return _updated(statement, batches, ctx)
    return _stored(statement, batches, ctx, None)


def _stored(
    statement: ast.Assign, batches: Batches, ctx: Context, test: ast.expr | None
) -> tuple[ast.AST, str | None] | None:
    """``out[i] = E``, perhaps under a condition."""
    target = statement.targets[0]
    loop = batches.loop
    if len(statement.targets) != 1 or not isinstance(target, ast.Subscript) or not _is_counter(target.slice, loop):
        return None
    array = target.value
    if not ctx.is_a(array, TENSOR) or loop.varies(array) or loop.few(array):
        return None
    lifted = lift_pointwise(batches, statement.value, target=array, numbers=_numbers("torch.arange", array, loop, ctx))
    parts = [lifted]
    if test is not None:
        if any(ctx.kinds.of(data).ndim != 1 for data in (array, *lifted.data)):
            return None
        parts.append(lift_pointwise(batches, test, target=array))
    if any(loop.few(data) or _one_memory(data, array, ctx) for part in parts for data in part.data):
        return None
    place = _place(array, loop, ctx)
    texts = [_text(part, ctx) for part in parts]
    if place is None or None in texts:
        return statement, None
    if test is None:
        return statement, f"{place} = {texts[0]}"
    where, _ = ctx.names.spell("torch.where", statement)
    return statement, f"{place} = {where}({texts[1]}, {texts[0]}, {place})"


def _counted(
    statement: ast.AugAssign, target: ast.Subscript, batches: Batches, ctx: Context
) -> tuple[ast.AST, str | None] | None:
    """``counts[k[i]] += 1``."""
    counts = target.value
    one = isinstance(statement.value, ast.Constant) and statement.value.value == 1
    indices = batches.sample(target.slice)
    if not one or indices is None or batches.loop.varies(counts) or batches.loop.few(indices.data):
        return None
    if not ctx.is_a(counts, TENSOR) or not ctx.is_a(indices.data, TENSOR) or batches.loop.changes(indices.data):
        return None
    if indices.text is None or ctx.kinds.of(indices.data).ndim != 1 or ctx.kinds.of(counts).ndim != 1:
        return statement, None
    function, _ = ctx.names.spell("torch.bincount", statement)
    text = ctx.text(counts)
    return statement, f"{text} += {function}({indices.text}, minlength=len({text}))"


def _added(statement: ast.AugAssign, batches: Batches, ctx: Context) -> tuple[ast.AST, str | None] | None:
    """``total += E``."""
    target = statement.target
    if not isinstance(target, ast.Name):
        return None
    if any(isinstance(inner, ast.Name) and inner.id == target.id for inner in walk(statement.value)):
        return None
    lifted = lift_pointwise(batches, statement.value)
    if any(batches.loop.few(data) or not ctx.is_a(data, TENSOR, JAX_ARRAY) for data in lifted.data):
        return None
    text = _text(lifted, ctx)
    if text is None:
        return statement, None
    atom = isinstance(statement.value, (ast.Name, ast.Call, ast.Subscript))
    return statement, f"{target.id} += {text if atom else f'({text})'}.sum(0)"


def _updated(statement: ast.Assign, batches: Batches, ctx: Context) -> tuple[ast.AST, str | None] | None:
    """``x = x.at[i].set(E)``."""
    target, call = statement.targets[0], statement.value
    if not isinstance(target, ast.Name) or not isinstance(call, ast.Call) or len(call.args) != 1 or call.keywords:
        return None
    func = call.func
    place = func.value if isinstance(func, ast.Attribute) else None
    if not isinstance(func, ast.Attribute) or not isinstance(place, ast.Subscript):
        return None
    at = place.value
    if not isinstance(at, ast.Attribute) or at.attr != "at" or not isinstance(at.value, ast.Name):
        return None
    if at.value.id != target.id or not _is_counter(place.slice, batches.loop):
        return None
    before = [b for b in ctx.reaching.at(ctx.tree.statement(batches.loop.node), target.id) if b.node is not statement]
    if not before or not all(ctx.kinds.binding(binding).is_a(JAX_ARRAY) for binding in before):
        return None
    lifted = lift_pointwise(batches, call.args[0], numbers=_numbers("jax.numpy.arange", None, batches.loop, ctx))
    if any(batches.loop.few(data) for data in lifted.data) or batches.loop.few(at.value):
        return None
    text, end = _text(lifted, ctx), _end(batches.loop, ctx)
    if text is None or end is None:
        return statement, None
    start = str(batches.loop.first) if batches.loop.first else ""
    return statement, f"{target.id} = {target.id}.at[{start}:{end}].{func.attr}({text})"


def _grown(loop: ast.For, ctx: Context) -> Iterator[Finding]:
    """``c = tf.concat([c, e], 0)`` in a loop that TensorFlow runs."""
    func = loop.iter.func if isinstance(loop.iter, ast.Call) else None
    if not isinstance(func, ast.Attribute) or func.attr != "range" or ctx.dotted(func) != "tensorflow.range":
        return
    function = ctx.tree.function(loop)
    if function is None or not any(_is_tf_function(one, ctx) for one in function.decorator_list):
        return
    for statement in loop.body:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            continue
        name, call = statement.targets[0].id, statement.value
        if not isinstance(call, ast.Call) or ctx.dotted(call.func) != "tensorflow.concat" or not call.args:
            continue
        parts = call.args[0].elts if isinstance(call.args[0], (ast.List, ast.Tuple)) else []
        if len(parts) != 2 or not isinstance(parts[0], ast.Name) or parts[0].id != name:
            continue
        reads = [n for n in walk_statements(loop.body) if isinstance(n, ast.Name) and n.id == name]
        if len(reads) == 2:
            message = f"`{name}` is copied and changes its shape in every round"
            yield ctx.finding(statement, message, "write into a `tf.TensorArray` and stack it after the loop")


def _is_tf_function(node: ast.expr, ctx: Context) -> bool:
    return ctx.dotted(node.func if isinstance(node, ast.Call) else node) == "tensorflow.function"


def _is_counter(node: ast.expr, loop: SampleLoop) -> bool:
    return isinstance(node, ast.Name) and node.id == loop.index


def _end(loop: SampleLoop, ctx: Context) -> str | None:
    """The text of the end of the counter."""
    if loop.count is not None:
        text = ctx.text(loop.count)
    elif isinstance(loop.counted, (ast.Name, ast.Attribute)):
        text = f"len({ctx.text(loop.counted)})"
    else:
        return None
    return None if "\n" in text else text


def _place(array: ast.expr, loop: SampleLoop, ctx: Context) -> str | None:
    """What all rounds together store to."""
    text, end = ctx.text(array), _end(loop, ctx)
    if end is None:
        return None
    if loop.first == 0 and loop.text(array) == text:
        return f"{text}[:]"
    return f"{text}[{loop.first or ''}:{end}]"


def _numbers(dotted: str, array: ast.expr | None, loop: SampleLoop, ctx: Context) -> str | None:
    """The counter for all rounds."""
    end = _end(loop, ctx)
    if end is None:
        return None
    first = f"{loop.first}, " if loop.first else ""
    device = "" if array is None else f", device={ctx.text(array)}.device"
    return f"{ctx.names.spell(dotted, loop.node)[0]}({first}{end}{device})"


def _one_memory(data: ast.expr, array: ast.expr, ctx: Context) -> bool:
    """Whether a tensor that is read may share its memory with another one that is stored to."""
    if ctx.text(data) == ctx.text(array):
        return False
    return ctx.elementwise.memory.related(data, array)


def _text(lifted: Pointwise, ctx: Context) -> str | None:
    return ctx.substituted(lifted.node, lifted.replacements)


def _fix(loop: ast.For, new: str, ctx: Context) -> Fix | None:
    names = [inner.id for inner in walk(loop.target) if isinstance(inner, ast.Name)]
    safety = ctx.without(loop, names, Safety.UNSAFE)
    if safety is None:
        return None

    def build() -> list[Edit]:
        return [ctx.edits.replace_statements([loop], new)]

    return ctx.fix(build, safety, f"Replace the loop by `{new}`")
