"""Times the examples of performance rules before and after their fix, and writes docs/measured.json.

    python scripts/measure.py                     all rules that have an example marked `bench`
    python scripts/measure.py ML101 ML121         these
    python scripts/measure.py --print             show, write nothing

An example marked `bench` has a line ``n = …`` in its `given`; that line is replaced by each of the sizes. A size at
which the slower form takes more than a second ends the series. Each figure is the best of several runs in one process,
both forms alternating, with the inputs made anew for each run.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "docs" / "measured.json"
SIZES = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
SLOWEST = 1.0
ROUNDS = 5
_SIZE = re.compile(r"^n = .*$", re.MULTILINE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("codes", nargs="*", help="codes of rules; default: all")
    parser.add_argument("--print", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(ROOT))
    from mlint.registry import load_index, load_rule

    rules: dict[str, list[dict[str, Any]]] = {}
    for entry in load_index().entries:
        if not entry.class_name or (options.codes and entry.code not in options.codes):
            continue
        for example in load_rule(entry).examples:
            if example.bench and example.bad is not None and example.good is not None:
                series = measure(example.given, example.bad, example.good)
                rules.setdefault(entry.code, []).append(
                    {"before": example.bad.strip(), "after": example.good.strip(), "seconds": series}
                )
                show(entry.code, example.good, series)
    if not rules:
        print("no example marked `bench`", file=sys.stderr)
        return 1
    if not options.print:
        write(rules)
    return 0


def measure(given: str, before: str, after: str) -> dict[str, list[float]]:
    """Seconds before and after the fix, by size.

    Args:
        given: code that makes the inputs, with a line ``n = …``.
        before: code as found.
        after: code as fixed.
    """
    if _SIZE.search(given) is None:
        raise SystemExit(f"an example marked `bench` has no line `n = …` in its `given`:\n{given}")
    series: dict[str, list[float]] = {}
    for size in SIZES:
        prepared = compile(_SIZE.sub(f"n = {size}", given), "given", "exec")
        codes = [compile(text, "code", "exec") for text in (before, after)]
        best = [float("inf"), float("inf")]
        for _ in range(ROUNDS):
            for index, code in enumerate(codes):
                namespace: dict[str, Any] = {"__name__": "measured"}
                exec(prepared, namespace)
                best[index] = min(best[index], _time(code, namespace))
            if best[0] > SLOWEST:
                break
        series[str(size)] = [float(f"{seconds:.3g}") for seconds in best]
        if max(best) > SLOWEST:
            break
    return series


def _time(code: Any, namespace: dict[str, Any]) -> float:
    started = time.perf_counter()
    exec(code, namespace)
    return time.perf_counter() - started


def show(code: str, after: str, series: dict[str, list[float]]) -> None:
    """Print one series."""
    print(f"{code}  {after.strip().splitlines()[-1]}")
    for size, (slow, fast) in series.items():
        print(f"    n = {int(size):>10,}  {slow * 1e3:10.3f} ms  {fast * 1e3:10.3f} ms  {slow / fast:8.1f} x")


def write(rules: dict[str, list[dict[str, Any]]]) -> None:
    """Write the figures with the machine and the versions; rules that were not measured keep theirs."""
    known: dict[str, Any] = {}
    if OUTPUT.exists():
        known = json.loads(OUTPUT.read_text(encoding="utf-8")).get("rules", {})
    data = {
        "command": "python scripts/measure.py",
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "libraries": {name: importlib.metadata.version(name) for name in ("numpy", "pandas", "torch") if _has(name)},
        "rules": dict(sorted({**known, **rules}.items())),
    }
    OUTPUT.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written to {OUTPUT.relative_to(ROOT)}")


def processor() -> str:
    """The name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _has(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
