"""MS201: NaN and Inf in the loss or a gradient."""

from __future__ import annotations

from collections.abc import Iterator

from mlint.smoke.checks.base import Check, Observation
from mlint.smoke.structure import named_tensors
from mlint.smoke.subject import Subject
from mlint.smoke.trace.nonfinite import Origin, backward_origin, forward_origin, is_finite, kind_of


class NonFinite(Check):
    """The loss or a gradient is NaN or Inf in the first step.

    ## Why

    One NaN in a gradient makes every parameter that an optimizer updates with it NaN, Adam's moments with it, and
    nothing brings them back. An infinite loss has no usable gradient.

    ## How

    The shared first pass tells whether the loss, the gradients, the batch and the parameters are finite: IEEE 754
    arithmetic, no threshold. Only when they are not, the pass runs again with every operation watched. Named is the
    first operation that returned NaN and was given none, or the one that computed the Inf which it was given; in the
    backward pass the first node that makes a non-finite gradient of finite ones. An Inf that was filled in, as in an
    attention mask, is nobody's fault and a non-finite activation that reaches neither loss nor gradient neither.

    ## References

    IEEE 754-2019, section 6 and 7. Goldberg, What every computer scientist should know about floating-point
    arithmetic, ACM Computing Surveys 23(1), 1991.
    """

    code = "MS201"
    name = "non-finite"
    tier = "exact"
    cost = 0.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield one observation: the batch, a parameter, or the operation."""
        first = subject.first
        if not is_finite(first.loss):
            kind = kind_of(first.loss)
            evidence: dict[str, object] = {"loss": float(first.loss.detach())}
            where = next(((name, tensor) for name, tensor in named_tensors(subject.batch) if kind_of(tensor)), None)
            if where is not None:
                path, tensor = where
                yield self.observe(
                    f"the loss is {kind}, and the batch holds {kind_of(tensor)} at batch{path}",
                    "clean the data, or fail in the dataset when a sample is not finite",
                    evidence=evidence,
                )
                return
            for name, parameter in subject.parameters.items():
                if kind_of(parameter):
                    yield self.observe(
                        f"{name} is {kind_of(parameter)} as built, and the loss {kind}",
                        "initialise it: torch.empty and torch.Tensor(n) hold whatever was in memory",
                        parameter=name,
                        module=subject.module_of(name),
                        evidence=evidence,
                    )
                    return
            origin = forward_origin(subject, subject.rebuilt(), subject.batch)
            yield self._observation(f"the loss is {kind}", origin, evidence)
            return
        broken = {
            name: kind_of(value) for name, value in subject.gradients.items() if value is not None and kind_of(value)
        }
        if broken:
            names = list(broken)
            origin = backward_origin(subject, first)
            yield self._observation(
                f"the loss is finite and the gradient of {names[0]} is {broken[names[0]]}"
                + (f", as are {len(names) - 1} more" if len(names) > 1 else ""),
                origin,
                {"loss": float(first.loss.detach()), "gradients": names[:20]},
                names[0],
            )

    def _observation(
        self, what: str, origin: Origin | None, evidence: dict[str, object], parameter: str = ""
    ) -> Observation:
        if origin is None:
            return self.observe(what, evidence=evidence, parameter=parameter)
        if origin.arguments:
            evidence = {**evidence, "arguments": list(origin.arguments)}
        where = f" of {origin.event.module}" if origin.event.module else ""
        return self.observe(
            f"{what}: {origin.event.operation}{where} makes the first {origin.kind} in the {origin.phase} pass",
            "keep its argument away from where it or its derivative is not finite, with clamp, an epsilon inside, "
            "or a function that does both steps at once (log_softmax, logsumexp, *_with_logits)",
            module=origin.event.module,
            operation=origin.event.operation,
            place=origin.event.place,
            parameter=parameter,
            evidence=evidence,
        )
