from __future__ import annotations

import ast
from pathlib import Path

import pytest

from mlint.model.draws import Use
from mlint.model.file import FileModel
from mlint.model.project import Project
from mlint.model.tree import walk
from mlint.source import Source
from tests.model.reading import marked, model_of


def program(code: str) -> Use:
    model = model_of(code)
    return model.randomness.of(model.module)


@pytest.mark.parametrize(
    ("code", "generator"),
    [
        ("import numpy as np\nnp.random.rand(3)", "numpy"),
        ("from numpy.random import shuffle\nshuffle([1])", "numpy"),
        ("import random\nrandom.choice([1])", "random"),
        ("import torch\ntorch.randn(3)", "torch"),
        ("from torch import nn\nnn.Linear(3, 4)", "torch"),
        ("import torch\nw = torch.empty(3)\nw.uniform_(0, 1)", "torch"),
        ("from torch.utils.data import DataLoader\nDataLoader([], shuffle=True)", "torch"),
        ("import tensorflow as tf\ntf.random.normal((2,))", "tensorflow"),
        ("from tensorflow.keras import layers\nlayers.Dense(3)", "tensorflow"),
        ("from sklearn.datasets import make_blobs\nmake_blobs()", "numpy"),
        ("import pandas as pd\ndf = pd.read_csv('a')\ndf.sample(frac=1)", "numpy"),
    ],
)
def test_draws(code: str, generator: str) -> None:
    use = program(code)
    assert use.draws == {generator}
    assert use.unseeded() == {generator}


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ng = torch.Generator()\ntorch.randn(3, generator=g)",
        "import numpy as np\nrng = np.random.default_rng(0)\nrng.random(3)",
        "from torch import nn\nnn.ReLU()",
        "from torch.utils.data import DataLoader\nDataLoader([], shuffle=False)",
        "from sklearn.datasets import make_blobs\nmake_blobs(random_state=0)",
        "def rand(): ...\nrand()",
        "import numpy as np\ndef f():\n    return np.random.rand()",
    ],
)
def test_no_draws(code: str) -> None:
    assert not program(code).draws


def test_seeds_each_its_own() -> None:
    use = program("import torch, random, numpy as np\ntorch.manual_seed(0)\ntorch.rand(1)\nnp.random.rand(1)")
    assert use.seeds == {"torch"}
    assert use.unseeded() == {"numpy"}


def test_helper_seeds() -> None:
    use = program(
        """
        import numpy as np
        def fix(seed):
            np.random.seed(seed)
        def main():
            fix(1)
            return np.random.rand()
        if __name__ == "__main__":
            main()
        """
    )
    assert use.draws == {"numpy"}
    assert not use.unseeded()


def test_launched_function() -> None:
    use = program(
        "import torch\nimport torch.multiprocessing as mp\ndef work(rank):\n    torch.rand(1)\nmp.spawn(work)"
    )
    assert use.draws == {"torch"}


@pytest.mark.parametrize(
    "call", ["set_seed(1)", "init(args.seed)", "Agent(seed=3)", "tools.fix_random_seeds()", "make_deterministic()"]
)
def test_unknown_callee_may_seed(call: str) -> None:
    use = program(f"from somewhere import *\nimport torch\n{call}\ntorch.rand(1)")
    assert use.unknown
    assert not use.unseeded()


@pytest.mark.parametrize(
    "call",
    [
        "print(args.seed)",
        "parser.add_argument('--seed', type=int)",
        "torch.Generator().manual_seed(0)",
        "init(1)",
        "Agent(seed=None)",
    ],
)
def test_what_does_not_seed(call: str) -> None:
    assert program(f"import torch\n{call}\ntorch.rand(1)").unseeded() == {"torch"}


def test_trainers_seed() -> None:
    use = program("from torch import nn\nfrom transformers import Trainer\nm = nn.Linear(1, 1)\nTrainer(m).train()")
    assert use.draws
    assert not use.unseeded()
    assert use.trains


@pytest.mark.parametrize(
    ("code", "trains"),
    [
        ("loss.backward()\noptimizer.step()", True),
        ("loss.backward()", False),
        ("model.fit(x, y)", True),
        ("from sklearn.preprocessing import StandardScaler\nStandardScaler().fit(x)", False),
        ("import xgboost as xgb\nxgb.train({}, d)", True),
        ("model.eval()\nmodel(x)", False),
    ],
)
def test_trains(code: str, trains: bool) -> None:
    assert program(code).trains is trains


def test_seeded_around() -> None:
    model = model_of(
        """
        import numpy as np
        def a():
            np.random.seed(0)
            here(1)
        """
    )
    assert model.randomness.seeded("numpy", marked(model))
    assert not model.randomness.seeded("torch", marked(model))


def test_first_draw_in_the_order_of_running() -> None:
    model = model_of(
        """
        import torch
        def late():
            return torch.randn(2)
        def main():
            x = torch.rand(2)
            return late() + x
        main()
        """
    )
    [(generator, call)] = model.randomness.first_draws(frozenset({"torch"}))
    assert generator == "torch"
    assert ast.unparse(call) == "torch.rand(2)"


def test_other_file(tmp_path: Path) -> None:
    (tmp_path / "tools.py").write_text(
        "import torch\n"
        "class Runner:\n    def __init__(self):\n        torch.manual_seed(0)\n"
        "    def run(self):\n        return torch.rand(3)\n"
    )
    source = Source.from_bytes(
        b"from tools import Runner\nrunner = Runner()\nrunner.run()\n", str(tmp_path / "main.py")
    )
    model = FileModel(source, source.parse(), Project())
    use = model.randomness.of(model.module)
    assert use.seeds == {"torch"}
    assert use.draws == {"torch"}
    calls = [node for node in walk(model.module) if isinstance(node, ast.Call)]
    [(_, call)] = model.randomness.first_draws(frozenset({"torch"}))
    assert call in calls
    assert ast.unparse(call) == "runner.run()"
    assert str(tmp_path / "tools.py") in model.dependencies


def test_seeded_by_import(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("import numpy as np\nnp.random.seed(3)\nX = 1\n")
    source = Source.from_bytes(b"from config import X\nimport numpy as np\nnp.random.rand()\n", str(tmp_path / "m.py"))
    model = FileModel(source, source.parse(), Project())
    assert model.randomness.of(model.module).seeds == {"numpy"}


@pytest.mark.parametrize(("head", "draws"), [("", set()), ("import numpy as np\n", {"random"})])
def test_python_draws_of_other_files_need_a_library(tmp_path: Path, head: str, draws: set[str]) -> None:
    (tmp_path / "net.py").write_text(f"{head}import random\ndef connect():\n    return random.randint(1024, 65535)\n")
    source = Source.from_bytes(b"from net import connect\nconnect()\n", str(tmp_path / "main.py"))
    model = FileModel(source, source.parse(), Project())
    assert model.randomness.of(model.module).draws == draws
    assert len(model.randomness.first_draws(frozenset({"random"}))) == len(draws)
