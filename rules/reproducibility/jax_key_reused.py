from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import COMPREHENSIONS, LOOPS, Call, Context, Edit, Example, Finding, Fix, Module, Rule, Safety, walk

_DRAWING = tuple(
    f"jax.random.{name}"
    for name in (
        "ball bernoulli beta binomial bits categorical cauchy chisquare choice dirichlet double_sided_maxwell "
        "exponential f gamma generalized_normal geometric gumbel laplace loggamma logistic lognormal maxwell "
        "multinomial multivariate_normal normal orthogonal pareto permutation poisson rademacher randint rayleigh "
        "shuffle split t triangular truncated_normal uniform wald weibull_min"
    ).split()
)
_SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return)

GIVEN = "import jax\nimport numpy as np\n"


class JaxKeyReused(Rule):
    """A JAX random key is used up twice, so the second draw repeats or correlates with the first.

    ## Why
    A JAX key holds no state: `jax.random.normal(key)` returns the same numbers however often it is called, and
    samplers that are given one key share their bits, so that noise, dropout masks or initial weights which should be
    independent are functions of each other. `split` reads the same bits as the samplers. Each key is to be used once,
    by one sampler or by one `split`; `fold_in` may be called with the same key and different numbers.

    The rule follows each path through a function: the arms of a branch, returns, loops (what a round uses must be
    bound anew in it), unpacking, other names for the same key, and elements of a split.

    ## Fix safety
    Unsafe: other numbers are drawn, on purpose. The key is split before its first use; in a loop over a range, where it
    is the only use, the number of the round is folded in.

    ## Known limits
    A key that is passed to a function of the project counts as used up where that function certainly draws with it or
    splits it; the same function called twice with one key does not, nor do functions that initialise. Keys passed to
    other functions (`model.init(key, x)`) are not counted, nor are keys that stand under two conditions of which it
    cannot be seen whether they exclude each other.

    ## When to ignore
    The same numbers are wanted: a test that compares two implementations on the same draw.

    ## References
    - JAX documentation, "Pseudorandom numbers" and "The Sharp Bits", section "Random numbers".
    """

    code, name = "ML312", "jax-key-reused"
    libraries = ("jax",)
    safety = Safety.UNSAFE
    words = ("random",)
    triggers = (Call(*_DRAWING), Module())

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if not isinstance(node, ast.Call):
            for reuse in ctx.model.jax_keys.passed_on_again():
                yield from self._again(reuse.call, ctx)
            return
        yield from self._again(node, ctx)

    def _again(self, node: ast.Call, ctx: Context) -> Iterator[Finding]:
        """The finding for a call that uses a key up again."""
        reuse = ctx.model.jax_keys.reuse(node)
        if reuse is None:
            return
        if reuse.earlier is node:
            if ctx.model.jax_keys.is_split(node):
                return  # a matter of `jax-key-split-lost`
            message = f"`{reuse.name}` is the same key in every round: `{ctx.short(node)}` repeats its numbers"
            yield ctx.finding(
                node,
                message,
                "fold the round's number in, or split the key in the loop",
                self._loop_fix(node, reuse.key, ctx),
            )
            return
        what = ctx.short(reuse.earlier.func)
        place = ctx.lines(reuse.earlier)
        message = f"`{reuse.name}` was used up by `{what}` in {place}: the draws are not independent"
        yield ctx.finding(node, message, "split the key and use each part once", self._fix(reuse.earlier, node, ctx))

    def _fix(self, earlier: ast.Call, node: ast.Call, ctx: Context) -> Fix | None:
        """Split in front of the first use, which takes the new part; the name goes on with the other one."""
        key = ctx.model.jax_keys.key(earlier)
        if not isinstance(key, ast.Name) or key.id != _written(ctx.model.jax_keys.key(node)):
            return None
        first, second = ctx.tree.statement(earlier), ctx.tree.statement(node)
        if set(ctx.tree.loops(first)) != set(ctx.tree.loops(second)):
            return None
        return self._split(earlier, key, ctx)

    def _loop_fix(self, node: ast.Call, key: ast.expr, ctx: Context) -> Fix | None:
        if not isinstance(key, ast.Name):
            return None
        number = _round(node, key, ctx)
        if number is None:
            return self._split(node, key, ctx)

        def build() -> list[Edit]:
            text, imports = ctx.edits.name("jax.random.fold_in", node)
            return [ctx.edits.replace(key, f"{text}($key, {number})", key=key), *imports]

        return ctx.fix(build, Safety.UNSAFE, f"Fold `{number}` into the key")

    def _split(self, use: ast.Call, key: ast.Name, ctx: Context) -> Fix | None:
        statement = ctx.tree.statement(use)
        if not isinstance(statement, _SIMPLE) or not _owned(key, ctx):
            return None
        if any(isinstance(a, (ast.Lambda, *COMPREHENSIONS, ast.IfExp)) for a in _up_to(use, statement, ctx)):
            return None
        name = next(n for n in ("subkey", *(f"subkey_{i}" for i in range(2, 99))) if ctx.names.is_free(n, use))

        def build() -> list[Edit]:
            text, imports = ctx.edits.name("jax.random.split", use)
            line = f"{key.id}, {name} = {text}({key.id})"
            edits = [*imports, ctx.edits.insert_before(statement, line), ctx.edits.replace(key, name)]
            return sorted(edits, key=lambda edit: edit.start)

        return ctx.fix(build, Safety.UNSAFE, f"Split `{key.id}` before `{ctx.short(use)}`")

    examples = (
        Example(
            given=GIVEN,
            bad=(
                "def sample(key):\n    x = jax.random.normal(key, (3,))\n    y = jax.random.uniform(key, (3,))\n"
                "    return x, y"
            ),
            good=(
                "def sample(key):\n    key, subkey = jax.random.split(key)\n"
                "    x = jax.random.normal(subkey, (3,))\n    y = jax.random.uniform(key, (3,))\n    return x, y"
            ),
            equal="[v.shape for v in sample(jax.random.key(0))]",
        ),
        Example(
            given="from jax import random",
            bad=("key = random.PRNGKey(0)\n# the inputs\nx = random.normal(key, (8, 2))\nkey, sub = random.split(key)"),
            good=(
                "key = random.PRNGKey(0)\nkey, subkey = random.split(key)\n# the inputs\n"
                "x = random.normal(subkey, (8, 2))\nkey, sub = random.split(key)"
            ),
        ),
        Example(
            given=GIVEN,
            bad=(
                "def noisy(key, xs):\n    for i in range(4):\n"
                "        xs = xs + jax.random.normal(key, xs.shape)\n    return xs"
            ),
            good=(
                "def noisy(key, xs):\n    for i in range(4):\n"
                "        xs = xs + jax.random.normal(jax.random.fold_in(key, i), xs.shape)\n    return xs"
            ),
            equal="noisy(jax.random.key(1), np.zeros(3)).shape",
        ),
        Example(
            given=GIVEN,
            bad=(
                "def weights(key, shapes):\n    found = []\n    for shape in shapes:\n"
                "        found.append(jax.random.normal(key, shape))\n    return found"
            ),
            good=(
                "def weights(key, shapes):\n    found = []\n    for shape in shapes:\n"
                "        key, subkey = jax.random.split(key)\n"
                "        found.append(jax.random.normal(subkey, shape))\n    return found"
            ),
            equal="[w.shape for w in weights(jax.random.key(1), [(2,), (3, 1)])]",
        ),
        Example(
            given="import jax",
            bad=(
                "def sample(key, n):\n    for _ in range(n):\n        key = jax.random.split(key)[0]\n"
                "        yield jax.random.normal(key)"
            ),
            good=(
                "def sample(key, n):\n    for _ in range(n):\n        key = jax.random.split(key)[0]\n"
                "        key, subkey = jax.random.split(key)\n        yield jax.random.normal(subkey)"
            ),
            note="the key that was drawn with is split in the next round",
        ),
        Example(
            given="import jax.random as jr",
            bad="def init(key, n):\n    return [jr.normal(key, (3,)) for i in range(n)]",
            good="def init(key, n):\n    return [jr.normal(jr.fold_in(key, i), (3,)) for i in range(n)]",
        ),
        Example(
            given="import jax.random as jr",
            bad=(
                "def init(key, deep):\n    w = None\n    if deep:\n        w = jr.normal(key, (3,))\n"
                "    return w, jr.uniform(key, (3,))"
            ),
            good=(
                "def init(key, deep):\n    w = None\n    if deep:\n        key, subkey = jr.split(key)\n"
                "        w = jr.normal(subkey, (3,))\n    return w, jr.uniform(key, (3,))"
            ),
        ),
        Example(
            given="import jax",
            bad=(
                "keys = jax.random.split(jax.random.key(0), 2)\n"
                "a = jax.random.normal(keys[0])\nb = jax.random.bits(keys[0])"
            ),
            note="an element used twice; which other one was meant is not known",
        ),
        Example(
            given="import jax\n\ndef noise(key, n):\n    return jax.random.normal(key, (n,))\n",
            bad="def sample(key):\n    x = noise(key, 3)\n    return x + jax.random.normal(key, (3,))",
            good=(
                "def sample(key):\n    key, subkey = jax.random.split(key)\n    x = noise(subkey, 3)\n"
                "    return x + jax.random.normal(key, (3,))"
            ),
            equal="sample(jax.random.key(0)).shape",
            note="passed on, and used again",
        ),
        Example(
            given="import jax\nfrom tools import noise\n",
            bad="def sample(rng):\n    a, b = jax.random.split(rng)\n    return noise(key=rng, n=3), a, b",
            good=(
                "def sample(rng):\n    rng, subkey = jax.random.split(rng)\n    a, b = jax.random.split(subkey)\n"
                "    return noise(key=rng, n=3), a, b"
            ),
            files={
                "tools.py": "import jax\n\n\ndef inner(k):\n    return jax.random.uniform(k)\n\n\n"
                "def noise(n, key):\n    return inner(key) * n\n"
            },
            note="through two functions of another file",
        ),
        Example(
            given=(
                "import jax\n\n@jax.jit\ndef step(state, x, key):\n"
                "    return state + x * jax.random.bernoulli(key, 0.5, x.shape)\n"
            ),
            bad="def train(state, xs, key):\n    for x in xs:\n        state = step(state, x, key)\n    return state",
            good=(
                "def train(state, xs, key):\n    for x in xs:\n        key, subkey = jax.random.split(key)\n"
                "        state = step(state, x, subkey)\n    return state"
            ),
            equal="train(0.0, [jax.numpy.ones(3)] * 2, jax.random.key(0)).shape",
            note="one mask for all steps",
        ),
        Example(
            given=(
                "import jax\n\ndef step(state, x, key, i):\n    key = jax.random.fold_in(key, i)\n"
                "    return state + x * jax.random.bernoulli(key, 0.5, x.shape)\n"
            ),
            ok=(
                "def train(state, xs, key):\n    for i, x in enumerate(xs):\n        state = step(state, x, key, i)\n"
                "    return state"
            ),
            note="the function folds the number of the step in",
        ),
        Example(
            given="import jax\n\ndef score(model, key):\n    return model(jax.random.normal(key, (3,)))\n",
            ok=(
                "def compare(models, key):\n    a = score(models[0], key)\n    b = score(models[1], key)\n"
                "    return a, b, [score(model, key) for model in models]"
            ),
            note="models that are compared on the same numbers",
        ),
        Example(
            given="import jax\n\ndef init_params(key):\n    return jax.random.normal(key, (3,))\n",
            ok="def start(key):\n    return init_params(key), jax.random.split(key)",
            note="an initialisation",
        ),
        Example(
            given=(
                "import jax\n\ndef noise(key, n):\n    if n:\n        return jax.random.normal(key, (n,))\n"
                "    return 0\n"
            ),
            ok="def sample(key):\n    return noise(key, 0), jax.random.normal(key)",
            note="may not draw",
        ),
        Example(
            given="import jax",
            ok=(
                "def sample(key, flag):\n    if flag:\n        return jax.random.normal(key)\n"
                "    return jax.random.uniform(key)"
            ),
        ),
        Example(
            given="import jax",
            ok=(
                "def sample(key):\n    key, sub = jax.random.split(key)\n    x = jax.random.normal(sub)\n"
                "    key, sub = jax.random.split(key)\n    return x + jax.random.normal(sub)"
            ),
        ),
        Example(
            given="import jax",
            ok=(
                "def sample(key, n):\n    for i in range(n):\n"
                "        yield jax.random.normal(jax.random.fold_in(key, i))"
            ),
        ),
        Example(
            given="import jax",
            ok=(
                "def init(key, model, x):\n    params = model.init(key, x)\n    y = model.init(key, x)\n"
                "    return params, y"
            ),
        ),
        Example(
            given="import jax",
            ok="def init(key, n):\n    return [jax.random.normal(k) for k in jax.random.split(key, n)]",
        ),
        Example(
            ok=(
                "from mylib import random\nimport jax\n\n"
                "def sample(key):\n    return random.normal(key), random.normal(key)"
            ),
            note="another library's function",
        ),
    )


def _later(first: ast.Call, second: ast.Call) -> bool:
    """Whether a use stands behind another one: then it was in an earlier round of a loop."""
    return (first.lineno, first.col_offset) > (second.lineno, second.col_offset)


def _written(node: ast.expr | None) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


def _owned(key: ast.Name, ctx: Context) -> bool:
    """Whether the key is bound in the scope in which it is used, so that it may be bound anew there."""
    found = ctx.names.lookup(key)
    if found is None or found[0] is not ctx.tree.scope(key):
        return False
    return all(binding.how in ("parameter", "assign", "for") for binding in found[1])


def _up_to(node: ast.AST, statement: ast.stmt, ctx: Context) -> Iterator[ast.AST]:
    for ancestor in ctx.tree.ancestors(node):
        if ancestor is statement:
            return
        yield ancestor


def _round(use: ast.Call, key: ast.Name, ctx: Context) -> str | None:
    """The number of the round, if one loop alone repeats the use and nothing else in it uses the key."""
    repeating: list[ast.For | ast.comprehension] = []
    body: list[ast.AST] = []
    for ancestor in ctx.tree.ancestors(use):
        if isinstance(ancestor, COMPREHENSIONS):
            repeating += ancestor.generators
            body.append(ancestor)
        elif isinstance(ancestor, ast.For):
            repeating.append(ancestor)
            body.append(ancestor)
        elif isinstance(ancestor, LOOPS):
            return None
        elif isinstance(ancestor, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            break
    if len(repeating) != 1:
        return None
    uses = [
        node
        for node in walk(body[0])
        if isinstance(node, ast.Call) and _written(ctx.model.jax_keys.key(node)) == key.id
    ]
    if len(uses) != 1:
        return None
    loop = repeating[0]
    if not isinstance(loop.iter, ast.Call):
        return None
    maker = ctx.dotted(loop.iter.func)
    target = loop.target
    if maker == "enumerate" and isinstance(target, ast.Tuple) and target.elts:
        target = target.elts[0]
    elif maker != "range":
        return None
    return target.id if isinstance(target, ast.Name) and target.id != "_" else None
