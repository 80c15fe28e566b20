"""Modules of PyTorch that compute something else in training than in inference: dropout, batch statistics."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.kinds import MODULE
from mlint.model.tree import FUNCTIONS, walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_BATCH = frozenset(
    f"torch.nn.{name}"
    for name in "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm LazyBatchNorm1d LazyBatchNorm2d".split()
)
_DROPOUT = frozenset(
    f"torch.nn.{name}" for name in "Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout".split()
)
# Constructors with a dropout of 0.1 unless told otherwise.
_TRANSFORMERS = frozenset(
    f"torch.nn.{name}" for name in "Transformer TransformerEncoderLayer TransformerDecoderLayer".split()
)
_FACTORIES = tuple(
    f"torchvision.models.{name}"
    for name in "resnet resnext wide_resnet densenet mobilenet_v efficientnet_ inception_v googlenet shufflenet "
    "mnasnet regnet_ vgg alexnet squeezenet".split()
)
_RECURRENT = frozenset({"torch.nn.RNN", "torch.nn.LSTM", "torch.nn.GRU"})
_CONTAINERS = frozenset({"torch.nn.Sequential", "torch.nn.ModuleList"})
_DEEPEST = 4
PARAMETER = "torch.nn.Parameter"


def acts_by_mode(model: FileModel, call: ast.Call, depth: int = 0) -> bool:
    """Whether a call certainly makes a module with a layer that acts by its mode, in training mode as all new ones."""
    dotted = model.names.dotted(call.func)
    if dotted in _BATCH:
        return not any(k.arg in (None, "track_running_stats") for k in call.keywords)
    if dotted in _DROPOUT:
        return _is_positive(model, call, "p", 0, default=True)
    if dotted in _TRANSFORMERS:
        return not any(keyword.arg in (None, "dropout") for keyword in call.keywords)
    if dotted in _RECURRENT:
        layers = next((k.value for k in call.keywords if k.arg == "num_layers"), None)
        layers = call.args[2] if layers is None and len(call.args) > 2 else layers
        stacked = isinstance(layers, ast.Constant) and isinstance(layers.value, int) and layers.value > 1
        return stacked and _is_positive(model, call, "dropout", 5, default=False)
    if dotted in _CONTAINERS:
        return any(isinstance(given, ast.Call) and acts_by_mode(model, given, depth + 1) for given in call.args)
    if dotted is not None and dotted.startswith(_FACTORIES):
        return True
    definition = model.kinds.local_class(call.func)
    return definition is not None and depth < _DEEPEST and _class_acts_by_mode(model, definition, depth)


def _class_acts_by_mode(model: FileModel, definition: ast.ClassDef, depth: int) -> bool:
    """Whether a class of this file is a plain module whose instances all hold such a layer."""
    if MODULE not in model.kinds.bases(definition) or definition.decorator_list or definition.keywords:
        return False
    found = False
    for place, owner in model.callees.lineage(definition):
        for base in owner.bases:
            if place.names.dotted(base) not in ("torch.nn.Module", "torch.nn.Sequential"):
                if place.kinds.local_class(base) is None:
                    return False
        for statement in owner.body:
            if not isinstance(statement, FUNCTIONS):
                continue
            if statement.name in ("train", "eval", "__call__", "__new__", "__getattr__"):
                return False
            for node in walk(statement):
                if isinstance(node, ast.Attribute) and node.attr in ("eval", "train"):
                    return False
                if isinstance(node, ast.Attribute) and node.attr == "training" and isinstance(node.ctx, ast.Store):
                    return False
            if place is model and owner is definition and not found:
                found = _function_acts(model, statement, depth)
    return found


def _function_acts(model: FileModel, function: ast.FunctionDef | ast.AsyncFunctionDef, depth: int) -> bool:
    for node in walk(function):
        if not isinstance(node, ast.Call) or next(model.flow.guards(node), None) is not None:
            continue
        if function.name == "__init__":
            statement = model.tree.statement(node)
            kept = isinstance(statement, ast.Assign) and any(isinstance(t, ast.Attribute) for t in statement.targets)
            if kept and acts_by_mode(model, node, depth + 1):
                return True
        elif function.name == "forward" and model.names.dotted(node.func) == "torch.nn.functional.dropout":
            training = next((k.value for k in node.keywords if k.arg == "training"), None)
            if isinstance(training, ast.Attribute) and training.attr == "training":
                if _is_positive(model, node, "p", 1, default=True):
                    return True
    return False


def _is_positive(model: FileModel, call: ast.Call, keyword: str, position: int, *, default: bool) -> bool:
    """Whether an argument is certainly above zero: a number, or a parameter whose default is one."""
    if any(k.arg is None for k in call.keywords) or any(isinstance(a, ast.Starred) for a in call.args):
        return False
    value = next((k.value for k in call.keywords if k.arg == keyword), None)
    if value is None:
        if len(call.args) <= position:
            return default
        value = call.args[position]
    if isinstance(value, ast.Name):
        found = model.names.lookup(value)
        if found is None or len(found[1]) != 1 or found[1][0].how not in ("parameter", "assign"):
            return False
        binding = found[1][0]
        if binding.value is None or binding.path:
            return False
        value = binding.value
    return isinstance(value, ast.Constant) and isinstance(value.value, (int, float)) and value.value > 0


_LEARNING = frozenset(
    f"torch.nn.{name}"
    for name in "Linear Bilinear LazyLinear Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d "
    "LazyConv1d LazyConv2d LazyConv3d Embedding EmbeddingBag RNN LSTM GRU RNNCell LSTMCell GRUCell MultiheadAttention "
    "Transformer TransformerEncoder TransformerDecoder TransformerEncoderLayer TransformerDecoderLayer PReLU".split()
)
_AFFINE = frozenset(
    f"torch.nn.{name}"
    for name in "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm LayerNorm GroupNorm RMSNorm".split()
)


def has_parameters(model: FileModel, call: ast.Call, depth: int = 0) -> bool:
    """Whether a call certainly makes a module with parameters to be learnt."""
    dotted = model.names.dotted(call.func)
    if dotted in _LEARNING:
        return True
    if dotted in _AFFINE:
        return not any(k.arg in (None, "affine", "elementwise_affine") for k in call.keywords)
    if dotted in _CONTAINERS:
        given = [part for part in call.args if isinstance(part, ast.Call)]
        for part in call.args:
            if isinstance(part, (ast.List, ast.Tuple)):
                given.extend(element for element in part.elts if isinstance(element, ast.Call))
            elif isinstance(part, ast.ListComp) and isinstance(part.elt, ast.Call):
                given.append(part.elt)
        return any(has_parameters(model, part, depth + 1) for part in given)
    definition = model.kinds.local_class(call.func)
    if definition is None or depth >= _DEEPEST or MODULE not in model.kinds.bases(definition):
        return False
    init = model.kinds.method(definition, "__init__")
    return isinstance(init, ast.FunctionDef) and any(
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and any(isinstance(target, ast.Attribute) for target in node.targets)
        and next(model.flow.guards(node), None) is None
        and (model.names.dotted(node.value.func) == PARAMETER or has_parameters(model, node.value, depth + 1))
        for node in walk(init)
    )
