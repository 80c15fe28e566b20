"""What an expression is."""

from __future__ import annotations

import pytest

from tests.model.reading import marked, model_of

BOX = """
class Box:
    def __init__(self):
        self.x = torch.zeros(3)
    def show(self):
        here(self.x)
"""
HEADER = """
import numpy as np, torch, pandas as pd, jax, jax.numpy as jnp, tensorflow as tf
import torch.nn as nn, torch.nn.functional as F
from torch.utils.data import DataLoader
from sklearn.preprocessing import StandardScaler
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
"""


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        # Constructors and returns
        ("here(np.zeros((3, 4)))", "numpy.ndarray (2-d, float64)"),
        ("here(np.zeros(3, dtype=np.float32))", "numpy.ndarray (1-d, float32)"),
        ("n = len(a)\nhere(np.empty(n, int))", "numpy.ndarray (1-d, int64)"),
        ("here(np.zeros(shape))", "numpy.ndarray (float64)"),
        ("here(np.arange(10))", "numpy.ndarray (1-d, int64)"),
        ("here(np.arange(0, 1, 0.1))", "numpy.ndarray (1-d, float64)"),
        ("here(np.array([1.0, 2]))", "numpy.ndarray (1-d, float64)"),
        ("here(np.array([[1, 2], [3, 4]]))", "numpy.ndarray (2-d, int64)"),
        ("here(np.random.rand(5))", "numpy.ndarray (1-d, float64)"),
        ("here(np.random.normal())", "scalar"),
        ("here(np.random.normal(0, 1, None))", "scalar"),
        ("here(np.random.normal(0, 1, size=None))", "scalar"),
        ("def f(size=None):\n    here(np.random.normal(size=size))", "unknown"),
        ("def f(size=3):\n    here(np.random.normal(size=size))", "numpy.ndarray (float64)"),
        ("def f(x):\n    here(np.random.choice(x, None))", "unknown"),
        ("rng = np.random.default_rng()\nhere(rng.normal(size=(3, 4)))", "numpy.ndarray (2-d, float64)"),
        ("here(np.exp(np.zeros(3)))", "numpy.ndarray (1-d, float64)"),
        ("here(np.exp(1.0))", "scalar"),
        ("here(np.sum(np.zeros(3)))", "scalar"),
        ("here(np.zeros((3, 4)).sum(axis=1))", "numpy.ndarray (1-d)"),
        ("here(torch.zeros(3, 4))", "torch.Tensor (2-d)"),
        ("here(torch.tensor([1.0]).cuda().relu())", "torch.Tensor"),
        ("here(torch.rand(3).numpy())", "numpy.ndarray"),
        ("here(torch.rand(3).item())", "scalar"),
        ("here(pd.read_csv('a.csv'))", "pandas.DataFrame"),
        ("here(pd.read_csv('a.csv', chunksize=10))", "unknown"),
        ("here(jnp.zeros(3))", "jax.Array"),
        ("here(jax.random.PRNGKey(0))", "jax.random.key"),
        ("here(DataLoader(ds))", "torch.utils.data.DataLoader"),
        ("here(StandardScaler())", "sklearn.preprocessing.StandardScaler"),
        ("here(LogisticRegression().fit(X, y))", "sklearn.linear_model.LogisticRegression"),
        # Operators and indexing
        ("a = np.zeros((3, 4))\nhere(a[0])", "numpy.ndarray (1-d, float64)"),
        ("a = np.zeros((3, 4))\nhere(a[0, 1])", "scalar"),
        ("a = np.zeros((3, 4))\nhere(a[:, 0])", "numpy.ndarray (1-d, float64)"),
        ("a = np.zeros((3, 4))\nhere(a[:, None])", "numpy.ndarray (3-d, float64)"),
        ("a = np.zeros(3)\nhere(a[a > 0])", "numpy.ndarray (1-d, float64)"),
        ("a = np.zeros(3)\nfor i in range(3):\n    here(a[i + 1])", "scalar"),
        ("a = np.zeros(3)\nhere(a * 2 + 1)", "numpy.ndarray (1-d, float64)"),
        ("a = np.arange(3)\nhere(a / 2)", "numpy.ndarray (1-d, float64)"),
        ("here(np.zeros(3) > 1)", "numpy.ndarray (1-d, bool)"),
        ("here(torch.rand(3) > 0.5)", "torch.Tensor (1-d, bool)"),
        ("here(1 - torch.rand(3))", "torch.Tensor (1-d)"),
        ("df = pd.DataFrame()\nhere(df['a'])", "pandas.Series"),
        ("df = pd.DataFrame()\nhere(df[['a', 'b']])", "pandas.DataFrame"),
        ("df = pd.DataFrame()\nhere(df[df['a'] > 1])", "pandas.DataFrame"),
        ("df = pd.DataFrame()\nhere(df['a'] + df['b'])", "pandas.Series"),
        ("df = pd.DataFrame()\nhere(df.values)", "numpy.ndarray (2-d)"),
        ("df = pd.DataFrame()\nhere(df.groupby('a'))", "pandas.GroupBy[pandas.DataFrame, pandas.Series]"),
        ("df = pd.DataFrame()\nhere(df.drop(columns=['a']))", "pandas.DataFrame"),
        ("df = pd.DataFrame()\nhere(df.drop(columns=['a'], inplace=True))", "None"),
        ("df = pd.DataFrame()\nhere(df.sum(axis=1))", "pandas.Series"),
        ("df = pd.DataFrame()\nhere(df.sum(axis=None))", "unknown"),
        ("df = pd.DataFrame()\nhere(df.max(axis=a))", "unknown"),
        ("df = pd.DataFrame()\nhere(df.fillna(0, inplace=True))", "unknown"),  # itself since pandas 3
        ("df = pd.DataFrame()\nhere(df.assign(inplace=True))", "pandas.DataFrame"),
        ("here(pd.Series([1]).divmod(2))", "unknown"),
        ("here(pd.Series([1]).argmax())", "scalar"),
        ("a = np.zeros((3, 4))\nhere(a.argpartition(1))", "numpy.ndarray (2-d, int64)"),
        ("a = np.arange(3)\nhere(a.clip(0.5, 1.5))", "numpy.ndarray"),
        ("a = np.zeros((3, 4))\nhere(a.trace(1))", "scalar"),
        ("a = np.zeros((3, 4))\nhere(a.argsort(axis=None))", "numpy.ndarray (int64)"),
        ("here(torch.nonzero(torch.ones(3), as_tuple=False))", "torch.Tensor (2-d)"),
        ("import scipy.special as sp\nhere(sp.softmax(np.ones((2, 3)), axis=1))", "numpy.ndarray (2-d)"),
        ("import scipy.special as sp\nhere(sp.softmax(3.5))", "scalar"),
        ("import scipy.special as sp\nhere(sp.softmax(x))", "numpy.ndarray | scalar"),
        ("import scipy.special as sp\nhere(sp.logsumexp(np.ones((2, 3)), axis=1))", "numpy.ndarray (1-d)"),
        ("import scipy.special as sp\nhere(sp.logsumexp(np.ones(3), b=w))", "unknown"),
        ("here(torch.where(torch.ones(3))[0])", "torch.Tensor"),
        ("here(torch.where(torch.ones(3) > 0, 1.0, 0.0))", "torch.Tensor"),
        ("for p in nn.Linear(1, 2).parameters():\n    here(p)", "torch.Tensor"),
        # Annotations
        ("def f(x: torch.Tensor):\n    here(x)", "torch.Tensor"),
        ("def f(x: 'torch.Tensor'):\n    here(x)", "torch.Tensor"),
        ("from typing import Optional\ndef f(x: Optional[torch.Tensor] = None):\n    here(x)", "torch.Tensor"),
        ("def f(x: torch.Tensor | None):\n    here(x)", "torch.Tensor"),
        ("def f(x: np.ndarray):\n    here(x)", "numpy.ndarray"),
        ("from torch import Tensor\ndef f(x: list[Tensor]):\n    here(x[0])", "torch.Tensor"),
        ("def f(x: torch.Tensor | np.ndarray):\n    here(x)", "torch.Tensor | numpy.ndarray"),
        ("def f(x):\n    here(x)", "unknown"),
        ("def f(x=0.1):\n    here(x)", "unknown"),
        # Branches
        ("x = None\nif c:\n    x = torch.zeros(3)\nhere(x)", "torch.Tensor (1-d)"),
        (
            "if c:\n    x = torch.zeros(3)\nelse:\n    x = np.zeros(3)\nhere(x)",
            "torch.Tensor (1-d) | numpy.ndarray (1-d, float64)",
        ),
        ("x = torch.zeros(3) if c else torch.ones(3)\nhere(x)", "torch.Tensor (1-d)"),
        ("t = 0\nfor i in y:\n    t = t + torch.zeros(3)\nhere(t)", "torch.Tensor (1-d) | int"),
        ("for a, b in zip(np.zeros(3), [1, 2]):\n    here(b)", "int"),
        ("for i, t in enumerate(torch.zeros(3, 4)):\n    here(t)", "torch.Tensor (1-d)"),
        ("a, b = torch.zeros(3), 1\nhere(a)", "torch.Tensor (1-d)"),
        (
            (
                "X, y = pd.DataFrame(), np.zeros(3)\n"
                "a, b, c, d = train_test_split(X, y)\n"
                "here(d)"
            ),
            "numpy.ndarray (1-d, float64)",
        ),
        # Tests
        ("def f(x: torch.Tensor | None):\n    if x is None:\n        here(x)", "None"),
        ("def f(x: torch.Tensor = None):\n    if x is not None:\n        pass\n    else:\n        here(x)", "None"),
        ("def f(x: torch.Tensor = None):\n    if x is not None:\n        return x\n    here(x)", "None"),
        ("def f(x: torch.Tensor = None):\n    if x is not None:\n        here(x)", "torch.Tensor"),
        ("def f(x: torch.Tensor = None):\n    if x is None and c:\n        here(x)", "None"),
        ("def f(x: torch.Tensor = None):\n    if x is None or c:\n        here(x)", "torch.Tensor"),
        ("def f(x: torch.Tensor = None):\n    if x is None:\n        x = np.zeros(3)\n        here(x.sum())", "scalar"),
        ("def f(x: torch.Tensor = None):\n    if x is None:\n        return 0\n    here(x)", "torch.Tensor"),
        ("def f(x: torch.Tensor = None):\n    y = 0 if x is None else here(x)", "torch.Tensor"),
        ("def f(x):\n    match x:\n        case torch.Tensor():\n            here(x)", "torch.Tensor"),
        ("def f(x):\n    match x:\n        case torch.Tensor() if c:\n            here(x)", "torch.Tensor"),
        ("def f(x):\n    match x:\n        case np.ndarray() | torch.Tensor():\n            here(x)",
         "numpy.ndarray | torch.Tensor"),
        ("def f(x):\n    match x:\n        case torch.Tensor(ndim=2) as y:\n            here(y)", "torch.Tensor"),
        ("def f(x):\n    match x:\n        case torch.Tensor() | None:\n            here(x)", "unknown"),
        ("def f(x):\n    match x:\n        case [a, b]:\n            here(x)", "unknown"),
        ("def f(x):\n    match x:\n        case torch.Tensor():\n            x = 1\n            here(x)", "int"),
        (("def f(x: torch.Tensor | np.ndarray):\n    match x:\n        case torch.Tensor():\n            pass\n"
         "        case _:\n            here(x)"), "numpy.ndarray"),
        (("def f(x: torch.Tensor | np.ndarray):\n    match x:\n        case torch.Tensor(ndim=2):\n            pass\n"
         "        case _:\n            here(x)"), "torch.Tensor | numpy.ndarray"),
        ("y = 1\nmatch x:\n    case torch.Tensor() as y:\n        here(y)", "torch.Tensor"),
        ("y = 1\nmatch x:\n    case torch.Tensor() as y if here(y):\n        pass", "torch.Tensor"),
        ("y = 1\nmatch x:\n    case torch.Tensor() as y:\n        pass\nhere(y)", "torch.Tensor | int"),
        ("y = 1\nmatch x:\n    case [y, *_]:\n        here(y)", "unknown"),
        ("y = 1\nmatch x:\n    case {'a': 1, **y}:\n        pass\n    case _:\n        here(y)", "int"),
        (("class A:\n    def __init__(self):\n        self.x = np.zeros(3)\n    def f(self):\n        y = self.x * 2\n"
         "        self.x = y\n        here(y)"), "numpy.ndarray (1-d, float64)"),
        # Attributes that are set from outside
        (BOX + "box = Box()\nbox.x = 3", "torch.Tensor (1-d) | int"),
        (BOX + "box = Box()\nbox.x = load()", "unknown"),
        (BOX + "box = Box()\nbox.x += 0.5", "torch.Tensor (1-d)"),
        (BOX + "box = Box()\nbox.x, y = 3, 4", "unknown"),
        (BOX + "Box.x = 'a'", "torch.Tensor (1-d) | str"),
        (BOX + "class Big(Box): ...\nBig().x = 3", "torch.Tensor (1-d) | int"),
        (BOX + "class Other: ...\nother = Other()\nother.x = 3", "torch.Tensor (1-d)"),
        (BOX + "box = Box()\nbox.y = 3\nprint(box.x)", "torch.Tensor (1-d)"),
        (BOX + "def move(box: Box):\n    box.x: int = 3", "torch.Tensor (1-d) | int"),
        # Names of an outer scope that a function binds anew
        ("x = torch.zeros(3)\ndef f():\n    global x\n    x = load()\nhere(x)", "unknown"),
        ("x = torch.zeros(3)\ndef f():\n    global x\n    x = 1\ndef g():\n    here(x)", "torch.Tensor (1-d) | int"),
        ("x = torch.zeros(3)\ndef f():\n    global x\n    x = torch.ones(2)\nhere(x)", "torch.Tensor (1-d)"),
        ("x = torch.zeros(3)\ndef f():\n    global y\n    y = 1\nhere(x)", "torch.Tensor (1-d)"),
        ("def f():\n    global x\n    x = 1\ndef g():\n    x = torch.zeros(3)\n    here(x)", "torch.Tensor (1-d)"),
        (
            "def f():\n    x = torch.zeros(3)\n    def g():\n        nonlocal x\n        x = load()\n    here(x)",
            "unknown",
        ),
        # Decorators, partial functions, methods without an instance
        ("def deco(f): ...\n@deco\ndef g():\n    return torch.zeros(3)\nhere(g())", "unknown"),
        ("import functools\ndef g(n):\n    return 1.0\nhere(functools.partial(g, 1)())", "float"),
        ("class A:\n    @staticmethod\n    def make():\n        return 1.0\nhere(A.make())", "float"),
        ("class A:\n    @property\n    def x(self):\n        return torch.zeros(3)\nhere(A().x)", "torch.Tensor (1-d)"),
        ("class A:\n    def x(self):\n        return torch.zeros(3)\nhere(A().x)", "unknown"),
        ("async def g():\n    return torch.zeros(3)\nhere(g())", "unknown"),
        # Narrowing, scopes and unpacking
        ("x = None\nif c:\n    x = [1]\nif isinstance(x, list):\n    here(x)", "list[int]"),
        ("def f(x: torch.Tensor | list):\n    if isinstance(x, list):\n        return\n    here(x)", "torch.Tensor"),
        ("def f(x: torch.Tensor | list):\n    if not isinstance(x, torch.Tensor) or here(x): ...", "torch.Tensor"),
        ("x = 1\ny = [x for x in [torch.zeros(3)]]\nhere(x)", "int"),
        ("x = torch.zeros(3)\ndel x\nhere(x)", "unknown"),
        ("x = torch.zeros(3)\nfor i in y:\n    here(x)\n    x = x.numpy()", "numpy.ndarray | torch.Tensor (1-d)"),
        ("a, *b, c = torch.zeros(3), np.zeros(3), 1\nhere(c)", "unknown"),
        ("(a, b), c = (torch.zeros(3), 1), np.zeros(3)\nhere(b)", "int"),
        ("for i, (a, b) in enumerate(zip([torch.zeros(3)], [1])):\n    here(a)", "torch.Tensor (1-d)"),
        ("d = {'a': torch.zeros(3)}\nfor k, v in d.items():\n    here(v)", "torch.Tensor (1-d)"),
        ("df = pd.DataFrame()\nfor k, g in df.groupby('a')['b']:\n    here(g)", "pandas.Series"),
        # More annotations
        ("from typing import Self\nclass A:\n    def m(self) -> Self: ...\nhere(A().m())", "A"),
        ("from typing import Annotated\ndef f(x: Annotated[torch.Tensor, 'b']):\n    here(x)", "torch.Tensor"),
        ("from jaxtyping import Float\ndef f(x: Float[torch.Tensor, 'b c']):\n    here(x)", "torch.Tensor (2-d)"),
        ("import numpy.typing as npt\ndef f(x: npt.NDArray[np.float32]):\n    here(x)", "numpy.ndarray (float32)"),
        ("def f(x: type[torch.Tensor]):\n    here(x)", "unknown"),
        ("def f(*args: torch.Tensor):\n    here(args)", "unknown"),
        # Classes and functions of the file
        ("class N(nn.Module):\n    pass\nhere(N().to('cuda'))", "N"),
        (
            (
                "class N(nn.Module):\n"
                "    def __init__(self):\n"
                "        self.fc = nn.Linear(1, 2)\n"
                "    def forward(self, x):\n"
                "        here(self.fc)"
            ),
            "torch.nn.Linear",
        ),
        (
            (
                "class N(nn.Module):\n"
                "    def forward(self, x):\n"
                "        return F.relu(x)\n"
                "n = N()\n"
                "here(n(1))"
            ),
            "torch.Tensor",
        ),
        ("def make():\n    return torch.zeros(3)\nhere(make())", "torch.Tensor (1-d)"),
        ("def make():\n    yield torch.zeros(3)\nhere(make())", "iterable[torch.Tensor (1-d)]"),
        ("crit = nn.CrossEntropyLoss()\nhere(crit(a, b))", "torch.Tensor"),
        ("class A:\n    def values(self): ...\nhere(A().values())", "unknown"),
        # Lookalikes
        ("here({}.values())", "iterable"),
        ("class Variable: ...\nhere(Variable(1))", "Variable"),
    ],
)  # fmt: skip
def test_kind(code: str, kind: str) -> None:
    model = model_of(HEADER + code)
    assert str(model.kinds.of(marked(model))) == kind


def test_a_subclass_of_a_project_class_has_its_families() -> None:
    model = model_of("import torch\nclass A(torch.nn.Module): ...\nclass B(A): ...\nhere(B())")
    assert model.kinds.is_a(marked(model), "torch.nn.Module")


def test_definitions_that_depend_on_themselves_end() -> None:
    model = model_of("import torch\ndef f(x):\n    return f(x)\ny = f(1)\nwhile c:\n    y = g(y)\nhere(y)")
    assert not model.kinds.of(marked(model)).known


def test_augmented_assignments_that_reach_each_other() -> None:
    model = model_of(
        """
        import torch
        x = torch.zeros(3)
        while a:
            x += 1
            for b in c:
                x -= 2
        here(x)
        """
    )
    assert model.kinds.of(marked(model)).name == "torch.Tensor"


def test_a_type_that_stands_for_itself_ends() -> None:
    model = model_of("from typing import Union\nTree = Union[str, list['Tree']]\ndef f(x: Tree):\n    here(x)")
    assert str(model.kinds.of(marked(model))).startswith("str | list")
