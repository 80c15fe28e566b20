"""The command line: which flags there are, and what they say about the settings and about the run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence

from mlint import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

WORDS = ("check", "explain", "smoke", "server", "profile")
"""The only words that can stand first; anything else there is a path."""

FORMATS = ("full", "concise", "json", "json-lines", "github", "gitlab", "sarif", "junit")

_DESCRIPTION = """\
mlint finds and fixes what wastes compute, breaks training or makes a run irreproducible in Python ML code.

  mlint [PATH ...]       check files and folders (the current folder if none is given)
  mlint -                check standard input
  mlint explain CODE     print the page of a rule
"""

_EPILOG = """\
exit codes: 0 nothing found, or everything was fixed; 1 findings remain; 2 wrong usage, wrong configuration, unreadable
files or an internal error
"""


class UsageError(Exception):
    """The command line makes no sense; the message is one line that says what is wrong and what to write."""


def nearest(word: str, words: Iterable[str]) -> str:
    """Return ``; did you mean X?`` for the one of ``words`` most like ``word``, or nothing."""
    import difflib  # only an error needs it

    found = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Has a fixed width: argparse makes a formatter for every flag, and asking for the terminal's size loads shutil."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=100)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, through an exception."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def flags(self) -> list[str]:
        return [flag for flag in self._option_string_actions if flag.startswith("--")]


def _switch(parser: argparse._ArgumentGroup, name: str, text: str, *, opposite: str | None = None) -> None:
    """Add a flag and its ``--no-`` form; with neither given, the configuration decides."""
    field = name.lstrip("-").replace("-", "_")
    parser.add_argument(name, dest=field, action="store_const", const=True, default=None, help=text)
    parser.add_argument(
        opposite or f"--no-{name[2:]}", dest=field, action="store_const", const=False, help=argparse.SUPPRESS
    )


def _selectors(parser: argparse._ArgumentGroup, name: str, text: str) -> None:
    """Add a flag that takes rules and may be given several times."""
    parser.add_argument(name, metavar="RULES", action="append", help=text)


def build_parser() -> Parser:
    """Return the parser of ``mlint [check]``."""
    parser = Parser(
        prog="mlint",
        usage="mlint [check] [OPTIONS] [PATH ... | -]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        allow_abbrev=False,
        formatter_class=Formatter,
        add_help=False,
    )
    add = parser.add_argument
    add("paths", metavar="PATH", nargs="*", help="files and folders, or - for standard input")

    group = parser.add_argument_group("fixing")
    _switch(group, "--fix", "apply the fixes that keep the program's meaning")
    _switch(group, "--unsafe-fixes", "also apply (with --fix) and show the fixes that may change behaviour")
    _switch(group, "--fix-only", "fix, and do not report what remains; exit 0")
    _switch(group, "--show-fixes", "list what was fixed")
    text = "write rewrites of loops only after both versions gave the same results on generated inputs"
    group.add_argument("--validate", action="store_true", help=text)
    group.add_argument("--diff", action="store_true", help="write nothing, print what --fix would change")

    group = parser.add_argument_group("rules (codes, beginnings of codes, names, libraries, or ALL; comma-separated)")
    _selectors(group, "--select", "the rules to use, instead of the configured ones")
    _selectors(group, "--ignore", "rules to leave out")
    _selectors(group, "--extend-select", "rules to use as well")
    _selectors(group, "--fixable", "rules that --fix may fix")
    _selectors(group, "--unfixable", "rules that --fix leaves alone")
    group.add_argument(
        "--per-file-ignores",
        metavar="PATTERN:RULES",
        action="append",
        help="rules to leave out in the files that match, as in tests/*:ML3,scripts/*:ML7",
    )
    group.add_argument("--explain", metavar="RULE", help="print the page of a rule")

    group = parser.add_argument_group("files")
    text = "leave these out, instead of the configured ones"
    group.add_argument("--exclude", metavar="PATTERNS", action="append", help=text)
    group.add_argument("--extend-exclude", metavar="PATTERNS", action="append", help="leave these out as well")
    _switch(group, "--force-exclude", "leave excluded files out even when they are named here")
    _switch(group, "--respect-gitignore", "leave out what git ignores (on; --no-respect-gitignore turns it off)")
    group.add_argument("--stdin-filename", metavar="PATH", help="the name of what comes on standard input")
    text = "treat files *.EXT as python, pyi or ipynb"
    group.add_argument("--extension", metavar="EXT:KIND", action="append", help=text)

    group = parser.add_argument_group("output")
    group.add_argument("--output-format", metavar="FORMAT", help=f"{', '.join(FORMATS)} (or $MLINT_OUTPUT_FORMAT)")
    group.add_argument("-o", "--output-file", metavar="FILE", help="write the report to a file")
    group.add_argument("--statistics", action="store_true", help="count findings by rule instead of listing them")
    group.add_argument("--timing", action="store_true", help="show what each rule costs")
    group.add_argument("--show-files", action="store_true", help="list the files that would be checked")
    group.add_argument("--show-settings", action="store_true", help="show the settings that hold for the first file")
    text = "show what mlint knows about a file: names, loops, functions, versions (for bug reports)"
    group.add_argument("--debug-model", metavar="FILE", help=text)
    group.add_argument("--color", metavar="WHEN", help="auto, always or never (NO_COLOR and FORCE_COLOR are honoured)")
    text = "findings only; twice: nothing but the exit code"
    group.add_argument("-q", "--quiet", action="count", default=0, help=text)
    text = "also say which configuration is used, and details"
    group.add_argument("-v", "--verbose", action="count", default=0, help=text)

    group = parser.add_argument_group("configuration")
    group.add_argument(
        "--config",
        metavar="FILE|KEY=VALUE",
        action="append",
        default=[],
        help="a configuration file to use, or one setting as in pyproject.toml",
    )
    group.add_argument("--isolated", action="store_true", help="use no configuration file")
    group.add_argument("--cache-dir", metavar="DIR", help="where results are kept (default .mlint_cache)")
    group.add_argument("-n", "--no-cache", action="store_true", help="keep and use no results")
    group.add_argument("-j", "--jobs", metavar="N", help="number of processes (default: one per processor)")

    group = parser.add_argument_group("adopting mlint, watching, exit code")
    text = "write a noqa comment for everything found: --add-noqa[=REASON]"
    group.add_argument("--add-noqa", metavar="REASON", help=text)
    group.add_argument("--baseline", metavar="FILE", help="report only what is not in this file")
    group.add_argument("--write-baseline", metavar="FILE", help="write everything found to this file, for --baseline")
    group.add_argument("-w", "--watch", action="store_true", help="check again whenever a file changes")
    group.add_argument("-e", "--exit-zero", action="store_true", help="exit 0 even when there are findings")
    group.add_argument("--exit-non-zero-on-fix", action="store_true", help="exit 1 when something was fixed")
    group.add_argument("-h", "--help", action="help", help="show this text and exit")
    group.add_argument("-V", "--version", action="version", version=f"mlint {__version__}")
    return parser


_SETTING_FLAGS = (
    "fix", "unsafe_fixes", "fix_only", "show_fixes", "select", "ignore", "extend_select", "fixable", "unfixable",
    "per_file_ignores", "exclude", "extend_exclude", "force_exclude", "respect_gitignore", "extension",
    "output_format", "cache_dir", "jobs", "baseline",
)  # fmt: skip


def parse(argv: Sequence[str], environment: dict[str, str] | None = None) -> argparse.Namespace:
    """Return what ``argv`` asks for; ``overrides`` among it is what it says about the settings.

    Raises UsageError; ends the process for ``--help`` and ``--version``.
    """
    parser = build_parser()
    # `--add-noqa PATH` must not take the path for the reason.
    arguments = ["--add-noqa=" if argument == "--add-noqa" else argument for argument in argv]
    options, unknown = parser.parse_known_intermixed_args(arguments)
    if unknown:
        flag = unknown[0].partition("=")[0]
        raise UsageError(f"unknown option {flag}{nearest(flag, parser.flags())}")
    _check(options)
    options.overrides = _overrides(options, environment or {})
    return options


def _check(options: argparse.Namespace) -> None:
    """Raise UsageError for values and combinations that make no sense."""
    if options.color is not None and options.color not in ("auto", "always", "never"):
        raise UsageError(f"--color {options.color}: say auto, always or never")
    if options.jobs is not None:
        if not options.jobs.isdigit():
            raise UsageError(f"--jobs {options.jobs}: say a number, 0 for one process per processor")
        options.jobs = int(options.jobs)
    if options.stdin_filename is not None:
        if not options.paths:
            options.paths = ["-"]
        elif "-" not in options.paths:
            raise UsageError(
                f"--stdin-filename names what comes on standard input (-), and {options.paths[0]} is read from its file"
            )
    for flag, values in (("--select", options.select), ("--fixable", options.fixable)):
        if values and not any(value.strip(" ,") for value in values):
            raise UsageError(f"{flag} is given no rule; name one, or leave {flag} out")
    if "-" in options.paths and len(options.paths) > 1:
        raise UsageError("standard input (-) cannot be checked together with files; call mlint twice")
    alone = [
        flag
        for flag, given in (
            ("--diff", options.diff),
            ("--add-noqa", options.add_noqa is not None),
            ("--write-baseline", options.write_baseline is not None),
            ("--watch", options.watch),
        )
        if given
    ]
    if options.debug_model is not None and options.paths:
        raise UsageError(f"--debug-model takes the one file that it shows; leave {options.paths[0]} out")
    if options.paths == ["-"] and options.show_files:
        raise UsageError("--show-files lists files; it cannot be used with standard input (-)")
    if len(alone) > 1:
        raise UsageError(f"{alone[0]} and {alone[1]} cannot be used together")
    if options.paths == ["-"]:
        for flag in alone:
            if flag != "--diff":
                raise UsageError(f"{flag} needs files; it cannot be used with standard input (-)")
    if alone and alone[0] in ("--add-noqa", "--write-baseline") and (options.fix or options.fix_only):
        raise UsageError(f"{alone[0]} records what is found as it is; it cannot be used together with --fix")


def _overrides(options: argparse.Namespace, environment: dict[str, str]) -> dict[str, object]:
    overrides: dict[str, object] = {}
    for name in _SETTING_FLAGS:
        value = getattr(options, name)
        if value is not None:
            overrides[name] = value
    if "output_format" not in overrides and environment.get("MLINT_OUTPUT_FORMAT"):
        overrides["output_format"] = environment["MLINT_OUTPUT_FORMAT"]
    wanted = overrides.get("output_format")
    if isinstance(wanted, str) and wanted not in FORMATS:
        source = "--output-format" if options.output_format else "MLINT_OUTPUT_FORMAT"
        raise UsageError(f"{source} {wanted}: no such format{nearest(wanted, FORMATS)} (known: {', '.join(FORMATS)})")
    return overrides


def first_word(argv: Sequence[str]) -> tuple[str, list[str]]:
    """Return the word that ``argv`` starts with (``check`` if it does not) and the rest."""
    if argv and argv[0] in WORDS:
        return argv[0], list(argv[1:])
    return "check", list(argv)


def colored(when: str | None, environment: dict[str, str], terminal: bool) -> bool:
    """Say whether to colour: the flag first, then NO_COLOR and FORCE_COLOR, then whether it is a terminal."""
    if when in ("always", "never"):
        return when == "always"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return terminal and environment.get("TERM") != "dumb" and (sys.platform != "win32" or "WT_SESSION" in environment)
