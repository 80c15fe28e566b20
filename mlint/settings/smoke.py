"""The section [tool.mlint.smoke]: its keys, what values they take, and what is wrong with a section that is not right.

Read here, with the other settings, so that errors name the line and the JSON schema knows the keys. What the values
mean is for ``mlint.smoke.configuration``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from mlint.settings.values import (
    Choice,
    FilePath,
    Kind,
    Strings,
    Switch,
    Text,
    Whole,
    WrongValueError,
    nearest,
)

REFERENCE = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"
SHAPE = r"^(float16|bfloat16|float32|float64|complex64|uint8|int8|int16|int32|int64|bool)\[( *[0-9]+ *(, *[0-9]+ *)*)?\]( *< *[1-9][0-9]*)?$"  # noqa: E501
DURATION = r"^ *[0-9]+(\.[0-9]+)? *(ms|s|min|h)? *$"
SIZE = r"^ *[0-9]+(\.[0-9]+)? *([kKMGT]i?)?B? *$"


class Matching(Text):
    """A string of one form."""

    def __init__(self, words: str, pattern: str, advice: str) -> None:
        self.words, self.pattern, self.advice = words, pattern, advice

    def read(self, value: object) -> object:
        """Only a string of the form."""
        if not isinstance(value, str):
            raise self.wrong(value)
        if not re.fullmatch(self.pattern, value):
            raise WrongValueError(f'must be {self.words}, not "{value}"; {self.advice}')
        return value

    def schema(self) -> dict[str, object]:
        """A string with a pattern."""
        return {"type": "string", "pattern": self.pattern.replace(r"\w", "[A-Za-z0-9_]")}


class Amount(Matching):
    """A number, or a string with its unit."""

    def read(self, value: object) -> object:
        """A number that is not negative, or a string of the form."""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if not 0 <= value < float("inf"):
                raise WrongValueError(f"must be {self.words}, not {value}")
            return value
        return super().read(value)

    def schema(self) -> dict[str, object]:
        """A number or a string."""
        return {"anyOf": [{"type": "number", "minimum": 0}, super().schema()]}


class Count(Kind):
    """A number that is not negative: ``50e6`` is a float in TOML."""

    words = "a number"

    def read(self, value: object) -> object:
        """Only a number."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong(value)
        if not 0 <= value < float("inf"):
            raise WrongValueError(f"must be a number from 0, not {value}")
        return value

    def schema(self) -> dict[str, object]:
        """A number."""
        return {"type": "number", "minimum": 0}


class Batch(Kind):
    """A reference, or shapes: one, a list, or a table by name."""

    words = 'a reference ("package.module:name"), shapes (["float32[8,3,32,32]", "int64[8]<10"]) or a table of shapes'

    def read(self, value: object) -> object:
        """The value with every shape checked."""
        if isinstance(value, str):
            return (SHAPED if "[" in value else REFERRED).read(value)
        if isinstance(value, (list, tuple)) and value:
            return [self._shape(item, index) for index, item in enumerate(value)]
        if isinstance(value, Mapping) and value:
            return {key: self._shape(item, key) for key, item in value.items()}
        raise self.wrong(value) if not isinstance(value, (list, Mapping)) else WrongValueError("must not be empty")

    @staticmethod
    def _shape(value: object, key: str | int) -> object:
        try:
            return SHAPED.read(value)
        except WrongValueError as error:
            what = f"item {key + 1} " if isinstance(key, int) else ""
            raise WrongValueError(f"{what}{error.message}", (key,)) from None

    def schema(self) -> dict[str, object]:
        """Any of the three forms."""
        shape = SHAPED.schema()
        return {
            "anyOf": [
                REFERRED.schema(),
                shape,
                {"type": "array", "minItems": 1, "items": shape},
                {"type": "object", "minProperties": 1, "additionalProperties": shape},
            ]
        }


class Exempt(Kind):
    """Codes, each with the modules, functions or parameters that it says nothing about."""

    words = 'a table of codes, each with a list of patterns: { MS108 = ["shop.layers.Reversal"] }'

    def read(self, value: object) -> object:
        """The table with lists of strings."""
        if not isinstance(value, Mapping):
            raise self.wrong(value)
        for code, patterns in value.items():
            if not re.fullmatch(r"MS\d{3}", code):
                raise WrongValueError(f'has "{code}", which is no code of a smoke check, as MS108 is', (code,))
            try:
                Strings().read(patterns)
            except WrongValueError as error:
                raise WrongValueError(error.message, (code, *error.path)) from None
        return {code: list(patterns) for code, patterns in value.items()}

    def schema(self) -> dict[str, object]:
        """An object of arrays."""
        return {
            "type": "object",
            "propertyNames": {"pattern": "^MS[0-9]{3}$"},
            "additionalProperties": Strings().schema(),
        }


class Table(Kind):
    """A table with known keys."""

    def __init__(self, words: str, keys: Mapping[str, tuple[Kind, str]], required: Iterable[str] = ()) -> None:
        self.words, self.keys, self.required = words, keys, tuple(required)

    def read(self, value: object) -> object:
        """The table with every value checked."""
        if not isinstance(value, Mapping):
            raise self.wrong(value)
        for key in value:
            if key not in self.keys:
                hint = self._advice(key) or nearest(key, self.keys)
                raise WrongValueError(f'has an unknown key "{key}"{hint}', (key,))
        for key in self.required:
            if key not in value:
                raise WrongValueError(f'needs the key "{key}": {self.keys[key][1]}')
        return {key: _within(key, self.keys[key][0].read, item) for key, item in value.items()}

    @staticmethod
    def _advice(key: str) -> str:
        """Where a key belongs that stands in the wrong table."""
        return f'; "{key}" belongs in [[tool.mlint.smoke.target]]' if key in TARGET.keys else ""

    def schema(self) -> dict[str, object]:
        """An object of these keys only."""
        made: dict[str, object] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {key: {"description": text, **kind.schema()} for key, (kind, text) in self.keys.items()},
        }
        return {**made, "required": list(self.required)} if self.required else made


class Tables(Kind):
    """A list of tables of one kind."""

    words = "a list of tables, each under [[tool.mlint.smoke.target]]"

    def __init__(self, table: Table) -> None:
        self.table = table

    def read(self, value: object) -> object:
        """Every table, checked."""
        if isinstance(value, Mapping):
            raise WrongValueError("must be a list of tables: write it with two brackets, [[tool.mlint.smoke.target]]")
        if not isinstance(value, (list, tuple)):
            raise self.wrong(value)
        return [_within(index, self.table.read, item) for index, item in enumerate(value)]

    def schema(self) -> dict[str, object]:
        """An array of objects."""
        return {"type": "array", "items": self.table.schema()}


class SmokeTable(Kind):
    """The section as a whole."""

    words = "a table"

    def read(self, value: object) -> object:
        """The section, checked."""
        return SECTION.read(value)

    def schema(self) -> dict[str, object]:
        """An object of the section's keys."""
        return SECTION.schema()


def _within(key: str | int, read: Callable[[object], object], value: object) -> object:
    """The value as it is read; an error tells the way to it in words, too."""
    try:
        return read(value)
    except WrongValueError as error:
        raise WrongValueError(error.message, (key, *error.path)) from None


REFERRED = Matching('"package.module:name"', REFERENCE, "name a module, a colon and what is in it")
SHAPED = Matching(
    'a dtype with a shape, as "float32[8,3,32,32]" or "int64[8]<10"', SHAPE, "dtypes are called as in torch"
)
TIME = Amount('a time such as "20s", "500 ms" or a number of seconds', DURATION, "units are ms, s, min and h")
MEMORY = Amount('a size such as "6 GiB" or a number of bytes', SIZE, "units are kB, MB, GB, TB, KiB, MiB, GiB and TiB")
CODES = Strings()

LIMITS = Table(
    "a table of limits",
    {
        "parameters": (Count(), "The most parameters that the model may have."),
        "peak-memory": (MEMORY, "The most memory that one step may take."),
        "graph-breaks": (Count(), "The most graph breaks that torch.compile may meet."),
        "syncs-per-step": (Count(), "The most host reads in one step."),
        "step-time": (TIME, "The longest time of one step."),
        "flops": (Count(), "The most floating-point operations of one step."),
    },
)
TARGET = Table(
    "a table with the key model",
    {
        "name": (Text(), "What the target is called in reports and on the command line; not set: its model."),
        "model": (REFERRED, "What is called to build the model, or the model itself: `package.module:build`."),
        "batch": (
            Batch(),
            (
                "One batch: what is called to get it, or shapes with dtypes (`int64[8]<10`: integers below 10); a list "
                "stands for a tuple, a table for a dictionary. A dictionary is bound to `forward` by name, a tuple by "
                "position, a tensor as the only argument."
            ),
        ),
        "loss": (REFERRED, "`(output, batch)` to a scalar; not set: `output.loss`, else a fixed random projection."),
        "optimizer": (REFERRED, "`(model)` to an optimizer; not set: AdamW."),
        "autocast": (Choice("bfloat16", "float16"), "The dtype of autocast, if the training uses it."),
        "causal": (Switch(), "The output at a position must not depend on later positions."),
        "padding": (Text(), "The entry of the batch that marks valid positions."),
        "step": (REFERRED, "`(model, batch, optimizer)` to the loss: the project's own training step."),
        "loader": (REFERRED, "`(num_workers)` to an iterable of batches."),
        "frozen": (Strings(), "Patterns of parameters that are meant to get no gradient."),
        "reduction": (Choice("mean", "sum"), "Whether the loss is a mean over the batch or declared to be a sum."),
        "ddp": (Switch(), "Without effect so far: two processes are not compared with one yet."),
        "exempt": (Exempt(), "What a check says nothing about: code to modules, functions or parameters."),
        "limits": (LIMITS, "Figures that must not be exceeded."),
    },
    required=("model",),
)
SECTION = Table(
    "a table",
    {
        "budget": (
            TIME,
            (
                "The time for everything but the import of torch; checks that no longer fit are listed as not run. A "
                "quarter of it is kept for them. Not set: 20s."
            ),
        ),
        "timeout": (TIME, "How long importing, building, one step or one check may take. Not set: 60s."),
        "device": (
            Matching("auto, cpu or cuda", r"^(auto|cpu|cuda(:[0-9]+)?)$", "a device may have a number, as cuda:1"),
            "`auto` (CUDA where there is one), `cpu` or `cuda`. Not set: auto.",
        ),
        "python": (FilePath(), "The interpreter of the project; not set: that of $VIRTUAL_ENV, else mlint's own."),
        "memory": (MEMORY, "The most memory that all processes of a run may take. Not set: 0.9 of what is free."),
        "threads": (Whole(1, 1024), "The threads that torch computes with. Not set: 2."),
        "select": (CODES, 'The checks to run, by code, beginning of codes or name, as in ["MS1"].'),
        "ignore": (CODES, "The checks to leave out."),
        "fail-on": (
            Choice("error", "warning", "info", "never"),
            "The least severity that makes the exit code 1. Not set: warning.",
        ),
        "target": (Tables(TARGET), "What is checked: one table per model."),
    },
)
