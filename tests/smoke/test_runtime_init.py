"""``mlint smoke --init``: what is proposed for a project, from its source alone."""

from __future__ import annotations

from tests.smoke.projects import Project

MODELS = """\
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x):
        return self.linear(x)


class Net(nn.Module):
    def __init__(self, inputs=12, classes=5):
        super().__init__()
        self.first = nn.Conv2d(inputs, 16, 3)
        self.block = Block(16)
        self.last = nn.Linear(16, classes)

    def forward(self, x):
        return self.last(self.block(self.first(x).mean((2, 3))))


class Text(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 8)

    def forward(self, x):
        return self.embedding(x)


class Focal(nn.Module):
    def __init__(self):
        super().__init__()

    def penalty(self, x):
        return x


def make_optimizer(model):
    return torch.optim.AdamW(model.parameters())


def build():
    return Text(100)
"""
DATA = """\
from torch.utils.data import DataLoader, TensorDataset


def train_loader(num_workers):
    return DataLoader(TensorDataset(), num_workers=num_workers)
"""
TRAIN = """\
from shop.models import Net

model = Net()
for x, y in []:
    loss = model(x).sum()
    loss.backward()
raise SystemExit("nothing is run")
"""


def test_a_section_is_proposed_and_nothing_is_run(project: Project) -> None:
    project.put("src/shop/models.py", MODELS)
    project.put("src/shop/data.py", DATA)
    project.put("src/shop/train.py", TRAIN)
    project.put("tests/test_models.py", MODELS.replace("Net", "Fake"))
    done = project.smoke("--init")
    assert done.code == 0, done.err
    out = done.out
    assert "made for training at src/shop/train.py:3" in out
    assert 'model = "shop.models:Net"\nbatch = ["float32[8,12,32,32]", "int64[8]<5"]  # a guess' in out
    assert '\nmodel = "shop.models:build"\n' in out
    assert '\noptimizer = "shop.models:make_optimizer"  # src/shop/models.py:42\n' in out
    assert '\nloader = "shop.data:train_loader"' in out
    assert "shop.models:Block" in out.splitlines()[-1]
    for absent in ("Focal", "Fake", "shop.models:Text"):
        assert absent not in out
    # It is a section that is read.
    project.put("pyproject.toml", out)
    assert project.run("--show-settings").code == 0


def test_a_model_that_needs_arguments_is_only_a_comment(project: Project) -> None:
    project.put(
        "net.py",
        """\
        from parts import *


        class Net(nn.Module):
            def __init__(self, a, *, b, c=1):
                pass

            def forward(self, x):
                return x
        """,
    )
    out = project.smoke("--init").out
    assert "# It needs a, b: write a function without arguments" in out
    assert '# model = "net:Net"' in out
    assert "\nmodel" not in out


def test_a_project_without_a_model_says_so(project: Project) -> None:
    project.put("x.py", "import torch\n")
    done = project.smoke("--init")
    assert (done.code, done.out) == (2, "")
    assert "no torch model is defined in " in done.err
