"""Who goes backward, steps and zeroes the gradients is often not to be seen in the loop."""

from __future__ import annotations

import textwrap

import pytest

from tests.traps.linting import codes, found

GIVEN = """\
import torch
from torch import nn, optim
from torch.optim import AdamW
from torch.utils.data import DataLoader


"""

SILENT = {
    "accelerator": """
        from accelerate import Accelerator
        from torch.optim import AdamW

        def main(model, loader):
            accelerator = Accelerator(gradient_accumulation_steps=4)
            optimizer = AdamW(model.parameters(), lr=1e-3)
            model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
            for batch in loader:
                with accelerator.accumulate(model):
                    loss = model(**batch).loss
                    accelerator.backward(loss)
                    optimizer.step()
    """,
    "accelerator on self": """
        from accelerate import Accelerator
        from torch.optim import AdamW

        class Trainer:
            def __init__(self, model):
                self.accelerator = Accelerator()
                self.model = model
                self.optimizer = AdamW(model.parameters(), lr=1e-3)

            def run(self, loader):
                for batch in loader:
                    loss = self.model(**batch).loss
                    self.accelerator.backward(loss)
                    self.optimizer.step()
    """,
    "fabric": """
        import lightning as L
        import torch

        def train(model, loader):
            fabric = L.Fabric(accelerator="auto")
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            model, optimizer = fabric.setup(model, optimizer)
            loader = fabric.setup_dataloaders(loader)
            for i, (x, y) in enumerate(loader):
                with fabric.no_backward_sync(model, enabled=i % 8 != 0):
                    loss = torch.nn.functional.cross_entropy(model(x), y)
                    fabric.backward(loss)
                if i % 8 == 0:
                    optimizer.step()
                    optimizer.zero_grad()
    """,
    "manual optimization": """
        import torch
        import pytorch_lightning as pl

        class Gan(pl.LightningModule):
            def __init__(self, net):
                super().__init__()
                self.automatic_optimization = False
                self.net = net
                self.opt = torch.optim.Adam(net.parameters())

            def training_step(self, batch, batch_idx):
                for x in batch:
                    loss = self.net(x).mean()
                    self.manual_backward(loss)
                    self.opt.step()
    """,
    "engine of DeepSpeed": """
        import deepspeed

        def train(args, model, loader):
            engine, _, _, _ = deepspeed.initialize(args=args, model=model, model_parameters=model.parameters())
            for x, y in loader:
                loss = engine(x, y)
                engine.backward(loss)
                engine.step()
    """,
    "engine of DeepSpeed on self": """
        import deepspeed
        import torch.nn.functional as F

        class Run:
            def __init__(self, args, model):
                self.engine, *_ = deepspeed.initialize(args=args, model=model)

            def epoch(self, loader):
                for x, y in loader:
                    loss = F.mse_loss(self.engine(x), y)
                    self.engine.backward(loss)
                    self.engine.step()
    """,
    "optimizer made anew": """
        import torch

        def meta(model, tasks):
            for x, y in tasks:
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                loss = torch.nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
    """,
    "optimizer made anew in a function": """
        import torch

        def make_optimizer(model):
            model.zero_grad()
            return torch.optim.SGD(model.parameters(), lr=0.1)

        def meta(model, tasks):
            optimizer = make_optimizer(model)
            for x, y in tasks:
                loss = torch.nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
                optimizer = make_optimizer(model)
    """,
    "distributed autograd": """
        import torch
        import torch.distributed.autograd as dist_autograd
        from torch.distributed.optim import DistributedOptimizer

        def train(model, loader, parameters):
            opt = DistributedOptimizer(torch.optim.SGD, parameters, lr=0.05)
            for x, y in loader:
                with dist_autograd.context() as context_id:
                    loss = torch.nn.functional.cross_entropy(model(x), y)
                    dist_autograd.backward(context_id, [loss])
                    opt.step(context_id)
    """,
    "closure": """
        import torch

        def fit(model, loader):
            optimizer = torch.optim.LBFGS(model.parameters())
            for x, y in loader:
                def closure():
                    optimizer.zero_grad()
                    loss = torch.nn.functional.mse_loss(model(x), y)
                    loss.backward()
                    return loss

                optimizer.step(closure)
    """,
    "closure made before the loop": """
        from torch import nn, optim

        class Fit:
            def __init__(self, model):
                self.model = model
                self.optimizer = optim.LBFGS(self.model.parameters())

            def closure(self):
                self.optimizer.zero_grad()
                loss = nn.functional.mse_loss(self.model(self.x), self.y)
                loss.backward()
                return loss

            def run(self, steps):
                for _ in range(steps):
                    self.optimizer.step(self.closure)
    """,
    "closure that is a lambda": """
        import functools
        import torch

        def evaluate(optimizer, model, x, y):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(x), y)
            loss.backward()
            return loss

        def fit(model, loader):
            optimizer = torch.optim.LBFGS(model.parameters())
            for x, y in loader:
                optimizer.step(lambda: evaluate(optimizer, model, x, y))
            for x, y in loader:
                optimizer.step(functools.partial(evaluate, optimizer, model, x, y))
    """,
    "helper of the file": """
        import torch as th

        def update(optimizer, loss):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        def train(model, loader):
            optimizer = th.optim.Adam(model.parameters())
            for x, y in loader:
                update(optimizer, th.nn.functional.mse_loss(model(x), y))
    """,
    "helper that zeroes": """
        import torch

        def reset(*optimizers):
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=True)

        def train(model, loader):
            optimizer = torch.optim.Adam(model.parameters())
            for x, y in loader:
                reset(optimizer)
                loss = torch.nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
    """,
    "method that zeroes": """
        import torch

        class Base:
            def clear(self):
                for p in self.model.parameters():
                    p.grad = None

        class Learner(Base):
            def __init__(self, model):
                self.model = model
                self.optimizer = torch.optim.Adam(model.parameters())

            def train(self, loader):
                for x, y in loader:
                    self.clear()
                    loss = torch.nn.functional.mse_loss(self.model(x), y)
                    loss.backward()
                    self.optimizer.step()
    """,
    "method of a class in another file": """
        from torch import optim
        from torch.nn import functional as F
        from engine.base import Base

        class Learner(Base):
            def __init__(self, model):
                self.model = model
                self.optimizer = optim.Adam(model.parameters())

            def train(self, loader):
                for x, y in loader:
                    self.before_step()
                    loss = F.mse_loss(self.model(x), y)
                    loss.backward()
                    self.optimizer.step()
        --- engine/__init__.py
        --- engine/base.py
        class Base:
            def before_step(self):
                self.optimizer.zero_grad()
    """,
    "function of another file": """
        import torch
        import steps

        def train(model, loader):
            optimizer = torch.optim.Adam(model.parameters())
            for x, y in loader:
                steps.prepare(optimizer)
                loss = torch.nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
        --- steps.py
        def prepare(optimizer):
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad = None
    """,
    "function of a package, exported again": """
        import torch
        from pkg import prepare as begin

        def train(model, loader):
            optimizer = torch.optim.Adam(model.parameters())
            for x, y in loader:
                begin(optimizer)
                loss = torch.nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
        --- pkg/__init__.py
        from .steps import *
        --- pkg/steps.py
        from .inner import clear

        def prepare(optimizer):
            clear(optimizer)
        --- pkg/inner.py
        def clear(optimizer):
            optimizer.zero_grad()
    """,
    "partial": """
        from functools import partial
        import torch

        def zero(optimizer, to_none):
            optimizer.zero_grad(set_to_none=to_none)

        def train(model, loader):
            optimizer = torch.optim.Adam(model.parameters())
            clear = partial(zero, optimizer, True)
            for x, y in loader:
                clear()
                loss = torch.nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
    """,
    "bound method": """
        import torch

        def train(model, loader):
            optimizer = torch.optim.Adam(model.parameters())
            zero = optimizer.zero_grad
            for x, y in loader:
                zero()
                loss = torch.nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
    """,
    "lambda": """
        import torch

        def train(model, loader):
            optimizer = torch.optim.Adam(model.parameters())
            clear = lambda: model.zero_grad()
            for x, y in loader:
                clear()
                loss = torch.nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
    """,
    "decorator": """
        import functools
        import torch

        def zeroing(f):
            @functools.wraps(f)
            def inner(model, optimizer, batch):
                optimizer.zero_grad()
                return f(model, optimizer, batch)
            return inner

        @zeroing
        def step(model, optimizer, batch):
            loss = model(batch).mean()
            loss.backward()
            optimizer.step()

        def train(model, loader):
            optimizer = torch.optim.Adam(model.parameters())
            for batch in loader:
                step(model, optimizer, batch)
    """,
    "context manager": """
        from contextlib import contextmanager
        import torch

        @contextmanager
        def fresh(optimizer):
            optimizer.zero_grad()
            yield
            optimizer.step()

        def train(model, loader):
            optimizer = torch.optim.Adam(model.parameters())
            for x, y in loader:
                with fresh(optimizer):
                    loss = torch.nn.functional.mse_loss(model(x), y)
                    loss.backward()
                    optimizer.step()
    """,
    "iterator of the project": """
        import torch

        class Batches:
            def __init__(self, loader, optimizer):
                self.loader, self.optimizer = loader, optimizer

            def __iter__(self):
                for batch in self.loader:
                    self.optimizer.zero_grad()
                    yield batch

        def train(model, loader):
            optimizer = torch.optim.Adam(model.parameters())
            for x, y in Batches(loader, optimizer):
                loss = torch.nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
    """,
    "generator of the project": """
        import torch

        def batches(loader, optimizer):
            for batch in loader:
                optimizer.zero_grad()
                yield batch

        def train(model, loader):
            optimizer = torch.optim.Adam(model.parameters())
            for x, y in batches(loader, optimizer):
                loss = torch.nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
    """,
    "callbacks": """
        import torch

        def train(model, loader, callbacks):
            optimizer = torch.optim.Adam(model.parameters())
            for x, y in loader:
                for callback in callbacks:
                    callback.before_batch(optimizer)
                loss = torch.nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
    """,
    "helpers that call each other": """
        import torch

        def ping(optimizer, n):
            if n:
                pong(optimizer, n - 1)

        def pong(optimizer, n):
            optimizer.zero_grad()
            ping(optimizer, n)

        def train(model, loader):
            optimizer = torch.optim.Adam(model.parameters())
            for x, y in loader:
                ping(optimizer, 1)
                loss = torch.nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
    """,
}  # fmt: skip


@pytest.mark.parametrize("name", SILENT)
def test_silent(name: str) -> None:
    assert not found(SILENT[name])


LACKING = {
    "plain": """
        def train(model, loader):
            optimizer = torch.optim.Adam(model.parameters())
            for x, y in loader:
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
    """,
    "on self": """
        class Learner:
            def __init__(self, model):
                self.model = model
                self.optimizer = AdamW(model.parameters())

            def train(self, loader):
                for x, y in loader:
                    loss = nn.functional.mse_loss(self.model(x), y)
                    loss.backward()
                    self.optimizer.step()
    """,
    "helper that does not zero": """
        def report(loss, step):
            print(step, float(loss))

        def train(model, loader):
            optimizer = optim.SGD(model.parameters(), lr=0.1)
            for step, (x, y) in enumerate(loader):
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
                if step % 10 == 0:
                    report(loss, step)
    """,
    "step in a helper": """
        def update(model, optimizer, x, y):
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()

        def train(model, loader):
            optimizer = optim.SGD(model.parameters(), lr=0.1)
            for x, y in loader:
                update(model, optimizer, x, y)
    """,
    "batches by next": """
        def train(model, loader, steps):
            optimizer = optim.SGD(model.parameters(), lr=0.1)
            batches = iter(loader)
            for _ in range(steps):
                x, y = next(batches)
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
    """,
}  # fmt: skip


@pytest.mark.parametrize("name", LACKING)
def test_lacking(name: str) -> None:
    assert codes(GIVEN + textwrap.dedent(LACKING[name])) == ["ML401"]
