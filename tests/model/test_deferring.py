"""What functions of NumPy give for objects of other libraries, held against what they really give."""

from __future__ import annotations

import ast
import contextlib
import warnings
from typing import Any

import pytest

from mlint.model.tree import walk
from tests.model.reading import model_of
from tests.model.reality import wrong
from tests.model.tracing import observe

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")

OBJECTS = {
    "one dimension": "np.array([3.0, 1.0, 2.0])",
    "two dimensions": "np.array([[3.0, 1.0, 2.0], [1.0, 5.0, 6.0], [7.0, 8.0, 1.0]])",
    "integers": "np.array([2, 0, 1])",
    "a list": "[3.0, 1.0, 2.0]",
    "a list of lists": "[[3.0, 1.0], [1.0, 5.0]]",
    "a list of arrays": "[np.ones(3), np.zeros(3)]",
    "a list of series": "[pd.Series([3.0, 1.0, 2.0]), pd.Series([1.0, 2.0, 3.0])]",
    "a number": "3.5",
    "a series": "pd.Series([3.0, 1.0, 2.0])",
    "a frame": "pd.DataFrame({'a': [3.0, 1.0, 2.0], 'b': [1.0, 2.0, 3.0], 'c': [1.0, 2.0, 4.0]})",
    "an index": "pd.Index([3.0, 1.0, 2.0])",
    "a masked array": "np.ma.masked_array([1.0, 2.0, 3.0], mask=[0, 0, 1])",
    "a tensor": "torch.tensor([3.0, 1.0, 2.0])",
    "a matrix of torch": "torch.ones(3, 3)",
}
CALLS = """
abs(x) absolute(x) all(x) angle(x) any(x,axis=0) append(x,x) argmax(x) argmax(x,keepdims=True) argpartition(x,1)
argsort(x) argsort(x,axis=None) argwhere(x) array(x) array_split(x,2) asarray(x) atleast_1d(x) atleast_2d(x,x)
average(x) average(x,keepdims=True) broadcast_to(x,(3,3)) clip(x,0,2) compress([True,False,True],x) concatenate(x)
copy(x) cumprod(x) cumsum(x) cumsum(x,axis=0) cumsum(x,axis=None) cumsum(x,1) diag(x) diagflat(x) diff(x)
diff(x,0) diff(x,n=1) digitize(x,[1.0,2.0]) ediff1d(x) exp(x) exp(x,np.ones(3)) expand_dims(x,0) flatnonzero(x)
flip(x) full_like(x,0,'float32') hstack(x) imag(x) insert(x,0,1) interp(x,[0.0,4.0],[1.0,2.0]) intersect1d(x,x) isnan(x)
isin(x,[1.0]) kron(x,2) lexsort(x) linspace(0.0,x) linspace(x,4.0,3) logical_and(x,x) maximum(x,2) mean(x)
mean(x,axis=None) median(x,keepdims=True) nan_to_num(x) negative(x) outer(x,x) pad(x,1) ravel(x) real(x) repeat(x,2)
repeat(x,2,axis=0) reshape(x,-1) reshape(x,(1,-1)) roll(x,1) rollaxis(x,0) round(x) round(x,1) searchsorted([1.0,2.0],x)
signbit(x) sinc(x) size(x) sort(x) sort(x,axis=None) split(x,[1]) sqrt(x) squeeze(x) stack([x,x]) sum(x) sum(x,axis=1)
swapaxes(x,0,1) take(x,[0]) tile(x,2) transpose(x) tril(x) unique(x) unique(x,return_counts=True) vstack(x) where(x)
where(x,x,0) zeros_like(x) linalg.inv(x) linalg.norm(x) linalg.norm(x,1) linalg.norm(x,axis=0) linalg.solve(x,x)
linalg.lstsq(x,x) identity(3,'float32') histogram(x)
""".split()
HEADER = "import numpy as np, pandas as pd, torch\n"


def said(program: str) -> list[tuple[str, Any]]:
    """(expression, its kind) of every call in the statements of a program that are calls of `here`."""
    model = model_of(HEADER + program)
    marks = [n for n in walk(model.module) if isinstance(n, ast.Call) and ast.unparse(n.func) == "here"]
    return [(ast.unparse(mark.args[0]), model.kinds.of(mark.args[0])) for mark in marks]


def given(call: str, text: str) -> tuple[bool, Any]:
    """What a call gives for an object; False if it raises."""
    names: dict[str, Any] = {"np": np, "pd": pd}
    if "torch" in text:
        names["torch"] = pytest.importorskip("torch")
    names["x"] = eval(text, names)
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        return True, eval(call, names)
    return False, None


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("name", OBJECTS)
def test_what_numpy_gives(name: str, known: bool) -> None:
    text = OBJECTS[name]
    lines = [f"    here(np.{call})" for call in CALLS]
    top = f"def f():\n    x = {text}" if known else "def f(x):"
    found = said("\n".join([top, *lines]))
    assert len(found) == len(CALLS)
    reasons, agreed = [], 0
    for call, kind in found:
        done, value = given(call, text)
        reason = wrong(kind, observe(value)) if done else None
        agreed += done and kind.known
        if reason is not None:
            reasons.append(f"{call} is said to be {kind}: {reason}, {type(value).__name__}")
    assert reasons == []
    assert agreed >= (20 if known and "index" not in name and "torch" not in name and "masked" not in name else 2)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("here(np.cumsum(pd.Series([1])))", "pandas.Series"),
        ("here(np.argsort(pd.Series([1])))", "pandas.Series"),
        ("here(np.transpose(pd.DataFrame()))", "pandas.DataFrame"),
        ("here(np.squeeze(pd.DataFrame()))", "unknown"),
        ("here(np.round(pd.DataFrame(), 2))", "pandas.DataFrame"),
        ("def f(x):\n    here(np.cumsum(x))", "unknown"),
        ("def f(x):\n    here(np.concatenate([x, x]))", "numpy.ndarray"),
        ("def f(e):\n    here(np.digitize(np.zeros(3), e))", "numpy.ndarray"),
        ("here(np.digitize(np.zeros(3), [1, 2]))", "numpy.ndarray"),
        ("def f(x: np.ndarray | list):\n    here(np.cumsum(x))", "numpy.ndarray"),
        ("def f(x: np.ndarray | torch.Tensor):\n    here(np.cumsum(x))", "unknown"),
        ("out = np.zeros((2, 2))\nhere(np.add(np.ones(2), 1, out=out))", "numpy.ndarray (2-d, float64)"),
    ],
)
def test_what_is_said(code: str, kind: str) -> None:
    ((_, found),) = said(code)
    assert str(found) == kind
