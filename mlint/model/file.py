"""The model of one file: everything that rules can ask about it, computed when asked."""

from __future__ import annotations

import ast
from functools import cached_property
from typing import TYPE_CHECKING

from mlint.model.flow import Flow
from mlint.model.kinds import Kinds
from mlint.model.names import Names
from mlint.model.reaching import Reaching
from mlint.model.tree import Seen, Tree

if TYPE_CHECKING:  # what most files need none of is imported when a rule asks for it
    from mlint.model.callees import Callees
    from mlint.model.determinism import Determinism
    from mlint.model.effects import Effects
    from mlint.model.grad_mode import GradMode
    from mlint.model.guards import Guards
    from mlint.model.handles import Handles
    from mlint.model.jax_keys import JaxKeys
    from mlint.model.jax_steps import JaxSteps
    from mlint.model.late_seeds import LateSeeds
    from mlint.model.loops.counted import Counted
    from mlint.model.loops.lengths import Lengths
    from mlint.model.order import Order
    from mlint.model.project import Project
    from mlint.model.randomness import Randomness
    from mlint.model.rank_seeds import RankSeeds
    from mlint.model.role import Role
    from mlint.model.rowloop import RowLoops
    from mlint.model.splits import Splits
    from mlint.model.training import Training
    from mlint.model.worker_seeds import WorkerSeeds
    from mlint.source import Source

_NOT_OWN = frozenset({"source", "module", "project", "_seen"})
"""What a model was given, and others go on using."""
_NOTHING: dict[str, object] = {}


class FileModel:
    """Names, kinds, flow and effects of one file.

    Args:
        source: the file's text.
        module: its tree.
        project: the files around it, if they may be looked at.
        seen: what a walk over the file has noted, if there was one.
    """

    def __init__(
        self, source: Source, module: ast.Module, project: Project | None = None, seen: Seen | None = None
    ) -> None:
        self._seen = seen
        self.source = source
        self.module = module
        self.project = project
        self.dependencies: set[str] = set()
        self._calls: dict[ast.AST, list[ast.Call]] | None = None

    @cached_property
    def tree(self) -> Tree:
        """The tree with its parent links."""
        return Tree(self.module, self._seen)

    @cached_property
    def names(self) -> Names:
        """Imports and scopes."""
        return Names(self.tree, self.source.text, self._seen)

    @cached_property
    def reaching(self) -> Reaching:
        """Definitions and uses."""
        return Reaching(self.tree, self.names)

    @cached_property
    def kinds(self) -> Kinds:
        """What expressions are."""
        return Kinds(self.tree, self.names, self.reaching, self)

    @cached_property
    def flow(self) -> Flow:
        """Where code stands."""
        return Flow(self)

    @cached_property
    def lazy_imports(self) -> dict[str, str]:
        """The names that are imported when asked for, with their modules."""
        from mlint.model.exports import lazy_imports

        return lazy_imports(self.module, self.source.text)

    @cached_property
    def grad_mode(self) -> GradMode:
        """Where gradients are off."""
        from mlint.model.grad_mode import GradMode

        return GradMode(self)

    @cached_property
    def guards(self) -> Guards:
        """Choices by version."""
        from mlint.model.guards import Guards

        return Guards(self)

    @cached_property
    def lengths(self) -> Lengths:
        """How long arrays are."""
        from mlint.model.loops.lengths import Lengths

        return Lengths(self)

    @cached_property
    def counted(self) -> Counted:
        """The loops over array elements."""
        from mlint.model.loops.counted import Counted

        return Counted(self)

    @cached_property
    def callees(self) -> Callees:
        """What calls run."""
        from mlint.model.callees import Callees

        return Callees(self)

    @cached_property
    def effects(self) -> Effects:
        """What functions do."""
        from mlint.model.effects import Effects

        return Effects(self)

    @cached_property
    def training(self) -> Training:
        """What training loops do."""
        from mlint.model.training import Training

        return Training(self)

    @cached_property
    def jax_keys(self) -> JaxKeys:
        """Random keys of JAX that are used twice."""
        from mlint.model.jax_keys import JaxKeys

        return JaxKeys(self)

    @cached_property
    def jax_steps(self) -> JaxSteps:
        """Keys that are the same in every training step."""
        from mlint.model.jax_steps import JaxSteps

        return JaxSteps(self)

    @cached_property
    def order(self) -> Order:
        """Where the order of a sequence matters."""
        from mlint.model.order import Order

        return Order(self)

    @cached_property
    def randomness(self) -> Randomness:
        """Draws and seeds."""
        from mlint.model.randomness import Randomness

        return Randomness(self)

    @cached_property
    def determinism(self) -> Determinism:
        """Requests for results that repeat themselves."""
        from mlint.model.determinism import Determinism

        return Determinism(self)

    @cached_property
    def late_seeds(self) -> LateSeeds:
        """Seeds that come after the draws."""
        from mlint.model.late_seeds import LateSeeds

        return LateSeeds(self)

    @cached_property
    def rank_seeds(self) -> RankSeeds:
        """What all ranks of a job draw alike."""
        from mlint.model.rank_seeds import RankSeeds

        return RankSeeds(self)

    @cached_property
    def worker_seeds(self) -> WorkerSeeds:
        """What the workers of data loaders are seeded with."""
        from mlint.model.worker_seeds import WorkerSeeds

        return WorkerSeeds(self)

    @cached_property
    def handles(self) -> Handles:
        """Files and archives in use."""
        from mlint.model.handles import Handles

        return Handles(self.tree, self.names, self.reaching, self.kinds)

    @cached_property
    def row_loops(self) -> RowLoops:
        """Loops over the rows of frames."""
        from mlint.model.rowloop import RowLoops

        return RowLoops(self)

    @cached_property
    def splits(self) -> Splits:
        """Which part of the data a value is."""
        from mlint.model.splits import Splits

        return Splits(self)

    @cached_property
    def role(self) -> Role:
        """What the file is to its project: an entry point, a library module, a test or a notebook."""
        from mlint.model.role import role_of

        return role_of(self)

    @property
    def is_test(self) -> bool:
        """Whether the file belongs to tests or benchmarks."""
        return self.role.name == "test"

    @property
    def is_script(self) -> bool:
        """Whether the file is run as a program: an entry point, or a notebook."""
        return self.role.name in ("entry point", "notebook")

    @cached_property
    def trains(self) -> bool:
        """Whether anything in the file trains: a backward pass, a fit, a gradient, an optimizer's update."""
        words = frozenset({"backward", "manual_backward", "fit", "apply_gradients", "value_and_grad", "apply_updates"})
        return any(getattr(call.func, "attr", getattr(call.func, "id", "")) in words for call in self.tree.calls)

    def calls_by_definition(self) -> dict[ast.AST, list[ast.Call]]:
        """Function of this file → the calls of it in this file."""
        if self._calls is None:
            self._calls = {}
            for call in self.tree.calls:
                definition = self.kinds.local_function(call.func)
                if definition is not None:
                    self._calls.setdefault(definition, []).append(call)
        return self._calls

    def release(self) -> None:
        """Let go of all that was computed: its parts refer to each other in circles, which nobody has to look for then.

        The model cannot be used any more.
        """
        for name, part in list(self.__dict__.items()):
            if name not in _NOT_OWN:
                getattr(part, "__dict__", _NOTHING).clear()
        self.__dict__.clear()

    def depends_on(self, other: FileModel) -> None:
        """Remember that what is said about this file depends on another one."""
        if other is not self:
            self.dependencies.add(other.source.path)
