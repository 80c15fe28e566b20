"""The command line of ``mlint smoke``, and the configuration that it and the settings make."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence

from mlint import __version__
from mlint.arguments import FORMATS, Formatter, Parser, UsageError, nearest
from mlint.settings import Settings
from mlint.settings.smoke import SECTION, TARGET
from mlint.settings.values import WrongValueError
from mlint.smoke.configuration import Configuration, TargetConfiguration, from_section, target_from

_DESCRIPTION = """\
mlint smoke builds a model of the project, runs a few steps of it and checks gradients, numerics, reproducibility and
independence. The targets stand in [[tool.mlint.smoke.target]].

  mlint smoke                       check every target of the configuration
  mlint smoke NAME                  check one of them
  mlint smoke shop.models:build --batch 'float32[8,3,32,32]' --batch 'int64[8]<10'
  mlint smoke --init                propose the section from the project's own code
"""
_EPILOG = """\
The target's code is run as it is. That is no sandbox: run only code that you would run.

exit codes: 0 nothing found; 1 findings of the severity of `fail-on` (warning) or above; 2 wrong usage or configuration,
or an internal error
"""
_TARGET_FLAGS = ("batch", "loss", "optimizer", "step", "loader", "autocast", "padding", "causal")


def build_parser() -> Parser:
    """The parser of ``mlint smoke``."""
    parser = Parser(
        prog="mlint smoke",
        usage="mlint smoke [OPTIONS] [TARGET ...]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        allow_abbrev=False,
        formatter_class=Formatter,
        add_help=False,
    )
    parser.add_argument("targets", metavar="TARGET", nargs="*", help="names of targets, or package.module:model")
    group = parser.add_argument_group("what is run")
    group.add_argument("--batch", action="append", help="package.module:name, or shapes, once for each tensor")
    group.add_argument("--loss", metavar="REF", help="package.module:name of (output, batch) -> loss")
    group.add_argument("--optimizer", metavar="REF", help="package.module:name of (model) -> optimizer")
    group.add_argument("--step", metavar="REF", help="package.module:name of (model, batch, optimizer) -> loss")
    group.add_argument("--loader", metavar="REF", help="package.module:name of (num_workers) -> iterable")
    group.add_argument("--autocast", metavar="DTYPE", help="bfloat16 or float16, as the training uses it")
    group.add_argument("--padding", metavar="KEY", help="the entry of the batch that marks valid positions")
    text = "the output at a position must not depend on later positions"
    group.add_argument("--causal", action="store_const", const=True, help=text)
    group.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N")
    group.add_argument("--budget", metavar="TIME", help="time for everything, as in 20s")
    group.add_argument("--timeout", metavar="TIME", help="time for one import, build, step or check, as in 60s")
    group.add_argument("--memory", metavar="SIZE", help="the most memory of all processes, as in '6 GiB'")
    group.add_argument("--threads", metavar="N", help="threads that torch computes with")
    group.add_argument("--python", metavar="PATH", help="the project's interpreter")

    group = parser.add_argument_group("checks (codes, beginnings of codes, names; comma-separated)")
    group.add_argument("--select", metavar="CHECKS", action="append", help="the checks to run")
    group.add_argument("--ignore", metavar="CHECKS", action="append", help="checks to leave out")
    group.add_argument("--list", action="store_true", help="list the checks and exit")
    text = "propose [tool.mlint.smoke] from the project's own code; nothing is run or written"
    group.add_argument("--init", action="store_true", help=text)

    group = parser.add_argument_group("output")
    group.add_argument("--output-format", metavar="FORMAT", help=f"{', '.join(FORMATS)} (or $MLINT_OUTPUT_FORMAT)")
    group.add_argument("-o", "--output-file", metavar="FILE", help="write the report to a file")
    group.add_argument("--timing", action="store_true", help="show what each stage and check took")
    group.add_argument("--color", metavar="WHEN", help="auto, always or never (NO_COLOR and FORCE_COLOR are honoured)")
    group.add_argument(
        "-q", "--quiet", action="count", default=0, help="findings only; twice: nothing but the exit code"
    )
    text = "also say what runs, and show what the target printed"
    group.add_argument("-v", "--verbose", action="count", default=0, help=text)
    group.add_argument("-e", "--exit-zero", action="store_true", help="exit 0 even when there are findings")
    text = "the least severity that makes the exit code 1: error, warning, info or never"
    group.add_argument("--fail-on", metavar="SEVERITY", help=text)

    group = parser.add_argument_group("configuration")
    text = "a configuration file to use, or one setting as in pyproject.toml"
    group.add_argument("--config", metavar="FILE|KEY=VALUE", action="append", default=[], help=text)
    group.add_argument("--isolated", action="store_true", help="use no configuration file")
    group.add_argument("--cache-dir", metavar="DIR", help="where results are kept (default .mlint_cache)")
    group.add_argument("-n", "--no-cache", action="store_true", help="keep and use no results")
    group.add_argument("-h", "--help", action="help", help="show this text and exit")
    group.add_argument("-V", "--version", action="version", version=f"mlint {__version__}")
    return parser


def parse(argv: Sequence[str]) -> Namespace:
    """What ``argv`` asks for. Raises UsageError; ends the process for ``--help`` and ``--version``."""
    parser = build_parser()
    options, unknown = parser.parse_known_intermixed_args(list(argv))
    if unknown:
        flag = unknown[0].partition("=")[0]
        raise UsageError(f"unknown option {flag}{nearest(flag, parser.flags())}")
    if options.color is not None and options.color not in ("auto", "always", "never"):
        raise UsageError(f"--color {options.color}: say auto, always or never")
    return options


def configuration(options: Namespace, settings: Settings) -> Configuration:
    """The section with the flags on top, and with the targets that are asked for.

    Raises:
        UsageError: a flag has a wrong value, or there is no such target.
    """
    section = dict(settings.smoke)
    for name in ("device", "budget", "timeout", "memory", "python"):
        given = getattr(options, name)
        if given is not None:
            section[name] = given
    if options.threads is not None:
        section["threads"] = int(options.threads) if options.threads.isdigit() else options.threads
    for name in ("select", "ignore"):
        given = getattr(options, name)
        if given is not None:
            section[name] = [part.strip() for text in given for part in text.split(",") if part.strip()]
    if options.fail_on is not None:
        section["fail-on"] = options.fail_on
    checked = _checked(SECTION.read, section)
    whole = from_section(checked)
    base = os.path.dirname(settings.origins.get("smoke", "")) if settings.smoke else ""
    python = whole.python
    if python and options.python is None and base:
        python = os.path.normpath(os.path.join(base, os.path.expanduser(python)))
    elif options.python is not None:
        python = os.path.abspath(os.path.expanduser(options.python))
    root = settings.root or os.getcwd()
    roots = tuple(dict.fromkeys([root, *(path for path in settings.source_roots if os.path.isdir(path))]))
    return whole._replace(python=python, root=root, roots=roots, target=tuple(_targets(options, whole.target)))


def _targets(options: Namespace, configured: tuple[TargetConfiguration, ...]) -> list[TargetConfiguration]:
    """The targets that are asked for, with the flags on top of each."""
    chosen = []
    for text in options.targets:
        found = [target for target in configured if text in (target.name, target.model)]
        if found:
            chosen += found
        elif ":" in text:
            chosen.append(target_from(_checked(TARGET.read, {"model": text}, "TARGET")))
        else:
            names = [target.title for target in configured]
            known = f" (known: {', '.join(names)})" if names else "; name a model as package.module:name"
            raise UsageError(f"there is no target {text}{nearest(text, names)}{known}")
    flags = {name: getattr(options, name) for name in _TARGET_FLAGS if getattr(options, name) is not None}
    if "batch" in flags and len(flags["batch"]) == 1:
        flags["batch"] = flags["batch"][0]
    if not options.targets:
        chosen = list(configured)
    if flags:
        checked = _checked(TARGET.read, {"model": "a:b", **flags})
        del checked["model"]
        chosen = [target._replace(**checked) for target in chosen]  # type: ignore[arg-type]
    return chosen


def _checked(read: object, section: dict[str, object], name: str = "") -> dict[str, object]:
    """The section as it is read, with errors about the flag that is wrong."""
    assert callable(read)
    try:
        checked: dict[str, object] = read(section)
        return checked
    except WrongValueError as error:
        flag = name or "--" + ".".join(str(part) for part in error.path if isinstance(part, str))
        raise UsageError(f"{flag} {error.message}") from None
