"""MS207: the loss before anything was learned."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.subject import Subject
from mlint.smoke.trace.composition import saved, sources
from mlint.smoke.trace.graph import Node, nodes, operation
from mlint.smoke.trace.places import event_of


class LossAtStart(Check):
    """The first loss is far above what a prediction without knowledge costs.

    ## Why

    A classifier that knows nothing should say 1/C for each of C classes and cost log C; one that starts at more is
    confidently wrong, and its first steps undo the initialisation. A regression that starts far above the variance of
    its targets has outputs or targets on another scale.

    ## How

    The loss functions of the graph themselves are read: for cross-entropy, its mean against log C, reported when it is
    more than one nat above; for mean squared error, against the variance of the targets around their mean, reported
    when it is more than four times that. Measured, for information: the two margins are chosen, not derived.

    ## References

    Karpathy, A recipe for training neural networks, 2019 ("verify loss @ init"). Cover and Thomas, Elements of
    information theory, 2006, theorem 2.6.4: entropy is at most log C.
    """

    code = "MS207"
    name = "loss-at-start"
    tier = "measured"
    cost = 0.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield one observation for each loss function of the graph."""
        judged = 0
        for node in nodes(subject.first.loss):
            kind = operation(node)
            if kind.startswith("nll_loss"):
                judged += 1
                yield from self._classification(subject, node)
            elif kind == "mse_loss":
                judged += 1
                yield from self._regression(subject, node)
        if not judged:
            raise NotRun("the loss holds neither cross-entropy nor mean squared error as torch has them")

    def _classification(self, subject: Subject, node: Node) -> Iterator[Observation]:
        scores, target, weight = saved(node, "self"), saved(node, "target"), saved(node, "weight")
        if scores is None or target is None or weight is not None or scores.dim() < 2:
            return
        if not any(operation(inner) == "log_softmax" for inner in sources(node)):
            return
        classes = scores.shape[1]
        ignored = getattr(node, "_saved_ignore_index", -100)
        kept = target != (ignored if ignored < 2**63 else ignored - 2**64)
        if not bool(kept.any()):
            return
        chosen = -scores.detach().gather(1, target.clamp(0, classes - 1).unsqueeze(1)).squeeze(1)
        loss, bound = float(chosen[kept].double().mean()), math.log(classes)
        counts = torch.bincount(target[kept].flatten(), minlength=classes).double()
        shares = counts[counts > 0] / counts.sum()
        entropy = float(-(shares * shares.log()).sum())
        if loss > bound + 1:
            event = event_of(subject, subject.first, node)
            yield self.observe(
                f"the cross-entropy starts at {loss:.4g}, and 1/{classes} for each class costs {bound:.4g}",
                "make the last layer's weights smaller, its bias the logarithm of the class frequencies",
                module=event.module,
                operation=operation(node),
                place=event.place,
                evidence={"loss": loss, "log C": bound, "entropy of the labels": entropy},
            )

    def _regression(self, subject: Subject, node: Node) -> Iterator[Observation]:
        prediction, target = saved(node, "self"), saved(node, "target")
        if prediction is None or target is None or prediction.shape != target.shape or target.numel() < 2:
            return
        loss = float((prediction - target).double().square().mean())
        spread = float(_around_mean(target.double()))
        if spread > 0 and loss > 4 * spread:
            event = event_of(subject, subject.first, node)
            yield self.observe(
                f"the squared error starts at {loss:.4g}, and predicting the mean costs {spread:.4g}",
                "scale the targets to zero mean and unit variance, or start the last bias at their mean",
                module=event.module,
                operation=operation(node),
                place=event.place,
                evidence={"loss": loss, "variance of the targets": spread, "mean of the targets": float(target.mean())},
            )


def _around_mean(target: Tensor) -> Tensor:
    """The mean squared distance of targets from the mean target."""
    return (target - target.mean(dim=0, keepdim=True)).square().mean() if len(target) > 1 else target.var()
