"""What is executed of a file, what is refused, and `mlint --fix --validate`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlint.source import Source
from mlint.validation import compare, pair, validated
from mlint.validation.purity import NotExecuted

HEAD = "import numpy as np\nimport pandas as pd\n\n\ndef f(n: int, a: np.ndarray, df: pd.DataFrame, net):\n"
LOOP = "for i in range(n):\n    out[i] = x[i] * 2.0"
ARRAYS = "x = np.ones(n)\nout = np.zeros(n)\n"


def source(body: str) -> Source:
    return Source(HEAD + "".join(f"    {line}\n" for line in body.split("\n")), "a.py")


def test_a_pair_holds_what_differs() -> None:
    found = pair(source(f"{ARRAYS}{LOOP}\nreturn out"), source(f"{ARRAYS}out[:] = x * 2.0\nreturn out"), exact=True)
    assert found.before == LOOP
    assert found.after == "out[:] = x * 2.0"
    assert found.imports == ("import numpy as np",) or found.imports == ()
    assert {name: case["kind"] for name, case in found.inputs.items()} == {"n": "int", "out": "ndarray", "x": "ndarray"}
    assert found.inputs["x"]["dims"] == [found.inputs["n"]["length"]]
    assert found.inputs["x"]["fresh"]
    assert "out" in found.outputs
    assert "i" not in found.outputs


@pytest.mark.parametrize(
    ("before", "after", "name", "case"),
    [
        (f"s = 0\n{ARRAYS}for v in x:\n    s += v\nreturn s", f"s = 0\n{ARRAYS}s += x.sum()\nreturn s", "s",
         {"kind": "literal", "value": "0"}),
        ("out = []\nfor i, r in df.iterrows():\n    out.append(r['t'].lower())", "out = df['t'].str.lower().tolist()",
         "df", {"kind": "frame", "columns": {"t": "text"}}),
        ("df['c'] = df.apply(lambda r: r['a'] * r.b, axis=1)", "df['c'] = df['a'] * df['b']", "df",
         {"kind": "frame", "columns": {"c": "number", "a": "number", "b": "number"}}),
        ("for i in range(n):\n    a[i] = net.w[i]", "a[:] = net.w[:]", "net", {"kind": "float"}),
    ],
)  # fmt: skip
def test_inputs(before: str, after: str, name: str, case: object) -> None:
    assert pair(source(before), source(after), exact=False).inputs[name] == case


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("for i in range(n):\n    a[i] = net(i)", "a[:] = 0", "nothing is known of what `net` does"),
        ("for i in range(n):\n    print(a[i])", "print(a)", "nothing is known of what `print` does"),
        ("for i in range(n):\n    open(str(i))", "pass", "nothing is known of what `open` does"),
        ("for i in range(n):\n    np.save('x', a)", "pass", "nothing is known of what `np.save` does"),
        ("for i in range(n):\n    np.random.seed(i)", "pass", "nothing is known of what `np.random.seed` does"),
        ("for i in range(n):\n    a[i] = net.random()", "a[:] = 0", "nothing is known of what `net.random` does"),
        ("for i in range(n):\n    import os", "pass", "line 7 does more than compute"),
        ("with net:\n    a[0] = 1", "a[0] = 1", "line 6 does more than compute"),
        ("while n:\n    n -= 1", "n = 0", "line 6 does more than compute"),
        ("df['c'] = df.apply(net, axis=1)", "df['c'] = 1", ""),
        ("a[0] = 1", "a[0] = 1", "nothing is replaced"),
    ],
)
def test_what_is_not_executed(before: str, after: str, reason: str) -> None:
    if not reason:
        pair(source(before), source(after), exact=False)
        return
    with pytest.raises(NotExecuted) as caught:
        pair(source(before), source(after), exact=False)
    assert caught.value.reason == reason


def test_a_function_of_the_file_comes_along() -> None:
    text = "def grade(row):\n    return 1 if row['a'] > 0 else 0\n\n\n"
    old = Source(f"import pandas as pd\n{text}df = pd.DataFrame()\nx = df.apply(grade, axis=1)\n", "a.py")
    new = Source(f"import pandas as pd\n{text}df = pd.DataFrame()\nx = (df['a'] > 0) * 1\n", "a.py")
    found = pair(old, new, exact=False)
    assert "def grade(row):" in found.imports[-1]
    assert found.inputs["df"] == {"kind": "frame", "columns": {"a": "number"}}


def test_a_process_of_its_own() -> None:
    pytest.importorskip("numpy")
    old, new = source(f"{ARRAYS}{LOOP}\nreturn out"), source(f"{ARRAYS}out[:] = x * 2.0\nreturn out")
    wrong = source(f"{ARRAYS}out[:] = x * 3.0\nreturn out")
    assert validated(old, new, exact=True) is None
    told = validated(old, wrong, exact=True)
    assert told is not None
    assert told.startswith("it was not validated: `out` is ")
    endless = pair(source("for i in range(n):\n    a[i] = sum(range(10**9))"), source("a[:] = 0"), exact=True)
    assert compare(endless, seconds=2.0).difference == "it did not end within 2 s"


def test_the_command_line(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    text = (
        "import numpy as np\n\n\ndef f(n: int):\n    a = np.ones(n)\n    b = np.ones(n)\n    out = np.zeros(n)\n"
        "    for i in range(n):\n        out[i] = a[i] / a.max()\n    for i in range(n):\n        b[i] = a[i] ** 2\n"
        "    return out, b\n"
    )
    (tmp_path / "a.py").write_text(text, encoding="utf-8")
    (tmp_path / "numpy.py").write_text("raise SystemExit('a file of the user was imported')\n", encoding="utf-8")
    mlint = [sys.executable, "-m", "mlint", "--isolated", "--no-cache"]
    command = [*mlint, "--fix", "--unsafe-fixes", "--select", "ML101"]
    done = subprocess.run([*command, "--validate", "a.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    fixed = (tmp_path / "a.py").read_text(encoding="utf-8")
    assert "b[:] = a ** 2" in fixed
    assert "out[i] = a[i] / a.max()" in fixed
    assert "a.py:8:5: ML101 elementwise-store-loop: not fixed, it was not validated: only the rewrite" in done.stderr
    assert done.returncode == 1
    done = subprocess.run([*command, "a.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "out[:] = a / a.max()" in (tmp_path / "a.py").read_text(encoding="utf-8")
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("library", "loop", "rewrite", "kind"),
    [
        ("torch", "y = torch.stack([torch.nn.functional.relu(r) for r in x])", "y = torch.nn.functional.relu(x)",
         "tensor"),
        ("tensorflow", "y = tensorflow.stack([tensorflow.abs(r) for r in x])", "y = tensorflow.abs(x)", "tf"),
        ("jax.numpy", "y = jax.numpy.stack([jax.numpy.abs(r) for r in x])", "y = jax.numpy.abs(x)", "jax"),
    ],
)  # fmt: skip
def test_tensors(library: str, loop: str, rewrite: str, kind: str) -> None:
    made = {"torch": "torch.randn(3, 2)", "tensorflow": "tensorflow.random.normal((3, 2))",
            "jax.numpy": "jax.numpy.zeros((3, 2))"}[library]  # fmt: skip
    old, new = (Source(f"import {library}\n\nx = {made}\n{code}\nprint(y)\n", "a.py") for code in (loop, rewrite))
    found = pair(old, new, exact=True)
    assert found.inputs["x"]["kind"] == kind
    assert found.inputs["x"]["samples"] == 3
    pytest.importorskip(library)
    assert compare(found, cases=10).difference is None
    assert compare(found._replace(after=f"{rewrite} * 2"), cases=10).difference is not None
