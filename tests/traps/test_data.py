"""Loaders, devices, checkpoints and everything else that looks like waste and is none."""

from __future__ import annotations

import pytest

from tests.traps.linting import codes, found

SILENT = {
    "data in memory": """
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        def loaders(x, y):
            return DataLoader(TensorDataset(x, y), batch_size=8), DataLoader(list(zip(x, y)), batch_size=8)
    """,
    "iterable data": """
        import torch
        from torch.utils import data

        class Stream(data.IterableDataset):
            def __iter__(self):
                yield from range(10)

        def loader():
            return data.DataLoader(Stream(), batch_size=2)
    """,
    "loaders without shuffling": """
        import torch.utils.data as tud

        def make(train, test, sampler):
            return tud.DataLoader(train), tud.DataLoader(test, shuffle=False), tud.DataLoader(train, sampler=sampler)
    """,
    "map of tf.data": """
        import tensorflow as tf

        def make(x, f):
            data = tf.data.Dataset.from_tensor_slices(x)
            return data.map(f).batch(8), data.map(f, num_parallel_calls=tf.data.AUTOTUNE)
    """,
    "n_jobs of the outer search only": """
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.model_selection import GridSearchCV

        def search(x, y):
            forest = RandomForestClassifier(random_state=0)
            return GridSearchCV(forest, {"max_depth": [2, 3]}, n_jobs=-1).fit(x, y), forest.fit(x, y)
    """,
    "transfers": """
        import torch

        def move(batch, device, model):
            x = batch.to(device, non_blocking=True)
            y = x.to("cpu", non_blocking=True)
            torch.cuda.synchronize()
            return y, [t.to(device) for t in batch], {k: v.cuda() for k, v in model.items()}
    """,
    "pinned where there is a GPU": """
        import torch
        from torch.utils.data import DataLoader

        def make(data):
            a = DataLoader(data, pin_memory=torch.cuda.is_available())
            b = DataLoader(data, pin_memory=True, num_workers=2)
            return a, b
    """,
    "the random stream": """
        import numpy as np
        import torch

        def noise(n, device):
            z = torch.randn(n).to(device)
            u = torch.rand(n, 3).cuda()
            return z, u, np.random.normal(size=n), np.random.permutation(n)

        def worker(number):
            np.random.seed(torch.initial_seed() % 2**32)
    """,
    "checkpoints that hold anything": """
        import torch
        from torch import load

        def read(path):
            a = torch.load(path, weights_only=False)
            b = torch.load(path, map_location="cpu", weights_only=True)
            c = load(path, weights_only=False)
            return a["args"], b, c
    """,
    "timing": """
        import time
        import torch

        def measure(model, x, n):
            start = time.perf_counter()
            for _ in range(n):
                with torch.no_grad():
                    model(x)
            return (time.perf_counter() - start) / n
    """,
    "cache emptied": """
        import gc
        import torch

        def swap(a, b):
            a.to("cpu")
            gc.collect()
            torch.cuda.empty_cache()
            return b.to("cuda")
    """,
    "print and numpy in jitted functions": """
        import functools
        import jax
        import jax.numpy as jnp
        import numpy as np

        @functools.partial(jax.jit, static_argnums=1)
        def f(x, n):
            print("tracing", n)
            scale = np.sqrt(n)
            return jnp.reshape(x * scale, (n, -1))

        @jax.jit
        def g(x):
            mask = np.tril(np.ones((3, 3)))
            return x * mask + np.pi
    """,
    "files read one after the other": """
        import pandas as pd

        def total(paths):
            result = 0.0
            for path in paths:
                frame = pd.read_csv(path)
                result += frame["a"].sum()
            return result
    """,
    "graph kept on purpose": """
        import torch
        import torch.nn.functional as F

        def both(model, x, y):
            out = model(x)
            first = F.mse_loss(out, y)
            second = F.l1_loss(out, y)
            first.backward(retain_graph=True)
            second.backward()

        class Critic:
            def penalty(self, x):
                score = self.net(x).sum()
                (g,) = torch.autograd.grad(score, x, create_graph=True, retain_graph=True)
                return g.square().mean()
    """,
    "builtins around numpy": """
        import numpy as np

        def f(a, b, rows):
            x = np.array([1.0, 2.0])
            return max(x[0], 3), max(len(x), 2), min(x.max(), x.min()), sum(len(r) for r in rows), max(a, b)
    """,
    "eval without train": """
        import torch
        from torch import nn

        class Encoder(nn.Module):
            def __init__(self, net):
                super().__init__()
                self.net = net.eval()
                for p in self.net.parameters():
                    p.requires_grad = False

            def train(self, mode=True):
                super().train(mode)
                self.net.eval()
                return self

        def load(path):
            net = nn.Linear(3, 1)
            net.load_state_dict(torch.load(path, weights_only=True))
            net.eval()
            return net
    """,
    "generate decorates itself": """
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        class Bot:
            def __init__(self, path):
                self.model = AutoModelForCausalLM.from_pretrained(path)
                self.tokens = AutoTokenizer.from_pretrained(path)
                self.model.eval()

            def say(self, text):
                ids = self.tokens(text, return_tensors="pt")
                out = self.model.generate(**ids, max_new_tokens=20)
                return self.tokens.decode(out[0])
    """,
    "resampled after the split": """
        from imblearn.over_sampling import SMOTE
        from sklearn.model_selection import train_test_split
        from sklearn.preprocessing import StandardScaler

        def make(x, y):
            a, b, c, d = train_test_split(x, y, random_state=0)
            a, c = SMOTE(random_state=0).fit_resample(a, c)
            scaler = StandardScaler().fit(a)
            return scaler.transform(a), scaler.transform(b), c, d
    """,
}  # fmt: skip


@pytest.mark.parametrize("name", SILENT)
def test_silent(name: str) -> None:
    assert not found(SILENT[name])


FOUND = {
    "resampled before the split": (
        """
        from imblearn.over_sampling import SMOTE
        from sklearn.model_selection import train_test_split

        def make(x, y):
            x, y = SMOTE(random_state=0).fit_resample(x, y)
            return train_test_split(x, y, random_state=0)
        """,
        ["ML616"],
    ),
    "fitted on test data": (
        """
        from sklearn.model_selection import train_test_split
        from sklearn.preprocessing import StandardScaler

        def make(x, y):
            a, b, c, d = train_test_split(x, y, random_state=0)
            scaler = StandardScaler()
            return scaler.fit_transform(a), scaler.fit_transform(b), c, d
        """,
        ["ML617"],
    ),
    "builtin sum of an array": (
        """
        import numpy as np

        def f(n):
            x = np.ones(n)
            return sum(x)
        """,
        ["ML117"],
    ),
    "checkpoint of which only the weights are read": (
        """
        import torch

        def read(path):
            return torch.load(path, weights_only=False)["state_dict"]
        """,
        ["ML809"],
    ),
    "synchronized in each step": (
        """
        import torch

        def train(loader):
            device = torch.device("cuda")
            model = torch.nn.Linear(3, 1).to(device)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for x, y in loader:
                optimizer.zero_grad()
                loss = torch.nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
                torch.cuda.synchronize()
        """,
        ["ML702"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_found(name: str) -> None:
    program, wanted = FOUND[name]
    assert codes(program) == wanted
