"""Records what runs: module path, operation, line of the user, for functions above autograd and operations below it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from mlint.smoke.structure import tensors
from mlint.smoke.trace.place import user_place


@dataclass(frozen=True)
class Event:
    """One operation that ran."""

    operation: str
    module: str
    place: tuple[str, int] | None
    number: int = -1
    """The sequence number of the newest autograd node that the outputs carry; -1 where they carry none."""


class Path:
    """Where in the module tree the model is: hooks keep a stack of the modules that are running."""

    def __init__(self, model: nn.Module) -> None:
        self._stack: list[str] = []
        self._handles: list[Any] = []
        self.model = model

    @property
    def current(self) -> str:
        """The path of the innermost module that is running; "" for the model and for what runs outside of it."""
        return self._stack[-1] if self._stack else ""

    def __enter__(self) -> Path:  # noqa: PYI034
        for name, module in self.model.named_modules():
            with contextlib.suppress(Exception):  # scripted modules take no hooks
                self._handles.append(module.register_forward_pre_hook(self._entering(name)))
                self._handles.append(module.register_forward_hook(self._leaving(name)))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._stack.clear()

    def _entering(self, name: str) -> Callable[[nn.Module, object], None]:
        def hook(module: nn.Module, arguments: object) -> None:
            self._stack.append(name)

        return hook

    def _leaving(self, name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, arguments: object, output: object) -> None:
            # What an exception left behind on top goes as well.
            while self._stack and self._stack.pop() != name:
                pass

        return hook


class FunctionRecorder(TorchFunctionMode):  # type: ignore[misc]
    """Records the functions that Python called, with the autograd nodes that each made."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.events: list[Event] = []

    def __torch_function__(
        self, function: Any, types: object, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call the function and record it, if what it returned has a history."""
        result = function(*args, **(kwargs or {}))
        newest = -1
        for tensor in (result,) if isinstance(result, Tensor) else _few(result):
            node = tensor.grad_fn
            if node is not None and hasattr(node, "_sequence_nr"):
                newest = max(newest, node._sequence_nr())
        if newest >= 0:
            name = getattr(function, "__name__", str(function))
            self.events.append(Event(name, self.path.current, user_place(), newest))
        return result


def _few(result: object) -> list[Tensor]:
    return tensors(result) if isinstance(result, tuple | list | dict) else []


class DispatchRecorder(TorchDispatchMode):  # type: ignore[misc]
    """Hands every operation below autograd, with its results, to a function, forward and backward alike.

    Args:
        path: where in the module tree the model is.
        seen: called with (event, operation, arguments, result) after each operation; what it returns is left alone.
    """

    def __init__(self, path: Path, seen: Callable[[Event, Any, Sequence[Any], Any], None]) -> None:
        super().__init__()
        self.path = path
        self.seen = seen

    def __torch_dispatch__(
        self, function: Any, types: object, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation and hand it on."""
        result = function(*args, **(kwargs or {}))
        packet = getattr(function, "overloadpacket", function)
        name = str(getattr(packet, "__name__", packet))
        event = Event(name, self.path.current, user_place())
        with torch.utils._python_dispatch._disable_current_modes():
            self.seen(event, function, args, result)
        return result


@contextlib.contextmanager
def recorded_operations(
    model: nn.Module, seen: Callable[[Event, Any, Sequence[Any], Any], None]
) -> Iterator[DispatchRecorder]:
    """Every operation of a block, with its place."""
    with Path(model) as path, DispatchRecorder(path, seen) as recorder:
        yield recorder


@contextlib.contextmanager
def recorded_functions(model: nn.Module) -> Iterator[list[Event]]:
    """The functions of a block that made autograd nodes, with their places, in order."""
    with Path(model) as path, FunctionRecorder(path) as recorder:
        yield recorder.events
