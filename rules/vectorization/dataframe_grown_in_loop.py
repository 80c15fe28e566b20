from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import (
    DATAFRAME,
    SERIES,
    Call,
    Context,
    Edit,
    Example,
    Finding,
    Fix,
    LoopNode,
    Method,
    Rule,
    Safety,
    walk,
)

_CONCAT = ("pandas.concat", "cudf.concat")

FRAME = (
    "import numpy as np\nimport pandas as pd\n"
    "df = pd.DataFrame({'a': np.random.randn(30), 'b': np.random.randint(0, 3, 30)})\n"
)


class DataframeGrownInLoop(Rule):
    """A frame grows by a concatenation in each round of a loop, which copies all of it every time.

    ## Why
    A frame cannot be extended in place: each round copies everything that was gathered so far, so that the work grows
    with the square of the number of rounds. A list of pieces and one `concat` after the loop copies each piece once.
    `DataFrame.append` did the same, and is gone since pandas 2.0; `df.loc[len(df)] = row` copies as well.

    ## Fix safety
    Unsafe: the values are the same, but where pieces with truth values meet pieces with numbers, or a column is missing
    from some pieces, one `concat` of all may choose another dtype than one after the other.

    ## When to ignore
    The frame is written out or shown while it grows; there are only a few rounds.

    ## References
    - pandas documentation, `pandas.concat`, notes.
    - pandas documentation, "What's new in 2.0.0", removal of `DataFrame.append`.
    """

    code, name = "ML123", "dataframe-grown-in-loop"
    libraries = ("pandas", "rapids")
    safety = Safety.UNSAFE
    triggers = (Call(*_CONCAT), Method("append"), Call("len"))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        statement = ctx.tree.statement(node)
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return
        target = statement.targets[0]
        if ctx.dotted(node.func) == "len":
            grown = _row_added(statement, node, ctx)
        elif isinstance(target, (ast.Name, ast.Attribute)) and (
            statement.value is node or _renumbered(statement.value, node)
        ):
            grown = target if _joins(node, target, ctx) else None
        else:
            return
        if grown is None:
            return
        text = ast.dump(ast.parse(ctx.text(grown), mode="eval").body)
        others = _siblings(statement, node, grown, ctx)
        loop = _loop([statement, *others], text, node, ctx)
        if loop is None or any(other.lineno < statement.lineno for other in others):
            return  # one finding for one frame
        fix = None
        if isinstance(grown, ast.Name) and not loop.orelse:
            fix = self._fix(node, statement, others, grown.id, loop, ctx)
        message = f"`{ctx.short(grown)}` is copied as a whole in every round to add to it"
        advice = "collect the pieces in a list, and call `concat` once after the loop"
        yield ctx.finding(statement, message, advice, fix)

    def _fix(
        self,
        node: ast.Call,
        statement: ast.Assign,
        others: list[ast.Assign],
        name: str,
        loop: LoopNode,
        ctx: Context,
    ) -> Fix | None:
        row = ctx.dotted(node.func) == "len"
        parts = next((n for n in ("rows" if row else "parts", f"{name}_parts") if ctx.names.is_free(n, loop)), None)
        bindings = ctx.names.bindings(ctx.tree.scope(statement)).get(name, [])
        if parts is None or any(binding.how in ("global", "nonlocal") for binding in bindings):
            return None
        dotted = "cudf.concat" if ctx.dotted(node.func) == "cudf.concat" else "pandas.concat"
        frame = dotted.replace("concat", "DataFrame")
        calls = [other.value for other in others if isinstance(other.value, ast.Call)]
        if row:
            if not isinstance(statement.value, (ast.List, ast.Tuple, ast.Dict)):
                return None
            added = f"{parts}.append({ctx.text(statement.value)})"
        elif ctx.dotted(node.func) in _CONCAT:
            texts = [_appended(call, name, parts, ctx) for call in (node, *calls)]
            if any(text is None for text in texts):
                return None
            added = str(texts[0])
        else:
            piece = node.args[0]
            kind = ctx.kinds.of(piece)
            if kind.name == "dict":
                added = f"{parts}.append(FRAME([{ctx.text(piece)}]))"
            elif kind.is_a(SERIES):
                added = f"{parts}.append({ctx.text(piece)}.to_frame().T)"
            elif kind.is_a(DATAFRAME):
                added = f"{parts}.append({ctx.text(piece)})"
            else:
                return None

        def build() -> list[Edit]:
            concat, imports = ctx.edits.name(dotted, loop)
            made, more = ctx.edits.name(frame, loop)
            if row:
                first = f"{parts} = []"
                last = f"{name} = {concat}([{name}, {made}({parts}, columns={name}.columns)], ignore_index=True)"
            else:
                rest = [ctx.text(argument) for argument in node.args[1:] if ctx.dotted(node.func) in _CONCAT]
                rest += [ctx.text(keyword) for keyword in node.keywords]
                first = f"{parts} = [{name}]"
                last = f"{name} = {concat}({', '.join([parts, *rest])})"
                if statement.value is not node:
                    last += ".reset_index(drop=True)"
            edits = [
                ctx.edits.insert_before(loop, first),
                ctx.edits.replace_statements([statement], added.replace("FRAME", made)),
                *(
                    ctx.edits.replace_statements([o], str(_appended(c, name, parts, ctx)))
                    for o, c in zip(others, calls)
                ),
                ctx.edits.insert_after(loop, last),
            ]
            return [*edits, *imports, *(edit for edit in more if edit not in imports)]

        return ctx.fix(build, Safety.UNSAFE, "Concatenate once after the loop")

    examples = (
        Example(
            given=FRAME,
            bad="out = pd.DataFrame()\nfor b in range(3):\n    part = df[df['b'] == b].head(2)\n"
            "    out = pd.concat([out, part])  # grows\n",
            good="out = pd.DataFrame()\nparts = [out]\nfor b in range(3):\n    part = df[df['b'] == b].head(2)\n"
            "    parts.append(part)  # grows\nout = pd.concat(parts)\n",
            equal="out",
        ),
        Example(
            given=FRAME,
            bad=(
                "def gather(names):\n    res = pd.DataFrame({'a': [0.5]})\n    for i in range(4):\n"
                "        for n in names:\n            if n != i:\n                res = pd.concat([res, df.head(n)], "
                "ignore_index=True, axis=0)\n    return res\n\nout = gather([1, 2])\n"
            ),
            good=(
                "def gather(names):\n    res = pd.DataFrame({'a': [0.5]})\n    parts = [res]\n    for i in range(4):\n"
                "        for n in names:\n            if n != i:\n                parts.append(df.head(n))\n"
                "    res = pd.concat(parts, ignore_index=True, axis=0)\n    return res\n\nout = gather([1, 2])\n"
            ),
            equal="out",
        ),
        Example(
            given=FRAME,
            bad="out = pd.DataFrame()\nfor k in range(5):\n    out = out.append({'k': k}, ignore_index=True)\n",
            good="out = pd.DataFrame()\nparts = [out]\nfor k in range(5):\n    parts.append(pd.DataFrame([{'k': k}]))\n"
            "out = pd.concat(parts, ignore_index=True)\n",
            raises="AttributeError",
            equal="len(out) == 5",
        ),
        Example(
            given=FRAME,
            bad="out = pd.DataFrame(columns=['k', 'v'])\nfor k in range(5):\n    out.loc[len(out)] = [k, k * 0.5]\n",
            good="out = pd.DataFrame(columns=['k', 'v'])\nrows = []\nfor k in range(5):\n"
            "    rows.append([k, k * 0.5])\n"
            "out = pd.concat([out, pd.DataFrame(rows, columns=out.columns)], ignore_index=True)\n",
            equal="out['v'].tolist(), len(out)",
            close=True,
        ),
        Example(
            given=FRAME,
            bad=(
                "out = df\nfor k in range(4):\n    if k % 2:\n        out = pd.concat([out, df.head(k)])\n"
                "    else:\n        out = pd.concat([out, df.tail(2), df.head(1)])\n"
            ),
            good=(
                "out = df\nparts = [out]\nfor k in range(4):\n    if k % 2:\n        parts.append(df.head(k))\n"
                "    else:\n        parts.extend([df.tail(2), df.head(1)])\nout = pd.concat(parts)\n"
            ),
            equal="out",
        ),
        Example(
            given=FRAME,
            bad=(
                "out = pd.DataFrame()\nfor k in range(3):\n"
                "    out = pd.concat([out, df.head(k)]).reset_index(drop=True)\n"
            ),
            good="out = pd.DataFrame()\nparts = [out]\nfor k in range(3):\n    parts.append(df.head(k))\n"
            "out = pd.concat(parts).reset_index(drop=True)\n",
            equal="out",
        ),
        Example(
            given=FRAME,
            bad=(
                "class Log:\n    def __init__(self):\n        self.table = pd.DataFrame()\n\n"
                "    def fill(self, rows):\n"
                "        for row in rows:\n            self.table = pd.concat([self.table, row])\n"
            ),
        ),
        Example(
            given=FRAME,
            bad="out = None\nwhile len(df) > 3:\n    df = df.iloc[2:]\n    out = pd.concat([df, out])\n",
            note="the new part goes in front: report only",
        ),
        Example(given=FRAME, ok="out = df\nfor n in range(3):\n    out = pd.concat([out, df], axis=1)\n"),
        Example(given=FRAME, ok="out = df\nfor n in range(3):\n    out = pd.concat([out, out])\n", note="doubles"),
        Example(given=FRAME, ok="out = df\nfor n in range(3):\n    out = pd.concat([out, df])\n    print(out.shape)\n"),
        Example(
            given=FRAME,
            ok="def go():\n    out = df\n    for n in range(3):\n        out = pd.concat([out, df])\n"
            "        yield out\n",
        ),
        Example(given=FRAME, ok="for n in range(3):\n    out = df.head(n)\n    out = pd.concat([out, df])\n"),
        Example(given=FRAME, ok="parts = []\nfor n in range(3):\n    parts.append(df)\nout = pd.concat(parts)\n"),
        Example(given=FRAME, ok="rows = []\nfor n in range(3):\n    rows = rows + [n]\n    rows.append(n)\n"),
        Example(given=FRAME, ok="out = pd.concat([df, df])\n"),
        Example(
            given=FRAME,
            ok="def step(out):\n    out = pd.concat([out, df])\n    return out\n\n"
            "for n in range(3):\n    x = step(df)\n",
        ),
        Example(
            given=FRAME,
            ok="out = df\nfor n in range(3):\n    try:\n        out = pd.concat([out, df])\n    finally:\n"
            "        out.to_csv('x.csv')\n",
            note="kept on disk as it grows",
        ),
        Example(
            given="import numpy as np\nimport pandas as pd\nn = 1000\n",
            bad="df = pd.DataFrame({'i': [0]})\nfor i in range(n):\n    df = pd.concat([df, pd.DataFrame({'i': [i]})])",
            good=(
                "df = pd.DataFrame({'i': [0]})\n"
                "parts = [df]\n"
                "for i in range(n):\n"
                "    parts.append(pd.DataFrame({'i': [i]}))\n"
                "df = pd.concat(parts)"
            ),
            equal="df",
            close=True,
            bench=True,
        ),
    )


def _joins(node: ast.Call, target: ast.expr, ctx: Context) -> bool:
    """Whether a call puts rows to those that the target holds."""
    axis = ctx.argument(node, "axis", 1) if ctx.dotted(node.func) in _CONCAT else None
    if axis is not None and not (isinstance(axis, ast.Constant) and axis.value in (0, "index", "rows")):
        return False
    if ctx.open_ended(node) or not node.args:
        return False
    name = ctx.text(target)
    if ctx.dotted(node.func) in _CONCAT:
        pieces = node.args[0]
        if not isinstance(pieces, (ast.List, ast.Tuple)) or len(pieces.elts) < 2:
            return False
        own = [piece for piece in pieces.elts if ctx.text(piece) == name]
        return len(own) == 1
    if not isinstance(node.func, ast.Attribute) or ctx.text(node.func.value) != name or len(node.args) != 1:
        return False
    receiver = node.func.value
    if not isinstance(receiver, ast.Name):
        return ctx.is_a(receiver, DATAFRAME)
    before = [binding for binding in ctx.reaching.of(receiver) or () if binding.value is not node]
    return bool(before) and all(ctx.kinds.binding(binding).is_a(DATAFRAME) for binding in before)


def _renumbered(value: ast.expr, node: ast.Call) -> bool:
    """Whether an expression is ``concat(…).reset_index(drop=True)``: what is done again after the loop."""
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.value is node):
        return False
    if value.func.attr != "reset_index" or value.args or [keyword.arg for keyword in value.keywords] != ["drop"]:
        return False
    drop = value.keywords[0].value
    return isinstance(drop, ast.Constant) and drop.value is True


def _row_added(statement: ast.Assign, size: ast.Call, ctx: Context) -> ast.expr | None:
    """The frame in ``frame.loc[len(frame)] = row``."""
    target = statement.targets[0]
    if not isinstance(target, ast.Subscript) or target.slice is not size or len(size.args) != 1:
        return None
    place = target.value
    if not isinstance(place, ast.Attribute) or place.attr != "loc" or not ctx.is_a(place.value, DATAFRAME):
        return None
    measured = size.args[0]
    if isinstance(measured, ast.Attribute) and measured.attr == "index":
        measured = measured.value
    return place.value if ctx.text(measured) == ctx.text(place.value) else None


def _appended(call: ast.Call, name: str, parts: str, ctx: Context) -> str | None:
    """What stands in place of ``name = concat([name, …])``."""
    pieces = call.args[0]
    if not isinstance(pieces, (ast.List, ast.Tuple)) or ctx.text(pieces.elts[0]) != name:
        return None
    others = ", ".join(ctx.text(piece) for piece in pieces.elts[1:])
    single = len(pieces.elts) == 2 and not isinstance(pieces.elts[1], ast.Starred)
    return f"{parts}.append({others})" if single else f"{parts}.extend([{others}])"


def _siblings(statement: ast.Assign, node: ast.Call, grown: ast.expr, ctx: Context) -> list[ast.Assign]:
    """The other statements of the loops that add to the same frame in the same way."""
    loops = list(ctx.tree.loops(statement))
    if not loops or ctx.dotted(node.func) not in _CONCAT:
        return []
    how = [ast.dump(keyword) for keyword in node.keywords]
    found = []
    for other in walk(loops[-1]):
        if isinstance(other, ast.Assign) and other is not statement and isinstance(other.value, ast.Call):
            call = other.value
            same = ctx.dotted(call.func) == ctx.dotted(node.func) and [ast.dump(k) for k in call.keywords] == how
            if same and len(other.targets) == 1 and ctx.text(other.targets[0]) == ctx.text(grown):
                if len(call.args) == len(node.args) == 1 and _joins(call, other.targets[0], ctx):
                    found.append(other)
    return found


def _loop(statements: list[ast.Assign], grown: str, node: ast.Call, ctx: Context) -> LoopNode | None:
    """The outermost loop that does nothing else with what grows; None where it does even in the innermost."""
    inside = {inner for statement in statements for inner in walk(statement)}
    mentions = sum(_matches(inner, grown) for inner in inside)
    row = ctx.dotted(node.func) == "len"
    if mentions > 2 * len(statements) and not row:
        return None
    found = None
    for loop in ctx.tree.loops(statements[0]):
        stored = {n.id for n in walk(loop) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
        given = [keyword.value for keyword in node.keywords]
        if any(isinstance(n, ast.Name) and n.id in stored for value in given for n in walk(value)):
            break
        if any(inner not in inside and _matches(inner, grown) for inner in walk(loop)):
            break
        if any(isinstance(inner, (ast.Yield, ast.YieldFrom)) for inner in walk(loop)):
            break
        found = loop
    return found


def _matches(node: ast.AST, grown: str) -> bool:
    """Whether a node reads, sets or deletes what grows."""
    if isinstance(node, ast.Name):
        return grown == ast.dump(ast.Name(node.id, ast.Load()))
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return grown == ast.dump(ast.Attribute(ast.Name(node.value.id, ast.Load()), node.attr, ast.Load()))
    return False
