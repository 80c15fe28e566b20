from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from mlint.rule import NDARRAY, Call, Context, Edit, Example, Finding, LoopNode, Rule, Safety, walk

NUMPY = "import numpy as np\n"
RNG = NUMPY + "rows = [np.random.normal(size=4) for _ in range(20)]\n"
TORCH = "import torch\nchunks = [torch.rand(2, 3) for _ in range(10)]\n"
_JOINED_BY = {
    "numpy.append": "numpy.concatenate",
    "numpy.concatenate": "numpy.concatenate",
    "numpy.vstack": "numpy.vstack",
    "numpy.hstack": "numpy.hstack",
    "numpy.row_stack": "numpy.vstack",
    "torch.cat": "torch.cat",
    "torch.concat": "torch.cat",
    "torch.vstack": "torch.vstack",
    "torch.hstack": "torch.hstack",
}
_SHORT = 8
_DEPTH = 6
_DISTINCT = frozenset({"numpy.unique", "torch.unique", "torch.unique_consecutive", "pandas.unique"})
_OF_ONE_LENGTH = frozenset(
    "enumerate reversed sorted list tuple tqdm.tqdm tqdm.auto.tqdm numpy.sort numpy.flip numpy.cumsum numpy.asarray "
    "torch.cumsum torch.sort torch.flip".split()
)


class _Growth(NamedTuple):
    loop: LoopNode
    statement: ast.Assign
    name: ast.Name
    part: ast.expr | None
    axis: ast.expr | None
    fixable: bool


class ArrayGrownInLoop(Rule):
    """An array that is joined with one more piece in each round is copied as a whole each time.

    ## Why
    `np.append`, `np.concatenate` and `torch.cat` make a new array of all that there is. Over n rounds the pieces that
    came first are copied n times: 1 + 2 + … + n pieces are moved where n would do. A Python list only keeps references,
    and one call after the loop copies every piece once.

    ## Fix safety
    Safe where the array and the pieces are proven to have one dtype, the array is made right in front of the loop and
    nobody else has it, and the loop runs nothing that could change a piece once it is joined or look at the array while
    it grows. Otherwise unsafe: a piece that is changed later is seen as it is after the loop, joining step by step and
    joining at once may promote mixed dtypes in another way, a loop without a round leaves a copy of the array in place
    of the array, and code that reads the array when the loop has raised finds it without the pieces.

    ## References
    - NumPy documentation, `numpy.append`: "Append does not occur in-place: a new array is allocated and filled."
    - PyTorch documentation, `torch.cat`.

    ## When to ignore
    Where every round needs the array as it is so far, and where there are few rounds: over a short literal, the
    distinct values of an array, or a parameter whose default is short. Such loops are not reported.
    """

    code, name = "ML119", "array-grown-in-loop"
    libraries = ("numpy", "torch")
    version_guards = False  # no version makes the loop any better
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Call(*_JOINED_BY),)
    examples = (
        Example(
            given=RNG,
            bad="x = np.zeros(0)\nfor r in rows:\n    x = np.append(x, r.sum())",
            good=(
                "x = np.zeros(0)\nx_parts = [np.ravel(x)]\nfor r in rows:\n    x_parts.append(np.ravel(r.sum()))\n"
                "x = np.concatenate(x_parts)"
            ),
            equal="x",
            safety="unsafe",
        ),
        Example(
            given=NUMPY,
            bad=(
                "x = np.zeros((1, 3))\nfor i in range(20):\n    row = np.random.normal(size=(2, 3))\n"
                "    x = np.concatenate([x, row])"
            ),
            good=(
                "x = np.zeros((1, 3))\nx_parts = [x]\nfor i in range(20):\n    row = np.random.normal(size=(2, 3))\n"
                "    x_parts.append(row)\nx = np.concatenate(x_parts)"
            ),
            equal="x",
            safety="safe",
        ),
        Example(
            given=RNG,
            bad=(
                "def load(rows):\n    out = np.empty((0, 4))\n    for r in rows:\n        # one more\n"
                "        out = np.vstack((out, r))  # grows\n    return out\ny = load(rows)"
            ),
            good=(
                "def load(rows):\n    out = np.empty((0, 4))\n    out_parts = [out]\n"
                "    for r in rows:\n        # one more\n"
                "        out_parts.append(r)  # grows\n    out = np.vstack(out_parts)\n    return out\ny = load(rows)"
            ),
            equal="y",
            safety="unsafe",
        ),
        Example(
            given=TORCH,
            bad="x = torch.empty(0, 3)\nfor c in chunks:\n    x = torch.cat([x, c * 2], dim=0)",
            good=(
                "x = torch.empty(0, 3)\nx_parts = [x]\nfor c in chunks:\n    x_parts.append(c * 2)\n"
                "x = torch.cat(x_parts, dim=0)"
            ),
            equal="x",
            safety="unsafe",
        ),
        Example(
            given=RNG,
            bad="x = np.zeros((4, 1))\nfor r in rows:\n    x = np.append(x, r.reshape(4, 1), axis=1)",
            good=(
                "x = np.zeros((4, 1))\nx_parts = [x]\nfor r in rows:\n    x_parts.append(r.reshape(4, 1))\n"
                "x = np.concatenate(x_parts, axis=1)"
            ),
            equal="x",
            safety="safe",
        ),
        Example(
            given=NUMPY,
            bad="x = np.zeros(0)\nb = np.ones(2)\nfor i in range(20):\n    x = np.concatenate([x, b])\n    b[0] = i",
            note="`b` is changed after it was joined: the list would hold it as it is at the end",
        ),
        Example(
            given=NUMPY,
            bad="x = np.zeros(0)\nfor i in range(20):\n    x = np.append(x, i * 1.5)",
            good=(
                "x = np.zeros(0)\nx_parts = [np.ravel(x)]\nfor i in range(20):\n"
                "    x_parts.append(np.ravel(i * 1.5))\nx = np.concatenate(x_parts)"
            ),
            equal="x",
            safety="safe",
        ),
        Example(
            given=RNG + "m = int(np.random.randint(0, 2))\nb = np.ones(2)\n",
            bad="x = np.zeros(0)\ny = x\nfor i in range(m):\n    x = np.concatenate([x, b])",
            good=(
                "x = np.zeros(0)\ny = x\nx_parts = [x]\nfor i in range(m):\n    x_parts.append(b)\n"
                "x = np.concatenate(x_parts)"
            ),
            equal="x",
            safety="unsafe",
            note="without a round `x` stays `y`",
        ),
        Example(
            given=RNG + "b = np.ones(2)\nsizes = []\n",
            bad=(
                "x = np.zeros(0)\ndef report():\n    sizes.append(len(x))\nfor i in range(20):\n"
                "    x = np.concatenate([x, b])\n    report()"
            ),
            good=(
                "x = np.zeros(0)\ndef report():\n    sizes.append(len(x))\nx_parts = [x]\nfor i in range(20):\n"
                "    x_parts.append(b)\n    report()\nx = np.concatenate(x_parts)"
            ),
            equal="x",
            safety="unsafe",
            note="a function watches it grow",
        ),
        Example(
            given=RNG + "b = np.ones(2)\nc = b\n",
            bad="x = np.zeros(0)\nfor i in range(20):\n    x = np.concatenate([x, b])\n    np.copyto(c, i)",
            good=(
                "x = np.zeros(0)\nx_parts = [x]\nfor i in range(20):\n    x_parts.append(b)\n"
                "    np.copyto(c, i)\nx = np.concatenate(x_parts)"
            ),
            equal="x.shape",
            safety="unsafe",
            note="a piece is changed under another name",
        ),
        Example(
            given=RNG,
            bad="x = None\nfor r in rows:\n    if x is None:\n        x = r\n    else:\n        x = np.hstack([x, r])",
            note="true, but there is no one place to start the list at: no fix",
        ),
        Example(
            given=TORCH,
            ok=(
                "def generate(model, ids):\n    for _ in range(20):\n        step = model(ids)[:, -1:]\n"
                "        ids = torch.cat([ids, step], dim=1)\n    return ids"
            ),
            note="autoregressive decoding reads what there is",
        ),
        Example(given=RNG, ok="for r in rows:\n    x = np.zeros(4)\n    x = np.append(x, r)\n    print(x)"),
        Example(given=RNG, ok="x = np.zeros(0)\nwhile len(x) < 20:\n    x = np.append(x, 1.0)"),
        Example(
            given=RNG,
            ok="def f(rows):\n    x = np.zeros(0)\n    for r in rows:\n        x = np.append(x, r)\n        yield x",
        ),
        Example(given=RNG, ok="x = np.zeros(0)\nfor r in rows:\n    y = np.append(x, r)\n    print(y)"),
        Example(given=RNG, ok="x = []\nfor r in rows:\n    x.append(r)\nx = np.concatenate(x)"),
        Example(
            given=RNG, ok="x = np.zeros(0)\nfor k in range(3):\n    x = np.append(x, rows[k])", note="three rounds"
        ),
        Example(given=RNG, ok="x = np.zeros(0)\nx = np.append(x, rows[0])"),
        Example(given=TORCH, ok="x = chunks[0]\nfor c in chunks:\n    x = torch.cat([x, c]).relu()"),
        Example(given=TORCH, ok="for c in chunks:\n    c = torch.cat([c, c])\n    print(c)"),
        Example(given=RNG, ok="x = rows[0]\nfor i, r in enumerate(rows):\n    x = np.append(x[:3], r)"),
        Example(
            given="import numpy as np\nn = 1000\na = np.random.normal(size=n)\nb = np.random.normal(size=n)\n",
            bad="out = np.zeros(0)\nfor i in range(n):\n    out = np.concatenate([out, a[i : i + 1]])",
            good=(
                "out = np.zeros(0)\n"
                "out_parts = [out]\n"
                "for i in range(n):\n"
                "    out_parts.append(a[i : i + 1])\n"
                "out = np.concatenate(out_parts)"
            ),
            equal="out",
            close=True,
            bench=True,
        ),
        Example(
            given="import torch\n",
            bad=(
                "def embed(net, batches):\n    if torch.__version__ < '2.0':\n        return None\n"
                "    out = torch.empty(0)\n    for batch in batches:\n        out = torch.cat((out, net(batch)))\n"
                "    return out\n"
            ),
            good=(
                "def embed(net, batches):\n    if torch.__version__ < '2.0':\n        return None\n"
                "    out = torch.empty(0)\n    out_parts = [out]\n    for batch in batches:\n"
                "        out_parts.append(net(batch))\n    out = torch.cat(out_parts)\n    return out\n"
            ),
            safety="unsafe",
            note="whatever the version",
        ),
        Example(
            given="import numpy as np\n",
            ok=(
                "def folds(y, groups, model):\n    out = np.empty(0)\n    names = np.sort(np.unique(groups))\n"
                "    for name in names:\n        out = np.concatenate([out, model.predict(y[groups == name])])\n"
                "    return out\n"
            ),
            note="a round for each group",
        ),
        Example(
            given="import torch\nfrom torch import nn\n",
            ok=(
                "class Net(nn.Module):\n    def __init__(self, kinds=('a', 'b')):\n        super().__init__()\n"
                "        self.kinds = kinds\n\n    def forward(self, x):\n        out = x\n"
                "        for kind in self.kinds:\n            out = torch.cat([out, self.embed(kind)], dim=1)\n"
                "        return out\n"
            ),
            note="two rounds, unless told otherwise",
        ),
        Example(
            given="import torch\n",
            ok=(
                "def crops(net, x):\n    ends = torch.cumsum(torch.unique_consecutive(\n"
                "        torch.tensor([v.shape[-1] for v in x]), return_counts=True)[1], 0)\n"
                "    start, out = 0, torch.empty(0)\n    for end in ends:\n"
                "        out = torch.cat((out, net(torch.cat(x[start:end]))))\n        start = end\n    return out\n"
            ),
        ),
    )

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        growth = self._read(node, ctx)
        if growth is None:
            return
        name = growth.name.id
        joined = ctx.names.spell(_JOINED_BY[str(ctx.dotted(node.func))], node)[0]
        fix = None
        parts = f"{name}_parts"
        part = growth.part
        if growth.fixable and part is not None and ctx.names.is_free(parts, node):
            loop, statement = growth.loop, growth.statement
            flat = ctx.dotted(node.func) == "numpy.append" and growth.axis is None
            piece, first = " ".join(ctx.text(part).split()), name
            if flat:
                ravel = ctx.names.spell("numpy.ravel", node)[0]
                piece, first = f"{ravel}({piece})", f"{ravel}({name})"
            axis = ""
            if growth.axis is not None:
                keyword = "dim" if joined.startswith("torch") or "torch" in str(ctx.dotted(node.func)) else "axis"
                axis = f", {keyword}={ctx.text(growth.axis)}"

            def build() -> list[Edit]:
                return [
                    ctx.edits.insert_before(loop, f"{parts} = [{first}]"),
                    ctx.edits.replace_statements([statement], f"{parts}.append({piece})"),
                    ctx.edits.insert_after(loop, f"{name} = {joined}({parts}{axis})"),
                ]

            safety = Safety.SAFE if self._one_dtype(growth, flat, ctx) else Safety.UNSAFE
            fix = ctx.fix(build, safety, f"Collect the pieces in `{parts}` and join them after the loop")
        yield ctx.finding(
            growth.statement,
            f"`{ctx.short(growth.statement, 60)}` copies all of `{name}` in every round of the loop",
            f"collect the pieces in a list and call `{joined}` once after the loop",
            fix,
        )

    def _read(self, call: ast.Call, ctx: Context) -> _Growth | None:
        if not ctx.tree.may_repeat(call):
            return None
        statement = ctx.tree.parent(call)
        if not isinstance(statement, ast.Assign) or statement.value is not call or len(statement.targets) != 1:
            return None
        target = statement.targets[0]
        loop = ctx.flow.loop(statement)
        if not isinstance(target, ast.Name) or loop is None or ctx.flow.compiled(call) or ctx.open_ended(call):
            return None
        if self._few_rounds(loop, ctx):
            return None
        pieces, axis, plain = self._pieces(call, ctx)
        own = [piece for piece in pieces if isinstance(piece, ast.Name) and piece.id == target.id]
        if len(own) != 1:
            return None
        guard = self._other_uses(loop, statement, own[0], target.id, ctx)
        if guard is None:
            return None
        before = [b for b in ctx.reaching.at(loop, target.id) if not self._inside(b.node, loop, ctx)]
        if not before or any(b.how in ("global", "nonlocal", "for") for b in before):
            return None
        others = [piece for piece in pieces if piece is not own[0]]
        part = others[0] if len(others) == 1 and pieces[0] is own[0] else None
        several_lines = part is not None and "\n" in ctx.text(part)
        if several_lines and any(isinstance(n, ast.Constant) and isinstance(n.value, str) for n in walk(part or call)):
            plain = False
        declared = {b.how for b in ctx.names.bindings(ctx.tree.scope(statement)).get(target.id, ())}
        changed = part is not None and _is_changed(part, loop)
        fixable = plain and guard and not changed and not declared & {"global", "nonlocal"}
        return _Growth(loop, statement, target, part, axis, fixable)

    def _few_rounds(self, loop: LoopNode, ctx: Context) -> bool:
        if isinstance(loop, ast.While):
            return False
        iterated = loop.iter
        if isinstance(iterated, ast.Call) and isinstance(iterated.func, ast.Name) and iterated.func.id == "range":
            stop = iterated.args[0] if len(iterated.args) == 1 else None
            return isinstance(stop, ast.Constant) and isinstance(stop.value, int) and stop.value <= _SHORT
        return self._is_short(iterated, ctx)

    def _is_short(self, iterated: ast.expr, ctx: Context, depth: int = 0) -> bool:
        """Whether something has few elements: a literal, the distinct values of an array, or a parameter of the class
        that has a few values unless it is told otherwise.
        """
        if depth > _DEPTH:
            return False
        if isinstance(iterated, (ast.List, ast.Tuple, ast.Set)):
            return len(iterated.elts) <= _SHORT
        if isinstance(iterated, ast.Subscript):
            return self._is_short(iterated.value, ctx, depth + 1)
        if isinstance(iterated, ast.Name):
            bindings = ctx.reaching.of(iterated) or ()
            return bool(bindings) and all(
                b.how == "assign" and not b.path and b.value is not None and self._is_short(b.value, ctx, depth + 1)
                for b in bindings
            )
        if isinstance(iterated, ast.Call):
            dotted = ctx.dotted(iterated.func)
            if dotted in _DISTINCT:
                return True
            if isinstance(iterated.func, ast.Attribute) and iterated.func.attr == "unique" and not iterated.args:
                return True
            return dotted in _OF_ONE_LENGTH and bool(iterated.args) and self._is_short(iterated.args[0], ctx, depth + 1)
        return isinstance(iterated, ast.Attribute) and self._is_short_parameter(iterated, ctx)

    def _is_short_parameter(self, attribute: ast.Attribute, ctx: Context) -> bool:
        """Whether `self.x`, or `self.config.x`, is named after a parameter whose default has few elements."""
        root: ast.expr = attribute
        while isinstance(root, ast.Attribute):
            root = root.value
        owner = ctx.tree.class_of(attribute)
        if owner is None or not isinstance(root, ast.Name) or root.id != "self":
            return False
        for statement in owner.body:
            if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
                given = statement.args
                defaults = dict(zip([a.arg for a in (*given.posonlyargs, *given.args)][::-1], given.defaults[::-1]))
                defaults |= {a.arg: d for a, d in zip(given.kwonlyargs, given.kw_defaults) if d is not None}
                default = defaults.get(attribute.attr)
                return isinstance(default, (ast.List, ast.Tuple)) and len(default.elts) <= _SHORT
        return False

    def _pieces(self, call: ast.Call, ctx: Context) -> tuple[list[ast.expr], ast.expr | None, bool]:
        """What is joined, along which axis, and whether nothing else is asked for."""
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        axis = keywords.pop("axis", None) or keywords.pop("dim", None)
        if ctx.dotted(call.func) == "numpy.append":
            if len(call.args) not in (2, 3):
                return [], None, False
            axis = axis if len(call.args) == 2 else call.args[2]
            return call.args[:2], axis, not keywords
        if not call.args or not isinstance(call.args[0], (ast.List, ast.Tuple)):
            return [], None, False
        if len(call.args) == 2:
            axis = call.args[1]
        constant = axis is None or isinstance(axis, (ast.Constant, ast.UnaryOp, ast.Name))
        return list(call.args[0].elts), axis, not keywords and constant and len(call.args) <= 2

    def _other_uses(self, loop: LoopNode, statement: ast.Assign, own: ast.expr, name: str, ctx: Context) -> bool | None:
        """True if the loop does nothing else with the name; False if it only starts it in another branch
        (`if x is None: x = r`); None if it reads or sets it.
        """
        first = self._first_branch(statement, name, ctx)
        for inner in walk(loop):
            if not isinstance(inner, ast.Name) or inner.id != name or inner is own or inner is statement.targets[0]:
                continue
            if first is None or not any(ancestor is first for ancestor in ctx.tree.ancestors(inner)):
                return None
        return first is None

    def _first_branch(self, statement: ast.Assign, name: str, ctx: Context) -> ast.If | None:
        """The `if x is None: x = r` whose other branch the statement is."""
        parent = ctx.tree.parent(statement)
        if not isinstance(parent, ast.If) or not ctx.flow.reads(
            name, [ast.copy_location(ast.Expr(parent.test), parent)]
        ):
            return None
        branches = [parent.body, parent.orelse]
        if branches[0] == [statement]:
            branches.reverse()
        if branches[1] != [statement] or len(branches[0]) != 1:
            return None
        other = branches[0][0]
        if not isinstance(other, ast.Assign) or ctx.flow.reads(name, [other]):
            return None
        return parent if isinstance(other.targets[0], ast.Name) and other.targets[0].id == name else None

    def _inside(self, node: ast.AST, loop: LoopNode, ctx: Context) -> bool:
        return any(ancestor is loop for ancestor in ctx.tree.ancestors(node))

    def _unseen(self, growth: _Growth, ctx: Context) -> bool:
        """Whether somebody may see the array while it grows, or change a piece before all are joined, or hold the array
        that there was before a loop without a round.
        """
        name, loop = growth.name.id, growth.loop
        for binding in ctx.reaching.at(loop, name):
            if self._inside(binding.node, loop, ctx):
                continue
            made = binding.node
            if not isinstance(made, ast.Assign) or len(made.targets) != 1 or made not in ctx.tree.block(loop):
                return True
            value = binding.value
            if value is None or isinstance(value, ast.Name) or not ctx.elementwise.memory.fresh(value):
                return True
            block = ctx.tree.block(loop)
            between = block[block.index(made) + 1 : block.index(loop)]
            if any(isinstance(inner, ast.Name) and inner.id == name for part in between for inner in walk(part)):
                return True
        if ctx.is_quiet(loop):
            return False
        part = growth.part
        immutable = part is not None and ctx.kinds.of(part).name in ("float", "int", "bool")
        if not immutable and not (isinstance(part, (ast.Call, ast.BinOp)) and ctx.elementwise.memory.fresh(part)):
            return True
        return ctx.read_elsewhere(loop, name)

    def _one_dtype(self, growth: _Growth, flat: bool, ctx: Context) -> bool:
        """Whether the array and the pieces are proven to be of one dtype, and no exception can be seen to be caught."""
        if any(isinstance(ancestor, ast.Try) for ancestor in ctx.tree.ancestors(growth.loop)):
            return False
        call = growth.statement.value
        if isinstance(call, ast.Call) and "stack" in str(ctx.dotted(call.func)):
            return False
        bindings = ctx.reaching.at(growth.loop, growth.name.id)
        kinds = [ctx.kinds.binding(b) for b in bindings if not self._inside(b.node, growth.loop, ctx)]
        part = ctx.kinds.of(growth.part)
        if len({kind.dtype for kind in kinds}) != 1 or not all(kind.is_a(NDARRAY) for kind in kinds):
            return False
        if flat and any(kind.ndim != 1 for kind in kinds):
            return False
        if self._unseen(growth, ctx):
            return False
        if part.is_a(NDARRAY):
            return part.dtype is not None and part.dtype == kinds[0].dtype
        return flat and {"float": "float64", "int": "int64", "bool": "bool"}.get(part.name) == kinds[0].dtype


def _is_changed(part: ast.expr, loop: LoopNode) -> bool:
    """Whether the loop changes the array that a piece is, or is a part of, in place."""
    names = {node.id for node in walk(part) if isinstance(node, ast.Name)}
    for node in walk(loop):
        target = node.target if isinstance(node, ast.AugAssign) else node
        if not isinstance(target, (ast.Subscript, ast.Attribute, ast.Name)):
            continue
        if target is node and (isinstance(target, ast.Name) or not isinstance(target.ctx, ast.Store)):
            continue
        root: ast.expr = target
        while isinstance(root, (ast.Subscript, ast.Attribute)):
            root = root.value
        if isinstance(root, ast.Name) and root.id in names:
            return True
    return False
