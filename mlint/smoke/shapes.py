"""What shapes a model takes, as far as its first and last layers tell."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.model.file import FileModel
from mlint.model.tree import walk

BATCH = 8
LENGTH = 16
SIDE = 32
_IMAGES = {
    "torch.nn.Conv1d": f"{LENGTH * 4}",
    "torch.nn.Conv2d": f"{SIDE},{SIDE}",
    "torch.nn.Conv3d": "16,16,16",
}
_SEQUENCES = ("torch.nn.LSTM", "torch.nn.GRU", "torch.nn.RNN")


def batch_of(model: FileModel, owner: ast.ClassDef) -> str | None:
    """Shapes for a batch as TOML, from the first layer that `__init__` makes and, for the target, the last linear one.

    None where the sizes of the first layer are not written as numbers or as defaults of arguments.
    """
    init = next((node for node in owner.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"), None)
    if init is None:
        return None
    defaults = _defaults(init)
    layers = [(kind, call) for kind, call in _layers(model, init)]
    if not layers:
        return None
    kind, call = layers[0]
    size = _number(_argument(call, 0, _first_name(kind)), defaults)
    if size is None:
        return None
    shapes = [_input(kind, size)]
    linear = [call for kind, call in layers if kind == "torch.nn.Linear"]
    classes = _number(_argument(linear[-1], 1, "out_features"), defaults) if linear else None
    if classes is not None and classes > 1:
        rows = f"{BATCH},{LENGTH}" if kind == "torch.nn.Embedding" else f"{BATCH}"
        shapes.append(f"int64[{rows}]<{classes}")
    return "[" + ", ".join(f'"{shape}"' for shape in shapes) + "]"


def _layers(model: FileModel, init: ast.FunctionDef) -> Iterator[tuple[str, ast.Call]]:
    """The layers with a size of their input, in the order of the source."""
    wanted = ("torch.nn.Linear", "torch.nn.Embedding", *_IMAGES, *_SEQUENCES)
    calls = [node for node in walk(init) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        name = model.kinds.of(call).name
        if name in wanted:
            yield name, call


def _input(kind: str, size: int) -> str:
    if kind == "torch.nn.Embedding":
        return f"int64[{BATCH},{LENGTH}]<{size}"
    if kind in _SEQUENCES:
        return f"float32[{BATCH},{LENGTH},{size}]"
    if kind in _IMAGES:
        return f"float32[{BATCH},{size},{_IMAGES[kind]}]"
    return f"float32[{BATCH},{size}]"


def _first_name(kind: str) -> str:
    if kind == "torch.nn.Embedding":
        return "num_embeddings"
    if kind in _SEQUENCES:
        return "input_size"
    return "in_features" if kind == "torch.nn.Linear" else "in_channels"


def _argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    if len(call.args) > position:
        return call.args[position]
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _defaults(init: ast.FunctionDef) -> dict[str, ast.expr]:
    """Argument -> default."""
    positional = [*init.args.posonlyargs, *init.args.args]
    given = dict(zip([argument.arg for argument in positional][-len(init.args.defaults) :], init.args.defaults))
    pairs = zip(init.args.kwonlyargs, init.args.kw_defaults)
    return {**given, **{argument.arg: default for argument, default in pairs if default is not None}}


def _number(node: ast.expr | None, defaults: dict[str, ast.expr]) -> int | None:
    if isinstance(node, ast.Name):
        node = defaults.get(node.id)
    if isinstance(node, ast.Constant) and isinstance(node.value, int) and not isinstance(node.value, bool):
        return node.value if node.value > 0 else None
    return None
