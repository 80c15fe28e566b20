"""The command: flags become settings, a run and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from mlint.arguments import UsageError, first_word, parse
from mlint.console import Console, silence_broken_pipe

_ISSUES = "https://github.com/mlint/mlint/issues"

_NOT_BUILT = {
    "profile": "the profiler",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run mlint with ``argv`` (default: the process's own arguments) and return the exit code.

    0: nothing found, or all of it fixed; 1: findings remain; 2: wrong usage or configuration, or an internal error.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    console = Console()
    try:
        code = _run(arguments, console)
        console.output.flush()
    except KeyboardInterrupt:
        console.end_progress()
        console.warn("interrupted")
        return 130
    except BrokenPipeError:
        silence_broken_pipe()
        return 2
    except OSError as error:
        _settle(console)
        console.warn(_reason(error))
        return 2
    except Exception as error:  # people get one line, whatever happens; the rest is for the report
        import traceback

        _settle(console)
        console.warn(
            f"internal error: {type(error).__name__}: {error}; please report it at {_ISSUES}, with what -v adds"
        )
        console.detail(traceback.format_exc())
        return 2
    return code


def _settle(console: Console) -> None:
    """Have standard output usable, or out of the way."""
    try:
        console.output.flush()
    except OSError:
        silence_broken_pipe()


def _reason(error: OSError) -> str:
    """Return what the system refused, and where."""
    try:
        os.getcwd()
    except OSError:
        return "the current folder is gone; change to one that exists"
    text = error.strerror or str(error)
    return f"{error.filename}: {text}" if error.filename else f"cannot write what was found: {text}"


def _run(arguments: list[str], console: Console) -> int:
    word, rest = first_word(arguments)
    if word == "smoke":
        return _smoke(rest, console)

    from mlint.registry import RegistryError
    from mlint.settings import SettingsError

    try:
        if word == "check":
            return _check(rest, console)
        if word == "explain":
            return _explain(rest, console)
        if word == "server":
            return _server(rest, console)
    except (UsageError, SettingsError, RegistryError) as error:
        console.warn(str(error))
        return 2
    console.warn(f"`mlint {word}` ({_NOT_BUILT[word]}) is not built yet; see {_ISSUES}")
    return 2


def _check(arguments: list[str], console: Console) -> int:
    options = parse(arguments, dict(os.environ))
    console.level = options.verbose - options.quiet
    if options.explain is not None:
        return _explain([options.explain], console)

    from mlint.check import Check

    return Check(options, console, os.environ).run()


def _smoke(arguments: list[str], console: Console) -> int:
    from mlint.settings import SettingsError

    try:
        from mlint.smoke.command import main as smoke

        return smoke(arguments, console, dict(os.environ))
    except (UsageError, SettingsError) as error:
        console.warn(str(error))
        return 2


def _explain(words: list[str], console: Console) -> int:
    if words and words[0] in ("-h", "--help"):
        console.result(f"{_EXPLAIN}\n")
        return 0
    if not words or (words[0] == "--why") != (len(words) == 2):
        raise UsageError(_EXPLAIN.partition("\n")[0])

    from mlint.registry import load_index
    from mlint.settings import SettingsResolver

    if words[0] == "--why":
        from mlint.why import why

        path, cell, line = _place(words[1])
        settings = SettingsResolver().for_path(path)
        told = why(path, line, settings, load_index(settings.local_rules), cell)
        console.result("".join(f"{text}\n" for text in told))
        return 0

    if words[0].upper().startswith("MS"):
        from mlint.smoke.pages import page as page_of_check

        console.result(page_of_check(words[0]))
        return 0

    from mlint.explain import page

    settings = SettingsResolver().for_path(os.path.join(os.curdir, ""))
    try:
        text = page(load_index(settings.local_rules), words[0])
    except UsageError:
        from mlint.smoke.pages import named

        check = named(words[0])
        if check is None:
            raise
        text = check
    console.result(text)
    return 0


def _server(arguments: list[str], console: Console) -> int:
    from mlint.server import main as serve

    code, text = serve(arguments)
    if text:
        (console.warn if code else console.result)(text if code else f"{text}\n")
    return code


def _place(text: str) -> tuple[str, int | None, int]:
    path, _, line = text.rpartition(":")
    if not path or not line.isdigit():
        raise UsageError(f"{text}: name a file and a line of it, as in train.py:12 or explore.ipynb:cell 3:12")
    file, _, cell = path.rpartition(":")
    if file and cell.startswith("cell ") and cell[5:].isdigit():
        return file, int(cell[5:]), int(line)
    return path, None, int(line)


_EXPLAIN = """\
usage: mlint explain RULE, or mlint explain --why FILE:LINE, or mlint explain --why "NOTEBOOK:cell N:LINE"
RULE, a code or a name: print the page of a rule; the beginning of codes, a library or ALL: list the rules.
--why FILE:LINE: tell what the rules about loops and frames say of the code in a line, and why they do not say more."""
