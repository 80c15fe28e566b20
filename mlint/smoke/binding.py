"""How a batch becomes the arguments of `forward`, and an output the loss."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from mlint.smoke.structure import tensors

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def is_keras(model: object) -> bool:
    """Whether a module is a Keras 3 model or layer on the torch backend."""
    return any(base.__module__.split(".")[0] == "keras" for base in type(model).__mro__)


def _unwrapped(model: nn.Module) -> nn.Module:
    """The module whose signature counts: DDP, DataParallel and compiled modules pass `*args, **kwargs` on."""
    for name in ("_orig_mod", "module"):
        inner = model._modules.get(name)
        if inner is not None and type(model).__module__.startswith("torch."):
            return _unwrapped(inner)
    return model


def signature(model: nn.Module) -> list[inspect.Parameter]:
    """The parameters of `forward` (of `call` for Keras)."""
    inner = _unwrapped(model)
    function: Callable[..., object] = inner.call if is_keras(inner) else inner.forward
    return list(inspect.signature(function).parameters.values())


def arguments(model: nn.Module, batch: object) -> tuple[tuple[object, ...], dict[str, object]]:
    """What `forward` is called with.

    A mapping is bound by name, and everything is passed where `forward` takes ``**kwargs``. A tuple or list is bound by
    position as far as `forward` takes arguments: required ones, and optional ones whose default is None, since what has
    a flag or a number as default takes no tensor. A dataclass is passed whole when `forward` needs one argument and has
    none of its fields' names. Anything else is the only argument.
    """
    parameters = signature(model)
    keywords: dict[str, object] = {}
    if is_keras(_unwrapped(model)) and any(parameter.name == "training" for parameter in parameters):
        keywords["training"] = model.training
    names = {parameter.name for parameter in parameters if parameter.kind in NAMED}
    if isinstance(batch, Mapping):
        if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
            return (), {**batch, **keywords}
        named = {str(key): value for key, value in batch.items() if key in names}
        if named:
            return (), {**named, **keywords}
        return (batch,), keywords
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        named = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch) if field.name in names}
        return ((), {**named, **keywords}) if named else ((batch,), keywords)
    if isinstance(batch, tuple) and hasattr(batch, "batch_sizes"):
        return (batch,), keywords
    if isinstance(batch, list | tuple):
        if any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters):
            return tuple(batch), keywords
        taken = 0
        for parameter in parameters:
            if parameter.name in keywords:
                break
            if parameter.kind in POSITIONAL and parameter.default in (inspect.Parameter.empty, None):
                taken += 1
            else:
                break
        if taken < len(batch) and _is_ragged(batch):
            return (batch,), keywords
        return tuple(batch[:taken]), keywords
    return (batch,), keywords


def _is_ragged(batch: list[object] | tuple[object, ...]) -> bool:
    """Whether a batch is a list of samples of unequal lengths, and not the list of inputs and targets of a DataLoader.

    Samples have equally many dimensions and differ in the first; inputs and targets have the first in common.
    """
    samples = [item for item in batch if isinstance(item, Tensor) and item.dim()]
    if not isinstance(batch, list) or len(samples) < len(batch):
        return False
    return len({sample.dim() for sample in samples}) == 1 and len({len(sample) for sample in samples}) > 1


def total(loss: object) -> Tensor:
    """One scalar: several losses (a mapping, a sequence) are added, as their backward passes would.

    Raises:
        TypeError: when the loss holds no tensor that can be differentiated.
    """
    if isinstance(loss, Tensor):
        return loss if loss.dim() == 0 or loss.numel() != 1 else loss.reshape(())
    found = [tensor for tensor in tensors(loss) if tensor.is_floating_point()]
    attached = [tensor for tensor in found if tensor.requires_grad]
    if not found:
        raise TypeError(f"the loss is {type(loss).__name__} without a floating tensor in it")
    parts = [total(tensor) for tensor in attached or found]
    return parts[0] if len(parts) == 1 else torch.stack([part.double() for part in parts]).sum()


def own_loss(output: object) -> object:
    """The loss that an output brings: `output.loss`, or the entry `loss` of a mapping; None when there is none."""
    if isinstance(output, Mapping):
        return output.get("loss")
    if isinstance(output, Tensor):
        return None
    return getattr(output, "loss", None)


def projection(output: object) -> Tensor:
    """A fixed random projection of all floating tensors of an output, the loss where the user gave none.

    The weights are standard normal with a seed of their own, so that no symmetry of the output (a softmax sums to one,
    a LayerNorm to zero) makes it constant. Divided by the number of elements of a sample's share of the output, like a
    mean.

    Raises:
        TypeError: when the output holds no floating tensor.
    """
    parts = list(_projected(output))
    if not parts:
        raise TypeError("the output holds no floating tensor, and no loss function was given")
    return torch.stack(parts).sum()


def _projected(output: object) -> Iterator[Tensor]:
    for index, tensor in enumerate(tensors(output)):
        if (tensor.is_floating_point() or tensor.is_complex()) and tensor.numel():
            real = torch.view_as_real(tensor) if tensor.is_complex() else tensor
            real = real.float() if real.dtype in (torch.float16, torch.bfloat16) else real
            generator = torch.Generator().manual_seed(index)
            weight = torch.randn(real.shape, generator=generator, dtype=torch.float64).to(real)
            yield (real * weight).mean()
