"""What the client says about how it wants mlint to be: the settings of the editor, not those of the project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

_DEBOUNCE = 100
_LONGEST_DEBOUNCE = 10_000
SWITCHES = ("enable", "workspaceDiagnostics", "fixAll", "unsafeFixes")


class Preferences(NamedTuple):
    """The editor's settings for a workspace folder.

    Attributes:
        enable: whether to report anything.
        config: a configuration file that holds in place of those that would be found.
        configuration: settings as in a configuration file, which come before those of the project.
        debounce: milliseconds without a keystroke before diagnostics are pushed.
        workspace_diagnostics: whether files that are not open are reported when the client asks for the workspace.
        fix_all: whether ``source.fixAll.mlint`` is offered.
        unsafe_fixes: whether fixes that may change behaviour are offered, each by itself.
    """

    enable: bool = True
    config: str = ""
    configuration: Mapping[str, Any] = {}
    debounce: int = _DEBOUNCE
    workspace_diagnostics: bool = True
    fix_all: bool = True
    unsafe_fixes: bool = True


def read_preferences(said: object) -> tuple[Preferences, list[str]]:
    """The preferences in what a client sent, and a line about each value that is not to be used.

    ``{"settings": {...}}``, ``{"mlint": {...}}`` and the bare table are all understood; clients differ.
    """
    table: object = said
    for key in ("settings", "mlint"):
        if isinstance(table, Mapping) and isinstance(table.get(key), Mapping):
            table = table[key]
    if not isinstance(table, Mapping):
        return Preferences(), []
    wrong: list[str] = []

    def switch(key: str) -> bool:
        value = table.get(key)
        if value is not None and not isinstance(value, bool):
            wrong.append(f"mlint.{key}: say true or false, not {value!r}")
            return True
        return value is not False

    config = table.get("config") or ""
    if not isinstance(config, str):
        wrong.append(f"mlint.config: give the path of a file, not {config!r}")
        config = ""
    configuration = table.get("configuration") or {}
    if not isinstance(configuration, Mapping):
        wrong.append(f"mlint.configuration: give settings as in mlint.toml, not {configuration!r}")
        configuration = {}
    debounce = table.get("debounce")
    if debounce is None:
        debounce = _DEBOUNCE
    elif isinstance(debounce, bool) or not isinstance(debounce, int) or not 0 <= debounce <= _LONGEST_DEBOUNCE:
        wrong.append(f"mlint.debounce: say milliseconds from 0 to {_LONGEST_DEBOUNCE}, not {debounce!r}")
        debounce = _DEBOUNCE
    enable, workspace_diagnostics, fix_all, unsafe_fixes = (switch(key) for key in SWITCHES)
    read = Preferences(enable, config, dict(configuration), debounce, workspace_diagnostics, fix_all, unsafe_fixes)
    return read, wrong
