from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Context, Example, Finding, Rule, Safety, Store, walk

_CUDNN = "torch.backends.cudnn"
GIVEN = "import torch\n"


class CudnnBenchmarkWithDeterministic(Rule):
    """`cudnn.benchmark = True` undoes what `cudnn.deterministic = True` asks for.

    ## Why
    With `benchmark` cuDNN measures its convolution algorithms at run time and keeps the fastest, which differs from run
    to run and between machines. `deterministic` only restricts the choice to algorithms that repeat themselves; which
    of them runs is still up to the measurement. The reproducibility note sets `benchmark` to False.

    ## Fix safety
    Unsafe: convolutions may become slower.

    ## References
    - PyTorch documentation, "Reproducibility", section "CUDA convolution benchmarking".
    """

    code, name = "ML310", "cudnn-benchmark-with-deterministic"
    libraries = ("torch",)
    safety = Safety.UNSAFE
    triggers = (Store("benchmark"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Attribute)
        statement = ctx.tree.parent(node)
        if not _sets(statement, "benchmark", ctx):
            return
        assert isinstance(statement, ast.Assign)
        scope: ast.AST = ctx.tree.function(node) or ctx.tree.module
        if ctx.flow.is_conditional(statement):
            block = ctx.tree.block(statement)
        else:
            block = list(getattr(scope, "body", []))
        asking = next((found for other in block if (found := _asks(other, ctx)) is not None), None)
        if asking is None or any(_sets(other, "benchmark", ctx, False) for other in ctx.tree.following(statement)):
            return
        value = statement.value
        fix = ctx.fix(lambda: ctx.edits.replace(value, "False"), Safety.UNSAFE, "Set `benchmark` to False")
        yield ctx.finding(
            statement,
            f"`{ctx.short(node)}` lets cuDNN choose by speed, and {ctx.lines(asking)} asks for determinism",
            "set it to False",
            fix,
        )

    examples = (
        Example(
            given=GIVEN,
            bad="torch.backends.cudnn.deterministic = True\ntorch.backends.cudnn.benchmark = True",
            good="torch.backends.cudnn.deterministic = True\ntorch.backends.cudnn.benchmark = False",
        ),
        Example(
            given="import torch\nfrom torch.backends import cudnn",
            bad="def seed():\n    cudnn.benchmark = True  # fast\n    cudnn.deterministic = True",
            good="def seed():\n    cudnn.benchmark = False  # fast\n    cudnn.deterministic = True",
        ),
        Example(
            given=GIVEN,
            bad="torch.use_deterministic_algorithms(True)\ntorch.backends.cudnn.benchmark = True",
            good="torch.use_deterministic_algorithms(True)\ntorch.backends.cudnn.benchmark = False",
        ),
        Example(
            given=GIVEN,
            ok="def setup(deterministic):\n    if deterministic:\n        torch.backends.cudnn.deterministic = True\n"
            "    else:\n        torch.backends.cudnn.benchmark = True",
        ),
        Example(
            given=GIVEN,
            ok="def setup(flag):\n    torch.backends.cudnn.deterministic = flag\n"
            "    torch.backends.cudnn.benchmark = not flag",
        ),
        Example(given=GIVEN, ok="torch.backends.cudnn.benchmark = True"),
        Example(
            given=GIVEN,
            ok="torch.backends.cudnn.benchmark = True\ntorch.backends.cudnn.deterministic = False",
        ),
        Example(given=GIVEN, ok="class C:\n    pass\n\nc = C()\nc.deterministic = True\nc.benchmark = True"),
    )


def _sets(node: ast.AST | None, attribute: str, ctx: Context, value: bool = True) -> bool:
    """Whether a statement sets a flag of cuDNN to a literal."""
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and node.value.value is value
        and any(ctx.dotted(target) == f"{_CUDNN}.{attribute}" for target in node.targets)
    )


def _asks(statement: ast.stmt, ctx: Context) -> ast.stmt | None:
    """The statement itself if it asks for determinism."""
    if _sets(statement, "deterministic", ctx):
        return statement
    if isinstance(statement, ast.Expr):
        for call in walk(statement):
            if isinstance(call, ast.Call) and ctx.dotted(call.func) == "torch.use_deterministic_algorithms":
                mode = ctx.argument(call, "mode", 0)
                if isinstance(mode, ast.Constant) and mode.value is True:
                    return statement
    return None
