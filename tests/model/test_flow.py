"""Where code stands."""

from __future__ import annotations

import pytest

from tests.model.reading import marked, model_of


@pytest.mark.parametrize(
    ("code", "guarded"),
    [
        ("if torch.__version__ >= '2':\n    here(0)", True),
        ("if TORCH_VERSION < (2, 0):\n    pass\nelse:\n    here(0)", True),
        ("if hasattr(torch, 'amp'):\n    here(0)", True),
        ("try:\n    here(0)\nexcept ImportError:\n    pass", True),
        ("try:\n    pass\nexcept (ImportError, KeyError):\n    here(0)", True),
        ("x = here(0) if hasattr(np, 'a') else 1", True),
        ("if is_torch_xla_available():\n    here(0)", True),
        ("x = 1 if _TORCH_GREATER_EQUAL_2_4 else here(0)", True),
        ("if NUMPY_GE_2:\n    here(0)", True),
        ("if not is_torch2:\n    here(0)", True),
        ("if is_larger:\n    here(0)", False),
        ("if torch.numel(x) > 2:\n    here(0)", False),
        ("def f():\n    if version < 2:\n        return 1\n    here(0)", True),
        ("args = parser.parse_args()\nif args.torch_version >= 2:\n    here(0)", True),
        ("args = parser.parse_args()\nif args.version == 'v2':\n    here(0)", False),
        ("args, _ = parser.parse_known_args()\nif args.model_version == 2 and args.deep:\n    here(0)", False),
        ("def run(opt):\n    if opt.version == 2:\n        here(0)\nrun(parser.parse_args())", False),
        ("def run(opt):\n    if opt.version == 2:\n        here(0)\nrun(library())", True),
        ("args = parser.parse_args()\nif args.version == torch.__version__:\n    here(0)", True),
        ("if torch.cuda.is_available():\n    here(0)", False),
        ("try:\n    here(0)\nexcept ValueError:\n    pass", False),
        ("here(0)", False),
    ],
)
def test_version_guarded(code: str, guarded: bool) -> None:
    model = model_of(code)
    assert model.flow.version_guarded(marked(model)) is guarded


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("with torch.no_grad():\n    here(0)", True),
        ("@torch.no_grad()\ndef f():\n    here(0)", True),
        ("@torch.no_grad\ndef f():\n    here(0)", True),
        ("with torch.inference_mode():\n    def g():\n        here(0)", True),
        ("with torch.set_grad_enabled(phase == 'train'):\n    here(0)", True),
        ("@no_grad_if_eval\ndef f():\n    here(0)", True),
        ("ctx = torch.no_grad() if c else nullcontext()\nwith ctx:\n    here(0)", True),
        (
            (
                "import pytorch_lightning as pl\n"
                "class M(pl.LightningModule):\n"
                "    def validation_step(self, b):\n"
                "        here(0)"
            ),
            True,
        ),
        ("class M:\n    def validation_step(self, b):\n        here(0)", False),
        ("with torch.enable_grad():\n    here(0)", False),
        ("with open(p):\n    here(0)", False),
    ],
)  # fmt: skip
def test_grad_context(code: str, found: bool) -> None:
    model = model_of("import torch\n" + code)
    assert model.flow.grad_context(marked(model)) is found


@pytest.mark.parametrize(
    ("condition", "guarded"),
    [
        ("step % 10 == 0", True),
        ("rank == 0", True),
        ("accelerator.is_main_process", True),
        ("step and not step % log_interval", True),
        ("loss > 3", False),
    ],
)
def test_guarded_every_n_steps(condition: str, guarded: bool) -> None:
    model = model_of(f"for batch in loader:\n    if {condition}:\n        here(0)")
    node = marked(model)
    loop = model.flow.loop(node)
    assert loop is not None
    assert model.flow.guarded_every_n_steps(node, loop) is guarded


def test_training_loop() -> None:
    model = model_of("for e in epochs:\n    for b in loader:\n        loss.backward()\n        opt.step()\n    here(0)")
    outer = model.module.body[0]
    inner = outer.body[0]  # type: ignore[attr-defined]
    assert model.flow.is_training_loop(inner)
    assert not model.flow.is_training_loop(outer)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "compiled"),
    [
        ("import numba\n@numba.njit(cache=True)\ndef f():\n    here(0)", True),
        ("import jax\n@jax.jit\ndef f():\n    here(0)", True),
        ("from functools import partial\nimport jax\n@partial(jax.jit, static_argnums=0)\ndef f():\n    here(0)", True),
        ("import jax\ndef f():\n    here(0)\nf = jax.jit(f)", True),
        ("import jax\ndef f():\n    here(0)\nstep = jax.jit(f)", True),
        ("def jit(f): return f\n@jit\ndef f():\n    here(0)", False),
    ],
)
def test_compiled(code: str, compiled: bool) -> None:
    model = model_of(code)
    assert model.flow.compiled(marked(model)) is compiled


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("x = here(0)\nprint(x)\nx = 1\nprint(x)", [2, 4]),
        ("print(x)\nx = here(0)", []),
        ("x = here(0)\ndel x", [2]),
        ("x = here(0)\nx += 1", [2]),
        ("x = here(0)\nx[0] += 1", [2]),
        ("x = here(0)\nx = 1", []),
        ("try:\n    x = here(0)\nexcept KeyError:\n    print(x)\nelse:\n    x()\nfinally:\n    del x", [4, 6, 8]),
        ("try:\n    g()\nexcept A:\n    x = here(0)\nexcept B:\n    print(x)\nfinally:\n    print(x)", [8]),
        ("try:\n    g(x)\nfinally:\n    x = here(0)\nprint(x)", [5]),
        ("try:\n    for i in y:\n        x = here(0)\nexcept (E, x):\n    pass", [4]),
        ("while x:\n    g(x)\n    x = here(0)\nelse:\n    print(x)", [2, 1, 5]),
        ("for i in x:\n    if i:\n        x = here(0)\n    elif x:\n        print(x)", [4, 5]),
        ("for i in y:\n    x = here(x)", [2]),
        ("if y:\n    x = here(0)\nelse:\n    print(x)", []),
        ("def f():\n    return x\nx = here(0)", [2]),
        ("def f():\n    x = 1\n    return x\nx = here(0)", []),
        ("def f():\n    global x\n    x = here(0)\ndef g():\n    return x\nprint(x)", [5, 6]),
        ("def f():\n    x = here(0)\n    return lambda: x\nprint(x)", [3]),
        ("match y:\n    case 1:\n        x = here(0)\n    case 2:\n        print(x)\nprint(x)", [6]),
    ],
)  # fmt: skip
def test_uses_after(code: str, lines: list[int]) -> None:
    model = model_of(code)
    uses = model.flow.uses_after("x", model.tree.statement(marked(model)))
    assert [use.lineno for use in uses] == lines
