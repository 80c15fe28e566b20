"""Writes docs/rules/, docs/smoke-checks.md and the numbers in the README, from the rules and checks themselves.

    python scripts/build_docs.py            write what has changed
    python scripts/build_docs.py --check    say what would change; exit 1 if anything would

A page is what `mlint explain CODE` prints, and for a performance rule the figures of docs/measured.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "rules"
README = ROOT / "README.md"
CHECKS = ROOT / "docs" / "smoke-checks.md"
FAMILIES = {
    "0": "mlint itself",
    "1": "Vectorization",
    "2": "Contexts",
    "3": "Reproducibility",
    "4": "Training",
    "5": "Numerics",
    "6": "Data",
    "7": "Memory and accelerator",
    "8": "API",
    "9": "Tuning",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(ROOT))
    wanted = pages()
    existing = {path.name: path.read_text(encoding="utf-8") for path in PAGES.glob("*.md")} if PAGES.exists() else {}
    changed = sorted(name for name in wanted.keys() | existing.keys() if wanted.get(name) != existing.get(name))
    for name in changed:
        print(name)
        if options.check:
            continue
        if name in wanted:
            PAGES.mkdir(parents=True, exist_ok=True)
            (PAGES / name).write_text(wanted[name], encoding="utf-8")
        else:
            (PAGES / name).unlink()
    readme = README.read_text(encoding="utf-8")
    counted = with_numbers(readme)
    if counted != readme:
        changed.append(README.name)
        print(README.name)
        if not options.check:
            README.write_text(counted, encoding="utf-8")
    checks = smoke_checks()
    if not CHECKS.exists() or CHECKS.read_text(encoding="utf-8") != checks:
        changed.append(CHECKS.name)
        print(CHECKS.name)
        if not options.check:
            CHECKS.write_text(checks, encoding="utf-8")
    if changed and options.check:
        stale = "docs/rules, docs/smoke-checks.md or README.md is not up to date"
        print(f"{stale}: run python scripts/build_docs.py", file=sys.stderr)
    return 1 if changed and options.check else 0


def pages() -> dict[str, str]:
    """File name → text of every page."""
    from mlint.explain import page
    from mlint.registry import load_index

    index = load_index()
    measured = _measured()
    found: dict[str, str] = {}
    rows: dict[str, list[str]] = {}
    for entry in index.entries:
        text = page(index, entry.code)
        text = text[: text.rstrip().rfind("\n")].rstrip() + "\n"  # without the address of this very page
        if entry.code in measured.get("rules", {}):
            text += "\n" + _figures(measured, entry.code)
        found[f"{entry.name}.md"] = text
        default = "on" if entry.default else "opt-in"
        rows.setdefault(entry.code[2], []).append(
            f"| {entry.code} | [{entry.name}]({entry.name}.md) | {', '.join(entry.libraries)} | {entry.fix} "
            f"| {default} | {entry.summary} |"
        )
    parts = [
        "# Rules\n\nWritten by `python scripts/build_docs.py` from the rules; `mlint explain CODE` prints a page.\n"
    ]
    for family, lines in sorted(rows.items()):
        parts.append(
            f"\n## ML{family}: {FAMILIES[family]}\n\n| code | name | libraries | fix | default | finds |\n"
            "|---|---|---|---|---|---|\n" + "\n".join(lines) + "\n"
        )
    found["README.md"] = "".join(parts)
    return found


def smoke_checks() -> str:
    """The page of the runtime checks, from their docstrings, which are read and not imported."""
    from mlint.smoke.failure_codes import pages as entries
    from mlint.smoke.failure_codes import summary_of
    from mlint.smoke.pages import text

    known = entries()
    parts = [
        "# Checks of `mlint smoke`\n\nWritten by `python scripts/build_docs.py` from the checks; ",
        "`mlint explain CODE` prints a page.\n\n| code | name | tier | finds |\n|---|---|---|---|\n",
        "".join(
            f"| [{entry.code}](#{entry.code.lower()}) | {entry.name} | {entry.tier} | {summary_of(entry.page)} |\n"
            for entry in known.values()
        ),
    ]
    for entry in known.values():
        body = text(entry).partition("\n")[2].replace("\n## ", "\n### ")
        parts.append(f"\n## {entry.code}\n\n**{entry.name}**\n{body}")
    return "".join(parts)


def with_numbers(readme: str) -> str:
    """The README with the numbers of each family in its table: rules, those with a fix, with a safe one, and examples
    whose fix is executed before and after.
    """
    from mlint.registry import load_index, load_rule

    lines = readme.split("\n")
    for position, line in enumerate(lines):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ML") and len(cells) == 7 and cells[0][2:].isdigit():
            entries = [e for e in load_index().entries if e.code.startswith(cells[0]) and e.class_name]
            examples = [example for entry in entries for example in load_rule(entry).examples]
            numbers = (
                len(entries),
                sum(entry.fix != "none" for entry in entries),
                sum(entry.fix.startswith("safe") for entry in entries),
                sum(example.equal is not None for example in examples),
            )
            lines[position] = f"| {' | '.join([cells[0], cells[1], *map(str, numbers), cells[6]])} |"
    return "\n".join(lines)


def _measured() -> dict[str, Any]:
    path = ROOT / "docs" / "measured.json"
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return loaded


def _figures(measured: dict[str, Any], code: str) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in measured["libraries"].items())
    lines = [
        "## Measured",
        "",
        f"By `{measured['command']} {code}` on {measured['machine']}; Python {measured['python']}, {libraries}.",
    ]
    for series in measured["rules"][code]:
        lines += ["", "```python", series["before"], "# becomes", series["after"], "```", ""]
        lines += ["| n | before | after | ratio |", "|---:|---:|---:|---:|"]
        for size, (slow, fast) in series["seconds"].items():
            lines.append(f"| {int(size):,} | {_time(slow)} | {_time(fast)} | {slow / fast:.1f} × |")
    return "\n".join(lines) + "\n"


def _time(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


if __name__ == "__main__":
    sys.exit(main())
