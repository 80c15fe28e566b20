"""The model that is checked: how it is built, run and trained, and the runs that the checks share."""

from __future__ import annotations

import contextlib
import copy
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mlint.smoke.binding import arguments, own_loss, projection, total
from mlint.smoke.checks.base import NotRun
from mlint.smoke.seeds import seeded
from mlint.smoke.structure import batch_size, cast, clone, map_tensors, named_tensors, take, tensors, to_device
from mlint.smoke.trace.graph import leaves
from mlint.smoke.training import Training, joined, train

SEED = 20
"""Any fixed number; every run that is compared with another starts from it."""

LARGE = 2_000_000
"""Parameters from which on a pass costs enough to take fewer samples."""


@dataclass(frozen=True)
class Options:
    """What the configuration says about a target, beyond its functions."""

    device: str = "cpu"
    autocast: str | None = None
    """The dtype that training runs under autocast with: bfloat16 or float16."""
    causal: bool = False
    padding: str | None = None
    """The batch entry that marks valid positions; None for one of the usual names."""
    frozen: tuple[str, ...] = ()
    """Patterns of parameters that are meant to get no gradient."""
    reduction: str = "mean"
    ddp: bool = False
    exempt: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Code -> patterns of modules, functions or parameters."""
    limits: Mapping[str, object] = field(default_factory=dict)
    project: Path | None = None
    """The root of the project."""


@dataclass
class Pass:
    """One forward pass in train mode with its loss, and, once asked for, its backward pass."""

    model: nn.Module
    batch: object
    output: object
    loss: Tensor
    start: int
    """Sequence number of the first autograd node of the pass; see `mlint.smoke.trace.graph`."""
    scales: tuple[float, ...] = (1.0,)
    """Loss scales in the order in which GradScaler would come to them."""

    @cached_property
    def parameters(self) -> dict[str, nn.Parameter]:
        """Name -> parameter of this pass's model, tied ones once."""
        return dict(self.model.named_parameters())

    @cached_property
    def gradients(self) -> dict[str, Tensor | None]:
        """Name -> gradient of the loss, None where there is none. The graph is kept, the parameters' `.grad` is not.

        Under float16 autocast the loss is scaled, as nobody trains without. Computed by `backward` rather than
        `autograd.grad`, which checkpointing with re-entrant autograd refuses.
        """
        if not self.loss.requires_grad:
            return dict.fromkeys(self.parameters)
        for scale in self.scales:
            self.model.zero_grad(set_to_none=True)
            (self.loss * scale).backward(retain_graph=True)
            found = {name: parameter.grad for name, parameter in self.parameters.items()}
            if scale == 1 or all(value is None or bool(value.isfinite().all()) for value in found.values()):
                break
        self.model.zero_grad(set_to_none=True)
        return {name: value if value is None or scale == 1 else value / scale for name, value in found.items()}


class Subject:
    """One target: a model, its batches, its loss and its optimizer.

    Args:
        build: makes the model; called under a fixed seed, as often as a check needs one that has not run yet. One
            that returns the same module each time is given back copies of it.
        batch: makes a batch; a different one at each call, if the project's own function does so.
        loss: (output, batch) -> loss; None for the loss that the output brings, else a fixed random projection.
        optimizer: (model) -> optimizer; None for AdamW over what is trainable.
        options: the rest of the configuration.
        step: the project's own training step, (model, batch, optimizer) -> loss.
        loader: the project's own data loader, (number of workers) -> iterable.

    Whatever the user's functions raise passes through unchanged.
    """

    def __init__(
        self,
        build: Callable[[], nn.Module],
        batch: Callable[[], object],
        loss: Callable[[object, object], object] | None = None,
        optimizer: Callable[[nn.Module], object] | None = None,
        *,
        options: Options | None = None,
        step: Callable[[nn.Module, object, Any], object] | None = None,
        loader: Callable[[int], object] | None = None,
    ) -> None:
        self._build = build
        self._batch = batch
        self.loss_function = loss
        self.optimizer_function = optimizer
        self.options = options or Options()
        self.step_function = step
        self.loader_function = loader
        self.device = torch.device(self.options.device)
        self.memo: dict[str, Any] = {}
        """What checks leave for one another, each under a name of its module."""
        self._given: nn.Module | None = None
        self._training: Training | None = None
        self._batches: list[object] = []

    # Batches

    def batches(self, count: int) -> list[object]:
        """The first batches, on the device; equal ones if the user's function makes only one. Not to be written to."""
        while len(self._batches) < count:
            with seeded(SEED + len(self._batches)):
                self._batches.append(to_device(self._batch(), self.device))
        return self._batches[:count]

    @property
    def batch(self) -> object:
        """The first batch."""
        return self.batches(1)[0]

    @cached_property
    def sample(self) -> object:
        """The first batch, cut to its first four rows where the model is large: for what any few samples show."""
        size = batch_size(self.batch)
        if size is None or size <= 4 or sum(value.numel() for value in self.model.parameters()) < LARGE:
            return self.batch
        try:
            cut = take(self.batch, torch.arange(4), size)
            with torch.no_grad():
                self.run(self.fresh(), cut)
        except Exception:  # a model for one size of batches
            return self.batch
        return cut

    def input_names(self) -> set[int]:
        """Identities of the tensors of the batch that `forward` takes; the others are targets."""
        return {id(tensor) for tensor in tensors(arguments(self.model, self.batch))}

    @cached_property
    def has_targets(self) -> bool:
        """Whether the batch holds a tensor that `forward` does not take, or a loss is computed inside of it."""
        taken = self.input_names()
        return any(id(tensor) not in taken for tensor in tensors(self.batch)) or own_loss(self.first.output) is not None

    def varied(self, batch: object, seed: int) -> object:
        """A batch of the same kind with other contents: the elements of every tensor in another order.

        Whole numbers stay in their range and flags in their share. Only for questions to which any content is good.
        """
        generator = torch.Generator().manual_seed(seed)

        def shuffled(tensor: Tensor) -> Tensor:
            order = torch.randperm(tensor.numel(), generator=generator).to(tensor.device)
            return tensor.reshape(-1)[order].reshape(tensor.shape)

        return map_tensors(shuffled, batch)

    # Models

    @cached_property
    def model(self) -> nn.Module:
        """The model as built, in train mode: to be read, not run. A model with lazy parameters has run once."""
        model = self._made()
        if any(isinstance(value, nn.parameter.UninitializedTensorMixin) for value in _state(model)):
            with seeded(SEED), torch.no_grad():
                self.forward(model, clone(self.batch))
        return model

    def built(self) -> nn.Module:
        """A model as the user's function builds it under the seed, in train mode on the device; nothing is copied."""
        return self._made()

    def _made(self) -> nn.Module:
        naming: Any = sys.modules.get("keras.src.utils.naming")
        if naming is not None:
            naming.reset_uids()  # Keras numbers the names of its layers on, through all models of a process
        with seeded(SEED):
            model = self._build()
        if model is self._given:
            model = copy.deepcopy(self._given)
        elif self._given is None:
            self._given = model
        if not isinstance(model, nn.Module):
            raise TypeError(f"the model is {type(model).__name__}, not a torch.nn.Module")
        if any(value.device != self.device for value in _state(model)):
            model = model.to(self.device)
        return model.train()

    @cached_property
    def copies_faithfully(self) -> bool:
        """Whether a copy of the model computes the same loss, bit for bit, without using a parameter of the original.

        A function that a module keeps, or a hook, may hold the original's layers, and no copy reaches into it.
        """
        try:
            again = self.run(copy.deepcopy(self.model), self.batch)
        except Exception:  # what cannot be copied, or does not run once it is
            return False
        originals = {id(parameter) for parameter in self.model.parameters()}
        same = torch.equal(again.loss.detach(), self.first.loss.detach()) or bool(self.first.loss.isnan().any())
        return same and not originals & leaves(again.loss)

    def fresh(self) -> nn.Module:
        """A model of its own in the state of `model`: a copy, or built anew where a copy is not faithful."""
        if self.copies_faithfully:
            return copy.deepcopy(self.model)
        return self.rebuilt()

    def made_again(self) -> nn.Module | None:
        """A model straight from the user's function, in a state of its own; None where that returns one only."""
        self.model  # noqa: B018 - the first call
        with seeded(SEED):
            model = self._build()
        return None if model is self._given else model.to(self.device)

    def rebuilt(self) -> nn.Module:
        """A model that the user's function built, not a copy, in the state of `model`.

        Raises:
            NotRun: when the function makes a model of another shape this time.
        """
        model = self._made()
        if any(isinstance(value, nn.parameter.UninitializedTensorMixin) for value in _state(model)):
            with seeded(SEED), torch.no_grad():
                self.forward(model, clone(self.batch))
        pairs = list(zip(_state(model), _state(self.model)))
        if any(mine.shape != other.shape for mine, other in pairs):
            raise NotRun("the model's factory makes a model of another shape at each call")
        with torch.no_grad():
            for mine, other in pairs:
                mine.copy_(other)
        return model

    def double(self) -> nn.Module:
        """A fresh model in fp64, for a batch in fp64: `subject.cast(batch)`.

        Raises:
            NotRun: when the model cannot be converted, as one with quantised weights.
        """
        try:
            return self.fresh().double()
        except NotRun:
            raise
        except Exception as error:
            raise NotRun(f"the model cannot be converted to float64: {error}") from error

    @staticmethod
    def cast(batch: object, dtype: torch.dtype = torch.float64) -> object:
        """The batch with floating tensors in another precision."""
        return cast(batch, dtype)

    # Runs

    def forward(self, model: nn.Module, batch: object, *, autocast: bool = True) -> object:
        """The output for a batch, under the autocast of the configuration unless told otherwise."""
        positional, keywords = arguments(model, batch)
        with self.autocast() if autocast else contextlib.nullcontext():
            return model(*positional, **keywords)

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """The autocast of the configuration."""
        if self.options.autocast is None:
            return contextlib.nullcontext()
        context: contextlib.AbstractContextManager[object] = torch.autocast(
            self.device.type, dtype=getattr(torch, self.options.autocast)
        )
        return context

    def loss(self, output: object, batch: object, *, autocast: bool = True) -> Tensor:
        """The loss, one scalar: the user's, else that of the output, else a fixed random projection of the output."""
        with self.autocast() if autocast else contextlib.nullcontext():
            if self.loss_function is not None:
                return total(self.loss_function(output, batch))
            own = own_loss(output)
            return total(own) if own is not None else projection(output)

    def run(self, model: nn.Module, batch: object, seed: int = SEED, *, autocast: bool = True) -> Pass:
        """Forward and loss under a seed, on a copy of the batch; the mode is the model's."""
        mine = clone(batch)
        with seeded(seed), torch.enable_grad():
            start = _sequence_number()
            output = self.forward(model, mine, autocast=autocast)
            loss = self.loss(output, mine, autocast=autocast)
        scaled = autocast and self.options.autocast == "float16"
        return Pass(model, mine, output, loss, start, (65536.0, 256.0, 1.0) if scaled else (1.0,))

    @cached_property
    def first(self) -> Pass:
        """The shared first pass, of a model that the user's function built and nobody copied."""
        return self.run(self.rebuilt(), self.batch)

    @property
    def gradients(self) -> dict[str, Tensor | None]:
        """Name -> gradient in the shared first pass."""
        return self.first.gradients

    # Training

    @property
    def optimizer_declared(self) -> bool:
        """Whether the optimizer is the user's."""
        return self.optimizer_function is not None

    def optimizer(self, model: nn.Module) -> Any:
        """The user's optimizer for a model (several are joined to one), else AdamW over what is trainable.

        Raises:
            NotRun: when nothing is trainable.
        """
        if self.optimizer_function is not None:
            with seeded(SEED):
                return joined(self.optimizer_function(model))
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if not trainable:
            raise NotRun("nothing is trainable")
        return torch.optim.AdamW(trainable, lr=1e-3)

    def step(self, model: nn.Module, batch: object, optimizer: Any, seed: int = SEED) -> Pass:
        """One plain training step: zero_grad, forward, loss, backward, step. The user's own step is `step_function`."""
        optimizer.zero_grad()
        done = self.run(model, batch, seed)
        if not done.loss.requires_grad:
            raise NotRun("the loss depends on no parameter")
        done.loss.backward()
        optimizer.step()
        return done

    def trained(self, count: int) -> Training:
        """The shared training: plain steps with the optimizer, each on the next batch, under other seeds.

        One record for all, continued up to the number of steps that is asked for.
        """
        if self._training is None:
            model = self.fresh()
            self._training = Training(model, self.optimizer(model))
        record = self._training

        def steps() -> Iterator[Callable[[], Tensor]]:
            for at in range(len(record.losses), count):
                yield lambda at=at: self.step(record.model, self.batches(at + 1)[at], record.optimizer, SEED + at).loss  # type: ignore[misc]

        return train(record.model, record.optimizer, steps(), self.is_frozen, record)

    # Names

    @cached_property
    def parameters(self) -> dict[str, nn.Parameter]:
        """Name -> parameter of `model`, tied ones once."""
        return dict(self.model.named_parameters())

    def trainable(self) -> list[str]:
        """Names of parameters that require a gradient and are not declared frozen."""
        return [name for name, value in self.parameters.items() if value.requires_grad and not self.is_frozen(name)]

    def is_frozen(self, name: str) -> bool:
        """Whether the configuration declares a parameter frozen."""
        return any(fnmatchcase(name, pattern) for pattern in self.options.frozen)

    def is_exempt(self, code: str, *names: str) -> bool:
        """Whether the configuration exempts one of the names (of a module, function or parameter) from a check."""
        patterns = self.options.exempt.get(code, ())
        return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)

    def module_of(self, parameter: str) -> str:
        """The path of the module that owns a parameter."""
        return parameter.rpartition(".")[0]


def named_outputs(output: object) -> list[tuple[str, Tensor]]:
    """(path, tensor) of the floating tensors of an output."""
    return [(name, tensor) for name, tensor in named_tensors(output) if tensor.is_floating_point()]


def _state(model: nn.Module) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()


def _sequence_number() -> int:
    """The number that the next autograd node will get: they are counted per thread, in the order of their creation."""
    node = torch.zeros((), requires_grad=True).clone().grad_fn
    return int(node._sequence_nr()) + 1 if hasattr(node, "_sequence_nr") else 0
