"""Every rewrite of a loop that an example of a rule shows is executed beside the loop, on many generated inputs."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator

import pytest

from mlint.engine import Engine, EngineOptions
from mlint.finding import Safety
from mlint.fixer import materialise
from mlint.registry import load_index, load_rule
from mlint.rule import Example
from mlint.source import Source
from mlint.validation import CASES, Pair, pair, trial
from mlint.validation.purity import NotExecuted

INDEX = load_index()
MODULES = ("numpy", "pandas", "torch")


def examples() -> Iterator[tuple[str, Example]]:
    for entry in INDEX.entries:
        if entry.code.startswith("ML1") and entry.class_name:
            for number, example in enumerate(load_rule(entry).examples):
                if example.bad is not None and example.good is not None:
                    yield f"{entry.code}-{number}", example


def rewrites(code: str, example: Example) -> Iterator[Pair]:
    """Both versions of what each safe fix of a rule in an example replaces.

    What an unsafe one changes is what the rule's page says it may.
    """
    text = f"{inspect.cleandoc(example.given)}\n{inspect.cleandoc(example.bad or '')}\n"
    engine = Engine(INDEX, options=EngineOptions(target_versions=dict(example.targets), project=False))
    source = Source(text, "example.py")
    for finding in engine.check(source, frozenset({code})).findings:
        fix = materialise(finding).fix
        if fix is not None and fix.edits and fix.safety is Safety.SAFE:
            yield pair(source, source.apply(sorted(fix.edits)), exact=True)


@pytest.mark.parametrize(("name", "example"), list(examples()), ids=[name for name, _ in examples()])
def test_no_safe_rewrite_differs(name: str, example: Example) -> None:
    for module in MODULES:
        if f"import {module}" in example.given:
            pytest.importorskip(module)
    pytest.importorskip("numpy").seterr(all="ignore")
    try:
        pairs = list(rewrites(name.partition("-")[0], example))
    except NotExecuted as error:
        pytest.xfail(f"not executed: {error.reason}")
    for versions in pairs:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compared, difference = trial.compare({**versions._asdict(), "cases": CASES, "seed": 0})
        if difference is not None and difference.startswith("no inputs were found"):
            pytest.xfail(difference)
        assert difference is None
        assert compared == CASES or not versions.inputs
