"""MS101: parameters that the loss does not reach."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.subject import SEED, Subject
from mlint.smoke.trace.breaks import Break, breaks
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
    graph, not from `backward`), for several batches and seeds, contents shuffled too, and in eval mode, so that an
    expert, a branch or a layer that was left out at random is not held against a model. A function mode then watches
    one more pass and names the last operation that depends on the parameter, or the one that cut it off. Exact: no
    threshold. Parameters that do not require a gradient or that are declared `frozen` do not count.

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
        batches = [*subject.batches(2)[1:], *(subject.varied(subject.batch, seed) for seed in range(3)), subject.batch]
        for count, batch in enumerate(batches):
            if not left:
                break
            model = subject.rebuilt()
            if count == len(batches) - 1:
                model.eval()  # layers that training leaves out at random are all there
            try:
                gradients = subject.run(model, batch, SEED + 1 + count).gradients
            except Exception:
                continue  # contents that the model does not take are no evidence
            left = [name for name in left if gradients[name] is None]
        return left

    def _observations(self, subject: Subject, names: list[str], left: list[str]) -> Iterator[Observation]:
        missing = set(left)
        where = breaks(subject, left)
        if missing == set(names):
            end = _latest(where, left)
            yield self.observe(
                f"the loss reaches none of the {len(names)} trainable parameters{_told(end)}",
                "look for detach, no_grad, .item() or NumPy between the output and the loss",
                module=end.event.module if end else "",
                operation=end.event.operation if end else "",
                place=end.event.place if end else None,
                evidence={"parameters": left[:20], "loss requires grad": bool(subject.first.loss.requires_grad)},
            )
            return
        for module, parameters in _grouped(names, missing):
            end = _latest(where, parameters)
            yield self.observe(
                f"the loss never reaches {parameters[0] if len(parameters) == 1 else f'the parameters of {module}'}"
                f"{_told(end)}",
                "let its result go into the loss, or freeze it: requires_grad_(False) and `frozen`",
                module=module,
                parameter=parameters[0] if len(parameters) == 1 else "",
                operation=end.event.operation if end else "",
                place=end.event.place if end else None,
                evidence={"parameters": parameters},
            )


def _latest(where: dict[str, Break], names: list[str]) -> Break | None:
    """Of the ends of several parameters one that says most: a cut before a dropped result, before no use at all."""
    found = [where[name] for name in names if name in where]
    for kind in ("cut", "dropped", "unused"):
        for end in reversed(found):
            if end.kind == kind:
                return end
    return None


def _told(end: Break | None) -> str:
    if end is None:
        return ""
    if end.kind == "unused":
        return ": the forward pass does not use it"
    if end.kind == "dropped":
        return f": nothing goes on from {end.event.operation}, the last operation that depends on it"
    if not end.grad_enabled:
        return f": {end.event.operation} runs without gradient (no_grad, inference_mode)"
    return f": {end.event.operation} cuts the graph"


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
