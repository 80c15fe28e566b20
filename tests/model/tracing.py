"""Programs run under a tracer that notes what every expression turns out to be.

`trace` rewrites the tree of a program so that each expression that is read goes through a recording call, and runs it.
What cannot be wrapped without changing the meaning of the program (callees, decorators, annotations, base classes,
patterns, the insides of f-strings) is left as it is.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

_RECORD = "__record__"
_OPAQUE = (ast.Constant, ast.Starred, ast.Slice, ast.JoinedStr, ast.FormattedValue, ast.Lambda, ast.Yield, ast.Await)
"""Expressions that are not recorded themselves; what stands in some of them is."""


@dataclass(frozen=True)
class Observed:
    """What one value was.

    Attributes:
        type: its type.
        ndim: number of dimensions, of arrays.
        dtype: name of the dtype, of arrays.
        elements: the first elements, of lists and tuples.
        length: the number of elements, of lists and tuples.
        is_definition: whether it is a class, a function or a module, which have kinds of another sort.
    """

    type: type
    ndim: int | None = None
    dtype: str | None = None
    elements: tuple[Observed, ...] = ()
    length: int | None = None
    is_definition: bool = False

    def mro(self) -> Iterable[str]:
        """The dotted names of the type and of all its bases."""
        return (f"{base.__module__}.{base.__qualname__}" for base in self.type.__mro__)


def observe(value: Any, depth: int = 2) -> Observed:
    """What a value is, without keeping it alive."""
    kind = type(value)
    ndim = dtype = None
    roots = {base.__module__.partition(".")[0] for base in kind.__mro__}
    if not isinstance(value, type) and roots & {"torch", "numpy", "jax", "jaxlib", "tensorflow", "pandas"}:
        try:
            found = value.ndim
            ndim = found if isinstance(found, int) and not isinstance(found, bool) else None
            dtype = str(getattr(value, "dtype", None)).removeprefix("torch.") if ndim is not None else None
            if dtype is not None and dtype.startswith("<dtype: "):
                dtype = dtype.removeprefix("<dtype: '").removesuffix("'>")
        except (AttributeError, TypeError, ValueError, NotImplementedError):
            ndim = dtype = None
    elements: tuple[Observed, ...] = ()
    length = None
    if depth and isinstance(value, (list, tuple)):
        elements = tuple(observe(element, depth - 1) for element in value[:8])
        length = len(value)
    is_definition = isinstance(value, (type, ModuleType)) or (callable(value) and hasattr(value, "__name__"))
    return Observed(kind, ndim, dtype, elements, length, is_definition)


class _Wrapping(ast.NodeTransformer):
    """Puts a recording call around each expression that is read."""

    def __init__(self, numbers: dict[ast.AST, int]) -> None:
        self.numbers = numbers

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, (ast.JoinedStr, ast.pattern, ast.Constant)):
            return node
        if isinstance(node, ast.Call):
            self._within(node.func)
            node.args = [self.visit(argument) for argument in node.args]
            for keyword in node.keywords:
                keyword.value = self.visit(keyword.value)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            defaults = node.args
            defaults.defaults = [self.visit(default) for default in defaults.defaults]
            defaults.kw_defaults = [None if d is None else self.visit(d) for d in defaults.kw_defaults]
            if isinstance(node, ast.Lambda):
                node.body = self.visit(node.body)
            else:
                node.body = [self.visit(statement) for statement in node.body]
        elif isinstance(node, ast.ClassDef):
            node.body = [self.visit(statement) for statement in node.body]
        elif isinstance(node, ast.AnnAssign):
            node.target = self.visit(node.target)
            node.value = None if node.value is None else self.visit(node.value)
        else:
            self.generic_visit(node)
        return self._wrapped(node)

    def _within(self, callee: ast.expr) -> None:
        """What is called is not recorded, what it is read from is."""
        if isinstance(callee, ast.Attribute):
            callee.value = self.visit(callee.value)
        elif not isinstance(callee, ast.Name):
            self.generic_visit(callee)

    def _wrapped(self, node: ast.AST) -> ast.AST:
        if not isinstance(node, ast.expr) or isinstance(node, _OPAQUE):
            return node
        if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            return node
        call = ast.Call(ast.Name(_RECORD, ast.Load()), [ast.Constant(self.numbers[node]), node], [])
        return ast.copy_location(call, node)


def trace(path: Path) -> tuple[int, dict[int, set[Observed]]]:
    """Run a program: call each function of it that needs no arguments.

    Returns:
        How many functions were called, and for each expression (by its number in the order of `ast.walk`) what it was.
    """
    module = ast.parse(path.read_text(encoding="utf-8"))
    seen: dict[int, set[Observed]] = {}

    def record(number: int, value: Any) -> Any:
        seen.setdefault(number, set()).add(observe(value))
        return value

    numbers = {node: number for number, node in enumerate(ast.walk(module))}
    names = [
        statement.name
        for statement in module.body
        if isinstance(statement, ast.FunctionDef) and not statement.name.startswith("_")
    ]
    wrapped = ast.fix_missing_locations(_Wrapping(numbers).visit(module))
    program = ModuleType(f"traced_{path.stem}")
    program.__dict__[_RECORD] = record
    program.__file__ = str(path)
    sys.modules[program.__name__] = program
    called = 0
    try:
        exec(compile(wrapped, str(path), "exec"), program.__dict__)
        for name in names:
            function = program.__dict__[name]
            if not inspect.isfunction(function):
                continue
            if all(p.default is not p.empty for p in inspect.signature(function).parameters.values()):
                function()
                called += 1
    finally:
        del sys.modules[program.__name__]
    return called, seen
