"""Training loops that draw the same random numbers on every rank of a job, because all ranks are seeded alike."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.alike import RANKS, Alike
from mlint.model.draws import NUMPY, TORCH
from mlint.model.seed_calls import seed_calls
from mlint.model.tree import FUNCTIONS, LOOPS, LoopNode, walk, walk_blocks, walk_scope

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.model.names import Binding

_SEVERAL = frozenset(
    "torch.distributed.init_process_group torch.nn.parallel.DistributedDataParallel "
    "torch.distributed.fsdp.FullyShardedDataParallel torch.distributed.fsdp.fully_shard accelerate.Accelerator "
    "deepspeed.initialize".split()
)
# Ranks that share a model's layers are to draw the same.
_SHARED = re.compile(
    r"tensor_parallel|model_parallel|parallelize_module|pipeline_parallel|context_parallel|\brpc\b|horovod"
)
_NOISE = re.compile(
    r"torch\.(rand|randn|randint|rand_like|randn_like|randint_like|normal|bernoulli|poisson)"
    r"|numpy\.random\.(rand|randn|randint|random|normal|uniform|standard_normal|choice|permutation|beta|binomial)"
)
_METHODS = frozenset(
    "normal_ uniform_ random_ bernoulli_ exponential_ normal uniform random integers standard_normal choice "
    "permutation beta binomial rand randn randint".split()
)
_MAKERS = frozenset({"numpy.random.default_rng", "numpy.random.RandomState"})
_ONE_RANK = ("rank", "main_process", "is_main", "master")


class Repeated(NamedTuple):
    """A draw that every rank repeats.

    Attributes:
        draw: the call that draws in a training loop.
        seed: the call that seeds what it draws from.
    """

    draw: ast.Call
    seed: ast.Call


class RankSeeds:
    """The draws that ranks repeat in one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model

    def repeated(self) -> Iterator[Repeated]:
        """One draw for each generator that all ranks draw the same from while they train."""
        model = self.model
        if not any(model.names.dotted(call.func) in _SEVERAL for call in model.tree.calls):
            return
        if _SHARED.search(model.source.text):
            return
        loops = [node for node in walk_blocks(model.module.body) if isinstance(node, LOOPS)]
        loops = [loop for loop in loops if model.flow.is_training_loop(loop)]
        if not loops:
            return
        seeds: dict[str, ast.Call | None] | None = None
        told: set[str] = set()
        for loop in loops:
            for call in self._calls(loop):
                source = self._object(call)
                if source is not None:
                    held, seed = source
                    if held not in told:
                        told.add(held)
                        yield Repeated(call, seed)
                    continue
                dotted = model.names.dotted(call.func) or ""
                if not self._global(call, dotted):
                    continue
                generator = NUMPY if dotted.startswith("numpy.") else TORCH
                if generator in told:
                    continue
                seeds = self._seeds() if seeds is None else seeds
                found = seeds.get(generator)
                if found is not None:
                    told.add(generator)
                    yield Repeated(call, found)

    def _seeds(self) -> dict[str, ast.Call | None]:
        """Generator → the call that seeds it alike on all ranks; None where one may seed it differently."""
        found: dict[str, ast.Call | None] = {}
        scopes = [self.model.module, *(n for n in walk(self.model.module) if isinstance(n, FUNCTIONS))]
        for scope in scopes:
            for seed, same in seed_calls(self.model, scope, (), RANKS):
                if isinstance(seed.call.func, ast.Attribute) and self._is_object(seed.call.func.value):
                    continue
                if not seed.own and self.model.kinds.local_function(seed.call.func) is not None:
                    continue  # what it seeds is seen in the function itself
                for generator in seed.generators:
                    if not same:
                        found[generator] = None
                    else:
                        found.setdefault(generator, seed.call)
        return found

    def _is_object(self, node: ast.expr) -> bool:
        return self.model.kinds.of(node).name == "torch.Generator"

    # Draws

    def _calls(self, loop: LoopNode) -> Iterator[ast.Call]:
        """The calls in the body of a loop that all ranks make in each round."""
        for node in self.model.flow.own_body(loop):
            if isinstance(node, ast.Call) and not self._on_one_rank(node, loop):
                yield node
                callee = self.model.kinds.local_function(node.func)
                for inner in walk_scope(callee) if callee is not None else ():
                    if isinstance(inner, ast.Call):
                        yield inner

    def _on_one_rank(self, call: ast.Call, loop: LoopNode) -> bool:
        if self.model.flow.guarded_every_n_steps(call, loop):
            return True
        return any(
            any(word in ast.unparse(test) for word in _ONE_RANK) for test, _ in self.model.flow.guards(call, loop)
        )

    def _global(self, call: ast.Call, dotted: str) -> bool:
        """Whether a call draws noise from a global generator."""
        return bool(_NOISE.fullmatch(dotted)) and not any(k.arg in ("generator", None) for k in call.keywords)

    def _object(self, call: ast.Call) -> tuple[str, ast.Call] | None:
        """The generator object that a call draws from, and the call that seeds it, if that is alike on all ranks."""
        given = next((k.value for k in call.keywords if k.arg == "generator"), None)
        if given is None and isinstance(call.func, ast.Attribute) and call.func.attr in _METHODS:
            given = call.func.value
        if not isinstance(given, ast.Name):
            return None
        bindings = self.model.reaching.of(given) or []
        if len(bindings) != 1:
            return None
        seed = self._seeding(bindings[0])
        return None if seed is None or self._moved(given) else (given.id, seed)

    def _seeding(self, binding: Binding) -> ast.Call | None:
        value = binding.value
        if binding.how != "assign" or binding.path or not isinstance(value, ast.Call) or len(value.args) != 1:
            return None
        made = self.model.names.dotted(value.func) in _MAKERS
        if isinstance(value.func, ast.Attribute) and value.func.attr == "manual_seed":
            inner = value.func.value
            made = isinstance(inner, ast.Call) and self.model.names.dotted(inner.func) == "torch.Generator"
        return value if made and Alike(self.model, RANKS).number(value.args[0]) else None

    def _moved(self, name: ast.Name) -> bool:
        """Whether a generator is seeded anew somewhere: `g.manual_seed(seed + rank)`."""
        scope = self.model.tree.scope(name)
        return any(
            isinstance(n, ast.Attribute)
            and n.attr in ("manual_seed", "seed", "set_state", "bit_generator")
            and isinstance(n.value, ast.Name)
            and n.value.id == name.id
            for n in walk(scope)
        )
