"""Lint and fix real notebooks, and say what went wrong.

    python scripts/notebooks.py FOLDER...              every notebook below these folders
    python scripts/notebooks.py --select ALL FOLDER    with all rules instead of the default ones
    python scripts/notebooks.py --hits 30 FOLDER       print findings with the code around them, to be read by hand

Every notebook is linted and fixed with ``--fix --unsafe-fixes`` in memory; nothing is written. A defect is a crash, an
internal error or a fix that fails; a fixed file of which more has changed than the sources of cells; a diff that does
not turn the old file into the new one; a notebook that nbformat takes before the fix and not after it; and a second run
that changes something. The exit code is 1 when there is one.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from mlint.finding import Finding  # noqa: E402
from mlint.linter import Linter, Outcome, Task  # noqa: E402
from mlint.settings import Settings  # noqa: E402

SKIPPED = frozenset({".git", ".ipynb_checkpoints", "node_modules"})


def notebooks(places: Sequence[Path]) -> Iterator[Path]:
    """Every notebook in some folders, in order."""
    for place in places:
        if place.is_file():
            yield place
            continue
        for folder, folders, names in os.walk(place):
            folders[:] = sorted(set(folders) - SKIPPED)
            for name in sorted(names):
                if name.endswith(".ipynb"):
                    yield Path(folder, name)


def fixed(data: bytes, path: str, settings: Settings) -> tuple[Outcome, Outcome]:
    """What linting a notebook says, and what fixing it does."""
    found = Linter([settings], Task(edits=True)).lint_bytes(data, path)
    return found, Linter([settings], Task(fix=True, diff=True)).lint_bytes(data, path)


def defects(data: bytes, path: str, settings: Settings) -> tuple[list[str], list[Finding], list[Finding]]:
    """What is wrong with the way in which a notebook is fixed; its findings; those that were fixed."""
    found, outcome = fixed(data, path, settings)
    wrong = [str(problem) for each in (found, outcome) for problem in each.problems]
    if outcome.fixed is None:
        if outcome.diff:
            wrong.append("a diff without a change")
        return wrong, found.findings, outcome.applied
    new = outcome.fixed
    if patched(data.decode("utf-8-sig"), outcome.diff.decode("utf-8")) != new.decode("utf-8-sig"):
        wrong.append("the diff does not lead to the fixed file")
    wrong += changes_elsewhere(data, new)
    before, after = invalid(data), invalid(new)
    if before is None and after is not None:
        wrong.append(f"nbformat: {after}")
    _, again = fixed(new, path, settings)
    if again.fixed is not None:
        wrong.append(f"a second run changes it again: {[f'{each.code} {each.message}' for each in again.applied]}")
    lost = len([each for each in outcome.findings if each.code == "ML000"]) - len(
        [each for each in found.findings if each.code == "ML000"]
    )
    if lost:
        wrong.append("cells that do not parse any more")
    return wrong, found.findings, outcome.applied


def changes_elsewhere(old: bytes, new: bytes) -> list[str]:
    """What differs between two notebooks besides the sources of code cells."""
    before, after = json.loads(old.decode("utf-8-sig")), json.loads(new.decode("utf-8-sig"))
    sources = [_taken(before), _taken(after)]
    wrong = [] if before == after else ["something besides the sources of code cells has changed"]
    kinds = [[type(source) for source in each] for each in sources]
    if kinds[0] != kinds[1]:
        wrong.append("a source has become a list or a string")
    if old.startswith(b"\xef\xbb\xbf") is not new.startswith(b"\xef\xbb\xbf"):
        wrong.append("the byte order mark")
    if old[-1:].isspace() is not new[-1:].isspace():
        wrong.append("the final line end")
    return wrong


def _taken(notebook: dict[str, Any]) -> list[Any]:
    """Take the sources of code cells out of a notebook."""
    sheets = notebook.get("worksheets", [notebook])
    cells = [cell for sheet in sheets for cell in sheet.get("cells", [])]
    return [cell.pop("source", cell.pop("input", None)) for cell in cells if cell.get("cell_type") == "code"]


def invalid(data: bytes) -> str | None:
    """Why nbformat does not take a notebook; None if it does, or is not installed."""
    try:
        import nbformat
    except ImportError:
        return None
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about cells without an id, which older notebooks have
            nbformat.validate(json.loads(data.decode("utf-8-sig")))
    except Exception as error:
        return str(error).partition("\n")[0]
    return None


def patched(old: str, diff: str) -> str:
    """A text after a unified diff, read as ``patch`` reads it.

    Raises:
        ValueError: the diff is not one of this text.
    """
    lines = _lines(old)
    result: list[str] = []
    position = 0
    last = ""
    for line in _lines(diff)[2:]:
        sign, content = line[:1], line[1:]
        if sign == "@":
            start = int(line.split()[1].split(",")[0][1:])
            start -= 1 if not line.split()[1].endswith(",0") else 0
            result += lines[position:start]
            position = start
        elif sign == "\\":
            if last in ("+", " "):
                result[-1] = result[-1].removesuffix("\n")
        elif sign == "+":
            result.append(content)
        else:
            if lines[position].removesuffix("\n") != content.removesuffix("\n"):
                raise ValueError(f"line {position + 1} is not {content!r}")
            if sign == " ":
                result.append(lines[position])
            position += 1
        last = sign
    return "".join(result + lines[position:])


def _lines(text: str) -> list[str]:
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--select", default="", help="rules, as in the configuration, separated by commas")
    parser.add_argument("--hits", type=int, default=0, metavar="N", help="print N findings with their code")
    options = parser.parse_args(arguments)
    settings = Settings(unsafe_fixes=True)
    if options.select:
        settings = settings.replaced(select=tuple(options.select.split(",")))
    counts: Counter[str] = Counter()
    repaired: Counter[str] = Counter()
    hits: list[tuple[Path, Finding]] = []
    number = bad = 0
    started = time.perf_counter()
    for path in notebooks(options.places):
        number += 1
        try:
            wrong, findings, applied = defects(path.read_bytes(), str(path), settings)
        except Exception as error:
            wrong, findings, applied = [f"{type(error).__name__}: {error}"], [], []
        for text in wrong:
            bad += 1
            print(f"{path}: {text}")
        counts.update(each.code for each in findings)
        repaired.update(each.code for each in applied)
        hits += [(path, each) for each in findings]
    for path, finding in hits[:: max(1, len(hits) // options.hits)] if options.hits else ():
        _print(path, finding)
    seconds = time.perf_counter() - started
    found, done = sum(counts.values()), sum(repaired.values())
    print(f"{number} notebooks in {seconds:.1f} s: {found} findings, {done} fixed, {bad} defects")
    print(", ".join(f"{code} {count}" for code, count in counts.most_common()))
    return 1 if bad else 0


def _print(path: Path, finding: Finding) -> None:
    from mlint.notebook import read

    print(f"\n{path}:cell {finding.cell}:{finding.start.line}: {finding.code} {finding.text}")
    if finding.cell is None:
        return
    lines = read(path.read_bytes(), str(path)).cell(finding.cell).prepared.raw.split("\n")
    for line in range(max(1, finding.start.line - 5), min(len(lines), finding.start.line + 6) + 1):
        print(f"  {'>' if line == finding.start.line else ' '} {lines[line - 1]}")


if __name__ == "__main__":
    sys.exit(main())
