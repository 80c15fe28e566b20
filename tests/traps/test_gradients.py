"""Whether gradients are recorded is often decided elsewhere: by a decorator, a caller, a framework."""

from __future__ import annotations

import textwrap

import pytest

from tests.traps.linting import codes, found

SILENT = {
    "decorator": """
        import torch

        @torch.no_grad()
        def evaluate(model, loader):
            model.eval()
            return [model(x).argmax(1).tolist() for x, _ in loader]
    """,
    "decorator without a call": """
        from torch import inference_mode

        @inference_mode
        def evaluate(model, loader):
            model.eval()
            return [model(x).argmax(1).tolist() for x, _ in loader]
    """,
    "decorator on the class": """
        import torch as th

        class Evaluator:
            def __init__(self, model):
                self.model = model

            @th.inference_mode()
            def run(self, loader):
                self.model.eval()
                hits = 0
                for x, y in loader:
                    hits += (self.model(x).argmax(1) == y).sum().item()
                return hits
    """,
    "public entry is decorated": """
        import torch

        def _predict(model, loader):
            model.eval()
            return [model(x).argmax(1).tolist() for x, _ in loader]

        @torch.no_grad()
        def predict(model, loader):
            return _predict(model, loader)
    """,
    "callers two floors up": """
        import torch

        class Runner:
            def __init__(self, model):
                self.model = model

            def _batches(self, loader):
                self.model.eval()
                return [self.model(x).argmax(1).tolist() for x, _ in loader]

            def _all(self, loaders):
                return [self._batches(loader) for loader in loaders]

            def run(self, loaders):
                with torch.no_grad():
                    return self._all(loaders)
    """,
    "caller in another file": """
        import torch

        def predict(model, loader):
            model.eval()
            return [model(x).argmax(1).tolist() for x, _ in loader]
        --- main.py
        import torch
        from train import predict

        def main(model, loader):
            with torch.no_grad():
                print(predict(model, loader))
    """,
    "own decorator": """
        import functools
        import torch

        def frozen(f):
            @functools.wraps(f)
            def inner(*args, **kwargs):
                with torch.no_grad():
                    return f(*args, **kwargs)
            return inner

        @frozen
        def evaluate(model, loader):
            model.eval()
            return [model(x).argmax(1).tolist() for x, _ in loader]
    """,
    "own decorator that is no_grad": """
        import torch

        smart_inference_mode = torch.inference_mode if torch.cuda.is_available() else torch.no_grad

        @smart_inference_mode()
        def evaluate(model, loader):
            model.eval()
            return [model(x).argmax(1).tolist() for x, _ in loader]
    """,
    "own decorator in another file": """
        import torch
        from modes import inference

        @inference()
        def evaluate(model, loader):
            model.eval()
            return [model(x).argmax(1).tolist() for x, _ in loader]
        --- modes.py
        import torch

        def inference():
            def decorate(f):
                return torch.no_grad()(f)
            return decorate
    """,
    "own context": """
        import contextlib
        import torch

        @contextlib.contextmanager
        def evaluating(model):
            was = model.training
            model.eval()
            with torch.no_grad():
                yield
            model.train(was)

        def evaluate(model, loader):
            model.eval()
            with evaluating(model):
                return [model(x).argmax(1).tolist() for x, _ in loader]
    """,
    "own context in another file": """
        import torch
        from modes import evaluating

        def evaluate(model, loader):
            model.eval()
            with evaluating(model):
                return [model(x).argmax(1).tolist() for x, _ in loader]
        --- modes.py
        import torch
        from contextlib import contextmanager

        @contextmanager
        def evaluating(model):
            with torch.inference_mode():
                yield
    """,
    "context that is a class": """
        import torch

        class Frozen:
            def __enter__(self):
                self.before = torch.is_grad_enabled()
                torch.set_grad_enabled(False)

            def __exit__(self, *error):
                torch.set_grad_enabled(self.before)

        def evaluate(model, loader):
            model.eval()
            with Frozen():
                return [model(x).argmax(1).tolist() for x, _ in loader]
    """,
    "several contexts in one with": """
        import torch

        def evaluate(model, loader, path):
            model.eval()
            with open(path, "w") as out, torch.no_grad(), torch.autocast("cuda"):
                for x, _ in loader:
                    print(model(x).argmax(1).tolist(), file=out)
    """,
    "stack": """
        from contextlib import ExitStack
        import torch

        def evaluate(model, loader):
            model.eval()
            with ExitStack() as stack:
                stack.enter_context(torch.no_grad())
                return [model(x).argmax(1).tolist() for x, _ in loader]
    """,
    "no context or that": """
        from contextlib import nullcontext
        import torch

        def evaluate(model, loader, tune=False):
            model.eval()
            context = nullcontext if tune else torch.no_grad
            with context():
                return [model(x).argmax(1).tolist() for x, _ in loader]
    """,
    "no context or that, in place": """
        import contextlib
        import torch

        def evaluate(model, loader, tune=False):
            model.eval()
            with contextlib.nullcontext() if tune else torch.no_grad():
                return [model(x).argmax(1).tolist() for x, _ in loader]
    """,
    "phase": """
        import torch

        def epoch(model, loader, phase, optimizer, loss_of):
            model.train() if phase == "train" else model.eval()
            for x, y in loader:
                with torch.set_grad_enabled(phase == "train"):
                    loss = loss_of(model(x), y)
                if phase == "train":
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
    """,
    "switch of the process": """
        import torch

        torch.set_grad_enabled(False)

        def evaluate(model, loader):
            model.eval()
            return [model(x).argmax(1).tolist() for x, _ in loader]
    """,
    "hooks of a framework": """
        import pytorch_lightning as pl
        import torch

        class Model(pl.LightningModule):
            def validation_step(self, batch, batch_idx):
                self.net.eval()
                self.log("hits", sum((self.net(x).argmax() == y).item() for x, y in batch))

            def test_step(self, batch, batch_idx):
                self.net.eval()
                self.log("hits", sum((self.net(x).argmax() == y).item() for x, y in batch))

            def predict_step(self, batch, batch_idx):
                self.net.eval()
                return [self.net(x).argmax().item() for x, y in batch]
    """,
    "helper of a hook": """
        import lightning as L
        import torch

        class Model(L.LightningModule):
            def validation_step(self, batch, batch_idx):
                self._score(batch)

            def _score(self, batch):
                self.net.eval()
                self.log("hits", sum((self.net(x).argmax() == y).item() for x, y in batch))
    """,
    "hooks of a base class": """
        from lightning.pytorch import LightningModule
        import torch

        class Base(LightningModule):
            pass

        class Model(Base):
            def on_validation_epoch_end(self):
                self.net.eval()
                self.log("hits", sum((self.net(x).argmax() == y).item() for x, y in self.kept))
    """,
    "hook of a trainer": """
        from transformers import Trainer
        import torch

        class Mine(Trainer):
            def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
                model.eval()
                return [model(x).argmax().item() for x in inputs]
    """,
    "generate": """
        from transformers import AutoModelForCausalLM

        def answers(path, prompts):
            model = AutoModelForCausalLM.from_pretrained(path)
            model.eval()
            return [model.generate(p, max_new_tokens=20) for p in prompts]
    """,
    "attack": """
        import torch

        def perturb(model, x, y, loss_of, epsilon):
            model.eval()
            x.requires_grad_(True)
            loss = loss_of(model(x), y)
            (gradient,) = torch.autograd.grad(loss, x)
            return x + epsilon * gradient.sign()
    """,
    "the word as a context": """
        from torch import no_grad

        def embed(model, loader):
            model.eval()
            with no_grad():
                return [model(x).tolist() for x in loader]
    """,
    "no_grad is not traded for inference_mode": """
        import torch

        def freeze(model, x):
            with torch.no_grad():
                features = model.encode(x)
            return model.head(features)

        @torch.no_grad()
        def warm(model, x):
            return torch.compile(model)(x)

        class Sharded:
            @torch.no_grad()
            def consolidate(self):
                with torch.no_grad():
                    return {k: v.clone() for k, v in self.model.state_dict().items()}
    """,
    "copies that stay in eval mode": """
        import copy
        import torch
        import torch.nn.functional as F

        def train(model, text_encoder, vae, loader):
            ema = copy.deepcopy(model)
            ema.eval()
            vae.eval()
            text_encoder.requires_grad_(False)
            text_encoder.eval()
            optimizer = torch.optim.Adam(model.parameters())
            for x, y in loader:
                with torch.no_grad():
                    target = ema(x)
                optimizer.zero_grad()
                loss = F.mse_loss(model(x), target)
                loss.backward()
                optimizer.step()
    """,
    "teacher": """
        import torch
        from torch import nn, optim

        class Distiller:
            def __init__(self, teacher, student):
                self.teacher = teacher.eval()
                self.student = student
                self.optimizer = optim.SGD(self.student.parameters(), lr=0.1)

            def run(self, loader, epochs):
                for _ in range(epochs):
                    self.teacher.eval()
                    for x in loader:
                        with torch.no_grad():
                            wanted = self.teacher(x)
                        self.optimizer.zero_grad()
                        nn.functional.mse_loss(self.student(x), wanted).backward()
                        self.optimizer.step()
    """,
    "reference model": """
        import torch

        def tune(policy, reference, prompts):
            reference.eval()
            optimizer = torch.optim.AdamW(policy.parameters())
            for epoch in range(3):
                for batch in prompts:
                    with torch.inference_mode():
                        base = reference(batch)
                    loss = (policy(batch) - base.clone()).square().mean()
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                reference.eval()
    """,
}  # fmt: skip


@pytest.mark.parametrize("name", SILENT)
def test_silent(name: str) -> None:
    assert not found(SILENT[name])


FOUND = {
    "no context at all": (
        """
        import torch

        def evaluate(model, loader):
            model.eval()
            hits = 0
            for x, y in loader:
                hits += (model(x).argmax(1) == y).sum().item()
            return hits
        """,
        ["ML201"],
    ),
    "a decorator of another kind": (
        """
        import functools
        import torch

        class Evaluator:
            @staticmethod
            def run(model, loader):
                model.eval()
                hits = 0
                for x, y in loader:
                    hits += (model(x).argmax(1) == y).sum().item()
                return hits
        """,
        ["ML201"],
    ),
    "a context of another kind": (
        """
        import torch

        def evaluate(model, loader, path):
            model.eval()
            with open(path, "w") as out, torch.autocast("cuda"):
                for x, _ in loader:
                    print(model(x).argmax(1).tolist(), file=out)
        """,
        ["ML201"],
    ),
    "a hook of no framework": (
        """
        import torch

        class Model:
            def validation_step(self, batch):
                self.net.eval()
                return sum((self.net(x).argmax() == y).item() for x, y in batch)
        """,
        ["ML201"],
    ),
    "the call is forgotten": (
        """
        import torch

        def evaluate(model, loader):
            with torch.no_grad:
                return [model(x) for x in loader]
        """,
        ["ML203"],
    ),
    "the call is made and thrown away": (
        """
        from torch import no_grad

        def evaluate(model, loader):
            no_grad()
            return [model(x).argmax() for x in loader]
        """,
        ["ML203"],
    ),
    "a switch in the function stays, but gradients are off": (
        """
        from torch import autograd

        def evaluate(model, loader):
            autograd.set_grad_enabled(False)
            model.eval()
            return [model(x).argmax(1).tolist() for x, _ in loader]
        """,
        ["ML214"],
    ),
    "the model that is trained": (
        """
        import torch

        def fit(model, train, test):
            optimizer = torch.optim.Adam(model.parameters())
            model.train()
            for epoch in range(3):
                for x, y in train:
                    optimizer.zero_grad()
                    loss = torch.nn.functional.mse_loss(model(x), y)
                    loss.backward()
                    optimizer.step()
                model.eval()
                with torch.no_grad():
                    print([model(x).mean().item() for x, _ in test])
        """,
        ["ML204"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_found(name: str) -> None:
    program, wanted = FOUND[name]
    assert codes(textwrap.dedent(program)) == wanted
