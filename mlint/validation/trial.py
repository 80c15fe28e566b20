"""Runs two versions of a piece of code on made-up inputs: ``python -m mlint.validation.trial``, a process of its own.

Reads a request as JSON from standard input and writes ``[number of inputs, difference or null]`` to standard output.
"""

from __future__ import annotations

import copy
import json
import sys
from importlib import import_module
from types import CodeType
from typing import Any

from mlint.validation.differing import differs, short, tolerance
from mlint.validation.values import Inputs, Seeded, lengths

_FEWEST = 10
"""Fewer inputs on which the code runs prove nothing."""
_TRIES = 20
"""How many inputs are made up for each that is wanted: code refuses some, as a matrix of another shape."""


class RefusedError(Exception):
    """Inputs that the code does not take: they prove nothing."""


class Trial:
    """Two versions of a piece of code, compiled.

    Args:
        request: the fields of a `Pair`.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self.cases = request["inputs"]
        self.exact: bool = request["exact"]
        self.outputs: list[str] = request["outputs"]
        self.constants = lengths(request["before"], self.cases)
        self.modules: dict[str, Any] = {}
        for statement in request["imports"]:
            exec(statement, self.modules)
        self.before = compile(request["before"], "<before>", "exec")
        self.after = compile(request["after"], "<after>", "exec")

    def difference(self, inputs: dict[str, Any]) -> str | None:
        """Run both versions on some inputs, and say in one line where their results differ; None if they do not.

        Args:
            inputs: name → value; the values of names that are made from others are filled in.

        Raises:
            RefusedError: the code does not take these inputs.
        """
        try:
            for name, case in self.cases.items():
                if case["kind"] == "expression":
                    inputs[name] = eval(case["value"], self.modules, dict(inputs))
        except Exception as error:  # there is no first element
            raise RefusedError(f"{type(error).__name__}: {error}") from error
        allowed = 0.0 if self.exact else tolerance(inputs)
        first, second = {**self.modules, **copy.deepcopy(inputs)}, {**self.modules, **copy.deepcopy(inputs)}
        try:
            _run(self.before, first)
        except Exception as error:
            raise RefusedError(f"{type(error).__name__}: {error}") from error
        try:
            _run(self.after, second)
        except Exception as error:
            return f"only the rewrite raises {type(error).__name__}: {error}, for {short(repr(inputs))}"
        for name in self.outputs:
            if name not in first or name not in second:
                continue
            found = differs(first[name], second[name], exact=self.exact, tolerance=allowed)
            if found is not None:
                return f"`{name}` {found}, for {short(repr(inputs))}"
        return None


def _run(code: CodeType, names: dict[str, Any]) -> None:
    """Run one version; what it draws from the generators of a process is the same in both."""
    for module, seed in _SEEDS:
        if module in sys.modules:
            seeder: Any = sys.modules[module]
            for part in seed.split("."):
                seeder = getattr(seeder, part)
            seeder(0)
    exec(code, names)


_SEEDS = (("random", "seed"), ("numpy", "random.seed"), ("torch", "manual_seed"), ("tensorflow", "random.set_seed"))


def compare(request: dict[str, Any]) -> tuple[int, str | None]:
    """Run both versions on made-up inputs.

    Returns:
        On how many inputs both ran, and where they differed, or why nothing is proven; None if they never did.
    """
    trial = Trial(request)
    wanted, compared = request["cases"], 0
    refused = ""
    for attempt in range(wanted * _TRIES):
        if compared >= wanted:
            break
        choices = Seeded(request["seed"] * 1_000_003 + attempt)
        inputs = Inputs(trial.cases, choices, exact=trial.exact, constants=trial.constants).values()
        try:
            difference = trial.difference(inputs)
        except RefusedError as error:
            refused = str(error)
            continue
        if difference is not None:
            return compared, difference
        compared += 1
    if compared < min(_FEWEST, wanted):
        return compared, f"no inputs were found that it takes ({refused or 'none was made up'})"
    return compared, None


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    try:
        numpy = import_module("numpy")
        numpy.seterr(all="ignore")
    except ImportError:
        json.dump([0, "NumPy is not installed where mlint runs"], sys.stdout)
        return
    json.dump(compare(request), sys.stdout)


if __name__ == "__main__":
    main()
