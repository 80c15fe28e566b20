from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from mlint.rule import (
    FUNCTIONS,
    LOOPS,
    MODULE,
    Birth,
    Call,
    Context,
    Edit,
    Example,
    Finding,
    Fix,
    Method,
    Rule,
    Safety,
    walk,
    walk_statements,
)

OFF = frozenset({"torch.no_grad", "torch.inference_mode"})
INFERENCE = (
    r"(?i)(^|_)(test|val|valid|validate|validation|eval|evaluate|evaluation|predict|prediction|predictions|infer|inference|"
    r"score|accuracy|classify)(_|$)"
)
# Dropout that is left on to measure how sure a model is, and statistics that are computed anew.
MEANT = (
    r"(?i)monte_?carlo|mc_?drop|mcd(_|$)|uncertain|bayes|epistemic|stochastic|update_bn|bn_update|recalibrat|calibrat|"
    r"ensemble|adapt_?bn|teacher|ema(_|$)|momentum_|generator|discriminator|netg|netd|gan(_|$)"
)
# Methods and functions that turn scores into predictions or into numbers for people.
PREDICTING = frozenset("argmax topk item tolist numpy softmax sigmoid log_softmax".split())
COMPUTED = ("torch.rand", "torch.randn", "torch.zeros", "torch.ones", "torch.empty")

NET = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(4, 3)

    def forward(self, x):
        return self.out(self.drop(self.norm(x)))


"""
DATA = "xs = [torch.randn(8, 4) for _ in range(3)]\n"
TEST = (
    "def test(model, xs):\n    with torch.no_grad():\n        for x in xs:\n"
    "            print(model(x).argmax(1).tolist())"
)


class InferenceInTrainMode(Rule):
    """A model that predicts in training mode drops activations at random and mixes the samples of a batch.

    ## Why
    A new `Module` is in training mode, and `load_state_dict` and `torch.no_grad()` do not change that. Dropout then
    zeroes activations of every prediction at random, and batch normalization uses the mean and variance of the batch at
    hand, so that a prediction depends on what else is in the batch, and moves its running statistics towards the test
    data. Nothing fails, the scores are just worse and differ from run to run.

    ## Fix safety
    Unsafe: puts `model.eval()` in front of the predictions, which changes them; that is what it is for. There is no fix
    where the model is trained around them and would stay in eval mode.

    ## Known limits
    Only models are reported that are made in the same file, certainly hold a layer that acts by its mode, and are held
    by nobody who may call `eval`. Models from `from_pretrained` are in eval mode already.

    ## References
    - PyTorch documentation, "Autograd mechanics", section "Evaluation Mode (nn.Module.eval())".
    - PyTorch tutorial, "Saving and Loading Models": "you must call model.eval() to set dropout and batch normalization
      layers to evaluation mode before running inference".
    """

    code, name = "ML205", "inference-in-train-mode"
    libraries = ("torch",)
    safety = Safety.UNSAFE
    triggers = (Call(*OFF), Method("load_state_dict"), Method("argmax"), Call("torch.argmax"))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        owner = ctx.tree.class_of(node)
        if owner is not None and (owner.bases or re.search(MEANT, owner.name)):
            return  # a framework, or a base, decides on the mode of its parts
        region = self._region(node, ctx)
        if region is None:
            return
        function = ctx.tree.function(region[0])
        told: set[str] = set()
        for call in walk_statements(region):
            if not isinstance(call, ast.Call) or not isinstance(call.func, (ast.Name, ast.Attribute)):
                continue
            net = ctx.text(call.func)
            if net in told or (isinstance(call.func, ast.Attribute) and not ctx.kinds.is_self(call.func.value)):
                continue
            if not (call.args or call.keywords) or not ctx.is_a(call.func, MODULE):
                continue
            if not self._predicts(call, ctx) or self._is_meant(call, ctx):
                continue
            birth = ctx.always_training(call.func)
            told.add(net)
            if birth is None or (birth.public and function is not None and not ctx.is_script):
                continue  # or another module may find it by its name
            message = f"`{net}` predicts in training mode: its dropout and batch statistics are on"
            yield ctx.finding(call, message, f"call `{net}.eval()` first", self._fix(call, birth, ctx))

    def _region(self, node: ast.Call, ctx: Context) -> list[ast.stmt] | None:
        """The statements in which a model predicts: those without gradients, those behind `load_state_dict`, or those
        of a function that is named after predicting.
        """
        parent = ctx.tree.parent(node)
        function = ctx.tree.function(node)
        if ctx.dotted(node.func) in OFF:
            if isinstance(parent, ast.withitem):
                block = ctx.tree.parent(parent)
                assert isinstance(block, (ast.With, ast.AsyncWith))
                return block.body
            return parent.body if isinstance(parent, FUNCTIONS) and node in parent.decorator_list else None
        named = function is not None and re.search(INFERENCE, function.name) is not None
        loading = isinstance(node.func, ast.Attribute) and node.func.attr == "load_state_dict"
        if not (named or loading):
            return None
        body = ctx.tree.module.body if function is None else function.body
        trains = any(
            isinstance(part, ast.Attribute)
            and part.attr in ("backward", "step", "train", "parameters", "manual_backward")
            for part in walk_statements(body)
        )
        if trains:
            return None
        if loading:
            following = ctx.tree.following(ctx.tree.statement(node))
            return following if following and not ctx.flow.grad_context(node) else None
        loads = any(
            isinstance(part, ast.Attribute) and part.attr == "load_state_dict" for part in walk_statements(body)
        )
        own = [part for part in body if any(inner is node for inner in walk(part))]
        first = next((part for part in walk_statements(body) if self._is_prediction(part, ctx)), None)
        # What has no gradients is looked at from the context that turns them off.
        return own if not loads and first is node and not ctx.flow.grad_context(node) else None

    def _is_prediction(self, node: ast.AST, ctx: Context) -> bool:
        return isinstance(node, ast.Call) and self.wants(node, ctx.model) and ctx.dotted(node.func) not in OFF

    def _predicts(self, call: ast.Call, ctx: Context) -> bool:
        """Whether what a model gives is turned into predictions, and is not the shape of something made up."""
        for argument in call.args:
            values = [argument]
            if isinstance(argument, ast.Name):
                values = [b.value for b in ctx.reaching.of(argument) or () if b.value is not None and not b.path]
            for value in values:
                for part in walk(value):
                    if isinstance(part, ast.Call) and (ctx.dotted(part.func) or "").startswith(COMPUTED):
                        return False
        if any(self._turns(ancestor, ctx) for ancestor in ctx.tree.ancestors(call) if isinstance(ancestor, ast.Call)):
            return True
        statement = ctx.tree.statement(call)
        names = self._bound(statement)
        for following in self._after(statement, ctx):
            for part in walk(following):
                if not isinstance(part, ast.Name) or part.id not in names or isinstance(part.ctx, ast.Store):
                    continue
                if any(self._turns(outer, ctx) for outer in self._calls_around(part, ctx)):
                    return True
                names |= self._bound(ctx.tree.statement(part))
        return False

    def _bound(self, statement: ast.stmt) -> set[str]:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        return {part.id for target in targets for part in walk(target) if isinstance(part, ast.Name)}

    def _after(self, statement: ast.stmt, ctx: Context) -> list[ast.stmt]:
        found = list(ctx.tree.following(statement))
        for ancestor in ctx.tree.ancestors(statement):
            if isinstance(ancestor, FUNCTIONS):
                break
            if isinstance(ancestor, ast.stmt):
                found += ctx.tree.following(ancestor)
        return found

    def _calls_around(self, node: ast.AST, ctx: Context) -> Iterator[ast.Call]:
        for ancestor in ctx.tree.ancestors(node):
            if isinstance(ancestor, ast.Call):
                yield ancestor
            elif isinstance(ancestor, ast.stmt):
                return

    def _turns(self, call: ast.Call, ctx: Context) -> bool:
        func = call.func
        word = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
        dotted = ctx.dotted(func) or ""
        return word in PREDICTING or dotted in ("torch.max", "print") or dotted.startswith("sklearn.metrics.")

    def _is_meant(self, call: ast.Call, ctx: Context) -> bool:
        """Whether somebody wants the training mode here, or trains around the call."""
        for function in ctx.tree.functions(call):
            if re.search(MEANT, function.name):
                return True
        if re.search(MEANT, ctx.text(call.func)):
            return True
        for loop in ctx.tree.loops(call):
            for part in walk_statements(loop.body):
                if isinstance(part, ast.Attribute) and part.attr in ("backward", "manual_backward"):
                    return True
        statement = ctx.tree.statement(call)
        words = (part.attr if isinstance(part, ast.Attribute) else getattr(part, "id", "") for part in walk(statement))
        return any(re.search(MEANT, word) for word in words)

    def _fix(self, call: ast.Call, birth: Birth, ctx: Context) -> Fix | None:
        """`eval()` behind the only `load_state_dict`, or else in front of the loops and contexts around the call."""
        net = ctx.text(call.func)
        text = f"{net}.eval()"
        if birth.trained and self._trains_again(call, ctx, 0):
            return None
        loads = [load for load in birth.loads if ctx.tree.function(load) is ctx.tree.function(call)]
        if len(loads) == 1 and isinstance(ctx.tree.parent(loads[0]), ast.Expr) and loads[0].lineno < call.lineno:
            load = ctx.tree.statement(loads[0])
            if ctx.flow.loop(load) is None and not birth.trained and not birth.shared:
                same = isinstance(loads[0].func, ast.Attribute) and ctx.text(loads[0].func.value) == net
                if same and any(part is load for part in self._blocks_around(call, ctx)):
                    return ctx.fix(lambda: ctx.edits.insert_after(load, text), Safety.UNSAFE, f"Add `{text}`")
        place = ctx.tree.statement(call)
        for ancestor in ctx.tree.ancestors(place):
            if not isinstance(ancestor, (*LOOPS, ast.With, ast.AsyncWith)):
                break
            place = ancestor
        bound = (ctx.reaching.of(call.func) or ()) if isinstance(call.func, ast.Name) else ()
        if any(binding.node is part for part in walk(place) for binding in bound):
            return None  # it is made in there

        def build() -> Iterable[Edit]:
            return [ctx.edits.insert_before(place, text)]

        return ctx.fix(build, Safety.UNSAFE, f"Add `{text}`")

    def _blocks_around(self, node: ast.AST, ctx: Context) -> Iterator[ast.stmt]:
        """The statements of the blocks around a node, in its function."""
        child = ctx.tree.statement(node)
        yield from ctx.tree.block(child)
        for ancestor in ctx.tree.ancestors(child):
            if isinstance(ancestor, (*FUNCTIONS, ast.ClassDef, ast.Module)):
                return
            if isinstance(ancestor, ast.stmt):
                yield from ctx.tree.block(ancestor)

    def _trains_again(self, node: ast.AST, ctx: Context, depth: int) -> bool:
        """Whether anything may train after a node: later in the program, or in the next round of a loop around it."""
        if depth > 3:
            return True
        child: ast.AST = node
        for ancestor in ctx.tree.ancestors(node):
            if isinstance(ancestor, LOOPS) and self._goes_backward(ancestor, ctx):
                return True
            if isinstance(child, ast.stmt) and not isinstance(ancestor, ast.ClassDef):
                if any(self._goes_backward(following, ctx) for following in ctx.tree.following(child)):
                    return True
            if isinstance(ancestor, FUNCTIONS):
                callers = ctx.model.calls_by_definition().get(ancestor, [])
                return any(self._trains_again(caller, ctx, depth + 1) for caller in callers)
            child = ancestor
        return False

    def _goes_backward(self, statement: ast.AST, ctx: Context) -> bool:
        if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            return False
        return any(
            isinstance(part, ast.Call)
            and (
                getattr(part.func, "attr", "") in ("backward", "manual_backward")
                or "backward" in ctx.effects.run_by(part)
            )
            for part in walk(statement)
        )

    examples = (
        # Somebody has set the mode
        Example(given=NET + DATA, ok="model = Net()\nmodel.eval()\n\n\n" + TEST + "\n\n\ntest(model, xs)"),
        Example(given=NET + DATA, ok="model = Net().eval()\n\n\n" + TEST + "\n\n\ntest(model, xs)"),
        Example(given=NET + DATA, ok=TEST + "\n\n\nmodel = Net()\nmodel.train(False)\ntest(model, xs)"),
        Example(given=NET + DATA, ok=TEST + "\n\n\nmodel = Net()\nnet = model\nnet.eval()\ntest(model, xs)"),
        Example(
            given=NET + DATA,
            ok=TEST.replace("    with", "    model.eval()\n    with") + "\n\n\ntest(Net(), xs)",
        ),
        Example(
            given=NET + DATA,
            ok=TEST + "\n\n\ndef mode(net, on):\n    net.train(on)\n\n\nmodel = Net()\nmode(model, False)\n"
            "test(model, xs)",
        ),
        Example(
            given=NET + DATA + "from mylib import prepare\n",
            ok=TEST + "\n\n\nmodel = Net()\nprepare(model)\ntest(model, xs)",
            note="who knows what that does",
        ),
        Example(
            given=NET + DATA,
            ok=TEST + "\n\n\nmodel = Net()\nfor part in model.modules():\n    part.eval()\ntest(model, xs)",
        ),
        Example(
            given=NET + DATA,
            ok=TEST + "\n\n\nmodel = Net()\nmodel.norm.eval()\nmodel.drop.eval()\ntest(model, xs)",
        ),
        Example(
            given=NET.replace("        self.out =", "        self.eval()\n        self.out =") + DATA,
            ok=TEST + "\n\n\ntest(Net(), xs)",
        ),
        Example(
            given=NET + DATA,
            ok="def load():\n    model = Net()\n    model.eval()\n    return model\n\n\n" + TEST + "\n\n\n"
            "test(load(), xs)",
        ),
        # Nothing that acts by its mode, or not certainly
        Example(
            given="import torch\nfrom torch import nn\n" + DATA,
            ok=TEST + "\n\n\nmodel = nn.Sequential(nn.Linear(4, 3), nn.ReLU())\ntest(model, xs)",
        ),
        Example(
            given="import torch\nfrom torch import nn\n" + DATA,
            ok=TEST + "\n\n\nmodel = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.0))\ntest(model, xs)",
        ),
        Example(
            given="import torch\nfrom transformers import AutoModelForSequenceClassification\n" + DATA,
            ok='model = AutoModelForSequenceClassification.from_pretrained("bert-base-uncased")\n\n\n'
            + TEST
            + "\n\n\ntest(model, xs)",
            note="in eval mode already",
        ),
        Example(given="import torch\nfrom mylib import Net\n" + DATA, ok=TEST + "\n\n\ntest(Net(), xs)"),
        # Training mode is meant
        Example(
            given=NET + DATA,
            ok=TEST.replace("def test", "def mc_dropout") + "\n\n\nmc_dropout(Net(), xs)",
        ),
        Example(
            given=NET + DATA,
            ok="model = Net()\nopt = torch.optim.SGD(model.parameters(), lr=0.1)\nfor x in xs:\n"
            "    loss = model(x).sum()\n    opt.zero_grad()\n    loss.backward()\n    opt.step()\n"
            "    with torch.no_grad():\n        print(model(x).argmax(1))",
            note="how far it is, in the middle of training",
        ),
        Example(
            given=NET + DATA,
            ok="model = Net()\nwith torch.no_grad():\n    print(model(torch.zeros(2, 4)).shape)",
        ),
        Example(
            given=NET + DATA,
            ok="model = Net()\nmodel.load_state_dict(torch.load('a.pt'))\n"
            "opt = torch.optim.SGD(model.parameters(), lr=0.1)\nfor x in xs:\n    out = model(x)\n"
            "    print(out.argmax(1))\n    opt.zero_grad()\n    out.sum().backward()\n    opt.step()",
            note="training goes on",
        ),
        Example(
            given=NET.replace("import torch\n", "import torch\nimport lightning.pytorch as pl\n") + DATA,
            ok="class Lit(pl.LightningModule):\n    def test_step(self, batch, i):\n        net = Net()\n"
            "        with torch.no_grad():\n            print(net(batch).argmax(1))",
        ),
        # The defect
        Example(
            given=NET + "xs = [torch.randn(1, 4) for _ in range(3)]\n",
            bad="model = Net()\nresult = []\nwith torch.no_grad():\n    for x in xs:\n"
            "        result.append(model(x).argmax(1).item())\nresult = len(result)",
            good="model = Net()\nresult = []\nmodel.eval()\nwith torch.no_grad():\n    for x in xs:\n"
            "        result.append(model(x).argmax(1).item())\nresult = len(result)",
            equal="result",
            raises="ValueError",
            note="batch normalization refuses a batch of one in training mode",
        ),
        Example(
            given=NET + "xs = [torch.randn(1, 4) for _ in range(3)]\nstate = Net().state_dict()\n",
            bad="def classify(xs):\n    net = Net().to('cpu')\n    net.load_state_dict(state)  # trained elsewhere\n"
            "    return [net(x).argmax(1).item() for x in xs]\n\n\nresult = classify(xs)",
            good="def classify(xs):\n    net = Net().to('cpu')\n    net.load_state_dict(state)  # trained elsewhere\n"
            "    net.eval()\n    return [net(x).argmax(1).item() for x in xs]\n\n\nresult = classify(xs)",
            equal="len(result)",
            raises="ValueError",
        ),
        Example(
            given=NET + "xs = [torch.randn(1, 4) for _ in range(3)]\n",
            bad=TEST + "\n\n\nmodel = Net()\ntest(model, xs)\nresult = not model.training",
            good=TEST.replace("    with", "    model.eval()\n    with")
            + "\n\n\nmodel = Net()\ntest(model, xs)\nresult = not model.training",
            equal="result",
            raises="ValueError",
        ),
        Example(
            given=NET + DATA,
            bad="@torch.no_grad()\ndef accuracy(net, xs, ys):\n    right = 0\n    for x, y in zip(xs, ys):\n"
            "        out = net(x)\n        right += (out.argmax(1) == y).sum().item()\n    return right\n\n\n"
            "def build(drop=0.5):\n    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(drop), nn.Linear(8, 3))\n"
            "    return net\n\n\nif __name__ == '__main__':\n    model = build().to('cpu')\n"
            "    print(accuracy(model, xs, xs))",
            good="@torch.no_grad()\ndef accuracy(net, xs, ys):\n    right = 0\n    net.eval()\n"
            "    for x, y in zip(xs, ys):\n"
            "        out = net(x)\n        right += (out.argmax(1) == y).sum().item()\n    return right\n\n\n"
            "def build(drop=0.5):\n    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(drop), nn.Linear(8, 3))\n"
            "    return net\n\n\nif __name__ == '__main__':\n    model = build().to('cpu')\n"
            "    print(accuracy(model, xs, xs))",
        ),
        Example(
            given="import torch\nfrom torchvision import models\n" + DATA,
            bad="model = models.resnet18(weights='DEFAULT')\nmodel.fc = torch.nn.Linear(512, 10)\n"
            "model.load_state_dict(torch.load('a.pt'))\nprint(model(xs[0]).argmax(1))",
            good="model = models.resnet18(weights='DEFAULT')\nmodel.fc = torch.nn.Linear(512, 10)\n"
            "model.load_state_dict(torch.load('a.pt'))\nmodel.eval()\nprint(model(xs[0]).argmax(1))",
        ),
        Example(
            given=NET + DATA,
            bad="def train(model, xs, opt):\n    for x in xs:\n        opt.zero_grad()\n"
            "        model(x).sum().backward()\n        opt.step()\n\n\n"
            + TEST
            + "\n\n\nmodel = Net()\nopt = torch.optim.SGD(model.parameters(), lr=0.1)\nfor epoch in range(3):\n"
            "    train(model, xs, opt)\n    test(model, xs)",
            note="no fix: the next epoch would train in eval mode",
        ),
        Example(
            given=NET + DATA,
            bad="model = Net()\nopt = torch.optim.SGD(model.parameters(), lr=0.1)\nfor x in xs:\n"
            "    opt.zero_grad()\n    model(x).sum().backward()\n    opt.step()\n\n"
            "with torch.inference_mode():\n    out = model(xs[0])\n    print(torch.softmax(out, dim=1))",
            good="model = Net()\nopt = torch.optim.SGD(model.parameters(), lr=0.1)\nfor x in xs:\n"
            "    opt.zero_grad()\n    model(x).sum().backward()\n    opt.step()\n\nmodel.eval()\n"
            "with torch.inference_mode():\n    out = model(xs[0])\n    print(torch.softmax(out, dim=1))",
        ),
        Example(
            given=NET + "xs = [torch.randn(1, 4) for _ in range(3)]\ntorch.save(Net().state_dict(), 'net.pt')\n",
            bad="class Predictor:\n    def __init__(self, path):\n        self.net = Net()\n"
            "        self.net.load_state_dict(torch.load(path))\n\n    def predict(self, x):\n"
            "        with torch.inference_mode():\n            return self.net(x).argmax(1)\n\n\n"
            "result = [Predictor('net.pt').predict(x) for x in xs]\nprint(result)",
            good="class Predictor:\n    def __init__(self, path):\n        self.net = Net()\n"
            "        self.net.load_state_dict(torch.load(path))\n\n    def predict(self, x):\n        self.net.eval()\n"
            "        with torch.inference_mode():\n            return self.net(x).argmax(1)\n\n\n"
            "result = [Predictor('net.pt').predict(x) for x in xs]\nprint(result)",
            equal="len(result)",
            raises="ValueError",
        ),
        Example(
            given=NET + DATA,
            ok="class Predictor:\n    def __init__(self):\n        self.net = Net()\n\n    def predict(self, x):\n"
            "        with torch.no_grad():\n            return self.net(x).argmax(1)\n\n\n"
            "predictor = Predictor()\npredictor.net.eval()\nprint(predictor.predict(xs[0]))",
        ),
        Example(
            given=NET + DATA,
            ok="class Trainer(Base):\n    def __init__(self):\n        self.net = Net()\n\n    def predict(self, x):\n"
            "        with torch.no_grad():\n            return self.net(x).argmax(1)\n\n\n"
            "print(Trainer().predict(xs[0]))",
            note="who knows what the base class does",
        ),
        Example(
            given="import torch\nfrom torch import nn\n",
            bad="def fit(x, y):\n    net = nn.LSTM(4, 8, num_layers=2, dropout=0.2)\n    loss_of = nn.MSELoss()\n"
            "    opt = torch.optim.Adam(net.parameters())\n    for _ in range(3):\n        opt.zero_grad()\n"
            "        loss_of(net(x)[0], y).backward()\n        opt.step()\n    with torch.no_grad():\n"
            "        out, _ = net(x)\n        loss = loss_of(out, y)\n        print(loss.item())",
            good="def fit(x, y):\n    net = nn.LSTM(4, 8, num_layers=2, dropout=0.2)\n    loss_of = nn.MSELoss()\n"
            "    opt = torch.optim.Adam(net.parameters())\n    for _ in range(3):\n        opt.zero_grad()\n"
            "        loss_of(net(x)[0], y).backward()\n        opt.step()\n    net.eval()\n    with torch.no_grad():\n"
            "        out, _ = net(x)\n        loss = loss_of(out, y)\n        print(loss.item())",
        ),
    )
