"""JUnit XML: a suite per file, a failed case per finding."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import groupby

from mlint.finding import Finding
from mlint.report import ReportContext, position


def render(findings: list[Finding], context: ReportContext) -> Iterator[str]:
    """Yield the document; without findings it has one passed case, since readers reject an empty one."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    count = len(findings)
    yield f'<testsuites name="mlint" tests="{count or 1}" failures="{count}" errors="0">\n'
    if not findings:
        yield '  <testsuite name="mlint" tests="1" failures="0" errors="0" skipped="0">\n'
        yield '    <testcase name="no findings" classname="mlint"/>\n'
        yield "  </testsuite>\n"
    for path, group in groupby(findings, key=lambda finding: finding.path):
        cases = list(group)
        name = _attribute(context.absolute(path))
        class_name = _attribute(os.path.splitext(context.absolute(path))[0])
        yield (
            f'  <testsuite name="{name}" tests="{len(cases)}" failures="{len(cases)}" errors="0" skipped="0"'
            ' package="mlint">\n'
        )
        for finding in cases:
            line, column = finding.start.line, finding.start.column
            yield (
                f'    <testcase name="mlint.{_attribute(finding.code)}" classname="{class_name}"'
                f' line="{line}" column="{column}">\n'
                f'      <failure type="{_attribute(finding.severity)}" message="{_attribute(finding.text)}">'
                f"{_text(f'{position(finding)}: {finding.code} {finding.text}')}</failure>\n"
                "    </testcase>\n"
            )
        yield "  </testsuite>\n"
    yield "</testsuites>\n"


def _legal(text: str) -> str:
    """Return ``text`` with the characters that XML 1.0 cannot hold, in any spelling, as escapes."""
    if text.isprintable():
        return text
    return "".join(char if _is_legal(char) else char.encode("unicode_escape").decode("ascii") for char in text)


def _is_legal(char: str) -> bool:
    return char in "\t\n\r" or " " <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd" or char >= "\U00010000"


def _text(text: str) -> str:
    escaped = _legal(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("\r", "&#13;")


def _attribute(text: str) -> str:
    # A reader turns bare white space in an attribute into spaces.
    return _text(text).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
