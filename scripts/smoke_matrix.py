"""Every planted fault of MS101 to MS207 on every architecture of the clean zoo: what is found, what is not, what else.

    python scripts/smoke_matrix.py [ARCHITECTURE ...]

Prints a line for each fault with the architectures on which it was found, and every miss and every finding that is not
there. Ends with 1 if there is one.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main(names: list[str]) -> int:
    """Run the matrix over some architectures, or those that need no library besides torch."""
    import torch

    from tests.smoke.architectures import ZOO
    from tests.smoke.checks.planted import FAULTS, clean, verdict

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    began, cases, wrong = time.perf_counter(), 0, 0
    for fault in FAULTS:
        good = []
        for name in names or [name for name, each in ZOO.items() if not each.requires]:
            target = fault.plant(clean(ZOO[name]))
            if target is None:
                continue
            cases += 1
            missing, extra = verdict(fault, target)
            if missing or extra:
                wrong += 1
                print(f"!! {fault.code} {fault.name} on {name}: {missing}")
                for each in extra:
                    print(f"     {each.code} {each.severity}: {each.message}")
            else:
                good.append(name)
        print(f"{fault.code} {fault.name}: {', '.join(good)}", flush=True)
    print(f"{len(FAULTS)} faults, {cases} cases, {wrong} wrong, {time.perf_counter() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
