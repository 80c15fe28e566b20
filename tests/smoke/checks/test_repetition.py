"""Planted faults in what must repeat itself: MS301 to MS303."""

from __future__ import annotations

import random
import time

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from mlint.smoke.checks.evaluation import Evaluation  # noqa: E402
from mlint.smoke.checks.reproducible import NotReproducible  # noqa: E402
from mlint.smoke.checks.resume import ResumeDiffers  # noqa: E402
from tests.smoke.architectures import ZOO  # noqa: E402
from tests.smoke.checks.planting import Fault, around, cases, check_case, edited, subject_of  # noqa: E402
from tests.smoke.checks.test_dependence import fault  # noqa: E402


def clock_noise(self, x):
    output = self.inner(x)
    generator = torch.Generator().manual_seed(time.perf_counter_ns() % 2**40)
    return output + 0.1 * torch.randn(output.shape, generator=generator) * self.training


def system_noise(self, x):
    output = self.inner(x)
    return output * (1 + random.SystemRandom().random() * self.training)


def own_initialisation(model):
    generator = torch.Generator()
    generator.seed()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.1, generator=generator)


def dropout_always(self, x):
    return nn.functional.dropout(self.inner(x), 0.3)


def noise_always(self, x):
    output = self.inner(x)
    return output + 0.1 * torch.randn_like(output)


def unused_draw(self, x):
    torch.rand(3)
    return self.inner(x)


def input_scaled_in_place(self, x):
    x *= 0.5
    return self.inner(x)


class Kept(nn.Module):
    """A running mean of the inputs, updated in every mode, or kept out of the checkpoint."""

    def __init__(self, inner, persistent, always, plain=False):
        super().__init__()
        self.inner, self.always = inner, always
        if plain:
            self.mean = torch.zeros(())
        else:
            self.register_buffer("mean", torch.zeros(()), persistent=persistent)

    def forward(self, x):
        output = self.inner(x) * (1 + self.mean)
        if self.always or self.training:
            self.mean = 0.5 * self.mean + 0.5 * output.detach().abs().mean()
        return output


FAULTS = [
    fault("noise-from-the-clock", around(clock_noise), "mlp cnn decoder", "MS301"),
    fault("scale-from-the-system", around(system_noise), "mlp resnet gru", "MS301"),
    fault("initialised-from-the-system", edited(own_initialisation), "mlp gru unet", "MS301"),
    fault("dropout-in-eval", around(dropout_always), "mlp cnn gru", "MS302", "MS501"),
    fault("noise-in-eval", around(noise_always), "mlp resnet decoder", "MS302"),
    fault("statistics-in-eval", edited(lambda model: Kept(model, True, True)), "mlp cnn gru", "MS302"),
    fault("input-in-place", around(input_scaled_in_place), "mlp cnn gru", "MS302"),
    fault("draw-in-eval", around(unused_draw), "mlp cnn gru", "MS302"),
    fault("statistics-not-saved", edited(lambda model: Kept(model, False, False)), "mlp cnn gru", "MS303"),
    fault("state-in-attribute", edited(lambda model: Kept(model, False, False, True)), "mlp resnet decoder", "MS303"),
]


@pytest.mark.parametrize(("planted", "architecture"), cases(FAULTS))
def test_a_planted_fault_is_found_and_nothing_else(planted: Fault, architecture):
    check_case(planted, architecture)


def test_the_first_operation_that_differs_is_named():
    broken = around(noise_always)(ZOO["mlp"])
    (found,) = Evaluation().run(subject_of(broken))
    assert found.operation in {"randn_like", "normal_"}
    assert found.module == ""
    assert found.place is not None
    assert found.place[0] == __file__
    assert found.place[1] == noise_always.__code__.co_firstlineno + 2


def test_what_a_checkpoint_does_not_hold_is_named():
    broken = edited(lambda model: Kept(model, False, False))(ZOO["mlp"])
    (found,) = ResumeDiffers().run(subject_of(broken))
    assert found.evidence["not restored"] == ["mean"]
    assert found.evidence["losses without a break"] != found.evidence["losses after loading"]


GENERATOR = torch.Generator().manual_seed(5)


def test_a_generator_that_was_seeded_at_import_is_reproducible():
    def seeded_noise(self, x):
        output = self.inner(x)
        return output + 0.1 * torch.randn(output.shape, generator=GENERATOR) * self.training

    assert not list(NotReproducible().run(subject_of(around(seeded_noise)(ZOO["mlp"]))))


class Rows(torch.utils.data.Dataset):
    def __init__(self, draw):
        self.draw = draw

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return torch.full((11,), float(index)) + self.draw(), index % 5


def entropy():
    return random.SystemRandom().random()


def nothing():
    return 0.0


@pytest.mark.parametrize(("draw", "found"), [(entropy, True), (nothing, False)])
def test_a_loader_whose_workers_draw_from_the_system(draw, found):
    def loader(workers):
        return torch.utils.data.DataLoader(Rows(draw), batch_size=4, shuffle=True, num_workers=workers)

    observations = list(NotReproducible().run(subject_of(ZOO["mlp"], loader=loader)))
    assert bool(observations) is found
