"""What an expression is where the answer lies in another file of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.reading import marked
from tests.model.test_project import opened, written

FILES = {
    "pkg/__init__.py": "from .nets import Net\nfrom .nets import make as build\n",
    "pkg/nets.py": """
        import torch
        from .base import Base, ready
        class Net(Base):
            def forward(self, x):
                return torch.relu(x)
            @staticmethod
            def empty():
                return torch.zeros(3)
            @property
            def size(self):
                return 3
        def make(n):
            return torch.zeros(n, n)
        def wrapped(f): ...
        @wrapped
        def hidden():
            return torch.zeros(3)
        """,
    "pkg/base.py": """
        import numpy as np, torch
        class Base(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.table = np.zeros(3)
                self.head: torch.nn.Linear = load()
        def ready():
            return np.zeros((3, 4))
        """,
    "pkg/a.py": "from .b import g\ndef f(n):\n    return g(n)\n",
    "pkg/b.py": "from .a import f\ndef g(n):\n    return f(n) if n else 1\n",
    "pkg/broken.py": "def f(:\n    return 1\n",
    "pkg/star.py": "from .base import *\n",
}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("from pkg.nets import make\nhere(make(3))", "torch.Tensor (2-d)"),
        ("from pkg import build\nhere(build(3))", "torch.Tensor (2-d)"),
        ("import pkg\nhere(pkg.build(3))", "torch.Tensor (2-d)"),
        ("import pkg.nets as n\nhere(n.make(3))", "torch.Tensor (2-d)"),
        ("from pkg.nets import ready\nhere(ready())", "numpy.ndarray (2-d, float64)"),
        ("from pkg.star import ready\nhere(ready())", "numpy.ndarray (2-d, float64)"),
        ("from pkg import Net\nhere(Net())", "Net"),
        ("from pkg import Net\nhere(Net()(x))", "torch.Tensor"),
        ("from pkg import Net\nhere(Net().table)", "numpy.ndarray (1-d, float64)"),
        ("from pkg import Net\nhere(Net().head)", "torch.nn.Linear"),
        ("from pkg import Net\nhere(Net().size)", "int"),
        ("from pkg import Net\nhere(Net.empty())", "torch.Tensor (1-d)"),
        ("from pkg import Net\nclass M(Net):\n    def f(self):\n        here(self.head)", "torch.nn.Linear"),
        ("from pkg import Net\ndef f(net: Net):\n    here(net.table)", "numpy.ndarray (1-d, float64)"),
        ("from pkg.nets import hidden\nhere(hidden())", "unknown"),
        ("from pkg.nets import absent\nhere(absent())", "unknown"),
        ("from pkg.absent import f\nhere(f())", "unknown"),
        ("from pkg.broken import f\nhere(f())", "unknown"),
        ("from pkg.a import f\nhere(f(1))", "int"),
        ("from other import make\nhere(make(3))", "unknown"),
        ("from pkg.nets import make\ndef make(n): ...\nhere(make(3))", "unknown"),
    ],
)
def test_what_another_file_says(code: str, kind: str, tmp_path: Path) -> None:
    written(tmp_path, {**FILES, "main.py": code})
    model = opened(tmp_path, "main.py")
    assert str(model.kinds.of(marked(model))) == kind


def test_a_class_of_another_file_has_the_families_of_its_bases(tmp_path: Path) -> None:
    written(tmp_path, {**FILES, "pkg/main.py": "from .nets import Net\nhere(Net().eval())"})
    model = opened(tmp_path, "pkg/main.py")
    assert model.kinds.is_a(marked(model), "torch.nn.Module")
