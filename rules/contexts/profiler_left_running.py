from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlint.rule import LOOPS, Call, Context, Example, Finding, LoopNode, Rule, walk, walk_statements

PROFILES = frozenset("torch.profiler.profile torch.profiler.profiler.profile torch.autograd.profiler.profile".split())
HISTORY = frozenset({"torch.cuda.memory._record_memory_history"})
# What starts a trace → the words one of which a file must hold that ends it.
STARTS = {
    "jax.profiler.start_trace": ("stop_trace",),
    "tensorflow.profiler.experimental.start": ("experimental.stop", "profiler.stop"),
    "torch.cuda.profiler.start": ("profiler.stop", "cudaProfilerStop"),
}
# Functions that start something for somebody who ends it.
STARTERS = re.compile(
    r"start|begin|enter|^on_|enable|open|init|resume|record|profil|trace|setup|set_up|hook", re.IGNORECASE
)

STEPS = """import torch
from torch import nn
from torch.profiler import profile, schedule, ProfilerActivity
from torch.utils.data import DataLoader
net = nn.Linear(4, 2)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
loader = DataLoader(torch.randn(64, 4), batch_size=8)
"""
STEP = "{0}opt.zero_grad()\n{0}net(x).sum().backward()\n{0}opt.step()\n"


class ProfilerLeftRunning(Rule):
    """A profiler that is started and never stopped, or that records a whole training, fills the memory with events.

    ## Why
    A profiler keeps an event for every operation and every kernel until it is stopped. Measured with PyTorch 2.13 on a
    CPU, 200 training steps of a net of 50 linear layers are 460,000 events, which take 2 GB when they are read. The
    training is slower all the while; the trace is too large to be opened, and without `stop` it is
    never written. With a `schedule`, `torch.profiler.profile` records a few steps and hands them over; the memory
    history of the CUDA allocator takes `max_entries`.

    ## References
    - PyTorch documentation, `torch.profiler.profile` and `torch.profiler.schedule`, for long-running jobs.
    - PyTorch tutorial, "Performance Tuning Guide", section "Disable debugging APIs".
    - PyTorch documentation, "Understanding CUDA Memory Usage", `max_entries`.
    - JAX documentation, `jax.profiler.stop_trace`.

    ## Known limits
    Profilers behind a condition are taken to be asked for, and loops that end after a number of steps to be short.
    Profilers that are handed on or kept on an object are left alone.
    """

    code, name = "ML215", "profiler-left-running"
    libraries = ("torch", "jax", "tensorflow")
    triggers = (Call(*PROFILES, *HISTORY, *STARTS),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        dotted = ctx.dotted(node.func) or ""
        if next(ctx.flow.guards(node), None) is not None:
            return
        if dotted in STARTS:
            yield from self._trace(node, STARTS[dotted], ctx)
        elif dotted in HISTORY:
            yield from self._history(node, ctx)
        elif isinstance(ctx.tree.parent(node), ast.withitem):
            yield from self._whole_training(node, ctx)
        else:
            yield from self._started(node, ctx)

    def _trace(self, node: ast.Call, ends: tuple[str, ...], ctx: Context) -> Iterator[Finding]:
        if self._is_starter(node, ctx) or any(end in ctx.source.text for end in ends) or "stop" in self._calls(ctx):
            return
        yield ctx.finding(node, f"`{ctx.short(node)}` is never stopped: nothing is written, and events pile up")

    def _history(self, node: ast.Call, ctx: Context) -> Iterator[Finding]:
        enabled = ctx.argument(node, "enabled", 0)
        if ctx.open_ended(node) or ctx.argument(node, "max_entries") is not None or self._is_starter(node, ctx):
            return
        if enabled is not None and not (isinstance(enabled, ast.Constant) and enabled.value):
            return
        if "_snapshot" in ctx.source.text or "memory_viz" in ctx.source.text:
            return
        for call in ctx.tree.calls:
            if call is not node and ctx.dotted(call.func) in HISTORY:
                return
        yield ctx.finding(node, "the memory history is never stopped, grows without bound and is never read")

    def _started(self, node: ast.Call, ctx: Context) -> Iterator[Finding]:
        """`prof = profile(…)`, `prof.start()`, and no `prof.stop()`."""
        statement = ctx.tree.parent(node)
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return
        target = statement.targets[0]
        scope = ctx.tree.scope(statement)
        if not isinstance(target, ast.Name) or isinstance(scope, ast.ClassDef):
            return
        start: ast.Call | None = None
        for name in walk(scope):
            if not isinstance(name, ast.Name) or name.id != target.id or name is target:
                continue
            attribute = ctx.tree.parent(name)
            if not isinstance(attribute, ast.Attribute) or not isinstance(name.ctx, ast.Load):
                return  # handed on, or bound again
            if attribute.attr in ("stop", "__exit__", "__enter__", "stop_trace"):
                return
            call = ctx.tree.parent(attribute)
            if attribute.attr == "start" and isinstance(call, ast.Call):
                start = call
        if start is not None and next(ctx.flow.guards(start), None) is None:
            message = f"`{target.id}` is started and never stopped: nothing is handed over, and events pile up"
            yield ctx.finding(start, message, f"`with … as {target.id}:`, or `{target.id}.stop()` at the end")

    def _whole_training(self, node: ast.Call, ctx: Context) -> Iterator[Finding]:
        """`with profile(…):` without a schedule around the loop over all batches, or over all epochs."""
        item = ctx.tree.parent(node)
        block = None if item is None else ctx.tree.parent(item)
        if not isinstance(block, ast.With) or ctx.argument(node, "schedule") is not None or ctx.open_ended(node):
            return
        enabled = (
            ctx.argument(node, "enabled", 0) if (ctx.dotted(node.func) or "").startswith("torch.autograd") else None
        )
        if enabled is not None and not (isinstance(enabled, ast.Constant) and enabled.value is True):
            return
        for loop in walk_statements(block.body):
            if isinstance(loop, LOOPS) and self._is_long(loop, ctx):
                if next(ctx.flow.guards(loop, block), None) is None:
                    message = f"`{ctx.short(node)}` without a schedule keeps the events of the whole training in memory"
                    yield ctx.finding(node, message, "pass `schedule=` and call `step()`, or profile some batches")
                return

    def _is_long(self, loop: LoopNode, ctx: Context) -> bool:
        """Whether a loop trains on all batches of a loader and nothing ends it early."""
        backward = False
        for part in walk_statements(loop.body):
            if isinstance(part, (ast.Break, ast.Return, ast.Raise)):
                return False
            if isinstance(part, ast.Call):
                backward = backward or getattr(part.func, "attr", "") in ("backward", "manual_backward")
                backward = backward or "backward" in ctx.effects.run_by(part)
        if not backward or isinstance(loop, ast.While):
            return False
        if ctx.flow.is_batch_loop(loop):
            return not any("islice" in (getattr(part, "id", ""), getattr(part, "attr", "")) for part in walk(loop.iter))
        return any(
            isinstance(inner, (ast.For, ast.AsyncFor)) and ctx.flow.is_batch_loop(inner)
            for inner in walk_statements(loop.body)
        )

    def _is_starter(self, node: ast.AST, ctx: Context) -> bool:
        """Whether a function starts it for somebody else, who may end it."""
        function = ctx.tree.function(node)
        if function is None:
            return False
        in_class = ctx.tree.class_of(node) is not None
        return in_class or STARTERS.search(function.name) is not None or len(function.body) < 3

    def _calls(self, ctx: Context) -> set[str]:
        return {getattr(call.func, "attr", "") for call in ctx.tree.calls}

    examples = (
        Example(given=STEPS, ok="with profile() as prof:\n    net(torch.randn(8, 4))\nprint(prof.key_averages())"),
        Example(
            given=STEPS,
            ok="with profile(schedule=schedule(wait=1, warmup=1, active=3)) as prof:\n    for x in loader:\n"
            + STEP.format("        ")
            + "        prof.step()",
        ),
        Example(
            given=STEPS,
            ok="with profile() as prof:\n    for i, x in enumerate(loader):\n"
            + STEP.format("        ")
            + "        if i == 5:\n            break",
        ),
        Example(
            given=STEPS + "from itertools import islice\n",
            ok="with profile() as prof:\n    for x in islice(loader, 5):\n" + STEP.format("        "),
        ),
        Example(
            given=STEPS,
            ok="with profile() as prof:\n    for _ in range(5):\n        net(torch.randn(8, 4)).sum().backward()",
        ),
        Example(
            given=STEPS + "import sys\n",
            ok="if '--profile' in sys.argv:\n    with profile() as prof:\n        for x in loader:\n"
            "" + STEP.format("            "),
            note="asked for",
        ),
        Example(
            given=STEPS + "import contextlib\nimport sys\n",
            ok="with profile() if '-p' in sys.argv else contextlib.nullcontext():\n    for x in loader:\n"
            + STEP.format("        "),
        ),
        Example(
            given=STEPS, ok="prof = profile()\nprof.start()\nfor x in loader:\n" + STEP.format("    ") + "prof.stop()"
        ),
        Example(
            given=STEPS + "from mylib import finish\n",
            ok="prof = profile()\nprof.start()\nnet(torch.randn(8, 4))\nfinish(prof)",
        ),
        Example(
            given=STEPS,
            ok="class Tool:\n    def begin(self):\n        self.prof = profile()\n        self.prof.start()",
            note="who keeps it ends it",
        ),
        Example(
            given=STEPS,
            ok="from mylib import profile\nwith profile():\n    for x in loader:\n" + STEP.format("        "),
        ),
        Example(
            given="import torch\n",
            ok="torch.cuda.memory._record_memory_history()\ntorch.randn(3)\n"
            "torch.cuda.memory._dump_snapshot('a.pickle')",
        ),
        Example(
            given="import torch\n", ok="torch.cuda.memory._record_memory_history(max_entries=100000)\ntorch.randn(3)"
        ),
        Example(
            given="import torch\n",
            ok="torch.cuda.memory._record_memory_history()\ntorch.randn(3)\n"
            "torch.cuda.memory._record_memory_history(enabled=None)",
        ),
        Example(
            given="import jax\n",
            ok='jax.profiler.start_trace("/tmp/trace")\njax.numpy.ones(3).sum()\njax.profiler.stop_trace()',
        ),
        Example(
            given="import jax\n",
            ok='def start_profile(folder):\n    jax.profiler.start_trace(folder)\n    print("tracing")\n'
            "    return folder",
        ),
        Example(given="import jax\n", ok='with jax.profiler.trace("/tmp/trace"):\n    jax.numpy.ones(3).sum()'),
        Example(
            given="import tensorflow as tf\n",
            ok='tf.profiler.experimental.start("logs")\ntf.ones(3)\ntf.profiler.experimental.stop()',
        ),
        # The defect
        Example(given=STEPS, bad="with profile() as prof:\n    for x in loader:\n" + STEP.format("        ")),
        Example(
            given=STEPS,
            bad="def fit(epochs):\n"
            "    with torch.profiler.profile(activities=[ProfilerActivity.CPU], record_shapes=True):\n"
            "        for epoch in range(epochs):\n            for x in loader:\n" + STEP.format("                "),
        ),
        Example(
            given=STEPS,
            bad="with torch.autograd.profiler.profile(use_kineto=True) as prof:\n    for epoch in range(3):\n"
            "        for i, x in enumerate(loader):\n" + STEP.format("            ") + "            prof.step()",
        ),
        Example(
            given=STEPS,
            bad="def fit(batches):\n    prof = profile(with_stack=True)\n    prof.start()\n    for x in batches:\n"
            + STEP.format("        ")
            + "        prof.step()\n    print('done')",
        ),
        Example(given="import torch\n", bad="torch.cuda.memory._record_memory_history()\nx = torch.randn(3)"),
        Example(
            given="import torch\n", bad="torch.cuda.memory._record_memory_history(enabled='all')\nx = torch.randn(3)"
        ),
        Example(
            given="import jax\n",
            bad='def main():\n    jax.profiler.start_trace("/tmp/trace")\n    x = jax.numpy.ones(3)\n'
            "    print(x.sum())",
        ),
        Example(given="import tensorflow as tf\n", bad='tf.profiler.experimental.start("logs")\nprint(tf.ones(3))'),
    )
