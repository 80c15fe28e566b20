"""What an expression is: a tensor, a module, an optimizer, a frame, an array of so many dimensions, or not known.

A kind is proven or it is not there: nothing is guessed from the name of a variable. It comes from a constructor, a
known return, an annotation, the base of a class, an attribute that the class sets, an iteration, an unpacking, or the
return values of a function in the same file. Where two definitions of different kinds reach a place, the kind is
unknown.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace

from mlint.model import libraries
from mlint.model.callers import Callers
from mlint.model.names import Binding, Names, canonical
from mlint.model.reaching import Reaching
from mlint.model.tree import FUNCTIONS, Tree, walk_blocks, walk_scope

TENSOR = "torch.Tensor"
MODULE = "torch.nn.Module"
LOSS = "torch.nn.Loss"
OPTIMIZER = "torch.optim.Optimizer"
SCHEDULER = "torch.optim.lr_scheduler.LRScheduler"
GRAD_SCALER = "torch.amp.GradScaler"
DATA_LOADER = "torch.utils.data.DataLoader"
DATASET = "torch.utils.data.Dataset"
LIGHTNING_MODULE = "lightning.pytorch.LightningModule"
NDARRAY = "numpy.ndarray"
DATAFRAME = "pandas.DataFrame"
SERIES = "pandas.Series"
GROUPBY = "pandas.GroupBy"
ESTIMATOR = "sklearn.base.BaseEstimator"
TRANSFORMER = "sklearn.base.TransformerMixin"
SPLITTER = "sklearn.model_selection.BaseCrossValidator"
JAX_ARRAY = "jax.Array"
JAX_KEY = "jax.random.key"
TF_TENSOR = "tensorflow.Tensor"
TF_DATASET = "tensorflow.data.Dataset"
KERAS_MODEL = "keras.Model"

_ARRAYS = (NDARRAY, TENSOR, JAX_ARRAY, TF_TENSOR)
_ROLES = (MODULE, LOSS, OPTIMIZER, SCHEDULER, GRAD_SCALER, DATA_LOADER, LIGHTNING_MODULE, "accelerate.Accelerator")
"""Objects that a program builds once and hands around. What the callers in a file give for a parameter tells its kind
for these only: data of another kind than the callers of the file give may well come from outside."""
_SCALARS = frozenset({"int", "float", "bool", "scalar", "str", "complex", "bytes", "None"})


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value is.

    Attributes:
        name: a dotted name (``torch.Tensor``, ``torch.nn.Linear``), a builtin (``int``, ``list``), ``unknown``, or for
            an instance of a class of the file ``instance``.
        families: the wider kinds that it also is (``torch.nn.Module`` for a ``torch.nn.Linear``).
        ndim: number of dimensions of an array, where it is plain to see.
        dtype: dtype of an array (``float64``), where it is plain to see.
        elements: kinds of the elements of a tuple; one kind for all elements of a list.
        definition: the class in this file of which it is an instance.
    """

    name: str
    families: frozenset[str] = frozenset()
    ndim: int | None = None
    dtype: str | None = None
    elements: tuple[Kind, ...] = ()
    definition: ast.ClassDef | None = None

    def is_a(self, *families: str) -> bool:
        """Whether the value is certainly of one of these kinds."""
        return self.name in families or not self.families.isdisjoint(families)

    @property
    def known(self) -> bool:
        """Whether anything at all is known."""
        return self.name not in ("unknown", "never")

    def __str__(self) -> str:
        details = [] if self.ndim is None else [f"{self.ndim}-d"]
        if self.dtype is not None:
            details.append(self.dtype)
        inner = f"[{', '.join(str(element) for element in self.elements)}]" if self.elements else ""
        name = self.definition.name if self.definition is not None else self.name
        return f"{name}{inner}" + (f" ({', '.join(details)})" if details else "")


UNKNOWN = Kind("unknown")
NEVER = Kind("never")
"""The kind of a value that is still being computed (a definition that depends on itself), and of None in a join."""

INT = Kind("int")
FLOAT = Kind("float")
BOOL = Kind("bool")
STR = Kind("str")
SCALAR = Kind("scalar")
_NONE = Kind("None")


def join(kinds: list[Kind]) -> Kind:
    """What is known of a value that is one of several kinds.

    None beside another kind is left out: who uses the value as that other kind has ruled None out.
    """
    real = [kind for kind in kinds if kind.name not in ("never", "None")]
    if not real:
        return kinds[0] if kinds and all(kind.name == "None" for kind in kinds) else (NEVER if kinds else UNKNOWN)
    first = real[0]
    for other in real[1:]:
        if other == first:
            continue
        if other.name == first.name and other.definition is first.definition:
            first = replace(
                first,
                ndim=first.ndim if first.ndim == other.ndim else None,
                dtype=first.dtype if first.dtype == other.dtype else None,
                elements=first.elements if first.elements == other.elements else (),
            )
            continue
        if {first.name, other.name} <= {"int", "float", "scalar", "bool"}:
            first = FLOAT if {first.name, other.name} == {"int", "float"} else SCALAR
            continue
        shared = (first.families | {first.name}) & (other.families | {other.name})
        if not shared:
            return UNKNOWN
        first = Kind(min(shared), frozenset(shared))
    return first


class Kinds:
    """The kinds of the expressions of one file."""

    def __init__(self, tree: Tree, names: Names, reaching: Reaching) -> None:
        self.tree = tree
        self.names = names
        self.reaching = reaching
        self.callers = Callers(tree, names)
        self._cache: dict[ast.AST, Kind] = {}
        self._pending: set[ast.AST] = set()
        self._cyclic = False
        self._provisional: dict[ast.AST, Kind] = {}
        self._returns: dict[ast.AST, Kind] = {}
        self._attributes: dict[ast.ClassDef, dict[str, list[ast.expr | ast.AnnAssign]]] = {}
        self._depth = 0

    # The questions that rules ask

    def of(self, node: ast.AST | None) -> Kind:
        """The kind of an expression."""
        if node is None:
            return UNKNOWN
        cached = self._cache.get(node)
        if cached is not None:
            return cached
        if node in self._pending or self._depth > 60:
            self._cyclic = True
            return NEVER
        outermost = not self._pending
        if outermost:
            self._cyclic = False
            self._provisional.clear()
        else:
            # Definitions that depend on each other: one answer for each within one question, or the work doubles with
            # every definition of the circle.
            provisional = self._provisional.get(node)
            if provisional is not None:
                return provisional
        self._pending.add(node)
        self._depth += 1
        try:
            kind = self._infer(node)
        finally:
            self._depth -= 1
            self._pending.discard(node)
        if outermost and kind.name == "never":
            kind = UNKNOWN
        if outermost or not self._cyclic:
            self._cache[node] = kind
        else:
            self._provisional[node] = kind
        return kind

    def is_a(self, node: ast.AST | None, *families: str) -> bool:
        """Whether an expression is certainly of one of these kinds."""
        return self.of(node).is_a(*families)

    def instance(self, dotted: str) -> Kind | None:
        """The kind of an instance of a library's class."""
        families = libraries.families(dotted)
        return None if families is None else Kind(dotted, frozenset(families))

    def class_instance(self, definition: ast.ClassDef) -> Kind:
        """The kind of an instance of a class of this file: what its bases make of it."""
        families: set[str] = set()
        self._base_families(definition, families, set())
        return Kind("instance", frozenset(families), definition=definition)

    def bases(self, definition: ast.ClassDef) -> frozenset[str]:
        """The dotted names of all known bases of a class, with their families."""
        return self.class_instance(definition).families

    def _base_families(self, definition: ast.ClassDef, families: set[str], seen: set[ast.ClassDef]) -> None:
        if definition in seen:
            return
        seen.add(definition)
        for base in definition.bases:
            node = base.value if isinstance(base, ast.Subscript) else base
            dotted = self.names.dotted(node)
            if dotted is not None:
                families.add(dotted)
                kind = self.instance(dotted)
                if kind is not None:
                    families |= kind.families | {kind.name}
            elif isinstance(node, ast.Name):
                other = self.local_class(node)
                if other is not None:
                    self._base_families(other, families, seen)

    def local_class(self, node: ast.AST) -> ast.ClassDef | None:
        """The class of this file that an expression names."""
        definition = self._definition(node)
        return definition if isinstance(definition, ast.ClassDef) else None

    def local_function(self, node: ast.AST) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The function or method of this file that an expression names."""
        definition = self._definition(node)
        return definition if isinstance(definition, FUNCTIONS) else None

    def _definition(self, node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Name):
            found = self.names.lookup(node)
            if found is not None and len(found[1]) == 1 and found[1][0].how in ("class", "function"):
                return found[1][0].node
        elif isinstance(node, ast.Attribute) and node.attr in self.tree.function_names:
            owner = self._receiver_class(node.value)
            return None if owner is None else self.method(owner, node.attr)
        return None

    def _receiver_class(self, node: ast.expr) -> ast.ClassDef | None:
        if self.is_self(node):
            return self.tree.class_of(node)
        return self.of(node).definition

    def is_self(self, node: ast.AST) -> bool:
        """Whether a name is the first parameter of the method that it is read in."""
        if not isinstance(node, ast.Name):
            return False
        for function in self.tree.functions(node):
            owner = self.tree.parent(function)
            arguments = [*function.args.posonlyargs, *function.args.args]
            if isinstance(owner, ast.ClassDef):
                static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in function.decorator_list)
                return bool(arguments) and arguments[0].arg == node.id and not static
            if any(argument.arg == node.id for argument in arguments):
                return False
        return False

    def method(self, owner: ast.ClassDef, name: str) -> ast.AST | None:
        """The method of a class or of its bases in this file."""
        seen: set[ast.ClassDef] = set()
        pending = [owner]
        while pending:
            definition = pending.pop(0)
            if definition in seen:
                continue
            seen.add(definition)
            for statement in definition.body:
                if isinstance(statement, FUNCTIONS) and statement.name == name:
                    return statement
            for base in definition.bases:
                other = self.local_class(base)
                if other is not None:
                    pending.append(other)
        return None

    def elements(self, node: ast.expr) -> Kind:
        """The kind of what iterating over an expression gives."""
        return self._element(self.of(node))

    # Inference

    def _infer(self, node: ast.AST) -> Kind:
        method = getattr(self, f"_{node.__class__.__name__.lower()}", None)
        if method is None:
            return UNKNOWN
        kind: Kind = method(node)
        return kind

    def _constant(self, node: ast.Constant) -> Kind:
        value = node.value
        if value is None:
            return _NONE
        if isinstance(value, (bool, int, float, str, complex, bytes)):
            return Kind(type(value).__name__)
        return UNKNOWN

    def _joinedstr(self, node: ast.JoinedStr) -> Kind:
        return STR

    def _name(self, node: ast.Name) -> Kind:
        bindings = self.reaching.of(node)
        if not bindings:
            return UNKNOWN
        if self.is_self(node) and bindings[0].how == "parameter":
            owner = self.tree.class_of(node)
            return UNKNOWN if owner is None else self.class_instance(owner)
        return join([self.binding(binding) for binding in bindings])

    def binding(self, binding: Binding) -> Kind:
        """The kind that one binding gives its name."""
        how = binding.how
        if how in ("parameter", "assign", "annotate") and binding.annotation is not None:
            annotated = self.annotation(binding.annotation)
            if annotated.known or (binding.value is None and how != "parameter"):
                return annotated
        if how == "parameter":
            return self._given(binding)
        if how == "assign" or how == "walrus":
            return self._unpack(self.of(binding.value), binding.path)
        if how == "for" and binding.value is not None:
            return self._unpack(self.elements(binding.value), binding.path)
        if how == "with":
            return self._unpack(self._entered(binding.value), binding.path)
        if how == "augment":
            node = binding.node
            assert isinstance(node, ast.AugAssign)
            return self._augmented(node)
        return UNKNOWN

    def _given(self, parameter: Binding) -> Kind:
        """The role of a parameter, where all callers in the file agree on it."""
        values = self.callers.arguments(parameter)
        kind = UNKNOWN if not values else join([self.of(value) for value in values])
        return kind if kind.is_a(*_ROLES) or kind.name == "never" else UNKNOWN

    def _augmented(self, node: ast.AugAssign) -> Kind:
        if not isinstance(node.target, ast.Name):
            return UNKNOWN
        if node in self._pending:  # `x += a` and `x -= b` in one loop reach each other
            self._cyclic = True
            return NEVER
        cached = self._cache.get(node)
        if cached is not None:
            return cached
        self._pending.add(node)
        try:
            before = [self.binding(b) for b in self.reaching.at(node, node.target.id) if b.node is not node]
            old = join(before) if before else UNKNOWN
            # Nothing is known of a value that is still being computed, not even together with one that is.
            kind = old if old.name == "never" else self._arithmetic(old, self.of(node.value), node.op)
        finally:
            self._pending.discard(node)
        if not self._cyclic:
            self._cache[node] = kind
        return kind

    def _entered(self, value: ast.expr | None) -> Kind:
        kind = self.of(value)
        if kind.name in ("h5py.File", "tensorflow.GradientTape") or kind.is_a("h5py.Group"):
            return kind
        return UNKNOWN

    def _unpack(self, kind: Kind, path: tuple[int, ...]) -> Kind:
        for index in path:
            if index < 0:
                return UNKNOWN
            if kind.name == "tuple" and kind.elements:
                kind = kind.elements[index] if index < len(kind.elements) else UNKNOWN
            else:
                kind = self._element(kind)
        return kind

    def _element(self, kind: Kind) -> Kind:
        if kind.name == "list" and kind.elements:
            return kind.elements[0]
        if kind.name == "tuple" and kind.elements:
            return join(list(kind.elements))
        if kind.is_a(*_ARRAYS):
            if kind.ndim is not None and kind.is_a(NDARRAY):
                return SCALAR if kind.ndim == 1 else replace(kind, ndim=kind.ndim - 1)
            if kind.is_a(NDARRAY):
                return UNKNOWN  # a scalar or a row: not known without the number of dimensions
            return replace(kind, ndim=None if kind.ndim is None else kind.ndim - 1)
        if kind.name == "range":
            return INT
        if kind.name == "jax.random.keys":
            return Kind(JAX_KEY)
        return UNKNOWN

    def annotation(self, node: ast.expr) -> Kind:
        """The kind that an annotation promises."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                parsed = ast.parse(node.value.strip(), mode="eval").body
            except (SyntaxError, ValueError):
                return UNKNOWN
            return self._quoted(parsed, node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return join([self.annotation(node.left), self.annotation(node.right)])
        if isinstance(node, ast.Constant) and node.value is None:
            return _NONE
        if isinstance(node, ast.Subscript):
            return self._generic(node, self.names.dotted(node.value) or _last(node.value))
        return self._from_type(self.names.dotted(node), node)

    def _quoted(self, parsed: ast.expr, at: ast.AST) -> Kind:
        """A string annotation: its names are looked up where it stands."""
        if isinstance(parsed, ast.BinOp) and isinstance(parsed.op, ast.BitOr):
            return join([self._quoted(parsed.left, at), self._quoted(parsed.right, at)])
        text = ast.unparse(parsed)
        head, _, rest = text.partition(".")
        if not text.replace(".", "").isidentifier():
            if isinstance(parsed, ast.Subscript) and _last(parsed.value) == "Optional":
                return self._quoted(parsed.slice, at)
            return _NONE if text == "None" else UNKNOWN
        found = self.names.lookup_from(self.tree.scope(at), head)
        if found is None:
            return self._from_type(None, ast.Name(text))
        scope, bindings = found
        if not rest and len(bindings) == 1 and isinstance(bindings[0].node, ast.ClassDef):
            return self.class_instance(bindings[0].node)
        meaning = self.names.meaning(scope, head, bindings)
        if meaning is None:
            return UNKNOWN
        return self._from_type(canonical(f"{meaning}.{rest}" if rest else meaning), None)

    def _generic(self, node: ast.Subscript, base: str) -> Kind:
        last = base.rpartition(".")[2]
        inner = node.slice
        parts = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
        if last in ("Optional", "Annotated", "Final", "ClassVar", "Required"):
            return self.annotation(parts[0])
        if last == "Union":
            return join([self.annotation(part) for part in parts])
        if last in ("List", "list", "Sequence", "Iterable", "Iterator", "Generator", "Collection"):
            return Kind("list", elements=(self.annotation(parts[0]),))
        if last in ("Tuple", "tuple"):
            if len(parts) == 2 and isinstance(parts[1], ast.Constant) and parts[1].value is ...:
                return Kind("list", elements=(self.annotation(parts[0]),))
            return Kind("tuple", elements=tuple(self.annotation(part) for part in parts))
        if base.startswith(("jaxtyping.", "numpy.typing.")) or last == "NDArray":
            return Kind(NDARRAY) if last == "NDArray" else self.annotation(parts[0])
        return self._from_type(self.names.dotted(node.value), node.value)

    def _from_type(self, dotted: str | None, node: ast.AST | None) -> Kind:
        if dotted is None:
            definition = None if node is None or not hasattr(node, "lineno") else self.local_class(node)
            return UNKNOWN if definition is None else self.class_instance(definition)
        if dotted in ("int", "float", "bool", "str"):
            return Kind(dotted)
        if dotted in ("list", "dict", "tuple", "set"):
            return Kind(dotted)
        if dotted in ("torch.Tensor", "torch.FloatTensor", "torch.LongTensor", "numpy.ndarray", "jax.Array"):
            return Kind(TENSOR if dotted.startswith("torch.") else dotted)
        if dotted in ("jax.numpy.ndarray", "jaxlib.xla_extension.ArrayImpl", "chex.Array", "jax.typing.ArrayLike"):
            return Kind(JAX_ARRAY) if dotted != "jax.typing.ArrayLike" else UNKNOWN
        if dotted in (
            "pandas.DataFrame",
            "pandas.Series",
            "tensorflow.Tensor",
            "tensorflow.data.Dataset",
            "torch.device",
        ):
            return Kind(dotted)
        if dotted == "torch.optim.Optimizer":
            return Kind(OPTIMIZER)
        if dotted == "torch.nn.Module":
            return Kind(MODULE)
        return self.instance(dotted) or UNKNOWN

    # Calls

    def _call(self, node: ast.Call) -> Kind:
        func = node.func
        dotted = self.names.dotted(func)
        if dotted is not None:
            return self._library_call(dotted, node)
        definition = self._definition(func)
        if isinstance(definition, ast.ClassDef):
            return self.class_instance(definition)
        if isinstance(definition, ast.FunctionDef):
            return self.returned(definition)
        if isinstance(func, ast.Attribute):
            own = self.of(func)
            if own.known:
                return self._called(own, node)
            return self._method_call(self.of(func.value), func.attr, node)
        return self._called(self.of(func), node)

    def _library_call(self, dotted: str, node: ast.Call) -> Kind:
        builtin = self._builtin_call(dotted, node)
        if builtin is not None:
            return builtin
        if dotted.partition(".")[0] not in libraries.ROOTS:
            return UNKNOWN
        spec = libraries.returns(dotted)
        if spec is not None:
            return self._result(spec, node, None, dotted)
        instance = self.instance(dotted)
        if instance is not None:
            return instance
        if "." in dotted:  # an alternative constructor, or a function of a module: `X.from_pretrained(...)`
            owner, _, name = dotted.rpartition(".")
            if name in ("from_pretrained", "from_config", "from_numpy", "load_from_checkpoint", "from_state_dict"):
                return self.instance(owner) or UNKNOWN
        return UNKNOWN

    def _builtin_call(self, dotted: str, node: ast.Call) -> Kind | None:
        if "." in dotted:
            return None
        arguments = node.args
        if dotted in ("len", "round", "int"):
            return INT if dotted != "round" or len(arguments) < 2 else FLOAT
        if dotted in ("float", "bool", "str", "dict", "set"):
            return Kind(dotted)
        if dotted == "range":
            return Kind("range")
        if dotted in ("enumerate", "zip"):
            parts = [self.elements(argument) for argument in arguments if not isinstance(argument, ast.Starred)]
            if dotted == "enumerate":
                parts = [INT, *parts[:1]]
            return Kind("list", elements=(Kind("tuple", elements=tuple(parts)),))
        if dotted in ("list", "tuple", "sorted", "reversed", "iter") and len(arguments) == 1:
            return Kind("list", elements=(self.elements(arguments[0]),))
        if dotted == "list" or dotted == "tuple":
            return Kind(dotted)
        if dotted == "next" and arguments:
            return self.elements(arguments[0])
        if dotted == "abs" and arguments:
            return self.of(arguments[0])
        if dotted == "super":
            return UNKNOWN
        return UNKNOWN

    def _method_call(self, receiver: Kind, name: str, node: ast.Call) -> Kind:
        spec = _member(libraries.method, receiver, name)
        if spec is not None:
            return self._result(spec, node, receiver, name)
        if receiver.name in ("list", "tuple") and name in ("copy",):
            return receiver
        if receiver.name == "str":
            return Kind("list", elements=(STR,)) if name in ("split", "rsplit", "splitlines") else STR
        if receiver.is_a(TRANSFORMER) and name in ("fit_transform", "transform"):
            return UNKNOWN
        return UNKNOWN

    def _called(self, kind: Kind, node: ast.Call) -> Kind:
        """Calling an instance."""
        if kind.is_a(LOSS) or kind.is_a("torch.nn.Layer"):
            return Kind(TENSOR)
        if kind.definition is not None and kind.is_a(MODULE):
            forward = self.method(kind.definition, "forward")
            if isinstance(forward, ast.FunctionDef):
                return self.returned(forward)
        if kind.is_a("keras.layers.Layer", "keras.losses.Loss"):
            return Kind(TF_TENSOR)
        return UNKNOWN

    def returned(self, function: ast.FunctionDef) -> Kind:
        """The kind of what a function of this file returns."""
        cached = self._returns.get(function)
        if cached is not None:
            return cached
        self._returns[function] = NEVER  # a recursive call adds nothing
        kind = UNKNOWN
        if function.returns is not None:
            kind = self.annotation(function.returns)
        if not kind.known:
            values: list[Kind] = []
            generator = False
            for inner in walk_scope(function):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    values.append(self.of(inner.value))
                generator = generator or isinstance(inner, (ast.Yield, ast.YieldFrom))
            decorated = any(self.names.dotted(_callee(d)) not in _TRANSPARENT for d in function.decorator_list)
            kind = UNKNOWN if generator or decorated or not values else join(values)
            if kind.name == "never":
                kind = UNKNOWN
        self._returns[function] = kind
        return kind

    def _result(self, spec: str, node: ast.Call, receiver: Kind | None, name: str) -> Kind:
        """The kind that a table entry stands for, for this call."""
        from mlint.model import results

        return results.result(self, spec, node, receiver, name)

    # Other expressions

    def _attribute(self, node: ast.Attribute) -> Kind:
        owner = self._receiver_class(node.value)
        if owner is not None:
            values = self.attribute_values(owner, node.attr)
            if values:
                return join([self._attribute_value(value) for value in values])
        receiver = self.of(node.value)
        spec = _member(libraries.attribute, receiver, node.attr)
        if spec is None:
            return UNKNOWN
        from mlint.model import results

        kind = results.parse(spec, receiver)
        if node.attr == "T" and receiver.ndim is not None:
            return replace(kind, ndim=receiver.ndim, dtype=receiver.dtype)
        return kind

    def _attribute_value(self, value: ast.expr | ast.AnnAssign) -> Kind:
        if isinstance(value, ast.AnnAssign):
            kind = self.annotation(value.annotation)
            return kind if kind.known or value.value is None else self.of(value.value)
        return self.of(value)

    def attribute_values(self, owner: ast.ClassDef, name: str) -> list[ast.expr | ast.AnnAssign]:
        """Everything that a class of this file, or its bases, assigns to an attribute of self."""
        values: list[ast.expr | ast.AnnAssign] = []
        pending, seen = [owner], set()
        while pending:
            definition = pending.pop(0)
            if definition in seen:
                continue
            seen.add(definition)
            values.extend(self._own_attributes(definition).get(name, ()))
            pending.extend(base for base in map(self.local_class, definition.bases) if base is not None)
        return values

    def _own_attributes(self, definition: ast.ClassDef) -> dict[str, list[ast.expr | ast.AnnAssign]]:
        found = self._attributes.get(definition)
        if found is not None:
            return found
        found = self._attributes[definition] = {}
        for statement in definition.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                found.setdefault(statement.target.id, []).append(statement)
            if not isinstance(statement, FUNCTIONS):
                continue
            arguments = [*statement.args.posonlyargs, *statement.args.args]
            if not arguments:
                continue
            receiver = arguments[0].arg
            for inner in walk_blocks(statement.body, own=True):
                if isinstance(inner, ast.Assign):
                    for target in inner.targets:
                        if _is_attribute_of(target, receiver):
                            found.setdefault(target.attr, []).append(inner.value)  # type: ignore[attr-defined]
                        elif isinstance(target, (ast.Tuple, ast.List)):
                            for element in target.elts:
                                if _is_attribute_of(element, receiver):
                                    # Unpacked: not followed, so not known.
                                    found.setdefault(element.attr, []).append(ast.Constant(...))  # type: ignore[attr-defined]
                elif isinstance(inner, ast.AnnAssign) and _is_attribute_of(inner.target, receiver):
                    found.setdefault(inner.target.attr, []).append(inner)  # type: ignore[union-attr]
        return found

    def _subscript(self, node: ast.Subscript) -> Kind:
        from mlint.model import results

        return results.subscript(self, node)

    def _binop(self, node: ast.BinOp) -> Kind:
        return self._arithmetic(self.of(node.left), self.of(node.right), node.op)

    def _arithmetic(self, left: Kind, right: Kind, op: ast.operator) -> Kind:
        from mlint.model import results

        return results.arithmetic(left, right, op)

    def _unaryop(self, node: ast.UnaryOp) -> Kind:
        return BOOL if isinstance(node.op, ast.Not) else self.of(node.operand)

    def _compare(self, node: ast.Compare) -> Kind:
        if len(node.ops) != 1 or isinstance(node.ops[0], (ast.In, ast.NotIn, ast.Is, ast.IsNot)):
            return BOOL
        from mlint.model import results

        kind = results.arithmetic(self.of(node.left), self.of(node.comparators[0]), ast.Add())
        if kind.name in _SCALARS:
            return BOOL
        return replace(kind, dtype="bool") if kind.known else UNKNOWN

    def _ifexp(self, node: ast.IfExp) -> Kind:
        return join([self.of(node.body), self.of(node.orelse)])

    def _boolop(self, node: ast.BoolOp) -> Kind:
        return join([self.of(value) for value in node.values])

    def _namedexpr(self, node: ast.NamedExpr) -> Kind:
        return self.of(node.value)

    def _list(self, node: ast.List) -> Kind:
        return self._display(node, "list")

    def _tuple(self, node: ast.Tuple) -> Kind:
        if any(isinstance(element, ast.Starred) for element in node.elts):
            return Kind("list")
        return Kind("tuple", elements=tuple(self.of(element) for element in node.elts))

    def _display(self, node: ast.List, name: str) -> Kind:
        if not node.elts or any(isinstance(element, ast.Starred) for element in node.elts):
            return Kind(name)
        element = join([self.of(item) for item in node.elts])
        return Kind(name, elements=(element,) if element.known else ())

    def _listcomp(self, node: ast.ListComp) -> Kind:
        element = self.of(node.elt)
        return Kind("list", elements=(element,) if element.known else ())

    def _generatorexp(self, node: ast.GeneratorExp) -> Kind:
        element = self.of(node.elt)
        return Kind("list", elements=(element,) if element.known else ())

    def _dict(self, node: ast.Dict) -> Kind:
        return Kind("dict")

    def _dictcomp(self, node: ast.DictComp) -> Kind:
        return Kind("dict")

    def _set(self, node: ast.Set) -> Kind:
        return Kind("set")

    def _setcomp(self, node: ast.SetComp) -> Kind:
        return Kind("set")

    def _starred(self, node: ast.Starred) -> Kind:
        return UNKNOWN


_TRANSPARENT = frozenset(
    {
        "torch.no_grad",
        "torch.inference_mode",
        "torch.enable_grad",
        "torch.jit.script",
        "torch.compile",
        "jax.jit",
        "functools.lru_cache",
        "functools.cache",
        "staticmethod",
        "classmethod",
        "numba.njit",
        "numba.jit",
        "tensorflow.function",
    }
)
"""Decorators that leave what a function returns as it is."""


def _member(look_up: Callable[[str, str], str | None], receiver: Kind, name: str) -> str | None:
    """What the tables say about a method or an attribute of a kind."""
    for family in (receiver.name, *sorted(receiver.families)):
        spec = look_up(family, name)
        if spec is not None:
            return spec
    return None


def _callee(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def _last(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_attribute_of(node: ast.AST, receiver: str) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == receiver
