"""What can be configured: one field of `Settings` per key of ``[tool.mlint]``.

The reader, the JSON schema and the documentation are all made from the fields here: a new setting is one new field.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from mlint.globs import relative
from mlint.settings.values import (
    Choice,
    FilePath,
    FilePaths,
    Kind,
    LazyTable,
    Patterns,
    PatternTable,
    Selectors,
    Switch,
    VersionTable,
    Whole,
    WordTable,
)

TYPE_CHECKING = False
if TYPE_CHECKING:  # without importing typing, which the start-up path would feel
    from typing import Any

LIBRARIES = (
    "torch",
    "numpy",
    "pandas",
    "sklearn",
    "tensorflow",
    "keras",
    "jax",
    "transformers",
    "xgboost",
    "lightgbm",
    "rapids",
    "dask",
    "ray",
)
"""The libraries that select their rules by name; rules of others add theirs."""

VERSIONED = (
    "python", *LIBRARIES,
    "accelerate", "catboost", "cudf", "cuml", "cupy", "datasets", "diffusers", "flax", "h5py", "imblearn", "jaxlib",
    "lightning", "matplotlib", "optax", "peft", "polars", "pytorch_lightning", "safetensors", "scipy", "tokenizers",
    "torchaudio", "torchvision", "trl",
)  # fmt: skip
"""What ``target-versions`` can speak of, by import name."""

DISTRIBUTIONS = {
    "scikit-learn": "sklearn",
    "imbalanced-learn": "imblearn",
    "pytorch-lightning": "pytorch_lightning",
}
"""Names on the package index that differ from the import name."""

OUTPUT_FORMATS = ("full", "concise", "json", "json-lines", "github", "gitlab", "sarif", "junit")

EXCLUDED = (
    ".bzr", ".direnv", ".eggs", ".git", ".hg", ".ipynb_checkpoints", ".mlint_cache", ".mypy_cache", ".nox",
    ".pants.d", ".pyenv", ".pytest_cache", ".pytype", ".ruff_cache", ".svn", ".tox", ".venv", ".vscode",
    "__pycache__", "__pypackages__", "_build", "buck-out", "build", "dist", "node_modules", "site-packages", "venv",
)  # fmt: skip

TEST_PATHS = ("tests/", "test/", "testing/", "test_*.py", "*_test.py", "conftest.py", "benchmarks/")


class SettingsError(Exception):
    """The configuration cannot be used; the message is one line that says where, what and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Option:
    """One key of the configuration, as an attribute of `Settings`: settings that do not set it have its default.

    Attributes:
        field: the name of the attribute.
        kind: what values it takes.
        default: the value where nothing is configured.
        explanation: what it is for.
        example: a line of TOML.
        inherited: with ``extend``, "replaced" by the extending file, "joined" to what is inherited, or "layered" as
            selections are.
    """

    field = ""

    def __init__(self, default: object, kind: Kind, explanation: str, example: str, inherited: str) -> None:
        self.default = default
        self.kind = kind
        self.explanation = explanation
        self.example = example
        self.inherited = inherited

    def __set_name__(self, owner: type, name: str) -> None:
        self.field = name

    def __get__(self, instance: object, owner: type) -> object:
        return self if instance is None else self.default

    @property
    def key(self) -> str:
        """The key as it is written in TOML."""
        return self.field.replace("_", "-")


def _option(default: Any, kind: Kind, explanation: str, example: str, inherited: str = "replaced") -> Any:
    """An option, for the eyes of a type checker a value like its default."""
    return Option(default, kind, explanation, example, inherited)


class Selection(NamedTuple):
    """What one place (a file, the flags) says about which rules are on; later ones go on top of earlier ones."""

    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fixable: tuple[str, ...] | None = None
    unfixable: tuple[str, ...] = ()
    origins: tuple[tuple[str, str], ...] = ()
    """For each field that was set: the file or the flag that set it."""

    def origin(self, name: str) -> str:
        """Where a field was set, or an empty string."""
        return dict(self.origins).get(name, "")


class Settings:
    """The configuration that holds for a file; it does not change.

    Made by `SettingsResolver`, every path is absolute. Equal settings compare equal, wherever they were set; results
    that are worked out from them are kept in `remembered`, so that one object should serve many files.

    Attributes:
        root: the folder of the configuration file; without one, of the project. Patterns are relative to it.
        config_path: the configuration file, None if there is none.
        origins: for each field that was set, the file or the flag that set it.
        earlier: selections of extended files and of the file under the flags; the fields of this object come on top of
            them.
    """

    select: tuple[str, ...] | None = _option(
        None,
        Selectors(),
        "The rules that are on, in place of the default set: codes (`ML501`), beginnings of codes (`ML5`), names "
        "(`log-of-softmax`), libraries (`torch`) or `ALL`. Not set: all rules that are on by default.",
        'select = ["ML1", "ML5", "torch", "log-of-softmax"]',
        "layered",
    )
    extend_select: tuple[str, ...] = _option(
        (),
        Selectors(),
        "Rules that are on in addition to those that `select` or the default gives.",
        'extend-select = ["ML9"]',
        "layered",
    )
    ignore: tuple[str, ...] = _option(
        (),
        Selectors(),
        "Rules that are off. Where `select` and `ignore` both speak of a rule, the more specific selector wins.",
        'ignore = ["numpy", "ML702"]',
        "layered",
    )
    fixable: tuple[str, ...] = _option(
        ("ALL",), Selectors(), "The rules whose findings `--fix` may fix.", 'fixable = ["ML5"]', "layered"
    )
    unfixable: tuple[str, ...] = _option(
        (), Selectors(), "The rules whose findings `--fix` leaves alone.", 'unfixable = ["ML101"]', "layered"
    )
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = _option(
        (),
        PatternTable(),
        "Rules that are off in the files that match a pattern; with `!pattern`, in all files that do not match it.",
        '[per-file-ignores]\n"scripts/*.py" = ["ML3"]\n"!src/" = ["sync-in-training-loop"]',
    )
    test_paths: tuple[str, ...] = _option(
        TEST_PATHS,
        Patterns(),
        "The files that are tests or benchmarks. Some rules are silent there, because a test may print every step or "
        "draw without a seed and do no harm; the page of a rule says whether it is one of them.",
        'test-paths = ["tests/", "checks/"]',
    )
    all_rules_in_tests: bool = _option(
        False,
        Switch(),
        "Check tests and benchmarks with all rules that are on, like any other file.",
        "all-rules-in-tests = true",
    )
    exclude: tuple[str, ...] = _option(
        EXCLUDED,
        Patterns(),
        "The files and folders that are not looked at, in place of the default list.",
        'exclude = [".git", ".venv", "third_party/"]',
    )
    extend_exclude: tuple[str, ...] = _option(
        (),
        Patterns(),
        "Files and folders that are not looked at, in addition to `exclude`.",
        'extend-exclude = ["generated/", "*_pb2.py"]',
        "joined",
    )
    force_exclude: bool = _option(
        False,
        Switch(),
        "Leave out excluded files even if their path is given on the command line, as pre-commit does.",
        "force-exclude = true",
    )
    respect_gitignore: bool = _option(
        True,
        Switch(),
        "Leave out what git ignores (`.gitignore` files and `.git/info/exclude`).",
        "respect-gitignore = false",
    )
    extension: dict[str, str] = _option(
        {},
        WordTable("a table of file name endings", ":", "python", "pyi", "ipynb"),
        "Files with other endings that are to be checked, and as what: `python`, `pyi` or `ipynb`.",
        'extension = { ipy = "python" }',
    )
    target_versions: dict[str, str] = _option(
        {},
        VersionTable(VERSIONED, DISTRIBUTIONS),
        "The versions of Python and of the libraries that the project supports. A rule about a changed or removed "
        "function speaks only where it is true for these. Not set: read from the project's dependency files: "
        "`pyproject.toml`, lock files (uv, Poetry, PDM, Pipenv), requirements with what they include, `setup.cfg`, "
        "`setup.py`, `Pipfile`, `environment.yml`. The folder closest to the file that names the library decides; "
        "in it a lock file comes before ranges, unless the folder is built as a package for others to install.",
        'target-versions = { torch = ">=2.6,<3", numpy = "2.0" }',
    )
    local_rules: tuple[str, ...] = _option(
        (),
        FilePaths(),
        "Folders with rules of your own.",
        'local-rules = ["tools/lint"]',
    )
    source_roots: tuple[str, ...] = _option(
        (".", "src"),
        FilePaths(),
        "The folders that the project's own modules are imported from.",
        'source-roots = ["src", "lib"]',
    )
    seed: int = _option(0, Whole(0, 2**32 - 1), "The number that fixes put in where a seed is missing.", "seed = 42")
    line_length: int = _option(
        88, Whole(20, 1000), "The width at which fixes break the lines that they write.", "line-length = 120"
    )
    output_format: str = _option(
        "full", Choice(*OUTPUT_FORMATS), "How findings are printed.", 'output-format = "concise"'
    )
    fix: bool = _option(False, Switch(), "Fix what can be fixed, as `--fix` does.", "fix = true")
    unsafe_fixes: bool = _option(
        False, Switch(), "Take also the fixes that may change what the program does.", "unsafe-fixes = true"
    )
    fix_only: bool = _option(
        False, Switch(), "Fix, and say nothing about findings that remain. Implies `fix`.", "fix-only = true"
    )
    show_fixes: bool = _option(False, Switch(), "List what was fixed.", "show-fixes = true")
    cache_dir: str = _option(
        ".mlint_cache", FilePath(), "The folder for the results of earlier runs.", 'cache-dir = "/tmp/mlint"'
    )
    jobs: int = _option(0, Whole(0, 1024), "How many processes work; 0 for one per processor.", "jobs = 4")
    baseline: str | None = _option(
        None,
        FilePath(),
        "A file with findings that are known and not reported, written by `--baseline`.",
        'baseline = "mlint-baseline.json"',
    )
    smoke: dict[str, Any] = _option(
        {},
        LazyTable("mlint.settings.smoke", "SmokeTable"),
        "What `mlint smoke` runs; [smoke.md](smoke.md) tells what each key means.",
        '[[smoke.target]]\nmodel = "package.module:build_model"\nbatch = ["float32[8,3,32,32]", "int64[8]<10"]',
    )

    root: str
    config_path: str | None
    origins: dict[str, str]
    earlier: tuple[Selection, ...]
    remembered: dict[str, Any]

    def __init__(
        self,
        *,
        root: str = "",
        config_path: str | None = None,
        origins: dict[str, str] | None = None,
        earlier: tuple[Selection, ...] = (),
        **options: Any,
    ) -> None:
        for name in options:
            if not isinstance(getattr(type(self), name, None), Option):
                raise TypeError(f"there is no setting {name!r}")
        self.__dict__.update(options)
        self.__dict__.update(root=root, config_path=config_path, origins=origins or {}, earlier=earlier, remembered={})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"settings do not change; make others with `replaced({name}=...)`")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Settings):
            return NotImplemented
        mine = (self.root, self.config_path, self.earlier, *self.values())
        return mine == (other.root, other.config_path, other.earlier, *other.values())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        given = [f"{name}={value!r}" for name, value in self.__dict__.items() if name not in ("earlier", "remembered")]
        return f"Settings({', '.join(given)})"

    def values(self) -> Iterator[tuple[str, Any]]:
        """Every option with its value."""
        for option in options():
            yield option.field, getattr(self, option.field)

    def replaced(self, **changes: Any) -> Settings:
        """The same settings but for some fields."""
        kept = {name: value for name, value in self.__dict__.items() if name != "remembered"}
        return Settings(**{**kept, **changes})

    def relative(self, path: str) -> str:
        """The path as patterns see it: relative to the root, with forward slashes.

        A file outside the root is seen from the working directory, or by its absolute path if it is outside that too.
        """
        return relative(path, self.root or os.getcwd())

    @property
    def selection(self) -> Selection:
        """The uppermost selection: what this object's own fields say."""
        unset = self.earlier and "fixable" not in self.origins and self.fixable == ("ALL",)
        fixable = None if unset else self.fixable
        names = ("select", "extend_select", "ignore", "fixable", "unfixable")
        origins = tuple((name, self.origins[name]) for name in names if name in self.origins)
        return Selection(self.select, self.extend_select, self.ignore, fixable, self.unfixable, origins)

    def __getstate__(self) -> dict[str, Any]:
        """For other processes: without what was worked out here."""
        return {**self.__dict__, "remembered": {}}


def options() -> Iterator[Option]:
    """Every key of the configuration but ``extend``, in the order of the documentation."""
    return (value for value in vars(Settings).values() if isinstance(value, Option))
