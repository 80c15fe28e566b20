"""Which rules are on for a file, and which may be fixed: selectors against the index of rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mlint.globs import Globs
from mlint.settings.model import LIBRARIES, Selection, Settings, SettingsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class _Entry(Protocol):
        @property
        def code(self) -> str: ...
        @property
        def name(self) -> str: ...
        @property
        def libraries(self) -> tuple[str, ...]: ...
        @property
        def default(self) -> bool: ...
        @property
        def in_tests(self) -> bool: ...

    class _Index(Protocol):
        @property
        def entries(self) -> Sequence[_Entry]: ...
        @property
        def by_code(self) -> Mapping[str, _Entry]: ...
        @property
        def by_name(self) -> Mapping[str, _Entry]: ...


SYNTAX_ERROR = "ML000"
"""Always on, because a file that was not read must never look clean; only its own code or name turns it off."""

_EXACT = 100
"""The rank of a code or a name in full; see `_Selectors.rank`."""


def active_codes(settings: Settings, index: _Index, relative_path: str) -> frozenset[str]:
    """The codes of the rules that are on for a file.

    Args:
        settings: The settings that hold for the file.
        index: All rules; worked out once for each pair of objects, so pass the same ones for many files.
        relative_path: The file as `Settings.relative` gives it.

    Raises:
        SettingsError: If a selector, in whichever setting, stands for no rule.
    """
    return _plan(settings, index).codes(relative_path)


def fixable_codes(settings: Settings, index: _Index) -> frozenset[str]:
    """The codes of the rules whose findings ``--fix`` may fix; whether they are on is another question.

    Raises:
        SettingsError: If a selector, in whichever setting, stands for no rule.
    """
    return _plan(settings, index).fixable


class _Plan:
    """All that can be worked out before the path of a file is known."""

    def __init__(self, settings: Settings, index: _Index) -> None:
        self.index = index
        selectors = _Selectors(settings, index)
        layers = (*settings.earlier, settings.selection)
        self.active, self.fixable = selectors.resolve(layers)
        self.per_file: list[tuple[Globs, bool, frozenset[str]]] = []
        for pattern, ignored in settings.per_file_ignores:
            codes: set[str] = set()
            for position, selector in enumerate(ignored):
                path = ("per-file-ignores", pattern, position)
                found = selectors.codes(selector, settings.origins.get("per_file_ignores", ""), path)
                codes |= found if selectors.rank(selector) == _EXACT else found - {SYNTAX_ERROR}
            globs = Globs([pattern.removeprefix("!")], settings.root)
            self.per_file.append((globs, pattern.startswith("!"), frozenset(codes)))
        self.loud = frozenset(entry.code for entry in index.entries if not entry.in_tests)
        silent = self.loud and not settings.all_rules_in_tests
        self.tests = Globs(settings.test_paths if silent else (), settings.root)
        self.made: dict[tuple[int, ...], frozenset[str]] = {(): self.active}

    def codes(self, path: str) -> frozenset[str]:
        """The rules that are on for a path; the same object for the same combination of matches."""
        matches = [at for at, (globs, negated, _) in enumerate(self.per_file) if globs.covers(path) != negated]
        if self.tests.covers(path):
            matches.append(-1)
        key = tuple(matches)
        if key not in self.made:
            off = [self.loud if at == -1 else self.per_file[at][2] for at in matches]
            self.made[key] = self.active.difference(*off)
        return self.made[key]


def _plan(settings: Settings, index: _Index) -> _Plan:
    plan = settings.remembered.get("plan")
    if isinstance(plan, _Plan) and plan.index is index:
        return plan
    plan = _Plan(settings, index)
    settings.remembered["plan"] = plan
    return plan


class _Selectors:
    """What selectors stand for in one index."""

    def __init__(self, settings: Settings, index: _Index) -> None:
        self.settings, self.index = settings, index
        self.libraries: dict[str, set[str]] = {library: set() for library in LIBRARIES}
        self.every: set[str] = set()
        for entry in index.entries:
            self.every.add(entry.code)
            for library in entry.libraries:
                self.libraries.setdefault(library, set()).add(entry.code)

    def rank(self, selector: str) -> int:
        """How specific a selector is: ``ALL``, then letters alone (``ML``), then a library or one digit (``ML5``),
        then two digits, then a code or name in full. A library is no less specific than a family of rules, so that
        either can be ignored out of the other.
        """
        if selector == "ALL":
            return 0
        if selector in self.index.by_code or selector in self.index.by_name:
            return _EXACT
        if selector in self.libraries:
            return 2
        return 1 + sum(character.isdigit() for character in selector)

    def codes(self, selector: str, origin: str, path: tuple[str | int, ...]) -> set[str]:
        """The codes that a selector stands for; `origin` and `path` say where it was written."""
        if selector == "ALL":
            return self.every
        if selector in self.index.by_code:
            return {selector}
        if selector in self.index.by_name:
            return {self.index.by_name[selector].code}
        if selector in self.libraries:
            return self.libraries[selector]
        letters = selector.rstrip("0123456789")
        found = {
            code for code in self.every if code.startswith(selector) and code.rstrip("0123456789") == letters
        } if letters else set()  # fmt: skip
        if not found:
            raise SettingsError(self.unknown(selector, origin, path))
        return found

    def unknown(self, selector: str, origin: str, path: tuple[str | int, ...]) -> str:
        """The error for a selector that stands for nothing."""
        import os

        from mlint.settings.read import place
        from mlint.settings.values import nearest

        prefixes = {code[:size] for code in self.every for size in range(2, len(code)) if code[size - 1].isdigit()}
        words = [*self.every, *self.index.by_name, *self.libraries, *prefixes, "ALL"]
        name = str(path[0])
        if origin == f"--{name}":
            where, subject = "", origin
        elif os.path.isabs(origin):
            keys = ("tool", "mlint") if os.path.basename(origin) == "pyproject.toml" else ()
            where, subject = place(origin, (*keys, *path)) + ": ", f'"{name}"'
        else:
            where, subject = f"{origin}: " if origin else "", f'"{name}"'
        kind = "a code" if selector[-1:].isdigit() else "a rule or library"
        return f'{where}{subject} names {kind} that does not exist, "{selector}"{nearest(selector, sorted(words))}'

    def resolve(self, layers: Sequence[Selection]) -> tuple[frozenset[str], frozenset[str]]:
        """The rules that are on and the rules that may be fixed, from all layers."""
        active = {entry.code for entry in self.index.entries if entry.default}
        fixable = set(self.every)
        kept = True
        for layer in layers:
            changes = self.changes(layer, ("select", "extend_select"), ("ignore",))
            kept = changes.get(SYNTAX_ERROR, kept)
            active = _applied(changes, set() if layer.select is not None else active)
            changes = self.changes(layer, ("fixable",), ("unfixable",))
            fixable = _applied(changes, set() if layer.fixable is not None else fixable)
        if SYNTAX_ERROR in self.every:
            (active.add if kept else active.discard)(SYNTAX_ERROR)
        return frozenset(active), frozenset(fixable)

    def changes(self, layer: Selection, on: Iterable[str], off: Iterable[str]) -> dict[str, bool]:
        """What a layer turns on and off: the more specific selector wins, between equals the one that turns off."""
        result: dict[str, bool] = {}
        ranked: list[tuple[int, int, bool, set[str]]] = []
        for names, turn_on in ((on, True), (off, False)):
            for name in names:
                for position, selector in enumerate(getattr(layer, name) or ()):
                    found = self.codes(selector, layer.origin(name), (name.replace("_", "-"), position))
                    rank = self.rank(selector)
                    if not turn_on and rank != _EXACT:
                        found = found - {SYNTAX_ERROR}
                    ranked.append((rank, 0 if turn_on else 1, turn_on, found))
        for _, _, turn_on, found in sorted(ranked, key=lambda item: item[:2]):
            result.update(dict.fromkeys(found, turn_on))
        return result


def _applied(changes: Mapping[str, bool], codes: set[str]) -> set[str]:
    return (codes | {code for code, on in changes.items() if on}) - {code for code, on in changes.items() if not on}
