"""Training loops: what is done in them, and in which order."""

from __future__ import annotations

import ast

import pytest

from mlint.model.file import FileModel
from mlint.model.project import Project
from mlint.model.tree import walk
from mlint.source import Source
from tests.model.reading import marked, model_of

IMPORTS = """
import torch
from torch import nn, optim
model = nn.Linear(3, 2)
optimizer = optim.SGD(model.parameters(), lr=0.1)
"""


def first_loop(model: FileModel) -> ast.For:
    return next(node for node in walk(model.module) if isinstance(node, ast.For))


def told(model: FileModel) -> list[str]:
    """The actions of the first loop, as role and subject."""
    return [f"{a.role} {a.subject}" for a in model.training.round_of(first_loop(model)).actions]


@pytest.mark.parametrize(
    ("body", "actions"),
    [
        ("optimizer.zero_grad()\nloss.backward()\noptimizer.step()", "zero optimizer, backward loss, step optimizer"),
        ("with autocast():\n    loss.backward()\noptimizer.step()", "backward loss, step optimizer"),
        ("scaler.scale(loss / 2).backward()\nscaler.step(optimizer)\nscaler.update()",
         "backward loss / 2, step optimizer, update scaler"),
        ("scaler.scale(a).backward()\nscaler.unscale_(optimizer)\nnn.utils.clip_grad_norm_(net.parameters(), 1)",
         "backward a, unscale optimizer, clip net.parameters()"),
        ("accelerator.backward(loss)", "backward loss"),
        ("torch.autograd.backward(loss)", "backward loss"),
        ("for p in model.parameters():\n    p.grad = None", "zero None"),
        ("p.grad.data.zero_()", "zero None"),
        ("p.grad.mul_(2)", "gradient None"),
        ("p.grad += 1", "gradient None"),
        ("optim.lr_scheduler.StepLR(optimizer, 1).step()", "schedule optim.lr_scheduler.StepLR(optimizer, 1)"),
        ("env.step(action)", ""),
        ("def f():\n    optimizer.zero_grad()\noptimizer.step(f)", "step optimizer, zero None"),
    ],
)  # fmt: skip
def test_actions(body: str, actions: str) -> None:
    code = IMPORTS + "for x in data:\n" + "\n".join("    " + line for line in body.splitlines())
    assert ", ".join(told(model_of(code))) == actions


def test_helpers_are_seen_in_the_callers_words() -> None:
    model = model_of(
        IMPORTS
        + """
def reset(o, *, net):
    clear(o)
    net.zero_grad()

def clear(what):
    what.zero_grad()

for x in data:
    reset(optimizer, net=model)
"""
    )
    assert told(model) == ["zero optimizer", "zero model"]


def test_methods_speak_of_the_same_self() -> None:
    model = model_of(
        IMPORTS
        + """
class Trainer:
    def __init__(self):
        self.opt = optim.SGD(model.parameters(), lr=0.1)

    def zero(self):
        self.opt.zero_grad()

    def fit(self):
        for x in data:
            self.zero()
            self.loss(x).backward()
            self.opt.step()
"""
    )
    assert told(model) == ["zero self.opt", "backward self.loss(x)", "step self.opt"]


def test_helpers_of_other_files(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "tools.py").write_text("def reset(o):\n    o.zero_grad()\n")
    text = IMPORTS + "from tools import reset\nfor x in data:\n    reset(optimizer)\n"
    source = Source.from_bytes(text.encode(), str(tmp_path / "train.py"))
    assert told(FileModel(source, source.parse(), Project())) == ["zero optimizer"]


def test_recursion_ends() -> None:
    model = model_of("def f(x):\n    g(x)\ndef g(x):\n    f(x)\n    x.zero_grad()\nfor y in data:\n    f(y)\n")
    assert told(model) == ["zero y"]


def test_recursion_after_an_action_ends() -> None:
    model = model_of(
        IMPORTS
        + """
def train(n, optimizer):
    optimizer.step()
    if n:
        train(n - 1, optimizer)
    optimizer.zero_grad()

for x in data:
    train(3, optimizer)
"""
    )
    assert told(model) == ["step optimizer", "zero optimizer"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("loss = f(x)\n    here(loss)\n    loss.backward()", True),
        ("loss = f(x)\n    loss.backward()\n    loss = loss.item()\n    here(loss)", False),
        ("loss = f(x)\n    scaler.scale(loss).backward()\n    here(loss)", True),
        ("loss = f(x)\n    other.backward()\n    here(loss)", False),
    ],
)
def test_what_goes_backward_is_a_tensor(code: str, expected: bool) -> None:
    model = model_of("import torch\nfor x in data:\n    " + code)
    node = marked(model)
    assert model.training.is_loss(node, model.training.round(node)) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("if amp:\n    here(0)\nelse:\n    there(0)", True),
        ("if amp:\n    here(0)\nif not amp:\n    there(0)", True),
        ("if scaler is not None:\n    here(0)\nif scaler is None:\n    there(0)", True),
        ("if amp:\n    here(0)\nif amp:\n    there(0)", False),
        ("here(0)\nif amp:\n    there(0)", False),
    ],
)
def test_exclusive(code: str, expected: bool) -> None:
    model = model_of(code)
    assert model.training.exclusive(marked(model), marked(model, "there")) is expected


def test_same_line_sees_through_with() -> None:
    model = model_of("with a:\n    with b:\n        here(0)\nthere(0)\nif c:\n    where(0)")
    line = model.training.same_line
    assert line(marked(model), marked(model, "there"))
    assert not line(marked(model), marked(model, "where"))


def test_constructors_are_found_through_parameters_and_attributes() -> None:
    model = model_of(
        """
        from torch import optim

        def train(net, opt):
            here(opt)

        def main():
            net = build()
            opt = optim.Adam(net.parameters())
            train(net, opt)
        """
    )
    (call,) = model.training.constructors(marked(model))
    assert ast.unparse(call) == "optim.Adam(net.parameters())"
    assert model.training.optimized(marked(model)) == {"net"}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("device = 'cuda' if ok else 'cpu'", True),
        ("device = 'cuda:1'", True),
        ("model.cuda()", True),
        ("ok = torch.cuda.is_available()", True),
        ("device = torch.accelerator.current_accelerator()", True),
        ("from accelerate import Accelerator\na = Accelerator()", True),
        ("device = 'cpu'  # not cuda", False),
        ("text = 'needs cuda'", False),
    ],
)
def test_cuda(code: str, expected: bool) -> None:
    assert model_of("import torch\n" + code).training.uses_cuda is expected


def test_a_device_of_another_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "config.py").write_text("import torch\nDEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'\n")
    source = Source.from_bytes(b"from config import DEVICE\nmodel.to(DEVICE)\n", str(tmp_path / "train.py"))
    assert FileModel(source, source.parse(), Project()).training.uses_cuda


@pytest.mark.parametrize(
    ("code", "kept", "device"),
    [
        ("loss = F.mse_loss(net(x), y)\n    here(loss)", True, True),
        ("loss = F.mse_loss(net(x), y)\n    here(loss * 2 + 1)", True, True),
        ("loss = F.mse_loss(net(x), y)\n    here(loss.detach())", False, True),
        ("loss = F.mse_loss(net(x), y)\n    here(loss.item())", False, False),
        ("out = net(x)\n    F.mse_loss(out, y)\n    here(out)", True, True),
        ("with torch.no_grad():\n        loss = F.mse_loss(net(x), y)\n    here(loss)", False, True),
        ("here(torch.zeros(3))", False, False),
        ("here(other)", False, False),
    ],
)
def test_graphs_and_devices(code: str, kept: bool, device: bool) -> None:
    model = model_of("import torch\nimport torch.nn.functional as F\nfor x, y in data:\n    " + code)
    node = marked(model)
    made = model.training.round(node)
    assert model.training.on_graph(node, made) is kept
    assert model.training.on_device(node, made) is device


@pytest.mark.parametrize(
    ("between", "expected"),
    [("print(loss)", False), ("loss.item()", False), ("torch.sum(x)", False), ("mystery(x)", True), ("f(x)", True)],
)
def test_what_may_go_backward(between: str, expected: bool) -> None:
    model = model_of(f"import torch\ndef f(x):\n    x.backward()\nhere(0)\n{between}\nthere(0)\n")
    training = model.training
    first, last = marked(model), marked(model, "there")
    assert training.may_go_backward(first, last) is expected


def test_what_feeds_a_loss_is_not_taken_for_a_backward() -> None:
    model = model_of("import torch\nout = net(x)\nloss = criterion(out)\nthere(loss)\n")
    last = marked(model, "there")
    assert {ast.unparse(call) for call in model.training.feeding(last)} == {"net(x)", "criterion(out)"}
    assert model.training.may_go_backward(None, last)
    assert not model.training.may_go_backward(None, last, model.training.feeding(last))
