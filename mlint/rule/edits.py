"""The LibCST building blocks as rules use them: bound to the file, imported when the first edit is made."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from mlint.finding import Edit

if TYPE_CHECKING:
    from mlint.model.file import FileModel

Part: TypeAlias = ast.expr | str | Sequence[ast.expr | ast.keyword]


class Edits:
    """Makers of edits for one file.

    Every method may raise `mlint.codemod.refused.Refused` where the rewrite would lose a comment or cannot be made
    without touching what it should not.
    """

    def __init__(self, model: FileModel) -> None:
        self._model = model
        self._source = model.source
        self.ambiguous = False
        """Whether an edit made so far leaves a comment behind that may have spoken of what is gone."""

    def replace(self, node: ast.expr, template: str, **parts: Part) -> Edit:
        """Replace an expression by a template: ``replace(call, "torch.log1p($x)", x=argument)``."""
        from mlint.codemod import expression

        return expression.replace(self._source, node, template, parts)

    def substitute(self, node: ast.expr | ast.stmt, replacements: Mapping[ast.AST, str]) -> str:
        """The text of an expression with some of its parts replaced by other texts."""
        from mlint.codemod import expression

        return expression.substitute(self._source, node, replacements)

    def add_keyword(self, call: ast.Call, name: str, value: str) -> Edit:
        """Append a keyword argument."""
        from mlint.codemod import keyword

        return keyword.add(self._source, call, name, value)

    def add_keywords(self, call: ast.Call, values: Mapping[str, str]) -> Edit:
        """Append several keyword arguments."""
        from mlint.codemod import keyword

        return keyword.add_all(self._source, call, values)

    def put_keyword(self, call: ast.Call, name: str, value: str) -> Edit:
        """Give a keyword argument a value, whether the call has it already or not."""
        given = any(keyword.arg == name for keyword in call.keywords)
        return self.set_keyword(call, name, value) if given else self.add_keyword(call, name, value)

    def remove_keyword(self, call: ast.Call, name: str) -> Edit:
        """Remove a keyword argument."""
        from mlint.codemod import keyword

        return keyword.remove(self._source, call, name)

    def rename_keyword(self, call: ast.Call, old: str, new: str) -> Edit:
        """Rename a keyword argument."""
        from mlint.codemod import keyword

        return keyword.rename(self._source, call, old, new)

    def set_keyword(self, call: ast.Call, name: str, value: str) -> Edit:
        """Replace the value of a keyword argument."""
        from mlint.codemod import keyword

        return keyword.set_value(self._source, call, name, value)

    def rename_callee(self, node: ast.Call | ast.Attribute | ast.Name, dotted: str) -> Edit:
        """Replace the callee of a call, or a reference, by another name."""
        from mlint.codemod import callee

        return callee.rename(self._source, node, dotted)

    def rename_attribute(self, node: ast.Call | ast.Attribute, name: str) -> Edit:
        """Replace what stands behind the last dot of an attribute or of a called method; it may be assigned to."""
        from mlint.codemod import callee

        return callee.rename_method(self._source, node, name)

    def name(self, dotted: str, node: ast.AST) -> tuple[str, list[Edit]]:
        """How to write a dotted name at a node, and the import to add if the file has none that serves."""
        text, statement = self._model.names.spell(dotted, node)
        return text, [] if statement is None else self.imports([statement])

    def imports(self, statements: Sequence[str]) -> list[Edit]:
        """Add import statements; those that are there already give nothing."""
        if not statements:
            return []
        from mlint.codemod import imports

        edits = [imports.add(self._source, self._model.module, statement) for statement in statements]
        return [edit for edit in edits if edit is not None]

    def replace_import(self, node: ast.ImportFrom, name: str, new_module: str, new_name: str) -> list[Edit]:
        """Let one name of a from-import come from another module or under another name."""
        from mlint.codemod import imports

        return [imports.replace_name(self._source, node, name, new_module, new_name)]

    def remove_import(self, node: ast.Import | ast.ImportFrom, name: str) -> list[Edit]:
        """Import one name less; the statement goes when it was the only one."""
        from mlint.codemod import imports

        return [imports.remove_name(self._source, node, name)]

    def wrap(
        self, statements: Sequence[ast.stmt], header: str, replacements: Mapping[ast.expr, str] | None = None
    ) -> list[Edit]:
        """Put consecutive statements under a header such as ``with torch.no_grad():``.

        Expressions in them may give way to names that the header binds.
        """
        from mlint.codemod import wrap

        return list(wrap.wrap(self._source, statements, header, replacements))

    def enclose(
        self, first: ast.stmt, body: Sequence[ast.stmt], header: str, closing: ast.stmt | None = None
    ) -> list[Edit]:
        """Turn a statement into a header above those that follow: ``f = open(p)`` into ``with open(p) as f:``."""
        from mlint.codemod import wrap

        return wrap.enclose(self._source, first, body, header, closing)

    def unwrap_tail(self, with_statement: ast.With, first: ast.stmt) -> list[Edit]:
        """Move the tail of a with block, from ``first`` on, out of it."""
        from mlint.codemod import wrap

        return list(wrap.unwrap_tail(self._source, with_statement, first))

    def decorate(self, function: ast.FunctionDef | ast.AsyncFunctionDef, decorator: str) -> Edit:
        """Put a decorator (``@torch.no_grad()``) on a function."""
        from mlint.codemod import wrap

        return wrap.decorate(self._source, function, decorator)

    def insert_before(self, statement: ast.stmt, text: str) -> Edit:
        """Insert statements before a statement, at its indentation."""
        from mlint.codemod import statement as statements

        return statements.insert_before(self._source, statement, text)

    def insert_after(self, statement: ast.stmt, text: str) -> Edit:
        """Insert statements after a statement, at its indentation."""
        from mlint.codemod import statement as statements

        return statements.insert_after(self._source, statement, text)

    def replace_statements(self, statements: Sequence[ast.stmt], text: str) -> Edit:
        """Replace consecutive statements by others, at their indentation."""
        from mlint.codemod import statement

        return statement.replace(self._source, statements, text)

    def delete(self, statements: Sequence[ast.stmt], *, moved: bool = False) -> list[Edit]:
        """Delete statements, and the comment lines above each that speak of it alone.

        Where such lines may be the heading of what follows as well, they stay, and a fix that deletes is unsafe: see
        `ambiguous`. They stay as well where what the statements say is ``moved`` elsewhere.
        """
        from mlint.codemod import statement as blocks

        for statement in statements:
            comments, alone = blocks.comments_above(self._source, statement)
            self.ambiguous |= bool(comments) and not alone
        return list(blocks.delete(self._source, statements, take_above=not moved))

    def move(self, statement: ast.stmt, target: ast.stmt, *, behind: bool) -> list[Edit]:
        """Move a statement in front of another one or behind it, with the comment lines that speak of it alone."""
        from mlint.codemod import statement as blocks

        comments, alone = blocks.comments_above(self._source, statement)
        text = "\n".join([*(comments if alone else ()), self._source.segment(statement)])
        insert = self.insert_after if behind else self.insert_before
        return [insert(target, text), *blocks.delete(self._source, [statement])]
