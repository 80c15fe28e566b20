"""Compositions of operations in the autograd graph that lose what floating point can hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from mlint.smoke.trace.graph import Node, nodes, operation

MOVES = {
    "alias", "as_strided", "cat", "clone", "copy_backwards", "diagonal", "expand", "flatten", "gather", "index",
    "index_select", "masked_select", "narrow", "permute", "repeat", "reshape_alias", "select", "slice", "split",
    "split_with_sizes", "squeeze", "stack", "t", "take", "to_copy", "transpose", "unbind", "unsafe_split",
    "unsafe_view", "unsqueeze", "view", "copy_slices", "unsafe_chunk", "movedim", "swapaxes",
}  # fmt: skip
"""Operations that pass elements on as they are."""
BOUNDED = {"tanh", "sigmoid", "softmax", "cosine_similarity", "hardtanh", "hardsigmoid", "sin", "cos", "clamp", "erf"}
"""Operations of which the result lies in an interval whatever they are given."""
LOGARITHMS = {"log", "log2", "log10"}


class Composition(NamedTuple):
    """One composition: the outer node, the inner one, what it is and what stands for it."""

    outer: Node
    inner: Node
    what: str
    instead: str
    why: str


def compositions(loss: Tensor) -> Iterator[Composition]:
    """Every composition of the graph of a loss that overflows, underflows or saturates for logits within range."""
    for node in nodes(loss):
        kind = operation(node)
        if kind in LOGARITHMS:
            yield from _logarithm(node)
        elif kind == "log1p":
            yield from _softplus(node, 0)
        elif kind == "div":
            yield from _quotient(node)
        elif kind.startswith("nll_loss"):
            yield from _cross_entropy(node)
        elif kind == "binary_cross_entropy_with_logits":
            for inner in sources(node):
                if operation(inner) == "sigmoid":
                    yield Composition(
                        node,
                        inner,
                        "sigmoid before binary_cross_entropy_with_logits",
                        "pass the logits",
                        "the loss applies the sigmoid itself: of 0..1 it makes 0.5..0.73, which fits no sample",
                    )


def sources(node: Node, at: int | None = None) -> list[Node]:
    """The nodes that made the arguments of a node (or one of them), past operations that move elements only."""
    found: list[Node] = []
    queue = [before for before, _ in (node.next_functions if at is None else node.next_functions[at : at + 1])]
    seen: set[Node] = set()
    while queue:
        before = queue.pop(0)
        if before is None or before in seen:
            continue
        seen.add(before)
        if operation(before) in MOVES:
            queue.extend(inner for inner, _ in before.next_functions)
        else:
            found.append(before)
    return found


def _logarithm(node: Node) -> Iterator[Composition]:
    for inner in sources(node):
        kind = operation(inner)
        if kind in {"softmax", "sigmoid"} and not is_bounded(inner):
            instead = "log_softmax" if kind == "softmax" else "logsigmoid"
            yield Composition(node, inner, f"log of {kind}", f"use {instead}", _underflow(kind))
        elif kind in {"rsub", "sub"}:
            for probability in sources(inner):
                if operation(probability) in {"softmax", "sigmoid"} and not is_bounded(probability):
                    name = operation(probability)
                    yield Composition(
                        node,
                        probability,
                        f"log of 1 - {name}",
                        "use logsigmoid(-x), or binary_cross_entropy_with_logits for the whole loss",
                        f"1 - {name} rounds to 0 from {_saturation(name)} on, and its logarithm is -inf",
                    )
        elif kind in {"sum", "mean"}:
            yield from _exponentials(node, inner)
        elif kind == "add":
            yield from _softplus(node, 1)
            for term in sources(inner):
                if operation(term) in {"sum", "mean"} and _is_shift(inner):
                    yield from _exponentials(node, term)


def _exponentials(node: Node, total: Node) -> Iterator[Composition]:
    for term in sources(total):
        inside = [term] if operation(term) == "exp" else sources(term) if operation(term) == "mul" else []
        for exponential in inside:
            if operation(exponential) == "exp" and _can_overflow(exponential):
                yield Composition(
                    node,
                    exponential,
                    "log of a sum of exp",
                    "use logsumexp",
                    f"exp overflows from {_overflow(exponential):.4g} on, and the logarithm of inf is inf",
                )


def _softplus(node: Node, level: int) -> Iterator[Composition]:
    """Find log(1 + exp(x)), at level 1 below the sum and at level 0 below log1p."""
    terms = sources(node)
    if level:
        terms = [term for inner in terms if operation(inner) == "add" and _is_shift(inner) for term in sources(inner)]
    for term in terms:
        if operation(term) == "exp" and _can_overflow(term):
            yield Composition(
                node,
                term,
                "log of 1 + exp",
                "use softplus",
                f"exp overflows from {_overflow(term):.4g} on, where the result is x itself",
            )


def _quotient(node: Node) -> Iterator[Composition]:
    """Find exp(x) / sum(exp(x))."""
    if len(node.next_functions) < 2:
        return
    above = [term for term in sources(node, 0) if operation(term) == "exp"]
    for total in sources(node, 1):
        if operation(total) == "sum":
            for term in sources(total):
                if term in above and _can_overflow(term):
                    yield Composition(
                        node,
                        term,
                        "exp divided by its sum",
                        "use softmax",
                        f"exp overflows from {_overflow(term):.4g} on, and inf / inf is nan",
                    )


def _cross_entropy(node: Node) -> Iterator[Composition]:
    for inner in sources(node):
        if operation(inner) == "log_softmax":
            for logits in sources(inner):
                kind = operation(logits)
                if kind in {"softmax", "sigmoid"}:
                    yield Composition(
                        node,
                        logits,
                        f"{kind} before cross_entropy",
                        "pass the logits",
                        "the loss applies log_softmax itself: of logits in 0..1 it cannot go below "
                        "log(1 + (C - 1) / e) for C classes, and the gradient of the saturated ones vanishes",
                    )


def is_bounded(node: Node, depth: int = 12) -> bool:
    """Whether what a function is applied to lies in an interval for every input: cosines, tanh, what was normalised."""
    given = sources(node)
    return bool(given) and all(_lies_in_interval(inner, depth) for inner in given)


def _lies_in_interval(node: Node, depth: int) -> bool:
    kind = operation(node)
    if kind in BOUNDED or _is_normalised(node):
        return True
    if depth <= 0:
        return False
    if kind in {"mul", "div", "add", "sub", "rsub", "neg"}:
        # With a constant: the other argument has no history.
        given = [before for before, _ in node.next_functions if before is not None]
        return bool(given) and all(_lies_in_interval(inner, depth - 1) for inner in sources(node))
    if kind in {"mm", "bmm", "matmul", "sum", "mean"}:
        given = sources(node)
        complete = all(before is not None for before, _ in node.next_functions)
        return bool(given) and complete and all(_lies_in_interval(inner, depth - 1) for inner in given)
    return False


def _is_normalised(node: Node) -> bool:
    """Whether a node is x / max(|x|, eps) or x / |x|."""
    if operation(node) != "div" or len(node.next_functions) < 2:
        return False
    for inner in sources(node, 1):
        names = {operation(inner), *(operation(deeper) for deeper in sources(inner))}
        if names & {"linalg_vector_norm", "norm"}:
            return True
    return False


def _is_shift(node: Node) -> bool:
    """Whether a sum has one argument with a history, and a constant."""
    return sum(before is not None for before, _ in node.next_functions) == 1


def _can_overflow(exponential: Node) -> bool:
    """Whether an exp is given what is neither bounded nor shifted to at most 0, as far as this pass tells."""
    if is_bounded(exponential):
        return False
    result = saved(exponential, "result")
    # Where the largest was subtracted, or a square negated, nothing exceeds 1.
    return result is None or not result.numel() or float(result.max()) > 1


def saved(node: Node, name: str) -> Tensor | None:
    """A tensor that a node keeps for its backward pass; None where it keeps none of that name any more."""
    try:
        value = getattr(node, f"_saved_{name}", None)
    except RuntimeError:  # freed, or changed in place since
        return None
    return value.detach() if isinstance(value, Tensor) else None


def _overflow(exponential: Node) -> float:
    """The largest argument of exp whose result is finite, in the dtype of this one."""
    result = saved(exponential, "result")
    dtype = result.dtype if result is not None else torch.float32
    return float(torch.log(torch.tensor(torch.finfo(dtype).max, dtype=torch.float64)))


def _underflow(kind: str) -> str:
    difference = "logits that differ by 104 or more" if kind == "softmax" else "a logit of -104 or less"
    return f"{kind} underflows to 0 for {difference} in float32 (18 in float16), and its logarithm is -inf"


def _saturation(kind: str) -> str:
    return (
        "a logit of 17 in float32 (9 in float16)" if kind == "sigmoid" else "a margin of 17 in float32 (9 in float16)"
    )
