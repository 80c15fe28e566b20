"""What the child told, as findings: each with a place, and what did not run with the reason."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from mlint.finding import Finding, Location
from mlint.smoke.configuration import Configuration, TargetConfiguration
from mlint.smoke.failure_codes import NAMES, summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlint.smoke.launch import Outcome

Place = tuple[str, int]


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

    def __init__(
        self,
        *,
        facts: list[dict[str, Any]] | None = None,
        not_run: Iterable[tuple[str, str, str]] = (),
        timings: Iterable[tuple[str, float]] = (),
        internal: Iterable[tuple[str, str]] = (),
        unusable: str = "",
        complete: bool = False,
        ran: int = 0,
        device: str = "",
        torch: str = "",
        written: Iterable[str] = (),
        printed: str = "",
        seconds: float = 0.0,
        peak: int = 0,
        cached: bool = False,
    ) -> None:
        self.facts = facts or []
        self.not_run = [(code, name, reason) for code, name, reason in not_run]
        self.timings = [(what, time) for what, time in timings]
        self.internal = [(message, text) for message, text in internal]
        self.unusable = unusable
        self.complete = complete
        self.ran = ran
        self.device = device
        self.torch = torch
        self.written = list(written)
        self.printed = printed
        self.seconds = seconds
        self.peak = peak
        self.cached = cached

    @property
    def summaries(self) -> dict[str, tuple[str, str]]:
        """Code -> name and what it is about, of what was found."""
        return {facts["code"]: (facts["name"], facts.get("summary") or summary(facts["code"])) for facts in self.facts}


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
            verdict.facts.append({**event, "name": NAMES[event["code"]], "severity": "error"})
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
        "code": code, "name": NAMES[code], "message": message, "advice": advice, "severity": "error",
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
        place, text = None, ""
        if left:
            message = f"{doing} ends the process: os._exit({left[-1]['status']})"
            place, text = left[-1]["place"], left[-1]["text"]
        elif not outcome.events:
            message = f"the interpreter ended with exit code {outcome.status} before the target was imported"
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
    from mlint.smoke.failures import is_users

    for file, line, _ in frames:
        if is_users(file):
            return file, line
    return None


def _frame(frames: list[tuple[str, int, str]]) -> str:
    from mlint.smoke.failures import is_users

    file, line, name = next((frame for frame in frames if is_users(frame[0])), frames[0])
    return f"{name} ({os.path.basename(file)}:{line})"


def _signal(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _bytes(number: float) -> str:
    return f"{number / 2**30:.1f} GiB" if number >= 2**30 else f"{number / 2**20:.0f} MiB"


def _last(printed: str) -> str:
    """The last lines that were printed: what a process says before it aborts."""
    return "\n".join(printed.strip().splitlines()[-8:])


def locate(verdict: Verdict, target: TargetConfiguration, roots: Iterable[str]) -> None:
    """Put what has no place of its own where the model is defined, if that can be seen in the project's source."""
    without = [facts for facts in verdict.facts if facts.get("place") is None and _of_model(facts)]
    if without:
        from mlint.smoke.definition import definition

        place = definition(target.model, tuple(roots))
        for facts in without:
            facts["place"] = place


def _of_model(facts: dict[str, Any]) -> bool:
    """Whether something is about the model, and not about how the target is configured or where it runs."""
    return facts["code"] != "MS005" and (facts["code"] != "MS001" or bool(facts.get("text")))


def findings(
    verdict: Verdict, target: TargetConfiguration, several: bool, configured: Callable[[], Place]
) -> list[Finding]:
    """The findings of a verdict; one without a place stands where the target is configured."""
    made = []
    for facts in verdict.facts:
        place = facts.get("place") or configured()
        made.append(_finding(facts, (str(place[0]), int(place[1])), target, several))
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
