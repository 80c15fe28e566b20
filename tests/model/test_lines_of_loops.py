"""What the lines of a file tell about loops, without links to parents."""

from __future__ import annotations

import ast

import pytest

from mlint.model.tree import COMPREHENSIONS, LOOPS, Seen, Tree

PROGRAM = """\
first = 1
for i in range(3):
    while first:
        second = f(
            i
        )
third = [f(x)
         for x in y]
fourth = 4
for j in z: fifth = f(j)
sixth = f(6)
"""


def _tree(*, seen: bool = True) -> Tree:
    module = ast.parse(PROGRAM)
    nodes = list(ast.walk(module))
    loops = [node for node in nodes if isinstance(node, LOOPS)]
    noted = Seen(set(), set(), [], set(), set(), loops, [node for node in nodes if isinstance(node, COMPREHENSIONS)])
    return Tree(module, noted if seen else None)


def _at(tree: Tree, line: int) -> ast.AST:
    return next(node for node in ast.walk(tree.module) if getattr(node, "lineno", 0) == line)


@pytest.mark.parametrize(
    ("line", "loop", "expression"),
    [(1, False, False), (2, True, True), (4, True, True), (5, True, True), (7, False, True), (8, False, True),
     (9, False, False), (10, True, True), (11, False, False)],
)  # fmt: skip
def test_what_may_run_again(line: int, loop: bool, expression: bool) -> None:
    tree = _tree()
    assert tree.may_repeat(_at(tree, line)) == loop
    assert tree.may_repeat(_at(tree, line), expressions=True) == expression


def test_without_a_walk_everything_may_run_again() -> None:
    tree = _tree(seen=False)
    assert tree.may_repeat(_at(tree, 1))
    assert list(tree.loops(_at(tree, 1))) == []
    assert len(list(tree.loops(_at(tree, 4)))) == 2


def test_loops_are_the_same_with_and_without_the_look() -> None:
    for seen in (True, False):
        tree = _tree(seen=seen)
        statements = [node for node in ast.walk(tree.module) if isinstance(node, ast.stmt)]
        found = {node.lineno: len(list(tree.loops(node))) for node in statements}
        assert found == {1: 0, 2: 0, 3: 1, 4: 2, 7: 0, 9: 0, 10: 1, 11: 0}


@pytest.mark.parametrize(("line", "begins"), [(1, True), (2, True), (3, False), (4, False), (7, True), (8, False)])
def test_where_repeating_begins(line: int, begins: bool) -> None:
    tree = _tree()
    assert tree.begins_repeating(_at(tree, line)) == begins
