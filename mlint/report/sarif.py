"""SARIF 2.1.0, which code scanning services and editors read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from urllib.parse import quote

from mlint import __version__
from mlint.finding import Finding, Location
from mlint.report import ReportContext, built
from mlint.report.fingerprint import fingerprints
from mlint.report.json import readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlint.source import Source

_HOME = "https://github.com/mlint/mlint"
_ROOT = "SRCROOT"
_LEVEL = {"error": "error", "warning": "warning", "info": "note"}


def render(findings: list[Finding], context: ReportContext) -> Iterator[str]:
    """Yield one log with one run; fixes that are not built yet are built here."""
    codes = sorted({finding.code for finding in findings})
    indices = {code: index for index, code in enumerate(codes)}
    names = {finding.code: finding.name for finding in findings}
    run = {
        "tool": {
            "driver": {
                "name": "mlint",
                "version": __version__,
                "semanticVersion": __version__,
                "informationUri": _HOME,
                "rules": [_rule(code, names[code], context) for code in codes],
            }
        },
        "originalUriBaseIds": {_ROOT: {"uri": _folder_uri(context.root)}},
        # Columns are counted in characters, not in UTF-16 units as SARIF would assume.
        "columnKind": "unicodeCodePoints",
        "results": list(_results(findings, indices, context)),
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    yield json.dumps(log, indent=2) + "\n"


def _rule(code: str, name: str, context: ReportContext) -> dict[str, object]:
    entry = context.index.by_code.get(code)
    summary = (entry.summary if entry is not None else "") or name
    page = context.explanation(code) or summary
    rule: dict[str, object] = {
        "id": code,
        "name": name,
        "shortDescription": {"text": summary},
        "fullDescription": {"text": summary},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": "warning"},
    }
    if url := context.rule_url(name):
        rule["helpUri"] = url
    if entry is not None and entry.libraries:
        rule["properties"] = {"tags": sorted(entry.libraries)}
    return rule


def _results(findings: list[Finding], indices: dict[str, int], context: ReportContext) -> Iterator[dict[str, object]]:
    place: tuple[str, int | None] | None = None
    source: Source | None = None
    for finding, fingerprint in zip(findings, fingerprints(findings, context)):
        if place != (finding.path, finding.cell):
            place, source = (finding.path, finding.cell), context.source_of(finding)
        artifact = _artifact(finding.path, context)
        physical: dict[str, object] = {"artifactLocation": artifact}
        location: dict[str, object] = {"physicalLocation": physical}
        if finding.cell is None:
            physical["region"] = _region(finding.start, finding.end)
        else:
            # A line of a cell is no line of the file.
            location["logicalLocations"] = [{"name": f"cell {finding.cell}", "kind": "module"}]
            location["properties"] = {"cell": finding.cell, "region": _region(finding.start, finding.end)}
        result: dict[str, object] = {
            "ruleId": finding.code,
            "ruleIndex": indices[finding.code],
            "level": _LEVEL.get(finding.severity, "warning"),
            "message": {"text": readable(finding.text)},
            "locations": [location],
            "partialFingerprints": {"mlint/v1": fingerprint},
        }
        if finding.details:
            result["properties"] = {"evidence": dict(finding.details)}
        fix = _fix(built(finding), source, artifact)
        if fix is not None:
            result["fixes"] = [fix]
        yield result


def _fix(finding: Finding, source: Source | None, artifact: dict[str, str]) -> dict[str, object] | None:
    fix = finding.fix
    if fix is None or not fix.edits or source is None or finding.cell is not None:
        return None
    return {
        "description": {"text": readable(fix.message) or f"Fix {finding.code}"},
        "artifactChanges": [
            {
                "artifactLocation": artifact,
                "replacements": [
                    {
                        "deletedRegion": _region(source.location(edit.start), source.location(edit.end)),
                        "insertedContent": {"text": readable(edit.content)},
                    }
                    for edit in fix.edits
                ],
            }
        ],
        "properties": {"applicability": fix.safety.value},
    }


def _region(start: Location, end: Location) -> dict[str, int]:
    return {
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    }


def _artifact(path: str, context: ReportContext) -> dict[str, str]:
    relative = context.relative(path)
    if relative.startswith("<") or relative == "-":
        return {"uri": "stdin"}
    if os.path.isabs(relative):
        return {"uri": _file_uri(relative)}
    return {"uri": _quoted(relative), "uriBaseId": _ROOT}


def _quoted(path: str) -> str:
    # A colon in the first part of a relative address would read as a scheme; quote() escapes it.
    return quote(os.fsencode(path), safe="/~")


def _file_uri(path: str) -> str:
    path = os.path.abspath(path).replace(os.sep, "/")
    if not path.startswith("/"):  # a drive
        return f"file:///{path[:2]}{_quoted(path[2:])}"
    return f"file://{_quoted(path)}"


def _folder_uri(path: str) -> str:
    return _file_uri(path).rstrip("/") + "/"
