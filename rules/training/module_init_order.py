from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeGuard

from mlint.rule import LOSS, MODULE, Context, Edit, Example, Finding, Fix, Node, Rule, Safety, walk, walk_statements

GIVEN = "import torch\nfrom torch import nn\n"
_LIBRARY = frozenset(
    "torch.nn.Module lightning.pytorch.LightningModule pytorch_lightning.LightningModule "
    "lightning.LightningModule".split()
)


def _makes_before_start(init: ast.FunctionDef) -> bool:
    """Whether something that is called is assigned to an attribute before the base is initialised."""
    for statement in walk_statements(init.body):
        if isinstance(statement, ast.Call):
            if _starts(statement):
                return False
        elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
            if any(isinstance(target, ast.Attribute) for target in statement.targets):
                return True
    return False


class ModuleInitOrder(Rule):
    """A module gets its first layer before `super().__init__()` has run: this raises AttributeError.

    ## Why
    `nn.Module.__init__` makes the tables in which layers and parameters are registered. Before that, an assignment of
    a module or a parameter to an attribute raises "cannot assign module before Module.__init__() call", whenever the
    class is instantiated. Without any call of the base's `__init__` it does so in any case.

    ## Fix safety
    Safe: the original raises. `super().__init__()` is put, or moved, to the top of `__init__`. There is no fix where it
    takes arguments that are computed before, or where a base of the project may read what has been assigned.

    ## Known limits
    Only classes with one base, which is `nn.Module`, `LightningModule`, or a class of the file that comes from these.

    ## References
    - PyTorch documentation, `torch.nn.Module`: "an __init__() call to the parent class must be made before assignment
      on the child".
    """

    code, name = "ML411", "module-init-order"
    libraries = ("torch",)
    words = ("Module",)
    in_tests = True
    safety = Safety.SAFE
    triggers = (Node(ast.ClassDef),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.ClassDef)
        if len(node.bases) != 1 or node.decorator_list or node.keywords:
            return
        init = next((part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None)
        if init is None or init.decorator_list or not init.args.args:
            return
        if not _makes_before_start(init):
            return  # nearly always: that costs a look at the first statements
        if MODULE not in ctx.kinds.bases(node) or not self._plain(node, ctx):
            return
        stored = next(self._registered(init, ctx), None)
        if stored is None:
            return
        started = [inner for inner in walk(node) if _starts(inner)]
        inside = [inner for inner in started if ctx.tree.function(inner) is init]
        if not started:
            yield ctx.finding(
                stored,
                f"`{node.name}.__init__` never calls that of its base: assigning `{ctx.short(stored)}` raises",
                "call `super().__init__()` first",
                self._insert(node, init, ctx),
            )
        elif len(inside) == 1 and len(started) == 1 and inside[0].lineno > stored.lineno:
            statement = ctx.tree.statement(inside[0])
            if statement not in init.body:
                return
            yield ctx.finding(
                stored,
                f"`{ctx.short(stored)}` is assigned before `{ctx.short(inside[0])}`, which raises",
                "call it first",
                self._move(node, init, statement, inside[0], ctx),
            )

    def _plain(self, node: ast.ClassDef, ctx: Context) -> bool:
        """Whether nobody else sees to the tables: all classes above are plain ones, and attributes are set as usual."""
        for place, owner in ctx.model.callees.lineage(node):
            for base in owner.bases:
                if place.names.dotted(base) not in _LIBRARY and place.kinds.local_class(base) is None:
                    return False
            for part in owner.body:
                if isinstance(part, ast.FunctionDef) and part.name in ("__new__", "__setattr__", "__getattr__"):
                    return False
        return True

    def _registered(self, init: ast.FunctionDef, ctx: Context) -> Iterator[ast.Attribute]:
        """The attributes of self that are assigned a layer or a parameter, in their order."""
        for node in walk_statements(init.body):
            if isinstance(node, ast.Assign) and ctx.tree.function(node) is init:
                made = isinstance(node.value, ast.Call) and (
                    ctx.is_a(node.value, MODULE, LOSS) or ctx.dotted(node.value.func) == "torch.nn.Parameter"
                )
                for target in node.targets:
                    if made and isinstance(target, ast.Attribute) and ctx.kinds.is_self(target.value):
                        yield target

    def _first(self, init: ast.FunctionDef) -> ast.stmt:
        body = init.body
        documented = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and len(body) > 1
        return body[1] if documented else body[0]

    def _insert(self, node: ast.ClassDef, init: ast.FunctionDef, ctx: Context) -> Fix | None:
        if ctx.dotted(node.bases[0]) not in _LIBRARY:
            return None
        first = self._first(init)

        def build() -> Edit:
            return ctx.edits.insert_before(first, "super().__init__()")

        return ctx.fix(build, Safety.SAFE, "Call `super().__init__()` first")

    def _move(
        self, node: ast.ClassDef, init: ast.FunctionDef, statement: ast.stmt, call: ast.Call, ctx: Context
    ) -> Fix | None:
        if ctx.dotted(node.bases[0]) not in _LIBRARY or not isinstance(statement, ast.Expr):
            return None
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if any(not isinstance(part, ast.Name) or not ctx.kinds.is_self(part) for part in given):
            return None
        first = self._first(init)

        def build() -> list[Edit]:
            return ctx.edits.move(statement, first, behind=False)

        return ctx.fix(build, Safety.SAFE, f"Move `{ctx.short(call)}` to the top")

    examples = (
        Example(
            given=GIVEN,
            ok="""
class Net(nn.Module):
    def __init__(self, width):
        self.width = width
        self.names = ["a", "b"]
        super().__init__()
        self.fc = nn.Linear(width, 2)
""",
            note="plain attributes may come first",
        ),
        Example(
            given=GIVEN,
            ok="""
class Base(nn.Module):
    def __init__(self):
        nn.Module.__init__(self)
        self.fc = nn.Linear(3, 2)

class Net(Base):
    def __init__(self):
        super(Net, self).__init__()
        self.out = nn.Linear(2, 1)
""",
        ),
        Example(
            given=GIVEN + "from dataclasses import dataclass\nfrom library import Block\n",
            ok="""
@dataclass(eq=False)
class Net(nn.Module):
    width: int

    def __init__(self):
        self.fc = nn.Linear(3, 2)

class Other(Block):
    def __init__(self):
        self.fc = nn.Linear(3, 2)

class Both(Block, nn.Module):
    def __init__(self):
        self.fc = nn.Linear(3, 2)
""",
            note="somebody else may see to it",
        ),
        Example(
            given=GIVEN,
            ok="""
class Model:
    def __init__(self):
        self.fc = nn.Linear(3, 2)
""",
            note="no module",
        ),
        Example(
            given=GIVEN,
            ok="""
class Net(nn.Module):
    def __init__(self):
        self.setup()
        self.fc = nn.Linear(3, 2)

    def setup(self):
        super().__init__()
""",
        ),
        Example(
            given=GIVEN,
            bad="""
class Net(nn.Module):
    def __init__(self, width):
        \"\"\"A small net.\"\"\"
        self.fc1 = nn.Linear(3, width)
        self.fc2 = nn.Linear(width, 2)

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())

out = Net(4)(torch.ones(1, 3)).shape
""",
            good="""
class Net(nn.Module):
    def __init__(self, width):
        \"\"\"A small net.\"\"\"
        super().__init__()
        self.fc1 = nn.Linear(3, width)
        self.fc2 = nn.Linear(width, 2)

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())

out = Net(4)(torch.ones(1, 3)).shape
""",
            equal="out",
            raises="AttributeError",
        ),
        Example(
            given=GIVEN,
            bad="""
class Net(nn.Module):
    def __init__(self, width):
        self.width = width
        self.scale = nn.Parameter(torch.ones(width))  # learnt
        super(Net, self).__init__()
        self.fc = nn.Linear(width, 2)

out = len(list(Net(4).parameters()))
""",
            good="""
class Net(nn.Module):
    def __init__(self, width):
        super(Net, self).__init__()
        self.width = width
        self.scale = nn.Parameter(torch.ones(width))  # learnt
        self.fc = nn.Linear(width, 2)

out = len(list(Net(4).parameters()))
""",
            equal="out",
            raises="AttributeError",
        ),
        Example(
            given="import pytorch_lightning as pl\nfrom torch.nn import CrossEntropyLoss, Sequential, Linear\n",
            bad="""
class Lit(pl.LightningModule):
    def __init__(self, classes):
        self.loss = CrossEntropyLoss()
        self.net = Sequential(Linear(3, classes))
        super().__init__()
""",
            good="""
class Lit(pl.LightningModule):
    def __init__(self, classes):
        super().__init__()
        self.loss = CrossEntropyLoss()
        self.net = Sequential(Linear(3, classes))
""",
        ),
        Example(
            given=GIVEN,
            bad="""
class Base(nn.Module):
    def __init__(self, names):
        super().__init__()
        self.names = names

class Net(Base):
    def __init__(self, names):
        self.fc = nn.Linear(3, len(names))
        super().__init__(names)
""",
            note="what the base does with the names is its own affair: no fix",
        ),
    )


def _starts(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "__init__"
