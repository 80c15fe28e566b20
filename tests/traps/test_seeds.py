"""Chance: who seeds it, whose business that is, and which calls draw at all."""

from __future__ import annotations

import pytest

from tests.traps.linting import codes, found

SILENT = {
    "set_seed": """
        import numpy as np
        from transformers import set_seed
        from sklearn.linear_model import LogisticRegression

        set_seed(3)
        x = np.random.normal(size=(20, 2))
        LogisticRegression().fit(x, x[:, 0] > 0)
    """,
    "seed_everything": """
        import lightning as L
        import torch
        from torch import nn

        def main():
            L.seed_everything(1, workers=True)
            net = nn.Linear(3, 1)
            opt = torch.optim.SGD(net.parameters(), lr=0.1)
            for _ in range(5):
                opt.zero_grad()
                net(torch.rand(2, 3)).sum().backward()
                opt.step()

        if __name__ == "__main__":
            main()
    """,
    "keras": """
        import keras
        import tensorflow as tf

        keras.utils.set_random_seed(812)
        net = keras.Sequential([keras.layers.Dense(3)])
        net.compile("adam", "mse")
        net.fit(tf.random.normal((8, 4)), tf.zeros((8, 3)))
    """,
    "accelerate": """
        import torch
        from accelerate.utils import set_seed as fix
        from torch import nn

        fix(0)
        net = nn.Linear(3, 1)
        opt = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(5):
            opt.zero_grad()
            net(torch.rand(2, 3)).sum().backward()
            opt.step()
    """,
    "function of the file": """
        import random
        import numpy as np
        import torch

        def everything(n):
            random.seed(n)
            np.random.seed(n)
            torch.manual_seed(n)

        def main():
            everything(7)
            net = torch.nn.Linear(3, 1)
            opt = torch.optim.SGD(net.parameters(), lr=0.1)
            for _ in range(5):
                opt.zero_grad()
                net(torch.rand(2, 3)).sum().backward()
                opt.step()

        main()
    """,
    "function of another file": """
        import torch
        from setup import prepare

        prepare()
        net = torch.nn.Linear(3, 1)
        opt = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(5):
            opt.zero_grad()
            net(torch.rand(2, 3)).sum().backward()
            opt.step()
        --- setup.py
        import torch

        def prepare():
            torch.manual_seed(0)
    """,
    "package that exports it": """
        import torch
        import tools

        tools.fix(0)
        net = torch.nn.Linear(3, 1)
        opt = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(5):
            opt.zero_grad()
            net(torch.rand(2, 3)).sum().backward()
            opt.step()
        --- tools/__init__.py
        from .chance import fix
        --- tools/chance.py
        import torch as th

        def fix(n):
            th.random.manual_seed(n)
    """,
    "import that seeds": """
        import config
        import torch

        net = torch.nn.Linear(3, 1)
        opt = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(5):
            opt.zero_grad()
            net(torch.rand(2, 3)).sum().backward()
            opt.step()
        --- config.py
        import torch

        torch.manual_seed(5)
    """,
    "base class of the project": """
        import torch
        from experiment import Experiment

        class Mine(Experiment):
            def run(self):
                net = torch.nn.Linear(3, 1)
                opt = torch.optim.SGD(net.parameters(), lr=0.1)
                for _ in range(5):
                    opt.zero_grad()
                    net(torch.rand(2, 3)).sum().backward()
                    opt.step()

        if __name__ == "__main__":
            Mine(seed=4).run()
        --- experiment.py
        import torch

        class Experiment:
            def __init__(self, seed):
                torch.manual_seed(seed)
    """,
    "base class that seeds by default": """
        import torch
        from experiment import Experiment

        class Mine(Experiment):
            def run(self):
                net = torch.nn.Linear(3, 1)
                opt = torch.optim.SGD(net.parameters(), lr=0.1)
                for _ in range(5):
                    opt.zero_grad()
                    net(torch.rand(2, 3)).sum().backward()
                    opt.step()

        if __name__ == "__main__":
            Mine().run()
        --- experiment.py
        import torch

        class Experiment:
            def __init__(self):
                torch.manual_seed(0)
    """,
    "generator handed around": """
        import numpy as np
        from sklearn.linear_model import LogisticRegression

        def sample(rng, n):
            return rng.normal(size=(n, 2))

        rng = np.random.default_rng(3)
        x = sample(rng, 20)
        LogisticRegression().fit(x, x[:, 0] > 0)
    """,
    "state handed to estimators": """
        import numpy as np
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.model_selection import train_test_split

        rng = np.random.RandomState(0)
        x = rng.normal(size=(20, 2))
        a, b, c, d = train_test_split(x, x[:, 0] > 0, random_state=rng)
        RandomForestClassifier(random_state=rng).fit(a, c)
    """,
    "generator of torch": """
        import torch
        from torch import nn

        class Data:
            def __init__(self, seed):
                self.generator = torch.Generator().manual_seed(seed)

            def batch(self):
                return torch.rand(2, 3, generator=self.generator)
    """,
    "library module": """
        import numpy as np
        import torch
        from torch import nn

        class Noise(nn.Module):
            def forward(self, x):
                return x + torch.randn_like(x)

        def jitter(x):
            return x + np.random.normal(size=x.shape)

        def train(net, loader):
            opt = torch.optim.SGD(net.parameters(), lr=0.1)
            for x, y in loader:
                opt.zero_grad()
                net(x + torch.rand(3)).sum().backward()
                opt.step()
    """,
    "module of a package": """
        --- pkg/__init__.py
        --- pkg/model.py
        import numpy as np
        import torch

        print("loading")
        table = np.random.normal(size=3)

        def train(net, loader):
            opt = torch.optim.SGD(net.parameters(), lr=0.1)
            for x, y in loader:
                opt.zero_grad()
                net(x).sum().backward()
                opt.step()
    """,
    "nothing random": """
        import numpy as np
        from sklearn.linear_model import LinearRegression
        from sklearn.svm import SVC
        from sklearn.model_selection import KFold

        x = np.linspace(0, 1, 20).reshape(-1, 1)
        LinearRegression().fit(x, x)
        SVC(kernel="linear").fit(x, x[:, 0] > 0.5)
        for train, test in KFold(3).split(x):
            print(len(train), len(test))
    """,
    "test": """
        --- tests/test_model.py
        import numpy as np
        import torch
        from sklearn.model_selection import train_test_split

        def test_step():
            net = torch.nn.Linear(3, 1)
            opt = torch.optim.SGD(net.parameters(), lr=0.1)
            net(torch.rand(2, 3)).sum().backward()
            opt.step()

        if __name__ == "__main__":
            test_step()
    """,
    "keys that are split": """
        import jax

        def noise(n):
            key = jax.random.PRNGKey(0)
            made = []
            for _ in range(n):
                key, sub = jax.random.split(key)
                made.append(jax.random.normal(sub, (3,)))
            return made
    """,
    "a key for each pass": """
        import jax
        from jax import random

        def noise(key, n):
            return [random.normal(random.fold_in(key, i), (3,)) for i in range(n)]

        def fixed(n):
            for i in range(n):
                key = jax.random.PRNGKey(0)
                print(jax.random.uniform(key))
    """,
    "a key in both arms": """
        import jax.random as jr

        def sample(key, wide):
            if wide:
                return jr.normal(key, (9,))
            else:
                return jr.normal(key, (3,))

        def other(key, kind):
            if kind == 0:
                x = jr.normal(key)
            elif kind == 1:
                x = jr.uniform(key)
            else:
                x = jr.bernoulli(key)
            return x

        def early(key, wide):
            if wide:
                return jr.normal(key, (9,))
            return jr.normal(key, (3,))
    """,
}  # fmt: skip


@pytest.mark.parametrize("name", SILENT)
def test_silent(name: str) -> None:
    assert not found(SILENT[name])


FOUND = {
    "script that seeds nothing": (
        """
        import torch

        net = torch.nn.Linear(3, 1)
        opt = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(5):
            opt.zero_grad()
            net(torch.rand(2, 3)).sum().backward()
            opt.step()
        """,
        ["ML301"],
    ),
    "helper of another file that seeds nothing": (
        """
        import torch
        from setup import prepare

        prepare()
        net = torch.nn.Linear(3, 1)
        opt = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(5):
            opt.zero_grad()
            net(torch.rand(2, 3)).sum().backward()
            opt.step()
        --- setup.py
        import torch

        def prepare():
            torch.set_num_threads(4)
        """,
        ["ML301"],
    ),
    "base class that seeds nothing": (
        """
        import torch
        from experiment import Experiment

        class Mine(Experiment):
            def run(self):
                net = torch.nn.Linear(3, 1)
                opt = torch.optim.SGD(net.parameters(), lr=0.1)
                for _ in range(5):
                    opt.zero_grad()
                    net(torch.rand(2, 3)).sum().backward()
                    opt.step()

        if __name__ == "__main__":
            Mine().run()
        --- experiment.py
        class Experiment:
            def __init__(self):
                self.started = True
        """,
        ["ML301"],
    ),
    "another generator is seeded": (
        """
        import numpy as np
        import random
        from sklearn.linear_model import LogisticRegression

        random.seed(0)
        x = np.random.normal(size=(20, 2))
        LogisticRegression().fit(x, x[:, 0] > 0)
        """,
        ["ML301"],
    ),
    "split and forest": (
        """
        from sklearn.ensemble import RandomForestClassifier as Forest
        from sklearn.model_selection import train_test_split

        def fit(x, y):
            a, b, c, d = train_test_split(x, y)
            return Forest().fit(a, c).score(b, d)
        """,
        ["ML302", "ML303"],
    ),
    "key used twice": (
        """
        import jax

        def two(key):
            return jax.random.normal(key), jax.random.uniform(key)
        """,
        ["ML312"],
    ),
    "key used in each pass": (
        """
        from jax import random

        def noise(n):
            key = random.PRNGKey(0)
            return [random.normal(key, (3,)) for _ in range(n)]
        """,
        ["ML312"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_found(name: str) -> None:
    program, wanted = FOUND[name]
    assert codes(program) == wanted
