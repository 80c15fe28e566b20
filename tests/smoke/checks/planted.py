"""Faults that are planted into the architectures of the zoo, each with the codes that must and that may be reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlint.smoke.checks.base import NotRun, Observation, registry
from mlint.smoke.structure import cast
from mlint.smoke.subject import Options, Subject
from tests.smoke.architectures import ZOO, Architecture


@dataclass(frozen=True)
class Target:
    """What a project would configure."""

    build: Callable[[], nn.Module]
    batch: Callable[[], object]
    loss: Callable[..., Any] | None
    optimizer: Callable[[nn.Module], Any] | None = None
    step: Callable[..., Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def subject(self) -> Subject:
        known = {key: value for key, value in self.options.items() if key in Options.__dataclass_fields__}
        known["frozen"] = tuple(known.get("frozen", ()))
        return Subject(self.build, self.batch, self.loss, self.optimizer, step=self.step, options=Options(**known))


def clean(architecture: Architecture) -> Target:
    return Target(architecture.build, architecture.batch, architecture.loss, adam, None, architecture.options)


def adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam([value for value in model.parameters() if value.requires_grad], lr=1e-3)


@dataclass(frozen=True)
class Fault:
    name: str
    code: str
    plant: Callable[[Target], Target | None]
    """The target with the fault; None where it does not apply."""
    also: frozenset[str] = frozenset()
    """Codes that are as true of it."""
    says: str = ""
    """A name of the observation, or a part of its message."""


FAULTS: list[Fault] = []


def fault(name: str, code: str, *also: str, says: str = "") -> Callable[..., Any]:
    def register(plant: Callable[[Target], Target | None]) -> Callable[[Target], Target | None]:
        FAULTS.append(Fault(name, code, plant, frozenset(also), says))
        return plant

    return register


def observed(target: Target, codes: set[str] | None = None) -> list[Observation]:
    """What all checks of MS1xx and MS2xx (or some) say about a target."""
    subject = target.subject()
    found: list[Observation] = []
    for code, check in registry().items():
        if code in codes if codes is not None else code < "MS3":
            try:
                found.extend(check().run(subject))
            except NotRun:
                continue
    return found


# ------------------------------------------------------------------------------------------- ways to change a target


def modules_in_order(target: Target) -> list[str]:
    """The modules with weights and one floating tensor as output, in the order in which they run."""
    return list(_in_order(target.build, target.batch, target.loss))


@cache
def _in_order(
    build: Callable[[], nn.Module], batch: Callable[[], object], loss: Callable[..., Any] | None
) -> tuple[str, ...]:
    model, names = build().train(), []

    def hook(name: str) -> Callable[..., None]:
        def seen(module: nn.Module, given: object, made: object) -> None:
            if isinstance(made, Tensor) and made.is_floating_point() and name not in names:
                names.append(name)

        return seen

    for name, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if "weight" in own and isinstance(module, nn.Linear | nn.Conv2d | nn.Embedding):
            module.register_forward_hook(hook(name))
    Subject(lambda: model, batch, loss).first  # noqa: B018
    return tuple(names)


def with_output(target: Target, change: Callable[[Tensor], Tensor]) -> Target:
    """The output of the second module that runs goes through a function."""
    names = modules_in_order(target)
    chosen = names[min(1, len(names) - 1)]

    def build() -> nn.Module:
        model = target.build()
        model.get_submodule(chosen).register_forward_hook(lambda module, given, made: change(made))
        return model

    return replace(target, build=build)


def with_loss(target: Target, loss: Callable[[Tensor, Tensor], Tensor]) -> Target | None:
    """A loss of (logits, classes) for targets that classify with tensors."""
    if target.loss is None or target.loss.__name__ not in {"classify", "next_token", "classify_named"}:
        return None

    def changed(output: Tensor, batch: Any) -> Tensor:
        labels = batch["labels"] if isinstance(batch, Mapping) else batch[1]
        return loss(output.reshape(-1, output.shape[-1]), labels.reshape(-1))

    return replace(target, loss=changed)


def with_input(target: Target, change: Callable[[Tensor], Tensor]) -> Target | None:
    """The floating input of the model goes through a function; only where forward takes one tensor first."""
    batch = target.batch()
    first = batch[0] if isinstance(batch, tuple) else batch
    if not isinstance(first, Tensor) or not first.is_floating_point():
        return None

    def build() -> nn.Module:
        model = target.build()
        model.register_forward_pre_hook(lambda module, given: (change(given[0]), *given[1:]))
        return model

    return replace(target, build=build)


def one_hot(logits: Tensor, labels: Tensor) -> Tensor:
    return F.one_hot(labels, logits.shape[-1]).to(logits.dtype)


# ------------------------------------------------------------------------------------------------------ MS101, MS102


@fault("detached output", "MS101", "MS102", says="detach cuts the graph")
def detached(target: Target) -> Target | None:
    return with_output(target, lambda made: made.detach())


@fault("module under no_grad", "MS101", "MS102", says="without gradient")
def without_gradient(target: Target) -> Target | None:
    def change(made: Tensor) -> Tensor:
        with torch.no_grad():
            return made * 1.0

    return with_output(target, change)


@fault("layer that nobody calls", "MS101", says="does not use it")
def unused(target: Target) -> Target | None:
    def build() -> nn.Module:
        model = target.build()
        model.get_submodule(modules_in_order(target)[0]).spare = nn.Linear(3, 4)
        return model

    return replace(target, build=build)


@fault("result that is dropped", "MS101", says="nothing goes on from")
def dropped(target: Target) -> Target | None:
    def build() -> nn.Module:
        model = target.build()
        first = model.get_submodule(modules_in_order(target)[0])
        first.extra = nn.Linear(3, 4)

        def hook(module: nn.Module, given: object, made: object) -> None:
            first.extra(torch.ones(2, 3))

        model.register_forward_hook(hook)
        return model

    return replace(target, build=build)


@fault("rounding without a straight-through gradient", "MS102", "MS204", says="round passes none on")
def rounded(target: Target) -> Target | None:
    return with_output(target, lambda made: made.mul(8).round().div(8))


@fault("sign", "MS102", "MS204", says="sign passes none on")
def signed(target: Target) -> Target | None:
    return with_output(target, lambda made: made.sign())


@fault("branch multiplied by nothing", "MS102", says="exactly zero")
def cancelled(target: Target) -> Target | None:
    return with_output(target, lambda made: made * 0.0)


@fault("units that are never on", "MS102", says="exactly zero")
def never_on(target: Target) -> Target | None:
    return with_output(target, lambda made: F.relu(made - 1e3))


# --------------------------------------------------------------------------------------------- MS103, MS104 to MS106


@fault("optimizer without the first layer", "MS103", says="is not in the optimizer")
def forgotten(target: Target) -> Target | None:
    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(list(model.parameters())[1:], lr=1e-3)

    return replace(target, optimizer=optimizer)


@fault("optimizer of another model", "MS103", says="parameter-foreign")
def of_another(target: Target) -> Target | None:
    return replace(target, optimizer=lambda model: adam(target.build()))


@fault("layer replaced after the optimizer was built", "MS103", says="parameter-foreign")
def replaced_after(target: Target) -> Target | None:
    chosen = modules_in_order(target)[0]

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        built = adam(model)
        layer = model.get_submodule(chosen)
        layer.weight = nn.Parameter(layer.weight.detach().clone())
        return built

    return None if chosen in {"embedding"} and "tied" in repr(target.build) else replace(target, optimizer=optimizer)


@fault("parameter twice in a group", "MS103", says="parameter-duplicated")
def twice(target: Target) -> Target | None:
    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        parameters = [value for value in model.parameters() if value.requires_grad]
        return torch.optim.SGD([*parameters, parameters[0]], lr=1e-3)

    return replace(target, optimizer=optimizer)


@fault("tensor in a Python list", "MS103", says="parameter-hidden")
def listed(target: Target) -> Target | None:
    def build() -> nn.Module:
        model = target.build()
        model.scales = [torch.ones((), requires_grad=True)]
        first = model.get_submodule(modules_in_order(target)[0])
        first.register_forward_hook(lambda module, given, made: made * model.scales[0])
        return model

    return replace(target, build=build)


@fault("bfloat16 weights and a small learning rate", "MS104", says="does not change")
def vanishing(target: Target) -> Target | None:
    return replace(
        target,
        build=lambda: target.build().bfloat16(),
        batch=lambda: cast(target.batch(), torch.bfloat16),
        optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=1e-6),
    )


@fault("teacher in the optimizer", "MS105", says="is frozen, and the optimizer changes it")
def drifting(target: Target) -> Target | None:
    chosen = modules_in_order(target)[0]
    return replace(target, options={**target.options, "frozen": (f"{chosen}.*",)})


def plain_step(model: nn.Module, batch: Any, optimizer: Any, loss: Callable[..., Any]) -> Tensor:
    subject = Subject(lambda: model, lambda: batch, loss)
    value = subject.loss(subject.forward(model, batch), batch)
    value.backward()
    optimizer.step()
    return value


@fault("no zero_grad", "MS106", says="earlier steps")
def never_cleared(target: Target) -> Target | None:
    def step(model: nn.Module, batch: object, optimizer: Any) -> Tensor:
        return plain_step(model, batch, optimizer, target.loss)

    return replace(target, step=step)


@fault("zero_grad between backward calls only", "MS106", says="earlier steps")
def cleared_too_late(target: Target) -> Target | None:
    def step(model: nn.Module, batch: object, optimizer: Any) -> Tensor:
        first = next(value for value in model.parameters() if value.requires_grad)
        first.grad = None
        return plain_step(model, batch, optimizer, target.loss)

    return replace(target, step=step)


# ------------------------------------------------------------------------------------------------------ MS107, MS108


@fault("constant weights", "MS107", "MS102", "MS104", "MS204", "MS207", says="stay equal")
def constant(target: Target) -> Target | None:
    def build() -> nn.Module:
        model = target.build()
        for value in model.parameters():
            nn.init.constant_(value, 0.01)
        for module in model.modules():
            if hasattr(module, "dropout") and isinstance(module.dropout, float):
                module.dropout = 0.0
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # dropout tells units apart
        return model

    return replace(target, build=build)


@fault("memory that nobody filled", "MS107", says="uninitialised-memory")
def unfilled(target: Target) -> Target | None:
    def build() -> nn.Module:
        model = target.build()
        model.shift = nn.Parameter(torch.empty(3))
        first = model.get_submodule(modules_in_order(target)[0])
        first.register_forward_hook(lambda module, given, made: made + 0.01 * model.shift.sin().sum())
        return model

    return replace(target, build=build)


class WrongScale(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x.tanh()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * x.tanh()


class WrongSign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -gradient * ctx.factor, None


@fault("backward without the product rule", "MS108", says="WrongScale")
def wrong_scale(target: Target) -> Target | None:
    return with_output(target, WrongScale.apply)


@fault("backward with the wrong sign", "MS108", says="WrongSign")
def wrong_sign(target: Target) -> Target | None:
    return with_output(target, lambda made: WrongSign.apply(made, 0.5))


# ------------------------------------------------------------------------------------------------------ MS201, MS202


@fault("0 / 0", "MS201", says="div")
def undefined(target: Target) -> Target | None:
    return with_output(target, lambda made: made + (made - made) / (made - made))


@fault("sqrt at 0", "MS201", says="sqrt")
def root_at_zero(target: Target) -> Target | None:
    return with_output(target, lambda made: made + (made * 0).sqrt())


@fault("where around a root", "MS201", "MS202", says="sqrt")
def hidden_branch(target: Target) -> Target | None:
    return with_output(target, lambda made: made + torch.where(made > 0, made.sqrt(), torch.zeros_like(made)))


@fault("where around a logarithm", "MS202", "MS201", says="where hides")
def hidden_logarithm(target: Target) -> Target | None:
    return with_output(target, lambda made: made + torch.where(made > 0, made.clamp(min=0).log(), made))


@fault("softmax before cross_entropy", "MS202", says="softmax before cross_entropy")
def softmax_twice(target: Target) -> Target | None:
    return with_loss(target, lambda logits, labels: F.cross_entropy(logits.softmax(-1), labels))


@fault("log of softmax", "MS202", says="log of softmax")
def log_softmax_by_hand(target: Target) -> Target | None:
    return with_loss(target, lambda logits, labels: F.nll_loss(logits.softmax(-1).log(), labels))


@fault("sigmoid before BCE with logits", "MS202", says="sigmoid before")
def sigmoid_twice(target: Target) -> Target | None:
    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits.sigmoid(), one_hot(logits, labels))

    return with_loss(target, loss)


@fault("binary cross-entropy by hand", "MS202", says="sigmoid")
def hand_written(target: Target) -> Target | None:
    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        p, y = logits.sigmoid(), one_hot(logits, labels)
        return -(y * p.log() + (1 - y) * (1 - p).log()).mean()

    return with_loss(target, loss)


@fault("logsumexp by hand", "MS202", says="log of a sum of exp")
def sum_of_exponentials(target: Target) -> Target | None:
    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        return (logits.exp().sum(-1).log() - logits.gather(1, labels[:, None]).squeeze(1)).mean()

    return with_loss(target, lambda logits, labels: loss(logits + 0.5, labels))


@fault("norm without an epsilon", "MS202", says="reaches 0")
def bare_norm(target: Target) -> Target | None:
    return with_input(target, lambda x: x / x.norm(dim=-1, keepdim=True))


@fault("standard deviation without an epsilon", "MS202", says="reaches 0")
def bare_deviation(target: Target) -> Target | None:
    return with_input(target, lambda x: (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True))


# --------------------------------------------------------------------------------------------------- MS203 to MS207


@fault("exp of a square", "MS203", "MS202", says="exp makes the first inf")
def exploding(target: Target) -> Target | None:
    return with_input(target, lambda x: x + 1e-9 * x.square().exp())


@fault("large offset", "MS204", says="loses half of its digits")
def offset(target: Target) -> Target | None:
    return with_output(target, lambda made: (made + 1e6) - 1e6)


@fault("activations of a million under float16", "MS205", "MS201", says="inf in float16")
def too_large(target: Target) -> Target | None:
    changed = with_output(target, lambda made: made * 1e6)
    return replace(changed, options={**target.options, "autocast": "float16"})


@fault("sum over the batch", "MS206", "MS207", says="sum over the batch")
def summed(target: Target) -> Target | None:
    return with_loss(target, lambda logits, labels: F.cross_entropy(logits, labels, reduction="sum"))


@fault("confidently wrong at the start", "MS207", says="starts at")
def confident(target: Target) -> Target | None:
    return with_loss(target, lambda logits, labels: F.cross_entropy(logits * 200, labels))


def applicable(fault: Fault, name: str) -> bool:
    return fault.plant(clean(ZOO[name])) is not None


def verdict(fault: Fault, target: Target) -> tuple[str, list[Observation]]:
    """(why the fault counts as not found, "" if it was; what was reported although it is not there)."""
    found = observed(target)
    named = [each for each in found if each.code == fault.code]
    hits = [each for each in named if fault.says in each.message or fault.says == each.name]
    allowed = {fault.code} | fault.also
    extra = [each for each in found if each.severity != "info" and each.code not in allowed]
    return ("" if hits else f"{fault.says!r} is not in {named}"), extra
