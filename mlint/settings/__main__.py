"""``python -m mlint.settings`` prints the JSON schema; with ``--write`` it renews the generated files of a checkout."""

from __future__ import annotations

import os
import sys

from mlint.settings.schema import options_text, schema_text

START = "<!-- settings: written by python -m mlint.settings --write -->\n"
END = "<!-- end of settings -->\n"


def write(checkout: str) -> None:
    """Renew ``mlint.schema.json`` and the list of settings in ``docs/configuration.md``."""
    with open(os.path.join(checkout, "mlint.schema.json"), "w", encoding="utf-8", newline="\n") as stream:
        stream.write(schema_text())
    page = os.path.join(checkout, "docs", "configuration.md")
    with open(page, encoding="utf-8") as stream:
        text = stream.read()
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    with open(page, "w", encoding="utf-8", newline="\n") as stream:
        stream.write(before + START + "\n" + options_text() + "\n" + END + after)


def main(arguments: list[str]) -> int:
    """Print the schema, or write the generated files."""
    if arguments not in ([], ["--write"]):
        print("usage: python -m mlint.settings [--write]", file=sys.stderr)
        return 2
    if arguments:
        write(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    else:
        sys.stdout.write(schema_text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
