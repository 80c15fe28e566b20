"""The same name on another object, another name for the same object, and objects that somebody else will close."""

from __future__ import annotations

import pytest

from tests.traps.linting import codes, found

OTHERS = {
    "own train_test_split": """
        from mylib.split import train_test_split, cross_validate

        def fit(model, x, y):
            a, b, c, d = train_test_split(x, y)
            return cross_validate(model, a, c)
    """,
    "train_test_split of the file": """
        import numpy as np

        def train_test_split(x, at):
            return x[:at], x[at:]

        class Split:
            def train_test_split(self, x):
                return x[: self.at], x[self.at :]

            def run(self, x):
                return self.train_test_split(x), train_test_split(x, 3)
    """,
    "train_test_split of another file": """
        from data import train_test_split
        import data

        def fit(x, y):
            return train_test_split(x, y), data.train_test_split(x, y)
        --- data.py
        def train_test_split(x, y):
            return x[:5], x[5:], y[:5], y[5:]
    """,
    "Variable of Keras": """
        import tensorflow as tf
        from keras import Variable
        import keras

        def make(n):
            return Variable(n), tf.Variable(n), keras.Variable(n)
    """,
    "Variable of the project": """
        import torch
        from mylib import Variable
        from . import autograd

        def make(n):
            return Variable(torch.zeros(n)), autograd.Variable(n)
    """,
    "compute of a metric": """
        import torchmetrics

        class Scores:
            def __init__(self):
                self.hits = torchmetrics.Accuracy(task="binary")

            def run(self, loader, model):
                for x, y in loader:
                    self.hits.update(model(x), y)
                    print(self.hits.compute())
    """,
    "map of everything": """
        import datasets
        import ray
        import tensorflow as tf

        def prepare(rows, f, pool, series):
            a = datasets.Dataset.from_list(rows).map(f)
            b = ray.data.from_items(rows).map(f)
            c = tf.data.Dataset.from_tensor_slices(rows).map(f)
            return a, b, c, pool.map(f, rows), list(map(f, rows)), series.map(f)
    """,
    "data of anything": """
        import torch

        class Node:
            def __init__(self, data):
                self.data = data

        def total(nodes, response, bunch):
            result = 0
            for node in nodes:
                result += node.data
            return result, response.data, bunch.data
    """,
    "inplace of the project": """
        import pandas as pd

        class Table:
            def fillna(self, value, inplace=False):
                return self

        def clean():
            table = Table().fillna(0, inplace=True)
            return table
    """,
    "inplace of a layer": """
        import torch
        from torch import nn
        import torch.nn.functional as F

        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.act = nn.ReLU(inplace=True)

            def forward(self, x):
                return F.relu(self.act(x), inplace=True)
    """,
    "apply of a module": """
        import pandas as pd
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.apply(self.init)

            def init(self, part):
                pass

        def start(net, f):
            net.apply(f)
            return net.apply(lambda part: part.reset_parameters())
    """,
    "append of a list": """
        import pandas as pd

        def collect(paths):
            rows = []
            for path in paths:
                rows.append(pd.read_csv(path))
            names = [].append("a")
            return pd.concat(rows), names
    """,
    "append of the project": """
        import numpy as np
        import pandas as pd

        class Log:
            def append(self, row):
                self.rows = [*self.rows, row]
                return self

        def write(n):
            log = Log()
            for i in range(n):
                log = log.append({"i": i})
            return log
    """,
    "values of a dict": """
        import pandas as pd

        def total(table, config):
            return sum(table.values()), config.values(), {"a": 1}.values()
    """,
    "pivot of other frames": """
        import polars as pl
        import xarray as xr

        def wide(path):
            frame = pl.read_csv(path)
            frame = frame.append(frame) if hasattr(frame, "append") else frame
            cube = xr.open_dataset(path)
            return frame.pivot(on="a", index="b", values="c"), cube.mean().values
    """,
    "iterrows of polars": """
        import polars as pl

        def rows(path):
            total = 0
            for row in pl.read_csv(path).iter_rows(named=True):
                total += row["a"]
            return total
    """,
    "numpy that is something else": """
        import mylib as np

        def f(n):
            return np.int(n), np.float(n), np.bool
    """,
    "a parameter called np": """
        def f(np, n):
            return np.int(n), np.zeros(n, dtype=np.float)
    """,
    "a class attribute called like a library": """
        import numpy

        class Types:
            int = 1
            float = 2

        def f(np=Types):
            return np.int + np.float
    """,
    "step and backward of other things": """
        import torch

        class Env:
            def backward(self):
                pass

            def step(self):
                pass

        def play(n):
            env = Env()
            for _ in range(n):
                env.backward()
                env.step()
    """,
    "load of other things": """
        import json
        import pickle
        import yaml
        import torch

        class Store:
            def load(self, path):
                return path

        def read(store, path):
            with open(path) as handle:
                return store.load(path), Store().load(path), yaml.safe_load(handle)
    """,
    "eval of other things": """
        import ast
        import pandas as pd
        import sympy

        def run(frame, expression, text):
            frame = pd.DataFrame({"a": [1]})
            frame.eval("b = a + 1", inplace=True)
            return expression.eval(), ast.literal_eval(text)
    """,
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_objects(name: str) -> None:
    assert not found(OTHERS[name])


SPELLINGS = {
    "numpy": (
        ["import numpy as np\nx = np.int(3)", "import numpy\nx = numpy.int(3)", "import numpy as N\nx = N.int(3)",
         "from numpy import int as I\nx = I(3)", "def f():\n    import numpy as np\n    return np.int(3)",
         "try:\n    import numpy as np\nexcept ValueError:\n    raise\nx = np.int(3)",
         "from numpy import int\nx = int(3)", "import numpy as np\nkind = np.int\nx = kind(3)",
         "import numpy as np\nclass C:\n    kind = np.int"],
        "ML814",
    ),
    "amp": (
        ["import torch\ns = torch.cuda.amp.GradScaler()", "import torch as th\ns = th.cuda.amp.GradScaler()",
         "from torch.cuda import amp\ns = amp.GradScaler()", "from torch.cuda.amp import GradScaler as G\ns = G()",
         "import torch.cuda.amp as a\ns = a.GradScaler()",
         "def f():\n    from torch.cuda.amp import GradScaler\n    return GradScaler()",
         ("from contextlib import nullcontext\nimport torch\n\ndef f(x, amp):\n"
         "    ctx = torch.cuda.amp.autocast if amp else nullcontext\n    with ctx():\n        return x + 1")],
        "ML803",
    ),
    "no_grad without the call": (
        ["import torch\ndef f(m, x):\n    with torch.no_grad:\n        return m(x)",
         "import torch as th\ndef f(m, x):\n    with th.no_grad:\n        return m(x)",
         "from torch import no_grad\ndef f(m, x):\n    with no_grad:\n        return m(x)",
         "from torch import no_grad as ng\ndef f(m, x):\n    with ng:\n        return m(x)",
         "from torch import autograd\ndef f(m, x):\n    with autograd.no_grad:\n        return m(x)"],
        "ML203",
    ),
    "split": (
        ["from sklearn.model_selection import train_test_split\ndef f(x):\n    return train_test_split(x)",
         "from sklearn.model_selection import train_test_split as tts\ndef f(x):\n    return tts(x)",
         "import sklearn.model_selection as ms\ndef f(x):\n    return ms.train_test_split(x)",
         "from sklearn import model_selection\ndef f(x):\n    return model_selection.train_test_split(x)",
         "def f(x):\n    from sklearn.model_selection import train_test_split\n    return train_test_split(x)",
         "import sklearn.model_selection\ndef f(x):\n    return sklearn.model_selection.train_test_split(x)"],
        "ML303",
    ),
    "Variable": (
        ["import torch\nx = torch.autograd.Variable(torch.zeros(3))",
         "from torch.autograd import Variable\nimport torch\nx = Variable(torch.zeros(3))",
         "from torch.autograd import Variable as V\nimport torch\nx = V(torch.zeros(3))",
         "from torch import autograd, zeros\nx = autograd.Variable(zeros(3))",
         "def f(y):\n    from torch.autograd import Variable\n    return Variable(y)"],
        "ML804",
    ),
    "frames": (
        ["import pandas as pd\ndf = pd.DataFrame()\ndf = df.append({'a': 1}, ignore_index=True)",
         "from pandas import DataFrame\ndf = DataFrame()\ndf = df.append({'a': 1}, ignore_index=True)",
         "import pandas\ndef f(path):\n    df = pandas.read_csv(path)\n    return df.append(df)",
         ("import pandas as pd\nclass C:\n    def __init__(self, path):\n        self.df = pd.read_csv(path)\n"
         "    def f(self):\n        return self.df.append(self.df)"),
         "import pandas as pd\ndef f(df: pd.DataFrame):\n    return df.append(df)",
         ("import pandas as pd\ndef read(path):\n    return pd.read_csv(path)\ndef f(path):\n"
         "    df = read(path)\n    return df.append(df)")],
        "ML816",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("program", "code"),
    [
        pytest.param(program, code, id=f"{name}-{number}")
        for name, (programs, code) in SPELLINGS.items()
        for number, program in enumerate(programs)
    ],
)
def test_spellings(program: str, code: str) -> None:
    assert set(codes(program)) == {code}


ESCAPING = {
    "handed to a logger": """
        import logging
        from torch.utils.tensorboard import SummaryWriter

        class Board(logging.Handler):
            def __init__(self, writer):
                super().__init__()
                self.writer = writer

        def setup(log):
            writer = SummaryWriter("runs")
            log.addHandler(Board(writer))
    """,
    "handed to a trainer": """
        from torch.utils.tensorboard import SummaryWriter
        from mylib import Trainer

        def main(model):
            writer = SummaryWriter()
            trainer = Trainer(model, writer=writer)
            trainer.run()
    """,
    "kept on self": """
        import numpy as np

        class Reader:
            def __init__(self, path):
                self.f = open(path, "rb")
                self.table = np.load(path)
                self.size = 0

            def close(self):
                self.f.close()
                self.table.close()
    """,
    "returned": """
        import numpy as np

        def start(path):
            handle = open(path)
            handle.readline()
            return handle

        def both(path):
            f = open(path)
            return f, np.fromfile(f, dtype="u1", count=8)
    """,
    "yielded": """
        import contextlib
        import numpy as np

        @contextlib.contextmanager
        def opened(path):
            handle = open(path)
            yield handle
            handle.close()
    """,
    "on a stack": """
        import contextlib
        import numpy as np

        def read(paths):
            with contextlib.ExitStack() as stack:
                handles = [stack.enter_context(open(path)) for path in paths]
                more = stack.enter_context(np.load(paths[0]))
                return [h.read() for h in handles], dict(more)
    """,
    "closed by another": """
        import contextlib
        import numpy as np

        def read(path):
            with contextlib.closing(open(path)) as handle:
                return handle.read()

        def later(path, stack):
            handle = open(path)
            stack.callback(handle.close)
            return np.zeros(3)
    """,
    "in a list that is kept": """
        import numpy as np

        class Many:
            def open(self, paths):
                for path in paths:
                    self.handles.append(open(path))

            def table(self, names):
                self.files = {name: open(name) for name in names}
                return np.zeros(len(names))
    """,
    "a global": """
        import atexit
        import numpy as np

        LOG = open("run.log", "a")
        atexit.register(LOG.close)

        def say(text):
            LOG.write(text)
    """,
    "handed to a process": """
        import subprocess
        import torch

        def start(command, path):
            out = open(path, "w")
            return subprocess.Popen(command, stdout=out)
    """,
}  # fmt: skip


@pytest.mark.parametrize("name", ESCAPING)
def test_escaping(name: str) -> None:
    assert not found(ESCAPING[name])


LEFT_OPEN = {
    "read at once": ("import json\nimport torch\n\ndef f(path):\n    return json.load(open(path))", "ML208"),
    "never closed": ("import torch\n\ndef f(path):\n    h = open(path)\n    text = h.read()\n    return text", "ML208"),
    "archive": ("import numpy as np\n\ndef f(path):\n    return np.load(path)['x']", "ML209"),
    "writer": (
        (
            "from torch.utils.tensorboard import SummaryWriter\n\ndef f(values):\n    w = SummaryWriter()\n"
            "    for i, v in enumerate(values):\n        w.add_scalar('v', v, i)\n"
        ),
        "ML210",
    ),
}


@pytest.mark.parametrize("name", LEFT_OPEN)
def test_left_open(name: str) -> None:
    program, code = LEFT_OPEN[name]
    assert codes(program) == [code]


ADVICE = {
    "only what the call has": (
        """
        import lightgbm as lgb

        def fit(params, data, n):
            return lgb.train(params, data, early_stopping_rounds=n)
        """,
        "use `callbacks=[lgb.early_stopping(…)]`",
    ),
    "silent": (
        """
        import lightgbm as lgb

        def fit(params, data):
            seen = {}
            return lgb.train(params, data, verbose_eval=False, early_stopping_rounds=9, evals_result=seen)
        """,
        "use `callbacks=[lgb.early_stopping(…, verbose=False), lgb.record_evaluation(…)]`",
    ),
    "nothing to put in its place": (
        """
        import lightgbm as lgb

        def fit(params, data):
            return lgb.train(params, data, evals_result=None)
        """,
        "remove it",
    ),
    "a variable that asks for a gradient": (
        """
        import torch
        from torch.autograd import Variable

        def leaf(x: torch.Tensor):
            return Variable(x, requires_grad=True)
        """,
        "all it does is detach and ask for a gradient; use `x.detach().requires_grad_()`",
    ),
    "a class made from autocast": (
        """
        import torch

        class Cast(torch.cuda.amp.autocast):
            pass
        """,
        'subclass `torch.amp.autocast`, and give its `__init__` the device: `"cuda"`',
    ),
}


@pytest.mark.parametrize("name", ADVICE)
def test_advice(name: str) -> None:
    program, advice = ADVICE[name]
    assert [text for _, _, text in found(program) if text.endswith(advice)], found(program)
