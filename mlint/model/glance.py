"""A look at the text of other files, to tell without parsing them that a function in them cannot matter.

Most functions that a training loop calls have nothing to do with gradients. Their text has none of the words, nor has
the text of the functions that they name, and so on: then the files need not be parsed. Whatever cannot be told that way
may matter.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlint.model.project import Project

_DEFINED = re.compile(r"^(?:(?:async[ \t]+def|def|class)[ \t]+(\w+)|(\w+)[ \t]*(?::[^=\n]+)?=(?!=))", re.MULTILINE)
_NEXT = re.compile(r"^[^\s#)\]}]", re.MULTILINE)
_FROM = re.compile(r"^[ \t]*from[ \t]+([.\w]+)[ \t]+import[ \t]+(\([^)]*\)|(?:\\\n|[^\n])*)", re.MULTILINE)
_IMPORT = re.compile(r"^[ \t]*import[ \t]+([^\n#]+)", re.MULTILINE)
_COMMENT = re.compile(r"#[^\n]*")
_WORD = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_MOST = 60
"""As many functions are looked at before the answer is that nobody knows."""


class _Text:
    """The text of a file: where functions, classes and constants begin in it, and where its names come from."""

    __slots__ = ("defined", "imported", "starred", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.defined: dict[str, list[int]] = {}
        for match in _DEFINED.finditer(text):
            self.defined.setdefault(match[1] or match[2], []).append(match.start())
        self.imported: dict[str, str] = {}
        self.starred = False
        bare = _COMMENT.sub("", text) if "import" in text else ""
        for match in _FROM.finditer(bare):
            module, names = match[1], match[2].strip("() \t\\\n")
            if names == "*":
                self.starred = True
            for part in names.replace("\n", " ").replace("\\", " ").split(","):
                words = part.split()
                if words:
                    dot = "" if module.endswith(".") else "."
                    self.imported[words[-1]] = f"{module}{dot}{words[0]}"
        for match in _IMPORT.finditer(bare):
            for part in match[1].split(","):
                words = part.split()
                if len(words) == 3:
                    self.imported[words[2]] = words[0]
                elif len(words) == 1:
                    self.imported[words[0].partition(".")[0]] = words[0].partition(".")[0]

    def parts(self, name: str) -> list[str] | None:
        """The text of the functions or classes of a name; None where their decorators cannot be told."""
        found: list[str] = []
        for start in self.defined.get(name, ()):
            end = self.text.find("\n", start)
            while True:
                following = _NEXT.search(self.text, end + 1) if end >= 0 else None
                end = following.start() if following is not None else len(self.text)
                part = self.text[start:end]
                if following is None or not (part.count('"""') % 2 or part.count("'''") % 2):
                    break  # a string that goes on at the margin ends no function
            begin = start
            while begin:
                above = self.text.rfind("\n", 0, begin - 1) + 1
                if self.text[above] == ")":
                    return None  # a decorator of several lines
                if self.text[above] != "@":
                    break
                begin = above
            found.append(self.text[begin:start] + part)
        return found


class Glances:
    """What texts of the files of a project mention."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._texts: dict[str, _Text | None] = {}
        self._known: dict[tuple[str, str, str], bool] = {}

    def has(self, path: str, word: str) -> bool:
        """Whether a file has a word in it, or cannot be read."""
        read = self._read(path)
        return read is None or word in read.text

    def may(self, dotted: str, importer: str, words: re.Pattern[str]) -> bool:
        """Whether the function or class of a dotted name, or one that it names, may have such words in it."""
        module, name = _split(dotted)
        path = self.project.locate(module, importer) if module else None
        if path is None:
            return True
        key = (path, name, words.pattern)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._search(path, name, words)
        return known

    def _search(self, path: str, name: str, words: re.Pattern[str]) -> bool:
        pending, seen = [(path, name)], {(path, name)}
        while pending:
            path, name = pending.pop()
            read = self._read(path) if len(seen) <= _MOST else None
            parts = None if read is None else read.parts(name)
            if read is None or parts is None:
                return True
            if not parts and name not in read.imported:
                parts = [read.text]  # bound under a condition
            if any(words.search(part) is not None for part in parts):
                return True
            mentioned = {word for part in parts for word in _WORD.findall(part)} if parts else {name}
            for word in mentioned:
                head, _, rest = word.partition(".")
                found: tuple[str, str] | None = None
                if head in read.defined:
                    found = (path, head)
                elif head in read.imported:
                    found = self._imported(path, read.imported[head], rest)
                elif read.starred and any(f"{head}(" in part for part in parts):
                    return True
                if found is not None and found not in seen:
                    seen.add(found)
                    pending.append(found)
        return False

    def _imported(self, path: str, dotted: str, rest: str) -> tuple[str, str] | None:
        """Where an imported name leads in the project: to a function of a module, or to one of its attributes."""
        if not self.project.is_first_party(dotted, path):
            return None
        parts = rest.split(".") if rest else []
        for number in range(len(parts), 0, -1):
            inner = self.project.locate(".".join((dotted, *parts[: number - 1])), path)
            if inner is not None:
                return inner, parts[number - 1]
        module, name = _split(dotted)
        found = self.project.locate(module, path) if module else None
        return None if found is None else (found, name)

    def _read(self, path: str) -> _Text | None:
        if path not in self._texts:
            try:
                with open(path, encoding="utf-8") as handle:
                    self._texts[path] = _Text(handle.read(2_000_000))
            except (OSError, ValueError):
                self._texts[path] = None
        return self._texts[path]


def _split(dotted: str) -> tuple[str, str]:
    """``a.b.c`` is c of a.b, ``.c`` is c of the package itself."""
    module, _, name = dotted.rpartition(".")
    if dotted.startswith(".") and not module.strip("."):
        module = dotted[: len(dotted) - len(name)]
    return module, name
