from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import (
    Call,
    Context,
    Edit,
    Example,
    Finding,
    Fix,
    Parameters,
    Rule,
    Safety,
    of_dictionary,
    of_keywords,
)

_CLASSES = tuple(f"lightgbm.{name}" for name in ("LGBMClassifier", "LGBMRegressor", "LGBMRanker", "LGBMModel"))
_SEED = ("seed", "random_state", "random_seed")
_THREADS = ("num_threads", "num_thread", "nthread", "nthreads", "n_jobs")
_DEVICE = ("device_type", "device")
_WISE = ("force_row_wise", "force_col_wise")

GIVEN = (
    "import lightgbm as lgb\nimport numpy as np\n\nX = np.random.rand(200, 4)\ny = (X[:, 0] > 0.5).astype(int)\n"
    "data = lgb.Dataset(X, y)\n"
)


class BoostingDeterminismIncomplete(Rule):
    """LightGBM is given a seed, but not told to sum in a fixed order, so results may still differ in the last digits.

    ## Why
    The seed fixes what LightGBM samples. Histograms are summed by several threads, and whether that is done by rows or
    by columns is decided by a measurement at the start of each training; both change the order of floating-point
    additions, and with it, now and then, a split. `deterministic=True` together with `force_row_wise=True` or
    `force_col_wise=True` makes two runs on the same machine with the same data equal.

    Off by default: it costs time, and few need results that are equal to the last bit. That no seed is given is not
    reported: LightGBM and XGBoost have fixed default seeds.

    ## Fix safety
    Unsafe: training may take longer, and the last digits of the result may change once.

    ## Known limits
    Only parameters that are written out are looked at, in the call or in a dictionary. One thread, and GPUs (for which
    `deterministic` does nothing), are left alone.

    ## References
    - LightGBM documentation, "Parameters": `deterministic`, `force_row_wise`, `seed`.
    """

    code, name = "ML314", "boosting-determinism-incomplete"
    libraries = ("lightgbm",)
    default = False
    safety = Safety.UNSAFE
    words = _SEED
    triggers = (Call(*_CLASSES, "lightgbm.train", "lightgbm.cv"),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        if ctx.dotted(node.func) in _CLASSES:
            given = of_keywords(ctx.model, node)
        else:
            given = of_dictionary(ctx.model, ctx.argument(node, "params", 0))
        seed = given.first(*_SEED)
        if not given.complete or seed is None or _literal(seed.value) == (None,):
            return
        threads, device = given.first(*_THREADS), given.first(*_DEVICE)
        if threads is not None and _literal(threads.value) == (1,):
            return
        if device is not None and _literal(device.value) != ("cpu",):
            return
        fixed = given.first("deterministic")
        if fixed is not None and _literal(fixed.value) not in ((True,), (False,)):
            return
        asked = fixed is not None and _literal(fixed.value) == (True,)
        wise = any(parameter is not None for parameter in map(given.first, _WISE))
        if (asked and wise) or (fixed is not None and not asked):
            return
        missing = [] if asked else ["deterministic"]
        if not wise:
            missing.append("force_row_wise")
        shown = " and ".join(f"`{name}=True`" for name in missing)
        yield ctx.finding(
            seed.place,
            f"`{seed.name}` fixes what is sampled, not the order of sums: without {shown} two runs may differ",
            f"pass {shown}",
            _fix(given, missing, ctx),
        )

    examples = (
        Example(
            given=GIVEN,
            bad="model = lgb.LGBMClassifier(n_estimators=5, random_state=0, verbose=-1).fit(X, y)",
            good=(
                "model = lgb.LGBMClassifier(n_estimators=5, random_state=0, verbose=-1, deterministic=True, "
                "force_row_wise=True).fit(X, y)"
            ),
            equal="model.predict_proba(X)",
            close=True,
        ),
        Example(
            given=GIVEN,
            bad="params = {'objective': 'binary', 'seed': 7, 'verbose': -1}\nbooster = lgb.train(params, data, 5)",
            good=(
                "params = {'objective': 'binary', 'seed': 7, 'verbose': -1, 'deterministic': True, "
                "'force_row_wise': True}\nbooster = lgb.train(params, data, 5)"
            ),
            equal="booster.predict(X)",
            close=True,
        ),
        Example(
            given=GIVEN,
            bad=(
                'params = {\n    "objective": "binary",\n    "verbose": -1,\n    "seed": 7,\n}\n'
                "found = lgb.cv(params, data, 5)"
            ),
            good=(
                'params = {\n    "objective": "binary",\n    "verbose": -1,\n    "seed": 7,\n'
                '    "deterministic": True,\n    "force_row_wise": True,\n}\nfound = lgb.cv(params, data, 5)'
            ),
            equal="len(found)",
        ),
        Example(
            given=GIVEN,
            bad="params = dict(seed=3, verbose=-1, deterministic=True)\nbooster = lgb.train(params, data, 5)",
            good=(
                "params = dict(seed=3, verbose=-1, deterministic=True, force_row_wise=True)\n"
                "booster = lgb.train(params, data, 5)"
            ),
            equal="booster.predict(X)",
            close=True,
        ),
        Example(
            given="from lightgbm import LGBMRegressor\n\nSEED = 4\n",
            bad="base = {'n_estimators': 50}\nmodel = LGBMRegressor(**base, random_state=SEED, n_jobs=-1)",
            good=(
                "base = {'n_estimators': 50}\nmodel = LGBMRegressor(deterministic=True, force_row_wise=True, **base, "
                "random_state=SEED, n_jobs=-1)"
            ),
        ),
        Example(
            given=GIVEN,
            bad="params = {\n    'verbose': -1,\n    'seed': 7  # lucky\n}\nbooster = lgb.train(params, data, 5)",
            note="where to put it without moving the comment is not known",
        ),
        Example(given=GIVEN, ok="lgb.LGBMClassifier(n_estimators=5)", note="no seed is fixed by default"),
        Example(given=GIVEN, ok="lgb.LGBMClassifier(random_state=None)"),
        Example(given=GIVEN, ok="lgb.LGBMClassifier(random_state=0, n_jobs=1)"),
        Example(given=GIVEN, ok="lgb.train({'seed': 0, 'num_threads': 1}, data)"),
        Example(given=GIVEN, ok="lgb.train({'seed': 0, 'device': 'gpu'}, data)"),
        Example(given=GIVEN, ok="lgb.LGBMClassifier(random_state=0, device_type='cuda')"),
        Example(given=GIVEN, ok="lgb.LGBMClassifier(random_state=0, deterministic=True, force_col_wise=True)"),
        Example(given=GIVEN, ok="lgb.LGBMClassifier(random_state=0, deterministic=False)", note="decided"),
        Example(given=GIVEN, ok="def make(**more):\n    return lgb.LGBMClassifier(random_state=0, **more)"),
        Example(
            given=GIVEN,
            ok="params = {'seed': 0}\nparams['deterministic'] = True\nlgb.train(params, data)",
            note="changed after it was written",
        ),
        Example(given="import xgboost as xgb\nimport lightgbm\n", ok="xgb.XGBClassifier(random_state=0)"),
    )


def _literal(node: ast.expr) -> tuple[object, ...]:
    """A literal value in a tuple of one; an empty one for anything else."""
    return (node.value,) if isinstance(node, ast.Constant) else ()


def _fix(given: Parameters, missing: list[str], ctx: Context) -> Fix | None:
    message = f"Pass {' and '.join(f'`{name}=True`' for name in missing)}"
    source = given.source
    if isinstance(source, ast.Call):
        call = source
        return ctx.fix(lambda: ctx.edits.add_keywords(call, dict.fromkeys(missing, "True")), Safety.UNSAFE, message)
    if not isinstance(source, ast.Dict) or not source.keys or source.keys[-1] is None:
        return None
    key, value = source.keys[-1], source.values[-1]
    start, stop = ctx.source.span(value)[1], ctx.source.span(source)[1]
    text = ctx.source.text
    if "#" in text[start:stop]:
        return None
    quote = ctx.text(key)[-1]
    first = ctx.source.span(key)[0]
    before = text[text.rfind("\n", 0, first) + 1 : first]
    gap = f",\n{before}" if before.strip() == "" else ", "
    entries = "".join(f"{gap}{quote}{name}{quote}: True" for name in missing)
    return ctx.fix(lambda: Edit(start, start, entries), Safety.UNSAFE, message)
