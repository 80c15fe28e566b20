"""Blocks of code that leave nothing behind but plain values: numbers, strings and NumPy arrays, no tensors."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlint.model.kinds import LOSS, MODULE, NDARRAY, TENSOR
from mlint.model.tree import FUNCTIONS, LOOPS, walk, walk_statements

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_NUMBERS = ("int", "float", "bool", "scalar", "str", "None", "bytes")
_GIVING = frozenset("item tolist numpy".split())
_BUILTINS = frozenset(
    "float int len str bool round range print enumerate zip abs min max sum sorted repr format".split()
)
_LIBRARIES = ("torch.", "numpy.", "sklearn.metrics.", "scipy.", "time.", "math.", "tqdm.", "torchvision.")
_MEASURES = ("numpy.", "sklearn.metrics.", "scipy.stats.", "math.", "time.")
_KEEPERS = frozenset("append extend add update put insert setdefault".split())
_DEEPEST = 5


class Plain:
    """What is plain in one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model

    def is_plain(self, node: ast.expr, depth: int = 0) -> bool:
        """Whether an expression certainly gives a plain value."""
        if depth > _DEEPEST:
            return False
        if isinstance(node, (ast.Constant, ast.JoinedStr)) or self.model.kinds.is_a(node, *_NUMBERS, NDARRAY):
            return True
        if isinstance(node, ast.Call):
            return self._gives_plain(node, depth)
        if isinstance(node, (ast.Tuple, ast.List)):
            return all(self.is_plain(part, depth + 1) for part in node.elts)
        if isinstance(node, ast.Dict):
            return all(self.is_plain(part, depth + 1) for part in node.values)
        if isinstance(node, ast.BinOp):
            return self.is_plain(node.left, depth + 1) and self.is_plain(node.right, depth + 1)
        if isinstance(node, ast.UnaryOp):
            return self.is_plain(node.operand, depth + 1)
        if isinstance(node, ast.Subscript):
            return self.is_plain(node.value, depth + 1)
        if isinstance(node, ast.IfExp):
            return self.is_plain(node.body, depth + 1) and self.is_plain(node.orelse, depth + 1)
        if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
            return self.is_plain(node.elt, depth + 1)
        if isinstance(node, ast.Name):
            found = self.model.reaching.of(node) or ()
            return bool(found) and all(
                binding.how in ("assign", "augment")
                and binding.value is not None
                and not binding.path
                and (self.is_plain(binding.value, depth + 1) or self._is_collection(binding.value, node))
                for binding in found
            )
        return False

    def _gives_plain(self, node: ast.Call, depth: int) -> bool:
        dotted = self.model.names.dotted(node.func)
        if dotted is not None:
            if dotted in ("sum", "min", "max", "abs", "round", "sorted"):
                return all(self.is_plain(argument, depth + 1) for argument in node.args)
            return dotted in ("float", "int", "len", "str", "bool", "range") or dotted.startswith(_MEASURES)
        if not isinstance(node.func, ast.Attribute):
            return False
        return node.func.attr in _GIVING or self.is_plain(node.func.value, depth + 1)

    def _is_collection(self, value: ast.expr, name: ast.Name) -> bool:
        """Whether a name holds a new list to which only plain values are added."""
        if not isinstance(value, (ast.List, ast.Dict)) or getattr(value, "elts", None) or getattr(value, "keys", None):
            return False
        scope = self.model.tree.scope(name)
        for node in walk(scope):
            if isinstance(node, ast.Name) and node.id == name.id and isinstance(node.ctx, ast.Load):
                parent = self.model.tree.parent(node)
                call = self.model.tree.parent(parent) if isinstance(parent, ast.Attribute) else None
                if isinstance(parent, ast.Attribute) and parent.attr in _KEEPERS and isinstance(call, ast.Call):
                    if not all(self.is_plain(argument, 1) for argument in call.args):
                        return False
        return True

    # Blocks

    def leaves_only_plain(self, block: list[ast.stmt], outer: ast.stmt | None) -> bool:
        """Whether nothing leaves a block but plain values, and nothing that existed before it is changed.

        Args:
            block: the statements.
            outer: the statement that they belong to; None where they are the whole body of a function.
        """
        inside = set(walk_statements(block))
        made = {n.id for n in inside if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        for node in inside:
            if isinstance(
                node, (*FUNCTIONS, ast.Lambda, ast.ClassDef, ast.Global, ast.Nonlocal, ast.NamedExpr, ast.Delete)
            ):
                return False
            if isinstance(node, (ast.Return, ast.Yield, ast.YieldFrom)):
                if node.value is not None and not self.is_plain(node.value):
                    return False
            elif isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if node.value is not None and not self._stays(targets, node.value, inside, outer):
                    return False
            elif isinstance(node, LOOPS) and not isinstance(node, ast.While):
                if outer is not None and self._read_outside(node.target, inside, outer):
                    return False
            elif isinstance(node, (ast.With, ast.AsyncWith)):
                if any(item.optional_vars is not None for item in node.items):
                    return False
            elif isinstance(node, ast.Call) and not self._keeps_nothing(node, made):
                return False
        return True

    def _stays(
        self, targets: Iterable[ast.expr], value: ast.expr, inside: set[ast.AST], outer: ast.stmt | None
    ) -> bool:
        for target in targets:
            if isinstance(target, (ast.Name, ast.Tuple, ast.List)):
                if not any(isinstance(part, (ast.Attribute, ast.Subscript)) for part in walk(target)):
                    if outer is None or not self._read_outside(target, inside, outer):
                        continue
            if not self.is_plain(value):
                return False
        return True

    def _read_outside(self, target: ast.expr, inside: set[ast.AST], outer: ast.stmt) -> bool:
        names = {part.id for part in walk(target) if isinstance(part, ast.Name)}
        if isinstance(self.model.tree.scope(outer), ast.Module) and self.model.role.name == "library module":
            return True
        return any(use not in inside for name in names for use in self.model.flow.uses_after(name, outer))

    def _keeps_nothing(self, call: ast.Call, made: set[str]) -> bool:
        """Whether a call keeps and changes none of the tensors that it is given."""
        model = self.model
        func = call.func
        dotted = model.names.dotted(func)
        if dotted is not None and (dotted in _BUILTINS or dotted.startswith(_LIBRARIES)):
            return not dotted.endswith("_") and not dotted.startswith(("torch.nn.init", "torch.optim", "torch.save"))
        if model.kinds.is_a(func, MODULE, LOSS) or self.is_model(func):
            return True
        if isinstance(func, ast.Attribute):
            if func.attr.endswith("_") or func.attr in (
                "backward",
                "step",
                "load_state_dict",
                "requires_grad_",
                "train",
            ):
                return False
            if func.attr == "eval" or model.kinds.is_a(func.value, TENSOR, *_NUMBERS, NDARRAY):
                return True
            root: ast.expr = func.value
            while isinstance(root, (ast.Attribute, ast.Call, ast.Subscript)):
                root = root.func if isinstance(root, ast.Call) else root.value
            if isinstance(root, ast.Name) and root.id in made and func.attr not in _KEEPERS:
                return True  # a method of a tensor that the block has made
            if isinstance(func.value, (ast.Call, ast.BinOp, ast.Compare)) and func.attr not in _KEEPERS:
                return True  # of a result
        values = [*call.args, *(keyword.value for keyword in call.keywords)]
        return all(self.is_plain(value) for value in values)

    def is_model(self, node: ast.expr) -> bool:
        """Whether a name is used as a module: its function puts it into eval mode."""
        if not isinstance(node, (ast.Name, ast.Attribute)) or self.model.kinds.of(node).known:
            return False
        text = f"{ast.unparse(node)}.eval"
        around = self.model.tree.function(node) or self.model.module
        return any(
            isinstance(part, ast.Call)
            and isinstance(part.func, ast.Attribute)
            and part.func.attr == "eval"
            and ast.unparse(part.func) == text
            and not part.args
            for part in walk(around)
        )
