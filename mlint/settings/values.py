"""The kinds of value a setting can have: how each is read, written as a flag, and described in the JSON schema."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

Path = tuple["str | int", ...]
"""The way to a part of a value: keys of tables and indices of lists."""

_CLAUSE = r"(?:~=|==|!=|<=|>=|<|>) *[0-9]+(?:\.[0-9]+)*(?:\.\*|(?:(?:a|b|rc)[0-9]+)?(?:\.post[0-9]+)?(?:\.dev[0-9]+)?)"
_BARE = r"[0-9]+(?:\.[0-9]+)*(?:(?:a|b|rc)[0-9]+)?(?:\.post[0-9]+)?(?:\.dev[0-9]+)?"
VERSIONS = rf"^ *(?:{_BARE}|{_CLAUSE}(?: *, *{_CLAUSE})*) *$"
"""A version (``2.6``) or a range (``>=2.6,<3``); readable by Python's and by ECMAScript's regular expressions."""


class WrongValueError(Exception):
    """A value is not what its setting takes.

    ``message`` continues the name of the setting ("must be a list of strings, not a string"); ``path`` leads from
    the setting's value to the part that is wrong; ``key`` is an unknown key of a table, for the errors about keys.
    """

    def __init__(self, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


def nearest(word: str, words: Iterable[str]) -> str:
    """``; did you mean "x"?`` for the word of `words` most like `word`, or an empty string."""
    import difflib  # only an error needs it

    spelt = {other.casefold().replace("_", "-"): other for other in words}
    found = difflib.get_close_matches(word.casefold().replace("_", "-"), spelt, n=1, cutoff=0.6)
    return f'; did you mean "{spelt[found[0]]}"?' if found else ""


def type_name(value: object) -> str:
    """What TOML calls the type of `value`, with its article."""
    if isinstance(value, bool):
        return "a boolean"
    for kind, name in ((int, "an integer"), (float, "a float"), (str, "a string"), (Mapping, "a table")):
        if isinstance(value, kind):
            return name
    return "a list" if isinstance(value, (list, tuple)) else "a date or time"


class Kind:
    """One kind of value."""

    words: str
    """The kind as the documentation and the errors call it."""

    def read(self, value: object) -> object:
        """The value as `Settings` holds it; raises `WrongValueError` if it is not of this kind."""
        raise NotImplementedError

    def flag(self, value: object) -> object:
        """A value given on the command line, as it would stand in TOML."""
        return value

    def schema(self) -> dict[str, object]:
        """The kind in JSON Schema."""
        raise NotImplementedError

    def wrong(self, value: object, path: Path = ()) -> WrongValueError:
        """The error for a value of another type."""
        return WrongValueError(f"must be {self.words}, not {type_name(value)}", path)


class Switch(Kind):
    """true or false."""

    words = "true or false"

    def read(self, value: object) -> object:
        """Only a real boolean."""
        if not isinstance(value, bool):
            raise self.wrong(value)
        return value

    def schema(self) -> dict[str, object]:
        """A boolean."""
        return {"type": "boolean"}


class Whole(Kind):
    """An integer between two bounds."""

    def __init__(self, minimum: int, maximum: int) -> None:
        self.minimum, self.maximum = minimum, maximum
        self.words = f"an integer from {minimum} to {maximum}"

    def read(self, value: object) -> object:
        """Only a real integer within the bounds."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong(value)
        if not self.minimum <= value <= self.maximum:
            raise WrongValueError(f"must be {self.words}, not {value}")
        return value

    def flag(self, value: object) -> object:
        """Digits are a number."""
        if isinstance(value, str):
            try:
                return int(value)
            except ValueError:
                return value
        return value

    def schema(self) -> dict[str, object]:
        """A bounded integer."""
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


class Text(Kind):
    """A string that is not empty."""

    words = "a string"

    def read(self, value: object) -> object:
        """Only a string with something in it."""
        if not isinstance(value, str):
            raise self.wrong(value)
        if not value:
            raise WrongValueError("must not be empty")
        return value

    def schema(self) -> dict[str, object]:
        """A string."""
        return {"type": "string", "minLength": 1}


class FilePath(Text):
    """A path, relative to the folder of the file that says it."""

    words = "a path"


class Choice(Text):
    """One of a few words."""

    def __init__(self, *choices: str) -> None:
        self.choices = choices
        self.words = "one of " + ", ".join(f'"{choice}"' for choice in choices)

    def read(self, value: object) -> object:
        """Only one of the words, spelt exactly."""
        if not isinstance(value, str):
            raise self.wrong(value)
        if value not in self.choices:
            raise WrongValueError(f'must be {self.words}, not "{value}"{nearest(value, self.choices)}')
        return value

    def schema(self) -> dict[str, object]:
        """An enumeration."""
        return {"type": "string", "enum": list(self.choices)}


class Strings(Kind):
    """A list of strings, kept as a tuple."""

    words = "a list of strings"
    item = "a string"

    def read(self, value: object) -> object:
        """Only a list, and only strings with something in them."""
        if not isinstance(value, (list, tuple)):
            raise self.wrong(value)
        for index, item in enumerate(value):
            if not isinstance(item, str):
                raise WrongValueError(f"must be {self.words}; item {index + 1} is {type_name(item)}", (index,))
            if not item:
                raise WrongValueError(f"must be {self.words}; item {index + 1} is empty", (index,))
        return tuple(value)

    def flag(self, value: object) -> object:
        """``--exclude a,b --exclude c``: split at commas."""
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
            return value
        return [part.strip() for text in texts for part in text.split(",") if part.strip()]

    def schema(self) -> dict[str, object]:
        """An array of strings."""
        return {"type": "array", "items": {"type": "string", "minLength": 1}}


class Selectors(Strings):
    """Rules: codes, beginnings of codes, names, libraries, ALL. Whether they exist is known only with the index."""

    words = 'a list of codes, names, libraries or "ALL"'


class Patterns(Strings):
    """Gitignore patterns, relative to the folder of the file that says them."""

    words = "a list of patterns"


class FilePaths(Strings):
    """Paths, relative to the folder of the file that says them."""

    words = "a list of paths"


class PatternTable(Kind):
    """Patterns and what belongs to each, kept as a tuple of pairs."""

    words = 'a table of patterns, each with a list of codes, names, libraries or "ALL"'

    def read(self, value: object) -> object:
        """Only a table of lists of strings."""
        if not isinstance(value, Mapping):
            raise self.wrong(value)
        pairs = []
        for pattern, selectors in value.items():
            if not str(pattern).lstrip("!"):
                raise WrongValueError("has an empty pattern", (pattern,))
            try:
                pairs.append((str(pattern), Selectors().read(selectors)))
            except WrongValueError as error:
                raise WrongValueError(error.message, (pattern, *error.path)) from None
        return tuple(pairs)

    def flag(self, value: object) -> object:
        """``PATTERN:CODES``, repeated or with commas between: ``tests/*:ML1,ML501``."""
        if isinstance(value, str):
            value = [value]
        if isinstance(value, Mapping) or not isinstance(value, Sequence):
            return value
        table: dict[str, list[str]] = {}
        for text in value:
            pattern = ""
            for part in str(text).split(","):
                head, colon, selector = part.rpartition(":")
                pattern = head.strip() if colon else pattern
                if not pattern or not selector.strip():
                    raise WrongValueError(f'must be written PATTERN:CODE, not "{text}"')
                table.setdefault(pattern, []).append(selector.strip())
        return table

    def schema(self) -> dict[str, object]:
        """An object of arrays of strings."""
        return {
            "type": "object",
            "propertyNames": {"pattern": "[^!]"},
            "additionalProperties": Selectors().schema(),
        }


class WordTable(Kind):
    """A table of words to one of a few words."""

    def __init__(self, words: str, separator: str, *choices: str) -> None:
        self.words, self.separator = words, separator
        self.choice = Choice(*choices)

    def read(self, value: object) -> object:
        """Only a table of the known words."""
        if not isinstance(value, Mapping):
            raise self.wrong(value)
        for key, item in value.items():
            if not key or "." in key or "/" in key:
                raise WrongValueError(f'takes file name endings without dot or slash, not "{key}"', (key,))
            try:
                self.choice.read(item)
            except WrongValueError as error:
                raise WrongValueError(error.message, (key,)) from None
        return dict(value)

    def flag(self, value: object) -> object:
        """``ENDING:KIND``, repeated or with commas between."""
        parts = Strings().flag(value)
        if not isinstance(parts, list):
            return value
        table = {}
        for part in parts:
            key, separator, word = part.partition(self.separator)
            if not separator:
                raise WrongValueError(f'must be written ENDING{self.separator}KIND, not "{part}"')
            table[key.strip().removeprefix(".")] = word.strip()
        return table

    def schema(self) -> dict[str, object]:
        """An object of an enumeration."""
        return {
            "type": "object",
            "propertyNames": {"pattern": "^[^./]+$"},
            "additionalProperties": self.choice.schema(),
        }


class VersionTable(Kind):
    """A table of libraries to the versions that the project supports."""

    words = 'a table of libraries, each with a version ("2.6") or a range (">=2.6,<3")'

    def __init__(self, libraries: Sequence[str], aliases: Mapping[str, str]) -> None:
        self.libraries, self.aliases = tuple(libraries), aliases

    def read(self, value: object) -> object:
        """Only known libraries and versions; other names of a library become its import name."""
        if not isinstance(value, Mapping):
            raise self.wrong(value)
        table: dict[str, str] = {}
        for library, versions in value.items():
            name = self.aliases.get(library, library)
            if name not in self.libraries:
                words = (*self.libraries, *self.aliases)
                raise WrongValueError(f'has an unknown library "{library}"{nearest(library, words)}', (library,))
            if not isinstance(versions, str):
                raise WrongValueError(f'must be a version ("2.6") or a range, not {type_name(versions)}', (library,))
            if not re.fullmatch(VERSIONS, versions):
                raise WrongValueError(
                    f'must be a version ("2.6") or a range (">=2.6,<3"), not "{versions}"', (library,)
                )
            if name in table:
                raise WrongValueError(f'names the library "{name}" twice', (library,))
            table[name] = versions.strip()
        return table

    def schema(self) -> dict[str, object]:
        """An object of versions."""
        return {
            "type": "object",
            "propertyNames": {"enum": [*self.libraries, *self.aliases]},
            "additionalProperties": {"type": "string", "pattern": VERSIONS},
        }


class LazyTable(Kind):
    """A table whose keys are known to a module that is imported when there is one.

    Args:
        module: the module.
        name: the kind in it that reads the table.
    """

    words = "a table"

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def read(self, value: object) -> object:
        """The table as that kind reads it."""
        return self._kind().read(value)

    def schema(self) -> dict[str, object]:
        """The schema of that kind."""
        return self._kind().schema()

    def _kind(self) -> Kind:
        import importlib

        kind: Kind = getattr(importlib.import_module(self.module), self.name)()
        return kind
