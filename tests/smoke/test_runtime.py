"""The way from the configuration to the report, and back out with an exit code."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.smoke.projects import Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="mlint smoke needs process groups")
MODELS = """\
import torch
from torch import nn

print("this is no report", open("shop/sizes.txt").read())


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))

    def forward(self, x):
        return self.body(x)


class Spare(Net):
    def __init__(self):
        super().__init__()
        self.spare = nn.Linear(3, 3)


def loss(output, batch):
    return nn.functional.cross_entropy(output, batch[1])


def optimizer(model):
    return torch.optim.SGD(model.parameters(), lr=0.1)
"""
SECTION = """\
[project]
name = "shop"

[tool.mlint.smoke]
select = ["MS1", "MS201"]
budget = "120s"

[[tool.mlint.smoke.target]]
name = "good"
model = "shop.models:Net"
batch = ["float32[4,6]", "int64[4]<3"]
loss = "shop.models:loss"
optimizer = "shop.models:optimizer"

[[tool.mlint.smoke.target]]
name = "bad"
model = "shop.models:Spare"
batch = ["float32[4,6]", "int64[4]<3"]
loss = "shop.models:loss"
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """A project with a good model and one with a layer that is never used."""
    pytest.importorskip("torch")
    project.put("shop/models.py", MODELS)
    project.put("shop/sizes.txt", "8")
    project.put("pyproject.toml", SECTION)
    return project


def test_the_right_finding_on_the_bad_model_and_none_on_the_good_one(shop: Project) -> None:
    done = shop.smoke("--output-format", "json", "--timing")
    assert done.code == 1, done.err
    found = done.only
    assert found["code"] == "MS101"
    assert found["severity"] == "error"
    assert found["filename"] == str(shop.folder / "shop" / "models.py")
    assert found["location"]["row"] == 16
    assert found["evidence"]["target"] == "bad"
    assert found["evidence"]["module"] == "spare"
    assert "this is no report" not in done.out
    assert "importing torch" in done.err
    assert "s  MS101" in done.err
    assert done.err.count("ran on cpu, torch ") == 2
    # Again: remembered, and torch is not imported for it.
    again = shop.smoke("--output-format", "json", env={"PYTHONVERBOSE": "1"})
    assert again.out == done.out
    assert "(remembered)" in again.err
    assert "import 'torch'" not in again.err
    assert "# code object from" in again.err or "import 'mlint" in again.err
    # A good target alone, in another form.
    alone = shop.smoke("good")
    assert (alone.code, alone.out) == (0, "All checks passed.\n")
    assert (shop.folder / ".mlint_cache" / ".gitignore").read_text() == "*\n"
    # A change in a file that it read, and in one that it imported.
    shop.put("shop/sizes.txt", "9")
    assert "(remembered)" not in shop.smoke("good").err
    shop.put("shop/models.py", MODELS.replace("self.spare = nn.Linear(3, 3)", "self.other = 3"))
    changed = shop.smoke("bad")
    assert (changed.code, changed.out) == (0, "All checks passed.\n")
    assert "(remembered)" not in changed.err


def test_what_the_users_step_raises(shop: Project) -> None:
    text = MODELS + "\n\ndef wrong(output, batch):\n    print('before')\n    return output.nothing\n"
    shop.put("shop/models.py", text)
    done = shop.smoke("good", "--loss", "shop.models:wrong", "--output-format", "json", "-v")
    assert done.code == 1
    found = done.only
    assert (found["code"], found["name"]) == ("MS002", "target-raises")
    assert found["message"].startswith("the forward pass raises AttributeError: 'Tensor' object has no attribute 'noth")
    assert found["location"]["row"] == text.count("\n")
    assert "torch/nn/modules" not in found["evidence"]["traceback"]
    assert "before" in done.err


def test_defaults_that_the_users_code_sets_are_its_own(shop: Project) -> None:
    shop.put(
        "shop/models.py",
        MODELS
        + "\n\ntorch.set_default_dtype(torch.float64)\ntorch.set_default_device('cpu')\ntorch.manual_seed(3)\n"
        + "import random\nrandom.seed(4)\ntorch.set_num_threads(1)\ntorch.set_grad_enabled(True)\n",
    )
    done = shop.smoke("shop.models:Net", "--batch", "float64[4,6]", "--batch", "int64[4]<3", "--select", "MS1,MS201")
    assert (done.code, done.out) == (0, "All checks passed.\n"), done.err


def test_workers_and_threads_in_the_users_code(shop: Project) -> None:
    shop.put(
        "shop/data.py",
        """\
        import multiprocessing, threading, time
        import torch
        from torch.utils.data import DataLoader, TensorDataset
        threading.Thread(target=time.sleep, args=(600,)).start()

        def make():
            data = TensorDataset(torch.randn(8, 6), torch.randint(0, 3, (8,)))
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                assert pool.map(abs, [-1]) == [1]
            return DataLoader(data, batch_size=4, num_workers=1)
        """,
    )
    done = shop.smoke("good", "--batch", "shop.data:make", "--select", "MS101", "--budget", "60s")
    assert (done.code, done.out) == (0, "All checks passed.\n"), done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--batch", "float32[2]", "nothing.at.all:x"), "there is no module nothing.at.all; modules are found from"),
        (("--batch", "float32[2]", "m:buidl"), "m has no buidl; did you mean build?"),
        (("--batch", "float32[2]", "m:number"), "m:number is an int, neither a torch module nor something that builds"),
        (("m:build",), "the target has no batch, and nothing can be run without one; add `batch = "),
        (("--batch", "float32[2]", "--loss", "m:number", "m:build"), "loss m:number is an int, which cannot be called"),
        (("--batch", "m:nothing", "m:build"), "m has no nothing"),
    ],
)
def test_a_configuration_that_leads_nowhere_is_a_finding_where_it_stands(
    light: Project, arguments: tuple[str, ...], message: str
) -> None:
    light.put("m.py", "number = 3\n\n\ndef build():\n    return 1\n")
    light.put("pyproject.toml", "[project]\nname = 'x'\n\n[tool.mlint]\n[tool.mlint.smoke]\nbudget = '30s'\n")
    done = light.smoke(*arguments, "--output-format", "json")
    assert done.code == 1, done.err
    found = done.only
    assert (found["code"], found["name"]) == ("MS001", "target-not-built")
    assert message in found["message"]
    assert Path(found["filename"]).name == "pyproject.toml"
    assert found["location"]["row"] == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing to check: there is no [[tool.mlint.smoke.target]]; `mlint smoke --init` proposes one"),
        (("shop",), "there is no target shop; name a model as package.module:name"),
        (("--budgt", "3"), "unknown option --budgt; did you mean --budget?"),
        (("--budget", "soon", "m:build"), '--budget must be a time such as "20s", "500 ms" or a number of seconds'),
        (("--batch", "float[3]", "m:build"), '--batch must be a dtype with a shape, as "float32[8,3,32,32]"'),
        (("a:b:c",), 'TARGET must be "package.module:name", not "a:b:c"'),
        (("--device", "gpu", "m:build"), "--device must be auto, cpu or cuda"),
        (("--select", "MS999", "m:build"), "there is no check MS999"),
        (("--ignore", "target-dyed", "m:build"), "there is no check target-dyed; did you mean target-died?"),
        (("--python", "nowhere", "m:build"), "there is no interpreter at "),
        (("--output-format", "jsn", "m:build"), "--output-format jsn: no such format; did you mean json?"),
        (("--fail-on", "errors", "m:build"), 'did you mean "error"?'),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(light: Project, arguments: tuple[str, ...], message: str) -> None:
    done = light.smoke(*arguments, "--exit-zero")  # which hides no wrong usage
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("mlint: ")
    assert message in done.err
    assert done.err.count("\n") == 1


def test_the_interpreter_of_the_active_environment_is_used(light: Project) -> None:
    light.put("m.py", "raise ValueError\n")
    done = light.smoke("m:build", "--batch", "float32[2]", env={"VIRTUAL_ENV": str(light.folder / "gone")})
    assert done.code == 2
    assert f"$VIRTUAL_ENV is {light.folder / 'gone'}, and there is no interpreter in it" in done.err
    light.put("env/bin/python", "#!/bin/sh\necho the wrong one >&2\nexit 7\n").chmod(0o755)
    arguments = ("m:build", "--batch", "float32[2]", "--output-format", "json")
    done = light.smoke(*arguments, env={"VIRTUAL_ENV": str(light.folder / "env")})
    found = done.only
    assert found["code"] == "MS004"
    assert found["message"] == "the interpreter ended with exit code 7 before the target was imported"
    assert "the wrong one" in found["evidence"]["traceback"]


def test_a_device_that_is_not_there(light: Project) -> None:
    light.put("m.py", "x = 1\n")
    done = light.smoke("m:x", "--batch", "float32[2]", "--device", "cuda:1")
    assert (done.code, done.out) == (2, "")
    assert "device cuda:1: torch in " in done.err
    assert "sees no such device" in done.err


def test_a_check_that_hangs_ends_with_the_budget(shop: Project) -> None:
    shop.put(
        "m.py",
        """\
        import time
        from torch import nn
        count = 0

        class Net(nn.Linear):
            def forward(self, x):
                global count
                count += 1
                while count > 1:
                    time.sleep(0.1)
                return super().forward(x)

        def build():
            return Net(2, 2)
        """,
    )
    done = shop.smoke("m:build", "--batch", "float32[3,2]", "--select", "MS101,MS102,MS201,MS401", "--budget", "4s")
    assert "not run: MS" in done.err
    assert "stopped when the budget of 4 s was used up, in forward (m.py:10)" in done.err


def test_an_old_interpreter_is_told(light: Project) -> None:
    light.put("old", "#!/bin/sh\nprintf OLD3.8 >&2\nexit 99\n").chmod(0o755)
    done = light.smoke("m:build", "--batch", "float32[2]", "--python", "old")
    assert done.code == 2
    assert "is Python 3.8; mlint smoke needs 3.10 or newer" in done.err


@pytest.mark.parametrize("format", ["full", "concise", "json-lines", "github", "gitlab", "sarif", "junit"])
def test_every_format(light: Project, format: str) -> None:
    light.put("m.py", "def f():\n    raise ValueError('of mine')\n\n\nf()\n")
    done = light.smoke("m:build", "--batch", "float32[2]", "--output-format", format, "-o", "report.txt")
    assert (done.code, done.out) == (1, "")
    text = (light.folder / "report.txt").read_text()
    assert "MS001" in text
    assert "importing m raises ValueError: of mine" in text
    if format == "full":
        assert "m.py:2:5: MS001" in text
        assert "ValueError: of mine" in text.partition("= traceback:")[2]
        assert "= why: The target cannot be built" in text
    if format == "sarif":
        result = json.loads(text)["runs"][0]["results"][0]
        assert result["level"] == "error"
        assert "traceback" in result["properties"]["evidence"]


def test_exit_codes_follow_the_configuration(light: Project) -> None:
    light.put("m.py", "raise ValueError\n")
    arguments = ("m:build", "--batch", "float32[2]", "-q")
    assert light.smoke(*arguments).code == 1
    assert light.smoke(*arguments, "--exit-zero").code == 0
    assert light.smoke(*arguments, "--fail-on", "never").code == 0
    assert light.smoke(*arguments, "--config", "smoke.fail-on = 'never'").code == 0


def test_explain_and_list(light: Project) -> None:
    listed = light.smoke("--list")
    assert listed.code == 0
    assert "MS004  target-died: The process ended" in listed.out
    page = light.run("explain", "MS101")
    assert page.code == 0
    assert page.out.startswith("# parameter-without-gradient (MS101)\n\nFound by `mlint smoke`")
    assert light.run("explain", "ms003").out.startswith("# target-timed-out (MS003)")
    assert light.run("explain", "parameter-without-gradient").out == page.out
    assert "did you mean" in light.run("explain", "log-of-sftmax").err
    assert light.run("explain", "MS0").out.count("\n") == 5
    wrong = light.run("explain", "MS999")
    assert (wrong.code, wrong.out) == (2, "")
    assert "there is no check 'MS999'" in wrong.err


def test_help() -> None:
    from mlint.smoke.options import build_parser

    text = build_parser().format_help()
    assert "That is no sandbox" in text
    assert max(map(len, text.splitlines())) <= 120
