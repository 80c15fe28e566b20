"""What is computed for one row of a frame, said of whole columns at once.

`Columns.lift` takes the expression of one row (``row["a"] * 2 if row["b"] > 0 else 0``) and writes it for the frame
(``np.where(df["b"] > 0, df["a"] * 2, 0)``). What cannot be said so raises `NotColumnar`: an unknown call, a formatted
string, a look-up in a dictionary.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlint.model.libraries.numpy_ import UFUNCS
from mlint.model.loops.elementwise import MATH
from mlint.model.refusals import REFUSED, note
from mlint.model.tree import walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.source import Source

_OR, _AND, _COMPARE, _BIT_OR, _BIT_AND, _SUM, _PRODUCT, _UNARY, _POWER, _ATOM = range(10)
_BINARY: dict[type[ast.operator], tuple[str, int]] = {
    ast.Add: ("+", _SUM),
    ast.Sub: ("-", _SUM),
    ast.Mult: ("*", _PRODUCT),
    ast.Div: ("/", _PRODUCT),
    ast.FloorDiv: ("//", _PRODUCT),
    ast.Mod: ("%", _PRODUCT),
    ast.Pow: ("**", _POWER),
    ast.BitAnd: ("&", _BIT_AND),
    ast.BitOr: ("|", _BIT_OR),
}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_ATOMS = (ast.Name, ast.Constant, ast.Call, ast.Attribute, ast.Subscript, ast.List, ast.Tuple, ast.Dict, ast.Set)
_STRING_METHODS = frozenset(
    "upper lower strip lstrip rstrip title capitalize swapcase casefold zfill startswith endswith find".split()
)
_BOOLEAN_METHODS = frozenset({"startswith", "endswith"})
_CASTS = frozenset({"int", "float", "str"})
_STEADY = frozenset("len abs int float str bool min max sum round range list tuple set sorted dict".split())
_STEADY_ROOTS = ("numpy.", "math.", "pandas.", "datetime.", "re.")
_CLOCKS = frozenset("now today utcnow".split())
_STEADY_METHODS = frozenset(
    "mean std var median min max sum count quantile mode lower upper strip split keys values items get copy tolist "
    "total_seconds date astype nunique unique idxmax idxmin isoformat replace format".split()
)
"""Methods that read their receiver and nothing else."""
_MISSING = frozenset("pandas.isna pandas.isnull pandas.notna pandas.notnull".split())
_UFUNCS_OF_COLUMNS = UFUNCS - {"interp", "clip", "nan_to_num"}
_TESTS = frozenset({"numpy.isnan", "numpy.isfinite", "numpy.isinf"})

SERIES_MEMBERS = frozenset(
    "T abs add add_prefix add_suffix agg aggregate align all any apply argmax argmin argsort array asfreq asof "
    "astype at at_time attrs autocorr axes between between_time bfill case_when cat clip combine combine_first "
    "compare convert_dtypes copy corr count cov cummax cummin cumprod cumsum describe diff div divide divmod dot "
    "drop drop_duplicates droplevel dropna dt dtype dtypes duplicated empty eq equals ewm expanding explode "
    "factorize ffill fillna filter first first_valid_index flags floordiv from_arrow ge get groupby gt hasnans "
    "head hist iat idxmax idxmin iloc index infer_objects info interpolate is_monotonic_decreasing "
    "is_monotonic_increasing is_unique isin isna isnull item items keys kurt kurtosis last last_valid_index le "
    "list loc lt mad map mask max mean median memory_usage min mod mode mul multiply name nbytes ndim ne nlargest "
    "notna notnull nsmallest nunique pct_change pipe plot pop pow prod product quantile radd rank ravel rdiv "
    "rdivmod reindex reindex_like rename rename_axis reorder_levels repeat replace resample reset_index rfloordiv "
    "rmod rmul rolling round rpow rsub rtruediv sample searchsorted sem set_axis set_flags shape shift size skew "
    "sort_index sort_values sparse squeeze std str struct sub subtract sum swapaxes swaplevel tail take "
    "to_clipboard to_csv to_dict to_excel to_frame to_hdf to_json to_latex to_list to_markdown to_numpy to_period "
    "to_pickle to_sql to_string to_timestamp to_xarray tolist transform transpose truediv truncate tz_convert "
    "tz_localize unique unstack update value_counts values var view where xs".split()
)
"""Attributes of a Series that a column of the same name does not hide."""


class NotColumnar(Exception):  # noqa: N818
    """The expression of a row cannot be said of columns.

    Attributes:
        reason: why, one line, for people.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        note(REFUSED, reason)


@dataclass(frozen=True, slots=True)
class Column:
    """An expression of columns.

    Attributes:
        text: its source.
        level: how strongly it binds.
        varies: whether it differs from row to row.
        truth: whether it holds truth values.
        bare: whether it is an array without the frame's index (`np.where`).
        read: whether it is one column of the frame and nothing else.
    """

    text: str
    level: int = _ATOM
    varies: bool = True
    truth: bool = False
    bare: bool = False
    read: bool = False

    def within(self, level: int) -> str:
        """The text as an operand of an operator that binds so strongly."""
        return self.text if self.level >= level else f"({self.text})"

    @property
    def atom(self) -> str:
        """The text as a receiver of a method."""
        return self.within(_ATOM)


def column_name(node: ast.AST, row: str) -> bool:
    """Whether an expression reads one column of a row: ``row["a"]``, ``row.a``."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == row:
        return isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == row:
        return node.attr not in SERIES_MEMBERS and not node.attr.startswith("_")
    return False


@dataclass
class Columns:
    """Writes the expressions of one row for the columns of a frame.

    Attributes:
        model: the file.
        at: where the text will stand.
        read: the text for a read of a column, or None for any other expression.
        changing: names that differ from row to row and are not known as columns.
        known: names that stand for the expression of a row: what was assigned to them before.
        imports: import statements that the texts need; filled by `lift`.
    """

    model: FileModel
    at: ast.AST
    read: Callable[[ast.AST], str | None]
    changing: frozenset[str]
    known: dict[str, Column] = field(default_factory=dict)
    imports: list[str] = field(default_factory=list)

    def lift(self, node: ast.expr) -> Column:
        """The expression for whole columns.

        Raises:
            NotColumnar: there is none, or none that is known here.
        """
        text = self.read(node)
        if text is not None:
            return Column(text, read=True)
        if isinstance(node, ast.Name) and node.id in self.known:
            return self.known[node.id]
        if not self._varies(node):
            if any(isinstance(inner, (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)) for inner in walk(node)):
                raise NotColumnar("it binds a name or waits in the middle")
            for inner in walk(node):
                if isinstance(inner, ast.Call) and not self._same_each_time(inner):
                    raise NotColumnar(f"`{ast.unparse(inner)}` may give each row something else")
            segment = self.model.source.segment(node)
            return Column(segment if "\n" not in segment else ast.unparse(node), _level(node), varies=False)
        method: Callable[[ast.AST], Column] | None = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise NotColumnar(f"`{ast.unparse(node)}` has no form for whole columns")
        return method(node)

    def condition(self, node: ast.expr) -> Column:
        """As `lift`, for what decides: it must hold truth values."""
        lifted = self.lift(node)
        if not lifted.truth or not lifted.varies:
            raise NotColumnar(f"`{ast.unparse(node)}` is not proven to be a condition of the row")
        return lifted

    def choose(self, test: Column, yes: Column, no: Column) -> Column:
        """One of two values for each row."""
        if {_constant(yes.text), _constant(no.text)} == {"str", "number"} or "None" in (yes.text, no.text):
            # NumPy would turn the numbers into strings.
            raise NotColumnar("numbers and strings, or None, would share a column")
        return Column(f"{self.spell('numpy.where')}({test.text}, {yes.text}, {no.text})", bare=True)

    def spell(self, dotted: str) -> str:
        """How to write a function of a library here."""
        text, statement = self.model.names.spell(dotted, self.at)
        if statement is not None and statement not in self.imports:
            self.imports.append(statement)
        return text

    def _same_each_time(self, call: ast.Call) -> bool:
        """Whether a call that no column goes into gives the same in every round, and does nothing else."""
        dotted = self.model.names.dotted(call.func)
        if dotted is None:
            return isinstance(call.func, ast.Attribute) and call.func.attr in _STEADY_METHODS
        if dotted in _STEADY:
            return True
        clock = dotted.startswith(("numpy.random", "datetime.", "pandas.")) and dotted.rpartition(".")[2] in _CLOCKS
        return dotted.startswith(_STEADY_ROOTS) and not dotted.startswith("numpy.random") and not clock

    def _varies(self, node: ast.AST) -> bool:
        return any(
            (isinstance(inner, ast.Name) and (inner.id in self.changing or inner.id in self.known))
            or self.read(inner) is not None
            for inner in walk(node)
        )

    def _binop(self, node: ast.BinOp) -> Column:
        if type(node.op) not in _BINARY:
            raise NotColumnar(f"`{ast.unparse(node)}` has no form for whole columns")
        sign, level = _BINARY[type(node.op)]
        left, right = self.lift(node.left), self.lift(node.right)
        if isinstance(node.left, ast.Constant) and isinstance(node.left.value, str) and sign == "%":
            raise NotColumnar("a format string has no form for whole columns")
        if isinstance(node.op, ast.Pow):
            text = f"{left.within(_ATOM)} ** {right.within(_UNARY)}"
        else:
            text = f"{left.within(level)} {sign} {right.within(level + 1)}"
        truth = sign in "&|" and left.truth and right.truth
        if sign in "&|" and not truth:
            raise NotColumnar("`&` and `|` are not between conditions")
        return Column(text, level, truth=truth, bare=left.bare or right.bare)

    def _unaryop(self, node: ast.UnaryOp) -> Column:
        if isinstance(node.op, ast.Not):
            operand = self.condition(node.operand)
            return Column(f"~{operand.within(_UNARY)}", _UNARY, truth=True, bare=operand.bare)
        if not isinstance(node.op, ast.USub):
            raise NotColumnar(f"`{ast.unparse(node)}` has no form for whole columns")
        operand = self.lift(node.operand)
        return Column(f"-{operand.within(_UNARY)}", _UNARY, bare=operand.bare)

    def _compare(self, node: ast.Compare) -> Column:
        operands = [node.left, *node.comparators]
        parts: list[Column] = []
        for left, op, right in zip(operands, node.ops, operands[1:], strict=False):
            if isinstance(op, (ast.In, ast.NotIn)):
                values = self.lift(right)
                tested = self.lift(left)
                if values.varies or not tested.varies or not isinstance(right, (ast.List, ast.Tuple, ast.Set)):
                    raise NotColumnar(f"`{ast.unparse(right)}` is no list of values")
                inside = ", ".join(self.model.source.segment(element) for element in right.elts)
                text = f"{tested.atom}.isin([{inside}])"
                if tested.bare or any(isinstance(element, ast.Starred) for element in right.elts):
                    raise NotColumnar(f"`{ast.unparse(right)}` is no list of values")
                negated = isinstance(op, ast.NotIn)
                parts.append(Column(f"~{text}" if negated else text, _UNARY if negated else _ATOM, truth=True))
                continue
            if type(op) not in _COMPARISONS or _is_none(left) or _is_none(right):
                raise NotColumnar("a comparison with None, or by identity, has no form for whole columns")
            first, second = self.lift(left), self.lift(right)
            text = f"{first.within(_BIT_OR)} {_COMPARISONS[type(op)]} {second.within(_BIT_OR)}"
            parts.append(Column(text, _COMPARE, truth=True, bare=first.bare and second.bare))
        return parts[0] if len(parts) == 1 else self._combined("&", _BIT_AND, parts)

    def _boolop(self, node: ast.BoolOp) -> Column:
        sign, level = ("&", _BIT_AND) if isinstance(node.op, ast.And) else ("|", _BIT_OR)
        return self._combined(sign, level, [self.condition(value) for value in node.values])

    def _combined(self, sign: str, level: int, parts: list[Column]) -> Column:
        text = f" {sign} ".join(part.within(level + 1) for part in parts)
        return Column(text, level, truth=True, bare=all(part.bare for part in parts))

    def _ifexp(self, node: ast.IfExp) -> Column:
        return self.choose(self.condition(node.test), self.lift(node.body), self.lift(node.orelse))

    def _call(self, node: ast.Call) -> Column:
        if any(isinstance(argument, ast.Starred) for argument in node.args) or node.keywords:
            raise NotColumnar(f"`{ast.unparse(node)}` is given more than values")
        dotted = self.model.names.dotted(node.func)
        if dotted is None:
            return self._method(node)
        given = [self.lift(argument) for argument in node.args]
        inside = ", ".join(argument.text for argument in given)
        bare = all(argument.bare or not argument.varies for argument in given)
        if dotted in _CASTS and len(given) == 1 and not bare:
            return Column(f"{given[0].atom}.astype({dotted})")
        if dotted == "len" and len(given) == 1 and not bare:
            return Column(f"{given[0].atom}.str.len()")
        if dotted in ("abs", "round") and 0 < len(given) < 3 and given[0].varies:
            return Column(f"{dotted}({inside})", bare=bare)
        if dotted in ("min", "max") and len(given) == 2:
            return Column(f"{self.spell('numpy.minimum' if dotted == 'min' else 'numpy.maximum')}({inside})", bare=bare)
        if dotted in _MISSING and len(given) == 1:
            return Column(f"{self.model.source.segment(node.func)}({inside})", truth=True, bare=bare)
        module, _, name = dotted.rpartition(".")
        if module == "math" and name in ("floor", "ceil", "trunc") and not bare:
            return Column(f"{self.spell(MATH[name])}({inside}).astype(int)")
        if module == "math" and name in MATH:
            return Column(f"{self.spell(MATH[name])}({inside})", truth=MATH[name] in _TESTS, bare=bare)
        if module == "numpy" and name in _UFUNCS_OF_COLUMNS:
            return Column(f"{self.model.source.segment(node.func)}({inside})", truth=dotted in _TESTS, bare=bare)
        raise NotColumnar(f"nothing is known of what `{ast.unparse(node.func)}` does to a column")

    def _method(self, node: ast.Call) -> Column:
        if not isinstance(node.func, ast.Attribute):
            raise NotColumnar(f"nothing is known of what `{ast.unparse(node.func)}` does to a column")
        name = node.func.attr
        receiver = self.lift(node.func.value)
        given = [self.lift(argument) for argument in node.args]
        if not receiver.varies or receiver.bare or any(argument.varies for argument in given):
            raise NotColumnar(f"`{ast.unparse(node)}` is given other columns, or called on what is no column")
        inside = ", ".join(argument.text for argument in given)
        if name in _STRING_METHODS:
            return Column(f"{receiver.atom}.str.{name}({inside})", truth=name in _BOOLEAN_METHODS)
        if name == "replace" and len(given) == 2:
            return Column(f"{receiver.atom}.str.replace({inside}, regex=False)")
        raise NotColumnar(f"nothing is known of what `.{name}` does to a column")


def arms(body: list[ast.stmt]) -> tuple[list[tuple[ast.expr, ast.expr]], ast.expr] | None:
    """A function body ``if c: return a; …; return z``: the conditions with their values, and the last value."""
    found: list[tuple[ast.expr, ast.expr]] = []
    rest = list(body)
    if rest and isinstance(rest[0], ast.Expr) and isinstance(rest[0].value, ast.Constant):
        rest = rest[1:]
    while rest:
        statement = rest[0]
        if isinstance(statement, ast.Return):
            return None if statement.value is None else (found, statement.value)
        if not isinstance(statement, ast.If) or len(statement.body) != 1:
            return None
        only = statement.body[0]
        if not isinstance(only, ast.Return) or only.value is None:
            return None
        found.append((statement.test, only.value))
        rest = [*statement.orelse, *rest[1:]]
    return None


def reader(source: Source, row: str, frame: str) -> Callable[[ast.AST], str | None]:
    """How reads of the columns of a row are written for the frame, in the quotes of the file."""

    def read(node: ast.AST) -> str | None:
        if not column_name(node, row):
            return None
        if isinstance(node, ast.Subscript):
            return f"{frame}[{source.segment(node.slice)}]"
        assert isinstance(node, ast.Attribute)
        quote = '"' if source.text.count('"') >= source.text.count("'") else "'"
        return f"{frame}[{quote}{node.attr}{quote}]"

    return read


def _constant(text: str) -> str:
    """Whether a text is a literal string or number."""
    if text[:1] in ("'", '"'):
        return "str"
    return "number" if text.lstrip("-")[:1].isdigit() or text in ("True", "False") else ""


def _level(node: ast.expr) -> int:
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return _BINARY[type(node.op)][1]
    if isinstance(node, ast.UnaryOp):
        return _UNARY
    if isinstance(node, ast.Tuple):
        return _OR
    return _ATOM if isinstance(node, _ATOMS) else _OR


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
