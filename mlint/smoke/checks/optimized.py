"""MS103: the optimizer's parameters and the model's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from torch import Tensor, nn

from mlint.smoke.checks.base import Check, NotRun, Observation
from mlint.smoke.structure import tensors
from mlint.smoke.subject import Pass, Subject
from mlint.smoke.trace.graph import leaves, nodes
from mlint.smoke.training import each


class ParameterNotOptimized(Check):
    """What the optimizer holds is not what the loss trains.

    ## Why

    An optimizer keeps the tensors that it was given. A head that is replaced afterwards, a layer that is added later, a
    submodule that the list of parameters forgot, and layers in a Python list or dict, which `parameters()` does not
    list, get gradients in every step and are never updated. A parameter that stands twice in a group is updated twice
    in each step, and torch only warns.

    ## How

    By identity. Missing: a parameter that requires a gradient, is reached from the loss, is not declared frozen and is
    in no group. Foreign: a tensor in a group that is neither a parameter of the model nor reached from the loss, since
    a loss may have learned weights of its own. Duplicated: twice in one optimizer. Hidden, with the user's optimizer or
    without: a leaf that requires a gradient, is reached from the output in two passes of one model, so that a pass did
    not make it, and belongs to no module.

    ## References

    PyTorch documentation, torch.optim, "Constructing it", and torch.nn.Module.register_parameter, torch.nn.ModuleList.
    """

    code = "MS103"
    name = "parameter-not-optimized"
    tier = "exact"
    cost = 2.0
    rules = ()

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield hidden leaves, then what is missing, foreign and duplicated."""
        model = subject.rebuilt()
        optimizer = subject.optimizer(model) if subject.optimizer_declared else None
        done = subject.run(model, subject.batch)
        held = {id(parameter) for inner in each(optimizer) for parameter in _held(inner)} if optimizer else set()
        hidden = list(self._hidden(subject, done, held))
        yield from hidden
        if optimizer is None:
            if not hidden:
                raise NotRun("no optimizer is configured; parameters outside of modules were looked for")
            return
        yield from self._missing(subject, done, held)
        yield from self._foreign(subject, done, optimizer)
        yield from self._duplicated(model, optimizer)

    def _hidden(self, subject: Subject, done: Pass, held: set[int]) -> Iterator[Observation]:
        own = {id(parameter) for parameter in done.model.parameters()} | {id(value) for value in done.model.buffers()}
        given = {id(tensor) for tensor in tensors(done.batch)}
        candidates = [
            leaf
            for leaf in _output_leaves(done)
            if id(leaf) not in own and id(leaf) not in given and id(leaf) not in held
        ]
        if not candidates:
            return
        again = {id(leaf) for leaf in _output_leaves(subject.run(done.model, subject.batch))}
        seen: dict[str, list[str]] = {}
        for leaf in candidates:
            if id(leaf) in again:
                module, attribute, rest = _where(done.model, leaf)
                path = f"{module}.{attribute}" if module and attribute else attribute or "a place outside of the model"
                seen.setdefault(path, []).append(f"{path}{rest} {'x'.join(map(str, leaf.shape)) or 'scalar'}")
        for path, names in seen.items():
            yield self.observe(
                f"{path} holds {len(names)} tensor{'s' * (len(names) > 1)} that get a gradient and belong to no module:"
                " parameters() does not list them",
                "keep layers in nn.ModuleList or nn.ModuleDict, tensors in nn.Parameter or nn.ParameterList",
                name="parameter-hidden",
                module=path.rpartition(".")[0],
                parameter=path,
                evidence={"tensors": names},
            )

    def _missing(self, subject: Subject, done: Pass, held: set[int]) -> Iterator[Observation]:
        reached = leaves(done.loss)
        names = [
            name
            for name, value in done.parameters.items()
            if value.requires_grad
            and id(value) in reached
            and id(value) not in held
            and not subject.is_frozen(name)
            and not subject.is_exempt(self.code, name)
        ]
        if names:
            yield self.observe(
                f"{names[0]} gets a gradient and is not in the optimizer"
                + (f", nor are {len(names) - 1} more" if len(names) > 1 else ""),
                "build the optimizer last, from model.parameters(); freeze what is not to be trained",
                parameter=names[0],
                module=subject.module_of(names[0]),
                evidence={"parameters": names[:20], "of": len(done.parameters)},
            )

    def _foreign(self, subject: Subject, done: Pass, optimizer: object) -> Iterator[Observation]:
        own = {id(parameter) for parameter in done.model.parameters()}
        reached = leaves(done.loss)
        shapes = [
            "x".join(map(str, parameter.shape)) or "scalar"
            for inner in each(optimizer)
            for parameter in _held(inner)
            if id(parameter) not in own and id(parameter) not in reached
        ]
        if shapes:
            everything = len(shapes) == sum(1 for inner in each(optimizer) for _ in _held(inner))
            yield self.observe(
                f"the optimizer holds {len(shapes)} tensor{'s' * (len(shapes) > 1)} that the model does not have"
                + (" and none that it has" if everything else ""),
                "build the optimizer from the model that it is given, after the last change of a layer",
                name="parameter-foreign",
                evidence={"shapes": shapes[:20]},
            )

    def _duplicated(self, model: nn.Module, optimizer: object) -> Iterator[Observation]:
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        for inner in each(optimizer):
            counts = Counter(id(parameter) for parameter in _held(inner))
            twice = [names.get(key, "a tensor of shape unknown") for key, count in counts.items() if count > 1]
            if twice:
                yield self.observe(
                    f"{twice[0]} stands more than once in the optimizer"
                    + (f", as do {len(twice) - 1} more" if len(twice) > 1 else ""),
                    "tied parameters have several names: build the list from parameters(), which has each once",
                    name="parameter-duplicated",
                    parameter=twice[0],
                    module=twice[0].rpartition(".")[0],
                    evidence={"parameters": twice[:20]},
                )


def _held(optimizer: object) -> Iterator[Tensor]:
    for group in optimizer.param_groups:  # type: ignore[attr-defined]
        yield from group["params"]


def _output_leaves(done: Pass) -> list[Tensor]:
    found: dict[int, Tensor] = {}
    for node in nodes(*(tensor for tensor in tensors(done.output) if tensor.requires_grad)):
        variable = getattr(node, "variable", None)
        if isinstance(variable, Tensor):
            found[id(variable)] = variable
    return list(found.values())


def _where(model: nn.Module, leaf: Tensor) -> tuple[str, str, str]:
    """(module, attribute, the rest of the way) under which a module keeps a tensor that is not registered."""
    for path, module in model.named_modules():
        for attribute, value in vars(module).items():
            if attribute not in {"_parameters", "_buffers", "_modules"}:
                rest = _inside(value, leaf, 3)
                if rest is not None:
                    return path, attribute, rest
    return "", "", ""


def _inside(value: object, leaf: Tensor, depth: int) -> str | None:
    """The way to a tensor inside of a value: ``[0].weight``; None when it is not there."""
    if value is leaf:
        return ""
    if isinstance(value, nn.Module):
        return next((f".{name}" for name, parameter in value.named_parameters() if parameter is leaf), None)
    if depth and isinstance(value, list | tuple | dict):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            rest = _inside(inner, leaf, depth - 1)
            if rest is not None:
                return f"[{key!r}]{rest}"
    return None
