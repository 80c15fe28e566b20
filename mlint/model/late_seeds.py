"""Seeds that come too late: what they should have controlled has been drawn by then, and is used afterwards.

A program is followed statement by statement as it runs, into those of its own functions that it calls once. What a
branch draws counts for that branch only. A draw is remembered with the names that hold what came out of it, and with
the names made of these.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.draws import CUDA, NUMPY, PYTHON, TENSORFLOW, TORCH
from mlint.model.splits import SPLIT_FUNCTIONS
from mlint.model.tree import FUNCTIONS, LOOPS, children, position, walk, walk_scope

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_SETTING = frozenset("manual_seed seed set_seed set_random_seed seed_everything enable_full_determinism".split())
"""The last words of functions that start a generator anew at a given number."""
_ORDERING = frozenset({"shuffle", "permutation", "sample"})
# A batch order is drawn when the loader is iterated, the weights of a Keras layer when it is built.
_DRAWN_LATER = ("torch.utils.data.", "keras.layers.")
_RESTORING = ("load", "restore", "resume", "copy_")
_PRETRAINED = frozenset({"pretrained", "weights"})


class Late(NamedTuple):
    """A seed that comes too late.

    Attributes:
        seed: the call that seeds.
        draw: the call before it whose numbers the seed does not control.
        generator: the library whose generator it is.
        name: the name of what was drawn or made, which is used after the seed.
    """

    seed: ast.Call
    draw: ast.Call
    generator: str
    name: str


class _Drawn:
    """A draw, and the names that hold what came of it, by scope."""

    def __init__(self, call: ast.Call, scope: ast.AST, names: set[str]) -> None:
        self.call = call
        self.scope = scope
        self.names = {scope: names}


class LateSeeds:
    """The late seeds of one file when it is run as a program."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self.found: list[Late] = []
        self._drawn: dict[str, list[_Drawn]] = {}
        self._settled: set[str] = set()
        self._frames: list[tuple[ast.AST, ast.stmt]] = []
        """The scopes around the current one, each with the statement that called the next."""
        self._sure = True
        uses = model.randomness.imported_seeds()
        self._settled |= uses
        self._block(model.module.body, model.module)
        counted: dict[str, int] = {}
        for call in model.tree.calls:
            for generator in model.randomness.direct(call).seeds if self.found else ():
                counted[generator] = counted.get(generator, 0) + 1
        # Who seeds one generator again and again compares runs.
        self.found = [late for late in self.found if counted.get(late.generator, 0) <= 1 or self._inside(late)]

    def _inside(self, late: Late) -> bool:
        """Whether all seeds of a generator stand together: `torch.manual_seed(s)` and one for each device."""
        calls = [c for c in self.model.tree.calls if late.generator in self.model.randomness.direct(c).seeds]
        blocks = {id(self.model.tree.block(self.model.tree.statement(call))) for call in calls}
        owners = {self.model.tree.function(call) for call in calls}
        lines = [call.lineno for call in calls]
        return len(blocks) <= 2 and len(owners) == 1 and max(lines) - min(lines) <= 8

    # Statements

    def _block(self, body: list[ast.stmt], scope: ast.AST) -> None:
        for statement in body:
            if not self._sure:
                return
            self._statement(statement, scope)

    def _statement(self, node: ast.stmt, scope: ast.AST) -> None:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Import, ast.ImportFrom)):
            return
        if isinstance(node, ast.If):
            self._calls(node.test, node, scope)
            if self.model.flow.is_main_guard(node):
                self._block(node.body, scope)
                return
            before, settled = self._copy(), set(self._settled)
            after = set(settled)
            for arm in (node.body, node.orelse):
                self._drawn, self._settled = {g: list(draws) for g, draws in before.items()}, set(settled)
                self._block(arm, scope)
                after |= self._settled
            self._drawn, self._settled = before, after
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                self._calls(item.context_expr, node, scope)
            self._block(node.body, scope)
        elif isinstance(node, ast.Try) or node.__class__.__name__ == "TryStar":
            before = self._copy()
            self._block(node.body, scope)  # type: ignore[attr-defined]
            self._drawn = before
        elif isinstance(node, (*LOOPS, ast.Match)):
            for inner in walk_scope(node):
                if isinstance(inner, ast.Call):
                    use = self.model.randomness.of_call(inner)
                    self._settled |= use.seeds
                    self._sure = self._sure and not use.unknown
        else:
            self._calls(node, node, scope)
            self._carry(node, scope)

    def _copy(self) -> dict[str, list[_Drawn]]:
        return {generator: list(draws) for generator, draws in self._drawn.items()}

    def _carry(self, node: ast.stmt, scope: ast.AST) -> None:
        """What is made of drawn things depends on the draw as well; what is loaded over does not."""
        read = {n.id for n in walk(node) if isinstance(n, ast.Name)}
        made = set(_bound(node))
        restored = set(_restored(node))
        for draws in self._drawn.values():
            for drawn in draws:
                names = drawn.names.get(scope)
                if names is None:
                    continue
                if names & read and not any(isinstance(n, ast.Call) and n is drawn.call for n in walk(node)):
                    names |= made
                names -= restored

    def _calls(self, part: ast.AST, statement: ast.stmt, scope: ast.AST) -> None:
        calls = [node for node in walk_scope(part) if isinstance(node, ast.Call)]
        for call in sorted(calls, key=lambda c: (c.end_lineno or 0, c.end_col_offset or 0)):
            if not self._sure:
                return
            use = self.model.randomness.of_call(call)
            if use.unknown:
                self._sure = False
                return
            function = self._entered(call) if use.seeds else None
            if function is not None:
                self._frames.append((scope, statement))
                self._block(function.body, function)
                self._frames.pop()
                continue
            if use.seeds:
                self._seed(call, use.seeds, statement, scope)
                self._settled |= use.seeds
                continue
            names = set(_bound(statement)) | _reordered(call)
            draws = self._draws(call, use.draws)
            for generator in (draws - {CUDA} | {TORCH} if CUDA in draws else draws) - self._settled:
                if names and not any("seed" in name.lower() for name in names):
                    self._drawn.setdefault(generator, []).append(_Drawn(call, scope, set(names)))

    def _entered(self, call: ast.Call) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The function of this file that a call runs, if nothing else there calls it and it does not only seed."""
        callee = self.model.effects.callee(call)
        if callee is None or callee[0] is not self.model or len(self._frames) > 3:
            return None
        function = callee[1]
        if len(self.model.effects.callers(function)) != 1 or any(scope is function for scope, _ in self._frames):
            return None
        body_calls = [node for node in walk_scope(function) if isinstance(node, ast.Call)]
        return function if any(self._makes(inner) for inner in body_calls) else None

    def _makes(self, call: ast.Call) -> bool:
        return bool(self.model.randomness.of_call(call).draws)

    # Draws and seeds

    def _draws(self, call: ast.Call, draws: frozenset[str]) -> frozenset[str]:
        """The generators that a call draws from there and then, for what a seed is meant to control: weights, arrays,
        splits and orders. Single numbers choose ports, names and seeds.
        """
        dotted = self.model.names.dotted(call.func) or ""
        last = dotted.rpartition(".")[2]
        if dotted in SPLIT_FUNCTIONS:
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            shuffle, state = given.get("shuffle"), given.get("random_state")
            fixed = None in given or not (state is None or (isinstance(state, ast.Constant) and state.value is None))
            ordered = isinstance(shuffle, ast.Constant) and not shuffle.value
            return frozenset() if fixed or ordered else frozenset({NUMPY})
        if dotted == "torch.utils.data.random_split":
            return draws
        if dotted.startswith(_DRAWN_LATER):
            return frozenset()
        if dotted.startswith("torchvision.models."):
            plain = all(
                keyword.arg not in _PRETRAINED or (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
                for keyword in call.keywords
            )
            return draws if plain and not call.args else frozenset()
        if dotted.startswith("random."):
            return draws if last in _ORDERING else frozenset()
        if dotted.startswith("numpy.random.") and last not in _ORDERING:
            sized = any(keyword.arg == "size" for keyword in call.keywords)
            positions = 1 if last in ("rand", "randn", "random", "random_sample", "ranf") else 3
            return draws if sized or len(call.args) >= positions else frozenset()
        if not dotted or "." not in dotted or dotted.startswith(("torch.", "sklearn.", "tensorflow.")):
            return draws if not dotted.startswith("tensorflow.") else draws & {TENSORFLOW}
        callee = self.model.effects.callee(call)
        return draws & {TORCH} if callee is not None else draws

    def _seed(self, call: ast.Call, seeds: frozenset[str], statement: ast.stmt, scope: ast.AST) -> None:
        dotted = self.model.names.dotted(call.func) or ""
        callee = self.model.effects.callee(call)
        if callee is None:
            if dotted.rpartition(".")[2] not in _SETTING or dotted.startswith("torch.cuda."):
                return
            if not (call.args or call.keywords) or dotted == "torch.seed":
                return
        for generator in (TORCH, TENSORFLOW, NUMPY, PYTHON):
            if generator not in seeds or generator in self._settled:
                continue
            for drawn in self._drawn.get(generator, ()):
                name = self._used_later(drawn, call, statement, scope)
                if name is not None:
                    self.found.append(Late(call, drawn.call, generator, name))
                    return

    def _used_later(self, drawn: _Drawn, seed: ast.Call, statement: ast.stmt, scope: ast.AST) -> str | None:
        """The name under which what was drawn is read after the seed; None if it is not, or makes up the seed."""
        told = {node.id for node in walk(statement) if isinstance(node, ast.Name)}
        places = [(scope, statement), *reversed(self._frames)]
        for place, after in places:
            names = drawn.names.get(place)
            if names is None:
                continue
            if names & told:
                return None
            for inner, start in places[: places.index((place, after)) + 1]:
                end = (start.end_lineno or 0, start.end_col_offset or 0)
                for node in walk(inner):
                    if isinstance(node, ast.Name) and node.id in names and isinstance(node.ctx, ast.Load):
                        if position(node) > end and self._means(node, place):
                            return node.id
        return None

    def _means(self, node: ast.Name, scope: ast.AST) -> bool:
        found = self.model.names.lookup(node)
        return found is not None and found[0] is scope


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement gives what it computes to."""
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
        targets = [statement.target]
    for target in targets:
        for node in walk(target):
            if isinstance(node, ast.Name):
                yield node.id


def _reordered(call: ast.Call) -> set[str]:
    """The name of the list or array that a call puts into another order in place."""
    func = call.func
    word = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    first = call.args[0] if call.args else None
    return {first.id} if word == "shuffle" and isinstance(first, ast.Name) else set()


def _restored(statement: ast.stmt) -> Iterator[str]:
    """The names whose objects a statement gives other contents: `model.load_state_dict(…)`, `load(model, path)`."""
    for node in walk(statement):
        if not isinstance(node, ast.Call):
            continue
        func = node.func
        word = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
        if any(part in word.lower() for part in _RESTORING):
            for child in children(node):
                for inner in walk(child):
                    if isinstance(inner, ast.Name):
                        yield inner.id
