"""The floors of docs/architecture.md, the names of files, and what a run may import."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mlint"
RULES = ROOT / "rules"
VAGUE = re.compile(r"(^|_)(utils?|utilities|helpers?|common|misc|stuff)(_|$)")

LIBRARIES = {
    "cudf", "cuml", "cupy", "dask", "datasets", "flax", "h5py", "jax", "keras", "lightgbm", "numpy", "optax", "pandas",
    "polars", "ray", "scipy", "sklearn", "tensorflow", "torch", "torchvision", "transformers", "xgboost",
}  # fmt: skip
HEAVY_AT_START = {
    "asyncio", "concurrent.futures", "email", "flake8", "hypothesis", "importlib.metadata", "libcst", "lsprotocol",
    "mlint.server", "multiprocessing", "pathspec", "pygls", "subprocess", "tempfile", "unittest", "urllib.request",
    "watchfiles", "xml.etree.ElementTree", "yaml",
} | LIBRARIES  # fmt: skip


@cache
def floors() -> dict[str, int]:
    """Room -> floor, from the table of docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", text, flags=re.MULTILINE)
    assert len(rows) == len({room for _, room in rows}) > 15
    return {room: int(floor) for floor, room in rows}


def python_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def room_of(path: Path) -> str:
    """The room that a file under mlint/ belongs to; "" for mlint/__init__.py."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imports(path: Path) -> Iterator[tuple[int, str, bool, bool]]:
    """(line, absolute dotted name, at import time, for the type checker alone) of everything that a file imports."""
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])

    def walk(node: ast.AST, eager: bool, typing_only: bool) -> Iterator[tuple[int, str, bool, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield child.lineno, alias.name, eager, typing_only
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    parts = package.split(".")
                    base = ".".join([*parts[: len(parts) - child.level + 1], *filter(None, [base])])
                for alias in child.names:
                    yield child.lineno, f"{base}.{alias.name}", eager, typing_only
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield from walk(child, False, typing_only)
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                for statement in child.body:
                    yield from walk(ast.Module([statement], []), eager, True)
                for statement in child.orelse:
                    yield from walk(ast.Module([statement], []), eager, typing_only)
            else:
                yield from walk(child, eager, typing_only)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), True, False)


def imported_room(name: str) -> str | None:
    """The room that a dotted name leads into; None when it is outside mlint or mlint itself."""
    parts = name.split(".")
    if parts[0] != "mlint" or len(parts) < 2 or parts[1].startswith("__"):
        return None
    return parts[1]


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(path) for path in python_files(PACKAGE)} - {""}
    missing = sorted(rooms - set(floors()))
    assert not missing, f"give these a floor in the table of docs/architecture.md: {missing}"


def test_imports_go_down() -> None:
    wrong = []
    for path in python_files(PACKAGE):
        room = room_of(path)
        for line, name, _, typing_only in imports(path):
            target = imported_room(name)
            if target is None or typing_only or target == room:
                continue
            if target not in floors() or floors()[target] > (floors()[room] if room else 0):
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not wrong, "imports of a floor above:\n" + "\n".join(wrong)


def test_rooms_form_no_circle() -> None:
    edges: dict[str, set[str]] = {}
    for path in python_files(PACKAGE):
        room = room_of(path)
        for _, name, _, typing_only in imports(path):
            target = imported_room(name)
            if target is not None and target != room and not typing_only:
                edges.setdefault(room, set()).add(target)
    done: set[str] = set()

    def visit(room: str, way: list[str]) -> None:
        assert room not in way, "circle: " + " -> ".join([*way[way.index(room) :], room])
        if room not in done:
            for target in sorted(edges.get(room, ())):
                visit(target, [*way, room])
            done.add(room)

    for room in sorted(edges):
        visit(room, [])


def test_what_runs_in_the_projects_interpreter_needs_nothing_of_mlints() -> None:
    """The child of `mlint smoke` has the project's packages, not mlint's: it imports nothing outside of mlint.smoke."""
    start = PACKAGE / "smoke" / "child.py"
    todo, seen, wrong = [start, *python_files(PACKAGE / "smoke" / "checks")], set(), []
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for line, name, _, typing_only in imports(path):
            parts = name.split(".")
            if typing_only or parts[0] != "mlint":
                continue
            if len(parts) < 3 or parts[1] != "smoke":
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
                continue
            file = PACKAGE / "smoke" / f"{parts[2]}.py"
            todo += [file] if file.is_file() else python_files(PACKAGE / "smoke" / parts[2])
    assert len(seen) > 15
    assert not wrong, "\n".join(wrong)


def test_rule_files_import_mlint_rule_only() -> None:
    allowed = {"mlint.rule"}
    wrong = []
    for path in python_files(RULES):
        for line, name, _, _ in imports(path):
            top = name.split(".")[0]
            foreign = top not in sys.stdlib_module_names
            if name.rpartition(".")[0] not in allowed if top == "mlint" else foreign:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_rules_lie_in_families_and_the_bridge_is_alone() -> None:
    assert [path.name for path in python_files(PACKAGE / "rules")] == ["__init__.py"]
    assert (RULES / ".mlint-rules").is_file()
    assert not (RULES / "__init__.py").exists(), "rules/ must not be a package: it would be importable as `rules`"
    for path in python_files(RULES):
        assert len(path.relative_to(RULES).parts) == 2, f"{path} is not rules/<family>/<behaviour>.py"
        assert (path.parent / "__init__.py").is_file(), f"{path.parent} needs an __init__.py"


def test_the_linter_imports_no_library_that_it_lints() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in [*python_files(PACKAGE), *python_files(RULES)]
        if path.is_relative_to(RULES) or room_of(path) != "smoke"
        for line, name, _, _ in imports(path)
        if name.split(".")[0] in LIBRARIES
    ]
    assert not wrong, "\n".join(wrong)


def test_libcst_is_imported_where_fixes_are_built_only() -> None:
    lazily_imported = {"codemod", "codemods"}
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name} at import time"
        for path in python_files(PACKAGE)
        if room_of(path) not in lazily_imported
        for line, name, eager, typing_only in imports(path)
        if name.split(".")[0] == "libcst" and eager and not typing_only
    ]
    assert not wrong, "\n".join(wrong)


def test_names_say_what_a_thing_is() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for folder in (PACKAGE, RULES, ROOT / "scripts", ROOT / "tests")
        for path in python_files(folder)
        if any(VAGUE.search(part.removesuffix(".py")) for part in path.relative_to(ROOT).parts)
    ]
    assert not wrong, f"say what it is instead: {wrong}"


def modules_after(code: str, *arguments: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after it ran some code."""
    script = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint('\\n@@' + ' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    bare = subprocess.run([sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True)
    return set(done.stdout.rpartition("@@")[2].split()) - set(bare.stdout.split())


def heavy(modules: set[str], names: set[str]) -> list[str]:
    return sorted(
        module for module in modules if any(module == name or module.startswith(f"{name}.") for name in names)
    )


def test_start_up_is_light() -> None:
    assert heavy(modules_after("import mlint.cli"), HEAVY_AT_START) == []


def test_linting_one_file_is_light(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text("import torch\n\n\ndef f(x):\n    return torch.log(torch.softmax(x, dim=-1))\n", encoding="utf-8")
    modules = modules_after(
        "import mlint.cli; mlint.cli.main(sys.argv[1:])", "--isolated", "--no-cache", "--select", "ALL", str(path)
    )
    assert "mlint.engine" in modules
    assert heavy(modules, {"libcst", "multiprocessing", "concurrent.futures", *LIBRARIES}) == []


def test_the_module_list_sees_what_is_imported() -> None:
    """The two tests above can fail: what is imported is in the list."""
    assert "libcst" in heavy(modules_after("import libcst"), HEAVY_AT_START)
