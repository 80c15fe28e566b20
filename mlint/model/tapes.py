"""Gradient tapes of TensorFlow: what is asked of one, where, and in which order."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.tree import COMPREHENSIONS, FUNCTIONS, walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel

TAPE = "tensorflow.GradientTape"
ASKING = frozenset({"gradient", "jacobian", "batch_jacobian"})
_OTHER = frozenset({"watch", "reset", "stop_recording", "watched_variables"})
# What gives a new tensor that no tape watches.
_TENSORS = tuple(
    f"tensorflow.{name}" for name in "constant convert_to_tensor random. linspace ones zeros range fill eye".split()
)


class Tape:
    """A tape that a `with` binds to a name, and everything that is done with it.

    Attributes:
        call: the call that makes it.
        block: the `with`.
        name: the name.
        persistent: whether it is made with ``persistent=True``.
        asked: the calls that take gradients from it, in order.
        others: the other calls of its methods.
        deletion: the statement that deletes it, if there is one.
    """

    __slots__ = ("asked", "block", "call", "deletion", "name", "others", "persistent")

    def __init__(self, call: ast.Call, block: ast.With, name: str) -> None:
        self.call = call
        self.block = block
        self.name = name
        self.persistent = False
        self.asked: list[ast.Call] = []
        self.others: list[ast.Call] = []
        self.deletion: ast.stmt | None = None

    def inside(self, node: ast.AST) -> bool:
        """Whether a node stands in the block of the tape."""
        return any(part is node for statement in self.block.body for part in walk(statement))


def tape_of(model: FileModel, call: ast.Call) -> Tape | None:
    """The tape that a call makes; None where not all that is done with it can be seen."""
    item = model.tree.parent(call)
    block = None if not isinstance(item, ast.withitem) else model.tree.parent(item)
    if not isinstance(block, ast.With) or not isinstance(item, ast.withitem):
        return None
    if not isinstance(item.optional_vars, ast.Name):
        return None
    found = Tape(call, block, item.optional_vars.id)
    if len(call.args) + len(call.keywords) > 2 or any(keyword.arg is None for keyword in call.keywords):
        return None
    given = next((k.value for k in call.keywords if k.arg == "persistent"), call.args[0] if call.args else None)
    if given is not None:
        if not isinstance(given, ast.Constant):
            return None
        found.persistent = bool(given.value)
    scope = model.tree.scope(block)
    if isinstance(scope, ast.ClassDef):
        return None
    if any(binding.how in ("global", "nonlocal") for binding in model.names.bindings(scope).get(found.name, ())):
        return None
    for node in walk(scope):
        if not isinstance(node, ast.Name) or node.id != found.name or isinstance(node.ctx, ast.Store):
            continue
        if isinstance(node.ctx, ast.Del):
            if _after(node, block) and found.deletion is None and model.tree.scope(node) is scope:
                found.deletion = model.tree.statement(node)
            continue
        reaching = model.reaching.of(node)
        if reaching is None or not reaching:
            return None
        if all(binding.node is not block for binding in reaching):
            continue
        if len(reaching) > 1 or _crosses(model, node, scope) or not _note(model, node, found):
            return None
    return found


def _after(node: ast.AST, block: ast.With) -> bool:
    return node.lineno > (block.end_lineno or 0)  # type: ignore[attr-defined, no-any-return]


def _crosses(model: FileModel, node: ast.AST, scope: ast.AST) -> bool:
    """Whether a function stands between a read and the scope: it may run at any time."""
    for ancestor in model.tree.ancestors(node):
        if ancestor is scope:
            return False
        if isinstance(ancestor, (*FUNCTIONS, ast.Lambda, ast.ClassDef, *COMPREHENSIONS)):
            return True
    return True


def _note(model: FileModel, node: ast.Name, tape: Tape) -> bool:
    attribute = model.tree.parent(node)
    call = model.tree.parent(attribute) if isinstance(attribute, ast.Attribute) else None
    if not isinstance(attribute, ast.Attribute) or not isinstance(call, ast.Call) or call.func is not attribute:
        return False
    if attribute.attr in ASKING:
        tape.asked.append(call)
    elif attribute.attr in _OTHER:
        tape.others.append(call)
    else:
        return False
    return True


def arguments(call: ast.Call) -> tuple[ast.expr | None, ast.expr | None]:
    """What is differentiated, and by what."""
    found = [call.args[0] if call.args else None, call.args[1] if len(call.args) > 1 else None]
    for keyword in call.keywords:
        if keyword.arg in ("target", "sources", "source"):
            found[0 if keyword.arg == "target" else 1] = keyword.value
    return found[0], found[1]


def nested(model: FileModel, tape: Tape) -> bool:
    """Whether a tape stands in the block of another one, or another one in its block."""
    for node in (*model.tree.ancestors(tape.block), *(inner for part in tape.block.body for inner in walk(part))):
        if isinstance(node, (ast.With, ast.AsyncWith)) and any(
            isinstance(item.context_expr, ast.Call) and _is_recorder(model, item.context_expr) for item in node.items
        ):
            return True
    return len(tape.block.items) > 1


def _is_recorder(model: FileModel, call: ast.Call) -> bool:
    dotted = model.names.dotted(call.func)
    return dotted is None or "tape" in dotted.lower() or "accumulator" in dotted.lower()


def unwatched(model: FileModel, tape: Tape, source: ast.expr) -> bool:
    """Whether a gradient is asked by a plain tensor that was made before the tape and that no tape watches."""
    if not isinstance(source, ast.Name) or any(call.func.attr == "watch" for call in tape.others):  # type: ignore[attr-defined]
        return False
    reaching = model.reaching.of(source)
    if not reaching:
        return False
    for binding in reaching:
        value = binding.value
        if isinstance(value, ast.Tuple) and len(binding.path) == 1 and 0 <= binding.path[0] < len(value.elts):
            value = value.elts[binding.path[0]]  # `a, b = tf.constant(1.0), tf.constant(2.0)`
        elif binding.path:
            return False
        if binding.how != "assign" or not isinstance(value, ast.Call) or tape.inside(binding.node):
            return False
        if not (model.names.dotted(value.func) or "").startswith(_TENSORS):
            return False
        if binding.node.lineno > tape.block.lineno:  # type: ignore[attr-defined]
            return False
    return True
