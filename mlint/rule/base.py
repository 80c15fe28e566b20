"""The base classes of rules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from mlint.finding import Edit, Finding, Fix, Safety
from mlint.model.tree import walk
from mlint.pattern import Match, Pattern, Template
from mlint.rule.example import Example
from mlint.rule.triggers import Channel, Trigger

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.rule.context import Context

_SILENT_IN_TESTS = frozenset("1234679")
_WIDEST = 90


class Rule:
    """One rule: what it finds, why that matters, its examples and its fix.

    A subclass sets the attributes, documents itself in its docstring (first line, then the sections ``## Why``,
    ``## Fix safety``, ``## References`` and what else there is to say), and defines `check`.

    Attributes:
        code: ``ML`` and three digits; the first is the family.
        name: reads well after "allow": ``log-of-softmax``.
        libraries: the libraries whose code it is about; a file that mentions none of them is not looked at.
        default: whether it is on without being selected.
        in_tests: whether it speaks in tests and benchmarks; None for the default of its family.
        safety: the safety of its fixes, all that occur; empty for a rule that only reports.
        triggers: what it wants to be shown.
        words: the rule has nothing to say about a file in which none of these texts stands; empty for any file. What
            a rule needs besides its triggers (a training loop needs ``backward``) makes it cheap for all other files.
        version_guards: whether findings behind a version check or an ImportError are dropped.
        examples: see `Example`.
    """

    code: ClassVar[str] = ""
    name: ClassVar[str] = ""
    libraries: ClassVar[tuple[str, ...]] = ()
    default: ClassVar[bool] = True
    in_tests: ClassVar[bool | None] = None
    safety: ClassVar[Safety | tuple[Safety, ...]] = ()
    triggers: ClassVar[tuple[Trigger, ...]] = ()
    words: ClassVar[tuple[str, ...]] = ()
    version_guards: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = ()

    def check(self, node: ast.AST, ctx: Context) -> Iterable[Finding]:
        """The findings at a node that one of the triggers matched."""
        raise NotImplementedError

    def wants(self, node: ast.AST, model: FileModel) -> bool:
        """Whether one of the triggers matches a node."""
        for trigger in self.triggers:  # no `any`: this is asked for every candidate of every file
            if trigger.matches(node, model):
                return True
        return False

    def channels(self) -> list[Channel]:
        """All words under which the engine looks for this rule."""
        return sorted({channel for trigger in self.triggers for channel in trigger.channels()})

    # What the index and the documentation say

    @classmethod
    def safeties(cls) -> tuple[Safety, ...]:
        """The safeties of the fixes as a tuple."""
        return cls.safety if isinstance(cls.safety, tuple) else (cls.safety,)

    @classmethod
    def fix_summary(cls) -> str:
        """``safe``, ``unsafe``, ``safe/unsafe`` or ``none``."""
        made = [s.value for s in (Safety.SAFE, Safety.UNSAFE) if s in cls.safeties()]
        return "/".join(made) or "none"

    @classmethod
    def speaks_in_tests(cls) -> bool:
        """Whether the rule is on in tests and benchmarks by default."""
        return cls.code[2:3] not in _SILENT_IN_TESTS if cls.in_tests is None else cls.in_tests

    @classmethod
    def explanation(cls) -> str:
        """The page of the rule."""
        import inspect

        return inspect.cleandoc(cls.__doc__ or "")

    @classmethod
    def summary(cls) -> str:
        """The first paragraph of the page, on one line."""
        return " ".join(cls.explanation().split("\n\n", 1)[0].split())


class PatternRule(Rule):
    """A rule that is a table of patterns and their replacements.

    Attributes:
        patterns: pattern → template, or None where there is nothing to put in its place.
        message: what is wrong; ``{x}`` is the source of the metavariable ``$x``, ``{code}`` that of the match.
        advice: what to do, likewise; empty for a text made from the replacement.
        through_names: whether a part of a pattern may have been assigned to a local name just before. An assignment
            whose only reader is rewritten goes.
    """

    patterns: ClassVar[Mapping[str, str | None]] = {}
    through_names: ClassVar[bool] = False
    message: ClassVar[str] = ""
    advice: ClassVar[str] = ""

    def __init__(self) -> None:
        self._compiled = [
            (Pattern(text, through_names=self.through_names), None if template is None else Template(template))
            for text, template in self.patterns.items()
        ]
        self._by_word: dict[str, list[tuple[Pattern, Template | None]]] = {}
        for pattern, template in self._compiled:
            for word in pattern.words:
                self._by_word.setdefault(word, []).append((pattern, template))

    def channels(self) -> list[Channel]:
        return [("call", word) for word in sorted(self._by_word)]

    def wants(self, node: ast.AST, model: FileModel) -> bool:
        return isinstance(node, ast.Call)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        for pattern, template in self._candidates(node, ctx):
            match = pattern.match(node, ctx.model)
            if match is not None and self.accept(match, ctx):
                yield self.report(match, template, ctx)
                return

    def _candidates(self, node: ast.Call, ctx: Context) -> list[tuple[Pattern, Template | None]]:
        func = node.func
        word = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
        found = self._by_word.get(word)
        if found is None:  # called by another name: `from torch import log as ln`
            dotted = ctx.dotted(func)
            found = self._by_word.get("" if dotted is None else dotted.rpartition(".")[2], [])
        return found

    def accept(self, match: Match, ctx: Context) -> bool:
        """Whether a match is a finding; a rule with conditions that no pattern can say overrides this."""
        return True

    def describe(self, match: Match) -> str:
        """The message for one match, with the metavariables in braces."""
        return self.message

    def fix_safety(self, match: Match, ctx: Context) -> Safety | None:
        """The safety of the fix of one match; None for no fix.

        The first of the rule's own, and no better than unsafe where the receiver of a method is not proven.
        """
        safeties = self.safeties()
        if not safeties:
            return None
        return safeties[0] if match.proven else Safety.UNSAFE

    def report(self, match: Match, template: Template | None, ctx: Context) -> Finding:
        """The finding for a match."""
        words = {"code": ctx.short(match.node)}
        for name, bound in match.variables.items():
            if isinstance(bound, ast.AST):
                words[name] = ctx.short(bound)
        rendered = None if template is None else template.render(match, ctx.model)
        advice = self.advice.format(**words) if self.advice else ""
        if not advice and rendered is not None:
            advice = f"use {_callee(rendered[0])}"
        safety = self.fix_safety(match, ctx)
        fix: Fix | None = None
        if rendered is not None and safety is not None:
            text, imports = rendered

            def build() -> list[Edit]:
                gone = superseded(match, ctx)
                edits = [ctx.edits.replace(match.node, text, **match.variables), *ctx.edits.imports(imports)]
                return [*(edit for statement in gone for edit in ctx.edits.delete([statement])), *edits]

            fix = ctx.fix(build, safety, f"Replace by `{_readable(text, match, ctx)}`")
        return ctx.finding(match.node, self.describe(match).format(**words), advice, fix)


def superseded(match: Match, ctx: Context) -> list[ast.stmt]:
    """The assignments to names that a match looked through and that nobody else reads.

    Raises:
        Refused: the value would be computed a second time, or at another time.
    """
    from mlint.codemod.refused import Refused
    from mlint.model import leftover

    gone: list[ast.stmt] = []
    for name, assignment in match.names:
        others = [use for use in leftover.readers(ctx.model, assignment, (name.id,)) if use is not name]
        for use in others:
            plain = isinstance(ctx.tree.parent(use), (ast.BinOp, ast.Compare, ast.Subscript, ast.Attribute))
            if (use.lineno, use.col_offset) < (name.lineno, name.col_offset) and not plain:
                raise Refused("the value has another name by then, under which it may have been changed")
        calls = any(_runs_code(bound) for bound in match.variables.values())
        if others and calls:
            raise Refused("the value is read elsewhere, and would be computed twice")
        block = ctx.tree.block(assignment)
        following = ctx.tree.following(assignment)
        if calls and ctx.tree.statement(name) is not following[0]:
            raise Refused("other code runs between the assignment and the use")
        if not others:
            if len(block) == 1 or isinstance(ctx.tree.scope(assignment), (ast.Module, ast.ClassDef)):
                continue  # a name of the module may be read by others
            if leftover.doubt(ctx.model, assignment, (name.id,)):
                continue
            gone.append(assignment)
    return gone


def _runs_code(bound: object) -> bool:
    parts = bound if isinstance(bound, Sequence) else [bound]
    return any(isinstance(node, ast.Call) for part in parts if isinstance(part, ast.AST) for node in walk(part))


def _readable(text: str, match: Match, ctx: Context) -> str:
    """A rendered template for a message: what stands for the metavariables in its place."""

    def words(name: re.Match[str]) -> str:
        bound = match.variables[name.group(2)]
        parts = [bound] if isinstance(bound, ast.AST) else bound
        return ", ".join(" ".join(ctx.text(part).split()) for part in parts)

    readable = re.sub(r"\$(\*?)(\w+)", words, text).replace(", )", ")")
    return readable if len(readable) <= _WIDEST else readable[: _WIDEST - 1].rstrip() + "…"


def _callee(text: str) -> str:
    """The first callee in a rendered template."""
    head = text.partition("(")[0].lstrip("-")
    return f"`.{head.partition('.')[2]}`" if head.startswith("$") else f"`{head}`"
