from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlint.rule import Call, Context, Example, Finding, Rule, Safety, walk

_REASON = re.compile(r"#.*(weights_only|pickl|trust|2\.6)", re.IGNORECASE)
_IN_MEMORY = ("io.BytesIO", "io.BufferedIOBase", "typing.BinaryIO", "typing.IO")

# What is asked of a module and of no tensor, dict or list, so that `weights_only=True` would refuse what is loaded.
_OF_MODULES = frozenset(
    "eval train parameters named_parameters modules named_modules children named_children state_dict load_state_dict "
    "requires_grad_ zero_grad forward register_forward_hook".split()
)
_OF_DATA = frozenset(
    "items keys values get pop update copy append extend to cpu cuda float half double long int bool detach clone item "
    "numpy tolist shape size dtype device ndim dim numel view reshape permute transpose unsqueeze squeeze mean sum "
    "startswith endswith split replace lower upper join format".split()
)


class UnsafeTorchLoad(Rule):
    """`torch.load` unpickles the file: whoever wrote the file can run code here.

    ## Why
    A checkpoint is a pickle, and a pickle may call any function while it is read. `weights_only=True` reads tensors,
    dicts and numbers and refuses the rest. It is the default since PyTorch 2.6; before, and with
    `weights_only=False` or a `pickle_module` of its own, the file is executed.

    ## Fix safety
    Unsafe: a checkpoint that holds more than tensors and plain containers (a whole module, an `argparse.Namespace`, a
    NumPy scalar) is refused then. Such classes can be allowed by `torch.serialization.add_safe_globals`.

    ## References
    - PyTorch documentation, `torch.load`, and "Serialization semantics".
    - CWE-502, "Deserialization of Untrusted Data".

    ## When to ignore
    Where the file was written by the same project and has to hold objects. Say `weights_only=False` there, and why: a
    comment at the call that speaks of `weights_only`, of pickling or of trust is taken for the reason, and nothing is
    reported. Nor is anything where the code goes on to use what it loads, or a part of it, as a module or another
    object.
    """

    code, name = "ML809", "unsafe-torch-load"
    libraries = ("torch",)
    in_tests = False
    safety = Safety.UNSAFE
    triggers = (Call("torch.load"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if any(keyword.arg is None for keyword in node.keywords) or not (node.args or node.keywords):
            return
        if self._allows_classes(ctx) or self._explained(node, ctx) or self._last_resort(node, ctx):
            return
        path = ctx.argument(node, "f", 0)
        if path is not None and self._in_memory(path, ctx):
            return
        if self._wants_objects(node, ctx):
            return
        what = "the file" if path is None else f"`{ctx.short(path)}`"
        flag = ctx.argument(node, "weights_only")
        pickler = ctx.argument(node, "pickle_module", 2)
        if flag is None and pickler is None:
            # The argument exists since 1.13, and is true by itself since 2.6.
            if not ctx.targets("torch", ">=1.13") or ctx.targets("torch", ">=2.6") or self._written_here(path, ctx):
                return
            fix = ctx.fix(
                lambda: ctx.edits.add_keyword(node, "weights_only", "True"), Safety.UNSAFE, "Add `weights_only=True`"
            )
            yield ctx.finding(
                node,
                f"unpickles {what}: before PyTorch 2.6 anything in it is run",
                "add `weights_only=True`",
                fix,
            )
        elif isinstance(flag, ast.Constant) and flag.value is False and not self._written_here(path, ctx):
            fix = ctx.fix(
                lambda: ctx.edits.set_keyword(node, "weights_only", "True"), Safety.UNSAFE, "Set `weights_only=True`"
            )
            yield ctx.finding(
                node,
                f"unpickles {what} with `weights_only=False`: anything in it is run",
                "use `weights_only=True`, and `add_safe_globals` for what else the file holds",
                fix if pickler is None else None,
            )
        elif flag is None and pickler is not None and not (isinstance(pickler, ast.Constant) and pickler.value is None):
            if self._written_here(path, ctx):
                return
            yield ctx.finding(
                node,
                f"unpickles {what} with `{ctx.short(pickler)}`: anything in it is run",
                "load with `weights_only=True` and without `pickle_module`",
            )

    def _allows_classes(self, ctx: Context) -> bool:
        """Whether the file lists the classes that it wants to load, or cannot know them."""
        text = ctx.source.text
        if "add_safe_globals" in text or "safe_globals(" in text:
            return True
        # DeepSpeed's files hold objects of its own, and only it can say which.
        return "deepspeed" in text and any(
            (isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "deepspeed")
            or (isinstance(node, ast.Import) and any(a.name.partition(".")[0] == "deepspeed" for a in node.names))
            for node in walk(ctx.tree.module)
        )

    def _last_resort(self, node: ast.Call, ctx: Context) -> bool:
        """Whether the same function loads with `weights_only=True` as well, and so comes here only if that fails."""
        for other in walk(ctx.tree.function(node) or ctx.tree.module):
            if isinstance(other, ast.Call) and ctx.dotted(other.func) == "torch.load":
                flag = ctx.argument(other, "weights_only")
                if isinstance(flag, ast.Constant) and flag.value is True:
                    return True
        return False

    def _in_memory(self, path: ast.expr, ctx: Context) -> bool:
        """Whether it reads bytes that the program holds: what another part of it has pickled."""
        if isinstance(path, ast.Name):
            bindings = ctx.reaching.of(path)
            if bindings is None or len(bindings) != 1 or bindings[0].path:
                return False
            annotation = bindings[0].annotation
            if bindings[0].how == "parameter" and annotation is not None:
                root = annotation.value if isinstance(annotation, ast.Subscript) else annotation
                return ctx.dotted(root) in _IN_MEMORY
            if bindings[0].value is None:
                return False
            found: ast.AST = bindings[0].value
        else:
            found = path
        return isinstance(found, ast.Call) and ctx.dotted(found.func) == "io.BytesIO"

    def _wants_objects(self, node: ast.Call, ctx: Context) -> bool:
        """Whether the code takes what it loads, or a part of it, for a module or another object, which
        `weights_only=True` refuses.
        """
        for use in self._uses(node, ctx):
            if self._is_object(use, ctx):
                return True
            part = self._part(use, ctx)
            if part is None:
                continue
            parent = ctx.tree.parent(part)
            if isinstance(parent, ast.Call) and part in parent.args and not self._takes_weights(parent, ctx):
                return True
            if any(self._is_object(other, ctx, plain=False) for other in self._uses(part, ctx)):
                return True
        return False

    def _uses(self, node: ast.expr, ctx: Context) -> list[ast.expr]:
        """An expression, and where the name is read that its value is given."""
        statement = ctx.tree.statement(node)
        uses: list[ast.expr] = [node]
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is node:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    uses += ctx.flow.uses_after(target.id, statement)
        return uses

    def _is_object(self, use: ast.expr, ctx: Context, *, plain: bool = True) -> bool:
        """Whether a use is one of a module; where ``plain`` is False, also one of anything but plain data."""
        parent = ctx.tree.parent(use)
        if isinstance(parent, ast.Attribute) and parent.value is use:
            return parent.attr in _OF_MODULES or not (plain or parent.attr in _OF_DATA)
        if not isinstance(parent, ast.Call):
            return False
        asks = len(parent.args) == 2 and parent.args[0] is use and ctx.dotted(parent.func) == "isinstance"
        return parent.func is use or (asks and self._names_object(parent.args[1], ctx))

    def _part(self, use: ast.expr, ctx: Context) -> ast.expr | None:
        """What is taken by a literal key: `saved["model"]`, `saved.get("model")`."""
        parent = ctx.tree.parent(use)
        if isinstance(parent, ast.Subscript) and parent.value is use and isinstance(parent.slice, ast.Constant):
            return parent
        if isinstance(parent, ast.Attribute) and parent.attr in ("get", "pop") and parent.value is use:
            call = ctx.tree.parent(parent)
            return call if isinstance(call, ast.Call) and call.func is parent else None
        return None

    def _takes_weights(self, call: ast.Call, ctx: Context) -> bool:
        """Whether a call takes a state dict, a tensor or a number: objects are handed to others."""
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("load_state_dict", "copy_"):
            return True
        dotted = ctx.dotted(call.func)
        return dotted is not None and ("." not in dotted or dotted.startswith(("torch.", "numpy.")))

    def _names_object(self, classes: ast.expr, ctx: Context) -> bool:
        """Whether one of the classes that a value is compared with is neither plain data nor a tensor."""
        listed = classes.elts if isinstance(classes, ast.Tuple) else [classes]
        return any(ctx.dotted(each) == "torch.nn.Module" for each in listed)

    def _explained(self, node: ast.Call, ctx: Context) -> bool:
        """Whether a comment at the call, or directly above its statement, says why the file is unpickled."""
        first, last = ctx.tree.statement(node).lineno, node.end_lineno or node.lineno
        while first > 1 and ctx.source.line(first - 1).lstrip().startswith("#"):
            first -= 1
        return any(_REASON.search(ctx.source.line(number)) for number in range(first, last + 1))

    def _written_here(self, path: ast.expr | None, ctx: Context) -> bool:
        """Whether the same function, or the file's top level, saves to the very path (or buffer)."""
        if path is None or not isinstance(path, (ast.Name, ast.Attribute, ast.Constant, ast.JoinedStr, ast.BinOp)):
            return False
        text = ast.dump(path)
        if isinstance(path, (ast.Constant, ast.Attribute)):
            place: ast.AST = ctx.tree.module
        else:
            place = ctx.tree.function(path) or ctx.tree.module
        for other in walk(place):
            if isinstance(other, ast.Call) and isinstance(other.func, ast.Attribute) and other.func.attr == "save":
                target = ctx.argument(other, "f", 1)
                if target is not None and ast.dump(target) == text and ctx.dotted(other.func) == "torch.save":
                    return True
        return False

    examples = (
        Example(
            given="import torch\n",
            bad="state = torch.load(path, map_location='cpu')",
            good="state = torch.load(path, map_location='cpu', weights_only=True)",
            targets={"torch": ">=2.0,<2.6"},
        ),
        Example(
            given="import torch\n",
            bad="def restore(path):\n    return torch.load(path, weights_only=False)  # old\n",
            good="def restore(path):\n    return torch.load(path, weights_only=True)  # old\n",
        ),
        Example(
            given=(
                "import os\nimport tempfile\nimport torch\nfolder = tempfile.mkdtemp()\n"
                "torch.save({'w': torch.randn(3)}, os.path.join(folder, 'w.pt'))\n"
            ),
            bad="state = torch.load(folder + '/w.pt', weights_only=False)['w']",
            good="state = torch.load(folder + '/w.pt', weights_only=True)['w']",
            equal="state",
        ),
        Example(
            given="from torch import load as read\n",
            bad="state = read(\n    'model.pt',\n    map_location=None,\n    weights_only=False,\n)",
            good="state = read(\n    'model.pt',\n    map_location=None,\n    weights_only=True,\n)",
        ),
        Example(given="import pickle\nimport torch\n", bad="state = torch.load('model.pt', pickle_module=pickle)"),
        Example(given="import torch\n", ok="state = torch.load('model.pt')"),
        Example(
            given="import torch\n",
            ok=(
                "def restore(path):\n    # The optimizer's groups hold objects of ours;\n"
                "    # only read what you trust.\n    return torch.load(path, weights_only=False)\n"
            ),
            note="the reason is given",
        ),
        Example(
            given="import torch\n",
            ok="state = torch.load(\n    'run.pt',\n    weights_only=False,  # a pickled Namespace\n)\n",
        ),
        Example(
            given="import torch\n",
            bad="# weights_only is not looked at above a blank line\n\nstate = torch.load('a.pt', weights_only=False)",
            good="# weights_only is not looked at above a blank line\n\nstate = torch.load('a.pt', weights_only=True)",
        ),
        Example(given="import torch\n", ok="state = torch.load('model.pt')", targets={"torch": ">=2.6"}),
        Example(
            given="import torch\n",
            ok=(
                "def restore(path):\n    try:\n        return torch.load(path, weights_only=True)\n"
                "    except Exception:\n        return torch.load(path, weights_only=False)\n"
            ),
        ),
        Example(
            given="import io\nimport torch\n",
            ok="def received(message):\n    return torch.load(io.BytesIO(message), weights_only=False)\n",
        ),
        Example(
            given="import io\nimport torch\n",
            ok="def load_bytes(state, value: io.BytesIO):\n    state['x'] = torch.load(value, weights_only=False)\n",
            note="bytes that another part of the program holds",
        ),
        Example(
            given="import torch\n",
            ok="def restore(path):\n    net = torch.load(path, weights_only=False)\n    net.eval()\n    return net\n",
            note="a whole module, which `weights_only=True` refuses",
        ),
        Example(
            given="import torch\n",
            ok=(
                "def restore(path, agent, envs):\n    saved = torch.load(path)\n"
                "    agent.load_state_dict(saved['model'])\n    envs.set_obs_rms(saved['obs_rms'])\n"
            ),
            targets={"torch": ">=2.0,<2.6"},
            note="running statistics are objects of the project",
        ),
        Example(
            given="import torch\n",
            ok="def restore(path):\n    args = torch.load(path, weights_only=False)['args']\n    return args.width\n",
            note="a Namespace",
        ),
        Example(
            given="import torch\n",
            ok="def restore(path):\n    net: torch.nn.Module = torch.load(path)\n    return net.state_dict()\n",
            targets={"torch": ">=2.0,<2.6"},
        ),
        Example(
            given="import torch\nfrom torch import nn\n",
            ok=(
                "def restore(path, model):\n    saved = torch.load(path, weights_only=False)\n"
                "    if isinstance(saved, nn.Module):\n        return saved\n"
                "    model.load_state_dict(saved)\n    return model\n"
            ),
            note="it may be a module",
        ),
        Example(
            given="import torch\n",
            bad=(
                "def restore(path, model):\n    saved = torch.load(path, weights_only=False)\n"
                "    model.load_state_dict(saved['model'])\n    return saved.get('epoch', 0)\n"
            ),
            good=(
                "def restore(path, model):\n    saved = torch.load(path, weights_only=True)\n"
                "    model.load_state_dict(saved['model'])\n    return saved.get('epoch', 0)\n"
            ),
        ),
        Example(
            given="import torch\nfrom deepspeed.utils.zero_to_fp32 import get_optim_files\n",
            ok="def restore(folder):\n    return torch.load(get_optim_files(folder)[0], weights_only=False)\n",
        ),
        Example(given="import torch\n", ok="state = torch.load('model.pt')", targets={"torch": "1.9"}),
        Example(given="import torch\n", ok="state = torch.load('model.pt', weights_only=True)"),
        Example(given="import torch\n", ok="def f(path, safe):\n    return torch.load(path, weights_only=safe)\n"),
        Example(given="import torch\n", ok="def f(path, **options):\n    return torch.load(path, **options)\n"),
        Example(given="import torch\n", ok="module = torch.jit.load('model.pt')\nfrom mylib import load\nload('x')"),
        Example(
            given="import io\nimport torch\n",
            ok=(
                "def copied(model):\n    buffer = io.BytesIO()\n    torch.save(model, buffer)\n    buffer.seek(0)\n"
                "    return torch.load(buffer, weights_only=False)\n"
            ),
        ),
        Example(
            given="import torch\nfrom mylib import Config\n",
            ok=(
                "with torch.serialization.safe_globals([Config]):\n"
                "    state = torch.load('model.pt', weights_only=False)\n"
            ),
        ),
        Example(
            given="import torch\nfrom packaging import version\n",
            ok=(
                "if version.parse(torch.__version__) >= version.parse('2.6'):\n"
                "    state = torch.load('model.pt', weights_only=False)\nelse:\n    state = torch.load('model.pt')\n"
            ),
            targets={"torch": ">=2.0,<2.6"},
        ),
    )
