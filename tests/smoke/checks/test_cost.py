"""Planted faults in what a step costs: MS601 to MS603, the limits, and MS502, which is measured, too."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from mlint.smoke.checks.memory import MemoryGrows  # noqa: E402
from mlint.smoke.checks.syncs import SyncsPerStep  # noqa: E402
from mlint.smoke.checks.units import Units  # noqa: E402
from tests.smoke.architectures import ZOO  # noqa: E402
from tests.smoke.checks.planting import around, cases, check_case, edited, subject_of, with_loss  # noqa: E402
from tests.smoke.checks.test_dependence import fault  # noqa: E402


class Remembers(nn.Module):
    def __init__(self, inner, history):
        super().__init__()
        self.inner, self.history = inner, history

    def forward(self, x):
        output = self.inner(x)
        self.history.append(output.detach() if isinstance(self.history, deque) else output)
        return output


def keeping(loss):
    losses = []

    def kept(output, batch):
        value = loss(output, batch)
        losses.append(value)
        return value

    return kept


def summing(loss):
    total = [0.0]

    def summed(output, batch):
        value = loss(output, batch)
        total[0] = total[0] + value
        return value

    return summed


FAULTS = [
    fault("outputs-kept", edited(lambda model: Remembers(model, [])), "mlp cnn gru", "MS601", "MS303"),
    fault("losses-kept", with_loss(keeping), "mlp resnet decoder", "MS601"),
    fault("losses-summed", with_loss(summing), "mlp cnn gru", "MS601"),
]


@pytest.mark.parametrize(("planted", "architecture"), cases(FAULTS))
def test_a_planted_fault_is_found_and_nothing_else(planted, architecture):
    check_case(planted, architecture)


def test_the_holder_is_named():
    broken = edited(lambda model: nn.Sequential(Remembers(model, [])))(ZOO["mlp"])
    (found,) = MemoryGrows().run(subject_of(broken))
    assert found.evidence["held by"].startswith("0.history (a list of ")
    assert found.evidence["tensors a step"] >= 1


def test_a_bounded_history_does_not_grow():
    broken = edited(lambda model: Remembers(model, deque(maxlen=100)))(ZOO["mlp"])
    assert not list(MemoryGrows().run(subject_of(broken)))


def reads(self, x):
    output = self.inner(x)
    if output.sum().item() > 1e9:
        return output * 2
    return output[torch.ones(len(output), dtype=torch.bool)]


@pytest.mark.parametrize(("limit", "severity"), [(None, "info"), (1, "error"), (5, "info")])
def test_host_reads_are_counted_with_their_line(limit, severity):
    limits = {} if limit is None else {"syncs_per_step": limit}
    (found,) = SyncsPerStep().run(subject_of(around(reads)(ZOO["mlp"]), options={"limits": limits}))
    assert found.severity == severity
    assert found.evidence["count"] >= 2
    first = reads.__code__.co_firstlineno
    assert found.place in {(__file__, first + 2), (__file__, first + 4)}


def test_dead_and_saturated_units_are_counted():
    def build():
        model = nn.Sequential(nn.Linear(11, 8), nn.ReLU(), nn.Linear(8, 6), nn.Sigmoid(), nn.Linear(6, 5))
        with torch.no_grad():
            model[0].bias[:3] = -1e3
            model[2].bias[:2] = 1e3
        return model

    found = {each.name: each for each in Units().run(subject_of(replace(ZOO["mlp"], build=build)))}
    assert found["dead-units"].evidence["units"] == [0, 1, 2]
    assert found["saturated-units"].evidence["units"] == [0, 1]
    assert {each.severity for each in found.values()} == {"info"}


@pytest.mark.parametrize("figure", ["parameters", "flops", "peak_memory", "step_time"])
@pytest.mark.parametrize("name", ["mlp", "lstm", "encoder"])
def test_a_limit_is_exceeded_or_not(figure, name):
    from mlint.smoke.checks import limits

    check = next(value for value in vars(limits).values() if getattr(value, "figure", None) == figure)
    (found,) = check().run(subject_of(ZOO[name], options={"limits": {figure: 0}}))
    assert found.severity == "error"
    assert found.evidence[figure] > 0
    assert not list(check().run(subject_of(ZOO[name], options={"limits": {figure: 1e15}})))


def test_figures_of_a_linear_layer_are_those_of_the_formula():
    from mlint.smoke import figures

    rows, inside, outside = 6, 11, 5
    subject = subject_of(replace(ZOO["mlp"], build=lambda: nn.Linear(inside, outside)))
    assert figures.parameters(subject) == inside * outside + outside
    # Forward, and the gradient of the weight; the input needs none.
    assert figures.flops(subject) == 2 * (2 * rows * inside * outside)
    # Parameters, gradients and two moments.
    assert figures.peak_memory(subject) >= 4 * 4 * (inside * outside + outside)


def test_growth_against_a_baseline():
    from mlint.smoke.checks.limits import Growth

    options = {"limits": {"baseline": {"parameters": 10, "flops": 1e12}}}
    (found,) = Growth().run(subject_of(ZOO["mlp"], options=options))
    assert found.evidence == {"parameters": 1013.0, "baseline": 10.0}
