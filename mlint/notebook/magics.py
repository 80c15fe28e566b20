"""What IPython adds to Python, and how it is hidden from Python's parser without moving anything.

Magics, shell escapes and requests for help give way to Python of exactly the same length, line ends included, so that
every other character keeps its line and its column. What stands in their place says what is known of them: ``0`` for
what leaves the variables alone, a tuple of the variables that are read, ``_(…)`` for what may have bound or changed
anything. Sources: IPython's documentation, "Built-in magic commands", and the order of its input transformations.
"""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

UNKNOWN = "_()\n"
"""A line that stands for what may have bound or changed anything."""


class Masked(NamedTuple):
    """The text of a cell as Python can read it.

    Attributes:
        text: as long as the cell, its lines ending where the cell's do.
        spans: what was replaced: starts and ends in the cell, in order and disjoint.
        opaque: whether none of the cell is Python for this kernel: another language, a file to be written.
        stands_for: the line that stands for an opaque cell: what is known of the variables that it reads and binds.
    """

    text: str
    spans: tuple[tuple[int, int], ...] = ()
    opaque: bool = False
    stands_for: str = ""


PYTHON_BODIES = frozenset(
    "time timeit capture prun debug memit mprun lprun snakeviz scalene pyinstrument heat viztracer wandb "
    "filprofile notify tic toc wrapped".split()
)
"""Cell magics that run the rest of the cell as Python in the notebook's own variables."""

_BIND_NOTHING = frozenset(
    "bash sh script system sx html javascript js latex markdown svg writefile file perl ruby cmd python python2 "
    "python3 pypy".split()
)
"""Cell magics of another language, or process, that leave the notebook's variables alone when nothing is asked of
them: ``%%bash --out text`` binds a name, which the first line shows."""

_ONE_STATEMENT = frozenset({"time", "timeit", "prun", "memit", "lprun", "mprun", "snakeviz"})
"""Line magics that run the rest of the line as Python."""

_HARMLESS = frozenset(
    "matplotlib load_ext reload_ext unload_ext autoreload config pip conda mamba micromamba uv cd pwd ls ll lf lk ldir "
    "lx cat cp mv rm rmdir mkdir less more man alias alias_magic autosave bookmark clear cls colors who whos who_ls "
    "pinfo pinfo2 pdoc pdef psource pfile psearch precision pprint pdb doctest_mode env set_env history hist "
    "logstart logstop logon logoff logstate lsmagic magic notebook page popd pushd dhist dirs quickref rehashx "
    "tb xmode timeit tensorboard watermark writefile save nb_black black lab_black connect_info qtconsole "
    "killbgscripts automagic autocall gui load_dotenv dotenv system sx sc flow aimport flake8_on flake8_off".split()
)
"""Line magics that bind no variable."""

_AUTOMAGIC = frozenset(
    "pip conda mamba cd ls ll cat cp mv rm rmdir mkdir less more man time timeit run load_ext reload_ext matplotlib "
    "pylab env set_env who whos history pinfo pdoc psource config".split()
)
"""Magics that people write without the sign, as IPython allows where the line is no Python."""

# One step of reading code: comments and strings as a whole, so that what they hold is not taken for code.
_STEP = re.compile(
    r"(?P<comment>\#[^\r\n]*)"
    r"|(?P<long>\"\"\"|''')"
    r"|(?P<text>\"(?:[^\"\\\r\n]|\\(?:\r\n|[\s\S]))*(?:\"|(?=[\r\n]|\Z))|'(?:[^'\\\r\n]|\\(?:\r\n|[\s\S]))*(?:'|(?=[\r\n]|\Z)))"
    r"|(?P<open>[(\[{])"
    r"|(?P<close>[)\]}])"
    r"|(?P<joined>\\(?:\r\n|\r|\n))"
    r"|(?P<end>\r\n|\r|\n)"
    r"|(?P<help>(?<=[\w*\]])[ \t]*\?{1,2}[ \t]*;?[ \t]*(?:\#[^\r\n]*)?(?=[\r\n]|\Z))"
    r"|(?P<escape>(?<![=!<>:+\-*/%&|^@~])=[ \t]*(?=%[ \t]*[A-Za-z_%]|![^=]))"
    r"|[^\#\"'(\[{)\]}\\\r\n=?]+|[\s\S]"
)
_LONG_ENDS = {
    '"""': re.compile(r'(?:[^"\\]|\\[\s\S]|"(?!""))*"""'),
    "'''": re.compile(r"(?:[^'\\]|\\[\s\S]|'(?!''))*'''"),
}
_ESCAPED = re.compile(r"[ \t\f]*(?:%%?[ \t]*[A-Za-z_]|!|\?|,[ \t]*\w|;[ \t]*\w|/[ \t]*[A-Za-z_])")
_LINE_END = re.compile(r"(?:\r\n|\r|\n)?")
_PHYSICAL = re.compile(r"[^\r\n]*")
_LINE = re.compile(r"(?:[^\\\r\n]|\\(?!\r|\n|\Z)|\\\Z|\\(?:\r\n|\r|\n))*")
_MAGIC = re.compile(r"[ \t\f]*(%{1,2}|!{1,2}|\?{1,2}|[,;/])[ \t]*([A-Za-z_][\w.]*)?")
_CELL_MAGIC = re.compile(r"(?:[ \t\f]*(?:\r\n|\r|\n))*%%[ \t]*([A-Za-z_][\w.]*)([^\r\n]*)")
_WORD = re.compile(r"[^\W\d]\w*")
_SHELL_WORD = re.compile(r"\$\{?([^\W\d]\w*)|\{([^{}]*)\}")
_PROMPT = re.compile(r"\s*(?:>>> |>>>$|In \[\d*\]: ?)", re.M)
_MAY_HIDE = re.compile(r"[%!?]|^[ \t\f]*[,;/]|\A\s*(?:>>>|In \[)", re.M)
_OPTIONS = re.compile(r"(?:[ \t]+-(?:[nrplTDfsuN][ \t]*[\w.]+|[a-zA-Z]+)(?=[ \t]|$))*[ \t]+")


def masked(text: str) -> Masked:
    """Hide from Python what only IPython understands in the text of a cell."""
    if _MAY_HIDE.search(text) is None:
        return Masked(text)
    spans: list[tuple[int, int]] = []
    pieces: list[str] = []
    start = 0
    # `%%time` may stand above `%%capture`: each runs the rest of the cell.
    while True:
        match = _CELL_MAGIC.match(text, start)
        if match is None:
            break
        name, rest = match[1], match[2]
        if name not in PYTHON_BODIES or rest.lstrip().startswith("?"):
            return Masked(_blank(text), ((0, len(text)),), True, _other(name, rest, text))
        begin = match.end() - len(match[0].lstrip())
        pieces += [text[start:begin], _cell_magic_line(name, rest, match.end() - begin)]
        spans.append((begin, match.end()))
        start = _end(_LINE_END, text, match.end())
        pieces.append(text[match.end() : start])
    if start == 0 and _PROMPT.match(text):
        # A session that was copied; IPython takes the prompts away.
        return Masked(_blank(text), ((0, len(text)),), True, UNKNOWN)
    for begin, end_, content in _lines(text, start):
        pieces += [text[start:begin], content]
        spans.append((begin, end_))
        start = end_
    pieces.append(text[start:])
    return Masked("".join(pieces), tuple(spans))


def without_automagic(text: str) -> Masked:
    """Hide as well what IPython takes for a magic without its sign: ``pip install torch``, ``ls -l``."""
    marked = masked(text)
    if marked.opaque:
        return marked
    pieces: list[str] = []
    spans = list(marked.spans)
    position = 0
    for begin, _, _ in _logical_lines(marked.text, 0):
        end = _end(_PHYSICAL, text, begin)
        line = text[begin:end]
        words = line.split()
        if not words or words[0] not in _AUTOMAGIC or len(words) < 2 or _is_python(line):
            continue
        content = _statement("%", words[0], line, line[: len(line) - len(line.lstrip())])
        pieces += [marked.text[position:begin], _padded(content, line)]
        spans.append((begin, end))
        position = end
    pieces.append(marked.text[position:])
    return Masked("".join(pieces), tuple(sorted(spans)))


def blank(text: str) -> str:
    """As many spaces, with the same line ends."""
    return _blank(text)


def _blank(text: str) -> str:
    return re.sub(r"[^\r\n]", " ", text)


def _is_python(line: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(line.strip())
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def _logical_lines(text: str, start: int) -> Iterator[tuple[int, str, int]]:
    """Where each logical line starts, what it is, and from where on it is no Python: a whole ``line``, the ``value`` of
    `x = !ls` or `x = %magic`, a request for ``help``; the empty word for Python.
    """
    position, depth = start, 0
    begin: int | None = start  # None behind what is no Python
    while position < len(text):
        if begin == position and _ESCAPED.match(text, position):
            yield position, "line", position
            position, begin = _end(_LINE, text, position), None
            continue
        step = _STEP.match(text, position)
        assert step is not None
        kind = step.lastgroup
        end = step.end()
        if kind == "long":
            closing = _LONG_ENDS[step[0]].match(text, end)
            end = len(text) if closing is None else closing.end()
        elif kind == "open":
            depth += 1
        elif kind == "close":
            depth = max(depth - 1, 0)
        elif kind == "escape" and depth == 0 and begin is not None:
            yield begin, "value", end
            end, begin = _end(_LINE, text, end), None
        elif kind == "help" and depth == 0 and begin is not None:
            yield begin, "help", begin
            begin = None
        elif kind == "end" and depth == 0:
            if begin is not None:
                yield begin, "", end
            begin = end
        position = end
    if begin is not None and begin < len(text):
        yield begin, "", len(text)


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    assert match is not None
    return match.end()


def _lines(text: str, start: int) -> Iterator[tuple[int, int, str]]:
    """What is to be replaced: where it starts and ends, and by what."""
    for begin, kind, at in _logical_lines(text, start):
        if kind == "":
            continue
        end = _end(_LINE, text, at)
        line = text[at:end]
        if kind == "value":
            yield at, end, _value(line)
            continue
        indent = line[: len(line) - len(line.lstrip(" \t\f"))]
        match = _MAGIC.match(line) if kind == "line" else None
        if match is None:
            yield begin, end, _padded(f"{indent}0", line)
            continue
        name = match[2] or ""
        shown = _timed(line, match.end(), indent) if match[1] == "%" and name in _ONE_STATEMENT else None
        if shown is not None:
            yield begin, begin + len(shown), shown
        else:
            yield begin, end, _padded(_statement(match[1], name, line, indent), line)


def _timed(line: str, start: int, indent: str) -> str | None:
    """What stands for the part of `%time x = f()` in front of its statement; None where that is no statement."""
    options = _OPTIONS.match(line, start)
    if options is None or "\n" in line or "\r" in line:
        return None
    statement = line[options.end() :]
    if not statement.strip() or statement.lstrip().startswith(("#", "%", "!")):
        return None
    shown = _padded(f"{indent}0;", line[: options.end()])
    return shown if _is_python(f"0; {statement}") else None


def _other(name: str, rest: str, text: str) -> str:
    """The line that stands for a cell of another language."""
    reads = _shell_names(text)
    if name in _BIND_NOTHING and re.search(r"--(?:out|err|proc)\b", rest) is None:
        return f"{', '.join(reads)}\n" if reads else ""
    named = _names(rest)
    bound = "".join(f"{word} = " for word in named)
    return f"{bound}_({', '.join(dict.fromkeys([*named, *reads]))})\n"


def _cell_magic_line(name: str, rest: str, length: int) -> str:
    """What stands for the line of a cell magic whose cell is read."""
    if name == "capture":
        word = re.match(r"[ \t]+([^\W\d]\w*)", rest)
        if word is not None and not keyword.iskeyword(word[1]):
            return f"{word[1]}=_()".ljust(length)
    if name == "timeit":
        options = _OPTIONS.match(rest, 0)
        setup = rest[options.end() :] if options is not None else ""
        if setup.strip() and "=" in setup:
            return _call(_names(setup), length).ljust(length)  # it binds names that the cell then reads
    return _reading(_names(rest), length).ljust(length)


def _statement(sign: str, name: str, line: str, indent: str) -> str:
    """The Python that stands for a line."""
    length = len(re.split(r"\r\n|\r|\n", line, maxsplit=1)[0]) - len(indent)
    if sign.startswith("!"):
        return indent + _reading(_shell_names(line), length)
    if sign.startswith("?"):
        return f"{indent}0"
    words = _names(line[len(indent) :])
    if sign.startswith("%"):
        words = [word for word in words if word != name]
        if name in _HARMLESS:
            return indent + _reading(words if name == "timeit" else _shell_names(line), length)
        if name in ("run", "load", "pylab"):
            # Whatever is in there; it may seed as well.
            return f"{indent}{'seed()' if length >= 6 else '_()'}"
    return indent + _call(words, length)


def _value(escape: str) -> str:
    """The Python that stands for what is behind the equals sign of an assignment."""
    first = re.split(r"\r\n|\r|\n", escape, maxsplit=1)[0]
    words = _shell_names(escape) if escape.startswith("!") else _names(escape)[1:]
    content = _call(words, len(first)) if len(first) >= 3 else "_"
    return _padded(content, escape)


def _names(text: str) -> list[str]:
    """The words of a magic that may be variables, each once."""
    return list(dict.fromkeys(word for word in _WORD.findall(text) if not keyword.iskeyword(word)))


def _shell_names(text: str) -> list[str]:
    """The variables that IPython puts into a shell command: `$name` and `{expression}`."""
    found: list[str] = []
    for match in _SHELL_WORD.finditer(text):
        found += [match[1]] if match[1] else _names(match[2] or "")
    return [word for word in dict.fromkeys(found) if not keyword.iskeyword(word)]


def _reading(words: list[str], length: int) -> str:
    """An expression of at most this length that reads these names, as far as there is room."""
    text = ",".join(words)
    while len(text) > length:
        words = words[:-1]
        text = ",".join(words)
    return text or "0"


def _call(words: list[str], length: int) -> str:
    """A call of which nothing is known, with these names."""
    if length < 3:
        return "_"
    return f"_({'' if not words else _reading(words, length - 3) if length > 3 else ''})".replace("(0)", "()")


def _padded(content: str, old: str) -> str:
    """``content`` in the first line of ``old``, everything else of it blank, the line ends kept."""
    hidden = _blank(old)
    return content + hidden[len(content) :]
