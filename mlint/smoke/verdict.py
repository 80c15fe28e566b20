"""What the child told, as findings: each with a place, and what did not run with the reason."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from mlint.finding import Finding, Location
from mlint.smoke.configuration import Configuration, TargetConfiguration
from mlint.smoke.definition import definition
from mlint.smoke.failure_codes import FAILURES
from mlint.smoke.failures import is_users
from mlint.smoke.launch import Outcome

Place = tuple[str, int]


@dataclass
class Verdict:
    """What is known about one target after a run.

    Attributes:
        facts: findings as plain data, so that they can be kept.
        not_run: (code, name, reason) of every check that did not run.
        timings: (what, seconds), in order.
        internal: faults of mlint, each with its text.
        unusable: why the configuration cannot be used here, or nothing.
        complete: whether the target was built and every check had its turn.
        device: what it ran on.
        torch: its version.
        written: files of the project that the target wrote.
        printed: what the target printed last.
        seconds: how long it took.
        peak: the most memory that was seen.
        cached: whether this was remembered rather than run.
    """

    facts: list[dict[str, Any]] = field(default_factory=list)
    not_run: list[tuple[str, str, str]] = field(default_factory=list)
    timings: list[tuple[str, float]] = field(default_factory=list)
    internal: list[tuple[str, str]] = field(default_factory=list)
    unusable: str = ""
    complete: bool = False
    ran: int = 0
    device: str = ""
    torch: str = ""
    written: list[str] = field(default_factory=list)
    printed: str = ""
    seconds: float = 0.0
    peak: int = 0
    cached: bool = False


def judged(outcome: Outcome, configuration: Configuration) -> Verdict:
    """The verdict on what a child told and on how it ended."""
    verdict = Verdict(printed=outcome.printed, seconds=outcome.seconds, peak=outcome.peak)
    planned: list[tuple[str, str]] = []
    begun: set[str] = set()
    failed = False
    for event in outcome.events:
        kind = event.pop("event")
        if kind == "failure":
            failed = True
            verdict.facts.append({**event, "name": FAILURES[event["code"]].name, "severity": "error"})
        elif kind == "observation":
            verdict.facts.append(event)
        elif kind == "planned":
            planned = [(code, name) for code, name in event["checks"]]
        elif kind == "check":
            begun.add(event["code"])
        elif kind == "not run":
            begun.add(event["code"])
            verdict.not_run.append((event["code"], event["name"], event["reason"]))
        elif kind == "timing":
            verdict.timings.append((event["what"], event["seconds"]))
        elif kind == "internal":
            verdict.internal.append((f"{event['code']}: {event['message']}".lstrip(": "), event["text"]))
        elif kind == "unusable":
            verdict.unusable = event["message"]
        elif kind == "torch":
            verdict.torch, verdict.device = event["version"], event["device_name"]
        elif kind == "files":
            verdict.written = event["written"]
        event["event"] = kind
    verdict.complete = outcome.end == "done" and not failed and bool(planned or not verdict.facts)
    reason = _ended(outcome, configuration, verdict)
    for code, name in planned:
        if code not in begun:
            verdict.not_run.append((code, name, reason or "the run ended before it"))
    verdict.ran = len(begun) - len({code for code, _, _ in verdict.not_run} & begun)
    if outcome.end == "done" and planned and not verdict.ran and _all_for_budget(outcome, planned):
        verdict.complete = False
        verdict.facts.append(
            _failure(
                "MS003",
                f"importing, building and one step took {outcome.seconds:.1f} s, and nothing was left of the budget of "
                f"{configuration.budget:g} s for a check",
                "give `budget` more, or a smaller model of the same kind",
            )
        )
    return verdict


def _all_for_budget(outcome: Outcome, planned: list[tuple[str, str]]) -> bool:
    cut = [event for event in outcome.events if event["event"] == "not run" and event.get("budget")]
    return len(cut) == len(planned)


def _failure(code: str, message: str, advice: str = "", place: Place | None = None, text: str = "") -> dict[str, Any]:
    return {
        "code": code, "name": FAILURES[code].name, "message": message, "advice": advice, "severity": "error",
        "place": place, "text": text,
    }  # fmt: skip


def _ended(outcome: Outcome, configuration: Configuration, verdict: Verdict) -> str:
    """Add what it means that the child ended as it did; the reason why the checks after it did not run."""
    doing = _doing(outcome.doing)
    place = _users(outcome.hang.frames)
    text = outcome.hang.text()
    add = verdict.facts.append
    if outcome.end == "timeout":
        message = f"{doing} did not end within {configuration.timeout:g} s"
        if place is not None:
            message += f"; it hung in {_frame(outcome.hang.frames)}"
        add(_failure("MS003", message, "raise `timeout` if it is only slow", place, text))
        return f"the run was stopped in {doing}"
    if outcome.end == "budget":
        code, name = outcome.doing["code"], outcome.doing["name"]
        where = f", in {_frame(outcome.hang.frames)}" if outcome.hang.frames else ""
        verdict.not_run.append(
            (code, name, f"stopped when the budget of {configuration.budget:g} s was used up{where}")
        )
        return f"the budget of {configuration.budget:g} s is used up"
    if outcome.end == "memory":
        message = f"{doing} took {_bytes(outcome.peak)} of memory; {_bytes(outcome.limit)} are allowed"
        add(_failure("MS004", message, "raise `memory`, or use a smaller model or batch of the same kind", place, text))
    elif outcome.end == "exit":
        left = [event for event in outcome.events if event["event"] == "leaving"]
        message = f"{doing} ended the process with exit code {outcome.status}"
        if left:
            message = f"{doing} ends the process: os._exit({left[-1]['status']})"
            place, text = left[-1]["place"], left[-1]["text"]
        elif not outcome.events:
            message = f"the interpreter ended with exit code {outcome.status} before the target was imported"
            text = outcome.printed
        add(_failure("MS004", message, "", place, text or _last(outcome.printed)))
    elif outcome.end == "signal":
        name = _signal(outcome.status)
        message = f"{doing} was killed by {name}"
        advice = ""
        if name == "SIGKILL":
            message += f", as the system does when memory runs out; {_bytes(outcome.peak)} were seen last"
            advice = "use a smaller model or batch of the same kind"
        elif place is not None:
            message += f" in {_frame(outcome.hang.frames)}"
        add(_failure("MS004", message, advice, place, text or _last(outcome.printed)))
    else:
        return ""
    return f"the process ended in {doing}"


def _doing(event: dict[str, Any]) -> str:
    if event.get("event") == "check":
        return f"the check {event['code']} ({event['name']})"
    return str(event.get("doing", "starting the interpreter"))


def _users(frames: Iterable[tuple[str, int, str]]) -> Place | None:
    """The innermost line of the user's code in a stack whose innermost frame comes first."""
    for file, line, _ in frames:
        if is_users(file):
            return file, line
    return None


def _frame(frames: list[tuple[str, int, str]]) -> str:
    file, line, name = next((frame for frame in frames if is_users(frame[0])), frames[0])
    return f"{name} ({os.path.basename(file)}:{line})"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _bytes(number: float) -> str:
    return f"{number / 2**30:.1f} GiB" if number >= 2**30 else f"{number / 2**20:.0f} MiB"


def _last(printed: str) -> str:
    """The last lines that were printed: what a process says before it aborts."""
    return "\n".join(printed.strip().splitlines()[-8:])


def findings(
    verdict: Verdict, target: TargetConfiguration, configuration: Configuration, configured: Callable[[], Place]
) -> list[Finding]:
    """The findings of a verdict; one without a place stands where the model is defined, else where it is configured."""
    fallback: list[Place] = []
    made = []
    for facts in verdict.facts:
        place = facts.get("place")
        if place is None:
            if not fallback:
                found = None if facts["code"] == "MS005" else definition(target.model, configuration.roots)
                if facts["code"] == "MS001" and not facts.get("text"):
                    found = None
                fallback.append(found or configured())
            place = fallback[0]
        made.append(_finding(facts, (str(place[0]), int(place[1])), target, len(configuration.target) > 1))
    return made


def _finding(facts: dict[str, Any], place: Place, target: TargetConfiguration, several: bool) -> Finding:
    path, line = place
    start, end = _range(path, line)
    details: list[tuple[str, object]] = []
    if several:
        details.append(("target", target.title))
    details += [(label, facts[label]) for label in ("module", "parameter", "operation") if facts.get(label)]
    details += list((facts.get("evidence") or {}).items())
    if facts.get("text"):
        details.append(("traceback", facts["text"]))
    return Finding(
        _shown(path), start, end, facts["code"], facts["name"], facts["message"], facts.get("advice") or "",
        severity=facts["severity"], details=tuple(details),
    )  # fmt: skip


def _range(path: str, line: int) -> tuple[Location, Location]:
    """The line without its indentation."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            text = stream.read().splitlines()[line - 1].rstrip()
    except (OSError, IndexError):
        text = ""
    indent = len(text) - len(text.lstrip())
    return Location(line, indent + 1), Location(line, max(len(text), indent + 1) + (1 if text else 0))


def _shown(path: str) -> str:
    """A path as the command line shows it: relative if it lies below the working folder."""
    here = os.path.join(os.getcwd(), "")
    return path[len(here) :] if path.startswith(here) else path
