from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import COMPREHENSIONS, Call, Context, Edit, Example, Finding, Fix, Rule, Safety, walk, walk_scope

_SPLIT = "jax.random.split"
_MAKERS = ("jax.random.key", "jax.random.PRNGKey")

GIVEN = "import jax\nimport jax.numpy as jnp\n"
STEP = (
    "import jax\nimport optax\n\n"
    "def train(params, batches, model, tx, opt):\n    for batch in batches:\n"
    "        key = jax.random.key(0)\n"
    "        noise = jax.random.normal(key, batch.shape)\n"
    "        grads = jax.grad(model)(params, batch + noise)\n"
    "        updates, opt = tx.update(grads, opt)\n"
    "        params = optax.apply_updates(params, updates)\n"
    "    return params\n"
)


class JaxKeySplitLost(Rule):
    """A JAX random key does not move on: its split is thrown away, or each round starts from the same key.

    ## Why
    `jax.random.split` changes nothing: it returns new keys and leaves the one that it was given as it is. Where its
    result is dropped, or a loop splits a key and never binds it to one of the parts, every round works with the same
    keys and draws the same noise, masks or permutations. The same goes for a key that is made from a fixed number in
    every training step: dropout then removes the same units in each step.

    ## Fix safety
    Unsafe: other numbers are drawn, on purpose. The key is bound to the first part of its own split.

    ## Known limits
    A constant key is only reported where parameters are updated in the same loop, or in the same function and that is
    compiled or called in a loop, and where a sampler or a model's `apply` is given it; for it there is no fix.

    ## When to ignore
    The rounds shall see the same noise: an evaluation that is to be compared.

    ## References
    - JAX documentation, "Pseudorandom numbers": split, and use each key once.
    """

    code, name = "ML313", "jax-key-split-lost"
    libraries = ("jax",)
    safety = Safety.UNSAFE
    triggers = (Call(_SPLIT, *_MAKERS),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if ctx.dotted(node.func) in _MAKERS:
            draw = ctx.model.jax_steps.repeats(node)
            if draw is not None:
                yield ctx.finding(
                    node,
                    f"`{ctx.short(node)}` is the same key in every training step: "
                    f"`{ctx.short(draw)}` repeats its numbers",
                    "make the key once, and split it or fold the step's number in",
                )
            return
        key = ctx.model.jax_keys.key(node)
        if key is None:
            return
        held = ctx.short(key)
        if ctx.shows_value(node):
            return
        if isinstance(ctx.tree.parent(node), ast.Expr):
            message = f"`{ctx.short(node)}` changes nothing: its result is dropped, and `{held}` stays the same key"
            yield ctx.finding(node, message, f"bind `{held}` to a part of the split", _rebound(node, key, ctx))
            return
        reuse = ctx.model.jax_keys.reuse(node)
        if reuse is not None and reuse.earlier is node:
            message = f"`{reuse.name}` is the same key in every round: `{ctx.short(node)}` gives the same keys again"
            yield ctx.finding(node, message, f"bind `{reuse.name}` to a part of the split", _moved(node, key, ctx))

    examples = (
        Example(
            given=GIVEN,
            bad=("def sample(key):\n    jax.random.split(key)  # a fresh key\n    return jax.random.normal(key, (3,))"),
            good=(
                "def sample(key):\n    key, _ = jax.random.split(key)  # a fresh key\n"
                "    return jax.random.normal(key, (3,))"
            ),
            equal="sample(jax.random.key(0)).shape",
        ),
        Example(
            given="from jax import random as jr\n",
            bad="key = jr.PRNGKey(0)\nfor _ in range(3):\n    jr.split(key, 2)\n    print(_)",
            note="the name that would take the other part is read",
        ),
        Example(
            given=GIVEN,
            bad=(
                "def sample(key, n):\n    found = []\n    for _ in range(n):\n"
                "        _, sub = jax.random.split(key)\n        found.append(jax.random.normal(sub))\n"
                "    return jnp.stack(found)"
            ),
            good=(
                "def sample(key, n):\n    found = []\n    for _ in range(n):\n"
                "        key, sub = jax.random.split(key)\n        found.append(jax.random.normal(sub))\n"
                "    return jnp.stack(found)"
            ),
            equal="sample(jax.random.key(0), 4).shape",
        ),
        Example(
            given=GIVEN,
            bad=(
                "def sample(key, batches):\n    for x in batches:\n        sub = jax.random.split(key)[1]\n"
                "        yield x + jax.random.normal(sub, x.shape)"
            ),
            good=(
                "def sample(key, batches):\n    for x in batches:\n        key, sub = jax.random.split(key)\n"
                "        yield x + jax.random.normal(sub, x.shape)"
            ),
            equal="[x.shape for x in sample(jax.random.key(0), [jnp.zeros(2), jnp.zeros(3)])]",
        ),
        Example(
            given=GIVEN,
            bad=(
                "def sample(key, n):\n    i = 0\n    while i < n:\n        a, b = jax.random.split(key)\n"
                "        i += 1\n        yield jax.random.normal(a) + jax.random.uniform(b)"
            ),
            good=(
                "def sample(key, n):\n    i = 0\n    while i < n:\n        key, a, b = jax.random.split(key, 3)\n"
                "        i += 1\n        yield jax.random.normal(a) + jax.random.uniform(b)"
            ),
            equal="[x.shape for x in sample(jax.random.key(0), 4)]",
        ),
        Example(
            given=GIVEN,
            bad=(
                "def sample(key, n):\n    for _ in range(n):\n        keys = jax.random.split(key, 8)\n"
                "        yield jax.vmap(jax.random.normal)(keys)"
            ),
            good=(
                "def sample(key, n):\n    for _ in range(n):\n        key, subkey = jax.random.split(key)\n"
                "        keys = jax.random.split(subkey, 8)\n"
                "        yield jax.vmap(jax.random.normal)(keys)"
            ),
            equal="[x.shape for x in sample(jax.random.key(0), 3)]",
        ),
        Example(given="", bad=STEP),
        Example(
            given="import jax\nfrom functools import partial\n",
            bad=(
                "@partial(jax.jit, static_argnums=0)\ndef train_step(model, state, batch):\n"
                "    def loss_fn(params):\n"
                "        out = state.apply_fn(params, batch, rngs={'dropout': jax.random.PRNGKey(0)})\n"
                "        return out.sum()\n\n"
                "    loss, grads = jax.value_and_grad(loss_fn)(state.params)\n"
                "    return state.apply_gradients(grads=grads), loss"
            ),
            note="one dropout mask for the whole training",
        ),
        Example(
            given="import jax\nimport optax\n\nSEED = 3\n",
            bad=(
                "def step(params, x, tx, opt):\n    mask = jax.random.bernoulli(jax.random.key(SEED), 0.5, x.shape)\n"
                "    grads = jax.grad(loss)(params, x * mask)\n    updates, opt = tx.update(grads, opt)\n"
                "    return optax.apply_updates(params, updates), opt\n\n"
                "def main(params, data, tx, opt):\n    for x in data:\n        params, opt = step(params, x, tx, opt)\n"
                "    return params"
            ),
        ),
        Example(
            given=GIVEN,
            ok=(
                "def sample(key, n):\n    for _ in range(n):\n        key, sub = jax.random.split(key)\n"
                "        yield jax.random.normal(sub)"
            ),
        ),
        Example(
            given=GIVEN,
            ok=(
                "def sample(key, n):\n    _, sub = jax.random.split(key)\n    for _ in range(n):\n"
                "        sub = jax.random.split(sub)[0]\n    return sub"
            ),
            note="bound to a part of itself",
        ),
        Example(
            given=GIVEN,
            ok=(
                "def sample(key, n):\n    for i in range(n):\n"
                "        a, b = jax.random.split(jax.random.fold_in(key, i))\n        yield a, b"
            ),
        ),
        Example(
            given=GIVEN,
            ok="def sample(key, n):\n    for sub in jax.random.split(key, n):\n        yield jax.random.normal(sub)",
        ),
        Example(
            given=GIVEN,
            ok=(
                "class Sampler:\n    def __init__(self):\n        self.key = jax.random.key(0)\n\n"
                "    def next(self, n):\n        for _ in range(n):\n"
                "            self.key, sub = jax.random.split(self.key)\n            yield sub"
            ),
        ),
        Example(
            given=GIVEN,
            ok=(
                "def sample(seeds):\n    for seed in seeds:\n        key = jax.random.key(seed)\n"
                "        a, b = jax.random.split(key)\n        yield jax.random.normal(a)"
            ),
        ),
        Example(given=GIVEN, ok="def parts(text):\n    text.split(',')\n    key.split(',')", note="another split"),
        Example(
            given="",
            ok=STEP.replace("    for batch", "    key = jax.random.key(0)\n    for batch").replace(
                "        key = jax.random.key(0)\n        noise = jax.random.normal(key",
                "        key, sub = jax.random.split(key)\n        noise = jax.random.normal(sub",
            ),
        ),
        Example(
            given="",
            ok=STEP.replace("for batch in batches", "for i, batch in enumerate(batches)").replace(
                "normal(key,", "normal(jax.random.fold_in(key, i),"
            ),
            note="the number of the step is folded in",
        ),
        Example(
            given="",
            ok=STEP.replace("for batch in batches", "for i, batch in enumerate(batches)").replace("key(0)", "key(i)"),
        ),
        Example(
            given="import jax\nimport optax\n",
            ok=(
                "def compare(models, batches, tx):\n    for model in models:\n"
                "        params = model.init(jax.random.PRNGKey(0), batches[0])\n        opt = tx.init(params)\n"
                "        for batch in batches:\n            grads = jax.grad(model.loss)(params, batch)\n"
                "            updates, opt = tx.update(grads, opt)\n"
                "            params = optax.apply_updates(params, updates)\n"
            ),
            note="every model starts from the same weights; the steps are in another loop",
        ),
        Example(
            given="import jax\nimport jax.numpy as jnp\n",
            ok=(
                "def evaluate(model, params, batches):\n    for batch in batches:\n"
                "        noise = jax.random.normal(jax.random.key(0), batch.shape)\n"
                "        print(model.apply(params, batch + noise))"
            ),
            note="nothing is updated: the same noise may be wanted",
        ),
        Example(
            given="import jax\n",
            ok=(
                "@jax.jit\ndef step(state, batch, key):\n"
                "    loss = state.apply_fn(state.params, batch, rngs={'dropout': key})\n"
                "    return state.apply_gradients(grads=loss)\n\n\n"
                "def main(state, data):\n    return step(state, data, jax.random.key(0))"
            ),
        ),
        Example(
            given="import jax\n",
            ok=(
                "def bench(f):\n    for _ in range(10):\n        x = jax.random.normal(jax.random.key(0), (8, 8))\n"
                "        f(x).block_until_ready()"
            ),
            note="a benchmark on a fixed input",
        ),
    )


def _named(key: ast.expr, ctx: Context) -> str | None:
    """How to write the key as a target, where it may be bound anew."""
    if isinstance(key, ast.Name):
        found = ctx.names.lookup(key)
        owned = found is not None and found[0] is ctx.tree.scope(key)
        return key.id if owned and all(b.how in ("parameter", "assign", "for") for b in found[1]) else None  # type: ignore[index]
    if isinstance(key, ast.Attribute) and ctx.model.kinds.is_self(key.value):
        return ctx.text(key)
    return None


def _plain(node: ast.Call, ctx: Context) -> int | None:
    """Into how many parts a call splits; None if that is not written down."""
    if ctx.open_ended(node) or any(keyword.arg not in ("key", "num") for keyword in node.keywords):
        return None
    number = ctx.argument(node, "num", 1)
    if number is None:
        return 2
    return number.value if isinstance(number, ast.Constant) and isinstance(number.value, int) else None


def _rebound(node: ast.Call, key: ast.expr, ctx: Context) -> Fix | None:
    """`split(key)` → `key, _ = split(key)`."""
    target = _named(key, ctx)
    statement = ctx.tree.statement(node)
    scope = ctx.tree.function(node) or ctx.tree.module
    read = any(isinstance(n, ast.Name) and n.id == "_" and isinstance(n.ctx, ast.Load) for n in walk(scope))
    if target is None or read or _plain(node, ctx) != 2:
        return None
    return ctx.fix(
        lambda: ctx.edits.replace_statements([statement], f"{target}, _ = {ctx.text(node)}"),
        Safety.UNSAFE,
        f"Bind `{target}` to a part of its split",
    )


def _moved(node: ast.Call, key: ast.expr, ctx: Context) -> Fix | None:
    """Let a loop go on with a part of the key that it splits."""
    target = _named(key, ctx)
    statement = ctx.tree.statement(node)
    if target is None or not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    number, taken = _plain(node, ctx), statement.targets[0]
    message = f"Bind `{target}` to a part of its split"
    callee = ctx.text(node.func)
    if statement.value is node and isinstance(taken, ast.Tuple) and number == len(taken.elts):
        names = [element.id if isinstance(element, ast.Name) else "" for element in taken.elts]
        if "" in names or target in names:
            return None
        spare = next((i for i, name in enumerate(names) if name.startswith("_")), None)
        if spare is None:
            left, arguments = [target, *names], f"{ctx.text(key)}, {number + 1}"
        else:
            left = [target, *names[:spare], *names[spare + 1 :]]
            arguments = ctx.text(key) if number == 2 else f"{ctx.text(key)}, {number}"
        text = f"{', '.join(left)} = {callee}({arguments})"
        return ctx.fix(lambda: ctx.edits.replace_statements([statement], text), Safety.UNSAFE, message)
    value = statement.value
    if isinstance(value, ast.Subscript) and value.value is node and number == 2 and isinstance(taken, ast.Name):
        if isinstance(value.slice, ast.Constant) and value.slice.value in (0, 1, -1):
            text = f"{target}, {taken.id} = {ctx.text(node)}"
            return ctx.fix(lambda: ctx.edits.replace_statements([statement], text), Safety.UNSAFE, message)
    if any(isinstance(n, (ast.Lambda, *COMPREHENSIONS)) for n in walk_scope(statement)):
        return None
    name = next(n for n in ("subkey", *(f"subkey_{i}" for i in range(2, 99))) if ctx.names.is_free(n, node))

    def build() -> list[Edit]:
        line = f"{target}, {name} = {callee}({ctx.text(key)})"
        return [ctx.edits.insert_before(statement, line), ctx.edits.replace(key, name)]

    return ctx.fix(build, Safety.UNSAFE, f"Split `{target}` in each round")
