"""What a file is to its project: an entry point, a library module, a test or a notebook.

A library module must never be told to seed or to set a global mode, only what is run as a program; and tests are judged
by other measures. Everything that asks which one a file is asks here.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.tree import FUNCTIONS

if TYPE_CHECKING:
    from mlint.model.file import FileModel

ENTRY = "entry point"
LIBRARY = "library module"
TEST = "test"
NOTEBOOK = "notebook"

TEST_PATH = re.compile(r"(^|/)(tests?|testing|benchmarks?)/|(^|/)(test_[^/]*|[^/]*_test|conftest)\.py$")
_JUPYTEXT = re.compile(r"\A(?:#.*\n){0,2}# ---\n(?:#.*\n){0,12}#\s+(?:jupytext|kernelspec):")
_TEST_CASES = frozenset(
    "unittest.TestCase unittest.case.TestCase unittest.IsolatedAsyncioTestCase absl.testing.absltest.TestCase "
    "absl.testing.parameterized.TestCase tensorflow.test.TestCase django.test.TestCase "
    "torch.testing._internal.common_utils.TestCase".split()
)
_COMMANDS = frozenset("click.command click.group hydra.main rich_click.command rich_click.group".split())
_RUNNERS = frozenset("fire.Fire typer.run absl.app.run tensorflow.app.run tensorflow.compat.v1.app.run".split())
_COMMAND_WORDS = frozenset({"command", "group", "main", "callback"})
_RUNNING_WORDS = frozenset({"Fire", "run", "parse_args", "parse_known_args"})
_SETTING_UP = tuple(
    "sys. os. warnings. logging. matplotlib.use matplotlib.rc matplotlib.style. seaborn.set "
    "matplotlib.pyplot.style. matplotlib.pyplot.switch_backend matplotlib.pyplot.rc numpy.set_printoptions "
    "numpy.seterr pandas.set_option pandas.options. torch.set_ torch.backends. torch.multiprocessing.set "
    "multiprocessing.set_start_method locale. signal. dotenv. gc. faulthandler. jax.config. "
    "tensorflow.get_logger tensorflow.compat.v1.disable tensorflow.compat.v1.enable tensorflow.config. "
    "tensorflow.compat.v1.logging. tensorflow.logging. gym.register gymnasium.register register "
    "transformers.logging. datasets.logging. transformers.utils.check_min_version rich.traceback. absl.flags. "
    "tqdm.pandas tqdm.tqdm.pandas tqdm.auto.tqdm.pandas".split()
)
"""What is called at the top level of library modules as well."""


class Role(NamedTuple):
    """What a file is, and what says so."""

    name: str
    reason: str


def role_of(model: FileModel) -> Role:
    """The role of a file."""
    path = _inside(model).replace(os.sep, "/")
    name = path.rpartition("/")[2]
    if model.source.is_notebook or name.endswith(".ipynb"):
        return Role(NOTEBOOK, "its cells")
    if _JUPYTEXT.match(model.source.text) is not None:
        return Role(NOTEBOOK, "the header of jupytext")
    if TEST_PATH.search(path) is not None:
        return Role(TEST, "its path")
    reason = _tests(model)
    if reason is not None:
        return Role(TEST, reason)
    reason = _runs(model, name)
    return Role(LIBRARY, "nothing in it runs it") if reason is None else Role(ENTRY, reason)


def _inside(model: FileModel) -> str:
    """The path of a file in its project: that somebody keeps the project under ``tests/`` says nothing."""
    path = model.source.path
    if not os.path.isabs(path):
        return path
    for start in _tops(() if model.project is None else model.project.roots, os.getcwd()):
        if path.startswith(start):
            return path[len(start) :]
    return path


@lru_cache(maxsize=64)
def _tops(roots: tuple[str, ...], current: str) -> tuple[str, ...]:
    """The folders that a project's paths start from, each with a separator at its end."""
    return tuple(os.path.join(top, "") for top in (*sorted(map(os.path.abspath, roots), key=len), current))


def _tests(model: FileModel) -> str | None:
    """What makes a file one of tests."""
    cases = "TestCase" in model.source.text
    for statement in model.module.body:
        if isinstance(statement, ast.ClassDef):
            if cases and any(
                _may_be_case(base) and model.names.dotted(base) in _TEST_CASES for base in statement.bases
            ):
                return f"the test case {statement.name}"
            if statement.name.startswith("Test") and _has_tests(statement.body) and _imports_pytest(model):
                return f"the test class {statement.name}"
        elif isinstance(statement, FUNCTIONS) and statement.name.startswith("test_") and _imports_pytest(model):
            return f"the test function {statement.name}"
    return None


def _may_be_case(base: ast.expr) -> bool:
    return not isinstance(base, ast.Attribute) or base.attr.endswith("TestCase")


def _has_tests(body: list[ast.stmt]) -> bool:
    return any(isinstance(part, FUNCTIONS) and part.name.startswith("test_") for part in body)


def _imports_pytest(model: FileModel) -> bool:
    return "import pytest" in model.source.text or "from pytest" in model.source.text


def _runs(model: FileModel, name: str) -> str | None:
    """What makes a file a program."""
    if name == "__main__.py":
        return "its name"
    if name == "setup.py":
        return None  # it builds a package, and computes nothing
    if "__name__" in model.source.text and any(is_main_guard(statement) for statement in model.module.body):
        return "a main guard"
    command = next(_commands(model), None)
    if command is not None:
        return command
    script = None if model.project is None else model.project.console_script(model.source.path)
    if script is not None:
        return f"the command {script} of its package"
    folder = os.path.dirname(model.source.path)
    if name == "__init__.py" or os.path.exists(os.path.join(folder, "__init__.py")):
        return None  # a module of a package: what it calls at its top level, it calls when it is imported
    if re.match(r"#!.*python", model.source.text) is not None:
        return "its first line"
    for statement in _executed(model.module.body):
        if isinstance(statement, (ast.For, ast.While)):
            return f"the loop in line {statement.lineno}"
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            if not _sets_up(model, statement.value):
                return f"the call in line {statement.lineno}"
    return None


def _executed(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a block, and those in its `with` blocks."""
    for statement in body:
        if isinstance(statement, ast.With):
            yield from _executed(statement.body)
        else:
            yield statement


def _sets_up(model: FileModel, call: ast.Call) -> bool:
    dotted = model.names.dotted(call.func)
    if dotted is not None:
        return dotted.startswith(_SETTING_UP)
    # `logger.setLevel(…)`, `parser.add_argument(…)`: set up, unless something is parsed or run after it
    return isinstance(call.func, ast.Attribute) and call.func.attr in (
        "setLevel", "addHandler", "setFormatter", "add_argument", "disable", "register", "basicConfig",
    )  # fmt: skip


def _commands(model: FileModel) -> Iterator[str]:
    """The functions that are commands by their decorators, and arguments that are read at the top level."""
    for statement in model.module.body:
        if isinstance(statement, FUNCTIONS):
            for decorator in statement.decorator_list:
                callee = decorator.func if isinstance(decorator, ast.Call) else decorator
                if isinstance(callee, ast.Attribute) and callee.attr not in _COMMAND_WORDS:
                    continue
                if model.names.dotted(callee) in _COMMANDS or _is_typer(model, callee):
                    yield f"the command {statement.name}"
        elif isinstance(statement, (ast.Assign, ast.Expr)) and isinstance(statement.value, ast.Call):
            func = statement.value.func
            if isinstance(func, ast.Attribute) and func.attr not in _RUNNING_WORDS:
                continue
            if model.names.dotted(func) in _RUNNERS:
                yield f"the call in line {statement.lineno}"
            elif isinstance(func, ast.Attribute) and func.attr in ("parse_args", "parse_known_args"):
                yield f"the arguments read in line {statement.lineno}"


def _is_typer(model: FileModel, callee: ast.expr) -> bool:
    """``@app.command()`` with ``app = typer.Typer()``."""
    if not isinstance(callee, ast.Attribute) or callee.attr not in ("command", "callback"):
        return False
    if not isinstance(callee.value, ast.Name):
        return False
    found = model.names.lookup(callee.value)
    return found is not None and any(
        isinstance(binding.value, ast.Call) and model.names.dotted(binding.value.func) == "typer.Typer"
        for binding in found[1]
    )


def is_main_guard(node: ast.AST) -> bool:
    """Whether a statement is ``if __name__ == "__main__":``, in either order."""
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare):
        return False
    parts = [node.test.left, *node.test.comparators]
    return any(isinstance(part, ast.Name) and part.id == "__name__" for part in parts)
