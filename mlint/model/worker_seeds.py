"""The functions that run when a worker of a data loader starts (`worker_init_fn`), and what they seed it with."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from mlint.model.alike import WORKERS
from mlint.model.seed_calls import SeedCall, seed_calls
from mlint.model.tree import FunctionNode

if TYPE_CHECKING:
    from mlint.model.file import FileModel

KEYWORD = "worker_init_fn"
_DEEPEST = 3


class WorkerSeeds:
    """The seeds of the workers in one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self.reseeded = True

    def same(self, *, reseeded: bool = True) -> Iterator[SeedCall]:
        """The calls that give every worker the same seed.

        Args:
            reseeded: whether the library gives NumPy's generator another seed in each worker (PyTorch from 1.9 on).
        """
        self.reseeded = reseeded
        seen: set[ast.AST] = set()
        for value in self._passed():
            for function, given in self._run(value):
                if function not in seen:
                    seen.add(function)
                    yield from self._alike(function, given)

    def _passed(self) -> Iterator[ast.expr]:
        """What the file hands to loaders with workers."""
        for call in self.model.tree.calls:
            keywords = {keyword.arg: keyword.value for keyword in call.keywords}
            workers = keywords.get("num_workers")
            if KEYWORD in keywords and not (isinstance(workers, ast.Constant) and workers.value in (0, 1)):
                yield keywords[KEYWORD]

    def _run(self, value: ast.expr, depth: int = 0) -> Iterator[tuple[FunctionNode | ast.Lambda, frozenset[str]]]:
        """The functions that a value may be, with the parameters that are given a value before the workers start."""
        if depth > _DEEPEST:
            return
        if isinstance(value, ast.Lambda):
            defaults = value.args.args[len(value.args.args) - len(value.args.defaults) :]
            yield value, frozenset(parameter.arg for parameter in defaults)
        elif isinstance(value, ast.IfExp):
            yield from self._run(value.body, depth + 1)
            yield from self._run(value.orelse, depth + 1)
        elif isinstance(value, ast.Call):
            if self.model.names.dotted(value.func) == "functools.partial" and value.args:
                for function, given in self._run(value.args[0], depth + 1):
                    positional = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
                    taken = positional[: len(value.args) - 1]
                    yield function, given | {*taken, *(k.arg for k in value.keywords if k.arg is not None)}
        else:
            found = self.model.kinds.local_function(value)
            if found is not None:
                yield found, frozenset()
            elif isinstance(value, ast.Name):
                for binding in self.model.reaching.of(value) or ():
                    if binding.how == "assign" and binding.value is not None and not binding.path:
                        yield from self._run(binding.value, depth + 1)

    def _alike(self, function: FunctionNode | ast.Lambda, given: Collection[str]) -> Iterator[SeedCall]:
        seeds = list(seed_calls(self.model, function, given, WORKERS, reseeded=self.reseeded))
        varied = frozenset().union(*(seed.generators for seed, same in seeds if not same))
        for seed, same in seeds:
            if same and not seed.generators & varied:
                yield seed
