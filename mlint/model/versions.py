"""Which versions of the libraries a project targets.

A target is a version or a range, from the settings or from the project's dependency files. Rules ask whether every
version in the target satisfies a condition; where the target is not known, the answer is no.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_CLAUSE = re.compile(r"(===|==|~=|!=|<=|>=|<|>)\s*v?(\d+(?:\.\d+)*)")
_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(.*?)\s*(?:;.*)?(?:#.*)?$")
_DISTRIBUTIONS = {
    "scikit-learn": "sklearn",
    "tensorflow-cpu": "tensorflow",
    "xgboost-cpu": "xgboost",
    "lightning": "lightning",
}

Version = tuple[int, ...]
_UNBOUNDED: Version = (1 << 30,)


def parse(text: str) -> Version:
    """``2.6.1`` as numbers. Trailing zeros do not count."""
    numbers = [int(part) for part in text.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def interval(text: str) -> tuple[Version, Version] | None:
    """The lowest and the highest version of a target such as ``2.6``, ``>=2.1,<3`` or ``~=1.4``; None if unbounded
    on both sides or not understood.
    """
    stripped = text.strip()
    if re.fullmatch(r"v?\d+(\.\d+)*", stripped):
        version = parse(stripped.lstrip("v"))
        return version, version
    low: Version = (0,)
    high = _UNBOUNDED
    for operator, number in _CLAUSE.findall(stripped):
        version = parse(number)
        if operator in ("==", "==="):
            low = high = version
        elif operator in (">=", ">"):
            low = max(low, version)
        elif operator == "~=":
            low = max(low, version)
            high = min(
                high,
                (
                    *version[: max(len(number.split(".")) - 1, 1)][:-1],
                    version[max(len(number.split(".")) - 2, 0)],
                    1 << 30,
                ),
            )
        elif operator == "<=":
            high = min(high, version)
        elif operator == "<":
            high = min(high, _below(version))
    if low == (0,) and high == _UNBOUNDED:
        return None
    return low, high


def _below(version: Version) -> Version:
    return (*version[:-1], version[-1] - 1, 1 << 30)


class Versions:
    """The targets of one file's project.

    Args:
        targets: library → version or range, as written in the settings.
        root: folder in which dependency files are looked for when the settings are silent; None for nowhere.
    """

    def __init__(self, targets: Mapping[str, str], root: str | None = None) -> None:
        self._targets = {name.lower().replace("_", "-"): text for name, text in targets.items()}
        self._root = root
        self._found: dict[str, str] | None = None

    def target(self, library: str) -> tuple[Version, Version] | None:
        """The lowest and highest targeted version of a library; None where nothing is known."""
        text = self._targets.get(library)
        if text is None and self._root is not None:
            if self._found is None:
                self._found = _dependencies(self._root)
            text = self._found.get(library)
        return None if text is None else interval(text)

    def satisfies(self, library: str, condition: str) -> bool:
        """Whether every targeted version of a library satisfies a condition such as ``>=2.6`` or ``<2``."""
        target = self.target(library)
        if target is None:
            return False
        low, high = target
        for operator, number in _CLAUSE.findall(condition):
            version = parse(number)
            holds = {
                ">=": low >= version,
                ">": low > version,
                "<=": high <= version,
                "<": high < version or (len(high) > len(version) and high[: len(version)] < version),
                "==": low == high == version,
            }.get(operator, False)
            if not holds:
                return False
        return True


def _dependencies(root: str) -> dict[str, str]:
    """Library → requirement, from the dependency files of a folder."""
    found: dict[str, str] = {}
    for name in ("requirements.txt", "requirements.in", "requirements/base.txt"):
        for line in _lines(os.path.join(root, name)):
            _add(found, line)
    pyproject = os.path.join(root, "pyproject.toml")
    if os.path.isfile(pyproject):
        for requirement in _pyproject(pyproject):
            _add(found, requirement)
    return found


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _pyproject(path: str) -> list[str]:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib  # type: ignore[import-not-found, no-redef, unused-ignore]
    try:
        with open(path, "rb") as file:
            data = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError):
        return []
    project = data.get("project", {})
    requirements = [item for item in project.get("dependencies", []) if isinstance(item, str)]
    poetry = data.get("tool", {}).get("poetry", {}).get("dependencies", {})
    for name, constraint in poetry.items() if isinstance(poetry, dict) else ():
        if isinstance(constraint, str):
            requirements.append(f"{name} {_caret(constraint)}")
    return requirements


def _caret(constraint: str) -> str:
    """Poetry's ``^2.1`` as ``>=2.1,<3``."""
    match = re.fullmatch(r"\^(\d+)((?:\.\d+)*)", constraint.strip())
    if match is None:
        return constraint
    return f">={match.group(1)}{match.group(2)},<{int(match.group(1)) + 1}"


def _add(found: dict[str, str], line: str) -> None:
    match = _REQUIREMENT.match(line)
    if match is None or line.lstrip().startswith(("#", "-")):
        return
    name = match.group(1).lower().replace("_", "-")
    found.setdefault(_DISTRIBUTIONS.get(name, name), match.group(2))
