"""Patterns: one text is both the matcher of an expression and the template of its replacement.

``"torch.log(torch.softmax($x, $*args))"`` matches by meaning: names are resolved through the imports of the file, the
functions, functionals and methods that are one operation match each other, keywords may stand in any order, and the
operands of ``+`` and ``*`` may be swapped. ``$x`` is any expression, ``$x:Kind`` one of a proven kind (`Tensor`,
`Array`, `DataFrame`, …), ``$*args`` the rest of the arguments. The same metavariable twice must be the same code twice.

The replacement is written the same way. It keeps the form that the code uses: where the matched code says
``F.softmax(x, 1)``, the template ``torch.log_softmax($x, $*args)`` becomes ``F.log_softmax(x, 1)``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from mlint.model import kinds as _kinds
from mlint.model.libraries.operations import Form, Operation, by_function
from mlint.model.names import expand
from mlint.model.tree import walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel

Rest: TypeAlias = Sequence[ast.expr | ast.keyword]
Bound: TypeAlias = ast.expr | Rest

_VARIABLE = "_mlint_v_"
_REST = "_mlint_r_"
_METAVARIABLE = re.compile(r"\$(\*?)([A-Za-z_]\w*)(?::([A-Z]\w*))?")
_BACK = re.compile(rf"\*?({_VARIABLE}|{_REST})(\w+)")

KINDS: Mapping[str, tuple[str, ...]] = {
    "Tensor": (_kinds.TENSOR,),
    "Array": (_kinds.NDARRAY,),
    "JaxArray": (_kinds.JAX_ARRAY,),
    "TFTensor": (_kinds.TF_TENSOR,),
    "DataFrame": (_kinds.DATAFRAME,),
    "Series": (_kinds.SERIES,),
    "Module": (_kinds.MODULE,),
    "Optimizer": (_kinds.OPTIMIZER,),
}


class PatternError(ValueError):
    """A pattern that cannot be read."""


class Match:
    """What a pattern found.

    Attributes:
        node: the matched expression.
        pattern: the text of the pattern.
        variables: metavariable → expression, or for ``$*rest`` the list of arguments.
        forms: which spelling of each operation the code uses, outermost first, with the call.
        calls: the matched calls of functions of a library, outermost first.
        proven: whether the receiver of every method is known to be what the method's name suggests.
        names: the local names that were looked through: the read, and the assignment that gave the value.
    """

    def __init__(self, node: ast.expr, pattern: str, state: _State) -> None:
        self.node = node
        self.pattern = pattern
        self.variables = dict(state.variables)
        self.forms = list(state.forms)
        self.calls = list(state.calls)
        self.proven = state.proven
        self.names = list(state.names)

    def __getitem__(self, name: str) -> ast.expr:
        """The expression that a metavariable stands for."""
        bound = self.variables[name]
        assert isinstance(bound, ast.AST)
        return bound


class Pattern:
    """A compiled pattern.

    Args:
        text: the pattern.
        through_names: whether a local name may stand for a part of the pattern that was assigned to it just before.

    Raises:
        PatternError: if the text is not an expression, or names nothing to look for.
    """

    def __init__(self, text: str, *, through_names: bool = False) -> None:
        self.text = text
        self.through_names = through_names
        self.kinds: dict[str, tuple[str, ...]] = {}
        self.root = _parse(text, self.kinds)
        self.anchor, self.depth = _anchor(self.root, text)
        self.words = frozenset(_tails(self.anchor))

    def match(self, call: ast.AST, model: FileModel) -> Match | None:
        """The match whose anchor (the first call in the pattern) is ``call``."""
        node: ast.AST | None = call
        for _ in range(self.depth):
            node = None if node is None else model.tree.parent(node)
        if not isinstance(node, ast.expr):
            return None
        return self.match_expression(node, model)

    def match_expression(self, node: ast.expr, model: FileModel) -> Match | None:
        """The match of the whole pattern with one expression."""
        matcher = _Matcher(model, self.kinds, self.through_names)
        state = matcher.match(self.root, node, _State({}))
        if state is None:
            return None
        return Match(node, self.text, state)


class Template:
    """A replacement, written as a pattern."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.root = _parse(text, {})

    def render(self, match: Match, model: FileModel) -> tuple[str, list[str]] | None:
        """The template for one match: its text with ``$x`` and ``$*rest`` still in it, and the imports that it needs.

        None where the form that the code uses cannot take the arguments.
        """
        writer = _Writer(match, model)
        written = writer.visit(_copy(self.root))
        if writer.failed:
            return None
        text = ast.unparse(ast.fix_missing_locations(written))
        text = _BACK.sub(lambda m: ("$*" if m.group(1) == _REST else "$") + m.group(2), text)
        return text, writer.imports


def _parse(text: str, kinds: dict[str, tuple[str, ...]]) -> ast.expr:
    def replace(found: re.Match[str]) -> str:
        star, name, kind = found.groups()
        if kind is not None:
            if kind not in KINDS:
                raise PatternError(f"{text!r}: unknown kind {kind}")
            kinds[name] = KINDS[kind]
        return f"*{_REST}{name}" if star else f"{_VARIABLE}{name}"

    try:
        return ast.parse(_METAVARIABLE.sub(replace, text), mode="eval").body
    except SyntaxError as error:
        raise PatternError(f"{text!r} is not an expression") from error


def _copy(node: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(node), mode="eval").body


def dotted_text(node: ast.AST) -> str | None:
    """The dotted text of a chain of names, as it is written."""
    if isinstance(node, ast.Name):
        return None if node.id.startswith((_VARIABLE, _REST)) else node.id
    if isinstance(node, ast.Attribute):
        base = dotted_text(node.value)
        return None if base is None else f"{base}.{node.attr}"
    return None


def _anchor(root: ast.expr, text: str) -> tuple[ast.Call, int]:
    """The first call with a known name, and how deep it stands."""
    pending: list[tuple[ast.AST, int]] = [(root, 0)]
    while pending:
        node, depth = pending.pop(0)
        if isinstance(node, ast.Call) and (dotted_text(node.func) is not None or isinstance(node.func, ast.Attribute)):
            return node, depth
        pending.extend((child, depth + 1) for child in ast.iter_child_nodes(node))
    raise PatternError(f"{text!r} has no call to look for")


def _tails(call: ast.Call) -> list[str]:
    """The words with which the calls end that this call of a pattern can match."""
    dotted = dotted_text(call.func)
    if dotted is None:
        assert isinstance(call.func, ast.Attribute)
        return [call.func.attr]
    operation = by_function(expand(dotted))
    if operation is None:
        return [dotted.rpartition(".")[2]]
    return [form.name for form in operation.forms]


class _State(NamedTuple):
    variables: Mapping[str, Bound]
    forms: tuple[tuple[Operation, Form, ast.Call], ...] = ()
    calls: tuple[ast.Call, ...] = ()
    proven: bool = True
    names: tuple[tuple[ast.Name, ast.Assign], ...] = ()

    def bind(self, name: str, value: Bound) -> _State | None:
        old = self.variables.get(name)
        if old is None:
            return self._replace(variables={**self.variables, name: value})
        return self if _same(old, value) else None

    def used(self, operation: Operation, form: Form, call: ast.Call, proven: bool) -> _State:
        return self._replace(forms=(*self.forms, (operation, form, call)), proven=self.proven and proven)

    def called(self, call: ast.Call) -> _State:
        return self._replace(calls=(*self.calls, call))

    def through(self, name: ast.Name, assignment: ast.Assign) -> _State:
        return self._replace(names=(*self.names, (name, assignment)))


def _same(first: Bound, second: Bound) -> bool:
    if isinstance(first, ast.AST) and isinstance(second, ast.AST):
        return ast.dump(first) == ast.dump(second)
    if isinstance(first, ast.AST) or isinstance(second, ast.AST):
        return False
    return [ast.dump(a) for a in first] == [ast.dump(b) for b in second]


# An argument of these must be an array of theirs: nothing else is accepted by the library itself.
_STRICT = frozenset({_kinds.TENSOR})


class _Matcher:
    def __init__(self, model: FileModel, kinds: Mapping[str, tuple[str, ...]], through_names: bool) -> None:
        self.model = model
        self.kinds = kinds
        self.through_names = through_names
        self._argument_of: list[str] = []

    def match(self, pattern: ast.AST, node: ast.AST, state: _State) -> _State | None:
        if (
            self.through_names
            and isinstance(node, ast.Name)
            and isinstance(pattern, (ast.Call, ast.BinOp, ast.UnaryOp))
            and (assignment := assigned(node, self.model)) is not None
        ):
            return self.match(pattern, assignment.value, state.through(node, assignment))
        if isinstance(pattern, ast.Name):
            if pattern.id.startswith(_VARIABLE):
                return self._variable(pattern.id[len(_VARIABLE) :], node, state)
            return state if self.model.names.dotted(node) == expand(pattern.id) else None
        if isinstance(pattern, ast.Call):
            return self._call(pattern, node, state) if isinstance(node, ast.Call) else None
        if isinstance(pattern, ast.Attribute) and dotted_text(pattern) is not None:
            text = dotted_text(pattern)
            assert text is not None
            return state if self.model.names.dotted(node) == expand(text) else None
        if isinstance(pattern, ast.Constant):
            return state if _equal_constants(pattern, node) else None
        if isinstance(pattern, ast.BinOp):
            return self._operator(pattern, node, state)
        if pattern.__class__ is not node.__class__:
            return None
        for name in pattern._fields:
            if name == "ctx":
                continue
            result = self._field(getattr(pattern, name), getattr(node, name), state)
            if result is None:
                return None
            state = result
        return state

    def _field(self, pattern: object, value: object, state: _State) -> _State | None:
        if isinstance(pattern, ast.AST):
            return self.match(pattern, value, state) if isinstance(value, ast.AST) else None
        if isinstance(pattern, list):
            if not isinstance(value, list) or len(pattern) != len(value):
                return None
            for inner, other in zip(pattern, value):
                result = self._field(inner, other, state)
                if result is None:
                    return None
                state = result
            return state
        return state if pattern == value else None

    def _variable(self, name: str, node: ast.AST, state: _State) -> _State | None:
        if not isinstance(node, ast.expr) or isinstance(node, ast.Starred):
            return None
        wanted = self.kinds.get(name)
        if wanted is not None and not self.model.kinds.is_a(node, *wanted):
            return None
        return state.bind(name, node)

    def _operator(self, pattern: ast.BinOp, node: ast.AST, state: _State) -> _State | None:
        if not isinstance(node, ast.BinOp) or pattern.op.__class__ is not node.op.__class__:
            return None
        orders = [(node.left, node.right)]
        if isinstance(pattern.op, (ast.Add, ast.Mult)):
            orders.append((node.right, node.left))
        for left, right in orders:
            first = self.match(pattern.left, left, state)
            second = None if first is None else self.match(pattern.right, right, first)
            if second is not None:
                return second
        return None

    def _call(self, pattern: ast.Call, node: ast.Call, state: _State) -> _State | None:
        text = dotted_text(pattern.func)
        if text is None:  # a method of a metavariable: `$x.backward()`
            if not isinstance(pattern.func, ast.Attribute) or not isinstance(node.func, ast.Attribute):
                return None
            if pattern.func.attr != node.func.attr:
                return None
            bound = self.match(pattern.func.value, node.func.value, state)
            return None if bound is None else self._arguments(pattern, None, None, node, None, bound)
        wanted = expand(text)
        operation = by_function(wanted)
        dotted = self.model.names.dotted(node.func)
        if operation is None:
            if dotted != wanted:
                return None
            return self._inside(wanted, pattern, None, None, node, None, state.called(node))
        form, proven = self._form(operation, node, dotted)
        if form is None:
            return None
        canonical = next(f for f in operation.forms if f.dotted == wanted)
        state = state.used(operation, form, node, proven)
        if form.owner is None:
            state = state.called(node)
        return self._inside(wanted, pattern, operation, canonical, node, form, state)

    def _inside(
        self,
        dotted: str,
        pattern: ast.Call,
        operation: Operation | None,
        pattern_form: Form | None,
        node: ast.Call,
        form: Form | None,
        state: _State,
    ) -> _State | None:
        """Match the arguments of a library's function or method."""
        owner = owner_of(dotted)
        if owner is None:
            return self._arguments(pattern, operation, pattern_form, node, form, state)
        self._argument_of.append(owner)
        try:
            return self._arguments(pattern, operation, pattern_form, node, form, state)
        finally:
            self._argument_of.pop()

    def _form(self, operation: Operation, node: ast.Call, dotted: str | None) -> tuple[Form | None, bool]:
        """Which spelling of an operation a call uses, and whether the receiver of a method is proven.

        What is handed to a function of torch is a tensor, so ``torch.log(x.softmax(-1))`` needs no more proof. What is
        handed to a function of NumPy may also be a frame: a match, but not a proof.
        """
        for form in operation.forms:
            if form.owner is None and form.dotted == dotted:
                return form, True
        if dotted is None and isinstance(node.func, ast.Attribute):
            for form in operation.forms:
                if form.owner is not None and form.name == node.func.attr:
                    kind = self.model.kinds.of(node.func.value)
                    if kind.is_a(form.owner):
                        return form, True
                    if not kind.known and form.owner in self._argument_of:
                        return form, form.owner in _STRICT
        return None, False

    def _arguments(
        self,
        pattern: ast.Call,
        operation: Operation | None,
        pattern_form: Form | None,
        node: ast.Call,
        form: Form | None,
        state: _State,
    ) -> _State | None:
        """Match the arguments by parameter where the parameters are known, else by position and keyword."""
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            return None
        if any(keyword.arg is None for keyword in node.keywords):
            return None
        rest_name: str | None = None
        wanted: list[tuple[str | int, ast.expr]] = []
        for index, argument in enumerate(pattern.args):
            if isinstance(argument, ast.Starred):
                assert isinstance(argument.value, ast.Name)
                rest_name = argument.value.id[len(_REST) :]
            else:
                wanted.append((pattern_form.parameters[index] if pattern_form is not None else index, argument))
        for keyword in pattern.keywords:
            assert keyword.arg is not None
            wanted.append((operation.parameter(keyword.arg) if operation is not None else keyword.arg, keyword.value))
        given: list[tuple[str | int, ast.expr | ast.keyword]] = []
        if form is not None and form.owner is not None:
            assert isinstance(node.func, ast.Attribute)
            given.append((form.parameters[0], node.func.value))
            offset = 1
        else:
            offset = 0
        for index, argument in enumerate(node.args):
            if form is not None and operation is not None:
                if index + offset >= len(form.parameters):
                    return None
                given.append((form.parameters[index + offset], argument))
            else:
                given.append((index, argument))
        for keyword in node.keywords:
            assert keyword.arg is not None
            given.append((operation.parameter(keyword.arg) if operation is not None else keyword.arg, keyword))
        for parameter, argument in wanted:
            found = next((item for item in given if item[0] == parameter), None)
            if found is None:
                return None
            given.remove(found)
            value = found[1].value if isinstance(found[1], ast.keyword) else found[1]
            result = self.match(argument, value, state)
            if result is None:
                return None
            state = result
        if rest_name is not None:
            return state.bind(rest_name, [value for _, value in given])
        return state if not given else None


def _equal_constants(pattern: ast.Constant, node: ast.AST) -> bool:
    if not isinstance(node, ast.Constant):
        return False
    if isinstance(pattern.value, bool) or isinstance(node.value, bool) or pattern.value is None:
        return pattern.value is node.value
    if isinstance(node.value, complex) and not isinstance(pattern.value, complex):
        return False
    return bool(pattern.value == node.value)


_OWNERS = {"torch": _kinds.TENSOR, "numpy": _kinds.NDARRAY, "scipy": _kinds.NDARRAY, "jax": _kinds.JAX_ARRAY}


def owner_of(dotted: str) -> str | None:
    """The kind of array that the functions of a library work on."""
    return _OWNERS.get(dotted.partition(".")[0])


def assigned(name: ast.Name, model: FileModel) -> ast.Assign | None:
    """The assignment, earlier in the same block, whose value a local name still has where it is read.

    None where several definitions can reach the read, or where something between the two may have changed what the
    value was made from.
    """
    if not isinstance(name.ctx, ast.Load):
        return None
    bindings = model.reaching.of(name)
    if bindings is None or len(bindings) != 1:
        return None
    (binding,) = bindings
    assignment = binding.node
    if binding.how != "assign" or binding.path or not isinstance(assignment, ast.Assign):
        return None
    if len(assignment.targets) != 1 or not isinstance(assignment.targets[0], ast.Name):
        return None
    found = model.names.lookup(name)
    scope = model.tree.scope(name)
    if found is None or found[0] is not scope or model.tree.scope(assignment) is not scope:
        return None
    statement = model.tree.statement(name)
    block = model.tree.block(assignment)
    places = {id(other): index for index, other in enumerate(block)}
    if id(statement) not in places or places[id(assignment)] >= places[id(statement)]:
        return None
    between = block[places[id(assignment)] + 1 : places[id(statement)]]
    operands = {node.id for node in walk(assignment.value) if isinstance(node, ast.Name)} | {name.id}
    return None if any(_changes(other, operands) for other in between) else assignment


def _changes(statement: ast.stmt, names: set[str]) -> bool:
    """Whether a statement binds one of these names, or may change the object that it stands for in place."""
    for node in walk(statement):
        if isinstance(node, ast.Name) and node.id in names and not isinstance(node.ctx, ast.Load):
            return True
        if isinstance(node, (ast.Subscript, ast.Attribute)) and not isinstance(node.ctx, ast.Load):
            if _root(node) in names:
                return True
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and _root(node.func) in names:
                method = node.func.attr
                if (method.endswith("_") and not method.startswith("_")) or method in _MUTATORS:
                    return True
            if any(k.arg == "out" and _root(k.value) in names for k in node.keywords):
                return True
    return False


_MUTATORS = frozenset({"fill", "sort", "put", "itemset", "resize", "partition", "append", "extend", "update"})


def _root(node: ast.AST) -> str | None:
    """The name at the bottom of a chain of attributes and subscripts."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


class _Writer(ast.NodeTransformer):
    """Puts the names of the file into a template."""

    def __init__(self, match: Match, model: FileModel) -> None:
        self.match = match
        self.model = model
        self.imports: list[str] = []
        self.failed = False

    def visit_Call(self, node: ast.Call) -> ast.AST:
        text = dotted_text(node.func)
        if text is None:
            return self.generic_visit(node)
        wanted = expand(text)
        operation = by_function(wanted)
        form = None if operation is None else self._choose(operation, node)
        if form is not None and form.owner is not None:
            return self._method(node, form)
        self._check_rest(node, form)
        node.func = self._spelled(form.dotted if form is not None else wanted)
        node.args = [self.visit(argument) for argument in node.args]
        node.keywords = [self.visit(keyword) for keyword in node.keywords]
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        text = dotted_text(node)
        return self.generic_visit(node) if text is None else self._spelled(expand(text))

    def _choose(self, operation: Operation, template: ast.Call) -> Form | None:
        """The spelling nearest to what the matched code uses: same module or method, the innermost call first."""
        available = {(form.owner, form.module): form for form in operation.forms}
        receiver_is_variable = bool(template.args) and isinstance(template.args[0], (ast.Name, ast.UnaryOp))
        for _, used, _ in reversed(self.match.forms):
            chosen = available.get((used.owner, used.module))
            if chosen is not None and (chosen.owner is None or receiver_is_variable):
                return chosen
        return next((form for form in operation.forms if form.owner is None), None)

    def _method(self, node: ast.Call, form: Form) -> ast.AST:
        self._check_rest(node, form)
        receiver = self.visit(node.args[0])
        arguments = [self.visit(argument) for argument in node.args[1:]]
        return ast.Call(
            ast.Attribute(receiver, form.name, ast.Load()), arguments, [self.visit(k) for k in node.keywords]
        )

    def _check_rest(self, node: ast.Call, form: Form | None) -> None:
        """Positional arguments of the rest must mean the same in the new call."""
        if form is None:
            return
        for index, argument in enumerate(node.args):
            if not isinstance(argument, ast.Starred):
                continue
            assert isinstance(argument.value, ast.Name)
            rest = self.match.variables.get(argument.value.id[len(_REST) :], ())
            assert not isinstance(rest, ast.AST)
            source = next((f for _, f, call in self.match.forms if any(r in _all_arguments(call) for r in rest)), None)
            for offset, value in enumerate(rest):
                if isinstance(value, ast.keyword):
                    self.failed = self.failed or value.arg not in (*form.parameters, "axis", "keepdims")
                    continue
                position = index + offset
                meant = None if source is None else source.parameters[min(position, len(source.parameters) - 1)]
                if position >= len(form.parameters) or form.parameters[position] != meant:
                    self.failed = True

    def _spelled(self, dotted: str) -> ast.expr:
        text, statement = self._spelling(dotted)
        if statement is not None and statement not in self.imports:
            self.imports.append(statement)
        return ast.parse(text, mode="eval").body

    def _spelling(self, dotted: str) -> tuple[str, str | None]:
        """As the matched code says it where it can: `F.softmax` gives `F.log_softmax`, and where the code calls a name
        that it imported from a module, the new name comes from there as well.
        """
        module, _, last = dotted.rpartition(".")
        names = self.model.names
        for call in reversed(self.match.calls):
            if isinstance(call.func, ast.Attribute) and names.dotted(call.func.value) == module:
                return f"{ast.unparse(call.func.value)}.{last}", None
        text, statement = names.spell(dotted, self.match.node)
        if module and (statement is not None or text.count(".") > 1):
            for call in self.match.calls:
                if isinstance(call.func, ast.Name) and (names.dotted(call.func) or "").rpartition(".")[0] == module:
                    if names.is_free(last, self.match.node):
                        return last, f"from {module} import {last}"
        return text, statement


def _all_arguments(call: ast.Call) -> list[ast.expr | ast.keyword]:
    return [*call.args, *call.keywords]
