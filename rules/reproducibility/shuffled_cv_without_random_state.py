from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import Call, Context, Example, Finding, Rule, Safety

_FOLDS = frozenset(
    "sklearn.model_selection.KFold sklearn.model_selection.StratifiedKFold "
    "sklearn.model_selection.StratifiedGroupKFold sklearn.model_selection.GroupKFold "
    "dask_ml.model_selection.KFold".split()
)
_OLD = frozenset({"sklearn.cross_validation.KFold", "sklearn.cross_validation.StratifiedKFold"})
_REPEATED = frozenset({"sklearn.model_selection.RepeatedKFold", "sklearn.model_selection.RepeatedStratifiedKFold"})


class ShuffledCvWithoutRandomState(Rule):
    """Shuffled cross-validation without `random_state` scores each model on other folds.

    ## Why
    A shuffling splitter with `random_state=None` draws anew in every call of `split`. Two models that are
    cross-validated with it, even by the same object in the same run, are compared on different folds, so the
    difference of their scores contains the difference of the folds. With an integer all see the same ones.

    The reverse is an error of its own: `KFold(random_state=0)` without `shuffle=True` raises a
    ValueError (since scikit-learn 0.24).

    Where the program seeds NumPy's generator, a splitter that is used once repeats its folds in the next run, and
    nothing is said about it.

    ## Fix safety
    Unsafe: one way to divide the data is chosen for good. An ineffective `random_state` is only reported, since
    either shuffling or not was meant.

    ## References
    - scikit-learn user guide, "Common pitfalls and recommended practices", section "Controlling randomness".
    - scikit-learn documentation, `sklearn.model_selection.KFold`.
    """

    code, name = "ML304", "shuffled-cv-without-random-state"
    libraries = ("sklearn",)
    safety = Safety.UNSAFE
    triggers = (Call(*sorted(_FOLDS | _OLD | _REPEATED)),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        dotted = ctx.dotted(node.func)
        if dotted is None or ctx.open_ended(node):
            return
        positional = dotted.endswith("StratifiedGroupKFold")
        shuffle = ctx.argument(node, "shuffle", 1 if positional else None)
        state = ctx.argument(node, "random_state", 2 if positional else None)
        name = ctx.short(node.func)
        if state is not None and not _is(state, None):
            unshuffled = shuffle is None or _is(shuffle, False)
            raises = dotted in _FOLDS and dotted.startswith("sklearn.") and not ctx.targets("scikit-learn", "<0.24")
            if unshuffled and raises and isinstance(state, ast.Constant):
                yield ctx.finding(
                    node,
                    f"`{name}` with `random_state` and without `shuffle=True` raises a ValueError",
                    "pass `shuffle=True`, or leave `random_state` out",
                )
            return
        if dotted not in _REPEATED and not _is(shuffle, True):
            return
        if ctx.randomness.seeded("numpy", node) and not _used_again(node, ctx):
            return
        value = str(ctx.options.seed)
        fix = ctx.fix(
            lambda: ctx.edits.put_keyword(node, "random_state", value),
            Safety.UNSAFE,
            f"Pass `random_state={value}`",
        )
        yield ctx.finding(
            node, f"`{name}` shuffles anew in every split: models are compared on different folds",
            "pass `random_state`", fix,
        )  # fmt: skip

    examples = (
        Example(
            given="from sklearn.model_selection import KFold\nX = list(range(20))",
            bad="cv = KFold(n_splits=5, shuffle=True)",
            good="cv = KFold(n_splits=5, shuffle=True, random_state=0)",
            equal="sorted(i for _, test in cv.split(X) for i in test)",
        ),
        Example(
            given="from sklearn import model_selection",
            bad=(
                "def folds(n):\n"
                "    return model_selection.StratifiedKFold(\n"
                "        n_splits=n,\n"
                "        shuffle=True,\n"
                "    )"
            ),
            good=(
                "def folds(n):\n"
                "    return model_selection.StratifiedKFold(\n"
                "        n_splits=n,\n"
                "        shuffle=True,\n"
                "        random_state=0,\n"
                "    )"
            ),
        ),
        Example(
            given="from sklearn.model_selection import RepeatedStratifiedKFold",
            bad="cv = RepeatedStratifiedKFold(n_splits=5, n_repeats=3)",
            good="cv = RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=0)",
            note="shuffles always",
        ),
        Example(
            given="from sklearn.model_selection import StratifiedGroupKFold",
            bad="cv = StratifiedGroupKFold(5, True)",
            good="cv = StratifiedGroupKFold(5, True, random_state=0)",
        ),
        Example(
            given="from sklearn.model_selection import KFold",
            bad="cv = KFold(5, shuffle=True, random_state=None)",
            good="cv = KFold(5, shuffle=True, random_state=0)",
        ),
        Example(
            given="from sklearn.model_selection import KFold",
            bad="cv = KFold(n_splits=5, random_state=42)",
            note="raises a ValueError",
        ),
        Example(
            given="from sklearn.model_selection import StratifiedKFold",
            bad="cv = StratifiedKFold(n_splits=5, shuffle=False, random_state=42)",
        ),
        Example(
            given="import numpy as np\nfrom sklearn.model_selection import KFold, cross_val_score\nnp.random.seed(0)",
            bad=(
                "def compare(a, b, X, y):\n"
                "    cv = KFold(5, shuffle=True)\n"
                "    return cross_val_score(a, X, y, cv=cv), cross_val_score(b, X, y, cv=cv)"
            ),
            good=(
                "def compare(a, b, X, y):\n"
                "    cv = KFold(5, shuffle=True, random_state=0)\n"
                "    return cross_val_score(a, X, y, cv=cv), cross_val_score(b, X, y, cv=cv)"
            ),
            note="a seed of the program does not help: the second use has other folds than the first",
        ),
        Example(ok="from sklearn.model_selection import KFold\ncv = KFold(5, shuffle=True, random_state=1)"),
        Example(ok="from sklearn.model_selection import KFold, TimeSeriesSplit\ncvs = [KFold(5), TimeSeriesSplit(5)]"),
        Example(
            ok="from sklearn.model_selection import KFold\n"
            "def folds(n, **options):\n    return KFold(n, shuffle=True, **options)"
        ),
        Example(
            ok="from sklearn.model_selection import KFold\n"
            "def folds(n, seed=None):\n    return KFold(n, shuffle=seed is not None, random_state=seed)"
        ),
        Example(
            ok="import numpy as np\nfrom sklearn.model_selection import KFold\n"
            "np.random.seed(1)\nfor train, test in KFold(5, shuffle=True).split(np.arange(50)):\n    print(test)"
        ),
        Example(ok="import sklearn\nfrom folds import KFold\ncv = KFold(5, shuffle=True)"),
        Example(ok="from sklearn.model_selection import KFold\ncv = KFold(5, random_state=None)"),
    )


def _is(node: ast.AST | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _used_again(call: ast.Call, ctx: Context) -> bool:
    """Whether the splitter is bound to a name that is read more than once."""
    parent = ctx.tree.parent(call)
    if not isinstance(parent, ast.Assign) or len(parent.targets) != 1 or not isinstance(parent.targets[0], ast.Name):
        return False
    following = ctx.tree.following(parent)
    return len(ctx.flow.reads(parent.targets[0].id, following)) > 1
