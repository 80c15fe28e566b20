"""``mlint smoke``: targets in, a report and an exit code out."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mlint.arguments import FORMATS, UsageError, colored, nearest
from mlint.console import Console
from mlint.finding import Finding
from mlint.report.summary import counted, summary
from mlint.settings import Settings, SettingsResolver
from mlint.smoke import cache
from mlint.smoke.configuration import Configuration, TargetConfiguration
from mlint.smoke.interpreter import NoInterpreterError, interpreter
from mlint.smoke.options import configuration, parse
from mlint.smoke.verdict import Verdict, findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any, TextIO

_NO_TARGET = (
    "nothing to check: there is no [[tool.mlint.smoke.target]]; "
    "`mlint smoke --init` proposes one from the project's code"
)


def main(arguments: Sequence[str], console: Console, environment: dict[str, str]) -> int:
    """Run ``mlint smoke`` and return the exit code. Raises UsageError and SettingsError."""
    options = parse(arguments)
    console.level = options.verbose - options.quiet
    return Smoke(options, console, environment).run()


class Smoke:
    """What one command line asks for."""

    def __init__(self, options: Namespace, console: Console, environment: dict[str, str]) -> None:
        self._options = options
        self._console = console
        self._environment = environment
        overrides: dict[str, object] = {}
        wanted = options.output_format or environment.get("MLINT_OUTPUT_FORMAT") or None
        if wanted is not None:
            if wanted not in FORMATS:
                source = "--output-format" if options.output_format else "MLINT_OUTPUT_FORMAT"
                raise UsageError(f"{source} {wanted}: no such format{nearest(wanted, FORMATS)}")
            overrides["output_format"] = wanted
        if options.cache_dir is not None:
            overrides["cache_dir"] = options.cache_dir
        resolver = SettingsResolver(config=options.config, isolated=options.isolated, overrides=overrides)
        self._settings: Settings = resolver.for_path(os.path.join(os.curdir, ""))
        console.detail(f"configuration: {self._settings.config_path or 'none'}")

    def run(self) -> int:
        """Do what the options ask for and return the exit code."""
        options, console = self._options, self._console
        if options.list:
            from mlint.smoke.failure_codes import pages

            console.result("".join(f"{entry.code}  {entry.name}: {_first(entry.page)}\n" for entry in pages().values()))
            return 0
        if options.init:
            from mlint.smoke.propose import propose

            console.result(propose(self._settings))
            return 0
        asked = configuration(options, self._settings)
        if not asked.target:
            raise UsageError(_NO_TARGET)
        try:
            python = interpreter(asked.python, asked.root, self._environment)
        except NoInterpreterError as error:
            raise UsageError(str(error)) from None
        console.detail(f"interpreter: {python}")
        spent = 0.0
        found: list[Finding] = []
        self._summaries: dict[str, tuple[str, str]] = {}
        self._cut = 0
        broken = False
        for index, target in enumerate(asked.target):
            share = max((asked.budget - spent) / (len(asked.target) - index), 0.1)
            verdict = self._verdict(asked._replace(budget=round(share, 1)), asked, target, python)
            spent += (
                0.0 if verdict.cached else max(verdict.seconds - dict(verdict.timings).get("importing torch", 0.0), 0.0)
            )
            if verdict.unusable:
                raise UsageError(verdict.unusable)
            several = len(asked.target) > 1
            found += findings(verdict, target, several, lambda target=target: self._place(asked, target))  # type: ignore[misc]
            self._summaries.update(verdict.summaries)
            self._cut += sum("budget" in reason for _, _, reason in verdict.not_run)
            self._tell(verdict, target)
            broken = broken or bool(verdict.internal)
        self._report(found)
        if broken:
            return 2
        failing = any(asked.fails(finding.severity) for finding in found)
        return 1 if failing and not options.exit_zero else 0

    def _verdict(
        self, budgeted: Configuration, asked: Configuration, target: TargetConfiguration, python: str
    ) -> Verdict:
        keeping = not self._options.no_cache
        folder = self._settings.cache_dir
        name = cache.key(asked, target, python) if keeping else ""
        kept = cache.load(folder, name) if keeping else None
        if kept is not None:
            return kept
        from mlint.smoke.launch import LaunchError, run
        from mlint.smoke.pages import check_selectors
        from mlint.smoke.verdict import judged, locate

        check_selectors((*asked.select, *asked.ignore))
        files: dict[str, Any] = {}

        def heard(event: dict[str, Any]) -> None:
            if event["event"] == "files":
                files.update(digests=event["digests"], packages=event["packages"])
            elif event["event"] in ("stage", "check"):
                self._console.detail(f"{target.title}: {event.get('doing') or event['code'] + ' ' + event['name']}")

        try:
            outcome = run(budgeted, target, python, self._environment, heard)
        except LaunchError as error:
            raise UsageError(str(error)) from None
        verdict = judged(outcome, budgeted)
        locate(verdict, target, asked.roots)
        if keeping:
            cache.save(folder, name, verdict, files or None)
        return verdict

    def _place(self, asked: Configuration, target: TargetConfiguration) -> tuple[str, int]:
        """Where a target is configured."""
        from mlint.settings.lines import line_of

        origin = self._settings.origins.get("smoke", "")
        if not os.path.isfile(origin):
            return os.path.join(asked.root, "pyproject.toml"), 1
        base: tuple[str | int, ...] = ("tool", "mlint") if os.path.basename(origin) == "pyproject.toml" else ()
        written = self._settings.smoke.get("target", ())
        index = next((at for at, item in enumerate(written) if item["model"] == target.model), None)
        try:
            with open(origin, encoding="utf-8-sig") as stream:
                text = stream.read()
        except OSError:
            return origin, 1
        way = (*base, "smoke") if index is None else (*base, "smoke", "target", index, "model")
        return origin, line_of(text, way) or 1

    # --- what is said -------------------------------------------------------------------------------------------------

    def _tell(self, verdict: Verdict, target: TargetConfiguration) -> None:
        console = self._console
        for message, text in verdict.internal:
            console.warn(f"internal error: {message}; -v adds what to report")
            console.detail(text)
        if verdict.printed:
            console.detail(f"the target printed:\n{verdict.printed.rstrip()}")
        how = "remembered" if verdict.cached else f"{verdict.seconds:.1f} s"
        where = f" on {verdict.device}, torch {verdict.torch}" if verdict.device else ""
        console.note(f"{target.title}: {counted(verdict.ran, 'check')} ran{where} ({how})")
        reasons: dict[str, list[str]] = {}
        for code, _, reason in verdict.not_run:
            reasons.setdefault(reason, []).append(code)
        for reason, codes in reasons.items():
            console.note(f"  not run: {', '.join(codes)}: {reason}")
        if verdict.written:
            shown = [os.path.relpath(path) for path in verdict.written]
            more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
            console.note(f"  the target wrote {', '.join(shown[:5])}{more}")
        if self._options.timing:
            lines = [f"  {seconds:8.2f} s  {what}" for what, seconds in verdict.timings]
            lines.append(f"  {verdict.seconds:8.2f} s  in all, at most {verdict.peak / 2**20:.0f} MiB")
            console.note("\n".join(lines))

    def _report(self, found: list[Finding]) -> None:
        options, console = self._options, self._console
        format = self._settings.output_format
        if options.output_file is not None:
            try:
                with open(options.output_file, "w", encoding="utf-8", newline="") as stream:
                    self._write(found, stream, color=False)
            except OSError as error:
                raise UsageError(f"{options.output_file}: cannot write: {error.strerror or error}") from None
        elif console.level > -2:
            self._write(found, console.output, color=colored(options.color, self._environment, console.output.isatty()))
        if format in ("full", "concise"):
            text = summary(found)
            if not found and self._cut:
                text = f"Nothing was found; {counted(self._cut, 'check')} did not run for lack of time (--budget)."
            if format == "full" and console.level >= 0 and options.output_file is None:
                console.result(text + "\n")
            else:
                console.note(text)

    def _write(self, found: list[Finding], stream: TextIO, *, color: bool) -> None:
        from mlint import report
        from mlint.smoke.pages import SmokeIndex, address, explanation, source_of

        context = report.ReportContext(
            index=SmokeIndex(self._summaries),
            sources=source_of,
            rule_url=address,
            explanation=explanation,
            root=self._settings.root or os.curdir,
            color=color,
            show_url=self._console.level > 0,
        )
        report.write(self._settings.output_format, found, stream, context=context)


def _first(page: str) -> str:
    return " ".join(page.strip().split("\n\n")[0].split())
