from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from mlint.rule import MODULE, Context, Edit, Example, Finding, Fix, Node, Rule, Safety, walk, walk_blocks

GIVEN = "import torch\nfrom torch import nn\n"
_PARAMETER = "torch.nn.Parameter"
# A class that defines one of these sees to its parts by itself.
_OWN = frozenset("parameters named_parameters modules named_modules children _apply state_dict __getattr__".split())
_REGISTERING = frozenset("ModuleList ModuleDict Sequential ParameterList ParameterDict".split())
_MOVING = frozenset("to cuda cpu float double half bfloat16".split())


class Kept(NamedTuple):
    """A container on self: the attribute, what it is assigned, and the call of one of its elements."""

    target: ast.Attribute
    value: ast.expr
    element: ast.Call


class UnregisteredSubmodule(Rule):
    """Layers in a plain list or dict, or a parameter that has been moved, are not registered: they never train.

    ## Why
    `nn.Module` registers what is assigned to an attribute only if that is a module or a parameter itself. Layers in a
    list are found by none of `parameters()`, `to()`, `state_dict()` and `train()`: the optimizer never sees them, they
    stay on the CPU, and they are missing in checkpoints. `nn.Parameter(t).to(device)` is a tensor computed from the
    parameter wherever it really moves, and no parameter any more.

    ## Fix safety
    Unsafe: the layers begin to train, and new keys appear in the `state_dict`, as intended. The container becomes
    `nn.ModuleList`, `nn.ModuleDict`, `nn.ParameterList` or `nn.ParameterDict`; a parameter is moved before it becomes
    one.

    ## Known limits
    Layers without parameters, a list of one (a known way to hide a module), and containers from which somebody takes
    the layers elsewhere in the file are left alone.

    ## References
    - PyTorch documentation, `torch.nn.ModuleList`, `torch.nn.ModuleDict` and `torch.nn.Parameter`.
    """

    code, name = "ML412", "unregistered-submodule"
    libraries = ("torch",)
    words = ("Module",)
    safety = Safety.UNSAFE
    triggers = (Node(ast.ClassDef),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.ClassDef)
        init = next((part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None)
        if init is None or not init.args.args:
            return
        first = init.args.args[0].arg
        if any(isinstance(part, ast.FunctionDef) and part.name in _OWN for part in node.body):
            return
        for statement in walk_blocks(init.body, own=True):
            if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
                continue
            target = statement.targets[0]
            if not isinstance(statement.value, _CONTAINERS) and not _moves(statement.value, ctx):
                continue
            if not isinstance(target, ast.Attribute) or not _is_named(target.value, first):
                continue
            moves = _moves(statement.value, ctx)
            kept = None if moves else self._kept(target, statement.value, init, node, ctx)
            if (not moves and kept is None) or MODULE not in ctx.kinds.bases(node):
                continue
            if moves:
                yield self._moved(target, statement.value, ctx)
                continue
            if kept is not None:
                yield self._report(kept, ctx)

    def _kept(
        self, target: ast.Attribute, value: ast.expr, init: ast.FunctionDef, owner: ast.ClassDef, ctx: Context
    ) -> Kept | None:
        """Whether a value is a container of layers or parameters that are made for it."""
        container: ast.expr | None = value
        grown = ast.unparse(target)
        if isinstance(value, ast.Name):
            if any(value.id == parameter.arg for parameter in (*init.args.args, *init.args.kwonlyargs)):
                return None
            bindings = ctx.reaching.of(value) or []
            container = bindings[0].value if len(bindings) == 1 and bindings[0].how == "assign" else None
            grown = value.id
        made: list[ast.expr] = []
        if isinstance(container, (ast.List, ast.Tuple)):
            made = list(container.elts)
            if any(not isinstance(element, ast.Call) for element in made):
                return None
        elif isinstance(container, ast.ListComp):
            made = [container.elt]
        elif isinstance(container, ast.Dict):
            if any(not isinstance(key, ast.Constant) or not isinstance(key.value, str) for key in container.keys):
                return None
            made = list(container.values)
        elif isinstance(container, ast.DictComp):
            made = [container.value]
        else:
            return None
        if isinstance(container, ast.List):
            made += [
                call.args[0]
                for call in walk(init)
                if isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr == "append"
                and len(call.args) == 1
                and ast.unparse(call.func.value) == grown
            ]
        several = len(made) > 1 or isinstance(container, (ast.ListComp, ast.DictComp)) or _in_loop(made, ctx)
        calls = [element for element in made if isinstance(element, ast.Call)]
        if not several or not made or len(calls) != len(made):
            return None
        if self._registered(Kept(target, container, calls[0]), owner, ctx):
            return None
        if not all(ctx.is_a(call, MODULE) or ctx.dotted(call.func) == _PARAMETER for call in calls):
            return None
        for call in calls:
            if ctx.dotted(call.func) == _PARAMETER or ctx.has_parameters(call):
                return Kept(target, container, call)
        return None

    def _registered(self, kept: Kept, owner: ast.ClassDef, ctx: Context) -> bool:
        """Whether somebody registers the elements, or takes them out of the container to do so elsewhere."""
        attribute = kept.target.attr
        for node in walk(owner):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in ("add_module", "register_module", "register_parameter", "setattr"):
                    return True
                if name in _REGISTERING and any(_mentions(given, attribute, kept.value, ctx) for given in node.args):
                    return True
        for node in walk(ctx.tree.module):
            if isinstance(node, ast.Attribute) and node.attr == attribute and not ctx.kinds.is_self(node.value):
                return True
            if isinstance(node, ast.Attribute) and node.attr == attribute and node is not kept.target:
                if isinstance(node.ctx, ast.Store) and ctx.tree.class_of(node) is owner:
                    return True
                parent = ctx.tree.parent(node)
                if isinstance(parent, (ast.Return, ast.keyword)):
                    return True
        return False

    def _report(self, kept: Kept, ctx: Context) -> Finding:
        keyed = isinstance(kept.value, (ast.Dict, ast.DictComp))
        parameter = ctx.dotted(kept.element.func) == _PARAMETER
        wanted = f"torch.nn.{'Parameter' if parameter else 'Module'}{'Dict' if keyed else 'List'}"
        text = wanted.rpartition(".")[2]

        def build() -> list[Edit]:
            name, imports = ctx.edits.name(wanted, kept.value)
            empty = isinstance(kept.value, ast.List) and not kept.value.elts
            template = f"{name}()" if empty else f"{name}($x)"
            return [ctx.edits.replace(kept.value, template, **({} if empty else {"x": kept.value})), *imports]

        fix: Fix | None = None
        if ctx.tree.statement(kept.value) is ctx.tree.statement(kept.target):
            fix = ctx.fix(build, Safety.UNSAFE, f"Use `{text}`")
        what = "parameters" if parameter else "layers"
        return ctx.finding(
            kept.target,
            f"the {what} in `{ctx.short(kept.target)}` are not registered: `parameters()` and `to()` miss them",
            f"keep them in `{text}`",
            fix,
        )

    def _moved(self, target: ast.Attribute, value: ast.expr, ctx: Context) -> Finding:
        assert isinstance(value, ast.Call)
        assert isinstance(value.func, ast.Attribute)
        parameter = value.func.value
        assert isinstance(parameter, ast.Call)
        method, outer, inner = value.func.attr, value, parameter

        def build() -> Edit:
            data = inner.args[0]
            simple = isinstance(data, (ast.Name, ast.Attribute, ast.Call, ast.Subscript))
            moved = f"$x.{method}($*given)" if simple else f"($x).{method}($*given)"
            template = f"$f({moved}, $*rest)" if inner.keywords or len(inner.args) > 1 else f"$f({moved})"
            parts = {"f": inner.func, "x": data, "given": [*outer.args, *outer.keywords]}
            if inner.keywords or len(inner.args) > 1:
                parts["rest"] = [*inner.args[1:], *inner.keywords]
            return ctx.edits.replace(outer, template, **parts)  # type: ignore[arg-type]

        fix = ctx.fix(build, Safety.UNSAFE, "Move the tensor, then make it a parameter") if inner.args else None
        return ctx.finding(
            target,
            f"`{ctx.short(value)}` is no parameter any more where it moves: no optimizer or `state_dict()` sees it",
            "move the tensor before it becomes a parameter",
            fix,
        )

    examples = (
        Example(
            given=GIVEN,
            ok="""
class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(n)])
        layers = [nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1)]
        self.net = nn.Sequential(*layers)
        self.activations = [nn.ReLU(), nn.Tanh()]
        self.sizes = [3, 4]
""",
        ),
        Example(
            given=GIVEN,
            ok="""
class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.layers = [self.first, self.second]

class Other(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.layers = []
        for i in range(n):
            self.layers.append(nn.Linear(3, 3))
            self.add_module(f"layer{i}", self.layers[-1])
""",
            note="registered one by one",
        ),
        Example(
            given=GIVEN,
            ok="""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = []
        self.blocks.append(nn.Linear(3, 3))
        self.blocks.append(nn.Linear(3, 3))
        self.net = nn.Sequential(*self.blocks)
""",
        ),
        Example(
            given=GIVEN,
            ok="""
class Student(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 3)
        self._teacher = [nn.Linear(3, 3)]

class Experts:
    def __init__(self):
        self.experts = [nn.Linear(3, 3) for _ in range(4)]
""",
            note="a list of one hides a module; the second class is none",
        ),
        Example(
            given=GIVEN,
            ok="""
class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.heads = [nn.Linear(3, 1) for _ in range(n)]

net = Net(3)
optimizers = [torch.optim.SGD(head.parameters(), lr=0.1) for head in net.heads]
""",
            note="taken out elsewhere",
        ),
        Example(
            given=GIVEN,
            bad="""
class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.layers = [nn.Linear(3, 3) for _ in range(n)]  # one per step

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

out = Net(2)(torch.ones(1, 3))
""",
            good="""
class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(n)])  # one per step

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

out = Net(2)(torch.ones(1, 3))
""",
            equal="out",
        ),
        Example(
            given="import torch\nimport torch.nn as nn\n",
            bad="""
class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.layers = []
        for i in range(n):
            self.layers.append(nn.Conv2d(3, 3, 1))
""",
            good="""
class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.layers = nn.ModuleList()
        for i in range(n):
            self.layers.append(nn.Conv2d(3, 3, 1))
""",
        ),
        Example(
            bad="""
from torch.nn import Linear, Module

class Block(Module):
    def __init__(self):
        super().__init__()
        self.fc = Linear(3, 3)

class Net(Module):
    def __init__(self):
        super().__init__()
        self.heads = {"kind": Block(), "size": Linear(3, 1)}
""",
            good="""
from torch.nn import Linear, Module
from torch.nn import ModuleDict

class Block(Module):
    def __init__(self):
        super().__init__()
        self.fc = Linear(3, 3)

class Net(Module):
    def __init__(self):
        super().__init__()
        self.heads = ModuleDict({"kind": Block(), "size": Linear(3, 1)})
""",
        ),
        Example(
            given=GIVEN,
            bad="""
class Net(nn.Module):
    def __init__(self, n, device):
        super().__init__()
        self.weights = [nn.Parameter(torch.zeros(3)) for _ in range(n)]
""",
            good="""
class Net(nn.Module):
    def __init__(self, n, device):
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(torch.zeros(3)) for _ in range(n)])
""",
        ),
        Example(
            given=GIVEN,
            bad="""
class Net(nn.Module):
    def __init__(self, n, device):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n), requires_grad=True).to(device)
        self.fc = nn.Linear(n, n).to(device)
""",
            good="""
class Net(nn.Module):
    def __init__(self, n, device):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n).to(device), requires_grad=True)
        self.fc = nn.Linear(n, n).to(device)
""",
        ),
        Example(
            given=GIVEN,
            bad="""
class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        stages = []
        for _ in range(n):
            stages.append(nn.Linear(3, 3))
        self.stages = stages
""",
            note="the list is made by another name",
        ),
    )


_CONTAINERS = (ast.List, ast.Tuple, ast.ListComp, ast.Dict, ast.DictComp, ast.Name)


def _is_named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _moves(value: ast.expr, ctx: Context) -> bool:
    """``nn.Parameter(t).to(device)``."""
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and value.func.attr in _MOVING
        and isinstance(value.func.value, ast.Call)
        and ctx.dotted(value.func.value.func) == _PARAMETER
        and bool(value.func.value.args)
    )


def _in_loop(made: list[ast.expr], ctx: Context) -> bool:
    return any(ctx.flow.loop(element) is not None for element in made)


def _mentions(node: ast.AST, attribute: str, value: ast.expr, ctx: Context) -> bool:
    """Whether an expression speaks of an attribute, or of the local name of its value."""
    statement = ctx.tree.statement(value)
    names = {t.id for t in statement.targets if isinstance(t, ast.Name)} if isinstance(statement, ast.Assign) else set()
    return any(
        (isinstance(inner, ast.Attribute) and inner.attr == attribute)
        or (isinstance(inner, ast.Name) and inner.id in names)
        for inner in walk(node)
    )
