from __future__ import annotations

import ast
import keyword
from collections.abc import Iterator

from mlint.rule import (
    Call,
    Context,
    Edit,
    Example,
    Finding,
    Method,
    RowLoop,
    Rule,
    Safety,
    column_name,
    find_row_loop,
    takes_only_columns,
    walk,
)

FRAME = (
    "import numpy as np\nimport pandas as pd\n"
    "df = pd.DataFrame({'a': np.random.randn(40), 'b': np.random.randn(40), 's': ['x', 'Y'] * 20, 'y': [0.0] * 40})\n"
)


class IndexLoopOverDataframe(Rule):
    """A loop takes the rows of a frame one by one, where its columns can be computed as a whole.

    ## Why
    `iterrows` makes a Series of every row, and `df.loc[i, "a"]` looks up one value among the labels each time. Measured
    with pandas 3.1 on 100,000 rows, an `iterrows` loop that only reads one value took 41 µs for each row; the sum of
    the column takes less than that in all. A Series has one dtype, so whole numbers come out of `iterrows` as floats
    wherever the frame has a float column.

    Reported are loops that only compute: no input or output, no call of unknown code, no dictionary filled by key, no
    way out before the end.

    ## Fix safety
    Unsafe: sums are added in another order; a row's numbers had one common dtype; with labels that occur twice a store
    in the loop changed several rows. Sums, counts, extremes, lists of values and stores into a column, with conditions,
    become expressions of columns; another `iterrows` loop goes over the columns that it reads with `zip`.

    ## When to ignore
    The frame has a few rows.

    ## References
    - pandas user guide, "Enhancing performance".
    - pandas documentation, `DataFrame.iterrows`, notes.
    """

    code, name = "ML120", "index-loop-over-dataframe"
    libraries = ("pandas", "dask", "rapids")
    safety = Safety.UNSAFE
    triggers = (Method("iterrows", "itertuples"), Call("range"))

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        loop = find_row_loop(node, ctx.model)
        if loop is None or ctx.row_loops.is_short(loop) or ctx.flow.compiled(node):
            return
        if isinstance(loop.node, ast.For):
            parts: list[ast.stmt] | list[ast.expr] = loop.node.body
        elif isinstance(loop.node, ast.ListComp):
            parts = [loop.node.elt, *loop.node.generators[0].ifs]
        else:
            return
        if not ctx.row_loops.is_plain(parts, loop.frame) or not takes_only_columns(loop, ctx.model):
            return
        rewritten = ctx.row_loops.rewritten(loop)
        if rewritten is None and loop.how == "itertuples":
            return
        frame = ctx.short(loop.frame)
        if loop.how == "range":
            message = f"the loop looks up the rows of `{frame}` one by one"
        elif loop.how == "iterrows":
            message = f"`{ctx.short(node)}` makes a Series of every row"
        else:
            message = f"the loop goes over the rows of `{frame}` one by one"
        fix = None
        advice = f"compute whole columns of `{frame}`, or loop over `zip` of the columns or `itertuples`"
        if rewritten is not None:
            first = rewritten.lines[0]
            advice = f"compute whole columns: `{first if len(first) < 70 else first[:69].rstrip() + '…'}`"

            def build() -> list[Edit]:
                assert rewritten is not None
                imports = ctx.edits.imports(rewritten.imports)
                if isinstance(loop.node, ast.For):
                    return [ctx.edits.replace_statements(rewritten.replaced, "\n".join(rewritten.lines)), *imports]
                return [ctx.edits.replace(loop.node, rewritten.lines[0]), *imports]

            fix = ctx.fix(build, Safety.UNSAFE, "Compute whole columns")
        else:
            zipped = _zipped(node, loop, ctx)
            if zipped is not None:
                edits, header = zipped
                advice = f"compute whole columns, or at least loop over them: `for {header}`"
                fix = ctx.fix(lambda: edits, Safety.UNSAFE, f"Loop over the columns: `for {header}`")
        yield ctx.finding(loop.node, message, advice, fix)

    examples = (
        Example(
            given=FRAME,
            bad="total = 0.0\nfor _, row in df.iterrows():\n    total += row['a'] * row['b']\n",
            good="total = (df['a'] * df['b']).sum(skipna=False)\n",
            equal="total",
            close=True,
        ),
        Example(
            given=FRAME + "total = 1.0\n",
            bad="for index, row in df.iterrows():\n    price = row.a\n    if price > 0:\n        total += price\n",
            good='total += df.loc[df["a"] > 0, "a"].sum(skipna=False)\n'.replace('"', "'"),
            equal="total",
            close=True,
        ),
        Example(
            given=FRAME,
            bad="out = []\nfor i, r in df.iterrows():\n    out.append(r['s'].lower())\n",
            good="out = df['s'].str.lower().tolist()\n",
            equal="out",
        ),
        Example(
            given=FRAME,
            bad="n = 0\nfor t in df.itertuples():\n    if t.a > 0 and t.b > 0:\n        n += 1\n",
            good="n = int(((df['a'] > 0) & (df['b'] > 0)).sum())\n",
            equal="n",
        ),
        Example(
            given=FRAME,
            bad="for i, r in df.iterrows():\n    df.loc[i, 'y'] = r['a'] + 1\n",
            good="df['y'] = df['a'] + 1\n",
            equal="df",
        ),
        Example(
            given=FRAME,
            bad=(
                "for i in range(len(df)):\n    if df.loc[i, 'a'] > 0:\n        df.loc[i, 'y'] = 1.0\n"
                "    else:\n        df.loc[i, 'y'] = df['b'][i]\n"
            ),
            good="df['y'] = np.where(df['a'] > 0, 1.0, df['b'])\n",
            equal="df",
        ),
        Example(
            given=FRAME,
            bad=(
                "def mark(df: pd.DataFrame):\n    for i in range(df.shape[0]):\n"
                "        if df.at[i, 'a'] > 1 or df.at[i, 'b'] > 1:\n            df.at[i, 'y'] = df.at[i, 'a'] * 2\n"
                "    return df\n\ndf = mark(df)\n"
            ),
            good=(
                "def mark(df: pd.DataFrame):\n"
                "    df.loc[(df['a'] > 1) | (df['b'] > 1), 'y'] = df['a'] * 2\n    return df\n\ndf = mark(df)\n"
            ),
            equal="df",
        ),
        Example(
            given=FRAME,
            bad="top = -9.0\nfor _, r in df.iterrows():\n    top = max(top, r['a'])\n",
            good="top = -9.0\ntop = max(top, df['a'].max())\n",
            equal="top",
            close=True,
        ),
        Example(
            given=FRAME,
            bad="kept = [r['a'] - 1 for _, r in df.iterrows() if r['s'] == 'x']\n",
            good="kept = (df['a'] - 1)[df['s'] == 'x'].tolist()\n",
            equal="kept",
            close=True,
        ),
        Example(
            given=FRAME,
            bad=(
                "out = []\nfor i in range(len(df)):\n    if df['a'].iloc[i] < 0:\n        continue\n"
                "    out.append(df['b'].iloc[i])\n"
            ),
            good="out = df.loc[~(df['a'] < 0), 'b'].tolist()\n",
            equal="out",
            close=True,
        ),
        Example(
            given=FRAME,
            bad=(
                "last = 0.0\nrises = []\nfor _, r in df.iterrows():\n    rises.append(r['a'] > last)\n"
                "    last = r['a']\n"
            ),
            good=("last = 0.0\nrises = []\nfor a in df['a']:\n    rises.append(a > last)\n    last = a\n"),
            equal="rises",
            close=True,
            note="a round reads what the round before left",
        ),
        Example(
            given=FRAME + "def form(text, number):\n    return f'{text}: {number}'\n",
            bad="texts = [form(r['s'], r['a']) for i, r in df.iterrows() if i > 2]\n",
            good="texts = [form(s, a) for i, s, a in zip(df.index, df['s'], df['a']) if i > 2]\n",
            equal="texts",
        ),
        Example(
            given="import pandas as pd\nfrom tqdm import tqdm",
            bad=(
                "def total(d):\n    t = 0\n    for _, r in tqdm(d.iterrows(), total=len(d)):\n        t += r['a']\n"
                "    return t\n"
            ),
            good=("def total(d):\n    t = 0\n    for a in tqdm(d['a'], total=len(d)):\n        t += a\n    return t\n"),
            note="the progress bar stays",
        ),
        Example(
            given=FRAME,
            bad="total = 0.0\nfor _, row in df.iterrows():\n    # only the large ones\n    total += row['a']\n",
            note="a comment inside: no fix",
        ),
        Example(
            given=FRAME,
            bad="for i in range(len(df)):\n    last = df['a'].iloc[i] + df['b'].iloc[i]\nprint(last)\n",
            note="nothing that whole columns would say",
        ),
        Example(given=FRAME, ok="for _, r in df.iterrows():\n    print(r['a'])\n"),
        Example(given=FRAME, ok="d = {}\nfor _, r in df.iterrows():\n    d[r['s']] = r['a']\n"),
        Example(given=FRAME, ok="for _, r in df.iterrows():\n    lists[r['s']].append(r['a'])\n"),
        Example(given=FRAME, ok="for _, r in df.iterrows():\n    assert r['a'] == r['b']\n"),
        Example(given=FRAME, ok="for _, r in df.iterrows():\n    if r['a'] > 1:\n        break\n"),
        Example(given=FRAME, ok="out = []\nfor _, r in df.iterrows():\n    out.append(model.predict(r['a']))\n"),
        Example(given=FRAME, ok="for _, r in df.head(3).iterrows():\n    total = r['a']\n"),
        Example(
            given="import pandas as pd\ndf = pd.DataFrame({'a': [1, 2, 3]})",
            ok="t = 0\nfor _, r in df.iterrows():\n    t += r['a']\n",
            note="three rows",
        ),
        Example(given=FRAME, ok="rows = []\nfor t in df.itertuples():\n    rows.append((t.a, t.b))\n"),
        Example(
            given="import polars as pl\nimport pandas as pd\nframe = pl.read_csv('x.csv')",
            ok="t = 0\nfor r in frame.iter_rows():\n    t += r[0]\n",
        ),
        Example(
            given="import pandas as pd\nclass Table:\n    def iterrows(self):\n        return []\n\ntable = Table()",
            ok="t = 0\nfor _, r in table.iterrows():\n    t += r['a']\n",
        ),
        Example(given=FRAME, ok="mask = [i in {1, 2} for i in range(len(df))]\n"),
        Example(given=FRAME, ok="x = [1, 2, 3]\nt = 0\nfor i in range(len(x)):\n    t += x[i]\n"),
        Example(
            given=FRAME, ok="out = []\nfor _, r in df.iterrows():\n    out.append(r)\n", note="whole rows are kept"
        ),
        Example(
            given=(
                "import numpy as np\n"
                "import pandas as pd\n"
                "n = 1000\n"
                "df = pd.DataFrame({'price': np.random.rand(n), 'quantity': np.random.rand(n)})\n"
                ""
            ),
            bad="total = 0.0\nfor _, row in df.iterrows():\n    total += row['price']",
            good="total = df['price'].sum(skipna=False)",
            equal="total",
            close=True,
            bench=True,
        ),
    )


def _zipped(call: ast.Call, loop: RowLoop, ctx: Context) -> tuple[list[Edit], str] | None:
    """The edits that let an `iterrows` loop go over the columns that it reads, and the new header."""
    node = loop.node
    if loop.how != "iterrows" or not isinstance(loop.frame, (ast.Name, ast.Attribute)) or loop.row is None:
        return None
    generator = node if isinstance(node, ast.For) else node.generators[0]
    target = generator.target
    if not (isinstance(target, ast.Tuple) and isinstance(target.elts[-1], ast.Name)):
        return None
    inside = [n for part in _parts(node) for n in walk(part)]
    reads = [n for n in inside if column_name(n, loop.row)]
    rows = [n for n in inside if isinstance(n, ast.Name) and n.id == loop.row]
    labels = [n for n in inside if isinstance(n, ast.Name) and n.id == loop.label]
    if len(rows) != len(reads) or any(not isinstance(getattr(n, "ctx", None), ast.Load) for n in reads):
        return None
    if isinstance(node, ast.For) and any(ctx.flow.uses_after(n, node) for n in (loop.row, loop.label) if n is not None):
        return None
    columns: dict[str, str] = {}
    for read in reads:
        name = read.attr if isinstance(read, ast.Attribute) else str(read.slice.value)  # type: ignore[attr-defined]
        text = ctx.row_loops.reads(loop)(read)
        free = name.isidentifier() and not keyword.iskeyword(name) and ctx.names.is_free(name, node)
        if not free or text is None or any(isinstance(n, ast.Name) and n.id == name for n in inside):
            return None
        columns.setdefault(name, text)
    if not 0 < len(columns) < 7:
        return None
    names, values = list(columns), list(columns.values())
    if labels:
        names.insert(0, str(loop.label))
        values.insert(0, f"{ctx.text(loop.frame)}.index")
    source = values[0] if len(values) == 1 else f"zip({', '.join(values)})"
    header = f"{', '.join(names)} in {source}"
    start, end = ctx.source.span(target)
    begin, stop = ctx.source.span(call)
    if "\n" in ctx.source.text[start:stop]:
        return None
    edits = [Edit(start, end, ", ".join(names)), Edit(begin, stop, source)]
    for read in reads:
        first, last = ctx.source.span(read)
        name = read.attr if isinstance(read, ast.Attribute) else str(read.slice.value)  # type: ignore[attr-defined]
        edits.append(Edit(first, last, name))
    return sorted(edits, key=lambda edit: edit.start), header


def _parts(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.For):
        return list(node.body)
    assert isinstance(node, ast.ListComp)
    return [node.elt, *node.generators[0].ifs]
