"""MS402: outputs that depend on later positions, or on padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from mlint.smoke.binding import arguments
from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.compare import close, distance
from mlint.smoke.double import Stage, stage
from mlint.smoke.structure import map_tensors, named_tensors, tensors
from mlint.smoke.subject import Subject
from mlint.smoke.trace.difference import first_difference
from mlint.smoke.trace.recorder import Event

MASKS = ("attention_mask", "mask", "lengths")
LABELS = ("label", "target", "decoder", "tgt", "answer")


class SequenceLeak(Check):
    """A causal model's output depends on later positions, or an output depends on how far its sample is padded.

    ## Why

    A decoder that sees the next token learns to copy it: the training loss is excellent and generation is noise. A
    model that reads padding gives the same sample another output in a batch with a longer neighbour, so that results
    depend on how batches are put together.

    ## How

    In fp64 and eval mode. Causal, for targets with `causal = true`: the contents of every sequence after a position are
    replaced by others of the same batch; outputs at this position and before it stay within the tolerance of
    torch.testing (1e-7 of the largest value). This is asked of contents and not of gradients, so that embeddings need
    no exception and a leak through an `argmax` is found. Padding, where the batch has an entry that marks valid
    positions and some are not: a padded sample is run alone, cut to its own length, and must give the same output as in
    the padded batch. Both are batches that training would make. Only where the model does not take a shorter
    sequence, the contents of the padded positions are replaced instead.

    Sequences are the inputs of shape (samples, positions, ...) as long as the mask, filled with one value where it
    says padding. Padding in front is not cut, since positions would move.

    ## References

    Vaswani et al., Attention Is All You Need, 2017, section 3.2.3: positions after i are masked with minus infinity,
    so that predictions for i depend only on positions before it.
    """

    code = "MS402"
    name = "causal-leak"
    tier = "exact"
    cost = 5.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield an observation for the first leak from later positions, and one for the first from padding."""
        here = stage(subject)
        reasons = []
        for part in (self._causal, self._padding):
            try:
                yield from part(here)
            except NotRun as reason:
                reasons.append(str(reason))
        if len(reasons) == 2:
            raise NotRun("; ".join(reasons))

    # Later positions

    def _causal(self, here: Stage) -> Iterator[Observation]:
        if not here.subject.options.causal:
            raise NotRun("not declared causal")
        inputs = tensors(arguments(here.model, here.batch))
        lengths = [tensor.shape[1] for tensor in inputs if tensor.dim() > 1 and tensor.shape[0] == here.rows]
        length = max(lengths, key=lengths.count, default=0)
        outputs = [name for name, tensor in here.outputs if tensor.dim() > 1 and tensor.shape[1] == length]
        if length < 2 or not outputs:
            raise NotRun("no output has one row for each position of the inputs")
        taken = {id(tensor) for tensor in inputs if tensor.dim() > 1 and tensor.shape[1] == length}
        for position in dict.fromkeys((0, length // 2 - 1, length - 2)):
            other = _later_replaced(here.batch, taken, position)
            before, after = dict(here.outputs), dict(here.rowwise(here.forward(other), here.rows))
            for name in outputs:
                one, two = before[name][:, : position + 1], after[name][:, : position + 1]
                if not close(one, two):
                    yield self._causal_leak(here, other, name, position, length, distance(one, two))
                    return

    def _causal_leak(
        self, here: Stage, other: object, name: str, position: int, length: int, change: float
    ) -> Observation:
        def same(a: Tensor, b: Tensor) -> bool:
            if not a.is_floating_point() or a.shape != b.shape or a.dim() < 3 or a.shape[:2] != (here.rows, length):
                return True
            return close(a[:, : position + 1], b[:, : position + 1])

        event = _where(here, here.batch, other, same)
        return self.observe(
            f"the output at position {position} depends on later positions, and the target is declared causal",
            "mask attention with is_causal=True or a lower triangular mask; pad convolutions on the left only",
            module=event.module if event else "",
            operation=event.operation if event else "",
            place=event.place if event else None,
            evidence={"output": name or "the output", "position": position, "relative change": change},
        )

    # Padding

    def _padding(self, here: Stage) -> Iterator[Observation]:
        mask, mask_id = padding_mask(here)
        inputs = {
            id(tensor): tensor
            for name, tensor in named_tensors(here.batch)
            if id(tensor) in {id(value) for value in tensors(arguments(here.model, here.batch))}
            and not any(word in name.lower() for word in LABELS)
        }
        filled = [key for key, tensor in inputs.items() if key != mask_id and is_filled(tensor, mask)]
        if not filled:
            raise NotRun("no input is filled with one value at the padded positions")
        row = int(mask.sum(1).argmin())
        length = int(mask[row].sum())
        if bool(mask[row, :length].all()):
            other = self._cut(here, {*filled, mask_id}, mask.shape[1], row, length)
            try:
                after = dict(here.rowwise(here.forward(other), 1))
            except Exception:  # fixed positions: the contents of padding are asked instead
                after = None
            if after is not None:
                yield from self._compare(here, mask, [row], after, f"cut to its {length} positions and run alone")
                return
        other = _padding_replaced(here.batch, filled, mask)
        after = dict(here.rowwise(here.forward(other), here.rows))
        rows = [index for index in range(here.rows) if not bool(mask[index].all())]
        after = {name: tensor[rows] for name, tensor in after.items()}
        yield from self._compare(here, mask, rows, after, "with other contents in its padding")

    def _cut(self, here: Stage, taken: set[int], whole: int, row: int, length: int) -> object:
        def cut(tensor: Tensor) -> Tensor:
            if not tensor.dim() or tensor.shape[0] != here.rows:
                return tensor
            alone = tensor[row : row + 1]
            return alone[:, :length] if id(tensor) in taken and tensor.dim() > 1 and tensor.shape[1] == whole else alone

        return map_tensors(cut, here.batch)

    def _compare(
        self, here: Stage, mask: Tensor, rows: list[int], after: dict[str, Tensor], what: str
    ) -> Iterator[Observation]:
        for name, tensor in here.outputs:
            before, now = tensor[rows], after.get(name)
            if now is None:
                continue
            if before.dim() > 1 and before.shape[1] == mask.shape[1]:
                valid = mask[rows]
                before = before[valid]
                now = now[valid[:, : now.shape[1]]] if now.dim() > 1 else now
            if before.shape == now.shape and not close(before, now):
                yield self.observe(
                    f"the output for a padded sample differs from its output {what}",
                    "hand the mask to attention and pooling, pack sequences for recurrent layers",
                    name="padding-leak",
                    evidence={
                        "output": name or "the output",
                        "sample": rows[0],
                        "relative change": distance(before, now),
                    },
                )
                return


def _where(here: Stage, one: object, other: object, same: Callable[[Tensor, Tensor], bool]) -> Event | None:
    return first_difference((here.model, lambda: here.forward(one)), (here.model, lambda: here.forward(other)), same)


def _later_replaced(batch: object, taken: set[int], position: int) -> object:
    generator = torch.Generator().manual_seed(13)

    def change(tensor: Tensor) -> Tensor:
        if id(tensor) not in taken:
            return tensor
        changed = tensor.clone()
        later = changed[:, position + 1 :]
        order = torch.randperm(tensor.numel(), generator=generator)[: later.numel()].to(tensor.device)
        drawn = tensor.reshape(-1)[order].reshape(later.shape)
        changed[:, position + 1 :] = drawn
        return changed

    return map_tensors(change, batch)


def padding_mask(here: Stage) -> tuple[Tensor, int]:
    """(True where a position is valid, identity of the entry that says so).

    Raises:
        NotRun: when the batch has no such entry, nothing is padded, or what the entry means is not clear.
    """
    named = {name.strip("[].'\""): tensor for name, tensor in named_tensors(here.batch)}
    wanted = (here.subject.options.padding,) if here.subject.options.padding else MASKS
    found = next((named[name] for name in wanted if name in named), None)
    if found is None:
        raise NotRun("the batch has no entry that marks valid positions")
    if found.dim() == 1 and not found.is_floating_point() and found.dtype != torch.bool:
        sequences = [tensor for tensor in named.values() if tensor.dim() > 1 and tensor.shape[1] == int(found.max())]
        if not sequences:
            raise NotRun("no sequence is as long as the largest length")
        mask = torch.arange(sequences[0].shape[1], device=found.device) < found[:, None]
    elif found.dim() == 2 and set(found.unique().tolist()) <= {0, 1}:
        mask = found.bool()
    else:
        raise NotRun("the entry that marks valid positions is neither lengths nor a mask of zeros and ones")
    if bool(mask.all()):
        raise NotRun("no position of the batch is padded")
    sequences = [tensor for tensor in named.values() if tensor is not found and tensor.shape[:2] == mask.shape]
    if not any(is_filled(tensor, mask) for tensor in sequences) and any(is_filled(t, ~mask) for t in sequences):
        mask = ~mask  # True marks padding, as torch's key_padding_mask has it
    if bool((mask.sum(1) == 0).any()):
        raise NotRun("a sample is padded throughout")
    return mask, id(found)


def is_filled(tensor: Tensor, mask: Tensor) -> bool:
    """Whether a sequence holds one value at all padded positions, and not only this one at the others."""
    if tensor.shape[:2] != mask.shape or tensor.dtype == torch.bool or bool(mask.all()):
        return False
    padded, valid = tensor[~mask], tensor[mask]
    value = padded.reshape(-1)[0]
    return bool((padded == value).all()) and not bool((valid == value).all())


def _padding_replaced(batch: object, filled: list[int], mask: Tensor) -> object:
    generator = torch.Generator().manual_seed(17)

    def change(tensor: Tensor) -> Tensor:
        if id(tensor) not in filled:
            return tensor
        changed, valid = tensor.clone(), tensor[mask]
        count = int((~mask).sum())
        changed[~mask] = valid[torch.randint(0, len(valid), (count,), generator=generator).to(tensor.device)]
        return changed

    return map_tensors(change, batch)
