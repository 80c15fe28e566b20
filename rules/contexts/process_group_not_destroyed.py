from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from mlint.rule import (
    FUNCTIONS,
    LOOPS,
    Call,
    Context,
    Edit,
    Example,
    Finding,
    Fix,
    FunctionNode,
    Rule,
    Safety,
    walk,
    walk_statements,
)

DESTROY = "torch.distributed.destroy_process_group"
# Who imports one of these does not own the group.
OWNERS = frozenset(
    "lightning pytorch_lightning lightning_fabric accelerate deepspeed ray horovod composer mmengine mmcv colossalai "
    "megatron megatron_core ignite catalyst fairscale detectron2 fastai vllm torchelastic ludwig".split()
)
# Words that tell of an end of the program's own.
ENDING = ("destroy_process_group", "atexit", "_exit(", "cleanup", "os.kill")
ENDS = re.compile(r"cleanup|clean_up|teardown|tear_down|destroy|finali[sz]e", re.IGNORECASE)
MAINS = re.compile(
    r"(^|_)(main|run|train|trainer|worker|demo|launch|start|test|evaluate|eval|process|example)(_|$)", re.IGNORECASE
)

START = """import os
import tempfile
import torch
import torch.distributed as dist
name = "destroy_" + "process_group"
if dist.is_initialized():
    getattr(dist, name)()
where = "file://" + os.path.join(tempfile.mkdtemp(), "group")
x = torch.randn(3)
"""


class ProcessGroupNotDestroyed(Rule):
    """A program that starts a process group and never destroys it may hang or complain when it ends.

    ## Why
    The process group owns communicators, sockets and threads. Without `dist.destroy_process_group()` these are torn
    down in whatever order the interpreter exits: NCCL then warns ("process group has NOT been destroyed before we
    destruct ProcessGroupNCCL") and can hang, with GPUs and ports held, if one rank leaves while another communicates.

    ## Fix safety
    Unsafe: adds the call at the end of the function that starts the group, or of the one that calls it. What other
    modules do with the group afterwards cannot be seen from there.

    ## Known limits
    Only programs are judged, not modules that others import, and no program under a framework that owns the group.
    An end of the program's own, in the file or in a module of the project that it imports, is taken to see to it.

    ## References
    - PyTorch documentation, "Distributed communication package", section "Shutdown".
    - PyTorch documentation, `torch.distributed.destroy_process_group`.
    """

    code, name = "ML216", "process-group-not-destroyed"
    libraries = ("torch",)
    safety = Safety.UNSAFE
    triggers = (Call("torch.distributed.init_process_group", "torch.distributed.distributed_c10d.init_process_group"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if not ctx.is_script or self._is_fake(node, ctx) or ctx.tree.class_of(node) is not None:
            return
        if any((b.imported or "").partition(".")[0] in OWNERS for b in ctx.names.imports()):
            return
        if ctx.mentioned(*ENDING) or self._has_an_end(ctx):
            return
        first = next(call for call in ctx.tree.calls if self.wants(call, ctx.model))
        if first is not node and ctx.tree.function(first) is ctx.tree.function(node):
            return  # another backend, in another branch
        yield ctx.finding(
            node,
            "the process group is never destroyed",
            "call `destroy_process_group()` at the end",
            self._fix(node, ctx),
        )

    def _is_fake(self, node: ast.Call, ctx: Context) -> bool:
        backend = ctx.argument(node, "backend", 0)
        return isinstance(backend, ast.Constant) and backend.value in ("fake", "mpi", "xla")

    def _has_an_end(self, ctx: Context) -> bool:
        """Whether the program calls something that is named after its end."""
        for call in ctx.tree.calls:
            word = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if ENDS.search(word):
                return True
        return False

    def _fix(self, node: ast.Call, ctx: Context) -> Fix | None:
        statement = self._end(node, ctx)
        if statement is None:
            return None
        last = statement
        text, imports = ctx.edits.name(DESTROY, last)
        line = f"{text}()"
        if self._is_conditional(node, last, ctx):
            asked, more = ctx.edits.name("torch.distributed.is_initialized", last)
            line, imports = f"if {asked}():\n    {text}()", [*imports, *more]

        def build() -> Iterable[Edit]:
            return [ctx.edits.insert_after(last, line), *imports]

        return ctx.fix(build, Safety.UNSAFE, f"Add `{text}()`")

    def _end(self, node: ast.Call, ctx: Context) -> ast.stmt | None:
        """The statement behind which the group is needed no more; None where that is not clear."""
        function = ctx.tree.function(node)
        calls = [] if function is None else ctx.model.calls_by_definition().get(function, [])
        inner = [call for call in calls if ctx.tree.function(call) is not None]
        if inner:  # started by a function of its own
            if len(calls) > 1 or not self._only_starts(function, node, ctx):
                return None
            function = ctx.tree.function(inner[0])
        if function is None:
            block = ctx.tree.block(ctx.tree.statement(node))
            whole = block is ctx.tree.module.body or ctx.flow.is_main_guard(ctx.tree.parent(block[0]) or node)
            return block[-1] if whole and not self._leaves(block) else None
        if not isinstance(function, ast.FunctionDef) or not (MAINS.search(function.name) or ctx.runs_program(function)):
            return None
        if len(ctx.model.calls_by_definition().get(function, [])) > 1 or self._leaves(function.body):
            return None
        return function.body[-1]

    def _only_starts(self, function: FunctionNode | None, node: ast.Call, ctx: Context) -> bool:
        """Whether a function has nothing to do but to start the group."""
        return function is not None and not any(
            isinstance(part, (*LOOPS, ast.Yield, ast.YieldFrom, ast.With)) for part in walk(function)
        )

    def _leaves(self, body: list[ast.stmt]) -> bool:
        """Whether a body may end before its last statement, or gives something back."""
        return any(
            isinstance(part, (ast.Return, ast.Yield, ast.YieldFrom)) for part in walk_statements(body)
        ) or isinstance(body[-1], (*FUNCTIONS, ast.ClassDef, ast.Raise))

    def _is_conditional(self, node: ast.Call, last: ast.stmt, ctx: Context) -> bool:
        """Whether the program may get to its end without a group."""
        for function in (ctx.tree.function(node), ctx.tree.function(last)):
            for place in (
                (node, *ctx.model.calls_by_definition().get(function, [])) if function is not None else (node,)
            ):
                if any(not ctx.flow.is_main_guard(ctx.tree.parent(test) or test) for test, _ in ctx.flow.guards(place)):
                    return True
        return False

    examples = (
        Example(
            given="import torch.distributed as dist\n",
            ok="def main():\n    dist.init_process_group('nccl')\n    train()\n    dist.destroy_process_group()\n\n\n"
            "if __name__ == '__main__':\n    main()",
        ),
        Example(
            given="import torch.distributed as dist\nfrom torch.distributed import destroy_process_group\n",
            ok="def main():\n    dist.init_process_group('nccl')\n    try:\n        train()\n    finally:\n"
            "        destroy_process_group()\n\n\nif __name__ == '__main__':\n    main()",
        ),
        Example(
            given="import torch.distributed as dist\n",
            ok="def setup(rank, size):\n    dist.init_process_group('nccl', rank=rank, world_size=size)\n\n\n"
            "def cleanup():\n    dist.destroy_process_group()\n\n\ndef main(rank, size):\n    setup(rank, size)\n"
            "    train()\n    cleanup()\n\n\nif __name__ == '__main__':\n    main(0, 1)",
        ),
        Example(
            given="import torch.distributed as dist\nfrom ends import cleanup\n",
            files={
                "ends.py": "import torch.distributed as dist\n\n\ndef cleanup():\n    dist.destroy_process_group()\n"
            },
            ok="def main():\n    dist.init_process_group('nccl')\n    train()\n    cleanup()\n\n\n"
            "if __name__ == '__main__':\n    main()",
        ),
        Example(
            given="import torch.distributed as dist\nimport engine\n",
            files={
                "engine.py": "import torch.distributed as dist\n\n\ndef train():\n    dist.destroy_process_group()\n"
            },
            ok="if __name__ == '__main__':\n    dist.init_process_group('nccl')\n    engine.train()",
            note="another module of the project ends it",
        ),
        Example(
            given="import torch.distributed as dist\n",
            path="pkg/distributed.py",
            files={"pkg/__init__.py": ""},
            ok="def init(rank):\n    dist.init_process_group('nccl', rank=rank)",
            note="a module that others import",
        ),
        Example(
            given="import torch.distributed as dist\nfrom accelerate import Accelerator\n",
            ok="if __name__ == '__main__':\n    dist.init_process_group('nccl')\n    train(Accelerator())",
        ),
        Example(
            given="import torch.distributed as dist\nimport deepspeed\n",
            ok="if __name__ == '__main__':\n    dist.init_process_group('nccl')\n    train(deepspeed)",
        ),
        Example(
            given="import torch.distributed as dist\nimport atexit\n",
            ok="if __name__ == '__main__':\n    dist.init_process_group('nccl')\n    atexit.register(end)\n    train()",
        ),
        Example(
            given="import torch\n",
            path="tests/test_group.py",
            ok="def test_group():\n    torch.distributed.init_process_group('gloo', rank=0, world_size=1)",
        ),
        Example(
            given="import torch\nfrom mylib import init_process_group\n",
            ok="if __name__ == '__main__':\n    init_process_group('nccl')\n    train()",
        ),
        Example(
            given="import torch.distributed as dist\n",
            ok="if __name__ == '__main__':\n    dist.init_process_group('fake', rank=0, world_size=8)\n    plan()",
        ),
        # The defect
        Example(
            given=START,
            bad="def main():\n    global result\n"
            "    dist.init_process_group('gloo', init_method=where, rank=0, world_size=1)\n"
            "    y = x.clone()\n    dist.all_reduce(y)\n    # all of them\n    result = y / dist.get_world_size()\n"
            "\n\nmain()",
            good="def main():\n    global result\n"
            "    dist.init_process_group('gloo', init_method=where, rank=0, world_size=1)\n"
            "    y = x.clone()\n    dist.all_reduce(y)\n    # all of them\n    result = y / dist.get_world_size()\n"
            "    dist.destroy_process_group()\n\n\nmain()",
            equal="result",
        ),
        Example(
            given="import torch\nfrom torch.distributed import init_process_group\n",
            bad="def setup(rank, size):\n    init_process_group('nccl', rank=rank, world_size=size)\n"
            "    torch.cuda.set_device(rank)\n\n\ndef worker(rank, size):\n    setup(rank, size)\n    train()\n\n\n"
            "if __name__ == '__main__':\n    torch.multiprocessing.spawn(worker, args=(2,), nprocs=2)",
            good="def setup(rank, size):\n    init_process_group('nccl', rank=rank, world_size=size)\n"
            "    torch.cuda.set_device(rank)\n\n\ndef worker(rank, size):\n    setup(rank, size)\n    train()\n"
            "    torch.distributed.destroy_process_group()\n\n\n"
            "if __name__ == '__main__':\n    torch.multiprocessing.spawn(worker, args=(2,), nprocs=2)",
        ),
        Example(
            given="import torch.distributed as dist\n",
            bad="def main(args):\n    if args.distributed:\n        dist.init_process_group(backend='nccl')\n"
            "    train(args)\n\n\n"
            "if __name__ == '__main__':\n    main(parse())",
            good="def main(args):\n    if args.distributed:\n        dist.init_process_group(backend='nccl')\n"
            "    train(args)\n"
            "    if dist.is_initialized():\n        dist.destroy_process_group()\n\n\n"
            "if __name__ == '__main__':\n    main(parse())",
        ),
        Example(
            given="import torch.distributed as dist\n",
            bad="if __name__ == '__main__':\n    dist.init_process_group(backend='nccl')\n    train()",
            good="if __name__ == '__main__':\n    dist.init_process_group(backend='nccl')\n    train()\n"
            "    dist.destroy_process_group()",
        ),
        Example(
            given="import torch.distributed as dist\n",
            bad="def main():\n    dist.init_process_group(backend='nccl')\n    return train()\n\n\n"
            "if __name__ == '__main__':\n    main()",
            note="no fix: the call would have to stand in front of what is returned",
        ),
    )
