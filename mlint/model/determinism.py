"""Whether a program asks for results that repeat themselves: seeds that it sets, and the switch for kernels that do."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.draws import SEEDING, TENSORFLOW, TORCH
from mlint.model.tree import walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_SWITCHES = {
    "torch.use_deterministic_algorithms": TORCH,
    "torch.set_deterministic": TORCH,
    "torch.set_deterministic_debug_mode": TORCH,
    "tensorflow.config.experimental.enable_op_determinism": TENSORFLOW,
    "transformers.enable_full_determinism": TORCH,
    "transformers.trainer_utils.enable_full_determinism": TORCH,
    "ignite.utils.manual_seed": TORCH,
    "monai.utils.set_determinism": TORCH,
}
"""Function → the library whose kernels it makes repeat themselves."""
_FLAGS = frozenset({"torch.backends.cudnn.deterministic"})
_WORDS = ("deterministic", "determinism", "DETERMINISTIC")


class Determinism:
    """The requests for determinism of one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model

    def switch(self, library: str) -> ast.AST | None:
        """What asks for deterministic kernels in this file; None if nothing certainly does."""
        if not any(word in self.model.source.text for word in _WORDS):
            return None
        for call in self.model.tree.calls:
            if _SWITCHES.get(self.model.names.dotted(call.func) or "") == library and not _off(call):
                return call
        for node in walk(self.model.module) if library == TORCH else ():
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is True:
                if any(self.model.names.dotted(target) in _FLAGS for target in node.targets):
                    return node
        return None

    def may_be_asked(self) -> bool:
        """Whether anything that the file says or runs may ask for deterministic kernels."""
        if any(word in self.model.source.text for word in _WORDS):
            return True
        for call in self.model.tree.calls:
            callee = self.model.effects.callee(call)
            if callee is not None and callee[0] is not self.model:
                self.model.depends_on(callee[0])
                if any(word in callee[0].source.text for word in _WORDS):
                    return True
        return False

    def seed(self, library: str) -> ast.Call | None:
        """The first call with a number that seeds a library's generator, in this file."""
        for call in self.model.tree.calls:
            seeds = SEEDING.get(self.model.names.dotted(call.func) or "", frozenset())
            if library in seeds and (call.args or call.keywords):
                return call
        return None

    def on_gpu(self) -> bool:
        """Whether the file puts PyTorch's work on a GPU."""
        for node in walk(self.model.module):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("cuda"):
                return True
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "cuda":
                return True
        return False


def _off(call: ast.Call) -> bool:
    first = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "mode"), None)
    return isinstance(first, ast.Constant) and first.value in (False, 0, "default")
