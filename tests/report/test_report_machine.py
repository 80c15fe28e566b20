"""The reports for programs: json, json-lines, github, gitlab, sarif, junit."""

from __future__ import annotations

import json
import os
import string
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlint.finding import Edit, Finding, Fix, Location, Safety
from mlint.report import ReportContext
from mlint.source import Source
from tests.report.report_context import context, written

TEXT = "import torch\ny = torch.log(p)\nz = 1\n"
SAFE = Fix(Safety.SAFE, "Use `log_softmax`", (Edit(17, 26, "torch.log_softmax"),))


def finding(
    path: str = "a.py", start: tuple[int, int] = (2, 5), end: tuple[int, int] = (2, 17), **more: Any
) -> Finding:
    words = {"code": "ML501", "name": "log-of-softmax", "message": "log of softmax", "advice": "use `log_softmax`"}
    return Finding(path=path, start=Location(*start), end=Location(*end), **{**words, **more})


OBJECT = {
    "filename": os.path.abspath("a.py"),
    "code": "ML501",
    "name": "log-of-softmax",
    "message": "log of softmax; use `log_softmax`",
    "severity": "warning",
    "url": "https://docs.example/log-of-softmax",
    "cell": None,
    "noqa_row": 2,
    "location": {"row": 2, "column": 5},
    "end_location": {"row": 2, "column": 17},
    "fix": {
        "applicability": "safe",
        "message": "Use `log_softmax`",
        "edits": [
            {
                "content": "torch.log_softmax",
                "location": {"row": 2, "column": 5},
                "end_location": {"row": 2, "column": 14},
            }
        ],
    },
}


def test_json_has_the_keys_of_ruff() -> None:
    assert json.loads(written("json", [finding(fix=SAFE)], context({"a.py": TEXT}))) == [OBJECT]


def test_json_lines() -> None:
    text = written("json-lines", [finding(fix=SAFE), finding("b.py")], context({"a.py": TEXT}))
    first, second = text.splitlines()
    assert json.loads(first) == OBJECT
    assert json.loads(second)["fix"] is None
    assert text.endswith("\n")


def test_json_of_nothing() -> None:
    assert json.loads(written("json", [], context({}))) == []
    assert written("json-lines", [], context({})) == ""


@pytest.mark.parametrize("safety", list(Safety))
def test_json_builds_fixes_that_are_not_built(safety: Safety) -> None:
    fix = Fix(safety, "Use it", build=lambda: Fix(safety, "Use it", (Edit(0, 6, "x"),)))
    shown = json.loads(written("json", [finding(fix=fix)], context({"a.py": TEXT})))[0]["fix"]
    assert shown["applicability"] == {"SAFE": "safe", "UNSAFE": "unsafe", "SUGGESTION": "display"}[safety.name]
    assert shown["edits"] == [
        {"content": "x", "location": {"row": 1, "column": 1}, "end_location": {"row": 1, "column": 7}}
    ]


def test_json_has_no_fix_where_building_shows_that_there_is_none() -> None:
    fix = Fix(Safety.SAFE, "Use it", build=lambda: None)
    assert json.loads(written("json", [finding(fix=fix)], context({"a.py": TEXT})))[0]["fix"] is None
    assert "fixes" not in sarif([finding(fix=fix)])["results"][0]


def test_json_tells_where_a_noqa_comment_belongs() -> None:
    text = 'x = 1 + \\\n    2\ns = f("""\n""")\n'
    found = [finding(start=(line, 1), end=(line, 2)) for line in (1, 2, 3, 4)]
    rows = [item["noqa_row"] for item in json.loads(written("json", found, context({"a.py": text})))]
    assert rows == [2, 2, 4, 4]


def test_json_of_a_notebook_counts_edits_from_the_cell() -> None:
    def cell(path: str, number: int) -> Source:
        assert (path, number) == ("n.ipynb", 3)
        return Source("a\nlog(x)\n", path)

    fix = Fix(Safety.SAFE, "Use it", (Edit(2, 5, "exp"),))
    found = finding("n.ipynb", (2, 1), (2, 7), cell=3, fix=fix)
    shown = json.loads(written("json", [found], context({}, cell_sources=cell)))[0]
    assert shown["cell"] == 3
    assert shown["fix"]["edits"][0]["location"] == {"row": 2, "column": 1}
    assert json.loads(written("json", [found], context({})))[0]["fix"]["edits"] == []


def test_standard_input_has_no_absolute_path() -> None:
    assert json.loads(written("json", [finding("-")], context({})))[0]["filename"] == "-"


def test_github() -> None:
    path = os.path.abspath("a.py")
    assert written("github", [finding(fix=SAFE)], context({})) == (
        f"::warning file={path},line=2,col=5,endLine=2,endColumn=17,title=mlint (ML501)"
        "::a.py:2:5: ML501 log of softmax; use `log_softmax`%0A  fix: Use `log_softmax`\n"
    )


def test_github_leaves_columns_out_of_a_range_over_lines() -> None:
    shown = written("github", [finding(end=(3, 2), severity="error", advice="")], context({}))
    assert shown.startswith(f"::error file={os.path.abspath('a.py')},line=2,endLine=3,title=mlint (ML501)::")


def test_github_escapes() -> None:
    shown = written("github", [finding("a,b:c%\n.py", message="50 %: a,\r\nb", advice="")], context({}))
    assert shown.startswith(f"::warning file={os.path.abspath('a%2Cb%3Ac%25%0A.py')},line=2,")
    assert shown.endswith("ML501 50 %25: a,%0D%0Ab\n")
    assert shown.count("\n") == 1


def test_gitlab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI_PROJECT_DIR", raising=False)
    issue = json.loads(written("gitlab", [finding("sub/a.py")], context({"sub/a.py": TEXT})))[0]
    assert len(issue.pop("fingerprint")) == 32
    assert issue == {
        "description": "ML501: log of softmax; use `log_softmax`",
        "check_name": "ML501",
        "severity": "major",
        "location": {
            "path": "sub/a.py",
            "positions": {"begin": {"line": 2, "column": 5}, "end": {"line": 2, "column": 17}},
        },
    }


def test_gitlab_paths_count_from_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    monkeypatch.setenv("CI_PROJECT_DIR", str(tmp_path))
    assert json.loads(written("gitlab", [finding()], context({})))[0]["location"]["path"] == "sub/a.py"


def prints(text: str, *found: Finding) -> list[str]:
    return [item["fingerprint"] for item in json.loads(written("gitlab", found, context({"a.py": text, "b.py": text})))]


def test_fingerprints_stay_when_lines_move() -> None:
    [before] = prints(TEXT, finding())
    assert prints("# new\n\n" + TEXT, finding(start=(4, 5), end=(4, 17))) == [before]
    assert prints("if x:\n    y  =  torch.log(p)\n".replace("  =  ", "   = "), finding(start=(2, 9))) == [before]


def test_fingerprints_differ_where_findings_do() -> None:
    [before] = prints(TEXT, finding())
    assert prints(TEXT.replace("(p)", "(q)"), finding()) != [before]
    assert prints(TEXT, finding("b.py")) != [before]
    assert prints(TEXT, finding(code="ML502")) != [before]
    names = prints(TEXT * 2, finding(), finding(start=(5, 5), end=(5, 17)), finding(start=(5, 6), end=(5, 17)))
    assert names[0] == before
    assert len(set(names)) == 3


def sarif(found: list[Finding], **changes: Any) -> dict[str, Any]:
    """The one run of a report, which is checked first."""
    log = json.loads(written("sarif", found, context({"a.py": TEXT}, **changes)))
    jsonschema.Draft7Validator(SARIF).validate(log)
    official = os.environ.get("SARIF_SCHEMA")
    if official:
        jsonschema.Draft7Validator(json.loads(Path(official).read_text())).validate(log)
    return log["runs"][0]


def test_sarif() -> None:
    run = sarif([finding(fix=SAFE)], explanation=lambda code: f"The page of {code}.", root=os.getcwd())
    assert run["tool"]["driver"]["rules"] == [
        {
            "id": "ML501",
            "name": "log-of-softmax",
            "shortDescription": {"text": "`log(softmax(x))` underflows to -inf."},
            "fullDescription": {"text": "`log(softmax(x))` underflows to -inf."},
            "help": {"text": "The page of ML501.", "markdown": "The page of ML501."},
            "helpUri": "https://docs.example/log-of-softmax",
            "defaultConfiguration": {"level": "warning"},
            "properties": {"tags": ["torch"]},
        }
    ]
    [result] = run["results"]
    assert len(result.pop("partialFingerprints")["mlint/v1"]) == 32
    place = {"uri": "a.py", "uriBaseId": "SRCROOT"}
    assert result == {
        "ruleId": "ML501",
        "ruleIndex": 0,
        "level": "warning",
        "message": {"text": "log of softmax; use `log_softmax`"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": place,
                    "region": {"startLine": 2, "startColumn": 5, "endLine": 2, "endColumn": 17},
                }
            }
        ],
        "fixes": [
            {
                "description": {"text": "Use `log_softmax`"},
                "artifactChanges": [
                    {
                        "artifactLocation": place,
                        "replacements": [
                            {
                                "deletedRegion": {"startLine": 2, "startColumn": 5, "endLine": 2, "endColumn": 14},
                                "insertedContent": {"text": "torch.log_softmax"},
                            }
                        ],
                    }
                ],
                "properties": {"applicability": "safe"},
            }
        ],
    }
    assert run["columnKind"] == "unicodeCodePoints"
    assert run["originalUriBaseIds"]["SRCROOT"]["uri"] == Path.cwd().as_uri() + "/"


def test_sarif_of_nothing_of_a_notebook_of_standard_input_and_of_an_unknown_rule() -> None:
    assert sarif([])["results"] == []
    [result] = sarif([finding("n.ipynb", cell=2, fix=SAFE)])["results"]
    assert "region" not in result["locations"][0]["physicalLocation"]
    assert result["locations"][0]["logicalLocations"] == [{"name": "cell 2", "kind": "module"}]
    assert "fixes" not in result
    [result] = sarif([finding("-", code="ML000", name="syntax-error", severity="error")])["results"]
    assert result["level"] == "error"
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "stdin"}


def test_sarif_indices_point_to_the_rules() -> None:
    run = sarif([finding(code="ML501"), finding(code="ML101", name="store-loop"), finding(code="ML501", start=(3, 1))])
    rules = run["tool"]["driver"]["rules"]
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == ["ML101", "ML501", "ML501"]
    assert [result["ruleId"] for result in run["results"]] == ["ML101", "ML501", "ML501"]


@pytest.mark.skipif(os.sep != "/", reason="names that only POSIX allows")
def test_sarif_escapes_paths(tmp_path: Path) -> None:
    for name in ("a b#?%.py", "é/名.py", "c:d.py", "\udcff.py"):
        path = str(tmp_path / name)
        location = sarif([finding(path)], root=str(tmp_path))["results"][0]["locations"][0]["physicalLocation"]
        uri = location["artifactLocation"]["uri"]
        assert urlsplit(uri).scheme == ""
        assert unquote_to_bytes(uri) == os.fsencode(name)
        assert set(uri) <= set(string.ascii_letters + string.digits + "%/._-~")


def test_junit() -> None:
    path, folder = os.path.abspath("a.py"), os.path.abspath("a")
    assert written("junit", [finding()], context({})) == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<testsuites name="mlint" tests="1" failures="1" errors="0">\n'
        f'  <testsuite name="{path}" tests="1" failures="1" errors="0" skipped="0" package="mlint">\n'
        f'    <testcase name="mlint.ML501" classname="{folder}" line="2" column="5">\n'
        '      <failure type="warning" message="log of softmax; use `log_softmax`">'
        "a.py:2:5: ML501 log of softmax; use `log_softmax`</failure>\n"
        "    </testcase>\n"
        "  </testsuite>\n"
        "</testsuites>\n"
    )


def test_junit_has_a_suite_per_file_and_a_passed_case_for_none() -> None:
    root = ElementTree.fromstring(written("junit", [finding("b.py"), finding(), finding(start=(1, 1))], context({})))
    assert [(suite.get("tests"), len(suite)) for suite in root] == [("2", 2), ("1", 1)]
    root = ElementTree.fromstring(written("junit", [], context({})))
    assert (root.get("tests"), root.get("failures")) == ("1", "0")
    assert [case.get("name") for case in root.iter("testcase")] == ["no findings"]


WORDS = st.text(min_size=1, max_size=30)
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


def everything(path: str, message: str) -> tuple[Finding, ReportContext]:
    path = os.path.join(os.sep, "x", path.strip("/") or "y")
    return finding(path, message=message, advice=""), context({}, root=os.sep)


@given(NAMES, WORDS)
def test_json_formats_round_trip_any_text(name: str, message: str) -> None:
    found, around = everything(name, message)
    path = os.path.abspath(found.path)
    [item] = json.loads(written("json", [found], around))
    assert (item["filename"], item["message"]) == (path, message)
    assert json.loads(written("json-lines", [found], around)) == item
    assert written("json-lines", [found], around).count("\n") == 1
    [issue] = json.loads(written("gitlab", [found], around))
    assert issue["location"]["path"] == os.path.relpath(path, os.sep)
    assert issue["description"] == f"ML501: {message}"
    [result] = json.loads(written("sarif", [found], around))["runs"][0]["results"]
    assert result["message"]["text"] == message
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert unquote_to_bytes(uri) == os.fsencode(os.path.relpath(path, os.sep))


@given(NAMES, WORDS)
def test_github_round_trips_any_text(name: str, message: str) -> None:
    found, around = everything(name, message)
    line = written("github", [found], around)
    assert line.endswith("\n")
    assert not set("\r\n") & set(line[:-1])
    properties, _, data = line[len("::warning ") : -1].partition("::")
    fields = dict(part.split("=", 1) for part in properties.split(","))

    def unescape(text: str) -> str:
        for code, char in (("%2C", ","), ("%3A", ":"), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            text = text.replace(code, char)
        return text

    assert unescape(fields["file"]) == os.path.abspath(found.path)
    assert unescape(data).endswith(f"ML501 {message}") or "%2C" in data or "%3A" in data


@given(NAMES, WORDS)
def test_junit_round_trips_any_text_that_xml_has(name: str, message: str) -> None:
    found, around = everything(name, message)
    root = ElementTree.fromstring(written("junit", [found], around).encode())

    def legal(text: str) -> bool:
        return all(char >= " " or char in "\t\n\r" for char in text) and not set("\ufffe\uffff") & set(text)

    if legal(found.path):
        assert root[0].get("name") == os.path.abspath(found.path)
    if legal(message):
        assert root[0][0][0].get("message") == message


@given(NAMES, WORDS)
def test_the_reports_for_people_keep_their_lines(name: str, message: str) -> None:
    found, around = everything(name, message)
    text = written("concise", [found], around)
    assert len(text.splitlines()) == 1
    assert text[:-1].isprintable()
    assert len(written("full", [found], around).splitlines()) == 3


# What SARIF 2.1.0 (OASIS standard, sections 3.13 to 3.58) says about the parts that mlint writes; nothing else may be
# there. Set SARIF_SCHEMA to a copy of the official sarif-schema-2.1.0.json to have that checked too.
def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _array(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


_STRING = {"type": "string"}
_BAG = {"type": "object", "properties": {"tags": _array(_STRING, uniqueItems=True)}}
_MESSAGE = _object(["text"], text=_STRING)
_MULTIFORMAT = _object(["text"], text=_STRING, markdown=_STRING)
_URI = {"type": "string", "pattern": r"^[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*$"}
_ABSOLUTE = {"type": "string", "pattern": r"^[a-z][a-z0-9+.-]*:.*$"}
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_PLACE = _object([], uri=_URI, uriBaseId=_STRING)
_POSITIVE = {"type": "integer", "minimum": 1}
_REGION = _object(["startLine"], startLine=_POSITIVE, startColumn=_POSITIVE, endLine=_POSITIVE, endColumn=_POSITIVE)
SARIF = _object(
    ["version", "runs"],
    **{"$schema": _ABSOLUTE},
    version={"const": "2.1.0"},
    runs=_array(
        _object(
            ["tool"],
            tool=_object(
                ["driver"],
                driver=_object(
                    ["name"],
                    name=_STRING,
                    version=_STRING,
                    semanticVersion={"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
                    informationUri=_ABSOLUTE,
                    rules=_array(
                        _object(
                            ["id"],
                            id=_STRING,
                            name=_STRING,
                            shortDescription=_MULTIFORMAT,
                            fullDescription=_MULTIFORMAT,
                            help=_MULTIFORMAT,
                            helpUri=_ABSOLUTE,
                            defaultConfiguration=_object([], level=_LEVEL),
                            properties=_BAG,
                        ),
                        uniqueItems=True,
                    ),
                ),
            ),
            originalUriBaseIds={
                "type": "object",
                "additionalProperties": _object(["uri"], uri={"type": "string", "pattern": "^[a-z]+:.*/$"}),
            },
            columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
            results=_array(
                _object(
                    ["message"],
                    ruleId=_STRING,
                    ruleIndex={"type": "integer", "minimum": 0},
                    level=_LEVEL,
                    message=_MESSAGE,
                    locations=_array(
                        _object(
                            [],
                            physicalLocation=_object(["artifactLocation"], artifactLocation=_PLACE, region=_REGION),
                            logicalLocations=_array(_object([], name=_STRING, kind=_STRING), uniqueItems=True),
                            properties=_BAG,
                        )
                    ),
                    partialFingerprints={"type": "object", "additionalProperties": _STRING},
                    fixes=_array(
                        _object(
                            ["artifactChanges"],
                            description=_MESSAGE,
                            artifactChanges=_array(
                                _object(
                                    ["artifactLocation", "replacements"],
                                    artifactLocation=_PLACE,
                                    replacements=_array(
                                        _object(
                                            ["deletedRegion"],
                                            deletedRegion=_REGION,
                                            insertedContent=_object([], text=_STRING),
                                        ),
                                        minItems=1,
                                    ),
                                ),
                                minItems=1,
                                uniqueItems=True,
                            ),
                            properties=_BAG,
                        ),
                        uniqueItems=True,
                    ),
                )
            ),
        )
    ),
)
