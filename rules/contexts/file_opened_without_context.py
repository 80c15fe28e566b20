from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from mlint.rule import Call, Context, Edit, Example, Finding, Rule, Safety, walk

OPENERS = frozenset(
    "open gzip.open bz2.open lzma.open codecs.open io.open tensorflow.io.gfile.GFile tensorflow.gfile.Open "
    "tensorflow.gfile.GFile tensorflow.compat.v1.gfile.GFile tensorflow.compat.v1.gfile.Open".split()
)
READING = frozenset(
    "json.load pickle.load yaml.load yaml.safe_load yaml.full_load numpy.load numpy.loadtxt numpy.genfromtxt "
    "torch.load joblib.load dill.load toml.load tomllib.load tomli.load pandas.read_csv pandas.read_json "
    "pandas.read_pickle".split()
)
SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return)
LONGEST_STATEMENT = 15
LONGEST_BLOCK = 60

FILES = """import json
import pickle
import random
import numpy as np
with open("data.json", "w") as stream:
    json.dump({"lr": random.random(), "layers": [random.randint(1, 9) for _ in range(3)]}, stream)
with open("data.txt", "w") as stream:
    stream.write("".join(f"{random.randint(0, 99)}\\n" for _ in range(5)))
np.save("data.npy", np.random.rand(4))
path = "data.json"
"""
TEXT = FILES.replace('path = "data.json"', 'path = "data.txt"')


class FileOpenedWithoutContext(Rule):
    """A file that is opened without `with` stays open until somebody happens to collect it.

    ## Why
    CPython closes a file when its last reference goes, so `json.load(open(path))` looks harmless. The reference lives
    on in a traceback, in a frame that a debugger or a notebook holds, or in a reference cycle, and on other
    implementations of Python until the next garbage collection. A data set that opens a file per sample then runs
    into the limit on open files, and what was written with `json.dump(obj, open(path, "w"))` may not be on the disk
    yet when the next process reads it. CPython tells of every such file with `python -X dev`
    (`ResourceWarning: unclosed file`). `f.close()` at the end does not run when anything before it raises.

    ## Fix safety
    Safe where the `with` block does the same things in the same order and only closes the file earlier. Unsafe where
    the statement calls something before the file is opened (the file would now be opened first, which matters if it is
    written, or made by that call), where it calls something after a file has been written (which used to be closed,
    and complete, by then), where the reader may come back to the file later (`np.load` of an `.npz`
    archive), where the file of a loop would now stay open during the rounds, and where `globals()` or another module of
    the package may find the file by its name. No fix inside conditional expressions,
    lambdas, class bodies and the headers of `if` and `while`.

    ## References
    - Python documentation, "Reading and Writing Files" (tutorial, 7.2): "It is good practice to use the `with` keyword
      when dealing with file objects".
    - Python documentation, "Python Development Mode", `ResourceWarning`.

    ## When to ignore
    In a script of a few lines that ends right after.
    """

    code, name = "ML208", "file-opened-without-context"
    libraries = (
        *("numpy", "pandas", "torch", "tensorflow", "keras", "jax", "sklearn", "transformers", "xgboost", "lightgbm"),
        *("rapids", "dask", "ray", "polars", "scipy"),
    )
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Call(*sorted(OPENERS)),)

    def wants(self, node: ast.AST, model: object) -> bool:
        return isinstance(node, ast.Call)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if not self._opens(node, ctx) or self._over_open_file(node, ctx):
            return
        use = ctx.handles.use(node)
        if use.how == "consumed":
            yield self._temporary(node, use.node, ctx)
        elif use.how == "loop":
            assert isinstance(use.node, (ast.For, ast.AsyncFor))
            yield self._loop(node, use.node, ctx)
        elif use.how == "bound" and use.direct:
            yield from self._bound(node, ctx)

    def _opens(self, call: ast.Call, ctx: Context) -> bool:
        func = call.func
        if ctx.dotted(func) in OPENERS:
            return True
        return isinstance(func, ast.Attribute) and func.attr == "open" and _is_path(func.value, ctx)

    def _over_open_file(self, call: ast.Call, ctx: Context) -> bool:
        """Whether it reads through a file that a `with` closes: `gzip.open(stream)`."""
        inner = call.args[0] if call.args else None
        bindings = ctx.reaching.of(inner) if isinstance(inner, ast.Name) else None
        return bool(bindings) and _reads(call) and all(binding.how == "with" for binding in bindings or ())

    # `json.load(open(path))`

    def _temporary(self, call: ast.Call, consumer: ast.AST, ctx: Context) -> Finding:
        statement = ctx.tree.statement(call)
        message = f"`{ctx.short(call)}` is never closed"
        advice = "open it in a `with` block"
        if isinstance(statement, (ast.For, ast.AsyncFor)) and _within(statement.iter, call, ctx):
            return self._loop(call, statement, ctx)
        if not isinstance(statement, SIMPLE) or not ctx.handles.unconditional(call) or _binds_or_waits(statement):
            return ctx.finding(call, message, advice)
        handles = self._temporaries(statement, ctx) if call.args else []
        if len(handles) < 2 or not all(handle is call or _reads(handle) for handle in handles):
            handles = [call]
        longest = LONGEST_STATEMENT + sum((h.end_lineno or 0) - h.lineno for h in handles)
        if (statement.end_lineno or 0) - statement.lineno >= longest:
            return ctx.finding(call, message, advice)
        harmless = READING if all(_reads(handle) for handle in handles) else frozenset()
        safe = not any(
            _may_return(handle, ctx)
            or ctx.handles.calls_before(handle, harmless | OPENERS if harmless else harmless)
            or (not _reads(handle) and ctx.handles.calls_after(handle))
            for handle in handles
        )
        header = _header(handles, statement, ctx)
        if header is None:
            return ctx.finding(call, message, advice)
        text, replacements = header
        fix = ctx.fix(
            lambda: ctx.edits.wrap([statement], text, replacements),
            Safety.SAFE if safe else Safety.UNSAFE,
            f"Put the statement under `{_one_line(text)}`",
        )
        return ctx.finding(call, message, advice, fix)

    def _temporaries(self, statement: ast.stmt, ctx: Context) -> list[ast.Call]:
        """All files that a simple statement opens and uses up, in order."""
        return [
            node
            for node in walk(statement)
            if isinstance(node, ast.Call)
            and self._opens(node, ctx)
            and ctx.handles.use(node).how == "consumed"
            and ctx.handles.unconditional(node)
        ]

    # `for line in open(path):`

    def _loop(self, call: ast.Call, loop: ast.For | ast.AsyncFor, ctx: Context) -> Finding:
        message = f"`{ctx.short(call)}` is never closed"
        advice = "open it in a `with` block around the loop"
        header = _header([call], loop, ctx)
        lines = (loop.end_lineno or 0) - loop.lineno
        if (
            header is None
            or lines > LONGEST_BLOCK
            or isinstance(loop, ast.AsyncFor)
            or not ctx.handles.unconditional(call)
            or _binds_or_waits(loop.iter)
        ):
            return ctx.finding(call, message, advice)
        text, replacements = header
        # What is read as a whole was closed before the first round; that matters if the rounds touch files.
        read_before = ctx.handles.use(call).how != "loop"
        safe = _reads(call) and not ctx.handles.calls_before(call, READING)
        if read_before:
            safe = safe and not _may_return(call, ctx) and not _touches_files(loop, ctx)
        fix = ctx.fix(
            lambda: ctx.edits.wrap([loop], text, replacements),
            Safety.SAFE if safe else Safety.UNSAFE,
            f"Put the loop under `{_one_line(text)}`",
        )
        return ctx.finding(call, message, advice, fix)

    # `f = open(path)`

    def _bound(self, call: ast.Call, ctx: Context) -> Iterator[Finding]:
        life = ctx.handles.lifetime(call)
        if life is None:
            return
        if life.closing is None:
            message = f"`{life.name}` is never closed"
        else:
            message = f"`{life.name}` stays open if anything before `{life.name}.close()` raises"
        advice = "open it in a `with` block"
        body, closing = life.body, life.closing
        if not body or (body[-1].end_lineno or 0) - body[0].lineno > LONGEST_BLOCK:
            yield ctx.finding(call, message, advice)
            return
        if not isinstance(life.statement, ast.Assign) or _rebinds(life.name, body) or _returns_lazily(body):
            yield ctx.finding(call, message, advice)
            return
        header = f"with {ctx.text(call)} as {life.name}:"

        def build() -> Iterable[Edit]:
            return ctx.edits.enclose(life.statement, body, header, closing)

        doubtful = life.doubtful and _may_return(call, ctx, bound=True)
        doubtful = doubtful or (closing is None and ctx.looked_up(life.statement, life.name))
        safety = Safety.UNSAFE if doubtful else Safety.SAFE
        yield ctx.finding(call, message, advice, ctx.fix(build, safety, f"Use `{_one_line(header)}`"))

    examples = (
        Example(
            given=FILES,
            files={"pkg/__init__.py": ""},
            path="pkg/table.py",
            bad="f = open(path)\nx = json.load(f)",
            good="with open(path) as f:\n    x = json.load(f)",
            safety="unsafe",
            note="another module of the package may import `f`",
        ),
        Example(
            given="import gzip\nimport numpy as np\n",
            ok=(
                "def table(place):\n    with place.open('rb') as stream:\n"
                "        text = gzip.open(stream, mode='rt')\n        return np.loadtxt(text)\n"
            ),
            note="the stream is closed, and gzip holds nothing else",
        ),
        # What is closed by somebody else, or kept on purpose
        Example(
            given=TEXT,
            ok="def head(path):\n    global stream\n    stream = open(path)\n    return stream.readline()\n\n\n"
            "x = head(path)\ny = stream.readline()",
            note="read on elsewhere",
        ),
        Example(given=FILES, ok="with open(path) as f:\n    x = json.load(f)"),
        Example(given=FILES, ok="class Log:\n    def __init__(self, path):\n        self.f = open(path)"),
        Example(given=FILES, ok="def reader(path):\n    return open(path)"),
        Example(given=FILES, ok="def reader(path):\n    f = open(path)\n    f.readline()\n    return f"),
        Example(given=FILES, ok="def reader(paths):\n    for path in paths:\n        yield open(path)"),
        Example(
            given=FILES + "from contextlib import ExitStack, closing\n",
            ok="with ExitStack() as stack:\n    f = stack.enter_context(open(path))\n    x = json.load(f)",
        ),
        Example(given=FILES + "from contextlib import closing\n", ok="with closing(open(path)) as f:\n    f.read()"),
        Example(given=FILES, ok="f = open(path)\ntry:\n    x = json.load(f)\nfinally:\n    f.close()"),
        Example(given=FILES, ok="f = open(path)\nwith f:\n    x = json.load(f)"),
        Example(given=FILES + "import subprocess\n", ok='subprocess.run(["ls"], stdout=open("log", "w"))'),
        Example(
            given=FILES + "import subprocess\n", ok='f = open("log", "w")\nsubprocess.run(["ls"], stdout=f)\nf.close()'
        ),
        Example(given=FILES + "import sys\n", ok='sys.stdout = open("log", "w")'),
        Example(given=FILES, ok='open(path, "a").close()', note="touch"),
        Example(given="from PIL import Image\nimport numpy as np\n", ok='x = np.asarray(Image.open("a.png"))'),
        Example(given="import numpy as np\nimport webbrowser\n", ok='webbrowser.open("x").read()'),
        Example(given="import numpy as np\nfrom mylib import open\n", ok="x = open(path).read()"),
        Example(given="import json\nimport numpy as np\n\n\ndef open(p):\n    ...\n", ok="x = json.load(open('p'))"),
        Example(
            given=FILES,
            ok="f = open(path)\n\n\ndef later():\n    return f.read()\n\n\nlater()\nf.close()",
            note="captured",
        ),
        Example(
            given=FILES,
            ok="def fit(path, flag):\n    f = open(path)\n    if flag:\n        f.close()\n        return None\n"
            "    x = f.read()\n    f.close()\n    return x",
            note="closed at two places",
        ),
        Example(given=FILES, ok="def lines(path):\n    return (line.strip() for line in open(path))"),
        Example(given="x = json.load(open(path))\n", ok="y = 1", note="no ML library in the file"),
        # Used up on the spot
        Example(
            given=FILES,
            bad="x = json.load(open(path))",
            good="with open(path) as f:\n    x = json.load(f)",
            equal="x",
            safety="safe",
        ),
        Example(
            given=FILES,
            bad='x = json.load(open(path, "r", encoding="utf-8"))["layers"]  # sizes',
            good='with open(path, "r", encoding="utf-8") as f:\n    x = json.load(f)["layers"]  # sizes',
            equal="x",
            safety="safe",
        ),
        Example(
            given=FILES,
            bad="def load(path):\n    if path:\n        return json.load(open(path))\n\n\nx = load(path)",
            good="def load(path):\n    if path:\n        with open(path) as f:\n            return json.load(f)\n\n\n"
            "x = load(path)",
            equal="x",
            safety="safe",
        ),
        Example(
            given=FILES,
            bad="class Config:\n    def __init__(self, path):\n        # what was chosen\n"
            "        self.values = json.load(open(path))\n\n\nx = Config(path).values",
            good="class Config:\n    def __init__(self, path):\n        # what was chosen\n"
            "        with open(path) as f:\n            self.values = json.load(f)\n\n\nx = Config(path).values",
            equal="x",
            safety="safe",
        ),
        Example(
            given=TEXT,
            bad="lines = open(path).read().splitlines()",
            good="with open(path) as f:\n    lines = f.read().splitlines()",
            equal="lines",
            safety="safe",
        ),
        Example(
            given=TEXT,
            bad="rows = [int(line) for line in open(path)]",
            good="with open(path) as f:\n    rows = [int(line) for line in f]",
            equal="rows",
            safety="safe",
        ),
        Example(
            given=TEXT,
            bad="total = sum(int(line) for line in open(path))",
            good="with open(path) as f:\n    total = sum(int(line) for line in f)",
            equal="total",
            safety="safe",
        ),
        Example(
            given=TEXT + "import csv\n",
            bad="rows = list(csv.reader(open(path)))",
            good="with open(path) as f:\n    rows = list(csv.reader(f))",
            equal="rows",
            safety="safe",
        ),
        Example(
            given=FILES,
            bad='x = dict(\n    name="run",  # shown\n    **json.load(open(path)),\n)',
            good='with open(path) as f:\n    x = dict(\n        name="run",  # shown\n        **json.load(f),\n    )',
            equal="x",
            safety="safe",
        ),
        Example(
            given=FILES,
            bad='x = json.load(\n    open(\n        path,  # from above\n        "r",\n    )\n)',
            good='with open(\n        path,  # from above\n        "r",\n    ) as f:\n'
            "    x = json.load(\n        f\n    )",
            equal="x",
            safety="safe",
        ),
        Example(
            given=FILES,
            bad='json.dump({"a": 1}, open("out.json", "w"))',
            good='with open("out.json", "w") as f:\n    json.dump({"a": 1}, f)',
            equal='open("out.json").read()',
            safety="safe",
        ),
        Example(
            given=FILES,
            bad='json.dump(json.load(open(path)), open("out.json", "w"))',
            good='with open(path) as f:\n    with open("out.json", "w") as file:\n'
            "        json.dump(json.load(f), file)",
            equal='open("out.json").read()',
            count=2,
            note="the second must not open (and empty) its file before the first has been read, were they the same",
        ),
        Example(
            given=FILES,
            bad='a, b = json.load(open(path)), np.load(open("data.npy", "rb"))',
            good='with open(path) as f, open("data.npy", "rb") as file:\n    a, b = json.load(f), np.load(file)',
            equal="a, b",
            count=2,
            safety="safe",
        ),
        Example(
            given=FILES + "import os\n",
            bad='n = open("out.txt", "w").write("text") + os.path.getsize("data.txt")',
            good='with open("out.txt", "w") as f:\n    n = f.write("text") + os.path.getsize("data.txt")',
            equal="n",
            safety="unsafe",
            note="of out.txt itself, it would be another size",
        ),
        Example(
            given=FILES + "def make(n):\n    return [n]\n",
            bad='json.dump(make(3), open("out.json", "w"))',
            good='with open("out.json", "w") as f:\n    json.dump(make(3), f)',
            equal='open("out.json").read()',
            safety="unsafe",
            note="`make` ran before the file was emptied",
        ),
        Example(
            given=FILES,
            bad='x = np.load(open("data.npy", "rb"))',
            good='with open("data.npy", "rb") as f:\n    x = np.load(f)',
            equal="x",
            safety="safe",
        ),
        Example(
            given="import numpy as np\n",
            bad='def load(path):\n    return np.load(open(path, "rb"))',
            good='def load(path):\n    with open(path, "rb") as f:\n        return np.load(f)',
            safety="unsafe",
            note="an .npz is read later",
        ),
        Example(
            given="import pickle as pkl\nimport gzip\nimport numpy as np\nimport random\n"
            'with gzip.open("a.pkl.gz", "wb") as out:\n    pkl.dump(random.random(), out)\n',
            bad='x = pkl.load(gzip.open("a.pkl.gz", "rb"))',
            good='with gzip.open("a.pkl.gz", "rb") as f:\n    x = pkl.load(f)',
            equal="x",
            safety="safe",
        ),
        Example(
            given=TEXT + "from pathlib import Path\n",
            bad="x = Path(path).open().read()",
            good="with Path(path).open() as f:\n    x = f.read()",
            equal="x",
            safety="safe",
        ),
        Example(
            given=FILES,
            bad='def size(path, f=2):\n    return len(open(path).read()) * f\n\n\nx = size("data.txt")',
            good="def size(path, f=2):\n    with open(path) as file:\n        return len(file.read()) * f\n\n\n"
            'x = size("data.txt")',
            equal="x",
            safety="safe",
            note="the name f is taken",
        ),
        Example(
            given=FILES,
            bad='with open(path) as f:\n    a = json.load(f)\nb = np.load(open("data.npy", "rb"))',
            good='with open(path) as f:\n    a = json.load(f)\nwith open("data.npy", "rb") as f:\n    b = np.load(f)',
            equal="a, b",
            safety="safe",
        ),
        Example(given=FILES, bad="x = json.load(open(path)) if path else {}"),
        Example(given=FILES, bad="load = lambda p: json.load(open(p))"),
        Example(given=FILES, bad="x = [json.load(open(p)) for p in [path]]"),
        Example(given=FILES, bad='if "a" in open(path).read():\n    x = 1'),
        Example(given=FILES, bad="class Config:\n    values = json.load(open(path))"),
        # Loops
        Example(
            given=TEXT,
            bad="x = []\nfor line in open(path):\n    # one a line\n    x.append(int(line))",
            good="x = []\nwith open(path) as f:\n    for line in f:\n        # one a line\n        x.append(int(line))",
            equal="x",
            safety="safe",
        ),
        Example(
            given=TEXT,
            bad="def lines(path):\n    for n, line in enumerate(open(path)):\n"
            "        yield n, line\n\n\nx = list(lines(path))",
            good="def lines(path):\n    with open(path) as f:\n        for n, line in enumerate(f):\n"
            "            yield n, line\n\n\nx = list(lines(path))",
            equal="x",
            safety="safe",
        ),
        Example(
            given=TEXT,
            bad="x = 0\nfor line in open(path).readlines():\n    x += int(line)",
            good="x = 0\nwith open(path) as f:\n    for line in f.readlines():\n        x += int(line)",
            equal="x",
            safety="safe",
        ),
        Example(
            given=TEXT + "import os\n",
            bad="for line in open(path).readlines():\n    os.remove(path)\n    break",
            good="with open(path) as f:\n    for line in f.readlines():\n        os.remove(path)\n        break",
            safety="unsafe",
        ),
        # Bound to a name
        Example(
            given=FILES,
            bad="f = open(path)  # the settings\nx = json.load(f)\nf.close()\ny = 1",
            good="with open(path) as f:  # the settings\n    x = json.load(f)\ny = 1",
            equal="x, y",
            safety="safe",
        ),
        Example(
            given=TEXT,
            bad="def read(path):\n    f = open(path)\n    x = []\n\n    # all of them\n    for line in f:\n"
            "        x.append(line)\n\n    f.close()\n\n    return x\n\n\nx = read(path)",
            good="def read(path):\n    with open(path) as f:\n        x = []\n\n"
            "        # all of them\n        for line in f:\n"
            "            x.append(line)\n\n    return x\n\n\nx = read(path)",
            equal="x",
            safety="safe",
        ),
        Example(
            given=TEXT,
            bad="def read(path):\n    f = open(path)\n    text = f.read()\n    return text.split()\n\n\nx = read(path)",
            good="def read(path):\n    with open(path) as f:\n        text = f.read()\n"
            "    return text.split()\n\n\nx = read(path)",
            equal="x",
            safety="safe",
        ),
        Example(
            given=TEXT + "import csv\n",
            bad="f = open(path)\nreader = csv.reader(f)\nhead = next(reader)\n"
            "rows = [row for row in reader]\nf.close()",
            good="with open(path) as f:\n    reader = csv.reader(f)\n    head = next(reader)\n"
            "    rows = [row for row in reader]",
            equal="head, rows",
            safety="safe",
        ),
        Example(
            given=FILES,
            bad='f = open("a.txt", "w")\nf.write("a")\nf.close()\nf = open("b.txt", "w")\nf.write("b")\nf.close()',
            good='with open("a.txt", "w") as f:\n    f.write("a")\nwith open("b.txt", "w") as f:\n    f.write("b")',
            equal='open("a.txt").read(), open("b.txt").read()',
            count=2,
            safety="safe",
        ),
        Example(
            given=TEXT,
            bad="try:\n    f = open(path)\nexcept OSError:\n    raise SystemExit\nx = f.read()",
            note="no block to put under a with",
        ),
    )


def _is_path(node: ast.expr, ctx: Context) -> bool:
    """Whether an expression is surely a `pathlib.Path`."""
    if isinstance(node, ast.Call):
        return ctx.dotted(node.func) == "pathlib.Path"
    if isinstance(node, ast.Name):
        bindings = ctx.reaching.of(node) or []
        return bool(bindings) and all(
            (binding.how == "assign" and not binding.path and _is_path_call(binding.value, ctx))
            or (binding.annotation is not None and ctx.dotted(binding.annotation) == "pathlib.Path")
            for binding in bindings
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return _is_path(node.left, ctx)
    return False


def _is_path_call(node: ast.expr | None, ctx: Context) -> bool:
    return isinstance(node, (ast.Call, ast.BinOp)) and _is_path(node, ctx)


def _reads(call: ast.Call) -> bool:
    """Whether a file is surely opened for reading."""
    mode: ast.expr | None = None
    position = 0 if isinstance(call.func, ast.Attribute) and call.func.attr == "open" and not call.args[1:] else 1
    if isinstance(call.func, ast.Attribute) and call.func.attr == "open" and call.args and position == 0:
        first = call.args[0]
        # `Path(p).open("w")`, but `gzip.open(p)`
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and set(first.value) <= set("rwaxbt+U"):
            mode = first
    if position < len(call.args) and position == 1:
        mode = call.args[1]
    for keyword in call.keywords:
        if keyword.arg == "mode":
            mode = keyword.value
        elif keyword.arg is None:
            return False
    if mode is None:
        return True
    return isinstance(mode, ast.Constant) and isinstance(mode.value, str) and not set(mode.value) & set("wax+")


def _may_return(call: ast.Call, ctx: Context, *, bound: bool = False) -> bool:
    """Whether what reads a file may come back to it later: `np.load` of something that is not a plain array."""
    if not bound and not ctx.handles.use(call).doubtful:
        return False
    path = call.args[0] if call.args else None
    return not (
        isinstance(path, ast.Constant) and isinstance(path.value, str) and path.value.endswith((".npy", ".pkl"))
    )


def _header(handles: list[ast.Call], statement: ast.stmt, ctx: Context) -> tuple[str, dict[ast.expr, str]] | None:
    """The `with` line for files that a statement opens, and what stands in their place."""
    taken: list[str] = []
    for _ in handles:
        free = tuple(name for name in ("f", "file", "handle", "stream") if name not in taken)
        name = ctx.handles.name_for(statement, free)
        if name is None:
            return None
        taken.append(name)
    items = ", ".join(f"{ctx.text(handle)} as {name}" for handle, name in zip(handles, taken))
    return f"with {items}:", dict(zip(handles, taken))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _within(outer: ast.expr, node: ast.AST, ctx: Context) -> bool:
    return outer is node or any(ancestor is outer for ancestor in ctx.tree.ancestors(node))


def _binds_or_waits(node: ast.AST) -> bool:
    return any(isinstance(inner, (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)) for inner in ast.walk(node))


def _rebinds(name: str, body: list[ast.stmt]) -> bool:
    return any(
        isinstance(inner, ast.Name) and inner.id == name and isinstance(inner.ctx, ast.Store)
        for statement in body
        for inner in ast.walk(statement)
    )


def _returns_lazily(body: list[ast.stmt]) -> bool:
    """Whether a `return` or `yield` in the statements would hand out something that is read later."""
    return any(
        isinstance(inner, (ast.Return, ast.Yield)) and isinstance(inner.value, ast.GeneratorExp)
        for statement in body
        for inner in ast.walk(statement)
    )


def _touches_files(loop: ast.For, ctx: Context) -> bool:
    """Whether the rounds of a loop may remove, rename or write files."""
    for statement in loop.body:
        for inner in ast.walk(statement):
            if isinstance(inner, ast.Call):
                dotted = ctx.dotted(inner.func) or ""
                if dotted.startswith("os.path."):
                    continue
                if dotted.startswith(("os.", "shutil.", "pathlib.", "subprocess.")):
                    return True
                if dotted in OPENERS and not _reads(inner):
                    return True
                if isinstance(inner.func, ast.Attribute) and inner.func.attr in ("unlink", "rename", "write_text"):
                    return True
    return False
