"""Which functions set up or run a program, and which compute something for whoever calls them.

A global mode or a global seed is the business of the first; in the second it leaks into the caller.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlint.model.libraries import ROOTS
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
_PLAIN = frozenset(
    "tqdm wandb matplotlib mpl_toolkits PIL cv2 yaml omegaconf hydra einops tensorboard tensorboardX seaborn plotly "
    "rich "
    "click fire absl requests h5py albumentations skimage tokenizers datasets psutil joblib pytz dateutil regex nltk "
    "networkx imageio tabulate colorama termcolor dotenv optuna gym gymnasium pydantic IPython ipywidgets".split()
)
"""Well-known packages that run no model of one's own."""
_MOST_FILES = 40
"""As many files are looked at for a word."""


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
    """Whether one of some words stands in the file, or in a first-party module that it imports, or one that these
    import; also where there are too many of them to look at.
    """
    if any(word in model.source.text for word in words):
        return True
    project = model.project
    if project is None:
        return False
    seen: set[str] = set()
    pending = [model]
    while pending:
        current = pending.pop()
        for path in _imported(current):
            if path in seen:
                continue
            seen.add(path)
            project.leads_to(model.source.path, path)
            if len(seen) > _MOST_FILES or any(project.mentions(path, word) for word in words):
                return True
            other = project.model(path)
            if other is not None:
                pending.append(other)
    return False


def _imported(model: FileModel) -> Iterator[str]:
    """The files of the first-party modules that a file imports at its top level."""
    project = model.project
    if project is None:
        return
    for binding in model.names.imports():
        if binding.imported is None:
            continue
        for name in (binding.imported, binding.imported.rpartition(".")[0]):
            path = project.locate(name, model.source.path) if name.strip(".") else None
            if path is not None:
                yield path


def imports_strangers(model: FileModel) -> bool:
    """Whether a file imports something that is neither of the standard library, nor a well-known package, nor a
    first-party module that can be found.
    """
    for binding in model.names.imports():
        name = binding.imported
        if name is None:
            continue
        root = name.partition(".")[0]
        if root and (root in sys.stdlib_module_names or root in ROOTS or root in _PLAIN):
            continue
        if model.project is None:
            return True
        if not any(
            part.strip(".") and model.project.locate(part, model.source.path) is not None
            for part in (name, name.rpartition(".")[0])
        ):
            return True
    return False
