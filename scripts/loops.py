"""What the rules about loops and frames make of all loops in some folders: seen, reported, refused and why.

    python scripts/loops.py FOLDER... [--each]

Counts the `for` statements and list comprehensions of files that import NumPy, pandas, PyTorch, TensorFlow or JAX. A
loop is reported where a rule of the family ML1 says something about it; otherwise it is refused for the first reason
that one of the rules has put on record (the rule that came furthest speaks last, so the last one counts), or it is no
loop over elements at all.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mlint.finding import Safety  # noqa: E402
from mlint.model.file import FileModel  # noqa: E402
from mlint.model.project import Project  # noqa: E402
from mlint.model.refusals import REFUSED, recorded  # noqa: E402
from mlint.registry import load_index, load_rule  # noqa: E402
from mlint.rule import Finding, Rule  # noqa: E402
from mlint.rule.context import Context, Options  # noqa: E402
from mlint.source import Source, SourceError  # noqa: E402

LIBRARIES = ("numpy", "pandas", "torch", "tensorflow", "jax")
_TRIGGERING = (ast.Call, ast.For, ast.ListComp, ast.GeneratorExp, ast.Subscript, ast.Assign, ast.BinOp)
NOT_A_CASE = "no rule takes it for one of its cases"


class Seen(NamedTuple):
    """One loop, what is said of it, and whether its fix is safe, unsafe or missing; or why nothing is said."""

    place: str
    code: str
    fix: str
    reason: str


def loops(path: Path, rules: list[tuple[str, Rule]]) -> Iterator[Seen]:
    """The loops of a file."""
    try:
        source = Source.read(str(path))
        if not any(f"import {name}" in source.text or f"from {name}" in source.text for name in LIBRARIES):
            return
        model = FileModel(source, source.parse(), Project())
    except (OSError, SourceError, RecursionError):
        return
    if model.project is not None:
        model.project.begin(model)
    context = Context(model, Options())
    found: dict[int, Finding] = {}
    reasons: dict[ast.AST, str] = {}
    nodes = [node for node in ast.walk(model.module) if isinstance(node, (ast.For, ast.ListComp))]
    if not nodes:
        return
    inside = {id(part): node for node in nodes for part in ast.walk(node)}  # the innermost loop around a node
    looked_at = [part for part in ast.walk(model.module) if id(part) in inside and isinstance(part, _TRIGGERING)]
    for _, rule in rules:
        for node in looked_at:
            if not rule.wants(node, model):
                continue
            context.rule = rule
            with recorded() as record:
                findings = list(rule.check(node, context))
            for finding in findings:
                found.setdefault(id(inside[id(node)]), finding)
            for refusal in record:
                if refusal.what == REFUSED and not findings:
                    reasons[inside[id(node)]] = refusal.reason
    for node in nodes:
        place = f"{path}:{node.lineno}"
        reported = found.get(id(node))
        if reported is not None:
            fix = "no fix" if reported.fix is None else "safe" if reported.fix.safety is Safety.SAFE else "unsafe"
            yield Seen(place, reported.code, fix, "")
        else:
            yield Seen(place, "", "", _general(reasons.get(node, NOT_A_CASE)))


def _general(reason: str) -> str:
    """A reason without the names of the code."""
    parts = reason.split("`")
    return "…".join(parts[::2]).strip()


def main() -> None:
    """Count the loops below some folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--each", action="store_true", help="list every loop that is reported")
    options = parser.parse_args()
    index = load_index()
    rules = [(e.code, load_rule(e)) for e in index.entries if e.code.startswith("ML1") and e.class_name and e.default]
    seen = [loop for folder in options.folders for path in sorted(folder.rglob("*.py")) for loop in loops(path, rules)]
    reported = [loop for loop in seen if loop.code]
    print(f"{len(seen)} loops seen, {len(reported)} reported")
    for (code, fix), count in sorted(Counter((loop.code, loop.fix) for loop in reported).items()):
        print(f"  {count:6} {code} {fix}")
    print("not reported:")
    for reason, count in Counter(loop.reason for loop in seen if not loop.code).most_common():
        print(f"  {count:6} {reason}")
    if options.each:
        for loop in reported:
            print(f"{loop.place} {loop.code} {loop.fix}")


if __name__ == "__main__":
    main()
