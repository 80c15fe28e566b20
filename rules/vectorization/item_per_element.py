from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import TENSOR, Call, Context, Edit, Example, Finding, Method, Rule, Safety, walk


class ItemPerElement(Rule):
    """Elements of a tensor are fetched one at a time with `.item()`, where `.tolist()` fetches all at once.

    ## Why
    Each `.item()` makes a tensor of one element and waits until the device has computed it. `.tolist()` waits and
    copies once, and gives the same Python numbers.

    ## Fix safety
    Safe where the tensor is known to have one dimension: the same numbers in the same order. Where it is not, it is
    flattened first, and the fix is unsafe: an element that holds several numbers makes `.item()` raise. Unsafe as well
    where the function handles an error itself, and where the variable of a loop may be read by its name; there is no
    fix where it is read.

    ## References
    - PyTorch documentation, `torch.Tensor.tolist` and `torch.Tensor.item`.
    """

    code, name = "ML129", "item-per-element"
    libraries = ("torch",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Method("item"), Call("float"))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if node.keywords:
            return
        element = node.args[0] if ctx.dotted(node.func) == "float" and len(node.args) == 1 else None
        if element is None:
            if node.args or not isinstance(node.func, ast.Attribute):
                return
            element = node.func.value
        parent = ctx.tree.parent(node)
        place: ast.expr | ast.For
        if isinstance(parent, ast.ListComp) and parent.elt is node and len(parent.generators) == 1:
            generator = parent.generators[0]
            if generator.ifs or generator.is_async:
                return
            place, target, iterable = parent, generator.target, generator.iter
        elif isinstance(parent, ast.Call) and (loop := _appending(parent, node, ctx)) is not None:
            place, target, iterable = loop, loop.target, loop.iter
        else:
            return
        tensor = _tensor(element, target, iterable, ctx)
        if tensor is None or not ctx.is_a(tensor, TENSOR) or ctx.flow.compiled(node):
            return
        function = ctx.tree.function(node)
        if function is not None and function.name == "tolist":
            return  # a tensor type's own
        if ctx.dotted(node.func) == "float" and not ctx.is_floating(tensor):
            return
        flat = ctx.kinds.of(tensor).ndim == 1
        template = "$x.tolist()" if flat else "$x.flatten().tolist()"

        def build() -> list[Edit]:
            if isinstance(place, ast.For):
                assert isinstance(parent, ast.Call)
                assert isinstance(parent.func, ast.Attribute)
                receiver = ctx.text(parent.func.value)
                atom = ctx.text(tensor) if _is_atom(tensor) else f"({ctx.text(tensor)})"
                text = f"{receiver}.extend({template.replace('$x', atom)})"
                return [ctx.edits.replace_statements([place], text)]
            return [ctx.edits.replace(place, template, x=tensor)]

        shown = ctx.short(tensor)
        text = template.replace("$x", "" if shown.endswith("…") else shown)
        names = [inner.id for inner in walk(target) if isinstance(inner, ast.Name)] if place is not parent else []
        proven = Safety.SAFE if flat else Safety.UNSAFE  # a row of several numbers raises
        safety = ctx.without(place if isinstance(place, ast.For) else ctx.tree.statement(place), names, proven)
        fix = None if safety is None else ctx.fix(build, safety, f"Replace by `{text}`")
        message = f"`{ctx.short(node)}` fetches the elements of `{ctx.short(tensor)}` one at a time"
        yield ctx.finding(place, message, f"use `{text}`", fix)

    examples = (
        Example(
            given="import torch\ndepth = 5",
            bad="rates = [x.item() for x in torch.linspace(0, 0.3, depth)]  # decay",
            good="rates = torch.linspace(0, 0.3, depth).tolist()  # decay",
            equal="rates",
        ),
        Example(
            given="import torch as th\nx = th.randn(4, 1)",
            bad="a = [v.item() for v in x]",
            good="a = x.flatten().tolist()",
            equal="a",
        ),
        Example(
            given="import torch\nx = torch.randperm(9)",
            bad="a = [x[i].item() for i in range(len(x))]",
            good="a = x.tolist()",
            equal="a",
        ),
        Example(
            given="import torch\nx = torch.rand(9)",
            bad="a = [float(v) for v in x]",
            good="a = x.tolist()",
            equal="a",
        ),
        Example(
            given="import torch",
            bad="def f(x: torch.Tensor):\n    out = []\n    for v in x:\n        out.append(v.item())\n"
            "    return out\n\n\n"
            "a = f(torch.arange(4))",
            good="def f(x: torch.Tensor):\n    out = []\n    out.extend(x.flatten().tolist())\n    return out\n\n\n"
            "a = f(torch.arange(4))",
            equal="a",
        ),
        Example(
            given="import torch\nx = torch.rand(2, 3)",
            bad="a = [[v.item() for v in row] for row in x]",
            good="a = [row.tolist() for row in x]",
            equal="a",
        ),
        Example(given="import torch", ok="losses = [torch.rand(()), torch.rand(())]\na = [v.item() for v in losses]"),
        Example(given="import torch\nx = torch.rand(3)", ok="a = [v.item() for v in x if v > 0.5]"),
        Example(given="import torch", ok="def f(x):\n    return [v.item() for v in x]"),
        Example(
            given="import torch\nx = torch.arange(3)", ok="a = [float(v) for v in x]", note="they are whole numbers"
        ),
        Example(given="import torch\nx = torch.rand(3, 2)", ok="a = [v.sum().item() for v in x]"),
        Example(given="import torch\nx = torch.rand(3)", ok="b = {i: v.item() for i, v in enumerate(x)}"),
        Example(
            given="import torch\nx = torch.rand(3)", ok="out = []\nfor v in x:\n    out.append(v.item())\n    print(v)"
        ),
        Example(given="import numpy as np\nimport torch", ok="a = [v.item() for v in np.arange(3)]"),
        Example(
            given="import torch\nx = torch.rand(3, 2)",
            bad="try:\n    a = [v.item() for v in x]\nexcept RuntimeError:\n    a = x.sum(1).tolist()",
            good="try:\n    a = x.flatten().tolist()\nexcept RuntimeError:\n    a = x.sum(1).tolist()",
            equal="len(a) > 0",
            safety="unsafe",
            note="rows of several numbers raise, and are waited for",
        ),
        Example(
            given="import torch\nx = torch.rand(3)",
            bad="out = []\nfor v in x:\n    out.append(v.item())\ndel v",
            note="the variable is needed: no fix",
        ),
        Example(
            given="import torch\nx = torch.rand(3)",
            bad="out = []\nfor v in x:\n    out.append(v.item())",
            good="out = []\nout.extend(x.tolist())",
            equal="out",
            safety="safe",
        ),
    )


def _tensor(element: ast.expr, target: ast.expr, iterable: ast.expr, ctx: Context) -> ast.expr | None:
    """The tensor whose elements are taken: ``v`` of ``for v in x``, ``x[i]`` of ``for i in range(len(x))``."""
    if not isinstance(target, ast.Name):
        return None
    if isinstance(element, ast.Name) and element.id == target.id:
        return iterable
    if not (isinstance(element, ast.Subscript) and isinstance(element.value, ast.Name)):
        return None
    if not (isinstance(element.slice, ast.Name) and element.slice.id == target.id):
        return None
    if not (isinstance(iterable, ast.Call) and ctx.dotted(iterable.func) == "range" and len(iterable.args) == 1):
        return None
    size, name = iterable.args[0], element.value.id
    if isinstance(size, ast.Call) and ctx.dotted(size.func) == "len" and len(size.args) == 1:
        measured = size.args[0]
        return element.value if isinstance(measured, ast.Name) and measured.id == name else None
    return None


def _appending(call: ast.Call, node: ast.Call, ctx: Context) -> ast.For | None:
    """The loop of which ``out.append(v.item())`` is the whole body."""
    func = call.func
    if not (isinstance(func, ast.Attribute) and func.attr == "append" and call.args == [node] and not call.keywords):
        return None
    statement = ctx.tree.statement(call)
    loop = ctx.tree.parent(statement)
    if not isinstance(loop, ast.For) or loop.body != [statement] or loop.orelse or not isinstance(statement, ast.Expr):
        return None
    if not isinstance(func.value, ast.Name) or not ctx.is_a(func.value, "list"):
        return None
    return loop


def _is_atom(node: ast.expr) -> bool:
    return isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript))
