"""The texts around a report: what was fixed, what rules cost, which settings hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from mlint.report.summary import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlint.linter import Outcome
    from mlint.settings import Settings


def fixes(outcomes: Iterable[Outcome], verb: str) -> str:
    """Return what was fixed in which file."""
    lines: list[str] = []
    total = 0
    for outcome in outcomes:
        if not outcome.applied:
            continue
        lines.append(f"- {outcome.path}:")
        counts = Counter((finding.code, finding.name) for finding in outcome.applied)
        for (code, name), count in sorted(counts.items()):
            lines.append(f"    {count} × {code} ({name})")
        total += len(outcome.applied)
    return "\n".join([f"{verb} {counted(total, 'finding')}:", *lines]) if lines else ""


def timings(outcomes: Iterable[Outcome], limit: int = 25) -> str:
    """Return a table of what each rule has cost over all files."""
    total: dict[str, float] = {}
    for outcome in outcomes:
        for code, seconds in outcome.timings.items():
            total[code] = total.get(code, 0.0) + seconds
    if not total:
        return "No rule had anything to look at."
    everything = sum(total.values()) or 1.0
    lines = ["      ms      %  rule"]
    for code, seconds in sorted(total.items(), key=lambda item: (-item[1], item[0]))[:limit]:
        lines.append(f"{seconds * 1000:8.2f}  {100 * seconds / everything:5.1f}  {code}")
    return "\n".join(lines)


def settings_lines(settings: Settings, path: str, codes: Iterable[str]) -> Iterator[str]:
    """Yield the settings that hold for ``path`` in TOML, each with the place that it comes from.

    ``codes`` are the rules that are on; they come first, since what turns them on may lie in several places.
    """
    from mlint.settings import options

    yield f"# for {path}"
    yield f"# configuration: {settings.config_path or 'none'}"
    yield f"# rules that are on: {', '.join(sorted(codes)) or 'none'}"
    for layer in settings.earlier:
        for name, origin in layer.origins:
            yield f"# {name.replace('_', '-')} = {_toml(getattr(layer, name))}  # {origin}; what is below goes on top"
    tables: list[str] = []
    for option in options():
        value = getattr(settings, option.field)
        origin = settings.origins.get(option.field, "")
        note = f"  # {origin}" if origin else ""
        if value is None:
            yield f"# {option.key} is not set"
        elif isinstance(value, dict) or (value and isinstance(value, tuple) and isinstance(value[0], tuple)):
            pairs = sorted(value.items()) if isinstance(value, dict) else value
            tables.extend(["", f"[{option.key}]{note}", *(f"{_word(key)} = {_toml(item)}" for key, item in pairs)])
        else:
            yield f"{option.key} = {_toml(value)}{note}"
    yield from tables


def _word(key: str) -> str:
    import json

    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else json.dumps(key)


def _toml(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_word(str(key))} = {_toml(item)}" for key, item in sorted(value.items())) + " }"
    import json

    return json.dumps(value, ensure_ascii=False)
