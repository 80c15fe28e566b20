"""The page of a rule, as its author wrote it."""

from __future__ import annotations

import inspect

from mlint.arguments import UsageError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlint.registry import Index, RuleEntry

_ENGINE_PAGES = {
    "ML000": """\
The file cannot be read as Python.

## Why
A file that does not parse is a file that nobody checks. mlint parses with the Python that runs it: to check code for a
newer Python, run mlint with that one.
""",
    "ML001": """\
A `noqa` or `mlint: ignore` comment that suppresses nothing.

## Why
A comment that outlives the finding it was written for hides the next one on that line. Only mlint's own codes are
looked at; those of other tools in the same comment stay.
""",
}


def find(index: Index, word: str) -> RuleEntry:
    """Return the rule that ``word``, a code or a name in any case, stands for. Raises UsageError."""
    code, name = word.upper(), word.lower().replace("_", "-")
    entry = index.by_code.get(code) or index.by_name.get(name)
    if entry is None:
        known = index.by_code if code.startswith("ML") and code[2:].isdigit() else index.by_name
        raise UsageError(f"there is no rule {word!r}{nearest(code if known is index.by_code else name, known)}")
    return entry


def page(index: Index, word: str) -> str:
    """Return the page of the rule ``word``: what it is about, its text, its examples. Raises UsageError.

    For the beginning of codes, a library, or ALL: a line for each of these rules.
    """
    from mlint.registry import load_rule, rule_url

    family = _family(index, word)
    if family:
        return "".join(f"{entry.code}  {entry.name}: {entry.summary}\n" for entry in family)
    entry = find(index, word)
    facts = [f"Libraries: {', '.join(entry.libraries)}"] if entry.libraries else []
    turn_on = f"no; turn it on with --extend-select {entry.code}"
    facts.append(f"On by default: {'yes' if entry.default else turn_on}")
    facts.append(
        {
            "safe": "Fix: yes, with --fix",
            "unsafe": "Fix: yes, with --fix --unsafe-fixes",
            "safe/unsafe": "Fix: yes; where it may change behaviour, only with --unsafe-fixes",
            "none": "Fix: none",
        }.get(entry.fix, f"Fix: {entry.fix}")
    )
    if not entry.in_tests:
        facts.append("In tests and benchmarks: silent")
    parts = [f"# {entry.name} ({entry.code})", "\n".join(facts)]
    if entry.code in _ENGINE_PAGES:
        parts.append(_ENGINE_PAGES[entry.code].strip())
    else:
        rule = load_rule(entry)
        parts.append(inspect.cleandoc(rule.explanation()))
        parts.extend(_examples(rule))
    parts.append(rule_url(entry.name))
    return "\n\n".join(parts) + "\n"


def _family(index: Index, word: str) -> list[RuleEntry]:
    """Return the rules that ``word`` selects if it is the beginning of codes, a library, or ALL."""
    code, library = word.upper(), word.lower()
    if code in index.by_code or library in index.by_name:
        return []
    if code.startswith("ML") or code == "ALL":
        return [entry for entry in index.entries if code == "ALL" or entry.code.startswith(code)]
    return [entry for entry in index.entries if library in entry.libraries]


def _examples(rule: object) -> list[str]:
    blocks: list[str] = []
    for example in getattr(rule, "examples", ()):
        bad, good = getattr(example, "bad", None), getattr(example, "good", None)
        if bad:
            blocks.append(f"```python\n{inspect.cleandoc(bad)}\n```")
            if good:
                blocks.append(f"becomes\n\n```python\n{inspect.cleandoc(good)}\n```")
            break
    return ["## Example", *blocks] if blocks else []
