"""MS303: training that goes on differently after a checkpoint."""

from __future__ import annotations

import io
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.compare import same_bits
from mlint.smoke.generators import unmoved
from mlint.smoke.subject import SEED, Subject
from mlint.smoke.trace.raised import last_line

STEPS = 3
_OWN = frozenset(vars(nn.Module()))
"""What every module has."""


class ResumeDiffers(Check):
    """Three steps, save, load and three more steps are not the same as six steps.

    ## Why

    A long run is interrupted. What is neither in the model's nor in the optimizer's `state_dict` is lost then: a
    running mean in a buffer with `persistent=False`, an exponential average or a counter kept as a plain attribute,
    a layer that is made in the first forward. The resumed run is another one, and nobody notices.

    ## How

    Six training steps, each under a seed of its own. After the third, `state_dict()` of model and optimizer go through
    `torch.save` and `torch.load` into a model and an optimizer that the user's functions make anew. The losses of the
    fourth to sixth step must be the same to the bit, as must the six steps when they are run again: a run that does
    not repeat itself is MS301's and not judged here. What differs between the two models right after loading
    (non-persistent buffers, tensors and numbers kept as attributes of modules) is named.

    ## References

    PyTorch documentation, "Saving and Loading Models": a general checkpoint holds the state of the optimizer, too, and
    whatever else training depends on.
    """

    code = "MS303"
    name = "resume-differs"
    tier = "exact"
    cost = 12.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield at most one observation."""
        with unmoved(subject.model):
            model = subject.rebuilt()
            optimizer = subject.optimizer(model)
            _steps(subject, model, optimizer, 0)
            saved = _saved(model, optimizer)
            kept = _kept(model)
            on = _steps(subject, model, optimizer, STEPS)
        with unmoved(subject.model):
            resumed = subject.rebuilt()
            try:
                optimizer = subject.optimizer(resumed)
                state = torch.load(io.BytesIO(saved), map_location=subject.device, weights_only=False)
                resumed.load_state_dict(state["model"])
                optimizer.load_state_dict(state["optimizer"])
            except Exception as error:
                yield self.observe(
                    "a checkpoint of model and optimizer does not load into a new model",
                    "make every parameter and buffer in __init__, in the same way each time",
                    place=last_line(error),
                    evidence={"error": f"{type(error).__name__}: {str(error)[:400]}"},
                )
                return
            lost = [name for name, value in _kept(resumed).items() if not _equal(kept.get(name), value)]
            lost += [name for name in kept if name not in _kept(resumed)]
            after = _steps(subject, resumed, optimizer, STEPS)
        if all(map(same_bits, on, after)):
            return
        if not _repeats(subject, on):
            raise NotRun("six steps do not repeat themselves")
        what = f"{lost[0]} is not in the checkpoint" if lost else "something that training depends on is not saved"
        yield self.observe(
            f"training goes on differently after a checkpoint: {what}",
            "register it as a persistent buffer, or return it from get_extra_state; of an optimizer, from state_dict",
            module=lost[0].rpartition(".")[0] if lost else "",
            parameter=lost[0] if lost else "",
            evidence={
                "losses without a break": [float(loss) for loss in on],
                "losses after loading": [float(loss) for loss in after],
                "not restored": lost[:20],
            },
        )


def _steps(subject: Subject, model: nn.Module, optimizer: torch.optim.Optimizer, first: int) -> list[Tensor]:
    return [
        subject.step(model, subject.batch, optimizer, SEED + index).loss.detach().clone()
        for index in range(first, first + STEPS)
    ]


def _repeats(subject: Subject, losses: list[Tensor]) -> bool:
    with unmoved(subject.model):
        model = subject.rebuilt()
        optimizer = subject.optimizer(model)
        _steps(subject, model, optimizer, 0)
        return all(map(same_bits, losses, _steps(subject, model, optimizer, STEPS)))


def _saved(model: nn.Module, optimizer: torch.optim.Optimizer) -> bytes:
    memory = io.BytesIO()
    try:
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, memory)
    except Exception as error:
        raise NotRun(f"the state cannot be saved: {error}") from error
    return memory.getvalue()


def _kept(model: nn.Module) -> dict[str, object]:
    """What modules keep outside of the state dict: non-persistent buffers, attributes that are tensors or numbers."""
    found: dict[str, object] = {}
    for path, module in model.named_modules():
        prefix = f"{path}." if path else ""
        for name in module._non_persistent_buffers_set:
            buffer = module._buffers.get(name)
            found[prefix + name] = None if buffer is None else buffer.detach().clone()
        for name, value in vars(module).items():
            if name in _OWN:
                continue
            if isinstance(value, Tensor):
                found[prefix + name] = value.detach().clone()
            elif isinstance(value, int | float | str | bool):
                found[prefix + name] = value
            elif isinstance(value, list) and len(value) <= 1000:
                found[prefix + name] = [item.detach().clone() if isinstance(item, Tensor) else item for item in value]
    return found


def _equal(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return same_bits(one, other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return False
    try:
        return bool(one == other)
    except Exception:
        return True
