"""The JSON schema and the list of settings in the documentation, both made from the fields of `Settings`."""

from __future__ import annotations

from collections.abc import Mapping

from mlint.settings.model import options

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of ``mlint.toml`` and of ``[tool.mlint]``."""
    properties: dict[str, object] = {
        "extend": {
            "type": "string",
            "minLength": 1,
            "description": "Another configuration file that this one builds on, relative to this file.",
        }
    }
    for option in options():
        about: dict[str, object] = {"description": option.explanation, **option.kind.schema()}
        if option.default is not None:
            about["default"] = _plain(option.default)
        properties[option.key] = about
    return {
        "$schema": _DIALECT,
        "$id": "https://raw.githubusercontent.com/mlint/mlint/main/mlint.schema.json",
        "title": "mlint",
        "description": "The configuration of mlint: mlint.toml, .mlint.toml, or [tool.mlint] in pyproject.toml.",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def schema_text() -> str:
    """The schema as it is kept in ``mlint.schema.json``."""
    import json

    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def options_text() -> str:
    """Every setting as a section of Markdown: type, default, what an extending file does to it, example."""
    inherited = {
        "replaced": "replaces what an extended file says",
        "joined": "is added to what an extended file says",
        "layered": "is applied on top of what an extended file says",
    }
    parts = []
    for option in options():
        lines = [
            f"### `{option.key}`",
            "",
            option.explanation,
            "",
            f"- Type: {option.kind.words}",
            f"- Default: {_toml(option.default)}",
            f"- With `extend`: {inherited[option.inherited]}",
            "",
            "```toml",
            option.example,
            "```",
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _plain(value: object) -> object:
    """A default as JSON has it."""
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _toml(value: object) -> str:
    """A default as TOML has it, in Markdown."""
    import json

    if value is None:
        return "not set"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(json.dumps(item) for item in value) + "]`"
    if isinstance(value, Mapping):
        return "`{}`"
    return f"`{json.dumps(value)}`"
