"""Translation validation: a rewritten loop and the loop itself are both executed on generated inputs, and compared.

`region` finds what a fix replaces and by what, `purity` refuses what must not be executed, `inputs` describes the names
that the code reads, and `trial` runs both versions in a child process. Used by ``mlint --fix --validate`` and by the
property tests of the rules about loops.

The idea is that of translation validation for compilers: not the translator is proven, but each single translation is
checked (Pnueli, Siegel and Singerman, "Translation Validation", TACAS 1998).
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlint.model.file import FileModel
    from mlint.source import Source
    from mlint.validation.values import Case

CASES = 200
_SECONDS = 60.0
_IMMUTABLE = frozenset({"int", "float", "bool", "scalar", "str", "literal", "expression"})


class Verdict(NamedTuple):
    """What came of running both versions.

    Attributes:
        compared: on how many inputs both ran.
        difference: one line that says where they differed, or why they could not be compared; None if they never did.
    """

    compared: int
    difference: str | None


class Pair(NamedTuple):
    """Two versions of a piece of code, as text, and the names that both read.

    Attributes:
        before: the statements that a fix replaces.
        after: those that it puts in their place.
        imports: statements that bind the modules that they use.
        inputs: name → what it is (see `inputs`).
        outputs: the names that are compared.
        exact: whether the results must be the same bit for bit, with the same types.
    """

    before: str
    after: str
    imports: tuple[str, ...]
    inputs: dict[str, Case]
    outputs: tuple[str, ...]
    exact: bool


def pair(old: Source, new: Source, *, exact: bool) -> Pair:
    """What differs between a file and the same file with one fix.

    Raises:
        NotExecuted: the code cannot be executed on its own.
    """
    from mlint.model.file import FileModel
    from mlint.validation.inputs import described, imports
    from mlint.validation.purity import check_pure
    from mlint.validation.region import changed

    module = old.parse()
    before, after = changed(module, new.parse())
    model = FileModel(old, module)
    for statement in before:
        check_pure(statement, model)
    bound = {node.id for part in after for node in ast.walk(part) if isinstance(node, ast.Name)}
    read = {node.id for part in before for node in ast.walk(part) if isinstance(node, ast.Name)}
    modules = imports(before, after, old, new)
    functions = _functions(before, model)
    inputs = described(before, list(functions.values()), model, (bound | read) - set(modules) - set(functions))
    code = ["\n".join(_written(statement) for statement in part) for part in (before, after)]
    starts = [ast.parse(case["value"]) for case in inputs.values() if case["kind"] == "expression"]
    modules.update(imports(starts, (), old, new))
    prelude = (*modules.values(), *(ast.unparse(function) for function in functions.values()))
    return Pair(code[0], code[1], prelude, inputs, tuple(sorted(_outputs(before, after, inputs, model))), exact)


def _outputs(
    before: Sequence[ast.stmt], after: Sequence[ast.stmt], inputs: dict[str, Case], model: FileModel
) -> set[str]:
    """What the rewrite sets, the objects that the code may change, and what is read after it."""
    found = {name for name, case in inputs.items() if case["kind"] not in _IMMUTABLE} | {"returned"}
    rounds = [part for statement in before if isinstance(statement, ast.For) for part in statement.body]
    temporary = {name for name in _stored(rounds) - set(inputs) if not model.flow.uses_after(name, before[-1])}
    found |= _stored(after) - temporary
    found |= {name for name in _stored(before) if model.flow.uses_after(name, before[-1])}
    return found


def _stored(statements: Sequence[ast.stmt]) -> set[str]:
    nodes = [node for statement in statements for node in ast.walk(statement)]
    return {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}


def _written(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Return):
        return f"returned = {ast.unparse(statement.value) if statement.value is not None else None}"
    return ast.unparse(statement)


def _functions(statements: Sequence[ast.stmt], model: FileModel) -> dict[str, ast.FunctionDef]:
    """The functions of the file that the code hands to others, as ``df.apply(grade, axis=1)`` does."""
    from mlint.validation.purity import check_function

    found: dict[str, ast.FunctionDef] = {}
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                function = model.kinds.local_function(node)
                if isinstance(function, ast.FunctionDef):
                    check_function(function, model)
                    found[function.name] = function
    return found


def compare(versions: Pair, *, cases: int = CASES, seed: int = 0, seconds: float = _SECONDS) -> Verdict:
    """Run both versions of a piece of code on generated inputs, in a child process.

    Args:
        versions: the two versions.
        cases: on how many inputs to compare them.
        seed: decides which inputs these are.
        seconds: after how many seconds to give up.
    """
    request = json.dumps({**versions._asdict(), "cases": cases, "seed": seed})
    command = [sys.executable, "-W", "ignore", "-m", "mlint.validation.trial"]
    # Started where mlint lies: in the user's folder a file `random.py` would take the place of Python's own module.
    home = Path(__file__).resolve().parents[2]
    try:
        done = subprocess.run(
            command, input=request, cwd=home, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return Verdict(0, f"it did not end within {seconds:.0f} s")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Verdict(0, f"it could not be executed: {last}")
    compared, difference = json.loads(done.stdout)
    return Verdict(compared, difference)


def validated(old: Source, new: Source, *, exact: bool) -> str | None:
    """Why the rewrite of a loop must not be written, one line; None if it gives the same results.

    Args:
        old: the file.
        new: the file with one fix.
        exact: whether the fix claims to be safe.
    """
    from mlint.validation.purity import NotExecuted

    try:
        versions = pair(old, new, exact=exact)
    except NotExecuted as error:
        return f"it cannot be validated: {error.reason}"
    verdict = compare(versions)
    return None if verdict.difference is None else f"it was not validated: {verdict.difference}"
