"""False positives of `mlint smoke` on clean small models that are generated at random.

    python scripts/smoke_zoo.py                 500 models, exit code 1 if more than 1 in 200 is reported
    python scripts/smoke_zoo.py --count 20      fewer
    python scripts/smoke_zoo.py --only 17       one of them, with all that is said about it

Needs torch. Each model is one seed; `tests/smoke/random_models.py` says what is drawn. A false positive is a finding
above "measured" (a warning or an error): these models have no fault.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SHARE = 200
"""One in so many may be reported."""
EXPENSIVE = ("MS603", "MS604")
"""Info without a limit, and only on request."""


def main() -> int:
    """Run the checks over the models of a range of seeds; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", type=int, help="one seed, told in full")
    parser.add_argument("--select", default="", help="codes that begin with this")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    seeds = [asked.only] if asked.only is not None else range(asked.first, asked.first + asked.count)
    started = time.perf_counter()
    by_code: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    reported = []
    for seed in seeds:
        name, found, skipped = judge(seed, asked.select)
        loud = [each for each in found if each[1] != "info"]
        reasons.update(skipped)
        if loud:
            reported.append(seed)
        by_code.update(each[0] for each in loud)
        for code, severity, message in found if asked.only is not None else loud:
            print(f"{name}: {code} {severity}: {message}", flush=True)
    models = len(seeds)
    print(f"{models} clean models, {len(reported)} reported above measured, {time.perf_counter() - started:.0f} s")
    print("by code:", dict(by_code) or "none")
    for reason, count in sorted(reasons.items()):
        print(f"  not run, {count} of {models}: {reason}")
    return int(len(reported) * SHARE > models)


def judge(seed: int, select: str = "") -> tuple[str, list[tuple[str, str, str]], list[str]]:
    """(name, findings as code, severity and message, what did not run and why) of one model."""
    from mlint.smoke.checks.base import NotRun, registry
    from mlint.smoke.subject import Options, Subject
    from tests.smoke.random_models import clean_model

    model = clean_model(seed)
    subject = Subject(model.build, model.batch, model.loss, options=Options(**model.options))  # type: ignore[arg-type]
    found, skipped = [], []
    for code, check in registry().items():
        if code in EXPENSIVE or not code.startswith(select):
            continue
        try:
            for each in check().run(subject):
                found.append((each.code, each.severity, each.message))
        except NotRun as reason:
            skipped.append(f"{code} {reason}")
        except Exception as error:
            found.append((code, "error", f"raised {type(error).__name__}: {error}"))
    return model.name, found, skipped


if __name__ == "__main__":
    sys.exit(main())
