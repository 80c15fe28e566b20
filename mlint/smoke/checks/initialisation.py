"""MS107: units that start alike, and parameters that nobody initialised."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mlint.smoke.binding import is_keras
from mlint.smoke.checks.base import Check, Observation
from mlint.smoke.seeds import seeded
from mlint.smoke.subject import SEED, Subject
from mlint.smoke.trace.nonfinite import is_finite


class SymmetricUnits(Check):
    """Units of a layer that start alike and stay alike, or a parameter that holds whatever was in memory.

    ## Why

    Two units with the same incoming and outgoing weights compute the same, get the same gradient and are the same for
    ever: a layer of n such units is a layer of one. It is what zeros, ones or any constant as the initial weight of a
    hidden layer do. A parameter made by torch.empty and never filled is different in every run, now and then NaN.

    ## How

    Rows of a weight (its units: first dimension, the second of a transposed convolution, the last in Keras) are equal
    in every bit, their gradients are not zero and agree to sqrt(epsilon) of the largest, which covers the rounding of
    sums of up to 1/sqrt(epsilon) terms, and both hold again after a few steps of Adam under dropout of other seeds. A
    zero-initialised output layer or residual branch has rows that agree and gradients that do not.
    Uninitialised: the model is built once more while torch fills uninitialised memory with NaN, and the parameter (or
    a buffer, where the loss becomes NaN by it) is NaN in that build and not in the other.

    ## References

    Goodfellow et al., Deep Learning, MIT Press 2016, section 8.4 (breaking symmetry). Glorot and Bengio, Understanding
    the difficulty of training deep feedforward neural networks, AISTATS 2010. PyTorch documentation,
    torch.utils.deterministic.fill_uninitialized_memory.
    """

    code = "MS107"
    name = "symmetric-units"
    tier = "exact"
    cost = 2.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield symmetric layers, then uninitialised parameters."""
        yield from self._symmetric(subject)
        yield from self._uninitialised(subject)

    def _symmetric(self, subject: Subject) -> Iterator[Observation]:
        gradients = subject.gradients
        candidates = {
            name: groups
            for name, value in subject.parameters.items()
            if value.requires_grad
            and not subject.is_exempt(self.code, name)
            and (groups := _alike(_units(subject.model, name, value), _units(subject.model, name, gradients[name])))
        }
        if not candidates:
            return
        later, later_gradients = self._later(subject)
        found: dict[str, list[list[int]]] = {}
        for name in candidates:
            units = _units(subject.model, name, later[name])
            groups = _alike(units, _units(subject.model, name, later_gradients[name]))
            if units is not None and groups:
                found[name] = groups
        if found:
            name = max(found, key=lambda name: sum(len(group) for group in found[name]))
            alike = sum(len(group) for group in found[name])
            yield self.observe(
                f"{alike} of the {_count(subject, name)} units of {name} are equal, get equal gradients, and stay equal"
                + (f"; so do units of {len(found) - 1} more" if len(found) > 1 else ""),
                "initialise it randomly (kaiming_uniform_, xavier_uniform_); zeros suit biases and last layers only",
                module=subject.module_of(name),
                parameter=name,
                evidence={
                    "groups": [group[:8] for group in found[name][:5]],
                    "first weight": float(subject.parameters[name].detach().reshape(-1)[0]),
                    "parameters": list(found)[:20],
                },
            )

    def _later(self, subject: Subject) -> tuple[dict[str, nn.Parameter], dict[str, Tensor | None]]:
        """Parameters and gradients after three steps of Adam."""
        model = subject.fresh()
        parameters = dict(model.named_parameters())
        optimizer = torch.optim.Adam([value for value in parameters.values() if value.requires_grad], lr=1e-3)
        for count, batch in enumerate(subject.batches(3)):
            subject.step(model, batch, optimizer, SEED + 1 + count)
        done = subject.run(model, subject.batch, SEED + 9)
        return done.parameters, done.gradients

    def _uninitialised(self, subject: Subject) -> Iterator[Observation]:
        if not hasattr(torch.utils, "deterministic"):
            return
        with _filled_memory():
            model = subject.made_again()
        if model is None:
            return
        names = [
            name
            for name, value in model.named_parameters()
            if not isinstance(value, nn.parameter.UninitializedTensorMixin)
            and not is_finite(value)
            and name in subject.parameters
            and is_finite(subject.parameters[name])
        ]
        buffers = [
            name
            for name, value in model.named_buffers()
            if not isinstance(value, nn.parameter.UninitializedTensorMixin)
            and not is_finite(value)
            and is_finite(dict(subject.model.named_buffers()).get(name, value))
        ]
        if buffers and not names:
            with contextlib.suppress(Exception):
                again = subject.run(model.train(), subject.batch)
                if is_finite(subject.first.loss) and not is_finite(again.loss):
                    names = buffers
        names = [name for name in names if not subject.is_exempt(self.code, name)]
        if names:
            yield self.observe(
                f"{names[0]} is never initialised: it holds whatever was in memory"
                + (f", as do {len(names) - 1} more" if len(names) > 1 else ""),
                "fill it: torch.empty and torch.Tensor(n) only reserve memory",
                name="uninitialised-memory",
                module=subject.module_of(names[0]),
                parameter=names[0],
                evidence={"tensors": names[:20]},
            )


def _units(model: nn.Module, name: str, value: Tensor | None) -> Tensor | None:
    """A weight as a matrix with one row for each unit; None for what has no units."""
    if value is None or value.is_sparse or value.dim() < 2 or not value.is_floating_point() or value.numel() == 0:
        return None
    owner = model.get_submodule(name.rpartition(".")[0])
    tensor = value.detach()
    if isinstance(owner, nn.modules.conv._ConvTransposeNd) and owner.groups == 1:
        tensor = tensor.transpose(0, 1)
    elif is_keras(model):
        tensor = tensor.movedim(-1, 0)
    rows = tensor.reshape(tensor.shape[0], -1)
    return rows if len(rows) > 1 else None


def _count(subject: Subject, name: str) -> int:
    units = _units(subject.model, name, subject.parameters[name])
    return 0 if units is None else len(units)


def _alike(weights: Tensor | None, gradients: Tensor | None) -> list[list[int]]:
    """Groups of rows that are equal as weights and, as far as rounding allows, as gradients that are not zero."""
    if weights is None or gradients is None:
        return []
    # Equal rows have equal first, last and middle elements: most weights are through after this.
    _, inverse, counts = torch.unique(weights[:, [0, -1]], dim=0, return_inverse=True, return_counts=True)
    if not bool((counts > 1).any()):
        return []
    _, inverse, counts = torch.unique(weights, dim=0, return_inverse=True, return_counts=True)
    tolerance = torch.finfo(gradients.dtype).eps ** 0.5
    found = []
    for group in torch.nonzero(counts > 1).flatten().tolist():
        members = torch.nonzero(inverse == group).flatten()
        rows = gradients[members]
        alive = (rows != 0).any(dim=1)
        members, rows = members[alive], rows[alive]
        left = list(range(len(members)))
        while len(left) > 1:
            first = rows[left[0]]
            scale = float(first.abs().max())
            same = [at for at in left if float((rows[at] - first).abs().max()) <= tolerance * scale]
            if len(same) > 1:
                found.append([int(members[at]) for at in same])
            left = [at for at in left if at not in set(same) | {left[0]}]
            if len(found) >= 8 or len(left) > 4096:
                break
    return found


@contextlib.contextmanager
def _filled_memory() -> Iterator[None]:
    """Let torch fill uninitialised memory with NaN; it does so only in deterministic mode."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    try:
        with seeded(SEED):
            yield
    finally:
        torch.utils.deterministic.fill_uninitialized_memory = fill
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
