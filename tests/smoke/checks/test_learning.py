"""Planted faults in learning: MS501 and MS502."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from mlint.smoke.checks.base import NotRun  # noqa: E402
from mlint.smoke.checks.overfit import CannotOverfit  # noqa: E402
from tests.smoke.architectures import ZOO  # noqa: E402
from tests.smoke.checks.planting import around, cases, check_case, subject_of, with_loss  # noqa: E402
from tests.smoke.checks.test_dependence import fault  # noqa: E402


def blind(self, x):
    return self.inner(torch.ones_like(x))


def mean_of_inputs(self, x):
    return self.inner(x.mean(0, keepdim=True).expand(x.shape))


def shuffling(loss):
    def shuffled(output, batch):
        order = torch.randperm(len(batch[1]), device=batch[1].device)
        return loss(output, (batch[0], batch[1][order]))

    return shuffled


def diverging(model):
    return torch.optim.SGD(model.parameters(), lr=1e4)


FAULTS = [
    fault("inputs-overwritten", around(blind), "mlp cnn gru", "MS501 MS405", "MS102 MS101"),
    fault("targets-shuffled-in-loss", with_loss(shuffling), "mlp cnn resnet gru", "MS501", "MS206"),
    fault("learning-rate-diverges", lambda architecture: architecture, "mlp gru", "MS501", "MS201 MS303",
          optimizer=diverging),
]  # fmt: skip


@pytest.mark.parametrize(("planted", "architecture"), cases(FAULTS))
def test_a_planted_fault_is_found_and_nothing_else(planted, architecture):
    check_case(planted, architecture)


def test_every_sample_the_mean_of_all_is_not_learnt():
    (found,) = CannotOverfit().run(subject_of(around(mean_of_inputs)(ZOO["mlp"])))
    assert found.evidence["losses"][-1] < found.evidence["losses"][0], "the loss falls, and that proves nothing"


def test_the_control_decides_nothing_where_all_targets_are_equal():
    def batch():
        x, y = ZOO["mlp"].batch()
        return x, torch.zeros_like(y)

    from dataclasses import replace

    with pytest.raises(NotRun, match="equal"):
        list(CannotOverfit().run(subject_of(replace(ZOO["mlp"], batch=batch))))


def test_few_samples_of_one_class_are_learnt():
    """Most other orders of the targets are the same targets; the ones that are compared move what there is to move."""

    def batch():
        x = torch.randn(8, 11)
        return x, torch.tensor([0, 0, 0, 0, 0, 0, 0, 1])

    from dataclasses import replace

    model = nn.Sequential(nn.Linear(11, 16), nn.ReLU(), nn.Linear(16, 2))
    architecture = replace(ZOO["mlp"], build=lambda: model, batch=batch)
    assert not list(CannotOverfit().run(subject_of(architecture)))
