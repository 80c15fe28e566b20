"""MS202 and MS203: compositions that lose what floating point can hold, and inputs that show it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.subject import Subject
from mlint.smoke.trace.composition import compositions, saved, sources
from mlint.smoke.trace.degenerate import EMPTY, Failure, failures
from mlint.smoke.trace.graph import Node, nodes, operation
from mlint.smoke.trace.places import event_of

SINGULAR = {"sqrt", "rsqrt", "div", "reciprocal", "pow", "norm", "linalg_vector_norm", "log", "log2", "log10", "std"}
"""Operations with a pole, or an infinite derivative, at 0."""


class UnstableComposition(Check):
    """The graph of the loss holds a composition that overflows, underflows or saturates although its value is finite.

    ## Why

    log(softmax(x)) is x - logsumexp(x), finite for all finite x; computed in two steps it is log(0) = -inf as soon as
    one probability underflows, and its gradient nan. log(sigmoid), log(1 - sigmoid), log(sum(exp)) and log(1 + exp)
    are alike. A softmax before cross-entropy, or a sigmoid before BCE-with-logits, is applied twice: the loss cannot
    become small. sqrt, a norm under a division, and division have an infinite derivative or none at 0; and a `where`
    hides an infinite value, not its gradient, since 0 times inf is nan.

    ## How

    One forward pass and a walk over `grad_fn.next_functions`, past operations that only move elements. An epsilon that
    is added or a clamp in between is seen as another node. Not reported are logits that are bounded whatever the input
    (cosines, tanh, softmax; also scaled), and exponentials of which none exceeds 1 (the maximum was subtracted). Roots
    and divisions are reported only when one of the inputs that `overflow-under-scale` tries (zeros, constants, a
    sample repeated) brings them to 0 and makes the loss or a gradient nan or inf; a `where` only when the branch that
    was not chosen is singular in this batch.

    ## References

    Blanchard, Higham and Higham, Accurately computing the log-sum-exp and softmax functions, IMA J. Numer. Anal. 41(4),
    2021. Kloberdanz et al., DeepStability, ICSE 2022.
    """

    code = "MS202"
    name = "unstable-composition"
    tier = "exact"
    cost = 8.0
    rules = ("ML501",)

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield compositions, hidden branches, then roots and divisions at 0."""
        if subject.first.loss.grad_fn is None:
            raise NotRun("the loss has no history")
        yield from self._compositions(subject)
        yield from self._hidden(subject)
        told: set[object] = set()
        for failure in failures(subject, EMPTY):
            if is_singular(failure):
                event = failure.origin.event  # type: ignore[union-attr]
                if (event.operation, event.place) not in told and not subject.is_exempt(self.code, event.module):
                    told.add((event.operation, event.place))
                    yield self._at_zero(failure)

    def _compositions(self, subject: Subject) -> Iterator[Observation]:
        told: set[object] = set()
        for found in compositions(subject.first.loss):
            event = event_of(subject, subject.first, found.outer)
            inner = event_of(subject, subject.first, found.inner)
            key = (found.what.replace("1 - ", ""), inner.place or found.inner, inner.module)
            if key in told or subject.is_exempt(self.code, event.module, inner.module):
                continue
            told.add(key)
            yield self.observe(
                f"{found.what}: {found.why}",
                found.instead,
                module=event.module or inner.module,
                operation=operation(found.outer),
                place=event.place,
                evidence={"nodes": [found.outer.name(), found.inner.name()], "inner": _text(inner.place)},
            )

    def _hidden(self, subject: Subject) -> Iterator[Observation]:
        first = subject.first
        for node in nodes(first.loss):
            if operation(node) == "where":
                for inner in sources(node):
                    if operation(inner) in SINGULAR and _is_singular_now(inner):
                        event = event_of(subject, first, node)
                        if subject.is_exempt(self.code, event.module):
                            continue
                        yield self.observe(
                            f"where hides what {operation(inner)} makes of 0 or less, not its gradient: 0 * inf is nan",
                            "choose the argument first: log(where(x > 0, x, 1)), then choose the result",
                            module=event.module,
                            operation="where",
                            place=event.place,
                            evidence={"nodes": [node.name(), inner.name()]},
                        )

    def _at_zero(self, failure: Failure) -> Observation:
        origin = failure.origin
        assert origin is not None
        event = origin.event
        return self.observe(
            f"{event.operation} reaches 0 without an epsilon: {failure.what} is {origin.kind} with inputs "
            f"{failure.variant}",
            "add an epsilon inside (sqrt(x + eps)), or use F.normalize, clamp(min=eps), nan-safe norms",
            severity="warning",
            module=event.module,
            operation=event.operation,
            place=event.place,
            evidence={"inputs": failure.variant, "phase": origin.phase, "arguments": list(origin.arguments)},
        )


class OverflowUnderScale(Check):
    """The loss or a gradient is not finite for inputs of another scale, of zeros, constants or repeated samples.

    ## Why

    Data that was not normalised once, silence, a black frame, an empty or a repeated sample: they come late, and one
    of them makes every weight nan. A hand-written binary cross-entropy of a published bug needs 34,471 steps on its own
    data and 2 when the inputs are ten times as large.

    ## How

    The first batch, for which everything is finite, times 0.01, 10 and 100, all zero, constant, one token everywhere,
    the first sample repeated, and with one sample fully masked; forward, loss and backward without autocast. Zeros are
    not tried where all values are positive, and what the model refuses with an error is refused in time. For
    information only: times 100, inputs in 0..1 times 10, and the fully masked sample. A root or a division that reaches
    0 is told by `unstable-composition`.

    ## References

    Odena et al., TensorFuzz, ICML 2019. Kloberdanz et al., DeepStability, ICSE 2022.
    """

    code = "MS203"
    name = "overflow-under-scale"
    tier = "differential"
    cost = 8.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield one observation for each operation that fails first."""
        told: set[object] = set()
        for failure in failures(subject):
            event = failure.origin.event if failure.origin else None
            key = (event.operation, event.place) if event else failure.variant
            if is_singular(failure) or key in told or (event and subject.is_exempt(self.code, event.module)):
                continue
            told.add(key)
            by = f": {event.operation} makes the first {failure.origin.kind}" if event and failure.origin else ""
            yield self.observe(
                f"with inputs {failure.variant} {failure.what} is not finite{by}",
                "bound what goes into it: normalise, clamp, or compute in the log domain",
                severity="warning" if failure.likely else "info",
                module=event.module if event else "",
                operation=event.operation if event else "",
                place=event.place if event else None,
                evidence={
                    "inputs": failure.variant,
                    "phase": failure.origin.phase if failure.origin else "",
                    "arguments": list(failure.origin.arguments) if failure.origin else [],
                },
            )


def is_singular(failure: Failure) -> bool:
    """Whether a failure is that of a root or a division at 0, which MS202 tells."""
    return (
        failure.variant in EMPTY
        and failure.origin is not None
        and failure.origin.event.operation.removesuffix("_") in SINGULAR
    )


def _is_singular_now(node: Node) -> bool:
    """Whether the argument of a root, logarithm or division is where its derivative is infinite, in this pass."""
    if operation(node) == "div":
        return _any_zero(saved(node, "other"))
    if operation(node) in {"sqrt", "rsqrt", "reciprocal"}:
        result = saved(node, "result")
        return result is not None and bool(((result == 0) | ~result.isfinite()).any())
    value = saved(node, "self")
    return operation(node) in {"log", "log2", "log10"} and value is not None and bool((value <= 0).any())


def _any_zero(value: Tensor | None) -> bool:
    return value is not None and bool((value == 0).any())


def _text(place: tuple[str, int] | None) -> str:
    return f"{place[0]}:{place[1]}" if place else ""
