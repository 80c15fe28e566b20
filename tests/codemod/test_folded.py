"""New statements that are too long for one line."""

from __future__ import annotations

import ast

import pytest

from mlint.codemod.folded import folded

LONG = "np.lib.stride_tricks.sliding_window_view(signal, window)"


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("out[:] = a * 2 + b", 18, ["out[:] = a * 2 + b"]),
        ("out[:] = a * 2 + b", 17, ["out[:] = (", "    a * 2 + b", ")"]),
        (f"out[:] = {LONG}.mean(axis=-1)", 60, [f"out[:] = {LONG[:41]}", "    signal, window", ").mean(axis=-1)"]),
        ("total += np.sum(first * second)", 25, ["total += np.sum(", "    first * second", ")"]),
        ("names.extend(first + second)", 20, ["names.extend(", "    first + second", ")"]),
        ("x = 'a fairly long text (with brackets)'", 40, ["x = 'a fairly long text (with brackets)'"]),
        ("result = f('a text (with a bracket', b)", 36, ["result = (", "    f('a text (with a bracket', b)", ")"]),
        ("x = a_very_long_name_that_fits_nowhere", 20, ["x = a_very_long_name_that_fits_nowhere"]),
        ("x = 'ä' + unchanged_since_not_ascii", 20, ["x = 'ä' + unchanged_since_not_ascii"]),
        ("if a_condition_that_is_long: x = 1", 20, ["if a_condition_that_is_long: x = 1"]),
    ],
)
def test_folded(text: str, width: int, lines: list[str]) -> None:
    new = folded(text, 0, width)
    assert new.split("\n") == lines
    assert ast.dump(ast.parse(new)) == ast.dump(ast.parse(text))


def test_the_column_counts() -> None:
    assert folded("result = a + b", 4, 17) == "result = (\n    a + b\n)"
    assert folded("result = a + b", 3, 17) == "result = a + b"
