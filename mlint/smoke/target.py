"""The target as objects: what the references of the configuration lead to, called and checked."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mlint.smoke.configuration import TargetConfiguration
from mlint.smoke.failures import TargetError

_SHAPE = re.compile(r"(\w+)\[([0-9, ]*)\](?: *< *([0-9]+))?")
SEED = 0


@dataclass
class Target:
    """A target that is ready to be built.

    Attributes:
        build: builds the model anew, on the CPU, as the user's code does it; the same seed gives the same model.
        batch: makes one batch, on the CPU; another at each call if the user's function does so.
        loss: ``(output, batch)`` to the loss, or None.
        optimizer: ``(model)`` to an optimizer, or None.
        step: ``(model, batch, optimizer)`` to the loss, or None.
        loader: ``(num_workers)`` to an iterable of batches, or None.
    """

    configuration: TargetConfiguration
    build: Callable[[], nn.Module]
    batch: Callable[[], object]
    loss: Callable[[Any, Any], Any] | None = None
    optimizer: Callable[[nn.Module], Any] | None = None
    step: Callable[[nn.Module, Any, Any], Any] | None = None
    loader: Callable[[int], Any] | None = None


def modules_of(configuration: TargetConfiguration) -> list[str]:
    """The modules that a target names, in the order in which they are imported."""
    named = (configuration.model, configuration.batch, configuration.loss, configuration.optimizer)
    references = [*named, configuration.step, configuration.loader]
    found = [text.partition(":")[0] for text in references if isinstance(text, str) and ":" in text]
    return list(dict.fromkeys(found))


def find(reference: str) -> Any:
    """What ``package.module:name`` leads to; the module is imported.

    Raises:
        TargetError: there is no such module, or nothing of that name in it.
    """
    module_name, _, path = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module_name != missing and not module_name.startswith(f"{missing}."):
            raise
        raise TargetError(
            f"there is no module {module_name}", "modules are found from the project's folder and its `source-roots`"
        ) from None
    value: Any = module
    for name in path.split("."):
        try:
            value = getattr(value, name)
        except AttributeError:
            raise TargetError(f"{module_name} has no {path}{_like(name, value)}") from None
    return value


def _like(name: str, value: object) -> str:
    import difflib

    found = difflib.get_close_matches(name, [each for each in dir(value) if not each.startswith("_")], n=1)
    return f"; did you mean {found[0]}?" if found else ""


def function(reference: str | None, what: str) -> Callable[..., Any] | None:
    """The function that a reference leads to, None without one.

    Raises:
        TargetError: it is something that cannot be called.
    """
    if reference is None:
        return None
    found = find(reference)
    if not callable(found):
        raise TargetError(f"{what} {reference} is {_a(found)}, which cannot be called")
    if isinstance(found, type) and issubclass(found, nn.Module):
        return found()  # type: ignore[no-any-return]  # `nn.CrossEntropyLoss` is meant as an instance
    result: Callable[..., Any] = found
    return result


def factory(reference: str) -> Callable[[], nn.Module]:
    """What builds the model that a reference leads to: a function, a class, or a module, which is copied.

    Raises:
        TargetError: it is none of these.
    """
    found = find(reference)
    if isinstance(found, nn.Module):
        return lambda: copy.deepcopy(found)
    if not callable(found):
        raise TargetError(f"{reference} is {_a(found)}, neither a torch module nor something that builds one")

    def build() -> nn.Module:
        made = found()
        if not isinstance(made, nn.Module):
            raise TargetError(f"{reference} returns {_a(made)}, not a torch.nn.Module")
        return made

    return build


def batches_of(given: object) -> Callable[[], object]:
    """What makes a batch: what a reference leads to, called if it can be, or tensors of the shapes.

    A loader or an iterator gives its first batch.

    Raises:
        TargetError: there is none.
    """
    if given is None:
        raise TargetError(
            "the target has no batch, and nothing can be run without one",
            'add `batch = "package.module:function"`, or shapes as in `batch = ["float32[8,3,32,32]", "int64[8]<10"]`',
        )
    if not isinstance(given, str) or "[" in given:
        return lambda: from_shapes(given)
    found = find(given)

    def batch() -> object:
        made = first_of(found() if callable(found) and not isinstance(found, torch.Tensor) else found)
        if made is None:
            raise TargetError(f"{given} gives no batch: it returns None, or a loader without a batch")
        return made

    return batch


def first_of(made: object) -> object:
    """The first batch of a loader or an iterator, None where there is none; anything else is a batch itself."""
    if isinstance(made, (torch.utils.data.DataLoader, Iterator)):
        return next(iter(made), None)
    return made


def from_shapes(given: object) -> object:
    """Tensors of the given shapes: normal where they are floating, below the bound (or 0 and 1) where integers."""
    generator = torch.Generator("cpu").manual_seed(SEED)
    if isinstance(given, str):
        return tensor_of(given, generator)
    if isinstance(given, dict):
        return {key: tensor_of(shape, generator) for key, shape in given.items()}
    assert isinstance(given, (list, tuple))
    return tuple(tensor_of(shape, generator) for shape in given)


def tensor_of(text: str, generator: torch.Generator) -> torch.Tensor:
    """A tensor as in ``float32[8,3,32,32]`` or ``int64[8]<10``.

    Raises:
        TargetError: the text is neither.
    """
    match = _SHAPE.fullmatch(text.strip())
    dtype = getattr(torch, match.group(1), None) if match else None
    if match is None or not isinstance(dtype, torch.dtype):
        raise TargetError(f'"{text}" is no shape: write a dtype and sizes, as in "float32[8,3,32,32]" or "int64[8]<10"')
    shape = [int(part) for part in match.group(2).split(",") if part.strip()]
    if dtype.is_floating_point or dtype.is_complex:
        full = torch.randn(shape, generator=generator, dtype=torch.float32, device="cpu").to(dtype)
        return full * int(match.group(3)) if match.group(3) else full
    bound = int(match.group(3) or 2)
    if dtype is torch.bool:
        return torch.ones(shape, dtype=dtype, device="cpu")
    drawn = torch.randint(0, bound, shape, generator=generator, dtype=torch.int64, device="cpu")
    if bound - 1 > torch.iinfo(dtype).max:
        raise TargetError(f'"{text}": {dtype} ends at {torch.iinfo(dtype).max}')
    if math.prod(shape) > 1:
        drawn.view(-1)[0] = bound - 1  # the largest index occurs, or an embedding that is one row short is not seen
    return drawn.to(dtype)


def load(configuration: TargetConfiguration) -> Target:
    """Everything that a configuration names, found and, for the batch, called; the model is not built yet."""
    build = factory(configuration.model)
    return Target(
        configuration,
        build,
        batches_of(configuration.batch),
        function(configuration.loss, "loss"),
        function(configuration.optimizer, "optimizer"),
        function(configuration.step, "step"),
        function(configuration.loader, "loader"),
    )


def _a(value: object) -> str:
    """What a value is, with its article."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
