from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mlint.rule import NDARRAY, Context, Edit, Example, Finding, Method, Reference, Rule, Safety, walk


class Removal(NamedTuple):
    """A name that NumPy no longer has.

    Attributes:
        gone: the release that removed it.
        new: what to write instead: a builtin, ``np.…``, or a literal; None where it depends.
        since: the release from which on ``new`` exists, where that matters.
        advice: what to do, where there is nothing to write.
        safe: whether ``new`` is the same object or does the same.
    """

    gone: str
    new: str | None
    since: str = ""
    advice: str = ""
    safe: bool = True


def _table() -> Mapping[str, Removal]:
    table: dict[str, Removal] = {}
    for name in ("int", "float", "object", "str", "complex", "bool"):
        table[name] = Removal("1.24", name)
    table["long"] = Removal("1.24", "int")
    table["unicode"] = Removal("1.24", "str")
    for line in (
        "float_ np.float64|complex_ np.complex128|cfloat np.complex128|singlecomplex np.complex64|"
        "longfloat np.longdouble|clongfloat np.clongdouble|longcomplex np.clongdouble|string_ np.bytes_|"
        "unicode_ np.str_|Inf np.inf|Infinity np.inf|infty np.inf|PINF np.inf|NINF -np.inf|NaN np.nan|PZERO 0.0|"
        "NZERO -0.0|product np.prod|cumproduct np.cumprod|sometrue np.any|alltrue np.all|round_ np.round|"
        "mat np.asmatrix|bool8 np.bool_|int0 np.intp|uint0 np.uintp|object0 np.object_|bytes0 np.bytes_|str0 np.str_|"
        "void0 np.void"
    ).split("|"):
        name, new = line.split()
        table[name] = Removal("2.0", new)
    for (
        name
    ) in "AxisError ComplexWarning ModuleDeprecationWarning RankWarning TooHardError VisibleDeprecationWarning".split():
        table[name] = Removal("2.0", f"np.exceptions.{name}", since="1.25")
    table["trapz"] = Removal("2.4", "np.trapezoid", since="2.0")
    table["in1d"] = Removal("2.4", "np.isin", safe=False)
    table["alen"] = Removal("1.23", "len", safe=False)
    table["issubclass_"] = Removal("2.0", "issubclass", safe=False)
    table["rank"] = Removal("1.18", "np.ndim")
    table["typeDict"] = Removal("1.25", "np.sctypeDict")
    table["byte_bounds"] = Removal("2.0", "np.lib.array_utils.byte_bounds", since="2.0")
    table["DataSource"] = Removal("2.0", "np.lib.npyio.DataSource")
    table["compare_chararrays"] = Removal("2.0", "np.char.compare_chararrays")
    for name, advice in {
        "find_common_type": "use `np.result_type` or `np.promote_types`",
        "cast": "use `np.asarray(x, dtype=…)`",
        "source": "use `inspect.getsource`",
        "obj2sctype": "use `np.dtype(x).type`",
        "sctype2char": "use `np.dtype(x).char`",
        "issubsctype": "use `np.issubdtype`",
        "issctype": "use `issubclass(x, np.generic)`",
        "sctypes": "name the dtypes",
        "maximum_sctype": "name the dtype",
        "nbytes": "use `np.dtype(x).itemsize`",
        "safe_eval": "use `ast.literal_eval`",
        "set_string_function": "use `np.set_printoptions`",
        "recfromcsv": "use `np.genfromtxt` with `delimiter=','`",
        "recfromtxt": "use `np.genfromtxt`",
        "deprecate": "use `warnings.warn` with DeprecationWarning",
        "disp": "use `print`",
        "geterrobj": "use `np.errstate`",
        "seterrobj": "use `np.errstate`",
        "lookfor": "search NumPy's documentation",
        "who": "use `locals()`",
    }.items():
        table[name] = Removal("2.0", None, advice=advice)
    return table


REMOVED = _table()
CALLS = {
    "msort": ("np.sort($x, axis=0)", True),
    "asscalar": ("$x.item()", True),
    "fastCopyAndTranspose": ("$x.T.copy()", True),
    "asfarray": ("np.asarray($x, dtype=float)", False),
}
"""Functions of one argument whose replacement is no mere name: template, and whether it does the same."""
GONE_CALLS = {"msort": "2.0", "asscalar": "1.23", "fastCopyAndTranspose": "2.0", "asfarray": "2.0"}
METHODS = {"ptp": "np.ptp($x, $*rest)", "newbyteorder": "$x.view($x.dtype.newbyteorder($*rest))", "itemset": None}
AGAIN = frozenset({"bool", "long"})
"""Names that NumPy 2 has again, with another meaning."""


class NumpyRemovedName(Rule):
    """The name no longer exists in NumPy: the line raises AttributeError when it runs.

    ## Why
    NumPy 1.24 removed the aliases of Python's own types (`np.int`, `np.float`, `np.object`, …), NumPy 2.0 about a
    hundred more names (`np.float_`, `np.Inf`, `np.product`, …), NumPy 2.4 `np.trapz` and `np.in1d`. The code runs until
    the line is reached. `np.bool` and `np.long` exist again since NumPy 2.0 and mean NumPy's own types.

    ## Fix safety
    Safe where the new name is the same object, or does the same: `np.int` was `int`. No fix for an import whose new
    name would hide a builtin (`from numpy import any`) or is taken. Unsafe for `np.alen` and `np.issubclass_`, which
    took more than `len` and `issubclass` do, for `np.in1d`, as `np.isin`
    keeps the shape of its argument, and `np.asfarray`, as `np.asarray(x, dtype=float)` makes float64 of float32. A
    replacement that is newer than what is targeted is not offered.

    ## References
    - NumPy 1.20.0 release notes, "Using the aliases of builtin types like np.int is deprecated".
    - NumPy 2.0 migration guide.

    ## Known limits
    `np.trapz`, whose new name is as old as NumPy 2.0, is reported where NumPy 2 is the target.
    """

    code, name = "ML814", "numpy-removed-name"
    libraries = ("numpy",)
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (
        Reference(*(f"numpy.{name}" for name in (*REMOVED, *CALLS))),
        Method(*METHODS, of=NDARRAY),
    )

    _seen: tuple[object, frozenset[str]] | None = None

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name in REMOVED or alias.name in CALLS:
                    yield from self._imported(node, alias, ctx)
        elif isinstance(node, ast.Attribute):
            yield from self._named(node, ctx)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from self._method(node, node.func, ctx)

    def _applies(self, name: str, ctx: Context) -> bool:
        """Whether the name is gone in what is targeted."""
        gone = REMOVED[name].gone if name in REMOVED else GONE_CALLS[name]
        if name in AGAIN:
            return ctx.targets("numpy", ">=1.24,<2")
        if name in REMOVED and REMOVED[name].since == "2.0" and gone == "2.4":
            return ctx.targets("numpy", ">=2.0")  # elsewhere there is nothing else to write
        return not ctx.targets("numpy", f"<{gone}")

    def _named(self, node: ast.Attribute, ctx: Context) -> Iterator[Finding]:
        dotted = ctx.dotted(node) or ""
        module, _, name = dotted.rpartition(".")
        if module != "numpy" or isinstance(node.ctx, (ast.Store, ast.Del)) or not self._applies(name, ctx):
            return
        if name in self._restored(ctx):
            return
        parent = ctx.tree.parent(node)
        if name in CALLS:
            template, safe = CALLS[name]
            call = parent if isinstance(parent, ast.Call) and parent.func is node else None
            fix = None
            if call is not None and len(call.args) == 1 and not call.keywords and not ctx.open_ended(call):
                written, _ = self._written(template, node, ctx)
                fix = ctx.fix(
                    lambda: ctx.edits.replace(call, written, x=call.args[0]),
                    Safety.SAFE if safe else Safety.UNSAFE,
                    f"Use `{written.replace('$x', 'x')}`",
                )
            given = "x"
            if call is not None and call.args and isinstance(call.args[0], (ast.Name, ast.Attribute, ast.Subscript)):
                given = ctx.short(call.args[0])
            advice = f"use `{template.replace('$x', given)}`"
            yield ctx.finding(node, self._message(ctx.text(node), name), advice, fix)
            return
        removal = REMOVED[name]
        if removal.new is None:
            yield ctx.finding(node, self._message(ctx.text(node), name), removal.advice)
            return
        written, free = self._written(removal.new, node, ctx)
        fix = None
        if free and self._available(removal, ctx):
            fix = ctx.fix(
                lambda: ctx.edits.replace(node, written),
                Safety.SAFE if removal.safe else Safety.UNSAFE,
                f"Use `{written}`",
            )
        yield ctx.finding(node, self._message(ctx.text(node), name), f"use `{written}`", fix)

    def _restored(self, ctx: Context) -> frozenset[str]:
        """The names that the file itself gives back to NumPy: `np.int = int`."""
        if self._seen is None or self._seen[0] is not ctx.model:
            found = {
                node.attr
                for node in walk(ctx.tree.module)
                if isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and ctx.dotted(node.value) == "numpy"
            }
            self._seen = (ctx.model, frozenset(found))
        return self._seen[1]

    def _available(self, removal: Removal, ctx: Context) -> bool:
        """Whether everything that is targeted has the new name."""
        return not removal.since or ctx.targets("numpy", f">={removal.since}")

    def _message(self, written: str, name: str) -> str:
        gone = REMOVED[name].gone if name in REMOVED else GONE_CALLS[name]
        if name in AGAIN:
            return f"`{written}` does not exist between NumPy 1.24 and 2.0"
        return f"`{written}` was removed in NumPy {gone}"

    def _written(self, new: str, node: ast.Attribute, ctx: Context) -> tuple[str, bool]:
        """The replacement with the file's own name for NumPy, and whether its name is free to use."""
        if "np." in new:
            return new.replace("np.", f"{ctx.text(node.value)}."), True
        return new, not new.isidentifier() or ctx.names.lookup_from(ctx.tree.scope(node), new) is None

    def _imported(self, node: ast.ImportFrom, alias: ast.alias, ctx: Context) -> Iterator[Finding]:
        """A from-import: its own line raises ImportError. The uses are renamed with it."""
        name = alias.name
        if node.module != "numpy" or not self._applies(name, ctx):
            return
        removal = REMOVED.get(name)
        new = removal.new if removal is not None else None
        local = alias.asname or name
        advice = removal.advice if removal is not None else f"use `{CALLS[name][0].replace('$x', 'x')}`"
        fix = None
        if removal is not None and new is not None:
            advice = f"use `{new}`"
            bare = new.removeprefix("np.")
            builtin = bare == new
            renames = not alias.asname or builtin
            if (
                bare.isidentifier()
                and self._available(removal, ctx)
                and not (renames and self._means_another(bare, local, builtin, ctx))
            ):

                def build() -> list[Edit]:
                    uses = [] if alias.asname and not builtin else self._uses(local, ctx)
                    if builtin:
                        edits = ctx.edits.remove_import(node, name)
                    else:
                        edits = ctx.edits.replace_import(node, name, "numpy", bare)
                    renamed = [ctx.edits.replace(use, bare) for use in uses if use.id != bare]
                    return [*edits, *renamed]

                fix = ctx.fix(build, Safety.SAFE if removal.safe else Safety.UNSAFE, f"Use `{new}`")
        yield ctx.finding(node, self._message(f"numpy.{name}", name), advice, fix)

    def _means_another(self, bare: str, local: str, builtin: bool, ctx: Context) -> bool:
        """Whether the new name would hide a builtin, as `from numpy import any` does, or is taken where it is used."""
        if not builtin and hasattr(builtins, bare):
            return True
        places = [ctx.tree.module, *(ctx.tree.scope(use) for use in self._uses(local, ctx))]
        bindings = [found[1] for place in places if (found := ctx.names.lookup_from(place, bare)) is not None]
        return any(
            binding.imported not in (f"numpy.{bare}", f"numpy.{local}") for found in bindings for binding in found
        )

    def _uses(self, local: str, ctx: Context) -> list[ast.Name]:
        return [
            use
            for use in walk(ctx.tree.module)
            if isinstance(use, ast.Name) and use.id == local and isinstance(use.ctx, ast.Load)
            and (ctx.dotted(use) or "").startswith("numpy.")
        ]  # fmt: skip

    def _method(self, call: ast.Call, func: ast.Attribute, ctx: Context) -> Iterator[Finding]:
        """Methods of an array that NumPy 2 has no more."""
        if ctx.targets("numpy", "<2.0") or ctx.kinds.of(func.value).name != NDARRAY:
            return
        template = METHODS[func.attr]
        fix = None
        advice = "assign to the element: `x[i] = value`"
        if template is not None and not ctx.open_ended(call):
            text = template
            imports: list[Edit] = []
            if template.startswith("np."):
                spelled, imports = ctx.edits.name(f"numpy.{func.attr}", call)
                text = f"{spelled}($x, $*rest)"
            advice = f"use `{text.partition('(')[0].removeprefix('$x.')}`"
            fix = ctx.fix(
                lambda: [ctx.edits.replace(call, text, x=func.value, rest=[*call.args, *call.keywords]), *imports],
                Safety.SAFE,
                f"Use `{text.partition('(')[0].replace('$x', ctx.short(func.value))}`",
            )
        yield ctx.finding(call, f"`{func.attr}` is no method of an array since NumPy 2.0", advice, fix)

    examples = (
        Example(
            bad="from numpy import sometrue\ny = sometrue([1])\nz = any(x for x in [0])",
            note="`any` would be NumPy's: no fix",
        ),
        Example(
            bad="from numpy import product\n\n\ndef f(prod):\n    return product(prod)",
            note="`prod` is taken: no fix",
        ),
        Example(
            given="import numpy as np\n",
            bad="x = np.zeros(3, dtype=np.int)",
            good="x = np.zeros(3, dtype=int)",
            equal="len(x)",
            raises="AttributeError",
        ),
        Example(
            given="import numpy\n",
            bad="x = numpy.asarray([1, 2]).astype(numpy.float)  # as floats",
            good="x = numpy.asarray([1, 2]).astype(float)  # as floats",
            equal="len(x)",
            raises="AttributeError",
        ),
        Example(
            given="import numpy as np\n",
            bad="x = np.array(['a', None], dtype=np.object)\nok = isinstance(1, np.int)\nlow = -np.Inf",
            good="x = np.array(['a', None], dtype=object)\nok = isinstance(1, int)\nlow = -np.inf",
            equal="x is not None, ok, low",
            raises="AttributeError",
            count=3,
        ),
        Example(
            given="import numpy as np\n",
            bad="x = 1 - np.NINF\ny = np.float_(3)\nz = np.NaN\nw = np.product([1, 2])\nv = np.alltrue([1])",
            good="x = 1 - -np.inf\ny = np.float64(3)\nz = np.nan\nw = np.prod([1, 2])\nv = np.all([1])",
            equal="x, y, z, w, v",
            raises="AttributeError",
            count=5,
        ),
        Example(
            given="import numpy as np\n",
            bad="x = np.msort(np.array([[3, 1], [1, 2]]))\ny = np.asscalar(np.array([4]))",
            good="x = np.sort(np.array([[3, 1], [1, 2]]), axis=0)\ny = np.array([4]).item()",
            equal="x is not None, y",
            raises="AttributeError",
            count=2,
        ),
        Example(
            given="import numpy as np\n",
            bad="x = np.asfarray([1, 2])",
            good="x = np.asarray([1, 2], dtype=float)",
            equal="len(x)",
            raises="AttributeError",
            safety="unsafe",
        ),
        Example(
            bad="from numpy import array, Inf, product\nx = product(array([Inf, 1]))\nlow = -Inf",
            good="from numpy import array, inf, prod\nx = prod(array([inf, 1]))\nlow = -inf",
            equal="x, low",
            raises="ImportError",
            count=2,
        ),
        Example(
            bad="from numpy import array, float_ as real\nx = array([1], dtype=real)",
            good="from numpy import array, float64 as real\nx = array([1], dtype=real)",
            equal="len(x)",
            raises="ImportError",
        ),
        Example(
            bad="from numpy import zeros, int\nx = zeros(3, dtype=int)",
            good="from numpy import zeros\nx = zeros(3, dtype=int)",
            equal="len(x)",
            raises="ImportError",
        ),
        Example(
            given="import numpy as np\n",
            bad="x = np.trapz([1, 2, 3])\nseen = np.in1d([1, 2], [2])",
            good="x = np.trapezoid([1, 2, 3])\nseen = np.isin([1, 2], [2])",
            equal="x, len(seen)",
            raises="AttributeError",
            count=2,
            targets={"numpy": ">=2.0"},
        ),
        Example(given="import numpy as np\n", bad="dtype = np.find_common_type([np.float32, np.int64], [])"),
        Example(
            given="import numpy as np\n",
            bad="try_again = np.VisibleDeprecationWarning",
            good="try_again = np.exceptions.VisibleDeprecationWarning",
            equal="try_again.__name__",
            raises="AttributeError",
            targets={"numpy": ">=1.26"},
        ),
        Example(given="import numpy as np\n", bad="warning = np.VisibleDeprecationWarning", note="np.exceptions: 1.25"),
        Example(
            given="import numpy as np\nx = np.random.rand(3, 4)\n",
            bad="span = x.ptp(axis=0)",
            good="span = np.ptp(x, axis=0)",
            equal="span is not None",
            raises="AttributeError",
        ),
        Example(
            given="import numpy as np\n",
            bad="def f(int):\n    return np.zeros(int, dtype=np.int)\n",
            note="int is the caller's number here",
        ),
        Example(
            given="import numpy as np\n",
            bad="mask = np.zeros(3, dtype=np.bool)",
            good="mask = np.zeros(3, dtype=bool)",
            targets={"numpy": ">=1.24,<2"},
        ),
        Example(given="import numpy as np\n", ok="mask = np.zeros(3, dtype=np.bool)\nn = np.long(3)"),
        Example(given="import numpy as np\n", ok="mask = np.zeros(3, dtype=np.int)", targets={"numpy": "1.19"}),
        Example(
            given="import numpy as np\n",
            bad="seen = np.in1d([1, 2], [2])",
            good="seen = np.isin([1, 2], [2])",
            note="`np.isin` is old enough for every target",
        ),
        Example(given="import numpy as np\n", ok="area = np.trapz([1, 2, 3])\nrows = np.row_stack([[1], [2]])"),
        Example(
            given="import numpy as np\n",
            ok="if np.__version__ < '1.20':\n    integer = np.int\nelse:\n    integer = int\n",
        ),
        Example(
            given="import numpy as np\n",
            ok="if not hasattr(np, 'float'):\n    np.float = float\nx = np.float64(1)\n",
        ),
        Example(
            given="import numpy as np\n",
            ok="try:\n    trapezoid = np.product\nexcept AttributeError:\n    trapezoid = np.prod\n",
        ),
        Example(given="import numpy as np\n", ok="np.int = int\nx = np.zeros(3, dtype=np.int)"),
        Example(given="import jax.numpy as np\nimport numpy\n", ok="x = np.float_"),
        Example(given="import numpy as np\n", ok="x = np.zeros(3, dtype=np.int_)\ny = np.float64(1)\nz = np.inf"),
        Example(given="import numpy as np\nimport pandas as pd\n", ok="s = pd.Series([1])\nr = s.product()"),
        Example(given="from numpy import random\n", ok="def product(a):\n    return a\n\nx = product(3)"),
    )
