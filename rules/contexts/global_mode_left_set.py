from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Call, Context, Example, Finding, FunctionNode, Rule, Store

# Switch → (what it is called with, what to write instead).
SWITCHES = {
    "torch.set_grad_enabled": "write `with torch.set_grad_enabled(False):`",
    "torch.set_default_dtype": "pass `dtype=` where tensors are made, or restore it in a `finally`",
    "torch.set_default_device": "write `with torch.device(…):`",
    "torch.set_default_tensor_type": "pass `dtype=` where tensors are made, or restore it in a `finally`",
    "torch.autograd.set_detect_anomaly": "write `with torch.autograd.detect_anomaly():`",
    "torch.use_deterministic_algorithms": "",
    "numpy.seterr": "write `with np.errstate(…):`",
    "tensorflow.config.run_functions_eagerly": "restore it in a `finally`",
    "tensorflow.config.experimental_run_functions_eagerly": "restore it in a `finally`",
    "jax.config.update": "write `with jax.disable_jit():`",
}
JAX_CONTEXTS = {
    "jax_disable_jit": "write `with jax.disable_jit():`",
    "jax_debug_nans": "write `with jax.debug_nans(True):`",
    "jax_debug_infs": "write `with jax.debug_infs(True):`",
}
ON = frozenset({"torch.autograd.set_detect_anomaly"})
ON |= {"tensorflow.config.run_functions_eagerly", "tensorflow.config.experimental_run_functions_eagerly"}


class GlobalModeLeftSet(Rule):
    """A function that changes a global mode of a library and does not restore it changes what its callers compute.

    ## Why
    `torch.set_grad_enabled(False)` in a prediction helper turns off gradients for the training that calls it: the loss
    then raises, or with a part of the graph left, parameters silently stop learning. A default dtype, device or
    `np.seterr` that is changed for one computation holds for the whole process, in whatever order functions happen to
    be called. Every one of these modes has a form for a block of code.

    ## References
    - PyTorch documentation, `torch.set_grad_enabled`: "can be used as a context-manager".
    - NumPy documentation, `numpy.errstate`.
    - JAX documentation, `jax.disable_jit` and `jax.debug_nans`.

    ## Known limits
    Modes that are set at the top of a module or in an entry point are taken to be meant for the program, and so are
    functions whose name says that they set something up.
    """

    code, name = "ML214", "global-mode-left-set"
    libraries = ("torch", "tensorflow", "keras", "numpy", "jax")
    triggers = (Call(*(name for name, advice in SWITCHES.items() if advice)), Store("enabled"))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        function = ctx.tree.function(node)
        if function is None or not isinstance(ctx.tree.scope(node), (ast.FunctionDef, ast.AsyncFunctionDef)):
            return
        switch = self._switch(node, ctx)
        if switch is None or ctx.sets_up(function) or self._is_restored(node, switch[0], function, ctx):
            return
        if any(ctx.flow.guards(node)) and not self._is_local(node, ctx):
            return
        place = node if isinstance(node, ast.Call) else ctx.tree.statement(node)
        yield ctx.finding(place, f"`{ctx.short(place)}` stays set after `{function.name}` returns", switch[1])

    def _switch(self, node: ast.AST, ctx: Context) -> tuple[str, str] | None:
        """What is set, and what to do instead."""
        parent = ctx.tree.parent(node)
        if isinstance(node, ast.Call):
            dotted = ctx.dotted(node.func)
            if dotted is None or not isinstance(parent, ast.Expr):
                return None
            first = node.args[0] if node.args else (node.keywords[0].value if node.keywords else None)
            value = first.value if isinstance(first, ast.Constant) else None
            if dotted == "jax.config.update":
                flag = value if isinstance(value, str) and len(node.args) == 2 else None
                on = len(node.args) == 2 and isinstance(node.args[1], ast.Constant) and node.args[1].value is True
                return (f"jax.{flag}", JAX_CONTEXTS[flag]) if flag in JAX_CONTEXTS and on else None
            if dotted == "torch.set_grad_enabled" and value is not False:
                return None
            if dotted in ON and value is not True:
                return None
            if dotted == "torch.set_default_device" and value is None and isinstance(first, ast.Constant):
                return None
            return dotted, SWITCHES[dotted]
        if isinstance(node, ast.Attribute) and isinstance(parent, ast.Assign) and parent.targets == [node]:
            owner = ctx.dotted(node.value) or ""
            if owner.startswith("torch.backends.cudnn") and isinstance(parent.value, ast.Constant):
                if parent.value.value is False:
                    return f"{owner}.enabled", "write `with torch.backends.cudnn.flags(enabled=False):`"
        return None

    def _is_restored(self, node: ast.AST, what: str, function: FunctionNode, ctx: Context) -> bool:
        """Whether the same function sets the same thing again, or only remembers what it was."""
        own = ctx.tree.statement(node)
        for other in ast.walk(function):
            if other is node:
                continue
            if isinstance(other, ast.Call):
                dotted = ctx.dotted(other.func)
                if dotted == what or (what.startswith("jax.") and dotted == "jax.config.update"):
                    return True
                if dotted in (
                    "torch.get_default_dtype",
                    "numpy.geterr",
                    "torch.is_grad_enabled",
                    "os._exit",
                    "sys.exit",
                ):
                    return True
            if isinstance(other, ast.Attribute) and isinstance(other.ctx, ast.Store):
                if other.attr == "enabled" and what.endswith(".enabled") and ctx.tree.statement(other) is not own:
                    return True
        return False

    def _is_local(self, node: ast.AST, ctx: Context) -> bool:
        """Whether the conditions around a switch are about the computation, not about a flag of the user's."""
        return not any(
            isinstance(inner, (ast.Name, ast.Attribute))
            for test, _ in ctx.flow.guards(node)
            for inner in ast.walk(test)
        )

    examples = (
        Example(given="import torch\n", ok="torch.set_grad_enabled(False)", note="the whole program"),
        Example(given="import torch\n", ok="def main():\n    torch.set_grad_enabled(False)\n\n\nmain()"),
        Example(
            given="import torch\n",
            ok="def predict(model, x):\n    with torch.set_grad_enabled(False):\n        return model(x)",
        ),
        Example(
            given="import torch\n",
            ok="def predict(model, x):\n    torch.set_grad_enabled(False)\n    try:\n        return model(x)\n"
            "    finally:\n        torch.set_grad_enabled(True)",
        ),
        Example(given="import torch\n", ok="def set_precision():\n    torch.set_default_dtype(torch.float64)"),
        Example(
            given="import torch\n",
            ok="def solve(a, b):\n    before = torch.get_default_dtype()\n    torch.set_default_dtype(torch.float64)\n"
            "    x = torch.linalg.solve(a, b)\n    torch.set_default_dtype(before)\n    return x",
        ),
        Example(
            given="import numpy as np\n",
            ok="def ratio(a, b):\n    old = np.seterr(divide='ignore')\n    c = a / b\n"
            "    np.seterr(**old)\n    return c",
        ),
        Example(
            given="import numpy as np\n",
            ok="def ratio(a, b):\n    with np.errstate(divide='ignore'):\n        return a / b",
        ),
        Example(
            given="import torch\n",
            ok="def score(model, x):\n    torch.set_grad_enabled(False)\n    return model(x)\n\n\n"
            "if __name__ == '__main__':\n    score(print, 1)",
            note="the entry point calls it",
        ),
        Example(
            given="import torch\n",
            bad="def predict(model, x):\n    torch.set_grad_enabled(False)\n    return model(x)",
        ),
        Example(
            given="import numpy as np\n",
            bad="def ratio(a, b):\n    np.seterr(divide='ignore', invalid='ignore')\n    return a / b",
        ),
        Example(
            given="import torch as th\n",
            bad="class Solver:\n    def solve(self, a, b):\n        th.set_default_dtype(th.float64)\n"
            "        return th.linalg.solve(a, b)",
        ),
        Example(
            given="import tensorflow as tf\n",
            bad="def evaluate(model, x):\n    tf.config.run_functions_eagerly(True)\n    return model(x)",
        ),
        Example(
            given="import jax\n",
            bad='def inspect(f, x):\n    jax.config.update("jax_disable_jit", True)\n    return f(x)',
        ),
        Example(
            given="import torch\n",
            bad="def double_backward(model, x):\n    torch.backends.cudnn.enabled = False\n    return model(x)",
        ),
    )
