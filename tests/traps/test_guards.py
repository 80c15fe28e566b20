"""Code for several versions of a library, and for machines with and without one."""

from __future__ import annotations

import textwrap

import pytest

from tests.traps.linting import codes, found

CALLS = {
    "torch": ("import torch", "scaler = torch.cuda.amp.GradScaler()", "ML803"),
    "numpy": ("import numpy as np", "x = np.zeros(3, dtype=np.int)", "ML814"),
    "pandas": ("import pandas as pd\n\ndf = pd.DataFrame()", "df = df.append({'a': 1}, ignore_index=True)", "ML816"),
}

GUARDS = {
    "version as text": "if torch.__version__ < '2.4':\n    {call}",
    "the other arm": "if torch.__version__ >= '2.4':\n    pass\nelse:\n    {call}",
    "packaging": (
        "from packaging import version\n\nif version.parse(torch.__version__) < version.parse('2.4'):\n    {call}"
    ),
    "packaging, imported from": (
        "from packaging.version import Version\n\nif Version(torch.__version__) < Version('2.4'):\n    {call}"
    ),
    "packaging, under another name": (
        "from packaging.version import parse as v\n\nif v(torch.__version__) < v('2.4'):\n    {call}"
    ),
    "tuple": "if tuple(int(p) for p in torch.__version__.split('.')[:2]) < (2, 4):\n    {call}",
    "constant of the module": (
        "NEW = tuple(map(int, torch.__version__.split('.')[:2])) >= (2, 4)\n\nif not NEW:\n    {call}"
    ),
    "constant of a constant": "V = torch.__version__.split('.')\nOLD = int(V[0]) < 2\n\nif OLD:\n    {call}",
    "constant in an expression": "OLD = torch.__version__[0] == '1'\n\nif OLD and True:\n    {call}",
    "metadata": (
        "from importlib.metadata import version as installed\n\nif installed('torch').startswith('1.'):\n    {call}"
    ),
    "function": "def is_old():\n    return torch.__version__.startswith('1.')\n\n\nif is_old():\n    {call}",
    "function with a walrus": "if (v := torch.__version__) < '2':\n    {call}",
    "hasattr": "if hasattr(torch.amp, 'GradScaler'):\n    pass\nelse:\n    {call}",
    "constant of hasattr": "HAS = hasattr(torch.amp, 'GradScaler')\nif not HAS:\n    {call}",
    "getattr": "if getattr(torch.amp, 'GradScaler', None) is None:\n    {call}",
    "getattr bound before": "made = getattr(torch.amp, 'GradScaler', None)\nif made is None:\n    {call}",
    "try": "try:\n    {call}\nexcept AttributeError:\n    pass",
    "handler": "try:\n    from torch.amp import GradScaler\nexcept ImportError:\n    {call}",
    "flag set by an import": (
        "try:\n    from torch.amp import GradScaler\n    NATIVE = True\nexcept ImportError:\n    NATIVE = False\n\n"
        "if not NATIVE:\n    {call}"
    ),
    "name that an import may have left at None": (
        "try:\n    from torch.amp import GradScaler\nexcept (ImportError, AttributeError):\n    GradScaler = None\n\n"
        "if GradScaler is None:\n    {call}"
    ),
    "early return": "def make():\n    if torch.__version__ >= '2.4':\n        return None\n    {call}\n    return 0",
    "early return by a constant": (
        "NEW = torch.__version__ >= '2.4'\n\n\ndef make():\n    if NEW:\n        return None\n    {call}\n    return 0"
    ),
    "early return by hasattr": "def make():\n    if hasattr(torch, 'amp'):\n        return None\n    {call}",
    "early continue": "for _ in range(2):\n    if torch.__version__ >= '2.4':\n        continue\n    {call}",
    "deeper": (
        "def make():\n    if torch.__version__ >= '2.4':\n        return None\n    for _ in range(3):\n        {call}"
    ),
    "conditional expression": "made = None if torch.__version__ >= '2.4' else [{value}]",
    "and": "made = torch.__version__ < '2.4' and [{value}]",
    "flag on self": (
        "class Run:\n    def __init__(self):\n        self.new = torch.__version__ >= '2.4'\n\n"
        "    def go(self):\n        if not self.new:\n            {call}\n            print({name})"
    ),
    "suppress": "import contextlib\n\nwith contextlib.suppress(AttributeError):\n    {call}",
    "flag of another file": "from compat import NEW\n\nif not NEW:\n    {call}",
    "function of another file": "from compat import is_new\n\nif not is_new():\n    {call}",
    "flag of another file, dotted": "import compat as c\n\nif not c.NEW:\n    {call}",
    "match": "match torch.__version__[0]:\n    case '1':\n        {call}",
}
COMPAT = "\n--- compat.py\nimport torch\n\nNEW = torch.__version__ >= '2.4'\n\n\ndef is_new():\n    return NEW\n"


@pytest.mark.parametrize("name", GUARDS)
@pytest.mark.parametrize("library", CALLS)
def test_guarded(library: str, name: str) -> None:
    given, call, _ = CALLS[library]
    guard = GUARDS[name]
    library_name = {"numpy": "np", "pandas": "pd", "torch": "torch"}[library]
    guard = guard.replace("torch.", f"{library_name}.") if library != "torch" else guard
    guard = guard.replace("from np.amp", "from torch.amp").replace("from pd.amp", "from torch.amp")
    target, _, value = call.partition(" = ")
    assert not found(f"{given}\n{guard.format(call=call, value=value, name=target)}\n{COMPAT}")


UNGUARDED = {
    "nothing": "{call}",
    "a machine": "import os\n\nif os.environ.get('FAST'):\n    {call}",
    "another error": "try:\n    {call}\nexcept ValueError:\n    pass",
    "a number": "LARGE = 3 > 2\n\nif LARGE:\n    {call}",
    "a function of something else": "def is_big():\n    return 3 > 2\n\n\nif is_big():\n    {call}",
    "the finally of a try": "try:\n    pass\nexcept ImportError:\n    pass\nfinally:\n    {call}",
    "behind a guard": "if torch.__version__ < '2.4':\n    print('old')\n{call}",
    "what was made for one version": ("import os\n\nmade = os.fspath(torch.__version__)\nif made == 'x':\n    {call}"),
    "an inversion": "inversion = 3\nif inversion:\n    {call}",
    "an attribute by a name that is not known": (
        "import os\n\nkind = getattr(torch, os.environ['KIND'], None)\nif kind is None:\n    {call}"
    ),
    "a library that must be there": (
        "from tools import is_x_available\n\nif not is_x_available():\n    raise ImportError('x')\n{call}"
    ),
    "a flag of another file": "from flags import FAST\n\nif FAST:\n    {call}",
}


@pytest.mark.parametrize("name", UNGUARDED)
@pytest.mark.parametrize("library", CALLS)
def test_unguarded(library: str, name: str) -> None:
    given, call, code = CALLS[library]
    head = given if library == "torch" else f"{given}\nimport torch"
    program = f"{head}\n{UNGUARDED[name].format(call=call)}\n--- flags.py\nFAST = 3 > 2\n"
    assert codes(program) == [code]


BRANCHES = {
    "scaling in one arm only": """
        import torch

        def train(model, loader, amp):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            scaler = torch.amp.GradScaler("cuda")
            for x, y in loader:
                optimizer.zero_grad()
                loss = torch.nn.functional.mse_loss(model(x), y)
                if amp:
                    scaler.scale(loss).backward()
                    scaler.unscale_(optimizer)
                else:
                    loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                if amp:
                    scaler.step(optimizer)
                    scaler.update()
                else:
                    optimizer.step()
    """,
    "clipping in the other arm": """
        import torch
        from torch.nn.utils import clip_grad_norm_

        class Run:
            def __init__(self, model, amp):
                self.model, self.amp = model, amp
                self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                self.scaler = torch.amp.GradScaler("cuda")

            def epoch(self, loader):
                for x, y in loader:
                    self.optimizer.zero_grad()
                    loss = torch.nn.functional.mse_loss(self.model(x), y)
                    if self.amp:
                        self.scaler.scale(loss).backward()
                        self.scaler.step(self.optimizer)
                        self.scaler.update()
                    else:
                        loss.backward()
                        clip_grad_norm_(self.model.parameters(), 1.0)
                        self.optimizer.step()
    """,
    "zeroed in one arm, stepped in the other": """
        import torch

        def train(model, loader, every):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for i, (x, y) in enumerate(loader):
                loss = torch.nn.functional.mse_loss(model(x), y)
                (loss / every).backward()
                if i % every == every - 1:
                    optimizer.step()
                    optimizer.zero_grad()
    """,
    "opened again in the handler": """
        import numpy as np

        def read(path):
            try:
                with open(path, encoding="utf-8") as handle:
                    text = handle.read()
            except UnicodeDecodeError:
                with open(path, encoding="latin-1") as handle:
                    text = handle.read()
            return np.asarray(text.split())
    """,
    "unscaled in a helper": """
        import torch

        def clip(scaler, optimizer, model):
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)

        def train(model, loader):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            scaler = torch.amp.GradScaler("cuda")
            for x, y in loader:
                optimizer.zero_grad()
                loss = torch.nn.functional.mse_loss(model(x), y)
                scaler.scale(loss).backward()
                clip(scaler, optimizer, model)
                scaler.step(optimizer)
                scaler.update()
    """,
}  # fmt: skip


@pytest.mark.parametrize("name", BRANCHES)
def test_branches(name: str) -> None:
    assert not found(BRANCHES[name])


def test_scaled_gradients_are_clipped() -> None:
    program = """
        import torch

        def train(model, loader):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            scaler = torch.amp.GradScaler("cuda")
            for x, y in loader:
                optimizer.zero_grad()
                loss = torch.nn.functional.mse_loss(model(x), y)
                scaler.scale(loss).backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                scaler.step(optimizer)
                scaler.update()
    """
    assert codes(textwrap.dedent(program)) == ["ML512"]
