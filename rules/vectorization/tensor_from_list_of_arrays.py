from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import NDARRAY, Call, Context, Edit, Example, Finding, Rule, Safety

ARRAYS = "import numpy as np\nimport torch\na = np.random.randn(3, 4)\nb = np.random.randn(3, 4)\n"

_TAKES_ALL = frozenset(
    f"torch.{name}" for name in "float float16 float32 float64 double half bfloat16 bool complex64 complex128".split()
)
"""Dtypes to which a number and an array are converted alike: whatever does not fit becomes inf."""


_NO_ARRAYS = (ast.Constant, ast.List, ast.Tuple, ast.ListComp, ast.Starred, ast.JoinedStr, ast.Dict)


class TensorFromListOfArrays(Rule):
    """A tensor is made from a list of NumPy arrays, which are read number by number.

    ## Why
    PyTorch goes through a list as it would through nested Python lists, one number at a time, and says itself that
    this is extremely slow. `np.array` stacks the arrays in compiled code, and the tensor is made from its memory.

    ## Fix safety
    Safe for a list that is written out, or with an explicit `dtype`, where all arrays are known to have one dtype: the
    same values of the same dtype. Unsafe for a comprehension, which may be empty: an empty list gives float32, an empty
    array float64; for arrays of several dtypes, which NumPy promotes in its own way; for arrays of several dimensions
    that may have no rows, since nested lists lose the length of the rows then; and for a `dtype` of integers, where a
    number that does not fit raises and an array wraps around.

    ## References
    - PyTorch documentation, `torch.tensor`; the warning "Creating a tensor from a list of numpy.ndarrays is extremely
      slow".
    """

    code, name = "ML128", "tensor-from-list-of-arrays"
    libraries = ("torch",)
    words = ("numpy", "pandas", "sklearn", "scipy", "cv2")  # where arrays come from
    safety = (Safety.SAFE, Safety.UNSAFE)
    triggers = (Call("torch.tensor", "torch.as_tensor"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if not node.args or isinstance(node.args[0], (ast.Constant, ast.GeneratorExp, ast.Starred)):
            return
        source = node.args[0]
        made: ast.AST | None = source
        if isinstance(source, ast.Name):
            bindings = ctx.reaching.of(source) or []
            made = bindings[0].value if len(bindings) == 1 and not bindings[0].path else None
        if not isinstance(made, (ast.List, ast.Tuple, ast.ListComp)):
            return
        first = made.elt if isinstance(made, ast.ListComp) else made.elts[0] if made.elts else None
        if first is None or isinstance(first, _NO_ARRAYS) or not ctx.kinds.of(first).is_a(NDARRAY):
            return  # most lists hold numbers: no need to look at all of one
        kind = ctx.kinds.of(source)
        if kind.name not in ("list", "tuple") or not kind.elements:
            return
        if any(not element.is_a(NDARRAY) for element in kind.elements) or ctx.flow.compiled(node):
            return
        dtype = ctx.argument(node, "dtype")
        sure = not isinstance(made, ast.ListComp) or dtype is not None
        if isinstance(source, ast.Name) or any(element.dtype is None for element in kind.elements):
            sure = False  # it may have changed since; arrays of several dtypes are promoted in another way
        if dtype is not None and ctx.dotted(dtype) not in _TAKES_ALL:
            sure = False
        elements = [made.elt] if isinstance(made, ast.ListComp) else made.elts
        if not all(_keeps_its_shape(element, ctx) for element in elements):
            sure = False

        def build() -> list[Edit]:
            text, imports = ctx.edits.name("numpy.array", node)
            return [ctx.edits.replace(source, f"{text}($x)", x=source), *imports]

        fix = ctx.fix(build, Safety.SAFE if sure else Safety.UNSAFE, "Make one array of the list first")
        message = f"`{ctx.short(node.func)}` reads the arrays in `{ctx.short(source)}` number by number"
        yield ctx.finding(node, message, "make one array of them first: `np.array`", fix)

    examples = (
        Example(
            given=ARRAYS,
            bad="x = torch.tensor([a[:0], b[:0]])",
            good="x = torch.tensor(np.array([a[:0], b[:0]]))",
            equal="x.numel()",
            safety="unsafe",
            note="of two lists of no rows nobody can tell how long the rows are",
        ),
        Example(
            given=ARRAYS,
            bad="x = torch.tensor([a, b], dtype=torch.int32)",
            good="x = torch.tensor(np.array([a, b]), dtype=torch.int32)",
            equal="x",
            safety="unsafe",
            note="a number that does not fit raises, an array wraps around",
        ),
        Example(
            given=ARRAYS,
            bad="x = torch.tensor([a[0], b[0]])",
            good="x = torch.tensor(np.array([a[0], b[0]]))",
            equal="x",
            safety="safe",
        ),
        Example(given=ARRAYS, bad="x = torch.tensor([a, b])", good="x = torch.tensor(np.array([a, b]))", equal="x"),
        Example(
            given=ARRAYS,
            bad="x = torch.as_tensor((a, b), dtype=torch.float32)",
            good="x = torch.as_tensor(np.array((a, b)), dtype=torch.float32)",
            equal="x",
            safety="safe",
        ),
        Example(
            given=ARRAYS,
            bad="x = torch.tensor([np.arange(i, i + 3) for i in range(4)])",
            good="x = torch.tensor(np.array([np.arange(i, i + 3) for i in range(4)]))",
            equal="x",
            safety="unsafe",
        ),
        Example(
            given=ARRAYS,
            bad="rows = [a + i for i in range(3)]\nx = torch.tensor(rows)",
            good="rows = [a + i for i in range(3)]\nx = torch.tensor(np.array(rows))",
            equal="x",
            safety="unsafe",
        ),
        Example(
            given=ARRAYS,
            bad="x = torch.tensor([a.astype(np.float32), np.zeros((3, 4), dtype=np.int64)])",
            good="x = torch.tensor(np.array([a.astype(np.float32), np.zeros((3, 4), dtype=np.int64)]))",
            safety="unsafe",
        ),
        Example(given=ARRAYS, ok="x = torch.tensor([1.0, 2.0])"),
        Example(given=ARRAYS, ok="x = torch.tensor(np.array([a, b]))"),
        Example(given=ARRAYS, ok="x = torch.tensor(a)"),
        Example(given=ARRAYS, ok="x = torch.stack([torch.tensor(a), torch.tensor(b)])"),
        Example(given=ARRAYS, ok="def f(rows):\n    return torch.tensor(rows)"),
        Example(given=ARRAYS, ok="x = torch.tensor([torch.rand(3), torch.rand(3)][0].tolist())"),
        Example(given=ARRAYS, ok="x = torch.tensor([v.sum() for v in (a, b)])", note="a list of numbers"),
    )


def _keeps_its_shape(array: ast.expr, ctx: Context) -> bool:
    """Whether nested lists of the array's numbers certainly show its shape: no dimension but the last can be empty."""
    lengths = ctx.model.lengths
    ndim = lengths.dimensions(array)
    if ndim is None:
        return False
    known = [lengths.axis(array, number) for number in range(ndim - 1)]
    return all(length is not None and length.base is None and length.offset > 0 for length in known)
