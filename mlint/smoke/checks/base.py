"""The protocol of a check: what it declares, what it is given, what it yields."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from mlint.smoke.subject import Subject

SEVERITIES = {"exact": "error", "differential": "warning", "measured": "info"}


class NotRun(Exception):  # noqa: N818 - no error: a check says that there is nothing here that it could judge
    """A check cannot run on this subject; the argument is the reason, as the report prints it."""


@dataclass(frozen=True)
class Observation:
    """One true statement about one place in one model."""

    code: str
    message: str
    """What is wrong, in the names of this model, one line."""
    advice: str = ""
    """What to do about it, one line."""
    module: str = ""
    """Dotted path of the module, "" for the model itself."""
    parameter: str = ""
    """Dotted name of the parameter or buffer."""
    operation: str = ""
    """The operation, as torch names it."""
    place: tuple[str, int] | None = None
    """File and line of the user's code."""
    evidence: Mapping[str, object] = field(default_factory=dict)
    """What was measured: names to numbers, texts and lists of both."""
    severity: str = ""
    """error, warning or info; "" for what the tier of the check says."""
    name: str = ""
    """The name, where one check has several; "" for the check's."""


class Check:
    """One check. The docstring is its page: why, how, references, and the static rule that sees the same in the source.

    A module of this package declares any number of subclasses with a ``code``; `registry` finds them. The class
    attributes are literals, so that `catalogue` reads them without importing torch.
    """

    code: ClassVar[str] = ""
    name: ClassVar[str] = ""
    tier: ClassVar[str] = "exact"
    """exact, differential or measured."""
    cost: ClassVar[float] = 0.0
    """Forwards and backwards of its own, beyond the shared ones, for the order of the runs."""
    rules: ClassVar[tuple[str, ...]] = ()
    """Static rules that find the same fault in the source."""

    def run(self, subject: Subject) -> Iterator[Observation]:
        """Yield what is wrong.

        Raises:
            NotRun: when there is nothing here that the check could judge.
        """
        raise NotImplementedError

    @classmethod
    def observe(cls, message: str, advice: str = "", **details: object) -> Observation:
        """An observation of this check, with the severity of its tier unless another is given."""
        details.setdefault("severity", SEVERITIES[cls.tier])
        details.setdefault("name", cls.name)
        return Observation(cls.code, message, advice, **details)  # type: ignore[arg-type]


def registry() -> dict[str, type[Check]]:
    """Code -> check, of all modules of this package; imports torch."""
    package = importlib.import_module(__package__ or "mlint.smoke.checks")
    found: dict[str, type[Check]] = {}
    for entry in sorted(pkgutil.iter_modules(package.__path__), key=lambda entry: entry.name):
        module = importlib.import_module(f"{package.__name__}.{entry.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Check) and value.code:
                if value.code in found and found[value.code] is not value:
                    raise ValueError(f"{value.code} is declared by {found[value.code]} and {value}")
                found[value.code] = value
    return dict(sorted(found.items()))
