"""Numbers that are the same in each of several processes: in the workers of a data loader, or on the ranks of a job.

The workers of a loader are copies of the process that starts them: what was computed before they start is the same in
all of them. Ranks run the program from its beginning: what each of them computes for itself may differ.
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from typing import TYPE_CHECKING

from mlint.model.tree import FUNCTIONS, walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.model.names import Binding

WORKERS = "workers"
RANKS = "ranks"

_PLAIN = frozenset("int float abs min max round len str hash sum numpy.uint32 numpy.int64".split())
_RANKS = frozenset(
    "torch.distributed.get_rank torch.distributed.get_node_local_rank jax.process_index jax.host_id".split()
)
_SIZES = frozenset("torch.distributed.get_world_size jax.process_count torch.cuda.device_count".split())
_PARSED = frozenset({"parse_args", "parse_known_args"})
_DEEPEST = 12


class Alike:
    """What is the same in all workers, or on all ranks, in one file.

    Args:
        model: the file.
        processes: `WORKERS` or `RANKS`.
        reseeded: whether NumPy's generator has a seed of its own in each process.
    """

    def __init__(self, model: FileModel, processes: str, *, reseeded: bool = True) -> None:
        self.model = model
        self.processes = processes
        self.reseeded = reseeded
        self._stores: set[str] | None = None

    def number(self, node: ast.expr, given: Collection[str] = (), depth: int = 0) -> bool:
        """Whether an expression certainly has the same value in each process.

        Args:
            node: the expression.
            given: the parameters of the function around it that have the same value in each process.
            depth: how many names were looked up on the way.
        """
        if depth > _DEEPEST:
            return False
        if isinstance(node, ast.Constant):
            return node.value is not None
        if isinstance(node, ast.Name):
            return self._name(node, given, depth)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, given, depth)
        if isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.Mult) and (_clock(self.model, node.left) or _clock(self.model, node.right)):
                return False  # fractions of a second
            return self.number(node.left, given, depth + 1) and self.number(node.right, given, depth + 1)
        if isinstance(node, ast.UnaryOp):
            return self.number(node.operand, given, depth + 1)
        if isinstance(node, ast.IfExp):
            return self.number(node.body, given, depth + 1) and self.number(node.orelse, given, depth + 1)
        if isinstance(node, ast.Subscript):
            return self._element(node, given, depth)
        return isinstance(node, ast.Call) and self._call(node, given, depth)

    def _call(self, node: ast.Call, given: Collection[str], depth: int) -> bool:
        dotted = self.model.names.dotted(node.func) or ""
        if dotted == "int" and node.args and self.processes == WORKERS and _clock(self.model, node.args[0]):
            return True  # started within the same second
        if dotted in _PLAIN:
            return not node.keywords and all(self.number(argument, given, depth + 1) for argument in node.args)
        if dotted in _RANKS:
            return self.processes == WORKERS
        if dotted in _SIZES:
            return True
        if dotted.startswith("numpy.random.") and self.processes == WORKERS and not self.reseeded:
            return dotted.rpartition(".")[2] in ("randint", "random_integers", "choice")
        return False

    def _element(self, node: ast.Subscript, given: Collection[str], depth: int) -> bool:
        """The first word of a state is a marker where the generator was seeded with several words, as in workers."""
        outer = node.value
        if isinstance(outer, ast.Subscript) and isinstance(outer.value, ast.Call):
            if self.model.names.dotted(outer.value.func) == "numpy.random.get_state":
                places = (outer.slice, node.slice)
                return self.processes == WORKERS and [
                    p.value if isinstance(p, ast.Constant) else None for p in places
                ] == [1, 0]
        return self.number(outer, given, depth + 1) and self.number(node.slice, given, depth + 1)

    def _attribute(self, node: ast.Attribute, given: Collection[str], depth: int) -> bool:
        if self.processes == RANKS and ("rank" in node.attr or self._stored(node.attr)):
            return False
        base = node.value
        if self.model.kinds.is_self(base) and isinstance(base, ast.Name):
            if self.processes == WORKERS:
                return True
            # The seed that an object keeps: what it was given when it was made.
            owner = self.model.tree.class_of(node)
            values = self.model.kinds.attribute_values(owner, node.attr) if owner is not None else []
            return bool(values) and all(
                isinstance(value, ast.expr) and self.number(value, given, depth + 1) for value in values
            )
        if isinstance(base, ast.Name) and self.processes == RANKS and self._parsed(base):
            return True
        return self.number(base, given, depth + 1)

    def _stored(self, attribute: str) -> bool:
        """Whether the file gives an attribute of that name a value: `args.seed += rank`."""
        if self._stores is None:
            self._stores = {
                n.attr for n in walk(self.model.module) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)
            }
        return attribute in self._stores

    def _parsed(self, node: ast.Name) -> bool:
        """Whether a name holds the arguments of the command line, which a launcher gives to all ranks."""
        bindings = self.model.reaching.of(node) or []
        return bool(bindings) and all(self._from_command_line(binding) for binding in bindings)

    def _from_command_line(self, binding: Binding) -> bool:
        if binding.how == "parameter":
            values = self.model.kinds.callers.arguments(binding) or []
            return bool(values) and all(
                self._parsed(value) if isinstance(value, ast.Name) else self._parses(value) for value in values
            )
        return self._parses(binding.value)

    def _parses(self, value: ast.AST | None) -> bool:
        """Whether a call parses the command line, by itself or in a function of this file."""
        if not isinstance(value, ast.Call):
            return False
        if isinstance(value.func, ast.Attribute) and value.func.attr in _PARSED:
            return True
        function = self.model.kinds.local_function(value.func)
        return function is not None and any(
            isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr in _PARSED
            for n in walk(function)
        )

    def _name(self, node: ast.Name, given: Collection[str], depth: int) -> bool:
        if self.processes == RANKS and "rank" in node.id:
            return False
        found = self.model.names.lookup(node)
        if found is None:
            return False
        scope = found[0]
        inside = isinstance(scope, (*FUNCTIONS, ast.Lambda)) and any(
            scope is around for around in (self.model.tree.scope(node), *self.model.tree.functions(node))
        )
        own = scope is self.model.tree.scope(node) and inside
        if not own and self.processes == WORKERS:
            # Made before the workers were: by the module, or by the function that made the loader.
            return all(binding.how != "global" for binding in found[1])
        bindings = self.model.reaching.of(node) or []
        return bool(bindings) and all(self._bound(binding, given, depth) for binding in bindings)

    def _bound(self, binding: Binding, given: Collection[str], depth: int) -> bool:
        if binding.how == "parameter":
            if binding.name in given:
                return True
            if self.processes == WORKERS:
                return False
            values = self.model.kinds.callers.arguments(binding)
            return bool(values) and all(self.number(value, (), depth + 1) for value in values or ())
        if binding.how != "assign" or binding.value is None or binding.path:
            return False
        return self.number(binding.value, given, depth + 1)


def _clock(model: FileModel, node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and model.names.dotted(node.func) == "time.time"
