"""What is held by something: the batches of loaders, fields, what a `with` enters, what stands in containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.reading import marked, model_of
from tests.model.test_project import opened, written

HEADER = """
import contextlib, typing, h5py, numpy as np, pandas as pd, torch, tensorflow as tf
from collections import defaultdict
from dataclasses import dataclass, field
from jaxtyping import Array, Bool, Float, Float32, Int, UInt8
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, random_split
"""
PAIRS = """
class Pairs(Dataset):
    def __getitem__(self, i):
        return torch.zeros(3), 1
"""
FIELDS = """
@dataclass
class Base:
    x: torch.Tensor
@dataclass
class Fields(Base):
    n: int = 3
    parts: list[torch.Tensor] = field(default_factory=list)
    table: 'np.ndarray | None' = None
"""


def said(code: str) -> str:
    model = model_of(HEADER + code)
    return str(model.kinds.of(marked(model)))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ds = TensorDataset(torch.zeros(3), a)\nfor x, y in DataLoader(ds):\n    here(x)", "torch.Tensor"),
        ("for (x,) in DataLoader(TensorDataset(torch.zeros(3))):\n    here(x)", "torch.Tensor"),
        (PAIRS + "for x, y in DataLoader(Pairs(), batch_size=2):\n    here(y)", "torch.Tensor"),
        (PAIRS + "for batch in DataLoader(Pairs()):\n    here(batch)", "list[torch.Tensor, torch.Tensor]"),
        (PAIRS + "for i, (x, y) in enumerate(DataLoader(dataset=Pairs())):\n    here(x)", "torch.Tensor"),
        (PAIRS + "for x, y in DataLoader(Pairs(), batch_size=None):\n    here(y)", "unknown"),
        (PAIRS + "for x, y in DataLoader(Pairs(), batch_sampler=s):\n    here(y)", "unknown"),
        (PAIRS + "for x, y in DataLoader(Pairs(), **options):\n    here(y)", "unknown"),
        (PAIRS + "train, test = random_split(Pairs(), [2, 1])\nfor x, y in DataLoader(test):\n    here(x)",
         "torch.Tensor"),
        (PAIRS + "for x, y in DataLoader(Subset(Pairs(), [0])):\n    here(y)", "torch.Tensor"),
        (PAIRS + "x, y = next(iter(DataLoader(Pairs())))\nhere(x)", "torch.Tensor"),
        (PAIRS + "class Big(Pairs): ...\nfor x, y in DataLoader(Big()):\n    here(x)", "torch.Tensor"),
        (PAIRS + "class Big(Pairs):\n    def __getitem__(self, i):\n        return load(i)\n"
         "for x, y in DataLoader(Big()):\n    here(x)", "unknown"),
        (("class D(Dataset):\n    def __getitem__(self, i):\n        return np.zeros(3)\n"
         "for x in DataLoader(D()):\n    here(x)"), "torch.Tensor"),
        (("class D(Dataset):\n    def __getitem__(self, i):\n        return {'x': torch.zeros(3), 'y': 1}\n"
         "for b in DataLoader(D()):\n    here(b['y'])"), "torch.Tensor"),
        (("class D(Dataset):\n    def __getitem__(self, i):\n        return {'x': torch.zeros(3), 'y': 'a'}\n"
         "for b in DataLoader(D()):\n    here(b['x'])"), "torch.Tensor | list[str]"),
        ("def collate(b):\n    return torch.stack(b)\nfor b in DataLoader(ds, collate_fn=collate):\n    here(b)",
         "torch.Tensor"),
        (PAIRS + "for b in DataLoader(Pairs(), collate_fn=load):\n    here(b)", "unknown"),
        ("for b in DataLoader(ds):\n    here(b)", "unknown"),
    ],
)  # fmt: skip
def test_batches_of_loaders(code: str, kind: str) -> None:
    assert said(code) == kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("here(Fields(a).n)", "int"),
        ("here(Fields(a).x)", "torch.Tensor"),
        ("def f(c: Fields):\n    here(c.parts[0])", "torch.Tensor"),
        ("def f(c: 'Fields'):\n    here(c.table)", "numpy.ndarray"),
        ("def f(c: Fields):\n    here(c.absent)", "unknown"),
        ("c = Fields(a)\nc.n = 'many'\nhere(c.n)", "int | str"),
        ("class Row(typing.NamedTuple):\n    x: torch.Tensor\nhere(Row(a).x)", "torch.Tensor"),
    ],
)
def test_fields(code: str, kind: str) -> None:
    assert said(FIELDS + code) == kind


ENTERS = "class M:\n    def __enter__(self):\n        return {}\n    def __exit__(self, *a): ...\n"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("with h5py.File('a') as f:\n    here(f)", "h5py.File"),
        ("with h5py.File('a') as f, torch.no_grad():\n    here(f)", "h5py.File"),
        ("with tf.GradientTape() as tape:\n    here(tape)", "tensorflow.GradientTape"),
        ("with open('a') as f:\n    here(f)", "unknown"),
        ("with open('a') as f:\n    here(f.read())", "unknown"),
        ("with torch.no_grad():\n    here(torch.zeros(3))", "torch.Tensor (1-d)"),
        ("with torch.no_grad() as g:\n    here(g)", "unknown"),
        ("with pd.read_csv('a', chunksize=3) as rows:\n    here(rows)", "unknown"),
        ("x = 1\nwith contextlib.suppress(E):\n    x = torch.zeros(3)\nhere(x)", "torch.Tensor (1-d)"),
        ("with contextlib.nullcontext(torch.zeros(3)) as x:\n    here(x)", "torch.Tensor (1-d)"),
        (ENTERS.format("torch.zeros(3)") + "with M() as x:\n    here(x)", "torch.Tensor (1-d)"),
        (ENTERS.format("self") + "with M() as x:\n    here(x)", "M"),
        (ENTERS.format("self") + "class N(M): ...\nwith N() as x:\n    here(x)", "N"),
        (ENTERS.format("load()") + "with M() as x:\n    here(x)", "unknown"),
        ("class M: ...\nwith M() as x:\n    here(x)", "unknown"),
        ("@contextlib.contextmanager\ndef m():\n    yield torch.zeros(3)\nwith m() as x:\n    here(x)",
         "torch.Tensor (1-d)"),
        ("@contextlib.contextmanager\ndef m():\n    yield\nwith m() as x:\n    here(x)", "unknown"),
        ("@other\ndef m():\n    yield torch.zeros(3)\nwith m() as x:\n    here(x)", "unknown"),
        ("def m():\n    yield torch.zeros(3)\nwith m() as x:\n    here(x)", "unknown"),
    ],
)  # fmt: skip
def test_what_a_with_enters(code: str, kind: str) -> None:
    assert said(code) == kind


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        ("Float[torch.Tensor, '... c']", "torch.Tensor"),
        ("Float[torch.Tensor, 'b c']", "torch.Tensor (2-d)"),
        ("Float[torch.Tensor, 'b c'] | None", "torch.Tensor (2-d)"),
        ("'Float[torch.Tensor, \"b c\"]'", "torch.Tensor (2-d)"),
        ("Float[torch.Tensor, '']", "torch.Tensor (0-d)"),
        ("Float32[np.ndarray, 'b 3']", "numpy.ndarray (2-d, float32)"),
        ("UInt8[np.ndarray, '#b']", "numpy.ndarray (1-d, uint8)"),
        ("Bool[torch.Tensor, '*b c']", "torch.Tensor (bool)"),
        ("Int[Array, 'b c=3']", "jax.Array (2-d)"),
        ("Float[torch.Tensor | np.ndarray, 'b']", "torch.Tensor (1-d) | numpy.ndarray (1-d)"),
        ("list[Float[torch.Tensor, 'b']]", "iterable[torch.Tensor (1-d)]"),
        ("Float[load, 'b']", "unknown"),
    ],
)
def test_jaxtyping(annotation: str, kind: str) -> None:
    expected = kind.replace("iterable", "list")
    assert said(f"def f(a: {annotation}):\n    here(a)") == expected


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("xs = []\nfor i in r:\n    xs.append(torch.zeros(3))\nhere(xs)", "list[torch.Tensor (1-d)]"),
        ("xs = []\nxs.append(torch.zeros(3))\nxs.append(1)\nhere(xs[0])", "torch.Tensor (1-d) | int"),
        ("xs = []\nxs.append(load())\nhere(xs)", "list"),
        ("xs = []\nxs.extend(np.zeros((3, 4)))\nhere(xs[0])", "numpy.ndarray (1-d, float64)"),
        ("xs = [torch.zeros(3)]\nxs[0] = 1\nhere(xs[0])", "torch.Tensor (1-d) | int"),
        ("xs = [torch.zeros(3)]\nxs.insert(0, load())\nhere(xs[0])", "unknown"),
        ("def g():\n    xs.append(1)\nxs = []\nxs.append(torch.zeros(3))\nhere(xs[0])", "int | torch.Tensor (1-d)"),
        ("xs = [torch.zeros(3)] * 3\nhere(xs[1])", "torch.Tensor (1-d)"),
        ("xs = [1]\nxs += [torch.zeros(3)]\nhere(xs[0])", "unknown"),
        ("xs = list(torch.zeros(3, 3))\nhere(xs[0])", "torch.Tensor (1-d)"),
        ("here([torch.zeros(3)].pop())", "torch.Tensor (1-d)"),
        ("s = set()\ns.add(1)\nhere(s)", "set[int]"),
        ("d = {}\nd['a'] = torch.zeros(3)\nhere(d['a'])", "torch.Tensor (1-d)"),
        ("d = {'a': 1}\nd['b'] = torch.zeros(3)\nhere(d['a'])", "int | torch.Tensor (1-d)"),
        ("d = {'a': 1}\nd.update(other)\nhere(d['a'])", "unknown"),
        ("d = {}\nd[k] = np.ones(3)\nfor v in d.values():\n    here(v)", "numpy.ndarray (1-d, float64)"),
        ("d = defaultdict(list)\nd[k].append(torch.zeros(3))\nhere(d[k])", "unknown"),
        ("a, *b = torch.zeros(3), 1, 2\nhere(a)", "torch.Tensor (1-d)"),
        ("a, *b = torch.zeros(3), 1, 2\nhere(b)", "unknown"),
        ("for k, v in {'a': torch.zeros(3)}.items():\n    here(v)", "torch.Tensor (1-d)"),
    ],
)
def test_containers(code: str, kind: str) -> None:
    assert said(code) == kind


DASK = "import dask, dask.array as da, dask.dataframe as dd, dask.bag as db, numpy as np, pandas as pd\n"
POLARS = "import polars as pl\nframe = pl.DataFrame({'a': [1]})\nplan = frame.lazy()\n"
RAY = """
import ray, numpy as np
@ray.remote
def one(n):
    return np.zeros(n)
@ray.remote(num_returns=2)
def two():
    return np.zeros(3), 1
@ray.remote
def stream():
    yield np.zeros(3)
@ray.remote
class Actor:
    def table(self):
        return np.zeros((3, 4))
    @ray.method(num_returns=2)
    def pair(self):
        return 1, 2
"""


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (DASK + "def f(df: dd.DataFrame):\n    here(df.compute())", "unknown"),
        (DASK + "here(dd.from_pandas(load(), npartitions=2))", "unknown"),
        (DASK + "import cudf\nhere(dd.read_csv('a').compute())", "unknown"),
        (DASK + "here(dd.read_csv('a').compute())", "pandas.DataFrame"),
        (DASK + "here(dd.read_csv('a')['x'].sum().compute())", "scalar"),
        (DASK + "here(dd.read_parquet('a', columns='x'))", "unknown"),
        (DASK + "here(da.from_array(load()).compute())", "unknown"),
        (DASK + "here(da.ones((3, 4)).map_blocks(f).compute())", "unknown"),
        (DASK + "here(da.ones((3, 4)).sum(axis=0).compute())", "numpy.ndarray (1-d)"),
        (DASK + "here(da.where(x))", "unknown"),
        (DASK + "here(db.from_sequence([1]).map(f).compute())", "list"),
        (DASK + "here(dask.delayed(pd.read_csv)('a').compute())", "pandas.DataFrame"),
        (DASK + "a, b = dask.compute(da.ones(3), load())\nhere(b)", "unknown"),
        (DASK + "@dask.delayed\ndef g(x):\n    here(x)\ng(dask.delayed(load)(1))", "unknown"),
        (POLARS + "here(plan.collect())", "polars.DataFrame"),
        (POLARS + "here(plan.collect(background=True))", "unknown"),
        (POLARS + "here(pl.concat([plan, plan]))", "polars.LazyFrame"),
        (POLARS + "here(pl.concat(load()))", "unknown"),
        (POLARS + "here(pl.int_range(3, eager=True))", "polars.Series"),
        (POLARS + "here(pl.int_range(3, eager=eager))", "unknown"),
        (POLARS + "here(pl.read_excel('a', sheet_id=0))", "unknown"),
        (POLARS + "here(frame.partition_by('a', as_dict=True))", "unknown"),
        (POLARS + "here(frame.sum(axis=1))", "unknown"),
        (POLARS + "here(frame['a'] + load())", "unknown"),
        (POLARS + "here(frame[0, 'a'])", "unknown"),
        (RAY + "here(ray.get(one.remote(3)))", "numpy.ndarray (float64)"),
        (RAY + "here(ray.get([one.remote(3)])[0])", "numpy.ndarray (float64)"),
        (RAY + "here(one.options(num_returns=n).remote(3))", "unknown"),
        (RAY + "a, b = two.remote()\nhere(ray.get(b))", "int"),
        (RAY + "here(stream.remote())", "unknown"),
        (RAY + "here(ray.get(Actor.remote().table.remote()))", "numpy.ndarray (2-d, float64)"),
        (RAY + "here(Actor.remote().pair.remote())", "unknown"),
        (RAY + "def f(actor: ray.actor.ActorHandle):\n    here(actor.table.remote())", "unknown"),
        (RAY + "here(one(3))", "unknown"),
        (RAY + "here(ray.get(load()))", "unknown"),
    ],
)
def test_what_is_put_off(code: str, kind: str) -> None:
    model = model_of(code)
    assert str(model.kinds.of(marked(model))) == kind


def test_what_another_file_puts_off(tmp_path: Path) -> None:
    main = "import ray\nfrom tasks import Actor\nhere(ray.get([Actor.remote().table.remote()])[0])"
    written(tmp_path, {"tasks.py": RAY, "main.py": main})
    model = opened(tmp_path, "main.py")
    assert str(model.kinds.of(marked(model))) == "numpy.ndarray (2-d, float64)"


def test_what_the_with_of_another_file_enters(tmp_path: Path) -> None:
    tables = "import contextlib, numpy as np\n@contextlib.contextmanager\ndef table(p):\n    yield np.zeros((3, 4))\n"
    written(tmp_path, {"tables.py": tables, "main.py": "import tables\nwith tables.table('a') as t:\n    here(t)"})
    model = opened(tmp_path, "main.py")
    assert str(model.kinds.of(marked(model))) == "numpy.ndarray (2-d, float64)"
