"""Which object a name stands for."""

from __future__ import annotations

import ast

import pytest

from mlint.model.names import canonical
from mlint.model.tree import walk
from tests.model.reading import marked, model_of


@pytest.mark.parametrize(
    ("code", "dotted"),
    [
        ("import torch\nhere(torch.load)", "torch.load"),
        ("import torch as th\nhere(th.nn.functional.softmax)", "torch.nn.functional.softmax"),
        ("import torch.nn.functional as F\nhere(F.softmax)", "torch.nn.functional.softmax"),
        ("from torch.nn import functional as F\nhere(F.softmax)", "torch.nn.functional.softmax"),
        ("from torch import nn\nhere(nn.Linear)", "torch.nn.Linear"),
        ("from torch import no_grad\nhere(no_grad)", "torch.no_grad"),
        ("import torch.utils.data\nhere(torch.utils.data.DataLoader)", "torch.utils.data.DataLoader"),
        ("def f():\n    import torch\n    here(torch.load)", "torch.load"),
        ("import torch\ndef f():\n    here(torch.load)", "torch.load"),
        ("import torch\nload = torch.load\nhere(load)", "torch.load"),
        ("import tensorflow as tf\nhere(tf.keras.Model)", "keras.Model"),
        ("import pytorch_lightning as pl\nhere(pl.Trainer)", "lightning.pytorch.Trainer"),
        ("from torch.optim.adam import Adam\nhere(Adam)", "torch.optim.Adam"),
        ("from sklearn.model_selection._split import KFold\nhere(KFold)", "sklearn.model_selection.KFold"),
        ("try:\n    import torch\nexcept ImportError:\n    torch = None\nhere(torch.load)", "torch.load"),
        ("here(open)", "open"),
        # Another object of that name
        ("import torch\ndef f(torch):\n    here(torch.load)", None),
        ("import torch\ntorch = object()\nhere(torch.load)", None),
        ("import torch\ndef f():\n    torch = 1\n    here(torch.load)", None),
        ("def open(p): ...\nhere(open)", None),
        ("from a import x\nfrom b import x\nhere(x)", None),
        ("here(torch.load)", None),
        ("from .utils import seed\nhere(seed)", ".utils.seed"),
        ("from ..pkg import seed\nhere(seed)", "..pkg.seed"),
        ("from . import seed\nhere(seed)", ".seed"),
        ("import torch\nhere([torch for torch in range(3)][0])", None),
    ],
)
def test_dotted(code: str, dotted: str | None) -> None:
    model = model_of(code)
    assert model.names.dotted(marked(model)) == dotted


@pytest.mark.parametrize(
    ("imports", "dotted", "text", "statement"),
    [
        ("import torch", "torch.log1p", "torch.log1p", None),
        ("import torch as th", "torch.log1p", "th.log1p", None),
        ("import torch.nn.functional as F\nimport torch", "torch.nn.functional.logsigmoid", "F.logsigmoid", None),
        ("from torch import log1p", "torch.log1p", "log1p", None),
        ("x = 1", "torch.log1p", "torch.log1p", "import torch"),
        ("x = 1", "numpy.where", "np.where", "import numpy as np"),
        ("x = 1", "copy.deepcopy", "copy.deepcopy", "import copy"),
        ("x = 1", "torch.nn.functional.relu", "relu", "from torch.nn.functional import relu"),
        ("import scipy", "scipy.special.logsumexp", "logsumexp", "from scipy.special import logsumexp"),
        ("import scipy.special", "scipy.special.logsumexp", "scipy.special.logsumexp", None),
        ("from scipy import special", "scipy.special.logsumexp", "special.logsumexp", None),
    ],
)
def test_spell(imports: str, dotted: str, text: str, statement: str | None) -> None:
    model = model_of(f"{imports}\nhere(0)")
    assert model.names.spell(dotted, marked(model)) == (text, statement)


def test_a_name_of_an_inner_scope_is_not_spelt_outside() -> None:
    model = model_of("def f():\n    import torch\nhere(0)")
    assert model.names.spell("torch.log", marked(model)) == ("torch.log", "import torch")


def test_bindings_of_every_kind() -> None:
    model = model_of(
        """
        def f(a, *b, c=1, **d):
            import e.x, g as h
            i, (j, *k) = 1, (2, 3)
            for l in i: pass
            with open("x") as m, open("y") as (n, o): pass
            try: pass
            except ValueError as p: pass
            if (q := 1): pass
            r: int = 2
            r += 1
            def s(inner): t = 1
            class u: v = 1
            w = [x for x in i if (y := x)]
            lambda z: z
            match i:
                case {"k": aa, **bb}: pass
                case [cc, *dd]: pass
                case ee: pass
            del r
        """
    )
    function = model.module.body[0]
    names = set(model.names.bindings(function))
    expected = "a b c d e h i j k l m n o p q r s u w y aa bb cc dd ee"
    assert names == set(expected.split())
    paths = {b.name: b.path for bindings in model.names.bindings(function).values() for b in bindings}
    assert paths["j"] == (1, 0)
    assert paths["k"] == (1, -1)


@pytest.mark.parametrize(
    ("dotted", "name"),
    [
        ("torch.nn.modules.loss.L1Loss", "torch.nn.L1Loss"),
        ("torch.nn.utils.rnn.PackedSequence", "torch.nn.utils.rnn.PackedSequence"),
        ("torch.optim.lr_scheduler.StepLR", "torch.optim.lr_scheduler.StepLR"),
        ("torch.autograd.grad_mode.no_grad", "torch.no_grad"),
    ],
)
def test_canonical(dotted: str, name: str) -> None:
    assert canonical(dotted) == name


def test_scopes() -> None:
    model = model_of("class A(base):\n    x = 1\n    def f(self, d=default):\n        return [y for y in self]\n")
    scopes = {
        node.id: type(model.tree.scope(node)).__name__ for node in walk(model.module) if isinstance(node, ast.Name)
    }
    assert scopes == {"base": "Module", "x": "ClassDef", "default": "ClassDef", "y": "ListComp", "self": "FunctionDef"}
