"""Find, read and check the configuration, and answer which rules it turns on.

`Settings` has one field per key; everything else (the reader, the JSON schema, the documentation) is made from them.
"""

from __future__ import annotations

from mlint.settings.model import LIBRARIES, OUTPUT_FORMATS, Option, Selection, Settings, SettingsError, options
from mlint.settings.read import FILE_NAMES, SettingsResolver
from mlint.settings.select import active_codes, fixable_codes

__all__ = [
    "FILE_NAMES",
    "LIBRARIES",
    "OUTPUT_FORMATS",
    "Option",
    "Selection",
    "Settings",
    "SettingsError",
    "SettingsResolver",
    "active_codes",
    "fixable_codes",
    "json_schema",
    "options",
]


def json_schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of the configuration."""
    from mlint.settings.schema import json_schema as made

    return made()
