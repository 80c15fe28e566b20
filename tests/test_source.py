"""Reading, positions, editing and writing of one file."""

from __future__ import annotations

import ast
import os
import stat
from pathlib import Path

import pytest

from mlint.finding import Edit, Location
from mlint.source import Source, SourceError

LINES = {
    "empty": ("", [""]),
    "no final newline": ("a\nb", ["a", "b"]),
    "lf": ("a\nb\n", ["a", "b", ""]),
    "crlf": ("a\r\nb\r\n", ["a", "b", ""]),
    "cr": ("a\rb\r", ["a", "b", ""]),
    "mixed": ("a\r\nb\nc\rd\n\re", ["a", "b", "c", "d", "", "e"]),
    "other separators": ("a\x0bb\x0cc\x1cd\x85e\u2028f\n", ["a\x0bb\x0cc\x1cd\x85e\u2028f", ""]),
}


@pytest.mark.parametrize(("text", "lines"), LINES.values(), ids=LINES)
def test_lines_end_where_pythons_tokenizer_ends_them(text: str, lines: list[str]) -> None:
    source = Source(text, "a.py")
    assert [source.line(number + 1) for number in range(len(source.line_starts))] == lines
    for number in (0, len(lines) + 1):
        with pytest.raises(IndexError):
            source.line(number)


@pytest.mark.parametrize(
    ("text", "newline"),
    [("", "\n"), ("a", "\n"), ("a\n", "\n"), ("a\r\nb\r\nc\n", "\r\n"), ("a\rb\rc\n", "\r"), ("a\nb\nc\r\n", "\n")],
)
def test_newline_is_the_dominant_one(text: str, newline: str) -> None:
    assert Source(text, "a.py").newline == newline


POSITIONS = [
    "x = 1\ny = f(x)\n",
    "s = 'ä€𝄞'; t = (s, 'ü', s)\nif s:\n\tu = '\u2028' + s\n",
    "x = 1\r\ny = '''a\r\nb''' + x\r\nz = x\r\n",
    "x = 1\ry = '''a\rb''' + x\rz = x\r",
    "x = 1\n\x0cy = x\n\x0c\n  \x0cz = x\n".replace("  \x0cz", "z"),
    "def f(ñ):\n    return ñ + ñ[0].é(ñ)",
]


@pytest.mark.parametrize("text", POSITIONS)
def test_spans_are_the_text_of_the_nodes(text: str) -> None:
    source = Source(text, "a.py")
    checked = 0
    for node in ast.walk(source.parse()):
        if isinstance(node, ast.Name):
            assert source.segment(node) == node.id
            checked += 1
        elif isinstance(node, ast.Call):
            assert source.segment(node).endswith(")")
    assert checked


def test_a_node_without_a_position_has_no_span() -> None:
    source = Source("x + 1", "a.py")
    with pytest.raises(ValueError, match="Add has no position"):
        source.span(ast.Add())


def test_location_counts_characters_from_one() -> None:
    source = Source("é = 1\r\n𝄞x\n", "a.py")
    assert source.location(0) == Location(1, 1)
    assert source.location(4) == Location(1, 5)
    assert source.location(7) == Location(2, 1)
    assert source.location(8) == Location(2, 2)
    assert source.location(10) == Location(3, 1)


ENCODED = {
    "utf-8": ("x = 'é'\n".encode(), "utf-8", False),
    "bom": (b"\xef\xbb\xbf" + "x = 'é'\n".encode(), "utf-8", True),
    "bom and cookie": (b"\xef\xbb\xbf# coding: utf-8\nx = 1\n", "utf-8", True),
    "latin-1": ("# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"), "iso-8859-1", False),
    "second line": ("#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx = '€'\n".encode("cp1252"), "cp1252", False),
    "second line, lone cr": ("#!/bin/p\r# coding=cp1252\rx = '€'\r".encode("cp1252"), "cp1252", False),
    "emacs": (b"# coding: utf-8-unix\nx = 1\n", "utf-8", False),
    "no cookie after code": ("x = 1\n# coding: latin-1\ny = 'é'\n".encode(), "utf-8", False),
    "no cookie on line three": ("#\n#\n# coding: latin-1\ny = 'é'\n".encode(), "utf-8", False),
    "no cookie in code": ("coding = 'latin-1'\ny = 'é'\n".encode(), "utf-8", False),
    "several spellings": (b"# coding: utf-7\nx = '+AOk-' # +AGE-\n", "utf-7", False),
    "empty": (b"", "utf-8", False),
    "only a bom": (b"\xef\xbb\xbf", "utf-8", True),
}


@pytest.mark.parametrize(("data", "encoding", "bom"), ENCODED.values(), ids=ENCODED)
def test_bytes_round_trip(data: bytes, encoding: str, bom: bool, tmp_path: Path) -> None:
    source = Source.from_bytes(data, "a.py")
    assert (source.encoding, source.bom) == (encoding, bom)
    assert not source.text.startswith("\ufeff")
    assert source.encode() == data
    assert source.apply([]).encode() == data
    assert ast.dump(source.parse()) == ast.dump(ast.parse(data))
    path = tmp_path / "a.py"
    path.write_bytes(data)
    read = Source.read(str(path))
    assert read.text == source.text
    read.write()
    assert path.read_bytes() == data


BROKEN = {
    "not utf-8": (b"x = 1\ny = '\xe9'\n", "byte 0xe9 is not UTF-8", Location(2, 6)),
    "not utf-8 after text": ("x = 'é€'; y = '".encode() + b"\xff'\n", "byte 0xff is not UTF-8", Location(1, 16)),
    "not ascii": (b"# coding: ascii\nx = '\xe9'\n", "byte 0xe9 is not ascii", Location(2, 6)),
    "unknown": (b"#!x\n# coding: klingon\n", "unknown encoding 'klingon'", Location(2, 1)),
    "no text encoding": (b"# coding: rot13\n", "unknown encoding 'rot13'", Location(1, 1)),
    "bom against cookie": (b"\xef\xbb\xbf# coding: latin-1\n", "byte order mark", Location(1, 1)),
    "utf-16": ("x = 1".encode("utf-16"), "UTF-16", Location(1, 1)),
    "truncated": (b"x = '\xe2\x82", "byte 0xe2 is not UTF-8", Location(1, 6)),
}


@pytest.mark.parametrize(("data", "message", "location"), BROKEN.values(), ids=BROKEN)
def test_unreadable_bytes_are_named_at_their_place(data: bytes, message: str, location: Location) -> None:
    with pytest.raises(SourceError) as caught:
        Source.from_bytes(data, "a.py")
    assert message in caught.value.message
    assert caught.value.location == location


UNPARSABLE = {
    "syntax": ("x = 1\ny = (\n", Location(2, 5)),
    "python 2": ("x = 1\r\nprint 'é'\r\n", Location(2, 1)),
    "indent": ("def f():\nx", Location(2, 1)),
    "null byte": ("x = 1\ny = \0\n", Location(2, 5)),
    "surrogate": ("x = '\ud800'", Location(1, 1)),
    "recursion": ("-" * 200_000 + "1", None),
    "parentheses": ("(" * 5000 + ")" * 5000, None),
}


@pytest.mark.parametrize(("text", "location"), UNPARSABLE.values(), ids=UNPARSABLE)
def test_what_does_not_parse_is_named_at_its_place(text: str, location: Location | None) -> None:
    with pytest.raises(SourceError) as caught:
        Source(text, "a.py").parse()
    assert caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.location is not None
    if location is not None:
        assert caught.value.location == location


def test_warnings_of_the_parser_are_silent(recwarn: pytest.WarningsRecorder) -> None:
    Source("x = '\\d'; y = 1 is 1\n", "a.py").parse()
    assert not recwarn.list


def test_apply_takes_sorted_disjoint_edits() -> None:
    source = Source("abcdef", "a.py")
    edited = source.apply([Edit(0, 0, "<"), Edit(1, 2, "B"), Edit(2, 3, ""), Edit(6, 6, ">"), Edit(6, 6, "!")])
    assert edited.text == "<aBdef>!"
    assert source.text == "abcdef"
    assert edited.path == "a.py"
    for edits in (
        [Edit(1, 3, ""), Edit(2, 4, "")],
        [Edit(3, 4, ""), Edit(0, 1, "")],
        [Edit(4, 9, "")],
        [Edit(3, 2, "")],
    ):
        with pytest.raises(ValueError, match=r"a\.py"):
            source.apply(edits)


def test_apply_keeps_how_the_file_is_encoded() -> None:
    source = Source.from_bytes(b"\xef\xbb\xbfx = 1\r\n", "a.py").apply([Edit(4, 5, "'é'")])
    assert source.encode() == b"\xef\xbb\xbfx = '\xc3\xa9'\r\n"


def test_a_text_that_its_encoding_lacks_is_not_written() -> None:
    source = Source.from_bytes(b"# coding: latin-1\nx = 1\n", "a.py").apply([Edit(22, 23, "'\u20ac'")])
    with pytest.raises(SourceError) as caught:
        source.encode()
    assert caught.value.location == Location(2, 6)
    edited = Source.from_bytes(ENCODED["several spellings"][0], "a.py").apply([Edit(0, 0, "#\n")])
    with pytest.raises(SourceError, match="byte for byte"):
        edited.encode()


def test_write_keeps_mode_and_links_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "real" / "train.py"
    target.parent.mkdir()
    target.write_bytes(b"x = 1\n")
    target.chmod(0o750)
    link = tmp_path / "link.py"
    link.symlink_to(target)
    Source.read(str(link)).apply([Edit(4, 5, "2")]).write()
    assert link.is_symlink()
    assert target.read_bytes() == b"x = 2\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o750
    assert [entry.name for entry in target.parent.iterdir()] == ["train.py"]
    new = tmp_path / "new.py"
    Source("y = 1\n", "a.py").write(str(new))
    assert new.read_bytes() == b"y = 1\n"


def test_a_failed_write_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"x = 1\n")

    def fail(*_: object) -> None:
        raise OSError("disk on fire")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="fire"):
        Source("y = 2\n", str(path)).write()
    assert path.read_bytes() == b"x = 1\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.py"]


def test_a_read_only_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"x = 1\n")
    path.chmod(0o444)
    monkeypatch.setattr(os, "access", lambda *_: False)  # the answer that anybody but root gets
    with pytest.raises(PermissionError):
        Source("y = 2\n", str(path)).write()
    assert path.read_bytes() == b"x = 1\n"


def test_reading_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Source.read(str(tmp_path / "none.py"))
