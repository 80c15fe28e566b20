"""Questions about structure are asked in fp64, where rounding cannot answer, at parameters without coincidences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from mlint.smoke.checks.base import NotRun
from mlint.smoke.compare import finite, first_unequal
from mlint.smoke.seeds import seeded
from mlint.smoke.structure import batch_size, clone, take, tensors
from mlint.smoke.subject import SEED, Subject, named_outputs


@contextmanager
def default_double() -> Iterator[None]:
    """Tensors that a forward makes without a dtype are fp64 like the rest of the model."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def unsettle(model: nn.Module) -> nn.Module:
    """Move the trainable parameters by a tenth of their size, in place.

    A branch that starts at zero hides everything in front of it, and a model whose rows are equal hides their order.
    Neither survives the noise. Dependence of an output on an input is a property of the function, not of the values:
    what depends at some parameters depends at nearly all.
    """
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad and parameter.is_floating_point() and parameter.numel():
                size = float(parameter.detach().double().square().mean().sqrt())
                fan = parameter[0].numel() if parameter.dim() > 1 else 1
                scale = 0.1 * (size if size > 0 else min(1.0, fan**-0.5))
                noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                parameter.add_((noise * scale).to(parameter))
    return model


@dataclass
class Stage:
    """A model in fp64 and eval mode with unsettled parameters, and a batch whose size is no other size of the model."""

    subject: Subject
    model: nn.Module
    batch: object
    rows: int
    output: object

    def forward(self, batch: object, seed: int = SEED) -> object:
        """The output for another batch, without gradients."""
        with torch.no_grad():
            return self.run(clone(batch), seed)

    def run(self, batch: object, seed: int = SEED) -> object:
        """The output for a batch that the model may write to, with the gradient mode as it is."""
        with seeded(seed), default_double():
            return self.subject.forward(self.model, batch, autocast=False)

    @property
    def outputs(self) -> list[tuple[str, Tensor]]:
        """(path, tensor) of the floating outputs that have one row for each sample, and no axis of samples besides."""
        return self.rowwise(self.output, self.rows)

    @staticmethod
    def rowwise(output: object, rows: int) -> list[tuple[str, Tensor]]:
        """The floating tensors of an output with one row for each sample, and no second axis of samples."""
        return [
            (name, tensor)
            for name, tensor in named_outputs(output)
            if tensor.dim() and tensor.shape[0] == rows and rows not in tensor.shape[1:]
        ]


_stages: WeakKeyDictionary[Subject, Stage | str] = WeakKeyDictionary()


def stage(subject: Subject) -> Stage:
    """The shared stage of a subject.

    Raises:
        NotRun: when the samples of the batch cannot be told, or the model does not run in fp64.
    """
    if subject not in _stages:
        try:
            _stages[subject] = _made(subject)
        except NotRun as reason:
            _stages[subject] = str(reason)
    made = _stages[subject]
    if isinstance(made, str):
        raise NotRun(made)
    return made


def samples(subject: Subject) -> int:
    """The number of samples in the batch.

    Raises:
        NotRun: when the tensors of the batch do not agree on it.
    """
    found = tensors(subject.batch)
    if any(tensor.layout != torch.strided for tensor in found):
        raise NotRun("the batch holds sparse tensors")
    rows = batch_size(subject.batch)
    if rows is None:
        raise NotRun("the tensors of the batch have no common first size, so that it is not known what a sample is")
    return rows


def _made(subject: Subject) -> Stage:
    rows = samples(subject)
    taken = {size for tensor in tensors([subject.batch, subject.first.output]) for size in tensor.shape[1:]}
    wanted = [rows, *(rows + step for step in (-1, 1, 2, -2, 3, 4, 5))]
    sizes = [size for size in wanted if size >= 3 and size not in taken]
    if not sizes:
        raise NotRun("every batch size near that of the batch is also another size of its tensors")
    model = unsettle(subject.double()).eval()
    error = ""
    for size in dict.fromkeys([sizes[0], *([rows] if rows not in taken and rows >= 3 else [])]):
        batch = subject.cast(take(subject.batch, torch.arange(size) % rows, rows))
        made = Stage(subject, model, batch, size, None)
        try:
            made.output = made.forward(batch)
            again = made.forward(batch, SEED + 1)
        except Exception as raised:
            error = f"the model does not run in fp64 in eval mode with {size} samples: {str(raised)[:200]}"
            continue
        if not finite(tensors(made.output)):
            raise NotRun("the output is not finite in eval mode")
        if first_unequal(made.output, again) is not None:
            raise NotRun("the output is random in eval mode")
        return made
    raise NotRun(error)
