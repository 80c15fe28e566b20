"""The abstract values: what is known of what an expression gives."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds

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
INDEX = "pandas.Index"
GROUPBY = "pandas.GroupBy"
ESTIMATOR = "sklearn.base.BaseEstimator"
TRANSFORMER = "sklearn.base.TransformerMixin"
SPLITTER = "sklearn.model_selection.BaseCrossValidator"
JAX_ARRAY = "jax.Array"
JAX_KEY = "jax.random.key"
TF_TENSOR = "tensorflow.Tensor"
TF_DATASET = "tensorflow.data.Dataset"
KERAS_MODEL = "keras.Model"

ARRAYS = (NDARRAY, TENSOR, JAX_ARRAY, TF_TENSOR)
NUMBERS = frozenset({"int", "float", "bool", "scalar"})
SCALARS = NUMBERS | {"str", "complex", "bytes", "None"}

_MOST_ALTERNATIVES = 6


class Kind(NamedTuple):
    """What a value is.

    Attributes:
        name: a dotted name (``torch.Tensor``, ``torch.nn.Linear``), a builtin (``int``, ``list``), ``scalar`` for a
            number of Python or NumPy, ``iterable`` for anything that can be looped over, ``unknown``, ``one of``, or
            for an instance of a class of the project ``instance``.
        families: the wider kinds that it also is (``torch.nn.Module`` for a ``torch.nn.Linear``).
        ndim: number of dimensions of an array, where it is plain to see.
        dtype: dtype of an array (``float64``), where it is plain to see.
        elements: kinds of the elements of a tuple; one kind for all elements of a list or an iterable, and for all
            values of a dict.
        definition: the class in this file of which it is an instance.
        elsewhere: the class in another file of which it is an instance, and the kinds of that file.
        alternatives: the kinds of which the value has one, where more than one kind of value can reach a place.
    """

    name: str
    families: frozenset[str] = frozenset()
    ndim: int | None = None
    dtype: str | None = None
    elements: tuple[Kind, ...] = ()
    definition: ast.ClassDef | None = None
    elsewhere: tuple[Kinds, ast.ClassDef] | None = None
    alternatives: tuple[Kind, ...] = ()

    def is_a(self, *families: str) -> bool:
        """Whether the value is certainly of one of these kinds."""
        if self.alternatives:
            return all(alternative.is_a(*families) for alternative in self.alternatives)
        return self.name in families or not self.families.isdisjoint(families)

    @property
    def known(self) -> bool:
        """Whether anything at all is known."""
        return self.name not in ("unknown", "never")

    @property
    def is_first_party(self) -> bool:
        """Whether the value is, or may be, an instance of a class of the project."""
        if self.alternatives:
            return any(alternative.is_first_party for alternative in self.alternatives)
        return self.definition is not None or self.elsewhere is not None

    def __str__(self) -> str:
        if self.alternatives:
            return " | ".join(str(alternative) for alternative in self.alternatives)
        details = [] if self.ndim is None else [f"{self.ndim}-d"]
        if self.dtype is not None:
            details.append(self.dtype)
        inner = f"[{', '.join(str(element) for element in self.elements)}]" if self.elements else ""
        name = self.name
        if self.definition is not None:
            name = self.definition.name
        elif self.elsewhere is not None:
            name = self.elsewhere[1].name
        return f"{name}{inner}" + (f" ({', '.join(details)})" if details else "")


UNKNOWN = Kind("unknown")
NEVER = Kind("never")
"""The kind of a value that is still being computed (a definition that depends on itself), and of None in a join."""

INT = Kind("int")
FLOAT = Kind("float")
BOOL = Kind("bool")
STR = Kind("str")
SCALAR = Kind("scalar")
NONE = Kind("None")


def iterable(element: Kind, name: str = "iterable") -> Kind:
    """Something that gives elements of one kind when it is looped over."""
    return Kind(name, elements=(element,) if element.known else ())


def join(kinds: Sequence[Kind]) -> Kind:
    """What is known of a value that is one of several kinds.

    None beside another kind is left out: who uses the value as that other kind has ruled None out.
    """
    real: list[Kind] = []
    for kind in kinds:
        for one in kind.alternatives or (kind,):
            if one.name in ("never", "None"):
                continue
            if one.name == "unknown":
                return UNKNOWN
            _add(real, one)
    if not real:
        return kinds[0] if kinds and all(kind.name == "None" for kind in kinds) else (NEVER if kinds else UNKNOWN)
    if len(real) == 1:
        return real[0]
    if len(real) > _MOST_ALTERNATIVES or not any(kind.is_first_party for kind in real):
        wider = _wider(real)  # two optimizers are an optimizer
        if wider.known or len(real) > _MOST_ALTERNATIVES:
            return wider
    return Kind("one of", frozenset.intersection(*(kind.families for kind in real)), alternatives=tuple(real))


def _add(found: list[Kind], kind: Kind) -> None:
    """Put a kind among alternatives, together with one of the same name."""
    for position, other in enumerate(found):
        if kind == other:
            return
        if kind.name == other.name and (kind.definition, kind.elsewhere) == (other.definition, other.elsewhere):
            found[position] = _merged(other, kind)
            return
        if kind.name in NUMBERS and other.name in NUMBERS:
            found[position] = FLOAT if {kind.name, other.name} == {"int", "float"} else SCALAR
            return
    found.append(kind)


def _merged(first: Kind, other: Kind) -> Kind:
    elements = first.elements
    if elements != other.elements:
        if len(elements) == len(other.elements):
            elements = tuple(join(pair) for pair in zip(elements, other.elements))
        elif first.name in ("tuple", "torch.Size"):
            return Kind("iterable")
        else:
            # An empty display beside one with elements: nothing is said of what the other one holds.
            elements = ()
    return first._replace(
        families=first.families & other.families,
        ndim=first.ndim if first.ndim == other.ndim else None,
        dtype=first.dtype if first.dtype == other.dtype else None,
        elements=elements,
    )


def _wider(kinds: list[Kind]) -> Kind:
    shared = frozenset.intersection(*(kind.families | {kind.name} for kind in kinds))
    return Kind(min(shared), shared) if shared else UNKNOWN
