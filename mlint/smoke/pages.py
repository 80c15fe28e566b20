"""The pages of the runtime checks, as `mlint explain MS101` prints them, and what the reports say about a check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlint.arguments import UsageError, nearest
from mlint.smoke.failure_codes import pages, summary_of
from mlint.smoke.selection import selects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlint.smoke.checks.catalogue import Entry
    from mlint.source import Source

_DOCUMENTATION = "https://github.com/mlint/mlint/blob/main/docs/smoke-checks.md"
_TIERS = {
    "exact": "exact: what it says holds for this model, with no threshold but machine epsilon",
    "differential": "differential: two runs that must agree are compared",
    "measured": "measured: a figure to look at, reported as info",
}


class CheckSummary:
    """What a report says about a check."""

    def __init__(self, code: str, name: str, summary: str) -> None:
        self.code, self.name, self.summary = code, name, summary
        self.libraries = ("torch",)


class SmokeIndex:
    """The checks by code, as the reports want them: those that found something, of which a verdict tells all."""

    def __init__(self, summaries: Mapping[str, tuple[str, str]]) -> None:
        self.by_code = {code: CheckSummary(code, name, text) for code, (name, text) in summaries.items()}


def address(name: str) -> str | None:
    """Where the page of a check is, by its name."""
    for entry in pages().values():
        if name in (entry.name, *entry.name.split(", ")):
            return f"{_DOCUMENTATION}#{entry.code.lower()}"
    return None


def explanation(code: str) -> str | None:
    """The whole page."""
    entry = pages().get(code)
    return None if entry is None else text(entry)


def page(word: str) -> str:
    """The page of a code or name; for the beginning of codes a line for each of them. Raises UsageError."""
    known = pages()
    code, name = word.upper(), word.lower().replace("_", "-")
    found = known.get(code) or next((one for one in known.values() if name in one.name.split(", ")), None)
    if found is not None:
        return text(found)
    family = [one for one in known.values() if one.code.startswith(code)]
    if not family:
        raise UsageError(f"there is no check {word!r}{nearest(code, known)}")
    return "".join(f"{one.code}  {one.name}: {summary_of(one.page)}\n" for one in family)


def named(word: str) -> str | None:
    """The page of the check of a name."""
    name = word.lower().replace("_", "-")
    found = next((one for one in pages().values() if name in one.name.split(", ")), None)
    return None if found is None else text(found)


def check_selectors(texts: Iterable[str]) -> None:
    """Raise UsageError for a selector that means no check."""
    known = pages().values()
    for selector in texts:
        if not any(selects(selector, entry.code, entry.name) for entry in known):
            words = [entry.code for entry in known] + [name for each in known for name in each.name.split(", ")]
            raise UsageError(f"there is no check {selector}{nearest(selector, words)}")


def text(entry: Entry) -> str:
    """One page."""
    facts = ["Found by `mlint smoke`, which runs the model", f"Tier: {_TIERS[entry.tier]}"]
    if entry.rules:
        facts.append(f"In the source: {', '.join(entry.rules)}")
    return f"# {entry.name} ({entry.code})\n\n" + "\n".join(facts) + f"\n\n{entry.page.strip()}\n"


def source_of(path: str) -> Source | None:
    """The text that a finding stands in: a Python file, or the configuration."""
    from mlint.source import Source, SourceError

    try:
        return Source.read(path)
    except (OSError, SourceError):
        return None
