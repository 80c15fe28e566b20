"""Annotations and docstrings of returns as kinds of the tables.

A kind is written down only where it holds for every call: a union of different kinds, a type variable, or overloads
that disagree give None.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable

from scripts.library_tables.reading import Library, Module, dotted_of, last_of

_BUILTIN = frozenset({"int", "float", "bool", "str", "bytes", "complex", "dict", "set", "list", "tuple"})
_NUMBERS = frozenset({"int", "float", "bool", "scalar"})
_ARRAYS = frozenset({"numpy.ndarray", "torch.Tensor", "jax.Array", "tensorflow.Tensor"})
_RENAMED = {
    "torch.TensorType": "torch.Tensor",
    "torch._tensor.Tensor": "torch.Tensor",
    "jax._src.basearray.Array": "jax.Array",
    "jax._src.array.ArrayImpl": "jax.Array",
    "jax._src.typing.Array": "jax.Array",
    "jax.core.Array": "jax.Array",
    "torch.types.Number": "scalar",
    "torch.types._size": "torch.Size",
    "numpy.bool": "scalar",
    "numpy.bool_": "scalar",
}
_CONTAINERS = {"List": "list", "list": "list", "Dict": "dict", "dict": "dict", "Set": "set", "set": "set"}
_WRAPPERS = frozenset({"Annotated", "Final", "ClassVar", "Required", "NotRequired", "ReadOnly"})
_TYPING = frozenset({"typing", "typing_extensions", "collections.abc", "collections", "numpy.typing", "builtins"})

Name = Callable[[str], str | None]
"""The canonical public name of the object that ``module:name`` identifies, or None."""


class Annotations:
    """Reads the annotations of one library."""

    def __init__(self, library: Library, public: Name, root: str) -> None:
        self.library = library
        self.public = public
        self.root = root
        self._depth = 0

    def kind(self, node: ast.AST | None, module: Module, owner: str | None = None) -> str | None:
        """The kind that an annotation promises, read in a module; ``owner`` is the class around it."""
        if node is None or self._depth > 12:
            return None
        self._depth += 1
        try:
            return self._kind(node, module, owner)
        finally:
            self._depth -= 1

    def _kind(self, node: ast.AST, module: Module, owner: str | None) -> str | None:
        if isinstance(node, ast.Constant):
            if node.value is None:
                return "None"
            if isinstance(node.value, str):
                try:
                    return self.kind(ast.parse(node.value.strip(), mode="eval").body, module, owner)
                except (SyntaxError, ValueError):
                    return None
            return None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return one([self.kind(node.left, module, owner), self.kind(node.right, module, owner)])
        if isinstance(node, ast.Subscript):
            return self._generic(node, module, owner)
        if isinstance(node, (ast.Name, ast.Attribute)):
            return self._named(node, module, owner)
        return None

    def _generic(self, node: ast.Subscript, module: Module, owner: str | None) -> str | None:
        last = last_of(node.value)
        inner = node.slice
        parts = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
        if last == "Optional":
            return None  # None or something: a caller has to look
        if last == "Union":
            return one([self.kind(part, module, owner) for part in parts])
        if last in _WRAPPERS:
            return self.kind(parts[0], module, owner)
        if last == "Literal":
            return one([_constant_kind(part) for part in parts])
        if last in ("Tuple", "tuple"):
            return self._tuple(parts, module, owner)
        if last in _CONTAINERS:
            head = _CONTAINERS[last]
            element = self.kind(parts[0], module, owner) if head == "list" else None
            return f"list[{element}]" if element not in (None, "None") else head
        if last in ("NDArray", "ndarray") and self.root != "jax":
            return "numpy.ndarray"
        if last.startswith("TensorFuzzingAnnotation"):
            return None
        return self._named(node.value, module, owner)

    def _tuple(self, parts: list[ast.expr], module: Module, owner: str | None) -> str:
        if len(parts) == 2 and isinstance(parts[1], ast.Constant) and parts[1].value is ...:
            element = self.kind(parts[0], module, owner)
            return "tuple" if element is None or "[" in element else f"tuple[{element}, ...]"
        kinds = [self.kind(part, module, owner) for part in parts]
        if any(kind is not None and "[" in kind for kind in kinds) or not any(kinds):
            return "tuple"
        return f"tuple[{', '.join(kind or 'unknown' for kind in kinds)}]"

    def _named(self, node: ast.AST, module: Module, owner: str | None) -> str | None:
        dotted = dotted_of(node)
        if dotted is None:
            return None
        if dotted in _BUILTIN and dotted not in module.names:
            return dotted
        if last_of(node) in ("Self", "_typing.Self"):
            return "same"
        known = module.absolute(dotted)
        if known is not None and known.startswith("builtins.") and known[9:] in _BUILTIN:
            return known[9:]
        if known in _RENAMED:
            return _RENAMED[known]
        if known is not None and known.startswith(("numpy.", "numpy:")) and self.root != "numpy":
            return _numpy_kind(known.rpartition(".")[2])
        found = self.library.within(module, dotted, stub=True) or self.library.within(module, dotted)
        if found is None or found.package is not None:
            return _foreign(known)
        if found.definitions:
            if not isinstance(found.definitions[0], ast.ClassDef):
                return None
            name = self.public(found.identity) or _foreign(known)
            if self.root == "numpy" and name is not None:
                return _numpy_kind(name.rpartition(".")[2]) if name.count(".") == 1 else name
            if name is not None and name in _RENAMED:
                return _RENAMED[name]
            if name is not None and name == owner and name not in _ARRAYS:
                return name
            return name
        for bound in found.bound:
            if bound.module == "builtins":
                return bound.name if bound.name in _BUILTIN else None
            if bound.how == "value":
                aliased = bound.node
                if bound.annotation is not None and last_of(bound.annotation) != "TypeAlias":
                    return None
                if isinstance(aliased, ast.Call):  # a type variable
                    bounds = [k.value for k in aliased.keywords if k.arg == "bound"]
                    if last_of(aliased.func) == "TypeVar" and dotted.startswith(("Self", "_Self")):
                        return "same"
                    if last_of(aliased.func) == "TypeVar" and bounds and found.module is not None:
                        return self._bounded(bounds[0], found.module)
                    return None
                if aliased is not None and found.module is not None:
                    return self.kind(aliased, found.module, owner)
        return None

    def _bounded(self, bound: ast.expr, module: Module) -> str | None:
        kind = self.kind(bound, module)
        return kind if kind == "numpy.ndarray" else None


def _foreign(known: str | None) -> str | None:
    """A class of another library by its name."""
    if known is None:
        return None
    if known in ("torch.Tensor", "pandas.DataFrame", "pandas.Series", "pandas.Index", "jax.Array", "torch.nn.Module"):
        return known
    if known.startswith("numpy."):
        return _numpy_kind(known.rpartition(".")[2])
    return None


def _numpy_kind(last: str) -> str | None:
    if last in ("ndarray", "NDArray"):
        return "numpy.ndarray"
    if last in ("bool_", "bool", "generic", "number", "integer", "floating", "inexact", "signedinteger", "intp"):
        return "scalar"
    if re.fullmatch(r"(u?int|float)(\d+)?_?", last):
        return "scalar"
    if last in ("Generator", "RandomState"):
        return f"numpy.random.{last}"
    return f"numpy.{last}" if last in ("dtype", "ufunc", "matrix", "recarray", "memmap", "nditer", "poly1d") else None


def _constant_kind(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant):
        return "None" if node.value is None else type(node.value).__name__
    return None


def one(kinds: Iterable[str | None]) -> str | None:
    """The one kind that several possible ones are, or None."""
    distinct = set(kinds)
    if len(distinct) == 1:
        return distinct.pop()
    if None not in distinct and distinct <= _NUMBERS:
        return "scalar"
    return None


# Docstrings

_NDARRAY = re.compile(
    r"^(?:(?:\d-?[dD] )?(?:float |int(?:eger)? |bool(?:ean)? |complex )?(?:numpy |np\.|numpy\.)?"
    r"(?:nd)?array(?:[ ,]+(?:of )?shape[ =:]*[\[(`].*|[ ,]+shape[ =:]*\(.*| of (?:floats?|ints?|bools?|str).*)?)$"
)


def described(text: str, root: str) -> str | None:
    """The kind that the type in a numpydoc section names."""
    text = text.strip().rstrip(".").replace("`", "")
    text = re.sub(r"^:(?:class|obj):", "", text).lstrip("~")
    if not text or "optional" in text or " or " in text or "{" in text or "|" in text:
        return None
    if text in ("int", "float", "bool", "str", "dict", "list", "tuple", "set", "bytes", "None"):
        return text
    if text in ("string", "boolean", "integer"):
        return {"string": "str", "boolean": "bool", "integer": "int"}[text]
    if text in ("DataFrame", "Series", "pandas.DataFrame", "pandas.Series", "pd.DataFrame", "pd.Series"):
        return {"D": "pandas.DataFrame", "S": "pandas.Series"}[text.rpartition(".")[2][0]] if root == "pandas" else None
    if text in ("Tensor", "torch.Tensor") and root == "torch":
        return "torch.Tensor"
    if text.startswith("ndarray") and _NDARRAY.match(text):
        return "numpy.ndarray"
    return None


def numpydoc_section(doc: str, title: str) -> list[str]:
    """The lines of a section of a docstring in numpydoc's form."""
    lines = doc.expandtabs().splitlines()
    for number, line in enumerate(lines[:-1]):
        if line.strip() == title and set(lines[number + 1].strip()) == {"-"}:
            body: list[str] = []
            for index in range(number + 2, len(lines)):
                following = lines[index + 1].strip() if index + 1 < len(lines) else ""
                if lines[index].strip() and following and set(following) == {"-"} and len(following) > 2:
                    break
                body.append(lines[index])
            return body
    return []


def returned_by_docstring(doc: str, root: str) -> str | None:
    """The kind that a ``Returns`` section of numpydoc promises."""
    body = numpydoc_section(doc, "Returns")
    if not body:
        return None
    indents = [len(line) - len(line.lstrip()) for line in body if line.strip()]
    if not indents:
        return None
    outer = min(indents)
    items = [line.strip() for line in body if line.strip() and len(line) - len(line.lstrip()) == outer]
    described_body = " ".join(body).lower()
    if "only " in described_body or "if " in described_body or "otherwise" in described_body:
        return None  # what comes back depends on something
    if len(items) == 1:
        name, _, kind = items[0].partition(" : ")
        return described(kind or name, root)
    kinds = [described(item.partition(" : ")[2], root) if " : " in item else None for item in items]
    if len(items) > 6 or None in kinds or any("[" in (kind or "") for kind in kinds):
        return None
    return f"tuple[{', '.join(kind or '' for kind in kinds)}]"


_TENSORFLOW = re.compile(
    r"^\s*Returns:\s*\n?\s*(?:An?|The|\w+) (?:\w+ )?`(?:tf\.)?Tensor`(?! or)(?:\.| of| with| containing|,? which|\s*$)",
    re.MULTILINE,
)


def returned_by_tensorflow(doc: str) -> str | None:
    """The kind that the ``Returns:`` of a docstring of TensorFlow promises."""
    found = _TENSORFLOW.search(doc)
    if found is None:
        return None
    rest = doc[found.start() : found.start() + 700]
    if "SparseTensor" in rest or "Ragged" in rest or "IndexedSlices" in rest or "tuple" in rest or "list" in rest:
        return None
    return "tensorflow.Tensor"
