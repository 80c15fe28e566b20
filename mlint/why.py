"""Why a piece of code was reported or not, rewritten or not: ``mlint explain --why FILE:LINE``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlint.arguments import UsageError
from mlint.finding import Location, Safety
from mlint.model.refusals import NO_FIX, REFUSED, UNSAFE, Refusal, recorded

if TYPE_CHECKING:
    from mlint.registry import Index
    from mlint.rule import Finding, Rule
    from mlint.rule.context import Context
    from mlint.settings import Settings
    from mlint.source import Source

_FAMILY = "ML1"
"""The rules that keep record of what they refuse."""


def why(path: str, line: int, settings: Settings, index: Index, cell: int | None = None) -> Iterator[str]:
    """What the rules about loops and frames say of the code in a line, and why they do not say more.

    Args:
        path: the file.
        line: a line of the code in question, counted from 1: the head of a loop, or a line in it.
        settings: the file's settings.
        index: all rules.
        cell: the cell of a notebook in which the line is counted.

    Raises:
        UsageError: the file cannot be read, or there is no code in the line.
    """
    from mlint.registry import load_rule

    context = _context(path, settings)
    source = context.source
    wanted = line if cell is None else _line_in_module(source, cell, line)
    statement = None if wanted is None else _statement(context.model.module, wanted)
    if statement is None:
        place = f"line {line}" if cell is None else f"line {line} of cell {cell}"
        raise UsageError(f"{path}: there is no code in {place}")
    shown = source.shown_at(source.location(source.span(statement)[0])).rpartition(":")[0]
    yield f"{path}:{shown}: {context.short(statement, 80)}"
    reported: list[str] = []
    refused: dict[str, list[str]] = {}
    for entry in index.entries:
        if not entry.code.startswith(_FAMILY) or not entry.class_name:
            continue
        rule = load_rule(entry)
        for node in _asked(rule, statement, context):
            context.rule = rule
            with recorded() as reasons:
                findings = list(rule.check(node, context))
            for finding in findings:
                place = source.named_line(finding.start.line)
                reported.append(f"  {entry.code} {entry.name}, {place}: {finding.message}")
                reported.append(f"    {_fix(finding, reasons)}")
            if not findings:
                for reason in reasons:
                    if reason.what == REFUSED and entry.code not in refused.setdefault(reason.reason, []):
                        refused[reason.reason].append(entry.code)
    if reported:
        yield from reported  # what the other rules have against it is of no interest
    elif refused:
        yield from (f"  refused: {reason} ({', '.join(codes)})" for reason, codes in refused.items())
    else:
        yield "  no rule about loops or frames takes it for one of its cases"


def _context(path: str, settings: Settings) -> Context:
    from mlint.linter import engine_options, read_source
    from mlint.model.file import FileModel
    from mlint.model.project import Project
    from mlint.rule.context import Context, Options
    from mlint.source import SourceError

    try:
        source = read_source(path, settings)
        module = source.parse()
    except SourceError as error:
        raise UsageError(f"{path}: cannot be read as Python: {error}") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    choices = engine_options(settings)
    project = Project(choices.roots)
    model = FileModel(source, module, project)
    project.begin(model)
    return Context(model, Options(choices.target_versions, choices.root, choices.seed, choices.line_length))


def _line_in_module(source: Source, cell: int, line: int) -> int | None:
    from mlint.notebook import NotebookSource

    if not isinstance(source, NotebookSource):
        raise UsageError(f"{source.path}: only notebooks have cells; name a file and a line of it, as in train.py:12")
    try:
        number = source.in_module(cell, Location(line, 1)).line
    except KeyError:
        return None
    found = source.in_cell(Location(number, 1))
    return number if found is not None and found[0] == cell else None


def _statement(module: ast.Module, line: int) -> ast.stmt | None:
    """The outermost loop of those that are nested around a line, or its statement if there is none."""
    found: ast.stmt | None = None
    block: list[ast.stmt] = module.body
    while block:
        inside = next((part for part in block if part.lineno <= line <= (part.end_lineno or part.lineno)), None)
        if inside is None:
            break
        found = inside
        if isinstance(inside, (ast.For, ast.AsyncFor, ast.While)):
            break
        block = [part for part in ast.iter_child_nodes(inside) if isinstance(part, ast.stmt)]
        for part in ast.iter_child_nodes(inside):
            if isinstance(part, (ast.ExceptHandler, ast.match_case)):
                block += part.body
    return found


def _asked(rule: Rule, statement: ast.stmt, context: Context) -> list[ast.AST]:
    """The nodes in a statement that a rule looks at."""
    return [node for node in ast.walk(statement) if rule.wants(node, context.model)]


def _fix(finding: Finding, reasons: list[Refusal]) -> str:
    if finding.fix is None:
        return "no fix" + _because(reasons, NO_FIX)
    if finding.fix.safety is Safety.SAFE:
        return "the fix is safe"
    return "the fix is unsafe" + _because(reasons, UNSAFE)


def _because(reasons: list[Refusal], what: str) -> str:
    given = [reason.reason for reason in reasons if reason.what == what]
    return f": {'; '.join(given)}" if given else ""
