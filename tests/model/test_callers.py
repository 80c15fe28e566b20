"""What functions are called with."""

from __future__ import annotations

import pytest

from tests.model.reading import marked, model_of

IMPORTS = "import torch\nfrom torch import nn, optim\n"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("def f(o):\n    here(o)\nf(optim.SGD(p, 0.1))", "torch.optim.SGD"),
        ("def f(a, *, o):\n    here(o)\nf(1, o=optim.SGD(p, 0.1))", "torch.optim.SGD"),
        ("def f(o=None):\n    here(o)\nf()\nf(optim.SGD(p, 0.1))", "torch.optim.SGD"),
        ("def f(o):\n    here(o)\nf(optim.SGD(p, 0.1))\nf(optim.Adam(p))", "torch.optim.Optimizer"),
        ("def g(o):\n    f(o)\ndef f(o):\n    here(o)\ng(optim.SGD(p, 0.1))", "torch.optim.SGD"),
        ("class T:\n    def f(self, c):\n        here(c)\n    def g(s):\n        s.f(nn.L1Loss())", "torch.nn.L1Loss"),
        ("def f(o):\n    here(o)\nf(optim.SGD(p, 0.1))\nf(other)", "unknown"),
        ("def f(o):\n    here(o)\nf(optim.SGD(p, 0.1))\nspawn(f)", "unknown"),
        ("def f(o):\n    here(o)\nf(optim.SGD(p, 0.1))\nspawn(x.f)", "torch.optim.SGD"),
        ("def f(o):\n    here(o)\nf(*arguments)", "unknown"),
        ("def f(o):\n    here(o)", "unknown"),
        ("def f(o):\n    f(o)\n    here(o)", "unknown"),
        ("def f(x):\n    here(x)\nf(torch.zeros(3))", "unknown"),
        ("def f(o):\n    here(o)\nif a:\n    def f(o):\n        pass\nf(optim.SGD(p, 0.1))", "unknown"),
        (
            "class T:\n    def f(self, c):\n        here(c)\n    def g(s):\n        s.f(nn.L1Loss())\nt.f(3)",
            "unknown",
        ),
        (
            "class A:\n    def f(self, c):\n        here(c)\nclass B:\n    def g(self):\n        s.f(nn.L1Loss())",
            "unknown",
        ),
    ],
)
def test_role_of_a_parameter(code: str, kind: str) -> None:
    model = model_of(IMPORTS + code)
    assert model.kinds.of(marked(model)).name == kind
