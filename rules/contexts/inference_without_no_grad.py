from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from mlint.rule import (
    FUNCTIONS,
    LOOPS,
    LOSS,
    MODULE,
    Context,
    Edit,
    Example,
    Finding,
    FunctionNode,
    Method,
    Rule,
    Safety,
    walk,
    walk_statements,
)

# Whoever uses these words asks for gradients of a model in eval mode: attacks, saliency, penalties, meta-learning.
GRADIENT_WORDS = frozenset(
    "backward manual_backward requires_grad requires_grad_ retain_grad enable_grad set_grad_enabled grad autograd "
    "autograd_grad vjp jvp jacobian hessian jacrev jacfwd hvp register_hook register_full_backward_hook "
    "register_backward_hook grad_fn is_leaf create_graph functional_call captum zero_grad".split()
)
GRADIENT_NAMES = re.compile(
    r"attack|advers|saliency|gradcam|grad_cam|attribution|fgsm|pgd|perturb|style_?transfer|deepdream|dream|invert|"
    r"inversion|penalty|test_time|tent\b|distill",
    re.IGNORECASE,
)
OTHER_FRAMEWORKS = frozenset("paddle mindspore jittor mxnet oneflow tinygrad flax mlx".split())
# Methods and functions that end in plain numbers, integers or booleans: nothing to differentiate.
ENDS = frozenset("item numpy tolist detach argmax argmin argsort detach_ eq ne ge gt le lt long int bool byte".split())
END_CALLS = frozenset("float int bool len print str repr format".split())
END_PREFIXES = ("numpy.", "sklearn.", "scipy.", "torchmetrics.", "evaluate.", "PIL.", "cv2.", "matplotlib.", "pandas.")
END_FUNCTIONS = frozenset({"torch.argmax", "torch.argmin", "torch.argsort", "torch.eq", "torch.save"})
DIFFERENTIABLE = ("torch.", "torchvision.", "einops.", "torchmetrics.", "numpy.", "sklearn.", "transformers.")

SETUP = """import torch
import torch.nn.functional as F
from torch import nn
model = nn.Linear(4, 3)
loader = [(torch.randn(8, 4), torch.randint(0, 3, (8,))) for _ in range(3)]
"""
EVALUATE = (
    "def evaluate(model, loader):\n    model.eval()\n    total = 0\n    for x, y in loader:\n"
    "        total += (model(x).argmax(1) == y).sum().item()\n    return total"
)


class InferenceWithoutNoGrad(Rule):
    """A model in eval mode that runs without `torch.no_grad()` keeps its activations for a backward pass.

    ## Why
    `model.eval()` changes what dropout and batch normalization do; it does not turn gradients off. Each forward pass
    then records the graph and holds the activations of all layers until the last reference to the output goes,
    typically in the next round of the loop, so evaluation needs about the memory of training, and an output that is
    kept in a list keeps its whole graph. `torch.no_grad()` frees each activation once the next layer has read it.

    ## Fix safety
    Safe where the class of the model is known and everything that the model returns is turned into plain numbers inside
    the function. Unsafe where the model may be any (one that computes forces differentiates in its own `forward`), and
    where an output is bound to a name of the module, returned, stored or passed to code that is not known: somebody may
    ask for its gradient there.

    ## References
    - PyTorch documentation, "Autograd mechanics", section "Locally disabling gradient computation".
    - PyTorch documentation, "Autograd mechanics", section "Evaluation Mode (nn.Module.eval())": it is orthogonal to
      no-grad mode.

    ## Known limits
    A function whose callers in other files turn gradients off is not seen as such.
    """

    code, name = "ML201", "inference-without-no-grad"
    libraries = ("torch",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Method("eval"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Attribute)
        if node.args or node.keywords or ctx.is_a(node.func.value, LOSS):
            return
        found = self._region(node, ctx)
        if found is None:
            return
        words, region = found
        forwards = self._forwards(words, region, ctx)
        if not forwards:
            return
        if self._wants_gradients(node, region, ctx) or self._gradients_off(forwards, ctx):
            return
        outputs = _Outputs(region, forwards, ctx)
        if not outputs.ends:
            return
        if ctx.tree.function(node) is None and not any(self._is_repeated(call, region, ctx) for call in forwards):
            return
        yield self._report(node, region, forwards, outputs, ctx)

    def _region(self, call: ast.Call, ctx: Context) -> tuple[frozenset[str], list[ast.stmt]] | None:
        """What the code calls the model, and the statements that run with it in eval mode."""
        assert isinstance(call.func, ast.Attribute)
        statement = ctx.tree.statement(call)
        receiver = call.func.value
        words: set[str] = set()
        if isinstance(statement, ast.Expr) and statement.value is call:
            words.add(ast.dump(_loaded(receiver)))
        elif isinstance(statement, ast.Assign) and _chained(statement.value, call) and len(statement.targets) == 1:
            words.add(ast.dump(_loaded(statement.targets[0])))  # `model = Net().to(device).eval()`
        else:
            return None
        if isinstance(receiver, (ast.Name, ast.Attribute)) and not self._may_be_module(receiver, ctx):
            return None
        region: list[ast.stmt] = []
        for following in ctx.tree.following(statement):
            if _sets_train_mode(following):
                break
            region.append(following)
        return frozenset(words), region

    def _may_be_module(self, receiver: ast.expr, ctx: Context) -> bool:
        kind = ctx.kinds.of(receiver)
        if kind.known and not kind.is_a(MODULE):
            return False
        roots = {binding.imported.partition(".")[0] for binding in ctx.names.imports() if binding.imported}
        return "torch" in roots and roots.isdisjoint(OTHER_FRAMEWORKS)

    def _forwards(self, words: frozenset[str], region: list[ast.stmt], ctx: Context) -> list[ast.Call]:
        return [
            inner
            for inner in walk_statements(region)
            if isinstance(inner, ast.Call)
            and isinstance(inner.func, (ast.Name, ast.Attribute))
            and (inner.args or inner.keywords)
            and ast.dump(_loaded(inner.func)) in words
        ]

    def _is_repeated(self, call: ast.Call, region: list[ast.stmt], ctx: Context) -> bool:
        for ancestor in ctx.tree.ancestors(call):
            if isinstance(ancestor, (*LOOPS, ast.ListComp, ast.GeneratorExp, ast.DictComp)):
                return True
            if any(ancestor is statement for statement in region):
                return False
        return False

    def _wants_gradients(self, call: ast.Call, region: list[ast.stmt], ctx: Context) -> bool:
        """Whether the code, the functions around it, or the model itself, has to do with gradients."""
        if any(GRADIENT_NAMES.search(outer.name) for outer in ctx.tree.functions(call)):
            return True
        owner = ctx.tree.class_of(call)
        if owner is not None and re.search(r"attack|advers|saliency|cam\b|attribut|invers", owner.name, re.IGNORECASE):
            return True
        for statement in region:
            for node in walk(statement):
                word = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
                if word in GRADIENT_WORDS:
                    return True
                if isinstance(node, ast.Call):
                    if isinstance(node.func, ast.Attribute) and node.func.attr == "step" and not node.args:
                        return True
                    callee = ctx.effects.callee(node)
                    if callee is not None and _mentions(callee[1]):
                        return True
        function = ctx.tree.function(call)
        # In the function itself: inputs made to require gradients, or a switch, before the model is run.
        body = function.body if function is not None else [s for s in ctx.tree.module.body if not _defines(s)]
        for node in walk_statements(body):
            if isinstance(node, ast.Call):
                dotted = ctx.dotted(node.func)
                if dotted is not None and (
                    dotted.endswith(("set_grad_enabled", "enable_grad")) or dotted.startswith("torch.autograd.grad")
                ):
                    return True
                if any(keyword.arg == "requires_grad" for keyword in node.keywords):
                    return True
                if isinstance(node.func, ast.Attribute) and node.func.attr in ("requires_grad_", "retain_grad"):
                    return not (node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value is False)
        return False

    def _gradients_off(self, forwards: list[ast.Call], ctx: Context) -> bool:
        # If it is off for one of them, who wrote it knows what no_grad does.
        return any(ctx.model.grad_mode.possibly_off(forward) for forward in forwards)

    def _report(
        self, node: ast.Call, region: list[ast.stmt], forwards: list[ast.Call], outputs: _Outputs, ctx: Context
    ) -> Finding:
        first = forwards[0]
        message = f"`{ctx.short(first)}` in eval mode records a graph for a backward pass that never comes"
        text, imports = ctx.edits.name("torch.no_grad", first)
        advice = f"run it under `{text}()`"
        run = _run(region, forwards, ctx)
        if not run or any(isinstance(n, (ast.Yield, ast.YieldFrom, ast.Await)) for n in walk_statements(run)):
            return ctx.finding(first, message, advice)
        # What a module binds may be read by whoever comes later.
        public = ctx.tree.function(node) is None and any(
            isinstance(ctx.tree.parent(forward), ast.Assign) for forward in forwards
        )
        safe = not outputs.leaves and not public and _computes_only_numbers(run, forwards, ctx)
        safe = safe and all(_class_in_sight(forward, ctx) for forward in forwards)
        safety = Safety.SAFE if safe else Safety.UNSAFE
        function = ctx.tree.function(node)
        if function is not None and _is_all(function, node, run, ctx):
            whole = function

            def decorate() -> Iterable[Edit]:
                return [ctx.edits.decorate(whole, f"@{text}()"), *imports]

            return ctx.finding(first, message, advice, ctx.fix(decorate, safety, f"Decorate with `@{text}()`"))

        def build() -> Iterable[Edit]:
            return [*ctx.edits.wrap(run, f"with {text}():"), *imports]

        return ctx.finding(first, message, advice, ctx.fix(build, safety, f"Put it under `with {text}():`"))

    examples = (
        # Somebody has turned gradients off
        Example(
            given=SETUP,
            ok="def evaluate(model, loader):\n    model.eval()\n    with torch.no_grad():\n"
            "        for x, y in loader:\n"
            "            print((model(x).argmax(1) == y).sum().item())",
        ),
        Example(given=SETUP, ok="@torch.no_grad()\n" + EVALUATE),
        Example(given=SETUP, ok="@torch.inference_mode()\n" + EVALUATE),
        Example(given=SETUP + "from torch import no_grad\n", ok="@no_grad()\n" + EVALUATE),
        Example(given=SETUP + "import torch as th\n", ok="@th.no_grad()\n" + EVALUATE),
        Example(given=SETUP + "from mylib import eval_decorator\n", ok="@eval_decorator\n" + EVALUATE),
        Example(given=SETUP + "torch.set_grad_enabled(False)\n", ok=EVALUATE),
        Example(given=SETUP, ok=EVALUATE + "\n\nwith torch.no_grad():\n    evaluate(model, loader)\n"),
        Example(
            given=SETUP,
            ok=EVALUATE + "\n\n@torch.no_grad()\ndef main():\n    return outer()\n\n\n"
            "def outer():\n    return evaluate(model, loader)",
            note="the caller's caller",
        ),
        Example(
            given=SETUP,
            ok="def run(phase, loader):\n    model.eval()\n    with torch.set_grad_enabled(phase == 'train'):\n"
            "        for x, y in loader:\n            print(model(x).argmax(1))",
        ),
        Example(
            given=SETUP + "import lightning.pytorch as pl\n",
            ok="class Net(pl.LightningModule):\n    def validation_step(self, batch, i):\n        self.net.eval()\n"
            "        for x in batch:\n            print(self.net(x).argmax(1))",
        ),
        # Somebody wants gradients
        Example(
            given=SETUP,
            ok="def saliency(model, loader):\n    model.eval()\n    for x, y in loader:\n        x.requires_grad_()\n"
            "        score = model(x).max()\n        score.backward()\n        print(score.item())",
        ),
        Example(
            given=SETUP,
            ok="def fgsm_attack(model, loader, grads):\n    model.eval()\n    for x, y in loader:\n"
            "        out = model(x)\n"
            "        print(out.argmax(1), grads(out))",
        ),
        Example(
            given=SETUP,
            ok="def step(model, loader, opt):\n    model.eval()  # frozen batch norm\n    for x, y in loader:\n"
            "        loss = model(x).sum()\n        opt.zero_grad()\n        loss.backward()\n        opt.step()\n"
            "        print(loss.item())",
        ),
        Example(
            given=SETUP,
            ok="def features(model, x):\n    model.eval()\n    return model(x)",
            note="nothing says that nobody asks for its gradient",
        ),
        Example(
            given=SETUP,
            ok="def train(model, loader, opt):\n    model.eval()\n    model.train()\n    for x, y in loader:\n"
            "        print(model(x).argmax(1))",
        ),
        # Other things called eval
        Example(
            given=SETUP + "import pandas as pd\ndf = pd.DataFrame()\n",
            ok="def f(x):\n    df.eval('a + b')\n    print(df(x))",
        ),
        Example(
            given=SETUP + "from transformers import AutoModelForCausalLM\n",
            ok='def chat(ids):\n    llm = AutoModelForCausalLM.from_pretrained("gpt2")\n    llm.eval()\n'
            "    for i in ids:\n        print(llm.generate(i).tolist())",
            note="generate turns gradients off by itself",
        ),
        Example(
            given="from flax import nnx\nimport torch\n",
            ok="def run(model, loader):\n    model.eval()\n    for x in loader:\n        print(model(x).argmax(1))",
        ),
        # The defect
        Example(
            given=SETUP,
            bad=EVALUATE + "\n\nresult = evaluate(model, loader)",
            good="def evaluate(model, loader):\n    model.eval()\n    total = 0\n    with torch.no_grad():\n"
            "        for x, y in loader:\n"
            "            total += (model(x).argmax(1) == y).sum().item()\n    return total"
            "\n\nresult = evaluate(model, loader)",
            equal="result",
            safety="safe",
        ),
        Example(
            given=SETUP,
            bad="def evaluate(model, loader, criterion):\n    model.eval()\n    losses = []\n    for x, y in loader:\n"
            "        # one batch\n        out = model(x)\n        loss = criterion(out, y)\n"
            "        losses.append(loss.item())\n"
            "    return losses\n\n\nresult = evaluate(model, loader, nn.CrossEntropyLoss())",
            good="def evaluate(model, loader, criterion):\n    model.eval()\n    losses = []\n"
            "    with torch.no_grad():\n"
            "        for x, y in loader:\n            # one batch\n            out = model(x)\n"
            "            loss = criterion(out, y)\n"
            "            losses.append(loss.item())\n    return losses\n\n\n"
            "result = evaluate(model, loader, nn.CrossEntropyLoss())",
            equal="result",
            safety="safe",
            note="the caller tells what `criterion` is",
        ),
        Example(
            given=SETUP,
            bad="def fit(model, loader, opt):\n    for epoch in range(2):\n        model.train()\n"
            "        for x, y in loader:\n"
            "            loss = F.cross_entropy(model(x), y)\n            opt.zero_grad()\n"
            "            loss.backward()\n"
            "            opt.step()\n        model.eval()\n        for x, y in loader:\n            out = model(x)\n"
            "            print(F.cross_entropy(out, y).item())\n"
            "\n\nfit(model, loader, torch.optim.SGD(model.parameters(), lr=0.1))\nresult = model.weight.detach()",
            good="def fit(model, loader, opt):\n    for epoch in range(2):\n        model.train()\n"
            "        for x, y in loader:\n"
            "            loss = F.cross_entropy(model(x), y)\n            opt.zero_grad()\n"
            "            loss.backward()\n"
            "            opt.step()\n        model.eval()\n        with torch.no_grad():\n"
            "            for x, y in loader:\n"
            "                out = model(x)\n                print(F.cross_entropy(out, y).item())\n"
            "\n\nfit(model, loader, torch.optim.SGD(model.parameters(), lr=0.1))\nresult = model.weight.detach()",
            equal="result",
            safety="safe",
        ),
        Example(
            given=SETUP,
            bad="class Trainer:\n    def __init__(self, model):\n        self.model = model\n\n"
            "    def predict(self, loader):\n"
            "        self.model.eval()\n        found = []\n        for x, _ in loader:\n"
            "            found.append(self.model(x).softmax(1).detach().cpu().numpy())\n        return found\n"
            "\n\nresult = Trainer(model).predict(loader)",
            good="class Trainer:\n    def __init__(self, model):\n        self.model = model\n\n"
            "    def predict(self, loader):\n"
            "        self.model.eval()\n        found = []\n        with torch.no_grad():\n"
            "            for x, _ in loader:\n"
            "                found.append(self.model(x).softmax(1).detach().cpu().numpy())\n        return found\n"
            "\n\nresult = Trainer(model).predict(loader)",
            equal="result",
            safety="unsafe",
            note="a model that is handed in may differentiate in its own forward",
        ),
        Example(
            given=SETUP,
            bad="model.eval()\nresult = []\nfor x, y in loader:\n    result.append(model(x).argmax(dim=1))",
            good="model.eval()\nresult = []\nwith torch.no_grad():\n    for x, y in loader:\n"
            "        result.append(model(x).argmax(dim=1))",
            equal="result",
            safety="safe",
        ),
        Example(
            given=SETUP.replace("import torch\n", "import torch as th\n", 1).replace("torch.r", "th.r"),
            bad="def scores(model, loader):\n    model.eval()\n    outs = []\n    for x, y in loader:\n"
            "        out = model(x)\n"
            "        outs.append(out)\n        print(out.argmax(1))\n    return outs",
            good="def scores(model, loader):\n    model.eval()\n    outs = []\n    with th.no_grad():\n"
            "        for x, y in loader:\n            out = model(x)\n            outs.append(out)\n"
            "            print(out.argmax(1))\n    return outs",
            safety="unsafe",
        ),
    )


class _Outputs:
    """Where the outputs of a model go.

    Attributes:
        ends: whether something turns an output into plain numbers.
        leaves: whether an output may be used outside, or by code that is not known.
    """

    def __init__(self, region: list[ast.stmt], forwards: list[ast.Call], ctx: Context) -> None:
        self.ctx = ctx
        self.ends = False
        self.leaves = False
        self.names: set[str] = set()
        self.forwards = forwards
        nodes = list(walk_statements(region))
        seen: set[ast.AST] = set()
        while True:
            before = len(self.names)
            sources: list[ast.expr] = list(forwards)
            sources += [
                n for n in nodes if isinstance(n, ast.Name) and n.id in self.names and isinstance(n.ctx, ast.Load)
            ]
            for source in sources:
                if source not in seen:
                    seen.add(source)
                    self._follow(source)
            if len(self.names) == before:
                break
        if self.names and not self.leaves:
            inside = {id(node) for node in nodes}
            scope = ctx.tree.scope(region[0])
            self.leaves = any(
                isinstance(node, ast.Name)
                and node.id in self.names
                and isinstance(node.ctx, ast.Load)
                and id(node) not in inside
                and node.lineno > region[0].lineno
                for node in walk(scope)
            )

    def _follow(self, node: ast.expr) -> None:
        """Follow a value outwards to where it ends, is bound, or leaves."""
        tree = self.ctx.tree
        current: ast.AST = node
        while True:
            parent = tree.parent(current)
            if parent is None or isinstance(parent, (ast.Lambda, *FUNCTIONS)):
                self.leaves = True
                return
            if isinstance(parent, ast.Attribute):
                if parent.attr in ENDS or parent.attr in ("shape", "device", "dtype", "size", "data", "ndim"):
                    self.ends = self.ends or parent.attr in ENDS
                    return
            elif isinstance(parent, ast.Call) and current is not parent.func:
                if not self._through(parent):
                    return
            elif isinstance(parent, ast.Compare):
                if not any(isinstance(op, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for op in parent.ops):
                    self.ends = True
                return
            elif isinstance(parent, (ast.FormattedValue, ast.JoinedStr)):
                self.ends = True
                return
            elif isinstance(parent, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
                for target in parent.targets if isinstance(parent, ast.Assign) else [parent.target]:
                    self._bind(target)
                return
            elif isinstance(parent, ast.NamedExpr):
                self._bind(parent.target)
            elif isinstance(parent, (ast.For, ast.comprehension)) and current is parent.iter:
                self._bind(parent.target)
                if isinstance(parent, ast.For):
                    return
            elif isinstance(parent, (ast.Return, ast.Yield, ast.YieldFrom)):
                self.leaves = True
                return
            elif isinstance(parent, ast.Subscript) and current is not parent.value:
                self.ends = True  # an index
                return
            elif isinstance(parent, ast.stmt):
                return
            current = parent

    def _bind(self, target: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.names.add(target.id)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for element in target.elts:
                self._bind(element)
        elif isinstance(target, ast.Starred):
            self._bind(target.value)
        else:
            self.leaves = True

    def _through(self, call: ast.Call) -> bool:
        """Whether what a call gives has to be followed further when an output is among its arguments."""
        ctx = self.ctx
        dotted = ctx.dotted(call.func)
        if dotted is not None:
            if dotted in END_CALLS or dotted in END_FUNCTIONS or dotted.startswith(END_PREFIXES):
                self.ends = True
                return False
            if dotted.startswith(DIFFERENTIABLE) or dotted in ("zip", "enumerate", "list", "tuple", "sum", "dict"):
                return True
        func = call.func
        if isinstance(func, ast.Attribute):
            if func.attr in ("append", "extend", "add", "insert", "put", "setdefault"):
                if isinstance(func.value, ast.Name):
                    self.names.add(func.value.id)
                else:
                    self.leaves = True
                return False
            if func.attr in ENDS:
                self.ends = True
                return False
            if ctx.is_a(func.value, "torch.Tensor"):
                return True
        if ctx.is_a(func, MODULE) or any(call is forward for forward in self.forwards):
            return True
        if ctx.kinds.local_function(func) is not None and not _mentions(ctx.kinds.local_function(func)):
            return True
        self.leaves = True
        return True


def _run(region: list[ast.stmt], forwards: list[ast.Call], ctx: Context) -> list[ast.stmt]:
    """The statements from the first with a forward call to the last."""
    touched: list[int] = []
    for forward in forwards:
        around = {id(ancestor) for ancestor in ctx.tree.ancestors(forward)}
        touched += [number for number, statement in enumerate(region) if id(statement) in around]
    return region[min(touched) : max(touched) + 1] if touched else []


# Calls that keep nothing: their results are shown or thrown away, or are numbers and shapes.
_KEEPS_NOTHING = frozenset(
    "to cuda cpu float half double sum mean max min size view reshape flatten squeeze unsqueeze softmax sigmoid "
    "log_softmax permute transpose format set_postfix set_description write flush info debug items keys values "
    "eval no_grad numel dim".split()
)
_ADDS = frozenset({"append", "extend", "add", "update", "insert", "setdefault", "put"})


def _class_in_sight(forward: ast.Call, ctx: Context) -> bool:
    """Whether the class of the model is known: some models differentiate in their own `forward` (forces, penalties)."""
    kind = ctx.kinds.of(forward.func)
    return kind.definition is not None or (kind.name != MODULE and kind.name.startswith(("torch.nn.", "torchvision.")))


def _computes_only_numbers(run: list[ast.stmt], forwards: list[ast.Call], ctx: Context) -> bool:
    """Whether what the statements leave behind is numbers: nothing in them could have needed its gradient."""
    after, inside = run[-1], set(walk_statements(run))
    for node in walk_statements(run):
        if isinstance(node, ast.Call) and node not in forwards:
            func, dotted = node.func, ctx.dotted(node.func)
            if isinstance(func, ast.Attribute) and func.attr in _ADDS:
                if not all(_ends(argument, ctx) for argument in node.args):
                    return False
            elif dotted is None and not (
                isinstance(func, ast.Attribute) and (func.attr in ENDS or func.attr in _KEEPS_NOTHING)
            ):
                if not ctx.is_a(func, LOSS):
                    return False  # whoever is called may keep what it is given
        elif isinstance(node, (ast.Assign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                # What the statements themselves read in a later round, they read without gradients.
                read = not isinstance(target, ast.Name) or any(
                    use not in inside for use in ctx.flow.uses_after(target.id, after)
                )
                if read and not _ends(node.value, ctx):
                    return False
    return True


def _ends(node: ast.expr, ctx: Context) -> bool:
    """Whether an expression is a number, or an array or tensor without a graph."""
    if isinstance(node, ast.Call):
        dotted = ctx.dotted(node.func) or ""
        if dotted in END_CALLS or dotted in END_FUNCTIONS or dotted.startswith(END_PREFIXES):
            return True
        if isinstance(node.func, ast.Attribute):
            return node.func.attr in ENDS or _ends(node.func.value, ctx)
        return False
    if isinstance(node, ast.BinOp):
        return _ends(node.left, ctx) and _ends(node.right, ctx)
    if isinstance(node, (ast.Tuple, ast.List)):
        return all(_ends(element, ctx) for element in node.elts)
    if isinstance(node, (ast.Compare, ast.Constant, ast.JoinedStr)):
        return True
    return ctx.kinds.of(node).name in ("int", "float", "bool", "str", "scalar", "torch.Size", "numpy.ndarray")


def _is_all(function: FunctionNode, call: ast.Call, run: list[ast.stmt], ctx: Context) -> bool:
    """Whether the inference is the whole body of a function: nothing else in it computes."""
    if not isinstance(function, ast.FunctionDef) or ctx.tree.block(run[0]) is not function.body:
        return False
    if any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in walk_statements(function.body)):
        return False
    start = next(number for number, statement in enumerate(function.body) if statement is run[0])
    for statement in function.body[:start]:
        for node in walk_statements([statement]):
            if isinstance(node, ast.Call) and node is not call and (ctx.dotted(node.func) or "") not in END_CALLS:
                return False
    rest = function.body[start + len(run) :]
    lines = (run[-1].end_lineno or 0) - run[0].lineno + 1
    return lines >= 8 and len(rest) <= 2


def _loaded(node: ast.expr) -> ast.expr:
    """A name or attribute as it looks when it is read."""
    if isinstance(node, ast.Name):
        return ast.Name(node.id, ast.Load())
    if isinstance(node, ast.Attribute):
        return ast.Attribute(node.value, node.attr, ast.Load())
    return node


def _chained(value: ast.expr, call: ast.Call) -> bool:
    """Whether a call is an expression, or the head of a chain such as ``model.eval().to(device)``."""
    while value is not call:
        if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute):
            return False
        value = value.func.value
    return True


def _sets_train_mode(statement: ast.stmt) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "train"
        for node in walk(statement)
    )


def _defines(statement: ast.stmt) -> bool:
    return isinstance(statement, (*FUNCTIONS, ast.ClassDef))


def _mentions(definition: ast.AST | None) -> bool:
    """Whether a function has to do with gradients."""
    if definition is None:
        return False
    return any(
        (isinstance(node, ast.Attribute) and node.attr in GRADIENT_WORDS)
        or (isinstance(node, ast.Name) and node.id in GRADIENT_WORDS)
        for node in walk(definition)
    )
