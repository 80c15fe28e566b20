"""Batches of one sample: which data they come from, and how the batch of all samples is written."""

from __future__ import annotations

import ast
from typing import NamedTuple

from mlint.model.kinds import DATAFRAME, JAX_ARRAY, NDARRAY, TENSOR, TF_TENSOR
from mlint.model.samples.loop import SampleLoop

_AS_ARRAY = frozenset(
    "numpy.array numpy.asarray numpy.stack numpy.vstack numpy.atleast_2d torch.stack torch.tensor torch.as_tensor "
    "torch.from_numpy torch.FloatTensor tensorflow.stack tensorflow.constant tensorflow.convert_to_tensor "
    "jax.numpy.array jax.numpy.asarray jax.numpy.stack pandas.DataFrame pandas.Series cupy.array cupy.asarray "
    "xgboost.DMatrix xgboost.core.DMatrix tensorflow.cast torch.autograd.Variable".split()
)
"""Makers of an array, or of what holds one, whose first argument is the data of all samples."""
_EXPANDING = frozenset(
    "numpy.expand_dims torch.unsqueeze tensorflow.expand_dims jax.numpy.expand_dims keras.ops.expand_dims".split()
)
_KEEPING = frozenset("to cuda cpu float double half long contiguous detach astype numpy copy clone".split())
"""Methods that make of a batch a batch of the same samples."""
_OF_ROW = frozenset("values to_numpy".split())
_NEW_AXES = frozenset({"numpy.newaxis", "jax.numpy.newaxis", "tensorflow.newaxis"})
_ARRAYS = (NDARRAY, TENSOR, JAX_ARRAY, TF_TENSOR)


class Batch(NamedTuple):
    """A batch of one sample.

    Attributes:
        data: what the samples are taken from.
        text: the batch of all samples; None where there is no plain way to write it.
    """

    data: ast.expr
    text: str | None


class Batches:
    """The batches of one sample in the rounds of a loop."""

    def __init__(self, loop: SampleLoop) -> None:
        self.loop = loop
        self.model = loop.model

    def batch(self, node: ast.expr, depth: int = 0) -> Batch | None:
        """The batch of one sample that an expression is; None if it is none."""
        if depth > 6:
            return None
        if isinstance(node, ast.Name):
            value = self.loop.assigned(node)
            return None if value is None else self.batch(value, depth + 1)
        if isinstance(node, (ast.List, ast.Tuple)) and len(node.elts) == 1:
            return self._listed(node.elts[0])
        if isinstance(node, ast.Subscript):
            return self._subscripted(node)
        if isinstance(node, ast.Call) and not any(isinstance(a, ast.Starred) for a in node.args):
            return self._called(node, depth)
        return None

    def sample(self, node: ast.expr, depth: int = 0) -> Batch | None:
        """What an expression that is one sample is taken from, with the text of all of them."""
        if depth > 6:
            return None
        if isinstance(node, ast.Name):
            if node.id in self.loop.elements and self.loop.is_own(node):
                return Batch(self.loop.elements[node.id], self.loop.text(self.loop.elements[node.id]))
            value = self.loop.assigned(node)
            return None if value is None else self.sample(value, depth + 1)
        if isinstance(node, ast.Attribute) and node.attr == "values":
            return self._values(node.value, depth)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "to_numpy":
            return self._values(node.func.value, depth) if not node.args and not node.keywords else None
        if isinstance(node, ast.Subscript):
            return self._indexed(node, depth)
        return None

    def _values(self, node: ast.expr, depth: int) -> Batch | None:
        found = self.sample(node, depth + 1)
        if found is None:
            return None
        return Batch(found.data, None if found.text is None else f"{found.text}.to_numpy()")

    def _indexed(self, node: ast.Subscript, depth: int) -> Batch | None:
        data = node.value
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        fixed = not any(self.loop.varies(part) for part in (data, *parts[1:]))
        if fixed and self._is_index(parts[0]):
            if isinstance(data, ast.Attribute) and data.attr in ("iloc", "loc"):
                data = data.value
                if len(parts) > 1:
                    return None
            elif self.model.kinds.is_a(data, DATAFRAME):
                return None  # a column
            text = self.loop.text(data)
            rest = ", ".join(self.model.source.segment(part) for part in parts[1:])
            if text is not None and rest not in ("", ":", "..."):
                text = f"{text}[:, {rest}]"
            return Batch(data, text)
        found = self.sample(node.value, depth + 1)
        if found is None or self.loop.varies(node.slice):
            return None
        inside = self.model.source.segment(node.slice)
        if found.text is None:
            return found
        if isinstance(node.value, ast.Name) and node.value.id in self.loop.rows:
            return Batch(found.data, f"{found.text}[{inside}]")
        arrays = self.model.kinds.is_a(found.data, *_ARRAYS)
        return Batch(found.data, f"{found.text}[:, {inside}]" if arrays and inside != "..." else None)

    def _subscripted(self, node: ast.Subscript) -> Batch | None:
        """``X[i:i + 1]``, ``X[[i]]``, ``x[None]``."""
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        rest = parts[1:]
        data = node.value
        if self._is_one(parts[0]) and not self.loop.varies(data) and not any(self.loop.varies(part) for part in rest):
            frame = isinstance(data, ast.Attribute) and data.attr in ("iloc", "loc")
            if isinstance(data, ast.Attribute) and frame:
                data = data.value
            elif self.model.kinds.is_a(data, DATAFRAME) and not isinstance(parts[0], ast.Slice):
                return None  # columns
            plain = all(_is_everything(part) for part in rest)
            return Batch(data, self.loop.text(data) if plain else None)
        if self._is_new_axis(parts[0]) and all(_is_everything(part) for part in rest):
            return self.sample(node.value)
        return None

    def _listed(self, node: ast.expr) -> Batch | None:
        """``[x]``, or ``[[x["a"], x["b"]]]`` made of the parts of a sample."""
        found = self.sample(node)
        if found is not None:
            return found
        if not isinstance(node, (ast.List, ast.Tuple)) or not node.elts:
            return None
        parts = [(element, self._part(element)) for element in node.elts]
        data = next((part for _, part in parts if part is not None), None)
        if data is None or any(part is None and self.loop.varies(element) for element, part in parts):
            return None
        return Batch(data, self._columns(node))

    def _part(self, node: ast.expr) -> ast.expr | None:
        """The data of which an expression is one number of a sample: ``row["a"]``, ``row.a``, ``x[2]``, ``A[i]``."""
        found = self.sample(node)
        if found is not None:
            return found.data
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in self.loop.rows:
            return self.loop.elements[node.value.id]
        return None

    def _columns(self, node: ast.List | ast.Tuple) -> str | None:
        """``[row["a"], row["b"]]`` of a frame's row is ``df[["a", "b"]]``."""
        frames: set[str] = set()
        columns: list[str] = []
        for element in node.elts:
            row = element.value if isinstance(element, (ast.Subscript, ast.Attribute)) else None
            if not isinstance(row, ast.Name) or row.id not in self.loop.rows:
                return None
            frames.add(row.id)
            if isinstance(element, ast.Attribute):
                columns.append(repr(element.attr).replace("'", '"'))
            elif isinstance(element, ast.Subscript) and isinstance(element.slice, ast.Constant):
                columns.append(self.model.source.segment(element.slice))
            else:
                return None
        frame = self.loop.text(self.loop.elements[frames.pop()]) if len(frames) == 1 else None
        return None if frame is None else f"{frame}[[{', '.join(columns)}]].to_numpy()"

    def _called(self, node: ast.Call, depth: int) -> Batch | None:
        dotted = self.model.names.dotted(node.func)
        others = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
        if any(self.loop.varies(other) for other in others):
            return None
        if dotted is not None:
            if not node.args:
                return None
            first = node.args[0]
            if dotted in _EXPANDING:
                return self.sample(first) if self._is_axis_zero(others) else None
            if dotted in ("numpy.reshape", "torch.reshape", "tensorflow.reshape") and len(node.args) == 2:
                return self._reshaped(first, _shape(node.args[1:]))
            if dotted in _AS_ARRAY:
                if dotted == "numpy.atleast_2d" and not isinstance(first, (ast.List, ast.Tuple)):
                    return self.sample(first)
                return self._wrapped(node, self.batch(first, depth + 1))
            return None
        if not isinstance(node.func, ast.Attribute):
            return None
        name, receiver = node.func.attr, node.func.value
        if name == "unsqueeze" and self._is_axis_zero(others := [*node.args, *(k.value for k in node.keywords)]):
            return self.sample(receiver) if len(others) == 1 else None
        if name in ("reshape", "view") and not node.keywords:
            return self._reshaped(receiver, _shape(node.args))
        if name in _KEEPING and not any(self.loop.varies(argument) for argument in node.args):
            found = self.batch(receiver, depth + 1)
            if found is None or found.text is None:
                return found
            return Batch(found.data, f"{found.text}{self._behind(node, receiver)}")
        return None

    def _wrapped(self, node: ast.Call, found: Batch | None) -> Batch | None:
        """The same call around all samples."""
        if found is None or found.text is None:
            return found
        if isinstance(node.args[0], (ast.List, ast.Tuple)) and self.model.kinds.is_a(found.data, *_ARRAYS):
            return found  # an array that holds its samples already
        text = self.model.source.segment(node)
        start = self.model.source.span(node)[0]
        begin, end = (place - start for place in self.model.source.span(node.args[0]))
        return Batch(found.data, f"{text[:begin]}{found.text}{text[end:]}")

    def _behind(self, node: ast.AST, receiver: ast.expr) -> str:
        """The text of what stands behind a receiver: ``.to(device)``."""
        end = self.model.source.span(receiver)[1]
        text = self.model.source.text[end : self.model.source.span(node)[1]]
        return text if text.startswith(".") else ""

    def _reshaped(self, node: ast.expr, shape: list[ast.expr]) -> Batch | None:
        """``x.reshape(1, -1)`` of a sample is ``X.reshape(len(X), -1)``; of a matrix with these rows, ``X``."""
        if not shape or not isinstance(shape[0], ast.Constant) or shape[0].value != 1 or len(shape) < 2:
            return None
        found = self.sample(node)
        if found is None or found.text is None:
            return found
        kind = self.model.kinds.of(found.data)
        rest = [self.model.source.segment(part) for part in shape[1:]]
        if rest == ["-1"] and (kind.ndim == 2 or found.text.endswith("to_numpy()") or kind.is_a(DATAFRAME)):
            return found
        if not kind.is_a(*_ARRAYS):
            return Batch(found.data, None)
        word = "view" if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "view" else "reshape"
        return Batch(found.data, f"{found.text}.{word}(len({found.text}), {', '.join(rest)})")

    def _is_index(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id == self.loop.index and self.loop.is_own(node)

    def _is_one(self, node: ast.expr) -> bool:
        """``i:i + 1`` or ``[i]``."""
        if isinstance(node, ast.List):
            return len(node.elts) == 1 and self._is_index(node.elts[0])
        if not isinstance(node, ast.Slice) or node.lower is None or node.step is not None:
            return False
        upper = node.upper
        if not self._is_index(node.lower) or not isinstance(upper, ast.BinOp) or not isinstance(upper.op, ast.Add):
            return False
        sides = (upper.left, upper.right)
        return any(self._is_index(side) for side in sides) and any(
            isinstance(side, ast.Constant) and side.value == 1 for side in sides
        )

    def _is_new_axis(self, node: ast.expr) -> bool:
        return (isinstance(node, ast.Constant) and node.value is None) or self.model.names.dotted(node) in _NEW_AXES

    def _is_axis_zero(self, others: list[ast.expr]) -> bool:
        return len(others) == 1 and isinstance(others[0], ast.Constant) and others[0].value == 0


def _shape(arguments: list[ast.expr]) -> list[ast.expr]:
    """The sizes that a reshape is given, one by one or as a tuple."""
    if len(arguments) == 1 and isinstance(arguments[0], (ast.Tuple, ast.List)):
        return list(arguments[0].elts)
    return arguments


def _is_everything(node: ast.expr) -> bool:
    if isinstance(node, ast.Slice):
        return node.lower is None and node.upper is None and node.step is None
    return isinstance(node, ast.Constant) and node.value is ...
