"""What a training loop does, in which order and behind which guards: goes backward, steps, zeroes, clips, unscales.

A `Round` is one pass through the body of a loop, or one call of a function. Its actions are those that stand in it and
those of the functions that it surely calls, in this file or in first-party ones; these stand where the call stands.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.effects import UNKNOWN as CANNOT_FOLLOW
from mlint.model.kinds import GRAD_SCALER, LIGHTNING_MODULE, LOSS, MODULE, OPTIMIZER, SCHEDULER, TENSOR
from mlint.model.tree import FUNCTIONS, LOOPS, FunctionNode, LoopNode, walk, walk_scope, walk_statements

if TYPE_CHECKING:
    from typing import TypeGuard

    from mlint.model.file import FileModel

BACKWARD = "backward"
STEP = "step"
ZERO = "zero"
CLIP = "clip"
UNSCALE = "unscale"
UPDATE = "update"
SCHEDULE = "schedule"
GRADIENT = "gradient"
"""Writes gradients by hand: ``p.grad = …``, ``p.grad.mul_(…)``."""

CLIPPING = frozenset(
    "torch.nn.utils.clip_grad_norm_ torch.nn.utils.clip_grad_value_ torch.nn.utils.clip_grad_norm "
    "torch.nn.utils.clip_grad.clip_grad_norm_ torch.nn.utils.clip_grad.clip_grad_value_".split()
)
_MODULE_METHODS = frozenset(
    "parameters named_parameters buffers modules named_modules children train eval to cuda cpu state_dict "
    "forward".split()
)
_SAME_MODULE = frozenset("to cuda cpu float double half bfloat16 train eval requires_grad_ apply".split())
_TENSOR_METHODS = frozenset(
    "item detach cpu cuda to mean sum sub add square pow view reshape append update set_postfix log info debug "
    "add_scalar size zero_grad format".split()
)
_DIFFERENTIABLE = frozenset("mean sum clone to float double squeeze view reshape cuda cpu".split())
_OFF_DEVICE = frozenset("item cpu numpy tolist size dim numel backward stride element_size data_ptr".split())
_RUNNING = (ast.Call, ast.For, ast.AsyncFor, ast.comprehension, ast.With, ast.AsyncWith, *FUNCTIONS)
_WRITING = frozenset({ZERO, GRADIENT, CANNOT_FOLLOW})
_DEEPEST = 6
_CUDA_TEXT = re.compile(r"cuda|ccelerat")
_CUDA_DEVICE = re.compile(r"cuda(:\d+)?")


class Action(NamedTuple):
    """One thing that is done to gradients or parameters.

    Attributes:
        role: `BACKWARD`, `STEP`, `ZERO`, `CLIP`, `UNSCALE`, `UPDATE`, `SCHEDULE` or `GRADIENT`.
        node: the call or statement that does it; for a helper's action, the call of the helper.
        subject: what it is done to, as it is written at `node`: the loss, the optimizer or model, the scheduler, the
            parameters that are clipped. None where it has no name there.
        expression: the same as an expression; None for a helper's action.
        scaler: the GradScaler through which it is done, as it is written.
        engine: a framework does it (``accelerator.backward(loss)``): what else that does is not known.
        certain: what it is done to is proven (an optimizer by its constructor, say), not only called so.
        with_arguments: the call has arguments of its own: a closure for `step`, an epoch for a scheduler.
        helper: it is done in a function that `node` calls.
    """

    role: str
    node: ast.Call | ast.stmt
    subject: str | None = None
    expression: ast.expr | None = None
    scaler: str | None = None
    engine: bool = False
    certain: bool = False
    with_arguments: bool = False
    helper: bool = False


class Round:
    """What one pass through a loop, or one call of a function, does.

    Attributes:
        node: the loop, the function, or the module.
        actions: in the order of the source; those in nested loops included.
        accumulates: it stands in, or holds, a context that accumulates gradients (``accelerator.accumulate(model)``).
    """

    def __init__(self, node: ast.AST) -> None:
        self.node = node
        self.actions: list[Action] = []
        self.accumulates = False

    def of(self, *roles: str) -> list[Action]:
        """The actions of some roles."""
        return [action for action in self.actions if action.role in roles]


class Training:
    """The training loops of one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self._rounds: dict[ast.AST, Round] = {}
        self._functions: dict[ast.AST, list[Action]] = {}
        self._direct_rounds: dict[ast.AST, Round] = {}
        self._direct: dict[ast.AST, Action | None] = {}

    # Rounds

    def round(self, node: ast.AST) -> Round:
        """The round of the innermost loop, or else function, that ``node`` stands in."""
        model = self.model
        loop = model.flow.loop(node)
        if loop is not None:
            return self.round_of(loop)
        return self.round_of(model.tree.function(node) or model.module)

    def round_of(self, owner: LoopNode | FunctionNode | ast.Module) -> Round:
        """The round of a loop, a function or the top level of the file."""
        found = self._rounds.get(owner)
        if found is None:
            found = self._rounds[owner] = self._read(owner)
        return found

    def _read(self, owner: LoopNode | FunctionNode | ast.Module) -> Round:
        made = Round(owner)
        for node in walk_statements(owner.body):
            if isinstance(node, (ast.With, ast.AsyncWith)):
                made.accumulates = made.accumulates or any(_accumulates(item.context_expr) for item in node.items)
            made.actions.extend(self._of_node(node, 0))
        for ancestor in self.model.tree.ancestors(owner):
            if isinstance(ancestor, (ast.With, ast.AsyncWith)):
                made.accumulates = made.accumulates or any(_accumulates(item.context_expr) for item in ancestor.items)
        return made

    def direct(self, owner: LoopNode | FunctionNode | ast.Module) -> Round:
        """A round with only what stands in it itself: enough for `is_loss` and `on_graph`, without reading files."""
        made = self._direct_rounds.get(owner)
        if made is not None:
            return made
        made = self._direct_rounds[owner] = Round(owner)
        for node in walk_statements(owner.body):
            action = self.action(node) if isinstance(node, ast.Call) else None
            if action is not None:
                made.actions.append(action)
        return made

    def unknown(self, made: Round) -> Iterator[ast.AST]:
        """What in a round nobody knows to leave gradients alone: calls that cannot be followed, and calls, loops,
        contexts and decorators that possibly zero or write them in a way that is no action of the round.
        """
        assert isinstance(made.node, (*LOOPS, *FUNCTIONS, ast.Module))
        effects = self.model.effects
        headers: list[ast.AST] = []
        if isinstance(made.node, (ast.For, ast.AsyncFor)):
            headers = [made.node, *(node for node in walk(made.node.iter) if isinstance(node, ast.Call))]
        elif isinstance(made.node, FUNCTIONS):
            headers = [made.node] if made.node.decorator_list else []
        for node in (*headers, *walk_statements(made.node.body)):
            unknown = isinstance(node, ast.Call) and node not in headers and self._is_unknown(node)
            if unknown or (isinstance(node, _RUNNING) and not effects.run_by(node).isdisjoint(_WRITING)):
                yield node

    def own(self, made: Round) -> list[Action]:
        """The actions of a loop's round that do not stand in a loop inside it."""
        if not isinstance(made.node, LOOPS):
            return [action for action in made.actions if self.model.flow.loop(action.node) is None]
        return [action for action in made.actions if self.model.flow.loop(action.node) is made.node]

    def is_training(self, made: Round) -> bool:
        """Whether a round goes backward and steps, outside of the loops in it."""
        roles = {action.role for action in self.own(made)}
        return BACKWARD in roles and STEP in roles

    # Actions

    def _of_node(self, node: ast.AST, depth: int) -> Iterator[Action]:
        if isinstance(node, ast.Call):
            action = self.action(node)
            if action is not None:
                yield action
                if not action.with_arguments:
                    return
            yield from self._of_helper(node, depth)
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                # A function that is handed over is called: `optimizer.step(closure)`.
                definition = self._function_named(argument)
                if definition is not None:
                    yield from (_through(inner, node, {}, None) for inner in self.of_function(definition, depth + 1))
        elif isinstance(node, (ast.Assign, ast.AugAssign, ast.Delete)):
            yield from _of_statement(node)

    def _function_named(self, node: ast.expr) -> FunctionNode | None:
        return self.model.kinds.local_function(node) if isinstance(node, (ast.Name, ast.Attribute)) else None

    def of_function(self, function: FunctionNode, depth: int = 0) -> list[Action]:
        """The actions of a function, its helpers' included, in its own words."""
        found = self._functions.get(function)
        if found is not None or depth > _DEEPEST:
            return found or []
        self._functions[function] = []  # recursion adds nothing
        read: list[Action] = []
        for node in walk_statements(function.body):
            read.extend(self._of_node(node, depth))
        self._functions[function] = read
        return read

    def _of_helper(self, call: ast.Call, depth: int) -> Iterator[Action]:
        if depth > _DEEPEST:
            return
        callee = self.model.effects.callee(call) or self._forward(call)
        if callee is None:
            return
        owner, function = callee
        actions = owner.training.of_function(function, depth + 1)
        if not actions:
            return
        words, receiver = self._words(call, function, owner)
        for action in actions:
            yield _through(action, call, words, receiver)

    def _forward(self, call: ast.Call) -> tuple[FileModel, FunctionNode] | None:
        """The `forward` that a call of a model runs: some models zero their own gradients in it."""
        model = self.model
        if not isinstance(call.func, (ast.Name, ast.Attribute)) or model.names.dotted(call.func) is not None:
            return None
        definition: ast.AST | None = model.kinds.of(call.func).definition
        owner = model
        if definition is None and model.project is not None:
            for made in self.constructors(call.func):
                dotted = model.names.dotted(made.func)
                found = None if dotted is None else model.project.definition(dotted, model.source.path)
                if found is not None:
                    owner, definition = found
                    model.depends_on(owner)
        if not isinstance(definition, ast.ClassDef):
            return None
        forward = owner.kinds.method(definition, "forward")
        return (owner, forward) if isinstance(forward, FUNCTIONS) else None

    def _words(
        self, call: ast.Call, function: FunctionNode, owner: FileModel
    ) -> tuple[dict[str, str], tuple[str, str] | None]:
        """Parameter → what the call gives for it; and what stands for `self`."""
        arguments = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
        receiver: tuple[str, str] | None = None
        if isinstance(owner.tree.parent(function), ast.ClassDef) and arguments:
            if isinstance(call.func, ast.Attribute) and call.func.attr == function.name:
                receiver = (arguments[0], ast.unparse(call.func.value))
            elif function.name == "forward":
                receiver = (arguments[0], ast.unparse(call.func))
            arguments = arguments[1:]
        words: dict[str, str] = {}
        for name, argument in zip(arguments, call.args):
            if isinstance(argument, ast.Starred):
                break
            words[name] = ast.unparse(argument)
        for keyword in call.keywords:
            if keyword.arg is not None:
                words[keyword.arg] = ast.unparse(keyword.value)
        return words, receiver

    def action(self, call: ast.Call) -> Action | None:
        """What a call itself does, helpers left aside."""
        if call not in self._direct:
            self._direct[call] = self._action(call)
        return self._direct[call]

    def _action(self, call: ast.Call) -> Action | None:
        func = call.func
        model = self.model
        dotted = model.names.dotted(func)
        arguments = bool(call.args or call.keywords)
        if dotted is not None:
            if dotted in CLIPPING and call.args:
                return Action(CLIP, call, _text(call.args[0]), call.args[0], certain=True)
            if dotted == "torch.autograd.backward" and call.args:
                return Action(BACKWARD, call, _text(call.args[0]), call.args[0], certain=True)
            if dotted == "torch.distributed.autograd.backward":
                return Action(BACKWARD, call, engine=True)
            return None
        if not isinstance(func, ast.Attribute):
            return None
        if func.attr.endswith("_") and _is_gradient(func.value):
            return Action(ZERO if func.attr in ("zero_", "fill_") else GRADIENT, call)
        if func.attr not in _ATTRIBUTES:
            return None
        receiver = func.value
        if isinstance(receiver, ast.Call) and model.names.dotted(receiver.func) == "super":
            return None
        if model.kinds.local_function(func) is not None:
            return None  # the project's own: a helper
        kind = model.kinds.of(receiver)
        first = call.args[0] if call.args and not isinstance(call.args[0], ast.Starred) else None
        name = func.attr
        if name == "backward":
            return self._backward(call, receiver, first)
        if name == "manual_backward":
            return Action(BACKWARD, call, _text(first), first, engine=True)
        if name == "zero_grad":
            return Action(ZERO, call, _text(receiver), receiver, certain=kind.is_a(OPTIMIZER, MODULE))
        if name in ("clip_grad_norm_", "clip_grad_value_", "clip_gradients"):
            return Action(CLIP, call, _text(first), first, engine=True)
        scales = kind.is_a(GRAD_SCALER) or (not kind.known and _text(receiver) in self.scalers)
        if name == "unscale_":
            return Action(UNSCALE, call, _text(first), first, _text(receiver), certain=scales)
        if name == "update":
            return Action(UPDATE, call, _text(receiver), receiver, certain=True) if scales else None
        if name != "step":
            return None
        if kind.is_a(SCHEDULER):
            return Action(SCHEDULE, call, _text(receiver), receiver, certain=True, with_arguments=arguments)
        if scales and first is not None:
            proven = self.is_optimizer(first)
            return Action(STEP, call, _text(first), first, _text(receiver), certain=proven)
        if kind.is_a(OPTIMIZER):
            return Action(STEP, call, _text(receiver), receiver, certain=True, with_arguments=arguments)
        if kind.known or arguments:
            return None
        return Action(STEP, call, _text(receiver), receiver)

    def _backward(self, call: ast.Call, receiver: ast.expr, first: ast.expr | None) -> Action:
        kinds = self.model.kinds
        if isinstance(receiver, ast.Call) and isinstance(receiver.func, ast.Attribute):
            if receiver.func.attr == "scale" and len(receiver.args) == 1 and not receiver.keywords:
                loss = receiver.args[0]
                return Action(BACKWARD, call, _text(loss), loss, _text(receiver.func.value), certain=True)
        kind = kinds.of(receiver)
        if first is not None and not kind.is_a(TENSOR):
            return Action(BACKWARD, call, _text(first), first, engine=True)
        return Action(BACKWARD, call, _text(receiver), receiver, certain=kind.is_a(TENSOR))

    @cached_property
    def scalers(self) -> frozenset[str]:
        """What is used as a GradScaler in this file: ``scaler`` in ``scaler.scale(loss).backward()``."""
        found: set[str] = set()
        for call in self.model.tree.calls:
            func = call.func
            if (
                isinstance(func, ast.Attribute)
                and func.attr == "backward"
                and isinstance(func.value, ast.Call)
                and isinstance(func.value.func, ast.Attribute)
                and func.value.func.attr == "scale"
            ):
                found.add(ast.unparse(func.value.func.value))
        return frozenset(found)

    def is_optimizer(self, node: ast.AST) -> bool:
        """Whether an expression is proven to be one of torch's optimizers."""
        return self.model.kinds.is_a(node, OPTIMIZER)

    def _is_unknown(self, call: ast.Call) -> bool:
        """Whether nobody knows what a call does, and it can reach gradients: it is given an optimizer or a module, or
        it is a method of `self` or of a name that is bound to nothing known.
        """
        model = self.model
        func = call.func
        if self.action(call) is not None or model.effects.callee(call) is not None:
            return False
        dotted = model.names.dotted(func)
        if dotted is not None and not dotted.startswith(".") and not self._is_first_party(dotted):
            if "." not in dotted or dotted.startswith("torch."):
                return False
            if dotted.startswith(("accelerate.", "deepspeed.", "lightning.", "fairscale.")):
                return True
        if isinstance(func, ast.Attribute) and model.kinds.is_self(func.value):
            owner = model.tree.class_of(call)
            values = [] if owner is None else model.kinds.attribute_values(owner, func.attr)
            if not values and not (func.attr in _MODULE_METHODS and owner is not None and self._is_module(owner)):
                return True  # inherited from elsewhere
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        return any(model.kinds.is_a(value, OPTIMIZER) for value in given)

    def _is_module(self, owner: ast.ClassDef) -> bool:
        return self.model.kinds.class_instance(owner).is_a(MODULE)

    def _is_first_party(self, dotted: str) -> bool:
        project = self.model.project
        module = dotted.rpartition(".")[0]
        return project is not None and bool(module) and project.locate(module, self.model.source.path) is not None

    # What things are

    def is_engine(self, made: Round) -> bool:
        """Whether a framework runs a round: who else touches the gradients cannot be seen."""
        if made.accumulates or any(action.engine for action in made.actions):
            return True
        owner = self.model.tree.class_of(made.node)
        return owner is not None and self.model.kinds.class_instance(owner).is_a(LIGHTNING_MODULE)

    @cached_property
    def hooks(self) -> bool:
        """Whether the file hands `zero_grad` around or lets hooks step: who zeroes the gradients cannot be seen."""
        text = self.model.source.text
        if "register_post_accumulate_grad_hook" in text or "register_step_post_hook" in text:
            return True
        if "zero_grad" not in text:
            return False
        called = {id(node.func) for node in walk(self.model.module) if isinstance(node, ast.Call)}
        return any(
            isinstance(node, ast.Attribute) and node.attr == "zero_grad" and id(node) not in called
            for node in walk(self.model.module)
        )

    def constructors(self, node: ast.expr, depth: int = 0) -> list[ast.Call]:
        """The calls that make the value of an expression, seen through names, attributes of self and the parameters
        of functions whose callers are known; empty where one of them is not to be seen.
        """
        found: list[ast.Call] = []
        values = self._values(node, depth)
        for value in values or ():
            if not isinstance(value, ast.Call):
                return []
            found.append(value)
        return found

    def _values(self, node: ast.expr, depth: int) -> list[ast.expr] | None:
        if depth > _DEEPEST:
            return None
        model = self.model
        sources: list[ast.expr] = []
        if isinstance(node, ast.Name):
            for binding in model.reaching.of(node) or ():
                if binding.how == "parameter":
                    given = model.kinds.callers.arguments(binding)
                    if given is None:
                        return None
                    sources.extend(given)
                elif binding.how == "assign" and not binding.path and binding.value is not None:
                    sources.append(binding.value)
                else:
                    return None
        elif isinstance(node, ast.Attribute):
            owner = (
                model.tree.class_of(node) if model.kinds.is_self(node.value) else model.kinds.of(node.value).definition
            )
            if owner is None:
                return None
            for value in model.kinds.attribute_values(owner, node.attr):
                if not isinstance(value, ast.expr):
                    return None
                sources.append(value)
        elif isinstance(node, ast.IfExp):
            sources = [node.body, node.orelse]
        elif _is_moved(node) and model.kinds.is_a(node.func.value, MODULE):
            sources = [node.func.value]
        else:
            return [node]
        found: list[ast.expr] = []
        for source in sources:
            if isinstance(source, ast.Constant) and source.value is None:
                continue
            inner = self._values(source, depth + 1)
            if inner is None:
                return None
            found.extend(inner)
        return found

    def optimized(self, optimizer: ast.expr) -> set[str]:
        """The models whose parameters an optimizer was given, as written at its constructor."""
        found: set[str] = set()
        for call in self.constructors(optimizer):
            for node in walk_scope(call):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    if node.func.attr in ("parameters", "named_parameters"):
                        found.add(ast.unparse(node.func.value))
        return found

    def is_loss(self, node: ast.expr, made: Round) -> bool:
        """Whether the very value of a name goes backward in a round, and so is a tensor."""
        if not isinstance(node, ast.Name):
            return False
        here = self.model.reaching.of(node)
        for action in made.of(BACKWARD):
            loss = action.expression
            if isinstance(loss, ast.Name) and loss.id == node.id and here:
                there = self.model.reaching.of(loss)
                if there is not None and set(here) <= set(there):
                    return True
        return False

    def on_graph(self, node: ast.expr, made: Round, depth: int = 0) -> bool:
        """Whether an expression is a loss, or what is scored by one, with the graph that computed it."""
        model = self.model
        if depth > _DEEPEST:
            return False
        if isinstance(node, ast.Name):
            bindings = model.reaching.of(node) or []
            if any(model.flow.grad_context(binding.node) for binding in bindings) or self._detached_in_place(node):
                return False
            if self.is_loss(node, made) or self._is_scored(node, made):
                return True
            return bool(bindings) and all(
                binding.how == "assign"
                and not binding.path
                and binding.value is not None
                and self.on_graph(binding.value, made, depth + 1)
                for binding in bindings
            )
        if isinstance(node, ast.Call):
            if self._is_loss_function(node.func):
                return True
            func = node.func
            if isinstance(func, ast.Attribute) and func.attr in _DIFFERENTIABLE:
                return self.on_graph(func.value, made, depth + 1)
            return False
        if isinstance(node, ast.BinOp):
            return any(self.on_graph(part, made, depth + 1) for part in (node.left, node.right))
        return isinstance(node, ast.UnaryOp) and self.on_graph(node.operand, made, depth + 1)

    def _detached_in_place(self, name: ast.Name) -> bool:
        """Whether a statement before in the same scope takes the value of a name off its graph: `loss.detach_()`."""
        scope = self.model.tree.function(name) or self.model.module
        return any(
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "detach_"
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == name.id
            and node.lineno <= name.lineno
            for node in walk_statements(scope.body)
        )

    def on_device(self, node: ast.expr, made: Round, depth: int = 0) -> bool:
        """Whether an expression is a tensor that comes from a model, a loss or a transfer, and so lies where these
        compute, not on the host.
        """
        model = self.model
        if depth > _DEEPEST:
            return False
        if isinstance(node, ast.Name):
            if self.is_loss(node, made) or self._is_scored(node, made):
                return True
            bindings = model.reaching.of(node)
            return bool(bindings) and all(
                binding.how in ("assign", "augment")
                and binding.value is not None
                and (not binding.path or not isinstance(binding.value, ast.Tuple))
                and self.on_device(binding.value, made, depth + 1)
                for binding in bindings or ()
            )
        if isinstance(node, ast.Call):
            return self._computed(node, made, depth)
        if isinstance(node, ast.Attribute):
            return node.attr in ("data", "T", "mT", "grad") and self.on_device(node.value, made, depth + 1)
        if isinstance(node, ast.Subscript):
            return self.on_device(node.value, made, depth + 1)
        if isinstance(node, ast.BinOp):
            return any(self.on_device(part, made, depth + 1) for part in (node.left, node.right))
        if isinstance(node, ast.Compare):
            return len(node.ops) == 1 and self.on_device(node.left, made, depth + 1)
        return isinstance(node, ast.UnaryOp) and self.on_device(node.operand, made, depth + 1)

    def _computed(self, call: ast.Call, made: Round, depth: int) -> bool:
        """Whether a call gives a tensor on the device."""
        model = self.model
        func = call.func
        dotted = model.names.dotted(func)
        if self._is_loss_function(func):
            return True
        if dotted is not None:
            if not dotted.startswith("torch."):
                return False
            return bool(call.args) and self.on_device(call.args[0], made, depth + 1)
        if model.kinds.is_a(func, MODULE):
            return True
        if isinstance(func, ast.Attribute):
            if func.attr in _OFF_DEVICE:
                return False
            return self.on_device(func.value, made, depth + 1)
        return False

    def _is_scored(self, node: ast.Name, made: Round) -> bool:
        """Whether the value of a name is what a loss of torch compares with the targets."""
        here = self.model.reaching.of(node)
        if not here:
            return False
        for other in walk_statements(made.node.body) if isinstance(made.node, (*LOOPS, *FUNCTIONS)) else ():
            if isinstance(other, ast.Call) and other.args:
                first = other.args[0]
                if isinstance(first, ast.Name) and first.id == node.id and self._is_loss_function(other.func):
                    if set(here) <= set(self.model.reaching.of(first) or ()):
                        return True
        return False

    def _is_loss_function(self, func: ast.expr) -> bool:
        dotted = self.model.names.dotted(func)
        if dotted is None:
            return self.model.kinds.is_a(func, LOSS)
        name = dotted.rpartition(".")[2]
        return dotted.startswith("torch.nn.functional.") and (name.endswith("_loss") or "cross_entropy" in name)

    @cached_property
    def uses_cuda(self) -> bool:
        """Whether the file, or a first-party file from which it imports its device, puts things on a CUDA device or on
        the current `torch.accelerator`.
        """
        if _CUDA_TEXT.search(self.model.source.text) is not None:
            if any(self._is_cuda(node) for node in walk(self.model.module)):
                return True
        return any(other.training.uses_cuda for other in self._device_files())

    def _is_cuda(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Constant):
            return isinstance(node.value, str) and _CUDA_DEVICE.fullmatch(node.value) is not None
        if isinstance(node, ast.Attribute):
            return node.attr == "cuda" or self.model.names.dotted(node) == "torch.accelerator"
        return isinstance(node, ast.Call) and self.model.names.dotted(node.func) == "accelerate.Accelerator"

    def _device_files(self) -> Iterable[FileModel]:
        project = self.model.project
        if project is None or "device" not in self.model.source.text.lower():
            return
        for node in walk(self.model.module):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "to":
                for argument in node.args:
                    dotted = self.model.names.dotted(argument)
                    if dotted is None or "device" not in dotted.rpartition(".")[2].lower():
                        continue
                    path = project.locate(dotted.rpartition(".")[0], self.model.source.path)
                    other = None if path is None or path == self.model.source.path else project.model(path)
                    if other is not None and other is not self.model:
                        self.model.depends_on(other)
                        yield other

    # Order

    def line(self, node: ast.AST) -> list[ast.stmt]:
        """The block whose statements run one after the other around a node: `with` blocks are stepped out of."""
        tree = self.model.tree
        statement = tree.statement(node)
        while True:
            parent = tree.parent(statement)
            if not isinstance(parent, (ast.With, ast.AsyncWith)):
                return tree.block(statement)
            statement = parent

    def feeding(self, node: ast.expr | None) -> set[ast.AST]:
        """The calls whose results go into the value of an expression, through the names of its scope."""
        found: set[ast.AST] = set()
        pending: list[ast.AST] = [] if node is None else [node]
        seen: set[ast.AST] = set()
        while pending:
            for inner in walk(pending.pop()):
                if isinstance(inner, ast.Call):
                    found.add(inner)
                elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
                    for binding in self.model.reaching.of(inner) or ():
                        if binding.value is not None and binding.value not in seen and binding.how != "parameter":
                            seen.add(binding.value)
                            pending.append(binding.value)
        return found

    def may_go_backward(
        self, first: ast.AST | None, last: ast.AST, harmless: Collection[ast.AST] = frozenset()
    ) -> bool:
        """Whether gradients may be computed between two nodes of one line, or before ``last``, by a call that cannot be
        followed. The lines of the two themselves are left out, and so are the calls that are said to be harmless.
        """
        model = self.model
        block = self.line(last)
        begin = -1 if first is None else getattr(first, "end_lineno", 0)
        for statement in block:
            for node in walk_statements([statement]):
                if not isinstance(node, ast.Call) or node.lineno <= begin or node.lineno >= last.lineno:  # type: ignore[attr-defined]
                    continue
                if self.action(node) is None and node not in harmless and not self._is_harmless(node):
                    callee = model.effects.callee(node) or self._forward(node)
                    if callee is None:
                        return True
                    owner, function = callee
                    if any(action.role in (BACKWARD, GRADIENT) for action in owner.training.of_function(function)):
                        return True
        return False

    def _is_harmless(self, call: ast.Call) -> bool:
        """Whether a call surely computes no gradients: of a library, of an object of known kind, or of its result."""
        model = self.model
        func = call.func
        dotted = model.names.dotted(func)
        if dotted is not None:
            return not dotted.startswith((".", "torch.autograd.")) and not self._is_first_party(dotted)
        if model.kinds.of(func).known:
            return not model.kinds.of(func).is_first_party
        if isinstance(func, ast.Attribute):
            kind = model.kinds.of(func.value)
            if kind.is_a(MODULE) and func.attr in _MODULE_METHODS and func.attr != "forward":
                return model.kinds.local_function(func) is None
            return (kind.known and not kind.is_first_party) or func.attr in _TENSOR_METHODS
        return False

    def same_line(self, first: ast.AST, second: ast.AST) -> bool:
        """Whether two nodes run in the same passes, one after the other: no branch and no loop lies between them."""
        return self.line(first) is self.line(second)

    def exclusive(self, first: ast.AST, second: ast.AST) -> bool:
        """Whether two nodes never run in the same pass: the arms of one `if`, or conditions that exclude each other."""
        one, two = list(self.model.flow.guards(first)), list(self.model.flow.guards(second))
        for test, value in one:
            for other, wanted in two:
                if test is other and value is not wanted:
                    return True
                if _condition(test, value) == _condition(other, not wanted):
                    return True
        return False


_ATTRIBUTES = frozenset(
    "backward manual_backward zero_grad clip_grad_norm_ clip_grad_value_ clip_gradients unscale_ update step".split()
)


class _MethodCall(ast.Call):
    """A call of a method, for the type checker."""

    func: ast.Attribute


def _is_moved(node: ast.AST) -> TypeGuard[_MethodCall]:
    """``net.to(device)``, ``net.cuda()``, ``net.train()``: if it is a module, the module itself."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _SAME_MODULE


def _text(node: ast.expr | None) -> str | None:
    return None if node is None else ast.unparse(node)


def _accumulates(node: ast.expr) -> bool:
    """``accelerator.accumulate(model)``, ``fabric.no_backward_sync(…)``, ``dist_autograd.context()``."""
    if not isinstance(node, ast.Call):
        return False
    func = node.func
    if not isinstance(func, ast.Attribute):
        return False
    if func.attr in ("accumulate", "no_sync", "no_backward_sync", "_no_sync"):
        return True
    return func.attr == "context" and "autograd" in ast.unparse(func.value)


def _of_statement(node: ast.Assign | ast.AugAssign | ast.Delete) -> Iterator[Action]:
    targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
    for target in targets:
        if _is_gradient(target.value if isinstance(target, ast.Subscript) else target):
            none = isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is None
            role = ZERO if none or isinstance(node, ast.Delete) else GRADIENT
            yield Action(role, node)


def _through(action: Action, call: ast.Call, words: dict[str, str], receiver: tuple[str, str] | None) -> Action:
    """A helper's action in the words of who calls the helper."""

    def word(text: str | None) -> str | None:
        if text is None:
            return None
        head, dot, rest = text.partition(".")
        if head in words:
            return words[head] + dot + rest
        if receiver is not None and head == receiver[0]:
            return receiver[1] + dot + rest
        return None

    return action._replace(
        node=call,
        subject=word(action.subject),
        scaler=word(action.scaler) if action.scaler is None else (word(action.scaler) or "?"),
        expression=None,
        helper=True,
    )


def _is_gradient(node: ast.expr) -> bool:
    """``p.grad``, ``p.grad.data``."""
    if isinstance(node, ast.Attribute) and node.attr == "data":
        node = node.value
    return isinstance(node, ast.Attribute) and node.attr == "grad"


def _condition(test: ast.expr, value: bool) -> tuple[str, bool]:
    """A condition in a form in which equal ones are equal: ``not x`` and ``x is None`` are the opposite of ``x``."""
    while True:
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            test, value = test.operand, not value
        elif isinstance(test, ast.Compare) and len(test.ops) == 1 and _is_none(test.comparators[0]):
            if isinstance(test.ops[0], (ast.Is, ast.Eq)):
                value = not value
            test = test.left
        else:
            return ast.unparse(test), value


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
