"""The kinds of the expressions of one file: what is asked, what is remembered, and who answers for which node."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mlint.model import libraries
from mlint.model.callers import Callers
from mlint.model.kinds import classes
from mlint.model.kinds.value import (
    BOOL,
    DATA_LOADER,
    GRAD_SCALER,
    LIGHTNING_MODULE,
    LOSS,
    MODULE,
    NDARRAY,
    NEVER,
    NONE,
    OPTIMIZER,
    SCHEDULER,
    STR,
    UNKNOWN,
    Kind,
    iterable,
    join,
)
from mlint.model.names import Binding, Names
from mlint.model.reaching import Reaching
from mlint.model.tree import FUNCTIONS, Tree

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.model.kinds.containers import Containers
    from mlint.model.kinds.outside import Setting

_ROLES = (MODULE, LOSS, OPTIMIZER, SCHEDULER, GRAD_SCALER, DATA_LOADER, LIGHTNING_MODULE, "accelerate.Accelerator")
"""Objects that a program builds once and hands around. What the callers in a file give for a parameter tells its kind
for these only: data of another kind than the callers of the file give may well come from outside. Of a function that
nobody outside is meant to call, the callers in the file tell all."""
_DISPLAYS = (ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_CONTAINERS = frozenset("list tuple set frozenset dict sorted range zip enumerate map filter reversed".split())
_VIEWS = frozenset("items keys values modules children parameters named_parameters named_modules split".split())
_LONGEST_NAME = 100
_LAST_NAME = re.compile(r"\w*$").search
_DEEPEST = 40
_depth = [0]
"""How many questions are open at this moment, in all files together: one file's kinds ask those of another one."""


class Kinds:
    """The kinds of the expressions of one file.

    Args:
        tree: the tree of the file.
        names: its names.
        reaching: its definitions and uses.
        model: the model of the file, which leads to the other files of the project.
    """

    def __init__(self, tree: Tree, names: Names, reaching: Reaching, model: FileModel | None = None) -> None:
        self.tree = tree
        self.names = names
        self.reaching = reaching
        self.model = model
        self.callers = Callers(tree, names)
        self._cache: dict[ast.AST, Kind] = {}
        self._pending: set[ast.AST] = set()
        self._cyclic = False
        self._provisional: dict[ast.AST, Kind] = {}
        self._containers: Containers | None = None
        self._declared: dict[str, list[ast.Global | ast.Nonlocal]] | None = None
        self._compared: frozenset[str] | None = None
        self.outside: dict[str, list[Setting]] | None = None
        self._foreign: dict[str, tuple[Kinds, ast.AST] | None] = {}
        self.returns: dict[ast.AST, Kind] = {}
        self.attributes: dict[ast.ClassDef, dict[str, list[ast.expr | ast.AnnAssign]]] = {}
        self.instances: dict[ast.ClassDef, Kind] = {}

    # The questions that rules ask

    def of(self, node: ast.AST | None) -> Kind:
        """The kind of an expression."""
        if node is None:
            return UNKNOWN
        cached = self._cache.get(node)
        if cached is not None:
            return cached
        infer = _INFER.get(node.__class__)
        return UNKNOWN if infer is None else self.settle(node, infer)

    def settle(self, node: ast.AST, infer: Callable[[Kinds, Any], Kind]) -> Kind:
        """What ``infer`` says of a node, once; a node that is asked about while it is inferred says nothing."""
        if node in self._pending or _depth[0] > _DEEPEST:
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
        _depth[0] += 1
        try:
            kind = infer(self, node)
        finally:
            _depth[0] -= 1
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

    def written_out(self, node: ast.expr) -> bool:
        """Whether an expression, or a value that its name may have, is a list, dict or the like that is written out:
        a look at the syntax, which spares the question of which elements.
        """
        if isinstance(node, ast.Call):
            func = node.func
            if isinstance(func, ast.Attribute):
                return func.attr in _VIEWS and not node.args
            return isinstance(func, ast.Name) and func.id in _CONTAINERS and self.names.dotted(func) in _CONTAINERS
        if isinstance(node, ast.Name):
            return any(
                binding.how == "assign"
                and not binding.path
                and binding.value is not None
                and not isinstance(binding.value, ast.Name)
                and self.written_out(binding.value)
                for binding in self.reaching.of(node) or ()
            )
        return isinstance(node, _DISPLAYS)

    def instance(self, dotted: str) -> Kind | None:
        """The kind of an instance of a library's class."""
        families = libraries.families(dotted)
        return None if families is None else Kind(dotted, frozenset(families))

    def class_instance(self, definition: ast.ClassDef) -> Kind:
        """The kind of an instance of a class of this file: what its bases make of it."""
        return classes.instance(self, definition)

    def bases(self, definition: ast.ClassDef) -> frozenset[str]:
        """The dotted names of all known bases of a class, with their families."""
        return self.class_instance(definition).families

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
            owner = self.receiver_class(node.value)
            return None if owner is None else self.method(owner, node.attr)
        return None

    def receiver_class(self, node: ast.expr) -> ast.ClassDef | None:
        """The class of this file of which an expression is an instance."""
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
        return next((found for home, found in classes.methods(self, owner, name) if home is self), None)

    def elements(self, node: ast.expr) -> Kind:
        """The kind of what iterating over an expression gives."""
        return element(self.of(node))

    def returned(self, function: ast.FunctionDef) -> Kind:
        """The kind of what a function of this file returns."""
        from mlint.model.kinds import functions

        return functions.returned(self, function)

    def annotation(self, node: ast.expr) -> Kind:
        """The kind that an annotation promises."""
        from mlint.model.kinds import annotated

        return annotated.promised(self, node)

    def attribute_values(self, owner: ast.ClassDef, name: str) -> list[ast.expr | ast.AnnAssign]:
        """Everything that a class of this file, or its bases in it, assigns to an attribute of self."""
        return [value for _, value in classes.attribute_values(self, owner, name, abroad=False)]

    def foreign(self, dotted: str) -> tuple[Kinds, ast.AST] | None:
        """The function or class of another file of the project that a dotted name refers to, with its kinds."""
        if dotted not in self._foreign:
            self._foreign[dotted] = self._find_foreign(dotted)
        return self._foreign[dotted]

    def _find_foreign(self, dotted: str) -> tuple[Kinds, ast.AST] | None:
        model = self.model
        if model is None or model.project is None or dotted.partition(".")[0] in libraries.ROOTS:
            return None
        found = model.project.definition(dotted, model.source.path)
        if found is None:
            return None
        model.depends_on(found[0])
        return found[0].kinds, found[1]

    # Names

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
            kind = unpacked(self.of(binding.value), binding.path)
            if kind.name in ("list", "dict", "set") and not binding.path:
                return self.containers.grown(kind, binding)
            return kind
        if how == "for" and binding.value is not None:
            return unpacked(self.elements(binding.value), binding.path)
        if how == "with":
            return unpacked(self._entered(binding.value), binding.path)
        if how == "augment":
            assert isinstance(binding.node, ast.AugAssign)
            return self._augmented(binding.node)
        if how in ("function", "class") and getattr(binding.node, "decorator_list", None):
            from mlint.model.kinds import functions

            return functions.replaced(self, binding.node)
        if how == "match":
            from mlint.model.kinds import narrowing

            return narrowing.matched(self, binding.node)
        return UNKNOWN

    @property
    def declared(self) -> dict[str, list[ast.Global | ast.Nonlocal]]:
        """The names that functions of the file declare to be of an outer scope."""
        if self._declared is None:
            from mlint.model.kinds import rebound

            self._declared = rebound.declared(self)
        return self._declared

    @property
    def compared_with_none(self) -> frozenset[str]:
        """The names that the file compares with None."""
        if self._compared is None:
            text = self.names.text
            self._compared = frozenset() if text is None else frozenset(_compared(text))
        return self._compared

    @property
    def containers(self) -> Containers:
        """What the file puts into its lists and dicts."""
        if self._containers is None:
            from mlint.model.kinds.containers import Containers

            self._containers = Containers(self)
        return self._containers

    def _given(self, parameter: Binding) -> Kind:
        """The kind of a parameter that all callers in the file agree on: of a role, or of a private function."""
        values = self.callers.arguments(parameter)
        kind = UNKNOWN if not values else join([self.of(value) for value in values])
        if kind.known:
            from mlint.model.kinds import functions

            kind = functions.handed(self, parameter.node, kind)
        if kind.is_a(*_ROLES) or kind.name == "never" or self._is_private(parameter.node):
            return kind
        return UNKNOWN

    def _is_private(self, parameter: ast.AST) -> bool:
        """Whether only this file is meant to call the function of a parameter."""
        function = self.tree.parent(parameter)
        if isinstance(function, ast.arguments):
            function = self.tree.parent(function)
        if not isinstance(function, ast.FunctionDef):
            return False
        owner = self.tree.parent(function)
        if isinstance(owner, ast.ClassDef):
            return False  # subclasses and instances elsewhere
        return function.name.startswith("_") or not isinstance(owner, ast.Module)

    def _augmented(self, node: ast.AugAssign) -> Kind:
        if not isinstance(node.target, ast.Name):
            return UNKNOWN
        cached = self._cache.get(node)
        # `x += a` and `x -= b` in one loop reach each other.
        return cached if cached is not None else self.settle(node, _infer_augmented)

    def _entered(self, value: ast.expr | None) -> Kind:
        kind = self.of(value)
        if kind.name in _ENTERED or kind.is_a("h5py.Group"):
            return kind
        if kind.known and not kind.is_first_party:
            return UNKNOWN
        from mlint.model.kinds import contexts

        return contexts.entered(self, value, kind)


_ENTERED = frozenset({"h5py.File", "tensorflow.GradientTape"})
"""Context managers that enter as themselves."""


def unpacked(kind: Kind, path: Sequence[int]) -> Kind:
    """The kind of a part of an unpacked value."""
    for index in path:
        if kind.alternatives:
            kind = join([unpacked(alternative, (index,)) for alternative in kind.alternatives])
        elif kind.name in ("tuple", "list") and (len(kind.elements) > 1 or kind.name == "tuple") and kind.elements:
            kind = kind.elements[index] if 0 <= index < len(kind.elements) else UNKNOWN
        elif index < 0:
            return UNKNOWN
        else:
            kind = element(kind)
    return kind


def element(kind: Kind) -> Kind:
    """The kind of what iterating over a value gives."""
    from mlint.model.kinds import iteration

    return iteration.element(kind)


def _infer_constant(kinds: Kinds, node: ast.Constant) -> Kind:
    value = node.value
    if value is None:
        return NONE
    if isinstance(value, (bool, int, float, str, complex, bytes)):
        return Kind(type(value).__name__)
    return UNKNOWN


def _infer_name(kinds: Kinds, node: ast.Name) -> Kind:
    bindings = kinds.reaching.of(node)
    if not bindings:
        return UNKNOWN
    if bindings[0].how == "parameter" and kinds.is_self(node):
        owner = kinds.tree.class_of(node)
        if owner is None or classes.is_class_method(kinds, node):
            return UNKNOWN
        return kinds.class_instance(owner)
    kind = join([kinds.binding(binding) for binding in bindings])
    if kind.known and kinds.declared:
        from mlint.model.kinds import rebound

        kind = join([kind, *(kinds.binding(binding) for binding in rebound.bindings(kinds, node))])
    if kind.name == "unknown" or kind.alternatives:
        from mlint.model.kinds import narrowing

        kind = narrowing.narrowed(kinds, node, kind)
    if kind.known and node.id in kinds.compared_with_none:
        from mlint.model.kinds import narrowing

        return NONE if narrowing.is_none(kinds, node) else kind
    return kind


def _compared(text: str) -> Iterator[str]:
    """The names in front of ``is None`` and ``is not None``."""
    parts = text.split(" None")  # several times as fast as a regular expression over the whole text
    for before in parts[:-1]:
        test = before[-_LONGEST_NAME:]
        if test.endswith(" is not"):
            test = test[:-7]
        elif test.endswith(" is"):
            test = test[:-3]
        else:
            continue
        name = _LAST_NAME(test)
        if name is not None:
            yield name[0]


def _infer_augmented(kinds: Kinds, node: ast.AugAssign) -> Kind:
    assert isinstance(node.target, ast.Name)
    before = [kinds.binding(b) for b in kinds.reaching.at(node, node.target.id) if b.node is not node]
    old = join(before) if before else UNKNOWN
    if old.name == "never":
        return old  # nothing is known of a value that is still being computed, not even together with one that is
    if old.is_a(NDARRAY):
        return old  # changed in place, whatever is on the other side
    return _arithmetic(old, kinds.of(node.value), node.op)


def _arithmetic(left: Kind, right: Kind, op: ast.operator) -> Kind:
    from mlint.model.kinds import arithmetic

    return arithmetic.arithmetic(left, right, op)


def _infer_call(kinds: Kinds, node: ast.Call) -> Kind:
    from mlint.model.kinds import calls

    return calls.called(kinds, node)


def _infer_attribute(kinds: Kinds, node: ast.Attribute) -> Kind:
    from mlint.model.kinds import members

    return members.attribute(kinds, node)


def _infer_subscript(kinds: Kinds, node: ast.Subscript) -> Kind:
    from mlint.model.kinds import subscripts

    return subscripts.subscript(kinds, node)


def _infer_binop(kinds: Kinds, node: ast.BinOp) -> Kind:
    return _arithmetic(kinds.of(node.left), kinds.of(node.right), node.op)


def _infer_unaryop(kinds: Kinds, node: ast.UnaryOp) -> Kind:
    if isinstance(node.op, ast.Not):
        return BOOL
    kind = kinds.of(node.operand)
    return Kind("int") if kind.name == "bool" else kind


def _infer_compare(kinds: Kinds, node: ast.Compare) -> Kind:
    if len(node.ops) != 1 or isinstance(node.ops[0], (ast.In, ast.NotIn, ast.Is, ast.IsNot)):
        return BOOL if all(isinstance(op, (ast.In, ast.NotIn, ast.Is, ast.IsNot)) for op in node.ops) else UNKNOWN
    from mlint.model.kinds import arithmetic

    return arithmetic.comparison(kinds.of(node.left), kinds.of(node.comparators[0]))


def _infer_ifexp(kinds: Kinds, node: ast.IfExp) -> Kind:
    return join([kinds.of(node.body), kinds.of(node.orelse)])


def _infer_boolop(kinds: Kinds, node: ast.BoolOp) -> Kind:
    return join([kinds.of(value) for value in node.values])


def _infer_walrus(kinds: Kinds, node: ast.NamedExpr) -> Kind:
    return kinds.of(node.value)


def _infer_list(kinds: Kinds, node: ast.List) -> Kind:
    return _display(kinds, node.elts, "list")


def _infer_set(kinds: Kinds, node: ast.Set) -> Kind:
    return _display(kinds, node.elts, "set")


def _display(kinds: Kinds, parts: list[ast.expr], name: str) -> Kind:
    if not parts:
        return Kind(name)
    return iterable(
        join([kinds.elements(p.value) if isinstance(p, ast.Starred) else kinds.of(p) for p in parts]), name
    )


def _infer_tuple(kinds: Kinds, node: ast.Tuple) -> Kind:
    if any(isinstance(part, ast.Starred) for part in node.elts):
        return Kind("tuple")
    return Kind("tuple", elements=tuple(kinds.of(part) for part in node.elts))


def _infer_listcomp(kinds: Kinds, node: ast.ListComp) -> Kind:
    return iterable(kinds.of(node.elt), "list")


def _infer_setcomp(kinds: Kinds, node: ast.SetComp) -> Kind:
    return iterable(kinds.of(node.elt), "set")


def _infer_generator(kinds: Kinds, node: ast.GeneratorExp) -> Kind:
    return iterable(kinds.of(node.elt))


def _infer_dict(kinds: Kinds, node: ast.Dict) -> Kind:
    if not node.values or any(key is None for key in node.keys):
        return Kind("dict")
    return iterable(join([kinds.of(value) for value in node.values]), "dict")


def _infer_dictcomp(kinds: Kinds, node: ast.DictComp) -> Kind:
    return iterable(kinds.of(node.value), "dict")


_INFER: dict[type, Callable[[Kinds, Any], Kind]] = {
    ast.Constant: _infer_constant,
    ast.JoinedStr: lambda kinds, node: STR,
    ast.Name: _infer_name,
    ast.Call: _infer_call,
    ast.Attribute: _infer_attribute,
    ast.Subscript: _infer_subscript,
    ast.BinOp: _infer_binop,
    ast.UnaryOp: _infer_unaryop,
    ast.Compare: _infer_compare,
    ast.IfExp: _infer_ifexp,
    ast.BoolOp: _infer_boolop,
    ast.NamedExpr: _infer_walrus,
    ast.List: _infer_list,
    ast.Tuple: _infer_tuple,
    ast.Set: _infer_set,
    ast.Dict: _infer_dict,
    ast.ListComp: _infer_listcomp,
    ast.SetComp: _infer_setcomp,
    ast.GeneratorExp: _infer_generator,
    ast.DictComp: _infer_dictcomp,
}
"""Node type → what infers the kind of such a node."""
