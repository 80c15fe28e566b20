"""Blocks that leave nothing behind but plain values."""

from __future__ import annotations

import ast

import pytest

from mlint.model.plain import Plain
from mlint.model.tree import walk
from tests.model.reading import model_of

START = """
import numpy as np
import torch
from torch import nn
net = nn.Linear(4, 3)
x = torch.randn(2, 4)
def run(keep, metric, rows, box):
    total = 0.0
    found = []
    with torch.no_grad():
        {body}
    {after}
"""


@pytest.mark.parametrize(
    ("body", "after", "plain"),
    [
        ("y = net(x)", "return 1", True),
        ("y = net(x)", "return y", False),
        ("y = net(x).argmax(1)", "return y", False),
        ("y = net(x).sum().item()", "return y", True),
        ("y = net(x).numpy().mean(axis=0)", "return y", True),
        ("y = np.argmax(net(x).numpy(), 1)", "return y", True),
        ("y, z = net(x), 1", "return z", False),
        ("total += net(x).sum().item()", "return total", True),
        ("total += net(x).sum()", "return total", False),
        ("found.append(net(x).tolist())", "return found", True),
        ("found.append(net(x))", "return found", False),
        ("return net(x).item()", "pass", True),
        ("return net(x)", "pass", False),
        ("box.y = net(x)", "pass", False),
        ("box.y = float(net(x).sum())", "pass", True),
        ("rows[0] = net(x)", "pass", False),
        ("metric.update(net(x))", "pass", False),
        ("metric.update(net(x).item())", "pass", True),
        ("keep(net(x))", "pass", False),
        ("net.weight.mul_(0.5)", "pass", False),
        ("net.load_state_dict(box)", "pass", False),
        ("y = lambda: net(x)", "pass", False),
        ("print(net(x))", "pass", True),
        ("torch.save(net(x), 'a.pt')", "pass", False),
    ],
)
def test_what_leaves_a_block(body: str, after: str, plain: bool) -> None:
    model = model_of(START.format(body=body, after=after))
    block = next(node for node in walk(model.module) if isinstance(node, ast.With))
    assert Plain(model).leaves_only_plain(block.body, block) is plain
