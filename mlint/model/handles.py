"""Files and archives in use: what becomes of a handle, how long it is needed, whether it gets away.

A *handle* is an expression whose value holds something open. Following it outwards tells whether it is used up on the
spot (``json.load(open(p))``), gone over by a loop, bound to a name, or handed to somebody who may keep it. A value that
reads from the handle later (``csv.reader(f)``, a dataset of an HDF5 file) is followed like the handle itself.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.names import Names
from mlint.model.reaching import Reaching
from mlint.model.tree import COMPREHENSIONS, Tree, children, position, walk

if TYPE_CHECKING:
    from mlint.model.kinds import Kinds


def _named(module: str, names: str) -> frozenset[str]:
    return frozenset(f"{module}.{name}" for name in names.split())


_EAGER = frozenset(
    {
        "list",
        "tuple",
        "set",
        "sorted",
        "dict",
        "sum",
        "max",
        "min",
        "any",
        "all",
        "len",
        "next",
        "print",
        "str",
        "float",
    }
).union(
    {"collections.Counter", "collections.deque", "hashlib.file_digest", "shutil.copyfileobj", "imageio.imread"},
    {"xml.etree.ElementTree.parse", "xml.dom.minidom.parse", "lxml.etree.parse", "lxml.html.parse", "scipy.io.loadmat"},
    {"scipy.io.wavfile.read", "scipy.io.arff.loadarff", "scipy.sparse.load_npz", "soundfile.read", "msgpack.unpack"},
    {"email.message_from_file", "email.message_from_binary_file", "plistlib.load", "joblib.load", "joblib.dump"},
    {"torch.load", "torch.save", "torch.jit.load", "safetensors.torch.save", "bs4.BeautifulSoup", "msgpack.pack"},
    *(
        _named(module, "load dump")
        for module in "json pickle cPickle _pickle dill cloudpickle marshal toml tomllib tomli tomlkit simplejson "
        "ujson hjson json5 rapidjson jsonpickle pickle5 six.moves.cPickle tomli_w ruamel.yaml".split()
    ),
    _named("yaml", "load safe_load full_load unsafe_load dump safe_dump dump_all safe_dump_all"),
    _named("ruamel.yaml", "safe_load round_trip_load round_trip_dump safe_dump"),
    _named("numpy", "loadtxt genfromtxt fromfile save savez savez_compressed savetxt array asarray fromregex"),
    _named("pandas", "read_csv read_table read_json read_pickle read_parquet read_feather read_fwf read_html read_xml"),
    _named("pandas", "read_excel read_orc"),
)
"""Callables that are done with the handle when they return."""

_DOUBTFUL = frozenset({"numpy.load"})
"""Callables that are done with it for some inputs: `numpy.load` reads the arrays of an `.npz` later."""

_LAZY = frozenset(
    {"enumerate", "zip", "map", "filter", "iter", "reversed", "csv.reader", "csv.DictReader", "csv.writer"}
).union(
    {
        "csv.DictWriter",
        "itertools.islice",
        "itertools.chain",
        "itertools.takewhile",
        "itertools.dropwhile",
        "tqdm.tqdm",
    },
    {"tqdm.auto.tqdm", "tqdm.notebook.tqdm", "tqdm.std.tqdm", "yaml.load_all", "yaml.safe_load_all"},
    {"pickle.Unpickler", "pickle.Pickler", "PIL.Image.open", "xml.etree.ElementTree.iterparse", "io.TextIOWrapper"},
    {"jsonlines.Reader", "codecs.iterdecode", "itertools.groupby", "unicodecsv.reader", "itertools.zip_longest"},
)
"""Callables whose result goes on reading from the handle."""

_FORCING = frozenset("load dump writerow writerows writeheader convert resize copy".split())
"""Methods of such results that read or write now."""

_PURE = frozenset("len str int float bool list dict tuple set range sorted min max sum abs round isinstance".split())
_PURE_PREFIXES = ("os.path.", "posixpath.", "os.environ.get", "os.getenv", "os.getcwd", "pathlib.")


class Protocol:
    """How a kind of handle is used.

    Attributes:
        methods: methods that are done when they return.
        lazy: methods whose result goes on reading from the handle.
        attributes: attributes that hold plain values.
        closing: methods that close it.
        items: what a subscript gives: ``eager`` for a value of its own, ``lazy`` for one that reads later.
        functions: whether the functions that take files are known to take it.
        assigns: whether values are stored into it by subscript.
    """

    __slots__ = ("assigns", "attributes", "closing", "functions", "items", "lazy", "methods")

    def __init__(
        self,
        methods: str,
        *,
        lazy: str = "",
        attributes: str = "",
        closing: str = "close",
        items: str = "",
        functions: bool = True,
        assigns: bool = False,
    ) -> None:
        self.methods = frozenset(methods.split())
        self.lazy = frozenset(lazy.split())
        self.attributes = frozenset(attributes.split())
        self.closing = frozenset(closing.split())
        self.items = items
        self.functions = functions
        self.assigns = assigns


FILE = Protocol(
    "read readline readlines readinto write writelines seek tell flush truncate isatty readable writable seekable peek "
    "read1 size __next__ next",
    attributes="name closed mode encoding newlines",
)
"""A file, as `open` gives it."""

ARRAYS = Protocol("keys", lazy="items values", attributes="files allow_pickle zip", items="eager", functions=False)
"""What `numpy.load` gives for an `.npz` file."""

HDF5 = Protocol(
    "flush visit create_dataset_like copy move",
    lazy="keys get create_dataset create_group require_group require_dataset items values",
    attributes="filename mode attrs name",
    items="lazy",
    functions=False,
    assigns=True,
)
"""An `h5py.File`."""

_DERIVED = frozenset("shape dtype size ndim chunks attrs name maxshape fieldnames line_num nbytes compression".split())


class Use:
    """What becomes of a handle.

    Attributes:
        how: ``consumed`` (used up when ``node`` has been evaluated), ``loop`` (gone over by the `for` loop ``node``),
            ``bound`` (to a name, by the assignment ``node``), ``closed`` (by the call ``node``), or ``escapes``.
        node: see there.
        doubtful: whether what used it up may come back to it.
        direct: for ``bound`` and ``loop``, whether it is the handle itself and nothing that reads from it.
        read: for ``loop``, whether it is used up before the first round.
    """

    __slots__ = ("direct", "doubtful", "how", "node", "read")

    def __init__(
        self, how: str, node: ast.AST, *, doubtful: bool = False, direct: bool = True, read: bool = False
    ) -> None:
        self.how = how
        self.node = node
        self.doubtful = doubtful
        self.direct = direct
        self.read = read


class Lifetime:
    """A handle bound to a name, and the statements that need it.

    Attributes:
        statement: the assignment.
        name: the name.
        body: the statements behind the assignment that must stand under a `with`; empty where no `with` fits.
        closing: the statement that closes the handle, if there is one behind them.
        doubtful: whether something may come back to the handle later.
    """

    __slots__ = ("body", "closing", "doubtful", "name", "statement")

    def __init__(
        self, statement: ast.stmt, name: str, body: list[ast.stmt], closing: ast.stmt | None, doubtful: bool
    ) -> None:
        self.statement = statement
        self.name = name
        self.body = body
        self.closing = closing
        self.doubtful = doubtful


class Handles:
    """Questions about handles in one file."""

    def __init__(self, tree: Tree, names: Names, reaching: Reaching, kinds: Kinds) -> None:
        self.tree = tree
        self.names = names
        self.reaching = reaching
        self.kinds = kinds

    def use(self, node: ast.expr, protocol: Protocol = FILE, *, direct: bool = True) -> Use:
        """What becomes of the handle that an expression gives, or of what reads from one if it is not ``direct``."""
        current: ast.expr = node
        while True:
            parent = self.tree.parent(current)
            if isinstance(parent, ast.Attribute):
                call = self.tree.parent(parent)
                called = isinstance(call, ast.Call) and call.func is parent
                if called and direct and parent.attr in protocol.closing:
                    return Use("closed", call)  # type: ignore[arg-type]
                if called and parent.attr in (protocol.methods if direct else _FORCING | protocol.methods):
                    return Use("consumed", call)  # type: ignore[arg-type]
                if called and direct and parent.attr in protocol.lazy:
                    assert isinstance(call, ast.Call)
                    current, direct = call, False
                    continue
                if not called and parent.attr in (protocol.attributes if direct else _DERIVED):
                    return Use("consumed", parent)
                return Use("escapes", parent)
            if isinstance(parent, ast.Subscript) and parent.value is current and protocol.items:
                stored = isinstance(parent.ctx, (ast.Store, ast.Del))
                if stored:
                    return Use("consumed" if protocol.assigns else "escapes", parent)
                if (direct and protocol.items == "eager") or (not direct and _takes_values(parent.slice)):
                    return Use("consumed", parent)
                current, direct = parent, False
                continue
            argument: ast.AST = current
            if isinstance(parent, (ast.Starred, ast.keyword)):
                argument, parent = parent, self.tree.parent(parent)
                if isinstance(argument, ast.Starred) and not isinstance(parent, ast.Call):
                    return Use("consumed" if isinstance(parent, (ast.List, ast.Set)) else "escapes", argument)
                if isinstance(argument, ast.Starred):
                    return Use("consumed", parent or argument)
            if isinstance(parent, ast.Call) and argument is not parent.func:
                how = self._taken(parent, protocol, direct)
                if how == "lazy":
                    current, direct = parent, False
                    continue
                if how:
                    return Use("consumed", parent, doubtful=how == "doubtful")
                return Use("escapes", parent)
            if isinstance(parent, (ast.For, ast.AsyncFor)) and parent.iter is current:
                return Use("loop", parent, direct=direct)
            if isinstance(parent, ast.comprehension) and parent.iter is current:
                inner = self.tree.parent(parent)
                assert isinstance(inner, COMPREHENSIONS)
                if inner.generators[0] is not parent or parent.is_async:
                    return Use("consumed" if not isinstance(inner, ast.GeneratorExp) else "escapes", inner)
                if not isinstance(inner, ast.GeneratorExp):
                    return Use("consumed", inner)
                outer = self.tree.parent(inner)
                if isinstance(outer, ast.Call) and _is_join(outer):
                    return Use("consumed", outer)
                current, direct = inner, False
                continue
            if isinstance(parent, (ast.Assign, ast.AnnAssign)) and parent.value is current:
                targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
                if len(targets) == 1 and isinstance(targets[0], ast.Name):
                    return Use("bound", parent, direct=direct)
                if len(targets) == 1 and isinstance(targets[0], (ast.Tuple, ast.List)):
                    return Use("consumed", parent)
                return Use("escapes", parent)
            if isinstance(parent, ast.Expr) and not direct:
                return Use("consumed", current)  # `file.create_dataset(…)` for what it does
            if isinstance(parent, ast.Compare) and parent.left is not current:
                if isinstance(parent.ops[-1], (ast.In, ast.NotIn)):
                    return Use("consumed", parent)
            return Use("escapes", parent or current)

    def _taken(self, call: ast.Call, protocol: Protocol, direct: bool) -> str:
        """What a call does with a handle among its arguments: ``eager``, ``doubtful``, ``lazy`` or nothing known."""
        if _is_join(call):
            return "eager"
        dotted = self.names.dotted(call.func)
        if dotted is None:
            return ""
        if not protocol.functions and direct:
            return "eager" if dotted in ("print", "len", "list", "sorted", "set") else ""
        if dotted in _LAZY:
            return "lazy"
        if dotted in _DOUBTFUL:
            return "doubtful"
        if dotted in _EAGER:
            if dotted.startswith("pandas.") and any(
                keyword.arg in (None, "chunksize", "iterator") for keyword in call.keywords
            ):
                return ""
            return "eager"
        return ""

    # Names

    def lifetime(self, call: ast.expr, protocol: Protocol = FILE) -> Lifetime | None:
        """How long the handle is needed that an assignment ``name = call`` binds.

        None where it gets away, is closed under a condition or by a `finally`, or is none of such an assignment.
        """
        statement = self.tree.parent(call)
        if not isinstance(statement, (ast.Assign, ast.AnnAssign)) or statement.value is not call:
            return None
        target = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
        if not isinstance(target, ast.Name) or (isinstance(statement, ast.Assign) and len(statement.targets) != 1):
            return None
        scope = self.tree.scope(statement)
        if isinstance(scope, ast.ClassDef):
            return None
        if any(other.how in ("global", "nonlocal") for other in self.names.bindings(scope).get(target.id, ())):
            return None
        block = self.tree.block(statement)
        reads: list[ast.Name] = []
        doubtful = False
        pending: list[tuple[ast.stmt, str]] = [(statement, target.id)]
        closings: list[ast.Call] = []
        seen = 0
        while pending:
            binding, name = pending.pop()
            seen += 1
            found = self._reads(binding, name, scope)
            if found is None or seen > 4:
                return None
            for read in found:
                use = self.use_of_name(read, protocol, direct=name == target.id)
                if use.how == "escapes":
                    return None
                if use.how == "closed":
                    assert isinstance(use.node, ast.Call)
                    closings.append(use.node)
                    continue
                if use.how == "bound":
                    assert isinstance(use.node, ast.stmt)
                    bound = use.node.target if isinstance(use.node, ast.AnnAssign) else use.node.targets[0]  # type: ignore[attr-defined]
                    assert isinstance(bound, ast.Name)
                    pending.append((use.node, bound.id))
                doubtful = doubtful or use.doubtful
                reads.append(read)
        closing: ast.stmt | None = None
        if closings:
            closing = self.tree.parent(closings[0])  # type: ignore[assignment]
            if len(closings) > 1 or not isinstance(closing, ast.Expr) or not _holds(block, closing):
                return None
        if not reads:
            return None
        return Lifetime(statement, target.id, self._span(statement, reads, block, closing), closing, doubtful)

    def use_of_name(self, read: ast.Name, protocol: Protocol, *, direct: bool) -> Use:
        """As `use`, for a read of a name that is bound to a handle or to something that reads from one."""
        if direct:
            return self.use(read, protocol)
        use = self.use(read, _READING, direct=False)
        return Use("escapes", use.node) if use.how == "closed" else use

    def _reads(self, binding: ast.stmt, name: str, scope: ast.AST) -> list[ast.Name] | None:
        """The reads of a name that a binding reaches; None where one is elsewhere or may read something else too."""
        found = []
        for node in walk(scope):
            if not isinstance(node, ast.Name) or node.id != name or isinstance(node.ctx, ast.Store):
                continue
            reaching = self.reaching.of(node)
            if not reaching or all(other.node is not binding for other in reaching):
                continue
            inner = self.tree.scope(node)
            while inner is not scope and isinstance(inner, COMPREHENSIONS):
                if isinstance(inner, ast.GeneratorExp) and not self._used_up(inner):
                    return None
                inner = self.tree.scope(inner)
            if len(reaching) > 1 or inner is not scope or isinstance(node.ctx, ast.Del):
                return None
            found.append(node)
        return found

    def _used_up(self, generator: ast.GeneratorExp) -> bool:
        """Whether a generator expression is gone over at once: ``sum(d[k].size for k in d)``."""
        call = self.tree.parent(generator)
        return isinstance(call, ast.Call) and (_is_join(call) or self.names.dotted(call.func) in _EAGER)

    def _span(
        self, statement: ast.stmt, reads: list[ast.Name], block: list[ast.stmt], closing: ast.stmt | None
    ) -> list[ast.stmt]:
        """The statements of the block behind a statement up to the last one with a read; empty if one is outside."""
        following = self.tree.following(statement)
        last = -1
        for read in reads:
            current: ast.AST = self.tree.statement(read)
            while not _holds(block, current):
                parent = self.tree.parent(current)
                if parent is None:
                    return []
                current = parent
            index = next((number for number, other in enumerate(following) if other is current), None)
            if index is None:
                return []
            last = max(last, index)
        if closing is not None:
            end = next((number for number, other in enumerate(following) if other is closing), -1)
            if end <= last:
                return []
            last = end - 1
        return following[: last + 1]

    def name_for(self, node: ast.AST, candidates: tuple[str, ...] = ("f", "file", "handle", "stream")) -> str | None:
        """A name for a `with … as` around a statement: one that nobody else uses there, or only other such blocks."""
        scope = self.tree.scope(node)
        if isinstance(scope, ast.ClassDef):
            return None
        return next((name for name in candidates if self._usable(name, node, scope)), None)

    def _usable(self, name: str, node: ast.AST, scope: ast.AST) -> bool:
        bindings = self.names.bindings(scope).get(name, [])
        if any(binding.how != "with" for binding in bindings):
            return False
        blocks = [binding.node for binding in bindings]
        around = list(self.tree.ancestors(node))
        if any(block is ancestor for block in blocks for ancestor in around):
            return False
        for other in walk(scope):
            if not isinstance(other, ast.Name) or other.id != name or isinstance(other.ctx, ast.Store):
                continue
            found = self.names.lookup(other)
            if found is not None and found[0] is not scope and _below(self.tree, found[0], scope):
                continue  # a name of an inner function
            if found is None or found[0] is not scope:
                return False
            if not any(block is ancestor for block in blocks for ancestor in self.tree.ancestors(other)):
                return False
        return True

    # Order

    def unconditional(self, node: ast.expr) -> bool:
        """Whether an expression is evaluated exactly once whenever its statement runs, and nothing awaits or yields."""
        statement = self.tree.statement(node)
        child: ast.AST = node
        for ancestor in self.tree.ancestors(node):
            if isinstance(ancestor, ast.Lambda):
                return False
            if isinstance(ancestor, ast.IfExp) and child is not ancestor.test:
                return False
            if isinstance(ancestor, ast.BoolOp) and child is not ancestor.values[0]:
                return False
            if isinstance(ancestor, ast.Compare) and len(ancestor.ops) > 1 and child is not ancestor.left:
                return False
            if isinstance(ancestor, COMPREHENSIONS) and child is not ancestor.generators[0]:
                return False
            if isinstance(ancestor, ast.comprehension) and child is not ancestor.iter:
                return False
            if ancestor is statement:
                break
            child = ancestor
        return True

    def calls_before(self, node: ast.expr, harmless: frozenset[str] = frozenset()) -> bool:
        """Whether its statement calls something before an expression is evaluated that may matter to a file.

        Calls of well-known functions that only compute do not count, nor do the dotted names in ``harmless``.
        """
        child: ast.AST = node
        for ancestor in self.tree.ancestors(node):
            if isinstance(ancestor, ast.Lambda):
                return True
            if not isinstance(ancestor, (*COMPREHENSIONS, ast.Assign, ast.AnnAssign)):
                for sibling in children(ancestor):
                    if sibling is child or position(sibling) >= position(node):
                        continue
                    if any(isinstance(part, ast.Call) and not self._pure(part, harmless) for part in walk(sibling)):
                        return True
            if isinstance(ancestor, ast.stmt):
                return False
            child = ancestor
        return False

    def calls_after(self, node: ast.expr) -> bool:
        """Whether its statement calls something that may matter to a file after the file has been used up."""
        used = {id(part) for part in walk(self.use(node).node)}
        return any(
            isinstance(part, ast.Call)
            and id(part) not in used
            and self.names.dotted(part.func) not in ("print", "len", "str", "int", "float", "bool")
            for part in walk(self.tree.statement(node))
        )

    def _pure(self, call: ast.Call, harmless: frozenset[str]) -> bool:
        if _is_join(call) or (isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Constant)):
            return True
        dotted = self.names.dotted(call.func)
        return dotted is not None and (dotted in _PURE or dotted in harmless or dotted.startswith(_PURE_PREFIXES))


_READING = Protocol(
    "__next__ writerow writerows writeheader load dump next", attributes=" ".join(_DERIVED), items="lazy"
)
"""Something that reads from a handle."""


def _takes_values(index: ast.expr) -> bool:
    """Whether a subscript of an HDF5 dataset reads it: a slice, a number, an ellipsis or an empty tuple."""
    if isinstance(index, ast.Tuple):
        return not index.elts or any(_takes_values(part) for part in index.elts)
    if isinstance(index, ast.Constant):
        return index.value is ... or isinstance(index.value, int)
    return isinstance(index, (ast.Slice, ast.UnaryOp))


def _is_join(call: ast.Call) -> bool:
    func = call.func
    return isinstance(func, ast.Attribute) and func.attr == "join" and isinstance(func.value, ast.Constant)


def _holds(block: list[ast.stmt], node: ast.AST) -> bool:
    return any(statement is node for statement in block)


def _below(tree: Tree, node: ast.AST, scope: ast.AST) -> bool:
    return isinstance(scope, ast.Module) or any(ancestor is scope for ancestor in tree.ancestors(node))


__all__ = ["ARRAYS", "FILE", "HDF5", "Handles", "Lifetime", "Protocol", "Use"]
