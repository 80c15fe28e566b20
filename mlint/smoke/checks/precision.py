"""MS204: modules that lose digits."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.structure import tensors
from mlint.smoke.subject import SEED, Subject
from mlint.smoke.trace.noiseless import Noiseless


class ErrorAmplification(Check):
    """A module returns half of its digits wrong although its input is right to the last ones.

    ## Why

    A variance as E[x^2] - E[x]^2, a difference of nearly equal numbers, a sum over a long axis in 16 bits, or a shift
    by a large constant cancels digits: the result has the right size and random last digits, and so has the gradient.
    Nothing warns.

    ## How

    The model and its twin in float64 run on one batch in eval mode, random draws replaced by a constant. For each
    module the relative error of input and output in the L2 norm is taken. A sum of n products rounds to about sqrt(n)
    eps (Higham and Mary); a module is reported when what it is given is right to 16 sqrt(n) eps, for its widest weight
    (or input) n, and what it returns is not right to sqrt(eps): half of the bits are gone, 3e-4 in float32. The
    smallest such module is named. A choice that flips between the two precisions (argmax, rounding) would show as well,
    so that the finding must hold for a second batch of other contents.

    ## References

    Higham, Accuracy and stability of numerical algorithms, SIAM 2002, chapters 1 and 4. Higham and Mary, A new approach
    to probabilistic rounding error analysis, SIAM J. Sci. Comput. 41(5), 2019. Chan, Golub and LeVeque, Algorithms for
    computing the sample variance, The American Statistician 37(3), 1983.
    """

    code = "MS204"
    name = "error-amplification"
    tier = "differential"
    cost = 4.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield one observation for each smallest module that loses digits on two batches."""
        found = self._amplifying(subject, subject.sample)
        if found:
            with contextlib.suppress(Exception):
                again = self._amplifying(subject, subject.varied(subject.sample, SEED))
                found = {name: errors for name, errors in found.items() if name in again}
        for name, (before, after) in found.items():
            if any(other != name and other.startswith(f"{name}." if name else "") for other in found):
                continue
            if subject.is_exempt(self.code, name):
                continue
            module = subject.model.get_submodule(name)
            yield self.observe(
                f"{name or 'the model'} ({type(module).__name__}) loses half of its digits: relative error "
                f"{before:.1e} in, {after:.1e} out",
                "subtract means before squaring, and large constants first; or compute this part in float64",
                module=name,
                evidence={"relative error in": before, "relative error out": after},
            )

    def _amplifying(self, subject: Subject, batch: object) -> dict[str, tuple[float, float]]:
        single = subject.fresh().eval()
        double = subject.double().eval()
        kinds = {value.dtype for value in single.parameters() if value.is_floating_point()}
        if kinds != {torch.float32}:
            raise NotRun(f"the parameters are {', '.join(sorted(map(str, kinds))) or 'none'}, not float32")
        mine, exact = _Record(single), _Record(double)
        try:
            with torch.no_grad(), Noiseless():
                subject.forward(double, subject.cast(batch), autocast=False)
                subject.forward(single, batch, autocast=False)
        except Exception as error:
            raise NotRun(f"the model does not run in float64: {error}") from error
        finally:
            mine.remove()
            exact.remove()
        epsilon = torch.finfo(torch.float32).eps
        found = {}
        for name, calls in mine.calls.items():
            for (given, made), (exact_given, exact_made) in zip(calls, exact.calls.get(name, [])):
                before, after = _error(given, exact_given), _error(made, exact_made)
                if before is None or after is None:
                    continue
                width = _width(single.get_submodule(name), given)
                if before <= 16 * width**0.5 * epsilon and after > epsilon**0.5:
                    found[name] = (before, after)
        return found


class _Record:
    """What each module was given and returned, as float64."""

    def __init__(self, model: nn.Module) -> None:
        self.calls: dict[str, list[tuple[list[Tensor], list[Tensor]]]] = {}
        self._handles = []
        for name, module in model.named_modules():
            with contextlib.suppress(Exception):  # scripted modules take no hooks
                self._handles.append(module.register_forward_hook(self._hook(name), with_kwargs=True))

    def _hook(self, name: str):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, given: object, keywords: object, made: object) -> None:
            self.calls.setdefault(name, []).append((_floats([given, keywords]), _floats(made)))

        return hook

    def remove(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()


def _floats(tree: object) -> list[Tensor]:
    # Copies: an operation in place may follow.
    return [
        tensor.detach().to(torch.float64, copy=True)
        for tensor in tensors(tree)
        if tensor.is_floating_point() and not tensor.is_nested and not tensor.is_sparse
    ]


def _error(values: list[Tensor], exact: list[Tensor]) -> float | None:
    """The largest relative L2 error among tensors; None when they cannot be compared."""
    worst = 0.0
    for value, truth in zip(values, exact):
        if value.shape != truth.shape:
            return None
        size = float(truth.norm())
        if size == 0 or not bool(torch.isfinite(truth).all()) or not bool(torch.isfinite(value).all()):
            return None
        worst = max(worst, float((value - truth).norm()) / size)
    return worst


def _width(module: nn.Module, given: list[Tensor]) -> int:
    """The most terms that one element of the output is a sum of, as far as weights and inputs tell."""
    weights: list[int] = [value[0].numel() for value in module.parameters() if value.dim() > 1 and len(value)]
    return max([*weights, *(int(value.shape[-1]) for value in given if value.dim()), 1])
