"""What a rule can ask and make while it looks at one file."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from mlint.finding import Edit, Finding, Fix, Safety
from mlint.model import numeric
from mlint.model.refusals import NO_FIX, UNSAFE, note
from mlint.rule.edits import Edits

if TYPE_CHECKING:
    from mlint.model.effects import Effects
    from mlint.model.file import FileModel
    from mlint.model.flow import Flow
    from mlint.model.handles import Handles, Lifetime
    from mlint.model.kinds import Kinds
    from mlint.model.loops.contraction import Contractions
    from mlint.model.loops.counted import Nest
    from mlint.model.loops.described import Scattered, Target
    from mlint.model.loops.elementwise import Elementwise
    from mlint.model.loops.outer import Outers
    from mlint.model.loops.pairwise import PairwiseLoops
    from mlint.model.loops.windows import MovingWindows
    from mlint.model.modes import Birth
    from mlint.model.names import Names
    from mlint.model.pools import Needed
    from mlint.model.randomness import Randomness
    from mlint.model.reaching import Reaching
    from mlint.model.rowloop import RowLoops
    from mlint.model.splits import Splits
    from mlint.model.tapes import Tape
    from mlint.model.training import Training
    from mlint.model.tree import FunctionNode, LoopNode, Tree
    from mlint.model.versions import Versions
    from mlint.pattern import Match
    from mlint.rule.base import Rule
    from mlint.source import Source


_NOTHING: Mapping[str, str] = {}


class Options(NamedTuple):
    """What the settings say that rules need to know.

    Attributes:
        targets: library → targeted version or range.
        root: folder of the project's dependency files.
        seed: the value that fixes put where a seed is missing.
        line_length: the width that rewritten code keeps.
    """

    targets: Mapping[str, str] = _NOTHING
    root: str | None = None
    seed: int = 0
    line_length: int = 88

    def versions(self) -> Versions:
        """The versions of libraries that the project targets; imported when the first rule asks."""
        from mlint.model.versions import Versions

        return Versions(self.targets, self.root)


class Context:
    """One file, as a rule sees it.

    Attributes:
        model: everything that is known about the file.
        options: what the settings say.
        rule: the rule that is looking.
    """

    def __init__(self, model: FileModel, options: Options, versions: Callable[[], Versions] | None = None) -> None:
        self.model = model
        self.options = options
        self._versions = versions if versions is not None else options.versions
        self.rule: Rule | None = None

    # What the code means

    @property
    def source(self) -> Source:
        """The text of the file."""
        return self.model.source

    @property
    def tree(self) -> Tree:
        """Parents, scopes, enclosing loops and functions."""
        return self.model.tree

    @property
    def names(self) -> Names:
        """What a name refers to."""
        return self.model.names

    @property
    def kinds(self) -> Kinds:
        """What an expression is."""
        return self.model.kinds

    @property
    def reaching(self) -> Reaching:
        """Which definitions reach a use."""
        return self.model.reaching

    @property
    def flow(self) -> Flow:
        """Where code stands."""
        return self.model.flow

    @property
    def effects(self) -> Effects:
        """What functions do."""
        return self.model.effects

    @cached_property
    def elementwise(self) -> Elementwise:
        """Loops as array expressions."""
        from mlint.model.loops.elementwise import Elementwise

        return Elementwise(self.model, scalars_as_arrays=self.targets("numpy", ">=2"))

    @cached_property
    def contractions(self) -> Contractions:
        """Loops as matrix products."""
        from mlint.model.loops.contraction import Contractions

        return Contractions(self.elementwise)

    @cached_property
    def outers(self) -> Outers:
        """Loops as tables of two vectors."""
        from mlint.model.loops.outer import Outers

        return Outers(self.elementwise)

    @cached_property
    def windows(self) -> MovingWindows:
        """Windows that move over arrays."""
        from mlint.model.loops.windows import MovingWindows

        return MovingWindows(self.elementwise)

    @cached_property
    def pairwise(self) -> PairwiseLoops:
        """Tables of the distances of all pairs of rows."""
        from mlint.model.loops.pairwise import PairwiseLoops

        return PairwiseLoops(self.elementwise)

    @property
    def training(self) -> Training:
        """What training loops do, in which order."""
        return self.model.training

    @property
    def randomness(self) -> Randomness:
        """What draws random numbers, and what seeds."""
        return self.model.randomness

    @property
    def handles(self) -> Handles:
        """Files and archives in use."""
        return self.model.handles

    @property
    def row_loops(self) -> RowLoops:
        """Loops over the rows of frames."""
        return self.model.row_loops

    @property
    def splits(self) -> Splits:
        """Which part of the data a value is."""
        return self.model.splits

    @cached_property
    def versions(self) -> Versions:
        """The versions of libraries that the project targets where the file lies."""
        found = self._versions().near(self.source.path)
        self.model.dependencies.update(found.consulted())
        return found

    @property
    def is_test(self) -> bool:
        """Whether the file belongs to tests or benchmarks."""
        return self.model.is_test

    @property
    def is_script(self) -> bool:
        """Whether the file is an entry point."""
        return self.model.is_script

    def dotted(self, node: ast.AST) -> str | None:
        """The canonical dotted name of what an expression refers to."""
        return self.model.names.dotted(node)

    def is_a(self, node: ast.AST | None, *kinds: str) -> bool:
        """Whether an expression is certainly of one of these kinds."""
        return self.model.kinds.is_a(node, *kinds)

    def is_floating(self, node: ast.AST) -> bool:
        """Whether an expression certainly gives floating-point numbers, real or complex ones."""
        return numeric.is_floating(self.model, node)

    def is_real(self, node: ast.AST) -> bool:
        """Whether an expression certainly gives no complex numbers."""
        return numeric.is_real(self.model, node)

    def is_whole(self, node: ast.AST) -> bool:
        """Whether an expression certainly gives whole numbers or truth values."""
        return numeric.is_whole(self.model, node)

    def is_never_positive(self, node: ast.AST) -> bool:
        """Whether an expression cannot be above zero, so that its exponential cannot overflow."""
        return numeric.is_never_positive(self.model, node)

    def is_shifted(self, node: ast.AST) -> bool:
        """Whether a maximum has been subtracted from an expression already."""
        return numeric.is_shifted(self.model, node)

    def text(self, node: ast.AST) -> str:
        """The source of a node."""
        return self.model.source.segment(node)

    def short(self, node: ast.AST, limit: int = 40) -> str:
        """The source of a node on one line, for messages."""
        text = " ".join(self.text(node).split())
        return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"

    def targets(self, library: str, condition: str) -> bool:
        """Whether every targeted version of a library satisfies a condition; False where the target is not known."""
        return self.versions.satisfies(library, condition)

    def argument(self, call: ast.Call, keyword: str, position: int | None = None) -> ast.expr | None:
        """An argument of a call by keyword or position; None if it is not given.

        With ``*args`` or ``**kwargs`` in the call, ask `open_ended` first.
        """
        for candidate in call.keywords:
            if candidate.arg == keyword:
                return candidate.value
        if position is not None and position < len(call.args):
            found = call.args[position]
            return None if isinstance(found, ast.Starred) else found
        return None

    def open_ended(self, call: ast.Call) -> bool:
        """Whether a call has ``*args`` or ``**kwargs``: what else it is given cannot be seen."""
        return any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)

    # What to say about it

    def shows_value(self, node: ast.expr) -> bool:
        """Whether an expression is the last one of a notebook's cell, which shows its value, as IPython does of all of
        them when it is told to.
        """
        statement = self.tree.parent(node)
        if not self.source.is_notebook or not isinstance(statement, ast.Expr):
            return False
        if not isinstance(self.tree.parent(statement), ast.Module):
            return False
        if "ast_node_interactivity" in self.source.text:
            return True
        return self.source.ends_part(self.source.span(statement)[1])

    def lines(self, *nodes: ast.AST) -> str:
        """Where nodes of this file stand, for people: ``line 3, 12``; in a notebook ``line 2 of cell 5``."""
        numbers = sorted({getattr(node, "lineno", 1) for node in nodes})
        if self.source.is_notebook:
            return ", ".join(map(self.source.named_line, numbers))
        return f"line {', '.join(map(str, numbers))}"

    def finding(
        self,
        node: ast.AST,
        message: str,
        advice: str = "",
        fix: Fix | None = None,
        *,
        end: ast.AST | None = None,
    ) -> Finding:
        """A finding of the current rule at a node.

        Args:
            node: what a reader must look at.
            message: what is wrong here, in the words of this code.
            advice: what to do about it.
            fix: the rewrite, made by `fix`.
            end: a later node at whose end the range ends.
        """
        assert self.rule is not None
        if fix is not None and fix.build is not None and self._crowded(node):
            fix = fix.build()  # many rewrites need lines of their own: what is promised is to come true
        start, stop = self.source.span(node)
        if end is not None:
            stop = self.source.span(end)[1]
        return Finding(
            path=self.source.path,
            start=self.source.location(start),
            end=self.source.location(stop),
            code=self.rule.code,
            name=self.rule.name,
            message=message,
            advice=advice,
            fix=fix,
        )

    def _crowded(self, node: ast.AST) -> bool:
        """Whether the statement of a node shares a line with others: `f = open(p); f.read()`, `if p: f = open(p)`."""
        statement = self.tree.statement(node)
        body = getattr(statement, "body", None)
        if body and body[0].lineno == statement.lineno:
            return True
        start, stop = self.source.span(statement)
        text = self.source.text
        before = text[text.rfind("\n", 0, start) + 1 : start]
        after = text[stop : end if (end := text.find("\n", stop)) != -1 else len(text)].strip()
        return bool(before.strip()) or not (after == "" or after[0] in "#\\")

    def fix(self, build: Callable[[], Iterable[Edit] | Edit], safety: Safety, message: str) -> Fix:
        """A fix whose edits are made by ``build`` when somebody wants them.

        ``build`` may raise `mlint.codemod.refused.Refused`: then the finding stays and there is no fix.
        """

        def made() -> Fix | None:
            from mlint.codemod.refused import Refused

            self.edits.ambiguous = False
            try:
                edits = build()
                found = (edits,) if isinstance(edits, Edit) else tuple(edits)
            except Refused:
                return None
            proven = Safety.UNSAFE if self.edits.ambiguous and safety is Safety.SAFE else safety
            return Fix(proven, message, found) if found else None

        return Fix(safety, message, None, made)

    def without(self, statement: ast.stmt, names: Iterable[str], safety: Safety) -> Safety | None:
        """The safety of a fix after which a statement no longer binds names; None where somebody reads them.

        Unsafe where somebody may look them up, and where the function handles an error of the statement, and so sees
        what a loop has done before it raises.
        """
        from mlint.model import leftover

        dropped = frozenset(names)
        if leftover.needed(self.model, statement, dropped):
            return None
        if leftover.doubt(self.model, statement, dropped) or leftover.errors_handled(self.model, statement):
            return Safety.UNSAFE
        return safety

    def looked_up(self, statement: ast.stmt, name: str) -> bool:
        """Whether a name of a statement may be read where no code names it: through `globals()`, or from another
        module of the package.
        """
        from mlint.model import leftover

        return leftover.doubt(self.model, statement, (name,)) is not None

    def loop_fix(
        self,
        nest: Nest,
        text: str | None,
        obstacles: Sequence[str],
        *,
        safe: bool,
        doubts: Sequence[str] = (),
        statements: Sequence[ast.stmt] = (),
        names: Iterable[str] = (),
        build: Callable[[], Iterable[Edit] | Edit] | None = None,
    ) -> Fix | None:
        """The fix that puts a statement in place of a nest of loops; None where something stands in its way.

        Args:
            nest: the loops. Where their variables may be missed, or an error of a round is handled by the function that
                they stand in, the fix is unsafe; where their variables are missed, there is none.
            text: the statement; None where it cannot be written.
            obstacles: what stands in the way.
            safe: whether the statement gives the same results.
            doubts: why it may not; with any of them the fix is unsafe.
            statements: what it takes the place of, if not the loops alone.
            names: more names than the variables of the loops that go with them.
            build: makes the edits, if a replacement of ``statements`` is not all.
        """
        safe = safe and not doubts
        safety = self.without(nest.loop, nest.names.union(names), Safety.SAFE if safe else Safety.UNSAFE)
        for doubt in doubts:
            note(UNSAFE, doubt)
        for obstacle in obstacles:
            note(NO_FIX, obstacle)
        if text is None:
            note(NO_FIX, "a comment would be lost, or the rewrite is too long for one line")
        if safety is None:
            note(NO_FIX, "a variable of the loop is used after it")
        elif safe and safety is Safety.UNSAFE:
            note(UNSAFE, "a variable of the loop may be looked up after it, or an error of a round is handled")
        if text is None or obstacles or safety is None:
            return None
        replaced, new = list(statements) or [nest.loop], text

        def replace() -> Edit:
            from mlint.codemod.folded import folded

            written = folded(new, replaced[0].col_offset, self.options.line_length)
            return self.edits.replace_statements(replaced, written)

        return self.fix(build or replace, safety, f"Replace the loop by `{text}`")

    def substituted(self, node: ast.expr | ast.stmt, replacements: Mapping[ast.AST, str]) -> str | None:
        """The text of a node on one line with some parts replaced; None where that would lose a comment.

        For messages and for statements that a fix writes.
        """
        from mlint.codemod.refused import Refused

        if not replacements:
            return " ".join(self.text(node).split())
        if node in replacements:
            return replacements[node]
        try:
            text = self.edits.substitute(node, replacements)
        except Refused:
            return None
        if "\n" not in text:
            return text
        parts = [part.strip() for part in text.split("\n")]
        return " ".join(part.removesuffix("\\").rstrip() for part in parts)

    def is_quiet(self, node: ast.AST) -> bool:
        """Whether code changes no object that existed before it, and runs no code but its own."""
        from mlint.model.quiet import quiet

        return quiet(self.model, node)

    def sets_up(self, function: FunctionNode) -> bool:
        """Whether a function sets up the program, and computes nothing for a caller."""
        from mlint.model import programs

        return programs.sets_up(self.model, function)

    def always_training(self, model: ast.expr) -> Birth | None:
        """Where a model of PyTorch comes from that computes something else in training mode and is certainly in it."""
        from mlint.model import modes

        return modes.always_training(self.model, model)

    def has_parameters(self, call: ast.Call) -> bool:
        """Whether a call certainly makes a module of PyTorch with parameters to be learnt."""
        from mlint.model import layers

        return layers.has_parameters(self.model, call)

    def leaves_only_plain(self, block: list[ast.stmt], outer: ast.stmt | None) -> bool:
        """Whether nothing leaves a block of statements but numbers, strings and NumPy arrays.

        Args:
            block: the statements.
            outer: the statement that they belong to; None where they are the whole body of a function.
        """
        from mlint.model.plain import Plain

        return Plain(self.model).leaves_only_plain(block, outer)

    def is_put_into_eval_mode(self, node: ast.expr) -> bool:
        """Whether something of which nothing else is known is used as a module: its function calls its `eval`."""
        from mlint.model.plain import Plain

        return Plain(self.model).is_model(node)

    def imports_strangers(self) -> bool:
        """Whether the file imports something of which nothing is known."""
        from mlint.model import programs

        return programs.imports_strangers(self.model)

    def mentioned(self, *words: str) -> bool:
        """Whether one of some words stands in the file, or in a first-party module that it imports."""
        from mlint.model import programs

        return programs.mentioned(self.model, *words)

    def pool_needed(self, life: Lifetime, *, executor: bool) -> Needed:
        """How long a pool of workers is needed, and whether its results are waited for by then."""
        from mlint.model import pools

        return pools.needed(self.model, life, executor=executor)

    def pool_waits(self, call: ast.Call, *, executor: bool) -> ast.AST | None:
        """The node after which all that a method of a pool promises is there; None where that cannot be seen."""
        from mlint.model import pools

        return pools.waited_for(self.model, call, executor=executor)

    def tape(self, call: ast.Call) -> Tape | None:
        """The gradient tape that a call makes, where all that is done with it can be seen."""
        from mlint.model import tapes

        return tapes.tape_of(self.model, call)

    def tape_is_nested(self, tape: Tape) -> bool:
        """Whether a tape records another one, or is recorded by one."""
        from mlint.model import tapes

        return tapes.nested(self.model, tape)

    def tape_misses(self, tape: Tape, source: ast.expr) -> bool:
        """Whether a tape does not watch what a gradient is asked by."""
        from mlint.model import tapes

        return tapes.unwatched(self.model, tape, source)

    def runs_program(self, function: FunctionNode) -> bool:
        """Whether only the program itself calls a function: the top level of its file, or what sets up the program."""
        from mlint.model import programs

        return programs.runs_program(self.model, function)

    def seeds_alike(self, call: ast.Call) -> bool:
        """Whether a call starts a global random number generator, at the same place each time."""
        from mlint.model import reseeding

        return reseeding.constant_seed(self.model, call)

    def seed_is_undone(self, node: ast.AST) -> bool:
        """Whether somebody around a node keeps the state of the random number generators."""
        from mlint.model import reseeding

        return reseeding.is_undone(self.model, node)

    def draws_repeated(self, call: ast.Call, loop: LoopNode) -> ast.Call | None:
        """The draw that gives the same numbers in every round of a loop, because a call seeds in each."""
        from mlint.model import reseeding

        return reseeding.repeated_draw(self.model, call, loop)

    def read_elsewhere(self, statement: ast.stmt, name: str) -> bool:
        """Whether functions of the file, or what looks up variables by their names, may read a variable of the scope
        of a statement while that runs.
        """
        from mlint.model import leftover

        return leftover.read_elsewhere(self.model, statement, name)

    def superseded(self, match: Match) -> list[ast.stmt]:
        """The assignments that go when a match that looked through local names is rewritten.

        Raises:
            Refused: a value would be computed a second time, or at another time.
        """
        from mlint.rule.base import superseded

        return superseded(match, self)

    def stored_at(self, target: Target, *, update: bool) -> str:
        """How a statement stores to all the places of a loop at once, or updates them.

        A whole array that is updated needs no subscript, if it has its name in the scope of the statement.
        """
        array = self.text(target.array)
        if set(target.text.removeprefix(array)) - set("[:, ]"):
            text = target.text
            while text.endswith(", :]"):
                text = f"{text[: -len(', :]')]}]"
            return text
        bound = self.names.lookup(target.array) if isinstance(target.array, ast.Name) else None
        own = bound is not None and bound[0] is self.tree.scope(target.array)
        return array if own and update else f"{array}[:]"

    def scattered_index(self, scattered: Scattered) -> str | None:
        """The index that stores to all the places of a loop at once; None where a comment would be lost."""
        texts: list[str] = []
        for part in scattered.parts:
            text = part if isinstance(part, str) else self.substituted(part.node, part.replacements)
            if text is None:
                return None
            texts.append(text)
        return ", ".join(texts)

    @cached_property
    def edits(self) -> Edits:
        """The rewriting blocks, bound to this file."""
        return Edits(self.model)
