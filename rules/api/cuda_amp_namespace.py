from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlint.rule import Context, Edit, Example, Finding, Reference, Rule, Safety, walk

DEVICES = {"torch.cuda.amp": "cuda", "torch.cpu.amp": "cpu"}
POSITIONS = ("enabled", "dtype", "cache_enabled")
"""What the positional arguments of the old `autocast` are; those of the new one come in another order."""
NAMES = {
    "torch.cuda.amp": ("autocast", "GradScaler", "custom_fwd", "custom_bwd"),
    "torch.cpu.amp": ("autocast", "GradScaler"),
}


class CudaAmpNamespace(Rule):
    """`torch.cuda.amp` and `torch.cpu.amp` are deprecated: `torch.amp` takes the device as an argument.

    ## Why
    Since PyTorch 2.4 every call of `torch.cuda.amp.autocast`, `torch.cuda.amp.GradScaler`, `custom_fwd` and
    `custom_bwd` gives a FutureWarning. The arguments are not in the same order: `torch.cuda.amp.autocast(enabled,
    dtype, cache_enabled)`, but `torch.amp.autocast(device_type, dtype, enabled, cache_enabled)`.

    ## Fix safety
    Safe: the old functions call the new ones. `torch.amp.GradScaler` is offered where all targeted versions of PyTorch
    are 2.3 or newer, `custom_fwd` and `custom_bwd` from 2.4 on; an
    `autocast` that is passed on uncalled is only reported, as somebody else gives it its arguments.

    ## References
    - PyTorch documentation, "Automatic Mixed Precision package - torch.amp".
    - PyTorch 2.4 release notes, deprecations.
    """

    code, name = "ML803", "cuda-amp-namespace"
    libraries = ("torch",)
    safety = Safety.SAFE
    triggers = (Reference(*(f"{module}.{name}" for module, names in NAMES.items() for name in names)),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if not isinstance(node, (ast.Name, ast.Attribute)) or not isinstance(node.ctx, ast.Load):
            return
        module, _, name = (ctx.dotted(node) or "").rpartition(".")
        if module not in DEVICES or ctx.targets("torch", "<2.4"):
            return
        if ctx.versions.target("torch") is not None and not self._available(name, ctx):
            return  # the oldest targeted version has no other name for it
        statement = self._import(node, ctx) if isinstance(node, ast.Name) else None
        if isinstance(node, ast.Name) and statement is None:
            return  # a local name for it: the place where that was bound is reported
        if statement is not None and ctx.flow.version_guarded(statement):
            return
        call = self._call(node, ctx)
        decorates = self._decorates(node, ctx)
        if call is None and name == "GradScaler":
            return  # an annotation, an isinstance: no call, no warning
        if call is None and self._is_asked_for(node, ctx):
            return
        if call is None and any(
            isinstance(ancestor, ast.Compare) for ancestor in ctx.tree.ancestors(node) if isinstance(ancestor, ast.expr)
        ):
            return  # `context is torch.cuda.amp.autocast`: it is asked for, not used
        place = node if call is None else call
        fix = None
        if self._available(name, ctx):
            if statement is None:
                if self._edits_possible(node, ctx):
                    fix = ctx.fix(lambda: self._edits(node, ctx), Safety.SAFE, f"Use `torch.amp.{name}`")
            elif self._uses_possible(statement, name, ctx):
                fix = ctx.fix(lambda: self._with_import(statement, name, ctx), Safety.SAFE, f"Use `torch.amp.{name}`")
        device = DEVICES[module]
        if name in ("custom_fwd", "custom_bwd"):
            advice = f'use `torch.amp.{name}(device_type="{device}")`'
        elif self._is_base(node, ctx):
            advice = f'subclass `torch.amp.{name}`, and give its `__init__` the device: `"{device}"`'
        elif call is None and isinstance(ctx.tree.parent(node), ast.Attribute):
            advice = f"use `torch.amp.{name}`"
        elif call is None and not decorates:
            advice = f'use `functools.partial(torch.amp.{name}, "{device}")`'
        else:
            advice = f'use `torch.amp.{name}("{device}", …)`'
        yield ctx.finding(place, f"`{module}.{name}` is deprecated since PyTorch 2.4", advice, fix)

    def _available(self, name: str, ctx: Context) -> bool:
        """Whether everything that is targeted has the new name; `torch.amp.autocast` is as old as 1.10."""
        if name == "autocast":
            return ctx.versions.target("torch") is None or ctx.targets("torch", ">=1.10")
        return ctx.targets("torch", ">=2.3" if name == "GradScaler" else ">=2.4")

    def _import(self, node: ast.Name, ctx: Context) -> ast.ImportFrom | None:
        """The from-import that alone binds a name."""
        found = ctx.names.lookup(node)
        if found is None or len(found[1]) != 1 or not isinstance(found[1][0].node, ast.ImportFrom):
            return None
        return found[1][0].node

    def _call(self, node: ast.expr, ctx: Context) -> ast.Call | None:
        parent = ctx.tree.parent(node)
        return parent if isinstance(parent, ast.Call) and parent.func is node else None

    def _decorates(self, node: ast.expr, ctx: Context) -> bool:
        return any(node is decorator for decorator in getattr(ctx.tree.parent(node), "decorator_list", ()))

    def _is_base(self, node: ast.expr, ctx: Context) -> bool:
        """Whether a class is made from it."""
        return any(node is base for base in getattr(ctx.tree.parent(node), "bases", ()))

    def _is_asked_for(self, node: ast.expr, ctx: Context) -> bool:
        """Whether it stands for a type only, in an annotation or an `isinstance`: nothing is called, nothing warns."""
        child: ast.AST = node
        for ancestor in ctx.tree.ancestors(node):
            annotations = (getattr(ancestor, "annotation", None), getattr(ancestor, "returns", None))
            if any(child is annotation for annotation in annotations):
                return True
            if isinstance(ancestor, ast.Call):
                return ctx.dotted(ancestor.func) in ("isinstance", "issubclass")
            if isinstance(ancestor, ast.stmt):
                return False
            child = ancestor
        return False

    def _edits_possible(self, node: ast.expr, ctx: Context) -> bool:
        """Whether one mention can be rewritten."""
        name = (ctx.dotted(node) or "").rpartition(".")[2]
        call = self._call(node, ctx)
        if name == "GradScaler":
            return True
        if call is None:
            return name != "autocast" and self._decorates(node, ctx)
        if any(isinstance(argument, ast.Starred) for argument in call.args):
            return False
        return name != "autocast" or len(call.args) <= len(POSITIONS)

    def _edits(self, node: ast.expr, ctx: Context, *, keep_name: bool = False) -> list[Edit]:
        """Rewrite one mention; with ``keep_name`` the import is rewritten elsewhere."""
        module, _, name = (ctx.dotted(node) or "").rpartition(".")
        imports: list[Edit] = []
        if keep_name:
            written = ctx.text(node)
        else:
            written, imports = self._written(node, name, ctx)
        call = self._call(node, ctx)
        quote = "'" if ctx.source.text.count("'") > ctx.source.text.count('"') else '"'
        device = f"{quote}{DEVICES[module]}{quote}"
        if name in ("custom_fwd", "custom_bwd"):
            if call is None:
                return [ctx.edits.replace(node, f"{written}(device_type={device})"), *imports]
            parts: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
            template = f"{written}($*rest, device_type={device})" if parts else f"{written}(device_type={device})"
            return [ctx.edits.replace(call, template, rest=parts), *imports]
        if call is None:
            return [] if keep_name else [ctx.edits.replace(node, written), *imports]
        arguments = [device]
        bound: dict[str, ast.expr | list[ast.expr | ast.keyword]] = {}
        rest: list[ast.expr | ast.keyword] = list(call.keywords)
        if name == "autocast":
            for position, argument in enumerate(call.args):
                bound[f"p{position}"] = argument
                arguments.append(f"{POSITIONS[position]}=$p{position}")
        else:
            rest = [*call.args, *call.keywords]
        if rest:
            arguments.append("$*rest")
            bound["rest"] = rest
        return [ctx.edits.replace(call, f"{written}({', '.join(arguments)})", **bound), *imports]

    def _written(self, node: ast.expr, name: str, ctx: Context) -> tuple[str, list[Edit]]:
        """`torch.cuda.amp.autocast` as `torch.amp.autocast`, with the name that the file has for torch."""
        if isinstance(node, ast.Attribute):
            base = node.value
            if isinstance(base, ast.Attribute) and isinstance(base.value, ast.Attribute):
                if ctx.dotted(base.value.value) == "torch":
                    return f"{ctx.text(base.value.value)}.amp.{name}", []
        return ctx.edits.name(f"torch.amp.{name}", node)

    def _uses(self, statement: ast.ImportFrom, name: str, ctx: Context) -> list[ast.Name]:
        """The mentions of a name that an import binds."""
        local = next((alias.asname or alias.name for alias in statement.names if alias.name == name), name)
        return [
            use
            for use in walk(ctx.tree.module)
            if isinstance(use, ast.Name) and use.id == local and self._import(use, ctx) is statement
        ]

    def _uses_possible(self, statement: ast.ImportFrom, name: str, ctx: Context) -> bool:
        return all(self._edits_possible(use, ctx) for use in self._uses(statement, name, ctx))

    def _with_import(self, statement: ast.ImportFrom, name: str, ctx: Context) -> list[Edit]:
        """Rewrite an import together with all that it is used for; all its names at once where that can be."""
        module = statement.module or ""
        names = [alias.name for alias in statement.names]
        together = all(other in NAMES.get(module, ()) and self._uses_possible(statement, other, ctx) for other in names)
        found = re.match(r"from\s+(torch\.\w+\.amp)\b", ctx.text(statement))
        if together and found is not None:
            start = ctx.source.span(statement)[0]
            edits = [Edit(start + found.start(1), start + found.end(1), "torch.amp")]
        else:
            names = [name]
            edits = ctx.edits.replace_import(statement, name, "torch.amp", name)
        for other in names:
            for use in self._uses(statement, other, ctx):
                edits.extend(self._edits(use, ctx, keep_name=True))
        return edits

    examples = (
        Example(
            given="import torch\nx = torch.randn(4, 4)\n",
            bad="with torch.cuda.amp.autocast():\n    y = x @ x",
            good='with torch.amp.autocast("cuda"):\n    y = x @ x',
            targets={"torch": ">=2.4"},
            equal="y",
        ),
        Example(
            given="import torch\nx = torch.randn(4, 4)\n",
            bad="with torch.cpu.amp.autocast(True, torch.bfloat16):\n    y = x @ x",
            good='with torch.amp.autocast("cpu", enabled=True, dtype=torch.bfloat16):\n    y = x @ x',
            targets={"torch": "2.6"},
            equal="y",
        ),
        Example(
            given="import torch\nx = torch.randn(4, 4)\n",
            bad="with torch.cpu.amp.autocast(False, cache_enabled=False):\n    y = x @ x",
            good='with torch.amp.autocast("cpu", enabled=False, cache_enabled=False):\n    y = x @ x',
            targets={"torch": "2.6"},
            equal="y",
        ),
        Example(
            given="import torch\n",
            bad="scaler = torch.cuda.amp.GradScaler(2.0**10, enabled=False)",
            good='scaler = torch.amp.GradScaler("cuda", 2.0**10, enabled=False)',
            targets={"torch": ">=2.3"},
            equal="scaler.is_enabled(), scaler.get_scale()",
        ),
        Example(
            bad=(
                "import torch\nfrom torch.cuda.amp import autocast, GradScaler\n\n"
                "def train(x, scaler: GradScaler):\n    with autocast(enabled=x):\n        return x\n\n"
                "scaler = GradScaler(enabled=False)\ny = train(False, scaler)"
            ),
            good=(
                "import torch\nfrom torch.amp import autocast, GradScaler\n\n"
                'def train(x, scaler: GradScaler):\n    with autocast("cuda", enabled=x):\n        return x\n\n'
                'scaler = GradScaler("cuda", enabled=False)\ny = train(False, scaler)'
            ),
            count=2,
            targets={"torch": ">=2.4"},
            equal="y",
        ),
        Example(
            bad=(
                "import torch\nfrom torch.cuda.amp import autocast as cast, common\n\n\n"
                "@cast(False)\ndef f(x):\n    return common, x\n"
            ),
            good=(
                "import torch\nfrom torch.amp import autocast as cast\nfrom torch.cuda.amp import common\n\n\n"
                '@cast("cuda", enabled=False)\ndef f(x):\n    return common, x\n'
            ),
            targets={"torch": ">=2.4"},
        ),
        Example(
            bad="from torch.cuda import amp\nimport torch\n\nctx = amp.autocast(dtype=torch.float16)",
            good='from torch.cuda import amp\nimport torch\n\nctx = torch.amp.autocast("cuda", dtype=torch.float16)',
            targets={"torch": ">=2.4"},
        ),
        Example(
            given="import torch\n",
            bad=(
                "class Double(torch.autograd.Function):\n    @staticmethod\n    @torch.cuda.amp.custom_fwd\n"
                "    def forward(ctx, x):\n        return x * 2\n\n    @staticmethod\n"
                "    @torch.cuda.amp.custom_bwd\n    def backward(ctx, g):\n        return g * 2\n\n"
                "y = Double.apply(torch.ones(3))"
            ),
            good=(
                "class Double(torch.autograd.Function):\n    @staticmethod\n"
                '    @torch.amp.custom_fwd(device_type="cuda")\n'
                "    def forward(ctx, x):\n        return x * 2\n\n    @staticmethod\n"
                '    @torch.amp.custom_bwd(device_type="cuda")\n    def backward(ctx, g):\n        return g * 2\n\n'
                "y = Double.apply(torch.ones(3))"
            ),
            count=2,
            targets={"torch": ">=2.4"},
            equal="y",
        ),
        Example(
            given="import torch\n",
            bad=(
                "class F(torch.autograd.Function):\n    @staticmethod\n"
                "    @torch.cuda.amp.custom_fwd(cast_inputs=torch.float32)\n"
                "    def forward(ctx, x):\n        return x\n"
            ),
            good=(
                "class F(torch.autograd.Function):\n    @staticmethod\n"
                '    @torch.amp.custom_fwd(cast_inputs=torch.float32, device_type="cuda")\n'
                "    def forward(ctx, x):\n        return x\n"
            ),
            targets={"torch": ">=2.4"},
        ),
        Example(
            bad=(
                "from contextlib import nullcontext\nfrom torch.cuda.amp import autocast\n\n"
                "def f(amp):\n    context = autocast if amp else nullcontext\n    return context()\n"
            ),
            targets={"torch": ">=2.4"},
            note="somebody else calls it",
        ),
        Example(
            given="import torch\n",
            bad="class Cast(torch.cuda.amp.autocast):\n    pass\n",
            targets={"torch": ">=2.4"},
            note="`functools.partial` makes no class",
        ),
        Example(
            given="import torch\n",
            ok=(
                "def f(cast: torch.cuda.amp.autocast | None = None) -> list[torch.cuda.amp.autocast]:\n"
                "    return [cast] if isinstance(cast, (torch.cuda.amp.autocast, torch.amp.autocast)) else []\n"
            ),
            targets={"torch": ">=2.4"},
            note="types, which are not called",
        ),
        Example(given="import torch\n", bad="scaler = torch.cuda.amp.GradScaler()", note="the target is not known"),
        Example(given="import torch\n", ok="scaler = torch.cuda.amp.GradScaler()", targets={"torch": "1.13"}),
        Example(
            given="import torch\n",
            ok="scaler = torch.cuda.amp.GradScaler()",
            targets={"torch": ">=1.11"},
            note="1.11 has no other",
        ),
        Example(
            given="import torch\nfrom mylib.imports import _TORCH_GREATER_EQUAL_2_4\n",
            ok=(
                "def made(device):\n    return torch.amp.GradScaler(device=device) if _TORCH_GREATER_EQUAL_2_4 "
                "else torch.cuda.amp.GradScaler()\n"
            ),
        ),
        Example(
            given="import torch\nfrom packaging.version import Version\n",
            ok=(
                "if Version(torch.__version__) >= Version('2.4'):\n    scaler = torch.amp.GradScaler('cuda')\n"
                "else:\n    scaler = torch.cuda.amp.GradScaler()\n"
            ),
        ),
        Example(
            ok=(
                "try:\n    from torch.amp import GradScaler\nexcept ImportError:\n"
                "    from torch.cuda.amp import GradScaler\n\nscaler = GradScaler()"
            ),
        ),
        Example(
            given="import torch\n",
            ok=(
                "scaler = torch.amp.GradScaler('cuda') if hasattr(torch.amp, 'GradScaler') "
                "else torch.cuda.amp.GradScaler()"
            ),
        ),
        Example(
            given="import torch\n",
            ok="def known(made):\n    return made in [torch.cuda.amp.autocast, torch.autocast]\n",
        ),
        Example(
            given="import torch\n",
            ok="def f(scaler: torch.cuda.amp.GradScaler):\n    return isinstance(scaler, torch.cuda.amp.GradScaler)\n",
        ),
        Example(given="import torch\n", ok="with torch.amp.autocast('cuda'), torch.autocast('cpu'):\n    pass"),
        Example(given="import torch\nfrom mylib import autocast\n", ok="with autocast():\n    pass"),
    )
