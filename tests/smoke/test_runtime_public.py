"""`mlint.smoke.check` and the fixture `mlint_smoke`: the checks inside of a test."""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")
nn: Any = torch.nn
ROOT = __file__.rpartition("/tests/")[0]
pytest_plugins = ["pytester"]

if TYPE_CHECKING:
    from mlint.smoke import Report


class Spare(nn.Module):  # type: ignore[misc]
    """Has a layer that it never uses."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.spare = nn.Linear(4, 2), nn.Linear(2, 2)

    def forward(self, x: Any) -> Any:
        return self.used(x)


def checked(*arguments: Any, **options: Any) -> Report:
    from mlint.smoke import check

    options.setdefault("select", ["MS101"])
    return check(*arguments, **options)


def test_a_module_and_a_batch() -> None:
    model = Spare()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    report = checked(model, torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(torch.rand(1), expected), "the caller's random numbers go on as if nothing had happened"
    assert report.codes == ["MS101"]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    (finding,) = report.at_least("error")
    assert (os.path.abspath(finding.path), finding.start.line) == (__file__, Spare.__init__.__code__.co_firstlineno - 3)
    assert "MS101" in str(report)
    assert "= why: A trainable parameter that the loss never reaches" in str(report)
    assert {what for what, _ in report.timings} >= {"building the model", "the forward pass", "MS101"}
    assert report.device == "cpu"


def test_functions_that_build() -> None:
    def build() -> Any:
        return nn.Linear(4, 2)

    def batch() -> Any:
        data = torch.utils.data.TensorDataset(torch.randn(6, 4), torch.zeros(6, dtype=torch.int64))
        return torch.utils.data.DataLoader(data, batch_size=3)

    report = checked(build, batch, nn.CrossEntropyLoss(), lambda model: torch.optim.SGD(model.parameters(), lr=0.1))
    assert report.findings == []


def test_what_the_model_raises_is_a_finding() -> None:
    class Wrong(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            raise ValueError("no such thing")

    report = checked(Wrong(), torch.randn(2, 3))
    assert report.codes == ["MS002"]
    assert report.findings[0].message == "the forward pass raises ValueError: no such thing"
    assert os.path.abspath(report.findings[0].path) == __file__
    report = checked(lambda: None, torch.randn(2, 3))
    assert report.codes == ["MS001"]


def test_a_model_of_another_shape_at_each_call_is_no_pass() -> None:
    sizes = iter(range(2, 100))
    report = checked(lambda: nn.Linear(3, next(sizes)), torch.randn(2, 3))
    assert report.codes == ["MS001"]
    assert "the target cannot be checked: the model's factory makes a model of another shape" in str(report)


def test_an_exit_does_not_end_the_test() -> None:
    def build() -> Any:
        sys.exit(3)

    report = checked(build, torch.randn(2, 3))
    assert report.codes == ["MS004"]
    assert "sys.exit(3)" in report.findings[0].message


def test_wrong_arguments_are_errors() -> None:
    from mlint.smoke import SmokeError

    for arguments, options in (
        (("no model", None), {}),
        ((nn.Linear(1, 1), torch.zeros(1, 1)), {"select": ["MS999"]}),
        ((nn.Linear(1, 1), torch.zeros(1, 1)), {"budget": "soon"}),
        ((nn.Linear(1, 1), torch.zeros(1, 1)), {"limits": {"parametres": 1}}),
    ):
        with pytest.raises(SmokeError):
            checked(*arguments, **options)


def test_the_budget_is_kept_and_what_did_not_run_is_told() -> None:
    report = checked(Spare(), torch.randn(2, 4), budget=0, select=["MS1"])
    assert report.codes == ["MS003"]
    assert "nothing was left of the budget of 0 s for a check" in report.findings[0].message
    reasons = {code: reason for code, _, reason in report.not_run}
    assert reasons["MS101"] == "the budget of 0 s is used up"


def test_the_fixture(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    # Where mlint is installed the plugin is there already; in a bare checkout it is named.
    installed = any(point.name == "mlint_smoke" for point in entry_points(group="pytest11"))
    named = () if installed else ("-p", "mlint.smoke.pytest_plugin")
    pytester.makepyfile(
        test_models="""
        import torch
        from torch import nn

        class Spare(nn.Module):
            def __init__(self):
                super().__init__()
                self.used, self.spare = nn.Linear(4, 2), nn.Linear(2, 2)

            def forward(self, x):
                return self.used(x)

        def test_good(mlint_smoke):
            assert mlint_smoke(nn.Linear(4, 2), torch.randn(3, 4), select=["MS101"]).findings == []

        def test_bad(mlint_smoke):
            mlint_smoke(Spare(), torch.randn(3, 4), select=["MS101"])

        def test_looked_at(mlint_smoke):
            assert mlint_smoke(Spare(), torch.randn(3, 4), select=["MS101"], fail_on="never").codes == ["MS101"]

        def test_wrong(mlint_smoke):
            mlint_smoke("nothing", None)
        """
    )
    done = pytester.runpytest_inprocess(*named, "-p", "no:cacheprovider")
    done.assert_outcomes(passed=2, failed=2)
    done.stdout.fnmatch_lines(["*mlint smoke found MS101*", "*= why: A trainable parameter that the loss never*"])
    done.stdout.fnmatch_lines(["*mlint smoke: model is str, neither a torch module nor a function*"])
    assert "public.py" not in done.stdout.str()


def test_the_plugin_imports_nothing_heavy() -> None:
    import subprocess

    heavy = "('torch', 'libcst', 'mlint.smoke.public')"
    code = f"import sys, mlint.smoke.pytest_plugin; print([name for name in sys.modules if name in {heavy}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
