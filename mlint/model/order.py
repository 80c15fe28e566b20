"""Where the order of a sequence matters: it is cut in parts, numbered, paired with another, shuffled or split.

For sequences whose order means nothing by itself (a listing of a folder, a set): what is done with them decides.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.draws import NUMPY, PYTHON, TORCH
from mlint.model.tree import walk, walk_scope

if TYPE_CHECKING:
    from mlint.model.file import FileModel

CUT = "cut"
NUMBERED = "numbered"
PAIRED = "paired"
DRAWN = "drawn"
INDEXED = "indexed"

_KEEPING = frozenset({"list", "tuple", "map", "filter", "reversed", "numpy.array", "numpy.asarray"})
_DRAWING = frozenset(
    "random.shuffle random.sample random.choice random.choices numpy.random.shuffle numpy.random.permutation "
    "numpy.random.choice sklearn.model_selection.train_test_split sklearn.utils.shuffle "
    "torch.utils.data.random_split".split()
)
_LISTING = frozenset({"os.listdir", "glob.glob", "glob.iglob"})
_SORTING = frozenset({"sorted", "natsort.natsorted", "natsort.os_sorted", "natsort.humansorted"})


class Order:
    """Uses of the order of sequences in one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self._origin: ast.expr | None = None

    def kept(self, node: ast.expr) -> ast.expr:
        """The widest expression around ``node`` with its elements in the same order: `list(…)`, `[f(x) for x in …]`."""
        tree, names = self.model.tree, self.model.names
        while True:
            parent = tree.parent(node)
            if isinstance(parent, ast.Call) and node in parent.args and names.dotted(parent.func) in _KEEPING:
                node = parent
            elif isinstance(parent, ast.comprehension):
                outer = tree.parent(parent)
                if not isinstance(outer, (ast.ListComp, ast.GeneratorExp)) or outer.generators[0] is not parent:
                    return node
                if parent.iter is not node or len(outer.generators) > 1:
                    return node
                node = outer
            else:
                return node

    def use(self, node: ast.expr) -> str | None:
        """How the order of what an expression gives is used; None if it is sorted or does not matter here."""
        self._origin = node
        outer = self.kept(node)
        parent = self.model.tree.parent(outer)
        direct = self._context(outer)
        if direct is not None:
            return direct
        if not isinstance(parent, ast.Assign) or parent.value is not outer or len(parent.targets) != 1:
            return None
        target = parent.targets[0]
        scope: ast.AST
        if isinstance(target, ast.Name):
            scope = self.model.tree.scope(parent)
            if isinstance(scope, ast.ClassDef):
                return None
        elif isinstance(target, ast.Attribute) and self.model.kinds.is_self(target.value):
            owner = self.model.tree.class_of(parent)
            if owner is None:
                return None
            scope = owner
        else:
            return None
        return self._uses(ast.unparse(target), target, parent, scope)

    def _uses(self, held: str, target: ast.expr, statement: ast.Assign, scope: ast.AST) -> str | None:
        """How the order of what a name or an attribute holds is used in its scope."""
        word = target.attr if isinstance(target, ast.Attribute) else held
        found: str | None = None
        for node in walk(scope) if isinstance(target, ast.Attribute) else walk_scope(scope):
            if not isinstance(node, (ast.Name, ast.Attribute)):
                continue
            if (node.attr if isinstance(node, ast.Attribute) else node.id) != word or ast.unparse(node) != held:
                continue
            parent = self.model.tree.parent(node)
            if isinstance(parent, ast.Attribute) and parent.attr == "sort":
                return None
            if isinstance(parent, ast.Call) and self.model.names.dotted(parent.func) in _SORTING:
                return None
            if not isinstance(node.ctx, ast.Load) or (node.lineno < statement.lineno and isinstance(target, ast.Name)):
                continue
            if isinstance(node, ast.Name):
                reaching = self.model.reaching.of(node) or []
                if not any(binding.node is statement for binding in reaching):
                    continue
            found = found or self._context(self.kept(node)) or self._sample(node)
        return found

    def _context(self, node: ast.expr) -> str | None:
        """How the expression right around ``node`` uses its order."""
        tree = self.model.tree
        parent = tree.parent(node)
        if isinstance(parent, ast.Subscript) and parent.value is node and isinstance(parent.ctx, ast.Load):
            return CUT if isinstance(parent.slice, ast.Slice) and _cuts(parent.slice) else None
        if isinstance(parent, ast.Attribute) and parent.attr == "index":
            return NUMBERED if isinstance(tree.parent(parent), ast.Call) else None
        if not isinstance(parent, ast.Call) or node not in parent.args:
            return None
        dotted = self.model.names.dotted(parent.func)
        if dotted == "zip" and len(parent.args) > 1:
            return PAIRED if self._paired(parent, node) else None
        if dotted == "enumerate":
            return NUMBERED if self._numbers(parent) else None
        return DRAWN if dotted in _DRAWING and self._repeats(parent, dotted) else None

    def _repeats(self, call: ast.Call, dotted: str) -> bool:
        """Whether a draw may come out the same in each run; a program that never seeds draws anew in any order."""
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        for name in (None, "random_state", "generator"):
            value = given.get(name)
            if value is not None and not (isinstance(value, ast.Constant) and value.value is None):
                return True
        generator = PYTHON if dotted.startswith("random.") else TORCH if dotted.startswith("torch.") else NUMPY
        return not self.model.is_script or self.model.randomness.seeded(generator, call)

    def _paired(self, call: ast.Call, node: ast.expr) -> bool:
        """Whether `zip` puts a listing beside another one: a sequence made from the first has its order."""
        return any(self._lists(argument) for argument in call.args if argument is not node)

    def _lists(self, node: ast.expr) -> bool:
        values: list[ast.AST | None] = [node]
        if isinstance(node, ast.Name):
            values = [binding.value for binding in self.model.reaching.of(node) or ()]
        for value in values:
            for inner in walk(value) if value is not None else ():
                if isinstance(inner, ast.Call) and inner is not self._origin:
                    if self.model.names.dotted(inner.func) in _LISTING:
                        return True
                    if isinstance(inner.func, ast.Attribute) and inner.func.attr in ("iterdir", "rglob", "glob"):
                        return True
        return False

    def _numbers(self, call: ast.Call) -> bool:
        """Whether an `enumerate` gives its elements numbers that are kept in a mapping."""
        parent = self.model.tree.parent(call)
        target: ast.expr
        if isinstance(parent, ast.Call) and self.model.names.dotted(parent.func) == "dict":
            return True
        if isinstance(parent, ast.comprehension):
            outer = self.model.tree.parent(parent)
            if not isinstance(outer, ast.DictComp):
                return False
            names = _pair(parent.target)
            return names is not None and _mentions(outer.key, outer.value, names)
        if isinstance(parent, ast.For) and parent.iter is call:
            names = _pair(parent.target)
            for node in walk(parent) if names is not None else ():
                if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Subscript):
                    if names is not None and _mentions(target.slice, node.value, names):
                        return True
        return False

    def _sample(self, node: ast.expr) -> str | None:
        """Whether a data set takes its samples from here by number."""
        function = self.model.tree.function(node)
        parent = self.model.tree.parent(node)
        if function is None or function.name != "__getitem__" or not isinstance(parent, ast.Subscript):
            return None
        owner = self.model.tree.parent(function)
        if not isinstance(owner, ast.ClassDef) or not self.model.kinds.class_instance(owner).is_a(
            "torch.utils.data.Dataset", "keras.utils.Sequence", "keras.utils.PyDataset"
        ):
            return None
        return INDEXED if parent.value is node and isinstance(parent.slice, ast.Name) else None


def _cuts(slice_: ast.Slice) -> bool:
    """Whether a slice leaves out a part that depends on the order: all but `[:]` and `[::-1]`."""
    return slice_.lower is not None or slice_.upper is not None


def _pair(target: ast.expr) -> tuple[str, str] | None:
    if isinstance(target, ast.Tuple) and len(target.elts) == 2:
        first, second = target.elts
        if isinstance(first, ast.Name) and isinstance(second, ast.Name):
            return first.id, second.id
    return None


def _mentions(one: ast.expr, other: ast.expr, names: tuple[str, str]) -> bool:
    """Whether one of two expressions is the number and the other is made from the element.

    A number that looks something up (`parts[i]`) is a place in a list that was made in the same order.
    """
    for number, element in ((one, other), (other, one)):
        if any(isinstance(n, ast.Subscript) for n in walk(number)):
            continue
        if any(isinstance(n, ast.Name) and n.id == names[0] for n in walk(number)):
            if any(isinstance(n, ast.Name) and n.id == names[1] for n in walk(element)):
                return True
    return False
