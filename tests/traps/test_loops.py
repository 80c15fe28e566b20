"""What is read, kept and glued together in loops is often just what is needed."""

from __future__ import annotations

import textwrap

import pytest

from tests.traps.linting import codes, found

TRAINING = """\
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn, optim


def setup():
    device = torch.device("cuda")
    model = nn.Linear(3, 1).to(device)
    return model, optim.SGD(model.parameters(), lr=0.1)


"""

STEP = """\
            optimizer.zero_grad()
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
"""


def _loop(more: str, *, before: str = "", after: str = "", loop: str = "for step, (x, y) in enumerate(loader):") -> str:
    head = "def train(loader, args, rank, logger, callbacks):\n    model, optimizer = setup()\n"
    head += "    for epoch in range(3):\n"
    parts = [TRAINING, head, textwrap.indent(before, " " * 8), f"        {loop}\n", STEP]
    parts += [textwrap.indent(more, " " * 12), textwrap.indent(after, " " * 8)]
    return "".join(part if part.endswith("\n") or not part else part + "\n" for part in parts)


SELDOM = {
    "modulo": "if step % 100 == 0:\n    print(loss.item())",
    "modulo of the next step": "if (step + 1) % args.log_every == 0:\n    logger.info(loss.item())",
    "not modulo": "if not step % 100:\n    print(loss.cpu())",
    "modulo and rank": "if rank == 0 and step % 10 == 0:\n    logger.info(f'{loss.item():.3f}')",
    "modulo in a name": "show = step % 50 == 0\nif show:\n    print(loss.item())",
    "rank": "if args.local_rank in (-1, 0):\n    logger.info(loss.item())",
    "main process": "if callbacks.is_main_process:\n    logger.info(loss.item())",
    "last step": "if step == len(loader) - 1:\n    print(loss.item())",
    "left early by a flag": "due = not step % 100\nif not due:\n    continue\nprint(loss.item())",
    "left early": "if step % 100:\n    continue\nprint(loss.item())",
    "left early under a name": "if not callbacks.due(step):\n    continue\nprint(loss.item())",
    "flag": "if args.verbose:\n    print(loss.item())",
    "conditional expression": "shown = loss.item() if step % 10 == 0 else None",
    "and": "step % 10 == 0 and print(loss.item())",
    "nested": "if rank == 0:\n    if step % 10 == 0:\n        with torch.no_grad():\n            print(loss.item())",
    "match": "match step % 10:\n    case 0:\n        print(loss.item())",
    "time": "import time\nif time.time() > args.next:\n    print(loss.item())",
    "lambda": "callbacks.later(lambda: loss.item())",
    "function": "def report():\n    print(loss.item())\n\nif step % 10 == 0:\n    report()",
    "stop": "if not torch.isfinite(loss):\n    raise ValueError(loss.item())",
    "stop at a number": "if loss.item() < 1e-3:\n    break",
}


@pytest.mark.parametrize("name", SELDOM)
def test_read_in_some_steps(name: str) -> None:
    assert not found(_loop(SELDOM[name]))


ALWAYS = {
    "plain": "args.losses.append(loss.item())",
    "under a context": "with torch.no_grad():\n    args.losses.append(loss.item())",
    "behind batches that are left out": "if y is None:\n    continue\nargs.losses.append(loss.item())",
    "behind outputs that are left out": "if args.logits is None:\n    continue\nargs.losses.append(loss.item())",
    "behind rounds that a resumed run leaves out": (
        "first = args.done % 7\nif step < first:\n    continue\nargs.losses.append(loss.item())"
    ),
    "cpu": "args.losses.append(loss.detach().cpu().numpy())",
    "float": "args.losses.append(float(loss))",
}


@pytest.mark.parametrize("name", ALWAYS)
@pytest.mark.parametrize(
    "loop",
    [
        "for step, (x, y) in enumerate(loader):",
        "for x, y in loader:",
        "for x, y in args.tqdm(loader):",
    ],
)
def test_read_in_all_steps(name: str, loop: str) -> None:
    assert codes(_loop(ALWAYS[name], loop=loop)) == ["ML702"]


def test_read_in_all_steps_of_batches_by_next() -> None:
    assert codes(_loop("print(loss.item())", loop="while True:\n            x, y = next(loader)")) == ["ML702"]
    assert codes(_loop("print(loss.item())", loop="for step in range(9):\n            x, y = next(loader)")) == [
        "ML702"
    ]


KEPT = {
    "a number": ("total += loss.item()", "total = 0.0\n", "print(total)", "ML702"),
    "detached": ("total += loss.detach()", "total = 0.0\n", "print(total)", None),
    "detached before": ("value = loss.detach()\ntotal += value", "total = 0.0\n", "print(total)", None),
    "detached under the same name": ("loss = loss.detach()\ntotal += loss", "total = 0.0\n", "print(total)", None),
    "data": ("total += loss.data", "total = 0.0\n", "print(total)", None),
    "clone of it": ("kept.append(loss.detach().clone())", "kept = []\n", "print(torch.stack(kept))", None),
    "detached in place": ("loss.detach_()\nkept.append(loss)", "kept = []\n", "print(torch.stack(kept))", None),
    "under no_grad": (
        "with torch.no_grad():\n    total += F.mse_loss(model(x), y)",
        "total = torch.zeros(1)\n",
        "print(total)",
        None,
    ),
    "backpropagated": ("total = total + F.l1_loss(model(x), y)", "total = 0.0\n", "total.backward()", None),
    "backpropagated sum": (
        "kept.append(F.l1_loss(model(x), y))",
        "kept = []\n",
        "torch.stack(kept).sum().backward()",
        None,
    ),
    "handed on": ("kept.append(loss)", "kept = []\n", "callbacks.finish(kept)", None),
    "emptied": ("kept.append(loss)\nif step % 5 == 0:\n    kept = []", "kept = []\n", "print(len(kept))", None),
    "a metric": ("metric.update(loss)", "metric = args.metric()\n", "print(metric.compute())", None),
    "a queue": (
        "kept.append(loss)",
        "from collections import deque\nkept = deque(maxlen=20)\n",
        "print(len(kept))",
        None,
    ),
    "of a helper": ("total += value_of(loss)", "from meters import value_of\ntotal = 0.0\n", "print(total)", None),
    "of numbers": ("seen += len(x)", "seen = 0\n", "print(seen)", None),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    more, before, after, wanted = KEPT[name]
    assert codes(_loop(more, before=before, after=after)) == ([] if wanted is None else [wanted])


GRAPH = {
    "sum": ("total += loss", "total = 0.0\n", "print(float(total))"),
    "list": ("kept.append(loss)", "kept = []\n", "print([float(value) for value in kept])"),
    "difference": ("total -= loss", "total = 0\n", "print(total.item())"),
}


@pytest.mark.parametrize("name", GRAPH)
def test_graph_is_kept(name: str) -> None:
    more, before, after = GRAPH[name]
    assert codes(_loop(more, before=before, after=after)) == ["ML701"]


GLUED = {
    "decoded step by step": """
        import torch

        @torch.no_grad()
        def generate(model, tokens, n):
            for _ in range(n):
                logits = model(tokens)[:, -1]
                tokens = torch.cat([tokens, logits.argmax(-1, keepdim=True)], dim=1)
            return tokens
    """,
    "made anew in each pass": """
        import torch

        def pad(batches, width):
            made = []
            for x in batches:
                x = torch.cat([x, torch.zeros(len(x), width - x.shape[1])], dim=1)
                made.append(x)
            return torch.stack(made)
    """,
    "read in the loop": """
        import numpy as np

        def walk(start, steps, move):
            path = np.asarray(start)
            for _ in range(steps):
                path = np.concatenate([path, move(path[-1:])])
            return path
    """,
    "a window": """
        import torch as th

        class Memory:
            def push(self, items):
                for item in items:
                    self.rows = th.cat((self.rows, item[None]))[-self.size :]
    """,
    "reset": """
        import numpy as np

        def chunks(items, size):
            chunk = np.empty(0)
            for item in items:
                chunk = np.append(chunk, item)
                if len(chunk) == size:
                    yield chunk
                    chunk = np.empty(0)
    """,
    "features of two kinds": """
        import torch
        from torch import nn

        class Unet(nn.Module):
            def forward(self, x, skips):
                for layer, skip in zip(self.layers, reversed(skips)):
                    x = torch.cat([x, skip], dim=1)
                    x = layer(x)
                return x
    """,
}  # fmt: skip


@pytest.mark.parametrize("name", GLUED)
def test_glued(name: str) -> None:
    assert not found(GLUED[name])


def test_grown() -> None:
    program = """
        import numpy as np

        def gather(parts):
            out = np.empty((0, 3))
            for part in parts:
                out = np.concatenate([out, np.ones((2, 3)) * part])
            return out
    """
    assert codes(program) == ["ML119"]


ORDER = {
    "flood fill": """
        import numpy as np

        def fill(grid, n, m):
            seen = np.zeros((n, m))
            for i in range(1, n):
                for j in range(1, m):
                    seen[i, j] = max(seen[i - 1, j], seen[i, j - 1], grid[i, j])
            return seen
    """,
    "recurrence": """
        import numpy as np

        def smooth(n, alpha):
            x = np.ones(n)
            y = np.zeros(n)
            for t in range(1, n):
                y[t] = alpha * x[t] + (1 - alpha) * y[t - 1]
            return y
    """,
    "dynamic programming": """
        import numpy as np

        def distance(a, b):
            table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
            for i in range(1, len(a) + 1):
                for j in range(1, len(b) + 1):
                    table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a[i] != b[j]))
            return table[-1, -1]
    """,
    "a dict": """
        def invert(values, n):
            found = {}
            for i in range(n):
                found[i] = values[i] * 2
            return found
    """,
    "a list of tensors": """
        import torch

        def scale(n):
            parts = [torch.ones(i + 1) for i in range(n)]
            for i in range(n):
                parts[i] = parts[i] * 2
            return parts
    """,
    "a mapping on self": """
        import collections
        import numpy as np

        class Table:
            def __init__(self):
                self.rows = collections.defaultdict(float)

            def add(self, n):
                x = np.ones(n)
                for i in range(n):
                    self.rows[i] = x[i] * 2
    """,
    "in place, forwards": """
        import numpy as np

        def running(n):
            x = np.ones(n)
            for i in range(1, len(x)):
                x[i] = x[i] + 0.5 * x[i - 1]
            return x
    """,
}  # fmt: skip


@pytest.mark.parametrize("name", ORDER)
def test_order_matters(name: str) -> None:
    assert not found(ORDER[name])


def test_order_does_not_matter() -> None:
    program = """
        import numpy as np

        def scale(n):
            x = np.ones(n)
            y = np.zeros(n)
            for i in range(n):
                y[i] = 0.5 * x[i] + 1
            return y
    """
    assert codes(program) == ["ML101"]
