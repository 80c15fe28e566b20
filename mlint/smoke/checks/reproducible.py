"""MS301: the same seed, and other losses."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor, nn

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.compare import close, distance, first_unequal, same_bits
from mlint.smoke.double import default_double
from mlint.smoke.generators import unmoved
from mlint.smoke.seeds import seeded
from mlint.smoke.structure import clone
from mlint.smoke.subject import SEED, Subject
from mlint.smoke.trace.difference import first_difference
from mlint.smoke.trace.place import INSTALLED
from mlint.smoke.trace.recorder import Event

STEPS = 3
BATCHES = 3


class NotReproducible(Check):
    """The same seed gives different losses.

    ## Why

    A run that cannot be repeated cannot be debugged, and a difference between two runs says nothing about what was
    changed. Seeds of Python, NumPy and torch do not reach a generator that seeds itself from the clock or the system,
    memory that nobody initialised, or workers that draw from the state they were
    forked with.

    ## How

    All generators seeded alike, then compared to the bit: the model built twice; three training steps from it, twice;
    the loader's first batches with 0 and with 2 workers, each twice. Where an extension or a compiled function takes
    part, the loss in fp64 with 1 and with 2 threads must agree within the tolerance of torch.testing (1e-7), since a
    sum in another order rounds differently; torch's own kernels give no other difference. Generators that the user's
    modules or the model keep are put back between the runs: one that was seeded at import is reproducible.

    On a difference both runs are recorded operation by operation, and the first one that differs is named. On CUDA
    a difference within the tolerance is info, unless deterministic algorithms were asked for: atomic additions come in
    any order.

    ## References

    PyTorch documentation, "Reproducibility". Pham et al., Problems and Opportunities in Training Deep Learning Software
    Systems, ASE 2020: up to 10.8 % difference in accuracy between identical runs.
    """

    code = "MS301"
    name = "not-reproducible"
    tier = "exact"
    cost = 12.0
    rules = ()

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield the first difference between two runs, and what the loader's workers change."""
        found = next(self._runs(subject), None)
        if found is not None:
            yield found
        yield from self._loader(subject)

    def _runs(self, subject: Subject) -> Iterator[Observation]:
        yield from self._build(subject)
        yield from self._training(subject)
        yield from self._threads(subject)

    def _build(self, subject: Subject) -> Iterator[Observation]:
        with unmoved():
            one = subject.built()
        with unmoved():
            other = subject.built()
        mine, theirs = dict(_state(one)), dict(_state(other))
        if mine.keys() != theirs.keys():
            yield self.observe(
                "the same seed builds a model with other parameters",
                "take every decision about the architecture from the configuration",
                evidence={"only once": sorted(mine.keys() ^ theirs.keys())[:10]},
            )
            return
        for name, value in mine.items():
            if isinstance(value, nn.parameter.UninitializedTensorMixin) or same_bits(value, theirs[name]):
                continue
            if not _uninitialised(subject, name):
                yield self.observe(
                    f"the same seed initialises {name} differently",
                    "draw from torch's, NumPy's or Python's global generator, or from one that is seeded in this place",
                    module=subject.module_of(name),
                    parameter=name,
                    evidence={"largest relative difference": distance(value, theirs[name])},
                )
                return

    def _training(self, subject: Subject) -> Iterator[Observation]:
        one, gradients = _trained(subject)
        other, again = _trained(subject)
        if all(map(same_bits, one, other)):
            return
        step = next(index for index, (a, b) in enumerate(zip(one, other)) if not same_bits(a, b))
        event, parameter = None, ""
        if step == 0:
            event = _first_step_difference(subject)
        else:
            parameter = next((name for name in gradients if not same_bits(gradients[name], again[name])), "")
        rounding = close(one[step], other[step], torch.float32)
        lenient = subject.device.type == "cuda" and rounding and not torch.are_deterministic_algorithms_enabled()
        advice = "draw from torch's, NumPy's or Python's global generator, which a seed reaches"
        if step or lenient:
            advice = "torch.use_deterministic_algorithms(True) names the operation whose order of additions is open"
        yield self.observe(
            f"the same seed gives another loss in step {step + 1}",
            advice,
            severity="info" if lenient else "error",
            module=event.module if event else subject.module_of(parameter),
            parameter=parameter,
            operation=event.operation if event else "",
            place=event.place if event else None,
            evidence={"losses": [float(a) for a in one], "losses again": [float(b) for b in other]},
        )

    def _threads(self, subject: Subject) -> Iterator[Observation]:
        if subject.device.type != "cpu" or not _extended():
            return
        before = torch.get_num_threads()
        losses = []
        try:
            for count in (1, 2):
                torch.set_num_threads(count)
                with unmoved(subject.model), default_double(), torch.no_grad():
                    batch = subject.cast(subject.batch)
                    losses.append(subject.run(subject.double(), batch, autocast=False).loss.detach())
        except Exception:  # a model that does not run in fp64 is not asked this
            return
        finally:
            torch.set_num_threads(before)
        if not close(losses[0].double(), losses[1].double()):
            yield self.observe(
                "the loss in fp64 depends on the number of threads, by more than rounding",
                "look for an extension that writes to one place from several threads",
                evidence={"loss with 1 thread": float(losses[0]), "loss with 2 threads": float(losses[1])},
            )

    def _loader(self, subject: Subject) -> Iterator[Observation]:
        if subject.loader_function is None:
            return
        batches = {}
        for workers in (0, 2):
            one, other = _loaded(subject, workers), _loaded(subject, workers)
            batches[workers] = one
            place = first_unequal(one, other)
            if place is not None:
                yield self.observe(
                    f"the loader gives other batches under the same seed with {workers} workers",
                    "seed each worker from torch.initial_seed() in worker_init_fn, and pass a seeded generator",
                    evidence={"workers": workers, "batch": place},
                )
                return
        place = first_unequal(batches[0], batches[2])
        if place is not None:
            yield self.observe(
                "the loader's batches depend on the number of workers",
                "draw random numbers from a generator that is seeded with the index of the sample",
                severity="info",
                evidence={"batch": place},
            )


def _extended() -> bool:
    """Whether code besides torch's own may use several threads: extensions of the project, compiled functions."""
    if "numba" in sys.modules or getattr(torch.ops, "loaded_libraries", None):
        return True
    files = [str(getattr(module, "__file__", "") or "") for module in list(sys.modules.values())]
    own = [file for file in files if not file.startswith(INSTALLED) and "site-packages" not in file]
    return any(file.endswith((".so", ".pyd")) for file in own)


def _uninitialised(subject: Subject, name: str) -> bool:
    """Whether a parameter is the same in two models once memory that nobody initialised is filled: that is MS107."""
    before = torch.are_deterministic_algorithms_enabled()
    lenient = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with unmoved():
            one = subject.built()
        with unmoved():
            other = subject.built()
    finally:
        torch.use_deterministic_algorithms(before, warn_only=lenient)
    return same_bits(dict(_state(one))[name], dict(_state(other))[name])


def _state(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _trained(subject: Subject) -> tuple[list[Tensor], dict[str, Tensor]]:
    """(losses of the first steps, gradients of the first)."""
    with unmoved(subject.model):
        model = subject.rebuilt()
        losses: list[Tensor] = []
        gradients: dict[str, Tensor] = {}
        try:
            optimizer = subject.optimizer(model)
        except NotRun:
            with torch.no_grad():
                return [subject.run(model, subject.batch).loss.detach()], {}
        for index in range(STEPS):
            done = subject.step(model, subject.batch, optimizer, SEED + index)
            losses.append(done.loss.detach().clone())
            if not index:
                gradients = {
                    name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None
                }
        return losses, gradients


def _first_step_difference(subject: Subject) -> Event | None:
    def runner(model: nn.Module) -> None:
        with unmoved(subject.model), torch.no_grad():
            mine = clone(subject.batch)
            with seeded(SEED):
                subject.loss(subject.forward(model, mine), mine)

    one, other = subject.rebuilt(), subject.rebuilt()
    return first_difference((one, lambda: runner(one)), (other, lambda: runner(other)))


def _loaded(subject: Subject, workers: int) -> list[object]:
    assert subject.loader_function is not None
    with seeded(SEED), unmoved():
        loader = subject.loader_function(workers)
        if not isinstance(loader, Iterable):
            raise NotRun(f"the loader is {type(loader).__name__}, which cannot be iterated")
        with unmoved(loader, getattr(loader, "sampler", None)):
            return list(islice(iter(loader), BATCHES))
