"""One walk over a file: what rules are shown, and what happens when one fails."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from mlint.engine import Engine, EngineOptions, Report, _imports
from mlint.model.loop_actions import actions
from mlint.registry import RegistryError, load_index, load_rule
from mlint.source import Source

RULE = '''
import ast
from mlint.rule import *

class Shown(Rule):
    """Says what it is shown.

    ## Why
    For tests.

    ## References
    - None.
    """

    code, name = "ZZ1", "shown-in-tests"
    libraries = {libraries}
    words = {words}
    triggers = ({triggers},)

    def check(self, node, ctx):
        {body}
'''

Check = Callable[..., Report]


@pytest.fixture
def check(tmp_path: Path, request: pytest.FixtureRequest) -> Check:
    """Lint a program with a rule that is written for the test."""

    def run(
        triggers: str,
        text: str,
        *,
        libraries: str = '("torch",)',
        words: str = "()",
        body: str = "yield ctx.finding(node, ctx.short(node))",
        explicit: bool = True,
        options: EngineOptions | None = None,
    ) -> Report:
        # One module name for each test: rule modules are imported once.
        path = tmp_path / f"rule_{abs(hash((request.node.name, triggers, text)))}.py"
        path.write_text(RULE.format(triggers=triggers, libraries=libraries, words=words, body=body), encoding="utf-8")
        engine = Engine(load_index([str(path)]), options=options)
        return engine.check(
            Source.from_bytes(text.encode(), "example.py"), frozenset({"ZZ1", "ML000"}), explicit=explicit
        )

    return run


def shown(report: Report) -> list[str]:
    assert report.errors == []
    return [finding.message for finding in report.findings]


@pytest.mark.parametrize(
    ("triggers", "text", "found"),
    [
        ('Call("torch.load")', "import torch\ntorch.load(p)", ["torch.load(p)"]),
        ('Call("torch.load")', "import torch as t\nt.load(p)", ["t.load(p)"]),
        ('Call("torch.load")', "from torch import load\nload(p)", ["load(p)"]),
        ('Call("torch.load")', "from torch import load as read\nread(p)", ["read(p)"]),
        ('Call("torch.load")', "def f():\n    from torch import load as read\n    return read(p)", ["read(p)"]),
        ('Call("torch.load")', "import torch, pickle\npickle.load(p)", []),
        ('Call("torch.load")', "import torch\ndef load(p): ...\nload(p)", []),
        ('Method("item", of=TENSOR)', "import torch\ntorch.zeros(1).item()", ["torch.zeros(1).item()"]),
        ('Method("item", of=TENSOR)', "import torch\nx.item()", []),
        ('Reference("torch.float")', "import torch\nx = torch.float", ["torch.float"]),
        (
            'Reference("torch.float")',
            "from torch import float as f\nx = f",
            ["from torch import float as f", "f"],
        ),
        ('Import("torch.amp.autocast")', "from torch.amp import autocast", ["from torch.amp import autocast"]),
        ('Store("grad")', "import torch\np.grad = None\nprint(p.grad)", ["p.grad"]),
        ("Node(ast.While)", "import torch\nwhile c:\n    pass", ["while c: pass"]),
    ],
)
def test_triggers(check: Check, triggers: str, text: str, found: list[str]) -> None:
    assert shown(check(triggers, text)) == found


def test_a_library_that_is_imported_in_a_function_counts(check: Check) -> None:
    assert shown(check("Node(ast.While)", "def f():\n    import torch\n    while c:\n        pass")) == [
        "while c: pass"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "import torch", "import os, torch.nn as nn", "import os; import torch", "if x: import torch",
        "from torch import nn", "from torch import(nn)", "from torch.nn.imports import nn", "\tfrom\ttorch import nn",
        "from torch.convert_from_x import load", "x = 1; from torch import nn", "import os, \\\n    torch",
        "import \\\n    torch", "from torch \\\n    import nn", "import torch\r\n",
        "try:\n    import torch as t\nexcept: 0",
    ],
)  # fmt: skip
def test_no_way_to_import_a_library_is_missed(text: str) -> None:
    assert "torch" in _imports(text, frozenset({"torch", "numpy"}))


def test_a_file_that_only_mentions_a_library_is_not_shown(check: Check) -> None:
    assert shown(check("Node(ast.While)", "'''torch'''\nwhile c:\n    pass")) == []


def test_the_module_is_shown_once(check: Check) -> None:
    assert shown(check("Module()", "import torch\nx = 1", body='yield ctx.finding(node.body[-1], "once")')) == ["once"]


def test_words_that_a_rule_needs(check: Check) -> None:
    text = "import torch\nwhile c:\n    pass\n"
    assert shown(check("Node(ast.While)", text, words='("backward(",)')) == []
    assert shown(check("Node(ast.While)", text + "# backward(", words='("backward(",)')) == ["while c: pass"]


def test_findings_behind_a_version_check_are_dropped(check: Check) -> None:
    text = "import torch\nif torch.__version__ < '2':\n    torch.load(p)\ntorch.load(q)\n"
    assert shown(check('Call("torch.load")', text)) == ["torch.load(q)"]


def test_findings_are_sorted_and_not_repeated(check: Check) -> None:
    text = "import torch\nf(torch.load(b), torch.load(a))\ntorch.load(c)\n"
    report = check('Call("torch.load"), Reference("torch.load")', text)
    places = [(finding.start, finding.message) for finding in report.findings]
    assert places == sorted(places, key=lambda place: place[0])
    assert len(places) == len(set(places)) == 6


def test_a_rule_that_raises_costs_that_rule_on_that_file(check: Check) -> None:
    report = check("Node(ast.While)", "import torch\nwhile c:\n    pass", body="raise KeyError('oops')\n        yield")
    assert report.findings == []
    assert [(error.code, error.path) for error in report.errors] == [("ZZ1", "example.py")]
    assert "KeyError: 'oops'" in report.errors[0].message
    assert "Traceback" in report.errors[0].details


def test_a_syntax_error_is_a_finding(check: Check) -> None:
    report = check("Node(ast.While)", "import torch\ndef f(:\n    pass\n")
    assert [(finding.code, finding.start.line) for finding in report.findings] == [("ML000", 2)]


def test_a_file_without_a_word_of_a_library_is_not_parsed_unless_it_is_named(check: Check) -> None:
    text = "def f(:\n"
    assert check("Node(ast.While)", text, explicit=False).findings == []
    assert [finding.code for finding in check("Node(ast.While)", text).findings] == ["ML000"]


def test_timings(check: Check) -> None:
    report = check("Node(ast.While)", "import torch\nwhile c:\n    pass", options=EngineOptions(timing=True))
    assert set(report.timings) == {"ZZ1"}


def test_seed_and_targets_reach_the_rules(check: Check) -> None:
    body = "yield ctx.finding(node.body[0], f\"{ctx.options.seed} {ctx.targets('torch', '>=2')}\")"
    options = EngineOptions(seed=7, target_versions={"torch": "2.6"})
    assert shown(check("Module()", "import torch", body=body, options=options)) == ["7 True"]


def test_every_rule_can_be_loaded_and_has_triggers() -> None:
    index = load_index()
    assert [entry.code for entry in index.entries] == sorted(entry.code for entry in index.entries)
    for entry in index.entries:
        if entry.class_name:
            rule = load_rule(entry)
            assert (rule.code, rule.name) == (entry.code, entry.name)
            assert tuple(rule.channels()) == entry.channels
            for table, word in entry.channels:
                assert table in ("call", "attribute", "import", "statement", "node", "loop", "module")
                assert table != "node" or issubclass(getattr(ast, word), ast.AST)


TWICE = """
from mlint.rule import Rule

class Twice(Rule):
    '''Twice.'''

    code, name = "ML501", "another-name"
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def (:", "cannot be imported: SyntaxError"),
        ("import nothing_of_that_name", "cannot be imported: ModuleNotFoundError"),
        (TWICE, "already has ML501 log-of-softmax"),
    ],
)
def test_local_rules_that_are_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / f"wrong_{abs(hash(text))}.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RegistryError, match=said):
        load_index([str(path)])


def test_local_rules_that_are_missing() -> None:
    with pytest.raises(RegistryError, match="no file or folder nowhere"):
        load_index(["nowhere"])


@pytest.mark.parametrize(
    ("loop", "expected"),
    [
        ("for i in range(n):\n    out[i] = x[i]", ("store",)),
        ("for i in range(n):\n    t = x[i]\n    out[i] = t * t", ("store",)),
        ("for i in range(n):\n    for j in range(m):\n        out[i, j] += x[i]", ("update",)),
        ("for v in x:\n    s += v", ("total",)),
        ("for v in x:\n    s = max(s, v)", ("total",)),
        ("for v in x:\n    y = f(v)", ()),
        ("for v in x:\n    out.append(v)", ("append",)),
        ("for v in x:\n    if v > best:\n        best = v", ("choice",)),
        ("for v in x:\n    if v > best:\n        print(v)", ()),
        ("for v in x:\n    s += v\n    print(s)", ("total",)),
        ("for v in x:\n    with f:\n        s += v", ()),
        ("for v in x:\n    a = 1\n    b = 2\n    c = 3\n    s += v", ()),
        ("for i in tf.range(n):\n    print(i)", ("graph",)),
        ("for i in r:\n    c[i] = 0\n    for j in r:\n        c[i] += x[i, j]", ("store", "update")),
    ],
)
def test_what_rounds_of_a_loop_do(loop: str, expected: tuple[str, ...]) -> None:
    node = ast.parse(loop).body[0]
    assert isinstance(node, ast.For)
    assert actions(node) == expected


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("import numpy as np\nx = load(1), np.load(2)\nnp.load(3)\n", 1),
        ("import numpy as np\nx = np.save(1)\n", 0),
        ("from numpy import load as read\nread(1)\n", 1),
    ],
)
def test_a_file_in_which_something_is_called_is_shown_once(check: Check, text: str, times: int) -> None:
    body = "yield ctx.finding(node.body[0], type(node).__name__)"
    found = check('Module("numpy.load")', text, libraries='("numpy",)', body=body)
    assert [finding.message for finding in found.findings] == ["Module"] * times
