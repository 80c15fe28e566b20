"""The commands that a package installs: which of its modules are programs."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping

_LARGEST = 5_000_000


def console_scripts(folder: str) -> dict[str, str]:
    """Module → command, from the packaging files of a folder."""
    found: dict[str, str] = {}
    for name, reader in (("pyproject.toml", _pyproject), ("setup.cfg", _setup_cfg), ("setup.py", _setup_py)):
        path = os.path.join(folder, name)
        try:
            if os.path.getsize(path) > _LARGEST:
                continue
            with open(path, encoding="utf-8-sig", errors="replace") as file:
                text = file.read()
            for command, target in reader(text):
                found.setdefault(target.partition(":")[0].strip(), command)
        except (OSError, ValueError, SyntaxError, RecursionError):
            continue
    return found


def _pyproject(text: str) -> Iterator[tuple[str, str]]:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib  # type: ignore[import-not-found, no-redef, unused-ignore]
    data = tomllib.loads(text)
    project, tool = data.get("project"), data.get("tool")
    poetry = tool.get("poetry") if isinstance(tool, Mapping) else None
    for table, keys in ((project, ("scripts", "gui-scripts")), (poetry, ("scripts",))):
        if not isinstance(table, Mapping):
            continue
        for key in keys:
            scripts = table.get(key)
            for command, target in scripts.items() if isinstance(scripts, Mapping) else ():
                if isinstance(target, str):
                    yield command, target


def _setup_cfg(text: str) -> Iterator[tuple[str, str]]:
    from configparser import Error, RawConfigParser

    parser = RawConfigParser()
    try:
        parser.read_string(text)
    except Error:
        return
    yield from _lines(parser.get("options.entry_points", "console_scripts", fallback=""))


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        match = re.match(r"\s*([\w.-]+)\s*=\s*([\w.]+(?::[\w.]+)?)", line)
        if match is not None:
            yield match.group(1), match.group(2)


def _setup_py(text: str) -> Iterator[tuple[str, str]]:
    if "console_scripts" not in text:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values):
                if isinstance(key, ast.Constant) and key.value == "console_scripts":
                    for part in value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]:
                        if isinstance(part, ast.Constant) and isinstance(part.value, str):
                            yield from _lines(part.value)
