"""MS108: custom autograd functions and operators against their numerical derivatives."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.seeds import seeded
from mlint.smoke.structure import map_tensors, tensors
from mlint.smoke.subject import SEED, Subject
from mlint.smoke.trace.graph import nodes
from mlint.smoke.trace.place import INSTALLED, user_place


class CustomGradientWrong(Check):
    """The backward of a custom `autograd.Function` is not the derivative of its forward.

    ## Why

    autograd takes a hand-written backward at its word. A wrong sign, a forgotten factor, a missing sum over a
    broadcast axis or a saved tensor that was changed since gives a gradient that points elsewhere; training goes on,
    slower or to another place.

    ## How

    The functions of the project are those behind the nodes of the shared graph. One pass records what each is called
    with, and their backward is compared with central differences in float64 along one random direction for each input:
    v^T J u, as in the fast mode of torch's gradcheck, whose relative tolerance of 1e-3 is taken; gradcheck itself
    recomputes the whole Jacobian when it fails. A function that fails must fail again with a step of 1e-3 and a
    relative tolerance of 1e-2, since it may compute in float32 inside. Two kinds are meant to differ and are left
    alone: functions whose forward is the identity (gradient reversal, scaling and clipping exist for their backward
    only), and functions that are piecewise constant (straight-through estimators and surrogate gradients: the
    difference quotient is exactly 0). Operators of `torch.library` go through opcheck's tests of schema and autograd
    registration. Functions of installed packages are not looked at.

    ## References

    PyTorch documentation, "Gradcheck mechanics". Griewank and Walther, Evaluating derivatives, SIAM 2008, chapter 2.
    """

    code = "MS108"
    name = "custom-gradient-wrong"
    tier = "exact"
    cost = 3.0

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield one observation for each function or operator."""
        functions = list(self._functions(subject))
        operators = _operators()
        if not functions and not operators:
            raise NotRun("the project has no autograd function and no operator of its own in this graph")
        for function, call, place in functions:
            name = f"{function.__module__}.{function.__qualname__}"
            if subject.is_exempt(self.code, name, function.__qualname__, function.__name__):
                continue
            with seeded(SEED):
                problem = _problem(function, call)
            if problem:
                yield self.observe(
                    f"{function.__qualname__}.backward is not the derivative of its forward",
                    "derive it again; if it is meant to differ, exempt it and say why",
                    operation=function.__qualname__,
                    place=place or _definition(function),
                    evidence={
                        "along a random direction": problem,
                        "shapes": [list(tensor.shape) for tensor in tensors(call)],
                    },
                )
        yield from self._through_opcheck(subject, operators)

    def _functions(self, subject: Subject) -> Iterator[tuple[type[Function], tuple[Any, ...], Any]]:
        """(function, the arguments of its first call, the line of the call) of the project's functions."""
        wanted: dict[type[Function], None] = {}
        for node in nodes(subject.first.loss):
            function = getattr(type(node), "_forward_cls", None)
            if isinstance(function, type) and _is_of_project(function):
                wanted[function] = None
        if not wanted:
            return
        calls: dict[type[Function], tuple[tuple[Any, ...], Any]] = {}
        with contextlib.ExitStack() as stack:
            for function in wanted:
                stack.enter_context(_recorded(function, calls))
            with contextlib.suppress(Exception):
                subject.run(subject.rebuilt(), subject.batch)
        for function, (call, place) in calls.items():
            yield function, call, place

    def _through_opcheck(self, subject: Subject, operators: list[Any]) -> Iterator[Observation]:
        if not operators or not hasattr(torch.library, "opcheck"):
            return
        from mlint.smoke.trace.recorder import Event, recorded_operations

        names = {operator._qualname: operator for operator in operators}
        calls: dict[str, tuple[Any, Any, Any]] = {}

        def seen(event: Event, function: Any, arguments: Any, result: Any) -> None:
            name = f"{getattr(function, 'namespace', '')}::{event.operation}"
            if name in names and name not in calls:
                calls[name] = function, map_tensors(_as_leaf, arguments), event.place

        model = subject.fresh()
        with recorded_operations(model, seen), contextlib.suppress(Exception):
            subject.run(model, subject.batch)
        for name, (function, arguments, place) in calls.items():
            if subject.is_exempt(self.code, name):
                continue
            try:
                torch.library.opcheck(function, arguments, test_utils=("test_schema", "test_autograd_registration"))
            except Exception as error:
                yield self.observe(
                    f"the operator {name} does not do what its schema or its autograd registration says",
                    "declare what it mutates, return no alias of an input, give it a backward with register_autograd",
                    name="custom-operator-wrong",
                    operation=name,
                    place=place,
                    evidence={"opcheck": str(error).strip().splitlines()[:6]},
                )


def _is_of_project(function: type) -> bool:
    if function.__module__.split(".")[0] == "torch":
        return False
    try:
        file = inspect.getfile(function)
    except (TypeError, OSError):  # made in a notebook or by exec
        return True
    return "site-packages" not in file and not file.startswith(INSTALLED)


def _definition(function: type) -> tuple[str, int] | None:
    try:
        return inspect.getfile(function), inspect.getsourcelines(function)[1]
    except (TypeError, OSError):
        return None


@contextlib.contextmanager
def _recorded(function: type[Function], calls: dict[type[Function], tuple[tuple[Any, ...], Any]]) -> Iterator[None]:
    """Within the block, the first call of a function is kept with copies of its tensors."""
    # `square = Square.apply` is a usual line and keeps that `apply`; `forward` is looked up when it runs.
    original = function.forward
    own = vars(function).get("forward")
    with_context = function.setup_context is Function.setup_context

    def forward(*arguments: Any) -> Any:
        if function not in calls:
            given = arguments[1:] if with_context else arguments
            calls[function] = _mapped(_as_leaf, given), user_place()
        return original(*arguments)

    function.forward = staticmethod(forward)
    try:
        yield
    finally:
        if own is not None:
            function.forward = own
        else:
            del function.forward


def _mapped(function: Callable[[Tensor], Tensor], call: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(map_tensors(function, argument) for argument in call)


def _as_leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)


def _operators() -> list[Any]:
    """The operators that the project defined with torch.library.custom_op."""
    registered = getattr(getattr(torch, "_library", None), "custom_ops", None)
    found = []
    for operator in getattr(registered, "OPDEFS", {}).values():
        with contextlib.suppress(TypeError, OSError):
            file = inspect.getfile(operator._init_fn)
            if "site-packages" not in file and not file.startswith(INSTALLED):
                found.append(operator)
    return found


def _problem(function: type[Function], call: tuple[Any, ...]) -> str:
    """How the backward of a function disagrees with its forward; "" when it is right, meant to, or not to be judged."""

    def widened(tensor: Tensor) -> Tensor:
        wide = tensor.detach().double() if tensor.is_floating_point() else tensor.detach()
        return wide.requires_grad_(tensor.requires_grad and wide.is_floating_point())

    inputs = _mapped(widened, call)
    varied = [tensor for tensor in inputs if isinstance(tensor, Tensor) and tensor.requires_grad]

    def apply(*arguments: Any) -> Any:
        with seeded(SEED):
            return function.apply(*arguments)

    try:
        output = apply(*inputs)
    except Exception:
        return ""  # not in float64, or not on this device
    results = [tensor for tensor in tensors(output) if tensor.is_floating_point()]
    if not varied or not results or any(tensor.dtype != torch.float64 for tensor in results):
        return ""
    if _is_identity(inputs, results) or _is_constant(apply, inputs, results):
        return ""
    # The second time as for a function that computes in float32 inside.
    steps = ((1e-6, 1e-3, torch.float64), (1e-3, 1e-2, torch.float32))
    problems = [_mismatch(apply, inputs, results, *step) for step in steps]
    return problems[0] if all(problems) else ""


def _mismatch(
    apply: Callable[..., Any],
    inputs: tuple[Any, ...],
    results: list[Tensor],
    step: float,
    tolerance: float,
    dtype: torch.dtype,
) -> str:
    """How backward and the central difference disagree along random directions; "" where they agree.

    What is compared for each input is v^T J u, for a random u over the input and a random v over the outputs. Rounding
    of outputs in a precision moves the difference quotient by about eps |v| |f| / step.
    """
    generator = torch.Generator().manual_seed(SEED)

    def direction(tensor: Tensor) -> Tensor:
        return torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor.device)

    weights = [direction(result) for result in results]
    size = sum(float(weight.norm() * result.detach().norm()) for weight, result in zip(weights, results))
    noise = 4 * torch.finfo(dtype).eps * size / step
    varied = [tensor for tensor in inputs if isinstance(tensor, Tensor) and tensor.requires_grad]
    try:
        gradients = torch.autograd.grad(results, varied, weights, allow_unused=True, retain_graph=True)
        for at, (tensor, gradient) in enumerate(zip(varied, gradients)):
            along = direction(tensor)
            ends = []
            for sign in (1, -1):
                moved = tuple(value.detach() + sign * step * along if value is tensor else value for value in inputs)
                with torch.no_grad():
                    made = [value for value in tensors(apply(*moved)) if value.is_floating_point()]
                ends.append(sum(float((weight * value).sum()) for weight, value in zip(weights, made)))
            numerical = (ends[0] - ends[1]) / (2 * step)
            analytical = 0.0 if gradient is None else float((gradient * along).sum())
            if abs(numerical - analytical) > tolerance * max(abs(numerical), abs(analytical)) + noise:
                return f"input {at}: backward {analytical:.6g}, central difference {numerical:.6g}"
    except Exception:
        return ""  # not differentiable as it stands: the shared pass would have told
    return ""


def _is_identity(inputs: tuple[Any, ...], results: list[Tensor]) -> bool:
    """Whether every result is one of the inputs, element for element."""
    given = [tensor for tensor in inputs if isinstance(tensor, Tensor)]
    return all(
        any(result.shape == tensor.shape and torch.equal(result, tensor) for tensor in given) for result in results
    )


def _is_constant(apply: Callable[..., Any], inputs: tuple[Any, ...], results: list[Tensor]) -> bool:
    """Whether small changes of the inputs leave nearly all elements of every result as they are."""
    generator = torch.Generator().manual_seed(SEED)

    def moved(tensor: Tensor) -> Tensor:
        if not tensor.requires_grad:
            return tensor
        noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor.device)
        return (tensor.detach() + 1e-7 * noise).requires_grad_()

    with contextlib.suppress(Exception):
        again = apply(*_mapped(moved, inputs))
        others = [tensor for tensor in tensors(again) if tensor.is_floating_point()]
        return all(float((one == other).double().mean()) > 0.9 for one, other in zip(results, others))
    return False
