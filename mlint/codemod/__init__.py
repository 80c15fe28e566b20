"""The building blocks of fixes: from an ``ast`` node and its source to the edits that rewrite it.

Each module is one kind of rewrite. They parse nothing but the slice that they change, keep comments and layout, compare
the outcome with the syntax tree that was asked for, and raise :class:`mlint.codemod.refused.Refused` rather than guess.
Nothing here imports LibCST before an edit is built.
"""
