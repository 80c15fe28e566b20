"""Every rule with a fix as a LibCST codemod command, for teams whose refactoring runs on LibCST.

    python -m libcst.tool codemod --no-format -x mlint.codemods.LogOfSoftmax PATH...

Without ``-x``, with ``modules: [mlint]`` in ``.libcst.codemod.yaml``, the same command is ``codemods.LogOfSoftmax``.
The command of a rule is made when it is asked for; it has the name of the rule's class.
"""

from __future__ import annotations

import argparse
import os
from functools import cache
from typing import TYPE_CHECKING

import libcst
from libcst.codemod import CodemodCommand, CodemodContext, SkipFile

if TYPE_CHECKING:
    from mlint.finding import Finding
    from mlint.registry import Index, RuleEntry
    from mlint.source import Source


@cache
def _index() -> Index:
    from mlint.registry import load_index

    return load_index()


def _entries() -> dict[str, RuleEntry]:
    return {entry.class_name: entry for entry in _index().entries if entry.fix != "none" and entry.class_name}


class RuleCommand(CodemodCommand):
    """Applies the fixes of one rule; each of its subclasses stands for one."""

    ENTRY: RuleEntry
    DESCRIPTION: str = ""

    @staticmethod
    def add_args(arg_parser: argparse.ArgumentParser) -> None:
        """Add the one flag that a fix has."""
        arg_parser.add_argument(
            "--unsafe-fixes",
            action="store_true",
            default=False,
            help="Also apply the fixes that may change what the program does.",
        )

    def __init__(self, context: CodemodContext, unsafe_fixes: bool = False) -> None:
        super().__init__(context)
        self.unsafe_fixes = unsafe_fixes

    def transform_module_impl(self, tree: libcst.Module) -> libcst.Module:
        """Return the module with this rule's findings fixed, suppressed ones left alone."""
        from mlint.fixer import fix_source
        from mlint.linter import may_apply
        from mlint.source import Source, SourceError

        path = self.context.filename or "<stdin>"
        try:
            # Bytes, since they carry the encoding comment that LibCST has obeyed already.
            source = Source.from_bytes(tree.bytes, path)
            source.parse()
        except SourceError as error:
            raise SkipFile(f"Python cannot read it: {error.message}") from None
        outcome = fix_source(source, self._check, lambda finding: may_apply(finding, self.unsafe_fixes))
        for failure in outcome.failures:
            self.warn(failure)
        for finding in outcome.remaining:
            if finding.code == self.ENTRY.code:
                self.warn(f"{finding.path}:{finding.start.line}: {finding.code} left: {finding.text}")
        if outcome.source.text == source.text:
            return tree
        return libcst.parse_module(outcome.source.encode(), tree.config_for_parsing)

    def _check(self, source: Source) -> list[Finding]:
        from mlint.engine import Engine
        from mlint.linter import engine_options, unsuppressed
        from mlint.settings import SettingsResolver

        settings = SettingsResolver().for_path(os.path.abspath(source.path))
        codes = frozenset({self.ENTRY.code})
        report = Engine(_index(), options=engine_options(settings)).check(source, codes)
        for error in report.errors:
            self.warn(f"{source.path}: internal error in {error.code}: {error.message}")
        return unsuppressed(source, report.findings, codes, ())


def __getattr__(name: str) -> type[RuleCommand]:
    """Return the command of the rule class ``name``."""
    entry = None if name.startswith("_") else _entries().get(name)
    if entry is None:
        from mlint.arguments import nearest

        hint = "" if name.startswith("_") else nearest(name, _entries())
        raise AttributeError(f"mlint has no rule class {name!r} with a fix{hint}")
    command = type(
        name,
        (RuleCommand,),
        {
            "__doc__": entry.summary,
            "__module__": __name__,
            "ENTRY": entry,
            "DESCRIPTION": f"{entry.code} {entry.name}: {entry.summary}",
        },
    )
    globals()[name] = command  # one class per rule: commands are sent to other processes by name
    return command


def __dir__() -> list[str]:
    """Return the names of all commands, so that ``libcst.tool list`` shows them."""
    return sorted({*globals(), *_entries()})
