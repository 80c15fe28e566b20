from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from mlint.rule import ARRAYS, HDF5, Call, Context, Edit, Example, Finding, Protocol, Rule, Safety

ZIP = Protocol(
    "read namelist infolist getinfo extract extractall write writestr testzip printdir", lazy="open", functions=False
)
TAR = Protocol("extractall extract getnames getmembers getmember add addfile list next", functions=False)
STORE = Protocol("put append select get keys remove flush info", items="eager", functions=False, assigns=True)
RECORDS = Protocol("write flush", functions=False)
PARQUET = Protocol("write_table write_batch write", functions=False)
EXCEL = Protocol("save", closing="close", functions=False, attributes="book sheets")

OPENERS: dict[str, tuple[Protocol, str]] = {
    "numpy.load": (ARRAYS, "the archive"),
    "h5py.File": (HDF5, "the file"),
    "zipfile.ZipFile": (ZIP, "the archive"),
    "tarfile.open": (TAR, "the archive"),
    "pandas.HDFStore": (STORE, "the store"),
    "tensorflow.io.TFRecordWriter": (RECORDS, "the writer"),
    "tensorflow.python_io.TFRecordWriter": (RECORDS, "the writer"),
    "pyarrow.parquet.ParquetWriter": (PARQUET, "the writer"),
    "pandas.ExcelWriter": (EXCEL, "the writer"),
}
LONGEST_BLOCK = 60

ARCHIVE = """import numpy as np
np.savez("data.npz", x=np.random.rand(4), y=np.random.rand(2))
"""
STORED = """import h5py
import numpy as np
with h5py.File("data.h5", "w") as out:
    out["x"] = np.random.rand(4)
    out["y"] = np.random.rand(2, 3)
"""


class ArrayArchiveLeftOpen(Rule):
    """An archive of arrays that is not closed keeps its file open, and may lose what was written to it.

    ## Why
    `np.load` of an `.npz` gives an object that reads the arrays when they are asked for and holds the file until it is
    closed; its documentation asks for `with` or `close()`. An `h5py.File`, a `ZipFile`, a `TFRecordWriter` or an
    `ExcelWriter` writes its index or its buffers when it is closed: a program that ends in an exception before that
    leaves a truncated file, and an HDF5 file that is still open cannot be opened for writing by the next run.

    ## Fix safety
    Safe where every read from the archive gives arrays of its own inside the new block. Unsafe where only a subscript
    with a string says that `np.load` gave an archive: a structured array takes one too, and knows no `with`. There is
    no finding where the archive, or a data set that reads from it later, is handed on.

    ## References
    - NumPy documentation, `numpy.load`, Notes: the returned `NpzFile` "should be closed to avoid leaking file
      descriptors".
    - h5py documentation, "File Objects", "Closing files".
    - Python documentation, `zipfile.ZipFile.close`: "You must call close() before exiting your program or essential
      records will not be written."
    """

    code, name = "ML209", "array-archive-left-open"
    libraries = ("numpy", "pandas", "torch", "tensorflow", "keras", "jax", "sklearn")
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Call(*sorted(OPENERS)),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        dotted = ctx.dotted(node.func)
        if dotted is None or ctx.open_ended(node):
            return
        protocol, noun = OPENERS[dotted]
        use = ctx.handles.use(node, protocol)
        if use.how == "consumed":
            if dotted == "numpy.load" and not _is_npz(node, use.node, ctx):
                return
            yield self._temporary(node, noun, ctx)
        elif use.how == "bound" and use.direct:
            life = ctx.handles.lifetime(node, protocol)
            if life is None or (dotted == "numpy.load" and not self._holds_npz(node, life.name, ctx)):
                return
            if life.closing is None:
                message = f"`{life.name}` is never closed"
            else:
                message = f"`{life.name}` stays open if anything before `{life.name}.close()` raises"
            advice = f"open {noun} in a `with` block"
            body, closing = life.body, life.closing
            if (
                not body
                or (body[-1].end_lineno or 0) - body[0].lineno > LONGEST_BLOCK
                or not isinstance(life.statement, ast.Assign)
                or any(
                    isinstance(inner, (ast.Yield, ast.YieldFrom, ast.Await))
                    or (isinstance(inner, ast.Name) and inner.id == life.name and isinstance(inner.ctx, ast.Store))
                    for statement in body
                    for inner in ast.walk(statement)
                )
            ):
                yield ctx.finding(node, message, advice)
                return
            header = f"with {ctx.text(node)} as {life.name}:"

            def build() -> Iterable[Edit]:
                return ctx.edits.enclose(life.statement, body, header, closing)

            fix = ctx.fix(build, self._fix_safety(node, life.name, ctx), f"Use `{' '.join(header.split())}`")
            yield ctx.finding(node, message, advice, fix)

    def _temporary(self, call: ast.Call, noun: str, ctx: Context) -> Finding:
        message = f"`{ctx.short(call)}` is never closed"
        advice = f"open {noun} in a `with` block"
        statement = ctx.tree.statement(call)
        if (
            not isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return))
            or not ctx.handles.unconditional(call)
            or ctx.handles.calls_before(call)
            or (statement.end_lineno or 0) - statement.lineno > 15
            or any(isinstance(n, (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await)) for n in ast.walk(statement))
        ):
            return ctx.finding(call, message, advice)
        name = ctx.handles.name_for(statement, ("f", "archive", "file", "handle"))
        if name is None:
            return ctx.finding(call, message, advice)
        header = f"with {ctx.text(call)} as {name}:"
        fix = ctx.fix(
            lambda: ctx.edits.wrap([statement], header, {call: name}),
            self._fix_safety(call, None, ctx),
            f"Put the statement under `{' '.join(header.split())}`",
        )
        return ctx.finding(call, message, advice, fix)

    def _fix_safety(self, call: ast.Call, name: str | None, ctx: Context) -> Safety:
        if name is not None and ctx.looked_up(ctx.tree.statement(call), name):
            return Safety.UNSAFE
        if ctx.dotted(call.func) != "numpy.load" or _is_npz(call, None, ctx):
            return Safety.SAFE
        asks_for_files = name is not None and any(
            isinstance(node, ast.Attribute)
            and node.attr == "files"
            and isinstance(node.value, ast.Name)
            and node.value.id == name
            for node in ast.walk(ctx.tree.scope(call))
        )
        return Safety.SAFE if asks_for_files else Safety.UNSAFE

    def _holds_npz(self, call: ast.Call, name: str, ctx: Context) -> bool:
        """Whether `np.load` surely gives an archive: by its path, or because members are read by name."""
        scope = ctx.tree.scope(call)
        statement = ctx.tree.statement(call)
        for node in ast.walk(scope):
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
                bindings = ctx.reaching.of(node)
                if bindings and bindings[0].node is statement and _is_npz(call, ctx.tree.parent(node), ctx):
                    return True
        return False

    examples = (
        Example(given=ARCHIVE, ok='with np.load("data.npz") as data:\n    x = data["x"]'),
        Example(given=ARCHIVE, ok='x = np.load("data.npy")', note="an array"),
        Example(given=ARCHIVE, ok='x = np.load("data.npy")\ny = x[0] + x[1:].sum()'),
        Example(given=ARCHIVE, ok='x = np.load("x.npy", allow_pickle=True).item()["a"]', note="a dict in an array"),
        Example(given=ARCHIVE, ok='def load():\n    return np.load("data.npz")'),
        Example(given=ARCHIVE, ok='def load(f):\n    data = np.load("data.npz")\n    return f(data)'),
        Example(given=ARCHIVE, ok='class Data:\n    def __init__(self):\n        self.data = np.load("data.npz")'),
        Example(given=ARCHIVE, ok='data = np.load("data.npz")\ntry:\n    x = data["x"]\nfinally:\n    data.close()'),
        Example(given=STORED, ok='with h5py.File("data.h5") as f:\n    x = f["x"][:]'),
        Example(given=STORED, ok='def load():\n    f = h5py.File("data.h5")\n    return f["x"]', note="read later"),
        Example(given=STORED, ok='def load():\n    f = h5py.File("data.h5")\n    x = f["x"]\n    return x'),
        Example(given=STORED, ok='class Data:\n    def __init__(self):\n        self.file = h5py.File("data.h5")'),
        Example(
            given=STORED + "import zipfile\n",
            ok='def member():\n    z = zipfile.ZipFile("a.zip")\n    return z.open("x")',
        ),
        Example(given="import numpy as np\nfrom mylib import load\n", ok='x = load("a.npz")["x"]'),
        Example(
            given=ARCHIVE,
            bad='data = np.load("data.npz")\nx = data["x"]\ny = data["y"] + 1',
            good='with np.load("data.npz") as data:\n    x = data["x"]\n    y = data["y"] + 1',
            equal="x, y",
        ),
        Example(
            given=ARCHIVE,
            bad='def load(path):\n    # both parts\n    data = np.load(path)\n    return data["x"], data["y"]\n\n\n'
            'result = load("data.npz")',
            safety="unsafe",
            good="def load(path):\n    # both parts\n    with np.load(path) as data:\n"
            '        return data["x"], data["y"]\n\n\nresult = load("data.npz")',
            equal="result",
        ),
        Example(
            given=ARCHIVE,
            bad='x = np.load("data.npz")["x"]',
            good='with np.load("data.npz") as f:\n    x = f["x"]',
            equal="x",
        ),
        Example(
            given=ARCHIVE,
            bad='data = np.load("data.npz")\nfor name in data.files:\n    print(name, data[name].shape)\ndata.close()',
            good='with np.load("data.npz") as data:\n    for name in data.files:\n'
            "        print(name, data[name].shape)",
        ),
        Example(
            given=STORED,
            bad='f = h5py.File("data.h5", "r")\nx = f["x"][:]\ny = np.array(f["y"])\nf.close()',
            good='with h5py.File("data.h5", "r") as f:\n    x = f["x"][:]\n    y = np.array(f["y"])',
            equal="x, y",
        ),
        Example(
            given=STORED,
            bad='def load():\n    f = h5py.File("data.h5", "r")\n    part = f["y"]\n    return part[()]\n'
            "\n\nx = load()",
            good='def load():\n    with h5py.File("data.h5", "r") as f:\n        part = f["y"]\n'
            "        return part[()]\n\n\nx = load()",
            equal="x",
        ),
        Example(
            given=STORED,
            bad='out = h5py.File("new.h5", "w")\nout.create_dataset("x", data=np.arange(3))\n'
            'out["y"] = np.arange(2)\nout.close()',
            good='with h5py.File("new.h5", "w") as out:\n    out.create_dataset("x", data=np.arange(3))\n'
            '    out["y"] = np.arange(2)',
        ),
        Example(
            given=ARCHIVE + "import zipfile\n",
            bad='z = zipfile.ZipFile("data.npz")\nnames = z.namelist()\nz.close()',
            good='with zipfile.ZipFile("data.npz") as z:\n    names = z.namelist()',
            equal="names",
        ),
        Example(
            given="import tensorflow as tf\n",
            bad='def write(rows):\n    writer = tf.io.TFRecordWriter("a.tfrecord")\n    for row in rows:\n'
            "        writer.write(row)\n    writer.close()",
            good='def write(rows):\n    with tf.io.TFRecordWriter("a.tfrecord") as writer:\n        for row in rows:\n'
            "            writer.write(row)",
        ),
    )


def _is_npz(call: ast.Call, use: ast.AST | None, ctx: Context) -> bool:
    """Whether what `np.load` gives is an archive, to judge by its path or by what is done with it."""
    path = ctx.argument(call, "file", 0)
    if isinstance(path, ast.JoinedStr) and path.values and isinstance(path.values[-1], ast.Constant):
        path = path.values[-1]
    if isinstance(path, ast.BinOp) and isinstance(path.op, (ast.Add, ast.Div)):
        path = path.right
    if isinstance(path, ast.Call) and ctx.dotted(path.func) == "os.path.join" and path.args:
        path = path.args[-1]
    if isinstance(path, ast.Constant) and isinstance(path.value, str) and "." in path.value:
        return path.value.endswith(".npz")
    if isinstance(use, ast.Subscript):
        return isinstance(use.slice, ast.Constant) and isinstance(use.slice.value, str)
    return isinstance(use, ast.Attribute) and use.attr == "files"
