"""What looks like a fault of MS101 to MS207 and is none: nothing may be said about it above "measured"."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from mlint.smoke.checks.base import NotRun, registry  # noqa: E402
from mlint.smoke.subject import Options, Subject  # noqa: E402
from mlint.smoke.training import Several  # noqa: E402


def vectors() -> Any:
    return torch.randn(8, 6), torch.arange(8) % 3


def cross_entropy(output: Any, batch: Any) -> Any:
    return F.cross_entropy(output, batch[1])


def reported(*codes: str, build: Any, batch: Any = vectors, loss: Any = cross_entropy, **rest: Any) -> list[str]:
    """Codes and messages above "measured" of some checks."""
    options = Options(**{key: rest.pop(key) for key in list(rest) if key in Options.__dataclass_fields__})
    subject = Subject(build, batch, loss, rest.pop("optimizer", None), options=options, **rest)
    found = []
    for code in codes:
        try:
            for each in registry()[code]().run(subject):
                if each.severity != "info":
                    found.append(f"{each.code} {each.message}")
        except NotRun:
            continue
    return found


class Skipping(nn.Module):
    """A layer that half of the training steps leave out, as LayerDrop does."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        x = self.first(x)
        if not self.training or torch.rand(()) < 0.1:
            x = x + self.middle(x)
        return self.last(x)


class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        return self.last(checkpoint(self.middle, self.first(x).relu(), use_reentrant=True))


class Routed(nn.Module):
    """Experts that see the samples that chose them, and none in many batches."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(6, 12)
        self.experts = nn.ModuleList(nn.Linear(6, 3) for _ in range(12))

    def forward(self, x: Any) -> Any:
        weights = self.router(x).softmax(-1)
        best, chosen = weights.max(-1)
        result = x.new_zeros(len(x), 3)
        for index, expert in enumerate(self.experts):
            rows = (chosen == index).nonzero().squeeze(1)
            result = result.index_add(0, rows, expert(x[rows]) * best[rows, None])
        return result


class ReZero(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(()))
        self.branch, self.last = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        return self.last(x + self.scale * self.branch(x).tanh())


class Adapter(nn.Module):
    """Two zero-initialised layers in a row, as ControlNet has them, and a LoRA pair."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(6, 6).requires_grad_(False)
        self.down, self.up = nn.Linear(6, 2, bias=False), nn.Linear(2, 6, bias=False)
        self.enter, self.leave, self.last = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        for layer in (self.up, self.leave):
            for value in layer.parameters():
                nn.init.zeros_(value)

    def forward(self, x: Any) -> Any:
        hidden = self.base(x) + self.up(self.down(x))
        return self.last(hidden + self.leave(self.enter(hidden).relu()))


class SmallLast(nn.Sequential):
    """A last layer of zeros."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
        nn.init.zeros_(self[2].weight)
        nn.init.zeros_(self[2].bias)


class Bidirectional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        return self.last(self.norm(self.first(x)))


@pytest.mark.parametrize("build", [Skipping, Checkpointed, Routed, ReZero, Adapter, SmallLast, Bidirectional])
def test_gradients_that_come_later_or_elsewhere(build: Any) -> None:
    assert reported("MS101", "MS102", "MS103", "MS107", "MS201", build=build) == []


def test_closures_that_copies_do_not_reach() -> None:
    class Closed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 3)
            self.call = lambda x: self.layer(x)

        def forward(self, x: Any) -> Any:
            return self.call(x)

    subject = Subject(Closed, vectors, cross_entropy)
    assert not subject.copies_faithfully
    assert reported("MS101", "MS102", "MS107", "MS206", build=Closed) == []


def adam(*values: Any) -> Any:
    return torch.optim.Adam([value for value in values if value.requires_grad], lr=1e-3)


def test_weights_of_the_loss_are_not_foreign() -> None:
    weight = nn.Parameter(torch.zeros(()))

    def weighted(output: Any, batch: Any) -> Any:
        return F.cross_entropy(output, batch[1]) * (-weight).exp() + weight

    optimizer = lambda model: adam(*model.parameters(), weight)  # noqa: E731
    assert reported("MS103", build=lambda: nn.Linear(6, 3), loss=weighted, optimizer=optimizer) == []


def test_several_optimizers_and_tied_weights() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.generator, self.critic = nn.Linear(6, 6), nn.Linear(6, 3)
            self.again = self.critic

        def forward(self, x: Any) -> Any:
            return self.again(self.generator(x)) + self.critic(x)

    def optimizers(model: Any) -> Any:
        return {"g": adam(*model.generator.parameters()), "c": [adam(*model.critic.parameters())]}

    subject = Subject(Pair, vectors, cross_entropy, optimizers)
    assert isinstance(subject.optimizer(subject.fresh()), Several)
    assert reported("MS101", "MS103", "MS104", build=Pair, optimizer=optimizers) == []


def test_gradient_penalty_input_is_no_hidden_parameter() -> None:
    class Penalised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            point = x.clone().requires_grad_()
            value = self.layer(point).tanh()
            (slope,) = torch.autograd.grad(value.sum(), point, create_graph=True)
            return value + slope.norm(dim=1, keepdim=True)

    assert reported("MS103", build=Penalised) == []


def test_a_learning_rate_of_zero_vanishes_nothing() -> None:
    optimizer = lambda model: torch.optim.SGD(model.parameters(), lr=0.0)  # noqa: E731
    assert reported("MS104", build=lambda: nn.Linear(6, 3), optimizer=optimizer) == []


def test_a_moving_average_may_change_what_is_frozen() -> None:
    class Momentum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.student, self.teacher = nn.Linear(6, 3), nn.Linear(6, 3).requires_grad_(False)

        def forward(self, x: Any) -> Any:
            with torch.no_grad():
                self.teacher.weight.lerp_(self.student.weight, 0.1)
            return self.student(x) + self.teacher(x).detach()

    optimizer = lambda model: torch.optim.AdamW(model.parameters(), lr=1e-3)  # noqa: E731
    assert reported("MS101", "MS105", build=Momentum, optimizer=optimizer) == []


def accumulating() -> Any:
    state = {"calls": 0}

    def step(model: Any, batch: Any, optimizer: Any) -> Any:
        loss = cross_entropy(model(batch[0]), batch) / 4
        loss.backward()
        state["calls"] += 1
        if state["calls"] % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()
        return loss

    return step


def adversarial(model: Any, batch: Any, optimizer: Any) -> Any:
    """The generator's pass leaves gradients in the critic, which are cleared before the critic's own."""
    generator, critic = optimizer.optimizers
    fake = model.generator(batch[0])
    critic.zero_grad()
    (model.critic(fake.detach()).mean() - model.critic(batch[0]).mean()).backward()
    critic.step()
    generator.zero_grad(set_to_none=False)
    loss = -model.critic(fake).mean()
    loss.backward()
    generator.step()
    return loss


class Rivals(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.generator, self.critic = nn.Linear(6, 6), nn.Linear(6, 1)

    def forward(self, x: Any) -> Any:
        return self.critic(self.generator(x))


def test_accumulation_and_alternation_are_not_stale() -> None:
    single = lambda m: adam(*m.parameters())  # noqa: E731
    assert reported("MS106", build=lambda: nn.Linear(6, 3), optimizer=single, step=accumulating()) == []
    both = lambda m: [adam(*m.generator.parameters()), adam(*m.critic.parameters())]  # noqa: E731
    assert reported("MS106", build=Rivals, loss=None, optimizer=both, step=adversarial) == []


class Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        return -gradient


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.round()

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        return gradient


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(x: Any) -> Any:
        return x * x.sigmoid()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        (x,) = ctx.saved_tensors
        s = x.sigmoid()
        return gradient * s * (1 + x * (1 - s))


class Single(torch.autograd.Function):
    """Computes in float32 whatever it is given."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x.float().square().to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        (x,) = ctx.saved_tensors
        return (2 * x.float() * gradient.float()).to(x.dtype)


@pytest.mark.parametrize("function", [Reversal, Straight, Swish, Single])
def test_gradients_that_are_right_or_meant_to_differ(function: Any) -> None:
    class Custom(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            return self.last(function.apply(self.first(x) * 3))

    assert reported("MS108", build=Custom) == []


def with_epsilon(output: Any, batch: Any) -> Any:
    return F.nll_loss((output.softmax(-1) + 1e-6).log(), batch[1])


def clamped(output: Any, batch: Any) -> Any:
    return F.nll_loss(output.softmax(-1).clamp(min=1e-6).log(), batch[1])


def cosines(output: Any, batch: Any) -> Any:
    features = F.normalize(output, dim=-1)
    similar = features @ features.T / 0.1
    return (similar.exp().sum(-1).log() - similar.diagonal()).mean()


def shifted(output: Any, batch: Any) -> Any:
    largest = output.max(-1, keepdim=True).values.detach()
    right = output.gather(1, batch[1][:, None])[:, 0]
    return ((output - largest).exp().sum(-1).log() + largest.squeeze(1) - right).mean()


def softplus(output: Any, batch: Any) -> Any:
    return (output.clamp(min=0) + torch.log1p(torch.exp(-output.abs()))).mean()


def capped(output: Any, batch: Any) -> Any:
    return F.nll_loss((10 * output.tanh()).softmax(-1).log(), batch[1])


def distilled(output: Any, batch: Any) -> Any:
    return F.kl_div(output.log_softmax(-1), output.detach().flip(0).softmax(-1), reduction="batchmean")


def root(output: Any, batch: Any) -> Any:
    return (output.square().mean(-1) + 1e-6).sqrt().mean()


def guarded(output: Any, batch: Any) -> Any:
    safe = torch.where(output > 0, output, torch.ones_like(output))
    return torch.where(output > 0, safe.log(), output).mean()


@pytest.mark.parametrize(
    "loss", [with_epsilon, clamped, cosines, shifted, softplus, capped, distilled, root, guarded, cross_entropy]
)
def test_compositions_that_are_safe(loss: Any) -> None:
    def build() -> Any:
        return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))

    assert reported("MS201", "MS202", "MS203", "MS204", "MS206", build=build, loss=loss) == []


def test_masks_of_minus_infinity_are_finite_losses() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project, self.last = nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            scores = (self.project(x) @ x.T).masked_fill(~torch.ones(8, 8).tril().bool(), -torch.inf)
            return self.last(scores.softmax(-1) @ x)

    assert reported("MS201", "MS202", "MS203", build=Attention) == []


def test_a_declared_sum_and_a_contrastive_loss() -> None:
    def summed(output: Any, batch: Any) -> Any:
        return F.cross_entropy(output, batch[1], reduction="sum")

    assert reported("MS206", build=lambda: nn.Linear(6, 3), loss=summed, reduction="sum") == []
    assert reported("MS206", build=lambda: nn.Linear(6, 3), loss=summed) != []
    assert reported("MS206", build=lambda: nn.Linear(6, 3), loss=cosines) == []
