from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from mlint.rule import COMPREHENSIONS, Call, Context, Edit, Example, Finding, Rule, Safety, Tape, walk, walk_statements

SETUP = """import numpy as np
import tensorflow as tf
x = tf.Variable(np.random.rand(3).astype("float32"))
"""


class GradientTapeMisuse(Rule):
    """A `tf.GradientTape` that keeps more than it is asked for, or that does not watch what it is asked about.

    ## Why
    A persistent tape holds every intermediate result of the recorded code until it is deleted; it is needed only to ask
    for gradients more than once. Asked inside its own block, it records the computation of the gradients as well, which
    costs memory and time and serves second derivatives only. And a tape watches variables, not tensors: the gradient by
    a `tf.constant` is `None` unless `tape.watch` was called, and an optimizer then skips it with a warning at best.

    ## Fix safety
    Safe: drops `persistent=True` where one gradient is asked, moves the requests at the end of a block out of it where
    they need nothing that the block computes later, and deletes a persistent tape behind its last use in the round of a
    loop. Unsafe where another module or `globals()` may look for the tape. What is not watched is only reported.

    ## Known limits
    Only tapes are judged that a `with` binds to a name and that are handed to nobody. Nested tapes are left alone.

    ## References
    - TensorFlow documentation, `tf.GradientTape`, parameter `persistent`, and methods `gradient` and `watch`.
    - TensorFlow guide, "Introduction to gradients and automatic differentiation".
    """

    code, name = "ML213", "gradient-tape-misuse"
    libraries = ("tensorflow", "keras")
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Call("tensorflow.GradientTape"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        tape = ctx.tape(node)
        if tape is None or not tape.asked:
            return
        if not ctx.tape_is_nested(tape):
            yield from self._unwatched(tape, ctx)
            if tape.persistent and any(tape.inside(call) for call in tape.asked):
                yield from self._inside(tape, ctx)
                return
        if tape.persistent and not any(tape.inside(call) for call in tape.asked):
            if len(tape.asked) == 1 and not self._is_repeated(tape, ctx):
                yield from self._persistent(tape, ctx)
            else:
                yield from self._kept(tape, ctx)

    def _unwatched(self, tape: Tape, ctx: Context) -> Iterator[Finding]:
        for call in tape.asked:
            if any(keyword.arg in (None, "unconnected_gradients") for keyword in call.keywords):
                continue
            sources = ctx.argument(call, "sources", 1)
            several = sources.elts if isinstance(sources, (ast.List, ast.Tuple)) else [sources]
            for source in several:
                if source is not None and ctx.tape_misses(tape, source):
                    message = f"`{tape.name}` does not watch `{ctx.short(source)}`: the gradient by it is None"
                    yield ctx.finding(source, message, f"call `{tape.name}.watch({ctx.text(source)})` in the block")

    def _is_repeated(self, tape: Tape, ctx: Context) -> bool:
        """Whether the one request stands in a loop and is made several times."""
        call = tape.asked[0]
        if ctx.flow.loop(call) is not ctx.flow.loop(tape.block):
            return True
        return any(isinstance(ancestor, COMPREHENSIONS) for ancestor in ctx.tree.ancestors(call))

    def _persistent(self, tape: Tape, ctx: Context) -> Iterator[Finding]:
        call = tape.asked[0]
        if any(keyword.arg == "experimental_use_pfor" for keyword in call.keywords):
            return  # without it, a jacobian is asked row by row
        if any((other.lineno, other.col_offset) > (call.lineno, call.col_offset) for other in tape.others):
            return
        keyword = next((k for k in tape.call.keywords if k.arg == "persistent"), None)
        fix = None
        if keyword is not None:
            fix = ctx.fix(
                lambda: ctx.edits.remove_keyword(tape.call, "persistent"), Safety.SAFE, "Remove `persistent=True`"
            )
        message = f"`{tape.name}` is persistent, but is asked for one gradient only"
        yield ctx.finding(tape.call, message, "drop `persistent=True`", fix)

    def _kept(self, tape: Tape, ctx: Context) -> Iterator[Finding]:
        """A persistent tape in a loop that nobody deletes, with work behind its last use."""
        loop = ctx.flow.loop(tape.block)
        if loop is None or tape.deletion is not None:
            return
        following = ctx.tree.following(tape.block)
        used = [call for call in (*tape.asked, *tape.others) if not tape.inside(call)]
        last = -1
        for call in used:
            place = next((i for i, s in enumerate(following) if any(part is call for part in walk(s))), None)
            if place is None:
                return
            last = max(last, place)
        behind = following[last + 1 :]
        if last < 0 or not any(isinstance(part, ast.Call) for part in walk_statements(behind)):
            return
        statement = following[last]
        leaves = any(
            isinstance(part, (ast.Return, ast.Break, ast.Continue, ast.Raise)) for part in walk_statements(following)
        )
        message = f"`{tape.name}` is persistent and holds what it has recorded for the rest of the round"
        advice = f"`del {tape.name}` after the last gradient"
        if leaves:
            yield ctx.finding(tape.call, message, advice)
            return
        safety = Safety.UNSAFE if ctx.looked_up(tape.block, tape.name) else Safety.SAFE
        fix = ctx.fix(lambda: ctx.edits.insert_after(statement, f"del {tape.name}"), safety, f"Add `del {tape.name}`")
        yield ctx.finding(tape.call, message, advice, fix)

    def _inside(self, tape: Tape, ctx: Context) -> Iterator[Finding]:
        """Gradients that a persistent tape is asked for in its own block, none of which is differentiated again."""
        first = next(call for call in tape.asked if tape.inside(call))
        results = self._results(tape, ctx)
        if results is None or any(call.func.attr == "stop_recording" for call in tape.others):  # type: ignore[attr-defined]
            return
        statement = ctx.tree.statement(first)
        start = next((i for i, other in enumerate(tape.block.body) if other is statement), None)
        tail = [] if start is None else tape.block.body[start:]
        read = {part.id for call in tape.asked for part in walk(call) if isinstance(part, ast.Name)}
        if read & results:
            return  # a gradient of a gradient
        made = {
            part.id for part in walk_statements(tail) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
        }
        message = f"`{ctx.short(first)}` is recorded by its own tape"
        advice = "ask for it behind the block"
        loops = ctx.flow.loop(first) is not ctx.flow.loop(tape.block)
        if not start or made & (read - results) or loops or len(tape.block.items) > 1:
            yield ctx.finding(first, message, advice)
            return
        if any(tape.inside(call) and call.func.attr == "watch" for call in tape.others if call.lineno > first.lineno):  # type: ignore[attr-defined]
            return

        def build() -> Iterable[Edit]:
            return ctx.edits.unwrap_tail(tape.block, statement)

        yield ctx.finding(first, message, advice, ctx.fix(build, Safety.SAFE, "Move it out of the block"))

    def _results(self, tape: Tape, ctx: Context) -> set[str] | None:
        """The names that hold gradients or what is computed from them in the block; None where one goes elsewhere."""
        found: set[str] = set()
        for call in tape.asked:
            statement = ctx.tree.statement(call)
            if isinstance(statement, ast.Assign):
                found |= {
                    part.id for target in statement.targets for part in walk(target) if isinstance(part, ast.Name)
                }
            elif not isinstance(statement, ast.Expr):
                return None
        for part in walk_statements(tape.block.body):
            if isinstance(part, ast.Assign):
                if any(isinstance(name, ast.Name) and name.id in found for name in walk(part.value)):
                    found |= {n.id for target in part.targets for n in walk(target) if isinstance(n, ast.Name)}
        return found

    examples = (
        Example(
            given=SETUP,
            ok="with tf.GradientTape() as tape:\n    y = tf.reduce_sum(x * x)\nresult = tape.gradient(y, x)",
        ),
        Example(
            given=SETUP,
            ok="with tf.GradientTape(persistent=True) as tape:\n    y = x * x\n    z = y * y\n"
            "a = tape.gradient(y, x)\nb = tape.gradient(z, x)\ndel tape",
        ),
        Example(
            given=SETUP,
            ok="with tf.GradientTape(persistent=True) as tape:\n    y = x * x\n    z = y * y\n"
            "a = tape.gradient(y, x)\nb = tape.gradient(z, x)",
            note="once, not in a loop",
        ),
        Example(
            given=SETUP,
            ok="with tf.GradientTape(persistent=True) as tape:\n    ys = [x[0] * x, x[1] * x]\n"
            "grads = [tape.gradient(y, x) for y in ys]",
            note="one call, several gradients",
        ),
        Example(
            given=SETUP,
            ok="with tf.GradientTape(persistent=True) as tape:\n    ys = [x[0] * x, x[1] * x]\ngrads = []\n"
            "for y in ys:\n"
            "    grads.append(tape.gradient(y, x))",
        ),
        Example(
            given=SETUP,
            ok="with tf.GradientTape(persistent=True) as tape:\n    y = x * x\n"
            "rows = tape.jacobian(y, x, experimental_use_pfor=False)",
        ),
        Example(
            given=SETUP,
            ok="with tf.GradientTape() as outer:\n    with tf.GradientTape() as inner:\n        y = x * x * x\n"
            "    g = inner.gradient(y, x)\nh = outer.jacobian(g, x)",
            note="a Hessian",
        ),
        Example(
            given=SETUP,
            ok="with tf.GradientTape(persistent=True) as tape:\n    y = tf.reduce_sum(x**3)\n"
            "    g = tape.gradient(y, x)\n"
            "h = tape.gradient(g, x)",
            note="second order with one tape",
        ),
        Example(
            given=SETUP,
            ok="with tf.GradientTape(persistent=True) as tape:\n    y = tf.reduce_sum(x**3)\n"
            "    with tape.stop_recording():\n        g = tape.gradient(y, x)\n    z = y * y\nh = tape.gradient(z, x)",
        ),
        Example(
            given=SETUP + "from mylib import gradients\n",
            ok="with tf.GradientTape(persistent=True) as tape:\n    y = x * x\ngradients(tape, y, x)",
            note="handed on",
        ),
        Example(
            given=SETUP,
            ok="def record(f, x):\n    with tf.GradientTape(persistent=True) as tape:\n        y = f(x)\n"
            "    g = tape.gradient(y, x)\n    return g, tape",
        ),
        Example(
            given=SETUP,
            ok="def record(f, x, many):\n    with tf.GradientTape(persistent=many) as tape:\n        y = f(x)\n"
            "    return tape.gradient(y, x)",
        ),
        Example(
            given=SETUP,
            ok="def record(f, x):\n    with tf.GradientTape(persistent=True) as tape:\n        y = f(x)\n\n"
            "    def grad():\n        return tape.gradient(y, x)\n\n    return grad",
        ),
        Example(
            given=SETUP,
            ok="with tf.GradientTape() as tape:\n    y = tf.reduce_sum(x * x)\n    g = tape.gradient(y, x)",
            note="one that is not persistent stops recording then",
        ),
        Example(
            given=SETUP + "c = tf.constant([1.0, 2.0])\n",
            ok="with tf.GradientTape() as tape:\n    tape.watch(c)\n    y = c * c\ng = tape.gradient(y, c)",
        ),
        Example(
            given=SETUP,
            ok="with tf.GradientTape() as tape:\n    c = tf.convert_to_tensor(x)\n    y = c * c\n"
            "g = tape.gradient(y, c)",
            note="computed from a variable",
        ),
        Example(
            given="import tensorflow as tf\nfrom mylib import GradientTape\nx = tf.constant(1.0)\n",
            ok="with GradientTape(persistent=True) as tape:\n    y = x * x\ng = tape.gradient(y, x)",
        ),
        # The defect
        Example(
            given=SETUP,
            bad="with tf.GradientTape(persistent=True) as tape:\n    y = tf.reduce_sum(x * x)\n"
            "result = tape.gradient(y, x).numpy()",
            good="with tf.GradientTape() as tape:\n    y = tf.reduce_sum(x * x)\nresult = tape.gradient(y, x).numpy()",
            equal="result",
            safety="safe",
        ),
        Example(
            given=SETUP,
            bad="def rows(x):\n    with tf.GradientTape(\n        persistent=True,  # why?\n"
            "        watch_accessed_variables=False,\n    ) as t:\n        t.watch(x)\n        y = x * x\n"
            "    return t.jacobian(y, x)\n\n\nresult = rows(x).numpy()",
        ),
        Example(
            given=SETUP,
            bad="def rows(x):\n    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as t:\n"
            "        t.watch(x)\n        y = x * x\n    return t.jacobian(y, x)\n\n\nresult = rows(x).numpy()",
            good="def rows(x):\n    with tf.GradientTape(watch_accessed_variables=False) as t:\n"
            "        t.watch(x)\n        y = x * x\n    return t.jacobian(y, x)\n\n\nresult = rows(x).numpy()",
            equal="result",
            safety="safe",
        ),
        Example(
            given="import numpy as np\nimport tensorflow as tf\nx = tf.Variable(np.random.rand(3).astype('float32'))\n",
            bad="with tf.GradientTape(persistent=True) as outer:\n    with tf.GradientTape() as inner:\n"
            "        y = tf.reduce_sum(x**3)\n    g = inner.gradient(y, x)\nresult = outer.jacobian(g, x).numpy()",
            good="with tf.GradientTape() as outer:\n    with tf.GradientTape() as inner:\n"
            "        y = tf.reduce_sum(x**3)\n    g = inner.gradient(y, x)\nresult = outer.jacobian(g, x).numpy()",
            equal="result",
        ),
        Example(
            given=SETUP,
            bad="result = []\nfor step in range(3):\n    with tf.GradientTape(persistent=True) as tape:\n"
            "        y = tf.reduce_sum(x * x)\n        z = tf.reduce_sum(y * x)\n    a = tape.gradient(y, x)\n"
            "    b = tape.gradient(z, x)  # the other one\n    x.assign_sub(0.1 * (a + b))\n"
            "    result.append(x.numpy())",
            good="result = []\nfor step in range(3):\n    with tf.GradientTape(persistent=True) as tape:\n"
            "        y = tf.reduce_sum(x * x)\n        z = tf.reduce_sum(y * x)\n    a = tape.gradient(y, x)\n"
            "    b = tape.gradient(z, x)  # the other one\n    del tape\n    x.assign_sub(0.1 * (a + b))\n"
            "    result.append(x.numpy())",
            equal="result",
            safety="safe",
        ),
        Example(
            given=SETUP,
            bad="with tf.GradientTape(persistent=True) as tape:\n    y = tf.reduce_sum(x * x)\n"
            "    z = tf.reduce_sum(x**3)\n"
            "    # both\n    a = tape.gradient(y, x)\n    b = tape.gradient(z, x)\nresult = a.numpy() + b.numpy()",
            good="with tf.GradientTape(persistent=True) as tape:\n    y = tf.reduce_sum(x * x)\n"
            "    z = tf.reduce_sum(x**3)\n"
            "# both\na = tape.gradient(y, x)\nb = tape.gradient(z, x)\nresult = a.numpy() + b.numpy()",
            equal="result",
            safety="safe",
        ),
        Example(
            given=SETUP,
            bad="with tf.GradientTape(persistent=True) as tape:\n    y = tf.reduce_sum(x * x)\n"
            "    a = tape.gradient(y, x)\n    z = tf.reduce_sum(x**3)\n    b = tape.gradient(z, x)",
            note="what comes behind the first request is differentiated too",
        ),
        Example(
            given=SETUP + "c = tf.constant([1.0, 2.0, 3.0])\n",
            bad="with tf.GradientTape() as tape:\n    y = tf.reduce_sum(c * x)\ndx, dc = tape.gradient(y, [x, c])",
        ),
        Example(
            given="import tensorflow as tf\n",
            bad="def slope(f):\n    at = tf.random.normal((3,))\n    with tf.GradientTape() as tape:\n"
            "        y = f(at)\n"
            "    return tape.gradient(target=y, sources=at)",
        ),
        Example(
            given="import tensorflow as tf\n",
            bad="a, b = tf.constant(5.0), tf.constant(3.0)\nwith tf.GradientTape() as tape:\n    z = a * b\n"
            "grads = tape.gradient(z, (a, b))",
            count=2,
        ),
    )
