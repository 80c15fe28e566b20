"""Models of PyTorch that are certainly in training mode: made in sight, and nobody who holds one calls `eval`.

A model is followed from an expression back to the calls that make it, through names, parameters whose callers are
known, functions that return it, and wrappers; and from there to everybody who holds it. As soon as one of them cannot
be seen, nothing is said.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.layers import acts_by_mode
from mlint.model.names import Binding
from mlint.model.tree import FunctionNode, walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_SAME = frozenset("to cuda cpu float half double bfloat16 type train requires_grad_ share_memory xpu mps".split())
"""Methods that give the module itself."""
_WRAPPERS = frozenset(
    "torch.nn.DataParallel torch.nn.parallel.DataParallel torch.nn.parallel.DistributedDataParallel torch.compile "
    "torch.nn.SyncBatchNorm.convert_sync_batchnorm".split()
)
_READING = _SAME | frozenset(
    "parameters named_parameters state_dict load_state_dict zero_grad buffers named_buffers forward training "
    "add_module register_buffer __class__ compile".split()
)
"""Attributes of a module by which nobody reaches its mode or its parts."""
_HARMLESS = frozenset(
    "print len isinstance type id repr str hasattr getattr callable torch.save torch.nn.utils.clip_grad_norm_ "
    "torchsummary.summary torchinfo.summary".split()
)
_PARTS = frozenset("modules named_modules children named_children apply eval".split())
_DEEPEST = 5
_MOST = 40


class Birth:
    """Where a model comes from, and who holds it.

    Attributes:
        makers: the calls that make it.
        loads: the calls of `load_state_dict` on it.
        trained: whether somebody who holds it goes backward.
        public: whether a name of the module holds it.
        shared: whether it reaches the expression through the parameter of a function.
    """

    __slots__ = ("loads", "makers", "public", "shared", "trained")

    def __init__(self) -> None:
        self.makers: list[ast.Call] = []
        self.loads: list[ast.Call] = []
        self.trained = False
        self.public = False
        self.shared = False


class _UnseenError(Exception):
    """Somebody may set the mode of the model."""


class _Trace:
    """One walk from an expression to the makers and the holders of a model."""

    def __init__(self) -> None:
        self.birth = Birth()
        self.holders: dict[tuple[int, str], tuple[FileModel, ast.AST, str]] = {}
        self.returning: set[ast.AST] = set()
        self.steps = 0

    def back(self, model: FileModel, node: ast.expr, depth: int = 0) -> None:
        """Follow an expression to what makes its value."""
        self.steps += 1
        if depth > _DEEPEST or self.steps > _MOST:
            raise _UnseenError
        if isinstance(node, ast.Name):
            found = model.names.lookup(node)
            if found is None:
                raise _UnseenError
            self.hold(model, found[0], found[1], node.id, depth)
        elif isinstance(node, ast.IfExp):
            self.back(model, node.body, depth + 1)
            self.back(model, node.orelse, depth + 1)
        elif isinstance(node, ast.Call):
            self._made(model, node, depth)
        elif isinstance(node, ast.Attribute) and model.kinds.is_self(node.value):
            self._kept(model, node, depth)
        else:
            raise _UnseenError

    def _kept(self, model: FileModel, node: ast.Attribute, depth: int) -> None:
        """Follow an attribute of self of a class without bases: whatever in the file has that name may be meant."""
        owner = model.tree.class_of(node)
        if owner is None or owner.bases or owner.decorator_list or any(k.arg != "metaclass" for k in owner.keywords):
            raise _UnseenError
        key = (id(owner), node.attr)
        if key in self.holders:
            return
        self.holders[key] = (model, owner, node.attr)
        self.birth.public = True
        values = model.kinds.attribute_values(owner, node.attr)
        for value in values:
            if not isinstance(value, ast.expr):
                raise _UnseenError
            self.back(model, value, depth + 1)
        if not values:
            raise _UnseenError

    def hold(self, model: FileModel, scope: ast.AST, bindings: list[Binding], name: str, depth: int) -> None:
        """Note that a name holds the model, and follow all that is bound to it."""
        key = (id(scope), name)
        if key in self.holders:
            return
        if isinstance(scope, ast.ClassDef):
            raise _UnseenError
        self.holders[key] = (model, scope, name)
        self.birth.public = self.birth.public or isinstance(scope, ast.Module)
        for binding in bindings:
            if binding.how == "parameter":
                self.birth.shared = True
                given = model.kinds.callers.arguments(binding)
                if not given:
                    raise _UnseenError
                for value in given:
                    self.back(model, value, depth + 1)
            elif binding.how == "assign" and not binding.path and binding.value is not None:
                self.back(model, binding.value, depth + 1)
            else:
                raise _UnseenError

    def _made(self, model: FileModel, call: ast.Call, depth: int) -> None:
        func = call.func
        dotted = model.names.dotted(func)
        if dotted in _WRAPPERS and call.args:
            self.back(model, call.args[0], depth + 1)
        elif acts_by_mode(model, call):
            self.birth.makers.append(call)
        elif isinstance(func, ast.Attribute) and func.attr in _SAME and dotted is None:
            if func.attr == "train" and (call.args or call.keywords):
                raise _UnseenError
            self.back(model, func.value, depth + 1)
        else:
            function = model.kinds.local_function(func)
            if function is None or function.decorator_list or function in self.returning:
                raise _UnseenError
            returns = [node for node in walk(function) if isinstance(node, (ast.Return, ast.Yield, ast.YieldFrom))]
            self.returning.add(function)
            for node in returns:
                if not isinstance(node, ast.Return) or node.value is None or model.tree.function(node) is not function:
                    raise _UnseenError
                self.back(model, node.value, depth + 1)
            if not returns:
                raise _UnseenError

    # Who holds it

    def look(self) -> None:
        """Look at every use of every name that holds the model."""
        done: set[tuple[int, str]] = set()
        while len(done) < len(self.holders):
            for key, (model, scope, name) in list(self.holders.items()):
                if key not in done:
                    done.add(key)
                    self._uses(model, scope, name)

    def _uses(self, model: FileModel, scope: ast.AST, name: str) -> None:
        if isinstance(scope, ast.ClassDef):
            for node in walk(model.module):
                if isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.ctx, ast.Load):
                    self.steps += 1
                    self._use(model, node)
                elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("backward", "manual_backward"):
                    self.birth.trained = True
            return
        for node in walk(scope):
            if isinstance(node, (ast.Global, ast.Nonlocal)) and name in node.names:
                raise _UnseenError
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("backward", "manual_backward"):
                self.birth.trained = True
            if not isinstance(node, ast.Name) or node.id != name or not isinstance(node.ctx, ast.Load):
                continue
            found = model.names.lookup(node)
            if found is not None and found[0] is scope:
                self.steps += 1
                self._use(model, node)

    def _use(self, model: FileModel, name: ast.Name | ast.Attribute) -> None:
        current: ast.AST = name
        parent = model.tree.parent(current)
        if isinstance(parent, ast.Attribute):
            self._attribute(model, parent)
        elif isinstance(parent, ast.Call):
            if parent.func is not name:
                self._handed(model, parent, name)
        elif isinstance(parent, ast.keyword):
            call = model.tree.parent(parent)
            assert isinstance(call, ast.Call)
            self._handed(model, call, parent)
        elif isinstance(parent, ast.Return):
            if model.tree.function(parent) not in self.returning:
                raise _UnseenError
        elif isinstance(parent, ast.Assign) and parent.value is name and len(parent.targets) == 1:
            self._passed_to(model, parent.targets[0])
        elif not isinstance(parent, (ast.FormattedValue, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Expr)):
            raise _UnseenError

    def _passed_to(self, model: FileModel, target: ast.expr) -> None:
        if isinstance(target, ast.Attribute) and model.kinds.is_self(target.value):
            self._kept(model, target, 0)
            return
        if not isinstance(target, ast.Name):
            raise _UnseenError
        scope = model.tree.scope(target)
        self.hold(model, scope, model.names.bindings(scope).get(target.id, []), target.id, 0)

    def _attribute(self, model: FileModel, node: ast.Attribute) -> None:
        parent = model.tree.parent(node)
        if node.attr in _PARTS:
            raise _UnseenError
        called = isinstance(parent, ast.Call) and parent.func is node
        if node.attr in _READING:
            if node.attr == "train" and (not called or parent.args or parent.keywords):  # type: ignore[union-attr]
                raise _UnseenError
            if node.attr == "load_state_dict" and called:
                self.birth.loads.append(parent)  # type: ignore[arg-type]
            if node.attr in _SAME and called:
                self._result(model, parent)  # type: ignore[arg-type]
            return
        if called:
            raise _UnseenError  # a method of its own
        while isinstance(parent, (ast.Attribute, ast.Subscript)):
            if isinstance(parent, ast.Attribute) and parent.attr in (*_PARTS, "train"):
                raise _UnseenError
            node, parent = parent, model.tree.parent(parent)  # type: ignore[assignment]
        if isinstance(parent, ast.Call) and parent.func is not node and not self._is_torch(model, parent):
            raise _UnseenError  # a part of it is handed to somebody

    def _result(self, model: FileModel, call: ast.Call) -> None:
        """What becomes of `model.to(device)`, which is the model again."""
        parent = model.tree.parent(call)
        if isinstance(parent, ast.Attribute):
            self._attribute(model, parent)
        elif isinstance(parent, ast.Assign) and len(parent.targets) == 1:
            self._passed_to(model, parent.targets[0])
        elif isinstance(parent, ast.Call) and parent.func is not call:
            self._handed(model, parent, call)
        elif isinstance(parent, ast.Return):
            if model.tree.function(parent) not in self.returning:
                raise _UnseenError
        elif not isinstance(parent, ast.Expr) and not (isinstance(parent, ast.Call) and parent.func is call):
            raise _UnseenError

    def _is_torch(self, model: FileModel, call: ast.Call) -> bool:
        dotted = model.names.dotted(call.func) or ""
        return dotted in _HARMLESS or dotted.startswith(("torch.optim.", "torch.nn.init.", "torch.nn.utils."))

    def _handed(self, model: FileModel, call: ast.Call, argument: ast.AST) -> None:
        """The model is an argument of a call."""
        if self._is_torch(model, call):
            return
        if model.names.dotted(call.func) in _WRAPPERS:
            self._result(model, call)
            return
        callee = model.callees.certain(call)
        if callee is None or callee[0] is not model or not self._no_grad(model, callee[1]):
            raise _UnseenError
        function = callee[1]
        names = [parameter.arg for parameter in (*function.args.posonlyargs, *function.args.args)]
        if isinstance(model.tree.parent(function), ast.ClassDef):
            raise _UnseenError
        if isinstance(argument, ast.keyword):
            wanted = argument.arg
        else:
            place = next((index for index, given in enumerate(call.args) if given is argument), -1)
            wanted = names[place] if 0 <= place < len(names) else None
        if wanted is None or any(isinstance(given, ast.Starred) for given in call.args):
            raise _UnseenError
        key = (id(function), wanted)
        if key not in self.holders:
            # Only what is done with it there matters, not what else the function may be given.
            self.holders[key] = (model, function, wanted)
            for binding in model.names.bindings(function).get(wanted, []):
                if binding.how not in ("parameter", "assign"):
                    raise _UnseenError

    def _no_grad(self, model: FileModel, function: FunctionNode) -> bool:
        """Whether no decorator of a function does anything but turn gradients off."""
        return all(map(model.grad_mode.is_mode, function.decorator_list))


def always_training(model: FileModel, node: ast.expr) -> Birth | None:
    """Where a model comes from that acts by its mode and is certainly in training mode; None where that is not known.

    Args:
        model: the file.
        node: the model, as it is called.
    """
    trace = _Trace()
    try:
        trace.back(model, node)
        trace.look()
    except _UnseenError:
        return None
    return trace.birth if trace.birth.makers else None


__all__ = ["Birth", "always_training"]
