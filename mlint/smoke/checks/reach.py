"""MS101: parameters that the loss does not reach."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.subject import Subject
from mlint.smoke.trace.graph import leaves


class ParameterWithoutGradient(Check):
    """A trainable parameter that the loss never reaches.

    ## Why

    `backward` follows the graph from the loss. A parameter that is not in it gets no gradient at all, and an optimizer
    leaves it as it was initialised: the layer is random for good. `detach`, `argmax`, a comparison, `.item()`, a way
    through NumPy and `torch.tensor(x)` all cut the graph without a word, and so does a layer whose result is dropped.

    ## How

    The leaves of the graph are the variables of its `AccumulateGrad` nodes. A parameter is reported when it is the
    variable of none of them and has no gradient after `backward` (a reentrant checkpoint hides its inside from the
    graph, not from `backward`), in train mode, for several batches, their contents shuffled too, so that an expert, a
    branch or a rare path is not held against a model for want of the right batch. Exact: no threshold. Parameters that
    do not require a gradient or that are declared `frozen` do not count.

    ## References

    Griewank and Walther, Evaluating Derivatives, SIAM 2008, chapter 3: reverse mode accumulates along recorded edges
    only. PyTorch documentation, "Autograd mechanics".
    """

    code = "MS101"
    name = "parameter-without-gradient"
    tier = "exact"
    cost = 3.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield one observation for the model when nothing is reached, else one for each highest module."""
        names = [name for name in subject.trainable() if not subject.is_exempt(self.code, name)]
        if not any(value.requires_grad for value in subject.parameters.values()):
            raise NotRun("no parameter requires a gradient")
        left = self._unreached(subject, names)
        if not left:
            return
        yield from self._observations(subject, names, left)

    def _unreached(self, subject: Subject, names: list[str]) -> list[str]:
        first = subject.first
        reached = leaves(first.loss)
        left = [name for name in names if id(first.parameters[name]) not in reached]
        if left:
            gradients: dict[str, Tensor | None] = first.gradients
            left = [name for name in left if gradients[name] is None]
        for batch in [*subject.batches(2)[1:], *(subject.varied(subject.batch, seed) for seed in range(3))]:
            if not left:
                break
            try:
                again = subject.run(subject.rebuilt(), batch)
                gradients = again.gradients
            except Exception:
                continue  # contents that the model does not take are no evidence
            left = [name for name in left if gradients[name] is None]
        return left

    def _observations(self, subject: Subject, names: list[str], left: list[str]) -> Iterator[Observation]:
        missing = set(left)
        if missing == set(names):
            yield self.observe(
                f"the loss reaches none of the {len(names)} trainable parameters",
                "look for detach, no_grad, .item() or NumPy between the output and the loss",
                evidence={"parameters": left[:20], "loss requires grad": bool(subject.first.loss.requires_grad)},
            )
            return
        for module, parameters in _grouped(names, missing):
            yield self.observe(
                f"the loss never reaches {parameters[0] if len(parameters) == 1 else f'a parameter of {module}'}",
                "use its result, or freeze it with requires_grad_(False)",
                module=module,
                parameter=parameters[0] if len(parameters) == 1 else "",
                evidence={"parameters": parameters},
            )


def _grouped(names: list[str], missing: set[str]) -> Iterator[tuple[str, list[str]]]:
    """(module, its missing parameters): the highest modules of which every parameter is missing, then single ones."""
    left = [name for name in names if name in missing]
    while left:
        parts = left[0].split(".")
        for depth in range(1, len(parts)):
            prefix = ".".join(parts[:depth])
            inside = [name for name in names if name.startswith(f"{prefix}.")]
            if all(name in missing for name in inside):
                break
        else:
            prefix, inside = left[0].rpartition(".")[0], [left[0]]
        yield prefix, inside
        left = [name for name in left if name not in inside]
