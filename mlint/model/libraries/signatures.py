"""Parameters as the tables write them: a ``def`` whose annotations tell the history of a parameter.

``sparse: '+1.0; -1.3.2..1.4.2' = True`` came with 1.0, was there in 1.3.2 and was not in 1.4.2;
``flag: '~2.2.2 False' = None`` had the default False until 2.2.2.
"""

from __future__ import annotations

import ast

from mlint.model.libraries import Parameter


def parsed(current: str, former: str) -> tuple[Parameter, ...]:
    """The parameters of a function: those of today, then those of earlier versions."""
    return (*_parameters(current), *(_parameters(former) if former else ()))


def _parameters(text: str) -> list[Parameter]:
    function = ast.parse(f"def f({text}): 0").body[0]
    assert isinstance(function, ast.FunctionDef)
    given = function.args
    positional = [*((a, "positional") for a in given.posonlyargs), *((a, "either") for a in given.args)]
    defaults: list[ast.expr | None] = [*[None] * (len(positional) - len(given.defaults)), *given.defaults]
    found = [_parameter(argument, how, default) for (argument, how), default in zip(positional, defaults)]
    if given.vararg is not None:
        found.append(_parameter(given.vararg, "*", None))
    found += [
        _parameter(argument, "keyword", default) for argument, default in zip(given.kwonlyargs, given.kw_defaults)
    ]
    if given.kwarg is not None:
        found.append(_parameter(given.kwarg, "**", None))
    return found


def _parameter(argument: ast.arg, how: str, default: ast.expr | None) -> Parameter:
    since: str | None = None
    removed: tuple[str, str] | None = None
    earlier: list[tuple[str, str]] = []
    if isinstance(argument.annotation, ast.Constant):
        for note in str(argument.annotation.value).split("; "):
            mark, rest = note[0], note[1:]
            if mark == "+":
                since = rest
            elif mark == "-":
                last, _, without = rest.partition("..")
                removed = (last, without)
            else:
                version, _, value = rest.partition(" ")
                earlier.append((version, value))
    text = None if default is None else ast.unparse(default)
    return Parameter(argument.arg, how, text, since, removed, tuple(earlier))
