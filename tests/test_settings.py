"""Finding, reading, checking and joining configurations; the schema and the documentation that are made from them."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from mlint.settings import Option, Selection, Settings, SettingsError, SettingsResolver, json_schema, options
from mlint.settings.__main__ import END, START, write
from mlint.settings.lines import line_of
from mlint.settings.read import read_section
from mlint.settings.schema import options_text, schema_text

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


def settings(path: str = "x.py", **arguments: object) -> Settings:
    return SettingsResolver(**arguments).for_path(path)  # type: ignore[arg-type]


def error(path: str = "x.py", **arguments: object) -> str:
    with pytest.raises(SettingsError) as caught:
        settings(path, **arguments)
    assert str(caught.value) == caught.value.message
    assert "\n" not in caught.value.message
    return caught.value.message


# which file


def test_defaults_without_a_file(here: Path) -> None:
    found = settings()
    assert found.config_path is None
    assert found.root == str(here)
    assert found.select is None
    assert found.source_roots == (str(here), str(here / "src"))
    assert found.cache_dir == str(here / ".mlint_cache")
    assert found.origins == {}


def test_without_a_file_the_root_is_the_project(here: Path) -> None:
    put("project/setup.py", "")
    assert settings("project/src/pkg/x.py").root == str(here / "project")
    assert settings("elsewhere/x.py").root == str(here)
    assert settings("/nowhere/deep/x.py").root == "/nowhere/deep"
    resolver = SettingsResolver()
    assert resolver.for_path("project/a/x.py") is resolver.for_path("project/b/x.py")


def test_the_closest_file_wins_and_nothing_is_merged(here: Path) -> None:
    put("pyproject.toml", '[tool.mlint]\nselect = ["ML1"]\nseed = 7\n')
    put("a/mlint.toml", "line-length = 100\n")
    put("a/b/pyproject.toml", "[tool.black]\nline-length = 20\n")
    put("a/c/pyproject.toml", '[project]\ndependencies = ["mlint"]\n')
    put("a/d/pyproject.toml", "[tool.mlint]\n")
    assert settings().select == ("ML1",)
    for path in ("a/x.py", "a/b/x.py", "a/c/x.py"):
        assert settings(path).config_path == str(here / "a" / "mlint.toml")
        assert (settings(path).line_length, settings(path).seed, settings(path).select) == (100, 0, None)
    assert settings("a/d/x.py").root == str(here / "a" / "d")
    assert settings("a/d/x.py").line_length == 88
    resolver = SettingsResolver()
    assert resolver.for_path("a/b/x.py") is resolver.for_path(str(here / "a" / "not-there" / "y.py"))


def test_order_within_a_folder() -> None:
    put("pyproject.toml", "[tool.mlint]\nseed = 1\n")
    assert settings().seed == 1
    put("mlint.toml", "seed = 2\n")
    assert settings().seed == 2
    put(".mlint.toml", "seed = 3\n")
    assert settings().seed == 3


def test_folders_named_like_files_are_no_files() -> None:
    Path("mlint.toml").mkdir()
    Path("pyproject.toml").mkdir()
    assert settings().config_path is None


def test_a_broken_file_of_somebody_else_is_not_read() -> None:
    put("pyproject.toml", "[tool.black\n")
    assert settings().config_path is None


def test_paths_are_relative_to_the_file(here: Path) -> None:
    put(
        "a/mlint.toml",
        'source-roots = ["lib", "."]\nlocal-rules = ["../lint"]\ncache-dir = "~/c"\nbaseline = "b.json"\n',
    )
    found = settings("a/x.py")
    assert found.source_roots == (str(here / "a" / "lib"), str(here / "a"))
    assert found.local_rules == (str(here / "lint"),)
    assert found.cache_dir == str(Path.home() / "c")
    assert found.baseline == str(here / "a" / "b.json")
    assert found.relative("a/sub/x.py") == "sub/x.py"


# extend


def test_extend_replaces_joins_and_layers(here: Path) -> None:
    put(
        "pyproject.toml",
        '[tool.mlint]\nselect = ["ML1"]\nignore = ["ML101"]\nseed = 7\nexclude = ["a/gen", "venv"]\n'
        'extend-exclude = ["sub/x/*.py"]\n[tool.mlint.per-file-ignores]\n"sub/*.py" = ["ML1"]\n"*_t.py" = ["ML2"]\n'
        "[[tool.mlint.smoke.target]]\nmodel = 'shop.models:build'\n",
    )
    put(
        "sub/mlint.toml",
        'extend = "../pyproject.toml"\nline-length = 100\nextend-select = ["ML101"]\nextend-exclude = ["mine/*"]\n',
    )
    found = settings("sub/x.py")
    assert found.root == str(here / "sub")
    assert (found.seed, found.line_length) == (7, 100)
    outside = "/" + str(here)
    assert found.exclude == (f"{outside}/a/gen", "venv")
    assert found.extend_exclude == (f"{outside}/sub/x/*.py", "mine/*")
    assert found.per_file_ignores == ((f"{outside}/sub/*.py", ("ML1",)), ("*_t.py", ("ML2",)))
    assert found.smoke == {"target": [{"model": "shop.models:build"}]}
    assert found.earlier == (
        Selection(
            select=("ML1",),
            ignore=("ML101",),
            origins=(("select", f"{here}/pyproject.toml"), ("ignore", f"{here}/pyproject.toml")),
        ),
    )
    assert (found.select, found.extend_select, found.ignore) == (None, ("ML101",), ())
    assert found.origins["seed"] == str(here / "pyproject.toml")
    assert found.origins["line_length"] == str(here / "sub" / "mlint.toml")


def test_extend_errors(here: Path) -> None:
    put("mlint.toml", 'seed = 1\nextend = "base.toml"\n')
    assert error() == 'mlint.toml:2: "extend" names a file that does not exist: base.toml'
    put("base.toml", 'extend = "mlint.toml"\n')
    assert error() == 'base.toml:1: "extend" goes round in a circle: mlint.toml -> base.toml -> mlint.toml'
    put("base.toml", "sed = 1\n")
    assert error() == 'base.toml:1: unknown key "sed"; did you mean "seed"?'
    put("mlint.toml", 'extend = ["a.toml"]\n')
    assert error() == 'mlint.toml:1: "extend" must be the path of a file, not a list'
    put("sub/pyproject.toml", "[project]\n")
    put("mlint.toml", '\n\nextend = "sub/pyproject.toml"\n')
    assert error() == 'mlint.toml:3: "extend" names a file without [tool.mlint]: sub/pyproject.toml'


# --config, --isolated and flags


def test_config_file_holds_everywhere(here: Path) -> None:
    put("ci/strict.toml", "seed = 1\n")
    put("a/mlint.toml", "seed = 2\n")
    assert settings("a/x.py", config=["ci/strict.toml"]).seed == 1
    assert settings("a/x.py", config=["ci/strict.toml"]).root == str(here / "ci")
    assert error(config=["ci/other.toml"]) == "ci/other.toml: no such configuration file"
    assert "two files" in error(config=["ci/strict.toml", "a/mlint.toml"])
    put("pyproject.toml", "[project]\n")
    assert error(config=["pyproject.toml"]) == "pyproject.toml: has no [tool.mlint]"


def test_inline_config_and_flags_win_in_this_order(here: Path) -> None:
    put("a/mlint.toml", 'seed = 2\nline-length = 60\nselect = ["ML1"]\n[per-file-ignores]\n"x.py" = ["ML1"]\n')
    found = settings(
        "a/x.py",
        config=["seed=3", "line-length = 70", 'per-file-ignores."a/*.py" = ["ML2"]', 'cache-dir="c"'],
        overrides={"line-length": 80, "ignore": "ML101,ML2", "extend_exclude": ["a,b", "c"], "fix": None},
    )
    assert (found.seed, found.line_length, found.cache_dir) == (3, 80, str(here / "c"))
    assert found.per_file_ignores == ((f"/{here}/a/*.py", ("ML2",)),)
    assert found.extend_exclude == ("a", "b", "c")
    assert found.ignore == ("ML101", "ML2")
    assert found.earlier[0].select == ("ML1",)
    assert found.origins["seed"] == "--config 'seed=3'"
    assert found.origins["ignore"] == "--ignore"
    assert "fix" not in found.origins


def test_flags_in_the_form_of_the_command_line() -> None:
    found = settings(
        overrides={
            "per_file_ignores": ["tests/*:ML1,ML2", "*.py:torch, src/x.py:ML3"],
            "extension": "ipy:ipynb,.x:python",
            "jobs": "3",
        }
    )
    assert found.per_file_ignores == (("tests/*", ("ML1", "ML2")), ("*.py", ("torch",)), ("src/x.py", ("ML3",)))
    assert found.extension == {"ipy": "ipynb", "x": "python"}
    assert found.jobs == 3


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"jobs": "many"}, "--jobs must be an integer from 0 to 1024, not a string"),
        ({"per_file_ignores": ["tests"]}, '--per-file-ignores must be written PATTERN:CODE, not "tests"'),
        ({"extension": "ipy"}, '--extension must be written ENDING:KIND, not "ipy"'),
        (
            {"extension": "ipy:pyhton"},
            '--extension.ipy must be one of "python", "pyi", "ipynb", not "pyhton"; did you mean "python"?',
        ),
        ({"selct": []}, 'unknown setting "selct"; did you mean "select"?'),
        ({"line-length": 5}, "--line-length must be an integer from 20 to 1000, not 5"),
    ],
)
def test_flag_errors(overrides: dict[str, object], message: str) -> None:
    assert error(overrides=overrides) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sed=1", '--config \'sed=1\': unknown key "sed"; did you mean "seed"?'),
        ("seed='1'", "--config 'seed='1'': \"seed\" must be an integer from 0 to 4294967295, not a string"),
        (
            "output-format=json",
            (
                "--config 'output-format=json': neither a file nor valid TOML: Invalid value; "
                "strings take quotes: --config 'output-format=\"json\"'"
            ),
        ),
        (
            'extend="x.toml"',
            (
                '--config \'extend="x.toml"\': unknown key "extend"; '
                "it belongs in a file; give the file itself to --config"
            ),
        ),
    ],
)
def test_inline_errors(text: str, message: str) -> None:
    assert error(config=[text]) == message


def test_isolated() -> None:
    put("mlint.toml", "seed = 2\nbroken\n")
    assert settings(isolated=True).seed == 0
    assert settings(isolated=True, config=["seed=3"]).seed == 3
    assert settings(isolated=True, overrides={"seed": 4}).config_path is None
    assert "--isolated" in error(isolated=True, config=["mlint.toml"])


# what is wrong, and where

VALID = """
seed = 1
select = []
[target-versions]
torch = "2.6"
numpy = ">=1.26, <3,!=2.0.1"
scikit-learn = "~=1.5"
pandas = "==2.*"
jax = "0.4.35rc1"
[per-file-ignores]
"!src/" = ["ML1"]
[smoke]
budget = "20s"
fail-on = "info"
[[smoke.target]]
model = "shop.models:build"
batch = { input_ids = "int64[2,8]<10", labels = "int64[2, 8] < 10" }
exempt = { MS108 = ["shop.layers.GradientReversal"] }
limits = { parameters = 50e6, peak-memory = "6 GiB", graph-breaks = 0, step-time = "40 ms" }
[[smoke.target]]
model = "shop.models:Net.small"
batch = ["float32[8,3,32,32]", "int64[8]<10", "float32[]", "bool[1]"]
"""

INVALID = [
    ("selct = []", 'unknown key "selct"; did you mean "select"?'),
    ("extend_select = []", 'unknown key "extend_select"; did you mean "extend-select"?'),
    ("zzzzz = 1", 'unknown key "zzzzz"'),
    ("lint = {}", 'unknown key "lint"; mlint has no such table: its keys stand in [tool.mlint] itself'),
    ('select = "ML1"', '"select" must be a list of codes, names, libraries or "ALL", not a string'),
    ("select = [\n]\nexclude = [\n  'a', # one\n  2]", '"exclude" must be a list of patterns; item 2 is an integer', 5),
    ("exclude = ['']", '"exclude" must be a list of patterns; item 1 is empty'),
    ("fix = 1", '"fix" must be true or false, not an integer'),
    ("fix = 'yes'", '"fix" must be true or false, not a string'),
    ("seed = true", '"seed" must be an integer from 0 to 4294967295, not a boolean'),
    ("seed = 1.5", '"seed" must be an integer from 0 to 4294967295, not a float'),
    ("line-length = 2", '"line-length" must be an integer from 20 to 1000, not 2'),
    ("cache-dir = ''", '"cache-dir" must not be empty'),
    ("baseline = 1979-05-27", '"baseline" must be a path, not a date or time'),
    (
        "output-format = 'jsn'",
        (
            '"output-format" must be one of "full", "concise", "json", "json-lines", "github", "gitlab", "sarif", '
            '"junit", not "jsn"; did you mean "json"?'
        ),
    ),
    ("[extension]\nx = 'C'", '"extension.x" must be one of "python", "pyi", "ipynb", not "C"', 2),
    ("[extension]\n'.x' = 'pyi'", '"extension..x" takes file name endings without dot or slash, not ".x"', 2),
    ("extension = 3", '"extension" must be a table of file name endings, not an integer'),
    (
        "[target-versions]\n\npytorch = '2.6'",
        '"target-versions.pytorch" has an unknown library "pytorch"; did you mean "torch"?',
        3,
    ),
    (
        "target-versions.torch = 'latest'",
        '"target-versions.torch" must be a version ("2.6") or a range (">=2.6,<3"), not "latest"',
    ),
    (
        "target-versions = { numpy = '1', torch = '2.6,3' }",
        '"target-versions.torch" must be a version ("2.6") or a range (">=2.6,<3"), not "2.6,3"',
    ),
    ("target-versions.torch = 2.6", '"target-versions.torch" must be a version ("2.6") or a range, not a float'),
    (
        "[per-file-ignores]\n'a/*.py' = ['ML1']\n'b.py' = 'ML1'",
        '"per-file-ignores.b.py" must be a list of codes, names, libraries or "ALL", not a string',
        3,
    ),
    ("[per-file-ignores]\n'!' = []", '"per-file-ignores.!" has an empty pattern', 2),
    (
        "per-file-ignores = ['a']",
        (
            '"per-file-ignores" must be a table of patterns, each with a list of codes, names, libraries or "ALL", '
            "not a list"
        ),
    ),
    ("smoke = 1", '"smoke" must be a table, not an integer'),
    ("[smoke]\nbudgt = '20s'", '"smoke.budgt" has an unknown key "budgt"; did you mean "budget"?', 2),
    (
        "[smoke]\nmodel = 'a:b'",
        '"smoke.model" has an unknown key "model"; "model" belongs in [[tool.mlint.smoke.target]]',
        2,
    ),
    (
        "[smoke]\nbudget = '20 parsecs'",
        (
            '"smoke.budget" must be a time such as "20s", "500 ms" or a number of seconds, not "20 parsecs"; units are '
            "ms, s, min and h"
        ),
        2,
    ),
    ("[smoke]\nthreads = 0", '"smoke.threads" must be an integer from 1 to 1024, not 0', 2),
    (
        "[smoke.target]\nmodel = 'a:b'",
        '"smoke.target" must be a list of tables: write it with two brackets, [[tool.mlint.smoke.target]]',
    ),
    (
        "[[smoke.target]]\nbatch = 'a:b'",
        (
            '"smoke.target" needs the key "model": What is called to build the model, or the model itself: '
            "`package.module:build`."
        ),
    ),
    (
        "[[smoke.target]]\nmodel = 'a.b'",
        '"smoke.target.model" must be "package.module:name", not "a.b"; name a module, a colon and what is in it',
        2,
    ),
    (
        "[[smoke.target]]\nmodel = 'a:b'\nbatch = [\n'int64[8]',\n'float[8]']",
        (
            '"smoke.target.batch" item 2 must be a dtype with a shape, as "float32[8,3,32,32]" or "int64[8]<10", not '
            '"float[8]"; dtypes are called as in torch'
        ),
        5,
    ),
    (
        "[[smoke.target]]\nmodel = 'a:b'\nexempt = { ML108 = ['x'] }",
        '"smoke.target.exempt.ML108" has "ML108", which is no code of a smoke check, as MS108 is',
        3,
    ),
    (
        "[[smoke.target]]\nmodel = 'a:b'\nlimits = { peak-memory = '6 apples' }",
        (
            '"smoke.target.limits.peak-memory" must be a size such as "6 GiB" or a number of bytes, not "6 apples"; '
            "units are kB, MB, GB, TB, KiB, MiB, GiB and TiB"
        ),
        3,
    ),
]


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case[0])
def test_errors_name_the_file_the_line_and_the_nearest(case: tuple[str, str] | tuple[str, str, int]) -> None:
    text, message, line = (*case, 1)[:3]
    put("mlint.toml", text + "\n")
    assert error() == f"mlint.toml:{line}: {message}"
    put("a/pyproject.toml", "[project]\nname = 'x'\n\n[tool.mlint]\nlocal-rules = []\n")
    if "[" not in text.split("=")[0]:
        put("a/pyproject.toml", f"[project]\nname = 'x'\n\n[tool.mlint]\nlocal-rules = []\n{text}\n")
        assert error("a/x.py").startswith(f"a/pyproject.toml:{line + 5}: {message.partition(';')[0].split(' in ')[0]}")


def test_errors_in_pyproject_name_the_table() -> None:
    put("pyproject.toml", "[tool.other]\nselct = 1\n[tool.mlint]\nselct = 1\n")
    assert error() == 'pyproject.toml:4: unknown key "selct" in [tool.mlint]; did you mean "select"?'
    put("pyproject.toml", "[tool]\nmlint = 1\n")
    assert error() == "pyproject.toml:2: [tool.mlint] must be a table, not an integer"
    put("mlint.toml", "[tool.mlint]\nseed = 1\n")
    assert error() == 'mlint.toml:1: unknown key "tool"; in this file the keys stand at the top, without [tool.mlint]'


def test_syntax_errors() -> None:
    put("mlint.toml", "seed = 1\nselect = [\n  'a',\n")
    assert error().startswith("mlint.toml:")
    put("mlint.toml", "seed = 1\r\nselect == []\r\n")
    assert error() == "mlint.toml:2:9: is not valid TOML: Invalid value"
    put("mlint.toml", "seed = 1\nseed = 2\n")
    assert error().startswith("mlint.toml:2:")
    Path("mlint.toml").write_bytes(b"seed = 1\n# \xff\n")
    assert error() == "mlint.toml:2: is not UTF-8, as TOML must be"
    Path("mlint.toml").write_bytes(b"\xef\xbb\xbfseed = 5\r\n")
    assert settings().seed == 5


def test_lines_of_keys_in_any_form() -> None:
    text = (
        '# a = 1\n"a.b" = """\nx = 2\n"""\nc.d = [ # [x]\n  "]", {e = 1,\n  f = 2 },\n]\n'
        "[g . 'h']\ni = '''\n[no]'''\n[[j]]\nk = 1\n[[j]]\nk = 2\nl = { m.n = [1, [2,\n3]] }\n"
    )
    lines: dict[tuple[str | int, ...], int | None] = {
        ("a.b",): 2,
        ("c",): 5,
        ("c", "d", 0): 6,
        ("c", "d", 1, "e"): 6,
        ("c", "d", 1, "f"): 7,
        ("g", "h"): 9,
        ("g", "h", "i"): 10,
        ("j", 0, "k"): 13,
        ("j", 1, "k"): 15,
        ("j", 1, "l", "m", "n", 1, 1): 17,
        ("j", 1, "gone"): 14,
        ("no",): None,
        ("x",): None,
    }
    assert {path: line_of(text, path) for path in lines} == lines
    assert line_of("= = [[", ("a",)) is None


# every key


@pytest.mark.parametrize("option", list(options()), ids=lambda option: option.key)
def test_examples_are_read_and_say_something(option: Option) -> None:
    put("mlint.toml", option.example + "\n")
    found = settings()
    assert set(found.origins) == {option.field}
    assert getattr(found, option.field) != option.default
    assert option.explanation.endswith(".")


def test_settings_travel_to_other_processes() -> None:
    put("mlint.toml", VALID)
    found = settings()
    found.remembered["x"] = lambda: None
    copy = pickle.loads(pickle.dumps(found))
    assert copy == found
    assert copy.remembered == {}
    assert copy.target_versions == {
        "torch": "2.6", "numpy": ">=1.26, <3,!=2.0.1", "sklearn": "~=1.5", "pandas": "==2.*", "jax": "0.4.35rc1",
    }  # fmt: skip


def test_schema_agrees_with_the_reader(here: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    validator = jsonschema.Draft202012Validator(json_schema())
    good = [VALID, "", *(option.example for option in options())]
    for text in good:
        put("mlint.toml", text)
        settings()
        assert validator.is_valid(read_section(str(here / "mlint.toml"))[0]), text
    for case in INVALID:
        text = str(case[0])
        put("mlint.toml", text)
        error()
        section = read_section(str(here / "mlint.toml"))[0]
        assert not validator.is_valid(json.loads(json.dumps(section, default=lambda _value: 0))), text
    put("mlint.toml", "extend = ''")
    error()
    assert not validator.is_valid({"extend": ""})


def test_generated_files_are_up_to_date(here: Path) -> None:
    advice = "run python -m mlint.settings --write"
    assert (ROOT / "mlint.schema.json").read_text(encoding="utf-8") == schema_text(), advice
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert START + "\n" + options_text() + "\n" + END in page, advice
    put("docs/configuration.md", f"before\n{START}old\n{END}after\n")
    write(str(here))
    assert Path("docs/configuration.md").read_text() == f"before\n{START}\n{options_text()}\n{END}after\n"
    assert json.loads(Path("mlint.schema.json").read_text()) == json_schema()


def test_the_examples_of_the_page_are_read(here: Path) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    prose = page.partition(START)[0] + page.partition(END)[2]
    blocks = [block.partition("```")[0] for block in prose.split("```toml\n")[1:]]
    assert len(blocks) >= 3
    for number, block in enumerate(blocks):
        name = "pyproject.toml" if "[tool.mlint" in block else "mlint.toml"
        put("pyproject.toml" if name != "pyproject.toml" else "unused.toml", "[tool.mlint]\n")
        put(f"{number}/{name}", block)
        assert settings(f"{number}/x.py").config_path == str(here / str(number) / name), block


def test_start_up_imports_nothing_that_it_does_not_need(here: Path) -> None:
    put("pyproject.toml", "[project]\nname = 'x'\n")
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); before = set(sys.modules)\n"
        "from mlint.settings import SettingsResolver, active_codes\nimport mlint.discover\n"
        "SettingsResolver(overrides={'select': 'ML1'}).for_path('a/x.py').relative('a/x.py')\n"
        "print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=here)
    loaded = set(done.stdout.split())
    assert "mlint.settings.read" in loaded
    assert not loaded & {"tomllib", "tomli", "pathspec", "difflib", "json", "mlint.settings.lines"}
    assert not loaded & {"mlint.settings.schema"}
