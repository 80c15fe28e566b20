"""What a report shows as fixable is fixed."""

from __future__ import annotations

import pytest

from mlint.engine import Engine
from mlint.finding import Finding, Safety
from mlint.fixer import fix_source
from mlint.registry import load_index
from mlint.source import Source

INDEX = load_index()
CODES = frozenset(entry.code for entry in INDEX.entries if entry.default)
CROWDED = {
    "two statements on a line": 'import numpy\ndef f(p):\n    h = open(p, "w"); h.write("x")\n',
    "two files on a line": "import numpy\ndef f(p, q):\n    a = open(p); b = open(q); return a.read() + b.read()\n",
    "a suite on the line of its header": "import numpy\ndef f(p):\n    if p: h = open(p); return h.read()\n",
    "a function on one line": "import numpy\ndef f(p): h = open(p); return h.read()\n",
    "an expression on a shared line": "import torch\nif p: y = torch.log(torch.softmax(x, 1)); z = y\n",
    "a loop on one line": "import numpy as np\na = np.ones(9)\nb = np.zeros(9)\nfor i in range(9): b[i] = a[i] + 1\n",
    "alone": "import numpy\ndef f(p):\n    h = open(p)  # read\n    text = h.read()\n    return text\n",
}


def findings(source: Source) -> list[Finding]:
    return Engine(INDEX).check(source, CODES).findings


@pytest.mark.parametrize("text", CROWDED.values(), ids=CROWDED)
def test_what_is_shown_as_fixable_is_fixed(text: str) -> None:
    source = Source(text, "code.py")
    promised = [finding for finding in findings(source) if finding.fix is not None]

    def allowed(finding: Finding) -> bool:
        return finding.fix is not None and finding.fix.safety is not Safety.SUGGESTION

    fixed = fix_source(source, findings, allowed)
    assert len(fixed.applied) == len(promised)
    assert not fixed.failures
    assert all(finding.fix is None for finding in fixed.remaining)


def test_something_is_promised_and_something_is_not() -> None:
    assert all(finding.fix is None for finding in findings(Source(CROWDED["two statements on a line"], "code.py")))
    assert any(finding.fix is not None for finding in findings(Source(CROWDED["alone"], "code.py")))
    shared = Source(CROWDED["an expression on a shared line"], "code.py")
    assert any(finding.fix is not None for finding in findings(shared))
