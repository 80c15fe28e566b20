from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from mlint.rule import Call, Context, Edit, Example, Finding, Reference, Rule, Safety

CONTEXTS = (
    "torch.no_grad",
    "torch.inference_mode",
    "torch.enable_grad",
    "torch.autocast",
    "torch.amp.autocast",
    "torch.cuda.amp.autocast",
    "torch.cpu.amp.autocast",
    "torch.random.fork_rng",
    "torch.autograd.detect_anomaly",
    "torch.autograd.profiler.profile",
    "torch.autograd.profiler.record_function",
    "torch.autograd.profiler.emit_nvtx",
    "torch.autograd.graph.saved_tensors_hooks",
    "torch.autograd.graph.save_on_cpu",
    "torch.cuda.stream",
    "torch.nn.utils.parametrize.cached",
    "torch.nn.attention.sdpa_kernel",
)
# Without the call, `with` finds a class or a function where it needs an object.
UNCALLED = frozenset(
    {
        "torch.no_grad",
        "torch.inference_mode",
        "torch.enable_grad",
        "torch.random.fork_rng",
        "torch.autograd.detect_anomaly",
        "torch.cuda.amp.autocast",
        "torch.cpu.amp.autocast",
        "torch.autograd.profiler.profile",
        "torch.autograd.profiler.emit_nvtx",
        "torch.nn.utils.parametrize.cached",
        "torch.autograd.graph.save_on_cpu",
    }
)


class GradContextHasNoEffect(Rule):
    """A context such as `torch.no_grad()` that is made but not entered changes nothing.

    ## Why
    `torch.no_grad()` as a statement makes an object and throws it away: the code below runs with gradients, at the
    memory of training, and nobody is told. `with torch.no_grad:` without the call raises `TypeError`, but only when
    the line is reached, which for a branch that is seldom taken can be late.

    ## Fix safety
    Safe: adding the missing `()` to a `with` replaces code that always raises. There is no fix for the bare statement:
    what it should enclose is for its author to say.

    ## References
    - PyTorch documentation, `torch.no_grad`: "Context-manager that disables gradient calculation".
    - Python documentation, "The `with` statement": the context expression gives the context manager.
    """

    code, name = "ML203", "grad-context-has-no-effect"
    libraries = ("torch",)
    in_tests = True
    safety = Safety.SAFE
    triggers = (Call(*CONTEXTS), Reference(*sorted(UNCALLED)))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        parent = ctx.tree.parent(node)
        if isinstance(node, ast.Call):
            name = ctx.short(node.func)
            if isinstance(parent, ast.Expr):
                yield ctx.finding(
                    node,
                    f"`{name}(…)` as a statement makes a context and does not enter it",
                    f"put the code that it is for under `with {ctx.short(node)}:`",
                )
        elif isinstance(node, (ast.Name, ast.Attribute)) and ctx.dotted(node) in UNCALLED:
            name = ctx.short(node)
            if isinstance(parent, ast.withitem) and parent.context_expr is node:

                def build() -> Iterable[Edit]:
                    return [ctx.edits.replace(node, "$x()", x=node)]

                yield ctx.finding(
                    node,
                    f"`with {name}` raises TypeError: `{name}` is not called",
                    f"write `with {name}():`",
                    ctx.fix(build, Safety.SAFE, f"Call `{name}`"),
                )
            elif isinstance(parent, ast.Expr):
                yield ctx.finding(
                    node, f"`{name}` as a statement does nothing", f"put the code that it is for under `with {name}():`"
                )

    examples = (
        Example(given="import torch\nx = torch.ones(2)\n", ok="with torch.no_grad():\n    y = x + 1"),
        Example(given="import torch\n", ok="@torch.no_grad()\ndef f(x):\n    return x"),
        Example(given="import torch\n", ok="@torch.no_grad\ndef f(x):\n    return x", note="works since torch 2.0"),
        Example(given="import torch\n", ok="context = torch.no_grad()\nwith context:\n    pass"),
        Example(given="import torch\n", ok="run = torch.no_grad if True else torch.enable_grad"),
        Example(given="import torch\n", ok="guard = torch.inference_mode()\nguard.__enter__()"),
        Example(given="import torch\n", ok="torch.no_grad().__enter__()"),
        Example(given="import torch\n", ok="torch.set_grad_enabled(False)", note="acts when it is made"),
        Example(given="import torch\n", ok="def f(stack):\n    stack.enter_context(torch.no_grad())"),
        Example(given="import torch\nfrom mylib import no_grad\n", ok="with no_grad:\n    pass"),
        Example(
            given="import torch\nx = torch.randn(3, requires_grad=True)\n",
            bad="with torch.no_grad:\n    y = x + 1",
            good="with torch.no_grad():\n    y = x + 1",
            equal="y is not None and not y.requires_grad",
            raises="TypeError",
        ),
        Example(
            given="from torch import inference_mode, nn\nimport torch\nx = torch.randn(3, requires_grad=True)\n",
            bad="with inference_mode:  # no graph\n    y = x + 1",
            good="with inference_mode():  # no graph\n    y = x + 1",
            equal="y is not None and not y.requires_grad",
            raises="TypeError",
        ),
        Example(
            given="import torch as th\n",
            bad="def f(model, x):\n    with th.no_grad, open('log') as f:\n        return model(x)",
            good="def f(model, x):\n    with th.no_grad(), open('log') as f:\n        return model(x)",
        ),
        Example(
            given="import torch\n", bad="def f(model, x):\n    model.eval()\n    torch.no_grad()\n    return model(x)"
        ),
        Example(given="import torch\n", bad="def f(model, x):\n    torch.inference_mode()\n    return model(x)"),
        Example(given="import torch\n", bad='def f(model, x):\n    torch.autocast("cuda")\n    return model(x)'),
        Example(given="import torch\n", bad="def f(model, x):\n    torch.no_grad\n    return model(x)"),
        Example(given="from torch import no_grad\n", bad="def f(model, x):\n    no_grad()\n    return model(x)"),
    )
