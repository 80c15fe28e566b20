"""Which checks a selector means: a code, the beginning of codes, a name, or ALL."""

from __future__ import annotations


def selects(text: str, code: str, name: str) -> bool:
    """Whether a selector means a check; a check may have several names."""
    word = text.upper()
    if word == "ALL" or (word.startswith("MS") and code.startswith(word)):
        return True
    return text.lower().replace("_", "-") in name.split(", ")
