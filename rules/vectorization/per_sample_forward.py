from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlint.rule import (
    FUNCTIONS,
    JAX_ARRAY,
    KERAS_MODEL,
    LOSS,
    MODULE,
    NDARRAY,
    TENSOR,
    TF_TENSOR,
    Batch,
    Batches,
    Call,
    Context,
    Edit,
    Example,
    Finding,
    Fix,
    Kept,
    Kind,
    Method,
    Node,
    Reading,
    Rule,
    Safety,
    SampleLoop,
    around,
    kept,
    reading,
    walk,
)

_TENSORS = (TENSOR, TF_TENSOR, NDARRAY, JAX_ARRAY)
_RECURRENT = frozenset("torch.nn.RNN torch.nn.LSTM torch.nn.GRU torch.nn.RNNBase".split())
_EXPANDING = ("torch.unsqueeze", "tensorflow.expand_dims", "numpy.expand_dims", "jax.numpy.expand_dims")
_CONTAINERS = frozenset("torch.nn.ModuleList torch.nn.ModuleDict torch.nn.ParameterList".split())
_KERAS_METHODS = frozenset({"predict", "predict_on_batch"})
_WRAPPERS = frozenset("to cuda cpu float double half long contiguous detach".split())
_JOINING = frozenset("torch.cat torch.concat torch.vstack tensorflow.concat numpy.concatenate numpy.vstack".split())
_STACKING = frozenset("torch.stack tensorflow.stack numpy.array numpy.stack".split())
_GRADIENTS = frozenset("backward manual_backward gradient grad zero_grad step".split())
_ONE_PART = ("[None", "newaxis", "+ 1]", "+1]", "+ 1,", "+1,")
_ONE = ("unsqueeze(", "expand_dims(", "view(1", "view((1", "reshape(1", "reshape((1", *_ONE_PART)
"""How a batch of one may be written: ``x[None]``, ``x[i:i + 1]``, ``x[i].unsqueeze(0)``."""
_REPEATING = (ast.For, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.Lambda)
_MEMORY = re.compile(r"memory|\boom\b|vram|too (big|large)|batch[ _]?size|one (by|at) (one|a time)", re.IGNORECASE)

NET = (
    "import torch\nfrom torch import nn\nnet = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).eval()\n"
    "x = torch.randn(20, 4)\n"
)


class PerSampleForward(Rule):
    """A network is called once for every sample of a batch, where one call takes the batch.

    ## Why
    A forward pass launches its kernels one after another; for one sample each of them takes less time than its launch
    (5 to 10 µs on a GPU), so the device stands idle most of the time. The batch takes as many launches as one sample.

    Reported are calls of modules and Keras models that are known to be such, on a batch of one sample
    (`x[i:i + 1]`, `x[i].unsqueeze(0)`, `x[i][None]`) of a tensor that is there as a whole.

    ## Fix safety
    Unsafe: batch normalization in training mode sees other statistics, dropout draws other masks, kernels for other
    batch sizes round differently, and the activations of all samples are in memory at once.

    ## Known limits
    Silent where the samples may have to come one by one: a gradient is taken in the loop, the loop may end early or
    carries something from round to round, the module keeps a state, or a comment in the loop speaks of memory.

    ## References
    - PyTorch documentation, "Performance Tuning Guide".
    """

    code, name = "ML126", "per-sample-forward"
    libraries = ("torch", "tensorflow", "keras")
    safety = Safety.UNSAFE
    triggers = (Node(*_REPEATING), Method("unsqueeze", "view", "reshape"), Call(*_EXPANDING))
    words = _ONE
    examples = (
        Example(
            given=NET,
            bad="out = torch.cat([net(x[i:i + 1]) for i in range(len(x))])",
            good="out = net(x)",
            equal="out",
            close=True,
        ),
        Example(
            given=NET,
            bad="out = torch.stack([net(v.unsqueeze(0)).squeeze(0) for v in x], dim=0)",
            good="out = net(x)",
            equal="out",
            close=True,
        ),
        Example(
            given=NET,
            bad="with torch.no_grad():\n    outs = [net(x[i][None]) for i in range(x.size(0))]",
            good="with torch.no_grad():\n    outs = list(net(x).split(1))",
            equal="outs[3], len(outs), outs[0].shape",
            close=True,
        ),
        Example(
            given=NET + "lin = nn.Linear(4, 3)\n",
            bad=(
                "outs = []\nfor i in range(x.shape[0]):\n    sample = x[i].unsqueeze(0)\n"
                "    outs.append(lin(sample)[0])\n"
                "out = torch.stack(outs)"
            ),
            good="outs = []\nouts.extend(lin(x))\nout = torch.stack(outs)",
            equal="out",
            close=True,
        ),
        Example(
            given=NET + "lin = nn.Linear(4, 3)\n",
            bad="out = torch.zeros(len(x), 3)\nfor i, v in enumerate(x):\n    y = lin(v.view(1, -1))\n"
            "    out[i] = y[0]",
            good="out = torch.zeros(len(x), 3)\nout[:len(x)] = lin(x)",
            equal="out",
            close=True,
        ),
        Example(
            bad=(
                "import torch\nfrom torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n"
                "        super().__init__()\n        self.body = nn.Linear(4, 3)\n\n"
                "    def forward(self, x):\n        return self.body(x)\n\n"
                "    def scores(self, x: torch.Tensor):\n        out = []\n        for i in range(x.size(0)):\n"
                "            out.append(self(x[i:i + 1]).max().item())\n        return out\n"
            ),
            note="what is done with each result has to be said for a batch: a report",
        ),
        Example(
            given=(
                "import numpy as np\nimport keras\n"
                "model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])\n"
                "x = np.random.rand(20, 4).astype('float32')\n"
            ),
            bad="out = np.concatenate([model.predict(x[i:i + 1], verbose=0) for i in range(len(x))])",
            good="out = model.predict(x, verbose=0)",
            equal="out.shape",
        ),
        Example(given=NET, ok="out = net(x)"),
        Example(given=NET, ok="out = net(x[0].unsqueeze(0))", note="one sample"),
        Example(given=NET, ok="out = torch.cat([net(x[i:i + 8]) for i in range(0, len(x), 8)])", note="batches"),
        Example(given=NET, ok="out = torch.cat([net(chunk) for chunk in x.split(1)])", note="settled there"),
        Example(
            given=NET,
            ok="def f(xs):\n    return [net(v.unsqueeze(0)) for v in xs]",
            note="a list, perhaps of samples of different sizes",
        ),
        Example(
            given=NET,
            ok="def f(xs: list[torch.Tensor]):\n    return [net(v.unsqueeze(0)) for v in xs]",
        ),
        Example(
            given=NET,
            ok=(
                "grads = []\nfor i in range(len(x)):\n    net.zero_grad()\n    net(x[i:i + 1]).sum().backward()\n"
                "    grads.append([p.grad.clone() for p in net.parameters()])"
            ),
            note="a gradient for each sample",
        ),
        Example(
            given=NET + "rnn = nn.LSTM(4, 5)\n",
            ok="h = None\nfor i in range(len(x)):\n    out, h = rnn(x[i:i + 1], h)",
            note="time steps, with a state",
        ),
        Example(given=NET + "rnn = nn.GRU(4, 5)\n", ok="outs = [rnn(x[i:i + 1])[0] for i in range(len(x))]"),
        Example(
            given=NET,
            ok="for i in range(len(x) - 1):\n    x[i + 1, :3] = net(x[i:i + 1])[0]",
            note="each output is the next input",
        ),
        Example(
            given=NET,
            ok="v = x[:1]\nfor i in range(20):\n    v = torch.cat([v, net(v[i:i + 1])], 1)",
        ),
        Example(
            given=NET,
            ok="out = []\nfor i in range(len(x)):\n    # one by one: all activations at once do not fit into memory\n"
            "    out.append(net(x[i:i + 1]))",
        ),
        Example(
            given=NET + "loss = nn.CrossEntropyLoss()\ny = torch.randint(3, (20,))\n",
            ok="z = net(x)\nlosses = [loss(z[i:i + 1], y[i:i + 1]) for i in range(len(x))]",
            note="a mean over the batch is something else",
        ),
        Example(
            ok=(
                "import torch\nfrom torch import nn\n\n\nclass Counter(nn.Module):\n    def forward(self, x):\n"
                "        self.state = x if self.state is None else self.state + x\n        return self.state\n\n\n"
                "def run(x: torch.Tensor):\n    c = Counter()\n    return [c(x[i:i + 1]) for i in range(len(x))]\n"
            ),
            note="it keeps a state",
        ),
        Example(
            given=NET,
            ok="for i in range(len(x)):\n    if net(x[i:i + 1]).max() > 3:\n        break",
        ),
        Example(
            given=NET,
            ok="nets = [net, net]\nouts = [m(x[i:i + 1]) for i, m in enumerate(nets)]",
            note="another network for each",
        ),
        Example(given=NET, ok="parts = [x[i:i + 1] for i in range(len(x))]"),
        Example(given=NET, ok="def f(g):\n    return [g(x[i:i + 1]) for i in range(len(x))]"),
        Example(
            given="import torch\nfrom torch import nn\nn = 100\nnet = nn.Linear(16, 16)\nx = torch.randn(n, 16)\n",
            bad="out = torch.cat([net(x[i:i + 1]) for i in range(len(x))])",
            good="out = net(x)",
            equal="out",
            close=True,
            bench=True,
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if isinstance(node, ast.Call):
            if _may_be_one(node) and ctx.tree.may_repeat(node, expressions=True):
                yield from self._at(node, ctx)
        elif ctx.tree.begins_repeating(node) and ctx.source.holds(_ONE_PART):
            for part in walk(node):
                if isinstance(part, ast.Subscript) and _may_be_one(part):
                    yield from self._at(part, ctx)

    def _at(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        """What is said of a batch of one sample."""
        for call in _fed(node, ctx):
            if not _is_forward(call, ctx):
                continue
            for loop in around(ctx.model, call):
                batches = Batches(loop)
                batch = batches.batch(call.args[0])
                if batch is None:
                    continue
                if _may_batch(call, batch, loop, ctx):
                    yield self._finding(call, batches, batch, ctx)
                break

    def _finding(self, call: ast.Call, batches: Batches, batch: Batch, ctx: Context) -> Finding:
        message = f"`{ctx.short(call.func)}` is called once for each sample of `{ctx.short(batch.data)}`"
        if batch.text is None:
            return ctx.finding(call, message, "call it once with the whole batch")
        rest = "".join(f", {ctx.text(part)}" for part in [*call.args[1:], *call.keywords])
        text = f"{ctx.text(call.func)}({batch.text}{rest})"
        found = reading(batches, call)
        where = kept(batches, call, found)
        fix = None if where is None or "\n" in text else _fix(text, call, found, where, ctx)
        return ctx.finding(call, message, f"call it once: `{text}`", fix)


def _may_be_one(node: ast.AST) -> bool:
    """Whether an expression looks like a batch of one sample: a look that costs nothing."""
    if isinstance(node, ast.Call):
        word = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if word in ("view", "reshape"):
            first = node.args[0] if node.args else None
            part = first.elts[0] if isinstance(first, ast.Tuple) and first.elts else first
            return isinstance(part, ast.Constant) and part.value == 1
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        zero = any(isinstance(argument, ast.Constant) and argument.value == 0 for argument in given)
        return word in ("unsqueeze", "expand_dims") and zero
    if not isinstance(node, ast.Subscript):
        return False
    part = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice
    if isinstance(part, ast.Constant):
        return part.value is None
    if isinstance(part, ast.Slice):
        return isinstance(part.lower, ast.Name) and isinstance(part.upper, ast.BinOp) and part.step is None
    return isinstance(part, (ast.List, ast.Attribute))


def _fed(node: ast.AST, ctx: Context) -> Iterator[ast.Call]:
    """The calls that an expression, or the name that it is assigned to, is the first argument of."""
    current = node
    while True:
        parent = ctx.tree.parent(current)
        outer = ctx.tree.parent(parent) if parent is not None else None
        if isinstance(parent, ast.Attribute) and parent.attr in _WRAPPERS and isinstance(outer, ast.Call):
            current = outer
            continue
        if isinstance(parent, ast.Call) and parent.args and parent.args[0] is current:
            yield parent
        elif isinstance(parent, ast.Assign) and len(parent.targets) == 1 and isinstance(parent.targets[0], ast.Name):
            name = parent.targets[0].id
            for statement in ctx.tree.following(parent):
                for inner in walk(statement):
                    if isinstance(inner, ast.Call) and inner.args:
                        first = inner.args[0]
                        if isinstance(first, ast.Name) and first.id == name:
                            yield inner
        return


def _is_forward(call: ast.Call, ctx: Context) -> bool:
    """Whether a call runs a network on its first argument."""
    func = call.func
    if isinstance(func, ast.Attribute):
        if func.attr in _KERAS_METHODS and ctx.is_a(func.value, KERAS_MODEL):
            return _is_stateless(ctx.kinds.of(func.value))
        if func.attr == "forward" and ctx.is_a(func.value, MODULE):
            func = func.value
    if ctx.dotted(func) is not None:
        return False
    kind = ctx.kinds.of(func)
    if not kind.is_a(MODULE, KERAS_MODEL) or kind.is_a(LOSS) or kind.name in _RECURRENT | _CONTAINERS:
        return False
    return _is_stateless(kind)


def _is_stateless(kind: Kind) -> bool:
    """Whether a module of the project sets none of its attributes in a forward pass."""
    if kind.alternatives:
        return all(_is_stateless(one) for one in kind.alternatives)
    definition = kind.definition if kind.definition is not None else kind.elsewhere[1] if kind.elsewhere else None
    if definition is None:
        return True
    for method in definition.body:
        if isinstance(method, FUNCTIONS) and method.name in ("forward", "call", "__call__"):
            for inner in walk(method):
                if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
                    return False
    return True


def _may_batch(call: ast.Call, batch: Batch, loop: SampleLoop, ctx: Context) -> bool:
    """Whether all samples are there before the first round, and the rounds have nothing to do with each other."""
    others = [call.func, batch.data, *call.args[1:], *(keyword.value for keyword in call.keywords)]
    if any(isinstance(part, ast.Starred) for part in call.args) or any(loop.varies(part) for part in others):
        return False
    if not ctx.is_a(batch.data, *_TENSORS) or ctx.flow.compiled(call):
        return False
    if loop.few(batch.data) or loop.leaves() or loop.changes(batch.data):
        return False
    for inner in walk(loop.node):
        word = inner.func if isinstance(inner, ast.Call) else None
        if isinstance(word, ast.Attribute) and word.attr in _GRADIENTS:
            return False
    return not _speaks_of_memory(loop, ctx)


def _speaks_of_memory(loop: SampleLoop, ctx: Context) -> bool:
    """Whether a comment in the loop, or right above it, says why the samples come one at a time."""
    statement = ctx.tree.statement(loop.node)
    lines = ctx.source.text.split("\n")[max(statement.lineno - 3, 0) : statement.end_lineno]
    return any("#" in line and _MEMORY.search(line.partition("#")[2]) for line in lines)


def _fix(text: str, call: ast.Call, found: Reading, where: Kept, ctx: Context) -> Fix | None:
    keras = isinstance(call.func, ast.Attribute) and call.func.attr in _KERAS_METHODS
    if (found.first or found.column is not None) and not keras and not _gives_tensor(call, ctx):
        return None  # the first of several outputs, perhaps
    values = f"{text}[:, {found.column}]" if found.column is not None else text
    if found.cast and found.cast != "item":
        return None
    if found.cast:
        values = f"{values}.flatten().tolist()"
    place = where.place
    if isinstance(place, ast.ListComp):
        return _listed(place, values, found, keras, ctx)
    if not isinstance(place, ast.For) or where.target is None:
        return None
    single = not found.first and not found.cast
    pieces = f"{values}[:, None]" if keras else f"{values}.split(1)"
    if where.how == "append" and (keras or _gives_tensor(call, ctx)):
        new = f"{ctx.text(where.target)}.extend({pieces if single else values})"
    elif where.how == "store" and found.first and ctx.is_a(where.target, *_TENSORS):
        clause = place.iter if isinstance(place.iter, ast.Call) and len(place.iter.args) == 1 else None
        dotted = None if clause is None else ctx.dotted(clause.func)
        if clause is None or dotted not in ("range", "enumerate"):
            return None
        end = ctx.text(clause.args[0]) if dotted == "range" else f"len({ctx.text(clause.args[0])})"
        new = f"{ctx.text(where.target)}[:{end}] = {values}"
    else:
        return None
    names = [inner.id for inner in walk(place) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)]
    safety = ctx.without(place, names, Safety.UNSAFE)
    if safety is None:
        return None

    def build() -> list[Edit]:
        return [ctx.edits.replace_statements([place], new)]

    return ctx.fix(build, safety, f"Replace the loop by `{new}`")


def _gives_tensor(call: ast.Call, ctx: Context) -> bool:
    """Whether a forward pass gives one tensor, and not several outputs."""
    if ctx.is_a(call, *_TENSORS):
        return True
    read = ctx.tree.parent(call)
    return isinstance(read, ast.Attribute) and read.attr == "squeeze"


def _listed(place: ast.ListComp, values: str, found: Reading, keras: bool, ctx: Context) -> Fix | None:
    outer = ctx.tree.parent(place)
    replaced: ast.expr = place
    single = not found.first and not found.cast
    joined = isinstance(outer, ast.Call) and outer.args[:1] == [place] and _along_zero(outer)
    dotted = ctx.dotted(outer.func) if isinstance(outer, ast.Call) and joined else None
    whole = dotted in _JOINING and single and found.column is None
    if isinstance(outer, ast.Call) and (whole or (dotted in _STACKING and found.first and not found.cast)):
        replaced, new = outer, values
    elif found.cast:
        new = values
    elif found.first:
        new = f"list({values})"
    elif keras:
        new = f"list({values}[:, None])"
    else:
        new = f"list({values}.split(1))"
        if isinstance(outer, ast.Call) and outer.args[:1] == [place] and not joined:
            return None

    def build() -> list[Edit]:
        return [ctx.edits.replace(replaced, new)]

    return ctx.fix(build, Safety.UNSAFE, f"Replace by `{new}`")


def _along_zero(call: ast.Call) -> bool:
    """Whether pieces are put together along the first dimension."""
    others = [*call.args[1:], *(k.value for k in call.keywords if k.arg in ("dim", "axis"))]
    known = all(k.arg in ("dim", "axis") for k in call.keywords)
    return known and all(isinstance(other, ast.Constant) and other.value == 0 for other in others)
