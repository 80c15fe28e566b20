"""What the tests of the reports share: an index of two rules and a context over texts in memory."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlint.finding import Finding
from mlint.report import ReportContext, write
from mlint.source import Source


@dataclass(frozen=True)
class Entry:
    code: str
    name: str
    summary: str
    libraries: tuple[str, ...] = ("torch",)
    default: bool = True


@dataclass(frozen=True)
class Index:
    by_code: dict[str, Entry]


LOG_OF_SOFTMAX = Entry("ML501", "log-of-softmax", "`log(softmax(x))` underflows to -inf.")
INDEX = Index(
    {"ML501": LOG_OF_SOFTMAX, "ML101": Entry("ML101", "store-loop", "A loop that stores element by element.")}
)


def context(texts: dict[str, str], **changes: Any) -> ReportContext:
    def sources(path: str) -> Source | None:
        return Source(texts[path], path) if path in texts else None

    given = {"index": INDEX, "sources": sources, "rule_url": lambda name: f"https://docs.example/{name}", **changes}
    return ReportContext(**given)


def written(format: str, findings: Sequence[Finding], context: ReportContext) -> str:
    stream = io.StringIO()
    write(format, findings, stream, context=context)
    return stream.getvalue()
