"""Models that are certainly in training mode, and layers that act by it."""

from __future__ import annotations

import ast

import pytest

from mlint.model.layers import acts_by_mode
from mlint.model.modes import always_training
from tests.model.reading import marked, model_of

NET = """
import torch
from torch import nn
import torchvision

class Net(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.drop = nn.Dropout(p)

    def forward(self, x):
        return self.drop(x)

class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(4, 3)

class Frozen(Net):
    def train(self, mode=True):
        return super().train(False)

class Maybe(nn.Module):
    def __init__(self, norm):
        super().__init__()
        if norm:
            self.norm = nn.BatchNorm1d(4)
"""

BOX = """
class Box:
    def __init__(self):
        self.net = Net()

    def run(self):
        here(self.net)
"""


@pytest.mark.parametrize(
    ("made", "acts"),
    [
        ("Net()", True),
        ("Plain()", False),
        ("Frozen()", False),
        ("Maybe(True)", False),
        ("nn.Sequential(nn.Linear(4, 4), nn.Dropout())", True),
        ("nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.BatchNorm1d(4)))", True),
        ("nn.Sequential(nn.Linear(4, 4), nn.Dropout(0))", False),
        ("nn.Sequential(nn.Linear(4, 4), nn.Dropout(p=rate))", False),
        ("nn.Sequential(Net(), nn.ReLU())", True),
        ("nn.LSTM(4, 4, 2, dropout=0.1)", True),
        ("nn.LSTM(4, 4, 1, dropout=0.1)", False),
        ("nn.LSTM(4, 4, 2)", False),
        ("nn.TransformerEncoderLayer(8, 2)", True),
        ("nn.TransformerEncoderLayer(8, 2, dropout=0.0)", False),
        ("torchvision.models.resnet18()", True),
        ("nn.BatchNorm2d(3, track_running_stats=False)", False),
    ],
)
def test_layers_that_act_by_the_mode(made: str, acts: bool) -> None:
    model = model_of(f"{NET}\nhere({made})\n")
    call = marked(model)
    assert isinstance(call, ast.Call)
    assert acts_by_mode(model, call) is acts


@pytest.mark.parametrize(
    ("code", "training"),
    [
        ("net = Net()\nhere(net)", True),
        ("net = Net().to('cuda')\nnet = nn.DataParallel(net)\nhere(net)", True),
        ("net = Net()\nnet.load_state_dict(s)\nprint(net)\nhere(net)", True),
        ("net = Net()\nnet.train()\nhere(net)", True),
        ("net = Net().eval()\nhere(net)", False),
        ("net = Net()\nnet.eval()\nhere(net)", False),
        ("net = Net()\nother = net\nother.eval()\nhere(net)", False),
        ("net = Net()\nnet.train(mode)\nhere(net)", False),
        ("net = Net()\nnet.drop.eval()\nhere(net)", False),
        ("net = Net()\nfor m in net.modules():\n    m.eval()\nhere(net)", False),
        ("net = Net()\nnets.append(net)\nhere(net)", False),
        ("net = Net()\nunknown(net)\nhere(net)", False),
        ("net = Net()\ndef late():\n    net.eval()\nhere(net)", False),
        ("def off(n):\n    n.eval()\nnet = Net()\noff(net)\nhere(net)", False),
        ("def off(n):\n    n.zero_grad()\nnet = Net()\noff(net)\nhere(net)", True),
        ("def make():\n    net = Net()\n    return net\nnet = make()\nhere(net)", True),
        ("def make():\n    net = Net()\n    return net.eval()\nnet = make()\nhere(net)", False),
        ("net = Net() if big else Plain()\nhere(net)", False),
        ("def run(net):\n    here(net)\nrun(Net())", True),
        ("def run(net):\n    here(net)\nrun(Net())\nmap(run, nets)", False),
        (BOX, True),
        (BOX + "\nb = Box()\nb.net.eval()", False),
    ],
)
def test_models_in_training_mode(code: str, training: bool) -> None:
    # `here` itself is given the model only to be found
    model = model_of(f"{NET}\ndef here(thing): pass\n{code}\n")
    assert (always_training(model, marked(model)) is not None) is training
