"""Whether two arrays may share memory: which ones are newly made for their name, and what the others are made from."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.tree import walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.model.names import Binding

_VIEWS = frozenset(
    "asarray asanyarray ascontiguousarray asfortranarray ravel reshape transpose swapaxes moveaxis rollaxis squeeze "
    "expand_dims atleast_1d atleast_2d atleast_3d broadcast_to flip fliplr flipud rot90 diag diagonal split "
    "array_split hsplit vsplit dsplit frombuffer real imag view require asarray_chkfinite trim_zeros einsum "
    "matrix_transpose permute_dims broadcast_arrays real_if_close as_strided sliding_window_view "
    "ndarray memmap load unstack".split()
)
_SHARING = frozenset({"out", "copy", "where", None})
"""Keywords of functions whose result may share memory with an argument."""
_FRESH_METHODS = frozenset("copy astype clip conj round cumsum cumprod repeat take flatten dot argsort".split())


class Memory:
    """The memory of the arrays of one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model

    def fresh(self, array: ast.expr) -> bool:
        """Whether an array was newly made for its name, so that no other array shares its memory."""
        if isinstance(array, (ast.BinOp, ast.UnaryOp, ast.Compare)):
            return True
        if isinstance(array, ast.Call):
            if any(keyword.arg in _SHARING for keyword in array.keywords):
                return False
            dotted = self.model.names.dotted(array.func)
            if dotted is not None:
                return dotted.startswith(("numpy.", "scipy.")) and dotted.rpartition(".")[2] not in _VIEWS
            return isinstance(array.func, ast.Attribute) and array.func.attr in _FRESH_METHODS
        if isinstance(array, ast.Name):
            bindings = self.model.reaching.of(array)
            return bool(bindings) and all(
                binding.how == "assign" and not binding.path and binding.value is not None
                and not isinstance(binding.value, ast.Name) and not _shared(binding) and self.fresh(binding.value)
                for binding in bindings or ()
            )  # fmt: skip
        return False

    def related(self, first: ast.expr, second: ast.expr) -> bool:
        """Whether one of two arrays is made from the other without a copy."""
        for one, other in ((first, second), (second, first)):
            if isinstance(other, ast.Name) and other.id in self._sources(one):
                return True
        return False

    def _sources(self, array: ast.expr) -> set[str]:
        """The names whose memory an array may share: those that it was made from without a copy, and so on."""
        found: set[str] = set()
        pending = [node for node in walk(array) if isinstance(node, ast.Name)]
        while pending:
            name = pending.pop()
            for binding in self.model.reaching.of(name) or ():
                found.update(_shared(binding))
                copied = not binding.path and not isinstance(binding.value, ast.Name)
                if binding.value is None or (copied and self.fresh(binding.value)):
                    continue
                new = [n for n in walk(binding.value) if isinstance(n, ast.Name) and n.id not in found]
                found.update(inner.id for inner in new)
                pending += new
        return found


def _shared(binding: Binding) -> set[str]:
    """The other names of ``a = b = np.zeros(n)``."""
    node = binding.node
    if not isinstance(node, ast.Assign) or len(node.targets) == 1:
        return set()
    names = {inner.id for target in node.targets for inner in walk(target) if isinstance(inner, ast.Name)}
    return names - {binding.name}
