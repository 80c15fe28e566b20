"""One walk over a file.

The triggers of all active rules become tables, once. A file is walked once, with an explicit stack; each node is looked
up by its type and its last word. What is found is handed, in the order of the file, to the rules that asked for it.
The cost of a file therefore depends on how much of it matches, not on how many rules there are.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from mlint.finding import Finding, Location
from mlint.model.loop_actions import actions
from mlint.model.tree import CHILD_FIELDS, COMPREHENSIONS, FUNCTIONS, LoopNode, Seen, position
from mlint.registry import Index, RuleEntry, load_rule
from mlint.source import Source, SourceError

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.model.project import Project
    from mlint.model.versions import Versions
    from mlint.rule import Rule
    from mlint.rule.context import Context, Options

LIBRARY_MODULES: Mapping[str, tuple[str, ...]] = {
    "torch": ("torch", "torchvision", "lightning", "pytorch_lightning", "accelerate"),
    "lightning": ("lightning", "pytorch_lightning"),
    "transformers": ("transformers", "datasets", "sentence_transformers", "diffusers", "peft", "trl", "evaluate"),
    "sklearn": ("sklearn", "imblearn", "dask_ml"),
    "keras": ("keras", "tensorflow", "tf_keras"),
    "rapids": ("cudf", "cuml", "cupy", "dask_cudf", "dask_cuda"),
    "dask": ("dask", "distributed"),
}
"""Library → the top-level modules of which a file that uses it imports one; otherwise the module of that name."""


class InternalError(NamedTuple):
    """A rule that raised: a defect of mlint, not of the file."""

    code: str
    path: str
    message: str
    details: str = ""


class Report:
    """What came of checking one file.

    Attributes:
        findings: sorted; their fixes are not built yet.
        errors: rules that raised.
        timings: code → seconds, if asked for.
        dependencies: other files whose content mattered.
    """

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.errors: list[InternalError] = []
        self.timings: dict[str, float] = {}
        self.dependencies: tuple[str, ...] = ()


_NOTHING: Mapping[str, str] = {}


class EngineOptions(NamedTuple):
    """What the settings say that the engine needs to know.

    Attributes:
        target_versions: library → targeted version.
        root: the folder of the project's dependency files; None to look at none.
        roots: folders from which first-party modules are imported.
        seed: the value that fixes put where a seed is missing.
        line_length: the width that rewritten code keeps.
        project: whether other files of the project may be read.
        timing: measure each rule.
    """

    target_versions: Mapping[str, str] = _NOTHING
    root: str | None = None
    roots: tuple[str, ...] = ()
    seed: int = 0
    line_length: int = 88
    project: bool = True
    timing: bool = False


_Entries = tuple[RuleEntry, ...]


class _Active:
    """The rules that are on, and which of them a file is worth showing to."""

    def __init__(self, entries: Sequence[RuleEntry]) -> None:
        self.entries = tuple(entries)
        self.modules = {entry.libraries: _modules(entry.libraries) for entry in entries}
        self.known: frozenset[str] = frozenset().union(*self.modules.values())
        """The modules that the rules are about."""
        self.ungated = any(not entry.libraries for entry in entries)
        self._tables: dict[frozenset[str], _Tables] = {}

    def tables(self, imported: frozenset[str]) -> _Tables:
        """The triggers of the rules for a file that imports some of the modules."""
        found = self._tables.get(imported)
        if found is None:
            found = self._tables[imported] = _Tables(
                [entry for entry in self.entries if not entry.libraries or self.modules[entry.libraries] & imported]
            )
        return found


def _imports(text: str, known: frozenset[str]) -> frozenset[str]:
    """Those of the known top-level modules that a text may import: a guess from its words, which the walk checks.

    What is only said in a string or a comment counts too; no import is missed.
    """
    found: set[str] = set()
    parts = text.split("import")
    before = parts[0]
    for after in parts[1:]:
        if after[:1] in _AFTER_IMPORT:
            line = before[before.rfind("\n") + 1 :]
            if "from" in line:
                names = line.partition("from")[2].replace("from", ",")
            else:
                names = after.partition("\n")[0].replace(";", ",")
                if "\\" in names or before[-_INDENT:].rstrip().endswith("\\"):
                    return known  # a line that is continued
            for name in names.split(","):
                found.add(name.strip().partition(".")[0].partition(" ")[0])
        before = after if "\n" in after else f"{before}import{after}"
    return known & found


_INDENT = 100
"""Enough of what stands before the word to see through the indentation of a continued line."""
_AFTER_IMPORT = frozenset({" ", "\t", "(", "\\"})


class _Tables:
    """The triggers of a set of rules, by what they are looked up with."""

    def __init__(self, entries: Sequence[RuleEntry]) -> None:
        collected: dict[str, dict[str, list[RuleEntry]]] = {}
        for entry in entries:
            for table, word in entry.channels:
                collected.setdefault(table, {}).setdefault(word, []).append(entry)

        def finished(table: str) -> dict[str, _Entries]:
            return {word: tuple(found) for word, found in collected.get(table, {}).items()}

        self.entries = tuple(entries)
        self.codes = frozenset(entry.code for entry in entries)
        self.worded = tuple(entry for entry in entries if entry.words)
        self.calls = finished("call")
        self.attributes = finished("attribute")
        self.imports = finished("import")
        self.nodes: dict[type, _Entries] = {getattr(ast, word): found for word, found in finished("node").items()}
        whole = finished("module")
        self.module: _Entries = whole.pop("", ())
        """The rules that want to see the file as a whole."""
        self.module_if_called = frozenset(entry.code for found in whole.values() for entry in found)
        """The same of a file in which something of a certain name is called; until then they are with `calls`."""
        for word, found in whole.items():
            self.calls[word] = (*self.calls.get(word, ()), *found)
        self.statements = finished("statement")
        self._by_action = finished("loop")
        self._by_actions: dict[tuple[str, ...], _Entries] = {}

    def _about(self, loop: ast.For) -> _Entries:
        """The rules that want to see a loop for what its rounds do."""
        done = actions(loop)
        found = self._by_actions.get(done)
        if found is None:
            asked = {entry.code: entry for action in done for entry in self._by_action.get(action, ())}
            found = self._by_actions[done] = tuple(entry for entry in self.entries if entry.code in asked)
        return found

    def candidates(self, module: ast.Module) -> tuple[list[tuple[ast.AST, _Entries]], set[str], Seen]:
        """The nodes that some rule may want, with those rules, in the order of the file.

        Besides them, what one walk can see on the way: the imported top-level modules, all calls, and all names that
        the file binds anywhere.
        """
        found: list[tuple[ast.AST, _Entries]] = []
        imported: set[str] = set()
        bound: set[str] = set()
        again: set[str] = set()
        every_call: list[ast.Call] = []
        functions: set[str] = set()
        referring: set[str] = set()
        renamed: dict[str, str] = {}
        loops: list[LoopNode] = []
        repeating: list[ast.expr] = []
        attributes, nodes = self.attributes.get, self.nodes.get
        calls = self.calls.get
        on_attribute, on_keyword = nodes(ast.Attribute), nodes(ast.keyword)
        fields, binders, store = CHILD_FIELDS, _BINDERS, ast.Store
        call_type, attribute_type, name_type, constant_type = ast.Call, ast.Attribute, ast.Name, ast.Constant
        assign_type, for_type, about = ast.Assign, ast.For, self._about
        while_type, async_for_type, repeating_types = ast.While, ast.AsyncFor, _REPEATING
        expression_type, statements = ast.Expr, self.statements.get
        arg_type, binary_type, subscript_type = ast.arg, ast.BinOp, ast.Subscript
        on_binary, on_subscript = nodes(binary_type), nodes(subscript_type)
        on_expression, on_arg = nodes(expression_type), nodes(arg_type)
        stack: list[Any] = [module]  # of nodes; their fields are known by their class
        pop, push, extend = stack.pop, stack.append, stack.extend
        # The most frequent types are written out: this is the one loop that sees every node of every file.
        while stack:
            node = pop()
            node_type = node.__class__
            if node_type is name_type:
                if node.ctx.__class__ is store:
                    name = node.id
                    (again if name in bound else bound).add(name)
                continue
            if node_type is constant_type:
                continue
            if node_type is call_type:
                every_call.append(node)
                func = node.func
                func_type = func.__class__
                if func_type is attribute_type:
                    hit = calls(func.attr)
                elif func_type is name_type:
                    hit = calls(func.id)
                else:
                    hit = None
                if hit is not None:
                    found.append((node, hit))
                hit = nodes(call_type)
                if hit is not None:
                    found.append((node, hit))
                extend(node.args)
                for keyword in node.keywords:
                    push(keyword.value)
                    if on_keyword is not None:
                        found.append((keyword, on_keyword))
                if func_type is name_type:
                    continue
                node, node_type = func, func_type
            while node_type is attribute_type:
                hit = attributes(node.attr)
                if hit is not None:
                    found.append((node, hit))
                if on_attribute is not None:
                    found.append((node, on_attribute))
                node = node.value
                node_type = node.__class__
                if node_type is name_type or node_type is constant_type:
                    break
            else:
                if node_type is call_type:
                    push(node)
                    continue
                if node_type is assign_type:
                    value_type = node.value.__class__
                    for target in node.targets:
                        if target.__class__ is name_type:
                            name = target.id
                            (again if name in bound else bound).add(name)
                            if value_type is name_type or value_type is attribute_type:
                                referring.add(name)
                        else:
                            push(target)
                    push(node.value)
                    hit = nodes(assign_type)
                    if hit is not None:
                        found.append((node, hit))
                    continue
                if node_type is expression_type:
                    if on_expression is not None:
                        found.append((node, on_expression))
                    value: Any = node.value
                    if value.__class__ is call_type:
                        stated: Any = value.func
                        stated_type = stated.__class__
                        hit = None
                        if stated_type is attribute_type:
                            hit = statements(stated.attr)
                        elif stated_type is name_type:
                            hit = statements(stated.id)
                        if hit is not None:
                            found.append((value, hit))
                    push(value)
                    continue
                if node_type is arg_type:
                    name = node.arg
                    (again if name in bound else bound).add(name)
                    if on_arg is not None:
                        found.append((node, on_arg))
                    if node.annotation is not None:
                        push(node.annotation)
                    continue
                if node_type is binary_type and on_binary is None:
                    push(node.left)
                    push(node.right)
                    continue
                if node_type is subscript_type and on_subscript is None:
                    push(node.value)
                    push(node.slice)
                    continue
                if node_type is ast.ImportFrom:
                    if not node.level and node.module is not None:
                        imported.add(node.module.partition(".")[0])
                    for alias in node.names:
                        name = alias.asname or alias.name
                        (again if name in bound else bound).add(name)
                        referring.add(name)
                    self._imported(node, found, renamed)
                    continue
                if node_type is ast.Import:
                    for alias in node.names:
                        imported.add(alias.name.partition(".")[0])
                        name = alias.asname or alias.name.partition(".")[0]
                        (again if name in bound else bound).add(name)
                        referring.add(name)
                    continue
                if node_type in binders:
                    name = getattr(node, binders[node_type])
                    if name is not None:
                        (again if name in bound else bound).add(name)
                    if node_type in FUNCTIONS:
                        functions.add(name)
                elif node_type is for_type:
                    loops.append(node)
                    hit = about(node)
                    if hit:
                        found.append((node, hit))
                elif node_type in repeating_types:
                    (loops if node_type is while_type or node_type is async_for_type else repeating).append(node)
                elif node_type is ast.AnnAssign:
                    if node.target.__class__ is name_type and node.value.__class__ in (name_type, attribute_type):
                        referring.add(node.target.id)
                hit = nodes(node_type)
                if hit is not None:
                    found.append((node, hit))
                single, many = fields[node_type]
                for field_name in single:
                    child = getattr(node, field_name)
                    if child is not None:
                        push(child)
                for field_name in many:
                    extend(getattr(node, field_name))
        if renamed:
            self._renamed(module, renamed, found)
        if self.imports or len(found) > 1:
            found.sort(key=_place)
        if self.module:
            found.append((module, self.module))
        return found, imported, Seen(bound, again, every_call, functions, referring, loops, repeating)

    def _imported(self, node: ast.ImportFrom, found: list[tuple[ast.AST, _Entries]], renamed: dict[str, str]) -> None:
        hits: list[RuleEntry] = []
        for alias in node.names:
            for entry in self.imports.get(alias.name, ()):
                if entry not in hits:
                    hits.append(entry)
            local = alias.asname or alias.name
            if alias.name in self.attributes or (local != alias.name and alias.name in self.calls):
                renamed[local] = alias.name
        if hits:
            found.append((node, tuple(hits)))

    def _renamed(self, module: ast.Module, renamed: Mapping[str, str], found: list[tuple[ast.AST, _Entries]]) -> None:
        """Uses of names that an import gave them: `from torch import load as read`; `autocast` uncalled."""
        calls = {local: self.calls[name] for local, name in renamed.items() if local != name and name in self.calls}
        reads = {local: self.attributes[name] for local, name in renamed.items() if name in self.attributes}
        fields = CHILD_FIELDS
        name_type, call_type, constant_type, load = ast.Name, ast.Call, ast.Constant, ast.Load
        stack: list[ast.AST] = [module]
        while stack:
            node = stack.pop()
            node_type = node.__class__
            if node_type is constant_type:
                continue
            if node_type is name_type:
                hit = reads.get(node.id)  # type: ignore[attr-defined]
                if hit is not None and node.ctx.__class__ is load:  # type: ignore[attr-defined]
                    found.append((node, hit))
                continue
            if node_type is call_type and node.func.__class__ is name_type:  # type: ignore[attr-defined]
                hit = calls.get(node.func.id)  # type: ignore[attr-defined]
                if hit is not None:
                    found.append((node, hit))
            single, many = fields[node_type]
            for name in single:
                child = getattr(node, name)
                if child is not None:
                    stack.append(child)
            for name in many:
                stack += getattr(node, name)


_BINDERS: dict[type, str] = {
    ast.FunctionDef: "name",
    ast.AsyncFunctionDef: "name",
    ast.ClassDef: "name",
    ast.ExceptHandler: "name",
    ast.MatchAs: "name",
    ast.MatchStar: "name",
    ast.MatchMapping: "rest",
}
"""Node types that bind a name by themselves → the field with the name."""
_REPEATING = frozenset({ast.While, ast.AsyncFor, *COMPREHENSIONS, ast.Lambda})
"""What runs code again and again, besides `for`."""


def _modules(libraries: tuple[str, ...]) -> frozenset[str]:
    return frozenset(module for library in libraries for module in LIBRARY_MODULES.get(library, (library,)))


def _place(item: tuple[ast.AST, _Entries]) -> tuple[int, int]:
    return position(item[0])


class Engine:
    """Checks files.

    Args:
        index: all rules.
        options: what the settings say.
    """

    def __init__(self, index: Index, *, options: EngineOptions | None = None) -> None:
        self.index = index
        self.options = options if options is not None else EngineOptions()
        # Shared by all engines of an index: a project without a configuration has an engine for each folder.
        self._active: dict[frozenset[str], _Active] = index.prepared
        self._rules: dict[str, Rule] = index.loaded
        self._surroundings: tuple[Project | None, Callable[[], Versions], Options] | None = None
        self._open: list[FileModel] = []

    def check(
        self,
        source: Source,
        codes: frozenset[str],
        *,
        tree: ast.Module | None = None,
        explicit: bool = True,
    ) -> Report:
        """All findings in a file.

        Args:
            source: the file.
            codes: the codes of the rules that are on.
            tree: its tree, if somebody has parsed it already.
            explicit: the file was named by the user; it is parsed, and syntax errors are reported, even where no rule
                can have anything to say about it.
        """
        active = self._active.get(codes)
        if active is None:
            entries = [entry for entry in self.index.entries if entry.code in codes and entry.class_name]
            active = self._active[codes] = _Active(entries)
        imported = _imports(source.text, active.known)
        relevant = active.ungated or bool(imported)
        if not relevant and not explicit:
            return Report()
        if tree is None and self._surroundings is not None and self._surroundings[0] is not None:
            tree = self._surroundings[0].parsed(source)  # another file has led to this one before
        if tree is None:
            try:
                tree = source.parse()
            except SourceError as error:
                report = Report()
                if "ML000" in codes:
                    report.findings.append(_syntax_error(source, error))
                return report
        if not relevant:
            return Report()
        return self._run(source, tree, active, active.tables(imported))

    def _run(self, source: Source, tree: ast.Module, active: _Active, tables: _Tables) -> Report:
        report = Report()
        candidates, imported, found = tables.candidates(tree)
        known = active.tables(active.known & imported)
        meant = known.codes
        if not meant <= tables.codes:  # imported in a way that the words did not show
            candidates, _, found = known.candidates(tree)
            tables = known
        if not candidates or not meant:
            return report
        context = self._context(source, tree, found)
        present = cache(source.text.__contains__)
        silent = {entry.code for entry in tables.entries if entry.code not in meant}
        pending = {entry.code: entry.words for entry in known.worded}
        failed: set[str] = set()
        seen: set[tuple[str, Location, Location, str]] = set()
        clock: Callable[[], float] | None = time.perf_counter if self.options.timing else None
        called: set[str] = set()
        for place, entries in candidates:
            for entry in entries:
                if entry.code in silent or entry.code in called:
                    continue
                node = place
                if entry.code in tables.module_if_called:
                    called.add(entry.code)
                    node = tree
                words = pending.pop(entry.code, None)
                if words is not None and not any(present(word) for word in words):
                    silent.add(entry.code)
                    continue
                started = clock() if clock is not None else 0.0
                try:
                    for finding in self._findings(entry, node, context):
                        key = (finding.code, finding.start, finding.end, finding.message)
                        if key not in seen:
                            seen.add(key)
                            report.findings.append(finding)
                except Exception as error:  # a rule that raises costs that rule on that file
                    failed.add(entry.code)
                    silent.add(entry.code)
                    report.errors.append(_internal_error(entry.code, source.path, error))
                if clock is not None:
                    report.timings[entry.code] = report.timings.get(entry.code, 0.0) + clock() - started
        if failed:
            report.findings = [finding for finding in report.findings if finding.code not in failed]
        report.findings.sort(key=lambda finding: finding.sort_key)
        report.dependencies = _dependencies(context)
        if not any(finding.fix is not None for finding in report.findings):
            context.model.release()  # no fix will ask it anything
        else:
            self._open.append(context.model)
        return report

    def close(self) -> None:
        """Let go of the files that have been checked: no fix that is still to be built will be asked for."""
        for model in self._open:
            model.release()
        self._open.clear()

    def _context(self, source: Source, tree: ast.Module, seen: Seen) -> Context:
        """The context of a file. The model and the rules' own modules are imported here: most files need neither."""
        from mlint.model.file import FileModel
        from mlint.rule.context import Context

        if self._surroundings is None:
            from mlint.model.project import Project
            from mlint.rule.context import Options

            options = self.options
            made = Options(options.target_versions, options.root, options.seed, options.line_length)
            self._surroundings = (Project(options.roots) if options.project else None, cache(made.versions), made)
        project, versions, rule_options = self._surroundings
        model = FileModel(source, tree, project, seen)
        if project is not None:
            project.begin(model)
        return Context(model, rule_options, versions)

    def _findings(self, entry: RuleEntry, node: ast.AST, context: Context) -> list[Finding]:
        rule = self._rules.get(entry.code)
        if rule is None:
            rule = self._rules[entry.code] = load_rule(entry)
        if not rule.wants(node, context.model):
            return []
        context.rule = rule
        found = list(rule.check(node, context))
        if found and rule.version_guards and not isinstance(node, ast.Module) and context.flow.version_guarded(node):
            return []
        return found


def _syntax_error(source: Source, error: SourceError) -> Finding:
    place = error.location or Location(1, 1)
    return Finding(
        path=source.path,
        start=place,
        end=place,
        code="ML000",
        name="syntax-error",
        message=f"not read: {error.message}",
        severity="error",
    )


def _dependencies(context: Context) -> tuple[str, ...]:
    """The other files that what was found depends on, those included that are not there."""
    model = context.model
    found = set(model.dependencies)
    if model.project is not None:
        found |= model.project.consulted(model.source.path)
    return tuple(sorted(found))


def _internal_error(code: str, path: str, error: Exception) -> InternalError:
    import traceback

    return InternalError(code, path, f"{type(error).__name__}: {error}", traceback.format_exc())
