"""The page of a rule, where its code or name stands under the pointer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlint.arguments import UsageError
from mlint.explain import page
from mlint.registry import Index
from mlint.source import Source

_SUPPRESSION = re.compile(
    r"#\s*(?:noqa\s*:\s?(?P<codes>[A-Z]+[0-9]+(?:[,\s]*[A-Z]+[0-9]+)*)"
    r"|(?:mlint\s*:\s*(?:file-)?ignore\s*\[(?P<own>[^\]\r\n]*)\]))",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^,\s]+")
_CODE = re.compile(r"\bML[0-9]{1,3}\b")


def _words(line: str, comments_only: bool) -> Iterator[tuple[int, int, str]]:
    """What may name a rule in a line: start, end, text."""
    for match in _SUPPRESSION.finditer(line):
        for group in ("codes", "own"):
            if match[group] is not None:
                for word in _WORD.finditer(match[group]):
                    yield match.start(group) + word.start(), match.start(group) + word.end(), word[0]
    start = line.find("#") if comments_only else 0
    if start >= 0:
        for code in _CODE.finditer(line, start):
            yield code.start(), code.end(), code[0]


def rule_at(source: Source, line: int, column: int, *, comments_only: bool) -> tuple[int, int, str] | None:
    """The code or name of a rule at a place (line from 1, column from 0), with its first and last column.

    Args:
        source: the text.
        line: the line.
        column: the column, in characters.
        comments_only: look at codes behind a number sign alone; in a configuration they stand anywhere.
    """
    if not 1 <= line <= len(source.line_starts):
        return None
    for start, end, word in _words(source.line(line), comments_only):
        if start <= column <= end:
            return start, end, word
    return None


def rule_page(index: Index, word: str) -> str | None:
    """The page of a rule, or the list of the rules whose codes begin so, as Markdown; None if there is no such rule."""
    try:
        text = page(index, word)
    except UsageError:
        return None
    if not text.startswith("# "):
        lines = [line.partition("  ") for line in text.splitlines()]
        return "\n".join(f"- **{code}** {rest}" for code, _, rest in lines) if lines else None
    head, _, rest = text.partition("\n\n")
    facts, _, body = rest.partition("\n\n")
    address = body.rstrip().rpartition("\n")[2]
    body = body.rstrip().removesuffix(address).rstrip()
    listed = "\n".join(f"- {fact}" for fact in facts.splitlines())
    return f"{head}\n\n{listed}\n\n{body}\n\n[{address.rpartition('/')[2]}]({address})\n"
