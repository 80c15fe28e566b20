from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from mlint.rule import Call, Context, Edit, Example, Finding, Protocol, Rule, Safety

TENSORBOARD = Protocol(
    "add_scalar add_scalars add_histogram add_histogram_raw add_image add_images add_image_with_boxes add_figure "
    "add_video add_audio add_text add_graph add_embedding add_pr_curve add_pr_curve_raw add_mesh add_hparams "
    "add_custom_scalars add_custom_scalars_marginchart add_custom_scalars_multilinechart add_tensor add_onnx_graph "
    "flush get_logdir",
    attributes="log_dir logdir",
    functions=False,
)
SUMMARY = Protocol("as_default flush init", functions=False)
WRITERS = {
    "torch.utils.tensorboard.SummaryWriter": TENSORBOARD,
    "torch.utils.tensorboard.writer.SummaryWriter": TENSORBOARD,
    "tensorboardX.SummaryWriter": TENSORBOARD,
    "tensorflow.summary.create_file_writer": SUMMARY,
}
LONGEST_BLOCK = 12

STAND_IN = """class SummaryWriter:
    events = []

    def __init__(self, folder):
        self.queue = []

    def add_scalar(self, *event):
        self.events.append(event)

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
"""


class WriterNotClosed(Rule):
    """A summary writer that nobody closes may lose the last events of a run.

    ## Why
    The writers queue events and write them in the background, by default every 120 seconds (`flush_secs`). `close()`
    writes what is left. Without it, a process that is killed, or that leaves through `os._exit`, loses up to two
    minutes of curves, and a loop that makes a writer per run keeps a thread and a file for each.

    ## Fix safety
    Safe: closes the writer after its last use, in the block that made it; only writers that are never handed on are
    reported. Unsafe where `globals()` or another module of the package may find the writer by its name.

    ## References
    - PyTorch documentation, `torch.utils.tensorboard.writer.SummaryWriter`, parameters `max_queue` and `flush_secs`,
      method `close`.
    - TensorFlow documentation, `tf.summary.create_file_writer`, parameter `flush_millis`.
    """

    code, name = "ML210", "writer-not-closed"
    libraries = ("torch", "tensorflow", "keras")
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Call(*WRITERS),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        protocol = WRITERS[ctx.dotted(node.func) or ""]
        life = ctx.handles.lifetime(node, protocol)
        if life is None or life.closing is not None:
            return
        message = f"`{life.name}` is never closed: its last events may be lost"
        body, name, statement = life.body, life.name, life.statement
        leaves = any(
            isinstance(inner, (ast.Return, ast.Yield, ast.YieldFrom, ast.Await))
            for part in body
            for inner in ast.walk(part)
        )
        if not body or leaves or not isinstance(statement, ast.Assign):
            yield ctx.finding(node, message, f"call `{name}.close()` after its last use")
            return
        safety = Safety.UNSAFE if ctx.looked_up(statement, name) else Safety.SAFE
        if protocol is TENSORBOARD and (body[-1].end_lineno or 0) - body[0].lineno < LONGEST_BLOCK:
            header = f"with {ctx.text(node)} as {name}:"

            def enclose() -> Iterable[Edit]:
                return ctx.edits.enclose(statement, body, header)

            fix = ctx.fix(enclose, safety, f"Use `{' '.join(header.split())}`")
            yield ctx.finding(node, message, "open it in a `with` block", fix)
            return

        def close() -> Iterable[Edit]:
            return [ctx.edits.insert_after(body[-1], f"{name}.close()")]

        fix = ctx.fix(close, safety, f"Add `{name}.close()`")
        yield ctx.finding(node, message, f"call `{name}.close()` after its last use", fix)

    examples = (
        Example(
            given="from torch.utils.tensorboard import SummaryWriter\n",
            files={"pkg/__init__.py": ""},
            path="pkg/log.py",
            bad='writer = SummaryWriter("runs")\nwriter.add_scalar("loss", 1.0, 0)',
            good='with SummaryWriter("runs") as writer:\n    writer.add_scalar("loss", 1.0, 0)',
            safety="unsafe",
            note="another module of the package may import it",
        ),
        Example(
            given="from torch.utils.tensorboard import SummaryWriter\n",
            ok='with SummaryWriter("runs") as writer:\n    writer.add_scalar("loss", 1.0, 0)',
        ),
        Example(
            given="from torch.utils.tensorboard import SummaryWriter\n",
            ok='writer = SummaryWriter("runs")\nwriter.add_scalar("loss", 1.0, 0)\nwriter.close()',
        ),
        Example(
            given="from torch.utils.tensorboard import SummaryWriter\n",
            ok='def log(train):\n    writer = SummaryWriter("runs")\n'
            '    writer.add_scalar("loss", 1.0, 0)\n    train(writer)',
            note="handed on",
        ),
        Example(
            given="from torch.utils.tensorboard import SummaryWriter\n",
            ok='class Logger:\n    def __init__(self):\n        self.writer = SummaryWriter("runs")',
        ),
        Example(
            given="from torch.utils.tensorboard import SummaryWriter\n",
            ok='def make():\n    writer = SummaryWriter("runs")\n    writer.add_text("a", "b")\n    return writer',
        ),
        Example(
            given="import torch\nfrom mylib import SummaryWriter\n",
            ok='writer = SummaryWriter("runs")\nwriter.add_scalar("loss", 1.0, 0)',
        ),
        Example(
            given="from torch.utils.tensorboard import SummaryWriter\n",
            bad='writer = SummaryWriter("runs")\nfor step in range(3):\n'
            '    writer.add_scalar("loss", 1.0, step)\nprint("done")',
            good='with SummaryWriter("runs") as writer:\n    for step in range(3):\n'
            '        writer.add_scalar("loss", 1.0, step)\n'
            'print("done")',
        ),
        Example(
            given="import torch\nfrom tensorboardX import SummaryWriter\n",
            bad="def run(losses):\n    # curves\n    log = SummaryWriter()\n"
            '    for step, loss in enumerate(losses):\n        log.add_scalar("loss", loss, step)',
            good="def run(losses):\n    # curves\n    with SummaryWriter() as log:\n"
            '        for step, loss in enumerate(losses):\n            log.add_scalar("loss", loss, step)',
        ),
        Example(
            given="import tensorflow as tf\n",
            bad='writer = tf.summary.create_file_writer("runs")\nwith writer.as_default():\n'
            '    tf.summary.scalar("loss", 1.0, step=0)\nprint("done")',
            good='writer = tf.summary.create_file_writer("runs")\nwith writer.as_default():\n'
            '    tf.summary.scalar("loss", 1.0, step=0)\nwriter.close()\nprint("done")',
        ),
        Example(
            given="import random\nimport torch\nfrom tensorboardX import SummaryWriter\n",
            files={"tensorboardX/__init__.py": STAND_IN},
            bad='writer = SummaryWriter("runs")\n'
            + "".join(f'writer.add_scalar("{name}", random.random(), 0)\n' for name in "abcdefghijklmn")
            + "result = SummaryWriter.events[-14:]",
            good='writer = SummaryWriter("runs")\n'
            + "".join(f'writer.add_scalar("{name}", random.random(), 0)\n' for name in "abcdefghijklmn")
            + "writer.close()\nresult = SummaryWriter.events[-14:]",
            equal="result",
            safety="safe",
            note="too long for a block",
        ),
        Example(
            given="import random\nimport torch\nfrom tensorboardX import SummaryWriter\n",
            files={"tensorboardX/__init__.py": STAND_IN},
            bad='writer = SummaryWriter("runs")\nfor step in range(3):\n'
            '    writer.add_scalar("loss", random.random(), step)\nresult = SummaryWriter.events[-3:]',
            good='with SummaryWriter("runs") as writer:\n    for step in range(3):\n'
            '        writer.add_scalar("loss", random.random(), step)\nresult = SummaryWriter.events[-3:]',
            equal="result",
        ),
    )
