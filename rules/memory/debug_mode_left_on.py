from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator

from mlint.rule import Call, Context, Edit, Example, Finding, Method, Reference, Rule, Safety, Store

# Switches that a call turns on with True (or with no argument), and what they cost.
SWITCHES = {
    "torch.autograd.set_detect_anomaly": "stores a traceback for each forward operation and checks each gradient",
    "torch.autograd.detect_anomaly": "stores a traceback for each forward operation and checks each gradient",
    "torch.autograd.profiler.emit_nvtx": "marks each operation for a profiler",
    "torch.autograd.gradcheck": "differentiates numerically, one input element at a time",
    "torch.autograd.gradcheck.gradcheck": "differentiates numerically, one input element at a time",
    "torch.cuda.set_sync_debug_mode": "reports each synchronization with the GPU",
    "tensorflow.config.run_functions_eagerly": "runs every `tf.function` without its graph",
    "tensorflow.config.experimental_run_functions_eagerly": "runs every `tf.function` without its graph",
    "tensorflow.debugging.enable_check_numerics": "checks each tensor for NaN",
}
# Their `with` form is the switch for a piece of code; a bare call of `detect_anomaly` does nothing.
CONTEXTS = frozenset({"torch.autograd.detect_anomaly", "torch.autograd.profiler.emit_nvtx"})
IN_TRAINING_LOOP = frozenset({"torch.autograd.gradcheck", "torch.autograd.gradcheck.gradcheck"})
JAX_FLAGS = {
    "jax_debug_nans": "runs each jitted function again, operation by operation, when a NaN appears, and checks for it",
    "jax_debug_infs": "checks each result for infinities",
    "jax_disable_jit": "runs everything without compiling it",
    "jax_check_tracer_leaks": "searches for leaked tracers after each trace",
}
ENVIRONMENT = {
    "CUDA_LAUNCH_BLOCKING": "makes the CPU wait for each kernel",
    "TORCH_DISTRIBUTED_DEBUG": "checks each collective call on all ranks",
}
DEBUGGING = re.compile(r"debug|profil|diagnos|troubleshoot|repro", re.IGNORECASE)

TRAINING = """import torch
model = torch.nn.Linear(3, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
batches = [torch.randn(4, 3) for _ in range(3)]
"""
STEPS = "for x in batches:\n    opt.zero_grad()\n    model(x).sum().backward()\n    opt.step()"
KERAS = """import keras
model = keras.Sequential([keras.layers.Dense(1)])
"""


class DebugModeLeftOn(Rule):
    """A debugging mode that is on without condition slows down every run of the training.

    ## Why
    Anomaly detection records a Python traceback for each forward operation and checks each backward result for NaN.
    Eager execution of `tf.function` and a disabled JIT give up the compiled program. `CUDA_LAUNCH_BLOCKING=1` ends the
    overlap of CPU and GPU. They are meant for the hour in which a bug is looked for; the documentation says so of
    each.

    ## Fix safety
    Unsafe: deletes the switch. The results are the same, but an error that the mode would have turned into an exception
    passes unseen.

    ## References
    - PyTorch documentation, `torch.autograd.set_detect_anomaly`: "This mode should be enabled only for debugging as the
      different tests will slow down your program execution."
    - PyTorch documentation, "Performance Tuning Guide", section "Disable debugging APIs".
    - TensorFlow documentation, `tf.config.run_functions_eagerly`.
    - JAX documentation, "Introduction to debugging".

    ## When to ignore
    While you are looking for a bug. To keep the switch for next time, put it behind a flag: that is never reported.
    """

    code, name = "ML705", "debug-mode-left-on"
    libraries = ("torch", "tensorflow", "keras", "jax")
    safety = Safety.UNSAFE
    triggers = (
        Call(*SWITCHES, "jax.config.update"),
        Method("compile"),
        Reference("os.environ"),
        Store(*JAX_FLAGS, "run_eagerly"),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if not ctx.model.trains or DEBUGGING.search(os.path.basename(ctx.source.path)):
            return
        found = self._switch(node, ctx)
        if found is None or self._is_meant(node, ctx):
            return
        place, cost, statement = found
        fix = None
        if isinstance(statement, ast.stmt):

            def build() -> Iterable[Edit]:
                return ctx.edits.delete([statement])

            fix = ctx.fix(build, Safety.UNSAFE, "Delete the switch")
        elif isinstance(statement, ast.Call):

            def remove() -> Iterable[Edit]:
                return [ctx.edits.remove_keyword(statement, "run_eagerly")]

            fix = ctx.fix(remove, Safety.UNSAFE, "Remove `run_eagerly=True`")
        message = f"`{ctx.short(place)}` {cost}, in every run"
        yield ctx.finding(place, message, "remove it, or put it behind a flag", fix)

    def _switch(self, node: ast.AST, ctx: Context) -> tuple[ast.AST, str, ast.stmt | ast.Call | None] | None:
        """What is switched on: what to show, what it costs, and what to delete."""
        parent = ctx.tree.parent(node)
        if isinstance(node, ast.Call):
            dotted = ctx.dotted(node.func)
            if dotted == "jax.config.update":
                flag = node.args[0] if len(node.args) == 2 else None
                if isinstance(flag, ast.Constant) and flag.value in JAX_FLAGS and _is_true(node.args[1]):
                    return node, JAX_FLAGS[flag.value], parent if isinstance(parent, ast.Expr) else None
                return None
            if dotted in SWITCHES:
                return self._call(node, dotted, parent, ctx)
            for keyword in node.keywords:
                if keyword.arg == "run_eagerly" and _is_true(keyword.value):
                    return keyword.value, "as `run_eagerly` runs the training step without its graph", node
            return None
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(parent, ast.Assign) and len(parent.targets) == 1 and _is_true(parent.value):
                if node.attr == "run_eagerly":
                    if ctx.is_a(node.value, "keras.Model"):
                        return parent, "runs the training step without its graph", parent
                elif ctx.dotted(node.value) == "jax.config":
                    return parent, JAX_FLAGS[node.attr], parent
            return None
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(parent, ast.Subscript):
            statement = ctx.tree.parent(parent)
            if isinstance(statement, ast.Assign) and statement.targets == [parent]:
                key = parent.slice.value if isinstance(parent.slice, ast.Constant) else None
                value = statement.value.value if isinstance(statement.value, ast.Constant) else None
                on = value in ("1", "DETAIL")
                if isinstance(key, str) and key in ENVIRONMENT and on:
                    return statement, ENVIRONMENT[key], statement
        return None

    def _call(
        self, node: ast.Call, dotted: str, parent: ast.AST | None, ctx: Context
    ) -> tuple[ast.AST, str, ast.stmt | ast.Call | None] | None:
        cost = SWITCHES[dotted]
        first = (
            node.args[0] if node.args else next((k.value for k in node.keywords if k.arg in ("mode", "enabled")), None)
        )
        if dotted in IN_TRAINING_LOOP:
            return (node, cost, None) if ctx.flow.training_loop(node) is not None else None
        if isinstance(parent, ast.withitem):
            if dotted == "torch.autograd.detect_anomaly" or first is None or _is_true(first):
                return node, cost, None
            return None
        if dotted in CONTEXTS or not isinstance(parent, ast.Expr):
            return None
        if dotted == "torch.cuda.set_sync_debug_mode":
            on = isinstance(first, ast.Constant) and first.value in (1, 2, "warn", "error")
        elif dotted == "tensorflow.debugging.enable_check_numerics":
            on = True
        else:
            on = first is not None and _is_true(first)
        return (node, cost, parent) if on else None

    def _is_meant(self, node: ast.AST, ctx: Context) -> bool:
        """Whether something decides about the switch, or it is turned off again."""
        for test, _ in ctx.flow.guards(node):
            if not (isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"):
                return True
        if any(isinstance(ancestor, ast.Try) for ancestor in ctx.tree.ancestors(node)):
            return True
        for function in ctx.tree.functions(node):
            if DEBUGGING.search(function.name) or function.name.startswith(("set_", "enable_", "configure", "test_")):
                return True
        owner = ctx.tree.class_of(node)
        if owner is not None and DEBUGGING.search(owner.name):
            return True
        if isinstance(node, ast.Call):
            dotted = ctx.dotted(node.func)
            scope = ctx.tree.function(node) or ctx.tree.module
            for other in ast.walk(scope):
                if isinstance(other, ast.Call) and other is not node and dotted is not None:
                    if ctx.dotted(other.func) == dotted and any(_is_false(argument) for argument in other.args):
                        return True
        return False

    examples = (
        Example(given=TRAINING, ok=f"torch.autograd.set_detect_anomaly(False)\n{STEPS}"),
        Example(given=TRAINING + "debug = False\n", ok=f"torch.autograd.set_detect_anomaly(debug)\n{STEPS}"),
        Example(
            given=TRAINING + "debug = False\n", ok=f"if debug:\n    torch.autograd.set_detect_anomaly(True)\n{STEPS}"
        ),
        Example(given="import torch\n", ok="torch.autograd.set_detect_anomaly(True)", note="nothing is trained"),
        Example(given=TRAINING, ok=f"torch.autograd.set_detect_anomaly(True)\n{STEPS}", path="debug_nan.py"),
        Example(
            given=TRAINING,
            ok=f"def debug_run():\n    torch.autograd.set_detect_anomaly(True)\n\n\n{STEPS}",
        ),
        Example(
            given=TRAINING,
            ok=f"torch.autograd.set_detect_anomaly(True)\n{STEPS}\ntorch.autograd.set_detect_anomaly(False)",
        ),
        Example(given=TRAINING + "import os\n", ok=f'os.environ["CUDA_LAUNCH_BLOCKING"] = "0"\n{STEPS}'),
        Example(given=TRAINING + "import os\n", ok=f'os.environ["CUDA_VISIBLE_DEVICES"] = "1"\n{STEPS}'),
        Example(given=KERAS, ok="model.compile(loss='mse', run_eagerly=False)\nmodel.fit([1], [1])"),
        Example(given=KERAS + "flag = True\n", ok="model.compile(loss='mse', run_eagerly=flag)\nmodel.fit([1], [1])"),
        Example(
            given="import jax\n",
            ok='jax.config.update("jax_enable_x64", True)\nstep = jax.value_and_grad(lambda x: x * x)',
        ),
        Example(
            given=TRAINING,
            bad=f"torch.autograd.set_detect_anomaly(True)\n{STEPS}\nresult = model.weight.detach()",
            good=f"{STEPS}\nresult = model.weight.detach()",
        ),
        Example(
            given=TRAINING,
            bad="def train():\n    torch.autograd.set_detect_anomaly(mode=True)\n    for x in batches:\n"
            "        model(x).sum().backward()",
            good="def train():\n    for x in batches:\n        model(x).sum().backward()",
        ),
        Example(
            given=TRAINING,
            bad="for x in batches:\n    with torch.autograd.detect_anomaly():\n        model(x).sum().backward()",
        ),
        Example(
            given=TRAINING + "import os\n",
            bad=f'os.environ["CUDA_LAUNCH_BLOCKING"] = "1"\n{STEPS}',
            good=STEPS,
        ),
        Example(
            given="import tensorflow as tf\nfrom tensorflow import keras\nmodel = keras.Sequential()\n",
            bad="if __name__ == '__main__':\n    tf.config.run_functions_eagerly(True)\n    model.fit([1], [1])",
            good="if __name__ == '__main__':\n    model.fit([1], [1])",
        ),
        Example(
            given=KERAS,
            bad='model.compile(loss="mse", run_eagerly=True)\nmodel.fit([1], [1])',
            good='model.compile(loss="mse")\nmodel.fit([1], [1])',
        ),
        Example(
            given="import jax\n",
            bad='jax.config.update("jax_debug_nans", True)\nstep = jax.value_and_grad(lambda x: x * x)',
            good="step = jax.value_and_grad(lambda x: x * x)",
        ),
    )


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False
