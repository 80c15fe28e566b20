"""Which functions set up or run a program, and which compute something for whoever calls them.

A global mode or a global seed is the business of the first; in the second it leaks into the caller.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from mlint.model.tree import FunctionNode

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_SETTERS = re.compile(
    r"^_*(set|enable|disable|configure|config|setup|init|initialize|initialise|seed|use|turn|toggle|make|fix|prepare|"
    r"start|install|apply|patch|register|main|run|cli|launch|entry|train|worker|spawn|reset|restore|load_ipython)(_|$)|"
    r"^__(enter|exit|init|post_init)__$|determinis|precision|seed|default|_setup$|_worker$|_main$|main_|context|mode",
    re.IGNORECASE,
)
"""Names of functions whose business is to set things up for the rest of the program."""
_ENDS = ("__exit__", "tearDown", "teardown", "close")
_DEEPEST = 4


def sets_up(model: FileModel, function: FunctionNode, depth: int = 0) -> bool:
    """Whether a function sets up the program: by its name, by a decorator, because its class has an end at which it is
    undone, or because only an entry point calls it.
    """
    if _SETTERS.search(function.name) or function.decorator_list:
        return True
    parent = model.tree.parent(function)
    if isinstance(parent, ast.ClassDef) and any(
        isinstance(other, ast.FunctionDef) and other.name in _ENDS for other in parent.body
    ):
        return True
    return runs_program(model, function, depth)


def runs_program(model: FileModel, function: FunctionNode, depth: int = 0) -> bool:
    """Whether the top level of its file runs a function, or a function that sets up the program does."""
    for caller in model.calls_by_definition().get(function, []):
        outer = model.tree.function(caller)
        if outer is None or (outer is not function and depth < _DEEPEST and sets_up(model, outer, depth + 1)):
            return True
    return False


def mentioned(model: FileModel, *words: str) -> bool:
    """Whether one of some words stands in the file, or in a first-party module that it imports anywhere."""
    if any(word in model.source.text for word in words):
        return True
    if model.project is None:
        return False
    seen: set[str] = set()
    for binding in model.names.imports():
        if binding.imported is None:
            continue
        for name in (binding.imported, binding.imported.rpartition(".")[0]):
            path = model.project.locate(name, model.source.path) if name.strip(".") else None
            if path is not None and path not in seen:
                seen.add(path)
                model.project.leads_to(model.source.path, path)
                if any(model.project.mentions(path, word) for word in words):
                    return True
    return False
