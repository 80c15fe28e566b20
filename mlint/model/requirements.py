"""What the dependency files of a project say about the versions of libraries.

Each reader turns one kind of file into requirements. Nothing is run: `setup.py` is read as a tree, and only what it
writes down literally counts.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mlint.model.releases import ALL, Version, Versions, specified

_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(.*)", re.DOTALL)
_COMMENT = re.compile(r"(^|\s)#.*$")
_NORMAL = re.compile(r"[-_.]+")
_LARGEST = 20_000_000
_DEEPEST = 8

LIBRARY_OF = {
    "scikit-learn": "sklearn",
    "scikit-learn-intelex": "sklearnex",
    "imbalanced-learn": "imblearn",
    "tensorflow-cpu": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-macos": "tensorflow",
    "tensorflow-intel": "tensorflow",
    "tf-nightly": "tensorflow",
    "tf-keras": "tf_keras",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "xgboost-cpu": "xgboost",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "numpy-base": "numpy",
    "opencv-python": "cv2",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "dask-core": "dask",
    "ray-default": "ray",
    "ray-core": "ray",
    "pandas-gpu": "pandas",
    "polars-lts-cpu": "polars",
    "polars-u64-idx": "polars",
}
"""Distribution, as indexes call it, → the library that is imported."""
_CUDA = re.compile(r"^(cudf|cuml|cugraph|cupy|dask-cudf)-cu(?:da)?\w+$")


class Requirement:
    """What one line of a dependency file says.

    Attributes:
        library: the import name.
        versions: those that are allowed.
        place: `LOCKED`, `DECLARED`, `EXTRA` or `GROUP`.
        marked: whether it only holds in some environments.
    """

    __slots__ = ("library", "marked", "place", "versions")

    def __init__(self, library: str, versions: Versions, place: str, marked: bool = False) -> None:
        self.library = library
        self.versions = versions
        self.place = place
        self.marked = marked


LOCKED = "locked"
DECLARED = "declared"
EXTRA = "extra"
GROUP = "group"


def library(distribution: str) -> str:
    """The import name of a distribution: ``scikit-learn`` is ``sklearn``."""
    name = _NORMAL.sub("-", distribution).lower()
    cuda = _CUDA.match(name)
    if cuda is not None:
        name = cuda.group(1)
    return LIBRARY_OF.get(name, name.replace("-", "_"))


def requirement(text: str, place: str = DECLARED) -> Requirement | None:
    """A requirement as pip writes it: ``torch[extra] (>=2.1,<3) ; python_version > "3.9"``; None for anything else."""
    bare, semicolon, _ = _COMMENT.sub("", text).strip().partition(";")
    match = _REQUIREMENT.fullmatch(bare.strip())
    if match is None:
        return None
    rest = match.group(2).split(" --")[0].strip()
    if rest.startswith("@"):
        return Requirement(library(match.group(1)), _of_wheel(rest), place, bool(semicolon))
    versions = specified(rest) if not rest or rest[0] in "<>=!~(" else None
    return None if versions is None else Requirement(library(match.group(1)), versions, place, bool(semicolon))


def _of_wheel(reference: str) -> Versions:
    """The version in the name of a wheel: ``@ https://…/torch-2.1.0+cu118-cp310-….whl``."""
    match = re.search(r"/[A-Za-z0-9_.]+-(\d[^-/]*)-[^/]*\.whl", reference.replace("%2B", "+").replace("%2b", "+"))
    version = None if match is None else Version.parse(match.group(1))
    return ALL if version is None else Versions(((version.before(), version.after()),))


class Folder:
    """The dependency files of one folder.

    Attributes:
        requirements: what they say.
        packaged: whether the folder is built as a package that others install.
        files: those that were read, and those that they include.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.requirements: list[Requirement] = []
        self.packaged = False
        self.files: list[str] = []
        for name in _names(path):
            reader = _reader(name)
            if reader is not None:
                self.requirements.extend(self._read(os.path.join(path, name), reader))

    def _read(self, path: str, reader: Callable[[Folder, str], Iterable[Requirement]]) -> list[Requirement]:
        try:
            return list(reader(self, path))
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return []  # not a file of the kind that its name says, or damaged: it says nothing

    def text(self, path: str) -> str:
        """The text of a file."""
        self.files.append(path)
        if os.path.getsize(path) > _LARGEST:
            return ""
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return file.read()

    def toml(self, path: str) -> Mapping[str, Any]:
        """A TOML file."""
        try:
            import tomllib
        except ModuleNotFoundError:  # Python 3.10
            import tomli as tomllib  # type: ignore[import-not-found, no-redef, unused-ignore]
        found: Mapping[str, Any] = tomllib.loads(self.text(path))
        return found


def _names(folder: str) -> list[str]:
    """The names of the dependency files in a folder; those in a folder of requirements included."""
    found: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if _reader(entry.name) is not None:
                    found.append(entry.name)
                elif entry.name.lower() in ("requirements", "reqs") and entry.is_dir():
                    inner = (name for name in os.listdir(entry.path) if name.endswith((".txt", ".in")))
                    found.extend(f"{entry.name}/{name}" for name in inner)
    except OSError:
        pass
    return sorted(found)


def _reader(name: str) -> Callable[[Folder, str], Iterable[Requirement]] | None:
    known = _READERS.get(name)
    if known is not None:
        return known
    lower = name.lower()
    if lower.endswith((".txt", ".in")) and ("requirements" in lower or lower.startswith("reqs")):
        return _requirements
    if lower.endswith((".yml", ".yaml")) and lower.startswith(("environment", "conda")):
        return _environment
    return None


# requirements.txt


def _requirements(folder: Folder, path: str) -> Iterator[Requirement]:
    name = os.path.basename(path).lower()
    main = name in ("requirements.txt", "requirements.in") or os.path.splitext(name)[0] in ("base", "main", "core")
    yield from _included(folder, path, DECLARED if main else GROUP, set())


def _included(folder: Folder, path: str, place: str, seen: set[str]) -> Iterator[Requirement]:
    real = os.path.realpath(path)
    if real in seen or len(seen) > _DEEPEST * 4:
        return
    seen.add(real)
    try:
        text = folder.text(path)
    except OSError:
        return
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        stripped = _COMMENT.sub("", line).strip()
        option = re.match(r"(?:-r|--requirement|-c|--constraint)(?:\s+|=)?(\S+)", stripped)
        if option is not None:
            yield from _included(folder, os.path.join(os.path.dirname(path), option.group(1)), place, seen)
        elif stripped and not stripped.startswith("-"):
            found = requirement(stripped, place)
            if found is not None:
                yield found


# pyproject.toml


def _pyproject(folder: Folder, path: str) -> Iterator[Requirement]:
    data = folder.toml(path)
    project = _table(data.get("project"))
    folder.packaged = folder.packaged or "build-system" in data
    yield from _all(project.get("dependencies"), DECLARED)
    if isinstance(project.get("requires-python"), str):
        yield from _of("python", project["requires-python"], DECLARED)
    for extra in _table(project.get("optional-dependencies")).values():
        yield from _all(extra, EXTRA)
    for group in _table(data.get("dependency-groups")).values():
        yield from _all(group, GROUP)
    tool = _table(data.get("tool"))
    yield from _poetry(_table(tool.get("poetry")))
    pdm = _table(tool.get("pdm"))
    for group in _table(pdm.get("dev-dependencies")).values():
        yield from _all(group, GROUP)
    hatch = _table(tool.get("hatch"))
    for environment in _table(hatch.get("envs")).values():
        yield from _all(_table(environment).get("dependencies"), GROUP)
        yield from _all(_table(environment).get("extra-dependencies"), GROUP)
    yield from _all(_table(tool.get("uv")).get("dev-dependencies"), GROUP)
    yield from _all(_table(tool.get("uv")).get("constraint-dependencies"), DECLARED)


def _poetry(poetry: Mapping[str, Any]) -> Iterator[Requirement]:
    yield from _constraints(poetry.get("dependencies"), DECLARED)
    yield from _constraints(poetry.get("dev-dependencies"), GROUP)
    for group in _table(poetry.get("group")).values():
        yield from _constraints(_table(group).get("dependencies"), GROUP)


def _constraints(table: object, place: str) -> Iterator[Requirement]:
    """Poetry's and Pipenv's tables: a string, a table with a version, or a list of those."""
    for name, constraint in _table(table).items():
        for single in constraint if isinstance(constraint, list) else [constraint]:
            marked = isinstance(constraint, list) and len(constraint) > 1
            chosen = place
            if isinstance(single, Mapping):
                marked = marked or any(key in single for key in ("markers", "python", "platform", "sys_platform"))
                chosen = EXTRA if single.get("optional") is True and place == DECLARED else place
                single = single.get("version", "*")
            if isinstance(single, str):
                yield from _of(name, single, chosen, marked)


def _of(distribution: str, text: str, place: str, marked: bool = False, conda: bool = False) -> Iterator[Requirement]:
    versions = specified(text, conda=conda)
    if versions is not None:
        yield Requirement(library(distribution), versions, place, marked)


def _all(items: object, place: str) -> Iterator[Requirement]:
    for item in items if isinstance(items, (list, tuple)) else ():
        found = requirement(item, place) if isinstance(item, str) else None
        if found is not None:
            yield found


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


# setup.cfg and setup.py


def _setup_cfg(folder: Folder, path: str) -> Iterator[Requirement]:
    from configparser import Error, RawConfigParser

    parser = RawConfigParser()
    try:
        parser.read_string(folder.text(path))
    except Error:
        return
    if not parser.has_section("options"):
        return
    folder.packaged = True
    yield from _all(parser.get("options", "install_requires", fallback="").splitlines(), DECLARED)
    yield from _of("python", parser.get("options", "python_requires", fallback="*"), DECLARED)
    if parser.has_section("options.extras_require"):
        for _, value in parser.items("options.extras_require"):
            yield from _all(value.splitlines(), EXTRA)


def _setup_py(folder: Folder, path: str) -> Iterator[Requirement]:
    try:
        module = ast.parse(folder.text(path))
    except SyntaxError:
        return
    folder.packaged = True
    named: dict[str, ast.expr | None] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            named[name] = None if name in named else node.value  # bound twice: not known
    for node in ast.walk(module):
        if not isinstance(node, ast.Call):
            continue
        if (node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")) != "setup":
            continue
        for keyword in node.keywords:
            value: ast.expr | None = keyword.value
            if isinstance(value, ast.Name):
                value = named.get(value.id)
            if keyword.arg == "install_requires":
                yield from _all(_literals(value), DECLARED)
            elif keyword.arg == "python_requires" and isinstance(value, ast.Constant):
                yield from _of("python", str(value.value), DECLARED)
            elif keyword.arg == "extras_require" and isinstance(value, ast.Dict):
                for extra in value.values:
                    yield from _all(_literals(named.get(extra.id) if isinstance(extra, ast.Name) else extra), EXTRA)


def _literals(node: ast.expr | None) -> list[str]:
    parts = node.elts if isinstance(node, (ast.List, ast.Tuple)) else []
    return [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]


# Lock files


def _toml_lock(folder: Folder, path: str) -> Iterator[Requirement]:
    """uv, Poetry, PDM: an array of packages, each with its name and version; forks of a package are listed twice."""
    for package in folder.toml(path).get("package", ()):
        if isinstance(package, Mapping):
            yield from _locked(package.get("name"), package.get("version"))


def _pipfile_lock(folder: Folder, path: str) -> Iterator[Requirement]:
    import json

    data = json.loads(folder.text(path))
    for section in ("default", "develop"):
        for name, package in _table(data.get(section)).items():
            yield from _locked(name, str(_table(package).get("version", "")).lstrip("="))


def _locked(name: object, version: object) -> Iterator[Requirement]:
    parsed = Version.parse(version) if isinstance(version, str) else None
    if isinstance(name, str) and parsed is not None:
        yield Requirement(library(name), Versions(((parsed.before(), parsed.after()),)), LOCKED, True)


def _pipfile(folder: Folder, path: str) -> Iterator[Requirement]:
    data = folder.toml(path)
    yield from _constraints(data.get("packages"), DECLARED)
    yield from _constraints(data.get("dev-packages"), GROUP)
    version = _table(data.get("requires")).get("python_version")
    if isinstance(version, str):
        yield from _of("python", version, DECLARED)


# environment.yml


def _environment(folder: Folder, path: str) -> Iterator[Requirement]:
    """The dependencies of conda, with those of pip under them.

    Only the one list is looked for, line by line: its items are plain words, whatever else YAML can say.
    """
    listed = pip = False
    indent = 0
    for line in folder.text(path).splitlines():
        bare = _COMMENT.sub("", line).rstrip()
        if not bare.strip():
            continue
        if not bare.startswith((" ", "-")):
            listed = bare.split(":")[0].strip() == "dependencies"
            pip = False
            continue
        if not listed:
            continue
        item = re.match(r"(\s*)-\s*(.*)", bare)
        if item is None:
            continue
        word = item.group(2).strip().strip("'\"")
        if pip and len(item.group(1)) > indent:
            found = requirement(word)
            if found is not None:
                yield found
            continue
        pip = word.rstrip() == "pip:"
        indent = len(item.group(1))
        if not pip:
            yield from _conda(word)


def _conda(text: str) -> Iterator[Requirement]:
    """``conda-forge::numpy=1.26=py310_0``, ``numpy >=1.20,<2``."""
    match = re.fullmatch(r"(?:[\w./-]+::)?([A-Za-z0-9][\w.-]*)\s*(?:\[.*\])?\s*(.*)", text)
    if match is None:
        return
    rest = match.group(2).strip()
    if rest and not re.match(r"[<>!~]|={1,2}", rest):
        rest = re.split(r"\s+", rest)[0]  # `numpy 1.26 py310_0`: the build says nothing
    else:
        rest = re.sub(r"^(=[^=<>!,|]+)=[^=,|]*$", r"\1", rest)
    yield from _of(match.group(1), rest, DECLARED, conda=True)


USUAL = (
    "pyproject.toml", "setup.cfg", "setup.py", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile", "Pipfile.lock",
    "requirements.txt", "environment.yml", "environment.yaml",
)  # fmt: skip
"""The files that most projects have, if any: a result may depend on one of them that is not there yet."""

_READERS: Mapping[str, Callable[[Folder, str], Iterable[Requirement]]] = {
    "pyproject.toml": _pyproject,
    "setup.cfg": _setup_cfg,
    "setup.py": _setup_py,
    "uv.lock": _toml_lock,
    "poetry.lock": _toml_lock,
    "pdm.lock": _toml_lock,
    "Pipfile": _pipfile,
    "Pipfile.lock": _pipfile_lock,
}
