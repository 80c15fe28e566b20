from __future__ import annotations

import ast
from collections.abc import Iterator

from mlint.rule import (
    Call,
    Context,
    Edit,
    Example,
    Finding,
    Parameters,
    Rule,
    Safety,
    of_dictionary,
    of_keywords,
)

_LIGHTGBM_CLASSES = tuple(f"lightgbm.{name}" for name in ("LGBMClassifier", "LGBMRegressor", "LGBMRanker", "LGBMModel"))
_XGBOOST_CLASSES = tuple(
    f"xgboost.{name}" for name in "XGBClassifier XGBRegressor XGBRanker XGBRFClassifier XGBRFRegressor".split()
)
_LIGHTGBM = (*_LIGHTGBM_CLASSES, "lightgbm.train", "lightgbm.cv")
_XGBOOST = (*_XGBOOST_CLASSES, "xgboost.train", "xgboost.cv")

_LEAVES = ("num_leaves", "num_leaf", "max_leaves", "max_leaf", "max_leaf_nodes")
_FRACTION = ("bagging_fraction", "sub_row", "subsample", "bagging")
_FREQUENCY = ("bagging_freq", "subsample_freq")
_BOOSTING = ("boosting", "boosting_type", "boost", "data_sample_strategy")
_UNBALANCED = ("is_unbalance", "unbalance", "unbalanced_sets")
_CLASSES = ("num_class", "num_classes")
_OBJECTIVE = ("objective", "objective_type", "app", "application", "loss")


class BoostingParametersInconsistent(Rule):
    """Parameters of LightGBM or XGBoost that rule each other out, or that have no effect together.

    ## Why
    - `num_leaves` above `2 ** max_depth`: no tree can have so many leaves.
    - `bagging_fraction` (`subsample`) below 1 without `bagging_freq` (`subsample_freq`): LightGBM draws a sample every
      `bagging_freq` rounds, and 0, the default, turns bagging off. The model is the same as without it.
    - `is_unbalance` together with `scale_pos_weight`: LightGBM stops with an error.
    - `num_class` with a binary objective: both libraries stop with an error.
    - `tree_method="exact"` with `device="cuda"`: XGBoost has the exact method on CPUs only.

    Only values that are written out are looked at.

    ## Fix safety
    Unsafe: with bagging switched on, other models come out.

    ## References
    - LightGBM documentation, "Parameters" and "Parameters Tuning".
    - XGBoost documentation, "XGBoost Parameters".
    """

    code, name = "ML908", "boosting-parameters-inconsistent"
    libraries = ("lightgbm", "xgboost")
    safety = Safety.UNSAFE
    triggers = (Call(*_LIGHTGBM, *_XGBOOST),)

    def check(self, node: ast.AST, ctx: Context) -> Iterator[Finding]:
        assert isinstance(node, ast.Call)
        dotted = ctx.dotted(node.func) or ""
        if dotted.endswith((".train", ".cv")):
            given = of_dictionary(ctx.model, ctx.argument(node, "params", 0))
        else:
            given = of_keywords(ctx.model, node)
        if dotted in _LIGHTGBM:
            yield from _leaves(given, ctx)
            yield from self._bagging(given, ctx)
            unbalanced, weight = given.first(*_UNBALANCED), given.first("scale_pos_weight")
            if unbalanced is not None and weight is not None and _value(unbalanced[2]) is True:
                if isinstance(_value(weight[2]), (int, float)) and _value(weight[2]) != 1:
                    message = f"`{unbalanced[0]}` and `scale_pos_weight` cannot be used together"
                    yield ctx.finding(unbalanced[1], message, "keep one of the two")
        classes, objective = given.first(*_CLASSES), given.first(*_OBJECTIVE)
        if classes is not None and objective is not None:
            text, count = _value(objective[2]), _value(classes[2])
            if text in ("binary", "binary:logistic", "binary:logitraw", "binary:hinge") and isinstance(count, int):
                if count > 1:
                    message = f'`{classes[0]}={count}` does not go with the objective "{text}"'
                    yield ctx.finding(classes[1], message, "use a multi-class objective, or leave the number out")
        method, device = given.first("tree_method"), given.first("device")
        if dotted in _XGBOOST and method is not None and device is not None and _value(method[2]) == "exact":
            if str(_value(device[2])).startswith(("cuda", "gpu")):
                message = 'the tree method "exact" does not run on a GPU'
                yield ctx.finding(method[1], message, 'use "hist"')

    def _bagging(self, given: Parameters, ctx: Context) -> Iterator[Finding]:
        fraction, frequency, boosting = given.first(*_FRACTION), given.first(*_FREQUENCY), given.first(*_BOOSTING)
        if (
            fraction is None
            or not given.complete
            or (boosting is not None and _value(boosting[2]) not in ("gbdt", "bagging"))
        ):
            return
        share = _value(fraction[2])
        if not isinstance(share, float) or not 0 < share < 1:
            return
        if frequency is not None and _value(frequency[2]) != 0:
            return
        freq = "subsample_freq" if fraction[0] == "subsample" else "bagging_freq"
        fix = None
        place = ctx.tree.parent(fraction[1])
        if isinstance(fraction[1], ast.keyword) and isinstance(place, ast.Call):
            name = freq if frequency is None else frequency[0]
            if frequency is None or any(keyword is frequency[1] for keyword in place.keywords):

                def build() -> list[Edit]:
                    return [ctx.edits.put_keyword(place, name, "1")]

                fix = ctx.fix(build, Safety.UNSAFE, f"Pass `{name}=1`")
        message = f"`{fraction[0]}={share}` has no effect: `{freq}` is 0, which turns bagging off"
        yield ctx.finding(fraction[1], message, f"set `{freq}=1`", fix)

    examples = (
        Example(
            given="import lightgbm as lgb",
            bad="model = lgb.LGBMClassifier(n_estimators=100, subsample=0.8)",
            good="model = lgb.LGBMClassifier(n_estimators=100, subsample=0.8, subsample_freq=1)",
        ),
        Example(
            given="from lightgbm import LGBMRegressor",
            bad="model = LGBMRegressor(\n    bagging_fraction=0.7,  # rows\n    bagging_freq=0,\n)",
            good="model = LGBMRegressor(\n    bagging_fraction=0.7,  # rows\n    bagging_freq=1,\n)",
        ),
        Example(
            given="import lightgbm as lgb",
            bad="params = dict(max_depth=7, subsample=0.8)\nmodel = lgb.LGBMClassifier(**params, random_state=1)",
            good=(
                "params = dict(max_depth=7, subsample=0.8, subsample_freq=1)\n"
                "model = lgb.LGBMClassifier(**params, random_state=1)"
            ),
        ),
        Example(given="import lightgbm as lgb", bad="model = lgb.LGBMClassifier(num_leaves=64, max_depth=5)"),
        Example(
            given="import lightgbm as lgb",
            bad=(
                "params = {'objective': 'binary', 'num_leaves': 255, 'max_depth': 7, 'bagging_fraction': 0.5}\n"
                "def fit(data):\n    return lgb.train(params, data)"
            ),
            count=2,
        ),
        Example(
            given="import lightgbm as lgb",
            bad="params = dict(is_unbalance=True, scale_pos_weight=3.5)\nmodel = lgb.LGBMClassifier(**params)",
        ),
        Example(
            given="import xgboost as xgb",
            bad="def fit(d):\n    return xgb.train({'objective': 'binary:logistic', 'num_class': 2}, d, 10)",
        ),
        Example(given="import xgboost as xgb", bad="model = xgb.XGBClassifier(tree_method='exact', device='cuda:0')"),
        Example(given="import lightgbm as lgb", ok="model = lgb.LGBMClassifier(subsample=0.8, subsample_freq=5)"),
        Example(given="import lightgbm as lgb", ok="model = lgb.LGBMClassifier(subsample=1.0)"),
        Example(given="import lightgbm as lgb", ok="model = lgb.LGBMClassifier(subsample=0.8, boosting_type='rf')"),
        Example(
            given="import lightgbm as lgb",
            ok="def fit(**rest):\n    return lgb.LGBMClassifier(subsample=0.8, **rest)",
        ),
        Example(
            given="import lightgbm as lgb",
            ok="params = {'bagging_fraction': 0.8}\nparams['bagging_freq'] = 1\nmodel = lgb.LGBMClassifier(**params)",
        ),
        Example(
            given="import lightgbm as lgb",
            ok="params = {'bagging_fraction': 0.8}\nparams.update(extra())\nmodel = lgb.LGBMClassifier(**params)",
        ),
        Example(given="import lightgbm as lgb", ok="model = lgb.LGBMClassifier(num_leaves=31, max_depth=-1)"),
        Example(given="import lightgbm as lgb", ok="model = lgb.LGBMClassifier(num_leaves=31, max_depth=5)"),
        Example(
            given="import lightgbm as lgb",
            ok=(
                "def objective(trial):\n    return lgb.LGBMClassifier(\n"
                "        num_leaves=trial.suggest_int('n', 2, 256), max_depth=trial.suggest_int('d', 2, 9))"
            ),
        ),
        Example(given="import xgboost as xgb", ok="model = xgb.XGBClassifier(subsample=0.8, max_depth=3)"),
        Example(given="import xgboost as xgb", ok="model = xgb.XGBClassifier(tree_method='hist', device='cuda')"),
    )


def _value(node: ast.expr) -> object:
    """A literal value; the node itself for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        number = node.operand.value
        return -number if isinstance(number, (int, float)) else node
    return node.value if isinstance(node, ast.Constant) else node


def _leaves(given: Parameters, ctx: Context) -> Iterator[Finding]:
    leaves, depth = given.first(*_LEAVES), given.first("max_depth")
    if leaves is None or depth is None:
        return
    number, deep = _value(leaves[2]), _value(depth[2])
    if isinstance(number, int) and isinstance(deep, int) and 0 < deep < 32 and number > 2**deep:
        message = f"`{leaves[0]}={number}` is more than the {2**deep} leaves that `max_depth={deep}` allows"
        yield ctx.finding(leaves[1], message, f"set `{leaves[0]}` well below {2**deep}, or allow deeper trees")
