from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Call, Context, Example, Finding, Fix, Node, Rule, Safety, walk_scope

_LISTING = ("list", "tuple", "enumerate")
_WHAT = {
    "cut": "is cut into parts",
    "numbered": "gives out the numbers",
    "drawn": "is shuffled or drawn from",
}


class SetOrderUsedAsIds(Rule):
    """The order of a set becomes class numbers, a vocabulary or a split, and differs in every process.

    ## Why
    Python salts the hashes of strings in each process, so `list({"cat", "dog"})` comes out in another order after a
    restart. A model that was trained with numbers from such an order decodes its outputs to the wrong labels when it is
    loaded again, and a seeded shuffle of it is another shuffle.

    ## Fix safety
    Unsafe: the order changes once, and then stays. Elements of mixed types cannot be sorted.

    ## Known limits
    Sets that certainly hold integers only are left alone: CPython keeps their order from run to run. Only uses within
    the function, or of an attribute within its class, are followed.

    ## References
    - Python documentation, `PYTHONHASHSEED` and `object.__hash__`.
    """

    code, name = "ML319", "set-order-used-as-ids"
    libraries = ("numpy", "pandas", "torch", "sklearn", "tensorflow", "keras")
    safety = Safety.UNSAFE
    triggers = (Call("set"), Node(ast.SetComp))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, (ast.Call, ast.SetComp))
        if isinstance(node, ast.Call) and (len(node.args) != 1 or node.keywords):
            return
        parent = ctx.tree.parent(node)
        if isinstance(parent, ast.Assign):
            yield from self._held(node, parent, ctx)
            return
        listed = isinstance(parent, ast.Call) and ctx.dotted(parent.func) in ("list", "tuple", "enumerate", "zip")
        if not listed or _integers(node, ctx) or _of_sets(node):
            return
        use = ctx.model.order.use(node)
        if use not in _WHAT:
            return
        outer = parent if isinstance(parent, ast.Call) and ctx.dotted(parent.func) == "list" else node
        fix = ctx.fix(lambda: ctx.edits.replace(outer, "sorted($set)", set=node), Safety.UNSAFE, "Sort it")
        yield ctx.finding(
            node, f"the order of `{ctx.short(node)}`, which differs in every process, {_WHAT[use]}", "use `sorted`", fix
        )  # fmt: skip

    def _held(self, made: ast.Call | ast.SetComp, assignment: ast.Assign, ctx: Context) -> Iterator[Finding]:
        """A set under a name that is listed or numbered later."""
        target = assignment.targets[0]
        if len(assignment.targets) != 1 or not isinstance(target, ast.Name) or _of_sets(made):
            return
        for call in walk_scope(ctx.tree.scope(assignment)):
            if not isinstance(call, ast.Call) or not call.args or ctx.dotted(call.func) not in _LISTING:
                continue
            read = call.args[0]
            if not isinstance(read, ast.Name) or read.id != target.id:
                continue
            if [binding.node for binding in ctx.reaching.of(read) or ()] != [assignment]:
                continue
            use = ctx.model.order.use(read)
            if use in _WHAT and not _integers(made, ctx):
                outer = call if ctx.dotted(call.func) == "list" else read
                yield ctx.finding(
                    read,
                    f"the order of the set `{read.id}`, which differs in every process, {_WHAT[use]}",
                    "use `sorted`",
                    _sorted(outer, read, ctx),
                )
                return

    examples = (
        Example(
            given="import random\nimport numpy as np\nwords = ['b', 'a', 'b']\nrandom.seed(0)\n",
            bad="names = set(words)\nnames.add('c')\norder = list(names)\nrandom.shuffle(order)",
            good="names = set(words)\nnames.add('c')\norder = sorted(names)\nrandom.shuffle(order)",
            equal="sorted(order)",
            note="held by a name in between",
        ),
        Example(
            given="import numpy as np\nfrom sklearn.model_selection import train_test_split\n",
            bad=(
                "def parts(rows):\n    ids = {row['id'].lower() for row in rows}\n"
                "    return train_test_split(list(ids), random_state=0)"
            ),
            good=(
                "def parts(rows):\n    ids = {row['id'].lower() for row in rows}\n"
                "    return train_test_split(sorted(ids), random_state=0)"
            ),
        ),
        Example(
            given="import torch\n",
            bad="def ids(words):\n    known = set(words)\n    return {w: i for i, w in enumerate(known)}",
            good="def ids(words):\n    known = set(words)\n    return {w: i for i, w in enumerate(sorted(known))}",
        ),
        Example(
            given="import torch\n",
            ok=(
                "def mixed(names, result, layers):\n    unique = set(names)\n    places = []\n    for name in unique:\n"
                "        places.append([i for i, n in enumerate(names) if n == name])\n"
                "    for i, name in enumerate(unique):\n        result[places[i]] = layers[name]\n    return result\n"
            ),
            note="gone through twice in the same order",
        ),
        Example(
            given="import torch\n",
            ok="def show(words):\n    known = set(words)\n    print(list(known))\n    return len(list(known))",
        ),
        Example(
            given="import torch\n",
            ok="def ids(words):\n    known = set(words)\n    known = sorted(known)\n"
            "    return {w: i for i, w in enumerate(known)}",
        ),
        Example(
            given="import torch\n",
            ok="def ids(words):\n    known = set(words)\n    order = list(known)\n    order.sort()\n"
            "    return order[:3], order[3:]",
        ),
        Example(
            given="import torch\nwords = ['b', 'a', 'b']",
            bad="vocabulary = {word: i for i, word in enumerate(set(words))}",
            good="vocabulary = {word: i for i, word in enumerate(sorted(set(words)))}",
            equal="sorted(vocabulary)",
        ),
        Example(
            given="import numpy as np\nlabels = ['b', 'a', 'b']",
            bad="classes = list(set(labels))\nids = [classes.index(label) for label in labels]",
            good="classes = sorted(set(labels))\nids = [classes.index(label) for label in labels]",
            equal="len(ids)",
        ),
        Example(
            given="import pandas as pd",
            bad="def encode(df):\n    ids = {}\n    for i, name in enumerate(list(set(df['name']))):\n"
            "        ids[name] = i\n    return ids",
            good="def encode(df):\n    ids = {}\n    for i, name in enumerate(sorted(set(df['name']))):\n"
            "        ids[name] = i\n    return ids",
        ),
        Example(
            given="import numpy as np",
            bad="def split(users, n):\n    users = list({u.name for u in users})\n    return users[:n], users[n:]",
            good="def split(users, n):\n    users = sorted({u.name for u in users})\n    return users[:n], users[n:]",
        ),
        Example(
            given="import torch",
            bad=(
                "class Vocab:\n    def __init__(self, text):\n        self.chars = list(set(text))\n"
                "        self.ids = {c: i for i, c in enumerate(self.chars)}"
            ),
            good=(
                "class Vocab:\n    def __init__(self, text):\n        self.chars = sorted(set(text))\n"
                "        self.ids = {c: i for i, c in enumerate(self.chars)}"
            ),
        ),
        Example(
            given="import torch", ok="def vocab(text):\n    return {c: i for i, c in enumerate(sorted(set(text)))}"
        ),
        Example(given="import torch", ok="def unique(words):\n    found = list(set(words))\n    return len(found)"),
        Example(
            given="import torch",
            ok="def vocab(text):\n    chars = list(set(text))\n    chars.sort()\n"
            "    return {c: i for i, c in enumerate(chars)}",
        ),
        Example(
            given="import torch",
            ok="def show(words):\n    for i, word in enumerate(set(words)):\n        print(i, word)",
        ),
        Example(
            given="import numpy as np",
            ok="def embed(words, model):\n    found = list(set(words))\n"
            "    return dict(zip(found, model.encode(found)))",
        ),
        Example(
            given="import numpy as np",
            ok="def groups(rows):\n    found = list({frozenset(row) for row in rows})\n    return found[:2]\n",
            note="sets have no order that could be sorted by",
        ),
        Example(given="import torch", ok="ids = list(set(range(10)))\nprint(ids[:3])"),
        Example(given="import torch", ok="def num(keys):\n    return list(set(int(k) for k in keys))[-1:]"),
    )


def _integers(node: ast.Call | ast.SetComp, ctx: Context) -> bool:
    """Whether a set certainly holds integers only."""
    if isinstance(node, ast.SetComp):
        return ctx.kinds.of(node.elt).name in ("int", "bool")
    argument = node.args[0]
    if isinstance(argument, (ast.GeneratorExp, ast.ListComp)):
        return ctx.kinds.of(argument.elt).name in ("int", "bool")
    return ctx.kinds.elements(argument).name in ("int", "bool")


def _of_sets(node: ast.Call | ast.SetComp) -> bool:
    """Whether the elements are sets themselves."""
    element = node.elt if isinstance(node, ast.SetComp) else node.args[0]
    if isinstance(element, (ast.GeneratorExp, ast.ListComp)):
        element = element.elt
    elif not isinstance(node, ast.SetComp):
        return False
    return isinstance(element, ast.Call) and isinstance(element.func, ast.Name) and element.func.id == "frozenset"


def _sorted(outer: ast.expr, held: ast.expr, ctx: Context) -> Fix:
    return ctx.fix(lambda: ctx.edits.replace(outer, "sorted($set)", set=held), Safety.UNSAFE, "Sort it")
